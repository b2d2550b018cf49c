package core

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/meta"
	"rookery/core/seam"
)

// stepMost is far beyond what a Step may last, and far below what it lasts where each thing that a request names is
// compared with each other.
const stepMost = 5 * time.Second

// thingsNamed is as many things as a request may name and then some room.
const thingsNamed = 120_000

// soon hands in a request, and wants its answer without a long Step.
func (w *bench) soon(request kmsg.Request, answer kmsg.Response) {
	w.t.Helper()
	in := w.frame(request)
	began := time.Now()
	w.step(in)
	require.Less(w.t, time.Since(began), stepMost)
	require.Len(w.t, w.heads, 1)
	w.decode(request, answer)
}

func (w *bench) decode(request kmsg.Request, answer kmsg.Response) {
	w.t.Helper()
	answer.SetVersion(request.GetVersion())
	at := 8
	if request.IsFlexible() {
		at++
	}
	require.NoError(w.t, answer.ReadFrom(w.heads[0][at:]))
}

// An entity of a quota has two parts at most; one that names a hundred thousand is refused at the first that is none.
func TestQuotaOfManyParts(t *testing.T) {
	w := newBench(t)
	r := kmsg.NewPtrAlterClientQuotasRequest()
	r.Version = 1
	e := kmsg.NewAlterClientQuotasRequestEntry()
	for i := range thingsNamed {
		e.Entity = append(e.Entity, kmsg.AlterClientQuotasRequestEntryEntity{Type: strconv.Itoa(1e6 + i)})
	}
	r.Entries = append(r.Entries, e)
	answer := kmsg.NewPtrAlterClientQuotasResponse()
	w.soon(r, answer)
	require.EqualValues(t, 42, answer.Entries[0].ErrorCode)
	require.Equal(t, "Unhandled client quota entity type: 1000000", *answer.Entries[0].ErrorMessage)
}

// Topics that are moved between log directories are found again in the answer without a walk.
func TestMoveOfManyTopics(t *testing.T) {
	w := newBench(t)
	r := kmsg.NewPtrAlterReplicaLogDirsRequest()
	r.Version = 2
	for range 2 {
		d := kmsg.NewAlterReplicaLogDirsRequestDir()
		for i := range thingsNamed / 2 {
			d.Topics = append(d.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: strconv.Itoa(1e6 + i), Partitions: []int32{0}})
		}
		r.Dirs = append(r.Dirs, d)
	}
	answer := kmsg.NewPtrAlterReplicaLogDirsResponse()
	w.soon(r, answer)
	require.Len(t, answer.Topics, thingsNamed/2)
	for i := range answer.Topics {
		require.Len(t, answer.Topics[i].Partitions, 2)
	}
}

// Partitions that are moved are looked at in turns, and what their folders would be called is not written down for each.
func TestMoveOfManyPartitions(t *testing.T) {
	w := newBench(t)
	r := kmsg.NewPtrAlterReplicaLogDirsRequest()
	r.Version = 2
	for _, topic := range []string{longName, "t", longName} {
		d := kmsg.NewAlterReplicaLogDirsRequestDir()
		d.Topics = append(d.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: topic, Partitions: make([]int32, thingsNamed/3)})
		r.Dirs = append(r.Dirs, d)
	}
	w.steps = 0
	require.Less(t, w.allocated(r), int64(64<<20))
	require.Greater(t, w.steps, thingsNamed/w.broker.config.StepItems)
	answer := kmsg.NewPtrAlterReplicaLogDirsResponse()
	w.decode(r, answer)
	require.Len(t, answer.Topics, 2)
	for i, code := range []int16{17, 57} { // InvalidTopicException, LogDirNotFound
		require.Len(t, answer.Topics[i].Partitions, thingsNamed/3*(2-i))
		for _, p := range answer.Topics[i].Partitions {
			require.Equal(t, code, p.ErrorCode)
		}
	}
}

