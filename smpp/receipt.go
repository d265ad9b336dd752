package smpp

import (
	"bytes"
	"fmt"
	"strings"
)

// Receipt is what an SMSC says about a message that we submitted: SMPP 3.4
// §2.11 and appendix B.
type Receipt struct {
	// MessageID is that of the submit_sm_resp, as the SMSC spells it here:
	// some write it in decimal here and in hexadecimal there.
	// It is ParameterID where there is one, else TextID; see BindConfig.ReceiptID.
	MessageID   string
	ParameterID string // receipted_message_id: §5.3.2.12
	TextID      string // id: in the text

	State   string // DELIVRD, EXPIRED, DELETED, UNDELIV, ACCEPTD, UNKNOWN, REJECTD, ENROUTE, or the vendor's own
	Err     string // the SMSC's error code, "" or "000" for none; vendors write decimal or hexadecimal
	Network string // network_error_code, §5.3.2.31: "GSM 0x001B", "" for none
	Done    string // the time of the final state as the SMSC wrote it: YYMMDDhhmm, with seconds in some, in a time zone of its own

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

// receiptSpellings are how vendors write some of the keys.
var receiptSpellings = map[string]string{
	"submit date:": "submit_date:", "done date:": "done_date:", "stat:": "status:", "err:": "error:",
}

// receiptBlanks end a field.
const receiptBlanks = " \t\r\n,;|"

// maxReceiptField bounds what is read of a field: message_id has 65 octets (§5.2.23).
const maxReceiptField = 64

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
	r.MessageID, r.TextID, r.State = fields["id:"], fields["id:"], strings.ToUpper(fields["stat:"])
	r.Err, r.Done = fields["err:"], fields["done date:"]
	if id, has := m.TLVs.Get(TagReceiptedMessageID); has {
		if id = bytes.TrimRight(id, "\x00"); len(id) > 0 {
			r.MessageID = string(id[:min(len(id), maxReceiptField)])
			r.ParameterID = r.MessageID
		}
	}
	if n, has := m.TLVs.Get(TagNetworkErrorCode); has && len(n) == 3 && (n[1] != 0 || n[2] != 0) {
		r.Network = fmt.Sprintf("%s 0x%02X%02X", networkType(n[0]), n[1], n[2])
	}
	if s, has := m.TLVs.Get(TagMessageState); has && len(s) == 1 && int(s[0]) < len(messageStates) && s[0] > 0 {
		r.State = messageStates[s[0]]
	}
	return r, r.MessageID != "" || r.State != ""
}

// networkType names the first octet of network_error_code.
func networkType(n byte) string {
	switch n {
	case 1:
		return "ANSI-136"
	case 2:
		return "IS-95"
	case 3:
		return "GSM"
	}
	return fmt.Sprintf("network %d", n)
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
		i, spelled := fieldAt(lower, key), key
		if other := receiptSpellings[key]; i < 0 && other != "" {
			i, spelled = fieldAt(lower, other), other
		}
		if i >= 0 {
			value := strings.TrimLeft(text[i+len(spelled):], receiptBlanks)
			if end := strings.IndexAny(value, receiptBlanks); end >= 0 {
				value = value[:end]
			}
			if !startsWithField(asciiLower(value)) {
				value = strings.Trim(value, "\x00\"'")
				fields[key] = value[:min(len(value), maxReceiptField)]
			}
		}
	}
	return fields
}

// fieldAt finds key at the start of the text or behind a blank or separator.
func fieldAt(lower, key string) int {
	for from := 0; ; {
		i := strings.Index(lower[from:], key)
		if i < 0 {
			return -1
		}
		if i += from; i == 0 || strings.IndexByte(receiptBlanks, lower[i-1]) >= 0 {
			return i
		}
		from = i + 1
	}
}

// startsWithField says whether a value is none, because the next field's key
// stands in its place. The keys with a blank inside are known by their halves.
func startsWithField(lower string) bool {
	if lower == "submit" || lower == "done" || strings.HasPrefix(lower, "text:") {
		return true
	}
	for _, key := range receiptFields {
		other := receiptSpellings[key]
		if strings.HasPrefix(lower, key) || other != "" && strings.HasPrefix(lower, other) {
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
