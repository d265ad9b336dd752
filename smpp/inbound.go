package smpp

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Handler is the application behind a bind.
type Handler interface {
	// Deliver gets one deliver_sm or data_sm: a subscriber's message or a
	// receipt. It owns d: it has to see that d.Ack and d.Wipe are called,
	// before it returns or later. Messages of one source address come one
	// after the other, those of different sources at the same time. It may
	// block, on Redis say: the link is kept alive meanwhile. ctx ends when the
	// drain is over; Deliver must return soon after.
	Deliver(ctx context.Context, d *Delivery)
	// Alert says that the subscriber of a.Source can be reached again: §4.12.
	Alert(ctx context.Context, bind string, a *AlertNotification)
}

// Delivery is a message from the SMSC that waits for its answer.
type Delivery struct {
	Command CommandID // DeliverSM or DataSM
	Message *Message
	Bind    *ESME

	ack   func(Status)
	acked atomic.Bool
}

// NewDelivery makes a Delivery whose answer goes to ack, at most once.
func NewDelivery(bind *ESME, c CommandID, m *Message, ack func(Status)) *Delivery {
	return &Delivery{Command: c, Message: m, Bind: bind, ack: ack}
}

// Ack answers the message: StatusOK when it is safely stored, StatusTempAppErr
// to have it sent again, StatusPermAppErr to have it given up. Only the first
// call counts. It may come from any goroutine at any time; when the connection
// has ended meanwhile it does nothing, and the SMSC sends the message again.
func (d *Delivery) Ack(s Status) {
	if !d.acked.Swap(true) {
		d.ack(s)
	}
}

// Wipe zeroes the payload, which may hold a PIN. It is the only copy on the
// heap: the frame it came in is zeroed already.
func (d *Delivery) Wipe() { clear(d.Message.Payload) }

// arrival is a PDU on its way from a session to the application: a delivery or
// an alert.
type arrival struct {
	session  *session
	delivery *Delivery
	alert    *AlertNotification
}

const (
	// maxWorkers bounds how many messages of one bind are handled at a time.
	maxWorkers = 32
	// maxPerWorker bounds what waits for one worker, so that a large
	// InboundQueue does not cost its length once a worker.
	maxPerWorker = 4096
)

// inbound hands arrivals to the application with a small pool of workers.
// Every source address has its worker, so that its messages keep their order.
type inbound struct {
	bind    string
	handler Handler
	log     *slog.Logger
	seed    maphash.Seed
	shards  []chan arrival
	workers sync.WaitGroup
}

func newInbound(bind string, size int, h Handler, log *slog.Logger) *inbound {
	in := &inbound{bind: bind, handler: h, log: log, seed: maphash.MakeSeed()}
	in.shards = make([]chan arrival, min(maxWorkers, size))
	for i := range in.shards {
		in.shards[i] = make(chan arrival, min(maxPerWorker, size))
	}
	return in
}

// start runs the workers; stop ends them.
func (in *inbound) start(ctx context.Context) {
	for _, shard := range in.shards {
		in.workers.Go(func() {
			for a := range shard {
				in.handle(ctx, a)
			}
		})
	}
}

// stop waits until the workers have emptied their queues. Nobody may offer any
// more.
func (in *inbound) stop() {
	for _, shard := range in.shards {
		close(shard)
	}
	in.workers.Wait()
}

// offer takes an arrival without waiting; false means that the queue is full.
func (in *inbound) offer(source string, a arrival) bool {
	select {
	case in.shards[in.shard(source)] <- a:
		return true
	default:
		return false
	}
}

// shard is the number of the worker of a source address.
func (in *inbound) shard(source string) uint64 {
	return maphash.String(in.seed, source) % uint64(len(in.shards))
}

func (in *inbound) handle(ctx context.Context, a arrival) {
	defer func() {
		if v := recover(); v != nil {
			// The value may quote the message: its type has to do.
			in.log.Error("the application panicked on a message", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			if a.delivery != nil {
				a.delivery.Wipe()
				a.delivery.Ack(StatusTempAppErr)
			}
		}
	}()
	if a.alert != nil {
		in.handler.Alert(ctx, in.bind, a.alert)
		return
	}
	if a.session.hasEnded() {
		// It can no longer be acknowledged, so it will come again: better
		// handled once then than twice.
		a.delivery.Wipe()
		return
	}
	in.handler.Deliver(ctx, a.delivery)
}
