package log

import (
	"slices"

	"rookery/core/must"
	"rookery/core/seam"
)

// maxSyncsPerCall bounds what one call of EmitSyncs may emit: a file, the folder, the folder's parent.
const maxSyncsPerCall = 4

// SyncWanted says whether a Sync could be emitted now that would bring durable forward.
func (l *Log) SyncWanted() bool {
	if l.dead != seam.OK || len(l.segments) == 0 {
		return false
	}
	if l.opFolder == 0 && l.namesSafe < l.names || l.opRoot == 0 && !l.rootSafe && l.names > 0 || l.indexSyncable() >= 0 {
		return true
	}
	for i := l.segmentOf(l.durable.Segment); i < len(l.segments); i++ {
		if l.segments[i].syncable() {
			return true
		}
	}
	return false
}

// syncable: something was written, or cut, that no Sync has covered, and none is under way.
func (s *segment) syncable() bool {
	return s.opSync == 0 && s.birth != 0 && !s.opening && s.unsynced()
}

func (s *segment) unsynced() bool { return s.done > s.synced.position || s.cuts > s.synced.cuts }

// indexSync is an index file that is written and not on the disk.
type indexSync struct {
	file seam.File
	base int64   // of its segment, -1: the file has been written anew meanwhile
	op   seam.Op // the Sync under way, 0: none
}

// indexSyncable is the place of an index file that is to be synced, -1: there is none.
func (l *Log) indexSyncable() int {
	for i := range l.indexSyncs {
		if l.indexSyncs[i].op == 0 {
			return i
		}
	}
	return -1
}

// indexesSafe: a power cut cannot take the segment's indexes back.
func (l *Log) indexesSafe(s *segment) bool { return s.derived == indexFiles && s.named <= l.namesSafe }

// indexFiles of a segment: .index and .timeindex.
const indexFiles = 2

// Anchored says whether a power cut leaves the folder and the names that it was begun with, whatever becomes of the bytes.
func (l *Log) Anchored() bool { return l.rootSafe && l.namesSafe > 0 }

// ClosedUnsynced says whether a segment that was closed at that time or before, its name or its indexes are not on the
// disk yet.
func (l *Log) ClosedUnsynced(at seam.Mono) bool {
	for i := range l.indexSyncs {
		if x := &l.indexSyncs[i]; x.op == 0 && l.segmentAt(x.base).closedAt <= at {
			return true
		}
	}
	for i := l.segmentOf(l.durable.Segment); i < len(l.segments); i++ {
		if s := &l.segments[i]; s.closed && s.closedAt <= at && (s.unsynced() || s.birth > l.namesSafe || !l.rootSafe) {
			return true
		}
	}
	return false
}

// EmitSyncs emits the Syncs that SyncWanted speaks of, at most one under way a file, and says how many. What each one
// covers is noted now: what had come back before it. closed: only closed segments are synced.
func (l *Log) EmitSyncs(closed bool, fx *seam.Effects) (emitted int) {
	if l.dead != seam.OK || len(l.segments) == 0 {
		return 0
	}
	if l.opFolder == 0 && l.namesSafe < l.names {
		l.opFolder, l.namesGoal = l.numbers.Op(), l.names
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: l.opFolder, Folder: l.Folder})
		emitted++
	}
	if l.opRoot == 0 && !l.rootSafe && l.names > 0 {
		l.opRoot = l.numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: l.opRoot, Folder: seam.Path{Dir: l.Folder.Dir}})
		emitted++
	}
	for i := l.segmentOf(l.durable.Segment); i < len(l.segments) && emitted < maxSyncsPerCall; i++ {
		s := &l.segments[i]
		if s.syncable() && (s.closed || !closed) {
			s.opSync, s.syncGoal = l.numbers.Op(), syncPoint{offset: l.writtenUpTo(i), position: s.done, cuts: s.cuts}
			fx.Syncs = append(fx.Syncs, seam.Sync{Op: s.opSync, File: s.file})
			emitted++
		}
	}
	for emitted < maxSyncsPerCall {
		i := l.indexSyncable()
		if i < 0 {
			break
		}
		x := &l.indexSyncs[i]
		x.op = l.numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: x.op, File: x.file})
		emitted++
	}
	return emitted
}

