package log

import (
	"encoding/binary"
	"slices"
)

// OffsetEntry of a .index file, 8 bytes big-endian: the last offset of a batch, relative to the segment's base, and
// where the batch begins.
type OffsetEntry struct{ Relative, Position int32 }

// TimeEntry of a .timeindex file, 12 bytes big-endian: the largest timestamp so far, and the last offset of the batch
// that has it, relative to the segment's base.
type TimeEntry struct {
	Timestamp int64
	Relative  int32
}

// Index is a segment's sparse index: one entry after each index.interval.bytes of batches, as Kafka's LogSegment
// writes them.
type Index struct {
	Offsets      []OffsetEntry
	Times        []TimeEntry
	MaxTimestamp int64 // largest so far; meaningless while MaxLast is -1
	MaxLast      int64 // last offset of the first batch that has it
	since        int32 // bytes since the last entry
	began        bool
}

// Add takes a batch into account.
func (x *Index) Add(base, last, position int64, size int32, maxTimestamp int64, interval int32) {
	if !x.began || maxTimestamp > x.MaxTimestamp {
		x.MaxTimestamp, x.MaxLast, x.began = maxTimestamp, last, true
	}
	if x.since > interval {
		x.Offsets = append(x.Offsets, OffsetEntry{int32(last - base), int32(position)})
		x.addTime(base)
		x.since = 0
	}
	x.since += size
}

// Close adds the last time entry.
func (x *Index) Close(base int64) {
	if x.began {
		x.addTime(base)
	}
}

// addTime keeps both columns strictly rising.
func (x *Index) addTime(base int64) {
	entry := TimeEntry{x.MaxTimestamp, int32(x.MaxLast - base)}
	if n := len(x.Times); n > 0 && (x.Times[n-1].Timestamp >= entry.Timestamp || x.Times[n-1].Relative >= entry.Relative) {
		return
	}
	x.Times = append(x.Times, entry)
}

// Truncate drops what points at or behind size. The largest timestamp stays as an upper bound until the next segment.
func (x *Index) Truncate(base, size, next int64) {
	for n := len(x.Offsets); n > 0 && int64(x.Offsets[n-1].Position) >= size; n-- {
		x.Offsets = x.Offsets[:n-1]
	}
	for n := len(x.Times); n > 0 && int64(x.Times[n-1].Relative) >= next-base; n-- {
		x.Times = x.Times[:n-1]
	}
	if x.MaxLast >= next {
		x.MaxLast = next - 1
	}
	if next == base {
		x.began, x.since = false, 0
	}
}

// Before is the position from which a walk over batches finds the one that holds base+relative: the entry before it.
func (x *Index) Before(relative int64) int64 {
	i, _ := slices.BinarySearchFunc(x.Offsets, relative, func(e OffsetEntry, r int64) int {
		if int64(e.Relative) <= r {
			return -1
		}
		return 1
	})
	// Entry i-1 names a batch whose last offset is at or below the one sought: that batch or one behind it holds it.
	if i == 0 {
		return 0
	}
	return int64(x.Offsets[i-1].Position)
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

// ParseOffsets reads a .index file. ok is false unless the entries rise and lie within the segment's size.
func ParseOffsets(data []byte, size int64) (entries []OffsetEntry, ok bool) {
	if len(data)%8 != 0 {
		return nil, false
	}
	last := OffsetEntry{-1, -1}
	entries = make([]OffsetEntry, 0, len(data)/8)
	for ; len(data) > 0; data = data[8:] {
		e := OffsetEntry{int32(binary.BigEndian.Uint32(data)), int32(binary.BigEndian.Uint32(data[4:]))}
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
