// Package producer is a broker's memory of the idempotent producers of one partition (KIP-98): which batches of each it
// has taken, so that a batch sent again is answered as the first time and a batch out of order is refused.
//
//	          Judge             Plan               Commit (Wrote)
//	client ─────────▶ verdict ────────▶ planned ─────────────────▶ window of five
//	                                       │
//	                                       └── DropFrom (the write failed): as if never sent
//
// What is planned, written but not yet acknowledged by the disk, counts for every judgement: a pipelining producer sends the
// next batch before the first is on its way to the disk, and the same one again over a new connection.
//
// Rules:
//   - A duplicate is a batch of the producer's present epoch whose first and last sequence both fit one of the last five.
//   - A producer that the partition does not know may begin at any sequence (KIP-360); a new epoch begins at 0.
//   - Sequences count to 2^31-1 and go on at 0.
//   - Offsets only rise: Plan above all that is planned, Commit in the order of the plans.
//   - Iteration is by producer id, so that two states with one history print, hash and encode alike.
package producer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/seam"
)

// WindowSize is how many batches of a producer are remembered (ProducerStateEntry.NUM_BATCHES_TO_RETAIN).
const WindowSize = 5

const none = -1 // of an epoch, a sequence, an offset, a timestamp

// Batch is what is remembered of one batch.
type Batch struct {
	LastSequence int32
	OffsetDelta  int32 // last offset - base offset, which is last sequence - base sequence too
	LastOffset   int64
	Timestamp    int64 // its largest
}

// BaseOffset is the offset of its first record.
func (b Batch) BaseOffset() int64 { return b.LastOffset - int64(b.OffsetDelta) }

// BaseSequence is the sequence of its first record.
func (b Batch) BaseSequence() int32 {
	if b.LastSequence < 0 {
		return none
	}
	return batch.AddSequence(b.LastSequence, -b.OffsetDelta)
}

// planned is a batch that is being written.
type planned struct {
	Batch
	epoch         int16
	transactional bool
}

// entry is one producer.
type entry struct {
	id               int64
	seen             seam.Mono // when it last wrote, or was loaded
	timestamp        int64     // of its newest batch or marker
	txnFirstOffset   int64     // where its open transaction begins; none
	coordinatorEpoch int32     // of its newest marker
	at               int32     // in State.entries
	epoch            int16     // none until something is committed
	count            uint8     // of window
	window           [WindowSize]Batch
	plans            []planned // oldest first
}

// State is the producers of one partition.
type State struct {
	byID    map[int64]*entry
	entries []*entry
	sorted  bool
	queue   []*entry // whose plan is next, by offset; a producer is in it once for each of its plans
	done    int      // of queue
	top     int64    // last offset planned; for the law that offsets rise
	end     int64    // first offset above all that was committed or loaded
}

// New is the state of an empty partition.
func New() *State {
	return &State{byID: make(map[int64]*entry), sorted: true, top: none}
}

// Kind is what becomes of a batch.
type Kind uint8

const (
	// Append: it is new and in order.
	Append Kind = iota
	// Duplicate: it is here already: 0 with the offset and the timestamp of the first time.
	Duplicate
	// OutOfOrderSequence: 45 OUT_OF_ORDER_SEQUENCE_NUMBER.
	OutOfOrderSequence
	// InvalidProducerEpoch: 47 INVALID_PRODUCER_EPOCH.
	InvalidProducerEpoch
)

// Code is the error that the kind is answered with.
func (k Kind) Code() int16 {
	switch k {
	case OutOfOrderSequence:
		return 45
	case InvalidProducerEpoch:
		return 47
	default:
		return 0
	}
}

func (k Kind) String() string {
	switch k {
	case Append:
		return "append"
	case Duplicate:
		return "duplicate"
	case OutOfOrderSequence:
		return "out of order sequence"
	default:
		return "invalid producer epoch"
	}
}

