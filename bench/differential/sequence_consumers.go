package main

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// instances are those of the three members of a sequence's consumer group: one of them is static.
var instances = [3]*string{nil, nil, value("i")}

// consumerOf is the member of an act, as it knows itself.
func (m *memory) consumerOf(a act) *consumer { return m.consumers[a.producer] }

// spoken is a heartbeat under the member's instance. Kafka's coordinators have to know the topics that were made.
func (m *memory) spoken(a act, r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatRequest {
	if m.unsettled {
		m.settle()
		m.unsettled = false
	}
	r.InstanceID = instances[a.producer]
	return r
}

// subscribed are the topics that a number stands for, bit by bit.
func (m *memory) subscribed(bits int) (names []string) {
	for i, topic := range []string{"p", "q", "r"} {
		if bits>>i%2 == 1 {
			names = append(names, m.called(topic))
		}
	}
	return names
}

// wanted are the topics that a member joins for: some, as Kafka may give partitions to one that joins for none, and leaves a
// group that it upgrades without an assignment (specs/differences.md).
func (m *memory) wanted(bits int) []string {
	if bits == 0 {
		bits = 7
	}
	return m.subscribed(bits)
}

// hasParted says whether the group has gone over to the other protocol without an upgrade, or is about to, as somebody comes
// who speaks it: the last of its consumers have gone, or it is empty. Its numbers and its rounds are not Kafka's from there on
// (specs/differences.md).
func (m *memory) hasParted(comes string) bool {
	consumers := slices.ContainsFunc(m.consumers[:], func(c *consumer) bool { return c.epoch > 0 })
	classic := m.spoke.classic || comes == "classic"
	consumer := m.spoke.consumer || comes == "consumer" && !m.classicOf.joined
	m.parted = m.parted || classic && consumer && !consumers
	return m.parted
}

// consume is a heartbeat: mostly the one that a client would send now.
func (m *memory) consume(a act) {
	if m.hasParted("consumer") {
		return
	}
	c := m.consumerOf(a)
	r, what := c.owns(), "owns"
	switch {
	case c.epoch <= 0:
		r, what = c.joins(m.wanted(a.n)...), "joins"
	case a.choice%16 == 0:
		r, what = c.joins(m.wanted(a.n)...), "joins again"
	case a.choice%16 < 4:
		r.SubscribedTopicNames, what = append([]string{}, m.subscribed(a.n)...), "subscribes anew"
	case a.choice%16 < 7:
		r, what = c.beats(), "beats"
	case a.choice%16 == 7:
		r.MemberEpoch, what = c.epoch+int32(a.choice>>4%4)-2, "with some epoch"
		if r.MemberEpoch <= 0 {
			r.MemberEpoch = 1
		}
	case a.choice%16 == 8:
		r.MemberID, what = m.called("stranger"), "a stranger"
	}
	answer, ok := m.ask(what, m.spoken(a, r), a.version).(*kmsg.ConsumerGroupHeartbeatResponse)
	if !ok || what == "a stranger" {
		return
	}
	m.spoke.consumer = m.spoke.consumer || answer.ErrorCode == 0
	if c.takes(answer); answer.ErrorCode != 0 && what != "with some epoch" {
		c.epoch, c.owned = 0, nil
	}
}

// depart ends a membership; the static member may mean to come back.
func (m *memory) depart(a act) {
	if m.hasParted("") {
		return
	}
	c := m.consumerOf(a)
	epoch := int32(-1)
	if instances[a.producer] != nil && a.n%2 == 0 {
		epoch = -2
	}
	m.ask("", m.spoken(a, c.leaves(epoch)), a.version)
	c.epoch, c.owned = 0, nil
}

func (m *memory) describeConsumers(a act) {
	if m.hasParted("") {
		return
	}
	m.ask("", describeConsumers(m.called("c"), m.called([]string{"g", "other"}[a.n%2])), a.version)
}

// commitConsumed commits as a member, or as nobody.
func (m *memory) commitConsumed(a act) {
	if m.hasParted("") {
		return
	}
	c := m.consumerOf(a)
	who := member{c.group, c.id, c.epoch}
	switch a.choice % 8 {
	case 0:
		who = m.simple("c")
	case 1:
		who.generation += int32(a.choice>>4%3) - 1
	}
	m.ask("", m.commit(who, a.topic, a.partition, a.far, strings.Repeat("n", a.n)), a.version)
}

// fetchConsumed asks for offsets as a member, from version 9 on.
func (m *memory) fetchConsumed(a act) {
	if m.hasParted("") {
		return
	}
	c := m.consumerOf(a)
	r := m.committed(c.group, a.topic, a.partition, 0)
	if a.n < 3 && a.version >= 2 {
		r = m.committed(c.group, "")
	}
	if a.choice%4 > 0 {
		r.Groups[0].MemberID, r.Groups[0].MemberEpoch = &c.id, c.epoch
	}
	r.RequireStable = a.choice>>3%2 == 0
	m.ask("", r, a.version)
}

func (m *memory) deleteConsumed(a act) {
	if !m.hasParted("") {
		m.ask("", deleteGroups(m.called("c")), a.version)
	}
}

// A classicMember speaks the classic protocol in the consumers' group: it is one of them, or makes the group a classic one
// while it is alone. It is the only one of its kind, so that it never waits for others, and static, so that the range
// assignor puts it in the same place on both sides.
type classicMember struct {
	member
	joined, synced, leads bool
}

// classic does mostly what a client would do next.
func (m *memory) classic(a act) {
	if m.hasParted("classic") {
		return
	}
	c := &m.classicOf
	switch {
	case !c.joined || a.choice%16 == 0:
		m.joinClassic(a)
	case a.choice%16 == 1:
		c.id = ""
		m.joinClassic(a)
	case a.choice%16 < 4:
		m.leaveClassic(a)
	case a.choice%16 == 4:
		m.ask("in some generation", m.beatClassic(c.at(c.generation+int32(a.choice>>4%3)-1)), min(a.version, 4))
	case a.choice%16 < 7:
		r := m.commit(c.member, a.topic, a.partition, a.far, "")
		r.InstanceID = value("x")
		m.ask("by the classic one", r, a.version+5)
	case !c.synced:
		m.syncClassic(a)
	default:
		if answer, ok := m.ask("", m.beatClassic(c.member), min(a.version, 4)).(*kmsg.HeartbeatResponse); ok && answer.ErrorCode != 0 {
			c.joined = false
		}
	}
}

func (m *memory) joinClassic(a act) {
	c := &m.classicOf
	if m.unsettled {
		m.settle()
		m.unsettled = false
	}
	r := joinGroup(m.called("c"), c.id)
	r.InstanceID = value("x")
	r.Protocols = r.Protocols[:1]
	r.Protocols[0].Name, r.Protocols[0].Metadata = "range", subscription("", m.wanted(a.n)...)
	answer, ok := m.ask("joins", r, a.version+5).(*kmsg.JoinGroupResponse)
	if !ok {
		return
	}
	if c.joined = answer.ErrorCode == 0; !c.joined {
		c.id = ""
		return
	}
	m.spoke.classic = true
	c.id, c.generation, c.synced, c.leads = answer.MemberID, answer.Generation, false, answer.LeaderID == answer.MemberID
}

func (m *memory) syncClassic(a act) {
	c := &m.classicOf
	r := syncGroup(c.member)
	if c.leads {
		assignment := kmsg.NewConsumerMemberAssignment()
		for _, topic := range m.wanted(a.n) {
			assignment.Topics = append(assignment.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: topic, Partitions: []int32{0}})
		}
		r = syncGroup(c.member, c.id, string(assignment.AppendTo(nil)))
	}
	r.InstanceID, r.Protocol = value("x"), value("range")
	answer, ok := m.ask("", r, min(a.version+3, 5)).(*kmsg.SyncGroupResponse)
	if c.synced = ok && answer.ErrorCode == 0; !c.synced {
		c.joined = false
	}
}

func (m *memory) beatClassic(who member) *kmsg.HeartbeatRequest {
	r := heartbeat(who)
	r.InstanceID = value("x")
	return r
}

func (m *memory) leaveClassic(a act) {
	r := leaveGroup(m.called("c"), "")
	r.Members[0].InstanceID = value("x")
	m.ask("", r, min(a.version+3, 5))
	m.classicOf = classicMember{member: member{group: m.called("c")}}
}
