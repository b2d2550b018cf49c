package log

import (
	"slices"
	"strconv"
	"strings"

	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/producer"
	"rookery/core/seam"
)

// RecoveryRequest is the letter that starts a Recovery: everything it may know. The Recovery alone owns the folder's
// files until its answer was taken.
type RecoveryRequest struct {
	Topic         string
	Partition     int32
	Folder        seam.Path
	TopicID       string       // what partition.metadata should say; empty: not looked at
	Files         []seam.Entry // what the folder holds
	First         seam.File    // ids from here on are the Recovery's: two a file and two more
	Clean         bool         // the directory was marked clean
	RecoveryPoint int64        // everything below was durable once
	LogStart      int64
	Config        Config
}

// Recovered is the answer: the state of a partition's files as a value.
type Recovered struct {
	Topic     string
	Partition int32
	Fault     seam.Fault // not OK: the folder cannot be used
	Reason    string
	Foreign   bool // partition.metadata names another topic: nothing was touched
	Producers *producer.State
	Epochs    Epochs
	Start     int64
	End       Mark
	Safe      int64 // everything below is durable
	Cut       int64 // bytes that were truncated
	segments  []segment
	recent    recent
	named     bool // every name that leads to the segments is durable
}

// Recovery brings one partition's folder back after a start: a machine of its own, one folder long.
//
//	request ─▶ open all files ─▶ load the small ones ─▶ walk batches ─▶ cut the tail ─▶ sync what was cut ─▶ answer
//
// Rules:
//   - the walk starts where the newest producer snapshot at or below the recovery point's segment was taken, and at the
//     last index entry after a clean stop.
//   - a batch is accepted if it is whole, its CRC is right, its base offset continues the log and its epoch does not
//     fall. The first one that is not ends the log: the file is cut there and later segments go.
//   - below the recovery point nothing is ever cut: a batch that was durable and is unreadable now is a fault of the
//     disk, the folder is left as it is and not used.
//   - what was cut or removed is durable before the answer leaves, so that it cannot come back behind newer batches.
type Recovery struct {
	request  RecoveryRequest
	numbers  Numbers
	files    seam.File
	phase    recoveryPhase
	pending  []pendingOp
	out      *Recovered
	current  int   // segment walked
	at       int64 // position in it
	expected int64 // base offset of the next batch
	mustSync bool
	small    []smallFile
	loaded   smallFiles
	replay   int64 // producers have seen everything below
	epoch    int32 // of the last batch accepted
	now      seam.Mono
	trusted  bool // the walk began at an index entry
}

type recoveryPhase uint8

const (
	opening recoveryPhase = iota
	loading
	walking
	cutting
	syncing
	answered
)

type pendingOp struct {
	op   seam.Op
	what string // kind of small file, or empty
	i    int
}

// smallFile is a file to be read whole before the walk.
type smallFile struct {
	kind   string // its suffix
	offset int64
	path   seam.Path
	size   int64
	file   seam.File
}

type smallFiles struct {
	epochs    Epochs
	epochsOK  bool
	snapshot  []byte
	snapshot0 int64 // offset it was taken at
	window    []byte
}

// NewRecovery makes a Recovery that waits for its RecoveryRequest.
func NewRecovery() *Recovery { return &Recovery{} }

// Step takes a letter or a completion.
func (r *Recovery) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	r.now = now.Mono
	switch in := in.(type) {
	case *seam.Mail:
		if request, ok := in.Body.(*RecoveryRequest); ok {
			r.begin(now, request, fx)
		}
	case *seam.Wrote:
		r.onWrote(in, fx)
	case *seam.Loaded:
		r.onLoaded(in, fx)
	case *seam.Synced:
		r.onSynced(in, fx)
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Sent, *seam.Alarm, *seam.Stop:
	}
}

func (r *Recovery) begin(now seam.Now, request *RecoveryRequest, fx *seam.Effects) {
	r.request = *request
	r.files = request.First
	r.numbers = Numbers{Owner: 1, Files: &r.files}
	r.out = &Recovered{Topic: request.Topic, Partition: request.Partition}
	r.sortFiles(now, fx)
	for i := range r.out.segments {
		s := &r.out.segments[i]
		r.open(s.file, r.path(s.base, ".log"), fx)
	}
	for i := range r.small {
		r.open(r.small[i].file, r.small[i].path, fx)
	}
	r.maybeOpened(fx)
}

