package smpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLSConfig is how a bind is encrypted: TLS 1.2 or newer. Its files are read for
// every connection, so that a renewed certificate is used from the next one on.
type TLSConfig struct {
	Enabled    bool   `mapstructure:"enabled"`
	CAFile     string `mapstructure:"ca_file"`     // PEM of who may have signed the SMSC's certificate; empty: the system's
	CertFile   string `mapstructure:"cert_file"`   // our certificate, PEM, where the SMSC wants one
	KeyFile    string `mapstructure:"key_file"`    // its private key, PEM
	ServerName string `mapstructure:"server_name"` // in the SMSC's certificate; empty: the host of address
}

var errNoCertificate = errors.New("holds no certificate in PEM")

// client reads the files. The error names the key that is wrong.
func (c *TLSConfig) client() (_ *tls.Config, key string, err error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, "tls.ca_file", err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, "tls.ca_file", fmt.Errorf("%s: %w", c.CAFile, errNoCertificate)
		}
	}
	if c.CertFile != "" || c.KeyFile != "" {
		cert, err := os.ReadFile(c.CertFile)
		if err != nil {
			return nil, "tls.cert_file", err
		}
		if !x509.NewCertPool().AppendCertsFromPEM(cert) {
			return nil, "tls.cert_file", fmt.Errorf("%s: %w", c.CertFile, errNoCertificate)
		}
		key, err := os.ReadFile(c.KeyFile)
		if err != nil {
			return nil, "tls.key_file", err
		}
		defer clear(key)
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, "tls.key_file", fmt.Errorf("%s: %w", c.KeyFile, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, "", nil
}

// dialTLS dials and shakes hands.
func dialTLS(address string, c TLSConfig) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conf, key, err := c.client()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", address)
	}
}
