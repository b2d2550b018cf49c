package core

import (
	"strconv"
	"strings"

	"rookery/core/controller"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/producer"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// metadataNumber is the number of the metadata log's partition.
const metadataNumber uint32 = 1

// topic is what the hot paths need of a topic of the Image.
type topic struct {
	name       string
	bytes      []byte
	internal   bool // its records are the broker's own
	id         meta.UUID
	config     controller.TopicConfig
	partitions []*partition // those that live here, by index
	gone       bool         // the Image does not have it any more
}

type partitionState uint8

const (
	partitionRecovering partitionState = iota
	partitionOpen
	partitionFailed // its folder cannot be used
	partitionDoomed // deleted: nothing new is planned
	partitionRenaming
)

// partition is one partition that lives on this broker.
type partition struct {
	number   uint32
	topic    *topic // nil: the metadata log
	index    int32
	id       meta.UUID
	traffic  Traffic
	folder   seam.Path
	state    partitionState
	replica  *replica.Replica
	waiters  []waiter // parked fetches
	seen     int64    // the high watermark when waiters were last woken
	point    int64    // recovery point at the start, until the log is there
	left     int32    // the directory where it lies by the metadata, while that is another one: its checkpoints keep their lines of it; else nowhere
	unsaid   bool     // the metadata does not say yet that it lies here: it is not moved, nor compacted, and begins where it does
	unsynced int64    // bytes counted in the directory's sum
	begun    bool     // a new one: its folder is being made
	touched  bool
	queued   bool            // for a Sync
	epochs   log.Replacement // leader-epoch-checkpoint
	identity log.Replacement // partition.metadata
	side     log.Numbers     // of those two
	reads    int             // of fetches, searches and folds, under way
	folding  int             // those of folds, which go by file: none of the log's is unlinked meanwhile
	deletion *proposal       // waits for the folder to be gone
	creation *proposal       // waits for the folder to be made

	cleaned   cleaned
	safePoint int64     // recovery point on the disk
	startWish int64     // where the log is to begin, once its producers are safe
	startGoal int64     // where it is to begin: on the disk already, or on its way there
	deletions []awaited // of records, that wait for the log to begin there
	closing   bool      // more segments are full than one Step may close
	aging     bool      // a search for a segment's age is under way
	trimmed   bool      // in Broker.trimmed
	move      *move     // to another log directory
	opening   bool      // it has moved, and its files are not open yet
	leaving   string    // it has moved away: by this its folder is told from those that it left before
	stays     bool      // its folder does not go

	coordinator *coordinator // nil: it is none of an internal topic
}

func (p *partition) name() string {
	if p.topic == nil {
		return metadataTopic
	}
	return p.topic.name
}

const metadataTopic = "__cluster_metadata"

// newPartition gives a partition a number, under which its completions come back.
func (b *Broker) newPartition(t *topic, index int32, folder seam.Path) *partition {
	p := &partition{topic: t, index: index, folder: folder, left: nowhere, cleaned: cleaned{upTo: -1}}
	b.partitions.Add(p)
	p.side = log.Numbers{Owner: p.number, Files: &b.files, Side: true}
	p.epochs = log.Replacement{Path: seam.Path{Dir: folder.Dir, Name: folder.Name + "/leader-epoch-checkpoint"}, Numbers: &p.side}
	p.identity = log.Replacement{Path: seam.Path{Dir: folder.Dir, Name: folder.Name + "/" + log.IdentityFile}, Durable: true, Numbers: &p.side}
	return p
}

// eachPartition makes a turn of a loop over all that there are now and that are not gone when their turn comes.
func (b *Broker) eachPartition(do func(p *partition, fx *seam.Effects)) turn {
	next, last := uint32(1), b.partitions.last
	return func(_ seam.Now, fx *seam.Effects) bool {
		for {
			number, more := b.partitions.Ceiling(next)
			if !more || number > last {
				return true
			}
			if !b.turns.take() {
				return false
			}
			do(b.partitions.At(number), fx)
			next = number + 1
		}
	}
}

func (b *Broker) logNumbers(p *partition) log.Numbers {
	return log.Numbers{Owner: p.number, Files: &b.files}
}

// folderName is what a partition's folder is called.
func folderName(topic string, index int32) string { return topic + "-" + decimal(int64(index)) }

// metadataFolder is where the metadata log lies: in the first log directory.
func metadataFolder() seam.Path { return seam.Path{Name: folderName(metadataTopic, 0)} }

// find is the partition that a request names, or why it cannot be served.
func (b *Broker) find(name []byte, id [16]byte, index int32, byID bool) (*topic, *partition, wire.Code) {
	t := b.topics[string(name)]
	if byID {
		t = b.topicIDs[id]
	}
	switch {
	case t == nil && byID:
		return nil, nil, wire.UnknownTopicID
	case t == nil:
		return nil, nil, wire.UnknownTopicOrPartition
	case index < 0 || int(index) >= len(t.partitions):
		return t, nil, wire.UnknownTopicOrPartition
	}
	p := t.partitions[index]
	if b.dead(p) && p.state != partitionDoomed && p.state != partitionRenaming {
		return t, p, wire.KafkaStorageError
	}
	switch p.state {
	case partitionOpen:
		return t, p, wire.None
	case partitionFailed:
		return t, p, wire.KafkaStorageError
	case partitionRecovering, partitionDoomed, partitionRenaming:
	}
	return t, p, wire.NotLeaderOrFollower
}

func (b *Broker) logConfig(c *controller.TopicConfig) log.Config {
	if c.Compact && c.MaxCompactionLagMillis < c.SegmentMillis { // what is in the active segment is never compacted
		copied := *c
		c = &copied
		c.SegmentMillis = c.MaxCompactionLagMillis
	}
	return log.Config{
		SegmentBytes: int64(c.SegmentBytes), SegmentMillis: c.SegmentMillis,
		IndexBytes: c.SegmentIndexBytes, IndexIntervalBytes: c.IndexIntervalBytes,
	}
}

// enrol takes a topic of the Image into service: its name is known, its partitions follow.
func (b *Broker) enrol(image *meta.Topic) *topic {
	t := &topic{name: image.Name, bytes: []byte(image.Name), internal: controller.Internal(image.Name), id: image.ID}
	b.topics[t.name], b.topicIDs[t.id] = t, t
	return t
}

// makePartition adds the next partition to a topic.
func (b *Broker) makePartition(t *topic, image *meta.Topic, i int) *partition {
	if i == 0 {
		b.resolve(t, image)
	}
	p := b.newPartition(t, image.Partitions[i].ID, b.home(t.name, &image.Partitions[i]))
	if p.id = t.id; b.dead(p) {
		p.state = partitionFailed
	}
	t.partitions = append(t.partitions, p)
	return p
}

// openNew makes a partition that has no folder. It waits while a deleted one still has its name, or the copy of one that was
// moving, or somebody's that is set aside, or while the checkpoint may still have that one's recovery point: after a crash the new folder would be held to it. And it
// waits for its directory to have checkpoints (marks.go).
func (b *Broker) openNew(p *partition, fx *seam.Effects) {
	if b.phase >= phaseStopping || p.topic.gone || p.state == partitionFailed || b.dead(p) { // the Image has it: the next start makes it; or it does not any more
		b.made(p, fx)
		return
	}
	if p.left != nowhere && b.dirs[p.left].failed != seam.OK { // what that says of the one that is gone stays; and the next start makes nothing beside what is missing
		p.state = partitionFailed
		b.made(p, fx)
		b.resign()
		return
	}
	p.point, p.startGoal, p.startWish, p.safePoint, p.cleaned = 0, 0, 0, 0, cleaned{upTo: -1}
	if b.doomed[p.folder] > 0 || b.copyIsAt(p.folder) {
		return
	}
	if b.dirs[p.folder.Dir].kept[p.folder.Name] {
		b.setAside(p, fx)
		return
	}
	for _, dir := range [...]int32{p.left, p.folder.Dir} { // of one that was found elsewhere a start believes what it has left
		if dir == nowhere {
			continue
		}
		d := &b.dirs[dir]
		if !d.unmarked() && !d.pointed[p.folder.Name] {
			continue
		}
		switch d.blocked = append(d.blocked, p); {
		case d.unmarked():
			b.mark(d, fx)
		case len(d.blocked) == 1 || !d.checkpointing(): // the first has asked, unless it waits for something else
			d.starts.due = true
			b.unlineCleaned(d, fx)
			b.checkpointPoints(d, true, fx)
		}
		return
	}
	p.begun = true
	p.identity.Offer(encodeIdentity(p.id), fx)
}

// maybeIdentified goes on with a new partition when its partition.metadata is durable: a folder without it has never
// taken a batch, and the next start may take it for what a deletion left.
func (b *Broker) maybeIdentified(now seam.Now, p *partition, fx *seam.Effects) {
	if !p.begun || p.replica != nil || p.state != partitionRecovering || p.identity.Busy() || p.topic.gone {
		return
	}
	if p.identity.Settled() == 0 {
		b.made(p, fx) // it failed, and is tried again with the next checkpoint
		return
	}
	l := log.New(p.name(), p.index, p.folder, b.logConfig(&p.topic.config), b.logNumbers(p))
	l.Create(now, fx)
	b.serve(p, l, producer.New(), b.epochOf(p), fx)
	b.made(p, fx)
}

// made: whoever asked for the partition need not wait for it any more.
func (b *Broker) made(p *partition, fx *seam.Effects) {
	if q := p.creation; q != nil {
		p.creation = nil
		b.settled(q, fx)
	}
}

// serve begins to lead a partition.
func (b *Broker) serve(p *partition, l *log.Log, producers *producer.State, epoch int32, fx *seam.Effects) {
	p.replica = replica.New(l, producers, 1)
	if p.topic != nil {
		p.replica.Configure(p.topic.config.FlushMessages, p.topic.config.FlushMillis)
	}
	p.replica.BecomeLeader(epoch)
	p.state, p.seen = partitionOpen, p.replica.High().Offset
	b.coordinate(p)
	p.startGoal = max(p.startGoal, l.Start())
	p.epochs.Offer(l.Epochs.Encode(), fx)
	fx.Events = append(fx.Events,
		seam.Event{Kind: seam.PartitionOpened, Topic: p.name(), Partition: p.index, A: l.Start(), B: l.End().Offset},
		seam.Event{Kind: seam.EpochStarted, Topic: p.name(), Partition: p.index, A: int64(epoch), B: l.End().Offset})
	b.touch(p)
}

// encodeIdentity is a partition.metadata file.
func encodeIdentity(id meta.UUID) []byte {
	return []byte("version: 0\ntopic_id: " + id.String() + "\n")
}

// wrote takes a completion of the partition's log or of its side files.
func (b *Broker) wrote(p *partition, in *seam.Wrote, fx *seam.Effects) {
	switch {
	case log.SideOp(in.Op):
		_ = p.epochs.Wrote(in, fx) || p.identity.Wrote(in, fx)
	case p.replica.Wrote(in, b.take, fx) && !p.closing:
		b.closeOn(p)
	}
}

// closeOn closes the segments that are full, in turns, and makes indexes anew that readers found wrong.
func (b *Broker) closeOn(p *partition) {
	p.closing = true
	b.turns.put(func(_ seam.Now, fx *seam.Effects) bool {
		b.touch(p)
		p.closing = p.replica.GoOn(b.take, fx)
		return !p.closing
	})
}

// healed takes a piece of a segment whose index is made again, and asks for the next.
func (b *Broker) healed(p *partition, in *seam.Loaded, fx *seam.Effects) bool {
	more, mine := p.replica.Log.Healed(in)
	if !mine {
		return false
	}
	b.touch(p)
	if more && b.phase == phaseReady && p.state == partitionOpen {
		p.replica.Log.Heal(fx)
		if !p.closing && !p.replica.Log.Settled() {
			b.closeOn(p)
		}
	}
	return true
}

// epochOf is the leader epoch that the Image grants this broker.
func (b *Broker) epochOf(p *partition) int32 {
	return b.image.TopicByID(p.id).Partition(p.index).LeaderEpoch
}

// doom begins the end of a topic: nothing new finds it, and partition by partition everybody who waits is told.
func (b *Broker) doom(t *topic, why *proposal) {
	t.gone = true
	delete(b.topics, t.name)
	delete(b.topicIDs, t.id)
	why.open++
	i := 0
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		for ; i < len(t.partitions); i++ { // all of them are made: what makes them was put first
			if !b.turns.take() {
				return false
			}
			b.doomPartition(t.partitions[i], why, fx)
		}
		fx.Events = append(fx.Events, seam.Event{Kind: seam.TopicDeleted, Topic: t.name})
		b.forgetOffsets()
		b.settled(why, fx)
		return true
	})
}

