package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tally counts what a run has seen, and shows each new kind of difference once.
type tally struct {
	mutex                       sync.Mutex
	started                     time.Time
	verbose                     bool
	accepted                    *ledger
	cases, sequences, steps     int
	requests                    int
	differences, agreed, broken int
	kinds                       map[string]int
	seen                        map[string]bool
	walks                       map[walk]walked
	errors                      map[string]map[string]bool // the codes that an API answered on both sides
}

// walk takes over what a worker has walked through.
func (t *tally) walk(all map[walk]walked) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.walks == nil {
		t.walks = map[walk]walked{}
	}
	for at, w := range all {
		o := t.walks[at]
		t.walks[at] = walked{o.good || w.good, o.seen || w.seen, o.bad || w.bad}
	}
}

// table counts a table case, and the errors that both sides have answered in it.
func (t *tally) table(told, other []step, found []difference) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.cases++
	t.requests += len(told)
	for i := range min(len(told), len(other)) {
		name, _, _ := strings.Cut(told[i].request, " ")
		for code := range strings.FieldsSeq(errorCodes(told[i])) {
			if t.errors[name] == nil {
				t.errors[name] = map[string]bool{}
			}
			t.errors[name][code] = t.errors[name][code] || slices.Contains(strings.Fields(errorCodes(other[i])), code)
		}
	}
	t.add(found)
}

// sequence counts a sequence; what was shrunk is told with its steps.
func (t *tally) sequence(steps, requests int, found []difference, text string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.sequences++
	t.steps += steps
	t.requests += requests
	t.add(found)
	if text != "" {
		fmt.Println(text)
	}
}

// isNew says that no difference like this was seen yet, and takes it for seen.
func (t *tally) isNew(d difference) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	known := t.seen[d.signature()]
	t.seen[d.signature()] = true
	return !known
}

func (t *tally) add(found []difference) {
	if t.kinds == nil {
		t.kinds = map[string]int{}
	}
	for _, d := range found {
		if d.reason != "" {
			t.agreed++
			if t.verbose {
				fmt.Printf("accepted: %s\n    because %s\n", d, d.reason)
			}
			continue
		}
		t.differences++
		if t.kinds[d.signature()]++; t.kinds[d.signature()] == 1 || t.verbose {
			fmt.Println(d)
		}
	}
}

// broke counts a case that could not be run to its end.
func (t *tally) broke(name string, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.broken++
	fmt.Printf("%s\n    cannot be run: %v\n", name, err)
}

// result is what specs/board reads.
type result struct {
	Commit      string `json:"commit"`
	Kafka       string `json:"kafka"`
	Cases       int    `json:"cases"`
	Sequences   int    `json:"sequences"`
	Steps       int    `json:"steps"`
	Requests    int    `json:"requests"`
	Differences int    `json:"differences"`
	Accepted    int    `json:"accepted"`
	Reasons     int    `json:"reasons"`
	Walked      int    `json:"walked"`
	Served      int    `json:"served"`
	Errors      int    `json:"errors"` // pairs of an API and a code that both sides have answered
	Seconds     int    `json:"seconds"`
	Rows        []used `json:"rows"` // of accepted.tsv
}

// used is how many differences one row has taken in.
type used struct {
	Times int    `json:"times"`
	Row   string `json:"row"`
}

func (t *tally) end(o *options) error {
	r := result{Commit: commit(), Kafka: "4.2.0", Cases: t.cases, Sequences: t.sequences, Steps: t.steps, Requests: t.requests,
		Differences: t.differences, Accepted: t.agreed, Seconds: int(time.Since(t.started).Seconds())}
	fmt.Printf("%d table cases, %d sequences of %d steps in all, %d requests to each side in %d s: %d differences of %d kinds, %d accepted, %d cases could not be run\n",
		r.Cases, r.Sequences, r.Steps, r.Requests, r.Seconds, r.Differences, len(t.kinds), r.Accepted, t.broken)
	gone := 0
	if t.accepted != nil {
		r.Reasons = len(t.accepted.rows)
		for _, row := range t.accepted.rows {
			r.Rows = append(r.Rows, used{row.times, row.String()})
			fmt.Printf("%6d accepted: %s\n", row.times, row)
		}
		if o.tables && o.only == "" && o.sequences > 0 {
			for _, row := range t.accepted.unused(o.sequences < 2000) {
				gone++
				fmt.Printf("accepted, but not seen any more: %s\n", row)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.errors)) {
		var codes []int
		for code, alike := range t.errors[name] {
			if n, err := strconv.Atoi(code); err == nil && alike {
				codes = append(codes, n)
			}
		}
		slices.Sort(codes)
		r.Errors += len(codes)
		fmt.Printf("errors of both: %s %v\n", name, codes)
	}
	var lacking []string
	if o.tables && o.only == "" {
		lacking, r.Served = missing(t.walks)
		r.Walked = r.Served - incomplete(lacking)
		fmt.Printf("%d of %d versions of all APIs walked through: success, its effect, an error\n", r.Walked, r.Served)
		for _, each := range lacking {
			fmt.Println(each)
		}
	}
	if o.result != "" {
		if err := r.write(o.result); err != nil {
			return err
		}
	}
	if t.differences+t.broken+gone+len(lacking) > 0 {
		return fmt.Errorf("%d differences, %d cases that could not be run, %d accepted differences that are gone, %d gaps in the walk through all APIs",
			t.differences, t.broken, gone, len(lacking))
	}
	return nil
}

func (r *result) write(name string) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	return os.WriteFile(name, text.Bytes(), 0o644)
}
