package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// consignment is a batch in a Produce request.
type consignment struct {
	partition *partition
	parcel    *parcel
}

// isRipe says whether a batch that was never sent need not wait for company any more.
func (c *Client) isRipe(now seam.Now, p *partition, k *parcel, fx *seam.Effects) bool {
	if !p.isOpen(k) || c.closing || k.order <= c.flushed || now.Mono >= k.opened+c.config.Linger {
		return true
	}
	fx.Wake(k.opened + c.config.Linger)
	return false
}

// nextParcel is the batch of p that may be sent now, if any.
//
// Of an idempotent producer: a batch that is sent again goes alone, when all before it are done, as Java's does
// (RecordAccumulator.shouldStopDrainBatchesForPartition). And alone goes the first of an epoch: a broker that does not
// know the producer takes any sequence (KIP-360), and would take the second batch for the first.
func (c *Client) nextParcel(now seam.Now, p *partition, fx *seam.Effects) *parcel {
	flying := 0
	k := p.doubtful()
	if !p.line.bump {
		k, flying = p.front()
	}
	if k == nil || !c.hasRoom(p, k, flying) {
		return nil
	}
	if now.Mono < k.retryAt {
		fx.Wake(k.retryAt)
		return nil
	}
	if !c.isRipe(now, p, k, fx) {
		return nil
	}
	return k
}

// front is the first batch that no answer is awaited of, and how many are awaited.
func (p *partition) front() (k *parcel, flying int) {
	for _, other := range p.parcels {
		if other.attempts == 0 && k != nil {
			break // what follows was never sent either
		}
		if other.flying {
			flying++
		} else if k == nil {
			k = other
			if k.sequenced && flying > 0 {
				return nil, flying
			}
		}
	}
	return k, flying
}

// hasRoom says whether one more batch of a partition may be under way.
func (c *Client) hasRoom(p *partition, k *parcel, flying int) bool {
	switch {
	case !c.config.Idempotent:
		return flying < c.config.InFlightMax
	case k.sequenced:
		return true
	case p.line.unresolved:
		return false
	case p.line.id == batch.NoProducerID && c.identity.id == batch.NoProducerID:
		return false
	case p.line.lastAcked == batch.NoSequence:
		return flying == 0
	}
	// The oldest that is not done counts, and all behind it, done or not: the broker must still know it.
	oldest := p.parcels[0]
	return flying < c.config.InFlightMax && (!oldest.sequenced || p.line.sent-oldest.nth < windowSize)
}

// maybeProduce sends what may be sent, as many requests as may be under way.
func (c *Client) maybeProduce(now seam.Now, fx *seam.Effects) {
	for _, p := range c.active {
		if c.config.Idempotent {
			c.maybeSettle(p, fx)
		}
		if c.nextParcel(now, p, fx) == nil {
			continue
		}
		if p.leader == nil {
			c.wantMetadata()
			continue
		}
		c.maybeReady(now, p.leader, fx)
	}
	for _, n := range c.nodes {
		if n.state == ready && n.producing < c.config.InFlightMax && c.maybeProduceTo(now, n, fx) {
			fx.Wake(now.Mono) // one request a Step; there may be more to send
		}
	}
}

// maybeProduceTo sends one request with a batch of each partition that n leads, as far as the request's size goes. The
// partition that comes first changes from request to request.
func (c *Client) maybeProduceTo(now seam.Now, n *node, fx *seam.Effects) bool {
	var load []consignment
	size := 0
	for i := range c.active {
		p := c.active[(i+n.fair)%len(c.active)]
		if p.leader != n {
			continue
		}
		k := c.nextParcel(now, p, fx)
		if k == nil {
			continue
		}
		if p.isOpen(k) {
			p.close()
			p.unstick()
		}
		if size > 0 && size+len(k.bytes) > c.config.RequestBytesMax {
			continue
		}
		size += len(k.bytes)
		load = append(load, consignment{p, k})
	}
	n.fair++
	if len(load) == 0 {
		return false
	}
	return c.ship(now, n, load, fx)
}

func (c *Client) ship(now seam.Now, n *node, load []consignment, fx *seam.Effects) bool {
	ask := kmsg.NewPtrProduceRequest()
	version, ok := c.version(n, ask)
	if !ok {
		c.cut(now, n, fx)
		return false
	}
	for _, one := range load {
		version = one.partition.topic.within(version)
	}
	ask.Version, ask.Acks, ask.TimeoutMillis = version, c.config.Acks, millis(c.config.RequestTimeout)
	for _, one := range load {
		c.address(one)
		one.pack(ask)
	}
	if ask.Acks == AcksNone {
		c.correlation++
		c.write(n, ask, fx)
		c.fence(now, n, load, fx)
		return true
	}
	n.producing++
	c.send(now, n, ask, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
		n.producing--
		c.onProduced(now, load, answer, fx)
	})
	return true
}

