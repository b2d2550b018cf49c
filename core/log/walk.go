package log

import (
	"slices"
	"strconv"

	"rookery/core/batch"
	"rookery/core/producer"
	"rookery/core/seam"
)

const (
	headerSize  = batch.HeaderSize
	walkBytes   = 1 << 20
	positionMax = 1<<31 - 1 // of a batch in its segment, as Kafka's indexes have it
)

// walk is a Recovery's way over the batches.
type walk struct {
	current  int   // segment walked
	at       int64 // position in it
	expected int64 // base offset of the next batch, -1: whatever the index entry leads to
	replay   int64 // producers have seen everything below
	epoch    int32 // of the last batch accepted
	trusted  bool  // the walk begins at an index entry
	first    bool  // no batch was accepted yet
	promised int64 // last offset of the batch that the entry leads to
	asked    int64 // bytes of the piece under way
	again    int64 // bytes written again, under way
	headless bool  // the first segment is missing: its name was not durable yet, a later one's was
}

func firstTimeOf(header []byte) int64 {
	if len(header) < headerSize {
		return -1
	}
	return batch.View(header).MaxTimestamp()
}

// startWalk decides where the walk begins: what must be checked, and what the producers and epochs have not seen.
func (r *Recovery) startWalk() {
	n := len(r.out.segments)
	r.walk = walk{first: true, epoch: -1}
	r.out.recent, r.out.Epochs = recent{}, Epochs{}
	if n == 0 {
		r.replay = r.restoreProducers(0)
		return
	}
	first := r.out.segments[0].base
	switch known := max(r.request.LogStart, r.request.RecoveryPoint); {
	case first <= known:
	case r.request.Unmarked:
		r.request.LogStart = first
	default:
		r.out.Producers, r.headless, r.expected = producer.New(), true, r.request.LogStart
		return
	}
	check := r.floorBase(r.request.RecoveryPoint - 1) // one that ends there may have been closed, or cut, after the point was taken
	if r.request.Clean {
		check = r.out.segments[n-1].base
	}
	r.replay = r.restoreProducers(first)
	from := min(check, r.replay)
	if !r.loaded.epochsOK {
		from = first
	} else {
		r.out.Epochs.List = slices.Clone(r.loaded.epochs.List)
	}
	for i := range r.out.segments[:n-1] {
		if s := &r.out.segments[i]; s.indexFile == 0 || s.timeFile == 0 {
			from = min(from, s.base) // a lost index is made again
		}
	}
	r.current = r.indexBelow(from)
	s := &r.out.segments[r.current]
	if r.current == n-1 && r.request.Clean && r.loaded.epochsOK && r.trustIndex(s) {
		return
	}
	r.enterSegment(s)
	r.expected = s.base
	r.epoch = r.out.Epochs.At(r.expected)
	r.out.Epochs.TruncateFromEnd(r.expected)
}

func (r *Recovery) enterSegment(s *segment) {
	s.index, s.firstTime = Index{}, -1
	s.rebuilt, s.onDisk, s.timed, s.derived, s.ageless = true, false, false, 0, false
	r.at = 0
}

// trustIndex begins at the last entry of the active segment's index after a clean stop: what lies below was walked
// when it was written. Everything the producers need lies behind their snapshot.
func (r *Recovery) trustIndex(s *segment) bool {
	if !r.loaded.timesOK || r.replay <= s.base || !s.index.resume(s.base, r.replay) {
		return false
	}
	e := s.index.Offsets[len(s.index.Offsets)-1]
	r.at, r.expected, r.trusted, r.promised = int64(e.Position), -1, true, s.base+int64(e.Relative)
	s.firstTime, s.ageless = r.loaded.firstTime, false
	return true
}

