package main

import (
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
)

// A ledger is the table of the differences that are meant to be.
type ledger struct {
	mutex sync.Mutex
	rows  []accepted
}

// accepted is one row: patterns for the case and request, the field (with indexes or without), Kafka's value and ours, and
// why that is so. A pattern is path.Match's, but that a * goes over everything and nothing is special about / and [; several
// stand with " or " between them.
type accepted struct {
	where, field, kafka, ours, reason string
	times                             int
}

func (a accepted) String() string {
	return fmt.Sprintf("%s %s: %s | %s", a.where, a.field, a.kafka, a.ours)
}

func readLedger(name string) (*ledger, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	l := &ledger{}
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) != 5 {
			return nil, fmt.Errorf("%s:%d: %d columns, not 5", name, n+1, len(columns))
		}
		l.rows = append(l.rows, accepted{columns[0], columns[1], columns[2], columns[3], columns[4], 0})
	}
	return l, nil
}

// reason is why a difference is accepted, or "".
func (l *ledger) reason(d difference) string {
	if l == nil {
		return ""
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for i := range l.rows {
		row := &l.rows[i]
		if like(row.where, d.where) && (like(row.field, d.field) || like(row.field, d.path)) && like(row.kafka, d.a) && like(row.ours, d.b) {
			row.times++
			return row.reason
		}
	}
	return ""
}

// unused are the rows that no difference needed. Those of drawn sequences are rare, and count where all were not few.
func (l *ledger) unused(few bool) (rows []accepted) {
	for _, row := range l.rows {
		if row.times == 0 && !(few && strings.HasPrefix(row.where, "sequence ")) {
			rows = append(rows, row)
		}
	}
	return rows
}

var slashes = strings.NewReplacer("/", "\x00", "[", `\[`)

func like(patterns, text string) bool {
	for pattern := range strings.SplitSeq(patterns, " or ") {
		if ok, err := path.Match(slashes.Replace(pattern), strings.ReplaceAll(text, "/", "\x00")); ok && err == nil {
			return true
		}
	}
	return false
}
