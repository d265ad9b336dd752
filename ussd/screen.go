package ussd

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"

	"starhash/smpp"
)

// Room on one screen: 160 octets of a USSD string, TS 24.090 §6.
const (
	ScreenSeptets = 182 // of GSM 03.38; an extension character takes two
	ScreenUCS2    = 80  // 16-bit units
)

// Operations of ussd_service_op, SMPP 3.4 §5.3.2.44, in decimal.
const (
	OpPSSRIndication byte = 1  // the subscriber begins a session
	OpPSSRResponse   byte = 17 // we show a last screen and end it
	OpUSSRConfirm    byte = 18 // the subscriber answers a screen of ours
)

// tagSession holds the session in SMPP+; the others are of SMPP 3.4.
const tagSession smpp.Tag = 0x1501

// sessionTags are the parameters that tell one session from another: which of
// them is present is a matter of the dialect.
var sessionTags = []smpp.Tag{smpp.TagITSSessionInfo, tagSession, smpp.TagUserMessageReference}

var (
	// ErrNoAnswer says that an operation ends or reports something, and that
	// an answer would open a screen nobody asked for.
	ErrNoAnswer = errors.New("ussd: this operation takes no answer")
	// ErrTooLong says that a text does not fit one screen.
	ErrTooLong = errors.New("ussd: the text does not fit one screen")
)

// Fits says whether text fits one screen: 182 septets if GSM 03.38 has all its
// characters, else 80 units of UCS2 (a character beyond the BMP takes two).
func Fits(text string) bool {
	if n, ok := smpp.Septets(text); ok {
		return n <= ScreenSeptets
	}
	return len(utf16.Encode([]rune(text))) <= ScreenUCS2
}

// IsRequest says whether a message belongs to a USSD session rather than being
// an SMS: whether it carries ussd_service_op, whatever the operation is.
func IsRequest(m *smpp.Message) bool {
	_, ok := m.TLVs.Get(smpp.TagUSSDServiceOp)
	return ok
}

// FinalScreen makes the submit_sm that answers in with text and ends its
// session: ussd_service_op 17, addresses exchanged, the session's parameters
// and service_type as they came. It fails with ErrNoAnswer when in neither
// begins a session nor answers a screen (an abort, say), and with ErrTooLong.
func FinalScreen(in *smpp.Message, text string) (*smpp.Message, error) {
	op, ok := in.TLVs.Get(smpp.TagUSSDServiceOp)
	switch {
	case !ok:
		return nil, errors.New("ussd: the message has no ussd_service_op")
	case len(op) != 1:
		return nil, fmt.Errorf("ussd: ussd_service_op has %d octets, want 1", len(op))
	case op[0] != OpPSSRIndication && op[0] != OpUSSRConfirm:
		return nil, fmt.Errorf("%w: ussd_service_op %d", ErrNoAnswer, op[0])
	case !Fits(text):
		return nil, ErrTooLong
	}
	out := &smpp.Message{
		ServiceType: in.ServiceType,
		Source:      in.Dest,
		Dest:        in.Source,
		TLVs:        smpp.TLVs{{Tag: smpp.TagUSSDServiceOp, Value: []byte{OpPSSRResponse}}},
	}
	out.DataCoding, out.Payload = smpp.EncodeText(text)
	for _, t := range in.TLVs {
		if slices.Contains(sessionTags, t.Tag) {
			out.TLVs = append(out.TLVs, smpp.TLV{Tag: t.Tag, Value: slices.Clone(t.Value)})
		}
	}
	return out, nil
}
