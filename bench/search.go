package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Search is the search for the highest load under which the objectives are met.
type Search struct {
	Version int       `json:"version"`
	Started time.Time `json:"started"`
	Of      string    `json:"of"` // what was increased: rate, sockets or inflight
	Probes  []*Probe  `json:"probes"`
	Found   float64   `json:"found"`           // the highest that met them; 0: none
	Failed  float64   `json:"failed"`          // the lowest above that which did not; 0: none
	Limit   string    `json:"limit,omitempty"` // why it went no higher, if not for the objectives
}

// Probe is one load that was tried.
type Probe struct {
	Load   float64 `json:"load"`
	Met    bool    `json:"met"`
	Report *Report `json:"report"`
	Why    string  `json:"why,omitempty"` // not met
}

// WriteTable writes the search for people.
func (s *Search) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tper second\tserver CPU each\tp50\tp99\tmax\t\t\n", s.Of)
	for _, p := range s.Probes {
		cells := []string{"-", "-", "-", "-", "-"}
		if r := p.Last(); r != nil {
			cells[0], cells[1] = Thousands(int(r.PerSecond())), perOpText(r.ServerCPU, r.Count)
			if l := r.Latency; l != nil {
				cells[2], cells[3], cells[4] = DurationText(l.P50), DurationText(l.P99), DurationText(l.Max)
			}
		}
		outcome := "met"
		if !p.Met {
			outcome = p.Why
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\t%s\n", Thousands(int(p.Load)), cells[0], cells[1], cells[2], cells[3], cells[4], outcome)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", s.Answer())
	return nil
}

// Answer is the outcome in a sentence.
func (s *Search) Answer() string {
	switch {
	case s.Found == 0 && s.Limit != "":
		return fmt.Sprintf("Nothing is known of the server: %s.", s.Limit)
	case s.Found == 0:
		return fmt.Sprintf("No %s met the objectives, down to %s.", s.Of, Thousands(int(s.Failed)))
	case s.Limit != "":
		return fmt.Sprintf("The server meets the objectives up to %s %s at least: %s.", s.Of, Thousands(int(s.Found)), s.Limit)
	case s.Failed == 0:
		return fmt.Sprintf("The objectives were met up to %s %s, the highest that was tried.", s.Of, Thousands(int(s.Found)))
	}
	return fmt.Sprintf("The objectives were met up to %s %s, and not at %s.", s.Of, Thousands(int(s.Found)), Thousands(int(s.Failed)))
}

// Last is the probe's last scenario, nil if it had none.
func (p *Probe) Last() *Result {
	if p.Report == nil || len(p.Report.Results) == 0 {
		return nil
	}
	return &p.Report.Results[len(p.Report.Results)-1]
}

// Reports has one for each probe.
func (s *Search) Reports() (all []*Report) {
	for _, p := range s.Probes {
		if p.Report != nil {
			all = append(all, p.Report)
		}
	}
	return all
}
