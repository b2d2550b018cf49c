package core

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/controller"
	"rookery/core/seam"
	"rookery/core/wire"
)

// groupCodes are the errors that requests of groups can meet; TestEveryGroupErrorIsAnswered sees each go out.
var groupCodes = []wire.Code{
	wire.CoordinatorLoadInProgress, wire.CoordinatorNotAvailable, wire.NotCoordinator, wire.InvalidGroupID, wire.UnknownMemberID,
	wire.IllegalGeneration, wire.RebalanceInProgress, wire.InconsistentGroupProtocol, wire.InvalidSessionTimeout, wire.MemberIDRequired,
	wire.FencedInstanceID, wire.GroupMaxSizeReached, wire.NonEmptyGroup, wire.GroupIDNotFound, wire.GroupSubscribedToTopic,
	wire.OffsetMetadataTooLarge, wire.FencedMemberEpoch, wire.UnreleasedInstanceID, wire.UnsupportedAssignor, wire.StaleMemberEpoch,
	wire.InvalidRegularExpression, wire.InvalidCommitOffsetSize,
}

// asks sends one request of a group, waits for its answer, and takes its code out of wherever this answer has it.
func asks(w *world, c *client, request kmsg.Request) wire.Code {
	w.send(c, request)
	w.stabilize()
	switch r := last(c).(type) {
	case *kmsg.JoinGroupResponse:
		return wire.Code(r.ErrorCode)
	case *kmsg.SyncGroupResponse:
		return wire.Code(r.ErrorCode)
	case *kmsg.HeartbeatResponse:
		return wire.Code(r.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		return wire.Code(r.ErrorCode)
	case *kmsg.DeleteGroupsResponse:
		return wire.Code(r.Groups[0].ErrorCode)
	case *kmsg.DescribeGroupsResponse:
		return wire.Code(r.Groups[0].ErrorCode)
	case *kmsg.OffsetCommitResponse:
		return wire.Code(r.Topics[0].Partitions[0].ErrorCode)
	case *kmsg.OffsetDeleteResponse:
		if r.ErrorCode != 0 {
			return wire.Code(r.ErrorCode)
		}
		return wire.Code(r.Topics[0].Partitions[0].ErrorCode)
	case *kmsg.OffsetFetchResponse:
		return wire.Code(r.Groups[0].ErrorCode)
	case *kmsg.ConsumerGroupHeartbeatResponse:
		return wire.Code(r.ErrorCode)
	case *kmsg.ConsumerGroupDescribeResponse:
		return wire.Code(r.Groups[0].ErrorCode)
	}
	panic("an answer that is none of a group's")
}

func joins(id, instance string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.ProtocolType = 9, "g", id, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 30_000, 60_000
	subscribed := kmsg.NewConsumerMemberMetadata()
	subscribed.Topics = []string{"t"}
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscribed.AppendTo(nil)}}
	if instance != "" {
		r.InstanceID = &instance
	}
	return r
}

func syncs(id string, generation int32) *kmsg.SyncGroupRequest {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 5, "g", id, generation
	kind, protocol := "consumer", "range"
	r.ProtocolType, r.Protocol = &kind, &protocol
	r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: id, MemberAssignment: []byte{}}}
	return r
}

func commitsAs(group, id string, generation int32, note string) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 9, group, id, generation
	p := kmsg.OffsetCommitRequestTopicPartition{Partition: 0, Offset: 1, LeaderEpoch: -1, Metadata: &note}
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	return r
}

// modern is a heartbeat of the consumer protocol in the group h; epoch 0 joins.
func modern(id string, epoch int32, instance string) *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch = 1, "h", id, epoch
	if instance != "" {
		r.InstanceID = &instance
	}
	if epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 60_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	return r
}

// A broker that is told to do without the consumer protocol says so as Kafka's does (KafkaApis), whatever is asked; the
// classic protocol goes on, and ApiVersions announces both.
func TestWithoutTheConsumerProtocol(t *testing.T) {
	for protocols, want := range map[string]wire.Code{"classic": wire.UnsupportedVersion, "classic, streams": wire.UnsupportedVersion, "consumer,classic": wire.None} {
		w := newWorld(t)
		static, err := controller.NewStatic(maps.All(map[string]string{"group.coordinator.rebalance.protocols": protocols, "offsets.topic.num.partitions": "1"}))
		require.NoError(t, err)
		w.config.ConfigureGroups(&static)
		w.start()
		w.stabilize()
		c := w.dial("")
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKeys = 4, []string{"h"}
		w.send(c, find)
		w.stabilize()
		require.Equal(t, want, asks(w, c, modern("m", 0, "")), protocols)
		describe := kmsg.NewPtrConsumerGroupDescribeRequest()
		describe.Groups = []string{"h"}
		require.Equal(t, want, asks(w, c, describe), protocols)
		if want != wire.None {
			describe.Groups[0] = ""
			require.Equal(t, want, asks(w, c, describe), "the protocol is asked for before the name")
		}
		require.Equal(t, wire.MemberIDRequired, asks(w, c, joins("", "")))
	}
}

