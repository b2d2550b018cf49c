package core

import (
	"rookery/core/seam"
	"rookery/core/telemetry"
	"rookery/core/wire"
)

// Traffic is what partitions have taken and given since the broker started.
type Traffic struct {
	Records        int64 // taken
	BytesIn        int64 // of batches taken
	BytesOut       int64 // of batches promised to clients
	Produces       int64 // batches offered, those refused among them
	Fetches        int64 // answers that named the partition
	FailedProduces int64
	FailedFetches  int64
}

// Refusal is how often an API was answered with an error code, counted an entry (a partition, a topic) each.
type Refusal struct {
	Key   int16
	Code  wire.Code
	Count int64
}

// Status is what the broker shows to whoever watches it: a few numbers, none of which changes anything.
type Status struct {
	Ready      bool
	Stopping   bool
	Conns      int
	Standing   int   // connections that wait for another to leave
	Refused    int64 // connections that were cut when they opened: too many, or too fast
	Silent     int64 // connections that were cut because they did nothing
	Topics     int
	Partitions int // that have a number, the metadata log among them
	Produces   int // not answered
	Fetches    int // parked
	Proposals  int // of metadata, not committed
	Sessions   FetchSessions
	Frames     int64
	FramesMax  int64
	Replies    int64 // bytes of answers under way
	Unsynced   []int64
	Syncing    []int // Syncs under way
	UnsyncedMax,
	SyncsMax int64
	Epoch    int32 // of the metadata log's leader
	Metadata PartitionStatus
	Traffic  Traffic
	Refusals []Refusal

	Throttled [quotaKinds]Throttled
	Waiters   []ThrottledClient // those that were kept waiting longest
	Telemetry telemetry.Counts
}

// Throttled is how often clients were kept waiting for what they had used of a quota, and for how long, all told.
type Throttled struct {
	Quota string
	Times int64
	Wait  seam.Mono
}

func (t *Throttled) note(wait seam.Mono) {
	t.Times++
	t.Wait += wait
}

// ThrottledClient is the same of one that has a quota: of a client id, an address, or a user ("" where the quota does not
// name one).
type ThrottledClient struct {
	Throttled
	User, Client string
}

// FetchSessions is what is kept for clients that fetch (KIP-227).
type FetchSessions struct {
	Count      int
	Partitions int64
	Evictions  int64 // sessions that have made room for others
}

// Status fills into, and keeps its memory.
func (b *Broker) Status(into *Status) {
	s := Status{
		Ready: b.phase == phaseReady, Stopping: b.phase >= phaseStopping, Conns: b.conns.Len(), Topics: len(b.topics),
		Standing: b.limits.standing.Len(), Refused: b.limits.refused, Silent: b.limits.silent,
		Produces: b.waiting, Proposals: b.proposals.Len(), Frames: b.frames, FramesMax: b.config.FrameBytes, Replies: b.sending,
		UnsyncedMax: b.config.UnsyncedBytes, SyncsMax: int64(b.config.SyncsMax), Traffic: b.traffic, Partitions: b.partitions.Len(),
		Sessions: FetchSessions{b.sessions.Len(), b.sessions.Partitions(), b.sessions.Evictions()},
		Fetches:  b.timers.Len(), Unsynced: into.Unsynced[:0], Syncing: into.Syncing[:0], Refusals: append(into.Refusals[:0], b.refusals...),
	}
	s.Telemetry = b.clients.Counts()
	s.Telemetry.Softwares = append(into.Telemetry.Softwares[:0], s.Telemetry.Softwares...)
	for kind := range s.Throttled {
		s.Throttled[kind] = b.quotas.throttled[kind]
		s.Throttled[kind].Quota = quotaKind(kind).String()
	}
	s.Waiters = b.quotas.told(into.Waiters[:0])
	for i := range b.dirs {
		s.Unsynced = append(s.Unsynced, b.dirs[i].unsynced)
		s.Syncing = append(s.Syncing, b.dirs[i].syncing)
	}
	if b.quorum != nil {
		s.Epoch = b.quorum.Epoch()
	}
	if p := b.partitions.At(metadataNumber); p != nil {
		s.Metadata = b.statusOf(p)
	}
	*into = s
}

