package smpp

import (
	"fmt"

	"github.com/fiorix/go-smpp/v2/smpp/pdu/pdufield"
)

// The operations by which an ESME asks after, changes or multiplies what it
// submits. An ESME sends the requests, an SMSC the responses.

// Query is the body of query_sm: §4.8.1. Source is that of the message.
type Query struct {
	MessageID string
	Source    Address
}

// QueryResp is the body of query_sm_resp: §4.8.2.
type QueryResp struct {
	MessageID string
	FinalDate string // §7.1.1; empty while the state is not final
	State     MessageState
	ErrorCode byte // of the network, for a message that was not delivered
}

// Cancel is the body of cancel_sm: §4.9.1. Without MessageID it means all
// messages from Source to Dest, of ServiceType where that is given.
type Cancel struct {
	ServiceType  string
	MessageID    string
	Source, Dest Address
}

// Replace is the body of replace_sm: §4.10.1. Payload is at most 254 octets and
// may hold a secret. Times that are empty stay as they are.
type Replace struct {
	MessageID          string
	Source             Address
	ScheduleTime       string // §7.1.1
	ValidityPeriod     string // §7.1.1
	RegisteredDelivery byte
	SMDefaultMsgID     byte
	Payload            []byte
}

// Format prints what a log may hold: not the payload.
func (r Replace) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{message_id %q source %s payload %d octets}", r.MessageID, r.Source.Addr, len(r.Payload))
}

func (r *Replace) wipe() { clear(r.Payload) }

// SubmitMultiple is the body of submit_multi: §4.5.1, a message to 1 to 254
// destinations. Its Message has no Dest and no ReplaceIfPresent of its own (the
// field is there, reserved).
type SubmitMultiple struct {
	Message
	Dests []Destination
}

// Destination is an SME address, or the name of a distribution list where that
// is not empty: §4.5.1.1.
type Destination struct {
	Address
	DistributionList string // at most 20 characters
}

// SubmitMultipleResp is the body of submit_multi_resp: §4.5.2.
type SubmitMultipleResp struct {
	MessageID    string
	Unsuccessful []UnsuccessfulDelivery
	TLVs         TLVs
}

// UnsuccessfulDelivery is a destination that a submit_multi did not reach:
// §4.5.2.1.
type UnsuccessfulDelivery struct {
	Address
	Status Status
}

func (*Query) body()              {}
func (*QueryResp) body()          {}
func (*Cancel) body()             {}
func (*Replace) body()            {}
func (*SubmitMultiple) body()     {}
func (*SubmitMultipleResp) body() {}

// MessageState is a message_state: §5.2.28.
type MessageState byte

// The states of a message.
const (
	StateEnroute       MessageState = 1
	StateDelivered     MessageState = 2
	StateExpired       MessageState = 3
	StateDeleted       MessageState = 4
	StateUndeliverable MessageState = 5
	StateAccepted      MessageState = 6
	StateUnknown       MessageState = 7
	StateRejected      MessageState = 8
)

// String is the state as a receipt's text abbreviates it: appendix B.
func (s MessageState) String() string {
	if int(s) < len(messageStates) && s > 0 {
		return messageStates[s]
	}
	return "UNKNOWN"
}

// maxDests bounds the destinations of a submit_multi: number_of_dests, §5.2.24.
const maxDests = 254

// dl_name (§5.2.27) and dest_flag (§5.2.25), which go-smpp does not name, and
// the values of the latter.
const (
	dlName      = pdufield.Name("dl_name")
	destFlag    = pdufield.Name("dest_flag")
	destAddress = 1
	destList    = 2
)

// decodeInquiry reads the bodies of this file.
func decodeInquiry(c CommandID, body []byte) (Body, *fault) {
	r := inquiryReader{cursor: cursor{body: body}}
	var b Body
	switch c {
	case QuerySM:
		b = &Query{r.text(pdufield.MessageID), r.address(pdufield.SourceAddr)}
	case QuerySMResp:
		if len(body) == 0 {
			return new(QueryResp), nil
		}
		b = &QueryResp{r.text(pdufield.MessageID), r.text(pdufield.FinalDate), MessageState(r.octet(pdufield.MessageState)), r.octet(pdufield.ErrorCode)}
	case CancelSM:
		b = &Cancel{r.text(pdufield.ServiceType), r.text(pdufield.MessageID), r.address(pdufield.SourceAddr), r.address(pdufield.DestinationAddr)}
	case ReplaceSM:
		b = &Replace{
			MessageID: r.text(pdufield.MessageID), Source: r.address(pdufield.SourceAddr),
			ScheduleTime: r.text(pdufield.ScheduleDeliveryTime), ValidityPeriod: r.text(pdufield.ValidityPeriod),
			RegisteredDelivery: r.octet(pdufield.RegisteredDelivery), SMDefaultMsgID: r.octet(pdufield.SMDefaultMsgID), Payload: r.short(),
		}
	case SubmitMulti:
		b = r.multiple()
	case SubmitMultiResp:
		if len(body) == 0 {
			return new(SubmitMultipleResp), nil
		}
		b = r.multipleResp()
	case CancelSMResp, ReplaceSMResp:
		return nil, nil // header alone; octets that follow mean nothing
	}
	if r.fault != nil {
		return nil, r.fault
	}
	return b, nil
}

