package bench

import (
	"testing"

	"h2ws/engine/frame"
)

// FuzzConn lets a server say anything to a connection with sockets in every state. It must end in an
// error or be understood, whole or cut into octets, and every octet must be accounted for.
func FuzzConn(f *testing.F) {
	for _, line := range []string{
		"HEADERS 1 END_HEADERS 0x88", `DATA 3 0x8105 "hello"`, `DATA 5 END_STREAM "no"`, "DATA 7 END_STREAM 0x880203e8",
		"RST_STREAM 3 CANCEL", `GOAWAY last=1 NO_ERROR "bye"`, "WINDOW_UPDATE 0 increment=5", "SETTINGS INITIAL_WINDOW_SIZE=5 MAX_FRAME_SIZE=16384",
		"HEADERS 3 0x", "CONTINUATION 3 END_HEADERS 0x88", `DATA 3 pad=3 0x0105 "hel"`, "PING 0x0102030405060708",
	} {
		wire, err := frame.ParseText(line)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		whole, cut := newFuzzConn(t), newFuzzConn(t)
		wholeErr := whole.read(wire)
		var cutErr error
		for i := 0; i < len(wire) && cutErr == nil; i++ {
			cutErr = cut.read(wire[i : i+1])
		}
		if (wholeErr == nil) != (cutErr == nil) {
			t.Fatalf("error %v, cut into octets %v", wholeErr, cutErr)
		}
		if wholeErr == nil && len(whole.rest) != len(cut.rest) {
			t.Fatalf("%d octets are left, cut into octets %d", len(whole.rest), len(cut.rest))
		}
		active := 0
		for _, s := range whole.c.streams {
			if s.state != done {
				active++
			}
		}
		if active != whole.c.active {
			t.Fatalf("%d streams are active, %d are counted", active, whole.c.active)
		}
	})
}

// newFuzzConn has stream 1 opening, 3 open, 5 refused, 7 closing, and a message waiting on 3.
func newFuzzConn(t *testing.T) *dialogue {
	d := newDialogue(t, offer+" INITIAL_WINDOW_SIZE=20")
	for range 4 {
		d.c.open()
	}
	d.recv("HEADERS 3 END_HEADERS 0x88", "HEADERS 5 END_HEADERS 0x8d", "HEADERS 7 END_HEADERS 0x88")
	d.c.close(3, 1000)
	d.c.send(1, opBinary, make([]byte, 50), false)
	return d
}
