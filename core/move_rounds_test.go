package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A move whose rounds are small, by its rate, takes as many as there are to be: the log is not frozen before what is left of it is
// no more than a round.
func TestAMoveOfManyRounds(t *testing.T) {
	s := &script{world: newWorld(t), sessions: map[string]*heldSession{}}
	s.told = s.tell
	s.config.MoveBytes = 1
	run := func(lines ...string) {
		for _, line := range lines {
			s.t = placed{t, line}
			s.command(strings.Fields(line))
		}
	}
	run("config dirs=2", "start", "topic t", "rest")
	for range 150 {
		run("produce t-0", "rest")
	}
	s.out.Reset()
	run("hold leader-epoch-checkpoint:0..8", "move t-0 to=1", "rest", "pending")
	require.Regexp(t, `copy d1/t-0-future leader-epoch-checkpoint:0..8 .*timeindex\S+\n$`, s.out.String(), "%d bytes, each of them a round before the last, which has only what lies beside them", 150*78)
}
