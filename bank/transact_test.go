package bank

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"starhash/bank/link"
)

func TestTransferOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*Config)
		request func(*gateway) *link.Request
		want    link.Outcome
		a, b    int64 // tendai and rudo afterwards
	}{
		{"done", nil, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 1250) }, link.Done, 8750, 6250},
		{"all of it", nil, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 10000) }, link.Done, 0, 15000},
		{"a cent too much", nil, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 10001) }, link.InsufficientFunds, 10000, 5000},
		{"the fee does not fit", func(c *Config) { c.Fee = 1 }, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 10000) }, link.InsufficientFunds, 10000, 5000},
		{"nothing", nil, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 0) }, link.BadAmount, 10000, 5000},
		{"backwards", nil, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, -500) }, link.BadAmount, 10000, 5000},
		{"more than there is", nil, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 1<<62) }, link.BadAmount, 10000, 5000},
		{"to oneself", nil, func(g *gateway) *link.Request { return g.transfer(tendai, tendai, 5) }, link.OwnAccount, 10000, 5000},
		{"to nobody", nil, func(g *gateway) *link.Request { return g.transfer(tendai, "263779999999", 5) }, link.UnknownPayee, 10000, 5000},
		{"to no number", nil, func(g *gateway) *link.Request { return g.transfer(tendai, "", 5) }, link.UnknownPayee, 10000, 5000},
		{"to another currency", nil, func(g *gateway) *link.Request { return g.transfer(tendai, juma, 5) }, link.CurrencyMismatch, 10000, 5000},
		{"in another currency", nil, func(g *gateway) *link.Request {
			q := g.transfer(tendai, rudo, 5)
			q.Currency = "KES"
			return q
		}, link.CurrencyMismatch, 10000, 5000},
		{"over the limit", func(c *Config) { c.Limits.Single = 100 }, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 101) }, link.OverLimit, 10000, 5000},
		{"at the limit", func(c *Config) { c.Limits.Single = 100 }, func(g *gateway) *link.Request { return g.transfer(tendai, rudo, 100) }, link.Done, 9900, 5100},
		{"unknown kind", nil, func(g *gateway) *link.Request { return g.request(77, tendai, "1357") }, link.NotOffered, 10000, 5000},
		{"wrong PIN", nil, func(g *gateway) *link.Request {
			q := g.transfer(tendai, rudo, 5)
			q.PIN = g.pin("1358", tendai, q.ID, link.PINCurrent)
			return q
		}, link.WrongPIN, 10000, 5000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, tc.change)
			g := w.gateway()
			g.want(tc.request(g), tc.want)
			w.wantBalances(tc.a, tc.b, 0)
		})
	}
}

func TestTransferReply(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Fee = 10 })
	g := w.gateway()
	r := g.want(g.transfer(tendai, rudo, 1250), link.Done)
	if r.Amount != 1250 || r.Fee != 10 || r.Balance != 8740 || r.Currency != "USD" || r.Payee != rudo ||
		r.PayeeName != "R*** S***" || r.PayerName != "T*** M***" || !r.At.Equal(w.clock.now()) {
		t.Errorf("reply %+v", r)
	}
	w.wantBalances(8740, 6250, 0)
	totals, err := w.Accounts().Total(t.Context())
	if err != nil || len(totals) != 2 || totals[1].Held != 14990 || totals[1].Internal != -14990 {
		t.Errorf("totals %+v, %v: the fee has gone somewhere", totals, err)
	}
}

