package group

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

func (w *modernWorld) joinClassic(r *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	w.ticket++
	w.c.JoinGroup(w.now, w.ticket, Client{"classic", "/127.0.0.1"}, r)
	_, answers := w.decided()
	if len(answers) == 0 {
		return nil
	}
	return answers[len(answers)-1].Body.(*kmsg.JoinGroupResponse)
}

func (w *modernWorld) syncClassic(group, id string, generation int32) (wire.Code, []TopicPartitions) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.Generation, r.ProtocolType, r.Protocol = 5, group, id, generation, text("consumer"), text("range")
	w.ticket++
	w.c.SyncGroup(w.now, w.ticket, r)
	_, answers := w.decided()
	if len(answers) == 0 {
		return wire.RebalanceInProgress, nil
	}
	answer := answers[0].Body.(*kmsg.SyncGroupResponse)
	var assignment kmsg.ConsumerMemberAssignment
	if answer.ErrorCode != 0 || assignment.ReadFrom(answer.MemberAssignment) != nil {
		return wire.Code(answer.ErrorCode), nil
	}
	var set []TopicPartitions
	for _, t := range assignment.Topics {
		set = append(set, TopicPartitions{TopicID: w.image.Topic(t.Topic).ID, Partitions: t.Partitions})
	}
	return wire.None, orderedSet(set)
}

func (w *modernWorld) beatClassic(group, id string, generation int32) wire.Code {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 4, group, id, generation
	code := w.c.Heartbeat(w.now, r)
	w.decided()
	return code
}

// sayingOwned is what a cooperative consumer says: what it reads, and what it has.
func (w *modernWorld) sayingOwned(owned []TopicPartitions, topics ...string) []byte {
	said := kmsg.NewConsumerMemberMetadata()
	said.Version, said.Topics = 1, topics
	for _, t := range owned {
		if topic := w.image.TopicByID(t.TopicID); topic != nil {
			said.OwnedPartitions = append(said.OwnedPartitions, kmsg.ConsumerMemberMetadataOwnedPartition{Topic: topic.Name, Partitions: t.Partitions})
		}
	}
	return said.AppendTo(nil)
}

// A classic group of one member is joined by one of the consumer protocol, and left by it again.
func TestAGroupGoesThereAndBack(t *testing.T) {
	w := newModernWorld(t)
	orders := meta.UUID{1}
	w.topic("orders", orders, 4)
	old := w.classicMember(t, "g", "old", "consumer", saying("orders"))
	require.Equal(t, wire.None, w.beatClassic("g", old, 1))

	answer := w.beat("new", join("g", "new", "orders"))
	require.Zero(t, answer.ErrorCode)
	w.decided()
	require.Equal(t, int32(2), answer.MemberEpoch)
	require.Empty(t, answer.Assignment.Topics, "the other one still has all")
	require.Nil(t, w.c.find("g").stored)
	require.Empty(t, w.c.find("g").members)
	require.Equal(t, int8(0), w.c.ConsumerGroupDescribe("g").Members[1].MemberType)

	require.Equal(t, wire.RebalanceInProgress, w.beatClassic("g", old, 1))
	all := []TopicPartitions{{TopicID: orders, Partitions: []int32{0, 1, 2, 3}}}
	joined := w.joinClassic(classicJoin("g", old, "consumer", w.sayingOwned(all, "orders")))
	require.Equal(t, int32(1), joined.Generation, "it has something to give up first")
	code, set := w.syncClassic("g", old, 1)
	require.Equal(t, wire.None, code)
	require.Equal(t, 1, len(set))
	half := set[0].Partitions
	require.Len(t, half, 2)
	require.Equal(t, wire.RebalanceInProgress, w.beatClassic("g", old, 1))
	joined = w.joinClassic(classicJoin("g", old, "consumer", w.sayingOwned(set, "orders")))
	require.Equal(t, int32(2), joined.Generation)
	require.Empty(t, joined.Members)
	require.Empty(t, joined.LeaderID)
	code, again := w.syncClassic("g", old, 2)
	require.Equal(t, wire.None, code)
	require.Equal(t, set, again)
	require.Equal(t, wire.None, w.beatClassic("g", old, 2))
	answer = w.beat("new", beat("g", "new", 2))
	w.decided()
	require.Len(t, answer.Assignment.Topics[0].Partitions, 2)
	require.Equal(t, "Stable", w.c.find("g").consumer.state())
	require.Equal(t, wire.IllegalGeneration, w.c.JudgeCommit(&Commit{Group: "g", MemberID: old, Generation: 1, Version: 8}))
	require.Equal(t, wire.None, w.c.JudgeCommit(&Commit{Group: "g", MemberID: old, Generation: 2, Version: 8}))
	w.restart()

	w.beat("new", beat("g", "new", leaving))
	w.decided()
	g := w.c.find("g")
	require.Nil(t, g.consumer)
	require.Equal(t, []any{"PreparingRebalance", int32(3)}, []any{g.state.String(), g.generation})
	require.Equal(t, wire.RebalanceInProgress, w.beatClassic("g", old, 2))
	require.Nil(t, w.c.find("g").consumer)
	require.Equal(t, wire.None, w.c.JudgeCommit(&Commit{Group: "g", MemberID: old, Generation: 2, Version: 8}), "it may say how far it has come")
	code, _ = w.syncClassic("g", old, 2)
	require.Equal(t, wire.RebalanceInProgress, code)
	require.Equal(t, wire.IllegalGeneration, w.beatClassic("g", old, 1))
	joined = w.joinClassic(classicJoin("g", old, "consumer", saying("orders")))
	require.Equal(t, int32(4), joined.Generation)
	require.Equal(t, old, joined.LeaderID)
	require.Len(t, joined.Members, 1)
	require.Equal(t, wire.IllegalGeneration, w.beatClassic("g", old, 2))
}

