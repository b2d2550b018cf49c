// Package disk carries out what machines ask of files: writes, reads, syncs, names and lengths. It has no policy: when
// to sync, what to truncate and how much may be unsynced is decided by the machines.
//
//	        in the turn                     outside the turn
//	fx ──▶ Port.Queue ──▶ file's queue ──▶ file.Do ──▶ pwritev ──▶ Post(Wrote) ─┐
//	             │                                                              ├─▶ the machine's mailbox
//	             └──────▶ a goroutine a sync ──▶ fdatasync ──▶ Post(Synced) ────┘
//
// Rules:
//   - Creates, Opens, Writes, Truncates and Reads of one File run in the order queued. A file's queue is drained by
//     whoever finds it idle: Queue hands the file back as a chore, and its taker does it once the turn is given up.
//   - Writes that are neighbours in the queue and in the file go out as one pwritev.
//   - Syncs run beside the queue, at most Config.SyncsMax of a log directory at once.
//   - After a failed or partial write (or a failed create or open) later writes of that File answer Planned until a
//     truncate succeeds.
//   - Every Op comes back once, to the machine whose Port it came through. File ids belong to the process: a Recovery
//     opens what the Broker then goes on with.
//   - What has not come back within Config.Patience is answered Late, once: a real completion after that is swallowed. What
//     waits behind it in the file's queue runs out of patience by itself, other files go on. The bytes of a write that
//     was given up are the kernel's until InUse says otherwise.
//   - Handles are opened when needed, at most Config.OpenHandlesMax at once, and closed when another is needed, the clean
//     ones first. One with unsynced writes is synced before: the kernel reports a failed write-back through it, once, and
//     every later Sync answers what it said. A want of handles, or of the process's descriptors, is waited out: it says
//     nothing about a disk. A file that is being sent keeps no handle between two system calls, but for one unlinked.
//   - What may wait for the device without having asked for it in a turn is done by a crew of each log directory. What
//     waits for one log directory waits for no other.
package disk

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// Mailbox takes what has come back. Post copies the input and does not run the machine; Run runs it.
type Mailbox interface {
	Post(in seam.Input)
	Run()
}

// Chore is work that Queue hands back, to be done outside the turn by whoever queued; true means do it again.
type Chore = interface{ Do() (again bool) }

// Config says where and how much.
type Config struct {
	Dirs           []string      // the log directories, in the order of seam.Path.Dir
	OpenHandlesMax int           // zero: 10,000
	SyncsMax       int           // of a log directory; zero: 32
	JoinBytesMax   int           // neighbouring writes are joined up to this; zero: 1 MiB
	Patience       time.Duration // how long an operation may take before it counts as failed; zero: 30 s
}

// Disk is the log directories of one process.
type Disk struct {
	counts  counts
	dirs    []string
	homes   []home // of each log directory, and one of what lies in none
	handles handles
	joinMax int

	idsMu sync.Mutex
	ids   map[seam.File]*file
	named map[seam.Path][]*file // by its name, and by the name of each folder above it

	buffers buffers
	patience
}

// New is a Disk over directories that exist.
func New(config Config) *Disk {
	d := &Disk{
		dirs:    config.Dirs,
		homes:   make([]home, len(config.Dirs)+1),
		joinMax: orDefault(config.JoinBytesMax, 1<<20),
		ids:     map[seam.File]*file{},
		named:   map[seam.Path][]*file{},
	}
	for i := range d.homes {
		d.homes[i].syncs = make(chan struct{}, orDefault(config.SyncsMax, 32))
	}
	d.handles.begin(orDefault(config.OpenHandlesMax, 10_000))
	d.begin(config.Patience, d.handles.isStarved, d.expireQueues)
	return d
}

func orDefault(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}

// home is what there is of a log directory.
type home struct {
	crew
	names sync.RWMutex  // held to open by name (read) and to rename (write); guards file.path, with idsMu
	syncs chan struct{} // one token a sync under way
}

func (d *Disk) homeOf(dir int32) *home {
	if dir < 0 || int(dir) >= len(d.dirs) {
		return &d.homes[len(d.dirs)]
	}
	return &d.homes[dir]
}

