// Package group is the group coordinator: who is a member of which group, what each of them has been given, and how far a
// group has come. One Coordinator keeps the groups of one partition of __consumer_offsets; several share nothing.
//
//	request ─▶ handle ─┬─▶ Records ─▶ the partition's log ─▶ Replay ─▶ what is replicated: offsets, the last generation
//	                   ├─▶ Answers, held back until the records, and all that were there before, are committed
//	                   └─▶ what is the coordinator's own: who waits, timers, members of a generation in the making
//	time ─▶ Ring ──────┘
//
// Rules:
//   - what is replicated is changed by Replay only, when a record is appended or loaded; a handler reads it and appends to
//     Records. The records of one call are one atomic batch.
//   - what is the coordinator's own is lost with it. After a write that failed the coordinator is dropped, its log is
//     folded into a new one, and members find their way back as they do after a restart.
//   - timeouts run on Mono. Wall is for the times in records and for the retention of offsets only.
//   - a Ticket comes back in Answers exactly once, or from Abandon.
//   - a group's generation begins when all members that are known have joined, or the rebalance timeout of the slowest is
//     over; who has not joined by then is out, unless it is static (KIP-345). The leader's assignment is one record.
//   - a group of the consumer protocol (KIP-848) has epochs instead of generations, and no barrier: consumer.go, reconcile.go.
//     A partition is given to a member when nobody has it, and nobody has yet to give it up. migrate.go: both protocols in one.
//   - what clients bring is bounded: members a group, bytes of commit metadata, bytes of all that joins have brought.
package group

import (
	"slices"
	"strings"

	"rookery/core/assign"
	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/timer"
	"rookery/core/wire"
)

// Config is what the broker's configuration says to the coordinators.
type Config struct {
	InitialRebalanceDelay seam.Mono // group.initial.rebalance.delay.ms
	SessionMinMillis      int32     // group.min.session.timeout.ms
	SessionMaxMillis      int32     // group.max.session.timeout.ms
	SizeMax               int32     // group.max.size
	MetadataBytesMax      int32     // offset.metadata.max.bytes
	RetentionMillis       int64     // offsets.retention.minutes
	CheckEvery            seam.Mono // offsets.retention.check.interval.ms
	MembersBytesMax       int64     // of what joins have brought and leaders have assigned, in one partition's groups
	RecordBytesMax        int       // of the partition's log: a batch may be no larger
	Consumer              ConsumerConfig
}

// ConsumerConfig is what the broker's configuration says of groups of the consumer protocol.
type ConsumerConfig struct {
	SessionMillis      int32    // group.consumer.session.timeout.ms
	HeartbeatMillis    int32    // group.consumer.heartbeat.interval.ms
	SizeMax            int32    // group.consumer.max.size
	Assignors          []string // group.consumer.assignors: the first is the default
	Migration          string   // group.consumer.migration.policy
	RegexRefreshMillis int32    // group.consumer.regex.refresh.interval.ms
	Off                bool     // group.coordinator.rebalance.protocols does without it
}

