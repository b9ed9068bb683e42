package bench

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"h2ws/bench/raw"
)

// newUpgradeDialogue is a dialogue over HTTP/1.1 whose socket is opening. It returns its key too.
func newUpgradeDialogue(t *testing.T) (d *dialogue, key string) {
	t.Helper()
	d = &dialogue{t: t}
	d.c = newUpgradeConn(0, &d.wake, &Target{Target: raw.Target{Addr: "example.com:80", Path: "/chat?x=1"}})
	d.c.events = d
	if len(d.c.out) > 0 || len(d.wake) > 0 {
		t.Errorf("the client says %q before its socket is opened", d.c.out)
	}
	if i := d.c.open(); i != 0 {
		t.Fatalf("the socket has index %d", i)
	}
	request := string(d.c.out)
	d.c.out = nil
	want := regexp.MustCompile(`^GET /chat\?x=1 HTTP/1\.1\r\nHost: example\.com:80\r\nUpgrade: websocket\r\n` +
		`Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: (.{24})\r\n\r\n$`).FindStringSubmatch(request)
	if want == nil {
		t.Fatalf("the request is %q", request)
	}
	if nonce, err := base64.StdEncoding.DecodeString(want[1]); err != nil || len(nonce) != 16 {
		t.Errorf("the key is %q", want[1])
	}
	return d, want[1]
}

// response is a 101 with more fields, whose values replace those of the same name.
func response(key string, more ...string) string {
	fields := map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": acceptKey(key)}
	for _, field := range more {
		name, value, _ := strings.Cut(field, ": ")
		fields[name] = value
	}
	s := "HTTP/1.1 101 Switching Protocols\r\n"
	for name, value := range fields {
		s += name + ": " + value + "\r\n"
	}
	return s + "\r\n"
}

func TestAcceptKey(t *testing.T) {
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("got %s, which is not RFC 6455 §1.3's", got)
	}
}

func TestUpgrade(t *testing.T) {
	for name, more := range map[string][]string{
		"plain":              nil,
		"other case":         {"Upgrade: WebSocket", "Connection: keep-alive, UPGRADE"},
		"fields that say no": {"Server: x", "Date: today"},
	} {
		for range 20 {
			d, key := newUpgradeDialogue(t)
			d.cut = rand.New(rand.NewPCG(5, 6))
			wire := response(key, more...) + string(unmaskedFrame(opText, []byte("welcome"))) + string(unmaskedFrame(opBinary, nil))
			if err := d.read([]byte(wire)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			d.wantEvents(name+": 101 opens the socket, and messages may follow at once",
				"opened 0", `message 0 0x1 "welcome"`, `message 0 0x2 ""`)
		}
	}
}

// opened101 is a dialogue whose socket is open.
func opened101(t *testing.T) *dialogue {
	t.Helper()
	d, key := newUpgradeDialogue(t)
	if err := d.read([]byte(response(key))); err != nil {
		t.Fatal(err)
	}
	d.wantEvents("the socket opens", "opened 0")
	return d
}

// wantMessage fails unless the client has sent the one frame.
func (d *dialogue) wantMessage(why string, op opcode, payload string) {
	d.t.Helper()
	got, data, ok := unmask(d.c.out)
	if !ok || got != byte(op) || string(data) != payload {
		d.t.Errorf("%s: got % x, want opcode %#x with %q", why, d.c.out, op, payload)
	}
	d.c.out = nil
}

func TestUpgradedMessages(t *testing.T) {
	d := opened101(t)
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		payload := strings.Repeat("x", size)
		d.c.send(0, opBinary, []byte(payload), false)
		d.wantMessage("a message is a frame, and there is no window", opBinary, payload)
	}
	if err := d.read(unmaskedFrame(opPing, []byte("?"))); err != nil {
		t.Fatal(err)
	}
	d.wantMessage("Ping is answered", opPong, "?")
}

func TestUpgradedClose(t *testing.T) {
	d := opened101(t)
	if over, _ := d.c.recvEOF(); over {
		t.Error("the connection may end without a closing handshake")
	}
	d.c.close(0, 1000)
	d.wantMessage("Close", opClose, "\x03\xe8")
	if over, _ := d.c.recvEOF(); over {
		t.Error("the connection may end before the server's Close")
	}
	if err := d.read(unmaskedFrame(opClose, []byte("\x03\xe8"))); err != nil {
		t.Fatal(err)
	}
	d.wantEvents("the socket is not over before its connection")
	if over, err := d.c.recvEOF(); !over || err != nil {
		t.Errorf("the end of the connection: %v, %v", over, err)
	}
	d.wantEvents("the socket is over", "closed 0 <nil>")
	if over, _ := d.c.recvEOF(); over {
		t.Error("the connection ends twice")
	}
}

func TestUpgradedServerCloses(t *testing.T) {
	d := opened101(t)
	if err := d.read(unmaskedFrame(opClose, []byte("\x03\xf1bye"))); err != nil {
		t.Fatal(err)
	}
	d.wantEvents("Close tells why", `closed 0 the server closed the WebSocket on stream 1 with 1009: "bye"`)
	d.wantMessage("Close is answered", opClose, "\x03\xf1")
}

func TestUpgradeRefused(t *testing.T) {
	d, _ := newUpgradeDialogue(t)
	err := d.read([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"))
	var refused *RefusedError
	if !errors.As(err, &refused) || *refused != (RefusedError{403, "no!"}) {
		t.Errorf("got %v", err)
	}
}

func TestUpgradeFaults(t *testing.T) {
	for text, more := range map[string]string{
		"101 with Upgrade":              "Upgrade: h2c",
		"101 with Connection":           "Connection: close",
		"101 with Sec-WebSocket-Accept": "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"extension":                     "Sec-WebSocket-Extensions: permessage-deflate",
		"subprotocol":                   "Sec-WebSocket-Protocol: chat",
	} {
		d, key := newUpgradeDialogue(t)
		wantFault(t, d.read([]byte(response(key, more))), text)
	}
	for text, wire := range map[string]string{
		"status line":     "SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/1.1":        "HTTP/1.0 200 OK\r\n\r\n",
		"response":        "HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n",
		"response header": strings.Repeat("x", headerBytesMax+1),
	} {
		d, _ := newUpgradeDialogue(t)
		wantFault(t, d.read([]byte(wire)), text)
	}
	d := &dialogue{t: t}
	d.c = newUpgradeConn(0, &d.wake, &Target{Target: raw.Target{Addr: "example.com", Path: "/"}})
	wantFault(t, d.read([]byte("hello")), "before the request")
	if err := opened101(t).read([]byte("\x81\x80")); err != errMasked {
		t.Errorf("a masked frame: got %v", err)
	}
}

func TestUpgradedMessagesCutAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		d := opened101(t)
		d.cut = random
		var wire []byte
		var want []string
		for range random.IntN(10) {
			payload := make([]byte, random.IntN(300))
			wire = append(wire, unmaskedFrame(opBinary, payload)...)
			want = append(want, fmt.Sprintf("message 0 0x2 %q", payload))
		}
		if err := d.read(wire); err != nil {
			t.Fatal(err)
		}
		d.wantEvents("messages are the same however they are cut", want...)
	}
}
