package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// hunter runs the simulator with bugs in it.
type hunter struct {
	root      string
	scratch   string
	clean     string // cmd/sim without any bug
	roots     int
	faultFree int
	limit     time.Duration
	shrinkFor time.Duration
}

// rootSeeds are far apart, and far from those that everybody runs.
func rootSeed(i int) uint64 { return uint64(i+1) * 10_000_000 }

// trophy is what came of one plant.
type trophy struct {
	plant         *plant
	faultFree     string // what is not there as the header says
	freely        uint64 // the seed without faults that found it; 0: none was to
	kills         []kill
	before, after int // decisions of the first kill; 0: not shrunk
}

// kill is how one hunt ended.
type kill struct {
	seed    uint64
	seeds   int // run up to the kill, it included
	cpu     time.Duration
	law     string // empty: it lived
	must    string
	reached bool
	others  []other // failures of other laws on the way
	skipped []uint64
}

// other is a failure by a law that the header does not name.
type other struct {
	seed uint64
	law  string
}

// complaint says what is missing, or nothing.
func (t *trophy) complaint() string {
	if t.faultFree != "" {
		return "without faults " + t.faultFree
	}
	for i, k := range t.kills {
		switch {
		case k.law == "":
			return fmt.Sprintf("root %d: it lives", i+1)
		case !k.reached:
			return fmt.Sprintf("root %d: seed %d failed and never reached the changed line", i+1, k.seed)
		}
	}
	return ""
}

func (h *hunter) huntAll(plants []*plant) ([]*trophy, error) {
	h.clean = filepath.Join(h.scratch, "sim")
	if err := build(h.root, nil, h.scratch, "./cmd/sim", h.clean); err != nil {
		return nil, err
	}
	var all []*trophy
	for _, p := range plants {
		t, err := h.hunt(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, t)
		if c := t.complaint(); c != "" {
			fmt.Printf("%s: NOT AS IT SHOULD BE: %s\n", p.name, c)
		}
	}
	return all, nil
}

func (h *hunter) hunt(p *plant) (*trophy, error) {
	sim := filepath.Join(h.scratch, "sim-"+p.name)
	if err := build(h.root, p, h.scratch, "./cmd/sim", sim); err != nil {
		return nil, err
	}
	t := &trophy{plant: p}
	if h.faultFree > 0 {
		h.withoutFaults(sim, t)
		fmt.Printf("%s: %d seeds without faults: %s\n", p.name, h.faultFree, t.gate())
	}
	for i := range h.roots {
		k := h.huntFrom(sim, p, rootSeed(i))
		t.kills = append(t.kills, k)
		fmt.Printf("%s: root %d: %s\n", p.name, i+1, k.String())
		if k.law != "" && t.before == 0 && h.shrinkFor > 0 {
			h.shrink(sim, t, k)
		}
	}
	return t, nil
}

// needsNone begins what a header says of fault-free runs where the bug needs no fault: one of them has to find it, by the law
// of the header or by another that it says comes first.
const needsNone = "fail too"

// gate is what came of the runs without faults, in words.
func (t *trophy) gate() string {
	switch {
	case t.faultFree != "":
		return "NOT AS IT SHOULD BE: " + t.faultFree
	case t.freely > 0:
		return fmt.Sprintf("seed %d finds it, as its header says", t.freely)
	}
	return "all pass"
}

func (k *kill) String() string {
	text := fmt.Sprintf("lives after %d seeds, %.1f s of CPU", k.seeds, k.cpu.Seconds())
	if k.law != "" {
		text = fmt.Sprintf("seed %d, %s after %d seeds, %.1f s of CPU, line reached: %v", k.seed, strings.TrimSpace(k.law+" "+k.must), k.seeds, k.cpu.Seconds(), k.reached)
	}
	for _, o := range k.others {
		text += fmt.Sprintf("; other: %s at seed %d", o.law, o.seed)
	}
	for _, seed := range k.skipped {
		text += fmt.Sprintf("; seed %d fails without the bug too", seed)
	}
	return text
}

// withoutFaults runs seeds without faults, and holds what comes of them against the header. A seed that fails by the code
// without the bug says nothing of the bug, and much of the code.
func (h *hunter) withoutFaults(sim string, t *trophy) {
	free := func(sim string, from uint64, seeds int) outcome {
		args := []string{"run", "--quiet", "--from", strconv.FormatUint(from, 10), "--seeds", strconv.Itoa(seeds), "--workers", "1"}
		if p := t.plant; p.faultFree != "" && !strings.HasPrefix(p.faultFree, needsNone) {
			args = append(args, "--no-restart")
		}
		return start(sim, args...)
	}
	r := free(sim, 1, h.faultFree)
	t.judgeGate(r, r.failed && free(h.clean, r.seed, 1).failed)
}

