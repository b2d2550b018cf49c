package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSharesOfDescriptors(t *testing.T) {
	for limit, want := range map[int][2]int{
		256: {76, 97}, 1024: {384, 480}, 4096: {1612, 2017}, 20_000: {7974, 9969}, 1 << 20: {30_000, 1<<20 - 64 - 37_500},
		20: {16, 1},
	} {
		handles, connections := shares(limit)
		require.Equal(t, want, [2]int{handles, connections}, "of %d", limit)
	}
}
