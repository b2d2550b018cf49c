package log

import (
	"slices"

	"rookery/core/batch"
	"rookery/core/must"
	"rookery/core/seam"
)

// SearchRequest is the letter that starts a Search: what may be read of one partition, and the question.
type SearchRequest struct {
	ID        uint64
	Timestamp int64 // the first record at or after it
	Latest    bool  // instead: the first record with the largest timestamp (KIP-734)
	Limit     Mark
	first     seam.File // ids from here on are the Search's
	start     int64
	folder    seam.Path
	segments  []searchSegment
}

// searchSegment is one segment as far as it may be read.
type searchSegment struct {
	base  int64
	size  int64
	whole bool // the limit does not cut it
	known bool // index is from memory
	files bool // there are index files to be read
	swap  bool // its files still have their .swap names
	index Index
}

// Searched is the answer.
type Searched struct {
	ID        uint64
	Found     bool
	Offset    int64
	Timestamp int64
	Epoch     int32
	Fault     seam.Fault
}

// SearchRequest describes what may be read up to limit; the caller adds the question. Of a log that was emptied that is nothing: its
// last segment goes when another begins, and not with a start that moves.
func (l *Log) SearchRequest(limit Mark) *SearchRequest {
	r := &SearchRequest{Limit: limit, start: l.start, folder: l.Folder}
	for i := l.segmentOf(l.start); i < len(l.segments); i++ {
		s := &l.segments[i]
		if s.base >= limit.Offset || limit.Offset <= l.start {
			break
		}
		out := searchSegment{base: s.base, size: s.done, whole: s.closed && s.done == s.size}
		if limit.Segment == s.base {
			out.whole = out.whole && limit.Position == s.done
			out.size = limit.Position
		}
		out.files, out.swap = s.onDisk && s.timed && s.timeFile != 0, s.swapping
		if !s.suspect && !s.onDisk {
			out.known = true
			out.index = Index{Offsets: slices.Clone(s.index.Offsets), Times: slices.Clone(s.index.Times), MaxTimestamp: s.index.MaxTimestamp, MaxLast: s.index.MaxLast, dated: s.index.dated}
		}
		r.segments = append(r.segments, out)
	}
	r.first = *l.numbers.Files + 1
	*l.numbers.Files += seam.File(filesOfSegment*len(r.segments) + 1)
	return r
}

// filesOfSegment is what a Search opens at most of one: two indexes and the log. One of them it may open once more.
const filesOfSegment = 3

// Search answers one ListOffsets question that needs records to be read: a machine of its own.
//
//	request ─▶ for each segment: time and offset index ─▶ headers from the entry on ─▶ the one batch's records ─▶ answer
//
// Rules:
//   - nothing at or behind the limit is read, and nothing below the log's start is answered.
//   - an index only says where to begin and what to pass over; what is answered was read from a batch whose CRC is right.
//   - its files are closed when it answers. Their ids come with the request: they are the process's, not its own.
type Search struct {
	request SearchRequest
	numbers Numbers
	files   seam.File
	pending []pendingOp
	out     Searched
	begun   bool
	over    bool // the answer is known, files are being closed
	told    bool

	current int
	stage   searchStage
	log     seam.File
	small   []seam.File // index files to be closed
	times   []byte
	offsets []byte
	from    int64 // position of the piece under way
	at      int64
	scratch batch.Scratch
	best    candidate
}

type searchStage uint8

const (
	searchEnter   searchStage = iota // a segment
	searchIndexes                    // its index files are read
	searchHeaders
	searchRecords // of the batch at at
)

// candidate is the batch that has the largest timestamp so far. Its place is known, or an entry before it.
type candidate struct {
	found     bool
	timestamp int64
	segment   int
	at        int64 // where a walk finds it
	last      int64 // its last offset
	chosen    bool  // no other comes: it is being looked for
}

const (
	forTimes work = iota + forSwap + 1
	forOffsets
	forHeaders
	forRecords
)

