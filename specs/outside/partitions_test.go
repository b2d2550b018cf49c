package outside

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// EndOf is an OffsetForLeaderEpoch of one partition.
func EndOf(topic string, partition, current, epoch int32) *kmsg.OffsetForLeaderEpochRequest {
	r := kmsg.NewPtrOffsetForLeaderEpochRequest()
	r.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, kmsg.OffsetForLeaderEpochRequestTopicPartition{Partition: partition, CurrentLeaderEpoch: current, LeaderEpoch: epoch})
	r.Topics = append(r.Topics, t)
	return r
}

// TestOffsetForLeaderEpoch: each restart ends an epoch where the log ended then; an epoch that lies below the log's start
// ends at it. The epochs are those of the batches that Fetch brings.
func TestOffsetForLeaderEpoch(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	c, id, _ := filled(t, n, "data")
	Create(t, c, "empty")
	epochOf := func(c *Client, offset int64) int32 {
		var b kmsg.RecordBatch
		require.NoError(t, b.ReadFrom(fetched(c.Ask(t, Fetch("data", id, 0, offset), 13)).RecordBatches))
		return b.PartitionLeaderEpoch
	}
	epochs, ends := []int32{epochOf(c, 0)}, []int64{15}
	for i := range 2 {
		if i == 0 {
			n.Kill()
		} else {
			n.Stop(t)
		}
		n = Start(t, binaryPath, dir)
		c = Dial(t, n)
		require.Zero(t, partitionOf(c.Ask(t, Produce("data", id, 0, -1, Three()), 13)).ErrorCode)
		epochs, ends = append(epochs, epochOf(c, ends[i])), append(ends, ends[i]+3)
	}
	ask := func(r *kmsg.OffsetForLeaderEpochRequest, version int16) (epoch int32, end int64, code int16) {
		p := c.Ask(t, r, version).(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
		return p.LeaderEpoch, p.EndOffset, p.ErrorCode
	}
	_, code := deletedUpTo(c.Ask(t, Delete("data", 0, 2), 2))
	require.Zero(t, code)
	newest := epochs[2]
	for version := int16(2); version <= 4; version++ {
		for _, row := range []struct {
			topic                     string
			partition, current, epoch int32
			gives                     int32
			end                       int64
			code                      int16
		}{
			{"data", 0, -1, epochs[0], epochs[0], 15, 0},
			{"data", 0, newest, epochs[1], epochs[1], 18, 0},
			{"data", 0, newest, newest, newest, 21, 0},
			{"data", 0, -1, newest + 1, -1, -1, 0},
			{"data", 0, -1, math.MaxInt32, -1, -1, 0},
			{"data", 0, -1, -1, -1, -1, 0},
			{"data", 0, -1, -2, -2, 2, 0},
			{"data", 0, newest + 1, newest, -1, -1, unknownEpoch},
			{"data", 0, epochs[0], newest, -1, -1, fencedEpoch},
			{"data", 0, -2, newest, -1, -1, fencedEpoch},
			{"data", 1, -1, newest, -1, -1, unknownTopic},
			{"data", -1, -1, newest, -1, -1, unknownTopic},
			{"nowhere", 0, -1, 0, -1, -1, unknownTopic},
		} {
			epoch, end, code := ask(EndOf(row.topic, row.partition, row.current, row.epoch), version)
			require.Equal(t, []any{row.gives, row.end, row.code}, []any{epoch, end, code}, "%+v, v%d", row, version)
		}
	}
	_, code = deletedUpTo(c.Ask(t, Delete("data", 0, 19), 2))
	require.Zero(t, code)
	epoch, end, code := ask(EndOf("data", 0, -1, epochs[0]), 4)
	require.Equal(t, []any{epochs[0], int64(19), int16(0)}, []any{epoch, end, code}, "what is deleted ends where the log begins")
}

func logDirs(t *testing.T, c *Client, version int16, topics ...kmsg.DescribeLogDirsRequestTopic) *kmsg.DescribeLogDirsResponse {
	t.Helper()
	r := kmsg.NewPtrDescribeLogDirsRequest()
	r.Topics = topics
	return c.Ask(t, r, version).(*kmsg.DescribeLogDirsResponse)
}

// TestDescribeLogDirs: the directory by its name, and in it what Produce has filled and DeleteTopics has not taken away.
func TestDescribeLogDirs(t *testing.T) {
	dir := t.TempDir()
	c, _, size := filled(t, Start(t, binaryPath, dir), "data")
	c.Ask(t, NewTopics(NewTopic("wide", 3)), 7)
	for version := int16(1); version <= 4; version++ {
		all := logDirs(t, c, version)
		require.Zero(t, all.ErrorCode)
		require.Len(t, all.Dirs, 1)
		require.Equal(t, dir, all.Dirs[0].Dir)
		require.Zero(t, all.Dirs[0].ErrorCode)
		if version >= 4 {
			var volume unix.Statfs_t
			require.NoError(t, unix.Statfs(dir, &volume))
			require.Equal(t, int64(volume.Blocks)*volume.Frsize, all.Dirs[0].TotalBytes)
			require.InDelta(t, int64(volume.Bavail)*volume.Frsize, all.Dirs[0].UsableBytes, float64(all.Dirs[0].TotalBytes/2))
			require.Positive(t, all.Dirs[0].UsableBytes)
		}
		require.Len(t, all.Dirs[0].Topics, 2)
		for _, topic := range all.Dirs[0].Topics {
			want := map[string]int{"data": 1, "wide": 3}[topic.Topic]
			require.Len(t, topic.Partitions, want, topic.Topic)
			for _, p := range topic.Partitions {
				require.Equal(t, map[string]int64{"data": int64(5 * size), "wide": 0}[topic.Topic], p.Size)
				require.Zero(t, p.OffsetLag)
				require.False(t, p.IsFuture)
			}
		}
		one := logDirs(t, c, version, kmsg.DescribeLogDirsRequestTopic{Topic: "wide", Partitions: []int32{2, 7, -1, 2}}, kmsg.DescribeLogDirsRequestTopic{Topic: "nowhere", Partitions: []int32{0}})
		require.Len(t, one.Dirs[0].Topics, 1, "what there is not is left out")
		require.Len(t, one.Dirs[0].Topics[0].Partitions, 1)
		require.EqualValues(t, 2, one.Dirs[0].Topics[0].Partitions[0].Partition)
		nothing := logDirs(t, c, version, []kmsg.DescribeLogDirsRequestTopic{{Topic: "nowhere", Partitions: []int32{0}}}...)
		require.Len(t, nothing.Dirs, 1)
		require.Empty(t, nothing.Dirs[0].Topics)
	}
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.TopicNames, gone.TimeoutMillis = []string{"data"}, 10_000
	require.Zero(t, c.Ask(t, gone, 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	require.Len(t, logDirs(t, c, 4).Dirs[0].Topics, 1)
}

// TestDescribeProducers: who has written, with the last sequence that he was answered for.
func TestDescribeProducers(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "data")
	describe := func(topic string, partition int32) kmsg.DescribeProducersResponseTopicPartition {
		r := kmsg.NewPtrDescribeProducersRequest()
		r.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: topic, Partitions: []int32{partition}}}
		return c.Ask(t, r, 0).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0]
	}
	require.Empty(t, describe("data", 0).ActiveProducers)
	for _, b := range [][]byte{From(9, 3, 0, 2), From(7, 0, 5, 1), From(9, 3, 2, 4), Three()} {
		require.Zero(t, partitionOf(c.Ask(t, Produce("data", id, 0, -1, b), 13)).ErrorCode)
	}
	got := describe("data", 0)
	require.Zero(t, got.ErrorCode)
	require.Nil(t, got.ErrorMessage)
	require.Len(t, got.ActiveProducers, 2)
	for i, want := range [][3]int64{{7, 0, 5}, {9, 3, 5}} {
		p := got.ActiveProducers[i]
		require.Equal(t, want, [3]int64{p.ProducerID, int64(p.ProducerEpoch), int64(p.LastSequence)})
		require.EqualValues(t, -1, p.CurrentTxnStartOffset)
		require.EqualValues(t, -1, p.CoordinatorEpoch)
		require.Positive(t, p.LastTimestamp)
	}
	for _, row := range []struct {
		topic     string
		partition int32
	}{{"data", 1}, {"data", -1}, {"nowhere", 0}} {
		got := describe(row.topic, row.partition)
		require.EqualValues(t, unknownTopic, got.ErrorCode)
		require.NotNil(t, got.ErrorMessage)
		require.Empty(t, got.ActiveProducers)
	}
}

