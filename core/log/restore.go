package log

import "rookery/core/seam"

// Restore makes the log that a Recovery found. Reopen comes next.
func Restore(out *Recovered, folder seam.Path, config Config, numbers Numbers) *Log {
	l := New(out.Topic, out.Partition, folder, config, numbers)
	l.segments, l.Epochs, l.recent = out.segments, out.Epochs, out.recent
	l.start, l.next, l.end = out.Start, out.End.Offset, out.End
	l.sparse, l.kept = out.sparse, out.kept
	l.reopened = false
	if len(l.segments) > 0 { // without one there may be no folder either: nothing is to be synced before Create
		l.names = 1
	}
	if out.named && l.names > 0 {
		l.namesSafe, l.rootSafe = l.names, true
	}
	for i := range l.segments {
		s := &l.segments[i]
		s.opening = true
		if s.synced = (syncPoint{offset: s.base}); s.next <= out.Safe {
			s.synced = syncPoint{offset: s.next, position: s.size}
		}
		if s.next == out.Safe && !out.named {
			s.cuts = 1 // the last life may have cut something off here and not have synced that
		}
	}
	l.safe, l.durable, l.noted = out.Safe, l.safeMark(out.Safe), max(out.Safe, out.Point())
	for i := range l.segments {
		s := &l.segments[i]
		switch {
		case s.rebuilt && s.closed && s.next < l.noted: // as in see: the checkpoint on the disk says that it is whole
			s.held = true
			l.held++
		case s.rebuilt:
			l.remade++
		}
	}
	if l.durable.Offset < l.start && len(l.segments) > 0 {
		l.durable = l.markOfStart()
	}
	return l
}

// safeMark is the last place known exactly that is not above safe: the end, or where a segment begins.
func (l *Log) safeMark(safe int64) Mark {
	if safe >= l.end.Offset || len(l.segments) == 0 {
		return l.end
	}
	s := &l.segments[l.segmentOf(safe)]
	return Mark{Offset: s.base, Segment: s.base}
}

// Reopen opens the files of a Restored log, under ids of the log's owner, and writes the indexes that the Recovery had to
// make again: a segment at a time, as long as take allows it. False: there is more to do.
func (l *Log) Reopen(take func() bool, fx *seam.Effects) (done bool) {
	for ; l.reopening < len(l.segments) && !l.reopened; l.reopening++ {
		if !take() {
			return false
		}
		s := &l.segments[l.reopening]
		s.file = l.reopenFile(present, s.base, ".log", sideOpen, fx)
		s.indexThere, s.timeThere = s.indexFile != 0, s.timeFile != 0
		s.indexFile = l.reopenFile(s.indexFile, s.base, ".index", sideDerived, fx)
		s.timeFile = l.reopenFile(s.timeFile, s.base, ".timeindex", sideDerived, fx)
		l.maybeRewrite(s, fx)
	}
	if !l.reopened {
		l.reopened = true
		l.trim()
	}
	return true
}

// RewriteIndexes writes the indexes of one segment that readers found wrong and have made again, or that Retry has found not
// to be written, if there is any. A Restored log is reopened first.
func (l *Log) RewriteIndexes(fx *seam.Effects) {
	if !l.reopened || l.remade > 0 {
		l.rewriteIndexes(fx)
	}
}

func (l *Log) rewriteIndexes(fx *seam.Effects) {
	l.Reopen(func() bool { return true }, fx)
	for i := range l.segments {
		if l.maybeRewrite(&l.segments[i], fx) {
			return
		}
	}
}

func (l *Log) maybeRewrite(s *segment, fx *seam.Effects) bool {
	if !s.rebuilt || s.held {
		return false
	}
	s.rebuilt = false
	l.remade--
	l.writeIndexes(s, fx)
	fx.Events = append(fx.Events, seam.Event{Kind: seam.IndexRebuilt, Topic: l.Topic, Partition: l.Partition, A: s.base})
	return true
}

func (l *Log) reopenFile(found seam.File, base int64, suffix string, kind sideKind, fx *seam.Effects) seam.File {
	if found == 0 {
		return 0
	}
	if kind == sideOpen {
		l.unopened++
	}
	file, op := l.numbers.File(), l.numbers.Op()
	l.side = append(l.side, sideOp{op: op, kind: kind, file: file, base: base})
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Open, File: file, Path: l.path(base, suffix)})
	return file
}

// Opening says whether a file of a restored log is not open yet: until then nothing of it may be promised to a reader.
func (l *Log) Opening() bool {
	return !l.reopened || l.unopened > 0
}

// onReopened: the Recovery has just read the file, so one that cannot be opened is a fault of the disk. A segment that
// has to be written or synced is one that the log cannot do without; of another one the readers will be told.
func (l *Log) onReopened(side sideOp, fault seam.Fault, fx *seam.Effects) {
	l.unopened--
	s := l.based(side.base)
	if s == nil { // it lies below the start
		based(l.trimmed, side.base).opening = fault != seam.OK
		return
	}
	if s.opening = fault != seam.OK; !s.opening {
		return
	}
	if !s.closed || s.unsynced() {
		l.dead = fault
	}
	fx.Events = append(fx.Events, seam.Event{
		Kind: seam.SegmentUnreadable, Topic: l.Topic, Partition: l.Partition, A: side.base,
		Text: l.path(side.base, ".log").Name + ": " + fault.String(),
	})
}
