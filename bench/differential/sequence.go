package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/specs/outside"
)

// An act is one step of a sequence: everything in it is drawn before it runs, so that both sides do the same, and so
// that a step can be taken out of a sequence without changing the others.
type act struct {
	kind      string
	topic     string
	partition int32
	producer  int
	version   int16
	n         int    // how many records, which of several values
	far       int64  // a share of what there is, in 1/1000, or a number to be near to
	choice    uint32 // whatever else is to be chosen
}

func (a act) String() string {
	return fmt.Sprintf("{%q, %q, %d, %d, %d, %d, %d, %d}", a.kind, a.topic, a.partition, a.producer, a.version, a.n, a.far, a.choice)
}

// kinds are the acts, each as often as its weight.
var kinds = []kind{
	{"create topic", 3, 2, 7, (*memory).create},
	{"delete topic", 2, 1, 6, (*memory).remove},
	{"create partitions", 2, 0, 3, (*memory).grow},
	{"alter", 3, 0, 1, (*memory).alter},
	{"alter all", 1, 0, 2, (*memory).alterAll},
	{"produce", 12, 3, 13, (*memory).produce},
	{"idempotent", 20, 3, 13, (*memory).idempotent},
	{"damaged", 6, 3, 13, (*memory).damaged},
	{"fetch", 16, 4, 18, (*memory).fetch},
	{"session", 6, 7, 18, (*memory).sessionFetch},
	{"list offsets", 12, 1, 11, (*memory).list},
	{"delete records", 6, 0, 2, (*memory).trim},
	{"epoch", 4, 2, 4, (*memory).epoch},
	{"producers", 4, 0, 0, (*memory).producersOf},
	{"configs", 3, 1, 4, (*memory).configs},
	{"topic partitions", 3, 0, 0, (*memory).topicPartitions},
	{"producer id", 2, 0, 5, (*memory).initProducer},
	{"metadata", 5, 0, 13, (*memory).metadata},
	{"log dirs", 2, 1, 4, (*memory).dirs},
	{"join", 5, 0, 9, (*memory).join},
	{"sync", 3, 0, 5, (*memory).sync},
	{"beat", 3, 0, 4, (*memory).beat},
	{"leave", 3, 0, 5, (*memory).leave},
	{"commit", 6, 2, 10, (*memory).commitOffset},
	{"committed", 5, 1, 10, (*memory).committedOffsets},
	{"forget offsets", 2, 0, 0, (*memory).forgetOffsets},
	{"describe group", 3, 0, 6, (*memory).describeGroup},
	{"list groups", 1, 0, 5, (*memory).listGroups},
	{"delete group", 1, 0, 2, (*memory).deleteGroup},
	{"consume", 12, 0, 1, (*memory).consume},
	{"depart", 2, 0, 1, (*memory).depart},
	{"describe consumers", 3, 0, 1, (*memory).describeConsumers},
	{"commit consumed", 3, 2, 10, (*memory).commitConsumed},
	{"fetch consumed", 3, 1, 10, (*memory).fetchConsumed},
	{"delete consumed", 1, 0, 2, (*memory).deleteConsumed},
	{"classic", 6, 0, 4, (*memory).classic},
}

type kind struct {
	kind     string
	weight   int
	from, to int16 // versions
	run      func(m *memory, a act)
}

// themes are what sequences are about: anything, or mostly the kinds that are named.
var themes = []string{
	"",
	"|produce|idempotent|damaged|fetch|session|list offsets|delete records|epoch|producers|producer id|",
	"|join|sync|beat|leave|commit|committed|forget offsets|describe group|list groups|delete group|",
	"|consume|depart|describe consumers|commit consumed|fetch consumed|delete consumed|list groups|",
	"|consume|depart|describe consumers|create topic|delete topic|create partitions|",
	"|consume|depart|describe consumers|classic|",
	"|session|produce|delete records|delete topic|create topic|create partitions|",
	"|create topic|delete topic|create partitions|alter|alter all|configs|topic partitions|metadata|log dirs|",
}

// dice of each theme have a side for each unit of weight.
var dice = func() (dice [][]kind) {
	for _, theme := range themes {
		var sides []kind
		for _, k := range kinds {
			weight := k.weight
			if strings.Contains(theme, "|"+k.kind+"|") {
				weight *= 8
			}
			sides = append(sides, slices.Repeat([]kind{k}, weight)...)
		}
		dice = append(dice, sides)
	}
	return dice
}()

