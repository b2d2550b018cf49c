package client

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

// faults are what the world does to a client, each one time in so many requests; 0 is never.
type faults struct {
	loseRequest, loseAnswer, refuse, refuseWritten, delay, moveLeader, loseTail, silence, forget int
}

// world is a dumb cluster around one client: virtual time, links that break, brokers that keep records in slices.
type world struct {
	random *rng.Source
	faults faults
	now    seam.Mono
	client *Client
	fx     seam.Effects
	alarm  seam.Mono
	events []event
	links  map[seam.Address]*testLink
	lives  map[string]int // power cuts of each broker
	made   uint64
	nextID int64

	brokers []seam.Address
	topics  map[string]*testTopic
	auto    int                // partitions of a topic that is made on asking
	sent    func(frame []byte) // nil: nobody looks
	held    map[int32]*testSession
	trouble int // Fetches that were answered an error of their session
	parted  int // sessions that were closed by their client
	omitted int // partitions that were left out of an answer
	refused int // batches that were answered OUT_OF_ORDER_SEQUENCE_NUMBER
	bad     int // each so many-th record is refused with INVALID_RECORD; 0: none is
	tooBig  int // a batch of more bytes is refused with MESSAGE_TOO_LARGE; 0: none is

	group   *toyGroup            // nil: the brokers have none
	letters func(body any) bool  // of the group's, and whatever else it takes
	dead    bool                 // the client's process is gone
	denied  map[string]wire.Code // topics that metadata refuse to tell of
	refusal wire.Code            // what batches are refused with; None: something that may pass
	strange int                  // so many requests for offsets and records are answered UNKNOWN_SERVER_ERROR
	barred  bool                 // nobody is given a producer id
	inTurn  bool                 // a link's next request is looked at when the one before is answered, as Kafka does it

	deliveries []Delivered
	at         []seam.Mono // when they came
	fetched    []*Fetched
	answers    []*Answer
	flushed    []uint64
	closed     []uint64
	steps      int
	keys       map[int16]int // requests by API
}

type event struct {
	at    seam.Mono
	order uint64
	do    func()
}

type testLink struct {
	number   uint64
	to       seam.Address
	cut      bool
	life     int // of the broker that it leads to: in the next one nothing that is under way arrives
	busy     bool
	waiting  [][]byte // requests behind the one that is not answered
	up, down seam.Mono
}

type testTopic struct {
	name  string
	id    [16]byte
	parts []*testPartition
}

type testPartition struct {
	leader  int
	epoch   int32
	batches []testBatch
	start   int64
	known   int // batches before this one the broker has forgotten, but for the newest of each producer
}

type testBatch struct {
	base, last int64
	pid        int64
	epoch      int16
	first, end int32
	bytes      []byte
	records    []string
}

func newWorld(seed uint64, config Config, f faults) *world {
	w := &world{random: rng.FromInt(seed), faults: f, now: seam.Second, alarm: seam.Never, links: map[seam.Address]*testLink{}, lives: map[string]int{},
		topics: map[string]*testTopic{}, nextID: 1000, auto: 3, keys: map[int16]int{}, held: map[int32]*testSession{}}
	w.brokers = []seam.Address{{Kind: seam.ToPeer, Host: "a", Port: 1}, {Kind: seam.ToPeer, Host: "b", Port: 2}}
	config.Bootstrap = w.brokers[:1]
	w.client = New(config)
	w.step(&seam.Started{})
	return w
}

func (w *world) chance(oneIn int) bool { return oneIn > 0 && w.random.Intn(oneIn) == 0 }

func (w *world) after(wait seam.Mono, do func()) {
	w.made++
	w.events = append(w.events, event{w.now + wait, w.made, do})
}

// run lets time pass up to a moment.
func (w *world) run(until seam.Mono) {
	for {
		at := until
		best := -1
		for i := range w.events {
			if e := &w.events[i]; e.at < at || e.at == at && (best < 0 || e.order < w.events[best].order) {
				at, best = e.at, i
			}
		}
		if w.alarm <= at && w.alarm <= until {
			w.now = max(w.now, w.alarm)
			w.alarm = seam.Never
			w.step(&seam.Alarm{})
			continue
		}
		if best < 0 {
			w.now = until
			return
		}
		do := w.events[best].do
		w.now = max(w.now, at)
		w.events = slices.Delete(w.events, best, best+1)
		do()
	}
}

