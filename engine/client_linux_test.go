package engine_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// hangGuard is when a test that waits is taken for hung. No test waits for it to pass.
const hangGuard = 60 * time.Second

// client is the other side of a connection: HTTP/2 frames over a socket, with the WebSockets in them
// taken apart. It belongs to one goroutine. Output is collected and written before the next input is read.
type client struct {
	t    testing.TB
	nc   net.Conn
	in   *bufio.Reader
	out  []byte
	enc  *hpack.Encoder
	dec  *hpack.Decoder
	encb bytes.Buffer
	next uint32                   // the id of the next stream
	ends map[uint32]*clientStream // streams that the server has answered
	news []heard                  // heard, and not yet asked for
	deaf bool                     // does not answer PING and SETTINGS

	credit map[uint32]int // that the server has given
}

type clientStream struct {
	status string
	rest   []byte // of a WebSocket frame that is not whole
}

// heard is one thing that the server said.
type heard struct {
	what string // status, message, pong, close, body, end, reset, goaway
	id   uint32 // its stream; of a goaway the last
	code uint32 // of a close, reset or goaway
	text string
}

// String makes expectations readable: "1 status 200", "1 message hello", "1 close 1001 going away", "1 end",
// "1 reset CANCEL", "1 goaway NO_ERROR".
func (h heard) String() string {
	s := fmt.Sprint(h.id, " ", h.what)
	switch h.what {
	case "close":
		s += " " + strconv.Itoa(int(h.code))
	case "reset", "goaway":
		s += " " + frame.ErrCode(h.code).String()
	}
	if h.text != "" {
		s += " " + h.text
	}
	return s
}

// roomy are the settings of a client that never makes the server wait for a window.
var roomy = []frame.Setting{{ID: frame.InitialWindowSize, Value: 1<<31 - 1}}

// dial connects to a server and sends the preface, settings, and credit for the whole connection.
func dial(t testing.TB, addr net.Addr, settings ...frame.Setting) *client {
	t.Helper()
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc, settings...)
}

func newClient(t testing.TB, nc net.Conn, settings ...frame.Setting) *client {
	c := &client{t: t, nc: nc, next: 1, ends: make(map[uint32]*clientStream), credit: make(map[uint32]int)}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(hangGuard))
	c.in = bufio.NewReader(nc)
	c.enc = hpack.NewEncoder(&c.encb)
	c.dec = hpack.NewDecoder(4096, nil)
	c.out = append(c.out, frame.Preface...)
	c.out = frame.AppendSettings(c.out, settings...)
	c.out = frame.AppendWindowUpdate(c.out, 0, 1<<31-1-65535)
	return c
}

// request collects HEADERS on the next stream: name, value, name, value...
func (c *client) request(flags frame.Flags, fields ...string) (id uint32) {
	c.encb.Reset()
	for i := 0; i < len(fields); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	id = c.next
	c.next += 2
	c.out = frame.AppendHeaders(c.out, id, flags|frame.FlagEndHeaders, c.encb.Bytes())
	return id
}

// begin collects an opening handshake for path, with more fields behind it.
func (c *client) begin(path string, more ...string) (id uint32) {
	return c.request(0, append([]string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "example.com",
		":path", path, "sec-websocket-version", "13"}, more...)...)
}

// open opens a WebSocket and waits until it is accepted.
func (c *client) open(path string) (id uint32) {
	c.t.Helper()
	id = c.begin(path)
	c.wantOf(id, "the handshake is accepted", "status 200")
	return id
}

// message collects one binary message in a DATA frame of its own.
func (c *client) message(id uint32, text string) {
	c.data(id, 0, ws.OpBinary, text)
}

// close collects a Close frame. flags may end the stream with it, as Chromium does.
func (c *client) close(id uint32, flags frame.Flags, code ws.CloseCode) {
	c.data(id, flags, ws.OpClose, string(ws.AppendClose(nil, code, "")))
}

func (c *client) data(id uint32, flags frame.Flags, op ws.Opcode, payload string) {
	c.out = frame.AppendData(c.out, id, flags, ws.AppendMasked(nil, op, 0x87654321^id, []byte(payload)))
}

// flush writes what is collected.
func (c *client) flush() error {
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// hear waits for the next thing that the server says. SETTINGS and PING are answered on the way,
// and what is taken from a stream's window is given back. At the end of the connection err is io.EOF.
func (c *client) hear() (h heard, err error) {
	for len(c.news) == 0 {
		if len(c.out) > 0 {
			c.flush() // a connection that takes nothing may still have something to say
		}
		if err := c.readFrame(); err != nil {
			c.nc.Close()
			return h, err
		}
	}
	h, c.news = c.news[0], c.news[1:]
	return h, nil
}

func (c *client) readFrame() error {
	var head [frame.HeaderLen]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return err
	}
	h, _ := frame.ConsumeHeader(head[:])
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return err
	}
	if err := frame.Check(h, frame.MaxPayloadMin); err != nil {
		return err
	}
	return c.recvFrame(h, payload)
}

