package outside

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	offsetOutOfRange  = 1
	notLeader         = 6
	fencedEpoch       = 74
	unknownEpoch      = 75
	fetchOldest       = 4
	fetchNewest       = 18
	byIDFrom          = 13
	unsupported       = 35
	readCommitted     = 1
	sessionIDNotFound = 70
	sessionEpochWrong = 71
)

func fetched(r kmsg.Response) kmsg.FetchResponseTopicPartition {
	return r.(*kmsg.FetchResponse).Topics[0].Partitions[0]
}

// filled is a topic with five batches of three records, and its connection.
func filled(t *testing.T, n *Node, name string) (c *Client, id [16]byte, size int) {
	c = Dial(t, n)
	id = Create(t, c, name)
	for range 5 {
		size = len(Three())
		require.Zero(t, partitionOf(c.Ask(t, Produce(name, id, 0, -1, Three()), 13)).ErrorCode)
	}
	return c, id, size
}

// TestFetchGetsOn (KIP-74): whatever the limits say, the first batch of the first partition that has any goes out whole.
func TestFetchGetsOn(t *testing.T) {
	c, id, size := filled(t, start(t), "data")
	for version := int16(fetchOldest); version <= fetchNewest; version++ {
		for _, row := range []struct {
			what           string
			partition, all int32
			offset         int64
			first          int64
		}{
			{"no limits", 1 << 20, 1 << 20, 0, 0},
			{"no bytes of the partition", 0, 1 << 20, 0, 0},
			{"one byte of the partition", 1, 1 << 20, 3, 3},
			{"one byte of the answer", 1 << 20, 1, 0, 0},
			{"no byte of the answer", 1 << 20, 0, 0, 0},
			{"limits below zero", -1, -1, 0, 0},
			{"the middle of a batch", 1, 1, 4, 3},
			{"its end", 1, 1, 5, 3},
			{"the last batch", 1 << 20, 1 << 20, 14, 12},
		} {
			what := fmt.Sprintf("%s, v%d", row.what, version)
			r := Fetch("data", id, 0, row.offset)
			r.MaxBytes, r.Topics[0].Partitions[0].PartitionMaxBytes = row.all, row.partition
			got := fetched(c.Ask(t, r, version))
			require.Zero(t, got.ErrorCode, what)
			require.GreaterOrEqual(t, len(got.RecordBatches), size, what)
			var b kmsg.RecordBatch
			require.NoError(t, b.ReadFrom(got.RecordBatches), what)
			require.Equal(t, row.first, b.FirstOffset, what)
			require.EqualValues(t, 15, got.HighWatermark)
			require.EqualValues(t, 15, got.LastStableOffset)
			if row.partition == 1<<20 && row.all == 1<<20 {
				require.Len(t, got.RecordBatches, size*(5-int(row.first)/3), what)
			}
		}
	}
}