// inquiryReader reads field by field; the first fault stops it.
type inquiryReader struct {
	cursor
	fault *fault
}

func (r *inquiryReader) ends(name pdufield.Name) {
	if r.fault == nil {
		r.fault = faultf(StatusInvCmdLen, errEnds, name)
	}
}

func (r *inquiryReader) text(name pdufield.Name) string {
	if r.fault != nil {
		return ""
	}
	t, ok := r.cOctets()
	if !ok {
		r.ends(name)
		return ""
	}
	if max, status := limit(0, name); t.to-t.from > max {
		r.fault = faultf(status, "%s of %d characters, at most %d", name, t.to-t.from, max)
		return ""
	}
	return string(r.body[t.from:t.to])
}

func (r *inquiryReader) octet(name pdufield.Name) byte {
	if r.fault != nil {
		return 0
	}
	b, ok := r.octets(1)
	if !ok {
		r.ends(name)
		return 0
	}
	return b[0]
}

func (r *inquiryReader) address(name pdufield.Name) Address {
	return Address{TON: r.octet(name), NPI: r.octet(name), Addr: r.text(name)}
}

// short reads sm_length and short_message.
func (r *inquiryReader) short() []byte {
	n := int(r.octet(pdufield.SMLength))
	if r.fault != nil {
		return nil
	}
	if n > maxShortMessage {
		r.fault = faultf(StatusInvMsgLen, "short_message of %d octets, at most %d", n, maxShortMessage)
		return nil
	}
	b, ok := r.octets(n)
	if !ok {
		r.fault = faultf(StatusInvMsgLen, "sm_length %d, %d octets left", n, len(r.body)-r.at)
		return nil
	}
	return append([]byte(nil), b...)
}

func (r *inquiryReader) tlvs() TLVs {
	if r.fault != nil {
		return nil
	}
	ts, fault := decodeTLVs(r.body[r.at:])
	r.fault = fault
	return ts
}

func (r *inquiryReader) multiple() *SubmitMultiple {
	b := new(SubmitMultiple)
	b.ServiceType, b.Source = r.text(pdufield.ServiceType), r.address(pdufield.SourceAddr)
	n := int(r.octet(pdufield.NumberDests))
	if r.fault == nil && (n < 1 || n > maxDests) {
		r.fault = faultf(StatusInvNumDests, "%d destinations, want 1 to %d", n, maxDests)
	}
	for ; n > 0 && r.fault == nil; n-- {
		switch flag := r.octet(destFlag); {
		case r.fault != nil:
		case flag == destAddress:
			b.Dests = append(b.Dests, Destination{Address: r.address(pdufield.DestinationAddr)})
		case flag == destList:
			name := r.text(dlName)
			if r.fault == nil && name == "" {
				r.fault = faultf(StatusInvDLName, "a distribution list without a name")
			}
			b.Dests = append(b.Dests, Destination{DistributionList: name})
		default:
			r.fault = faultf(StatusInvDestFlag, "dest_flag %d", flag)
		}
	}
	b.ESMClass, b.ProtocolID, b.PriorityFlag = r.octet(pdufield.ESMClass), r.octet(pdufield.ProtocolID), r.octet(pdufield.PriorityFlag)
	b.ScheduleTime, b.ValidityPeriod = r.text(pdufield.ScheduleDeliveryTime), r.text(pdufield.ValidityPeriod)
	b.RegisteredDelivery, b.ReplaceIfPresent = r.octet(pdufield.RegisteredDelivery), r.octet(pdufield.ReplaceIfPresentFlag)
	b.DataCoding, b.SMDefaultMsgID = r.octet(pdufield.DataCoding), r.octet(pdufield.SMDefaultMsgID)
	short := r.short()
	b.TLVs = r.tlvs()
	if r.fault == nil {
		r.fault = b.setPayload(short)
	}
	if r.fault != nil {
		b.wipe()
	}
	clear(short)
	return b
}

