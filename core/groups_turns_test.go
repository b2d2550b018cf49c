package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/group"
	"rookery/core/seam"
	"rookery/core/wire"
)

// turned is a world whose Steps are short, and a group that has committed more than one of them may take back.
func turned(t *testing.T) (*world, *client) {
	w := newWorld(t)
	w.config.Controller.Offsets.NumPartitions = 1
	w.config.Groups.InitialRebalanceDelay = seam.Second
	w.config.StepItems = 4
	c := w.coordinating(manyOffsets)
	w.commitAll(c, "g", manyOffsets)
	return w, c
}

// coordinating starts the world, with a topic of so many partitions and a coordinator.
func (w *world) coordinating(partitions int32) *client {
	w.start()
	w.stabilize()
	c := w.dial("")
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: partitions, ReplicationFactor: 1}}
	w.send(c, create)
	w.stabilize()
	require.Equal(w.t, wire.CoordinatorNotAvailable, finds(w, c))
	w.stabilize()
	require.Equal(w.t, wire.None, finds(w, c))
	return c
}

// commitAll commits offset 5 of so many partitions.
func (w *world) commitAll(c *client, group string, partitions int32) {
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 8, group, -1
	topic := kmsg.OffsetCommitRequestTopic{Topic: "t"}
	for i := range partitions {
		topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: i, Offset: 5, LeaderEpoch: -1})
	}
	commit.Topics = append(commit.Topics, topic)
	w.send(c, commit)
	w.stabilize()
	require.Equal(w.t, wire.None, committed(c))
}

const manyOffsets = 20

func deletesGroup() *kmsg.DeleteGroupsRequest {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Version, r.Groups = 2, []string{"g"}
	return r
}

func deletesOffsets() *kmsg.OffsetDeleteRequest {
	r := kmsg.NewPtrOffsetDeleteRequest()
	r.Group = "g"
	topic := kmsg.OffsetDeleteRequestTopic{Topic: "t"}
	for i := range int32(manyOffsets) {
		topic.Partitions = append(topic.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: i})
	}
	r.Topics = append(r.Topics, topic)
	return r
}

func joinsClassic() *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = 3, "g", 10_000, 60_000, "consumer"
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
	return r
}

func joinsConsumer() *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.RebalanceTimeoutMillis = 1, "g", "m", 60_000
	r.SubscribedTopicNames, r.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return r
}

// between sends a request that takes several Steps, and another one after each of the Steps in turn; whoever asks is answered.
func between(t *testing.T, long, short func() kmsg.Request, then func(w *world, long, short kmsg.Response)) {
	for after := 1; ; after++ {
		w, c := turned(t)
		other := w.dial("other")
		count, sent := 0, false
		w.told = func(*told) {
			if w.broker.turns.later.Len() > 0 {
				if count++; count == after {
					sent = true
					w.send(other, short())
				}
			}
		}
		w.send(c, long())
		w.stabilize()
		w.told = func(*told) {}
		if !sent {
			require.Greater(t, after, 3, "it does not take several Steps")
			return
		}
		w.tick(10 * seam.Second)
		w.stabilize()
		require.Len(t, other.got, 1, "answered, after %d Steps", after)
		then(w, last(c), last(other))
	}
}

// A request for the coordinators of many groups is worked off as many as others are.
func TestManyCoordinatorsAreLookedForInTurns(t *testing.T) {
	w, c := turned(t)
	other := w.dial("other")
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version = 6
	for range 40 {
		find.CoordinatorKeys = append(find.CoordinatorKeys, "g")
	}
	short := kmsg.NewPtrFindCoordinatorRequest()
	short.Version, short.CoordinatorKeys = 6, []string{"g"}
	sent := false
	w.told = func(*told) {
		if !sent && w.broker.turns.later.Len() > 0 {
			sent = true
			w.send(other, short)
			w.stabilize()
			require.Len(t, other.got, 1, "others are served meanwhile")
		}
	}
	w.send(c, find)
	w.stabilize()
	require.True(t, sent, "it takes several Steps")
	require.Len(t, last(c).(*kmsg.FindCoordinatorResponse).Coordinators, 40)
	for _, found := range last(c).(*kmsg.FindCoordinatorResponse).Coordinators {
		require.Zero(t, found.ErrorCode)
	}
}

