package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// tally counts what a run has seen, and shows each new kind of difference once.
type tally struct {
	mutex                       sync.Mutex
	started                     time.Time
	verbose                     bool
	accepted                    *ledger
	cases, sequences, requests  int
	differences, agreed, broken int
	kinds                       map[string]int
	seen                        map[string]bool
	walks                       map[walk]walked
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

// table counts a table case.
func (t *tally) table(requests int, found []difference) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.cases++
	t.requests += requests
	t.add(found)
}

// sequence counts a sequence; what was shrunk is told with its steps.
func (t *tally) sequence(requests int, found []difference, text string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.sequences++
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
	Requests    int    `json:"requests"`
	Differences int    `json:"differences"`
	Accepted    int    `json:"accepted"`
	Reasons     int    `json:"reasons"`
	Walked      int    `json:"walked"`
	Served      int    `json:"served"`
	Seconds     int    `json:"seconds"`
}

func (t *tally) end(o *options) error {
	r := result{commit(), "4.2.0", t.cases, t.sequences, t.requests, t.differences, t.agreed, 0, 0, 0, int(time.Since(t.started).Seconds())}
	fmt.Printf("%d table cases, %d sequences, %d requests to each side in %d s: %d differences of %d kinds, %d accepted, %d cases could not be run\n",
		r.Cases, r.Sequences, r.Requests, r.Seconds, r.Differences, len(t.kinds), r.Accepted, t.broken)
	gone := 0
	if t.accepted != nil {
		r.Reasons = len(t.accepted.rows)
		for _, row := range t.accepted.rows {
			fmt.Printf("%6d accepted of: %s %s: %s | %s\n", row.times, row.where, row.field, row.kafka, row.ours)
		}
		if o.tables && o.only == "" && o.sequences > 0 {
			for _, row := range t.accepted.unused(o.sequences < 2000) {
				gone++
				fmt.Printf("accepted, but not seen any more: %s %s: %s | %s\n", row.where, row.field, row.kafka, row.ours)
			}
		}
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
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.result, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if t.differences+t.broken+gone+len(lacking) > 0 {
		return fmt.Errorf("%d differences, %d cases that could not be run, %d accepted differences that are gone, %d gaps in the walk through all APIs",
			t.differences, t.broken, gone, len(lacking))
	}
	return nil
}
