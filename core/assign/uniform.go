package assign

import "slices"

// uniformly is the assignor "uniform".
func uniformly(topics []Topic, members []Member) [][]TopicPartitions {
	p := newPlan(topics, members)
	if p.alike(members) {
		p.share(members)
	} else {
		p.balance(members)
	}
	return p.outcome()
}

// alike says that all members have subscribed to the same topics.
func (p *plan) alike(members []Member) bool {
	return !slices.ContainsFunc(p.subscribers, func(s []int) bool { return len(s) > 0 && len(s) < len(members) })
}

// piece is one partition of one topic.
type piece struct{ topic, partition int }

// share divides everything by the number of members, if all may have all of it. Who has more than its share loses the
// rest of it, and what nobody has goes to those who have less. Where it cannot be divided, some may have one more: those
// who have it already, as far as there are, and else the last members.
func (p *plan) share(members []Member) {
	total := 0
	for _, owners := range p.owners {
		total += len(owners)
	}
	if total == 0 {
		return
	}
	quota, extras := total/len(members), total%len(members)
	open := make([]int, len(members)) // how many more a member shall have
	var lost []piece
	for member := range members {
		room := quota
		extra := extras > 0
		if extra {
			room++
		}
		p.keep(member, members[member].Target, func(topic, partition int) {
			if room == 0 {
				lost = append(lost, piece{topic, partition})
				return
			}
			room--
			p.give(topic, partition, member)
		})
		if extra && room > 0 && len(members)-member > extras {
			room, extra = room-1, false
		}
		if extra {
			extras--
		}
		open[member] = room
	}
	p.deal(open, lost)
}

// deal gives what nobody has, and then what members have lost, to those who have room.
func (p *plan) deal(open []int, lost []piece) {
	member := 0
	next := func(topic, partition int) {
		for open[member] == 0 {
			member++
		}
		open[member]--
		p.give(topic, partition, member)
	}
	taken := make(map[piece]bool, len(lost))
	for _, l := range lost {
		taken[l] = true
	}
	for topic, owners := range p.owners {
		for partition, owner := range owners {
			if owner == nobody && !taken[piece{topic, partition}] {
				next(topic, partition)
			}
		}
	}
	for _, l := range lost {
		if p.owners[l.topic][l.partition] == nobody { // another one may have had it, too
			next(l.topic, l.partition)
		}
	}
}
