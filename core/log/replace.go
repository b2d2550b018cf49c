package log

import (
	"slices"

	"rookery/core/must"
	"rookery/core/seam"
)

// Source is a segment that a Cleaner may read: closed, whole, durable, and never written again.
type Source struct{ Base, Next, Size int64 }

// Compacted is a segment that a Cleaner has written, under .cleaned names, in place of neighbours. Its bytes and its
// indexes are on the disk; that they have names is not.
type Compacted struct {
	Base, Next int64 // it stands for the segments from here to there
	Size       int64
	IndexBytes int64 // of its .index
	TimeBytes  int64 // of its .timeindex
	FirstTime  int64 // timestamp of its first batch, -1 if none
	Emptied    int64 // where no record is left, the largest timestamp that one had; else -1
	Index      Index // its largest timestamp; the entries are in the files
}

// Replace puts what a Cleaner has written in the place of the segments that it stands for, one after another, so that a
// crash at any effect leaves the old ones or the new one (Kafka's .swap; Recovery finishes what it finds):
//
//	the folder says by a .compacted up to where offsets may be missing from now on ─▶ folder synced
//	─▶ open, rename .cleaned to .swap ─▶ folder synced ─▶ readers go over ─▶ old files unlinked, when nobody reads them
//	─▶ folder synced ─▶ rename .swap to its name, when nobody reads it ─▶ folder synced ─▶ the next one
//
// What is found missing or other than it was (retention has been there) is not replaced, and its files are removed. Nor is
// what lies behind it: a delete may be left out there for good, and what it deletes may lie where nothing was replaced.
type replacing struct {
	stage   replaceStage
	sparse  int64 // what Log.sparse will be when that is on the disk
	queue   []Compacted
	pending int       // file operations under way
	op      seam.Op   // of a Sync under way
	old     []segment // what readers have left
	files   [3]seam.File
	fault   seam.Fault
	swapped bool // .swap names may be on the disk
	left    bool // something was not put in place since the owner asked: nothing behind it is
}

type replaceStage uint8

const (
	replaceIdle    replaceStage = iota
	replaceMarking              // the .compacted is made
	replaceMarked               // and closed
	replaceSparse               // the folder's Sync
	replaceOpening
	replaceNaming // .cleaned becomes .swap
	replaceNamed  // the folder's Sync
	replaceOver   // readers have gone over; the old files wait for the last answer that names them
	replaceUnlinking
	replaceUnlinked // the folder's Sync
	replaceSafe     // nothing old can come back; the names wait until nobody reads the new files
	replaceEnding   // .swap becomes the name
	replaceEnded    // the folder's Sync
	replaceLeaving  // it failed before readers went over: what was made is removed
	replaceLeft     // the folder's Sync
	replaceStuck    // it failed after that: the next start goes on
)

// replaceSuffixes are the files of a segment, in the order of replacing.files.
func replaceSuffixes() [3]string { return [3]string{".log", ".index", ".timeindex"} }

const (
	cleanedSuffix = ".cleaned"
	swapSuffix    = ".swap"
	sparseSuffix  = ".compacted" // an empty file: below the offset in its name batches may be missing
)

// Replace begins. What an earlier one has to do comes first.
func (l *Log) Replace(compacted []Compacted, fx *seam.Effects) {
	r := &l.replacing
	r.queue = append(r.queue, compacted...)
	switch {
	case r.stage != replaceIdle || len(r.queue) == 0:
	case l.dead != seam.OK:
		r.left = true
	default:
		l.markSparse(fx)
	}
}

// markSparse says on the disk that offsets may be missing, before any is. The recovery point cannot say it: it falls below
// segments that were compacted when an index has to be made again, and the next start would cut the log there. It is said
// anew each time, for nobody knows whether an earlier life came to sync it.
func (l *Log) markSparse(fx *seam.Effects) {
	r := &l.replacing
	r.fault, r.sparse = seam.OK, max(l.sparse, r.queue[len(r.queue)-1].Next)
	r.stage, r.files[0] = replaceMarking, l.numbers.File()
	l.replaceOp(seam.FileOp{Deed: seam.Create, File: r.files[0], Path: l.path(r.sparse, sparseSuffix)}, fx)
}

