package core

import (
	"rookery/core/batch"
	"rookery/core/controller"
	"rookery/core/group"
	"rookery/core/log"
	"rookery/core/ordered"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/timer"
	"rookery/core/wire"
)

// coordinator is a state machine over one partition of an internal topic: what it decides is appended there, and folded as it
// is appended; answers wait until the high watermark has passed all that was appended before them. So nobody is told what
// could still be lost, and a write that fails needs no roll-back: the fold is dropped, and the log is folded anew.
//
//	waiting ─▶ loading ─▶ ready ─▶ gone
//	   ▲          │         │
//	   ├──────────│─────────┘ a write has failed (and after a pause, if nothing was written since the last one)
//	   └─ pause ─ ├─▶ failed: the disk does not read
//	              └─▶ failed: a record that cannot be read
type coordinator struct {
	partition *partition
	state     coordinatorState
	groups    *group.Coordinator
	last      int64                 // offset of the newest record appended
	releases  ordered.Ring[release] // what waits for records, by rising offset
	releasing bool                  // in turns
	alarm     timer.Handle
	armed     seam.Mono // what alarm is set to
	pause     seam.Mono // before the log is read again
	lostAt    int64     // where the log ended when a write failed last; -1: none has
	load      loading
}

type coordinatorState uint8

const (
	coordinatorWaiting coordinatorState = iota // for its log to be whole and safe, or for its turn
	coordinatorLoading
	coordinatorReady
	coordinatorFailed
	coordinatorGone
)

// release is done when all up to last is committed, or, with another code, when it never will be.
type release struct {
	last int64
	done func(code wire.Code, fx *seam.Effects)
}

// loading is the fold of a partition's log, a piece read after the other.
type loading struct {
	queued  bool // in Broker.loads
	began   seam.Mono
	at, to  int64  // the next offset to be folded, and where the log ends
	from    int64  // at, when the piece came
	data    []byte // of the piece that is being folded
	view    batch.View
	records batch.Records
	inside  bool // a batch, whose records are being folded
	scratch batch.Scratch
	staged  staged
	count   int64
}

// loads are the coordinators that fold their logs.
type loads struct {
	waiting  ordered.Ring[*coordinator]
	underWay map[seam.Op]loadRead
	running  int
	random   map[string]*rng.Source // by the partition's name: of members' ids
}

// loadRead is a Read under way: of the search for a piece, or of the piece.
type loadRead struct {
	coordinator *coordinator
	groups      *group.Coordinator // of the load that has asked; there may be another by now
	cursor      log.Cursor
	next        log.Next
}

// loadBytes is how much of a log is read at a time.
const loadBytes = 1 << 20

// A log that the disk did not read is read again after a pause, which doubles from one time to the next.
const (
	loadPause    = seam.Second
	loadPauseMax = 64 * seam.Second
)

// coordinate begins to fold a partition if it is one of groups.
func (b *Broker) coordinate(p *partition) {
	if p.topic != nil && p.topic.name == controller.ConsumerOffsets {
		p.coordinator = &coordinator{partition: p, armed: seam.Never, lostAt: -1}
	}
}

// maybeLoad begins to fold a log that is whole: nothing of it is under way, nor could be lost.
func (b *Broker) maybeLoad(c *coordinator) {
	r := c.partition.replica
	if c.state != coordinatorWaiting || c.alarm != 0 || c.load.queued || b.phase >= phaseStopping || c.partition.state != partitionOpen ||
		r.Log.Opening() || r.Log.Broken() || r.Log.Outstanding() || r.High().Offset < r.Log.Next() {
		return
	}
	c.load.queued = true
	b.loads.waiting.Push(c)
	b.turns.put(b.startLoads)
}

// startLoads waits until the broker is ready, which begins it anew: a start is not to wait for what groups have committed,
// since members whose heartbeats are answered meanwhile stay members.
func (b *Broker) startLoads(now seam.Now, fx *seam.Effects) bool {
	for b.phase >= phaseReady && b.loads.running < b.config.RecoveriesMax && b.loads.waiting.Len() > 0 {
		if !b.turns.take() {
			return false
		}
		c := b.loads.waiting.Pop()
		if c.load.queued = false; c.state != coordinatorWaiting || b.phase >= phaseStopping {
			continue
		}
		b.loads.running++
		c.state = coordinatorLoading
		config := b.config.Groups
		config.RecordBytesMax = int(c.partition.topic.config.MaxMessageBytes)
		c.groups = group.New(config, b.memberIDs(c.partition.folder.Name), b.topicGone)
		c.groups.Image = b.image
		l := c.partition.replica.Log
		c.load = loading{began: now.Mono, at: l.Start(), to: l.Next()}
		c.last = c.load.to - 1
		b.loadMore(now, c, fx)
	}
	return true
}

