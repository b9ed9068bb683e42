package hpack

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// FuzzDecode gives two blocks to one connection: the second meets the table that the first left. Whatever is accepted
// must be what x/net's decoder alone makes of the same blocks, and keep what Request promises.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, first, second []byte) {
		decoded, discarded := NewDecoder(Limits{}), NewDecoder(Limits{})
		reference := hpack.NewDecoder(TableSize, nil)
		var r Request
		for _, b := range [][]byte{first, second} {
			err := decoded.Decode(b, &r)
			skipped := discarded.Discard(b)
			if err == ErrCompression || err == ErrFlood {
				return // the connection is lost; Discard reads less, and may not have noticed
			}
			if skipped != nil {
				t.Fatalf("Discard: %v, Decode: %v", skipped, err)
			}
			list, ok := decodeReference(t, reference, b)
			if !ok {
				return
			}
			checkOutcome(t, &r, err, list)
		}
		wantSameTables(t, decoded, discarded)
	})
}

// decodeReference decodes b with x/net's decoder; not ok if that is too strict to follow: it refuses the second of the
// two size updates a block may start with.
func decodeReference(t *testing.T, reference *hpack.Decoder, b []byte) (list []hpack.HeaderField, ok bool) {
	list, err := reference.DecodeFull(b)
	if err == nil {
		return list, true
	}
	_, n := consumeInt(b, 5)
	if isSizeUpdate(b[0]) && len(b) > n && isSizeUpdate(b[n]) {
		return nil, false
	}
	t.Fatalf("accepted %x, which x/net does not decode: %v", b, err)
	return nil, false
}

// checkOutcome checks what Decode said about a block that decodes to list.
func checkOutcome(t *testing.T, r *Request, err error, list []hpack.HeaderField) {
	size := uint32(0)
	for _, f := range list {
		size += f.Size()
	}
	tooLarge := len(list) > 64 || size > 16384
	var fault *Malformed
	switch {
	case errors.As(err, &fault):
		if fault.Rule == "" {
			t.Fatal("Malformed without a rule")
		}
	case err == ErrTooLarge:
		if !tooLarge {
			t.Fatalf("%d fields of %d octets: %v", len(list), size, err)
		}
	case err != nil:
		t.Fatalf("an error that is none of the four: %v", err)
	case tooLarge:
		t.Fatalf("%d fields of %d octets accepted", len(list), size)
	default:
		checkKind(t, r)
		checkFields(t, r, list)
	}
}

// checkKind checks what the doc comment of Request promises.
func checkKind(t *testing.T, r *Request) {
	target, protocol := r.Scheme != "" && r.Path != "", r.Protocol != ""
	connect, authority := r.Method == "CONNECT", r.Authority != ""
	ordinary := !connect && target && !protocol
	extended := connect && target && protocol && authority
	plain := connect && r.Scheme == "" && r.Path == "" && !protocol && authority
	if r.Method == "" || !ordinary && !extended && !plain {
		t.Fatalf("a request of no kind: %+v", r)
	}
	if r.ContentLength < -1 || connect && r.ContentLength != -1 {
		t.Fatalf("%s with ContentLength %d", r.Method, r.ContentLength)
	}
	for _, s := range []string{r.Method, r.Scheme, r.Authority, r.Path, r.Protocol} {
		if strings.ContainsAny(s, "\x00\r\n\t \x7f") {
			t.Fatalf("%q in a pseudo-header field", s)
		}
	}
}

// checkFields compares the regular fields with those of list, cookies joined the simple way.
func checkFields(t *testing.T, r *Request, list []hpack.HeaderField) {
	var want []Field
	var cookies []string
	for _, f := range list {
		if f.IsPseudo() {
			continue
		}
		if f.Name == "" || f.Name != strings.ToLower(f.Name) || strings.ContainsAny(f.Name, "\x00\r\n :") ||
			strings.ContainsAny(f.Value, "\x00\r\n") || f.Value != strings.Trim(f.Value, " \t") {
			t.Fatalf("field %q accepted", f)
		}
		if f.Name == "cookie" {
			if cookies = append(cookies, f.Value); len(cookies) > 1 {
				continue
			}
		}
		want = append(want, Field{f.Name, f.Value})
	}
	for i := range want {
		if want[i].Name == "cookie" {
			want[i].Value = strings.Join(cookies, "; ")
		}
	}
	if !slices.Equal(r.Fields, want) {
		t.Fatalf("Fields = %q, want %q", r.Fields, want)
	}
}

// wantSameTables reads both tables through references to each of their entries, more than 128 cannot be in one.
func wantSameTables(t *testing.T, a, b *Decoder) {
	a.table.SetEmitEnabled(true)
	b.table.SetEmitEnabled(true)
	for i := 1; i <= TableSize/32+1; i++ {
		got, gotErr := a.table.DecodeFull(dynamic(i))
		want, wantErr := b.table.DecodeFull(dynamic(i))
		if (gotErr == nil) != (wantErr == nil) || !slices.Equal(got, want) {
			t.Fatalf("entry %d is %v after Decode and %v after Discard", i, got, want)
		}
	}
}
