package check

import (
	"cmp"
	"math"
	"slices"

	"rookery/core/seam"
)

// Search is an answer to a ListOffsets by time, or for the largest time.
type Search struct {
	Partition    Partition
	Call, Return seam.Mono
	Time         int64 // asked for; LargestTime
	Offset       int64 // found; -1: none
	Found        int64 // its time
	Epoch        int32 // of the leader that took it
}

// LargestTime asks for the first record that has the largest time (KIP-734).
const LargestTime = -3

// searches: what was found is the first record that fits, of those that were there. What was deleted since cannot be
// looked at any more, and of what was written meanwhile nothing is known: what counts are the records from the log's
// start up to the highest high watermark that anybody knew when the search began.
func (j *judge) searches() {
	var all []*Search
	for _, s := range j.h.Searches {
		if s.Partition == j.partition && j.binding(s.Call) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b *Search) int { return cmp.Compare(a.Call, b.Call) })
	newest := j.newest()
	known, next := int64(0), 0
	for _, s := range all {
		for ; next < len(j.marks) && j.marks[next].at < s.Call; next++ {
			known = max(known, j.marks[next].hw)
		}
		if !j.found(s, min(known, j.log.End), newest) {
			return
		}
	}
}

// noTime is the newest time of no records.
const noTime = math.MinInt64

// newest is, for each offset from the log's start to its end, the largest time of the records before it.
func (j *judge) newest() []int64 {
	newest := []int64{noTime}
	for i := range j.log.Entries {
		if e := &j.log.Entries[i]; e.Offset >= j.start {
			newest = append(newest, max(newest[len(newest)-1], e.Time))
		}
	}
	return newest
}

// found judges one answer. Records up to known were there.
func (j *judge) found(s *Search, known int64, newest []int64) bool {
	before := func(offset int64) int64 { return newest[min(max(0, offset-j.start), int64(len(newest)-1))] }
	if s.Offset < 0 {
		asked := s.Time
		if s.Time == LargestTime {
			asked = noTime + 1 // any would do
		}
		return j.require(before(known) < asked, SearchFindsFirst, "nothing was found for time %d at %v; a record before %d has %d", s.Time, s.Call, known, before(known))
	}
	if !j.require(s.Offset < j.log.End, NothingTakenBack, "offset %d was found at %v; the log ends at %d", s.Offset, s.Return, j.log.End) {
		return false
	}
	if s.Offset >= j.start {
		e := &j.log.Entries[s.Offset-j.log.Start]
		if has := e.Time; !j.require(has == s.Found && e.Epoch == s.Epoch, SearchFindsFirst, "%d was found for time %d, with %d, of epoch %d; it has %d, and is of epoch %d", s.Offset, s.Time, s.Found, s.Epoch, has, e.Epoch) {
			return false
		}
	}
	if s.Time == LargestTime {
		return j.require(before(s.Offset) < s.Found, SearchFindsFirst, "%d was found at %v to have the largest time, %d; one before it has %d", s.Offset, s.Call, s.Found, before(s.Offset)) &&
			j.require(before(known) <= s.Found, SearchFindsFirst, "%d was found at %v to have the largest time, %d; one before %d has %d", s.Offset, s.Call, s.Found, known, before(known))
	}
	return j.require(s.Found >= s.Time, SearchFindsFirst, "%d was found for time %d at %v, and has %d", s.Offset, s.Time, s.Call, s.Found) &&
		j.require(before(s.Offset) < s.Time, SearchFindsFirst, "%d was found for time %d at %v, and one before it has %d", s.Offset, s.Time, s.Call, before(s.Offset))
}