// memberIDs is where a partition's members have their ids from. It goes on when the log is folded anew, is moved, or is that
// of a topic made again: an id is given out once in a life.
func (b *Broker) memberIDs(name string) *rng.Source {
	if b.loads.random == nil {
		b.loads.random = map[string]*rng.Source{}
	}
	if b.loads.random[name] == nil {
		b.loads.random[name] = b.random.Named(name)
	}
	return b.loads.random[name]
}

// loadMore looks for the next piece.
func (b *Broker) loadMore(now seam.Now, c *coordinator, fx *seam.Effects) {
	if c.load.at >= c.load.to {
		b.loaded(c)
		return
	}
	cursor, next, want := c.partition.replica.Log.Find(c.load.at)
	b.loadRead(now, c, cursor, next, want, fx)
}

func (b *Broker) loadRead(now seam.Now, c *coordinator, cursor log.Cursor, next log.Next, want log.Want, fx *seam.Effects) {
	p := c.partition
	switch next {
	case log.Found:
		span, _ := p.replica.Log.Plan(cursor, p.replica.High(), loadBytes, true)
		want = log.Want{File: span.File, At: span.At, Len: span.Len}
	case log.AtEnd:
		b.loaded(c)
		return
	case log.Unreadable:
		b.loadAgain(now, c, "its log cannot be read", fx)
		return
	case log.NeedIndex, log.NeedBytes:
	}
	if b.loads.underWay == nil {
		b.loads.underWay = map[seam.Op]loadRead{}
	}
	p.reads++
	p.folding++
	op := b.numbers.Op()
	b.loads.underWay[op] = loadRead{c, c.groups, cursor, next}
	fx.Reads = append(fx.Reads, seam.Read{Op: op, File: want.File, At: want.At, Len: want.Len})
}

// loadLoaded takes a piece that was read, and says whether it was one of a coordinator's. What a load has asked for that is
// over is not for the one that came after it: that began anew.
func (b *Broker) loadLoaded(now seam.Now, in *seam.Loaded, fx *seam.Effects) bool {
	read, ours := b.loads.underWay[in.Op]
	if !ours {
		return false
	}
	delete(b.loads.underWay, in.Op)
	c := read.coordinator
	p, groups := c.partition, read.groups
	p.reads--
	p.folding--
	b.touch(p)
	switch over := c.state != coordinatorLoading || c.groups != groups; {
	case over:
		p.replica.Log.Abandon(read.cursor, read.next)
		return true
	case read.next != log.Found:
		cursor, next, want := p.replica.Log.Loaded(read.cursor, read.next, in)
		b.loadRead(now, c, cursor, next, want, fx)
		return true
	case in.Fault != seam.OK:
		b.loadAgain(now, c, in.Fault.String(), fx)
		return true
	}
	c.load.data, c.load.from = append(c.load.data[:0], in.Data...), c.load.at
	rest := c.load.data
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		if c.state != coordinatorLoading || c.groups != groups || b.phase >= phaseStopping {
			return true
		}
		done := false
		rest, done = b.loadFold(now, c, rest, fx)
		return done
	})
	return true
}

// loadFold folds a piece, a record an item. What is left of it begins with a batch that is cut off, or none.
func (b *Broker) loadFold(now seam.Now, c *coordinator, rest []byte, fx *seam.Effects) ([]byte, bool) {
	for {
		for len(c.load.staged.ended) > 0 {
			if !b.turns.take() {
				return rest, false
			}
			b.turns.room -= recordItems - 1
			if record := c.load.staged.next(); record != nil {
				c.groups.Replay(now, record)
			}
		}
		if !c.load.inside {
			view, behind, whole := batch.Next(rest)
			if !whole {
				break
			}
			if view.IsControl() && !b.turns.take() {
				return rest, false
			}
			rest = behind
			if view.LastOffset() < c.load.at {
				continue
			}
			if !view.Sound() {
				b.loadFailed(c, view.BaseOffset(), "a batch whose checksum is wrong", fx)
				return nil, true
			}
			c.load.at = view.LastOffset() + 1
			if view.IsControl() {
				kind, _, ok := batch.Control(view)
				c.load.staged.end(view.ProducerID(), ok && kind == batch.CommitMarker)
				continue
			}
			c.load.inside, c.load.view, c.load.records = true, view, batch.Read(view, batch.Limits{}, &c.load.scratch)
		}
		switch done, failed := b.loadRecords(now, c, fx); {
		case failed:
			return nil, true
		case !done:
			return rest, false
		}
		c.load.inside = false
	}
	if at := c.load.from; c.load.at == at {
		b.loadFailed(c, at, "no batch where one should be", fx)
		return nil, true
	}
	b.loadMore(now, c, fx)
	return nil, true
}

