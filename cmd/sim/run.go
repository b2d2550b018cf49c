package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rookery/sim/check"
	"rookery/sim/workload"
	"rookery/sim/world"
)

// twiceEvery is the share of seeds that run twice and must come to the same hash.
const twiceEvery = 16

// longRun is from how many seeds on every fault and every law must have been seen, and not only those of the short list.
const longRun = 5000

type runFlags struct {
	seeds   uint64
	from    uint64
	length  time.Duration
	cpu     time.Duration
	workers int
	quiet   bool
	brief   bool
	still   bool
	keepOn  bool
	result  string
	profile string
	heap    string
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{Use: "run", Short: "Run many seeds", Long: "Run many seeds. SIGINT and SIGTERM end it with its table, and with exit status 1.", Args: cobra.NoArgs}
	c.Flags().Uint64Var(&f.seeds, "seeds", 0, "how many seeds (0: until the time is over)")
	c.Flags().Uint64Var(&f.from, "from", 1, "the first seed")
	c.Flags().DurationVar(&f.length, "for", 0, "how long by the wall clock (0: until the seeds are through)")
	c.Flags().DurationVar(&f.cpu, "cpu", 0, "how much CPU time, of all workers together, however busy the machine is (0: as much as it takes)")
	c.Flags().IntVar(&f.workers, "workers", 2, "runs side by side")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no faults")
	c.Flags().BoolVar(&f.brief, "brief", false, "short lives: the same faults and laws, fewer operations a seed")
	c.Flags().BoolVar(&f.still, "no-restart", false, "leave out the restart that ends each run: with --quiet there is none then")
	c.Flags().BoolVar(&f.keepOn, "keep-on", false, "go on after a failure")
	c.Flags().StringVar(&f.result, "result", "", "write what the runs came to into this file, for the board")
	c.Flags().StringVar(&f.profile, "cpuprofile", "", "write a profile of the run into this file, for go tool pprof")
	c.Flags().StringVar(&f.heap, "memprofile", "", "the same for what was allocated")
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.seeds == 0 && f.length == 0 && f.cpu == 0 {
			f.seeds = 200
		}
		if f.profile == "" && f.heap == "" {
			return f.run()
		}
		return profiled(f.profile, f.heap, f.run)
	}
	return c
}

// tally adds up what the runs came to.
type tally struct {
	commit     string // when the runs began: a long one may see others made
	mu         sync.Mutex
	next       uint64
	stop       bool
	seeds      int
	twice      int
	steps      []int
	operations []int
	virtual    []int // milliseconds
	processes  []int // process faults
	excuses    int
	codes      map[int16]int
	faults     world.Counts
	laws       check.Counts
	failed     []failure
}

type failure struct {
	seed uint64
	law  string
	text string
}

func (f *runFlags) run() error {
	t := &tally{commit: head(), next: f.from, codes: map[int16]int{}}
	start, cpu := time.Now(), cpuTime()
	interrupted, deaf := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer deaf()
	context.AfterFunc(interrupted, func() { // the seeds at work are the last; another signal ends them too
		deaf()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.stop = true
	})
	var group sync.WaitGroup
	for range f.workers {
		group.Go(func() {
			broker := workload.Core()
			for {
				seed, more := f.take(t, start)
				if !more {
					return
				}
				f.one(t, broker, seed)
			}
		})
	}
	group.Wait()
	wall, used := time.Since(start), cpuTime()-cpu
	t.print(wall, used)
	if f.result != "" {
		if err := t.write(f.result, wall, used); err != nil {
			return err
		}
	}
	missing := t.missing(f.quiet)
	for _, name := range missing {
		fmt.Printf("NEVER SEEN %s\n", name)
	}
	if len(t.failed) > 0 || len(missing) > 0 {
		return errFailed
	}
	if interrupted.Err() != nil {
		return errors.New("interrupted before its end")
	}
	return nil
}

// take gives out the next seed.
func (f *runFlags) take(t *tally, start time.Time) (uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop || f.seeds > 0 && t.next >= f.from+f.seeds || f.length > 0 && time.Since(start) >= f.length || f.cpu > 0 && cpuTime() >= f.cpu {
		return 0, false
	}
	t.next++
	return t.next - 1, true
}

