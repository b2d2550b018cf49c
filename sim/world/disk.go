package world

import (
	"maps"
	"slices"
	"strings"

	"rookery/core/seam"
)

// Disk is what a node's log directories hold, twice: as processes see it (the page cache) and as it is on the platter.
// Its methods are system calls that take no time; when they happen and which of them fail is the driver's business
// (driver.go).
type Disk struct {
	roots  []*inode
	names  []nameOp // done, and not on the platter yet
	nextID int
	nextOp int
	ids    map[int]*inode

	tainted map[string]bool // folders that had a file of which a bit was turned, by name
}

// inode is a file or a folder.
type inode struct {
	id     int
	dir    int32 // the log directory that it is in
	folder bool

	// A folder.
	entries, durableEntries map[string]*inode
	givenUp                 bool // somebody began to remove it, and nobody has made a file in it since
	// Where it stands in the tree that processes see; nil once unlinked.
	parent *inode
	name   string

	// Where it stands on the platter, and the last operation on its name that has reached it.
	platter     *inode
	platterName string
	settled     int

	// A file.
	size, durableSize int64
	pages, durable    map[int64]*page
	dirty             map[int64]bool // pages that differ from the platter and that a sync will write
	sizeDirty         bool
	rotted            bool
	opened            []*handle // those that ever were, the closed ones among them
	unwritten         bool      // a sync failed: some clean page is not on the platter
}

// nameOp is a change of a folder that is not on the platter yet.
type nameOp struct {
	seq      int
	deed     nameDeed
	folder   *inode
	name     string
	node     *inode
	to       *inode
	toName   string
	unsynced []*inode // the folders whose sync it waits for
}

type nameDeed uint8

const (
	nameAdded nameDeed = iota
	nameRemoved
	nameMoved
)

// NewDisk makes empty log directories.
func NewDisk(dirs int) *Disk {
	d := &Disk{ids: map[int]*inode{}, tainted: map[string]bool{}}
	for i := range dirs {
		d.roots = append(d.roots, d.newFolder(int32(i)))
	}
	return d
}

func (d *Disk) newFolder(dir int32) *inode {
	n := d.newNode(dir)
	n.folder, n.entries, n.durableEntries = true, map[string]*inode{}, map[string]*inode{}
	return n
}

func (d *Disk) newFile(dir int32) *inode {
	n := d.newNode(dir)
	n.pages, n.durable, n.dirty = map[int64]*page{}, map[int64]*page{}, map[int64]bool{}
	return n
}

func (d *Disk) newNode(dir int32) *inode {
	d.nextID++
	n := &inode{id: d.nextID, dir: dir}
	d.ids[n.id] = n
	return n
}

// find is the node of a path, nil when there is none.
func (d *Disk) find(p seam.Path) *inode {
	if p.Dir < 0 || int(p.Dir) >= len(d.roots) {
		return nil
	}
	n := d.roots[p.Dir]
	if p.Name == "" {
		return n
	}
	for part := range strings.SplitSeq(p.Name, "/") {
		if n == nil || !n.folder {
			return nil
		}
		n = n.entries[part]
	}
	return n
}

func split(p seam.Path) (folder seam.Path, name string) {
	if i := strings.LastIndexByte(p.Name, '/'); i >= 0 {
		return seam.Path{Dir: p.Dir, Name: p.Name[:i]}, p.Name[i+1:]
	}
	return seam.Path{Dir: p.Dir}, p.Name
}

// makeFolder finds a folder, making it and what leads to it.
func (d *Disk) makeFolder(p seam.Path) (*inode, seam.Fault) {
	if n := d.find(p); n != nil {
		if !n.folder {
			return nil, seam.IOError
		}
		return n, seam.OK
	}
	if p.Name == "" {
		return nil, seam.NotFound
	}
	up, name := split(p)
	parent, fault := d.makeFolder(up)
	if fault != seam.OK {
		return nil, fault
	}
	n := d.newFolder(p.Dir)
	d.add(parent, name, n)
	return n, seam.OK
}

func (d *Disk) create(p seam.Path) (*inode, seam.Fault) {
	if d.find(p) != nil {
		return nil, seam.Exists
	}
	up, name := split(p)
	parent, fault := d.makeFolder(up)
	if fault != seam.OK {
		return nil, fault
	}
	n := d.newFile(p.Dir)
	d.add(parent, name, n)
	parent.givenUp = false
	for _, source := range d.sourcesOf(n) {
		n.rotted = n.rotted || source.rotted
	}
	return n, seam.OK
}

