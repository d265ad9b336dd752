package platform

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/bank/link"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

// Whether an SMS may hold a PIN: ussd.sms_pin.
const (
	PINAllowed = "allowed" // SEND 5 0771000002 1234
	PINPush    = "push"    // SEND 5 0771000002, and the PIN on a screen that the gateway opens
	PINCode    = "code"    // SEND 5 0771000002, and YES with a one-time code that comes by SMS
)

// withoutPIN takes an order by SMS where PINs are not taken by SMS. One that was
// written all the same is not used.
func (g *Gateway) withoutPIN(ctx context.Context, in *mo, sub Subscriber, cmd *Command) error {
	cmd.Wipe()
	cmd.PIN, cmd.NewPIN = cmd.Code, cmd.Code // empty
	switch {
	case g.cfg.USSD.SMSPIN == PINPush && cmd.Kind == KindTransfer:
		return g.push(ctx, in, sub, cmd)
	case g.cfg.USSD.SMSPIN == PINCode && movesMoney(linkKinds[cmd.Kind]):
		return g.askCode(ctx, in, sub, cmd)
	}
	return g.say(ctx, in, sub.Language, TextDial, Args{"code": g.cfg.ServiceCode})
}

// pushTime is how long a push may take beside the subscriber's own time for it.
const pushTime = lookupTime + 2*ussdAnswer

// pushMember is a push among the deadlines of a partition: whoever asked for money by
// SMS is told, also where the screen was never seen, or never answered.
func pushMember(msisdn string) string { return "push:" + msisdn }

