// Differential gives Apache Kafka 4.2.0 and our broker the same requests and compares the answers field by field.
//
// Tables come first: for every API and every version that we announce, a request that succeeds, its effect as another API
// shows it (table_walks.go counts them), and one for each error that Kafka names. Then sequences of requests drawn from a
// seed by rapid's generators, each over topics and groups of its own, shrunk where the brokers do not agree. Differences
// that are meant to be stand in accepted.tsv, each with its reason; one that is not seen any more in a whole run is
// reported, and so is every one that is not in it.
//
// Some cases come first, on two brokers that let little be done (table_confined.go).
//
// With -against kafka the other side is Kafka too: nothing may differ then, not even what is accepted. That is the test
// of the normalisation (flatten.go).
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	jars, binary, dir, against, accepted, only, result string
	port, workers, steps, sequences                    int
	seed                                               uint64
	tables, verbose                                    bool
	kafka, other                                       string // addresses of running brokers
	shared                                             [2]*shared
}

// process tells a run's names from those of an earlier one on the same brokers.
var process string

func main() {
	var o options
	cache, _ := os.UserCacheDir()
	flags := flag.NewFlagSet("differential", flag.ExitOnError) // of its own: rapid puts its own into the common one
	flags.StringVar(&o.jars, "jars", filepath.Join(cache, "rookery-interop", "java"), "Kafka's jars, as bench/interop/install.sh leaves them")
	flags.StringVar(&o.binary, "binary", "bin/rookery", "our broker")
	flags.StringVar(&o.dir, "dir", "", "where both brokers keep their data (default: a temporary folder, deleted at the end)")
	flags.StringVar(&o.against, "against", "rookery", "the other side: rookery, or kafka to test the comparison itself")
	flags.StringVar(&o.accepted, "accepted", "bench/differential/accepted.tsv", "the table of accepted differences")
	flags.StringVar(&o.only, "only", "", "tables: only cases whose name this regular expression matches")
	flags.StringVar(&o.result, "result", "", "leave the counts in this file")
	flags.IntVar(&o.port, "port", 28100, "the first of four ports")
	flags.BoolVar(&o.tables, "tables", true, "run the tables")
	flags.IntVar(&o.sequences, "sequences", 2000, "how many drawn sequences to run")
	flags.IntVar(&o.steps, "steps", 50, "the fewest requests of a sequence")
	flags.Uint64Var(&o.seed, "seed", 0, "where sequences begin (0: anywhere)")
	flags.IntVar(&o.workers, "workers", 12, "how many sequences run side by side")
	flags.BoolVar(&o.verbose, "v", false, "show accepted differences too")
	flags.StringVar(&o.kafka, "kafka-address", "", "a Kafka that runs already")
	flags.StringVar(&o.other, "other-address", "", "another side that runs already")
	_ = flags.Parse(os.Args[1:])
	process = fmt.Sprintf("%03d", time.Now().UnixMilli()/100%1000)
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "differential:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	if o.dir == "" {
		// In memory where there is such a folder: Kafka's controller syncs each of thousands of records.
		in := "/dev/shm"
		if _, err := os.Stat(in); err != nil {
			in = ""
		}
		dir, err := os.MkdirTemp(in, "rookery-differential-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	accepted, err := readLedger(o.accepted)
	if err != nil {
		return err
	}
	t := &tally{started: time.Now(), verbose: o.verbose, accepted: accepted, errors: map[string]map[string]bool{}}
	if o.against == "kafka" {
		t.accepted = nil
	}
	if together, alone := jobsOf(o, confinedTables); len(together)+len(alone) > 0 && o.kafka == "" && o.other == "" {
		if err := o.onBoth(confined, func(o *options) { runTables(o, t, together, alone) }); err != nil {
			return err
		}
	}
	err = o.onBoth("", func(o *options) {
		together, alone := jobsOf(o, tables)
		runTables(o, t, together, alone)
		if o.sequences > 0 {
			runSequences(o, t)
		}
	})
	if err != nil {
		return err
	}
	return t.end(o)
}

// onBoth does something with two brokers that have settings of their own, beside those of all.
func (o options) onBoth(settings string, do func(o *options)) error {
	stop, err := startBoth(&o, settings)
	defer stop()
	if err != nil {
		return err
	}
	o.shared = [2]*shared{newShared("kafka", o.kafka, "a99"+process, true), newShared(o.against, o.other, "b99"+process, o.against == "kafka")}
	a, b := o.sides(99)
	if err := both(a, b, "warm-", (*side).warm); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	do(&o)
	return nil
}

// startBoth starts what does not run yet, in folders of their own.
func startBoth(o *options, settings string) (stop func(), err error) {
	var nodes []*node
	stop = func() {
		for _, n := range nodes {
			n.stop()
		}
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return stop, err
	}
	dir, err := os.MkdirTemp(o.dir, "pair-")
	if err != nil {
		return stop, err
	}
	if o.kafka == "" {
		fmt.Fprintln(os.Stderr, "starting Apache Kafka")
		n, err := startKafka(o.jars, filepath.Join(dir, "kafka"), o.port, settings)
		if err != nil {
			return stop, err
		}
		nodes = append(nodes, n)
		o.kafka = n.address
	}
	switch {
	case o.other != "":
	case o.against == "kafka":
		o.other = o.kafka
	default:
		n, err := startRookery(o.binary, filepath.Join(dir, "rookery"), o.port+2, settings)
		if err != nil {
			return stop, err
		}
		nodes = append(nodes, n)
		o.other = n.address
	}
	return stop, nil
}

// sides are the two brokers as one worker talks to them.
func (o *options) sides(worker int) (a, b *side) {
	tag := fmt.Sprintf("%02d%s", worker, process)
	return newSide(o.shared[0], "a"+tag), newSide(o.shared[1], "b"+tag)
}

// both runs a case on both sides at once. What a case cannot go on without is an error.
func both(a, b *side, prefix string, run func(s *side)) error {
	failed := make(chan error, 1)
	go func() { failed <- one(a, prefix, run) }()
	return errors.Join(one(b, prefix, run), <-failed)
}

// inTurn runs a case on one side and then on the other, where both are the same broker and the case alters it.
func inTurn(a, b *side, prefix string, run func(s *side)) error {
	return errors.Join(one(a, prefix, run), one(b, prefix, run))
}

func one(s *side, prefix string, run func(s *side)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			var known bool
			if err, known = r.(error); !known {
				err = fmt.Errorf("%s: %v", s.name, r)
			}
		}
	}()
	s.begin(prefix)
	run(s)
	return nil
}

