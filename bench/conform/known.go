package conform

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Known are the names of cases that are known not to be Strict.
type Known []string

// ReadKnown reads one case a line, its name and behind it the reason. Empty lines and those that begin with "#"
// are left out.
func ReadKnown(r io.Reader) (known Known, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, reason, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch {
		case name == "" || name[0] == '#':
			continue
		case strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("%s is listed without a reason", name)
		}
		known = append(known, name)
	}
	return known, lines.Err()
}

// News are the cases that are not as known: those that are not Strict and not listed, and those that are listed
// and Strict. A case that was not run is as known.
func (k Known) News(r *Report) (worse, better []string) {
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		switch listed := slices.Contains(k, o.Name); {
		case o.Grade != Strict && !listed:
			worse = append(worse, o.Name)
		case o.Grade == Strict && listed:
			better = append(better, o.Name)
		}
	}
	return worse, better
}