const searchBytes = 64 << 10

// NewSearch makes a Search that waits for its SearchRequest.
func NewSearch() *Search { return &Search{} }

// Step takes a letter or a completion.
func (s *Search) Step(_ seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Mail:
		if request, ok := in.Body.(*SearchRequest); ok && !s.begun {
			s.begin(request)
			s.proceed(fx)
		}
	case *seam.Wrote:
		p := s.arrived(in.Op)
		if p.what == forLog && in.Fault != seam.OK {
			s.fail(in.Fault, fx)
		}
		s.proceed(fx)
	case *seam.Loaded:
		s.onLoaded(in, fx)
	case *seam.Synced, *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Alarm, *seam.Stop:
	}
}

func (s *Search) begin(request *SearchRequest) {
	s.begun, s.request, s.files = true, *request, request.first-1
	s.numbers = Numbers{Owner: 1, Files: &s.files}
	s.out = Searched{ID: request.ID, Offset: -1, Timestamp: batch.NoTimestamp, Epoch: -1}
}

func (s *Search) await(what work) seam.Op {
	op := s.numbers.Op()
	s.pending = append(s.pending, pendingOp{op: op, what: what})
	return op
}

func (s *Search) arrived(op seam.Op) pendingOp {
	for i, p := range s.pending {
		if p.op == op {
			s.pending = slices.Delete(s.pending, i, i+1)
			return p
		}
	}
	must.Be(false, "L15: every completion names an operation of this search")
	return pendingOp{}
}

func (s *Search) onLoaded(in *seam.Loaded, fx *seam.Effects) {
	p := s.arrived(in.Op)
	switch {
	case p.what == forTimes && in.Fault == seam.OK:
		s.times = slices.Clone(in.Data)
	case p.what == forOffsets && in.Fault == seam.OK:
		s.offsets = slices.Clone(in.Data)
	case p.what == forTimes || p.what == forOffsets || s.over:
	case in.Fault != seam.OK:
		s.fail(in.Fault, fx)
	case p.what == forHeaders:
		s.scan(in.Data, fx)
	case p.what == forRecords:
		s.look(in.Data, fx)
	}
	s.proceed(fx)
}

// proceed goes on when everything that was under way has come back.
func (s *Search) proceed(fx *seam.Effects) {
	for len(s.pending) == 0 && !s.told {
		switch {
		case s.over:
			s.told = true
			out := s.out
			fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: &out})
		case s.current >= len(s.request.segments) && s.request.Latest && s.best.found && !s.best.chosen:
			s.choose()
		case s.current >= len(s.request.segments):
			s.finish(fx)
		default:
			s.advance(fx)
		}
	}
}

func (s *Search) advance(fx *seam.Effects) {
	g := &s.request.segments[s.current]
	switch s.stage {
	case searchEnter:
		s.stage = searchIndexes
		if g.files && !g.known {
			s.readIndexes(g, fx)
		}
	case searchIndexes:
		s.indexesRead(g)
		s.closeSmall(fx)
		s.stage = searchHeaders
		if !s.worthwhile(g) {
			s.leave(fx)
		}
	case searchHeaders:
		if s.log == 0 {
			s.open(g, fx)
		}
		if s.at >= g.size {
			s.leave(fx)
			return
		}
		s.read(forHeaders, min(searchBytes, g.size-s.at), fx)
	case searchRecords:
		must.Be(false, "L16: a search that looks at records waits for them")
	}
}

func (s *Search) open(g *searchSegment, fx *seam.Effects) {
	s.log = s.numbers.File()
	fx.Files = append(fx.Files, seam.FileOp{Op: s.await(forLog), Deed: seam.Open, File: s.log, Path: s.path(g, ".log")})
}

func (s *Search) read(what work, length int64, fx *seam.Effects) {
	s.from = s.at
	fx.Reads = append(fx.Reads, seam.Read{Op: s.await(what), File: s.log, At: s.at, Len: int32(length)})
}

