package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// entry is one name in a folder, and when a sync of that folder covered it.
type entry struct {
	path    string
	made    int // line on which the call that made it came back
	covered int // line on which the sync came back; 0: never
	up      *entry
}

// write is one append to a file, with the offsets of the batches in it.
type write struct {
	call  *call
	entry *entry
	data  []byte
	bases []int64
}

// evidence is the trace, understood: writes and syncs a file, entries a folder, answers a connection.
type evidence struct {
	root    string
	entries map[string]*entry
	folders map[string]bool
	writes  map[string][]*write // by path
	syncs   map[string][]*call  // by path, those that succeeded
	answers map[answerKey]*call
	streams map[int]*stream
	moved   []moved
	counts  map[string]int
}

// moved is one rename, with the entry that it made.
type moved struct {
	from  string
	call  *call
	entry *entry
}

type answerKey struct {
	clientPort  int
	correlation int32
}

// stream is what the broker has sent on one connection and is not yet a whole answer.
type stream struct {
	rest []byte
	from []*call // the call that carried each byte of rest
}

func understand(calls []*call, root string, brokerPort int) (*evidence, error) {
	e := &evidence{
		root: root, entries: map[string]*entry{}, folders: map[string]bool{}, writes: map[string][]*write{},
		syncs: map[string][]*call{}, answers: map[answerKey]*call{}, streams: map[int]*stream{}, counts: map[string]int{},
	}
	for _, c := range inOrderOfEnd(calls) {
		if c.result < 0 {
			continue
		}
		if err := e.take(c, brokerPort); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func inOrderOfEnd(calls []*call) []*call {
	last := 0
	byEnd := map[int]*call{}
	for _, c := range calls {
		if c.end > 0 {
			byEnd[c.end] = c
			last = max(last, c.end)
		}
	}
	var sorted []*call
	for line := 1; line <= last; line++ {
		if c := byEnd[line]; c != nil {
			sorted = append(sorted, c)
		}
	}
	return sorted
}

func (e *evidence) take(c *call, brokerPort int) error {
	switch c.name {
	case "openat":
		if strings.Contains(c.arguments, "O_CREAT") {
			e.made(c.paths()[0], c)
		}
	case "mkdir", "mkdirat":
		e.folders[c.paths()[0]] = true
		e.made(c.paths()[0], c)
	case "rename", "renameat", "renameat2":
		paths := c.paths()
		e.renamed(paths[0], paths[1], c)
	case "unlink", "unlinkat":
		delete(e.entries, c.paths()[0])
	case "fsync", "fdatasync":
		e.synced(c)
	case "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg":
		return e.wrote(c, brokerPort)
	}
	return nil
}

func (e *evidence) made(path string, c *call) {
	if !strings.HasPrefix(path, e.root+"/") || e.entries[path] != nil {
		return
	}
	e.counts["created"]++
	here := &entry{path: path, made: c.end, up: e.entries[filepath.Dir(path)]}
	e.entries[path] = here
	for _, below := range e.entries { // another thread may have come back from making a file in a folder before who made that did
		if below.up == nil && filepath.Dir(below.path) == path {
			below.up = here
		}
	}
}

// renamed makes a new entry; what lies below a folder keeps its own.
func (e *evidence) renamed(from, to string, c *call) {
	e.counts["renamed"]++
	delete(e.entries, to)
	below := map[string]*entry{}
	for path, old := range e.entries {
		if strings.HasPrefix(path, from+"/") {
			below[to+path[len(from):]] = old
			delete(e.entries, path)
		}
	}
	delete(e.entries, from)
	e.made(to, c)
	e.moved = append(e.moved, moved{from, c, e.entries[to]})
	for path, old := range below {
		e.entries[path] = &entry{path: path, made: old.made, covered: old.covered, up: e.entries[filepath.Dir(path)]}
	}
}

func (e *evidence) synced(c *call) {
	path := c.target()
	e.syncs[path] = append(e.syncs[path], c)
	for _, each := range e.entries {
		if filepath.Dir(each.path) == path && each.covered == 0 && each.made < c.begin {
			each.covered = c.end
		}
	}
}

func (e *evidence) wrote(c *call, brokerPort int) error {
	target := c.target()
	if strings.HasPrefix(target, "TCP") {
		return e.sent(c, target, brokerPort)
	}
	if !strings.HasPrefix(target, e.root+"/") || !strings.HasSuffix(target, ".log") {
		return nil
	}
	data, err := c.data()
	if err != nil {
		return err
	}
	e.counts["appended"]++
	e.writes[target] = append(e.writes[target], &write{call: c, entry: e.entries[target], data: data, bases: baseOffsets(data)})
	return nil
}

// baseOffsets walks the batches of one append.
func baseOffsets(b []byte) (bases []int64) {
	for len(b) >= 12 {
		bases = append(bases, int64(binary.BigEndian.Uint64(b)))
		length := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if length > len(b) {
			break
		}
		b = b[length:]
	}
	return bases
}

// sent cuts what goes to a client into answers. An answer has left when the call that carries its first byte begins.
func (e *evidence) sent(c *call, target string, brokerPort int) error {
	from, to := portsOf(target)
	if from != brokerPort {
		return nil
	}
	data, err := c.data()
	if err != nil {
		return err
	}
	s := e.streams[to]
	if s == nil {
		s = &stream{}
		e.streams[to] = s
	}
	s.rest = append(s.rest, data...)
	for range data {
		s.from = append(s.from, c)
	}
	for len(s.rest) >= 8 {
		length := 4 + int(binary.BigEndian.Uint32(s.rest))
		if length > len(s.rest) {
			break
		}
		e.answers[answerKey{to, int32(binary.BigEndian.Uint32(s.rest[4:]))}] = s.from[0]
		s.rest, s.from = s.rest[length:], s.from[length:]
	}
	return nil
}

// portsOf reads TCP:[127.0.0.1:9092->127.0.0.1:40312] and its form for IPv6.
func portsOf(target string) (from, to int) {
	left, right, _ := strings.Cut(strings.TrimSuffix(target, "]"), "->")
	fmt.Sscan(left[strings.LastIndexByte(left, ':')+1:], &from)
	fmt.Sscan(right[strings.LastIndexByte(right, ':')+1:], &to)
	return from, to
}

// produced is what a client was told about one produce with acks=all.
type produced struct {
	key        answerKey
	topic      string
	partition  int32
	baseOffset int64
}

var errNoSync = errors.New("no sync")

// checkProduce finds the append, a sync of its file asked for after the append had come back, and the answer that
// left after the sync had; and the same for each entry that leads to the file.
func (e *evidence) checkProduce(p produced) error {
	what := fmt.Sprintf("%s-%d offset %d, answer %d to port %d", p.topic, p.partition, p.baseOffset, p.key.correlation, p.key.clientPort)
	answer := e.answers[p.key]
	if answer == nil {
		return fmt.Errorf("%s: the answer is not in the trace", what)
	}
	folder := filepath.Join(e.root, fmt.Sprintf("%s-%d", p.topic, p.partition))
	w := e.find(folder, func(w *write) bool {
		for _, base := range w.bases {
			if base == p.baseOffset {
				return true
			}
		}
		return false
	})
	if w == nil {
		return fmt.Errorf("%s: no append of it below %s is in the trace", what, folder)
	}
	return e.durableBefore(what, w, answer)
}

// recorded is a promise that rests on a record of the metadata log, written since it was asked for.
type recorded struct {
	what  string
	mark  string  // bytes that only this record has
	since float64 // seconds since 1970
	key   answerKey
}

// checkRecord is what checkProduce is, for the metadata log.
func (e *evidence) checkRecord(r recorded) error {
	answer := e.answers[r.key]
	if answer == nil {
		return fmt.Errorf("%s: the answer is not in the trace", r.what)
	}
	w := e.find(filepath.Join(e.root, "__cluster_metadata-0"), func(w *write) bool {
		return w.call.seconds >= r.since && strings.Contains(string(w.data), r.mark)
	})
	if w == nil {
		return fmt.Errorf("%s: no record of the metadata log names it", r.what)
	}
	return e.durableBefore(r.what, w, answer)
}

// checkDeletion: besides the record, each partition's folder has its new name, and that name is on the disk.
func (e *evidence) checkDeletion(r recorded, topic string, partitions int) error {
	if err := e.checkRecord(r); err != nil {
		return err
	}
	answer := e.answers[r.key]
	for n := range partitions {
		folder := filepath.Join(e.root, fmt.Sprintf("%s-%d", topic, n))
		var found *moved
		for i := range e.moved {
			if e.moved[i].from == folder {
				found = &e.moved[i]
			}
		}
		if found == nil || found.call.end >= answer.begin {
			return fmt.Errorf("%s: answered on line %d, and %s was not renamed yet", r.what, answer.begin, folder)
		}
		if found.entry.covered == 0 || found.entry.covered >= answer.begin {
			e.counts["without a sync of a folder"]++
			return fmt.Errorf("%s: answered on line %d, and %w of the folder of %s (made by line %d) had come back",
				r.what, answer.begin, errNoSync, found.entry.path, found.entry.made)
		}
	}
	return nil
}

func (e *evidence) find(folder string, is func(*write) bool) *write {
	for path, writes := range e.writes {
		if filepath.Dir(path) != folder {
			continue
		}
		for _, w := range writes {
			if is(w) {
				return w
			}
		}
	}
	return nil
}

func (e *evidence) durableBefore(what string, w *write, answer *call) error {
	if e.syncBetween(w.call.target(), w.call.end, answer.begin) == nil {
		e.counts["without a sync of the file"]++
		return fmt.Errorf("%s: written by line %d, answered on line %d, and %w of %s was asked for after the one and came back before the other",
			what, w.call.end, answer.begin, errNoSync, w.call.target())
	}
	if w.entry == nil {
		return fmt.Errorf("%s: who made %s is not in the trace", what, w.call.target())
	}
	for name := w.entry; name != nil; name = name.up {
		if name.up == nil && filepath.Dir(name.path) != e.root {
			return fmt.Errorf("%s: who made the folder of %s is not in the trace", what, name.path)
		}
		if name.covered == 0 || name.covered >= answer.begin {
			e.counts["without a sync of a folder"]++
			return fmt.Errorf("%s: answered on line %d, and %w of the folder of %s (made by line %d) had come back",
				what, answer.begin, errNoSync, name.path, name.made)
		}
	}
	return nil
}

func (e *evidence) syncBetween(path string, after, before int) *call {
	for _, c := range e.syncs[path] {
		if c.begin > after && c.end < before {
			return c
		}
	}
	return nil
}
