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
