package core

import (
	"slices"

	"rookery/core/log"
	"rookery/core/ordered"
	"rookery/core/seam"
)

// directory is one log directory.
type directory struct {
	number                  int32
	failed                  seam.Fault                        // not OK: fenced
	folders                 ordered.Map[string, []seam.Entry] // what each folder held at the start
	unseen                  bool                              // it had failed before that was seen; false once the broker is ready
	kept                    map[string]bool                   // folders that are called like a partition's, and are none of a partition that is served
	clean                   bool                              // it was marked clean
	marked                  marked                            // which of its checkpoints were there
	marking                 bool                              // they are being written
	found                   []*partition                      // that lie here, and elsewhere by the metadata
	points                  map[string]map[int32]int64        // recovery points at the start
	unsynced                int64                             // bytes of durable topics in the page cache only
	syncing                 int                               // Syncs of logs under way
	queue                   ordered.Ring[*partition]          // those that want one
	pointed                 map[string]bool                   // partitions that the recovery points on the disk may speak of
	blocked                 []*partition                      // new ones that wait until they do not
	recovery                log.Replacement                   // recovery-point-offset-checkpoint
	high                    log.Replacement                   // replication-offset-checkpoint
	starts                  logStarts                         // log-start-offset-checkpoint
	startsAt                map[string]map[int32]int64        // log starts at the start
	cleaned                 cleanedLines                      // cleaner-offset-checkpoint
	marker                  log.Replacement                   // .kafka_cleanshutdown
	lastPoints, lastHigh    string                            // what the checkpoints say, the former from the start on
	renamed, syncingRenames []*removal                        // doomed folders: the Sync under way covers the latter
	opRenames               seam.Op
	unrenamed               []*removal // doomed folders: there was no room for the name
}

const (
	recoveryFile = "recovery-point-offset-checkpoint"
	highFile     = "replication-offset-checkpoint"
	cleanFile    = ".kafka_cleanshutdown"
)

func newDirectory(number int32, numbers *log.Numbers) directory {
	at := func(name string) seam.Path { return seam.Path{Dir: number, Name: name} }
	return directory{
		number:   number,
		pointed:  map[string]bool{},
		kept:     map[string]bool{},
		points:   map[string]map[int32]int64{},
		startsAt: map[string]map[int32]int64{},
		starts:   logStarts{file: log.Replacement{Path: at(startsFile), Durable: true, Numbers: numbers}},
		cleaned:  cleanedLines{file: log.Replacement{Path: at(cleanedFile), Durable: true, Numbers: numbers}, at: map[string]map[int32]int64{}},
		recovery: log.Replacement{Path: at(recoveryFile), Durable: true, Numbers: numbers},
		high:     log.Replacement{Path: at(highFile), Numbers: numbers},
		marker:   log.Replacement{Path: at(cleanFile), Durable: true, Numbers: numbers},
	}
}

// countUnsynced keeps the directory's sum of what is written and not synced.
func (b *Broker) countUnsynced(p *partition, fx *seam.Effects) {
	n := int64(0)
	if p.state == partitionOpen && p.replica.Durable() {
		n = p.replica.Log.Unsynced()
	}
	if n == p.unsynced {
		return
	}
	b.dirs[p.folder.Dir].unsynced += n - p.unsynced
	p.unsynced = n
	if b.hungry() {
		b.feed(fx)
	}
}

// wantSync gives a partition the Syncs that it wants, or queues it for when it is its turn. The metadata log has no turn:
// every administrator's answer waits for it, and behind ten thousand new partitions that is seconds.
func (b *Broker) wantSync(now seam.Now, p *partition, fx *seam.Effects) {
	if p.queued || p.replica == nil || b.dead(p) {
		return
	}
	if d := &b.dirs[p.folder.Dir]; p.number == metadataNumber || d.queue.Len() == 0 && d.syncing < b.config.SyncsMax {
		b.emitSyncs(now, d, p, fx)
	} else if p.wantsSync(now, b.phase) {
		p.queued = true
		d.queue.Push(p)
	}
}