func (b *Broker) doomPartition(p *partition, why *proposal, fx *seam.Effects) {
	b.made(p, fx)
	b.stay(p, fx)
	if p.folder.Dir == nowhere || p.state == partitionRecovering && !p.begun && !p.opening { // its folder is who knows where, or it still waited for its name: there is no folder of its own
		p.state = partitionDoomed
		b.partitions.Delete(p.number)
		return
	}
	b.doomed[p.folder]++
	p.deletion = why
	why.open++
	p.state = partitionDoomed
	b.stopCleaning(p, fx)
	if p.replica != nil {
		p.replica.Abandon(wire.UnknownTopicOrPartition)
		p.replica.Log.Silence()
		b.refuseDeletions(p, wire.UnknownTopicOrPartition, fx)
	}
	if p.coordinator != nil {
		b.coordinatorGone(p.coordinator, fx)
	}
	b.wake(p)
	b.touch(p)
	if p.replica == nil {
		b.maybeRemoved(p, fx)
	}
}

// maybeRemoved moves a doomed partition on: when nothing of it is under way its folder is renamed, and when that is
// durable the folder is removed and the deletion is answered.
func (b *Broker) maybeRemoved(p *partition, fx *seam.Effects) {
	if p.state != partitionDoomed || b.busy(p) {
		return
	}
	p.state = partitionRenaming
	if b.dead(p) || p.stays {
		b.vacated(p, fx)
		b.forsake(p, fx)
		return
	}
	b.doomedRename(p, fx)
}

