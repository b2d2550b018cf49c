package core

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/fetch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// spared holds what free places keep to what is counted, and that to its bound; and gives the most that one of them has.
func (w *bench) spared() (most int64) {
	sum := int64(0)
	for _, id := range w.broker.freeProd {
		n := w.broker.produces[id].bytes()
		sum, most = sum+n, max(most, n)
	}
	for _, i := range w.broker.freeFet {
		n := w.broker.fetches[i].Bytes()
		sum, most = sum+n, max(most, n)
	}
	require.Equal(w.t, w.broker.spare, sum)
	require.LessOrEqual(w.t, sum, int64(spareMax))
	return most
}

// pass lets time go by.
func (w *bench) pass(by seam.Mono) {
	w.now.Mono += by
	w.step(&seam.Alarm{})
}

// A fetch that waits takes what it waits for, not what it has named in vain.
func TestParkedFetchOfOnePartitionTakesLittle(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	r := fetchesOf("t", thingsNamed)
	for i := range r.Topics[0].Partitions {
		r.Topics[0].Partitions[i].Partition = 0
	}
	other := fetchesOf("t", 1)
	for range thingsNamed / 2 {
		other.Topics = append(other.Topics, other.Topics[0])
	}
	r.MaxWaitMillis, other.MaxWaitMillis = 1000, 1000
	w.step(w.frame(r))
	w.step(w.frame(other))
	require.Equal(t, 2, w.view().Fetches)
	for i := range w.broker.fetches {
		require.Less(t, w.broker.fetches[i].Bytes(), int64(1000))
	}
	w.pass(2 * seam.Second)
	require.Len(t, w.heads, 2)
}

// What requests have needed is kept for the next ones, within bounds: of one that was unusually long it is given back, and of
// very many too. Fetches that were refused count as well.
func TestMemoryOfRequestsIsGivenBack(t *testing.T) {
	w := newBench(t)
	w.createTopicOf("t", 3_000)
	w.step(w.frame(fetchesOf("t", 3_000)))
	w.step(w.frame(producesOf("t", 3_000)))
	require.Greater(t, w.spared(), int64(3_000*partSize()))
	w.step(w.frame(fetchesOf("t", 50_000)))
	w.step(w.frame(producesOf("no", 50_000)))
	refused := fetchesOf("t", 50_000)
	refused.IsolationLevel = 2
	w.step(w.frame(refused))
	require.LessOrEqual(t, w.spared(), int64(spareMost))

	r := fetchesOf("t", 3_000)
	r.MaxWaitMillis = 1000
	const fetches = 50
	for range fetches {
		w.step(w.frame(r))
	}
	w.pass(2 * seam.Second)
	require.Equal(t, fetches, len(w.heads))
	require.Greater(t, w.broker.spare, int64(spareMax/2))
	w.spared()

	body := make([]seam.Range, 1, 100_000)
	w.broker.recycle(nil, body)
	require.Less(t, cap(w.broker.body()), 100_000)
}

func partSize() int { return int(reflect.TypeFor[fetch.Part]().Size()) }

// What things are reckoned as is what they take.
func TestReckonedAsTheyAre(t *testing.T) {
	var f fetch.Fetch
	f.Parts = make([]fetch.Part, 0, 10)
	require.EqualValues(t, 10*partSize(), f.Bytes())
	p := produce{results: make([]wire.ProduceResult, 0, 10)}
	require.EqualValues(t, 10*reflect.TypeFor[wire.ProduceResult]().Size(), p.bytes())
	require.EqualValues(t, rangeBytes, reflect.TypeFor[seam.Range]().Size())
}

// Long fetches that wait are as much of what a connection is owed as answers are: it is read no further, and nothing is started
// for it; once they are answered it goes on, and nothing is left behind.
func TestParkedFetchesFillTheirConnection(t *testing.T) {
	config := DefaultConfig()
	config.ReplyBytes = 2 << 20
	w := newBenchOf(t, config)
	w.createTopicOf("t", 3_000)
	r := fetchesOf("t", 3_000) // 720 KB
	r.MaxWaitMillis = 1000
	const fetches = 10
	credit := int64(0)
	for range fetches {
		w.step(w.frame(r))
		for _, c := range w.reading {
			credit += c.Bytes
		}
	}
	require.Equal(t, 3, w.view().Fetches)
	c := w.broker.conns.At(1)
	require.Equal(t, fetches-3, c.queue.Len())
	for i := 0; c.queue.Len() > 0 || w.view().Fetches > 0; i++ {
		require.Less(t, i, fetches)
		w.pass(2 * seam.Second)
		for _, c := range w.reading {
			credit += c.Bytes
		}
	}
	require.Zero(t, c.fetching)
	require.Zero(t, w.broker.frames)
	w.step(w.frame(fetchRequest("t", 0, 1000)))
	require.Equal(t, 1, w.view().Fetches)
	require.Zero(t, c.fetching)
	for i := range w.broker.fetches {
		if f := &w.broker.fetches[i]; f.live {
			require.Less(t, f.Bytes(), int64(1000), "a short fetch does not wait with a long one's memory")
		}
	}
	require.GreaterOrEqual(t, credit, fetches*int64(len(w.frame(r).Frame)), "it is read again")
	w.spared()
}

