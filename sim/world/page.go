package world

import (
	"bytes"
	"slices"
)

// pageSize is the unit in which the page cache is written back, sectorSize the unit that a disk writes whole.
const (
	pageSize   = 4096
	sectorSize = 512
)

var zeroes [pageSize]byte

// page is never changed once it is shared with the platter or with a sync under way. Pages that follow one another by
// appends lie in the same bytes: most files are small, and most of what is written to them goes to their end.
type page struct {
	shared bool
	data   []byte // what is beyond it is zero
	frozen int    // how many of these bytes are an older page's too
}

func (n *inode) write(at int64, data []byte) {
	for done := 0; done < len(data); {
		number, offset := (at+int64(done))/pageSize, int((at+int64(done))%pageSize)
		part := data[done:min(len(data), done+pageSize-offset)]
		if done += len(part); n.pages[number] == nil && bytes.Equal(part, zeroes[:len(part)]) {
			continue // a hole stays one
		}
		p := n.writable(number, offset)
		if gap := offset - len(p.data); gap > 0 {
			p.data = append(p.data, make([]byte, gap)...)
		}
		if more := offset + len(part) - len(p.data); more > 0 {
			p.data = append(p.data, part[len(part)-more:]...)
		}
		copy(p.data[offset:], part)
	}
	n.grow(at + int64(len(data)))
}

func (n *inode) grow(size int64) {
	if size > n.size {
		n.size, n.sizeDirty = size, true
	}
}

// writable is a page of the cache that may be changed from an offset on.
func (n *inode) writable(number int64, offset int) *page {
	p := n.pages[number]
	switch {
	case p == nil:
		p = &page{}
	case offset < p.frozen || p.shared && offset < len(p.data):
		p = &page{data: slices.Clone(p.data)}
	case p.shared:
		p = &page{data: p.data, frozen: len(p.data)}
	}
	n.pages[number], n.dirty[number] = p, true
	return p
}

func (n *inode) read(at, length int64) []byte {
	if at >= n.size || length <= 0 {
		return nil
	}
	b := make([]byte, min(length, n.size-at))
	n.readInto(b, at)
	return b
}

func (n *inode) readInto(b []byte, at int64) {
	for done := 0; done < len(b); {
		number, offset := (at+int64(done))/pageSize, int((at+int64(done))%pageSize)
		length := min(len(b)-done, pageSize-offset)
		part := b[done : done+length]
		if p := n.pages[number]; p != nil && offset < len(p.data) {
			part = part[copy(part, p.data[offset:]):]
		}
		clear(part)
		done += length
	}
}

func (n *inode) truncate(size int64) {
	if size < n.size {
		n.cut(size)
	}
	if size != n.size {
		n.size, n.sizeDirty = size, true
	}
}

// cut drops what lies beyond size from the cache; the platter learns of it at the next sync.
func (n *inode) cut(size int64) {
	for _, number := range sortedPages(n.pages) {
		if number*pageSize >= size {
			delete(n.pages, number)
			n.dirty[number] = true
		}
	}
	if offset := size % pageSize; offset != 0 && n.pages[size/pageSize] != nil {
		p := n.writable(size/pageSize, len(n.pages[size/pageSize].data))
		length := min(len(p.data), int(offset))
		p.data, p.frozen = p.data[:length:length], min(length, p.frozen)
	}
}

// snapshot is what a sync will write: the pages as they were when it was asked for.
type snapshot struct {
	numbers   []int64
	pages     []*page // nil: a hole
	size      int64
	sizeDirty bool
}

func (n *inode) beginSync() snapshot {
	s := snapshot{numbers: sortedPages(n.dirty), size: n.size, sizeDirty: n.sizeDirty}
	for _, number := range s.numbers {
		p := n.pages[number]
		if p != nil {
			p.shared = true
		}
		s.pages = append(s.pages, p)
	}
	return s
}

// synced puts a snapshot on the platter. A page that was written meanwhile stays dirty.
func (n *inode) synced(s snapshot) {
	for i, number := range s.numbers {
		n.settlePage(number, s.pages[i])
		n.cleanUnlessChanged(number, s.pages[i])
	}
	n.durableSize = s.size
	n.sizeDirty = n.sizeDirty && n.size != s.size
}

func (n *inode) settlePage(number int64, p *page) {
	if p == nil {
		delete(n.durable, number)
	} else {
		n.durable[number] = p
	}
}

// syncFailed makes the pages of a snapshot clean without writing them: the kernel has dropped the error with them.
func (n *inode) syncFailed(s snapshot) {
	for i, number := range s.numbers {
		n.cleanUnlessChanged(number, s.pages[i])
	}
	n.sizeDirty = n.sizeDirty && n.size != s.size
	n.unwritten = n.unwritten || len(s.numbers) > 0 || s.sizeDirty
}

func (n *inode) cleanUnlessChanged(number int64, p *page) {
	if n.pages[number] == p {
		delete(n.dirty, number)
	}
}
