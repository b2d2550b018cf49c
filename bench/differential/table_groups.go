package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is one of a classic group: what its next request has to say.
type member struct {
	group, id  string
	generation int32
}

// subscription is what a consumer says when it joins. Kafka reads it, and what is none may cost the whole group its
// rebalance (UNKNOWN_SERVER_ERROR).
func subscription(note string, topics ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.UserData = 1, topics, []byte(note)
	return m.AppendTo(nil)
}

func joinGroup(group, id string, metadata ...string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.ProtocolType = group, id, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 300_000, 300_000 // longer than any case
	for i, each := range append([]string{"one"}, metadata...) {
		r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: fmt.Sprint("protocol-", i), Metadata: subscription(each)})
	}
	return r
}

func syncGroup(m member, assignments ...string) *kmsg.SyncGroupRequest {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = m.group, m.id, m.generation
	r.ProtocolType, r.Protocol = value("consumer"), value("protocol-0")
	for i := 0; i+1 < len(assignments); i += 2 {
		r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: assignments[i], MemberAssignment: []byte(assignments[i+1])})
	}
	return r
}

func heartbeat(m member) *kmsg.HeartbeatRequest {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.Generation = m.group, m.id, m.generation
	return r
}

// leaveGroup names members in both the forms that versions have.
func leaveGroup(group string, ids ...string) *kmsg.LeaveGroupRequest {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group = group
	for _, id := range ids {
		r.MemberID = id
		r.Members = append(r.Members, kmsg.LeaveGroupRequestMember{MemberID: id})
	}
	return r
}

func (s *side) commit(m member, topic string, partition int32, offset int64, metadata string) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.MemberID, r.Generation, r.RetentionTimeMillis = m.group, m.id, m.generation, -1
	p := kmsg.OffsetCommitRequestTopicPartition{Partition: partition, Offset: offset, LeaderEpoch: -1, Timestamp: -1, Metadata: &metadata}
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: s.called(topic), TopicID: s.id(topic), Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	return r
}

// committed asks for offsets in both the forms that versions have; no partitions: of all topics.
func (s *side) committed(group, topic string, partitions ...int32) *kmsg.OffsetFetchRequest {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Group = group
	of := kmsg.NewOffsetFetchRequestGroup()
	of.Group = group
	if len(partitions) > 0 {
		r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: s.called(topic), Partitions: partitions}}
		of.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: s.called(topic), TopicID: s.id(topic), Partitions: partitions}}
	}
	r.Groups = append(r.Groups, of)
	return r
}

func deleteOffsets(group string, topic string, partitions ...int32) *kmsg.OffsetDeleteRequest {
	r := kmsg.NewPtrOffsetDeleteRequest()
	r.Group = group
	t := kmsg.OffsetDeleteRequestTopic{Topic: topic}
	for _, p := range partitions {
		t.Partitions = append(t.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: p})
	}
	r.Topics = append(r.Topics, t)
	return r
}

func describeGroups(groups ...string) *kmsg.DescribeGroupsRequest {
	r := kmsg.NewPtrDescribeGroupsRequest()
	r.Groups = groups
	return r
}

func deleteGroups(groups ...string) *kmsg.DeleteGroupsRequest {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Groups = groups
	return r
}

func findCoordinator(kind int8, keys ...string) *kmsg.FindCoordinatorRequest {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.CoordinatorType, r.CoordinatorKeys = kind, keys
	if len(keys) > 0 {
		r.CoordinatorKey = keys[0]
	}
	return r
}

// simple is whoever commits without being a member.
func (s *side) simple(group string) member { return member{s.called(group), "", -1} }

// stranger is a member that no group knows.
func (m member) stranger() member { return member{m.group, "nobody", m.generation} }

func (m member) at(generation int32) member { return member{m.group, m.id, generation} }

// alone makes a group of one member, outside the comparison.
func (s *side) alone(group string) member {
	m := s.joined(joinGroup(s.called(group), ""))
	code := s.must(syncGroup(m, m.id, "all"), 3).(*kmsg.SyncGroupResponse).ErrorCode
	if code != 0 {
		panic(fmt.Errorf("%s: a member of a case's own is not synced: %d", s.name, code))
	}
	return m
}