// fence asks something behind a Produce that has no answer. When that is answered the broker has read both: until then the
// batches are under way, or nothing would bound what waits for a slow link, and a Flush would wait for nothing. A broker
// that refuses such a Produce ends the connection.
func (c *Client) fence(now seam.Now, n *node, load []consignment, fx *seam.Effects) {
	n.producing++
	ask := kmsg.NewPtrApiVersionsRequest() // of version 0: whoever was ready has answered one
	c.send(now, n, ask, c.config.RequestTimeout, fx, func(_ seam.Now, answer wire.Answer, fault Fault, fx *seam.Effects) {
		n.producing--
		for _, one := range load {
			one.partition.remove(one.parcel)
			if one.parcel.flying = false; answer != nil {
				c.succeed(one.parcel, -1, fx)
				continue
			}
			one.parcel.unknown = true
			c.fail(one.parcel, wire.None, fault, fx)
		}
	})
}

// address gives a batch its sequence when it is sent for the first time, in this epoch.
func (c *Client) address(one consignment) {
	k, l := one.parcel, &one.partition.line
	k.flying, k.refused = true, false
	k.attempts++
	if !c.config.Idempotent || k.sequenced {
		return
	}
	if l.id == batch.NoProducerID {
		l.begin(c.identity.id, c.identity.epoch)
	}
	k.sequenced, k.sequence, k.nth = true, l.next, l.sent
	l.sent++
	l.next = batch.AddSequence(l.next, k.count)
	stamp(k.bytes, l.id, l.epoch, k.sequence)
}

// pack adds a batch to a request, beside others of its topic.
func (one consignment) pack(ask *kmsg.ProduceRequest) {
	t := one.partition.topic
	at := slices.IndexFunc(ask.Topics, func(rt kmsg.ProduceRequestTopic) bool { return rt.Topic == t.name })
	if at < 0 {
		rt := kmsg.NewProduceRequestTopic()
		rt.Topic, rt.TopicID = t.name, t.id
		at, ask.Topics = len(ask.Topics), append(ask.Topics, rt)
	}
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = one.partition.number, one.parcel.bytes
	ask.Topics[at].Partitions = append(ask.Topics[at].Partitions, rp)
}

// onProduced takes the answer to one request. A batch that it does not name is one whose answer was lost.
func (c *Client) onProduced(now seam.Now, load []consignment, answer wire.Answer, fx *seam.Effects) {
	r, _ := answer.(*kmsg.ProduceResponse)
	for _, one := range load {
		one.parcel.flying = false
		if row := one.find(r); row != nil {
			c.onOutcome(now, one, row, fx)
		} else {
			c.onNoOutcome(now, one)
		}
	}
}

func (one consignment) find(r *kmsg.ProduceResponse) *kmsg.ProduceResponseTopicPartition {
	if r == nil {
		return nil
	}
	t := one.partition.topic
	for i := range r.Topics {
		rt := &r.Topics[i]
		if r.Version < 13 && rt.Topic != t.name {
			continue
		}
		for j := range rt.Partitions {
			if rt.Partitions[j].Partition == one.partition.number && (r.Version < 13 || one.isOf(rt.TopicID)) {
				return &rt.Partitions[j]
			}
		}
	}
	return nil
}

// isOf says whether the batch was sent to the topic of that id; the id may have changed since.
func (one consignment) isOf(id [16]byte) bool { return one.partition.topic.id == id }

// onNoOutcome keeps a batch of which nobody knows whether it was written. It is tried again; a broker that has it
// recognizes its sequence.
func (c *Client) onNoOutcome(now seam.Now, one consignment) {
	one.parcel.unknown = true
	c.retry(now, one.parcel)
	c.wantMetadata()
}

func (c *Client) retry(now seam.Now, k *parcel) {
	k.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, k.attempts-1)
}

// hasten lets batches go at once to a leader that was not asked yet (KIP-951).
func (c *Client) hasten(p *partition) {
	for _, k := range p.parcels {
		k.retryAt = 0
	}
}

