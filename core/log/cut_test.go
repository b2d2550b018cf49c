package log_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/seam"
)

// What a failed write left and the repair cut off is in the file again after a power cut, unless a Sync came after the
// Truncate. Behind it no offset is durable: a start would find the log's next segment behind bytes that are no batch.
func TestDurableStaysBeforeACutThatNoSyncCovers(t *testing.T) {
	var files seam.File
	var fx seam.Effects
	now := seam.Now{Mono: 1, Wall: 1}
	l := log.New("t", 0, seam.Path{Name: "t-0"}, log.Config{SegmentBytes: 200, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: 4096},
		log.Numbers{Owner: 7, Files: &files})
	wrote := func(fault seam.Fault) {
		done := fx
		fx = seam.Effects{}
		for _, f := range done.Files {
			l.Wrote(&seam.Wrote{Op: f.Op}, &fx)
		}
		for _, w := range done.Writes {
			l.Wrote(&seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data)), Fault: fault}, &fx)
		}
		for {
			if _, _, fate := l.Pop(&fx); fate == log.UnderWay {
				return
			}
		}
	}
	synced := func(which func(s seam.Sync) bool) (rest []seam.Sync) {
		l.EmitSyncs(false, &fx)
		done := fx.Syncs
		fx.Syncs = nil
		for _, s := range done {
			if which(s) {
				l.Synced(&seam.Synced{Op: s.Op})
			} else {
				rest = append(rest, s)
			}
		}
		return rest
	}
	all := func(seam.Sync) bool { return true }
	data := func(size int) []byte {
		var b batch.Builder
		b.Begin(batch.Plain(batch.None))
		b.Add(1, nil, make([]byte, size), nil)
		return b.Finish()
	}

	l.Create(now, &fx)
	first := fx.Files[0].File
	wrote(seam.OK)
	l.Append(now, data(10), 1, 1, &fx)
	wrote(seam.OK)
	synced(all)
	require.EqualValues(t, 1, l.Durable().Offset)

	l.Append(now, data(10), 1, 1, &fx)
	wrote(seam.IOError)
	require.Equal(t, seam.Truncate, fx.Files[0].Deed)
	wrote(seam.OK)
	require.False(t, l.Broken())
	require.True(t, l.SyncWanted(), "the cut is to be made durable")

	l.Append(now, data(100), 1, 1, &fx)
	require.Equal(t, seam.Create, fx.Files[0].Deed, "it does not fit the first segment")
	wrote(seam.OK)
	rest := synced(func(s seam.Sync) bool { return s.File != first })
	require.Len(t, rest, 1)
	require.EqualValues(t, 2, l.End().Offset)
	require.EqualValues(t, 1, l.Durable().Offset)
	l.Synced(&seam.Synced{Op: rest[0].Op})
	require.EqualValues(t, 2, l.Durable().Offset)
	require.False(t, l.SyncWanted())
}