func (c *client) recvFrame(h frame.Header, p []byte) error {
	switch h.Type {
	case frame.Settings:
		if !h.Flags.Has(frame.FlagAck) && !c.deaf {
			c.out = frame.AppendSettingsAck(c.out)
		}
	case frame.Ping:
		if !h.Flags.Has(frame.FlagAck) && !c.deaf {
			c.out = frame.AppendPing(c.out, true, frame.ParsePing(p))
		}
	case frame.Headers:
		return c.recvHeaders(h, p)
	case frame.Data:
		return c.recvData(h, p)
	case frame.RSTStream:
		c.news = append(c.news, heard{what: "reset", id: h.StreamID, code: uint32(frame.ParseRSTStream(p))})
		delete(c.ends, h.StreamID)
	case frame.GoAway:
		last, code, debug := frame.ParseGoAway(p)
		c.news = append(c.news, heard{what: "goaway", id: last, code: uint32(code), text: string(debug)})
	case frame.WindowUpdate:
		increment, err := frame.ParseWindowUpdate(h, p)
		c.credit[h.StreamID] += int(increment)
		return err
	default:
		return fmt.Errorf("a server does not send %v", h.Type)
	}
	return nil
}

func (c *client) recvHeaders(h frame.Header, p []byte) error {
	fields, err := c.dec.DecodeFull(p)
	if err != nil {
		return err
	}
	if len(fields) == 0 || fields[0].Name != ":status" {
		return fmt.Errorf("stream %d: :status is not the first field: %v", h.StreamID, fields)
	}
	c.ends[h.StreamID] = &clientStream{status: fields[0].Value}
	c.news = append(c.news, heard{what: "status", id: h.StreamID, text: fields[0].Value})
	return c.recvEnd(h)
}

func (c *client) recvData(h frame.Header, p []byte) error {
	s := c.ends[h.StreamID]
	if s == nil {
		return fmt.Errorf("DATA on stream %d, which is not open", h.StreamID)
	}
	if len(p) > 0 {
		c.out = frame.AppendWindowUpdate(c.out, 0, uint32(len(p)))
	}
	if s.status != "200" {
		c.news = append(c.news, heard{what: "body", id: h.StreamID, text: string(p)})
		return c.recvEnd(h)
	}
	s.rest = append(s.rest, p...)
	for {
		wh, n := ws.ConsumeHeader(s.rest)
		if n == 0 || uint64(len(s.rest)-n) < wh.Length {
			break
		}
		if err := c.recvWebSocket(h.StreamID, wh, s.rest[n:n+int(wh.Length)]); err != nil {
			return err
		}
		s.rest = s.rest[n+int(wh.Length):]
	}
	return c.recvEnd(h)
}

func (c *client) recvWebSocket(id uint32, h ws.Header, p []byte) error {
	if h.Masked || !h.Fin() || h.RSV() != 0 {
		return fmt.Errorf("stream %d: not a server's frame: %+v", id, h)
	}
	news := heard{id: id, text: string(p)}
	switch h.Opcode() {
	case ws.OpText, ws.OpBinary:
		news.what = "message"
	case ws.OpPong:
		news.what = "pong"
	case ws.OpClose:
		news.what, news.code, news.text = "close", uint32(p[0])<<8|uint32(p[1]), string(p[2:])
	default:
		return fmt.Errorf("stream %d: opcode %d", id, h.Opcode())
	}
	c.news = append(c.news, news)
	return nil
}

func (c *client) recvEnd(h frame.Header) error {
	if !h.Flags.Has(frame.FlagEndStream) {
		return nil
	}
	if rest := c.ends[h.StreamID].rest; len(rest) > 0 {
		return fmt.Errorf("stream %d ends inside of a WebSocket frame: %x", h.StreamID, rest)
	}
	c.news = append(c.news, heard{what: "end", id: h.StreamID})
	return nil
}

// want waits for the next things that the server says. why is a sentence.
func (c *client) want(why string, lines ...string) {
	c.t.Helper()
	for _, line := range lines {
		h, err := c.hear()
		if err != nil {
			c.t.Fatalf("%s: want %q, got %v", why, line, err)
		}
		if h.String() != line {
			c.t.Fatalf("%s:\n got %q\nwant %q", why, h, line)
		}
	}
}

// wantOf waits for the next things that the server says about one stream.
func (c *client) wantOf(id uint32, why string, lines ...string) {
	c.t.Helper()
	var others []heard
	for _, line := range lines {
		h, err := c.hear()
		for err == nil && (h.id != id || h.what == "goaway") {
			others = append(others, h)
			h, err = c.hear()
		}
		if err != nil {
			c.t.Fatalf("%s: want \"%d %s\", got %v", why, id, line, err)
		}
		if want := fmt.Sprint(id, " ", line); h.String() != want {
			c.t.Fatalf("%s:\n got %q\nwant %q", why, h, want)
		}
	}
	c.news = append(others, c.news...)
}

// echo sends a message and waits for its echo.
func (c *client) echo(id uint32, text string) {
	c.t.Helper()
	c.message(id, text)
	c.wantOf(id, "the message comes back", "message "+text)
}

// wantGone waits for the end of the connection, by FIN or RST, whatever is said before it.
func (c *client) wantGone(why string) {
	c.t.Helper()
	for {
		_, err := c.hear()
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.t.Fatalf("%s: the connection is still there", why)
		}
		if err != nil {
			return
		}
	}
}

// cut ends the connection at once: with linger 0 the peer gets a TCP reset.
func (c *client) cut() {
	c.nc.(*net.TCPConn).SetLinger(0)
	c.nc.Close()
}

// isReset reports whether a connection ended with a TCP reset.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
