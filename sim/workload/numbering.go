package workload

import (
	"slices"

	"rookery/core/log"
	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// numbering is which numbers a run counts with: small ones and, in a share of the seeds, those near the end of what their
// fields hold.
type numbering struct {
	Late  bool  // sequences begin a little before 2^31 and go on at 0
	Bumps bool  // producers go on in the next epoch now and then (KIP-360), some of them up to the last one
	Base  int64 // where the logs of topics that are pruned begin; 0: as they are made
}

func drawNumbering(tape *world.Tape) numbering {
	s := tape.Stream("numbers")
	n := numbering{Late: s.Choose(3) == 2, Bumps: s.Choose(2) == 1}
	if s.Choose(4) == 3 {
		n.Base = [4]int64{1<<62 - 7, 1<<31 - 20, 1<<32 - 20, 1<<62 + 1<<61}[s.Choose(4)]
	}
	return n
}

// firstSequence of a lane under a new producer id: a partition that does not know a producer takes any.
func (p *producer) firstSequence() int32 {
	if p.run.plan.Numbers.Late {
		return 1<<31 - 1 - int32(p.numbers.Choose(30))
	}
	return 0
}

// firstEpoch of a new producer id: a partition takes any, and the last one is soon reached.
func (p *producer) firstEpoch(given int16) int16 {
	if p.run.plan.Numbers.Bumps && p.numbers.Choose(4) == 3 {
		return lastEpoch - int16(p.numbers.Choose(3))
	}
	return given
}

const lastEpoch = 1<<15 - 1

// bumpsAfterLoss is more than a producer would need: those that come soon one after another have few batches between them.
const bumpsAfterLoss = 4

// mayBump says whether the producer can go on in the next epoch: whatever has no answer bears the old one.
func (p *producer) mayBump() bool {
	for _, l := range p.lanes {
		if len(l.queue) > 0 {
			return false
		}
	}
	return p.idempotent && p.run.plan.Numbers.Bumps && p.pid >= 0 && p.epoch < lastEpoch
}

// bump begins the next epoch at sequence 0, as Kafka's producers do by themselves when they cannot tell what became of a
// batch (KIP-360).
func (p *producer) bump() {
	p.epoch, p.shaken = p.epoch+1, p.shaken-1
	if p.run.World.Counts[world.EpochBumped]++; p.epoch == lastEpoch {
		p.run.World.Counts[world.EpochLast]++
	}
	for _, l := range p.lanes {
		l.sequence = 0
	}
}

// moveLogs is what an operator does who brings partitions over from elsewhere: between two lives their empty logs are
// made to begin far up.
func (r *Run) moveLogs() {
	w, base := r.World, r.plan.Numbers.Base
	if base == 0 || !r.plan.Pruning.On {
		return
	}
	w.Rates = world.Rates{} // nothing goes wrong yet
	defer func() { w.Rates = r.plan.Rates }()
	w.Run(w.Now()+10*seam.Second, r.idle)
	stopped := false
	w.Node.Stop(60*seam.Second, func(bool) { stopped = true })
	w.Run(w.Now()+100*seam.Second, func() bool { return stopped })
	if w.Failure() != nil || !r.require(stopped && r.idle(), check.EveryoneFinishes, "no topics were made in ten seconds, or no stop in a minute") {
		return
	}
	for dir := range int32(r.plan.Dirs) {
		r.moveLogsOf(dir, base)
	}
	w.Node.Start()
	w.Run(w.Now()+60*seam.Second, func() bool { return w.Node.Ready })
}

// moveLogsOf does so in one log directory.
func (r *Run) moveLogsOf(dir int32, base int64) {
	disk := r.World.Node.Disk
	var begins []log.PartitionOffset
	for _, p := range r.plan.partitionsOf(r.plan.stable()...) {
		folder := seam.Path{Dir: dir, Name: folderName(p)}
		if !r.plan.prunes(p.Topic) || len(disk.List(folder)) == 0 {
			continue
		}
		disk.Keep(folder, "partition.metadata")
		disk.Put(log.SegmentPath(folder, base, ".log"), nil)
		begins = append(begins, log.PartitionOffset{Topic: p.Topic, Partition: p.Number, Offset: base})
		r.facts.Origins[p] = base
		r.World.Counts[world.BegunFarUp]++
	}
	for _, name := range []string{"log-start-offset-checkpoint", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"} {
		path := seam.Path{Dir: dir, Name: name}
		lines, _ := log.ParsePartitionOffsets(disk.Contents(path))
		lines = slices.DeleteFunc(lines, func(line log.PartitionOffset) bool {
			return r.facts.Origins[check.Partition{Topic: line.Topic, Number: line.Partition}] > 0
		})
		disk.Put(path, log.EncodeOffsets(append(lines, begins...)))
	}
}