// futureMark stands in the name of a folder that another log directory's is being copied into: topic-0.0123abcd-future.
const futureMark = "-future"

// sourcesOf are the files that a new one may be a copy of.
func (d *Disk) sourcesOf(n *inode) (sources []*inode) {
	folder, copied := strings.CutSuffix(n.parent.name, futureMark)
	if at := strings.LastIndexByte(folder, '.'); copied && at > 0 {
		for i := range d.roots {
			if source := d.find(seam.Path{Dir: int32(i), Name: folder[:at] + "/" + n.name}); source != nil {
				sources = append(sources, source)
			}
		}
	}
	return sources
}

// rot marks a file of which a bit has turned, and the copies that are being made of it.
func (d *Disk) rot(n *inode) {
	d.taint(n)
	for _, other := range d.sorted() {
		if !other.folder && other.parent != nil && slices.Contains(d.sourcesOf(other), n) {
			d.taint(other)
		}
	}
}

func (d *Disk) taint(n *inode) {
	n.rotted = true
	if n.parent != nil {
		d.tainted[n.parent.name] = true
	}
}

func (d *Disk) open(p seam.Path) (*inode, seam.Fault) {
	n := d.find(p)
	if n == nil {
		return nil, seam.NotFound
	}
	if n.folder {
		return nil, seam.IOError
	}
	return n, seam.OK
}

func (d *Disk) rename(from, to seam.Path) seam.Fault {
	if from.Dir != to.Dir {
		return seam.IOError // another file system, for all a machine knows
	}
	n := d.find(from)
	if n == nil || n.parent == nil {
		return seam.NotFound
	}
	up, name := split(to)
	parent := d.find(up)
	if parent == nil {
		return seam.NotFound
	}
	if old := parent.entries[name]; old != nil {
		if old.folder || n.folder {
			return seam.Exists
		}
		old.parent = nil
	}
	folder, was := n.parent, n.name
	delete(folder.entries, was)
	parent.entries[name] = n
	n.parent, n.name = parent, name
	op := nameOp{deed: nameMoved, folder: folder, name: was, node: n, to: parent, toName: name, unsynced: []*inode{folder}}
	if parent != folder {
		op.unsynced = append(op.unsynced, parent)
	}
	d.note(op)
	return seam.OK
}

// remove takes a file away, or a folder with the plain files in it; most of them when the process dies inside it.
func (d *Disk) remove(p seam.Path, most int) seam.Fault {
	n := d.find(p)
	if n == nil || n.parent == nil {
		return seam.NotFound
	}
	if n.folder {
		n.givenUp = true
		for _, name := range slices.Sorted(maps.Keys(n.entries)) {
			if n.entries[name].folder {
				return seam.Exists
			}
			if most--; most < 0 {
				return seam.OK
			}
			d.unlink(n.entries[name])
		}
	}
	if most > 0 {
		d.unlink(n)
	}
	return seam.OK
}

// GivenUp says whether a folder is one that a process began to remove, whatever of it a power cut has brought back.
func (d *Disk) GivenUp(folder seam.Path) bool {
	n := d.find(folder)
	return n != nil && n.givenUp
}

func (d *Disk) unlink(n *inode) seam.Fault {
	if n.parent == nil {
		return seam.NotFound
	}
	folder, name := n.parent, n.name
	delete(folder.entries, name)
	n.parent = nil
	d.note(nameOp{deed: nameRemoved, folder: folder, name: name, node: n, unsynced: []*inode{folder}})
	return seam.OK
}

func (d *Disk) list(p seam.Path) ([]seam.Entry, seam.Fault) {
	n := d.find(p)
	if n == nil || !n.folder {
		return nil, seam.NotFound
	}
	var entries []seam.Entry
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		entries = append(entries, entryOf(join(p, name), n.entries[name]))
	}
	return entries, seam.OK
}

// volumeBytes is as large as a log directory is said to be, and half of it free unless it is full.
const volumeBytes = 1 << 40

func (d *Disk) measure(p seam.Path) ([]seam.Entry, seam.Fault) {
	if n := d.find(p); n == nil || !n.folder {
		return nil, seam.NotFound
	}
	return []seam.Entry{{Path: p, Folder: true, Size: volumeBytes}}, seam.OK
}

func entryOf(p seam.Path, n *inode) seam.Entry {
	return seam.Entry{Path: p, Size: n.size, Folder: n.folder}
}

