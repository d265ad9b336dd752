package smpp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starhash/configs/secret"
)

// authority signs certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the operator's CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// file writes PEM under name, in place of what was there.
func (a *authority) file(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func (a *authority) caFile() string { return a.file("ca.pem", "CERTIFICATE", a.cert.Raw) }

// issue makes a certificate for a name that is good until then, in two files.
func (a *authority) issue(name string, until time.Time) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.file(name+"-cert.pem", "CERTIFICATE", der), a.file(name+"-key.pem", "PRIVATE KEY", pkcs8)
}

// listen is an SMSC's listener with a certificate of a's for name; it wants a
// certificate of the same authority from the ESME, when asked to.
func (a *authority) listen(name string, until time.Time, change func(*tls.Config)) net.Listener {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.issue(name, until))
	if err != nil {
		a.t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: x509.NewCertPool()}
	cfg.ClientCAs.AddCert(a.cert)
	if change != nil {
		change(cfg)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { l.Close() })
	return l
}

// lines are those of a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default: // nobody reads so many
	}
	return len(p), nil
}

// startTLS runs an ESME towards l.
func startTLS(t *testing.T, l net.Listener, c TLSConfig, bindTimeout time.Duration) (log lines, stop func()) {
	t.Helper()
	log = make(lines, 100)
	c.Enabled = true
	e := NewESME(BindConfig{
		Name: "smsc-1", Address: l.Addr().String(), SystemID: "starhash", Password: secret.Copy([]byte(testPassword)), TLS: c,
		BindTimeout: bindTimeout, ResponseTimeout: 200 * time.Millisecond,
		ReconnectMin: 10 * time.Millisecond, ReconnectMax: 20 * time.Millisecond,
	}, slog.New(slog.NewTextHandler(log, nil)), handlerFuncs{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return log, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// binds takes the next connection, has it bound and used.
func binds(t *testing.T, l net.Listener) *tls.Conn {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	p := &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
	p.grant()
	p.deliver(1, "263771", strings.Repeat("long ", 10_000))
	p.want(DeliverSMResp, 1, StatusOK)
	return conn.(*tls.Conn)
}

func TestTLSWithOwnAuthority(t *testing.T) {
	a := newAuthority(t)
	l := a.listen("smsc.example", time.Now().Add(time.Hour), nil)
	_, stop := startTLS(t, l, TLSConfig{CAFile: a.caFile(), ServerName: "smsc.example"}, time.Minute)
	defer stop()
	conn := binds(t, l)
	defer conn.Close()
	if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("version %#x", v)
	}
}

// The certificate is read for each connection, so that a renewed one is used
// without a restart.
func TestTLSClientCertificateAndItsRenewal(t *testing.T) {
	a := newAuthority(t)
	l := a.listen("smsc.example", time.Now().Add(time.Hour), func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert })
	cert, key := a.issue("starhash", time.Now().Add(time.Hour))
	_, stop := startTLS(t, l, TLSConfig{CAFile: a.caFile(), CertFile: cert, KeyFile: key, ServerName: "smsc.example"}, time.Minute)
	defer stop()
	conn := binds(t, l)
	first := conn.ConnectionState().PeerCertificates[0].SerialNumber
	a.issue("starhash", time.Now().Add(2*time.Hour)) // into the same files
	conn.Close()
	conn = binds(t, l)
	defer conn.Close()
	if second := conn.ConnectionState().PeerCertificates[0].SerialNumber; first.Cmp(second) == 0 {
		t.Error("the old certificate is still used")
	}
}

// Where anything is wrong with the SMSC's end, nothing is said to it: the bind
// holds a password.
func TestTLSRefused(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	hour := time.Now().Add(time.Hour)
	ca, otherCA := a.caFile(), other.caFile()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for name, tc := range map[string]struct {
		l    net.Listener
		c    TLSConfig
		want string
	}{
		"wrong server name":      {a.listen("smsc.example", hour, nil), TLSConfig{CAFile: ca, ServerName: "other.example"}, "other.example"},
		"name is the address":    {a.listen("smsc.example", hour, nil), TLSConfig{CAFile: ca}, "127.0.0.1"},
		"expired":                {a.listen("smsc.example", time.Now().Add(-time.Minute), nil), TLSConfig{CAFile: ca, ServerName: "smsc.example"}, "expired"},
		"another authority":      {a.listen("smsc.example", hour, nil), TLSConfig{CAFile: otherCA, ServerName: "smsc.example"}, "unknown authority"},
		"not the system's":       {a.listen("smsc.example", hour, nil), TLSConfig{ServerName: "smsc.example"}, "unknown authority"},
		"TLS 1.1":                {a.listen("smsc.example", hour, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), TLSConfig{CAFile: ca, ServerName: "smsc.example"}, "version"},
		"silence in place of it": {plain, TLSConfig{CAFile: ca, ServerName: "smsc.example"}, "deadline exceeded"},
		"CA file gone":           {a.listen("smsc.example", hour, nil), TLSConfig{CAFile: ca + ".old"}, "tls.ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute
			if tc.l == plain {
				timeout = 300 * time.Millisecond
			}
			log, stop := startTLS(t, tc.l, tc.c, timeout)
			defer stop()
			if tc.want != "tls.ca_file" { // without it nobody is dialled
				conn, err := tc.l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if conn, ok := conn.(*tls.Conn); ok {
					conn.SetDeadline(time.Now().Add(10 * time.Second))
					if n, _ := conn.Read(make([]byte, 1)); n > 0 {
						t.Error("the bind is sent")
					}
				}
			}
			if line := <-log; !strings.Contains(line, "not bound") || !strings.Contains(line, tc.want) || strings.Contains(line, testPassword) {
				t.Errorf("the log does not say %q: %s", tc.want, line)
			}
		})
	}
}

