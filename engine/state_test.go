package engine

import "testing"

// The whole product of states and events, as RFC 9113 §5.1 draws it; "-" can't happen.
func TestStreamStates(t *testing.T) {
	events := [...]streamEvent{recvEndStream, sendEndStream, recvReset, sendReset}
	table := map[streamState][len(events)]string{
		//                      recv END_STREAM         send END_STREAM          recv RST  send RST
		stateOpen:             {"half-closed (remote)", "half-closed (local)", "closed", "closed"},
		stateHalfClosedRemote: {"-", "closed", "closed", "closed"},
		stateHalfClosedLocal:  {"closed", "-", "closed", "closed"},
		stateClosed:           {"-", "-", "-", "-"},
	}
	if len(table) != int(stateClosed)+1 {
		t.Fatal("a state is missing")
	}
	for from, row := range table {
		for i, want := range row {
			to, ok := from.next(events[i])
			switch {
			case !ok && want != "-":
				t.Errorf("%v, event %d: can't happen, want %s", from, i, want)
			case !ok && to != from:
				t.Errorf("%v, event %d: can't happen, and moves to %v", from, i, to)
			case ok && to.String() != want:
				t.Errorf("%v, event %d: %v, want %s", from, i, to, want)
			}
		}
	}
}

// What leads from a fresh stream to closed, along every path there is: END_STREAM of both or one reset.
func TestStreamStatesEnd(t *testing.T) {
	var walk func(s streamState, path []streamEvent)
	paths := 0
	walk = func(s streamState, path []streamEvent) {
		if s == stateClosed {
			paths++
			return
		}
		if len(path) > 2 {
			t.Fatalf("%v after %v", s, path)
		}
		for e := recvEndStream; e <= sendReset; e++ {
			if to, ok := s.next(e); ok {
				walk(to, append(path, e))
			}
		}
	}
	walk(stateOpen, nil)
	if paths != 8 {
		t.Errorf("%d ways to end, want 2 resets, 2 orders of END_STREAM, and 2 resets of either half: 8", paths)
	}
}
