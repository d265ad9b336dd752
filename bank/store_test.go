package bank

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/bank/ledger"
	"starhash/bank/link"
)

var quiet = slog.New(slog.DiscardHandler)

func newStore(t testing.TB, path string) *store {
	t.Helper()
	s, err := openStore(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

// fund opens an account with money, and says which.
func fund(t testing.TB, s *store, name string, amount int64) (id, from ledger.AccountID) {
	t.Helper()
	err := s.write(t.Context(), func(tx ledger.Tx) (err error) {
		if from, err = ledger.Internal(tx, "opening", "USD"); err != nil {
			return err
		}
		if id, err = ledger.Open(tx, name, "USD", false); err != nil {
			return err
		}
		return ledger.Post(tx, move("opening/"+name, from, id, amount))
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, from
}

func move(ref string, from, to ledger.AccountID, amount int64) ledger.Entry {
	return ledger.Entry{Ref: ref, Kind: entryTransfer, At: newClock().now(), Postings: []ledger.Posting{
		{Account: from, Amount: -amount, Other: to}, {Account: to, Amount: amount, Other: from}}}
}

func balanceIn(t testing.TB, s *store, name string) (balance int64) {
	t.Helper()
	err := s.read(t.Context(), func(tx ledger.Tx) error {
		a, err := ledger.Find(tx, name)
		balance = a.Balance
		if err != nil {
			return err
		}
		_, err = ledger.Totals(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return balance
}

// Writes that wait together are committed together, and nobody is answered
// before the commit.
func TestGroupCommit(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "bank.db"))
	a, opening := fund(t, s, "a", 1000)

	// The first write holds the writer until nine more are waiting. Each of them
	// sees, on a reader's connection, that what ran before it in the group is
	// not committed, and that its own answer has not left.
	started, release := make(chan struct{}), make(chan struct{})
	var answered sync.WaitGroup
	errs := make(chan error, 10)
	answered.Go(func() {
		errs <- s.write(t.Context(), func(ledger.Tx) error { close(started); <-release; return nil })
	})
	<-started
	const n = 9
	ends := make([]*job, n)
	for i := range n {
		ends[i] = &job{ctx: t.Context(), end: make(chan struct{})}
		ends[i].do = func(tx ledger.Tx) error {
			if err := ledger.Post(tx, move(fmt.Sprint(i), a, opening, 1)); err != nil {
				return err
			}
			if got := balanceIn(t, s, "a"); got != 1000 {
				t.Errorf("write %d: readers see %d before the commit", i, got)
			}
			for _, j := range ends[:i] {
				select {
				case <-j.end:
					t.Errorf("write %d: an earlier one of the group was answered before the commit", i)
				default:
				}
			}
			if i == 4 {
				return errors.New("this one fails alone")
			}
			if i == 6 {
				panic("and this one panics alone")
			}
			return nil
		}
		s.jobs <- ends[i]
	}
	close(release)
	for i, j := range ends {
		<-j.end
		if (j.err != nil) != (i == 4 || i == 6) {
			t.Errorf("write %d: %v", i, j.err)
		}
	}
	answered.Wait()
	if err := <-errs; err != nil {
		t.Error(err)
	}
	if got := balanceIn(t, s, "a"); got != 1000-(n-2) {
		t.Errorf("balance %d after the commit", got)
	}
}

// A write that fails runs once and leaves nothing, whether it is alone or has
// neighbours; those run again where it had written, and only their last run counts.
func TestWriteThatFailsAfterWriting(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "bank.db"))
	a, opening := fund(t, s, "a", 1000)
	fails := func(tx ledger.Tx) error {
		if err := ledger.Post(tx, move("fails", a, opening, 7)); err != nil {
			return err
		}
		return errors.New("after it has written")
	}
	if err := s.write(t.Context(), fails); err == nil {
		t.Error("done")
	}
	if got := balanceIn(t, s, "a"); got != 1000 {
		t.Errorf("alone: balance %d", got)
	}
	started, release := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() { s.write(t.Context(), func(ledger.Tx) error { close(started); <-release; return nil }) })
	<-started
	seen := make([]int, 3) // what each saw last
	var group []*job
	for i := range seen {
		j := &job{ctx: t.Context(), end: make(chan struct{}), do: func(tx ledger.Tx) error {
			x, err := ledger.Get(tx, a)
			seen[i] = int(x.Balance)
			if err != nil {
				return err
			}
			return ledger.Post(tx, move(fmt.Sprint(i), a, opening, 1))
		}}
		if i == 1 {
			j.do = fails
		}
		group = append(group, j)
		s.jobs <- j
	}
	close(release)
	first.Wait()
	for i, j := range group {
		<-j.end
		if (j.err != nil) != (i == 1) {
			t.Errorf("write %d: %v", i, j.err)
		}
	}
	if got := balanceIn(t, s, "a"); got != 998 || seen[0] != 1000 || seen[2] != 999 {
		t.Errorf("balance %d, seen %v", got, seen)
	}
}

// A commit that fails is everybody's error, and nothing of it stays.
func TestFailedCommit(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "bank.db"))
	a, opening := fund(t, s, "a", 1000)
	err := s.write(t.Context(), func(tx ledger.Tx) error {
		if err := ledger.Post(tx, move("x", a, opening, 5)); err != nil {
			return err
		}
		// A foreign key that is checked at the commit stands in for a full disk.
		if _, err := tx.Exec(`PRAGMA defer_foreign_keys = 1`); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO postings (account, entry, amount, balance, other) VALUES (999, 999, 1, 1, 999)`)
		return err
	})
	if err == nil {
		t.Error("the failed commit was answered as done")
	}
	if s.ready(t.Context()) == nil {
		t.Error("ready after a failed commit")
	}
	if got := balanceIn(t, s, "a"); got != 1000 {
		t.Errorf("balance %d", got)
	}
	if err := s.write(t.Context(), func(tx ledger.Tx) error { return ledger.Post(tx, move("x", a, opening, 5)) }); err != nil {
		t.Errorf("the next write: %v", err)
	}
	if err := s.ready(t.Context()); err != nil {
		t.Errorf("not ready after a good commit: %v", err)
	}
	if got := balanceIn(t, s, "a"); got != 995 {
		t.Errorf("balance %d", got)
	}
}

func TestWriteAfterClose(t *testing.T) {
	s := newStore(t, ":memory:")
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), func(ledger.Tx) error { t.Error("executed"); return nil }); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}

// Whoever has gone before the turn comes is not executed; a full queue says so
// at once; close answers all that waits.
func TestQueue(t *testing.T) {
	s := newStore(t, ":memory:")
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s.write(t.Context(), func(ledger.Tx) error { close(started); <-release; return nil })
	})
	<-started
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	left := &job{ctx: gone, do: func(ledger.Tx) error { t.Error("executed for nobody"); return nil }, end: make(chan struct{})}
	s.jobs <- left
	ran := 0
	for range maxQueue - 1 {
		s.jobs <- &job{ctx: t.Context(), do: func(ledger.Tx) error { ran++; return nil }, end: make(chan struct{})}
	}
	if err := s.write(t.Context(), func(ledger.Tx) error { t.Error("executed"); return nil }); !errors.Is(err, errBusy) {
		t.Errorf("a full queue: %v", err)
	}
	close(release)
	wg.Wait()
	s.close()
	<-left.end
	if !errors.Is(left.err, context.Canceled) {
		t.Errorf("a caller that has gone: %v", left.err)
	}
	if ran != maxQueue-1 {
		t.Errorf("%d writes ran, want %d", ran, maxQueue-1)
	}
}

func TestForeignDatabase(t *testing.T) {
	dir := t.TempDir()
	for name, ddl := range map[string]string{
		"another program's": `CREATE TABLE t (x)`,
		"a newer version's": fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion+1),
	} {
		path := filepath.Join(dir, name)
		s := newStore(t, path)
		s.close()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		db := rawDatabase(t, path)
		if _, err := db.Exec(ddl); err != nil {
			t.Fatal(err)
		}
		db.Close()
		if _, err := openStore(path, quiet); err == nil {
			t.Errorf("%s database was taken", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(filepath.Join(dir, "text"), quiet); err == nil {
		t.Error("a text file was taken")
	}
}

// A bank of version 1 goes on where it stood.
func TestDatabaseOfVersion1(t *testing.T) {
	w := newWorld(t, nil)
	w.gateway().want(w.gateway().transfer(tendai, rudo, 500), link.Done)
	w.Close()
	db := rawDatabase(t, w.path("bank.db"))
	if _, err := db.Exec(`ALTER TABLE customers DROP COLUMN looked_on; ALTER TABLE customers DROP COLUMN lookups; PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for range 2 { // once to bring it up, once as it is then
		w.start(func(c *Config) { c.Limits.Lookups = 1 })
		w.wantBalances(9500, 5500, 0)
		w.Close()
	}
	w.start(func(c *Config) { c.Limits.Lookups = 1 })
	g := w.gateway()
	g.want(g.lookup(tendai, rudo), link.Done)
	g.want(g.lookup(tendai, rudo), link.OverDailyLimit)
}

// A database whose path has characters that mean something in a URI.
func TestDatabasePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank? 100% #1.db")
	fund(t, newStore(t, path), "a", 1)
	for _, p := range []string{path, path + "-wal"} { // it holds IMSIs and names
		fi, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if mode := fi.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %v, want it for its owner alone", filepath.Base(p), mode)
		}
	}
}

