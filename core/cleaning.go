package core

import (
	"slices"
	"strings"

	"rookery/core/compact"
	"rookery/core/controller"
	"rookery/core/log"
	"rookery/core/producer"
	"rookery/core/seam"
)

// Compaction, seen from the Broker: it chooses the log with the largest share of uncompacted bytes, sends it to a Cleaner, and
// puts what that has written in its place (log.Replace). It never sees a record.
//
//	look over all logs ─▶ a line in cleaner-offset-checkpoint, durable ─▶ Cleaner ─▶ Cleaned ─▶ log.Replace ─▶ the line moves
//
// Nothing is compacted that lies above the recovery point on the disk, so that what a start walks over without trust has no
// gaps. The point may fall below them later, when an index has to be made again, and the line comes last: so the folder
// itself says where gaps may be, before there are any (log.Replace).

const cleanedFile = "cleaner-offset-checkpoint"

// CleanerConfig is what the broker's configuration says of compaction.
type CleanerConfig struct {
	Enable         bool      // log.cleaner.enable
	Threads        int       // log.cleaner.threads: Cleaners side by side
	BackOff        seam.Mono // log.cleaner.backoff.ms
	KeysMax        int       // of one Cleaner's map: log.cleaner.dedupe.buffer.size, log.cleaner.io.buffer.load.factor
	BytesPerSecond int64     // log.cleaner.io.max.bytes.per.second, of all Cleaners; 0: without bound
}

func defaultCleanerConfig() CleanerConfig {
	return CleanerConfig{Enable: true, Threads: 1, BackOff: 15 * seam.Second, KeysMax: 128 << 20 / compact.SlotBytes / 10 * 9}
}

// cleanings is what the Broker knows of its Cleaners.
type cleanings struct {
	config  CleanerConfig
	running map[uint64]*partition
	last    uint64
	at      seam.Mono // when the logs are looked over next
	next    uint32    // the partition where a look goes on; 0: there is none
	best    *partition
	ratio   int64 // of best
	leaving []*partition
}

// cleaned is a partition's compaction.
type cleaned struct {
	upTo      int64  // below, no key is there twice; -1: nothing is known of that
	line      uint64 // the offer that has brought its line to the disk; 0: none yet
	onDisk    bool   // it has a line since the start
	cleaner   uint64 // which is at work; 0: none
	replacing bool   // and what it has written is put in place
	leaving   bool   // in cleanings.leaving
	end       int64  // what upTo will be then
	dropped   int64  // records
	unclean   bool   // a Cleaner has found that it cannot be compacted (damage): not again in this life
	failures  int    // one after another, whatever they were; it rests the longer, so that others have their turn
	rests     seam.Mono
	passed    int   // how often another one was chosen since it was
	unread    bool  // how old one of its segments is could not be found out
	wished    int64 // somebody asked for what lies below, whatever the ratio
}

// cleanedLines is a directory's cleaner-offset-checkpoint.
type cleanedLines struct {
	file    log.Replacement
	written []log.PartitionOffset      // what it says, or is about to
	at      map[string]map[int32]int64 // what it said at the start
}

// inheritCleaner takes what the broker's configuration says of compaction.
func (b *Broker) inheritCleaner(layers *controller.Layers) {
	c := b.config.Cleaner
	if text, set := layers.Own("log.cleaner.enable"); set {
		c.Enable = strings.EqualFold(strings.TrimSpace(text), "true")
	}
	if layers.Sets("log.cleaner.threads") {
		c.Threads = int(min(layers.Number("log.cleaner.threads"), 1<<10))
	}
	if layers.Sets("log.cleaner.backoff.ms") {
		c.BackOff = seam.Mono(min(layers.Number("log.cleaner.backoff.ms"), int64(seam.Never/seam.Millisecond)/2)) * seam.Millisecond
	}
	if layers.Sets("log.cleaner.dedupe.buffer.size") || layers.Sets("log.cleaner.io.buffer.load.factor") || layers.Sets("log.cleaner.threads") {
		const million = 1_000_000
		slots := max(0, layers.Number("log.cleaner.dedupe.buffer.size")) / int64(max(1, c.Threads)) / compact.SlotBytes
		c.KeysMax = int(max(1, min(slots, 1<<31)*min(layers.Millionths("log.cleaner.io.buffer.load.factor"), million)/million))
	}
	if rate := layers.Whole("log.cleaner.io.max.bytes.per.second"); layers.Sets("log.cleaner.io.max.bytes.per.second") {
		c.BytesPerSecond = max(1, rate)
	}
	b.cleaning.config = c
}