// emitSyncs emits what the partition wants now, if anything.
func (b *Broker) emitSyncs(now seam.Now, d *directory, p *partition, fx *seam.Effects) {
	switch {
	case p.state != partitionOpen:
	case b.phase == phaseStopping:
		d.syncing += p.replica.Log.EmitSyncs(false, fx)
	default:
		d.syncing += p.replica.EmitSyncs(now.Mono, fx)
	}
}

// wantsSync: when the broker stops, everything is to reach the disk; what is deleted needs nothing more.
func (p *partition) wantsSync(now seam.Now, phase phase) bool {
	switch {
	case p.state != partitionOpen:
		return false
	case phase == phaseStopping:
		return p.replica.Log.SyncWanted()
	}
	return p.replica.SyncWanted(now.Mono)
}

// startSyncs emits Syncs while fewer than config.SyncsMax are under way in the directory: side by side they make many
// files durable in the time of a few.
func (b *Broker) startSyncs(now seam.Now, d *directory, fx *seam.Effects) {
	for d.syncing < b.config.SyncsMax && d.queue.Len() > 0 {
		p := d.queue.Pop()
		p.queued = false
		b.emitSyncs(now, d, p, fx)
	}
}

// checkpoints writes down, from time to time, how far each log is durable and each high watermark has come. Both only
// spare work after a start.
func (b *Broker) checkpoints(now seam.Now, fx *seam.Effects) {
	if b.phase != phaseReady || now.Mono < b.checkpointAt {
		return
	}
	b.checkpointAt = now.Mono + b.config.CheckpointEvery
	var unidentified, kept []*partition
	for p := range b.partitions.All() {
		if p.replica != nil {
			p.replica.Age(now.Mono)
		}
		b.wantSync(now, p, fx)
		if p.replica != nil && p.state == partitionOpen && p.replica.Log.Retry() {
			b.touch(p)
		}
		if p.replica != nil && p.state == partitionOpen {
			p.replica.Log.Heal(fx)
			if !b.removing && p.replica.Log.Kept() > 0 {
				kept = append(kept, p)
			}
		}
		if p.unidentified() {
			unidentified = append(unidentified, p)
		}
	}
	b.identify(unidentified)
	b.removeKept(kept)
	for i := range b.dirs {
		d := &b.dirs[i]
		if d.failed == seam.OK && d.isGone() {
			if b.fail(d.number, seam.NotFound, fx); b.phase == phaseDead {
				return
			}
		}
		if d.failed == seam.OK {
			b.checkpoint(d, fx)
		} else {
			b.resign() // what it proposed may have been lost
		}
	}
	b.maybeName(fx)
	if m := b.moves.now; m != nil {
		b.maybeAssign(now, &b.dirs[m.to], fx) // what it waited for may have failed
	}
	b.expireProducers(now, fx)
}

// unidentified: it is new, and its partition.metadata could not be written.
func (p *partition) unidentified() bool {
	return p.begun && p.replica == nil && p.state == partitionRecovering && !p.identity.Busy()
}

// identify tries again to write the partition.metadata of new partitions, in turns: a disk that was full refused them all.
func (b *Broker) identify(partitions []*partition) {
	if len(partitions) == 0 {
		return
	}
	b.turns.put(b.turns.each(len(partitions), func(i int, _ seam.Now, fx *seam.Effects) {
		if p := partitions[i]; p.unidentified() && !p.topic.gone && b.phase < phaseStopping {
			p.identity.Offer(encodeIdentity(p.id), fx)
		}
	}))
}

func (b *Broker) checkpoint(d *directory, fx *seam.Effects) {
	b.mark(d, fx)
	unrenamed := d.unrenamed
	d.unrenamed = nil
	b.turns.put(b.turns.each(len(unrenamed), func(i int, _ seam.Now, fx *seam.Effects) { b.rename(unrenamed[i], fx) }))
	b.checkpointPoints(d, (len(d.blocked) > 0 || d.recovery.Fault() != seam.OK) && !d.recovery.Busy(), fx)
	d.starts.due = d.starts.due || (len(d.blocked) > 0 || d.marking) && d.starts.file.Fault() != seam.OK
	if d.failed == seam.OK && !d.cleaned.file.Busy() && d.cleaned.file.Fault() != seam.OK {
		b.offerCleaned(d, fx)
	}
	_, high := b.offsetsIn(d.number)
	if text := log.EncodeOffsets(high); string(text) != d.lastHigh {
		d.lastHigh = string(text)
		d.high.Offer(text, fx)
	}
}