// joined joins, a second time with the id that the first answer brings (KIP-394).
func (s *side) joined(r *kmsg.JoinGroupRequest) member {
	answer := s.must(r, 5).(*kmsg.JoinGroupResponse)
	if answer.ErrorCode == 79 {
		r.MemberID = answer.MemberID
		answer = s.must(r, 5).(*kmsg.JoinGroupResponse)
	}
	if answer.ErrorCode != 0 {
		panic(fmt.Errorf("%s: a case's own member cannot join: %d", s.name, answer.ErrorCode))
	}
	return member{r.Group, answer.MemberID, answer.Generation}
}

// second has another member join, which waits for the first; wait is for its answer, which is compared then.
func (s *side) second(group string, v int16) (wait func() kmsg.Response) {
	r := joinGroup(s.called(group), "")
	r.Protocols[0].Metadata = subscription("second")
	if v >= 4 {
		r.MemberID = s.must(r, 4).(*kmsg.JoinGroupResponse).MemberID
	}
	wait = s.later("of a second member", r, v)
	s.rebalancing(group)
	return wait
}

func (s *side) rebalancing(group string) {
	s.until(func() bool {
		return s.must(describeGroups(s.called(group)), 4).(*kmsg.DescribeGroupsResponse).Groups[0].State == "PreparingRebalance"
	}, group+" never rebalances")
}

var groupTable = slices.Concat(findCoordinatorTable, offsetCommitTable, offsetFetchTable, offsetDeleteTable, joinGroupTable,
	syncGroupTable, heartbeatTable, leaveGroupTable, describeGroupsTable, listGroupsTable, deleteGroupsTable)

var findCoordinatorTable = rows("FindCoordinator", 0, 6,
	row{name: "groups", run: func(s *side, v int16) {
		s.ask("one", findCoordinator(0, s.called("g")), v)
		s.ask("an empty one", findCoordinator(0, ""), v)
		if v >= 4 {
			s.ask("three", findCoordinator(0, s.called("g"), s.called("h"), s.called("i")), v)
			s.ask("one twice", findCoordinator(0, s.called("g"), s.called("g")), v)
			s.ask("none", findCoordinator(0), v)
		}
	}},
	row{name: "kinds", since: 1, run: func(s *side, v int16) {
		for _, kind := range []int8{-1, 2, 3, 127} {
			s.ask(fmt.Sprint("kind ", kind), findCoordinator(kind, s.called("g")), v)
		}
		s.ask("share key that is none", findCoordinator(2, "a:b"), v)
	}},
)

