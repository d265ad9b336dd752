package smsc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"starhash/smpp"
)

// Faults is how the simulator misbehaves: one struct for the configuration's section
// faults, for --fault of the command line and for PUT /faults, which replaces all of
// it; {} makes it behave. A Count says how often: a number of times, true for always,
// or "2%" for that part of the cases, drawn from Seed.
//
// What hits one message has a magic number too (magic.go), by which a single message
// calls the fault up without touching the others.
type Faults struct {
	Seed  uint64 `json:"seed,omitempty" mapstructure:"seed"`   // of all draws, which begin anew; 0: they go on
	Chaos bool   `json:"chaos,omitempty" mapstructure:"chaos"` // what is not given comes from Chaos(); reads as false

	// The connection.
	BindStatus    string   `json:"bind_status,omitempty" mapstructure:"bind_status"`         // status of every bind: "ESME_RBINDFAIL"
	NoBindResp    Count    `json:"no_bind_resp,omitempty" mapstructure:"no_bind_resp"`       // binds never answered
	NoUnbindResp  Count    `json:"no_unbind_resp,omitempty" mapstructure:"no_unbind_resp"`   // unbinds never answered, the connection stays
	NoEnquireResp Count    `json:"no_enquire_resp,omitempty" mapstructure:"no_enquire_resp"` // enquire_links never answered
	StopReading   bool     `json:"stop_reading,omitempty" mapstructure:"stop_reading"`       // nothing is read from any connection, until this is false
	WriteOctets   int      `json:"write_octets,omitempty" mapstructure:"write_octets"`       // octets a TCP segment at most: 1 cuts PDUs into single octets; 0: no limit
	Glue          Duration `json:"glue,omitempty" mapstructure:"glue"`                       // PDUs are held back that long and leave in one write

	// submit_sm, data_sm and submit_multi.
	Latency         Latency  `json:"latency,omitzero" mapstructure:"latency"`                      // of their responses, which may overtake each other
	Delay           Duration `json:"delay,omitempty" mapstructure:"delay"`                         // added to it
	LateResp        Count    `json:"late_resp,omitempty" mapstructure:"late_resp"`                 // responses that come LateBy later than they would
	LateBy          Duration `json:"late_by,omitempty" mapstructure:"late_by"`                     // 12s if not set: behind most ESMEs' response timer
	NoResp          Count    `json:"no_resp,omitempty" mapstructure:"no_resp"`                     // delivered, never answered
	DuplicateResp   Count    `json:"duplicate_resp,omitempty" mapstructure:"duplicate_resp"`       // answered twice
	Throttle        Count    `json:"throttle,omitempty" mapstructure:"throttle"`                   // answered ESME_RTHROTTLED, not delivered
	Throughput      int      `json:"throughput,omitempty" mapstructure:"throughput"`               // messages a second and account; more get ESME_RTHROTTLED; 0: no limit
	QueueFull       Count    `json:"queue_full,omitempty" mapstructure:"queue_full"`               // answered ESME_RMSGQFUL, not delivered
	SubmitStatus    string   `json:"submit_status,omitempty" mapstructure:"submit_status"`         // status of every one, not delivered: "ESME_RSYSERR"
	GenericNack     Count    `json:"generic_nack,omitempty" mapstructure:"generic_nack"`           // answered with generic_nack ESME_RINVCMDID, not delivered
	DropAfterSubmit Count    `json:"drop_after_submit,omitempty" mapstructure:"drop_after_submit"` // delivered, and the connection cut in place of an answer
	DropAfterResp   Count    `json:"drop_after_resp,omitempty" mapstructure:"drop_after_resp"`     // delivered, and the connection cut behind the answer

	// Receipts.
	ReceiptState     string  `json:"receipt_state,omitempty" mapstructure:"receipt_state"`         // of every receipt: "UNDELIV", "EXPIRED", "REJECTD"; otherwise what happened
	ReceiptLatency   Latency `json:"receipt_latency,omitzero" mapstructure:"receipt_latency"`      // added to Config.ReceiptDelay
	ReceiptFirst     Count   `json:"receipt_first,omitempty" mapstructure:"receipt_first"`         // overtakes its submit_sm_resp on a transceiver's connection
	LateReceipt      Count   `json:"late_receipt,omitempty" mapstructure:"late_receipt"`           // LateBy later
	NoReceipt        Count   `json:"no_receipt,omitempty" mapstructure:"no_receipt"`               // lost
	DuplicateReceipt Count   `json:"duplicate_receipt,omitempty" mapstructure:"duplicate_receipt"` // sent twice
	Intermediate     Count   `json:"intermediate,omitempty" mapstructure:"intermediate"`           // an intermediate notification, which nobody asked for, comes before
	BareReceipt      Count   `json:"bare_receipt,omitempty" mapstructure:"bare_receipt"`           // without optional parameters: the text alone says whose it is

	// What a phone sends. From BadCommandLength on these are PDUs of their own before
	// its message, which comes whole.
	DropAfterMO       Count `json:"drop_after_mo,omitempty" mapstructure:"drop_after_mo"`           // the connection cut once a phone's message was written; its answer is not read
	DropOnAck         Count `json:"drop_on_ack,omitempty" mapstructure:"drop_on_ack"`               // the connection cut when its answer was read, before that counts
	UnbindAfterMO     Count `json:"unbind_after_mo,omitempty" mapstructure:"unbind_after_mo"`       // the SMSC unbinds behind a phone's message, its answer outstanding
	DuplicateMO       Count `json:"duplicate_mo,omitempty" mapstructure:"duplicate_mo"`             // sent twice at once, under two sequence numbers
	ReorderMO         Count `json:"reorder_mo,omitempty" mapstructure:"reorder_mo"`                 // held back 100 ms, so that later ones and later parts overtake it
	LongPayload       Count `json:"long_payload,omitempty" mapstructure:"long_payload"`             // padded with blanks to a message_payload of 65,535 octets (UCS2: 65,534)
	SequenceCollision Count `json:"sequence_collision,omitempty" mapstructure:"sequence_collision"` // takes the number of a submit_sm that is unanswered, or else the one that the ESME uses next
	VendorTLVs        Count `json:"vendor_tlvs,omitempty" mapstructure:"vendor_tlvs"`               // carries parameters of tags 0x1400 to 0x3FFF: empty, long, twice the same
	SingleOctets      Count `json:"single_octets,omitempty" mapstructure:"single_octets"`           // written octet by octet
	BadCommandLength  Count `json:"bad_command_length,omitempty" mapstructure:"bad_command_length"` // a header whose command_length is 15: nobody can read on behind it
	BadSMLength       Count `json:"bad_sm_length,omitempty" mapstructure:"bad_sm_length"`           // a deliver_sm whose sm_length points behind its end
	BadTLVLength      Count `json:"bad_tlv_length,omitempty" mapstructure:"bad_tlv_length"`         // a deliver_sm with a parameter that ends behind it
	BadPart           Count `json:"bad_part,omitempty" mapstructure:"bad_part"`                     // three parts: number 0, number 3 of 2, total 0
	UnknownCommand    Count `json:"unknown_command,omitempty" mapstructure:"unknown_command"`       // a PDU of command_id 0x00010BAD
	StrayNack         Count `json:"stray_nack,omitempty" mapstructure:"stray_nack"`                 // a generic_nack with sequence number 0
	StrayResp         Count `json:"stray_resp,omitempty" mapstructure:"stray_resp"`                 // a submit_sm_resp to a number that was never sent

	// What a phone enters in a USSD session; the faults above hit it too.
	USSDSlow          Duration `json:"ussd_slow,omitempty" mapstructure:"ussd_slow"`                       // added to each way between phone and ESME
	USSDReplyTwice    Count    `json:"ussd_reply_twice,omitempty" mapstructure:"ussd_reply_twice"`         // goes out twice, as if the key was pressed twice
	USSDSameSequence  Count    `json:"ussd_same_sequence,omitempty" mapstructure:"ussd_same_sequence"`     // goes out twice, under the same sequence number
	USSDGarbage       Count    `json:"ussd_garbage,omitempty" mapstructure:"ussd_garbage"`                 // octets that are none of the coding they come in
	USSDLost          Count    `json:"ussd_lost,omitempty" mapstructure:"ussd_lost"`                       // the session is lost behind it, and nobody tells the ESME: its answer is refused
	USSDAbortAfterPIN Count    `json:"ussd_abort_after_pin,omitempty" mapstructure:"ussd_abort_after_pin"` // the session is lost behind the answer to a screen that asks for a PIN, and the ESME gets an abort
}

