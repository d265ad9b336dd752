package bank

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starhash/bank/link"
)

// modelled is what a customer should be.
type modelled struct {
	balance int64
	pin     string
	wrong   int
	looked  int
}

// sent is a request that the model has seen.
type sent struct {
	q     *link.Request
	keys  *link.DynamicKeys
	msg   []byte
	bytes []byte      // answered
	reply *link.Reply // nil: never delivered, or voided before it was
	pin   string      // as typed
	next  string      // the new PIN, of a PIN change
	again string      // and as typed the second time
}

// Random transfers, airtime, bills, codes in place of PINs, lookups, PIN changes,
// wrong PINs, repeats, repeats under other
// serials, inquiries before and after, and restarts of the bank: the ledger
// stays balanced and the bank agrees with a model that executes every
// transaction at most once.
func TestBankModel(t *testing.T) {
	w := newWorld(t, nil)
	w.Close()
	rapid.Check(t, func(rt *rapid.T) {
		path := w.path(rapid.StringMatching(`[a-z]{12}`).Draw(rt, "file") + ".db")
		memory := rapid.IntRange(0, 4).Draw(rt, "disk") > 0 // a restart needs a file, and a file is slow
		change := func(c *Config) {
			shop(c)
			c.Limits, c.Database = Limits{Single: 4000, Daily: 1e9, Lookups: 2}, path
			if memory {
				c.Database = ":memory:"
			}
		}
		w.start(change)
		defer func() { w.Close() }()
		w.importPeople()
		g := w.gateway()
		model := map[string]*modelled{
			tendai: {balance: 10000, pin: "1357"}, rudo: {balance: 5000, pin: "2468"}, farai: {pin: "1593"},
		}
		people := slices.Sorted(maps.Keys(model))
		var all []*sent
		var fees int64
		took := map[string]int64{} // the bank's own accounts
		pinsOf := []string{"1357", "2468", "1593", "7531"}

		expect := func(s *sent) *link.Reply { // what the model says, and does
			c := model[s.q.Identity.MSISDN]
			if c.wrong >= 3 {
				return &link.Reply{Outcome: link.PINLocked}
			}
			switch {
			case s.q.Kind == link.KindLookup && c.looked == 2:
				return &link.Reply{Outcome: link.OverDailyLimit}
			case s.q.Kind == link.KindLookup:
				if c.looked++; s.q.Payee == s.q.Identity.MSISDN {
					return &link.Reply{Outcome: link.OwnAccount}
				}
				return &link.Reply{Outcome: link.Done}
			case s.q.Auth == link.AuthCode && s.q.Amount > 2000:
				return &link.Reply{Outcome: link.PINNeeded}
			case s.q.Auth == link.AuthCode:
			case s.pin != c.pin:
				c.wrong++
				if c.wrong == 3 {
					return &link.Reply{Outcome: link.PINLocked}
				}
				return &link.Reply{Outcome: link.WrongPIN, TriesLeft: uint8(3 - c.wrong)}
			default:
				c.wrong = 0
			}
			switch {
			case s.q.Kind == link.KindPINChange && s.again != "" && s.again != s.next:
				return &link.Reply{Outcome: link.PINsDiffer}
			case s.q.Kind == link.KindPINChange && s.next == c.pin:
				return &link.Reply{Outcome: link.WeakPIN}
			case s.q.Kind == link.KindPINChange:
				c.pin = s.next
				return &link.Reply{Outcome: link.Done}
			case s.q.Kind == link.KindBalance:
				return &link.Reply{Outcome: link.Done, Balance: c.balance}
			case s.q.Kind == link.KindTransfer && s.q.Payee == s.q.Identity.MSISDN:
				return &link.Reply{Outcome: link.OwnAccount, Balance: c.balance}
			case s.q.Kind == link.KindBill && s.q.Biller != "ZESA":
				return &link.Reply{Outcome: link.UnknownBiller, Balance: c.balance}
			case s.q.Kind == link.KindBill && s.q.Account != meter:
				return &link.Reply{Outcome: link.BadAccount, Balance: c.balance}
			case s.q.Amount > 4000:
				return &link.Reply{Outcome: link.OverLimit, Balance: c.balance}
			case s.q.Amount+3 > c.balance:
				return &link.Reply{Outcome: link.InsufficientFunds, Balance: c.balance}
			}
			c.balance -= s.q.Amount + 3
			fees += 3
			switch s.q.Kind {
			case link.KindAirtime:
				took["airtime"] += s.q.Amount
			case link.KindBill:
				took["biller:ZESA"] += s.q.Amount
			default:
				model[s.q.Payee].balance += s.q.Amount
			}
			return &link.Reply{Outcome: link.Done, Balance: c.balance}
		}
		check := func(what string, got *link.Reply, err error, want *link.Reply) {
			if err != nil {
				rt.Fatalf("%s: %v", what, err)
			}
			if got.Outcome != want.Outcome || got.TriesLeft != want.TriesLeft || got.Balance != want.Balance {
				rt.Fatalf("%s: got %+v, want %+v", what, got, want)
			}
		}

		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			step := rapid.SampledFrom([]string{"new", "new", "new", "new", "deliver", "repeat", "reseal", "inquire", "restart"}).Draw(rt, "step")
			if step == "new" {
				from := rapid.SampledFrom(people).Draw(rt, "from")
				s := &sent{pin: model[from].pin}
				if rapid.IntRange(0, 5).Draw(rt, "slip") == 0 {
					s.pin = rapid.SampledFrom(pinsOf).Draw(rt, "pin")
				}
				switch kind := rapid.SampledFrom([]link.Kind{link.KindTransfer, link.KindTransfer, link.KindBalance,
					link.KindPINChange, link.KindAirtime, link.KindBill, link.KindLookup}).Draw(rt, "kind"); kind {
				case link.KindTransfer:
					s.q = g.request(kind, from, s.pin)
					s.q.Payee, s.q.Currency = rapid.SampledFrom(people).Draw(rt, "to"), "USD"
					s.q.Amount = rapid.Int64Range(1, 5000).Draw(rt, "amount")
				case link.KindPINChange:
					s.next = rapid.SampledFrom(pinsOf).Draw(rt, "next")
					s.q = g.pinChange(from, s.pin, s.next)
					if rapid.Bool().Draw(rt, "twice") {
						s.again = rapid.SampledFrom([]string{s.next, "7531"}).Draw(rt, "again")
						s.q.NewPINAgain = g.pin(s.again, from, s.q.ID, link.PINAgain)
					}
				case link.KindAirtime:
					s.q = g.request(kind, from, s.pin)
					s.q.Payee, s.q.Currency = rapid.SampledFrom(slices.Concat(people, []string{"263779999999"})).Draw(rt, "for"), "USD"
					s.q.Amount = rapid.Int64Range(1, 5000).Draw(rt, "amount")
				case link.KindBill:
					s.q = g.request(kind, from, s.pin)
					s.q.Biller, s.q.Currency = rapid.SampledFrom([]string{"ZESA", "ZESA", "ZINWA"}).Draw(rt, "biller"), "USD"
					s.q.Account = rapid.SampledFrom([]string{meter, meter, "1"}).Draw(rt, "account")
					s.q.Amount = rapid.Int64Range(1, 5000).Draw(rt, "amount")
				case link.KindLookup:
					s.q = g.lookup(from, rapid.SampledFrom(people).Draw(rt, "who"))
				default:
					s.q = g.request(kind, from, s.pin)
				}
				if s.q.Amount > 0 && rapid.IntRange(0, 3).Draw(rt, "code") == 0 {
					withCode(s.q)
				}
				s.keys = g.open(from)
				s.msg = s.keys.SealRequest(s.q)
				all = append(all, s) // not delivered yet: that is a step of its own
				continue
			}
			if step == "restart" {
				if memory {
					continue
				}
				w.Close()
				w.start(change)
				g.join()
				for _, s := range all { // their serials are gone: they would be opened anew
					if s.bytes == nil {
						s.keys = g.open(s.q.Identity.MSISDN)
						s.msg = s.keys.SealRequest(s.q)
					}
				}
				continue
			}
			if len(all) == 0 {
				continue
			}
			s := rapid.SampledFrom(all).Draw(rt, "which")
			switch step {
			case "deliver", "repeat":
				out, err := g.send(link.PathTransact, s.msg)
				if err != nil {
					rt.Fatal(err)
				}
				if s.bytes != nil && string(out) != string(s.bytes) {
					rt.Fatal("a repeat got other bytes")
				}
				s.bytes = out
				if s.reply == nil {
					s.reply = expect(s)
				}
				got, err := s.keys.OpenReply(s.msg, out, g.end.StaticKey)
				check(step, got, err, s.reply)
			case "reseal":
				if s.reply == nil {
					s.reply = expect(s)
				}
				got, err := g.ask(s.q)
				check(step, got, err, s.reply)
			case "inquire":
				if s.reply == nil {
					s.reply = &link.Reply{Outcome: link.Voided} // and never executed from here on
				}
				got, err := g.ask(g.inquiry(s.q.Identity.MSISDN, s.q.ID))
				check(step, got, err, s.reply)
			}
			if rapid.IntRange(0, 9).Draw(rt, "later") == 0 {
				w.clock.add(time.Second)
				g.join()
			}
		}

		for _, msisdn := range people {
			shown, err := w.Accounts().Show(t.Context(), msisdn)
			if err != nil || shown.Balance != model[msisdn].balance || shown.WrongPINs != model[msisdn].wrong {
				rt.Fatalf("%s: %+v, %v; want %+v", msisdn, shown, err, *model[msisdn])
			}
		}
		totals, err := w.Accounts().Total(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		for _, total := range totals {
			if held := 15000 - fees - took["airtime"] - took["biller:ZESA"]; total.Currency == "USD" && total.Held != held {
				rt.Fatalf("customers hold %d, want %d", total.Held, held)
			}
		}
		for purpose, want := range took {
			if got := w.internal(purpose); got != want {
				rt.Fatalf("%s has %d, want %d", purpose, got, want)
			}
		}
	})
}