// lookOver chooses what is compacted next, in turns.
func (b *Broker) lookOver(now seam.Now, fx *seam.Effects) {
	c := &b.cleaning
	if b.phase != phaseReady || !c.config.Enable || c.next == 0 && (now.Mono < c.at || len(c.running) >= c.config.Threads) {
		return
	}
	if c.next == 0 {
		c.next, c.best, c.ratio = 1, nil, 0
	}
	number, more := b.partitions.Ceiling(c.next)
	for ; more && b.turns.take(); number, more = b.partitions.Ceiling(number + 1) {
		p := b.partitions.At(number)
		if ratio, due := b.dirt(now, p, fx); due {
			c.consider(p, ratio)
		}
	}
	if c.next = number; more {
		return
	}
	c.next, c.at = 0, now.Mono+c.config.BackOff
	if c.best != nil && b.cleanable(c.best) && b.clean(now, c.best, fx) {
		c.at = now.Mono
	}
	c.best = nil
}

// consider takes a log for the next one if none that is due is dirtier. Each time that it was passed over counts as a quarter of
// it that is dirty: a log of more keys than a pass has room for stays the dirtiest for pass after pass.
func (c *cleanings) consider(p *partition, ratio int64) {
	const quarter = 250_000
	if ratio += int64(p.cleaned.passed) * quarter; c.best != nil && ratio <= c.ratio {
		p.cleaned.passed++
		return
	}
	if c.best != nil {
		c.best.cleaned.passed++
	}
	c.best, c.ratio = p, ratio
}

// wish is when it goes on.
func (c *cleanings) wish(now seam.Now) seam.Mono {
	switch {
	case !c.config.Enable:
		return seam.Never
	case c.next > 0:
		return now.Mono
	case len(c.running) >= c.config.Threads:
		return seam.Never
	}
	return c.at
}

// cleanable says whether a partition may be compacted at all. A move that was called off still reads its files until the round
// has ended. Of a log that was found elsewhere than the metadata says a start would not know how far it may have holes.
func (b *Broker) cleanable(p *partition) bool {
	return p.state == partitionOpen && p.topic != nil && p.topic.config.Compact && !p.cleaned.busy() && !p.cleaned.unclean &&
		p.move == nil && !b.moving(p) && !p.unsaid
}

// busy says whether a Cleaner is at work on the log, or what it has written is being put in place.
func (c *cleaned) busy() bool { return c.cleaner != 0 || c.replacing }

// dirtyFrom is where what was never compacted begins. A line that lies outside of the log is not believed.
func (p *partition) dirtyFrom() int64 {
	l := p.replica.Log
	if p.cleaned.upTo < l.Start() || p.cleaned.upTo > l.End().Offset {
		return l.Start()
	}
	return p.cleaned.upTo
}

// sources are the segments that a Cleaner may read now. ageless: there may be more, when it is known how old they are.
func (b *Broker) sources(now seam.Now, p *partition) (sources []log.Source, ageless bool) {
	l := p.replica.Log
	sources = l.Sources(min(p.safePoint, b.unstable(p)), p.replica.High())
	if max(p.startWish, p.startGoal) > l.Start() { // what is about to go may stay, and say what it hides
		return nil, false
	}
	lag := p.topic.config.MinCompactionLagMillis
	if lag <= 0 {
		return sources, false
	}
	for i := range sources {
		if sources[i].Next <= p.dirtyFrom() {
			continue
		}
		if _, largest := l.Times(sources[i].Base); largest < 0 || largest > int64(now.Wall)-lag {
			return sources[:i], largest < 0
		}
	}
	return sources, false
}

