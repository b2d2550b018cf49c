package world

import (
	"fmt"
	"runtime/debug"

	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/sim/check"
)

// stepTime is what a Step costs in virtual time: enough for time to pass under a machine that never rests.
const stepTime = 2 * seam.Microsecond

// spinsMax is how many times in a row a machine may ask to be called again at once.
const spinsMax = 20000

// actor is one machine and its mailbox.
type actor struct {
	world   *World
	node    *Node // nil: a client
	address seam.Address
	name    string
	machine seam.Machine
	dead    bool

	inbox   ordered.Ring[parcel]
	turn    func()    // takeTurn
	turning bool      // a turn is planned
	busy    seam.Mono // no turn before that
	alarm   uint64    // counts alarms asked for, so that an old one is known
	alarmAt seam.Mono // the earliest wish since the last Alarm
	spins   int

	fx       seam.Effects
	ops      map[seam.Op]bool // emitted and not come back
	reported bool             // it has written to its Broker

	links     []*link // of a client, one to each peer
	made      uint64  // how many links there were
	receive   func(now seam.Mono, letter any)
	lettersAt seam.Mono // when the last letter arrives
}

// parcel is an input that waits; poison is what no longer belongs to the machine after the Step.
type parcel struct {
	in     seam.Input
	poison []byte
}

func (w *World) newActor(n *Node, address seam.Address, name string, m seam.Machine) *actor {
	a := &actor{world: w, node: n, address: address, name: name, machine: m, alarmAt: seam.Never, ops: map[seam.Op]bool{}}
	a.turn = a.takeTurn
	return a
}

func (a *actor) push(in seam.Input) { a.pushLent(in, nil) }

// pushLent delivers an input whose bytes are overwritten after the Step.
func (a *actor) pushLent(in seam.Input, lent []byte) {
	if a.dead {
		return
	}
	a.inbox.Push(parcel{in, lent})
	a.planTurn()
}

func (a *actor) planTurn() {
	if a.turning || a.dead || a.node.paused() {
		return
	}
	a.turning = true
	a.world.queue.call(max(a.world.now, a.busy), a.turn)
}

// takeTurn steps the machine once.
func (a *actor) takeTurn() {
	a.turning = false
	if a.dead || a.inbox.Len() == 0 || a.node.paused() {
		return
	}
	p := a.inbox.Pop()
	a.busy = a.world.now + stepTime
	if a.isDue(p.in) && a.step(p.in) {
		poison(p.poison)
		a.perform()
		a.watch()
		a.maybeRetire()
	}
	if a.inbox.Len() > 0 {
		a.planTurn()
	}
}

// isDue says whether an input is still to be stepped.
func (a *actor) isDue(in seam.Input) bool {
	switch in := in.(type) {
	case *seam.Hangup:
		return a.node.mayHangUp(in.Conn)
	case *seam.Alarm:
		a.alarmAt = seam.Never
		return true
	case *seam.Sent:
		a.node.stepsSent(in.Conn)
	case *seam.Rewritten:
		a.node.stepsRewritten(in.Lease)
	case *seam.Mail:
		if a.node == nil && in.Fault != seam.OK {
			a.forget(in.Link)
		}
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Wanting, *seam.Stop:
	}
	a.spins = 0
	return true
}

func (a *actor) watch() {
	w := a.world
	if w.Watch != nil && a.node != nil && !a.dead && len(a.node.leases) == 0 && a.node.Quiet() {
		a.node.checkCredit()
	}
	if w.Watch != nil && a.node != nil && !a.dead && a.address.Kind == seam.ToBroker && w.failure == nil {
		w.Watch(a.node, a.machine)
	}
}

func (a *actor) clock() seam.Now {
	if a.node == nil {
		return seam.Now{Mono: a.world.now, Wall: seam.Wall(1_700_000_000_000 + int64(a.world.now/seam.Millisecond))}
	}
	return a.node.clock()
}

func (a *actor) step(in seam.Input) (alive bool) {
	w := a.world
	w.steps++
	a.fx.Reset()
	defer func() {
		if p := recover(); p != nil {
			w.Laws[check.MachineHolds]++
			w.Fail(check.Fail(check.MachineHolds, "%s on %s: %v\n%s", a.name, describe(in), p, debug.Stack()))
			alive = false
		}
	}()
	now := a.clock()
	a.machine.Step(now, in, &a.fx)
	w.Laws[check.MachineHolds]++
	w.hash.Int(a.address.ID<<8 | uint64(a.address.Kind))
	w.hash.Int(uint64(now.Mono))
	w.hash.Effects(&a.fx)
	if w.Log != nil {
		w.logf("%s <- %s -> %s", a.name, describe(in), summary(&a.fx))
	}
	return w.failure == nil
}

// wish plans the wake-up that the last Step asked for. The earliest wish since the last Alarm counts.
func (a *actor) wish() {
	if a.fx.Alarm >= a.alarmAt {
		return
	}
	w := a.world
	a.alarmAt = a.fx.Alarm
	a.alarm++
	mine, at := a.alarm, w.now+stepTime
	if wait := a.alarmAt - a.clock().Mono; wait > 0 {
		a.spins = 0
		w.Laws[check.NoSpin]++
		at = w.now + wait + seam.Mono(w.delays.Choose(4))*100*seam.Microsecond
	} else if a.spins++; !w.holds(a.spins < spinsMax, check.NoSpin) {
		w.broken(check.NoSpin, "%s asked %d times in a row to be called again at once", a.name, a.spins)
		return
	}
	w.queue.push(at, &waking{a, mine})
}

