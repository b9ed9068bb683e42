package interop

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"sync"
)

// The labels of the secrets in a key log.
const (
	clientSecret = "CLIENT_TRAFFIC_SECRET_0"
	serverSecret = "SERVER_TRAFFIC_SECRET_0"
)

// A keyLog is a tls.Config.KeyLogWriter that remembers, so that a tap can read TLS 1.3.
type keyLog struct {
	mu      sync.Mutex
	secrets map[string][]byte // by label and client random
}

func newKeyLog() *keyLog { return &keyLog{secrets: make(map[string][]byte)} }

// Write takes one line: label, client random, secret.
func (k *keyLog) Write(line []byte) (int, error) {
	words := strings.Fields(string(line))
	if len(words) == 3 {
		secret, err := hex.DecodeString(words[2])
		if err != nil {
			return 0, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.secrets[words[0]+words[1]] = secret
	}
	return len(line), nil
}

func (k *keyLog) secret(label string, random []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.secrets[label+hex.EncodeToString(random)]
}

// hello is what both directions need of the ClientHello.
type hello struct{ random []byte }

// Of TLS 1.3: RFC 8446 §5.1 and §B.3.
const (
	recordHeaderLen       = 5
	recordHandshake       = 22
	recordApplicationData = 23
	handshakeClientHello  = 1
	randomAt              = recordHeaderLen + 4 + 2 // behind handshake header and version
	randomLen             = 32
)

// records opens one direction of a TLS 1.3 connection.
type records struct {
	keys  *keyLog
	hello *hello
	label string

	unread   []byte
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
	failed   int
}

// handshakeRecordsMax is how many records a side may send under its handshake secret, which the
// application's secret does not open.
const handshakeRecordsMax = 16

var errRecords = errors.New("TLS records that cannot be read")

// open takes octets of the wire and calls f with the application data in them.
func (r *records) open(p []byte, f func([]byte)) error {
	r.unread = append(r.unread, p...)
	for len(r.unread) >= recordHeaderLen {
		n := recordHeaderLen + int(binary.BigEndian.Uint16(r.unread[3:]))
		if len(r.unread) < n {
			break
		}
		if data := r.record(r.unread[:n]); len(data) > 0 {
			f(data)
		}
		r.unread = r.unread[n:]
	}
	if r.failed == handshakeRecordsMax {
		r.failed++ // say it once
		return errRecords
	}
	return nil
}

// record returns the application data of one record.
func (r *records) record(p []byte) []byte {
	switch p[0] {
	case recordHandshake:
		if r.label == clientSecret && len(p) >= randomAt+randomLen && p[recordHeaderLen] == handshakeClientHello {
			r.hello.random = bytes.Clone(p[randomAt : randomAt+randomLen])
		}
	case recordApplicationData:
		return r.decrypt(p)
	}
	return nil
}

func (r *records) decrypt(p []byte) []byte {
	if r.aead == nil && !r.derive() {
		return nil // before the handshake is over
	}
	nonce := bytes.Clone(r.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^r.sequence)
	data, err := r.aead.Open(nil, nonce, p[recordHeaderLen:], p[:recordHeaderLen])
	if err != nil {
		r.failed++
		return nil
	}
	r.sequence++
	// §5.2: the content, its type, and zeros.
	data = bytes.TrimRight(data, "\x00")
	if len(data) == 0 || data[len(data)-1] != recordApplicationData {
		return nil
	}
	return data[:len(data)-1]
}

// derive computes key and IV for AES-GCM (§7.3), if the secret is known.
func (r *records) derive() bool {
	secret := r.keys.secret(r.label, r.hello.random)
	if secret == nil {
		return false
	}
	digest, keyLen := sha256.New, 16
	if len(secret) == sha512.Size384 {
		digest, keyLen = sha512.New384, 32
	}
	block, err := aes.NewCipher(expandLabel(digest, secret, "key", keyLen))
	if err != nil {
		panic(err) // the lengths are right
	}
	if r.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
	r.iv = expandLabel(digest, secret, "iv", r.aead.NonceSize())
	return true
}

// expandLabel is HKDF-Expand-Label of §7.1 without a context.
func expandLabel(digest func() hash.Hash, secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	key, err := hkdf.Expand(digest, secret, string(append(info, 0)), n)
	if err != nil {
		panic(err)
	}
	return key
}
