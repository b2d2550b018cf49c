package world

import (
	"hash/maphash"
	"slices"

	"rookery/core/seam"
	"rookery/sim/check"
)

// Usual times of one operation, by choice; the first is the benign one.
var (
	callTimes = [8]seam.Mono{10_000, 15_000, 20_000, 30_000, 50_000, 80_000, 200_000, 700_000}
	syncTimes = [8]seam.Mono{200_000, 300_000, 500_000, 800_000, 1_500_000, 3_000_000, 6_000_000, 12_000_000}
)

type taskKind uint8

const (
	writeTask taskKind = iota
	readTask
	createTask
	openTask
	truncateTask
	closeTask
	unlinkTask
)

// task is one effect in a file's queue.
type task struct {
	by   *actor
	kind taskKind
	op   seam.Op
	at   int64
	size int64
	data []byte
	hash uint64
	path seam.Path
}

// handle is one File id of a process, with its queue: one operation is under way, the others wait. A Recovery hands the
// files that it opened to its Broker.
type handle struct {
	home   *Node
	id     seam.File
	node   *inode // nil until created or opened
	dir    int32
	queue  []task
	lost   bool // it is not open at all
	failed bool // law 3 of seam: writes answer Planned until a truncate succeeds
	syncs  int  // under way
	lent   []lentRange
	next   func(late bool) // onAnswer
}

// lentRange is what a reply that has not been sent was promised of a file.
type lentRange struct {
	op  seam.Op
	end int64
}

var hashSeed = maphash.MakeSeed()

// hashOf tells whether bytes were changed; it says nothing from one process to the next.
func hashOf(b []byte) uint64 { return maphash.Bytes(hashSeed, b) }

// perform carries out what the last Step asked for. When this is where the process dies, only some of it happens.
func (a *actor) perform() {
	w := a.world
	fx := &a.fx
	a.wish()
	total := len(fx.Files) + len(fx.Writes) + len(fx.Reads) + len(fx.Syncs) + len(fx.Replies) + len(fx.Rewrites) + len(fx.Sends)
	bound := 20_000
	if w.StepEffects > 0 && a.node != nil && a.address.Kind == seam.ToBroker {
		bound = w.StepEffects
	}
	if !w.holds(total < bound, check.Bounded) {
		w.broken(check.Bounded, "%s asked for %d things in one Step", a.name, total)
	}
	left := total + 1
	if a.node != nil && total > 0 && w.crashes.Chance(w.Rates.KillAtEffect) {
		left = w.crashes.Choose(total + 1)
	}
	done := func() bool { left--; return left < 0 }
	a.performEach(fx, done)
	if left < 0 || left == 0 && total > 0 {
		w.Counts[KilledAtEffect]++
		a.node.kill("at an effect")
		w.startAfterKill(w.lull(w.crashes))
		return
	}
	a.performFree(fx)
}

// performEach carries out the effects that a death can fall between.
func (a *actor) performEach(fx *seam.Effects, done func() bool) {
	for i := range fx.Files {
		if done() || !a.fileOp(&fx.Files[i]) {
			return
		}
	}
	for i := range fx.Writes {
		x := &fx.Writes[i]
		if done() || !a.enqueue(x.File, task{kind: writeTask, op: x.Op, at: x.At, data: x.Data, hash: hashOf(x.Data)}) {
			return
		}
	}
	for i := range fx.Reads {
		x := &fx.Reads[i]
		if done() || !a.enqueue(x.File, task{kind: readTask, op: x.Op, at: x.At, size: int64(x.Len)}) {
			return
		}
	}
	for i := range fx.Syncs {
		if done() || !a.sync(&fx.Syncs[i]) {
			return
		}
	}
	for i := range fx.Replies {
		if done() || !a.reply(&fx.Replies[i]) {
			return
		}
	}
	for i := range fx.Rewrites {
		if done() || !a.rewrite(&fx.Rewrites[i]) {
			return
		}
	}
	for i := range fx.Sends {
		if done() {
			return
		}
		a.send(&fx.Sends[i])
	}
}

func (a *actor) performFree(fx *seam.Effects) {
	for _, l := range fx.Frees {
		a.free(l)
	}
	for i := range fx.Reading {
		a.credit(&fx.Reading[i])
	}
	for i := range fx.Events {
		if a.node != nil {
			a.node.onEvent(a, &fx.Events[i])
		}
	}
}

