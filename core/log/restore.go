package log

import "rookery/core/seam"

// Restore makes the log that a Recovery found. RewriteIndexes comes next: it opens the files.
func Restore(out *Recovered, folder seam.Path, config Config, numbers Numbers) *Log {
	l := New(out.Topic, out.Partition, folder, config, numbers)
	l.segments, l.Epochs, l.recent = out.segments, out.Epochs, out.recent
	l.start, l.next, l.end = out.Start, out.End.Offset, out.End
	l.reopened = false
	if len(l.segments) > 0 { // without one there may be no folder either: nothing is to be synced before Create
		l.names = 1
	}
	if out.named && l.names > 0 {
		l.namesSafe, l.rootSafe = l.names, true
	}
	for i := range l.segments {
		s := &l.segments[i]
		if s.synced = (syncPoint{offset: s.base}); s.next <= out.Safe {
			s.synced = syncPoint{offset: s.next, position: s.size}
		}
		if s.next == out.Safe && !out.named {
			s.cuts = 1 // the last life may have cut something off here and not have synced that
		}
		if s.rebuilt {
			l.remade++
		}
	}
	l.durable = l.safeMark(out.Safe)
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

// RewriteIndexes writes the indexes that had to be made again, by the Recovery or by readers who found them wrong. The
// first time it opens the files of a Restored log too, under ids of the log's owner.
func (l *Log) RewriteIndexes(fx *seam.Effects) {
	if !l.reopened {
		l.reopen(fx)
	}
	if l.remade == 0 {
		return
	}
	for i := range l.segments {
		s := &l.segments[i]
		if !s.rebuilt {
			continue
		}
		s.rebuilt = false
		l.writeIndexes(s, fx)
		fx.Events = append(fx.Events, seam.Event{Kind: seam.IndexRebuilt, Topic: l.Topic, Partition: l.Partition, A: s.base})
	}
	l.remade = 0
}

func (l *Log) reopen(fx *seam.Effects) {
	l.reopened = true
	for i := range l.segments {
		s := &l.segments[i]
		s.opening = true
		s.file = l.reopenFile(present, s.base, ".log", sideOpen, fx)
		s.indexFile = l.reopenFile(s.indexFile, s.base, ".index", sideOther, fx)
		s.timeFile = l.reopenFile(s.timeFile, s.base, ".timeindex", sideOther, fx)
	}
}

func (l *Log) reopenFile(found seam.File, base int64, suffix string, kind sideKind, fx *seam.Effects) seam.File {
	if found == 0 {
		return 0
	}
	file, op := l.numbers.File(), l.numbers.Op()
	l.side = append(l.side, sideOp{op: op, kind: kind, file: file, base: base})
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Open, File: file, Path: l.path(base, suffix)})
	return file
}

// Opening says whether a file of a restored log is not open yet: until then nothing of it may be promised to a reader.
func (l *Log) Opening() bool {
	for i := range l.side {
		if l.side[i].kind == sideOpen {
			return true
		}
	}
	return false
}

// onReopened: the Recovery has just read the file, so one that cannot be opened is a fault of the disk. A segment that
// has to be written or synced is one that the log cannot do without; of another one the readers will be told.
func (l *Log) onReopened(side sideOp, fault seam.Fault, fx *seam.Effects) {
	s := l.segmentAt(side.base)
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
