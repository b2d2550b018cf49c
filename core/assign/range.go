package assign

import (
	"cmp"
	"slices"
)

// inRanges is the assignor "range". Static members go first, by their instance ids, which outlive the members' own: after
// a restart they find what they had.
func inRanges(topics []Topic, members []Member) [][]TopicPartitions {
	p := newPlan(topics, members)
	rank := ranks(members)
	for topic, subscribers := range p.subscribers {
		slices.SortStableFunc(subscribers, func(a, b int) int { return cmp.Compare(rank[a], rank[b]) })
		next := 0
		for i, member := range subscribers {
			length := len(p.owners[topic]) / len(subscribers)
			if i < len(p.owners[topic])%len(subscribers) {
				length++
			}
			for end := next + length; next < end; next++ {
				p.give(topic, next, member)
			}
		}
	}
	return p.outcome()
}

// ranks is each member's place when static ones go first.
func ranks(members []Member) []int {
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := members[a].InstanceID, members[b].InstanceID
		switch {
		case x != nil && y != nil:
			return cmp.Or(cmp.Compare(*x, *y), cmp.Compare(a, b))
		case x != nil:
			return -1
		case y != nil:
			return 1
		}
		return cmp.Compare(a, b) // members come by rising id
	})
	rank := make([]int, len(members))
	for place, member := range order {
		rank[member] = place
	}
	return rank
}