func (f *runFlags) one(t *tally, broker workload.Broker, seed uint64) {
	options := workload.Options{Quiet: f.quiet, Brief: f.brief, NoRestart: f.still}
	result := workload.Do(world.NewTape(seed), broker, options)
	twice := seed%twiceEvery == 0
	if twice && result.Failure == nil {
		if again := workload.Do(world.NewTape(seed), broker, options); again.Hash != result.Hash || again.Steps != result.Steps {
			result.Failure = fmt.Errorf("DET: the second run has hash %016x after %d steps, the first %016x after %d", again.Hash, again.Steps, result.Hash, result.Steps)
		}
	}
	t.add(seed, result, twice, f)
}

func (t *tally) add(seed uint64, r *workload.Result, twice bool, f *runFlags) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seeds++
	if twice {
		t.twice++
	}
	t.steps = append(t.steps, r.Steps)
	t.operations = append(t.operations, r.Operations())
	t.virtual = append(t.virtual, int(r.Virtual/1e6))
	faults := &r.Faults
	t.processes = append(t.processes, faults[world.Killed]+faults[world.KilledAtEffect]+faults[world.PowerLost]+faults[world.StoppedCleanly])
	t.excuses += r.Excuses
	for code, n := range r.Codes {
		t.codes[code] += n
	}
	for i, n := range r.Faults {
		t.faults[i] += n
	}
	for i, n := range r.Laws {
		t.laws[i] += n
	}
	if r.Failure != nil {
		t.failed = append(t.failed, failure{seed, r.Law(), r.Failure.Error()})
		flag := ""
		if f.brief {
			flag = " --brief"
		}
		fmt.Printf("SEED %d FAILED %s\n  sim replay %d -v%s    sim shrink %d%s\n", seed, firstLines(r.Failure.Error(), 30), seed, flag, seed, flag)
		t.stop = t.stop || !f.keepOn
	}
}

func firstLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func spread(values []int) (p10, median, p90 int) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(percent int) int { return sorted[(len(sorted)-1)*percent/100] }
	return at(10), at(50), at(90)
}

func (t *tally) print(wall, cpu time.Duration) {
	out := os.Stdout
	row := func(name string, values []int) {
		p10, median, p90 := spread(values)
		fmt.Fprintf(out, "%-28s %10d %10d %10d\n", name, p10, median, p90)
	}
	fmt.Fprintf(out, "%d seeds, %d of them twice, in %.1f s (%.1f s of CPU): %.0f seeds a CPU-minute\n",
		t.seeds, t.twice, wall.Seconds(), cpu.Seconds(), float64(t.seeds+t.twice)/max(cpu.Minutes(), 1e-9))
	fmt.Fprintf(out, "%-28s %10s %10s %10s\n", "a seed", "p10", "median", "p90")
	row("steps", t.steps)
	row("acknowledged operations", t.operations)
	row("virtual milliseconds", t.virtual)
	row("process faults", t.processes)
	fmt.Fprintln(out, "faults")
	for i, name := range world.FaultNames() {
		fmt.Fprintf(out, "  %-26s %12d\n", name, t.faults[i])
	}
	fmt.Fprintln(out, "laws, times evaluated")
	for i, name := range check.LawNames() {
		fmt.Fprintf(out, "  %12d  %s\n", t.laws[i], name)
	}
	fmt.Fprint(out, "error codes seen by clients:")
	for _, code := range sortedCodes(t.codes) {
		fmt.Fprintf(out, " %d:%d", code, t.codes[code])
	}
	fmt.Fprintf(out, "\nexcuses (a producer told to begin anew after a restart): %d\n", t.excuses)
	fmt.Fprintf(out, "%d failed\n", len(t.failed))
	for _, f := range t.failed { // once more, where the last lines are all that is kept
		fmt.Fprintf(out, "SEED %d FAILED %s\n", f.seed, firstLines(f.text, 1))
	}
}

func sortedCodes(codes map[int16]int) []int16 {
	var all []int16
	for code := range codes { //tidy:unordered sorted below
		all = append(all, code)
	}
	slices.Sort(all)
	return all
}

// missing names the faults and laws that should have been seen and were not.
func (t *tally) missing(quiet bool) []string {
	long := t.seeds >= longRun
	var names []string
	for i, name := range world.FaultNames() {
		if t.faults[i] == 0 && !quiet && (long || t.seeds >= 100 && slices.Contains(world.ShortFaults(), name)) {
			names = append(names, name)
		}
	}
	for i, line := range check.LawNames() {
		if t.laws[i] == 0 && (long || t.seeds >= 100 && slices.Contains(check.ShortLaws(), check.Law(i).Number())) {
			names = append(names, line)
		}
	}
	return names
}
