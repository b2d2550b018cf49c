package core

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/controller"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/quorum"
	"rookery/core/seam"
)

// boot is the way from Started to ready:
//
//	loading   the directories' small files are read, and are there to stay; the clean marker is taken away, durably, before
//	          anything is written
//	reading   the metadata log is recovered and read: what is not understood is another broker's, and is left as it is
//	quorum    this voter stands in a new epoch, and its first entry is committed
//	folding   the committed records are read back and folded into the Image
//	asking    folders that lie elsewhere than their partitions are said to are asked whose they are
//	opening   this incarnation registers (which begins new leader epochs), partitions are recovered, the broker is unfenced
type boot struct {
	startedAt seam.Mono
	pending   map[seam.Op]bootOp
	state     quorum.State
	partition *partition // the metadata log's
	readAt    log.Cursor
	readTo    log.Mark
	image     *meta.Image // what is read before this voter stands
	foldTo    int64
	folded    int64
	opFold    seam.Op
	next      log.Next
	more      bool
	queue     []*partition // to be recovered
	running   int
	opening   []*partition // recovered, their files not open yet
	nextID    uint64
	recovers  map[uint64]*partition
	unfencing bool
	tidied    bool               // what is nobody's is looked for
	futures   []seam.Path        // what the last life was copying partitions into
	inhabited bool               // there are folders of partitions, which only the metadata log can name
	named     map[string]bool    // folders of partitions that the metadata log has ever named
	removed   map[string]bool    // ids of topics that it has removed
	left      map[seam.Path]bool // folders that are no homes: a deletion has left them, or they were never made to their end
}

type bootOp struct {
	what string
	name string // of what is removed, or of the folder that is read in
	dir  int32
	file seam.File
	shut seam.Op // the Close that follows a Read
}

const stateFile = metadataTopic + "-0/quorum-state"

func (b *Broker) onStarted(now seam.Now, in *seam.Started, fx *seam.Effects) {
	b.phase = phaseLoading
	b.boot.startedAt = now.Mono
	b.boot.state = quorum.None()
	b.boot.pending, b.boot.recovers = map[seam.Op]bootOp{}, map[uint64]*partition{}
	b.boot.named, b.boot.removed, b.boot.left = map[string]bool{}, map[string]bool{}, map[seam.Path]bool{}
	for i, fault := range in.Dirs {
		if fault == seam.OK && b.config.DirectoryIDs[i] == (meta.UUID{}) {
			fault = seam.NotFound // whose it is could not be read
		}
		if fault == seam.OK {
			continue
		}
		b.dirs[i].unseen = true
		if b.fail(int32(i), fault, fx); b.phase == phaseDead {
			return
		}
	}
	if b.boot.inhabited = inhabited(in.Files); b.boot.inhabited && !hasMetadataLog(in.Files) {
		b.failFor(MetadataMissing, fx)
		return
	}
	if isTrimmed(in.Files) {
		b.failFor(MetadataTrimmed, fx)
		return
	}
	for _, e := range in.Files {
		b.sortEntry(e, fx)
	}
	for i := range b.dirs[1:] {
		if b.dirs[i+1].failed == seam.OK {
			b.syncRoot(int32(i+1), fx)
		}
	}
	b.maybeLoadedAll(now, fx)
}

// syncRoot makes durable which checkpoints a directory holds: the last life may have died between a rename and its Sync, and
// what this one reads there it shows. The metadata log does it for the first directory, before anything is shown.
func (b *Broker) syncRoot(dir int32, fx *seam.Effects) {
	op := b.numbers.Op()
	b.boot.pending[op] = bootOp{what: "synced", dir: dir}
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: op, Folder: seam.Path{Dir: dir}})
}

// MetadataMissing is the Text of DirFailed when there are partitions and no metadata log: none of them has a name that
// can be believed, and a start would take them all for what deletions left.
const MetadataMissing = "it holds partitions, and no metadata log (" + metadataTopic + "-0) that names them"

