// Command h2spec_report compares a JUnit report of h2spec with the list of cases
// that are expected to fail.
//
//	go run .ci/h2spec_report.go report.xml h2spec-expected
//
// It exits with status 1 when a case that is not listed failed or was skipped,
// when a listed case passed or was not run, and when the report is not that of a
// whole strict run.
package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
)

// casesMin is the number of cases of a strict run of h2spec 2.2.1.
const casesMin = 146

type outcome int

const (
	passed outcome = iota
	failed
	skipped
)

// report is what h2spec writes. The cases of a suite are in the order of their
// numbers, which are not written.
type report struct {
	Suites []struct {
		Package string `xml:"package,attr"` // such as "http2/5.1"
		Cases   []struct {
			Description string    `xml:"classname,attr"`
			Failure     *struct{} `xml:"failure"`
			Error       *struct{} `xml:"error"`
			Skipped     *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// result is one case that was run.
type result struct {
	number      string // such as "http2/5.1/3"
	description string
	outcome     outcome
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: h2spec_report REPORT EXPECTED")
		os.Exit(2)
	}
	complaints, err := check(os.Args[1], os.Args[2])
	if err != nil {
		complaints = append(complaints, err.Error())
	}
	for _, c := range complaints {
		fmt.Fprintln(os.Stderr, "h2spec:", c)
	}
	if len(complaints) > 0 {
		os.Exit(1)
	}
}

func check(reportFile, expectedFile string) (complaints []string, err error) {
	results, err := readReport(reportFile)
	if err != nil {
		return nil, err
	}
	expected, err := readExpected(expectedFile)
	if err != nil {
		return nil, err
	}
	return compare(results, expected), nil
}

// compare prints the totals and returns a complaint for each case that did not
// end as expected.
func compare(results []result, expected map[string]string) (complaints []string) {
	var counts [3]int
	for _, r := range results {
		counts[r.outcome]++
		reason, listed := expected[r.number]
		delete(expected, r.number)
		switch {
		case r.outcome == skipped:
			complaints = append(complaints, fmt.Sprintf("%s was skipped: %s", r.number, r.description))
		case r.outcome == failed && !listed:
			complaints = append(complaints, fmt.Sprintf("%s failed: %s", r.number, r.description))
		case r.outcome == failed:
			fmt.Printf("%s fails as expected: %s\n", r.number, reason)
		case listed:
			complaints = append(complaints, fmt.Sprintf("%s passed, but is listed as expected to fail", r.number))
		}
	}
	for number := range expected {
		complaints = append(complaints, fmt.Sprintf("%s is listed, but there is no such case", number))
	}
	if len(results) < casesMin {
		complaints = append(complaints, fmt.Sprintf("only %d of %d cases were run", len(results), casesMin))
	}
	fmt.Printf("h2spec: %d cases: %d passed, %d failed, %d skipped\n", len(results), counts[passed], counts[failed], counts[skipped])
	slices.Sort(complaints)
	return complaints
}

func readReport(file string) ([]result, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r report
	if err := xml.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var results []result
	for _, suite := range r.Suites {
		for i, c := range suite.Cases {
			end := passed
			switch {
			case c.Failure != nil || c.Error != nil:
				end = failed
			case c.Skipped != nil:
				end = skipped
			}
			results = append(results, result{fmt.Sprintf("%s/%d", suite.Package, i+1), c.Description, end})
		}
	}
	return results, nil
}

// readExpected returns the reason for each listed case, by number.
func readExpected(file string) (map[string]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	expected := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		number, reason, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("%s: %s has no reason", file, number)
		}
		expected[number] = reason
	}
	return expected, lines.Err()
}