// checkpointPoints offers the recovery points, if they say something new or it is asked for. It returns what they are known by.
func (b *Broker) checkpointPoints(d *directory, anyway bool, fx *seam.Effects) (offered uint64) {
	points, _ := b.offsetsIn(d.number)
	text := log.EncodeOffsets(points)
	if string(text) == d.lastPoints && !anyway {
		return 0
	}
	d.lastPoints = string(text)
	for i := range points {
		if p := b.lined(d, &points[i]); p != nil && p.replica != nil {
			p.replica.Log.Offered(points[i].Offset)
		}
	}
	d.point(points)
	return d.recovery.Offer(text, fx)
}

// isGone says whether the directory was not there when one of its own files was to be written: somebody has removed it, or its disk. What
// is open in it can be written and synced still, and is lost.
func (d *directory) isGone() bool {
	for _, f := range [...]*log.Replacement{&d.recovery, &d.high, &d.starts.file, &d.cleaned.file} {
		if f.Homeless() {
			return true
		}
	}
	return false
}

// checkpointing says whether a checkpoint that speaks of partitions is being written, or is about to be.
func (d *directory) checkpointing() bool {
	return d.recovery.Busy() || d.cleaned.file.Busy() || d.starts.due || d.starts.file.Busy()
}

// checkpointFault is why the newest checkpoint could not be written.
func (d *directory) checkpointFault() seam.Fault {
	for _, f := range [...]*log.Replacement{&d.recovery, &d.starts.file, &d.cleaned.file} {
		if f.Fault() != seam.OK {
			return f.Fault()
		}
	}
	return seam.OK
}

// point notes that the checkpoint on the disk may speak of these, beside what it spoke of before.
func (d *directory) point(lines []log.PartitionOffset) {
	for _, x := range lines {
		d.pointed[folderName(x.Topic, x.Partition)] = true
	}
}

// pointsWritten: the newest recovery points and log starts are on the disk, and nothing else is. New partitions that an older
// checkpoint spoke of can be made. If one could not be written that is tried again, and nobody waits for it.
func (b *Broker) pointsWritten(now seam.Now, d *directory, fx *seam.Effects) {
	b.maybeAssign(now, d, fx)
	if d.failed == seam.OK && !d.recovery.Busy() && d.recovery.Fault() == seam.OK {
		b.noteSafePoints(d)
	}
	if d.failed != seam.OK || d.checkpointing() {
		return
	}
	if fault := d.checkpointFault(); fault != seam.OK {
		if m := b.moves.now; m != nil && m.to == d.number && m.stage == moveWaiting && d.pointed[m.home().Name] {
			b.failMove(fault, fx) // it is frozen
		}
		if d.marking && len(d.found) > 0 && d.starts.file.Fault() == seam.OK { // else it is seen to already
			b.turns.put(func(_ seam.Now, _ *seam.Effects) bool {
				if d.failed == seam.OK && !d.checkpointing() && !d.starts.applying {
					b.startsFailed(d, nil, fault == seam.NoSpace)
				}
				return true
			})
		}
		blocked := slices.Clone(d.blocked)
		b.turns.put(b.turns.each(len(blocked), func(i int, _ seam.Now, fx *seam.Effects) { b.made(blocked[i], fx) }))
		return
	}
	if clear(d.pointed); d.marking {
		b.marksWritten(now, d, fx)
	}
	d.point(d.starts.written)
	d.point(d.cleaned.written)
	lines, _ := log.ParsePartitionOffsets([]byte(d.lastPoints))
	d.point(lines)
	b.maybeName(fx)
	b.openBlocked(d)
}

