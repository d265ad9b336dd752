package smpp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"starhash/configs/secret"

	"pgregory.net/rapid"
)

// vector is a block of testdata/pdus.txt.
type vector struct {
	name, want string
	kind       byte // '=', '~' or '!'
	frame      []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/pdus.txt")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	for block := range strings.SplitSeq(string(file), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if strings.HasPrefix(lines[0], "#") {
			continue
		}
		v := vector{name: lines[0]}
		last := lines[len(lines)-1]
		v.kind, v.want = last[0], strings.TrimSpace(last[1:])
		for _, line := range lines[1 : len(lines)-1] {
			// The odd pieces between quotes are text.
			for i, piece := range strings.Split(line, `"`) {
				if i%2 == 1 {
					v.frame = append(v.frame, piece...)
					continue
				}
				piece = strings.ReplaceAll(strings.ReplaceAll(piece, " ", ""), "LEN", "00000000")
				b, err := hex.DecodeString(piece)
				if err != nil {
					t.Fatalf("%s: %v", v.name, err)
				}
				v.frame = append(v.frame, b...)
			}
		}
		binary.BigEndian.PutUint32(v.frame, uint32(len(v.frame)))
		vs = append(vs, v)
	}
	return vs
}

// describe writes a PDU the way testdata/pdus.txt does.
func describe(p PDU) string {
	s := fmt.Sprintf("%s %d %s", p.Command, p.Sequence, p.Status)
	address := func(a Address) string { return fmt.Sprintf("%d/%d/%s", a.TON, a.NPI, a.Addr) }
	add := func(key, value string) {
		if value != "" {
			s += " " + key + "=" + value
		}
	}
	var ts TLVs
	switch b := p.Body.(type) {
	case *Bind:
		add("system_id", b.SystemID)
		add("system_type", b.SystemType)
		s += fmt.Sprintf(" version=%02x address=%s", b.InterfaceVersion, address(b.Address))
	case *BindResp:
		add("system_id", b.SystemID)
		ts = b.TLVs
	case *Message:
		s += fmt.Sprintf(" %s>%s esm_class=%02x data_coding=%02x payload=%x",
			address(b.Source), address(b.Dest), b.ESMClass, b.DataCoding, b.Payload)
		add("service_type", b.ServiceType)
		ts = b.TLVs
	case *MessageResp:
		add("message_id", b.MessageID)
		ts = b.TLVs
	case *AlertNotification:
		s += fmt.Sprintf(" %s>%s", address(b.Source), address(b.ESME))
		ts = b.TLVs
	case *Outbind:
		add("system_id", b.SystemID)
	}
	for _, t := range ts {
		s += fmt.Sprintf(" %04X:%x", uint16(t.Tag), t.Value)
	}
	return s
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			frame, err := ReadFrame(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(v.frame))), DefaultMaxPDU)
			if err != nil || !bytes.Equal(frame, v.frame) {
				t.Fatalf("ReadFrame: %x, %v", frame, err)
			}
			p, err := Decode(frame)
			if v.kind == '!' {
				var de *DecodeError
				if !errors.As(err, &de) || de.Status.String() != v.want {
					t.Fatalf("got %v, want %s", err, v.want)
				}
				if de.Sequence != 7 || uint32(de.Command) != binary.BigEndian.Uint32(frame[4:]) {
					t.Errorf("the error names %s %d", de.Command, de.Sequence)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			clear(frame) // the result must not live in it
			if got := describe(p); got != v.want {
				t.Errorf("got  %s\nwant %s", got, v.want)
			}
			out, err := Append(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			if v.kind == '=' && !bytes.Equal(stripEmptyBody(p, out), stripEmptyBody(p, v.frame)) {
				t.Errorf("encodes to\n%x, was\n%x", out, v.frame)
			}
		})
	}
}

// stripEmptyBody makes a response without a body equal to one with an empty
// body, which is how it decodes.
func stripEmptyBody(p PDU, frame []byte) []byte {
	if p.Command.IsResponse() && len(frame) <= HeaderLen+1 {
		return frame[4:HeaderLen]
	}
	return frame
}

