package log

import (
	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/seam"
)

// recent remembers where the newest batches lie, so that readers at the tail need no index.
type recent struct {
	places []place // a ring, oldest overwritten
	next   int
	n      int
}

type place struct {
	base    int64
	segment int64
	at      int64
	size    int32
}

const recentMax = 64

func (r *recent) add(p place) {
	if r.places == nil {
		r.places = make([]place, recentMax)
	}
	r.places[r.next] = p
	r.next = (r.next + 1) % recentMax
	r.n = min(r.n+1, recentMax)
}

// nth is the i-th newest.
func (r *recent) nth(i int) *place { return &r.places[(r.next-1-i+2*recentMax)%recentMax] }

func (r *recent) truncate(next int64) {
	for r.n > 0 && r.nth(0).base >= next {
		r.next = (r.next - 1 + recentMax) % recentMax
		r.n--
	}
}

// find is the place of the batch that holds offset, if it is among the newest.
func (r *recent) find(offset int64) (place, bool) {
	for i := range r.n {
		if p := r.nth(i); p.base <= offset {
			return *p, true
		}
	}
	return place{}, false
}

// Cursor is a search for the batch that holds an offset, or the first one behind it. It is a value: the fetch that
// asked keeps it while a Read is under way.
type Cursor struct {
	Offset  int64
	segment int64
	file    seam.File
	at      int64
	size    int32 // of the batch found
}

// Next of a Cursor is what it needs.
type Next uint8

const (
	Found     Next = iota // the batch is known
	AtEnd                 // nothing at or behind the offset below end
	NeedIndex             // Want names an index file to be read whole
	NeedBytes             // Want names a few bytes of the log
	Unreadable
)

// Want is a Read that a Cursor needs.
type Want struct {
	File seam.File
	At   int64
	Len  int32
}

// Find begins a search.
func (l *Log) Find(offset int64) (c Cursor, next Next, want Want) {
	c.Offset = offset
	if offset >= l.end.Offset {
		return c, AtEnd, want
	}
	if p, ok := l.recent.find(offset); ok {
		s := l.segmentAt(p.segment)
		c.segment, c.file, c.at, c.size = p.segment, s.file, p.at, p.size
		return c, Found, want
	}
	return l.enter(c, l.segmentOf(offset))
}

// enter begins the search in one segment.
func (l *Log) enter(c Cursor, i int) (Cursor, Next, Want) {
	s := &l.segments[i]
	c.segment, c.file = s.base, s.file
	if s.closed && s.indexed && s.index.Offsets == nil && s.done > int64(l.Config.IndexIntervalBytes) {
		return c, NeedIndex, Want{File: s.indexFile, Len: l.Config.IndexBytes}
	}
	c.at = s.index.Before(c.Offset - s.base)
	return c, NeedBytes, l.wantHeaders(s, c.at)
}

// wantHeaders covers one index interval and the header behind it.
func (l *Log) wantHeaders(s *segment, at int64) Want {
	return Want{File: s.file, At: at, Len: int32(min(int64(l.Config.IndexIntervalBytes)+batch.HeaderSize, s.done-at))}
}

// Loaded goes on with a search when its Read came back.
func (l *Log) Loaded(c Cursor, was Next, in *seam.Loaded) (Cursor, Next, Want) {
	i := l.segmentOf(c.segment)
	s := &l.segments[i]
	if s.base != c.segment {
		return l.again(c)
	}
	if was == NeedIndex {
		entries, ok := ParseOffsets(in.Data, s.done)
		if in.Fault != seam.OK || !ok {
			entries = []OffsetEntry{} // lost or wrong: the walk from the segment's start finds it all the same
		}
		if l.evictIndexes(i); s.index.Offsets == nil {
			s.index.Offsets = entries
			if entries == nil {
				s.index.Offsets = []OffsetEntry{}
			}
		}
		c.at = s.index.Before(c.Offset - s.base)
		return c, NeedBytes, l.wantHeaders(s, c.at)
	}
	if in.Fault != seam.OK {
		return c, Unreadable, Want{}
	}
	return l.walk(c, i, in.Data)
}

// again restarts a search whose segment went away meanwhile.
func (l *Log) again(c Cursor) (Cursor, Next, Want) {
	if c.Offset < l.start {
		return c, Unreadable, Want{}
	}
	return l.Find(c.Offset)
}

// evictIndexes keeps one cold index a partition in memory.
func (l *Log) evictIndexes(keep int) {
	for i := range l.segments {
		if s := &l.segments[i]; i != keep && s.closed && s.indexed && s.indexFile != 0 {
			s.index.Offsets = nil
		}
	}
}

// walk hops over headers from c.at until the batch that holds the offset.
func (l *Log) walk(c Cursor, i int, data []byte) (Cursor, Next, Want) {
	s := &l.segments[i]
	from := c.at
	for {
		if c.at >= s.done {
			if i+1 < len(l.segments) {
				return l.enter(c, i+1)
			}
			return c, AtEnd, Want{}
		}
		rest := data[min(c.at-from, int64(len(data))):]
		if len(rest) < batch.HeaderSize {
			if c.at == from {
				return c, Unreadable, Want{}
			}
			return c, NeedBytes, l.wantHeaders(s, c.at)
		}
		view := batch.View(rest)
		size := int64(view.Size())
		if size < batch.HeaderSize || c.at+size > s.done || view.BaseOffset() < s.base {
			return c, Unreadable, Want{}
		}
		if view.LastOffset() >= c.Offset {
			c.size = int32(size)
			return c, Found, Want{}
		}
		c.at += size
	}
}

// Plan is the Range from the batch found up to limit: at most max bytes, but the first batch whole if whole is set
// (KIP-74). A Range may end inside a batch, never behind limit. Empty when limit lies before the batch's end.
func (l *Log) Plan(c Cursor, limit Mark, max int64, whole bool) (seam.Range, bool) {
	i := l.segmentOf(c.segment)
	s := &l.segments[i]
	if s.base != c.segment {
		return seam.Range{}, false
	}
	upTo := s.done
	if limit.Segment == s.base {
		upTo = limit.Position
	} else if limit.Segment < s.base {
		return seam.Range{}, false
	}
	must.Be(upTo <= s.done, "L7: nothing is planned to be read that is not in the page cache")
	if c.at+int64(c.size) > upTo {
		return seam.Range{}, false
	}
	if max < int64(c.size) {
		if !whole {
			return seam.Range{}, false
		}
		max = int64(c.size)
	}
	const rangeMax = 1<<31 - 1
	return seam.Range{File: s.file, At: c.at, Len: int32(min(upTo-c.at, max, rangeMax))}, true
}