func (r *Recovery) path(base int64, suffix string) seam.Path {
	return SegmentPath(r.request.Folder, base, suffix)
}

func (r *Recovery) open(file seam.File, path seam.Path, fx *seam.Effects) {
	op := r.await("", 0)
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Open, File: file, Path: path})
}

func (r *Recovery) await(what string, i int) seam.Op {
	op := r.numbers.Op()
	r.pending = append(r.pending, pendingOp{op, what, i})
	return op
}

func (r *Recovery) arrived(op seam.Op) pendingOp {
	for i, p := range r.pending {
		if p.op == op {
			r.pending = slices.Delete(r.pending, i, i+1)
			return p
		}
	}
	must.Be(false, "L10: every completion names an operation of this recovery")
	return pendingOp{}
}

// sortFiles makes segments of the .log files and notes the small files; what an interrupted deletion or cleaning left
// is removed.
func (r *Recovery) sortFiles(now seam.Now, fx *seam.Effects) {
	for _, e := range r.request.Files {
		name := e.Path.Name[strings.LastIndexByte(e.Path.Name, '/')+1:]
		base, suffix, numbered := segmentName(name)
		switch {
		case e.Folder:
		case numbered && suffix == ".log":
			r.out.segments = append(r.out.segments, segment{base: base, next: base, file: r.numbers.File(), size: e.Size, done: e.Size, birth: 1, closed: true, indexed: true, created: now.Wall, firstTime: -1})
		case numbered && (suffix == ".snapshot" || suffix == ".window" || suffix == ".index" || suffix == ".timeindex"):
			r.small = append(r.small, smallFile{kind: suffix, offset: base, path: e.Path, size: e.Size, file: r.numbers.File()})
		case name == "leader-epoch-checkpoint":
			r.small = append(r.small, smallFile{kind: name, path: e.Path, size: e.Size, file: r.numbers.File()})
		case strings.HasSuffix(name, ".deleted") || strings.HasSuffix(name, ".cleaned") || strings.HasSuffix(name, ".tmp"):
			r.remove(e.Path, fx)
		}
	}
	slices.SortStableFunc(r.out.segments, func(a, b segment) int { return compareInt64(a.base, b.base) })
	for i := range r.out.segments[:max(0, len(r.out.segments)-1)] {
		r.out.segments[i].next = r.out.segments[i+1].base
		r.out.segments[i].synced = syncPoint{}
	}
	r.small = slices.DeleteFunc(r.small, func(f smallFile) bool { return !r.wanted(f, fx) })
	r.giveIndexes()
}

// wanted: an index without its log is removed.
func (r *Recovery) wanted(f smallFile, fx *seam.Effects) bool {
	if f.kind != ".index" && f.kind != ".timeindex" {
		return true
	}
	if r.segmentBased(f.offset) == nil {
		r.remove(f.path, fx)
		return false
	}
	return true
}

func (r *Recovery) giveIndexes() {
	for _, f := range r.small {
		if s := r.segmentBased(f.offset); s != nil && f.kind == ".index" {
			s.indexFile = f.file
		} else if s != nil && f.kind == ".timeindex" {
			s.timeFile = f.file
		}
	}
}

func (r *Recovery) segmentBased(base int64) *segment {
	for i := range r.out.segments {
		if r.out.segments[i].base == base {
			return &r.out.segments[i]
		}
	}
	return nil
}

func (r *Recovery) remove(path seam.Path, fx *seam.Effects) {
	r.mustSync = true
	fx.Files = append(fx.Files, seam.FileOp{Op: r.await("", 0), Deed: seam.Remove, Path: path})
}

// segmentName splits "00000000000000000042.log".
func segmentName(name string) (base int64, suffix string, ok bool) {
	const digits = 20
	if len(name) <= digits || name[digits] != '.' {
		return 0, "", false
	}
	base, err := strconv.ParseInt(name[:digits], 10, 64)
	return base, name[digits:], err == nil && base >= 0
}

