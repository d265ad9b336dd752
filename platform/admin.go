package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"starhash/smpp"
)

// metrics are what /metrics shows. No label holds anything of a subscriber.
type metrics struct {
	registry     *prometheus.Registry
	messages     *prometheus.CounterVec
	ack          prometheus.Histogram
	transactions *prometheus.CounterVec
	duration     prometheus.Histogram
	keyWait      *prometheus.HistogramVec
	outbox       *prometheus.CounterVec
	outboxTime   prometheus.Histogram
	outboxLater  prometheus.Gauge
	attempts     *prometheus.CounterVec
	receipts     *prometheus.CounterVec
	special      *prometheus.CounterVec
	alarms       prometheus.Counter
	dialogues    *prometheus.CounterVec
	ussdSteps    *prometheus.HistogramVec
}

func newMetrics() *metrics {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 15) // 1 ms to 16 s
	m := &metrics{
		registry: prometheus.NewRegistry(),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_mo_messages_total",
			Help: "MO messages by the command_status of their acknowledgement."}, []string{"status"}),
		ack: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "starhash_mo_ack_seconds",
			Help: "From the PDU to its acknowledgement.", Buckets: seconds}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_transactions_total",
			Help: "Final transactions by kind and outcome."}, []string{"kind", "outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "starhash_transaction_seconds",
			Help: "From the message to the bank's verdict.", Buckets: seconds}),
		keyWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "starhash_key_wait_seconds",
			Help: "A transaction's wait for its dynamic key: pending, it was opened ahead; opened, it had to be.", Buckets: seconds}, []string{"source"}),
		outbox: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_mt_messages_total",
			Help: "MT messages by purpose and what became of them."}, []string{"purpose", "result"}),
		outboxTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "starhash_mt_seconds",
			Help: "From writing an MT message to the SMSC's last submit_sm_resp.", Buckets: prometheus.ExponentialBuckets(0.002, 4, 13)}),
		outboxLater: prometheus.NewGauge(prometheus.GaugeOpts{Name: "starhash_mt_waiting",
			Help: "MT messages that wait in the store for a bind or for the SMSC, of all gateways."}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_mt_attempts_total",
			Help: "Submissions of parts of MT messages, by bind and what came of them."}, []string{"bind", "result"}),
		special: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_mo_special_total",
			Help: "Messages of the SMSC that are neither a subscriber's nor a readable receipt, by type."}, []string{"type"}),
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_receipts_total",
			Help: "Delivery receipts by state; parked: nothing waited for them yet."}, []string{"state"}),
		dialogues: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starhash_ussd_dialogues_total",
			Help: "USSD dialogues: begun, ended, aborted, expired, pushed, notified, verdict by SMS, unsent screens."}, []string{"event"}),
		ussdSteps: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "starhash_ussd_step_seconds",
			Help: "From a USSD message to its screen, the bank's time included.", Buckets: seconds}, []string{"kind", "result"}),
		alarms: prometheus.NewCounter(prometheus.CounterOpts{Name: "starhash_alarms_total",
			Help: "Events that a person has to look at."}),
	}
	m.registry.MustRegister(m.messages, m.ack, m.transactions, m.duration, m.keyWait, m.outbox, m.outboxTime, m.outboxLater, m.attempts,
		m.receipts, m.special, m.alarms, m.dialogues, m.ussdSteps)
	return m
}

func (m *metrics) received(s smpp.Status, d time.Duration) {
	m.messages.WithLabelValues(s.String()).Inc()
	m.ack.Observe(d.Seconds())
}

func (m *metrics) steps(kind string, err error, d time.Duration) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.ussdSteps.WithLabelValues(kind, result).Observe(d.Seconds())
}

// listenAdmin opens the port of /healthz, /readyz and /metrics, if one is set.
func (g *Gateway) listenAdmin() (net.Listener, error) {
	if g.cfg.Admin.Listen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", g.cfg.Admin.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	return l, nil
}

// adminWrite bounds an answer of the admin port; a profile of a minute fits.
const adminWrite = 90 * time.Second

func (g *Gateway) serveAdmin(ctx context.Context, l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", g.readyz)
	mux.HandleFunc("GET /steps", g.serveSteps)
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	if g.cfg.Admin.Profile {
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.Handle("GET /debug/pprof/allocs", pprof.Handler("allocs"))
	}
	srv := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: adminWrite, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		g.log.Error("admin port ended", "error", err)
	}
}

// Readiness is what /readyz shows: an empty string is well, anything else says
// what is wrong.
type Readiness struct {
	Store       string            `json:"store"`
	Persistence string            `json:"persistence"` // a warning; does not make the gateway unready
	Bank        string            `json:"bank"`        // away: messages are still taken and answered
	Binds       map[string]string `json:"binds"`
}

// Ready says whether the gateway can take messages: the store answers and at
// least one bind is up.
func (g *Gateway) Ready(ctx context.Context) (r Readiness, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r.Binds = map[string]string{}
	if err := g.store.Ping(ctx); err != nil {
		r.Store = err.Error()
	}
	r.Persistence = g.store.Persistence(ctx)
	if err := g.keys.Reachable(); err != nil {
		r.Bank = err.Error()
	}
	up := false
	for _, b := range g.binds {
		state := "not bound"
		if b.Bound() {
			state, up = "", true
		}
		r.Binds[b.Config().Name] = state
	}
	return r, up && r.Store == ""
}

func (g *Gateway) readyz(w http.ResponseWriter, req *http.Request) {
	r, ready := g.Ready(req.Context())
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // the peer left: nothing to do about it
}
