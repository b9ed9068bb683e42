//go:build !linux

package bench

func socketMemory(int) (int64, error) { return 0, ErrUnsupported }
