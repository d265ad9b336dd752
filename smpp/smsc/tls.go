package smsc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLS is the server side of SMPP over TLS (1.2 or later).
type TLS struct {
	CertFile     string `mapstructure:"cert_file"`      // PEM, the chain
	KeyFile      string `mapstructure:"key_file"`       // PEM
	ClientCAFile string `mapstructure:"client_ca_file"` // PEM; ESMEs need a certificate of one of these, if set
}

// wrap puts TLS over a listener where it is configured.
func (t TLS) wrap(l net.Listener) (net.Listener, error) {
	if t.CertFile == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCAFile != "" {
		pem, err := os.ReadFile(t.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		cfg.ClientCAs = x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("tls: client_ca_file holds no certificate")
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tls.NewListener(l, cfg), nil
}
