package log

import "sort"

// A log may have ten thousands of segments, and a start comes to each of them more than once.

// floor is the position of the last segment whose base is not above offset, -1: there is none. Bases rise.
func floor(segments []segment, offset int64) int {
	if n := len(segments); n > 0 && segments[n-1].base <= offset { // most often it is the active one
		return n - 1
	}
	return sort.Search(len(segments), func(i int) bool { return segments[i].base > offset }) - 1
}

// based is the segment of a base, if it is among them.
func based(segments []segment, base int64) *segment {
	if i := floor(segments, base); i >= 0 && segments[i].base == base {
		return &segments[i]
	}
	return nil
}

// segmentOf is the position of the last segment whose base is not above offset.
func (l *Log) segmentOf(offset int64) int { return max(0, floor(l.segments, offset)) }

// based is the segment of a base, if the log still has it.
func (l *Log) based(base int64) *segment { return based(l.segments, base) }

// without takes one out of a list and leaves the others in their order. What is under way comes back in about the order in which
// it was asked for: what is moved is what lies before, and not all that lies behind.
func without[T any](list []T, i int) []T {
	copy(list[1:i+1], list[:i])
	return list[1:]
}
