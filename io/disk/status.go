package disk

import (
	"sync/atomic"
	"time"

	"rookery/core/seam"
)

// counts are what a disk counts, once a system call. Files share them by their ids: one sum for all would go from one
// processor's cache to the other's with every write.
type counts struct {
	shards  [8]shard
	syncing atomic.Int64
	synced  func(took time.Duration, ok bool)
}

type shard struct {
	writes, written, failures atomic.Int64
	_                         [40]byte // to the end of the cache line
}

func (c *counts) write(file seam.File, bytes int64, fault seam.Fault) {
	s := &c.shards[file%8]
	s.writes.Add(1)
	s.written.Add(bytes)
	if fault != seam.OK {
		s.failures.Add(1)
	}
}

// Status is what a disk shows of itself: sums since the start, and what is now.
type Status struct {
	Writes   int64 // calls; neighbours are joined into one
	Written  int64 // bytes
	Failures int64 // writes that failed or were not tried
	Syncing  int64 // under way
	Files    int   // that have an id
	Handles  int   // open

	HandlesMax int // and how many may be
}

// Status says how things are.
func (d *Disk) Status() Status {
	s := Status{Syncing: d.counts.syncing.Load()}
	for i := range d.counts.shards {
		shard := &d.counts.shards[i]
		s.Writes += shard.writes.Load()
		s.Written += shard.written.Load()
		s.Failures += shard.failures.Load()
	}
	d.idsMu.Lock()
	s.Files = len(d.ids)
	d.idsMu.Unlock()
	s.Handles, s.HandlesMax = d.handles.count(), d.handles.max
	return s
}

// Synced has tell told how long each sync of a file or folder took. It is called before the first Queue.
func (d *Disk) Synced(tell func(took time.Duration, ok bool)) { d.counts.synced = tell }

// timed syncs, and tells how long that took.
func (c *counts) timed(sync func(fd int) error, fd int) error {
	began := time.Now()
	c.syncing.Add(1)
	err := sync(fd)
	c.syncing.Add(-1)
	if c.synced != nil {
		c.synced(time.Since(began), err == nil)
	}
	return err
}
