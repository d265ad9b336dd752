package smpp

import (
	"bytes"
	"strings"
)

// Receipt is what an SMSC says about a message that we submitted: SMPP 3.4
// §2.11 and appendix B.
type Receipt struct {
	// MessageID is that of the submit_sm_resp, as the SMSC spells it here:
	// some write it in decimal here and in hexadecimal there.
	MessageID string
	State     string // DELIVRD, EXPIRED, DELETED, UNDELIV, ACCEPTD, UNKNOWN, REJECTD, ENROUTE, or the vendor's own
	Err       string // the network's or the SMSC's error code, "" or "000" for none
	Done      string // the time of the final state as the SMSC wrote it: YYMMDDhhmm, with seconds in some, in a time zone of its own

	// Intermediate says that a final state will follow: §5.2.12.
	Intermediate bool
}

// messageStates are the values of message_state and their abbreviations:
// §5.2.28 and appendix B.
var messageStates = [...]string{
	1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED",
	5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD",
}

// receiptFields are the keys of appendix B's text; "text:" comes last and
// quotes the message, so nothing is read behind it.
var receiptFields = []string{"id:", "sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:"}

// ParseReceipt reads a delivery receipt or intermediate notification out of a
// deliver_sm or data_sm. Parameters of the PDU (receipted_message_id,
// message_state) go before the text, whose fields may come in any order and
// case, and may be missing.
//
// ok is false for a message whose esm_class does not mark it as a receipt,
// whatever its text says (a subscriber can type one), and for one that names
// neither a message nor a state.
func ParseReceipt(m *Message) (r Receipt, ok bool) {
	kind := m.ESMClass & ESMClassTypeMask
	if kind != ESMClassReceipt && kind != ESMClassIntermediate {
		return Receipt{}, false
	}
	r.Intermediate = kind == ESMClassIntermediate
	fields := receiptText(m)
	r.MessageID, r.State = fields["id:"], strings.ToUpper(fields["stat:"])
	r.Err, r.Done = fields["err:"], fields["done date:"]
	if id, has := m.TLVs.Get(TagReceiptedMessageID); has {
		if id = bytes.TrimRight(id, "\x00"); len(id) > 0 {
			r.MessageID = string(id)
		}
	}
	if s, has := m.TLVs.Get(TagMessageState); has && len(s) == 1 && int(s[0]) < len(messageStates) && s[0] > 0 {
		r.State = messageStates[s[0]]
	}
	return r, r.MessageID != "" || r.State != ""
}

// receiptText finds the fields of appendix B in the payload, which is read as
// ASCII under any data_coding but UCS2: message ids hold characters, '_' say,
// that ASCII and GSM 03.38 number differently, and SMSCs mean the former.
func receiptText(m *Message) map[string]string {
	payload, err := UserText(m)
	if err != nil {
		return nil
	}
	if alphabetOf(m.DataCoding) == AlphabetUCS2 {
		payload = appendUCS2(nil, payload)
	}
	text := string(payload)
	lower := asciiLower(text)
	if i := fieldAt(lower, "text:"); i >= 0 {
		text, lower = text[:i], lower[:i]
	}
	fields := make(map[string]string, len(receiptFields))
	for _, key := range receiptFields {
		if i := fieldAt(lower, key); i >= 0 {
			value := strings.TrimLeft(text[i+len(key):], " ")
			value, _, _ = strings.Cut(value, " ")
			if !startsWithField(asciiLower(value)) {
				fields[key] = strings.TrimRight(value, "\x00\r\n")
			}
		}
	}
	return fields
}

// fieldAt finds key at the start of the text or behind a blank.
func fieldAt(lower, key string) int {
	for from := 0; ; {
		i := strings.Index(lower[from:], key)
		if i < 0 {
			return -1
		}
		if i += from; i == 0 || lower[i-1] == ' ' {
			return i
		}
		from = i + 1
	}
}

// startsWithField says whether a value is none, because the next field's key
// stands in its place. The keys with a blank inside are known by their halves.
func startsWithField(lower string) bool {
	if lower == "submit" || lower == "done" {
		return true
	}
	for _, key := range receiptFields {
		if strings.HasPrefix(lower, key) {
			return true
		}
	}
	return false
}

// asciiLower keeps the length, which strings.ToLower does not for every octet
// sequence, so that positions hold in both.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
