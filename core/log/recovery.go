package log

import (
	"slices"
	"strconv"
	"strings"

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
	First         seam.File    // ids from here on are the Recovery's: three a file and two more
	Clean         bool         // the directory was marked clean
	RecoveryPoint int64        // everything below was durable once
	LogStart      int64        // where the log begins: what lies below was deleted
	Unmarked      bool         // where it begins, and how far it is durable, may not be known: no log is a new one that has lost its head
	Compacted     int64        // up to here offsets may be missing between two batches, also if the folder does not say so
	Config        Config
}

// Recovered is the answer: the state of a partition's files as a value.
type Recovered struct {
	Topic     string
	Partition int32
	Fault     seam.Fault // not OK: the folder cannot be used
	Reason    string
	Foreign   bool   // partition.metadata names another topic, or is not there: nothing was touched
	Identity  string // that topic's id; empty if nothing lies beside it
	Producers *producer.State
	Epochs    Epochs
	Noted     int32 // the newest epoch that their checkpoint knows, -1: none
	Start     int64
	End       Mark
	Safe      int64 // everything below is durable
	Cut       int64 // bytes that were truncated
	segments  []segment
	recent    recent
	sparse    int64 // below, batches may be missing: so says the folder
	named     bool  // every name that leads to the segments is durable
	kept      []keptFile
}

// Point is the recovery point that Log.Point will give at first, of what is durable to its end: not beyond a closed segment whose
// index is still to be made.
func (o *Recovered) Point() int64 {
	for i := range o.segments[:max(0, len(o.segments)-1)] {
		if o.segments[i].rebuilt {
			return min(o.segments[i].next, o.End.Offset)
		}
	}
	return o.End.Offset
}

// Recovery brings one partition's folder back after a start: a machine of its own, one folder long.
//
//	request ─▶ load the small files ─▶ walk batches, write them anew ─▶ cut the tail ─▶ sync what was cut ─▶ close ─▶ answer
//
// Rules:
//   - the walk starts where the newest producer snapshot at or below the recovery point's segment, or the log's start, was
//     taken, and at the last index entry after a clean stop. Without a snapshot it starts at the log's first batch; where
//     batches were deleted that is a loss, and one that the disk does not give back is a fault of the disk.
//   - a batch is accepted if it is whole, its CRC is right, its base offset continues the log and its epoch does not
//     fall. The first one that is not ends the log: the file is cut there and later segments go.
//   - segments wholly below the log's start are removed unread if there is a snapshot of the producers behind them. Else they
//     are walked: none of them has gone. A log that ends below its start is empty there.
//   - below the recovery point nothing is ever cut, and the log does not end there: a batch that was durable and is
//     unreadable or missing now is a fault of the disk, the folder is left as it is and not used.
//   - indexes of segments that end below the recovery point are durable and stay as they are, walked or not, so that the
//     point does not go back (Log.Point); one that is missing is made again.
//   - what lies above the recovery point is written again, byte for byte: a sync that failed before the stop has marked
//     its pages clean, and only a page that is dirty again is covered by the next sync. So is what lies below the log's start,
//     where the point is not above that.
//   - what was cut or removed is durable before the answer leaves, so that it cannot come back behind newer batches. So is
//     the name of partition.metadata: a folder that loses it was never this topic's, if it holds no batches; with batches it is
//     left as it is and not used.
//   - a .swap is a compacted segment that was durable before anything that it stands for was touched: it is finished first,
//     and its name is made durable before that.
//     A .cleaned is nothing yet. Offsets may be missing below what a .compacted says, which was durable before the first
//     .swap; and where a log was compacted by Kafka, below its line in the cleaner's checkpoint and the recovery point.
//   - its files are closed when it answers: their ids are its own. Restore gives the log ids of the owner's.
type Recovery struct {
	request  RecoveryRequest
	numbers  Numbers
	files    seam.File
	phase    recoveryPhase
	pending  []pendingOp
	out      *Recovered
	small    []smallFile
	loaded   smallFiles
	junk     []seam.Path // left by an interrupted deletion or cleaning
	removed  []seam.File // open, of segments that were cut off
	mustSync bool
	swaps    swaps
	now      seam.Mono
	walk
}

