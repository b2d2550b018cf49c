package disk

import (
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

type kind uint8

const (
	write kind = iota
	read
	create
	open
	truncate
	forget
	unlink
)

// task is one effect in a file's queue.
type task struct {
	kind kind
	port *Port // who asked
	op   seam.Op
	tick int64 // of the disk, when it was queued
	at   int64
	size int64
	data []byte
}

// file is one id.
type file struct {
	disk *Disk
	id   seam.File
	home *home
	path seam.Path // guarded by home.names

	line    sync.Mutex // guards these; never held in a system call
	queue   []task
	head    int
	busy    bool     // somebody drains the queue
	drainer *Port    // for this machine, which runs when the chore is done
	doing   *scratch // what is under way
	taken   *scratch // of whoever drains: what the crew is to begin with
	skipped bool     // a change ran out of patience in the queue

	flushing sync.Mutex // one sync at a time: the kernel reports a failed write-back once a handle
	place    int        // in the list of handles, from one; zero: not in it, or orphaned. Guarded by handles.mu

	mu        sync.Mutex // guards these; never held in a system call that may wait
	failed    bool       // law 3: writes answer Planned until a truncate succeeds
	fd        int        // -1: no handle
	pins      int        // users of the handle
	holds     int        // of what the file holds, whatever becomes of its name
	used      bool       // since the hand last passed
	dirty     bool       // written since the last sync began
	lost      seam.Fault // a sync has failed: what every later one answers
	nameless  bool       // the name is gone, or another file's: the handle is all there is
	forgotten bool       // the id is gone: close once nobody holds it
	maps      []mapping
}

// push queues t and reports whether the caller has to drain the queue now.
func (f *file) push(t task) bool {
	t.tick = f.disk.tick.Load()
	f.line.Lock()
	f.queue = append(f.queue, t)
	claimed := !f.busy
	if claimed {
		f.busy, f.drainer = true, t.port
	}
	f.line.Unlock()
	return claimed
}

// carry drains the queue on a goroutine of its own, which may wait for the device.
func (f *file) carry() {
	mail := f.drainer.mail // nobody else claims the file before its queue is empty
	s := f.taken
	if f.taken = nil; s == nil {
		s = f.first()
	}
	for again := true; again; {
		if again = f.perform(s); again {
			s = f.first()
		}
		go mail.Run() // it may come to a disk that does not answer, and what was taken is of one that does
	}
}

// post answers a task. Whoever drains the queue runs one machine; another is run here.
func (f *file) post(t *task, in seam.Input) {
	t.port.mail.Post(in)
	if t.port != f.drainer {
		go t.port.mail.Run()
	}
}

// Do carries out what is first in the queue, with the writes that join it, and reports whether more waits. Its caller
// is not made to wait for a device that has to be read: with what is not in the page cache the crew goes on.
func (f *file) Do() bool {
	s := f.first()
	if len(s.tasks) > 0 {
		if t := &s.tasks[0]; t.kind == read && !t.port.calm && !f.readCached(t, &s.loaded) {
			f.taken = s
			f.home.carry(f)
			return false
		}
	}
	return f.perform(s)
}

func (f *file) first() *scratch {
	s := scratches.Get().(*scratch)
	if f.take(s) {
		f.setFailed(true)
	}
	return s
}

// perform carries out what was taken, and reports whether more waits.
func (f *file) perform(s *scratch) bool {
	switch {
	case len(s.tasks) == 0: // all that was there has run out of patience
	case s.tasks[0].kind == write:
		f.write(s)
	case s.loaded.Op == s.tasks[0].op: // it was in the page cache
		if f.returned(s) {
			f.post(&s.tasks[0], &s.loaded)
		}
	default:
		f.one(s, &s.tasks[0])
	}
	s.reset()
	scratches.Put(s)

	f.line.Lock()
	defer f.line.Unlock()
	f.busy = f.head < len(f.queue)
	if !f.busy {
		f.queue, f.head = f.queue[:0], 0
	}
	return f.busy
}

// take moves the first task, and the writes that continue it, to s. failed: a change before it was skipped.
func (f *file) take(s *scratch) (failed bool) {
	f.line.Lock()
	defer f.line.Unlock()
	failed, f.skipped = f.skipped, false
	end, total := int64(-1), 0
	for f.head < len(f.queue) && len(s.tasks) < joinedMax {
		t := &f.queue[f.head]
		if len(s.tasks) > 0 && (t.kind != write || s.tasks[0].kind != write || t.at != end || total+len(t.data) > f.disk.joinMax) {
			break
		}
		end, total = t.at+int64(len(t.data)), total+len(t.data)
		s.tasks = append(s.tasks, *t)
		*t = task{}
		f.head++
	}
	if len(s.tasks) > 0 {
		f.doing = s
	}
	if f.head > 64 && f.head*2 > len(f.queue) {
		n := copy(f.queue, f.queue[f.head:])
		clear(f.queue[n:])
		f.queue, f.head = f.queue[:n], 0
	}
	return failed
}

// joinedMax is how many writes go into one pwritev; the kernel's limit is 1,024.
const joinedMax = 256

// scratch is what one drain needs, borrowed so that an idle file costs nothing.
type scratch struct {
	tasks  []task
	late   bool // nobody waits for it any more; guarded by file.line
	parts  []unix.Iovec
	wrote  seam.Wrote
	loaded seam.Loaded
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) reset() {
	clear(s.tasks)
	clear(s.parts)
	s.tasks, s.parts, s.late = s.tasks[:0], s.parts[:0], false
	s.wrote, s.loaded = seam.Wrote{}, seam.Loaded{}
}

func (f *file) write(s *scratch) {
	done, fault := int64(0), seam.Planned
	if !f.hasFailed() {
		done, fault = f.writeAll(s)
	}
	f.disk.counts.write(f.id, done, fault)
	if fault != seam.OK {
		f.setFailed(true)
	}
	if !f.returned(s) {
		return
	}
	for i := range s.tasks {
		t := &s.tasks[i]
		n := min(done, int64(len(t.data)))
		done -= n
		s.wrote = seam.Wrote{Op: t.op, Bytes: n}
		if n < int64(len(t.data)) || fault == seam.Planned {
			s.wrote.Fault, fault = fault, seam.Planned
		}
		f.post(t, &s.wrote)
	}
}

// writeAll writes s.tasks, which are neighbours, and says how many bytes of them are in the page cache.
func (f *file) writeAll(s *scratch) (int64, seam.Fault) {
	fd, fault := f.acquire()
	if fault != seam.OK {
		return 0, fault
	}
	defer f.releaseWritten()
	at, total := s.tasks[0].at, int64(0)
	for i := range s.tasks {
		total += int64(len(s.tasks[i].data))
	}
	if len(s.tasks) == 1 {
		return pwriteAll(fd, s.tasks[0].data, at)
	}
	n, err := pwritev(fd, s, at)
	if err == nil && n == total {
		return n, seam.OK
	}
	if err != nil && err != unix.EINTR {
		return 0, faultOf(err)
	}
	return f.finish(fd, s, at, n)
}

// finish writes what a short pwritev left, one write after another, until the kernel says why it was short.
func (f *file) finish(fd int, s *scratch, at, done int64) (int64, seam.Fault) {
	start := int64(0)
	for i := range s.tasks {
		data := s.tasks[i].data
		if skip := done - start; skip < int64(len(data)) {
			n, fault := pwriteAll(fd, data[max(skip, 0):], at+done)
			done += n
			if fault != seam.OK {
				return done, fault
			}
		}
		start += int64(len(data))
	}
	return done, seam.OK
}

func pwriteAll(fd int, data []byte, at int64) (int64, seam.Fault) {
	done := 0
	for done < len(data) {
		n, err := unix.Pwrite(fd, data[done:], at+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return int64(done), faultOf(err)
		}
		if n == 0 {
			return int64(done), seam.IOError
		}
		done += n
	}
	return int64(done), seam.OK
}

func pwritev(fd int, s *scratch, at int64) (int64, error) {
	for i := range s.tasks {
		if data := s.tasks[i].data; len(data) > 0 {
			part := unix.Iovec{Base: &data[0]}
			part.SetLen(len(data))
			s.parts = append(s.parts, part)
		}
	}
	if len(s.parts) == 0 {
		return 0, nil
	}
	n, _, errno := unix.Syscall6(unix.SYS_PWRITEV, uintptr(fd), uintptr(unsafe.Pointer(&s.parts[0])), uintptr(len(s.parts)),
		uintptr(at), uintptr(uint64(at)>>32), 0)
	if errno != 0 {
		return 0, errno
	}
	return int64(n), nil
}

// one carries out a task that is not a write.
func (f *file) one(s *scratch, t *task) {
	if t.kind == read {
		s.loaded = seam.Loaded{Op: t.op}
		s.loaded.Data, s.loaded.Fault = f.read(t.at, int(t.size))
		if f.returned(s) {
			f.post(t, &s.loaded)
		}
		return
	}
	s.wrote = seam.Wrote{Op: t.op}
	switch t.kind {
	case create:
		s.wrote.Fault = f.create()
	case open:
		s.wrote.Bytes, s.wrote.Fault = f.open()
	case truncate:
		s.wrote.Fault = f.truncate(t.size)
	case forget:
		f.forget()
	case unlink:
		s.wrote.Fault = f.unlink()
	}
	if f.returned(s) {
		f.post(t, &s.wrote)
	}
}

func (f *file) hasFailed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *file) setFailed(failed bool) {
	f.mu.Lock()
	f.failed = failed
	f.mu.Unlock()
}

