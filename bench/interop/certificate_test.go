package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"testing"
	"time"
)

// newCertificate makes a certificate for this host that nobody has signed. spki is how Chromium names its key.
func newCertificate(t *testing.T) (certificate tls.Certificate, spki string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(public)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(hash[:])
}

// anyCertificate is for clients that need not be told which one to trust.
var anyCertificate = &tls.Config{InsecureSkipVerify: true}

// clearAndTLS runs a test in cleartext and with TLS.
func clearAndTLS(t *testing.T, test func(t *testing.T, certificate *tls.Certificate)) {
	t.Run("cleartext", func(t *testing.T) { test(t, nil) })
	t.Run("TLS", func(t *testing.T) {
		certificate, _ := newCertificate(t)
		test(t, &certificate)
	})
}
