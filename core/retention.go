package core

import (
	"rookery/core/log"
	"rookery/core/seam"
	"rookery/core/wire"
)

// Where a log begins is what its directory's log-start-offset-checkpoint says, and that file is durable before anybody is
// told: a start that was seen never goes back. Only then do files go, in any order; one that could not be removed is asked for
// again with the next checkpoint.
//
//	retention, DeleteRecords ─▶ startWish ─▶ the producers' snapshot is on the disk ─▶ startGoal ─▶
//	checkpoint (all goals of a directory in one) ─▶ MoveStart ─▶ answers, Unlink

const startsFile = "log-start-offset-checkpoint"

// logStarts is a directory's checkpoint of log starts.
type logStarts struct {
	file     log.Replacement
	underWay []startLine // what is being written
	due      bool        // there is something new to be written
	applying bool        // it is carried out what the last one says, or taken back
	written  []log.PartitionOffset
}

type startLine struct {
	partition *partition
	offset    int64
}

// wantStart asks for a partition's log to begin at an offset.
func (b *Broker) wantStart(p *partition, offset int64, fx *seam.Effects) {
	if offset > max(p.startGoal, p.startWish) {
		p.startWish = offset
		if b.remember(p, fx); p.unsaid { // and whoever waits does not wait for the next checkpoint
			b.mark(&b.dirs[p.folder.Dir], fx)
		}
	}
}

// remember makes a goal of a wish when the producers whose batches would go are known from elsewhere. The last round of a
// move waits for that; a wish that comes later moves along. A log that was found elsewhere than the metadata says begins where it does
// until that is said: a start reads the line of the directory that it has left.
func (b *Broker) remember(p *partition, fx *seam.Effects) {
	if p.state == partitionOpen && !p.unsaid && !b.copiedWhole(p) && p.replica.Remember(p.startWish, fx) {
		p.startGoal = p.startWish
		b.dirs[p.folder.Dir].starts.due = true
	}
}

// writeStarts begins a checkpoint if one is due. What is asked for while it is under way is the next one's, which must not be begun
// before each goal is what the last one has made of it.
func (b *Broker) writeStarts(d *directory, fx *seam.Effects) {
	s := &d.starts
	s.due = s.due && d.failed == seam.OK // a stop waits for it
	if !s.due || s.file.Busy() || s.applying || b.phase != phaseReady && (b.phase != phaseStopping || b.stop.stage != stopSyncing) {
		return
	}
	for p := range b.partitions.All() { // a start that outlives the folder would be the next one's of its name, or nobody's
		if p.startGoal > 0 && p.folder.Dir == d.number && p.state == partitionOpen && !p.replica.Log.Anchored() && !p.replica.Log.Empty() {
			return
		}
	}
	s.due = false
	s.written = s.written[:0]
	for p := range b.partitions.All() {
		if !b.hasLine(d, p) || p.startGoal == 0 {
			continue
		}
		s.underWay = append(s.underWay, startLine{p, p.startGoal})
		s.written = append(s.written, log.PartitionOffset{Topic: p.name(), Partition: p.index, Offset: p.startGoal})
	}
	d.point(s.written)
	s.file.Offer(log.EncodeOffsets(s.written), fx)
}

// startsWritten: the checkpoint has come to its end, and the logs begin where it says. If it could not be written the
// old one stands.
func (b *Broker) startsWritten(now seam.Now, d *directory, fx *seam.Effects) {
	s := &d.starts
	if s.file.Busy() {
		return
	}
	lines := s.underWay
	s.underWay = nil
	if fault := s.file.Fault(); fault != seam.OK {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.WriteRefused, Text: startsFile + ": " + fault.String()})
		b.startsFailed(d, lines, fault == seam.NoSpace)
	} else {
		b.apply(d, lines, func(x startLine, fx *seam.Effects) { b.moveStart(x.partition, x.offset, fx) })
	}
	b.pointsWritten(now, d, fx)
}

