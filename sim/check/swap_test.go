package check

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
)

// keptAt is a batch of one record at an offset.
func keptAt(offset int64) []byte {
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	b.Add(1, []byte("key"), []byte{7: 1}, nil)
	data := b.Finish()
	binary.BigEndian.PutUint64(data, uint64(offset))
	return data
}

// TestACompactedSegmentThatIsToGetItsNameCounts: it stands for the segments that it reaches over, and no others.
func TestACompactedSegmentThatIsToGetItsNameCounts(t *testing.T) {
	offsets := func(files ...File) (of []int64) {
		c, err := ReadCompacted(files)
		require.NoError(t, err)
		for _, b := range c.Left {
			of = append(of, b.Base)
		}
		return of
	}
	zero, three, five := File{"00000000000000000000.log", keptAt(1)}, File{"00000000000000000003.log", keptAt(4)}, File{"00000000000000000005.log", keptAt(6)}
	swap := File{"00000000000000000000.log.swap", keptAt(4)}
	require.Equal(t, []int64{1, 4, 6}, offsets(zero, three, five))
	require.Equal(t, []int64{4, 6}, offsets(zero, three, five, swap))
	require.Equal(t, []int64{4, 6}, offsets(five, swap))
	require.Equal(t, []int64{6}, offsets(five, File{"00000000000000000000.log.swap", nil}))
}
