package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

func fetchOf(topic string, offset int64) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MaxBytes, r.MinBytes, r.MaxWaitMillis = 12, 1<<20, 1, 500
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = offset, 1<<20, -1
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func (w *bench) status() (s Status) {
	w.broker.Status(&s)
	return s
}

func TestStatus(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	records := oneBatch(3, 100, -1, 0)
	w.step(w.frame(produceRequest(-1, records)))
	w.step(w.frame(produceRequest(-1, records[:len(records)-1])))
	w.step(w.frame(fetchOf("t", 0)))
	w.step(w.frame(fetchOf("t", 99)))
	w.step(w.frame(fetchOf("nowhere", 0)))
	want := Traffic{Records: 3, BytesIn: int64(len(records)), BytesOut: int64(len(records)), Produces: 2, Fetches: 3, FailedProduces: 1}
	s := w.status()
	require.Equal(t, want, s.Traffic)
	require.True(t, s.Ready)
	require.Equal(t, []int{1, 1, 2, 0, 0}, []int{s.Conns, s.Topics, s.Partitions, s.Fetches, s.Produces})
	require.Equal(t, []int64{0, 0, 0}, []int64{s.Frames, s.Replies, s.Unsynced[0]}, "nothing is in flight, so no budget is in use")
	require.ElementsMatch(t, []Refusal{
		{wire.KeyProduce, wire.InvalidRecord, 1}, {wire.KeyFetch, wire.OffsetOutOfRange, 1}, {wire.KeyFetch, wire.UnknownTopicOrPartition, 1},
	}, s.Refusals)

	rows, next := w.broker.PartitionStatuses(0, 10, nil)
	require.Zero(t, next)
	require.Len(t, rows, 1)
	want.Fetches = 2 // the topic that is not there is nobody's
	require.Equal(t, want, rows[0].Traffic)
	require.Equal(t, []int64{0, 3, 3, 3, int64(len(records))}, []int64{rows[0].Start, rows[0].High, rows[0].Durable, rows[0].End, rows[0].Bytes})
	require.Equal(t, 1, rows[0].Segments)

	w.step(w.frame(fetchOf("t", 3)))
	require.Equal(t, 1, w.status().Fetches, "parked at the end")
}

// TestStatusOfManyPartitions goes through them in pages: none is left out, none comes twice.
func TestStatusOfManyPartitions(t *testing.T) {
	w := newBench(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		w.createTopic(name)
	}
	for limit := 1; limit < 7; limit++ {
		var names []string
		for rows, next, first := []PartitionStatus(nil), uint32(0), true; first || next != 0; first = false {
			rows, next = w.broker.PartitionStatuses(next, limit, rows[:0])
			for _, row := range rows {
				names = append(names, row.Topic)
			}
		}
		require.ElementsMatch(t, []string{"a", "b", "c", "d", "e"}, names)
	}
}

// TestStatusOfTheDeleted: a topic that is deleted while an answer waits to bring what it had is not told of, nor another of its
// name twice.
func TestStatusOfTheDeleted(t *testing.T) {
	w := lentBench(t)
	rows, _ := w.broker.PartitionStatuses(0, 10, nil)
	require.Len(t, rows, 1)
	require.Equal(t, "idle", rows[0].Topic)
	w.createTopic("t")
	rows, _ = w.broker.PartitionStatuses(0, 10, rows[:0])
	require.Len(t, rows, 2)
	require.Equal(t, []string{"idle", "t"}, []string{rows[0].Topic, rows[1].Topic})
	require.Zero(t, rows[1].End)
}

// TestBudgetOfReplies is in use from a Reply to its Sent.
func TestBudgetOfReplies(t *testing.T) {
	w := newBench(t)
	w.fx.Reset()
	w.broker.Step(w.now, w.frame(kmsg.NewPtrMetadataRequest()), &w.fx)
	require.Equal(t, int64(len(w.fx.Replies[0].Head)), w.status().Replies)
	sent := seam.Sent{Op: w.fx.Replies[0].Op, Conn: 1}
	w.fx.Reset()
	w.broker.Step(w.now, &sent, &w.fx)
	require.Zero(t, w.status().Replies)
}
