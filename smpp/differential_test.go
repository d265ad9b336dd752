package smpp

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"starhash/configs/secret"

	"github.com/linxGnu/gosmpp/data"
	gosmpp "github.com/linxGnu/gosmpp/pdu"
)

// Our codec beside two that others wrote: what we encode they decode, what they
// encode we decode, field by field. Where they do not follow the specification a
// test of its own says so, and the generated PDUs keep away from it.

// everyCommand is every operation of the specification.
var everyCommand = []CommandID{
	GenericNack, BindReceiver, BindReceiverResp, BindTransmitter, BindTransmitterResp, BindTransceiver, BindTransceiverResp,
	CommandOutbind, Unbind, UnbindResp, SubmitSM, SubmitSMResp, SubmitMulti, SubmitMultiResp, DeliverSM, DeliverSMResp,
	DataSM, DataSMResp, QuerySM, QuerySMResp, CancelSM, CancelSMResp, ReplaceSM, ReplaceSMResp,
	EnquireLink, EnquireLinkResp, CommandAlert,
}

// perCommand is how many PDUs of each operation are generated.
const perCommand = 150

// parameters are optional parameters and their lengths, or the longest, as §5.3.2
// has them. A value of text ends with a NUL.
var parameters = []struct {
	tag      Tag
	min, max int
	text     bool
}{
	{TagDestAddrSubunit, 1, 1, false}, {TagDestNetworkType, 1, 1, false}, {TagDestBearerType, 1, 1, false},
	{TagDestTelematicsID, 2, 2, false}, {TagSourceAddrSubunit, 1, 1, false}, {TagSourceNetworkType, 1, 1, false},
	{TagSourceBearerType, 1, 1, false}, {TagQOSTimeToLive, 4, 4, false}, {TagPayloadType, 1, 1, false},
	{TagAdditionalStatusInfoText, 1, 256, true}, {TagReceiptedMessageID, 1, 65, true}, {TagMSMsgWaitFacilities, 1, 1, false},
	{TagPrivacyIndicator, 1, 1, false}, {TagSourceSubaddress, 2, 23, false}, {TagDestSubaddress, 2, 23, false},
	{TagUserMessageReference, 2, 2, false}, {TagUserResponseCode, 1, 1, false}, {TagSourcePort, 2, 2, false},
	{TagDestinationPort, 2, 2, false}, {TagSARMsgRefNum, 2, 2, false}, {TagLanguageIndicator, 1, 1, false},
	{TagSARTotalSegments, 1, 1, false}, {TagSARSegmentSeqnum, 1, 1, false}, {TagSCInterfaceVersion, 1, 1, false},
	{TagCallbackNumPresInd, 1, 1, false}, {TagCallbackNumAtag, 1, 65, false}, {TagNumberOfMessages, 1, 1, false},
	{TagCallbackNum, 4, 19, false}, {TagDPFResult, 1, 1, false}, {TagSetDPF, 1, 1, false},
	{TagMSAvailabilityStatus, 1, 1, false}, {TagNetworkErrorCode, 3, 3, false}, {TagDeliveryFailureReason, 1, 1, false},
	{TagMoreMessagesToSend, 1, 1, false}, {TagMessageState, 1, 1, false}, {TagUSSDServiceOp, 1, 1, false},
	{TagDisplayTime, 1, 1, false}, {TagSMSSignal, 2, 2, false}, {TagMSValidity, 1, 1, false},
	{TagITSReplyType, 1, 1, false}, {TagITSSessionInfo, 2, 2, false},
}

// generator makes PDUs that the specification allows.
type generator struct{ *rand.Rand }

func newGenerator() generator { return generator{rand.New(rand.NewPCG(0x34, 0))} }

// text is up to max characters of ASCII, often the most or none.
func (g generator) text(max int) string {
	b := make([]byte, pick(g, 0, max, g.IntN(max+1)))
	for i := range b {
		b[i] = byte(1 + g.IntN(126))
	}
	return string(b)
}

func (g generator) octet() byte { return byte(g.Uint32()) }

func (g generator) octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = g.octet()
	}
	return b
}

