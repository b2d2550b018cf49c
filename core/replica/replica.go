// Package replica is one partition as its leader sees it: what is taken into the log, how far it is safe, and who
// waits for that.
//
//	Produce ─▶ producers judge ─▶ Log.Append ─▶ planned
//	                                              │ Wrote: end moves
//	                            acks=0,1 answered ◀┤
//	                                              │ Synced: durable moves
//	                          acks=all answered ◀─┴─ high watermark passes the batch
//
// Rules:
//   - the high watermark follows durable where the topic promises durability (flush.messages=1), end where it does not,
//     and never goes back. A topic that comes to promise it keeps its high watermark; acks=all waits for the disk.
//   - a leader serves one epoch, granted to this incarnation; until the high watermark has reached the epoch's start,
//     what it knows of the end may be stale (KIP-207), and nobody is let read or told an end.
//   - a Sync is wanted as soon as something written is not covered by one, at most one under way a file: group commit
//     without a timer.
//   - a duplicate is answered when its original is: not before the original is as safe as its acks ask for.
//   - when a write fails, every batch planned behind it fails with it, its producer forgets it, and the next one is
//     judged as if they had never been.
package replica

import (
	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/must"
	"rookery/core/ordered"
	"rookery/core/producer"
	"rookery/core/seam"
	"rookery/core/wire"
)

// Ticket says whose answer a batch's fate is.
type Ticket struct {
	Request uint32 // the produce that carries the batch
	Part    int32  // which of its partitions
}

// Done is a batch whose fate is decided, as its acks asked.
type Done struct {
	Ticket Ticket
	Code   wire.Code
}

// parked is a batch that somebody waits for.
type parked struct {
	ticket Ticket
	last   int64
	acks   int16 // nobody: the answer was given already
}

const nobody int16 = -2

// Replica is the leader's side of one partition.
type Replica struct {
	Log           *log.Log
	Producers     *producer.State
	FlushMessages int64     // flush.messages: 1 promises durability
	FlushAfter    seam.Mono // flush.ms

	Done  []Done   // decided since the owner last emptied it
	Freed []Ticket // batches whose bytes are not needed any more, likewise

	epoch      int32
	epochStart int64
	oldEnd     int64 // what lies below and is not durable has been there since oldAt
	oldAt      seam.Mono
	high       log.Mark
	planned    ordered.Ring[parked] // beside the log's plan, batch by batch
	written    ordered.Ring[parked] // acks=all: in the page cache, waiting for the high watermark
	repeats    []parked             // duplicates that wait with their originals
	frozen     bool                 // nothing is taken into the log
}

// New makes the leader's side of a log. It serves nothing before BecomeLeader.
func New(l *log.Log, producers *producer.State, flushMessages int64) *Replica {
	return &Replica{Log: l, Producers: producers, FlushMessages: flushMessages, FlushAfter: seam.Never, epoch: -1, high: l.Durable()}
}

// BecomeLeader begins an epoch at the log's end.
func (r *Replica) BecomeLeader(epoch int32) {
	must.Be(epoch > r.epoch, "R1: a leader's epoch only rises")
	must.Be(epoch > r.Log.Epochs.Latest(), "R2: no batch was ever written in the epoch that a leader begins")
	must.Be(!r.Log.Outstanding(), "R3: an epoch begins when nothing is planned")
	r.epoch, r.epochStart = epoch, r.Log.Next()
	r.Log.Epochs.Assign(epoch, r.epochStart)
	r.advance()
}

// Epoch is the leader epoch, -1 before the first.
func (r *Replica) Epoch() int32 { return r.epoch }

// High is the high watermark: what consumers may see ends here.
func (r *Replica) High() log.Mark { return r.high }

// Settled says whether the high watermark has reached the epoch's start: before that the end that a client is told
// could lie below one it has seen already (KIP-207).
func (r *Replica) Settled() bool { return r.high.Offset >= r.epochStart }

// Durable says whether the topic promises that what is acknowledged by acks=all outlives a power cut.
func (r *Replica) Durable() bool { return r.FlushMessages <= 1 }

// Parked is how many batches somebody waits for.
func (r *Replica) Parked() int { return r.planned.Len() + r.written.Len() + len(r.repeats) }

// Outcome is what became of a batch at once.
type Outcome struct {
	Code      wire.Code
	Base      int64
	Timestamp int64 // of a duplicate: the original's largest, else -1
	Waits     bool  // the Ticket comes back in Done
	Writes    bool  // the Ticket comes back in Freed: the bytes are in use until then
}

