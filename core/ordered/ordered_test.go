package ordered

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMapIsASortedBuiltinMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Map[int, string]
		twin := map[int]string{}
		key := rapid.IntRange(-8, 8)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), rapid.String().Draw(t, "v")
				m.Put(k, v)
				twin[k] = v
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "k")
				_, was := twin[k]
				delete(twin, k)
				require.Equal(t, was, m.Delete(k))
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(twin), m.Len())
				want := slices.Sorted(maps.Keys(twin))
				require.Equal(t, want, append([]int(nil), m.Keys()...))
				i := 0
				for k, v := range m.All() {
					require.Equal(t, want[i], k)
					require.Equal(t, twin[k], v)
					i++
				}
				k := key.Draw(t, "floor")
				floor, ok := m.Floor(k)
				below := 0
				for _, x := range want {
					if x <= k {
						below++
					}
				}
				require.Equal(t, below > 0, ok)
				if ok {
					require.Equal(t, want[below-1], floor)
				}
				ceiling, ok := m.Ceiling(k)
				above := 0
				for _, x := range want {
					if x >= k {
						above++
					}
				}
				require.Equal(t, above > 0, ok)
				if ok {
					require.Equal(t, want[len(want)-above], ceiling)
				}
				_, found := m.Find(k)
				_, want2 := twin[k]
				require.Equal(t, want2, found)
				require.Equal(t, twin[k], m.At(k))
			},
		})
	})
}