func (b *Broker) busy(p *partition) bool {
	return b.moving(p) || p.reads > 0 || p.closing || p.cleaned.cleaner != 0 || p.epochs.Busy() || p.identity.Busy() || p.replica != nil && p.replica.Log.Busy()
}

// doomedPath is Kafka's name of a folder that is being deleted. A partition that has moved may have left one in the same
// directory before, which is not removed yet: the name of each of those is its move's.
func (p *partition) doomedPath() seam.Path {
	if p.leaving != "" {
		return p.elsewhere(p.leaving, doomedSuffix)
	}
	return p.elsewhere(p.id.String(), doomedSuffix)
}

const nameMax = 255 // of most file systems

// elsewhere is where a partition's folder goes: FOLDER.UNIQUE-suffix, as much of the topic's name as there is room for.
func (p *partition) elsewhere(unique, suffix string) seam.Path {
	suffix = "-" + decimal(int64(p.index)) + "." + unique + suffix
	name := p.topic.name
	return seam.Path{Dir: p.folder.Dir, Name: name[:min(len(name), nameMax-len(suffix))] + suffix}
}

const doomedSuffix = "-delete"

// isDoomed says whether a folder's name is one that doomedPath gives, or Kafka.
func isDoomed(name string) bool {
	_, _, doomed := cutUnique(name, doomedSuffix)
	return doomed
}

