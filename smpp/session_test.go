package smpp

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBindSaysWhoWeAre(t *testing.T) {
	for _, tc := range []struct {
		mode  Mode
		roles []CommandID
	}{
		{Transceiver, []CommandID{BindTransceiver}},
		{Transmitter, []CommandID{BindTransmitter}},
		{Receiver, []CommandID{BindReceiver}},
		{Pair, []CommandID{BindTransmitter, BindReceiver}},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, func(c *BindConfig) {
					c.Bind, c.SystemType, c.AddressRange = tc.mode, "USSD", "^7001$"
				})
				seen := make(map[CommandID]bool)
				for range tc.roles {
					if r.esme.Bound() {
						t.Error("bound too early")
					}
					p := r.accept()
					bind := p.read()
					b := bind.Body.(*Bind)
					if b.SystemID != "starhash" || string(b.Password.Reveal()) != testPassword ||
						b.SystemType != "USSD" || b.Address.Addr != "^7001$" || b.InterfaceVersion != 0x34 {
						t.Errorf("bind says %+v", b)
					}
					seen[bind.Command] = true
					p.write(PDU{Command: bind.Command.Response(), Sequence: bind.Sequence, Body: new(BindResp)})
					synctest.Wait()
					defer p.close()
				}
				for _, role := range tc.roles {
					if !seen[role] {
						t.Errorf("no %s", role)
					}
				}
				if err := r.esme.AwaitBound(t.Context()); err != nil || !r.esme.Bound() {
					t.Errorf("AwaitBound: %v", err)
				}
			})
		})
	}
}

func TestEnquireLinkKeepsALivingLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		for range 3 {
			elapsed(t, 30*time.Second, 30*time.Second, func() {
				q := p.wantCommand(EnquireLink)
				p.write(PDU{Command: EnquireLinkResp, Sequence: q.Sequence})
			})
		}
		// Any PDU is a sign of life and puts the question off.
		time.Sleep(20 * time.Second)
		p.checkAlive()
		elapsed(t, 30*time.Second, 30*time.Second, func() { p.wantCommand(EnquireLink) })
	})
}

func TestEnquireLinkEndsADeadLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		p.wantCommand(EnquireLink)
		elapsed(t, 10*time.Second, 10*time.Second, p.wantClosed)
		synctest.Wait()
		if r.esme.Bound() {
			t.Error("still bound")
		}
		r.bound().close()
	})
}

func TestEnquireLinkOfTheSMSCIsAnsweredWhileTheApplicationBlocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, handlerFuncs{deliver: func(_ context.Context, d *Delivery) {
			<-release
			d.Ack(StatusOK)
		}}, nil)
		p := r.bound()
		defer p.close()
		p.deliver(1, "263771", "hello")
		p.checkAlive()
		close(release)
		p.want(DeliverSMResp, 1, StatusOK)
	})
}

func TestBindTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.accept()
		p.wantCommand(BindTransceiver)
		elapsed(t, 10*time.Second, 10*time.Second, p.wantClosed)
		r.bound().close()
	})
}

func TestBeforeTheBindIsGranted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.accept()
		defer p.close()
		bind := p.wantCommand(BindTransceiver)
		p.checkAlive()
		p.deliver(9, "263771", "too early")
		p.want(DeliverSMResp, 9, StatusInvBndSts)
		p.write(PDU{Command: SubmitSMResp, Sequence: bind.Sequence}) // not the answer
		p.writeRaw(header(0x77, 0, 5))
		p.want(GenericNack, 5, StatusInvCmdID)
		p.write(PDU{Command: BindTransceiverResp, Sequence: bind.Sequence, Body: new(BindResp)})
		p.checkAlive()
		if !r.esme.Bound() {
			t.Error("not bound")
		}
	})
}

func TestRefusedBindIsTriedAgainAndThePasswordIsNotLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		for _, refuse := range []func(p *peer, bind PDU){
			func(p *peer, b PDU) {
				p.write(PDU{Command: b.Command.Response(), Sequence: b.Sequence, Status: StatusInvPaswd})
			},
			func(p *peer, b PDU) {
				p.write(PDU{Command: GenericNack, Sequence: b.Sequence, Status: StatusSysErr})
			},
			func(p *peer, b PDU) { p.write(PDU{Command: Unbind, Sequence: 1}); p.want(UnbindResp, 1, StatusOK) },
			func(p *peer, b PDU) { p.close() },
		} {
			p := r.accept()
			refuse(p, p.wantCommand(BindTransceiver))
			p.wantClosed()
		}
		r.bound().close()
		synctest.Wait()
		log := r.log.String()
		for _, want := range []string{"ESME_RINVPASWD", "ESME_RSYSERR", "unbound by the SMSC"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log does not say %s", want)
			}
		}
		if strings.Contains(log, testPassword) {
			t.Error("the log holds the password")
		}
	})
}

// header is a PDU of a header alone.
func header(c CommandID, s Status, sequence uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, HeaderLen)
	b = binary.BigEndian.AppendUint32(b, uint32(c))
	b = binary.BigEndian.AppendUint32(b, uint32(s))
	return binary.BigEndian.AppendUint32(b, sequence)
}