// What lies on the disk in the middle of a transaction opens as the ledger of
// before; what lies there after an answer holds what was answered.
func TestCrashImage(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, filepath.Join(dir, "bank.db"))
	a, opening := fund(t, s, "a", 1000)
	image := func(name string) string {
		to := filepath.Join(dir, name)
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, "bank.db"+suffix))
			if err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(to+suffix, b, 0o600); err != nil {
				t.Error(err)
			}
		}
		return to
	}
	var before string
	err := s.write(t.Context(), func(tx ledger.Tx) error {
		defer func() { before = image("before") }()
		return ledger.Post(tx, move("x", a, opening, 5))
	})
	if err != nil {
		t.Fatal(err)
	}
	after := image("after")
	if got := balanceIn(t, newStore(t, before), "a"); got != 1000 {
		t.Errorf("before the commit: %d", got)
	}
	if got := balanceIn(t, newStore(t, after), "a"); got != 995 {
		t.Errorf("after the answer: %d", got)
	}
}

// TestKill kills a process that transfers without end, again and again: what it
// said was committed is there, the ledger is balanced, and no reference posted
// twice.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	s := newStore(t, path)
	fund(t, s, "a", 1_000_000)
	s.close()
	answered := int64(0)
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
		cmd.Env = append(os.Environ(), "STARHASH_TEST_KILL="+path, fmt.Sprintf("STARHASH_TEST_ROUND=%d", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if lines.Text() == "done" {
				answered++
			}
			if n == 40+17*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait()
		s := newStore(t, path)
		moved := 1_000_000 - balanceIn(t, s, "a")
		if moved < answered || answered < 40 {
			t.Fatalf("round %d: %d answered, %d moved", round, answered, moved)
		}
		// What was committed and not answered is known now: count it as answered.
		answered = moved
		s.close()
	}
}

