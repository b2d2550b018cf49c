package must_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/must"
)

func TestBe(t *testing.T) {
	require.NotPanics(t, func() { must.Be(true, "X1: it holds") })
	require.PanicsWithValue(t, "broken law X1: it does not hold", func() { must.Be(false, "X1: it does not hold") })
	require.Zero(t, testing.AllocsPerRun(10, func() { must.Be(true, "X1: always on, and free") }))
}