// Texts of DirFailed when what the first directory holds is not this broker's to go on from: Apache Kafka's own, as a rule.
const (
	StateForeign    = "its quorum-state is none of this broker's: another broker's, or damaged"
	FeaturesForeign = "its metadata log has features that are not served here: it is another broker's, or a later version's"
	RecordsForeign  = "its metadata log has records that are not understood here: it is another broker's, or a later version's"
	MetadataTrimmed = "its metadata log does not begin at its beginning: another broker's, that has put a snapshot in its place, or a part of it is missing"
)

func (b *Broker) failFor(text string, fx *seam.Effects) {
	b.phase = phaseDead
	fx.Events = append(fx.Events, seam.Event{Kind: seam.DirFailed, Text: text})
}

// inhabited says whether a directory holds partitions, deleted ones too: their folders are made when the metadata log is
// durable, and not before.
func inhabited(files []seam.Entry) bool {
	return slices.ContainsFunc(files, func(e seam.Entry) bool {
		_, _, ok := parseFolder(e.Path.Name)
		return e.Folder && !strings.Contains(e.Path.Name, "/") && e.Path.Name != metadataFolder().Name && (ok || isDoomed(e.Path.Name))
	})
}

func hasMetadataLog(files []seam.Entry) bool {
	return slices.ContainsFunc(files, func(e seam.Entry) bool {
		file, inside := strings.CutPrefix(e.Path.Name, metadataTopic+"-0/")
		return e.Path.Dir == 0 && inside && !strings.Contains(file, "/") && strings.HasSuffix(file, ".log") && (e.Folder || e.Size > 0)
	})
}

// isTrimmed says whether there is a metadata log without its first segment. What came before is nowhere that we look.
func isTrimmed(files []seam.Entry) bool {
	first, later := false, false
	for i := range files {
		file, inside := strings.CutPrefix(files[i].Path.Name, metadataFolder().Name+"/")
		if number, isLog := strings.CutSuffix(file, ".log"); files[i].Path.Dir == 0 && inside && isLog && !files[i].Folder && len(number) == 20 {
			begins := strings.Trim(number, "0") == ""
			first, later = first || begins, later || !begins
		}
	}
	return later && !first
}

// sortEntry takes one entry of a directory.
func (b *Broker) sortEntry(e seam.Entry, fx *seam.Effects) {
	d := &b.dirs[e.Path.Dir]
	if d.failed != seam.OK {
		return
	}
	folder, name, inside := strings.Cut(e.Path.Name, "/")
	_, _, isFuture := cutUnique(folder, futureSuffix)
	switch {
	case strings.Contains(name, "/"): // somebody's, in a folder of his own within a partition's, of which it is known that it is there
	case inside:
		d.folders.Put(folder, append(d.folders.At(folder), e))
		if e.Path.Name == stateFile && e.Path.Dir == 0 {
			b.load("state", e, fx)
		}
	case e.Folder && (isDoomed(folder) || isFuture):
		if isFuture {
			b.boot.futures = append(b.boot.futures, seam.Path{Dir: e.Path.Dir, Name: folder})
		}
		b.turns.put(b.turns.each(1, func(_ int, _ seam.Now, fx *seam.Effects) { b.await("remove", e.Path, fx) }))
	case e.Folder:
		d.folders.Put(folder, d.folders.At(folder))
	case name == "" && folder == cleanFile:
		d.clean = true
		b.await("marker", e.Path, fx)
	case folder == recoveryFile:
		b.load("points", e, fx)
	case folder == startsFile:
		b.load("starts", e, fx)
	case folder == cleanedFile:
		b.load("cleaned", e, fx)
	}
}

func (b *Broker) await(what string, path seam.Path, fx *seam.Effects) {
	op := b.numbers.Op()
	b.boot.pending[op] = bootOp{what: what, dir: path.Dir, name: path.Name}
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Remove, Path: path})
}

