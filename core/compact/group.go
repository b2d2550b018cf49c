package compact

import (
	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/seam"
)

// suffixes are the files of a segment that is being made, in the order of group.files.
func suffixes() [3]string { return [3]string{".log.cleaned", ".index.cleaned", ".timeindex.cleaned"} }

// group is neighbours among the sources that become one segment.
type group struct {
	begin, end int   // of the sources
	most       int   // no group goes beyond
	left       int64 // bytes of the sources that were not looked at
	files      [3]seam.File
	at         int64 // written
	unsynced   int64
	buffer     []byte // what is to be written next
	lent       bool   // and is under way
	synced     bool   // its files are, to their ends
	index      log.Index
	first      int64 // timestamp of the first batch
	latest     int64 // of all
	filled     bool  // a record is left
}

// cleanOn goes over some batches of the group at hand, or begins the next one.
func (c *Cleaner) cleanOn(fx *seam.Effects) {
	g := &c.group
	if g.lent {
		g.buffer, g.lent = g.buffer[:0], false
		if g.unsynced >= syncBytes {
			g.unsynced = 0
			fx.Syncs = append(fx.Syncs, seam.Sync{Op: c.await(forSync, 0), File: g.files[0]})
			return
		}
	}
	if c.in.source >= c.in.last {
		c.fillGroup(fx)
		return
	}
	for c.items > 0 && len(g.buffer) < pieceBytes && c.in.source < c.in.last {
		view, ok := c.next(fx)
		if !ok {
			return
		}
		c.in.pass(view)
		c.items -= 1 + int(view.Count())
		last := c.in.source+1 == c.in.last && c.in.at == c.request.Sources[c.in.source].Size
		if !c.keep(view, last) {
			return
		}
	}
	if len(g.buffer) >= pieceBytes {
		c.flush(fx)
	}
}

// flush writes what has gathered.
func (c *Cleaner) flush(fx *seam.Effects) {
	g := &c.group
	n := int64(len(g.buffer))
	fx.Writes = append(fx.Writes, seam.Write{Op: c.await(forWrite, n), File: g.files[0], At: g.at, Data: g.buffer})
	g.at, g.unsynced, g.lent = g.at+n, g.unsynced+n, true
	c.out.Written += n
	c.spend(n)
}

// fillGroup ends the group at hand, if there is one, or begins the next.
func (c *Cleaner) fillGroup(fx *seam.Effects) {
	g := &c.group
	switch {
	case g.end > g.begin && len(g.buffer) > 0:
		c.flush(fx)
	case g.end > g.begin:
		c.writeIndexes(fx)
	case g.end >= g.most:
		c.phase = ending
	default:
		c.beginGroup(fx)
	}
}

// beginGroup takes neighbours as long as what they hold fits into one segment (Kafka's groupSegmentsBySize), and a Step can
// take them away.
func (c *Cleaner) beginGroup(fx *seam.Effects) {
	const relativeMax = 1<<31 - 1
	g, rules, sources := &c.group, &c.request.Rules, c.request.Sources
	begin := g.end
	*g = group{begin: begin, end: begin + 1, most: g.most, buffer: g.buffer[:0], first: -1, latest: -1}
	entriesMax := int64(rules.IndexBytes)/12 - 1
	size := sources[begin].Size
	for ; g.end < g.most; g.end++ {
		s := &sources[g.end]
		size += s.Size
		many := rules.MergeMax > 0 && g.end-begin >= rules.MergeMax
		if many || size > rules.SegmentBytes || s.Next-1-sources[begin].Base > relativeMax || size/(int64(rules.IndexIntervalBytes)+1) >= entriesMax {
			break
		}
	}
	for i := begin; i < g.end; i++ {
		g.left += sources[i].Size
	}
	c.in.source, c.in.last = begin, g.end
	for c.in.last > begin+1 && sources[c.in.last-1].Size == 0 {
		c.in.last--
	}
	for i, suffix := range suffixes() {
		g.files[i] = c.file()
		fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forOpen, 0), Deed: seam.Create, File: g.files[i], Path: log.SegmentPath(c.request.Folder, sources[begin].Base, suffix)})
	}
}

// writeIndexes ends a group's files.
func (c *Cleaner) writeIndexes(fx *seam.Effects) {
	g := &c.group
	base := c.request.Sources[g.begin].Base
	g.index.Close(base)
	offsets, times := g.index.EncodeOffsets(), g.index.EncodeTimes()
	for i, content := range [][]byte{nil, offsets, times} {
		if len(content) > 0 {
			fx.Writes = append(fx.Writes, seam.Write{Op: c.await(forWrite, int64(len(content))), File: g.files[i], Data: content})
		}
	}
	c.out.Written += int64(len(offsets) + len(times))
	emptied := g.latest
	if g.filled {
		emptied = -1
	}
	c.out.Compacted = append(c.out.Compacted, log.Compacted{
		Base: base, Next: c.request.Sources[g.end-1].Next, Size: g.at, IndexBytes: int64(len(offsets)), TimeBytes: int64(len(times)),
		FirstTime: g.first, Emptied: emptied, Index: g.index,
	})
	c.phase = syncing
	if len(c.pending) == 0 {
		c.endGroup(fx)
	}
}

