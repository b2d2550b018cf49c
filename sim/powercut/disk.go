package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"
)

const (
	pageSize   = 4096
	sectorSize = 512
)

// disk is a file system that remembers what nobody asked it to keep.
//
// What a program sees is the present: every write, create, rename and unlink is there at once. Beside the present the
// disk keeps how to go back: for each page the bytes it had when it was last synced, for each folder the entries it
// had. A cut of the power takes, for everything not synced, a seeded decision.
//
// Rules:
//
//   - A sync of a file covers the writes and truncates that had come back before it was asked for, not its name.
//   - A sync of a folder covers its own entries, not the entry that leads to the folder and not what the files hold.
//   - A sync takes time; until it has come back it has promised nothing, whatever it has written by then.
//   - An unsynced page is kept, lost or torn between sectors, each page for itself, in any order.
//   - An unsynced create, unlink, rename or truncate is kept or lost, each for itself.
type disk struct {
	mu      sync.Mutex
	backing string
	random  *rand.Rand
	inodes  map[uint64]*inode
	last    uint64
	frozen  bool
	// slow makes a sync take a quarter of a second: whoever answers without waiting for one is seen to.
	slow  bool
	syncs int64
}

type inode struct {
	id       uint64
	folder   bool
	mode     uint32
	modified int64 // nanoseconds since 1970

	// A file.
	content *os.File
	size    int64
	layers  []*layer // oldest first; the last one is covered by no sync yet
	opens   int

	// A folder.
	entries map[string]*inode // the present
	durable map[string]*inode // what is left if every deed of pending is lost
	pending []deed
	deeds   int64 // how many deeds there ever were: the number of the last one
}

// layer is how to undo what was done to a file between two moments at which a sync was asked for.
type layer struct {
	before     map[int64][]byte // page number -> its bytes when the layer began; nil: there was no such page
	sizeBefore int64
	sizeMoved  bool
}

// deed is one change of a folder's entries.
type deed struct {
	number int64
	what   string // create, unlink, rename
	remove string // "" for none
	name   string // "" for none
	child  *inode
}

func newDisk(backing string, seed uint64) (*disk, error) {
	d := &disk{backing: backing, random: rand.New(rand.NewPCG(seed, 0x706f776572637574)), inodes: map[uint64]*inode{}}
	root := d.newInode(true, 0o755)
	if root.id != 1 {
		return nil, fmt.Errorf("the root's number is %d", root.id)
	}
	return d, nil
}

func (d *disk) newInode(folder bool, mode uint32) *inode {
	d.last++
	n := &inode{id: d.last, folder: folder, mode: mode}
	if folder {
		n.entries, n.durable = map[string]*inode{}, map[string]*inode{}
	} else {
		n.layers = []*layer{newLayer(0)}
	}
	d.inodes[n.id] = n
	return n
}

func newLayer(size int64) *layer { return &layer{before: map[int64][]byte{}, sizeBefore: size} }

func (d *disk) backingPath(n *inode) string {
	return filepath.Join(d.backing, fmt.Sprintf("%08d", n.id))
}

// create makes a file or a folder in a folder. The lock is held.
func (d *disk) create(parent *inode, name string, folder bool, mode uint32) (*inode, error) {
	if parent.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	n := d.newInode(folder, mode)
	if !folder {
		f, err := os.OpenFile(d.backingPath(n), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return nil, err
		}
		n.content = f
	}
	parent.entries[name] = n
	parent.did(deed{what: "create", name: name, child: n})
	return n, nil
}

func (n *inode) did(what deed) {
	n.deeds++
	what.number = n.deeds
	n.pending = append(n.pending, what)
}

func (d *disk) unlink(parent *inode, name string, folder bool) error {
	n := parent.entries[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case folder && !n.folder:
		return syscall.ENOTDIR
	case !folder && n.folder:
		return syscall.EISDIR
	case folder && len(n.entries) > 0:
		return syscall.ENOTEMPTY
	}
	delete(parent.entries, name)
	parent.did(deed{what: "unlink", remove: name})
	return nil
}

func (d *disk) rename(from *inode, oldName string, to *inode, newName string, mayReplace bool) error {
	n := from.entries[oldName]
	if n == nil {
		return syscall.ENOENT
	}
	old := to.entries[newName]
	switch {
	case old == n:
		return nil
	case old != nil && !mayReplace:
		return syscall.EEXIST
	case old != nil && old.folder && len(old.entries) > 0:
		return syscall.ENOTEMPTY
	case old != nil && old.folder != n.folder:
		return syscall.EISDIR
	}
	delete(from.entries, oldName)
	to.entries[newName] = n
	if from == to {
		from.did(deed{what: "rename", remove: oldName, name: newName, child: n})
		return nil
	}
	from.did(deed{what: "rename", remove: oldName})
	to.did(deed{what: "rename", name: newName, child: n})
	return nil
}

