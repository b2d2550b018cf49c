package fuzz

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/wire"
)

// FuzzIntake: whatever the bytes are, Intake returns, its parts fit together, and it allocates no more than the frame's
// length and the limits account for.
func FuzzIntake(f *testing.F) {
	for _, g := range goldenFrames(f) {
		f.Add(g.frame)
	}
	for _, codec := range []batch.Codec{batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		var b batch.Builder
		b.Begin(batch.Plain(codec))
		b.Add(1, nil, make([]byte, 5000), nil)
		produce := append(header(wire.KeyProduce, 3), 0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0)
		records := b.Finish()
		produce = append(produce, byte(len(records)>>24), byte(len(records)>>16), byte(len(records)>>8), byte(len(records)))
		f.Add(append(produce, records...))
	}
	limits := conn.Limits{InflatedMax: 1 << 20, InflatedTotalMax: 4 << 20}
	r := conn.Request{Scratch: new(batch.Scratch)}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		conn.Intake(frame, limits, &r)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256*len(frame)+64<<20))
		require.Equal(t, r.Kind == conn.Malformed || r.Kind == conn.Unsupported, r.Reason != "")
		require.Equal(t, r.Kind == conn.Cold, r.Cold != nil)
		require.Len(t, r.Facts, len(r.Produce.Partitions))
		if r.Kind != conn.Malformed {
			require.Equal(t, r.Kind != conn.Unsupported, wire.Spoken(r.Key, r.Version))
		}
	})
}
