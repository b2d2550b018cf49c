package kafka_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/client"
	"rookery/core/wire"
	"rookery/net/kafka"
)

// toy is a broker of one topic "t" with two partitions, kept in memory. Every so many answers it hangs up instead.
type toy struct {
	listener net.Listener
	address  string
	hangUp   int64
	answers  atomic.Int64

	mu    sync.Mutex
	parts [2][]byte // batches with their offsets
	ends  [2]int64
	last  [2]map[int64]toyBatch
}

// toyBatch is the newest batch of a producer.
type toyBatch struct {
	base  int64
	first int32
	end   int32
}

func newToy(t *testing.T, hangUp int64) *toy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &toy{listener: l, hangUp: hangUp, address: l.Addr().String(),
		last: [2]map[int64]toyBatch{{}, {}}}
	t.Cleanup(func() { _ = l.Close() })
	go b.accept()
	return b
}

func (b *toy) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		go b.serve(conn)
	}
}

func (b *toy) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var length [4]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		var h wire.Header
		body, _ := wire.ReadHeader(frame, &h)
		ask := kmsg.RequestForKey(h.Key)
		ask.SetVersion(h.Version)
		if ask.ReadFrom(body) != nil {
			return
		}
		answer := b.answer(ask)
		if b.hangUp > 0 && b.answers.Add(1)%b.hangUp == 0 {
			return
		}
		if _, err := conn.Write(wire.AppendResponse(nil, h.Correlation, answer)); err != nil {
			return
		}
	}
}

func (b *toy) answer(ask kmsg.Request) kmsg.Response {
	switch ask := ask.(type) {
	case *kmsg.ApiVersionsRequest:
		return wire.ApiVersions(ask.Version)
	case *kmsg.MetadataRequest:
		return b.metadata(ask)
	case *kmsg.InitProducerIDRequest:
		r := ask.ResponseKind().(*kmsg.InitProducerIDResponse)
		r.ProducerID = 5
		return r
	case *kmsg.ProduceRequest:
		return b.produce(ask)
	case *kmsg.FetchRequest:
		return b.fetch(ask)
	}
	r := ask.ResponseKind()
	r.SetVersion(ask.GetVersion())
	return r
}

func (b *toy) metadata(ask *kmsg.MetadataRequest) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.MetadataResponse)
	row := kmsg.NewMetadataResponseBroker()
	a := b.listener.Addr().(*net.TCPAddr)
	row.Host, row.Port = a.IP.String(), int32(a.Port)
	r.Brokers = append(r.Brokers, row)
	for _, asked := range ask.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.TopicID = asked.Topic, [16]byte{1}
		for i := range b.parts {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition = int32(i)
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

func (b *toy) produce(ask *kmsg.ProduceRequest) kmsg.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := ask.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range ask.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			rp.BaseOffset, rp.ErrorCode = b.append(p.Partition, p.Records)
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	return r
}

func (b *toy) append(number int32, records []byte) (int64, int16) {
	v := batch.View(slices.Clone(records))
	last, known := b.last[number][v.ProducerID()]
	switch {
	case known && last.first == v.BaseSequence() && last.end == v.LastSequence():
		return last.base, 0
	case known && v.BaseSequence() != last.end+1:
		return -1, int16(wire.OutOfOrderSequenceNumber)
	}
	base := b.ends[number]
	batch.Stamp(v, base, 0)
	b.last[number][v.ProducerID()] = toyBatch{base, v.BaseSequence(), v.LastSequence()}
	b.parts[number] = append(b.parts[number], v...)
	b.ends[number] += int64(v.Count())
	return base, 0
}

