package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllowance: what is read ahead is bounded in bytes; one thing has room, whatever it takes.
func TestAllowance(t *testing.T) {
	a := newAllowance(100)
	a.take(1000)
	taken := make(chan int, 2)
	go func() {
		a.take(60)
		taken <- 60
		a.take(60)
		taken <- 120
	}()
	require.Empty(t, taken)
	a.give(1000)
	require.Equal(t, 60, <-taken)
	require.Empty(t, taken)
	a.give(60)
	require.Equal(t, 120, <-taken)
}
