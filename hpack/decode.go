// Package hpack answers what a field block asked for, and says yes: it decodes complete field blocks into requests
// under limits, judges them by the rules of RFC 9113 §8 and RFC 8441 §4, and encodes field lines without state.
// Decompression is that of golang.org/x/net/http2/hpack.
package hpack

import (
	"errors"

	"golang.org/x/net/http2/hpack"
)

// Decoder is the decoding side of one connection. Field blocks must be given to it in the order of arrival, every one
// of them: HPACK is stateful. It is used by one goroutine at a time.
//
// A Decoder that has seen no block is only its limits; the dynamic table appears with the first block.
type Decoder struct {
	limits Limits
	table  *hpack.Decoder // nil until the first block
	into   *Request       // where fields go; nil between blocks, so that an idle connection retains no request
}

// NewDecoder returns the Decoder of a new connection, with an empty dynamic table of TableSize octets.
func NewDecoder(l Limits) *Decoder {
	return &Decoder{limits: l.withDefaults()}
}

// Decode decodes the complete field block of a request into r, which is reset first. The block is borrowed; the
// strings in r are not cut from it and live as long as they are referenced.
//
// After *Malformed and ErrTooLarge the whole block has been decoded, so the connection can go on. What r holds after
// an error is incomplete and good for a log line only. A block whose fields are all indexed costs no allocation,
// except one to join several cookie fields.
func (d *Decoder) Decode(block []byte, r *Request) error {
	r.Reset()
	fields, err := d.decode(block, r)
	if err != nil {
		return err
	}
	if fault := r.judge(); fault != nil {
		return fault
	}
	if fields > d.limits.Fields || r.listSize > uint64(d.limits.ListSize) {
		return ErrTooLarge
	}
	r.joinCookies()
	return nil
}

// Trailers decodes the field block that ends a request, checks it and throws it away. Its errors are those of Decode.
func (d *Decoder) Trailers(block []byte) error {
	r := Request{trailers: true}
	fields, err := d.decode(block, &r)
	if err != nil {
		return err
	}
	if r.fault != nil {
		return r.fault
	}
	if fields > d.limits.Fields || r.listSize > uint64(d.limits.ListSize) {
		return ErrTooLarge
	}
	return nil
}

// Discard decodes a block nobody will look at, that of a refused stream, because "field blocks MUST be processed to
// ensure a consistent compression state" (RFC 9113 §4.3). It returns nil, ErrCompression or ErrFlood; strings that do
// not go into the dynamic table are not decompressed and their sizes not counted.
func (d *Decoder) Discard(block []byte) error {
	_, err := d.decode(block, nil)
	return err
}

// decode runs a block through the dynamic table and its fields into r unless that is nil, and returns how many there
// were.
func (d *Decoder) decode(block []byte, r *Request) (fields int, err error) {
	block, err = d.resizeTable(block)
	if err != nil {
		return 0, err
	}
	fields, err = countFields(block, d.limits.FieldsMax)
	if err != nil {
		return fields, err
	}
	if r != nil {
		r.keep = !r.trailers && fields <= d.limits.Fields
	}

	d.into = r
	d.table.SetEmitEnabled(r != nil)
	_, err = d.table.Write(block)
	d.into = nil
	if err != nil {
		return fields, tableError(err)
	}
	if err := d.table.Close(); err != nil {
		return fields, ErrCompression
	}
	if r != nil && r.listSize > uint64(d.limits.ListSizeMax) {
		return fields, ErrFlood
	}
	return fields, nil
}

// resizeTable applies the dynamic table size updates that open a block and returns the rest of it. They are applied
// here because x/net accepts one such update where RFC 7541 §4.2 allows two, and a late one while its table is empty.
func (d *Decoder) resizeTable(block []byte) (rest []byte, err error) {
	if d.table == nil {
		d.table = hpack.NewDecoder(TableSize, d.recvField)
		d.table.SetMaxStringLength(d.limits.StringSize)
	}
	for len(block) > 0 && isSizeUpdate(block[0]) {
		size, n := consumeInt(block, 5)
		// "A value that exceeds this limit MUST be treated as a decoding error" (RFC 7541 §6.3).
		if n == 0 || size > TableSize {
			return nil, ErrCompression
		}
		d.table.SetMaxDynamicTableSize(uint32(size))
		block = block[n:]
	}
	return block, nil
}

// recvField is called by the table for every field of the block. Above the hard limit it has no more decompressed
// than must be; the connection is lost anyway.
func (d *Decoder) recvField(f hpack.HeaderField) {
	r := d.into
	r.listSize += uint64(f.Size())
	if r.listSize > uint64(d.limits.ListSizeMax) {
		d.table.SetEmitEnabled(false)
		return
	}
	r.recv(Field{f.Name, f.Value})
}

func tableError(err error) error {
	if errors.Is(err, hpack.ErrStringLength) {
		return ErrFlood
	}
	return ErrCompression
}
