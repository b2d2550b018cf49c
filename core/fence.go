package core

import (
	"slices"

	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/must"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A directory whose disk has failed is fenced: nothing of it is acknowledged any more, whatever comes back, its partitions
// answer KAFKA_STORAGE_ERROR, and the others go on. Its files stay as they are for the next start. The first directory has
// the metadata log; with it the broker ends.
//
//	a fault ─▶ d.failed ─▶ partition by partition: whoever waits is told ─▶ the controller takes the leaderships away
//
// A fault is a Sync's, whatever it says (the kernel has marked the lost pages clean), and an IOError or Late of anything that
// writes, but for what a start removes: somebody else's files may lie there. A disk without space has not failed, nor has one that
// cannot read a block.

// fail ends the broker if the directory is the first, and fences any other.
func (b *Broker) fail(dir int32, fault seam.Fault, fx *seam.Effects) {
	if dir != 0 {
		b.fence(&b.dirs[dir], fault, fx)
		return
	}
	b.phase = phaseDead
	fx.Events = append(fx.Events, seam.Event{Kind: seam.DirFailed, Text: fault.String()})
}

// maybeFail looks at what a write, or an operation on names, of a directory came back with. In the first one a log goes on
// after a failed write, which is cut off.
func (b *Broker) maybeFail(dir int32, fault seam.Fault, fx *seam.Effects) {
	if dir > 0 && (fault == seam.IOError || fault == seam.Late) {
		b.fence(&b.dirs[dir], fault, fx)
	}
}

func (b *Broker) fence(d *directory, fault seam.Fault, fx *seam.Effects) {
	if d.failed != seam.OK {
		return
	}
	d.failed = fault
	d.starts.due = false
	for d.queue.Len() > 0 {
		d.queue.Pop().queued = false
	}
	lost := 0
	for p := range b.partitions.All() {
		if p.folder.Dir == d.number {
			lost++
		}
	}
	fx.Events = append(fx.Events, seam.Event{Kind: seam.DirFenced, A: int64(d.number), B: int64(lost), Text: fault.String()})
	b.turns.put(b.eachPartition(func(p *partition, fx *seam.Effects) {
		if p.folder.Dir == d.number {
			b.failPartition(p, fx)
		}
	}))
	b.openBlocked(d) // those that were found in another directory
	gone := slices.Concat(d.syncingRenames, d.renamed, d.unrenamed)
	d.syncingRenames, d.renamed, d.unrenamed = nil, nil, nil
	b.turns.put(b.turns.each(len(gone), func(i int, _ seam.Now, fx *seam.Effects) { b.forsake(gone[i].partition, fx) }))
	b.callOffTo(d.number, fx)
	b.resign()
}

// resign has the controller take the leaderships away, as soon as there is one that takes records. A start announces the
// directories that it has.
func (b *Broker) resign() {
	if b.phase < phaseOpening {
		return
	}
	const changesMax = 1000
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		if b.phase >= phaseStopping {
			return true
		}
		records := b.controller.LogDirsFailed(b.config.NodeID, b.failedDirs(), b.elsewhere, changesMax)
		if len(records) == 0 {
			return true
		}
		if !b.propose(now, &proposal{records: records}, fx) {
			return true // with the next checkpoint
		}
		return false
	})
}

// failedDirs are the ids of all that are out of service: what was found in this one may be said to lie in one that failed before.
func (b *Broker) failedDirs() (ids []meta.UUID) {
	for i := range b.dirs {
		if id := b.config.DirectoryIDs[i]; b.dirs[i].failed != seam.OK && id != (meta.UUID{}) {
			ids = append(ids, id)
		}
	}
	return ids
}

// elsewhere says of a partition that does not lie where the metadata says whether its directory has failed, or is not there. It is not
// known of one that is out of service for another reason.
func (b *Broker) elsewhere(topic meta.UUID, index int32) (lost, known bool) {
	t := b.topicIDs[topic]
	if t == nil || int(index) >= len(t.partitions) {
		return false, false
	}
	p := t.partitions[index]
	lost = b.dead(p)
	return lost, (p.unsaid || p.left != nowhere) && (lost || p.state != partitionFailed)
}

// dead says whether a partition's directory has failed, or is not there at all.
func (b *Broker) dead(p *partition) bool {
	return p.folder.Dir == nowhere || b.dirs[p.folder.Dir].failed != seam.OK
}

// failPartition takes a partition out of service whose directory has failed. What is under way for it may still come back.
func (b *Broker) failPartition(p *partition, fx *seam.Effects) {
	must.Be(p.number != metadataNumber, "T3: the directory of the metadata log is not fenced: the broker ends")
	if p.replica != nil {
		p.replica.Condemn(wire.KafkaStorageError, seam.IOError)
	}
	b.touch(p)
	if p.state != partitionOpen && p.state != partitionRecovering {
		return
	}
	p.state = partitionFailed
	b.stay(p, fx)
	b.refuseDeletions(p, wire.KafkaStorageError, fx)
	if p.coordinator != nil {
		b.coordinatorGone(p.coordinator, fx)
	}
	b.made(p, fx)
	b.wake(p)
}

