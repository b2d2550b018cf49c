package core

import (
	"strings"
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

// A log that is dirtier than all others, and stays so, does not keep them from being compacted.
func TestEachLogHasItsTurn(t *testing.T) {
	var c cleanings
	logs, waited := []*partition{{}, {}, {}}, [3]int{}
	for range 100 {
		c.best = nil
		for i, p := range logs {
			c.consider(p, []int64{1_000_000, 20_000, 900_000}[i])
		}
		for i, p := range logs {
			if waited[i]++; p == c.best {
				p.cleaned.passed, waited[i] = 0, 0
			}
			require.LessOrEqual(t, waited[i], 6, i)
		}
	}
}

// The names of a compacted segment cannot be changed, and its topic is deleted by then: nobody is told that the partition refuses writes.
func TestADeletedTopicDoesNotStick(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=1s first-check=100ms cleaner-backoff=1s retention-check=2s", "start",
		"topic t cleanup.policy=compact internal.segment.bytes=170 min.cleanable.dirty.ratio=0", "rest",
		"produce t-0 keys=a,b", "produce t-0 keys=a,c", "produce t-0 keys=-c", "produce t-0 keys=a", "produce t-0 keys=d", "rest", "tick 1s", "rest",
		"hold rename t-0/0.log.swap", "tick 1s", "rest", "delete t", "rest", "fail-file rename t-0/0.log.swap fault=space", "release", "rest")
	said := s.out.String()
	_, behind, deleted := strings.Cut(said, "* topic deleted t")
	require.True(t, deleted)
	require.NotContains(t, behind, "write refused t-0")
}
