package workload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/client"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// program is an application that uses a Client machine: it hands records over, follows partitions and asks single
// requests. It sees what a program sees, letters, and holds the machine to what its rules promise.
//
//	faults ──▶ over ──▶ Flush ──▶ last words, reading anew from the start ──▶ Close
type program struct {
	run     *Run
	id      int
	name    string
	stream  *world.Stream
	config  client.Config
	machine *deputy
	tell    func(body any)

	writes []check.Partition
	reads  []check.Partition
	calls  bool
	budget int
	count  check.Value

	tag      uint64
	handed   map[uint64]*handed  // of which something is not told yet
	asked    map[uint64]*inquiry // not answered yet
	followed []*reading          // by position in reads
	stage    stage
}

// stage is how far a program has come towards its end.
type stage uint8

const (
	living stage = iota
	flushing
	parting // the last words are on their way, and everything is read once more
	closing
	ended
)

// handed is one Produce.
type handed struct {
	topic     string
	partition int32 // -1: any
	first     check.Value
	told      []bool
	left      int
	called    seam.Mono
	last      bool // the faults are over: it must be written
	keyed     bool
	born      int64 // the time of the first record, which all after it have; 0: when the machine takes them
	size      int   // of its records, as the machine reckons
	beside    int   // and of all of which something was not told yet when it was handed over, this one too
	knocks    int   // how often its links had been turned away
}

// reading is one Assign and what came of it.
type reading struct {
	partition check.Partition
	next      int64 // offset of the next record; -1: not known yet
	assigned  seam.Mono
	ended     bool // it has reached the end once
}

// inquiry is one Call.
type inquiry struct {
	what     string
	deadline seam.Mono
	answered func(now seam.Mono, answer wire.Answer)
}

// recordsMax is how many records one Produce has at most.
const recordsMax = 4

// tardiness is how much later than its deadline a program may be told: timers and letters take a moment.
const tardiness = 20 * seam.Millisecond

// programIDs is where the numbers of programs begin, above those of sessions.
const programIDs = 1000

// programSpec is what a program is for.
type programSpec struct {
	idempotent bool
	acks       int16
	writes     []string
	reads      []string
	calls      bool
}

func (p *Plan) programSpecs() []programSpec {
	return []programSpec{
		{idempotent: true, acks: client.AcksAll, writes: []string{"firm"}},
		{reads: []string{"firm", "loose"}},
		{idempotent: true, acks: client.AcksAll, writes: []string{"loose", "firm"}, reads: []string{"firm"}},
		{acks: client.AcksLeader, writes: []string{"loose", "firm"}},
		{calls: true, reads: p.Fleeting[:1]},
		{idempotent: true, acks: client.AcksLeader, writes: append([]string{"loose"}, p.Fleeting...), calls: true},
		{acks: client.AcksNone, writes: []string{"loose"}, reads: []string{"loose"}},
	}
}

// enterPrograms starts the programs that the plan asks for.
func (r *Run) enterPrograms() {
	for i, spec := range r.plan.programSpecs() {
		if r.plan.Programs[i] {
			r.enterProgram(i, spec)
		}
	}
}

func (r *Run) enterProgram(i int, spec programSpec) {
	p := &program{run: r, id: programIDs + i, name: fmt.Sprintf("program.%d", i), calls: spec.calls, budget: r.plan.Budget / 4,
		writes: r.plan.partitionsOf(spec.writes...), reads: r.plan.partitionsOf(spec.reads...), handed: map[uint64]*handed{}, asked: map[uint64]*inquiry{}}
	p.stream = r.tape.Stream(p.name)
	p.configure(spec)
	p.machine = newDeputy(r, p.name, p.config)
	p.tell, _ = r.World.Program(p.name, p.machine, p.receive)
	r.others = append(r.others, p)
	for i, at := range p.reads {
		p.followed = append(p.followed, nil)
		p.assign(i, at, 0)
	}
	if len(p.reads) > 0 {
		p.tell(&client.Poll{Bytes: pick[int64](p.stream, 20_000, 500, 3000)})
	}
	r.World.After(0, p.live)
}

