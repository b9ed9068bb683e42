package attack

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// foe is one connection of an attack. One goroutine sends; what comes is counted by another.
type foe struct {
	c      *raw.Conn
	target *raw.Target
	manner manner
	nextID uint32
	sent   int // what was thrown

	patience time.Duration // settlePatience

	mu      sync.Mutex
	got     tally
	changed chan struct{} // something came
	ended   chan struct{} // nothing comes any more
}

// manner is how a foe behaves besides.
type manner struct {
	silent   bool            // no preface, no SETTINGS
	noAck    bool            // SETTINGS are not acknowledged
	deaf     bool            // nothing is read, until listen is called
	noCredit bool            // nothing that was received is given back
	settings []frame.Setting // besides the usual ones
}

// tally is what came.
type tally struct {
	goAways  int // with an error
	code     frame.ErrCode
	debug    string
	drains   int // GOAWAY with NO_ERROR
	closed   bool
	at       time.Time // of the first reaction that counts
	resets   map[frame.ErrCode]int
	statuses map[int]int
	closes   map[int]int // of WebSockets, by code
	data     int         // DATA frames that were not empty
	octets   int
	pongs    int
	acks     int // of PING
	settled  bool
	max      uint32           // MAX_CONCURRENT_STREAMS
	frameMax uint32           // MAX_FRAME_SIZE
	credit   map[uint32]int64 // by stream, 0 for the connection: what WINDOW_UPDATE gave less what data took
}

const (
	foeWindow  = 1 << 20
	connWindow = 1 << 30
)

// dial connects, and exchanges SETTINGS unless the manner is another.
func dial(ctx context.Context, target *raw.Target, m manner) (*foe, error) {
	m.noAck = m.noAck || m.silent
	c, err := raw.Dial(ctx, target)
	if err != nil {
		return nil, err
	}
	f := &foe{
		c: c, target: target, manner: m, nextID: 1, patience: settlePatience, changed: make(chan struct{}, 1), ended: make(chan struct{}),
		got: tally{resets: map[frame.ErrCode]int{}, statuses: map[int]int{}, closes: map[int]int{}, max: 1<<32 - 1, frameMax: frame.MaxPayloadMin, credit: map[uint32]int64{}},
	}
	if !m.silent {
		f.send(f.greeting())
	}
	if !m.deaf {
		f.listen()
	}
	return f, nil
}

func (f *foe) greeting() []byte {
	settings := append([]frame.Setting{{ID: frame.EnablePush, Value: 0}}, f.manner.settings...)
	if !slices.ContainsFunc(settings, func(s frame.Setting) bool { return s.ID == frame.InitialWindowSize }) {
		settings = append(settings, frame.Setting{ID: frame.InitialWindowSize, Value: foeWindow})
	}
	b := frame.AppendSettings([]byte(frame.Preface), settings...)
	b = frame.AppendWindowUpdate(b, 0, connWindow-65535)
	if f.manner.deaf && !f.manner.noAck {
		b = frame.AppendSettingsAck(b)
	}
	return b
}

// listen begins to read. It is for a foe that was deaf.
func (f *foe) listen() { go f.read() }

// sendPatience is how long a server may leave what is sent unread before it counts as not reading.
const sendPatience = time.Second

// send reports false when the server does not take it: the connection has ended, or it is not read.
func (f *foe) send(p []byte) (blocked, ok bool) {
	err := f.c.Send(p, time.Now().Add(sendPatience))
	return raw.Timeout(err), err == nil
}

// over says whether the server has ended the connection, or is about to.
func (f *foe) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.got.goAways > 0
	}
}

// await waits until what came is enough, the connection has ended or the time is up.
func (f *foe) await(enough func(t *tally) bool, patience time.Duration) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		f.mu.Lock()
		ok := enough(&f.got)
		f.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-f.changed:
		case <-f.ended:
			f.mu.Lock()
			defer f.mu.Unlock()
			return enough(&f.got)
		case <-timeout.C:
			return false
		}
	}
}

// awaitSoon waits for what a server says when it has seen everything.
func (f *foe) awaitSoon(enough func(t *tally) bool) bool { return f.await(enough, f.patience) }

// settlePatience is what a server may take to say what it thinks of an attack that is over.
const settlePatience = 3 * time.Second

// snapshot is what came until now.
func (f *foe) snapshot() tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.got
	t.resets, t.statuses, t.closes, t.credit = maps.Clone(t.resets), maps.Clone(t.statuses), maps.Clone(t.closes), nil
	return t
}

// read counts what comes until the connection ends.
func (f *foe) read() {
	defer close(f.ended)
	decoder := raw.NewDecoder(f.manner.settings)
	for {
		got, err := f.c.Recv(time.Now().Add(time.Hour))
		if err != nil {
			f.note(func(t *tally) { t.closed = true; t.react() })
			return
		}
		f.recv(got, decoder)
	}
}

