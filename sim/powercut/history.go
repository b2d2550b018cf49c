package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"sync"
)

// partition names one partition of one topic.
type partition struct {
	topic  string
	number int32
}

// histories is what the clients were told, a partition each: what was acknowledged and what could be read.
type histories struct {
	mu         sync.Mutex
	partitions map[partition]*history
	topics     map[string]topicState
}

type history struct {
	settled []uint64         // offset -> hash: what a reader saw after the last cut
	acked   map[int64]uint64 // since then
	read    map[int64]uint64
}

type topicState int

const (
	unknown topicState = iota // asked for, no answer
	created
	deleted
)

func newHistories() *histories {
	return &histories{partitions: map[partition]*history{}, topics: map[string]topicState{}}
}

func recordHash(key, value []byte) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d ", len(key), len(value))
	h.Write(key)
	h.Write(value)
	return h.Sum64()
}

func (h *histories) of(p partition) *history {
	if h.partitions[p] == nil {
		h.partitions[p] = &history{acked: map[int64]uint64{}, read: map[int64]uint64{}}
	}
	return h.partitions[p]
}

func (h *histories) acknowledged(p partition, offset int64, hash uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(p).acked[offset] = hash
}

func (h *histories) wasRead(p partition, offset int64, hash uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(p).read[offset] = hash
}

func (h *histories) topic(name string, s topicState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics[name] = s
}

func (h *histories) has(topic string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[topic] == created
}

// forget drops what was promised about a topic, whose fate is open from now on.
func (h *histories) forget(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics[topic] = unknown
	h.dropPartitions(topic)
}

func (h *histories) dropPartitions(topic string) {
	for p := range h.partitions {
		if p.topic == topic {
			delete(h.partitions, p)
		}
	}
}

func (h *histories) settledEnd(p partition) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(len(h.of(p).settled))
}

// end is the offset behind the last record that somebody was promised.
func (h *histories) end(p partition) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	it := h.of(p)
	end := int64(len(it.settled))
	for offset := range it.acked {
		end = max(end, offset+1)
	}
	for offset := range it.read {
		end = max(end, offset+1)
	}
	return end
}

// verdict counts promises, and those that were broken.
type verdict struct {
	acked, ackedLost      int
	read, takenBack       int
	topics, topicsLost    int
	deletions, cameBack   int
	commits, commitsBack  int
	firstLoss, firstTaken string
	firstBack             string
}

func (v verdict) broken() int {
	return v.ackedLost + v.takenBack + v.topicsLost + v.cameBack + v.commitsBack
}

func (v *verdict) add(other verdict) {
	v.acked += other.acked
	v.ackedLost += other.ackedLost
	v.read += other.read
	v.takenBack += other.takenBack
	v.topics += other.topics
	v.topicsLost += other.topicsLost
	v.deletions += other.deletions
	v.cameBack += other.cameBack
	v.commits += other.commits
	v.commitsBack += other.commitsBack
	v.firstLoss = cmp.Or(v.firstLoss, other.firstLoss)
	v.firstTaken = cmp.Or(v.firstTaken, other.firstTaken)
	v.firstBack = cmp.Or(v.firstBack, other.firstBack)
}

func (v verdict) String() string {
	s := fmt.Sprintf("acknowledged %d lost %d, read %d taken back %d, topics created %d lost %d, deleted %d came back %d, commits %d gone back %d",
		v.acked, v.ackedLost, v.read, v.takenBack, v.topics, v.topicsLost, v.deletions, v.cameBack, v.commits, v.commitsBack)
	for _, first := range []string{v.firstLoss, v.firstTaken, v.firstBack} {
		if first != "" {
			s += "\n      " + first
		}
	}
	return s
}

// settle judges a partition by what it holds now, which becomes what later cuts are judged by.
func (h *histories) settle(p partition, now []uint64) (v verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	it := h.of(p)
	holds := func(offset int64, hash uint64) bool { return offset < int64(len(now)) && now[offset] == hash }
	say := func(offset int64, what string) string {
		return fmt.Sprintf("%s-%d: offset %d was %s; the log ends at %d now", p.topic, p.number, offset, what, len(now))
	}
	for offset, hash := range it.acked {
		v.acked++
		if !holds(offset, hash) {
			v.ackedLost++
			v.firstLoss = say(offset, "acknowledged")
		}
	}
	for offset, hash := range it.read {
		v.read++
		if !holds(offset, hash) {
			v.takenBack++
			v.firstTaken = say(offset, "read")
		}
	}
	for offset, hash := range it.settled {
		if !holds(int64(offset), hash) {
			v.takenBack++
			v.firstTaken = say(int64(offset), "read after an earlier cut")
			break
		}
	}
	it.settled, it.acked, it.read = now, map[int64]uint64{}, map[int64]uint64{}
	return v
}

// countAllLost: with a topic go the promises about its records.
func (h *histories) countAllLost(topic string, v *verdict) {
	for p, it := range h.partitions {
		if p.topic == topic {
			v.acked += len(it.acked)
			v.ackedLost += len(it.acked)
			v.read += len(it.read)
			v.takenBack += len(it.read) + len(it.settled)
		}
	}
}

// partitionsGone: with a partition that its topic has no more go the promises about its records. What is there is judged by settle.
func (h *histories) partitionsGone(now map[string]int32) (v verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p, it := range h.partitions {
		if count, there := now[p.topic]; there && p.number >= count && len(it.acked)+len(it.read)+len(it.settled) > 0 {
			v.acked += len(it.acked)
			v.ackedLost += len(it.acked)
			v.read += len(it.read)
			v.takenBack += len(it.read) + len(it.settled)
			v.firstLoss = fmt.Sprintf("%s-%d is gone: the topic has %d partitions", p.topic, p.number, count)
			delete(h.partitions, p)
		}
	}
	return v
}

// settleTopics judges the topics by the names that Metadata gives now.
func (h *histories) settleTopics(now map[string]bool) (v verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, s := range h.topics {
		switch {
		case s == created && !now[name]:
			v.topics++
			v.topicsLost++
			v.firstLoss = "topic " + name + " was created, and is gone"
			h.countAllLost(name, &v)
		case s == created:
			v.topics++
		case s == deleted:
			v.deletions++
			if now[name] {
				v.cameBack++
				v.firstLoss = "topic " + name + " was deleted, and is there"
			}
		case now[name]:
			h.topics[name] = created
		}
		if !now[name] {
			delete(h.topics, name)
			h.dropPartitions(name)
		}
	}
	return v
}
