package log

import (
	"encoding/binary"
	"slices"

	"rookery/core/batch"
)

// OffsetEntry of a .index file, 8 bytes big-endian: the last offset of a batch, relative to the segment's base, and
// where the batch begins. In memory it says how long the batch is too, if that is known.
type OffsetEntry struct{ Relative, Position, size int32 }

// TimeEntry of a .timeindex file, 12 bytes big-endian: the largest timestamp so far, and the last offset of the batch
// that has it, relative to the segment's base.
type TimeEntry struct {
	Timestamp int64
	Relative  int32
}

// Index is a segment's sparse index: one entry after each index.interval.bytes of batches, as Kafka's LogSegment
// writes them. It depends on nothing but the segment's batches, so that rebuilding gives the same bytes.
type Index struct {
	Offsets      []OffsetEntry
	Times        []TimeEntry
	MaxTimestamp int64 // largest so far, if dated
	MaxLast      int64 // last offset of the first batch that has it
	dated        bool  // some batch has a timestamp above -1, Kafka's "none"
	entryAt      int64 // where the batch of the last entry begins
}

// Add takes a batch into account.
func (x *Index) Add(base, last, position, size, maxTimestamp int64, interval int32) {
	if maxTimestamp > x.largest() {
		x.MaxTimestamp, x.MaxLast, x.dated = maxTimestamp, last, true
	}
	if position-x.entryAt > int64(interval) {
		x.Offsets = append(x.Offsets, OffsetEntry{int32(last - base), int32(position), int32(size)})
		x.addTime(base)
		x.entryAt = position
	}
}

// largest is the largest timestamp so far, -1 where there is none.
func (x *Index) largest() int64 {
	if x.dated {
		return x.MaxTimestamp
	}
	return batch.NoTimestamp
}

// Close adds the last time entry: the largest timestamp of all. No batch may follow.
func (x *Index) Close(base int64) { x.addTime(base) }

// addTime keeps both columns strictly rising; times of -1 and below are no entry's.
func (x *Index) addTime(base int64) {
	last := batch.NoTimestamp
	if n := len(x.Times); n > 0 {
		last = x.Times[n-1].Timestamp
	}
	if x.largest() > last {
		x.Times = append(x.Times, TimeEntry{x.MaxTimestamp, int32(x.MaxLast - base)})
	}
}

// indexMark is an Index before a batch was added, as far as it takes to go back there.
type indexMark struct {
	offsets, times                 int32
	dated                          bool
	maxTimestamp, maxLast, entryAt int64
}

func (x *Index) mark(m *indexMark) {
	m.offsets, m.times, m.dated = int32(len(x.Offsets)), int32(len(x.Times)), x.dated
	m.maxTimestamp, m.maxLast, m.entryAt = x.MaxTimestamp, x.MaxLast, x.entryAt
}

func (x *Index) rewind(m indexMark) {
	x.Offsets, x.Times = x.Offsets[:m.offsets], x.Times[:m.times]
	x.dated, x.MaxTimestamp, x.MaxLast, x.entryAt = m.dated, m.maxTimestamp, m.maxLast, m.entryAt
}

// resume turns what was read of a closed segment's files back into the Index as it was just behind the last entry whose
// batch ends below limit. False: there is no such entry.
func (x *Index) resume(base, limit int64) bool {
	for n := len(x.Offsets); n > 0 && base+int64(x.Offsets[n-1].Relative) >= limit; n-- {
		x.Offsets = x.Offsets[:n-1]
	}
	if len(x.Offsets) == 0 {
		return false
	}
	entry := x.Offsets[len(x.Offsets)-1]
	for n := len(x.Times); n > 0 && x.Times[n-1].Relative > entry.Relative; n-- {
		x.Times = x.Times[:n-1]
	}
	if n := len(x.Times); n > 0 {
		x.dated, x.MaxTimestamp, x.MaxLast = true, x.Times[n-1].Timestamp, base+int64(x.Times[n-1].Relative)
	}
	x.entryAt = int64(entry.Position)
	return true
}