// Produce judges a client's batch by its producer's sequences and takes it into the log. The caller has made all the
// checks that come before those.
func (r *Replica) Produce(now seam.Now, ticket Ticket, acks int16, data []byte, facts *batch.Facts, fx *seam.Effects) Outcome {
	if r.Log.Broken() {
		return Outcome{Code: wire.KafkaStorageError, Base: -1, Timestamp: -1}
	}
	if r.frozen {
		return Outcome{Code: wire.NotLeaderOrFollower, Base: -1, Timestamp: -1}
	}
	if facts.HasProducer() {
		verdict := r.Producers.Judge(facts.ProducerID, facts.ProducerEpoch, facts.BaseSequence, facts.LastSequence)
		switch verdict.Kind {
		case producer.Append:
		case producer.Duplicate:
			return r.repeat(ticket, acks, verdict)
		case producer.OutOfOrderSequence, producer.InvalidProducerEpoch:
			return Outcome{Code: wire.Code(verdict.Kind.Code()), Base: -1, Timestamp: -1}
		}
	}
	base := r.append(now, ticket, acks, data, facts.MaxTimestamp, fx)
	if facts.HasProducer() {
		r.Producers.Plan(now.Mono, batch.View(data))
	}
	return Outcome{Base: base, Timestamp: -1, Waits: true, Writes: true}
}

// Append takes a batch of the broker's own into the log; it waits for the high watermark.
func (r *Replica) Append(now seam.Now, ticket Ticket, data []byte, fx *seam.Effects) (base int64) {
	return r.append(now, ticket, -1, data, batch.View(data).MaxTimestamp(), fx)
}

func (r *Replica) append(now seam.Now, ticket Ticket, acks int16, data []byte, maxTimestamp int64, fx *seam.Effects) int64 {
	base := r.Log.Append(now, data, r.epoch, maxTimestamp, fx)
	r.planned.Push(parked{ticket: ticket, last: r.Log.Next() - 1, acks: acks})
	if !r.Log.Settled() {
		r.closeSegments(always, fx)
	}
	return base
}

// repeat answers a duplicate at once if its original is safe, else with it.
func (r *Replica) repeat(ticket Ticket, acks int16, v producer.Verdict) Outcome {
	out := Outcome{Base: v.BaseOffset, Timestamp: v.Timestamp}
	if v.Planned || acks == -1 && r.safe() <= v.LastOffset {
		r.repeats = append(r.repeats, parked{ticket: ticket, last: v.LastOffset, acks: acks})
		out.Waits = true
	}
	return out
}

// Wrote takes a completion of this partition. It closes as many segments as take has room for: if there is more to be done
// it says so, and GoOn does it.
func (r *Replica) Wrote(in *seam.Wrote, take func() bool, fx *seam.Effects) (more bool) {
	r.Log.Wrote(in, fx)
	return r.GoOn(take, fx)
}

// GoOn hands on what became of the planned batches, as far as the end of a segment that cannot be closed in this Step: what
// is written beside it is the producers' state at exactly that offset.
func (r *Replica) GoOn(take func() bool, fx *seam.Effects) (more bool) {
	for more = !r.Log.Settled() && !r.closeSegments(take, fx); !more; {
		base, last, fate := r.Log.Pop(fx)
		if fate == log.UnderWay {
			break
		}
		waiter := r.planned.Pop()
		must.Be(waiter.last == last, "R4: who waits for a batch stands beside it in the plan")
		r.Freed = append(r.Freed, waiter.ticket)
		if fate == log.Written {
			r.taken(waiter)
			more = !r.Log.Settled() && !r.closeSegments(take, fx)
		} else {
			r.lost(waiter, base)
		}
	}
	r.advance()
	r.wakeRepeats()
	return more
}

// taken: the batch is in the page cache.
func (r *Replica) taken(waiter parked) {
	r.Producers.Commit(waiter.last)
	switch waiter.acks {
	case nobody:
		return
	case -1:
		r.written.Push(waiter)
		return
	}
	r.Done = append(r.Done, Done{Ticket: waiter.ticket})
}

// lost: the batch was never written.
func (r *Replica) lost(waiter parked, base int64) {
	r.Producers.DropFrom(base)
	if waiter.acks != nobody {
		r.Done = append(r.Done, Done{waiter.ticket, wire.KafkaStorageError})
	}
	kept := r.repeats[:0]
	for _, p := range r.repeats {
		if p.last >= base {
			r.Done = append(r.Done, Done{p.ticket, wire.KafkaStorageError})
		} else {
			kept = append(kept, p)
		}
	}
	r.repeats = kept
}