func (b *toy) fetch(ask *kmsg.FetchRequest) kmsg.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := ask.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range ask.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.HighWatermark = p.Partition, b.ends[p.Partition]
			for rest := b.parts[p.Partition]; len(rest) > 0; {
				v, behind, _ := batch.Next(rest)
				if rest = behind; v.LastOffset() >= p.FetchOffset && len(rp.RecordBatches) < int(p.PartitionMaxBytes) {
					rp.RecordBatches = append(rp.RecordBatches, v...)
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	return r
}

// quick is a configuration in which everything happens soon.
func quick(broker string) kafka.Config {
	config := kafka.Default(broker)
	config.Linger, config.BufferBytes, config.BatchBytes = 0, 4000, 1000
	config.FetchMaxBytes, config.FetchWaitMax = 3000, 10*time.Millisecond
	return config
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

type closer interface{ Close(context.Context) error }

// closed closes it when the test is over.
func closed[C closer](t testing.TB, c C, err error) C {
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

func newProducer(t testing.TB, config kafka.Config) *kafka.Producer {
	p, err := kafka.NewProducer(config)
	return closed(t, p, err)
}

func newConsumer(t testing.TB, config kafka.Config) *kafka.Consumer {
	c, err := kafka.NewConsumer(config)
	return closed(t, c, err)
}

func TestProduceAndConsume(t *testing.T) {
	for _, hangUp := range []int64{0, 7} {
		b := newToy(t, hangUp)
		p, c := newProducer(t, quick(b.address)), newConsumer(t, quick(b.address))
		ctx := within(t)
		told, err := p.SendSync(ctx, "t", 0, kafka.Record{Key: []byte("k"), Value: []byte("first")})
		require.NoError(t, err)
		require.EqualValues(t, 0, told[0].Offset)

		const writers, each = 4, 100
		var group sync.WaitGroup
		var delivered atomic.Int64
		for writer := range writers {
			group.Go(func() {
				for i := range each {
					r := []kafka.Record{{Value: fmt.Appendf(nil, "%d %03d", writer, i)}}
					err := p.Send(ctx, "t", 1, r, func(d kafka.Delivered, err error) {
						if err == nil {
							delivered.Add(int64(d.Count))
						}
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		require.NoError(t, p.Flush(ctx))
		require.EqualValues(t, writers*each, delivered.Load())

		seen := map[string][]string{}
		c.Assign("t", 1, 0)
		for read := 0; read < writers*each; {
			f, err := c.Poll(ctx)
			if f == nil {
				require.NoError(t, err)
			}
			for _, r := range f.Records {
				seen[string(r.Value[:1])] = append(seen[string(r.Value[:1])], string(r.Value))
			}
			read += len(f.Records)
		}
		for writer := range writers {
			values := seen[fmt.Sprint(writer)]
			require.Len(t, slices.Compact(values), each)
			require.True(t, slices.IsSorted(values))
		}
	}
}

// A Consumer that goes elsewhere, or nowhere, gives back what was fetched ahead for it.
func TestConsumeAgain(t *testing.T) {
	b := newToy(t, 0)
	p, c := newProducer(t, quick(b.address)), newConsumer(t, quick(b.address))
	ctx := within(t)
	for range 20 {
		_, err := p.SendSync(ctx, "t", 0, kafka.Record{Value: make([]byte, 900)})
		require.NoError(t, err)
	}
	for i := range 50 {
		c.Assign("t", 0, int64(i%3))
		f, err := c.Poll(ctx)
		require.NoError(t, err)
		require.EqualValues(t, i%3, f.Records[0].Offset)
		if i%5 == 0 {
			c.Unassign("t", 0)
			require.EqualValues(t, -1, c.Position("t", 0))
			require.Equal(t, &kafka.PartitionError{Topic: "t"}, c.Seek("t", 0, 0))
		}
	}
}

func TestCall(t *testing.T) {
	b := newToy(t, 0)
	c, err := kafka.Dial(quick(b.address))
	closed(t, c, err)
	ctx := within(t)
	answer, err := c.Call(ctx, client.Call{Request: kmsg.NewPtrDescribeClusterRequest(), To: client.AnyBroker})
	require.NoError(t, err)
	require.IsType(t, &kmsg.DescribeClusterResponse{}, answer.Response)
	_, err = c.Call(ctx, client.Call{Request: kmsg.NewPtrControlledShutdownRequest(), To: client.AnyBroker})
	require.ErrorContains(t, err, "does not speak")
	require.NoError(t, c.Close(ctx))
	_, err = c.Call(ctx, client.Call{Request: kmsg.NewPtrDescribeClusterRequest()})
	require.ErrorIs(t, err, kafka.ErrClosed)
}

func TestErrors(t *testing.T) {
	b := newToy(t, 0)
	config := quick(b.address)
	p, c := newProducer(t, config), newConsumer(t, config)
	ctx := within(t)
	_, err := p.SendSync(ctx, "t", 0, kafka.Record{Value: make([]byte, config.RequestBytesMax)})
	require.ErrorContains(t, err, "too large")
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = p.SendSync(short, "t", 9, kafka.Record{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, p.Close(short), context.DeadlineExceeded)
	require.ErrorIs(t, p.Flush(ctx), kafka.ErrClosed)
	require.ErrorIs(t, p.Send(ctx, "t", 0, make([]kafka.Record, 1), nil), kafka.ErrClosed)
	require.NoError(t, p.Send(ctx, "t", 0, nil, nil))

	_, err = c.Poll(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for _, err := range c.Records(short) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.NoError(t, c.Close(ctx))
	_, err = c.Poll(ctx)
	require.ErrorIs(t, err, kafka.ErrClosed)

	wrong := []func(*kafka.Config){
		func(c *kafka.Config) { c.Brokers = nil },
		func(c *kafka.Config) { c.Brokers = []string{"a:b"} },
		func(c *kafka.Config) { c.Brokers = []string{"a:1:2"} },
		func(c *kafka.Config) { c.Acks = kafka.AcksLeader },
		func(c *kafka.Config) { c.Codec = 5 },
	}
	for _, spoil := range wrong {
		config := kafka.Default("localhost", "[::1]", "a:1")
		spoil(&config)
		_, err := kafka.NewProducer(config)
		require.Error(t, err)
		_, err = kafka.NewConsumer(config)
		require.Error(t, err)
	}
}

// A partitioner's word counts, and what it sends nowhere is an error of that record alone.
func TestPartitionerOfOnesOwn(t *testing.T) {
	config := quick(newToy(t, 0).address)
	config.Partitioner = func(_ string, key []byte, _ int32) int32 { return int32(key[0] - '0') }
	p := newProducer(t, config)
	told, err := p.SendSync(within(t), "t", kafka.AnyPartition, kafka.Record{Key: []byte("1")}, kafka.Record{Key: []byte("7")})
	require.ErrorContains(t, err, "a partition that the topic does not have")
	slices.SortFunc(told, func(x, y kafka.Delivered) int { return int(x.Index - y.Index) })
	require.False(t, told[0].Failed())
	require.EqualValues(t, 1, told[0].Partition)
	require.True(t, told[1].Failed())
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	config := quick(l.Addr().String())
	config.DeliveryTimeout = 50 * time.Millisecond
	_, err = newProducer(t, config).SendSync(within(t), "t", 0, kafka.Record{})
	require.ErrorContains(t, err, "the time was up")
	c, err := kafka.Dial(config)
	closed(t, c, err)
	_, err = c.Call(within(t), client.Call{Request: kmsg.NewPtrDescribeClusterRequest(), To: client.AnyBroker, Timeout: 50})
	require.ErrorContains(t, err, "the time was up")
}
