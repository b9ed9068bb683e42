package engine_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"h2ws/engine"
)

// httpClient returns net/http's client, on HTTP/2 with prior knowledge.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols), ExpectContinueTimeout: hangGuard}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// serveHTTP runs a server whose plain requests f answers.
func serveHTTP(t *testing.T, l engine.Limits, f http.HandlerFunc) (r *running, client *http.Client, url string) {
	r = serve(t, &engine.Server{Handler: echo, HTTP: f, Limits: l})
	return r, httpClient(t), "http://" + r.addr.String()
}

func do(t *testing.T, client *http.Client, method, url string, body io.Reader, fields ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		request.Header.Add(fields[i], fields[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: body: %v", method, url, err)
	}
	return response, string(got)
}

// A handler finds the request as it does in net/http's servers.
func TestHTTPRequest(t *testing.T) {
	seen := make(chan *http.Request, 1)
	r, client, url := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		fmt.Fprintf(w, "%s %v", body, err)
		seen <- q
	})
	_, body := do(t, client, "POST", url+"/a%20b/c?d=e", strings.NewReader("content"),
		"Cookie", "a=1", "Cookie", "b=2", "X-Two", "1", "X-Two", "2")
	if body != "content <nil>" {
		t.Errorf("the handler read %q", body)
	}
	q := <-seen
	for _, x := range []struct{ what, got, want string }{
		{"Method", q.Method, "POST"},
		{"URL", q.URL.String(), "/a%20b/c?d=e"},
		{"path", q.URL.Path, "/a b/c"},
		{"RequestURI", q.RequestURI, "/a%20b/c?d=e"},
		{"Host", q.Host, r.addr.String()},
		{"Proto", q.Proto, "HTTP/2.0"},
		{"ContentLength", fmt.Sprint(q.ContentLength), "7"},
		{"cookies", fmt.Sprint(q.Cookies()), "[a=1 b=2]"},
		{"fields", fmt.Sprint(q.Header["X-Two"]), "[1 2]"},
		{"peer", strings.Split(q.RemoteAddr, ":")[0], "127.0.0.1"},
		{"Host field", q.Header.Get("Host"), ""},
		{"context", fmt.Sprint(q.Context().Err()), "context canceled"},
	} {
		if x.got != x.want {
			t.Errorf("%s is %q, want %q", x.what, x.got, x.want)
		}
	}
}

// What a handler does not say of its response is said for it.
func TestHTTPResponse(t *testing.T) {
	_, client, url := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/short":
			io.WriteString(w, "<html>short")
		case "/long":
			w.Write(bytes.Repeat([]byte("long"), 5000))
		case "/flushed":
			io.WriteString(w, "a")
			http.NewResponseController(w).Flush()
			io.WriteString(w, "b")
		case "/status":
			w.Header().Set("X-A", "1")
			w.WriteHeader(201)
			w.WriteHeader(500)
			w.Header().Set("X-A", "2")
		case "/204":
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("Write behind 204: %v", err)
			}
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		case "/declared":
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "abc")
			if _, err := w.Write([]byte("d")); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("Write above the content-length: %v", err)
			}
		case "/typed":
			w.Header().Set("Content-Type", "x/y")
			io.WriteString(w, "abc")
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "abc")
			w.Header().Set("X-Sum", "7")
			w.Header().Set(http.TrailerPrefix+"X-More", "8")
		}
	})
	for _, x := range []struct {
		method, path, body, length, contentType string
		status                                  int
	}{
		{"GET", "/short", "<html>short", "11", "text/html; charset=utf-8", 200},
		{"HEAD", "/short", "", "11", "text/html; charset=utf-8", 200},
		{"GET", "/long", strings.Repeat("long", 5000), "", "text/plain; charset=utf-8", 200},
		{"HEAD", "/long", "", "", "text/plain; charset=utf-8", 200},
		{"GET", "/flushed", "ab", "", "text/plain; charset=utf-8", 200},
		{"GET", "/status", "", "0", "", 201},
		{"GET", "/204", "", "", "", 204},
		{"GET", "/304", "", "", "", 304},
		{"GET", "/declared", "abc", "3", "text/plain; charset=utf-8", 200},
		{"HEAD", "/declared", "", "3", "text/plain; charset=utf-8", 200},
		{"GET", "/typed", "abc", "3", "x/y", 200},
		{"GET", "/trailers", "abc", "3", "text/plain; charset=utf-8", 200},
		{"GET", "/nothing", "", "0", "", 200},
	} {
		response, body := do(t, client, x.method, url+x.path, nil)
		h := response.Header
		if response.StatusCode != x.status || body != x.body || h.Get("Content-Length") != x.length || h.Get("Content-Type") != x.contentType {
			t.Errorf("%s %s: %d, content-length %q, content-type %q, body %.20q", x.method, x.path, response.StatusCode,
				h.Get("Content-Length"), h.Get("Content-Type"), body)
		}
		if h.Get("Date") == "" {
			t.Errorf("%s %s: no date", x.method, x.path)
		}
		if x.path == "/status" && h.Get("X-A") != "1" {
			t.Errorf("a field changed behind WriteHeader: %q", h.Get("X-A"))
		}
		if x.path == "/trailers" && (response.Trailer.Get("X-Sum") != "7" || response.Trailer.Get("X-More") != "8") {
			t.Errorf("trailers %v", response.Trailer)
		}
	}
}

// Bodies larger than every buffer and window pass both ways at the same time.
func TestHTTPEcho(t *testing.T) {
	const size = 10 << 20
	r, client, url := serveHTTP(t, engine.Limits{RequestSize: -1}, func(w http.ResponseWriter, q *http.Request) {
		if n, err := io.Copy(w, q.Body); n != size || err != nil {
			t.Errorf("echo of %d octets: %v", n, err)
		}
	})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			sent := sha256.New()
			body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{byte(i)}), size), sent)
			request, _ := http.NewRequest("POST", url, body)
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			got := sha256.New()
			if _, err := io.Copy(got, response.Body); err != nil || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
				t.Errorf("the echo differs, %v", err)
			}
		})
	}
	wg.Wait()
	until(t, "the figures have four", func() bool { return r.Stats().RequestsServed == 4 })
}

// 1xx come before the response, and 100 (Continue) when the handler wants the body.
func TestHTTPInformational(t *testing.T) {
	_, client, url := serveHTTP(t, engine.Limits{}, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/expect" {
			io.Copy(w, q.Body)
			return
		}
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "body")
	})
	var hints int
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == 103 && h.Get("Link") == "</style.css>" {
			hints++
		}
		return nil
	}}
	request, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", url, nil)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if hints != 2 || string(body) != "body" || response.Header.Get("Link") != "" {
		t.Errorf("%d hints, body %q, %v", hints, body, response.Header)
	}
	if _, body := do(t, client, "POST", url+"/expect", strings.NewReader("worth it"), "Expect", "100-continue"); body != "worth it" {
		t.Errorf("body %q", body)
	}
}