func TestPasswordOfABind(t *testing.T) {
	p, err := Decode(vectors(t)[0].frame)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.Body.(*Bind).Password.Reveal()); got != "secret08" {
		t.Errorf("password %q", got)
	}
}

func TestReadFrameErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		stream []byte
		want   error
	}{
		"nothing":          {nil, io.EOF},
		"half a length":    {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"length alone":     {[]byte{0, 0, 0, 16}, io.ErrUnexpectedEOF},
		"half a PDU":       {header(EnquireLink, 0, 1)[:9], io.ErrUnexpectedEOF},
		"shorter than any": {[]byte{0, 0, 0, 15}, new(FrameError)},
		"4 GiB":            {[]byte{0xFF, 0xFF, 0xFF, 0xFF}, new(FrameError)},
		"one too many":     {[]byte{0, 0, 0x10, 1}, new(FrameError)},
	} {
		_, err := ReadFrame(bufio.NewReader(bytes.NewReader(tc.stream)), 4096)
		var fe *FrameError
		if errors.As(tc.want, &fe) {
			if !errors.As(err, &fe) {
				t.Errorf("%s: %v, want a FrameError", name, err)
			}
		} else if err != tc.want {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestLongPayloadsTravelInMessagePayload(t *testing.T) {
	for _, n := range []int{0, 1, 254, 255, 4096, 65535} {
		for _, c := range []CommandID{SubmitSM, DeliverSM, DataSM} {
			m := mo("1", "")
			m.Payload = bytes.Repeat([]byte{'x'}, n)
			m.ESMClass = ESMClassUDHI
			frame := appended(t, PDU{Command: c, Sequence: 1, Body: m})
			if got := bytes.Contains(frame, []byte{0x04, 0x24}); got != (c == DataSM && n > 0 || n > 254) {
				t.Errorf("%s of %d octets: message_payload %v", c, n, got)
			}
			p, err := Decode(frame)
			if err != nil {
				t.Fatalf("%s of %d octets: %v", c, n, err)
			}
			if got := p.Body.(*Message); !bytes.Equal(got.Payload, m.Payload) || len(got.TLVs) != 0 {
				t.Errorf("%s of %d octets: got %d and %d TLVs", c, n, len(got.Payload), len(got.TLVs))
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	long := strings.Repeat("1", 100)
	message := func(change func(*Message)) *Message {
		m := mo("1", "x")
		change(m)
		return m
	}
	for name, p := range map[string]PDU{
		"no body":                {Command: SubmitSM},
		"another's body":         {Command: SubmitSM, Body: new(Bind)},
		"a body of its response": {Command: SubmitSM, Body: new(MessageResp)},
		"long service_type":      {Command: SubmitSM, Body: message(func(m *Message) { m.ServiceType = "TOLONG" })},
		"long source":            {Command: SubmitSM, Body: message(func(m *Message) { m.Source.Addr = long })},
		"NUL in an address":      {Command: SubmitSM, Body: message(func(m *Message) { m.Dest.Addr = "1\x002" })},
		"long validity":          {Command: SubmitSM, Body: message(func(m *Message) { m.ValidityPeriod = long })},
		"payload twice": {Command: SubmitSM, Body: message(func(m *Message) {
			m.TLVs = TLVs{{TagMessagePayload, []byte("y")}}
		})},
		"too long a parameter": {Command: SubmitSM, Body: message(func(m *Message) {
			m.TLVs = TLVs{{TagCallbackNum, make([]byte, 65536)}}
		})},
		"too many parameters": {Command: SubmitSM, Body: message(func(m *Message) { m.TLVs = make(TLVs, 257) })},
		"too long a payload":  {Command: SubmitSM, Body: message(func(m *Message) { m.Payload = make([]byte, 65536) })},
		"long password":       {Command: BindReceiver, Body: &Bind{Password: secret.New(make([]byte, 65))}},
		"long message id":     {Command: SubmitSMResp, Body: &MessageResp{MessageID: long}},
	} {
		dst := []byte("before")
		out, err := Append(dst, p)
		if err == nil {
			t.Errorf("%s: encoded", name)
		}
		if string(out) != "before" {
			t.Errorf("%s: dst is %q", name, out)
		}
	}
}

func TestTooManyTLVs(t *testing.T) {
	frame := appended(t, PDU{Command: DeliverSM, Sequence: 1, Body: mo("1", "")})
	for range 1000 {
		frame = append(frame, 0x12, 0x34, 0, 0)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)))
	_, err := Decode(frame)
	var de *DecodeError
	if !errors.As(err, &de) || de.Status != StatusInvOptParStream {
		t.Errorf("got %v", err)
	}
}

func TestPasswordIsNotTouchedByEncoding(t *testing.T) {
	array := []byte("passwordXYZ")
	appended(t, PDU{Command: BindReceiver, Body: &Bind{Password: secret.New(array[:8])}})
	if string(array) != "passwordXYZ" {
		t.Errorf("encoding wrote into the secret's array: %q", array)
	}
}

func TestNothingPrintsAPayload(t *testing.T) {
	m := mo("263771", "SEND 5 0772 4711")
	m.TLVs = TLVs{{0x1502, []byte("64001234 4711")}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{m, *m, m.TLVs, m.TLVs[0]} {
			s := fmt.Sprintf(verb, v)
			if strings.Contains(s, "4711") || strings.Contains(s, hex.EncodeToString([]byte("4711"))) {
				t.Errorf("%s of %T prints %s", verb, v, s)
			}
		}
	}
}

// TestRoundTrip: what Append takes, Decode gives back.
func TestRoundTrip(t *testing.T) {
	cstring := func(max int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("0123456789+*#abcXYZ")), 0, max, max)
	}
	address := func(max int) *rapid.Generator[Address] {
		return rapid.Custom(func(t *rapid.T) Address {
			return Address{rapid.Byte().Draw(t, "ton"), rapid.Byte().Draw(t, "npi"), cstring(max).Draw(t, "addr")}
		})
	}
	octets := rapid.SliceOfN(rapid.Byte(), 1, 300)
	tlvs := rapid.Map(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TLV {
		tag := Tag(rapid.Uint16().Filter(func(v uint16) bool { return Tag(v) != TagMessagePayload }).Draw(t, "tag"))
		return TLV{tag, octets.Draw(t, "value")}
	}), 0, 5), func(ts []TLV) TLVs {
		if len(ts) == 0 {
			return nil
		}
		return ts
	})
	rapid.Check(t, func(t *rapid.T) {
		p := PDU{
			Command:  rapid.SampledFrom([]CommandID{SubmitSM, DeliverSM, DataSM, SubmitSMResp, CommandAlert, BindTransceiver}).Draw(t, "command"),
			Status:   Status(rapid.Uint32().Draw(t, "status")),
			Sequence: rapid.Uint32().Draw(t, "sequence"),
		}
		switch p.Command {
		case BindTransceiver:
			p.Body = &Bind{SystemID: cstring(15).Draw(t, "system_id"), Password: secret.New([]byte(cstring(8).Draw(t, "password"))),
				SystemType: cstring(12).Draw(t, "system_type"), InterfaceVersion: rapid.Byte().Draw(t, "version"), Address: address(40).Draw(t, "range")}
		case SubmitSMResp:
			p.Body = &MessageResp{MessageID: cstring(64).Draw(t, "message_id"), TLVs: tlvs.Draw(t, "tlvs")}
		case CommandAlert:
			p.Body = &AlertNotification{Source: address(64).Draw(t, "source"), ESME: address(64).Draw(t, "esme"), TLVs: tlvs.Draw(t, "tlvs")}
		default:
			limit := 20
			if p.Command == DataSM {
				limit = 64
			}
			m := &Message{ServiceType: cstring(5).Draw(t, "service_type"), Source: address(limit).Draw(t, "source"), Dest: address(limit).Draw(t, "dest"),
				ESMClass: rapid.Byte().Draw(t, "esm_class"), RegisteredDelivery: rapid.Byte().Draw(t, "registered_delivery"),
				DataCoding: rapid.Byte().Draw(t, "data_coding"), Payload: octets.Draw(t, "payload"), TLVs: tlvs.Draw(t, "tlvs")}
			if p.Command != DataSM {
				m.ProtocolID, m.PriorityFlag = rapid.Byte().Draw(t, "protocol_id"), rapid.Byte().Draw(t, "priority")
				m.ScheduleTime, m.ValidityPeriod = cstring(16).Draw(t, "schedule"), cstring(16).Draw(t, "validity")
				m.ReplaceIfPresent, m.SMDefaultMsgID = rapid.Byte().Draw(t, "replace"), rapid.Byte().Draw(t, "default")
			}
			p.Body = m
		}
		frame, err := Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Fatalf("got %s, want %s", describe(got), describe(p))
		}
	})
}

