package log

import (
	"slices"

	"encoding/binary"

	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/seam"
)

// Retention is what a topic's configuration says of how long its records are kept.
type Retention struct {
	Delete bool  // cleanup.policy has delete; without it only DeleteRecords moves the start
	Millis int64 // retention.ms, below 0: for ever
	Bytes  int64 // retention.bytes, below 0: without bound
}

// A log's start moves in three steps, so that nothing comes back that was once gone:
//
//	Expire, DeleteRecords ─▶ the checkpoint of log starts is durable ─▶ MoveStart ─▶ Unlink, when nobody reads the files
//
// Only the checkpoint makes a log begin where it does. A segment that lies below it and is still there after a crash is
// removed by the Recovery, in whatever order the names of the others have gone.

// Expire is the offset that the log may begin at by its retention: where a segment begins, or the log's end. Segments
// go whole and from the head, and none that reaches past high. If the active one is to go, another one is begun first.
// A segment whose largest timestamp is not known yet stops it: pending says so, and Age is told.
func (l *Log) Expire(now seam.Now, keep Retention, high int64, fx *seam.Effects) (start int64, pending bool) {
	start = l.start
	if !keep.Delete || len(l.segments) == 0 || !l.reopened || l.closed || l.Broken() {
		return start, false
	}
	excess := l.Size() - keep.Bytes
	n := 0
	for ; n < len(l.segments) && keep.Bytes >= 0 && l.mayGo(n, high) && excess >= l.segments[n].done; n++ {
		excess -= l.segments[n].done
	}
	for ; n < len(l.segments) && keep.Millis >= 0 && l.mayGo(n, high); n++ {
		if l.segments[n].ageless {
			pending = true
			break
		}
		if int64(now.Wall)-l.segments[n].largest() <= keep.Millis {
			break
		}
	}
	if n == 0 {
		return start, pending
	}
	start = l.segments[n-1].next
	if n == len(l.segments) {
		l.roll(now, fx)
	}
	return start, pending
}

// mayGo says whether a segment holds something and all of it is below the high watermark.
func (l *Log) mayGo(i int, high int64) bool {
	s := &l.segments[i]
	return s.size > 0 && s.done == s.size && s.next <= high
}

// largest is the largest timestamp of a segment; when it was made, if no record has any.
func (s *segment) largest() int64 {
	if t := s.index.largest(); t >= 0 {
		return t
	}
	return int64(s.created)
}

// Size is how many bytes the log's segments hold.
func (l *Log) Size() (n int64) {
	for i := range l.segments {
		n += l.segments[i].done
	}
	return n
}

// Age asks how old the first segment is of which that is not known, and which ends above from: for the last entry of its
// .timeindex, or, where that has none, for what compaction may have left of its batches: headers, which still say when their
// records were written. Where no .timeindex is to be trusted it hands out the Search that finds it out; the caller numbers it and
// brings the answer to Aged.
func (l *Log) Age(from int64, fx *seam.Effects) *SearchRequest {
	for i := range l.segments {
		s := &l.segments[i]
		if !s.ageless || s.next <= from {
			continue
		}
		if l.opAge != 0 {
			return nil
		}
		l.ageBase = s.base
		if s.timed && s.timeFile != 0 {
			l.opAge = l.numbers.Op()
			if s.timeBytes == 0 {
				fx.Reads = append(fx.Reads, seam.Read{Op: l.opAge, File: s.file, Len: int32(min(s.done, emptiedBytes))})
				return nil
			}
			at := max(0, s.timeBytes-timeEntrySize)
			fx.Reads = append(fx.Reads, seam.Read{Op: l.opAge, File: s.timeFile, At: at, Len: int32(s.timeBytes - at)})
			return nil
		}
		return l.searchSegment(s)
	}
	return nil
}

const timeEntrySize = 12

// searchSegment is the question for the largest timestamp of one segment.
func (l *Log) searchSegment(s *segment) *SearchRequest {
	r := &SearchRequest{Latest: true, Limit: Mark{Offset: s.next, Segment: s.base, Position: s.done}, start: s.base, folder: l.Folder,
		segments: []searchSegment{{base: s.base, size: s.done, whole: true, swap: s.swapping}}}
	r.first = *l.numbers.Files + 1
	*l.numbers.Files += filesOfSegment + 1
	return r
}

