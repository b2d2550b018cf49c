package core

import (
	"slices"

	"rookery/core/conn"
	"rookery/core/fetch"
	"rookery/core/log"
	"rookery/core/seam"
	"rookery/core/wire"
)

// onFetch takes a Fetch (1), which may be one of a session (KIP-227).
func (b *Broker) onFetch(now seam.Now, c *connection, r *conn.Request, fx *seam.Effects) {
	slot := c.slots.Open()
	i := b.newFetch(c)
	f := &b.fetches[i]
	f.slot = slot
	most := b.config.FetchBytesMax
	if m := b.meter(now, c, quotaFetch, r.ClientID); m != nil { // more would only have the client wait longer
		most = int32(min(int64(most), conn.InWindow(m.rate)))
	}
	f.Begin(now, c.id, r.Version, r.Correlation, &r.Fetch, most)
	if code, partitions := fetchRefusal(r); code != wire.None {
		f.Refuse(code, partitions)
		b.answerFetch(now, i, 0, fx)
		return
	}
	if code := b.sessions.Join(now, &f.Fetch, &r.Fetch); code != wire.None {
		f.Refuse(code, false)
		b.answerFetch(now, i, 0, fx)
		return
	}
	b.fetchTimes(f)
	b.reckon(f)
	b.evaluate(now, i, fx)
}

// fetchRefusal is an error of the whole request, and whether each partition is to carry it too: before version 7 an
// answer has no place for it but there, and Kafka goes on naming them until topics have ids.
func fetchRefusal(r *conn.Request) (code wire.Code, partitions bool) {
	if r.Fetch.IsolationLevel < 0 || r.Fetch.IsolationLevel > 1 {
		return wire.InvalidRequest, r.Version < 13
	}
	return wire.None, false
}

// fetchTimes drops all but the last entry of a partition asked twice, as Kafka does.
func (b *Broker) fetchTimes(f *fetchSlot) {
	var few [partsFew]bool
	again := namedAgain(len(f.Parts), few[:], func(i int) (topic []byte, group int32, at place) {
		p := &f.Parts[i]
		return p.Topic, p.Group, place{id: p.TopicID, index: p.Index}
	})
	if slices.Contains(again, true) {
		f.Drop(again)
	}
}

func (b *Broker) newFetch(c *connection) uint32 {
	var i uint32
	if n := len(b.freeFet); n > 0 {
		i = b.freeFet[n-1]
		b.freeFet = b.freeFet[:n-1]
	} else {
		i = uint32(len(b.fetches))
		b.fetches = append(b.fetches, fetchSlot{})
	}
	f := &b.fetches[i]
	b.spare -= f.Bytes() // 0 of a new one
	f.live, f.owner, f.before, f.behind = true, c, 0, c.fetches
	if c.fetches != 0 {
		b.fetches[c.fetches-1].before = i + 1
	}
	c.fetches = i + 1
	return i
}

func (b *Broker) endFetch(i uint32) {
	b.unlist(i)
	f := &b.fetches[i]
	b.untaken -= f.bytes
	f.bytes = 0
	if !b.spares(f.Bytes()) {
		f.Forget()
	}
	f.End()
	f.live, f.walking, f.at = false, false, 0
	f.parking++ // nobody waits any more
	b.freeFet = append(b.freeFet, i)
}

// reckon counts what a fetch takes as something that its connection is owed, unless it is of the usual few partitions: of
// those answersMax are little.
func (b *Broker) reckon(f *fetchSlot) {
	if n := f.Needs(); n > fetchFew && f.owner != nil {
		f.owner.fetching += n - f.bytes
		b.untaken += n - f.bytes
		f.bytes = n
	}
}

// fetchFew is what a fetch of some 16 partitions takes.
const fetchFew = 4 << 10

// spares says whether memory of so many bytes is kept for the next request, and counts it then. An unusually long one's is not.
func (b *Broker) spares(bytes int64) bool {
	if bytes > spareMost || b.spare+bytes > spareMax {
		return false
	}
	b.spare += bytes
	return true
}

const (
	spareMost = 1 << 20  // kept of one request
	spareMax  = 16 << 20 // of all of them
)

// unlist takes a fetch out of its connection's list.
func (b *Broker) unlist(i uint32) {
	f := &b.fetches[i]
	if f.owner == nil {
		return
	}
	if f.before == 0 {
		f.owner.fetches = f.behind
	} else {
		b.fetches[f.before-1].behind = f.behind
	}
	if f.behind != 0 {
		b.fetches[f.behind-1].before = f.before
	}
	f.owner.fetching -= f.bytes
	f.owner = nil
}

