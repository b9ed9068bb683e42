package bench

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

const wantFields = ":method=CONNECT :protocol=websocket :scheme=http :authority=example.com:8080 :path=/chat?a=b sec-websocket-version=13 "

// block returns the field block of a HEADERS frame.
func block(t *testing.T, wire []byte, id uint32) []byte {
	t.Helper()
	h, n := frame.ConsumeHeader(wire)
	if h.Type != frame.Headers || h.Flags != frame.FlagEndHeaders || h.StreamID != id || int(h.Length) != len(wire)-n {
		t.Fatalf("not one HEADERS with END_HEADERS on stream %d: %+v", id, h)
	}
	return wire[n:]
}

func decode(t *testing.T, d *hpack.Decoder, block []byte) (s string) {
	t.Helper()
	fields, err := d.DecodeFull(block)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		s += fmt.Sprintf("%s=%s ", f.Name, f.Value)
	}
	return s
}

func TestRequestIsIndexed(t *testing.T) {
	r := newRequest(&Target{Target: raw.Target{Addr: "example.com:8080", Path: "/chat?a=b"}})
	d := hpack.NewDecoder(4096, nil)
	for n := range 4 {
		b := block(t, r.append(nil, streamID(n)), streamID(n))
		if got := decode(t, d, b); got != wantFields {
			t.Errorf("request %d: got %s, want %s", n, got, wantFields)
		}
		if n > 0 && len(b) != 6 {
			t.Errorf("request %d has %d octets, want one for each of 6 fields: %x", n, len(b), b)
		}
	}
	if n := testing.AllocsPerRun(100, func() { r.append(make([]byte, 0, 64), 1) }); n > 0 {
		t.Errorf("%v allocations for an indexed request", n)
	}
}

func TestRequestsOfSeveralPaths(t *testing.T) {
	r := newRequest(&Target{Target: raw.Target{Addr: "example.com:8080", Path: "/first"}})
	d := hpack.NewDecoder(4096, nil)
	for n := range 1000 {
		path := fmt.Sprintf("/t/%d", n/3) // each for three in a row, and more than the table holds
		r.setPath(path)
		b := block(t, r.append(nil, streamID(n)), streamID(n))
		if got, want := decode(t, d, b), strings.Replace(wantFields, "/chat?a=b", path, 1); got != want {
			t.Errorf("request %d: got %s, want %s", n, got, want)
		}
	}
}

func TestRequestObeysTableSize(t *testing.T) {
	r := newRequest(&Target{Target: raw.Target{Addr: "example.com:8080", Path: "/chat?a=b"}})
	d := hpack.NewDecoder(4096, nil)
	decode(t, d, block(t, r.append(nil, 1), 1))
	decode(t, d, block(t, r.append(nil, 3), 3))
	r.limitTable(0)
	d.SetAllowedMaxDynamicTableSize(0)
	for n := range 3 {
		b := block(t, r.append(nil, 5), 5)
		if got := decode(t, d, b); got != wantFields {
			t.Errorf("request %d without a table: got %s", n, got)
		}
	}
}

func TestStatusDecoder(t *testing.T) {
	var encoded bytes.Buffer
	e := hpack.NewEncoder(&encoded)
	var d statusDecoder
	statuses := []string{"200", "200", "403", "403", "200", "418", "418", "418", "200", "200"}
	for n, want := range statuses {
		encoded.Reset()
		e.WriteField(hpack.HeaderField{Name: ":status", Value: want})
		e.WriteField(hpack.HeaderField{Name: "server", Value: "x"})
		e.WriteField(hpack.HeaderField{Name: "date", Value: fmt.Sprint(n / 2)})
		got, _, err := d.decode(encoded.Bytes())
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("response %d: got %d, %v, want %s", n, got, err, want)
		}
	}
}

func TestStatusDecoderRefuses(t *testing.T) {
	for _, b := range [][]byte{{0x80}, {0xff}, {0xbf}, {0x00, 0x7f}} {
		if status, _, err := new(statusDecoder).decode(b); err == nil {
			t.Errorf("%x: got status %d, want an error", b, status)
		}
	}
}
