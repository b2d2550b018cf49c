package assign

import (
	"bytes"
	"cmp"
	"slices"
)

// rounds is how often all topics are gone through at most. Where all subscribers of a topic have the same subscriptions
// one round does it, and one more finds nothing to do.
const rounds = 16

// balance divides what is subscribed to by some only. Everybody keeps what it had. What nobody has goes, topic by topic,
// to the one who has least of those who may have it. Then partitions of each topic go from the one who has most to the
// one who has least, until these differ by one at most. Topics of which a subscriber must take most come first, when
// there is still most freedom to even it out.
func (p *plan) balance(members []Member) {
	for member := range members {
		p.keep(member, members[member].Target, func(topic, partition int) { p.give(topic, partition, member) })
	}
	order := p.heaviestFirst()
	for _, topic := range order {
		p.fill(topic)
	}
	order = slices.DeleteFunc(order, func(topic int) bool { return len(p.subscribers[topic]) < 2 })
	last := nobody // the topic of which something moved last
	for range rounds {
		for i, topic := range order {
			if i == last {
				return
			}
			if p.even(topic) || last == nobody {
				last = i
			}
		}
	}
}

// heaviestFirst is the topics that have subscribers, by falling partitions a subscriber.
func (p *plan) heaviestFirst() (order []int) {
	for topic := range p.topics {
		if len(p.owners[topic]) > 0 {
			order = append(order, topic)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		byA, byB := len(p.subscribers[a]), len(p.subscribers[b])
		return cmp.Or(
			cmp.Compare(int64(len(p.owners[b]))*int64(byA), int64(len(p.owners[a]))*int64(byB)),
			cmp.Compare(byA, byB),
			bytes.Compare(p.topics[a].ID[:], p.topics[b].ID[:]))
	})
	return order
}

func (p *plan) fill(topic int) {
	if !slices.Contains(p.owners[topic], nobody) {
		return
	}
	s := p.newScale(topic)
	for partition, owner := range p.owners[topic] {
		if owner == nobody {
			p.give(topic, partition, s.lightest())
		}
	}
}

// even moves partitions of a topic until its subscribers have as many, and says whether it moved any.
func (p *plan) even(topic int) (moved bool) {
	s := p.newScale(topic)
	if s.spread() <= 1 {
		return false
	}
	had := make(map[int][]int, len(s.order)) // by whom: the topic's partitions, of which the last ones go first
	for partition, member := range p.owners[topic] {
		had[member] = append(had[member], partition)
	}
	for {
		from := s.heaviest()
		for from != nobody && len(had[from]) == 0 {
			s.exclude()
			from = s.heaviest()
		}
		if from == nobody {
			return moved
		}
		to := s.lightest()
		if s.even() {
			return moved
		}
		last := len(had[from]) - 1
		p.give(topic, had[from][last], to)
		had[from] = had[from][:last]
		moved = true
	}
}

// scale is the subscribers of one topic, by how many partitions they have in all. It hands out those at its two ends,
// as one after another gets a partition more, or one less:
//
//	partitions          ┌─── high: they have given
//	   ▲            ┌──┐ ▼
//	   │         ┌──┤  ├──┐
//	   │   ┌─────┤  │  │  │◀ excluded: they have none of this topic to give
//	   │ ──┤     │  │  │  │
//	   └───┴─────┴──┴──┴──┴─▶ members, in order
//	     ▲
//	     └─ low: they have taken
type scale struct {
	sizes []int // of all members: the plan's
	order []int

	lowEnd   int // order[:lowEnd] are level, but for the partition that those before lowNext have got
	lowNext  int
	lowLevel int

	highStart int // order[highStart:highEnd], likewise, from the end
	highEnd   int
	highNext  int
	highLevel int
}

func (p *plan) newScale(topic int) *scale {
	order := slices.Clone(p.subscribers[topic])
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(p.sizes[a], p.sizes[b]), cmp.Compare(a, b)) })
	end := len(order)
	return &scale{
		sizes: p.sizes, order: order,
		lowLevel:  p.sizes[order[0]] - 1,
		highStart: end, highEnd: end, highNext: end - 1, highLevel: p.sizes[order[end-1]] + 1,
	}
}

func (s *scale) spread() int { return s.sizes[s.order[len(s.order)-1]] - s.sizes[s.order[0]] }

// even says that what is left between the two ends is not worth a move.
func (s *scale) even() bool { return s.highLevel-s.lowLevel <= 1 }

// lightest is who has least, and is about to have one more.
func (s *scale) lightest() int {
	if s.lowNext == s.lowEnd {
		s.lowLevel++
		for s.lowEnd < len(s.order) && s.sizes[s.order[s.lowEnd]] == s.lowLevel {
			s.lowEnd++
		}
		s.lowNext = 0
	}
	s.lowNext++
	return s.order[s.lowNext-1]
}

// heaviest is who has most, and is about to have one less; nobody if all are excluded.
func (s *scale) heaviest() int {
	if s.highNext < s.highStart {
		if s.highEnd <= s.highStart && s.highStart > 0 {
			s.highLevel = s.sizes[s.order[s.highStart-1]] // all who were up there are excluded
		} else {
			s.highLevel--
		}
		for s.highStart > 0 && s.sizes[s.order[s.highStart-1]] == s.highLevel {
			s.highStart--
		}
		s.highNext = s.highEnd - 1
	}
	if s.highNext < 0 {
		return nobody
	}
	s.highNext--
	return s.order[s.highNext+1]
}

// exclude sets aside the one that heaviest has named last.
func (s *scale) exclude() {
	at, end := s.highNext+1, s.highEnd-1
	s.order[at], s.order[end] = s.order[end], s.order[at]
	s.highEnd--
}
