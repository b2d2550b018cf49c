package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
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

// A move takes as long as its rate says, but for what it may begin with: one second's bytes.
func TestAMoveKeepsToItsRate(t *testing.T) {
	const bytes, rate = 100 * 78, 1000
	s := &script{world: newWorld(t), sessions: map[string]*heldSession{}}
	s.told = s.tell
	run := func(lines ...string) {
		for _, line := range lines {
			s.t = placed{t, line}
			s.command(strings.Fields(line))
		}
	}
	run("config dirs=2", "start", "topic t", "rest")
	for range bytes / 78 {
		run("produce t-0", "rest")
	}
	s.send(s.dial(""), brokerConfigRequest(moveRateKey, "1000"))
	run("rest", "move t-0 to=1", "rest")
	began := s.now.Mono
	for !strings.Contains(s.out.String(), "moved t-0 from d0 to d1") {
		require.Less(t, s.now.Mono-began, 60*seam.Second)
		run("tick 100ms", "rest")
	}
	require.GreaterOrEqual(t, s.now.Mono-began, (bytes/rate-1)*seam.Second)
	require.LessOrEqual(t, s.now.Mono-began, (bytes/rate+2)*seam.Second)
}
