package bank

import (
	"maps"
	"strings"
	"testing"
	"time"

	"starhash/bank/link"
)

// shop sells airtime and takes two billers' bills, for a fee of 3 cents and up
// to 40.00; a code is enough for 20.00.
func shop(c *Config) {
	c.Fee, c.Limits.Single, c.Limits.Daily = 3, 4000, 6000
	c.Airtime = true
	c.Billers = []Biller{
		{Code: "ZESA", Name: "ZESA Holdings", Account: "[0-9]{11}"},
		{Code: "SCHOOL9", Name: "School 9", Account: "[A-Z][0-9]+|GUEST"},
	}
	c.Operators[0].WithoutPIN = "20.00"
}

const meter = "04123456789"

// Everybody has a tenth of a thousand and the rest goes where it should: what a
// request does to tendai's 100.00, and to the bank's own accounts.
func TestPaymentOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*Config)
		request func(*gateway) *link.Request
		want    link.Outcome
		paid    int64 // by tendai, fee and all
	}{
		{"airtime for oneself", nil, func(g *gateway) *link.Request { return g.airtime(tendai, tendai, 500) }, link.Done, 503},
		{"airtime for another", nil, func(g *gateway) *link.Request { return g.airtime(tendai, rudo, 500) }, link.Done, 503},
		{"airtime for a number that is no customer's", nil, func(g *gateway) *link.Request { return g.airtime(tendai, "263779999999", 500) }, link.Done, 503},
		{"airtime for no number", nil, func(g *gateway) *link.Request { return g.airtime(tendai, "", 500) }, link.UnknownPayee, 0},
		{"airtime for half a number", nil, func(g *gateway) *link.Request { return g.airtime(tendai, "263771", 500) }, link.UnknownPayee, 0},
		{"airtime where none is sold", func(c *Config) { c.Airtime = false }, func(g *gateway) *link.Request { return g.airtime(tendai, tendai, 500) }, link.NotOffered, 0},
		{"airtime of nothing", nil, func(g *gateway) *link.Request { return g.airtime(tendai, tendai, 0) }, link.BadAmount, 0},
		{"airtime of less than nothing", nil, func(g *gateway) *link.Request { return g.airtime(tendai, tendai, -500) }, link.BadAmount, 0},
		{"airtime over the limit", nil, func(g *gateway) *link.Request { return g.airtime(tendai, tendai, 4001) }, link.OverLimit, 0},
		{"airtime for more than there is", func(c *Config) { c.Limits = Limits{Daily: 1e9} }, func(g *gateway) *link.Request { return g.airtime(tendai, tendai, 9998) }, link.InsufficientFunds, 0},
		{"airtime in another currency", nil, func(g *gateway) *link.Request {
			q := g.airtime(tendai, tendai, 500)
			q.Currency = "KES"
			return q
		}, link.CurrencyMismatch, 0},
		{"airtime with a wrong PIN", nil, func(g *gateway) *link.Request {
			q := g.airtime(tendai, tendai, 500)
			q.PIN = g.pin("1358", tendai, q.ID, link.PINCurrent)
			return q
		}, link.WrongPIN, 0},

		{"bill", nil, func(g *gateway) *link.Request { return g.bill(tendai, "ZESA", meter, 2500) }, link.Done, 2503},
		{"bill of another form", nil, func(g *gateway) *link.Request { return g.bill(tendai, "SCHOOL9", "GUEST", 2500) }, link.Done, 2503},
		{"bill of nobody", nil, func(g *gateway) *link.Request { return g.bill(tendai, "ZINWA", meter, 2500) }, link.UnknownBiller, 0},
		{"bill without a biller", nil, func(g *gateway) *link.Request { return g.bill(tendai, "", meter, 2500) }, link.UnknownBiller, 0},
		{"bill of an account that is too long", nil, func(g *gateway) *link.Request { return g.bill(tendai, "ZESA", meter+"0", 2500) }, link.BadAccount, 0},
		{"bill of an account with something before", nil, func(g *gateway) *link.Request { return g.bill(tendai, "SCHOOL9", "X GUEST", 2500) }, link.BadAccount, 0},
		{"bill without an account", nil, func(g *gateway) *link.Request { return g.bill(tendai, "ZESA", "", 2500) }, link.BadAccount, 0},
		{"bill where none are taken", func(c *Config) { c.Billers = nil }, func(g *gateway) *link.Request { return g.bill(tendai, "ZESA", meter, 2500) }, link.NotOffered, 0},
		{"bill over the limit", nil, func(g *gateway) *link.Request { return g.bill(tendai, "ZESA", meter, 4001) }, link.OverLimit, 0},
		{"bill with a wrong PIN", nil, func(g *gateway) *link.Request {
			q := g.bill(tendai, "ZINWA", meter, 2500) // which nobody learns without the PIN
			q.PIN = g.pin("1358", tendai, q.ID, link.PINCurrent)
			return q
		}, link.WrongPIN, 0},
		{"transfer that names a biller too", nil, func(g *gateway) *link.Request {
			q := g.transfer(tendai, "263779999999", 500)
			q.Biller, q.Account = "ZESA", meter
			return q
		}, link.UnknownPayee, 0},

		{"code for a transfer", nil, func(g *gateway) *link.Request { return withCode(g.transfer(tendai, farai, 2000)) }, link.Done, 2003},
		{"code for airtime", nil, func(g *gateway) *link.Request { return withCode(g.airtime(tendai, tendai, 2000)) }, link.Done, 2003},
		{"code for a bill", nil, func(g *gateway) *link.Request { return withCode(g.bill(tendai, "ZESA", meter, 2000)) }, link.Done, 2003},
		{"code for a cent more", nil, func(g *gateway) *link.Request { return withCode(g.transfer(tendai, farai, 2001)) }, link.PINNeeded, 0},
		{"code for another currency", nil, func(g *gateway) *link.Request {
			q := withCode(g.transfer(tendai, farai, 500))
			q.Currency = "JPY"
			return q
		}, link.PINNeeded, 0},
		{"code where a PIN is always needed", func(c *Config) { c.Operators[0].WithoutPIN = "" }, func(g *gateway) *link.Request { return withCode(g.transfer(tendai, farai, 1)) }, link.PINNeeded, 0},
		{"code for the balance", nil, func(g *gateway) *link.Request { return withCode(g.request(link.KindBalance, tendai, "1357")) }, link.PINNeeded, 0},
		{"code for another PIN", nil, func(g *gateway) *link.Request { return withCode(g.pinChange(tendai, "1357", "2580")) }, link.PINNeeded, 0},
		{"code over the limit of all", func(c *Config) { c.Limits.Single = 1000 }, func(g *gateway) *link.Request { return withCode(g.transfer(tendai, farai, 1001)) }, link.OverLimit, 0},
		{"code beside a PIN", nil, func(g *gateway) *link.Request {
			q := g.transfer(tendai, farai, 3000)
			q.Auth = link.AuthCode
			return q
		}, link.PINNeeded, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) {
				shop(c)
				if tc.change != nil {
					tc.change(c)
				}
			})
			g := w.gateway()
			q := tc.request(g)
			r := g.want(q, tc.want)
			if r.Fee != min(tc.paid, 3) || (tc.paid > 0 && r.Balance != 10000-tc.paid) {
				t.Errorf("reply %+v", r)
			}
			wrong := 0
			if tc.want == link.WrongPIN {
				wrong = 1
			}
			if s, err := w.Accounts().Show(t.Context(), tendai); err != nil || s.WrongPINs != wrong {
				t.Errorf("%d wrong PINs counted, %v", s.WrongPINs, err)
			}
			to := map[string]int64{"farai": w.balanceOf(farai), "airtime": w.internal("airtime"), "fees": w.internal("fees"),
				"ZESA": w.internal("biller:ZESA"), "SCHOOL9": w.internal("biller:SCHOOL9")}
			want := map[string]int64{"fees": min(tc.paid, 3)}
			switch {
			case tc.paid == 0:
			case q.Kind == link.KindAirtime:
				want["airtime"] = tc.paid - 3
			case q.Kind == link.KindBill:
				want[q.Biller] = tc.paid - 3
			default:
				want["farai"] = tc.paid - 3
			}
			for name, got := range to {
				if got != want[name] {
					t.Errorf("%s has %d, want %d", name, got, want[name])
				}
			}
			if got := w.balanceOf(tendai); got != 10000-tc.paid {
				t.Errorf("tendai has %d, want %d", got, 10000-tc.paid)
			}
			w.balanced()
		})
	}
}

