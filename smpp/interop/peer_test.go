package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/smpp"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that has to happen.
const patience = 20 * time.Second

// need skips a test whose peer is not here.
func need(t *testing.T, debianPackage string, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not here: apt-get install %s", p, debianPackage)
		}
	}
}

// lockedBuffer keeps what a process or a session writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until a text stands in what was written.
func (l *lockedBuffer) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(l.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for %q", patience, text)
		}
	}
}

// peer is a process of testdata that speaks JSON lines.
type peer struct {
	t      *testing.T
	name   string
	orders io.WriteCloser
	events chan event
	passed []event // told, and not awaited yet
	log    lockedBuffer
}

// event is what a peer saw: the operation, and the fields of its PDU under the
// names of the specification. Octets come in hexadecimal.
type event struct {
	Event              string
	Session            int // the first connection is 1
	Port               int
	Status             smpp.Status
	Sequence           uint32
	SystemID           string `json:"system_id"`
	Password           string
	AddressRange       string `json:"address_range"`
	InterfaceVersion   byte   `json:"interface_version"`
	ServiceType        string `json:"service_type"`
	Source             string `json:"source_addr"`
	SourceTON          byte   `json:"source_addr_ton"`
	SourceNPI          byte   `json:"source_addr_npi"`
	Dest               string `json:"destination_addr"`
	DestTON            byte   `json:"dest_addr_ton"`
	DestNPI            byte   `json:"dest_addr_npi"`
	ESMClass           byte   `json:"esm_class"`
	RegisteredDelivery byte   `json:"registered_delivery"`
	ValidityPeriod     string `json:"validity_period"`
	DataCoding         byte   `json:"data_coding"`
	ShortMessage       string `json:"short_message"`
	MessagePayload     string `json:"message_payload"`
	MessageID          string `json:"message_id"`
	ReceiptedMessageID string `json:"receipted_message_id"`
	MessageState       byte   `json:"message_state"`
	ESMEAddr           string `json:"esme_addr"`
	Text               string // as the peer itself reads it
}

// order is what it shall do. With is pairs of a field and its value, in the order
// of the wire where they are optional parameters.
type order struct {
	Do      string      `json:"do"`
	Session int         `json:"session"`
	With    []any       `json:"with,omitempty"`
	Status  smpp.Status `json:"status"`
}

// octets is a value that a peer gets in hexadecimal.
type octets struct {
	Hex string `json:"hex"`
}

// startPeer starts a process that ends with the test, when its input does.
func startPeer(t *testing.T, dir, name string, args ...string) *peer {
	t.Helper()
	p := &peer{t: t, name: name, events: make(chan event, 1000)}
	c := exec.Command(name, args...)
	c.Dir, c.Stderr = dir, &p.log
	endWithParent(c)
	in, err := c.StdinPipe()
	out, outErr := c.StdoutPipe()
	if err := errors.Join(err, outErr, c.Start()); err != nil {
		t.Fatal(err)
	}
	p.orders = in
	done := make(chan struct{})
	go func() { // ends with the process
		defer close(done)
		defer close(p.events)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadBytes('\n')
			if err != nil {
				return
			}
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				e = event{Event: "error", Text: err.Error() + ": " + string(line)}
			}
			p.events <- e
		}
	}()
	t.Cleanup(func() {
		in.Close()
		hung := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
		defer hung.Stop()
		for range p.events {
		}
		<-done
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, &p.log)
		}
	})
	return p
}

func (p *peer) order(o order) {
	p.t.Helper()
	if err := json.NewEncoder(p.orders).Encode(o); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// await is the first event of a kind that was not awaited yet.
func (p *peer) await(kind string) event {
	p.t.Helper()
	return p.awaitThat(kind, func(event) bool { return true })
}

func (p *peer) awaitThat(kind string, wanted func(event) bool) event {
	p.t.Helper()
	for i, e := range p.passed {
		if e.Event == kind && wanted(e) {
			p.passed = slices.Delete(p.passed, i, i+1)
			return e
		}
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case e, ok := <-p.events:
			switch {
			case !ok || e.Event == "error":
				p.t.Fatalf("%s instead of %s: %+v", p.name, kind, e)
			case e.Event == kind && wanted(e):
				return e
			}
			p.passed = append(p.passed, e)
		case <-limit.C:
			p.t.Fatalf("%s: no %s within %v, but %+v", p.name, kind, patience, p.passed)
		}
	}
}

// none makes sure that a peer has not seen an operation that nobody awaited.
func (p *peer) none(kinds ...string) {
	p.t.Helper()
	for _, e := range p.passed {
		if slices.Contains(kinds, e.Event) {
			p.t.Errorf("%s: a PDU that nobody expects: %+v", p.name, e)
		}
	}
}

// words is text of so many characters, no two parts of which are alike.
func words(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('A'+i/676%26)) + " ")
	}
	return b.String()[:n]
}