func pick[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

func (g generator) address(max int) Address { return Address{g.octet(), g.octet(), g.text(max)} }

// tlvs are some parameters, in the order of their tags and none twice.
func (g generator) tlvs() (ts TLVs) {
	for _, i := range g.Perm(len(parameters))[:pick(g, 0, 0, 1, 2, 2, 5, len(parameters))] {
		p := parameters[i]
		value := g.octets(p.min + g.IntN(p.max-p.min+1))
		if p.text {
			value = append([]byte(g.text(p.max-1)), 0)
		}
		ts = append(ts, TLV{p.tag, value})
	}
	return inOrder(ts)
}

// payload is that of a message, with a user data header where esm_class says so.
func (g generator) payload(class byte, max int) []byte {
	b := g.octets(min(max, pick(g, 1, 2, 140, 254, 1+g.IntN(254), 255, 256, 1000+g.IntN(4000))))
	if class&ESMClassUDHI != 0 {
		b = append([]byte{5, 0, 3, g.octet(), 2, 1}, b...)
	}
	return b[:min(len(b), max)]
}

func (g generator) message() Message {
	m := Message{ServiceType: g.text(5), Source: g.address(20), Dest: g.address(20), ESMClass: g.octet(), ProtocolID: g.octet(),
		PriorityFlag: g.octet(), ScheduleTime: g.text(16), ValidityPeriod: g.text(16), RegisteredDelivery: g.octet(),
		ReplaceIfPresent: g.octet(), DataCoding: g.octet(), SMDefaultMsgID: g.octet(), TLVs: g.tlvs()}
	m.Payload = g.payload(m.ESMClass, 10000)
	return m
}

func (g generator) pdu(c CommandID) PDU {
	p := PDU{Command: c, Sequence: 1 + g.Uint32N(0x7FFFFFFF)}
	switch c {
	case BindReceiver, BindTransmitter, BindTransceiver:
		p.Body = &Bind{g.text(15), secret.New([]byte(g.text(8))), g.text(12), g.octet(), g.address(40)}
	case BindReceiverResp, BindTransmitterResp, BindTransceiverResp:
		p.Body = &BindResp{g.text(15), g.tlvs()}
	case CommandOutbind:
		p.Body = &Outbind{g.text(15), secret.New([]byte(g.text(8)))}
	case SubmitSM, DeliverSM:
		m := g.message()
		p.Body = &m
	case SubmitMulti:
		m := &SubmitMultiple{Message: g.message()}
		m.Dest = Address{}
		for range pick(g, 1, 2, 254) {
			m.Dests = append(m.Dests, pick(g, Destination{Address: g.address(20)}, Destination{DistributionList: "L" + g.text(19)}))
		}
		p.Body = m
	case DataSM:
		p.Body = &Message{ServiceType: g.text(5), Source: g.address(64), Dest: g.address(64), ESMClass: g.octet() &^ ESMClassUDHI,
			RegisteredDelivery: g.octet(), DataCoding: g.octet(), Payload: g.payload(0, 10000), TLVs: g.tlvs()}
	case SubmitSMResp, DeliverSMResp, DataSMResp:
		p.Body = &MessageResp{g.text(64), g.tlvs()}
	case SubmitMultiResp:
		r := &SubmitMultipleResp{MessageID: g.text(64), TLVs: g.tlvs()}
		for range pick(g, 0, 1, 3, 254) {
			r.Unsuccessful = append(r.Unsuccessful, UnsuccessfulDelivery{g.address(20), Status(g.Uint32())})
		}
		p.Body = r
	case QuerySM:
		p.Body = &Query{g.text(64), g.address(20)}
	case QuerySMResp:
		p.Body = &QueryResp{g.text(64), g.text(16), MessageState(g.octet()), g.octet()}
	case CancelSM:
		p.Body = &Cancel{g.text(5), g.text(64), g.address(20), g.address(20)}
	case ReplaceSM:
		p.Body = &Replace{g.text(64), g.address(20), g.text(16), g.text(16), g.octet(), g.octet(), g.payload(0, 254)}
	case CommandAlert:
		p.Body = &AlertNotification{g.address(64), g.address(64), g.tlvs()}
	case Unbind, UnbindResp, EnquireLink, EnquireLinkResp, GenericNack, CancelSMResp, ReplaceSMResp:
		p.Status = Status(g.Uint32())
	default:
		panic("no generator for " + c.String())
	}
	return p
}

// tlvsOf are the optional parameters of a body.
func tlvsOf(b Body) *TLVs {
	switch b := b.(type) {
	case *BindResp:
		return &b.TLVs
	case *Message:
		return &b.TLVs
	case *SubmitMultiple:
		return &b.TLVs
	case *MessageResp:
		return &b.TLVs
	case *SubmitMultipleResp:
		return &b.TLVs
	case *AlertNotification:
		return &b.TLVs
	}
	return new(TLVs)
}

// inOrder sorts by tag: both others keep parameters in maps.
func inOrder(ts TLVs) TLVs {
	slices.SortStableFunc(ts, func(a, b TLV) int { return cmp.Compare(a.Tag, b.Tag) })
	return ts
}

// same compares PDUs but for the order of their parameters.
func same(t testing.TB, what string, got, want PDU) bool {
	t.Helper()
	for _, p := range []PDU{got, want} {
		inOrder(*tlvsOf(p.Body))
	}
	if reflect.DeepEqual(got, want) {
		return true
	}
	t.Errorf("%s\ngot  %s\nwant %s", what, spell(got), spell(want))
	return false
}

// spell writes all of a PDU: there is no secret in a generated one.
func spell(p PDU) string {
	body := fmt.Sprintf("%T", p.Body)
	if v := reflect.ValueOf(p.Body); v.IsValid() {
		for i := range v.Elem().NumField() {
			f, name := v.Elem().Field(i).Interface(), v.Elem().Type().Field(i).Name
			switch f := f.(type) {
			case TLVs:
				for _, t := range f {
					body += fmt.Sprintf(" %04X:%x", uint16(t.Tag), t.Value)
				}
			case Message:
				body += " {" + spell(PDU{Body: &f}) + "}"
			case secret.Value:
				body += fmt.Sprintf(" %s:%q", name, f.Reveal())
			case []byte:
				body += fmt.Sprintf(" %s:%x", name, f)
			default:
				body += fmt.Sprintf(" %s:%+v", name, f)
			}
		}
	}
	return fmt.Sprintf("%s %d %s %s", p.Command, p.Sequence, p.Status, body)
}

// gosmppKnows are the data codings that gosmpp keeps; others become none.
func gosmppKnows(coding byte) bool { return data.FromDataCoding(coding) != nil }

// forGosmpp changes what gosmpp cannot hold: see TestGosmppDefects.
func (g generator) forGosmpp(p PDU) PDU {
	coding := func(m *Message) {
		if !gosmppKnows(m.DataCoding) {
			m.DataCoding = pick[byte](g, 0, 1, 2, 3, 4, 6, 7, 8)
		}
	}
	switch b := p.Body.(type) {
	case *Message:
		if p.Command != DataSM {
			coding(b)
		}
	case *SubmitMultiple:
		coding(&b.Message)
	}
	return p
}

func TestGosmppDecodesOurs(t *testing.T) {
	g := newGenerator()
	for _, c := range everyCommand {
		for range perCommand {
			p := g.forGosmpp(g.pdu(c))
			frame := appended(t, p)
			theirs, err := gosmpp.Parse(bytes.NewReader(frame))
			if err != nil {
				t.Fatalf("%s: %v\n%x", spell(p), err, frame)
			}
			if !same(t, fmt.Sprintf("gosmpp read %x", frame), fromGosmpp(theirs), p) {
				break
			}
		}
	}
}

func TestOursDecodesGosmpp(t *testing.T) {
	g := newGenerator()
	for _, c := range everyCommand {
		for range perCommand {
			p := g.forGosmpp(g.pdu(c))
			if b, ok := p.Body.(*Message); ok && c == DataSM { // gosmpp sets no longer ones
				b.Source.Addr, b.Dest.Addr = b.Source.Addr[:min(20, len(b.Source.Addr))], b.Dest.Addr[:min(20, len(b.Dest.Addr))]
			}
			if b, ok := p.Body.(*AlertNotification); ok {
				b.Source.Addr, b.ESME.Addr = b.Source.Addr[:min(20, len(b.Source.Addr))], b.ESME.Addr[:min(20, len(b.ESME.Addr))]
			}
			buf := gosmpp.NewBuffer(nil)
			toGosmpp(t, p).Marshal(buf)
			got, err := Decode(buf.Bytes())
			if err != nil {
				t.Fatalf("%s: %v\n%x", spell(p), err, buf.Bytes())
			}
			if !same(t, fmt.Sprintf("we read %x", buf.Bytes()), got, p) {
				break
			}
		}
	}
}

// TestGosmppDefects: what gosmpp does otherwise, and the clause that says how it
// should be. Ours does as the clause says.
func TestGosmppDefects(t *testing.T) {
	message := func(change func(*Message)) PDU {
		m := mo("263771000001", "text")
		change(m)
		return PDU{Command: DeliverSM, Sequence: 1, Body: m}
	}
	for name, tc := range map[string]struct {
		p    PDU
		want string // how they fail
	}{
		// §5.2.19: all values are data codings, 0xF0 and over those of GSM 03.38.
		"data_coding forgotten": {message(func(m *Message) { m.DataCoding = 0xF5 }), "differs"},
		// §5.3.2.37: several callback_num_pres_ind go with several callback_num, by their order.
		"parameter twice": {message(func(m *Message) {
			m.TLVs = TLVs{{TagCallbackNumPresInd, []byte{1}}, {TagCallbackNumPresInd, []byte{2}}}
		}), "differs"},
		// §5.3.1: the length is a 16-bit integer, up to 65,535 (§5.3.2.32: message_payload up to 64 K).
		"parameter over 32,767 octets": {message(func(m *Message) { m.Payload = make([]byte, 40000) }), "differs"},
		// §5.2.12: what the user data holds is not the codec's to refuse.
		"user data header is damaged": {message(func(m *Message) { m.ESMClass, m.Payload = ESMClassUDHI, []byte{200, 1} }), "refused"},
		// §4.6.2 and what SMSCs do: a refusal may come without a body.
		"refusal of a header alone": {PDU{Command: DeliverSMResp, Status: StatusTempAppErr, Sequence: 1}, "refused"},
	} {
		frame := appended(t, tc.p)
		if tc.p.Body == nil {
			tc.p.Body = new(MessageResp)
		}
		if got, err := Decode(frame); err != nil || !reflect.DeepEqual(got, tc.p) {
			t.Errorf("%s: ours %v %s", name, err, spell(got))
		}
		theirs, err := gosmpp.Parse(bytes.NewReader(frame))
		got := "equal"
		switch {
		case err != nil:
			got = "refused"
		case !reflect.DeepEqual(fromGosmpp(theirs), tc.p):
			got = "differs"
		}
		if got != tc.want {
			t.Errorf("%s: gosmpp %s (%v): is the exception still needed?", name, got, err)
		}
	}
	// §5.3.2.41: alert_on_message_delivery has no value, and is there all the same.
	p := message(func(m *Message) { m.TLVs = TLVs{{TagAlertOnMessageDelivery, nil}} })
	buf := gosmpp.NewBuffer(nil)
	toGosmpp(t, p).Marshal(buf)
	if got, err := Decode(buf.Bytes()); err != nil || len(got.Body.(*Message).TLVs) != 0 {
		t.Errorf("a parameter without a value: %v %s", err, spell(got))
	}
	// Octets behind the last field of query_sm: we skip them, gosmpp panics.
	frame := appended(t, PDU{Command: QuerySM, Sequence: 1, Body: &Query{MessageID: "1"}})
	frame = append(frame, 0x02, 0x04, 0, 1, 1)
	frame[3] = byte(len(frame))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a parameter of query_sm: gosmpp does not panic any more")
			}
		}()
		gosmpp.Parse(bytes.NewReader(frame))
	}()
	if _, err := Decode(frame); err != nil {
		t.Errorf("a parameter of query_sm: %v", err)
	}
}