// Each error of groups goes out to a client that does what it is for, and no case may be left without its error.
func TestEveryGroupErrorIsAnswered(t *testing.T) {
	seen := map[wire.Code]bool{}
	expect := func(want, got wire.Code, what string) {
		t.Helper()
		require.Equal(t, want, got, what)
		seen[got] = true
	}
	w := newWorld(t)
	w.config.Controller.Offsets.NumPartitions = 1
	w.config.Groups.InitialRebalanceDelay = 0
	w.config.Groups.SizeMax, w.config.Groups.Consumer.SizeMax = 2, 2
	w.start()
	w.stabilize()
	c := w.dial("")
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version, create.Topics = 7, []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 2, ReplicationFactor: 1}}
	w.send(c, create)
	w.stabilize()
	expect(wire.NotCoordinator, asks(w, c, joins("", "")), "nobody has looked for a coordinator")
	expect(wire.CoordinatorNotAvailable, finds(w, c), "it is being made")
	w.stabilize()

	// The classic protocol.
	unnamed := joins("", "")
	unnamed.Group = ""
	expect(wire.InvalidGroupID, asks(w, c, unnamed), "a group without a name")
	short := joins("", "")
	short.SessionTimeoutMillis = 1
	expect(wire.InvalidSessionTimeout, asks(w, c, short), "a session of a millisecond")
	expect(wire.MemberIDRequired, asks(w, c, joins("", "")), "the first join brings the id")
	id := last(c).(*kmsg.JoinGroupResponse).MemberID
	require.Equal(t, wire.None, asks(w, c, joins(id, "")))
	require.Equal(t, wire.None, asks(w, c, syncs(id, 1)))
	heartbeat := func(id string, generation int32) *kmsg.HeartbeatRequest {
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version, r.Group, r.MemberID, r.Generation = 4, "g", id, generation
		return r
	}
	require.Equal(t, wire.None, asks(w, c, heartbeat(id, 1)))
	require.Equal(t, wire.None, asks(w, c, commitsAs("g", id, 1, "")))
	expect(wire.UnknownMemberID, asks(w, c, heartbeat("nobody", 1)), "a stranger")
	expect(wire.IllegalGeneration, asks(w, c, heartbeat(id, 7)), "a generation to come")
	expect(wire.OffsetMetadataTooLarge, asks(w, c, commitsAs("g", id, 1, strings.Repeat("n", 5000))), "a long note")
	large := commitsAs("g", id, 1, strings.Repeat("n", 4000))
	for range 300 {
		large.Topics[0].Partitions = append(large.Topics[0].Partitions, large.Topics[0].Partitions[0])
	}
	expect(wire.InvalidCommitOffsetSize, asks(w, c, large), "more than the log takes in one batch")
	other := joins("", "")
	other.Protocols[0].Name = "nobody else's"
	expect(wire.InconsistentGroupProtocol, asks(w, c, other), "nothing that all have")
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Version, remove.Groups = 2, []string{"g"}
	expect(wire.NonEmptyGroup, asks(w, c, remove), "it has a member")
	forget := kmsg.NewPtrOffsetDeleteRequest()
	forget.Group = "g"
	forget.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}
	expect(wire.GroupSubscribedToTopic, asks(w, c, forget), "it is subscribed to")
	second := w.dial("second") // of a static member, whose join waits for the first one
	w.send(second, joins("", "i"))
	w.stabilize()
	expect(wire.RebalanceInProgress, asks(w, c, heartbeat(id, 1)), "the second is waited for")
	require.Equal(t, wire.None, asks(w, c, joins(id, "")))
	require.Len(t, second.got, 1)
	require.Zero(t, second.got[0].response.(*kmsg.JoinGroupResponse).ErrorCode)
	expect(wire.GroupMaxSizeReached, asks(w, c, joins("", "j")), "there are two")
	stolen := heartbeat("nobody", 2)
	instance := "i"
	stolen.InstanceID = &instance
	expect(wire.FencedInstanceID, asks(w, c, stolen), "another one's instance")
	remove.Groups = []string{"none"}
	expect(wire.GroupIDNotFound, asks(w, c, remove), "there is no such group")

	// The consumer protocol.
	require.Equal(t, wire.None, asks(w, c, modern("m", 0, "i")))
	epoch := last(c).(*kmsg.ConsumerGroupHeartbeatResponse).MemberEpoch
	expect(wire.FencedMemberEpoch, asks(w, c, modern("m", epoch+5, "i")), "an epoch to come")
	expect(wire.UnreleasedInstanceID, asks(w, c, modern("n", 0, "i")), "the instance has not left")
	expect(wire.StaleMemberEpoch, asks(w, c, commitsAs("h", "m", epoch+1, "")), "a commit in another epoch")
	assigned := modern("n", 0, "")
	name := "sticky"
	assigned.ServerAssignor = &name
	expect(wire.UnsupportedAssignor, asks(w, c, assigned), "an assignor that there is not")
	matching := modern("n", 0, "")
	expression := "(a"
	matching.SubscribedTopicRegex = &expression
	expect(wire.InvalidRegularExpression, asks(w, c, matching), "an expression that is none")

	// After a start.
	w.crash(false)
	w.held = "read __consumer_offsets-0/"
	w.start()
	w.stabilize()
	c = w.dial("again")
	expect(wire.CoordinatorLoadInProgress, asks(w, c, joins("", "")), "it is being read")
	w.held = ""
	w.stabilize()
	require.Equal(t, wire.MemberIDRequired, asks(w, c, joins("", "")))

	for _, code := range groupCodes {
		require.True(t, seen[code], "nothing was answered with %s", code)
	}
}

