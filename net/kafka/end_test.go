package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/net/kafka"
)

// codecs are all of them.
var codecs = []kafka.Codec{kafka.None, kafka.Gzip, kafka.Snappy, kafka.LZ4, kafka.Zstd}

// TestEveryCodec writes with each codec, idempotent and not, and reads back what was written, byte for byte.
func TestEveryCodec(t *testing.T) {
	ctx := within(t)
	reading := kafka.Default(broker)
	reading.FetchWaitMax = 10 * time.Millisecond
	c := newConsumer(t, reading)
	for _, codec := range codecs {
		for _, acks := range []int16{kafka.AcksAll, kafka.AcksLeader} {
			config := kafka.Default(broker)
			config.Codec, config.Acks, config.Idempotent = codec, acks, acks == kafka.AcksAll
			config.BatchBytes = 4 << 10
			topic := fmt.Sprintf("codec-%s-%d", codec, acks)
			var records []kafka.Record
			for i := range 500 {
				r := kafka.Record{Value: []byte(strings.Repeat(fmt.Sprint(i, " "), i%40)), Timestamp: int64(1 + i)}
				if i%3 == 0 {
					r.Key = fmt.Append(nil, i)
				}
				if i%7 == 0 {
					r.Value, r.Headers = nil, []kafka.Header{{Key: []byte("h"), Value: []byte{0xff}}, {Key: []byte("null")}}
				}
				records = append(records, r)
			}
			told, err := newProducer(t, config).SendSync(ctx, topic, 0, records...)
			require.NoError(t, err)
			require.Greater(t, len(told), 1, "there are several batches")
			c.Assign(topic, 0, kafka.Earliest)
			read := 0
			for r, err := range c.Records(ctx) {
				require.NoError(t, err)
				want := records[read]
				require.EqualValues(t, read, r.Offset)
				require.Equal(t, config.Idempotent, r.ProducerID >= 0)
				require.Equal(t, kafka.FetchedRecord{Offset: r.Offset, LeaderEpoch: r.LeaderEpoch, Timestamp: want.Timestamp,
					Attributes: int16(codec), ProducerEpoch: r.ProducerEpoch, ProducerID: r.ProducerID, Key: want.Key, Value: want.Value, Headers: want.Headers}, r.FetchedRecord)
				if read++; read == len(records) {
					break
				}
			}
			require.EqualValues(t, len(records), c.Position(topic, 0))
			c.Unassign(topic, 0)
		}
	}
}

// TestContextEndsALoop, though there is more to be read: that is there for the next one.
func TestContextEndsALoop(t *testing.T) {
	records := make([]kafka.Record, 300)
	_, err := newProducer(t, kafka.Default(broker)).SendSync(within(t), "endless", 0, records...)
	require.NoError(t, err)
	c := newConsumer(t, kafka.Default(broker))
	c.Assign("endless", 0, kafka.Earliest)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	read := 0
	for r, err := range c.Records(ctx) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		require.EqualValues(t, read, r.Offset)
		if read++; read == 10 {
			cancel()
		}
	}
	require.Equal(t, 10, read)
	require.EqualValues(t, 10, c.Position("endless", 0))
	_, err = c.Poll(ctx)
	require.ErrorIs(t, err, context.Canceled)
	f, err := c.Poll(within(t))
	require.NoError(t, err)
	require.EqualValues(t, 10, f.Records[0].Offset)
}

// TestAcksNone: nobody knows the offset, and the record arrives.
func TestAcksNone(t *testing.T) {
	ctx := within(t)
	config := kafka.Default(broker)
	config.Acks, config.Idempotent = kafka.AcksNone, false
	told, err := newProducer(t, config).SendSync(ctx, "unheard", 0, kafka.Record{Value: []byte("x")})
	require.NoError(t, err)
	require.EqualValues(t, -1, told[0].Offset)
	c := newConsumer(t, config)
	c.Assign("unheard", 0, 0)
	for record, err := range c.Records(ctx) { // which passes over what a topic answers that was made a moment ago
		require.NoError(t, err)
		require.Equal(t, "x", string(record.Value))
		return
	}
}

// TestPartitions: how many there are is asked of the cluster, and asking makes no topic.
func TestPartitions(t *testing.T) {
	ctx := within(t)
	c := newConsumer(t, kafka.Default(broker))
	for range 2 {
		_, err := c.Partitions(ctx, "nowhere")
		require.EqualError(t, err, "topic nowhere: UNKNOWN_TOPIC_OR_PARTITION")
	}
	_, err := newProducer(t, kafka.Default(broker)).SendSync(ctx, "somewhere", kafka.AnyPartition, kafka.Record{})
	require.NoError(t, err)
	count, err := c.Partitions(ctx, "somewhere")
	require.NoError(t, err)
	require.EqualValues(t, 1, count)
	require.NoError(t, c.Close(ctx))
	_, err = c.Partitions(ctx, "somewhere")
	require.ErrorIs(t, err, kafka.ErrClosed)
}

// TestTooFar: a position that is not in the log is an error if nothing else is asked for, and Seek mends it.
func TestTooFar(t *testing.T) {
	ctx := within(t)
	config := kafka.Default(broker)
	config.OffsetReset = kafka.ResetNone
	_, err := newProducer(t, config).SendSync(ctx, "short", 0, kafka.Record{})
	require.NoError(t, err)
	c := newConsumer(t, config)
	c.Assign("short", 0, 500)
	for _, err := range c.Records(ctx) {
		var failed *kafka.FetchError
		require.ErrorAs(t, err, &failed)
		require.True(t, failed.Fetched.Stopped)
		require.EqualError(t, err, "topic short partition 0 offset 500: OFFSET_OUT_OF_RANGE")
		break
	}
	require.NoError(t, c.Seek("short", 0, 0))
	for r, err := range c.Records(ctx) {
		require.NoError(t, err)
		require.EqualValues(t, 0, r.Offset)
		break
	}
}