var offsetCommitTable = rows("OffsetCommit", 2, 10,
	row{name: "by nobody", run: func(s *side, v int16) {
		s.topic("t", 2)
		m := s.simple("g")
		seen := func() { s.ask("seen", s.committed(m.group, "t", 0, 1, 2), 8) }
		s.ask("first", s.commit(m, "t", 0, 5, "note"), v)
		seen()
		s.ask("back", s.commit(m, "t", 0, 3, ""), v)
		s.ask("negative", s.commit(m, "t", 1, -1, "x"), v)
		s.ask("more negative", s.commit(m, "t", 1, -7, "x"), v)
		s.ask("far", s.commit(m, "t", 1, 1<<62, "x"), v)
		seen()
		s.ask("unknown partition", s.commit(m, "t", 2, 5, ""), v)
		s.ask("negative partition", s.commit(m, "t", -1, 5, ""), v)
		s.ask("unknown topic", s.commit(m, "no", 0, 5, ""), v)
		s.ask("long note", s.commit(m, "t", 0, 6, strings.Repeat("n", 4096)), v)
		s.ask("too long a note", s.commit(m, "t", 0, 7, strings.Repeat("n", 4097)), v)
		null := s.commit(m, "t", 1, 8, "")
		null.Topics[0].Partitions[0].Metadata = nil
		s.ask("null note", null, v)
		two := s.commit(m, "t", 0, 9, "")
		two.Topics[0].Partitions = append(two.Topics[0].Partitions, s.commit(m, "t", 1, 10, "").Topics[0].Partitions[0], s.commit(m, "t", 7, 1, "").Topics[0].Partitions[0])
		s.ask("two and an unknown one", two, v)
		two.Topics[0].Partitions[1].Partition = 0
		s.ask("one twice", two, v)
		two.Topics[0].Partitions = nil
		s.ask("no partitions", two, v)
		two.Topics = nil
		s.ask("nothing", two, v)
		seen()
		epoch := s.commit(m, "t", 0, 11, "")
		epoch.Topics[0].Partitions[0].LeaderEpoch = 3
		s.ask("with an epoch", epoch, v)
		seen()
		s.ask("group without a name", s.commit(member{"", "", -1}, "t", 0, 5, ""), v)
		s.ask("of a generation", s.commit(s.simple("h").at(3), "t", 0, 5, ""), v)
		s.ask("of a member", s.commit(s.simple("h").stranger(), "t", 0, 5, ""), v)
		s.ask("of a member of a generation", s.commit(s.simple("h").stranger().at(1), "t", 0, 5, ""), v)
	}},
	row{name: "by members", run: func(s *side, v int16) {
		s.topic("t", 1)
		m := s.alone("g")
		s.ask("good", s.commit(m, "t", 0, 5, ""), v)
		s.ask("past generation", s.commit(m.at(0), "t", 0, 6, ""), v)
		s.ask("generation to come", s.commit(m.at(9), "t", 0, 6, ""), v)
		s.ask("no generation", s.commit(m.at(-1), "t", 0, 6, ""), v)
		s.ask("a stranger", s.commit(m.stranger(), "t", 0, 6, ""), v)
		s.ask("by nobody", s.commit(s.simple("g"), "t", 0, 6, ""), v)
		if v >= 7 {
			r := s.commit(m, "t", 0, 6, "")
			r.InstanceID = value("instance")
			s.ask("of an instance that is none", r, v)
		}
		s.ask("seen", s.committed(m.group, "t", 0), 8)
		wait := s.second("g", 5)
		s.ask("while it rebalances", s.commit(m, "t", 0, 7, ""), v)
		s.must(leaveGroup(m.group, m.id), 3)
		wait()
		s.ask("before it is synced", s.commit(m, "t", 0, 8, ""), v)
		s.ask("seen", s.committed(m.group, "t", 0), 8)
	}},
)

var offsetFetchTable = rows("OffsetFetch", 1, 10,
	row{name: "offsets", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.topic("u", 1)
		m := s.simple("g")
		s.ask("unknown group", s.committed(m.group, "t", 0, 1), v)
		s.must(s.commit(m, "t", 0, 5, "note"), 8)
		s.must(s.commit(m, "t", 1, 6, ""), 8)
		s.must(s.commit(m, "u", 0, 7, ""), 8)
		s.ask("three", s.committed(m.group, "t", 0, 1, 2), v)
		s.ask("unknown partitions", s.committed(m.group, "t", 0, 9, -1), v)
		s.ask("unknown topic", s.committed(m.group, "no", 0), v)
		s.ask("one twice", s.committed(m.group, "t", 0, 0), v)
		s.ask("group without a name", s.committed("", "t", 0), v)
		if v >= 2 {
			s.ask("all", s.committed(m.group, ""), v)
			s.ask("all of an unknown group", s.committed(s.called("h"), ""), v)
		}
		r := s.committed(m.group, "t", 0)
		r.Topics, r.Groups[0].Topics = []kmsg.OffsetFetchRequestTopic{}, []kmsg.OffsetFetchRequestGroupTopic{}
		s.ask("none", r, v)
		r = s.committed(m.group, "t", 0)
		r.Topics[0].Partitions, r.Groups[0].Topics[0].Partitions = nil, nil
		s.ask("no partitions", r, v)
		r = s.committed(m.group, "t", 0)
		r.RequireStable = true
		s.ask("stable", r, v)
		s.must(deleteTopics(s.called("u")), 5)
		s.settle()
		if v >= 2 {
			s.until(func() bool {
				all := s.must(s.committed(m.group, ""), 7).(*kmsg.OffsetFetchResponse).Topics
				return len(all) == 1
			}, "offsets of a deleted topic are kept")
			s.ask("all, one topic is gone", s.committed(m.group, ""), v)
		}
	}},
	row{name: "groups", since: 8, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.must(s.commit(s.simple("g"), "t", 0, 5, ""), 8)
		m := s.alone("h")
		s.must(s.commit(m, "t", 0, 6, ""), 8)
		r := s.committed(s.called("g"), "t", 0)
		r.Groups = append(r.Groups, s.committed(s.called("h"), "").Groups[0], s.committed(s.called("no"), "t", 0).Groups[0], s.committed("", "t", 0).Groups[0])
		s.ask("four", r, v)
		r.Groups = r.Groups[:1]
		r.Groups = append(r.Groups, r.Groups[0])
		s.ask("one twice", r, v)
		r.Groups = nil
		s.ask("none", r, v)
		if v >= 9 {
			r = s.committed(m.group, "t", 0)
			r.Groups[0].MemberID, r.Groups[0].MemberEpoch = &m.id, m.generation
			s.ask("as a member", r, v)
			r.Groups[0].MemberEpoch = 9
			s.ask("as a member of another generation", r, v)
			r.Groups[0].MemberID = value("nobody")
			s.ask("as a stranger", r, v)
			r.Groups[0].Group = s.called("no")
			s.ask("as a stranger to an unknown group", r, v)
		}
	}},
)

