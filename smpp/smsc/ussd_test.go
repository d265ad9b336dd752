package smsc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// entered is a person's entry on its way.
type entered struct {
	t    *testing.T
	done chan struct{}
	sc   USSDScreen
	err  error
}

// enter dials or replies in the background.
func (r *rig) enter(from, text string, change ...func(*USSD)) *entered {
	in := USSD{Text: text}
	for _, f := range change {
		f(&in)
	}
	e := &entered{t: r.t, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.sc, e.err = r.Client.Enter(r.t.Context(), from, in)
	}()
	return e
}

// screen waits for what the phone shows.
func (e *entered) screen() USSDScreen {
	e.t.Helper()
	<-e.done // bounded by the client's time-out
	if e.err != nil {
		e.t.Fatal(e.err)
	}
	return e.sc
}

// shows waits for a screen of a kind and a text.
func (e *entered) shows(kind, text string) USSDScreen {
	e.t.Helper()
	sc := e.screen()
	if sc.Kind != kind || sc.Text != text {
		e.t.Fatalf("the phone shows %+v, want %s %q", sc, kind, text)
	}
	if open := kind == screenAsk; sc.Open != open {
		e.t.Errorf("%+v: open", sc)
	}
	return sc
}

// talk is an ESME's end of USSD.
type talk struct {
	*esme
	d *dialect.Dialect
}

// talking is a bound ESME that speaks a dialect.
func (r *rig) talking(name string) talk {
	r.t.Helper()
	d, ok := dialects().Get(name)
	if !ok {
		r.t.Fatal(name)
	}
	e := r.connect()
	got := e.ask(smpp.BindTransceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password), InterfaceVersion: smpp.InterfaceVersion34})
	if got.Status != smpp.StatusOK {
		r.t.Fatal(got.Status)
	}
	return talk{e, d}
}

// hear takes the next message of a session and acknowledges it.
func (e talk) hear(kind dialect.Kind) dialect.Message {
	e.t.Helper()
	return e.hearAs(kind, smpp.StatusOK)
}

func (e talk) hearAs(kind dialect.Kind, status smpp.Status) dialect.Message {
	e.t.Helper()
	p := e.next()
	sm, ok := p.Body.(*smpp.Message)
	if !ok || !e.d.Is(sm) {
		e.t.Fatalf("%s came, want %s", p.Command, kind)
	}
	m, err := e.d.Delivered(sm)
	if err != nil {
		e.t.Fatal(err)
	}
	if m.Kind != kind {
		e.t.Fatalf("%s came, want %s", m.Kind, kind)
	}
	e.ack(p, status)
	return m
}

// say answers m, or begins where m is a new message, and returns the status.
func (e talk) say(m dialect.Message, kind dialect.Kind, text string) smpp.Status {
	e.t.Helper()
	m.Kind, m.Text = kind, []byte(text)
	command, sm, err := e.d.Submit(m)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.ask(command, sm).Status
}

func (e talk) ok(m dialect.Message, kind dialect.Kind, text string) {
	e.t.Helper()
	if status := e.say(m, kind, text); status != smpp.StatusOK {
		e.t.Fatalf("%s: %s", kind, status)
	}
}

const (
	menu   = "1 Send money\n2 Balance"
	askPIN = "Send USD 5.00 to C. N...\nEnter your PIN"
)

// A whole dialogue, from the code to the verdict.
func TestUSSD(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	m := e.hear(dialect.Begin)
	if string(m.Text) != "*700#" || m.Subscriber.Addr != alice {
		t.Errorf("%+v", m)
	}
	first := m.Session.Key
	e.ok(m, dialect.Ask, menu)
	sc := dialled.shows(screenAsk, menu)
	if sc.N != 1 || sc.Session != 1 || sc.Secret || sc.At.IsZero() {
		t.Errorf("%+v", sc)
	}
	one := r.enter(alice, "1")
	m = e.hear(dialect.Reply)
	if string(m.Text) != "1" || m.Session.Key != first {
		t.Errorf("%+v", m)
	}
	e.ok(m, dialect.Ask, askPIN)
	if !one.shows(screenAsk, askPIN).Secret {
		t.Error("does not ask for a PIN")
	}
	pin := r.enter(alice, "4826")
	m = e.hear(dialect.Reply)
	e.ok(m, dialect.End, "Done. ref AB12CD34")
	pin.shows(screenEnd, "Done. ref AB12CD34")

	// It is over for everybody.
	if _, err := r.Client.Enter(t.Context(), alice, USSD{Text: "1"}); err == nil || !strings.Contains(err.Error(), "no session is open") {
		t.Errorf("a reply to no session: %v", err)
	}
	for _, kind := range []dialect.Kind{dialect.Ask, dialect.End} {
		if status := e.say(m, kind, "late"); status != statusOver {
			t.Errorf("%s behind the end: %s", kind, status)
		}
	}
	all := must(r.Screens(t.Context(), alice, 0, 0))(t)
	if len(all) != 3 || all[2].N != 3 || all[2].Open {
		t.Errorf("%+v", all)
	}
	if got := must(r.Screens(t.Context(), alice, 2, 0))(t); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	// The next session is another one.
	r.enter(alice, "*700*1*0771000002#")
	if m := e.hear(dialect.Begin); m.Session.Key == first || string(m.Text) != "*700*1*0771000002#" {
		t.Errorf("%+v", m)
	}
	e.silent(20 * time.Millisecond)
}

