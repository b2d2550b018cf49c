package core

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/group"
	"rookery/core/seam"
	"rookery/core/wire"
)

// grouped is a world with a topic and the one partition in which groups are kept.
func grouped(t *testing.T) (*world, *client) { return groupedOver(t, 1) }

func groupedOver(t *testing.T, dirs int) (*world, *client) {
	w := newWorld(t)
	w.addDirs(dirs)
	w.config.Controller.Offsets.NumPartitions = 1
	w.config.Groups.InitialRebalanceDelay = 0
	w.start()
	w.stabilize()
	c := w.dial("")
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 2, ReplicationFactor: 1}}
	w.send(c, create)
	w.stabilize()
	require.Equal(t, wire.CoordinatorNotAvailable, finds(w, c))
	w.stabilize()
	require.Equal(t, wire.None, finds(w, c))
	return w, c
}

func last(c *client) kmsg.Response { return c.got[len(c.got)-1].response }

func finds(w *world, c *client) wire.Code {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.Version, r.CoordinatorKeys = 4, []string{"g"}
	w.send(c, r)
	w.stabilize()
	return wire.Code(last(c).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode)
}

// A coordinator that is found is told with the words that Kafka has for it, which are other ones for one key than for several.
func TestWhatIsSaidOfACoordinator(t *testing.T) {
	w, c := grouped(t)
	for _, of := range []struct {
		version int16
		kind    int8
		message string
	}{
		{1, groupCoordinator, "NONE"},
		{3, groupCoordinator, "NONE"},
		{4, groupCoordinator, ""},
		{6, groupCoordinator, ""},
		{3, transactionCoordinator, "UNSUPPORTED_VERSION"},
		{4, transactionCoordinator, "UNSUPPORTED_VERSION"},
	} {
		r := kmsg.NewPtrFindCoordinatorRequest()
		r.Version, r.CoordinatorType, r.CoordinatorKey, r.CoordinatorKeys = of.version, of.kind, "g", []string{"g"}
		w.send(c, r)
		w.stabilize()
		answer := last(c).(*kmsg.FindCoordinatorResponse)
		message := answer.ErrorMessage
		if of.version >= 4 {
			message = answer.Coordinators[0].ErrorMessage
		}
		require.Equal(t, &of.message, message, "version %d, kind %d", of.version, of.kind)
	}
}

func commits(w *world, c *client, offset int64) {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.Generation = 8, "g", -1
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 1, Offset: offset, LeaderEpoch: -1}}}}
	w.send(c, r)
}

func committed(c *client) wire.Code {
	return wire.Code(last(c).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

func fetchesOffset(w *world, c *client) (int64, wire.Code) {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = 8
	r.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{1}}}}}
	w.send(c, r)
	w.stabilize()
	g := last(c).(*kmsg.OffsetFetchResponse).Groups[0]
	if g.ErrorCode != 0 {
		return -1, wire.Code(g.ErrorCode)
	}
	return g.Topics[0].Partitions[0].Offset, wire.None
}

func beats(w *world, c *client) wire.Code {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Version, r.Group, r.MemberID = 4, "g", "nobody"
	w.send(c, r)
	w.stabilize()
	return wire.Code(last(c).(*kmsg.HeartbeatResponse).ErrorCode)
}

// A commit is answered when it is on the disk, and so is what is read behind it.
func TestACommitIsAnsweredWhenItIsDurable(t *testing.T) {
	w, c := grouped(t)
	w.held = "sync __consumer_offsets-0/"
	answers := len(c.got)
	commits(w, c, 5)
	w.stabilize()
	require.Len(t, c.got, answers, "it is in the page cache only")
	other := w.dial("other")
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = 8
	r.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
	w.send(other, r)
	w.stabilize()
	require.Empty(t, other.got, "what it would say could still be lost")
	w.held = ""
	w.stabilize()
	require.Equal(t, wire.None, committed(c))
	require.EqualValues(t, 5, other.got[0].response.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0].Partitions[0].Offset)
}

