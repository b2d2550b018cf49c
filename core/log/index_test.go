package log_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/seam"
)

// What the active segment's index knows of batches longer than its interval is exact: a reader that stands at one needs no
// look at the file, and is not sent a part of one. Shorter ones are searched for, and may be cut.
func TestLongBatchesOfTheActiveSegmentAreFoundInTheIndex(t *testing.T) {
	const interval = 512
	rapid.Check(t, func(t *rapid.T) {
		var files seam.File
		var fx seam.Effects
		now := seam.Now{Mono: 1, Wall: 1}
		l := log.New("t", 0, seam.Path{Name: "t-0"}, log.Config{SegmentBytes: 1 << 30, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: interval},
			log.Numbers{Owner: 7, Files: &files})
		l.Create(now, &fx)
		l.Wrote(&seam.Wrote{Op: fx.Files[0].Op}, &fx)

		type lies struct {
			base, at, size int64
			entered, known bool // has an entry; and so has the batch it touches
		}
		var all []lies
		at, entry, entered := int64(0), int64(0), false
		for range rapid.IntRange(1, 100).Draw(t, "batches") {
			var b batch.Builder
			b.Begin(batch.Plain(batch.None))
			for range rapid.IntRange(1, 3).Draw(t, "records") {
				b.Add(1, nil, make([]byte, rapid.SampledFrom([]int{0, 100, 600}).Draw(t, "value")), nil)
			}
			data := b.Finish()
			fx = seam.Effects{}
			base := l.Append(now, data, 1, 1, &fx)
			l.Wrote(&seam.Wrote{Op: fx.Writes[0].Op, Bytes: int64(len(data))}, &fx)
			_, _, fate := l.Pop(&fx)
			require.Equal(t, log.Written, fate)
			touches := entered && entry+all[len(all)-1].size == at
			if entered = at-entry > interval; entered {
				entry = at
			}
			all = append(all, lies{base, at, int64(len(data)), entered, touches && entered})
			at += int64(len(data))
		}
		l.Forget()
		for i, b := range all {
			c, next, want := l.Find(b.base)
			if b.known {
				require.Equal(t, log.Found, next)
			}
			if next != log.Found {
				require.Equal(t, log.NeedBytes, next)
				require.LessOrEqual(t, want.At, b.at)
				continue
			}
			max := rapid.Int64Range(b.size, at).Draw(t, "max")
			span, ok := l.Plan(c, l.End(), max, false)
			require.True(t, ok)
			require.Equal(t, b.at, span.At)
			end := span.At + int64(span.Len)
			expected := min(b.at+max, at)
			for _, other := range all[i:] {
				if other.entered && other.at < expected && expected < other.at+other.size {
					expected = other.at // not a part of a batch, and all before it
					break
				}
			}
			require.Equal(t, expected, end)
		}
	})
}

// Zeroes are not an index: no first batch has an entry.
func TestZeroesAreNoIndex(t *testing.T) {
	_, ok := log.ParseOffsets(make([]byte, 8), 1000)
	require.False(t, ok)
	entries, ok := log.ParseOffsets([]byte{0, 0, 0, 3, 0, 0, 0, 100}, 1000)
	require.True(t, ok)
	require.Len(t, entries, 1)
}
