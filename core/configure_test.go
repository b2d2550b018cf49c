package core

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
)

// held steps as bench.step does, but keeps the Syncs of clients' partitions back; they are returned.
func (w *bench) held(in seam.Input) (held []seam.Sync) {
	w.heads = w.heads[:0]
	w.inputs = append(w.inputs, in)
	for len(w.inputs) > 0 {
		in, w.inputs = w.inputs[0], w.inputs[1:]
		w.now.Mono += 1000
		w.fx.Reset()
		w.broker.Step(w.now, in, &w.fx)
		kept := w.fx.Syncs[:0]
		for _, x := range w.fx.Syncs {
			if o := owner(x.Op); o != ownerBroker && o != metadataNumber {
				held = append(held, x)
			} else {
				kept = append(kept, x)
			}
		}
		w.fx.Syncs = kept
		w.act()
		if len(w.inputs) == 0 && w.fx.Alarm <= w.now.Mono {
			w.inputs = append(w.inputs, &seam.Alarm{})
		}
	}
	return held
}

func flushMessages(topic string, n int64) *kmsg.IncrementalAlterConfigsRequest {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Version = 1
	x := kmsg.NewIncrementalAlterConfigsRequestResource()
	x.ResourceType, x.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	value := strconv.FormatInt(n, 10)
	x.Configs = append(x.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "flush.messages", Value: &value})
	r.Resources = append(r.Resources, x)
	return r
}

const pageCache = 1<<63 - 1

// From page cache to durable: the high watermark stays, and acks=all waits for the disk, also that of a batch that was
// written before and is sent again.
func TestATopicComesToPromiseDurability(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	w.step(w.frame(flushMessages("t", pageCache)))
	p := w.broker.topics["t"].partitions[0]
	require.False(t, p.replica.Durable())

	first := oneBatch(2, 10, 5, 0)
	require.Empty(t, w.held(w.frame(produceRequest(-1, append([]byte(nil), first...)))))
	require.Len(t, w.heads, 1, "page cache is enough")
	require.EqualValues(t, 2, p.replica.High().Offset)
	require.Zero(t, p.replica.Log.Durable().Offset)

	syncs := w.held(w.frame(flushMessages("t", 1)))
	require.Len(t, w.heads, 1)
	require.True(t, p.replica.Durable())
	require.EqualValues(t, 2, p.replica.High().Offset, "what was visible stays visible")
	require.NotEmpty(t, syncs, "what is held is synced at once")
	require.Empty(t, w.held(w.frame(produceRequest(-1, append([]byte(nil), first...)))))
	require.Empty(t, w.heads, "sent again, it is answered when it is on the disk")
	require.Empty(t, w.held(w.frame(produceRequest(-1, oneBatch(1, 10, 5, 2)))), "one sync at a time")
	require.Empty(t, w.heads)

	answered := 0
	for len(syncs) > 0 {
		sync := syncs[0]
		syncs = append(syncs[1:], w.held(&seam.Synced{Op: sync.Op})...)
		answered += len(w.heads)
		require.LessOrEqual(t, p.replica.Log.Durable().Offset, p.replica.High().Offset)
	}
	require.Equal(t, 2, answered)
	require.EqualValues(t, 3, p.replica.Log.Durable().Offset)
	require.EqualValues(t, 3, p.replica.High().Offset)

	// And back: what waits for the disk need not any more.
	syncs = w.held(w.frame(produceRequest(-1, oneBatch(1, 10, 5, 3))))
	require.NotEmpty(t, syncs)
	require.Empty(t, w.heads)
	w.held(w.frame(flushMessages("t", pageCache)))
	require.Len(t, w.heads, 2)
	require.EqualValues(t, 4, p.replica.High().Offset)
}

// What was altered for brokers reaches every topic, however many partitions there are, before the answer.
func TestABrokersAlterationReachesEveryTopic(t *testing.T) {
	w := newBench(t)
	for i := range 3 {
		r := kmsg.NewPtrCreateTopicsRequest()
		r.Version = 7
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t"+strconv.Itoa(i), 1500, 1
		r.Topics = append(r.Topics, topic)
		w.step(w.frame(r))
	}
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Version = 1
	x := kmsg.NewIncrementalAlterConfigsRequestResource()
	x.ResourceType = kmsg.ConfigResourceTypeBroker
	for key, value := range map[string]string{"log.segment.bytes": "2000000", "log.flush.interval.messages": "7", "producer.id.expiration.ms": "5"} {
		x.Configs = append(x.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: &value})
	}
	r.Resources = append(r.Resources, x)
	began := w.now.Mono
	w.step(w.frame(r))
	require.Len(t, w.heads, 1)
	require.Less(t, w.now.Mono-began, seam.Millisecond, "in turns, but at once")
	require.Equal(t, 5*seam.Millisecond, w.broker.producerExpiry)
	for _, topic := range w.broker.topics {
		require.Len(t, topic.partitions, 1500)
		for _, p := range topic.partitions {
			require.EqualValues(t, 2000000, p.replica.Log.Config.SegmentBytes)
			require.EqualValues(t, 7, p.replica.FlushMessages)
		}
	}
	require.Zero(t, w.broker.turns.later.Len())
	for i := range x.Configs {
		x.Configs[i].Op, x.Configs[i].Value = kmsg.IncrementalAlterConfigOpDelete, nil
	}
	w.step(w.frame(r))
	require.True(t, w.broker.topics["t0"].partitions[1499].replica.Durable())
	require.Equal(t, w.broker.config.ProducerExpiry, w.broker.producerExpiry)
}

// An internal topic is durable whatever is altered.
func TestInternalTopicsStayDurable(t *testing.T) {
	w := newBench(t)
	w.createTopic("__consumer_offsets")
	w.step(w.frame(flushMessages("__consumer_offsets", pageCache)))
	require.Len(t, w.heads, 1)
	p := w.broker.topics["__consumer_offsets"].partitions[0]
	require.True(t, p.replica.Durable())
	require.True(t, p.topic.config.Durable())
}

// flush.ms: in a topic of the page cache a record is synced when it has been there that long, as far as somebody looks.
func TestARecordIsSyncedInTime(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	w.step(w.frame(flushMessages("t", pageCache)))
	r := flushMessages("t", 7000)
	r.Resources[0].Configs[0].Name = "flush.ms"
	w.step(w.frame(r))
	p := w.broker.topics["t"].partitions[0]
	w.step(w.frame(produceRequest(-1, oneBatch(1, 10, -1, 0))))
	began := w.now.Mono
	for p.replica.Log.Durable().Offset == 0 {
		require.Less(t, w.now.Mono-began, 7*seam.Second+2*w.broker.config.CheckpointEvery)
		w.now.Mono += seam.Second
		w.step(&seam.Alarm{})
	}
	require.GreaterOrEqual(t, w.now.Mono-began, 7*seam.Second)
	require.EqualValues(t, 1, p.replica.Log.Durable().Offset)
}
