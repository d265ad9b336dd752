package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"starhash/configs/secret"

	"github.com/fiorix/go-smpp/v2/smpp/pdu/pdufield"
)

// Limits of the codec.
const (
	// DefaultMaxPDU admits a message_payload of 65,535 octets and what stands
	// around it.
	DefaultMaxPDU = 72 << 10
	// maxTLVs bounds the optional parameters of one PDU: a frame of empty ones
	// costs its reader far more memory than its sender octets.
	maxTLVs = 256
	// maxShortMessage is the longest short_message: §5.2.22.
	maxShortMessage = 254
	maxTLVValue     = 65535

	maxServiceType = 5  // characters of service_type: §5.2.11
	maxAddress     = 20 // of an address: §5.2.8, §5.2.9
	maxLongAddress = 64 // of one in data_sm and alert_notification: §4.7.1, §4.12.1
	maxTime        = 16 // of schedule_delivery_time and validity_period: §7.1.1
	maxMessageID   = 64 // of message_id: §5.2.23
)

// DecodeError says what is wrong with a PDU whose frame is whole: the
// connection lives on, and Answer tells the peer.
type DecodeError struct {
	Command    CommandID
	PeerStatus Status // command_status of the PDU itself
	Sequence   uint32
	Status     Status // what to answer with
	Err        error  // for our log; holds lengths and tags, never contents
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s %d: %v (%s)", e.Command, e.Sequence, e.Err, e.Status)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// Answer is the PDU that refuses the request: the operation's own response
// where it has one, else generic_nack. A response is never answered (ok is
// false), or two peers could go on refusing each other's refusals.
func (e *DecodeError) Answer() (p PDU, ok bool) {
	if e.Command.IsResponse() {
		return PDU{}, false
	}
	p = PDU{Command: e.Command.Response(), Status: e.Status, Sequence: e.Sequence}
	switch p.Command {
	case DeliverSMResp, DataSMResp:
		p.Body = new(MessageResp) // message_id is there even when unused: §4.6.2
	}
	return p, true
}

// The mandatory fields of each body in the order of the wire. go-smpp decodes
// and encodes them one by one; its own PDU types are left aside because they
// stop at 4,096 octets, know neither data_sm nor alert_notification, take a
// truncated body for a short one and keep neither order nor repetition of TLVs.
var (
	fieldsBind = pdufield.List{
		pdufield.SystemID, pdufield.Password, pdufield.SystemType, pdufield.InterfaceVersion,
		pdufield.AddrTON, pdufield.AddrNPI, pdufield.AddressRange,
	}
	fieldsBindResp = pdufield.List{pdufield.SystemID}
	fieldsOutbind  = pdufield.List{pdufield.SystemID, pdufield.Password}
	fieldsMessage  = pdufield.List{
		pdufield.ServiceType,
		pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr,
		pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr,
		pdufield.ESMClass, pdufield.ProtocolID, pdufield.PriorityFlag,
		pdufield.ScheduleDeliveryTime, pdufield.ValidityPeriod,
		pdufield.RegisteredDelivery, pdufield.ReplaceIfPresentFlag,
		pdufield.DataCoding, pdufield.SMDefaultMsgID,
		pdufield.SMLength, pdufield.ShortMessage,
	}
	fieldsDataSM = pdufield.List{
		pdufield.ServiceType,
		pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr,
		pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr,
		pdufield.ESMClass, pdufield.RegisteredDelivery, pdufield.DataCoding,
	}
	fieldsMessageResp = pdufield.List{pdufield.MessageID}
	fieldsAlert       = pdufield.List{ // esme_addr goes by the name of a destination
		pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr,
		pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr,
	}
)

// limit is the longest value of a C-octet string field in an operation, without
// its NUL, and the status that refuses a longer one: §4 and §5.2. Where the
// specification has no status of its own for the field it is ESME_RINVPARLEN.
func limit(c CommandID, name pdufield.Name) (max int, status Status) {
	address := maxAddress
	if c == DataSM || c == CommandAlert {
		address = maxLongAddress
	}
	switch name {
	case pdufield.SystemID:
		return 15, StatusInvSysID
	case pdufield.Password:
		return 64, StatusInvPaswd // 8 in §5.2.2; SMSCs in the field allow more
	case pdufield.SystemType:
		return 12, StatusInvSysTyp
	case pdufield.AddressRange:
		return 40, StatusInvParLen
	case pdufield.ServiceType:
		return maxServiceType, StatusInvSerTyp
	case pdufield.SourceAddr:
		return address, StatusInvSrcAdr
	case pdufield.DestinationAddr:
		return address, StatusInvDstAdr
	case dlName:
		return maxAddress, StatusInvDLName // 21 octets as well: §5.2.27
	case pdufield.ScheduleDeliveryTime:
		return maxTime, StatusInvSched
	case pdufield.ValidityPeriod:
		return maxTime, StatusInvExpiry
	case pdufield.FinalDate:
		return maxTime, StatusInvParLen
	case pdufield.MessageID:
		return maxMessageID, StatusInvMsgID
	}
	return 0, StatusInvParLen
}

// Decode takes a frame of ReadFrame apart. The result shares no memory with
// the frame, so that the caller can zero it.
//
// The error is always a *DecodeError. A response whose body is missing decodes
// with an empty body, as refusals have none and some peers leave out the
// message_id of a deliver_sm_resp.
func Decode(frame []byte) (PDU, error) {
	if len(frame) < HeaderLen || uint64(binary.BigEndian.Uint32(frame)) != uint64(len(frame)) {
		return PDU{}, &DecodeError{Command: GenericNack, Status: StatusInvCmdLen,
			Err: fmt.Errorf("command_length is not that of the frame of %d octets", len(frame))}
	}
	p := PDU{
		Command:  CommandID(binary.BigEndian.Uint32(frame[4:])),
		Status:   Status(binary.BigEndian.Uint32(frame[8:])),
		Sequence: binary.BigEndian.Uint32(frame[12:]),
	}
	var fault *fault
	switch body := frame[HeaderLen:]; p.Command {
	case EnquireLink, EnquireLinkResp, Unbind, UnbindResp, GenericNack:
		// Octets that follow mean nothing, and harm nobody.
	case DeliverSM, SubmitSM:
		p.Body, fault = decodeMessage(body)
	case SubmitSMResp, DeliverSMResp, DataSMResp:
		p.Body, fault = decodeMessageResp(body)
	case QuerySM, QuerySMResp, CancelSM, CancelSMResp, ReplaceSM, ReplaceSMResp, SubmitMulti, SubmitMultiResp:
		p.Body, fault = decodeInquiry(p.Command, body)
	default:
		p.Body, fault = decodeFields(p.Command, body)
	}
	if fault != nil {
		return PDU{}, &DecodeError{Command: p.Command, PeerStatus: p.Status, Sequence: p.Sequence,
			Status: fault.status, Err: fault.err}
	}
	return p, nil
}

// fault is the first thing that is wrong with a body.
type fault struct {
	status Status // what to answer with
	err    error
}

func faultf(s Status, format string, args ...any) *fault {
	return &fault{status: s, err: fmt.Errorf(format, args...)}
}

// decodeFields reads the body of any operation on go-smpp's fields. The
// operations that messages come and go by have a decoder of their own, which
// has to agree with this one: message.go.
func decodeFields(c CommandID, body []byte) (Body, *fault) {
	d := decoder{command: c, rest: bytes.NewBuffer(body)}
	b := d.body()
	if d.err != nil {
		if m, ok := b.(*Message); ok {
			m.wipe()
		}
		return nil, &fault{status: d.status, err: d.err}
	}
	return b, nil
}

// decoder reads one body; the first fault stops it.
type decoder struct {
	command CommandID
	rest    *bytes.Buffer
	fields  pdufield.Map
	status  Status
	err     error
}

func (d *decoder) fail(s Status, format string, args ...any) {
	if d.err == nil {
		d.status, d.err = s, fmt.Errorf(format, args...)
	}
}

func (d *decoder) body() Body {
	empty := d.rest.Len() == 0
	switch d.command {
	case BindReceiver, BindTransmitter, BindTransceiver:
		d.read(fieldsBind)
		return &Bind{
			SystemID:         d.text(pdufield.SystemID),
			Password:         d.secret(pdufield.Password),
			SystemType:       d.text(pdufield.SystemType),
			InterfaceVersion: d.octet(pdufield.InterfaceVersion),
			Address:          d.address(pdufield.AddrTON, pdufield.AddrNPI, pdufield.AddressRange),
		}
	case BindReceiverResp, BindTransmitterResp, BindTransceiverResp:
		if empty {
			return new(BindResp)
		}
		d.read(fieldsBindResp)
		return &BindResp{SystemID: d.text(pdufield.SystemID), TLVs: d.tlvs()}
	case SubmitSM, DeliverSM:
		d.read(fieldsMessage)
		return d.message()
	case DataSM:
		d.read(fieldsDataSM)
		return d.message()
	case SubmitSMResp, DeliverSMResp, DataSMResp:
		if empty {
			return new(MessageResp)
		}
		d.read(fieldsMessageResp)
		return &MessageResp{MessageID: d.text(pdufield.MessageID), TLVs: d.tlvs()}
	case CommandAlert:
		d.read(fieldsAlert)
		return &AlertNotification{
			Source: d.address(pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr),
			ESME:   d.address(pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr),
			TLVs:   d.tlvs(),
		}
	case CommandOutbind:
		d.read(fieldsOutbind)
		return &Outbind{SystemID: d.text(pdufield.SystemID), Password: d.secret(pdufield.Password)}
	}
	d.fail(StatusInvCmdID, "unknown or unsupported operation")
	return nil
}

// read has go-smpp take the mandatory fields, then looks for what it let pass:
// a body that ends early leaves fields out of the map, and nothing more.
func (d *decoder) read(list pdufield.List) {
	fields, err := list.Decode(d.rest)
	if err != nil {
		d.fail(StatusInvMsgLen, "mandatory fields: %w", err)
		return
	}
	for _, name := range list {
		if fields[name] == nil {
			d.fail(StatusInvCmdLen, "body ends before or in %s", name)
			return
		}
	}
	d.fields = fields
}

func (d *decoder) octet(name pdufield.Name) byte {
	if f, ok := d.fields[name].(*pdufield.Fixed); ok {
		return f.Data
	}
	return 0
}

// octets is the value of a C-octet string without its NUL, checked.
func (d *decoder) octets(name pdufield.Name) []byte {
	f, ok := d.fields[name].(*pdufield.Variable)
	if !ok {
		return nil
	}
	b := bytes.TrimSuffix(f.Data, []byte{0})
	if max, status := limit(d.command, name); len(b) > max {
		d.fail(status, "%s of %d characters, at most %d", name, len(b), max)
		return nil
	}
	return b
}

func (d *decoder) text(name pdufield.Name) string { return string(d.octets(name)) }

func (d *decoder) secret(name pdufield.Name) secret.Value { return secret.New(d.octets(name)) }

func (d *decoder) address(ton, npi, addr pdufield.Name) Address {
	return Address{TON: d.octet(ton), NPI: d.octet(npi), Addr: d.text(addr)}
}

func (d *decoder) message() Body {
	m := &Message{
		ServiceType:        d.text(pdufield.ServiceType),
		Source:             d.address(pdufield.SourceAddrTON, pdufield.SourceAddrNPI, pdufield.SourceAddr),
		Dest:               d.address(pdufield.DestAddrTON, pdufield.DestAddrNPI, pdufield.DestinationAddr),
		ESMClass:           d.octet(pdufield.ESMClass),
		ProtocolID:         d.octet(pdufield.ProtocolID),
		PriorityFlag:       d.octet(pdufield.PriorityFlag),
		ScheduleTime:       d.text(pdufield.ScheduleDeliveryTime),
		ValidityPeriod:     d.text(pdufield.ValidityPeriod),
		RegisteredDelivery: d.octet(pdufield.RegisteredDelivery),
		ReplaceIfPresent:   d.octet(pdufield.ReplaceIfPresentFlag),
		DataCoding:         d.octet(pdufield.DataCoding),
		SMDefaultMsgID:     d.octet(pdufield.SMDefaultMsgID),
		TLVs:               d.tlvs(),
	}
	var short []byte
	if f, ok := d.fields[pdufield.ShortMessage].(*pdufield.SM); ok {
		short = f.Data // still in the frame
	}
	if fault := m.setPayload(short); fault != nil && d.err == nil {
		d.status, d.err = fault.status, fault.err
	}
	return m
}

// without removes the parameters with that tag, in place; a value that is left
// out and is not the first of its tag is nobody's any more, and is zeroed.
func without(ts TLVs, tag Tag) TLVs {
	kept, seen := ts[:0], false
	for _, t := range ts {
		switch {
		case t.Tag != tag:
			kept = append(kept, t)
		case seen:
			clear(t.Value)
		default:
			seen = true
		}
	}
	clear(ts[len(kept):])
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// tlvs reads what follows the mandatory fields.
func (d *decoder) tlvs() TLVs {
	if d.err != nil {
		return nil
	}
	ts, fault := decodeTLVs(d.rest.Bytes())
	if fault != nil {
		d.status, d.err = fault.status, fault.err
	}
	return ts
}

// Append encodes p behind dst, with message_payload where short_message is too
// short or missing. It refuses what Decode would refuse, and then returns dst
// as it was. A Sequence of 0 is encoded as it stands.
//
// A message whose Payload is empty may carry a message_payload of its own
// among its TLVs, so that a tester can send a short text in one.
func Append(dst []byte, p PDU) ([]byte, error) {
	start := len(dst)
	e := encoder{command: p.Command, dst: dst}
	e.uint32(0) // command_length, known at the end
	e.uint32(uint32(p.Command))
	e.uint32(uint32(p.Status))
	e.uint32(p.Sequence)
	e.body(p.Body)
	if e.err != nil {
		clear(e.dst[start:])
		return dst, fmt.Errorf("%s: %w", p.Command, e.err)
	}
	binary.BigEndian.PutUint32(e.dst[start:], uint32(len(e.dst)-start))
	return e.dst, nil
}

// encoder appends to dst; the first fault is kept.
type encoder struct {
	command CommandID
	dst     []byte
	err     error
}

func (e *encoder) uint32(v uint32) { e.dst = binary.BigEndian.AppendUint32(e.dst, v) }

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

var errBody = errors.New("body of another operation")

func (e *encoder) body(b Body) {
	c := e.command
	if b == nil {
		switch c {
		case EnquireLink, Unbind, GenericNack:
		default:
			if !c.IsResponse() {
				e.fail("no body")
			}
		}
		return
	}
	switch b := b.(type) {
	case *Bind:
		if c != BindReceiver && c != BindTransmitter && c != BindTransceiver {
			e.fail("%w", errBody)
			return
		}
		e.text(pdufield.SystemID, b.SystemID)
		e.secret(pdufield.Password, b.Password)
		e.text(pdufield.SystemType, b.SystemType)
		e.octets(b.InterfaceVersion)
		e.octets(b.Address.TON, b.Address.NPI)
		e.text(pdufield.AddressRange, b.Address.Addr)
	case *BindResp:
		if c != BindReceiverResp && c != BindTransmitterResp && c != BindTransceiverResp {
			e.fail("%w", errBody)
			return
		}
		e.text(pdufield.SystemID, b.SystemID)
		e.tlvs(b.TLVs)
	case *Message:
		if c != SubmitSM && c != DeliverSM && c != DataSM {
			e.fail("%w", errBody)
			return
		}
		e.message(b)
	case *MessageResp:
		if c != SubmitSMResp && c != DeliverSMResp && c != DataSMResp {
			e.fail("%w", errBody)
			return
		}
		e.text(pdufield.MessageID, b.MessageID)
		e.tlvs(b.TLVs)
	case *AlertNotification:
		if c != CommandAlert {
			e.fail("%w", errBody)
			return
		}
		e.address(pdufield.SourceAddr, b.Source)
		e.address(pdufield.DestinationAddr, b.ESME)
		e.tlvs(b.TLVs)
	case *Outbind:
		if c != CommandOutbind {
			e.fail("%w", errBody)
			return
		}
		e.text(pdufield.SystemID, b.SystemID)
		e.secret(pdufield.Password, b.Password)
	default:
		if !e.inquiry(b) {
			e.fail("%w", errBody)
		}
	}
}

func (e *encoder) message(m *Message) {
	short, long := m.Payload, []byte(nil)
	if e.command == DataSM || len(m.Payload) > maxShortMessage {
		short, long = nil, m.Payload
	}
	e.text(pdufield.ServiceType, m.ServiceType)
	e.address(pdufield.SourceAddr, m.Source)
	e.address(pdufield.DestinationAddr, m.Dest)
	if e.command == DataSM {
		e.octets(m.ESMClass, m.RegisteredDelivery, m.DataCoding)
	} else {
		e.octets(m.ESMClass, m.ProtocolID, m.PriorityFlag)
		e.text(pdufield.ScheduleDeliveryTime, m.ScheduleTime)
		e.text(pdufield.ValidityPeriod, m.ValidityPeriod)
		e.octets(m.RegisteredDelivery, m.ReplaceIfPresent, m.DataCoding, m.SMDefaultMsgID, byte(len(short)))
		e.dst = append(e.dst, short...)
	}
	e.payload(m, long)
}

// payload writes the optional parameters, and long as a message_payload.
func (e *encoder) payload(m *Message, long []byte) {
	if _, twice := m.TLVs.Get(TagMessagePayload); twice && len(m.Payload) > 0 {
		e.fail("payload and a message_payload parameter")
	}
	e.tlvs(m.TLVs)
	if len(long) > 0 {
		e.tlv(TagMessagePayload, long)
		if len(m.TLVs) >= maxTLVs {
			e.fail("more than %d optional parameters", maxTLVs)
		}
	}
}

func (e *encoder) octets(bs ...byte) { e.dst = append(e.dst, bs...) }

func (e *encoder) text(name pdufield.Name, s string) {
	if max, _ := limit(e.command, name); len(s) > max {
		e.fail("%s of %d characters, at most %d", name, len(s), max)
		return
	}
	if strings.IndexByte(s, 0) >= 0 {
		e.fail("NUL in %s", name)
		return
	}
	e.dst = append(append(e.dst, s...), 0)
}

func (e *encoder) secret(name pdufield.Name, v secret.Value) {
	if max, _ := limit(e.command, name); v.Len() > max {
		e.fail("%s longer than %d characters", name, max)
		return
	}
	if bytes.IndexByte(v.Reveal(), 0) >= 0 {
		e.fail("NUL in %s", name)
		return
	}
	e.dst = append(append(e.dst, v.Reveal()...), 0)
}

func (e *encoder) address(name pdufield.Name, a Address) {
	e.octets(a.TON, a.NPI)
	e.text(name, a.Addr)
}

func (e *encoder) tlvs(ts TLVs) {
	if len(ts) > maxTLVs {
		e.fail("more than %d optional parameters", maxTLVs)
		return
	}
	for _, t := range ts {
		e.tlv(t.Tag, t.Value)
	}
}

func (e *encoder) tlv(tag Tag, value []byte) {
	if len(value) > maxTLVValue {
		e.fail("parameter %04X of %d octets, at most %d", uint16(tag), len(value), maxTLVValue)
		return
	}
	e.dst = binary.BigEndian.AppendUint16(e.dst, uint16(tag))
	e.dst = binary.BigEndian.AppendUint16(e.dst, uint16(len(value)))
	e.dst = append(e.dst, value...)
}
