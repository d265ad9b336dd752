package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"starhash/smpp"
)

// The gateway with an SMSC that is not ours: node-smpp encodes what the gateway
// reads and decodes what it writes.
func TestNodeSMSC(t *testing.T) {
	processes(t, "redis-server", "node", "npm")
	r := newRig(t)
	r.people(tendai, chipo, amina)
	r.startBank()
	n := startNode(r, "smsc.cjs")
	r.set("gateway", "STARHASH_SMPP_BINDS_0_ADDRESS=127.0.0.1:"+strconv.Itoa(n.await("listening").Port))
	r.startGateway()

	if bind := n.await("bind_transceiver"); bind.From != "starhash" || bind.Text != "change-me" {
		t.Fatalf("bound as %q with password %q", bind.From, bind.Text)
	}
	const ref = `^([0-9A-Z]{8}) `
	step := func(name string, do func(t *testing.T)) {
		ok := t.Run(name, func(sub *testing.T) {
			n.t, r.t = sub, sub
			defer func() { n.t, r.t = t, t }()
			do(sub)
		})
		if !ok {
			t.FailNow() // each step builds on the one before
		}
	}

	step("transfer", func(t *testing.T) {
		n.deliver(order{Text: "SEND 5.37 0771000003 4826"})
		n.acked(smpp.StatusOK)
		m, sm := n.expect(tendai, ref+`done\. USD 5\.37 sent to A\*+ J\*+ \.\.\.0003\. Balance USD 994\.63\.`)
		r.moved(tendai, "994.63", amina, "55.37")

		// The receipt that it asks for finds its transaction.
		if sm.Receipt != 1 {
			t.Fatalf("registered_delivery is %d", sm.Receipt)
		}
		n.deliver(order{From: tendai.msisdn, ESMClass: 4, Text: "id:" + sm.ID + " sub:001 dlvrd:001 submit date:2601021504 done date:2601021504 stat:DELIVRD err:000 text:"})
		n.acked(smpp.StatusOK)
		if out := r.ok("gateway", "trace", m[1]); !strings.Contains(out, "receipt DELIVRD") {
			t.Fatalf("the receipt is not in the trace:\n%s", out)
		}
	})
	step("balance", func(t *testing.T) {
		n.deliver(order{Text: "BAL 4826"})
		n.acked(smpp.StatusOK)
		n.expect(tendai, ref+`done\. Balance USD 994\.63\.`)
	})
	step("wrong PIN", func(t *testing.T) {
		n.deliver(order{Text: "SEND 6 0771000003 9999"})
		n.acked(smpp.StatusOK)
		n.expect(tendai, ref+`declined\. Wrong PIN; nothing moved\. Tries left: 2\.`)
	})
	step("GSM 03.38 letters", func(t *testing.T) {
		n.deliver(order{From: chipo.msisdn, Text: "SOLDE 4826"})
		n.acked(smpp.StatusOK)
		n.expect(chipo, ref+`effectué\. Solde USD 500\.00\.`)
	})
	step("three parts out of order", func(t *testing.T) {
		// Read in the order of arrival it would be PIN, keyword, payee.
		parts := []string{"SEND 3.25 " + strings.Repeat(". ", 70), "TO 0771000003 " + strings.Repeat(". ", 69), "PIN 4826 thanks"}
		for _, i := range []int{3, 1, 2} {
			n.deliver(order{Text: parts[i-1], UDH: hex.EncodeToString([]byte{5, 0, 3, 77, 3, byte(i)})})
			n.acked(smpp.StatusOK)
		}
		n.expect(tendai, ref+`done\. USD 3\.25 sent to A\*+ J\*+ \.\.\.0003\.`)
		r.moved(tendai, "991.38", amina, "58.62")
	})
	step("parts of the other kinds", func(t *testing.T) {
		for kind, mark := range map[string]func(o *order, part byte){
			"16-bit reference": func(o *order, part byte) { o.UDH = hex.EncodeToString([]byte{6, 8, 4, 0xBE, 0xEF, 2, part}) },
			"SAR": func(o *order, part byte) {
				o.Fields = map[string]any{"sar_msg_ref_num": 300, "sar_total_segments": 2, "sar_segment_seqnum": part}
			},
		} {
			parts := []string{"BAL " + strings.Repeat(". ", 40+len(kind)), "PIN 4826 thanks"}
			for _, i := range []byte{2, 1} {
				o := order{Text: parts[i-1]}
				mark(&o, i)
				n.deliver(o)
				n.acked(smpp.StatusOK)
			}
			n.expect(tendai, ref+`done\. Balance USD 991\.38\.`)
		}
	})
	step("message_payload and data_sm", func(t *testing.T) {
		n.deliver(order{Fields: map[string]any{"message_payload": "BAL " + strings.Repeat(". ", 200) + "PIN 4826"}})
		n.acked(smpp.StatusOK)
		n.expect(tendai, ref+`done\. Balance USD 991\.38\.`)
		n.order(order{Do: "data", From: tendai.msisdn, To: shortCode, Text: "BAL 4826   "})
		if e := n.await("data_sm_resp"); e.Status != smpp.StatusOK {
			t.Fatalf("data_sm_resp says %v", e.Status)
		}
		n.expect(tendai, ref+`done\. Balance USD 991\.38\.`)
	})
	step("receipt in optional parameters", func(t *testing.T) {
		n.deliver(order{Text: "BAL  4826"})
		n.acked(smpp.StatusOK)
		m, sm := n.expect(tendai, ref+`done\. Balance USD 991\.38\.`)
		n.deliver(order{From: tendai.msisdn, ESMClass: 4, Fields: map[string]any{"receipted_message_id": sm.ID, "message_state": 5}})
		n.acked(smpp.StatusOK)
		if out := r.ok("gateway", "trace", m[1]); !strings.Contains(out, "receipt UNDELIV") {
			t.Fatalf("the receipt is not in the trace:\n%s", out)
		}
	})
	step("UCS2", func(t *testing.T) {
		n.deliver(order{Text: "“SEND 2.11 0771000003 4826”", DataCoding: 8})
		n.acked(smpp.StatusOK)
		n.expect(tendai, ref+`done\. USD 2\.11 sent to`)
		r.moved(tendai, "989.27", amina, "60.73")
	})
	step("Arabic-Indic digits", func(t *testing.T) {
		n.deliver(order{Text: "SEND ٤٫٢٧ 0771000003 ٤٨٢٦", DataCoding: 8})
		n.acked(smpp.StatusOK)
		n.expect(tendai, ref+`done\. USD 4\.27 sent to`)
		r.moved(tendai, "985.00", amina, "65.00")
	})
	step("enquire_link", func(t *testing.T) {
		n.order(order{Do: "enquire_link"})
		n.await("enquire_link_resp")
	})
	step("PDUs that do not decode", func(t *testing.T) {
		for _, c := range []struct {
			name, hex, answer string
			status            smpp.Status
		}{
			{"unknown command_id", "00000010 00000777 00000000 70000001", "generic_nack", smpp.StatusInvCmdID},
			{"sm_length past the end", "00000024 00000005 00000000 70000002" + "00 0101 3100 0101 3200 00 00 00 00 00 00 00 00 00 ff 41",
				"deliver_sm_resp", smpp.StatusInvMsgLen},
			{"a body that ends in the middle", "00000013 00000005 00000000 70000003 000101", "deliver_sm_resp", smpp.StatusInvCmdLen},
		} {
			n.order(order{Do: "raw", Hex: strings.ReplaceAll(c.hex, " ", "")})
			if e := n.await(c.answer); e.Status != c.status {
				t.Errorf("%s: answered %v, want %v", c.name, e.Status, c.status)
			}
		}
		n.deliver(order{Text: "BAL 4826 "}) // the same text at once would be the same message
		n.acked(smpp.StatusOK)
		n.expect(tendai, ref+`done\. Balance USD 985\.00\.`)
	})
	step("a stream that cannot be followed", func(t *testing.T) {
		n.order(order{Do: "raw", Hex: "00000008000000050000000070000004"}) // command_length below a header's 16
		if e := n.await("generic_nack"); e.Status != smpp.StatusInvCmdLen {
			t.Errorf("answered %v, want %v", e.Status, smpp.StatusInvCmdLen)
		}
		n.await("bind_transceiver") // on a new connection
	})
	step("unbind", func(t *testing.T) {
		n.order(order{Do: "unbind"})
		n.await("unbind_resp")
		n.await("bind_transceiver")
		n.deliver(order{Text: "HELP"})
		n.acked(smpp.StatusOK)
		n.expect(tendai, `^SEND amount`)
	})
	step("SIGTERM", func(t *testing.T) {
		r.gateway.signal(t, syscall.SIGTERM)
		n.await("unbind")
		if code := r.gateway.stop(t); code != 0 {
			t.Fatalf("exit code %d", code)
		}
	})
	for _, e := range n.passed {
		if e.Event == "submit_sm" {
			t.Errorf("a message that nobody expects: %+v", e)
		}
	}
	r.ok("bank", "accounts", "total")
}