// cutUnique is the partition's folder in a name of doomedPath or futureName, or in one of Kafka's: FOLDER.ID-suffix, where the id is
// a topic's, or 32 digits.
func cutUnique(name, suffix string) (folder, unique string, ok bool) {
	name, ok = strings.CutSuffix(name, suffix)
	at := max(strings.LastIndexByte(name, '.'), 0)
	folder, unique = name[:at], strings.TrimPrefix(name[at:], ".")
	_, _, isFolder := parseFolder(folder)
	isID := (len(unique) == meta.UUIDLetters || len(unique) == uniqueLength) && strings.Trim(unique, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
	return folder, unique, ok && isFolder && isID
}

func (b *Broker) doomedRename(p *partition, fx *seam.Effects) {
	b.rename(&removal{partition: p}, fx)
}

func (b *Broker) rename(r *removal, fx *seam.Effects) {
	op := b.numbers.Op()
	b.removals[op] = r
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Rename, Path: r.partition.folder, To: r.partition.doomedPath()})
}

// removal is a doomed folder on its way out. It is known by each Op that it waits for:
//
//	renamed ─▶ waits in the directory for a Sync ─▶ safe, its deletion is answered ─▶ its files unlinked ─▶ the folder removed
//	   └─▶ no space for the name ─▶ its deletion is answered, its files unlinked ─▶ renamed, now or with a later checkpoint
type removal struct {
	partition *partition
	unlinks   int  // under way, or waiting for their turn
	emptied   bool // its files went first. What a crash leaves then, with its partition.metadata, the next start finds to be nobody's
}

// removalWrote takes the completion of a rename or an unlink.
func (b *Broker) removalWrote(in *seam.Wrote, fx *seam.Effects) bool {
	r := b.removals[in.Op]
	if r == nil {
		return false
	}
	delete(b.removals, in.Op)
	if r.unlinks > 0 {
		if r.unlinks--; r.unlinks == 0 {
			b.unlinked(r, fx)
		}
		return true
	}
	d := &b.dirs[r.partition.folder.Dir]
	if in.Fault == seam.NoSpace && d.failed == seam.OK {
		b.unrenamed(d, r, fx)
		return true
	}
	if in.Fault != seam.OK && in.Fault != seam.NotFound {
		if b.fail(d.number, in.Fault, fx); b.phase == phaseDead {
			return true
		}
	}
	b.vacated(r.partition, fx)
	if d.failed != seam.OK {
		b.forsake(r.partition, fx)
		return true
	}
	d.renamed = append(d.renamed, r)
	b.syncRenames(d, fx)
	return true
}