// What is named again and again is described again and again, as Kafka does, until the answer would take all memory.
func TestDescribedConfigurationsAreBounded(t *testing.T) {
	w := newBench(t)
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.Version = 4
	for range 100_000 {
		r.Resources = append(r.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g"})
	}
	w.step(w.frame(r))
	answer := kmsg.NewPtrDescribeConfigsResponse()
	w.decode(r, answer)
	require.Len(t, answer.Resources, 100_000)
	entries, refused := 0, 0
	for i := range answer.Resources {
		switch one := &answer.Resources[i]; one.ErrorCode {
		case 0:
			require.Zero(t, refused)
			entries += len(one.Configs)
		case 44:
			require.Empty(t, one.Configs)
			refused++
		}
	}
	require.LessOrEqual(t, entries, describedConfigsMax+11)
	require.Greater(t, refused, 1000)
}

// So are long values: one key of one topic is an entry, and may have 32 KB.
func TestDescribedValuesAreBounded(t *testing.T) {
	config := DefaultConfig()
	config.ToldBytes = 1 << 20
	w := newBenchOf(t, config)
	w.createTopic("t")
	const key = "follower.replication.throttled.replicas"
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Version = 1
	x := kmsg.NewIncrementalAlterConfigsRequestResource()
	x.ResourceType, x.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
	x.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: key, Value: kmsg.StringPtr(strings.TrimSuffix(strings.Repeat("0:1,", 5_000), ","))}}
	alter.Resources = append(alter.Resources, x)
	altered := kmsg.NewPtrIncrementalAlterConfigsResponse()
	w.soon(alter, altered)
	require.Zero(t, altered.Resources[0].ErrorCode)

	r := kmsg.NewPtrDescribeConfigsRequest()
	r.Version, r.IncludeSynonyms = 4, true
	const often = 500
	for range often {
		r.Resources = append(r.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t", ConfigNames: []string{key}})
	}
	w.step(w.frame(r))
	answer := kmsg.NewPtrDescribeConfigsResponse()
	w.decode(r, answer)
	require.Len(t, answer.Resources, often)
	described := 0
	for i := range answer.Resources {
		require.Contains(t, []int16{0, 44}, answer.Resources[i].ErrorCode)
		described += len(answer.Resources[i].Configs)
	}
	require.Greater(t, described, 20)
	require.Less(t, described, 60)
}

// Likewise producers.
func TestDescribedProducersAreBounded(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	const producers = 300
	for id := range int64(producers) {
		w.step(w.frame(produceRequest(-1, oneBatch(1, 10, id, 0))))
		require.Len(t, w.heads, 1)
	}
	r := kmsg.NewPtrDescribeProducersRequest()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = "t", make([]int32, 5_000)
	r.Topics = append(r.Topics, topic)
	w.steps = 0
	w.step(w.frame(r))
	require.Greater(t, w.steps, describedProducersMax/(w.broker.config.StepItems+producers+1))
	answer := kmsg.NewPtrDescribeProducersResponse()
	w.decode(r, answer)
	require.Len(t, answer.Topics[0].Partitions, 5_000)
	described := 0
	for i, one := range answer.Topics[0].Partitions {
		require.Contains(t, []int16{0, 44}, one.ErrorCode)
		require.Equal(t, one.ErrorCode == 0, i*producers < describedProducersMax)
		described += len(one.ActiveProducers)
	}
	require.Less(t, described, describedProducersMax+producers)
}

// Who alters subscriptions that have thousands of patterns each does not hold up the others for all of them at once.
func TestManyPatternsTakeManySteps(t *testing.T) {
	w := newBench(t)
	patterns := strings.Repeat("client_id=a.*,", 2000)
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Version, r.ValidateOnly = 1, true
	const subscriptions = 50
	for i := range subscriptions {
		x := kmsg.NewIncrementalAlterConfigsRequestResource()
		x.ResourceType, x.ResourceName = kmsg.ConfigResourceTypeClientMetrics, strconv.Itoa(i)
		x.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "match", Value: kmsg.StringPtr(strings.TrimSuffix(patterns, ","))}}
		r.Resources = append(r.Resources, x)
	}
	w.steps = 0
	w.step(w.frame(r))
	require.GreaterOrEqual(t, w.steps, subscriptions/2)
	answer := kmsg.NewPtrIncrementalAlterConfigsResponse()
	w.decode(r, answer)
	require.Len(t, answer.Resources, subscriptions)
	for i := range answer.Resources {
		require.Zero(t, answer.Resources[i].ErrorCode)
	}
}