// AgeLoaded takes the Read of Age, if it is this one. A .timeindex that makes no sense is not trusted again.
func (l *Log) AgeLoaded(in *seam.Loaded) bool {
	if in.Op != l.opAge || in.Op == 0 {
		return false
	}
	l.opAge = 0
	s := l.based(l.ageBase)
	entry, ok := lastTime(in.Data)
	switch {
	case s == nil || !s.ageless:
	case s.timeBytes == 0 && in.Fault != seam.OK:
		s.timed = false
	case s.timeBytes == 0:
		s.ageless = false
		s.emptied(writtenUntil(in.Data, s.done))
	case in.Fault != seam.OK || int64(len(in.Data)) != min(s.timeBytes, timeEntrySize) || s.timeBytes%timeEntrySize != 0 || !ok || s.base+int64(entry.Relative) >= s.next:
		s.timed = false
	default:
		s.date(entry.Timestamp, s.base+int64(entry.Relative), len(in.Data) > 0)
	}
	return true
}

func lastTime(data []byte) (e TimeEntry, ok bool) {
	if len(data) < timeEntrySize {
		return e, len(data) == 0
	}
	e = TimeEntry{int64(binary.BigEndian.Uint64(data)), int32(binary.BigEndian.Uint32(data[8:]))}
	return e, e.Timestamp > batch.NoTimestamp && e.Relative >= 0
}

// Aged takes the answer to the Search that Age handed out. One that failed is asked again by the next Expire.
func (l *Log) Aged(base int64, found *Searched) {
	if s := l.based(base); s != nil && s.ageless && found.Fault == seam.OK {
		s.date(found.Timestamp, found.Offset, found.Found && found.Timestamp > batch.NoTimestamp)
	}
}

// AgeBase is the segment that Age has asked about.
func (l *Log) AgeBase() int64 { return l.ageBase }

// emptiedBytes is as much as is read of a segment that may have no record left: the last batches of that many producers.
const emptiedBytes = 1000 * headerSize

// writtenUntil is the largest timestamp of a segment's batches if none of them has a record left, else -1.
func writtenUntil(data []byte, size int64) (latest int64) {
	latest = batch.NoTimestamp
	for ; size > 0; data, size = data[headerSize:], size-headerSize {
		if len(data) < headerSize || batch.View(data).Size() != headerSize || batch.View(data).Count() > 0 {
			return batch.NoTimestamp
		}
		latest = max(latest, batch.View(data).MaxTimestamp())
	}
	return latest
}

// emptied: no record is left of a segment. It ages from when the last of them was written, if that is known.
func (s *segment) emptied(until int64) {
	if until >= 0 {
		s.created = min(s.created, seam.Wall(until))
	}
}

func (s *segment) date(timestamp, last int64, dated bool) {
	s.ageless = false
	s.index.MaxTimestamp, s.index.MaxLast, s.index.dated = timestamp, last, dated
}

// MoveStart makes the log begin at start, which the checkpoint on the disk says already. Segments that lie below are
// not the log's any more; their files go with Unlink.
func (l *Log) MoveStart(start int64, fx *seam.Effects) {
	must.Be(l.start <= start && start <= l.end.Offset, "L17: a log's start moves forward, and never past its end")
	l.start, l.noSnapshot = start, false // its checkpoint has found room: so may the snapshot
	l.Epochs.TruncateFromStart(start)
	if len(l.segments) == 0 {
		return
	}
	if l.durable.Offset < start { // what is deleted cannot be lost
		l.durable = l.markOfStart()
	}
	l.trim()
}

// markOfStart is a Mark of the log's start. Nothing can be read below it.
func (l *Log) markOfStart() Mark {
	return Mark{Offset: l.start, Segment: l.segments[l.segmentOf(l.start)].base}
}

// trim takes the segments below the log's start out of it. The next one must have a name first, and so must a compacted one, unless
// it will not get it before the next start.
func (l *Log) trim() {
	n := 0
	for n+1 < len(l.segments) && l.segments[n].next <= l.start && l.segments[n+1].birth != 0 && (!l.segments[n].swapping || l.Stuck()) {
		switch s := &l.segments[n]; { // nobody needs its index any more
		case s.held:
			l.held--
		case s.rebuilt:
			l.remade--
		}
		n++
	}
	if n == 0 {
		return
	}
	l.trimmed = append(l.trimmed, l.segments[:n]...)
	below := l.segments[n].base
	l.indexSyncs = slices.DeleteFunc(l.indexSyncs, func(x indexSync) bool { return x.op == 0 && x.base < below })
	kept := copy(l.segments, l.segments[n:])
	clear(l.segments[kept:])
	l.segments = l.segments[:kept]
}