// endGroup syncs a group's files, then closes them.
func (c *Cleaner) endGroup(fx *seam.Effects) {
	g := &c.group
	if !g.synced {
		g.synced = true
		for _, file := range g.files {
			fx.Syncs = append(fx.Syncs, seam.Sync{Op: c.await(forSync, 0), File: file})
		}
		return
	}
	for _, file := range g.files {
		fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forClose, 0), Deed: seam.Close, File: file})
	}
	g.files, g.begin, g.buffer = [3]seam.File{}, g.end, g.buffer[:0]
	c.phase = cleaning
}

// keep takes what stays of a batch. last: it ends the group. False: something is wrong with it.
func (c *Cleaner) keep(view batch.View, last bool) bool {
	g := &c.group
	discard := c.txns.meet(view)
	horizon, set := view.DeleteHorizon()
	passed := set && horizon <= int64(c.now.Wall)
	sifted, fault := c.sieve.Sift(view, func(r *batch.Record) bool {
		return c.stays(view, r, discard, set && !passed)
	})
	if fault != batch.Fine {
		c.unclean("the records of a batch are damaged")
		return false
	}
	c.out.Batches++
	c.out.Records += int64(sifted.Records)
	c.out.Kept += int64(sifted.Kept)
	covered := view.LastOffset() < c.mapEnd
	fresh := !set && covered && (sifted.Tombstones || view.IsControl() && discard)
	before := len(g.buffer)
	g.left -= view.Size()
	if sifted.Kept > 0 && fresh {
		g.buffer = c.sieve.Append(g.buffer, view, c.horizon, true)
		if fresh = c.fits(); !fresh {
			g.buffer = g.buffer[:before]
		}
	}
	switch {
	case sifted.Kept > 0 && fresh:
	case sifted.Kept == sifted.Records && sifted.Kept > 0:
		g.buffer = append(g.buffer, view...)
	case sifted.Kept > 0:
		g.buffer = c.sieve.Append(g.buffer, view, horizon, set)
	case last || c.isLastOfProducer(view):
		g.buffer = batch.AppendEmpty(g.buffer, view)
	default:
		return true
	}
	if !c.fits() { // it was compressed better than it is now
		c.unclean("a segment would become larger than a segment may be")
		return false
	}
	out := batch.View(g.buffer[before:])
	at := g.at + int64(before)
	if at == 0 {
		g.first = out.MaxTimestamp()
	}
	g.latest, g.filled = max(g.latest, out.MaxTimestamp()), g.filled || out.Count() > 0
	base := c.request.Sources[g.begin].Base
	g.index.Add(base, out.LastOffset(), at, out.Size(), log.LargestOf(out), c.request.Rules.IndexIntervalBytes)
	return true
}

// fits says whether the group does not become too large with what has gathered, even if all stays that is still to come.
func (c *Cleaner) fits() bool {
	g := &c.group
	return g.at+int64(len(g.buffer))+g.left <= c.request.Rules.SizeMax
}

// stays says whether a record does. young: its batch has a horizon, and that has not come.
func (c *Cleaner) stays(view batch.View, r *batch.Record, discard, young bool) bool {
	_, set := view.DeleteHorizon()
	switch offset := view.BaseOffset() + int64(r.OffsetDelta); {
	case view.IsControl():
		return !discard || !set || young
	case discard:
		return false
	case offset >= c.mapEnd:
		return true
	case r.Key == nil || offset < c.keys.last(r.Key):
		return false
	}
	return r.Value != nil || !set || young
}

// isLastOfProducer says whether the batch holds what is to be known of a producer that may write again.
func (c *Cleaner) isLastOfProducer(view batch.View) bool {
	p, ok := c.producer(view.ProducerID())
	switch {
	case !ok:
		return false
	case p.LastOffset >= 0:
		return view.LastOffset() == p.LastOffset
	}
	return view.IsControl() && view.ProducerEpoch() == p.Epoch
}

func (c *Cleaner) producer(id int64) (p Producer, ok bool) {
	all := c.request.Producers
	for len(all) > 0 {
		m := len(all) / 2
		switch {
		case all[m].ID == id:
			return all[m], true
		case all[m].ID < id:
			all = all[m+1:]
		default:
			all = all[:m]
		}
	}
	return p, false
}
