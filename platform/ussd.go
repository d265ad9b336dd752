package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"starhash/bank/link"
	"starhash/smpp"
	"starhash/smpp/dialect"
	"starhash/ussd"
)

// ussdAnswer bounds the way of one screen to the SMSC: facts from the field say
// that networks wait 10 to 15 s for the application.
const ussdAnswer = 10 * time.Second

// ussdSlots bounds the steps under way: beyond it the SMSC is told to come again.
const ussdSlots = 4096

// call is one message of a USSD session, on its way through the gateway.
type call struct {
	g       *Gateway
	esme    *smpp.ESME
	dialect *dialect.Dialect
	m       dialect.Message // its text may be a PIN; wiped when the call ends
	bad     bool            // the text cannot be read
	msisdn  string
	imsi    string
	at      time.Time
	sub     Subscriber
	found   bool // there is such a subscriber
	pushed  bool // we began the session
	turn    turn
}

// takeUSSD takes a message of a USSD session. It is acknowledged when it is
// understood, and answered by a message of ours: its user is gone in seconds, and
// what moves money enters the journal like an SMS before it is answered.
func (g *Gateway) takeUSSD(ctx context.Context, d *smpp.Delivery, way *dialect.Dialect) smpp.Status {
	bind := d.Bind.Config()
	m, err := way.Delivered(d.Message)
	c := &call{g: g, esme: d.Bind, dialect: way, m: m, at: time.Now()}
	c.bad = errors.Is(err, dialect.ErrText) || errors.Is(err, dialect.ErrTooLong)
	var ok bool
	if c.msisdn, ok = g.number(m.Subscriber); err == nil && !ok {
		err = errors.New("its address is no MSISDN")
	}
	if err != nil && !c.bad {
		g.log.Warn("USSD message not understood", "bind", bind.Name, "dialect", way.Name(), "error", err)
		m.Wipe()
		return smpp.StatusRejectAppErr
	}
	if c.imsi = m.IMSI; c.imsi == "" {
		c.imsi = g.networkIMSI(bind, d.Message)
	}
	select {
	case g.ussdSlots <- struct{}{}:
	default:
		m.Wipe()
		return smpp.StatusTempAppErr
	}
	c.turn = g.turns.take(c.msisdn)
	g.openings.Go(func() {
		defer func() { <-g.ussdSlots }()
		defer c.m.Wipe()
		defer c.turn.over()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.USSD.Verdict+2*ussdAnswer)
		defer cancel()
		c.take(ctx)
	})
	return smpp.StatusOK
}

// networkIMSI is the IMSI in the bind's vendor TLV; empty where there is none.
func (g *Gateway) networkIMSI(bind smpp.BindConfig, m *smpp.Message) string {
	if bind.IMSITLV == 0 {
		return ""
	}
	v, ok := m.TLVs.Get(smpp.Tag(bind.IMSITLV))
	if !ok {
		return ""
	}
	imsi := strings.Trim(string(v), "\x00 ")
	if !digits(imsi, 6, 15) {
		g.log.Warn("the IMSI parameter of a message holds no IMSI; the registry's counts", "bind", bind.Name, "octets", len(v))
		return ""
	}
	return imsi
}

