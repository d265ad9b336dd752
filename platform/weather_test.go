package platform

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"time"

	"starhash/smpp/smsc"
)

// Everything at once: two gateways, a man in the middle who does something else
// with every message, an SMSC that cuts connections and delivers again, a gateway
// and the bank restarted meanwhile. When it clears, every payment has a verdict,
// and what the phone reads is what the ledger holds.
func TestFoulWeather(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 0))
	draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }

	config := func(c *Config) {
		c.SMPP.Binds[0].SystemID = "gw1" // one account: the SMSC sends to either
		c.SMPP.Binds[0].ResponseTimeout = time.Second
		c.Bank.Timeout = 300 * time.Millisecond
		c.Bank.GiveUp, c.Bank.PendingAfter, c.Bank.Fresh = time.Second, 500*time.Millisecond, 3*time.Second
		c.Limits.Lease = time.Second
	}
	r.gateway(1, config)
	second := r.gateway(2, config)

	var last []byte
	swap := func(answer []byte) []byte { // the answer of another
		mu.Lock()
		defer mu.Unlock()
		other := last
		last = answer
		return other
	}
	r.middle.plays(func(_ string, request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		switch draw(12) {
		case 0:
			return nil, errCut
		case 1:
			_, _ = bank(request)
			return nil, errCut
		case 2:
			return bank(flipped(request))
		case 3:
			answer, err := bank(request)
			if err == nil {
				answer = flipped(answer)
			}
			return answer, err
		case 4:
			answer, err := bank(request)
			return swap(answer), err
		case 5:
			_, _ = bank(request)
			return bank(request)
		case 6: // too late for the gateway
			waitFor(400 * time.Millisecond)
			return bank(request)
		}
		return bank(request)
	})

	const payments = 30
	kinds := []string{"SEND 1.%02d 0771000002 1357", "AIRTIME 1.%02d 1357", "BILL ZESA 04123456789 1.%02d 1357"}
	var sent []smsc.MOResult
	for i := range payments {
		m := smsc.MO{From: tendai, Text: fmt.Sprintf(kinds[i%len(kinds)], i), TLVs: umr(byte(i)), Wait: smsc.Duration(time.Millisecond)}
		if i%5 == 4 {
			m.TLVs, m.Split, m.PartSize = nil, "udh8", 9
		}
		sent = append(sent, r.mo(m))
		switch i {
		case 8:
			if _, err := r.phones.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 12:
			r.restartBank()
		case 16:
			second.end()
		case 20:
			second = r.gateway(2, config)
		case 24:
			r.faults(smsc.Faults{DropAfterMO: 1, DropAfterSubmit: 1, Throttle: 3})
		}
		if i%6 == 5 {
			if _, err := r.phones.Redeliver(t.Context(), sent[draw(len(sent))].ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range sent {
		r.eventually("every message is acknowledged", func() bool {
			now, err := r.phones.MO(t.Context(), m.ID)
			return err == nil && now.OK()
		})
	}
	r.middle.plays(nil)
	r.settled()

	for ref, tx := range r.transactions() {
		if !tx.State.Final() {
			t.Errorf("%s is %s", ref, tx.State)
		}
	}
	verdict := regexp.MustCompile(`^(\w{8}) (done|declined)\.(?: USD (\d)\.(\d\d) (sent|of airtime|paid))?`)
	verdicts, moved, to := map[string]string{}, 0, map[string]int64{}
	for {
		m, ok := r.inbox(tendai, time.Millisecond)
		if !ok {
			break
		}
		f := verdict.FindStringSubmatch(m.Text)
		if f == nil {
			continue // pending
		}
		if before, told := verdicts[f[1]]; told {
			if before != f[2] {
				t.Errorf("%s is %s and then %s", f[1], before, f[2])
			}
			continue
		}
		verdicts[f[1]] = f[2]
		if f[2] == "done" {
			var units, cents int
			fmt.Sscan(f[3], &units)
			fmt.Sscanf(f[4], "%d", &cents)
			moved += 100*units + cents
			to[f[5]] += int64(100*units + cents)
		}
	}
	if len(verdicts) != payments || len(r.transactions()) != payments {
		t.Errorf("%d verdicts on %d transactions, %d messages", len(verdicts), len(r.transactions()), payments)
	}
	t.Logf("%d cents moved of %d: %v", moved, 100*payments+payments*(payments-1)/2, to)
	r.money(10000-int64(moved), 5000+to["sent"], 500)
	own, err := r.bank.Accounts().Own(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range own {
		if want, ok := map[string]int64{"airtime:USD": to["of airtime"], "biller:ZESA:USD": to["paid"]}[o.Name]; ok && o.Balance != want {
			t.Errorf("%s has %d, and phones read of %d", o.Name, o.Balance, want)
		}
	}
}

// waitFor lets time pass where being late is the point.
func waitFor(d time.Duration) { time.Sleep(d) }
