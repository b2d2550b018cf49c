package core

import (
	"slices"

	"rookery/core/group"
	"rookery/core/seam"
)

// View is the Broker's state as plain values, for whoever checks its laws. It shares nothing with the Broker.
type View struct {
	Ready      bool
	Partitions []PartitionView // the metadata log first, then by number
	Making     int             // partitions that are still to be made, or recovered
	Produces   int             // not answered
	Fetches    int             // parked
	Waits      int             // partitions that those are to be woken by
	Proposals  int             // of metadata, not committed
	Frames     int64           // bytes of client frames in memory
	Held       int             // files that answers name which wait in their slots
	Running    int             // fetches not answered, parked or not
	Searches   int             // of ListOffsets by time, under way or waiting for their turn
	Deletions  int             // of records of a partition, not answered
	Measures   int             // DescribeLogDirs that wait for the sizes of volumes
	IDs        int             // InitProducerId, not answered
	Tickets    int             // joins and syncs of groups, not answered
	Unsafe     int             // answers of groups that wait for what they tell of to be committed
	Rebalances []group.Rebalance
	Frozen     int // connections of which something waits for what came before it to begin, or to be rewritten
}

// PartitionView is one partition.
type PartitionView struct {
	Topic      string
	Index      int32
	Dir        int32
	Open       bool
	Durable    bool // the topic promises durability
	LogStart   int64
	DurableEnd int64
	High       int64
	End        int64
	Next       int64
	Epoch      int32
	Parked     int // batches that somebody waits for
	Waiting    []WaitingFetch

	// Filled in a deep view only.
	Producers seam.Digest // of what was committed
	Newest    seam.Digest // the same of each producer's newest batch only: what outlives a crash for certain
	Folded    seam.Digest // of what a coordinator has folded from it; zero: it has none, or is not done
}

// WaitingFetch is a parked fetch as one of its partitions sees it.
type WaitingFetch struct {
	Offset   int64
	MinBytes int32
	Parts    int
	Deadline seam.Mono
}

// Muted is until when a connection is not read because it has used up a quota, because there are as many as there may be,
// because answers beyond its budget wait behind a fetch that waits itself, or because others were given the memory for long frames, and
// have not sent them; 0: it is read.
func (b *Broker) Muted(id seam.Conn) (until seam.Mono) {
	c := b.conns.At(id)
	if c == nil {
		return 0
	}
	if c.standing {
		return max(c.muted, b.limits.silence.Next()) // who has a seat leaves it or does something before
	}
	if c.asking && b.long.ahead > 0 && !b.roomyFor(c.long.lacks) {
		return max(c.muted, b.long.late.Next())
	}
	if until = c.muted; until > 0 || !c.filled && !b.fills(c) {
		return until
	}
	for i := c.fetches; i != 0; i = b.fetches[i-1].behind {
		if f := &b.fetches[i-1]; f.Parked {
			until = max(until, f.Deadline)
		}
	}
	return until
}

// View describes the Broker, as it is between two Steps, into v, whose slices serve again: it is taken after every few
// Steps. A deep view digests what is known of producers too.
func (b *Broker) View(deep bool, v *View) {
	*v = View{Ready: b.phase == phaseReady, Produces: b.waiting, Proposals: b.proposals.Len(), Frames: b.frames, Held: len(b.lent), Partitions: v.Partitions[:0],
		Searches: len(b.searching) + b.asked.Len(), Measures: len(b.measuring), IDs: len(b.ids.waiting), Tickets: len(b.tickets), Rebalances: v.Rebalances[:0]}
	for _, c := range b.conns.All() {
		if c.frozen() || c.queue.Len() > 0 && !b.held(c) && !b.behind(c) && !c.closing && !c.gone { // for who leaves nothing is begun any more
			v.Frozen++
		}
	}
	b.viewCoordinators(v)
	for i := range b.fetches {
		if !b.fetches[i].live {
			continue
		}
		v.Running++
		if b.fetches[i].Parked {
			v.Fetches++
			v.Waits += b.fetches[i].Len()
		}
	}
	for p := range b.partitions.All() {
		v.Deletions += len(p.deletions)
		if p.replica == nil && p.state == partitionRecovering {
			v.Making++
		}
		if p.replica != nil {
			v.Partitions = slices.Grow(v.Partitions, 1)[:len(v.Partitions)+1]
			b.viewPartition(p, deep, &v.Partitions[len(v.Partitions)-1])
		}
	}
}

func (b *Broker) viewCoordinators(v *View) {
	b.coordinators(func(c *coordinator) {
		v.Unsafe += c.releases.Len()
		if c.groups == nil {
			return
		}
		called := c.armed <= c.groups.Next()
		c.groups.Rebalances(func(r group.Rebalance) {
			r.Timed = r.Timed && called
			v.Rebalances = append(v.Rebalances, r)
		})
	})
}

func (b *Broker) viewPartition(p *partition, deep bool, v *PartitionView) {
	r := p.replica
	*v = PartitionView{
		Topic: p.name(), Index: p.index, Dir: p.folder.Dir, Open: p.state == partitionOpen, Durable: r.Durable(), LogStart: r.Log.Start(),
		DurableEnd: r.Log.Durable().Offset, High: r.High().Offset, End: r.Log.End().Offset, Next: r.Log.Next(),
		Epoch: r.Epoch(), Parked: r.Parked(), Waiting: v.Waiting[:0],
	}
	for _, w := range p.waiters {
		if f := &b.fetches[w.fetch]; f.Parked && b.waits(w) {
			v.Waiting = append(v.Waiting, WaitingFetch{w.offset, f.MinBytes, f.Len(), f.Deadline})
		}
	}
	if deep {
		v.Producers, v.Newest = r.Producers.Digest(true), r.Producers.Digest(false)
		if c := p.coordinator; c != nil && c.state == coordinatorReady {
			v.Folded = c.groups.Digest()
		}
	}
}