func (w *world) tell(body any) {
	w.step(&seam.Mail{From: seam.Address{Kind: seam.ToOperator}, Body: body})
}

func (w *world) step(in seam.Input) {
	if w.dead {
		return
	}
	if w.steps++; w.steps > 3_000_000 {
		panic("the client spins")
	}
	w.fx.Reset()
	w.client.Step(seam.Now{Mono: w.now, Wall: seam.Wall(w.now / seam.Millisecond)}, in, &w.fx)
	w.alarm = min(w.alarm, w.fx.Alarm)
	sends := slices.Clone(w.fx.Sends)
	cuts := slices.Clone(w.fx.Reading)
	for i := range sends {
		w.perform(&sends[i])
	}
	for _, cut := range cuts {
		for to, l := range w.links {
			if l.number == uint64(cut.Conn) {
				delete(w.links, to) // what is sent from now on goes to another link
				w.cut(l)
			}
		}
	}
}

func (w *world) perform(s *seam.Send) {
	if s.To.Kind == seam.ToPeer {
		w.upload(s)
		return
	}
	if w.letters != nil && w.letters(s.Body) {
		return
	}
	switch body := s.Body.(type) {
	case Deliveries:
		for _, d := range body {
			w.deliveries, w.at = append(w.deliveries, d), append(w.at, w.now)
		}
	case *Fetched:
		w.fetched = append(w.fetched, body)
	case *Answer:
		w.answers = append(w.answers, body)
	case *Flushed:
		w.flushed = append(w.flushed, body.Tag)
	case *Closed:
		w.closed = append(w.closed, body.Tag)
	default:
		panic(fmt.Sprintf("the application was sent a %T", body))
	}
}

func (w *world) pause() seam.Mono {
	pause := seam.Mono(1+w.random.Intn(5)) * seam.Millisecond
	if w.chance(w.faults.delay) {
		pause += seam.Mono(w.random.Intn(800)) * seam.Millisecond
	}
	return pause
}

func (w *world) upload(s *seam.Send) {
	l := w.links[s.To]
	if l == nil {
		w.made++
		l = &testLink{number: w.made, to: s.To, life: w.lives[s.To.Host]}
		w.links[s.To] = l
		w.after(seam.Millisecond, func() {
			if !l.cut {
				w.step(&seam.Mail{From: l.to, Link: l.number})
			}
		})
	}
	if l.cut {
		return
	}
	if w.sent != nil {
		w.sent(s.Data)
	}
	if w.chance(w.faults.loseRequest) {
		w.cut(l)
		return
	}
	frame := slices.Clone(s.Data[4:])
	l.up = max(l.up, w.now+2*seam.Millisecond, w.now+w.pause())
	w.after(l.up-w.now, func() { w.serve(l, frame) })
}

func (w *world) cut(l *testLink) {
	if l.cut {
		return
	}
	l.cut = true
	w.after(w.pause(), func() {
		if w.links[l.to] == l {
			delete(w.links, l.to)
		}
		w.step(&seam.Mail{From: l.to, Link: l.number, Fault: seam.Gone})
	})
}

// crash is a power cut at one broker: what is under way to it over any link is lost, and of what it leads the newest batches are gone, but never all: a
// log that has forgotten a producer takes any sequence (KIP-360), and then nobody can keep the order.
func (w *world) crash(l *testLink) {
	w.lives[l.to.Host]++
	w.cut(l)
	for _, t := range w.topics {
		for _, p := range t.parts {
			if w.brokers[p.leader].Host == l.to.Host && len(p.batches) > 0 {
				p.keep(len(p.batches) - w.random.Intn(min(3, len(p.batches))))
			}
		}
	}
}

// keep loses all but so many batches.
func (p *testPartition) keep(count int) {
	p.batches = p.batches[:count]
	p.known = min(p.known, count)
}

