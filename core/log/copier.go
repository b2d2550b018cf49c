package log

import (
	"cmp"
	"slices"

	"rookery/core/must"
	"rookery/core/seam"
)

// CopyRequest is the letter that starts a Copier: pieces of files to be copied into another folder, one after the other.
// The sources are only read, and no byte of a piece changes any more.
type CopyRequest struct {
	Folder seam.Path
	Pieces []Piece
	First  seam.File // ids from here on are the Copier's: two a piece
}

// Piece is a part of a file: of From, or Content.
type Piece struct {
	Name     string // in the folder
	From     seam.Path
	Content  []byte
	At, Size int64 // the part of From: from At on, up to Size. Beyond 0 the file is there already, up to At
	Whole    bool  // all that From has, if there is such a file
}

// Copied is the answer. All of it is on the disk, if there is no fault.
type Copied struct {
	Fault    seam.Fault
	Target   bool         // the fault is the target's
	Unsynced bool         // and a Sync's
	Files    []seam.Entry // what was written: names with the sizes they have come to
}

// Copier copies pieces of files to another log directory: a machine of its own, because disks are slow and this is much.
//
//	open both ─▶ read ─▶ write ─▶ ... ─▶ sync ─▶ close both ─▶ the next piece ─▶ ... ─▶ sync the folder ─▶ answer
//
// It asks for one thing at a time, so it stands behind whatever else a disk has to do.
type Copier struct {
	request CopyRequest
	numbers Numbers
	files   seam.File
	out     *Copied
	at      int // the piece
	phase   copyPhase
	op      seam.Op // under way
	from    seam.File
	to      seam.File
	size    int64  // of From
	done    int64  // how far the piece is written
	data    []byte // being written
}

type copyPhase uint8

const (
	copyOpening copyPhase = iota
	copyMaking
	copyReading
	copyWriting
	copySyncing
	copyClosingFrom
	copyClosingTo
	copySyncingFolder
	copyAnswered
)

// copyBytes is how much is read and written at a time.
const copyBytes = 256 << 10

// NewCopier makes a Copier that waits for its CopyRequest.
func NewCopier() *Copier { return &Copier{} }

// Step takes a letter or a completion.
func (c *Copier) Step(_ seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Mail:
		if request, ok := in.Body.(*CopyRequest); ok && c.out == nil {
			c.request, c.files, c.out = *request, request.First-1, &Copied{}
			c.numbers = Numbers{Owner: 1, Files: &c.files}
			c.begin(fx)
		}
	case *seam.Wrote:
		c.arrived(in.Op)
		c.onWrote(in, fx)
	case *seam.Synced:
		c.arrived(in.Op)
		c.onSynced(in, fx)
	case *seam.Loaded:
		c.arrived(in.Op)
		c.onLoaded(in, fx)
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Alarm, *seam.Stop:
	}
}

func (c *Copier) arrived(op seam.Op) {
	must.Be(op == c.op, "L18: every completion names the operation of this copier")
	c.op = 0
}

func (c *Copier) piece() *Piece { return &c.request.Pieces[c.at] }

func (c *Copier) fileOp(phase copyPhase, op seam.FileOp, fx *seam.Effects) {
	c.phase, c.op = phase, c.numbers.Op()
	op.Op = c.op
	fx.Files = append(fx.Files, op)
}

// begin starts the next piece, or ends when there is none.
func (c *Copier) begin(fx *seam.Effects) {
	if c.at == len(c.request.Pieces) || c.out.Fault != seam.OK {
		if c.out.Fault != seam.OK {
			c.answer(fx)
			return
		}
		c.phase, c.op = copySyncingFolder, c.numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: c.op, Folder: c.request.Folder})
		return
	}
	p := c.piece()
	c.from, c.to, c.size, c.done = 0, 0, p.Size, p.At
	if p.From.Name == "" {
		c.size = int64(len(p.Content))
		c.make(fx)
		return
	}
	c.from = c.numbers.File()
	c.fileOp(copyOpening, seam.FileOp{Deed: seam.Open, File: c.from, Path: p.From}, fx)
}