// Chaos is a mix of mild faults, so that an ESME cannot come to rely on an SMSC that
// never slips. Nothing in it loses a phone's message or one of the ESME's for good;
// a receipt may be lost.
func Chaos() Faults {
	return Faults{
		NoEnquireResp: Percent(0.5),

		Latency:         Latency{Distribution: "lognormal", Min: ms(1), Median: ms(5), P99: ms(120)},
		LateResp:        Percent(0.1),
		NoResp:          Percent(0.1),
		DuplicateResp:   Percent(0.5),
		Throttle:        Percent(2),
		QueueFull:       Percent(0.5),
		DropAfterSubmit: Percent(0.05),
		DropAfterResp:   Percent(0.05),

		ReceiptLatency:   Latency{Distribution: "lognormal", Min: ms(1), Median: ms(20), P99: ms(1000)},
		ReceiptFirst:     Percent(2),
		NoReceipt:        Percent(0.5),
		DuplicateReceipt: Percent(1),
		Intermediate:     Percent(2),
		BareReceipt:      Percent(5),

		DropAfterMO:       Percent(0.1),
		DropOnAck:         Percent(0.1),
		UnbindAfterMO:     Percent(0.05),
		DuplicateMO:       Percent(1),
		ReorderMO:         Percent(1),
		SequenceCollision: Percent(5),
		VendorTLVs:        Percent(5),
		SingleOctets:      Percent(1),
		BadSMLength:       Percent(0.2),
		BadTLVLength:      Percent(0.2),
		UnknownCommand:    Percent(0.5),
		StrayNack:         Percent(0.5),
		StrayResp:         Percent(0.5),
	}
}

