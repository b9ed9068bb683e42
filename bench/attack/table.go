package attack

import (
	"slices"

	"h2ws/bench/raw"
)

// attacks are all of them, those that take long at the end.
func attacks() []attack {
	return slices.Concat(beginnings(), shapes(), floods(), resets(), blocks(), handshakes(), sockets(), crowds(), waits())
}

// Names returns the names of all attacks, as Config.Only sees them.
func Names() (all []string) {
	for _, a := range attacks() {
		all = append(all, a.name)
	}
	return all
}

// Fitting returns the names of the attacks that can be made on a target, with or without those that wait for deadlines,
// which takes them 8 s and more.
func Fitting(target *raw.Target, waiting bool) (names []string) {
	for _, a := range attacks() {
		if (waiting || !a.waits) && (target.TLS != nil || !a.tls) {
			names = append(names, a.name)
		}
	}
	return names
}
