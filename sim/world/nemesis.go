package world

import (
	"strconv"
	"strings"

	"rookery/core/seam"
)

// Client adds a client machine to the world. Its first input is Started.
func (w *World) Client(name string, m seam.Machine) (kill func()) {
	a := w.addClient(name, m)
	return func() { w.killClient(a) }
}

func (w *World) addClient(name string, m seam.Machine) *actor {
	a := w.newActor(nil, seam.Address{Kind: seam.ToOperator, ID: uint64(len(w.clients) + 1)}, name, m)
	w.clients = append(w.clients, a)
	a.push(&seam.Started{})
	return a
}

// killClient ends a client: its links break, and nothing more is delivered to it.
func (w *World) killClient(a *actor) {
	a.dead = true
	for _, l := range a.links {
		l.Cut()
	}
}

// Unleash lets the nemesis loose: it wakes every so often and does one of the bigger faults, by the rates' weights.
func (w *World) Unleash(until seam.Mono) {
	r := &w.Rates
	if r.NemesisPause == 0 {
		return
	}
	pause := seam.Mono(r.NemesisPause/2+w.nemesis.Choose(r.NemesisPause)) * seam.Millisecond
	w.After(pause, func() {
		if w.now >= until {
			return
		}
		w.strike()
		w.Unleash(until)
	})
}

// strike does one thing. The weights' order is that of Rates, with nothing first.
func (w *World) strike() {
	r, n := &w.Rates, w.Node
	if !n.Up {
		return
	}
	lull := w.lull(w.nemesis)
	switch w.nemesis.Pick(r.Dull, r.Kill, r.Power, r.Stop, r.Pause, r.Clock, r.Hang, r.Full, r.Cut, r.Rot, r.Disk) {
	case 1:
		n.Kill()
		w.startAfterKill(lull)
	case 2:
		n.CutPower()
		w.restartAfter(lull)
	case 3:
		n.Stop(60*seam.Second, func(bool) { w.restartAfter(lull) })
	case 4:
		n.Pause(lull * seam.Mono(1+w.nemesis.Choose(20)))
	case 5:
		n.JumpClock(int64(w.nemesis.Choose(7)-3) * []int64{1000, 60_000, 3_600_000, 86_400_000}[w.nemesis.Choose(4)])
	case 6:
		n.Hang(lull * seam.Mono(1+w.nemesis.Choose(20)))
	case 7:
		n.Fill(lull)
	case 8:
		w.cutSome()
	case 9:
		n.Rot()
	case 10:
		n.breakSome(lull)
	}
}

func (w *World) lull(s *Stream) seam.Mono {
	return seam.Mono(1+s.Choose(60)) * 50 * seam.Millisecond / seam.Mono(max(w.Rates.Haste, 1))
}

func (w *World) restartAfter(lull seam.Mono) {
	w.After(lull, func() {
		w.Node.carry()
		w.Node.Start()
	})
}

// startAfterKill starts a process again that was killed. Now and then the power fails soon after that, before what the
// new one found in the page cache was synced.
func (w *World) startAfterKill(lull seam.Mono) {
	w.restartAfter(lull)
	s, n, life := w.Tape.Stream("aftershock"), w.Node, w.Node.Life+1
	if w.Rates.Power == 0 || s.Choose(4) != 3 {
		return
	}
	w.After(lull+seam.Mono(1+s.Choose(40))*10*seam.Millisecond, func() {
		if n.Up && n.Life == life && w.Rates.Power > 0 {
			n.CutPower()
			w.restartAfter(lull)
		}
	})
}

// ambushesMax is how many of a run's lives end so: the others are for what takes longer.
const ambushesMax = 4

// ambush: something was removed from a folder. Where a rename there is in doubt, what is removed may have been the last that
// bore the name's content, and the moment in which only the removal has reached the platter is too short to be met by chance.
func (n *Node) ambush(folder *inode) {
	w := n.world
	s := w.Tape.Stream("ambush")
	if w.Rates.Ambush == 0 || w.Counts[Ambushed] >= ambushesMax || folder == nil || !n.Disk.inDoubt(folder) || !s.Chance(w.Rates.Ambush) {
		return
	}
	life, lull := n.Life, w.lull(s)
	w.After(callTimes[s.Choose(len(callTimes))], func() {
		if n.Up && n.Life == life && w.Rates.Ambush > 0 {
			w.Counts[Ambushed]++
			w.logf("AMBUSH in %s", folder.name)
			n.CutPower()
			w.restartAfter(lull)
		}
	})
}

