package group

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// seatedWorld has a consumer group "g" with a dynamic member "d" and a static one "s", instance "i", both in its epoch 2; a
// classic group "c" with one member; and offsets of nobody in "simple".
func seatedWorld(t *testing.T) *modernWorld {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	static := join("g", "s", "orders")
	static.InstanceID = text("i")
	for _, r := range []*kmsg.ConsumerGroupHeartbeatRequest{static, join("g", "d", "orders")} {
		require.Zero(t, w.beat("client", r).ErrorCode)
		w.decided()
	}
	r := instance(owning(beat("g", "s", 1), TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{0, 1, 2, 3}}))
	require.Zero(t, w.beat("client", r).ErrorCode)
	w.decided()
	require.Zero(t, w.beat("client", instance(owning(beat("g", "s", 1), TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{0, 1}}))).ErrorCode)
	w.decided()
	require.Zero(t, w.beat("client", beat("g", "d", 2)).ErrorCode)
	w.decided()
	require.Equal(t, "Stable", w.c.find("g").consumer.state())
	w.classicMember(t, "c", "member", "consumer", saying("orders"))
	w.c.Commit(w.now, &Commit{Group: "simple", Generation: -1, Version: 9, Topics: []CommitTopic{{Name: "orders", ID: [16]byte{1}, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}})
	w.decided()
	return w
}

func saying(topics ...string) []byte {
	said := kmsg.NewConsumerMemberMetadata()
	said.Version, said.Topics = 1, topics
	return said.AppendTo(nil)
}

func classicJoin(group, id, protocolType string, metadata []byte) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.ProtocolType, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 9, group, id, protocolType, 45_000, 60_000
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: metadata}}
	return r
}

// classicMember makes a classic group of one member, and returns its id.
func (w *modernWorld) classicMember(t *testing.T, group, client, protocolType string, metadata []byte) string {
	r := classicJoin(group, "", protocolType, metadata)
	w.c.JoinGroup(w.now, 1, Client{client, "/127.0.0.1"}, r)
	_, answers := w.decided()
	r.MemberID = answers[0].Body.(*kmsg.JoinGroupResponse).MemberID
	w.c.JoinGroup(w.now, 2, Client{client, "/127.0.0.1"}, r)
	_, answers = w.decided()
	if len(answers) == 0 {
		_, answers = w.ring()
	}
	joined := answers[0].Body.(*kmsg.JoinGroupResponse)
	require.Zero(t, joined.ErrorCode)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.MemberID, sync.Generation, sync.ProtocolType, sync.Protocol = 5, group, r.MemberID, joined.Generation, &protocolType, joined.Protocol
	assignment := kmsg.NewConsumerMemberAssignment()
	assignment.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "orders", Partitions: []int32{0, 1, 2, 3}}}
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: r.MemberID, MemberAssignment: assignment.AppendTo(nil)}}
	w.c.SyncGroup(w.now, 3, sync)
	_, answers = w.decided()
	require.Zero(t, answers[0].Body.(*kmsg.SyncGroupResponse).ErrorCode)
	return r.MemberID
}