// writtenUpTo is the offset behind the last batch of segment i that is in the page cache.
func (l *Log) writtenUpTo(i int) int64 {
	if s := &l.segments[i]; s.closed && s.done == s.size {
		return s.next
	}
	return l.end.Offset
}

// Synced takes a Sync's completion. moved says that durable came forward. A fault ends the log: the kernel has marked
// the lost pages clean, so nothing that this file says can be believed any more.
func (l *Log) Synced(in *seam.Synced) (moved bool) {
	if in.Fault != seam.OK {
		l.dead = in.Fault
	}
	switch in.Op {
	case l.opFolder:
		l.opFolder = 0
		if in.Fault == seam.OK {
			l.namesSafe = l.namesGoal
		}
	case l.opRoot:
		l.opRoot = 0
		l.rootSafe = l.rootSafe || in.Fault == seam.OK
	default:
		l.fileSynced(in)
	}
	return l.settle()
}

func (l *Log) fileSynced(in *seam.Synced) {
	for i, x := range l.indexSyncs {
		if x.op == in.Op {
			l.indexSyncs = append(l.indexSyncs[:i], l.indexSyncs[i+1:]...)
			if x.base >= 0 && in.Fault == seam.OK {
				if s := l.based(x.base); s != nil {
					s.derived++
				}
			}
			return
		}
	}
	for i := range l.trimmed {
		if s := &l.trimmed[i]; s.opSync == in.Op {
			s.opSync = 0
			return
		}
	}
	for i := len(l.segments) - 1; i >= 0; i-- {
		if s := &l.segments[i]; s.opSync == in.Op {
			s.opSync = 0
			if in.Fault == seam.OK {
				s.synced = s.syncGoal
			}
			return
		}
	}
}

// settle moves durable as far as segments are whole on the disk, one behind the other, names included. Not past what a
// repair has cut off or unlinked: until that is on the disk a power cut may bring it back, between the log's batches.
func (l *Log) settle() (moved bool) {
	if l.dead != seam.OK || !l.rootSafe || l.namesSafe < l.unmade {
		return false
	}
	for i := l.segmentOf(l.durable.Segment); i < len(l.segments); i++ {
		s := &l.segments[i]
		if s.birth == 0 || s.birth > l.namesSafe {
			break
		}
		if s.synced.offset > l.durable.Offset {
			l.durable = Mark{Offset: s.synced.offset, Segment: s.base, Position: s.synced.position}
			moved = true
		}
		if !s.closed || s.done != s.size || s.unsynced() {
			break
		}
	}
	must.Be(l.durable.Offset <= l.end.Offset, "L4: durable is never ahead of end")
	return moved
}

// sideOp is a file operation that no answer waits for.
type sideOp struct {
	op   seam.Op
	kind sideKind
	file seam.File
	base int64

	suffix string // of a file below the log's start

	size  int64 // of a derived file: the bytes that make it whole
	round uint8 // and which writing of it this is
}

type sideKind uint8

const (
	sideCreate sideKind = iota // a segment's .log
	sideDoomed                 // the same, of a segment that was dropped meanwhile
	sideUnlink
	sideTrim    // of a file below the log's start
	sideCut     // the Truncate of a repair
	sideOpen    // a .log of a Restored log
	sideDerived // the Create, or the Open, of an index file
	sideEmpty   // the Truncate of one that was there
	sideIndex   // the Write of a .index
	sideTimes   // the Write of a .timeindex
	sideReplace // of a replacement
	sideOther
)