// serve runs a request that arrived; on a link that was cut meanwhile it still may.
func (w *world) serve(l *testLink, frame []byte) {
	if l.life != w.lives[l.to.Host] || l.cut && w.random.Intn(2) == 0 || w.chance(w.faults.silence) {
		return
	}
	if w.chance(w.faults.loseTail) {
		w.crash(l)
		return
	}
	if l.busy && w.inTurn {
		l.waiting = append(l.waiting, frame)
		return
	}
	var h wire.Header
	body, flaw := wire.ReadHeader(frame, &h)
	if flaw != wire.NoFlaw {
		panic(flaw.String())
	}
	w.keys[h.Key]++
	ask := kmsg.RequestForKey(h.Key)
	ask.SetVersion(h.Version)
	if _, _, spoken := wire.Range(h.Key); !spoken && ask.IsFlexible() {
		body, _ = tagsOff(body) // our broker does not know this API, nor its header
	}
	if err := ask.ReadFrom(body); err != nil {
		panic(err)
	}
	node := slices.IndexFunc(w.brokers, func(a seam.Address) bool { return a.Host == l.to.Host })
	l.busy = true
	if w.group != nil && w.group.serve(w, node, ask, func(r kmsg.Response) {
		if l.busy = false; r != nil {
			r.SetVersion(h.Version)
			frame := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(h.Correlation))
			if r.IsFlexible() {
				frame = append(frame, 0)
			}
			frame = r.AppendTo(frame)
			binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
			w.reply(l, frame, 0)
		}
		if len(l.waiting) > 0 {
			next := l.waiting[0]
			l.waiting = l.waiting[1:]
			w.serve(l, next)
		}
	}) {
		return
	}
	l.busy = false
	answer := w.answer(node, ask)
	if answer == nil {
		return
	}
	wait := seam.Mono(0)
	if f, ok := answer.(*kmsg.FetchResponse); ok && isEmpty(f) {
		wait = 50 * seam.Millisecond
	}
	w.reply(l, wire.AppendResponse(nil, h.Correlation, answer), wait)
}

func (w *world) reply(l *testLink, frame []byte, wait seam.Mono) {
	if l.cut {
		return
	}
	if w.chance(w.faults.loseAnswer) {
		w.cut(l)
		return
	}
	if int(binary.BigEndian.Uint32(frame)) != len(frame)-4 {
		panic("a frame's length")
	}
	l.down = max(l.down, w.now+wait+w.pause())
	w.after(l.down-w.now, func() {
		if l.cut {
			return
		}
		w.step(&seam.Mail{From: l.to, Link: l.number, Frame: frame[4:]})
		for i := range frame {
			frame[i] = 0xdb
		}
	})
}

func isEmpty(f *kmsg.FetchResponse) bool {
	for _, t := range f.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 || len(p.RecordBatches) > 0 {
				return false
			}
		}
	}
	return true
}

func (w *world) answer(node int, ask kmsg.Request) kmsg.Response {
	switch ask := ask.(type) {
	case *kmsg.ApiVersionsRequest:
		return w.versions(ask.Version)
	case *kmsg.MetadataRequest:
		return w.metadata(ask)
	case *kmsg.InitProducerIDRequest:
		return w.identify(ask)
	case *kmsg.ProduceRequest:
		return w.produce(node, ask)
	case *kmsg.FetchRequest:
		return w.fetch(node, ask)
	case *kmsg.ListOffsetsRequest:
		return w.positions(node, ask)
	}
	answer := ask.ResponseKind()
	answer.SetVersion(ask.GetVersion())
	return answer
}

// versions are those that our broker speaks, and those of the group's APIs.
func (w *world) versions(version int16) kmsg.Response {
	r := wire.ApiVersions(version)
	for _, key := range []int16{8, 9, 10, 11, 12, 13, 14, 68} {
		if w.group == nil || slices.ContainsFunc(r.ApiKeys, func(row kmsg.ApiVersionsResponseApiKey) bool { return row.ApiKey == key }) {
			continue
		}
		row := kmsg.NewApiVersionsResponseApiKey()
		row.ApiKey, row.MaxVersion = key, kmsg.RequestForKey(key).MaxVersion()
		r.ApiKeys = append(r.ApiKeys, row)
	}
	return r
}