var offsetDeleteTable = rows("OffsetDelete", 0, 0,
	row{name: "offsets", run: func(s *side, v int16) {
		s.topic("t", 2)
		m := s.simple("g")
		s.ask("unknown group", deleteOffsets(m.group, s.called("t"), 0), v)
		s.must(s.commit(m, "t", 0, 5, ""), 8)
		s.must(s.commit(m, "t", 1, 6, ""), 8)
		s.ask("one", deleteOffsets(m.group, s.called("t"), 0), v)
		s.ask("seen", s.committed(m.group, "t", 0, 1), 7)
		s.ask("again", deleteOffsets(m.group, s.called("t"), 0), v)
		s.ask("one twice", deleteOffsets(m.group, s.called("t"), 1, 1), v)
		s.ask("unknown partition", deleteOffsets(m.group, s.called("t"), 5, -1, 0), v)
		s.ask("unknown topic", deleteOffsets(m.group, s.called("no"), 0), v)
		s.ask("no partitions", deleteOffsets(m.group, s.called("t")), v)
		s.ask("group without a name", deleteOffsets("", s.called("t"), 0), v)
		r := deleteOffsets(m.group, "")
		r.Topics = nil
		s.ask("nothing", r, v)
		live := s.alone("h")
		s.must(s.commit(live, "t", 0, 5, ""), 8)
		s.ask("of a group with members that subscribe to nothing known", deleteOffsets(live.group, s.called("t"), 0), v)
		s.ask("seen there", s.committed(live.group, "t", 0), 7)
	}},
	row{name: "what is subscribed to", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.topic("u", 1)
		join := joinGroup(s.called("g"), "")
		join.Protocols[0].Metadata = subscription("", s.called("t"))
		m := s.joined(join)
		s.must(syncGroup(m, m.id, "x"), 3)
		s.must(s.commit(m, "t", 0, 5, ""), 8)
		s.must(s.commit(m, "u", 0, 5, ""), 8)
		s.ask("subscribed", deleteOffsets(m.group, s.called("t"), 0), v)
		s.ask("not subscribed", deleteOffsets(m.group, s.called("u"), 0), v)
		s.ask("seen", s.committed(m.group, ""), 7)
	}},
)