func (w *World) cutSome() {
	for _, a := range w.clients {
		for _, l := range a.links {
			if w.nemesis.Choose(2) == 1 {
				l.Cut()
			}
		}
	}
}

// CutLinksOf breaks the links of a client, at a moment that its program has chosen: the one that matters is too short to be met
// by chance.
func (w *World) CutLinksOf(client string) {
	for _, a := range w.clients {
		if a.name == client {
			for _, l := range a.links {
				l.Cut()
			}
		}
	}
}

// Calm ends all faults; what was broken heals and a process runs.
func (w *World) Calm() {
	w.Rates = Rates{}
	w.Node.Heal()
	if w.Node.broken() {
		w.Node.Kill()
	}
	w.Node.Start()
}

// Rot turns one bit of a file that is wholly on the platter and that nobody writes any more. Which files those are is
// for the name to say: a log's segment that is followed by another.
func (n *Node) Rot() {
	w := n.world
	var old []*inode
	all := n.Disk.Walk()
	points := n.Disk.pointsOnPlatter()
	for i := range all {
		if isOldSegment(all, i, points) {
			if node := n.Disk.find(all[i].Path); len(node.dirty) == 0 && node.size > 0 && !node.sizeDirty && !node.unwritten {
				old = append(old, node)
			}
		}
	}
	if len(old) == 0 {
		return
	}
	node := old[w.nemesis.Choose(len(old))]
	at := int64(w.nemesis.Choose(int(min(node.size, 1<<30))))
	bit := byte(1) << w.nemesis.Choose(8)
	turned := make([]byte, 1)
	node.readInto(turned, at)
	turned[0] ^= bit
	node.write(at, turned)
	p := node.pages[at/pageSize]
	node.keepPage(at / pageSize)
	p.shared = true
	delete(node.dirty, at/pageSize)
	n.Disk.rot(node)
	w.Counts[BitRotted]++
	w.logf("ROT of %s at %d", node.name, at)
}

// isOldSegment says whether a file is a segment that lies wholly below its partition's recovery point: above it a start
// cannot tell a rotten batch from one that the power cut off.
func isOldSegment(all []seam.Entry, i int, points map[seam.Path]int64) bool {
	name := all[i].Path.Name
	if all[i].Folder || !hasSuffix(name, ".log") {
		return false
	}
	folder, _ := split(all[i].Path)
	for j := i + 1; j < len(all); j++ {
		other, file := split(all[j].Path)
		if other != folder || !hasSuffix(all[j].Path.Name, ".log") {
			continue
		}
		base, err := strconv.ParseInt(file[:len(file)-len(".log")], 10, 64)
		return err == nil && base <= points[folder]
	}
	return false
}

// pointsOnPlatter are the recovery points, by folder, that a start would find whatever the page cache holds.
func (d *Disk) pointsOnPlatter() map[seam.Path]int64 {
	points := map[seam.Path]int64{}
	for i, root := range d.roots {
		n := root.durableEntries["recovery-point-offset-checkpoint"]
		if n == nil || n.durable[0] == nil {
			continue
		}
		for _, line := range strings.Split(string(n.durable[0].data[:min(n.durableSize, int64(len(n.durable[0].data)))]), "\n") {
			if f := strings.Fields(line); len(f) == 3 {
				points[seam.Path{Dir: int32(i), Name: f[0] + "-" + f[1]}], _ = strconv.ParseInt(f[2], 10, 64)
			}
		}
	}
	return points
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

// Rotted says whether a file in a folder of that name, in any log directory, is one of which a bit was turned, or its copy.
func (d *Disk) Rotted(folder string) bool {
	for i := range d.roots {
		n := d.find(seam.Path{Dir: int32(i), Name: folder})
		if n == nil || !n.folder {
			continue
		}
		for _, child := range n.entries { //tidy:unordered any of them
			if child.rotted {
				return true
			}
		}
	}
	return false
}

// HasRotted says the same of files that may be gone.
func (d *Disk) HasRotted(folder string) bool { return d.tainted[folder] || d.Rotted(folder) }
