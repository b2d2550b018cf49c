package outside

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Delete is a DeleteRecords of one partition.
func Delete(topic string, partition int32, offset int64) *kmsg.DeleteRecordsRequest {
	r := kmsg.NewPtrDeleteRecordsRequest()
	r.TimeoutMillis = 10_000
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: partition, Offset: offset})
	r.Topics = append(r.Topics, t)
	return r
}

func deletedUpTo(r kmsg.Response) (low int64, code int16) {
	p := r.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
	return p.LowWatermark, p.ErrorCode
}

func offsetOf(t *testing.T, c *Client, topic string, timestamp int64) int64 {
	t.Helper()
	p := c.Ask(t, Offsets(topic, 0, timestamp), 8).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	require.Zero(t, p.ErrorCode)
	return p.Offset
}

// TestDeleteRecords: what is deleted is out of range for Fetch, and ListOffsets knows where the log begins now, also
// after the process was killed. A start in the middle of a batch gives the whole batch to a reader.
func TestDeleteRecords(t *testing.T) {
	for version := int16(0); version <= 2; version++ {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			dir := t.TempDir()
			n := Start(t, binaryPath, dir)
			c, id, _ := filled(t, n, "data")
			for _, row := range []struct{ offset, low int64 }{{0, 0}, {4, 4}, {3, 4}, {4, 4}, {9, 9}} {
				low, code := deletedUpTo(c.Ask(t, Delete("data", 0, row.offset), version))
				require.Zero(t, code)
				require.Equal(t, row.low, low, "up to %d", row.offset)
			}
			begins := func(c *Client, start int64) {
				require.Equal(t, start, offsetOf(t, c, "data", -2))
				require.Equal(t, start, offsetOf(t, c, "data", -4))
				require.EqualValues(t, 15, End(t, c, "data", 0))
				require.EqualValues(t, offsetOutOfRange, fetched(c.Ask(t, Fetch("data", id, 0, start-1), 13)).ErrorCode)
				if start < 15 {
					got := fetched(c.Ask(t, Fetch("data", id, 0, start), 13))
					require.Zero(t, got.ErrorCode)
					require.Equal(t, start, got.LogStartOffset)
					var b kmsg.RecordBatch
					require.NoError(t, b.ReadFrom(got.RecordBatches))
					require.Equal(t, start/3*3, b.FirstOffset)
					require.Equal(t, start, offsetOf(t, c, "data", 1), "no time finds what is deleted")
				} else {
					require.EqualValues(t, -1, offsetOf(t, c, "data", 1))
					require.EqualValues(t, -1, offsetOf(t, c, "data", -3))
				}
			}
			begins(c, 9)
			low, code := deletedUpTo(c.Ask(t, Delete("data", 0, 10), version))
			require.Equal(t, []any{int64(10), int16(0)}, []any{low, code})
			begins(c, 10)
			n.Kill()
			n = Start(t, binaryPath, dir)
			c = Dial(t, n)
			Await(t, func() bool { return offsetOf(t, c, "data", -2) == 10 }, "the start outlives a kill")
			begins(c, 10)
			low, code = deletedUpTo(c.Ask(t, Delete("data", 0, -1), version))
			require.Equal(t, []any{int64(15), int16(0)}, []any{low, code})
			begins(c, 15)
			n.Stop(t)
			c = Dial(t, Start(t, binaryPath, dir))
			begins(c, 15)
			require.EqualValues(t, 15, partitionOf(c.Ask(t, Produce("data", id, 0, -1, Three()), 13)).BaseOffset, "offsets go on")
		})
	}
}

// TestBadDeleteRecords is each error that it has, and that nothing is deleted with it.
func TestBadDeleteRecords(t *testing.T) {
	c, _, _ := filled(t, start(t), "data")
	Create(t, c, "compacted", "cleanup.policy", "compact")
	Create(t, c, "both", "cleanup.policy", "compact,delete")
	Create(t, c, "neither", "cleanup.policy", "")
	for version := int16(0); version <= 2; version++ {
		for _, row := range []struct {
			topic     string
			partition int32
			offset    int64
			low       int64
			code      int16
		}{
			{"data", 0, 16, -1, offsetOutOfRange},
			{"data", 0, math.MaxInt64, -1, offsetOutOfRange},
			{"data", 0, -2, -1, offsetOutOfRange},
			{"data", 0, -7, -1, offsetOutOfRange},
			{"data", 1, 0, -1, unknownTopic},
			{"data", -1, 0, -1, unknownTopic},
			{"nowhere", 0, 0, -1, unknownTopic},
			{"a/b", 0, 0, -1, unknownTopic},
			{"__cluster_metadata", 0, 0, -1, unknownTopic},
			{"compacted", 0, 0, -1, policyViolation},
			{"both", 0, 0, 0, 0},
			{"neither", 0, 0, 0, 0},
		} {
			low, code := deletedUpTo(c.Ask(t, Delete(row.topic, row.partition, row.offset), version))
			require.Equal(t, []any{row.low, row.code}, []any{low, code}, "%s-%d up to %d, v%d", row.topic, row.partition, row.offset, version)
		}
	}
	require.Zero(t, offsetOf(t, c, "data", -2))
}