// Verdict is Judge's answer.
type Verdict struct {
	Kind Kind
	// Of a Duplicate, as it was the first time.
	BaseOffset, LastOffset, Timestamp int64
	// Planned: the original is not written yet, so the duplicate waits with it (and fails with it).
	Planned bool
}

// Judge says what becomes of a client's batch with a producer id and sequences of 0 and above. It changes nothing.
func (s *State) Judge(id int64, epoch int16, baseSequence, lastSequence int32) Verdict {
	e := s.byID[id]
	if e == nil {
		return Verdict{}
	}
	known, last := e.tail()
	if epoch == known {
		if verdict, found := e.duplicate(epoch, baseSequence, lastSequence); found {
			return verdict
		}
	}
	switch {
	case known == none: // also a producer that writes with epoch -1: Kafka 4.2 checks no order there
		return Verdict{}
	case epoch < known:
		return Verdict{Kind: InvalidProducerEpoch}
	case epoch > known && baseSequence == 0:
		return Verdict{}
	case epoch == known && follows(last, baseSequence):
		return Verdict{}
	}
	return Verdict{Kind: OutOfOrderSequence}
}

func follows(last, next int32) bool {
	return next == batch.AddSequence(last, 1)
}

// tail is the epoch and the last sequence that the next batch is judged against.
func (e *entry) tail() (epoch int16, lastSequence int32) {
	if n := len(e.plans); n > 0 {
		return e.plans[n-1].epoch, e.plans[n-1].LastSequence
	}
	if e.count == 0 {
		return e.epoch, none
	}
	return e.epoch, e.window[e.count-1].LastSequence
}

// duplicate looks among the last five of the epoch, newest first, those planned before those committed.
func (e *entry) duplicate(epoch int16, baseSequence, lastSequence int32) (Verdict, bool) {
	left := WindowSize
	for i := len(e.plans) - 1; i >= 0 && left > 0; i, left = i-1, left-1 {
		if e.plans[i].epoch != epoch {
			return Verdict{}, false
		}
		if e.plans[i].is(baseSequence, lastSequence) {
			return e.plans[i].again(true), true
		}
	}
	if e.epoch != epoch {
		return Verdict{}, false
	}
	for i := int(e.count) - 1; i >= 0 && left > 0; i, left = i-1, left-1 {
		if e.window[i].is(baseSequence, lastSequence) {
			return e.window[i].again(false), true
		}
	}
	return Verdict{}, false
}

func (b *Batch) is(baseSequence, lastSequence int32) bool {
	return b.LastSequence == lastSequence && b.BaseSequence() == baseSequence
}

func (b *Batch) again(planned bool) Verdict {
	return Verdict{Kind: Duplicate, BaseOffset: b.BaseOffset(), LastOffset: b.LastOffset, Timestamp: b.Timestamp, Planned: planned}
}

// Plan takes a batch that was judged Append and whose write is emitted now, with its offsets stamped.
func (s *State) Plan(now seam.Mono, v batch.View) {
	must.Be(v.HasProducer() && v.BaseSequence() >= 0, "P1: only a batch with a producer and a sequence is planned")
	must.Be(v.BaseOffset() > s.top && v.BaseOffset() >= s.end, "P2: batches are planned in the order of their offsets")
	e := s.touch(now, v.ProducerID())
	known, last := e.tail()
	must.Be(known == none || v.ProducerEpoch() > known && v.BaseSequence() == 0 || v.ProducerEpoch() == known && follows(last, v.BaseSequence()),
		"P5: a producer's batches are planned one behind the other, and from 0 on in a later epoch")
	e.plans = append(e.plans, planned{Batch: remember(v), epoch: v.ProducerEpoch(), transactional: v.IsTransactional()})
	s.push(e)
	s.top = v.LastOffset()
}

func remember(v batch.View) Batch {
	return Batch{LastSequence: v.LastSequence(), OffsetDelta: v.LastOffsetDelta(), LastOffset: v.LastOffset(), Timestamp: v.MaxTimestamp()}
}

