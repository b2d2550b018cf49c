package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However many lines are asked for, a second has ten; what was left out is counted, and told once.
func TestLinesAreRationed(t *testing.T) {
	var r rationed
	now, written, left := time.Unix(1000, 0), 0, int64(0)
	for range 2500 {
		skipped, write := r.take(now)
		now = now.Add(time.Millisecond)
		if left += skipped; write {
			written++
		}
	}
	require.Equal(t, 3*rationedLines, written)
	skipped, write := r.take(now.Add(time.Second))
	require.True(t, write)
	require.EqualValues(t, 2500, int64(written)+left+skipped)
}
