package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// get collects a plain request.
func (c *client) get(path string) (id uint32) {
	return c.request(frame.FlagEndStream, ":method", "GET", ":scheme", "http", ":authority", "example.com", ":path", path)
}

func (c *client) post(path string) (id uint32) {
	return c.request(0, ":method", "POST", ":scheme", "http", ":authority", "example.com", ":path", path)
}

func (c *client) reset(id uint32) { c.out = frame.AppendRSTStream(c.out, id, frame.Cancel) }

// created answers 201, of which client does not expect WebSocket frames.
func created(w http.ResponseWriter, body string) {
	w.WriteHeader(201)
	io.WriteString(w, body)
}

// Requests that are reset as soon as they are made (CVE-2023-44487) make no more goroutines than may run, whether
// or not the handlers return.
func TestHTTPRapidReset(t *testing.T) {
	const resets, slots = 10_000, 50
	release := make(chan struct{})
	var running, most atomic.Int64
	r, _, _ := serveHTTP(t, engine.Limits{RequestsConn: slots, Requests: 60, RuleScale: -1}, func(w http.ResponseWriter, q *http.Request) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		created(w, "late")
	})
	bystander := r.dial()
	socket := bystander.open("/")
	c := r.dial()
	for i := range resets {
		c.reset(c.get("/"))
		if i%100 == 0 {
			c.flush()
			bystander.echo(socket, fmt.Sprint(i))
		}
	}
	c.flush()
	until(t, "all have been received", func() bool { return r.Stats().ResetsReceived == resets })
	if n := most.Load(); n > slots {
		t.Errorf("%d handlers at a time, want at most %d", n, slots)
	}
	stats := r.Stats() // of one turn: those that were received were served or refused
	if stats.RequestsRunning != slots || stats.RequestsServed != slots || stats.RequestsRefused != resets-slots {
		t.Errorf("%d running, %d served, %d refused", stats.RequestsRunning, stats.RequestsServed, stats.RequestsRefused)
	}
	close(release)
	until(t, "the handlers have returned", func() bool { return r.Stats().RequestsRunning == 0 })
	id := c.get("/")
	c.wantOf(id, "there is room again", "status 201", "body late", "end")
}

// A peer that stops reading, or never sends what it has announced, has the server's patience until the deadline.
func TestHTTPDeadline(t *testing.T) {
	errs := make(chan error, 3)
	r, _, _ := serveHTTP(t, engine.Limits{RequestTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/write":
			w.WriteHeader(201)
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 10_000))
			}
			errs <- err
		case "/read":
			_, err := io.ReadAll(q.Body)
			errs <- err
		case "/wait":
			<-q.Context().Done()
			errs <- context.Cause(q.Context())
		}
	})
	c := dial(t, r.addr, frame.Setting{ID: frame.InitialWindowSize, Value: 5})
	id := c.get("/write")
	c.wantOf(id, "the response has begun", "status 201", "body \x00\x00\x00\x00\x00", "reset CANCEL")
	id = c.post("/read")
	c.wantOf(id, "it has not", "status 503", "body 503 t")
	id = c.get("/wait")
	c.wantOf(id, "it has not", "status 503", "body 503 t")
	for range 3 {
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "in time") {
			t.Errorf("the handler gets %v", err)
		}
	}
	until(t, "the figures have 3 that expired", func() bool { return r.Stats().RequestsExpired == 3 })
}

// A peer that goes on with a request that is answered is told to stop, and gets the answer first.
func TestHTTPBodyGoesOn(t *testing.T) {
	r, _, _ := serveHTTP(t, engine.Limits{CloseTimeout: 20 * time.Millisecond}, func(w http.ResponseWriter, q *http.Request) {
		io.CopyN(io.Discard, q.Body, 50_000)
		created(w, "enough")
	})
	c := r.dial()
	for range 20 {
		id := c.post("/")
		for range 6 {
			c.out = frame.AppendData(c.out, id, 0, make([]byte, 10_000))
		}
		c.wantOf(id, "the answer, and after a while a request to stop", "status 201", "body enough", "end", "reset NO_ERROR")
	}
}