func compareInt64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (r *Recovery) onWrote(in *seam.Wrote, fx *seam.Effects) {
	r.arrived(in.Op)
	if in.Fault != seam.OK && in.Fault != seam.NotFound && r.out.Fault == seam.OK {
		r.fail(in.Fault, "a file of the folder cannot be opened or changed")
	}
	switch r.phase {
	case opening:
		r.maybeOpened(fx)
	case cutting:
		r.maybeCut(fx)
	case loading, walking, syncing, answered:
	}
}

func (r *Recovery) maybeOpened(fx *seam.Effects) {
	if len(r.pending) > 0 {
		return
	}
	if r.out.Fault != seam.OK {
		r.answer(fx)
		return
	}
	r.phase = loading
	for i, f := range r.small {
		if r.worthLoading(f) {
			fx.Reads = append(fx.Reads, seam.Read{Op: r.await(f.kind, i), File: f.file, Len: int32(min(f.size, 1<<30))})
		}
	}
	r.maybeLoaded(fx)
}

// worthLoading: the checkpoint of epochs, the last segment's indexes, and the newest snapshot that can be used.
func (r *Recovery) worthLoading(f smallFile) bool {
	switch f.kind {
	case ".index", ".timeindex":
		n := len(r.out.segments)
		return r.request.Clean && n > 0 && r.out.segments[n-1].base == f.offset
	case ".snapshot":
		return f.offset == r.snapshotOffset()
	case ".window":
		return f.offset == r.snapshotOffset()
	}
	return true
}

// snapshotOffset is where the walk's producer state may start from: the newest snapshot not behind the segment that
// holds the recovery point, and the newest of all after a clean stop.
func (r *Recovery) snapshotOffset() int64 {
	limit := r.floorBase(r.request.RecoveryPoint)
	if r.request.Clean {
		limit = 1<<63 - 1
	}
	best := int64(-1)
	for _, f := range r.small {
		if f.kind == ".snapshot" && f.offset <= limit {
			best = max(best, f.offset)
		}
	}
	return best
}

func (r *Recovery) floorBase(offset int64) int64 {
	base := int64(0)
	for i := range r.out.segments {
		if b := r.out.segments[i].base; i == 0 || b <= offset {
			base = b
		}
	}
	return base
}

func (r *Recovery) onLoaded(in *seam.Loaded, fx *seam.Effects) {
	p := r.arrived(in.Op)
	if p.what == "walk" {
		r.walk(in, fx)
		return
	}
	if in.Fault == seam.OK {
		r.keep(p, in.Data)
	}
	r.maybeLoaded(fx)
}

func (r *Recovery) keep(p pendingOp, data []byte) {
	f := r.small[p.i]
	switch p.what {
	case "leader-epoch-checkpoint":
		r.loaded.epochs, r.loaded.epochsOK = ParseEpochs(data)
	case ".snapshot":
		r.loaded.snapshot, r.loaded.snapshot0 = slices.Clone(data), f.offset
	case ".window":
		r.loaded.window = slices.Clone(data)
	case ".index":
		if s := r.segmentBased(f.offset); s != nil {
			s.index.Offsets, _ = ParseOffsets(data, s.size)
		}
	case ".timeindex":
		if s := r.segmentBased(f.offset); s != nil {
			s.index.Times, _ = ParseTimes(data)
		}
	}
}

func (r *Recovery) maybeLoaded(fx *seam.Effects) {
	if len(r.pending) > 0 {
		return
	}
	r.phase = walking
	r.startWalk()
	r.goOn(fx)
}

