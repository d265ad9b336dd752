package smsc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// What a person does at a phone.

const defaultUSSDWait = 20 * time.Second

var (
	errNoSession = httpError{http.StatusConflict, errors.New("no session is open: dial a code such as *700#")}
	errNotYet    = httpError{http.StatusConflict, errors.New("the session waits for the ESME: nothing to answer yet")}
	errOff       = httpError{http.StatusConflict, errors.New("the phone is off")}
	errNoESME    = errors.New("no ESME is bound that serves the code")
)

// Enter dials where a phone has no session, and answers the screen of the one that it
// has. It returns the next thing that the phone shows; where there is none within
// in.Wait, a screen of no kind. The error is what a real phone could not have entered.
func (s *SMSC) Enter(ctx context.Context, number string, in USSD) (USSDScreen, error) {
	number = msisdn(number)
	if err := in.check(number); err != nil {
		return USSDScreen{}, err
	}
	p, ok := s.phones.use(number)
	if !ok {
		return USSDScreen{}, errBusy
	}
	if p.Off {
		return USSDScreen{}, errOff
	}
	now := time.Now()
	s.ussd.mu.Lock()
	h := s.ussd.handset(number)
	after := h.next
	var err error
	u := h.session
	switch {
	case u == nil:
		u, err = s.dial(h, in, now)
	case u.turn != turnPhone:
		err = errNotYet
	default:
		err = s.answer(u, in, now)
	}
	s.ussd.mu.Unlock()
	if err != nil {
		return USSDScreen{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(in.Wait))
	defer cancel()
	for {
		got := s.ussd.screens(ctx, number, after)
		if got == nil {
			return USSDScreen{N: after, Session: u.n, Open: true, At: time.Now()}, nil
		}
		if i := slices.IndexFunc(got, func(sc USSDScreen) bool { return sc.Session == u.n }); i >= 0 {
			return got[i], nil
		}
		after = got[len(got)-1].N
	}
}

func (in *USSD) check(number string) error {
	if !isNumber(number) {
		return mistakef("msisdn: want 1 to 20 digits")
	}
	if !utf8.ValidString(in.Text) {
		return mistakef("text: not UTF-8")
	}
	if n, gsm := smpp.Septets(in.Text); gsm && n > ussdSeptets || !gsm && len(utf16.Encode([]rune(in.Text))) > ussdUCS2 {
		return mistakef("text: more than %d septets, or %d characters of UCS2", ussdSeptets, ussdUCS2)
	}
	if in.Code != "" && !isDialled(in.Code) {
		return mistakef("code: want a service code such as *700#")
	}
	if _, ok := ussdFaults[in.Fault]; in.Fault != "" && !ok {
		return mistakef("fault: %q is no fault of USSD; docs/smsc-simulator.md lists them", in.Fault)
	}
	if in.Wait == 0 {
		in.Wait = Duration(defaultUSSDWait)
	}
	in.Wait = min(in.Wait, Duration(maxWait))
	return nil
}

// isDialled says whether s is a supplementary service string as a keypad has it: it
// begins with * or #, ends with #, and has digits, * and # between (3GPP TS 22.030
// §6.5.2; 22.090 §5).
func isDialled(s string) bool {
	return len(s) >= 3 && (s[0] == '*' || s[0] == '#') && s[len(s)-1] == '#' &&
		!slices.ContainsFunc([]byte(s), func(b byte) bool { return notDigit(b) && b != '*' && b != '#' })
}

// codeOf is the service code of a dialled string: the configured one where it begins
// with that, or else its first group, *700# of *700*1#.
func (s *SMSC) codeOf(dialled string) string {
	for _, code := range []string{s.cfg.ServiceCode} {
		if stem := strings.TrimSuffix(code, "#"); dialled == code || strings.HasPrefix(dialled, stem+"*") {
			return code
		}
	}
	begin := len(dialled) - len(strings.TrimLeft(dialled, "*#"))
	if end := strings.IndexAny(dialled[begin:], "*#"); end >= 0 {
		return dialled[:begin+end] + "#"
	}
	return dialled
}

// dial opens a session (PSSR, 3GPP TS 24.090 §6.1). The caller holds ussd.mu.
func (s *SMSC) dial(h *handset, in USSD, now time.Time) (*session, error) {
	if !isDialled(in.Text) {
		return nil, errNoSession
	}
	code := in.Code
	if code == "" {
		code = s.codeOf(in.Text)
	}
	a, err := s.accountOf("", strings.Trim(code, "*#"))
	if err != nil {
		return nil, err
	}
	u, err := s.begin(h, a, smpp.Address{NPI: 1, Addr: code}, now)
	if err != nil {
		return nil, err
	}
	u.wire = a.dialect.NewSession(u.n, address(h.msisdn))
	return u, s.enter(u, dialect.Begin, in, now)
}

// answer sends the subscriber's reply (USSR confirm, §6.2). The caller holds ussd.mu.
func (s *SMSC) answer(u *session, in USSD, now time.Time) error {
	return s.enter(u, dialect.Reply, in, now)
}

// enter sends what was typed. Where nobody is there to take it, the network says so on
// the phone. The caller holds ussd.mu.
func (s *SMSC) enter(u *session, kind dialect.Kind, in USSD, now time.Time) error {
	d, err := s.toESME(u, kind, in.Text, "")
	var wrong mistake
	switch {
	case errors.As(err, &wrong): // the dialect has no form for it
		if kind == dialect.Begin {
			s.finish(u)
		}
		return err
	case err != nil:
		s.fail(u, textProblem, err.Error(), false)
		return nil
	}
	hits := func(k fault) bool {
		named, ok := ussdFaults[in.Fault]
		return ok && named == k || kind == dialect.Reply && s.dice.hitsNumber(k, u.handset.msisdn)
	}
	s.wait(u, turnESME, s.cfg.USSDAnswer, now)
	if hits(ussdGarbage) {
		garble(d.message)
	}
	d.twice = hits(ussdSameSequence)
	s.put(u, d, now)
	if hits(ussdReplyTwice) {
		if again, err := s.toESME(u, kind, in.Text, ""); err == nil {
			again.settled = func(string, int, State) {}
			u.account.queue.put(again, now.Add(s.slow(u.handset.msisdn)))
		}
	}
	switch {
	case hits(ussdLost):
		u.pending = nil // it is sent
		s.fail(u, textNoNetwork, "the fault ussd_lost", false)
	case d.secret && hits(ussdAbortAfterPIN):
		u.pending = nil
		s.fail(u, textNoNetwork, "the fault ussd_abort_after_pin", true)
	}
	return nil
}

// HangUp ends a phone's session as the red key does.
func (s *SMSC) HangUp(number string) (USSDScreen, error) {
	s.ussd.mu.Lock()
	defer s.ussd.mu.Unlock()
	h := s.ussd.handsets[msisdn(number)]
	if h == nil || h.session == nil {
		return USSDScreen{}, errNoSession
	}
	return s.fail(h.session, textEnded, reasonHungUp, true), nil
}

// lose ends the session of a phone that has left the network.
func (s *SMSC) lose(number string) {
	s.ussd.mu.Lock()
	defer s.ussd.mu.Unlock()
	if h := s.ussd.handsets[msisdn(number)]; h != nil && h.session != nil {
		s.fail(h.session, textNoNetwork, "the phone was switched off", true)
	}
}

// garble replaces a text by octets that are none of its coding: UCS2 that ends inside
// a character, behind half a surrogate pair.
func garble(m *smpp.Message) {
	m.DataCoding = smpp.CodingUCS2
	m.Payload = []byte{0xD8, 0x3D, 0x00, 0x31, 0x00}
}
