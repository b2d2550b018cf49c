package check

import "rookery/core/seam"

// EpochEnd is what was said of where a leader epoch ends: by an OffsetForLeaderEpoch, or by a Fetch from behind a batch of an
// epoch that its log has parted from.
type EpochEnd struct {
	Partition    Partition
	Call, Return seam.Mono
	Asked        int32
	Epoch        int32 // -1: it knows none
	Offset       int64
}

// epochEnds: what lies below the end of an epoch was written in that one or in an earlier one, and what lies above it in one
// behind the one that was asked for. Of what was written meanwhile, and of what the log does not have any more, nothing is known,
// but that an epoch that is over before the log begins is none of its own.
func (j *judge) epochEnds() {
	for _, x := range j.h.EpochEnds {
		if x.Partition != j.partition || !j.binding(x.Call) {
			continue
		}
		known := int64(0)
		for i := 0; i < len(j.marks) && j.marks[i].at < x.Call; i++ {
			known = max(known, j.marks[i].hw)
		}
		if known = min(known, j.log.End); !j.endsThere(x, known) {
			return
		}
	}
}

// endsThere judges one answer. Records up to known were there.
func (j *judge) endsThere(x *EpochEnd, known int64) bool {
	epochOf := func(offset int64) int32 { return j.log.Entries[offset-j.log.Start].Epoch }
	from := max(j.start, j.log.Start)
	if x.Epoch < 0 {
		return j.require(x.Offset == -1, EpochsEnd, "no epoch up to %d is known, and it ends at %d", x.Asked, x.Offset) &&
			(known <= from || j.require(x.Asked > epochOf(known-1), EpochsEnd, "no epoch up to %d was known at %v; the record at %d is of epoch %d", x.Asked, x.Call, known-1, epochOf(known-1)))
	}
	if !j.require(x.Epoch <= x.Asked, EpochsEnd, "asked for epoch %d, told of %d", x.Asked, x.Epoch) {
		return false
	}
	if !j.deleted && x.Epoch < x.Asked {
		if shown := j.shownBefore(x.Call); !j.require(shown == 0 || x.Offset > shown, EpochsEnd, "who asked at %v for epoch %d was told of epoch %d up to %d; it had been said to begin at %d", x.Call, x.Asked, x.Epoch, x.Offset, shown) {
			return false
		}
	}
	if below := min(x.Offset, known) - 1; below >= from && !j.require(epochOf(below) <= x.Epoch, EpochsEnd, "epoch %d was said at %v to end at %d; the record at %d is of epoch %d", x.Epoch, x.Return, x.Offset, below, epochOf(below)) {
		return false
	}
	return x.Offset >= known || x.Offset < from || j.require(epochOf(x.Offset) > x.Asked, EpochsEnd, "what is of epoch %d or below was said at %v to end at %d; the record there is of epoch %d", x.Asked, x.Return, x.Offset, epochOf(x.Offset))
}
