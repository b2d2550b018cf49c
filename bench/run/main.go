// Command run is `make bench`: the broker's speed as a share of the reference's, pair by pair. With --kafka it is
// `make bench-peer`: the same against Apache Kafka, whose process outlives a run and is held while ours is measured.
//
//	pre-warm ─▶ reference, empty directory, load ─▶ pre-warm ─▶ broker, empty directory, load ─▶ one pair
//
// Rules:
//   - Only ratios inside one pair count; the machine's speed changes by the minute. Pairs alternate in who goes first.
//   - Before each run, as many fresh pages as the run will fill are touched, and given back while it fills them: first
//     touch of a page that the hypervisor holds can cost more than everything that is measured.
//   - A ratio nearer to 1 than the pairs lie apart (their interquartile range) is refused: no difference was seen. A bar is
//     then met by the lower quartile or not at all. A missed bar is exit status 1.
//   - All pairs are printed and written to bench/results with the commit, refused or not.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const pageCache = "flush.messages=9223372036854775807"

// leastPairs is how many a result needs to be kept; fewer are for looking.
const leastPairs = 9

// leastPeerPairs is how many that is against Kafka, from which we are further than from the reference.
const leastPeerPairs = 3

// workload is one comparison.
type workload struct {
	Name   string
	Bar    float64  // the least ratio of medians of pairs; 0 if there is none
	Load   []string // arguments of the program for the measured part
	Before []string // and of what comes before it, unmeasured
	Bytes  int64    // that the run adds to the page cache
	Bare   *bareLoop
	Paced  bool // the ratio is of median latencies then, not of speeds

	Program  string   // that loads; empty: bench/load
	Settings []string // of our broker, where `rookery dev` has another default than Kafka
}

func workloads(bytes int64) []workload {
	size := fmt.Sprint(bytes)
	return []workload{
		{Name: "produce-1k", Bar: 0.7, Bytes: bytes,
			Load: []string{"--record-bytes", "1024", "--batch-bytes", "65536", "--acks", "1", "--topic-configs", pageCache, "--bytes", size}},
		{Name: "produce-100", Bar: 0.65, Bytes: bytes,
			Load: []string{"--record-bytes", "100", "--batch-bytes", "16384", "--acks", "1", "--topic-configs", pageCache, "--bytes", size}},
		{Name: "consume", Bar: 0.8, Bytes: bytes,
			Before: []string{"--partitions", "2", "--connections", "2", "--topic-configs", pageCache, "--bytes", size},
			Load:   []string{"--mode", "consume", "--partitions", "2", "--connections", "2", "--bytes", fmt.Sprint(3 * bytes)}},
		{Name: "durable", Bar: 0.5, Bytes: bytes, Bare: &bareLoop{batch: 64 << 10, window: 16 << 20, total: bytes},
			Load: []string{"--record-bytes", "1024", "--batch-bytes", "65536", "--acks", "-1", "--in-flight", "256", "--topic-configs", "flush.messages=1", "--bytes", size}},
		{Name: "paced", Paced: true, Bytes: 64 << 20,
			Load: []string{"--record-bytes", "1024", "--batch-bytes", "1", "--acks", "1", "--topic-configs", pageCache, "--rate", "2000", "--duration", "3s"}},
		{Name: "paced-durable", Paced: true, Bytes: 64 << 20,
			Load: []string{"--record-bytes", "1024", "--batch-bytes", "1", "--acks", "-1", "--topic-configs", "flush.messages=1", "--rate", "1000", "--duration", "3s"}},
	}
}

// bench is the state of one `make bench`.
type bench struct {
	root    string // of the repository
	bin     string
	dataDir string
	broker  string // command under test, with {port} and {dir}
	pairs   int
	starts  int
	ports   int // the next one to take; 0: any that is free
	report  report
}

