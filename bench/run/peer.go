package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// peerRow is one comparison with Kafka.
type peerRow struct {
	workload
	Durable bool // ours syncs before it answers; Kafka is at its default, which does not
	Short   bool // is in the short form
	Named   bool // runs only where it is named
	Cold    bool // each run has a Kafka of its own, that has just started
	Dropped bool // what was killed finds nothing of its files in the page cache
	Figures []figure
	kind    func(*peerRun, *peerRow) (ours, theirs func(*trial) error, err error)
}

// figure is one number of a run, and what ours divided by Kafka's has to be: at least the bar, or at most.
type figure struct {
	What   string
	of     func(trial) float64
	Bar    float64
	AtMost bool
}

func speed(bar float64) figure {
	return figure{What: "MB/s", of: func(t trial) float64 { return t.MBPerSecond }, Bar: bar}
}

func cpu(bar float64) figure {
	return figure{What: "broker CPU, ns/KB", of: func(t trial) float64 { return t.CPUNanosPerKB }, Bar: bar, AtMost: true}
}

func peak(bar float64) figure {
	return figure{What: "peak RSS, MB", of: func(t trial) float64 { return t.PeakMB }, Bar: bar, AtMost: true}
}

var (
	records   = figure{What: "records/s", of: func(t trial) float64 { return t.RecordsPerSec }}
	perRecord = figure{What: "broker CPU, us/record", of: func(t trial) float64 { return t.CPUNanosPerKB * float64(t.Bytes) / 1e6 / float64(t.Records) }, AtMost: true}
	latencies = []figure{
		{What: "p50, us", of: func(t trial) float64 { return t.P50Micros }, AtMost: true},
		{What: "p99, us", of: func(t trial) float64 { return t.P99Micros }, AtMost: true},
		{What: "p99.9, us", of: func(t trial) float64 { return t.P999Micros }, AtMost: true},
	}
)

// The floors, as ours divided by Kafka's.
const (
	leastSpeed1K, leastSpeed100, leastDurable, leastConsume = 2, 3, 1, 1.2
	mostCPU, mostMemory, mostStart, mostRestart             = 0.45, 0.15, 0.03, 0.1
)

// peerRows are all comparisons. Bytes are of a run, where speed is measured by them.
func peerRows(bytes, restartBytes, compactBytes int64) []peerRow {
	rows := []peerRow{
		{workload: workload{Name: "start"}, Short: true, Cold: true, kind: (*peerRun).starts, Figures: []figure{
			{What: "exec to ApiVersions, ms", of: func(t trial) float64 { return t.StartMillis }, Bar: mostStart, AtMost: true},
			{What: "RSS idle, MB", of: func(t trial) float64 { return t.IdleMB }, Bar: mostMemory, AtMost: true}}},
	}
	rows = append(rows, produceRows(bytes)...)
	rows = append(rows, peerRow{kind: (*peerRun).loads, Short: true, Figures: []figure{speed(leastConsume), cpu(mostCPU), peak(0)},
		workload: workload{Name: "consume", Bytes: bytes,
			Before: []string{"--partitions", "2", "--connections", "2", "--topic-configs", pageCache, "--bytes", fmt.Sprint(bytes)},
			Load:   []string{"--mode", "consume", "--partitions", "2", "--connections", "2", "--bytes", fmt.Sprint(3 * bytes)}}})
	rows = append(rows, peerRow{kind: (*peerRun).loads, Short: true, Figures: append([]figure{records, perRecord}, latencies...),
		workload: workload{Name: "connections-100", Bytes: 256 << 20,
			Load: []string{"--record-bytes", "100", "--batch-bytes", "1", "--connections", "100", "--in-flight", "1", "--partitions", "10", "--acks", "1",
				"--topic-configs", pageCache, "--bytes", singles(bytes, 100)}}})
	for _, rate := range []int64{1000, 5000} {
		for _, durable := range []bool{false, true} {
			name, seconds := fmt.Sprintf("end-to-end-%d", rate), max(bytes/150_000_000, 1)
			if durable {
				name += "-durable"
			}
			rows = append(rows, peerRow{kind: (*peerRun).loads, Durable: durable, Short: rate == 1000 && !durable, Figures: append(slices.Clone(latencies), perRecord),
				workload: workload{Name: name, Bytes: 64 << 20,
					Load: []string{"--mode", "end-to-end", "--record-bytes", "1024", "--batch-bytes", "1", "--acks", "-1",
						"--rate", fmt.Sprint(rate), "--topic-configs", pageCache, "--bytes", fmt.Sprint(rate * seconds * 1096)}}})
		}
	}
	for _, partitions := range []int{1, 100, 1000, 10_000} {
		rows = append(rows, peerRow{kind: (*peerRun).loads, Figures: []figure{speed(0), cpu(0), peak(0)},
			workload: workload{Name: fmt.Sprintf("partitions-%d", partitions), Bytes: bytes,
				Load: []string{"--record-bytes", "1024", "--batch-bytes", "16384", "--acks", "1", "--partitions", fmt.Sprint(partitions),
					"--topic-configs", pageCache, "--bytes", fmt.Sprint(bytes)}}})
	}
	rows = append(rows, crowdRows()...)
	rows = append(rows, compactionRow(compactBytes, 1_000_000))
	restart := peerRow{kind: (*peerRun).restarts, Short: true, Cold: true,
		Figures: []figure{{What: "kill -9 to served, ms", of: func(t trial) float64 { return t.RestartMillis }, Bar: mostRestart, AtMost: true}},
		workload: workload{Name: "restart", Bytes: restartBytes,
			Load: []string{"--record-bytes", "1024", "--batch-bytes", "65536", "--acks", "1", "--topic-configs", pageCache, "--bytes", fmt.Sprint(restartBytes)}}}
	dropped := restart
	dropped.Name, dropped.Short, dropped.Dropped = "restart-dropped", false, true
	return append(rows, restart, dropped)
}