// TestKillChild is TestKill's other process.
func TestKillChild(t *testing.T) {
	path := os.Getenv("STARHASH_TEST_KILL")
	if path == "" {
		t.Skip("only as TestKill's child")
	}
	s := newStore(t, path)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				err := s.write(context.Background(), func(tx ledger.Tx) error {
					a, err := ledger.Find(tx, "a")
					if err != nil {
						return err
					}
					opening, err := ledger.Internal(tx, "opening", "USD")
					if err != nil {
						return err
					}
					return ledger.Post(tx, move(fmt.Sprintf("%s/%d/%d", os.Getenv("STARHASH_TEST_ROUND"), worker, i), a.ID, opening, 1))
				})
				if err != nil {
					return
				}
				mu.Lock()
				_, err = io.WriteString(os.Stdout, "done\n")
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkTransferWrite is a transfer's ledger part, commits included, with as
// many writers as there would be requests under way.
func BenchmarkTransferWrite(b *testing.B) {
	s := newStore(b, filepath.Join(b.TempDir(), "bank.db"))
	a, opening := fund(b, s, "a", ledger.MaxAmount)
	var mu sync.Mutex
	n := 0
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			ref := fmt.Sprint(n)
			mu.Unlock()
			if err := s.write(b.Context(), func(tx ledger.Tx) error { return ledger.Post(tx, move(ref, a, opening, 1)) }); err != nil {
				b.Error(err)
			}
		}
	})
}

