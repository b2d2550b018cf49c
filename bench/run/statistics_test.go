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
		{"no bar, no verdict", 0, []float64{0.9, 1.01, 1.1}, false, 0},
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