// The same dialogue in every dialect that comes with Starhash, as far as the dialect can
// say it.
func TestUSSDDialects(t *testing.T) {
	for _, name := range dialects().Names() {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *Config) { c.Dialect = name })
			e := r.talking(name)
			dialled := r.enter(alice, "*700*1*0771000002#")
			m := e.hear(dialect.Begin)
			if string(m.Text) != "*700*1*0771000002#" || m.Subscriber.Addr != alice {
				t.Errorf("%+v", m)
			}
			ask := m
			ask.Kind, ask.Text = dialect.Ask, []byte(askPIN)
			if _, _, err := e.d.Submit(ask); errors.Is(err, dialect.ErrOperation) {
				e.ok(m, dialect.End, "Done") // one screen and no more
				dialled.shows(screenEnd, "Done")
				return
			}
			e.ok(m, dialect.Ask, askPIN)
			dialled.shows(screenAsk, askPIN)
			reply := r.enter(alice, "4826")
			again := e.hear(dialect.Reply)
			if string(again.Text) != "4826" || again.Session.Key != m.Session.Key {
				t.Errorf("%+v", again)
			}
			e.ok(again, dialect.End, "Terminé à 10:05")
			reply.shows(screenEnd, "Terminé à 10:05")

			dialled = r.enter(alice, "*700#")
			m = e.hear(dialect.Begin)
			e.ok(m, dialect.Ask, menu)
			dialled.shows(screenAsk, menu)
			if err := r.Client.HangUp(t.Context(), alice); err != nil {
				t.Fatal(err)
			}
			gone := m
			gone.Kind = dialect.Abort
			if _, _, err := e.d.Deliver(gone); err == nil {
				e.hear(dialect.Abort)
			}
		})
	}
}

// A dialect of one's own is a file in dialects_dir.
func TestUSSDOwnDialect(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ours.yaml"), []byte("like: plain\nabout: ours\nin: { begin: 21 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.DialectsDir, c.Dialect = dir, "ours" })
	e := r.talking("plain")
	r.enter(alice, "*700#")
	_, m := e.message()
	if op, _ := m.TLVs.Get(smpp.TagUSSDServiceOp); len(op) != 1 || op[0] != 21 {
		t.Errorf("ussd_service_op %x", op)
	}
}

// What cannot be entered is said at once.
func TestUSSDRefusesEntries(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		from string
		in   USSD
		want string
	}{
		{alice, USSD{Text: "700"}, "no session is open"},
		{alice, USSD{Text: "*7a0#"}, "no session is open"},
		{alice, USSD{Text: ""}, "no session is open"},
		{"alice", USSD{Text: "*700#"}, "msisdn"},
		{alice, USSD{Text: "*" + strings.Repeat("1", 190) + "#"}, "182 septets"},
		{alice, USSD{Text: strings.Repeat("Ж", 81)}, "80 characters"},
		{alice, USSD{Text: "*700#", Code: "700"}, "code: want"},
		{alice, USSD{Text: "*700#", Fault: "throttle"}, "no fault of USSD"},
	} {
		if sc, err := r.Client.Enter(t.Context(), tc.from, tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %+v %v, want %q", tc.in, sc, err, tc.want)
		}
	}
	if err := r.Client.HangUp(t.Context(), alice); err == nil {
		t.Error("hung up without a session")
	}
}