func TestBalanceAndStatement(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Fee = 10 })
	g := w.gateway()
	for i := range int64(5) {
		w.clock.add(5 * time.Second)
		g.want(g.transfer(tendai, rudo, 100+i), link.Done)
	}
	g.want(g.transfer(rudo, tendai, 7), link.Done)
	r := g.want(g.request(link.KindBalance, tendai, "1357"), link.Done)
	if r.Balance != 10000-510-50+7 || r.Currency != "USD" {
		t.Errorf("balance %d %s", r.Balance, r.Currency)
	}
	r = g.want(g.request(link.KindMini, tendai, "1357"), link.Done)
	if len(r.Lines) != 5 {
		t.Fatalf("%d lines, want 5", len(r.Lines))
	}
	for i, want := range []int64{7, -114, -113, -112, -111} {
		if l := r.Lines[i]; l.Amount != want || l.Party != "0002" || l.Kind != link.KindTransfer {
			t.Errorf("line %d: %+v, want %d", i, l, want)
		}
	}
	r = g.want(g.request(link.KindMini, juma, "8642"), link.Done)
	if len(r.Lines) != 1 || r.Lines[0].Amount != 100000 || r.Lines[0].Party != "" || r.Lines[0].Kind != 0 {
		t.Errorf("opening balance: %+v", r.Lines)
	}
}

func TestDailyLimit(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.Daily = 3000 })
	g := w.gateway()
	g.want(g.transfer(tendai, rudo, 2000), link.Done)
	g.want(g.transfer(tendai, rudo, 1001), link.OverDailyLimit)
	g.want(g.transfer(tendai, rudo, 1000), link.Done)
	g.want(g.transfer(tendai, rudo, 1), link.OverDailyLimit)
	g.want(g.transfer(rudo, tendai, 100), link.Done) // another's limit
	w.clock.add(24 * time.Hour)
	g.join()
	g.want(g.transfer(tendai, rudo, 3000), link.Done)
	w.wantBalances(10000-6000+100, 5000+6000-100, 0)
}

func TestOpenings(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	if err := w.Accounts().SetBlocked(t.Context(), farai, true); err != nil {
		t.Fatal(err)
	}
	swapped := identity(tendai)
	swapped.IMSI = identity(rudo).IMSI
	stranger := link.Identity{MSISDN: "263779999999", IMSI: "648019999999999", Source: link.SourceNetwork}
	got := g.tryOpen(identity(tendai), swapped, stranger, identity(farai))
	for i, want := range []link.OpenResult{link.Opened, link.OpenSIMChanged, link.OpenNotCustomer, link.OpenBlocked} {
		if got[i].Result != want || (got[i].Keys != nil) != (want == link.Opened) {
			t.Errorf("opening %d: %d, want %d", i, got[i].Result, want)
		}
	}
	// What the bank keeps of it: IMSI, MSISDN and serial.
	serial := got[0].Opening.Serial
	id, err := opened(w.store.db, link.Header{Operator: "op1", Serial: serial})
	if err != nil || id != identity(tendai) {
		t.Errorf("on record: %+v, %v", id, err)
	}
	if _, err := opened(w.store.db, link.Header{Operator: "op1", Serial: got[1].Opening.Serial}); err == nil {
		t.Error("a refused opening is on record")
	}
	if n := strings.Count(w.logged.String(), "opening refused"); n != 3 {
		t.Errorf("%d refusals logged, want 3", n)
	}
}

// A serial opens once, also when the bank has forgotten its dynamic key.
func TestSerialOpensOnce(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	batch, err := g.epoch.Open([]link.Opening{{Serial: g.numbers.Serial(), Identity: identity(tendai)}})
	if err != nil {
		t.Fatal(err)
	}
	serial := batch.Openings[0].Serial
	if out, err := batch.Finish(g.must(link.PathOpen, batch.Message)); err != nil || out[0].Result != link.Opened {
		t.Fatalf("%+v, %v", out, err)
	}
	w.Close()
	w.start(nil)
	g.join()
	if batch, err = g.epoch.Open([]link.Opening{{Serial: serial, Identity: identity(tendai)}}); err != nil {
		t.Fatal(err)
	}
	out, err := batch.Finish(g.must(link.PathOpen, batch.Message))
	if err != nil || out[0].Result != link.OpenSerialUsed {
		t.Fatalf("%+v, %v; want the serial refused", out, err)
	}
}

