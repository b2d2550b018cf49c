package loop

import (
	"sync"
	"sync/atomic"
	"time"

	"rookery/core/seam"
)

// work is what a goroutine has taken on. A chore may last as long as a disk that does not answer, and what is behind it may
// be of another disk, or of a client: a timer looks whether the goroutine gets on, and hands the rest to another if not.
//
//	chores ─▶ one is done ─▶ next, if it wants to be done again
//	   └────── stuckAfter ──────┴──▶ a goroutine of their own, unless stuckMax wait for theirs already
type work struct {
	loop  *Loop
	until seam.Mono // when what was stepped is to be carried out; Never: nothing was stepped yet

	mu      sync.Mutex // guards these while the chores are done; else they are the goroutine's own
	chores  []Chore
	at      int // the first of chores that is not begun
	next    []Chore
	doing   bool
	begun   uint64 // chores, ever
	seen    uint64 // begun, when the timer last looked
	watched bool   // the timer is set
	stuck   bool   // what was behind its chore was handed over
	timer   *time.Timer
}

var works = sync.Pool{New: func() any { return new(work) }}

// stuckNow counts those of the process whose chore lasts.
var stuckNow atomic.Int64

// stuckMax bounds the threads that chores which do not come back take beyond those of who brings them: 10,000 end the process.
const stuckMax = 1000

// stuckAfter is how long a chore may last, at least, before those behind it are done elsewhere. The timer looks once in it.
const stuckAfter = 100 * time.Millisecond

// do does each chore once and keeps those that want it again.
func (w *work) do() {
	for chore := w.begin(); chore != nil; chore = w.begin() {
		if chore.Do() {
			w.mu.Lock()
			w.next = append(w.next, chore)
			w.mu.Unlock()
		}
	}
}

// begin is the chore to be done now; nil: each was done, and what wants it again has taken their place.
func (w *work) begin() Chore {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stuck {
		w.stuck = false
		stuckNow.Add(-1)
	}
	if w.at == len(w.chores) {
		w.chores, w.next, w.at, w.doing = w.next, w.chores[:0], 0, false
		return nil
	}
	chore := w.chores[w.at]
	w.chores[w.at] = nil
	w.at, w.begun, w.doing = w.at+1, w.begun+1, true
	if !w.watched && w.isWaitedFor() {
		w.watch()
	}
	return chore
}

// isWaitedFor says whether there is more than the chore under way, or what has come of those before it is to be stepped; mu is held.
func (w *work) isWaitedFor() bool {
	return w.doing && (len(w.chores)-w.at+len(w.next) > 0 || w.loop.lanes.waiting.Load() > 0)
}

// watch sets the timer; mu is held.
func (w *work) watch() {
	w.watched, w.seen = true, w.begun
	if w.timer == nil {
		w.timer = time.AfterFunc(stuckAfter, w.look)
		return
	}
	w.timer.Reset(stuckAfter)
}

// look is called by the timer. It is not set again before there is something to look after.
func (w *work) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched = false
	switch {
	case !w.isWaitedFor():
	case len(w.chores) == w.at && len(w.next) == 0:
		w.loop.callAid()
	case w.begun == w.seen && stuckNow.Load() < stuckMax:
		w.handOver()
	default:
		w.watch()
	}
}

// handOver has another goroutine do all but the chore under way; mu is held.
func (w *work) handOver() {
	w.stuck = true
	stuckNow.Add(1)
	rest := works.Get().(*work)
	rest.loop = w.loop
	rest.chores = append(append(rest.chores, w.chores[w.at:]...), w.next...)
	clear(w.chores[w.at:])
	clear(w.next)
	w.chores, w.next = w.chores[:w.at], w.next[:0]
	go rest.loop.carryOn(rest)
}
