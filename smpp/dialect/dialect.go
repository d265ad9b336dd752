// Package dialect is what SMSCs make of USSD over SMPP: where a message says what it
// is, which session it belongs to, and in which coding its text comes. Both sides are
// here: the ESME's, and the network's for simulators.
//
// So far it knows plain alone, in code: SMPP 3.4 §5.3.2.43 and 44.
package dialect

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"starhash/smpp"
)

// Kind is what a message of a USSD session is.
type Kind byte

// The kinds, with their operations of 3GPP TS 24.090 and values of ussd_service_op.
const (
	Begin       Kind = iota + 1 // network to ESME: the subscriber dials; PSSR indication, 1
	Reply                       // USSR confirm, 18
	Acknowledge                 // USSN confirm, 19
	Abort                       // the session is over without an answer; 129, of the vendors' range
	Ask                         // ESME to network: USSR request, 2
	End                         // PSSR response, or the last text of a session that the ESME began; 17
	Notify                      // USSN request, 3
	Release                     // the ESME gives the session up; 128
)

var kinds = [...]struct {
	name string
	op   byte
}{{}, {"begin", 1}, {"reply", 18}, {"acknowledge", 19}, {"abort", 129}, {"ask", 2}, {"end", 17}, {"notify", 3}, {"release", 128}}

// String is the kind in a word.
func (k Kind) String() string {
	if int(k) >= len(kinds) {
		return fmt.Sprintf("kind %d", byte(k))
	}
	return kinds[k].name
}

// Session is what a message says of its session.
type Session struct {
	Key  string `json:"key"`            // tells sessions of a subscriber apart; empty where the dialect has nothing for it
	Echo []byte `json:"echo,omitempty"` // what the next message has to carry; opaque
}

// Message is a message of a USSD session, out of its dialect.
type Message struct {
	Kind             Kind
	Subscriber, Code smpp.Address
	Session          Session
	Text             []byte // UTF-8; of Begin the dialled string
	IMSI             string // empty where the dialect does not carry it
	Reason           string // of Abort, in words
	Last             bool   // the dialect's end bit
	NetworkInitiated bool
}

// Wipe zeroes the text, which may be a PIN.
func (m *Message) Wipe() { clear(m.Text) }

// ErrTooLong says that a text does not fit a screen.
var ErrTooLong = errors.New("the text does not fit a USSD screen")

// errNotUSSD says that a message has no operation, or none that this side gets.
var errNotUSSD = errors.New("no ussd_service_op that is known here")

// Dialect is one way to write USSD into SMPP. It does not change, and is safe for
// concurrent use.
type Dialect struct{ name string }

// Set is all dialects of a directory.
type Set struct{ all map[string]*Dialect }

// Load reads a directory's dialects, one a file.
func Load(fsys fs.FS) (*Set, error) {
	s := &Set{all: make(map[string]*Dialect)}
	files, err := fs.Glob(fsys, "*.yaml")
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		s.all[name] = &Dialect{name}
	}
	return s, err
}

// Get is the dialect of a name.
func (s *Set) Get(name string) (*Dialect, bool) {
	d, ok := s.all[name]
	return d, ok
}

// Names are those of all dialects.
func (s *Set) Names() []string {
	var names []string
	for name := range s.all {
		names = append(names, name)
	}
	return names
}

// NewSession is the session that a network gives the number n: what Deliver writes.
func (d *Dialect) NewSession(n uint64) Session { return Session{Key: strconv.Itoa(int(byte(n)))} }

// Is says whether a message belongs to USSD.
func (d *Dialect) Is(m *smpp.Message) bool {
	_, ok := m.TLVs.Get(smpp.TagUSSDServiceOp)
	return ok
}

// Delivered reads what the network sends an ESME.
func (d *Dialect) Delivered(sm *smpp.Message) (Message, error) {
	m, err := read(sm, Begin, Abort)
	m.Subscriber, m.Code = sm.Source, sm.Dest
	return m, err
}

// Submitted reads what an ESME sends the network.
func (d *Dialect) Submitted(sm *smpp.Message) (Message, error) {
	m, err := read(sm, Ask, Release)
	m.Subscriber, m.Code = sm.Dest, sm.Source
	return m, err
}

// Deliver writes what the network sends an ESME.
func (d *Dialect) Deliver(m Message) (smpp.CommandID, *smpp.Message, error) {
	sm, err := write(m)
	if err == nil {
		sm.Source, sm.Dest = m.Subscriber, m.Code
	}
	return smpp.DeliverSM, sm, err
}

// Submit writes what an ESME sends the network.
func (d *Dialect) Submit(m Message) (smpp.CommandID, *smpp.Message, error) {
	sm, err := write(m)
	if err == nil {
		sm.Source, sm.Dest = m.Code, m.Subscriber
	}
	return smpp.SubmitSM, sm, err
}

// read reads a message of the kinds from first to last.
func read(sm *smpp.Message, first, last Kind) (Message, error) {
	var m Message
	op, _ := sm.TLVs.Get(smpp.TagUSSDServiceOp)
	for k := first; k <= last; k++ {
		if len(op) == 1 && op[0] == kinds[k].op {
			m.Kind = k
		}
	}
	if m.Kind == 0 {
		return m, errNotUSSD
	}
	// Octet 1 is the session's number; octet 2 a unit number, which changes with every
	// message, and in bit 0 the end.
	if info, ok := sm.TLVs.Get(smpp.TagITSSessionInfo); ok && len(info) == 2 {
		m.Session = Session{Key: strconv.Itoa(int(info[0])), Echo: []byte{info[1] >> 1}}
		m.Last = info[1]&1 == 1
	}
	payload, err := smpp.UserText(sm)
	if err != nil {
		return m, err
	}
	m.Text, err = smpp.AppendText(nil, sm.DataCoding, payload)
	return m, err
}

// Limits of a screen (3GPP TS 24.090: 160 octets; 23.038 §5).
const (
	maxSeptets = 182
	maxUCS2    = 80
)

func write(m Message) (*smpp.Message, error) {
	text := string(m.Text)
	coding, payload := smpp.EncodeText(text)
	if n, gsm := smpp.Septets(text); gsm && n > maxSeptets || !gsm && len(payload) > 2*maxUCS2 {
		return nil, ErrTooLong
	}
	sm := &smpp.Message{ServiceType: "USSD", DataCoding: coding, Payload: payload,
		TLVs: smpp.TLVs{{Tag: smpp.TagUSSDServiceOp, Value: []byte{kinds[m.Kind].op}}}}
	n, err := strconv.ParseUint(m.Session.Key, 10, 8)
	if err != nil {
		return sm, nil // no session id
	}
	var unit byte
	if len(m.Session.Echo) == 1 {
		unit = m.Session.Echo[0] + 1
	}
	info := unit << 1
	if m.Kind == End || m.Kind == Release || m.Kind == Abort {
		info |= 1
	}
	sm.TLVs = append(sm.TLVs, smpp.TLV{Tag: smpp.TagITSSessionInfo, Value: []byte{byte(n), info}})
	return sm, nil
}
