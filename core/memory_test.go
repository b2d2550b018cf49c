package core

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.GreaterOrEqual(t, credit, fetches*int64(len(w.frame(r).Frame)), "it is read again")
	w.spared()
}
