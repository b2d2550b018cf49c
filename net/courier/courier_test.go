package courier_test

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
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/net/courier"
	"rookery/net/dial"
)

// toy is a broker of one topic "t" with two partitions, kept in memory. Every so many answers it hangs up instead.
type toy struct {
	listener net.Listener
	address  seam.Address
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
	a := l.Addr().(*net.TCPAddr)
	b := &toy{listener: l, hangUp: hangUp, address: seam.Address{Kind: seam.ToPeer, Host: a.IP.String(), Port: int32(a.Port)},
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
	row.Host, row.Port = b.address.Host, b.address.Port
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

// newCourier is a courier over real links.
func newCourier(t *testing.T, config client.Config) *courier.Courier {
	c := courier.New(courier.Config{Client: config, Links: func(mail courier.Mailbox) courier.Links {
		links := dial.New(dial.Config{BackOffMin: time.Millisecond, BackOffMax: 10 * time.Millisecond})
		links.Bind(mail)
		return links
	}})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

func quick(address seam.Address) client.Config {
	config := client.DefaultConfig(address)
	config.RetryBackoff, config.ReconnectBackoff, config.Linger = seam.Millisecond, seam.Millisecond, 0
	config.BufferBytes, config.BatchBytes = 4000, 1000
	config.FetchMaxBytes, config.FetchWaitMax = 3000, 10*seam.Millisecond
	return config
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestProduceAndConsume(t *testing.T) {
	for _, hangUp := range []int64{0, 7} {
		b := newToy(t, hangUp)
		c := newCourier(t, quick(b.address))
		ctx := within(t)
		told, err := c.Produce(ctx, "t", 0, client.Record{Key: []byte("k"), Value: []byte("first")})
		require.NoError(t, err)
		require.EqualValues(t, 0, told[0].Offset)

		const writers, each = 4, 100
		var group sync.WaitGroup
		var delivered atomic.Int64
		for writer := range writers {
			group.Go(func() {
				for i := range each {
					r := []client.Record{{Value: fmt.Appendf(nil, "%d %03d", writer, i)}}
					err := c.Send(ctx, "t", 1, r, func(d client.Delivered) {
						if !d.Failed() {
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
		require.NoError(t, c.Flush(ctx))
		require.EqualValues(t, writers*each, delivered.Load())

		seen := map[string][]string{}
		for f, err := range c.Consume(ctx, client.Assign{Topic: "t", Partition: 1, Offset: 0}) {
			require.NoError(t, err)
			for _, r := range f.Records {
				seen[string(r.Value[:1])] = append(seen[string(r.Value[:1])], string(r.Value))
			}
			if f.End {
				break
			}
		}
		for writer := range writers {
			values := seen[fmt.Sprint(writer)]
			require.Len(t, slices.Compact(values), each)
			require.True(t, slices.IsSorted(values))
		}
	}
}

func TestConsumeAgain(t *testing.T) {
	b := newToy(t, 0)
	c := newCourier(t, quick(b.address))
	ctx := within(t)
	for range 20 {
		_, err := c.Produce(ctx, "t", 0, client.Record{Value: make([]byte, 900)})
		require.NoError(t, err)
	}
	for range 50 { // a loop that is left early gives back what it had asked for
		for f, err := range c.Consume(ctx, client.Assign{Topic: "t", Offset: 0}) {
			require.NoError(t, err)
			require.EqualValues(t, 0, f.Records[0].Offset)
			break
		}
	}
}

func TestCallAndErrors(t *testing.T) {
	b := newToy(t, 0)
	config := quick(b.address)
	c := newCourier(t, config)
	ctx := within(t)
	answer, err := c.Call(ctx, client.Call{Request: kmsg.NewPtrDescribeClusterRequest(), To: client.AnyBroker})
	require.NoError(t, err)
	require.IsType(t, &kmsg.DescribeClusterResponse{}, answer.Response)
	_, err = c.Call(ctx, client.Call{Request: kmsg.NewPtrHeartbeatRequest(), To: client.AnyBroker})
	require.ErrorContains(t, err, "does not speak")

	_, err = c.Produce(ctx, "t", 0, client.Record{Value: make([]byte, config.RequestBytesMax)})
	require.ErrorContains(t, err, "too large")
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = c.Produce(short, "t", 9, client.Record{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, c.Close(short), context.DeadlineExceeded)
	_, err = c.Call(ctx, client.Call{Request: kmsg.NewPtrDescribeClusterRequest()})
	require.ErrorIs(t, err, courier.ErrClosed)
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := l.Addr().(*net.TCPAddr)
	require.NoError(t, l.Close())
	config := quick(seam.Address{Kind: seam.ToPeer, Host: a.IP.String(), Port: int32(a.Port)})
	config.DeliveryTimeout = 50 * seam.Millisecond
	c := newCourier(t, config)
	_, err = c.Produce(within(t), "t", 0, client.Record{})
	require.ErrorContains(t, err, "the time was up")
	_, err = c.Call(within(t), client.Call{Request: kmsg.NewPtrDescribeClusterRequest(), To: client.AnyBroker, Timeout: 50})
	require.ErrorContains(t, err, "the time was up")
}
