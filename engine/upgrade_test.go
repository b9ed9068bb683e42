package engine

import "testing"

func TestHasToken(t *testing.T) {
	for list, want := range map[string]bool{
		"websocket": true, "WebSocket": true, "h2c, WEBSOCKET": true, ",\twebsocket ,": true, "websocket, h2c": true,
		"": false, "websockets": false, "web socket": false, "websocket/13": false, "websocket;v=13": false,
		"web\u017focket": false, "websoc\u212aet": false, "web\u017focket, h2c": false,
	} {
		if got := hasToken([]string{"x", list}, "websocket"); got != want {
			t.Errorf("%q: %v", list, got)
		}
	}
}
