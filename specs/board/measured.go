package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"rookery/core/wire"
)

// interop is what bench/interop leaves.
type interop struct {
	Commit  string `json:"commit"`
	Seed    uint64 `json:"seed"`
	Records int    `json:"records"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	APIs    []struct {
		Name    string   `json:"name"`
		Version int16    `json:"version"`
		Clients []string `json:"clients"`
	} `json:"apis"`
	Checks []struct {
		Check   string `json:"check"`
		Client  string `json:"client"`
		Result  string `json:"result"`
		Figures string `json:"figures"`
		Note    string `json:"note"`
	} `json:"checks"`
}

// interopSection shows each version of each API and who was seen to use it, and then what was compared.
func interopSection(root string, p *page) error {
	var r interop
	text, err := readTracked(root, "specs/results/interop.json")
	if err == nil && text != nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return fmt.Errorf("interop.json: %w", err)
	}
	clients := map[string]string{}
	for _, row := range r.APIs {
		clients[fmt.Sprintf("%s %d", row.Name, row.Version)] = strings.Join(row.Clients, ", ")
	}
	p.line("## API × version × the clients that proved it")
	p.line("")
	if text == nil {
		p.line("Not measured yet: `make interop`.")
	} else {
		p.line("Seen on the wire, commit %s: %d checks passed, %d failed.", r.Commit, r.Passed, r.Failed)
	}
	p.line("")
	p.heading("API", "version", "clients")
	for key := range int16(128) {
		oldest, newest, ok := wire.Range(key)
		for v := oldest; ok && v <= newest; v++ {
			p.row(wire.Name(key), fmt.Sprint(v), orDash(clients[fmt.Sprintf("%s %d", wire.Name(key), v)]))
		}
	}
	if len(r.Checks) == 0 {
		return nil
	}
	p.line("")
	p.line("## What other houses' clients moved, seed %d, %d records", r.Seed, r.Records)
	p.line("")
	p.heading("check", "client", "result", "figures", "what the tool cannot express")
	for _, c := range r.Checks {
		p.row(c.Check, c.Client, c.Result, orDash(c.Figures), orDash(c.Note))
	}
	return nil
}

// comparison is what bench/run leaves of one workload in bench/results.
type comparison struct {
	Report struct {
		Commit  string `json:"commit"`
		Changed bool   `json:"changed"`
		When    string `json:"when"`
		Machine string `json:"machine"`
		Broker  string `json:"broker"`
	} `json:"report"`
	Workload      string   `json:"workload"`
	Bar           float64  `json:"bar"`
	Ratio         float64  `json:"ratio"`
	LowerQuartile float64  `json:"ratio_lower_quartile"`
	UpperQuartile float64  `json:"ratio_upper_quartile"`
	Refused       bool     `json:"refused"`
	Failed        []string `json:"failed"`
	Pairs         []struct {
		Ratio float64 `json:"ratio"`
	} `json:"pairs"`
	Median float64 `json:"median_milliseconds"` // of starts: start.json
	Worst  float64 `json:"worst_milliseconds"`
	IdleMB float64 `json:"idle_rss_mb"`
}

func benchSection(root string, p *page) error {
	p.line("## Speed, as a ratio to the reference broker")
	p.line("")
	files, err := tracked(root, "bench/results/*.json")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		p.line("Not measured yet: `make bench`.")
		return nil
	}
	p.heading("workload", "bar", "ratio (median of pairs)", "quartiles", "pairs", "verdict", "commit", "machine")
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) != "results" {
			continue // what git's * finds below
		}
		var c comparison
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &c); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		p.row(c.cells(strings.TrimSuffix(filepath.Base(file), ".json"))...)
	}
	return nil
}

func (c *comparison) cells(name string) []string {
	commit := c.Report.Commit[:min(len(c.Report.Commit), 9)]
	if c.Report.Changed {
		commit += " and changes"
	}
	verdict := "met"
	switch {
	case len(c.Failed) > 0:
		verdict = strings.Join(c.Failed, "; ")
	case c.Refused:
		verdict = "met; no difference from the reference was seen"
	case c.Bar == 0 && c.Workload != "":
		verdict = "no bar"
	}
	if c.Workload == "" {
		return []string{name, "median ≤ 100 ms, worst ≤ 400 ms; idle ≤ 25 MB", fmt.Sprintf("median %.1f ms, worst %.1f ms; idle %.1f MB", c.Median, c.Worst, c.IdleMB),
			"–", "–", verdict, commit, c.Report.Machine}
	}
	bar := "–"
	if c.Bar > 0 {
		bar = fmt.Sprintf("≥ %.2f", c.Bar)
	}
	return []string{name, bar, fmt.Sprintf("%.2f", c.Ratio), fmt.Sprintf("%.2f to %.2f", c.LowerQuartile, c.UpperQuartile),
		fmt.Sprint(len(c.Pairs)), verdict, commit, c.Report.Machine}
}

// peerResult is what bench/run leaves of one workload beside Kafka in bench/results/peer.
type peerResult struct {
	Report struct {
		Commit  string  `json:"commit"`
		Changed bool    `json:"changed"`
		Machine string  `json:"machine"`
		Load    float64 `json:"load_average_before"`
		Nice    int     `json:"nice"`
	} `json:"report"`
	Peer     string            `json:"peer"`
	Workload string            `json:"workload"`
	Pairs    []json.RawMessage `json:"pairs"`
	Failed   []string          `json:"failed"`
	Figures  []struct {
		What          string  `json:"what"`
		Broker        float64 `json:"broker_median"`
		Kafka         float64 `json:"kafka_median"`
		Bar           float64 `json:"bar"`
		AtMost        bool    `json:"at_most"`
		Ratio         float64 `json:"ratio"`
		LowerQuartile float64 `json:"ratio_lower_quartile"`
		UpperQuartile float64 `json:"ratio_upper_quartile"`
		Refused       bool    `json:"refused"`
	} `json:"figures"`
}

// peerSection shows every figure of every workload, with the conditions that it was measured under.
func peerSection(root string, p *page) error {
	p.line("## Speed beside Apache Kafka")
	p.line("")
	files, err := tracked(root, "bench/results/peer/*.json")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		p.line("Not measured yet: `make bench-peer`.")
		return nil
	}
	p.line("Ours divided by Kafka's, medians of pairs; `make bench-peer`. Durable: we sync before we answer, Kafka does not.")
	p.line("")
	p.heading("workload", "figure", "ours", "Kafka", "ratio", "quartiles", "bar", "verdict", "pairs", "commit", "conditions")
	for _, file := range files {
		var r peerResult
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		r.rows(p)
	}
	return nil
}

func (r *peerResult) rows(p *page) {
	commit := r.Report.Commit[:min(len(r.Report.Commit), 9)]
	if r.Report.Changed {
		commit += " and changes"
	}
	conditions := fmt.Sprintf("%s; %s; load average %.1f, nice %d", r.Peer, r.Report.Machine, r.Report.Load, r.Report.Nice)
	for i, f := range r.Figures {
		bar, verdict := "–", "no bar"
		if f.Bar > 0 {
			bar, verdict = map[bool]string{true: "≤ ", false: "≥ "}[f.AtMost]+fmt.Sprint(f.Bar), "met"
			if f.Refused {
				verdict = "met; no difference was seen"
			}
			for _, failure := range r.Failed {
				if strings.HasPrefix(failure, r.Workload+": "+f.What+":") {
					verdict = "missed"
				}
			}
		}
		p.row(r.Workload, f.What, short(f.Broker), short(f.Kafka), fmt.Sprintf("%.3f", f.Ratio),
			fmt.Sprintf("%.3f to %.3f", f.LowerQuartile, f.UpperQuartile), bar, verdict, fmt.Sprint(len(r.Pairs)), commit, conditions)
		if i == 0 {
			conditions = "the same"
		}
	}
}

// short is a number with about three digits that say something.
func short(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// tracked lists files that git has, staged ones included: a result that nobody else can see is none, and a clean clone
// must render the same board.
func tracked(root, pattern string) ([]string, error) {
	list := exec.Command("git", "ls-files", "-z", "--", pattern)
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return filepath.Glob(filepath.Join(root, pattern)) // no git here: all that is there was unpacked
	}
	var files []string
	for _, name := range strings.Split(string(out), "\x00") {
		if _, err := os.Stat(filepath.Join(root, name)); name != "" && err == nil {
			files = append(files, filepath.Join(root, name))
		}
	}
	return files, nil
}

// readTracked reads one file that git has; nil if there is none.
func readTracked(root, name string) ([]byte, error) {
	files, err := tracked(root, name)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	return os.ReadFile(files[0])
}

// powercutSection turns the list of outcomes that sim/powercut leaves (one a mode) into a table: a figure a row.
func powercutSection(root string, p *page) error {
	p.line("## Power cuts under the real binary")
	p.line("")
	text, err := readTracked(root, "specs/results/powercut.json")
	if err != nil {
		return err
	}
	if text == nil {
		p.line("Not measured yet: `make powercut`.")
		return nil
	}
	names, modes, err := figures(text)
	if err != nil {
		return fmt.Errorf("powercut.json: %w", err)
	}
	for i, name := range names {
		cells := []string{name}
		for _, mode := range modes {
			cells = append(cells, mode[name])
		}
		if i == 0 {
			p.heading(cells...)
			continue
		}
		p.row(cells...)
	}
	return nil
}

// differentialSection counts what was asked of Apache Kafka and of us, and of Kafka twice.
func differentialSection(root string, p *page) error {
	p.line("## Beside Apache Kafka 4.2")
	p.line("")
	p.heading("asked beside Kafka", "commit", "table cases", "versions walked through, of those served", "drawn sequences", "their steps", "requests to each", "differences",
		"accepted fields", "by rows of accepted.tsv", "seconds")
	for _, of := range [][2]string{{"this broker", "differential.json"}, {"Kafka itself", "differential-kafka.json"}} {
		text, err := readTracked(root, "specs/results/"+of[1])
		if err != nil {
			return err
		}
		if text == nil {
			p.row(of[0], "not measured yet", "", "", "", "", "", "", "", "", "")
			continue
		}
		var r struct {
			Commit, Kafka                                                                              string
			Cases, Sequences, Steps, Requests, Differences, Accepted, Reasons, Walked, Served, Seconds int
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", of[1], err)
		}
		p.row(of[0], r.Commit, fmt.Sprint(r.Cases), fmt.Sprintf("%d of %d", r.Walked, r.Served), fmt.Sprint(r.Sequences), fmt.Sprint(r.Steps), fmt.Sprint(r.Requests),
			fmt.Sprint(r.Differences), fmt.Sprint(r.Accepted), fmt.Sprint(r.Reasons), fmt.Sprint(r.Seconds))
	}
	return nil
}

// figures reads a list of flat objects, and keeps the order of the first one's names.
func figures(text []byte) (names []string, rows []map[string]string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var raw []json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return nil, nil, err
	}
	for i, object := range raw {
		row := map[string]string{}
		in := json.NewDecoder(bytes.NewReader(object))
		in.UseNumber()
		for in.More() {
			t, err := in.Token()
			if err != nil {
				return nil, nil, err
			}
			name, ok := t.(string)
			if !ok {
				continue // the brace that opens
			}
			var value any
			if err := in.Decode(&value); err != nil {
				return nil, nil, err
			}
			if row[name] = fmt.Sprint(value); i == 0 {
				names = append(names, name)
			}
		}
		rows = append(rows, row)
	}
	return names, rows, nil
}