// unrenamed: a disk that is full has no room for another name, and by the files there may be some. The metadata does not know the
// partition any more.
func (b *Broker) unrenamed(d *directory, r *removal, fx *seam.Effects) {
	if !r.emptied {
		r.emptied = true
		b.settled(r.partition.deletion, fx)
		r.partition.deletion = &proposal{kind: proposedBySelf, open: 1}
		if r.partition.replica != nil {
			b.unlinkFiles(r, fx)
			return
		}
	}
	d.unrenamed = append(d.unrenamed, r)
	if p := b.awaiting(r.partition, r.partition.folder); p != nil {
		b.made(p, fx) // when the name is free
	}
}

func (b *Broker) unlinked(r *removal, fx *seam.Effects) {
	if r.emptied {
		b.rename(r, fx)
		return
	}
	b.removeFolder(r, fx)
}

// vacated: the folder has its new name. Its old one is free, and the name's next owner can be made.
func (b *Broker) vacated(p *partition, fx *seam.Effects) {
	if b.doomed[p.folder]--; b.doomed[p.folder] == 0 {
		delete(b.doomed, p.folder)
		b.openWaiting(p, fx)
		b.maybeName(fx)
	}
}

// openWaiting makes the partition that waited for the name of a deleted one.
func (b *Broker) openWaiting(gone *partition, fx *seam.Effects) {
	if p := b.awaiting(gone, gone.folder); p != nil {
		b.openNew(p, fx)
	}
}

// awaiting is the partition that waits for a folder that a deleted one has, or a copy of it, nil if there is none.
func (b *Broker) awaiting(gone *partition, folder seam.Path) *partition {
	t := b.topics[gone.topic.name]
	if t == nil || int(gone.index) >= len(t.partitions) {
		return nil
	}
	if p := t.partitions[gone.index]; p.state == partitionRecovering && !p.begun && p.folder == folder {
		return p
	}
	return nil
}

func (b *Broker) syncRenames(d *directory, fx *seam.Effects) {
	if d.opRenames != 0 || len(d.renamed) == 0 {
		return
	}
	d.opRenames = b.numbers.Op()
	d.syncingRenames, d.renamed = d.renamed, nil
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: d.opRenames, Folder: seam.Path{Dir: d.number}})
}

// renamesSynced: what the sync covered cannot come back, so the deletions are answered.
func (b *Broker) renamesSynced(d *directory, fx *seam.Effects) {
	safe := d.syncingRenames
	d.opRenames, d.syncingRenames = 0, nil
	b.turns.put(b.turns.each(len(safe), func(i int, _ seam.Now, fx *seam.Effects) {
		if b.settled(safe[i].partition.deletion, fx); safe[i].emptied {
			b.removeFolder(safe[i], fx)
			return
		}
		b.unlinkFiles(safe[i], fx)
	}))
	b.syncRenames(d, fx)
}

// unlinkFiles unlinks a deleted partition's files, unless an answer names one of them that waits in its slot, or has just left
// it: of one Step's effects Files run first.
func (b *Broker) unlinkFiles(r *removal, fx *seam.Effects) {
	if r.partition.replica == nil {
		b.removeFolder(r, fx)
		return
	}
	files := r.partition.replica.Log.Files()
	for _, file := range files {
		if b.lent[file] > 0 {
			b.awaited[file] = r
			return
		}
		if named(file, fx) {
			b.unlent = append(b.unlent, r)
			return
		}
	}
	if r.unlinks = len(files); r.unlinks == 0 {
		b.unlinked(r, fx)
		return
	}
	b.turns.put(b.turns.each(len(files), func(i int, _ seam.Now, fx *seam.Effects) {
		op := b.numbers.Op()
		b.removals[op] = r
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Unlink, File: files[i]})
	}))
}

func (b *Broker) removeFolder(r *removal, fx *seam.Effects) {
	fx.Files = append(fx.Files, seam.FileOp{Op: b.numbers.Op(), Deed: seam.Remove, Path: r.partition.doomedPath()})
	b.partitions.Delete(r.partition.number)
}

// parseFolder splits "topic-3".
func parseFolder(name string) (topicName string, index int32, ok bool) {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '-' {
			n, err := strconv.ParseInt(name[i+1:], 10, 32)
			return name[:i], int32(n), err == nil && n >= 0
		}
	}
	return "", 0, false
}
