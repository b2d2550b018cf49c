package log_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"rookery/core/must"
	"rookery/core/seam"
)

// A disk with one log directory: what is in the page cache, and what a power cut leaves of it. It promises as little as
// the doorway's laws do: a Sync covers what had come back before it was emitted and nothing else.
const pageSize = 64

type inode struct {
	data  []byte       // in the page cache
	disk  []byte       // on the platter
	dirty map[int]bool // pages that differ, perhaps
	size  bool         // the length differs, perhaps

	unreadable bool
}

func (n *inode) write(at int64, b []byte) {
	if need := int(at) + len(b); need > len(n.data) {
		n.data = append(n.data, make([]byte, need-len(n.data))...)
		n.size = true
	}
	copy(n.data[at:], b)
	for p := int(at) / pageSize; p*pageSize < int(at)+len(b); p++ {
		n.dirty[p] = true
	}
}

func (n *inode) truncate(size int64) {
	n.data = append(slices.Clone(n.data[:min(int(size), len(n.data))]), make([]byte, max(0, int(size)-len(n.data)))...)
	n.size = true
	n.dirty[int(size)/pageSize] = true
}

type task struct {
	deed string // write, read, sync, or a Deed
	op   seam.Op
	at   int64
	data []byte
	size int64
	path seam.Path
	to   seam.Path

	pages map[int][]byte // of a sync: what it covers
	names map[string]*inode
	mark  int // of a folder's sync: how many came before
	node  *inode
}

type handle struct {
	node   *inode
	path   string
	queue  []*task
	failed bool
	opened bool
}

type disk struct {
	t      *rapid.T
	names  map[string]*inode // in the cache
	safe   map[string]*inode // on the platter
	files  map[seam.File]*handle
	free   []*task // syncs and operations by path, in no order
	inbox  []seam.Input
	faults int // one in so many operations fails; 0: none
	full   bool
	cuts   int
	marks  int // of syncs of folders
	marked int // the latest that is done
}

func newDisk(t *rapid.T) *disk {
	return &disk{t: t, names: map[string]*inode{}, safe: map[string]*inode{}, files: map[seam.File]*handle{}}
}

func (d *disk) queue(fx *seam.Effects) {
	for _, f := range fx.Files {
		x := &task{deed: f.Deed.String(), op: f.Op, path: f.Path, to: f.To, size: f.Size}
		switch f.Deed {
		case seam.Create, seam.Open:
			must.Be(d.files[f.File] == nil, "test: a file id is used once")
			d.files[f.File] = &handle{path: f.Path.Name, queue: []*task{x}}
		case seam.Truncate, seam.Close, seam.Unlink:
			if f.Deed == seam.Unlink {
				must.Be(len(d.files[f.File].queue) == 0, "test: unlink at rest")
			}
			d.files[f.File].queue = append(d.files[f.File].queue, x)
		case seam.Rename, seam.Remove, seam.List:
			for _, h := range d.files {
				must.Be(h.path != f.Path.Name || len(h.queue) == 0, "test: names change at rest")
			}
			d.free = append(d.free, x)
		}
	}
	for _, w := range fx.Writes {
		h := d.files[w.File]
		h.queue = append(h.queue, &task{deed: "write", op: w.Op, at: w.At, data: w.Data})
	}
	for _, r := range fx.Reads {
		h := d.files[r.File]
		h.queue = append(h.queue, &task{deed: "read", op: r.Op, at: r.At, size: int64(r.Len)})
	}
	for _, s := range fx.Syncs {
		d.free = append(d.free, d.sync(s))
	}
	fx.Files, fx.Writes, fx.Reads, fx.Syncs = fx.Files[:0], fx.Writes[:0], fx.Reads[:0], fx.Syncs[:0]
}

func (d *disk) sync(s seam.Sync) *task {
	x := &task{deed: "sync", op: s.Op, path: s.Folder}
	if s.File == 0 {
		d.marks++
		x.names, x.mark = maps.Clone(d.names), d.marks
		return x
	}
	x.node = d.files[s.File].node
	x.pages, x.size = map[int][]byte{}, int64(len(x.node.data))
	for p := range x.node.dirty {
		x.pages[p] = page(x.node.data, p)
	}
	return x
}

