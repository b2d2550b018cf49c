// Package loop drives one machine: it hands it what happened, one input at a time, and gives what it answers to the
// drivers of disk, connections and peers.
//
//	Post ──▶ waiting ──▶ ┌─ turn ─────────────────────────────┐
//	                     │ Step, Step, ... ; Queue the effects │──▶ chores: pwritev, writev, events (after the turn)
//	                     └────────────────────────────────────┘          └──▶ Post what came back
//
// Rules:
//   - Whoever arrives takes the turn: a goroutine that finds the machine free steps all that waits; one that finds it
//     busy leaves its input to the holder, who looks again after giving up the turn, so that no input is forgotten.
//   - Whoever asks one thing at a time does not wait for what a flood has sent ahead (lanes.go), nor for long until an
//     answer that is decided is sent: a goroutine that has stepped for a while does the chores before it steps more.
//   - Effects are queued inside the turn (that keeps the order law 2 asks for) and carried out after it, so a slow
//     disk or a slow reader never holds the machine. Nor does it hold up for long what else its goroutine has taken on: that
//     goes on on another (work.go).
//   - Post copies the input; the machine sees a struct of the loop's own, good for one Step.
//   - Nobody waits in a busy loop: the alarm is one timer.
//   - A panic in a Step is reported to Config.Broken and then goes on: it ends the process.
package loop

import (
	"runtime/debug"
	"sync"
	"sync/atomic"

	"rookery/core/seam"
)

// Chore is work that a driver hands back from the turn, to be done after it; true means do it again.
type Chore = interface{ Do() (again bool) }

// Driver takes its part of a turn's effects, inside the turn, and appends what must be done after it.
type Driver interface {
	Queue(fx *seam.Effects, ready []Chore) []Chore
}

// Disk is the machine's way to its files.
type Disk interface {
	Driver
	Recycle(data []byte) // the Data of a Loaded, which has been stepped
}

// Conns are the machine's client connections.
type Conns interface {
	Driver
	Finish(conn seam.Conn) bool // in the turn: whether a Hangup that was posted may be stepped, or another will follow
}

// Peers are the machine's links to other processes.
type Peers interface {
	Driver
	Told(mail *seam.Mail) // in the turn: the machine is about to learn what became of a link
}

// Config is what a loop drives and what it drives it with.
type Config struct {
	Machine seam.Machine
	Clock   func() seam.Now  // nil: Clock()
	Mono    func() seam.Mono // of the same origin, for Turned; nil: turns are not timed
	Disk    func(mail *Loop, calm bool) Disk
	Conns   Conns                           // nil: none
	Peers   Peers                           // nil: none
	Make    func(seam.Address) seam.Machine // Recovery and Cleaner machines; nil: none
	Event   func(seam.Event)                // called in order, one at a time; nil: nobody listens
	Tape    *Tape                           // nil: not recorded
	Broken  func(cause any, stack []byte)   // a Step has panicked; the panic goes on when it returns

	// Turned, if set, is told in the turn, at its end, how many Steps it had and how long they took. It is told of one turn
	// in every of the first machine's, and never of another machine's.
	Turned func(steps, every int, took seam.Mono)
}

// Loop drives one machine.
type Loop struct {
	config  Config
	address seam.Address
	parent  *Loop
	disk    Disk

	lanes lanes
	aided atomic.Bool // a goroutine has been called that has not begun

	turn        sync.Mutex // guards what follows
	fx          seam.Effects
	now         seam.Now // of the step under way
	struck      inputs
	steps       int64
	turns       int64
	alarm       seam.Mono // what the machine wished for; Never: nothing
	called      bool      // an Alarm was posted for it, and is not taken yet
	outstanding int       // disk effects that have not come back
	reported    bool      // a child has written to its parent
	children    map[seam.Address]*Loop
	gone        bool   // guarded by the lanes' mu too
	entry       []byte // of the tape

	events *events
	ringer ringer
}

// New is a loop that has not stepped its machine yet.
func New(config Config) *Loop {
	return newLoop(config, seam.Address{Kind: seam.ToBroker}, nil)
}

func newLoop(config Config, address seam.Address, parent *Loop) *Loop {
	if config.Clock == nil {
		config.Clock = Clock()
	}
	l := &Loop{config: config, address: address, parent: parent, alarm: seam.Never, children: map[seam.Address]*Loop{}}
	if config.Disk != nil {
		l.disk = config.Disk(l, parent != nil)
	}
	l.events = &events{tell: config.Event}
	if parent != nil {
		l.events = parent.events
	}
	l.fx.Reset()
	l.ringer.init(l)
	return l
}

// Clock is the real time: Mono from the process's monotonic clock, Wall from the system's.
func Clock() func() seam.Now {
	clock, _ := Watches()
	return clock
}

// Post leaves an input for the machine and returns at once. Somebody has to Run.
func (l *Loop) Post(in seam.Input) {
	var sealed letter
	sealed.seal(in)
	l.lanes.add(&sealed)
}

// Push posts one input and runs the machine.
func (l *Loop) Push(in seam.Input) {
	l.Post(in)
	l.Run()
}

// roundsMax is how long a goroutine that came with one input may be kept busy with what others brought.
const roundsMax = 64

// Run steps what waits and carries out what came of it, in turns, unless somebody else is at it.
func (l *Loop) Run() {
	if l.lanes.waiting.Load() == 0 {
		return
	}
	w := works.Get().(*work)
	w.loop = l
	if !l.carry(w, roundsMax) {
		go l.carryOn(w)
		return
	}
	works.Put(w)
}