func TestNames(t *testing.T) {
	for s, name := range statusNames {
		if got, ok := ParseStatus(name); !ok || got != s || s.String() != name {
			t.Errorf("%s: %v %v", name, got, s)
		}
	}
	if s := Status(0x0450).String(); s != "vendor status 0x450" {
		t.Error(s)
	}
	if c := CommandID(0x77); c.String() != "command_id(0x00000077)" || c.Response() != GenericNack {
		t.Errorf("%s, answered with %s", c, c.Response())
	}
	for c, want := range map[CommandID]CommandID{
		SubmitSM: SubmitSMResp, DataSM: DataSMResp, EnquireLink: EnquireLinkResp, CommandAlert: GenericNack,
		CommandOutbind: GenericNack, SubmitSMResp: SubmitSMResp, GenericNack: GenericNack,
	} {
		if c.Response() != want {
			t.Errorf("%s is answered with %s, want %s", c, c.Response(), want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.frame)
	}
	for _, p := range inquiries() {
		f.Add(appended(f, p))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if _, err := Decode(frame); err != nil {
			var de *DecodeError
			if !errors.As(err, &de) {
				t.Fatalf("%T", err)
			}
			if answer, ok := de.Answer(); ok {
				if answer.Status == StatusOK || !answer.Command.IsResponse() {
					t.Fatalf("answer %s %s", answer.Command, answer.Status)
				}
				appended(t, answer)
			}
		}
	})
}

