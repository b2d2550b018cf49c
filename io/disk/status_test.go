package disk_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
	"rookery/io/disk"
)

func TestStatus(t *testing.T) {
	var mu sync.Mutex
	var took []time.Duration
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}}, false)
	s.disk.Synced(func(d time.Duration, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		require.True(t, ok)
		took = append(took, d)
	})
	file := seam.Path{Name: "file"}
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 1, Deed: seam.Create, File: 1, Path: file}}})
	s.Do(&seam.Effects{Writes: []seam.Write{{Op: 2, File: 1, Data: make([]byte, 70)}, {Op: 3, File: 1, At: 70, Data: make([]byte, 30)}}})
	s.Do(&seam.Effects{Syncs: []seam.Sync{{Op: 4, File: 1}}})
	s.Do(&seam.Effects{Syncs: []seam.Sync{{Op: 5}}})
	require.Equal(t, disk.Status{Writes: 1, Written: 100, Files: 1, Handles: 1, HandlesMax: 10_000}, s.disk.Status(), "neighbours are one write")
	require.Len(t, took, 2, "a file and a folder")
	s.Do(&seam.Effects{Writes: []seam.Write{{Op: 6, File: 1, At: -1, Data: make([]byte, 1)}}})
	require.Equal(t, int64(1), s.disk.Status().Failures)
}
