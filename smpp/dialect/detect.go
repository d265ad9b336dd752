package dialect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"starhash/smpp"
)

// Seen is a message of a capture.
type Seen struct {
	Command  smpp.CommandID
	Message  *smpp.Message
	FromSMSC bool
}

// Finding is what a capture says of one dialect.
type Finding struct {
	Name         string
	Fits         bool     // it reads every message, and sessions hold together
	Score        int      // of two that fit, the one with more is the likelier
	For, Against []string // why, in words; no text of a message is in them
}

// Detect says of every dialect how it fits what was captured, the best first. Messages
// that no dialect takes for USSD count for nothing; messages is how many were left.
// The more operations a capture has, an abort and a last screen among them, the more
// dialects it tells apart.
func (s *Set) Detect(capture []Seen) (findings []Finding, messages int) {
	capture = slices.DeleteFunc(slices.Clone(capture), func(m Seen) bool { return !s.isUSSD(m.Message) })
	for _, name := range s.Names() {
		d := &detector{dialect: s.dialects[name], reasons: map[string]*reason{}, open: map[string][]byte{}, units: map[string]byte{}}
		for _, m := range capture {
			d.message(m)
		}
		findings = append(findings, d.finding(len(capture)))
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		switch {
		case a.Fits != b.Fits && a.Fits:
			return -1
		case a.Fits != b.Fits:
			return 1
		}
		return cmp.Compare(b.Score, a.Score)
	})
	return findings, len(capture)
}

func (s *Set) isUSSD(m *smpp.Message) bool {
	if _, ok := m.TLVs.Get(smpp.TagUSSDServiceOp); ok {
		return true
	}
	for _, d := range s.dialects {
		if d.byService && d.Is(m) {
			return true
		}
	}
	return false
}

// Weights of what a message says for or against a dialect. One refusal is enough: the
// dialect does not fit.
const (
	refusal = -1000
	odd     = -2 // read, but not what the dialect would write
	small   = 1
	telling = 3
)

// detector weighs a capture against one dialect.
type detector struct {
	dialect *Dialect
	order   []string
	reasons map[string]*reason
	open    map[string][]byte // subscriber to the key of the session that is open
	units   map[string]byte   // and to the last unit number
	changes []string          // notes of a number that changes inside a session
	same    int               // how often it stayed the same
}

// reason is something that was seen, and how often.
type reason struct{ weight, times int }

func (d *detector) note(weight int, format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	r := d.reasons[words]
	if r == nil {
		r = &reason{weight: weight}
		d.reasons[words], d.order = r, append(d.order, words)
	}
	r.times++
}

// finding counts each reason once, however often it was seen: a long dialogue says no
// more than a short one.
func (d *detector) finding(messages int) Finding {
	f := Finding{Name: d.dialect.name, Fits: messages > 0}
	// A number may change now and then: an answer that was lost, a redial that crossed an
	// answer, two SMSCs in one capture.
	weight := odd
	if 4*len(d.changes) > d.same {
		weight = refusal
	}
	for _, words := range d.changes {
		d.note(weight, "%s", words)
	}
	for _, words := range d.order {
		r := d.reasons[words]
		f.Score += r.weight
		line := fmt.Sprintf("%s (%d of %d)", words, r.times, messages)
		switch {
		case r.weight > 0:
			f.For = append(f.For, line)
		default:
			f.Against = append(f.Against, line)
		}
		if r.weight == refusal {
			f.Fits = false
		}
	}
	return f
}

func (d *detector) message(seen Seen) {
	m := seen.Message
	dir, read, name := &d.dialect.out, d.dialect.Submitted, "out"
	if seen.FromSMSC {
		dir, read, name = &d.dialect.in, d.dialect.Delivered, "in"
	}
	if seen.Command != dir.pdu {
		d.note(refusal, "%s comes as %s, the dialect has %s", name, seen.Command, dir.pdu)
	}
	got, err := read(m)
	defer got.Wipe()
	if err != nil {
		weight := refusal
		if errors.Is(err, ErrText) || errors.Is(err, ErrTooLong) {
			weight = 2 * odd
		}
		d.note(weight, "%s: %v", name, err)
		if got.Kind == 0 {
			return
		}
	} else {
		d.note(telling, "%s: %s is %s", name, describe(m), got.Kind)
	}
	d.coding(name, dir, m)
	d.serviceType(name, dir, m)
	d.parameters(name, m, seen.FromSMSC)
	d.session(name, got)
	d.ends(name, got)
}