func (w *world) topic(name string, partitions int) *testTopic {
	t := w.topics[name]
	if t == nil && partitions > 0 {
		t = &testTopic{name: name}
		w.random.Fill(t.id[:])
		for range partitions {
			t.parts = append(t.parts, &testPartition{leader: w.random.Intn(len(w.brokers)), epoch: 1})
		}
		w.topics[name] = t
	}
	return t
}

func (w *world) metadata(ask *kmsg.MetadataRequest) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.MetadataResponse)
	r.ControllerID = 1
	for i, b := range w.brokers {
		row := kmsg.NewMetadataResponseBroker()
		row.NodeID, row.Host, row.Port = int32(i), b.Host, b.Port
		r.Brokers = append(r.Brokers, row)
	}
	asking := ask.Topics
	if asking == nil {
		for name := range w.topics {
			asking = append(asking, kmsg.MetadataRequestTopic{Topic: &name})
		}
	}
	for _, asked := range asking {
		for _, t := range w.topics {
			if asked.Topic == nil && t.id == asked.TopicID {
				asked.Topic = &t.name
			}
		}
		row := kmsg.NewMetadataResponseTopic()
		row.Topic, row.TopicID = asked.Topic, asked.TopicID
		if asked.Topic == nil {
			row.ErrorCode = int16(wire.UnknownTopicID)
			r.Topics = append(r.Topics, row)
			continue
		}
		if code := w.denied[*asked.Topic]; code.Failed() {
			row.ErrorCode = int16(code)
			r.Topics = append(r.Topics, row)
			continue
		}
		t := w.topics[*asked.Topic]
		if t == nil {
			row.ErrorCode = int16(wire.UnknownTopicOrPartition)
			if ask.AllowAutoTopicCreation {
				w.topic(*asked.Topic, w.auto)
			}
			r.Topics = append(r.Topics, row)
			continue
		}
		row.TopicID = t.id
		if len(t.parts) == 0 { // it is being made
			row.ErrorCode = int16(wire.LeaderNotAvailable)
		}
		for i, p := range t.parts {
			pr := kmsg.NewMetadataResponseTopicPartition()
			pr.Partition, pr.Leader, pr.LeaderEpoch = int32(i), int32(p.leader), p.epoch
			row.Partitions = append(row.Partitions, pr)
		}
		r.Topics = append(r.Topics, row)
	}
	return r
}

func (w *world) identify(ask *kmsg.InitProducerIDRequest) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.InitProducerIDResponse)
	if w.barred {
		r.ErrorCode = int16(wire.ClusterAuthorizationFailed)
		return r
	}
	if w.chance(w.faults.refuse) {
		r.ErrorCode = int16(wire.CoordinatorLoadInProgress)
		return r
	}
	w.nextID++
	r.ProducerID, r.ProducerEpoch = w.nextID, 0
	return r
}

func (w *world) find(name string, id [16]byte, byID bool, number int32) *testPartition {
	for _, t := range w.topics {
		if (byID && t.id == id || !byID && t.name == name) && int(number) < len(t.parts) {
			return t.parts[number]
		}
	}
	return nil
}

func (w *world) produce(node int, ask *kmsg.ProduceRequest) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range ask.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			base, code := w.append(node, w.find(t.Topic, t.TopicID, ask.Version >= 13, p.Partition), p.Records)
			rp.BaseOffset, rp.ErrorCode = base, int16(code)
			if code == wire.InvalidRecord {
				rp.ErrorMessage, rp.ErrorRecords = kmsg.StringPtr("bad"), w.bads(p.Records)
			}
			if code == wire.OutOfOrderSequenceNumber {
				w.refused++
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	if ask.Acks == AcksNone {
		return nil
	}
	return r
}

// bads names the records of a batch that the broker never takes.
func (w *world) bads(records []byte) (all []kmsg.ProduceResponseTopicPartitionErrorRecord) {
	var record batch.Record
	place := int32(0)
	for it := batch.Read(records, batch.Limits{}, nil); w.bad > 0 && it.Next(&record); place++ {
		value := string(record.Value[:min(6, len(record.Value))])
		if n, _ := strconv.Atoi(value); n%w.bad == 1 {
			all = append(all, kmsg.ProduceResponseTopicPartitionErrorRecord{RelativeOffset: place, ErrorMessage: &value})
		}
	}
	return all
}

