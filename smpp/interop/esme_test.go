package interop

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"starhash/configs/secret"
	"starhash/smpp"
)

const (
	systemID  = "starhash"
	password  = "s3cret"
	shortCode = "7001"
	phone     = "263771000001"
)

// esme is ours, and what came to it. Parts of long messages are put together as
// they come.
type esme struct {
	*smpp.ESME
	t      *testing.T
	port   int // of the SMSC
	log    lockedBuffer
	sms    chan sms
	alerts chan string
	stop   func() // drains, unbinds, and waits until that is done

	mu     sync.Mutex
	parts  map[partsKey][]smpp.Part
	coding map[partsKey]smpp.Encoding
	refuse smpp.Status // how messages are answered in place of StatusOK
}

type partsKey struct {
	from, to string
	ref      uint16
	kind     smpp.PartKind
}

// sms is a whole message, or a receipt.
type sms struct {
	command  smpp.CommandID
	from, to string
	text     string
	kind     smpp.PartKind // 0: not in parts
	parts    int
	receipt  *smpp.Receipt
}

// startESME runs an ESME until the test ends; change may be nil.
func startESME(t *testing.T, port int, change func(*smpp.BindConfig)) *esme {
	t.Helper()
	cfg := smpp.BindConfig{
		Name: "peer", Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		SystemID: systemID, Password: secret.Copy([]byte(password)),
		ReconnectMin: 20 * time.Millisecond, ReconnectMax: 200 * time.Millisecond,
		ResponseTimeout: 5 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	cfg.SetDefaults()
	if ps := cfg.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	e := &esme{
		t: t, port: port, sms: make(chan sms, 1000), alerts: make(chan string, 10),
		parts: make(map[partsKey][]smpp.Part), coding: make(map[partsKey]smpp.Encoding),
	}
	e.ESME = smpp.NewESME(cfg, slog.New(slog.NewTextHandler(&e.log, nil)), e)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := e.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	e.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		e.stop()
		if t.Failed() {
			t.Logf("our ESME wrote:\n%s", &e.log)
		}
	})
	return e
}

func (e *esme) bound() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	if err := e.AwaitBound(ctx); err != nil {
		e.t.Fatalf("not bound: %v", err)
	}
}

// Deliver implements smpp.Handler.
func (e *esme) Deliver(_ context.Context, d *smpp.Delivery) {
	defer d.Wipe()
	got, whole := e.take(d)
	e.mu.Lock()
	status := e.refuse
	e.mu.Unlock()
	if whole && status == smpp.StatusOK {
		e.sms <- got
	}
	d.Ack(status)
}

// Alert implements smpp.Handler.
func (e *esme) Alert(_ context.Context, _ string, a *smpp.AlertNotification) {
	e.alerts <- a.Source.Addr
}

func (e *esme) take(d *smpp.Delivery) (s sms, whole bool) {
	m := d.Message
	s = sms{command: d.Command, from: m.Source.Addr, to: m.Dest.Addr}
	if r, ok := smpp.ParseReceipt(m); ok {
		s.receipt = &r
		return s, true
	}
	encoding, err := smpp.EncodingOf(m, 0)
	if err != nil {
		e.t.Errorf("EncodingOf: %v", err)
	}
	part, ok, err := smpp.PartOf(m)
	if err != nil {
		e.t.Errorf("PartOf: %v", err)
	}
	all := []smpp.Part{part}
	if !ok {
		if all[0].Text, err = smpp.UserText(m); err != nil {
			e.t.Errorf("UserText: %v", err)
		}
	} else {
		part.Text = slices.Clone(part.Text)
		key := partsKey{s.from, s.to, part.Ref, part.Kind}
		e.mu.Lock()
		defer e.mu.Unlock()
		all = append(e.parts[key], part)
		e.parts[key], e.coding[key] = all, encoding
		if len(all) < int(part.Total) {
			return s, false
		}
		delete(e.parts, key)
		s.kind, s.parts = part.Kind, len(all)
		slices.SortFunc(all, func(a, b smpp.Part) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	u := smpp.NewUserData(0)
	for _, p := range all {
		u.Add(encoding, p.Text)
	}
	text, err := u.AppendText(nil)
	if err != nil {
		e.t.Errorf("AppendText: %v", err)
	}
	s.text = string(text)
	return s, true
}

// next is the next message that came.
func (e *esme) next() sms {
	e.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case s := <-e.sms:
		return s
	case <-limit.C:
		e.t.Fatalf("no message within %v", patience)
		panic("unreachable")
	}
}

// submit sends a text in as many parts as it takes, and returns their ids.
func (e *esme) submit(to, text string, receipt byte) (ids []string) {
	e.t.Helper()
	encoded := smpp.Encode(text, e.Config().Alphabets(), 77)
	for _, part := range encoded.Parts {
		m := &smpp.Message{
			Source: smpp.Address{Addr: shortCode}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: to},
			DataCoding: encoded.Coding, Payload: part, RegisteredDelivery: receipt,
		}
		if encoded.UDHI {
			m.ESMClass |= smpp.ESMClassUDHI
		}
		id, err := e.Submit(e.t.Context(), m)
		if err != nil {
			e.t.Fatalf("submit_sm: %v", err)
		}
		ids = append(ids, id)
	}
	return ids
}
