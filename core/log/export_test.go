package log

import (
	"fmt"

	"rookery/core/seam"
)

// SegmentFacts is what tests see of a segment.
type SegmentFacts struct {
	Base, Next, Size, Done int64
	Closed, OnDisk, Timed  bool
	Created                int64
	IndexFile, TimeFile    seam.File
	Offsets, Times         []byte // of the index in memory, as its files would be
}

// Segments is what tests see of a log.
func (l *Log) Segments() (out []SegmentFacts) {
	for i := range l.segments {
		s := &l.segments[i]
		x := s.index
		x.Times = append([]TimeEntry(nil), x.Times...)
		if s.closed {
			x.Close(s.base)
		}
		out = append(out, SegmentFacts{s.base, s.next, s.size, s.done, s.closed, s.onDisk, s.timed, int64(s.created), s.indexFile, s.timeFile, x.EncodeOffsets(), x.EncodeTimes()})
	}
	return out
}

// Forget drops what is in memory of the newest batches' places, so that a search is a cold one.
func (l *Log) Forget() {
	l.recent = recent{}
	for i := range l.segments {
		if s := &l.segments[i]; s.onDisk {
			s.index.Offsets = nil
		}
	}
}

// BusyWith says what is under way.
func (l *Log) BusyWith() string {
	out := fmt.Sprintf("side %+v folder %d root %d", l.side, l.opFolder, l.opRoot)
	for i := range l.segments {
		out += fmt.Sprintf(" sync %d", l.segments[i].opSync)
	}
	return out
}