func TestMalformedPDUIsAnsweredAndTheBindLives(t *testing.T) {
	for _, tc := range []struct {
		name   string
		frame  []byte
		answer CommandID // 0: none
		status Status
	}{
		{"unknown operation", header(0x00000077, 0, 3), GenericNack, StatusInvCmdID},
		{"unknown response", header(0x80000077, 0, 3), 0, 0},
		{"query_sm", appended(t, PDU{Command: QuerySM, Sequence: 3, Body: new(Query)}), QuerySMResp, StatusInvBndSts},
		{"deliver_sm without a body", header(DeliverSM, 0, 3), DeliverSMResp, StatusInvCmdLen},
		{"data_sm without a body", header(DataSM, 0, 3), DataSMResp, StatusInvCmdLen},
		{"alert_notification without a body", header(CommandAlert, 0, 3), GenericNack, StatusInvCmdLen},
		{"bind_transceiver without a body", header(BindTransceiver, 0, 3), BindTransceiverResp, StatusInvCmdLen},
		{"generic_nack for nobody", header(GenericNack, 0, 3), 0, 0},
		{"submit_sm_resp for nobody", header(SubmitSMResp, 0, 3), 0, 0},
		{"outbind", appended(t, PDU{Command: CommandOutbind, Sequence: 3, Body: new(Outbind)}), 0, 0},
		{"submit_sm", appended(t, PDU{Command: SubmitSM, Sequence: 3, Body: mo("1", "x")}), SubmitSMResp, StatusInvBndSts},
		{"bind_receiver", appended(t, PDU{Command: BindReceiver, Sequence: 3, Body: new(Bind)}), BindReceiverResp, StatusInvBndSts},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, nil)
				p := r.bound()
				defer p.close()
				p.writeRaw(tc.frame)
				if tc.answer != 0 {
					p.want(tc.answer, 3, tc.status)
				}
				p.checkAlive()
				if !r.esme.Bound() {
					t.Error("the bind is lost")
				}
			})
		})
	}
}

func TestStreamThatCannotBeFollowedEndsTheSession(t *testing.T) {
	long := header(DeliverSM, 0, 7)
	binary.BigEndian.PutUint32(long, 1<<30)
	for name, tc := range map[string]struct {
		frame    []byte
		sequence uint32
	}{
		"too long":  {long, 7},
		"too short": {[]byte{0, 0, 0, 15}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, nil)
				p := r.bound()
				p.writeRaw(tc.frame)
				p.want(GenericNack, tc.sequence, StatusInvCmdLen)
				p.wantClosed()
				r.bound().close()
			})
		})
	}
}

func TestUnbindByTheSMSC(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		p.write(PDU{Command: Unbind, Sequence: 12})
		p.want(UnbindResp, 12, StatusOK)
		p.wantClosed()
		r.bound().close()
	})
}

func TestPeerThatStopsReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		// Our answer to this finds nobody reading, and blocks the writer.
		p.write(PDU{Command: EnquireLink, Sequence: 1})
		elapsed(t, 10*time.Second, 10*time.Second+time.Second, func() { r.bound().close() })
		p.close()
	})
}

func TestPeerThatAsksAndNeverReadsIsHeldBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.WriteTimeout = time.Hour; c.EnquireLink = time.Hour })
		p := r.bound()
		frame := header(EnquireLink, 0, 1)
		p.conn.SetWriteDeadline(time.Now().Add(time.Minute))
		n := 0
		for {
			if _, err := p.conn.Write(frame); err != nil {
				break
			}
			n++
		}
		limit := answersQueued + r.esme.cfg.Window + r.esme.cfg.InboundQueue + writeChunk/HeaderLen + readBuffer/HeaderLen
		if n > limit {
			t.Errorf("%d requests taken while no answer could be written, want at most %d", n, limit)
		}
		p.close()
	})
}

func TestBackoffGrowsAndIsReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) {
			c.ReconnectMin, c.ReconnectMax = time.Second, 8*time.Second
		})
		want := []time.Duration{1, 2, 4, 8, 8, 8}
		r.accept().close()
		for _, d := range want {
			d *= time.Second
			elapsed(t, d/2, d, func() { r.accept().close() })
		}
		p := r.boundAfter(8 * time.Second)
		time.Sleep(time.Second)
		p.close()
		elapsed(t, time.Second/2, time.Second, func() { r.accept().close() })
	})
}

// boundAfter is bound, with a limit on the wait.
func (r *rig) boundAfter(limit time.Duration) *peer {
	r.t.Helper()
	var p *peer
	elapsed(r.t, 0, limit, func() { p = r.bound() })
	return p
}

func TestRunEndsWhileConnecting(t *testing.T) {
	t.Run("dialling", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, handlerFuncs{}, nil)
			synctest.Wait()
			r.stop()
			elapsed(t, 0, 0, func() { <-r.ended })
		})
	})
	t.Run("binding", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, handlerFuncs{}, nil)
			p := r.accept()
			p.wantCommand(BindTransceiver)
			r.stop()
			elapsed(t, 0, 0, func() { <-r.ended })
		})
	})
	t.Run("pausing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, handlerFuncs{}, nil)
			r.accept().close()
			synctest.Wait()
			r.stop()
			elapsed(t, 0, 0, func() { <-r.ended })
		})
	})
}

func TestDialerIsTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRig(t, handlerFuncs{}, nil) // only for its configuration
	r.stop()
	<-r.ended
	cfg := r.esme.Config()
	cfg.Address = l.Addr().String()
	e := NewESME(cfg, r.esme.log, handlerFuncs{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); e.Run(ctx) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
	p.grant()
	if err := e.AwaitBound(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	u := p.wantCommand(Unbind)
	p.write(PDU{Command: UnbindResp, Sequence: u.Sequence})
	p.wantClosed()
	conn.Close()
	<-ended
}