func (t *trophy) judgeGate(r outcome, clean bool) {
	p := t.plant
	needsNone := strings.HasPrefix(p.faultFree, needsNone)
	law := strings.TrimSpace(r.law + " " + r.must)
	switch {
	case clean:
		t.faultFree = fmt.Sprintf("seed %d fails with the bug and WITHOUT IT: %s", r.seed, law)
	case needsNone && !r.failed:
		t.faultFree = "nothing fails, and its header says that it needs no fault"
	case needsNone && (r.law != p.oracle || r.must != p.must) && !strings.Contains(p.faultFree, ", by "+law+" first,"):
		t.faultFree = fmt.Sprintf("seed %d fails by %s, which its header does not name", r.seed, law)
	case needsNone:
		t.freely = r.seed
	case r.failed:
		t.faultFree = fmt.Sprintf("seed %d fails by %s, and its header does not say that it needs no fault", r.seed, law)
	}
}

// huntFrom runs seeds from a root on until the law of the header fails, or the time is over.
func (h *hunter) huntFrom(sim string, p *plant, root uint64) kill {
	k := kill{}
	for from := root; k.cpu < h.limit; {
		r := start(sim, "run", "--from", strconv.FormatUint(from, 10), "--cpu", (h.limit - k.cpu).String(), "--workers", "1")
		k.cpu += r.cpu
		if !r.failed {
			k.seeds += r.seeds
			break
		}
		k.seeds += int(r.seed - from + 1)
		from = r.seed + 1
		switch {
		case start(h.clean, "replay", strconv.FormatUint(r.seed, 10)).failed:
			k.skipped = append(k.skipped, r.seed)
		case r.law != p.oracle || r.must != p.must:
			k.others = append(k.others, other{r.seed, strings.TrimSpace(r.law + " " + r.must)})
		default:
			again := start(sim, "replay", strconv.FormatUint(r.seed, 10))
			k.seed, k.law, k.must = r.seed, r.law, r.must
			k.reached = again.reached && again.law == r.law
			return k
		}
	}
	return k
}

var shrunkLine = regexp.MustCompile(`decisions before=(\d+) after=(\d+)`)

func (h *hunter) shrink(sim string, t *trophy, k kill) {
	out := filepath.Join(h.scratch, t.plant.name+".trace")
	text, _ := exec.Command(sim, "shrink", strconv.FormatUint(k.seed, 10), "-o", out, "--for", h.shrinkFor.String()).CombinedOutput()
	if m := shrunkLine.FindSubmatch(text); m != nil {
		t.before, _ = strconv.Atoi(string(m[1]))
		t.after, _ = strconv.Atoi(string(m[2]))
	}
	fmt.Printf("%s: seed %d shrunk from %d decisions to %d\n", t.plant.name, k.seed, t.before, t.after)
}

// outcome is what a run of the simulator said.
type outcome struct {
	failed  bool
	seed    uint64
	law     string
	must    string // the law of core, when the simulator's law is that those hold
	reached bool
	seeds   int
	cpu     time.Duration
}

var (
	failedLine = regexp.MustCompile(`(?m)^(?:SEED (\d+) )?FAILED (\w+)`)
	mustLine   = regexp.MustCompile(`broken law (\w+):`)
	seedsLine  = regexp.MustCompile(`(?m)^(\d+) seeds, `)
)

// start runs the simulator to its end. Its exit status says too little: a short run has not seen every fault.
func start(sim string, args ...string) outcome {
	c := exec.Command(sim, args...)
	text, err := c.CombinedOutput()
	r := readOutcome(text)
	if c.ProcessState != nil {
		r.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	var exit *exec.ExitError
	if err != nil && !r.failed && (!errors.As(err, &exit) || !bytes.Contains(text, []byte("NEVER SEEN"))) {
		r.failed, r.law = true, "EXIT"
	}
	return r
}

func readOutcome(text []byte) outcome {
	r := outcome{reached: bytes.Contains(text, []byte(reachedLine))}
	if m := seedsLine.FindSubmatch(text); m != nil {
		r.seeds, _ = strconv.Atoi(string(m[1]))
	}
	if m := failedLine.FindSubmatch(text); m != nil {
		r.failed, r.law = true, string(m[2])
		r.seed, _ = strconv.ParseUint(string(m[1]), 10, 64)
		if m := mustLine.FindSubmatch(text); m != nil {
			r.must = string(m[1])
		}
	}
	return r
}
