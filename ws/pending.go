package ws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrDecided is returned by Accept and Reject of a Pending that was decided before.
var ErrDecided = errors.New("ws: the handshake is decided")

// A Pending is an opening handshake that is decided later. Its methods may be
// called from any goroutine at any time. One of Accept and Reject must be called
// in the end, also when the context is over: until then, or until the time for
// it is over, the handshake counts as one that the application still works on.
//
// What the client sends before it has the answer is kept, as much as the window
// of its stream allows, and handed over behind OnOpen.
type Pending struct {
	request Request // owned; does not change
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	decided  bool
	decision Decision // if decided
	gone     error    // why no decision can reach the client any more; nil: it can
	tell     func()   // the engine's, when decided; nil: not yet bound
}

// Defer puts the decision off: OnHandshake returns without one, and the client
// waits for Accept or Reject of the Pending. If that takes too long, if too
// many are waiting, or if the server shuts down, the handshake is refused with
// 503. Neither the origin nor anything else is checked for whoever accepts:
// see Request.SameOrigin. It panics if the request is decided.
func (r *Request) Defer() *Pending {
	r.decide()
	p := &Pending{request: Request{
		Scheme: r.Scheme, Authority: r.Authority, Path: r.Path, RawQuery: r.RawQuery,
		Fields: slices.Clone(r.Fields), RemoteAddr: r.RemoteAddr, TLS: r.TLS,
		decided: true, // by the Pending alone
	}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	r.decision.Pending = p
	return p
}

// Request returns the request. It is the Pending's own, not borrowed, and must
// not be changed; its Accept and Reject panic.
func (p *Pending) Request() *Request { return &p.request }

// Context returns a context that is canceled when the handshake is over: decided,
// refused for want of a decision, or lost with its stream, connection or server.
// context.Cause then says which.
func (p *Pending) Context() context.Context { return p.ctx }

// Accept accepts the handshake. OnOpen follows, on the event loop, unless the
// stream ends first. What is published to o.Topics once Accept has returned is
// received. It returns ErrDecided, an error that wraps ErrClosed when nobody waits
// for the answer any more, or what Request.Accept would have panicked with; then
// the handshake is still to be decided.
func (p *Pending) Accept(o AcceptOptions) error {
	if err := p.request.checkAccept(&o); err != nil {
		return err
	}
	var d Decision
	d.accept(&o)
	return p.decide(d)
}

// Reject refuses the handshake with a status from 300 to 599 and a short text
// for the body. It returns errors as Accept does.
func (p *Pending) Reject(status int, reason string) error {
	if err := checkReject(status); err != nil {
		return err
	}
	return p.decide(Decision{Status: status, Reason: reason})
}

func (p *Pending) decide(d Decision) error {
	p.mu.Lock()
	if p.decided {
		p.mu.Unlock()
		return ErrDecided
	}
	p.decided, p.decision = true, d
	tell, gone := p.tell, p.gone
	p.mu.Unlock()
	p.cancel(ErrDecided)
	if tell != nil {
		tell()
	}
	if gone != nil {
		return fmt.Errorf("%w: %w", ErrClosed, gone)
	}
	return nil
}

// Bind has tell called, from any goroutine, when the handshake is decided, and
// at once if it is.
//
// For the engine; on the loop, once.
func (p *Pending) Bind(tell func()) {
	p.mu.Lock()
	p.tell = tell
	decided := p.decided
	p.mu.Unlock()
	if decided {
		tell()
	}
}

// Decision returns what was decided, once it is.
//
// For the engine; any goroutine.
func (p *Pending) Decision() Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.decision
}

// End says that no decision can reach the client any more.
//
// For the engine; on the loop.
func (p *Pending) End(err error) {
	p.mu.Lock()
	if p.gone == nil {
		p.gone = err
	}
	p.mu.Unlock()
	p.cancel(err)
}
