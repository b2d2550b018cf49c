package log

import (
	"slices"
	"strconv"
	"strings"

	"rookery/core/seam"
)

// sortFiles makes segments of the .log files and notes the small files worth reading and what is to be removed.
func (r *Recovery) sortFiles(now seam.Now) {
	for _, e := range r.request.Files {
		base, suffix, ok := segmentName(leaf(e.Path))
		switch {
		case !ok || suffix != ".log":
		case e.Folder: // passing it over would take a segment out of the log without a word
			r.fail(seam.IOError, e.Path.Name+" is a folder")
		default:
			r.out.segments = append(r.out.segments, segment{base: base, next: base, size: e.Size, done: e.Size, birth: 1, closed: true, indexed: true, onDisk: true, timed: true, derived: indexFiles, ageless: true, created: now.Wall, firstTime: -1})
		}
	}
	segments := r.out.segments
	slices.SortStableFunc(segments, func(a, b segment) int { return compareInt64(a.base, b.base) })
	for i := range segments[:max(0, len(segments)-1)] {
		segments[i].next = segments[i+1].base
	}
	r.dropDeleted()
	snapshot := r.snapshotOffset()
	for _, e := range r.request.Files {
		r.sortFile(e, snapshot)
	}
}

// dropDeleted takes out the segments that lie below the log's start, as far as a snapshot knows who wrote them. The walk
// reads the others for that, and the log lets go of them when it has written one.
func (r *Recovery) dropDeleted() {
	known := int64(-1)
	for _, e := range r.request.Files {
		if offset, suffix, ok := segmentName(leaf(e.Path)); ok && suffix == snapshotSuffix && offset <= r.request.LogStart {
			known = max(known, offset)
		}
	}
	n := 0
	for n+1 < len(r.out.segments) && r.out.segments[n+1].base <= known {
		r.junk = append(r.junk, r.path(r.out.segments[n].base, ".log"))
		n++
	}
	r.out.segments = slices.Delete(r.out.segments, 0, n)
}

func (r *Recovery) sortFile(e seam.Entry, snapshot int64) {
	name := leaf(e.Path)
	base, suffix, numbered := segmentName(name)
	isIndex := suffix == ".index" || suffix == ".timeindex"
	n := len(r.out.segments)
	switch {
	case e.Folder:
	case strings.HasSuffix(name, ".deleted") || strings.HasSuffix(name, cleanedSuffix) || strings.HasSuffix(name, swapSuffix) || strings.HasSuffix(name, ".tmp"):
		r.junk = append(r.junk, e.Path)
	case numbered && isIndex && r.segmentBased(base) == nil:
		r.junk = append(r.junk, e.Path)
	case numbered && isIndex:
		r.giveIndex(r.segmentBased(base), suffix, e.Size)
		if r.request.Clean && r.out.segments[n-1].base == base {
			r.want(smallFile{kind: suffix, offset: base, path: e.Path, size: e.Size})
		}
	case numbered && (suffix == snapshotSuffix || suffix == windowSuffix) && (base == snapshot || base == r.leastSnapshot()):
		r.noteSnapshot(base, suffix, e.Size)
		r.want(smallFile{kind: suffix, offset: base, path: e.Path, size: e.Size})
	case numbered && (suffix == snapshotSuffix || suffix == windowSuffix) && base < r.leastSnapshot():
		r.junk = append(r.junk, e.Path)
	case numbered && suffix == sparseSuffix && base < r.out.sparse:
		r.junk = append(r.junk, e.Path)
	case numbered:
		r.noteSnapshot(base, suffix, e.Size)
	case name == epochsFile || name == IdentityFile:
		r.want(smallFile{kind: name, path: e.Path, size: e.Size})
	}
}

func (r *Recovery) want(f smallFile) {
	most := int64(smallMax)
	if f.kind == snapshotSuffix || f.kind == windowSuffix {
		most = snapshotMax
	}
	if f.size <= most {
		f.file = r.numbers.File()
		r.small = append(r.small, f)
	}
}

// noteSnapshot: a segment has the producers' snapshot at its start.
func (r *Recovery) noteSnapshot(base int64, suffix string, size int64) {
	if s := r.segmentBased(base); s != nil && suffix == snapshotSuffix {
		s.snapped = size > 0
	}
}

// leastSnapshot is the least offset of a snapshot that is of use: between an older one and the log's first batch there
// are batches missing.
func (r *Recovery) leastSnapshot() int64 {
	if len(r.out.segments) == 0 {
		return r.request.LogStart
	}
	return r.out.segments[0].base
}

// giveIndex notes that a segment has an index file. What is in it is looked at when somebody needs it.
func (r *Recovery) giveIndex(s *segment, suffix string, size int64) {
	if suffix == ".index" {
		s.indexFile, s.entries = present, size
	} else {
		s.timeFile, s.timeBytes = present, size
	}
}

// present stands for the id of a file that Restore will open.
const present seam.File = 1

func (r *Recovery) segmentBased(base int64) *segment { return based(r.out.segments, base) }

func leaf(path seam.Path) string { return path.Name[strings.LastIndexByte(path.Name, '/')+1:] }

// segmentName splits "00000000000000000042.log".
func segmentName(name string) (base int64, suffix string, ok bool) {
	const digits = 20
	if len(name) <= digits || name[digits] != '.' {
		return 0, "", false
	}
	for i := range digits {
		if name[i] < '0' || name[i] > '9' {
			return 0, "", false
		}
	}
	base, err := strconv.ParseInt(name[:digits], 10, 64)
	return base, name[digits:], err == nil
}

// OwnFile says whether a file of a partition's folder is of a kind that a log writes there, or one of Kafka's does.
func OwnFile(name string) bool {
	name = strings.TrimSuffix(name, ".tmp")
	_, _, numbered := segmentName(name)
	return numbered || name == IdentityFile || name == epochsFile
}

func compareInt64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// snapshotOffset is where the walk's producer state may start from: the newest snapshot not behind the segment that
// holds the recovery point, and the newest of all after a clean stop.
func (r *Recovery) snapshotOffset() int64 {
	limit := r.request.LogStart // that one was on the disk before anything below went
	if len(r.out.segments) > 0 {
		limit = max(limit, r.floorBase(r.request.RecoveryPoint))
	}
	if r.request.Clean {
		limit = 1<<63 - 1
	}
	best := int64(-1)
	for _, e := range r.request.Files {
		if offset, suffix, ok := segmentName(leaf(e.Path)); ok && suffix == snapshotSuffix && r.leastSnapshot() <= offset && offset <= limit {
			best = max(best, offset)
		}
	}
	return best
}

func (r *Recovery) floorBase(offset int64) int64 {
	if len(r.out.segments) == 0 {
		return 0
	}
	return r.out.segments[max(0, floor(r.out.segments, offset))].base
}
