package main

import "testing"

// A start has bars of its own, none of which is a ratio.
func TestVerdicts(t *testing.T) {
	const verdict = 5
	start := &comparison{Median: 6.3, Worst: 9.1}
	if got := start.cells("start")[verdict]; got != "met" {
		t.Errorf("a start within its bars is told as %q", got)
	}
	start.Failed = []string{"start: median too long"}
	if got := start.cells("start")[verdict]; got != start.Failed[0] {
		t.Errorf("a start beyond its bars is told as %q", got)
	}
	if got := (&comparison{Workload: "paced"}).cells("paced")[verdict]; got != "no bar" {
		t.Errorf("a workload without a bar is told as %q", got)
	}
}
