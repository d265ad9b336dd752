package load

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/smpp"

	v1 "github.com/fiorix/go-smpp/smpp"
	v1pdu "github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/linxGnu/gosmpp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// The side-by-side benchmark takes its time on a quiet machine, so that it runs
// only when asked for:
//
//	go test ./smpp/load -run SideBySide -v -sidebyside
var (
	sideBySide = flag.Bool("sidebyside", false, "run the side-by-side benchmark")
	rounds     = flag.Int("rounds", 5, "of the side-by-side benchmark, each with every contestant")
	roundTime  = flag.Duration("round", 5*time.Second, "how long a contestant is loaded in a round")
)

const (
	sideWindow = 1000 // deliver_sm unanswered
	sideSubmit = 200  // submit_sm unanswered, and goroutines that submit
	sideID     = "side"
)

// contestant is an ESME of one of the libraries. Each is used as its own
// documentation shows it.
type contestant struct {
	name string
	// deliver binds as a transceiver to addr with an application that only
	// acknowledges, until stop.
	deliver func(t *testing.T, addr string) (stop func())
	// submit binds as a transmitter and submits texts with sideSubmit under
	// way until ctx ends, and counts the answers.
	submit func(ctx context.Context, t *testing.T, addr, text string, done *atomic.Uint64)
}

var contestants = []contestant{
	{"starhash", ourDeliver, ourSubmit},
	{"go-smpp", v1Deliver, v1Submit},
	{"gosmpp", gosmppDeliver, gosmppSubmit},
	// It acknowledges what it has put into its queue; nobody takes it out.
	{"Kannel's bearerbox", kannelDeliver, nil},
}

type ackOnly struct{}

func (ackOnly) Deliver(_ context.Context, d *smpp.Delivery) {
	d.Wipe()
	d.Ack(smpp.StatusOK)
}
func (ackOnly) Alert(context.Context, string, *smpp.AlertNotification) {}