func (c *Client) onOutcome(now seam.Now, one consignment, row *kmsg.ProduceResponseTopicPartition, fx *seam.Effects) {
	p, k := one.partition, one.parcel
	code := wire.Code(row.ErrorCode)
	if k.code, k.reason = code, nil; code.Failed() {
		k.reason = k.said(row)
	}
	if newsNeeded(code) {
		c.wantMetadata()
	}
	switch {
	case !code.Failed() || code == wire.DuplicateSequenceNumber:
		p.remove(k)
		if k.sequenced {
			p.acknowledge(k)
		}
		c.succeed(k, row.BaseOffset, fx)
	case k.sequenced && (code == wire.OutOfOrderSequenceNumber || code == wire.UnknownProducerID):
		p.refuse(k, code)
		c.retry(now, k)
	case code == wire.MessageTooLarge && k.count > 1 && !k.told && c.split(p, k):
	case retriable(code):
		k.unknown = k.unknown || mayBeWritten(code)
		c.retry(now, k)
	default:
		k.unknown = k.unknown || code == wire.UnknownServerError
		p.remove(k)
		p.line.leave(k)
		p.line.bump = p.line.bump || k.sequenced
		p.line.astray = p.line.astray || k.sequenced && k.unknown && !isOfBatch(code)
		c.fail(k, code, NoFault, fx)
	}
}

// isOfBatch says whether a batch refused for good with this code would be refused whoever brings it, and whenever.
func isOfBatch(code wire.Code) bool {
	switch code {
	case wire.InvalidRecord, wire.InvalidTimestamp, wire.MessageTooLarge, wire.RecordListTooLarge, wire.UnsupportedCompressionType:
		return true
	}
	return false
}

// mayBeWritten says whether a batch refused with this code may be, or come to be, in the log.
func mayBeWritten(code wire.Code) bool {
	switch code {
	case wire.CorruptMessage, wire.UnknownTopicOrPartition, wire.LeaderNotAvailable, wire.NotEnoughReplicas,
		wire.UnknownTopicID, wire.InconsistentTopicID, wire.ThrottlingQuotaExceeded:
		return false
	}
	return true
}

// split makes two batches of one that the broker finds too large (MESSAGE_TOO_LARGE). Both together have the sequences
// that the one had.
func (c *Client) split(p *partition, k *parcel) bool {
	first, ok1 := c.part(k, 0, (k.count+1)/2)
	second, ok2 := c.part(k, (k.count+1)/2, k.count)
	if !ok1 || !ok2 {
		return false
	}
	if k.sequenced {
		second.sequence = batch.AddSequence(k.sequence, first.count)
		stamp(first.bytes, p.line.id, p.line.epoch, first.sequence)
		stamp(second.bytes, p.line.id, p.line.epoch, second.sequence)
	}
	at := slices.Index(p.parcels, k)
	if k.sequenced {
		p.line.split(p.parcels[at:])
		second.nth++
	}
	p.parcels[at] = first
	p.parcels = slices.Insert(p.parcels, at+1, second)
	return true
}

// part is a batch of the records of k from one index up to another.
func (c *Client) part(k *parcel, from, to int32) (*parcel, bool) {
	half := *k
	half.count, half.reserved, half.refused, half.reason = 0, 0, true, nil
	var builder batch.Builder
	builder.Begin(batch.Plain(c.config.Codec))
	var r batch.Record
	records := batch.Read(batch.View(k.bytes), batch.Limits{}, nil)
	for i := int32(0); i < to && records.Next(&r); i++ {
		if i >= from {
			builder.Add(r.Timestamp, r.Key, r.Value, r.Headers)
			half.count++
		}
	}
	if half.count != to-from {
		return nil, false
	}
	half.bytes = builder.Finish()
	half.runs = k.runs.between(from, to)
	if half.reserved = k.reserved / 2; from == 0 {
		half.reserved = k.reserved - k.reserved/2
	}
	return &half, true
}

// between cuts out of a batch's runs those of the records from one index up to another, counted from the first.
func (runs Deliveries) between(from, to int32) Deliveries {
	var cut Deliveries
	for _, d := range runs {
		start, end := max(int32(d.Offset), from), min(int32(d.Offset)+d.Count, to)
		if start < end {
			d.Index += start - int32(d.Offset)
			d.Offset, d.Count = int64(start-from), end-start
			cut = append(cut, d)
		}
	}
	return cut
}

// retire takes partitions with nothing to send off the list.
func (c *Client) retire(fx *seam.Effects) {
	c.active = slices.DeleteFunc(c.active, func(p *partition) bool {
		if p.active = len(p.parcels) > 0; !p.active {
			c.maybeSettle(p, fx)
		}
		return !p.active
	})
}

// hasOlder says whether anything produced up to that order is still on its way.
func (c *Client) hasOlder(order uint64) bool {
	for _, p := range c.active {
		for _, k := range p.parcels {
			if !k.told {
				if k.order <= order {
					return true
				}
				break // the others are younger
			}
		}
	}
	for _, t := range c.topics.All() {
		for _, w := range t.waiting {
			if w.order <= order {
				return true
			}
		}
	}
	return false
}
