package engine

import (
	"math"
	"runtime/debug"
	"time"

	"h2ws/flow"
	"h2ws/hpack"
	"h2ws/ws"
)

// Limits bounds what peers and callers can make a Server hold or wait for.
// The zero value of each field means its default. A negative duration switches that deadline off.
type Limits struct {
	// MaxConcurrentStreams is the setting of that name: the open streams of one connection.
	// A stream above it gets REFUSED_STREAM. Default 1000; trunks from a gateway want up to 1<<20.
	MaxConcurrentStreams uint32

	// Connections bounds the connections of the server, whatever they speak, and ConnectionsAddr those of one address, or of
	// one IPv6 network of 64 bits; above either a connection is reset when it is accepted. Defaults 100,000 and
	// 16,384, as a proxy in front has one address; where clients have their own 100 are plenty.
	Connections     int
	ConnectionsAddr int

	// StreamWindow is our INITIAL_WINDOW_SIZE, in octets. Default and least 65,535: before its first
	// SETTINGS is acknowledged a peer may send that much in any case.
	StreamWindow int32
	// ConnWindow is the receive window of a whole connection, in octets. Default and least 1 MiB.
	// Received octets are consumed at once, so it bounds what is in flight and no memory.
	ConnWindow int32

	// MessageSize is the largest message accepted, in octets; above it the socket closes
	// with 1009 before anything is allocated. Default 64 KiB.
	MessageSize int
	// AssemblySize bounds the buffers of all incomplete messages of one connection, in octets;
	// the socket that crosses it closes with 1013. Default 64 MiB.
	AssemblySize int

	// PendingHandshakes bounds the opening handshakes of one connection that wait for a decision that was
	// deferred (ws.Request.Defer), and PendingHandshakesAll those of the whole server; beyond it they
	// are refused with 503. Each keeps its request, and what was sent behind it within StreamWindow and
	// AssemblySize. Defaults 1024 and 4096.
	PendingHandshakes    int
	PendingHandshakesAll int

	// Queue bounds what waits for the peer of one socket, and says what happens at the bound.
	// Under its default policy a Send that finds the queue full fails with ws.ErrSlow, and
	// the socket closes with 1008.
	Queue ws.QueueLimits
	// MailboxSize bounds the octets posted to one loop and not yet taken by it, with 48 for each post. Above
	// it Send, SendPrepared and Topic.Join fail with ErrMailboxFull, and what is published to a topic is dropped for
	// the loop's members. What ends something, and comes once for each, counts and is not refused. Default 64 MiB.
	MailboxSize int
	// MemorySize bounds the octets that the process holds for peers, as this package accounts for them: connections, streams,
	// what has come in of incomplete messages, and messages that wait, shared ones counted once, with 96 for
	// each place in a queue and 48 in a log. Before it is reached connections and streams are refused (Overload); above it the largest logs
	// are cut and the policies of the largest backlogs applied as if their queues were full. Default 1 GiB or, with
	// GOMEMLIMIT, half of that.
	MemorySize int64
	// ControlSize bounds the control frames waiting on one connection, in octets: above it the
	// connection is not read until they drain. Default 64 KiB.
	ControlSize int

	// HeaderBlockSize and Continuations bound one field block before it is decoded: its octets
	// and CONTINUATION frames. Above: ENHANCE_YOUR_CALM. Defaults 32 KiB and 8.
	HeaderBlockSize int
	Continuations   int
	// Header bounds the decoded field block: 431 at the soft limits, ENHANCE_YOUR_CALM at the hard.
	Header hpack.Limits
	// TLSHandshakes bounds the TLS handshakes under way: more wait to be accepted, and have those under way hurry: they
	// get 1 s each in place of TLSHandshakeTimeout. Default 512.
	TLSHandshakes int
	// HTTPConnections bounds the connections that speak HTTP/1.1 and carry no WebSocket, or not yet: one
	// above it gets 503. Default 4096.
	HTTPConnections int
	// RequestBody is how much of the body of a request that is no WebSocket is read, without Server.HTTP, before
	// it is answered all the same. Default 16 KiB.
	RequestBody int64

	// Requests is how many handlers of Server.HTTP run at once for requests over HTTP/2, one goroutine each, and RequestsConn how many
	// requests of one connection are served: until the handler has returned and the response is sent. Above
	// either a request gets 503. Defaults 1024 and 256, more than a browser has under way.
	// The bodies of one connection's requests that wait for their handlers are at most RequestsConn times
	// StreamWindow, and what waits of its responses RequestsConn times ResponseBuffer.
	Requests     int
	RequestsConn int
	// RequestSize is the largest body that Server.HTTP is given, in octets. A request that announces more gets
	// 413; of one that turns out larger the handler reads so much and then *http.MaxBytesError.
	// Default 1 MiB; negative: any size.
	RequestSize int64
	// ResponseBuffer is how many octets of one response may wait for the peer, give or take a DATA frame: Write blocks
	// at the limit. A response whose fields are larger is replaced by 500. Default 64 KiB.
	ResponseBuffer int
	// RequestTimeout is how long a request over HTTP/2 to Server.HTTP may take until its response is sent; a handler may change
	// it for its own request with http.ResponseController.SetWriteDeadline. Then its context ends, and the
	// peer gets 503 or, if the response has begun, RST_STREAM; over HTTP/1.1 its connection ends. Default 30 s.
	RequestTimeout time.Duration

	// RuleScale multiplies the budgets of all rules that count what peers do (Rule), each of which scales with the streams
	// that a connection has open anyway. Default 1; negative: no such rule holds.
	RuleScale float64

	// TLSHandshakeTimeout is how long a TLS handshake may take. Default 10 s.
	TLSHandshakeTimeout time.Duration
	// PrefaceTimeout is how long a new connection may take until its first SETTINGS, or until it begins with
	// something else than HTTP/2. Default 5 s.
	PrefaceTimeout time.Duration
	// SettingsTimeout is how long our SETTINGS may stay unacknowledged. Default 10 s.
	SettingsTimeout time.Duration
	// HeaderTimeout is how long a field block, or over HTTP/1.1 the header of a request, may stay incomplete.
	// Default 10 s.
	HeaderTimeout time.Duration
	// HandshakeTimeout is how long the decision on an opening handshake may be deferred; then it is
	// refused with 503. Default 10 s.
	HandshakeTimeout time.Duration
	// CloseTimeout is how long a stream may take to answer a Close frame, or to take what is queued with
	// END_STREAM; then it is reset with CANCEL. Default 5 s.
	CloseTimeout time.Duration
	// EndTimeout is how long a stream may stay open on the peer's side when ours has ended; then it is reset with
	// NO_ERROR. Browsers may leave it open for ever, which costs them a stream, but take a reset that comes with
	// the Close frame for a failure. Default 1 s.
	EndTimeout time.Duration
	// DrainTime is over what time Server.Shutdown spreads the closing of many sockets, so that their clients do
	// not all come back at once; up to a thousand a second are closed sooner. Off: all at once. Default 5 s.
	DrainTime time.Duration
	// PingInterval is the silence after which a connection is sent a PING, one of WebSocket over HTTP/1.1, and
	// PingTimeout the time it has to say anything. Defaults 30 s and 10 s.
	PingInterval time.Duration
	PingTimeout  time.Duration
	// SocketPingInterval has every WebSocket sent a ping about once in that time, for proxies that end streams
	// which are silent; 0, the default, or less: none are. The pings are spread over the interval.
	SocketPingInterval time.Duration
	// SocketPongTimeout is how long a WebSocket may say nothing after a ping was sent to it, neither a pong nor
	// anything else; then its stream is reset. Default 10 s.
	SocketPongTimeout time.Duration
	// IdleTimeout ends a connection that has had no stream for so long. Default 3 min.
	IdleTimeout time.Duration
	// WriteTimeout ends a connection that takes less than 1 KiB of waiting output in so long, be it that its
	// socket is full or its window used up. Default 30 s.
	WriteTimeout time.Duration
	// StreamTimeout closes a socket, with the code of its queue limits, whose own window lets less than 1 KiB of its queue
	// through in so long, nor all of it. Policies bound the queue, and this the time for which it is held. In seconds,
	// at most 2 min. Default 30 s.
	StreamTimeout time.Duration
	// MessageTimeout closes a socket, with 1008, whose peer takes so long to complete a message or a frame of one, unless
	// 16 KiB of it come in the time. Default 30 s.
	MessageTimeout time.Duration
	// BlockTime is how long a callback may keep its loop from everything else before that is logged, with the
	// callback's stack. Default 500 ms.
	BlockTime time.Duration
}

