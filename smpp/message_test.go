package smpp

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

var messageCommands = []CommandID{DeliverSM, SubmitSM, SubmitSMResp, DeliverSMResp, DataSMResp}

// agree demands that our decoder and the one on go-smpp's fields take the same
// body for the same thing, or refuse it with the same status.
func agree(t *testing.T, c CommandID, body []byte) {
	t.Helper()
	decode := decodeMessage
	if c.IsResponse() {
		decode = decodeMessageResp
	}
	ours, fault := decode(bytes.Clone(body))
	theirs, theirFault := decodeFields(c, bytes.Clone(body))
	switch {
	case fault == nil && theirFault == nil:
		if !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%s % X\n%#v\n%#v", c, body, ours, theirs)
		}
	case fault == nil || theirFault == nil || fault.status != theirFault.status:
		t.Fatalf("%s % X\nours %v\ntheirs %v", c, body, fault, theirFault)
	}
}

func FuzzMessage(f *testing.F) {
	for i, body := range someBodies(f) {
		f.Add(byte(i), body)
	}
	f.Fuzz(func(t *testing.T, c byte, body []byte) {
		agree(t, messageCommands[int(c)%len(messageCommands)], body)
	})
}

// TestMessageDecodersAgree cuts and damages well-formed bodies in every place.
func TestMessageDecodersAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, body := range someBodies(t) {
		for _, c := range messageCommands {
			for n := range len(body) + 1 {
				agree(t, c, body[:n])
			}
			for range 2000 {
				b := bytes.Clone(body)
				for range 1 + rng.IntN(4) {
					if len(b) > 0 {
						b[rng.IntN(len(b))] = byte(rng.Uint32())
					}
				}
				agree(t, c, b)
			}
		}
	}
}

func someBodies(t testing.TB) [][]byte {
	full := mo("263771000001", "SEND 5 0772")
	full.ServiceType, full.ScheduleTime, full.ValidityPeriod = "CMT", "000001000000000R", "261123205212000+"
	full.TLVs = TLVs{{TagUserMessageReference, []byte{0, 1}}, {0x1502, []byte("640012345678901")}, {TagUSSDServiceOp, nil}}
	long := mo("1", "")
	long.Payload = bytes.Repeat([]byte("z"), 300)
	twice := mo("1", "")
	twice.TLVs = TLVs{{TagMessagePayload, nil}, {TagMessagePayload, []byte("b")}, {0x1400, []byte("c")}}
	tooLong := mo("1", "a")
	var bodies [][]byte
	for _, m := range []*Message{full, long, twice, tooLong} {
		bodies = append(bodies, appended(t, PDU{Command: DeliverSM, Sequence: 1, Body: m})[HeaderLen:])
	}
	bodies = append(bodies,
		appended(t, PDU{Command: SubmitSMResp, Sequence: 1, Body: &MessageResp{MessageID: "0A1B", TLVs: TLVs{{TagMessageState, []byte{2}}}}})[HeaderLen:],
		append([]byte("\x00\x01\x01"), strings.Repeat("9", 21)+"\x00\x01\x01"...),
		append(bytes.Repeat([]byte("9"), 65), 0), nil, []byte{0}, []byte{0, 0, 0, 0})
	return bodies
}
