package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience is how long a promised record may take to show after a start; then it is lost.
const patience = 5 * time.Second

// verify reads everything back and judges every promise.
func verify(broker string, h *histories, c *commits) (v verdict, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DisableClientMetrics(), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return v, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	topics, err := listTopics(ctx, client)
	if err != nil {
		return v, err
	}
	v = h.settleTopics(names(topics))
	v.add(h.partitionsGone(topics))
	ends, err := awaitEnds(ctx, client, h, topics)
	if err != nil {
		return v, err
	}
	for p, end := range ends {
		hashes, err := readAll(ctx, broker, p, end)
		if err != nil {
			return v, fmt.Errorf("read %s-%d up to %d: %w", p.topic, p.number, end, err)
		}
		v.add(h.settle(p, hashes))
	}
	committed, err := verifyCommits(ctx, client, c, ends)
	v.add(committed)
	return v, err
}

func listTopics(ctx context.Context, client *kgo.Client) (map[string]int32, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	topics := map[string]int32{}
	for _, topic := range answer.Topics {
		if topic.Topic != nil && !topic.IsInternal {
			topics[*topic.Topic] = int32(len(topic.Partitions))
		}
	}
	return topics, nil
}

func names(topics map[string]int32) map[string]bool {
	present := map[string]bool{}
	for name := range topics {
		present[name] = true
	}
	return present
}

// awaitEnds asks for the end of each partition until each holds what was promised, or patience runs out.
func awaitEnds(ctx context.Context, client *kgo.Client, h *histories, topics map[string]int32) (map[partition]int64, error) {
	var err error
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ends := map[partition]int64{}
		err = listEnds(ctx, client, topics, ends)
		short := 0
		for p, end := range ends {
			if end < h.end(p) {
				short++
			}
		}
		if err == nil && (short == 0 || time.Now().After(deadline)) {
			return ends, nil
		}
		if time.Now().After(deadline.Add(30 * time.Second)) {
			return nil, fmt.Errorf("ListOffsets: %w", err)
		}
	}
}

func listEnds(ctx context.Context, client *kgo.Client, topics map[string]int32, ends map[partition]int64) error {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	for name, partitions := range topics {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for number := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = number, -1, -1
			topic.Partitions = append(topic.Partitions, p)
		}
		request.Topics = append(request.Topics, topic)
	}
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s-%d: %w", topic.Topic, p.Partition, err)
			}
			ends[partition{topic.Topic, p.Partition}] = p.Offset
		}
	}
	return nil
}

func readAll(ctx context.Context, broker string, p partition, end int64) ([]uint64, error) {
	hashes := make([]uint64, 0, end)
	if end == 0 {
		return hashes, nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DisableClientMetrics(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.topic: {p.number: kgo.NewOffset().At(0)}}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for int64(len(hashes)) < end {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stuck at offset %d: %w", len(hashes), ctx.Err())
		}
		var wrong error
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(len(hashes)) && wrong == nil {
				wrong = fmt.Errorf("offset %d where %d comes next", r.Offset, len(hashes))
			}
			hashes = append(hashes, recordHash(r.Key, r.Value))
		})
		if wrong != nil {
			return nil, wrong
		}
	}
	return hashes, nil
}
