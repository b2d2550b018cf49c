package conn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/conn"
	"rookery/core/seam"
)

// Whoever waits as long as told never gets more than a window's worth in a burst and the rate after it, and never less
// than the rate.
func TestABucketHoldsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 1<<40).Draw(t, "thousandths a second")
		now := seam.Mono(rapid.Int64Range(0, 1<<40).Draw(t, "now"))
		b := conn.NewBucket(now)
		begin, used, idle := now, 0.0, seam.Mono(0)
		for range rapid.IntRange(1, 50).Draw(t, "uses") {
			n := rapid.Int64Range(0, max(1, rate/100)).Draw(t, "n")
			used += float64(n)
			wait := b.Use(now, n, rate)
			require.Equal(t, wait, b.Wait(now))
			if now += wait; rapid.Bool().Draw(t, "idles") {
				rest := seam.Mono(rapid.Int64Range(0, int64(20*seam.Second)).Draw(t, "idle"))
				now += rest
				idle += rest
			}
			require.Zero(t, b.Wait(now))
		}
		allowed := float64(now-begin+conn.QuotaWindow) / float64(seam.Second) * float64(rate) / 1000
		require.LessOrEqual(t, used, allowed*(1+1e-9)+50, "more than the rate")
		busy := float64(now-begin-idle) / float64(seam.Second) * float64(rate) / 1000
		require.LessOrEqual(t, busy, used*(1+1e-9)+50, "waited for more than was used")
	})
}

func TestABucketAtItsLimits(t *testing.T) {
	for _, row := range []struct {
		n, rate int64
		wait    seam.Mono
	}{
		{0, 1, 0},
		{10, 1000, 0},                 // the window's burst
		{11, 1000, seam.Second},       // a second's worth beyond it
		{1 << 40, 1000, conn.WaitMax}, // no longer than that
		{math.MaxInt64, 1, conn.WaitMax},
		{math.MaxInt64, math.MaxInt64, 1000*seam.Second - conn.QuotaWindow}, // rates are thousandths
		{1, 0, conn.WaitMax}, // a rate below a thousandth
		{-5, 1000, 0},
	} {
		b := conn.NewBucket(5)
		require.Equal(t, row.wait, b.Use(5, row.n, row.rate), "%+v", row)
	}
}
