package core

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/conn"
	"rookery/core/fetch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// longName is as long as a name can be, far beyond what a topic's may be.
var longName = strings.Repeat("x", 32_000)

// allocated says how many bytes a request takes until it is answered.
func (w *bench) allocated(r kmsg.Request) int64 {
	in := w.frame(r)
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	w.step(in)
	runtime.ReadMemStats(&behind)
	require.Less(w.t, time.Since(began), stepMost)
	require.Len(w.t, w.heads, 1)
	return int64(behind.TotalAlloc - before.TotalAlloc)
}

const partitionsNamed = 20_000

func producesOf(topic string, partitions int) *kmsg.ProduceRequest {
	r := produceRequest(1, nil)
	r.Topics[0].Topic, r.Topics[0].Partitions = topic, nil
	for i := range partitions {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition = int32(i)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
	}
	return r
}

func fetchesOf(topic string, partitions int) *kmsg.FetchRequest {
	r := fetchRequest(topic, 0, 0)
	part := r.Topics[0].Partitions[0]
	r.Topics[0].Partitions = nil
	for i := range partitions {
		part.Partition = int32(i)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, part)
	}
	return r
}

// A topic's name is kept once, however many partitions of it a request names: a frame of a few hundred KB takes a few MB, not
// its name's length for each of them.
func TestANameIsKeptOnce(t *testing.T) {
	const most = 64 << 20 // 20,000 times the name is ten times that
	w := newBench(t)
	require.Less(t, w.allocated(producesOf(longName, partitionsNamed)), int64(most))
	produced := kmsg.NewPtrProduceResponse()
	w.decode(producesOf("", 0), produced)
	require.Equal(t, longName, produced.Topics[0].Topic)
	require.Len(t, produced.Topics[0].Partitions, partitionsNamed)

	require.Less(t, w.allocated(fetchesOf(longName, partitionsNamed)), int64(most))
	fetched := kmsg.NewPtrFetchResponse()
	w.decode(fetchRequest("", 0, 0), fetched)
	require.Equal(t, longName, fetched.Topics[0].Topic)
	require.Len(t, fetched.Topics[0].Partitions, partitionsNamed)
}

// Long names that differ in their last letters only take no longer than others: they are not compared each with each, however
// few they are.
func TestLongNamesAlike(t *testing.T) {
	w := newBench(t)
	request := func(name func(i string) string) kmsg.Request {
		r := produceRequest(1, nil)
		r.Topics = nil
		for i := range w.broker.config.StepItems - 1 {
			topic := kmsg.NewProduceRequestTopic()
			topic.Topic = name(strconv.Itoa(1000 + i))
			topic.Partitions = append(topic.Partitions, kmsg.NewProduceRequestTopicPartition())
			r.Topics = append(r.Topics, topic)
		}
		return r
	}
	took := func(r kmsg.Request) time.Duration {
		in := w.frame(r)
		began := time.Now()
		w.step(in)
		lasted := time.Since(began)
		require.Len(t, w.heads, 1)
		return lasted
	}
	unlike, alike := request(func(i string) string { return i + longName }), request(func(i string) string { return longName + i })
	fastestUnlike, fastestAlike := stepMost, stepMost
	for rounds := 0; rounds < 5 || fastestAlike >= 3*fastestUnlike; rounds++ { // a round may be disturbed, dozens are not
		require.Less(t, rounds, 50, "%v and %v", fastestUnlike, fastestAlike)
		fastestUnlike, fastestAlike = min(fastestUnlike, took(unlike)), min(fastestAlike, took(alike))
	}
}

// A topic that is gone from one turn of a Produce to the next is answered for under its name all the same.
func TestANameThatIsGoneBetweenTurns(t *testing.T) {
	config := DefaultConfig()
	config.StepItems = 2
	w := newBenchOf(t, config)
	w.createTopicOf("known", 4)
	r := producesOf("unknown", 1)
	r.Topics = append(r.Topics, producesOf("known", 5).Topics[0])
	w.fx.Reset()
	w.broker.Step(w.now, w.frame(r), &w.fx)
	w.act()
	delete(w.broker.topics, "known")
	w.step(&seam.Alarm{})
	require.Len(t, w.heads, 1)
	answer := kmsg.NewPtrProduceResponse()
	w.decode(r, answer)
	require.Equal(t, []string{"unknown", "known"}, []string{answer.Topics[0].Topic, answer.Topics[1].Topic})
	known := answer.Topics[1].Partitions
	require.NotEqual(t, known[0].ErrorCode, known[4].ErrorCode)
}

// Of a partition that is named twice the later entry counts, whichever way it is found, and whatever entry of its topic it
// stands in.
func TestNamedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, f, last := &conn.Request{}, &fetchSlot{}, map[string]int{}
		of := func(i int) string {
			p := &r.Produce.Partitions[i]
			return fmt.Sprintf("%s %x %d", p.Topic, p.TopicID, p.Index)
		}
		for group := range int32(rapid.IntRange(1, 12).Draw(t, "entries")) {
			topic, id := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "topic"), byte(rapid.IntRange(0, 1).Draw(t, "id"))
			for range rapid.IntRange(1, 6).Draw(t, "partitions") {
				p := wire.ProducePartition{Topic: []byte(topic), TopicID: [16]byte{id}, Group: group, Index: int32(rapid.IntRange(0, 9).Draw(t, "index"))}
				r.Produce.Partitions = append(r.Produce.Partitions, p)
				last[of(len(r.Produce.Partitions)-1)] = len(r.Produce.Partitions) - 1
			}
		}
		again, few := repeated(r, nil), repeated(r, make([]bool, len(r.Produce.Partitions)))
		var kept []string
		for i := range again {
			require.Equal(t, last[of(i)] != i, again[i])
			require.Equal(t, again[i], few[i])
			p := &r.Produce.Partitions[i]
			f.Parts = append(f.Parts, fetch.Part{Topic: p.Topic, TopicID: p.TopicID, Group: p.Group, Index: p.Index})
			if !again[i] {
				kept = append(kept, of(i))
			}
		}
		(&Broker{}).fetchTimes(f)
		var left []string
		for _, p := range f.Parts {
			left = append(left, fmt.Sprintf("%s %x %d", p.Topic, p.TopicID, p.Index))
		}
		require.Equal(t, kept, left)
	})
}
