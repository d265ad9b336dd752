package platform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"starhash/bank/link"
	"starhash/ussd"
)

// lookupTime bounds what the bank is asked while a person waits for a screen.
const lookupTime = 4 * time.Second

// shownRecent is how many of a subscriber's transactions a menu lists.
const shownRecent = 9

// answer answers what the menus ask on the way. A Reason is a key of the menus'.
func (c *call) answer(ctx context.Context, d *dialogue, q *ussd.Query) *ussd.Answer {
	g := c.g
	failed := func(err error) *ussd.Answer {
		g.log.Warn("a question of a USSD dialogue has no answer", "query", q.Name, "error", err)
		return &ussd.Answer{Reason: "not_now"}
	}
	switch q.Name {
	case "payee":
		r, err := c.lookup(ctx, d, &link.Request{Payee: q.Args["number"]})
		return c.named("payee_name", r, err)
	case "biller":
		r, err := c.lookup(ctx, d, &link.Request{Biller: q.Args["biller"], Account: q.Args["account"]})
		return c.named("biller_name", r, err)
	case "favourites":
		all, err := g.favourites(ctx, c.msisdn)
		if err != nil {
			return failed(err)
		}
		a := &ussd.Answer{}
		for _, f := range all {
			label := f.Name + " ..." + lastDigits(f.Number)
			if f.Name == "" {
				label = f.Number
			}
			a.Items = append(a.Items, ussd.Item{Label: label, Value: f.Number})
		}
		return a
	case "billers":
		a := &ussd.Answer{}
		for _, b := range g.cfg.USSD.Billers {
			a.Items = append(a.Items, ussd.Item{Label: b.Name, Value: b.Code})
		}
		return a
	case "recent", "pending":
		all, err := g.store.recent(ctx, c.msisdn, shownRecent, q.Name == "pending")
		if err != nil {
			return failed(err)
		}
		a := &ussd.Answer{}
		for _, tx := range all {
			a.Items = append(a.Items, ussd.Item{Label: g.recentLine(c.sub.Language, tx), Value: tx.Reference})
		}
		return a
	}
	return failed(fmt.Errorf("the menus ask for %q, which the gateway does not know", q.Name))
}

// recentLine is one transaction in a list: what is known of it here, which is not
// what it was about.
func (g *Gateway) recentLine(language string, tx *Transaction) string {
	text := TextRecentPending
	switch tx.State {
	case Done:
		text = TextRecentDone
	case Declined:
		text = TextRecentDeclined
	}
	return g.texts.Load().Format(language, text, Args{"date": tx.Accepted.In(g.zone).Format("02/01 15:04"), "ref": tx.Reference})
}

// named is a bank's answer to a lookup. Where the bank does not know the number the
// subscriber is told so; where it cannot say, the screen goes without a name.
func (c *call) named(value string, r *link.Reply, err error) *ussd.Answer {
	reasons := map[link.Outcome]string{
		link.UnknownPayee: "unknown_payee", link.OwnAccount: "own_number", link.UnknownBiller: "unknown_biller",
		link.BadAccount: "bad_account", link.CurrencyMismatch: "unknown_payee", link.OverDailyLimit: "over_daily_limit",
	}
	a := &ussd.Answer{Values: map[string]string{value: ""}}
	switch {
	case err != nil:
		c.g.log.Info("no name from the bank in time", "error", err)
	case r.Outcome == link.Done:
		a.Values[value] = r.PayeeName
	default:
		a.Reason = reasons[r.Outcome]
	}
	return a
}

// lookup asks the bank for a name, under a serial of its own. It moves nothing and is
// not journaled: without an answer in time there is none.
func (c *call) lookup(ctx context.Context, d *dialogue, q *link.Request) (*link.Reply, error) {
	g := c.g
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	id := link.Identity{IMSI: c.sub.IMSI, MSISDN: c.msisdn, Source: link.SourceRegistry}
	if d.IMSI != "" {
		id.IMSI, id.Source = d.IMSI, link.SourceNetwork
	}
	o, err := g.keys.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	if o.Result != link.Opened {
		return nil, fmt.Errorf("%w: result %d", errOpening, o.Result)
	}
	defer o.Keys.Wipe()
	q.Identity, q.ID, q.Kind, q.Asked = id, g.keys.TxID(), link.KindLookup, c.at
	r, err := g.exchange(ctx, o.Keys, o.Keys.SealRequest(q))
	if err == nil && r == nil {
		err = errors.New("no answer")
	}
	return r, err
}
