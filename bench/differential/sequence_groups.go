package main

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// group is the group of an act: there are two.
func (a act) group() string { return []string{"g", "h"}[a.choice%2] }

// someone is a member of an act's group, or somebody who is none, in some generation: mostly in the right one.
func (m *memory) someone(a act) member {
	who := m.simple(a.group())
	if all := m.groups[a.group()]; len(all) > 0 {
		who = all[a.n%len(all)]
	}
	switch a.choice >> 2 % 8 {
	case 0:
		return who.stranger()
	case 1:
		return who.at(who.generation + int32(a.choice>>5%3) - 1)
	}
	return who
}

// join has a group's members join again, after one more if there are not two: whoever comes first waits for the others. Then
// all ask for their assignments.
func (m *memory) join(a act) {
	name := a.group()
	all := m.groups[name]
	if len(all) == 0 {
		m.first(a)
		return
	}
	if len(all) == 1 {
		m.another(a, name, all[0])
		return
	}
	wait := m.later("again", m.request(all[1], 1), a.version)
	m.rebalancing(name)
	m.regroup(a, name, all, wait)
}

// first joins a group of nobody.
func (m *memory) first(a act) {
	r := joinGroup(m.called(a.group()), "")
	r.Protocols[0].Metadata = m.fresh(0)
	answer := m.ask("first", r, a.version)
	if answer == nil {
		return
	}
	joined := answer.(*kmsg.JoinGroupResponse)
	if joined.ErrorCode == 79 {
		r.MemberID = joined.MemberID
		if answer = m.ask("first, with an id", r, a.version); answer == nil {
			return
		}
		joined = answer.(*kmsg.JoinGroupResponse)
	}
	if joined.ErrorCode == 0 {
		m.groups[a.group()] = []member{{r.Group, joined.MemberID, joined.Generation}}
	}
}

// request is that of a member who joins again.
func (m *memory) request(who member, n int) *kmsg.JoinGroupRequest {
	r := joinGroup(who.group, who.id)
	r.Protocols[0].Metadata = m.fresh(n)
	return r
}

// fresh is what no member has said before: one who says the same again may be answered without a rebalance.
func (m *memory) fresh(n int) []byte {
	m.round++
	return subscription(fmt.Sprintf("member %d, round %d", n, m.round), m.called("q"))
}

// another joins beside the first, who joins again.
func (m *memory) another(a act, name string, first member) {
	r := joinGroup(first.group, "")
	r.Protocols[0].Metadata = m.fresh(1)
	if a.version >= 4 {
		r.MemberID = m.must(r, 4).(*kmsg.JoinGroupResponse).MemberID
	}
	wait := m.later("another", r, a.version)
	m.rebalancing(name)
	m.regroup(a, name, []member{first, {group: first.group}}, wait)
}

// regroup has the first of two join again, where the second waits already.
func (m *memory) regroup(a act, name string, all []member, wait func() kmsg.Response) {
	first := m.ask("the first again", m.request(all[0], 0), a.version)
	second := wait()
	delete(m.groups, name)
	if first == nil || second == nil {
		return
	}
	one, two := first.(*kmsg.JoinGroupResponse), second.(*kmsg.JoinGroupResponse)
	if one.ErrorCode != 0 || two.ErrorCode != 0 {
		return
	}
	both := []member{{all[0].group, one.MemberID, one.Generation}, {all[0].group, two.MemberID, two.Generation}}
	m.groups[name] = both
	if a.n%4 == 0 {
		return // nobody is assigned anything yet
	}
	leader, other := both[0], both[1]
	if one.LeaderID != leader.id {
		leader, other = other, leader
	}
	follower := m.later("of who does not lead", syncGroup(other), 5)
	m.ask("of the leader", syncGroup(leader, leader.id, "a", other.id, "b"), 5)
	follower()
}

// sync asks for an assignment, and gives one: where others would have to do that first, nobody waits for them.
func (m *memory) sync(a act) {
	if all := m.groups[a.group()]; len(all) > 1 && m.state(a.group()) == "CompletingRebalance" {
		return
	}
	who := m.someone(a)
	m.ask("", syncGroup(who, who.id, fmt.Sprint("part ", a.far)), a.version)
}

func (m *memory) state(group string) string {
	return m.must(describeGroups(m.called(group)), 4).(*kmsg.DescribeGroupsResponse).Groups[0].State
}

func (m *memory) beat(a act) { m.ask("", heartbeat(m.someone(a)), a.version) }

// leave ends a group of one, and leaves a group of two to one who has to join again.
func (m *memory) leave(a act) {
	who := m.someone(a)
	m.ask("", leaveGroup(who.group, who.id), a.version)
	var left []member
	before := m.groups[a.group()]
	for _, each := range before {
		if each.id != who.id {
			left = append(left, each)
		}
	}
	if m.groups[a.group()] = left; len(left) != 1 || len(before) != 2 {
		return
	}
	if answer := m.ask("who is left joins again", m.request(left[0], 0), a.version); answer != nil {
		left[0].generation = answer.(*kmsg.JoinGroupResponse).Generation
	}
}

func (m *memory) commitOffset(a act) {
	r := m.commit(m.someone(a), a.topic, a.partition, a.far, strings.Repeat("n", a.n))
	r.Topics[0].Partitions[0].LeaderEpoch = int32(a.choice>>8%3) - 1
	m.ask("", r, a.version)
}

func (m *memory) committedOffsets(a act) {
	r := m.committed(m.called(a.group()), a.topic, a.partition, 0)
	if a.n < 3 && a.version >= 2 {
		r = m.committed(m.called(a.group()), "")
	}
	r.RequireStable = a.choice>>3%2 == 0
	m.ask("", r, a.version)
}

func (m *memory) forgetOffsets(a act) {
	m.ask("", deleteOffsets(m.called(a.group()), m.called(a.topic), a.partition), a.version)
}

func (m *memory) describeGroup(a act) {
	m.ask("", describeGroups(m.called(a.group()), m.called("other")), a.version)
}

func (m *memory) listGroups(a act) {
	r := kmsg.NewPtrListGroupsRequest()
	if a.version >= 4 && a.n < 4 {
		r.StatesFilter = []string{[]string{"Stable", "Empty", "CompletingRebalance", "PreparingRebalance"}[a.n]}
	}
	m.ask("", r, a.version)
}

func (m *memory) deleteGroup(a act) { m.ask("", deleteGroups(m.called(a.group())), a.version) }