// No statement of the writer's scans a table: no cost grows with the history.
func TestNoStatementScans(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Fee = 1; c.Limits.Daily = 5000 })
	g := w.gateway()
	q := g.transfer(tendai, rudo, 5)
	g.want(q, link.Done)
	g.want(q, link.Done)
	g.want(g.inquiry(tendai, q.ID), link.Done)
	g.want(g.request(link.KindMini, tendai, "1357"), link.Done)
	g.want(g.request(link.KindBalance, tendai, "0000"), link.WrongPIN)
	g.want(g.pinChange(tendai, "1357", "2580"), link.Done)
	var queries []string
	err := w.store.write(t.Context(), func(tx ledger.Tx) error {
		if _, err := lastBoot(tx, "op1", 7); err != nil {
			return err
		}
		queries = slices.Collect(maps.Keys(tx.(*writeConn).stmts))
		return nil
	})
	if err != nil || len(queries) < 20 {
		t.Fatalf("%d statements, %v", len(queries), err)
	}
	explained := 0
	for _, q := range queries {
		rows, err := w.store.db.Query("EXPLAIN QUERY PLAN "+q, make([]any, strings.Count(q, "?"))...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			explained++
			if strings.HasPrefix(detail, "SCAN") && detail != "SCAN CONSTANT ROW" {
				t.Errorf("%s: %s", q, detail)
			}
		}
		rows.Close()
	}
	if explained < 10 {
		t.Errorf("%d plans only", explained)
	}
}

// BenchmarkTransact is a whole transfer at the bank's handler: decryption, PIN,
// ledger, stored reply, commit. Serials are opened ahead, a thousand a message.
func BenchmarkTransact(b *testing.B) {
	w := newWorld(b, nil)
	if _, err := w.Accounts().Import(b.Context(), strings.NewReader(AccountColumns+"\n263770000001,648010000000009,Rich,1357,9999999999.00,USD\n")); err != nil {
		b.Fatal(err)
	}
	rich := link.Identity{MSISDN: "263770000001", IMSI: "648010000000009", Source: link.SourceRegistry}
	g := w.gateway()
	var msgs [][]byte
	for len(msgs) < b.N {
		w.clock.add(time.Second)
		g.join()
		for _, o := range g.tryOpen(slices.Repeat([]link.Identity{rich}, 1000)...) {
			q := &link.Request{Identity: rich, ID: g.numbers.TxID(), Kind: link.KindTransfer, Amount: 1, Currency: "USD", Payee: rudo}
			q.PIN = g.pin("1357", rich.MSISDN, q.ID, link.PINCurrent)
			msgs = append(msgs, o.Keys.SealRequest(q))
		}
	}
	var next atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.transact(b.Context(), msgs[next.Add(1)-1]); err != nil {
				b.Error(err)
			}
		}
	})
}
