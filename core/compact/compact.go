// Package compact is the Cleaner: a machine that writes the closed segments of a compacted partition anew, without the
// records that a later one of the same key has overtaken. It is as Kafka's Cleaner with KIP-534's delete horizons.
//
//	Request ─▶ read the dirty part, note each key's last offset ─▶ read all segments up to there, a group at a time,
//	           write what stays as .cleaned files, sync them ─▶ Cleaned ─▶ the log puts them in place (log.Replace)
//
// Rules:
//   - it reads segments that are closed, durable and below every mark, writes files that end in .cleaned, and changes
//     nothing else. Only the Broker renames.
//   - a record stays if its offset lies behind what the map covers, or if it is the last of its key and either has a value
//     or its batch's delete horizon has not come. One without a key goes.
//   - the first pass that finds a tombstone, or the marker of an empty transaction, covered by the map gives its batch a
//     horizon: now and delete.retention.ms. A later pass drops it. A horizon makes records longer: where no room is left in
//     the segment for what is still to come, it is left to a later pass.
//   - records of aborted transactions go, and a marker when no batch of its transaction is left and its horizon has passed.
//     Which were aborted it finds out by itself where the request does not say, in a pass of its own before the first: a marker
//     stands behind what it is about. A transaction whose end is not among the sources is left to a later request.
//   - the batch with a live producer's last sequence stays, without records if it must. So does the last batch of a
//     group: a segment says where it ends, and a crash between two renames finds out what it stands for.
//   - offsets, order, epochs, producers, sequences and codecs stay as they are.
//   - the map holds as many keys as it may; what is left of the dirty part is the next request's.
//   - a Step looks at about itemsMax records, and asks to be called again. What is read and written is counted against
//     BytesPerSecond, and rests when that is used up.
package compact

import (
	"slices"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/must"
	"rookery/core/seam"
)

// Request is the letter that starts a Cleaner: all that it may know.
type Request struct {
	ID        uint64
	Topic     string
	Partition int32
	Folder    seam.Path
	Sources   []log.Source // from the log's first on, neighbours
	Dirty     int64        // below, no key was seen twice
	First     seam.File    // ids from here on are the Cleaner's: FilesOf of them
	Producers []Producer   // those that live, by ID
	Aborted   []Aborted    // transactions, by First; nil: not known
	Epochs    log.Epochs   // of the partition
	Rules     Rules
}

// FilesOf is how many files a Cleaner may open for so many sources.
func FilesOf(sources int) seam.File { return seam.File(8*sources + 2) }

// Rules are what the configuration says.
type Rules struct {
	SegmentBytes          int64 // segment.bytes
	SizeMax               int64 // of a segment, which grows by horizons; 0: as far as positions reach
	IndexBytes            int32 // segment.index.bytes
	IndexIntervalBytes    int32 // index.interval.bytes
	DeleteRetentionMillis int64 // delete.retention.ms
	MergeMax              int   // segments that one comes to stand for, which are taken away in one Step; 0: no bound
	KeysMax               int   // of the map: log.cleaner.dedupe.buffer.size by SlotBytes
	BytesPerSecond        int64 // log.cleaner.io.max.bytes.per.second; 0: no bound
}

// Producer is one that may write again: what its last batch says must stay.
type Producer struct {
	ID         int64
	Epoch      int16
	LastOffset int64 // of its last batch of data, -1: its last was a marker
}

// Aborted is a transaction that came to nothing: the offset of its first record, and of its marker.
type Aborted struct{ ProducerID, First, Last int64 }

// Stop is the letter that ends a Cleaner before its time. It answers with fault Gone.
type Stop struct{ ID uint64 }

// Cleaned is the answer.
type Cleaned struct {
	ID        uint64
	Fault     seam.Fault // not OK: nothing was made
	Reason    string
	Unclean   bool  // what lies in the log is why: another pass would come to the same
	End       int64 // below, no key is there twice
	Compacted []log.Compacted
	Read      int64 // bytes, of both passes
	Written   int64
	Records   int64
	Kept      int64
	Batches   int64
	Keys      int64 // in the map
}

// Cleaner is the machine.
type Cleaner struct {
	request Request
	numbers log.Numbers
	files   seam.File
	beyond  seam.File // the first that is not the Cleaner's
	pending []pendingOp
	out     Cleaned
	phase   phase
	keys    keys
	mapEnd  int64 // the map covers what lies below
	in      reader
	txns    transactions
	history history
	sieve   *batch.Sieve
	group   group
	rest    seam.Mono // no work before that
	items   int       // left in this Step
	now     seam.Now
	horizon int64
}