func (r *inquiryReader) multipleResp() *SubmitMultipleResp {
	b := &SubmitMultipleResp{MessageID: r.text(pdufield.MessageID)}
	for n := int(r.octet(pdufield.NoUnsuccess)); n > 0 && r.fault == nil; n-- {
		u := UnsuccessfulDelivery{Address: r.address(pdufield.DestinationAddr)}
		for range 4 {
			u.Status = u.Status<<8 | Status(r.octet(pdufield.ErrorCode))
		}
		b.Unsuccessful = append(b.Unsuccessful, u)
	}
	b.TLVs = r.tlvs()
	return b
}

// inquiry writes b, one of the bodies of this file; false where it is none.
func (e *encoder) inquiry(b Body) bool {
	of := func(c CommandID) {
		if e.command != c {
			e.fail("%w", errBody)
		}
	}
	switch b := b.(type) {
	case *Query:
		of(QuerySM)
		e.text(pdufield.MessageID, b.MessageID)
		e.address(pdufield.SourceAddr, b.Source)
	case *QueryResp:
		of(QuerySMResp)
		e.text(pdufield.MessageID, b.MessageID)
		e.text(pdufield.FinalDate, b.FinalDate)
		e.octets(byte(b.State), b.ErrorCode)
	case *Cancel:
		of(CancelSM)
		e.text(pdufield.ServiceType, b.ServiceType)
		e.text(pdufield.MessageID, b.MessageID)
		e.address(pdufield.SourceAddr, b.Source)
		e.address(pdufield.DestinationAddr, b.Dest)
	case *Replace:
		of(ReplaceSM)
		e.text(pdufield.MessageID, b.MessageID)
		e.address(pdufield.SourceAddr, b.Source)
		e.text(pdufield.ScheduleDeliveryTime, b.ScheduleTime)
		e.text(pdufield.ValidityPeriod, b.ValidityPeriod)
		e.octets(b.RegisteredDelivery, b.SMDefaultMsgID)
		e.short(b.Payload)
	case *SubmitMultiple:
		of(SubmitMulti)
		e.multiple(b)
	case *SubmitMultipleResp:
		of(SubmitMultiResp)
		e.text(pdufield.MessageID, b.MessageID)
		if len(b.Unsuccessful) > maxDests {
			e.fail("%d unsuccessful destinations, at most %d", len(b.Unsuccessful), maxDests)
			return true
		}
		e.octets(byte(len(b.Unsuccessful)))
		for _, u := range b.Unsuccessful {
			e.address(pdufield.DestinationAddr, u.Address)
			e.uint32(uint32(u.Status))
		}
		e.tlvs(b.TLVs)
	default:
		return false
	}
	return true
}

// short writes sm_length and short_message.
func (e *encoder) short(payload []byte) {
	if len(payload) > maxShortMessage {
		e.fail("short_message of %d octets, at most %d", len(payload), maxShortMessage)
		return
	}
	e.octets(byte(len(payload)))
	e.octets(payload...)
}

func (e *encoder) multiple(b *SubmitMultiple) {
	if n := len(b.Dests); n < 1 || n > maxDests {
		e.fail("%d destinations, want 1 to %d", n, maxDests)
		return
	}
	short, long := b.Payload, []byte(nil)
	if len(short) > maxShortMessage {
		short, long = nil, short
	}
	e.text(pdufield.ServiceType, b.ServiceType)
	e.address(pdufield.SourceAddr, b.Source)
	e.octets(byte(len(b.Dests)))
	for _, d := range b.Dests {
		if d.DistributionList != "" {
			e.octets(destList)
			e.text(dlName, d.DistributionList)
			continue
		}
		e.octets(destAddress)
		e.address(pdufield.DestinationAddr, d.Address)
	}
	e.octets(b.ESMClass, b.ProtocolID, b.PriorityFlag)
	e.text(pdufield.ScheduleDeliveryTime, b.ScheduleTime)
	e.text(pdufield.ValidityPeriod, b.ValidityPeriod)
	e.octets(b.RegisteredDelivery, b.ReplaceIfPresent, b.DataCoding, b.SMDefaultMsgID)
	e.short(short)
	e.payload(&b.Message, long)
}