// A broken file is a problem at the start, under the key that names it.
func TestTLSFilesAreCheckedAtTheStart(t *testing.T) {
	a := newAuthority(t)
	ca := a.caFile()
	cert, key := a.issue("starhash", time.Now().Add(time.Hour))
	_, otherKey := a.issue("another", time.Now().Add(time.Hour))
	rubbish := filepath.Join(a.dir, "rubbish.pem")
	if err := os.WriteFile(rubbish, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		c    TLSConfig
		want string
	}{
		"all good":              {TLSConfig{Enabled: true, CAFile: ca, CertFile: cert, KeyFile: key}, ""},
		"nothing but enabled":   {TLSConfig{Enabled: true}, ""},
		"not there at all":      {TLSConfig{}, ""},
		"not enabled":           {TLSConfig{CAFile: ca}, "tls.enabled"},
		"no such CA":            {TLSConfig{Enabled: true, CAFile: ca + ".old"}, "tls.ca_file"},
		"no CA in it":           {TLSConfig{Enabled: true, CAFile: rubbish}, "tls.ca_file"},
		"a certificate alone":   {TLSConfig{Enabled: true, CertFile: cert}, "tls.cert_file"},
		"a key alone":           {TLSConfig{Enabled: true, KeyFile: key}, "tls.cert_file"},
		"no such certificate":   {TLSConfig{Enabled: true, CertFile: cert + ".old", KeyFile: key}, "tls.cert_file"},
		"no such key":           {TLSConfig{Enabled: true, CertFile: cert, KeyFile: key + ".old"}, "tls.key_file"},
		"no key in it":          {TLSConfig{Enabled: true, CertFile: cert, KeyFile: rubbish}, "tls.key_file"},
		"key of another":        {TLSConfig{Enabled: true, CertFile: cert, KeyFile: otherKey}, "tls.key_file"},
		"no certificate in it":  {TLSConfig{Enabled: true, CertFile: rubbish, KeyFile: key}, "tls.cert_file"},
		"key in place of it":    {TLSConfig{Enabled: true, CertFile: key, KeyFile: key}, "tls.cert_file"},
		"certificate as key":    {TLSConfig{Enabled: true, CertFile: cert, KeyFile: cert}, "tls.key_file"},
		"a directory as the CA": {TLSConfig{Enabled: true, CAFile: a.dir}, "tls.ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			c := BindConfig{Name: "smsc-1", Address: "127.0.0.1:2775", SystemID: "starhash", Password: secret.New([]byte("x")), TLS: tc.c}
			c.SetDefaults()
			ps := c.Validate()
			if tc.want == "" && len(ps) > 0 || tc.want != "" && (len(ps) != 1 || ps[0].Key != tc.want) {
				t.Errorf("got %v, want %q", ps, tc.want)
			}
		})
	}
}
