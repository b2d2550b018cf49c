package client

import (
	"slices"

	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/seam"
	"rookery/core/wire"
)

// parcel is one batch on its way, from its first record to its Deliveries.
type parcel struct {
	bytes    []byte // the batch, once it is closed
	count    int32
	reserved int        // bytes of the buffer that it holds
	runs     Deliveries // whose records they are
	order    uint64     // of the oldest Produce in it
	opened   seam.Mono
	deadline seam.Mono
	retryAt  seam.Mono
	attempts int
	code     wire.Code // why it was refused last: what a time-out is told with
	reason   *Reason   // and what was said beside, by places in the batch

	flying    bool // an answer is awaited
	unknown   bool // some attempt may have been written
	refused   bool // a broker that answered the last attempt does not have it, or will never tell whether it does
	told      bool // the application knows: its time was up while it was flying
	sequenced bool
	sequence  int32
	nth       int64 // of those with a sequence
}

// waiting is a Produce whose records have no partition yet: the topic is not known, or has no such partition.
type waiting struct {
	produce  *Produce
	next     int // the first record that has no place
	order    uint64
	deadline seam.Mono
}

// recordOverhead is more than a record needs beside key, value and headers, its share of the batch included.
const recordOverhead = batch.HeaderSize + 40

// Size is what a record takes of the buffer while it is on its way.
func (r *Record) Size() int {
	size := recordOverhead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += 10 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return size
}

// onProduce takes records, if there is room for all of them.
func (c *Client) onProduce(now seam.Now, in *Produce, fx *seam.Effects) {
	if len(in.Records) == 0 {
		return
	}
	size, largest := 0, 0
	for i := range in.Records {
		one := in.Records[i].Size()
		size, largest = size+one, max(largest, one)
	}
	fault := NoFault
	switch {
	case c.closing:
		fault = ShutDown
	case largest > c.config.RequestBytesMax:
		fault = TooLarge
	case c.buffered+size > c.config.BufferBytes:
		fault = BufferFull
	}
	if fault != NoFault {
		c.tell(Deliveries{refusal(in, 0, wire.None, fault)}, fx)
		return
	}
	c.buffered += size
	c.order++
	t := c.topicNamed(in.Topic)
	t.waiting = append(t.waiting, &waiting{produce: in, order: c.order, deadline: now.Mono + c.config.DeliveryTimeout})
	c.placeAll(now, t, fx)
}

func refusal(in *Produce, from int, code wire.Code, fault Fault) Delivered {
	return Delivered{Tag: in.Tag, Index: int32(from), Count: int32(len(in.Records) - from), Topic: in.Topic,
		Partition: in.Partition, Offset: -1, Code: code, Fault: fault}
}

func (c *Client) tell(runs Deliveries, fx *seam.Effects) {
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToOperator}, Body: runs})
}

// place tries again to find partitions for what waits.
func (c *Client) place(now seam.Now, fx *seam.Effects) {
	for _, t := range c.topics.All() {
		c.placeAll(now, t, fx)
	}
}

func (c *Client) placeAll(now seam.Now, t *topic, fx *seam.Effects) {
	if len(t.waiting) == 0 {
		return
	}
	if t.code.Failed() && !retriable(t.code) {
		for _, w := range t.waiting {
			c.drop(w, t.code, NoFault, fx)
		}
		t.waiting = nil
		c.wantMetadata()
		return
	}
	t.waiting = slices.DeleteFunc(t.waiting, func(w *waiting) bool {
		if !t.known || int(w.produce.Partition) >= t.count || t.count == 0 {
			c.wantMetadata()
			return false
		}
		c.fill(now, t, w, fx)
		return true
	})
}

// fill puts a Produce's records into batches.
func (c *Client) fill(now seam.Now, t *topic, w *waiting, fx *seam.Effects) {
	in := w.produce
	for ; w.next < len(in.Records); w.next++ {
		r := &in.Records[w.next]
		number, sticks := in.Partition, false
		if number < 0 {
			number, sticks = c.choose(t, r.Key)
		}
		if number < 0 || int(number) >= t.count {
			c.misplace(w, fx)
			continue
		}
		c.add(now, t.parts[number], w, r, sticks)
	}
}

// misplace gives up one record that the Partitioner sends nowhere.
func (c *Client) misplace(w *waiting, fx *seam.Effects) {
	c.buffered -= w.produce.Records[w.next].Size()
	one := refusal(w.produce, w.next, wire.None, Misplaced)
	one.Count = 1
	c.tell(Deliveries{one}, fx)
}

// drop gives up what is left of a Produce that has no partition.
func (c *Client) drop(w *waiting, code wire.Code, fault Fault, fx *seam.Effects) {
	for i := w.next; i < len(w.produce.Records); i++ {
		c.buffered -= w.produce.Records[i].Size()
	}
	c.tell(Deliveries{refusal(w.produce, w.next, code, fault)}, fx)
}