// marked: the older name goes, and need not stay away.
func (l *Log) marked(fx *seam.Effects) {
	if l.sparse > 0 && l.sparse != l.replacing.sparse {
		op := l.numbers.Op()
		l.side = append(l.side, sideOp{op: op, kind: sideOther})
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Remove, Path: l.path(l.sparse, sparseSuffix)})
	}
	l.sparse = l.replacing.sparse
	l.replaceNext(fx)
}

// Replacing says whether segments are being replaced.
func (l *Log) Replacing() bool { return l.replacing.stage != replaceIdle }

// Replaced says whether all went into its place that Replace was given since the last call.
func (l *Log) Replaced() bool {
	left := l.replacing.left
	l.replacing.left = false
	return !left
}

// Stuck says whether a replacement cannot go on in this life.
func (l *Log) Stuck() bool { return l.replacing.stage == replaceStuck }

// Generation counts how often readers went over to other segments, or names of theirs changed: a Search that began in
// an earlier one may have read what is not there any more.
func (l *Log) Generation() uint64 { return l.generation }

// Sources are the segments from the log's first on, as far as a Cleaner may read them: those that lie below every mark,
// below limit, and not behind what is being replaced.
func (l *Log) Sources(limit int64, marks ...Mark) (sources []Source) {
	if l.closed || l.Opening() || l.Broken() || l.Replacing() {
		return nil
	}
	marks = append(marks, l.end, l.durable)
	for i := range l.segments[:max(0, len(l.segments)-1)] {
		s := &l.segments[i]
		for _, m := range marks {
			if m.Segment <= s.base || m.Offset < s.next {
				return sources
			}
		}
		if !s.closed || !s.indexed || s.done != s.size || s.rebuilt || s.suspect || s.opening || s.next > limit || s.birth == 0 || s.birth > l.namesSafe || !l.indexesSafe(s) {
			return sources
		}
		sources = append(sources, Source{Base: s.base, Next: s.next, Size: s.done})
	}
	return sources
}

// Times of a closed segment: its first batch's timestamp and the largest, each -1 where it is not known.
func (l *Log) Times(base int64) (first, largest int64) {
	s := l.based(base)
	if s == nil {
		return -1, -1
	}
	if largest = -1; !s.ageless {
		largest = s.largest()
	}
	return s.firstTime, largest
}

func (l *Log) replaceNext(fx *seam.Effects) {
	r := &l.replacing
	r.stage, r.fault, r.files, r.old, r.swapped = replaceIdle, seam.OK, [3]seam.File{}, nil, false
	if len(r.queue) == 0 || l.dead != seam.OK {
		r.left = r.left || len(r.queue) > 0
		return
	}
	c := &r.queue[0]
	if r.left || c.Next > l.sparse || !l.replaceable(c) {
		l.leave(fx)
		return
	}
	r.stage = replaceOpening
	for i, suffix := range replaceSuffixes() {
		r.files[i] = l.numbers.File()
		l.replaceOp(seam.FileOp{Deed: seam.Open, File: r.files[i], Path: l.path(c.Base, suffix+cleanedSuffix)}, fx)
	}
}

func (l *Log) replaceOp(op seam.FileOp, fx *seam.Effects) {
	op.Op = l.numbers.Op()
	l.replacing.pending++
	l.side = append(l.side, sideOp{op: op.Op, kind: sideReplace, file: op.File})
	fx.Files = append(fx.Files, op)
}

func (l *Log) replaceSync(stage replaceStage, fx *seam.Effects) {
	r := &l.replacing
	r.stage, r.op = stage, l.numbers.Op()
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.op, Folder: l.Folder})
}

// replaceable says whether the segments are those that the Cleaner has read.
func (l *Log) replaceable(c *Compacted) bool {
	i, n := l.replacedBy(c)
	if n == 0 || l.closed {
		return false
	}
	for j := i; j < i+n; j++ {
		if s := &l.segments[j]; s.suspect || s.rebuilt || s.opening || s.opSync != 0 || !l.indexesSafe(s) {
			return false
		}
	}
	return true
}

// replacedBy is the position of the first segment that c stands for, and how many they are.
func (l *Log) replacedBy(c *Compacted) (first, n int) {
	for i := range l.segments {
		s := &l.segments[i]
		switch {
		case s.base == c.Base:
			first = i
		case n == 0:
			continue
		}
		if n++; s.next == c.Next {
			if i+1 < len(l.segments) {
				return first, n
			}
			return 0, 0
		}
		if s.next > c.Next {
			return 0, 0
		}
	}
	return 0, 0
}

