package log

import (
	"strconv"

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
	last    int64
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

// forget drops the places of batches below next: they lie elsewhere now.
func (r *recent) forget(next int64) {
	for r.n > 0 && r.nth(r.n-1).base < next {
		r.n--
	}
}

// find is the place of the batch that holds offset, or of the first one behind it where the log has a gap, if it is among
// the newest.
func (r *recent) find(offset int64) (place, bool) {
	if r.n == 0 || r.nth(r.n-1).base > offset {
		return place{}, false
	}
	for i := range r.n {
		if p := r.nth(i); p.last < offset && i > 0 {
			return *r.nth(i - 1), true
		} else if p.base <= offset {
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
	entryAt int64 // where the walk began: at an index entry, or at the segment's start
	entry   int64 // the last offset that the entry promises of the batch there, -1: not to be checked
	reach   int64 // how far behind that the walk may come before the index is in doubt
	doubted bool  // the search began anew once: what the index says was not there
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

// Find begins a search. Each Read that it, or Loaded, asks for comes back through Loaded.
func (l *Log) Find(offset int64) (c Cursor, next Next, want Want) {
	c, next, want = l.find(offset)
	l.reading(c, next, 1)
	return c, next, want
}

// reading counts the Reads under way of a segment.
func (l *Log) reading(c Cursor, next Next, n int32) {
	if next != NeedIndex && next != NeedBytes {
		return
	}
	for _, all := range [...][]segment{l.segments, l.trimmed, l.replacing.old} {
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].file == c.file {
				all[i].reads += n
				return
			}
		}
	}
}

func (l *Log) find(offset int64) (c Cursor, next Next, want Want) {
	c.Offset = offset
	if offset >= l.end.Offset {
		return c, AtEnd, want
	}
	if p, ok := l.recent.find(offset); ok {
		s := l.segmentAt(p.segment)
		c.segment, c.file, c.at, c.size = p.segment, s.file, p.at, p.size
		if s.opening {
			return c, Unreadable, want
		}
		return c, Found, want
	}
	return l.enter(c, l.segmentOf(offset))
}

// enter begins the search in one segment.
func (l *Log) enter(c Cursor, i int) (Cursor, Next, Want) {
	s := &l.segments[i]
	c.segment, c.file = s.base, s.file
	if s.opening {
		return c, Unreadable, Want{}
	}
	if s.onDisk && s.index.Offsets == nil && s.entries > 0 {
		return c, NeedIndex, Want{File: s.indexFile, Len: int32(min(s.entries, 8*(s.done/batch.HeaderSize)))} // an entry a batch at most
	}
	return l.begin(c, s)
}

// begin needs no walk if the index knows the batch, and starts it at the entry before the offset or at the segment's start
// if not.
func (l *Log) begin(c Cursor, s *segment) (Cursor, Next, Want) {
	if e, ok := s.index.exact(c.Offset - s.base); ok {
		c.at, c.size = int64(e.Position), e.size
		return c, Found, Want{}
	}
	c.at, c.entryAt, c.entry = 0, 0, -1
	c.reach = sparse * max(int64(l.Config.IndexIntervalBytes), s.index.spacing())
	if e, ok := s.index.floor(c.Offset - s.base); ok {
		c.at, c.entryAt, c.entry = int64(e.Position), int64(e.Position), s.base+int64(e.Relative)
	}
	return c, NeedBytes, l.wantHeaders(s, c.at)
}

// wantHeaders covers one index interval and the header behind it, if that is no more than a piece; more where an index has to
// be made again.
func (l *Log) wantHeaders(s *segment, at int64) Want {
	const suspectBytes, mostBytes = 64 << 10, 1 << 20
	length := min(int64(l.Config.IndexIntervalBytes), mostBytes) + batch.HeaderSize
	if s.suspect {
		length = max(length, suspectBytes)
	}
	return Want{File: s.file, At: at, Len: int32(min(length, s.done-at))}
}

// Loaded goes on with a search when its Read came back.
func (l *Log) Loaded(c Cursor, was Next, in *seam.Loaded) (Cursor, Next, Want) {
	l.reading(c, was, -1)
	c, next, want := l.loaded(c, was, in)
	l.reading(c, next, 1)
	return c, next, want
}

// Abandon is told instead of Loaded when nobody goes on with a search.
func (l *Log) Abandon(c Cursor, was Next) { l.reading(c, was, -1) }

func (l *Log) loaded(c Cursor, was Next, in *seam.Loaded) (Cursor, Next, Want) {
	i := l.segmentOf(c.segment)
	if len(l.segments) == 0 || l.segments[i].base != c.segment || l.segments[i].file != c.file {
		return l.again(c)
	}
	if was == NeedIndex {
		l.indexLoaded(i, in)
		return l.begin(c, &l.segments[i])
	}
	if in.Fault != seam.OK {
		return c, Unreadable, Want{}
	}
	return l.walk(c, i, in.Data)
}

// indexLoaded keeps what was read of a cold index; what cannot be read or is no index is made again.
func (l *Log) indexLoaded(i int, in *seam.Loaded) {
	s := &l.segments[i]
	if s.index.Offsets != nil || !s.onDisk {
		return // another search was faster
	}
	entries, ok := ParseOffsets(in.Data, s.done)
	if in.Fault != seam.OK || !ok || int64(len(in.Data)) != s.entries {
		l.doubt(s)
		return
	}
	l.evictIndexes(i)
	s.index.Offsets = entries
}

// doubt drops a cold index that is wrong. Walks over the segment make it again as they go; it is whole when one has
// come to the end.
func (l *Log) doubt(s *segment) {
	s.index, s.suspect, s.onDisk, s.seen, s.ageless = Index{}, true, false, 0, true
	l.inDoubt = true
}

// Where says where a search stands, for a human.
func (l *Log) Where(c Cursor) string {
	return "byte " + strconv.FormatInt(c.at, 10) + " of " + SegmentPath(l.Folder, c.segment, ".log").Name
}

// again restarts a search whose segment went away meanwhile.
func (l *Log) again(c Cursor) (Cursor, Next, Want) {
	if c.Offset < l.start {
		return c, Unreadable, Want{}
	}
	return l.find(c.Offset)
}

// evictIndexes keeps one cold index a partition in memory.
func (l *Log) evictIndexes(keep int) {
	for i := range l.segments {
		if s := &l.segments[i]; i != keep && s.onDisk {
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
				return l.lost(c, s)
			}
			return c, NeedBytes, l.wantHeaders(s, c.at)
		}
		view := batch.View(rest)
		if !s.holds(view, c.at) || c.entry >= 0 && c.at == c.entryAt && view.LastOffset() != c.entry {
			return l.lost(c, s)
		}
		l.see(s, view, c.at)
		if view.LastOffset() >= c.Offset {
			c.size = int32(view.Size())
			return c, Found, Want{}
		}
		if s.onDisk && c.at-c.entryAt > c.reach {
			l.doubt(s) // the batch should have had an entry by now, and the search would have begun there
			return l.begin(c, s)
		}
		c.at += view.Size()
	}
}

// sparse is how many intervals may lie between two entries: Kafka counts anew after each start. The interval is the topic's, or
// what the entries have between them where it was larger when they were written.
const sparse = 16

// holds says whether view can be a batch of the segment at that position.
func (s *segment) holds(view batch.View, at int64) bool {
	return view.Magic() == batch.Magic && view.Size() >= batch.HeaderSize && at+view.Size() <= s.done &&
		view.LastOffsetDelta() >= 0 && view.BaseOffset() >= s.base && (!s.closed || view.LastOffset() < s.next)
}

// lost: there is no batch where one should be. If an index entry led there, the index is wrong.
func (l *Log) lost(c Cursor, s *segment) (Cursor, Next, Want) {
	if c.entry >= 0 && !c.doubted && (s.onDisk || s.suspect) {
		if c.doubted = true; s.onDisk {
			l.doubt(s)
		}
		return l.begin(c, s)
	}
	return c, Unreadable, Want{}
}

// see adds a batch to an index that is made again.
func (l *Log) see(s *segment, view batch.View, at int64) {
	if !s.suspect || at != s.seen {
		return
	}
	s.index.Add(s.base, view.LastOffset(), at, view.Size(), LargestOf(view), l.Config.IndexIntervalBytes)
	if s.seen += view.Size(); s.seen == s.done {
		s.suspect, s.spared, s.rebuilt, s.ageless = false, false, true, false
		if s.held = s.closed && s.next < l.noted; s.held {
			l.held++
		} else {
			l.remade++
		}
	}
}

// Plan is the Range from the batch found up to limit: at most max bytes, but the first batch whole if whole is set
// (KIP-74). A batch that max would cut is left out if the index knows it, for no reader has a use for half of it: of larger
// batches whole ones are sent. A Range may end inside a small one, never behind limit. Empty when limit lies before the
// batch's end.
func (l *Log) Plan(c Cursor, limit Mark, max int64, whole bool) (seam.Range, bool) {
	i := l.segmentOf(c.segment)
	if len(l.segments) == 0 || l.segments[i].base != c.segment || l.segments[i].file != c.file {
		return seam.Range{}, false
	}
	s := &l.segments[i]
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
	length := min(upTo-c.at, max, rangeMax)
	if c.at+length < upTo {
		if begin, cuts := s.index.straddler(c.at + length); cuts && begin > c.at {
			length = begin - c.at
		}
	}
	return seam.Range{File: s.file, At: c.at, Len: int32(length)}, true
}

// Reaches says whether a Range of Plan ends at limit: nothing more could be read.
func (l *Log) Reaches(span seam.Range, limit Mark) bool {
	i := l.segmentOf(limit.Segment)
	return len(l.segments) > 0 && l.segments[i].file == span.File && span.At+int64(span.Len) >= limit.Position
}