func instance(r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatRequest {
	r.InstanceID = text("i")
	return r
}

func with(r *kmsg.ConsumerGroupHeartbeatRequest, f func(r *kmsg.ConsumerGroupHeartbeatRequest)) *kmsg.ConsumerGroupHeartbeatRequest {
	f(r)
	return r
}

type heartbeatRequest = kmsg.ConsumerGroupHeartbeatRequest

// Each error, and where two are due the one that Kafka finds first.
func TestHeartbeatsThatAreRefused(t *testing.T) {
	orders := func(partitions ...int32) TopicPartitions {
		return TopicPartitions{TopicID: meta.UUID{1}, Partitions: partitions}
	}

	for _, c := range []struct {
		name    string
		request *heartbeatRequest
		code    wire.Code
		says    string
	}{
		{"no member", join("g", "", "orders"), wire.InvalidRequest, "MemberId can't be empty."},
		{"no member, version 0", with(beat("g", "", 3), func(r *heartbeatRequest) { r.Version = 0 }), wire.InvalidRequest, "MemberId"},
		{"a member of blanks leaves", beat("g", "  ", leaving), wire.InvalidRequest, "MemberId"},
		{"no group", join("", "d"), wire.InvalidRequest, "GroupId can't be empty."},
		{"an empty instance", with(join("g", "n"), func(r *heartbeatRequest) { r.InstanceID = text("") }), wire.InvalidRequest, "InstanceId can't be empty."},
		{"an empty rack", with(join("g", "n"), func(r *heartbeatRequest) { r.RackID = text(" ") }), wire.InvalidRequest, "RackId can't be empty."},
		{"no rebalance timeout", with(join("g", "n"), func(r *heartbeatRequest) { r.RebalanceTimeoutMillis = -1 }), wire.InvalidRequest, "RebalanceTimeoutMs"},
		{"owned is null", with(join("g", "n"), func(r *heartbeatRequest) { r.Topics = nil }), wire.InvalidRequest, "TopicPartitions must be empty"},
		{"joins with something", owning(join("g", "n"), orders(0)), wire.InvalidRequest, "TopicPartitions must be empty"},
		{"no subscription", with(join("g", "n"), func(r *heartbeatRequest) { r.SubscribedTopicNames = nil }), wire.InvalidRequest, "Either SubscribedTopicNames"},
		{"-2 without an instance", beat("g", "d", leavingStatic), wire.InvalidRequest, "InstanceId can't be null."},
		{"-3", beat("g", "d", -3), wire.InvalidRequest, "MemberEpoch is invalid."},
		{"an assignor that there is not", with(join("g", "n"), func(r *heartbeatRequest) { r.ServerAssignor = text("sticky") }), wire.UnsupportedAssignor, "Supported assignors: uniform, range."},
		{"an empty assignor", with(join("g", "n"), func(r *heartbeatRequest) { r.ServerAssignor = text("") }), wire.UnsupportedAssignor, "ServerAssignor  is not supported"},
		{"a bad assignor after a bad epoch", with(beat("g", "d", -3), func(r *heartbeatRequest) { r.ServerAssignor = text("x") }), wire.InvalidRequest, "MemberEpoch"},

		{"no such group", beat("none", "d", 1), wire.GroupIDNotFound, "not found"},
		{"no such group to leave", beat("none", "d", leaving), wire.GroupIDNotFound, "not found"},
		{"a classic group", beat("c", "d", 1), wire.GroupIDNotFound, "is not a consumer group"},
		{"a classic group to leave", beat("c", "d", leaving), wire.GroupIDNotFound, "is not a consumer group"},
		{"a simple group", beat("simple", "d", 1), wire.GroupIDNotFound, "is not a consumer group"},
		{"no such member", beat("g", "nobody", 2), wire.UnknownMemberID, "is not a member"},
		{"no such member to leave", beat("g", "nobody", leaving), wire.UnknownMemberID, "is not a member"},
		{"no such instance", with(beat("g", "s", 2), func(r *heartbeatRequest) { r.InstanceID = text("j") }), wire.UnknownMemberID, "Instance id j is unknown."},
		{"no such instance to leave", with(beat("g", "s", leavingStatic), func(r *heartbeatRequest) { r.InstanceID = text("j") }), wire.UnknownMemberID, "unknown"},
		{"another one's instance", instance(beat("g", "d", 2)), wire.FencedInstanceID, "was fenced by member s"},
		{"another one's instance to leave", instance(beat("g", "d", leaving)), wire.FencedInstanceID, "was fenced"},
		{"an instance that was not left", instance(join("g", "n", "orders")), wire.UnreleasedInstanceID, "owned by s member"},
		{"an instance that was not left, by itself", instance(join("g", "s", "orders")), wire.UnreleasedInstanceID, "owned by s member"},
		{"an epoch to come", beat("g", "d", 3), wire.FencedMemberEpoch, "greater member epoch (3)"},
		{"an epoch long gone", beat("g", "d", 1), wire.FencedMemberEpoch, "smaller member epoch (1)"},
		{"the last epoch, and owns what is not its own", instance(owning(beat("g", "s", 1), orders(1, 2))), wire.FencedMemberEpoch, "smaller"},
		{"the last epoch, and does not say what it owns", instance(beat("g", "s", 1)), wire.FencedMemberEpoch, "smaller"},
		{"an expression that is none", with(join("g", "n"), func(r *heartbeatRequest) { r.SubscribedTopicRegex = text("[a") }), wire.InvalidRegularExpression, "missing closing ]"},
		{"an expression that is Java's", with(join("g", "n"), func(r *heartbeatRequest) { r.SubscribedTopicRegex = text("(?=a)b") }), wire.InvalidRegularExpression, "invalid"},
		{"an expression of two halves", with(join("g", "n"), func(r *heartbeatRequest) { r.SubscribedTopicRegex = text("a)(?:b") }), wire.InvalidRegularExpression, "unexpected )"},
		{"an expression that is too much", with(join("g", "n"), func(r *heartbeatRequest) { r.SubscribedTopicRegex = text("((a{30}){30}){30}") }), wire.InvalidRegularExpression, ""},
		{"a bad expression of an old epoch", with(beat("g", "d", 1), func(r *heartbeatRequest) { r.SubscribedTopicRegex = text("[a") }), wire.FencedMemberEpoch, "smaller"},
		{"more than a batch may hold", join("g", "n", strings.Repeat("x", 2<<20)), wire.UnknownServerError, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := seatedWorld(t)
			before := w.c.Digest()
			answer := w.beat("client", c.request)
			require.Equal(t, c.code, wire.Code(answer.ErrorCode))
			require.Nil(t, answer.MemberID)
			require.Zero(t, answer.MemberEpoch)
			require.Zero(t, answer.HeartbeatIntervalMillis)
			if c.says != "" {
				require.Contains(t, *answer.ErrorMessage, c.says)
			}
			require.Equal(t, before, w.c.Digest())
		})
	}
}

