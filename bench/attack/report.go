package attack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Result is how the server fared in one attack.
type Result struct {
	Name, About string
	Did         string        // what the server did
	Reaction    time.Duration // from the first octet to that
	Elapsed     time.Duration // the whole attack
	Sent        int           // things thrown

	Before, Peak, After int64         // the server's memory, in octets; 0: not measured
	CPU                 time.Duration // used by the server meanwhile; like the memory it is of all attacks that go on together
	Quiet, Bystander    Waits
	Elsewhere           Waits // of Config.Elsewhere, at the same time

	Faults []string // why it fell short; none: it passed
	Tries  int      // it is the last one's result: see tries
	waited bool     // the bystander, longer than in quiet times
}

// Passed says whether the server is none the worse for it.
func (r *Result) Passed() bool { return len(r.Faults) == 0 }

// judge fills in the faults.
func (r *Result) judge(at *attack, o *observed) {
	fault := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	if o.wrong != "" {
		fault("%s", o.wrong)
	} else if missing := at.want(o); missing != "" {
		fault("%s", missing)
	}
	grows := at.grows
	if grows == 0 {
		grows = growthMax
	}
	if r.Before > 0 {
		if r.Peak-r.Before > grows {
			fault("memory grew by %s, more than %s", size(r.Peak-r.Before), size(grows))
		}
		if r.After-r.Before > leakMax {
			fault("%s of memory have not come back", size(r.After-r.Before))
		}
	}
	most := bystanderFactor * max(r.Quiet.P99, r.Elsewhere.P99)
	r.waited = !r.Bystander.Lost && r.Bystander.P99 > bystanderFactor*r.Quiet.P99
	switch {
	case r.Bystander.Lost:
		fault("the bystander lost its connection")
	case r.Bystander.P99 > most:
		fault("the bystander waited %v, more than %v", r.Bystander.P99.Round(time.Microsecond), most.Round(time.Microsecond))
	}
}

// Report is how the server fared in all of them.
type Report struct {
	Quiet   Waits // of the bystander before the first attack
	Results []Result
	Elapsed time.Duration
}

// Failed returns how many attacks the server did not pass.
func (r *Report) Failed() (n int) {
	for i := range r.Results {
		if !r.Results[i].Passed() {
			n++
		}
	}
	return n
}

// waited is in how many attacks the bystander waited longer than in quiet times.
func (r *Report) waited() (n int) {
	for i := range r.Results {
		if r.Results[i].waited {
			n++
		}
	}
	return n
}

// WriteTable writes a line for each attack, and what fell short below it.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-4s %-28s %9s %9s %8s %8s %8s %9s %9s  %s\n", "", "attack", "reaction", "CPU", "before", "peak", "after", "bystander", "elsewhere", "the server")
	for i := range r.Results {
		r.Results[i].write(&b)
	}
	fmt.Fprintf(&b, "\n%d attacks in %v: %d passed, %d failed; the bystander's p99 in quiet times: %v, and more than %d times as long in %d attacks\n",
		len(r.Results), r.Elapsed.Round(time.Millisecond), len(r.Results)-r.Failed(), r.Failed(), r.Quiet.P99.Round(time.Microsecond),
		bystanderFactor, r.waited())
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Result) write(b *bytes.Buffer) {
	verdict := "ok"
	if !r.Passed() {
		verdict = "FAIL"
	}
	fmt.Fprintf(b, "%-4s %-28s %9s %9s %8s %8s %8s %9s %9s  %s\n", verdict, r.Name, short(r.Reaction), short(r.CPU),
		size(r.Before), size(r.Peak), size(r.After), short(r.Bystander.P99), short(r.Elsewhere.P99), r.Did)
	for _, fault := range r.Faults {
		fmt.Fprintf(b, "     %s\n", fault)
	}
}

// short is a duration in three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// size is octets in MB.
func size(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// MarshalJSON spells units out in the names.
func (r *Report) MarshalJSON() ([]byte, error) {
	out := reportJSON{Seconds: r.Elapsed.Seconds(), QuietP99: r.Quiet.P99.Microseconds(), Passed: len(r.Results) - r.Failed(), Failed: r.Failed()}
	for i := range r.Results {
		a := &r.Results[i]
		out.Attacks = append(out.Attacks, attackJSON{
			Name: a.Name, About: a.About, Passed: a.Passed(), Faults: a.Faults, Did: a.Did, Sent: a.Sent, Tries: a.Tries,
			Reaction: a.Reaction.Seconds(), Seconds: a.Elapsed.Seconds(), CPU: a.CPU.Seconds(),
			Before: a.Before, Peak: a.Peak, After: a.After,
			Bystander: a.Bystander.json(), Elsewhere: a.Elsewhere.json(),
		})
	}
	return json.Marshal(out)
}

type reportJSON struct {
	Seconds  float64      `json:"seconds"`
	QuietP99 int64        `json:"bystander_quiet_p99_us"`
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"`
	Attacks  []attackJSON `json:"attacks"`
}

type attackJSON struct {
	Name      string    `json:"name"`
	About     string    `json:"about"`
	Passed    bool      `json:"passed"`
	Faults    []string  `json:"faults,omitempty"`
	Did       string    `json:"did"`
	Sent      int       `json:"sent,omitempty"`
	Tries     int       `json:"tries"`
	Reaction  float64   `json:"reaction_seconds,omitempty"`
	Seconds   float64   `json:"seconds"`
	CPU       float64   `json:"server_cpu_seconds"`
	Before    int64     `json:"rss_before_bytes,omitempty"`
	Peak      int64     `json:"rss_peak_bytes,omitempty"`
	After     int64     `json:"rss_after_bytes,omitempty"`
	Bystander waitsJSON `json:"bystander"`
	Elsewhere waitsJSON `json:"bystander_elsewhere"`
}

type waitsJSON struct {
	Count int   `json:"count"`
	P99   int64 `json:"p99_us"`
	Max   int64 `json:"max_us"`
}

func (w Waits) json() waitsJSON {
	return waitsJSON{w.Count, w.P99.Microseconds(), w.Max.Microseconds()}
}