// PartitionStatus is one partition as it is shown.
type PartitionStatus struct {
	Topic    string
	Index    int32
	Open     bool // served
	Failed   bool // its folder cannot be used
	Dir      int32
	Start    int64 // log start offset
	High     int64 // high watermark
	Durable  int64
	End      int64
	Bytes    int64 // of its segments
	Segments int
	Parked   int // batches that somebody waits for
	Waiters  int // fetches parked at it
	Traffic  Traffic
}

// PartitionStatuses appends the client partitions whose numbers begin at from, at most limit of them, and returns the
// number to go on with; 0: that was all.
func (b *Broker) PartitionStatuses(from uint32, limit int, into []PartitionStatus) ([]PartitionStatus, uint32) {
	for n, more := b.partitions.Ceiling(max(from, metadataNumber+1)); more; n, more = b.partitions.Ceiling(n + 1) {
		if limit == 0 {
			return into, n
		}
		p := b.partitions.At(n)
		if p.state == partitionDoomed || p.state == partitionRenaming { // the metadata does not know it any more, and its name may be another's
			continue
		}
		into = append(into, b.statusOf(p))
		limit--
	}
	return into, 0
}

func (b *Broker) statusOf(p *partition) PartitionStatus {
	s := PartitionStatus{
		Topic: p.name(), Index: p.index, Open: p.state == partitionOpen, Failed: p.state == partitionFailed, Dir: p.folder.Dir,
		Waiters: len(p.waiters), Traffic: p.traffic,
	}
	if r := p.replica; r != nil {
		s.Start, s.High, s.Durable, s.End = r.Log.Start(), r.High().Offset, r.Log.Durable().Offset, r.Log.End().Offset
		s.Segments, s.Bytes = r.Log.Footprint()
		s.Parked = r.Parked()
	}
	return s
}

// countProduce counts a batch that was offered to a partition.
func (b *Broker) countProduce(p *partition, records, size int32, code wire.Code) {
	for _, t := range [...]*Traffic{&b.traffic, &p.traffic} {
		t.Produces++
		if code != wire.None {
			if !isExpected(code) {
				t.FailedProduces++
			}
			continue
		}
		t.Records += int64(records)
		t.BytesIn += int64(size)
	}
}

// countFetch counts what a fetch is about to be answered.
func (b *Broker) countFetch(f *fetchSlot) {
	b.countRefusal(wire.KeyFetch, f.Code)
	for i := range f.Parts {
		part := &f.Parts[i]
		b.countRefusal(wire.KeyFetch, part.Code)
		b.traffic.countFetch(part.Code, part.Range)
		if p := b.partitions.At(part.Partition); p != nil {
			p.traffic.countFetch(part.Code, part.Range)
		}
	}
}

func (t *Traffic) countFetch(code wire.Code, span seam.Range) {
	t.Fetches++
	t.BytesOut += int64(span.Len)
	if code != wire.None && !isExpected(code) {
		t.FailedFetches++
	}
}

// isExpected says of an error code that Kafka counts no failed produce and no failed fetch for it: those are to tell of a broker
// that does not do what it should.
func isExpected(code wire.Code) bool {
	switch code {
	case wire.UnknownTopicOrPartition, wire.UnknownTopicID, wire.InconsistentTopicID, wire.NotLeaderOrFollower, wire.UnknownLeaderEpoch, wire.FencedLeaderEpoch,
		wire.OffsetOutOfRange, wire.MessageTooLarge, wire.RecordListTooLarge, wire.CorruptMessage, wire.KafkaStorageError:
		return true
	}
	return false
}

// countRefusal counts an error code of an answer. They are few: those of one broker's life.
func (b *Broker) countRefusal(key int16, code wire.Code) {
	if code == wire.None {
		return
	}
	for i := range b.refusals {
		if r := &b.refusals[i]; r.Key == key && r.Code == code {
			r.Count++
			return
		}
	}
	b.refusals = append(b.refusals, Refusal{key, code, 1})
}

// countCold counts the error codes of an answer of kmsg's.
func (b *Broker) countCold(a wire.Answer) {
	wire.Refusals(a, func(code wire.Code) { b.countRefusal(a.Key(), code) })
}

// Plus is the sum of both.
func (t Traffic) Plus(u Traffic) Traffic {
	return Traffic{
		t.Records + u.Records, t.BytesIn + u.BytesIn, t.BytesOut + u.BytesOut, t.Produces + u.Produces, t.Fetches + u.Fetches,
		t.FailedProduces + u.FailedProduces, t.FailedFetches + u.FailedFetches,
	}
}
