package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

// CreatePartitions (37, versions 0 to 3) gives topics more partitions. The records are one atomic batch; under
// ValidateOnly there are none. A name that stands twice has one entry.
func (c *Controller) CreatePartitions(req *kmsg.CreatePartitionsRequest) ([]meta.Record, *kmsg.CreatePartitionsResponse) {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	answer := func(name string, no *refusal) {
		a := kmsg.NewCreatePartitionsResponseTopic()
		if a.Topic = name; no != nil {
			a.ErrorCode, a.ErrorMessage = int16(no.code), no.text()
		}
		resp.Topics = append(resp.Topics, a)
	}
	count := make(map[string]int, len(req.Topics))
	for i := range req.Topics {
		if count[req.Topics[i].Topic]++; count[req.Topics[i].Topic] == 2 {
			answer(req.Topics[i].Topic, refuse(wire.InvalidRequest, "Duplicate topic name."))
		}
	}
	var rs []meta.Record
	on := placing{controller: c}
	tooMany := c.partitionsAdded(req) > partitionsMax
	for i := range req.Topics {
		t := &req.Topics[i]
		switch {
		case count[t.Topic] > 1:
		case tooMany:
			answer(t.Topic, refuse(wire.PolicyViolation, "Excessively large number of partitions per request."))
		default:
			added, no := c.addPartitions(t, &on)
			answer(t.Topic, no)
			rs = append(rs, added...)
		}
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return rs, resp
}

// partitionsAdded is how many partitions a request asks for beyond those that are there.
func (c *Controller) partitionsAdded(req *kmsg.CreatePartitionsRequest) (total int64) {
	for i := range req.Topics {
		if t := c.image.Topic(req.Topics[i].Topic); t != nil {
			total += max(0, int64(req.Topics[i].Count)-int64(len(t.Partitions)))
		}
	}
	return total
}

func (c *Controller) addPartitions(t *kmsg.CreatePartitionsRequestTopic, on *placing) ([]meta.Record, *refusal) {
	topic := c.image.Topic(t.Topic)
	if topic == nil {
		return nil, refuse(wire.UnknownTopicOrPartition, "")
	}
	there := len(topic.Partitions)
	switch more := int(t.Count) - there; {
	case more == 0:
		return nil, refuse(wire.InvalidPartitions, "Topic already has %d partition(s).", there)
	case more < 0:
		return nil, refuse(wire.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, there, t.Count)
	case t.Assignment != nil && len(t.Assignment) != more:
		return nil, refuse(wire.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(t.Assignment))
	}
	factor := len(topic.Partitions[0].Replicas)
	replicas, no := c.placeMore(t, there, factor)
	if no != nil {
		return nil, no
	}
	return c.partitionRecords(topic.ID, int32(there), replicas, on), nil
}

// placeMore says which brokers hold the new partitions: as asked, or, without an assignment, as with a new topic.
func (c *Controller) placeMore(t *kmsg.CreatePartitionsRequestTopic, there, factor int) ([][]int32, *refusal) {
	if t.Assignment == nil {
		return c.spread(int(t.Count)-there, factor)
	}
	placed := make([][]int32, len(t.Assignment))
	for i := range t.Assignment {
		placed[i] = t.Assignment[i].Replicas
		if why := c.unassignable(placed[i], factor); why != "" {
			return nil, refuse(wire.InvalidReplicaAssignment, "%s", why)
		}
		if !slices.ContainsFunc(placed[i], c.active) {
			return nil, refuse(wire.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", there+i)
		}
	}
	return placed, nil
}
