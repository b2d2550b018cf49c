package core

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

// Two checkpoints of log starts: the first one fails when the second, with the same goal, is under way and comes through.
func TestAStartThatWasRefusedAndWrittenAfterAllIsKept(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	w.step(w.frame(produceRequest(-1, oneBatch(3, 10, -1, 0))))
	b, p := w.broker, w.broker.partitions.At(1)
	var fx seam.Effects
	b.wantStart(p, 2, &fx)
	b.startRefused(p, &fx)
	b.moveStart(p, 2, &fx)
	require.EqualValues(t, 2, p.startGoal)
	require.EqualValues(t, 2, p.replica.Log.Start())
}

// A directory that did not answer for a while leaves many files that should be gone. They are asked for again, a few in each Step.
func TestKeptFilesAreRemovedInTurns(t *testing.T) {
	s, run := scripted(t)
	run("config items=2 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest",
		"hold unlink", "delete-records t-0 offset=2", "rest")
	for _, file := range []string{"0.log", "0.timeindex", "1.log", "1.timeindex"} {
		run("fail-file unlink t-0/" + file + " fault=io")
	}
	run("release", "rest")
	b, all, kept := s.broker, 0, 0
	for p := range b.partitions.All() {
		kept += p.replica.Log.Kept()
	}
	require.Equal(t, 4, kept)
	s.now.Mono += 2 * seam.Second
	for again := true; again; again = s.fx.Alarm <= s.now.Mono {
		s.fx.Reset()
		b.Step(s.now, &seam.Alarm{}, &s.fx)
		removed := 0
		for _, x := range s.fx.Files {
			if x.Deed == seam.Remove {
				removed++
			}
		}
		require.LessOrEqual(t, removed, 2)
		all += removed
	}
	require.Equal(t, 4, all)
	require.False(t, b.removing)
}
