package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starhash/configs/secret"
	"starhash/smpp"
)

// osmoConfig makes an MSC of osmo-msc whose phones are reached through IPA over TCP.
// An IPA frame says nothing of who sends to whom: what comes is for the point code of
// the first AS and from that of its override, and the second AS is the way back. The M3UA
// association, which it insists on, leads nowhere.
const osmoConfig = `
log stderr
 logging filter all 1
 logging color 0
 logging print category 1
 logging level set-all notice
 logging level smpp debug
line vty
 no login
 bind %[1]s
ctrl
 bind %[1]s
network
 network country code 001
 mobile network code 01
 encryption a5 0
 authentication optional
 mm info 0
cs7 instance 0
 point-code 0.23.1
 asp stp 2905 0 m3ua
  remote-ip %[1]s
 as stp m3ua
  asp stp
  routing-key 1 0.23.2
 asp bsc %[3]d 0 ipa
  remote-ip 127.0.0.1
  role asp
  sctp-role client
 as from-bsc ipa
  asp bsc
  routing-key 0 0.23.1
  point-code override dpc 0.0.1
 as to-bsc ipa
  asp bsc
  routing-key 0 0.0.1
sgs
 local-ip %[1]s
hlr
 remote-ip 127.0.0.1
 remote-port %[4]d
smpp
 local-tcp-ip 127.0.0.1 %[2]d
 system-id osmo
 policy closed
 smpp-first
 esme %[5]s
  password %[6]s
  default-route
msc
 no assign-tmsi
`

// osmoMSC is a process of osmo-msc.
type osmoMSC struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string
	port int // SMPP
	log  lockedBuffer
}

func newOsmoMSC(t *testing.T, hlr, bsc int) *osmoMSC {
	t.Helper()
	need(t, "osmo-msc gcc libc6-dev", "osmo-msc", "gcc")
	o := &osmoMSC{t: t, dir: t.TempDir()}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", filepath.Join(o.dir, "nosctp.so"), "testdata/nosctp.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	// The ports of its VTY and control interface are fixed: it gets an address of
	// the loopback network for itself.
	address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	config := fmt.Sprintf(osmoConfig, address, o.port, bsc, hlr, systemID, password)
	if err := os.WriteFile(filepath.Join(o.dir, "osmo-msc.cfg"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.kill()
		if t.Failed() {
			t.Logf("osmo-msc wrote:\n%s", &o.log)
		}
	})
	o.start()
	return o
}

func (o *osmoMSC) start() {
	o.t.Helper()
	o.cmd = exec.Command("osmo-msc", "-c", "osmo-msc.cfg")
	o.cmd.Env = append(os.Environ(), "LD_PRELOAD="+filepath.Join(o.dir, "nosctp.so"))
	o.cmd.Dir, o.cmd.Stdout, o.cmd.Stderr = o.dir, &o.log, &o.log
	endWithParent(o.cmd)
	if err := o.cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
}

func (o *osmoMSC) kill() {
	_ = o.cmd.Process.Kill() // it may have ended by itself, which its log tells
	_ = o.cmd.Wait()
}

