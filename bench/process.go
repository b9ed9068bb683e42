package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Process is a process whose CPU time and memory are read from /proc, or several of which the sum is. It is a Server.
type Process struct {
	PID  int
	Port int // of its listener, for the memory of its sockets; 0: not read

	others []*Process // that belong to it
	dir    string
	mu     sync.Mutex // of the rest

	sockets   int64 // octets
	socketsAt time.Time
	// ran is what each thread had used when it was last seen, so that threads which ended since are not
	// lost. What a thread used between the last reading and its end is.
	ran map[string]time.Duration
}

// OpenProcess returns the process, or an error if it cannot be measured.
func OpenProcess(pid int) (*Process, error) { return openProcess("/proc", pid) }

func openProcess(proc string, pid int) (*Process, error) {
	p := &Process{PID: pid, dir: filepath.Join(proc, strconv.Itoa(pid)), ran: map[string]time.Duration{}}
	if _, err := p.RSS(); err != nil {
		return nil, err
	}
	_, err := p.CPU()
	return p, err
}

// Processes is how many they are.
func (p *Process) Processes() int { return 1 + len(p.others) }

// sum adds up what all processes have. The others may end.
func sum[T int | int64 | time.Duration](p *Process, of func(*Process) (T, error)) (total T, err error) {
	total, err = of(p)
	for _, o := range p.others {
		n, _ := of(o)
		total += n
	}
	return total, err
}

// CPU returns the user and system time used.
func (p *Process) CPU() (time.Duration, error) { return sum(p, (*Process).cpu) }

// cpu is the sum over the threads of the first field of schedstat, which counts nanoseconds. Where the kernel keeps no
// schedstat it is the process's utime + stime, which count hundredths of a second. What it used comes with the error that
// it has ended.
func (p *Process) cpu() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	files, err := filepath.Glob(filepath.Join(p.dir, "task", "*", "schedstat"))
	if err != nil {
		return p.ticks()
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		ran, _, err := parseSchedstat(b)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		p.ran[f] = ran
	}
	var all time.Duration
	for _, ran := range p.ran {
		all += ran
	}
	if all == 0 {
		return p.ticks()
	}
	if len(files) == 0 {
		err = fmt.Errorf("process %d has ended", p.PID)
	}
	return all, err
}

// Usage reads all there is.
func (p *Process) Usage() (u Usage, err error) {
	if u.CPU, err = p.CPU(); err != nil {
		return u, err
	}
	if u.RSS, err = p.RSS(); err != nil {
		return u, err
	}
	u.Sockets = p.socketMemory(time.Now())
	return u, nil
}

// socketsPause is how long what was read of the sockets' memory is good: the kernel looks through all
// sockets of the machine for it, which takes it milliseconds.
const socketsPause = time.Second

// socketMemory is 0 where it cannot be read.
func (p *Process) socketMemory(now time.Time) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Port != 0 && now.Sub(p.socketsAt) >= socketsPause {
		p.sockets, _ = socketMemory(p.Port)
		p.socketsAt = now
	}
	return p.sockets
}

func (p *Process) ticks() (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

// RSS returns the resident memory, in octets. What several processes share counts for each of them.
func (p *Process) RSS() (int64, error) { return sum(p, (*Process).rss) }

func (p *Process) rss() (int64, error) { return p.status("VmRSS:") }

// Anonymous returns what of it is no file's, in octets. The rest are pages of the executable, each of which comes when it
// is used first.
func (p *Process) Anonymous() (int64, error) { return sum(p, (*Process).anonymous) }

func (p *Process) anonymous() (int64, error) { return p.status("RssAnon:") }

func (p *Process) status(field string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "status"))
	if err != nil {
		return 0, err
	}
	return parseStatus(b, field)
}

// Descriptors returns how many are open.
func (p *Process) Descriptors() (int, error) { return sum(p, (*Process).descriptors) }

func (p *Process) descriptors() (int, error) {
	open, err := os.ReadDir(filepath.Join(p.dir, "fd"))
	return len(open), err
}

// parseSchedstat reads "1234567 89 10": nanoseconds on a CPU, nanoseconds waiting for one, turns.
func parseSchedstat(b []byte) (ran, waited time.Duration, err error) {
	fields := bytes.Fields(b)
	if len(fields) != 3 {
		return 0, 0, errors.New("not the three numbers of schedstat")
	}
	ns, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0, 0, err
	}
	wait, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return time.Duration(ns), time.Duration(wait), err
}

// ownWait is how long this thread was ready to run and did not, 0 where that cannot be read. It is the
// caller's if runtime.LockOSThread made it so.
func ownWait() time.Duration {
	b, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		return 0
	}
	_, waited, _ := parseSchedstat(b)
	return waited
}

// parseStat reads utime and stime, the fields 14 and 15 of /proc/PID/stat. Field 2 is the name of the
// program in parentheses and may contain anything, parentheses and blanks too.
func parseStat(b []byte) (time.Duration, error) {
	_, after, ok := bytes.Cut(b, []byte(") "))
	for ok {
		b = after
		_, after, ok = bytes.Cut(b, []byte(") "))
	}
	fields := bytes.Fields(b)
	if len(fields) < 13 {
		return 0, errors.New("stat has too few fields")
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	const tick = time.Second / 100 // USER_HZ is 100 on every system Go runs on
	return time.Duration(user+system) * tick, err
}

// parseStatus reads a line as "VmRSS:	  1234 kB" of /proc/PID/status. A zombie has none.
func parseStatus(b []byte, field string) (int64, error) {
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte(field)); ok {
			kB, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
			return kB << 10, err
		}
	}
	return 0, fmt.Errorf("status has no %s the process has ended", field)
}

// ownRSS is that of this process, 0 where it cannot be read.
func ownRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	rss, err := parseStatus(b, "VmRSS:")
	if err != nil {
		return 0
	}
	return rss
}