type phase uint8

const (
	waiting  phase = iota
	learning       // which transactions were aborted
	mapping
	cleaning
	syncing  // a group's files
	closing  // after a fault: what is open
	removing // and what was made
	ending
	answered
)

const (
	pieceBytes = 1 << 20
	itemsMax   = 1000
	syncBytes  = 8 << 20 // written before a Sync: a gigabyte at once would stand in the way of every other write
)

// work says what an operation is for.
type work uint8

const (
	forOpen work = iota
	forRead
	forWrite
	forSync
	forClose // and what is removed
)

type pendingOp struct {
	op   seam.Op
	what work
	size int64
}

// reader goes over the batches of the sources.
type reader struct {
	source int
	last   int // the source where it ends
	file   seam.File
	at     int64  // of the next batch
	next   int64  // the least offset that it may begin at
	from   int64  // where data begins
	data   []byte // a copy of what was read
	asked  int64
	opened bool
}

// New makes a Cleaner that waits for its Request.
func New() *Cleaner { return NewWith(&batch.Sieve{}) }

// NewWith makes one whose sieve serves others too, of which no two Step at a time.
func NewWith(sieve *batch.Sieve) *Cleaner { return &Cleaner{sieve: sieve} }

// pass goes behind a batch.
func (r *reader) pass(view batch.View) { r.at, r.next = r.at+view.Size(), view.LastOffset()+1 }

// ofItsEpoch says whether a batch is of the leader epoch that its offset belongs to. Neither is covered by its checksum: a bit
// that has turned there would be written anew as if it were right.
func (c *Cleaner) ofItsEpoch(view batch.View) bool {
	epoch := c.request.Epochs.At(view.BaseOffset())
	return epoch < 0 || epoch == view.LeaderEpoch()
}

// Step takes a letter or a completion.
func (c *Cleaner) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	c.now, c.items = now, itemsMax
	switch in := in.(type) {
	case *seam.Mail:
		switch body := in.Body.(type) {
		case *Request:
			c.begin(body)
		case *Stop:
			c.stop(body, fx)
		}
	case *seam.Wrote:
		p := c.arrived(in.Op)
		switch {
		case p.what == forClose:
		case in.Fault != seam.OK:
			c.fail(in.Fault, [...]string{"a file cannot be opened", "", "it cannot be written", "", ""}[p.what])
		case p.what == forWrite && in.Bytes != p.size:
			c.fail(seam.NoSpace, "it cannot be written")
		}
	case *seam.Synced:
		if c.arrived(in.Op); in.Fault != seam.OK {
			c.fail(in.Fault, "it cannot be synced")
		}
	case *seam.Loaded:
		if c.arrived(in.Op); in.Fault != seam.OK {
			c.fail(in.Fault, "a segment cannot be read")
		} else {
			c.loaded(in.Data)
		}
	case *seam.Alarm:
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Stop:
	}
	c.proceed(fx)
}

func (c *Cleaner) begin(request *Request) {
	if c.phase != waiting {
		return
	}
	c.request = *request
	c.files, c.beyond = request.First-1, request.First+FilesOf(len(request.Sources))
	c.numbers = log.Numbers{Owner: 1, Files: &c.files}
	c.out = Cleaned{ID: request.ID, End: request.Dirty}
	if c.request.Rules.SizeMax == 0 {
		c.request.Rules.SizeMax = 1<<31 - 1
	}
	c.horizon = int64(c.now.Wall) + min(request.Rules.DeleteRetentionMillis, 1<<63-1-max(0, int64(c.now.Wall)))
	c.beginMap()
}

// beginMap begins with the first source that is dirty.
func (c *Cleaner) beginMap() {
	c.phase, c.keys, c.mapEnd = mapping, newKeys(c.request.Rules.KeysMax), c.request.Dirty
	c.txns = newTransactions(c.request.Aborted)
	first := 0
	for first < len(c.request.Sources) && c.request.Sources[first].Next <= c.request.Dirty {
		first++
	}
	c.in = reader{source: first, last: len(c.request.Sources), data: c.in.data[:0]}
}

func (c *Cleaner) stop(letter *Stop, fx *seam.Effects) {
	if c.phase == waiting { // it had answered before, and this is another one
		c.phase = answered
		fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: &Cleaned{ID: letter.ID, Fault: seam.Gone}})
		return
	}
	c.fail(seam.Gone, "it was stopped")
}

func (c *Cleaner) fail(fault seam.Fault, why string) {
	if c.out.Fault == seam.OK && c.phase < closing {
		c.out.Fault, c.out.Reason = fault, why
	}
}

