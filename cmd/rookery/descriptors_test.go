package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSharesOfDescriptors(t *testing.T) {
	for limit, want := range map[int][2]int{
		256: {72, 102}, 1024: {360, 510}, 4096: {1512, 2142}, 20_000: {7476, 10591}, 1 << 20: {30_000, 1<<20 - 64 - 37_500},
		20: {16, 1},
	} {
		handles, connections := shares(limit)
		require.Equal(t, want, [2]int{handles, connections}, "of %d", limit)
	}
}
