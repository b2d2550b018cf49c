package compact

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheMapStaysAsSmallAsItIsTold: log.cleaner.dedupe.buffer.size is what it takes, with as many keys in it as it may hold.
func TestTheMapStaysAsSmallAsItIsTold(t *testing.T) {
	for most := range 300 {
		k := newKeys(most)
		for i := range max(1, most) {
			require.True(t, k.put(fmt.Append(nil, i), int64(i)))
		}
		require.False(t, k.put([]byte("one more"), 1000))
		require.True(t, k.put([]byte("0"), 1001), "one that is there needs no room")
		require.EqualValues(t, -1, k.last([]byte("one more")))
		for i := range max(1, most) {
			want := int64(i)
			if i == 0 {
				want = 1001
			}
			require.Equal(t, want, k.last(fmt.Append(nil, i)))
		}
		require.LessOrEqual(t, len(k.slots), max(1, most)*10/9+2)
	}
	k := newKeys(5_033_164) // of 128 MiB
	require.LessOrEqual(t, k.full*SlotBytes, 128<<20+SlotBytes)
}
