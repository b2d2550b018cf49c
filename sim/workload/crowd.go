package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

const crowdTopic = "crowd"

// crowd makes a topic of many partitions, asks for all of them at once, and deletes it: what no broker can do in one
// Step.
type crowd struct {
	*steward
	left int // rounds
	did  int
}

func (c *crowd) idle() bool { return len(c.inflight) == 0 && (c.run.draining || c.left == 0) }

func (c *crowd) turn(now seam.Mono, fx *seam.Effects) {
	if len(c.inflight) > 0 || c.idle() {
		return
	}
	if now < c.next {
		fx.Wake(c.next)
		return
	}
	c.next = now + 4*c.think()
	switch c.did % 3 {
	case 0:
		c.run.create(c.session, now, crowdTopic, c.run.plan.Crowd, c.run.plan.config(crowdTopic), 7, fx, nil)
	case 1:
		c.askAll(now, fx)
	case 2:
		c.remove(now, crowdTopic, fx)
		c.left--
	}
	c.did++
}

// askAll sends three requests that name every partition, one behind the other.
func (c *crowd) askAll(now seam.Mono, fx *seam.Effects) {
	list := kmsg.NewPtrListOffsetsRequest()
	list.Version, list.ReplicaID = 5, -1
	listTopic := kmsg.NewListOffsetsRequestTopic()
	listTopic.Topic = crowdTopic
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.MaxWaitMillis, fetch.MinBytes, fetch.MaxBytes, fetch.SessionEpoch = 11, 300, 1, 1<<20, -1
	fetchTopic := kmsg.NewFetchRequestTopic()
	fetchTopic.Topic = crowdTopic
	for i := range c.run.plan.Crowd {
		l := kmsg.NewListOffsetsRequestTopicPartition()
		l.Partition, l.Timestamp, l.CurrentLeaderEpoch = int32(i), -1, -1
		listTopic.Partitions = append(listTopic.Partitions, l)
		f := kmsg.NewFetchRequestTopicPartition()
		f.Partition, f.PartitionMaxBytes, f.CurrentLeaderEpoch = int32(i), 1<<20, -1
		fetchTopic.Partitions = append(fetchTopic.Partitions, f)
	}
	list.Topics, fetch.Topics = append(list.Topics, listTopic), append(fetch.Topics, fetchTopic)
	for _, request := range []kmsg.Request{fetch, metadataOf(9, crowdTopic), list} {
		c.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) { c.onAll(now, at, answer) }})
	}
}

// onAll: every partition is answered for, once.
func (c *crowd) onAll(sent, at seam.Mono, answer kmsg.Response) {
	told := map[int32]bool{}
	switch answer := answer.(type) {
	case *kmsg.FetchResponse:
		for i := range answer.Topics[0].Partitions {
			part := &answer.Topics[0].Partitions[i]
			told[part.Partition] = true
			c.run.told(question{key: wire.KeyFetch, topic: crowdTopic, sent: sent}, part.ErrorCode, at, besideError(part)...)
		}
	case *kmsg.ListOffsetsResponse:
		for _, part := range answer.Topics[0].Partitions {
			told[part.Partition] = true
			c.run.told(question{key: wire.KeyListOffsets, topic: crowdTopic, sent: sent}, part.ErrorCode, at, part.Offset, part.Timestamp, int64(part.LeaderEpoch))
		}
	default:
		return
	}
	c.run.require(len(told) == c.run.plan.Crowd, check.AnswersInOrder, "%s asked for %d partitions, and is told of %d", c.name, c.run.plan.Crowd, len(told))
}
