// Package log is one partition's files: segments of record batches, their sparse indexes, and the three marks that say
// how far the log has come.
//
//	offset   start            durable         end           next
//	           │                 │             │              │
//	 ┌─────────┴───────┐ ┌───────┴─────────────┴──────────────┴ ─ ─
//	 │ segment (closed)│ │ segment (active)    │ writes under way
//	 └─────────────────┘ └─────────────────────┘
//	                     on the disk ┤ in the page cache ┤ planned
//
// Rules:
//   - next counts planned batches, end those whose Wrote came back, durable is a prefix: every byte below it, in every
//     segment, and every name that leads to those bytes, is covered by a Sync that came back.
//   - a Sync covers what had come back before it was emitted, nothing later.
//   - a failed Write takes every later planned batch with it; the file is cut to end and the log goes on from there. A
//     cut is synced before anything in a later segment counts as durable: what was cut off could come back.
//   - index files are derived: written when a segment is closed and whole, and synced, but no answer waits for that. The
//     recovery point does: a start believes the indexes below it, and makes the others again.
//   - a batch's bytes are never looked at beyond its header.
//
// The log emits effects and is told of completions; when to sync, and whom to answer, is decided by core/replica.
package log

import (
	"fmt"

	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/ordered"
	"rookery/core/seam"
)

// Config is what a topic's configuration says of its segments.
type Config struct {
	SegmentBytes       int64 // segment.bytes
	SegmentMillis      int64 // segment.ms
	IndexBytes         int32 // segment.index.bytes
	IndexIntervalBytes int32 // index.interval.bytes
}

// Mark is a place between two batches.
type Mark struct {
	Offset   int64
	Segment  int64 // base offset of the segment that Position counts in
	Position int64
}

// Numbers hands out the Ops of one owner and the Files of the whole machine.
type Numbers struct {
	Owner uint32     // upper half of every Op, so that a completion finds its way back
	Files *seam.File // the last id given
	Side  bool       // the upper half of the lower half: for what shares an owner with a Log
	last  uint32
}

// SideOp says whether an Op was given by Numbers with Side set.
func SideOp(op seam.Op) bool { return uint32(op)>>31 == 1 }

// Op is a fresh operation id.
func (n *Numbers) Op() seam.Op {
	const span = 1<<31 - 1
	n.last = n.last%span + 1
	low := n.last
	if n.Side {
		low |= 1 << 31
	}
	return seam.Op(uint64(n.Owner)<<32 | uint64(low))
}

// File is a fresh file id.
func (n *Numbers) File() seam.File {
	*n.Files++
	return *n.Files
}

// segment is one .log file and what is known of it.
type segment struct {
	base int64
	next int64 // offset after its last planned batch
	file seam.File
	size int64 // bytes planned
	done int64 // bytes in the page cache

	birth     uint64    // when its name was made, in the log's count of names; 0: not made yet
	opSync    seam.Op   // the Sync under way, 0: none
	syncGoal  syncPoint // what that Sync covers
	synced    syncPoint // what the last one covered
	cuts      int32     // Truncates that came back
	opening   bool      // of a Restored log: its Open has not come back
	closed    bool      // no batch follows
	closedAt  seam.Mono // when it rolled
	indexed   bool      // its index files were written, or their writing is under way
	onDisk    bool      // its .index can be read back, and nothing of it has to be in memory
	timeBytes int64     // of the .timeindex under way
	timed     bool      // its .timeindex is whole
	written   uint8     // how many of its two index files are as they were last written, in the page cache
	derived   uint8     // likewise on the disk
	named     uint64    // when they got their names, in the log's count of names
	round     uint8     // counts how often they were written
	rebuilt   bool      // its index had to be made again and waits for RewriteIndexes
	held      bool      // which has to wait until the recovery point on the disk is not above it
	lost      bool      // an index file of it could not be written: what it would hold stays in memory until Retry
	suspect   bool      // its .index was found wrong: index holds what walks have seen below seen
	seen      int64     // position up to which a suspect's index is made again
	spared    bool      // its .index was emptied for the room, since it is to go
	entries   int64     // bytes of its .index, while that is on the disk and not in memory
	ageless   bool      // its largest timestamp is not known
	reads     int32     // of searches, under way
	snapped   bool      // the producers' snapshot at its start is in its folder, and whole on the disk
	swapping  bool      // it has been compacted, and its files do not have its name yet
	created   seam.Wall // wall clock when it was made, for segment.ms
	firstTime int64     // timestamp of its first batch, -1 if none
	index     Index     // the whole sparse index while active; of a closed segment, only when it was asked for
	indexFile seam.File
	timeFile  seam.File

	indexThere, timeThere bool // the file's path is taken, whether or not its id leads there
}

