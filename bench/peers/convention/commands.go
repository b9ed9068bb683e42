package convention

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Commands acts on commands.
type Commands struct {
	// Publish sends a binary message to every open socket. The payload is its own from then on.
	Publish func(payload []byte)

	mu       sync.Mutex // held while there is publishing
	sequence uint64     // of the latest message
}

// sizeMax is the largest message, in octets.
const sizeMax = 64 << 10

// Is says whether a text message is a command.
func Is(text []byte) bool { return len(text) > 0 && text[0] == '!' }

// Do acts on a command and returns when it is done: the answer, or nil if there is none.
func (c *Commands) Do(text []byte) (answer []byte) {
	words := strings.Fields(string(text))
	switch {
	case words[0] == "!G" && len(words) == 1:
		runtime.GC() // what a sync.Pool holds takes two collections to go
		debug.FreeOSMemory()
		return []byte("!G")
	case words[0] == "!B" && len(words) == 3:
		count, countErr := strconv.ParseUint(words[1], 10, 31)
		size, sizeErr := strconv.ParseUint(words[2], 10, 31)
		if countErr != nil || sizeErr != nil || size > sizeMax {
			return fmt.Appendf(nil, "!E bad COUNT or SIZE: %.40q", text)
		}
		c.publish(int(count), int(size))
		return nil
	}
	return fmt.Appendf(nil, "!E unknown command %.20q: there are \"!B COUNT SIZE\" and \"!G\"", text)
}

// publish numbers the messages, and says when each was made, as far as there is room.
func (c *Commands) publish(count, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range count {
		c.sequence++
		var head [16]byte
		binary.BigEndian.PutUint64(head[:], c.sequence)
		binary.BigEndian.PutUint64(head[8:], uint64(time.Now().UnixNano()))
		payload := make([]byte, size)
		copy(payload, head[:])
		c.Publish(payload)
	}
}
