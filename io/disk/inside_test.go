package disk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

// IsHeldUp says whether a rename waits for somebody who opens by name, and a sync is under way.
func (d *Disk) IsHeldUp(dir int32) bool {
	h := d.homeOf(dir)
	if h.names.TryRLock() {
		h.names.RUnlock()
		return false
	}
	return len(h.syncs) > 0
}

type nobody struct{}

func (nobody) Post(seam.Input) {}
func (nobody) Run()            {}

// TestADrainThatComesTooLateHasNothingUnderWay: the scratch that it gives back is another file's a moment later.
func TestADrainThatComesTooLateHasNothingUnderWay(t *testing.T) {
	d := New(Config{Dirs: []string{t.TempDir()}, Patience: time.Hour})
	defer d.Close()
	port := d.Port(nobody{}, true)
	ready := port.Queue(&seam.Effects{
		Files:  []seam.FileOp{{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "f"}}},
		Writes: []seam.Write{{Op: 2, File: 1, Data: []byte("given up")}},
	}, nil)
	require.Len(t, ready, 1)
	d.expireQueues(1)
	f := d.file(1)
	require.False(t, ready[0].Do())
	require.Nil(t, f.doing)
	require.True(t, f.hasFailed())
}