// openBlocked lets the new partitions go on that wait for a directory's checkpoints.
func (b *Broker) openBlocked(d *directory) {
	blocked := d.blocked
	d.blocked = nil
	b.turns.put(b.turns.each(len(blocked), func(i int, _ seam.Now, fx *seam.Effects) {
		if blocked[i].state == partitionRecovering {
			b.openNew(blocked[i], fx)
		}
	}))
}

// offsetsIn are the recovery points and high watermarks of a directory's partitions, until it is asked again.
func (b *Broker) offsetsIn(dir int32) (points, high []log.PartitionOffset) {
	points, high = b.points[:0], b.highs[:0]
	for p := range b.partitions.All() {
		if p.left == dir && p.point > 0 && p.state != partitionDoomed && p.state != partitionRenaming {
			points = append(points, log.PartitionOffset{Topic: p.name(), Partition: p.index, Offset: p.point})
		}
		if p.folder.Dir != dir {
			continue
		}
		if p.replica == nil && p.point > 0 && (p.state == partitionFailed || p.state == partitionRecovering) {
			points = append(points, log.PartitionOffset{Topic: p.name(), Partition: p.index, Offset: p.point})
		}
		if p.replica == nil || p.state != partitionOpen && !(p.state == partitionRecovering && p.opening) {
			continue
		}
		points = append(points, log.PartitionOffset{Topic: p.name(), Partition: p.index, Offset: p.replica.Log.Checkpoint()})
		high = append(high, log.PartitionOffset{Topic: p.name(), Partition: p.index, Offset: p.replica.High().Offset})
	}
	if m := b.noted(dir); m != nil {
		points = append(points, log.PartitionOffset{Topic: m.partition.name(), Partition: m.partition.index, Offset: m.recovered.Point()})
	}
	b.points, b.highs = points, high
	return points, high
}

func (b *Broker) expireProducers(now seam.Now, fx *seam.Effects) {
	if now.Mono < b.expireAt {
		return
	}
	b.expireAt = now.Mono + min(b.config.ProducerExpiryEvery, b.producerExpiry)
	for p := range b.partitions.All() {
		if p.replica == nil || p.topic == nil {
			continue
		}
		if n := p.replica.Producers.Expire(now.Mono, b.producerExpiry); n > 0 {
			fx.Events = append(fx.Events, seam.Event{Kind: seam.ProducersExpired, Topic: p.name(), Partition: p.index, A: int64(n)})
		}
	}
}

// ownWrote takes the completion of an operation that belongs to no partition.
func (b *Broker) ownWrote(now seam.Now, in *seam.Wrote, fx *seam.Effects) {
	if b.bootWrote(now, in, fx) || b.removalWrote(in, fx) || b.asideWrote(in, fx) || b.moveWrote(in, fx) || b.quorumFile.Wrote(in, fx) || b.measured(in, fx) {
		return
	}
	for i := range b.dirs {
		d := &b.dirs[i]
		if d.recovery.Wrote(in, fx) {
			b.pointsWritten(now, d, fx) // it may have failed
			return
		}
		if d.high.Wrote(in, fx) || d.marker.Wrote(in, fx) {
			return
		}
		if d.starts.file.Wrote(in, fx) {
			b.startsWritten(now, d, fx)
			return
		}
		if d.cleaned.file.Wrote(in, fx) {
			b.cleanedWritten(now, d, fx)
			return
		}
	}
}

func (b *Broker) ownSynced(now seam.Now, in *seam.Synced, fx *seam.Effects) {
	if b.bootSynced(now, in, fx) || b.moveSynced(now, in, fx) || b.quorumFile.Synced(in, fx) {
		return
	}
	for i := range b.dirs {
		d := &b.dirs[i]
		switch {
		case d.recovery.Synced(in, fx):
			b.pointsWritten(now, d, fx)
		case d.starts.file.Synced(in, fx):
			b.startsWritten(now, d, fx)
		case d.cleaned.file.Synced(in, fx):
			b.cleanedWritten(now, d, fx)
		case d.high.Synced(in, fx) || d.marker.Synced(in, fx):
		case in.Op == d.opRenames:
			b.renamesSynced(d, fx)
		default:
			continue
		}
		return
	}
}
