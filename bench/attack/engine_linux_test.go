package attack

import (
	"testing"
	"time"

	"h2ws/bench/raw"
	"h2ws/bench/served"
)

// What the engine answers whatever its rates are.
func TestEngine(t *testing.T) {
	const only = "^(preface/(zeros|random|no-settings|garbage-behind-error)|size|hpack|field_block/.*(continuations|bomb)|" +
		"message/(2|endless|1-octet-fragments)|stream_stall/dribble|refused|open/last-ids|connections/overflow)"
	r := attackOn(t, raw.Target{Addr: served.Echo(t), Path: "/"}, only, 10*time.Second)
	for i := range r.Results {
		for _, fault := range r.Results[i].Faults {
			t.Errorf("%s: %s (%s)", r.Results[i].Name, fault, r.Results[i].Did)
		}
	}
}
