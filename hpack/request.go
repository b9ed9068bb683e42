package hpack

import "strings"

// Field is one field line. It is an alias, so that it is identical to the field type of packages that must not import
// this one.
type Field = struct{ Name, Value string }

// Request is what a field block asked for. After a Decode without error:
//
//	Method != "", and either
//	Scheme, Path != ""                             an ordinary request, or
//	Scheme, Path, Authority, Protocol != ""        an extended CONNECT (RFC 8441), or
//	Authority != "" and the others ""              a plain CONNECT
//
// One Request serves any number of Decodes, of any Decoders, one after the other.
type Request struct {
	Method    string
	Scheme    string
	Authority string // of an ordinary request without :authority, its Host
	Path      string
	Protocol  string // as the client spelled it

	// Fields are the regular fields in order, several cookie fields joined to one. The slice is borrowed until the next
	// Decode into the Request or Reset; the strings may be kept.
	Fields []Field

	// ContentLength is the announced length of the content in octets, -1 if there is none or on CONNECT, where it says
	// nothing.
	ContentLength int64

	// The rest is of use while a block is decoded.
	trailers bool       // the block is a trailer section
	keep     bool       // fields go into Fields: neither trailers nor too many
	regular  bool       // a regular field has been seen
	seen     pseudo     // pseudo-header fields seen
	hostSeen bool       // a Host field has been seen
	host     string     // its value
	listSize uint64     // octets, RFC 9113 §6.5.2
	fault    *Malformed // the first rule broken
}

// Reset empties r and lets go of every string; the array behind Fields is kept for reuse.
func (r *Request) Reset() {
	clear(r.Fields)
	*r = Request{Fields: r.Fields[:0], ContentLength: -1}
}

// Get returns the value of the first field called name, in lower case, or "".
func (r *Request) Get(name string) (value string) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value
		}
	}
	return ""
}

// WebSocket reports whether r is the opening handshake of a WebSocket (RFC 8441 §5). The protocol is compared without
// regard to case: proxies pass on what an HTTP/1.1 client wrote in its Upgrade field, where case does not count.
func (r *Request) WebSocket() bool {
	return r.Method == "CONNECT" && strings.EqualFold(r.Protocol, "websocket")
}

// joinCookies makes one field of several. "If there are multiple Cookie header fields after decompression, these MUST
// be concatenated into a single octet string using the two-octet delimiter of 0x3b, 0x20 (the ASCII string "; ")
// before being passed into a non-HTTP/2 context" (RFC 9113 §8.2.3).
func (r *Request) joinCookies() {
	first, count, size := -1, 0, 0
	for i, f := range r.Fields {
		if f.Name != "cookie" {
			continue
		}
		if count++; count == 1 {
			first = i
		}
		size += len(f.Value) + len("; ")
	}
	if count < 2 {
		return
	}

	var joined strings.Builder
	joined.Grow(size)
	kept := r.Fields[:first+1]
	joined.WriteString(r.Fields[first].Value)
	for _, f := range r.Fields[first+1:] {
		if f.Name != "cookie" {
			kept = append(kept, f)
			continue
		}
		joined.WriteString("; ")
		joined.WriteString(f.Value)
	}
	kept[first].Value = joined.String()
	clear(r.Fields[len(kept):])
	r.Fields = kept
}
