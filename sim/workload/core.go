package workload

import (
	"slices"
	"strconv"

	"rookery/core"
	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/conn"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// tools serve one run after the other: a compressor takes longer to make than most runs have work for it.
type tools struct {
	scratch  batch.Scratch
	rewriter batch.Rewriter
	sieve    batch.Sieve
}

// Core is the broker of this house, with the plan's knobs. It may be used for one run after the other.
func Core() Broker {
	return Broker{
		Parts: new(tools).parts,
		View:  coreView(),
		Muted: func(m seam.Machine, conn seam.Conn) seam.Mono { return m.(*core.Broker).Muted(conn) },
		Fatal: func(e *seam.Event) bool { return e.Kind == seam.DirFailed },
	}
}

func (t *tools) parts(p *Plan, tape *world.Tape) world.Parts {
	seeds := tape.Stream("seed")
	return world.Parts{
		Broker: func(life int) seam.Machine { return core.NewBroker(coreConfig(p, seeds, life)) },
		Actor: func(to seam.Address) seam.Machine {
			switch to.Kind {
			case seam.ToRecovery:
				return log.NewRecovery()
			case seam.ToSearch:
				return log.NewSearch()
			case seam.ToCleaner:
				return compact.NewWith(&t.sieve)
			case seam.ToCopier:
				return log.NewCopier()
			}
			return nil
		},
		Body: func(_ int, _ seam.Conn, frame []byte) any {
			body := &conn.Request{Scratch: &t.scratch}
			conn.Intake(frame, conn.Limits{}, body)
			return body
		},
		Freed: func(body any) { *body.(*conn.Request) = conn.Request{} },
		Rewrite: func(data []byte, codec uint8, level int32, into []byte) []byte {
			return t.rewriter.Append(into, data, batch.Codec(codec), level)
		},
	}
}

// DirName is what a simulated log directory is called.
func DirName(i int) string { return "/disk" + strconv.Itoa(i) }

// A group of the consumer protocol has these in ms, if it has none of its own.
const (
	consumerSession   = 3000
	consumerHeartbeat = 500
)

func coreConfig(p *Plan, seeds *world.Stream, life int) core.Config {
	c := core.DefaultConfig()
	c.ClusterID, c.Controller.ClusterID = "sim", "sim"
	for i := range p.Dirs {
		c.DirectoryIDs = append(c.DirectoryIDs, meta.UUID{1, byte(i)})
		c.Directories = append(c.Directories, DirName(i))
	}
	c.Incarnation = meta.UUID{2, byte(life >> 8), byte(life)}
	for i := range c.Seed[:8] {
		c.Seed[i] = byte(seeds.Choose(256))
	}
	c.Seed[8], c.Seed[9] = byte(life>>8), byte(life) // two lives differ even on a quiet tape
	c.AutoCreateTopics = false
	c.Controller.Offsets.NumPartitions, c.Controller.Offsets.SegmentBytes = offsetsPartitions, 1<<20
	c.Groups.SessionMinMillis, c.Groups.InitialRebalanceDelay, c.Groups.RetentionMillis = 100, 100*seam.Millisecond, 1<<50
	if p.Expiry > 0 {
		c.Groups.RetentionMillis, c.Groups.CheckEvery = int64(p.Expiry), seam.Mono(p.Expiry)*seam.Millisecond/8
	}
	set(&c.Groups.SizeMax, int32(p.Limits.Classic))
	set(&c.Groups.Consumer.SizeMax, int32(p.Limits.Consumer))
	c.Groups.Consumer.SessionMillis, c.Groups.Consumer.HeartbeatMillis = consumerSession, consumerHeartbeat
	c.Controller.ProducerIDBlockSize = [2]int64{2, 1000}[min(p.SegmentBytes, 1)]
	set(&c.ConnectionBytes, p.ConnectionBytes)
	set(&c.FrameBytes, p.FrameBytes)
	set(&c.ReplyBytes, p.ReplyBytes)
	set(&c.UnsyncedBytes, p.UnsyncedBytes)
	set(&c.FetchBytesMax, p.FetchBytesMax)
	set(&c.FetchSessionsMax, p.Sessions.Slots)
	set(&c.FetchSessionEviction, seam.Mono(p.Sessions.EvictMillis)*seam.Millisecond)
	set(&c.FetchSessionBytes, p.Sessions.Bytes)
	c.Controller.Static = p.Limits.static()
	set(&c.SyncsMax, p.SyncsMax)
	set(&c.RecoveriesMax, p.RecoveriesMax)
	set(&c.StepItems, p.StepItems)
	set(&c.MoveBytes, p.MoveBytes)
	set(&c.CheckpointEvery, seam.Mono(p.CheckpointMillis)*seam.Millisecond)
	p.Tidying.configure(&c)
	set(&c.RetentionCheckEvery, seam.Mono(p.Pruning.CheckMillis)*seam.Millisecond)
	return c
}

// set overrides a default, unless the plan leaves it.
func set[T int | int32 | int64 | seam.Mono](value *T, planned T) {
	if planned != 0 {
		*value = planned
	}
}

// coreView is the view of one broker after the other; a run looks at one at a time.
func coreView() func(m seam.Machine, deep bool, v *check.View) {
	from := core.View{}
	return func(m seam.Machine, deep bool, v *check.View) {
		m.(*core.Broker).View(deep, &from)
		*v = check.View{Ready: from.Ready, Making: from.Making, Waits: from.Waits, Frames: from.Frames, Asked: from.Running + from.Held, Partitions: v.Partitions[:0], Rebalances: v.Rebalances[:0]}
		v.Sleepers = check.Sleepers{Produces: from.Produces, Fetches: from.Fetches, Proposals: from.Proposals, Searches: from.Searches,
			Deletions: from.Deletions, Measures: from.Measures, Frozen: from.Frozen, Running: from.Running,
			IDs: from.IDs, Unsafe: from.Unsafe, Tickets: from.Tickets}
		for _, r := range from.Rebalances {
			v.Rebalances = append(v.Rebalances, check.Rebalance(r))
		}
		for i := range from.Partitions {
			if from.Partitions[i].Open {
				v.Partitions = slices.Grow(v.Partitions, 1)[:len(v.Partitions)+1]
				viewPartition(&from.Partitions[i], &v.Partitions[len(v.Partitions)-1])
			}
		}
	}
}

func viewPartition(p *core.PartitionView, v *check.PartitionView) {
	*v = check.PartitionView{Topic: p.Topic, Number: p.Index, Dir: p.Dir, LogStart: p.LogStart, Durable: p.DurableEnd, HighWatermark: p.High,
		End: p.End, Next: p.Next, LeaderEpoch: p.Epoch, Parked: p.Parked, Producers: uint64(p.Producers), Newest: uint64(p.Newest), Folded: uint64(p.Folded), Fetches: v.Fetches[:0]}
	for _, f := range p.Waiting {
		v.Fetches = append(v.Fetches, check.ParkedFetch{From: f.Offset, MinBytes: f.MinBytes, Alone: f.Parts == 1, Deadline: f.Deadline})
	}
}