func (d *detector) coding(name string, dir *direction, m *smpp.Message) {
	switch {
	case len(m.Payload) == 0:
	case m.DataCoding == dir.gsm, m.DataCoding == dir.ucs2:
		d.note(small, "%s: data_coding 0x%02X", name, m.DataCoding)
	default:
		d.note(odd, "%s: data_coding 0x%02X, the dialect writes 0x%02X and 0x%02X", name, m.DataCoding, dir.gsm, dir.ucs2)
	}
}

func (d *detector) serviceType(name string, dir *direction, m *smpp.Message) {
	switch {
	case d.dialect.byService:
	case len(dir.serviceTypes) > 0 && m.ServiceType == dir.serviceTypes[0]:
		d.note(small, "%s: service_type %q", name, m.ServiceType)
	case !slices.Contains(dir.serviceTypes, m.ServiceType):
		d.note(odd, "%s: service_type %q, the dialect has %q", name, m.ServiceType, dir.serviceTypes)
	}
}

// sessionTags are the parameters in which dialects have session numbers.
var sessionTags = []smpp.Tag{smpp.TagITSSessionInfo, smpp.TagUserMessageReference, 0x1501}

func (d *detector) parameters(name string, m *smpp.Message, fromSMSC bool) {
	for _, tag := range sessionTags {
		_, there := m.TLVs.Get(tag)
		switch {
		case there && tag == d.dialect.session.parameter:
			d.note(telling, "%s: the session's number is in parameter %04X", name, uint16(tag))
		case there:
			d.note(odd, "%s: parameter %04X is there, which the dialect does not use", name, uint16(tag))
		case tag == d.dialect.session.parameter:
			d.note(odd, "%s: no session number in parameter %04X", name, uint16(tag))
		}
	}
	if !fromSMSC {
		return
	}
	if tag := d.dialect.imsi; tag != 0 {
		if v, ok := m.TLVs.Get(tag); ok && imsiOf(v) != "" {
			d.note(telling, "%s: an IMSI in parameter %04X", name, uint16(tag))
		} else {
			d.note(odd, "%s: no IMSI in parameter %04X", name, uint16(tag))
		}
	}
	for _, tag := range d.dialect.others {
		if _, ok := m.TLVs.Get(tag); ok {
			d.note(telling, "%s: parameter %04X is there", name, uint16(tag))
		}
	}
	for _, t := range m.TLVs {
		known := t.Tag == d.dialect.imsi || slices.Contains(d.dialect.others, t.Tag) || slices.Contains(sessionTags, t.Tag)
		switch {
		case t.Tag < 0x1400 || known: // others are vendors' own: §5.3.2
		case len(imsiOf(t.Value)) == 15:
			d.note(odd, "%s: parameter %04X is like an IMSI, which the dialect does not know: see imsi", name, uint16(t.Tag))
		default:
			d.note(odd, "%s: parameter %04X, which the dialect does not know", name, uint16(t.Tag))
		}
	}
}

// session looks whether the number stays the same from a session's begin to its end,
// and whether the unit number counts.
func (d *detector) session(name string, got Message) {
	who := got.Subscriber.Addr
	key := []byte(got.Session.Key)
	before, open := d.open[who]
	if got.Kind != Begin && open && len(key) > 0 && len(before) > 0 {
		same := bytes.Equal(before, key)
		switch {
		case !same && (got.Kind == Ask || got.Kind == Notify): // begins one itself
		case !same:
			d.changes = append(d.changes, name+": the session's number changes inside a session")
		default:
			d.same++
			d.note(telling, "%s: the session's number stays the same inside a session", name)
		}
		if same && d.dialect.session.advance {
			if unit := got.Session.Echo[1] >> 1; unit == d.units[who] {
				d.note(odd, "%s: the unit number does not count", name)
			} else {
				d.note(telling, "%s: the unit number counts", name)
			}
		}
	}
	d.open[who] = key
	if len(got.Session.Echo) == 2 {
		d.units[who] = got.Session.Echo[1] >> 1
	}
	if got.Kind == End || got.Kind == Abort || got.Kind == Release || got.Last {
		delete(d.open, who)
	}
}

// ends looks whether the end bit goes with what ends a session.
func (d *detector) ends(name string, got Message) {
	s := &d.dialect.session
	if s.endBit == endBitNone || len(got.Session.Echo) == 0 {
		return
	}
	set := got.Session.Echo[len(got.Session.Echo)-1]&1 == 1
	switch {
	case got.Kind == End && set:
		d.note(telling, "%s: the last screen has the end bit", name)
	case got.Kind == End, got.Kind == Begin && set:
		d.note(odd, "%s: the end bit of a %s is %v", name, got.Kind, set)
	}
}