// node is an SMSC of testdata/node-smsc.
type node struct {
	t      *testing.T
	orders io.Writer
	events chan event
	passed []event // told, and not awaited yet
}

// event is what it tells, order what it obeys.
type event struct {
	Event      string
	Status     smpp.Status
	Port       int
	From, To   string
	Text       string
	DataCoding byte `json:"data_coding"`
	Receipt    byte
	ID         string
	Last       bool // a screen that ends its session
}

type order struct {
	Do         string         `json:"do"`
	From       string         `json:"from,omitempty"`
	To         string         `json:"to,omitempty"`
	Text       string         `json:"text,omitempty"`
	DataCoding byte           `json:"data_coding"`
	ESMClass   byte           `json:"esm_class"`
	UDH        string         `json:"udh,omitempty"`
	Hex        string         `json:"hex,omitempty"`
	Fields     map[string]any `json:"fields,omitempty"` // further ones of the deliver_sm
	Dialect    string         `json:"dialect,omitempty"`
	IMSI       string         `json:"imsi,omitempty"`
}

// nodeModules gives a folder with a package's dependencies: the package's own, where
// somebody has installed them there, or a copy.
func nodeModules(t *testing.T, source, into string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(source, "node_modules")); err == nil {
		return source
	}
	dir := filepath.Join(into, filepath.Base(source))
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