// A downgrade begins a rebalance that only the coordinator knows of. When that is gone before anybody has joined, nobody
// takes what he had for what the group wants of him.
func TestADowngradeThatIsCutOffIsNoticed(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	old := w.classicMember(t, "g", "old", "consumer", saying("orders"))
	w.beat("new", join("g", "new", "orders"))
	w.decided()
	w.joinClassic(classicJoin("g", old, "consumer", saying("orders")))
	epoch := w.joinClassic(classicJoin("g", old, "consumer", saying("orders"))).Generation
	_, had := w.syncClassic("g", old, epoch)
	require.Len(t, had[0].Partitions, 2)
	w.beat("new", beat("g", "new", leaving))
	w.decided()
	w.restart()
	require.Equal(t, "PreparingRebalance", w.c.find("g").state.String())
	require.Equal(t, wire.IllegalGeneration, w.beatClassic("g", old, epoch))
	require.Equal(t, wire.IllegalGeneration, w.c.JudgeCommit(&Commit{Group: "g", MemberID: old, Generation: epoch, Version: 8}))
	require.Equal(t, epoch+2, w.joinClassic(classicJoin("g", old, "consumer", saying("orders"))).Generation)
}

// The same, and the member that would have led is an instance that comes back under a new id: it is not given what it had.
func TestADowngradeThatIsCutOffIsNoticedByWhoComesBack(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	w.beat("new", join("g", "new", "orders"))
	w.decided()
	static := classicJoin("g", "", "consumer", saying("orders"))
	static.InstanceID = text("seat")
	joined := w.joinClassic(static)
	_, had := w.syncClassic("g", joined.MemberID, joined.Generation)
	require.Empty(t, had)
	w.beat("new", beat("g", "new", leaving))
	w.decided()
	require.Nil(t, w.c.find("g").consumer)
	w.restart()
	back := classicJoin("g", "", "consumer", saying("orders"))
	back.InstanceID = text("seat")
	again := w.joinClassic(back)
	require.NotNil(t, again)
	require.Zero(t, again.ErrorCode)
	require.Equal(t, completing, w.c.find("g").state)
	require.False(t, again.SkipAssignment)
	w.lead(again.MemberID, again.Generation, text("seat"), 0, 1, 2, 3)
}