func TestHTTPPanics(t *testing.T) {
	log := new(records)
	r := serve(t, &engine.Server{Handler: echo, Logger: slog.New(log), HTTP: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path[1] == 'l' { // late
			w.WriteHeader(201)
			http.NewResponseController(w).Flush()
		}
		switch q.URL.Path[2:] {
		case "abort":
			panic(http.ErrAbortHandler)
		case "exit":
			runtime.Goexit()
		case "status":
			w.WriteHeader(99)
		}
		panic(q.URL.Path)
	})})
	c := r.dial()
	socket := c.open("/")
	for _, x := range []struct {
		path string
		want []string
	}{
		{"/e", []string{"status 500", "body 500 internal error\n", "end"}},
		{"/l", []string{"status 201", "reset INTERNAL_ERROR"}},
		{"/eabort", []string{"reset INTERNAL_ERROR"}},
		{"/labort", []string{"status 201", "reset INTERNAL_ERROR"}},
		{"/eexit", []string{"reset INTERNAL_ERROR"}},
		{"/lexit", []string{"status 201", "reset INTERNAL_ERROR"}},
		{"/estatus", []string{"status 500", "body 500 internal error\n", "end"}},
	} {
		id := c.get(x.path)
		c.wantOf(id, x.path, x.want...)
		c.echo(socket, "alive behind "+x.path)
	}
	for _, path := range []string{"/e", "/l"} {
		if messages := log.withStack(path, "TestHTTPPanics"); len(messages) != 1 {
			t.Errorf("%s is logged %d times, with its stack", path, len(messages))
		}
	}
	until(t, "the figures have 3 panics, and none that runs", func() bool {
		stats := r.Stats()
		return stats.Panics == 3 && stats.RequestsRunning == 0
	})
}

// Whatever a peer interrupts, the handler hears of it and the next request is served.
func TestHTTPResetsInEveryPhase(t *testing.T) {
	entered, errs := make(chan string), make(chan error, 1)
	r, _, _ := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
		var err error
		switch q.URL.Path {
		case "/wait":
			entered <- "wait"
			<-q.Context().Done()
			err = context.Cause(q.Context())
		case "/read":
			io.ReadFull(q.Body, make([]byte, 4))
			entered <- "read"
			_, err = q.Body.Read(make([]byte, 1))
		case "/write":
			w.WriteHeader(201)
			http.NewResponseController(w).Flush()
			entered <- "write"
			for err == nil {
				_, err = w.Write(make([]byte, 1000))
			}
		case "/ok":
			created(w, "ok")
			return
		}
		errs <- err
	})
	c := dial(t, r.addr, frame.Setting{ID: frame.InitialWindowSize, Value: 10})
	for _, path := range []string{"/wait", "/read", "/write"} {
		id := c.post(path)
		if path == "/read" {
			c.out = frame.AppendData(c.out, id, 0, []byte("four"))
		}
		c.flush()
		<-entered
		c.reset(id)
		c.flush()
		if err := <-errs; !errors.Is(err, ws.ErrReset) {
			t.Errorf("%s: the handler hears %v", path, err)
		}
	}
	id := c.get("/ok")
	c.wantOf(id, "the connection lives on", "status 201", "body ok", "end")
	until(t, "the figures have four, and none that runs", func() bool {
		stats := r.Stats()
		return stats.RequestsRunning == 0 && stats.RequestsServed == 4
	})
}