// After a start the groups are read back; meanwhile clients are told to wait, and a heartbeat that all is well.
func TestGroupsAreReadBack(t *testing.T) {
	for _, power := range []bool{false, true} {
		w, c := grouped(t)
		commits(w, c, 5)
		w.stabilize()
		require.Equal(t, wire.None, committed(c))
		w.crash(power)
		w.held = "read __consumer_offsets-0/"
		w.start()
		w.stabilize()
		c = w.dial("")
		_, code := fetchesOffset(w, c)
		require.Equal(t, wire.CoordinatorLoadInProgress, code)
		require.Equal(t, wire.None, beats(w, c))
		list := kmsg.NewPtrListGroupsRequest()
		list.Version = 5
		w.send(c, list)
		w.stabilize()
		require.Equal(t, int16(wire.CoordinatorLoadInProgress), last(c).(*kmsg.ListGroupsResponse).ErrorCode)
		w.held = ""
		w.stabilize()
		offset, code := fetchesOffset(w, c)
		require.Equal(t, wire.None, code)
		require.EqualValues(t, 5, offset)
		require.Equal(t, wire.UnknownMemberID, beats(w, c))
	}
}

// A start does not wait for what groups have committed, however much it is: nothing of that is read before the broker is
// ready.
func TestAStartDoesNotWaitForGroups(t *testing.T) {
	w, c := grouped(t)
	commits(w, c, 5)
	w.stabilize()
	w.crash(false)
	w.start()
	w.held = "read __consumer_offsets-0/"
	for w.broker.phase != phaseReady {
		require.Zero(t, w.broker.loads.running)
		i := slices.IndexFunc(w.asked, func(x *task) bool { return w.before(x) == nil })
		require.GreaterOrEqual(t, i, 0, "the start goes on")
		w.comeBack(w.asked[i], seam.OK, 0)
	}
	w.stabilize()
	require.Equal(t, 1, w.broker.loads.running)
}

// A write that fails takes with it what was decided since, and nobody was told of that; what was durable is read back.
func TestAFailedWriteDropsTheFold(t *testing.T) {
	w, c := grouped(t)
	commits(w, c, 5)
	w.stabilize()
	joiner := w.dial("joiner")
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = 3, "parked", 10_000, 60_000, "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
	w.config.Groups.InitialRebalanceDelay = 0
	w.held = "write __consumer_offsets-0/"
	w.send(joiner, join)
	commits(w, c, 6)
	w.stabilize()
	require.Empty(t, joiner.got)
	w.held = ""
	for _, x := range w.asked {
		if strings.HasPrefix(x.label, "write __consumer_offsets-0/") {
			w.comeBack(x, seam.NoSpace, 0)
			break
		}
	}
	w.stabilize()
	require.Equal(t, wire.NotCoordinator, committed(c))
	require.Equal(t, int16(wire.NotCoordinator), joiner.got[0].response.(*kmsg.JoinGroupResponse).ErrorCode)
	w.tick(10 * seam.Second)
	w.stabilize()
	offset, code := fetchesOffset(w, c)
	require.Equal(t, wire.None, code)
	require.EqualValues(t, 5, offset)
	commits(w, c, 7)
	w.stabilize()
	require.Equal(t, wire.None, committed(c))
}

// A record that cannot be read stops the load of its partition and says where it is; the broker goes on.
func TestARecordThatCannotBeRead(t *testing.T) {
	for what, spoiled := range map[string]struct {
		clean bool // a start reads what lies behind the last entry of the index, and no more
		at    int64
		spoil func(content []byte) []byte
	}{
		"a checksum that is wrong": {spoil: func(content []byte) []byte {
			content[len(content)-1] ^= 1
			return content
		}},
		"a checksum that is wrong, far below the recovery point": {clean: true, spoil: func(content []byte) []byte {
			first, _, _ := batch.Next(content)
			content[len(first)-3] ^= 1 // of a value: only the checksum tells
			return content
		}},
		"a key of two bytes too few": {at: 1, spoil: func(content []byte) []byte {
			var b batch.Builder
			b.Begin(batch.Plain(batch.None))
			b.Add(1, []byte{0, 2}, []byte{0, 3}, nil)
			view := b.Finish()
			batch.Stamp(view, 1, 0)
			return append(content, view...)
		}},
	} {
		w, c := grouped(t)
		commits(w, c, 5)
		w.stabilize()
		if spoiled.clean {
			for range 100 {
				commits(w, c, 5)
				w.stabilize()
			}
			w.step("stop", &seam.Stop{})
			w.stabilize()
		}
		w.crash(false)
		n, _ := w.at("__consumer_offsets-0/00000000000000000000.log")
		require.NotNil(t, n, what)
		n.content = spoiled.spoil(n.content)
		n.synced = append([]byte{}, n.content...)
		var failed []seam.Event
		w.told = func(x *told) {
			for _, e := range x.fx.Events {
				if e.Kind == seam.CoordinatorFailed || e.Kind == seam.Truncated {
					failed = append(failed, e)
				}
			}
		}
		w.start()
		w.stabilize()
		require.Len(t, failed, 1, what)
		require.Equal(t, "__consumer_offsets", failed[0].Topic)
		c = w.dial("")
		offset, code := fetchesOffset(w, c)
		if what == "a checksum that is wrong" { // the recovery saw to it before anybody read it
			require.Equal(t, seam.Truncated, failed[0].Kind)
			require.Equal(t, wire.None, code, what)
			require.EqualValues(t, -1, offset, what)
			continue
		}
		require.Equal(t, seam.CoordinatorFailed, failed[0].Kind, what)
		require.Equal(t, spoiled.at, failed[0].A, "the offset")
		require.Equal(t, wire.NotCoordinator, code, what)
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "u", NumPartitions: 1, ReplicationFactor: 1}}
		w.send(c, create)
		w.stabilize()
		require.Zero(t, last(c).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode, "the broker serves")
	}
}