func TestAConsumerGroupIsFull(t *testing.T) {
	w := seatedWorld(t)
	w.c.config.Consumer.SizeMax = 2
	require.Equal(t, wire.GroupMaxSizeReached, wire.Code(w.beat("client", join("g", "n", "orders")).ErrorCode))
	require.Equal(t, wire.GroupMaxSizeReached, wire.Code(w.beat("client", beat("g", "n", 7)).ErrorCode), "before it is known to be no member")
	require.Zero(t, w.beat("client", beat("g", "d", 2)).ErrorCode)
	w.c.bytes = w.c.config.MembersBytesMax + 1
	w.c.config.Consumer.SizeMax = 3
	require.Equal(t, wire.CoordinatorNotAvailable, wire.Code(w.beat("client", join("g", "n", "orders")).ErrorCode))
	more := beat("g", "d", 2)
	more.SubscribedTopicNames = []string{"orders", "returns"}
	require.Equal(t, wire.CoordinatorNotAvailable, wire.Code(w.beat("client", more).ErrorCode), "a member may not say more than it said, either")
	less := beat("g", "d", 2)
	less.SubscribedTopicNames = []string{"orders"}
	require.Zero(t, w.beat("client", less).ErrorCode)
}

// However many groups there are, a call goes on with no more of them than it may.
func TestGroupsGoOnAPieceAtATime(t *testing.T) {
	w := seatedWorld(t)
	w.restart()
	want := w.c.Digest()
	w.c = w.coordinator()
	for _, r := range w.log {
		w.c.Replay(w.now, r)
	}
	calls := 0
	for done := false; !done; calls++ {
		room := 1
		done = w.c.Loaded(w.now, func() bool { room--; return room >= 0 })
	}
	require.Equal(t, w.c.groups.Len(), calls)
	require.Equal(t, want, w.c.Digest())
}

// What a call takes back is one batch, which has to fit into the log: by bytes too, where names are long.
func TestWhatIsTakenBackFitsIntoTheLog(t *testing.T) {
	for _, how := range []string{"deleted", "expired"} {
		w := newModernWorld(t)
		w.config.RecordBytesMax, w.config.RetentionMillis = 64<<10, 1000
		w.c = w.coordinator()
		w.c.Loaded(w.now, always)
		long := "g" + strings.Repeat("x", 8<<10)
		w.topic("orders", meta.UUID{1}, 100)
		for i := range int32(100) {
			w.c.Commit(w.now, &Commit{Group: long, Generation: -1, Version: 9, Topics: []CommitTopic{{Name: "orders", ID: [16]byte{1}, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: i, Offset: 1}}}}})
			w.decided()
		}
		batches, records := 0, 0
		fits := func(done bool) bool {
			size := 0
			for _, r := range w.c.Records {
				key, value := Append(nil, nil, r)
				size += len(key) + len(value)
				records++
			}
			require.LessOrEqual(t, size, w.config.RecordBytesMax, how)
			batches++
			w.decided()
			return done
		}
		if how == "deleted" {
			for !fits(w.c.Delete(long, always)) {
			}
		} else {
			w.now.Mono, w.now.Wall = w.now.Mono+w.config.CheckEvery, w.now.Wall+seam.Wall(w.config.RetentionMillis)
			for w.c.Ring(w.now, always); len(w.c.Records) > 0; w.c.Ring(w.now, always) {
				fits(false)
			}
		}
		require.Greater(t, batches, 10, how)
		require.GreaterOrEqual(t, records, 100, how)
		require.Nil(t, w.c.find(long), how)
	}
}

