package loop

import (
	"time"

	"rookery/core/seam"
)

// Watches are both clocks of one origin: all of seam.Now, and its Mono alone, which costs half as much.
func Watches() (clock func() seam.Now, mono func() seam.Mono) {
	began := time.Now()
	clock = func() seam.Now {
		now := time.Now()
		return seam.Now{Mono: seam.Mono(now.Sub(began)) + seam.Second, Wall: seam.Wall(now.UnixMilli())}
	}
	return clock, func() seam.Mono { return seam.Mono(time.Since(began)) + seam.Second }
}

// Status is what a loop shows of itself.
type Status struct {
	Steps    int64 // of this machine since the start
	Waiting  int64 // inputs not stepped
	Children int   // machines that it has made and that are not gone
}

// Look calls see inside the turn, when nothing of the machine moves. It waits for the turn, so nobody who holds it may
// call it, and see must be as short as a Step.
func (l *Loop) Look(see func(Status)) {
	l.turn.Lock()
	children := 0
	for _, child := range l.children {
		if !child.isGone() {
			children++
		}
	}
	see(Status{Steps: l.steps, Waiting: l.lanes.waiting.Load(), Children: children})
	l.turn.Unlock()
	if l.lanes.waiting.Load() > 0 {
		go l.Run() // whoever came meanwhile has left the turn to us; what comes of it may wait for a disk
	}
}

// timedEvery is how many turns there are to each that is timed: a reading of the clock is a third of a short turn.
const timedEvery = 8

// tellTurn tells how long a turn has lasted that began at began, of one turn in timedEvery.
func (l *Loop) tellTurn(began seam.Mono, letters int) {
	if l.config.Turned == nil || l.config.Mono == nil || letters == 0 {
		return
	}
	if l.turns++; l.turns%timedEvery == 0 {
		l.config.Turned(letters, timedEvery, l.config.Mono()-began)
	}
}