// TestBadFetches is what a partition's error looks like: at once, with no marks, and with the aborted list that Kafka has.
func TestBadFetches(t *testing.T) {
	c, id, _ := filled(t, start(t), "data")
	for version := int16(fetchOldest); version <= fetchNewest; version++ {
		for _, row := range []struct {
			what    string
			edit    func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition)
			code    int16
			since   int16
			aborted bool // an empty list, where null is the rule
		}{
			{"an offset beyond the end", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = 16 }, offsetOutOfRange, 4, false},
			{"the last offset there is", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = math.MaxInt64 }, offsetOutOfRange, 4, false},
			{"offset -1", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = -1 }, offsetOutOfRange, 4, false},
			{"offset -1, no bytes asked", func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset, r.MinBytes = -1, 0 }, offsetOutOfRange, 4, false},
			{"an unknown partition", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.Partition = 1 }, unknownTopic, 4, true},
			{"partition -1", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.Partition = -1 }, unknownTopic, 4, true},
			{"an unknown topic", func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
				r.Topics[0].Topic, r.Topics[0].TopicID = "nowhere", [16]byte{5}
			}, unknownTopic, 4, true},
			{"an epoch to come", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 1000 }, unknownEpoch, 9, false},
			{"the last epoch fetched is to come", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = 1000 }, offsetOutOfRange, 12, false},
		} {
			if version < row.since {
				continue
			}
			for _, isolation := range []int8{0, readCommitted} {
				what := fmt.Sprintf("%s, v%d, isolation %d", row.what, version, isolation)
				r := Fetch("data", id, 0, 0)
				r.IsolationLevel = isolation
				row.edit(r, &r.Topics[0].Partitions[0])
				code := row.code
				if version >= byIDFrom && row.what == "an unknown topic" {
					code = unknownTopicID
				}
				within(t, 5*time.Second, func() {
					got := fetched(c.Ask(t, r, version))
					require.Equal(t, code, got.ErrorCode, what)
					require.Equal(t, [2]int64{-1, -1}, [2]int64{got.HighWatermark, got.LastStableOffset}, what)
					if version >= 5 {
						require.EqualValues(t, -1, got.LogStartOffset, what)
					}
					require.Empty(t, got.RecordBatches, what)
					require.Equal(t, row.aborted, got.AbortedTransactions != nil, what)
				})
			}
		}
	}
}

// TestAbortedTransactions: null for those who read everything, a list for those who read what is committed.
func TestAbortedTransactions(t *testing.T) {
	c, id, _ := filled(t, start(t), "data")
	for version := int16(fetchOldest); version <= fetchNewest; version++ {
		for isolation, listed := range []bool{false, true} {
			r := Fetch("data", id, 0, 0)
			r.IsolationLevel = int8(isolation)
			got := fetched(c.Ask(t, r, version))
			require.Zero(t, got.ErrorCode)
			require.Equal(t, listed, got.AbortedTransactions != nil, "v%d", version)
			require.Empty(t, got.AbortedTransactions)
		}
	}
}

// TestFetchWaits: no longer than asked, not at all for nothing, and as long as it takes for one byte.
func TestFetchWaits(t *testing.T) {
	n := start(t)
	c, id, _ := filled(t, n, "data")
	for _, row := range []struct{ wait, least int32 }{{-1, 1}, {0, 1}, {10_000, 0}, {10_000, -1}} {
		r := Fetch("data", id, 0, 15)
		r.MaxWaitMillis, r.MinBytes = row.wait, row.least
		within(t, 5*time.Second, func() { require.Zero(t, fetched(c.Ask(t, r, 13)).ErrorCode) })
	}
	r := Fetch("data", id, 0, 15)
	r.MaxWaitMillis = 200
	began := time.Now()
	require.Empty(t, fetched(c.Ask(t, r, 13)).RecordBatches)
	require.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond)

	r = Fetch("data", id, 0, 15)
	c.Send(r, 13)
	require.Zero(t, partitionOf(Dial(t, n).Ask(t, Produce("data", id, 0, -1, Three()), 13)).ErrorCode)
	within(t, 5*time.Second, func() { require.NotEmpty(t, fetched(c.Receive(t, r, c.correlation)).RecordBatches) })
}

// TestATopicGoesUnderAFetch: the deletion ends the wait.
func TestATopicGoesUnderAFetch(t *testing.T) {
	n := start(t)
	for _, version := range []int16{4, 12, 13, 18} {
		code := goesUnderAFetch(t, n, version)
		for range 20 {
			if code != unknownTopicID { // else the deletion, which has a connection of its own, overtook what was to wait
				break
			}
			code = goesUnderAFetch(t, n, version)
		}
		require.EqualValues(t, unknownTopic, code, version)
	}
}

