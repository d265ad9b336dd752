package smpp

import (
	"fmt"
	"io"

	"starhash/configs/secret"

	"github.com/fiorix/go-smpp/v2/smpp/pdu"
)

// HeaderLen is the length of a PDU header in octets: SMPP 3.4 §3.2.
const HeaderLen = pdu.HeaderLen

// InterfaceVersion34 is the interface_version of SMPP 3.4: §5.2.4.
const InterfaceVersion34 = 0x34

// CommandID names an operation: SMPP 3.4 §5.1.2.1.
type CommandID uint32

const (
	GenericNack         = CommandID(pdu.GenericNACKID)         // §4.3.1
	BindReceiver        = CommandID(pdu.BindReceiverID)        // §4.1.3
	BindReceiverResp    = CommandID(pdu.BindReceiverRespID)    // §4.1.4
	BindTransmitter     = CommandID(pdu.BindTransmitterID)     // §4.1.1
	BindTransmitterResp = CommandID(pdu.BindTransmitterRespID) // §4.1.2
	QuerySM             = CommandID(pdu.QuerySMID)             // §4.8
	QuerySMResp         = CommandID(pdu.QuerySMRespID)         // §4.8.2
	SubmitSM            = CommandID(pdu.SubmitSMID)            // §4.4.1
	SubmitSMResp        = CommandID(pdu.SubmitSMRespID)        // §4.4.2
	DeliverSM           = CommandID(pdu.DeliverSMID)           // §4.6.1
	DeliverSMResp       = CommandID(pdu.DeliverSMRespID)       // §4.6.2
	Unbind              = CommandID(pdu.UnbindID)              // §4.2.1
	UnbindResp          = CommandID(pdu.UnbindRespID)          // §4.2.2
	ReplaceSM           = CommandID(pdu.ReplaceSMID)           // §4.10
	ReplaceSMResp       = CommandID(pdu.ReplaceSMRespID)       // §4.10.2
	CancelSM            = CommandID(pdu.CancelSMID)            // §4.9
	CancelSMResp        = CommandID(pdu.CancelSMRespID)        // §4.9.2
	BindTransceiver     = CommandID(pdu.BindTransceiverID)     // §4.1.5
	BindTransceiverResp = CommandID(pdu.BindTransceiverRespID) // §4.1.6
	CommandOutbind      = CommandID(pdu.OutbindID)             // §4.1.7; Outbind is its body
	EnquireLink         = CommandID(pdu.EnquireLinkID)         // §4.11.1
	EnquireLinkResp     = CommandID(pdu.EnquireLinkRespID)     // §4.11.2
	SubmitMulti         = CommandID(pdu.SubmitMultiID)         // §4.5.1
	SubmitMultiResp     = CommandID(pdu.SubmitMultiRespID)     // §4.5.2
	CommandAlert        = CommandID(pdu.AlertNotificationID)   // §4.12.1; AlertNotification is its body
	DataSM              = CommandID(pdu.DataSMID)              // §4.7.1
	DataSMResp          = CommandID(pdu.DataSMRespID)          // §4.7.2
)

// responseBit is set in the command_id of every response.
const responseBit = 0x80000000

var commandNames = map[CommandID]string{
	GenericNack:         "generic_nack",
	BindReceiver:        "bind_receiver",
	BindReceiverResp:    "bind_receiver_resp",
	BindTransmitter:     "bind_transmitter",
	BindTransmitterResp: "bind_transmitter_resp",
	QuerySM:             "query_sm",
	QuerySMResp:         "query_sm_resp",
	SubmitSM:            "submit_sm",
	SubmitSMResp:        "submit_sm_resp",
	DeliverSM:           "deliver_sm",
	DeliverSMResp:       "deliver_sm_resp",
	Unbind:              "unbind",
	UnbindResp:          "unbind_resp",
	ReplaceSM:           "replace_sm",
	ReplaceSMResp:       "replace_sm_resp",
	CancelSM:            "cancel_sm",
	CancelSMResp:        "cancel_sm_resp",
	BindTransceiver:     "bind_transceiver",
	BindTransceiverResp: "bind_transceiver_resp",
	CommandOutbind:      "outbind",
	EnquireLink:         "enquire_link",
	EnquireLinkResp:     "enquire_link_resp",
	SubmitMulti:         "submit_multi",
	SubmitMultiResp:     "submit_multi_resp",
	CommandAlert:        "alert_notification",
	DataSM:              "data_sm",
	DataSMResp:          "data_sm_resp",
}

