package conform

import (
	"fmt"
	"slices"
	"sync"
)

// Cases returns all cases, in the order in which they are reported. Their names are all different. They are shared.
func Cases() []Case { return tables() }

var tables = sync.OnceValue(func() []Case {
	return slices.Concat(
		group("settings", settingsCases()),
		group("handshake", handshakeCases()),
		group("malformed", malformedCases()),
		group("refused", refusedCases()),
		group("accept", acceptCases()),
		group("length", lengthCases()),
		group("reserved", reservedCases()),
		group("mask", maskCases()),
		group("fragment", fragmentCases()),
		group("control", controlCases()),
		group("close", closeCases()),
		group("closed", closedCases()),
		group("utf8", utf8Cases()),
		group("utf8-cut", utf8CutCases()),
		group("chunk", chunkCases()),
		group("data", dataCases()),
		group("sockets", socketsCases()),
		group("flow", flowCases()),
		group("stream", streamCases()),
	)
})

// group puts its name in front of those of the cases.
func group(name string, cases []Case) []Case {
	for i := range cases {
		cases[i].Name = name + "/" + cases[i].Name
	}
	return cases
}

// socket is a case on a WebSocket that has been opened.
func socket(name, section string, all ...step) Case {
	return Case{Name: name, Section: section, steps: append([]step{open}, all...)}
}

// asked is a case that begins with a request.
func asked(name, section string, all ...step) Case {
	return Case{Name: name, Section: section, steps: all}
}

// named is a value that has a name of its own.
func named(prefix string, v any) string { return fmt.Sprintf("%s-%v", prefix, v) }