// push queues e, over the room of those that are done once that is half of the queue.
func (s *State) push(e *entry) {
	if s.done > 0 && s.done*2 >= len(s.queue) {
		n := copy(s.queue, s.queue[s.done:])
		clear(s.queue[n:])
		s.queue, s.done = s.queue[:n], 0
	}
	s.queue = append(s.queue, e)
}

// Commit moves every plan up to lastOffset into the windows: their writes have come back.
func (s *State) Commit(lastOffset int64) {
	for s.done < len(s.queue) && s.queue[s.done].plans[0].LastOffset <= lastOffset {
		e := s.queue[s.done]
		s.done++
		p := e.plans[0]
		e.plans = e.plans[:copy(e.plans, e.plans[1:])]
		e.apply(p)
		s.end = p.LastOffset + 1
	}
}

// DropFrom forgets every plan at or above offset: their writes failed.
func (s *State) DropFrom(offset int64) {
	for n := len(s.queue); n > s.done; n = len(s.queue) {
		e := s.queue[n-1]
		last := len(e.plans) - 1
		if e.plans[last].BaseOffset() < offset {
			break
		}
		e.plans = e.plans[:last]
		s.queue[n-1] = nil
		s.queue = s.queue[:n-1]
		if last == 0 && e.blank() {
			s.remove(e)
		}
	}
	s.top = min(s.top, offset-1)
}

// blank: nothing of the producer was ever committed.
func (e *entry) blank() bool {
	return e.epoch == none && e.count == 0 && e.txnFirstOffset == none && e.timestamp == none
}

// apply is how a batch in the log changes its producer, whether it was written here or read back.
func (e *entry) apply(p planned) {
	if p.epoch != e.epoch {
		e.epoch, e.count = p.epoch, 0
	}
	if e.count == WindowSize {
		copy(e.window[:], e.window[1:])
		e.count--
	}
	e.window[e.count] = p.Batch
	e.count++
	e.timestamp = p.Timestamp
	if p.transactional && e.txnFirstOffset == none {
		e.txnFirstOffset = p.BaseOffset()
	}
}

// Replay takes a batch that is in the log: recovery reads it, or a follower has written it. Nothing is judged. Batches
// without a producer, batches below End, and markers that the cleaner has emptied, change nothing.
func (s *State) Replay(now seam.Mono, v batch.View) {
	must.Be(s.done == len(s.queue), "P3: nothing is replayed while plans are open")
	if !v.HasProducer() || v.LastOffset() < s.end {
		return
	}
	s.end, s.top = v.LastOffset()+1, v.LastOffset()
	if !v.IsControl() {
		s.touch(now, v.ProducerID()).apply(planned{Batch: remember(v), epoch: v.ProducerEpoch(), transactional: v.IsTransactional()})
	} else if v.Count() > 0 {
		s.touch(now, v.ProducerID()).applyMarker(v)
	}
}

// applyMarker ends a transaction. A marker with a new epoch (KIP-890) clears the window: sequences begin at 0 again.
func (e *entry) applyMarker(v batch.View) {
	if epoch := v.ProducerEpoch(); epoch != e.epoch {
		e.epoch, e.count = epoch, 0
	}
	e.txnFirstOffset, e.timestamp = none, v.MaxTimestamp()
	if _, value, ok := batch.Control(v); ok {
		if epoch, ok := batch.ParseEndMarker(value); ok {
			e.coordinatorEpoch = epoch
		}
	}
}

// touch finds or makes a producer.
func (s *State) touch(now seam.Mono, id int64) *entry {
	e := s.byID[id]
	if e == nil {
		e = &entry{id: id, epoch: none, timestamp: none, txnFirstOffset: none, coordinatorEpoch: none, at: int32(len(s.entries))}
		s.sorted = s.sorted && (e.at == 0 || s.entries[e.at-1].id < id)
		s.byID[id] = e
		s.entries = append(s.entries, e)
	}
	e.seen = now
	return e
}