// String is the operation's name as the specification writes it.
func (c CommandID) String() string {
	if s, ok := commandNames[c]; ok {
		return s
	}
	return fmt.Sprintf("command_id(0x%08X)", uint32(c))
}

// IsResponse says whether the PDU answers one of the other side's.
// generic_nack does.
func (c CommandID) IsResponse() bool { return c&responseBit != 0 }

// Response is the operation that answers c. Operations that have no answer of
// their own (alert_notification, outbind) and unknown ones get generic_nack;
// the response to a response is the response itself.
func (c CommandID) Response() CommandID {
	if c.IsResponse() {
		return c
	}
	if _, ok := commandNames[c|responseBit]; ok {
		return c | responseBit
	}
	return GenericNack
}

// Status is a command_status: SMPP 3.4 §5.1.3.
type Status uint32

const (
	StatusOK                Status = 0x00 // ESME_ROK
	StatusInvMsgLen         Status = 0x01 // ESME_RINVMSGLEN: message length
	StatusInvCmdLen         Status = 0x02 // ESME_RINVCMDLEN: command length
	StatusInvCmdID          Status = 0x03 // ESME_RINVCMDID: command id
	StatusInvBndSts         Status = 0x04 // ESME_RINVBNDSTS: not allowed in this bind state
	StatusAlreadyBound      Status = 0x05 // ESME_RALYBND
	StatusInvPrtFlg         Status = 0x06 // ESME_RINVPRTFLG: priority flag
	StatusInvRegDlvFlg      Status = 0x07 // ESME_RINVREGDLVFLG: registered_delivery
	StatusSysErr            Status = 0x08 // ESME_RSYSERR
	StatusInvSrcAdr         Status = 0x0A // ESME_RINVSRCADR
	StatusInvDstAdr         Status = 0x0B // ESME_RINVDSTADR
	StatusInvMsgID          Status = 0x0C // ESME_RINVMSGID
	StatusBindFail          Status = 0x0D // ESME_RBINDFAIL
	StatusInvPaswd          Status = 0x0E // ESME_RINVPASWD
	StatusInvSysID          Status = 0x0F // ESME_RINVSYSID
	StatusCancelFail        Status = 0x11 // ESME_RCANCELFAIL
	StatusReplaceFail       Status = 0x13 // ESME_RREPLACEFAIL
	StatusMsgQFul           Status = 0x14 // ESME_RMSGQFUL: message queue full
	StatusInvSerTyp         Status = 0x15 // ESME_RINVSERTYP: service_type
	StatusInvNumDests       Status = 0x33 // ESME_RINVNUMDESTS
	StatusInvDLName         Status = 0x34 // ESME_RINVDLNAME
	StatusInvDestFlag       Status = 0x40 // ESME_RINVDESTFLAG
	StatusInvSubRep         Status = 0x42 // ESME_RINVSUBREP
	StatusInvESMClass       Status = 0x43 // ESME_RINVESMCLASS
	StatusCntSubDL          Status = 0x44 // ESME_RCNTSUBDL
	StatusSubmitFail        Status = 0x45 // ESME_RSUBMITFAIL
	StatusInvSrcTON         Status = 0x48 // ESME_RINVSRCTON
	StatusInvSrcNPI         Status = 0x49 // ESME_RINVSRCNPI
	StatusInvDstTON         Status = 0x50 // ESME_RINVDSTTON
	StatusInvDstNPI         Status = 0x51 // ESME_RINVDSTNPI
	StatusInvSysTyp         Status = 0x53 // ESME_RINVSYSTYP
	StatusInvRepFlag        Status = 0x54 // ESME_RINVREPFLAG
	StatusInvNumMsgs        Status = 0x55 // ESME_RINVNUMMSGS
	StatusThrottled         Status = 0x58 // ESME_RTHROTTLED
	StatusInvSched          Status = 0x61 // ESME_RINVSCHED
	StatusInvExpiry         Status = 0x62 // ESME_RINVEXPIRY
	StatusInvDftMsgID       Status = 0x63 // ESME_RINVDFTMSGID
	StatusTempAppErr        Status = 0x64 // ESME_RX_T_APPN: the SMSC keeps the message and tries again
	StatusPermAppErr        Status = 0x65 // ESME_RX_P_APPN: the SMSC gives the message up
	StatusRejectAppErr      Status = 0x66 // ESME_RX_R_APPN
	StatusQueryFail         Status = 0x67 // ESME_RQUERYFAIL
	StatusInvOptParStream   Status = 0xC0 // ESME_RINVOPTPARSTREAM: the optional part does not decode
	StatusOptParNotAllwd    Status = 0xC1 // ESME_ROPTPARNOTALLWD
	StatusInvParLen         Status = 0xC2 // ESME_RINVPARLEN
	StatusMissingOptParam   Status = 0xC3 // ESME_RMISSINGOPTPARAM
	StatusInvOptParamVal    Status = 0xC4 // ESME_RINVOPTPARAMVAL
	StatusDeliveryFailure   Status = 0xFE // ESME_RDELIVERYFAILURE
	StatusUnknownErr        Status = 0xFF // ESME_RUNKNOWNERR
	statusReservedSMSCFirst Status = 0x400
	statusReservedSMSCLast  Status = 0x4FF
)