// apply does something with all that a checkpoint was to move.
func (b *Broker) apply(d *directory, lines []startLine, move func(x startLine, fx *seam.Effects)) {
	d.starts.applying = true
	each := b.turns.each(len(lines), func(i int, _ seam.Now, fx *seam.Effects) {
		if lines[i].moves() {
			move(lines[i], fx)
		}
	})
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		d.starts.applying = !each(now, fx)
		return !d.starts.applying
	})
}

// moves says whether a log does not begin there yet.
func (x startLine) moves() bool {
	p := x.partition
	return p.state == partitionOpen && p.replica != nil && x.offset > p.replica.Log.Start()
}

// startsFailed tries again on a disk that is full, if there is room to be made, and lets the logs begin where they do if not. A
// full disk would stay full otherwise: what is to go does not go before the checkpoint says so, and that takes a block.
func (b *Broker) startsFailed(d *directory, lines []startLine, full bool) {
	for _, p := range d.found { // what is to go of these goes when the metadata says that they lie here, which takes the checkpoint first
		lines = append(lines, startLine{p, p.startWish})
	}
	i := 0
	d.starts.applying = true
	b.turns.put(func(_ seam.Now, fx *seam.Effects) bool {
		for ; full && i < len(lines); i++ {
			if !b.turns.take() {
				return false
			}
			if x := lines[i]; x.moves() && x.partition.replica.Log.Spare(x.offset, fx) {
				d.starts.due, d.starts.applying = true, false
				return true
			}
		}
		b.apply(d, lines, func(x startLine, fx *seam.Effects) { b.startRefused(x.partition, fx) })
		return true
	})
}

// moveStart lets a log begin where the checkpoint says.
func (b *Broker) moveStart(p *partition, start int64, fx *seam.Effects) {
	p.startGoal, p.startWish = max(p.startGoal, start), max(p.startWish, start)
	p.replica.MoveStart(start, fx)
	p.epochs.Offer(p.replica.Log.Epochs.Encode(), fx)
	b.answerDeletions(p, fx)
	b.wake(p)
	b.touch(p)
}

// startRefused takes a goal back. The last round of a move may have waited for it.
func (b *Broker) startRefused(p *partition, fx *seam.Effects) {
	p.startGoal = p.replica.Log.Start()
	p.startWish = p.startGoal
	p.replica.Log.Unspare()
	b.refuseDeletions(p, wire.KafkaStorageError, fx)
	b.touch(p)
}

// noteTrimmed remembers a partition that has files below its log's start.
func (b *Broker) noteTrimmed(p *partition, fx *seam.Effects) {
	if p.startWish > p.startGoal {
		b.remember(p, fx)
	}
	if !p.trimmed && !p.replica.Log.Tidy() && p.needsUnlink() {
		p.trimmed = true
		b.trimmed = append(b.trimmed, p)
	}
}

// needsUnlink says whether there are files below the log's start, or the snapshot that stands for them is missing.
func (p *partition) needsUnlink() bool {
	l := p.replica.Log
	if l.Trimmed() {
		return true
	}
	_, missing, underWay := l.Unsnapped(l.Start())
	return missing || underWay
}

// unlinkTrimmed removes files below the logs' starts that nobody reads any more. A reply that was just emitted has still
// to take hold of its files: of one Step's effects Files run first.
func (b *Broker) unlinkTrimmed(now seam.Now, fx *seam.Effects) {
	if b.phase != phaseReady { // what is left is removed by the next start
		return
	}
	lent := func(file seam.File) bool { return b.lent[file] > 0 || named(file, fx) }
	kept := b.trimmed[:0]
	for _, p := range b.trimmed {
		if p.trimmed = p.state == partitionOpen; p.trimmed && b.turns.room > 0 && !b.moving(p) && p.folding == 0 {
			p.replica.Unlink(b.turns.take, lent, fx)
			p.trimmed = p.needsUnlink()
		}
		if p.trimmed {
			kept = append(kept, p)
		}
	}
	clear(b.trimmed[len(kept):])
	b.trimmed = kept
	if b.turns.room == 0 && len(kept) > 0 {
		fx.Wake(now.Mono)
	}
}

