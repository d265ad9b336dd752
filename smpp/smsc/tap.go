package smsc

import (
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

const (
	maxTapped  = 2000 // PDUs that the tap keeps; older ones go
	tapBatch   = 500  // PDUs an answer to GET /wire
	maxTLVSeen = 16   // octets of a parameter's value that the tap shows
)

// WirePDU is a PDU that passed between the simulator and an ESME, as GET /wire shows
// it: decoded and redacted. A password is never in it, nor the octets of a text.
type WirePDU struct {
	N         uint64    `json:"n"` // 1, 2, ... since the tap was opened
	At        time.Time `json:"at"`
	Bind      string    `json:"bind"`      // system_id; empty before the bind
	Direction string    `json:"direction"` // in: from the ESME, out: to it
	Command   string    `json:"command"`
	Status    string    `json:"status"` // ESME_ROK in requests
	Sequence  uint32    `json:"sequence"`
	Source    string    `json:"source,omitempty"`
	Dest      string    `json:"dest,omitempty"`
	USSD      string    `json:"ussd,omitempty"`       // what the dialect takes it for: begin, ask, reply, end, ...
	Text      string    `json:"text,omitempty"`       // what could be a PIN is masked
	MessageID string    `json:"message_id,omitempty"` // of a response
	TLVs      []WireTLV `json:"tlvs,omitempty"`
	Octets    int       `json:"octets"` // the whole PDU
}

// WireTLV is an optional parameter of a WirePDU. Long values and what could
// be a PIN have no Value.
type WireTLV struct {
	Tag    Tag `json:"tag"`
	Octets int `json:"octets"`
	Value  Hex `json:"hex,omitempty"`
}

// tap keeps what passed on the connections. It decodes nothing until somebody has
// asked: from the first GET /wire on.
type tap struct {
	open atomic.Bool

	mu      sync.Mutex
	pdus    []WirePDU
	next    uint64
	changed chan struct{} // closed when a PDU is added
}

// read returns the PDUs behind number after; when there are none it waits for one
// until ctx ends. It opens the tap.
func (t *tap) read(ctx context.Context, after uint64) []WirePDU {
	t.open.Store(true)
	for {
		t.mu.Lock()
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		i := sort.Search(len(t.pdus), func(i int) bool { return t.pdus[i].N > after })
		found, changed := slices.Clone(t.pdus[i:min(i+tapBatch, len(t.pdus))]), t.changed
		t.mu.Unlock()
		if len(found) > 0 {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *tap) add(p WirePDU) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	p.N = t.next
	if len(t.pdus) >= maxTapped {
		t.pdus[0] = WirePDU{}
		t.pdus = t.pdus[1:] // append moves the rest now and then, not every time
	}
	t.pdus = append(t.pdus, p)
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// heard shows the tap a PDU of the ESME's, or what of it could be read.
func (c *conn) heardPDU(p smpp.PDU, bad *smpp.DecodeError, octets int) {
	if !c.s.tap.open.Load() {
		return
	}
	if bad != nil {
		p = smpp.PDU{Command: bad.Command, Sequence: bad.Sequence}
	}
	c.s.tap.add(c.seen(p, "in", octets, false))
}

// wrote shows the tap a frame that is being written. secret says that its whole text
// is a PIN's place.
func (c *conn) wrote(frame []byte, secret bool) {
	if !c.s.tap.open.Load() {
		return
	}
	p, err := smpp.Decode(frame)
	if err != nil {
		p = headerOf(frame)
	}
	c.s.tap.add(c.seen(p, "out", len(frame), secret))
}

// seen is a PDU as the tap keeps it.
func (c *conn) seen(p smpp.PDU, direction string, octets int, secret bool) WirePDU {
	w := WirePDU{
		At: time.Now(), Direction: direction, Octets: octets,
		Command: p.Command.String(), Status: p.Status.String(), Sequence: p.Sequence,
	}
	a := c.boundAs()
	if a != nil {
		w.Bind = a.SystemID
	}
	switch b := p.Body.(type) {
	case *smpp.Bind:
		w.Bind = b.SystemID
	case *smpp.Outbind:
		w.Bind = b.SystemID
		b.Password.Wipe() // a copy: what is written is decoded for us
	case *smpp.MessageResp:
		w.MessageID = b.MessageID
		w.TLVs = seenTLVs(b.TLVs)
	case *smpp.Message:
		// The network writes what phones have typed; what an ESME writes is for phones to read.
		typed := direction == "out"
		w.Source, w.Dest, w.TLVs = b.Source.Addr, b.Dest.Addr, seenTLVs(b.TLVs)
		text := c.s.seenText(b)
		dialled := false
		if a != nil && a.speaksUSSD(b) {
			var kind dialect.Kind
			kind, text = a.seenUSSD(b, typed)
			w.USSD, dialled = kind.String(), kind == dialect.Begin
		}
		if typed {
			defer wipe(b)
		}
		switch {
		case typed && secret:
			text = maskWhole(text)
		case typed && dialled:
			text, w.Dest = maskDialled(text), maskDialled(w.Dest)
		case typed && b.ESMClass&0x3C == 0: // receipts and the like are not typed (§5.2.12)
			_, part, err := smpp.PartOf(b)
			text = maskPINs(text, part || err != nil)
			w.Dest = maskDialled(w.Dest)
		}
		w.Text = text
	}
	return w
}

// seenUSSD is what a USSD message says, and what for.
func (a *account) seenUSSD(m *smpp.Message, delivered bool) (dialect.Kind, string) {
	read := a.dialect.Submitted
	if delivered {
		read = a.dialect.Delivered
	}
	u, err := read(m)
	if err != nil {
		return 0, ""
	}
	defer u.Wipe()
	return u.Kind, string(u.Text)
}

// wipe zeroes what the tap decoded for itself.
func wipe(m *smpp.Message) {
	clear(m.Payload)
	for _, t := range m.TLVs {
		clear(t.Value)
	}
}

// seenText is what a message says; empty where it is not text.
func (s *SMSC) seenText(m *smpp.Message) string {
	e, err := smpp.EncodingOf(m, s.phones.alphabet)
	if err != nil {
		return ""
	}
	user, err := smpp.UserText(m)
	if err != nil {
		return ""
	}
	u := smpp.NewUserData(len(user))
	u.Add(e, user)
	defer u.Wipe()
	text, err := u.AppendText(nil)
	if err != nil {
		return ""
	}
	defer clear(text)
	return string(text)
}

// seenTLVs are optional parameters as the tap keeps them. A message_payload is none of
// them: decoding makes it the payload.
func seenTLVs(ts smpp.TLVs) []WireTLV {
	var out []WireTLV
	for _, t := range ts {
		w := WireTLV{Tag: Tag(t.Tag), Octets: len(t.Value)}
		if len(t.Value) <= maxTLVSeen && maskPINs(string(t.Value), false) == string(t.Value) {
			w.Value = slices.Clone(t.Value)
		}
		out = append(out, w)
	}
	return out
}

// headerOf reads of a frame what can be read of any.
func headerOf(frame []byte) smpp.PDU {
	if len(frame) < smpp.HeaderLen {
		return smpp.PDU{}
	}
	at := func(i int) uint32 { return binary.BigEndian.Uint32(frame[i:]) }
	return smpp.PDU{Command: smpp.CommandID(at(4)), Status: smpp.Status(at(8)), Sequence: at(12)}
}

// masked stands for what could be a PIN: always as long, so that it does not tell how
// long the PIN is.
const masked = "••••"

// maskPINs masks every standalone run of 4 to 6 digits, in any script: what the
// grammar of SMS orders and the dialogues take for a PIN (amounts of that length go
// with them). In a part of a long message a run at the edge may go on in the next
// part, so that it is masked whatever its length.
func maskPINs(text string, part bool) string {
	runes := []rune(text)
	var out strings.Builder
	for i := 0; i < len(runes); {
		if !unicode.IsDigit(runes[i]) {
			out.WriteRune(runes[i])
			i++
			continue
		}
		end := i
		for end < len(runes) && unicode.IsDigit(runes[end]) {
			end++
		}
		n := end - i
		edge := part && (i == 0 || end == len(runes))
		if n >= 4 && n <= 6 || edge {
			out.WriteString(masked)
		} else {
			out.WriteString(string(runes[i:end]))
		}
		i = end
	}
	return out.String()
}

// maskDialled is maskPINs for an address that may be a dialled string: its first
// group, the service code, stays.
func maskDialled(address string) string {
	code, rest, ok := strings.Cut(strings.TrimLeft(address, "*#"), "*")
	if !ok {
		return address
	}
	head := address[:len(address)-len(code)-1-len(rest)]
	return head + code + "*" + maskPINs(rest, false)
}

// maskWhole masks a text that is all PIN.
func maskWhole(text string) string {
	if text == "" {
		return ""
	}
	return masked
}

// pinWords are the words for a PIN in the languages of the menus that are shipped, and
// others that people use for it.
var pinWords = []string{"pin", "code secret", "mot de passe", "senha", "código secreto", "namba ya siri", "nywila", "password"}

// asksForPIN says whether a screen asks for a PIN: whether a sentence has a word for it
// that does not end with a full stop ("Tell nobody your PIN.") and is not the line of a
// choice ("8 Change PIN").
func asksForPIN(screen string) bool {
	for line := range strings.Lines(strings.ToLower(screen)) {
		if isChoice(line) {
			continue
		}
		for sentence := range strings.SplitAfterSeq(strings.TrimSpace(line), ". ") {
			if strings.HasSuffix(strings.TrimSpace(sentence), ".") {
				continue
			}
			for _, word := range pinWords {
				if strings.Contains(sentence, word) {
					return true
				}
			}
		}
	}
	return false
}

// isChoice says whether a line of a screen begins with the number of a choice.
func isChoice(line string) bool {
	line = strings.TrimSpace(line)
	rest := strings.TrimLeft(line, "0123456789*#")
	return rest != line && rest != "" && strings.ContainsRune(" .:)-", rune(rest[0]))
}