// pick draws one of a few values; the first is the plain one.
func pick[T any](s *world.Stream, values ...T) T { return values[s.Choose(len(values))] }

// configure draws what the machine is told: patience, sizes and how old it pretends to be.
func (p *program) configure(spec programSpec) {
	s, quiet := p.stream, p.run.plan.Quiet
	c := client.DefaultConfig(brokerAddress)
	c.ClientID, c.AutoCreate = p.name, false
	c.Idempotent, c.Acks = spec.idempotent, spec.acks
	c.Seed[0], c.Seed[1] = byte(p.id), byte(s.Choose(256))
	if !quiet {
		c.RequestTimeout = pick(s, 30*seam.Second, 5*seam.Second, 2*seam.Second, seam.Second)
		c.DeliveryTimeout = pick(s, 120*seam.Second, 20*seam.Second, 10*seam.Second, 5*seam.Second)
	}
	if slices.ContainsFunc(spec.writes, p.run.plan.isFleeting) {
		c.DeliveryTimeout = min(c.DeliveryTimeout, 5*seam.Second) // the topic may never come back
	}
	c.Linger = pick[seam.Mono](s, 5, 0, 20, 100) * seam.Millisecond
	c.BatchBytes = pick(s, 16<<10, 2000, 400, 100)
	if p.run.plan.SegmentBytes > 0 {
		c.BatchBytes = min(c.BatchBytes, p.run.plan.batchBytes()) // a broker takes no batch that is larger than a segment
	}
	c.Codec = pick(s, batch.None, batch.None, batch.None, batch.LZ4)
	c.BufferBytes = pick(s, 32<<20, 200_000, 100_000)
	c.InFlightMax = pick(s, 5, 1, 2)
	c.MetadataAgeMax = pick(s, 300*seam.Second, 3*seam.Second)
	c.FetchWaitMax = min(pick[seam.Mono](s, 500, 200, 1000, 2000)*seam.Millisecond, c.RequestTimeout/4) // what is asked after it waits as long
	if spec.acks != client.AcksNone {
		c.FetchWaitMax = min(c.FetchWaitMax, c.DeliveryTimeout/p.rounds())
	}
	c.FetchMinBytes = pick[int32](s, 1, 300, 2000)
	c.FetchMaxBytes = pick[int32](s, 50<<20, 2000, 20_000)
	c.PartitionFetchBytes = pick[int32](s, 1<<20, 3000, 9000, 30_000)
	c.OffsetReset = client.ResetEarliest
	for _, key := range []int16{wire.KeyProduce, wire.KeyFetch, wire.KeyMetadata, wire.KeyListOffsets, wire.KeyInitProducerID} {
		if oldest, newest, _ := wire.Range(key); s.Choose(3) == 2 {
			c.Ceilings = append(c.Ceilings, client.Ceiling{Key: key, Version: newest - int16(s.Choose(int(newest-oldest)+1))})
		}
	}
	p.config = c
}

// rounds is how many answers the program's last words may need one after another: one batch at a time, a record in each,
// all in one partition, and before them a producer id, a refusal and the first of another epoch, which goes alone. Each
// answer waits for a Fetch before it on the same link, and all of them must come within DeliveryTimeout.
func (p *program) rounds() seam.Mono { return seam.Mono(len(p.writes)*recordsMax + 4) }

func (p *program) require(holds bool, law check.Law, format string, args ...any) bool {
	return p.run.require(holds, law, "%s: %s", p.name, fmt.Sprintf(format, args...))
}

func (p *program) idle() bool { return p.stage == ended }

func (p *program) String() string {
	text := fmt.Sprintf("%s(stage %d, %d handed over, %d asked", p.name, p.stage, len(p.handed), len(p.asked))
	for _, rd := range p.followed {
		text += fmt.Sprintf(", %v up to %d %v", rd.partition, rd.next, rd.ended)
	}
	return text + ")"
}

// live is a turn of the program and plans the next.
func (p *program) live() {
	if p.run.World.Failure() != nil || p.stage == ended {
		return
	}
	pause := 100 * seam.Millisecond
	if p.run.draining {
		p.partSome()
	} else if p.budget > 0 {
		p.budget--
		p.turn()
		pause = p.think()
	}
	p.run.World.After(pause, p.live)
}

