package world

import (
	"cmp"
	"maps"
	"slices"
)

func sortedPages[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }

// cutPower leaves what the disks of some log directories may hold after their power failed: everything synced, and of the
// rest what the stream decides. Choice 0 keeps things, so that a quiet tape loses nothing.
func (d *Disk) cutPower(s *Stream, counts *Counts, is func(dir int32) bool) {
	d.cutNames(s, counts, is)
	for _, n := range d.reachable(is) {
		if !is(n.dir) {
			continue
		}
		if n.folder {
			n.entries = maps.Clone(n.durableEntries)
			for name, child := range n.entries { //tidy:unordered each child is told its own place
				child.parent, child.name = n, name
			}
		} else {
			n.cutPower(s, counts)
		}
	}
}

const (
	keepNames = iota
	keepPrefix
	keepSome
)

// cutNames decides which changes of folders had reached the platter: all, those before some moment, or any.
func (d *Disk) cutNames(s *Stream, counts *Counts, is func(dir int32) bool) {
	var names, others []nameOp
	for _, op := range d.names {
		if is(op.folder.dir) {
			names = append(names, op)
		} else {
			others = append(others, op)
		}
	}
	if len(names) == 0 {
		return
	}
	mode, prefix := s.Pick(1, 2, 2), len(names)
	if mode == keepPrefix {
		prefix = len(names) - s.Choose(len(names)+1)
	}
	for i := range names {
		if i >= prefix || mode == keepSome && s.Chance(5000) {
			counts[NameLost]++
		} else {
			names[i].settle()
		}
	}
	d.names = others
	for _, n := range d.sorted() {
		if is(n.dir) {
			n.parent = nil
		}
	}
}

func (d *Disk) sorted() []*inode {
	all := slices.Collect(maps.Values(d.ids))
	slices.SortFunc(all, func(a, b *inode) int { return cmp.Compare(a.id, b.id) })
	return all
}

// reachable lists what the platters' folders lead to, and all that lies on other disks, and forgets everything else.
func (d *Disk) reachable(is func(dir int32) bool) []*inode {
	found := map[int]*inode{}
	for _, n := range d.sorted() {
		if !is(n.dir) {
			found[n.id] = n
		}
	}
	var visit func(n *inode)
	visit = func(n *inode) {
		if found[n.id] != nil {
			return
		}
		found[n.id] = n
		for _, name := range slices.Sorted(maps.Keys(n.durableEntries)) {
			visit(n.durableEntries[name])
		}
	}
	for _, root := range d.roots {
		if is(root.dir) {
			visit(root)
		}
	}
	d.ids = found
	return d.sorted()
}

const (
	pageKept = iota
	pageLost
	pageTorn
)

func (n *inode) cutPower(s *Stream, counts *Counts) {
	for _, number := range sortedPages(n.dirty) {
		switch s.Pick(3, 3, 2) {
		case pageKept:
			n.keepPage(number)
		case pageLost:
			counts[PageLost]++
		case pageTorn:
			n.tearPage(number, 1+s.Choose(254))
			counts[PageTorn]++
		}
	}
	n.cutSize(s, counts)
	n.pages, n.dirty, n.size = maps.Clone(n.durable), map[int64]bool{}, n.durableSize
	n.sizeDirty, n.unwritten = false, false
	n.freeze()
	n.cut(n.size)
	n.dirty = map[int64]bool{}
	n.durable = maps.Clone(n.pages)
	n.freeze()
}

// freeze shares every page, and lets none of them grow into bytes that came after it and are lost.
func (n *inode) freeze() {
	for _, p := range n.pages { //tidy:unordered each page by itself
		p.shared, p.data = true, slices.Clip(p.data)
	}
}

func (n *inode) keepPage(number int64) {
	n.settlePage(number, n.pages[number])
}

// tearPage writes some sectors of a page, by the bits of a mask.
func (n *inode) tearPage(number int64, mask int) {
	torn := make([]byte, pageSize)
	if old := n.durable[number]; old != nil {
		copy(torn, old.data)
	}
	for i := range pageSize / sectorSize {
		if mask>>i&1 == 0 {
			continue
		}
		sector := torn[i*sectorSize : (i+1)*sectorSize]
		if now := n.pages[number]; now != nil {
			sector = sector[copy(sector, now.data[min(len(now.data), i*sectorSize):]):]
		}
		clear(sector)
	}
	n.durable[number] = &page{data: torn}
}

// cutSize decides how much of a file's growth or shrinking had reached the platter.
func (n *inode) cutSize(s *Stream, counts *Counts) {
	if n.size == n.durableSize || !n.sizeDirty {
		return
	}
	switch s.Pick(2, 1, 1) {
	case 0:
		n.durableSize = n.size
		return
	case 1:
	case 2: // somewhere between, at the end of a page
		low, high := min(n.size, n.durableSize), max(n.size, n.durableSize)
		if pages := int(min((high-low)/pageSize, 1<<20)); pages > 0 {
			n.durableSize = (low/pageSize + 1 + int64(s.Choose(pages))) * pageSize
		}
	}
	counts[SizeLost]++
}
