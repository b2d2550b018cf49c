package check

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rookery/core/seam"
)

// Begin is where a log was said to begin: by a Fetch, a ListOffsets or a DeleteRecords.
type Begin struct {
	Partition     Partition
	Call, Return  seam.Mono
	Offset        int64
	HighWatermark int64 // as told with it, -1: not told
}

// Skip is a client machine that was handed records behind a gap: what it left out had been deleted.
type Skip struct {
	Partition Partition
	At        seam.Mono
	From, To  int64
}

// Deletion is a DeleteRecords of one partition that was sent.
type Deletion struct {
	Partition Partition
	Offset    int64 // -1: to the high watermark
	Call      seam.Mono
	Outcome   Outcome
}

// OutOfRange is a Fetch that was answered so.
type OutOfRange struct {
	Partition    Partition
	Call, Return seam.Mono
	From         int64
}

// Keep is the retention of a topic, below 0: without bound.
type Keep struct{ Bytes, Millis int64 }

// ReadBegins reads a log-start-offset-checkpoint, or another checkpoint of offsets.
func ReadBegins(text []byte) map[Partition]int64 {
	begins := map[Partition]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		number, _ := strconv.Atoi(fields[1])
		begins[Partition{fields[0], int32(number)}], _ = strconv.ParseInt(fields[2], 10, 64)
	}
	return begins
}

// begins holds what was said of a log's start, and what was done about it, against each other and the log.
func (j *judge) begins() {
	if j.deleted {
		return
	}
	said := j.said()
	for _, b := range said {
		shown := j.shownBefore(b.Call)
		if !j.require(b.Offset >= shown, StartNeverBack, "said to begin at %d to whoever asked at %v, and at %d before", b.Offset, b.Call, shown) ||
			!j.require(b.HighWatermark < 0 || b.Offset <= b.HighWatermark, StartBelowEnd, "said to begin at %d, and its high watermark to be %d", b.Offset, b.HighWatermark) {
			return
		}
	}
	if shown := j.shownBefore(Unfinished); !j.require(j.start >= shown, StartNeverBack, "it begins at %d, and was said to begin at %d", j.start, shown) ||
		!j.require(j.start <= j.log.End, StartBelowEnd, "it begins at %d and ends at %d", j.start, j.log.End) {
		return
	}
	for _, s := range j.h.Skips {
		if s.Partition == j.partition && !j.require(s.To <= j.start, ClientReadsOn, "handed %d at %v, and %d comes next; it begins at %d", s.To, s.At, s.From, j.start) {
			return
		}
	}
	j.ranges()
	j.reasons()
}

func (j *judge) said() (said []*Begin) {
	for _, b := range j.h.Begins {
		if b.Partition == j.partition {
			said = append(said, b)
		}
	}
	slices.SortStableFunc(said, func(a, b *Begin) int { return cmp.Compare(a.Return, b.Return) })
	j.floors = nil
	most := int64(0)
	for _, b := range said {
		most = max(most, b.Offset)
		j.floors = append(j.floors, floor{at: b.Return, hw: most})
	}
	return said
}

// shownBefore is the highest start that somebody had been told before that time.
func (j *judge) shownBefore(at seam.Mono) int64 {
	if i := first(j.floors, at); i > 0 {
		return j.floors[i-1].hw
	}
	return 0
}

// ranges: a read below the start is out of range, and of a durable topic no other is.
func (j *judge) ranges() {
	for _, r := range j.seen {
		if shown := j.shownBefore(r.Call); !r.Listed && !j.require(r.From >= shown, BelowStartIsOut, "a fetch from %d at %v was served; it was said to begin at %d", r.From, r.Call, shown) {
			return
		}
	}
	for _, r := range j.h.Outs {
		if r.Partition == j.partition && j.durable && !j.require(r.From < j.start, BelowStartIsOut, "a fetch from %d at %v was out of range; it begins at %d", r.From, r.Call, j.start) {
			return
		}
	}
}