type recoveryPhase uint8

const (
	swapping recoveryPhase = iota
	loading
	walking
	cutting
	syncing
	closing
	answered
)

type pendingOp struct {
	op   seam.Op
	what work
	i    int
}

// work says what an operation of a Recovery is for.
type work uint8

const (
	forSmall work = iota // a small file: opened, read
	forFirst             // the header of the last segment's first batch
	forLog               // a .log is opened
	forWalk              // a piece of it is read
	forAgain             // and written again
	forCut               // truncated or removed
	forJunk              // removed, and never mind, or asked for again later
	forSync
	forClose
	forSwap // a compacted segment: opened, read, renamed; what it replaces, removed
)

// smallFile is a file to be read whole before the walk.
type smallFile struct {
	kind   string // its suffix
	offset int64
	path   seam.Path
	size   int64
	file   seam.File
}

// taken is the producers' state at an offset, in two files.
type taken struct {
	offset           int64
	snapshot, window []byte
}

type smallFiles struct {
	identity  string // the topic id of partition.metadata
	epochs    Epochs
	epochsOK  bool
	newest    taken      // the producers, as the walk may start from them
	least     taken      // the same at the log's first batch, for when those cannot be read
	timesOK   bool       // of the last segment: its .timeindex is there, and is one
	firstTime int64      // likewise
	unread    seam.Fault // why a snapshot could not be read
}

const (
	epochsFile   = "leader-epoch-checkpoint"
	IdentityFile = "partition.metadata"
	smallMax     = 64 << 20
	snapshotMax  = 1<<31 - 1 // of producers, whose batches may be gone
)

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
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Alarm, *seam.Stop:
	}
}

func (r *Recovery) begin(now seam.Now, request *RecoveryRequest, fx *seam.Effects) {
	r.request = *request
	r.files = request.First
	r.numbers = Numbers{Owner: 1, Files: &r.files}
	r.out = &Recovered{Topic: request.Topic, Partition: request.Partition, Noted: -1}
	r.loaded.firstTime = -1
	r.swaps.begun = now
	for _, e := range request.Files {
		if offset, suffix, ok := segmentName(leaf(e.Path)); ok && suffix == sparseSuffix && !e.Folder {
			r.out.sparse = max(r.out.sparse, offset)
		}
	}
	r.request.Compacted = max(r.request.Compacted, r.out.sparse)
	r.beginSwaps(fx)
}

// load begins when every segment has its name.
func (r *Recovery) load(now seam.Now, fx *seam.Effects) {
	r.phase = loading
	r.sortFiles(now)
	if len(r.junk) > 0 || r.leastSnapshot() < r.request.LogStart {
		r.syncFolder(fx) // of what goes, some is told by a snapshot, whose name may be of a process that did not live to see it durable
	}
	for i := range r.small {
		f := &r.small[i]
		r.fileOp(forSmall, i, seam.FileOp{Deed: seam.Open, File: f.file, Path: f.path}, fx)
		fx.Reads = append(fx.Reads, seam.Read{Op: r.await(forSmall, i), File: f.file, Len: int32(f.size)})
	}
	r.openLast(fx)
	r.maybeLoaded(fx)
}

// openLast asks for the first header of the last segment, which a trusting walk passes over.
func (r *Recovery) openLast(fx *seam.Effects) {
	if n := len(r.out.segments); n > 0 && r.request.Clean {
		r.open(&r.out.segments[n-1], fx)
		fx.Reads = append(fx.Reads, seam.Read{Op: r.await(forFirst, 0), File: r.out.segments[n-1].file, Len: headerSize})
	}
}

func (r *Recovery) open(s *segment, fx *seam.Effects) {
	s.file = r.numbers.File()
	r.fileOp(forLog, 0, seam.FileOp{Deed: seam.Open, File: s.file, Path: r.path(s.base, ".log")}, fx)
}

func (r *Recovery) path(base int64, suffix string) seam.Path {
	return SegmentPath(r.request.Folder, base, suffix)
}

func (r *Recovery) fileOp(what work, i int, op seam.FileOp, fx *seam.Effects) {
	op.Op = r.await(what, i)
	fx.Files = append(fx.Files, op)
}