func (p *program) think() seam.Mono {
	return seam.Mono(1+p.stream.Choose(16)*p.run.plan.ThinkMillis/8) * seam.Millisecond
}

func (p *program) turn() {
	weights := []int{0, 0, 0, 0}
	if len(p.writes) > 0 {
		weights[0], weights[3] = 12, 1
	}
	if len(p.reads) > 0 {
		weights[1] = 2
	}
	if p.calls {
		weights[2] = 6
	}
	switch p.stream.Pick(append([]int{1}, weights...)...) {
	case 1:
		for range 1 + p.stream.Choose(4) {
			p.produce(p.writes[p.stream.Choose(len(p.writes))], false)
		}
	case 2:
		p.rewind(p.stream.Choose(len(p.reads)))
	case 3:
		p.call()
	case 4:
		p.flush()
	}
}

// partSome goes towards the end: everything handed over is told of, then a few records must be written and everything
// that stays can be read, then the machine is closed.
func (p *program) partSome() {
	switch {
	case p.stage == living:
		p.stage = flushing
		p.flush()
	case p.stage == flushing && len(p.handed)+len(p.asked) == 0:
		p.stage = parting
		for _, at := range p.writes {
			if !p.run.plan.isFleeting(at.Topic) {
				p.produce(at, !p.run.mayRot())
			}
		}
		for i, at := range p.reads {
			p.assign(i, at, client.Earliest)
			p.followed[i].ended = p.run.plan.isFleeting(at.Topic) || p.run.rotted(at) // it may never be there again
		}
		p.tell(&client.Poll{Bytes: 1 << 30})
	case p.stage == parting && len(p.handed) == 0 && !slices.ContainsFunc(p.followed, func(rd *reading) bool { return !rd.ended }):
		p.stage = closing
		p.tag++
		p.await(p.tag, "Close", p.config.DeliveryTimeout, nil)
		p.tell(&client.Close{Tag: p.tag})
	}
}

// await holds the machine to a deadline.
func (p *program) await(tag uint64, what string, patience seam.Mono, answered func(seam.Mono, wire.Answer)) {
	deadline := p.run.World.Now() + patience + tardiness
	p.asked[tag] = &inquiry{what, deadline, answered}
	p.run.World.After(patience+tardiness, func() {
		if late := p.asked[tag]; late != nil {
			p.require(false, check.ClientTells, "%s %d is not answered after %v", what, tag, patience)
		}
	})
}

// answers takes what answers a tag, once.
func (p *program) answers(now seam.Mono, tag uint64, answer wire.Answer) {
	q := p.asked[tag]
	if !p.require(q != nil && now <= q.deadline, check.ClientTells, "the answer to %d was not awaited: %+v", tag, q) {
		return
	}
	delete(p.asked, tag)
	if q.answered != nil {
		q.answered(now, answer)
	}
}

// flush is answered when all that was handed over before is told of.
func (p *program) flush() {
	p.tag++
	before := p.tag
	p.await(before, "Flush", p.config.DeliveryTimeout, func(seam.Mono, wire.Answer) {
		for tag := range p.handed { //tidy:unordered any of them breaks the law
			p.require(tag > before, check.ClientTells, "flush %d is answered, and of produce %d not all is told", before, tag)
		}
	})
	p.tell(&client.Flush{Tag: before})
}