func TestPaymentReplies(t *testing.T) {
	w := newWorld(t, shop)
	g := w.gateway()
	r := g.want(g.airtime(tendai, rudo, 500), link.Done)
	if r.Amount != 500 || r.Currency != "USD" || r.Payee != rudo || r.PayeeName != "" || r.PayerName != "T*** M***" {
		t.Errorf("airtime: %+v tells more or less than the number", r)
	}
	r = g.want(g.bill(tendai, "ZESA", meter, 2500), link.Done)
	if r.Amount != 2500 || r.PayeeName != "ZESA Holdings" || r.Account != meter || r.Payee != "" {
		t.Errorf("bill: %+v", r)
	}
	g.want(g.transfer(tendai, rudo, 100), link.Done)
	r = g.want(g.request(link.KindMini, tendai, "1357"), link.Done)
	want := []link.Line{{Amount: -103, Kind: link.KindTransfer, Party: "0002"}, {Amount: -2503, Kind: link.KindBill, Party: "ZESA"},
		{Amount: -503, Kind: link.KindAirtime}, {Amount: 10000}}
	for i := range want {
		want[i].At = r.Lines[i].At
		if len(r.Lines) != len(want) || r.Lines[i] != want[i] {
			t.Fatalf("mini-statement %+v, want %+v", r.Lines, want)
		}
	}
}

