package ws

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		if CloseCode(code).Valid() != validCodes[code] {
			t.Errorf("CloseCode(%d).Valid() = %t", code, !validCodes[code])
		}
	}
}

// listed are the codes that Autobahn and RFC 6455 §7.4 name, and the edges.
var listed = map[int]bool{
	0: false, 1: false, 999: false, 1000: true, 1001: true, 1002: true, 1003: true, 1004: false, 1005: false, 1006: false,
	1007: true, 1008: true, 1009: true, 1010: true, 1011: true, 1012: true, 1013: true, 1014: true, 1015: false,
	1016: false, 1100: false, 2000: false, 2999: false, 3000: true, 3999: true, 4000: true, 4999: true, 5000: false, 65535: false,
}

func TestCloseCodesFromPeer(t *testing.T) {
	for code, ok := range listed {
		s := open(t, EndpointOptions{})
		s.feed(clientClose(code, "reason"))
		if ok {
			s.want(fmt.Sprintf("%d is echoed", code), fmt.Sprintf("CLOSE+END %d", code), fmt.Sprintf("close %d %q", code, "reason"))
			s.wantReason("")
			if s.reason != "" {
				t.Errorf("%d: the reason %q was echoed", code, s.reason)
			}
		} else {
			s.want(fmt.Sprintf("%d is refused", code), "CLOSE+END 1002", "close 1002 local ErrProtocol")
			s.wantReason("invalid close code")
		}
	}
}

func TestCloseCodesFromApplication(t *testing.T) {
	for code, ok := range listed {
		s := open(t, EndpointOptions{})
		err := s.c.Close(CloseCode(code), "reason")
		if ok {
			s.want("Close asks the loop", fmt.Sprintf("request %d", code))
		} else {
			s.wantIdle("an invalid code goes nowhere")
		}
		if (err == nil) != ok || !ok && err != ErrCloseCode {
			t.Errorf("Close(%d) = %v", code, err)
		}
	}
}

func TestCloseReason(t *testing.T) {
	for _, x := range []struct {
		reason string
		err    error
	}{
		{"", nil},
		{repeat(123), nil},
		{strings.Repeat("é", 61) + "x", nil},
		{repeat(124), ErrCloseReason},
		{strings.Repeat("é", 62), ErrCloseReason},
		{"\xff", ErrInvalidUTF8},
		{repeat(122) + "\xc3", ErrInvalidUTF8},
	} {
		s := open(t, EndpointOptions{})
		if err := s.c.Close(CloseNormal, x.reason); err != x.err {
			t.Errorf("Close with reason %q: %v, want %v", x.reason, err, x.err)
		}
		if x.err == nil {
			continue
		}
		if err := s.c.Close(CloseNormal, ""); err != nil {
			t.Errorf("after a Close that was refused, Close: %v", err)
		}
	}
}

func TestCloseCodeString(t *testing.T) {
	for code, want := range map[CloseCode]string{
		CloseNormal:             "normal closure",
		CloseGoingAway:          "going away",
		CloseNoStatus:           "no status received",
		CloseAbnormal:           "abnormal closure",
		CloseInternalError:      "internal error",
		CloseBadGateway:         "bad gateway",
		CloseTLSHandshake:       "TLS handshake",
		CloseInvalidPayload:     "invalid payload data",
		CloseMandatoryExtension: "mandatory extension",
		3000:                    "registered",
		4999:                    "private",
		999:                     "invalid",
		1016:                    "invalid",
		5000:                    "invalid",
	} {
		if got := code.String(); got != want {
			t.Errorf("%d is %q, want %q", uint16(code), got, want)
		}
	}
}

func TestCloseErrorText(t *testing.T) {
	for _, x := range []struct {
		err  CloseError
		want string
	}{
		{CloseError{Code: 1000}, "ws: closed by peer: 1000 normal closure"},
		{CloseError{Code: 4000, Reason: "bye"}, `ws: closed by peer: 4000 private: "bye"`},
		{CloseError{Code: 1001, Local: true}, "ws: closed by us: 1001 going away"},
		{CloseError{Code: 1002, Reason: "rule", Local: true, Err: ErrProtocol}, `ws: closed by us: 1002 protocol error: "rule" (ws: protocol error)`},
		{CloseError{Code: 1006, Err: ErrReset}, "ws: closed: 1006 abnormal closure (ws: stream reset)"},
	} {
		if got := x.err.Error(); got != x.want {
			t.Errorf("got  %s\nwant %s", got, x.want)
		}
		if !errors.Is(&x.err, x.err.Err) && x.err.Err != nil {
			t.Errorf("%v does not wrap its cause", x.err)
		}
	}
}
