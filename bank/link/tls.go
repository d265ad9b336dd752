package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CertificateLife is how long certificates of WriteCertificates are valid: 825
// days, the most that a TLS server certificate may have.
const CertificateLife = 825 * 24 * time.Hour

// WriteCertificates makes a certificate authority and, under it, one certificate
// for the bank's server, good for hosts (names or IP addresses), and one for a
// gateway's client with the common name operator: ca.pem, bank.pem,
// bank-key.pem, gateway.pem, gateway-key.pem in dir. The authority's own key is
// used here and kept nowhere. It overwrites nothing. An operator with an
// authority of its own does not need it.
func WriteCertificates(dir, operator string, hosts []string) error {
	now := time.Now().Add(-time.Hour) // clocks differ
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: serialNumber(), Subject: pkix.Name{CommonName: "Starhash link authority"},
		NotBefore: now, NotAfter: now.Add(CertificateLife), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, "ca.pem"), "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	bank := &x509.Certificate{Subject: pkix.Name{CommonName: "bank"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			bank.IPAddresses = append(bank.IPAddresses, ip)
		} else {
			bank.DNSNames = append(bank.DNSNames, h)
		}
	}
	gateway := &x509.Certificate{Subject: pkix.Name{CommonName: operator}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, leaf := range []struct {
		name string
		*x509.Certificate
	}{{"bank", bank}, {"gateway", gateway}} {
		name, c := leaf.name, leaf.Certificate
		c.SerialNumber, c.NotBefore, c.NotAfter, c.KeyUsage = serialNumber(), now, ca.NotAfter, x509.KeyUsageDigitalSignature
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), caKey)
		if err != nil {
			return err
		}
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		err = errors.Join(
			writePEM(filepath.Join(dir, name+".pem"), "CERTIFICATE", der, 0o644),
			writePEM(filepath.Join(dir, name+"-key.pem"), "PRIVATE KEY", keyDER, 0o600))
		clear(keyDER)
		if err != nil {
			return err
		}
	}
	return nil
}

func serialNumber() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic("link: " + err.Error()) // crypto/rand does not fail
	}
	return n
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Close())
}

// ClientTLS is the gateway's side of the link's transport: TLS 1.3 with a
// certificate of its own, to a bank whose certificate the given authority
// signed, and to nobody else. serverName overrides the URL's host if not empty.
func ClientTLS(caFile, certFile, keyFile, serverName string) (*tls.Config, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("authority: %s holds no PEM certificate", caFile)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{cert}, ServerName: serverName}, nil
}
