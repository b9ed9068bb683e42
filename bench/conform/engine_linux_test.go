package conform_test

import (
	"testing"

	"h2ws/bench/conform"
	"h2ws/bench/served"
)

// The suite and the engine agree on every case: both were written from the RFCs.
func TestEngine(t *testing.T) {
	if r := run(t, served.Echo(t), ""); r.Count(conform.Failed) > 0 {
		t.Error(table(r))
	}
}