// readCached reads what is asked for if all of it is in the page cache, and says whether it was.
func (f *file) readCached(t *task, into *seam.Loaded) bool {
	fd, fault := f.acquire()
	if fault != seam.OK {
		return false
	}
	defer f.Release()
	data, done := f.disk.buffers.take(int(t.size)), 0
	for done < len(data) {
		n, err := preadCached(fd, data[done:], t.at+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil { // EAGAIN, or a file system that cannot say
			f.disk.buffers.put(data)
			return false
		}
		if n == 0 {
			break
		}
		done += n
	}
	into.Op, into.Data = t.op, data[:done]
	return true
}

func preadCached(fd int, data []byte, at int64) (int, error) {
	part := unix.Iovec{Base: &data[0]}
	part.SetLen(len(data))
	n, _, errno := unix.Syscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&part)), 1,
		uintptr(at), uintptr(uint64(at)>>32), unix.RWF_NOWAIT)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (f *file) read(at int64, size int) ([]byte, seam.Fault) {
	fd, fault := f.acquire()
	if fault != seam.OK {
		return nil, fault
	}
	defer f.Release()
	data, done := f.disk.buffers.take(size), 0
	for done < size {
		n, err := unix.Pread(fd, data[done:], at+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, faultOf(err)
		}
		if n == 0 {
			break
		}
		done += n
	}
	return data[:done], seam.OK
}