// startWalk decides where the walk begins: what must be checked, and what the producers and epochs have not seen.
func (r *Recovery) startWalk() {
	n := len(r.out.segments)
	if n == 0 {
		r.out.Producers = producer.New()
		return
	}
	first := r.out.segments[0].base
	check := r.floorBase(r.request.RecoveryPoint)
	if r.request.Clean {
		check = r.out.segments[n-1].base
	}
	r.replay = r.restoreProducers(first)
	from := min(check, r.replay)
	if !r.loaded.epochsOK && check > first {
		from = first
	}
	for i := range r.out.segments[:n-1] {
		if s := &r.out.segments[i]; s.indexFile == 0 || s.timeFile == 0 {
			from = min(from, s.base) // a lost index is rebuilt
		}
	}
	r.current = r.indexBelow(from)
	s := &r.out.segments[r.current]
	r.expected = s.base
	r.at = 0
	r.out.Epochs = r.loaded.epochs
	if r.current == n-1 && r.request.Clean && r.replay > s.base && r.trustIndex(s) {
		return
	}
	s.index = Index{}
	r.out.Epochs.TruncateFromEnd(r.expected)
	r.epoch = r.out.Epochs.Latest()
}

// trustIndex begins at the last entry of the active segment's index after a clean stop: what lies below was walked
// when it was written. Everything the producers need lies behind their snapshot.
func (r *Recovery) trustIndex(s *segment) bool {
	for n := len(s.index.Offsets); n > 0 && s.base+int64(s.index.Offsets[n-1].Relative) >= r.replay; n-- {
		s.index.Offsets = s.index.Offsets[:n-1]
	}
	n := len(s.index.Offsets)
	if n == 0 || len(s.index.Times) == 0 {
		return false
	}
	e := s.index.Offsets[n-1]
	r.at, r.expected = int64(e.Position), -1
	last := s.index.Times[len(s.index.Times)-1]
	s.index.MaxTimestamp, s.index.MaxLast, s.index.began = last.Timestamp, s.base+int64(last.Relative), true
	s.index.Offsets = s.index.Offsets[:n-1]
	s.index.since = r.request.Config.IndexIntervalBytes + 1 // the walk adds the entry again
	s.firstTime = last.Timestamp
	r.trusted, r.epoch = true, -1
	return true
}

// restoreProducers loads the snapshot and says from which offset on batches must be replayed.
func (r *Recovery) restoreProducers(first int64) int64 {
	if r.loaded.snapshot != nil {
		state := producer.New()
		if state.Load(r.now, r.loaded.snapshot0, r.loaded.snapshot) == nil {
			r.out.Producers = state
			if state.LoadWindows(r.loaded.snapshot0, r.loaded.window) != nil {
				r.loaded.window = nil // advisory: without it one batch a producer is remembered
			}
			return r.loaded.snapshot0
		}
	}
	r.out.Producers = producer.New()
	return first
}

func (r *Recovery) indexBelow(offset int64) int {
	i := 0
	for i+1 < len(r.out.segments) && r.out.segments[i+1].base <= offset {
		i++
	}
	return i
}

const walkBytes = 1 << 20