var joinGroupTable = rows("JoinGroup", 0, 9,
	row{name: "one member", run: func(s *side, v int16) {
		r := joinGroup(s.called("g"), "", "two")
		first := s.ask("anew", r, v)
		if first == nil {
			return
		}
		m := member{r.Group, first.(*kmsg.JoinGroupResponse).MemberID, 1}
		if first.(*kmsg.JoinGroupResponse).ErrorCode == 79 {
			r.MemberID = m.id
			s.ask("with its id", r, v)
		}
		s.ask("described", describeGroups(m.group), 5)
		s.ask("sync", syncGroup(m, m.id, "all"), 5)
		s.ask("described", describeGroups(m.group), 5)
		s.ask("again", r, v)
		r.MemberID = m.id
		s.ask("again with its id", r, v)
		r.Protocols = r.Protocols[:1]
		s.ask("with other protocols", r, v)
		s.ask("described", describeGroups(m.group), 5)
	}},
	row{name: "refused", run: func(s *side, v int16) {
		ask := func(what string, edit func(r *kmsg.JoinGroupRequest)) {
			r := joinGroup(s.called("g"), "")
			edit(r)
			s.ask(what, r, v)
		}
		ask("stranger", func(r *kmsg.JoinGroupRequest) { r.MemberID = "nobody" })
		ask("group without a name", func(r *kmsg.JoinGroupRequest) { r.Group = "" })
		for _, timeout := range []int32{5_999, -1, 0, 1_800_001} {
			ask(fmt.Sprint("session of ", timeout), func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = timeout })
		}
		ask("no protocols", func(r *kmsg.JoinGroupRequest) { r.Protocols = nil })
		ask("no kind", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "" })
		ask("neither", func(r *kmsg.JoinGroupRequest) { r.ProtocolType, r.Protocols = "", nil })
		m := s.alone("g")
		ask("another kind", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "connect" })
		ask("no protocol of the group's", func(r *kmsg.JoinGroupRequest) { r.Protocols[0].Name = "other" })
		ask("stranger to members", func(r *kmsg.JoinGroupRequest) { r.MemberID = "nobody" })
		ask("its member, of another kind", func(r *kmsg.JoinGroupRequest) { r.MemberID, r.ProtocolType = m.id, "connect" })
		s.ask("still", heartbeat(m), 4)
		if v >= 5 {
			ask("instance that is none", func(r *kmsg.JoinGroupRequest) { r.MemberID, r.InstanceID = "nobody", value("i") })
			ask("member with an instance that is none", func(r *kmsg.JoinGroupRequest) { r.MemberID, r.InstanceID = m.id, value("i") })
		}
	}},
	row{name: "two members", run: func(s *side, v int16) {
		m := s.alone("g")
		wait := s.second("g", v)
		s.ask("heartbeat", heartbeat(m), 4)
		r := joinGroup(m.group, m.id)
		first := s.ask("the first again", r, v)
		second := wait()
		if first == nil || second == nil {
			return
		}
		m.generation = first.(*kmsg.JoinGroupResponse).Generation
		other := member{m.group, second.(*kmsg.JoinGroupResponse).MemberID, m.generation}
		follower := s.later("of the follower", syncGroup(other), 5)
		s.ask("sync of the leader", syncGroup(m, m.id, "a", other.id, "b"), 5)
		follower()
		s.ask("described", describeGroups(m.group), 5)
		s.ask("heartbeat of the first", heartbeat(m), 4)
		s.ask("heartbeat of the second", heartbeat(other), 4)
	}},
	row{name: "instances", since: 5, run: func(s *side, v int16) {
		r := joinGroup(s.called("g"), "")
		r.InstanceID = value("i")
		first := s.ask("anew", r, v)
		if first == nil {
			return
		}
		m := member{r.Group, first.(*kmsg.JoinGroupResponse).MemberID, 1}
		sync := syncGroup(m, m.id, "all")
		sync.InstanceID = value("i")
		s.ask("sync", sync, 5)
		again := s.ask("once more", r, v)
		s.ask("described", describeGroups(m.group), 5)
		beat := heartbeat(m)
		beat.InstanceID = value("i")
		s.ask("heartbeat of what was replaced", beat, 4)
		s.ask("sync of what was replaced", sync, 5)
		r.MemberID = m.id
		s.ask("join of what was replaced", r, v)
		if again != nil {
			beat.MemberID, beat.Generation = again.(*kmsg.JoinGroupResponse).MemberID, again.(*kmsg.JoinGroupResponse).Generation
			s.ask("heartbeat of the one that is", beat, 4)
		}
		leave := leaveGroup(m.group, "")
		leave.Members[0].InstanceID = value("no")
		s.ask("leave of another instance", leave, 5)
		leave.Members[0].InstanceID = value("i")
		leave.Members[0].MemberID = m.id
		s.ask("leave of what was replaced", leave, 5)
		leave.Members[0].MemberID = ""
		s.ask("leave by instance", leave, 5)
		s.ask("described at the end", describeGroups(m.group), 5)
	}},
)