func request[R kmsg.Request](make func() R) func() kmsg.Request {
	return func() kmsg.Request { return make() }
}

// A group that is deleted while a part of its offsets is.
func TestAGroupIsDeletedBesideItsOffsets(t *testing.T) {
	between(t, request(deletesOffsets), request(deletesGroup), func(w *world, long, short kmsg.Response) {
		require.Zero(t, short.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode)
		require.Contains(t, []int16{0, int16(wire.GroupIDNotFound), int16(wire.CoordinatorLoadInProgress)}, long.(*kmsg.OffsetDeleteResponse).ErrorCode)
	})
	between(t, request(deletesGroup), request(deletesGroup), func(w *world, long, short kmsg.Response) {
		require.Zero(t, long.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode)
	})
}

// Whoever comes to a group that is being deleted comes too early: it neither keeps the group, nor goes with it.
func TestWhoComesWhileAGroupIsDeleted(t *testing.T) {
	deleted := func(w *world, long kmsg.Response) *client {
		require.Zero(t, long.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode)
		c := w.dial("later")
		offset, code := fetchesOffset(w, c)
		require.Equal(t, wire.None, code)
		require.EqualValues(t, -1, offset, "all that was committed is gone")
		return c
	}
	between(t, request(deletesGroup), request(joinsClassic), func(w *world, long, short kmsg.Response) {
		joined := short.(*kmsg.JoinGroupResponse)
		c := deleted(w, long)
		if code := wire.Code(joined.ErrorCode); code == wire.None {
			sync := kmsg.NewPtrSyncGroupRequest()
			sync.Version, sync.Group, sync.MemberID, sync.Generation = 3, "g", joined.MemberID, joined.Generation
			w.send(c, sync)
			w.stabilize()
			require.Equal(t, wire.None, wire.Code(last(c).(*kmsg.SyncGroupResponse).ErrorCode), "it is a member")
			return
		} else {
			require.Equal(t, wire.CoordinatorLoadInProgress, code)
		}
		w.send(c, joinsClassic())
		w.tick(10 * seam.Second)
		w.stabilize()
		require.Equal(t, wire.None, wire.Code(last(c).(*kmsg.JoinGroupResponse).ErrorCode))
	})
	between(t, request(deletesGroup), request(joinsConsumer), func(w *world, long, short kmsg.Response) {
		joined := short.(*kmsg.ConsumerGroupHeartbeatResponse)
		c := deleted(w, long)
		if code := wire.Code(joined.ErrorCode); code == wire.None {
			beat := joinsConsumer()
			beat.MemberEpoch = joined.MemberEpoch
			w.send(c, beat)
			w.stabilize()
			require.Equal(t, wire.None, wire.Code(last(c).(*kmsg.ConsumerGroupHeartbeatResponse).ErrorCode), "it is a member")
			return
		} else {
			require.Equal(t, wire.CoordinatorLoadInProgress, code)
		}
		w.send(c, joinsConsumer())
		w.stabilize()
		require.Equal(t, wire.None, wire.Code(last(c).(*kmsg.ConsumerGroupHeartbeatResponse).ErrorCode))
		describe := kmsg.NewPtrConsumerGroupDescribeRequest()
		describe.Groups = []string{"g"}
		w.send(c, describe)
		w.stabilize()
		require.Len(t, last(c).(*kmsg.ConsumerGroupDescribeResponse).Groups[0].Members, 1, "it is in no group that was buried")
	})
}