// syncPoint is a place within one segment, and how many of its cuts lie before it.
type syncPoint struct {
	offset, position int64
	cuts             int32
}

// planned is a batch whose Write is under way.
type planned struct {
	base, last int64 // offsets
	op         seam.Op
	segment    int64
	at         int64
	size       int32
	state      Fate
	before     indexMark // of its segment
}

// Fate is what became of a planned batch.
type Fate uint8

const (
	UnderWay Fate = iota // nothing is decided yet
	Written              // it is in the page cache
	Failed               // it never was
)

// Log is one partition's log. Only its owner steps it; nothing in it is shared.
type Log struct {
	Topic     string
	Partition int32
	Folder    seam.Path
	Config    Config
	Epochs    Epochs

	numbers    Numbers
	segments   []segment
	trimmed    []segment  // below start: their files wait for Unlink
	kept       []keptFile // that should be gone
	beside     []beside   // the producers' files under way
	noSnapshot bool       // a snapshot that was missing could not be written
	start      int64
	next       int64
	end        Mark
	durable    Mark
	safe       int64 // of a Restored log: everything below was durable in an earlier life
	planned    ordered.Ring[planned]
	recent     recent  // the newest batches' places
	closed     bool    // Close was called
	reopened   bool    // the files of a Restored log have ids of this machine
	reopening  int     // how many of its segments have
	unopened   int     // .logs that are to be opened, and have not come back
	remade     int     // segments that wait for RewriteIndexes
	held       int     // and those that wait for Noted before that
	noted      int64   // no higher recovery point is on the disk, or may be
	unwritten  bool    // there may be some whose indexes wait for Retry
	opAge      seam.Op // the Read of Age under way
	ageBase    int64   // the segment that it is about
	opHeal     seam.Op // the Read of Heal under way
	healBase   int64   // of which segment
	healAt     int64   // and from where
	inDoubt    bool    // a segment may be suspect

	names     uint64  // how many names were made or unmade
	namesGoal uint64  // covered by the folder Sync under way
	namesSafe uint64  // covered by folder Syncs that came back
	unmade    uint64  // the last that was unmade
	opFolder  seam.Op // the folder Sync under way
	rootSafe  bool    // the folder's own name is durable
	opRoot    seam.Op

	indexSyncs []indexSync // index files that are written and not on the disk
	silent     bool        // its topic is deleted: nobody is told of what fails
	refused    int64       // writes and segments that failed since one succeeded
	broken     bool        // a write failed; nothing is planned until the files are cut
	failed     indexMark   // of the first batch whose write failed
	failing    bool        // failed is set
	repairs    int         // Truncates and Unlinks that the repair waits for
	dead       seam.Fault
	side       []sideOp // operations that no answer waits for
	replacing  replacing
	sparse     int64  // below, batches may be missing: so says the folder (see markSparse); 0: it does not
	generation uint64 // see Generation
}

// New makes the log of a partition that has no files yet. Its first segment starts at offset 0.
func New(topic string, partition int32, folder seam.Path, config Config, numbers Numbers) *Log {
	return &Log{Topic: topic, Partition: partition, Folder: folder, Config: config, numbers: numbers, reopened: true}
}

// Create makes the first segment of a new log, and with it the folder.
func (l *Log) Create(now seam.Now, fx *seam.Effects) {
	must.Be(len(l.segments) == 0, "L9: only a log without segments is created")
	l.roll(now, fx)
}

// Start is the first offset that may be read.
func (l *Log) Start() int64 { return l.start }

// Next is the offset that the next planned batch gets.
func (l *Log) Next() int64 { return l.next }

// End is the place behind the last batch in the page cache.
func (l *Log) End() Mark { return l.end }

// Durable is the place behind the last batch that a power cut cannot take back.
func (l *Log) Durable() Mark { return l.durable }

