package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"h2ws/engine"
	"h2ws/ws"
)

// perform plays against a server of its own, which meets faults, and returns what was heard and how many system calls
// of each kind that took.
func perform(t *testing.T, play string, decide func(engine.Call, int) engine.Fault) (told story, how outcome, calls []int) {
	t.Helper()
	f := engine.Inject(t, decide)
	topic := engine.NewTopic("all", engine.TopicOptions{})
	h := ws.Funcs{
		Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) },
		Message: func(c *ws.Conn, m ws.Message) {
			if p, err := ws.Prepare(m.Type, m.Data); m.Type == ws.Text && err == nil {
				topic.Publish(p)
				return
			}
			c.Send(m.Type, m.Data)
		},
	}
	s := &engine.Server{Handler: h, Loops: 1}
	connect := func(r *running) net.Conn { return dialTCP(t, r.addr) }
	if protocol := plays[play].protocol; protocol != "" {
		s.TLSConfig = secureServer(t, h).TLSConfig
		connect = func(r *running) net.Conn { return r.shake(clientConfig(protocol)) }
	}
	held := s.Stats().MemoryHeld
	r := serve(t, s)
	told, how = plays[play].play(r, connect(r))
	if how == cutShort {
		if _, how := plays[play].play(r, connect(r)); how != complete {
			t.Errorf("the next one: %s", how)
		}
	}
	r.Close()
	if left := s.Stats().MemoryHeld - held; left != 0 || topic.Len() != 0 {
		t.Errorf("the server is closed, and holds %d octets and %d members", left, topic.Len())
	}
	for c := range engine.CallKinds {
		calls = append(calls, f.Calls(c))
	}
	return told, how, calls
}

func noFault(engine.Call, int) engine.Fault { return engine.Fault{} }

// golden is what a play is without faults.
func golden(t *testing.T, play string) (told story, calls []int) {
	t.Run("golden", func(t *testing.T) {
		var how outcome
		if told, how, calls = perform(t, play, noFault); how != complete {
			t.Errorf("%s: %.1000s", how, fmt.Sprint(told))
		}
	})
	return told, calls
}

// at has the k-th call of a kind fail.
func at(call engine.Call, k int, fault engine.Fault) func(engine.Call, int) engine.Fault {
	return func(c engine.Call, n int) engine.Fault {
		if c == call && n == k {
			return fault
		}
		return engine.Fault{}
	}
}

// harmless are faults that nobody must notice.
var harmless = []struct {
	name  string
	call  engine.Call
	fault engine.Fault
}{
	{"read EAGAIN", engine.CallRead, engine.Fault{Errno: unix.EAGAIN}},
	{"read EINTR", engine.CallRead, engine.Fault{Errno: unix.EINTR}},
	{"read one octet", engine.CallRead, engine.Fault{Short: true}},
	{"write EAGAIN", engine.CallWrite, engine.Fault{Errno: unix.EAGAIN}},
	{"write EINTR", engine.CallWrite, engine.Fault{Errno: unix.EINTR}},
	{"write one octet", engine.CallWrite, engine.Fault{Short: true}},
	{"wait EINTR", engine.CallWait, engine.Fault{Errno: unix.EINTR}},
	{"wait for nothing", engine.CallWait, engine.Fault{Short: true}},
	{"wait, and everything is ready", engine.CallWait, engine.Fault{Events: true}},
}

// Whichever call it is that fails for the moment, or does less than it might, clients hear the same.
func TestFaultsOnce(t *testing.T) {
	for play := range plays {
		t.Run(play, func(t *testing.T) {
			want, calls := golden(t, play)
			t.Logf("calls: %v", calls)
			for _, x := range harmless {
				for k := range calls[x.call] {
					t.Run(fmt.Sprint(x.name, " ", k+1), func(t *testing.T) {
						wantStory(t, play, want, at(x.call, k+1, x.fault))
					})
				}
			}
		})
	}
}

func wantStory(t *testing.T, play string, want story, decide func(engine.Call, int) engine.Fault) {
	t.Helper()
	got, how, _ := perform(t, play, decide)
	if how != complete || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, and it says\n%.1000s\nwant\n%.1000s", how, fmt.Sprint(got), fmt.Sprint(want))
	}
}

// The same where no call does more than one octet, every other one fails, or whatever a seed says.
func TestFaultsAlways(t *testing.T) {
	every := map[string]func(engine.Call, int) engine.Fault{
		"one octet": func(c engine.Call, n int) engine.Fault {
			return engine.Fault{Short: c == engine.CallRead || c == engine.CallWrite}
		},
	}
	for _, x := range harmless {
		every[x.name] = func(c engine.Call, n int) engine.Fault {
			if c == x.call && n%2 == 0 {
				return x.fault
			}
			return engine.Fault{}
		}
	}
	for range 20 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0)) // decide is called under a lock
		every[fmt.Sprint("seed of ", seed)] = func(c engine.Call, _ int) engine.Fault {
			if x := harmless[r.IntN(len(harmless))]; x.call == c {
				return x.fault
			}
			return engine.Fault{}
		}
	}
	for play := range plays {
		t.Run(play, func(t *testing.T) {
			want, _ := golden(t, play)
			for name, decide := range every {
				t.Run(name, func(t *testing.T) { wantStory(t, play, want, decide) })
			}
		})
	}
}