func (r *Recovery) await(what work, i int) seam.Op {
	op := r.numbers.Op()
	r.pending = append(r.pending, pendingOp{op, what, i})
	return op
}

func (r *Recovery) arrived(op seam.Op) pendingOp {
	for i, p := range r.pending {
		if p.op == op {
			r.pending = without(r.pending, i)
			return p
		}
	}
	must.Be(false, "L10: every completion names an operation of this recovery")
	return pendingOp{}
}

func (r *Recovery) onWrote(in *seam.Wrote, fx *seam.Effects) {
	p := r.arrived(in.Op)
	switch p.what {
	case forLog:
		r.onOpenedLog(in)
	case forAgain:
		if in.Fault != seam.OK || in.Bytes != r.again {
			r.fail(orNoSpace(in.Fault), "what is not durable yet cannot be written again")
		}
	case forCut:
		if in.Fault != seam.OK && in.Fault != seam.NotFound {
			r.fail(in.Fault, "the folder cannot be cut to where the log ends")
		}
	case forSwap:
		if in.Fault != seam.OK && in.Fault != seam.NotFound {
			r.fail(in.Fault, "a compacted segment cannot be put in its place")
		}
	case forJunk:
		r.leaveJunk(p.i, in.Fault)
	case forSmall, forFirst, forWalk, forSync, forClose:
	}
	r.proceed(fx)
}

// neverMind stands for a file of which no log asks again.
const neverMind = -1

// leaveJunk has the log ask again for what could not be removed, of a segment below its first one: no other has such a name.
func (r *Recovery) leaveJunk(junk int, fault seam.Fault) {
	if fault == seam.OK || fault == seam.NotFound || junk == neverMind {
		return
	}
	base, suffix, ok := segmentName(leaf(r.junk[junk]))
	below := len(r.out.segments) == 0 && base < r.request.LogStart || len(r.out.segments) > 0 && base < r.out.segments[0].base
	if ok && below && (suffix == ".log" || suffix == ".index" || suffix == ".timeindex") {
		r.out.kept = append(r.out.kept, keptFile{base, suffix})
	}
}

func orNoSpace(fault seam.Fault) seam.Fault {
	if fault == seam.OK {
		return seam.NoSpace
	}
	return fault
}

func (r *Recovery) onOpenedLog(in *seam.Wrote) {
	s := &r.out.segments[r.opening()]
	if in.Fault != seam.OK {
		r.fail(in.Fault, "the segment cannot be opened")
		return
	}
	s.size, s.done = in.Bytes, in.Bytes
}

// opening is the segment whose .log is being opened: one at a time, the last one first after a clean stop.
func (r *Recovery) opening() int {
	if r.phase == loading {
		return len(r.out.segments) - 1
	}
	return r.current
}

func (r *Recovery) onLoaded(in *seam.Loaded, fx *seam.Effects) {
	p := r.arrived(in.Op)
	switch {
	case p.what == forWalk:
		r.onPiece(in, fx)
		return
	case p.what == forSwap:
		r.swapPiece(in)
	case p.what == forFirst && in.Fault == seam.OK:
		r.loaded.firstTime = firstTimeOf(in.Data)
	case p.what == forSmall && in.Fault == seam.OK:
		r.keep(&r.small[p.i], in.Data)
	case p.what == forSmall && r.small[p.i].kind == IdentityFile:
		r.fail(in.Fault, "partition.metadata cannot be read")
	case p.what == forSmall && r.small[p.i].kind == snapshotSuffix:
		r.loaded.unread = in.Fault
		r.noteSnapshot(r.small[p.i].offset, snapshotSuffix, 0)
	}
	r.proceed(fx)
}

func (r *Recovery) keep(f *smallFile, data []byte) {
	switch f.kind {
	case IdentityFile:
		r.identify(data)
	case epochsFile:
		r.loaded.epochs, r.loaded.epochsOK = ParseEpochs(data)
		r.out.Noted = r.loaded.epochs.Latest()
	case snapshotSuffix:
		at := r.takenAt(f.offset)
		at.offset, at.snapshot = f.offset, slices.Clone(data)
	case windowSuffix:
		r.takenAt(f.offset).window = slices.Clone(data)
	case ".index":
		s := r.segmentBased(f.offset)
		s.index.Offsets, _ = ParseOffsets(data, s.size)
	case ".timeindex":
		s := r.segmentBased(f.offset)
		s.index.Times, r.loaded.timesOK = ParseTimes(data)
	}
}