// osmo-msc as the SMSC of our ESME, and a phone behind it.
func TestOsmoMSC(t *testing.T) {
	b := newBSS(t, "001010000000001")
	o := newOsmoMSC(t, ipaServer(t, serveHLR(phone)), ipaServer(t, b.serve))

	t.Run("wrong password", func(t *testing.T) {
		e := startESME(t, o.port, func(c *smpp.BindConfig) { c.Password = secret.Copy([]byte("another")) })
		e.log.await(t, "ESME_RINVPASWD")
		e.stop()
	})
	e := startESME(t, o.port, func(c *smpp.BindConfig) { c.EnquireLink = time.Second })
	e.bound()
	b.attach()
	if from := <-e.alerts; from != phone { // a phone that attaches is available
		t.Errorf("alert from %q", from)
	}
	// received takes a text on the phone, in septets or octets, with its first octets
	// in place of its headers.
	received := func(t *testing.T, parts int, wantDCS byte) (text string) {
		t.Helper()
		for i, tpdu := range b.receive(parts) {
			from, dcs, header, part, err := deliverTPDU(tpdu)
			if err != nil || from != shortCode || dcs != wantDCS {
				t.Fatalf("%v: from %s, data coding scheme %x", err, from, dcs)
			}
			if parts > 1 && !bytes.Equal(header, []byte{5, 0, 3, 77, byte(parts), byte(i + 1)}) {
				t.Errorf("part %d has the header % x", i+1, header)
			}
			text += string(part)
		}
		return text
	}

	t.Run("SMS to a phone, and its receipt", func(t *testing.T) {
		// It has one id for all messages; in the receipt stands another.
		if ids := e.submit(phone, "Balance USD 5.00 @ {€} é", 1); len(ids) != 1 || ids[0] != "msg_id_not_implemented" {
			t.Errorf("ids %q", ids)
		}
		if text := received(t, 1, 0); text != "Balance USD 5.00 \x00 \x1b(\x1be\x1b) \x05" {
			t.Errorf("the phone reads %q", text)
		}
		if s := e.next(); s.receipt == nil || s.receipt.State != "DELIVRD" || s.receipt.MessageID != "00000001" || s.from != phone || s.to != shortCode {
			t.Errorf("got %+v, receipt %+v", s, s.receipt)
		}
		e.submit(phone, "余额", 0)
		if text := received(t, 1, 8); text != "\x4f\x59\x98\x9d" {
			t.Errorf("the phone reads %q", text)
		}
	})
	t.Run("SMS from a phone", func(t *testing.T) {
		if err := b.send(submitTPDU(shortCode, nil, "BAL 4826")); err != nil {
			t.Fatal(err)
		}
		if s := e.next(); s.text != "BAL 4826" || s.from != phone || s.to != shortCode || s.command != smpp.DeliverSM {
			t.Errorf("got %+v", s)
		}
	})
	long := words(400)
	t.Run("long SMS to a phone", func(t *testing.T) {
		parts := len(e.submit(phone, long, 0))
		if text := received(t, parts, 0); text != long || parts != 3 {
			t.Errorf("the phone reads %q in %d parts", text, parts)
		}
	})
	t.Run("long SMS from a phone", func(t *testing.T) {
		for i, part := range []string{long[:153], long[153:306], long[306:]} {
			if err := b.send(submitTPDU(shortCode, []byte{5, 0, 3, 9, 3, byte(i + 1)}, part)); err != nil {
				t.Fatal(err)
			}
		}
		if s := e.next(); s.text != long || s.kind != smpp.UDH8 || s.parts != 3 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("a message that we do not take", func(t *testing.T) {
		e.mu.Lock()
		e.refuse = smpp.StatusTempAppErr
		e.mu.Unlock()
		if err := b.send(submitTPDU(shortCode, nil, "x")); err == nil {
			t.Error("the phone was told that it is taken")
		}
		e.mu.Lock()
		e.refuse = smpp.StatusOK
		e.mu.Unlock()
	})
	t.Run("enquire_link", func(t *testing.T) { o.log.await(t, "Rx Enquire Link") })
	t.Run("killed and started again", func(t *testing.T) {
		o.kill()
		e.log.await(t, "closed the connection")
		o.start()
		e.bound()
		b.attach()
		e.submit(phone, "again", 0)
		if text := received(t, 1, 0); text != "again" {
			t.Errorf("the phone reads %q", text)
		}
	})
	t.Run("unbind", func(t *testing.T) {
		e.stop()
		o.log.await(t, "Rx UNBIND")
		if !strings.Contains(e.log.String(), "reason=unbound") {
			t.Error("the unbind was not answered")
		}
	})
}