// goOn reads the next piece of the walk, or ends it.
func (r *Recovery) goOn(fx *seam.Effects) {
	for r.current < len(r.out.segments) {
		s := &r.out.segments[r.current]
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
	fx.Reads = append(fx.Reads, seam.Read{Op: r.await("walk", 0), File: s.file, At: r.at, Len: int32(min(length, s.size-r.at))})
}

// nextSegment moves the walk on; a segment that does not begin where the last one ended is the end of the log.
func (r *Recovery) nextSegment(fx *seam.Effects) bool {
	s := &r.out.segments[r.current]
	s.next = r.expected
	r.current++
	r.at = 0
	if r.current == len(r.out.segments) {
		return true
	}
	next := &r.out.segments[r.current]
	s.index.Close(s.base)
	s.indexed = s.indexFile != 0 && s.timeFile != 0 && r.request.Clean
	next.index = Index{}
	if next.base != r.expected {
		r.cutFrom(r.current, "the segment does not continue the one before it", fx)
		return false
	}
	return true
}

// walk takes a piece of the log.
func (r *Recovery) walk(in *seam.Loaded, fx *seam.Effects) {
	s := &r.out.segments[r.current]
	if in.Fault != seam.OK {
		r.fail(in.Fault, "the segment cannot be read")
		r.answer(fx)
		return
	}
	data, took := in.Data, 0
	for len(data) >= batch.HeaderSize {
		view := batch.View(data)
		size := view.Size()
		if size < batch.HeaderSize || r.at+size > s.size {
			r.tornAt("the batch is cut off", fx)
			return
		}
		if size > int64(len(data)) {
			break
		}
		if why := r.judge(s, view); why != "" {
			r.tornAt(why, fx)
			return
		}
		r.accept(s, view)
		data = data[size:]
		took++
	}
	if took > 0 || r.at == s.size {
		r.goOn(fx)
		return
	}
	r.readMore(in, s, fx)
}

// readMore: the batch at hand is longer than the piece that was read.
func (r *Recovery) readMore(in *seam.Loaded, s *segment, fx *seam.Effects) {
	if len(in.Data) < batch.HeaderSize || int64(len(in.Data)) >= s.size-r.at {
		r.tornAt("the batch is cut off", fx)
		return
	}
	r.read(batch.View(in.Data).Size(), fx)
}

// judge says why a batch cannot be the next one, or nothing.
func (r *Recovery) judge(s *segment, view batch.View) string {
	view = view[:view.Size()]
	switch {
	case view.Magic() != 2:
		return "the batch is not of format 2"
	case r.expected >= 0 && view.BaseOffset() != r.expected:
		return "the batch does not continue the log"
	case view.BaseOffset() < s.base:
		return "the batch lies before its segment"
	case view.LastOffsetDelta() < 0:
		return "the batch has no offsets"
	case view.LeaderEpoch() < r.epoch:
		return "the leader epoch falls"
	case !view.Intact():
		return "the checksum is wrong"
	}
	return ""
}

func (r *Recovery) accept(s *segment, view batch.View) {
	view = view[:view.Size()]
	last := view.LastOffset()
	s.index.Add(s.base, last, r.at, int32(view.Size()), view.MaxTimestamp(), r.request.Config.IndexIntervalBytes)
	if s.firstTime < 0 {
		s.firstTime = view.MaxTimestamp()
	}
	r.epoch = view.LeaderEpoch()
	r.out.Epochs.Assign(r.epoch, view.BaseOffset())
	if view.BaseOffset() >= r.replay {
		r.out.Producers.Replay(r.now, view)
	}
	r.out.recent.add(place{base: view.BaseOffset(), segment: s.base, at: r.at, size: int32(view.Size())})
	r.at += view.Size()
	r.expected = last + 1
}

// tornAt: the batch at hand is not the log's next. Below the recovery point that is a fault of the disk.
func (r *Recovery) tornAt(why string, fx *seam.Effects) {
	if r.trusted {
		r.trusted, r.request.Clean = false, false
		r.startWalk()
		r.goOn(fx)
		return
	}
	s := &r.out.segments[r.current]
	if r.expected < r.request.RecoveryPoint || r.request.Clean {
		r.fail(seam.IOError, why+" at offset "+strconv.FormatInt(r.expected, 10)+" of "+r.path(s.base, ".log").Name)
		r.answer(fx)
		return
	}
	r.cutFrom(r.current, why, fx)
}

// cutFrom ends the log in segment i at the walk's position: later segments go, and i too if nothing of it is left and
// it is not the only one.
func (r *Recovery) cutFrom(i int, why string, fx *seam.Effects) {
	r.phase, r.mustSync = cutting, true
	keep := i + 1
	if r.at == 0 && i > 0 {
		keep = i
	}
	for j := keep; j < len(r.out.segments); j++ {
		r.discard(&r.out.segments[j], fx)
	}
	r.out.segments = r.out.segments[:keep]
	if keep == i+1 {
		s := &r.out.segments[i]
		r.out.Cut += s.size - r.at
		s.size, s.done, s.next = r.at, r.at, r.expected
		fx.Files = append(fx.Files, seam.FileOp{Op: r.await("", 0), Deed: seam.Truncate, File: s.file, Size: r.at})
	}
	r.out.Reason = why
	r.removeBehind(fx)
	r.maybeCut(fx)
}

func (r *Recovery) discard(s *segment, fx *seam.Effects) {
	r.out.Cut += s.size
	for _, file := range []seam.File{s.file, s.indexFile, s.timeFile} {
		if file != 0 {
			fx.Files = append(fx.Files, seam.FileOp{Op: r.await("", 0), Deed: seam.Unlink, File: file})
		}
	}
}

// removeBehind removes snapshots that speak of offsets the log no longer has.
func (r *Recovery) removeBehind(fx *seam.Effects) {
	for _, f := range r.small {
		if (f.kind == ".snapshot" || f.kind == ".window") && f.offset > r.expected {
			r.remove(f.path, fx)
		}
	}
}

func (r *Recovery) maybeCut(fx *seam.Effects) {
	if len(r.pending) > 0 {
		return
	}
	if r.out.Fault != seam.OK {
		r.answer(fx)
		return
	}
	r.finish(fx)
}

// finish settles the marks and makes durable what was changed.
func (r *Recovery) finish(fx *seam.Effects) {
	if n := len(r.out.segments); n > 0 {
		s := &r.out.segments[n-1]
		s.next, s.closed, s.indexed = r.expected, false, false
		r.out.End = Mark{Offset: r.expected, Segment: s.base, Position: s.size}
		r.out.Start = max(r.request.LogStart, r.out.segments[0].base)
		r.out.Epochs.TruncateFromEnd(r.expected)
	}
	r.out.named = r.request.Clean && !r.mustSync
	r.out.Safe = min(r.request.RecoveryPoint, r.out.End.Offset)
	if r.request.Clean {
		r.out.Safe = r.out.End.Offset
	}
	r.closeSmall(fx)
	r.phase = syncing
	if r.mustSync {
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.await("", 0), Folder: r.request.Folder})
		if n := len(r.out.segments); n > 0 {
			fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.await("", 0), File: r.out.segments[n-1].file})
		}
	}
	r.maybeSynced(fx)
}

