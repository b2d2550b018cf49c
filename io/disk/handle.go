package disk

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// Handle is a file that is being sent from.
type Handle file

// hold keeps the file, and its handle if it has one, until Release.
func (f *file) hold() {
	f.mu.Lock()
	f.pins++
	f.mu.Unlock()
}

// Release ends what hold, acquire or Pin began.
func (f *file) Release() {
	f.mu.Lock()
	f.pins--
	last := f.pins == 0 && f.forgotten
	f.mu.Unlock()
	if last {
		f.close()
	}
}

// Release ends a Pin.
func (h *Handle) Release() { (*file)(h).Release() }

// Descriptor opens the file if need be. It is good until Release.
func (h *Handle) Descriptor() (int, seam.Fault) {
	f := (*file)(h)
	fd, fault := f.acquire(false)
	if fault == seam.OK {
		f.Release() // the Pin holds it open
	}
	return fd, fault
}

// acquire is a held, open handle.
func (f *file) acquire(dirty bool) (int, seam.Fault) {
	f.mu.Lock()
	f.pins++
	f.used, f.dirty = true, f.dirty || dirty
	if f.fd >= 0 {
		fd := f.fd
		f.mu.Unlock()
		return fd, seam.OK
	}
	nameless := f.nameless
	f.mu.Unlock()
	fd, fault := -1, seam.NotFound
	if !nameless {
		fd, fault = f.reopen()
	}
	return f.reopened(fd, fault)
}

// reopened takes a handle that was opened by name, unless another was faster: the name may be another file's by now.
func (f *file) reopened(fd int, fault seam.Fault) (int, seam.Fault) {
	f.mu.Lock()
	other := f.fd
	switch {
	case other >= 0 && fault == seam.OK:
		_ = unix.Close(fd)
	case other >= 0:
	case fault != seam.OK:
		f.pins--
	case f.nameless:
		f.pins--
		_ = unix.Close(fd)
		fd, fault = -1, seam.NotFound
	default:
		f.fd = fd
	}
	f.mu.Unlock()
	if other >= 0 {
		return other, seam.OK
	}
	if fault == seam.OK {
		f.disk.opened(f)
	}
	return fd, fault
}

// reopen opens by name.
func (f *file) reopen() (int, seam.Fault) {
	d := f.disk
	d.names.RLock()
	defer d.names.RUnlock()
	name, known := d.name(f.path)
	if !known {
		return -1, seam.NotFound
	}
	fd, err := retry(func() (int, error) { return unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0) })
	return fd, faultOf(err)
}

// detach prepares for the loss of the name: from here on the handle is all there is.
func (f *file) detach() seam.Fault {
	_, fault := f.acquire(false)
	if fault != seam.OK {
		return fault
	}
	f.mu.Lock()
	f.nameless = true
	f.mu.Unlock()
	f.Release()
	return seam.OK
}

// forget ends the id. The handle closes once nobody holds it.
func (f *file) forget() {
	f.disk.unknow(f)
	f.mu.Lock()
	f.forgotten = true
	last := f.pins == 0
	f.mu.Unlock()
	if last {
		f.close()
	}
}

// close gives the handle and the mappings back.
func (f *file) close() {
	f.disk.closed(f)
	f.mu.Lock()
	f.shut()
	f.mu.Unlock()
}

func (f *file) shut() {
	if f.fd < 0 {
		return
	}
	for _, m := range f.maps {
		_ = unix.Munmap(m)
	}
	_ = unix.Close(f.fd)
	f.fd, f.maps = -1, nil
}

// opened counts a new handle and closes another if there are too many.
func (d *Disk) opened(f *file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, f)
	for tries := 2 * len(d.open); len(d.open) > d.handleMax && tries > 0; tries-- {
		d.evict()
	}
}

// evict gives the next file under the hand its second chance, or closes its handle; d.mu is held.
func (d *Disk) evict() {
	d.hand = (d.hand + 1) % len(d.open)
	f := d.open[d.hand]
	if !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	if f.used {
		f.used = false
		return
	}
	if f.pins > 0 || f.dirty || f.nameless || f.fd < 0 {
		return
	}
	f.shut()
	d.cut(d.hand)
}

func (d *Disk) cut(i int) {
	last := len(d.open) - 1
	d.open[i], d.open[last] = d.open[last], nil
	d.open = d.open[:last]
}

func (d *Disk) closed(f *file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, other := range d.open {
		if other == f {
			d.cut(i)
			return
		}
	}
}

// mapping is a piece of the address space that shows a file from its beginning.
type mapping []byte

// mappedStep is the unit in which mappings grow: a segment of 1 GiB is mapped once, whatever its length so far, so that
// its pages are faulted in once.
const mappedStep = 1 << 30

// Bytes are the file's bytes as the page cache has them, or nil where mapping is refused. Only a system call may read
// them (it answers EFAULT where the file has become shorter; Go code would die of SIGBUS). Good until Release.
func (h *Handle) Bytes(at int64, size int) []byte {
	f := (*file)(h)
	fd, fault := h.Descriptor()
	if fault != seam.OK || at < 0 || size <= 0 {
		return nil
	}
	end := at + int64(size)
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.maps); n > 0 && int64(len(f.maps[n-1])) >= end {
		return f.maps[n-1][at:end]
	}
	length := (end + mappedStep - 1) / mappedStep * mappedStep
	if unsafe.Sizeof(uintptr(0)) == 4 || int64(int(length)) != length {
		return nil
	}
	m, err := unix.Mmap(fd, 0, int(length), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	f.maps = append(f.maps, m) // the shorter ones stay until the handle closes: somebody may be sending from them
	return m[at:end]
}

// buffers are what reads are read into.
type buffers struct {
	mu   sync.Mutex
	free [][]byte
}

const (
	buffersMax     = 16
	bufferBytesMax = 1 << 20
)

func (b *buffers) take(size int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.free) - 1; i >= 0; i-- {
		if data := b.free[i]; cap(data) >= size {
			last := len(b.free) - 1
			b.free[i], b.free[last] = b.free[last], nil
			b.free = b.free[:last]
			return data[:size]
		}
	}
	return make([]byte, size)
}

func (b *buffers) put(data []byte) {
	if cap(data) == 0 || cap(data) > bufferBytesMax {
		return
	}
	b.mu.Lock()
	if len(b.free) < buffersMax {
		b.free = append(b.free, data[:0])
	}
	b.mu.Unlock()
}
