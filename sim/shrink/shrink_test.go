package shrink

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/sim/world"
)

// A trace fails when it holds all decisions of a hidden set; the smallest failing trace is that set.
func TestShrinkFindsTheDecisionsThatMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(1, 300).Draw(t, "length")
		streams := []string{"a", "b", "c"}
		var trace []world.Decision
		for i := range length {
			trace = append(trace, world.Decision{Stream: streams[i%3], Index: i, Alternatives: 9, Choice: 1 + i%8})
		}
		culprits := map[int]bool{}
		for range rapid.IntRange(1, 5).Draw(t, "culprits") {
			culprits[rapid.IntRange(0, length-1).Draw(t, "culprit")] = true
		}
		try := func(trace []world.Decision) ([]world.Decision, bool) {
			found := 0
			for _, d := range trace {
				if culprits[d.Index] {
					found++
				}
			}
			return trace, found == len(culprits)
		}
		small := Shrink(trace, try, func() bool { return false })
		require.Len(t, small, len(culprits))
		for _, d := range small {
			require.True(t, culprits[d.Index])
			require.Equal(t, 1, d.Choice)
		}
	})
}