// take makes one step of a dialogue. Whatever goes wrong, the subscriber gets a line
// that says whether money moved.
func (c *call) take(ctx context.Context) {
	g := c.g
	defer func() {
		if p := recover(); p != nil { // one dialogue must not end the process that carries all the others
			g.log.Error("ALARM: a USSD dialogue panicked", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			g.metrics.alarms.Inc()
			c.line(ctx, TextUSSDAgain)
		}
	}()
	err := c.step(ctx)
	took := time.Since(c.at)
	g.metrics.steps(c.m.Kind.String(), err, took)
	if err != nil {
		g.log.Warn("USSD step not made", "kind", c.m.Kind.String(), "error", err)
		c.line(ctx, TextUSSDAgain)
	}
}

func (c *call) step(ctx context.Context) error {
	g := c.g
	if err := c.turn.wait(ctx); err != nil {
		return err
	}
	old, err := g.loadDialogue(ctx, c.msisdn)
	if err != nil {
		return err
	}
	switch c.m.Kind {
	case dialect.Begin:
		return c.begin(ctx, old)
	case dialect.Reply:
		return c.reply(ctx, old)
	case dialect.Abort:
		return c.abort(ctx, old)
	}
	return nil // an acknowledgement
}

// subscriber reads who calls, and what the menus may know of them.
func (c *call) subscriber(ctx context.Context) (ussd.Env, error) {
	sub, err := c.g.store.Subscriber(ctx, c.msisdn)
	if err != nil && !errors.Is(err, ErrUnknownSubscriber) {
		return ussd.Env{}, err
	}
	c.sub, c.found = sub, err == nil
	if !c.found {
		c.sub = Subscriber{MSISDN: c.msisdn, Language: c.g.cfg.Language}
	}
	n, err := c.g.countFavourites(ctx, c.msisdn)
	if err != nil {
		return ussd.Env{}, err
	}
	cfg := &c.g.cfg
	return ussd.Env{
		Language: c.sub.Language,
		Facts: map[string]bool{
			"registered": c.found, "blocked": c.found && c.sub.Status != Active,
			"favourites": n > 0, "bills": len(cfg.USSD.Billers) > 0,
		},
		Values: map[string]string{
			"service_code": cfg.ServiceCode, "short_code": cfg.ShortCode, "currency": cfg.Currency, "msisdn": c.msisdn,
		},
	}, nil
}

// begin begins a dialogue, or offers to go on with one that was dropped. While the
// person reads, a dynamic key is opened.
func (c *call) begin(ctx context.Context, old *dialogue) error {
	g := c.g
	env, err := c.subscriber(ctx)
	if err != nil {
		return err
	}
	if c.found && c.sub.Status == Active {
		id := link.Identity{IMSI: c.sub.IMSI, MSISDN: c.msisdn, Source: link.SourceRegistry}
		if c.imsi != "" {
			id.IMSI, id.Source = c.imsi, link.SourceNetwork
		}
		g.prepareKey(ctx, id)
	}
	d := &dialogue{Session: c.m.Session, Bind: c.esme.Config().Name, Began: c.at, IMSI: c.imsi}
	menus := g.menus.Load()
	var r ussd.Result
	if old != nil && bytes.ContainsRune(c.m.Text, '*') && plainDial(c.m.Text) && !old.State.Done {
		r = menus.Resume(env, old.State)
	} else {
		r = menus.Begin(env, c.m.Text)
	}
	g.metrics.dialogues.WithLabelValues("begun").Inc()
	g.note(c.msisdn, "", "dialogue", "begun")
	return c.goOn(ctx, env, d, anyVersion, r)
}

// plainDial says whether only the service code was dialled: "*700#" and not
// "*700*1*…#".
func plainDial(dialled []byte) bool { return bytes.Count(dialled, []byte("*")) == 1 }

// reply takes what the subscriber typed.
func (c *call) reply(ctx context.Context, d *dialogue) error {
	g := c.g
	if d == nil || !d.live(c.at, &g.cfg.USSD) || !d.of(c.m.Session) {
		g.metrics.dialogues.WithLabelValues("expired").Inc()
		c.line(ctx, TextUSSDExpired)
		return nil
	}
	if c.repeated(d) {
		// While the first is at work, or was when this one came, its screen answers both.
		if d.Last.Screen != "" && c.at.After(d.Stepped) {
			c.show(ctx, d.Last.Screen, d.Last.End)
		}
		return nil
	}
	env, err := c.subscriber(ctx)
	if err != nil {
		return err
	}
	before := d.version
	d.Session, c.pushed = c.m.Session, d.Pushed
	d.Last = last{Echo: c.m.Session.Echo}
	if c.imsi != "" && d.IMSI != "" && c.imsi != d.IMSI {
		// Another SIM speaks in the session: nothing that was typed is used.
		g.log.Warn("the IMSI changed within a USSD session")
		if _, err := g.endDialogue(ctx, c.msisdn, d); err != nil {
			return err
		}
		c.line(ctx, TextSIMChanged)
		return nil
	}
	text := c.m.Text
	if c.bad {
		text = nil
	}
	return c.goOn(ctx, env, d, before, g.menus.Load().Step(env, d.State, ussd.Input{Text: text}))
}

// repeated says whether a message is the one answered last, come again: its session
// parameter counts messages, and has not moved. In dialects whose parameter does not
// count, the same reply typed twice cannot be told from one that was delivered twice;
// the version of the dialogue and the journal's dedupe key keep either from moving
// money twice.
func (c *call) repeated(d *dialogue) bool {
	return c.dialect.Counts() && d.Last.Echo != nil && bytes.Equal(c.m.Session.Echo, d.Last.Echo)
}

// abort drops the session. The dialogue can be gone on with, without its PINs; an
// order that was given goes its way, and its outcome comes by SMS.
func (c *call) abort(ctx context.Context, d *dialogue) error {
	g := c.g
	if d == nil || !d.of(c.m.Session) {
		return nil
	}
	g.metrics.dialogues.WithLabelValues("aborted").Inc()
	g.note(c.msisdn, "", "dialogue", "aborted: "+c.m.Reason)
	before := d.version
	d.Dropped = true
	d.forgetPINs()
	_, err := g.saveDialogue(ctx, c.msisdn, before, d)
	return err
}

// goOn brings a step to its screen: it answers queries, seals PINs, gives the order.
// The dialogue is stored before anything is done that cannot be done twice.
func (c *call) goOn(ctx context.Context, env ussd.Env, d *dialogue, before string, r ussd.Result) error {
	g := c.g
	menus := g.menus.Load()
	for {
		if r.Secret != nil {
			if err := c.seal(d, r.Secret); err != nil {
				return err
			}
		}
		switch {
		case r.Query != nil:
			r = menus.Step(env, r.State, ussd.Input{Answer: c.answer(ctx, d, r.Query)})
		case r.Intent != nil:
			intent := r.Intent
			d.State, d.Stepped = r.State, c.at
			d.Steps++
			stored, err := g.saveDialogue(ctx, c.msisdn, before, d)
			if err != nil || !stored {
				return err // stored by another step: this one has not happened
			}
			before = d.version
			c.turn.over() // from here the order goes its way, whatever comes
			text, err := c.do(ctx, d, intent)
			if err != nil {
				return err
			}
			d.forgetPINs() // each order has its own
			if intent.Action == "language" {
				env.Language = intent.Values["language"]
			}
			r = menus.Step(env, d.State, ussd.Input{Verdict: &ussd.Verdict{Text: text}})
		default:
			return c.screen(ctx, d, before, r)
		}
	}
}

// screen stores the dialogue and shows its screen. A session that is over
// meanwhile is shown nothing.
func (c *call) screen(ctx context.Context, d *dialogue, before string, r ussd.Result) error {
	g := c.g
	d.State, d.Stepped = r.State, time.Now()
	d.Steps++
	d.Last.Screen, d.Last.End = r.Screen.Text, r.Screen.End
	stored, err := g.saveDialogue(ctx, c.msisdn, before, d)
	if err != nil || !stored {
		return err
	}
	if r.Screen.End {
		g.metrics.dialogues.WithLabelValues("ended").Inc()
		g.note(c.msisdn, "", "dialogue", "ended")
	}
	c.show(ctx, r.Screen.Text, r.Screen.End)
	return nil
}

// show sends a screen. That it could not be sent is noted; the network ends the
// session by itself.
func (c *call) show(ctx context.Context, text string, end bool) {
	if err := c.send(ctx, text, end); err != nil {
		c.g.log.Warn("USSD screen not sent", "bind", c.esme.Config().Name, "error", err)
		c.g.metrics.dialogues.WithLabelValues("unsent").Inc()
	}
}

func (c *call) send(ctx context.Context, text string, end bool) error {
	kind := dialect.Ask
	if end {
		kind = dialect.End
	}
	ctx, cancel := context.WithTimeout(ctx, ussdAnswer)
	defer cancel()
	command, m, err := c.dialect.Submit(dialect.Message{Kind: kind, Subscriber: c.m.Subscriber, Code: c.m.Code,
		Session: c.m.Session, Text: []byte(text), NetworkInitiated: c.pushed})
	if err != nil {
		return err
	}
	_, err = c.esme.Send(ctx, command, m)
	return err
}

// line ends the session with one text.
func (c *call) line(ctx context.Context, text TextKey) {
	if c.m.Kind != dialect.Begin && c.m.Kind != dialect.Reply {
		return
	}
	language := c.sub.Language
	if language == "" {
		language = c.g.language(ctx, c.msisdn)
	}
	c.show(ctx, c.g.texts.Load().Format(language, text, Args{"code": c.g.cfg.ServiceCode}), true)
}

// seal seals a PIN towards the bank, for the order that the dialogue leads to.
func (c *call) seal(d *dialogue, s *ussd.Secret) error {
	positions := map[string]link.PINPosition{"pin": link.PINCurrent, "new_pin": link.PINNew, "new_pin_again": link.PINAgain}
	position, ok := positions[s.Field]
	if !ok {
		s.PIN.Wipe()
		return fmt.Errorf("the menus name a PIN %q; want pin, new_pin or new_pin_again", s.Field)
	}
	// One order and position is sealed once: link.PINSealer. Whoever types a PIN again
	// has gone back to the first of them (package ussd), and begins another set.
	if _, again := d.PINs[s.Field]; again {
		d.forgetPINs()
	}
	if d.Order == (link.TxID{}) {
		d.Order = c.g.keys.TxID()
	}
	capsule, err := c.g.keys.SealPIN(s.PIN, c.msisdn, d.Order, position)
	if err != nil {
		return err
	}
	if d.PINs == nil {
		d.PINs = map[string]link.Capsule{}
	}
	d.PINs[s.Field] = capsule
	return nil
}