// leave closes the segment and goes to the next one.
func (s *Search) leave(fx *seam.Effects) {
	s.closeLog(fx)
	if s.current++; s.best.chosen {
		s.current = len(s.request.segments)
	}
	s.stage, s.at, s.times, s.offsets = searchEnter, 0, nil, nil
}

func (s *Search) closeLog(fx *seam.Effects) {
	if s.log != 0 {
		fx.Files = append(fx.Files, seam.FileOp{Op: s.await(forClose), Deed: seam.Close, File: s.log})
		s.log = 0
	}
}

func (s *Search) readIndexes(g *searchSegment, fx *seam.Effects) {
	s.readWhole(forTimes, s.path(g, ".timeindex"), fx)
	s.readWhole(forOffsets, s.path(g, ".index"), fx)
}

func (s *Search) path(g *searchSegment, suffix string) seam.Path {
	if g.swap {
		suffix += swapSuffix
	}
	return SegmentPath(s.request.folder, g.base, suffix)
}

func (s *Search) readWhole(what work, path seam.Path, fx *seam.Effects) {
	const indexMax = 16 << 20
	file := s.numbers.File()
	fx.Files = append(fx.Files, seam.FileOp{Op: s.await(forSmall), Deed: seam.Open, File: file, Path: path})
	fx.Reads = append(fx.Reads, seam.Read{Op: s.await(what), File: file, Len: indexMax})
	s.small = append(s.small, file)
}

// closeSmall: of one Step's effects Files run before Reads, so a file is closed when its Read has come back.
func (s *Search) closeSmall(fx *seam.Effects) {
	for _, file := range s.small {
		fx.Files = append(fx.Files, seam.FileOp{Op: s.await(forClose), Deed: seam.Close, File: file})
	}
	s.small = s.small[:0]
}

// indexesRead takes the index files if they are such: without them the segment is walked from its start.
func (s *Search) indexesRead(g *searchSegment) {
	if g.known {
		return
	}
	offsets, ok := ParseOffsets(s.offsets, g.size)
	times, dated := ParseTimes(s.times)
	if !ok || !dated || len(times) == 0 {
		return
	}
	last := times[len(times)-1]
	g.index = Index{Offsets: offsets, Times: times, MaxTimestamp: last.Timestamp, MaxLast: g.base + int64(last.Relative), dated: true}
	g.known = g.whole
}

// worthwhile settles where the walk over headers begins; false: the segment needs none.
func (s *Search) worthwhile(g *searchSegment) bool {
	s.at = 0
	if s.best.chosen {
		s.at = s.best.at
		return true
	}
	if s.request.Latest {
		return s.maximum(g)
	}
	if g.known && g.whole && g.index.largest() < s.request.Timestamp {
		return false
	}
	relative := int64(-1)
	for _, e := range g.index.Times {
		if e.Timestamp <= s.request.Timestamp {
			relative = int64(e.Relative)
		}
	}
	s.at = g.index.position(max(relative, s.request.start-g.base))
	return true
}

// position is where a walk begins that is to find the batch of base+relative.
func (x *Index) position(relative int64) int64 {
	e, _ := x.floor(relative)
	return int64(e.Position)
}

// maximum takes what the time index knows of a segment; the rest of it is walked.
func (s *Search) maximum(g *searchSegment) bool {
	if s.request.start > g.base { // the largest so far may have been deleted
		s.at = g.index.position(s.request.start - g.base)
		return true
	}
	readable := g.index.Times
	for n := len(readable); n > 0 && g.base+int64(readable[n-1].Relative) >= s.request.Limit.Offset; n-- {
		readable = readable[:n-1]
	}
	if n := len(readable); n > 0 {
		s.consider(readable[n-1].Timestamp, g.base+int64(readable[n-1].Relative), g.index.position(int64(readable[n-1].Relative)))
	}
	if g.known && g.whole && g.index.dated {
		s.consider(g.index.MaxTimestamp, g.index.MaxLast, g.index.position(g.index.MaxLast-g.base))
		return false
	}
	for n := len(g.index.Offsets); n > 0 && int64(g.index.Offsets[n-1].Position) >= g.size; n-- {
		g.index.Offsets = g.index.Offsets[:n-1]
	}
	if n := len(g.index.Offsets); n > 0 && len(readable) > 0 {
		s.at = int64(g.index.Offsets[n-1].Position)
	}
	return true
}

