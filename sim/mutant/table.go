package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// boardTable is what specs/board prints: remarks, a heading, and a row a plant, apart by tabs.
func boardTable(root string, h *hunter, trophies []*trophy) string {
	var b strings.Builder
	c := exec.Command("git", "rev-parse", "--short", "HEAD")
	c.Dir = root
	commit, _ := c.Output()
	fmt.Fprintf(&b, "# %d hunts of each from other root seeds, at most %v of CPU each; commit %s\n", h.roots, h.limit, strings.TrimSpace(string(commit)))
	fmt.Fprintf(&b, "# Before that each passes %d seeds without faults. A kill counts if the seed passes without the bug and if a second\n", h.faultFree)
	fmt.Fprintf(&b, "# process fails by the same law and reaches the changed line. Figures are min / median / max; other: seeds that failed by\n")
	fmt.Fprintf(&b, "# a law that the header does not name, before the one that it names did.\n")
	fmt.Fprintln(&b, strings.Join([]string{"planted bug", "brings back", "named oracle", "killed", "seeds to kill", "CPU seconds to kill", "other oracles", "decisions before → after", "remark"}, "\t"))
	for _, t := range trophies {
		fmt.Fprintln(&b, strings.Join(t.row(), "\t"))
	}
	return b.String()
}

func (t *trophy) row() []string {
	var seeds, seconds []float64
	others := map[string]int{}
	for _, k := range t.kills {
		if k.law != "" {
			seeds, seconds = append(seeds, float64(k.seeds)), append(seconds, k.cpu.Seconds())
		}
		for _, o := range k.others {
			others[o.law]++
		}
	}
	shrunk := "–"
	if t.before > 0 {
		shrunk = fmt.Sprintf("%d → %d", t.before, t.after)
	}
	remark := t.complaint()
	if t.plant.faultFree != "" {
		remark = strings.TrimSpace(remark + " fault-free runs " + t.plant.faultFree)
	}
	return []string{"`" + t.plant.name + "`", t.plant.bringsBack, strings.TrimSpace(t.plant.oracle + " " + t.plant.must), fmt.Sprintf("%d of %d", len(seeds), len(t.kills)),
		spread(seeds, "%.0f"), spread(seconds, "%.1f"), othersText(others), shrunk, remark}
}

func othersText(others map[string]int) string {
	var parts []string
	for law, n := range others { //tidy:unordered sorted below
		parts = append(parts, fmt.Sprintf("%s × %d", law, n))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

// spread is min / median / max.
func spread(values []float64, format string) string {
	if len(values) == 0 {
		return "–"
	}
	slices.Sort(values)
	return fmt.Sprintf(format+" / "+format+" / "+format, values[0], values[len(values)/2], values[len(values)-1])
}