// A disk that does not read now may do so later: nobody has to start the broker again.
func TestALoadThatTheDiskFailsIsTriedAgain(t *testing.T) {
	w, c := grouped(t)
	commits(w, c, 5)
	w.stabilize()
	w.crash(false)
	w.held = "read __consumer_offsets-0/"
	w.start()
	w.stabilize()
	c = w.dial("")
	for _, pause := range []seam.Mono{seam.Second, 2 * seam.Second, 4 * seam.Second} {
		i := slices.IndexFunc(w.asked, func(x *task) bool { return strings.HasPrefix(x.label, w.held) })
		require.GreaterOrEqual(t, i, 0, "the log is read")
		w.comeBack(w.asked[i], seam.IOError, 0)
		w.stabilize()
		_, code := fetchesOffset(w, c)
		require.Equal(t, wire.NotCoordinator, code)
		w.tick(pause - seam.Millisecond)
		require.False(t, slices.ContainsFunc(w.asked, func(x *task) bool { return strings.HasPrefix(x.label, w.held) }), "not yet")
		w.tick(seam.Millisecond)
	}
	w.held = ""
	w.stabilize()
	offset, code := fetchesOffset(w, c)
	require.Equal(t, wire.None, code)
	require.EqualValues(t, 5, offset)
}

// What was committed of a topic goes with the topic, and does not come back with its name; also what does not know the topic's
// id any more, since it was committed with a retention of its own.
func TestADeletedTopicsOffsets(t *testing.T) {
	w, c := grouped(t)
	commits(w, c, 5)
	retained := kmsg.NewPtrOffsetCommitRequest()
	retained.Version, retained.Group, retained.Generation, retained.RetentionTimeMillis = 4, "g", -1, 3_600_000
	retained.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0, Offset: 7}}}}
	w.send(c, retained)
	w.stabilize()
	require.Equal(t, wire.None, committed(c))
	w.crash(false)
	w.start()
	w.stabilize()
	c = w.dial("")
	groups := func() *group.Coordinator {
		return w.broker.topics["__consumer_offsets"].partitions[0].coordinator.groups
	}
	require.Equal(t, []int32{0, 1}, groups().CommittedPartitions("g", "t"))
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.Version, gone.TopicNames = 5, []string{"t"}
	w.send(c, gone)
	w.stabilize()
	w.tick(seam.Second)
	w.stabilize()
	require.Empty(t, groups().CommittedPartitions("g", "t"))
	offset, code := fetchesOffset(w, c)
	require.Equal(t, wire.None, code)
	require.EqualValues(t, -1, offset)
	commits(w, c, 6)
	w.stabilize()
	require.Equal(t, wire.UnknownTopicOrPartition, committed(c))
}

