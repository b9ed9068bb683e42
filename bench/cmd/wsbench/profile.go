package main

import (
	"os"
	"runtime/pprof"
)

// startProfile writes a CPU profile to prefix+suffix until stop is called. With an empty prefix there
// is none.
func startProfile(prefix, suffix string) (stop func(), err error) {
	if prefix == "" {
		return func() {}, nil
	}
	f, err := os.Create(prefix + suffix)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
