package workload

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// producer sends batches to a few partitions and sends each again until it has an answer, as Kafka's clients do.
type producer struct {
	*session
	idempotent bool
	acks       int16
	version    int16
	window     int // requests in flight
	budget     int // batches to begin

	lanes     []*lane
	pid       int64
	epoch     int16
	asking    bool
	resetting bool // a new producer id is wanted once nothing is in flight
	next      seam.Mono
	count     check.Value
	clock     *world.Stream
	numbers   *world.Stream
	strays    *world.Stream
	shaken    int // epochs that it may still begin for an answer that was lost
}

// lane is a partition's batches that have no answer yet: the first sent of them are in flight.
type lane struct {
	partition check.Partition
	sequence  int32
	queue     []*parcel
	inFlight  int
	lives     []int // of the broker, in which each batch so far was acknowledged; 0: in none yet
	known     bool  // the broker has acknowledged a batch under this producer id
	rewind    bool  // once nothing is in flight begin again with the first
	resume    seam.Mono
	acked     int16 // the epoch of the newest batch that was acknowledged; -1: none was under this producer id
}

type parcel struct {
	append   *check.Append
	data     []byte
	inFlight bool
	number   int       // of its lane, from 1
	sentIn   int       // the broker's life when it was last sent
	early    bool      // it was sent when the broker may not have known the producer yet
	life     int       // of the node, at the first attempt
	patience seam.Mono // of the last request that had it
}

func (p *producer) idle() bool {
	if len(p.inflight) > 0 || p.asking {
		return false
	}
	for _, l := range p.lanes {
		if len(l.queue) > 0 {
			return false
		}
	}
	return p.budget == 0 || p.run.draining
}

func (p *producer) String() string {
	text := p.session.String()
	for _, l := range p.lanes {
		text += fmt.Sprintf(" %v:%d queued, %d in flight, rewind %v, resume %v", l.partition, len(l.queue), l.inFlight, l.rewind, l.resume)
	}
	return text
}

func (p *producer) turn(now seam.Mono, fx *seam.Effects) {
	if p.run.draining {
		p.leaveFleeting()
	}
	if p.idempotent && !p.prepared(now, fx) {
		return
	}
	p.maybeBegin(now, fx)
	for len(p.inflight) < p.window && p.sendSome(now, fx) {
	}
}

// leaveFleeting gives up what waits for a topic that may never come back.
func (p *producer) leaveFleeting() {
	for _, l := range p.lanes {
		if p.run.plan.isFleeting(l.partition.Topic) {
			l.queue = slices.DeleteFunc(l.queue, func(b *parcel) bool { return !b.inFlight })
		}
	}
}

// prepared says whether there is a producer id; if not it asks for one.
func (p *producer) prepared(now seam.Mono, fx *seam.Effects) bool {
	if p.pid >= 0 && !p.resetting {
		return true
	}
	if p.resetting && len(p.inflight) > 0 || p.asking {
		return false
	}
	if p.resetting && p.shaken > 0 && p.mayBump() {
		p.resetting = false
		p.bump()
		return true
	}
	p.asking = true
	p.run.askProducerID(p.session, now, fx, func(now seam.Mono, id int64, epoch int16) {
		p.asking = false
		if id < 0 {
			p.rest(now + 20*seam.Millisecond)
			return
		}
		p.pid, p.epoch, p.resetting = id, p.firstEpoch(epoch), false
		for _, l := range p.lanes {
			l.sequence, l.known, l.acked = p.firstSequence(), false, -1
		}
	})
	return false
}

// maybeBegin makes up a batch when it is time for one.
func (p *producer) maybeBegin(now seam.Mono, fx *seam.Effects) {
	waiting := 0
	for _, l := range p.lanes {
		waiting += len(l.queue)
	}
	if p.budget == 0 || p.run.draining || waiting >= 2*p.window {
		return
	}
	if now < p.next {
		fx.Wake(p.next)
		return
	}
	p.next = now + p.think()
	fx.Wake(max(p.next, now+seam.Microsecond))
	if p.shaken > 0 && p.mayBump() && p.numbers.Choose(2) == 1 {
		p.bump()
	}
	if l := p.lanes[p.strays.Choose(len(p.lanes))]; p.strays.Choose(3) == 2 && p.mayStray(l) {
		p.stray(now, l, fx)
	}
	for range 1 + p.stream.Choose(p.window) {
		if p.budget > 0 {
			p.begin(now, p.lanes[p.stream.Choose(len(p.lanes))])
		}
	}
}

