package ws_test

import (
	"errors"
	"fmt"
	"log"
	"strings"

	"h2ws/ws"
)

// A chat admits whoever speaks its subprotocol and answers every message.
type chat struct {
	ws.Nop
	welcome *ws.Prepared
}

func (h *chat) OnHandshake(r *ws.Request) {
	if !r.SameOrigin() && !r.OriginMatches("https://*.example.org") {
		r.Reject(403, "open a page of ours")
		return
	}
	name := r.ChooseSubprotocol("chat.v1")
	if name == "" {
		r.Reject(400, "speak chat.v1")
		return
	}
	r.Accept(ws.AcceptOptions{Subprotocol: name, Data: r.RemoteAddr})
}

func (h *chat) OnOpen(c *ws.Conn) {
	c.SendPrepared(h.welcome)
}

func (h *chat) OnMessage(c *ws.Conn, m ws.Message) {
	if m.Type != ws.Text {
		c.Close(ws.CloseUnsupportedData, "text only")
		return
	}
	c.Send(ws.Text, m.Data)
}

func (h *chat) OnClose(c *ws.Conn, err error) {
	if e := (*ws.CloseError)(nil); errors.As(err, &e) && e.Code != ws.CloseNormal {
		log.Printf("%v left: %v", c.Data(), e)
	}
}

func Example() {
	welcome, err := ws.Prepare(ws.Text, []byte("welcome"))
	if err != nil {
		log.Fatal(err)
	}
	endpoint := ws.NewEndpoint(&chat{welcome: welcome}, ws.EndpointOptions{})

	d := endpoint.Handshake(&ws.Request{
		Scheme: "https", Authority: "example.com", Path: "/chat",
		Fields: []ws.Field{
			{Name: "sec-websocket-version", Value: "13"},
			{Name: "sec-websocket-protocol", Value: "chat.v2, chat.v1"},
			{Name: "origin", Value: "https://example.com"},
		},
	})
	fmt.Println(d.Status, d.Fields)
	// Output: 200 [{sec-websocket-protocol chat.v1}]
}

// One server, several handlers: /echo is one path, /rooms/ all below it.
func ExampleMux() {
	echo := ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }}
	rooms := ws.Funcs{
		Handshake: func(r *ws.Request) {
			if _, ok := r.Cookie("session"); !ok || !r.SameOrigin() {
				r.Reject(401, "log in")
				return
			}
			r.Accept(ws.AcceptOptions{Data: strings.TrimPrefix(r.Path, "/rooms/")})
		},
		Open: func(c *ws.Conn) { log.Printf("somebody enters %v", c.Data()) },
	}
	mux := new(ws.Mux)
	mux.Handle("/echo", echo)
	mux.Handle("/rooms/", rooms)

	endpoint := ws.NewEndpoint(mux, ws.EndpointOptions{}) // or engine.ListenAndServe(":8080", mux)
	for _, path := range []string{"/echo", "/rooms/1", "/elsewhere"} {
		d := endpoint.Handshake(&ws.Request{Path: path, Fields: []ws.Field{{Name: "sec-websocket-version", Value: "13"}}})
		fmt.Println(path, "->", d.Status)
	}
	// Output:
	// /echo -> 200
	// /rooms/1 -> 401
	// /elsewhere -> 404
}
