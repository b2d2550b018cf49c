package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/seam"
	"rookery/core/wire"
)

// sessionOf makes a topic of so many partitions and a session that has been told of all of them.
func sessionOf(t testing.TB, w *bench, partitions int) (next *kmsg.FetchRequest) {
	w.createTopicOf("t", int32(partitions))
	r := fetchRequest("t", 0, 0)
	r.SessionEpoch = 0
	part := r.Topics[0].Partitions[0]
	r.Topics[0].Partitions = nil
	for i := range partitions {
		part.Partition = int32(i)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, part)
	}
	w.stepOn(2, r)
	next = fetchRequest("t", 0, 0)
	next.SessionID, next.SessionEpoch, next.Topics = answerOf(t, w, 0).SessionID, 1, nil
	require.NotZero(t, next.SessionID)
	return next
}

func answerOf(t testing.TB, w *bench, i int) *kmsg.FetchResponse {
	require.Greater(t, len(w.heads), i)
	r := kmsg.NewPtrFetchResponse()
	r.Version = 11
	require.NoError(t, r.ReadFrom(w.heads[i][8:]))
	return r
}

func (w *bench) produceTo(partition int32) {
	produce := produceRequest(-1, oneBatch(1, 10, -1, 0))
	produce.Topics[0].Partitions[0].Partition = partition
	w.step(w.frame(produce))
}

// A fetch of a session of many partitions: what it does is bounded, Step by Step, when it comes, when it is woken, when it
// is over, and when its client goes; and only what is new is told.
func TestSessionStepsAreBounded(t *testing.T) {
	const partitions = 7_000
	config := DefaultConfig()
	w := newBenchOf(t, config)
	next := sessionOf(t, w, partitions)
	next.MaxWaitMillis = 60_000
	w.steps, w.most = 0, 0
	w.stepOn(2, next)
	require.Empty(t, w.heads, "it waits")
	for i := range w.broker.fetches {
		require.Empty(t, w.broker.fetches[i].Parts, "what is quiet is not looked at again, nor kept")
	}
	require.GreaterOrEqual(t, w.steps, partitions/config.StepItems)

	w.steps = 0
	w.produceTo(4711)
	require.GreaterOrEqual(t, w.steps, partitions/config.StepItems)
	require.Len(t, w.heads, 2)
	answer := answerOf(t, w, 1)
	require.Len(t, answer.Topics, 1)
	require.Len(t, answer.Topics[0].Partitions, 1, "one has news")
	require.EqualValues(t, 4711, answer.Topics[0].Partitions[0].Partition)
	require.EqualValues(t, 1, answer.Topics[0].Partitions[0].HighWatermark)

	moved := fetchRequest("t", 1, 60_000)
	moved.Topics[0].Partitions[0].Partition = 4711
	moved.SessionID, moved.SessionEpoch = next.SessionID, 2
	w.stepOn(2, moved)
	require.Empty(t, w.heads)
	w.now.Mono += 61 * seam.Second
	w.step(&seam.Alarm{})
	require.Empty(t, answerOf(t, w, 0).Topics, "a time-out with nothing new")

	next.SessionEpoch = 3
	w.stepOn(2, next)
	w.step(&seam.Hangup{Conn: 2})
	require.Zero(t, w.view().Fetches)
	next.SessionEpoch = 4
	w.produceTo(4711)
	w.stepOn(3, next)
	require.EqualValues(t, 4711, answerOf(t, w, 0).Topics[0].Partitions[0].Partition, "a session belongs to no connection")
	require.LessOrEqual(t, w.most, 10*config.StepItems+60)
}

