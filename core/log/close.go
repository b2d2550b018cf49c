package log

import (
	"rookery/core/must"
	"rookery/core/seam"
)

// Empty says whether the log has no segment at all: a crash came between the folder and its first file.
func (l *Log) Empty() bool { return len(l.segments) == 0 }

// Close writes the derived files of the active segment, so that a clean start need not walk it. Everything is durable
// already, and nothing may be appended any more.
func (l *Log) Close(fx *seam.Effects, beside ...Beside) {
	must.Be(l.planned.Len() == 0 && l.durable.Offset == l.end.Offset, "L13: a log is closed when it is durable to its end")
	l.closed = true
	if len(l.segments) == 0 || l.active().indexed {
		return
	}
	l.active().closed = true
	l.CloseSegment(l.active().base, fx, beside...)
}
