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

const (
	delivered = "DELIVRD"
	enroute   = "ENROUTE" // not final: message_state 1
)

// stateValue is the value of a state in message_state.
func stateValue(state string) byte {
	if state == enroute {
		return 1
	}
	return messageStates[state]
}

// report is a receipt or an intermediate notification, and how long it takes.
type report struct {
	*delivery
	wait time.Duration
}

// tell queues reports.
func (a *account) tell(all []report) {
	now := time.Now()
	for _, r := range all {
		a.queue.put(r.delivery, now.Add(r.wait))
	}
}

// reports are what an ESME is told about its message in the state that it is in: a
// receipt where that is final, an intermediate notification (§5.2.12) where it waits,
// or nothing, as registered_delivery wants it and the faults allow it.
func (s *SMSC) reports(e *entry) []report {
	s.messages.mu.Lock()
	m, state, done := e.message, e.state, e.final
	s.messages.mu.Unlock()
	f, dest := s.dice.get(), m.Dest.Addr
	wait := s.cfg.ReceiptDelay + s.dice.receiptLatency()
	notification := func(state string, class byte, bare bool) report {
		n := receipt(m, s.spell(e.number, s.cfg.receiptIDs()), e.id, state, e.submitted, done)
		n.ESMClass = class
		if bare {
			n.TLVs = nil
		}
		return report{&delivery{
			command: smpp.DeliverSM,
			message: n,
			settled: func(string, int, State) {}, // settle and again log what goes wrong
		}, wait}
	}
	if state == enroute {
		done = time.Now()
		if m.RegisteredDelivery&registeredIntermediate != 0 {
			return []report{notification(enroute, smpp.ESMClassIntermediate, false)}
		}
		return nil
	}
	defer s.messages.forget(e)
	if f.ReceiptState != "" {
		state = f.ReceiptState
	}
	if !wantsReceipt(m.RegisteredDelivery, state) || s.dice.hitsNumber(noReceipt, dest) {
		return nil
	}
	if s.dice.hitsNumber(lateReceipt, dest) {
		wait += time.Duration(f.lateBy())
	}
	var all []report
	if s.dice.hitsNumber(intermediate, dest) {
		all = append(all, notification(enroute, smpp.ESMClassIntermediate, false))
	}
	bare := s.dice.hitsNumber(bareReceipt, dest)
	all = append(all, notification(state, smpp.ESMClassReceipt, bare))
	if s.dice.hitsNumber(duplicateReceipt, dest) {
		all = append(all, notification(state, smpp.ESMClassReceipt, bare))
	}
	return all
}

// registeredIntermediate is the bit of registered_delivery that asks for intermediate
// notifications (§5.2.17).
const registeredIntermediate = 0x10

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
// source, the text as in appendix B. textID is the message id in the text, id that in
// receipted_message_id.
func receipt(m *smpp.Message, textID, id, state string, submitted, done time.Time) *smpp.Message {
	count := 0
	if state == delivered {
		count = 1
	}
	text := fmt.Sprintf("id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%s err:000 text:%s",
		textID, count, submitted.UTC().Format(receiptTime), done.UTC().Format(receiptTime), state, beginning(m))
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
			{Tag: smpp.TagMessageState, Value: []byte{stateValue(state)}},
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