func (l *Log) sideWrote(in *seam.Wrote, fx *seam.Effects) {
	for i := range l.side {
		if l.side[i].op != in.Op {
			continue
		}
		s := l.side[i]
		l.side = without(l.side, i)
		l.sideDone(s, in, fx)
		return
	}
	must.Be(false, "L5: every completion names an operation of this log")
}

func (l *Log) sideDone(side sideOp, in *seam.Wrote, fx *seam.Effects) {
	switch side.kind {
	case sideCreate:
		if in.Fault != seam.OK {
			l.segmentLost(in.Fault, fx)
			return
		}
		l.names++
		for i := range l.segments {
			if l.segments[i].file == side.file {
				l.segments[i].birth = l.names
			}
		}
		l.trim()
	case sideDoomed:
		if in.Fault == seam.OK {
			l.unlink(side.file, fx)
		} else {
			l.repaired(seam.OK)
		}
	case sideTrim: // what stays is removed with a later checkpoint, or after the next start
		if l.names++; in.Fault != seam.OK && in.Fault != seam.NotFound {
			l.kept = append(l.kept, keptFile{side.base, side.suffix})
		}
	case sideUnlink:
		l.names++
		l.unmade = l.names
		l.repaired(in.Fault)
	case sideCut:
		l.segmentAt(side.base).cuts++
		l.repaired(in.Fault)
	case sideOpen:
		l.onReopened(side, in.Fault, fx)
	case sideDerived:
		if s := l.based(side.base); s != nil && in.Fault != seam.OK {
			if s.unnamed(side.file, in.Fault); s.onDisk {
				l.doubt(s)
			}
		}
	case sideEmpty:
		if in.Fault != seam.OK {
			l.spoil(side)
		}
	case sideIndex, sideTimes:
		l.indexWritten(side, in)
	case sideReplace:
		l.replaceDone(side, in.Fault, fx)
	case sideOther:
	}
}

// segmentLost: a new segment could not be made. What was planned on it comes back failed by itself.
func (l *Log) segmentLost(fault seam.Fault, fx *seam.Effects) {
	l.broken = true
	l.refuse("new segment: "+fault.String(), fx)
	if l.planned.Len() == 0 {
		l.repair(fx)
	}
}

// spoil: an index file could not be emptied, and what is being written into it stands before what was there.
func (l *Log) spoil(empty sideOp) {
	for i := range l.side {
		if x := &l.side[i]; x.file == empty.file && x.round == empty.round {
			x.size = -1
		}
	}
}

// indexWritten: an index file is as it should be, in the page cache, or it is lost. Its Sync waits for the next call of
// EmitSyncs. What is in memory of a closed segment's index is forgotten once it can be read back.
func (l *Log) indexWritten(side sideOp, in *seam.Wrote) {
	s := l.based(side.base)
	if s == nil || side.round != s.round {
		return
	}
	if in.Fault != seam.OK || in.Bytes != side.size {
		s.lost, l.unwritten = true, true
		return
	}
	if side.kind == sideIndex {
		s.entries = in.Bytes
	}
	l.names++
	s.named = l.names
	l.indexSyncs = append(l.indexSyncs, indexSync{file: side.file, base: side.base})
	if s.written++; s.written == indexFiles && s.closed && s.indexed && !s.rebuilt {
		s.onDisk, s.timed = true, true
		s.index.Offsets, s.index.Times = nil, nil
	}
}

// unnamed: the Create or the Open of an index file failed, so that its id leads nowhere.
func (s *segment) unnamed(file seam.File, fault seam.Fault) {
	id, there := &s.indexFile, &s.indexThere
	if file == s.timeFile {
		id, there = &s.timeFile, &s.timeThere
	}
	if *id == file {
		*id, *there = 0, fault == seam.Exists || *there && fault != seam.NotFound
	}
}