func startNode(r *rig, script string) *node {
	t := r.t
	dir := nodeModules(t, "testdata/node-smsc", r.dir)
	n := &node{t: t, events: make(chan event, 100)}
	c := exec.Command("node", script)
	c.Dir, c.Stderr = dir, new(logBuffer)
	endWithParent(c)
	in, err := c.StdinPipe()
	out, outErr := c.StdoutPipe()
	if err := errors.Join(err, outErr, c.Start()); err != nil {
		t.Fatal(err)
	}
	n.orders = in
	done := make(chan struct{})
	go func() { // ends with the process
		defer close(done)
		defer close(n.events)
		for s := bufio.NewScanner(out); s.Scan(); {
			var e event
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				e = event{Event: "error", Text: s.Text()}
			}
			n.events <- e
		}
	}()
	t.Cleanup(func() {
		in.Close() // it ends with its input
		for range n.events {
		}
		<-done
		if err := c.Wait(); err != nil {
			t.Errorf("node: %v\n%s", err, c.Stderr)
		}
	})
	return n
}

func (n *node) order(o order) {
	n.t.Helper()
	if err := json.NewEncoder(n.orders).Encode(o); err != nil {
		n.t.Fatalf("node: %v", err)
	}
}

// deliver sends a deliver_sm, from tendai if nobody is named.
func (n *node) deliver(o order) {
	n.t.Helper()
	o.Do, o.To = "deliver", shortCode
	if o.From == "" {
		o.From = tendai.msisdn
	}
	n.order(o)
}

func (n *node) acked(want smpp.Status) {
	n.t.Helper()
	if e := n.await("deliver_sm_resp"); e.Status != want {
		n.t.Fatalf("deliver_sm_resp says %v, want %v", e.Status, want)
	}
}

// await is the first event of a kind that was not awaited yet. An acknowledgement
// and the message that answers may come in either order.
func (n *node) await(kind string) event {
	n.t.Helper()
	for i, e := range n.passed {
		if e.Event == kind {
			n.passed = slices.Delete(n.passed, i, i+1)
			return e
		}
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case e, ok := <-n.events:
			switch {
			case !ok || e.Event == "error":
				n.t.Fatalf("node instead of %s: %+v", kind, e)
			case e.Event == kind:
				return e
			}
			n.passed = append(n.passed, e)
		case <-limit.C:
			n.t.Fatalf("no %s within %v, but %+v", kind, patience, n.passed)
		}
	}
}

// expect awaits a submit_sm for a person that matches.
func (n *node) expect(p person, pattern string) ([]string, event) {
	n.t.Helper()
	e := n.await("submit_sm")
	m := regexp.MustCompile(pattern).FindStringSubmatch(e.Text)
	if m == nil || e.To != p.msisdn || e.From != shortCode {
		n.t.Fatalf("%q from %s to %s, want %q to %s", e.Text, e.From, e.To, pattern, p.msisdn)
	}
	return m, e
}
