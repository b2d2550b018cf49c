package core

import (
	"slices"
	"strings"

	"rookery/core/log"
	"rookery/core/seam"
)

// maybeRemoveStray: a folder of a partition that the Image does not have belongs to a topic whose deletion was cut short; one of a
// partition that lies elsewhere, to a move. If there is anything in it that no log writes it is somebody's, and stays.
func (b *Broker) maybeRemoveStray(folder seam.Path, fx *seam.Effects) {
	name, index, ok := parseFolder(folder.Name)
	if !ok || folder == metadataFolder() || b.dirs[folder.Dir].failed != seam.OK {
		return
	}
	if t := b.topics[name]; t != nil && int(index) < len(t.partitions) {
		if p := t.partitions[index]; p.folder == folder {
			return
		} else if b.dead(p) || p.state == partitionFailed { // this may be the only one that can be read
			b.dirs[folder.Dir].kept[folder.Name] = true
			return
		}
	}
	identity, known := b.identityOf(folder)
	switch {
	case !b.boot.named[folder.Name]: // it is made when its partition is durable in the metadata log
		b.leaveStray(folder, "the metadata log has never named that partition, so a part of it is lost", fx)
	case b.holdsForeign(folder):
		b.leaveStray(folder, "no partition lies there, and it holds what is none of a log's", fx)
	case known && b.holdsBatches(folder):
		b.load("identity", identity, fx)
	default:
		b.removeStray(folder, fx)
	}
}

func (b *Broker) leaveStray(folder seam.Path, why string, fx *seam.Effects) {
	b.dirs[folder.Dir].kept[folder.Name] = true
	fx.Events = append(fx.Events, seam.Event{Kind: seam.StrayFolder, Topic: folder.Name, A: int64(folder.Dir), Text: why + ": it is left alone"})
}

func (b *Broker) removeStray(folder seam.Path, fx *seam.Effects) {
	b.await("remove", folder, fx)
	fx.Events = append(fx.Events, seam.Event{Kind: seam.StrayFolder, Topic: folder.Name, A: int64(folder.Dir), Text: "no partition lies there: it is removed"})
}

// identityOf is the partition.metadata of a folder, if it had one at the start.
func (b *Broker) identityOf(folder seam.Path) (identity seam.Entry, known bool) {
	files := b.dirs[folder.Dir].folders.At(folder.Name)
	i := slices.IndexFunc(files, func(e seam.Entry) bool { return e.Path.Name == folder.Name+"/"+log.IdentityFile })
	if i < 0 {
		return seam.Entry{}, false
	}
	return files[i], true
}

func (b *Broker) holdsBatches(folder seam.Path) bool {
	return slices.ContainsFunc(b.dirs[folder.Dir].folders.At(folder.Name), func(e seam.Entry) bool {
		return e.Size > 0 && strings.HasSuffix(e.Path.Name, ".log")
	})
}

// strayIdentified: whose a stray folder is. It goes if that topic was removed, or its partition lies elsewhere.
func (b *Broker) strayIdentified(p bootOp, in *seam.Loaded, fx *seam.Effects) {
	if b.phase != phaseOpening || b.dirs[p.dir].failed != seam.OK {
		return
	}
	id, folder := log.ParseIdentity(in.Data), seam.Path{Dir: p.dir, Name: p.name}
	name, index, _ := parseFolder(p.name)
	t := b.topics[name]
	left := t != nil && int(index) < len(t.partitions) && t.partitions[index].id.String() == id && !b.dead(t.partitions[index]) // by a move
	if in.Fault == seam.OK && (left || b.boot.removed[id]) {
		b.removeStray(folder, fx)
	} else {
		b.leaveStray(folder, "no partition lies there, and its "+log.IdentityFile+" names no topic that is known to be removed", fx)
	}
}

// holdsForeign says whether a folder held anything at the start that no log writes.
func (b *Broker) holdsForeign(folder seam.Path) bool {
	return slices.ContainsFunc(b.dirs[folder.Dir].folders.At(folder.Name), func(e seam.Entry) bool {
		return e.Folder || !log.OwnFile(strings.TrimPrefix(e.Path.Name, folder.Name+"/"))
	})
}

// setAside gives a folder that was left alone another name, which no start looks at, as a new partition is to have the one that it has.
// Until then nobody has it, as while a deleted one does.
func (b *Broker) setAside(p *partition, fx *seam.Effects) {
	b.doomed[p.folder]++
	op := b.numbers.Op()
	b.asides[op] = aside{p, p.elsewhere(b.digits(uniqueLength), straySuffix)}
	fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Rename, Path: p.folder, To: b.asides[op].to})
}

// aside is a folder that is being set aside.
type aside struct {
	partition *partition // waits for its name
	to        seam.Path
}

const straySuffix = "-stray" // Kafka's

// asideWrote: the name is free, for who waits for it now, or it is tried again with the next checkpoint.
func (b *Broker) asideWrote(in *seam.Wrote, fx *seam.Effects) bool {
	a, known := b.asides[in.Op]
	if !known {
		return false
	}
	delete(b.asides, in.Op)
	p := a.partition
	d := &b.dirs[p.folder.Dir]
	if in.Fault != seam.OK && in.Fault != seam.NotFound && !b.dead(p) {
		delete(b.doomed, p.folder)
		b.maybeName(fx)
		if q := b.awaiting(p, p.folder); q != nil {
			d.blocked = append(d.blocked, q)
			b.made(q, fx)
		}
		return true
	}
	delete(d.kept, p.folder.Name)
	if in.Fault == seam.OK {
		fx.Events = append(fx.Events, seam.Event{Kind: seam.StrayFolder, Topic: p.folder.Name, A: int64(d.number), Text: "a new partition has its name: it is called " + a.to.Name + " now"})
	}
	b.vacated(p, fx)
	return true
}
