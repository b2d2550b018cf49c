package check

import (
	"cmp"
	"maps"
	"slices"

	"rookery/core/seam"
)

// Judge is the end check: it holds the history against the logs that are there. Every pass is one sort and one walk.
func Judge(h *History, f *Facts, laws *Counts) error {
	j := judge{h: h, f: f, laws: laws}
	for _, p := range j.partitions() {
		if f.Rotted[p] {
			continue // a bit of it turned where nobody looks again: nothing is promised any more
		}
		j.begin(p)
		for _, pass := range []func(){j.logItself, j.stored, j.appends, j.order, j.reads, j.watermarks, j.begins, j.searches, j.epochEnds} {
			if pass(); j.failure != nil {
				return j.failure
			}
		}
	}
	return nil
}

// judge looks at one partition after the other.
type judge struct {
	h       *History
	f       *Facts
	laws    *Counts
	failure error

	partition Partition
	durable   bool // the topic's mode
	deleted   bool
	log       Log
	start     int64             // where the log begins
	floors    []floor           // of what was said about that
	marks     []floor           // of high watermarks, by the time at which they were known
	at        map[Value][]int64 // where each value is
	sent      []*Append
	seen      []*Read
}

func (j *judge) require(holds bool, law Law, format string, args ...any) bool {
	return j.holds(holds, law) || j.broken(law, format, args...)
}

// holds and broken are require in two: where a law is asked of each record, its words are put together only when it is
// broken.
func (j *judge) holds(holds bool, law Law) bool {
	j.laws[law]++
	return holds
}

func (j *judge) broken(law Law, format string, args ...any) bool {
	if j.failure == nil {
		args = append([]any{j.partition.Topic, j.partition.Number}, args...)
		j.failure = Fail(law, "%s-%d: "+format, args...)
	}
	return false
}

func (j *judge) partitions() []Partition {
	return slices.SortedFunc(maps.Keys(j.f.Logs), byName)
}

func (j *judge) begin(p Partition) {
	j.partition, j.durable, j.deleted, j.log = p, j.f.Durable[p.Topic], j.f.Deleted[p.Topic], j.f.Logs[p]
	j.start = j.f.Begins[p]
	j.at = map[Value][]int64{}
	for i := range j.log.Entries {
		e := &j.log.Entries[i]
		j.at[e.Value] = append(j.at[e.Value], e.Offset)
	}
	j.sent, j.seen = nil, nil
	for _, a := range j.h.Appends {
		if a.Partition == p {
			j.sent = append(j.sent, a)
		}
	}
	for _, r := range j.h.Reads {
		if r.Partition == p {
			j.seen = append(j.seen, r)
		}
	}
	j.mark()
}

// logItself checks what a log is by itself: dense (ReadLog has seen to the batches), and of clients' values only.
func (j *judge) logItself() {
	j.require(int64(len(j.log.Entries)) == j.log.End-j.log.Start, DenseOffsets, "%d records from %d to %d", len(j.log.Entries), j.log.Start, j.log.End)
	j.require(j.log.Start <= j.start, DenseOffsets, "its first segment begins at %d, and it at %d", j.log.Start, j.start)
	known := map[Value]*Append{}
	for _, a := range j.sent {
		for i := range a.Count {
			known[a.First+Value(i)] = a
		}
	}
	for i := range j.log.Entries {
		e := &j.log.Entries[i]
		a := known[e.Value]
		if !j.holds(a != nil, NothingForeign) && !j.broken(NothingForeign, "value %#x at %d", e.Value, e.Offset) {
			return
		}
		if !j.holds(a.has(e), RecordAsSent) && !j.broken(RecordAsSent, "%+v is of %+v", *e, *a) {
			return
		}
	}
}

// has says whether a record is as it was sent.
func (a *Append) has(e *Entry) bool {
	return !e.Altered && e.Keyed == a.Keyed && (a.Born == 0 || e.Born == a.Born+int64(e.Value-a.First)*a.Step)
}

