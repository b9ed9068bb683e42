package wsconn

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"h2ws/ws"
)

// The inbox against a list.
func TestInbox(t *testing.T) {
	type message struct {
		t    ws.MessageType
		data []byte
	}
	random := rand.New(rand.NewPCG(5, 5))
	var in inbox
	var all []message
	size := 0
	for range 20_000 {
		if random.IntN(2) == 0 {
			m := message{ws.MessageType(1 + random.IntN(2)), make([]byte, random.IntN(300)*random.IntN(2))}
			for i := range m.data {
				m.data[i] = byte(random.Uint32())
			}
			given := bytes.Clone(m.data)
			in.put(m.t, given)
			clear(given) // it was borrowed
			all = append(all, m)
			size += inboxHeaderLen + len(m.data)
		} else if typ, data, ok := in.take(); ok != (len(all) > 0) {
			t.Fatalf("a message: %t, of %d", ok, len(all))
		} else if ok {
			if typ != all[0].t || !bytes.Equal(data, all[0].data) {
				t.Fatalf("%v %x, want %v %x", typ, data, all[0].t, all[0].data)
			}
			size -= inboxHeaderLen + len(data)
			all = all[1:]
		}
		if in.size() != size || size == 0 && cap(in.b) > inboxKeep {
			t.Fatalf("size %d, want %d; %d octets are kept", in.size(), size, cap(in.b))
		}
	}
}
