package hpack

// TableSize is the most octets a decoding dynamic table may count, as RFC 7541 §4.1 counts them. It is the value of
// SETTINGS_HEADER_TABLE_SIZE that holds when a server announces none: a table lives as long as its connection, so more
// would be paid for by every idle connection.
const TableSize = 4096

// Limits bounds what a field block may decode to. A soft limit refuses one request and spares the connection (431);
// a hard limit ends the connection. Sizes are octets as RFC 9113 §6.5.2 counts them: "the length of the name and value
// in units of octets plus an overhead of 32 octets for each field". Zero selects the default.
type Limits struct {
	ListSize    uint32 // soft, octets; default 16384: what browsers and proxies stay below
	ListSizeMax uint32 // hard, octets; default 65536: a 4 KB table entry referenced again and again (HPACK bomb)
	Fields      int    // soft, fields; default 64: twice what a browser with many cookies sends
	FieldsMax   int    // hard, fields, cookie crumbs included; default 256: an indexed crumb is one octet of block

	// StringSize bounds one name or value, hard, octets; default ListSizeMax. It is hard because a string that is not
	// decoded may belong in the dynamic table, and a table out of step is of no use to any later stream. It is not
	// lower because a string that is too long for the list alone then still gets its 431.
	StringSize int
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.ListSize, 16384)
	setDefault(&l.ListSizeMax, 65536)
	setDefault(&l.Fields, 64)
	setDefault(&l.FieldsMax, 256)
	setDefault(&l.StringSize, int(l.ListSizeMax))
	return l
}

func setDefault[T uint32 | int](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}