var paddings = [8]int{0, 0, 10, 30, 100, 300, 1000, 6000}

func (p *producer) begin(now seam.Mono, l *lane) {
	p.budget--
	a := &check.Append{Client: p.id, Partition: l.partition, Producer: -1, First: check.Value(p.id)<<32 | p.count,
		Count: int32(1 + p.stream.Choose(4)), Acks: p.acks, Call: now, LastCall: now, Return: check.Unfinished, Base: -1, Unattended: p.acks == 0}
	p.count += check.Value(a.Count)
	spec := batchSpec{first: a.First, count: a.Count, padding: p.run.plan.padding(paddings[p.stream.Choose(8)]), time: p.run.clock(p.clock, now), producer: -1, epoch: -1, sequence: -1,
		compressed: p.stream.Chance(1000), keyed: p.stream.Chance(5000)}
	if spec.step = 1; p.run.plan.OddTimes {
		spec.step = [4]int64{1, 0, -3, 50_000}[p.clock.Choose(4)]
	}
	a.Born, a.Step, a.Keyed = spec.time, spec.step, spec.keyed
	if p.idempotent {
		a.Producer, a.Epoch = p.pid, p.epoch
		spec.producer, spec.epoch, spec.sequence = p.pid, p.epoch, l.sequence
		if l.sequence = batch.AddSequence(l.sequence, a.Count); l.sequence < spec.sequence {
			p.run.World.Counts[world.SequenceWrapped]++
		}
	}
	l.lives = append(l.lives, 0)
	l.queue = append(l.queue, &parcel{append: a, data: spec.encode(), life: p.run.World.Node.Life, number: len(l.lives)})
	p.run.History.Appends = append(p.run.History.Appends, a)
}

// ready is the lane's next batch to send.
func (l *lane) ready(now seam.Mono, plain bool) *parcel {
	if l.rewind || now < l.resume || plain && l.inFlight > 0 {
		return nil
	}
	for _, b := range l.queue {
		if b.number-l.queue[0].number >= windowSize {
			return nil
		}
		if !b.inFlight {
			return b
		}
	}
	return nil
}

// windowSize is how many batches a broker remembers of a producer: none is sent that would push the oldest one without
// an answer out of that window (max.in.flight.requests.per.connection=5 of the Java producer).
const windowSize = 5

// sendSome sends one request with the next batch of one lane or of several.
func (p *producer) sendSome(now seam.Mono, fx *seam.Effects) bool {
	timeout := int32(1000 + p.stream.Choose(4)*10_000)
	var request *kmsg.ProduceRequest
	var sent []*lane
	var batches []*parcel
	unknown := false
	for _, l := range p.lanes {
		b := l.ready(now, !p.idempotent)
		if b == nil || len(sent) > 0 && p.stream.Choose(2) == 0 {
			if l.resume > now && len(l.queue) > 0 {
				fx.Wake(l.resume)
			}
			continue
		}
		if request == nil {
			request = kmsg.NewPtrProduceRequest()
			request.Version, request.Acks, request.TimeoutMillis = p.version, p.acks, timeout
		}
		if !p.addTo(request, l, b) {
			unknown = true
			continue
		}
		b.inFlight, l.inFlight = true, l.inFlight+1
		b.append.Attempts++
		b.sentIn = p.run.World.Node.Life
		b.early = b.early || !l.known
		b.append.LastCall, b.patience = now, seam.Mono(timeout)*seam.Millisecond
		sent, batches = append(sent, l), append(batches, b)
	}
	if unknown && len(sent) == 0 {
		p.run.lookUp(p.session, now, fx)
	}
	if len(sent) == 0 {
		return false
	}
	if p.acks == 0 {
		p.tell(request, fx)
		for _, l := range sent {
			l.queue, l.inFlight = l.queue[1:], 0
		}
		return true
	}
	p.ask(now, request, fx, &call{
		done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
			p.onAnswer(now, sent, batches, answer, fx)
		},
		settle: func(sentAt seam.Mono, answer kmsg.Response) { p.settle(sentAt, sent, batches, answer) },
	})
	return true
}

