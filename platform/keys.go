package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"starhash/bank/link"
	"starhash/configs/secret"
)

// openKeep is taken off an opening's life before its keys are kept as pending:
// keys that end while their transaction is under way only cost another opening,
// but a slow one.
const openKeep = 30 * time.Second

// A KeySource opens serials at the bank: it sends initial authentication
// information under the static key and gets dynamic keys for it. Openings that
// are asked for at the same time go in one message. It owns the epoch and the PIN
// sealer, neither of which lives longer than link.EpochLife by much.
type KeySource struct {
	gateway  *link.Gateway
	client   *http.Client
	url      string
	timeout  time.Duration
	pinKey   link.PINPublicKey
	log      *slog.Logger
	raise    func(context.Context, uint32) error
	requests chan openRequest
	done     chan struct{} // closed when Run has returned

	numbers atomic.Pointer[link.Numbers]
	sealer  atomic.Pointer[link.PINSealer]
	boot    uint32 // Run's own, after it has begun
	joined  bool   // Run's own: an epoch of this boot was joined before

	mu        sync.Mutex
	lastError error // of the last exchange; nil after a success
}

type openRequest struct {
	ctx    context.Context
	id     link.Identity
	answer chan openAnswer // buffered, so that nobody waits for one who left
}

type openAnswer struct {
	opened link.OpenedSerial
	err    error
}

// openQueue bounds the openings that wait; beyond it Open waits for its context.
const openQueue = 4 * link.MaxBatch

// newKeySource makes a source for one boot of one node. raise is told the boot
// number to use when the bank has seen a larger one than the store remembers.
func newKeySource(gw *link.Gateway, client *http.Client, url string, timeout time.Duration, pin link.PINPublicKey,
	boot uint32, raise func(context.Context, uint32) error, log *slog.Logger) (*KeySource, error) {
	sealer, err := link.NewPINSealer(pin)
	if err != nil {
		return nil, err
	}
	k := &KeySource{gateway: gw, client: client, url: url, timeout: timeout, pinKey: pin, boot: boot, raise: raise,
		log: log, requests: make(chan openRequest, openQueue), done: make(chan struct{})}
	k.numbers.Store(link.NewNumbers(gw.Operator, gw.Node, boot))
	k.sealer.Store(sealer)
	return k, nil
}

// TxID draws the number of a new transaction.
func (k *KeySource) TxID() link.TxID { return k.numbers.Load().TxID() }

// SealPIN seals a PIN towards the bank and wipes it.
func (k *KeySource) SealPIN(pin secret.Value, msisdn string, id link.TxID, pos link.PINPosition) (link.Capsule, error) {
	if pin.Empty() {
		return nil, nil
	}
	defer pin.Wipe()
	return k.sealer.Load().Seal(pin, msisdn, id, pos)
}

// Open opens a serial for a subscriber. An error is link.ErrNotSent, a
// *link.Error or a failure of the exchange; in every case the serial is not used
// again, so that the caller may simply try again.
func (k *KeySource) Open(ctx context.Context, id link.Identity) (link.OpenedSerial, error) {
	r := openRequest{ctx: ctx, id: id, answer: make(chan openAnswer, 1)}
	select {
	case k.requests <- r:
	case <-ctx.Done():
		return link.OpenedSerial{}, ctx.Err()
	case <-k.done:
		return link.OpenedSerial{}, context.Canceled
	}
	select {
	case a := <-r.answer:
		return a.opened, a.err
	case <-ctx.Done():
		return link.OpenedSerial{}, ctx.Err()
	case <-k.done:
		return link.OpenedSerial{}, context.Canceled
	}
}

// Reachable is nil when the last exchange with the bank succeeded.
func (k *KeySource) Reachable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lastError
}

// Run serves openings until ctx ends.
func (k *KeySource) Run(ctx context.Context) {
	defer close(k.done)
	var epoch *link.Epoch
	var ends time.Time
	left := 0
	drop := func() {
		if epoch != nil {
			epoch.Wipe()
			epoch = nil
		}
	}
	defer drop()
	// Secrets end on time also when nobody asks for a key.
	look := time.NewTicker(link.EpochLife / 4)
	defer look.Stop()
	sealerEnds := time.Now().Add(link.EpochLife)
	for {
		var batch []openRequest
		select {
		case r := <-k.requests:
			batch = append(batch, r)
		case now := <-look.C:
			if now.After(ends) {
				drop()
			}
			if now.After(sealerEnds) {
				k.renewSealer()
				sealerEnds = now.Add(link.EpochLife)
			}
			continue
		case <-ctx.Done():
			return
		}
		for more := true; more && len(batch) < link.MaxBatch; {
			select {
			case r := <-k.requests:
				batch = append(batch, r)
			default:
				more = false
			}
		}
		if epoch == nil || time.Now().After(ends) || left < len(batch) {
			drop()
			e, err := k.begin(ctx)
			if err != nil {
				k.fail(batch, err)
				continue
			}
			// The bank's clock runs from before ours: leave it a tenth.
			epoch, ends, left = e, time.Now().Add(e.Life*9/10), int(e.Keys)
		}
		left -= len(batch)
		if err := k.open(ctx, epoch, batch); err != nil {
			drop() // whatever it was, a fresh epoch is the way out
			k.fail(batch, err)
		}
	}
}