// load reads a small file: open, read, close.
func (b *Broker) load(what string, e seam.Entry, fx *seam.Effects) {
	folder, _, _ := strings.Cut(e.Path.Name, "/")
	file := b.numbers.File()
	open, read, shut := b.numbers.Op(), b.numbers.Op(), b.numbers.Op()
	fx.Files = append(fx.Files, seam.FileOp{Op: open, Deed: seam.Open, File: file, Path: e.Path})
	fx.Reads = append(fx.Reads, seam.Read{Op: read, File: file, Len: int32(min(e.Size, 1<<30))})
	opened := bootOp{what: "open"}
	if folder == e.Path.Name { // what lies in a folder may be somebody else's, and says nothing of the disk
		opened.dir = e.Path.Dir
	}
	b.boot.pending[open] = opened
	b.boot.pending[read] = bootOp{what: what, name: folder, dir: e.Path.Dir, file: file, shut: shut}
	b.boot.pending[shut] = bootOp{what: "close"}
}

func (b *Broker) bootTake(op seam.Op) (bootOp, bool) {
	p, ok := b.boot.pending[op]
	delete(b.boot.pending, op)
	return p, ok
}

func (b *Broker) bootWrote(now seam.Now, in *seam.Wrote, fx *seam.Effects) bool {
	p, ok := b.bootTake(in.Op)
	if !ok {
		return false
	}
	switch {
	case p.what == "remove" && in.Fault != seam.OK && in.Fault != seam.NotFound:
		b.dirs[p.dir].kept[p.name] = true
		fx.Events = append(fx.Events, seam.Event{Kind: seam.StrayFolder, Topic: p.name, A: int64(p.dir), Text: "it cannot be removed: " + in.Fault.String()})
	case p.what == "marker":
		if in.Fault != seam.OK && in.Fault != seam.NotFound {
			b.fail(p.dir, in.Fault, fx)
			return true
		}
		b.syncRoot(p.dir, fx)
	}
	b.maybeLoadedAll(now, fx)
	return true
}

func (b *Broker) bootSynced(now seam.Now, in *seam.Synced, fx *seam.Effects) bool {
	if _, ok := b.bootTake(in.Op); !ok {
		return false
	}
	b.maybeLoadedAll(now, fx)
	return true
}

func (b *Broker) bootLoaded(now seam.Now, in *seam.Loaded, fx *seam.Effects) {
	if in.Op == b.boot.opFold && in.Op != 0 {
		b.foldLoaded(now, in, fx)
		return
	}
	p, ok := b.bootTake(in.Op)
	if !ok {
		return
	}
	switch {
	case p.what == "identity":
		b.strayIdentified(p, in, fx)
	case p.what == "whose":
		if in.Fault == seam.OK && b.boot.removed[log.ParseIdentity(in.Data)] {
			b.boot.left[seam.Path{Dir: p.dir, Name: p.name}] = true
		}
	case in.Fault != seam.OK: // a directory but the first is fenced, and the start goes on: its file is to be closed all the same
		if b.fail(p.dir, in.Fault, fx); b.phase == phaseDead {
			return
		}
	case !b.keepLoaded(p, in.Data): // what this voter promised is not known
		b.failFor(StateForeign, fx)
		return
	}
	fx.Files = append(fx.Files, seam.FileOp{Op: p.shut, Deed: seam.Close, File: p.file})
	b.maybeLoadedAll(now, fx)
}

// keepLoaded takes a small file in. A quorum-state that cannot be read is a fault: its vote would be cast twice. Recovery
// points only spare work.
func (b *Broker) keepLoaded(p bootOp, data []byte) bool {
	switch p.what {
	case "state":
		state, err := quorum.ParseState(data)
		b.boot.state = state
		return err == nil
	case "points":
		d := &b.dirs[p.dir]
		_, d.marked.points = d.keep(data, d.points)
		d.lastPoints = string(data)
	case "starts":
		d := &b.dirs[p.dir]
		d.starts.written, d.marked.starts = d.keep(data, d.startsAt)
	case "cleaned":
		d := &b.dirs[p.dir]
		d.cleaned.written, _ = d.keep(data, d.cleaned.at)
	}
	return true
}

// keep takes the lines of a checkpoint of offsets, and says whether it is one.
func (d *directory) keep(data []byte, into map[string]map[int32]int64) ([]log.PartitionOffset, bool) {
	lines, ok := log.ParsePartitionOffsets(data)
	d.point(lines)
	for _, x := range lines {
		if into[x.Topic] == nil {
			into[x.Topic] = map[int32]int64{}
		}
		into[x.Topic][x.Partition] = x.Offset
	}
	return lines, ok
}

