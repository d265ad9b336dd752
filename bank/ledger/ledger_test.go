package ledger_test

import (
	"database/sql"
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"starhash/bank/ledger"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "ledger.db")+"?_pragma=foreign_keys(1)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(ledger.Schema); err != nil {
		t.Fatal(err)
	}
	return db
}

// book is a ledger with three customers and the internal accounts.
type book struct {
	*sql.DB
	opening, fees, a, b, k ledger.AccountID // k has KES, the others USD
}

func newBook(t testing.TB) *book {
	b := &book{DB: open(t)}
	must := func(id ledger.AccountID, err error) ledger.AccountID {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	b.opening = must(ledger.Internal(b, "opening", "USD"))
	b.fees = must(ledger.Internal(b, "fees", "USD"))
	b.a = must(ledger.Open(b, "263771000001", "USD", false))
	b.b = must(ledger.Open(b, "263771000002", "USD", false))
	b.k = must(ledger.Open(b, "254700000001", "KES", false))
	if err := ledger.Post(b, entry("opening/1", b.opening, b.a, 10000)); err != nil {
		t.Fatal(err)
	}
	return b
}

func entry(ref string, from, to ledger.AccountID, amount int64) ledger.Entry {
	return ledger.Entry{Ref: ref, Kind: "transfer", At: noon, Postings: []ledger.Posting{
		{Account: from, Amount: -amount, Other: to}, {Account: to, Amount: amount, Other: from}}}
}

// post posts in a transaction of its own, as the bank does.
func (b *book) post(t testing.TB, e ledger.Entry) error {
	t.Helper()
	tx, err := b.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := ledger.Post(tx, e); err != nil {
		return err
	}
	return tx.Commit()
}

func (b *book) balance(t testing.TB, id ledger.AccountID) int64 {
	t.Helper()
	a, err := ledger.Get(b, id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Balance
}

func TestPost(t *testing.T) {
	b := newBook(t)
	for _, tc := range []struct {
		name  string
		entry ledger.Entry
		want  error
		a, b  int64
	}{
		{"transfer", entry("t1", b.a, b.b, 500), nil, 9500, 500},
		{"the same reference again", entry("t1", b.a, b.b, 500), ledger.ErrPosted, 9500, 500},
		{"with a fee", ledger.Entry{Ref: "t2", At: noon, Postings: []ledger.Posting{
			{Account: b.a, Amount: -510, Other: b.b}, {Account: b.b, Amount: 500, Other: b.a}, {Account: b.fees, Amount: 10, Other: b.a}}}, nil, 8990, 1000},
		{"all of it", entry("t3", b.b, b.a, 1000), nil, 9990, 0},
		{"one cent too much", entry("t4", b.a, b.b, 9991), ledger.ErrFunds, 9990, 0},
		{"nothing", entry("t5", b.a, b.b, 0), ledger.ErrAmount, 9990, 0},
		{"too large", entry("t6", b.opening, b.b, ledger.MaxAmount+1), ledger.ErrAmount, 9990, 0},
		{"smallest integer", entry("t7", b.opening, b.b, math.MinInt64), ledger.ErrAmount, 9990, 0},
		{"one-sided", ledger.Entry{Ref: "t8", Postings: []ledger.Posting{{Account: b.b, Amount: 5, Other: b.a}}}, ledger.ErrUnbalanced, 9990, 0},
		{"a cent out of nowhere", ledger.Entry{Ref: "t9", Postings: []ledger.Posting{
			{Account: b.a, Amount: -5, Other: b.b}, {Account: b.b, Amount: 6, Other: b.a}}}, ledger.ErrUnbalanced, 9990, 0},
		{"other currency", entry("t10", b.a, b.k, 5), ledger.ErrCurrency, 9990, 0},
		{"no such account", entry("t11", b.a, 999, 5), ledger.ErrNoAccount, 9990, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := b.post(t, tc.entry); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if ga, gb := b.balance(t, b.a), b.balance(t, b.b); ga != tc.a || gb != tc.b {
				t.Errorf("balances %d and %d, want %d and %d", ga, gb, tc.a, tc.b)
			}
			if _, err := ledger.Totals(b); err != nil {
				t.Error(err)
			}
		})
	}
}

// The database refuses what Post would never ask for.
func TestSchemaRefuses(t *testing.T) {
	for _, query := range []string{
		`UPDATE accounts SET balance = -1 WHERE internal = 0`,
		`UPDATE accounts SET balance = 1.5`,
		`UPDATE accounts SET currency = 'KES'`,
		`DELETE FROM accounts`,
		`UPDATE postings SET amount = 1`,
		`DELETE FROM postings`,
		`UPDATE entries SET at = 1`,
		`DELETE FROM entries`,
		`INSERT INTO entries (ref, kind, at) VALUES ('opening/1', '', 0)`,
	} {
		t.Run(query, func(t *testing.T) {
			if _, err := newBook(t).Exec(query); err == nil {
				t.Error("the database took it")
			}
		})
	}
}

// Totals finds what somebody with a hand in the database did.
func TestTotalsFinds(t *testing.T) {
	for _, query := range []string{
		`UPDATE accounts SET balance = balance + 1 WHERE name = '263771000001'`,
		`UPDATE accounts SET balance = balance + 1`,
		`INSERT INTO postings (account, entry, amount, balance, other) VALUES ((SELECT id FROM accounts WHERE name = '263771000002'), 1, 5, 5, 1)`,
		`INSERT INTO entries (ref, kind, at) VALUES ('x', '', 0)`,
	} {
		t.Run(query, func(t *testing.T) {
			b := newBook(t)
			if _, err := ledger.Totals(b); err != nil {
				t.Fatalf("before: %v", err)
			}
			if _, err := b.Exec(query); err != nil {
				t.Fatal(err)
			}
			if _, err := ledger.Totals(b); err == nil {
				t.Error("Totals found nothing")
			}
		})
	}
}

func TestStatement(t *testing.T) {
	b := newBook(t)
	for i, ref := range []string{"1", "2", "3", "4", "5", "6"} {
		e := entry(ref, b.a, b.b, int64(i+1))
		e.At = noon.Add(time.Duration(i) * time.Minute)
		if err := b.post(t, e); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := ledger.Statement(b, b.a, 5)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 5 {
		t.Fatalf("%d lines, want 5", len(lines))
	}
	for i, l := range lines {
		if want := int64(-6 + i); l.Amount != want || l.Other.Name != "263771000002" || !l.At.Equal(noon.Add(time.Duration(5-i)*time.Minute)) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	if lines[0].Balance != 10000-21 {
		t.Errorf("balance after the last: %d", lines[0].Balance)
	}
}

func TestInternalAccounts(t *testing.T) {
	b := newBook(t)
	again, err := ledger.Internal(b, "fees", "USD")
	if err != nil || again != b.fees {
		t.Errorf("fees again: account %d, %v; want %d", again, err, b.fees)
	}
	if _, err := ledger.Open(b, "263771000001", "USD", false); err == nil {
		t.Error("a second account of one name")
	}
	if _, err := ledger.Open(b, "x", "XXX", false); err == nil {
		t.Error("an account in a currency that does not exist")
	}
	if _, err := ledger.Find(b, "nobody"); !errors.Is(err, ledger.ErrNoAccount) {
		t.Errorf("nobody's account: %v", err)
	}
}

// Whatever is posted, the ledger stays balanced and agrees with a map.
func TestLedgerModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t)
		ids := []ledger.AccountID{b.opening, b.fees, b.a, b.b}
		model := map[ledger.AccountID]int64{b.opening: -10000, b.a: 10000}
		posted := map[string]bool{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			from := rapid.SampledFrom(ids).Draw(rt, "from")
			to := rapid.SampledFrom(ids).Draw(rt, "to")
			amount := rapid.Int64Range(1, 8000).Draw(rt, "amount")
			ref := rapid.StringMatching(`[a-e][a-e]`).Draw(rt, "ref")
			if from == to {
				continue
			}
			err := b.post(t, entry(ref, from, to, amount))
			short := from != b.opening && from != b.fees && model[from] < amount
			switch {
			case posted[ref]:
				if !errors.Is(err, ledger.ErrPosted) {
					rt.Fatalf("reference %s twice: %v", ref, err)
				}
			case short:
				if !errors.Is(err, ledger.ErrFunds) {
					rt.Fatalf("%d of %d: %v", amount, model[from], err)
				}
			case err != nil:
				rt.Fatal(err)
			default:
				posted[ref] = true
				model[from] -= amount
				model[to] += amount
			}
		}
		for _, id := range ids {
			if got := b.balance(t, id); got != model[id] {
				rt.Fatalf("account %d has %d, want %d", id, got, model[id])
			}
		}
		if _, err := ledger.Totals(b); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestPostRefusesAnAccountTwice(t *testing.T) {
	b := newBook(t)
	e := ledger.Entry{Ref: "t", Kind: "transfer", At: noon, Postings: []ledger.Posting{
		{Account: b.a, Amount: -5, Other: b.b}, {Account: b.a, Amount: -5, Other: b.b}, {Account: b.b, Amount: 10, Other: b.a}}}
	if err := b.post(t, e); err == nil {
		t.Error("taken")
	}
	if got := b.balance(t, b.a); got != 10000 {
		t.Errorf("balance %d", got)
	}
}
