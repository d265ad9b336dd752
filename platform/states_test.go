package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"starhash/bank/link"
)

// Two gateways drive one transaction through the scripts in any order, each as
// the code does: what is sent was recorded, a sending that certainly failed is
// taken back, and any script may run twice, as it does when a client repeats it
// after a cut connection. The record keeps to the table of transitions, and never
// says that less was sent than was.
func TestStates(t *testing.T) {
	t.Parallel()
	r := newScripts(t)
	rapid.Check(t, r.history)
}

type scripts struct {
	redis *redis.Client
	runs  int
}

func newScripts(t *testing.T) *scripts {
	o, err := redis.ParseURL(redisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &scripts{redis: redis.NewClient(o)}
	t.Cleanup(func() { s.redis.Close() })
	return s
}

// actor is one gateway's view.
type actor struct {
	sending string // counted, and neither taken back nor known to have been sent
	sealed  string // what it would send
}

func (s *scripts) history(t *rapid.T) {
	ctx := context.Background()
	s.runs++
	ref := fmt.Sprint("T", s.runs)
	tx, journal, outbox := key(0, "tx", ref), key(0, "journal", ref), key(0, "outbox", ref)
	if err := s.redis.HSet(ctx, tx, "state", "accepted", "body", "b", "imsi", "i").Err(); err != nil {
		t.Fatal(err)
	}
	run := func(script *redis.Script, keys []string, args ...any) any {
		out, err := script.Run(ctx, s.redis, keys, args...).Result()
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "twice") {
			if out, err = script.Run(ctx, s.redis, keys, args...).Result(); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	actors := []*actor{{}, {}}
	state := Accepted
	record := ""                    // the bytes that everybody sends
	reached := 0                    // sendings that may have reached the bank
	sent := map[string]string{}     // serial to the bytes that were sent under it
	final := map[string]string(nil) // the record once it is final
	serials, sendings := 0, 0
	var bytesOf = map[string]string{} // sealed bytes to their serial

	send := func(a *actor, mode, sealed, serial, old string) {
		sendings++
		sending := fmt.Sprint("s", sendings) // the gateways draw them: never the same twice
		out := run(sendScript, []string{tx}, mode, sealed, "key of "+serial, serial, 1, old, sending).([]any)
		if out[0] == "final" {
			return
		}
		a.sending, a.sealed = sending, out[1].(string)
		if mode == "seal" && record == "" || mode == "reseal" && record == old {
			record = sealed
		}
		if a.sealed != record {
			t.Fatalf("%s gives %q to send, and %q is on record", mode, a.sealed, record)
		}
		if want := "key of " + bytesOf[a.sealed]; out[2] != want {
			t.Fatalf("the bytes %q come with %q, want %q", a.sealed, out[2], want)
		}
		if serial := bytesOf[a.sealed]; sent[serial] != "" && sent[serial] != a.sealed {
			t.Fatalf("serial %s: %q after %q", serial, a.sealed, sent[serial])
		}
	}
	fresh := func() (sealed, serial string) {
		serials++
		sealed, serial = fmt.Sprint("bytes ", serials), fmt.Sprint("serial ", serials)
		bytesOf[sealed] = serial
		return sealed, serial
	}
	t.Repeat(map[string]func(*rapid.T){
		"seal": func(t *rapid.T) {
			a := actors[rapid.IntRange(0, 1).Draw(t, "actor")]
			if a.sending != "" {
				t.Skip("busy")
			}
			sealed, serial := fresh()
			send(a, "seal", sealed, serial, "")
		},
		"again": func(t *rapid.T) {
			a := actors[rapid.IntRange(0, 1).Draw(t, "actor")]
			if a.sending != "" || state == Accepted {
				t.Skip("busy, or nothing recorded")
			}
			send(a, "again", "", "", "")
		},
		"reaches the bank": func(t *rapid.T) {
			a := actors[rapid.IntRange(0, 1).Draw(t, "actor")]
			if a.sending == "" {
				t.Skip("nothing to send")
			}
			sent[bytesOf[a.sealed]] = a.sealed
			a.sending = ""
			reached++
		},
		"reaches nobody": func(t *rapid.T) {
			a := actors[rapid.IntRange(0, 1).Draw(t, "actor")]
			if a.sending == "" {
				t.Skip("nothing to send")
			}
			run(unsendScript, []string{tx}, a.sending)
			a.sending = ""
		},
		"serial refused": func(t *rapid.T) {
			a := actors[rapid.IntRange(0, 1).Draw(t, "actor")]
			if a.sending != "" || a.sealed == "" || sent[bytesOf[a.sealed]] == "" {
				t.Skip("nothing was refused")
			}
			sealed, serial := fresh()
			send(a, "reseal", sealed, serial, a.sealed)
		},
		"doubt": func(*rapid.T) { run(doubtScript, []string{tx, outbox}, "purpose", "pending") },
		"finish": func(t *rapid.T) {
			to := rapid.SampledFrom([]State{Done, Declined}).Draw(t, "state")
			if to == Done && state == Accepted {
				if err := finishScript.Run(ctx, s.redis, []string{tx, journal, outbox}, string(Done), "done", 2, 60000, "", "").Err(); err == nil {
					t.Fatal("done, and never sent")
				}
				return
			}
			run(finishScript, []string{tx, journal, outbox}, string(to), "outcome of "+string(to), 2, 60000, "", "", 2, "purpose", "confirmation")
		},
		"give up": func(t *rapid.T) {
			out := run(finishScript, []string{tx, journal, outbox}, string(Declined), outcomeUnreachable, 2, 60000, "", "unsent", 2, "purpose", "confirmation")
			if m := s.redis.HGetAll(ctx, tx).Val(); m["outcome"] == outcomeUnreachable && (reached > 0 || actors[0].sending+actors[1].sending != "") && final == nil {
				t.Fatalf("given up (%v) what may have reached the bank", out)
			}
		},
		"": func(t *rapid.T) {
			m := s.redis.HGetAll(ctx, tx).Val()
			now := State(m["state"])
			if now != state && !slices.Contains(transitions[state], now) {
				t.Fatalf("from %s to %s", state, now)
			}
			state = now
			parsed, err := parseTransaction(ref, withID(m))
			if err != nil {
				t.Fatal(err)
			}
			underway := 0
			for _, a := range actors {
				if a.sending != "" {
					underway++
				}
			}
			if !state.Final() && parsed.Attempts < reached+underway {
				t.Fatalf("%d sendings on record, %d may have reached the bank", parsed.Attempts, reached+underway)
			}
			told := map[string]int{}
			for _, e := range s.redis.XRange(ctx, outbox, "-", "+").Val() {
				told[e.Values["purpose"].(string)]++
			}
			if told["pending"] > 1 || told["confirmation"] > 1 {
				t.Fatalf("told %v", told)
			}
			if final != nil {
				if a, b := fmt.Sprint(final), fmt.Sprint(m); a != b {
					t.Fatalf("a final record changed from %s to %s", a, b)
				}
			} else if state.Final() {
				final = m
				if m["body"]+m["key"]+m["sealed"]+m["imsi"]+m["sending"] != "" {
					t.Fatalf("final, and it holds %v", m)
				}
				if s.redis.TTL(ctx, tx).Val() <= 0 {
					t.Fatal("a final record without an end")
				}
			}
			if state != Accepted && !state.Final() && m["body"] != "" {
				t.Fatal("sent, and the body is still there")
			}
		},
	})
}

func withID(m map[string]string) map[string]string {
	m["id"] = string(make([]byte, 16))
	return m
}

// A pending key is taken by many at once, at two gateways: one gets it.
func TestKeyTakenOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const gateways, each, rounds = 2, 8, 5
	var gs [gateways]*Gateway
	for i := range gs {
		gs[i] = r.open(uint16(i+1), nil)
		defer gs[i].store.Close()
	}
	for round := range rounds {
		if err := r.redis.Set(t.Context(), gs[0].store.pendingKey(tendai, imsiOf(1)), fmt.Sprint("key ", round), time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range gateways * each {
			all.Go(func() {
				g := gs[i%gateways]
				in := &mo{msisdn: tendai, shortCode: shortCode, parts: key(g.store.partition(tendai), "parts", "none"), at: time.Now()}
				tx := &Transaction{ID: g.keys.TxID(), MSISDN: tendai, State: Accepted, Kind: link.KindBalance, imsi: imsiOf(1)}
				if v, _, err := g.journal(t.Context(), in, tx, &body{}, fmt.Appendf(nil, "text %d %d", round, i), "once", nil); err != nil || v != "new" {
					t.Errorf("%s, %v", v, err)
				}
			})
		}
		all.Wait()
		holders := 0
		for _, tx := range r.transactions() {
			if string(tx.key) == fmt.Sprint("key ", round) {
				holders++
			}
		}
		if holders != 1 {
			t.Errorf("round %d: %d transactions hold the key, want 1", round, holders)
		}
	}
	if n := len(r.transactions()); n != gateways*each*rounds {
		t.Errorf("%d transactions, want %d", n, gateways*each*rounds)
	}
}

// A transaction for another SIM leaves the key alone.
func TestKeyOfAnotherSIM(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	place := g.store.pendingKey(tendai, imsiOf(1))
	if err := r.redis.Set(t.Context(), place, "key", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	in := &mo{msisdn: tendai, shortCode: shortCode, parts: key(g.store.partition(tendai), "parts", "none"), at: time.Now()}
	tx := &Transaction{ID: g.keys.TxID(), MSISDN: tendai, State: Accepted, imsi: imsiOf(2)}
	if _, _, err := g.journal(t.Context(), in, tx, &body{}, []byte("text"), "once", nil); err != nil {
		t.Fatal(err)
	}
	if len(r.only().key) != 0 || r.redis.Exists(t.Context(), place).Val() != 1 {
		t.Error("the key was taken")
	}
}

// The accept script again, with the same reference, as a client repeats it after
// a cut connection: nothing is journaled twice, and the answer is the same.
func TestAcceptTwice(t *testing.T) {
	t.Parallel()
	s := newScripts(t)
	ctx := t.Context()
	for _, mode := range []string{"once", "again", "dialogue", "answer"} {
		at := func(name string) string { return key(0, mode, name) }
		s.redis.Set(ctx, at("pending"), "wrapped", 0)
		s.redis.Set(ctx, at("question"), "asked", 0)
		keys := []string{at("tx"), at("pending"), at("journal"), at("parts"), at("question"), at("id"), at("id yesterday"), at("text"), at("text yesterday"), at("recent"), at("partial")}
		for i := range 3 {
			out, err := acceptScript.Run(ctx, s.redis, keys, "REF", 60000, mode, "asked", 60000, 60000, "push", "state", "accepted").StringSlice()
			if err != nil || !slices.Equal(out, []string{"new"}) {
				t.Errorf("%s, call %d: %v, %v", mode, i, out, err)
			}
		}
		if n := s.redis.XLen(ctx, at("journal")).Val(); n != 1 {
			t.Errorf("%s: %d journal entries", mode, n)
		}
		if refs := s.redis.LRange(ctx, at("recent"), 0, -1).Val(); !slices.Equal(refs, []string{"REF"}) {
			t.Errorf("%s: the latest transactions are %v", mode, refs)
		}
		if k := s.redis.HGet(ctx, at("tx"), "key").Val(); k != "wrapped" {
			t.Errorf("%s: the transaction holds key %q", mode, k)
		}
		if mode != "answer" {
			continue
		}
		// Its reference taken by another transaction, the journal looks for a
		// free one.
		out, err := acceptScript.Run(ctx, s.redis, append([]string{at("tx"), at("pending"), at("journal"), at("parts"), at("question")},
			"{p00}:1", "{p00}:2", "{p00}:3", "{p00}:4", at("recent"), at("partial")), "REF", 60000, "once", "", 60000, 60000, "push", "state", "accepted").StringSlice()
		if err != nil || !slices.Equal(out, []string{"collision"}) {
			t.Errorf("a reference that is taken: %v, %v", out, err)
		}
	}
}

// What a transaction asks for is readable nowhere in Redis at any time.
func TestBodyIsWrapped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	plain, err := json.Marshal(&body{Amount: 500, Payee: rudo})
	if err != nil {
		t.Fatal(err)
	}
	w, err := g.keyring.Wrap(plain, bodyPlace("REF1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.keyring.Unwrap(w, bodyPlace("REF2")); err == nil {
		t.Error("a body opens in another transaction's record")
	}
}