// Settled says whether Closable and RewriteIndexes would find nothing, or nothing is to be written any more. A Restored log is reopened by its owner, in turns.
func (l *Log) Settled() bool {
	n := len(l.segments)
	return !l.reopened || l.dead != seam.OK || l.remade == 0 && (n < 2 || l.segments[n-2].indexed)
}

// Closable is the oldest closed segment whose batches are all written and whose derived files are not. The owner asks
// after each Append and each Pop, so that what it writes beside the segment is its state at exactly that offset.
func (l *Log) Closable() (base int64, ok bool) {
	for i := len(l.segments) - 1; i >= 0 && !l.segments[i].indexed; i-- {
		if s := &l.segments[i]; s.closed && s.done == s.size {
			base, ok = s.base, true
		}
	}
	return base, ok
}

// CloseSegment writes the derived files of a segment: its indexes, and what the owner hands in beside them (named by
// the offset behind the segment). Nothing waits for these writes.
func (l *Log) CloseSegment(closed int64, fx *seam.Effects, beside ...Beside) {
	s := l.segmentAt(closed)
	must.Be(s.closed && s.done == s.size, "L6: indexes are written when the segment is closed and every batch of it is written")
	s.indexed = true
	l.writeIndexes(s, fx)
	l.putBeside(s.next, false, beside, fx)
}

func (l *Log) writeIndexes(s *segment, fx *seam.Effects) {
	s.round, s.written, s.derived, s.onDisk, s.lost = s.round+1, 0, 0, false, false
	l.indexSyncs = slices.DeleteFunc(l.indexSyncs, func(x indexSync) bool { return x.base == s.base && x.op == 0 })
	for i := range l.indexSyncs {
		if l.indexSyncs[i].base == s.base {
			l.indexSyncs[i].base = -1
		}
	}
	s.index.Close(s.base)
	s.timed, s.timeBytes = false, int64(12*len(s.index.Times))
	s.indexFile = l.derived(s.indexFile, s.indexThere, l.path(s.base, ".index"), s.index.EncodeOffsets(), s.base, sideIndex, fx)
	s.timeFile = l.derived(s.timeFile, s.timeThere, l.path(s.base, ".timeindex"), s.index.EncodeTimes(), s.base, sideTimes, fx)
}

// derived creates a file, or empties the one that is there, and fills it. Operations of one file run in the order emitted.
func (l *Log) derived(file seam.File, there bool, path seam.Path, content []byte, base int64, kind sideKind, fx *seam.Effects) seam.File {
	if file == 0 {
		file = l.numbers.File()
		op, deed := l.numbers.Op(), seam.Create
		if there {
			deed = seam.Open
		}
		l.side = append(l.side, sideOp{op: op, kind: sideDerived, file: file, base: base})
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: deed, File: file, Path: path})
	} else {
		there = true
	}
	round := l.segmentAt(base).round
	if there {
		op := l.numbers.Op()
		l.side = append(l.side, sideOp{op: op, kind: sideEmpty, file: file, round: round})
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Truncate, File: file})
	}
	op := l.numbers.Op()
	l.side = append(l.side, sideOp{op: op, kind: kind, file: file, base: base, size: int64(len(content)), round: round})
	fx.Writes = append(fx.Writes, seam.Write{Op: op, File: file, Data: content})
	return file
}

// Busy says whether anything of this log is under way: a folder is removed only when it is not.
func (l *Log) Busy() bool {
	if l.planned.Len() > 0 || len(l.side) > 0 || l.opFolder != 0 || l.opRoot != 0 || l.opAge != 0 || l.opHeal != 0 || len(l.beside) > 0 || l.replacing.op != 0 {
		return true
	}
	for i := range l.trimmed {
		if l.trimmed[i].opSync != 0 {
			return true
		}
	}
	for i := range l.segments {
		if l.segments[i].opSync != 0 {
			return true
		}
	}
	for i := range l.indexSyncs {
		if l.indexSyncs[i].op != 0 {
			return true
		}
	}
	return false
}
