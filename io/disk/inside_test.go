package disk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

// IsOpening says whether somebody opens by name.
func (d *Disk) IsOpening(dir int32) bool {
	names := &d.homeOf(dir).names
	if names.TryLock() {
		names.Unlock()
		return false
	}
	return true
}

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

// TestAReadThatMayWaitTakesNoThreadOfItsOwn: on a directory that does not answer there would be as many as it has files.
func TestAReadThatMayWaitTakesNoThreadOfItsOwn(t *testing.T) {
	d := New(Config{Dirs: []string{t.TempDir()}})
	defer d.Close()
	came := make(mail, 2)
	port, crew := d.Port(came, false), &d.homes[0].crew
	port.Queue(&seam.Effects{Files: []seam.FileOp{{Op: 1, Deed: seam.Open, File: 1, Path: seam.Path{Name: "nothing"}}}}, nil)
	require.Equal(t, &seam.Wrote{Op: 1, Fault: seam.NotFound}, <-came)
	require.Eventually(t, func() bool { return crew.becomeBusy() }, 10*time.Second, time.Millisecond)

	ready := port.Queue(&seam.Effects{Reads: []seam.Read{{Op: 2, File: 1, Len: 10}}}, nil)
	require.Len(t, ready, 1)
	require.False(t, ready[0].Do())
	require.Len(t, crew.waiting, 1)
	go crew.work(crew.next()) // one of them is done with what it was at
	require.Equal(t, &seam.Loaded{Op: 2, Fault: seam.NotFound}, <-came)
}

// becomeBusy has all of a crew at work that was idle.
func (c *crew) becomeBusy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle := c.atWork == 0
	if idle {
		c.atWork = crewMax
	}
	return idle
}

type mail chan seam.Input

func (m mail) Run() {}

func (m mail) Post(in seam.Input) {
	switch in := in.(type) {
	case *seam.Wrote:
		whole := *in
		m <- &whole
	case *seam.Loaded:
		whole := *in
		m <- &whole
	}
}
