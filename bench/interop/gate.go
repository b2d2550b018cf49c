package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"
)

// gate holds each user's Produce requests at a share of its records, so that what happens to the broker happens in the
// middle of every user's work, however fast each one is.
type gate struct {
	mu     sync.Mutex
	totals map[string]int64 // user -> what it will send; not in it: never held
	passed map[string]int64
	share  int64 // per cent at which all are held; 0: nobody is
	opened chan struct{}
}

// hold closes the gate at a share of each user's records.
func (g *gate) hold(share int64, totals map[string]int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.totals == nil {
		g.totals, g.passed = totals, map[string]int64{}
	}
	g.share, g.opened = share, make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.share != 0 {
		g.share = 0
		close(g.opened)
	}
}

// leave forgets a user who sends no more: nobody waits for it.
func (g *gate) leave(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.totals, user)
}

// pass waits until the gate lets some records of a user through; false: the connection ended first.
func (g *gate) pass(user string, records int64, ended <-chan struct{}) bool {
	for {
		g.mu.Lock()
		opened := g.opened
		if g.share == 0 || g.totals[user] == 0 || !g.full(user) {
			if g.passed != nil {
				g.passed[user] += records
			}
			g.mu.Unlock()
			return true
		}
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ended:
			return false
		}
	}
}

func (g *gate) full(user string) bool { return g.passed[user] >= g.totals[user]*g.share/100 }

// await waits until every user has sent its share.
func (g *gate) await(patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var late []string
		g.mu.Lock()
		for user := range g.totals {
			if !g.full(user) {
				late = append(late, fmt.Sprintf("%s %d of %d records", user, g.passed[user], g.totals[user]))
			}
		}
		g.mu.Unlock()
		if len(late) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			sort.Strings(late)
			return fmt.Errorf("not every user is in the middle of its work after %v: %s", patience, strings.Join(late, ", "))
		}
	}
}