// fileOp starts one operation on names or lengths.
func (a *actor) fileOp(f *seam.FileOp) bool {
	switch f.Deed {
	case seam.Create, seam.Open:
		n := a.node
		if !a.world.holds(f.File != 0 && !n.usedFiles[f.File], check.FileIDOnce) {
			return a.world.broken(check.FileIDOnce, "%s: file %d again", a.name, f.File)
		}
		n.usedFiles[f.File] = true
		n.files[f.File] = &handle{home: n, id: f.File, dir: f.Path.Dir}
		kind := createTask
		if f.Deed == seam.Open {
			kind = openTask
		}
		return a.enqueue(f.File, task{kind: kind, op: f.Op, path: f.Path})
	case seam.Truncate:
		return a.checkLent(f) && a.enqueue(f.File, task{kind: truncateTask, op: f.Op, size: f.Size})
	case seam.Close:
		return a.enqueue(f.File, task{kind: closeTask, op: f.Op})
	case seam.Unlink:
		h := a.node.files[f.File]
		return (h == nil || a.checkAtRest(f, h)) && a.enqueue(f.File, task{kind: unlinkTask, op: f.Op})
	case seam.Rename, seam.Remove:
		below := a.node.Disk.find(f.Path)
		return a.checkAtRestBelow(f, below) && a.byPath(*f)
	}
	return a.byPath(*f)
}

// below says whether a node is that node or in that folder.
func (n *inode) below(top *inode) bool {
	return n == top || top.folder && n.parent != nil && n.parent.below(top)
}

func (a *actor) checkLent(f *seam.FileOp) bool {
	h := a.node.files[f.File]
	if h == nil {
		return true // enqueue says so
	}
	for _, l := range h.lent {
		if !a.world.holds(l.end <= f.Size, check.LentUntouched) {
			return a.world.broken(check.LentUntouched, "truncate of file %d to %d while reply %d has a range up to %d", f.File, f.Size, l.op, l.end)
		}
	}
	return true
}

func (a *actor) checkAtRestBelow(f *seam.FileOp, top *inode) bool {
	if top == nil {
		return true
	}
	if !top.folder {
		return !slices.ContainsFunc(top.opened, func(h *handle) bool { return a.node.files[h.id] == h && !a.checkAtRest(f, h) })
	}
	for _, h := range a.node.files { //tidy:unordered any of them breaks the law
		if h.node != nil && h.node.below(top) && !a.checkAtRest(f, h) {
			return false
		}
	}
	return true
}

func (a *actor) checkAtRest(f *seam.FileOp, h *handle) bool {
	return a.world.holds(len(h.queue) == 0 && h.syncs == 0, check.NamesAtRest) || a.world.broken(check.NamesAtRest,
		"%v of %q while %d operations and %d syncs of file %d are under way", f.Deed, f.Path.Name, len(h.queue), h.syncs, h.id)
}

// byPath starts an operation that no file's queue orders.
func (a *actor) byPath(f seam.FileOp) bool {
	if !a.begin(f.Op) {
		return false
	}
	w, n := a.world, a.node
	o := n.outstand(func() { n.carryOutPath(&f, 1+w.disk.Choose(4)) })
	n.whenAnswered(f.Path.Dir, w.delay(&callTimes, w.Rates.SlowDisk), o, func(late bool) {
		in := &seam.Wrote{Op: f.Op}
		switch {
		case n.breaks[f.Path.Dir].writes:
			w.Counts[FileOpFailed]++
			in.Fault = seam.IOError
		case w.disk.Chance(w.Rates.FileError):
			w.Counts[FileOpFailed]++
			in.Fault = seam.IOError
		case late && w.disk.Choose(2) == 0:
			in.Fault = seam.Late
		default:
			in.Entries, in.Fault = n.carryOutPath(&f, 1<<30)
			if f.Deed == seam.Measure && in.Fault == seam.OK && !n.full() {
				in.Bytes = volumeBytes / 2
			}
			if late {
				in.Fault, in.Entries, in.Bytes = seam.Late, nil, 0
			}
		}
		a.answer(f.Op, in, nil)
	})
	return true
}