// defaultLateBy is Faults.LateBy where it is not set.
const defaultLateBy = Duration(12e9)

// lateBy is how much later a late response or receipt comes.
func (f *Faults) lateBy() Duration {
	if f.LateBy == 0 {
		return defaultLateBy
	}
	return f.LateBy
}

// expand puts Chaos's mix under what is given.
func (f *Faults) expand() {
	if !f.Chaos {
		return
	}
	f.Chaos = false
	into, mix := reflect.ValueOf(f).Elem(), reflect.ValueOf(Chaos())
	for i := range into.NumField() {
		if into.Field(i).IsZero() {
			into.Field(i).Set(mix.Field(i))
		}
	}
}

// Set changes one fault, "throttle=5%" or "latency.median=20ms": the keys of PUT
// /faults, and their values without quotes.
func (f *Faults) Set(pair string) error {
	key, value, ok := strings.Cut(pair, "=")
	if !ok {
		return errors.New("want KEY=VALUE, throttle=5% say")
	}
	text := []byte(value)
	if !json.Valid(text) {
		text = strconv.AppendQuote(nil, value)
	}
	names := strings.Split(key, ".")
	for _, name := range slices.Backward(names) {
		text = fmt.Appendf(nil, "{%q:%s}", name, text)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	changed := *f
	if err := d.Decode(&changed); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	// A latency is given key by key, and right only when all of it is there: New's
	// caller checks it as a whole.
	*f = changed
	return nil
}

// check says what is wrong with the faults.
func (f *Faults) check() error {
	for key, name := range map[string]string{"submit_status": f.SubmitStatus, "bind_status": f.BindStatus} {
		if name == "" {
			continue
		}
		if s, ok := smpp.ParseStatus(name); !ok || s == smpp.StatusOK {
			return mistakef("%s: %q is not the name of an error status such as ESME_RSYSERR", key, name)
		}
	}
	if _, ok := messageStates[f.ReceiptState]; !ok && f.ReceiptState != "" {
		return mistakef("receipt_state: %q is no state of a receipt such as UNDELIV", f.ReceiptState)
	}
	for key, n := range map[string]int{"write_octets": f.WriteOctets, "throughput": f.Throughput} {
		if n < 0 {
			return mistakef("%s: %d is negative", key, n)
		}
	}
	for key, d := range map[string]Duration{"delay": f.Delay, "late_by": f.LateBy, "glue": f.Glue, "ussd_slow": f.USSDSlow} {
		if d > maxLatency {
			return mistakef("%s: more than %v", key, maxLatency)
		}
	}
	for key, l := range map[string]*Latency{"latency": &f.Latency, "receipt_latency": &f.ReceiptLatency} {
		if err := l.check(); err != nil {
			return mistakef("%s: %w", key, err)
		}
	}
	return nil
}

// faultStatus is the error status of a name that was checked, or StatusOK.
func faultStatus(name string) smpp.Status {
	s, _ := smpp.ParseStatus(name)
	return s
}