// Spare empties the index of a segment that ends at start at most, for the blocks that it takes: on a full disk there may be no
// other room for the checkpoint without which the segment does not go. Readers do without meanwhile, as with a wrong one.
func (l *Log) Spare(start int64, fx *seam.Effects) bool {
	if l.dead != seam.OK || !l.reopened || l.closed {
		return false
	}
	for i := range l.segments {
		s := &l.segments[i]
		if s.next > start {
			return false
		}
		if s.onDisk && s.entries > 0 && s.indexFile != 0 && l.atRest(s) {
			l.doubt(s)
			s.spared = true
			s.entries = 0
			op := l.numbers.Op()
			l.side = append(l.side, sideOp{op: op, kind: sideOther, file: s.indexFile})
			fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Truncate, File: s.indexFile})
			return true
		}
	}
	return false
}

// Trimmed says whether files below the log's start wait for their Unlink.
func (l *Log) Trimmed() bool { return len(l.trimmed) > 0 }

// Unlink removes the files of trimmed segments that are at rest, and are not needed any more to know the producers. lent says
// whether an answer that is still to go out names a file. Beside a segment go the producers' snapshots at its start. take says
// whether there is room for another segment in this Step.
func (l *Log) Unlink(take func() bool, lent func(seam.File) bool, fx *seam.Effects) {
	n, known := 0, l.known()
	for n < known && l.atRest(&l.trimmed[n]) && !lent(l.trimmed[n].file) && take() {
		s := &l.trimmed[n]
		l.unlinkOr(s.file, s.opening, s.base, ".log", fx)
		l.unlinkOr(s.indexFile, false, s.base, ".index", fx)
		l.unlinkOr(s.timeFile, false, s.base, ".timeindex", fx)
		l.removeBeside(s.base, ".snapshot", fx)
		l.removeBeside(s.base, ".window", fx)
		n++
	}
	if n == 0 {
		return
	}
	fx.Events = append(fx.Events, seam.Event{Kind: seam.SegmentsDeleted, Topic: l.Topic, Partition: l.Partition, A: int64(n), B: l.start})
	kept := copy(l.trimmed, l.trimmed[n:])
	clear(l.trimmed[kept:])
	l.trimmed = l.trimmed[:kept]
}

// known is how many of the trimmed segments hold nothing of the producers that a snapshot behind them does not tell: all of
// them, but where a disk is too full for the snapshot at the log's first segment. The one that is left is read by a start
// instead, with what has been written since.
func (l *Log) known() int {
	if l.segments[0].snapped {
		return len(l.trimmed)
	}
	for n := len(l.trimmed) - 1; n > 0; n-- {
		if l.trimmed[n].snapped {
			return n
		}
	}
	return 0
}

// atRest says whether nothing of a trimmed segment is under way, and nothing that is written at its end.
func (l *Log) atRest(s *segment) bool {
	if s.opSync != 0 || s.reads > 0 || l.opAge != 0 && l.ageBase == s.base || l.opHeal != 0 && l.healBase == s.base {
		return false
	}
	for i := range l.indexSyncs {
		if x := &l.indexSyncs[i]; x.file == s.indexFile || x.file == s.timeFile {
			return false
		}
	}
	for i := range l.side {
		if x := &l.side[i]; x.file != 0 && (x.file == s.file || x.file == s.indexFile || x.file == s.timeFile) {
			return false
		}
	}
	return !slices.ContainsFunc(l.beside, func(x beside) bool { return x.at == s.base })
}

// unlinkOr removes a file by its id, or by its path where the id was never opened.
func (l *Log) unlinkOr(file seam.File, unopened bool, base int64, suffix string, fx *seam.Effects) {
	switch {
	case file == 0:
	case unopened:
		l.removeBeside(base, suffix, fx)
	default:
		op := l.numbers.Op()
		l.side = append(l.side, sideOp{op: op, kind: sideTrim, file: file, base: base, suffix: suffix})
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Unlink, File: file})
	}
}

func (l *Log) removeBeside(base int64, suffix string, fx *seam.Effects) {
	op := l.numbers.Op()
	l.side = append(l.side, sideOp{op: op, kind: sideTrim, base: base, suffix: suffix})
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Remove, Path: l.path(base, suffix)})
}

// keptFile is one that should be gone, and could not be removed.
type keptFile struct {
	base   int64
	suffix string
}

// Kept is how many files should be gone, and could not be removed.
func (l *Log) Kept() int {
	if l.closed || l.dead != seam.OK {
		return 0
	}
	return len(l.kept)
}

// RemoveKept tries again to remove one of them: the one that has waited longest.
func (l *Log) RemoveKept(fx *seam.Effects) {
	if l.Kept() == 0 {
		return
	}
	k := l.kept[0]
	if l.kept = l.kept[1:]; len(l.kept) == 0 {
		l.kept = nil
	}
	l.removeBeside(k.base, k.suffix, fx)
}
