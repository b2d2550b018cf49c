package core

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/seam"
)

// bombs is a produce of so many small batches that are large ones when uncompressed, and a topic that wants them so.
func bombs(w *world, c *client, n, size int) {
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	topic, kind, codec := kmsg.NewCreateTopicsRequestTopic(), kmsg.NewCreateTopicsRequestTopicConfig(), "uncompressed"
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", int32(n), 1
	kind.Name, kind.Value = "compression.type", &codec
	topic.Configs = append(topic.Configs, kind)
	create.Topics = append(create.Topics, topic)
	w.send(c, create)
	w.stabilize()
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	b.Add(int64(w.now.Wall), nil, make([]byte, size), nil)
	small := new(batch.Rewriter).Append(nil, b.Finish(), batch.Zstd, 3)
	r := produceRequest(-1, nil)
	r.Topics[0].Partitions = nil
	for i := range n {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), slices.Clone(small)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
	}
	w.send(c, r)
}

func (w *world) oldest(kind string) *task {
	if i := slices.IndexFunc(w.asked, func(t *task) bool { return t.kind == kind && w.before(t) == nil }); i >= 0 {
		return w.asked[i]
	}
	return nil
}

// A frame of a few bytes may be very many when it is rewritten: they are never in memory all at once. One batch that is larger
// than all that there is room for is rewritten all the same.
func TestRewritesAreBounded(t *testing.T) {
	for _, frameBytes := range []int64{100_000, 400} {
		w := newWorld(t)
		w.config.FrameBytes = frameBytes
		w.start()
		w.stabilize()
		c := w.dial("")
		const n, size = 60, 5000
		bombs(w, c, n, size)
		own := w.broker.frames
		require.Less(t, own, int64(n*size/10))
		for most := int64(0); ; {
			x := w.oldest("rewrite")
			if x == nil {
				x = w.oldest("write")
			}
			if x == nil {
				break
			}
			w.comeBack(x, seam.OK, 0)
			most = max(most, w.broker.frames-own)
			require.LessOrEqual(t, most, max(frameBytes/rewriteShare, size+100))
		}
		w.stabilize()
		require.Len(t, c.got, 2)
		for _, p := range c.got[1].response.(*kmsg.ProduceResponse).Topics[0].Partitions {
			require.Zero(t, p.ErrorCode)
		}
		require.Zero(t, w.broker.frames)
		require.Zero(t, w.broker.rewrites.bytes)
	}
}

// What waits to be rewritten when its client goes, or when the broker stops, waits no more.
func TestRewritesOfTheGone(t *testing.T) {
	for _, stop := range []bool{false, true} {
		w := newWorld(t)
		w.config.FrameBytes = 100_000
		w.start()
		w.stabilize()
		c := w.dial("")
		bombs(w, c, 60, 5000)
		for x := w.oldest("rewrite"); x != nil; x = w.oldest("rewrite") {
			w.comeBack(x, seam.OK, 0)
		}
		require.NotZero(t, w.broker.rewrites.waiting.Len())
		if stop {
			w.step("stop", &seam.Stop{})
		} else {
			w.hangup(c)
			w.comeBack(w.oldest("hangup"), seam.OK, 0)
		}
		w.stabilize()
		require.Zero(t, w.broker.rewrites.waiting.Len())
		require.Zero(t, w.broker.frames)
		require.Equal(t, stop, w.broker.phase == phaseStopped)
	}
}