// report is what goes into a results file beside the pairs.
type report struct {
	Commit  string  `json:"commit"`
	Changed bool    `json:"changed"` // the tree had changes that are in no commit
	When    string  `json:"when"`
	Machine string  `json:"machine"`
	Broker  string  `json:"broker"`
	Load    float64 `json:"load_average_before"`
	Nice    int     `json:"nice,omitempty"`
}

// Brokers die with the thread that started them, so that has to be the one that ends last.
func init() { runtime.LockOSThread() }

func main() {
	b := &bench{}
	peer := &peerRun{kafka: &kafka{bench: b}}
	var only string
	var bytes int64
	var restartGB, compactGB float64
	flag.StringVar(&b.broker, "broker", "bin/rookery dev --port {port} --data-dir {dir} --metrics-listener none", "command under test; `reference` compares the reference with itself")
	flag.StringVar(&b.dataDir, "data-dir", "", "where the data directories are made, on a real disk (default: the system's temporary directory)")
	flag.IntVar(&b.pairs, "pairs", 0, "pairs a workload (default 9, short form 3); with fewer than 9 against the reference, 3 against Kafka, no result is kept")
	flag.IntVar(&b.starts, "starts", 20, "cold starts, against the reference")
	flag.IntVar(&b.ports, "first-port", 0, "take ports from here on (default: any that are free)")
	flag.Int64Var(&bytes, "bytes", 0, "bytes of a run (default 1.5 GB, short form 0.75 GB)")
	flag.StringVar(&only, "only", "", "comma-separated names of workloads: start, produce-1k, produce-100, consume, durable, paced, paced-durable; against Kafka see bench/README.md")
	flag.StringVar(&peer.jars, "kafka", "", "compare with Apache Kafka, whose jars are in this folder, and not with the reference")
	flag.BoolVar(&peer.short, "short", false, "against Kafka: the rows that have a bar, one Kafka for all of them")
	flag.DurationVar(&peer.warmFor, "warm", 30*time.Second, "against Kafka: how long a fresh one is loaded before it counts; 0: not at all")
	flag.StringVar(&peer.heap, "heap", "1g", "against Kafka: its heap")
	flag.Float64Var(&restartGB, "restart-gb", 0, "against Kafka: GB in the log that kill -9 leaves (default 10, short form 1)")
	flag.Float64Var(&compactGB, "compact-gb", 5, "against Kafka: GB in the log that is compacted")
	flag.Parse()
	setDefault(&b.pairs, leastPairs, leastPeerPairs, peer.short)
	setDefault(&bytes, 1_500_000_000, 750_000_000, peer.short)
	setDefault(&restartGB, 10, 1, peer.short)
	run := func() ([]string, error) { return b.run(only, bytes) }
	if peer.jars != "" {
		run = func() ([]string, error) { return peer.run(only, bytes, int64(restartGB*1e9), int64(compactGB*1e9)) }
	}
	failed, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	for _, line := range failed {
		fmt.Println("FAILED", line)
	}
	if len(failed) > 0 {
		os.Exit(1)
	}
}

func setDefault[T int | int64 | float64](flag *T, long, short T, isShort bool) {
	if *flag == 0 && isShort {
		*flag = short
	} else if *flag == 0 {
		*flag = long
	}
}

