package engine

import (
	"net/http"
	"testing"
	"time"
)

// fuzzHandlers plays the handlers of plain requests, without goroutines.
type fuzzHandlers struct {
	p         *testPeer
	how       int
	exchanges []*exchange
	writers   []*responseWriter
	before    int64 // held
}

func (h *fuzzHandlers) serve(how int) {
	h.how = how
	if k := h.p.core; k.http == nil {
		k.http = newService(http.NotFoundHandler(), k.limits, k.log)
		k.http.start = func(x *exchange) {
			h.exchanges = append(h.exchanges, x)
			h.writers = append(h.writers, &responseWriter{x: x, header: make(http.Header), length: -1, head: x.request.Method == "HEAD"})
		}
	}
}

// play has every handler do as it is told, once, as far as it need not wait.
func (h *fuzzHandlers) play() {
	for i, x := range h.exchanges {
		w := h.writers[i]
		if x.state != exchangeServing {
			continue
		}
		if h.how&1 != 0 && (x.body.len() > 0 || x.bodyErr != nil) {
			requestBody{x}.Read(make([]byte, 100))
		}
		if x.pending+len(w.buf)+10_000 < h.p.core.limits.ResponseBuffer {
			w.Write(make([]byte, h.how*100))
		}
		switch {
		case h.how&2 != 0:
			w.finish()
		case h.how&4 != 0:
			x.abort()
		case h.how&8 != 0:
			w.SetWriteDeadline(time.Now())
		}
	}
	h.p.settle()
}

// end has the handlers return. Nothing may be left of them.
func (h *fuzzHandlers) end(t *testing.T) {
	for _, x := range h.exchanges {
		x.abort()
	}
	h.p.settle()
	h.p.core.end()
	if n := held.Load() - h.before; n != 0 {
		t.Errorf("%d octets are left in the account of memory", n)
	}
	if k := h.p.core; k.http != nil && (k.http.running.Load() != 0 || h.p.conn.plains().serving.Load() != 0) {
		t.Error("slots are left")
	}
}
