package bench

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
)

// request is the extended CONNECT that opens every WebSocket of a connection. The first one puts its
// fields into the dynamic table, so that every later one is an octet a field: what a client of
// ordinary quality sends.
type request struct {
	target  *Target
	encoder *hpack.Encoder
	encoded *bytes.Buffer // where the encoder writes
	fields  []hpack.HeaderField
	// indexed is the field block when all of it is indexes: encoding it again would give the same
	// octets and leave the table as it is. Empty until then.
	indexed []byte
}

func newRequest(t *Target) request {
	r := request{target: t, encoded: new(bytes.Buffer), fields: []hpack.HeaderField{
		{Name: ":method", Value: "CONNECT"},
		{Name: ":protocol", Value: "websocket"},
		{Name: ":scheme", Value: t.Scheme()},
		{Name: ":authority", Value: t.Host()},
		{Name: ":path", Value: t.Path}, // see setPath
		{Name: "sec-websocket-version", Value: "13"},
	}}
	if len(t.Subprotocols) > 0 {
		r.fields = append(r.fields, hpack.HeaderField{Name: "sec-websocket-protocol", Value: strings.Join(t.Subprotocols, ", ")})
	}
	for _, name := range slices.Sorted(maps.Keys(t.Header)) {
		for _, v := range t.Header[name] {
			r.fields = append(r.fields, hpack.HeaderField{Name: strings.ToLower(name), Value: v})
		}
	}
	r.encoder = hpack.NewEncoder(r.encoded)
	return r
}

// limitTable obeys the server's HEADER_TABLE_SIZE. A change is told at the start of the next block.
func (r *request) limitTable(size uint32) {
	r.encoder.SetMaxDynamicTableSizeLimit(size)
	r.indexed = nil
}

// setPath has the following requests open a path.
func (r *request) setPath(path string) {
	if p := &r.fields[4]; p.Value != path {
		p.Value = path
		r.indexed = nil
	}
}

// append appends the HEADERS frame for a stream.
func (r *request) append(out []byte, id uint32) []byte {
	if len(r.indexed) > 0 {
		return frame.AppendHeaders(out, id, frame.FlagEndHeaders, r.indexed)
	}
	r.encoded.Reset()
	for _, f := range r.fields {
		r.encoder.WriteField(f) // a bytes.Buffer takes everything
	}
	block := r.encoded.Bytes()
	if len(block) == len(r.fields) && allIndexed(block) {
		r.indexed = slices.Clone(block)
	}
	return frame.AppendHeaders(out, id, frame.FlagEndHeaders, block)
}

// allIndexed says whether a block consists of indexed fields of one octet (RFC 7541 §6.1), which leave
// the dynamic table as it is. 0xff begins a longer one.
func allIndexed(block []byte) bool {
	return !slices.ContainsFunc(block, func(b byte) bool { return b < 0x80 || b == 0xff })
}
