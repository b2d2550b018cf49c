package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsInUseIsNotUsedAgain(t *testing.T) {
	inUse := false
	s := slabs{idleMax: 1 << 20, inUse: func() bool { return inUse }}
	c := s.take(100)
	s.release(c)
	require.Same(t, c, s.take(100))
	inUse = true
	s.release(c)
	inUse = false
	require.NotSame(t, c, s.take(100))
}