// closeSegments writes indexes and the producers' snapshot of each segment that is whole now, and says whether there was
// room for all of them. It is called when the log is not Settled: most batches end no segment.
func (r *Replica) closeSegments(take func() bool, fx *seam.Effects) (done bool) {
	r.Log.RewriteIndexes(fx)
	base, ok := r.Log.Closable()
	for ; ok && take(); base, ok = r.Log.Closable() {
		r.Log.CloseSegment(base, fx, r.Snapshot()...)
	}
	return !ok
}

// always has room: one batch, or one look of retention, ends one segment.
func always() bool { return true }

// Snapshot is the producers' state as files beside the segments.
func (r *Replica) Snapshot() []log.Beside {
	return []log.Beside{
		{Suffix: ".snapshot", Content: r.Producers.AppendSnapshot(nil)},
		{Suffix: ".window", Content: r.Producers.AppendWindows(nil, r.Log.End().Offset)},
	}
}

// Synced takes a Sync's completion of this partition, and says whether it is one that EmitSyncs has counted.
func (r *Replica) Synced(in *seam.Synced, fx *seam.Effects) (counted bool) {
	if r.Log.SnapshotSynced(in, fx) || r.Log.ReplaceSynced(in, fx) {
		return false
	}
	r.Log.Synced(in)
	r.advance()
	r.wakeRepeats()
	return true
}

// closedSyncDelay is how long a closed segment of a page-cache topic waits for its Sync: others may close meanwhile, and share the
// folder's. What is not known to be on the disk is read and written again by the next start, and what the kernel is left to
// write by itself it writes all at once (bench/README.md).
const closedSyncDelay = 100 * seam.Millisecond

// SyncWanted says whether a Sync should be emitted: something was written that flush.messages wants on the disk, or a
// segment was closed a moment ago and is not there yet.
func (r *Replica) SyncWanted(now seam.Mono) bool {
	return r.Log.SyncWanted() && (r.flushDue(now) || !r.Log.Anchored() || r.Log.ClosedUnsynced(now-closedSyncDelay))
}

// Age is called from time to time: what is unsynced now grows older until it is synced (flush.ms). Its age is known as
// exactly as Age is called often, which spares every write a look at the clock.
func (r *Replica) Age(now seam.Mono) {
	if r.Log.Durable().Offset >= r.oldEnd {
		r.oldEnd, r.oldAt = r.Log.End().Offset, now
	}
}

// flushDue: flush.messages records are in the page cache only, or one has been there for flush.ms.
func (r *Replica) flushDue(now seam.Mono) bool {
	durable := r.Log.Durable().Offset
	return r.Durable() || r.Log.End().Offset-durable >= r.FlushMessages || durable < r.oldEnd && now-r.oldAt >= r.FlushAfter
}

// EmitSyncs emits what SyncWanted speaks of, if anything, and says how many Syncs that is.
func (r *Replica) EmitSyncs(now seam.Mono, fx *seam.Effects) int {
	due := r.flushDue(now)
	if !due && r.Log.Anchored() && !(r.Log.SyncWanted() && r.Log.ClosedUnsynced(now-closedSyncDelay)) {
		return 0
	}
	return r.Log.EmitSyncs(!due, fx)
}

// advance moves the high watermark and answers whom it has passed. One replica is the whole ISR here, so its own mark
// is the least.
func (r *Replica) advance() {
	mark := r.Log.End()
	if r.Durable() {
		mark = r.Log.Durable()
	}
	if mark.Offset <= r.high.Offset || r.epoch < 0 || r.Log.Dead() != seam.OK {
		return
	}
	must.Be(mark.Offset <= r.Log.End().Offset, "R5: the high watermark is never ahead of end")
	r.high = mark
	for r.written.Len() > 0 && r.written.Front().last < r.high.Offset {
		r.Done = append(r.Done, Done{Ticket: r.written.Pop().ticket})
	}
	r.wakeRepeats()
}

// safe is the offset below which acks=all is kept. It is the high watermark, but in a log whose topic came to promise
// durability only lately: what was visible before that is not on the disk for being visible.
func (r *Replica) safe() int64 {
	if r.Durable() {
		return min(r.high.Offset, r.Log.Durable().Offset)
	}
	return r.high.Offset
}

