package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Grade is how a case came out.
type Grade uint8

const (
	Strict  Grade = iota // what the RFCs ask for
	Lenient              // what they let pass
	Failed
)

var gradeNames = [...]string{Strict: "strict", Lenient: "lenient", Failed: "FAILED"}

func (g Grade) String() string { return gradeNames[g] }

// Outcome is what became of one case.
type Outcome struct {
	Name, Section string
	Grade         Grade
	Notes         []string // why it is Lenient
	Want, Got     string   // why it Failed
	Elapsed       time.Duration
	Transcript    []string // "> " what was said, "< " what came, as frames in text notation
}

// Report is what became of all cases, in their order.
type Report struct {
	Outcomes []Outcome
	Verbose  bool // WriteTable lists every case
	Elapsed  time.Duration
}

// Count returns how many cases have a grade.
func (r *Report) Count(g Grade) (n int) {
	for i := range r.Outcomes {
		if r.Outcomes[i].Grade == g {
			n++
		}
	}
	return n
}

// WriteTable writes one line for each group of cases, what was not Strict in detail, and the totals. A Verbose
// report has every case, with its transcript.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-14s %7s %7s %7s\n", "", Strict, Lenient, "failed")
	for _, t := range r.tally() {
		fmt.Fprintf(&b, "%-14s %7d %7d %7d\n", t.name, t.count[Strict], t.count[Lenient], t.count[Failed])
	}
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; r.Verbose || o.Grade != Strict {
			o.write(&b, r.Verbose)
		}
	}
	fmt.Fprintf(&b, "\n%d cases in %v: %d strict, %d lenient, %d failed\n",
		len(r.Outcomes), r.Elapsed.Round(time.Millisecond), r.Count(Strict), r.Count(Lenient), r.Count(Failed))
	_, err := w.Write(b.Bytes())
	return err
}

type tally struct {
	name  string
	count [3]int
}

// tally counts the cases by the first part of their names.
func (r *Report) tally() (all []tally) {
	for i := range r.Outcomes {
		name, _, _ := strings.Cut(r.Outcomes[i].Name, "/")
		if len(all) == 0 || all[len(all)-1].name != name {
			all = append(all, tally{name: name})
		}
		all[len(all)-1].count[r.Outcomes[i].Grade]++
	}
	return all
}

func (o *Outcome) write(w io.Writer, transcript bool) {
	fmt.Fprintf(w, "\n%-7s %s (%s)\n", o.Grade, o.Name, o.Section)
	for _, note := range o.Notes {
		fmt.Fprintf(w, "        allowed: %s\n", note)
	}
	if o.Grade == Failed {
		fmt.Fprintf(w, "        wanted:  %s\n        came:    %s\n", o.Want, o.Got)
	}
	if transcript || o.Grade == Failed {
		for _, line := range o.Transcript {
			fmt.Fprintf(w, "        %s\n", line)
		}
	}
}

// MarshalJSON has names in place of numbers, and transcripts of what is not Strict.
func (r *Report) MarshalJSON() ([]byte, error) {
	out := reportJSON{
		Seconds: r.Elapsed.Seconds(), Strict: r.Count(Strict), Lenient: r.Count(Lenient), Failed: r.Count(Failed),
	}
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		c := caseJSON{Name: o.Name, Section: o.Section, Grade: strings.ToLower(o.Grade.String()), Notes: o.Notes,
			Want: o.Want, Got: o.Got, Milliseconds: float64(o.Elapsed.Microseconds()) / 1000}
		if o.Grade != Strict {
			c.Transcript = o.Transcript
		}
		out.Cases = append(out.Cases, c)
	}
	return json.Marshal(out)
}

type reportJSON struct {
	Seconds float64    `json:"seconds"`
	Strict  int        `json:"strict"`
	Lenient int        `json:"lenient"`
	Failed  int        `json:"failed"`
	Cases   []caseJSON `json:"cases"`
}

type caseJSON struct {
	Name         string   `json:"name"`
	Section      string   `json:"section"`
	Grade        string   `json:"grade"`
	Notes        []string `json:"notes,omitempty"`
	Want         string   `json:"want,omitempty"`
	Got          string   `json:"got,omitempty"`
	Milliseconds float64  `json:"ms"`
	Transcript   []string `json:"transcript,omitempty"`
}
