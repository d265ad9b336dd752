package dialect_test

import (
	"strings"
	"testing"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// The golden dialogues of a dialect are found to be its own.
func TestDetect(t *testing.T) {
	set := load(t)
	for _, name := range set.Names() {
		t.Run(name, func(t *testing.T) {
			var capture []dialect.Seen
			for _, steps := range golden(t, name) {
				for _, s := range steps {
					if s.wrong == "" && !s.read {
						capture = append(capture, dialect.Seen{Command: s.pdu.Command, Message: s.pdu.Body.(*smpp.Message), FromSMSC: s.in})
					}
				}
			}
			findings, messages := set.Detect(capture)
			best := findings[0]
			if best.Name != name || !best.Fits || messages != len(capture) {
				t.Errorf("%d messages, found %+v", messages, best)
			}
			if next := findings[1]; next.Fits && next.Score >= best.Score {
				t.Errorf("%s fits as well: %+v\n%+v", next.Name, next, best)
			}
			for _, f := range findings {
				if f.Name != name && len(f.Against) == 0 {
					t.Errorf("nothing is said against %s: %+v", f.Name, f)
				}
			}
		})
	}
}

func TestDetectNothing(t *testing.T) {
	set := load(t)
	sms := dialect.Seen{Command: smpp.DeliverSM, FromSMSC: true, Message: &smpp.Message{ServiceType: "USSD", Payload: []byte("BAL 4826")}}
	if findings, messages := set.Detect([]dialect.Seen{sms}); messages != 0 || findings[0].Fits {
		t.Errorf("an SMS is %d messages of USSD: %+v", messages, findings[0])
	}
	strange := sms
	strange.Message = &smpp.Message{TLVs: smpp.TLVs{{Tag: smpp.TagUSSDServiceOp, Value: []byte{77, 7}}}, Payload: []byte("4826")}
	findings, messages := set.Detect([]dialect.Seen{strange})
	if messages != 1 {
		t.Errorf("%d messages", messages)
	}
	for _, f := range findings {
		if f.Fits || len(f.Against) == 0 || strings.Contains(strings.Join(f.Against, " "), "4826") {
			t.Errorf("%+v", f)
		}
	}
}