// What one Step takes back of a group is one batch that the log would take, whatever the group's name is.
func TestOffsetsOfALongNameAreDeletedInBatches(t *testing.T) {
	w, _ := turned(t)
	w.config.StepItems = 1000
	w.crash(false)
	w.start()
	w.stabilize()
	c := w.dial("")
	name := strings.Repeat("g", 30_000)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 8, name, -1
	topic := kmsg.OffsetCommitRequestTopic{Topic: "t"}
	for i := range int32(manyOffsets) {
		topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: i, Offset: 6, LeaderEpoch: -1})
	}
	commit.Topics = append(commit.Topics, topic)
	w.send(c, commit)
	w.stabilize()
	require.Equal(t, wire.None, committed(c))
	largest, all := 0, 0
	w.told = func(x *told) {
		for _, write := range x.fx.Writes {
			largest, all = max(largest, len(write.Data)), all+len(write.Data)
		}
	}
	r := deletesOffsets()
	r.Group, r.Topics = name, slices.Repeat(r.Topics, 4)
	w.send(c, r)
	w.stabilize()
	require.Zero(t, last(c).(*kmsg.OffsetDeleteResponse).ErrorCode)
	require.Len(t, last(c).(*kmsg.OffsetDeleteResponse).Topics, 4)
	require.Len(t, last(c).(*kmsg.OffsetDeleteResponse).Topics[3].Partitions, manyOffsets)
	require.Greater(t, all, manyOffsets*len(name))
	require.Less(t, largest, w.config.Groups.RecordBytesMax)
	offset, code := fetchesOffset(w, c)
	require.Equal(t, wire.None, code)
	require.EqualValues(t, 5, offset, "of another group")
}

// Whoever asks for all that a group has committed is told all that stays, whatever is deleted beside it.
func TestAllOffsetsAreFetchedBesideADelete(t *testing.T) {
	all := func() kmsg.Request {
		r := kmsg.NewPtrOffsetFetchRequest()
		r.Version, r.Groups = 8, []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
		return r
	}
	first := func() kmsg.Request {
		r := deletesOffsets()
		r.Topics[0].Partitions = r.Topics[0].Partitions[:1]
		return r
	}
	between(t, all, first, func(_ *world, long, _ kmsg.Response) {
		told := map[int32]bool{}
		for _, p := range long.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0].Partitions {
			require.False(t, told[p.Partition])
			told[p.Partition] = true
		}
		for n := int32(1); n < manyOffsets; n++ {
			require.True(t, told[n], "partition %d", n)
		}
	})
}

// loadable is a broker of which one partition has the offsets of so many groups, each of so many partitions.
func loadable(t testing.TB, groups int, offsets int32) (*world, *client) {
	w := newWorld(t)
	w.config.Controller.Offsets.NumPartitions = 1
	c := w.coordinating(offsets)
	for n := range groups {
		w.commitAll(c, fmt.Sprintf("group-%d", n), offsets)
		c.got = nil
	}
	return w, c
}

// However many offsets a log has, and a batch of it, and a read: a Step folds as many of them as it has room for.
func TestALoadFoldsWhatAStepHasRoomFor(t *testing.T) {
	const groups, offsets = 20, 1000
	w, _ := loadable(t, groups, offsets)
	w.crash(false)
	var folded, most int64
	w.told = func(*told) {
		w.broker.coordinators(func(c *coordinator) {
			most, folded = max(most, c.load.count-folded), c.load.count
		})
	}
	w.start()
	w.stabilize()
	require.EqualValues(t, groups*offsets, folded)
	require.LessOrEqual(t, most, int64(w.config.StepItems/recordItems))
}

