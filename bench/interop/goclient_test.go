package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/net/http2"
)

//lint:file-ignore SA1019 http.Transport, the successor, sends no :protocol

// The opening handshake of gobwas/ws, over HTTP/1.1.
func TestGobwas(t *testing.T) {
	clearAndTLS(t, func(t *testing.T, certificate *tls.Certificate) {
		s := newServer(t)
		tap := s.tapped(t, certificate)
		connect := func() (net.Conn, error) { return net.Dial("tcp", tap.Addr().String()) }
		if certificate != nil {
			connect = func() (net.Conn, error) { return tls.Dial("tcp", tap.Addr().String(), anyCertificate) }
		}
		(&route{server: s, dial: dialUpgrade(connect), sockets: 1000, connections: 1000}).check(t)
	})
}

// Go's HTTP/2 client, with the frames of gobwas/ws on its streams.
func TestGoTransport(t *testing.T) {
	clearAndTLS(t, func(t *testing.T, certificate *tls.Certificate) {
		s := newServer(t)
		tap := s.tapped(t, certificate)
		transport, origin := &http2.Transport{TLSClientConfig: anyCertificate}, "https://"+tap.Addr().String()
		if certificate == nil {
			origin = "http://" + tap.Addr().String()
			transport.AllowHTTP = true
			transport.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		}
		t.Cleanup(transport.CloseIdleConnections)
		(&route{server: s, dial: dialTransport(t, transport, origin), sockets: 500, connections: 1}).check(t)
	})
}

// dialTransport opens WebSockets by extended CONNECT.
func dialTransport(t *testing.T, transport *http2.Transport, origin string) dialer {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	return func(path string, protocols ...string) (*client, error) {
		body, write := io.Pipe()
		request, err := http.NewRequestWithContext(ctx, "CONNECT", origin+path, body)
		if err != nil {
			return nil, err
		}
		request.Header[":protocol"] = []string{"websocket"}
		request.Header.Set("Sec-WebSocket-Version", "13")
		for _, p := range protocols {
			request.Header.Add("Sec-WebSocket-Protocol", p)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != 200 {
			defer response.Body.Close()
			defer write.Close()
			return nil, newRefusal(response)
		}
		return &client{
			Reader: response.Body, Writer: write, protocol: response.Header.Get("Sec-WebSocket-Protocol"),
			end: func() error { return errors.Join(write.Close(), response.Body.Close()) },
		}, nil
	}
}