// stored checks codecs and times: of each batch, in their order, and against what was answered.
func (j *judge) stored() {
	due, known := j.f.Stored[j.partition.Topic]
	times, lies, newest := map[int64]int64{}, map[int64]*Stamp{}, int64(0)
	for i := range j.log.Stamps {
		s := &j.log.Stamps[i]
		times[s.Base], lies[s.Base] = s.Time, s
		if known && !j.holds((due.Codec == AsSent || s.Stored.Codec == due.Codec) && s.Stored.Stamped == due.Stamped, StoredAsAsked) &&
			!j.broken(StoredAsAsked, "the batch at %d lies as %+v, and has to as %+v", s.Base, s.Stored, due) {
			return
		}
		if s.Stored.Stamped && !j.holds(s.Time >= newest-j.f.SetBack, TimesOfTheBroker) &&
			!j.broken(TimesOfTheBroker, "the batch at %d bears the time %d, one before it %d, and the clock was set back by %d", s.Base, s.Time, newest, j.f.SetBack) {
			return
		}
		if s.Stored.Stamped {
			newest = max(newest, s.Time)
		}
	}
	for _, a := range j.sent {
		if a.Outcome != Done || a.Base < j.start || !j.isThere(a) {
			continue
		}
		if !j.lies(a, lies[a.Base]) {
			return
		}
		if known && due.Stamped && !j.holds(a.Time != -1, TimesOfTheBroker) && !j.broken(TimesOfTheBroker, "value %#x at %d was answered without a time", a.First, a.Base) {
			return
		}
		if a.Time > 0 && !j.holds(times[a.Base] == a.Time, TimesOfTheBroker) &&
			!j.broken(TimesOfTheBroker, "value %#x at %d was answered with the time %d, and lies there with %d", a.First, a.Base, a.Time, times[a.Base]) {
			return
		}
	}
}

// lies checks a batch where it lies against what its topic asked for while it was on its way.
func (j *judge) lies(a *Append, s *Stamp) bool {
	if s == nil { // its answer did not say where
		return true
	}
	if codec := j.f.pressedBetween(j.partition.Topic, a.Call, a.Return); codec != AsSent && !j.holds(s.Stored.Codec == codec, StoredAsAsked) &&
		!j.broken(StoredAsAsked, "the batch at %d, sent at %v, lies by codec %d, and its topic asked for %d", a.Base, a.Call, s.Stored.Codec, codec) {
		return false
	}
	room := between(j.f.Segments[j.partition.Topic], a.Call, a.Return)
	if room >= 0 && !j.holds(s.First || s.End <= room, SegmentHasRoom) &&
		!j.broken(SegmentHasRoom, "the batch at %d, sent at %v, ends at byte %d of its segment, and its topic has segments of %d", a.Base, a.Call, s.End, room) {
		return false
	}
	age := between(j.f.Ages[j.partition.Topic], a.Call, a.Return)
	return age < 0 || s.Began < 0 || j.holds(s.First || s.Time-s.Began <= age, SegmentHasRoom) ||
		j.broken(SegmentHasRoom, "the batch at %d, sent at %v, is of %d, the first of its segment of %d, and its topic has segments of %d ms", a.Base, a.Call, s.Time, s.Began, age)
}

// promised says whether what was acknowledged must still be there, and by which law.
func (j *judge) promised(a *Append) (bool, Law) {
	if a.Outcome != Done || a.Acks == 0 || j.deleted {
		return false, AckedIsThere
	}
	if a.Acks == -1 && (j.durable || j.f.promisedBetween(a.Partition.Topic, min(a.LastCall, a.Return), a.Return)) {
		return true, DurableIsThere
	}
	// An answer that was lost counts from when it was given: the attempt behind it may still be under way.
	return !j.f.lossesBetween(min(a.LastCall, a.Return), Unfinished), AckedIsThere
}

// isThere says whether an append is in the log, whole, where its answer said.
func (j *judge) isThere(a *Append) bool {
	for i := range a.Count {
		found := j.at[a.First+Value(i)]
		if a.Base+int64(i) < j.start && (a.Base >= 0 || j.start > 0 && len(found) == 0) {
			continue // it was deleted, or may have been
		}
		if len(found) == 0 || a.Base >= 0 && !slices.Contains(found, a.Base+int64(i)) {
			return false
		}
	}
	return true
}

func (j *judge) appends() {
	for _, a := range j.sent {
		if due, law := j.promised(a); due && !j.holds(j.isThere(a), law) && !j.broken(law,
			"value %#x (%d records, acks %d, sent at %v, acknowledged at %v with offset %d) is at %v",
			a.First, a.Count, a.Acks, a.Call, a.Return, a.Base, j.at[a.First]) {
			return
		}
		for i := range a.Count {
			copies := len(j.at[a.First+Value(i)])
			if a.Producer >= 0 && !j.holds(copies <= 1, NoDuplicates) && !j.broken(NoDuplicates, "value %#x of producer %d is at %v", a.First+Value(i), a.Producer, j.at[a.First+Value(i)]) {
				return
			}
			if !j.holds(copies <= a.Attempts, NoDuplicates) && !j.broken(NoDuplicates, "value %#x, sent %d times, is at %v", a.First+Value(i), a.Attempts, j.at[a.First+Value(i)]) {
				return
			}
			if a.Outcome == Refused && !j.holds(copies == 0, RefusedIsAbsent) && !j.broken(RefusedIsAbsent, "value %#x was refused and is at %v", a.First+Value(i), j.at[a.First+Value(i)]) {
				return
			}
		}
		if j.deleted && !j.holds(!j.survivedDelete(a), RefusedIsAbsent) && !j.broken(RefusedIsAbsent, "value %#x came back after its topic was deleted", a.First) {
			return
		}
	}
}