// forsake ends the deletion of a partition whose folder cannot be renamed for good: the metadata does not know it any more,
// and the next start that finds the folder removes it.
func (b *Broker) forsake(p *partition, fx *seam.Effects) {
	b.settled(p.deletion, fx)
	b.partitions.Delete(p.number)
}

// directoryOf is the directory that an operation of the broker's own is about.
func (b *Broker) directoryOf(op seam.Op) int32 {
	if p, ok := b.boot.pending[op]; ok {
		if p.what == "remove" { // somebody else's files may lie there, which says nothing of the disk
			return 0
		}
		return p.dir
	}
	for i := range b.dirs {
		d := &b.dirs[i]
		for _, r := range [...]*log.Replacement{&d.recovery, &d.high, &d.starts.file, &d.cleaned.file, &d.marker} {
			if r.Awaits(op) {
				return d.number
			}
		}
		if d.opRenames == op {
			return d.number
		}
	}
	if m := b.moves.now; m != nil && m.op == op {
		return m.to
	}
	if r := b.removals[op]; r != nil {
		return r.partition.folder.Dir
	}
	if a, known := b.asides[op]; known {
		return a.to.Dir
	}
	return 0
}

// offlineReplicas are those of a partition that nobody can reach (KIP-112).
func (b *Broker) offlineReplicas(p *meta.Partition) []int32 {
	offline := []int32{}
	for _, id := range p.Replicas {
		broker := b.image.Broker(id)
		if broker == nil || broker.Fenced || !broker.HasDirectory(p.Directory(id)) {
			offline = append(offline, id)
		}
	}
	return offline
}

// home is where a partition lives: in the directory that the metadata says, if its folder is there or is to be made. At a
// start it may be found in another one, where somebody has moved it by hand, or an earlier release has put it, be that out of service
// by now; but never while its own is missing, for what is found then may be older than what is missed. Where it is not found at all it
// may lie in one that could not be looked into, and nothing is made in its place (Kafka does the same).
func (b *Broker) home(topic string, p *meta.Partition) seam.Path {
	name := folderName(topic, p.ID)
	said, settled := b.said(name, p)
	if settled {
		return seam.Path{Dir: said, Name: name}
	}
	at := nowhere
	for i := range b.dirs {
		switch {
		case !b.holds(seam.Path{Dir: int32(i), Name: name}):
		case at != nowhere:
			return seam.Path{Dir: nowhere, Name: name} // Kafka does not start then; which of them it is nobody can know
		default:
			at = int32(i)
		}
	}
	if at == nowhere {
		at = said
		if unseen := slices.IndexFunc(b.dirs, func(d directory) bool { return d.unseen }); unseen >= 0 {
			at = int32(unseen)
		}
	}
	return seam.Path{Dir: at, Name: name}
}

// said is the directory that the metadata says, and whether that settles it: a folder in another one may be the partition's if not.
func (b *Broker) said(name string, p *meta.Partition) (dir int32, settled bool) {
	id := p.Directory(b.config.NodeID)
	if id == (meta.UUID{}) {
		return 0, false
	}
	dir = int32(slices.Index(b.config.DirectoryIDs, id))
	return dir, dir == nowhere || b.dirs[dir].failed != seam.OK || b.holds(seam.Path{Dir: dir, Name: name})
}

// nowhere is the place of a partition that is in none of the directories that are here, or in more than one.
const nowhere int32 = -1

// holds says whether there was a folder at the start that may be a home: one in which there is nothing was never made to its end, or
// its files were carried elsewhere. Once the broker is ready nobody asks what was.
func (b *Broker) holds(folder seam.Path) bool {
	_, known := b.identityOf(folder)
	return (known || b.holdsBatches(folder) || b.holdsForeign(folder)) && !b.boot.left[folder]
}

func (b *Broker) whyDead(p *partition, said *meta.Partition) string {
	switch id := said.Directory(b.config.NodeID); {
	case p.folder.Dir != nowhere && b.config.DirectoryIDs[p.folder.Dir] == id:
		return "its log directory is out of service"
	case p.folder.Dir != nowhere:
		return "it does not lie in the log directory that the metadata says, and one that has it, or may have it, is out of service"
	case id != meta.UUID{} && !slices.Contains(b.config.DirectoryIDs, id):
		return "it lies in the log directory " + id.String() + ", which is not here"
	}
	return "more than one log directory holds it, and the metadata does not say which counts"
}