func join(p seam.Path, name string) seam.Path {
	if p.Name == "" {
		return seam.Path{Dir: p.Dir, Name: name}
	}
	return seam.Path{Dir: p.Dir, Name: p.Name + "/" + name}
}

// Walk lists every file and folder, as Started does: folders before what is in them, names ascending.
func (d *Disk) Walk() []seam.Entry {
	var all []seam.Entry
	for i := range d.roots {
		all = d.walk(seam.Path{Dir: int32(i)}, d.roots[i], all)
	}
	return all
}

func (d *Disk) walk(p seam.Path, n *inode, all []seam.Entry) []seam.Entry {
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		child, path := n.entries[name], join(p, name)
		all = append(all, entryOf(path, child))
		if child.folder {
			all = d.walk(path, child, all)
		}
	}
	return all
}

// List is what a folder holds; nothing when there is none.
func (d *Disk) List(p seam.Path) []seam.Entry {
	entries, _ := d.list(p)
	return entries
}

// Contents is the whole of a file as processes see it; nil when there is none.
func (d *Disk) Contents(p seam.Path) []byte { return d.ContentsFrom(p, 0) }

// ContentsFrom is what a file holds from a position on.
func (d *Disk) ContentsFrom(p seam.Path, at int64) []byte {
	n := d.find(p)
	if n == nil || n.folder {
		return nil
	}
	return n.read(at, n.size-at)
}

func (d *Disk) add(parent *inode, name string, n *inode) {
	parent.entries[name] = n
	n.parent, n.name = parent, name
	d.note(nameOp{deed: nameAdded, folder: parent, name: name, node: n, unsynced: []*inode{parent}})
}

func (d *Disk) note(op nameOp) {
	d.nextOp++
	op.seq = d.nextOp
	d.names = append(d.names, op)
}

// folderSynced puts on the platter what had been done in a folder up to the operation numbered mark.
func (d *Disk) folderSynced(folder *inode, mark int) {
	kept := d.names[:0]
	for i := range d.names {
		op := &d.names[i]
		if at := slices.Index(op.unsynced, folder); at >= 0 && op.seq <= mark {
			op.unsynced = slices.Delete(op.unsynced, at, at+1)
		}
		if len(op.unsynced) == 0 {
			op.settle()
		} else {
			kept = append(kept, *op)
		}
	}
	clear(d.names[len(kept):])
	d.names = kept
}

// inDoubt says whether a name was changed in a folder that a power cut may change back.
func (d *Disk) inDoubt(folder *inode) bool {
	return slices.ContainsFunc(d.names, func(op nameOp) bool {
		return op.deed == nameMoved && (op.folder == folder || op.to == folder)
	})
}

// settle does the operation on the platter. A node has one place there, and what was done to it later wins, in whatever
// order the folders concerned are synced.
func (op *nameOp) settle() {
	n := op.node
	if op.seq < n.settled {
		return
	}
	n.settled = op.seq
	if n.platter != nil && n.platter.durableEntries[n.platterName] == n {
		delete(n.platter.durableEntries, n.platterName)
	}
	switch op.deed {
	case nameAdded:
		n.platter, n.platterName = op.folder, op.name
	case nameRemoved:
		n.platter = nil
		return
	case nameMoved:
		n.platter, n.platterName = op.to, op.toName
	}
	n.platter.durableEntries[n.platterName] = n
}

// Keep is what an operator does to a folder while no process runs: everything goes but one file.
func (d *Disk) Keep(folder seam.Path, name string) {
	for _, e := range d.List(folder) {
		if n := d.find(e.Path); n.name != name {
			d.unlink(n)
		}
	}
	d.settleAll()
}

// Put is the same for a file: it is written anew.
func (d *Disk) Put(p seam.Path, content []byte) {
	if n := d.find(p); n != nil {
		d.unlink(n)
	}
	if n, fault := d.create(p); fault == seam.OK {
		n.write(0, content)
		n.synced(n.beginSync())
	}
	d.settleAll()
}

// Overlay writes into a file from a position on. What was never written of it is zero, and takes no room.
func (d *Disk) Overlay(p seam.Path, at int64, content []byte) {
	n := d.find(p)
	n.write(at, content)
	n.synced(n.beginSync())
}

// settleAll puts every name on the platter.
func (d *Disk) settleAll() {
	for i := range d.names {
		d.names[i].settle()
	}
	d.names = nil
}
