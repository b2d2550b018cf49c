package disk

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// handles are the descriptors that a disk may have open at once. Whoever needs one more closes one that nobody uses,
// syncs one to be closed where all of those have unsynced writes, or waits until one is free. That there are none left,
// here or in the process, says nothing about a disk: it is never a fault.
type handles struct {
	max int

	waiting atomic.Int64 // that found no room
	starved atomic.Int64 // that the kernel refused a descriptor

	mu       sync.Mutex
	room     sync.Cond
	taken    int     // descriptors, open or about to be; not the orphans
	open     []*file // in no order; hand walks it
	hand     int
	cleaning int // files that are synced so that they may be closed
	orphans  int // handles of files without a name
}

const (
	searchMax   = 256 // handles that are looked at for a clean one before a dirty one is synced
	cleaningMax = 32
	orphansMin  = 16
	starvedWait = 100 * time.Millisecond // at most, before the kernel is asked again
)

func (h *handles) begin(most int) {
	h.max, h.room.L = most, &h.mu
}

// take calls what opens a descriptor, and again for as long as the kernel has none left. The descriptor is given back
// with drop, unless a file keeps it.
func (h *handles) take(call func() (int, error)) (int, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, starvedWait) {
		h.reserve()
		fd, err := retry(call)
		if err == nil {
			return fd, nil
		}
		h.drop()
		if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) {
			return -1, err
		}
		h.starve(pause)
	}
}

// lend calls what needs a descriptor for itself only.
func (h *handles) lend(call func() error) error {
	_, err := h.take(func() (int, error) { return 0, call() })
	if err == nil {
		h.drop()
	}
	return err
}

// reserve waits until one more may be opened. Its caller holds no lock and no handle.
func (h *handles) reserve() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken >= h.max {
		h.waiting.Add(1) // before the search: whoever is met using a handle will see it
		for h.taken >= h.max && !h.evict() {
			h.room.Wait()
		}
		h.waiting.Add(-1)
	}
	h.taken++
}

// drop gives back what take or reserve began.
func (h *handles) drop() {
	h.mu.Lock()
	h.taken--
	h.room.Broadcast()
	h.mu.Unlock()
}

// freed wakes those who wait: a handle has lost its last user.
func (h *handles) freed() {
	if h.waiting.Load() > 0 {
		h.mu.Lock()
		h.room.Broadcast()
		h.mu.Unlock()
	}
}

// starve makes do with less: others in the process have taken what there was.
func (h *handles) starve(pause time.Duration) {
	h.starved.Add(1)
	defer h.starved.Add(-1)
	h.mu.Lock()
	closed := h.evict()
	h.mu.Unlock()
	if !closed {
		time.Sleep(pause)
	}
}

// isStarved says whether somebody waits for the process to have descriptors again.
func (h *handles) isStarved() bool { return h.starved.Load() > 0 }

// evict walks the hand, giving each file its second chance, until it has closed one. If it meets none that is clean, it
// has one synced, which wakes those who wait. h.mu is held.
func (h *handles) evict() (closed bool) {
	var dirty *file
	for tried := 0; tried < 2*len(h.open) && (dirty == nil || tried < searchMax); tried++ {
		h.hand = (h.hand + 1) % len(h.open)
		f := h.open[h.hand]
		f.mu.Lock()
		switch {
		case f.used:
			f.used = false
		case f.pins > 0 || f.forgotten:
		case f.dirty:
			if dirty == nil {
				dirty = f
			}
		default:
			f.shut()
			h.cut(f)
			closed = true
		}
		f.mu.Unlock()
		if closed {
			return true
		}
	}
	if dirty != nil && h.cleaning < cleaningMax && dirty.pinIdle() {
		h.cleaning++
		go h.clean(dirty)
	}
	return false
}

// pinIdle pins a handle, unless it is used or lost by now.
func (f *file) pinIdle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pins > 0 || f.forgotten || f.fd < 0 {
		return false
	}
	f.pins++
	return true
}

// clean syncs a file: what the kernel has to say of its writes, it says through the handle that they went through. It
// does not stand in the line of the machines' syncs, which may be waiting for a handle.
func (h *handles) clean(f *file) {
	f.flush(f.descriptor())
	h.mu.Lock()
	h.cleaning--
	h.mu.Unlock()
	f.Release()
}

// cut takes a file off the list; h.mu is held.
func (h *handles) cut(f *file) {
	if f.place <= 0 {
		return
	}
	i, last := f.place-1, len(h.open)-1
	h.open[i] = h.open[last]
	h.open[i].place = i + 1
	h.open[last], h.open = nil, h.open[:last]
	f.place = 0
	h.taken--
	h.room.Broadcast()
}

// keep lists a file whose handle was taken.
func (h *handles) keep(f *file) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enlist(f)
	if f.isNameless() { // meanwhile
		h.expel(f)
	}
}

func (h *handles) enlist(f *file) {
	h.open = append(h.open, f)
	f.place = len(h.open)
	h.room.Broadcast() // nobody may be using it: a file that was made is not
}

const orphaned = -1 // file.place

// orphan lets go of a file that has lost its name: it can be closed, but not opened again.
func (h *handles) orphan(f *file) {
	h.mu.Lock()
	if f.place > 0 {
		h.expel(f)
	}
	h.mu.Unlock()
}

func (h *handles) expel(f *file) {
	h.cut(f)
	f.place = orphaned
	h.orphans++
}

// give closes the handle of an orphan, unless it is used this moment. The kernel takes back all that the file has then, so that nobody
// is to wait for it: of 256 MiB for 17 ms, of a disk that hangs for good.
func (h *handles) give(f *file) {
	fd := -1
	h.mu.Lock()
	f.mu.Lock()
	if f.place == orphaned && f.pins == 0 {
		fd = f.part()
		f.place = 0
		h.orphans--
	}
	f.mu.Unlock()
	h.mu.Unlock()
	closeHandle(fd)
}

// adopt undoes orphan.
func (h *handles) adopt(f *file) {
	h.mu.Lock()
	if f.place == orphaned {
		h.orphans--
		h.taken++
		h.enlist(f)
	}
	h.mu.Unlock()
}

// forget is told of a handle that is closed for good.
func (h *handles) forget(f *file) {
	h.mu.Lock()
	if f.place == orphaned {
		h.orphans--
		f.place = 0
	}
	h.cut(f)
	h.mu.Unlock()
}

// spares says whether there is room for one more handle of a file without a name.
func (h *handles) spares() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.orphans < max(orphansMin, h.max/4)
}

func (h *handles) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taken + h.orphans
}
