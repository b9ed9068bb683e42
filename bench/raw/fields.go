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