// A coordinator that is made anew in one process gives none of the ids that it gave before: whoever still has an old one is
// not to be taken for somebody else.
func TestACoordinatorMadeAnewGivesOtherMemberIDs(t *testing.T) {
	w, c := grouped(t)
	given := map[string]bool{}
	for range 3 {
		for range 3 {
			require.Equal(t, wire.MemberIDRequired, asks(w, c, joins("", "")))
			id := last(c).(*kmsg.JoinGroupResponse).MemberID
			require.False(t, given[id], "%s was given twice", id)
			given[id] = true
		}
		w.held = "write __consumer_offsets-0/"
		commits(w, c, 5)
		w.stabilize()
		w.held = ""
		for _, x := range w.asked {
			if strings.HasPrefix(x.label, "write __consumer_offsets-0/") {
				w.comeBack(x, seam.NoSpace, 0)
				break
			}
		}
		w.stabilize()
		require.Equal(t, wire.NotCoordinator, committed(c), "its fold was dropped")
		w.tick(10 * seam.Second)
		w.stabilize()
	}
}

// manyTimes is a commit of a partition over and over again, with a note of so many bytes.
func manyTimes(n, note int) *kmsg.OffsetCommitRequest {
	r := commitsAs("g", "", -1, strings.Repeat("n", note))
	for range n - 1 {
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
	}
	return r
}

// A commit is refused if the log would not take its records, and not for what they could have been.
func TestACommitIsAsLargeAsItsRecords(t *testing.T) {
	w, c := groupedOver(t, 1)
	require.Equal(t, wire.None, asks(w, c, manyTimes(12_000, 0)))
	require.Equal(t, wire.InvalidCommitOffsetSize, asks(w, c, manyTimes(24_000, 0)))
	require.Equal(t, wire.OffsetMetadataTooLarge, asks(w, c, manyTimes(300, 5000)), "nothing of it is to be written")
}

// What the log of groups takes at once may be altered while they are there.
func TestTheLogOfGroupsTakesMore(t *testing.T) {
	w, c := groupedOver(t, 1)
	set := func(bytes string) {
		r := flushMessages("__consumer_offsets", 0)
		r.Resources[0].Configs[0].Name, r.Resources[0].Configs[0].Value = "max.message.bytes", &bytes
		w.send(c, r)
		w.stabilize()
		require.Zero(t, last(c).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
	}
	require.Equal(t, wire.None, asks(w, c, modern("m", 0, "")))
	set("150")
	require.Equal(t, wire.UnknownServerError, asks(w, c, modern("n", 0, "")))
	require.Equal(t, wire.UnknownServerError, asks(w, c, modern("n", 0, "")))
	set("3000")
	require.Equal(t, wire.None, asks(w, c, modern("n", 0, "")))
}
