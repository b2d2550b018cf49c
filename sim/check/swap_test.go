package check

import (
	"encoding/binary"
	"hash/crc32"
	"math"
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
	zero, three, five := File{Name: "00000000000000000000.log", Data: keptAt(1)}, File{Name: "00000000000000000003.log", Data: keptAt(4)}, File{Name: "00000000000000000005.log", Data: keptAt(6)}
	swap := File{Name: "00000000000000000000.log.swap", Data: keptAt(4)}
	require.Equal(t, []int64{1, 4, 6}, offsets(zero, three, five))
	require.Equal(t, []int64{4, 6}, offsets(zero, three, five, swap))
	require.Equal(t, []int64{4, 6}, offsets(five, swap))
	require.Equal(t, []int64{6}, offsets(five, File{Name: "00000000000000000000.log.swap", Data: nil}))
}

// TestWhatIsDirty: closed segments of which something lies at an offset or behind it. Offsets may be missing in front of the next.
func TestWhatIsDirty(t *testing.T) {
	zero, three, five := File{Name: "00000000000000000000.log", Data: keptAt(1)}, File{Name: "00000000000000000003.log", Data: keptAt(3)}, File{Name: "00000000000000000005.log", Data: keptAt(6)}
	size := int64(len(zero.Data))
	for upTo, want := range []int64{2 * size, 2 * size, size, size, 0, 0} {
		dirty, total, _ := Dirt([]File{five, three, zero, {Name: "00000000000000000003.index", Data: []byte("x")}}, int64(upTo))
		require.Equal(t, []int64{want, 2 * size}, []int64{dirty, total}, upTo)
	}
	dirty, total, oldest := Dirt(nil, 0)
	require.Zero(t, dirty+total)
	require.EqualValues(t, math.MaxInt64, oldest)
	binary.BigEndian.PutUint64(zero.Data[35:], 40)
	binary.BigEndian.PutUint64(three.Data[35:], 50)
	for _, f := range []File{zero, three} {
		binary.BigEndian.PutUint32(f.Data[17:], crc32.Checksum(f.Data[21:], crc32.MakeTable(crc32.Castagnoli)))
	}
	for upTo, want := range []int64{40, 40, 50, 50, math.MaxInt64} {
		_, _, oldest = Dirt([]File{five, three, zero}, int64(upTo))
		require.Equal(t, want, oldest, upTo)
	}
}
