package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// bench is a Broker with a world that does at once whatever it is asked.
type bench struct {
	t        testing.TB
	broker   *Broker
	fx       seam.Effects
	now      seam.Now
	inputs   []seam.Input
	sizes    map[seam.File]int64
	data     map[seam.File][]byte
	heads    [][]byte      // of the replies of this turn
	reading  []seam.Credit // of this turn
	unlinked int
	most     int // effects of one Step
	steps    int
}

func newBench(t testing.TB) *bench { return newBenchOf(t, DefaultConfig()) }

func newBenchOf(t testing.TB, config Config) *bench {
	config.ClusterID, config.Controller.ClusterID = "test", "test"
	config.DirectoryIDs = []meta.UUID{{0: 1, 15: 7}}
	config.Incarnation = meta.UUID{0: 1, 15: 9}
	w := &bench{t: t, broker: NewBroker(config), now: seam.Now{Mono: 1, Wall: 1_700_000_000_000}, sizes: map[seam.File]int64{}, data: map[seam.File][]byte{}}
	w.step(&seam.Started{Dirs: []seam.Fault{seam.OK}})
	w.step(&seam.Opened{Conn: 1, Host: "127.0.0.1", Port: 9092})
	v := View{}
	w.broker.View(false, &v)
	require.True(t, v.Ready)
	return w
}

// step hands in an input, and whatever comes of it, until nothing is left to do.
func (w *bench) step(in seam.Input) {
	w.heads, w.reading = w.heads[:0], w.reading[:0]
	w.inputs = append(w.inputs, in)
	for len(w.inputs) > 0 {
		in, w.inputs = w.inputs[0], w.inputs[1:]
		w.now.Mono += 1000
		w.fx.Reset()
		w.broker.Step(w.now, in, &w.fx)
		w.reading = append(w.reading, w.fx.Reading...)
		w.steps++
		w.most = max(w.most, diskEffects(&w.fx)+len(w.fx.Replies)+len(w.fx.Sends)+len(w.fx.Frees)+len(w.fx.Reading)+len(w.fx.Events))
		w.act()
		if len(w.inputs) == 0 && w.fx.Alarm <= w.now.Mono {
			w.inputs = append(w.inputs, &seam.Alarm{})
		}
	}
}

func (w *bench) act() {
	for _, x := range w.fx.Files {
		if x.Deed == seam.Unlink {
			delete(w.data, x.File)
			w.unlinked++
		}
		w.inputs = append(w.inputs, &seam.Wrote{Op: x.Op})
	}
	for _, x := range w.fx.Writes {
		w.data[x.File] = append(w.data[x.File][:x.At], x.Data...)
		w.inputs = append(w.inputs, &seam.Wrote{Op: x.Op, Bytes: int64(len(x.Data))})
	}
	for _, x := range w.fx.Syncs {
		w.inputs = append(w.inputs, &seam.Synced{Op: x.Op})
	}
	for _, x := range w.fx.Reads {
		data := w.data[x.File]
		data = data[min(int(x.At), len(data)):]
		w.inputs = append(w.inputs, &seam.Loaded{Op: x.Op, Data: data[:min(int(x.Len), len(data))]})
	}
	for _, x := range w.fx.Replies {
		var head []byte
		done := int32(0)
		for _, r := range x.Body {
			data, there := w.data[r.File]
			require.True(w.t, there, "a reply names a file that is gone")
			head = append(append(head, x.Head[done:r.Before]...), data[r.At:r.At+int64(r.Len)]...)
			done = r.Before
		}
		head = append(head, x.Head[done:]...)
		w.heads = append(w.heads, head)
		w.inputs = append(w.inputs, &seam.Sent{Op: x.Op, Conn: x.Conn})
	}
}

func (w *bench) frame(request kmsg.Request) *seam.Request {
	frame := wire.AppendRequest(nil, 7, "test", request)[4:]
	body := new(conn.Request)
	conn.Intake(frame, conn.Limits{}, body)
	return &seam.Request{Conn: 1, Lease: 1, Frame: frame, Body: body}
}

func oneBatch(records, size int, id int64, sequence int32) []byte {
	var b batch.Builder
	spec := batch.Plain(batch.None)
	if id >= 0 {
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = id, 0, sequence
	}
	b.Begin(spec)
	for range records {
		b.Add(1_700_000_000_000, nil, make([]byte, size), nil)
	}
	return append([]byte(nil), b.Finish()...)
}

func produceRequest(acks int16, records []byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = 9, acks, 30000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = "t"
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func (w *bench) createTopic(name string) { w.createTopicOf(name, 1) }

func (w *bench) createTopicOf(name string, partitions int32) {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.Version = 7
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	r.Topics = append(r.Topics, t)
	w.step(w.frame(r))
	require.Len(w.t, w.heads, 1)
}

// A produce with acks=all and the completions it waits for: decided, appended, made durable, answered.
func BenchmarkStep(b *testing.B) {
	w := newBench(b)
	w.createTopic("t")
	request := w.frame(produceRequest(-1, oneBatch(1, 100, -1, 0)))
	wrote, synced, sent := &seam.Wrote{}, &seam.Synced{}, &seam.Sent{Conn: 1}
	once := func() {
		w.fx.Reset()
		w.broker.Step(w.now, request, &w.fx)
		wrote.Op, wrote.Bytes = w.fx.Writes[0].Op, int64(len(w.fx.Writes[0].Data))
		w.fx.Reset()
		w.broker.Step(w.now, wrote, &w.fx)
		synced.Op = w.fx.Syncs[0].Op
		w.fx.Reset()
		w.broker.Step(w.now, synced, &w.fx)
		sent.Op = w.fx.Replies[0].Op
		w.fx.Reset()
		w.broker.Step(w.now, sent, &w.fx)
	}
	for range 100 {
		once()
	}
	if n := testing.AllocsPerRun(1000, once); n != 0 {
		b.Fatalf("%v allocations a produce", n)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		once()
	}
}

func (w *bench) view() (v View) {
	w.broker.View(false, &v)
	return v
}
