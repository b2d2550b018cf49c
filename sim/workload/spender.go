package workload

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// spender is a client with quotas of its own, so small that it goes beyond them again and again: it sets them, and then writes
// and reads as fast as it may (H40).
type spender struct {
	*session
	partition check.Partition
	padding   int
	rates     map[string]string // that are still to be set
	budget    int
	count     check.Value
	from      int64
	next      seam.Mono

	bytes map[string]int64     // a second, by quota
	paid  map[string]seam.Mono // by when all that it has used is paid for, at the latest
	life  int                  // of the broker that knows of it
	lost  int                  // the last life in which it does not know what it has used
}

// enterSpender: half of the runs have one.
func (r *Run) enterSpender() {
	if r.tape.Choose("spender", 2) == 0 {
		return
	}
	s := &spender{session: r.client("spender"), partition: r.plan.partitionsOf("loose")[0], padding: r.plan.padding(3000), budget: 4 + r.plan.Budget/4}
	s.from = r.facts.Origins[s.partition]
	size := int64(s.padding + 100)
	s.bytes = map[string]int64{"producer_byte_rate": size / 4, "consumer_byte_rate": size}
	s.rates, s.paid = map[string]string{}, map[string]seam.Mono{}
	for key, rate := range s.bytes { //tidy:unordered each by itself
		s.rates[key] = strconv.FormatInt(rate, 10)
	}
	r.enter(s.session, s)
}

func (s *spender) idle() bool { return len(s.inflight) == 0 && (s.run.draining || s.budget == 0) }

func (s *spender) turn(now seam.Mono, fx *seam.Effects) {
	if len(s.inflight) > 0 || s.idle() {
		return
	}
	if now < s.next {
		fx.Wake(s.next)
		return
	}
	s.next = now + s.think()/2
	for _, key := range sortedKeys(s.rates) {
		s.set(now, key, s.rates[key], fx)
		return
	}
	if s.budget--; s.stream.Choose(2) == 0 {
		s.write(now, fx)
	} else {
		s.read(now, fx)
	}
}

// ownQuota is a quota of one client.
func ownQuota(client, key string) knob { return quotaOf("client-id "+client, key) }

func (s *spender) set(now seam.Mono, key, value string, fx *seam.Effects) {
	request := kmsg.NewPtrAlterClientQuotasRequest()
	request.Version = int16(s.stream.Choose(2))
	op := kmsg.AlterClientQuotasRequestEntryOp{Key: key}
	op.Value, _ = strconv.ParseFloat(value, 64)
	request.Entries = append(request.Entries, kmsg.AlterClientQuotasRequestEntry{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "client-id", Name: &s.name}}, Ops: []kmsg.AlterClientQuotasRequestEntryOp{op},
	})
	k := ownQuota(s.name, key)
	s.run.maybe(now, k, value)
	s.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			return // it is set again
		}
		one := &answer.(*kmsg.AlterClientQuotasResponse).Entries[0]
		if s.run.told(question{key: wire.KeyAlterClientQuotas, sent: now}, one.ErrorCode, at); one.ErrorCode == none {
			s.run.certainly(at, k, value)
			delete(s.rates, key)
		}
	}})
}

func (s *spender) write(now seam.Mono, fx *seam.Effects) {
	spec := batchSpec{first: check.Value(s.id)<<32 | s.count, count: 1, padding: s.padding, time: s.run.wall(now), producer: -1, epoch: -1, sequence: -1}
	s.count++
	a := &check.Append{Client: s.id, Partition: s.partition, Producer: -1, First: spec.first, Count: 1, Acks: 1, Attempts: 1, Born: spec.time,
		Call: now, LastCall: now, Return: check.Unfinished, Base: -1}
	s.run.History.Appends = append(s.run.History.Appends, a)
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = 9, 1, 10_000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = s.partition.Number, spec.encode()
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = s.partition.Topic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	judge := func(at seam.Mono, answer kmsg.Response) {
		one := &answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		s.run.told(question{wire.KeyProduce, s.partition.Topic, now, 10 * seam.Second}, one.ErrorCode, at, one.BaseOffset)
		if one.ErrorCode == none {
			a.Outcome, a.Return, a.Base = check.Done, at, one.BaseOffset
			s.run.result.Acknowledged++
		}
	}
	c, life := &call{settle: judge}, s.run.World.Node.Life
	c.done = func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			s.lost = s.run.World.Node.Life
			return
		}
		judge(at, answer)
		s.uses(life, now, at, "producer_byte_rate", int64(c.bytes), answer.(*kmsg.ProduceResponse).ThrottleMillis)
	}
	s.ask(now, request, fx, c)
}

// uses notes what it has used of a quota, and holds against that how long it is told to wait. It pays alone, unless every user has a
// quota, and is kept waiting for both that it has, but not for having come too fast where nobody may.
func (s *spender) uses(life int, sent, at seam.Mono, key string, n int64, told int32) {
	if life != s.run.World.Node.Life {
		s.lost = s.run.World.Node.Life
		return
	}
	if s.life != life {
		s.life = life
		clear(s.paid)
	}
	const window = 10 * seam.Second // that much of an unused quota is kept
	before := at - window           // it may be told later than it was paid for
	if paid, known := s.paid[key]; known {
		before = max(paid, before)
	}
	s.paid[key] = before + seam.Mono(n)*seam.Second/seam.Mono(s.bytes[key]) + 1
	until, shared := seam.Mono(0), s.run.plan.Limits.Rate > 0
	for key, paid := range s.paid { //tidy:unordered the latest
		until = max(until, paid)
		shared = shared || len(s.run.knobs[quotaOf("user", key)]) > 0
	}
	if told > 0 && s.lost != life && !shared {
		s.run.require(sent+seam.Mono(told-1)*seam.Millisecond <= until, check.QuotaKept, "%s is told at %v to wait for %d ms; all that it has used is paid for at %v", s.name, at, told, until)
	}
}

// read takes what comes next, or begins anew.
func (s *spender) read(now seam.Mono, fx *seam.Effects) {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = 11, 20, 1, 1<<20, -1
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = s.partition.Number, s.from, int32(8*(s.padding+100)), -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = s.partition.Topic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	life := s.run.World.Node.Life
	s.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			s.lost = s.run.World.Node.Life
			return
		}
		s.run.result.Fetches++
		one := &answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		s.run.told(question{key: wire.KeyFetch, topic: s.partition.Topic, sent: now}, one.ErrorCode, at, besideError(one)...)
		batches, _, err := check.ReadBatches(one.RecordBatches)
		s.run.require(err == nil || s.run.mayRot(), check.ReadsAreSlices, "%s: fetch of %v from %d: %v", s.name, s.partition, s.from, err)
		if s.from = one.LogStartOffset; len(batches) > 0 && s.stream.Choose(4) > 0 {
			s.from = batches[len(batches)-1].Last + 1
		}
		s.from = max(s.from, s.run.facts.Origins[s.partition])
		s.uses(life, now, at, "consumer_byte_rate", int64(len(one.RecordBatches)), answer.(*kmsg.FetchResponse).ThrottleMillis)
	}})
}