// unclean: what lies in the log cannot be compacted.
func (c *Cleaner) unclean(why string) {
	c.fail(seam.IOError, why)
	c.out.Unclean = c.out.Reason == why
}

func (c *Cleaner) await(what work, size int64) seam.Op {
	op := c.numbers.Op()
	c.pending = append(c.pending, pendingOp{op, what, size})
	return op
}

func (c *Cleaner) arrived(op seam.Op) pendingOp {
	for i, p := range c.pending {
		if p.op == op {
			c.pending = slices.Delete(c.pending, i, i+1)
			return p
		}
	}
	must.Be(false, "K2: every completion names an operation of this cleaner")
	return pendingOp{}
}

// proceed goes on when everything that was under way has come back.
func (c *Cleaner) proceed(fx *seam.Effects) {
	for len(c.pending) == 0 && c.phase != waiting && c.phase != answered {
		switch {
		case c.out.Fault != seam.OK && c.phase < closing:
			c.abandon(fx)
			continue
		case c.phase < closing && c.now.Mono < c.rest:
			fx.Wake(c.rest)
			return
		case c.items <= 0:
			fx.Wake(c.now.Mono)
			return
		}
		switch c.phase {
		case learning:
			c.learnOn(fx)
		case mapping:
			c.mapOn(fx)
		case cleaning:
			c.cleanOn(fx)
		case syncing:
			c.endGroup(fx)
		case closing:
			c.remove(fx)
		case removing, ending:
			c.answer(fx)
		case waiting, answered:
		}
	}
}

// spend counts bytes against what may be read and written in a second.
func (c *Cleaner) spend(bytes int64) {
	rate := c.request.Rules.BytesPerSecond
	if rate <= 0 {
		return
	}
	const burst = 100 * seam.Millisecond
	c.rest = max(c.rest, c.now.Mono-burst) + seam.Mono(bytes/rate)*seam.Second + seam.Mono(bytes%rate*1_000_000/rate)*seam.Microsecond
}

// next is the reader's next batch. False: what it needs was asked for, or it has come to the end, or something is wrong.
func (c *Cleaner) next(fx *seam.Effects) (view batch.View, ok bool) {
	r := &c.in
	if r.source >= r.last {
		return nil, false
	}
	source := &c.request.Sources[r.source]
	if !r.opened {
		r.file, r.at, r.next, r.from, r.asked, r.data, r.opened = c.file(), 0, source.Base, 0, 0, r.data[:0], true
		fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forOpen, 0), Deed: seam.Open, File: r.file, Path: log.SegmentPath(c.request.Folder, source.Base, ".log")})
		return nil, false
	}
	if r.at >= source.Size {
		r.opened = false
		r.source++
		fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forClose, 0), Deed: seam.Close, File: r.file})
		return nil, false
	}
	rest := r.data[min(r.at-r.from, int64(len(r.data))):]
	need := int64(pieceBytes)
	if len(rest) >= batch.HeaderSize {
		view = batch.View(rest)
		size := view.Size()
		if view.Magic() != batch.Magic || size < batch.HeaderSize || r.at+size > source.Size {
			c.unclean("a batch of a segment is damaged")
			return nil, false
		}
		if size <= int64(len(rest)) {
			if view = view[:size]; !view.Sound() || view.BaseOffset() < r.next || view.LastOffset() >= source.Next || !c.ofItsEpoch(view) {
				c.unclean("a batch of a segment is damaged")
				return nil, false
			}
			return view, true
		}
		need = max(need, size)
	}
	if r.from == r.at && r.asked >= need {
		c.unclean("a segment is cut off")
		return nil, false
	}
	r.from, r.asked, r.data = r.at, need, r.data[:0]
	size := min(need, source.Size-r.at)
	fx.Reads = append(fx.Reads, seam.Read{Op: c.await(forRead, size), File: r.file, At: r.at, Len: int32(size)})
	return nil, false
}

func (c *Cleaner) loaded(data []byte) {
	c.in.data = append(c.in.data[:0], data...)
	c.out.Read += int64(len(data))
	c.spend(int64(len(data)))
}

// file is a fresh id of those that came with the request.
func (c *Cleaner) file() seam.File {
	f := c.numbers.File()
	must.Be(f < c.beyond, "K3: a cleaner opens no more files than it was given ids for")
	return f
}

// learnOn looks at the transactions of some batches.
func (c *Cleaner) learnOn(fx *seam.Effects) {
	for c.items > 0 {
		if c.in.source >= c.in.last {
			c.learnt()
			return
		}
		view, ok := c.next(fx)
		if !ok {
			return
		}
		c.in.pass(view)
		c.items--
		c.history.meet(view)
	}
}