func (b *Broker) maybeLoadedAll(now seam.Now, fx *seam.Effects) {
	if b.phase != phaseLoading || len(b.boot.pending) > 0 || b.turns.later.Len() > 0 {
		return
	}
	b.phase = phaseReading
	p := b.newPartition(nil, 0, metadataFolder())
	b.boot.partition = p
	b.quorumFile = log.Replacement{Path: seam.Path{Name: stateFile}, Durable: true, Numbers: &b.numbers}
	b.quorum = new(quorum.Quorum)
	self := quorum.Voter{ID: b.config.NodeID, DirectoryID: b.config.DirectoryIDs[0]}
	*b.quorum = quorum.New(self, []quorum.Voter{self}, b.boot.state)
	if len(b.dirs[0].folders.At(p.folder.Name)) == 0 {
		l := log.New(metadataTopic, 0, p.folder, metadataLogConfig(), b.logNumbers(p))
		l.Create(now, fx)
		b.metadataOpened(p, l, fx)
		return
	}
	b.recover(p, fx)
}

func metadataLogConfig() log.Config {
	return log.Config{SegmentBytes: 1 << 30, SegmentMillis: 604800000, IndexBytes: 10 << 20, IndexIntervalBytes: 4096}
}

// recover sends a partition's folder to a Recovery.
func (b *Broker) recover(p *partition, fx *seam.Effects) {
	d := &b.dirs[p.folder.Dir]
	files := d.folders.At(p.folder.Name)
	config, id, compacted := metadataLogConfig(), "", int64(0)
	if p.topic == nil {
		p.point = d.points[p.name()][p.index]
	} else {
		config, id = b.logConfig(&p.topic.config), p.id.String()
		if p.cleaned.upTo >= 0 || p.topic.config.Compact {
			compacted = max(p.cleaned.upTo, p.point)
		}
		if p.cleaned.upTo < 0 && p.topic.config.Compact && (d.unmarked() || p.left != nowhere && b.dirs[p.left].unmarked()) {
			compacted = math.MaxInt64 // a cleaner may have been anywhere: Kafka's leaves no .compacted, and the lines of how far it was are gone
		}
	}
	p.safePoint = p.point
	b.boot.nextID++
	b.boot.running++
	b.boot.recovers[b.boot.nextID] = p
	first := b.files + 1
	b.files += seam.File(3*len(files) + 8)
	fx.Sends = append(fx.Sends, seam.Send{
		To: seam.Address{Kind: seam.ToRecovery, ID: b.boot.nextID},
		Body: &log.RecoveryRequest{
			Topic: p.name(), Partition: p.index, Folder: p.folder, TopicID: id, Files: files, First: first,
			Clean: d.clean && !p.unsaid, RecoveryPoint: p.point, LogStart: p.startGoal, Unmarked: d.unmarked() || p.unsaid, Compacted: compacted, Config: config,
		},
	})
}

func (b *Broker) onMail(now seam.Now, in *seam.Mail, fx *seam.Effects) {
	switch body := in.Body.(type) {
	case *log.Recovered:
		b.recovered(now, in.From, body, fx)
	case *log.Searched:
		b.searched(now, body, fx)
	case *compact.Cleaned:
		b.onCleaned(now, body, fx)
	case *log.Copied:
		b.copied(body, fx)
	}
}

func (b *Broker) recovered(now seam.Now, from seam.Address, out *log.Recovered, fx *seam.Effects) {
	p := b.boot.recovers[from.ID]
	delete(b.boot.recovers, from.ID)
	b.boot.running--
	if b.moving(p) {
		b.moveRecovered(out, fx)
		return
	}
	if b.phase == phaseStopping {
		return
	}
	if out.Cut > 0 {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.Truncated, Topic: p.name(), Partition: p.index, A: out.End.Offset, B: out.Cut, Text: out.Reason})
	}
	if p.state != partitionRecovering { // it was deleted meanwhile, or its directory has failed
		return
	}
	if p.topic != nil && out.Fault == seam.OK && rotten(out, b.epochOf(p)) {
		out.Fault, out.Reason = seam.IOError, "a batch of leader epoch "+decimal(int64(out.Epochs.Latest()))+", which nobody was ever granted"
	}
	if out.Foreign && out.Identity != "" && !b.boot.removed[out.Identity] && !b.holdsForeign(p.folder) {
		out.Fault, out.Reason = seam.IOError, "its partition.metadata says "+out.Identity+", which is no topic that was removed"
	}
	switch {
	case out.Fault != seam.OK:
		b.unrecovered(p, out, fx)
	case out.Foreign:
		b.removeForeign(p, fx)
	default:
		b.restore(now, p, out, fx)
	}
}