func (c *Copier) make(fx *seam.Effects) {
	deed := seam.Create
	if c.piece().At > 0 {
		deed = seam.Open
	}
	c.to = c.numbers.File()
	c.fileOp(copyMaking, seam.FileOp{Deed: deed, File: c.to, Path: c.path()}, fx)
}

func (c *Copier) path() seam.Path {
	return seam.Path{Dir: c.request.Folder.Dir, Name: c.request.Folder.Name + "/" + c.piece().Name}
}

func (c *Copier) onWrote(in *seam.Wrote, fx *seam.Effects) {
	switch c.phase {
	case copyOpening:
		switch {
		case in.Fault == seam.NotFound && c.piece().Whole: // it was not worth writing, or is not written yet
			c.size = c.done
			c.close(fx)
		case in.Fault != seam.OK:
			c.fail(in.Fault, false, fx)
		default:
			if c.piece().Whole {
				c.size = in.Bytes
			}
			c.make(fx)
		}
	case copyMaking:
		if in.Fault != seam.OK {
			c.fail(in.Fault, true, fx)
			return
		}
		c.goOn(fx)
	case copyWriting:
		if in.Fault != seam.OK || in.Bytes != int64(len(c.data)) {
			c.fail(orNoSpace(in.Fault), true, fx)
			return
		}
		c.done += in.Bytes
		c.goOn(fx)
	case copyClosingFrom:
		c.closeTo(fx)
	case copyClosingTo:
		c.at++
		c.begin(fx)
	case copyReading, copySyncing, copySyncingFolder, copyAnswered:
	}
}

// goOn reads what is next of a piece, or syncs it when all is written.
func (c *Copier) goOn(fx *seam.Effects) {
	left := c.size - c.done
	switch {
	case left <= 0:
		c.phase, c.op = copySyncing, c.numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: c.op, File: c.to})
	case c.from == 0:
		c.write(c.piece().Content, fx)
	default:
		c.phase, c.op = copyReading, c.numbers.Op()
		fx.Reads = append(fx.Reads, seam.Read{Op: c.op, File: c.from, At: c.done, Len: int32(min(left, copyBytes))})
	}
}

func (c *Copier) write(data []byte, fx *seam.Effects) {
	c.phase, c.op, c.data = copyWriting, c.numbers.Op(), data
	fx.Writes = append(fx.Writes, seam.Write{Op: c.op, File: c.to, At: c.done, Data: data})
}

func (c *Copier) onLoaded(in *seam.Loaded, fx *seam.Effects) {
	if in.Fault != seam.OK || len(in.Data) == 0 {
		c.fail(max(in.Fault, seam.IOError), false, fx)
		return
	}
	c.write(slices.Clone(in.Data), fx)
}

func (c *Copier) onSynced(in *seam.Synced, fx *seam.Effects) {
	if c.phase == copySyncingFolder {
		if in.Fault != seam.OK {
			c.out.Fault, c.out.Target, c.out.Unsynced = in.Fault, true, true
		}
		c.answer(fx)
		return
	}
	if in.Fault != seam.OK {
		c.out.Unsynced = true
		c.fail(in.Fault, true, fx)
		return
	}
	c.out.Files = append(c.out.Files, seam.Entry{Path: c.path(), Size: c.done})
	c.close(fx)
}

// fail ends the copying: what is open is closed first.
func (c *Copier) fail(fault seam.Fault, target bool, fx *seam.Effects) {
	c.out.Fault, c.out.Target = fault, target
	c.close(fx)
}

func (c *Copier) close(fx *seam.Effects) {
	if c.from == 0 {
		c.closeTo(fx)
		return
	}
	c.fileOp(copyClosingFrom, seam.FileOp{Deed: seam.Close, File: c.from}, fx)
}

func (c *Copier) closeTo(fx *seam.Effects) {
	if c.to == 0 {
		c.at++
		c.begin(fx)
		return
	}
	c.fileOp(copyClosingTo, seam.FileOp{Deed: seam.Close, File: c.to}, fx)
}