// append is the dumb twin of a leader: the state of a producer is found by looking at the log.
func (w *world) append(node int, p *testPartition, records []byte) (int64, wire.Code) {
	if p == nil {
		return -1, wire.UnknownTopicOrPartition
	}
	if w.chance(w.faults.moveLeader) {
		p.leader, p.epoch = w.random.Intn(len(w.brokers)), p.epoch+1
	}
	if p.leader != node {
		return -1, wire.NotLeaderOrFollower
	}
	if w.chance(w.faults.forget) { // as if it had been restarted
		p.known = len(p.batches)
	}
	if w.chance(w.faults.refuse) {
		if w.refusal.Failed() {
			return -1, w.refusal
		}
		return -1, []wire.Code{wire.NotEnoughReplicas, wire.CorruptMessage, wire.UnknownTopicOrPartition}[w.random.Intn(3)]
	}
	f := batch.Inspect(records, batch.Limits{})
	if base, code, known := p.judge(&f); known && code == wire.None {
		return base, code
	}
	if len(w.bads(records)) > 0 {
		return -1, wire.InvalidRecord
	}
	if f.Fault != batch.Fine || f.Trailing > 0 {
		panic(fmt.Sprint("a batch that is not fine: ", f.Fault))
	}
	if w.tooBig > 0 && len(records) > w.tooBig && f.Count > 1 {
		return -1, wire.MessageTooLarge
	}
	if base, code, known := p.judge(&f); known {
		return base, code
	}
	b := testBatch{base: p.end(), pid: f.ProducerID, epoch: f.ProducerEpoch, first: f.BaseSequence, end: f.LastSequence}
	b.last = b.base + int64(f.LastOffsetDelta)
	b.bytes = slices.Clone(records)
	batch.Stamp(b.bytes, b.base, p.epoch)
	var record batch.Record
	for it := batch.Read(b.bytes, batch.Limits{}, nil); it.Next(&record); {
		b.records = append(b.records, string(record.Value))
	}
	p.batches = append(p.batches, b)
	if w.chance(w.faults.refuseWritten) {
		return -1, []wire.Code{wire.RequestTimedOut, wire.NotEnoughReplicasAfterAppend}[w.random.Intn(2)]
	}
	return b.base, wire.None
}

func (p *testPartition) end() int64 {
	if len(p.batches) == 0 {
		return p.start
	}
	return p.batches[len(p.batches)-1].last + 1
}

func (p *testPartition) judge(f *batch.Facts) (int64, wire.Code, bool) {
	if !f.HasProducer() {
		return 0, 0, false
	}
	var mine []testBatch
	known := 0
	for i, b := range p.batches {
		if b.pid == f.ProducerID {
			mine = append(mine, b)
			if i < p.known {
				known = len(mine) - 1
			}
		}
	}
	if len(mine) == 0 {
		return 0, 0, false
	}
	newest := mine[len(mine)-1]
	switch {
	case f.ProducerEpoch < newest.epoch:
		return -1, wire.InvalidProducerEpoch, true
	case f.ProducerEpoch > newest.epoch:
		return -1, wire.OutOfOrderSequenceNumber, f.BaseSequence != 0
	}
	for _, b := range mine[max(known, len(mine)-5):] {
		if b.epoch == f.ProducerEpoch && b.first == f.BaseSequence && b.end == f.LastSequence {
			return b.base, wire.None, true
		}
	}
	return -1, wire.OutOfOrderSequenceNumber, f.BaseSequence != batch.AddSequence(newest.end, 1)
}