// fromGosmpp is a PDU of theirs as one of ours.
func fromGosmpp(from gosmpp.PDU) PDU {
	h := from.GetHeader()
	p := PDU{Command: CommandID(h.CommandID), Status: Status(h.CommandStatus), Sequence: uint32(h.SequenceNumber)}
	address := func(a gosmpp.Address) Address { return Address{a.Ton(), a.Npi(), a.Address()} }
	payload := func(s *gosmpp.ShortMessage) []byte {
		b, _ := s.GetMessageData()
		if udh := s.UDH(); len(udh) > 0 {
			head, _ := udh.MarshalBinary()
			b = append(head, b...)
		}
		return b
	}
	message := func(service string, source gosmpp.Address, class, pid, priority byte, schedule, validity string, delivery, replace byte, s *gosmpp.ShortMessage) Message {
		m := Message{ServiceType: service, Source: address(source), ESMClass: class, ProtocolID: pid, PriorityFlag: priority, ScheduleTime: schedule,
			ValidityPeriod: validity, RegisteredDelivery: delivery, ReplaceIfPresent: replace, SMDefaultMsgID: s.SmDefaultMsgID, Payload: payload(s)}
		if e := s.Encoding(); e != nil {
			m.DataCoding = e.DataCoding()
		}
		return m
	}
	tlvs := func(of map[gosmpp.Tag]gosmpp.Field, payload *[]byte) (ts TLVs) {
		for tag, f := range of {
			if payload != nil && Tag(tag) == TagMessagePayload {
				*payload = f.Data
				continue
			}
			ts = append(ts, TLV{Tag(tag), f.Data})
		}
		return inOrder(ts)
	}
	switch b := from.(type) {
	case *gosmpp.BindRequest:
		p.Body = &Bind{b.SystemID, secret.New([]byte(b.Password)), b.SystemType, b.InterfaceVersion,
			Address{b.AddressRange.Ton, b.AddressRange.Npi, b.AddressRange.AddressRange}}
	case *gosmpp.BindResp:
		p.Body = &BindResp{b.SystemID, tlvs(b.OptionalParameters, nil)}
	case *gosmpp.Outbind:
		p.Body = &Outbind{b.SystemID, secret.New([]byte(b.Password))}
	case *gosmpp.SubmitSM:
		m := message(b.ServiceType, b.SourceAddr, b.EsmClass, b.ProtocolID, b.PriorityFlag, b.ScheduleDeliveryTime, b.ValidityPeriod, b.RegisteredDelivery, b.ReplaceIfPresentFlag, &b.Message)
		m.Dest, m.TLVs = address(b.DestAddr), tlvs(b.OptionalParameters, &m.Payload)
		p.Body = &m
	case *gosmpp.DeliverSM:
		m := message(b.ServiceType, b.SourceAddr, b.EsmClass, b.ProtocolID, b.PriorityFlag, b.ScheduleDeliveryTime, b.ValidityPeriod, b.RegisteredDelivery, b.ReplaceIfPresentFlag, &b.Message)
		m.Dest, m.TLVs = address(b.DestAddr), tlvs(b.OptionalParameters, &m.Payload)
		p.Body = &m
	case *gosmpp.SubmitMulti:
		m := &SubmitMultiple{Message: message(b.ServiceType, b.SourceAddr, b.EsmClass, b.ProtocolID, b.PriorityFlag, b.ScheduleDeliveryTime, b.ValidityPeriod, b.RegisteredDelivery, b.ReplaceIfPresentFlag, &b.Message)}
		m.TLVs = tlvs(b.OptionalParameters, &m.Payload)
		for _, d := range b.DestAddrs.Get() {
			if d.IsDistributionList() {
				list := d.DistributionList()
				m.Dests = append(m.Dests, Destination{DistributionList: list.Name()})
				continue
			}
			m.Dests = append(m.Dests, Destination{Address: address(d.Address())})
		}
		p.Body = m
	case *gosmpp.DataSM:
		m := &Message{ServiceType: b.ServiceType, Source: address(b.SourceAddr), Dest: address(b.DestAddr), ESMClass: b.EsmClass,
			RegisteredDelivery: b.RegisteredDelivery, DataCoding: b.DataCoding}
		m.TLVs = tlvs(b.OptionalParameters, &m.Payload)
		p.Body = m
	case *gosmpp.SubmitSMResp:
		p.Body = &MessageResp{b.MessageID, tlvs(b.OptionalParameters, nil)}
	case *gosmpp.DeliverSMResp:
		p.Body = &MessageResp{b.MessageID, tlvs(b.OptionalParameters, nil)}
	case *gosmpp.DataSMResp:
		p.Body = &MessageResp{b.MessageID, tlvs(b.OptionalParameters, nil)}
	case *gosmpp.SubmitMultiResp:
		r := &SubmitMultipleResp{MessageID: b.MessageID, TLVs: tlvs(b.OptionalParameters, nil)}
		for _, u := range b.UnsuccessSMEs.Get() {
			r.Unsuccessful = append(r.Unsuccessful, UnsuccessfulDelivery{address(u.Address), Status(u.ErrorStatusCode())})
		}
		p.Body = r
	case *gosmpp.QuerySM:
		p.Body = &Query{b.MessageID, address(b.SourceAddr)}
	case *gosmpp.QuerySMResp:
		p.Body = &QueryResp{b.MessageID, b.FinalDate, MessageState(b.MessageState), b.ErrorCode}
	case *gosmpp.CancelSM:
		p.Body = &Cancel{b.ServiceType, b.MessageID, address(b.SourceAddr), address(b.DestAddr)}
	case *gosmpp.ReplaceSM:
		p.Body = &Replace{b.MessageID, address(b.SourceAddr), b.ScheduleDeliveryTime, b.ValidityPeriod, b.RegisteredDelivery, b.Message.SmDefaultMsgID, payload(&b.Message)}
	case *gosmpp.AlertNotification:
		p.Body = &AlertNotification{address(b.SourceAddr), address(b.EsmeAddr), tlvs(b.OptionalParameters, nil)}
	}
	return p
}