var statusNames = map[Status]string{
	StatusOK:              "ESME_ROK",
	StatusInvMsgLen:       "ESME_RINVMSGLEN",
	StatusInvCmdLen:       "ESME_RINVCMDLEN",
	StatusInvCmdID:        "ESME_RINVCMDID",
	StatusInvBndSts:       "ESME_RINVBNDSTS",
	StatusAlreadyBound:    "ESME_RALYBND",
	StatusInvPrtFlg:       "ESME_RINVPRTFLG",
	StatusInvRegDlvFlg:    "ESME_RINVREGDLVFLG",
	StatusSysErr:          "ESME_RSYSERR",
	StatusInvSrcAdr:       "ESME_RINVSRCADR",
	StatusInvDstAdr:       "ESME_RINVDSTADR",
	StatusInvMsgID:        "ESME_RINVMSGID",
	StatusBindFail:        "ESME_RBINDFAIL",
	StatusInvPaswd:        "ESME_RINVPASWD",
	StatusInvSysID:        "ESME_RINVSYSID",
	StatusCancelFail:      "ESME_RCANCELFAIL",
	StatusReplaceFail:     "ESME_RREPLACEFAIL",
	StatusMsgQFul:         "ESME_RMSGQFUL",
	StatusInvSerTyp:       "ESME_RINVSERTYP",
	StatusInvNumDests:     "ESME_RINVNUMDESTS",
	StatusInvDLName:       "ESME_RINVDLNAME",
	StatusInvDestFlag:     "ESME_RINVDESTFLAG",
	StatusInvSubRep:       "ESME_RINVSUBREP",
	StatusInvESMClass:     "ESME_RINVESMCLASS",
	StatusCntSubDL:        "ESME_RCNTSUBDL",
	StatusSubmitFail:      "ESME_RSUBMITFAIL",
	StatusInvSrcTON:       "ESME_RINVSRCTON",
	StatusInvSrcNPI:       "ESME_RINVSRCNPI",
	StatusInvDstTON:       "ESME_RINVDSTTON",
	StatusInvDstNPI:       "ESME_RINVDSTNPI",
	StatusInvSysTyp:       "ESME_RINVSYSTYP",
	StatusInvRepFlag:      "ESME_RINVREPFLAG",
	StatusInvNumMsgs:      "ESME_RINVNUMMSGS",
	StatusThrottled:       "ESME_RTHROTTLED",
	StatusInvSched:        "ESME_RINVSCHED",
	StatusInvExpiry:       "ESME_RINVEXPIRY",
	StatusInvDftMsgID:     "ESME_RINVDFTMSGID",
	StatusTempAppErr:      "ESME_RX_T_APPN",
	StatusPermAppErr:      "ESME_RX_P_APPN",
	StatusRejectAppErr:    "ESME_RX_R_APPN",
	StatusQueryFail:       "ESME_RQUERYFAIL",
	StatusInvOptParStream: "ESME_RINVOPTPARSTREAM",
	StatusOptParNotAllwd:  "ESME_ROPTPARNOTALLWD",
	StatusInvParLen:       "ESME_RINVPARLEN",
	StatusMissingOptParam: "ESME_RMISSINGOPTPARAM",
	StatusInvOptParamVal:  "ESME_RINVOPTPARAMVAL",
	StatusDeliveryFailure: "ESME_RDELIVERYFAILURE",
	StatusUnknownErr:      "ESME_RUNKNOWNERR",
}

var statusByName = func() map[string]Status {
	m := make(map[string]Status, len(statusNames))
	for s, name := range statusNames {
		m[name] = s
	}
	return m
}()

// String is the specification's name of the status, or its number.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	if s >= statusReservedSMSCFirst && s <= statusReservedSMSCLast {
		return fmt.Sprintf("vendor status 0x%X", uint32(s))
	}
	return fmt.Sprintf("status 0x%X", uint32(s))
}

