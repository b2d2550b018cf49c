package workload

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// whereabouts is what the disk had when somebody asked what lies where (DescribeLogDirs): the answer is held against it.
type whereabouts struct {
	life  int
	quiet bool             // nothing was under way: what is written behind a write that has not come back does not count yet
	bytes map[string]int64 // of the segments, by log directory and partition
}

func place(dir string, p check.Partition) string { return dir + "/" + folderName(p) }

// lookAround notes how large the segments are that no one takes away.
func (r *Run) lookAround() whereabouts {
	at := whereabouts{life: r.World.Node.Life, quiet: r.World.Node.Ready && r.World.Node.Quiet(), bytes: map[string]int64{}}
	for _, p := range r.plan.partitionsOf(r.plan.Durable...) {
		if r.plan.prunes(p.Topic) {
			continue
		}
		for dir := range r.plan.Dirs {
			at.bytes[place(DirName(dir), p)] = r.segmentBytes(int32(dir), p)
		}
	}
	return at
}

func (r *Run) segmentBytes(dir int32, p check.Partition) (bytes int64) {
	for _, e := range r.World.Node.Disk.List(seam.Path{Dir: dir, Name: folderName(p)}) {
		if !e.Folder && strings.HasSuffix(e.Path.Name, ".log") {
			bytes += e.Size
		}
	}
	return bytes
}

// judgeWhereabouts: a partition lies in one directory, and its copy in at most one other, no further than it. Where no write
// has failed and no directory has lost its power, and so nothing was cut off, it is no smaller than its segments were before,
// and no larger than they are when nothing is under way.
func (r *Run) judgeWhereabouts(who string, before whereabouts, dirs []kmsg.DescribeLogDirsResponseDir) {
	lies, copied := map[check.Partition]string{}, map[check.Partition]string{}
	w := r.World
	counts := &w.Counts
	whole := before.life == w.Node.Life && w.Node.Ready && counts[world.WriteFailed]+counts[world.WriteCutShort]+counts[world.AnsweredLate]+counts[world.DirPowerLost] == 0
	quiet := whole && w.Node.Quiet()
	offline := false // a directory: what lies there is not told
	for i := range dirs {
		offline = offline || dirs[i].ErrorCode != none
		for _, t := range dirs[i].Topics {
			for _, x := range t.Partitions {
				p, in := check.Partition{Topic: t.Topic, Number: x.Partition}, lies
				if x.IsFuture {
					in = copied
				}
				if !r.require(in[p] == "", check.LiesInOnePlace, "%s: %v lies in %s and in %s (a copy: %v)", who, p, in[p], dirs[i].Dir, x.IsFuture) {
					return
				}
				in[p] = dirs[i].Dir
				if !r.require(x.Size >= 0 && x.OffsetLag >= 0 && (x.IsFuture || x.OffsetLag == 0), check.LiesInOnePlace, "%s: %v in %s has %d bytes and lags by %d (a copy: %v)", who, p, dirs[i].Dir, x.Size, x.OffsetLag, x.IsFuture) || x.IsFuture {
					continue
				}
				least, known := before.bytes[place(dirs[i].Dir, p)]
				if !known || !whole {
					continue
				}
				r.require(!before.quiet || x.Size >= least, check.LiesInOnePlace, "%s: %v in %s has %d bytes, and its segments had %d", who, p, dirs[i].Dir, x.Size, least)
				dir := dirOf(dirs[i].Dir)
				if now := r.segmentBytes(dir, p); quiet && r.filesIn(dir, p) != nil { // or it was moved behind the answer
					r.require(x.Size <= now, check.LiesInOnePlace, "%s: %v in %s has %d bytes, and its segments have %d", who, p, dirs[i].Dir, x.Size, now)
				}
			}
		}
	}
	for p, dir := range copied { //tidy:unordered each by itself
		r.require((lies[p] != "" || offline) && lies[p] != dir, check.LiesInOnePlace, "%s: %v is being copied to %s, and lies in %q", who, p, dir, lies[p])
	}
}

// dirOf is DirName backwards.
func dirOf(name string) int32 {
	for i := int32(0); ; i++ {
		if DirName(int(i)) == name {
			return i
		}
	}
}