func (f *foe) note(what func(t *tally)) {
	f.mu.Lock()
	what(&f.got)
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// react notes when the server did something about it.
func (t *tally) react() {
	if t.at.IsZero() {
		t.at = time.Now()
	}
}

func (f *foe) recv(got raw.Frame, decoder *hpack.Decoder) {
	switch got.Type {
	case frame.Settings:
		f.recvSettings(got)
	case frame.Ping:
		if got.Flags.Has(frame.FlagAck) {
			f.note(func(t *tally) { t.acks++ })
		} else {
			f.send(frame.AppendPing(nil, true, frame.ParsePing(got.Payload)))
		}
	case frame.GoAway:
		_, code, debug := frame.ParseGoAway(got.Payload)
		f.note(func(t *tally) { t.recvGoAway(code, debug) })
	case frame.RSTStream:
		code := frame.ParseRSTStream(got.Payload)
		f.note(func(t *tally) { t.resets[code]++ })
	case frame.WindowUpdate:
		increment, err := frame.ParseWindowUpdate(got.Header, got.Payload)
		if err == nil {
			f.note(func(t *tally) { t.credit[got.StreamID] += int64(increment) })
		}
	case frame.Headers:
		fragment, _ := frame.ParseHeaders(got.Header, got.Payload)
		fields, _ := decoder.DecodeFull(fragment)
		if len(fields) > 0 {
			status, _ := strconv.Atoi(fields[0].Value)
			f.note(func(t *tally) { t.statuses[status]++ })
		}
	case frame.Data:
		f.recvData(got)
	}
}

func (t *tally) recvGoAway(code frame.ErrCode, debug []byte) {
	if code == frame.NoError {
		t.drains++
		return
	}
	t.goAways++
	t.code, t.debug = code, string(debug)
	t.react()
}

func (f *foe) recvSettings(got raw.Frame) {
	if got.Flags.Has(frame.FlagAck) {
		return
	}
	for p := got.Payload; len(p) >= 6; {
		var s frame.Setting
		s, p = frame.ParseSetting(p)
		switch s.ID {
		case frame.MaxConcurrentStreams:
			f.note(func(t *tally) { t.max = s.Value })
		case frame.MaxFrameSize:
			f.note(func(t *tally) { t.frameMax = s.Value })
		}
	}
	if !f.manner.noAck {
		f.send(frame.AppendSettingsAck(nil))
	}
	f.note(func(t *tally) { t.settled = true })
}

// recvData gives credit, and looks at the WebSocket frames that begin the payload.
func (f *foe) recvData(got raw.Frame) {
	n := len(got.Payload)
	if n == 0 {
		return
	}
	if !f.manner.noCredit {
		f.send(frame.AppendWindowUpdate(frame.AppendWindowUpdate(nil, 0, uint32(n)), got.StreamID, uint32(n)))
	}
	f.note(func(t *tally) {
		t.data++
		t.octets += n
		for p := got.Payload; ; {
			h, head := ws.ConsumeHeader(p)
			if head == 0 || h.Length > uint64(len(p)-head) {
				return
			}
			t.recvSocket(h, p[head:head+int(h.Length)])
			p = p[head+int(h.Length):]
		}
	})
}

func (t *tally) recvSocket(h ws.Header, p []byte) {
	switch {
	case h.Opcode() == ws.OpPong:
		t.pongs++
	case h.Opcode() == ws.OpClose && len(p) >= 2:
		t.closes[int(binary.BigEndian.Uint16(p))]++
	case h.Opcode() == ws.OpClose:
		t.closes[int(ws.CloseNoStatus)]++
	}
}

// open sends n opening handshakes and waits for the answers. It returns the id of the first.
func (f *foe) open(n int) (first uint32, ok bool) {
	first = f.nextID
	before := f.snapshot().statuses[200]
	block := raw.Block(f.target.Handshake())
	for n := n; n > 0; n -= 1000 {
		var b []byte
		for range min(n, 1000) {
			b = frame.AppendHeaders(b, f.nextID, frame.FlagEndHeaders, block)
			f.nextID += 2
		}
		if _, ok := f.send(b); !ok {
			return first, false
		}
	}
	return first, f.await(func(t *tally) bool { return t.statuses[200] >= before+n }, 10*time.Second)
}

// most is n, or how many WebSockets the server allows if that is less.
func (f *foe) most(n int) int {
	f.awaitSoon(func(t *tally) bool { return t.settled })
	return min(n, int(f.snapshot().max))
}

// flood throws n things, some at a time, as long as the server takes them. blocked: it stopped reading.
func (f *foe) flood(n int, by time.Duration, throw func(b []byte, i int) []byte) (blocked bool) {
	const batch = 16 << 10
	end := time.Now().Add(by)
	var b []byte
	for i := 0; i < n && time.Now().Before(end) && !f.over(); {
		for b = b[:0]; len(b) < batch && i < n; i++ {
			b = throw(b, i)
		}
		blocked, ok := f.send(b)
		if !ok {
			return blocked
		}
		f.sent = i
	}
	return false
}

// data sends octets on a WebSocket in DATA frames, when the windows allow it. It reports false when they do not, or
// the WebSocket or the connection is over.
func (f *foe) data(id uint32, p []byte) bool {
	for chunk := range slices.Chunk(p, frame.MaxPayloadMin) {
		n := int64(len(chunk))
		over := false
		ok := f.awaitSoon(func(t *tally) bool {
			over = t.goAways > 0 || len(t.closes) > 0
			return over || min(t.credit[0], t.credit[id])+65535 >= n
		})
		if !ok || over {
			return false
		}
		f.note(func(t *tally) { t.credit[0], t.credit[id] = t.credit[0]-n, t.credit[id]-n })
		if _, ok := f.send(frame.AppendData(nil, id, 0, chunk)); !ok {
			return false
		}
	}
	return true
}

// alive says whether the server still answers a PING on the connection.
func (f *foe) alive() bool {
	if f.over() {
		return false
	}
	acks := f.snapshot().acks
	if _, ok := f.send(frame.AppendPing(nil, false, [8]byte{'a', 'l', 'i', 'v', 'e'})); !ok {
		return false
	}
	return f.await(func(t *tally) bool { return t.acks > acks || t.goAways > 0 }, f.patience) && !f.over()
}

// close ends the connection.
func (f *foe) close() {
	f.c.Close()
}