// unstable is the last stable offset, as far as it can be told from the producers.
func (b *Broker) unstable(p *partition) int64 {
	high := p.replica.High().Offset
	p.replica.Producers.Each(func(a producer.Active) {
		if a.TxnFirstOffset >= 0 {
			high = min(high, a.TxnFirstOffset)
		}
	})
	return high
}

// dirt is the share of a log that was never compacted, in millionths, and whether that is enough. It asks for what it has to
// know.
func (b *Broker) dirt(now seam.Now, p *partition, fx *seam.Effects) (ratio int64, due bool) {
	if !b.cleanable(p) {
		return 0, false
	}
	const million = 1_000_000
	l, config, from := p.replica.Log, &p.topic.config, p.dirtyFrom()
	total, dirty, overdue := int64(0), int64(0), from < p.cleaned.wished
	sources, ageless := b.sources(now, p)
	if ageless && !p.aging {
		b.askAge(now, p, from, fx)
	}
	if now.Mono < p.cleaned.rests || b.awaitsLine(p) || ageless && !p.cleaned.unread { // one pass is better than one a segment
		return 0, false
	}
	for _, s := range sources {
		total += s.Size
		if s.Next <= from {
			continue
		}
		dirty += s.Size
		if config.MaxCompactionLagMillis < 1<<63-1 {
			first, _ := l.Times(s.Base)
			overdue = overdue || first < int64(now.Wall)-config.MaxCompactionLagMillis // also where it is not known
		}
	}
	if dirty == 0 {
		return 0, false
	}
	ratio = dirty / max(1, total/million)
	if total < 1<<40 {
		ratio = dirty * million / total
	}
	return ratio, overdue || ratio > config.MinCleanableDirtyRatioPPM
}

// share is what one Cleaner may read and write a second of what all of them may; 0: no bound.
func (c *cleanings) share() int64 {
	if c.config.BytesPerSecond <= 0 {
		return 0
	}
	return max(1, c.config.BytesPerSecond/int64(max(1, c.config.Threads)))
}

// awaitsLine says whether a partition waits for its line, or would if it were chosen: where the checkpoint cannot be written
// it is tried again with the others (checkpoint).
func (b *Broker) awaitsLine(p *partition) bool {
	return !p.cleaned.onDisk && (p.cleaned.line != 0 || b.dirs[p.folder.Dir].cleaned.file.Fault() != seam.OK)
}

// rest keeps a partition from being chosen for longer than the next look is away, and twice as long each time.
func (b *Broker) rest(now seam.Now, p *partition) {
	const hour, doublings = 3600 * seam.Second, 6
	p.cleaned.failures = min(p.cleaned.failures+1, doublings)
	p.cleaned.rests = now.Mono + min(b.cleaning.config.BackOff, hour)<<p.cleaned.failures
}