// disown ends a fetch whose connection is gone, or leaves it to end by itself as soon as it would park.
func (b *Broker) disown(i uint32) {
	b.unlist(i)
	if b.fetches[i].Parked {
		b.unpark(i)
		b.endFetch(i)
	}
}

// evaluate looks at every partition of a fetch anew, in turns if they are many: what is there now, and what must be read
// to know where.
func (b *Broker) evaluate(now seam.Now, i uint32, fx *seam.Effects) {
	f := &b.fetches[i]
	if !f.live || f.Parked || f.Reads > 0 && !f.walking {
		return
	}
	if f.at == 0 {
		f.parking, f.stirred = f.parking+1, false
		if f.InSession() {
			f.Parts = f.Parts[:0]
		}
	}
	for ; !f.Overtaken() && f.at < f.Len(); f.at++ {
		if !b.turns.take() {
			f.walking = true
			b.wakes.Push(i)
			return
		}
		if !f.InSession() {
			b.look(i, f.at, fx)
			continue
		}
		f.Load(f.at)
		last := len(f.Parts) - 1
		b.look(i, last, fx)
		if p := &f.Parts[last]; f.MaybeUnload() && now.Mono < f.Deadline {
			b.wait(b.partitions.At(p.Partition), waiter{i, f.parking, p.Offset})
		}
	}
	f.walking, f.at = false, 0
	if f.Reads == 0 {
		b.settleFetch(now, i, fx)
	}
}

// look finds out what there is of one partition.
func (b *Broker) look(i uint32, j int, fx *seam.Effects) {
	f := &b.fetches[i]
	p := &f.Parts[j]
	p.Partition, p.Diverging, p.Leader = 0, wire.EpochEnd{}, wire.Leader{}
	byID := f.Version >= 13
	t, target, code := b.find(p.Topic, p.TopicID, p.Index, byID)
	if p.Code = code; code == wire.UnknownTopicID && len(p.Topic) > 0 { // deleted under the fetch, or its session
		p.Code = wire.UnknownTopicOrPartition
		if again := b.topics[string(p.Topic)]; again != nil && p.Index >= 0 && int(p.Index) < len(again.partitions) {
			p.Code = wire.InconsistentTopicID // of the same name now, and this partition
		}
	}
	if byID && t != nil && len(p.Topic) == 0 {
		f.Name(p, t.bytes)
	}
	if code != wire.None {
		return
	}
	p.Partition = target.number
	r := target.replica
	p.High, p.Start = r.High().Offset, r.Log.Start()
	if p.Code = fetchable(target, p); f.Replica >= 0 && p.Code != wire.UnknownLeaderEpoch && p.Code != wire.FencedLeaderEpoch {
		p.Code = wire.NotLeaderOrFollower // nobody else has a replica of it
	}
	if p.Code != wire.None {
		return
	}
	if p.Next = log.AtEnd; p.Offset < p.High && !p.Diverging.Known {
		var want log.Want
		p.Cursor, p.Next, want = r.Log.Find(p.Offset)
		if p.Next == log.Unreadable {
			p.Code = wire.KafkaStorageError
		}
		b.read(i, j, want, fx)
	}
}

// fetchable judges epochs and offset (KIP-320, KIP-595). A reader who says the epoch of his last batch is told where the
// log has parted from his, if it has; beyond the end he may well be then.
func fetchable(p *partition, asked *fetch.Part) wire.Code {
	r := p.replica
	if code := currentEpoch(p, max(-1, asked.Epoch)); code != wire.None { // here any negative one is none
		return code
	}
	if !r.Settled() { // a reader would take the high watermark for the end, and would not know what he has missed
		return wire.NotLeaderOrFollower
	}
	start, end := r.Log.Start(), r.Log.End().Offset
	if asked.Offset < start {
		return wire.OffsetOutOfRange
	}
	if asked.LastEpoch >= 0 {
		epoch, ends := r.Log.Epochs.EndOffsetFor(asked.LastEpoch, end)
		if epoch < 0 {
			return wire.OffsetOutOfRange
		}
		if epoch < asked.LastEpoch || ends < asked.Offset {
			asked.Diverging = wire.EpochEnd{Known: true, Epoch: epoch, Offset: ends}
			return wire.None
		}
	}
	if asked.Offset > end {
		return wire.OffsetOutOfRange
	}
	return wire.None
}