func (p *program) produce(at check.Partition, last bool) {
	p.tag++
	n := 1 + p.stream.Choose(recordsMax)
	h := &handed{topic: at.Topic, partition: at.Number, first: check.Value(p.id)<<32 | p.count, told: make([]bool, n), left: n, called: p.run.World.Now(), last: last, knocks: p.run.turnedAway[p.name]}
	if p.stream.Choose(4) == 3 {
		h.partition = client.AnyPartition
	}
	p.count += check.Value(n)
	padding := p.run.plan.padding(paddings[p.stream.Choose(8)])
	if h.keyed = p.stream.Choose(2) == 1; p.tag%2 == 1 {
		h.born = p.run.wall(h.called)
	}
	records := make([]client.Record, n)
	for i := range records {
		value := h.first + check.Value(i)
		records[i].Value = binary.BigEndian.AppendUint64(make([]byte, 0, 8+padding), uint64(value))
		for k := range padding {
			records[i].Value = append(records[i].Value, byte(value)+byte(k))
		}
		if records[i].Timestamp = h.born; h.keyed {
			records[i].Key = check.AppendKey(nil, value)
		}
		for _, one := range check.Headers(value) {
			records[i].Headers = append(records[i].Headers, client.Header{Key: []byte(one.Key), Value: one.Value})
		}
		h.size += records[i].Size()
	}
	tag := p.tag
	p.handed[tag] = h
	for _, other := range p.handed { //tidy:unordered a sum
		h.beside += other.size
	}
	p.run.World.After(p.config.DeliveryTimeout+tardiness, func() {
		p.require(p.handed[tag] == nil, check.ClientTells, "of produce %d not all is told after %v", tag, p.config.DeliveryTimeout)
	})
	p.tell(&client.Produce{Tag: tag, Topic: h.topic, Partition: h.partition, Records: records})
}

// receive takes what the machine wrote.
func (p *program) receive(now seam.Mono, body any) {
	l := body.(*letter)
	switch in := l.body.(type) {
	case client.Deliveries:
		for i := range in {
			p.onDelivered(now, &in[i])
		}
	case *client.Fetched:
		if l.reading != nil {
			p.onFetched(now, in, l)
		}
	case *client.Answer:
		p.onAnswer(now, in)
	case *client.Flushed:
		p.answers(now, in.Tag, nil)
	case *client.Closed:
		p.stage = ended
		p.answers(now, in.Tag, nil)
	}
}

// knocksMax is how often a client may be turned away for others' haste while its records wait, before it need not come in time.
const knocksMax = 3

// onDelivered notes what became of some records that stood side by side.
func (p *program) onDelivered(now seam.Mono, d *client.Delivered) {
	h := p.handed[d.Tag]
	if !p.require(h != nil && d.Count > 0 && d.Index >= 0 && int(d.Index+d.Count) <= len(h.told), check.ClientTells, "told of %+v, which was not handed over", *d) {
		return
	}
	for i := d.Index; i < d.Index+d.Count; i++ {
		if !p.require(!h.told[i], check.ClientTells, "told twice of record %d of produce %d", i, d.Tag) {
			return
		}
		h.told[i] = true
	}
	if h.left -= int(d.Count); h.left == 0 {
		delete(p.handed, d.Tag)
	}
	p.run.result.Codes[int16(d.Code)]++
	refused := p.config.Acks == client.AcksNone && d.Unknown // a broker can only hang up: it has just moved the partition, say
	outside := p.run.turnedAway[p.name]-h.knocks >= knocksMax
	full := d.Fault == client.BufferFull
	p.require(!full || h.beside > p.config.BufferBytes, check.ClientTells, "the buffer has no room for %d bytes, and %d were handed over", h.size, h.beside)
	p.require(!h.last || !d.Failed() || refused || outside || full || h.partition < 0 && p.run.mayRot(), check.EveryoneFinishes, "handed over after the faults had ended, and not written: %+v", *d)
	p.note(now, h, d)
}