// ourESME is an ESME of ours, bound.
func ourESME(t *testing.T, cfg smpp.BindConfig) (e *smpp.ESME, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Name, cfg.SystemID = sideID, sideID
	e = smpp.NewESME(cfg, slog.New(slog.DiscardHandler), ackOnly{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	if err := e.AwaitBound(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e, func() {
		cancel()
		<-ended
	}
}

func ourDeliver(t *testing.T, addr string) (stop func()) {
	_, stop = ourESME(t, smpp.BindConfig{Address: addr, InboundQueue: 2 * sideWindow})
	return stop
}

// submitters runs submit in sideSubmit goroutines until ctx ends.
func submitters(ctx context.Context, done *atomic.Uint64, submit func(to string) error) {
	var all sync.WaitGroup
	for i := range sideSubmit {
		to := fmt.Sprint(263771000001 + i)
		all.Go(func() {
			for ctx.Err() == nil {
				if submit(to) == nil {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
}

func ourSubmit(ctx context.Context, t *testing.T, addr, text string, done *atomic.Uint64) {
	e, stop := ourESME(t, smpp.BindConfig{Address: addr, Bind: smpp.Transmitter, Window: sideSubmit})
	defer stop()
	payload := []byte(text)
	submitters(ctx, done, func(to string) error {
		_, err := e.Submit(t.Context(), &smpp.Message{
			Source: smpp.Address{Addr: "7001"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: to}, Payload: payload,
		})
		return err
	})
}

// awaitV1 waits until go-smpp is bound.
func awaitV1(t *testing.T, status <-chan v1.ConnStatus) {
	for s := range status {
		if s.Status() == v1.Connected {
			return
		}
		t.Fatalf("go-smpp: %s: %v", s.Status(), s.Error())
	}
}

func v1Deliver(t *testing.T, addr string) (stop func()) {
	e := &v1.Transceiver{Addr: addr, User: sideID, Handler: func(v1pdu.Body) {}}
	awaitV1(t, e.Bind())
	return func() { e.Close() }
}

func v1Submit(ctx context.Context, t *testing.T, addr, text string, done *atomic.Uint64) {
	e := &v1.Transmitter{Addr: addr, User: sideID, RespTimeout: 10 * time.Second}
	awaitV1(t, e.Bind())
	defer e.Close()
	submitters(ctx, done, func(to string) error {
		_, err := e.Submit(&v1.ShortMessage{Src: "7001", Dst: to, DestAddrTON: 1, DestAddrNPI: 1, Text: pdutext.Raw(text)})
		return err
	})
}

// openGosmpp binds with gosmpp.
func openGosmpp(t *testing.T, c func(gosmpp.Dialer, gosmpp.Auth) gosmpp.Connector, addr string, onPDU func(pdu.PDU, bool)) *gosmpp.Session {
	s, err := gosmpp.NewSession(
		c(gosmpp.NonTLSDialer, gosmpp.Auth{SMSC: addr, SystemID: sideID}),
		gosmpp.Settings{EnquireLink: 5 * time.Second, ReadTimeout: 10 * time.Second, OnPDU: onPDU}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func trxGosmpp(d gosmpp.Dialer, a gosmpp.Auth) gosmpp.Connector { return gosmpp.TRXConnector(d, a) }

func gosmppDeliver(t *testing.T, addr string) (stop func()) {
	s := openGosmpp(t, trxGosmpp, addr, func(pdu.PDU, bool) {})
	return func() { s.Close() }
}

// gosmpp submits without waiting; its answers come to a callback, so that a
// place under way is what is waited for.
func gosmppSubmit(ctx context.Context, t *testing.T, addr, text string, done *atomic.Uint64) {
	places := make(chan struct{}, sideSubmit)
	s := openGosmpp(t, gosmpp.TXConnector, addr, func(p pdu.PDU, _ bool) {
		if _, ok := p.(*pdu.SubmitSMResp); ok {
			done.Add(1)
			<-places
		}
	})
	defer s.Close()
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		m := pdu.NewSubmitSM().(*pdu.SubmitSM)
		m.SourceAddr.SetAddress("7001")
		m.DestAddr.SetTon(1)
		m.DestAddr.SetNpi(1)
		m.DestAddr.SetAddress(fmt.Sprint(263771000001 + i%sideSubmit))
		if err := m.Message.SetMessageDataWithEncoding([]byte(text), data.GSM7BIT); err != nil {
			t.Fatal(err)
		}
		if err := s.Transmitter().Submit(m); err != nil {
			t.Fatal(err)
		}
	}
}

// kannelConf is docs/benchmarks/kannel.conf with the load's port.
const kannelConf = "../../docs/benchmarks/kannel.conf"

// kannelDeliver runs bearerbox, a process of its own.
func kannelDeliver(t *testing.T, addr string) (stop func()) {
	conf, err := os.ReadFile(kannelConf)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(addr, ":")
	conf = bytes.Replace(conf, []byte("port = 2775"), []byte("port = "+port), 1)
	file := filepath.Join(t.TempDir(), "kannel.conf")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	box := exec.Command(bearerbox(), "-v", "4", file)
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		box.Process.Kill()
		box.Wait()
	}
}

// bearerbox is Kannel's program, or empty where it is not installed.
func bearerbox() string {
	for _, name := range []string{"bearerbox", "/usr/sbin/bearerbox"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// loadSide loads a contestant for a round, and returns messages a second and
// the latency of the acknowledgement.
func (c contestant) loadSide(t *testing.T, text string) (float64, Latency) {
	l := listen(t, Config{For: *roundTime, Window: sideWindow, Text: text})
	stopped := make(chan func(), 1)
	go func() { stopped <- c.deliver(t, l.Addr()) }()
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	(<-stopped)()
	if r.Acked != r.Messages || r.Resent > 0 {
		t.Errorf("%s: %d of %d acknowledged, %d resent", c.name, r.Acked, r.Messages, r.Resent)
	}
	return r.AckedRate, r.AckTime
}

// submitSide lets a contestant submit for a round, and returns answers a second.
func (c contestant) submitSide(t *testing.T, text string) float64 {
	l := listen(t, Config{For: 1})
	serving, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Serve(serving)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), *roundTime)
	defer cancel()
	var done atomic.Uint64
	began := time.Now()
	c.submit(ctx, t, l.Addr(), text, &done)
	elapsed := min(time.Since(began), *roundTime)
	stop()
	<-ended
	return float64(done.Load()) / elapsed.Seconds()
}

// TestSideBySide loads our session, go-smpp's and gosmpp's in turn, round after
// round, and prints the table of docs/benchmarks/smpp.md.
func TestSideBySide(t *testing.T) {
	if !*sideBySide {
		t.Skip("only with -sidebyside, on a quiet machine")
	}
	contestants := contestants
	if bearerbox() == "" {
		contestants = contestants[:3]
	}
	var out strings.Builder
	describe(&out)
	const short = "SEND {amount} {peer} 1234"
	long := strings.Repeat("a", 140)

	for _, text := range []struct{ name, text string }{{"25 characters", short}, {"140 characters", long}} {
		rates, latencies := make([][]float64, len(contestants)), make([][]Latency, len(contestants))
		for range *rounds {
			for i, c := range contestants {
				runtime.GC()
				rate, latency := c.loadSide(t, text.text)
				rates[i], latencies[i] = append(rates[i], rate), append(latencies[i], latency)
			}
		}
		fmt.Fprintf(&out, "\ndeliver_sm of %s, acknowledged; window %d\n\n", text.name, sideWindow)
		fmt.Fprint(&out, "| ESME | messages/s, median | range | p50 ms | p99 ms |\n| --- | ---: | ---: | ---: | ---: |\n")
		for i, c := range contestants {
			p50 := median(latencies[i], func(l Latency) float64 { return l.P50 })
			p99 := median(latencies[i], func(l Latency) float64 { return l.P99 })
			fmt.Fprintf(&out, "| %s | %s | %s | %.2f | %.2f |\n", c.name, thousands(middle(rates[i])), span(rates[i]), p50, p99)
		}
		ratio(&out, rates)
	}

	contestants = contestants[:3]
	rates := make([][]float64, len(contestants))
	for range *rounds {
		for i, c := range contestants {
			runtime.GC()
			rates[i] = append(rates[i], c.submitSide(t, long))
		}
	}
	fmt.Fprintf(&out, "\nsubmit_sm of 140 characters, answered; %d under way\n\n", sideSubmit)
	fmt.Fprint(&out, "| ESME | messages/s, median | range |\n| --- | ---: | ---: |\n")
	for i, c := range contestants {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", c.name, thousands(middle(rates[i])), span(rates[i]))
	}
	ratio(&out, rates)
	fmt.Println(out.String())
}

// ratio compares the first contestant with the better of the next two.
func ratio(w io.Writer, rates [][]float64) {
	better := 1
	if middle(rates[2]) > middle(rates[1]) {
		better = 2
	}
	fmt.Fprintf(w, "\n%.1f × %s, the better of the two libraries.\n", middle(rates[0])/middle(rates[better]), contestants[better].name)
}

func middle(fs []float64) float64 { return median(fs, func(f float64) float64 { return f }) }

func median[T any](ts []T, f func(T) float64) float64 {
	sorted := slices.Clone(ts)
	slices.SortFunc(sorted, func(a, b T) int { return cmp.Compare(f(a), f(b)) })
	return f(sorted[len(sorted)/2])
}

func span(fs []float64) string { return thousands(slices.Min(fs)) + " to " + thousands(slices.Max(fs)) }

// thousands writes a rate with three digits that mean something.
func thousands(f float64) string {
	if f >= 100_000 {
		return grouped(uint64(f/1000+0.5) * 1000)
	}
	return grouped(uint64(f/100+0.5) * 100)
}

// describe says where and of what the figures are.
func describe(w io.Writer) {
	model := "unknown"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	commit := "unknown"
	if id, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(id))
	}
	fmt.Fprintf(w, "%s, %s, %d cores, %s, commit %s; %d rounds of %s, each with every ESME in turn, medians.\n",
		time.Now().UTC().Format("2006-01-02"), model, runtime.GOMAXPROCS(0), runtime.Version(), commit, *rounds, *roundTime)
}