// The same of a transaction that another broker has written: its marker is one batch, and all of its offsets count then.
func TestATransactionIsFoldedInTurns(t *testing.T) {
	const offsets = 5_000
	w, c := grouped(t)
	commits(w, c, 5)
	w.stabilize()
	w.crash(false)
	n, _ := w.at("__consumer_offsets-0/00000000000000000000.log")
	spec := batch.Plain(batch.None)
	spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence, spec.Transactional = 7, 0, 0, true
	var b batch.Builder
	b.Begin(spec)
	for i := range offsets {
		key, value := group.Append(nil, nil, &group.OffsetCommitRecord{Group: "g", Topic: "t", Partition: int32(i), Value: &group.OffsetCommit{Offset: int64(i), LeaderEpoch: -1, ExpireTimestamp: group.NoTimestamp}})
		b.Add(1, key, value, nil)
	}
	all := b.Finish()
	batch.Stamp(all, 1, 0)
	n.content = append(n.content, all...)
	spec.BaseSequence, spec.Control = -1, true
	marker := b.BuildControl(spec, 1, batch.CommitMarker, []byte{0, 0, 0, 0, 0, 0})
	batch.Stamp(marker, 1+offsets, 0)
	n.content = append(n.content, marker...)
	n.synced = append([]byte{}, n.content...)
	left, most, taken := 0, 0, 0
	w.told = func(*told) {
		w.broker.coordinators(func(c *coordinator) {
			if now := len(c.load.staged.ended); now < left || left == 0 && now > 0 {
				if left > 0 {
					most, taken = max(most, left-now), taken+left-now
				}
				left = now
			}
		})
	}
	w.start()
	w.stabilize()
	require.Greater(t, taken, offsets/2)
	require.LessOrEqual(t, most, w.config.StepItems/recordItems)
	found, code := fetchesOffset(w, w.dial(""))
	require.Equal(t, wire.None, code)
	require.EqualValues(t, 1, found)
}

// What a start with a million committed offsets holds a broker's machine for at once, at most. The times are a machine's: a
// Step's work is bounded by what it looks at, and that is tested above.
func BenchmarkLoadOffsets(b *testing.B) {
	const groups, offsets = 1000, 1000
	w, c := loadable(b, groups, offsets)
	var longest time.Duration
	for b.Loop() {
		w.crash(false)
		w.longest = 0
		w.start()
		w.stabilize()
		c = w.dial("")
		require.Equal(b, wire.None, finds(w, c))
		longest = max(longest, w.longest)
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest-step")
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version = 8
	for n := range groups {
		fetch.Groups = append(fetch.Groups, kmsg.OffsetFetchRequestGroup{Group: fmt.Sprintf("group-%d", n)})
	}
	w.send(c, fetch)
	w.stabilize()
	found := 0
	for _, g := range last(c).(*kmsg.OffsetFetchResponse).Groups {
		require.Equal(b, wire.None, wire.Code(g.ErrorCode))
		found += len(g.Topics[0].Partitions)
	}
	require.Equal(b, groups*offsets, found, "all are there")
}

// Two DeleteGroups of one group beside each other, and somebody who joins when the second is answered.
func TestTwoDeletesOfAGroupAndAJoin(t *testing.T) {
	for offsets := int32(6); offsets < 24; offsets++ {
		for a := 1; a < 12; a++ {
			for b := a + 1; b < a+12; b++ {
				w := newWorld(t)
				w.config.Controller.Offsets.NumPartitions = 1
				w.config.Groups.InitialRebalanceDelay = seam.Second
				w.config.StepItems = 4
				c := w.coordinating(manyOffsets + 10)
				w.commitAll(c, "g", offsets)
				other, third := w.dial("other"), w.dial("third")
				count, sent, log := 0, false, ""
				w.told = func(*told) {
					if w.broker.turns.later.Len() == 0 {
						return
					}
					switch count++; count {
					case a:
						w.send(other, deletesGroup())
					case b:
						sent = true
						w.send(third, joinsClassic())
					}
				}
				w.send(c, deletesGroup())
				w.stabilize()
				w.told = func(*told) {}
				if !sent {
					break
				}
				for range 20 {
					w.tick(10 * seam.Second)
					w.stabilize()
				}
				require.NotEmpty(t, c.got)
				w.broker.coordinators(func(c *coordinator) {
					log += fmt.Sprintf("tickets %d, group %q of %d members; ", len(w.broker.tickets), c.groups.Describe("g", 5).State, len(c.groups.Describe("g", 5).Members))
				})
				if len(third.got) == 0 {
					t.Fatalf("offsets=%d a=%d b=%d: the join is never answered; the deletes say %v %v; %s", offsets, a, b,
						last(c).(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode, last(other).(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode, log)
				}
			}
		}
	}
}
