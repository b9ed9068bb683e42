package attack

import (
	"slices"
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