// draw is a sequence from a seed: a topic to begin with, then anything, or a theme.
//
// rapid's generators draw it, by Example, and not rapid.Check: that would have a run's sequences one after another in
// one test, and shrink by what it calls bits, hundreds of runs for what a dozen tell (random.go: shrunk), each of which
// is a talk with two brokers.
func draw(seed uint64, steps int) []act {
	return rapid.Custom(func(t *rapid.T) []act {
		step := drawn[uniform(t, 3)]
		acts := []act{{kind: "create topic", topic: "p", version: 7, n: int(uniform(t, 3)), choice: uniform(t, 32)}}
		for range steps + int(uniform(t, 16)%11) {
			acts = append(acts, step.Draw(t, "step"))
		}
		return acts
	}).Example(int(seed))
}

// drawn are the steps of each theme.
var drawn = func() (steps []*rapid.Generator[act]) {
	for _, sides := range dice {
		steps = append(steps, rapid.Custom(func(t *rapid.T) act {
			k := sides[uniform(t, 16)%uint32(len(sides))]
			topic := uniform(t, 16) % 9
			return act{
				kind: k.kind, topic: "pppppqqqr"[topic : topic+1],
				partition: []int32{0, 0, 0, 0, 1, 1, 2, 3}[uniform(t, 3)],
				producer:  int(uniform(t, 16) % 3),
				version:   k.from + int16(uniform(t, 16)%uint32(k.to-k.from+1)),
				n:         int(uniform(t, 3)),
				far:       int64(uniform(t, 16) % 1201),
				choice:    uniform(t, 32),
			}
		}))
	}
	return steps
}()

// uniform is a number of so many bits: rapid's own numbers are small more often than not, and these are shares of
// something, or stand for several choices at once.
func uniform(t *rapid.T, bits int) (n uint32) {
	for range bits {
		if n <<= 1; bit.Draw(t, "bit") {
			n++
		}
	}
	return n
}

var bit = rapid.Bool()

// memory is what one side's client remembers, so that most requests make sense.
type memory struct {
	*side
	ends      map[string]int64
	trimmed   map[string]bool
	next      map[string]int32 // the sequence that a partition expects of a producer
	sent      map[string][][2]int32
	producers [3]struct {
		id    int64
		epoch int16
	}
	groups    map[string][]member // those who have joined
	round     int
	session   struct{ id, epoch int32 } // that of fetches
	consumers [3]*consumer
	classicOf classicMember
	spoke     struct{ classic, consumer bool } // which protocols were spoken in the consumers' group
	parted    bool                             // that group does not go on as in Kafka
	unsettled bool                             // topics were made or deleted that the whole broker may not know yet
}

// play runs a sequence on one side.
func play(s *side, acts []act) {
	m := &memory{side: s, ends: map[string]int64{}, trimmed: map[string]bool{}, next: map[string]int32{}, sent: map[string][][2]int32{},
		groups: map[string][]member{}}
	for i := range m.producers {
		m.producers[i].id = firstInvented + int64(i)
		m.consumers[i] = s.consumer("c", fmt.Sprint("m", i))
	}
	m.classicOf.group = s.called("c")
	for _, a := range acts {
		for _, k := range kinds {
			if k.kind == a.kind {
				k.run(m, a)
			}
		}
	}
}

func (a act) place() string { return fmt.Sprintf("%s-%d", a.topic, a.partition) }

// topicSettings are what topics are made with. Time does not run on with any of them.
var topicSettings = [][]string{nil, nil, nil, {"cleanup.policy", "compact"}, {"cleanup.policy", "compact,delete"},
	{"max.message.bytes", "400"}, {"message.timestamp.after.max.ms", "1000", "message.timestamp.before.max.ms", "3600000"}, {"segment.bytes", "1048576"}}

func (a act) newTopic(s *side) kmsg.CreateTopicsRequestTopic {
	return newTopic(s.called(a.topic), int32(a.choice%3+1), topicSettings[a.n]...)
}

