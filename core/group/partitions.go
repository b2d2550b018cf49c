package group

import (
	"bytes"
	"cmp"
	"slices"

	"rookery/core/meta"
)

// Sets of partitions are []TopicPartitions by rising topic and partition, without topics that have none. They are never
// changed once they are made, so that states may share them.

// owned names one partition of one topic.
type owned struct {
	topic     meta.UUID
	partition int32
}

func compareTopics(a, b TopicPartitions) int { return bytes.Compare(a.TopicID[:], b.TopicID[:]) }

// orderedSet makes a set of partitions that come in any order, some perhaps twice.
func orderedSet(any []TopicPartitions) (set []TopicPartitions) {
	sorted := slices.Clone(any)
	slices.SortStableFunc(sorted, compareTopics)
	for i, next := 0, 0; i < len(sorted); i = next {
		count := 0
		for next = i; next < len(sorted) && sorted[next].TopicID == sorted[i].TopicID; next++ {
			count += len(sorted[next].Partitions)
		}
		if count == 0 {
			continue
		}
		one := TopicPartitions{TopicID: sorted[i].TopicID, Partitions: make([]int32, 0, count)}
		for _, t := range sorted[i:next] {
			one.Partitions = append(one.Partitions, t.Partitions...)
		}
		set = append(set, one)
	}
	for i := range set {
		slices.SortStableFunc(set[i].Partitions, cmp.Compare)
		set[i].Partitions = slices.Compact(set[i].Partitions)
	}
	return set
}

func partitionsOf(set []TopicPartitions, topic meta.UUID) []int32 {
	at, found := slices.BinarySearchFunc(set, topic, func(t TopicPartitions, id meta.UUID) int { return bytes.Compare(t.TopicID[:], id[:]) })
	if !found {
		return nil
	}
	return set[at].Partitions
}

func holds(set []TopicPartitions, topic meta.UUID, partition int32) bool {
	_, found := slices.BinarySearch(partitionsOf(set, topic), partition)
	return found
}

// keep is the part of a set that a predicate wants.
func keep(set []TopicPartitions, want func(topic meta.UUID, partition int32) bool) (kept []TopicPartitions) {
	for _, t := range set {
		var some []int32
		for _, p := range t.Partitions {
			if want(t.TopicID, p) {
				some = append(some, p)
			}
		}
		if len(some) > 0 {
			kept = append(kept, TopicPartitions{TopicID: t.TopicID, Partitions: some})
		}
	}
	return kept
}

func both(a, b []TopicPartitions) []TopicPartitions {
	return keep(a, func(topic meta.UUID, p int32) bool { return holds(b, topic, p) })
}

func minus(a, b []TopicPartitions) []TopicPartitions {
	return keep(a, func(topic meta.UUID, p int32) bool { return !holds(b, topic, p) })
}

func plus(a, b []TopicPartitions) []TopicPartitions { return orderedSet(slices.Concat(a, b)) }

func equalSets(a, b []TopicPartitions) bool {
	return slices.EqualFunc(a, b, func(a, b TopicPartitions) bool {
		return a.TopicID == b.TopicID && slices.Equal(a.Partitions, b.Partitions)
	})
}
