package smpp

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
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

	session  *session
	sequence uint32
	due      time.Duration // since session.started
	acked    atomic.Bool
}

// Deadline is when the session answers in the application's place, with the
// status that the setting overload names: from then on the SMSC sends the
// message again, and Ack does nothing.
func (d *Delivery) Deadline() time.Time { return d.session.started.Add(d.due) }

// Ack answers the message: StatusOK when it is safely stored, StatusTempAppErr
// to have it sent again, StatusPermAppErr to have it given up. Only the first
// call counts. It may come from any goroutine at any time; when the connection
// has ended meanwhile it does nothing, and the SMSC sends the message again.
func (d *Delivery) Ack(status Status) {
	if d.answerOnce(status) {
		d.session.esme.count.answered(status)
	}
}

// answerOnce says whether this was the first answer.
func (d *Delivery) answerOnce(status Status) bool {
	if d.acked.Swap(true) {
		return false
	}
	d.session.acknowledge(d.Command, d.sequence, status)
	return true
}

// Wipe zeroes the payload, which may hold a PIN. It is the only copy on the
// heap: the frame it came in is zeroed already.
func (d *Delivery) Wipe() { clear(d.Message.Payload) }

// arrivals are on their way from a session to the application: messages of a
// worker's sources, or an alert.
type arrivals struct {
	messages []*Delivery
	alert    *AlertNotification
}

const (
	// maxWorkers bounds how many messages of one bind are handled at a time.
	maxWorkers = 32
	// maxPerWorker bounds the batches that wait for one worker.
	maxPerWorker = 1024
)

// inbound hands arrivals to the application with a small pool of workers.
// Every source address has its worker, so that its messages keep their order.
type inbound struct {
	bind    string
	handler Handler
	log     *slog.Logger
	seed    maphash.Seed
	size    int64
	waiting atomic.Int64 // messages that no worker has begun
	shards  []chan arrivals
	workers sync.WaitGroup
}

// newInbound makes the queue of a bind, of size messages.
func newInbound(bind string, size int, h Handler, log *slog.Logger) *inbound {
	in := &inbound{bind: bind, handler: h, log: log, seed: maphash.MakeSeed(), size: int64(size)}
	in.shards = make([]chan arrivals, min(maxWorkers, size))
	for i := range in.shards {
		in.shards[i] = make(chan arrivals, min(maxPerWorker, size))
	}
	return in
}

// start runs the workers; stop ends them.
func (in *inbound) start(ctx context.Context) {
	for _, shard := range in.shards {
		in.workers.Go(func() {
			for a := range shard {
				if a.alert != nil {
					in.handleAlert(ctx, a.alert)
				}
				for _, d := range a.messages {
					in.waiting.Add(-1)
					in.handle(ctx, d)
				}
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

// room is how many messages more may wait. The sessions of a bind can each see
// the same room, so that it may be exceeded by their number of batches.
func (in *inbound) room() int { return int(max(0, in.size-in.waiting.Load())) }

// hand passes messages on to their workers. What finds a worker's queue full is
// refused.
func (in *inbound) hand(ds []*Delivery) {
	in.waiting.Add(int64(len(ds)))
	if len(ds) == 1 {
		in.pass(in.shard(ds[0].Message.Source.Addr), ds)
		return
	}
	var byShard [maxWorkers][]*Delivery
	for _, d := range ds {
		i := in.shard(d.Message.Source.Addr)
		byShard[i] = append(byShard[i], d)
	}
	for i, ds := range byShard {
		if len(ds) > 0 {
			in.pass(uint64(i), ds)
		}
	}
}

func (in *inbound) pass(shard uint64, ds []*Delivery) {
	select {
	case in.shards[shard] <- arrivals{messages: ds}:
		return
	default:
	}
	in.waiting.Add(-int64(len(ds)))
	for _, d := range ds {
		d.Message.wipe()
		if d.answerOnce(d.session.cfg.overload()) {
			d.session.esme.count.overloaded.Add(1)
		}
	}
}

// offer takes an alert without waiting; false means that the queue is full.
func (in *inbound) offer(source string, a arrivals) bool {
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

func (in *inbound) handleAlert(ctx context.Context, a *AlertNotification) {
	defer in.contain(nil)
	in.handler.Alert(ctx, in.bind, a)
}

func (in *inbound) handle(ctx context.Context, d *Delivery) {
	if d.acked.Load() || d.session.hasEnded() {
		// It can no longer be acknowledged, so it will come again: better
		// handled once then than twice.
		d.Wipe()
		return
	}
	defer in.contain(d)
	in.handler.Deliver(ctx, d)
}

// contain keeps a panic of the application to its message.
func (in *inbound) contain(d *Delivery) {
	v := recover()
	if v == nil {
		return
	}
	// The value may quote the message: its type has to do.
	in.log.Error("the application panicked on a message", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
	if d != nil {
		d.Wipe()
		d.Ack(StatusTempAppErr)
	}
}
