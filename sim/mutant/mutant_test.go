package main

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/sim/check"
)

func plantsHere(t *testing.T) []*plant {
	t.Helper()
	plants, err := readPlants(".")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(plants), 8)
	return plants
}

// Every patch still applies, and what it makes is Go.
func TestEveryPatchApplies(t *testing.T) {
	for _, p := range plantsHere(t) {
		require.NotEmpty(t, p.hunks, p.name)
		marked := false
		for _, file := range p.files() {
			text, err := p.apply("../..", file)
			require.NoError(t, err, "%s: change the patch with the code that it changes", p.name)
			_, err = parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
			require.NoError(t, err, p.name)
			marked = marked || strings.Contains(string(text), "must.Planted()")
		}
		require.True(t, marked, "%s: nothing says that its line was reached", p.name)
	}
}

// Every header names an oracle that there is.
func TestEveryOracleIsALaw(t *testing.T) {
	var laws []string
	for _, line := range check.LawNames() {
		number, _, _ := strings.Cut(line, " ")
		laws = append(laws, number)
	}
	for _, p := range plantsHere(t) {
		require.Contains(t, laws, p.oracle, p.name)
		if p.must != "" {
			require.Equal(t, check.MachineHolds.Number(), p.oracle, "%s: a law of core is seen by this oracle", p.name)
			require.True(t, lawInCore(t, p.must), "%s: core has no law %s", p.name, p.must)
		}
	}
}

func lawInCore(t *testing.T, number string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir("../../core", func(name string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" {
			return err
		}
		text, err := os.ReadFile(name)
		found = found || strings.Contains(string(text), `"`+number+`: `)
		return err
	})
	require.NoError(t, err)
	return found
}

// Every plant compiles: vet is the build without a linker.
func TestEveryPlantCompiles(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, p := range plantsHere(t) {
		overlay, err := writeOverlay(root, p, t.TempDir())
		require.NoError(t, err)
		c := exec.Command("go", "build", "-overlay", overlay, "./core/...")
		c.Dir = root
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s: %s", p.name, out)
	}
}

func TestAPatchThatDoesNotApplySaysSo(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "x.go"), []byte("package x\n\nvar a = 1\nvar b = 1\n"), 0o644))
	of := func(diff string) *plant {
		p, err := parsePlant("x", "What: w\n  more\nBrings back: b\nWhere: x\nOracle: H1\nWhy: y\n\n--- a/x.go\n+++ b/x.go\n@@ -1 +1 @@\n"+diff)
		require.NoError(t, err)
		return p
	}
	p := of("-var a = 1\n+var a = 2\n var b = 1\n")
	require.Equal(t, "w more", p.what)
	text, err := p.apply(root, "x.go")
	require.NoError(t, err)
	require.Equal(t, "package x\n\nvar a = 2\nvar b = 1\n", string(text))

	_, err = of("-var c = 1\n+var c = 2\n").apply(root, "x.go")
	require.ErrorContains(t, err, "does not apply")
	require.NoError(t, os.WriteFile(filepath.Join(root, "x.go"), []byte("var a = 1\nvar a = 1\n"), 0o644))
	_, err = of("-var a = 1\n").apply(root, "x.go")
	require.ErrorContains(t, err, "twice")

	_, err = parsePlant("x", "What: w\nOracle: H1\n\n")
	require.ErrorContains(t, err, "Brings back")
	_, err = parsePlant("x", "Color: red\n\n")
	require.ErrorContains(t, err, "header line")
	_, err = parsePlant("x", "nothing")
	require.ErrorContains(t, err, "no empty line")
}

func TestWhatASimulationSaysIsRead(t *testing.T) {
	r := readOutcome([]byte(reachedLine + "\nSEED 17 FAILED W12 the machine's own laws (must) hold, and it never panics: broker.2 on alarm: broken law P2: text\n\n5 seeds, 0 of them twice, in 1 s\n"))
	require.Equal(t, outcome{failed: true, seed: 17, law: "W12", must: "P2", reached: true, seeds: 5}, r)
	require.Equal(t, outcome{failed: true, law: "H2"}, readOutcome([]byte("1 steps\nFAILED H2 what acks=all ...\nhash=0\n")))
	require.Equal(t, outcome{seeds: 200}, readOutcome([]byte("200 seeds, 12 of them twice\nNEVER SEEN killed\n")))
}

func TestTheTableKeepsRowsThatWereNotMeasuredAgain(t *testing.T) {
	won := &trophy{plant: &plant{name: "b", bringsBack: "X", oracle: "H2"}, before: 9, after: 2, kills: []kill{
		{law: "H2", reached: true, seeds: 3, others: []other{{4, "H14"}}}, {law: "H2", reached: true, seeds: 1}, {law: "H2", reached: true, seeds: 2}}}
	lived := &trophy{plant: &plant{name: "c", bringsBack: "Y", oracle: "W12", must: "R2"}, kills: []kill{{}}}
	table := boardTable(t.TempDir(), &hunter{roots: 3}, []*trophy{won, lived}, "# old\nplanted bug\n`a`\told\n`b`\told\n")
	require.Contains(t, table, "\n`a`\told\n`b`\tX\tH2\t3 of 3\t1 / 2 / 3\t0.0 / 0.0 / 0.0\tH14 × 1\t9 → 2\t\t")
	require.Contains(t, table, "\n`c`\tY\tW12 R2\t0 of 1\t–\t–\t–\t–\troot 1: it lives\t")
	require.NotContains(t, table, "# old")
}

func TestTheGateSaysWhatItSaw(t *testing.T) {
	judged := func(faultFree string, r outcome, clean bool) *trophy {
		t := &trophy{plant: &plant{oracle: "W12", must: "R2", faultFree: faultFree}}
		t.judgeGate(r, clean)
		return t
	}
	found := outcome{failed: true, seed: 7, law: "W12", must: "R2"}
	require.Equal(t, "all pass", judged("", outcome{}, false).gate())
	require.Contains(t, judged("", found, false).gate(), "does not say that it needs no fault")
	require.Contains(t, judged("without the restart", found, false).complaint(), "without faults seed 7 fails by W12 R2")
	require.Contains(t, judged("", found, true).gate(), "WITHOUT IT")
	require.Contains(t, judged("fail too", found, true).complaint(), "WITHOUT IT")
	require.Equal(t, "seed 7 finds it, as its header says", judged("fail too, for a reason", found, false).gate())
	require.Empty(t, judged("fail too", found, false).complaint())
	require.Contains(t, judged("fail too", outcome{}, false).gate(), "nothing fails")
	require.Contains(t, judged("fail too", outcome{failed: true, seed: 3, law: "H2"}, false).gate(), "seed 3 fails by H2, which its header does not name")
	require.Empty(t, judged("fail too, by H2 first, for a reason", outcome{failed: true, seed: 3, law: "H2"}, false).complaint())
}