// push opens a dialogue in which the PIN is typed: a USSR request of the gateway's
// own (3GPP TS 22.090 §5, network-initiated). Before the SMS is acknowledged it is
// stored that its sender is owed an answer.
func (g *Gateway) push(ctx context.Context, in *mo, sub Subscriber, cmd *Command) error {
	due := in.at.Add(g.cfg.USSD.Step + pushTime)
	if err := g.owe(ctx, in.msisdn, due); err != nil {
		return err
	}
	select {
	case g.ussdSlots <- struct{}{}:
	default:
		return g.owe(ctx, in.msisdn, in.at) // told at once that it was not possible
	}
	at, payee, amount := *in, cmd.Payee, cmd.Amount
	at.text = nil // the SMS' own, wiped when it is acknowledged
	g.openings.Go(func() {
		defer func() { <-g.ussdSlots }()
		defer func() {
			if p := recover(); p != nil {
				g.log.Error("ALARM: a USSD push panicked", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				g.metrics.alarms.Inc()
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushTime)
		defer cancel()
		g.metrics.dialogues.WithLabelValues("pushed").Inc()
		if err := g.prompt(ctx, &at, sub, payee, amount); err != nil {
			g.log.Info("USSD push not shown", "bind", at.bind, "error", err)
			g.metrics.dialogues.WithLabelValues("unsent").Inc()
			if err := g.owe(context.WithoutCancel(ctx), at.msisdn, at.at); err != nil {
				g.log.Warn("the sender hears of it later", "error", err)
			}
		}
	})
	return nil
}

// owe notes by when a subscriber is told that a push led to nothing; an order that it
// leads to takes the note away, in the journal's script.
func (g *Gateway) owe(ctx context.Context, msisdn string, by time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return storeError(g.store.redis.ZAdd(ctx, key(g.store.partition(msisdn), "partial"),
		redis.Z{Score: float64(by.UnixMilli()), Member: pushMember(msisdn)}).Err())
}

// prompt shows the screen that asks for the PIN.
func (g *Gateway) prompt(ctx context.Context, in *mo, sub Subscriber, payee string, amount int64) error {
	esme := g.bind(in.bind)
	if esme == nil {
		return errNoBind
	}
	// Who is in a session cannot be shown another, and goes on with that one.
	switch open, err := g.loadDialogue(ctx, in.msisdn); {
	case err != nil:
		return err
	case open != nil && !open.State.Done && open.live(time.Now(), &g.cfg.USSD):
		return errors.New("another session is open")
	}
	way := g.dialectOf(esme.Config())
	phone := smpp.Address{TON: 1, NPI: 1, Addr: in.msisdn} // international, ISDN: SMPP 3.4 §5.2.5, §5.2.6
	c := &call{g: g, esme: esme, dialect: way, msisdn: in.msisdn, imsi: in.imsi, at: time.Now(), sub: sub, found: true, pushed: true,
		m: dialect.Message{Kind: dialect.Begin, Subscriber: phone, Code: smpp.Address{Addr: g.cfg.ServiceCode},
			Session: way.NewSession(rand.Uint64(), phone), NetworkInitiated: true}}
	d := &dialogue{Session: c.m.Session, Bind: in.bind, Began: c.at, IMSI: in.imsi, Pushed: true}

	name := ""
	switch r, err := c.lookup(ctx, d, &link.Request{Payee: payee}); {
	case err != nil: // the number has to do
	case r.Outcome == link.Done:
		name = r.PayeeName
	default:
		// What the bank says of it now it would say of the order.
		reason, ok := Reason(r.Outcome)
		if !ok {
			break
		}
		if err := g.say(ctx, in, sub.Language, reason, nil); err != nil {
			return err
		}
		return storeError(g.store.redis.ZRem(ctx, key(g.store.partition(in.msisdn), "partial"), pushMember(in.msisdn)).Err())
	}
	env, err := c.subscriber(ctx)
	if err != nil {
		return err
	}
	r := g.menus.Load().Push(env, "push_transfer", map[string]string{
		"amount": strconv.FormatInt(amount, 10), "amount_shown": FormatAmount(amount, g.cfg.Currency),
		"payee": payee, "payee_name": name,
	})
	if r.Screen == nil || r.Screen.End {
		return errors.New("the menus have no screen push_transfer that asks for a PIN")
	}
	d.State, d.Stepped, d.Steps = r.State, time.Now(), 1
	d.Last.Screen = r.Screen.Text
	if _, err := g.saveDialogue(ctx, in.msisdn, anyVersion, d); err != nil {
		return err
	}
	if err := c.send(ctx, r.Screen.Text, false); err != nil {
		_, ended := g.endDialogue(ctx, in.msisdn, d)
		return errors.Join(err, ended)
	}
	return nil
}

// notify shows a notice on a phone's screen, beside the SMS: a USSN request, which
// takes no answer but the phone's own. It is tried once; whoever is in a session, or
// off, has the SMS.
func (g *Gateway) notify(ctx context.Context, bind, msisdn, text string) {
	esme := g.bind(bind)
	if !g.cfg.USSD.Notices || esme == nil {
		return
	}
	select {
	case g.ussdSlots <- struct{}{}:
	default:
		return
	}
	g.openings.Go(func() {
		defer func() { <-g.ussdSlots }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ussdAnswer)
		defer cancel()
		way := g.dialectOf(esme.Config())
		phone := smpp.Address{TON: 1, NPI: 1, Addr: msisdn}
		command, m, err := way.Submit(dialect.Message{Kind: dialect.Notify, Subscriber: phone, Code: smpp.Address{Addr: g.cfg.ServiceCode},
			Session: way.NewSession(rand.Uint64(), phone), Text: []byte(text), Last: true, NetworkInitiated: true})
		if err == nil {
			_, err = esme.Send(ctx, command, m)
		}
		if err != nil {
			g.log.Debug("USSD notice not shown", "bind", bind, "error", err)
			return
		}
		g.metrics.dialogues.WithLabelValues("notified").Inc()
	})
}

// bind is the session of a name that can submit, or nil.
func (g *Gateway) bind(name string) *smpp.ESME {
	for _, b := range g.binds {
		if b.Config().Name == name && b.CanSubmit() {
			return b
		}
	}
	return nil
}
