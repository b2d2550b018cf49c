package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuantileInterpolates(t *testing.T) {
	assert.Equal(t, 2.5, quantile([]float64{4, 1, 3, 2}, 0.5))
	assert.Equal(t, 2.0, quantile([]float64{3, 1, 2}, 0.5))
	assert.Equal(t, 1.5, quantile([]float64{3, 1, 2}, 0.25))
	assert.Equal(t, 7.0, quantile([]float64{7}, 0.25))
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name    string
		bar     float64
		ratios  []float64
		refused bool
		failed  int
	}{
		{"clear and above the bar", 0.7, []float64{0.78, 0.8, 0.82}, false, 0},
		{"clear and below the bar", 0.7, []float64{0.58, 0.6, 0.62}, false, 1},
		{"the reference against itself", 0.7, []float64{0.9, 1.01, 1.1}, true, 0},
		{"noise around the bar", 0.7, []float64{0.5, 0.6, 0.8, 1.1, 1.3}, true, 1},
		{"noise, and below the bar", 0.7, []float64{0.2, 0.65, 1.3}, true, 1},
		{"no bar, no verdict", 0, []float64{0.9, 1.01, 1.1}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := comparison{Bar: c.bar}
			for _, r := range c.ratios {
				result.Pairs = append(result.Pairs, pair{Ratio: r})
			}
			result.judge("x")
			assert.Equal(t, c.refused, result.Refused)
			assert.Len(t, result.Failed, c.failed)
		})
	}
}

func TestHoldAtMost(t *testing.T) {
	for _, c := range []struct {
		name    string
		ratios  []float64
		refused bool
		failed  int
	}{
		{"clear and below", []float64{0.3, 0.31, 0.33}, false, 0},
		{"clear and above", []float64{0.5, 0.51, 0.52}, false, 1},
		{"noise around the bar", []float64{0.1, 0.2, 0.4, 0.9, 1.6, 2, 3}, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spreadOf(c.ratios)
			assert.Len(t, s.hold("x", 0.45, true), c.failed)
			assert.Equal(t, c.refused, s.Refused)
		})
	}
}

func TestFiguresAreOursDividedByKafkas(t *testing.T) {
	f := speed(2)
	pairs := []peerPair{{Kafka: trial{MBPerSecond: 100}, Broker: trial{MBPerSecond: 300}}, {Kafka: trial{MBPerSecond: 100}, Broker: trial{MBPerSecond: 310}}}
	found, failed := f.judge("x", pairs)
	assert.Empty(t, failed)
	assert.InDelta(t, 3.05, found.Ratio, 1e-9)
	memory := peak(0.15)
	_, failed = memory.judge("x", []peerPair{{Kafka: trial{PeakMB: 100}, Broker: trial{PeakMB: 20}}})
	assert.Len(t, failed, 1)
}

// TestPeerRows: a row that ours is durable in has a promise to change, and no name stands for two rows.
func TestPeerRows(t *testing.T) {
	names := map[string]bool{}
	for _, row := range peerRows(1_500_000_000, 10_000_000_000, 1) {
		assert.False(t, names[row.Name], row.Name)
		names[row.Name] = true
		if row.Durable {
			assert.Contains(t, row.Load, pageCache, row.Name)
			assert.Contains(t, row.Load, "-1", row.Name)
		}
	}
}