func (m *memory) create(a act) {
	topic := a.newTopic(m.side)
	if id, made := m.made[topic.Topic]; made {
		delete(m.made, topic.Topic)
		m.learn(a.topic, id)
		return
	}
	answer := m.ask("", createTopics(topic), a.version)
	if answer == nil || answer.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode != 0 {
		return
	}
	m.opened(a.topic, int32(a.choice%3+1))
	m.unsettled = true
	made := m.must(metadata(m.called(a.topic)), 12).(*kmsg.MetadataResponse).Topics[0]
	m.learn(a.topic, made.TopicID)
	for p := range int32(4) {
		a.partition = p
		delete(m.ends, a.place())
		for i := range m.producers {
			delete(m.next, fmt.Sprint(i, a.place()))
			delete(m.sent, fmt.Sprint(i, a.place()))
		}
	}
}

func (m *memory) remove(a act) {
	r := deleteTopics(m.called(a.topic))
	if a.version >= 6 && a.n < 4 {
		r = deleteIDs(m.id(a.topic))
	}
	if answer := m.ask("", r, a.version); answer != nil && answer.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode == 0 {
		m.await(a.topic, func(partitions int) bool { return partitions == 0 })
		m.settle() // DescribeLogDirs names it until the broker has followed
	}
}

func (m *memory) grow(a act) {
	r := createPartitions(m.called(a.topic), int32(a.n%5))
	r.ValidateOnly = a.choice%8 == 0
	answer := m.ask("", r, a.version)
	if answer != nil && answer.(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode == 0 && !r.ValidateOnly {
		m.opened(a.topic, int32(a.n%5))
		m.unsettled = true
	}
}

// alterations change what is judged at once: the rest would need a clock.
var alterations = [][]any{
	{"max.message.bytes", set, "300"}, {"max.message.bytes", set, "1000000"}, {"max.message.bytes", reset, nil},
	{"cleanup.policy", add, "compact"}, {"cleanup.policy", subtract, "compact"}, {"cleanup.policy", set, "delete"},
	{"message.timestamp.after.max.ms", set, "100"}, {"message.timestamp.after.max.ms", reset, nil},
	{"message.timestamp.before.max.ms", set, "7200000"}, {"min.insync.replicas", set, "2"}, {"no.such.key", set, "1"},
	{"segment.bytes", set, "5"}, {"index.interval.bytes", set, "0", "flush.ms", set, "100"}, {"cleanup.policy", subtract, "delete"},
	{"max.message.bytes", set, "200", "retention.ms", set, "x"}, {"cleanup.policy", reset, nil},
}

func (m *memory) alter(a act) {
	r := incremental(kmsg.ConfigResourceTypeTopic, m.called(a.topic), alterations[a.choice%uint32(len(alterations))]...)
	r.ValidateOnly = a.n == 7
	if answer := m.ask("", r, a.version); answer != nil && answer.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode == 0 {
		m.settle()
	}
}

func (m *memory) alterAll(a act) {
	var pairs []any
	for _, each := range topicSettings[a.n] {
		pairs = append(pairs, each)
	}
	answer := m.ask("", alterConfigs(kmsg.ConfigResourceTypeTopic, m.called(a.topic), pairs...), a.version)
	if answer != nil && answer.(*kmsg.AlterConfigsResponse).Resources[0].ErrorCode == 0 {
		m.settle()
	}
}

// records is a batch whose times and keys depend on the choice.
func (a act) records() []byte {
	at := began + int64(a.choice>>8%50)*1000
	if a.choice>>16%16 == 0 {
		at = []int64{-1, 0, began + 7_200_000, began - 90_000_000}[a.choice>>20%4]
	}
	step := int64(a.choice>>24%5) * (int64(a.choice>>28%3) - 1)
	records := make([]kmsg.Record, a.n%5+1)
	end := at
	for i := range records {
		records[i] = outside.Record("k", strings.Repeat("v", int(a.choice>>12%40)))
		if a.choice>>4%13 == 0 {
			records[i].Key = nil
		}
		records[i].TimestampDelta64 = step * int64(i)
		end = max(end, at+step*int64(i))
	}
	b := batch(at, records...)
	binary.BigEndian.PutUint64(b[outside.AtMaxTimestamp:], uint64(end))
	return outside.Sign(b)
}

func (a act) acks() int16 { return []int16{-1, 1, -1, 1, -1, 1, -1, 5}[a.choice>>29] }

func (m *memory) send(a act, records []byte) bool {
	answer := m.ask(fmt.Sprint("acks ", a.acks()), m.side.produce(a.topic, a.partition, a.acks(), records), a.version)
	if answer == nil {
		return false
	}
	p := answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return false
	}
	m.ends[a.place()] = max(m.ends[a.place()], p.BaseOffset+int64(int32(binary.BigEndian.Uint32(records[outside.AtCount:]))))
	return true
}

