package log_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/log"
	"rookery/core/seam"
)

// A process dies between the rename to .swap and the folder's Sync, and while the next start finishes what it finds the power
// fails: either the segment or what it stands for is left.
func TestASwapThatNoSyncCoversStandsForNothingYet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := edgeDisk(t, nil)
		d.safe = maps.Clone(d.names)
		compacted := dated(1, 50)
		swap := &inode{data: compacted, disk: compacted, dirty: map[int]bool{}}
		d.safe["t-0/00000000000000000000.log.cleaned"], d.names["t-0/00000000000000000000.log.swap"] = swap, swap
		request := func() *log.RecoveryRequest {
			return &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, RecoveryPoint: 3, Compacted: 2, Config: edgeConfig}
		}
		runRecovery(t, d, request(), rapid.IntRange(1, 30).Draw(t, "steps"))
		d.cut()
		out := runRecovery(t, d, request(), 0)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		require.EqualValues(t, 0, out.Start)
		require.EqualValues(t, 3, out.End.Offset)
	})
}