// Which code a dialled string is for.
func TestServiceCode(t *testing.T) {
	s := New(Config{SystemID: systemID, Password: secretOf(password), ServiceCode: "*700*5#"}, discard())
	for dialled, want := range map[string]string{
		"*700*5#": "*700*5#", "*700*5*1*0771000002*500#": "*700*5#", "*700*6#": "*700#", "*700#": "*700#",
		"*#06#": "*#06#", "#31#": "#31#", "*120*7*1#": "*120#", "*#*#": "*#*#",
	} {
		if got := s.codeOf(dialled); got != want {
			t.Errorf("%s: %s, want %s", dialled, got, want)
		}
	}
}

// Nobody there, nobody who answers, somebody who refuses: the person reads what
// handsets say then.
func TestUSSDProblems(t *testing.T) {
	r := start(t, func(c *Config) { c.USSDAnswer = 60 * time.Millisecond })
	if sc := r.enter(alice, "*700#").shows(screenAbort, textProblem); sc.Error != errNoESME.Error() {
		t.Errorf("%+v", sc)
	}
	e := r.talking("plain")
	silent := r.enter(alice, "*700#")
	m := e.hear(dialect.Begin)
	if sc := silent.shows(screenAbort, textProblem); !strings.Contains(sc.Error, "ussd_answer") {
		t.Errorf("%+v", sc)
	}
	e.hear(dialect.Abort)
	if status := e.say(m, dialect.Ask, menu); status != statusOver {
		t.Errorf("too late: %s", status)
	}
	refused := r.enter(alice, "*700#")
	e.hearAs(dialect.Begin, smpp.StatusTempAppErr) // no second try, as with an SMS
	if sc := refused.shows(screenAbort, textProblem); !strings.Contains(sc.Error, "ESME_RX_T_APPN") {
		t.Errorf("%+v", sc)
	}
	e.silent(50 * time.Millisecond)
}

// An ESME that takes no message within response_timeout has its session aborted, and the
// abort, like everything of a session, is sent once.
func TestUSSDUnacknowledged(t *testing.T) {
	r := start(t, func(c *Config) { c.ResponseTimeout = 60 * time.Millisecond })
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	e.message() // and no deliver_sm_resp
	if sc := dialled.shows(screenAbort, textProblem); !strings.Contains(sc.Error, noAnswer) {
		t.Errorf("%+v", sc)
	}
	e.hearAs(dialect.Abort, smpp.StatusTempAppErr)
	e.silent(50 * time.Millisecond)
}

// A screen comes behind the submit_sm_resp, however late that is.
func TestUSSDScreenBehindResponse(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	m := e.hear(dialect.Begin)
	r.setFaults(Faults{Delay: ms(80)})
	began := time.Now()
	e.ok(m, dialect.Ask, menu)
	dialled.shows(screenAsk, menu)
	if shown := must(r.Screens(t.Context(), alice, 0, 0))(t)[0].At; shown.Sub(began) < 80*time.Millisecond {
		t.Errorf("shown %v behind the submit_sm", shown.Sub(began))
	}
}

// The network's own timers.
func TestUSSDTimers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		why    string
	}{
		{"idle", func(c *Config) { c.USSDIdle = 60 * time.Millisecond }, "ussd_idle"},
		{"max", func(c *Config) { c.USSDMax = 100 * time.Millisecond }, "ussd_max"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, tc.change)
			e := r.talking("plain")
			dialled := r.enter(alice, "*700#")
			e.ok(e.hear(dialect.Begin), dialect.Ask, menu)
			sc := dialled.shows(screenAsk, menu)
			got := must(r.Screens(t.Context(), alice, sc.N, patience))(t)
			if len(got) != 1 || got[0].Text != textTimedOut || !strings.Contains(got[0].Error, tc.why) {
				t.Errorf("%+v", got)
			}
			e.hear(dialect.Abort)
		})
	}
}