// Ends of epochs are looked up in turns.
func TestEpochsInTurns(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	r := kmsg.NewPtrOffsetForLeaderEpochRequest()
	r.Version, r.ReplicaID = 4, -1
	for _, name := range []string{"t", "no", "t"} {
		topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
		topic.Topic = name
		for range thingsNamed / 3 {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.CurrentLeaderEpoch = -1
			topic.Partitions = append(topic.Partitions, p)
		}
		r.Topics = append(r.Topics, topic)
	}
	w.steps = 0
	w.step(w.frame(r))
	require.Greater(t, w.steps, thingsNamed/w.broker.config.StepItems)
	answer := kmsg.NewPtrOffsetForLeaderEpochResponse()
	w.decode(r, answer)
	require.Len(t, answer.Topics, 3)
	for i, code := range []int16{0, 3, 0} {
		require.Len(t, answer.Topics[i].Partitions, thingsNamed/3)
		for j := range answer.Topics[i].Partitions {
			require.Equal(t, code, answer.Topics[i].Partitions[j].ErrorCode)
		}
	}
}

// Groups that are to be deleted are told apart without comparing each with each, though each is answered for once.
func TestManyGroupsToDelete(t *testing.T) {
	w := newBench(t)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 3, "g"
	w.step(w.frame(find))
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Version = 2
	for i := range thingsNamed {
		r.Groups = append(r.Groups, strconv.Itoa(i/2))
	}
	answer := kmsg.NewPtrDeleteGroupsResponse()
	w.soon(r, answer)
	require.Len(t, answer.Groups, thingsNamed/2)
	for i := range answer.Groups {
		require.Equal(t, strconv.Itoa(i), answer.Groups[i].Group)
		require.EqualValues(t, 69, answer.Groups[i].ErrorCode)
	}
}

// A filter of many states is looked at once, not once for each group.
func TestManyStatesToList(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Generation = 8, -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{kmsg.NewOffsetCommitRequestTopicPartition()}}}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 3, "g"
	w.step(w.frame(find))
	const groups = 20_000
	for i := range groups {
		commit.Group = strconv.Itoa(i)
		w.step(w.frame(commit))
	}
	r := kmsg.NewPtrListGroupsRequest()
	r.Version = 5
	for i := range thingsNamed {
		r.StatesFilter = append(r.StatesFilter, "empt"+strconv.Itoa(i))
	}
	answer := kmsg.NewPtrListGroupsResponse()
	w.soon(r, answer)
	require.Empty(t, answer.Groups)
	r.StatesFilter, r.TypesFilter = append(r.StatesFilter, "EMPTY "), []string{"classic"}
	w.soon(r, answer)
	require.Len(t, answer.Groups, groups)
}