func (d *Disk) name(p seam.Path) (string, bool) {
	if p.Dir < 0 || int(p.Dir) >= len(d.dirs) {
		return "", false
	}
	return filepath.Join(d.dirs[p.Dir], filepath.FromSlash(p.Name)), true
}

// Close forgets every id. Nothing may be outstanding.
func (d *Disk) Close() {
	d.end()
	for _, f := range d.known() {
		f.forget()
	}
}

// known lists every file that has an id.
func (d *Disk) known() []*file {
	d.idsMu.Lock()
	defer d.idsMu.Unlock()
	files := make([]*file, 0, len(d.ids))
	for _, f := range d.ids {
		files = append(files, f)
	}
	return files
}

// Port is one machine's way to the disk.
type Port struct {
	disk *Disk
	mail Mailbox
	calm bool // the machine waits for its own reads anyway: do them on the caller's goroutine
}

// Port is a new machine's way to the disk. A calm machine has nobody waiting but itself: all its work is handed back
// as chores. For one that is not, only writes are, and reads as far as they find the page cache: an open may wait for
// the device.
func (d *Disk) Port(mail Mailbox, calm bool) *Port { return &Port{disk: d, mail: mail, calm: calm} }

// Queue takes the disk's part of fx, in the turn, and appends to ready what the caller must do after it.
func (p *Port) Queue(fx *seam.Effects, ready []Chore) []Chore {
	for i := range fx.Files {
		ready = p.queueFileOp(&fx.Files[i], ready)
	}
	for i := range fx.Writes {
		w := &fx.Writes[i]
		ready = p.enqueue(w.File, task{kind: write, op: w.Op, at: w.At, data: w.Data}, ready)
	}
	for i := range fx.Reads {
		r := &fx.Reads[i]
		ready = p.enqueue(r.File, task{kind: read, op: r.Op, at: r.At, size: int64(r.Len)}, ready)
	}
	for i := range fx.Syncs {
		p.sync(&fx.Syncs[i])
	}
	return ready
}

func (p *Port) queueFileOp(op *seam.FileOp, ready []Chore) []Chore {
	switch op.Deed {
	case seam.Create, seam.Open:
		p.disk.know(op.File, op.Path)
		kind := create
		if op.Deed == seam.Open {
			kind = open
		}
		return p.enqueue(op.File, task{kind: kind, op: op.Op}, ready)
	case seam.Truncate:
		return p.enqueue(op.File, task{kind: truncate, op: op.Op, size: op.Size}, ready)
	case seam.Close:
		return p.enqueue(op.File, task{kind: forget, op: op.Op}, ready)
	case seam.Unlink:
		return p.enqueue(op.File, task{kind: unlink, op: op.Op}, ready)
	default:
		go p.byPath(p.errand(&seam.Wrote{Op: op.Op, Fault: seam.Late}), *op)
		return ready
	}
}

func (p *Port) enqueue(id seam.File, t task, ready []Chore) []Chore {
	f := p.disk.file(id)
	if f == nil {
		p.answer(&t, 0, seam.NotFound)
		return ready
	}
	t.port = p
	if !f.push(t) {
		return ready
	}
	if t.kind != write && t.kind != read && !p.calm {
		f.home.carry(f)
		return ready
	}
	return append(ready, f)
}

func (d *Disk) file(id seam.File) *file {
	d.idsMu.Lock()
	f := d.ids[id]
	d.idsMu.Unlock()
	return f
}

// know begins an id, unless it exists.
func (d *Disk) know(id seam.File, p seam.Path) {
	d.idsMu.Lock()
	if d.ids[id] == nil {
		f := &file{disk: d, id: id, path: p, home: d.homeOf(p.Dir), fd: -1}
		d.ids[id] = f
		d.enter(f)
	}
	d.idsMu.Unlock()
}

func (d *Disk) unknow(f *file) {
	d.idsMu.Lock()
	if d.ids[f.id] == f {
		delete(d.ids, f.id)
		d.strike(f)
	}
	d.idsMu.Unlock()
}

// enter makes a file found by its path; idsMu is held.
func (d *Disk) enter(f *file) {
	for p := f.path; p.Name != ""; p = above(p) {
		d.named[p] = append(d.named[p], f)
	}
}