// A gateway whose store was lost learns the last boot number that it used.
func TestLastBoot(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	if g.epoch.LastBoot != 0 {
		t.Errorf("boot %d before any opening", g.epoch.LastBoot)
	}
	for _, boot := range []uint32{5, 3000000000, 17} {
		g.numbers = link.NewNumbers("op1", 7, boot)
		g.open(tendai)
	}
	g.numbers = link.NewNumbers("op1", 8, 4000000000) // another node's
	g.open(tendai)
	g.join()
	if g.epoch.LastBoot != 3000000000 {
		t.Errorf("boot %d, want 3000000000", g.epoch.LastBoot)
	}
	g.end.Node = 9
	if g.join(); g.epoch.LastBoot != 0 {
		t.Errorf("boot %d of a node that never opened a serial", g.epoch.LastBoot)
	}
}

// The same serial with the same bytes: the same stored bytes, money moves once.
func TestRepeatGetsStoredBytes(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	msg := k.SealRequest(g.transfer(tendai, rudo, 500))
	first := g.must(link.PathTransact, msg)
	w.clock.add(time.Hour) // long after the serial expired
	again := g.must(link.PathTransact, msg)
	w.Close()
	w.start(nil) // a restart loses the dynamic keys, not the replies
	after := g.must(link.PathTransact, msg)
	if !bytes.Equal(first, again) || !bytes.Equal(first, after) {
		t.Error("the stored reply changed")
	}
	if r, err := k.OpenReply(msg, after, g.end.StaticKey); err != nil || r.Outcome != link.Done {
		t.Errorf("%+v, %v", r, err)
	}
	w.wantBalances(9500, 5500, 0)
	w.wantAlarms(0)
}

func TestReplayedSerial(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	if _, err := g.sendSealed(k, k.SealRequest(g.transfer(tendai, rudo, 500))); err != nil {
		t.Fatal(err)
	}
	_, err := g.sendSealed(k, k.SealRequest(g.transfer(tendai, rudo, 400)))
	wantCode(t, err, link.ReplayedSerial)
	w.wantBalances(9500, 5500, 0)
	w.wantAlarms(1)
}

// Two different requests race for one serial, and many copies of one: one of
// them executes, and all copies get its bytes.
func TestSerialRace(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	msgs := [][]byte{k.SealRequest(g.transfer(tendai, rudo, 500)), k.SealRequest(g.transfer(tendai, rudo, 400))}
	type answer struct {
		which int
		bytes []byte
		err   error
	}
	answers := make(chan answer)
	const n = 16
	for i := range n {
		go func() {
			out, err := w.transact(t.Context(), msgs[i%2])
			answers <- answer{i % 2, out, err}
		}()
	}
	got := map[int][]byte{}
	for range n {
		a := <-answers
		if a.err != nil {
			if link.CodeOf(a.err) != link.ReplayedSerial {
				t.Error(a.err)
			}
			continue
		}
		if before := got[a.which]; before != nil && !bytes.Equal(before, a.bytes) {
			t.Error("two answers to one message")
		}
		got[a.which] = a.bytes
	}
	if len(got) != 1 {
		t.Fatalf("%d requests executed under one serial", len(got))
	}
	if got[0] != nil {
		w.wantBalances(9500, 5500, 0)
	} else {
		w.wantBalances(9600, 5400, 0)
	}
}