// waking is the alarm of a machine, which counts unless a later one was asked for.
type waking struct {
	of    *actor
	alarm uint64
}

func (x *waking) happen() {
	if a := x.of; !a.dead && a.alarm == x.alarm {
		a.push(&seam.Alarm{})
	}
}

// answer hands an Op back.
func (a *actor) answer(op seam.Op, in seam.Input, lent []byte) {
	delete(a.ops, op)
	a.pushLent(in, lent)
}

func (a *actor) begin(op seam.Op) bool {
	if !a.world.holds(op != 0 && !a.ops[op], check.OpOnce) {
		return a.world.broken(check.OpOnce, "%s used op %d again", a.name, op)
	}
	a.ops[op] = true
	return true
}

// poison overwrites what is not the machine's any more.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}

// describe says what an input is, in a word or two.
func describe(in seam.Input) string {
	switch in := in.(type) {
	case *seam.Started:
		return fmt.Sprintf("started(%d entries)", len(in.Files))
	case *seam.Opened:
		return fmt.Sprintf("opened(%d)", in.Conn)
	case *seam.Request:
		return fmt.Sprintf("request(conn %d lease %d, %d bytes)", in.Conn, in.Lease, len(in.Frame))
	case *seam.Wanting:
		return fmt.Sprintf("wanting(conn %d, %d bytes)", in.Conn, in.Bytes)
	case *seam.Hangup:
		return fmt.Sprintf("hangup(%d)", in.Conn)
	case *seam.Wrote:
		return fmt.Sprintf("wrote(op %d, %d, %v)", in.Op, in.Bytes, in.Fault)
	case *seam.Synced:
		return fmt.Sprintf("synced(op %d, %v)", in.Op, in.Fault)
	case *seam.Loaded:
		return fmt.Sprintf("loaded(op %d, %d bytes, %v)", in.Op, len(in.Data), in.Fault)
	case *seam.Sent:
		return fmt.Sprintf("sent(op %d, conn %d, %v)", in.Op, in.Conn, in.Fault)
	case *seam.Rewritten:
		return fmt.Sprintf("rewritten(op %d lease %d, %d bytes)", in.Op, in.Lease, len(in.Data))
	case *seam.Mail:
		if in.From.Kind == seam.ToOperator {
			return fmt.Sprintf("mail(%T)", in.Body)
		}
		return fmt.Sprintf("mail(%d/%d link %d, %d bytes, %v)", in.From.Kind, in.From.ID, in.Link, len(in.Frame), in.Fault)
	case *seam.Alarm:
		return "alarm"
	case *seam.Stop:
		return "stop"
	}
	return "nothing"
}

// summary says what effects ask for.
func summary(fx *seam.Effects) string {
	s := ""
	for _, f := range fx.Files {
		s += fmt.Sprintf("%v#%d(file %d %d:%s", f.Deed, f.Op, f.File, f.Path.Dir, f.Path.Name)
		if f.Deed == seam.Rename {
			s += " to " + f.To.Name
		}
		s += fmt.Sprintf(" size %d) ", f.Size)
	}
	for _, x := range fx.Writes {
		s += fmt.Sprintf("write#%d(file %d at %d, %d bytes) ", x.Op, x.File, x.At, len(x.Data))
	}
	for _, x := range fx.Syncs {
		s += fmt.Sprintf("sync#%d(file %d %d:%s) ", x.Op, x.File, x.Folder.Dir, x.Folder.Name)
	}
	for _, x := range fx.Reads {
		s += fmt.Sprintf("read#%d(file %d at %d, %d) ", x.Op, x.File, x.At, x.Len)
	}
	for _, x := range fx.Replies {
		s += fmt.Sprintf("reply#%d(conn %d, %d bytes, %d ranges) ", x.Op, x.Conn, len(x.Head), len(x.Body))
	}
	for _, x := range fx.Rewrites {
		s += fmt.Sprintf("rewrite#%d(conn %d, %d bytes, codec %d) ", x.Op, x.Conn, len(x.Data), x.Codec)
	}
	for _, x := range fx.Sends {
		if s += fmt.Sprintf("send(to %d/%d, %d bytes", x.To.Kind, x.To.ID, len(x.Data)); x.Body != nil {
			s += fmt.Sprintf(", %T", x.Body)
		}
		s += ") "
	}
	for _, x := range fx.Reading {
		s += fmt.Sprintf("credit(conn %d, %d, cut %v) ", x.Conn, x.Bytes, x.Cut)
	}
	for _, l := range fx.Frees {
		s += fmt.Sprintf("free(%d) ", l)
	}
	for _, e := range fx.Events {
		s += fmt.Sprintf("event(%d %s-%d %d %d %s) ", e.Kind, e.Topic, e.Partition, e.A, e.B, e.Text)
	}
	return s
}