// replaceDone takes the completion of a file operation.
func (l *Log) replaceDone(side sideOp, fault seam.Fault, fx *seam.Effects) {
	r := &l.replacing
	r.pending--
	if fault != seam.OK && !(fault == seam.NotFound && (r.stage == replaceLeaving || r.stage == replaceUnlinking)) {
		r.fault = fault
		if i := slices.Index(r.files[:], side.file); r.stage == replaceOpening && i >= 0 {
			r.files[i] = 0
		}
	}
	if r.pending == 0 {
		l.replaceOn(fx)
	}
}

// ReplaceSynced takes the completion of a Sync, if it is the one that a replacement waits for. EmitSyncs has not counted it.
func (l *Log) ReplaceSynced(in *seam.Synced, fx *seam.Effects) bool {
	if in.Op != l.replacing.op || in.Op == 0 {
		return false
	}
	l.replacing.op = 0
	l.replaceOn(fx)
	return true
}

// replaceOn goes on when everything that was under way has come back.
func (l *Log) replaceOn(fx *seam.Effects) {
	r := &l.replacing
	c := &r.queue[0]
	switch r.stage {
	case replaceMarking:
		switch r.fault {
		case seam.OK:
			r.stage = replaceMarked
			l.replaceOp(seam.FileOp{Deed: seam.Close, File: r.files[0]}, fx)
		case seam.Exists:
			l.replaceSync(replaceSparse, fx)
		default:
			l.replaceNext(fx) // which leaves what lies above l.sparse
		}
	case replaceMarked:
		l.replaceSync(replaceSparse, fx)
	case replaceSparse:
		l.marked(fx)
	case replaceOpening:
		if r.fault != seam.OK || !l.replaceable(c) {
			l.leave(fx)
			return
		}
		r.stage, r.swapped = replaceNaming, true
		for _, suffix := range replaceSuffixes() {
			l.replaceOp(seam.FileOp{Deed: seam.Rename, Path: l.path(c.Base, suffix+cleanedSuffix), To: l.path(c.Base, suffix+swapSuffix)}, fx)
		}
	case replaceNaming:
		if r.fault != seam.OK || !l.replaceable(c) {
			l.leave(fx)
			return
		}
		l.replaceSync(replaceNamed, fx)
	case replaceNamed:
		if !l.replaceable(c) {
			l.leave(fx)
			return
		}
		l.goOver(c, fx)
		r.stage = replaceOver
	case replaceUnlinking:
		if r.fault != seam.OK {
			l.stick(fx)
			return
		}
		l.replaceSync(replaceUnlinked, fx)
	case replaceUnlinked:
		r.stage, r.old = replaceSafe, nil
	case replaceEnding:
		if r.fault != seam.OK {
			l.stick(fx)
			return
		}
		l.replaceSync(replaceEnded, fx)
	case replaceEnded:
		l.segmentAt(c.Base).swapping = false
		l.generation++
		l.trim() // it may have been deleted meanwhile
		l.replaced(fx)
	case replaceLeaving:
		if r.swapped { // a name that came back later would stand for what has been compacted anew meanwhile
			l.replaceSync(replaceLeft, fx)
			return
		}
		l.replaced(fx)
	case replaceLeft:
		l.replaced(fx)
	case replaceIdle, replaceOver, replaceSafe, replaceStuck:
		must.Be(false, "L20: a replacement that rests waits for nothing")
	}
}

func (l *Log) replaced(fx *seam.Effects) {
	l.replacing.queue = slices.Delete(l.replacing.queue, 0, 1)
	l.replaceNext(fx)
}

// Desist leaves out what has not begun, and removes its files: the log is about to end, or the broker, or nobody wants it to be
// compacted any more.
func (l *Log) Desist() {
	if r := &l.replacing; len(r.queue) > 1 {
		r.left = true
	}
}

// leave gives a replacement up before readers have gone over. A .swap that comes back after a crash holds what the old
// segments hold.
func (l *Log) leave(fx *seam.Effects) {
	r := &l.replacing
	r.left = true
	if c := &r.queue[0]; r.stage == replaceIdle { // nothing is open
		r.stage = replaceLeaving
		for _, suffix := range replaceSuffixes() {
			l.replaceOp(seam.FileOp{Deed: seam.Remove, Path: l.path(c.Base, suffix+cleanedSuffix)}, fx)
		}
		return
	}
	r.stage = replaceLeaving
	for i, suffix := range replaceSuffixes() {
		if r.files[i] != 0 {
			l.replaceOp(seam.FileOp{Deed: seam.Unlink, File: r.files[i]}, fx)
		} else {
			l.replaceOp(seam.FileOp{Deed: seam.Remove, Path: l.path(r.queue[0].Base, suffix+cleanedSuffix)}, fx)
		}
	}
}

