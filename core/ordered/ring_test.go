package ordered

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRingIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Ring[int]
		var twin []int
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				v := rapid.Int().Draw(t, "v")
				twin = append(twin, v)
				if v%2 == 0 {
					r.Push(v)
				} else {
					at := r.Add()
					require.Zero(t, *at)
					*at = v
				}
			},
			"pop": func(t *rapid.T) {
				if len(twin) > 0 {
					require.Equal(t, twin[0], r.Pop())
					twin = twin[1:]
				}
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(twin), r.Len())
				for i, v := range twin {
					require.Equal(t, v, *r.At(i))
				}
				if len(twin) > 0 {
					require.Equal(t, twin[0], *r.Front())
				}
			},
		})
	})
}
