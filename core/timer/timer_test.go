package timer

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

func TestQueueIsASortedList(t *testing.T) {
	type entry struct {
		at seam.Mono
		h  Handle
		v  int
	}
	rapid.Check(t, func(t *rapid.T) {
		var q Queue[int]
		var twin []entry // in order of entry
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				at := seam.Mono(rapid.IntRange(0, 6).Draw(t, "at"))
				n++
				twin = append(twin, entry{at, q.Set(at, n), n})
			},
			"cancel": func(t *rapid.T) {
				if len(twin) == 0 {
					require.False(t, q.Cancel(Handle(n+1)))
					return
				}
				i := rapid.IntRange(0, len(twin)-1).Draw(t, "i")
				require.True(t, q.Cancel(twin[i].h))
				require.False(t, q.Cancel(twin[i].h))
				twin = slices.Delete(twin, i, i+1)
			},
			"due": func(t *rapid.T) {
				now := seam.Mono(rapid.IntRange(0, 6).Draw(t, "now"))
				best := -1
				for i, e := range twin {
					if e.at <= now && (best < 0 || e.at < twin[best].at) {
						best = i
					}
				}
				v, ok := q.Due(now)
				require.Equal(t, best >= 0, ok)
				if ok {
					require.Equal(t, twin[best].v, v)
					twin = slices.Delete(twin, best, best+1)
				}
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(twin), q.Len())
				next := seam.Never
				for _, e := range twin {
					next = min(next, e.at)
				}
				require.Equal(t, next, q.Next())
			},
		})
	})
}