// What groups have said and committed is told again and again to who names them again and again, until the answer would take all
// memory; and a group of many members is as many items of a Step.
func TestToldOfGroupsIsBounded(t *testing.T) {
	config := DefaultConfig()
	config.ToldBytes, config.Groups.InitialRebalanceDelay = 1<<20, 0
	w := newBenchOf(t, config)
	w.createTopic("t")
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 3, "g"
	w.step(w.frame(find))

	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 8, "g", -1
	part := kmsg.NewOffsetCommitRequestTopicPartition()
	part.Metadata = kmsg.StringPtr(strings.Repeat("m", 4000))
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{part}}}
	w.step(w.frame(commit))
	committed := kmsg.NewPtrOffsetCommitResponse()
	w.decode(commit, committed)
	require.Zero(t, committed.Topics[0].Partitions[0].ErrorCode)

	const often = 1000
	told := func(code int16) bool {
		require.Contains(t, []int16{0, 44}, code)
		return code == 0
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version = 8
	for range often {
		fetch.Groups = append(fetch.Groups, kmsg.OffsetFetchRequestGroup{Group: "g"})
	}
	w.step(w.frame(fetch))
	fetched := kmsg.NewPtrOffsetFetchResponse()
	w.decode(fetch, fetched)
	n := 0
	for i := range fetched.Groups {
		if told(fetched.Groups[i].ErrorCode) {
			require.Len(t, fetched.Groups[i].Topics, 1)
			n++
		}
	}
	require.Greater(t, n, 200)
	require.Less(t, n, 300)
	topic := kmsg.OffsetFetchRequestGroupTopic{Topic: "t", Partitions: make([]int32, often)}
	fetch.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{topic}}}
	w.step(w.frame(fetch))
	w.decode(fetch, fetched)
	require.EqualValues(t, 44, fetched.Groups[0].ErrorCode)
	topic.Partitions = topic.Partitions[:100]
	fetch.Groups[0].Topics[0] = topic
	w.step(w.frame(fetch))
	w.decode(fetch, fetched)
	require.Zero(t, fetched.Groups[0].ErrorCode)
	require.Len(t, fetched.Groups[0].Topics[0].Partitions, 100)

	join := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	join.Version, join.Group, join.MemberID, join.RebalanceTimeoutMillis = 1, "c", "me", 30_000
	join.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for i := range 100 {
		join.SubscribedTopicNames = append(join.SubscribedTopicNames, strconv.Itoa(i))
	}
	w.step(w.frame(join))
	require.Len(t, w.heads, 1)
	consumers := kmsg.NewPtrConsumerGroupDescribeRequest()
	for range often {
		consumers.Groups = append(consumers.Groups, "c")
	}
	w.step(w.frame(consumers))
	described := kmsg.NewPtrConsumerGroupDescribeResponse()
	w.decode(consumers, described)
	n = 0
	for i := range described.Groups {
		if told(described.Groups[i].ErrorCode) {
			require.Len(t, described.Groups[i].Members, 1)
			n++
		}
	}
	require.Greater(t, n, 100)
	require.Less(t, n, 900)

	classic := kmsg.NewPtrJoinGroupRequest()
	classic.Version, classic.Group, classic.ProtocolType = 2, "j", "consumer"
	classic.SessionTimeoutMillis, classic.RebalanceTimeoutMillis = 30_000, 30_000
	classic.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: make([]byte, 5_000)}}
	w.step(w.frame(classic))
	joined := kmsg.NewPtrJoinGroupResponse()
	w.decode(classic, joined)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.Generation, sync.MemberID = 2, "j", joined.Generation, joined.MemberID
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: joined.MemberID, MemberAssignment: make([]byte, 5_000)}}
	w.step(w.frame(sync))
	groups := kmsg.NewPtrDescribeGroupsRequest()
	groups.Version = 5
	for range often {
		groups.Groups = append(groups.Groups, "j")
	}
	w.steps = 0
	w.step(w.frame(groups))
	require.GreaterOrEqual(t, w.steps, 2, "a member is an item too")
	answer := kmsg.NewPtrDescribeGroupsResponse()
	w.decode(groups, answer)
	n = 0
	for i := range answer.Groups {
		if told(answer.Groups[i].ErrorCode) {
			require.Len(t, answer.Groups[i].Members[0].MemberAssignment, 5_000)
			n++
		}
	}
	require.Greater(t, n, 80)
	require.Less(t, n, 120)
}

// What lies where is looked up in turns, of all partitions and of those that are named, each of which is told of once.
func TestLogDirsInTurns(t *testing.T) {
	w := newBench(t)
	const partitions = 3_000
	w.createTopicOf("t", partitions)
	r := kmsg.NewPtrDescribeLogDirsRequest()
	for _, named := range []int{0, thingsNamed} {
		r.Topics = nil
		for left := named; left > 0; left -= thingsNamed / 2 {
			topic := kmsg.NewDescribeLogDirsRequestTopic()
			topic.Topic = "t"
			for i := range thingsNamed / 2 {
				topic.Partitions = append(topic.Partitions, int32(i%partitions))
			}
			r.Topics = append(r.Topics, topic)
		}
		r.Version = 3
		w.steps = 0
		w.step(w.frame(r))
		require.GreaterOrEqual(t, w.steps, max(named, partitions)/w.broker.config.StepItems)
		require.Len(t, w.heads, 1)
		answer := kmsg.NewPtrDescribeLogDirsResponse()
		w.decode(r, answer)
		require.Len(t, answer.Dirs, 1)
		require.Len(t, answer.Dirs[0].Topics, 1)
		require.Len(t, answer.Dirs[0].Topics[0].Partitions, partitions)
	}
}

