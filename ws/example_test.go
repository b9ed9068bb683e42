package ws_test

import (
	"errors"
	"fmt"
	"log"

	"h2ws/ws"
)

// A chat admits whoever speaks its subprotocol and answers every message.
type chat struct {
	ws.Nop
	welcome *ws.Prepared
}

func (h *chat) OnHandshake(r *ws.Request) {
	if !r.SameOrigin() {
		r.Reject(403, "open the page of this host")
		return
	}
	for _, name := range r.Subprotocols() {
		if name == "chat.v1" {
			r.Accept(ws.AcceptOptions{Subprotocol: name, Data: r.RemoteAddr})
			return
		}
	}
	r.Reject(400, "speak chat.v1")
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