// TestProducersOutliveTheirRecords: after everything was deleted a duplicate is still known, and a gap is still one.
func TestProducersOutliveTheirRecords(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	c := Dial(t, n)
	id := Create(t, c, "data")
	send := func(sequence int32) kmsg.ProduceResponseTopicPartition {
		return partitionOf(c.Ask(t, Produce("data", id, 0, -1, From(77, 0, sequence, 2)), 13))
	}
	require.Zero(t, send(0).ErrorCode)
	require.Zero(t, send(2).ErrorCode)
	_, code := deletedUpTo(c.Ask(t, Delete("data", 0, -1), 2))
	require.Zero(t, code)
	again := func() {
		t.Helper()
		require.EqualValues(t, 2, send(2).BaseOffset, "where it was")
		require.EqualValues(t, 45, send(9).ErrorCode)
	}
	again()
	n.Stop(t)
	n = Start(t, binaryPath, dir)
	c = Dial(t, n)
	again()
	n.Kill()
	c = Dial(t, Start(t, binaryPath, dir))
	again()
	require.EqualValues(t, 4, send(4).BaseOffset)
}

// TestRetention: segments go whole and from the head, by size and by the time of their records, and their files with
// them; the active one too, when all that is in it is too old.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--set", "log.retention.check.interval.ms=20"}
	n := Start(t, binaryPath, dir, args...)
	c := Dial(t, n)
	for _, row := range []struct {
		topic   string
		configs []string
		times   int64 // of the records, before now
		start   func(start, end int64) bool
		files   int
	}{
		{"kept", []string{"retention.ms", "-1"}, 1 << 40, func(start, _ int64) bool { return start == 0 }, 10},
		{"young", []string{"retention.ms", "600000"}, 0, func(start, _ int64) bool { return start == 0 }, 10},
		{"small", []string{"retention.ms", "-1", "retention.bytes", "400"}, 0, func(start, _ int64) bool { return start == 15 }, 5},
		{"old", []string{"retention.ms", "600000"}, 700_000, func(start, end int64) bool { return start == end }, 1},
		{"none", []string{"retention.ms", "-1", "retention.bytes", "0"}, 0, func(start, end int64) bool { return start == end }, 1},
		{"compacted", []string{"cleanup.policy", "compact", "retention.ms", "1"}, 1000, func(start, _ int64) bool { return start == 0 }, 10},
	} {
		id := Create(t, c, row.topic, append(row.configs, "internal.segment.bytes", "100")...)
		for range 10 {
			require.Zero(t, partitionOf(c.Ask(t, Produce(row.topic, id, 0, -1, aged(row.times)), 13)).ErrorCode)
		}
		settled := func(c *Client) {
			t.Helper()
			var begins, ends int64
			var files int
			Await(t, func() bool {
				begins, ends, files = offsetOf(t, c, row.topic, -2), End(t, c, row.topic, 0), segmentsOf(t, dir, row.topic)
				return row.start(begins, ends) && files == row.files
			}, "%s begins at its place: %d of %d, %d segments", row.topic, &begins, &ends, &files)
		}
		settled(c)
		n.Kill()
		n = Start(t, binaryPath, dir, args...)
		c = Dial(t, n)
		settled(c)
		n.Stop(t)
		n = Start(t, binaryPath, dir, args...)
		c = Dial(t, n)
		settled(c)
		got := partitionOf(c.Ask(t, Produce(row.topic, id, 0, -1, aged(0)), 13))
		require.Zero(t, got.ErrorCode, row.topic)
		require.EqualValues(t, 30, got.BaseOffset)
	}
}

// aged is a batch of three records, some milliseconds old.
func aged(milliseconds int64) []byte {
	b := Three()
	for _, at := range []int{AtBaseTimestamp, AtMaxTimestamp} {
		old := int64(0)
		for i := range 8 {
			old = old<<8 | int64(b[at+i])
		}
		old = max(0, old-milliseconds)
		for i := range 8 {
			b[at+i] = byte(old >> (56 - 8*i))
		}
	}
	return Seal(b)
}

func segmentsOf(t *testing.T, dir, topic string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, topic+"-0"))
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".log") {
			n++
		}
	}
	return n
}

// TestStartsOfTopicsThatAreGone: a topic that is made again under the name of one that was deleted does not begin where
// that one did, though checkpoints spoke of it when both had gone.
func TestStartsOfTopicsThatAreGone(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	c, _, _ := filled(t, n, "data")
	_, code := deletedUpTo(c.Ask(t, Delete("data", 0, 14), 2))
	require.Zero(t, code)
	n.Kill()
	n = Start(t, binaryPath, dir)
	c = Dial(t, n)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.TopicNames, gone.TimeoutMillis = []string{"data"}, 10_000
	require.Zero(t, c.Ask(t, gone, 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	Await(t, func() bool {
		points, err := os.ReadFile(filepath.Join(dir, "recovery-point-offset-checkpoint"))
		return err == nil && len(points) > 0 && !strings.Contains(string(points), "\ndata 0")
	}, "the recovery points do not speak of it any more")
	id := Create(t, c, "data")
	require.Zero(t, partitionOf(c.Ask(t, Produce("data", id, 0, -1, Three()), 13)).ErrorCode)
	n.Kill()
	c = Dial(t, Start(t, binaryPath, dir))
	require.EqualValues(t, 3, End(t, c, "data", 0))
	require.EqualValues(t, 0, offsetOf(t, c, "data", -2))
}
