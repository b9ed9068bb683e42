package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A remote is a browser's remote control: commands and results in JSON over a WebSocket, as in the DevTools
// protocol and in WebDriver BiDi. Events are not listened to.
type remote struct {
	net.Conn
	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
	closed  chan struct{}
}

type remoteCommand struct {
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
	Session string `json:"sessionId,omitempty"` // of DevTools
}

type reply struct {
	ID      *int            `json:"id"` // null: an event
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"` // of an error of BiDi
}

// dialRemote connects until the test ends.
func dialRemote(t *testing.T, url string) *remote {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nc, early, _, err := ws.Dial(ctx, url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	if early != nil {
		t.Fatalf("%s: the browser speaks first", url)
	}
	r := &remote{Conn: nc, waiting: make(map[int]chan reply), closed: make(chan struct{})}
	go r.receive()
	t.Cleanup(func() {
		nc.Close()
		<-r.closed
	})
	return r
}

func (r *remote) receive() {
	defer close(r.closed)
	for {
		text, err := wsutil.ReadServerText(r)
		if err != nil {
			return
		}
		var answer reply
		if json.Unmarshal(text, &answer) != nil || answer.ID == nil {
			continue
		}
		r.mu.Lock()
		result := r.waiting[*answer.ID]
		delete(r.waiting, *answer.ID)
		r.mu.Unlock()
		if result != nil {
			result <- answer
		}
	}
}

// call sends a command and waits for its result. Any goroutine.
func (r *remote) call(session, method string, params, result any) error {
	answer := make(chan reply, 1)
	r.mu.Lock()
	r.next++
	text, err := json.Marshal(remoteCommand{r.next, method, params, session})
	if err == nil {
		r.waiting[r.next] = answer
		err = wsutil.WriteClientText(r, text)
	}
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-answer:
		if a.Error != nil {
			return fmt.Errorf("%s: %s %s", method, a.Error, a.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-r.closed:
		return fmt.Errorf("%s: the browser has gone", method)
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer", method)
	}
}