// Configure takes another flush.messages and flush.ms. From page cache to durable nothing that was visible is hidden, and whatever
// is acknowledged to acks=all from now on is on the disk with all that lies before it; the other way round the high
// watermark jumps to the end.
func (r *Replica) Configure(flushMessages, flushMillis int64) {
	r.FlushMessages, r.FlushAfter = flushMessages, seam.Never
	if flushMillis < int64(seam.Never/seam.Millisecond) {
		r.FlushAfter = seam.Mono(flushMillis) * seam.Millisecond
	}
	r.advance()
	r.wakeRepeats()
}

func (r *Replica) wakeRepeats() {
	if len(r.repeats) > 0 {
		r.answerRepeats()
	}
}

func (r *Replica) answerRepeats() {
	kept := r.repeats[:0]
	for _, p := range r.repeats {
		safe := r.Log.End().Offset
		if p.acks == -1 {
			safe = r.safe()
		}
		if p.last < safe {
			r.Done = append(r.Done, Done{Ticket: p.ticket})
		} else {
			kept = append(kept, p)
		}
	}
	r.repeats = kept
}

// Abandon answers everybody who waits: the partition goes away or its disk is dead. Batches whose Write is under way
// keep their bytes until it has come back.
func (r *Replica) Abandon(code wire.Code) {
	for i := range r.planned.Len() {
		if p := r.planned.At(i); p.acks != nobody {
			r.Done = append(r.Done, Done{p.ticket, code})
			p.acks = nobody
		}
	}
	for r.written.Len() > 0 {
		r.Done = append(r.Done, Done{r.written.Pop().ticket, code})
	}
	for _, p := range r.repeats {
		r.Done = append(r.Done, Done{p.ticket, code})
	}
	r.repeats = r.repeats[:0]
}

// Freeze has the log take nothing, or take batches again: clients look for the leader meanwhile.
func (r *Replica) Freeze(frozen bool) { r.frozen = frozen }

// Frozen says whether the log takes nothing.
func (r *Replica) Frozen() bool { return r.frozen }

// Condemn ends the replica: its disk has failed, and nothing that comes back is believed. Everybody who waits is told.
func (r *Replica) Condemn(code wire.Code, fault seam.Fault) {
	r.Log.Condemn(fault)
	r.Abandon(code)
}

// Expire is where the log may begin by its retention (see Log.Expire).
func (r *Replica) Expire(now seam.Now, keep log.Retention, fx *seam.Effects) (start int64, pending bool) {
	start, pending = r.Log.Expire(now, keep, r.high.Offset, fx)
	if !r.Log.Settled() {
		r.closeSegments(always, fx)
	}
	return start, pending
}

// Unlink removes what lies below the log's start (see Log.Unlink), and takes room for what it has done only: it is called
// until nothing is left.
func (r *Replica) Unlink(take func() bool, lent func(seam.File) bool, fx *seam.Effects) {
	if base, missing, _ := r.Log.Unsnapped(r.Log.Start()); missing && r.writeSnapshot(base, fx) {
		take()
	}
	if r.Log.Trimmed() {
		r.Log.Unlink(take, lent, fx)
	}
}

// Remember says whether the snapshot is on the disk without which the broker, started again over a log that begins at start,
// would not know those whose batches lie below. If it is missing it is written.
func (r *Replica) Remember(start int64, fx *seam.Effects) bool {
	base, missing, underWay := r.Log.Unsnapped(start)
	if missing {
		r.writeSnapshot(base, fx)
	}
	return !missing && !underWay
}

// writeSnapshot writes the snapshot that is missing, as soon as what it leaves to the log is safe there, and says whether it
// did.
func (r *Replica) writeSnapshot(base int64, fx *seam.Effects) bool {
	kept := r.Log.End().Offset
	if r.Durable() {
		kept = r.Log.Durable().Offset
	}
	snapshot, windows, whole := r.Producers.AppendBelow(nil, nil, base, kept)
	if whole {
		r.Log.WriteSnapshot(base, fx, log.Beside{Suffix: ".snapshot", Content: snapshot}, log.Beside{Suffix: ".window", Content: windows})
	}
	return whole
}

// MoveStart makes the log begin at start, which is durable already.
func (r *Replica) MoveStart(start int64, fx *seam.Effects) {
	must.Be(start <= r.high.Offset, "R6: the log start never passes the high watermark")
	r.Log.MoveStart(start, fx)
}
