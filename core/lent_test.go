package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
)

func fetchRequest(topic string, offset int64, wait int32) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = 11, wait, 1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = offset, 1<<20, -1
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func deleteRequest(topics ...string) *kmsg.DeleteTopicsRequest {
	r := kmsg.NewPtrDeleteTopicsRequest()
	r.Version, r.TopicNames = 5, topics
	return r
}

// stepOn hands in a request of a connection that is opened for it.
func (w *bench) stepOn(id seam.Conn, r kmsg.Request) {
	if w.broker.conns.At(id) == nil {
		w.step(&seam.Opened{Conn: id, Host: "127.0.0.1", Port: 9092})
	}
	in := w.frame(r)
	in.Conn = id
	w.step(in)
}

// lentBench has an answer with a range of topic t that waits behind a long poll of topic idle; then t is deleted.
func lentBench(t *testing.T) *bench {
	w := newBench(t)
	w.createTopic("idle")
	w.createTopic("t")
	w.step(w.frame(produceRequest(-1, oneBatch(1, 100, -1, 0))))
	require.Len(t, w.heads, 1)
	w.stepOn(2, fetchRequest("idle", 0, 60_000))
	w.stepOn(2, fetchRequest("t", 0, 60_000))
	require.Empty(t, w.heads, "the second answer waits for the first")
	w.step(w.frame(deleteRequest("t")))
	require.Len(t, w.heads, 1, "a deletion is answered, whoever reads what is deleted")
	require.Zero(t, w.unlinked)
	return w
}

func TestHeldAnswerKeepsItsFiles(t *testing.T) {
	w := lentBench(t)
	produce := produceRequest(-1, oneBatch(1, 100, -1, 0))
	produce.Topics[0].Topic = "idle"
	w.step(w.frame(produce))
	require.Len(t, w.heads, 3)
	require.NotZero(t, w.unlinked)
	require.Empty(t, w.broker.lent)
	require.Empty(t, w.broker.removals)
}

func TestHangupGivesUpHeldAnswers(t *testing.T) {
	w := lentBench(t)
	w.step(&seam.Hangup{Conn: 2})
	require.NotZero(t, w.unlinked)
	require.Empty(t, w.broker.lent)
	require.Empty(t, w.broker.removals)
}