func (m *memory) produce(a act) {
	m.send(a, compressed(uint16(a.choice%7%5), a.records()))
}

// idempotent sends what comes next, or a duplicate, a gap, another epoch.
func (m *memory) idempotent(a act) {
	key := fmt.Sprint(a.producer, a.place())
	p := &m.producers[a.producer]
	sequence, epoch, n := m.next[key], p.epoch, int32(a.n%5+1)
	sent := m.sent[key]
	switch a.far % 12 {
	case 0, 1:
		if len(sent) > 0 {
			old := sent[max(0, len(sent)-1-int(a.far/12%7))]
			sequence, n = old[0], old[1]
		}
	case 2:
		sequence += int32(a.far/12%4) + 1
	case 3:
		sequence -= int32(a.far/12%4) + 1
	case 4:
		epoch--
	case 5:
		epoch++
		sequence = int32(a.far / 12 % 2 * 3)
	case 6:
		if len(sent) == 0 {
			sequence = math.MaxInt32 - int32(a.far/12%3)
		}
	}
	a.n = int(n - 1)
	b := from(compressed(uint16(a.choice%9%5), a.records()), p.id, epoch, sequence)
	if !m.send(a, b) {
		return
	}
	if epoch > p.epoch {
		p.epoch = epoch
	}
	if sequence >= m.next[key] || a.far%12 == 5 {
		m.next[key] = int32((int64(sequence) + int64(n)) % (math.MaxInt32 + 1))
		m.sent[key] = append(sent, [2]int32{sequence, n})
	}
}

// damaged sends a batch with one thing wrong.
func (m *memory) damaged(a act) {
	b := a.records()
	switch a.far % 10 {
	case 0:
		b[outside.AtCRC]++
	case 1:
		b[outside.AtMagic] = byte(a.far / 10 % 5)
		sign(b)
	case 2:
		binary.BigEndian.PutUint32(b[outside.AtCount:], uint32(a.far/10%7))
		sign(b)
	case 3:
		binary.BigEndian.PutUint32(b[outside.AtLastOffsetDelta:], uint32(a.far/10%7))
		sign(b)
	case 4:
		binary.BigEndian.PutUint64(b[outside.AtBaseOffset:], uint64(a.far/10%3))
	case 5:
		b = append(b, b...)
	case 6:
		b = append(b, b[:min(len(b), int(a.far/10))]...)
	case 7:
		attributes(b, 1<<(4+a.far/10%12))
	case 8:
		b = b[:len(b)-1]
	case 9:
		b = from(b, firstInvented+int64(a.producer), int16(a.far/10%3)-1, int32(a.far/10%4)-2)
	}
	m.send(a, b)
}

// offset is somewhere in a partition, or a little outside.
func (m *memory) offset(a act) int64 { return (m.ends[a.place()]+2)*a.far/1200 - a.far/1150 }

func (m *memory) fetch(a act) {
	r := m.side.fetch(a.topic, a.partition, m.offset(a))
	if a.choice%4 == 0 {
		other := a
		other.partition = (a.partition + 1) % 2
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, m.side.fetch(a.topic, other.partition, m.offset(other)).Topics[0].Partitions...)
	}
	limits := []int32{1 << 20, 1 << 20, 1 << 20, 1, 100, 200, 1000, 0}
	r.MaxBytes, r.Topics[0].Partitions[0].PartitionMaxBytes = limits[a.choice>>4%8], limits[a.choice>>8%8]
	r.IsolationLevel = int8(a.choice >> 12 % 2)
	if a.choice>>16%8 == 0 && a.version >= 9 {
		r.Topics[0].Partitions[0].CurrentLeaderEpoch = int32(a.choice >> 20 % 3)
	}
	m.ask("", r, a.version)
}