// removeKept tries again to remove the files of logs that should be gone and could not be removed: a directory that hung for a while may
// have thousands. Those that stay once more are tried with the next checkpoint behind this.
func (b *Broker) removeKept(of []*partition) {
	if len(of) == 0 {
		return
	}
	b.removing = true
	isOpen := func(p *partition) bool { return p.state == partitionOpen && p.replica != nil }
	b.turns.put(b.turns.nested(len(of), func(i int, _ seam.Now, _ *seam.Effects) (files int) {
		if isOpen(of[i]) {
			files = of[i].replica.Log.Kept()
		}
		return files
	}, func(i, _ int, fx *seam.Effects) {
		if isOpen(of[i]) {
			of[i].replica.Log.RemoveKept(fx)
		}
	}, func(*seam.Effects) { b.removing = false }))
}

// named says whether a reply of this Step has a range of the file.
func named(file seam.File, fx *seam.Effects) bool {
	for i := range fx.Replies {
		for j := range fx.Replies[i].Body {
			if fx.Replies[i].Body[j].File == file {
				return true
			}
		}
	}
	return false
}

// sweep is retention's way over the partitions, in turns.
type sweep struct {
	at   seam.Mono // when the next one begins
	next uint32    // the partition where this one goes on; 0: there is none
}

// wish is when it goes on. A stop leaves it where it is.
func (s *sweep) wish(now seam.Now) seam.Mono {
	if s.next > 0 {
		return now.Mono
	}
	return s.at
}

// expireLogs looks over every log for what its retention does not keep (log.retention.check.interval.ms).
func (b *Broker) expireLogs(now seam.Now, fx *seam.Effects) {
	if b.phase != phaseReady || b.sweep.next == 0 && now.Mono < b.sweep.at {
		return
	}
	number, more := b.partitions.Ceiling(b.sweep.next)
	for ; more && b.turns.take(); number, more = b.partitions.Ceiling(number + 1) {
		b.expire(now, b.partitions.At(number), fx)
	}
	if b.sweep.next = number; !more {
		b.sweep = sweep{at: now.Mono + b.config.RetentionCheckEvery}
	}
}

// expire looks over one log. A Cleaner at work comes to its end first, and then it is called again: what a Cleaner has read and
// is gone cannot be replaced, and all that it has written would be for nothing.
func (b *Broker) expire(now seam.Now, p *partition, fx *seam.Effects) {
	if p.state != partitionOpen || p.topic == nil || b.phase != phaseReady || b.frozen(p) || p.cleaned.busy() {
		return
	}
	c := &p.topic.config
	start, pending := p.replica.Expire(now, log.Retention{Delete: c.Delete, Millis: c.RetentionMillis, Bytes: c.RetentionBytes}, fx)
	b.wantStart(p, start, fx)
	if pending && !p.aging {
		b.askAge(now, p, 0, fx)
	}
	b.touch(p)
}

// askAge finds out how old the segment is at which retention, or compaction, has stopped: the first above from of which that
// is not known.
func (b *Broker) askAge(now seam.Now, p *partition, from int64, fx *seam.Effects) {
	if request := p.replica.Log.Age(from, fx); request != nil {
		p.aging = true
		p.reads++
		b.asked.Push(searchFor{target: p, age: request})
		b.startSearches(now, fx)
	}
}

// ageKnown goes on with what has stopped at a segment.
func (b *Broker) ageKnown(now seam.Now, p *partition, fx *seam.Effects) {
	b.expire(now, p, fx)
	if b.phase == phaseReady {
		b.dirt(now, p, fx)
	}
}

// aged takes the answer of a search that askAge asked for.
func (b *Broker) aged(now seam.Now, p *partition, found *log.Searched, fx *seam.Effects) {
	p.aging = false
	p.replica.Log.Aged(p.replica.Log.AgeBase(), found)
	p.cleaned.unread = found.Fault != seam.OK
	if found.Fault == seam.OK {
		b.ageKnown(now, p, fx)
	}
}
