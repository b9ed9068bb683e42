//go:build !linux

package bench

// CPUs are not divided here.
type CPUs struct{}

// DivideCPUs returns nil.
func DivideCPUs() (*CPUs, error) { return nil, nil }

// Loop does nothing.
func (c *CPUs) Loop() error { return nil }

// Others does nothing.
func (c *CPUs) Others() error { return nil }