// ParseStatus is the inverse of String for the names of the specification.
func ParseStatus(name string) (Status, bool) {
	s, ok := statusByName[name]
	return s, ok
}

// Address is an SME address: type of number §5.2.5, numbering plan §5.2.6, and
// the digits, at most 20 characters (64 in data_sm and alert_notification).
type Address struct {
	TON, NPI byte
	Addr     string
}

// Tag names an optional parameter: SMPP 3.4 §5.3.2.
type Tag uint16

const (
	TagDestAddrSubunit          Tag = 0x0005 // §5.3.2.1
	TagDestNetworkType          Tag = 0x0006 // §5.3.2.3
	TagDestBearerType           Tag = 0x0007 // §5.3.2.5
	TagDestTelematicsID         Tag = 0x0008 // §5.3.2.7
	TagSourceAddrSubunit        Tag = 0x000D // §5.3.2.2
	TagSourceNetworkType        Tag = 0x000E // §5.3.2.4
	TagSourceBearerType         Tag = 0x000F // §5.3.2.6
	TagSourceTelematicsID       Tag = 0x0010 // §5.3.2.8
	TagQOSTimeToLive            Tag = 0x0017 // §5.3.2.9
	TagPayloadType              Tag = 0x0019 // §5.3.2.10
	TagAdditionalStatusInfoText Tag = 0x001D // §5.3.2.11
	TagReceiptedMessageID       Tag = 0x001E // §5.3.2.12
	TagMSMsgWaitFacilities      Tag = 0x0030 // §5.3.2.13
	TagPrivacyIndicator         Tag = 0x0201 // §5.3.2.14
	TagSourceSubaddress         Tag = 0x0202 // §5.3.2.15
	TagDestSubaddress           Tag = 0x0203 // §5.3.2.16
	TagUserMessageReference     Tag = 0x0204 // §5.3.2.17
	TagUserResponseCode         Tag = 0x0205 // §5.3.2.18
	TagSourcePort               Tag = 0x020A // §5.3.2.20
	TagDestinationPort          Tag = 0x020B // §5.3.2.21
	TagSARMsgRefNum             Tag = 0x020C // §5.3.2.22
	TagLanguageIndicator        Tag = 0x020D // §5.3.2.19
	TagSARTotalSegments         Tag = 0x020E // §5.3.2.23
	TagSARSegmentSeqnum         Tag = 0x020F // §5.3.2.24
	TagSCInterfaceVersion       Tag = 0x0210 // §5.3.2.25
	TagCallbackNumPresInd       Tag = 0x0302 // §5.3.2.37
	TagCallbackNumAtag          Tag = 0x0303 // §5.3.2.38
	TagNumberOfMessages         Tag = 0x0304 // §5.3.2.39
	TagCallbackNum              Tag = 0x0381 // §5.3.2.36
	TagDPFResult                Tag = 0x0420 // §5.3.2.28
	TagSetDPF                   Tag = 0x0421 // §5.3.2.29
	TagMSAvailabilityStatus     Tag = 0x0422 // §5.3.2.30
	TagNetworkErrorCode         Tag = 0x0423 // §5.3.2.31
	TagMessagePayload           Tag = 0x0424 // §5.3.2.32
	TagDeliveryFailureReason    Tag = 0x0425 // §5.3.2.33
	TagMoreMessagesToSend       Tag = 0x0426 // §5.3.2.34
	TagMessageState             Tag = 0x0427 // §5.3.2.35
	TagUSSDServiceOp            Tag = 0x0501 // §5.3.2.44
	TagDisplayTime              Tag = 0x1201 // §5.3.2.26
	TagSMSSignal                Tag = 0x1203 // §5.3.2.40
	TagMSValidity               Tag = 0x1204 // §5.3.2.27
	TagAlertOnMessageDelivery   Tag = 0x130C // §5.3.2.41
	TagITSReplyType             Tag = 0x1380 // §5.3.2.42
	TagITSSessionInfo           Tag = 0x1383 // §5.3.2.43
)

// TLV is one optional parameter; Value is at most 65,535 octets.
type TLV struct {
	Tag   Tag
	Value []byte
}

// TLVs are optional parameters in the order of the wire.
type TLVs []TLV

// Get returns the value of the first parameter with that tag.
func (ts TLVs) Get(tag Tag) ([]byte, bool) {
	for _, t := range ts {
		if t.Tag == tag {
			return t.Value, true
		}
	}
	return nil, false
}

// PDU is one protocol data unit: SMPP 3.4 §3.2.
type PDU struct {
	Command  CommandID
	Status   Status
	Sequence uint32 // 1 to 0x7FFFFFFF; others are decoded all the same
	Body     Body   // nil for a PDU of a header alone
}