// Files are the open files of the log, for whoever lets go of them.
func (l *Log) Files() (files []seam.File) {
	for _, all := range [...][]segment{l.trimmed, l.replacing.old, l.segments} {
		for i := range all {
			s := &all[i]
			for _, f := range [...]seam.File{s.file, s.indexFile, s.timeFile} {
				if f != 0 {
					files = append(files, f)
				}
			}
		}
	}
	return files
}

// Point is the recovery point: everything below it is durable, and of every segment that ends below it the indexes too.
// A start walks the segment that holds the last offset below it, and those behind. It does not go back, unless an
// index below it was taken away, or found wrong, and is written anew: what was durable once is missed if it is not there.
func (l *Log) Point() int64 {
	point := max(l.durable.Offset, l.safe)
	for i := range l.segments {
		s := &l.segments[i]
		if s.closed && s.next > s.base && !l.indexesSafe(s) {
			return min(point, s.next)
		}
	}
	return point
}

// Checkpoint is the recovery point for the disk: Point, or less where the index files of a segment below it are to be written anew.
// What a power cut leaves of them is not known until they are synced, and a start believes what lies below the point.
//
//	found wrong ─▶ made again in memory ─▶ Checkpoint goes back, and is Offered ─▶ Noted ─▶ RewriteIndexes
func (l *Log) Checkpoint() int64 {
	point := l.Point()
	for i := 0; i < len(l.segments) && l.held+l.remade > 0; i++ {
		if s := &l.segments[i]; s.rebuilt {
			return min(point, s.next)
		}
	}
	return point
}

// Offered says that a recovery point may be on the disk from now on.
func (l *Log) Offered(point int64) { l.noted = max(l.noted, point) }

// Noted says that the recovery point on the disk is this one, and no other is on its way there. True: an index that waited for that
// may be written now.
func (l *Log) Noted(point int64) (released bool) {
	l.noted = point
	for i := 0; i < len(l.segments) && l.held > 0; i++ {
		if s := &l.segments[i]; s.held && s.next >= point {
			s.held, released = false, true
			l.held--
			l.remade++
		}
	}
	return released
}

// ClosedPoint is where the last closed segment ends that the Point has passed, 0: none.
func (l *Log) ClosedPoint() int64 {
	point := l.Point()
	for i := len(l.segments) - 1; i >= 0; i-- {
		if s := &l.segments[i]; s.closed && s.next <= point {
			return s.next
		}
	}
	return 0
}

// Broken says whether batches are refused: a write failed and the repair is under way.
func (l *Log) Broken() bool { return l.broken || l.dead != seam.OK }

// Dead is the fault of the disk that ended this log, or OK.
func (l *Log) Dead() seam.Fault { return l.dead }

// Condemn ends the log: its disk has failed. Nothing is asked of it any more, and durable stays where it is.
func (l *Log) Condemn(fault seam.Fault) {
	if l.dead == seam.OK {
		l.dead = fault
	}
}

// Outstanding says whether any batch is planned and not yet written.
func (l *Log) Outstanding() bool { return l.planned.Len() > 0 }

// Unsynced is how many bytes are in the page cache only.
func (l *Log) Unsynced() (n int64) {
	for i := l.segmentOf(l.durable.Offset); i < len(l.segments); i++ {
		n += l.segments[i].done - l.segments[i].synced.position
	}
	return n
}

// Append plans one batch: it gets the next offset and the leader's epoch, stamped in place, and its Write is emitted.
// The caller has judged it; data must stay untouched until Pop has handed the batch back.
func (l *Log) Append(now seam.Now, data []byte, epoch int32, maxTimestamp int64, fx *seam.Effects) (base int64) {
	must.Be(!l.Broken(), "L1: nothing is planned on a log whose last write failed")
	must.Be(l.reopened && !l.closed, "L14: a log is appended to when its files are open and until it is closed")
	view := batch.View(data)
	base = l.next
	last := base + int64(view.LastOffsetDelta())
	l.maybeRoll(now, int64(len(data)), last, maxTimestamp, fx)
	batch.Stamp(data, base, epoch)
	l.Epochs.Assign(epoch, base)

	s := l.active()
	op := l.numbers.Op()
	fx.Writes = append(fx.Writes, seam.Write{Op: op, File: s.file, At: s.size, Data: data})
	p := l.planned.Add()
	p.base, p.last, p.op, p.segment, p.at, p.size = base, last, op, s.base, s.size, int32(len(data))
	s.index.mark(&p.before)
	s.index.Add(s.base, last, s.size, int64(len(data)), maxTimestamp, l.Config.IndexIntervalBytes)
	if s.size == 0 {
		s.firstTime = maxTimestamp
	}
	l.recent.add(place{base: base, last: last, segment: s.base, at: s.size, size: int32(len(data))})
	s.size += int64(len(data))
	s.next = last + 1
	l.next = last + 1
	return base
}