// renewSealer replaces the context whose memory would open the PINs that it has
// sealed.
func (k *KeySource) renewSealer() {
	sealer, err := link.NewPINSealer(k.pinKey)
	if err != nil { // it worked with the same key at the start
		k.log.Error("the PIN sealer is not renewed", "error", err)
		return
	}
	k.sealer.Store(sealer)
}

func (k *KeySource) fail(batch []openRequest, err error) {
	k.note(err)
	for _, r := range batch {
		r.answer <- openAnswer{err: err}
	}
}

func (k *KeySource) note(err error) {
	k.mu.Lock()
	before := k.lastError
	k.lastError = err
	k.mu.Unlock()
	switch {
	case err != nil && before == nil:
		k.log.Warn("the bank does not open serials", "error", err)
	case err == nil && before != nil:
		k.log.Info("the bank opens serials again")
	}
}

func (k *KeySource) post(ctx context.Context, path string, msg []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	return link.Post(ctx, k.client, k.url, path, msg)
}

// begin joins a new epoch.
func (k *KeySource) begin(ctx context.Context) (*link.Epoch, error) {
	hello := k.gateway.Hello()
	reply, err := k.post(ctx, link.PathEpoch, hello.Message)
	if err != nil {
		return nil, err
	}
	join, err := hello.Join(reply)
	if err != nil {
		return nil, err
	}
	joined, err := k.post(ctx, link.PathJoin, join)
	if err != nil {
		return nil, err
	}
	e, err := hello.Finish(joined)
	if err != nil {
		return nil, err
	}
	if e.LastBoot > k.boot || (e.LastBoot == k.boot && !k.joined) {
		// The store lost its counter: numbers of this boot may have been used.
		if err := k.raise(ctx, e.LastBoot+1); err != nil {
			return nil, err
		}
		k.boot = e.LastBoot + 1
		k.numbers.Store(link.NewNumbers(k.gateway.Operator, k.gateway.Node, k.boot))
		k.log.Warn("the bank has seen this boot number, or a larger one; continuing after it", "boot", k.boot)
	}
	k.joined = true
	return e, nil
}

// open sends one Open message. Its error is the whole batch's.
func (k *KeySource) open(ctx context.Context, e *link.Epoch, batch []openRequest) error {
	numbers := k.numbers.Load()
	openings := make([]link.Opening, len(batch))
	for i, r := range batch {
		openings[i] = link.Opening{Serial: numbers.Serial(), Identity: r.id, At: time.Now()}
	}
	b, err := e.Open(openings)
	if err != nil {
		return err
	}
	answer, err := k.post(ctx, link.PathOpen, b.Message)
	if err != nil {
		return err
	}
	opened, err := b.Finish(answer)
	if err != nil {
		return err
	}
	k.note(nil)
	for i, r := range batch {
		r.answer <- openAnswer{opened: opened[i]}
	}
	return nil
}

// errOpening is an opening that the bank answered with something that is
// neither a key nor a verdict about the subscriber.
var errOpening = errors.New("the bank did not open the serial")

// pending keeps dynamic keys for the subscriber's next transaction, wrapped.
func (g *Gateway) pending(ctx context.Context, o link.OpenedSerial) error {
	id := o.Opening.Identity
	plain := o.Keys.Marshal()
	defer plain.Wipe()
	w, err := g.keyring.Wrap(plain.Reveal(), keyPlace(id.MSISDN))
	if err != nil {
		return err
	}
	life := o.Life - openKeep
	if life <= 0 {
		life = o.Life / 2
	}
	return storeError(g.store.redis.SetNX(ctx, g.store.pendingKey(id.MSISDN, id.IMSI), w, life).Err())
}

// pendingKey is where a key opened ahead waits for a transaction of the same
// SIM: under another IMSI than the bank opened it for, it would be refused as a
// forgery instead of a changed SIM.
func (s *Store) pendingKey(msisdn, imsi string) string {
	return key(s.partition(msisdn), "pending", msisdn, imsi)
}

// Prepare opens a dynamic key ahead of need, unless one is pending. It is for
// the moment when a terminal starts (alert_notification, SMPP 3.4 §4.12) and for
// after a transaction; failing is no harm, the key is then opened when needed.
func (g *Gateway) Prepare(ctx context.Context, id link.Identity) error {
	n, err := g.store.redis.Exists(ctx, g.store.pendingKey(id.MSISDN, id.IMSI)).Result()
	if err != nil || n > 0 {
		return storeError(err)
	}
	o, err := g.keys.Open(ctx, id)
	if err != nil {
		return err
	}
	if o.Result != link.Opened {
		return fmt.Errorf("%w: result %d", errOpening, o.Result)
	}
	defer o.Keys.Wipe()
	return g.pending(ctx, o)
}