// addTo puts a batch into a request; false: the topic's id is not known yet.
func (p *producer) addTo(request *kmsg.ProduceRequest, l *lane, b *parcel) bool {
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = l.partition.Number, b.data
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = l.partition.Topic
	if p.version >= 13 {
		id, known := p.run.topicIDs[l.partition.Topic]
		if !known {
			return false
		}
		topic.TopicID = id
	}
	for i := range request.Topics {
		if request.Topics[i].Topic == topic.Topic {
			request.Topics[i].Partitions = append(request.Topics[i].Partitions, part)
			return true
		}
	}
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	return true
}

// resultOf finds a lane's part of an answer.
func (p *producer) resultOf(l *lane, answer kmsg.Response) *kmsg.ProduceResponseTopicPartition {
	topics := answer.(*kmsg.ProduceResponse).Topics
	for i := range topics {
		t := &topics[i]
		if t.Topic != l.partition.Topic && (p.version < 13 || t.TopicID != p.run.topicIDs[l.partition.Topic] && !p.run.oldID(l.partition.Topic, t.TopicID)) {
			continue
		}
		for k := range t.Partitions {
			if t.Partitions[k].Partition == l.partition.Number {
				return &t.Partitions[k]
			}
		}
	}
	return nil
}

func (p *producer) onAnswer(now seam.Mono, lanes []*lane, batches []*parcel, answer kmsg.Response, fx *seam.Effects) {
	for i, l := range lanes {
		b := batches[i]
		b.inFlight = false
		l.inFlight--
		if answer == nil {
			p.onLost(l, b)
		} else if result := p.resultOf(l, answer); p.run.require(result != nil, check.AnswersInOrder, "%s: the answer leaves %v out", p.name, l.partition) {
			p.onResult(now, l, b, result)
		}
		if l.inFlight == 0 {
			l.rewind = false
		}
	}
}

// onLost: the link broke and nobody knows. An idempotent producer sends it again; a plain one may.
func (p *producer) onLost(l *lane, b *parcel) {
	p.shaken = bumpsAfterLoss
	if p.idempotent || p.stream.Choose(2) == 1 {
		l.rewind = l.inFlight > 0
		return
	}
	l.drop(b)
}

func (l *lane) drop(b *parcel) {
	l.queue = slices.DeleteFunc(l.queue, func(other *parcel) bool { return other == b })
}

// Kafka's error codes, as far as a producer tells them apart.
const (
	none                = 0
	offsetOutOfRange    = 1
	corruptMessage      = 2
	unknownTopic        = 3
	leaderNotAvailable  = 5
	notLeader           = 6
	replicaNotAvailable = 9
	timedOut            = 7
	topicExists         = 36
	invalidPartitions   = 37
	outOfOrderSequence  = 45
	storageError        = 56
	offsetNotAvailable  = 78
	unknownTopicID      = 100
)

// isRetriable are the codes that Kafka's producers answer by sending the batch again, of those that are accepted.
func isRetriable(code int16) bool {
	switch code {
	case unknownTopic, notLeader, timedOut, storageError, unknownTopicID:
		return true
	}
	return false
}

