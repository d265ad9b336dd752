package smsc

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

// Which ESMEs a message reaches, and over what.

func TestAddressRange(t *testing.T) {
	for _, tc := range []struct {
		text, in, out string
	}{
		{"", "7001", ""},
		{"7001", "7001", "7002"},
		{"70*", "7001", "7100"},
		{"^70", "7001", "170"},
		{"^70(01|02)$", "7002", "70020"},
		{"[13579]$", "7001", "7002"},
		{"26377", "+263771000001", "2637"},
	} {
		r, err := parseRange(tc.text)
		if err != nil || !r.has(tc.in) || tc.out != "" && r.has(tc.out) || r.everything() != (tc.text == "") {
			t.Errorf("%+v: %+v %v", tc, r, err)
		}
	}
	if _, err := parseRange("70("); err == nil {
		t.Error("an expression that is none")
	}
}

// boundFor is a receiver of an address_range.
func (r *rig) boundFor(addresses string) *esme {
	r.t.Helper()
	e := r.connect()
	if p := e.ask(smpp.BindTransceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password), InterfaceVersion: 0x34,
		Address: smpp.Address{Addr: addresses}}); p.Status != smpp.StatusOK {
		r.t.Fatal(p.Status)
	}
	return e
}

// Messages go to the bind in whose range their destination is, and wait where there is
// none; receipts go to any.
func TestBindRanges(t *testing.T) {
	r := start(t)
	one, two := r.boundFor("7001"), r.boundFor("^700[2-5]$")
	if p := r.connect().ask(smpp.BindReceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password), Address: smpp.Address{Addr: "70("}}); p.Status != smpp.StatusBindFail {
		t.Error(p.Status)
	}
	stays := r.mo(MO{To: "8000", Text: "stays"})
	r.until(func() bool { return r.accounts[0].queue.len() == 1 })
	for range 3 {
		for to, e := range map[string]*esme{"7001": one, "7003": two} {
			s := r.mo(MO{To: to, Text: "BAL"})
			e.takes(t)
			if !s.result().OK() {
				t.Errorf("%+v", s.r)
			}
		}
	}
	m := mt("x")
	m.Source.Addr, m.RegisteredDelivery = "Bank", 1
	one.submit(m)
	one.send(smpp.Unbind, nil)
	two.nc.Close()
	r.boundFor("8").message2(t, "stays", "id:")
	stays.result()
}

// message2 takes two messages that begin so, in any order.
func (e *esme) message2(t *testing.T, begins ...string) {
	t.Helper()
	got := ""
	for range begins {
		p, m := e.message()
		e.ack(p, smpp.StatusOK)
		got += "\n" + text(t, m)
	}
	for _, b := range begins {
		if !strings.Contains(got, "\n"+b) {
			t.Errorf("no %q in %q", b, got)
		}
	}
}

// Without a system_id, the destination says whose a message is.
func TestAccountRanges(t *testing.T) {
	r := start(t, func(c *Config) {
		c.AddressRange = "7001"
		c.Accounts = []Account{{SystemID: "rest", Password: secretOf("x")}, {SystemID: "bank", Password: secretOf("x"), AddressRange: "^80"}}
	})
	for to, want := range map[string]string{"7001": systemID, "8001": "bank", "9000": "rest"} {
		if a, err := r.accountOf("", to); err != nil || a.SystemID != want {
			t.Errorf("%s: %v %v", to, a.SystemID, err)
		}
	}
	c := Config{Password: secretOf("x"), AddressRange: "80("}
	c.SetDefaults()
	if ps := c.Validate(); len(ps) != 1 || ps[0].Key != "address_range" {
		t.Error(ps)
	}
}

// waiting waits until n binds wait for a message.
func (r *rig) waiting(n int) {
	r.t.Helper()
	r.until(func() bool {
		q := &r.accounts[0].queue
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.takers) == n
	})
}

