package dialect

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"starhash/smpp"
)

// Kind is what a message of a session says.
type Kind byte

const (
	_           Kind = iota
	Begin            // network to ESME: the subscriber dials (PSSR indication)
	Reply            // network to ESME: the subscriber answers an Ask (USSR confirm)
	Acknowledge      // network to ESME: the phone has shown a Notify (USSN confirm)
	Abort            // network to ESME: the session is over without an answer: hung up, timed out, failed
	Ask              // ESME to network: a screen that takes an answer (USSR request)
	End              // ESME to network: a last screen; ends the session (PSSR response), also one that we began
	Notify           // ESME to network: a screen that takes no answer (USSN request)
	Release          // ESME to network: we give up the session
)

var kindNames = [...]string{"", "begin", "reply", "acknowledge", "abort", "ask", "end", "notify", "release"}

// String is the name that the dialects' files have for it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Session is what a message says of its session.
type Session struct {
	// Key tells sessions apart. It is the session's number in hexadecimal, and where
	// that is unique for a subscriber only, "@" and the MSISDN. It is empty where the
	// dialect or the message has no number: then MSISDN and code tell sessions apart.
	Key string `json:"key"`
	// Echo is what the next message of the session has to carry: the parameter's
	// value as it came.
	Echo []byte `json:"echo,omitempty"`
}

// Message is one message of a session, in whatever dialect it came or goes. Its text
// may be a PIN: it does not print, and whoever has it wipes it.
type Message struct {
	Kind       Kind
	Subscriber smpp.Address
	Code       smpp.Address // the application's address, as the wire has it: "700", or "*700#"
	Session    Session
	// Text is UTF-8. Of a Begin it is the dialled string, always as "*700#" or
	// "*700*1*0771000002#", whatever the wire had where.
	Text             []byte
	IMSI             string // 6 to 15 digits, or empty: the dialect has none, or the message
	Reason           string // Abort: why, in words
	Last             bool   // the dialect says that nothing follows
	NetworkInitiated bool   // we began the session; read only where the operation itself says so
}

// Wipe zeroes the text.
func (m *Message) Wipe() { clear(m.Text) }

// Format prints what a log may hold.
func (m Message) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{%s, text of %d octets}", m.Kind, len(m.Text))
}

var (
	// ErrTooLong says that a text does not fit a screen: 160 octets, which are 182
	// septets of GSM 03.38 or 80 units of UCS2 (3GPP TS 23.038 §5, TS 24.090).
	ErrTooLong = errors.New("the text does not fit a screen")
	// ErrText says that the octets of a text are none of its data_coding's. The
	// message is there without it.
	ErrText = errors.New("the text cannot be read")
	// ErrOperation says that the dialect has no such operation in this direction.
	ErrOperation = errors.New("no operation of this dialect")
	// ErrSession says that a message has no session number, or none of the right
	// length, where the dialect demands one.
	ErrSession = errors.New("no session number")
)

// Dialect is how one SMSC speaks of USSD. It does not change once it is loaded and is
// safe for concurrent use.
type Dialect struct {
	name, about string
	byService   bool // service_type tells the operation, and there is no ussd_service_op
	in, out     direction
	session     session
	code        string   // codeInDestination, codeInText, codeInEither
	imsi        smpp.Tag // 0: none
	others      []smpp.Tag
}

// Where the code of a Begin is.
const (
	codeInDestination = "destination_addr" // and the dialled string in short_message
	codeInText        = "short_message"    // and nothing in destination_addr
	codeInEither      = "either"
)

// Name is that of the dialect's file.
func (d *Dialect) Name() string { return d.name }

// Counts says whether the session's parameter counts the messages, so that one that is
// delivered twice can be told from one that says the same.
func (d *Dialect) Counts() bool { return d.session.advance }

// About is one line for people.
func (d *Dialect) About() string { return d.about }

// direction is how messages of one direction look.
type direction struct {
	pdu          smpp.CommandID
	serviceTypes []string // the first is written; none when service_type tells the operation
	cbs          bool     // data_coding is that of TS 23.038 §5, not of SMPP
	gsm, ucs2    byte     // written, and read whatever the scheme says
	operations   []operation
}

// operation is the values that one meaning has.
type operation struct {
	kind   Kind
	last   bool // the values themselves say so
	values []value
}

// value is one value, or a range of them, of ussd_service_op; or a service_type.
type value struct {
	first, last byte
	service     string
	reason      string // of an Abort
}

// session is where the session's number is.
type session struct {
	parameter smpp.Tag // 0: there is none
	octets    int      // 0: any number
	mask      uint64   // the bits that are the number
	msisdn    bool     // it is unique with the MSISDN only
	required  bool
	advance   bool   // the unit number, bits 7 to 1 of octet 2, counts messages
	endBit    string // of the last octet: endBitNone, endBitTold, endBitEnds
}

const (
	endBitNone = "none"
	endBitTold = "told" // set on last messages, beside their operation
	endBitEnds = "ends" // a Reply that has it is an Abort, an Ask that has it an End
)

// maxSession bounds the value of the session's parameter, in octets.
const maxSession = 8

// Set is the dialects of one or more directories.
type Set struct{ dialects map[string]*Dialect }

// Get returns the dialect of that name.
func (s *Set) Get(name string) (*Dialect, bool) {
	d, ok := s.dialects[name]
	return d, ok
}

// Names lists the dialects in alphabetical order.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.dialects)) }