// stick: the old files are gone for the readers, and not for the disk. What is there serves as it is.
func (l *Log) stick(fx *seam.Effects) {
	l.replacing.stage = replaceStuck
	l.refused++ // so that who is told is told too when writes succeed
	if !l.silent {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.WriteRefused, Topic: l.Topic, Partition: l.Partition, Text: "the names of a compacted segment: " + l.replacing.fault.String()})
	}
	l.trim()
}

// goOver: readers find the new segment from now on.
func (l *Log) goOver(c *Compacted, fx *seam.Effects) {
	r := &l.replacing
	i, n := l.replacedBy(c)
	old := slices.Clone(l.segments[i : i+n])
	fresh := segment{
		base: c.Base, next: c.Next, size: c.Size, done: c.Size, birth: old[0].birth, created: old[n-1].created,
		file: r.files[0], indexFile: r.files[1], timeFile: r.files[2],
		synced: syncPoint{offset: c.Next, position: c.Size}, closed: true, closedAt: old[n-1].closedAt, indexed: true, onDisk: true, timed: true,
		timeBytes: c.TimeBytes, entries: c.IndexBytes, derived: indexFiles, snapped: old[0].snapped, firstTime: c.FirstTime, index: c.Index, swapping: true,
	}
	fresh.index.Offsets, fresh.index.Times = nil, nil
	fresh.emptied(c.Emptied)
	r.old = old
	l.segments = slices.Replace(l.segments, i, i+n, fresh)
	l.recent.forget(c.Next)
	l.generation++
	before := int64(0)
	for i := range old {
		before += old[i].size
	}
	fx.Events = append(fx.Events, seam.Event{Kind: seam.SegmentsCompacted, Topic: l.Topic, Partition: l.Partition, A: c.Base, B: before - c.Size})
}

// UnlinkReplaced removes the files that readers have left, when nothing of them is under way and no answer that is still to
// go out names one (see Unlink).
func (l *Log) UnlinkReplaced(lent func(seam.File) bool, fx *seam.Effects) {
	r := &l.replacing
	if r.stage != replaceOver || l.dead != seam.OK {
		return
	}
	for i := range r.old {
		if s := &r.old[i]; !l.atRest(s) || lent(s.file) {
			return
		}
	}
	r.stage = replaceUnlinking
	for i := range r.old {
		s := &r.old[i]
		for j, file := range [...]seam.File{s.file, s.indexFile, s.timeFile} {
			if file != 0 {
				l.replaceOp(seam.FileOp{Deed: seam.Unlink, File: file}, fx)
			} else {
				l.replaceOp(seam.FileOp{Deed: seam.Remove, Path: l.path(s.base, replaceSuffixes()[j])}, fx)
			}
		}
		if i > 0 {
			l.replaceOp(seam.FileOp{Deed: seam.Remove, Path: l.path(s.base, snapshotSuffix)}, fx)
			l.replaceOp(seam.FileOp{Deed: seam.Remove, Path: l.path(s.base, windowSuffix)}, fx)
		}
	}
}

// NameReplaced gives a compacted segment its name, when nothing reads it and no answer that is still to go out names it.
// Searches must be at rest: they open files by their names.
func (l *Log) NameReplaced(lent func(seam.File) bool, fx *seam.Effects) {
	r := &l.replacing
	if r.stage != replaceSafe || l.dead != seam.OK {
		return
	}
	base := r.queue[0].Base
	if s := l.segmentAt(base); !l.atRest(s) || lent(s.file) {
		return
	}
	r.stage = replaceEnding
	l.generation++
	for _, suffix := range replaceSuffixes() {
		l.replaceOp(seam.FileOp{Deed: seam.Rename, Path: l.path(base, suffix+swapSuffix), To: l.path(base, suffix)}, fx)
	}
}

// Leaving says whether UnlinkReplaced or NameReplaced is waited for.
func (l *Log) Leaving() bool {
	return l.replacing.stage == replaceOver || l.replacing.stage == replaceSafe
}
