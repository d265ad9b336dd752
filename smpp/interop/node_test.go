package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"starhash/smpp"
)

// startNode starts testdata/node-smsc.cjs, with the files of a key and a certificate
// over TLS.
func startNode(t *testing.T, args ...string) *peer {
	t.Helper()
	need(t, "nodejs npm", "node", "npm")
	const source = "../../cmd/starhash/testdata/node-smsc" // where the SMSC of the gateway's test has its packages
	dir := source
	if _, err := os.Stat(filepath.Join(source, "node_modules")); err != nil {
		dir = t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	modules, err := filepath.Abs(filepath.Join(dir, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NODE_PATH", modules)
	return startPeer(t, "testdata", "node", append([]string{"node-smsc.cjs"}, args...)...)
}

// node-smpp as the SMSC of a transmitter and a receiver: what a text and its parts are
// is node's word.
func TestNode(t *testing.T) {
	p := startNode(t)
	e := startESME(t, p.await("listening").Port, func(c *smpp.BindConfig) { c.Bind = smpp.Pair })
	transmitter, receiver := p.await("bind_transmitter"), p.await("bind_receiver")
	for _, b := range []event{transmitter, receiver} {
		if b.SystemID != systemID || b.Password != password {
			t.Errorf("bound with %+v", b)
		}
	}
	e.bound()
	say := func(o order) {
		o.Session = receiver.Session
		p.order(o)
	}
	acked := func(kind string) {
		t.Helper()
		if r := p.await(kind); r.Status != smpp.StatusOK || r.Session != receiver.Session {
			t.Errorf("answered with %+v", r)
		}
	}
	long := words(400)

	t.Run("long SMS from a phone", func(t *testing.T) {
		parts := []string{long[:150], long[150:300], long[300:]}
		for _, c := range []struct {
			kind smpp.PartKind
			send func(i int, part string) order
		}{
			{smpp.UDH8, func(i int, part string) order {
				return message("deliver_sm", "short_message", map[string]any{"message": part, "udh": octets{fmt.Sprintf("0500034d03%02x", i)}})
			}},
			{smpp.UDH16, func(i int, part string) order {
				return message("deliver_sm", "short_message", map[string]any{"message": part, "udh": octets{fmt.Sprintf("060804beef03%02x", i)}})
			}},
			{smpp.SAR, func(i int, part string) order {
				return message("deliver_sm", "short_message", part, "sar_msg_ref_num", 258, "sar_total_segments", 3, "sar_segment_seqnum", i)
			}},
		} {
			for _, i := range []int{3, 1, 2} {
				say(c.send(i, parts[i-1]))
				acked("deliver_sm_resp")
			}
			if s := e.next(); s.text != long || s.kind != c.kind || s.parts != 3 {
				t.Errorf("%s: got %+v", c.kind, s)
			}
		}
		say(message("deliver_sm", "message_payload", long))
		acked("deliver_sm_resp")
		if s := e.next(); s.text != long || s.kind != 0 {
			t.Errorf("message_payload: got %+v", s)
		}
	})
	t.Run("SMS to a phone", func(t *testing.T) {
		for _, text := range []string{"Balance USD 5.00 @ {€} é", "余额 😀", long, long + "余额"} {
			ids := e.submit(phone, text, 1)
			var got []string
			for {
				s := p.await("submit_sm")
				if s.Session != transmitter.Session || s.RegisteredDelivery != 1 || s.Dest != phone || s.DestTON != 1 {
					t.Errorf("submitted %+v", s)
				}
				if got = append(got, s.MessageID); s.Text != "" {
					if s.Text != text {
						t.Errorf("node reads %q, sent was %q", s.Text, text)
					}
					break
				}
			}
			if !slices.Equal(got, ids) {
				t.Errorf("ids %q, node gave %q", ids, got)
			}
		}
	})
	t.Run("receipts", func(t *testing.T) {
		say(message("deliver_sm", "esm_class", 4, "short_message",
			"id:n1 sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:UNDELIV err:027 text:Balance"))
		acked("deliver_sm_resp")
		if s := e.next(); s.receipt == nil || s.receipt.MessageID != "n1" || s.receipt.State != "UNDELIV" || s.receipt.Err != "027" {
			t.Errorf("in text: %+v", s.receipt)
		}
		say(message("deliver_sm", "esm_class", 4, "short_message", "", "receipted_message_id", "n2", "message_state", 2))
		acked("deliver_sm_resp")
		if s := e.next(); s.receipt == nil || s.receipt.MessageID != "n2" || s.receipt.State != "DELIVRD" {
			t.Errorf("in optional parameters: %+v", s.receipt)
		}
	})
	t.Run("data_sm", func(t *testing.T) {
		say(message("data_sm", "message_payload", "BAL"))
		acked("data_sm_resp")
		if s := e.next(); s.text != "BAL" || s.command != smpp.DataSM {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("alert_notification", func(t *testing.T) {
		say(order{Do: "alert_notification", With: []any{"source_addr", phone, "esme_addr", shortCode}})
		if from := <-e.alerts; from != phone {
			t.Errorf("alert from %q", from)
		}
	})
	t.Run("query, cancel, replace", func(t *testing.T) { inquire(t, e) })
	t.Run("a message on the transmitter", func(t *testing.T) {
		o := message("deliver_sm", "short_message", "x")
		o.Session = transmitter.Session
		p.order(o)
		if r := p.await("deliver_sm_resp"); r.Status != smpp.StatusInvBndSts {
			t.Errorf("answered with %+v", r)
		}
	})
	t.Run("unbind", func(t *testing.T) {
		say(order{Do: "unbind"})
		p.await("unbind_resp")
		p.await("bind_receiver")
		e.bound()
		e.stop()
		p.await("unbind")
		p.await("unbind")
	})
	p.none("submit_sm", "deliver_sm_resp", "generic_nack")
}

// inquire asks after a message and changes it.
func inquire(t *testing.T, e *esme) {
	t.Helper()
	source := smpp.Address{Addr: shortCode}
	r, err := e.Query(t.Context(), &smpp.Query{MessageID: "m1", Source: source})
	if err != nil || r.MessageID != "m1" || r.State.String() != "DELIVRD" {
		t.Errorf("query_sm: %+v, %v", r, err)
	}
	if err := errors.Join(
		e.Cancel(t.Context(), &smpp.Cancel{MessageID: "m1", Source: source, Dest: smpp.Address{Addr: phone}}),
		e.Replace(t.Context(), &smpp.Replace{MessageID: "m1", Source: source, Payload: []byte("another")}),
	); err != nil {
		t.Error(err)
	}
}

// Several sessions of one bind, over TLS: each takes messages and all submit.
func TestNodeTLSSessions(t *testing.T) {
	key, cert := certificate(t)
	p := startNode(t, key, cert)
	e := startESME(t, p.await("listening").Port, func(c *smpp.BindConfig) {
		c.Sessions = 3
		c.TLS = smpp.TLSConfig{Enabled: true, CAFile: cert, ServerName: "smsc.invalid"}
	})
	for range 3 {
		p.await("bind_transceiver")
	}
	e.bound()
	for n := range 3 {
		o := message("deliver_sm", "short_message", fmt.Sprintf("BAL %d", n))
		o.Session = n + 1
		p.order(o)
		if r := p.await("deliver_sm_resp"); r.Status != smpp.StatusOK || r.Session != n+1 {
			t.Errorf("answered with %+v", r)
		}
		if s := e.next(); s.text != fmt.Sprintf("BAL %d", n) {
			t.Errorf("got %+v", s)
		}
	}
	const at = 60 // once
	var all sync.WaitGroup
	for range at {
		all.Go(func() {
			if _, err := e.Submit(t.Context(), &smpp.Message{Source: smpp.Address{Addr: shortCode}, Dest: smpp.Address{Addr: phone}, Payload: []byte("x")}); err != nil {
				t.Errorf("submit_sm: %v", err)
			}
		})
	}
	used := make(map[int]bool)
	for range at {
		used[p.await("submit_sm").Session] = true
	}
	all.Wait()
	if len(used) != 3 {
		t.Errorf("submitted on sessions %v", used)
	}
	e.stop()

	// The name in the certificate counts.
	other := startESME(t, e.port, func(c *smpp.BindConfig) {
		c.TLS = smpp.TLSConfig{Enabled: true, CAFile: cert, ServerName: "another.invalid"}
	})
	other.log.await(t, "certificate is valid for smsc.invalid, not another.invalid")
}

// certificate makes a key and its own certificate, for smsc.invalid.
func certificate(t *testing.T) (keyFile, certFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"smsc.invalid"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile, certFile = filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	if err := errors.Join(
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return keyFile, certFile
}