// The last member of the consumer protocol is static, and comes back with the classic one: it joins the group's next
// generation like everybody else.
func TestAStaticMemberThatComesBackClassicBringsTheGroupAlong(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	old := w.classicMember(t, "g", "old", "consumer", saying("orders"))
	static := join("g", "new", "orders")
	static.InstanceID = text("seat")
	w.beat("new", static)
	w.decided()
	back := classicJoin("g", "", "consumer", saying("orders"))
	back.InstanceID = text("seat")
	require.Nil(t, w.joinClassic(back), "it waits for the other one")
	g := w.c.find("g")
	require.Nil(t, g.consumer)
	joined := w.joinClassic(classicJoin("g", old, "consumer", saying("orders")))
	require.NotNil(t, joined)
	require.Zero(t, joined.ErrorCode)
	require.Equal(t, g.generation, joined.Generation)
	require.Equal(t, completing, g.state)
	require.Len(t, g.members, 2)
	w.restart()
}

func TestGroupsThatDoNotGoOver(t *testing.T) {
	for _, c := range []struct {
		name, policy, protocolType string
		metadata                   []byte
		most                       int32
		says                       string
	}{
		{"the policy", "downgrade", "consumer", saying("orders"), 9, "online upgrade is disabled"},
		{"no policy", "disabled", "consumer", saying("orders"), 9, "online upgrade is disabled"},
		{"another protocol", "bidirectional", "connect", saying("orders"), 9, "consumer embedded protocol"},
		{"too many", "BIDIRECTIONAL", "consumer", saying("orders"), 0, "maximum size"},
		{"nothing that can be read", "upgrade", "consumer", []byte{0}, 9, "malformed"},
		{"a list that has no end", "upgrade", "consumer", []byte{0, 1, 0, 0, 0, 9}, 9, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newModernWorld(t)
			w.topic("orders", meta.UUID{1}, 4)
			w.classicMember(t, "g", "old", c.protocolType, c.metadata)
			w.c.config.Consumer.Migration, w.c.config.Consumer.SizeMax = c.policy, c.most
			answer := w.beat("new", join("g", "new", "orders"))
			require.Equal(t, wire.GroupIDNotFound, wire.Code(answer.ErrorCode))
			require.Contains(t, *answer.ErrorMessage, c.says)
			require.Equal(t, stable, w.c.find("g").state)
		})
	}
}

func TestAGroupThatMayNotGoBackStays(t *testing.T) {
	w := newModernWorld(t)
	w.c.config.Consumer.Migration = "upgrade"
	w.topic("orders", meta.UUID{1}, 4)
	w.classicMember(t, "g", "old", "consumer", saying("orders"))
	w.beat("new", join("g", "new", "orders"))
	w.decided()
	w.beat("new", beat("g", "new", leaving))
	w.decided()
	require.Equal(t, 1, w.c.find("g").consumer.members.Len())
}

// A classic member of a consumer group that is told to join again and does not, or joins and does not ask for its
// assignment, is put out.
func TestClassicMembersOfAConsumerGroupAreNotWaitedFor(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	w.beat("new", join("g", "new", "orders"))
	w.decided()
	required := w.joinClassic(classicJoin("g", "", "consumer", saying("orders")))
	require.Equal(t, wire.MemberIDRequired, wire.Code(required.ErrorCode))
	id := required.MemberID
	require.Zero(t, w.joinClassic(classicJoin("g", id, "consumer", saying("orders"))).ErrorCode)
	alive := func(seconds int) {
		for range seconds / 5 {
			w.beat("new", beat("g", "new", w.c.find("g").consumer.members.At("new").MemberEpoch))
			w.decided()
			if m := w.c.find("g").consumer.members.At(id); m != nil {
				w.beatClassic("g", id, m.MemberEpoch)
			}
			w.pass(5 * seam.Second)
		}
	}
	alive(55)
	require.NotNil(t, w.c.find("g").consumer.members.At(id))
	alive(10)
	require.Nil(t, w.c.find("g").consumer.members.At(id), "it never asked for its assignment")

	require.Zero(t, w.joinClassic(classicJoin("g", id, "consumer", saying("orders"))).ErrorCode)
	code, _ := w.syncClassic("g", id, w.c.find("g").consumer.members.At(id).MemberEpoch)
	require.Equal(t, wire.None, code)
	w.beat("other", join("g", "other", "orders"))
	w.decided()
	alive(55)
	require.NotNil(t, w.c.find("g").consumer.members.At(id))
	alive(10)
	require.Nil(t, w.c.find("g").consumer.members.At(id), "it never joined again")
}

