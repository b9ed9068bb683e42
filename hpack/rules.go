package hpack

import (
	"strconv"
	"strings"
)

// The rules of RFC 9113 §8 and RFC 8441 §4, each a Malformed of its own.
var (
	errName       = &Malformed{"field name is not a lower-case token (RFC 9113 §8.2.1)"}
	errValue      = &Malformed{"field value has a control character, or white space at an end (RFC 9113 §8.2.1)"}
	errConnection = &Malformed{"connection-specific field (RFC 9113 §8.2.2)"}
	errTE         = &Malformed{"te is not \"trailers\" (RFC 9113 §8.2.2)"}

	errPseudoUnknown  = &Malformed{"pseudo-header field not defined for requests (RFC 9113 §8.3)"}
	errPseudoLate     = &Malformed{"pseudo-header field after a regular field (RFC 9113 §8.3)"}
	errPseudoTrailers = &Malformed{"pseudo-header field in trailers (RFC 9113 §8.1)"}
	errPseudoTwice    = &Malformed{"pseudo-header field twice (RFC 9113 §8.3)"}

	errMethod    = &Malformed{":method missing or not a token (RFC 9113 §8.3.1)"}
	errScheme    = &Malformed{":scheme missing or not a scheme (RFC 9113 §8.3.1)"}
	errPath      = &Malformed{":path missing or not an absolute path (RFC 9113 §8.3.1)"}
	errAuthority = &Malformed{":authority missing or not a host and port (RFC 9113 §8.3.1)"}
	errHost      = &Malformed{"host given twice or not a host and port (RFC 9110 §7.2)"}
	errHostOther = &Malformed{"host differs from :authority (RFC 9113 §8.3.1)"}

	errConnect  = &Malformed{":scheme or :path on CONNECT without :protocol (RFC 9113 §8.5)"}
	errProtocol = &Malformed{":protocol is not a token (RFC 8441 §4)"}
	errExtended = &Malformed{":protocol without method CONNECT (RFC 8441 §4)"}

	errLength = &Malformed{"content-length is not one decimal number (RFC 9110 §8.6)"}
)

// recv judges one field and keeps it. Only the first fault counts; what is seen after it is not kept.
func (r *Request) recv(f Field) {
	if r.fault != nil {
		return
	}
	if strings.HasPrefix(f.Name, ":") {
		r.fault = r.recvPseudo(f)
	} else {
		r.regular = true
		r.fault = r.recvRegular(f)
	}
}

// pseudo is a set of pseudo-header fields: an empty one and an absent one are not the same.
type pseudo uint8

const (
	pseudoMethod pseudo = 1 << iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
)

func (r *Request) recvPseudo(f Field) *Malformed {
	if r.trailers {
		return errPseudoTrailers // "Pseudo-header fields MUST NOT appear in a trailer section"
	}
	bit, value := r.pseudo(f.Name)
	switch {
	case value == nil:
		return errPseudoUnknown
	case r.regular:
		return errPseudoLate
	case r.seen&bit != 0:
		return errPseudoTwice // "The same pseudo-header field name MUST NOT appear more than once in a field block"
	}
	r.seen |= bit
	*value = f.Value
	return nil
}

// pseudo returns where the pseudo-header field called name goes, nil if a request has none of that name.
func (r *Request) pseudo(name string) (bit pseudo, value *string) {
	switch name {
	case ":method":
		return pseudoMethod, &r.Method
	case ":scheme":
		return pseudoScheme, &r.Scheme
	case ":authority":
		return pseudoAuthority, &r.Authority
	case ":path":
		return pseudoPath, &r.Path
	case ":protocol":
		return pseudoProtocol, &r.Protocol
	}
	return 0, nil
}

func (r *Request) recvRegular(f Field) *Malformed {
	if f.Name == "" || !nameChars.all(f.Name) {
		return errName
	}
	if !validValue(f.Value) {
		return errValue
	}
	if connectionSpecific(f.Name) {
		// "Any message containing connection-specific header fields MUST be treated as malformed" (§8.2.2).
		return errConnection
	}
	if f.Name == "te" && !(len(f.Value) == len("trailers") && strings.EqualFold(f.Value, "trailers")) {
		return errTE // "it MUST NOT contain any value other than "trailers"" (§8.2.2)
	}
	if r.trailers {
		return nil
	}
	if r.keep {
		r.Fields = append(r.Fields, f)
	}
	return r.recvSpecial(f)
}

// connectionSpecific: "Connection", "Proxy-Connection, Keep-Alive, Transfer-Encoding, and Upgrade" (RFC 9113 §8.2.2).
func connectionSpecific(name string) bool {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// recvSpecial takes what the regular fields say about the request itself.
func (r *Request) recvSpecial(f Field) *Malformed {
	switch f.Name {
	case "host":
		if r.hostSeen || !authorityChars.all(f.Value) {
			return errHost
		}
		r.hostSeen, r.host = true, f.Value
	case "content-length":
		if r.Method == "CONNECT" {
			return nil // RFC 9110 §9.3.6: the content of CONNECT has no defined meaning
		}
		return r.recvContentLength(f.Value)
	}
	return nil
}

func (r *Request) recvContentLength(value string) *Malformed {
	length, err := strconv.ParseUint(value, 10, 63)
	// ParseUint takes no sign, and underscores only in base 0.
	if err != nil || r.ContentLength >= 0 && r.ContentLength != int64(length) {
		return errLength
	}
	r.ContentLength = int64(length)
	return nil
}

// judge checks the request as a whole, after its last field, and fills in the authority from Host.
func (r *Request) judge() *Malformed {
	if r.fault != nil {
		return r.fault
	}
	if r.Method == "" || !tokenChars.all(r.Method) {
		return errMethod
	}
	if fault := r.judgeKind(); fault != nil {
		return fault
	}
	if r.seen&pseudoAuthority == 0 {
		r.Authority = r.host
		return nil
	}
	// "The authority MUST NOT include the deprecated userinfo subcomponent" (§8.3.1): "@" is not in authorityChars.
	if r.Authority == "" || !authorityChars.all(r.Authority) {
		return errAuthority
	}
	// "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an entity that
	// differs from the entity in the ":authority" pseudo-header field" (§8.3.1).
	if r.hostSeen && !r.sameEntity(r.host, r.Authority) {
		return errHostOther
	}
	return nil
}

// judgeKind checks that the pseudo-header fields are those of one of the three kinds of request.
func (r *Request) judgeKind() *Malformed {
	connect, extended := r.Method == "CONNECT", r.seen&pseudoProtocol != 0
	switch {
	case extended && !connect:
		return errExtended
	case extended && (r.Protocol == "" || !tokenChars.all(r.Protocol)):
		return errProtocol
	case connect && r.seen&pseudoAuthority == 0:
		return errAuthority
	case connect && !extended:
		// "The ":scheme" and ":path" pseudo-header fields MUST be omitted" (RFC 9113 §8.5).
		if r.seen&(pseudoScheme|pseudoPath) != 0 {
			return errConnect
		}
		return nil
	}
	// "All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme", and ":path" pseudo-header
	// fields, unless they are CONNECT requests" (RFC 9113 §8.3.1); with :protocol, CONNECT requests, too (RFC 8441 §4).
	if !validScheme(r.Scheme) {
		return errScheme
	}
	if !validPath(r.Method, r.Path) {
		return errPath
	}
	return nil
}

// sameEntity compares two authorities: host names know no case, and the port of the scheme may be left out.
func (r *Request) sameEntity(a, b string) bool {
	port := ""
	switch r.Scheme {
	case "http":
		port = ":80"
	case "https":
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}
