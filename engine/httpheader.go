package engine

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"h2ws/hpack"
)

// httpRequest is the request as handlers know it. Trailers are checked when they come, and left out.
func (x *exchange) httpRequest() (*http.Request, error) {
	q := &x.request
	u, err := url.ParseRequestURI(q.Path)
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method:        q.Method,
		URL:           u,
		Proto:         "HTTP/2.0",
		ProtoMajor:    2,
		Header:        make(http.Header, len(q.Fields)),
		Body:          requestBody{x},
		ContentLength: q.ContentLength,
		Host:          q.Authority,
		RemoteAddr:    x.remote.String(),
		RequestURI:    q.Path,
		TLS:           x.tls,
	}
	for _, f := range q.Fields {
		r.Header.Add(f.Name, f.Value)
	}
	r.Header.Del("Host")
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bodyErr == io.EOF && x.body.len() == 0 {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	x.expects = strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	return r.WithContext(x.ctx), nil
}

// fieldBlock is the field block of a response, or its trailers if status is 0, and its size as RFC 9113 §6.5.2
// counts it. Fields that must not be sent are left out, be it for what is in them: that one of them smuggles in
// another is not the peer's to find out.
func appendFieldBlock(b []byte, status int, h http.Header) (block []byte, size int) {
	if status != 0 {
		b = hpack.AppendStatus(b, status)
		size = len(":status") + len("200") + fieldOverhead
	}
	for _, key := range slices.Sorted(maps.Keys(h)) {
		name := strings.ToLower(key)
		for _, value := range h[key] {
			value = strings.Trim(value, " \t")
			if hpack.ValidField(name, value) {
				b = hpack.AppendField(b, name, value)
				size += len(name) + len(value) + fieldOverhead
			}
		}
	}
	return b, size
}

// fieldOverhead is what a field counts besides its name and value (RFC 9113 §6.5.2).
const fieldOverhead = 32