func (c *Copier) answer(fx *seam.Effects) {
	c.phase = copyAnswered
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: c.out})
}

// Copying is how far a log has been copied into another folder.
type Copying struct {
	Bytes int64           // of batches
	Upto  int64           // the offset up to which
	files []copiedSegment // by base
}

type copiedSegment struct {
	base   int64
	size   int64
	beside bool // its indexes and snapshots too
}

// Everything is more than any log has.
const Everything = 1 << 62

// Pieces are the next to be copied: of batches about max bytes, and of what lies beside a closed segment all, when it is there. All that is in the page cache is there to stay; the owner
// unlinks nothing meanwhile. left says whether there is more.
func (l *Log) Pieces(c *Copying, max int64) (pieces []Piece, left int64) {
	last := max == Everything
	for i := range l.segments {
		s := &l.segments[i]
		x := c.of(s.base)
		if room := min(s.done-x.size, max); room > 0 {
			pieces = append(pieces, Piece{Name: leaf(l.path(s.base, ".log")), From: l.path(s.base, ".log"), At: x.size, Size: x.size + room})
			x.size += room
			c.Bytes += room
			max -= room
		}
		left += s.done - x.size
		upto := s.base
		if x.size == s.done {
			upto = s.next
		}
		c.Upto = max64(c.Upto, min(upto, l.end.Offset)) // a segment may be begun while what comes before it is on its way
		if s.closed && x.size == s.size && !x.beside && max > 0 && (last || s.onDisk && s.timed) {
			x.beside = true
			pieces = append(pieces, l.besides(s)...)
		}
	}
	return pieces, left
}

func max64(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

func (c *Copying) of(base int64) *copiedSegment {
	at, found := slices.BinarySearchFunc(c.files, base, func(s copiedSegment, base int64) int { return cmp.Compare(s.base, base) })
	if !found {
		c.files = slices.Insert(c.files, at, copiedSegment{base: base})
	}
	return &c.files[at]
}

// besides are the files beside a closed segment that are worth copying. What is not is made again where it is needed.
func (l *Log) besides(s *segment) (pieces []Piece) {
	suffixes := []string{}
	if s.onDisk && s.timed {
		suffixes = append(suffixes, ".index", ".timeindex")
	}
	if s.snapped {
		suffixes = append(suffixes, snapshotSuffix, windowSuffix)
	}
	for _, suffix := range suffixes {
		path := l.path(s.base, suffix)
		pieces = append(pieces, Piece{Name: leaf(path), From: path, Whole: true})
	}
	return pieces
}

// Last are the files that a clean stop would write, of a log of which nothing is under way: with them beside what Pieces has
// named a folder is whole.
func (l *Log) Last(c *Copying, identity []byte, beside ...Beside) (pieces []Piece) {
	pieces = append(pieces, Piece{Name: epochsFile, Content: l.Epochs.Encode()}, Piece{Name: IdentityFile, Content: identity})
	if l.sparse > 0 {
		pieces = append(pieces, Piece{Name: leaf(l.path(l.sparse, sparseSuffix))})
	}
	for _, b := range beside {
		pieces = append(pieces, Piece{Name: leaf(l.path(l.end.Offset, b.Suffix)), Content: b.Content})
	}
	if len(l.segments) == 0 { // the first could not be made
		return pieces
	}
	s := l.active()
	if c.of(s.base).size == 0 {
		pieces = append(pieces, Piece{Name: leaf(l.path(s.base, ".log"))})
	}
	index := s.index
	index.Offsets, index.Times = slices.Clone(s.index.Offsets), slices.Clone(s.index.Times)
	index.Close(s.base)
	pieces = append(pieces,
		Piece{Name: leaf(l.path(s.base, ".index")), Content: index.EncodeOffsets()},
		Piece{Name: leaf(l.path(s.base, ".timeindex")), Content: index.EncodeTimes()})
	for _, b := range beside {
		if path := l.path(s.base, b.Suffix); s.snapped && s.base != l.end.Offset {
			pieces = append(pieces, Piece{Name: leaf(path), From: path, Whole: true})
		}
	}
	return pieces
}
