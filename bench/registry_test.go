package bench

import (
	"math/rand/v2"
	"slices"
	"testing"

	"h2ws/ws"
)

// walkAll returns what somebody meets who walks over the registry in steps of n.
func walkAll(r *registry, n int) (met []*ws.Conn) {
	batch := make([]*ws.Conn, n)
	for conns, at := r.walk(batch, 0); len(conns) > 0; conns, at = r.walk(batch, at) {
		met = append(met, conns...)
	}
	return met
}

func TestRegistryAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var r registry
	model := map[*ws.Conn]*place{}
	for range 30000 {
		if random.IntN(3) > 0 {
			c := new(ws.Conn)
			model[c] = r.add(c)
			continue
		}
		for c, p := range model {
			r.remove(p)
			delete(model, c)
			break
		}
	}
	for _, n := range []int{1, 7, chunkPlaces, chunkPlaces + 1} {
		met := walkAll(&r, n)
		if len(met) != len(model) {
			t.Fatalf("steps of %d: met %d sockets, %d are open", n, len(met), len(model))
		}
		for _, c := range met {
			if model[c] == nil {
				t.Fatalf("steps of %d: met a socket that is not open", n)
			}
		}
	}
	if want := len(model) + len(r.free); r.used != want {
		t.Errorf("%d places are used, want %d: places are used again", r.used, want)
	}
}

func TestWalkMeetsWhoStays(t *testing.T) {
	var r registry
	var stay, leave []*ws.Conn
	var places []*place
	for i := range 100 {
		c := new(ws.Conn)
		p := r.add(c)
		if i%3 == 0 {
			leave, places = append(leave, c), append(places, p)
		} else {
			stay = append(stay, c)
		}
	}
	var met []*ws.Conn
	batch := make([]*ws.Conn, 5)
	for conns, at := r.walk(batch, 0); len(conns) > 0; conns, at = r.walk(batch, at) {
		met = append(met, conns...)
		if len(places) > 0 { // some close and others open meanwhile
			r.remove(places[0])
			places = places[1:]
			r.add(new(ws.Conn))
		}
	}
	for _, c := range stay {
		if n := count(met, c); n != 1 {
			t.Errorf("met a socket that stayed %d times, want once", n)
		}
	}
	for _, c := range leave {
		if n := count(met, c); n > 1 {
			t.Errorf("met a socket that left %d times", n)
		}
	}
}

func count(all []*ws.Conn, c *ws.Conn) (n int) {
	for len(all) > 0 {
		i := slices.Index(all, c)
		if i < 0 {
			break
		}
		n++
		all = all[i+1:]
	}
	return n
}
