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
}

// enterSpender: half of the runs have one.
func (r *Run) enterSpender() {
	if r.tape.Choose("spender", 2) == 0 {
		return
	}
	s := &spender{session: r.client("spender"), partition: r.plan.partitionsOf("loose")[0], padding: r.plan.padding(3000), budget: 4 + r.plan.Budget/4}
	s.from = r.facts.Origins[s.partition]
	size := int64(s.padding + 100)
	s.rates = map[string]string{"producer_byte_rate": strconv.FormatInt(size/4, 10), "consumer_byte_rate": strconv.FormatInt(size, 10)}
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
	s.ask(now, request, fx, &call{settle: judge, done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer != nil {
			judge(at, answer)
		}
	}})
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
	s.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
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
	}})
}