// recordItems is what a record that is folded counts for: it costs several allocations.
const recordItems = 4

// loadRecords folds the records of a batch as far as there is room.
func (b *Broker) loadRecords(now seam.Now, c *coordinator, fx *seam.Effects) (done, failed bool) {
	var r batch.Record
	for {
		if !b.turns.take() {
			return false, false
		}
		if !c.load.records.Next(&r) {
			break
		}
		b.turns.room -= recordItems - 1
		offset := c.load.view.BaseOffset() + int64(r.OffsetDelta)
		record, err := group.Parse(r.Key, r.Value)
		if err != nil {
			b.loadFailed(c, offset, err.Error(), fx)
			return true, true
		}
		c.load.count++
		if c.load.view.IsTransactional() {
			c.load.staged.put(c.load.view.ProducerID(), offset, record)
			continue
		}
		c.load.staged.counts(offset, record)
		c.groups.Replay(now, record)
	}
	if fault := c.load.records.Fault(); fault != batch.Fine {
		b.loadFailed(c, c.load.view.BaseOffset(), fault.String(), fx)
		return true, true
	}
	return true, false
}

// loadEnded makes room for the next.
func (b *Broker) loadEnded(c *coordinator) {
	c.load = loading{count: c.load.count, began: c.load.began}
	b.loads.running--
	if b.loads.waiting.Len() > 0 {
		b.turns.put(b.startLoads)
	}
}

// loaded: all is folded. The groups go on as they were, and then they are served.
func (b *Broker) loaded(c *coordinator) {
	groups := c.groups
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		switch {
		case c.state != coordinatorLoading || c.groups != groups || b.phase >= phaseStopping:
			return true
		case !groups.Loaded(now, b.take):
			return false
		}
		b.serveGroups(now, c, fx)
		return true
	})
}

func (b *Broker) serveGroups(now seam.Now, c *coordinator, fx *seam.Effects) {
	b.loadEnded(c)
	c.state, c.pause = coordinatorReady, 0
	c.groups.TopicsGone()
	b.arm(c)
	fx.Events = append(fx.Events, seam.Event{Kind: seam.CoordinatorLoaded, Topic: c.partition.name(), Partition: c.partition.index, A: c.load.count, B: int64((now.Mono - c.load.began) / seam.Millisecond)})
}

// loadFailed: the groups of this partition are not served until somebody has looked at it; the others are.
func (b *Broker) loadFailed(c *coordinator, offset int64, why string, fx *seam.Effects) {
	b.loadEnded(c)
	c.state, c.groups = coordinatorFailed, nil
	fx.Events = append(fx.Events, seam.Event{Kind: seam.CoordinatorFailed, Topic: c.partition.name(), Partition: c.partition.index, A: offset, Text: why})
}

// loadAgain: the disk has not given what was asked of it, and may do so later.
func (b *Broker) loadAgain(now seam.Now, c *coordinator, why string, fx *seam.Effects) {
	b.loadFailed(c, c.load.at, why, fx)
	c.pause = min(max(2*c.pause, loadPause), loadPauseMax)
	c.armed = now.Mono + c.pause
	c.alarm = b.alarms.Set(c.armed, c)
}

// record appends what a coordinator has decided, as one batch; the caller folds it.
func (b *Broker) record(now seam.Now, c *coordinator, builder *batch.Builder, fx *seam.Effects) {
	p := c.partition
	p.replica.Append(now, nobodysTicket(), builder.Finish(), fx)
	c.last = p.replica.Log.Next() - 1
	b.touch(p)
}

// after does something when all that was appended until now is committed.
func (b *Broker) after(c *coordinator, done func(code wire.Code, fx *seam.Effects), fx *seam.Effects) {
	if c.releases.Len() == 0 && c.last < c.partition.replica.High().Offset {
		done(wire.None, fx)
		return
	}
	c.releases.Push(release{c.last, done})
}