func (l *Log) active() *segment { return &l.segments[len(l.segments)-1] }

// maybeRoll starts a new segment when there is none or the active one cannot or should not take the batch
// (Kafka's LogSegment.shouldRoll).
func (l *Log) maybeRoll(now seam.Now, size, last, maxTimestamp int64, fx *seam.Effects) bool {
	if n := len(l.segments); n > 0 && !l.segments[n-1].closed && !l.shouldRoll(&l.segments[n-1], now, size, last, maxTimestamp) {
		return false
	}
	l.roll(now, fx)
	return true
}

func (l *Log) shouldRoll(s *segment, now seam.Now, size, last, maxTimestamp int64) bool {
	const int32Max = 1<<31 - 1
	if s.size == 0 {
		return false
	}
	return s.size+size > l.Config.SegmentBytes ||
		last-s.base > int32Max ||
		int32(len(s.index.Offsets)) >= l.Config.IndexBytes/8 ||
		int32(len(s.index.Times)) >= l.Config.IndexBytes/12-1 ||
		s.age(now, maxTimestamp) > l.Config.SegmentMillis
}

// age is counted from the first batch's timestamp to the new one's, by the wall clock when there is none.
func (s *segment) age(now seam.Now, maxTimestamp int64) int64 {
	if s.firstTime >= 0 {
		return maxTimestamp - s.firstTime
	}
	return int64(now.Wall - s.created)
}

func (l *Log) roll(now seam.Now, fx *seam.Effects) {
	if n := len(l.segments); n > 0 {
		old := &l.segments[n-1]
		old.closed, old.closedAt = true, now.Mono
		fx.Events = append(fx.Events, seam.Event{Kind: seam.SegmentRolled, Topic: l.Topic, Partition: l.Partition, A: l.next})
	}
	file := l.numbers.File()
	l.segments = append(l.segments, segment{base: l.next, next: l.next, file: file, created: now.Wall, firstTime: -1, synced: syncPoint{offset: l.next}})
	l.side = append(l.side, sideOp{op: l.numbers.Op(), kind: sideCreate, file: file})
	fx.Files = append(fx.Files, seam.FileOp{Op: l.side[len(l.side)-1].op, Deed: seam.Create, File: file, Path: l.path(l.next, ".log")})
}

func (l *Log) path(base int64, suffix string) seam.Path { return SegmentPath(l.Folder, base, suffix) }

// SegmentPath is the path of a segment's file: the base offset in twenty digits and the suffix.
func SegmentPath(folder seam.Path, base int64, suffix string) seam.Path {
	return seam.Path{Dir: folder.Dir, Name: fmt.Sprintf("%s/%020d%s", folder.Name, base, suffix)}
}

// Wrote takes a completion of this log. Pop hands out what it freed.
func (l *Log) Wrote(in *seam.Wrote, fx *seam.Effects) {
	for i := range l.planned.Len() {
		if p := l.planned.At(i); p.op == in.Op {
			p.state = Written
			if in.Fault == seam.OK && in.Bytes == int64(p.size) && l.refused > 0 {
				fx.Events = append(fx.Events, seam.Event{Kind: seam.WritesResumed, Topic: l.Topic, Partition: l.Partition, A: l.refused})
				l.refused = 0
			}
			if in.Fault != seam.OK || in.Bytes != int64(p.size) {
				p.state = Failed
				l.onWriteFailed(in.Fault, fx)
			}
			return
		}
	}
	if !l.besideWrote(in, fx) {
		l.sideWrote(in, fx)
	}
}

// Silence ends what is said of writes that fail.
func (l *Log) Silence() { l.silent = true }

// onWriteFailed stops the log until its files are cut.
func (l *Log) onWriteFailed(fault seam.Fault, fx *seam.Effects) {
	if fault == seam.OK {
		fault = seam.NoSpace // cut short
	}
	l.refuse(fault.String(), fx)
	l.broken = true
}