// Body is what follows the header: *Bind, *BindResp, *Message, *MessageResp,
// *AlertNotification, *Outbind, or one of inquiry.go.
type Body interface{ body() }

func (*Bind) body()              {}
func (*BindResp) body()          {}
func (*Message) body()           {}
func (*MessageResp) body()       {}
func (*AlertNotification) body() {}
func (*Outbind) body()           {}

// Bind is the body of bind_transmitter, bind_receiver and bind_transceiver:
// §4.1. SystemID is at most 15 characters, Password 8 (64 here), SystemType 12 and the
// address range 40.
type Bind struct {
	SystemID         string
	Password         secret.Value
	SystemType       string
	InterfaceVersion byte
	Address          Address // addr_ton, addr_npi, address_range
}

// BindResp is the body of their responses; absent when they refuse.
type BindResp struct {
	SystemID string
	TLVs     TLVs
}

// Message is the body of submit_sm §4.4.1, deliver_sm §4.6.1 and data_sm
// §4.7.1. data_sm has no ProtocolID, PriorityFlag, ScheduleTime,
// ValidityPeriod, ReplaceIfPresent and SMDefaultMsgID.
//
// Payload may hold a subscriber's PIN: a Message prints without it.
type Message struct {
	ServiceType        string // at most 5 characters
	Source, Dest       Address
	ESMClass           byte
	ProtocolID         byte
	PriorityFlag       byte
	ScheduleTime       string // §7.1.1, at most 16 characters
	ValidityPeriod     string // §7.1.1, at most 16 characters
	RegisteredDelivery byte
	ReplaceIfPresent   byte
	DataCoding         byte
	SMDefaultMsgID     byte

	// Payload is the user data, with the user data header first when ESMClass
	// has ESMClassUDHI. It comes from short_message or, where that is present
	// and not empty, from the message_payload TLV. On the way out it goes into
	// message_payload when longer than 254 octets or in a data_sm.
	Payload []byte
	TLVs    TLVs // all but message_payload
}

// Bits of esm_class: §5.2.12.
const (
	ESMClassTypeMask          byte = 0x3C // message type; 0: an ordinary one
	ESMClassReceipt           byte = 0x04 // SMSC delivery receipt
	ESMClassDeliveryAck       byte = 0x08 // a handset's delivery acknowledgement
	ESMClassManualAck         byte = 0x10 // its user's acknowledgement
	ESMClassConversationAbort byte = 0x18 // Korean CDMA
	ESMClassIntermediate      byte = 0x20 // intermediate delivery notification
	ESMClassUDHI              byte = 0x40 // the payload begins with a user data header
)

// Format prints what a log may hold: no payload, no optional parameters.
func (m Message) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{service_type %q %s>%s esm_class %02X data_coding %02X payload %d octets, %d TLVs}",
		m.ServiceType, m.Source.Addr, m.Dest.Addr, m.ESMClass, m.DataCoding, len(m.Payload), len(m.TLVs))
}

// String implements fmt.Stringer with the restraint of Format.
func (m Message) String() string { return fmt.Sprintf("%v", m) }

// wipe zeroes what a subscriber may have typed.
func (m *Message) wipe() {
	clear(m.Payload)
	for _, t := range m.TLVs {
		clear(t.Value)
	}
}

// wipe zeroes what may be secret in a PDU that nobody takes.
func (p PDU) wipe() {
	switch b := p.Body.(type) {
	case interface{ wipe() }:
		b.wipe()
	case *Bind:
		b.Password.Wipe()
	case *Outbind:
		b.Password.Wipe()
	}
}

// Format prints the parameter's tag and length; its value may be anything.
func (t TLV) Format(f fmt.State, _ rune) {
	io.WriteString(f, fmt.Sprintf("{%04X: %d octets}", uint16(t.Tag), len(t.Value)))
}

// MessageResp is the body of submit_sm_resp, deliver_sm_resp and data_sm_resp.
// MessageID is at most 64 characters, and unused in deliver_sm_resp.
type MessageResp struct {
	MessageID string
	TLVs      TLVs
}

// AlertNotification is the body of alert_notification: the SMSC says that a handset can be
// reached again, §4.12.1.
type AlertNotification struct {
	Source, ESME Address
	TLVs         TLVs
}

// Outbind is the body of outbind: the SMSC asks an ESME to bind as a
// receiver, §4.1.7.
type Outbind struct {
	SystemID string
	Password secret.Value
}