func (s *Search) consider(timestamp, last, at int64) {
	if last >= s.request.start && (!s.best.found || timestamp > s.best.timestamp) {
		s.best = candidate{found: true, timestamp: timestamp, segment: s.current, at: at, last: last}
	}
}

// choose goes back to the batch with the largest timestamp.
func (s *Search) choose() {
	s.best.chosen = true
	s.current, s.stage, s.at = s.best.segment, searchHeaders, s.best.at
}

// scan hops over the headers of a piece.
func (s *Search) scan(data []byte, fx *seam.Effects) {
	g := &s.request.segments[s.current]
	for s.at < g.size {
		rest := data[min(s.at-s.from, int64(len(data))):]
		if len(rest) < headerSize {
			if s.at == s.from {
				s.fail(seam.IOError, fx)
			}
			return
		}
		view := batch.View(rest)
		if view.Magic() != batch.Magic || view.Size() < headerSize || s.at+view.Size() > g.size || s.strays(g, view) {
			s.fail(seam.IOError, fx)
			return
		}
		if s.wanted(view) {
			s.stage = searchRecords
			s.read(forRecords, view.Size(), fx)
			return
		}
		s.at += view.Size()
	}
}

// strays: no checksum covers where a batch says that it lies, and this is no place for one.
func (s *Search) strays(g *searchSegment, view batch.View) bool {
	return view.BaseOffset() < g.base || view.LastOffset() < view.BaseOffset() || view.LastOffset() >= s.request.Limit.Offset
}

// wanted says whether the batch's records are to be read.
func (s *Search) wanted(view batch.View) bool {
	switch {
	case view.LastOffset() < s.request.start || view.Count() == 0:
		return false
	case s.best.chosen:
		return view.LastOffset() >= s.best.last
	case s.request.Latest && view.BaseOffset() < s.request.start: // the largest may be of a record that was deleted
		return true
	case s.request.Latest:
		s.consider(view.MaxTimestamp(), view.LastOffset(), s.at)
		return false
	}
	return view.MaxTimestamp() >= s.request.Timestamp
}

// look reads a batch's records for the first that answers the question, or, of the batch that the log's start cuts, for
// the largest timestamp.
func (s *Search) look(data []byte, fx *seam.Effects) {
	view := batch.View(data)
	if !view.Sound() {
		s.fail(seam.IOError, fx)
		return
	}
	asked := s.request.Timestamp
	if s.request.Latest {
		asked = s.best.timestamp
	}
	var record batch.Record
	records := batch.Read(view, batch.Limits{}, &s.scratch)
	for records.Next(&record) {
		offset := view.BaseOffset() + int64(record.OffsetDelta)
		switch {
		case offset < s.request.start:
		case s.request.Latest && !s.best.chosen:
			s.consider(record.Timestamp, view.LastOffset(), s.at)
		case record.Timestamp >= asked:
			s.out.Found, s.out.Offset, s.out.Timestamp, s.out.Epoch = true, offset, record.Timestamp, view.LeaderEpoch()
			s.finish(fx)
			return
		}
	}
	if records.Fault() != batch.Fine {
		s.fail(seam.IOError, fx)
		return
	}
	s.stage = searchHeaders
	s.at += view.Size()
}

func (s *Search) fail(fault seam.Fault, fx *seam.Effects) {
	s.out.Fault = fault
	s.finish(fx)
}

// finish closes what is open; the answer leaves when that has come back.
func (s *Search) finish(fx *seam.Effects) {
	if !s.over {
		s.over = true
		s.closeLog(fx)
	}
}