// A session of which several turns are needed is overtaken in the middle of them: the first request is told so, the second
// one is answered.
func TestOvertakenInTurns(t *testing.T) {
	config := DefaultConfig()
	config.StepItems = 10
	w := newBenchOf(t, config)
	next := sessionOf(t, w, 200)
	w.step(&seam.Opened{Conn: 3, Host: "127.0.0.1", Port: 9092})
	first, second := w.frame(next), *next
	second.SessionEpoch, second.Topics = 2, fetchRequest("t", 0, 0).Topics
	second.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{1, 3, 5, 7}}}
	first.Conn = 2
	other := w.frame(&second)
	other.Conn = 3
	w.inputs = append(w.inputs, first, other)
	w.step(&seam.Alarm{})
	require.Len(t, w.heads, 2)
	require.Equal(t, []int16{int16(wire.InvalidFetchSessionEpoch), 0}, []int16{answerOf(t, w, 0).ErrorCode, answerOf(t, w, 1).ErrorCode})
	require.Equal(t, next.SessionID, answerOf(t, w, 0).SessionID)
	status := Status{}
	w.broker.Status(&status)
	require.Equal(t, FetchSessions{Count: 1, Partitions: 196}, status.Sessions)
}

// Records that come to a partition which a fetch of its session has looked at, and found quiet, while it still looks at the
// others: they are not slept through.
func TestStirredInTurns(t *testing.T) {
	config := DefaultConfig()
	config.StepItems = 10
	w := newBenchOf(t, config)
	next := sessionOf(t, w, 200)
	next.MaxWaitMillis = 60_000
	produce := produceRequest(-1, oneBatch(1, 10, -1, 0))
	fetch, first := w.frame(next), w.frame(produce)
	fetch.Conn = 2
	w.inputs = append(w.inputs, fetch, first)
	w.step(&seam.Alarm{})
	require.Len(t, w.heads, 2)
	answer := answerOf(t, w, 1)
	require.EqualValues(t, 0, answer.Topics[0].Partitions[0].Partition)
	require.NotEmpty(t, answer.Topics[0].Partitions[0].RecordBatches)
}

// A fetch in steady state costs no memory: one of a session of many partitions, which names none of them, and one of no
// session.
func BenchmarkFetch(b *testing.B) {
	for name, session := range map[string]bool{"session of 100": true, "one partition": false} {
		b.Run(name, func(b *testing.B) {
			w := newBench(b)
			next := sessionOf(b, w, 100)
			if !session {
				next = fetchRequest("t", 0, 0)
			}
			request, sent := w.frame(next), &seam.Sent{Conn: 1}
			once := func() {
				w.fx.Reset()
				w.broker.Step(w.now, request, &w.fx)
				sent.Op = w.fx.Replies[0].Op
				w.fx.Reset()
				w.broker.Step(w.now, sent, &w.fx)
				if session {
					request.Body.(*conn.Request).Fetch.SessionEpoch++
				}
			}
			for range 100 {
				once()
			}
			if n := testing.AllocsPerRun(1000, once); n != 0 {
				b.Fatalf("%v allocations a fetch", n)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				once()
			}
			status := Status{}
			if w.broker.Status(&status); session && len(status.Refusals) > 0 {
				b.Fatal(status.Refusals)
			}
		})
	}
}

// A session by ids whose topic was deleted, and made again with fewer partitions: what the new one has is inconsistent, what
// it has not is unknown (KIP-516).
func TestTopicMadeAgainUnderASession(t *testing.T) {
	w := newBenchOf(t, DefaultConfig())
	w.createTopicOf("t", 2)
	r := fetchRequest("t", 0, 0)
	r.Version, r.SessionEpoch, r.Topics[0].TopicID = 13, 0, w.broker.topics["t"].id
	other := r.Topics[0].Partitions[0]
	other.Partition = 1
	r.Topics[0].Partitions = append(r.Topics[0].Partitions, other)
	codes := func() (id int32, codes []int16) {
		w.stepOn(2, r)
		require.Len(t, w.heads, 1)
		answer := kmsg.NewPtrFetchResponse()
		answer.Version = 13
		require.NoError(t, answer.ReadFrom(w.heads[0][9:]))
		require.Len(t, answer.Topics, 1)
		for _, p := range answer.Topics[0].Partitions {
			codes = append(codes, p.ErrorCode)
		}
		return answer.SessionID, codes
	}
	id, _ := codes()
	require.NotZero(t, id)
	w.step(w.frame(deleteRequest("t")))
	w.createTopicOf("t", 1)
	r.SessionID, r.SessionEpoch, r.Topics = id, 1, nil
	_, got := codes()
	require.Equal(t, []int16{int16(wire.InconsistentTopicID), int16(wire.UnknownTopicOrPartition)}, got)
}