func TestTamperedSeal(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	msg := k.SealRequest(g.transfer(tendai, rudo, 500))
	for _, i := range []int{20, 44, 100, len(msg) - 1} { // epoch, body, body, tag
		bad := bytes.Clone(msg)
		bad[i] ^= 1
		_, err := k.OpenReply(bad, g.must(link.PathTransact, bad), g.end.StaticKey)
		wantCode(t, err, link.BadSeal)
	}
	w.wantBalances(10000, 5000, 0)
	w.wantAlarms(4)
	// A forgery does not use the serial up.
	if r, err := g.sendSealed(k, msg); err != nil || r.Outcome != link.Done {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestIMSIOfAnotherSubscriber(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	refused := func(k *link.DynamicKeys, q *link.Request) {
		t.Helper()
		_, err := g.sendSealed(k, k.SealRequest(q))
		wantCode(t, err, link.Mismatch)
	}
	q := g.transfer(tendai, rudo, 500)
	q.Identity.IMSI = identity(rudo).IMSI
	refused(g.open(tendai), q)
	refused(g.open(rudo), g.transfer(tendai, rudo, 500))
	// The record of the opening counts, not only what the link remembers.
	k := g.open(tendai)
	if _, err := w.store.db.Exec(`UPDATE openings SET imsi = ? WHERE serial = ?`, identity(rudo).IMSI, k.Header.Serial[:]); err != nil {
		t.Fatal(err)
	}
	refused(k, g.transfer(tendai, rudo, 500))
	w.wantBalances(10000, 5000, 0)
	w.wantAlarms(3)
}

// The SIM, the account or the block may change between opening and transaction.
func TestChangedSinceOpening(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	for _, tc := range []struct {
		query string
		want  link.Outcome
	}{
		{`UPDATE customers SET imsi = '648010000000099' WHERE msisdn = '263771000001'`, link.SIMChanged},
		{`UPDATE customers SET imsi = '648010000000001', blocked = 1 WHERE msisdn = '263771000001'`, link.Blocked},
		{`DELETE FROM customers WHERE msisdn = '263771000001'`, link.NotCustomer},
	} {
		if _, err := w.store.db.Exec(`UPDATE customers SET imsi = '648010000000001', blocked = 0 WHERE msisdn = '263771000001'`); err != nil {
			t.Fatal(err)
		}
		k := g.open(tendai)
		if _, err := w.store.db.Exec(tc.query); err != nil {
			t.Fatal(err)
		}
		if r, err := g.sendSealed(k, k.SealRequest(g.transfer(tendai, rudo, 500))); err != nil || r.Outcome != tc.want {
			t.Errorf("%+v, %v; want %v", r, err, tc.want)
		}
	}
}

func TestBlockedPayee(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	if err := w.Accounts().SetBlocked(t.Context(), rudo, true); err != nil {
		t.Fatal(err)
	}
	g.want(g.transfer(tendai, rudo, 5), link.UnknownPayee)
}

func TestExpiredOpening(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	w.clock.add(keyLife + time.Second)
	_, err := g.sendSealed(k, k.SealRequest(g.transfer(tendai, rudo, 500)))
	wantCode(t, err, link.ExpiredSerial)
	w.wantBalances(10000, 5000, 0)
}

func TestUnknownSerialAfterRestart(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	w.Close()
	w.start(nil)
	_, err := g.sendSealed(k, k.SealRequest(g.transfer(tendai, rudo, 500)))
	wantCode(t, err, link.UnknownSerial)
	w.wantBalances(10000, 5000, 0)
}

// One transaction under two serials is executed once; another transaction with
// its number is refused.
func TestTransactionNumber(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	q := g.transfer(tendai, rudo, 500)
	first := g.want(q, link.Done)
	w.clock.add(time.Minute / 2)
	again := g.want(q, link.Done)
	if again.Balance != first.Balance || !again.At.Equal(first.At) || again.PayeeName != first.PayeeName {
		t.Errorf("the recorded outcome changed: %+v, then %+v", first, again)
	}
	w.wantBalances(9500, 5500, 0)

	for name, change := range map[string]func(*link.Request){
		"amount": func(q *link.Request) { q.Amount++ },
		"payee":  func(q *link.Request) { q.Payee = farai },
		"PIN":    func(q *link.Request) { q.PIN = g.pin("0000", tendai, q.ID, link.PINCurrent) },
		"kind":   func(q *link.Request) { q.Kind = link.KindBalance },
	} {
		other := *q
		change(&other)
		_, err := g.ask(&other)
		if link.CodeOf(err) != link.ReplayedSerial {
			t.Errorf("another %s: %v", name, err)
		}
	}
	other := g.transfer(rudo, tendai, 500)
	other.ID = q.ID
	_, err := g.ask(other)
	wantCode(t, err, link.ReplayedSerial)
	w.wantBalances(9500, 5500, 0)
	w.wantAlarms(5)
}

func TestInquire(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()

	done := g.transfer(tendai, rudo, 500)
	g.want(done, link.Done)
	if r := g.want(g.inquiry(tendai, done.ID), link.Done); r.Amount != 500 || r.Balance != 9500 {
		t.Errorf("recorded outcome: %+v", r)
	}
	wrong := g.request(link.KindBalance, tendai, "0000")
	g.want(wrong, link.WrongPIN)
	if r := g.want(g.inquiry(tendai, wrong.ID), link.WrongPIN); r.TriesLeft != 2 {
		t.Errorf("%d left", r.TriesLeft)
	}

	// Inquired before it came: voided, and then it never executes.
	late := g.transfer(tendai, rudo, 300)
	k := g.open(tendai)
	msg := k.SealRequest(late) // under way
	g.want(g.inquiry(tendai, late.ID), link.Voided)
	g.want(g.inquiry(tendai, late.ID), link.Voided)
	if r, err := g.sendSealed(k, msg); err != nil || r.Outcome != link.Voided {
		t.Errorf("%+v, %v", r, err)
	}
	g.want(late, link.Voided)
	g.want(g.inquiry(tendai, late.ID), link.Voided)
	w.wantBalances(9500, 5500, 0)
	w.wantAlarms(0)

	// Nobody else's transactions.
	_, err := g.ask(g.inquiry(rudo, done.ID))
	wantCode(t, err, link.Mismatch)
	stolen := g.transfer(rudo, farai, 5)
	stolen.ID = late.ID
	_, err = g.ask(stolen)
	wantCode(t, err, link.ReplayedSerial)
	w.wantBalances(9500, 5500, 0)
}

// Nothing that identifies or authenticates a subscriber is in the log, nor in
// the database what only the vault may know.
func TestLogAndDatabaseHoldNoSecrets(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	g.want(g.transfer(tendai, rudo, 1250), link.Done)
	g.want(g.request(link.KindBalance, tendai, "8080"), link.WrongPIN)
	g.want(g.pinChange(tendai, "1357", "736251"), link.Done)
	k := g.open(tendai)
	bad := k.SealRequest(g.transfer(tendai, rudo, 5))
	bad[60] ^= 1
	g.must(link.PathTransact, bad)
	g.tryOpen(link.Identity{MSISDN: tendai, IMSI: "648010000000077", Source: link.SourceNetwork})
	log := w.logged.String()
	for _, s := range []string{"1357", "8080", "736251", tendai, rudo, identity(tendai).IMSI, "648010000000077", "Tendai", "Moyo", "T***"} {
		if strings.Contains(log, s) {
			t.Errorf("the log holds %q:\n%s", s, log)
		}
	}
	if !strings.Contains(log, "msisdn=0001") {
		t.Error("the log does not name the last digits")
	}
	rows, err := w.store.db.Query(`SELECT CAST(pin_salt AS TEXT) || CAST(pin_value AS TEXT) FROM customers
		UNION ALL SELECT reply FROM transactions UNION ALL SELECT CAST(sealed AS TEXT) FROM exchanges`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s, "736251") || strings.Contains(s, tendai) {
			t.Errorf("the database holds a secret: %q", s)
		}
	}
}

func TestMaskName(t *testing.T) {
	for name, want := range map[string]string{
		"Tendai Moyo": "T*** M***", "Farai": "F***", "": "", "  Éloïse  Traoré ": "É*** T***", "A B C D": "A*** B*** C***",
	} {
		if got := maskName(name); got != want {
			t.Errorf("maskName(%q) = %q, want %q", name, got, want)
		}
	}
}