// rotten: no checksum covers a batch's leader epoch, and this one nobody has written in. What the checkpoint knows too was
// written by a broker: that its epoch was granted again is for a law to find (R2).
func rotten(out *log.Recovered, granted int32) bool {
	latest := out.Epochs.Latest()
	return latest > granted || latest == granted && out.Noted < latest
}

func (b *Broker) restore(now seam.Now, p *partition, out *log.Recovered, fx *seam.Effects) {
	config := metadataLogConfig()
	if p.topic != nil {
		config = b.logConfig(&p.topic.config)
	}
	l := log.Restore(out, p.folder, config, b.logNumbers(p))
	if l.Empty() {
		l.RewriteIndexes(fx)
		l.Create(now, fx)
	}
	if p.topic != nil {
		b.serve(p, l, out.Producers, b.epochOf(p), fx)
		if b.phase < phaseReady {
			b.boot.opening = append(b.boot.opening, p)
		}
	}
	b.turns.put(func(_ seam.Now, fx *seam.Effects) bool {
		if b.dead(p) {
			return true
		}
		done := l.Reopen(b.turns.take, fx)
		if done && p.topic == nil {
			b.metadataOpened(p, l, fx)
		}
		return done
	})
}

// unrecovered: the folder stays as it is. Without the metadata log there is no broker.
func (b *Broker) unrecovered(p *partition, out *log.Recovered, fx *seam.Effects) {
	fx.Events = append(fx.Events, seam.Event{Kind: seam.SegmentUnreadable, Topic: p.name(), Partition: p.index, A: out.End.Offset, Text: out.Reason})
	if p.topic == nil {
		b.fail(p.folder.Dir, out.Fault, fx)
		return
	}
	p.state = partitionFailed
	if b.dirs[p.folder.Dir].unmarked() && !p.unsaid && !out.Foreign { // the checkpoints that are made now are to say of it what the next start would find if there were none
		p.startGoal = max(p.startGoal, firstBase(b.dirs[p.folder.Dir].folders.At(p.folder.Name)))
	}
}

// firstBase is where a folder's first segment begins.
func firstBase(files []seam.Entry) int64 {
	base := int64(-1)
	for i := range files {
		number, isLog := strings.CutSuffix(files[i].Path.Name[strings.LastIndexByte(files[i].Path.Name, '/')+1:], ".log")
		if n, err := strconv.ParseInt(number, 10, 64); isLog && err == nil && !files[i].Folder && (base < 0 || n < base) {
			base = n
		}
	}
	return max(base, 0)
}

// removeForeign: the folder belongs to a topic of the same name that was deleted; its deletion was cut short. If there is anything in
// it that no log writes it is somebody's, and is set aside.
func (b *Broker) removeForeign(p *partition, fx *seam.Effects) {
	if b.holdsForeign(p.folder) {
		b.dirs[p.folder.Dir].kept[p.folder.Name] = true
		b.openNew(p, fx)
		return
	}
	gone := &partition{topic: p.topic, index: p.index, folder: p.folder, state: partitionRenaming, deletion: &proposal{kind: proposedBySelf, open: 1},
		leaving: b.digits(uniqueLength)}
	b.doomed[p.folder]++
	p.point, p.startGoal, p.startWish, p.safePoint, p.cleaned = 0, 0, 0, 0, cleaned{upTo: -1}
	b.doomedRename(gone, fx)
}

