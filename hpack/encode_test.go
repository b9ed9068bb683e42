package hpack

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// decodeStateless decodes b as a peer without any dynamic table would, one that announced HEADER_TABLE_SIZE 0.
func decodeStateless(t *testing.T, b []byte) []hpack.HeaderField {
	t.Helper()
	list, err := hpack.NewDecoder(0, nil).DecodeFull(b)
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return list
}

func TestAppendStatus(t *testing.T) {
	short := map[int]bool{200: true, 204: true, 206: true, 304: true, 400: true, 404: true, 500: true}
	for status := 100; status <= 999; status++ {
		b := AppendStatus(nil, status)
		list := decodeStateless(t, b)
		if len(list) != 1 || list[0].Name != ":status" || list[0].Value != strconv.Itoa(status) {
			t.Errorf("AppendStatus(%d) = %x, decoded %v", status, b, list)
		}
		if short[status] != (len(b) == 1) {
			t.Errorf("AppendStatus(%d) takes %d octets", status, len(b))
		}
	}
}

func TestAppendStatusPanicsOnNoStatus(t *testing.T) {
	for _, status := range []int{-1, 0, 99, 1000} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AppendStatus(%d) did not panic", status)
				}
			}()
			AppendStatus(nil, status)
		}()
	}
}

func TestStaticTableIsThatOfTheRFC(t *testing.T) {
	for i, want := range staticTable {
		list := decodeStateless(t, []byte{0x80 | byte(i+1)})
		if got := (Field{list[0].Name, list[0].Value}); got != want {
			t.Errorf("index %d is %q, the table says %q", i+1, got, want)
		}
		if b := AppendField(nil, want.Name, want.Value); len(b) != 1 || b[0] != 0x80|byte(i+1) {
			t.Errorf("AppendField(%q) = %x, want index %d", want, b, i+1)
		}
	}
}

func TestAppendField(t *testing.T) {
	long := strings.Repeat("v", 300)
	for _, tc := range []struct {
		name, value string
		wire        string
	}{
		{":method", "CONNECT", "\x02\x07CONNECT"},
		{":protocol", "websocket", "\x00\x09:protocol\x09websocket"},
		{":authority", "example.com", "\x01\x0bexample.com"},
		{":path", "/chat", "\x04\x05/chat"},
		{"sec-websocket-protocol", "chat", "\x00\x16sec-websocket-protocol\x04chat"},
		{"content-type", "text/plain", "\x0f\x10\x0atext/plain"},
		{"content-length", "9", "\x0f\x0d\x019"},
		{"www-authenticate", "", "\xbd"},
		{"x", "", "\x00\x01x\x00"},
		{"x", long, "\x00\x01x\x7f\xad\x01" + long},
		// "never indexed", and so are they for every proxy behind (RFC 7541 §6.2.3).
		{"cookie", "a=b", "\x1f\x11\x03a=b"},
		{"set-cookie", "a=b", "\x1f\x28\x03a=b"},
		{"authorization", "Basic x", "\x1f\x08\x07Basic x"},
		{"proxy-authorization", "Basic x", "\x1f\x22\x07Basic x"},
	} {
		b := AppendField([]byte("before"), tc.name, tc.value)
		if got := string(b); got != "before"+tc.wire {
			t.Errorf("AppendField(%q, %q) = %q, want %q", tc.name, tc.value, got, tc.wire)
		}
		list := decodeStateless(t, b[len("before"):])
		if len(list) != 1 || list[0].Name != tc.name || list[0].Value != tc.value {
			t.Errorf("AppendField(%q, %q) decodes to %v", tc.name, tc.value, list)
		}
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	allocs := testing.AllocsPerRun(100, func() {
		b := AppendStatus(buf, 403)
		b = AppendField(b, "sec-websocket-protocol", "chat")
		b = AppendField(b, "content-type", "text/plain")
		_ = AppendField(b, ":method", "GET")
	})
	if allocs != 0 {
		t.Errorf("%v allocations per response", allocs)
	}
}

func TestValidField(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		want        bool
	}{
		{"x-a", "b", true},
		{"x-a", "", true},
		{"set-cookie", "a=b; Path=/", true},
		{"x-a", "caf\xe9 \xf0\x9f\x98\x80", true},
		{"x-a", "a\tb", true},
		{"", "b", false},
		{"X-A", "b", false},
		{"x a", "b", false},
		{"x-a\r\n", "b", false},
		{":status", "200", false},
		{"x-a", "a\r\nb", false},
		{"x-a", "a\nb", false},
		{"x-a", "a\rb", false},
		{"x-a", "a\x00b", false},
		{"x-a", "a\x7fb", false},
		{"x-a", " b", false},
		{"x-a", "b\t", false},
		{"connection", "close", false},
		{"proxy-connection", "close", false},
		{"keep-alive", "timeout=5", false},
		{"transfer-encoding", "chunked", false},
		{"upgrade", "h2c", false},
	} {
		if got := ValidField(tc.name, tc.value); got != tc.want {
			t.Errorf("ValidField(%q, %q) = %v", tc.name, tc.value, got)
		}
	}
}

// Whoever hears it keeps no table, whatever was in it.
func TestAppendNoTable(t *testing.T) {
	d := hpack.NewDecoder(4096, nil)
	if _, err := d.DecodeFull([]byte{0x40, 1, 'a', 1, 'b', 0xbe}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DecodeFull(AppendStatus(AppendNoTable(nil), 200)); err != nil {
		t.Error(err)
	}
	if _, err := d.DecodeFull([]byte{0xbe}); err == nil {
		t.Error("there is still something in the table")
	}
}