// note is the history's entry. What was surely not written and had no partition is in no log: H12 sees to that.
func (p *program) note(now seam.Mono, h *handed, d *client.Delivered) {
	if d.Partition < 0 {
		p.require(!d.Unknown, check.ClientTells, "%+v: it has no partition, and may have been written", *d)
		return
	}
	at := check.Partition{Topic: d.Topic, Number: d.Partition}
	for i := d.Index; h.keyed && h.partition == client.AnyPartition && d.Topic == "firm" && i < d.Index+d.Count; i++ {
		key := check.AppendKey(nil, h.first+check.Value(i))
		due := int32(murmur2(key) & 0x7fffffff % uint32(p.run.plan.partitions(d.Topic)))
		p.require(d.Partition == due, check.KeyChooses, "the record with the key %x is of %v, and its key's partition is %d", key, at, due)
	}
	durable := p.config.Acks == client.AcksAll && p.run.facts.Durable[at.Topic] && !p.run.plan.isFleeting(at.Topic)
	a := &check.Append{Client: p.id, Partition: at, Producer: -1, First: h.first + check.Value(d.Index), Count: d.Count, Acks: p.config.Acks,
		Attempts: 1 << 20, Born: h.born, Keyed: h.keyed, Call: h.called, LastCall: h.called, Return: check.Unfinished, Base: -1, Unattended: p.config.Acks == client.AcksNone}
	if p.config.Idempotent {
		// One line for the machine's whole life, whatever its epochs. A log that has lost what it knew of a producer takes
		// any sequence (KIP-360): from then on nobody can keep the order.
		a.Producer = int64(p.id) << 32
		a.Unordered = !durable
	}
	if p.run.plan.Quiet { // else the machine does not tell
		a.Attempts = 1
	}
	switch {
	case d.Failed() && !d.Unknown:
		a.Outcome, a.Return = check.Refused, now
		p.run.result.Refused++
	case !d.Failed() && !a.Unattended:
		a.Outcome, a.Return, a.Base = check.Done, now, d.Offset
		p.run.result.Acknowledged++
	}
	p.run.History.Appends = append(p.run.History.Appends, a)
}

// assign begins to read a partition anew.
func (p *program) assign(i int, at check.Partition, offset int64) {
	rd := &reading{partition: at, next: offset, assigned: p.run.World.Now()}
	if offset == client.Earliest {
		rd.next = 0
	}
	p.followed[i] = rd
	in := &client.Assign{Topic: at.Topic, Partition: at.Number, Offset: offset}
	p.machine.coming[in] = rd
	p.tell(in)
}

// rewind goes back to somewhere, or to the end.
func (p *program) rewind(i int) {
	rd := p.followed[i]
	offsets := []int64{client.Earliest, 0, client.Latest, max(rd.next, 0) / 2, max(rd.next, 0)}
	p.assign(i, rd.partition, pick(p.stream, offsets...))
}

// mayJump says whether a position may turn out to be none of the log's: the log was cut, or is another one.
func (p *program) mayJump(at check.Partition) bool {
	return p.run.plan.isFleeting(at.Topic) || p.run.mayRot() || !p.run.facts.Durable[at.Topic] && len(p.run.facts.Losses) > 0
}

// onFetched holds the machine to the log's order: from where it was told, each record once, none left out.
func (p *program) onFetched(now seam.Mono, in *client.Fetched, l *letter) {
	rd := l.reading
	p.run.result.Codes[int16(in.Code)]++
	if in.Bytes > 0 {
		p.run.World.After(p.think(), func() { p.tell(&client.Poll{Bytes: in.Bytes}) })
	}
	if p.run.rotted(rd.partition) {
		rd.ended, rd.next = true, in.Position // the bit that turned may be in a header's offset, which no checksum covers
		return
	}
	if in.Code.Failed() {
		p.require(in.Code != wire.CorruptMessage || p.run.mayRot(), check.ReadsAreSlices, "%v is said to be corrupt at %d", rd.partition, in.Position)
		p.onTrouble(rd, in)
		if len(in.Records) == 0 {
			return
		}
	}
	p.run.result.Fetches++
	first := in.Position - int64(len(in.Records))
	if len(in.Records) > 0 {
		first = in.Records[0].Offset
	}
	if rd.next < 0 {
		p.onEnd(now, rd, first)
	}
	if first < rd.next && p.mayJump(rd.partition) {
		rd.next = first
	}
	if first > rd.next && p.run.plan.prunes(rd.partition.Topic) {
		p.run.History.Skips = append(p.run.History.Skips, &check.Skip{Partition: rd.partition, At: now, From: rd.next, To: first})
		rd.next = first
	}
	read := &check.Read{Client: p.id, Partition: rd.partition, Call: l.asked, Return: now, From: rd.next, HighWatermark: in.HighWatermark}
	for i := range in.Records {
		r := &in.Records[i]
		if !p.require(r.Offset == rd.next, check.ClientReadsOn, "%v: handed %d, and %d comes next", rd.partition, r.Offset, rd.next) {
			return
		}
		rd.next++
		e := check.Entry{Offset: r.Offset, Value: check.Value(binary.BigEndian.Uint64(r.Value)), Time: r.Timestamp, Keyed: r.Key != nil}
		e.Altered = e.Keyed && !bytes.Equal(r.Key, check.AppendKey(nil, e.Value)) || !slices.EqualFunc(r.Headers, check.Headers(e.Value), sameHeader)
		read.Entries = append(read.Entries, e)
	}
	p.require(in.Position == rd.next, check.ClientReadsOn, "%v: read up to %d, and the position is said to be %d", rd.partition, rd.next, in.Position)
	rd.ended = rd.ended || in.End
	p.run.History.Reads = append(p.run.History.Reads, read)
}

