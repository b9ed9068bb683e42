package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"h2ws/hpack"
)

// responseWriter is the ResponseWriter of one request, for one goroutine at a time. What is written is collected
// until it is worth a frame, the handler flushes, or returns; then it waits in the exchange. With
// http.ResponseController it can Flush and SetWriteDeadline: see Limits.RequestTimeout.
type responseWriter struct {
	x      *exchange
	header http.Header // the handler's
	status int         // 0: WriteHeader was not called
	fixed  http.Header // header as WriteHeader found it
	begun  bool        // the field block is on its way
	head   bool        // the request's method is HEAD: no body
	buf    []byte      // of the body, and not yet on its way
	length int64       // content-length as the handler says, or -1
	wrote  int64       // octets of the body
	err    error       // nothing more can be sent
}

// collectMax is how much of a body is collected. A body that is no longer, of a handler that does not flush, has its
// length announced.
const collectMax = 4 << 10

var (
	errHeaderSize = errors.New("engine: the response's fields are larger than Limits.ResponseBuffer, or than the peer accepts")

	// continues is 100 (Continue).
	continues = output{kind: segmentFields, b: hpack.AppendStatus(nil, http.StatusContinue)}
)

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. A status below 200 is sent at once, with the fields there are; of the
// others the first counts. It panics on a status that HTTP/2 does not have: RFC 9113 §8.6 has no 101.
func (w *responseWriter) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999 || status == http.StatusSwitchingProtocols:
		panic(fmt.Sprintf("engine: WriteHeader: invalid status %d", status))
	case w.status != 0:
	case status < 200:
		if o, ok := w.fields(status, w.header); ok {
			w.send(o)
		}
	default:
		w.status, w.fixed = status, w.header.Clone()
		if w.fixed == nil {
			w.fixed = make(http.Header)
		}
		w.takeLength()
	}
}

// takeLength takes the handler at its word, or drops what is no length.
func (w *responseWriter) takeLength() {
	value := w.fixed.Get("Content-Length")
	length, err := strconv.ParseUint(value, 10, 63)
	if err != nil || w.status == http.StatusNoContent {
		w.fixed.Del("Content-Length")
		return
	}
	w.length = int64(length)
}

// Write implements http.ResponseWriter. It waits while Limits.ResponseBuffer octets wait for the peer; its
// error is that of the stream, http.ErrBodyNotAllowed or http.ErrContentLength.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.wrote+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.wrote += int64(len(p))
	if len(w.buf)+len(p) <= collectMax {
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	w.begin(p)
	w.sendBody(w.buf)
	w.buf = w.buf[:0]
	w.sendBody(p)
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// bodyAllowed: RFC 9110 §6.4.1.
func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { w.FlushError() }

// FlushError sends what was written so far, for http.ResponseController.
func (w *responseWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.begin(nil)
	w.sendBody(w.buf)
	w.buf = w.buf[:0]
	return w.err
}

// EnableFullDuplex is for http.ResponseController: HTTP/2 always is.
func (w *responseWriter) EnableFullDuplex() error { return nil }

// SetWriteDeadline moves the end of the time that the request may take; the zero time takes the limit away. It
// is for http.ResponseController.
func (w *responseWriter) SetWriteDeadline(t time.Time) error {
	timeout := never
	if d := time.Until(t); !t.IsZero() && d < never/2 { // later than the clock of the loops can add
		timeout = d
	}
	return w.x.setTimeout(timeout)
}

// begin sends the fields of the response, unless they are on their way. p is the body behind buf.
func (w *responseWriter) begin(p []byte) {
	if w.begun {
		return
	}
	o, err := w.open(p, false)
	w.send(o)
	if w.err == nil {
		w.err = err
	}
}

// open makes the fields of the response, for the one time that they are sent; complete says that buf is all there is
// of the body. If they are too large, 500 takes their place, and nothing may follow.
func (w *responseWriter) open(p []byte, complete bool) (o output, err error) {
	w.begun = true
	w.describe(p, complete)
	o, ok := w.fields(w.status, w.fixed)
	if !ok {
		err = errHeaderSize
		w.x.service.log.Error("response replaced by 500", "error", err, "remote", w.x.remote, "path", w.x.request.Path)
		o.b, _ = appendFieldBlock(nil, http.StatusInternalServerError, nil)
	}
	o.final = true
	return o, err
}

// describe says of the body what net/http's servers say without being told.
func (w *responseWriter) describe(p []byte, complete bool) {
	h := w.fixed
	if len(w.buf) > 0 {
		p = w.buf
	}
	if _, ok := h["Content-Type"]; !ok && len(p) > 0 && h.Get("Content-Encoding") == "" {
		h.Set("Content-Type", http.DetectContentType(p))
	}
	if complete && w.length < 0 && bodyAllowed(w.status) && (!w.head || w.wrote > 0) {
		h.Set("Content-Length", strconv.FormatInt(w.wrote, 10))
	}
	if _, ok := h["Date"]; !ok {
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
}

// fields makes a field block. It reports false when it is larger than the peer, or Limits.ResponseBuffer, allows.
func (w *responseWriter) fields(status int, h http.Header) (o output, ok bool) {
	b, size := appendFieldBlock(nil, status, h)
	return output{kind: segmentFields, b: b}, size <= w.x.fieldsMax
}

func (w *responseWriter) send(o output) {
	if w.err == nil {
		w.err = w.x.send(o)
	}
}

func (w *responseWriter) sendBody(p []byte) {
	if !w.head {
		w.send(output{kind: segmentBody, b: p})
	}
}

// finish sends what is left when the handler has returned. It does not wait.
func (w *responseWriter) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.length > w.wrote && !w.head && bodyAllowed(w.status) {
		w.x.abort() // less than was announced: the peer must not take it for the whole
		return
	}
	var last []output
	if !w.begun {
		var o output
		o, w.err = w.open(nil, true)
		last = append(last, o)
	}
	if w.err == nil && !w.head {
		last = append(last, output{kind: segmentBody, b: w.buf})
		if o, ok := w.fields(0, w.trailers()); ok {
			last = append(last, o)
		}
	}
	w.x.finish(last...)
}

// fail answers for a handler that panicked before the response began.
func (w *responseWriter) fail() {
	*w = responseWriter{x: w.x, header: make(http.Header), length: -1, head: w.head}
	http.Error(w, "500 internal error", http.StatusInternalServerError)
	w.finish()
}

// trailers are the fields that the handler has announced in Trailer, and those it has set with http.TrailerPrefix.
func (w *responseWriter) trailers() http.Header {
	t := make(http.Header)
	for _, list := range w.fixed["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			t[name] = w.header[name]
		}
	}
	for key, values := range w.header {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok {
			t[http.CanonicalHeaderKey(name)] = values
		}
	}
	t.Del("Content-Length")
	return t
}
