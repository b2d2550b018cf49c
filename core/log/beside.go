package log

import "rookery/core/seam"

// Beside is a small file of the producers that stands beside the segments. It is named by the offset that it speaks of.
type Beside struct {
	Suffix  string
	Content []byte
}

// beside is such a file on its way to its name. It gets there whole or not at all; where a segment begins a snapshot
// gets there durably. Once the segments before are gone nothing else tells what was in them.
type beside struct {
	at       int64
	suffix   string
	late     bool // it was missing: the one of the roll is not there
	replaces Replacement
}

const (
	snapshotSuffix = ".snapshot"
	windowSuffix   = ".window"
)

// putBeside begins to write what the owner knows of its producers at an offset.
func (l *Log) putBeside(at int64, late bool, files []Beside, fx *seam.Effects) {
	for _, f := range files {
		x := beside{at: at, suffix: f.Suffix, late: late}
		x.replaces = Replacement{Path: l.path(at, f.Suffix), Durable: f.Suffix == snapshotSuffix && l.based(at) != nil, Numbers: &l.numbers}
		x.replaces.Offer(f.Content, fx)
		l.beside = append(l.beside, x)
	}
}

// besideWrote takes a completion, if it is one of such a file.
func (l *Log) besideWrote(in *seam.Wrote, fx *seam.Effects) bool {
	for i := range l.beside {
		if l.beside[i].replaces.Wrote(in, fx) {
			l.besideDone(i)
			return true
		}
	}
	return false
}

// SnapshotSynced takes the completion of a Sync, if it is one of the producers' snapshots'. EmitSyncs has not counted it.
func (l *Log) SnapshotSynced(in *seam.Synced, fx *seam.Effects) bool {
	return len(l.beside) > 0 && l.snapshotSynced(in, fx)
}

func (l *Log) snapshotSynced(in *seam.Synced, fx *seam.Effects) bool {
	for i := range l.beside {
		if l.beside[i].replaces.Synced(in, fx) {
			l.besideDone(i)
			return true
		}
	}
	return false
}

func (l *Log) besideDone(i int) {
	x := &l.beside[i]
	if x.replaces.Busy() {
		return
	}
	at, failed := x.at, x.replaces.Fault() != seam.OK
	note, late := x.suffix == snapshotSuffix, x.late
	l.beside = append(l.beside[:i], l.beside[i+1:]...)
	if !note {
		return
	}
	if l.noSnapshot = failed && (late || l.noSnapshot); failed {
		return
	}
	if s := l.based(at); s != nil {
		s.snapped = true
	}
}

// Unsnapped is where the producers' snapshot is missing that a log needs which begins at start: what lies before goes, or
// has gone, and a start of the broker could not find out about those producers any more. underWay: it is being written.
func (l *Log) Unsnapped(start int64) (base int64, missing, underWay bool) {
	if len(l.segments) == 0 || !l.reopened || l.closed {
		return 0, false, false
	}
	i := 0
	if start > l.start {
		i = l.segmentOf(start)
	}
	s := &l.segments[i]
	if s.base == 0 || s.snapped || l.noSnapshot {
		return 0, false, false
	}
	underWay = i > 0 && !l.segments[i-1].indexed
	for j := range l.beside {
		underWay = underWay || l.beside[j].at == s.base
	}
	return s.base, !underWay, underWay
}

// Tidy says whether no file below the log's start is left, and the snapshot that stands for them is there.
func (l *Log) Tidy() bool {
	return len(l.trimmed) == 0 && len(l.segments) > 0 && (l.segments[0].snapped || l.segments[0].base == 0)
}

// WriteSnapshot writes the snapshot that is missing.
func (l *Log) WriteSnapshot(base int64, fx *seam.Effects, files ...Beside) {
	l.putBeside(base, true, files, fx)
}

// Retry lets what lies beside the segments and could not be written be tried again, and says whether there is any.
func (l *Log) Retry() (failed bool) {
	failed, l.noSnapshot = l.noSnapshot, false
	if !l.unwritten {
		return failed
	}
	l.unwritten = false
	for i := range l.segments {
		if s := &l.segments[i]; s.lost && s.closed && s.indexed && !s.suspect && !s.rebuilt {
			s.lost, s.rebuilt, failed = false, true, true
			l.remade++
		}
	}
	return failed
}