// What a group has committed of topics that its members read stays for as long as they do, however long ago that was (KIP-211).
func TestWhatMembersReadDoesNotExpire(t *testing.T) {
	w := newModernWorld(t)
	w.config.RetentionMillis, w.config.CheckEvery = 1000, seam.Second
	w.c = w.coordinator()
	w.c.Loaded(w.now, always)
	w.topic("orders", meta.UUID{1}, 1)
	w.topic("left", meta.UUID{2}, 1)
	require.Zero(t, w.beat("client", join("modern", "m", "orders")).ErrorCode)
	w.decided()
	w.classicMember(t, "classic", "member", "consumer", saying("orders"))
	one := []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}
	for _, group := range []string{"modern", "classic", "nobody"} {
		w.c.Commit(w.now, &Commit{Group: group, Generation: -1, Version: 9, Topics: []CommitTopic{{Name: "orders", ID: [16]byte{1}, Partitions: one}, {Name: "left", ID: [16]byte{2}, Partitions: one}}})
		w.decided()
	}
	w.now.Mono, w.now.Wall = w.now.Mono+2*seam.Second, w.now.Wall+2000
	for w.c.Ring(w.now, always); len(w.c.Records) > 0; w.c.Ring(w.now, always) {
		w.decided()
	}
	require.Equal(t, []string{"orders"}, w.c.CommittedTopics("modern"))
	require.Equal(t, []string{"orders"}, w.c.CommittedTopics("classic"))
	require.Empty(t, w.c.CommittedTopics("nobody"))
}

// A member whose answer was lost says its last epoch again; one that gives itself up says 0.
func TestALostAnswerIsGivenAgain(t *testing.T) {
	w := seatedWorld(t)
	answer := w.beat("client", instance(owning(beat("g", "s", 1), TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{1}})))
	require.Zero(t, answer.ErrorCode)
	require.Equal(t, int32(2), answer.MemberEpoch)
	require.Nil(t, answer.Assignment, "nothing of it has changed")
	w.decided()
	full := owning(beat("g", "d", 2))
	full.RebalanceTimeoutMillis, full.SubscribedTopicNames = 300_000, []string{"orders"}
	require.Equal(t, []int32{2, 3}, w.beat("client", full).Assignment.Topics[0].Partitions, "a full request is told all")
	answer = w.beat("client", join("g", "d", "orders"))
	require.Equal(t, int32(2), answer.MemberEpoch)
	require.Equal(t, []int32{2, 3}, answer.Assignment.Topics[0].Partitions)
	require.Empty(t, w.c.Records)
}

// A static member leaves for a while, and comes back under another id: it finds what it had, and nobody else notices.
func TestAStaticMemberComesBack(t *testing.T) {
	w := seatedWorld(t)
	require.Equal(t, leavingStatic, w.beat("client", instance(beat("g", "s", leavingStatic))).MemberEpoch)
	w.decided()
	require.Equal(t, "Reconciling", w.c.find("g").consumer.state())
	answer := w.beat("client", instance(join("g", "t", "orders")))
	w.decided()
	require.Equal(t, int32(2), answer.MemberEpoch)
	require.Equal(t, []int32{0, 1}, answer.Assignment.Topics[0].Partitions)
	require.Equal(t, "Stable", w.c.find("g").consumer.state())
	require.Equal(t, wire.FencedInstanceID, wire.Code(w.beat("client", instance(beat("g", "s", 2))).ErrorCode))
	w.pass(44 * seam.Second)
	require.NotNil(t, w.c.find("g").consumer.members.At("t"))
	w.pass(seam.Second)
	require.Zero(t, w.c.find("g").consumer.members.Len(), "nobody was heard of")
	require.Equal(t, "Empty", w.c.find("g").consumer.state())
}

// A member that does not give up what it has to is put out when its rebalance timeout is over, though it is alive.
func TestWhoKeepsWhatItHasToGiveUpIsPutOut(t *testing.T) {
	w := seatedWorld(t)
	owns := TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{2, 3}}
	r := owning(beat("g", "d", 2), owns)
	r.SubscribedTopicNames = []string{}
	require.Empty(t, w.beat("client", r).Assignment.Topics)
	w.decided()
	for range 30 { // 300 s
		require.NotNil(t, w.c.find("g").consumer.members.At("d"))
		require.Equal(t, int32(2), w.beat("client", owning(beat("g", "d", 2), owns)).MemberEpoch)
		w.decided()
		w.pass(10 * seam.Second)
	}
	require.Nil(t, w.c.find("g").consumer.members.At("d"))
}

