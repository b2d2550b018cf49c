package log

import (
	"rookery/core/batch"
	"rookery/core/seam"
)

// healBytes is what is read at once of a segment whose index is in doubt.
const healBytes = 1 << 20

// Heal asks for a piece of the oldest closed segment whose index a reader has found wrong, if there is any. Walks make such an
// index again as they go, but perhaps nobody walks to the segment's end, and until then it is not compacted. The answer is
// Healed's.
func (l *Log) Heal(fx *seam.Effects) {
	if !l.inDoubt || l.opHeal != 0 || !l.reopened || l.closed || l.Broken() || l.Opening() {
		return
	}
	l.inDoubt = false
	for i := range l.segments {
		s := &l.segments[i]
		if !s.suspect || s.spared {
			continue
		}
		l.inDoubt = true
		if s.closed && s.done == s.size {
			l.opHeal, l.healBase, l.healAt = l.numbers.Op(), s.base, s.seen
			fx.Reads = append(fx.Reads, seam.Read{Op: l.opHeal, File: s.file, At: s.seen, Len: int32(min(s.done-s.seen, healBytes))})
			return
		}
	}
}

// Healed takes the Read of Heal, if it is this one. more: the index is longer for it, and may be made longer still at once;
// what cannot be read, or is no batch, waits for who asks again.
func (l *Log) Healed(in *seam.Loaded) (more, mine bool) {
	if in.Op != l.opHeal || in.Op == 0 {
		return false, false
	}
	l.opHeal = 0
	s := l.based(l.healBase)
	if s == nil || !s.suspect || in.Fault != seam.OK || s.seen != l.healAt {
		return false, true
	}
	for rest := in.Data; len(rest) >= batch.HeaderSize; {
		view := batch.View(rest)
		if !s.holds(view, s.seen) {
			break
		}
		l.see(s, view, s.seen)
		rest = rest[min(view.Size(), int64(len(rest))):]
	}
	return s.seen > l.healAt, true
}

// Unspare: what Spare has emptied does not go after all, and is made again.
func (l *Log) Unspare() {
	for i := range l.segments {
		if s := &l.segments[i]; s.spared {
			s.spared, l.inDoubt = false, true
		}
	}
}