func goesUnderAFetch(t *testing.T, n *Node, version int16) (code int16) {
	c, id, _ := filled(t, n, "data")
	r := Fetch("data", id, 0, 15)
	c.Send(r, version)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.TopicNames, gone.TimeoutMillis = []string{"data"}, 10_000
	require.Zero(t, Dial(t, n).Ask(t, gone, 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	within(t, 5*time.Second, func() { code = fetched(c.Receive(t, r, c.correlation)).ErrorCode })
	return code
}

// TestOnePartitionTwiceInAFetch: one answer, for the later offset.
func TestOnePartitionTwiceInAFetch(t *testing.T) {
	c, id, _ := filled(t, start(t), "data")
	for version := int16(fetchOldest); version <= fetchNewest; version++ {
		r := Fetch("data", id, 0, 0)
		later := r.Topics[0].Partitions[0]
		later.FetchOffset = 12
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, later)
		answer := c.Ask(t, r, version).(*kmsg.FetchResponse)
		require.Len(t, answer.Topics, 1)
		require.Len(t, answer.Topics[0].Partitions, 1)
		var b kmsg.RecordBatch
		require.NoError(t, b.ReadFrom(fetched(answer).RecordBatches))
		require.EqualValues(t, 12, b.FirstOffset)
	}
}

// TestFetchOfNoLevel: an isolation level that is none.
func TestFetchOfNoLevel(t *testing.T) {
	c, id, _ := filled(t, start(t), "data")
	for version := int16(fetchOldest); version <= fetchNewest; version++ {
		r := Fetch("data", id, 0, 0)
		r.IsolationLevel = 2
		answer := c.Ask(t, r, version).(*kmsg.FetchResponse)
		if version >= 7 {
			require.EqualValues(t, invalidRequest, answer.ErrorCode, "v%d", version)
		}
		if version >= byIDFrom {
			require.Empty(t, answer.Topics)
			continue
		}
		got := fetched(answer)
		require.EqualValues(t, invalidRequest, got.ErrorCode)
		require.EqualValues(t, -1, got.HighWatermark)
	}
}

// TestFetchAsAReplica: nobody else has a replica of anything; -2 is a debugger, and is served like a consumer.
func TestFetchAsAReplica(t *testing.T) {
	c, id, _ := filled(t, start(t), "data")
	for version := int16(fetchOldest); version <= fetchNewest; version++ {
		for replica, code := range map[int32]int16{4711: notLeader, -2: 0, -1: 0} {
			r := Fetch("data", id, 0, 0)
			r.ReplicaID, r.ReplicaState.ID = replica, replica
			r.ReplicaState.Epoch = -1
			got := fetched(c.Ask(t, r, version))
			require.Equal(t, code, got.ErrorCode, "replica %d, v%d", replica, version)
		}
	}
}

// TestListOffsets is Kafka's table of special timestamps, and of times.
func TestListOffsets(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "times")
	Create(t, c, "empty")
	for _, milliseconds := range []int64{1000, 3000, 3000, 2000} {
		require.Zero(t, partitionOf(c.Ask(t, Produce("times", id, 0, -1, stamped(milliseconds)), 12)).ErrorCode)
	}
	none := Create(t, c, "none")
	require.Zero(t, partitionOf(c.Ask(t, Produce("none", none, 0, -1, stamped(-1)), 12)).ErrorCode)
	for version := int16(1); version <= 11; version++ {
		for _, row := range []struct {
			what      string
			topic     string
			timestamp int64
			since     int16
			code      int16
			offset    int64
			time      int64
		}{
			{"latest", "times", -1, 1, 0, 4, -1},
			{"earliest", "times", -2, 1, 0, 0, -1},
			{"the largest time: its first offset", "times", -3, 7, 0, 1, 3000},
			{"earliest local", "times", -4, 8, 0, 0, -1},
			{"latest tiered", "times", -5, 9, 0, -1, -1},
			{"pending upload", "times", -6, 11, 0, -1, -1},
			{"-7", "times", -7, 1, unsupported, -1, -1},
			{"the least", "times", math.MinInt64, 1, unsupported, -1, -1},
			{"a time before all", "times", 0, 1, 0, 0, 1000},
			{"a time that is there", "times", 1000, 1, 0, 0, 1000},
			{"one between", "times", 1001, 1, 0, 1, 3000},
			{"the last", "times", 3000, 1, 0, 1, 3000},
			{"one after all", "times", 3001, 1, 0, -1, -1},
			{"the last there is", "times", math.MaxInt64, 1, 0, -1, -1},
			{"nothing: latest", "empty", -1, 1, 0, 0, -1},
			{"nothing: earliest", "empty", -2, 1, 0, 0, -1},
			{"nothing: largest", "empty", -3, 7, 0, -1, -1},
			{"nothing: a time", "empty", 5, 1, 0, -1, -1},
			{"no times: largest", "none", -3, 7, 0, 0, -1},
			{"an unknown topic", "nowhere", -1, 1, unknownTopic, -1, -1},
			{"a name that is none", "a/b", -1, 1, unknownTopic, -1, -1},
		} {
			if version < row.since {
				row.code, row.offset, row.time = unsupported, -1, -1
			}
			what := fmt.Sprintf("%s, v%d", row.what, version)
			got := c.Ask(t, Offsets(row.topic, 0, row.timestamp), version).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
			require.Equal(t, row.code, got.ErrorCode, what)
			require.Equal(t, row.offset, got.Offset, what)
			require.Equal(t, row.time, got.Timestamp, what)
			if version >= 4 {
				require.Equal(t, row.offset >= 0, got.LeaderEpoch >= 0, what)
			}
		}
	}
}

