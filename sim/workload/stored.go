package workload

import (
	"fmt"
	"path"

	"rookery/core/seam"
	"rookery/sim/check"
)

// begins is where logs begin, as the disk has it. Of a log that an operator has carried to another log directory it may still stand
// where it came from.
func (r *Run) begins() map[check.Partition]int64 {
	begins := map[check.Partition]int64{}
	for i := range r.plan.Dirs {
		dir := int32(i)
		for p, start := range r.beginsIn(dir) {
			if r.lies(p, dir) {
				begins[p] = max(begins[p], start)
			}
		}
	}
	for p, start := range r.brought { //tidy:unordered each by itself
		begins[p] = max(begins[p], start)
	}
	return begins
}

func (r *Run) beginsIn(dir int32) map[check.Partition]int64 {
	return check.ReadBegins(r.World.Node.Disk.Contents(seam.Path{Dir: dir, Name: "log-start-offset-checkpoint"}))
}

func (r *Run) lies(p check.Partition, dir int32) bool {
	return len(r.World.Node.Disk.List(seam.Path{Dir: dir, Name: folderName(p)})) > 0
}

// carried notes that the folder of a partition is in another log directory now, and where its log begins: where that is written down, or
// where a power cut has left it, since what is said of a log in the directory that it has left is not taken against what is there.
func (r *Run) carried(from, to seam.Path) {
	for _, p := range append(r.plan.partitionsOf(r.plan.stable()...), append(offsetsLogs(), check.Partition{Topic: tidyTopic})...) {
		if folderName(p) == from.Name {
			r.homes[p] = to.Dir
			r.brought[p] = max(r.brought[p], r.beginsIn(from.Dir)[p])
			if len(r.facts.Losses) > 0 {
				r.facts.Heads[p] = max(r.facts.Heads[p], check.Head(r.filesIn(to.Dir, p)))
			}
		}
	}
}

func folderName(p check.Partition) string { return fmt.Sprintf("%s-%d", p.Topic, p.Number) }

// files are those of a partition's folder, as the disk has them.
func (r *Run) files(p check.Partition) (files []check.File) {
	home, known := r.homes[p]
	for i := range r.plan.Dirs {
		dir := int32(i)
		if here := r.filesIn(dir, p); here != nil && (files == nil || known && home == dir) {
			files = here
		}
	}
	return files
}

func (r *Run) filesIn(dir int32, p check.Partition) (files []check.File) {
	for _, e := range r.World.Node.Disk.List(seam.Path{Dir: dir, Name: folderName(p)}) {
		if !e.Folder {
			f := check.File{Name: path.Base(e.Path.Name)}
			if r.plan.Numbers.Deep && r.facts.Origins[p] > 0 && f.Name == deepSegment {
				f.At = deep
			}
			f.Data = r.World.Node.Disk.ContentsFrom(e.Path, f.At)
			files = append(files, f)
		}
	}
	return files
}

// left is what the disk has of a partition after the power has failed. The folder in the directory where the broker was last
// seen to serve it has to hold everything, also while a copy has the same name elsewhere; but behind a move that it has
// spoken of since then, the copy has to. Where neither is there any more, or a process had begun to remove it, a start had
// found a move done and has ended it, and was not heard of: the copy has to.
func (r *Run) left(p check.Partition, dir int32) (files []check.File) {
	longest, begins := int64(-1), r.begins()
	for _, dir := range []int32{dir, r.homes[p]} {
		if r.World.Node.Disk.GivenUp(seam.Path{Dir: dir, Name: folderName(p)}) {
			continue
		}
		if here := r.filesIn(dir, p); here != nil {
			if end := check.Held(here, begins[p], r.facts.Compacted[p.Topic]); end > longest {
				longest, files = end, here
			}
		}
	}
	if files != nil {
		return files
	}
	for dir := range r.plan.Dirs {
		if here := r.filesIn(int32(dir), p); here != nil && !r.World.Node.Disk.GivenUp(seam.Path{Dir: int32(dir), Name: folderName(p)}) {
			return here
		}
	}
	return nil
}

// findHomes notes in which directory each partition lies.
func (r *Run) findHomes() {
	m := r.World.Node.Broker()
	if r.broker.View == nil || m == nil {
		return
	}
	v := check.View{}
	r.broker.View(m, false, &v)
	for i := range v.Partitions {
		r.homes[check.Partition{Topic: v.Partitions[i].Topic, Number: v.Partitions[i].Number}] = v.Partitions[i].Dir
	}
}