// sessionFetch is a fetch in a session (KIP-227): the first opens it, later ones ask for what is new, for more, or for less.
func (m *memory) sessionFetch(a act) {
	r := m.side.fetch(a.topic, a.partition, m.offset(a))
	r.SessionID, r.SessionEpoch = m.session.id, m.session.epoch
	what := "more"
	switch a.choice % 16 {
	case 0:
		r.SessionEpoch, what = 0, "anew"
	case 1:
		r.SessionEpoch, what = -1, "closed"
	case 2:
		r.SessionEpoch, what = m.session.epoch+int32(a.choice>>4%3)-1, "in some epoch"
	case 3, 4:
		r.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: m.called(a.topic), TopicID: m.id(a.topic), Partitions: []int32{a.partition}}}
		r.Topics, what = nil, "less"
	case 5, 6, 7, 8:
		if m.session.id != 0 {
			r.Topics, what = nil, "the same"
		}
	}
	answer, ok := m.ask(what, r, a.version).(*kmsg.FetchResponse)
	switch {
	case !ok || answer.ErrorCode == 71 || what == "closed":
		m.session.id, m.session.epoch = 0, 0
	case r.SessionEpoch == 0:
		m.session.id, m.session.epoch = answer.SessionID, 1
	case answer.ErrorCode == 0:
		m.session.epoch = r.SessionEpoch + 1
	}
}

func (m *memory) list(a act) {
	at := int64(a.n) - 7
	if a.choice%3 == 0 {
		at = began + int64(a.far)*60
	}
	if m.trimmed[a.place()] && (at == -3 || at >= 0 && at < began) {
		at = -2 // what is deleted has the largest timestamp in Kafka all the same, and hides what comes in later segments
	}
	r := m.listOffsets(a.topic, a.partition, at)
	r.IsolationLevel = int8(a.choice >> 4 % 2)
	m.ask(fmt.Sprint("at ", min(at, 0)), r, a.version)
}

func (m *memory) trim(a act) {
	offset := m.offset(a)
	if a.n == 0 {
		offset = -1
	}
	m.trimmed[a.place()] = true
	m.ask("", m.deleteRecords(a.topic, a.partition, offset), a.version)
}

func (m *memory) epoch(a act) {
	m.ask("", m.epochs(a.topic, a.partition, int32(a.n%4)-1, int32(a.choice%4)-1), a.version)
}

func (m *memory) producersOf(a act) { m.ask("", m.describeProducers(a.topic, 0, 1), a.version) }

func (m *memory) configs(a act) {
	r := describeConfigs(kmsg.ConfigResourceTypeTopic, m.called(a.topic), "max.message.bytes", "cleanup.policy",
		"message.timestamp.after.max.ms", "min.insync.replicas", "segment.bytes", "index.interval.bytes")
	m.ask("", r, a.version)
}

func (m *memory) topicPartitions(a act) {
	r := describeTopicPartitions(int32(a.n)+1, m.called("q"), m.called("p"), m.called("r"))
	if a.choice%2 == 0 {
		r.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: m.called(a.topic), Partition: a.partition}
	}
	m.ask("", r, a.version)
}

func (m *memory) initProducer(a act) {
	r := kmsg.NewPtrInitProducerIDRequest()
	r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 60_000, -1, -1
	answer := m.ask("", r, a.version)
	if answer == nil {
		return
	}
	m.producers[a.producer].id, m.producers[a.producer].epoch = answer.(*kmsg.InitProducerIDResponse).ProducerID, 0
	for p := range int32(4) {
		for _, topic := range []string{"p", "q", "r"} {
			key := fmt.Sprint(a.producer, act{topic: topic, partition: p}.place())
			delete(m.next, key)
			delete(m.sent, key)
		}
	}
}

func (m *memory) metadata(a act) {
	switch {
	case a.version >= 12 && a.n < 3:
		m.ask("by id", metadataOf(m.id(a.topic)), a.version)
	case a.version >= 4:
		m.ask("", metadata(m.called(a.topic), m.called("other")), a.version)
	default:
		m.ask("all", &kmsg.MetadataRequest{}, max(a.version, 1))
	}
}

// dirs asks for sizes, unless something was deleted there: what a deleted range has of segments is unlinked at once here.
func (m *memory) dirs(a act) {
	if m.trimmed[act{topic: a.topic}.place()] || m.trimmed[act{topic: a.topic, partition: 1}.place()] {
		return
	}
	r := kmsg.NewPtrDescribeLogDirsRequest()
	r.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: m.called(a.topic), Partitions: []int32{0, 1}}}
	m.ask("", r, a.version)
}
