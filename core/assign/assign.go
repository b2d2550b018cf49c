// Package assign is the server's assignors of the consumer protocol (KIP-848): who shall have which partitions of what a
// group has subscribed to. An assignor is a pure function of the topics, of the members and of what it said the last time.
//
//	topics, each with how many partitions it has     ┐
//	members, each with its topics and its last share ┴─▶ Assignor ─▶ the target of each member; core/group goes there in steps
//
// Rules:
//   - every partition of a topic that somebody has subscribed to is given to exactly one of those who have;
//   - the same input gives the same output, on every broker: nothing depends on the order of a map;
//   - range: the subscribers of a topic get a run of it each, of lengths that differ by one at most, static members first.
//     Topics of as many partitions with the same subscribers are cut at the same places;
//   - uniform: what members have differs by one at most, as far as their subscriptions allow, and beyond that every
//     partition stays with whom it was with. Balance goes before stickiness.
//
// Racks play no part: neither do they in Kafka since 4.0, whose group only begins anew when those of a topic change.
// The outcomes are Kafka's, partition for partition, where Kafka's own do not hang on the order of a Java map.
package assign

import (
	"bytes"
	"slices"

	"rookery/core/meta"
)

// The names under which members ask for an assignor.
const (
	Range   = "range"
	Uniform = "uniform"
)

// Topic is one topic that there is. An assignor is given them by rising id.
type Topic struct {
	ID             meta.UUID
	PartitionCount int32
}

// TopicPartitions is some partitions of a topic.
type TopicPartitions struct {
	TopicID    meta.UUID
	Partitions []int32
}

// Member is one member of a group. An assignor is given them by rising ID, and each one's Topics and Target by rising id,
// with rising partitions. Topics that are not there, and partitions of the last target beyond a topic's count, count
// for nothing.
type Member struct {
	ID         string
	InstanceID *string
	Topics     []meta.UUID       // that it has subscribed to
	Target     []TopicPartitions // that it was given the last time
}

// Assignor gives out the partitions of topics: what each of members shall have, beside it, by rising topic and partition.
type Assignor func(topics []Topic, members []Member) [][]TopicPartitions

// Named is the assignor of a name, or nil.
func Named(name string) Assignor {
	switch name {
	case Range:
		return inRanges
	case Uniform:
		return uniformly
	}
	return nil
}

// nobody has a partition.
const nobody = -1

// plan is an assignment in the making. Topics and members are called by their places.
type plan struct {
	topics      []Topic
	subscribers [][]int // of a topic, by rising place
	owners      [][]int // of a topic's partitions
	sizes       []int   // how many partitions a member has
}

func newPlan(topics []Topic, members []Member) *plan {
	p := &plan{topics: topics, subscribers: make([][]int, len(topics)), owners: make([][]int, len(topics)), sizes: make([]int, len(members))}
	places, counts, total := make([][]int, len(members)), make([]int, len(topics)), 0
	for member := range members {
		if member > 0 && slices.Equal(members[member].Topics, members[member-1].Topics) { // most members say what the one before has said
			places[member] = places[member-1]
		} else {
			places[member] = p.places(members[member].Topics)
		}
		for _, topic := range places[member] {
			counts[topic]++
		}
		total += len(places[member])
	}
	room := make([]int, total)
	for topic, n := range counts {
		if n > 0 {
			p.subscribers[topic], room = room[:0:n], room[n:]
			p.owners[topic] = slices.Repeat([]int{nobody}, int(topics[topic].PartitionCount))
		}
	}
	for member := range members {
		for _, topic := range places[member] {
			p.subscribers[topic] = append(p.subscribers[topic], member)
		}
	}
	return p
}

// places are those of topics that come by rising id, as far as they are there.
func (p *plan) places(ids []meta.UUID) (places []int) {
	places = make([]int, 0, len(ids))
	from := 0
	for _, id := range ids {
		topic, found := p.topic(id, from)
		if found {
			places = append(places, topic)
		}
		from = topic
	}
	return places
}

// topic is the place of a topic, which is not before from. It looks at the next ones first: a member's topics come in the
// order of all, and mostly they are all.
func (p *plan) topic(id meta.UUID, from int) (place int, found bool) {
	for step := 1; ; from, step = from+step, 2*step {
		if from+step >= len(p.topics) || bytes.Compare(p.topics[from+step].ID[:], id[:]) >= 0 {
			end := min(from+step+1, len(p.topics))
			at, found := slices.BinarySearchFunc(p.topics[from:end], id, func(t Topic, id meta.UUID) int { return bytes.Compare(t.ID[:], id[:]) })
			return from + at, found
		}
	}
}

// give makes a member the owner of a partition, in place of whoever was.
func (p *plan) give(topic, partition, member int) {
	if old := p.owners[topic][partition]; old != nobody {
		p.sizes[old]--
	}
	p.owners[topic][partition] = member
	p.sizes[member]++
}

// keep lets a member keep what it had of what it has still subscribed to, but for partitions that another one has.
func (p *plan) keep(member int, target []TopicPartitions, one func(topic, partition int)) {
	topic, found := 0, false
	for _, had := range target {
		if topic, found = p.topic(had.TopicID, topic); !found {
			continue
		}
		if _, subscribed := slices.BinarySearch(p.subscribers[topic], member); !subscribed {
			continue
		}
		for _, partition := range had.Partitions {
			if partition >= 0 && partition < p.topics[topic].PartitionCount && p.owners[topic][partition] == nobody {
				one(topic, int(partition))
			}
		}
	}
}

// outcome is what each member has.
func (p *plan) outcome() [][]TopicPartitions {
	given := make([][]TopicPartitions, len(p.sizes))
	for topic, owners := range p.owners {
		for partition, member := range owners {
			last := len(given[member]) - 1
			if last < 0 || given[member][last].TopicID != p.topics[topic].ID {
				given[member] = append(given[member], TopicPartitions{TopicID: p.topics[topic].ID})
				last++
			}
			given[member][last].Partitions = append(given[member][last].Partitions, int32(partition))
		}
	}
	return given
}