// learnt begins with the keys, as far as it is known what became of them.
func (c *Cleaner) learnt() {
	end := c.history.end()
	c.request.Aborted = c.history.aborted
	n := len(c.request.Sources)
	for n > 0 && c.request.Sources[n-1].Next > end {
		n--
	}
	if c.request.Sources = c.request.Sources[:n]; n == 0 || c.request.Sources[n-1].Next <= c.request.Dirty {
		c.fail(seam.NotFound, "the end of a transaction does not lie in a segment that may be read")
		return
	}
	c.beginMap()
}

// mapOn notes the keys of some batches.
func (c *Cleaner) mapOn(fx *seam.Effects) {
	for c.items > 0 {
		if c.in.source >= c.in.last {
			c.mapped()
			return
		}
		view, ok := c.next(fx)
		if !ok {
			return
		}
		if c.request.Aborted == nil && (view.IsTransactional() || view.IsControl()) {
			c.closeReader(fx)
			c.phase, c.in = learning, reader{last: len(c.request.Sources), data: c.in.data[:0]}
			return
		}
		c.in.pass(view)
		c.items -= 1 + int(view.Count())
		if !c.note(view) {
			c.closeReader(fx)
			c.mapped()
			return
		}
	}
}

// note puts a batch's keys into the map. False: it is full.
func (c *Cleaner) note(view batch.View) bool {
	discard := c.txns.meet(view)
	if view.LastOffset() < c.request.Dirty {
		return true
	}
	if !view.IsControl() && !discard {
		more := true
		_, fault := c.sieve.Sift(view, func(r *batch.Record) bool {
			offset := view.BaseOffset() + int64(r.OffsetDelta)
			if r.Key != nil && more && offset >= c.request.Dirty {
				if more = c.keys.put(r.Key, offset); more {
					c.mapEnd = offset + 1
				}
			}
			return false
		})
		if fault != batch.Fine {
			c.unclean("the records of a batch are damaged")
			return false
		}
		if !more {
			return false
		}
	}
	c.mapEnd = view.LastOffset() + 1
	return true
}

// mapped begins the second pass, over every source that begins below the end of the map.
func (c *Cleaner) mapped() {
	if n := len(c.request.Sources); n > 0 && c.in.source >= n {
		c.mapEnd = max(c.mapEnd, c.request.Sources[n-1].Next)
	}
	last := 0
	for last < len(c.request.Sources) && c.request.Sources[last].Base < c.mapEnd {
		last++
	}
	c.out.Keys = int64(c.keys.used)
	c.out.End = c.mapEnd
	c.txns = newTransactions(c.request.Aborted)
	c.phase, c.in = cleaning, reader{last: 0, data: c.in.data[:0]}
	c.group = group{end: 0, most: last}
}

func (c *Cleaner) closeReader(fx *seam.Effects) {
	if c.in.opened {
		c.in.opened = false
		fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forClose, 0), Deed: seam.Close, File: c.in.file})
	}
}

// abandon closes what is open.
func (c *Cleaner) abandon(fx *seam.Effects) {
	c.phase = closing
	c.closeReader(fx)
	for _, file := range c.group.files {
		if file != 0 {
			fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forClose, 0), Deed: seam.Close, File: file})
		}
	}
}

// remove takes away what was made; and where it met what an earlier Cleaner has made, which was given up before it was put in
// place, all that may be left of that: or each pass would meet the next of those files, and rest longer after each.
func (c *Cleaner) remove(fx *seam.Effects) {
	c.phase = removing
	if c.out.Fault == seam.Exists {
		for i := range c.request.Sources {
			c.removeFiles(c.request.Sources[i].Base, fx)
		}
	} else {
		for _, x := range c.out.Compacted {
			c.removeFiles(x.Base, fx)
		}
		if g := &c.group; g.end > g.begin {
			c.removeFiles(c.request.Sources[g.begin].Base, fx)
		}
	}
	c.out.Compacted = nil
}

func (c *Cleaner) removeFiles(base int64, fx *seam.Effects) {
	for _, suffix := range suffixes() {
		fx.Files = append(fx.Files, seam.FileOp{Op: c.await(forClose, 0), Deed: seam.Remove, Path: log.SegmentPath(c.request.Folder, base, suffix)})
	}
}

func (c *Cleaner) answer(fx *seam.Effects) {
	c.phase = answered
	c.keys, c.in, c.group = keys{}, reader{}, group{}
	out := c.out
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: &out})
}
