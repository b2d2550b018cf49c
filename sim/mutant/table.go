package main

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

const remarks = `# Hunts of each bug from other root seeds, each until the law that its header names has failed. A kill counts if the seed
# passes without the bug and if a second process fails by the same law and reaches the changed line. Figures are
# min / median / max; other: seeds that failed by a law that the header does not name, before the one that it names did.
`

var heading = []string{"planted bug", "brings back", "named oracle", "killed", "seeds to kill", "CPU seconds to kill",
	"other oracles", "decisions before → after", "remark", "run"}

// boardTable is what specs/board prints: remarks, a heading, and a row a plant, apart by tabs. Rows of an older table of
// plants that were not hunted this time stay as they are.
func boardTable(root string, h *hunter, trophies []*trophy, older string) string {
	c := exec.Command("git", "rev-parse", "--short", "HEAD")
	c.Dir = root
	commit, _ := c.Output()
	rows := map[string]string{}
	for line := range strings.Lines(older) {
		if name, _, _ := strings.Cut(line, "\t"); strings.HasPrefix(name, "`") {
			rows[name] = line
		}
	}
	for _, t := range trophies {
		run := fmt.Sprintf("%d seeds without faults, %d hunts of %v CPU at most, commit %s", h.faultFree, h.roots, h.limit, strings.TrimSpace(string(commit)))
		row := append(t.row(), run)
		rows[row[0]] = strings.Join(row, "\t") + "\n"
	}
	text := remarks + strings.Join(heading, "\t") + "\n"
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		text += rows[name]
	}
	return text
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
	if t.freely > 0 {
		remark += fmt.Sprintf(" (seed %d)", t.freely)
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