// What a classic member of a consumer group knows is found among what the others know without a walk.
func TestJoinWithManyProtocols(t *testing.T) {
	w := newBench(t)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKeys = 4, []string{"g"}
	w.step(w.frame(find))
	w.step(w.frame(joinsConsumer()))
	joins := func(from, n int) *kmsg.JoinGroupRequest {
		r := joinsClassic()
		said := kmsg.NewConsumerMemberMetadata()
		said.Topics = []string{"t"}
		r.Protocols = nil
		for i := range n {
			r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: strconv.Itoa(from + i)})
		}
		r.Protocols[0].Metadata = said.AppendTo(nil)
		return r
	}
	answer := kmsg.NewPtrJoinGroupResponse()
	w.soon(joins(1e6, 60_000), answer)
	require.Zero(t, answer.ErrorCode)
	w.soon(joins(2e6, thingsNamed), answer)
	require.EqualValues(t, 23, answer.ErrorCode)
	w.soon(joins(1e6+59_999, 1), answer)
	require.Zero(t, answer.ErrorCode)
}

// What a member owns is put together without a copy for each piece.
func TestOwnedInManyPieces(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKeys = 4, []string{"g"}
	w.step(w.frame(find))
	answer := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	w.soon(joinsConsumer(), answer)
	require.Zero(t, answer.ErrorCode)
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Version, beat.Group, beat.MemberID, beat.MemberEpoch = 1, "g", "m", answer.MemberEpoch
	for range 131_000 {
		beat.Topics = append(beat.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: w.broker.image.Topic("t").ID, Partitions: []int32{0}})
	}
	began := time.Now()
	w.soon(beat, answer)
	require.Less(t, time.Since(began), stepMost/5)
	require.Zero(t, answer.ErrorCode)
}

// Ids that were given and have not come back are told too, and count.
func TestToldOfWhoIsAwaitedIsBounded(t *testing.T) {
	config := DefaultConfig()
	config.ToldBytes = 1 << 20
	w := newBenchOf(t, config)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKeys = 4, []string{"g"}
	w.step(w.frame(find))
	for range 200 {
		r := joinsClassic()
		r.Version = 4
		w.step(w.frame(r))
		answer := kmsg.NewPtrJoinGroupResponse()
		w.decode(r, answer)
		require.EqualValues(t, 79, answer.ErrorCode)
	}
	w.step(w.frame(joinsClassic()))
	require.Empty(t, w.heads, "it waits for the others")
	r := kmsg.NewPtrDescribeGroupsRequest()
	r.Version = 5
	for range 1000 {
		r.Groups = append(r.Groups, "g")
	}
	in := w.frame(r)
	in.Conn, w.steps = 2, 0
	w.step(&seam.Opened{Conn: 2, Host: "127.0.0.1", Port: 9092})
	w.step(in)
	require.Greater(t, w.steps, 10, "in turns")
	answer := kmsg.NewPtrDescribeGroupsResponse()
	w.decode(r, answer)
	told := 0
	for i := range answer.Groups {
		if code := answer.Groups[i].ErrorCode; code == 0 {
			told++
		} else {
			require.EqualValues(t, 44, code)
		}
	}
	require.Greater(t, told, 100)
	require.Less(t, told, 200)
}

