// Command sim runs the broker's own code in a simulated world, one seed a run.
//
//	sim run --seeds 2000 [--from 1] [--for 10m] [--workers 2] [--quiet] [--brief]
//	sim replay SEED|TRACEFILE [-v] [--brief]
//	sim replay --tape FILE                 what a real broker recorded (rookery dev --record FILE)
//	sim shrink SEED|TRACEFILE [-o FILE] [--brief]
//
// Rules: run ends with a table of what was done and exits with 1 if any seed failed or a counter that must not be zero
// is; replay's last line is hash=<16 hex digits>, and the same seed prints the same hash in every process.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"rookery/sim/shrink"
	"rookery/sim/workload"
	"rookery/sim/world"
)

var errFailed = errors.New("failed")

// gcPercent lets garbage wait longer than Go does by itself: a run keeps little and throws much away.
const gcPercent = 800

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	root := &cobra.Command{Use: "sim", Short: "The broker in a simulated world", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(runCommand(), replayCommand(), shrinkCommand())
	if err := root.Execute(); err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Fprintln(os.Stderr, "sim:", err)
		}
		os.Exit(1)
	}
}

// one refuses all but one argument, and says which.
func one(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: sim %s [flags]", c.Use)
	}
	return nil
}

// tapeOf makes a tape from a seed or from a file that holds a trace.
func tapeOf(arg string) (func() *world.Tape, error) {
	if seed, err := strconv.ParseUint(arg, 10, 64); err == nil {
		return func() *world.Tape { return world.NewTape(seed) }, nil
	}
	trace, err := readTrace(arg)
	if err != nil {
		return nil, fmt.Errorf("%w; give a seed, or a file with a trace", err)
	}
	return func() *world.Tape { return world.Recorded(trace) }, nil
}

func readTrace(path string) ([]world.Decision, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return world.ReadTrace(file)
}

func replayCommand() *cobra.Command {
	var verbose, quiet, brief bool
	var recorded string
	c := &cobra.Command{Use: "replay SEED|TRACEFILE|--tape FILE", Short: "Run one seed, trace or recording again"}
	c.Args = func(c *cobra.Command, args []string) error {
		if recorded != "" {
			return cobra.NoArgs(c, args)
		}
		return one(c, args)
	}
	c.Flags().StringVar(&recorded, "tape", "", "step the core through what a real broker recorded (rookery dev --record FILE)")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print every step")
	c.Flags().BoolVar(&quiet, "quiet", false, "no faults")
	c.Flags().BoolVar(&brief, "brief", false, "the seed's short life")
	c.RunE = func(c *cobra.Command, args []string) error {
		if recorded != "" {
			return replayRecording(recorded)
		}
		tape, err := tapeOf(args[0])
		if err != nil {
			return err
		}
		options := workload.Options{Quiet: quiet, Brief: brief}
		if verbose {
			options.Log = func(line string) { fmt.Println(line) }
		}
		result := workload.Do(tape(), workload.Core(), options)
		printOne(result)
		fmt.Printf("hash=%016x\n", result.Hash)
		if result.Failure != nil {
			return errFailed
		}
		return nil
	}
	return c
}

func printOne(r *workload.Result) {
	fmt.Printf("%d steps, %d decisions (%d not benign), %.3f virtual seconds, %d lives\n", r.Steps, r.Decisions, len(r.Tape.Trace()), float64(r.Virtual)/1e9, r.Lives)
	fmt.Printf("%d batches acknowledged, %d refused, %d fetches, %d offsets listed\n", r.Acknowledged, r.Refused, r.Fetches, r.Lists)
	fmt.Print("error codes:")
	for _, code := range sortedCodes(r.Codes) {
		fmt.Printf(" %d:%d", code, r.Codes[code])
	}
	fmt.Println()
	if r.Failure != nil {
		fmt.Printf("FAILED %v\n", r.Failure)
	}
}

func shrinkCommand() *cobra.Command {
	var out string
	var brief bool
	var patience time.Duration
	c := &cobra.Command{Use: "shrink SEED|TRACEFILE", Short: "Make a failing run small", Args: one}
	c.Flags().StringVarP(&out, "output", "o", "", "write the trace there (default SEED.trace)")
	c.Flags().BoolVar(&brief, "brief", false, "the seed's short life; a trace says by itself whose it is")
	c.Flags().DurationVar(&patience, "for", 2*time.Minute, "stop after this time")
	c.RunE = func(c *cobra.Command, args []string) error {
		tape, err := tapeOf(args[0])
		if err != nil {
			return err
		}
		if out == "" {
			out = args[0] + ".trace"
		}
		return shrinkRun(tape(), brief, out, patience)
	}
	return c
}

func shrinkRun(tape *world.Tape, brief bool, out string, patience time.Duration) error {
	first := workload.Do(tape, workload.Core(), workload.Options{Brief: brief})
	if first.Failure == nil {
		return errors.New("that run does not fail; there is nothing to shrink")
	}
	trace := first.Tape.Trace()
	runs, end := 0, time.Now().Add(patience)
	try := func(trace []world.Decision) ([]world.Decision, bool) {
		runs++
		result := workload.Do(world.Recorded(trace), workload.Core(), workload.Options{})
		return result.Tape.Trace(), result.Law() == first.Law()
	}
	small := shrink.Shrink(trace, try, func() bool { return time.Now().After(end) })
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintf(file, "# %s, %d decisions of %d\n", first.Law(), len(small), len(trace))
	if err := world.WriteTrace(file, small); err != nil {
		return err
	}
	fmt.Printf("%s\ndecisions before=%d after=%d, %d runs\nsim replay %s\n", first.Failure, len(trace), len(small), runs, out)
	return nil
}
