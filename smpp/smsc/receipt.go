package smsc

import (
	"fmt"
	"time"

	"starhash/smpp"
)

// messageStates are the final states that a receipt can report, by their names in
// its text (appendix B) and their values in message_state (§5.2.28).
var messageStates = map[string]byte{
	"DELIVRD": 2,
	"EXPIRED": 3,
	"DELETED": 4,
	"UNDELIV": 5,
	"ACCEPTD": 6,
	"UNKNOWN": 7,
	"REJECTD": 8,
}

const delivered = "DELIVRD"

// wantsReceipt reads registered_delivery's bits 1 and 0 (§5.2.17): 1 asks for a
// receipt in any case, 2 for one of a failure.
func wantsReceipt(registered byte, state string) bool {
	switch registered & 0x03 {
	case 1:
		return true
	case 2:
		return state != delivered
	}
	return false
}

// receiptTime is the form of a receipt's dates (appendix B).
const receiptTime = "0601021504"

// receipt makes the receipt of a submitted message: from its destination to its
// source, the text as in appendix B.
func receipt(m *smpp.Message, id, state string, submitted, done time.Time) *smpp.Message {
	count := 0
	if state == delivered {
		count = 1
	}
	text := fmt.Sprintf("id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%s err:000 text:%s",
		id, count, submitted.UTC().Format(receiptTime), done.UTC().Format(receiptTime), state, beginning(m))
	// beginning leaves characters of GSM 03.38 only, so that this is data_coding 0.
	coding, payload := smpp.EncodeText(text)
	return &smpp.Message{
		ServiceType: m.ServiceType,
		Source:      m.Dest,
		Dest:        m.Source,
		ESMClass:    smpp.ESMClassReceipt,
		DataCoding:  coding,
		Payload:     payload,
		TLVs: smpp.TLVs{
			{Tag: smpp.TagReceiptedMessageID, Value: append([]byte(id), 0)},
			{Tag: smpp.TagMessageState, Value: []byte{messageStates[state]}},
		},
	}
}

// beginning is the first 20 characters of a message's text, empty where it is not
// text of GSM 03.38.
func beginning(m *smpp.Message) string {
	user, err := smpp.UserText(m)
	if err != nil {
		return ""
	}
	text, err := smpp.AppendText(nil, m.DataCoding, user)
	if err != nil {
		return ""
	}
	runes := []rune(string(text))
	first := string(runes[:min(20, len(runes))])
	if _, ok := smpp.Septets(first); !ok {
		return ""
	}
	return first
}
