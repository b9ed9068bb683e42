package raw

import (
	"bytes"
	"fmt"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
)

// Field is a field line, which may break every rule.
type Field = hpack.HeaderField

// Block encodes fields without the dynamic table, so that blocks may be sent in any order.
func Block(fields []Field) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSizeLimit(0)
	for _, f := range fields {
		e.WriteField(f) // a bytes.Buffer takes everything
	}
	return stripSizeUpdate(b.Bytes())
}

// TableSize is HEADER_TABLE_SIZE of a client that says nothing of it (RFC 9113 §6.5.2).
const TableSize = 4096

// NewDecoder returns the decoder of what a server says that has acknowledged the client's settings. Its encoder begins with
// TableSize, and may choose what the settings allow (RFC 7541 §4.2).
func NewDecoder(settings []frame.Setting) *hpack.Decoder {
	d := hpack.NewDecoder(TableSize, nil)
	for _, s := range settings {
		if s.ID == frame.HeaderTableSize {
			d.SetAllowedMaxDynamicTableSize(s.Value)
		}
	}
	return d
}

// stripSizeUpdate drops what the encoder says of its table: a change of a size that no block depends on.
func stripSizeUpdate(block []byte) []byte {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		block = block[1:]
	}
	return block
}

// AppendRequest appends a request in one HEADERS frame, without END_STREAM if more flags do not have it.
func AppendRequest(b []byte, id uint32, more frame.Flags, fields []Field) []byte {
	return frame.AppendHeaders(b, id, more|frame.FlagEndHeaders, Block(fields))
}

// more tells what was left out.
func more(n int) string { return fmt.Sprintf(" ... (%d octets more)", n) }