func (w *world) fetch(node int, ask *kmsg.FetchRequest) kmsg.Response {
	s, code := w.session(node, ask)
	if code != wire.None {
		w.trouble++
		r := ask.ResponseKind().(*kmsg.FetchResponse)
		r.ErrorCode = int16(code)
		return r
	}
	topics := ask.Topics
	if s != nil {
		topics = s.topics
	}
	r := w.fetchOf(node, ask, topics)
	switch {
	case s != nil:
		r.SessionID = s.id
		r.Topics = slices.DeleteFunc(r.Topics, func(t kmsg.FetchResponseTopic) bool { return !s.tell(&t) })
		w.omitted += len(s.topics) - len(r.Topics)
	case ask.SessionEpoch == 0 && ask.Version >= 7 && w.random.Intn(4) > 0:
		s = &testSession{id: 1 + int32(w.random.Intn(1<<30)), node: node, epoch: 1, byID: ask.Version >= 13, told: map[testKey][2]int64{}}
		s.put(ask.Topics)
		for i := range r.Topics {
			s.tell(&r.Topics[i])
		}
		w.held[s.id], r.SessionID = s, s.id
	}
	return r
}

// testSession is a fetch session told in the plainest way: each of its topics has one partition.
type testSession struct {
	id, epoch int32
	node      int
	byID      bool
	topics    []kmsg.FetchRequestTopic
	told      map[testKey][2]int64
}

type testKey struct {
	name   string
	id     [16]byte
	number int32
}

func (s *testSession) put(topics []kmsg.FetchRequestTopic) {
	for _, t := range topics {
		for _, p := range t.Partitions {
			one := t
			one.Partitions = []kmsg.FetchRequestTopicPartition{p}
			if i := s.at(t.Topic, t.TopicID, p.Partition); i >= 0 {
				s.topics[i] = one
			} else {
				s.topics = append(s.topics, one)
			}
		}
	}
}

func (s *testSession) at(name string, id [16]byte, number int32) int {
	return slices.IndexFunc(s.topics, func(t kmsg.FetchRequestTopic) bool {
		return t.Topic == name && t.TopicID == id && t.Partitions[0].Partition == number
	})
}

// tell says whether an answer has to name a partition, and remembers what it says.
func (s *testSession) tell(t *kmsg.FetchResponseTopic) (news bool) {
	for _, p := range t.Partitions {
		key, now := testKey{t.Topic, t.TopicID, p.Partition}, [2]int64{p.HighWatermark, p.LogStartOffset}
		before, any := s.told[key]
		news = news || !any || now != before || p.ErrorCode != 0 || len(p.RecordBatches) > 0
		s.told[key] = now
	}
	return news
}

// session is the one that a Fetch belongs to, brought up to date; nil: none.
func (w *world) session(node int, ask *kmsg.FetchRequest) (*testSession, wire.Code) {
	s := w.held[ask.SessionID]
	if s != nil && s.node != node {
		panic("a session of another broker")
	}
	switch {
	case ask.Version < 7:
		return nil, wire.None
	case ask.SessionEpoch <= 0:
		if delete(w.held, ask.SessionID); s != nil && ask.SessionEpoch < 0 {
			w.parted++
		}
		return nil, wire.None
	case s == nil || w.chance(w.faults.forget):
		delete(w.held, ask.SessionID)
		return nil, wire.FetchSessionIDNotFound
	case ask.SessionEpoch != s.epoch || w.chance(w.faults.refuse):
		return nil, wire.InvalidFetchSessionEpoch
	case s.byID != (ask.Version >= 13):
		return nil, wire.FetchSessionTopicIDError
	}
	s.epoch++
	s.put(ask.Topics)
	for _, t := range ask.ForgottenTopics {
		for _, number := range t.Partitions {
			if i := s.at(t.Topic, t.TopicID, number); i >= 0 {
				s.topics = slices.Delete(s.topics, i, i+1)
				delete(s.told, testKey{t.Topic, t.TopicID, number})
			}
		}
	}
	return s, wire.None
}