// closeSmall lets go of the small files that were only read.
func (r *Recovery) closeSmall(fx *seam.Effects) {
	for _, f := range r.small {
		if f.kind != ".index" && f.kind != ".timeindex" {
			fx.Files = append(fx.Files, seam.FileOp{Op: r.await("", 0), Deed: seam.Close, File: f.file})
		}
	}
}

func (r *Recovery) onSynced(in *seam.Synced, fx *seam.Effects) {
	r.arrived(in.Op)
	if in.Fault != seam.OK {
		r.fail(in.Fault, "the folder cannot be synced")
	}
	r.maybeSynced(fx)
}

func (r *Recovery) maybeSynced(fx *seam.Effects) {
	if len(r.pending) == 0 {
		r.answer(fx)
	}
}

func (r *Recovery) fail(fault seam.Fault, why string) { r.out.Fault, r.out.Reason = fault, why }

func (r *Recovery) answer(fx *seam.Effects) {
	must.Be(r.phase != answered, "L11: a recovery answers once")
	r.phase = answered
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: r.out})
}

// Restore makes the log that a Recovery found.
func Restore(out *Recovered, folder seam.Path, config Config, numbers Numbers) *Log {
	l := New(out.Topic, out.Partition, folder, config, numbers)
	l.segments, l.Epochs, l.recent = out.segments, out.Epochs, out.recent
	l.start, l.next, l.end = out.Start, out.End.Offset, out.End
	l.names = 1
	if out.named {
		l.namesSafe, l.rootSafe = 1, true
	}
	for i := range l.segments {
		s := &l.segments[i]
		if s.synced = (syncPoint{offset: s.base}); s.next <= out.Safe {
			s.synced = syncPoint{offset: s.next, position: s.size}
		}
	}
	l.durable = l.safeMark(out.Safe)
	return l
}

// safeMark is the last place known exactly that is not above safe: the end, or where a segment begins.
func (l *Log) safeMark(safe int64) Mark {
	if safe >= l.end.Offset || len(l.segments) == 0 {
		return l.end
	}
	s := &l.segments[l.segmentOf(safe)]
	return Mark{Offset: s.base, Segment: s.base}
}

// RewriteIndexes writes the indexes that the Recovery had to make again.
func (l *Log) RewriteIndexes(fx *seam.Effects) {
	for base, ok := l.Closable(); ok; base, ok = l.Closable() {
		l.CloseSegment(base, fx)
		fx.Events = append(fx.Events, seam.Event{Kind: seam.IndexRebuilt, Topic: l.Topic, Partition: l.Partition, A: base})
	}
}