// restoreProducers loads the snapshot and says from which offset on batches must be replayed.
func (r *Recovery) restoreProducers(first int64) int64 {
	r.out.Producers = producer.New()
	for _, t := range [...]*taken{&r.loaded.newest, &r.loaded.least} {
		if t.snapshot == nil || t.offset < first { // between an older one and the first segment there are batches missing
			continue
		}
		if r.out.Producers.Load(r.now, t.offset, t.snapshot) != nil {
			r.noteSnapshot(t.offset, snapshotSuffix, 0)
			continue
		}
		if t.window != nil && r.out.Producers.LoadWindows(t.offset, t.window) != nil {
			t.window = nil // advisory: without it one batch a producer is remembered
		}
		return t.offset
	}
	if r.loaded.unread != seam.OK && first > 0 { // the batches that tell the same are deleted
		r.fail(r.loaded.unread, "the snapshot of the producers cannot be read")
	}
	return first
}

func (r *Recovery) indexBelow(offset int64) int {
	i := 0
	for i+1 < len(r.out.segments) && r.out.segments[i+1].base <= offset {
		i++
	}
	return i
}

// goOn reads the next piece of the walk, or ends it.
func (r *Recovery) goOn(fx *seam.Effects) {
	if r.out.Fault != seam.OK {
		r.close(fx)
		return
	}
	if r.headless {
		r.tornAt("the first segment is missing", fx)
		return
	}
	for r.current < len(r.out.segments) {
		s := &r.out.segments[r.current]
		if s.file == 0 {
			r.open(s, fx)
			return
		}
		if r.at < s.size {
			r.read(walkBytes, fx)
			return
		}
		if !r.nextSegment(fx) {
			return
		}
	}
	r.finish(fx)
}

func (r *Recovery) read(length int64, fx *seam.Effects) {
	s := &r.out.segments[r.current]
	r.asked = min(length, s.size-r.at)
	fx.Reads = append(fx.Reads, seam.Read{Op: r.await(forWalk, 0), File: s.file, At: r.at, Len: int32(r.asked)})
}

// nextSegment moves the walk on; a segment that does not begin where the last one ended is not the log's.
func (r *Recovery) nextSegment(fx *seam.Effects) bool {
	if r.expected < 0 { // trusted, and nothing at the entry's place
		r.tornAt("the index points behind the segment", fx)
		return false
	}
	if n := r.current + 1; n < len(r.out.segments) && r.continues(r.out.segments[n].base) {
		r.expected = r.out.segments[n].base
	}
	r.out.segments[r.current].next = r.expected
	r.maybeKeepIndexes(&r.out.segments[r.current])
	r.current++
	if r.current == len(r.out.segments) {
		return true
	}
	next := &r.out.segments[r.current]
	r.enterSegment(next)
	if next.base != r.expected {
		r.tornAt("the segment does not continue the one before it", fx)
		return false
	}
	return true
}

// maybeKeepIndexes: a segment that was walked only for what the producers or the epochs lack has its indexes on the disk,
// durable (Point). To write them anew would put them in doubt until they are synced, and the recovery point would have to
// go back: what was durable above it would no longer be owed, and a bit that turned there would end the log.
func (r *Recovery) maybeKeepIndexes(s *segment) {
	if s.base < r.floorBase(r.request.RecoveryPoint-1) && s.indexFile != 0 && s.timeFile != 0 {
		s.index, s.ageless = Index{}, true
		s.rebuilt, s.onDisk, s.timed, s.derived = false, true, true, indexFiles
	}
}