// metadataOpened: the metadata log can be read.
func (b *Broker) metadataOpened(p *partition, l *log.Log, fx *seam.Effects) {
	if b.boot.inhabited && l.End().Offset == 0 {
		b.failFor(MetadataMissing, fx)
		return
	}
	p.replica = newMetadataReplica(l)
	p.state = partitionOpen
	b.quorum.Saw(l.Epochs.Latest())
	b.boot.image, b.boot.foldTo = meta.New(), l.End().Offset
	if b.phase == phaseReading { // not stopping
		b.readAll(fx)
	}
}

// readAll goes through all that the metadata log has, committed or not, and keeps nothing of it: of another broker's, which is not
// understood, the log and the vote stay as they are.
func (b *Broker) readAll(fx *seam.Effects) {
	switch p := b.boot.partition; {
	case p.replica == nil || b.boot.opFold != 0:
	case b.boot.folded < b.boot.foldTo:
		b.readOn(p.replica.Log.End(), fx)
	case !areServed(b.boot.image.Features()):
		b.failFor(FeaturesForeign, fx)
	default:
		b.boot.image, b.boot.folded = nil, 0
		b.stand(fx)
	}
}

func areServed(features iter.Seq2[string, int16]) bool {
	for name, level := range features {
		if !slices.ContainsFunc(controller.Supported(), func(f meta.SupportedFeature) bool { return f.Name == name && f.Min <= level && level <= f.Max }) {
			return false
		}
	}
	return true
}

func (b *Broker) stand(fx *seam.Effects) {
	b.phase = phaseQuorum
	state := b.quorum.Stand()
	b.voteGoal = b.quorumFile.Offer(state.Append(nil), fx)
}

// progress moves the boot on when what it waited for has come.
func (b *Broker) progress(now seam.Now, fx *seam.Effects) {
	switch b.phase {
	case phaseLoading:
		b.maybeLoadedAll(now, fx)
	case phaseReading:
		b.readAll(fx)
	case phaseQuorum:
		b.maybeLead(now, fx)
	case phaseFolding:
		b.fold(now, fx)
	case phaseAsking:
		b.maybeRegister(now, fx)
	case phaseOpening:
		b.openMore(now, fx)
	case phaseStopping:
		b.stopOn(fx)
	case phaseNew, phaseReady, phaseStopped, phaseDead:
	}
}

// maybeLead: the vote is on the disk. The leader's first entry is a LeaderChange batch of its own epoch.
func (b *Broker) maybeLead(now seam.Now, fx *seam.Effects) {
	if b.voteGoal == 0 {
		return
	}
	if f := b.quorumFile.Fault(); f != seam.OK {
		b.fail(0, f, fx)
		return
	}
	if b.quorumFile.Settled() < b.voteGoal {
		return
	}
	p := b.boot.partition
	b.voteGoal = 0
	if !b.quorum.Persisted(p.replica.Log.Next()) {
		return
	}
	p.replica.BecomeLeader(b.quorum.Epoch())
	p.epochs.Offer(p.replica.Log.Epochs.Encode(), fx)
	var builder batch.Builder
	message := leaderChange(b.quorum.LeaderChange())
	view := builder.BuildLeaderChange(int64(now.Wall), &message)
	p.replica.Append(now, nobodysTicket(), view, fx)
	b.boot.foldTo = p.replica.Log.Next()
	b.touch(p)
	b.phase = phaseFolding
}

// fold reads the committed part of the metadata log, piece by piece, and folds it.
func (b *Broker) fold(now seam.Now, fx *seam.Effects) {
	high := b.boot.partition.replica.High()
	if b.quorum.HighWatermark([]int64{high.Offset}) < b.boot.foldTo || b.boot.opFold != 0 {
		return
	}
	if b.boot.folded == b.boot.foldTo {
		b.askAll()
		return
	}
	b.readOn(high, fx)
}

// askAll asks the folders whose they are that may be homes of partitions which are said to lie elsewhere.
func (b *Broker) askAll() {
	b.phase = phaseAsking
	for i := range b.dirs {
		folders := b.dirs[i].folders.Keys()
		b.turns.put(b.turns.each(len(folders), func(j int, _ seam.Now, fx *seam.Effects) {
			b.maybeAsk(seam.Path{Dir: int32(i), Name: folders[j]}, fx)
		}))
	}
}

