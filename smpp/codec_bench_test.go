package smpp

import (
	"bytes"
	"strings"
	"testing"

	fiorix "github.com/fiorix/go-smpp/v2/smpp/pdu"
	gosmpp "github.com/linxGnu/gosmpp/pdu"
)

// BenchmarkCodec has the same PDUs decoded and encoded by us, go-smpp and
// gosmpp. Each encodes what it has decoded, into a buffer that is used again.
func BenchmarkCodec(b *testing.B) {
	m := mo("263771000001", strings.Repeat("a", 140))
	m.TLVs = TLVs{{TagUserMessageReference, []byte{0, 1}}, {TagITSSessionInfo, []byte{7, 2}}}
	for _, p := range []PDU{
		{Command: DeliverSM, Sequence: 1, Body: m},
		{Command: SubmitSMResp, Sequence: 1, Body: &MessageResp{MessageID: "0123456789abcdef"}},
		{Command: EnquireLink, Sequence: 1},
	} {
		frame := appended(b, p)
		var dst []byte
		bench(b, p.Command, "ours", frame, func(frame []byte) (PDU, error) { return Decode(frame) },
			func(p PDU) (int, error) {
				var err error
				dst, err = Append(dst[:0], p)
				return len(dst), err
			})
		var buf bytes.Buffer
		bench(b, p.Command, "go-smpp", frame, func(frame []byte) (fiorix.Body, error) { return fiorix.Decode(bytes.NewReader(frame)) },
			func(p fiorix.Body) (int, error) {
				buf.Reset()
				err := p.SerializeTo(&buf)
				return buf.Len(), err
			})
		their := gosmpp.NewBuffer(nil)
		bench(b, p.Command, "gosmpp", frame, func(frame []byte) (gosmpp.PDU, error) { return gosmpp.Parse(bytes.NewReader(frame)) },
			func(p gosmpp.PDU) (int, error) {
				their.Reset()
				p.Marshal(their)
				return their.Len(), nil
			})
	}
}

func bench[P any](b *testing.B, c CommandID, codec string, frame []byte, decode func([]byte) (P, error), encode func(P) (int, error)) {
	p, err := decode(frame)
	if err != nil {
		b.Fatal(err)
	}
	if n, err := encode(p); err != nil || n != len(frame) {
		b.Fatalf("%s of %s: %d octets, want %d: %v", c, codec, n, len(frame), err)
	}
	b.Run("decode/"+c.String()+"/"+codec, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(frame); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode/"+c.String()+"/"+codec, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encode(p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
