package world

import (
	"maps"
	"strings"

	"rookery/core/seam"
)

// carry is what an operator does now and then while no process runs: the folder of a partition goes to another log directory,
// whole and synced, as cp -a, sync and rm -r leave it. He has nothing to do with a directory that is not there, and never lets
// one name be in two directories.
func (n *Node) carry() {
	w := n.world
	s := w.Tape.Stream("carried")
	if n.Up || w.Rates.Carry == 0 || !s.Chance(w.Rates.Carry) {
		return
	}
	for range 1 + s.Choose(3) {
		folders := n.portable()
		if len(folders) == 0 {
			return
		}
		from := folders[s.Choose(len(folders))]
		to := seam.Path{Dir: int32((int(from.Dir) + 1 + s.Choose(len(n.breaks)-1)) % len(n.breaks)), Name: from.Name}
		if n.Disk.find(to) != nil || n.breaks[to.Dir].isOut() {
			continue
		}
		n.Disk.carry(from, to)
		w.Counts[FolderCarried]++
		w.logf("CARRIED %s from directory %d to %d", from.Name, from.Dir, to.Dir)
		if w.OnCarry != nil {
			w.OnCarry(from, to)
		}
	}
}

// isOut says whether there is nothing to be done with a directory: its disk has no power, or the next start is not to find it.
func (b *breakage) isOut() bool { return b.missing || b.dark || b.writes }

// portable lists the folders of partitions that nobody has begun to remove, and that are in one directory only.
func (n *Node) portable() (folders []seam.Path) {
	found := map[string]int{}
	for i := range n.Disk.roots {
		for _, e := range n.Disk.List(seam.Path{Dir: int32(i)}) {
			found[e.Path.Name]++
		}
	}
	for i := range n.Disk.roots {
		for _, e := range n.Disk.List(seam.Path{Dir: int32(i)}) {
			if isPartition(e) && found[e.Path.Name] == 1 && !n.Disk.GivenUp(e.Path) && !n.breaks[i].isOut() {
				folders = append(folders, e.Path)
			}
		}
	}
	return folders
}

// isPartition says whether a folder is called TOPIC-NUMBER, and is not the metadata log's, which has to be in the first directory.
func isPartition(e seam.Entry) bool {
	at := strings.LastIndexByte(e.Path.Name, '-')
	return e.Folder && at > 0 && strings.Trim(e.Path.Name[at+1:], "0123456789") == "" && !strings.HasPrefix(e.Path.Name, "__cluster_metadata-")
}

// carry moves a folder between disks, and puts it there as processes see it.
func (d *Disk) carry(from, to seam.Path) {
	d.settleAll()
	n, there := d.find(from), d.roots[to.Dir]
	for _, child := range n.entries { //tidy:unordered each by itself
		child.dir = to.Dir
		child.settleContent()
	}
	delete(n.parent.entries, n.name)
	delete(n.parent.durableEntries, n.name)
	n.dir, n.parent, n.platter = to.Dir, there, there
	there.entries[n.name], there.durableEntries[n.name] = n, n
}

// settleContent puts on the platter what processes see of a file: what a sync that failed has left clean too.
func (n *inode) settleContent() {
	n.freeze()
	n.durable, n.dirty, n.durableSize = maps.Clone(n.pages), map[int64]bool{}, n.size
	n.sizeDirty, n.unwritten = false, false
}
