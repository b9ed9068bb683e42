package bench

import (
	"fmt"
	"math/rand/v2"
)

// randomTraffic is messages to n streams in DATA frames that end anywhere: the lines of the server,
// and the events that each of them completes.
func randomTraffic(random *rand.Rand, n int) (events, lines []string) {
	waiting := make([][]byte, n) // of a stream, not yet in a DATA frame
	whole := make([][]int, n)    // where its messages end, as offsets into waiting
	names := make([][]string, n)
	for range 20 {
		i := random.IntN(n)
		payload := make([]byte, random.IntN(300))
		for k := range payload {
			payload[k] = byte(random.Uint32())
		}
		waiting[i] = append(waiting[i], unmaskedFrame(opBinary, payload)...)
		whole[i] = append(whole[i], len(waiting[i]))
		names[i] = append(names[i], fmt.Sprintf("message %d 0x2 %q", i, payload))
	}
	sent := make([]int, n)
	for left := n; left > 0; {
		i := random.IntN(n)
		if sent[i] == len(waiting[i]) {
			left = 0
			for k := range n {
				if sent[k] < len(waiting[k]) {
					left++
				}
			}
			continue
		}
		size := 1 + random.IntN(len(waiting[i])-sent[i])
		lines = append(lines, fmt.Sprintf("DATA %d 0x%x", streamID(i), waiting[i][sent[i]:sent[i]+size]))
		sent[i] += size
		for len(whole[i]) > 0 && whole[i][0] <= sent[i] {
			events = append(events, names[i][0])
			whole[i], names[i] = whole[i][1:], names[i][1:]
		}
	}
	return events, lines
}

// unmaskedFrame is what a server sends.
func unmaskedFrame(op opcode, payload []byte) []byte {
	b := []byte{0x80 | byte(op)}
	switch size := len(payload); {
	case size <= 125:
		b = append(b, byte(size))
	case size <= 0xffff:
		b = append(b, 126, byte(size>>8), byte(size))
	default:
		b = append(b, 127, 0, 0, 0, 0, byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
	}
	return append(b, payload...)
}