// A group's own configurations count from the next heartbeat on.
func TestAGroupsOwnIntervals(t *testing.T) {
	w := seatedWorld(t)
	require.Equal(t, int32(5000), w.beat("client", beat("g", "d", 2)).HeartbeatIntervalMillis)
	w.meta(&meta.ConfigRecord{ResourceType: meta.ResourceGroup, ResourceName: "g", Name: "consumer.heartbeat.interval.ms", Value: text("7000")})
	w.meta(&meta.ConfigRecord{ResourceType: meta.ResourceGroup, ResourceName: "g", Name: "consumer.session.timeout.ms", Value: text("50000")})
	require.Equal(t, int32(7000), w.beat("client", beat("g", "d", 2)).HeartbeatIntervalMillis)
	w.pass(49 * seam.Second)
	require.NotNil(t, w.c.find("g").consumer.members.At("d"))
	require.Nil(t, w.c.find("g").consumer.members.At("s"))
	w.pass(seam.Second)
	require.Nil(t, w.c.find("g").consumer.members.At("d"))
}

// A topic that grows, or is made anew, or is moved to another rack, makes a new epoch; one that nobody reads does not.
func TestTopicsThatChangeMakeANewEpoch(t *testing.T) {
	w := seatedWorld(t)
	epoch := func(want int32, why string) {
		t.Helper()
		w.beat("client", beat("g", "d", w.c.find("g").consumer.members.At("d").MemberEpoch))
		w.decided()
		require.Equal(t, want, w.c.find("g").consumer.epoch, why)
	}
	w.topic("others", meta.UUID{2}, 1)
	epoch(2, "nobody reads it")
	w.grow(meta.UUID{1}, 4, 5)
	epoch(3, "it has grown")
	epoch(3, "it is known to have grown")
	rack := "r"
	w.meta(&meta.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 2, Rack: &rack})
	epoch(4, "its broker is in a rack")
	w.meta(&meta.RemoveTopicRecord{TopicID: meta.UUID{1}})
	epoch(5, "it is gone")
	w.topic("orders", meta.UUID{3}, 5)
	epoch(6, "it is another one")
}

// Offsets are committed and fetched in a member's own epoch.
func TestOffsetsByMemberEpoch(t *testing.T) {
	w := seatedWorld(t)
	for _, c := range []struct {
		name    string
		member  string
		epoch   int32
		version int16
		commit  wire.Code
		fetch   wire.Code
	}{
		{"its own", "d", 2, 9, wire.None, wire.None},
		{"its own, by a request that knows no epochs", "d", 2, 8, wire.UnsupportedVersion, wire.None},
		{"an older one", "d", 1, 9, wire.StaleMemberEpoch, wire.StaleMemberEpoch},
		{"one to come", "d", 3, 9, wire.StaleMemberEpoch, wire.StaleMemberEpoch},
		{"nobody's", "nobody", 2, 9, wire.UnknownMemberID, wire.UnknownMemberID},
		{"an administrator's", "", -1, 9, wire.UnknownMemberID, wire.UnknownMemberID},
	} {
		require.Equal(t, c.commit, w.c.JudgeCommit(&Commit{Group: "g", MemberID: c.member, Generation: c.epoch, Version: c.version}), c.name)
		require.Equal(t, c.fetch, w.c.JudgeFetch("g", &c.member, c.epoch), c.name)
	}
	require.Equal(t, wire.None, w.c.JudgeFetch("g", nil, -1))
	require.Equal(t, wire.UnknownMemberID, w.c.JudgeFetch("g", nil, 2))
	require.Equal(t, wire.None, w.c.JudgeFetch("c", text("nobody"), 9))
	require.Equal(t, wire.GroupSubscribedToTopic, w.c.DeleteOffset("g", "orders", 0))
	require.Equal(t, wire.None, w.c.JudgeOffsetDelete("g"))
	require.Equal(t, wire.NonEmptyGroup, w.c.JudgeDelete("g"))
	w.pass(45 * seam.Second)
	require.Equal(t, wire.None, w.c.JudgeDelete("g"))
	require.Equal(t, wire.None, w.c.JudgeCommit(&Commit{Group: "g", Generation: -1, Version: 9}), "nobody is there")
	require.True(t, w.c.Delete("g", func() bool { return true }))
	w.decided()
	require.Nil(t, w.c.find("g"))
}