// The phone leaves in the middle: hung up, switched off.
func TestUSSDLeaves(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	for _, leave := range []struct {
		text string
		do   func(context.Context, string) error
	}{
		{textEnded, r.Client.HangUp},
		{textNoNetwork, func(ctx context.Context, n string) error { return r.SetOff(ctx, n, true) }},
	} {
		dialled := r.enter(alice, "*700#")
		m := e.hear(dialect.Begin)
		e.ok(m, dialect.Ask, menu)
		sc := dialled.shows(screenAsk, menu)
		if err := leave.do(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
		if gone := e.hear(dialect.Abort); gone.Session.Key != m.Session.Key || gone.Subscriber.Addr != alice {
			t.Errorf("%+v", gone)
		}
		if got := must(r.Screens(t.Context(), alice, sc.N, 0))(t); len(got) != 1 || got[0].Kind != screenAbort || got[0].Text != leave.text {
			t.Errorf("%+v", got)
		}
		if status := e.say(m, dialect.Ask, "late"); status != statusOver {
			t.Errorf("behind %q: %s", leave.text, status)
		}
	}
	if _, err := r.Client.Enter(t.Context(), alice, USSD{Text: "*700#"}); err == nil || !strings.Contains(err.Error(), "off") {
		t.Errorf("dialled on a phone that is off: %v", err)
	}
}

// Another SIM in the middle of a dialogue: the next message names it.
func TestUSSDSIMSwap(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	e.ok(e.hear(dialect.Begin), dialect.Ask, menu)
	dialled.screen()
	if err := r.SetIMSI(t.Context(), alice, "648011000000099"); err != nil {
		t.Fatal(err)
	}
	r.enter(alice, "1")
	p, m := e.message()
	e.ack(p, smpp.StatusOK)
	if imsi, _ := m.TLVs.Get(imsiTLV); string(imsi) != "648011000000099" {
		t.Errorf("IMSI %q", imsi)
	}
}

// The ESME begins: a question, a notification, and phones that cannot take it.
func TestNetworkInitiated(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	to := dialect.Message{
		Subscriber: address(alice), Code: smpp.Address{NPI: 1, Addr: "*700#"},
		Session: e.d.NewSession(77, address(alice)), NetworkInitiated: true,
	}
	e.ok(to, dialect.Ask, askPIN)
	got := must(r.Screens(t.Context(), alice, 0, patience))(t)
	if len(got) != 1 || got[0].Kind != screenAsk || got[0].Text != askPIN || !got[0].Secret {
		t.Fatalf("%+v", got)
	}
	// One session a phone.
	other := to
	other.Session = e.d.NewSession(78, address(alice))
	if status := e.say(other, dialect.Ask, menu); status != statusAbsent {
		t.Errorf("to a phone in a session: %s", status)
	}
	// Before the person has answered there is nothing else to ask.
	if status := e.say(to, dialect.Ask, menu); status != statusOver {
		t.Errorf("a second question: %s", status)
	}
	reply := r.enter(alice, "4826")
	m := e.hear(dialect.Reply)
	if string(m.Text) != "4826" || m.Session.Key != to.Session.Key {
		t.Errorf("%+v", m)
	}
	e.ok(m, dialect.End, "Done.")
	reply.shows(screenEnd, "Done.")

	e.ok(other, dialect.Notify, "You have received USD 5.00")
	e.hear(dialect.Acknowledge)
	got = must(r.Screens(t.Context(), alice, 2, patience))(t)
	if len(got) != 1 || got[0].Kind != screenNotify || got[0].Open {
		t.Errorf("%+v", got)
	}

	if err := r.SetOff(t.Context(), alice, true); err != nil {
		t.Fatal(err)
	}
	if status := e.say(to, dialect.Ask, askPIN); status != statusAbsent {
		t.Errorf("to a phone that is off: %s", status)
	}
}

// A notification inside a session is acknowledged, and the session goes on; the ESME
// may release it.
func TestNotifyAndRelease(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	m := e.hear(dialect.Begin)
	e.ok(m, dialect.Notify, "One moment")
	if sc := dialled.screen(); sc.Kind != screenNotify || !sc.Open {
		t.Errorf("%+v", sc)
	}
	e.hear(dialect.Acknowledge)
	e.ok(m, dialect.Release, "")
	got := must(r.Screens(t.Context(), alice, 1, patience))(t)
	if len(got) != 1 || got[0].Kind != screenAbort || got[0].Text != textEnded {
		t.Errorf("%+v", got)
	}
}

// What was entered and has not left when the session ends is not sent any more, and an
// abort does not overtake what was.
func TestUSSDHangsUpSlowly(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	e.ok(e.hear(dialect.Begin), dialect.Ask, askPIN)
	dialled.screen()
	if err := r.SetSlow(t.Context(), alice, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	gone := r.enter(alice, "1234", func(in *USSD) { in.Fault = "ussd_abort_after_pin" })
	e.hear(dialect.Reply)
	e.hear(dialect.Abort)
	gone.shows(screenAbort, textNoNetwork)

	if err := r.SetSlow(t.Context(), alice, 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	dialled = r.enter(alice, "*700#")
	r.until(func() bool { return r.ussd.count() == 1 })
	if err := r.Client.HangUp(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	dialled.shows(screenAbort, textEnded)
	e.hear(dialect.Abort) // and not what was dialled
}

// Who waits for a phone that nobody knows yet sees its first screen.
func TestUSSDScreensWait(t *testing.T) {
	r := start(t)
	const stranger = "263771000077"
	got := make(chan []USSDScreen, 1)
	go func() {
		screens, err := r.Screens(t.Context(), stranger, 0, patience)
		if err != nil {
			t.Error(err)
		}
		got <- screens
	}()
	r.enter(alice, "*700#").screen() // of another phone
	r.enter(stranger, "*700#").screen()
	if screens := <-got; len(screens) != 1 || screens[0].Text != textProblem {
		t.Errorf("%+v", screens)
	}
}

// A slow network: the wait is on both ways.
func TestUSSDSlow(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	const slow = 80 * time.Millisecond
	for name, set := range map[string]func() error{
		"fault": func() error { return r.Client.SetFaults(t.Context(), Faults{USSDSlow: Duration(slow)}) },
		"phone": func() error {
			r.setFaults(Faults{})
			return r.SetSlow(t.Context(), alice, slow)
		},
	} {
		if err := set(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		dialled := r.enter(alice, "*700#")
		m := e.hear(dialect.Begin)
		if d := time.Since(began); d < slow {
			t.Errorf("%s: there in %v", name, d)
		}
		began = time.Now()
		e.ok(m, dialect.End, "Bye")
		dialled.shows(screenEnd, "Bye")
		if d := time.Since(began); d < slow {
			t.Errorf("%s: back in %v", name, d)
		}
		if err := r.SetSlow(t.Context(), alice, 0); err != nil {
			t.Fatal(err)
		}
	}
	short := r.enter(alice, "*700#", func(in *USSD) { in.Wait = ms(1) })
	if sc := short.screen(); sc.Kind != "" || !sc.Open {
		t.Errorf("%+v", sc)
	}
	e.hear(dialect.Begin)
	if _, err := r.Client.Enter(t.Context(), alice, USSD{Text: "1"}); err == nil || !strings.Contains(err.Error(), "waits for the ESME") {
		t.Errorf("a reply to nothing: %v", err)
	}
}

// Faults of a reply, called up for all, for this one, and by the phone's number.
func TestUSSDFaults(t *testing.T) {
	type how struct {
		from  string
		fault string
		all   Faults
	}
	ways := func(key string, number int, f Faults) []how {
		return []how{{alice, key, Faults{}}, {alice, "", f}, {magic(number), "", Faults{}}}
	}
	for _, tc := range []struct {
		ways []how
		then func(r *rig, e talk, m dialect.Message, reply *entered)
	}{
		{ways("ussd_reply_twice", 371, Faults{USSDReplyTwice: 1}), func(r *rig, e talk, m dialect.Message, reply *entered) {
			if a, b := e.hear(dialect.Reply), e.hear(dialect.Reply); string(a.Text) != "1234" || string(b.Text) != "1234" {
				t.Errorf("%q %q", a.Text, b.Text)
			}
			e.ok(m, dialect.End, "Done")
			reply.shows(screenEnd, "Done")
		}},
		{ways("ussd_same_sequence", 372, Faults{USSDSameSequence: 1}), func(r *rig, e talk, m dialect.Message, reply *entered) {
			p, _ := e.message()
			q, _ := e.message()
			if p.Sequence != q.Sequence {
				t.Errorf("%d and %d", p.Sequence, q.Sequence)
			}
			e.ack(p, smpp.StatusOK)
			e.ack(q, smpp.StatusOK)
			e.ok(m, dialect.End, "Done")
			reply.shows(screenEnd, "Done")
		}},
		{ways("ussd_garbage", 373, Faults{USSDGarbage: 1}), func(r *rig, e talk, m dialect.Message, reply *entered) {
			p, sm := e.message()
			e.ack(p, smpp.StatusOK)
			if len(sm.Payload)%2 == 0 || sm.DataCoding != smpp.CodingUCS2 {
				t.Errorf("%v", sm)
			}
			e.ok(m, dialect.End, "Not understood")
			reply.shows(screenEnd, "Not understood")
		}},
		{ways("ussd_lost", 374, Faults{USSDLost: 1}), func(r *rig, e talk, m dialect.Message, reply *entered) {
			e.hear(dialect.Reply)
			reply.shows(screenAbort, textNoNetwork)
			if status := e.say(m, dialect.End, "Done"); status != statusOver {
				t.Errorf("the answer to a lost session: %s", status)
			}
		}},
		{ways("ussd_abort_after_pin", 375, Faults{USSDAbortAfterPIN: 1}), func(r *rig, e talk, m dialect.Message, reply *entered) {
			e.hear(dialect.Reply)
			e.hear(dialect.Abort)
			reply.shows(screenAbort, textNoNetwork)
		}},
	} {
		for i, w := range tc.ways {
			t.Run(fmt.Sprintf("%s %d", tc.ways[0].fault, i), func(t *testing.T) {
				r := start(t)
				e := r.talking("plain")
				dialled := r.enter(w.from, "*700#", func(in *USSD) { in.Wait = Duration(patience) })
				m := e.hear(dialect.Begin)
				e.ok(m, dialect.Ask, askPIN)
				dialled.shows(screenAsk, askPIN)
				r.setFaults(w.all)
				tc.then(r, e, m, r.enter(w.from, "1234", func(in *USSD) { in.Fault = w.fault }))
			})
		}
	}
}

// The ESME's connection is lost, and it is back before the network's patience ends.
func TestUSSDReconnect(t *testing.T) {
	r := start(t)
	e := r.talking("plain")
	dialled := r.enter(alice, "*700#")
	m := e.hear(dialect.Begin)
	if _, err := r.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.closed()
	e = r.talking("plain")
	e.ok(m, dialect.Ask, menu)
	dialled.shows(screenAsk, menu)
}

// A thousand sessions at once, each with its own texts, over two connections.
func TestThousandSessions(t *testing.T) {
	r := start(t, func(c *Config) { c.Window = 100 })
	const n = 1000
	var servers sync.WaitGroup
	for range 2 {
		e := r.talking("plain")
		servers.Go(func() { serve(e) })
	}
	var phones sync.WaitGroup
	var mu sync.Mutex
	var wrong []error
	for i := range n {
		phones.Go(func() {
			if err := walk(r, fmt.Sprintf("26377%07d", i)); err != nil {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, err)
			}
		})
	}
	phones.Wait()
	if len(wrong) > 0 {
		t.Errorf("%d of %d went wrong, the first: %v", len(wrong), n, wrong[0])
	}
	if left := r.ussd.count(); left != 0 {
		t.Errorf("%d sessions are left", left)
	}
	r.stop() // unbinds, which ends the ESMEs
	servers.Wait()
}

// walk is a dialogue of one phone, in which every screen repeats what was entered.
func walk(r *rig, from string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 15*time.Second)
	defer cancel()
	for i, text := range []string{"*700#", "one " + from, "two " + from, "end " + from} {
		sc, err := r.SMSC.Enter(ctx, from, USSD{Text: text})
		if err != nil {
			return err
		}
		if sc.Text != "you said "+text || sc.Open != (i < 3) {
			return fmt.Errorf("%s: %+v behind %q", from, sc, text)
		}
	}
	return nil
}

// serve answers every message of every session with what it says, until the simulator
// unbinds.
func serve(e talk) {
	for {
		e.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		frame, err := smpp.ReadFrame(e.r, smpp.DefaultMaxPDU)
		if err != nil {
			return
		}
		p, err := smpp.Decode(frame)
		if err != nil {
			e.t.Error(err)
			return
		}
		switch p.Command {
		case smpp.DeliverSM, smpp.DataSM:
			m, err := e.d.Delivered(p.Body.(*smpp.Message))
			if err != nil {
				e.t.Error(err)
				return
			}
			e.write(smpp.PDU{Command: p.Command.Response(), Sequence: p.Sequence, Body: new(smpp.MessageResp)})
			m.Kind, m.Text = dialect.Ask, append([]byte("you said "), m.Text...)
			if strings.Contains(string(m.Text), "end") {
				m.Kind = dialect.End
			}
			command, sm, err := e.d.Submit(m)
			if err != nil {
				e.t.Error(err)
				return
			}
			e.send(command, sm)
		case smpp.Unbind:
			e.write(smpp.PDU{Command: smpp.UnbindResp, Sequence: p.Sequence})
		case smpp.SubmitSMResp, smpp.DataSMResp:
			if p.Status != smpp.StatusOK {
				e.t.Error(p.Status)
			}
		}
	}
}
