package group

import "rookery/core/seam"

// Rebalance is a group in which somebody's join or sync waits for its answer, and what for.
type Rebalance struct {
	Joins, Syncs int
	Absent       int  // who has yet to join: members, and those who were given an id
	Delayed      bool // the initial delay is not over
	Unassigned   bool // the leader has yet to assign
	Timed        bool // it goes on in time, whoever comes or does not
}

// Rebalances calls each for every group in which somebody waits.
func (c *Coordinator) Rebalances(each func(r Rebalance)) {
	for _, g := range c.groups.All() {
		r := Rebalance{}
		for _, m := range g.members {
			if m.join.waits() {
				r.Joins++
			}
			if m.sync.waits() {
				r.Syncs++
			}
		}
		switch {
		case r.Joins+r.Syncs == 0:
			continue
		case g.state == preparing:
			r.Absent, r.Delayed, r.Timed = len(g.members)-r.Joins+g.pending.Len(), g.previous == empty, g.joinAlarm != 0
		case g.state == completing:
			leader := g.member(g.leader)
			r.Unassigned, r.Timed = leader != nil && !leader.sync.waits(), g.syncAlarm != 0
		}
		each(r)
	}
}

// Digest hashes what is replicated: what any fold of the same records comes to. A group of which there is no record, and no
// offset, is the coordinator's own business.
func (c *Coordinator) Digest() (d seam.Digest) {
	for id, g := range c.groups.All() {
		if g.stored == nil && g.topics.Len() == 0 && g.consumer == nil {
			continue
		}
		d.Text(id)
		if g.consumer != nil {
			g.consumer.digest(&d, id)
		}
		if g.stored != nil {
			digest(&d, &ClassicGroupRecord{Group: id, Value: g.stored})
		}
		for topic, partitions := range g.topics.All() {
			for partition, commit := range partitions.All() {
				digest(&d, &OffsetCommitRecord{Group: id, Topic: topic, Partition: partition, Value: commit})
			}
		}
	}
	return d
}

func (con *consumer) digest(d *seam.Digest, id string) {
	digest(d, &ConsumerGroupRecord{Group: id, Value: &ConsumerGroupEpoch{con.epoch, con.hash}})
	digest(d, &TargetAssignmentRecord{Group: id, Value: &TargetAssignmentEpoch{con.targetEpoch}})
	for member, m := range con.members.All() {
		digest(d, &MemberRecord{Group: id, MemberID: member, Value: &m.MemberMetadata})
		digest(d, &CurrentAssignmentRecord{Group: id, MemberID: member, Value: &m.CurrentAssignment})
	}
	for member, target := range con.targets.All() {
		digest(d, &MemberTargetRecord{Group: id, MemberID: member, Value: &MemberTarget{target}})
	}
	for expression, r := range con.expressions.All() {
		digest(d, &RegularExpressionRecord{Group: id, Expression: expression, Value: r})
	}
}

func digest(d *seam.Digest, r Record) {
	key, value := Append(nil, nil, r)
	d.Bytes(key)
	d.Bytes(value)
}