// strike undoes enter, before the path changes; idsMu is held.
func (d *Disk) strike(f *file) {
	for p := f.path; p.Name != ""; p = above(p) {
		if files := d.named[p]; len(files) > 1 {
			i := slices.Index(files, f)
			d.named[p] = slices.Delete(files, i, i+1)
		} else {
			delete(d.named, p)
		}
	}
}

// above is the folder that a name lies in: no name, if in the log directory itself.
func above(p seam.Path) seam.Path {
	p.Name = p.Name[:max(0, strings.LastIndexByte(p.Name, '/'))]
	return p
}

// moved gives a file its new path; its home's names are held to write.
func (d *Disk) moved(f *file, to seam.Path) {
	d.idsMu.Lock()
	defer d.idsMu.Unlock()
	if d.ids[f.id] != f {
		f.path = to
		return
	}
	d.strike(f)
	f.path = to
	d.enter(f)
}

// answer is for what fails before it reaches a queue.
func (p *Port) answer(t *task, bytes int64, fault seam.Fault) {
	if t.kind == read {
		p.mail.Post(&seam.Loaded{Op: t.op, Fault: fault})
		return
	}
	p.mail.Post(&seam.Wrote{Op: t.op, Bytes: bytes, Fault: fault})
}

// Recycle takes back the Data of a Loaded that has been stepped.
func (p *Port) Recycle(data []byte) { p.disk.buffers.put(data) }

func (p *Port) sync(s *seam.Sync) {
	if s.File == 0 {
		go p.syncFolder(p.errand(&seam.Synced{Op: s.Op, Fault: seam.Late}), s.Op, s.Folder)
		return
	}
	f := p.disk.file(s.File)
	if f == nil {
		p.mail.Post(&seam.Synced{Op: s.Op, Fault: seam.NotFound})
		return
	}
	f.hold()
	go p.syncFile(p.errand(&seam.Synced{Op: s.Op, Fault: seam.Late}), s.Op, f)
}

func (p *Port) syncFile(e *errand, op seam.Op, f *file) {
	f.home.syncs <- struct{}{}
	fault := f.sync()
	<-f.home.syncs
	f.letGo()
	p.finish(e, &seam.Synced{Op: op, Fault: fault})
}

func (p *Port) syncFolder(e *errand, op seam.Op, folder seam.Path) {
	home := p.disk.homeOf(folder.Dir)
	home.syncs <- struct{}{}
	fault := p.disk.syncFolder(folder)
	<-home.syncs
	p.finish(e, &seam.Synced{Op: op, Fault: fault})
}

func (d *Disk) syncFolder(folder seam.Path) seam.Fault {
	fd, err := d.handles.take(func() (int, error) {
		home := d.homeOf(folder.Dir)
		home.names.RLock()
		defer home.names.RUnlock()
		name, known := d.name(folder)
		if !known {
			return -1, unix.ENOENT
		}
		return unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return faultOf(err)
	}
	_, err = retry(func() (int, error) { return 0, d.counts.timed(unix.Fsync, fd) })
	err = errors.Join(err, unix.Close(fd))
	d.handles.drop()
	return faultOf(err)
}

// Pin finds a file to send from. It stays readable, unlinked or not, until Release.
func (p *Port) Pin(id seam.File) (*Handle, seam.Fault) {
	f := p.disk.file(id)
	if f == nil {
		return nil, seam.NotFound
	}
	f.hold()
	return (*Handle)(f), seam.OK
}

// under lists the files whose name is p, or lies in a folder of that name. It looks at no others: each checkpoint is a
// rename, and there are many files.
func (d *Disk) under(p seam.Path) []*file {
	d.idsMu.Lock()
	defer d.idsMu.Unlock()
	return slices.Clone(d.named[p])
}

// faultOf names an errno for a machine.
func faultOf(err error) seam.Fault {
	switch {
	case err == nil:
		return seam.OK
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return seam.NoSpace
	case errors.Is(err, unix.ENOENT):
		return seam.NotFound
	case errors.Is(err, unix.EEXIST):
		return seam.Exists
	}
	return seam.IOError
}

// again calls again what a signal interrupted, on file systems that let themselves be.
func again(call func() error) error {
	_, err := retry(func() (int, error) { return 0, call() })
	return err
}

// retry calls again what a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
