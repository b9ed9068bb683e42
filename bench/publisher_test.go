package bench

import (
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"

	"h2ws/ws"
)

// fakeLoop takes what is published, and is done with it when the test says so.
type fakeLoop struct {
	got  []*ws.Prepared
	held []func()
}

func (k *fakeLoop) publish(m *ws.Prepared, done func()) {
	k.got = append(k.got, m)
	k.held = append(k.held, done)
}

// release is done with the oldest n.
func (k *fakeLoop) release(n int) {
	held := k.held[:n]
	k.held = k.held[n:] // the publisher appends as soon as there is room
	for _, done := range held {
		done()
	}
}

func TestPublisherWaitsForTheSlowest(t *testing.T) {
	for size, ahead := range map[int]int{0: 1024, 1: 1024, 64: 1024, 1024: 1024, 2048: 512, SizeMax: 16} {
		synctest.Test(t, func(t *testing.T) {
			var k fakeLoop
			p := publisher{publish: k.publish}
			const jobs, count = 3, 2000
			for range jobs {
				if err := p.post(job{count, size}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if len(k.got) != ahead {
				t.Errorf("size %d: %d published before any was taken, want %d", size, len(k.got), ahead)
			}
			k.release(7)
			synctest.Wait()
			if len(k.got) != ahead+7 {
				t.Errorf("size %d: %d published when 7 were taken, want %d", size, len(k.got), ahead+7)
			}
			for len(k.held) > 0 {
				k.release(len(k.held))
				synctest.Wait()
			}
			if len(k.got) != jobs*count {
				t.Errorf("size %d: %d published, want %d", size, len(k.got), jobs*count)
			}
			wantNumbered(t, k.got, size)
			if p.running {
				t.Error("the goroutine does not end without jobs")
			}
		})
	}
}

// wantNumbered fails unless the messages have that size and are numbered from 1.
func wantNumbered(t *testing.T, got []*ws.Prepared, size int) {
	t.Helper()
	for i, m := range got {
		if m.Type() != ws.Binary || m.Len() != size {
			t.Fatalf("message %d: type %v, %d octets, want %d", i, m.Type(), m.Len(), size)
		}
		if size >= sequenceSize && binary.BigEndian.Uint64(m.Data()) != uint64(i+1) {
			t.Fatalf("message %d has number %d", i, binary.BigEndian.Uint64(m.Data()))
		}
	}
}

func TestJobsAreBounded(t *testing.T) {
	p := publisher{running: true} // nobody takes them
	for n := range jobsMax {
		if err := p.post(job{1, 1}); err != nil {
			t.Fatalf("job %d: %v", n, err)
		}
	}
	if err := p.post(job{1, 1}); !errors.Is(err, errBusy) {
		t.Errorf("one job more: got %v", err)
	}
	for range jobsMax {
		if _, ok := p.take(); !ok {
			t.Fatal("a job is lost")
		}
	}
	if _, ok := p.take(); ok || p.running {
		t.Error("the goroutine does not end without jobs")
	}
}