// survivedDelete says whether something is there that was sent before a delete that was acknowledged. Of what was sent more than
// once, one may have waited on a connection that was not read until there was another topic of that name.
func (j *judge) survivedDelete(a *Append) bool {
	if len(j.at[a.First]) == 0 || a.Return == Unfinished || a.Attempts > 1 {
		return false
	}
	for _, d := range j.h.Admins {
		if d.Topic == j.partition.Topic && d.Deed == DeleteTopic && d.Outcome == Done && a.Return < d.Call {
			return true
		}
	}
	return false
}

// order checks each producer's own order and the order that time imposes.
func (j *judge) order() {
	type run struct {
		producer int64
		epoch    int16
	}
	last := map[run]int64{}
	byValue := slices.Clone(j.sent)
	slices.SortStableFunc(byValue, func(a, b *Append) int { return cmp.Compare(a.First, b.First) })
	for _, a := range byValue {
		if found := j.at[a.First]; a.Producer >= 0 && !a.Unordered && len(found) > 0 {
			key := run{a.Producer, a.Epoch}
			before, any := last[key]
			if !j.holds(!any || found[0] > before, ProducerOrder) && !j.broken(ProducerOrder, "value %#x of producer %d is at %d, after a later one at %d", a.First, a.Producer, found[0], before) {
				return
			}
			last[key] = found[0] + int64(a.Count) - 1
		}
	}
	j.realTime()
}

func (j *judge) realTime() {
	if j.deleted {
		return
	}
	var done []*Append
	for _, a := range j.sent {
		if a.Outcome == Done && a.Base >= 0 && j.isThere(a) && (j.durable && a.Acks == -1 || a.Base >= j.start) { // what was deleted may have been lost before
			done = append(done, a)
		}
	}
	returned := slices.SortedFunc(slices.Values(done), func(a, b *Append) int { return cmp.Compare(a.Return, b.Return) })
	called := slices.SortedFunc(slices.Values(done), func(a, b *Append) int { return cmp.Compare(a.Call, b.Call) })
	most, next := int64(-1), 0
	for _, b := range called {
		for next < len(returned) && returned[next].Return < b.Call {
			most = max(most, returned[next].Base)
			next++
		}
		if !j.holds(b.Base > most, RealTime) && !j.broken(RealTime, "value %#x at %d was sent after one at %d was acknowledged", b.First, b.Base, most) {
			return
		}
	}
}

// binding says whether what a reader saw who asked then binds for ever: in durable mode always, else if no page cache
// was lost since.
func (j *judge) binding(called seam.Mono) bool {
	return !j.deleted && (j.durable || called > j.f.lastLoss())
}

func (j *judge) reads() {
	if j.deleted {
		return
	}
	consumed, gone := map[int64]Value{}, j.numbered()
	for _, r := range j.seen {
		for i, e := range r.Entries {
			if i > 0 && !j.holds(e.Offset == r.Entries[i-1].Offset+1, ReadsAreSlices) && !j.broken(ReadsAreSlices, "a read from %d has %d after %d", r.From, e.Offset, r.Entries[i-1].Offset) {
				return
			}
			if !j.holds(e.Offset < r.HighWatermark, ReadsAreSlices) && !j.broken(ReadsAreSlices, "a read brought %d, the high watermark was %d", e.Offset, r.HighWatermark) {
				return
			}
			if !j.binding(r.Call) {
				continue
			}
			if e.Offset < j.start && !j.onlyThere(&e, gone) {
				return
			}
			if e.Offset < j.log.Start {
				continue
			}
			before, any := consumed[e.Offset]
			if !j.holds(!any || before == e.Value, ReadsAgree) && !j.broken(ReadsAgree, "offset %d was read as %#x and as %#x", e.Offset, before, e.Value) {
				return
			}
			consumed[e.Offset] = e.Value
			if !j.holds(e.Offset < j.log.End, NothingTakenBack) && !j.broken(NothingTakenBack, "offset %d (value %#x) was read at %v; the log ends at %d", e.Offset, e.Value, r.Return, j.log.End) {
				return
			}
			if !j.holds(j.log.Entries[e.Offset-j.log.Start].Value == e.Value, ReadsAreSlices) && !j.broken(ReadsAreSlices, "offset %d was read at %v as %#x, the log has %#x",
				e.Offset, r.Return, e.Value, j.log.Entries[e.Offset-j.log.Start].Value) {
				return
			}
			if there := &j.log.Entries[e.Offset-j.log.Start]; !j.holds(!e.Altered && e.Keyed == there.Keyed && (e.Time == 0 || e.Time == there.Time), RecordAsSent) &&
				!j.broken(RecordAsSent, "%+v was read at %v, and there is %+v", e, r.Return, *there) {
				return
			}
		}
		if j.binding(r.Call) && !j.holds(r.HighWatermark <= j.log.End, NothingTakenBack) && !j.broken(NothingTakenBack, "the high watermark was shown as %d at %v; the log ends at %d", r.HighWatermark, r.Return, j.log.End) {
			return
		}
	}
}

