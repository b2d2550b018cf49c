package wire_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// noAllocations fails a benchmark whose step allocates once its memory has grown.
func noAllocations(b *testing.B, step func()) {
	step()
	require.Zero(b, testing.AllocsPerRun(20, step))
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func BenchmarkReadProduce(b *testing.B) {
	for _, partitions := range []int{1, 10} {
		r := kmsg.NewPtrProduceRequest()
		r.Version, r.Acks = 9, -1
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "packages"
		for range partitions {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Records = make([]byte, 1000)
			topic.Partitions = append(topic.Partitions, p)
		}
		r.Topics = append(r.Topics, topic)
		body := r.AppendTo(nil)
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			var into wire.ProduceRequest
			noAllocations(b, func() { wire.ReadProduce(body, 9, &into) })
		})
	}
}

func BenchmarkAppendProduceResponse(b *testing.B) {
	for _, partitions := range []int{1, 10} {
		results := make([]wire.ProduceResult, partitions)
		for i := range results {
			results[i] = wire.ProduceResult{Topic: []byte("packages"), Index: int32(i), BaseOffset: 77, LogAppendTime: -1}
		}
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			var dst []byte
			noAllocations(b, func() { dst = wire.AppendProduceResponse(dst[:0], 9, 1, 0, results) })
		})
	}
}

func BenchmarkReadFetch(b *testing.B) {
	for _, partitions := range []int{1, 10} {
		r := kmsg.NewPtrFetchRequest()
		r.Version = 12
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic = "packages"
		for range partitions {
			topic.Partitions = append(topic.Partitions, kmsg.NewFetchRequestTopicPartition())
		}
		r.Topics = append(r.Topics, topic)
		body := r.AppendTo(nil)
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			var into wire.FetchRequest
			noAllocations(b, func() { wire.ReadFetch(body, 12, &into) })
		})
	}
}

func BenchmarkFetchHead(b *testing.B) {
	for _, partitions := range []int{1, 10} {
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			var head wire.FetchHead
			var dst []byte
			name := []byte("packages")
			fetched := wire.FetchedPartition{HighWatermark: 9, LastStableOffset: 9, AbortedNull: true, RecordsSize: 65536}
			noAllocations(b, func() {
				head.Begin(dst[:0], 12, 1, 0, wire.None, 0, 1)
				head.Topic(name, [16]byte{}, partitions)
				for i := range partitions {
					fetched.Index = int32(i)
					head.Partition(&fetched)
				}
				dst = head.End()
			})
		})
	}
}