// read asks for what a search needs; the Op says which part of which fetch it is for.
func (b *Broker) read(i uint32, j int, want log.Want, fx *seam.Effects) {
	if next := b.fetches[i].Parts[j].Next; next != log.NeedIndex && next != log.NeedBytes {
		return
	}
	b.fetches[i].Reads++
	b.partitions.At(b.fetches[i].Parts[j].Partition).reads++
	op := seam.Op(uint64(ownerFetch|i)<<32 | uint64(j+1))
	fx.Reads = append(fx.Reads, seam.Read{Op: op, File: want.File, At: want.At, Len: want.Len})
}

func (b *Broker) fetchLoaded(now seam.Now, i uint32, in *seam.Loaded, fx *seam.Effects) {
	f, j := &b.fetches[i], int(uint32(in.Op))-1
	f.Reads--
	p := &f.Parts[j]
	target := b.partitions.At(p.Partition)
	target.reads--
	b.touch(target)
	if target.state != partitionOpen {
		p.Next = log.AtEnd // gone meanwhile: evaluate will say so
	} else {
		var want log.Want
		p.Cursor, p.Next, want = target.replica.Log.Loaded(p.Cursor, p.Next, in)
		b.read(i, j, want, fx)
		switch {
		case p.Next == log.Unreadable && p.Offset < target.replica.Log.Start():
			p.Next, p.Code = log.AtEnd, wire.OffsetOutOfRange // deleted meanwhile
		case p.Next == log.Unreadable:
			p.Code = wire.KafkaStorageError
			why := "no batch where one should be"
			if in.Fault != seam.OK {
				why = in.Fault.String()
			}
			fx.Events = append(fx.Events, seam.Event{
				Kind: seam.SegmentUnreadable, Topic: target.name(), Partition: target.index, A: p.Offset, Text: target.replica.Log.Where(p.Cursor) + ": " + why,
			})
		}
	}
	if f.Reads == 0 && !f.walking {
		b.settleFetch(now, i, fx)
	}
}

// Readable is how far a partition may be read: up to its high watermark.
func (b *Broker) Readable(number uint32) (*log.Log, log.Mark) {
	r := b.partitions.At(number).replica
	return r.Log, r.High()
}

func (b *Broker) settleFetch(now seam.Now, i uint32, fx *seam.Effects) {
	f := &b.fetches[i]
	if f.Overtaken() {
		f.Refuse(wire.InvalidFetchSessionEpoch, false)
		b.answerFetch(now, i, 0, fx)
		return
	}
	stale := b.refresh(f) || f.stirred
	total, failed := f.Plan(b)
	switch {
	case f.Enough(now, total, failed):
	case f.owner == nil: // its client has hung up
		b.endFetch(i)
		return
	case f.bytes > 0 && b.crowded(): // its client waits, and not its fetch
		b.mute(now, f.owner, min(f.Deadline-now.Mono, crowdedWait))
	default:
		if stale {
			b.evaluate(now, i, fx) // a high watermark has passed while reads were under way: nobody would wake it
		} else if f.owner == nil {
			b.endFetch(i) // nobody would be answered
		} else {
			b.park(i)
		}
		return
	}
	b.answerFetch(now, i, total, fx)
}

// crowdedWait is how long the client of a long fetch is told to wait, at most, where there is no memory to wait in.
const crowdedWait = seam.Second

// answerFetch answers; total is how many bytes of records that brings.
func (b *Broker) answerFetch(now seam.Now, i uint32, total int64, fx *seam.Effects) {
	f := &b.fetches[i]
	if c := f.owner; c != nil {
		if c.meters != nil {
			b.use(now, c, c.known(quotaFetch), total)
		}
		f.Throttle = c.throttled(now)
	}
	b.nameLeaders(f)
	session := b.sessions.Told(now, &f.Fetch)
	b.countFetch(f)
	head, body := f.Head(b.head(), &b.fetchOut, session, b.body())
	b.answer(f.Conn, f.slot, conn.Answer{Head: head, Body: body}, fx)
	b.endFetch(i)
}

// nameLeaders says who leads what was asked of the wrong broker, or in a past epoch (KIP-951). Brokers know where.
func (b *Broker) nameLeaders(f *fetchSlot) {
	if f.Nodes = nil; f.Version < 16 || f.owner == nil {
		return
	}
	for i := range f.Parts {
		if p := &f.Parts[i]; p.Code == wire.NotLeaderOrFollower || p.Code == wire.FencedLeaderEpoch {
			p.Leader = b.leader(string(p.Topic), p.Index)
			if f.Replica < 0 {
				f.Nodes = b.withNode(f.Nodes, f.owner, p.Leader)
			}
		}
	}
}