const (
	// lingerTimeout is how long a connection is read, and what it sends discarded, after GOAWAY
	// with an error: closing at once would turn unread octets into a TCP reset that may
	// overtake the GOAWAY.
	lingerTimeout = time.Second

	never = time.Duration(math.MaxInt64)
)

// withDefaults returns l with every zero replaced and every value within its bounds.
func (l Limits) withDefaults() Limits {
	def(&l.MaxConcurrentStreams, 1000)
	def(&l.Connections, 100_000)
	def(&l.ConnectionsAddr, 16_384)
	def(&l.StreamWindow, flow.InitialSize)
	l.StreamWindow = max(l.StreamWindow, flow.InitialSize)
	def(&l.ConnWindow, 1<<20)
	l.ConnWindow = max(l.ConnWindow, 1<<20)
	def(&l.MessageSize, 64<<10)
	def(&l.AssemblySize, 64<<20)
	def(&l.PendingHandshakes, 1024)
	def(&l.PendingHandshakesAll, 4096)
	l.Queue = l.Queue.WithDefaults()
	def(&l.MailboxSize, 64<<20)
	l.MailboxSize = min(l.MailboxSize, mailboxSizeMax)
	def(&l.MemorySize, memorySizeDefault())
	def(&l.ControlSize, 64<<10)
	def(&l.HeaderBlockSize, 32<<10)
	def(&l.Continuations, 8)
	def(&l.Header.ListSize, 16<<10) // announced as MAX_HEADER_LIST_SIZE
	def(&l.TLSHandshakes, 512)
	def(&l.HTTPConnections, 4096)
	def(&l.RequestBody, 16<<10)
	def(&l.Requests, 1024)
	def(&l.RequestsConn, 256)
	def(&l.RequestSize, 1<<20)
	if l.RequestSize < 0 {
		l.RequestSize = math.MaxInt64
	}
	def(&l.ResponseBuffer, 64<<10)
	defTimeout(&l.RequestTimeout, 30*time.Second)
	defTimeout(&l.TLSHandshakeTimeout, 10*time.Second)
	def(&l.RuleScale, 1)
	if l.RuleScale < 0 {
		l.RuleScale = ruleScaleMax
	}
	defTimeout(&l.PrefaceTimeout, 5*time.Second)
	defTimeout(&l.SettingsTimeout, 10*time.Second)
	defTimeout(&l.HeaderTimeout, 10*time.Second)
	defTimeout(&l.HandshakeTimeout, 10*time.Second)
	defTimeout(&l.CloseTimeout, 5*time.Second)
	defTimeout(&l.EndTimeout, time.Second)
	defTimeout(&l.DrainTime, 5*time.Second)
	defTimeout(&l.PingInterval, 30*time.Second)
	defTimeout(&l.PingTimeout, 10*time.Second)
	if l.SocketPingInterval <= 0 {
		l.SocketPingInterval = never
	}
	defTimeout(&l.SocketPongTimeout, 10*time.Second)
	defTimeout(&l.IdleTimeout, 3*time.Minute)
	defTimeout(&l.WriteTimeout, 30*time.Second)
	defTimeout(&l.StreamTimeout, 30*time.Second)
	defTimeout(&l.MessageTimeout, 30*time.Second)
	defTimeout(&l.BlockTime, 500*time.Millisecond)
	return l
}

func memorySizeDefault() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return max(limit/2, 1)
	}
	return 1 << 30
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func defTimeout(v *time.Duration, d time.Duration) {
	def(v, d)
	if *v < 0 {
		*v = never
	}
}

// after is now+d, or never.
func after(now, d time.Duration) time.Duration {
	if d == never {
		return never
	}
	return now + d
}