// clean starts a Cleaner, or brings the line to the disk that has to be there first. True: there may be more to do at once.
func (b *Broker) clean(now seam.Now, p *partition, fx *seam.Effects) bool {
	c := &b.cleaning
	if !p.cleaned.onDisk {
		p.cleaned.upTo = p.dirtyFrom()
		p.cleaned.line = b.offerCleaned(&b.dirs[p.folder.Dir], fx)
		return false
	}
	sources, _ := b.sources(now, p)
	if len(sources) == 0 {
		return false
	}
	config := &p.topic.config
	c.last++
	c.running[c.last] = p
	p.cleaned.cleaner, p.cleaned.passed = c.last, 0
	first := b.files + 1
	b.files += compact.FilesOf(len(sources))
	request := &compact.Request{
		ID: c.last, Topic: p.name(), Partition: p.index, Folder: p.folder, Sources: sources, Dirty: p.dirtyFrom(), First: first,
		Rules: compact.Rules{
			SegmentBytes: int64(config.SegmentBytes), IndexBytes: config.SegmentIndexBytes, IndexIntervalBytes: config.IndexIntervalBytes,
			DeleteRetentionMillis: config.DeleteRetentionMillis, MergeMax: max(2, b.config.StepItems), // one by one nothing would be merged
			KeysMax: c.config.KeysMax, BytesPerSecond: c.share(),
		},
	}
	request.Epochs.List = slices.Clone(p.replica.Log.Epochs.List)
	p.replica.Producers.Each(func(a producer.Active) {
		request.Producers = append(request.Producers, compact.Producer{ID: a.ID, Epoch: a.Epoch, LastOffset: a.LastOffset})
	})
	bytes := int64(0)
	for i := range sources {
		bytes += sources[i].Size
	}
	fx.Events = append(fx.Events, seam.Event{Kind: seam.CompactionBegun, Topic: p.name(), Partition: p.index, A: request.Dirty, B: bytes})
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToCleaner, ID: c.last}, Body: request})
	return true
}

// stopCleaning ends a partition's Cleaner: the partition is about to go, or the broker, or it is not to be compacted any more.
func (b *Broker) stopCleaning(p *partition, fx *seam.Effects) {
	if p.cleaned.cleaner != 0 {
		fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToCleaner, ID: p.cleaned.cleaner}, Body: &compact.Stop{ID: p.cleaned.cleaner}})
	}
	if p.replica != nil {
		p.replica.Log.Desist()
	}
}

// onCleaned takes a Cleaner's answer.
func (b *Broker) onCleaned(now seam.Now, out *compact.Cleaned, fx *seam.Effects) {
	p := b.cleaning.running[out.ID]
	if p == nil {
		return
	}
	delete(b.cleaning.running, out.ID)
	p.cleaned.cleaner = 0
	b.touch(p)
	b.nextMove()
	b.cleaning.at = min(b.cleaning.at, now.Mono)
	switch {
	case p.state != partitionOpen || b.phase != phaseReady:
	case out.Fault != seam.OK:
		b.cleaning.at = now.Mono + b.cleaning.config.BackOff
		if p.cleaned.unclean = out.Unclean; out.Fault != seam.Gone {
			b.rest(now, p)
		}
		fx.Events = append(fx.Events, seam.Event{Kind: seam.CompactionFailed, Topic: p.name(), Partition: p.index, Text: out.Reason + ": " + out.Fault.String()})
		b.expire(now, p, fx)
	default:
		p.cleaned.replacing, p.cleaned.end, p.cleaned.dropped = true, out.End, out.Records-out.Kept
		p.replica.Log.Replace(out.Compacted, fx)
	}
}

// noteReplaced moves a partition on whose compacted segments are being put in place.
func (b *Broker) noteReplaced(now seam.Now, p *partition, fx *seam.Effects) {
	l := p.replica.Log
	if l.Leaving() && !p.cleaned.leaving {
		p.cleaned.leaving = true
		b.cleaning.leaving = append(b.cleaning.leaving, p)
	}
	if !p.cleaned.replacing || l.Replacing() && !l.Stuck() || p.state != partitionOpen {
		return
	}
	p.cleaned.replacing = false
	b.expire(now, p, fx)
	b.nextMove()
	replaced := l.Replaced()
	if !replaced && !l.Stuck() && !p.topic.config.Compact { // it is not wanted any more
		return
	}
	if !replaced || l.Stuck() {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.CompactionFailed, Topic: p.name(), Partition: p.index, Text: "the log has changed meanwhile, or its disk failed"})
		b.rest(now, p)
		b.cleaning.at = now.Mono + b.cleaning.config.BackOff
		return
	}
	p.cleaned.upTo, p.cleaned.failures = max(p.cleaned.end, p.dirtyFrom()), 0
	b.offerCleaned(&b.dirs[p.folder.Dir], fx)
	fx.Events = append(fx.Events, seam.Event{Kind: seam.Compacted, Topic: p.name(), Partition: p.index, A: p.cleaned.upTo, B: p.cleaned.dropped})
	b.cleaning.at = min(b.cleaning.at, now.Mono)
}