// FuzzRoundTrip: what decodes encodes, to what decodes to the same and encodes to
// the same.
func FuzzRoundTrip(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.frame)
	}
	g := newGenerator()
	for _, c := range everyCommand {
		f.Add(appended(f, g.pdu(c)))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := Decode(bytes.Clone(frame))
		if err != nil {
			return
		}
		out := appended(t, p)
		again, err := Decode(bytes.Clone(out))
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%x\n%s\nis written as %x, %v\n%s", frame, spell(p), out, err, spell(again))
		}
		if twice := appended(t, again); !bytes.Equal(twice, out) {
			t.Fatalf("%x\n%x", out, twice)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	var all []byte
	for _, v := range vectors(f) {
		all = append(all, v.frame...)
	}
	f.Add(all, 4096)
	f.Fuzz(func(t *testing.T, stream []byte, max int) {
		r := bufio.NewReaderSize(bytes.NewReader(stream), 64)
		max = min(max, DefaultMaxPDU)
		n := 0
		for {
			frame, err := ReadFrame(r, max)
			if err != nil {
				return
			}
			if len(frame) < HeaderLen || len(frame) > max || !bytes.Equal(frame, stream[n:n+len(frame)]) {
				t.Fatalf("frame of %d octets at %d", len(frame), n)
			}
			n += len(frame)
		}
	})
}

// FuzzTLVs feeds octets to the optional part alone, where most of the lengths are.
func FuzzTLVs(f *testing.F) {
	f.Add([]byte{0x02, 0x04, 0, 2, 0, 1})
	f.Fuzz(func(t *testing.T, optional []byte) {
		frame := appended(t, PDU{Command: DeliverSM, Sequence: 1, Body: mo("1", "x")})
		frame = append(frame, optional...)
		binary.BigEndian.PutUint32(frame, uint32(len(frame)))
		p, err := Decode(frame)
		if err != nil {
			return
		}
		m := p.Body.(*Message)
		n := 4 * len(m.TLVs)
		for _, v := range m.TLVs {
			n += len(v.Value)
		}
		if n > len(optional) || len(m.TLVs) > maxTLVs {
			t.Fatalf("%d TLVs of %d octets out of %d", len(m.TLVs), n, len(optional))
		}
	})
}