var syncGroupTable = rows("SyncGroup", 0, 5,
	row{name: "one member", run: func(s *side, v int16) {
		m := s.joined(joinGroup(s.called("g"), ""))
		s.ask("stranger", syncGroup(m.stranger()), v)
		s.ask("past generation", syncGroup(m.at(0)), v)
		s.ask("generation to come", syncGroup(m.at(7)), v)
		s.ask("unknown group", syncGroup(member{s.called("no"), m.id, 1}), v)
		s.ask("group without a name", syncGroup(member{"", m.id, 1}), v)
		if v >= 5 {
			r := syncGroup(m)
			r.Protocol = value("other")
			s.ask("another protocol", r, v)
			r = syncGroup(m)
			r.ProtocolType = value("connect")
			s.ask("another kind", r, v)
			r.Protocol, r.ProtocolType = nil, nil
		}
		if v >= 3 {
			r := syncGroup(m)
			r.InstanceID = value("i")
			s.ask("instance that is none", r, v)
		}
		s.ask("good", syncGroup(m, m.id, "all", "nobody", "more"), v)
		s.ask("again", syncGroup(m, m.id, "else"), v)
		s.ask("described", describeGroups(m.group), 5)
	}},
	row{name: "without an assignment", run: func(s *side, v int16) {
		m := s.joined(joinGroup(s.called("g"), ""))
		s.ask("good", syncGroup(m), v)
		s.ask("described", describeGroups(m.group), 5)
	}},
	row{name: "while it rebalances", run: func(s *side, v int16) {
		m := s.alone("g")
		wait := s.second("g", 5)
		s.ask("sync", syncGroup(m, m.id, "x"), v)
		s.must(leaveGroup(m.group, m.id), 3)
		wait()
		s.ask("sync of one that has left", syncGroup(m, m.id, "x"), v)
	}},
)

var heartbeatTable = rows("Heartbeat", 0, 4,
	row{name: "one member", run: func(s *side, v int16) {
		m := s.joined(joinGroup(s.called("g"), ""))
		s.ask("before sync", heartbeat(m), v)
		s.must(syncGroup(m, m.id, "x"), 3)
		s.ask("good", heartbeat(m), v)
		s.ask("stranger", heartbeat(m.stranger()), v)
		s.ask("past generation", heartbeat(m.at(0)), v)
		s.ask("generation to come", heartbeat(m.at(2)), v)
		s.ask("no generation", heartbeat(m.at(-1)), v)
		s.ask("unknown group", heartbeat(member{s.called("no"), m.id, 1}), v)
		s.ask("group without a name", heartbeat(member{"", m.id, 1}), v)
		if v >= 3 {
			r := heartbeat(m)
			r.InstanceID = value("i")
			s.ask("instance that is none", r, v)
		}
		wait := s.second("g", 5)
		s.ask("while it rebalances", heartbeat(m), v)
		s.must(leaveGroup(m.group, m.id), 3)
		wait()
		s.ask("after it has left", heartbeat(m), v)
	}},
)