// onPiece takes a piece of the log: what can be accepted of it is, and is written again where it may not be durable.
func (r *Recovery) onPiece(in *seam.Loaded, fx *seam.Effects) {
	s := &r.out.segments[r.current]
	if in.Fault != seam.OK {
		r.fail(in.Fault, "the segment cannot be read")
		r.proceed(fx)
		return
	}
	start, unsafe, torn := r.at, int64(-1), ""
	for data := in.Data; len(data) >= headerSize; {
		view := batch.View(data)
		if torn = r.judge(s, view); torn != "" || view.Size() > int64(len(data)) {
			break
		}
		if view = view[:view.Size()]; !view.Sound() {
			torn = "the checksum is wrong"
			break
		}
		if r.lacksEpoch(view) {
			r.loaded.epochsOK = false
			r.startWalk()
			r.proceed(fx)
			return
		}
		if unsafe < 0 && !r.durable(view) {
			unsafe = r.at
		}
		r.accept(s, view)
		data = data[view.Size():]
	}
	switch {
	case r.at > start && unsafe >= 0:
		r.writeAgain(s, unsafe, in.Data[unsafe-start:r.at-start], fx)
	case r.at > start:
		r.proceed(fx)
	case torn != "":
		r.tornAt(torn, fx)
	default:
		r.readMore(in, s, fx)
	}
}

// durable says whether a batch is for certain. A recovery point that is not above the log's start says nothing of what was deleted:
// nobody had to sync that, and it lies before what is still there.
func (r *Recovery) durable(view batch.View) bool {
	return r.request.RecoveryPoint > r.request.LogStart && view.LastOffset() < r.request.RecoveryPoint
}

func (r *Recovery) writeAgain(s *segment, at int64, data []byte, fx *seam.Effects) {
	r.again = int64(len(data))
	fx.Writes = append(fx.Writes, seam.Write{Op: r.await(forAgain, 0), File: s.file, At: at, Data: slices.Clone(data)})
}

// readMore: the batch at hand is longer than the piece that was read.
func (r *Recovery) readMore(in *seam.Loaded, s *segment, fx *seam.Effects) {
	if len(in.Data) < headerSize || int64(len(in.Data)) < r.asked {
		r.tornAt("the batch is cut off", fx)
		return
	}
	r.read(batch.View(in.Data).Size(), fx)
}

// judge says why a batch, of which the header at least is there, cannot be the next one, or nothing.
func (r *Recovery) judge(s *segment, view batch.View) string {
	size := view.Size()
	switch {
	case size < headerSize || r.at+size > s.size:
		return "the batch is cut off"
	case view.Magic() != batch.Magic:
		return "the batch is not of format 2"
	case r.expected >= 0 && !r.continues(view.BaseOffset()):
		return "the batch does not continue the log"
	case r.trusted && r.first && (view.LastOffset() != r.promised || view.MaxTimestamp() > s.index.largest()):
		return "the index points elsewhere"
	case view.BaseOffset() < s.base:
		return "the batch lies before its segment"
	case view.LastOffsetDelta() < 0 || view.LastOffset() < view.BaseOffset():
		return "the batch has no offsets"
	case view.LastOffset()-s.base > positionMax || r.at > positionMax:
		return "the batch lies too far behind its segment's start"
	case !r.lacksEpoch(view) && view.LeaderEpoch() < r.epoch:
		return "the leader epoch falls"
	}
	return ""
}

// continues says whether a batch or a segment that begins at base may be the next one.
func (r *Recovery) continues(base int64) bool {
	return base == r.expected || base > r.expected && base <= r.request.Compacted
}

// lacksEpoch: the checkpoint of epochs does not know the epoch in which the walk's first batch was written. It is
// derived and may be old; then the epochs are read from the batches, all of them.
func (r *Recovery) lacksEpoch(view batch.View) bool {
	return r.first && r.loaded.epochsOK && view.BaseOffset() >= r.request.LogStart && r.loaded.epochs.At(view.BaseOffset()) != view.LeaderEpoch()
}