// Binds of one account that are equally free get messages in turn.
func TestTurns(t *testing.T) {
	r := start(t)
	var all []*esme
	for i, mode := range []smpp.CommandID{smpp.BindReceiver, smpp.BindTransceiver, smpp.BindReceiver} {
		all = append(all, r.bound(mode))
		r.waiting(i + 1) // the one that binds first takes first
	}
	for range 4 {
		for i, e := range all {
			r.waiting(len(all))
			s := r.mo(MO{Text: "BAL"})
			e.takes(t)
			if !s.result().OK() {
				t.Fatal(i)
			}
		}
	}
}

func TestOutbind(t *testing.T) {
	r := start(t)
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	if err := r.Outbind(t.Context(), l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	nc := must(l.Accept())(t)
	defer nc.Close()
	e := &esme{t: t, nc: nc, r: bufio.NewReader(nc)}
	o := e.want(smpp.CommandOutbind).Body.(*smpp.Outbind)
	if o.SystemID != systemID || !o.Password.Equal(secretOf(password)) {
		t.Errorf("%+v", o)
	}
	if p := e.bind(smpp.BindReceiver, systemID, password); p.Status != smpp.StatusOK {
		t.Fatal(p.Status)
	}
	s := r.mo(MO{Text: "BAL"})
	e.takes(t)
	s.result()
	l.Close()
	if err := r.Outbind(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "not reached") {
		t.Error(err)
	}
	if err := r.Outbind(t.Context(), "nowhere"); err == nil || !strings.Contains(err.Error(), "address") {
		t.Error(err)
	}
}

// certificate makes one that signs itself, in two files, and its pool.
func certificate(t *testing.T, name string) (cert, key string, pair tls.Certificate, pool *x509.CertPool) {
	t.Helper()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der := must(x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k))(t)
	secret := must(x509.MarshalPKCS8PrivateKey(k))(t)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair = must(tls.LoadX509KeyPair(cert, key))(t)
	pool = x509.NewCertPool()
	pool.AddCert(must(x509.ParseCertificate(der))(t))
	return cert, key, pair, pool
}

func TestTLS(t *testing.T) {
	cert, key, _, pool := certificate(t, "smsc")
	ca, _, pair, _ := certificate(t, "esme")
	r := start(t, func(c *Config) { c.TLS = TLS{CertFile: cert, KeyFile: key, ClientCAFile: ca} })
	dial := func(cfg *tls.Config) *esme {
		cfg.RootCAs, cfg.ServerName = pool, "smsc"
		nc := must(tls.Dial("tcp", r.Addr(), cfg))(t)
		t.Cleanup(func() { nc.Close() })
		return &esme{t: t, nc: nc, r: bufio.NewReader(nc)}
	}
	e := dial(&tls.Config{Certificates: []tls.Certificate{pair}})
	if p := e.bind(smpp.BindTransceiver, systemID, password); p.Status != smpp.StatusOK {
		t.Fatal(p.Status)
	}
	r.setFaults(Faults{DropAfterMO: 1}) // closes half of it
	s := r.mo(MO{Text: "BAL"})
	e.takes(t)
	e.closed()
	e = dial(&tls.Config{Certificates: []tls.Certificate{pair}})
	e.bind(smpp.BindTransceiver, systemID, password)
	e.takes(t)
	if !s.result().OK() {
		t.Errorf("%+v", s.r)
	}
	dial(&tls.Config{}).closed() // no certificate
	plain := r.connect()
	plain.send(smpp.BindTransceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password)})
	plain.closed()

	for name, files := range map[string]TLS{
		"no such file": {CertFile: "none", KeyFile: key},
		"no CA":        {CertFile: cert, KeyFile: key, ClientCAFile: key},
	} {
		s := New(Config{Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", Password: secretOf("x"), TLS: files}, discard())
		if err := s.Listen(); err == nil || !strings.HasPrefix(err.Error(), "tls: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, files := range []TLS{{CertFile: cert}, {ClientCAFile: ca}} {
		c := Config{Password: secretOf("x"), TLS: files}
		c.SetDefaults()
		if ps := c.Validate(); len(ps) != 1 || !strings.HasPrefix(ps[0].Key, "tls") {
			t.Error(fmt.Sprint(ps))
		}
	}
}
