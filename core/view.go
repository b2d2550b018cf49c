package core

import "rookery/core/seam"

// View is the Broker's state as plain values, for whoever checks its laws. It shares nothing with the Broker.
type View struct {
	Ready      bool
	Partitions []PartitionView // the metadata log first, then by number
	Produces   int             // not answered
	Fetches    int             // parked
	Proposals  int             // of metadata, not committed
	Frames     int64           // bytes of client frames in memory
	Image      uint64          // digest
}

// PartitionView is one partition.
type PartitionView struct {
	Topic      string
	Index      int32
	Open       bool
	Durable    bool // the topic promises durability
	LogStart   int64
	DurableEnd int64
	High       int64
	End        int64
	Next       int64
	Epoch      int32
	Parked     int         // batches that somebody waits for
	Producers  seam.Digest // of what was committed
	Newest     seam.Digest // the same of each producer's newest batch only: what outlives a crash for certain
	Epochs     seam.Digest
	Waiting    []WaitingFetch
}

// WaitingFetch is a parked fetch as one of its partitions sees it.
type WaitingFetch struct {
	Offset   int64
	MinBytes int32
	Parts    int
	Deadline seam.Mono
}

// View describes the Broker as it is between two Steps.
func (b *Broker) View() View {
	v := View{Ready: b.phase == phaseReady, Produces: b.waiting, Proposals: b.proposals.Len(), Frames: b.frames, Image: b.image.Digest()}
	for i := range b.fetches {
		if b.fetches[i].live && b.fetches[i].Parked {
			v.Fetches++
		}
	}
	for _, p := range b.partitions[1:] {
		if p != nil && p.replica != nil {
			v.Partitions = append(v.Partitions, b.viewPartition(p))
		}
	}
	return v
}

func (b *Broker) viewPartition(p *partition) PartitionView {
	r := p.replica
	v := PartitionView{
		Topic: p.name(), Index: p.index, Open: p.state == partitionOpen, Durable: r.Durable(), LogStart: r.Log.Start(),
		DurableEnd: r.Log.Durable().Offset, High: r.High().Offset, End: r.Log.End().Offset, Next: r.Log.Next(),
		Epoch: r.Epoch(), Parked: r.Parked(), Producers: r.Producers.Digest(true), Newest: r.Producers.Digest(false),
	}
	for _, e := range r.Log.Epochs.List {
		v.Epochs.Int(uint64(e.Epoch))
		v.Epochs.Int(uint64(e.Start))
	}
	for _, i := range p.waiters {
		f := &b.fetches[i]
		for j := range f.Parts {
			if f.Parts[j].Partition == p.number {
				v.Waiting = append(v.Waiting, WaitingFetch{f.Parts[j].Offset, f.MinBytes, len(f.Parts), f.Deadline})
			}
		}
	}
	return v
}