// sameHeader tells a null value from an empty one.
func sameHeader(a client.Header, b check.Header) bool {
	return string(a.Key) == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
}

// onEnd notes where the log ended when that was where reading began: it is a high watermark that was asked for.
func (p *program) onEnd(now seam.Mono, rd *reading, end int64) {
	if rd.next = end; !p.mayJump(rd.partition) {
		p.run.History.Reads = append(p.run.History.Reads, &check.Read{Client: p.id, Partition: rd.partition, Call: rd.assigned, Return: now, HighWatermark: end, Listed: true})
	}
}

// onTrouble: a partition that the machine has stopped to read is read on, after a while.
func (p *program) onTrouble(rd *reading, in *client.Fetched) {
	i := slices.Index(p.followed, rd)
	if !in.Stopped || i < 0 {
		return
	}
	p.run.World.After(100*seam.Millisecond, func() {
		if p.followed[i] == rd && p.stage < closing {
			p.assign(i, rd.partition, max(rd.next, 0))
			p.followed[i].ended = rd.ended
		}
	})
}

// call asks one request. Topics are created and deleted as stewards do, ids and ends asked for as others do.
func (p *program) call() {
	if len(p.asked) >= 3 {
		return
	}
	fleeting := p.run.plan.Fleeting[p.stream.Choose(len(p.run.plan.Fleeting))]
	switch p.stream.Choose(5) {
	case 0:
		p.find(fleeting)
	case 1:
		p.create(fleeting)
	case 2:
		p.remove(fleeting)
	case 3:
		p.askProducerID()
	case 4:
		p.askEnd(check.Partition{Topic: "firm", Number: int32(p.stream.Choose(p.run.plan.partitions("firm")))})
	}
}

// ask sends a Call. answered is told the answer; or nil, and whether what was asked may have been done.
func (p *program) ask(what client.Call, name string, answered func(now seam.Mono, answer wire.Answer)) {
	p.tag++
	what.Tag = p.tag
	what.Timeout = pick[int64](p.stream, 0, 300, 2000, 8000)
	patience := seam.Mono(what.Timeout) * seam.Millisecond
	if patience == 0 {
		patience = p.config.RequestTimeout
	}
	p.await(p.tag, name, patience, answered)
	p.tell(&what)
}

func (p *program) onAnswer(now seam.Mono, in *client.Answer) {
	p.require((in.Response == nil) == (in.Fault != client.NoFault), check.ClientTells, "answer %d with fault %v", in.Tag, in.Fault)
	p.require(in.Fault != client.Malformed && in.Fault != client.Unsupported, check.AnswersInOrder, "answer %d: %v", in.Tag, in.Fault)
	if in.Response == nil && !in.Unknown {
		p.unsent(now, in.Tag)
		return
	}
	p.answers(now, in.Tag, in.Response)
}

// unsent: it was surely not done, so that nothing of it belongs into the history; the models see to it.
func (p *program) unsent(now seam.Mono, tag uint64) {
	if q := p.asked[tag]; q != nil {
		q.answered = nil
	}
	p.answers(now, tag, nil)
}