// reasons: somebody asked for it, or there is enough left; or nothing was left before it, by a power cut, where an operator carried it.
func (j *judge) reasons() {
	keep, kept := j.f.Keeps[j.partition.Topic]
	if !kept {
		keep = Keep{-1, -1}
	}
	asked := max(j.f.Origins[j.partition], j.f.Heads[j.partition])
	for _, d := range j.h.Deletions {
		if d.Partition != j.partition || d.Outcome == Refused {
			continue
		}
		if asked = max(asked, d.Offset); d.Offset < 0 {
			asked = j.log.End
		}
	}
	switch {
	case keep.Millis >= 0:
		j.aged(keep, asked)
	case keep.Bytes < 0:
		j.require(j.start <= asked, StartHasReason, "it begins at %d, and nobody asked for more than %d", j.start, asked)
	case len(j.f.Losses) == 0:
		j.require(j.start <= asked || j.log.Bytes >= keep.Bytes, StartHasReason,
			"it begins at %d, nobody asked for more than %d, and %d bytes of %d are left", j.start, asked, j.log.Bytes, keep.Bytes)
	}
}

// aged: what nobody asked to have deleted was older than its topic's retention.ms when it was gone. A log that has a bound on its
// bytes too says nothing of why, and a clock that has jumped nothing of when.
func (j *judge) aged(keep Keep, asked int64) {
	j.laws[StartHasReason]++
	if keep.Bytes >= 0 || j.f.ClockOrigin == 0 {
		return
	}
	for _, a := range j.sent {
		if due, _ := j.promised(a); !due || a.Born == 0 || a.Base < asked || a.Base >= j.start {
			continue
		}
		for i := range min(int64(a.Count), j.start-a.Base) {
			gone := j.goneBy(a.Base + i)
			wall, born := j.f.ClockOrigin+int64(gone/seam.Millisecond), a.Born+i*a.Step
			if !j.require(born+keep.Millis < wall, StartHasReason, "%d was gone by %v, when it was %d ms old; it was to be kept for %d", a.Base+i, gone, wall-born, keep.Millis) {
				return
			}
		}
	}
}

// goneBy is when somebody was told first that the log begins behind an offset; or when it was read in the end.
func (j *judge) goneBy(offset int64) seam.Mono {
	i := slices.IndexFunc(j.floors, func(f floor) bool { return f.hw > offset })
	if i < 0 {
		return j.f.End
	}
	return j.floors[i].at
}

// Overdue says what the retention of a log should have taken of its files by now; empty: nothing. Segments go whole and from the
// head, and files below where the log begins go after them.
func Overdue(files []File, begins int64, keep Keep, wall int64) string {
	all := segments(files)
	total := int64(0)
	for i := range all {
		if i+1 < len(all) && all[i+1].base() <= begins {
			return fmt.Sprintf("%s lies below %d, where the log begins", all[i].Name, begins)
		}
		total += all[i].size()
	}
	if len(all) == 0 || len(all[0].Data) == 0 {
		return ""
	}
	first := all[0].size()
	if keep.Bytes >= 0 && total-first >= keep.Bytes {
		return fmt.Sprintf("%s has %d of %d bytes, and %d are to be kept", all[0].Name, first, total, keep.Bytes)
	}
	newest := newestOf(all[0].Data)
	if keep.Millis >= 0 && newest >= 0 && wall-newest > keep.Millis {
		return fmt.Sprintf("%s is %d ms old, and is to be kept for %d", all[0].Name, wall-newest, keep.Millis)
	}
	return ""
}

// base is the offset that a segment's name says.
func (f *File) base() (base int64) {
	_, _ = fmt.Sscanf(f.Name, "%d.log", &base)
	return base
}

// newestOf is the largest timestamp of a segment's batches, by their headers; -1: they bear none.
func newestOf(data []byte) int64 {
	newest := int64(-1)
	for len(data) >= 61 {
		newest = max(newest, int64(binary.BigEndian.Uint64(data[35:])))
		data = data[min(len(data), 12+max(49, int(int32(binary.BigEndian.Uint32(data[8:]))))):]
	}
	return newest
}
