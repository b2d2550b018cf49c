package world

import (
	"rookery/core/seam"
)

// breakage is what is wrong with the disk of one log directory. It lasts until the next start of a process, or some more.
type breakage struct {
	syncs     bool // none works
	writes    bool // nor does anything that writes
	dark      bool // nor anything at all
	missing   bool // the next start does not find it
	hungUntil seam.Mono
}

// breakSome breaks a log directory beside the first: with that one the broker ends, which other faults see to.
func (n *Node) breakSome(lull seam.Mono) {
	w := n.world
	if len(n.breaks) < 2 {
		return
	}
	dir := int32(1 + w.nemesis.Choose(len(n.breaks)-1))
	b := &n.breaks[dir]
	switch w.nemesis.Choose(5) {
	case 0:
		w.Counts[DirSyncsFail]++
		b.syncs = true
	case 1:
		w.Counts[DirWritesFail]++
		b.syncs, b.writes = true, true
	case 2:
		w.Counts[DirHung]++
		b.hungUntil = w.now + lull*seam.Mono(1+w.nemesis.Choose(40))
	case 3:
		w.Counts[DirPowerLost]++
		b.syncs, b.writes, b.dark = true, true, true
		n.Disk.cutPower(w.power, &w.Counts, func(of int32) bool { return of == dir })
		if w.OnDark != nil {
			w.OnDark(n, dir)
		}
	case 4:
		b.missing = true
		n.Kill()
		w.restartAfter(lull)
	}
	w.logf("BREAK of directory %d: %+v", dir, *b)
}

// broken says whether a process runs on a disk that only its end makes whole.
func (n *Node) broken() bool {
	for i := range n.breaks {
		if n.Up && n.breaks[i].syncs {
			return true
		}
	}
	return false
}

// started is what a new process finds. A disk that was broken is whole again, or not there for this once.
func (n *Node) started() *seam.Started {
	w := n.world
	in := &seam.Started{Files: n.Disk.Walk(), Dirs: make([]seam.Fault, len(n.breaks))}
	for i := range n.breaks {
		b := &n.breaks[i]
		gone := w.Rates.Disk > 0 && (b.missing || b.syncs && w.nemesis.Choose(2) == 1)
		if *b = (breakage{hungUntil: b.hungUntil}); gone {
			w.Counts[DirMissing]++
			in.Dirs[i] = seam.IOError
		}
	}
	kept := in.Files[:0]
	for _, e := range in.Files {
		if in.Dirs[e.Path.Dir] == seam.OK {
			kept = append(kept, e)
		}
	}
	in.Files = kept
	return in
}