func page(data []byte, p int) []byte {
	out := make([]byte, pageSize)
	if p*pageSize < len(data) {
		copy(out, data[p*pageSize:min(len(data), (p+1)*pageSize)])
	}
	return out
}

// busy says whether something is under way.
func (d *disk) busy() bool {
	if len(d.free) > 0 || len(d.inbox) > 0 {
		return true
	}
	for _, h := range d.files {
		if len(h.queue) > 0 {
			return true
		}
	}
	return false
}

// carryOut does one of the operations that may be next.
func (d *disk) carryOut() {
	var ready []seam.File
	for id, h := range d.files {
		if len(h.queue) > 0 {
			ready = append(ready, id)
		}
	}
	slices.Sort(ready)
	if len(ready)+len(d.free) == 0 {
		return
	}
	i := rapid.IntRange(0, len(ready)+len(d.free)-1).Draw(d.t, "next")
	if i < len(d.free) {
		x := d.free[i]
		d.free = slices.Delete(d.free, i, i+1)
		d.doFree(x)
		return
	}
	h := d.files[ready[i-len(d.free)]]
	x := h.queue[0]
	h.queue = h.queue[1:]
	d.do(h, x)
	if x.deed == "close" {
		delete(d.files, ready[i-len(d.free)])
	}
}

func (d *disk) fails() bool {
	return d.faults > 0 && rapid.IntRange(1, d.faults).Draw(d.t, "fault") == 1
}

func (d *disk) doFree(x *task) {
	switch {
	case x.deed == "sync" && x.node != nil:
		for p, b := range x.pages {
			x.node.settle(p, b, int(x.size))
		}
		x.node.resize(int(x.size))
		d.inbox = append(d.inbox, &seam.Synced{Op: x.op})
	case x.deed == "sync" && (x.path.Name == "" || x.mark < d.marked): // the root has one name only; a later one has covered all of it
		d.inbox = append(d.inbox, &seam.Synced{Op: x.op})
	case x.deed == "sync" && x.path.Name != "":
		d.marked = x.mark
		for name := range d.safe {
			if x.names[name] == nil && strings.HasPrefix(name, x.path.Name+"/") {
				delete(d.safe, name)
			}
		}
		for name, n := range x.names {
			if strings.HasPrefix(name, x.path.Name+"/") {
				d.safe[name] = n
			}
		}
		d.inbox = append(d.inbox, &seam.Synced{Op: x.op})
	case x.deed == "rename":
		n := d.names[x.path.Name]
		if n == nil {
			d.inbox = append(d.inbox, &seam.Wrote{Op: x.op, Fault: seam.NotFound})
			return
		}
		delete(d.names, x.path.Name)
		d.names[x.to.Name] = n
		d.inbox = append(d.inbox, &seam.Wrote{Op: x.op})
	default:
		fault := seam.OK
		if d.names[x.path.Name] == nil {
			fault = seam.NotFound
		}
		delete(d.names, x.path.Name)
		d.inbox = append(d.inbox, &seam.Wrote{Op: x.op, Fault: fault})
	}
}

// settle puts a page on the platter.
func (n *inode) settle(p int, b []byte, size int) {
	if need := min((p+1)*pageSize, size); need > len(n.disk) {
		n.disk = append(n.disk, make([]byte, need-len(n.disk))...)
	}
	if p*pageSize < len(n.disk) {
		copy(n.disk[p*pageSize:min(len(n.disk), (p+1)*pageSize)], b)
	}
	if bytes.Equal(page(n.data, p), b) {
		delete(n.dirty, p)
	}
}

func (n *inode) resize(size int) {
	if size < len(n.disk) {
		n.disk = n.disk[:size]
	}
	n.disk = append(n.disk, make([]byte, max(0, size-len(n.disk)))...)
	n.size = len(n.disk) != len(n.data)
}