func (r *Recovery) takenAt(offset int64) *taken {
	if offset == r.snapshotOffset() {
		return &r.loaded.newest
	}
	return &r.loaded.least
}

// identify reads a partition.metadata file. It was made durable before the folder took a batch, so one that says
// nothing is a fault of the disk.
func (r *Recovery) identify(data []byte) {
	if r.loaded.identity = ParseIdentity(data); r.loaded.identity == "" && r.request.TopicID != "" {
		r.fail(seam.IOError, "partition.metadata names no topic")
	}
}

// ParseIdentity is the topic's id that a partition.metadata file names; empty: none.
func ParseIdentity(data []byte) (topicID string) {
	const idSize = 22
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "topic_id: "); ok && len(name) == idSize {
			return name
		}
	}
	return ""
}

// proceed goes on when everything that was under way has come back.
func (r *Recovery) proceed(fx *seam.Effects) {
	if len(r.pending) > 0 {
		return
	}
	if r.out.Fault != seam.OK && r.phase < closing {
		r.close(fx)
		return
	}
	switch r.phase {
	case swapping:
		r.swapOn(fx)
	case loading:
		r.maybeLoaded(fx)
	case walking:
		r.goOn(fx)
	case cutting:
		r.sync(fx)
	case syncing:
		r.close(fx)
	case closing:
		r.answer(fx)
	case answered:
	}
}

func (r *Recovery) maybeLoaded(fx *seam.Effects) {
	if len(r.pending) > 0 {
		return
	}
	if r.out.Fault == seam.OK && r.request.TopicID != "" && r.loaded.identity != r.request.TopicID {
		if r.loaded.identity == "" && r.heldBatches() {
			r.fail(seam.IOError, IdentityFile+" is missing, and with it whose batches these are")
		} else {
			r.out.Foreign = true // without the file the folder never took a batch, or not one of this topic
			if r.heldBatches() {
				r.out.Identity = r.loaded.identity
			}
		}
	}
	if r.out.Foreign || r.out.Fault != seam.OK {
		r.close(fx)
		return
	}
	r.mustSync = r.request.TopicID != "" && len(r.out.segments) == 0 // partition.metadata may have got its name just before a crash
	for i, path := range r.junk {
		r.mustSync = true
		r.fileOp(forJunk, i, seam.FileOp{Deed: seam.Remove, Path: path}, fx)
	}
	r.phase = walking
	r.startWalk()
	if len(r.pending) == 0 {
		r.goOn(fx)
	}
}

// heldBatches says whether there are batches, of whoever. Before partition.metadata is durable a log takes none.
func (r *Recovery) heldBatches() bool {
	return slices.ContainsFunc(r.out.segments, func(s segment) bool { return s.size > 0 })
}

func (r *Recovery) onSynced(in *seam.Synced, fx *seam.Effects) {
	r.arrived(in.Op)
	if in.Fault != seam.OK {
		r.fail(in.Fault, "the folder cannot be synced")
	}
	r.proceed(fx)
}

func (r *Recovery) fail(fault seam.Fault, why string) {
	if r.out.Fault == seam.OK {
		r.out.Fault, r.out.Reason = fault, why
	}
}

