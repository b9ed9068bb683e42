package frame

import (
	"fmt"
	"testing"
)

func TestNames(t *testing.T) {
	for got, want := range map[fmt.Stringer]string{
		Data: "DATA", Headers: "HEADERS", Priority: "PRIORITY", RSTStream: "RST_STREAM", Settings: "SETTINGS",
		PushPromise: "PUSH_PROMISE", Ping: "PING", GoAway: "GOAWAY", WindowUpdate: "WINDOW_UPDATE", Continuation: "CONTINUATION",
		Type(0x0a): "0x0a", Type(0x2a): "0x2a", Type(0xff): "0xff",

		NoError: "NO_ERROR", ProtocolError: "PROTOCOL_ERROR", InternalError: "INTERNAL_ERROR",
		FlowControlError: "FLOW_CONTROL_ERROR", SettingsTimeout: "SETTINGS_TIMEOUT", StreamClosed: "STREAM_CLOSED",
		FrameSizeError: "FRAME_SIZE_ERROR", RefusedStream: "REFUSED_STREAM", Cancel: "CANCEL",
		CompressionError: "COMPRESSION_ERROR", ConnectError: "CONNECT_ERROR", EnhanceYourCalm: "ENHANCE_YOUR_CALM",
		InadequateSecurity: "INADEQUATE_SECURITY", HTTP11Required: "HTTP_1_1_REQUIRED",
		ErrCode(0x0e): "0x0e", ErrCode(1<<32 - 1): "0xffffffff",

		HeaderTableSize: "HEADER_TABLE_SIZE", EnablePush: "ENABLE_PUSH", MaxConcurrentStreams: "MAX_CONCURRENT_STREAMS",
		InitialWindowSize: "INITIAL_WINDOW_SIZE", MaxFrameSize: "MAX_FRAME_SIZE", MaxHeaderListSize: "MAX_HEADER_LIST_SIZE",
		EnableConnectProtocol: "ENABLE_CONNECT_PROTOCOL", NoRFC7540Priorities: "NO_RFC7540_PRIORITIES",
		SettingID(0): "0x00", SettingID(7): "0x07", SettingID(10): "0x0a", SettingID(0xffff): "0xffff",
	} {
		if got.String() != want {
			t.Errorf("%T %d is called %s, want %s", got, got, got, want)
		}
	}
}

// TestNumbers has the values of RFC 9113 §6, §6.5.2, §7, §11, RFC 8441 §9 and
// RFC 9218 §8, as the names alone do not fix them.
func TestNumbers(t *testing.T) {
	for want, got := range []Type{Data, Headers, Priority, RSTStream, Settings, PushPromise, Ping, GoAway, WindowUpdate, Continuation} {
		if int(got) != want {
			t.Errorf("%s is %#x, want %#x", got, uint8(got), want)
		}
	}
	for want, got := range []ErrCode{
		NoError, ProtocolError, InternalError, FlowControlError, SettingsTimeout, StreamClosed, FrameSizeError,
		RefusedStream, Cancel, CompressionError, ConnectError, EnhanceYourCalm, InadequateSecurity, HTTP11Required,
	} {
		if int(got) != want {
			t.Errorf("%s is %#x, want %#x", got, uint32(got), want)
		}
	}
	for want, got := range map[int]SettingID{
		1: HeaderTableSize, 2: EnablePush, 3: MaxConcurrentStreams, 4: InitialWindowSize, 5: MaxFrameSize,
		6: MaxHeaderListSize, 8: EnableConnectProtocol, 9: NoRFC7540Priorities,
	} {
		if int(got) != want {
			t.Errorf("%s is %#x, want %#x", got, uint16(got), want)
		}
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{FrameSizeError, 0, "PING: length not 8"}
	if want := "FRAME_SIZE_ERROR: PING: length not 8"; e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
	e = &Error{ProtocolError, 4294967295, "rule"}
	if want := "PROTOCOL_ERROR on stream 4294967295: rule"; e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
}
