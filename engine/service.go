package engine

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
)

// service runs Server.HTTP, in a bounded number of goroutines. The loops of a server share it.
type service struct {
	handler http.Handler
	limits  Limits
	log     *slog.Logger
	start   func(*exchange)

	running atomic.Int64 // handlers
	panics  atomic.Uint64
}

func newService(h http.Handler, l Limits, log *slog.Logger) *service {
	if h == nil {
		return nil
	}
	v := &service{handler: h, limits: l, log: log}
	v.start = func(x *exchange) { go v.run(x) }
	return v
}

// admit counts one more handler as running and reports true, if that is within the limit.
func (v *service) admit() bool {
	if v.running.Add(1) <= int64(v.limits.Requests) {
		return true
	}
	v.running.Add(-1)
	return false
}

// run serves one request. A goroutine is as long in the count as it may block: it is given back before the peer
// can know that the response is complete, and so before its next request.
func (v *service) run(x *exchange) {
	defer x.abort() // unless the handler finishes or fails: it may end its goroutine
	w := &responseWriter{x: x, header: make(http.Header), length: -1, head: x.request.Method == "HEAD"}
	r, err := x.httpRequest()
	if err != nil {
		http.Error(w, "400 "+err.Error(), http.StatusBadRequest)
		w.finish()
		return
	}
	switch p := v.call(w, r); {
	case p == nil:
		w.finish()
	case p != http.ErrAbortHandler && !w.begun:
		w.fail()
	}
}

// call calls the handler and returns what it panicked with, or nil.
func (v *service) call(w http.ResponseWriter, r *http.Request) (p any) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p = recover() // nil: runtime.Goexit, and nothing behind the call is done
		if p != nil && p != http.ErrAbortHandler {
			v.panics.Add(1)
			v.log.Error("handler panicked", "panic", p, "remote", r.RemoteAddr, "path", r.URL.Path, "stack", string(debug.Stack()))
		}
	}()
	v.handler.ServeHTTP(w, r)
	returned = true
	return nil
}

// count adds what the service knows to the server's figures. Any goroutine.
func (v *service) count(s *Stats) {
	if v != nil {
		s.RequestsRunning += v.running.Load()
		s.Panics += v.panics.Load()
	}
}