func TestJoinsToAConsumerGroupThatAreRefused(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	w.beat("new", join("g", "new", "orders"))
	w.decided()
	id := w.joinClassic(classicJoin("g", "", "consumer", saying("orders"))).MemberID
	require.Zero(t, w.joinClassic(classicJoin("g", id, "consumer", saying("orders"))).ErrorCode)
	epoch := w.c.find("g").consumer.members.At(id).MemberEpoch

	refused := func(want wire.Code, r *kmsg.JoinGroupRequest) {
		t.Helper()
		require.Equal(t, want, wire.Code(w.joinClassic(r).ErrorCode))
	}
	refused(wire.InconsistentGroupProtocol, classicJoin("g", "x", "connect", saying("orders")))
	other := classicJoin("g", "x", "consumer", saying("orders"))
	other.Protocols[0].Name = "sticky"
	refused(wire.InconsistentGroupProtocol, other)
	instanced := classicJoin("g", "x", "consumer", saying("orders"))
	instanced.InstanceID = text("nobody's")
	refused(wire.UnknownMemberID, instanced)
	w.c.config.Consumer.SizeMax = 2
	refused(wire.GroupMaxSizeReached, classicJoin("g", "x", "consumer", saying("orders")))

	code, _ := w.syncClassic("g", "new", 1)
	require.Equal(t, wire.UnknownMemberID, code, "it speaks the other protocol")
	code, _ = w.syncClassic("g", id, epoch+1)
	require.Equal(t, wire.IllegalGeneration, code)
	require.Equal(t, wire.UnknownMemberID, w.beatClassic("g", "new", 1))
	require.Equal(t, wire.IllegalGeneration, w.beatClassic("g", id, epoch+1))
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group = 5, "g"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "nobody"}, {MemberID: id}, {MemberID: id}, {InstanceID: text("nobody's")}}
	left := w.c.LeaveGroup(w.now, leave)
	w.decided()
	var codes []int16
	for _, m := range left.Members {
		codes = append(codes, m.ErrorCode)
	}
	require.Equal(t, []int16{25, 0, 0, 25}, codes)
}

// An empty group is of whichever protocol the next member speaks; its offsets stay.
func TestAnEmptyGroupIsAnybodys(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	w.c.Commit(w.now, &Commit{Group: "g", Generation: -1, Version: 9, Topics: []CommitTopic{{Name: "orders", ID: [16]byte{1}, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 7}}}}})
	w.decided()
	require.Zero(t, w.beat("new", join("g", "new", "orders")).ErrorCode)
	w.decided()
	require.Equal(t, int64(7), w.c.FetchOffset("g", "orders", 0).Offset)
	w.beat("new", beat("g", "new", leaving))
	w.decided()
	require.Equal(t, wire.UnknownMemberID, wire.Code(w.joinClassic(classicJoin("g", "x", "consumer", saying("orders"))).ErrorCode))
	require.NotNil(t, w.c.find("g").consumer, "who is nobody changes nothing")
	w.classicMember(t, "g", "old", "consumer", saying("orders"))
	require.Nil(t, w.c.find("g").consumer)
	require.Equal(t, int64(7), w.c.FetchOffset("g", "orders", 0).Offset)
	before := w.c.Digest()
	w.restart()
	require.Equal(t, before, w.c.Digest())
}

