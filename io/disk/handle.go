package disk

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// Handle is a file that is being sent from.
type Handle file

// hold keeps what the file holds readable, whatever becomes of its name and its id, until letGo.
func (f *file) hold() {
	f.mu.Lock()
	f.holds++
	f.mu.Unlock()
}

func (f *file) letGo() {
	f.mu.Lock()
	f.holds--
	f.left()
}

// Release ends what acquire began.
func (f *file) Release() {
	f.mu.Lock()
	f.pins--
	f.left()
}

// releaseWritten does the same after a write. That the file is dirty is noted only now: a sync that began meanwhile would
// have taken a note from before for its own.
func (f *file) releaseWritten() {
	f.mu.Lock()
	f.pins--
	f.dirty = true
	f.left()
}

// left closes what nobody will use any more; f.mu is held, and given up.
func (f *file) left() {
	idle := f.pins == 0
	last := idle && f.holds == 0 && f.forgotten
	if f.holds == 0 && f.fd < 0 {
		f.unmap()
	}
	f.mu.Unlock()
	if last {
		f.close()
	} else if idle {
		f.disk.handles.freed()
	}
}

// Release ends a Pin.
func (h *Handle) Release() { (*file)(h).letGo() }

// Descriptor opens the file if need be. It is good until Done, which is not to be waited for: there are not many.
func (h *Handle) Descriptor() (int, seam.Fault) { return (*file)(h).acquire() }

// Done ends what Descriptor began.
func (h *Handle) Done() { (*file)(h).Release() }

// acquire is an open handle that stays open until Release. Nobody waits for one with another in hand.
func (f *file) acquire() (int, seam.Fault) {
	f.mu.Lock()
	f.used = true
	if f.fd >= 0 {
		f.pins++
		fd := f.fd
		f.mu.Unlock()
		return fd, seam.OK
	}
	nameless := f.nameless
	f.holds++
	f.mu.Unlock()
	defer f.letGo()
	if nameless {
		return f.reopened(-1, seam.NotFound)
	}
	fd, err := f.disk.handles.take(f.reopen)
	return f.reopened(fd, faultOf(err))
}

// descriptor is that of a file that is pinned.
func (f *file) descriptor() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fd
}

// reopened takes a handle that was opened by name, unless another was faster: the name may be another file's by now.
func (f *file) reopened(fd int, fault seam.Fault) (int, seam.Fault) {
	f.mu.Lock()
	other, spare := f.fd, -1
	switch {
	case other >= 0:
		f.pins++
		spare = fd
	case fault != seam.OK:
	case f.nameless:
		spare, fault = fd, seam.NotFound
	default:
		f.pins++
		f.fd = fd
	}
	f.mu.Unlock()
	if spare >= 0 {
		_ = unix.Close(spare)
		f.disk.handles.drop()
	}
	switch {
	case other >= 0:
		return other, seam.OK
	case fault != seam.OK:
		return -1, fault
	}
	f.disk.handles.keep(f)
	return fd, seam.OK
}

// reopen opens by name.
func (f *file) reopen() (int, error) {
	f.home.names.RLock()
	defer f.home.names.RUnlock()
	name, known := f.disk.name(f.path)
	if !known {
		return -1, unix.ENOENT
	}
	return unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
}

// detach prepares for the loss of the name: from here on the handle is all there is.
func (f *file) detach() seam.Fault {
	_, fault := f.acquire()
	if fault != seam.OK {
		return fault
	}
	f.renounce()
	f.Release()
	return seam.OK
}

// renounce does the same with the handle that there is, or none.
func (f *file) renounce() {
	f.mu.Lock()
	f.nameless = true
	f.mu.Unlock()
	f.disk.handles.orphan(f)
}

// attach undoes detach or renounce.
func (f *file) attach() {
	f.mu.Lock()
	f.nameless = false
	f.mu.Unlock()
	f.disk.handles.adopt(f)
}

// forget ends the id. The handle closes once nobody holds it.
func (f *file) forget() {
	f.disk.unknow(f)
	f.mu.Lock()
	f.forgotten = true
	f.left()
}

// close gives the handle and the mappings back for good.
func (f *file) close() {
	f.disk.handles.forget(f)
	f.mu.Lock()
	f.shut()
	f.mu.Unlock()
}

// shut closes the handle; f.mu is held.
func (f *file) shut() { closeHandle(f.part()) }

// part takes the handle away, to be closed; f.mu is held.
func (f *file) part() (fd int) {
	if f.holds == 0 {
		f.unmap()
	}
	fd, f.fd = f.fd, -1
	return fd
}

func closeHandle(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

func (f *file) unmap() {
	for _, m := range f.maps {
		_ = unix.Munmap(m)
	}
	f.maps = nil
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
	if at < 0 || size <= 0 {
		return nil
	}
	end := at + int64(size)
	if data := f.mapped(at, end); data != nil {
		return data
	}
	fd, fault := h.Descriptor()
	if fault != seam.OK {
		return nil
	}
	defer h.Done()
	length := (end + mappedStep - 1) / mappedStep * mappedStep
	if unsafe.Sizeof(uintptr(0)) == 4 || int64(int(length)) != length {
		return nil
	}
	m, err := unix.Mmap(fd, 0, int(length), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	f.mu.Lock()
	f.maps = append(f.maps, m) // the shorter ones stay until the handle closes: somebody may be sending from them
	f.mu.Unlock()
	return m[at:end]
}

// mapped is a piece of the longest mapping there is.
func (f *file) mapped(at, end int64) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.maps); n > 0 && int64(len(f.maps[n-1])) >= end {
		return f.maps[n-1][at:end]
	}
	return nil
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