func (n *Node) carryOutPath(f *seam.FileOp, most int) ([]seam.Entry, seam.Fault) {
	switch f.Deed {
	case seam.Rename:
		if n.full() && n.world.disk.Choose(2) == 1 { // a longer name may take another block
			return nil, seam.NoSpace
		}
		return nil, n.Disk.rename(f.Path, f.To)
	case seam.Remove:
		var folder *inode
		if gone := n.Disk.find(f.Path); gone != nil {
			folder = gone.parent
		}
		fault := n.Disk.remove(f.Path, most)
		if fault == seam.OK {
			n.ambush(folder)
		}
		return nil, fault
	case seam.Measure:
		return n.Disk.measure(f.Path)
	}
	return n.Disk.list(f.Path)
}

// enqueue puts a task behind those of its file.
func (a *actor) enqueue(id seam.File, t task) bool {
	h := a.node.files[id]
	if h == nil && a.world.Forgiving {
		h = &handle{home: a.node, id: id, lost: true}
	}
	if !a.world.holds(h != nil, check.FileKnown) {
		return a.world.broken(check.FileKnown, "%s: op %d on file %d, which is not open", a.name, t.op, id)
	}
	if !a.begin(t.op) {
		return false
	}
	t.by = a
	h.queue = append(h.queue, t)
	a.node.outstanding++
	if len(h.queue) == 1 {
		h.startNext()
	}
	return true
}

func (h *handle) startNext() {
	n := h.home
	w := n.world
	delay := w.delay(&callTimes, w.Rates.SlowDisk)
	if h.next == nil {
		h.next = h.onAnswer
	}
	n.whenAnswered(h.dir, delay, nil, h.next)
}

func (h *handle) onAnswer(late bool) {
	h.carryOut(&h.queue[0], late)
	h.queue = slices.Delete(h.queue, 0, 1)
	h.home.outstanding--
	if len(h.queue) > 0 {
		h.startNext()
	}
}

// carryOut does a task and answers it.
func (h *handle) carryOut(t *task, late bool) {
	switch t.kind {
	case writeTask:
		h.carryOutWrite(t, late)
	case readTask:
		h.carryOutRead(t, late)
	default:
		h.carryOutOther(t, late)
	}
}

func (h *handle) carryOutWrite(t *task, late bool) {
	a, w := t.by, h.home.world
	if !w.holds(hashOf(t.data) == t.hash, check.BytesUntouched) {
		w.broken(check.BytesUntouched, "%s: the bytes of write %d changed before it was done", a.name, t.op)
		return
	}
	in := &seam.Wrote{Op: t.op, Bytes: int64(len(t.data))}
	switch {
	case h.lost:
		in.Bytes, in.Fault = 0, seam.NotFound
	case h.failed || h.node == nil:
		in.Bytes, in.Fault = 0, seam.Planned
	case late:
		in.Bytes, in.Fault = 0, seam.Late
		h.writePart(t, w.disk.Choose(len(t.data)+1))
	case a.node.breaks[h.dir].writes:
		w.Counts[WriteFailed]++
		in.Bytes, in.Fault = 0, seam.IOError
	case a.node.full():
		w.Counts[WriteCutShort]++
		in.Bytes, in.Fault = int64(w.disk.Choose(len(t.data))), seam.NoSpace
		h.writePart(t, int(in.Bytes))
	case w.disk.Chance(w.Rates.WriteError):
		w.Counts[WriteFailed]++
		in.Bytes, in.Fault = int64(w.disk.Choose(len(t.data))), seam.IOError
		h.writePart(t, int(in.Bytes))
	default:
		h.node.write(t.at, t.data)
	}
	h.failed = h.failed || in.Fault != seam.OK
	a.answer(t.op, in, nil)
}

func (h *handle) writePart(t *task, length int) {
	if length > 0 {
		h.node.write(t.at, t.data[:length])
	}
}

func (h *handle) carryOutRead(t *task, late bool) {
	a, w := t.by, h.home.world
	in := &seam.Loaded{Op: t.op}
	switch {
	case h.node == nil:
		in.Fault = seam.NotFound
	case late:
		in.Fault = seam.Late
	case a.node.breaks[h.dir].dark || w.disk.Chance(w.Rates.ReadError):
		w.Counts[ReadFailed]++
		in.Fault = seam.IOError
	default:
		in.Data = h.node.read(t.at, t.size)
	}
	a.answer(t.op, in, in.Data)
}

