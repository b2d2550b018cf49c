package log

import (
	"cmp"
	"slices"
	"strings"

	"rookery/core/batch"
	"rookery/core/seam"
)

// swaps is how a Recovery finishes the replacement of segments that a crash has cut short (see replacing), by Kafka's rules:
// what ends in .swap was whole and durable before anything that it stands for was touched. Its name need not be: a process
// that dies right behind the rename leaves one that a power cut still takes back, and nothing goes on its word before that.
//
//	folder synced ─▶ read to the end ─▶ what it stands for is removed ─▶ folder synced ─▶ renamed ─▶ folder synced ─▶ the next one
type swaps struct {
	begun seam.Now
	queue []swap
	stage swapStage
	file  seam.File
	at    int64
	asked int64
	next  int64 // offset behind the last batch read
}

type swap struct {
	base int64
	size int64
}

type swapStage uint8

const (
	swapNamed swapStage = iota
	swapOpening
	swapReading
	swapClosing
	swapRemoved
	swapSynced
	swapRenamed
	swapDone
)

// beginSwaps makes durable the names of what ends in .swap, if there is any.
func (r *Recovery) beginSwaps(fx *seam.Effects) {
	if r.sortSwaps(); len(r.swaps.queue) > 0 {
		r.syncFolder(fx)
		return
	}
	r.nextSwap(fx)
}

func (r *Recovery) sortSwaps() {
	for _, e := range r.request.Files {
		if name, cut := strings.CutSuffix(leaf(e.Path), swapSuffix); cut && !e.Folder {
			if base, suffix, ok := segmentName(name); ok && suffix == ".log" {
				r.swaps.queue = append(r.swaps.queue, swap{base: base, size: e.Size})
			}
		}
	}
	slices.SortStableFunc(r.swaps.queue, func(a, b swap) int { return cmp.Compare(a.base, b.base) })
}

// nextSwap begins with the next .swap, or with the recovery proper.
func (r *Recovery) nextSwap(fx *seam.Effects) {
	s := &r.swaps
	if len(s.queue) == 0 {
		r.load(s.begun, fx)
		return
	}
	s.stage, s.at, s.next, s.file = swapOpening, 0, s.queue[0].base, r.numbers.File()
	r.fileOp(forSwap, 0, seam.FileOp{Deed: seam.Open, File: s.file, Path: r.path(s.queue[0].base, ".log"+swapSuffix)}, fx)
}

// swapOn goes on when everything that was under way has come back.
func (r *Recovery) swapOn(fx *seam.Effects) {
	s := &r.swaps
	switch s.stage {
	case swapNamed:
		r.nextSwap(fx)
	case swapOpening, swapReading:
		if s.stage = swapReading; s.at < s.queue[0].size {
			s.asked = max(s.asked, walkBytes)
			fx.Reads = append(fx.Reads, seam.Read{Op: r.await(forSwap, 0), File: s.file, At: s.at, Len: int32(min(s.asked, s.queue[0].size-s.at))})
			return
		}
		s.stage = swapClosing
		r.fileOp(forClose, 0, seam.FileOp{Deed: seam.Close, File: s.file}, fx)
	case swapClosing:
		s.stage = swapRemoved
		r.removeSwapped(fx)
		if len(r.pending) == 0 {
			r.swapOn(fx)
		}
	case swapRemoved:
		s.stage = swapSynced
		r.syncFolder(fx)
	case swapSynced:
		s.stage = swapRenamed
		r.renameSwap(fx)
	case swapRenamed:
		s.stage = swapDone
		r.syncFolder(fx)
	case swapDone:
		s.queue = s.queue[1:]
		r.nextSwap(fx)
	}
}

// swapPiece walks over a piece of a .swap: it must be whole, for what it stands for may be gone.
func (r *Recovery) swapPiece(in *seam.Loaded) {
	s := &r.swaps
	if in.Fault != seam.OK {
		r.swapFailed(in.Fault, "a compacted segment cannot be read")
		return
	}
	start, data := s.at, in.Data
	for len(data) >= headerSize {
		view := batch.View(data)
		if view.Magic() != batch.Magic || view.Size() < headerSize || s.at+view.Size() > s.queue[0].size || view.BaseOffset() < s.next || view.LastOffset() < view.BaseOffset() {
			r.swapFailed(seam.IOError, "a compacted segment is damaged")
			return
		}
		if view.Size() > int64(len(data)) {
			break
		}
		if !view[:view.Size()].Sound() {
			r.swapFailed(seam.IOError, "a compacted segment is damaged")
			return
		}
		s.next = view.LastOffset() + 1
		s.at += view.Size()
		data = data[view.Size():]
	}
	switch {
	case s.at > start:
		s.asked = 0
	case len(data) < headerSize || batch.View(data).Size() <= s.asked:
		r.swapFailed(seam.IOError, "a compacted segment is cut off")
	default:
		s.asked = batch.View(data).Size()
	}
}

func (r *Recovery) swapFailed(fault seam.Fault, why string) {
	r.fail(fault, why)
	r.removed = append(r.removed, r.swaps.file)
}

// swapped says whether a file belongs to a segment that the .swap stands for.
func (r *Recovery) swapped(e seam.Entry) bool {
	s := &r.swaps
	base, suffix, ok := segmentName(leaf(e.Path))
	if !ok || e.Folder || base < s.queue[0].base || base > s.queue[0].base && base >= s.next {
		return false
	}
	switch suffix {
	case ".log", ".index", ".timeindex", ".txnindex":
		return true
	case snapshotSuffix, windowSuffix:
		return base > s.queue[0].base
	}
	return false
}

func (r *Recovery) removeSwapped(fx *seam.Effects) {
	files := make([]seam.Entry, 0, len(r.request.Files))
	for _, e := range r.request.Files {
		if r.swapped(e) {
			r.fileOp(forSwap, 0, seam.FileOp{Deed: seam.Remove, Path: e.Path}, fx)
		} else {
			files = append(files, e)
		}
	}
	r.request.Files = files
}

func (r *Recovery) renameSwap(fx *seam.Effects) {
	for i := range r.request.Files {
		e := &r.request.Files[i]
		name, cut := strings.CutSuffix(leaf(e.Path), swapSuffix)
		if base, _, ok := segmentName(name); !cut || !ok || base != r.swaps.queue[0].base {
			continue
		}
		to := seam.Path{Dir: e.Path.Dir, Name: strings.TrimSuffix(e.Path.Name, swapSuffix)}
		r.fileOp(forSwap, 0, seam.FileOp{Deed: seam.Rename, Path: e.Path, To: to}, fx)
		e.Path = to
	}
}