// jobsOf are the cases that were asked for, in each of their versions: those that run side by side, and those that alter the
// broker itself.
func jobsOf(o *options, tables []tableCase) (together, alone []job) {
	if !o.tables {
		return nil, nil
	}
	only := regexp.MustCompile(o.only)
	n := 0
	for _, c := range tables {
		for version := c.from; version <= c.to; version++ {
			name := fmt.Sprintf("%s/%s v%d", c.api, c.name, version)
			if !only.MatchString(name) {
				continue
			}
			n++
			if j := (job{name, fmt.Sprintf("t%d-", n), version, c}); c.alone() {
				alone = append(alone, j)
			} else {
				together = append(together, j)
			}
		}
	}
	return together, alone
}

func runTables(o *options, t *tally, together, alone []job) {
	runJobs(o, t, together, o.workers, both)
	if o.against == "kafka" {
		runJobs(o, t, alone, 1, inTurn)
	} else {
		runJobs(o, t, alone, 1, both)
	}
}

// job is a table case in one version.
type job struct {
	name, prefix string
	version      int16
	tableCase
}

func runJobs(o *options, t *tally, jobs []job, workers int, on func(a, b *side, prefix string, run func(s *side)) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			a, b := o.sides(50 + w)
			for n := next.Add(1) - 1; n < int64(len(jobs)); n = next.Add(1) - 1 {
				j := jobs[n]
				if err := on(a, b, j.prefix, func(s *side) { j.run(s, j.version) }); err != nil {
					t.broke(j.name, err)
				} else {
					t.table(a.told, b.told, compare(j.name, a, b, t.accepted))
				}
				a.clear()
				b.clear()
			}
			t.walk(a.walks)
		})
	}
	all.Wait()
}

// commit is what the results are of.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