// unlinkReplaced removes the files that readers have left, and gives the new ones their names.
func (b *Broker) unlinkReplaced(fx *seam.Effects) {
	lent := func(file seam.File) bool { return b.lent[file] > 0 || named(file, fx) }
	kept := b.cleaning.leaving[:0]
	for _, p := range b.cleaning.leaving {
		if p.cleaned.leaving = p.state == partitionOpen; p.cleaned.leaving && b.turns.take() {
			if p.folding == 0 {
				p.replica.Log.UnlinkReplaced(lent, fx)
			}
			if p.reads == 0 {
				p.replica.Log.NameReplaced(lent, fx)
			}
			p.cleaned.leaving = p.replica.Log.Leaving()
		}
		if p.cleaned.leaving {
			kept = append(kept, p)
		}
	}
	clear(b.cleaning.leaving[len(kept):])
	b.cleaning.leaving = kept
}

// offerCleaned writes a directory's cleaner-offset-checkpoint anew.
func (b *Broker) offerCleaned(d *directory, fx *seam.Effects) uint64 {
	c := &d.cleaned
	c.written = c.written[:0]
	for p := range b.partitions.All() {
		if !b.hasLine(d, p) || p.cleaned.upTo < 0 {
			continue
		}
		c.written = append(c.written, log.PartitionOffset{Topic: p.name(), Partition: p.index, Offset: p.cleaned.upTo})
	}
	d.point(c.written)
	return c.file.Offer(log.EncodeOffsets(c.written), fx)
}

// unlineCleaned writes it anew, if it may say something of an earlier folder of a name.
func (b *Broker) unlineCleaned(d *directory, fx *seam.Effects) {
	if len(d.cleaned.written) > 0 {
		b.offerCleaned(d, fx)
	}
}

// cleanedWritten: a checkpoint has come to its end.
func (b *Broker) cleanedWritten(now seam.Now, d *directory, fx *seam.Effects) {
	c := &d.cleaned
	if c.file.Busy() {
		return
	}
	if fault := c.file.Fault(); fault != seam.OK {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.WriteRefused, Text: cleanedFile + ": " + fault.String()})
		b.pointsWritten(now, d, fx)
		return
	}
	for p := range b.partitions.All() {
		if p.folder.Dir == d.number && p.cleaned.line != 0 && p.cleaned.line <= c.file.Settled() && !p.cleaned.onDisk {
			p.cleaned.onDisk = true
			b.cleaning.at = min(b.cleaning.at, now.Mono)
		}
	}
	b.pointsWritten(now, d, fx)
}

// lined is the partition that a line of a directory's recovery points is about, nil if it is not there any more.
func (b *Broker) lined(d *directory, line *log.PartitionOffset) *partition {
	if line.Topic == metadataTopic {
		return b.boot.partition
	}
	if t := b.topics[line.Topic]; t != nil && int(line.Partition) < len(t.partitions) && t.partitions[line.Partition].folder.Dir == d.number {
		return t.partitions[line.Partition]
	}
	return nil
}

// noteSafePoints takes in how far each log is durable by the checkpoint that is on the disk.
func (b *Broker) noteSafePoints(d *directory) {
	lines, _ := log.ParsePartitionOffsets([]byte(d.lastPoints))
	for i := range lines {
		p := b.lined(d, &lines[i])
		if p == nil {
			continue
		}
		p.safePoint = lines[i].Offset
		b.noteSafePoint(p)
	}
}

// noteSafePoint lets a log write its indexes anew that a start would not believe any more. Of one that was found elsewhere than the
// metadata says a start believes another line.
func (b *Broker) noteSafePoint(p *partition) {
	if p.replica != nil && !p.unsaid && p.replica.Log.Noted(p.safePoint) && p.state == partitionOpen && !p.closing {
		b.closeOn(p)
	}
}