var leaveGroupTable = rows("LeaveGroup", 0, 5,
	row{name: "members", run: func(s *side, v int16) {
		m := s.alone("g")
		s.ask("stranger", leaveGroup(m.group, "nobody"), v)
		s.ask("unknown group", leaveGroup(s.called("no"), m.id), v)
		s.ask("group without a name", leaveGroup("", m.id), v)
		if v >= 3 {
			s.ask("nobody at all", leaveGroup(m.group), v)
			s.ask("one twice and a stranger", leaveGroup(m.group, m.id, m.id, "nobody"), v)
		} else {
			s.ask("good", leaveGroup(m.group, m.id), v)
		}
		s.ask("again", leaveGroup(m.group, m.id), v)
		s.ask("described", describeGroups(m.group), 5)
		s.ask("heartbeat", heartbeat(m), 4)
	}},
	row{name: "one that was only given an id", run: func(s *side, v int16) {
		id := s.must(joinGroup(s.called("g"), ""), 5).(*kmsg.JoinGroupResponse).MemberID
		s.ask("leave", leaveGroup(s.called("g"), id), v)
		s.ask("again", leaveGroup(s.called("g"), id), v)
	}},
)

var describeGroupsTable = rows("DescribeGroups", 0, 6,
	row{name: "states", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("unknown", describeGroups(s.called("no")), v)
		s.ask("without a name", describeGroups(""), v)
		s.must(s.commit(s.simple("offsets"), "t", 0, 5, ""), 8)
		s.ask("offsets only", describeGroups(s.called("offsets")), v)
		m := s.joined(joinGroup(s.called("g"), "", "two"))
		s.ask("not synced", describeGroups(m.group), v)
		s.must(syncGroup(m, m.id, "x"), 3)
		s.ask("stable", describeGroups(m.group), v)
		wait := s.second("g", 5)
		s.ask("rebalancing", describeGroups(m.group), v)
		s.must(leaveGroup(m.group, m.id), 3)
		wait()
		s.ask("the other alone", describeGroups(m.group), v)
		r := describeGroups(m.group, s.called("no"), m.group, "")
		r.IncludeAuthorizedOperations = true
		s.ask("several", r, v)
		s.ask("none", describeGroups(), v)
		gone := s.alone("h")
		s.must(leaveGroup(gone.group, gone.id), 3)
		s.ask("empty", describeGroups(gone.group), v)
	}},
)

var listGroupsTable = rows("ListGroups", 0, 5,
	row{name: "states", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.must(s.commit(s.simple("offsets"), "t", 0, 5, ""), 8)
		s.alone("stable")
		s.joined(joinGroup(s.called("syncing"), ""))
		list := func(what string, states, types []string) {
			r := kmsg.NewPtrListGroupsRequest()
			r.StatesFilter, r.TypesFilter = states, types
			s.ask(what, r, v)
		}
		list("all", nil, nil)
		if v >= 4 {
			for _, states := range [][]string{{"Stable"}, {"stable"}, {"Empty", "Stable"}, {"Nonsense"}, {""}, {"Dead"}, {"CompletingRebalance"}, {" Stable\t"}} {
				list(fmt.Sprint("states ", states), states, nil)
			}
		}
		if v >= 5 {
			for _, types := range [][]string{{"classic"}, {"Classic"}, {"consumer"}, {"share"}, {"classic", "consumer"}, {"nonsense"}, {""}, {" classic "}} {
				list(fmt.Sprint("types ", types), nil, types)
			}
			list("both", []string{"Empty"}, []string{"classic"})
		}
	}},
)

var deleteGroupsTable = rows("DeleteGroups", 0, 2,
	row{name: "groups", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("unknown", deleteGroups(s.called("no")), v)
		s.must(s.commit(s.simple("offsets"), "t", 0, 5, ""), 8)
		s.ask("offsets only", deleteGroups(s.called("offsets")), v)
		s.ask("seen", s.committed(s.called("offsets"), "t", 0), 7)
		s.ask("again", deleteGroups(s.called("offsets")), v)
		m := s.alone("g")
		s.ask("with a member", deleteGroups(m.group), v)
		s.must(s.commit(m, "t", 0, 5, ""), 8)
		s.must(leaveGroup(m.group, m.id), 3)
		s.ask("empty and unknown", deleteGroups(m.group, s.called("no")), v)
		s.ask("described", describeGroups(m.group), 5)
		s.must(s.commit(s.simple("offsets"), "t", 0, 5, ""), 8)
		s.ask("one twice", deleteGroups(s.called("offsets"), s.called("offsets")), v)
		s.ask("none", deleteGroups(), v)
	}},
)