// Use makes these assignors, by name and separated by commas, those that members may ask for. Others than there are have
// been refused, or are classes of Java that nobody can run here: they are left out.
func (c *ConsumerConfig) Use(assignors string) {
	var known []string
	for _, name := range strings.Split(assignors, ",") {
		if name = strings.TrimSpace(name); assign.Named(name) != nil && !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	if len(known) > 0 {
		c.Assignors = known
	}
}

// DefaultConfig is Kafka's, where Kafka has the thing.
func DefaultConfig() Config {
	return Config{
		InitialRebalanceDelay: 3 * seam.Second, SessionMinMillis: 6000, SessionMaxMillis: 1_800_000, SizeMax: 1<<31 - 1,
		MetadataBytesMax: 4096, RetentionMillis: 7 * 24 * 3_600_000, CheckEvery: 600 * seam.Second,
		MembersBytesMax: 256 << 20, RecordBytesMax: 1 << 20,
		Consumer: ConsumerConfig{
			SessionMillis: 45_000, HeartbeatMillis: 5000, SizeMax: 1<<31 - 1, Assignors: []string{assign.Uniform, assign.Range},
			Migration: "bidirectional", RegexRefreshMillis: 600_000,
		},
	}
}

// joinMax is how long a new member's first join may be parked: if it is still there, it asks again.
const joinMax = 5 * 60 * seam.Second

// Ticket names a request that waits for its answer. The zero Ticket names none.
type Ticket uint64

// Answer is what a request is told.
type Answer struct {
	Ticket Ticket
	Body   wire.Answer
}

// Client is who sent a request.
type Client struct {
	ID   string
	Host string // as Kafka writes it: "/127.0.0.1"
}

// Coordinator keeps the groups of one partition of __consumer_offsets.
type Coordinator struct {
	Records []Record    // decided since the owner last emptied it
	Answers []Answer    // likewise: to be given when the records are committed
	Image   *meta.Image // the topics that there are: the owner's, who folds it on

	config Config
	random *rng.Source
	groups ordered.Map[string, *group]
	timers timer.Queue[alarm]
	bytes  int64 // of what joins have brought
	taken  int   // bytes of the tombstones that Records has, about
	sweep  sweep

	restored string // the group that goes on next as it was, while its log has just been folded

	hashes topicHashes
	scans  ordered.Map[string, *scan]           // for the topics that expressions match, by group
	gone   func(topic string, id [16]byte) bool // whether a topic of a commit is not there any more; a zero id is not known
}

// group is one group, and the offsets that were committed under its name. What is stored is what the log says; the rest
// is the coordinator's own.
type group struct {
	id     string
	stored *ClassicGroup // its last generation; nil: no record, or a tombstone
	topics ordered.Map[string, *committed]
	classic
	consumer *consumer // nil: a classic group, or one that has only committed offsets
	dying    bool      // a part of it is deleted
}

// alarm is what a timer is for.
type alarm struct {
	kind   alarmKind
	group  *group
	member *member
	id     string // of a pending member
}

type alarmKind uint8

const (
	alarmSession alarmKind = iota // of a member
	alarmPending                  // of a member that was given an id and has not come back with it
	alarmInitial                  // the initial rebalance delay is over
	alarmJoin                     // the rebalance timeout is over
	alarmSync                     // somebody has not asked for its assignment
	alarmSweep                    // expired offsets
	alarmFence                    // a member of the consumer protocol is late: with a heartbeat, or with what it is to do
)

// New makes the coordinator of an empty log. Gone says whether the topic of a commit was deleted.
func New(config Config, random *rng.Source, gone func(topic string, id [16]byte) bool) *Coordinator {
	return &Coordinator{config: config, random: random, gone: gone}
}

// Limit is how many bytes a batch of the partition's log may have from now on.
func (c *Coordinator) Limit(bytes int) { c.config.RecordBytesMax = bytes }

// find is a group, or nil.
func (c *Coordinator) find(id string) *group { return c.groups.At(id) }

func (c *Coordinator) make(id string, now seam.Now) *group {
	g := &group{id: id}
	g.since, g.stateAt = now.Mono, int64(now.Wall)
	c.groups.Put(id, g)
	c.bytes += int64(len(id))
	return g
}

// drop forgets a group.
func (c *Coordinator) drop(g *group) {
	for _, m := range g.members {
		c.forget(g, m)
	}
	for id, h := range g.pending.All() {
		c.timers.Cancel(h)
		c.bytes -= pendingCost(id)
	}
	c.timers.Cancel(g.joinAlarm)
	c.timers.Cancel(g.syncAlarm)
	c.groups.Delete(g.id)
	c.bytes -= int64(len(g.id))
}

// Replay folds one record that was just appended, or that is read from the log.
func (c *Coordinator) Replay(now seam.Now, r Record) {
	switch r := r.(type) {
	case *OffsetCommitRecord:
		c.replayOffset(now, r)
	case *ClassicGroupRecord:
		c.replayClassic(now, r)
	case *ConsumerGroupRecord:
		c.replayConsumer(now, r.Group, r)
	case *PartitionMetadataRecord:
		c.replayConsumer(now, r.Group, r)
	case *MemberRecord:
		c.replayConsumer(now, r.Group, r)
	case *TargetAssignmentRecord:
		c.replayConsumer(now, r.Group, r)
	case *MemberTargetRecord:
		c.replayConsumer(now, r.Group, r)
	case *CurrentAssignmentRecord:
		c.replayConsumer(now, r.Group, r)
	case *RegularExpressionRecord:
		c.replayConsumer(now, r.Group, r)
	}
}

func (c *Coordinator) replayClassic(now seam.Now, r *ClassicGroupRecord) {
	g := c.find(r.Group)
	switch {
	case r.Value == nil && g != nil:
		if g.stored = nil; g.topics.Len() == 0 && g.consumer == nil {
			c.drop(g)
		}
	case r.Value != nil:
		if g == nil {
			g = c.make(r.Group, now)
			g.generation = r.Value.Generation
		}
		g.stored = r.Value
	}
}

// Loaded: the log has been folded. Groups with members go on as they were: each of those has one session to be heard of.
// A group is an item, and so is each of its members. False: there is more.
func (c *Coordinator) Loaded(now seam.Now, take func() bool) (done bool) {
	for {
		id, more := c.groups.Ceiling(c.restored)
		if !more {
			break
		}
		if !take() {
			return false
		}
		c.restored = id + "\x00"
		g := c.find(id)
		if g.consumer != nil {
			c.restoreConsumer(now, g)
		} else {
			c.restore(now, g)
		}
		for range c.Members(id) {
			take()
		}
	}
	c.timers.Set(now.Mono+c.config.CheckEvery, alarm{kind: alarmSweep})
	return true
}

// Next is when Ring is to be called.
func (c *Coordinator) Next() seam.Mono {
	if c.sweep.on || c.scans.Len() > 0 {
		return 0
	}
	return c.timers.Next()
}

// Ring works off what is due, one item for each take.
func (c *Coordinator) Ring(now seam.Now, take func() bool) {
	for c.timers.Next() <= now.Mono && take() {
		a, _ := c.timers.Due(now.Mono)
		c.ring(now, a)
		if len(c.Records) > 0 {
			return // they are one batch
		}
	}
	for c.scans.Len() > 0 {
		if !c.scanOn(now, take) || len(c.Records) > 0 {
			return
		}
	}
	if c.sweep.on {
		c.sweepOn(now, take)
	}
}

func (c *Coordinator) ring(now seam.Now, a alarm) {
	switch a.kind {
	case alarmSession:
		c.sessionOver(now, a.group, a.member)
	case alarmPending:
		c.pendingOver(now, a.group, a.id)
	case alarmInitial:
		c.initialDelayOver(now, a.group)
	case alarmJoin:
		a.group.joinAlarm = 0
		c.completeJoin(now, a.group)
	case alarmSync:
		c.syncOver(now, a.group)
	case alarmFence:
		c.fenceLate(now, a)
	case alarmSweep:
		c.sweep = sweep{on: true}
		c.timers.Set(now.Mono+c.config.CheckEvery, a)
	}
}

// Abandon gives every ticket that waits back, with an error: the coordinator is of no use any more.
func (c *Coordinator) Abandon(code wire.Code) {
	for _, g := range c.groups.All() {
		for _, m := range g.members {
			c.answerJoin(g, m, failedJoin(m.id, code))
			c.answerSync(g, m, failedSync(code))
		}
	}
}

func (c *Coordinator) answer(ticket Ticket, body wire.Answer) {
	c.Answers = append(c.Answers, Answer{ticket, body})
}