// onlyThere: what an idempotent producer sent and somebody read before it was deleted was nowhere else, and does not come
// again.
func (j *judge) onlyThere(e *Entry, gone map[Value]int64) bool {
	before, numbered := gone[e.Value]
	if !numbered {
		return true
	}
	if before < 0 {
		gone[e.Value], before = e.Offset, e.Offset
	}
	return j.holds(before == e.Offset, NoDuplicates) || j.broken(NoDuplicates, "value %#x of an idempotent producer was read at %d, and is or was at %d", e.Value, e.Offset, before)
}

// numbered is what idempotent producers sent, and where that is now; -1: nowhere. Nobody asks where nothing was deleted.
func (j *judge) numbered() map[Value]int64 {
	if j.start == 0 {
		return nil
	}
	all := map[Value]int64{}
	for _, a := range j.sent {
		for i := range a.Count {
			if value := a.First + Value(i); a.Producer >= 0 {
				all[value] = -1
				if found := j.at[value]; len(found) > 0 {
					all[value] = found[0]
				}
			}
		}
	}
	return all
}

// mark gathers what was known of the high watermark, and when.
func (j *judge) mark() {
	j.marks = nil
	for _, r := range j.seen {
		if j.binding(r.Call) {
			j.marks = append(j.marks, floor{r.Call, r.Return, r.HighWatermark, nil})
		}
	}
	for _, a := range j.sent {
		if due, _ := j.promised(a); due && a.Acks == -1 && a.Base >= 0 {
			j.marks = append(j.marks, floor{a.LastCall, a.Return, a.Base + int64(a.Count), a})
		}
	}
	slices.SortStableFunc(j.marks, func(a, b floor) int { return cmp.Compare(a.at, b.at) })
}

// watermarks checks what a later reader must be shown.
func (j *judge) watermarks() {
	if j.deleted {
		return
	}
	floors := j.marks
	listed := &showing{since: -1}
	for _, r := range slices.SortedStableFunc(slices.Values(j.seen), func(a, b *Read) int { return cmp.Compare(a.Call, b.Call) }) {
		listed.rise(floors, r.Call)
		acked, shown := listed.acked, listed.shown
		if began := j.f.lifeBegan(r.Return); !r.Listed && (acked.call < began || shown.call < began) {
			here := &showing{since: began, next: first(floors, began)}
			here.rise(floors, r.Call)
			acked, shown = here.acked, here.shown
		}
		back, late := WatermarkNeverBack, SeenAfterAck
		if r.Implied {
			back, late = LeftOutUnchanged, LeftOutUnchanged
		}
		if !j.holds(r.HighWatermark >= shown.hw, back) && !j.broken(back, "shown as %d to whoever asked at %v (listed %v), and as %d at %v", r.HighWatermark, r.Call, r.Listed, shown.hw, shown.at) ||
			!j.holds(r.HighWatermark >= acked.hw, late) && !j.broken(late, "shown as %d to whoever asked at %v (listed %v), but acknowledged up to %d at %v", r.HighWatermark, r.Call, r.Listed, acked.hw, acked.at) {
			return
		}
	}
}

// floor is a moment from which on a high watermark is known by somebody.
type floor struct {
	call seam.Mono // when it was asked for
	at   seam.Mono
	hw   int64
	from *Append // nil: it was shown to a reader
}

// showing is the highest of the floors up to some moment.
type showing struct {
	since        seam.Mono // only what was asked for since
	next         int
	shown, acked floor
}

func (s *showing) rise(floors []floor, until seam.Mono) {
	for ; s.next < len(floors) && floors[s.next].at < until; s.next++ {
		f := floors[s.next]
		if f.call < s.since {
			continue
		}
		if f.from == nil && f.hw > s.shown.hw {
			s.shown = f
		} else if f.from != nil && f.hw > s.acked.hw {
			s.acked = f
		}
	}
}

func first(floors []floor, at seam.Mono) int {
	i, _ := slices.BinarySearchFunc(floors, at, func(f floor, at seam.Mono) int { return cmp.Compare(f.at, at) })
	return i
}
