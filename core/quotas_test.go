package core

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
)

// quotaRequest sets one quota for every client id.
func quotaRequest(key string, rate float64) *kmsg.AlterClientQuotasRequest {
	r := kmsg.NewPtrAlterClientQuotasRequest()
	r.Version = 1
	r.Entries = append(r.Entries, kmsg.AlterClientQuotasRequestEntry{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "client-id"}},
		Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: rate}},
	})
	return r
}

// A client that hangs up in the Step in which its fetch is answered is charged for that, but there is nobody to be muted.
func TestNobodyIsMutedWhoIsGone(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	w.step(w.frame(produceRequest(-1, oneBatch(1, 1000, -1, 0))))
	w.step(w.frame(quotaRequest("consumer_byte_rate", 10)))
	w.stepOn(2, fetchRequest("t", 0, 0))
	require.Len(t, w.heads, 1)
	w.stepOn(3, fetchRequest("t", 1, 1000))
	require.Empty(t, w.heads, "it waits")
	w.now.Mono += 2 * seam.Second
	w.step(&seam.Hangup{Conn: 3})
	require.Equal(t, 1, w.broker.muted.Len(), "the other one")
	w.now.Mono += 3600 * seam.Second
	w.step(&seam.Alarm{})
	require.Zero(t, w.broker.muted.Len())
}

// A produce of a client that has a quota, and stays below it, costs no memory either; and its next frame is read when it is
// written, not when it is on the disk.
func TestAQuotaAllocatesNothing(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	w.step(w.frame(quotaRequest("producer_byte_rate", 1<<40)))
	w.step(&seam.Opened{Conn: 2, Host: "127.0.0.1", Port: 9092})
	request := w.frame(produceRequest(-1, oneBatch(1, 100, -1, 0)))
	request.Conn = 2
	wrote, synced, sent := &seam.Wrote{}, &seam.Synced{}, &seam.Sent{Conn: 2}
	step := func(in seam.Input) {
		w.fx.Reset()
		w.broker.Step(w.now, in, &w.fx)
	}
	paid := int64(0)
	once := func() {
		step(request)
		wrote.Op, wrote.Bytes = w.fx.Writes[0].Op, int64(len(w.fx.Writes[0].Data))
		step(wrote)
		paid = w.fx.Reading[0].Bytes
		synced.Op = w.fx.Syncs[0].Op
		step(synced)
		sent.Op = w.fx.Replies[0].Op
		step(sent)
	}
	for range 100 {
		once()
	}
	require.Zero(t, testing.AllocsPerRun(1000, once))
	require.EqualValues(t, len(request.Frame)+4+seam.FrameCost, paid)
}

// Whoever has used up a quota does not have that forgotten by coming under more names than are remembered.
func TestDebtsAreNotForgotten(t *testing.T) {
	var all throttles
	now := seam.Now{Mono: seam.Second}
	debtor := bucketKey{quota: quotaProduce, users: true}
	require.Positive(t, all.bucket(now, debtor).Use(now.Mono, 1000, 1000))
	for i := range 3 * bucketsMax {
		all.bucket(now, bucketKey{quota: quotaProduce, client: strconv.Itoa(i)}).Use(now.Mono, 1, 1000)
	}
	require.Len(t, all.buckets, bucketsMax)
	require.Equal(t, bucketsMax, all.order.Len())
	require.Positive(t, all.bucket(now, debtor).Wait(now.Mono))
}

// Who was kept waiting is told by name, the longest first, a hundred at most.
func TestWhoeverWaitsIsToldOf(t *testing.T) {
	var all throttles
	now := seam.Now{Mono: seam.Second}
	for i := range clientsTold + 5 {
		a := all.bucket(now, bucketKey{quota: quotaFetch, client: strconv.Itoa(i)})
		for range i {
			a.throttled.note(seam.Second)
		}
	}
	all.bucket(now, bucketKey{quota: quotaProduce, users: true}).throttled.note(3600 * seam.Second)
	told := all.told(nil)
	require.Len(t, told, clientsTold)
	require.Equal(t, ThrottledClient{Throttled{"producer_byte_rate", 1, 3600 * seam.Second}, "ANONYMOUS", ""}, told[0])
	require.Equal(t, ThrottledClient{Throttled{"consumer_byte_rate", 104, 104 * seam.Second}, "", "104"}, told[1])
	require.Empty(t, new(throttles).told(told[:0]))
}

// A topic that is made because its metadata was asked for counts against controller_mutation_rate, too: a client beyond it
// gets none until that is paid.
func TestAutomaticTopicsHaveAQuota(t *testing.T) {
	w := newBench(t)
	w.step(w.frame(quotaRequest("controller_mutation_rate", 1)))
	asked := 0
	ask := func(n int) int {
		r := kmsg.NewPtrMetadataRequest()
		r.Version, r.AllowAutoTopicCreation = 9, true
		for range n {
			asked++
			r.Topics = append(r.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr("t" + strconv.Itoa(asked))})
		}
		before := w.broker.image.TopicCount()
		w.step(w.frame(r))
		answer := kmsg.NewPtrMetadataResponse()
		w.decode(r, answer)
		for i := range answer.Topics {
			require.EqualValues(t, 3, answer.Topics[i].ErrorCode)
		}
		require.Zero(t, answer.ThrottleMillis)
		return w.broker.image.TopicCount() - before
	}
	made := ask(100)
	require.Greater(t, made, 0)
	require.Less(t, made, 20, "ten seconds' worth, and what overdraws it")
	require.Zero(t, ask(10))
	w.now.Mono += 5 * seam.Second
	w.step(&seam.Alarm{})
	more := ask(100)
	require.Greater(t, more, 3)
	require.Less(t, more, 10)
}

// An id is as long as a client likes; what is kept of it is not.
func TestLongClientIDsShareNoMemory(t *testing.T) {
	w := newBench(t)
	w.step(w.frame(quotaRequest("producer_byte_rate", 1<<40)))
	c := w.broker.conns.At(1)
	id := []byte(strings.Repeat("x", 32_000))
	first := w.broker.meter(w.now, c, quotaProduce, id).bucket
	require.LessOrEqual(t, len(c.meters[quotaProduce].client), 200)
	require.Same(t, first, w.broker.meter(w.now, c, quotaProduce, id).bucket)
	id[31_999] = 'y'
	require.NotSame(t, first, w.broker.meter(w.now, c, quotaProduce, id).bucket)
	for key := range w.broker.quotas.buckets {
		require.LessOrEqual(t, len(key.client), 200)
	}
}

// Who has used nothing of it waits for nothing, however low the quota is.
func TestAQuotaOfNextToNothing(t *testing.T) {
	w := newBench(t)
	w.step(w.frame(quotaRequest("controller_mutation_rate", 0.0005)))
	ask := func(validate bool) *kmsg.CreateTopicsResponse {
		r := kmsg.NewPtrCreateTopicsRequest()
		r.Version, r.ValidateOnly = 7, validate
		one := kmsg.NewCreateTopicsRequestTopic()
		one.Topic, one.NumPartitions, one.ReplicationFactor = "t", 1, 1
		r.Topics = append(r.Topics, one)
		w.step(w.frame(r))
		answer := kmsg.NewPtrCreateTopicsResponse()
		answer.SetVersion(7)
		require.NoError(t, answer.ReadFrom(w.heads[0][9:]))
		return answer
	}
	require.Zero(t, ask(true).Topics[0].ErrorCode)
	require.Zero(t, ask(false).Topics[0].ErrorCode)
}