// What groups are kept in can be deleted too: then there is no coordinator, until somebody looks for one.
func TestTheOffsetsTopicIsDeleted(t *testing.T) {
	w, c := grouped(t)
	commits(w, c, 5)
	w.stabilize()
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.Version, gone.TopicNames = 5, []string{"__consumer_offsets"}
	w.send(c, gone)
	w.stabilize()
	_, code := fetchesOffset(w, c)
	require.Equal(t, wire.NotCoordinator, code)
	require.Equal(t, wire.CoordinatorNotAvailable, finds(w, c))
	w.stabilize()
	require.Equal(t, wire.None, finds(w, c))
	offset, code := fetchesOffset(w, c)
	require.Equal(t, wire.None, code)
	require.EqualValues(t, -1, offset)
}

// Offsets that another broker has taken within a transaction count when it is committed, and not when it is aborted, or open:
// as of where they lie, so that what was committed or deleted before the marker outlives them.
func TestOffsetsOfTransactionsThatLieInTheLog(t *testing.T) {
	plain := batch.Plain(batch.None)
	within := func(producer int64) batch.Spec {
		spec := batch.Plain(batch.None)
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence, spec.Transactional = producer, 0, 0, true
		return spec
	}
	var b batch.Builder
	offset := func(spec batch.Spec, offset int64) func() batch.View {
		return func() batch.View {
			record := &group.OffsetCommitRecord{Group: "g", Topic: "t", Partition: 1}
			if offset >= 0 {
				record.Value = &group.OffsetCommit{Offset: offset, LeaderEpoch: -1, ExpireTimestamp: group.NoTimestamp}
			}
			b.Begin(spec)
			key, value := group.Append(nil, nil, record)
			b.Add(1, key, value, nil)
			return b.Finish()
		}
	}
	mark := func(producer int64, kind batch.ControlType) func() batch.View {
		return func() batch.View {
			spec := within(producer)
			spec.BaseSequence, spec.Control = -1, true
			return b.BuildControl(spec, 1, kind, []byte{0, 0, 0, 0, 0, 0})
		}
	}
	for name, c := range map[string]struct {
		log  []func() batch.View
		want int64
	}{
		"one is committed, one aborted, one open": {[]func() batch.View{offset(within(7), 70), offset(within(8), 80), mark(8, batch.AbortMarker), mark(7, batch.CommitMarker), offset(within(9), 90)}, 70},
		"a plain commit lies between":             {[]func() batch.View{offset(within(7), 70), offset(plain, 100), mark(7, batch.CommitMarker)}, 100},
		"a plain commit lies before":              {[]func() batch.View{offset(within(8), 80), offset(plain, 100), offset(within(7), 70), mark(7, batch.CommitMarker)}, 70},
		"a deletion lies between":                 {[]func() batch.View{offset(within(7), 70), offset(plain, -1), mark(7, batch.CommitMarker)}, -1},
		"the later one is committed first":        {[]func() batch.View{offset(within(7), 70), offset(within(8), 80), mark(8, batch.CommitMarker), mark(7, batch.CommitMarker)}, 80},
		"the later one is aborted":                {[]func() batch.View{offset(within(7), 70), offset(within(8), 80), mark(8, batch.AbortMarker), mark(7, batch.CommitMarker)}, 70},
	} {
		t.Run(name, func(t *testing.T) {
			w, client := grouped(t)
			commits(w, client, 5)
			w.stabilize()
			w.crash(false)
			n, _ := w.at("__consumer_offsets-0/00000000000000000000.log")
			for i, next := range c.log {
				view := next()
				batch.Stamp(view, int64(1+i), 0)
				n.content = append(n.content, view...)
			}
			n.synced = append([]byte{}, n.content...)
			w.start()
			w.stabilize()
			found, code := fetchesOffset(w, w.dial(""))
			require.Equal(t, wire.None, code)
			require.Equal(t, c.want, found)
		})
	}
}

