package main

import (
	"runtime"
	"sync"
	"testing"

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

	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	take := intake(conn.Limits{}, func() seam.Mono { return 1 })
	done, most := make(chan struct{}), uint64(0)
	var all, watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				runtime.GC() // what is held counts, and not what a machine with other things to do has not collected yet
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	})
	for range connections {
		own := append([]byte(nil), frame...)
		all.Go(func() {
			request := take(own, nil).(*conn.Request)
			if request.Facts[0].Fault != batch.Fine || request.Facts[0].InflatedSize < size {
				t.Error(request.Facts[0])
			}
		})
	}
	all.Wait()
	close(done)
	watch.Wait()
	require.Less(t, int64(most)-int64(before.HeapAlloc), int64(connections*size/2), "half of what all would have")
	t.Log(int64(most-before.HeapAlloc)>>20, "MiB at most")
}
