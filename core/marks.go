package core

import (
	"slices"

	"rookery/core/meta"
	"rookery/core/seam"
)

// How far a log is durable, where it begins and how far it is compacted stand in its directory's checkpoints, and nowhere else.
// A log of which they say nothing is new: if its first segment is missing, that was never durable, and nobody was told of what
// is left. So there have to be checkpoints before there is a log, and a log that comes from elsewhere needs a line in them
// before the metadata says that it lies here.

// marked says which checkpoints a directory had at the start, that could be read.
type marked struct{ points, starts bool }

func (d *directory) unmarked() bool { return d.marked != marked{true, true} }

// readMarks takes what is known of a partition's log before it is recovered. Of one that was found elsewhere than the metadata
// says, or may lie in a directory that is not there, it is known where the metadata says: its lines stay there until that says otherwise.
func (b *Broker) readMarks(p *partition, image *meta.Partition) {
	id, here, said := image.Directory(b.config.NodeID), p.folder.Dir, nowhere
	if id != (meta.UUID{}) { // nor has a directory an id that could not be read
		said = int32(slices.Index(b.config.DirectoryIDs, id))
	}
	if said != here {
		p.left = said
	}
	if !b.dead(p) {
		if d := &b.dirs[here]; said != here { // a log that comes from elsewhere is none that has lost its head
			d.found, p.unsaid = append(d.found, p), true
		}
	}
	known := said
	if said == nowhere {
		known = here
	}
	if known == nowhere {
		return
	}
	d := &b.dirs[known]
	p.point, p.startGoal = d.points[p.name()][p.index], d.startsAt[p.name()][p.index]
	if line, lined := d.cleaned.at[p.name()][p.index]; lined {
		p.cleaned.upTo, p.cleaned.onDisk = line, known == here
	}
}

// notSaid: the metadata has taken no record of where a partition was found. It is told again with the next checkpoint, and nobody waits
// for what may not come for long.
func (b *Broker) notSaid(p *partition, fx *seam.Effects) {
	if p.state == partitionOpen {
		b.startRefused(p, fx)
	}
	d := &b.dirs[p.folder.Dir]
	d.found = append(d.found, p)
}

// hasLine says whether a directory's checkpoints speak of a partition: it lies there, or the metadata still says so, or is about to.
// Of one that goes they say nothing.
func (b *Broker) hasLine(d *directory, p *partition) bool {
	return p.topic != nil && (p.folder.Dir == d.number || p.left == d.number || b.notedIn(d.number, p)) && p.state != partitionDoomed && p.state != partitionRenaming
}

// mark writes the checkpoints that a directory lacks, or that lack what was found there. Before the broker is ready not all is
// known that they have to say.
func (b *Broker) mark(d *directory, fx *seam.Effects) {
	if b.phase != phaseReady || d.failed != seam.OK || d.marking && (d.recovery.Busy() || d.starts.due || d.starts.file.Busy()) || !d.unmarked() && len(d.found) == 0 {
		return
	}
	d.marking, d.starts.due = true, true
	b.checkpointPoints(d, true, fx)
	if len(d.found) > 0 {
		b.offerCleaned(d, fx)
	}
}

// marksWritten: the directory's checkpoints are on the disk, and speak of all its logs.
func (b *Broker) marksWritten(now seam.Now, d *directory, fx *seam.Effects) {
	d.marking, d.marked = false, marked{true, true}
	if b.phase != phaseReady { // the next start finds them as this one did; it does, too, if the record is refused
		return
	}
	found := d.found
	d.found = nil
	b.turns.put(b.turns.each(len(found), func(i int, now seam.Now, fx *seam.Effects) {
		p := found[i]
		if b.phase != phaseReady || p.topic.gone || p.state != partitionOpen && p.state != partitionRecovering {
			return
		}
		records := b.controller.AssignReplica(b.config.NodeID, p.id, p.index, b.config.DirectoryIDs[d.number], false)
		if p.state == partitionRecovering || len(records) == 0 || !b.propose(now, &proposal{records: records, kind: proposedFound, found: p}, fx) {
			b.notSaid(p, fx) // if no deletion of its topic that is on its way is before it
		}
	}))
}
