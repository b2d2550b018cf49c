package server

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// chunk is a buffer that frames are read into. The connection that fills it and every lease on a frame in it count as
// one reference each.
type chunk struct {
	data   []byte
	refs   atomic.Int32
	mapped bool
}

const (
	smallestChunk = 4 << 10
	mappedChunk   = 64 << 10 // from here on chunks are mapped, outside the collected heap
	chunkClasses  = 33       // of the longest frame that has a length, and that length
)

// slabs are the free chunks, by powers of two. Those used last are used first: they are in the processor's cache, and
// touching fresh memory is the dearest thing a produce can do.
type slabs struct {
	mu      sync.Mutex
	free    [chunkClasses][]*chunk
	idle    int // bytes in free
	idleMax int
	poison  bool
	inUse   func(data []byte) bool
}

func (s *slabs) take(size int) *chunk {
	size = max(size, smallestChunk)
	class := bits.Len(uint(size - 1))
	s.mu.Lock()
	if n := len(s.free[class]); n > 0 {
		c := s.free[class][n-1]
		s.free[class][n-1] = nil
		s.free[class] = s.free[class][:n-1]
		s.idle -= len(c.data)
		s.mu.Unlock()
		c.refs.Store(1)
		return c
	}
	s.mu.Unlock()
	c := &chunk{}
	c.refs.Store(1)
	if 1<<class >= mappedChunk {
		if data, err := unix.Mmap(-1, 0, 1<<class, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err == nil {
			c.data, c.mapped = data, true
			return c
		}
	}
	c.data = make([]byte, 1<<class)
	return c
}

// isOurs tells the connection that fills a chunk whether it may overwrite it: no frame in it is lent, and none that was may
// still be read.
func (s *slabs) isOurs(c *chunk) bool { return c.refs.Load() == 1 && !s.stillUsed(c) }

func (s *slabs) stillUsed(c *chunk) bool { return s.inUse != nil && s.inUse(c.data) }

// release ends one reference.
func (s *slabs) release(c *chunk) {
	if c.refs.Add(-1) > 0 || s.stillUsed(c) {
		return // in the second case for good: a disk that was given up may come back to it any time. There are as many as writes that hang
	}
	if s.poison {
		for i := range c.data {
			c.data[i] = 0xDB
		}
	}
	class := bits.Len(uint(len(c.data) - 1))
	s.mu.Lock()
	keep := s.idle+len(c.data) <= s.idleMax
	if keep {
		s.free[class] = append(s.free[class], c)
		s.idle += len(c.data)
	}
	s.mu.Unlock()
	if !keep && c.mapped {
		_ = unix.Munmap(c.data)
	}
}

// lease is one frame that the machine has.
type lease struct {
	chunk      *chunk
	body       any // of the Request; after it was freed, for the next Intake
	generation uint32
}

// leases are the frames that the machine has. A Lease is a slot and how often the slot was used before.
type leases struct {
	slabs *slabs
	mu    sync.Mutex
	slots []*lease
	idle  []uint32
}

func (l *leases) take(c *chunk) (seam.Lease, *lease) {
	c.refs.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		i := l.idle[n-1]
		l.idle = l.idle[:n-1]
		slot := l.slots[i]
		slot.chunk = c
		return leaseID(i, slot.generation), slot
	}
	slot := &lease{chunk: c}
	l.slots = append(l.slots, slot)
	return leaseID(uint32(len(l.slots)-1), 0), slot
}

// peerLease marks the leases of net/dial, which come through the same Effects.
const peerLease = 1 << 63

func leaseID(slot, generation uint32) seam.Lease {
	return seam.Lease(uint64(generation&0x7fffffff)<<32 | uint64(slot+1))
}

func (l *leases) free(freed []seam.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range freed {
		if id&peerLease != 0 {
			continue
		}
		i := uint32(id) - 1
		if uint64(i) >= uint64(len(l.slots)) || l.slots[i].chunk == nil || leaseID(i, l.slots[i].generation) != id {
			panic("broken law N1: a lease is freed once, by the machine it was lent to")
		}
		slot := l.slots[i]
		l.slabs.release(slot.chunk)
		slot.chunk = nil
		slot.generation++
		l.idle = append(l.idle, i)
	}
}
