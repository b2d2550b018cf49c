package core

import (
	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// produce is a Produce under way. Its place in Broker.produces is the Ticket's request.
type produce struct {
	owner       *connection
	slot        conn.Slot
	lease       seam.Lease
	size        int64
	version     int16
	acks        int16
	correlation int32
	deadline    seam.Mono
	results     []wire.ProduceResult
	open        int32  // partitions not decided, and the intake
	whole       bool   // all partitions are looked at
	writes      int32  // Writes, and Rewrites, that use the frame
	rewritten   []lent // frames of batches that were rewritten, until they are written
	decided     []bool
	listed      int64 // bytes of records that were walked over again
	answered    bool
	live        bool
	names       []byte
	name        []byte // the last of names, and whose entry that is, and one
	named       int32
}

// produceSweep is how often parked produces are looked over for those whose time is up.
const produceSweep = 100 * seam.Millisecond

// onProduce takes a Produce (0). Checks and their order are Kafka's: what concerns the whole request, then each
// partition by itself, its batch last.
func (b *Broker) onProduce(now seam.Now, c *connection, lease seam.Lease, size int64, r *conn.Request, fx *seam.Effects) {
	id := b.newProduce()
	p := &b.produces[id]
	p.owner, p.lease, p.size, p.version, p.correlation = c, lease, size, r.Version, r.Correlation
	p.acks = r.Produce.Acks
	b.use(now, c, b.meter(now, c, quotaProduce, r.ClientID), size-seam.FrameCost) // what the frame costs beside its bytes is our affair
	p.deadline = now.Mono + seam.Mono(max(0, r.Produce.TimeoutMillis))*seam.Millisecond
	p.writes = 1 // the request itself reads the frame until all partitions are looked at
	if p.acks != 0 {
		p.slot = c.slots.Open()
	}
	p.open, p.whole = 1, false // its intake
	refusal, parts := requestRefusal(r), len(r.Produce.Partitions)
	if parts > b.turns.room {
		b.produceInTurns(now, id, r, refusal, fx)
		return
	}
	b.turns.room -= parts
	var few [partsFew]bool
	again := few[:min(parts, 1)] // one alone is not named again
	if parts > 1 {
		again = repeated(r, few[:])
	}
	for i := range again {
		b.producePart(now, id, int32(i), r, refusal, again[i], fx)
	}
	b.taken(now, id, fx)
}

func (b *Broker) produceInTurns(now seam.Now, id uint32, r *conn.Request, refusal wire.Code, fx *seam.Effects) {
	again := repeated(r, nil)
	start := b.turns.each(len(again), func(i int, now seam.Now, fx *seam.Effects) {
		b.producePart(now, id, int32(i), r, refusal, again[i], fx)
	})
	b.inTurns(now, b.produces[id].owner, func(now seam.Now, fx *seam.Effects) bool {
		done := start(now, fx)
		if done {
			b.taken(now, id, fx)
		}
		return done
	}, fx)
}

// taken: all partitions of a produce are looked at.
func (b *Broker) taken(now seam.Now, id uint32, fx *seam.Effects) {
	b.waiting++
	b.produces[id].open--
	b.produces[id].whole = true
	b.freed(replica.Ticket{Request: id, Part: intake}, fx)
	b.maybeAnswer(now, id, fx)
	if b.parkedAt == seam.Never {
		b.parkedAt = now.Mono + produceSweep
	}
}

// requestRefusal is an error of the whole request.
func requestRefusal(r *conn.Request) wire.Code {
	for i := range r.Facts {
		if r.Facts[i].IsTransactional() {
			return wire.TransactionalIDAuthorizationFailed
		}
	}
	return wire.None
}

func (b *Broker) newProduce() uint32 {
	if n := len(b.freeProd); n > 0 {
		id := b.freeProd[n-1]
		b.freeProd = b.freeProd[:n-1]
		p := &b.produces[id]
		b.spare -= p.bytes()
		p.slot, p.open, p.listed, p.named, p.answered, p.live = 0, 0, 0, 0, false, true
		return id
	}
	b.produces = append(b.produces, produce{live: true})
	return uint32(len(b.produces) - 1)
}

func (b *Broker) producePart(now seam.Now, id uint32, i int32, r *conn.Request, refusal wire.Code, again bool, fx *seam.Effects) {
	part, facts := &r.Produce.Partitions[i], &r.Facts[i]
	p := &b.produces[id]
	p.results = append(p.results, wire.ProduceResult{
		TopicID: part.TopicID, Group: part.Group, Index: part.Index,
		BaseOffset: -1, LogAppendTime: -1, LogStartOffset: -1,
	})
	last := len(p.results) - 1
	result := &p.results[last]
	t, target, code := b.find(part.Topic, part.TopicID, part.Index, r.Version >= 13)
	if t != nil {
		result.Topic = t.bytes
	} else {
		result.Topic = p.nameOf(part)
	}
	waits, rewriting := false, p.owner.rewriting
	switch {
	case refusal != wire.None:
		result.Code = refusal
	case facts.Fault.BeforeTopic():
		result.Code, result.ErrorMessage = wire.Code(facts.Fault.Code()), facts.Fault.String()
	case code != wire.None && (code == wire.UnknownTopicOrPartition || code == wire.UnknownTopicID):
		result.Code = code
	case facts.Fault.BeforeCodec():
		result.Code, result.ErrorMessage = wire.Code(facts.Fault.Code()), facts.Fault.String()
	case facts.Codec() == batch.Zstd && r.Version < 7: // KIP-110
		result.Code = wire.UnsupportedCompressionType
	case facts.Codec() > batch.Zstd && r.Version < 7:
		result.Code = wire.InvalidRecord // found when zstd is looked for, where there is no log yet
	case facts.Fault.BeforeAppend():
		result.Code, result.ErrorMessage = wire.Code(facts.Fault.Code()), facts.Fault.String()
	case again:
		p.results = p.results[:last]
		return
	case p.acks < -1 || p.acks > 1:
		result.Code = wire.InvalidRequiredAcks
	case t.internal:
		result.Code = wire.InvalidTopicException // its records are the broker's own
	case code != wire.None:
		result.Code = code
	default:
		var writes bool
		waits, writes = b.takePart(now, replica.Ticket{Request: id, Part: int32(last)}, t, target, r, i, part.Records[:facts.Size], facts, p, result, fx)
		if writes {
			p.writes++
		}
	}
	if target != nil && p.owner.rewriting == rewriting {
		b.countProduce(target, facts.Count, facts.Size, result.Code)
	}
	p.decided = append(p.decided, !waits)
	if waits {
		p.open++
	}
}

// nameOf keeps the name that a topic's entry has once, however many partitions it has: a name may take 32 KB of the frame, and a
// partition takes ten bytes.
func (p *produce) nameOf(part *wire.ProducePartition) []byte {
	if p.named != part.Group+1 {
		at := len(p.names)
		p.names = append(p.names, part.Topic...)
		p.name, p.named = p.names[at:], part.Group+1
	}
	return p.name
}

// repeated: of one partition named twice only the later entry counts, as in Kafka.
func repeated(r *conn.Request, few []bool) []bool {
	return namedAgain(len(r.Produce.Partitions), few, func(i int) (topic []byte, group int32, at place) {
		p := &r.Produce.Partitions[i]
		return p.Topic, p.Group, place{id: p.TopicID, index: p.Index}
	})
}

// place is a partition that a request names.
type place struct {
	topic int32 // the number of its topic's name
	id    [16]byte
	index int32
}

// partsFew partitions are compared each with each: that takes no memory.
const partsFew = 32

// namedAgain says of each of n partitions that a request names whether it names it again further on. few is room for the answer,
// if they are no more than that. Of more, each topic's name is looked at once, however long it is and however many partitions it
// has.
func namedAgain(n int, few []bool, of func(i int) (topic []byte, group int32, at place)) []bool {
	if n <= len(few) {
		return eachWithEach(few[:n], of)
	}
	again, seen, numbers := make([]bool, n), make(map[place]bool, n), map[string]int32{}
	before, number := int32(-1), int32(0)
	for i := n - 1; i >= 0; i-- {
		topic, group, at := of(i)
		if group != before {
			known := false
			if number, known = numbers[string(topic)]; !known {
				number = int32(len(numbers))
				numbers[string(topic)] = number
			}
			before = group
		}
		at.topic = number
		again[i], seen[at] = seen[at], true
	}
	return again
}

func eachWithEach(again []bool, of func(i int) (topic []byte, group int32, at place)) []bool {
	for i := range max(0, len(again)-1) {
		topic, _, at := of(i)
		for j := i + 1; j < len(again) && !again[i]; j++ {
			other, _, there := of(j)
			again[i] = at == there && string(topic) == string(other)
		}
	}
	return again
}

// takePart judges a batch against its topic's configuration and takes it into the log, or has it rewritten first. Data and
// facts are entry i of the request, or what became of that.
func (b *Broker) takePart(now seam.Now, ticket replica.Ticket, t *topic, target *partition, r *conn.Request, i int32, data []byte, facts *batch.Facts, p *produce, result *wire.ProduceResult, fx *seam.Effects) (waits, writes bool) {
	if code, message := judge(now, &t.config, facts); code != wire.None {
		result.Code, result.ErrorMessage = code, message
		if code != wire.MessageTooLarge && (facts.Fault.WithLogStart() || facts.Fault == batch.Fine) {
			result.LogStartOffset = target.replica.Log.Start()
		}
		b.listRecords(now, t, p, data, facts, result)
		return false, false
	}
	if t.config.CompressionType != controller.CompressionProducer && !t.config.Keeps(facts.Codec()) {
		return b.rewrite(ticket, t, r, i, p, result, fx), false
	}
	if int64(facts.Size) > int64(t.config.SegmentBytes) {
		result.Code, result.ErrorMessage = wire.RecordListTooLarge, "the batch is larger than segment.bytes"
		return false, false
	}
	if t.config.LogAppendTime {
		batch.StampAppendTime(data, int64(now.Wall))
		facts.MaxTimestamp = int64(now.Wall)
	}
	out := target.replica.Produce(now, ticket, p.acks, data, facts, fx)
	result.Code = out.Code
	if out.Code != wire.None {
		if out.Code != wire.KafkaStorageError && out.Code != wire.NotLeaderOrFollower { // what the log itself refuses is told with its start
			result.LogStartOffset = target.replica.Log.Start()
		}
		return false, false
	}
	result.BaseOffset, result.LogStartOffset = out.Base, target.replica.Log.Start()
	switch {
	case out.Timestamp >= 0:
		result.LogAppendTime = out.Timestamp
	case t.config.LogAppendTime:
		result.LogAppendTime = facts.MaxTimestamp
	}
	return out.Waits, out.Writes
}

// judge compares the facts with the topic's configuration; faults of the batch itself stand at Kafka's place between.
func judge(now seam.Now, config *controller.TopicConfig, facts *batch.Facts) (wire.Code, string) {
	switch {
	case facts.Fault.BeforeSize():
		return wire.Code(facts.Fault.Code()), facts.Fault.String()
	case facts.Size > config.MaxMessageBytes:
		return wire.MessageTooLarge, "the batch is larger than max.message.bytes"
	case facts.Fault != batch.Fine:
		return wire.Code(facts.Fault.Code()), facts.Fault.String()
	case config.LogAppendTime && facts.AppendTimeSet:
		return wire.InvalidTimestamp, "the client set the timestamp type"
	case !config.LogAppendTime && outOfRange(now, config, facts):
		return wire.InvalidTimestamp, "a timestamp is out of range"
	case config.Compact && facts.NullKey:
		return wire.InvalidRecord, "a record without a key on a compacted topic"
	}
	return wire.None, ""
}

func outOfRange(now seam.Now, config *controller.TopicConfig, facts *batch.Facts) bool {
	from, to := timestampRange(now, config)
	return facts.MaxTimestamp > to || facts.MinTimestamp < from && facts.MinTimestamp != batch.NoTimestamp
}

// timestampRange is what message.timestamp.before.max.ms and after.max.ms allow now.
func timestampRange(now seam.Now, config *controller.TopicConfig) (from, to int64) {
	const least, most = -1 << 63, 1<<63 - 1
	from, to = least, most
	if wall := int64(now.Wall); wall >= 0 { // and so without a bound too: a time that is more milliseconds ago than can be counted is refused
		from = wall - config.TimestampBeforeMaxMillis
	}
	if wall := int64(now.Wall); config.TimestampAfterMaxMillis < most-wall {
		to = wall + config.TimestampAfterMaxMillis
	}
	return from, to
}

// listedMax is how many bytes of records of one request are walked over again, in its Step: a batch of a megabyte may inflate
// to a hundred MiB, or hold a million records, each of which is wrong; and a request may bring a hundred of them.
const listedMax = 4 << 20

// listRecords names the records that a batch was refused for (KIP-467): a second walk, of refused batches only.
func (b *Broker) listRecords(now seam.Now, t *topic, p *produce, data []byte, facts *batch.Facts, result *wire.ProduceResult) {
	if facts.Fault != batch.Fine || result.Code != wire.InvalidTimestamp && result.Code != wire.InvalidRecord || p.listed+facts.InflatedSize > listedMax {
		return
	}
	p.listed += facts.InflatedSize
	asked := batch.Judgement{KeyNeeded: t.config.Compact}
	switch asked.TimestampFrom, asked.TimestampTo = timestampRange(now, &t.config); {
	case t.config.LogAppendTime && facts.AppendTimeSet: // whatever it is, it is none of the client's
		asked.TimestampFrom, asked.TimestampTo = 1<<63-1, -1<<63
	case t.config.LogAppendTime:
		asked.TimestampFrom, asked.TimestampTo = -1<<63, 1<<63-1
	}
	refusals := batch.Refusals(batch.View(data), asked, batch.Limits{}, nil, nil)
	if len(refusals) > 0 {
		result.Code = wire.InvalidRecord // a record without a key is not asked for its time
	}
	for _, x := range refusals {
		message := "Record has no key."
		if x.Code == int16(wire.InvalidTimestamp) {
			message, result.Code = "Timestamp is out of range.", wire.InvalidTimestamp
		}
		result.ErrorRecords = append(result.ErrorRecords, wire.ErrorRecord{Index: x.Index, Message: message})
	}
}

// freed: one Write of a batch has come back. The last one of those in the frame that the client sent frees that.
func (b *Broker) freed(t replica.Ticket, fx *seam.Effects) {
	if t.Request == 0 {
		return
	}
	p := &b.produces[t.Request]
	if len(p.rewritten) > 0 && b.freeRewritten(p, t.Part, fx) {
		b.maybeEnd(t.Request)
		return
	}
	if p.writes--; p.writes == 0 {
		b.release(p.owner, p.lease, p.size, fx)
		b.maybeEnd(t.Request)
	}
}

// intake is the part of a produce that is none, but reads its frame.
const intake = -1

// decided: a partition of a produce has its answer. Tickets of request 0 are the broker's own.
func (b *Broker) decided(now seam.Now, from *partition, d replica.Done, fx *seam.Effects) {
	if d.Ticket.Request == 0 {
		if from.number == metadataNumber && d.Code != wire.None {
			b.proposalLost(fx)
		}
		if from.coordinator != nil && d.Code != wire.None {
			b.coordinatorLost(now, from.coordinator, fx)
		}
		return
	}
	p := &b.produces[d.Ticket.Request]
	p.decided[d.Ticket.Part] = true
	p.open--
	if !p.answered && d.Code != wire.None {
		fail(&p.results[d.Ticket.Part], d.Code)
	}
	b.maybeAnswer(now, d.Ticket.Request, fx)
}

func fail(r *wire.ProduceResult, code wire.Code) {
	r.Code, r.BaseOffset, r.LogAppendTime, r.LogStartOffset = code, -1, -1, -1
}

func (b *Broker) maybeAnswer(now seam.Now, id uint32, fx *seam.Effects) {
	p := &b.produces[id]
	if p.open > 0 {
		return
	}
	if !p.answered {
		b.answerProduce(now, p, fx)
	}
	b.maybeEnd(id)
}

func (b *Broker) answerProduce(now seam.Now, p *produce, fx *seam.Effects) {
	p.answered = true
	b.waiting--
	for i := range p.results {
		b.countRefusal(wire.KeyProduce, p.results[i].Code)
	}
	if p.acks != 0 {
		nodes := b.leaders(p)
		b.answerTo(p.owner, p.slot, conn.Answer{Head: wire.AppendProduceResponse(b.head(), p.version, p.correlation, p.owner.throttled(now), p.results, nodes...)}, fx)
		return
	}
	for i := range p.results {
		if c := p.owner; !c.gone && p.results[i].Code != wire.None {
			b.answerTo(c, c.slots.Open(), conn.Answer{Then: seam.CloseNow}, fx) // the only way to tell
			return
		}
	}
}

// leaders says who leads what was sent to the wrong broker (KIP-951).
func (b *Broker) leaders(p *produce) (nodes []wire.Node) {
	for i := range p.results {
		if result := &p.results[i]; result.Code == wire.NotLeaderOrFollower && p.version >= 10 {
			result.Leader = b.leader(string(result.Topic), result.Index)
			nodes = b.withNode(nodes, p.owner, result.Leader)
		}
	}
	return nodes
}

func (b *Broker) maybeEnd(id uint32) {
	if p := &b.produces[id]; p.live && p.answered && p.open == 0 && p.writes == 0 && len(p.rewritten) == 0 {
		p.live, p.name = false, nil
		if clear(p.results); b.spares(p.bytes()) {
			p.results, p.decided, p.names = p.results[:0], p.decided[:0], p.names[:0]
		} else {
			p.results, p.decided, p.names = nil, nil, nil
		}
		b.freeProd = append(b.freeProd, id)
	}
}

// bytes is what a produce keeps for the next.
func (p *produce) bytes() int64 {
	const resultBytes = 136
	return int64(cap(p.results))*resultBytes + int64(cap(p.decided)) + int64(cap(p.names))
}

// sweepProduces answers REQUEST_TIMED_OUT for what is not safe in time. It may be safe later all the same.
func (b *Broker) sweepProduces(now seam.Now, fx *seam.Effects) {
	if b.parkedAt > now.Mono {
		return
	}
	for ; b.swept < len(b.produces); b.swept++ {
		if !b.turns.take() {
			return
		}
		p := &b.produces[b.swept]
		if !p.live || !p.whole || p.answered || p.acks != -1 || p.deadline > now.Mono {
			continue
		}
		for j := range p.results {
			if !p.decided[j] {
				fail(&p.results[j], wire.RequestTimedOut)
			}
		}
		b.answerProduce(now, p, fx)
	}
	b.swept = 0
	b.parkedAt = seam.Never
	if b.waiting > 0 {
		b.parkedAt = now.Mono + produceSweep
	}
}
