package world

import (
	"fmt"
	"maps"
	"slices"

	"rookery/core/seam"
	"rookery/sim/check"
)

// Node is one computer: a disk that outlives everything, and at most one process with a Broker and what belongs to it.
type Node struct {
	Disk  *Disk
	Life  int  // counts the processes there were
	Up    bool // a process runs
	Ready bool // it has said so
	Shut  bool // nobody may connect
	// SetBack is by how many milliseconds the clock was set back, all told.
	SetBack int64
	// GivenUp says that it cannot go on, and is about to end: nothing of it is quiet any more.
	GivenUp bool
	// Stopped says that the last life ended in order.
	Stopped bool

	world  *World
	parts  Parts
	actors []*actor // the Broker first

	outstanding int        // operations of the disk, letters and replies under way
	pending     []*pending // those that a death may leave half done
	answers     []*answer  // that serve again
	conns       map[seam.Conn]*link
	files       map[seam.File]*handle
	usedFiles   map[seam.File]bool
	leases      map[seam.Lease]*lease
	nextLease   seam.Lease
	stopped     func()

	wallOffset  int64 // what the wall clock shows more than the time since the beginning, in milliseconds
	monoOrigin  seam.Mono
	pausedUntil seam.Mono
	hungUntil   seam.Mono
	breaks      []breakage // of each log directory
	fullUntil   seam.Mono
}

// pending is an operation that nothing orders, and what a death may leave of it.
type pending struct {
	done  bool
	carry func()
}

// lease is a frame lent to the machine.
type lease struct {
	frame []byte
	conn  seam.Conn
	body  any
}

func (n *Node) clock() seam.Now {
	w := n.world
	return seam.Now{Mono: w.now + n.monoOrigin, Wall: seam.Wall(n.wallOffset + int64(w.now/seam.Millisecond))}
}

// Stopping says whether the process was asked to end, or has ended.
func (n *Node) Stopping() bool { return n.stopped != nil || n.Stopped || !n.Up }

// Mono is what the clock shows by which the process reckons how long something takes.
func (n *Node) Mono() seam.Mono { return n.clock().Mono }

// Wall is what the node's wall clock shows.
func (n *Node) Wall() int64 { return int64(n.clock().Wall) }

func (n *Node) full() bool { return n.fullUntil > n.world.now }

// Broker is the process's Broker; nil while none runs.
func (n *Node) Broker() seam.Machine {
	if !n.Up {
		return nil
	}
	return n.actors[0].machine
}

// Start begins a new process on what the disk holds.
func (n *Node) Start() {
	if n.Up {
		return
	}
	w := n.world
	n.Life++
	n.Up, n.Ready, n.Stopped, n.GivenUp = true, false, false, false
	n.monoOrigin = seam.Second + seam.Mono(w.clock.Choose(4))*1000*seam.Second
	n.outstanding, n.pending, n.stopped = 0, nil, nil
	n.files, n.usedFiles = map[seam.File]*handle{}, map[seam.File]bool{}
	n.conns, n.leases = map[seam.Conn]*link{}, map[seam.Lease]*lease{}
	broker := w.newActor(n, seam.Address{Kind: seam.ToBroker}, fmt.Sprintf("broker.%d", n.Life), n.parts.Broker(n.Life))
	n.actors = []*actor{broker}
	w.logf("START life %d", n.Life)
	if w.OnStart != nil {
		w.OnStart(n)
	}
	broker.push(n.started())
}

// Stop asks the process to end in order; then is called once it has, or once it was killed because it did not.
func (n *Node) Stop(patience seam.Mono, then func(clean bool)) {
	w, life := n.world, n.Life
	n.stopped = func() {
		w.Counts[StoppedCleanly]++
		w.Laws[check.StopsInTime]++
		n.Stopped = true
		n.kill("stopped")
		then(true)
	}
	w.logf("STOP")
	n.actors[0].push(&seam.Stop{})
	n.stopsSoon(life)
	w.After(patience, func() {
		if n.Up && n.Life == life {
			n.kill("it did not stop")
			then(false)
		}
	})
}

// stopWithin is how long a stop may take: some answers of a disk one after the other, the slowest of which takes five seconds
// where nothing is wrong with it.
const stopWithin = 30 * seam.Second

// stopsSoon: a process that was asked to end has done so in time, counted from when the disk was in order.
func (n *Node) stopsSoon(life int) {
	w := n.world
	since, errors := w.now, n.diskErrors()
	w.After(stopWithin, func() {
		switch {
		case !n.Up || n.Life != life || n.GivenUp:
		case n.heldUpUntil() > since || n.diskErrors() > errors:
			n.stopsSoon(life)
		default:
			w.require(false, check.StopsInTime, "life %d was asked to stop, and %v later, in which the disk did all that it was asked, it runs", life, stopWithin)
		}
	})
}