func (l *Loop) carryOn(w *work) {
	for !l.carry(w, roundsMax) {
	}
	works.Put(w)
}

// carry alternates turns and chores until neither is left, and reports whether it came to that.
func (l *Loop) carry(w *work, rounds int) bool {
	for ; rounds > 0; rounds-- {
		l.takeTurns(w)
		if len(w.chores) == 0 {
			return true
		}
		w.do()
	}
	return false
}

// turnMax is how long there are steps before what came of them is carried out: those who flood us never let the lanes be
// empty, and an answer that was decided first must not wait for them.
const turnMax = 100 * seam.Microsecond

// takeTurns steps until nothing waits, it was long enough, or somebody else does it. It looks again after each turn: an input
// whose owner found the turn taken must not wait for the chores, which may last.
func (l *Loop) takeTurns(w *work) {
	w.until = seam.Never
	for l.lanes.waiting.Load() > 0 && l.turn.TryLock() {
		over := l.takeTurn(w)
		l.turn.Unlock()
		if over {
			if l.lanes.waiting.Load() > 0 {
				l.callAid()
			}
			return
		}
	}
}

// callAid has another goroutine go on while somebody does chores. One that is called and has not begun is enough for all of them: it
// looks for letters after it has said that it has begun.
func (l *Loop) callAid() {
	if !l.aided.Swap(true) {
		go l.aid()
	}
}

func (l *Loop) aid() {
	l.aided.Store(false)
	l.Run()
}

// takeTurn steps what waits, and says whether it was long enough. The turn is held.
func (l *Loop) takeTurn(w *work) (over bool) {
	if l.config.Broken != nil {
		defer l.tellBroken()
	}
	began, steps := seam.Mono(0), 0
	for !over && l.lanes.waiting.Load() > 0 {
		some := l.lanes.take(clockEvery - steps%clockEvery)
		if steps%clockEvery == 0 {
			l.now = l.config.Clock()
			if steps == 0 {
				began = l.now.Mono
				w.until = min(w.until, began+turnMax)
			}
			over = l.now.Mono >= w.until
		}
		for i := range some {
			w.chores = l.stepLetter(&some[i], w.chores)
			some[i] = letter{}
		}
		steps += len(some)
	}
	if !l.called {
		l.ringer.set(l.alarm) // it may be past by now: the clock has gone on while the turn lasted
	}
	l.maybeFinish()
	l.steps += int64(steps)
	l.tellTurn(began, steps)
	return over
}

func (l *Loop) tellBroken() {
	if cause := recover(); cause != nil {
		l.config.Broken(cause, debug.Stack())
		panic(cause)
	}
}

// clockEvery is how many Steps share one reading of the clock, which costs half as much as a Step.
const clockEvery = 16

// stepLetter steps one input and queues what the Step asked for, before the next: within one Step the order of a file's
// effects is names and lengths, writes, reads; between Steps it is the order of Steps.
func (l *Loop) stepLetter(from *letter, ready []Chore) []Chore {
	in := from.open(&l.struck)
	switch in := in.(type) {
	case *seam.Hangup:
		if l.config.Conns != nil && !l.config.Conns.Finish(in.Conn) {
			return ready
		}
	case *seam.Alarm:
		l.called = false
		if l.alarm == seam.Never || l.now.Mono < l.alarm {
			return ready // it was answered meanwhile
		}
		l.alarm = seam.Never
	case *seam.Wrote, *seam.Synced, *seam.Loaded:
		l.outstanding--
	case *seam.Mail:
		if l.config.Peers != nil && in.Frame == nil {
			l.config.Peers.Told(in)
		}
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Stop:
	}
	l.step(in)
	if loaded, is := in.(*seam.Loaded); is && l.disk != nil && loaded.Data != nil {
		l.disk.Recycle(loaded.Data)
	}
	return l.queueEffects(ready)
}

// step hands one input to the machine.
func (l *Loop) step(in seam.Input) {
	if l.config.Tape == nil {
		l.config.Machine.Step(l.now, in, &l.fx)
	} else {
		l.entry = l.config.Tape.begin(l.entry[:0], l.address, l.now, in)
		l.config.Machine.Step(l.now, in, &l.fx)
		l.config.Tape.end(l.entry, &l.fx)
	}
	l.wish(l.fx.Alarm)
}

// wish remembers the earliest time the machine asked for since the last Alarm. A time that is past asks at once, but
// behind what waits already of the first lane.
func (l *Loop) wish(at seam.Mono) {
	if at < l.alarm {
		l.alarm = at
		if at <= l.now.Mono && !l.called {
			l.called = true
			l.Post(&seam.Alarm{})
		}
	}
}

// queueEffects hands a Step's effects to their drivers.
func (l *Loop) queueEffects(ready []Chore) []Chore {
	fx := &l.fx
	l.outstanding += len(fx.Writes) + len(fx.Syncs) + len(fx.Files) + len(fx.Reads)
	if l.config.Conns != nil {
		ready = l.config.Conns.Queue(fx, ready)
	}
	if l.config.Peers != nil {
		ready = l.config.Peers.Queue(fx, ready)
	}
	if l.disk != nil {
		ready = l.disk.Queue(fx, ready)
	}
	if len(fx.Sends) > 0 {
		l.deliver(fx.Sends)
	}
	if len(fx.Events) > 0 && l.events.push(fx.Events) {
		ready = append(ready, l.events)
	}
	fx.Reset()
	return ready
}