// TestDescribeTopicPartitions: pieces by name, from a cursor on; together they are what Metadata says.
func TestDescribeTopicPartitions(t *testing.T) {
	c := Dial(t, start(t))
	c.Ask(t, NewTopics(NewTopic("b", 5), NewTopic("a", 2), NewTopic("c", 1)), 7)
	describe := func(limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, topics ...string) *kmsg.DescribeTopicPartitionsResponse {
		r := kmsg.NewPtrDescribeTopicPartitionsRequest()
		r.ResponsePartitionLimit, r.Cursor = limit, cursor
		for _, name := range topics {
			r.Topics = append(r.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
		}
		return c.Ask(t, r, 0).(*kmsg.DescribeTopicPartitionsResponse)
	}
	at := func(topic string, partition int32) *kmsg.DescribeTopicPartitionsRequestCursor {
		return &kmsg.DescribeTopicPartitionsRequestCursor{Topic: topic, Partition: partition}
	}
	said := func(r *kmsg.DescribeTopicPartitionsResponse) (all []string) {
		for _, topic := range r.Topics {
			partitions := []int32{}
			for _, p := range topic.Partitions {
				partitions = append(partitions, p.Partition)
			}
			all = append(all, fmt.Sprint(*topic.Topic, topic.ErrorCode, partitions, topic.AuthorizedOperations))
		}
		if r.NextCursor != nil {
			all = append(all, fmt.Sprint("then ", r.NextCursor.Topic, r.NextCursor.Partition))
		}
		return all
	}
	for _, row := range []struct {
		what   string
		limit  int32
		cursor *kmsg.DescribeTopicPartitionsRequestCursor
		topics []string
		want   []string
	}{
		{"everything", 2000, nil, nil, []string{"a0 [0 1] 3576", "b0 [0 1 2 3 4] 3576", "c0 [0] 3576"}},
		{"by name, whatever the order", 2000, nil, []string{"c", "a"}, []string{"a0 [0 1] 3576", "c0 [0] 3576"}},
		{"four", 4, nil, nil, []string{"a0 [0 1] 3576", "b0 [0 1] 3576", "then b2"}},
		{"the next four", 4, at("b", 2), nil, []string{"b0 [2 3 4] 3576", "c0 [0] 3576"}},
		{"a limit of none is one", 0, nil, []string{"b"}, []string{"b0 [0] 3576", "then b1"}},
		{"a limit below zero too", -1, at("b", 4), []string{"b"}, []string{"b0 [4] 3576"}},
		{"a cursor past the last", 9, at("b", 9), []string{"b", "c"}, []string{"b0 [] 3576", "c0 [0] 3576"}},
		{"a cursor that was not asked for", 9, at("bb", 0), []string{"b", "c"}, []string{"b42 [] -2147483648", "c42 [] -2147483648"}},
		{"a cursor below zero", 9, at("b", -1), []string{"b"}, []string{"b42 [] -2147483648"}},
		{"what there is not", 9, nil, []string{"nowhere", "a/b", "a"}, []string{"a0 [0 1] 3576", "a/b17 [] 3576", "nowhere3 [] 3576"}},
	} {
		got := said(describe(row.limit, row.cursor, row.topics...))
		require.Equal(t, row.want, got, row.what)
	}
	metadata := kmsg.NewPtrMetadataRequest()
	for _, topic := range c.Ask(t, metadata, 12).(*kmsg.MetadataResponse).Topics {
		all := describe(2000, nil).Topics
		i := slices.IndexFunc(all, func(d kmsg.DescribeTopicPartitionsResponseTopic) bool { return *d.Topic == *topic.Topic })
		require.Equal(t, topic.TopicID, all[i].TopicID)
		require.Equal(t, topic.IsInternal, all[i].IsInternal)
		require.Len(t, all[i].Partitions, len(topic.Partitions))
		for j, p := range topic.Partitions {
			d := all[i].Partitions[j]
			require.Equal(t, []any{p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR}, []any{d.Partition, d.LeaderID, d.LeaderEpoch, d.Replicas, d.ISR})
			require.Zero(t, d.ErrorCode)
		}
	}
}