func (s *State) remove(e *entry) {
	last := len(s.entries) - 1
	moved := s.entries[last]
	s.entries[e.at], moved.at = moved, e.at
	s.entries[last] = nil
	s.entries = s.entries[:last]
	s.sorted = s.sorted && moved == e
	delete(s.byID, e.id)
}

// Expire forgets the producers that have written nothing for ttl (producer.id.expiration.ms), but those with a plan or an
// open transaction, and says how many. The broker's own clock counts, from the last write or the loading: Kafka takes the
// record's timestamp, and so forgets at once whoever writes old times.
func (s *State) Expire(now, ttl seam.Mono) int {
	expired := 0
	for i := len(s.entries) - 1; i >= 0; i-- {
		if e := s.entries[i]; len(e.plans) == 0 && e.txnFirstOffset == none && now-e.seen >= ttl {
			s.remove(e)
			expired++
		}
	}
	return expired
}

// TruncateTo drops every plan at or above offset. True: batches at or above it were committed too, so the state has to be
// built anew: New, Load the newest snapshot at or below offset, and Replay the log from there.
func (s *State) TruncateTo(offset int64) (rebuild bool) {
	s.DropFrom(offset)
	return s.end > offset
}

// End is the first offset above every producer's batch that was committed or replayed. A snapshot is named by the log's
// end, which is at or above it.
func (s *State) End() int64 { return s.end }

// Len is how many producers are known, those with nothing but plans included.
func (s *State) Len() int { return len(s.entries) }

// Planned is how many batches are planned.
func (s *State) Planned() int { return len(s.queue) - s.done }

// committed calls visit for every producer that something was committed of, by rising id.
func (s *State) committed(visit func(e *entry)) {
	if !s.sorted {
		slices.SortStableFunc(s.entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
		for i, e := range s.entries {
			e.at = int32(i)
		}
		s.sorted = true
	}
	for _, e := range s.entries {
		if !e.blank() {
			visit(e)
		}
	}
}

// Digest hashes what was committed: the windows too, or the newest batch of each producer only, which is what a state
// rebuilt from a Kafka snapshot has in common with the one that wrote it.
func (s *State) Digest(windows bool) seam.Digest {
	var d seam.Digest
	s.committed(func(e *entry) {
		d.Int(uint64(e.id))
		d.Int(uint64(e.epoch))
		d.Int(uint64(e.timestamp))
		d.Int(uint64(e.txnFirstOffset))
		d.Int(uint64(e.coordinatorEpoch))
		batches := e.window[:e.count]
		if !windows {
			batches = batches[max(0, len(batches)-1):]
		}
		d.Int(uint64(len(batches)))
		for _, b := range batches {
			d.Int(uint64(b.LastSequence))
			d.Int(uint64(b.OffsetDelta))
			d.Int(uint64(b.LastOffset))
			if windows {
				d.Int(uint64(b.Timestamp))
			}
		}
	})
	return d
}

// Equal says whether two states remember the same. Plans and clocks do not count.
func (s *State) Equal(o *State) bool { return s.Digest(true) == o.Digest(true) }

// String prints what was committed, a producer a line, and what is planned behind a plus sign.
func (s *State) String() string {
	var out strings.Builder
	s.committed(func(e *entry) {
		fmt.Fprintf(&out, "pid=%d epoch=%d", e.id, e.epoch)
		for _, b := range e.window[:e.count] {
			fmt.Fprintf(&out, " %d..%d@%d", b.BaseSequence(), b.LastSequence, b.BaseOffset())
		}
		for _, p := range e.plans {
			fmt.Fprintf(&out, " +%d..%d@%d", p.BaseSequence(), p.LastSequence, p.BaseOffset())
		}
		out.WriteByte('\n')
	})
	return out.String()
}