// fatal are faults that end a connection, or the beginning of one.
var fatal = []struct {
	name  string
	call  engine.Call
	errno unix.Errno
}{
	{"read ECONNRESET", engine.CallRead, unix.ECONNRESET},
	{"read ETIMEDOUT", engine.CallRead, unix.ETIMEDOUT},
	{"write EPIPE", engine.CallWrite, unix.EPIPE},
	{"write ENOMEM", engine.CallWrite, unix.ENOMEM},
	{"watch ENOSPC", engine.CallWatch, unix.ENOSPC},
	{"open EMFILE", engine.CallOpen, unix.EMFILE},
	{"open ENFILE", engine.CallOpen, unix.ENFILE},
}

// Whichever call it is that fails for good: what was heard until then is right, every socket is closed once, nothing is
// left, and the server serves the next connection.
func TestFaultsFatal(t *testing.T) {
	for play := range plays {
		t.Run(play, func(t *testing.T) {
			want, calls := golden(t, play)
			ended := 0
			for _, x := range fatal {
				for k := range calls[x.call] {
					if k < loopOpens[x.call] {
						continue // the server does not begin: TestFaultsBegin
					}
					t.Run(fmt.Sprint(x.name, " ", k+1), func(t *testing.T) {
						got, how, _ := perform(t, play, at(x.call, k+1, engine.Fault{Errno: x.errno}))
						if !got.begins(want) {
							t.Errorf("it says\n%.1000s\nwhich is not how it begins\n%.1000s", fmt.Sprint(got), fmt.Sprint(want))
						}
						if how != complete {
							ended++
						}
						if how != complete && x.call == engine.CallOpen && play == "cleartext" {
							t.Errorf("%s, where it must wait for a descriptor", how)
						}
					})
				}
			}
			if ended < calls[engine.CallRead] {
				t.Errorf("%d connections ended, of %d with a failing read alone", ended, calls[engine.CallRead])
			}
		})
	}
}

// The same behind every octet of what is said at first, and some of those later, in either direction.
func TestFaultsCut(t *testing.T) {
	for play := range plays {
		t.Run(play, func(t *testing.T) {
			want, _ := golden(t, play)
			for name, call := range map[string]engine.Call{"read": engine.CallRead, "written": engine.CallWrite} {
				octets := 0
				for k := 0; k <= octets; k += 1 + k/4 { // at first there is no k-th: to count them
					t.Run(fmt.Sprint("the ", k, "th octet ", name), func(t *testing.T) {
						got, how, calls := perform(t, play, func(c engine.Call, n int) engine.Fault {
							if c == call && n == k {
								return engine.Fault{Errno: unix.ECONNRESET}
							}
							return engine.Fault{Short: c == call && (k == 0 || n < k)}
						})
						if k == 0 {
							octets = calls[call]
						}
						if !got.begins(want) || k == 0 && how != complete {
							t.Errorf("%s, and it says\n%.1000s\nwhich is not how it begins\n%.1000s", how, fmt.Sprint(got), fmt.Sprint(want))
						}
					})
				}
			}
		})
	}
}

// loopOpens are the calls that a loop begins with.
var loopOpens = map[engine.Call]int{engine.CallOpen: 2, engine.CallWatch: 1}

// A server whose loops cannot begin says so, and nothing of them is left.
func TestFaultsBegin(t *testing.T) {
	for _, x := range fatal {
		for k := range 3 * loopOpens[x.call] {
			t.Run(fmt.Sprint(x.name, " ", k+1), func(t *testing.T) {
				wantNoLeaks(t)
				engine.Inject(t, at(x.call, k+1, engine.Fault{Errno: x.errno}))
				s := &engine.Server{Handler: echo, Loops: 3}
				if err := s.Serve(listen(t)); !errors.Is(err, x.errno) {
					t.Errorf("Serve: %v", err)
				}
				l := listen(t)
				go s.Serve(l)
				c := dial(t, l.Addr(), roomy...)
				c.echo(c.open("/"), "it may be tried again")
				s.Close()
			})
		}
	}
}

// failingListener has Accept fail at some calls.
type failingListener struct {
	net.Listener
	n    int
	fail func(n int) error
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.n++
	if err := l.fail(l.n); err != nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

// Accepting goes on behind every error that is not the listener's own, and sockets that are open do not notice.
func TestFaultsAccept(t *testing.T) {
	for _, errno := range []unix.Errno{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.ECONNRESET, unix.EPERM, unix.ETIMEDOUT, unix.EINTR, unix.EAGAIN,
		unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			wantNoLeaks(t)
			r := serveOn(t, &engine.Server{Handler: echo}, &failingListener{Listener: listen(t), fail: func(n int) error {
				if n%2 == 0 {
					return errno
				}
				return nil
			}})
			first := r.dial()
			id := first.open("/")
			for range 3 {
				c := r.dial()
				c.echo(c.open("/"), "served")
				first.echo(id, "still here")
			}
			if n := r.Stats().AcceptErrors; n < 3 {
				t.Errorf("%d errors are counted", n)
			}
		})
	}
	wantNoLeaks(t)
	s := &engine.Server{Handler: echo}
	l := &failingListener{Listener: listen(t), fail: func(int) error { return unix.EINVAL }}
	if err := s.Serve(l); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a listener that is none: %v", err)
	}
	s.Close()
}
