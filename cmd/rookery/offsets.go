package main

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// located are places in partitions of one topic.
type located map[int32]offsetOrError

type offsetOrError struct {
	offset int64
	err    error
}

// offsetsAt are the offsets of a place in partitions, or of the first records at or after a time: one request a leader.
func offsetsAt(c *session, topic string, leaders, partitions []int32, timestamp int64) located {
	var order []int32
	led := map[int32][]int32{}
	for _, p := range partitions {
		leader := leaders[p]
		if led[leader] == nil {
			order = append(order, leader)
		}
		led[leader] = append(led[leader], p)
	}
	found := located{}
	for _, leader := range order {
		found.ask(c, topic, led[leader], timestamp)
	}
	return found
}

// ask asks the one leader of all these partitions.
func (l located) ask(c *session, topic string, partitions []int32, timestamp int64) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.TimeoutMillis = -1, int32(c.patience.Milliseconds())
	row := kmsg.NewListOffsetsRequestTopic()
	row.Topic = topic
	for _, partition := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
		row.Partitions = append(row.Partitions, p)
		l[partition] = offsetOrError{err: errors.New("the broker answered ListOffsets without this partition")}
	}
	request.Topics = append(request.Topics, row)
	answer, err := c.callLeader(request, topic, partitions[0])
	if err != nil {
		for _, partition := range partitions {
			l[partition] = offsetOrError{err: err}
		}
		return
	}
	for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if _, asked := l[p.Partition]; asked {
				l[p.Partition] = offsetOrError{p.Offset, codeError(p.ErrorCode, nil)}
			}
		}
	}
}

// plus moves all of them.
func (l located) plus(n int64) located {
	for partition, at := range l {
		at.offset += n
		l[partition] = at
	}
	return l
}

// whole is all of them, or what is wrong with the first of those that were not found.
func (l located) whole() (located, error) {
	first := int32(-1)
	for partition, at := range l {
		if at.err != nil && (first < 0 || partition < first) {
			first = partition
		}
	}
	if first >= 0 {
		return nil, fmt.Errorf("partition %d: %w", first, l[first].err)
	}
	return l, nil
}

// allOf numbers the partitions that have these leaders.
func allOf(leaders []int32) (all []int32) {
	for p := range leaders {
		all = append(all, int32(p))
	}
	return all
}
