package meta

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Rate reckons without floating point what floating point says.
func TestRateIsTheValueInThousandths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1e9), rapid.Custom(func(t *rapid.T) float64 {
			return float64(rapid.Int64Range(1, 1<<40).Draw(t, "whole"))
		})).Draw(t, "value")
		got := Rate(math.Float64bits(value))
		switch {
		case value <= 0:
			require.Zero(t, got)
		case value >= 1<<51:
			require.GreaterOrEqual(t, got, int64(1)<<51)
		default:
			require.InDelta(t, value*1000, float64(got), max(1, value*1000*1e-12))
		}
	})
	for value, want := range map[float64]int64{1024: 1_024_000, 0.5: 500, 0.0015: 1, 1e-9: 0, math.MaxFloat64: 1 << 62, math.Inf(1): 1 << 62, math.Inf(-1): 0, 1 << 53: 1 << 62} {
		require.Equal(t, want, Rate(math.Float64bits(value)), value)
	}
	require.Zero(t, Rate(math.Float64bits(math.NaN())))
}