func (p *producer) onResult(now seam.Mono, l *lane, b *parcel, result *kmsg.ProduceResponseTopicPartition) {
	code := result.ErrorCode
	p.run.told(question{wire.KeyProduce, l.partition.Topic, b.append.LastCall, b.patience}, code, now, result.BaseOffset, result.LogAppendTime)
	if told := code == none || code == outOfOrderSequence; told && p.version >= 5 { // what the log itself refuses is told with its start
		p.run.began(l.partition, b.append.LastCall, now, result.LogStartOffset, -1)
	} else {
		p.run.require(result.LogStartOffset == -1, check.ErrorsAreDue, "%s: %v is said to begin at %d beside code %d", p.name, l.partition, result.LogStartOffset, code)
	}
	switch {
	case code == none:
		b.append.Outcome, b.append.Return, b.append.Base, b.append.Time = check.Done, now, result.BaseOffset, result.LogAppendTime
		p.run.result.Acknowledged++
		p.run.World.Laws[check.RightlyNumbered]++
		if b.append.Producer == p.pid {
			l.acked = max(l.acked, b.append.Epoch)
		}
		l.known = l.known || b.append.Producer == p.pid // it may be the last that was in flight when a new id was asked for
		l.lives[b.number-1] = b.sentIn
		l.drop(b)
	case code == unknownTopic && p.run.plan.isFleeting(l.partition.Topic) && p.run.draining:
		p.giveUp(l, b) // it may never come back
	case code == storageError && p.run.mayRot() && p.run.draining:
		p.giveUp(l, b) // a bit has turned in its log: nobody can use it any more
	case isRetriable(code):
		p.onRetriable(now, l, b, code)
	case code == outOfOrderSequence && (l.queue[0] != b || p.resetting):
		l.rewind = l.inFlight > 0
		if p.resetting {
			l.drop(b)
		}
	case code == outOfOrderSequence:
		p.onMisnumbered(l, b, code)
	}
}

// calmPause is how much longer a producer waits for a topic when the faults are over: Kafka's clients wait a second
// in the end (retry.backoff.max.ms, KIP-580).
const calmPause = seam.Second / 2

func (p *producer) onRetriable(now seam.Mono, l *lane, b *parcel, code int16) {
	if code == unknownTopic || code == unknownTopicID {
		delete(p.run.topicIDs, l.partition.Topic)
	}
	if code == storageError && !p.idempotent && p.numbers.Choose(3) == 2 { // it gives up
		l.drop(b)
		return
	}
	l.resume = now + seam.Mono(5+p.stream.Choose(8)*10)*seam.Millisecond
	if code == unknownTopic && p.run.calm { // it may never come back, and each asking costs as much as one that is answered
		l.resume += calmPause
	}
	l.rewind = l.inFlight > 0
}

// onMisnumbered: the broker says that the first batch without an answer is not the next one. That is so only if what
// came before it was lost, or a restart forgot all but each producer's last batch. (Of a producer that it does not know
// a broker takes any sequence, KIP-360: the second batch may then have come in before the first.) What is not promised
// over a restart it still has to know in the life in which it acknowledged the batch just before: one before that, which
// went missing and was sent again, says nothing of it.
func (p *producer) onMisnumbered(l *lane, b *parcel, code int16) {
	run := p.run
	kept := p.acks == -1 && run.facts.Durable[l.partition.Topic] ||
		b.number > 1 && l.lives[b.number-2] == run.World.Node.Life && run.World.Counts[world.PowerLost] == 0 // a cut may take any of what was only cached
	calm := kept && !b.early && run.World.Node.Life == b.life && !run.plan.isFleeting(l.partition.Topic)
	if calm && !run.require(false, check.RightlyNumbered, "%s: value %#x on %v: code %d, and there was no restart", p.name, b.append.First, l.partition, code) {
		return
	}
	run.result.Excuses++
	p.giveUp(l, b)
	p.startOver()
}

func (p *producer) giveUp(l *lane, b *parcel) {
	b.append.Outcome = check.Unknown
	l.drop(b)
}

// startOver takes a new producer id and forgets what was numbered under the old one.
func (p *producer) startOver() {
	if !p.idempotent {
		return
	}
	p.resetting = true
	for _, l := range p.lanes {
		l.queue = slices.DeleteFunc(l.queue, func(b *parcel) bool { return !b.inFlight })
	}
}

// settle tells the history what an answer said that was lost on its way.
func (p *producer) settle(sentAt seam.Mono, lanes []*lane, batches []*parcel, answer kmsg.Response) {
	for i, l := range lanes {
		a := batches[i].append
		if result := p.resultOf(l, answer); result != nil && result.ErrorCode == none && a.Outcome == check.Unknown && !p.idempotent {
			a.Outcome, a.Return, a.Base = check.Done, sentAt, result.BaseOffset
		}
	}
}