func (d *disk) do(h *handle, x *task) {
	out := &seam.Wrote{Op: x.op}
	switch x.deed {
	case "write":
		d.doWrite(h, x, out)
	case "read":
		loaded := &seam.Loaded{Op: x.op}
		if h.node == nil {
			loaded.Fault = seam.NotFound
		} else if h.node.unreadable {
			loaded.Fault = seam.IOError
		} else if x.at < int64(len(h.node.data)) {
			loaded.Data = slices.Clone(h.node.data[x.at:min(int64(len(h.node.data)), x.at+x.size)])
		}
		d.inbox = append(d.inbox, loaded)
		return
	case "create":
		h.opened = true
		switch {
		case d.names[h.path] != nil:
			out.Fault, h.failed = seam.Exists, true
		case d.fails():
			out.Fault, h.failed = seam.NoSpace, true
		default:
			h.node = &inode{dirty: map[int]bool{}}
			d.names[h.path] = h.node
		}
	case "open":
		if h.node = d.names[h.path]; h.node == nil {
			out.Fault, h.failed = seam.NotFound, true
		} else {
			out.Bytes = int64(len(h.node.data))
		}
	case "truncate":
		if h.node == nil {
			out.Fault = seam.IOError
		} else {
			h.node.truncate(x.size)
			h.failed = false
		}
	case "unlink":
		if d.names[h.path] == h.node {
			delete(d.names, h.path)
		}
	}
	d.inbox = append(d.inbox, out)
}

func (d *disk) doWrite(h *handle, x *task, out *seam.Wrote) {
	switch {
	case h.failed || h.node == nil:
		out.Fault = seam.Planned
	case (d.full || d.fails()) && len(x.data) > 0:
		n := rapid.IntRange(0, len(x.data)-1).Draw(d.t, "part")
		h.node.write(x.at, x.data[:n])
		out.Bytes, h.failed = int64(n), true
		if rapid.Bool().Draw(d.t, "fault named") {
			out.Fault = seam.NoSpace
		}
	default:
		h.node.write(x.at, x.data)
		out.Bytes = int64(len(x.data))
	}
}

// kill ends the process: some of what was under way happened, in part. The page cache stays.
func (d *disk) kill() {
	d.faults, d.full = 0, false
	for n := rapid.IntRange(0, 8).Draw(d.t, "still done"); n > 0 && d.busy(); n-- {
		d.carryOut()
	}
	d.files, d.free, d.inbox = map[seam.File]*handle{}, nil, nil
}

func isNamed(names map[string]*inode, n *inode) bool {
	for _, other := range names {
		if other == n {
			return true
		}
	}
	return false
}

// cut takes the power away: of each page and name that no sync has covered, either version may be left, or a torn page.
func (d *disk) cut() {
	d.kill()
	d.cuts++
	left := map[string]*inode{}
	all := slices.Sorted(maps.Keys(d.names))
	for name := range d.safe {
		if d.names[name] == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	for _, name := range all {
		n := d.names[name]
		if d.safe[name] != n && rapid.Bool().Draw(d.t, "old name") {
			n = d.safe[name]
		}
		if n != nil {
			left[name] = n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.safe)) { // a rename is one deed: what it was done to is left under one name or the other
		if n := d.safe[name]; left[name] == nil && isNamed(d.names, n) && !isNamed(left, n) {
			left[name] = n
		}
	}
	seen := map[*inode]bool{}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		if !seen[left[name]] {
			left[name].lose(d.t)
			seen[left[name]] = true
		}
	}
	d.names, d.safe = left, maps.Clone(left)
}

func (n *inode) lose(t *rapid.T) {
	size := len(n.data)
	if n.size && rapid.Bool().Draw(t, "old size") {
		size = len(n.disk)
	}
	out := make([]byte, size)
	for p := 0; p*pageSize < size; p++ {
		b := page(n.data, p)
		if n.dirty[p] {
			switch rapid.IntRange(0, 2).Draw(t, "page") {
			case 0:
				b = page(n.disk, p)
			case 1:
				torn := rapid.IntRange(0, pageSize).Draw(t, "torn")
				b = append(b[:torn:torn], page(n.disk, p)[torn:]...)
			}
		}
		copy(out[p*pageSize:], b[:min(pageSize, size-p*pageSize)])
	}
	n.data, n.disk, n.dirty, n.size = out, slices.Clone(out), map[int]bool{}, false
}

func (d *disk) entries() (out []seam.Entry) {
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		out = append(out, seam.Entry{Path: seam.Path{Name: name}, Size: int64(len(d.names[name].data))})
	}
	return out
}
