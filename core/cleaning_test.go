package core

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A bound that is smaller than the number of Cleaners is one for each of them all the same.
func TestWhatACleanerMaySpend(t *testing.T) {
	for _, c := range []struct {
		all, share int64
		threads    int
	}{{0, 0, 1}, {100, 100, 1}, {100, 33, 3}, {2, 1, 3}, {100, 100, 0}} {
		cleaning := cleanings{config: CleanerConfig{BytesPerSecond: c.all, Threads: c.threads}}
		require.Equal(t, c.share, cleaning.share(), "%+v", c)
	}
}