// A group that was empty goes over to the other protocol, and back: no number names two generations.
func TestGenerationsGoOnOverProtocols(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	leaveClassic := func(id string) {
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Version, leave.Group, leave.Members = 5, "g", []kmsg.LeaveGroupRequestMember{{MemberID: id}}
		w.c.LeaveGroup(w.now, leave)
		w.decided()
	}
	old := w.classicMember(t, "g", "old", "consumer", saying("orders"))
	leaveClassic(old)
	last := w.c.find("g").generation
	w.restart()
	answer := w.beat("new", join("g", "new", "orders"))
	w.decided()
	require.Equal(t, last+1, answer.MemberEpoch)
	w.beat("new", beat("g", "new", leaving))
	w.decided()
	last = w.c.find("g").consumer.epoch
	w.restart()
	w.classicMember(t, "g", "old", "consumer", saying("orders"))
	require.Equal(t, last+1, w.c.find("g").generation)
	w.restart()
	require.Equal(t, last+1, w.c.find("g").generation)
}

// A classic group is upgraded between its leader's join and its sync, by a member that matches nothing: what was not assigned
// then is assigned now.
func TestAnUpgradeInTheMiddleOfARebalanceAssigns(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	r := classicJoin("g", "", "consumer", saying("orders"))
	r.MemberID = w.joinClassic(r).MemberID
	require.Nil(t, w.joinClassic(r))
	_, answers := w.ring()
	require.Zero(t, answers[0].Body.(*kmsg.JoinGroupResponse).ErrorCode)
	nothing := join("g", "new")
	nothing.SubscribedTopicNames, nothing.SubscribedTopicRegex = nil, text("x")
	require.Zero(t, w.beat("new", nothing).ErrorCode)
	w.decided()
	w.ring()
	code, _ := w.syncClassic("g", r.MemberID, 1)
	require.Equal(t, wire.RebalanceInProgress, code)
	epoch := w.joinClassic(r).Generation
	code, set := w.syncClassic("g", r.MemberID, epoch)
	require.Equal(t, wire.None, code)
	require.Equal(t, []TopicPartitions{{TopicID: meta.UUID{1}, Partitions: []int32{0, 1, 2, 3}}}, set)
}

// A member that goes over to the classic protocol has its rebalance timeout to ask for its assignment, as any that joins.
func TestWhoTurnsClassicHasToAskForItsAssignment(t *testing.T) {
	w := seatedWorld(t)
	joined := w.joinClassic(classicJoin("g", "d", "consumer", saying("orders")))
	require.Zero(t, joined.ErrorCode)
	member := func() *consumerMember { return w.c.find("g").consumer.members.At("d") }
	require.NotZero(t, member().sync)
	for over := w.now.Mono + seam.Mono(classicJoin("g", "d", "consumer", nil).RebalanceTimeoutMillis)*seam.Millisecond; w.now.Mono+seam.Second < over; {
		require.NotNil(t, member())
		w.beatClassic("g", "d", joined.Generation)
		w.beat("client", instance(beat("g", "s", 2)))
		w.decided()
		w.pass(seam.Second)
	}
	w.pass(seam.Second)
	require.Nil(t, member(), "it was alive, and has not asked")
}

// What a member says of itself that the log would not take is not taken apart either: a frame of it may hold millions of topics.
func TestALongSubscriptionIsNotTakenApart(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	var names []string
	for i := range 200_000 {
		names = append(names, fmt.Sprintf("%06d", i))
	}
	long := classicJoin("g", "", "consumer", saying(names...))
	long.Version = 3
	refused := func(ask func() int16) {
		t.Helper()
		require.Less(t, testing.AllocsPerRun(1, func() { require.Equal(t, wire.UnknownServerError, wire.Code(ask())) }), 10_000.0)
	}

	w.c.JoinGroup(w.now, 1, Client{"c", "/127.0.0.1"}, long)
	_, answers := w.ring()
	require.Zero(t, answers[0].Body.(*kmsg.JoinGroupResponse).ErrorCode)
	require.True(t, w.c.find("g").reads("elsewhere"), "nobody has looked")
	refused(func() int16 { return w.beat("client", join("g", "m", "orders")).ErrorCode })

	require.Zero(t, w.beat("client", join("h", "m", "orders")).ErrorCode)
	w.decided()
	long.Group = "h"
	refused(func() int16 {
		w.c.JoinGroup(w.now, 2, Client{"c", "/127.0.0.1"}, long)
		_, answers := w.decided()
		return answers[0].Body.(*kmsg.JoinGroupResponse).ErrorCode
	})
}