// write changes the present and keeps how each page was.
func (d *disk) write(n *inode, at int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	end := at + int64(len(data))
	for page := at / pageSize; page*pageSize < end; page++ {
		if err := n.remember(page); err != nil {
			return err
		}
	}
	if _, err := n.content.WriteAt(data, at); err != nil {
		return err
	}
	if end > n.size {
		n.moveEnd(end)
	}
	return nil
}

func (n *inode) newest() *layer { return n.layers[len(n.layers)-1] }

// remember keeps a page as it was before the newest layer's first change of it.
func (n *inode) remember(page int64) error {
	l := n.newest()
	if _, known := l.before[page]; known {
		return nil
	}
	if page*pageSize >= n.size {
		l.before[page] = nil
		return nil
	}
	b := make([]byte, min(pageSize, n.size-page*pageSize))
	if _, err := n.content.ReadAt(b, page*pageSize); err != nil && err != io.EOF {
		return err
	}
	l.before[page] = b
	return nil
}

func (n *inode) moveEnd(size int64) {
	n.newest().sizeMoved = true
	n.size = size
}

// truncate sets the size. Pages that fall away are kept: a truncate that is not synced may be lost.
func (d *disk) truncate(n *inode, size int64) error {
	for page := size / pageSize; page*pageSize < n.size; page++ {
		if err := n.remember(page); err != nil {
			return err
		}
	}
	if err := n.content.Truncate(size); err != nil {
		return err
	}
	if size != n.size {
		n.moveEnd(size)
	}
	return nil
}

// syncFile begins a sync; the func it returns ends it. Neither is called with the lock held by the other.
func (d *disk) syncFile(n *inode) (done func()) {
	covered := n.newest()
	if len(covered.before) > 0 || covered.sizeMoved {
		n.layers = append(n.layers, newLayer(n.size))
	} else if len(n.layers) == 1 {
		return func() {}
	} else {
		covered = n.layers[len(n.layers)-2]
	}
	return func() {
		for i, l := range n.layers {
			if l == covered {
				n.layers = append([]*layer(nil), n.layers[i+1:]...)
				return
			}
		}
	}
}

func (d *disk) syncFolder(n *inode) (done func()) {
	covered := n.deeds
	return func() {
		for len(n.pending) > 0 && n.pending[0].number <= covered {
			n.durable = applied(n.durable, n.pending[0])
			n.pending = n.pending[1:]
		}
	}
}

func applied(entries map[string]*inode, what deed) map[string]*inode {
	if what.remove != "" {
		delete(entries, what.remove)
	}
	if what.name != "" {
		entries[what.name] = what.child
	}
	return entries
}

// delay says how long a sync takes, in microseconds. A folder's may take longer than a file's: a journal's commit.
func (d *disk) delay(folder bool) int {
	switch {
	case d.slow:
		return 200_000 + d.random.IntN(100_000)
	case folder:
		return d.random.IntN(30_000)
	}
	return d.random.IntN(6000)
}

func (d *disk) slowDown(slow bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = slow
}

// unsyncedNames counts the files whose names a cut could take now. The lock is held.
func (d *disk) unsyncedNames() int {
	total := 0
	for _, n := range d.inodes {
		for _, what := range n.pending {
			if what.name != "" {
				total++
			}
		}
	}
	return total
}

// unsyncedPages counts the pages that a cut could take now. The lock is held.
func (d *disk) unsyncedPages() int {
	total := 0
	for _, n := range d.inodes {
		for _, l := range n.layers {
			total += len(l.before)
		}
	}
	return total
}

// freeze is the moment at which the power goes, if the condition holds for what is not synced: from then on nothing succeeds.
func (d *disk) freeze(condition func(pages, names int) bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !condition(d.unsyncedPages(), d.unsyncedNames()) {
		return false
	}
	d.frozen = true
	return true
}

// damage counts what a cut did.
type damage struct {
	pagesKept, pagesLost, pagesTorn  int
	endsMovedBack, truncatesLost     int
	createsLost, unlinksLost         int
	renamesLost, deedsKept, orphaned int
}

func (g damage) String() string {
	return fmt.Sprintf("pages %d kept %d lost %d torn, ends put back %d, truncates lost %d, creates lost %d, unlinks lost %d, renames lost %d, entries kept %d",
		g.pagesKept, g.pagesLost, g.pagesTorn, g.endsMovedBack, g.truncatesLost, g.createsLost, g.unlinksLost, g.renamesLost, g.deedsKept)
}

// cut decides what is left, and makes it the present. Nothing may be mounted.
func (d *disk) cut() (damage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var g damage
	for _, id := range d.ids() {
		n := d.inodes[id]
		if n.folder {
			d.cutFolder(n, &g)
		} else if err := d.cutFile(n, &g); err != nil {
			return g, err
		}
	}
	g.orphaned = d.forgetUnreachable()
	d.frozen = false
	return g, nil
}