// leader is who leads a partition.
func (b *Broker) leader(topic string, index int32) wire.Leader {
	if t := b.image.Topic(topic); t != nil && int(index) < len(t.Partitions) {
		p := t.Partition(index)
		return wire.Leader{Known: true, ID: p.Leader, Epoch: p.LeaderEpoch}
	}
	return wire.Leader{}
}

// withNode adds where a leader is reached by a client, once.
func (b *Broker) withNode(nodes []wire.Node, c *connection, leader wire.Leader) []wire.Node {
	if slices.ContainsFunc(nodes, func(n wire.Node) bool { return n.ID == leader.ID }) {
		return nodes
	}
	for id, broker := range b.image.Brokers() {
		if id == leader.ID && leader.Known {
			node := wire.Node{ID: id, Rack: broker.Rack}
			node.Host, node.Port = b.address(c)
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// refresh notes what has become of the partitions since they were looked at. stale: one that had nothing has something.
func (b *Broker) refresh(f *fetchSlot) (stale bool) {
	for j := range f.Parts {
		p := &f.Parts[j]
		if p.Partition == 0 {
			continue
		}
		target := b.partitions.At(p.Partition)
		if target == nil || target.state != partitionOpen {
			p.Partition, p.Code = 0, b.gone(p)
			continue
		}
		high := target.replica.High().Offset
		if p.Code == wire.None && p.Offset < target.replica.Log.Start() {
			p.Code = wire.OffsetOutOfRange
		}
		if p.Code == wire.None && p.Next == log.AtEnd && p.Offset < high {
			stale = true // answered now, it is answered as it was: nothing below the high watermark of then
			continue
		}
		p.High, p.Start = high, target.replica.Log.Start()
	}
	return stale
}

// park leaves the fetch with its partitions: whichever's high watermark moves first wakes it, or the deadline.
func (b *Broker) park(i uint32) {
	f := &b.fetches[i]
	f.Parked = true
	f.Trim()
	b.reckon(f) // a session's has come to what it is
	f.alarm = b.timers.Set(f.Deadline, i)
	for j := range f.Parts {
		if p := &f.Parts[j]; p.Partition != 0 {
			b.wait(b.partitions.At(p.Partition), waiter{i, f.parking, p.Offset})
		}
	}
}

// waiter is a parked fetch at one of its partitions, or one of a session that may come to be parked. The others keep
// theirs when it is woken: it is not valid then.
type waiter struct {
	fetch   uint32
	parking uint32
	offset  int64
}

func (b *Broker) waits(w waiter) bool {
	f := &b.fetches[w.fetch]
	return f.live && f.parking == w.parking
}

// wait adds a waiter. Room is made by letting go of those that are not valid any more, as long as that makes much.
func (b *Broker) wait(p *partition, w waiter) {
	if n := len(p.waiters); n > 0 && n == cap(p.waiters) {
		p.waiters = slices.DeleteFunc(p.waiters, func(w waiter) bool { return !b.waits(w) })
		if 2*len(p.waiters) > n {
			p.waiters = slices.Grow(p.waiters, n)
		}
	}
	p.waiters = append(p.waiters, w)
}

func (b *Broker) unpark(i uint32) {
	f := &b.fetches[i]
	f.Parked = false
	b.timers.Cancel(f.alarm)
}

// wake queues every fetch that waits at a partition. Those woken are worked off in turns.
func (b *Broker) wake(p *partition) {
	for _, w := range p.waiters {
		switch {
		case !b.waits(w):
		case b.fetches[w.fetch].Parked:
			b.unpark(w.fetch)
			b.wakes.Push(w.fetch)
		default:
			b.fetches[w.fetch].stirred = true
		}
	}
	p.waiters = p.waiters[:0]
}

// gone is what a fetch is told of a partition that is not served any more, or is elsewhere now.
func (b *Broker) gone(p *fetch.Part) wire.Code {
	switch _, _, code := b.find(p.Topic, p.TopicID, p.Index, len(p.Topic) == 0); code {
	case wire.None:
		return wire.NotLeaderOrFollower
	case wire.UnknownTopicID:
		return wire.UnknownTopicOrPartition
	default:
		return code
	}
}
