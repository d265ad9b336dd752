package platform

import (
	"fmt"
	"testing"
	"time"

	"starhash/bank/link"
)

// The bank goes silent under many transactions: all their subscribers are told,
// not only those of the first.
func TestCrowdInDoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, func(c *Config) { c.Bank.Timeout = 500 * time.Millisecond; c.Bank.PendingAfter = 100 * time.Millisecond })
	const crowd = 600
	for i := range crowd {
		in := &mo{bind: "bind", msisdn: tendai, shortCode: shortCode, parts: key(g.store.partition(tendai), "parts", "none"), at: time.Now()}
		tx := &Transaction{ID: g.keys.TxID(), MSISDN: tendai, State: Accepted, Kind: link.KindBalance, Language: "en", Bind: "bind",
			ShortCode: shortCode, Accepted: in.at, imsi: imsiOf(1), Source: link.SourceNetwork}
		if v, _, err := g.journal(t.Context(), in, tx, &body{}, fmt.Append(nil, "text ", i), "once", nil); err != nil || v != "new" {
			t.Fatal(v, err)
		}
	}
	held := make(chan struct{})
	defer close(held)
	r.middle.plays(onTransact(func([]byte, func([]byte) ([]byte, error)) ([]byte, error) {
		waitOr(held)
		return nil, errCut
	}))
	r.runs(g.Run)
	r.eventually("all are told", func() bool { return r.inDoubt() == crowd })
}

func (r *rig) inDoubt() (n int) {
	for _, tx := range r.transactions() {
		if tx.State == InDoubt {
			n++
		}
	}
	return n
}