// Topics are described in pieces, and of many that are none there is one piece: in turns.
func TestTopicPartitionsInTurns(t *testing.T) {
	w := newBench(t)
	w.createTopicOf("t", 1_500)
	w.createTopicOf("u", 1_500)
	r := kmsg.NewPtrDescribeTopicPartitionsRequest()
	r.ResponsePartitionLimit = 2_000
	for i := range thingsNamed {
		r.Topics = append(r.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: strconv.Itoa(1e6 + i)})
	}
	r.Topics = append(r.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: "u"}, kmsg.DescribeTopicPartitionsRequestTopic{Topic: "t"})
	w.steps = 0
	w.step(w.frame(r))
	require.Greater(t, w.steps, thingsNamed/w.broker.config.StepItems)
	answer := kmsg.NewPtrDescribeTopicPartitionsResponse()
	w.decode(r, answer)
	require.Len(t, answer.Topics, thingsNamed+2)
	require.EqualValues(t, 3, answer.Topics[0].ErrorCode)
	require.Len(t, answer.Topics[thingsNamed].Partitions, 1_500)
	require.Len(t, answer.Topics[thingsNamed+1].Partitions, 500)
	require.Equal(t, "u", answer.NextCursor.Topic)
	require.EqualValues(t, 500, answer.NextCursor.Partition)

	w.broker.config.DescribedMax = 1_600 // what is asked for beyond it comes with the next piece
	w.step(w.frame(r))
	*answer = kmsg.NewDescribeTopicPartitionsResponse()
	w.decode(r, answer)
	require.EqualValues(t, 100, answer.NextCursor.Partition)
}

// A batch of a megabyte may hold a million records, and each may be wrong: which, is told of as many as one Step can walk over
// again, and beyond that only that some are.
func TestWrongRecordsToldAreBounded(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	wrong := func(count int) []byte {
		var b batch.Builder
		b.Begin(batch.Plain(batch.Zstd))
		for range count {
			b.Add(int64(w.now.Wall)+1<<40, nil, nil, nil)
		}
		return bytes.Clone(b.Finish())
	}
	told := func(count int) int {
		r := produceRequest(-1, wrong(count))
		require.GreaterOrEqual(t, r.Version, int16(8))
		answer := kmsg.NewPtrProduceResponse()
		w.soon(r, answer)
		row := answer.Topics[0].Partitions[0]
		require.EqualValues(t, 32, row.ErrorCode)
		return len(row.ErrorRecords)
	}
	require.Equal(t, 3, told(3))
	require.Equal(t, 1_000, told(1_000))
	require.Zero(t, told(1_000_000))

	r := produceRequest(-1, wrong(400_000)) // 2.8 MB of records each
	r.Topics = append(r.Topics, r.Topics[0])
	r.Topics[1].Topic = "u"
	w.createTopic("u")
	answer := kmsg.NewPtrProduceResponse()
	w.soon(r, answer)
	require.Len(t, answer.Topics[0].Partitions[0].ErrorRecords, 400_000)
	require.EqualValues(t, 32, answer.Topics[1].Partitions[0].ErrorCode)
	require.Empty(t, answer.Topics[1].Partitions[0].ErrorRecords, "the request's second walk has been long enough")
}

// A client that asks for versions, again and again, and takes no answer has its next requests queued; when it reads on the broker is
// not ready yet.
func TestWhatIsQueuedBeforeTheStartIsOver(t *testing.T) {
	config := DefaultConfig()
	config.ClusterID, config.Controller.ClusterID = "test", "test"
	config.DirectoryIDs = []meta.UUID{{0: 1, 15: 7}}
	config.Incarnation = meta.UUID{0: 1, 15: 9}
	w := &bench{t: t, broker: NewBroker(config), now: seam.Now{Mono: 1, Wall: 1_700_000_000_000}, sizes: map[seam.File]int64{}, data: map[seam.File][]byte{}}
	var sent []seam.Input
	one := func(in seam.Input) {
		w.now.Mono += 1000
		w.fx.Reset()
		w.broker.Step(w.now, in, &w.fx)
		for _, x := range w.fx.Replies {
			sent = append(sent, &seam.Sent{Op: x.Op, Conn: x.Conn})
		}
	}
	one(&seam.Started{Dirs: []seam.Fault{seam.OK}}) // and the disk is slow
	one(&seam.Opened{Conn: 1, Host: "127.0.0.1", Port: 9092})
	for range 1001 {
		one(w.frame(kmsg.NewPtrApiVersionsRequest()))
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}
	one(w.frame(create))
	require.True(t, w.broker.conns.At(1).filled)
	for _, in := range sent {
		one(in)
	}
	one(&seam.Alarm{})
	require.Less(t, w.broker.phase, phaseReady)
	require.Equal(t, 1, w.broker.conns.At(1).queue.Len(), "it waits")
}
