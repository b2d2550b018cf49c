package main

import (
	"math"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestBuckets holds every duration against the two bounds of the bucket that it fell into.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.OneOf(rapid.Int64Range(0, 1<<20), rapid.Int64Range(0, math.MaxInt64), rapid.SampledFrom(bounds[:])).Draw(r, "n")
		i := bucketOf(n)
		require.True(r, i == len(bounds) || n <= bounds[i], "%d above bucket %d", n, i)
		require.True(r, i == 0 || n > bounds[i-1], "%d below bucket %d", n, i)
	})
}

func TestQuantiles(t *testing.T) {
	var h histogram
	require.Zero(t, h.quantile(0.99))
	for i := range 1000 {
		h.observe(int64(i+1) * 1e6)
	}
	earlier := h
	require.InEpsilon(t, 500e6, h.quantile(0.5), 0.19)
	require.InEpsilon(t, 990e6, h.quantile(0.99), 0.19)
	h.observe(int64(math.MaxInt64) / 2)
	require.Equal(t, bounds[len(bounds)-1], h.quantile(1))
	recent := h.since(&earlier)
	require.Equal(t, int64(1), recent.count)
}

// TestBothForms reads a histogram's scrape back: the native buckets and the classic ones tell the same.
func TestBothForms(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var h histogram
		for _, n := range rapid.SliceOf(rapid.Int64Range(0, 1<<40)).Draw(r, "durations") {
			h.observe(n)
		}
		var out dto.Metric
		m := measured{desc: prometheus.NewDesc("x", "", []string{"b", "a"}, nil), values: []string{"2", "1"}, histogram: &h}
		require.NoError(r, m.Write(&out))
		require.Equal(r, "a", out.Label[0].GetName())
		require.Equal(r, uint64(h.count), out.Histogram.GetSampleCount())
		native, index, n, total := map[int]int64{}, 0, int64(0), int64(0)
		deltas := out.Histogram.PositiveDelta
		for _, span := range out.Histogram.PositiveSpan {
			index += int(span.GetOffset())
			for range span.GetLength() {
				n += deltas[0]
				deltas = deltas[1:]
				native[index] = n
				total += n
				index++
			}
		}
		require.Empty(r, deltas)
		require.Equal(r, h.count, total)
		for _, b := range out.Histogram.Bucket {
			below := int64(0)
			for index, n := range native {
				if math.Exp2(float64(index)/perOctave) <= b.GetUpperBound() {
					below += n
				}
			}
			require.Equal(r, int64(b.GetCumulativeCount()), below)
		}
	})
}