func (h *handle) carryOutOther(t *task, late bool) {
	a, w := t.by, h.home.world
	in := &seam.Wrote{Op: t.op}
	switch {
	case h.lost:
		in.Fault = seam.NotFound
	case t.kind == closeTask:
		delete(h.home.files, h.id)
	case late:
		in.Fault = seam.Late
	case h.home.breaks[h.dir].writes || w.disk.Chance(w.Rates.FileError):
		w.Counts[FileOpFailed]++
		in.Fault = seam.IOError
	default:
		h.change(t, in)
	}
	if t.kind == createTask || t.kind == openTask {
		h.failed = in.Fault != seam.OK
	}
	a.answer(t.op, in, nil)
}

func (h *handle) change(t *task, in *seam.Wrote) {
	d := h.home.Disk
	switch t.kind {
	case createTask:
		if h.home.full() {
			in.Fault = seam.NoSpace
			return
		}
		if h.node, in.Fault = d.create(t.path); in.Fault == seam.OK {
			h.node.opened = append(h.node.opened, h)
		}
	case openTask:
		if h.node, in.Fault = d.open(t.path); in.Fault == seam.OK {
			in.Bytes = h.node.size
			h.node.opened = append(h.node.opened, h)
		}
	case truncateTask:
		if h.node == nil {
			in.Fault = seam.NotFound
			return
		}
		h.node.truncate(t.size)
		h.failed = false
	case unlinkTask:
		if h.node == nil {
			in.Fault = seam.NotFound
		} else if folder := h.node.parent; folder != nil {
			in.Fault = d.unlink(h.node)
			delete(h.home.files, h.id)
			h.home.ambush(folder)
		} else {
			in.Fault = seam.NotFound
		}
	}
}

// sync starts a Sync: what it covers is fixed now, when it is emitted.
func (a *actor) sync(s *seam.Sync) bool {
	if s.File == 0 {
		return a.syncFolder(s)
	}
	w, n, h := a.world, a.node, a.node.files[s.File]
	if h == nil && w.Forgiving {
		h = &handle{home: n, id: s.File, lost: true}
	}
	if !w.holds(h != nil, check.FileKnown) {
		return w.broken(check.FileKnown, "%s: sync %d of file %d, which is not open", a.name, s.Op, s.File)
	}
	if !a.begin(s.Op) {
		return false
	}
	op, node := s.Op, h.node
	var covered snapshot
	if node != nil {
		covered = node.beginSync()
	}
	h.syncs++
	o := n.outstand(nil)
	n.whenAnswered(h.dir, w.delay(&syncTimes, w.Rates.SlowDisk), o, func(late bool) {
		h.syncs--
		in := &seam.Synced{Op: op}
		switch {
		case node == nil:
			in.Fault = seam.NotFound
		case late:
			in.Fault = seam.Late
			node.syncFailed(covered)
		case n.breaks[h.dir].syncs || w.disk.Chance(w.Rates.SyncError):
			w.Counts[SyncFailed]++
			in.Fault = seam.IOError
			node.syncFailed(covered)
		default:
			node.synced(covered)
		}
		a.answer(op, in, nil)
	})
	return true
}

func (a *actor) syncFolder(s *seam.Sync) bool {
	if !a.begin(s.Op) {
		return false
	}
	w, n, op := a.world, a.node, s.Op
	folder, mark := n.Disk.find(s.Folder), n.Disk.nextOp
	o := n.outstand(nil)
	n.whenAnswered(s.Folder.Dir, w.delay(&syncTimes, w.Rates.SlowDisk), o, func(late bool) {
		in := &seam.Synced{Op: op}
		switch {
		case folder == nil || !folder.folder:
			in.Fault = seam.NotFound
		case late:
			in.Fault = seam.Late
		case n.breaks[folder.dir].syncs || w.disk.Chance(w.Rates.SyncError):
			w.Counts[FolderSyncFailed]++
			in.Fault = seam.IOError // the names stay unsynced: a journal that cannot commit lets no later commit pass it
		default:
			n.Disk.folderSynced(folder, mark)
		}
		a.answer(op, in, nil)
	})
	return true
}
