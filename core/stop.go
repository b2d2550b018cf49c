package core

import (
	"rookery/core/log"
	"rookery/core/ordered"
	"rookery/core/seam"
)

// stopping is the way from Stop to Stopped:
//
//	everything written is synced ─▶ indexes (synced too), snapshots, epochs ─▶ checkpoints ─▶ the clean marker ─▶ Stopped
//
// The marker says that every log ends where its recovery point is, and that no name is in doubt.
type stopping struct {
	stage  stopStage
	passed uint32   // partitions below this number have come past this stage
	goals  []uint64 // what each directory's checkpoints must have settled
}

type stopStage uint8

const (
	stopSyncing stopStage = iota
	stopClosing
	stopCheckpoints
	stopMarking
	stopDraining
)

func emptyFolders() ordered.Map[string, []seam.Entry] {
	return ordered.Map[string, []seam.Entry]{}
}

func (b *Broker) onStop(fx *seam.Effects) {
	if b.phase >= phaseStopping {
		return
	}
	for i := range b.dirs {
		for _, p := range b.dirs[i].blocked {
			b.made(p, fx) // the next start makes it
		}
		b.dirs[i].blocked = nil
		for _, r := range b.dirs[i].unrenamed {
			if p := b.awaiting(r.partition, r.partition.folder); p != nil {
				b.made(p, fx)
			}
		}
	}
	if b.phase != phaseReady { // nothing was acknowledged yet, so nothing is lost: the next start recovers
		b.phase, b.stop.stage, b.boot.more = phaseStopping, stopDraining, false
		return
	}
	b.phase = phaseStopping
	if b.moves.now != nil {
		b.callOff(b.moves.now, fx) // the next start goes on
	}
	for p := range b.partitions.All() {
		b.stopCleaning(p, fx)
		b.touch(p)
	}
}

// stopOn moves the stop on through all stages that are done: no input comes for one that had nothing to do.
func (b *Broker) stopOn(fx *seam.Effects) {
	for before := stopStage(0xff); before != b.stop.stage; {
		before = b.stop.stage
		b.stopStep(fx)
	}
}

func (b *Broker) stopStep(fx *seam.Effects) {
	switch b.stop.stage {
	case stopSyncing:
		if b.allDurable() {
			b.closeLogs()
			b.stop.stage = stopClosing
		}
	case stopClosing:
		if b.turns.later.Len() == 0 && b.allClosed() {
			for i := range b.dirs {
				d := &b.dirs[i]
				if d.failed != seam.OK {
					b.stop.goals = append(b.stop.goals, 0, 0)
					continue
				}
				points, high := b.offsetsIn(d.number)
				b.stop.goals = append(b.stop.goals, d.recovery.Offer(log.EncodeOffsets(points), fx), d.high.Offer(log.EncodeOffsets(high), fx))
			}
			b.stop.stage = stopCheckpoints
		}
	case stopCheckpoints:
		if !b.checkpointsIdle() {
			return
		}
		b.stop.stage = stopMarking
		for i := range b.dirs {
			b.markClean(i, fx)
		}
	case stopMarking:
		for i := range b.dirs {
			if b.dirs[i].marker.Busy() {
				return
			}
		}
		b.stop.stage = stopDraining
	case stopDraining:
	}
}

// maybeStopped: the disk owes nothing any more, nor does any connection.
func (b *Broker) maybeStopped(fx *seam.Effects) {
	if b.phase == phaseStopping && b.stop.stage == stopDraining && b.outstanding == 0 && b.boot.running == 0 && len(b.cleaning.running) == 0 && b.moves.copies == 0 && b.turns.later.Len() == 0 && len(b.rewrites.underWay) == 0 && b.rewrites.waiting.Len() == 0 {
		b.phase = phaseStopped
		fx.Events = append(fx.Events, seam.Event{Kind: seam.Stopped})
	}
}

func (b *Broker) allDurable() bool {
	for i := range b.dirs {
		if b.dirs[i].starts.due || b.dirs[i].starts.file.Busy() {
			return false
		}
	}
	return b.proposals.Len() == 0 && b.settling == 0 && b.turns.later.Len() == 0 && b.passed(b.durable)
}

// passed says whether all partitions have come past this stage, none of which goes back.
func (b *Broker) passed(is func(p *partition) bool) bool {
	for number, more := b.partitions.Ceiling(b.stop.passed); more; number, more = b.partitions.Ceiling(number + 1) {
		if b.stop.passed = number; !is(b.partitions.At(number)) {
			return false
		}
	}
	b.stop.passed = 0
	return true
}

func (b *Broker) durable(p *partition) bool {
	if p.replica == nil {
		return !p.identity.Busy()
	}
	l := p.replica.Log
	return p.state != partitionOpen || !l.Broken() && !l.Outstanding() && !l.SyncWanted() && l.Durable().Offset == l.End().Offset && (p.startWish <= p.startGoal || p.unsaid) && !l.Busy()
}

// closeLogs writes what a clean start reads instead of walking the logs.
func (b *Broker) closeLogs() {
	b.turns.put(b.eachPartition(func(p *partition, fx *seam.Effects) {
		if p.state == partitionOpen {
			p.replica.Log.Close(fx, p.replica.Snapshot()...)
			p.epochs.Offer(p.replica.Log.Epochs.Encode(), fx)
		}
	}))
}

// allClosed: what closeLogs wrote is written, and the indexes are on the disk.
func (b *Broker) allClosed() bool {
	return b.passed(func(p *partition) bool {
		return p.replica == nil || !b.busy(p) && !(p.state == partitionOpen && p.replica.Log.SyncWanted())
	})
}

func (b *Broker) checkpointsIdle() bool {
	for i := range b.dirs {
		if d := &b.dirs[i]; d.recovery.Busy() || d.high.Busy() {
			return false
		}
	}
	return true
}

// markClean leaves the marker out where the disk was too full for what it vouches for: the next start recovers then.
func (b *Broker) markClean(i int, fx *seam.Effects) {
	if b.dirs[i].failed != seam.OK {
		return
	}
	for p := range b.partitions.All() {
		if int(p.folder.Dir) != i && int(p.left) != i { // what lies elsewhere by now may be here again by then
			continue
		}
		if p.state == partitionFailed {
			return // what could not be recovered is to be looked at again
		}
		if p.state == partitionOpen && p.replica.Log.Point() < p.replica.Log.End().Offset {
			fx.Events = append(fx.Events, seam.Event{Kind: seam.WriteRefused, Topic: p.name(), Partition: p.index, Text: "an index; the next start recovers"})
			return
		}
	}
	d := &b.dirs[i]
	if d.recovery.Settled() < b.stop.goals[2*i] || d.high.Settled() < b.stop.goals[2*i+1] {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.WriteRefused, Text: "the checkpoints: " + d.recovery.Fault().String() + "; the next start recovers"})
		return
	}
	d.marker.Offer([]byte(`{"version":0,"brokerEpoch":`+decimal(b.brokerAt)+`}`), fx)
}