// What is owed to the operator and to the billers can be read off.
func TestOwnAccounts(t *testing.T) {
	w := newWorld(t, shop)
	g := w.gateway()
	g.want(g.airtime(tendai, rudo, 500), link.Done)
	g.want(g.bill(tendai, "ZESA", meter, 2500), link.Done)
	g.want(g.bill(tendai, "ZESA", meter, 100), link.Done)
	own, err := w.Accounts().Own(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, o := range own {
		got[o.Name] = o.Balance
	}
	want := map[string]int64{"airtime:USD": 500, "biller:ZESA:USD": 2600, "fees:USD": 9, "opening:USD": -15000, "opening:KES": -100000}
	if !maps.Equal(got, want) {
		t.Errorf("own accounts %v, want %v", got, want)
	}
}

// A day's limit is one for all that a customer pays.
func TestDailyLimitOfAllPayments(t *testing.T) {
	w := newWorld(t, shop)
	g := w.gateway()
	g.want(g.airtime(tendai, tendai, 2000), link.Done)
	g.want(g.bill(tendai, "ZESA", meter, 2000), link.Done)
	g.want(withCode(g.transfer(tendai, rudo, 1000)), link.Done)
	g.want(g.airtime(tendai, tendai, 1001), link.OverDailyLimit)
	g.want(withCode(g.bill(tendai, "ZESA", meter, 1001)), link.OverDailyLimit)
	g.want(g.airtime(tendai, tendai, 1000), link.Done)
	w.balanced()
}

// Without a PIN the customer is authenticated as with one, and a PIN that was
// tried out stays locked.
func TestCodeOfWhomTheBankRefuses(t *testing.T) {
	w := newWorld(t, shop)
	g := w.gateway()
	transfer := func() *link.Request { return withCode(g.transfer(tendai, rudo, 500)) }
	keys := g.open(tendai)
	if err := w.Accounts().SetBlocked(t.Context(), tendai, true); err != nil {
		t.Fatal(err)
	}
	if r, err := g.sendSealed(keys, keys.SealRequest(transfer())); err != nil || r.Outcome != link.Blocked {
		t.Errorf("blocked: %+v, %v", r, err)
	}
	if err := w.Accounts().SetBlocked(t.Context(), tendai, false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		g.ask(g.request(link.KindBalance, tendai, "0000"))
	}
	g.want(transfer(), link.PINLocked)
	g.want(g.lookup(tendai, rudo), link.PINLocked)
	// A code neither counts as a right PIN nor unlocks one.
	g.ask(g.request(link.KindBalance, rudo, "0000"))
	g.want(withCode(g.transfer(rudo, farai, 500)), link.Done)
	if s, _ := w.Accounts().Show(t.Context(), rudo); s.WrongPINs != 1 {
		t.Errorf("%d wrong PINs counted after a code, want 1", s.WrongPINs)
	}
	w.wantBalances(10000, 4497, 500)
}

// What one operator may do another may not.
func TestCodeIsOneOperators(t *testing.T) {
	w := newWorld(t, shop)
	b := w.Bank
	q := &link.Request{Kind: link.KindTransfer, Amount: 1, Currency: "USD"}
	if !b.codeIsEnough("op1", q) || b.codeIsEnough("op2", q) {
		t.Error("a code is not op1's alone")
	}
}

func TestLookup(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		shop(c)
		c.Limits.Lookups = 4
	})
	g := w.gateway()
	biller := func(code, account string) *link.Request {
		q := g.lookup(tendai, "")
		q.Biller, q.Account = code, account
		return q
	}
	for _, tc := range []struct {
		name string
		q    *link.Request
		want link.Outcome
		says string
	}{
		{"biller", biller("ZESA", ""), link.Done, "ZESA Holdings"},
		{"biller and account", biller("ZESA", meter), link.Done, "ZESA Holdings"},
		{"no biller", biller("ZINWA", ""), link.UnknownBiller, ""},
		{"no account of the biller", biller("ZESA", "1"), link.BadAccount, ""},
		{"payee", g.lookup(tendai, rudo), link.Done, "R*** S***"},
		{"no customer", g.lookup(tendai, "263779999999"), link.UnknownPayee, ""},
		{"oneself", g.lookup(tendai, tendai), link.OwnAccount, ""},
		{"payee in another currency", g.lookup(tendai, juma), link.CurrencyMismatch, ""},
		{"one too many", g.lookup(tendai, rudo), link.OverDailyLimit, ""},
		{"one too many that is no customer", g.lookup(tendai, "263779999999"), link.OverDailyLimit, ""},
		{"biller all the same", biller("ZESA", ""), link.Done, "ZESA Holdings"},
		{"another's", g.lookup(rudo, tendai), link.Done, "T*** M***"},
	} {
		if r := g.want(tc.q, tc.want); r.PayeeName != tc.says || r.PayerName != "" || r.Balance != 0 {
			t.Errorf("%s: %+v, want %q", tc.name, r, tc.says)
		}
	}
	w.clock.add(24 * time.Hour)
	g.join()
	q := g.lookup(tendai, rudo)
	g.want(q, link.Done)
	for range 5 {
		g.want(q, link.Done) // the same one again is not another
	}
	if err := w.Accounts().SetBlocked(t.Context(), rudo, true); err != nil {
		t.Fatal(err)
	}
	g.want(g.lookup(tendai, rudo), link.UnknownPayee) // as a transfer
	w.wantBalances(10000, 5000, 0)
	if log := w.logged.String(); strings.Contains(log, "R***") || strings.Contains(log, rudo) {
		t.Errorf("the log tells who was looked up:\n%s", log)
	}
	if n := w.internal("biller:ZESA"); n != 0 {
		t.Errorf("a lookup moved %d", n)
	}
}