func TestBadListOffsets(t *testing.T) {
	c, _, _ := filled(t, start(t), "data")
	for version := int16(1); version <= 11; version++ {
		twice := Offsets("data", 0, -1)
		twice.Topics[0].Partitions = append(twice.Topics[0].Partitions, twice.Topics[0].Partitions[0])
		got := c.Ask(t, twice, version).(*kmsg.ListOffsetsResponse).Topics
		require.Len(t, got[0].Partitions, 1)
		require.EqualValues(t, invalidRequest, got[0].Partitions[0].ErrorCode)
		for _, partition := range []int32{1, -1, math.MaxInt32} {
			got := c.Ask(t, Offsets("data", partition, -1), version).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
			require.EqualValues(t, unknownTopic, got.ErrorCode)
			require.EqualValues(t, -1, got.Offset)
		}
		if version >= 2 {
			level := Offsets("data", 0, -1)
			level.IsolationLevel = 9
			require.EqualValues(t, invalidRequest, c.Ask(t, level, version).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
		}
		if version >= 4 {
			epoch := Offsets("data", 0, -1)
			epoch.Topics[0].Partitions[0].CurrentLeaderEpoch = 1000
			require.EqualValues(t, unknownEpoch, c.Ask(t, epoch, version).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
		}
	}
}

// TestTimesOfTheBroker: under LogAppendTime all records of a batch have the batch's time, so the first is found.
func TestTimesOfTheBroker(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "append", "message.timestamp.type", "LogAppendTime")
	for range 3 {
		got := partitionOf(c.Ask(t, Produce("append", id, 0, -1, Three()), 12))
		require.Zero(t, got.ErrorCode)
		for _, timestamp := range []int64{got.LogAppendTime, -3} {
			found := c.Ask(t, Offsets("append", 0, timestamp), 8).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
			require.Zero(t, found.ErrorCode)
			require.Zero(t, found.Offset%3, "the first of a batch")
			require.Equal(t, got.LogAppendTime, found.Timestamp)
		}
	}
}

// TestOldEpochsAreFenced: a restart begins a new epoch, and who still knows the old one has to ask again.
func TestOldEpochsAreFenced(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	_, id, _ := filled(t, n, "data")
	n.Stop(t)
	n = Start(t, binaryPath, dir)
	c := Dial(t, n)
	r := Fetch("data", id, 0, 0)
	r.Topics[0].Partitions[0].CurrentLeaderEpoch = 0
	require.EqualValues(t, fencedEpoch, fetched(c.Ask(t, r, 13)).ErrorCode)
	o := Offsets("data", 0, -1)
	o.Topics[0].Partitions[0].CurrentLeaderEpoch = 0
	require.EqualValues(t, fencedEpoch, c.Ask(t, o, 8).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
}
