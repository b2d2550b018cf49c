package main

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/seam"
	"rookery/core/wire"
)

// Many connections may bring a frame of kilobytes each that inflates to very much: few do so at once.
func TestFewInflateAtOnce(t *testing.T) {
	const connections, size = 120, 16 << 20
	var b batch.Builder
	b.Begin(batch.Plain(batch.Zstd))
	b.Add(1, nil, make([]byte, size), nil)
	produce := kmsg.NewPtrProduceRequest()
	produce.Version, produce.Acks = 9, -1
	topic, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	topic.Topic, partition.Records = "t", b.Finish()
	topic.Partitions = append(topic.Partitions, partition)
	produce.Topics = append(produce.Topics, topic)
	frame := wire.AppendRequest(nil, 1, "test", produce)[4:]
	require.Less(t, len(frame), 100<<10)

	synctest.Test(t, func(t *testing.T) {
		held := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		at := places()
		require.LessOrEqual(t, cap(at), inflatersMax)
		for range cap(at) { // others are at work
			at <- struct{}{}
		}
		take := intake(at, conn.Limits{}, func() seam.Mono { return 1 })
		before, inflated := held(), atomic.Int32{}
		for range connections {
			own := append([]byte(nil), frame...)
			go func() {
				request := take(own, nil).(*conn.Request)
				if request.Facts[0].Fault != batch.Fine || request.Facts[0].InflatedSize < size {
					t.Error(request.Facts[0])
				}
				inflated.Add(1)
			}()
		}
		synctest.Wait()
		require.Zero(t, inflated.Load(), "all wait for a place")
		waiting := held() - before
		require.Less(t, waiting, int64(connections*2<<20), "and none holds much of what it found out before it waits")
		<-at
		synctest.Wait()
		require.EqualValues(t, connections, inflated.Load(), "one place is enough, and is given back")
		require.Len(t, at, cap(at)-1)
		require.Less(t, held()-before, int64(size), "what inflated much is let go of")
		t.Log(waiting>>20, "MiB while they wait")
	})
}