// produceRows are two sizes of record, four of batch, two promises, and ours durable against Kafka's default.
func produceRows(bytes int64) (rows []peerRow) {
	for _, record := range []struct {
		name  string
		bytes int64
	}{{"1k", 1024}, {"100", 100}} {
		for _, batch := range []struct {
			name  string
			bytes int64
		}{{"one", 1}, {"16k", 16 << 10}, {"64k", 64 << 10}, {"1m", 1 << 20}} {
			for _, promise := range []struct{ name, acks string }{{"acks-1", "1"}, {"acks-all", "-1"}, {"durable", "-1"}} {
				shape := record.name + "-" + batch.name
				row := peerRow{kind: (*peerRun).loads, Durable: promise.name == "durable", Figures: []figure{speed(0), records, cpu(0), peak(0)},
					Short: shape == "1k-64k" && promise.name != "acks-all" || shape == "100-16k" && promise.name == "acks-1"}
				if floor := map[string]float64{"1k-64k": leastSpeed1K, "100-16k": leastSpeed100}[shape]; floor > 0 && row.Durable {
					row.Figures[0] = speed(leastDurable)
				} else if floor > 0 {
					row.Figures = []figure{speed(floor), records, cpu(mostCPU), peak(mostMemory)}
				}
				size, inFlight := fmt.Sprint(bytes), "16"
				if batch.bytes == 1 {
					size, row.Bytes = singles(bytes, record.bytes), 512<<20
				} else {
					row.Bytes = bytes
				}
				if row.Durable {
					inFlight = fmt.Sprint(max(16, min(256, 16<<20/batch.bytes))) // 16 MiB, as bench/run's durable
				}
				row.Name = "produce-" + shape + "-" + promise.name
				row.Load = []string{"--record-bytes", fmt.Sprint(record.bytes), "--batch-bytes", fmt.Sprint(batch.bytes), "--acks", promise.acks,
					"--in-flight", inFlight, "--topic-configs", pageCache, "--bytes", size}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// singles is the bytes of batches of one record that take about as long as bytes of large ones.
func singles(bytes, recordBytes int64) string { return fmt.Sprint(bytes / 10_000 * (recordBytes + 72)) }

// peerRun is the state of one `make bench-peer`.
type peerRun struct {
	*kafka
	short   bool
	warmFor time.Duration
	running *process // Kafka, held; in the short form for all rows
	fresh   bool     // it has not been loaded yet
	name    string   // and version
}

// peerResult is what is kept of a row.
type peerResult struct {
	Report   report        `json:"report"`
	Peer     string        `json:"peer"`
	Command  string        `json:"peer_command"`
	Form     string        `json:"form"`
	Warm     float64       `json:"peer_warmed_seconds"`
	Workload string        `json:"workload"`
	Load     []string      `json:"load"`
	Durable  bool          `json:"durable"` // ours: flush.messages=1
	Figures  []figureFound `json:"figures"`
	Failed   []string      `json:"failed,omitempty"`
	Fresh    *peerPair     `json:"fresh_pair,omitempty"` // on a peer that has just started; not counted
	Pairs    []peerPair    `json:"pairs"`
}

type peerPair struct {
	Kafka  trial   `json:"kafka"`
	Broker trial   `json:"broker"`
	Ratio  float64 `json:"ratio"` // of the row's first figure
}

// figureFound is a figure over all pairs: medians, and ours divided by Kafka's.
type figureFound struct {
	What   string  `json:"what"`
	Broker float64 `json:"broker_median"`
	Kafka  float64 `json:"kafka_median"`
	Bar    float64 `json:"bar,omitempty"`
	AtMost bool    `json:"at_most,omitempty"`
	spread
}

func (r *peerRun) run(only string, bytes, restartBytes, compactBytes int64) (failed []string, err error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dataDir)
	if r.name, err = r.version(); err != nil {
		return nil, err
	}
	fmt.Printf("against: %s: %s\n", r.name, r.command())
	var rows []peerRow
	for _, row := range peerRows(bytes, restartBytes, compactBytes) {
		if wanted := strings.Contains(","+only+",", ","+row.Name+","); wanted || only == "" && !row.Named && (row.Short || !r.short) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 || only != "" && len(rows) != strings.Count(only, ",")+1 {
		return nil, fmt.Errorf("not everything is a row: %s", only)
	}
	defer func() {
		if r.running != nil {
			r.running.kill()
		}
	}()
	for i := range rows {
		lines, err := r.compareWithPeer(&rows[i], rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rows[i].Name, err)
		}
		failed = append(failed, lines...)
	}
	return failed, nil
}

func (r *peerRun) compareWithPeer(row *peerRow, rows []peerRow) ([]string, error) {
	ours, theirs, err := row.kind(r, row)
	if err != nil {
		return nil, err
	}
	fmt.Printf("\n%s%s: %s\n%-6s %-8s %s %8s\n", row.Name, map[bool]string{true: " (ours flush.messages=1)"}[row.Durable],
		strings.Join(row.Load, " "), "pair", "who", row.head(), "ratio")
	result := peerResult{Report: r.report, Peer: r.name, Command: r.command(), Form: "full", Workload: row.Name, Load: row.Load, Durable: row.Durable}
	result.Report.Load = loadAverage()
	if r.short {
		result.Form = "short"
	}
	if !row.Cold {
		result.Warm = r.warmFor.Seconds()
	}
	if r.fresh && !row.Cold && r.warmFor > 0 {
		result.Fresh = &peerPair{}
		if err := result.Fresh.take("fresh", row, theirs, ours, false); err != nil {
			return nil, err
		}
		if err := r.warm(row, rows); err != nil {
			return nil, err
		}
	}
	for i := range r.pairs {
		var p peerPair
		first, second := theirs, ours
		if i%2 == 1 {
			first, second = ours, theirs
		}
		if err := p.take(fmt.Sprint(i+1), row, first, second, i%2 == 1); err != nil {
			return nil, err
		}
		// A load of so many seconds ends a batch or two sooner on one side.
		if more, less := max(p.Kafka.Bytes, p.Broker.Bytes), min(p.Kafka.Bytes, p.Broker.Bytes); more-less > less/100 && row.Before == nil {
			return nil, fmt.Errorf("the sides moved %d and %d bytes", p.Kafka.Bytes, p.Broker.Bytes)
		}
		result.Pairs = append(result.Pairs, p)
	}
	for _, f := range row.Figures {
		found, failed := f.judge(row.Name, result.Pairs)
		result.Figures, result.Failed = append(result.Figures, found), append(result.Failed, failed...)
	}
	fmt.Printf("load average %.1f before, %.1f after\n", result.Report.Load, loadAverage())
	return result.Failed, r.keep(&result)
}

// take runs one side, then the other, and prints both.
func (p *peerPair) take(name string, row *peerRow, first, second func(*trial) error, oursFirst bool) error {
	into := []*trial{&p.Kafka, &p.Broker}
	if oursFirst {
		slices.Reverse(into)
	}
	if err := errors.Join(first(into[0]), second(into[1])); err != nil {
		return err
	}
	of := row.Figures[0].of
	p.Ratio = of(p.Broker) / of(p.Kafka)
	fmt.Printf("%-6s %-8s %s\n%-6s %-8s %s %8.3f\n", name, "kafka", row.line(p.Kafka), "", "broker", row.line(p.Broker), p.Ratio)
	return nil
}

// head and line are a row's columns: those of a load, or its own figures where bench/load does not load.
func (row *peerRow) head() string {
	if row.Program == "" {
		return fmt.Sprintf("%9s %8s %8s %8s %8s %9s %9s %9s %8s %10s", "MB/s", "Mrec/s", "p50 us", "p99 us", "p99.9 us", "cpu ns/KB", "peak MB", "start ms", "idle MB", "restart ms")
	}
	var columns []string
	for _, f := range row.Figures {
		columns = append(columns, fmt.Sprintf("%24s", f.What))
	}
	return strings.Join(columns, " ")
}

func (row *peerRow) line(t trial) string {
	if row.Program == "" {
		return fmt.Sprintf("%v %9.1f %8.1f %10.1f", t, t.StartMillis, t.IdleMB, t.RestartMillis)
	}
	var columns []string
	for _, f := range row.Figures {
		columns = append(columns, fmt.Sprintf("%24.1f", f.of(t)))
	}
	return strings.Join(columns, " ")
}

// judge prints one figure of all pairs and says whether its bar is met.
func (f *figure) judge(name string, pairs []peerPair) (found figureFound, failed []string) {
	var ours, theirs, ratios []float64
	for _, p := range pairs {
		ours, theirs = append(ours, f.of(p.Broker)), append(theirs, f.of(p.Kafka))
		ratios = append(ratios, f.of(p.Broker)/f.of(p.Kafka))
	}
	found = figureFound{What: f.What, Broker: quantile(ours, 0.5), Kafka: quantile(theirs, 0.5), Bar: f.Bar, AtMost: f.AtMost, spread: spreadOf(ratios)}
	verdict := "no bar"
	if f.Bar > 0 {
		failed = found.hold(name+": "+f.What, f.Bar, f.AtMost)
		verdict = fmt.Sprintf("bar %s %.2f: %s", map[bool]string{true: "<=", false: ">="}[f.AtMost], f.Bar, map[bool]string{true: "met", false: "missed"}[len(failed) == 0])
	}
	if found.Refused {
		verdict += "; REFUSED as a ratio: nearer to 1 than the pairs lie apart"
	}
	fmt.Printf("%-24s ours %.5g [%.5g..%.5g]  Kafka %.5g [%.5g..%.5g]  ours/Kafka %.3f  quartiles %.3f..%.3f  all %.3f..%.3f  %s\n", f.What,
		found.Broker, quantile(ours, 0.25), quantile(ours, 0.75), found.Kafka, quantile(theirs, 0.25), quantile(theirs, 0.75),
		found.Ratio, found.LowerQuartile, found.UpperQuartile, found.Lowest, found.Highest, verdict)
	return found, failed
}

// keep writes the result of a row, unless one of more pairs is there.
func (r *peerRun) keep(result *peerResult) error {
	if len(result.Pairs) < leastPeerPairs {
		return nil
	}
	dir := filepath.Join(r.root, "bench", "results", "peer")
	file := filepath.Join(dir, result.Workload+".json")
	var before peerResult
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &before) == nil && len(before.Pairs) > len(result.Pairs) {
		fmt.Printf("not kept: %s has %d pairs of commit %.12s\n", file, len(before.Pairs), before.Report.Commit)
		return nil
	}
	out, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(out, '\n'), 0o644)
}

// loads compares under load: our broker anew in an empty directory each run, Kafka with a topic of its own.
func (r *peerRun) loads(row *peerRow) (ours, theirs func(*trial) error, err error) {
	if r.running != nil && !r.short {
		r.running.kill()
		os.RemoveAll(r.running.dir)
		r.running = nil
	}
	if r.running == nil {
		if r.running, err = r.beginWith(properties + heldProperties); err != nil {
			return nil, nil, err
		}
		r.running.hold()
		r.fresh = true
	}
	w := row.workload
	if row.Durable {
		w.Load = slices.Clone(w.Load)
		w.Load[slices.Index(w.Load, pageCache)] = "flush.messages=1"
	}
	ours = func(t *trial) error { return r.bench.measure(w, r.broker, t) }
	theirs = func(t *trial) error { return r.kafka.measure(r.running, row.workload, t) }
	return ours, theirs, nil
}

// warm loads a fresh Kafka until its code is compiled: with the row, or with all in turn where it serves all.
func (r *peerRun) warm(row *peerRow, rows []peerRow) error {
	of := []peerRow{*row}
	if r.short {
		of = slices.DeleteFunc(slices.Clone(rows), func(each peerRow) bool { return each.Cold })
	}
	begin := time.Now()
	for i := 0; time.Since(begin) < r.warmFor; i++ {
		var t trial
		if err := r.kafka.measure(r.running, of[i%len(of)].workload, &t); err != nil {
			return err
		}
	}
	r.fresh = false
	return nil
}

// starts compares exec to ApiVersions in an empty (Kafka: formatted) directory, and what memory is taken 3 s later.
func (r *peerRun) starts(*peerRow) (ours, theirs func(*trial) error, err error) {
	of := func(begin func() (*process, error)) func(*trial) error {
		return func(t *trial) error {
			p, err := begin()
			if err != nil {
				return err
			}
			defer p.end()
			time.Sleep(3 * time.Second)
			if t.StartMillis, t.IdleMB = millis(p.answer), memoryMB(p.Process.Pid, "VmRSS"); t.IdleMB == 0 {
				return fmt.Errorf("it was gone when its memory was to be read: %s", p.output.String())
			}
			return nil
		}
	}
	return of(func() (*process, error) { return r.start(r.broker) }), of(r.begin), nil
}

// restarts compares how soon all that was produced is served again after kill -9.
func (r *peerRun) restarts(row *peerRow) (ours, theirs func(*trial) error, err error) {
	of := func(begin func() (*process, error), command string) func(*trial) error {
		return func(t *trial) error {
			p, err := begin()
			if err != nil {
				return err
			}
			defer os.RemoveAll(p.dir)
			if err := r.fill(p, row, t); err != nil {
				return p.fail(err)
			}
			p.kill()
			if row.Dropped {
				if err := dropFiles(p.dir); err != nil {
					return err
				}
			}
			at := time.Now()
			if p, err = r.launch(command, p.dir, p.port); err != nil {
				return err
			}
			for {
				end, err := p.endOffset("load")
				if err == nil && end == t.Records {
					break
				}
				if time.Since(at) > 5*time.Minute {
					return p.fail(fmt.Errorf("five minutes after kill -9: end %d of %d: %w", end, t.Records, err))
				}
				time.Sleep(time.Millisecond)
			}
			t.RestartMillis = millis(time.Since(at))
			p.end()
			return nil
		}
	}
	return of(func() (*process, error) { return r.start(r.broker) }, r.broker), of(r.begin, r.here()), nil
}

func (r *peerRun) fill(p *process, row *peerRow, t *trial) error {
	warm, err := prewarm(row.Bytes)
	if err != nil {
		return err
	}
	defer warm.follow(p.dir)()
	return r.take(p, row.workload, t)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