// refuse says that writes are refused, once until they are not: clients try again and again.
func (l *Log) refuse(why string, fx *seam.Effects) {
	if l.refused++; l.refused == 1 && l.dead == seam.OK && !l.silent {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.WriteRefused, Topic: l.Topic, Partition: l.Partition, Text: why})
	}
}

// Pop hands out, in order, the next batch whose Write is decided: written (end moves behind it) or failed (it never
// was). It may be called until ok is false; after a failure the rest of the plan comes back failed, and then the
// repair starts.
func (l *Log) Pop(fx *seam.Effects) (base, last int64, fate Fate) {
	if l.planned.Len() == 0 {
		return 0, 0, UnderWay
	}
	front := l.planned.Front()
	base, last = front.base, front.last
	switch front.state {
	case Written:
		s := l.segmentAt(front.segment)
		s.done = front.at + int64(front.size)
		l.end = Mark{Offset: last + 1, Segment: s.base, Position: s.done}
		l.planned.Drop()
		return base, last, Written
	case Failed:
		if !l.allBack() {
			break
		}
		l.popFailed(fx)
		return base, last, Failed
	}
	return 0, 0, UnderWay
}

// popFailed: all that was planned behind the first failure has failed with it.
func (l *Log) popFailed(fx *seam.Effects) {
	if !l.failing {
		l.failing, l.failed = true, l.planned.Front().before
		for i := range l.planned.Len() {
			l.planned.At(i).state = Failed
		}
	}
	l.planned.Drop()
	if l.planned.Len() == 0 {
		l.repair(fx)
	}
}

func (l *Log) allBack() bool {
	for i := range l.planned.Len() {
		if l.planned.At(i).state == UnderWay {
			return false
		}
	}
	return true
}

func (l *Log) segmentAt(base int64) *segment {
	s := l.based(base)
	must.Be(s != nil, "L2: a planned batch lies in a segment of its log")
	return s
}

// repair cuts the log back to end after a failed write: segments behind end go, the file that holds end is truncated.
// The log takes batches again when all of that has come back.
func (l *Log) repair(fx *seam.Effects) {
	must.Be(l.planned.Len() == 0, "L8: a repair starts when no write is under way")
	if l.dead != seam.OK {
		return
	}
	l.next = l.end.Offset
	l.Epochs.TruncateFromEnd(l.next + 1) // the leader's own epoch may begin here
	l.recent.truncate(l.next)
	for n := len(l.segments); n > 0 && l.segments[n-1].behind(l.next); n-- {
		l.drop(&l.segments[n-1], fx)
		l.segments = l.segments[:n-1]
	}
	if len(l.segments) > 0 && l.active().size > l.active().done {
		l.cut(l.active(), fx)
	}
	l.failing = false
	l.broken = l.repairs > 0
}

// behind says whether a segment goes when the log is cut back to next: it lies behind, or its file was never made.
func (s *segment) behind(next int64) bool {
	return s.done == 0 && (s.base > next || s.base == next && s.birth == 0)
}

func (l *Log) cut(s *segment, fx *seam.Effects) {
	gone := s.size - s.done
	s.size, s.next, s.closed = s.done, l.next, false
	s.index.rewind(l.failed)
	l.repairs++
	op := l.numbers.Op()
	l.side = append(l.side, sideOp{op: op, kind: sideCut, file: s.file, base: s.base})
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Truncate, File: s.file, Size: s.size})
	fx.Events = append(fx.Events, seam.Event{Kind: seam.Truncated, Topic: l.Topic, Partition: l.Partition, A: l.next, B: gone, Text: "a write failed"})
}

// drop forgets a segment that holds nothing. If its Create is still under way the Unlink waits for that.
func (l *Log) drop(s *segment, fx *seam.Effects) {
	for i := range l.side {
		if l.side[i].file == s.file && l.side[i].kind == sideCreate {
			l.side[i].kind = sideDoomed
			l.repairs++
			return
		}
	}
	if s.birth != 0 {
		l.repairs++
		l.unlink(s.file, fx)
	}
}

func (l *Log) unlink(file seam.File, fx *seam.Effects) {
	op := l.numbers.Op()
	l.side = append(l.side, sideOp{op: op, kind: sideUnlink, file: file})
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Unlink, File: file})
}

// repaired counts one step of a repair.
func (l *Log) repaired(fault seam.Fault) {
	if fault != seam.OK {
		l.dead = fault
		return
	}
	l.repairs--
	l.broken = l.repairs > 0
}