// What a load has asked for that was ended by a move is not taken for what the next one asks for, which begins anew: the
// log is folded from its start, and nobody counts on a search that nobody goes on with.
func TestALoadTakesNothingFromTheOneBefore(t *testing.T) {
	w, c := groupedOver(t, 2)
	commits(w, c, 5)
	w.stabilize()
	long := kmsg.NewPtrOffsetCommitRequest()
	long.Version, long.Group, long.Generation = 8, "g", -1
	metadata := strings.Repeat("x", 4000)
	long.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1, Metadata: &metadata}}}}
	for range 2*loadBytes/len(metadata) + 1 {
		w.send(c, long)
		w.stabilize()
	}
	require.Equal(t, wire.None, committed(c))
	w.crash(false)
	w.held = "read __consumer_offsets-0/"
	w.start()
	w.stabilize()
	own := func() *coordinator { return w.broker.topics["__consumer_offsets"].partitions[0].coordinator }
	for own().load.at == 0 {
		w.comeBack(w.oldest("read"), seam.OK, 0)
		w.stabilize()
	}
	c = w.dial("")
	copied := func() {
		w.comeBack(w.oldest("letter"), seam.OK, 0)
		w.tick(seam.Millisecond)
	}
	w.held = "__consumer_offsets-0"
	movesOffsets(w, c, 1)
	w.stabilize()
	for !w.broker.copiedWhole(own().partition) {
		copied()
	}
	require.Equal(t, coordinatorGone, own().state)
	movesOffsets(w, c, 0)
	w.stabilize()
	for w.broker.loads.running == 0 {
		copied()
	}
	w.held = ""
	w.stabilize()
	offset, code := fetchesOffset(w, c)
	require.Equal(t, wire.None, code)
	require.EqualValues(t, 5, offset)
}

// A member's id is given out once, also when the partition that knows of it lies elsewhere by now.
func TestNoMemberIDTwiceBeyondAMove(t *testing.T) {
	w, c := groupedOver(t, 2)
	id := func() string {
		r := kmsg.NewPtrJoinGroupRequest()
		r.Version, r.Group, r.ProtocolType, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 9, "g", "consumer", 30_000, 30_000
		r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
		w.send(c, r)
		w.stabilize()
		answer := last(c).(*kmsg.JoinGroupResponse)
		require.Equal(t, int16(wire.MemberIDRequired), answer.ErrorCode)
		return answer.MemberID
	}
	first := id()
	for to := range 2 {
		movesOffsets(w, c, 1-to)
		for range 10 {
			w.stabilize()
			w.tick(seam.Millisecond)
		}
		require.EqualValues(t, 1-to, w.broker.topics["__consumer_offsets"].partitions[0].folder.Dir)
		require.NotEqual(t, first, id())
	}
}

// movesOffsets asks for the one partition of groups to lie elsewhere.
func movesOffsets(w *world, c *client, to int) {
	r := kmsg.NewPtrAlterReplicaLogDirsRequest()
	r.Version = 2
	r.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: "/d" + decimal(int64(to)), Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "__consumer_offsets", Partitions: []int32{0}}}}}
	w.send(c, r)
}

// A member's id begins with a name that the client has chosen, and stands in records whose strings are bounded: what cannot be read back
// would take every group of the partition along.
func TestALongNameStaysReadable(t *testing.T) {
	for name, long := range map[string]string{"instance": strings.Repeat("i", 32_760), "in runes": strings.Repeat("ä", 16_380)} {
		t.Run(name, func(t *testing.T) {
			w, c := grouped(t)
			bystander := commitsAs("bystander", "", -1, "x")
			require.Equal(t, wire.None, asks(w, c, bystander))
			other := w.dial("long")
			require.Equal(t, wire.MemberIDRequired, asks(w, c, joins("", "")))
			id := last(c).(*kmsg.JoinGroupResponse).MemberID
			w.send(c, joins(id, ""))
			w.stabilize()
			w.tick(seam.Second)
			w.stabilize()
			require.Equal(t, wire.None, asks(w, c, syncs(id, last(c).(*kmsg.JoinGroupResponse).Generation)))
			w.send(other, joins("", long))
			w.stabilize()
			w.send(c, joins(id, ""))
			w.stabilize()
			r := last(c).(*kmsg.JoinGroupResponse)
			require.Len(t, r.Members, 2)
			theirs := other.got[0].response.(*kmsg.JoinGroupResponse).MemberID
			require.True(t, utf8.ValidString(theirs))
			require.LessOrEqual(t, len(theirs), math.MaxInt16)
			old := *r
			old.Version = 5
			require.NoError(t, (&kmsg.JoinGroupResponse{Version: 5}).ReadFrom(old.AppendTo(nil)))
			require.Equal(t, wire.None, asks(w, c, syncs(id, r.Generation)))
			w.crash(false)
			w.start()
			w.stabilize()
			require.Equal(t, wire.None, asks(w, w.dial("again"), bystander))
		})
	}
}