func (b *bench) run(only string, bytes int64) (failed []string, err error) {
	if err := b.prepare(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dataDir)
	wanted := func(name string) bool { return only == "" || strings.Contains(","+only+",", ","+name+",") }
	if wanted("start") {
		line, err := b.coldStarts()
		if err != nil {
			return nil, err
		}
		failed = append(failed, line...)
	}
	measured := wanted("start")
	for _, w := range workloads(bytes) {
		if measured = measured || wanted(w.Name); !wanted(w.Name) {
			continue
		}
		line, err := b.compare(w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		failed = append(failed, line...)
	}
	if !measured {
		return nil, fmt.Errorf("nothing is called %s", only)
	}
	return failed, nil
}

// prepare builds everything and says what is measured where.
func (b *bench) prepare() error {
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return errors.New("run it inside the repository: make bench")
	}
	b.root = strings.TrimSpace(string(root))
	b.bin = filepath.Join(b.root, "bin")
	packages := map[string]string{"reference": "./bench/reference", "load": "./bench/load", "crowd": "./bench/crowd"}
	if b.broker == "reference" {
		b.broker = "bin/reference --port {port} --data-dir {dir}"
	} else if strings.HasPrefix(b.broker, "bin/rookery") {
		packages["rookery"] = "./cmd/rookery"
	}
	for name, path := range packages {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(b.bin, name), path)
		build.Dir = b.root
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", path, err, out)
		}
	}
	if b.dataDir, err = os.MkdirTemp(b.dataDir, "rookery-bench-"); err != nil {
		return err
	}
	removeOnSignal(b.dataDir)
	if onMemory(b.dataDir) {
		return fmt.Errorf("%s lies in memory: name a directory on a disk with --data-dir", b.dataDir)
	}
	commit, _ := exec.Command("git", "rev-parse", "HEAD").Output()
	changes, _ := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
	b.report = report{Commit: strings.TrimSpace(string(commit)), Changed: len(changes) > 0, When: time.Now().UTC().Format(time.RFC3339),
		Machine: machine(), Broker: b.broker, Load: loadAverage(), Nice: niceness()}
	fmt.Printf("commit %.12s%s, %s, GOMAXPROCS %d, load average %.1f\nunder test: %s\n", b.report.Commit,
		map[bool]string{true: " (changed)"}[b.report.Changed], b.report.Machine, runtime.GOMAXPROCS(0), b.report.Load, b.broker)
	return nil
}

// removeOnSignal leaves no gigabytes behind when somebody loses patience. The brokers go with us: Pdeathsig.
func removeOnSignal(dir string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s := <-signals
		os.RemoveAll(dir)
		fmt.Fprintln(os.Stderr, "bench:", s)
		os.Exit(2)
	}()
}

// write keeps a result, unless the reference was measured against itself or there are too few pairs to speak of.
func (b *bench) write(name string, result any) error {
	if strings.HasPrefix(b.broker, "bin/reference") || b.pairs < leastPairs {
		return nil
	}
	dir := filepath.Join(b.root, "bench", "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".json"), append(out, '\n'), 0o644)
}

// compare runs the pairs of one workload, prints them and judges their ratio.
func (b *bench) compare(w workload) (failed []string, err error) {
	against := "reference"
	if w.Bare != nil {
		against = "bare loop"
	}
	fmt.Printf("\n%s: %s\n%-6s %-10s %9s %8s %8s %8s %8s %9s %9s %8s\n", w.Name, strings.Join(w.Load, " "),
		"pair", "who", "MB/s", "Mrec/s", "p50 us", "p99 us", "p99.9 us", "cpu ns/KB", "peak MB", "ratio")
	result := comparison{Report: b.report, Workload: w.Name, Bar: w.Bar, Load: w.Load}
	for i := range b.pairs {
		var p pair
		first, second := func() error { return b.baseline(w, &p.Reference) }, func() error { return b.underTest(w, &p.Broker) }
		if i%2 == 1 {
			first, second = second, first
		}
		if err := first(); err != nil {
			return nil, err
		}
		if err := second(); err != nil {
			return nil, err
		}
		if p.Ratio = p.Broker.MBPerSecond / p.Reference.MBPerSecond; w.Paced {
			p.Ratio = p.Reference.P50Micros / p.Broker.P50Micros
		}
		result.Pairs = append(result.Pairs, p)
		fmt.Printf("%-6d %-10s %s\n%-6s %-10s %s %8.3f\n", i+1, against, p.Reference, "", "broker", p.Broker, p.Ratio)
	}
	result.judge(w.Name)
	result.print(against)
	return result.Failed, b.write(w.Name, result)
}
