package platform

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"starhash/bank/link"
	"starhash/ussd"
)

// orders are the intents that become a transaction.
var orders = map[string]link.Kind{
	"transfer": link.KindTransfer, "airtime": link.KindAirtime, "bill": link.KindBill,
	"balance": link.KindBalance, "mini": link.KindMini, "pin_change": link.KindPINChange,
}

// do does what the subscriber has decided, and gives the text that they read of it.
func (c *call) do(ctx context.Context, d *dialogue, i *ussd.Intent) (string, error) {
	g := c.g
	texts := g.texts.Load()
	if kind, ok := orders[i.Action]; ok {
		return c.order(ctx, d, kind, i.Values)
	}
	switch i.Action {
	case "language":
		language := i.Values["language"]
		if err := g.store.setSubscriber(ctx, c.msisdn, "language", language); err != nil {
			return "", err
		}
		return texts.Format(language, TextLanguageChanged, Args{"language": texts.Name(language)}), nil
	case "favourite_add":
		if err := g.addFavourite(ctx, c.msisdn, favourite{Number: i.Values["number"], Name: i.Values["name"]}); err != nil {
			if errors.Is(err, errFavourites) {
				return texts.Format(c.sub.Language, TextFavouritesFull, nil), nil
			}
			return "", err
		}
		return texts.Format(c.sub.Language, TextFavouriteAdded, Args{"last4": lastDigits(i.Values["number"])}), nil
	case "favourite_remove":
		if err := g.removeFavourite(ctx, c.msisdn, i.Values["number"]); err != nil {
			return "", err
		}
		return texts.Format(c.sub.Language, TextFavouriteRemoved, Args{"last4": lastDigits(i.Values["number"])}), nil
	case "status":
		text, args, err := g.statusText(ctx, c.sub, i.Values["ref"])
		if err != nil {
			return "", err
		}
		return texts.Format(c.sub.Language, text, args), nil
	}
	return "", fmt.Errorf("the menus want %q done, which the gateway cannot", i.Action)
}

// order journals a transaction and waits for its verdict. When it does not come in
// the dialogue's time the subscriber reads that it is pending; the confirmation goes
// out by SMS in any case.
func (c *call) order(ctx context.Context, d *dialogue, kind link.Kind, values map[string]string) (string, error) {
	g := c.g
	switch { // who was there when the dialogue began may not be now
	case !c.found:
		return g.texts.Load().Format(c.sub.Language, TextNotRegistered, nil), nil
	case c.sub.Status != Active:
		return g.texts.Load().Format(c.sub.Language, TextBlocked, nil), nil
	}
	if d.Order == (link.TxID{}) {
		d.Order = g.keys.TxID()
	}
	in := &mo{bind: d.Bind, msisdn: c.msisdn, shortCode: g.cfg.ShortCode, imsi: c.imsi, at: c.at,
		parts: key(g.store.partition(c.msisdn), "parts", "none")}
	if in.imsi == "" {
		in.imsi = d.IMSI
	}
	// What makes a repeated message of this session, here or at another gateway,
	// the same order.
	in.identity = fmt.Appendf(nil, "%s %s %d", d.Session.Key, d.Began.Format(time.RFC3339Nano), d.Steps)

	var amount int64
	if text := values["amount"]; text != "" {
		var err error
		if amount, err = strconv.ParseInt(text, 10, 64); err != nil {
			return "", fmt.Errorf("the menus give an amount that is none: %w", err)
		}
	}
	tx := &Transaction{
		ID: d.Order, MSISDN: c.msisdn, State: Accepted, Kind: kind, Class: amountClass(amount),
		Language: c.sub.Language, Bind: in.bind, ShortCode: in.shortCode, Accepted: in.at,
		imsi: c.sub.IMSI, Source: link.SourceRegistry,
	}
	if in.imsi != "" {
		tx.imsi, tx.Source = in.imsi, link.SourceNetwork
	}
	b := &body{
		Amount: amount, Payee: values["payee"], Biller: values["biller"], Account: values["account"],
		PIN: d.PINs["pin"], NewPIN: d.PINs["new_pin"], NewPINAgain: d.PINs["new_pin_again"],
	}
	if movesMoney(kind) {
		b.Currency = g.cfg.Currency
	}
	if kind == link.KindAirtime && b.Payee == "" {
		b.Payee = c.msisdn
	}
	texts := g.texts.Load()
	told := g.verdicts.expect(tx.ID)
	defer g.verdicts.forget(tx.ID)
	what, first, err := g.journal(ctx, in, tx, b, in.identity, "dialogue", nil)
	if err != nil {
		// It may have been stored all the same: then its confirmation comes.
		g.log.Error("an order of a USSD dialogue may not be stored", "error", err)
		return texts.Format(c.sub.Language, TextNotSure, nil), nil
	}
	if what != "new" {
		tx.Reference = first
	}
	if text := g.awaitVerdict(ctx, tx, told, g.cfg.USSD.Verdict); text != "" {
		return text, nil
	}
	g.metrics.dialogues.WithLabelValues("verdict by SMS").Inc()
	return texts.Format(c.sub.Language, TextPending, Args{"ref": tx.Reference}), nil
}
