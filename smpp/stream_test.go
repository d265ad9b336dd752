package smpp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// How PDUs lie in the stream is nobody's business: single octets, hundreds in
// one write, and a cut anywhere.
func TestPDUsCutAndGlued(t *testing.T) {
	const n = 2*maxBatch + 1 // more than the reader hands on at once
	for name, writes := range map[string]func(stream []byte) [][]byte{
		"single octets": func(s []byte) (ws [][]byte) {
			for i := range s {
				ws = append(ws, s[i:i+1])
			}
			return ws
		},
		"all in one": func(s []byte) [][]byte { return [][]byte{s} },
		"of 7 octets": func(s []byte) (ws [][]byte) {
			for ; len(s) > 0; s = s[min(7, len(s)):] {
				ws = append(ws, s[:min(7, len(s))])
			}
			return ws
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, nil)
				p := r.bound()
				defer p.close()
				var stream []byte
				for i := range uint32(n) {
					// Between the messages what they must not be mixed up with.
					stream = append(stream, appended(t, PDU{Command: DeliverSM, Sequence: 2 * i, Body: mo("263771", "hello")})...)
					stream = append(stream, appended(t, PDU{Command: EnquireLink, Sequence: 2*i + 1})...)
				}
				go func() {
					for _, w := range writes(stream) {
						p.conn.Write(w)
					}
				}()
				var delivered, asked uint32
				for delivered+asked < 2*n {
					switch got := p.read(); {
					case got.Command == DeliverSMResp && got.Sequence == 2*delivered && got.Status == StatusOK:
						delivered++ // of one source: in order
					case got.Command == EnquireLinkResp && got.Sequence == 2*asked+1:
						asked++
					default:
						t.Fatalf("got %s %d %s after %d and %d", got.Command, got.Sequence, got.Status, delivered, asked)
					}
				}
				p.checkAlive()
			})
		})
	}
}

func TestThe64KiBMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		text := strings.Repeat("0123456789abcde.", 4096)[:65535] // what a TLV can hold
		taken, h := collect()
		r := newRig(t, h, nil)
		p := r.bound()
		defer p.close()
		for i, c := range []CommandID{DeliverSM, DataSM} {
			p.write(PDU{Command: c, Sequence: uint32(i + 1), Body: mo("263771", text)})
			d := <-taken
			if string(d.Message.Payload) != text {
				t.Errorf("%s: payload of %d octets", c, len(d.Message.Payload))
			}
			d.Ack(StatusOK)
			p.want(c.Response(), uint32(i+1), StatusOK)
		}
		got := r.submit(mt("263771", text))
		if m := p.answerSubmit("m").Body.(*Message); string(m.Payload) != text {
			t.Errorf("submit_sm: payload of %d octets", len(m.Payload))
		}
		if o := <-got; o.id != "m" {
			t.Errorf("got %+v", o)
		}
		// The small ones that follow find the grown buffer in order, and empty.
		p.deliver(9, "263771", "small")
		if d := <-taken; string(d.Message.Payload) != "small" {
			t.Errorf("payload %q", d.Message.Payload)
		}
		if left := bytes.Trim(r.session().r.buf, "\x00"); len(left) > 0 {
			t.Errorf("%d octets left in the read buffer", len(left))
		}
	})
}

// A length that lies about what is inside is the PDU's trouble, not the bind's.
func TestLengthsInsideAPDU(t *testing.T) {
	whole := appended(t, PDU{Command: DeliverSM, Sequence: 3, Body: &Message{
		Source: Address{Addr: "263771"}, Dest: Address{Addr: "7001"}, Payload: []byte("hello"),
		TLVs: TLVs{{TagUserMessageReference, []byte{0, 1}}},
	}})
	smLength := bytes.Index(whole, []byte("\x05hello"))
	tlvLength := len(whole) - 3
	for name, change := range map[string]func(f []byte) []byte{
		"cut in the text":                func(f []byte) []byte { return f[:smLength+3] },
		"cut in an address":              func(f []byte) []byte { return f[:HeaderLen+5] },
		"sm_length beyond the end":       func(f []byte) []byte { f[smLength] = 200; return f },
		"a TLV longer than what is left": func(f []byte) []byte { f[tlvLength] = 9; return f },
		"half a TLV":                     func(f []byte) []byte { return f[:len(f)-3] },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, nil)
				p := r.bound()
				defer p.close()
				f := change(bytes.Clone(whole))
				binary.BigEndian.PutUint32(f, uint32(len(f)))
				p.writeRaw(f)
				if got := p.wantCommand(DeliverSMResp); got.Status == StatusOK || got.Sequence != 3 {
					t.Errorf("answered %s for %d", got.Status, got.Sequence)
				}
				p.deliver(4, "263771", "fine")
				p.want(DeliverSMResp, 4, StatusOK)
				if s := r.esme.Stats(); s.Malformed != 1 || s.Received != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