// toGosmpp is a PDU of ours as one of theirs.
func toGosmpp(t testing.TB, p PDU) gosmpp.PDU {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", spell(p), err)
		}
	}
	to, err := gosmpp.CreatePDUFromCmdID(data.CommandIDType(p.Command))
	must(err)
	to.SetSequenceNumber(int32(p.Sequence))
	address := func(a Address) gosmpp.Address {
		b, err := gosmpp.NewAddressWithTonNpiAddr(a.TON, a.NPI, a.Addr)
		must(err)
		return b
	}
	message := func(m *Message, s *gosmpp.ShortMessage) {
		s.SmDefaultMsgID = m.SMDefaultMsgID
		short := m.Payload
		if len(short) > maxShortMessage {
			to.RegisterOptionalParam(gosmpp.Field{Tag: gosmpp.TagMessagePayload, Data: short})
			short = nil
		}
		must(s.SetMessageDataWithEncoding(short, data.FromDataCoding(m.DataCoding)))
	}
	for _, o := range *tlvsOf(p.Body) {
		to.RegisterOptionalParam(gosmpp.Field{Tag: gosmpp.Tag(o.Tag), Data: o.Value})
	}
	switch to := to.(type) {
	case *gosmpp.GenericNack:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.Unbind:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.UnbindResp:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.EnquireLink:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.EnquireLinkResp:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.CancelSMResp:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.ReplaceSMResp:
		to.CommandStatus = data.CommandStatusType(p.Status)
	case *gosmpp.BindRequest:
		b := p.Body.(*Bind)
		to.SystemID, to.Password, to.SystemType, to.InterfaceVersion = b.SystemID, string(b.Password.Reveal()), b.SystemType, b.InterfaceVersion
		to.AddressRange = gosmpp.NewAddressRangeWithTonNpiAddr(b.Address.TON, b.Address.NPI, b.Address.Addr)
	case *gosmpp.BindResp:
		to.SystemID = p.Body.(*BindResp).SystemID
	case *gosmpp.Outbind:
		b := p.Body.(*Outbind)
		to.SystemID, to.Password = b.SystemID, string(b.Password.Reveal())
	case *gosmpp.SubmitSM:
		m := p.Body.(*Message)
		to.ServiceType, to.SourceAddr, to.DestAddr, to.EsmClass, to.ProtocolID, to.PriorityFlag = m.ServiceType, address(m.Source), address(m.Dest), m.ESMClass, m.ProtocolID, m.PriorityFlag
		to.ScheduleDeliveryTime, to.ValidityPeriod, to.RegisteredDelivery, to.ReplaceIfPresentFlag = m.ScheduleTime, m.ValidityPeriod, m.RegisteredDelivery, m.ReplaceIfPresent
		message(m, &to.Message)
	case *gosmpp.DeliverSM:
		m := p.Body.(*Message)
		to.ServiceType, to.SourceAddr, to.DestAddr, to.EsmClass, to.ProtocolID, to.PriorityFlag = m.ServiceType, address(m.Source), address(m.Dest), m.ESMClass, m.ProtocolID, m.PriorityFlag
		to.ScheduleDeliveryTime, to.ValidityPeriod, to.RegisteredDelivery, to.ReplaceIfPresentFlag = m.ScheduleTime, m.ValidityPeriod, m.RegisteredDelivery, m.ReplaceIfPresent
		message(m, &to.Message)
	case *gosmpp.SubmitMulti:
		m := p.Body.(*SubmitMultiple)
		to.ServiceType, to.SourceAddr, to.EsmClass, to.ProtocolID, to.PriorityFlag = m.ServiceType, address(m.Source), m.ESMClass, m.ProtocolID, m.PriorityFlag
		to.ScheduleDeliveryTime, to.ValidityPeriod, to.RegisteredDelivery, to.ReplaceIfPresentFlag = m.ScheduleTime, m.ValidityPeriod, m.RegisteredDelivery, m.ReplaceIfPresent
		message(&m.Message, &to.Message)
		for _, d := range m.Dests {
			var dest gosmpp.DestinationAddress
			if d.DistributionList != "" {
				list, err := gosmpp.NewDistributionList(d.DistributionList)
				must(err)
				dest.SetDistributionList(list)
			} else {
				dest.SetAddress(address(d.Address))
			}
			to.DestAddrs.Add(dest)
		}
	case *gosmpp.DataSM:
		m := p.Body.(*Message)
		to.ServiceType, to.SourceAddr, to.DestAddr, to.EsmClass, to.RegisteredDelivery, to.DataCoding = m.ServiceType, address(m.Source), address(m.Dest), m.ESMClass, m.RegisteredDelivery, m.DataCoding
		to.RegisterOptionalParam(gosmpp.Field{Tag: gosmpp.TagMessagePayload, Data: m.Payload})
	case *gosmpp.SubmitSMResp:
		to.MessageID = p.Body.(*MessageResp).MessageID
	case *gosmpp.DeliverSMResp:
		to.MessageID = p.Body.(*MessageResp).MessageID
	case *gosmpp.DataSMResp:
		to.MessageID = p.Body.(*MessageResp).MessageID
	case *gosmpp.SubmitMultiResp:
		b := p.Body.(*SubmitMultipleResp)
		to.MessageID = b.MessageID
		for _, u := range b.Unsuccessful {
			sme := gosmpp.NewUnsuccessSMEWithTonNpi(u.TON, u.NPI, data.CommandStatusType(u.Status))
			must(sme.SetAddress(u.Addr))
			to.UnsuccessSMEs.Add(sme)
		}
	case *gosmpp.QuerySM:
		b := p.Body.(*Query)
		to.MessageID, to.SourceAddr = b.MessageID, address(b.Source)
	case *gosmpp.QuerySMResp:
		b := p.Body.(*QueryResp)
		to.MessageID, to.FinalDate, to.MessageState, to.ErrorCode = b.MessageID, b.FinalDate, byte(b.State), b.ErrorCode
	case *gosmpp.CancelSM:
		b := p.Body.(*Cancel)
		to.ServiceType, to.MessageID, to.SourceAddr, to.DestAddr = b.ServiceType, b.MessageID, address(b.Source), address(b.Dest)
	case *gosmpp.ReplaceSM:
		b := p.Body.(*Replace)
		to.MessageID, to.SourceAddr, to.ScheduleDeliveryTime, to.ValidityPeriod, to.RegisteredDelivery = b.MessageID, address(b.Source), b.ScheduleTime, b.ValidityPeriod, b.RegisteredDelivery
		to.Message.SmDefaultMsgID = b.SMDefaultMsgID
		must(to.Message.SetMessageDataWithEncoding(b.Payload, nil))
	case *gosmpp.AlertNotification:
		b := p.Body.(*AlertNotification)
		to.SourceAddr, to.EsmeAddr = address(b.Source), address(b.ESME)
	}
	return to
}

// TestConstantsOfGosmpp compares every command_id and command_status that both
// have a name for.
func TestConstantsOfGosmpp(t *testing.T) {
	for c, name := range commandNames {
		if want := strings.ToUpper(name); data.CommandIDType(c).String() != want {
			t.Errorf("0x%08X is %s, %s to gosmpp", uint32(c), want, data.CommandIDType(c))
		}
	}
	for s, name := range statusNames {
		if theirs := data.CommandStatusType(s).String(); theirs != name {
			t.Errorf("0x%X is %s, %s to gosmpp", uint32(s), name, theirs)
		}
	}
}