// exact is the entry of the very batch that holds relative, or of the first behind it, where that needs no look at the
// batches: its last offset is relative, or the entry before it ends below relative and the two batches touch.
func (x *Index) exact(relative int64) (OffsetEntry, bool) {
	i := x.search(relative)
	if i == 0 {
		return OffsetEntry{}, false
	}
	e := x.Offsets[i-1]
	if int64(e.Relative) < relative {
		if i == len(x.Offsets) || e.size == 0 || e.Position+e.size != x.Offsets[i].Position {
			return OffsetEntry{}, false
		}
		e = x.Offsets[i]
	}
	return e, e.size > 0
}

// floor is the last entry not above relative: the batch sought is that one or lies behind it.
func (x *Index) floor(relative int64) (OffsetEntry, bool) {
	i := x.search(relative)
	if i == 0 {
		return OffsetEntry{}, false
	}
	return x.Offsets[i-1], true
}

// spacing is how far the entries lie apart, as a rule.
func (x *Index) spacing() int64 {
	n := len(x.Offsets)
	if n == 0 {
		return 0
	}
	return int64(x.Offsets[n-1].Position) / int64(n)
}

// straddler is where the batch begins that has bytes on both sides of position, if the index knows that there is one.
func (x *Index) straddler(position int64) (begin int64, ok bool) {
	i, _ := slices.BinarySearchFunc(x.Offsets, position, func(e OffsetEntry, p int64) int {
		if int64(e.Position) < p {
			return -1
		}
		return 1
	})
	if i == 0 {
		return 0, false
	}
	e := x.Offsets[i-1]
	return int64(e.Position), int64(e.Position)+int64(e.size) > position
}

// search is how many entries are not above relative.
func (x *Index) search(relative int64) int {
	i, _ := slices.BinarySearchFunc(x.Offsets, relative, func(e OffsetEntry, r int64) int {
		if int64(e.Relative) <= r {
			return -1
		}
		return 1
	})
	return i
}

// EncodeOffsets is the content of a .index file.
func (x *Index) EncodeOffsets() []byte {
	out := make([]byte, 0, 8*len(x.Offsets))
	for _, e := range x.Offsets {
		out = binary.BigEndian.AppendUint32(out, uint32(e.Relative))
		out = binary.BigEndian.AppendUint32(out, uint32(e.Position))
	}
	return out
}

// EncodeTimes is the content of a .timeindex file.
func (x *Index) EncodeTimes() []byte {
	out := make([]byte, 0, 12*len(x.Times))
	for _, e := range x.Times {
		out = binary.BigEndian.AppendUint64(out, uint64(e.Timestamp))
		out = binary.BigEndian.AppendUint32(out, uint32(e.Relative))
	}
	return out
}

// ParseOffsets reads a .index file. ok is false unless the entries rise and lie within the segment's size, behind its first batch,
// which never has one: zeroes are what a power cut leaves of an index that was emptied for the room it took.
func ParseOffsets(data []byte, size int64) (entries []OffsetEntry, ok bool) {
	if len(data)%8 != 0 {
		return nil, false
	}
	last := OffsetEntry{Relative: -1}
	entries = make([]OffsetEntry, 0, len(data)/8)
	for ; len(data) > 0; data = data[8:] {
		e := OffsetEntry{int32(binary.BigEndian.Uint32(data)), int32(binary.BigEndian.Uint32(data[4:])), 0}
		if e.Relative <= last.Relative || e.Position <= last.Position || int64(e.Position) >= size {
			return nil, false
		}
		entries = append(entries, e)
		last = e
	}
	return entries, true
}

// ParseTimes reads a .timeindex file. ok is false unless both columns rise.
func ParseTimes(data []byte) (entries []TimeEntry, ok bool) {
	if len(data)%12 != 0 {
		return nil, false
	}
	entries = make([]TimeEntry, 0, len(data)/12)
	for ; len(data) > 0; data = data[12:] {
		e := TimeEntry{int64(binary.BigEndian.Uint64(data)), int32(binary.BigEndian.Uint32(data[8:]))}
		if n := len(entries); e.Relative < 0 || n > 0 && (entries[n-1].Timestamp >= e.Timestamp || entries[n-1].Relative >= e.Relative) {
			return nil, false
		}
		entries = append(entries, e)
	}
	return entries, true
}
