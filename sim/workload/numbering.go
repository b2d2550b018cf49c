package workload

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"

	"rookery/core/log"
	producers "rookery/core/producer"
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
	Deep  bool  // they begin near the end of a segment that is nearly as long as one may be
}

func drawNumbering(tape *world.Tape) numbering {
	s := tape.Stream("numbers")
	n := numbering{Late: s.Choose(3) == 2, Bumps: s.Choose(2) == 1}
	if s.Choose(4) == 3 {
		n.Base = [4]int64{1<<62 - 7, 1<<31 - 20, 1<<32 - 20, 1<<62 + 1<<61}[s.Choose(4)]
	}
	return n
}

// drawDepth has logs begin deep in a segment, where nobody copies two gigabytes of it to another directory by a few bytes a
// turn, no bit of them turns, and few starts have to read them.
func (p *Plan) drawDepth(tape *world.Tape) {
	if p.Numbers.Deep = tape.Choose("depth", 6) == 1 && p.Pruning.On && p.Dirs == 1 && !p.Rot; !p.Numbers.Deep {
		return
	}
	p.Numbers.Base = deepBase
	if r := &p.Rates; tape.Choose("deaths there", 16) < 15 {
		r.Kill, r.Power, r.KillAtEffect, r.Ambush = 0, 0, 0, 0
		r.WriteError, r.SyncError, r.FileError = 0, 0, 0
	}
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
// made to begin far up, or deep in a segment.
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
		if r.plan.Numbers.Deep {
			putDeep(disk, folder)
			r.World.Counts[world.BegunDeep]++
		} else {
			disk.Put(log.SegmentPath(folder, base, ".log"), nil)
			r.World.Counts[world.BegunFarUp]++
		}
		begins = append(begins, log.PartitionOffset{Topic: p.Topic, Partition: p.Number, Offset: base})
		r.facts.Origins[p] = base
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

const (
	segmentMax  = 1<<31 - 1
	deepSegment = "00000000000000000000.log"
	deepBatches = 128
	deepBytes   = 1 << 24                          // of all of them but the last
	deep        = segmentMax - 6000                // where the batch behind them lies
	deepLast    = deep - (deepBatches-1)*deepBytes // how long the last one is
	deepBase    = deepBatches + 1                  // the log begins behind that batch
)

// putDeep makes a segment of batches that lie below where its log begins: nearly two gigabytes of them, which are zero but for
// their heads and take no room, and a small one, of which the indexes know. With the snapshot and the epochs it is what a clean stop leaves.
//
//	0 ┌──────────┬──────────┬─ … ─┬────────────┐ deep
//	  │ offset 0 │ offset 1 │     │ offset 128 │ what the run appends, up to 2^31-1
//	  └──────────┴──────────┴─ … ─┴────────────┘
func putDeep(disk *world.Disk, folder seam.Path) {
	spec := batchSpec{count: 1, time: -1, producer: -1, epoch: -1, sequence: -1}
	path, order := log.SegmentPath(folder, 0, ".log"), binary.BigEndian
	disk.Put(path, nil)
	put := func(offset, at int64, b []byte) {
		order.PutUint64(b, uint64(offset))
		order.PutUint32(b[12:], 0) // the leader epoch
		disk.Overlay(path, at, b)
	}
	deepSums.Do(func() {
		for i, size := range [...]int{deepBytes, deepLast} {
			b := append(spec.encode(), make([]byte, size)...)[:size]
			deepCRC[i] = crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli))
		}
	})
	for i := range int64(deepBatches) {
		size, sum := deepBytes, deepCRC[0]
		if i == deepBatches-1 {
			size, sum = deepLast, deepCRC[1]
		}
		b := spec.encode()
		order.PutUint32(b[8:], uint32(size-12))
		order.PutUint32(b[17:], sum)
		put(i, i*deepBytes, b)
	}
	spec.time = 1
	put(deepBatches, deep, spec.encode())
	disk.Put(log.SegmentPath(folder, 0, ".index"), order.AppendUint32(order.AppendUint32(nil, deepBatches), deep))
	disk.Put(log.SegmentPath(folder, deepBase, ".snapshot"), producers.New().AppendSnapshot(nil))
	epochs := log.Epochs{}
	epochs.Assign(0, 0)
	disk.Put(seam.Path{Dir: folder.Dir, Name: folder.Name + "/leader-epoch-checkpoint"}, epochs.Encode())
	disk.Put(log.SegmentPath(folder, 0, ".timeindex"), order.AppendUint32(order.AppendUint64(nil, 1), deepBatches))
}

var (
	deepSums sync.Once
	deepCRC  [2]uint32 // the checksums of a long batch, and of the last one
)
