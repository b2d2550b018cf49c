package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// keyed fills a topic with records of which --keys are different by their key, over and over, in the batches of a client
// library: it is no measurement, but what a compaction has before it. Values do not compress.
func keyed(o *options) (*result, error) {
	leaders, err := ensureTopic(o)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(leaders[0]), kgo.DisableClientMetrics(), kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite(),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(900<<10), kgo.MaxBufferedRecords(100_000),
		kgo.DefaultProduceTopic(o.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	random := rand.NewChaCha8([32]byte{1})
	value := make([]byte, o.recordBytes)
	random.Read(value)
	var failed atomic.Pointer[error]
	r := &result{Mode: o.mode}
	began := time.Now()
	for i := int64(0); r.Bytes < o.bytes && failed.Load() == nil; i++ {
		key := binary.BigEndian.AppendUint64(nil, uint64(i%o.keys))
		client.Produce(context.Background(), &kgo.Record{Key: key, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		r.Records++
		r.Bytes += int64(len(key) + len(value))
	}
	if err := client.Flush(context.Background()); err != nil {
		return nil, err
	}
	if err := failed.Load(); err != nil {
		return nil, fmt.Errorf("produce: %w", *err)
	}
	r.Seconds = time.Since(began).Seconds()
	r.MBPerSecond, r.RecordsPerSec = float64(r.Bytes)/1e6/r.Seconds, float64(r.Records)/r.Seconds
	return r, nil
}