func (f *file) create() seam.Fault {
	fd, err := f.disk.handles.take(f.createFile)
	fault := faultOf(err)
	f.mu.Lock()
	if fault == seam.OK {
		f.fd, f.used = fd, true
	} else {
		f.failed, f.nameless = true, true // whatever has the name is not this file
	}
	f.mu.Unlock()
	if fault == seam.OK {
		f.disk.handles.keep(f)
	}
	return fault
}

func (f *file) createFile() (int, error) {
	d := f.disk
	f.home.names.RLock()
	defer f.home.names.RUnlock()
	name, known := d.name(f.path)
	if !known {
		return -1, unix.ENOENT
	}
	fd, err := createFile(name)
	if err == unix.ENOENT {
		if err = makeFolders(filepath.Dir(name), d.dirs[f.path.Dir]); err == nil {
			fd, err = createFile(name)
		}
	}
	return fd, err
}

func createFile(name string) (int, error) {
	return retry(func() (int, error) {
		return unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	})
}

// makeFolders makes folder and what is missing above it, but never a log directory.
func makeFolders(folder, root string) error {
	if folder == root || len(folder) < len(root) {
		return unix.ENOENT
	}
	mkdir := func() error { return again(func() error { return unix.Mkdir(folder, 0o755) }) }
	err := mkdir()
	if err == unix.ENOENT {
		if err = makeFolders(filepath.Dir(folder), root); err == nil {
			err = mkdir()
		}
	}
	if err == unix.EEXIST {
		return nil
	}
	return err
}

func (f *file) open() (int64, seam.Fault) {
	fd, fault := f.acquire()
	if fault != seam.OK {
		f.setFailed(true)
		return 0, fault
	}
	defer f.Release()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		f.setFailed(true)
		return 0, faultOf(err)
	}
	return stat.Size, seam.OK
}

func (f *file) truncate(size int64) seam.Fault {
	fd, fault := f.acquire()
	if fault != seam.OK {
		return fault
	}
	defer f.releaseWritten()
	if _, err := retry(func() (int, error) { return 0, unix.Ftruncate(fd, size) }); err != nil {
		return faultOf(err)
	}
	f.setFailed(false)
	return seam.OK
}

// sync makes durable what was written before it was called.
func (f *file) sync() seam.Fault {
	fd, fault := f.acquire()
	if fault != seam.OK {
		return fault
	}
	defer f.Release()
	return f.flush(fd)
}

// flush syncs through an open handle. What it says once it says for ever: the kernel has marked the lost pages clean, and
// would say no more of them.
func (f *file) flush(fd int) seam.Fault {
	f.flushing.Lock()
	defer f.flushing.Unlock()
	f.mu.Lock()
	f.dirty = false
	lost := f.lost
	f.mu.Unlock()
	if lost != seam.OK {
		return lost
	}
	_, err := retry(func() (int, error) { return 0, f.disk.counts.timed(unix.Fdatasync, fd) })
	if err == nil {
		return seam.OK
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = faultOf(err)
	return f.lost
}

// unlink removes the name. Whoever holds the file goes on reading it, unless very many are: then a slow reader is cut.
func (f *file) unlink() seam.Fault {
	if f.isNameless() {
		return seam.NotFound
	}
	kept := f.isHeld() && f.disk.handles.spares()
	if kept {
		if fault := f.detach(); fault != seam.OK {
			return fault
		}
	} else {
		f.renounce()
	}
	d := f.disk
	f.home.names.RLock()
	name, known := d.name(f.path)
	err := error(unix.ENOENT)
	if known {
		_, err = retry(func() (int, error) { return 0, unix.Unlink(name) })
	}
	f.home.names.RUnlock()
	if err != nil {
		f.attach()
		return faultOf(err)
	}
	if !kept {
		f.disk.handles.give(f)
	}
	f.forget()
	return seam.OK
}

func (f *file) isHeld() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.holds > 0
}
