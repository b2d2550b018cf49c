package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"rookery/sim/check"
	"rookery/sim/world"
)

// head is the commit that is checked out, if there is one.
func head() string {
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	return strings.TrimSpace(string(commit))
}

// write leaves what the runs came to for the board: kind, name and count, apart by tabs.
func (t *tally) write(file string, wall, cpu time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %d seeds, %d of them twice, in %.0f s (%.0f s of CPU): %.0f seeds a CPU-minute; %d failed; commit %s\n",
		t.seeds, t.twice, wall.Seconds(), cpu.Seconds(),
		float64(t.seeds+t.twice)/max(cpu.Minutes(), 1e-9), len(t.failed), t.commit)
	for _, figure := range []struct {
		name   string
		values []int
	}{{"steps", t.steps}, {"acknowledged operations", t.operations}, {"virtual milliseconds", t.virtual}, {"process faults", t.processes}} {
		p10, median, p90 := spread(figure.values)
		fmt.Fprintf(&b, "# %s a seed: p10 %d, median %d, p90 %d\n", figure.name, p10, median, p90)
	}
	for i, name := range world.FaultNames() {
		fmt.Fprintf(&b, "fault\t%s\t%d\n", name, t.faults[i])
	}
	for i := range check.LawNames() {
		fmt.Fprintf(&b, "law\t%s\t%d\n", check.Law(i).Number(), t.laws[i])
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