// add puts one record into the partition's open batch, or into a new one where that is full. A record that only sticks to
// the partition goes to another then.
func (c *Client) add(now seam.Now, p *partition, w *waiting, r *Record, sticks bool) {
	timestamp := r.Timestamp
	if timestamp == 0 {
		timestamp = int64(now.Wall)
	}
	if p.open && p.builder.SizeWith(timestamp, r.Key, r.Value, r.Headers) > max(c.config.BatchBytes, batch.HeaderSize) {
		p.close()
		if p.unstick(); sticks {
			c.add(now, p.topic.parts[c.stick(p.topic)], w, r, sticks)
			return
		}
	}
	if !p.open {
		c.open(now, p, w)
	}
	k := p.parcels[len(p.parcels)-1]
	k.take(w, p, k.count)
	p.builder.Add(timestamp, r.Key, r.Value, r.Headers)
	k.count++
	k.reserved += r.Size()
}

func (c *Client) open(now seam.Now, p *partition, w *waiting) {
	p.builder.Begin(batch.Plain(c.config.Codec))
	p.open = true
	p.parcels = append(p.parcels, &parcel{order: w.order, opened: now.Mono, deadline: w.deadline})
	if !p.active {
		p.active = true
		c.active = append(c.active, p)
	}
}

// take notes whose record comes next. Offset holds its delta until the base is known.
func (k *parcel) take(w *waiting, p *partition, delta int32) {
	if n := len(k.runs); n > 0 && k.runs[n-1].Tag == w.produce.Tag && k.runs[n-1].Index+k.runs[n-1].Count == int32(w.next) {
		k.runs[n-1].Count++
		return
	}
	k.runs = append(k.runs, Delivered{Tag: w.produce.Tag, Index: int32(w.next), Count: 1, Topic: p.topic.name,
		Partition: p.number, Offset: int64(delta)})
}

// close ends the partition's open batch; the builder is free for the next.
func (p *partition) close() {
	must.Be(p.open, "N1: only an open batch is closed")
	k := p.parcels[len(p.parcels)-1]
	k.bytes = slices.Clone([]byte(p.builder.Finish()))
	p.open = false
}

// isOpen says whether k still takes records.
func (p *partition) isOpen(k *parcel) bool { return p.open && k == p.parcels[len(p.parcels)-1] }

// maybeExpire tells the application of everything whose time is up. What is under way stays until its fate is known:
// the sequences behind it depend on that.
func (c *Client) maybeExpire(now seam.Now, fx *seam.Effects) {
	for _, t := range c.topics.All() {
		for len(t.waiting) > 0 && t.waiting[0].deadline <= now.Mono {
			c.drop(t.waiting[0], t.code, TimedOut, fx)
			t.waiting = t.waiting[1:]
		}
	}
	for _, p := range c.active {
		c.expire(now, p, fx)
	}
}

func (c *Client) expire(now seam.Now, p *partition, fx *seam.Effects) {
	for i := 0; i < len(p.parcels) && p.parcels[i].deadline <= now.Mono; { // deadlines do not fall
		k := p.parcels[i]
		if p.isOpen(k) {
			p.close()
			p.unstick()
		}
		if k.flying {
			k.unknown = true
			c.fail(k, k.code, TimedOut, fx)
			i++
			continue
		}
		p.remove(k)
		p.line.leave(k)
		p.line.unresolved = p.line.unresolved || k.sequenced
		p.line.astray = p.line.astray || k.sequenced && k.unknown
		c.fail(k, k.code, TimedOut, fx)
	}
}

func (p *partition) remove(k *parcel) {
	i := slices.Index(p.parcels, k)
	must.Be(i >= 0, "N2: a batch that is ended was there")
	p.parcels = slices.Delete(p.parcels, i, i+1)
}

// succeed tells where a batch's records lie.
func (c *Client) succeed(k *parcel, base int64, fx *seam.Effects) {
	if k.told {
		return
	}
	for i := range k.runs {
		if base < 0 {
			k.runs[i].Offset = -1
		} else {
			k.runs[i].Offset += base
		}
	}
	c.finish(k, fx)
}

// fail tells that a batch's records were not, or not surely, written.
func (c *Client) fail(k *parcel, code wire.Code, fault Fault, fx *seam.Effects) {
	if k.told {
		return
	}
	for i := range k.runs {
		d := &k.runs[i]
		if code == k.code && k.reason != nil {
			d.Reason = k.reason.of(int32(d.Offset), d.Count, d.Index)
		}
		d.Offset, d.Code, d.Fault, d.Unknown = -1, code, fault, k.unknown
	}
	c.finish(k, fx)
}

func (c *Client) finish(k *parcel, fx *seam.Effects) {
	k.told = true
	c.buffered -= k.reserved
	must.Be(c.buffered >= 0, "N3: no more of the buffer is given back than was taken")
	c.tell(k.runs, fx)
	k.runs = nil
}