// heldUpUntil is when the process last was paused, or its disk hung or full.
func (n *Node) heldUpUntil() seam.Mono {
	until := max(n.pausedUntil, n.hungUntil, n.fullUntil)
	for i := range n.breaks {
		until = max(until, n.breaks[i].hungUntil)
	}
	return until
}

// diskErrors is how often the disk did not do what it was asked.
func (n *Node) diskErrors() (errors int) {
	for _, count := range n.world.Counts[WriteFailed : AnsweredLate+1] {
		errors += count
	}
	return errors
}

// Kill ends the process as kill -9 does: the page cache survives, and of what was under way some was done.
func (n *Node) Kill() {
	n.world.Counts[Killed]++
	n.kill("killed")
}

func (n *Node) kill(why string) {
	if !n.Up {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(n.files)) {
		n.files[id].abandon()
	}
	for _, p := range n.pending {
		if !p.done && p.carry != nil && n.world.power.Choose(2) == 1 {
			p.carry()
		}
	}
	n.end(why)
}

// abandon decides how much of a file's queue was done when the process died.
func (h *handle) abandon() {
	w := h.home.world
	done := w.power.Choose(len(h.queue) + 1)
	for i := range h.queue[:done] {
		t := &h.queue[i]
		switch {
		case t.kind == writeTask && h.node != nil && !h.failed:
			h.node.write(t.at, t.data)
		case t.kind != writeTask && t.kind != readTask && t.kind != closeTask:
			h.change(t, &seam.Wrote{})
		}
	}
	if done == len(h.queue) || h.node == nil || h.failed {
		return
	}
	if t := &h.queue[done]; t.kind == writeTask {
		if part := w.power.Choose(len(t.data) + 1); part > 0 {
			w.Counts[WriteTornByKill]++
			h.writePart(t, part)
		}
	}
}

// end takes the process away.
func (n *Node) end(why string) {
	n.world.logf("END life %d: %s", n.Life, why)
	n.Up, n.Ready = false, false
	for _, a := range n.actors {
		a.dead = true
	}
	for _, id := range slices.Sorted(maps.Keys(n.conns)) {
		n.conns[id].reset()
	}
	n.outstanding, n.pending = 0, nil
	n.pausedUntil = 0
	if n.world.OnEnd != nil {
		n.world.OnEnd(n, false)
	}
}

// Exit ends the process as it wished.
func (n *Node) Exit(why string) { n.kill(why) }

// CutPower ends the process and takes the page cache with it.
func (n *Node) CutPower() {
	w := n.world
	w.Counts[PowerLost]++
	n.kill("power lost")
	n.Disk.cutPower(w.power, &w.Counts, func(int32) bool { return true })
	if w.OnEnd != nil {
		w.OnEnd(n, true)
	}
	n.hungUntil, n.fullUntil = 0, 0
}

// Pause keeps the process from running for a while.
func (n *Node) Pause(length seam.Mono) {
	n.world.Counts[Paused]++
	n.pausedUntil = n.world.now + length
	n.world.After(length, n.goOn)
}

// paused is false of clients, which have no node.
func (n *Node) paused() bool { return n != nil && n.pausedUntil > n.world.now }

// goOn lets the machines of a process that was paused take their turns again.
func (n *Node) goOn() {
	for _, a := range n.actors {
		if a.inbox.Len() > 0 {
			a.planTurn()
		}
	}
}

// Hang keeps the disk from answering for a while.
func (n *Node) Hang(length seam.Mono) {
	n.world.Counts[DiskHung]++
	n.hungUntil = n.world.now + length
}

// Fill leaves the disk without space for a while.
func (n *Node) Fill(length seam.Mono) {
	n.world.Counts[DiskFull]++
	n.fullUntil = n.world.now + length
}

// JumpClock moves the wall clock.
func (n *Node) JumpClock(milliseconds int64) {
	n.world.Counts[ClockJumped]++
	n.wallOffset += milliseconds
	n.SetBack += max(0, -milliseconds)
}

// Heal ends the episodes, and what waited for their ends goes on.
func (n *Node) Heal() {
	now := n.world.now
	n.hungUntil, n.fullUntil = min(n.hungUntil, now), min(n.fullUntil, now)
	n.pausedUntil = min(n.pausedUntil, now)
	for i := range n.breaks {
		n.breaks[i].hungUntil = min(n.breaks[i].hungUntil, now)
	}
	n.goOn()
	n.world.queue.hasten(func(what happening) seam.Mono {
		if x, is := what.(*answer); is && x.node == n {
			return now + x.delay
		}
		return seam.Never
	})
}

// outstand notes an operation that is under way and what a death may do with it.
func (n *Node) outstand(carry func()) *pending {
	p := &pending{carry: carry}
	n.outstanding++
	if carry != nil {
		n.pending = append(slices.DeleteFunc(n.pending, func(p *pending) bool { return p.done }), p)
	}
	return p
}

