package core

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

// Partitions that are gone cost no loop over all a turn, and their numbers are not given again.
func TestWhatIsGoneIsNotCounted(t *testing.T) {
	w := newBench(t)
	w.createTopic("stays")
	for range 10 {
		w.createTopicOf("goes", 100)
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Version, r.TopicNames = 5, []string{"goes"}
		w.step(w.frame(r))
		require.Len(t, w.heads, 1)
	}
	b := w.broker
	require.EqualValues(t, 1002, b.partitions.last, "with the metadata log")
	require.Equal(t, 2, b.partitions.Len())
	require.Len(t, slices.Collect(b.partitions.All()), 2)
	var fx seam.Effects
	b.sweep, b.turns.room = sweep{}, 3
	b.expireLogs(w.now, &fx)
	require.Equal(t, 1, b.turns.room)
	require.Zero(t, b.sweep.next, "it has come to its end")
}

func TestARosterIsAMapByNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r roster
		there := map[uint32]*partition{}
		for range rapid.IntRange(0, 30).Draw(t, "acts") {
			for range rapid.SampledFrom([]int{0, 1, 100, 300}).Draw(t, "added") {
				p := &partition{}
				r.Add(p)
				require.NotContains(t, there, p.number)
				there[p.number] = p
			}
			first := rapid.Uint32Range(0, r.last).Draw(t, "first")
			for number := first; number < first+uint32(rapid.SampledFrom([]int{1, 100, 600}).Draw(t, "gone")); number++ {
				r.Delete(number)
				delete(there, number)
			}
		}
		require.Equal(t, len(there), r.Len())
		numbers := slices.Sorted(maps.Keys(there))
		walked := []uint32{}
		for p := range r.All() {
			walked = append(walked, p.number)
		}
		require.Equal(t, append([]uint32{}, numbers...), walked)
		for number := range r.last + 2*pageNumbers {
			require.Same(t, there[number], r.At(number))
		}
		for i, p := range r.pages {
			from, more := r.Ceiling(uint32(i * pageNumbers))
			require.Equal(t, p != nil, more && int(from)/pageNumbers == i)
		}
	})
}