func TestAConsumerGroupIsDescribed(t *testing.T) {
	w := seatedWorld(t)
	g := w.c.ConsumerGroupDescribe("g")
	require.Equal(t, []any{"Stable", int32(2), int32(2), "uniform"}, []any{g.State, g.Epoch, g.AssignmentEpoch, g.AssignorName})
	require.Equal(t, []string{"d", "s"}, []string{g.Members[0].MemberID, g.Members[1].MemberID})
	require.Equal(t, "orders", g.Members[0].Assignment.TopicPartitions[0].Topic)
	require.Equal(t, g.Members[0].Assignment, g.Members[0].TargetAssignment)
	require.Equal(t, int8(1), g.Members[0].MemberType)
	require.Equal(t, wire.GroupIDNotFound, wire.Code(w.c.ConsumerGroupDescribe("none").ErrorCode))
	require.Equal(t, "Group c is not a consumer group.", *w.c.ConsumerGroupDescribe("c").ErrorMessage)
	old := w.c.Describe("g", 6)
	require.Equal(t, []any{"Dead", wire.GroupIDNotFound, "Group g is not a classic group."}, []any{old.State, wire.Code(old.ErrorCode), *old.ErrorMessage})
	listed, wanted := w.c.List("g", nil, FilterOf([]string{"Consumer"}))
	require.True(t, wanted)
	require.Equal(t, []any{"Stable", "consumer", "consumer"}, []any{listed.GroupState, listed.GroupType, listed.ProtocolType})
	_, wanted = w.c.List("g", nil, FilterOf([]string{"classic"}))
	require.False(t, wanted)
}

func TestGroupsAreListedByStateAndType(t *testing.T) {
	w := seatedWorld(t)
	for _, c := range []struct {
		states, types []string
		wanted        bool
	}{
		{nil, nil, true},
		{[]string{"stable"}, nil, true},
		{[]string{"Empty"}, nil, false},
		{[]string{"Empty", " \tSTABLE\n"}, nil, true},
		{[]string{"\x00Stable"}, nil, true},
		{[]string{"\u00a0Stable"}, nil, false},
		{[]string{" "}, nil, false},
		{nil, []string{"Consumer"}, true},
		{nil, []string{"consumer "}, false},
	} {
		_, wanted := w.c.List("g", StatesOf(c.states), FilterOf(c.types))
		require.Equal(t, c.wanted, wanted, "%q %q", c.states, c.types)
	}
}

// A member that joins again as an instance, while it waits for what another one has yet to give up, gets it as before.
func TestAMemberBecomesStaticWhileItWaits(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	all := TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{0, 1, 2, 3}}
	for _, r := range []*kmsg.ConsumerGroupHeartbeatRequest{join("g", "a", "orders"), join("g", "b", "orders"), owning(beat("g", "a", 1), all), instance(join("g", "b", "orders"))} {
		require.Zero(t, w.beat("client", r).ErrorCode)
		w.decided()
	}
	require.Zero(t, w.beat("client", owning(beat("g", "a", 1), TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{0, 1}})).ErrorCode)
	w.decided()
	answer := w.beat("client", instance(beat("g", "b", 2)))
	require.NotNil(t, answer.Assignment)
	require.Equal(t, []int32{2, 3}, answer.Assignment.Topics[0].Partitions)
}

// An instance that its member has given up is free, for whoever comes, as it is after a restart.
func TestAMemberBecomesAnotherInstance(t *testing.T) {
	w := seatedWorld(t)
	other := join("g", "s", "orders")
	other.InstanceID = text("j")
	require.Zero(t, w.beat("client", other).ErrorCode)
	w.decided()
	require.Zero(t, w.beat("client", instance(join("g", "t", "orders"))).ErrorCode)
	w.decided()
	require.Equal(t, map[string]string{"i": "t", "j": "s"}, w.c.find("g").consumer.static)
	w.restart()
	require.Equal(t, map[string]string{"i": "t", "j": "s"}, w.c.find("g").consumer.static)
}

// A heartbeat that is refused has not made anything of the topics' change: the next one does.
func TestWhoIsRefusedHasNotSeenTheTopics(t *testing.T) {
	w := seatedWorld(t)
	w.grow(meta.UUID{1}, 4, 6)
	most := w.c.config.RecordBytesMax
	w.c.config.RecordBytesMax = 100
	require.Equal(t, wire.UnknownServerError, wire.Code(w.beat("client", beat("g", "d", 2)).ErrorCode))
	w.c.config.RecordBytesMax = most
	require.Zero(t, w.beat("client", beat("g", "d", 2)).ErrorCode)
	w.decided()
	require.Equal(t, int32(3), w.c.find("g").consumer.epoch)
}

// A heartbeat is refused if the log would not take its records, and not for what they could have been.
func TestAHeartbeatIsAsLargeAsItsRecords(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	w.c.Limit(450)
	require.Zero(t, w.beat("client", join("g", "m", "orders")).ErrorCode)
	w.decided()
	w.c.Limit(100)
	require.Equal(t, wire.UnknownServerError, wire.Code(w.beat("client", join("g", "n", "orders")).ErrorCode))
}