func (d *disk) ids() []uint64 {
	ids := make([]uint64, 0, len(d.inodes))
	for id := range d.inodes {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

// cutFolder keeps all, none, a first part or any part of the deeds, as journals and lazier file systems do.
func (d *disk) cutFolder(n *inode, g *damage) {
	how, first := d.random.IntN(4), d.random.IntN(len(n.pending)+1)
	for i, what := range n.pending {
		keep := [...]bool{true, false, i < first, d.random.IntN(2) == 0}[how]
		switch {
		case keep:
			n.durable = applied(n.durable, what)
			g.deedsKept++
		case what.what == "create":
			g.createsLost++
		case what.what == "unlink":
			g.unlinksLost++
		default:
			g.renamesLost++
		}
	}
	n.pending = nil
	n.entries = map[string]*inode{}
	for name, child := range n.durable {
		n.entries[name] = child
	}
}

func (d *disk) cutFile(n *inode, g *damage) error {
	present := n.size
	end := d.choosesEnd(n, g)
	for _, page := range n.unsynced() {
		if err := d.cutPage(n, page, present, end, g); err != nil {
			return err
		}
	}
	if err := n.content.Truncate(end); err != nil {
		return err
	}
	n.size, n.layers = end, []*layer{newLayer(end)}
	return nil
}

// choosesEnd picks one of the sizes the file had since its last sync, or one between the first and the last.
func (d *disk) choosesEnd(n *inode, g *damage) int64 {
	ends := []int64{n.size}
	for _, l := range n.layers {
		if l.sizeMoved {
			ends = append(ends, l.sizeBefore)
		}
	}
	end := ends[d.random.IntN(len(ends))]
	if oldest := ends[min(1, len(ends)-1)]; oldest < n.size && d.random.IntN(4) == 0 {
		end = oldest + d.random.Int64N(n.size-oldest)
	}
	switch {
	case end < n.size:
		g.endsMovedBack++
	case end > n.size:
		g.truncatesLost++
	}
	return end
}

func (n *inode) unsynced() []int64 {
	seen := map[int64]bool{}
	var pages []int64
	for _, l := range n.layers {
		for page := range l.before {
			if !seen[page] {
				seen[page] = true
				pages = append(pages, page)
			}
		}
	}
	sort.Slice(pages, func(i, j int) bool { return pages[i] < pages[j] })
	return pages
}

// cutPage picks one of the versions of a page, or tears it between two of them.
func (d *disk) cutPage(n *inode, page, present, end int64, g *damage) error {
	versions := make([][]byte, 0, len(n.layers)+1)
	for _, l := range n.layers {
		if b, changed := l.before[page]; changed {
			versions = append(versions, padded(b))
		}
	}
	now := make([]byte, pageSize)
	if _, err := n.content.ReadAt(now, page*pageSize); err != nil && err != io.EOF {
		return err
	}
	versions = append(versions, now)
	if page*pageSize >= present && end > present { // the truncate that dropped this page was lost
		_, err := n.content.WriteAt(versions[0], page*pageSize)
		return err
	}
	kept := len(versions) - 1
	switch chosen := d.random.IntN(3); {
	case chosen == 0:
		g.pagesKept++
		return nil
	case chosen == 1:
		g.pagesLost++
		kept = d.random.IntN(len(versions) - 1)
	default:
		g.pagesTorn++
		sectors := 1 + d.random.IntN(pageSize/sectorSize-1)
		torn := append([]byte(nil), versions[len(versions)-1]...)
		other := versions[d.random.IntN(len(versions)-1)]
		if d.random.IntN(2) == 0 {
			copy(torn[:sectors*sectorSize], other)
		} else {
			copy(torn[sectors*sectorSize:], other[sectors*sectorSize:])
		}
		versions[kept] = torn
	}
	_, err := n.content.WriteAt(versions[kept], page*pageSize)
	return err
}

func padded(b []byte) []byte {
	full := make([]byte, pageSize)
	copy(full, b)
	return full
}

// forgetUnreachable drops what no path leads to any more: files unlinked, and files whose create was lost.
func (d *disk) forgetUnreachable() (orphaned int) {
	reached := map[uint64]bool{}
	var walk func(*inode)
	walk = func(n *inode) {
		if reached[n.id] {
			return
		}
		reached[n.id] = true
		for _, child := range n.entries {
			walk(child)
		}
	}
	walk(d.inodes[1])
	for _, id := range d.ids() {
		if n := d.inodes[id]; !reached[id] {
			if n.content != nil {
				n.content.Close()
				os.Remove(d.backingPath(n))
			}
			delete(d.inodes, id)
			orphaned++
		}
	}
	return orphaned
}
