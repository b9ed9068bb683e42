package engine_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"strings"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// sealer writes a client's records of TLS 1.3 (AES-128-GCM) with the keys of a tls.Conn that has shaken hands and
// written nothing: so a test can say what package crypto/tls has no way to.
type sealer struct {
	t      *testing.T
	nc     net.Conn
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

// expand is HKDF-Expand-Label (RFC 8446 §7.1) without a context.
func expand(t *testing.T, secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{0, byte(n), byte(len(label))}, label...)
	key, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *sealer) use(secret []byte) {
	block, err := aes.NewCipher(expand(s.t, secret, "key", 16))
	if err != nil {
		s.t.Fatal(err)
	}
	s.aead, _ = cipher.NewGCM(block)
	s.iv = expand(s.t, secret, "iv", 12)
	s.secret, s.number = secret, 0
}

// record appends a record of a content type.
func (s *sealer) record(b []byte, kind byte, content []byte) []byte {
	n := len(content) + 1 + s.aead.Overhead()
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	nonce := bytes.Clone(s.iv)
	for i := range 8 {
		nonce[11-i] ^= byte(s.number >> (8 * i))
	}
	s.number++
	return s.aead.Seal(append(b, head...), nonce, append(bytes.Clone(content), kind), head)
}

// keyUpdate appends a KeyUpdate that asks for one in return, and goes on with new keys.
func (s *sealer) keyUpdate(b []byte) []byte {
	b = s.record(b, 22, []byte{24, 0, 0, 1, 1})
	s.use(expand(s.t, s.secret, "traffic upd", 32))
	return b
}

// Write is a record of application data.
func (s *sealer) Write(p []byte) (int, error) {
	_, err := s.nc.Write(s.record(nil, 23, p))
	return len(p), err
}

// sealed is a connection that reads by its tls.Conn and writes by a sealer.
type sealed struct {
	*tls.Conn
	*sealer
}

func (s sealed) Write(p []byte) (int, error) { return s.sealer.Write(p) }

func shakeSealed(t *testing.T, r *running) sealed {
	t.Helper()
	var keys strings.Builder
	config := clientConfig("h2")
	config.KeyLogWriter = &keys
	nc := dialTCP(t, r.addr)
	conn := shake(t, nc, config)
	if suite := conn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatal(tls.CipherSuiteName(suite))
	}
	_, line, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	secret, err := hex.DecodeString(strings.Fields(line)[1])
	if err != nil {
		t.Fatal(err)
	}
	s := &sealer{t: t, nc: nc}
	s.use(secret)
	return sealed{conn, s}
}

// KeyUpdates may come at any time, cut anywhere, and ask for ours in return.
func TestTLSKeyUpdate(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	s := shakeSealed(t, r)
	c := newClient(t, s, roomy...)
	id := c.open("/")
	for i := range 20 {
		octets := s.keyUpdate(nil)
		for len(octets) > 0 {
			n := min(len(octets), 1+i*2)
			s.nc.Write(octets[:n])
			octets = octets[n:]
		}
		c.echo(id, "with new keys, both of us")
	}
	c.close(id, frame.FlagEndStream, ws.CloseNormal)
	c.wantOf(id, "the end", "close 1000", "end")
}

// Who asks for KeyUpdates and reads none costs the server a bounded amount of memory, and then the connection.
func TestTLSKeyUpdateFlood(t *testing.T) {
	server := secureServer(t, echo)
	server.Loops = 1
	r := serve(t, server)
	bystander := newClient(t, r.shake(clientConfig("h2")), roomy...)
	id := bystander.open("/")
	s := shakeSealed(t, r)
	c := newClient(t, s, roomy...)
	c.open("/")
	var flood []byte
	for range 64 { // between them is data, or crypto/tls would soon have enough
		flood = s.record(s.keyUpdate(flood), 23, frame.AppendPriority(nil, 1, 0, false, 1))
	}
	s.nc.Write(flood)
	bystander.echo(id, "still here")
	for range 40 { // without data between them
		flood = s.keyUpdate(flood)
	}
	s.nc.Write(flood)
	c.wantGone("a flood")
	bystander.echo(id, "still here")
}

// A client may not negotiate anew in TLS 1.2, and garbage is no record.
func TestTLSBadRecords(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	for name, octets := range map[string]string{
		"garbage":             strings.Repeat("x", 1000),
		"a record too long":   "\x17\x03\x03\xff\xff",
		"a forged record":     "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32),
		"an alert in clear":   "\x15\x03\x03\x00\x02\x02\x28",
		"another ClientHello": captureHello(t),
	} {
		s := shakeSealed(t, r)
		c := newClient(t, s, roomy...)
		c.open("/")
		s.nc.Write([]byte(octets))
		c.wantGone(name)
	}
	until(t, "all are gone", func() bool { return r.Stats().Connections == 0 })
}