func TestLookupNotOffered(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.Lookups = 0 })
	g := w.gateway()
	g.want(g.lookup(tendai, rudo), link.NotOffered)
}

// A lookup says of a payee what a transfer says, whoever it is.
func TestLookupTellsNoMoreThanATransfer(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	if err := w.Accounts().SetBlocked(t.Context(), farai, true); err != nil {
		t.Fatal(err)
	}
	for _, payee := range []string{tendai, rudo, farai, juma, "263779999999", ""} {
		looked, err := g.ask(g.lookup(tendai, payee))
		if err != nil {
			t.Fatal(err)
		}
		paid, err := g.ask(g.transfer(tendai, payee, 1))
		if err != nil {
			t.Fatal(err)
		}
		if looked.Outcome != paid.Outcome || looked.PayeeName != paid.PayeeName {
			t.Errorf("%s: a lookup says %v %q, a transfer %v %q", payee, looked.Outcome, looked.PayeeName, paid.Outcome, paid.PayeeName)
		}
	}
}

// A new PIN that was typed twice, in two ways, is not taken; what the current
// one was is not told by it.
func TestPINTypedTwice(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	change := func(old, new, again string) *link.Request {
		q := g.pinChange(tendai, old, new)
		q.NewPINAgain = g.pin(again, tendai, q.ID, link.PINAgain)
		return q
	}
	g.want(change("1357", "2580", "2581"), link.PINsDiffer)
	g.want(change("1357", "2580", "25800"), link.PINsDiffer)
	g.want(change("1357", "1111", "2580"), link.PINsDiffer)
	g.want(change("0000", "2580", "2581"), link.WrongPIN)
	g.want(g.request(link.KindBalance, tendai, "1357"), link.Done)
	g.want(change("1357", "1111", "1111"), link.WeakPIN)
	q := change("1357", "2580", "2580")
	q.NewPINAgain = q.NewPIN // of another position
	if _, err := g.ask(q); link.CodeOf(err) != link.BadSeal {
		t.Errorf("the first capsule in place of the second: %v", err)
	}
	g.want(change("1357", "2580", "2580"), link.Done)
	g.want(g.request(link.KindBalance, tendai, "2580"), link.Done)
}
