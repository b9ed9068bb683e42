package wsconn_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"time"

	"h2ws/engine"
	"h2ws/ws"
	"h2ws/ws/wsconn"
)

// One goroutine for each WebSocket: it reads, thinks and writes as long as it likes.
func Example() {
	serve := func(c *wsconn.Conn) {
		for {
			t, data, err := c.Read(c.Context())
			if closed := (*ws.CloseError)(nil); errors.As(err, &closed) {
				log.Printf("%v left: %v", c.Data(), closed)
			}
			if err != nil {
				return // which closes the WebSocket, if it is open
			}
			ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
			err = c.Write(ctx, t, data)
			cancel()
			if err != nil {
				c.Close(ws.ClosePolicyViolation, "too slow") // a Write that was given up closes nothing by itself
				return
			}
		}
	}
	log.Fatal(engine.ListenAndServe(":8080", wsconn.Handler{Serve: serve}))
}

// A WebSocket as a net.Conn, here to an SSH server behind: what flows is octets.
func ExampleConn_NetConn() {
	serve := func(c *wsconn.Conn) {
		backend, err := net.Dial("tcp", "localhost:22")
		if err != nil {
			c.Close(ws.CloseTryAgainLater, "no backend")
			return
		}
		defer backend.Close()
		client := c.NetConn()
		go io.Copy(backend, client)
		io.Copy(client, backend)
	}
	mux := new(ws.Mux)
	mux.Handle("/ssh", wsconn.Handler{Serve: serve})
	log.Fatal(engine.ListenAndServe(":8080", mux))
}