func (b *Broker) maybeAsk(folder seam.Path, fx *seam.Effects) {
	name, index, ok := parseFolder(folder.Name)
	t := b.image.Topic(name)
	if !ok || t == nil || int(index) >= len(t.Partitions) || b.dirs[folder.Dir].failed != seam.OK || b.phase != phaseAsking {
		return
	}
	if _, settled := b.said(folder.Name, &t.Partitions[index]); settled {
		return
	}
	if identity, known := b.identityOf(folder); known {
		b.load("whose", identity, fx)
	}
}

func (b *Broker) maybeRegister(now seam.Now, fx *seam.Effects) {
	if len(b.boot.pending) == 0 && b.turns.later.Len() == 0 {
		b.register(now, fx)
	}
}

// readOn asks for the next piece of the metadata log, up to an end.
func (b *Broker) readOn(end log.Mark, fx *seam.Effects) {
	l := b.boot.partition.replica.Log
	b.boot.folded = max(b.boot.folded, l.Start())
	cursor, next, want := l.Find(b.boot.folded)
	if next == log.Unreadable && b.phase == phaseReading { // its files are being opened
		if l.Broken() || !l.Opening() { // or have been, and this one could not be
			b.fail(0, seam.IOError, fx)
		}
		return
	}
	b.boot.readAt, b.boot.readTo = cursor, end
	b.foldRead(next, want, fx)
}

func (b *Broker) foldRead(next log.Next, want log.Want, fx *seam.Effects) {
	if next == log.Found {
		span, _ := b.boot.partition.replica.Log.Plan(b.boot.readAt, b.boot.readTo, 1<<20, true)
		want = log.Want{File: span.File, At: span.At, Len: span.Len}
	}
	b.boot.opFold = b.numbers.Op()
	b.boot.next = next
	fx.Reads = append(fx.Reads, seam.Read{Op: b.boot.opFold, File: want.File, At: want.At, Len: want.Len})
}

func (b *Broker) foldLoaded(now seam.Now, in *seam.Loaded, fx *seam.Effects) {
	b.boot.opFold = 0
	l := b.boot.partition.replica.Log
	if in.Fault != seam.OK {
		b.fail(0, in.Fault, fx)
		return
	}
	if b.boot.next != log.Found {
		cursor, next, want := l.Loaded(b.boot.readAt, b.boot.next, in)
		b.boot.readAt = cursor
		b.foldRead(next, want, fx)
		return
	}
	for data := in.Data; ; {
		view, rest, whole := batch.Next(data)
		if !whole {
			break
		}
		if !b.foldBatch(view) {
			b.failFor(RecordsForeign, fx)
			return
		}
		data = rest
	}
}

// note keeps what tells a folder that a deletion has left from one of which the metadata log has lost the record.
func (b *Broker) note(record meta.Record) {
	switch r := record.(type) {
	case *meta.PartitionRecord:
		b.boot.named[folderName(b.image.TopicByID(r.TopicID).Name, r.PartitionID)] = true
	case *meta.RemoveTopicRecord:
		b.boot.removed[r.TopicID.String()] = true
	}
}

// foldBatch folds one batch into the Image, or into the one that is not kept, unless it says what is not understood.
func (b *Broker) foldBatch(view batch.View) (understood bool) {
	if view.BaseOffset() < b.boot.folded {
		return true
	}
	b.boot.folded = view.LastOffset() + 1
	image := b.image
	if b.boot.image != nil {
		image = b.boot.image
	}
	if view.IsControl() {
		image.Skip(view.LastOffset(), view.LeaderEpoch())
		return true
	}
	records := batch.Read(view, batch.Limits{}, nil)
	var r batch.Record
	read := 0
	for ; records.Next(&r); read++ {
		record, err := meta.Parse(r.Value)
		if err != nil {
			return false
		}
		image.Replay(view.BaseOffset()+int64(r.OffsetDelta), view.LeaderEpoch(), record)
		if image == b.image {
			b.note(record)
		}
	}
	return read == int(view.Count())
}