// Members may name very many topics that are not there. What all of them name is not gone over for every new epoch.
func TestNamesOfNothingAreNotGoneOver(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	names := []string{"orders"}
	for i := range 50_000 {
		names = append(names, fmt.Sprintf("%05d", i))
	}
	for i := range 20 { // so that none says what the one before it has said
		require.Zero(t, w.beat("client", join("g", fmt.Sprintf("m%02d", i), names[:len(names)-i%2]...)).ErrorCode)
		w.decided()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Zero(t, w.beat("client", join("g", "x", "orders")).ErrorCode)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	w.decided()
	require.Equal(t, int32(21), w.c.find("g").consumer.epoch)
	w.grow(meta.UUID{1}, 4, 6)
	w.beat("client", beat("g", "x", 21))
	w.decided()
	require.Equal(t, int32(22), w.c.find("g").consumer.epoch, "whoever names many hears of the few that there are")
	require.Zero(t, w.beat("client", beat("g", "m00", leaving)).ErrorCode)
	w.decided()
	require.Equal(t, int32(23), w.c.find("g").consumer.epoch)
	require.NotZero(t, w.c.find("g").consumer.hash)
}

// Topics come and go for as long as the broker lives: nothing is kept of those that are gone.
func TestTopicsThatAreGoneAreNotRemembered(t *testing.T) {
	w := newModernWorld(t)
	for i := range byte(10) {
		w.topic("orders", meta.UUID{i + 1}, 1)
		name := fmt.Sprintf("t%d", i)
		w.topic(name, meta.UUID{i + 1, 1}, 1)
		require.Zero(t, w.beat("client", join("g", "m", "orders", name)).ErrorCode)
		w.decided()
		w.meta(&meta.RemoveTopicRecord{TopicID: meta.UUID{i + 1}})
		w.meta(&meta.RemoveTopicRecord{TopicID: meta.UUID{i + 1, 1}})
	}
	require.Len(t, w.c.hashes.of, 2)
}

// Who has not come to the group's epoch is awaited, since it began; who waits for what another one has yet to give up, too.
func TestWhoIsAwaitedInAConsumerGroup(t *testing.T) {
	w := seatedWorld(t)
	require.Empty(t, w.c.Awaited("g").Members)
	w.pass(seam.Second)
	w.grow(meta.UUID{1}, 4, 6)
	w.beat("client", beat("g", "d", 2))
	w.decided()
	began := w.now.Mono
	w.pass(seam.Second)
	require.Equal(t, Awaited{Members: []string{"s"}, Since: began}, w.c.Awaited("g"))
	w.beat("client", instance(owning(beat("g", "s", 2), TopicPartitions{TopicID: meta.UUID{1}, Partitions: []int32{0, 1}})))
	w.decided()
	require.Empty(t, w.c.Awaited("g").Members)
	w.restart()
	require.Equal(t, Awaited{Since: w.now.Mono}, w.c.Awaited("g"))
}

// A member whose expression is another one, which matches nothing, has left its share to those who read the topic still.
func TestWhatAnExpressionLeavesIsGivenToOthers(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 2)
	set := func(partitions ...int32) TopicPartitions {
		return TopicPartitions{TopicID: meta.UUID{1}, Partitions: partitions}
	}
	says := func(r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
		answer := w.beat("client", r)
		require.Zero(t, answer.ErrorCode)
		w.decided()
		w.pass(11 * seam.Second)
		return answer
	}
	says(join("g", "a", "orders"))
	b := join("g", "b")
	b.SubscribedTopicRegex = text("ord.*")
	says(b)
	says(owning(beat("g", "a", 1), set(0, 1)))
	says(owning(beat("g", "a", w.c.find("g").consumer.members.At("a").MemberEpoch), set(0)))
	member := func(id string) *consumerMember { return w.c.find("g").consumer.members.At(id) }
	says(beat("g", "b", member("b").MemberEpoch))
	require.Equal(t, []TopicPartitions{set(1)}, member("b").Assigned)
	b = owning(beat("g", "b", member("b").MemberEpoch), set(1))
	b.SubscribedTopicRegex = text("none")
	says(b)
	says(owning(beat("g", "b", member("b").MemberEpoch)))
	for range 3 {
		says(owning(beat("g", "a", member("a").MemberEpoch), member("a").Assigned...))
		says(owning(beat("g", "b", member("b").MemberEpoch)))
	}
	require.Equal(t, []TopicPartitions{set(0, 1)}, member("a").Assigned)
	require.Equal(t, "Stable", w.c.find("g").consumer.state())
}

