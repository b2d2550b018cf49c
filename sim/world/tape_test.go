package world

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPickOfWhatIsNotThere: a trace from which decisions were left out leads into other circumstances; what weighs nothing
// there is not picked.
func TestPickOfWhatIsNotThere(t *testing.T) {
	trace := []Decision{{"a", 0, 3, 1}, {"a", 1, 3, 2}}
	s := Recorded(trace).Stream("a")
	require.Equal(t, 0, s.Pick(1, 0, 5))
	require.Equal(t, 2, s.Pick(1, 0, 5))
}