// TestPausedFromElsewhere: one goroutine pauses and resumes while another reads, which gets each record once, in order.
func TestPausedFromElsewhere(t *testing.T) {
	ctx := within(t)
	const count = 2000
	config := kafka.Default(broker)
	config.BatchBytes, config.FetchWaitMax = 200, time.Millisecond
	config.FetchMaxBytes, config.PartitionFetchBytes = 3000, 1000
	told, err := newProducer(t, config).SendSync(ctx, "restless", 0, make([]kafka.Record, count)...)
	require.NoError(t, err)
	from := told[0].Offset
	c := newConsumer(t, config)
	c.Assign("restless", 0, from)
	var other sync.WaitGroup
	other.Go(func() {
		for range 1000 {
			if c.Pause("restless", 0) != nil || c.Resume("restless", 0) != nil {
				t.Error("it is assigned")
			}
		}
	})
	read := int64(0)
	for read < count {
		if read%3 == 0 {
			f, err := c.Poll(ctx)
			require.NoError(t, err)
			for _, r := range f.Records {
				require.Equal(t, from+read, r.Offset)
				read++
			}
			continue
		}
		for r, err := range c.Records(ctx) {
			require.NoError(t, err)
			require.Equal(t, from+read, r.Offset)
			if read++; read%3 == 0 || read == count {
				break
			}
		}
	}
	other.Wait()
	require.Equal(t, from+count, c.Position("restless", 0))
}

// TestReadsAsAModel does whatever a program may do with a Consumer of two partitions, and holds it against a program that
// keeps two numbers: each record comes in its turn, none twice, none of what is paused.
func TestReadsAsAModel(t *testing.T) {
	ctx := within(t)
	const count = 60
	p := newProducer(t, kafka.Default(broker))
	topics := []string{"model-a", "model-b"}
	for _, topic := range topics {
		for i := range count { // a batch each, of 100 bytes and more
			_, err := p.SendSync(ctx, topic, 0, kafka.Record{Value: bytes.Repeat([]byte{byte(i)}, 30), Timestamp: int64(10*i + 10)})
			require.NoError(t, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		config := kafka.Default(broker)
		config.FetchWaitMax = time.Millisecond
		config.FetchMaxBytes = rapid.SampledFrom([]int32{1, 300, 50 << 20}).Draw(t, "fetch bytes")
		config.PartitionFetchBytes = rapid.SampledFrom([]int32{1, 250, 1 << 20}).Draw(t, "partition fetch bytes")
		c, err := kafka.NewConsumer(config)
		require.NoError(t, err)
		defer c.Close(ctx)
		next, paused := map[string]int64{}, map[string]bool{}
		for _, topic := range topics {
			c.Assign(topic, 0, kafka.Earliest)
		}
		take := func(topic string, offset int64) {
			require.False(t, paused[topic], "%s is paused", topic)
			require.Equal(t, next[topic], offset, topic)
			next[topic]++
		}
		canRead := func() bool {
			for _, topic := range topics {
				if !paused[topic] && next[topic] < count {
					return true
				}
			}
			return false
		}
		for range rapid.IntRange(1, 30).Draw(t, "acts") {
			topic := rapid.SampledFrom(topics).Draw(t, "topic")
			switch rapid.SampledFrom([]string{"poll", "poll", "loop", "loop", "seek", "time", "assign", "pause", "resume"}).Draw(t, "act") {
			case "poll":
				if !canRead() {
					continue
				}
				f, err := c.Poll(ctx)
				require.NoError(t, err)
				for i := range f.Records {
					take(f.Topic, f.Records[i].Offset)
				}
				require.Equal(t, next[f.Topic], c.Position(f.Topic, 0))
			case "loop":
				left := rapid.IntRange(1, 4).Draw(t, "records")
				if !canRead() {
					continue
				}
				for r, err := range c.Records(ctx) {
					require.NoError(t, err)
					take(r.Topic, r.Offset)
					require.Equal(t, next[r.Topic], c.Position(r.Topic, 0))
					if left--; left == 0 || !canRead() {
						break
					}
					if rapid.IntRange(0, 9).Draw(t, "pause within") == 0 {
						require.NoError(t, c.Pause(r.Topic, 0))
						if paused[r.Topic] = true; !canRead() {
							break
						}
					}
				}
			case "seek":
				next[topic] = rapid.Int64Range(0, count-1).Draw(t, "to")
				require.NoError(t, c.Seek(topic, 0, next[topic]))
			case "time":
				at := rapid.Int64Range(0, 10*count).Draw(t, "at")
				next[topic] = max((at+9)/10-1, 0)
				require.NoError(t, c.SeekToTime(topic, 0, time.UnixMilli(at)))
			case "assign":
				next[topic], paused[topic] = 0, false
				c.Assign(topic, 0, kafka.Earliest)
			case "pause":
				paused[topic] = true
				require.NoError(t, c.Pause(topic, 0))
			case "resume":
				paused[topic] = false
				require.NoError(t, c.Resume(topic, 0))
			}
		}
	})
}