func (w *world) fetchOf(node int, ask *kmsg.FetchRequest, topics []kmsg.FetchRequestTopic) *kmsg.FetchResponse {
	r := ask.ResponseKind().(*kmsg.FetchResponse)
	room, given := int(ask.MaxBytes), 0
	for _, t := range topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, asked := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.HighWatermark, rp.LogStartOffset, rp.RecordBatches = asked.Partition, -1, -1, []byte{}
			p := w.find(t.Topic, t.TopicID, ask.Version >= 13, asked.Partition)
			switch {
			case p == nil:
				rp.ErrorCode = int16(wire.UnknownTopicOrPartition)
			case w.strange > 0:
				w.strange--
				rp.ErrorCode = int16(wire.UnknownServerError)
			case p.leader != node:
				rp.ErrorCode = int16(wire.NotLeaderOrFollower)
			case asked.CurrentLeaderEpoch >= 0 && asked.CurrentLeaderEpoch < p.epoch:
				rp.ErrorCode = int16(wire.FencedLeaderEpoch)
			case asked.FetchOffset < p.start || asked.FetchOffset > p.end():
				rp.ErrorCode = int16(wire.OffsetOutOfRange)
			default:
				rp.HighWatermark, rp.LogStartOffset = p.end(), p.start
				limit := min(room, int(asked.PartitionMaxBytes))
				for _, b := range p.batches {
					if b.last < asked.FetchOffset {
						continue
					}
					if given+len(rp.RecordBatches) > 0 && len(rp.RecordBatches)+len(b.bytes) > limit { // the first one goes whole (KIP-74)
						rp.RecordBatches = append(rp.RecordBatches, b.bytes[:max(0, limit-len(rp.RecordBatches))]...)
						break
					}
					rp.RecordBatches = append(rp.RecordBatches, b.bytes...)
				}
				room -= len(rp.RecordBatches)
				given += len(rp.RecordBatches)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	return r
}

func (w *world) positions(node int, ask *kmsg.ListOffsetsRequest) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range ask.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		for _, asked := range t.Partitions {
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition = asked.Partition
			p := w.find(t.Topic, [16]byte{}, false, asked.Partition)
			switch {
			case p == nil:
				rp.ErrorCode = int16(wire.UnknownTopicOrPartition)
			case w.strange > 0:
				w.strange--
				rp.ErrorCode = int16(wire.UnknownServerError)
			case p.leader != node:
				rp.ErrorCode = int16(wire.NotLeaderOrFollower)
			case asked.Timestamp == Earliest:
				rp.Offset = p.start
			case asked.Timestamp >= 0:
				rp.Offset = p.since(asked.Timestamp)
			default:
				rp.Offset = p.end()
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	return r
}

// since is the offset of the first record that is no older than a timestamp; -1: there is none.
func (p *testPartition) since(timestamp int64) int64 {
	for _, b := range p.batches {
		var r batch.Record
		for records := batch.Read(batch.View(b.bytes), batch.Limits{}, nil); records.Next(&r); {
			if r.Timestamp >= timestamp {
				return b.base + int64(r.OffsetDelta)
			}
		}
	}
	return -1
}

// values are the values of a partition's log, in order.
func (p *testPartition) values() (values []string) {
	for _, b := range p.batches {
		values = append(values, b.records...)
	}
	return values
}

// value is the record at an offset.
func (p *testPartition) value(offset int64) string {
	for _, b := range p.batches {
		if b.base <= offset && offset <= b.last {
			return b.records[offset-b.base]
		}
	}
	return ""
}

func TestTheWorldServes(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.tell(&Produce{Tag: 7, Topic: "t", Partition: 1, Records: []Record{{Value: []byte("x")}, {Key: []byte("k")}}})
	w.tell(&Flush{Tag: 9})
	w.run(10 * seam.Second)
	require.Equal(t, []Delivered{{Tag: 7, Count: 2, Topic: "t", Partition: 1}}, w.deliveries)
	require.Equal(t, []uint64{9}, w.flushed)
	w.tell(&Assign{Topic: "t", Partition: 1, Offset: Earliest})
	w.tell(&Poll{Bytes: 1 << 20})
	w.run(20 * seam.Second)
	require.NotEmpty(t, w.fetched)
	got := w.fetched[0]
	require.Len(t, got.Records, 2)
	require.Equal(t, "x", string(got.Records[0].Value))
	require.Nil(t, got.Records[0].Key)
	require.Nil(t, got.Records[1].Value)
	require.Equal(t, "k", string(got.Records[1].Key))
	require.True(t, got.End)
	require.EqualValues(t, 2, got.Position)
	require.NotEmpty(t, w.held)
	w.tell(&Close{Tag: 3})
	w.run(30 * seam.Second)
	require.Equal(t, []uint64{3}, w.closed)
	require.Empty(t, w.held, "its sessions are closed")
}