// releaseCommitted: the high watermark has moved.
func (b *Broker) releaseCommitted(c *coordinator) {
	if c.releasing || c.releases.Len() == 0 || c.releases.Front().last >= c.partition.replica.High().Offset {
		return
	}
	c.releasing = true
	b.turns.put(func(_ seam.Now, fx *seam.Effects) bool {
		for c.releases.Len() > 0 && c.releases.Front().last < c.partition.replica.High().Offset {
			if !b.turns.take() {
				return false
			}
			c.releases.Pop().done(wire.None, fx)
		}
		c.releasing = false
		return true
	})
}

// coordinatorLost: a write to the partition has failed. Answers that wait for what was written before it still come. What is
// overdue is decided as soon as the log is folded anew, so that on a full disk it would be folded again and again.
func (b *Broker) coordinatorLost(now seam.Now, c *coordinator, fx *seam.Effects) {
	if c.state != coordinatorReady {
		return
	}
	end, before := c.partition.replica.Log.End().Offset, c.lostAt
	b.unload(c, end, fx)
	c.state, c.lostAt = coordinatorWaiting, end
	if end == before {
		c.armed = now.Mono + loadPause
		c.alarm = b.alarms.Set(c.armed, c)
	}
}

// coordinatorGone: the partition is deleted, or its directory has failed.
func (b *Broker) coordinatorGone(c *coordinator, fx *seam.Effects) {
	if c.state == coordinatorGone {
		return
	}
	if c.state == coordinatorLoading {
		b.loadEnded(c)
	}
	b.unload(c, 0, fx)
	c.state = coordinatorGone
}

// unload drops the fold. Whoever waits is told to look for the coordinator again, but those who wait for less than end.
func (b *Broker) unload(c *coordinator, end int64, fx *seam.Effects) {
	b.alarms.Cancel(c.alarm)
	c.alarm, c.armed = 0, seam.Never
	if c.groups != nil {
		c.groups.Abandon(wire.NotCoordinator)
		b.answerGroups(c, fx)
		c.groups = nil
	}
	for n := c.releases.Len(); n > 0; n-- {
		r := c.releases.Pop()
		if r.last < end {
			c.releases.Push(r)
			continue
		}
		r.done(wire.NotCoordinator, fx)
	}
}

// arm sets the alarm to when the coordinator wants to be called.
func (b *Broker) arm(c *coordinator) {
	next := c.groups.Next()
	if next == c.armed {
		return
	}
	b.alarms.Cancel(c.alarm)
	if c.alarm, c.armed = 0, next; next != seam.Never {
		c.alarm = b.alarms.Set(next, c)
	}
}

// ringCoordinators calls those whose time has come.
func (b *Broker) ringCoordinators(now seam.Now, half int, fx *seam.Effects) {
	for b.turns.room > half && b.alarms.Next() <= now.Mono {
		c, _ := b.alarms.Due(now.Mono)
		c.alarm, c.armed = 0, seam.Never
		if c.state == coordinatorFailed || c.state == coordinatorWaiting {
			c.state = coordinatorWaiting
			b.maybeLoad(c)
			continue
		}
		if b.phase >= phaseStopping || b.dead(c.partition) || c.partition.replica.Log.Broken() {
			continue // it stops, or its fold is about to be dropped
		}
		c.groups.Ring(now, b.take)
		b.groupsDecided(now, c, fx)
	}
}

// coordinators calls each for every coordinator of groups that is there, by partition.
func (b *Broker) coordinators(each func(c *coordinator)) {
	if t := b.topics[controller.ConsumerOffsets]; t != nil {
		for _, p := range t.partitions {
			if p.coordinator != nil {
				each(p.coordinator)
			}
		}
	}
}

// topicGone says whether the topic of a commit was deleted: its name is free, or another's. A commit with a retention of its own,
// and one of another broker's, may not know the id.
func (b *Broker) topicGone(name string, id [16]byte) bool {
	t := b.image.Topic(name)
	return t == nil || id != [16]byte{} && t.ID != id
}

// forgetOffsets: a topic is gone, and so is what was committed of it.
func (b *Broker) forgetOffsets() {
	b.coordinators(func(c *coordinator) {
		if c.state == coordinatorReady {
			c.groups.TopicsGone()
			b.arm(c)
		}
	})
}
