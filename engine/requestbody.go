package engine

import "net/http"

// requestBody is the Body of a request: what its exchange receives. Any goroutine, one at a time.
type requestBody struct{ x *exchange }

// Read implements io.Reader. It waits for the peer. What is read makes room in the stream's window.
func (b requestBody) Read(p []byte) (n int, err error) {
	b.x.askForBody()
	return b.x.read(p)
}

// Close implements io.Closer. The peer is not asked for the rest.
func (b requestBody) Close() error {
	x := b.x
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropBody(http.ErrBodyReadAfterClose)
	x.changed.Broadcast()
	return nil
}

// creditShare is the part of its window, one in so many octets, that a stream's handler must have read before the
// loop hears of it: enough to be worth the trouble, and little enough that the peer is not at a loss for a window
// while the handler waits for more.
const creditShare = 4

func (x *exchange) read(p []byte) (n int, err error) {
	x.mu.Lock()
	for x.body.len() == 0 && x.bodyErr == nil && len(p) > 0 {
		x.changed.Wait()
	}
	if x.body.len() == 0 {
		defer x.mu.Unlock()
		return 0, x.bodyErr
	}
	n = x.body.read(p)
	held.Add(-int64(n))
	x.consumed += n
	if x.bodyErr != nil || x.consumed < int(x.service.limits.StreamWindow)/creditShare {
		x.mu.Unlock()
		return n, nil
	}
	x.consumed, x.wish.credit = 0, true
	x.unlockAndTell()
	return n, nil
}

// askForBody tells a peer that waits for it to send the body (RFC 9110 §10.1.1), unless it has an answer by now.
func (x *exchange) askForBody() {
	x.mu.Lock()
	ask := x.expects && !x.begun && x.body.len() == 0 && x.bodyErr == nil
	x.expects = false
	if !ask {
		x.mu.Unlock()
		return
	}
	x.push(continues)
	x.unlockAndTell()
}

// bodyBuffer is octets in the order of arrival, in memory that is used again.
//
// 0 <= off <= len(b)
type bodyBuffer struct {
	b   []byte
	off int // b[:off] has been read
}

func (q *bodyBuffer) len() int { return len(q.b) - q.off }

func (q *bodyBuffer) write(p []byte) {
	if q.off > 0 && len(q.b)+len(p) > cap(q.b) {
		q.b, q.off = q.b[:copy(q.b, q.b[q.off:])], 0
	}
	q.b = append(q.b, p...)
}

func (q *bodyBuffer) read(p []byte) (n int) {
	n = copy(p, q.b[q.off:])
	if q.off += n; q.off == len(q.b) {
		q.b, q.off = q.b[:0], 0
	}
	return n
}