func (p *program) create(topic string) {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, int32(1+p.stream.Choose(3)), 1
	config := p.run.plan.config(topic)
	for _, key := range sortedKeys(config) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		value := config[key]
		c.Name, c.Value = key, &value
		one.Configs = append(one.Configs, c)
	}
	request.Topics = append(request.Topics, one)
	a := p.admin(topic, check.CreateTopic)
	p.ask(client.Call{Request: request, To: client.Controller}, "CreateTopics", func(now seam.Mono, answer wire.Answer) {
		p.run.History.Admins = append(p.run.History.Admins, a)
		if answer == nil {
			return
		}
		row := answer.(*kmsg.CreateTopicsResponse).Topics[0]
		p.run.told(question{key: wire.KeyCreateTopics, topic: topic, sent: a.Call}, row.ErrorCode, now)
		switch row.ErrorCode {
		case none:
			a.Outcome, a.Return, a.ID = check.Done, now, row.TopicID
		case topicExists:
			a.Outcome, a.Return = check.Refused, now
		}
	})
}

func (p *program) admin(topic string, deed check.AdminDeed) *check.Admin {
	return &check.Admin{Client: p.id, Topic: topic, Deed: deed, Call: p.run.World.Now(), Return: check.Unfinished}
}

func (p *program) remove(topic string) {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 30_000
	one := kmsg.NewDeleteTopicsRequestTopic()
	one.Topic = &topic
	request.Topics = append(request.Topics, one)
	a := p.admin(topic, check.DeleteTopic)
	p.ask(client.Call{Request: request, To: client.Controller}, "DeleteTopics", func(now seam.Mono, answer wire.Answer) {
		p.run.History.Admins = append(p.run.History.Admins, a)
		if answer == nil {
			return
		}
		code := answer.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode
		p.run.told(question{key: wire.KeyDeleteTopics, topic: topic, sent: a.Call}, code, now)
		switch code {
		case none:
			a.Outcome, a.Return = check.Done, now
		case unknownTopic:
			a.Outcome, a.Return = check.Refused, now
		}
	})
}

func (p *program) find(topic string) {
	a := p.admin(topic, check.LookupTopic)
	p.ask(client.Call{Request: metadataOf(12, topic), To: client.AnyBroker}, "Metadata", func(now seam.Mono, answer wire.Answer) {
		found, _ := answer.(*kmsg.MetadataResponse)
		if found == nil || found.Version < 10 {
			return // it names no ids
		}
		row := found.Topics[0]
		p.run.told(question{key: wire.KeyMetadata, topic: topic, sent: a.Call}, row.ErrorCode, now)
		switch row.ErrorCode {
		case none:
			a.Outcome, a.Return, a.ID = check.Done, now, row.TopicID
		case unknownTopic:
			a.Outcome, a.Return = check.Done, now
		default:
			return
		}
		p.run.History.Admins = append(p.run.History.Admins, a)
	})
}

func (p *program) askProducerID() {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.ProducerID, request.ProducerEpoch = -1, -1
	called := p.run.World.Now()
	p.ask(client.Call{Request: request, To: client.AnyBroker}, "InitProducerId", func(now seam.Mono, answer wire.Answer) {
		found, _ := answer.(*kmsg.InitProducerIDResponse)
		if found == nil || found.ErrorCode != none {
			return
		}
		p.run.History.IDs = append(p.run.History.IDs, &check.ProducerID{Call: called, Return: now, ID: found.ProducerID})
	})
}

func (p *program) askEnd(at check.Partition) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition, part.Timestamp, part.CurrentLeaderEpoch = at.Number, -1, -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = at.Topic
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	called := p.run.World.Now()
	p.ask(client.Call{Request: request, To: client.Leader, Topic: at.Topic, Partition: at.Number}, "ListOffsets", func(now seam.Mono, answer wire.Answer) {
		found, _ := answer.(*kmsg.ListOffsetsResponse)
		if found == nil || found.Topics[0].Partitions[0].ErrorCode != none {
			return
		}
		p.run.result.Lists++
		p.run.History.Reads = append(p.run.History.Reads, &check.Read{Client: p.id, Partition: at, Call: called, Return: now,
			HighWatermark: found.Topics[0].Partitions[0].Offset, Listed: true})
	})
}