// untaken hands in a request of a connection that takes no answer, and returns the completions that it keeps back.
func (w *bench) untaken(id seam.Conn, r kmsg.Request) (held []seam.Input) {
	in := w.frame(r)
	in.Conn = id
	for next := seam.Input(in); next != nil; {
		w.now.Mono += 1000
		w.fx.Reset()
		w.broker.Step(w.now, next, &w.fx)
		for _, x := range w.fx.Replies {
			held = append(held, &seam.Sent{Op: x.Op, Conn: x.Conn})
		}
		if next = nil; w.fx.Alarm <= w.now.Mono {
			next = &seam.Alarm{}
		}
	}
	return held
}

// Answers that nobody takes have a bound for all connections together: beyond it nothing is begun for who is owed one, an answer
// tells no more than anybody needs, and the clients of long fetches are told to wait. Who takes his answers is served as ever, and when they
// are taken everything goes on.
func TestAnswersThatNobodyTakesAreBounded(t *testing.T) {
	config := DefaultConfig()
	config.FrameBytes = 4 << 20
	w := newBenchOf(t, config)
	w.createTopicOf("t", 100)
	const greedy = 20
	var held []seam.Input
	ask := describesBroker(200) // whose answer would be of 11 MB
	for id := seam.Conn(2); id < 2+greedy; id++ {
		w.step(&seam.Opened{Conn: id, Host: "127.0.0.1", Port: 9092})
		got := w.untaken(id, ask)
		require.Len(t, got, 1, "each is told something")
		held = append(held, got...)
	}
	require.True(t, w.broker.crowded())
	require.Less(t, w.broker.untaken, config.FrameBytes+greedy*2*toldLeast)
	for id := seam.Conn(2); id < 2+greedy; id++ {
		require.Empty(t, w.untaken(id, ask), "but nothing more")
		require.Equal(t, 1, w.broker.conns.At(id).queue.Len())
	}

	for range 3 {
		for _, r := range []kmsg.Request{produceRequest(-1, oneBatch(1, 10, -1, 0)), fetchRequest("t", 0, 1000), describesBroker(1)} {
			w.step(w.frame(r))
			require.Len(t, w.heads, 1)
		}
		answer := kmsg.NewPtrDescribeConfigsResponse()
		w.decode(describesBroker(1), answer)
		require.Zero(t, answer.Resources[0].ErrorCode)
		require.NotZero(t, w.reading)
	}
	long := fetchesOf("t", 50)
	long.MaxWaitMillis = 1 << 30
	for i := range long.Topics[0].Partitions {
		long.Topics[0].Partitions[i].Partition = int32(1 + i)
	}
	w.step(w.frame(long))
	require.Len(t, w.heads, 1, "a long fetch does not wait")
	told := kmsg.NewPtrFetchResponse()
	w.decode(long, told)
	require.EqualValues(t, crowdedWait/seam.Millisecond, told.ThrottleMillis, "its client does")
	w.step(w.frame(long))
	require.Empty(t, w.heads, "whatever it believes")
	w.pass(crowdedWait)
	require.Len(t, w.heads, 1)
	w.pass(crowdedWait)
	w.step(w.frame(fetchRequest("t", 3, 1000)))
	require.Empty(t, w.heads, "a short one does")
	w.pass(2 * seam.Second)
	require.Len(t, w.heads, 1)

	answers := 0
	for _, in := range held {
		w.step(in)
		answers += len(w.heads)
	}
	require.Equal(t, greedy, answers, "what waited")
	require.Zero(t, w.broker.untaken)
	require.Zero(t, w.broker.frames)
	w.step(w.frame(long))
	require.Empty(t, w.heads, "it waits again")
	require.NotZero(t, w.broker.untaken)
	w.step(&seam.Hangup{Conn: 1})
	require.Zero(t, w.broker.untaken)
}
