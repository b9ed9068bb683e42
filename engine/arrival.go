package engine

import "net/netip"

// arrival is a connected socket on its way to a loop, with what is known of it by then.
type arrival struct {
	fd      int
	remote  netip.AddrPort
	proto   protocol
	ahead   []byte   // octets of it that have been read already
	upgrade *upgrade // protoRaw only
	tls     *tlsWire // nil: cleartext
}

// conn begins the arrival's connection.
func (a *arrival) conn(k *core) *conn {
	switch a.proto {
	case protoHTTP2:
		return newConn(k, a.remote)
	case protoRaw:
		return newRawConn(k, a.remote)
	}
	return newUnknownConn(k, a.remote)
}