// A handler that waits is told when the server, or its connection, ends, and Close does not wait for it.
func TestHTTPCloseWithHandlersWaiting(t *testing.T) {
	for _, how := range []string{"Close", "cut", "Shutdown in vain"} {
		t.Run(how, func(t *testing.T) {
			const each = 20
			entered, errs := make(chan bool, 3*each), make(chan error, 3*each)
			r, _, _ := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
				entered <- true
				var err error
				switch q.URL.Path {
				case "/read":
					_, err = io.ReadAll(q.Body)
				case "/write":
					for err == nil {
						_, err = w.Write(make([]byte, 10_000))
					}
				default:
					<-q.Context().Done()
					err = q.Context().Err()
				}
				errs <- err
			})
			c := dial(t, r.addr, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
			for range each {
				c.post("/read")
				c.get("/write")
				c.get("/wait")
			}
			c.flush()
			for range 3 * each {
				<-entered
			}
			switch how {
			case "Close":
				r.Close()
			case "cut":
				c.cut()
			default:
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("Shutdown: %v", err)
				}
			}
			for range 3 * each {
				if err := <-errs; err == nil {
					t.Error("a handler heard nothing")
				}
			}
			until(t, "no handler runs", func() bool { return r.Stats().RequestsRunning == 0 })
		})
	}
}

// Shutdown lets requests under way finish, those that began behind the first GOAWAY too.
func TestHTTPShutdown(t *testing.T) {
	entered, release := make(chan bool), make(chan bool)
	r, client, url := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
		entered <- true
		<-release
		w.Write(bytes.Repeat([]byte("x"), 300_000))
	})
	type result struct {
		n   int
		err error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			response, err := client.Get(url)
			if err != nil {
				results <- result{err: err}
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			results <- result{len(body), err}
		}()
		<-entered
	}
	c := r.dial()
	socket := c.open("/")
	done := r.shutdown()
	c.wantOf(socket, "sockets are told", "close 1001 going away")
	c.close(socket, frame.FlagEndStream, ws.CloseGoingAway)
	c.wantGone("a connection without requests ends")
	select {
	case err := <-done:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	close(release)
	for range 2 {
		if got := <-results; got.err != nil || got.n != 300_000 {
			t.Errorf("%d octets, %v", got.n, got.err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Sockets and requests share a connection, and neither waits for the other.
func TestHTTPBesideSockets(t *testing.T) {
	r, _, _ := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			<-q.Context().Done()
			return
		}
		body, _ := io.ReadAll(q.Body)
		created(w, string(body))
	})
	c := r.dial()
	var sockets []uint32
	for range 20 {
		sockets = append(sockets, c.open("/"))
		c.get("/slow")
	}
	for i := range 100 {
		id := c.post("/")
		c.out = frame.AppendData(c.out, id, frame.FlagEndStream, []byte(fmt.Sprint("body ", i)))
		c.echo(sockets[i%20], fmt.Sprint("message ", i))
		c.wantOf(id, "the body comes back", "status 201", fmt.Sprint("body body ", i), "end")
	}
}

// Many at a time, some of which are cancelled: what is answered is answered right.
func TestHTTPMany(t *testing.T) {
	r, client, url := serveHTTP(t, engine.Limits{RequestSize: -1, ResponseBuffer: 5000, RequestsConn: 20, Requests: 30}, func(w http.ResponseWriter, q *http.Request) {
		buf := make([]byte, 777)
		for {
			n, err := q.Body.Read(buf)
			w.Write(buf[:n])
			if n%3 == 0 {
				http.NewResponseController(w).Flush()
			}
			if err != nil {
				return
			}
		}
	})
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Go(func() {
			for i := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				body := strings.Repeat(fmt.Sprint(worker, i, " "), 1+i*i*20)
				request, _ := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				if i%5 == 4 {
					io.ReadFull(response.Body, make([]byte, len(body)/2))
					cancel()
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				switch {
				case i%5 == 4:
				case response.StatusCode == 503:
					refused.Add(1)
				case err != nil || string(got) != body:
					t.Errorf("echo of %d octets has %d, %v", len(body), len(got), err)
				default:
					answered.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	until(t, "no handler runs", func() bool { return r.Stats().RequestsRunning == 0 })
	if stats := r.Stats(); answered.Load() == 0 || stats.Panics > 0 {
		t.Errorf("%d answered, %d refused: %+v", answered.Load(), refused.Load(), stats)
	}
}