func (r *Recovery) accept(s *segment, view batch.View) {
	last := view.LastOffset()
	s.index.Add(s.base, last, r.at, view.Size(), LargestOf(view), r.request.Config.IndexIntervalBytes)
	if r.at == 0 {
		s.firstTime = view.MaxTimestamp()
	}
	r.first, r.epoch = false, view.LeaderEpoch()
	r.assignMissing(view.BaseOffset())
	r.out.Epochs.Assign(r.epoch, view.BaseOffset())
	if view.BaseOffset() >= r.replay {
		r.out.Producers.Replay(r.now, view)
	}
	r.out.recent.add(place{base: view.BaseOffset(), last: last, segment: s.base, at: r.at, size: int32(view.Size())})
	r.at += view.Size()
	r.expected = last + 1
}

// assignMissing takes from the checkpoint the epochs that begin between the last batch and the one at base: theirs were
// compacted away.
func (r *Recovery) assignMissing(base int64) {
	if r.expected < 0 || r.expected == base || !r.loaded.epochsOK {
		return
	}
	for _, x := range r.loaded.epochs.List {
		if r.expected <= x.Start && x.Start <= base && x.Epoch <= r.epoch {
			r.out.Epochs.Assign(x.Epoch, x.Start)
		}
	}
}

// LargestOf is a batch's largest timestamp as an index has it: none, where no record is left.
func LargestOf(view batch.View) int64 {
	if view.Count() == 0 {
		return batch.NoTimestamp
	}
	return view.MaxTimestamp()
}

// tornAt: what is at hand is not the log's next batch or segment. Below the recovery point that is a fault of the disk;
// behind it, also after a clean stop, a failed write's bytes may have come back: their truncation was never synced.
func (r *Recovery) tornAt(why string, fx *seam.Effects) {
	if r.trusted {
		r.request.Clean = false
		r.startWalk()
		r.proceed(fx)
		return
	}
	if r.maybeSkip(fx) {
		return
	}
	if r.expected < r.owed() {
		name := r.path(r.out.segments[r.current].base, ".log").Name
		r.fail(seam.IOError, why+" at offset "+strconv.FormatInt(r.expected, 10)+" of "+name)
		r.proceed(fx)
		return
	}
	r.cut(why, fx)
}

// maybeSkip gives up segments that were deleted, the one at hand or the one before it: the log begins behind them.
func (r *Recovery) maybeSkip(fx *seam.Effects) bool {
	n := r.current
	if r.at > 0 || n == 0 || r.out.segments[n].base == r.expected {
		n++
	}
	if n >= len(r.out.segments) || r.out.segments[n].base > r.request.LogStart {
		return false
	}
	for i := range n {
		r.discard(&r.out.segments[i], fx)
	}
	r.out.segments = slices.Delete(r.out.segments, 0, n)
	r.startWalk()
	r.proceed(fx)
	return true
}

// cut ends the log at the walk's place: later segments go, and the one at hand too if it does not continue the log.
func (r *Recovery) cut(why string, fx *seam.Effects) {
	r.phase, r.mustSync, r.out.Reason = cutting, true, why
	if r.expected < r.request.LogStart { // all that is left was deleted
		r.finish(fx)
		return
	}
	s := &r.out.segments[r.current]
	keep := r.current
	if r.at > 0 || s.base == r.expected {
		keep++
	}
	for i := keep; i < len(r.out.segments); i++ {
		r.discard(&r.out.segments[i], fx)
	}
	r.out.segments = r.out.segments[:keep]
	if keep > r.current {
		r.out.Cut += s.size - r.at
		s.size, s.done = r.at, r.at
		r.fileOp(forCut, 0, seam.FileOp{Deed: seam.Truncate, File: s.file, Size: r.at}, fx)
	}
	r.finish(fx)
}

func (r *Recovery) discard(s *segment, fx *seam.Effects) {
	r.out.Cut += s.size
	if s.file != 0 {
		r.removed = append(r.removed, s.file)
	}
	r.remove(r.path(s.base, ".log"), fx)
	if s.indexFile != 0 {
		r.remove(r.path(s.base, ".index"), fx)
	}
	if s.timeFile != 0 {
		r.remove(r.path(s.base, ".timeindex"), fx)
	}
}