// finish settles the marks and removes snapshots that speak of offsets the log does not have.
func (r *Recovery) finish(fx *seam.Effects) {
	if r.expected < r.owed() {
		r.fail(seam.IOError, "the log ends at offset "+strconv.FormatInt(r.expected, 10)+", below what was durable")
		r.close(fx)
		return
	}
	if r.expected < r.request.LogStart || len(r.out.segments) == 0 && r.request.LogStart > 0 {
		r.beginAtStart(fx)
	}
	if r.loaded.newest.snapshot != nil && r.loaded.newest.offset > r.expected {
		r.loaded.newest.snapshot, r.request.Clean = nil, false // it speaks of another log
		r.phase = walking
		r.startWalk()
		r.goOn(fx)
		return
	}
	if n := len(r.out.segments); n > 0 {
		s := &r.out.segments[n-1]
		s.next, s.closed, s.indexed, s.onDisk, s.rebuilt, s.timed, s.derived = r.expected, false, false, false, false, false, 0
		r.out.End = Mark{Offset: r.expected, Segment: s.base, Position: s.size}
		r.out.Start = min(max(r.request.LogStart, r.out.segments[0].base), r.expected)
		r.out.Epochs.TruncateFromEnd(r.expected)
		r.out.Epochs.TruncateFromStart(r.out.Start)
	}
	r.phase = cutting
	for _, e := range r.request.Files {
		offset, suffix, ok := segmentName(leaf(e.Path))
		switch {
		case !ok || suffix != snapshotSuffix && suffix != windowSuffix:
		case offset > r.expected:
			r.remove(e.Path, fx)
		case offset == r.expected && offset > r.request.LogStart && r.segmentBased(offset) == nil: // right, but what is known now may be more: the next clean stop writes it anew
			r.fileOp(forJunk, neverMind, seam.FileOp{Deed: seam.Remove, Path: e.Path}, fx)
		case offset > r.replay: // an earlier life may have known less than what the walk has found
			if s := r.segmentBased(offset); s != nil {
				s.snapped = false
			}
			r.fileOp(forJunk, neverMind, seam.FileOp{Deed: seam.Remove, Path: e.Path}, fx)
		}
	}
	if len(r.pending) == 0 {
		r.sync(fx)
	}
}

// owed is how far the log must reach, because it was durable so far. Nothing is owed that was deleted.
func (r *Recovery) owed() int64 {
	if r.request.RecoveryPoint <= r.request.LogStart {
		return 0
	}
	return r.request.RecoveryPoint
}

// beginAtStart: what is left of the log was deleted. It goes on, empty, where it was said to begin.
func (r *Recovery) beginAtStart(fx *seam.Effects) {
	for i := range r.out.segments {
		r.discard(&r.out.segments[i], fx)
	}
	start := r.request.LogStart
	r.out.segments, r.out.recent, r.expected = nil, recent{}, start
	r.out.Start, r.out.End = start, Mark{Offset: start, Segment: start}
	if r.out.Epochs.List == nil && r.loaded.epochsOK {
		r.out.Epochs.List = slices.Clone(r.loaded.epochs.List)
	}
	r.out.Epochs.TruncateFromEnd(start + 1) // the checkpoint may know of batches that are gone
	r.out.Epochs.TruncateFromStart(start)
}

func (r *Recovery) remove(path seam.Path, fx *seam.Effects) {
	r.mustSync = true
	r.fileOp(forCut, 0, seam.FileOp{Deed: seam.Remove, Path: path}, fx)
}

// sync makes durable what was changed.
func (r *Recovery) sync(fx *seam.Effects) {
	r.phase = syncing
	r.out.named = r.request.Clean && !r.mustSync
	r.out.Safe = min(r.request.RecoveryPoint, r.out.End.Offset)
	if !r.mustSync {
		r.close(fx)
		return
	}
	r.syncFolder(fx)
	if n := len(r.out.segments); n > 0 && r.out.segments[n-1].file != 0 {
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.await(forSync, 0), File: r.out.segments[n-1].file})
	}
}

func (r *Recovery) syncFolder(fx *seam.Effects) {
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.await(forSync, 0), Folder: r.request.Folder})
}

// close lets go of every file.
func (r *Recovery) close(fx *seam.Effects) {
	r.phase = closing
	for i := range r.small {
		r.fileOp(forClose, 0, seam.FileOp{Deed: seam.Close, File: r.small[i].file}, fx)
	}
	for i := range r.out.segments {
		if file := r.out.segments[i].file; file != 0 {
			r.fileOp(forClose, 0, seam.FileOp{Deed: seam.Close, File: file}, fx)
		}
	}
	for _, file := range r.removed {
		r.fileOp(forClose, 0, seam.FileOp{Deed: seam.Close, File: file}, fx)
	}
	if len(r.pending) == 0 {
		r.answer(fx)
	}
}

func (r *Recovery) answer(fx *seam.Effects) {
	must.Be(r.phase != answered, "L11: a recovery answers once")
	r.phase = answered
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: r.out})
}