// whenAnswered runs something when the disk has answered, which a hung disk does late or not at all.
func (n *Node) whenAnswered(dir int32, delay seam.Mono, p *pending, run func(late bool)) {
	x := &answer{}
	if last := len(n.answers) - 1; last >= 0 {
		x, n.answers = n.answers[last], n.answers[:last]
	}
	*x = answer{n, n.Life, dir, n.world.now, delay, p, run}
	n.world.queue.push(n.world.now+delay, x)
}

// answer is one that the disk owes.
type answer struct {
	node  *Node
	life  int
	dir   int32
	born  seam.Mono
	delay seam.Mono
	of    *pending // nil: it is counted in a file's queue
	run   func(late bool)
}

func (x *answer) happen() {
	n, w := x.node, x.node.world
	until := max(n.hungUntil, n.breaks[x.dir].hungUntil)
	late := until > w.now
	switch {
	case !n.Up || n.Life != x.life:
		return
	case late && w.now-x.born < w.Patience:
		w.queue.push(min(until+x.delay, x.born+w.Patience), x)
		return
	case late:
		w.Counts[AnsweredLate]++
	}
	if x.of != nil {
		x.of.done = true
		n.outstanding--
	}
	run := x.run
	n.answers = append(n.answers, x)
	run(late)
}

// Quiet says whether nothing is under way that could wake anything but time and clients.
func (n *Node) Quiet() bool {
	if !n.Up || n.GivenUp || n.outstanding > 0 {
		return false
	}
	for _, a := range n.actors {
		if a.inbox.Len() > 0 || a.alarmAt != seam.Never && a.alarmAt <= a.clock().Mono {
			return false
		}
	}
	return true
}

// send carries a letter between the machines of a process.
func (a *actor) send(s *seam.Send) {
	if a.node == nil {
		a.sendPeer(s)
		return
	}
	n, w := a.node, a.world
	to := n.actorAt(a, s.To)
	if to == nil {
		return
	}
	mail := &seam.Mail{From: a.address, Body: s.Body}
	o, life := n.outstand(nil), n.Life
	w.After(callTimes[w.delays.Choose(8)], func() {
		if n.Up && n.Life == life {
			o.done = true
			n.outstanding--
			to.push(mail)
		}
	})
	a.reported = a.reported || s.To.Kind == seam.ToBroker
}

// actorAt finds the machine of an address; a new Recovery or Cleaner address makes one.
func (n *Node) actorAt(from *actor, to seam.Address) *actor {
	for _, a := range n.actors {
		if a.address == to {
			return a
		}
	}
	if n.parts.Actor == nil || to.Kind != seam.ToRecovery && to.Kind != seam.ToCleaner && to.Kind != seam.ToSearch && to.Kind != seam.ToCopier {
		return nil
	}
	a := n.world.newActor(n, to, fmt.Sprintf("machine %d/%d", to.Kind, to.ID), n.parts.Actor(to))
	n.actors = append(n.actors, a)
	return a
}

// maybeRetire drops a machine that has reported and waits for nothing any more.
func (a *actor) maybeRetire() {
	if a.node == nil || a.address.Kind == seam.ToBroker || !a.reported || len(a.ops) > 0 || a.inbox.Len() > 0 || a.alarmAt != seam.Never {
		return
	}
	a.dead = true
	a.node.actors = slices.DeleteFunc(a.node.actors, func(other *actor) bool { return other == a })
}

func (n *Node) onEvent(a *actor, e *seam.Event) {
	w := n.world
	switch e.Kind {
	case seam.Ready:
		n.Ready = true
	case seam.DirFenced:
		w.Counts[DirFenced]++
	case seam.ReplicaMoved:
		w.Counts[ReplicaMoved]++
	case seam.Stopped:
		if stopped := n.stopped; stopped != nil {
			n.stopped = nil
			w.After(0, func() {
				w.require(n.outstanding == n.replying() || !n.Ready, check.MachineHolds, "it said that it had stopped with %d things outstanding", n.outstanding)
				stopped()
			})
		}
	}
	if w.OnEvent != nil {
		w.OnEvent(n, e)
	}
}

// replying is how many replies are under way.
func (n *Node) replying() int {
	count := 0
	for _, l := range n.conns { //tidy:unordered a sum
		count += len(l.replies)
	}
	return count
}

// free takes a frame back and overwrites it.
func (a *actor) free(id seam.Lease) {
	if a.node == nil {
		return
	}
	l := a.node.leases[id]
	if !a.world.holds(l != nil, check.LeaseOnce) {
		a.world.broken(check.LeaseOnce, "%s freed lease %d, which it does not hold", a.name, id)
		return
	}
	poison(l.frame)
	if l.body != nil && a.node.parts.Freed != nil {
		a.node.parts.Freed(l.body)
	}
	delete(a.node.leases, id)
}

// Conns is how many connections the machine has not been told to be gone.
func (n *Node) Conns() int { return len(n.conns) }

// Leases is how many frames the process holds.
func (n *Node) Leases() int { return len(n.leases) }
