package world

import (
	"fmt"

	"rookery/core/seam"
	"rookery/sim/check"
)

// Parts makes the machines of a node. Seeds are what a configuration would hand them.
type Parts struct {
	Broker func(life int) seam.Machine
	Actor  func(to seam.Address) seam.Machine               // a Recovery or a Cleaner; nil: there are none
	Body   func(life int, conn seam.Conn, frame []byte) any // what the connection's goroutine makes of a frame
	Freed  func(body any)                                   // its frame's lease was freed: by then the driver's is another frame's

	// Rewrite appends to into what becomes of a batch by a codec and a level, as the driver's does.
	Rewrite func(data []byte, codec uint8, level int32, into []byte) []byte
}

// World is one run.
type World struct {
	Tape   *Tape
	Rates  Rates
	Counts Counts
	Laws   *check.Counts
	Node   *Node

	// Patience is how long a driver waits for a disk before it answers Late.
	Patience seam.Mono
	// StepEffects is how many effects one Step of a Broker may ask for; 0: a great many.
	StepEffects int
	// Forgiving answers NotFound to effects on files that are not open, as the drivers do, instead of ending the run.
	Forgiving bool
	// Watch is called after each Step of a Broker; nil: the V laws are not evaluated.
	Watch func(n *Node, broker seam.Machine)
	// Muted is until when a broker leaves a connection unread because it has used up a quota, or because answers wait there
	// behind a fetch that waits, or 0; nil: it never does.
	Muted func(broker seam.Machine, conn seam.Conn) seam.Mono
	// OnEvent is called for each Event of a node's machines.
	OnEvent func(n *Node, e *seam.Event)
	// Remote is the address of a client, as its broker sees it; nil: its name.
	Remote func(client string) string
	// OnStart is called when a process begins.
	OnStart func(n *Node)
	// OnDark is called when the disk of a log directory has lost its power, with what was not synced, under a process.
	OnDark func(n *Node, dir int32)
	// OnEnd is called when the process is gone.
	OnEnd func(n *Node, powerLost bool)
	// OnCarry is called when an operator has moved a folder while no process ran.
	OnCarry func(from, to seam.Path)
	// Log, if not nil, is told each step in words.
	Log func(line string)

	now      seam.Mono
	queue    queue
	hash     seam.Digest
	steps    int
	events   int
	failure  error
	clients  []*actor
	nextConn seam.Conn

	delays, slow, crashes, network, disk, nemesis, power, clock, sloth *Stream
}

// New makes a world with one node that is not running yet.
func New(tape *Tape, rates Rates, parts Parts, dirs int) *World {
	w := &World{
		Tape: tape, Rates: rates, Laws: &check.Counts{}, Patience: 20 * seam.Second,
		delays: tape.Stream("delay"), slow: tape.Stream("slow"), crashes: tape.Stream("crash"),
		network: tape.Stream("network"), disk: tape.Stream("disk"), nemesis: tape.Stream("nemesis"),
		power: tape.Stream("power"), clock: tape.Stream("clock"), sloth: tape.Stream("sloth"),
	}
	w.Node = &Node{world: w, parts: parts, Disk: NewDisk(dirs), breaks: make([]breakage, dirs), wallOffset: 1_700_000_000_000}
	return w
}

// Now is the virtual time.
func (w *World) Now() seam.Mono { return w.now }

// Steps is how many Steps of machines were made.
func (w *World) Steps() int { return w.steps }

// Hash is the digest of every Step's effects so far, and of how many choices were asked for.
func (w *World) Hash() uint64 {
	h := w.hash
	h.Int(uint64(w.Tape.Total()))
	h.Int(uint64(w.now))
	return uint64(h)
}

// Failure is the first law that did not hold; nil while all do.
func (w *World) Failure() error { return w.failure }

// Fail ends the run.
func (w *World) Fail(err error) {
	if w.failure == nil && err != nil {
		w.failure = err
		w.logf("FAILED %v", err)
	}
}

func (w *World) require(holds bool, law check.Law, format string, args ...any) bool {
	return w.holds(holds, law) || w.broken(law, format, args...)
}

// holds and broken are require in two: where a law is asked of each effect, its words are put together only when it is
// broken.
func (w *World) holds(holds bool, law check.Law) bool {
	w.Laws[law]++
	return holds
}

func (w *World) broken(law check.Law, format string, args ...any) bool {
	w.Fail(check.Fail(law, format, args...))
	return false
}

// After runs a function when some time has passed.
func (w *World) After(delay seam.Mono, run func()) {
	w.queue.call(w.now+max(delay, 0), run)
}

// Run lets time pass until there is nothing left to do, the time has come, a law is broken, or done says so.
func (w *World) Run(until seam.Mono, done func() bool) {
	for w.failure == nil && !w.queue.empty() && w.queue.first() <= until {
		e := w.queue.pop()
		w.now = e.at
		w.events++
		e.what.happen()
		if done != nil && done() {
			return
		}
	}
	if w.failure == nil && w.now < until && (done == nil || !done()) {
		w.now = until
	}
}

func (w *World) logf(format string, args ...any) {
	if w.Log != nil {
		w.Log(fmt.Sprintf("%12.6f ", float64(w.now)/1e9) + fmt.Sprintf(format, args...))
	}
}

// delay draws from a table of usual times; now and then something takes far longer.
func (w *World) delay(table *[8]seam.Mono, slowRate int) seam.Mono {
	d := table[w.delays.Choose(8)]
	if w.slow.Chance(slowRate) {
		d *= seam.Mono(20 + 60*w.slow.Choose(8))
	}
	return d
}

// event is something that happens at a moment; events of one moment happen in the order in which they were planned.
type event struct {
	at   seam.Mono
	seq  uint64
	what happening
}

// happening is what an event does: a function, or a struct of which there are too many to make a closure for each.
type happening interface{ happen() }

type call func()

func (c call) happen() { c() }

// queue is a binary heap of events by (at, seq).
type queue struct {
	heap []event
	seq  uint64
}

func (q *queue) empty() bool      { return len(q.heap) == 0 }
func (q *queue) first() seam.Mono { return q.heap[0].at }

func (q *queue) less(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (q *queue) call(at seam.Mono, run func()) { q.push(at, call(run)) }

func (q *queue) push(at seam.Mono, what happening) {
	q.seq++
	q.heap = append(q.heap, event{at, q.seq, what})
	q.rise(len(q.heap) - 1)
}

func (q *queue) rise(i int) {
	for i > 0 {
		up := (i - 1) / 2
		if !q.less(i, up) {
			break
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

// hasten lets events happen earlier: at most at the moment that latest says of each.
func (q *queue) hasten(latest func(what happening) seam.Mono) {
	for i := range q.heap { // what is exchanged with i lay above it, and was asked already
		if at := latest(q.heap[i].what); at < q.heap[i].at {
			q.heap[i].at = at
			q.rise(i)
		}
	}
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && q.less(child+1, child) {
			child++
		}
		if !q.less(child, i) {
			break
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
	return top
}
