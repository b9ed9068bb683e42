package engine

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"h2ws/hpack"
)

// wantsUpgrade reports whether a request is the opening handshake of a WebSocket, or means to be.
func wantsUpgrade(r *http.Request) bool { return hasToken(r.Header["Upgrade"], "websocket") }

// hasToken reports whether a list, which may span several fields, has an element, in any case of ASCII: what only
// Unicode takes for the same, as U+017F for an s, is longer, and another word to a proxy.
func hasToken(fields []string, token string) bool {
	for _, list := range fields {
		for element := range strings.SplitSeq(list, ",") {
			if element = strings.Trim(element, " \t"); len(element) == len(token) && strings.EqualFold(element, token) {
				return true
			}
		}
	}
	return false
}

// checkUpgrade returns what an opening handshake breaks of RFC 6455 §4.2.1, and the status that says so, or 0. Host is
// there and single, or net/http would have answered.
func checkUpgrade(r *http.Request) (status int, rule string) {
	version := r.Header["Sec-Websocket-Version"]
	switch {
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1):
		return http.StatusBadRequest, "an opening handshake is a GET of HTTP/1.1"
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return http.StatusBadRequest, "an opening handshake has no content"
	case !hasToken(r.Header["Connection"], "Upgrade"):
		return http.StatusBadRequest, "Connection is without Upgrade"
	case len(r.Header["Sec-Websocket-Key"]) != 1 || !isKey(r.Header["Sec-Websocket-Key"][0]):
		return http.StatusBadRequest, "Sec-WebSocket-Key is not of 16 octets"
	case len(version) != 1 || version[0] != "13":
		return http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13"
	}
	return 0, ""
}

// isKey reports whether s is "a base64-encoded (see Section 4 of [RFC4648]) value that, when decoded, is 16 bytes in
// length" (RFC 6455 §4.2.1).
func isKey(s string) bool {
	if len(s) != 24 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(key) == 16
}

// acceptKey is what Sec-WebSocket-Accept says to a key (RFC 6455 §4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serveUpgrade refuses an opening handshake that is not in order, and hands the others to a loop.
func (h *http1) serveUpgrade(w http.ResponseWriter, r *http.Request, g *guest) {
	if status, rule := checkUpgrade(r); status != 0 {
		h.refused.Add(1)
		w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455 §4.4
		if status == http.StatusUpgradeRequired {
			w.Header().Set("Upgrade", "websocket") // RFC 9110 §15.5.22
			w.Header().Set("Connection", "Upgrade")
		}
		refuse(w, status, rule)
		return
	}
	u := newUpgrade(r)
	_, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil || !h.forget(g) {
		return
	}
	ahead, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	h.release(g.Conn, &arrival{proto: protoRaw, remote: remoteOf(g), upgrade: u, ahead: append(ahead, g.ahead...)})
}

// newUpgrade is the handshake as the same one over HTTP/2 would be: names in lower case, and no fields that are about
// the connection.
func newUpgrade(r *http.Request) *upgrade {
	u := &upgrade{
		request: hpack.Request{
			Method: r.Method, Protocol: "websocket", Scheme: "http",
			Authority: r.Host, Path: r.URL.RequestURI(), ContentLength: -1,
		},
		accept: acceptKey(r.Header.Get("Sec-WebSocket-Key")),
	}
	if r.TLS != nil {
		u.request.Scheme = "https"
	}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		if slices.Contains(connectionFields, name) {
			continue
		}
		if name == "cookie" {
			values = []string{strings.Join(values, "; ")}
		}
		for _, value := range values {
			u.request.Fields = append(u.request.Fields, hpack.Field{Name: name, Value: value})
		}
	}
	return u
}

var connectionFields = []string{"connection", "upgrade", "sec-websocket-key", "keep-alive", "proxy-connection", "te", "transfer-encoding"}