// A quotation in an expression may go on to its end.
func TestAQuotationNeedsNoEnd(t *testing.T) {
	for expression, name := range map[string]string{`\Qor.ers`: "or.ers", `o\Qr|d\E|x`: "or|d", "a|orders": "orders", "(?i)ORDERS": "orders", "orders$": "orders", "^orders": "orders"} {
		compiled, why := compile(expression)
		require.Empty(t, why, expression)
		require.True(t, compiled.MatchString(name), expression)
		require.False(t, compiled.MatchString(name+"x") || compiled.MatchString("x"+name), expression)
	}
}

// Very many short names are held against what there is memory for by what they take, not by their letters.
func TestShortNamesTakeMemoryToo(t *testing.T) {
	w := newModernWorld(t)
	w.config.MembersBytesMax = 1 << 20
	w.c = w.coordinator()
	var names []string
	long := classicJoin("c", "", "consumer", saying("orders"))
	for i := range 50_000 {
		names = append(names, fmt.Sprintf("%05d", i))
		long.Protocols = append(long.Protocols, kmsg.JoinGroupRequestProtocol{Name: names[i]})
	}
	require.Equal(t, wire.CoordinatorNotAvailable, wire.Code(w.beat("client", join("g", "m", names...)).ErrorCode))
	long.Version = 3
	w.c.JoinGroup(w.now, 1, Client{"c", "/127.0.0.1"}, long)
	w.ring()
	require.Equal(t, wire.CoordinatorNotAvailable, wire.Code(w.joinClassic(classicJoin("d", "", "consumer", saying("orders"))).ErrorCode))
}

// Whoever reads one of very many topics is not compared with all of them, neither when its heartbeat brings it nearer to its
// target nor when expressions were looked up anew.
func TestWhatIsReadIsNotWrittenOut(t *testing.T) {
	w := newModernWorld(t)
	for i := range 2_000 {
		w.topic(fmt.Sprintf("topic-%05d", i), meta.UUID{byte(i), byte(i >> 8), 1}, 1)
	}
	allocated := func(do func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	const members = 100
	for i := range members {
		r := join("g", fmt.Sprintf("m%02d", i))
		r.SubscribedTopicNames, r.SubscribedTopicRegex = nil, text("topic.*")
		require.Zero(t, w.beat("client", r).ErrorCode)
		w.decided()
	}
	w.ring()
	con := w.c.find("g").consumer
	goOn := func(id string) {
		answer := w.beat("client", owning(beat("g", id, con.members.At(id).MemberEpoch), con.members.At(id).Assigned...))
		require.Zero(t, answer.ErrorCode)
		w.decided()
	}
	goOn("m00") // makes the target
	require.Less(t, allocated(func() { goOn("m01") }), uint64(60<<10))
	require.Equal(t, con.epoch, con.members.At("m01").MemberEpoch)
	w.now.Mono += 11 * seam.Second
	w.topic("topic-new", meta.UUID{9, 9, 9}, 1)
	goOn("m00")
	require.Less(t, allocated(func() { w.ring() }), uint64(2<<20))
	require.Contains(t, con.expressions.At("topic.*").Topics, "topic-new")
}

// What many expressions were found to match is recorded in as many batches as the log needs for it, each of which may be the
// last: the group begins anew with each.
func TestManyExpressionsAreRecordedInBatches(t *testing.T) {
	w := newModernWorld(t)
	for i := range 40 {
		w.topic(fmt.Sprintf("topic-with-a-name-%05d", i), meta.UUID{byte(i), 1}, 1)
	}
	for i := range 10 {
		r := join("g", fmt.Sprintf("m%d", i))
		r.SubscribedTopicNames, r.SubscribedTopicRegex = nil, text(fmt.Sprintf("topic.*|%d", i))
		require.Zero(t, w.beat("client", r).ErrorCode)
		w.decided()
	}
	require.Zero(t, w.beat("client", beat("g", "m0", 1)).ErrorCode)
	w.decided()
	w.c.Limit(3000)
	w.ring() // the first member's expression
	w.now.Mono += 11 * seam.Second
	con := w.c.find("g").consumer
	before := con.epoch
	w.beat("client", beat("g", "m0", con.members.At("m0").MemberEpoch))
	w.decided()
	batches := 0
	for w.c.Next() <= w.now.Mono {
		w.c.Ring(w.now, always)
		size := 0
		for _, r := range w.c.Records {
			key, value := Append(nil, nil, r)
			size += len(key) + len(value)
		}
		require.LessOrEqual(t, size, 3000)
		require.IsType(t, &ConsumerGroupRecord{}, w.c.Records[len(w.c.Records)-1])
		w.decided()
		batches++
	}
	require.Greater(t, batches, 3)
	require.EqualValues(t, batches, con.epoch-before)
	require.Equal(t, 10, con.expressions.Len())
	for _, r := range con.expressions.All() {
		require.Len(t, r.Topics, 40)
	}
}
