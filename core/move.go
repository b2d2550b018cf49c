package core

import (
	"slices"
	"strings"

	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A partition moves to another log directory while it is served (KIP-113): its log is copied into a future folder there, and
// when that has caught up the metadata says that the partition lies there.
//
//	copying, in rounds ─▶ freezing ─▶ the last round ─▶ recovering ─▶ naming ─▶ noting ─▶ assigning ─▶ swapped
//	                                                                                        │
//	                                          the record that says where it lies is committed
//
// Rules:
//   - what the metadata says decides: before that record the copy is nothing, and a start removes it; behind it the old folder
//     is nothing, and is removed. There is no moment in which neither is whole.
//   - from freezing on the log takes nothing, so that the copy is all there is: clients are told to look for the leader again,
//     and find it here. It is read all the time.
//   - the copy is on the disk, and so are its name, its log start and its recovery point, before the record is written.
//   - nothing of the old log is unlinked meanwhile.
//   - from naming on the folder is the copy's until it is swapped or removed: the next topic of that name waits for it.
//   - a partition that was found elsewhere than the metadata says moves when it says so: else there were three places to choose from.
//   - a record that was refused may count all the same: the log takes nothing until the copy has no name any more.
//   - one partition moves at a time; what a round copies is bounded, and a move can be called off after each.
//   - a move that a start finds half done begins anew; one that fails leaves the partition where it was.
type move struct {
	partition *partition
	to        int32
	future    seam.Path // until it has its name
	stage     moveStage
	off       bool // called off
	named     bool // the copy has the partition's name, or may have it
	rounds    int
	due       seam.Mono // when this round has lasted as long as the rate wishes
	near      bool      // behind this round the log is frozen
	copying   log.Copying
	files     []seam.Entry
	filesAt   map[string]int // where in files a name is
	recovered *log.Recovered
	op        seam.Op     // under way
	pointGoal uint64      // of the recovery points of the directory
	left      []seam.Path // folders to be removed
}

type moveStage uint8

const (
	moveQueued moveStage = iota
	moveCopying
	moveFreezing // for the log to have nothing under way
	moveLast     // the last round
	moveRecovering
	moveWaiting // for the name to be free, and for no checkpoint to speak of an earlier folder of that name
	moveNaming
	moveSyncing
	moveNoting
	moveAssigning
	moveUnnaming // it failed behind that: the name is taken away first
	moveUnnamed
	moveClearing // what was copied is removed
	moveClearingSync
)

const (
	moveNearBytes = 1 << 20 // a round as short as that is followed by the last
	moveRoundsMax = 10_000  // and so is this one, of those that leave no more than another
	futureSuffix  = "-future"
)

// moves are those that are asked for.
type moves struct {
	waiting []*move
	now     *move
	swapped *move     // during a stop: the next start finds it
	copies  int       // Copiers under way
	rate    int64     // bytes a second, 0: no limit
	at      seam.Mono // when the next round begins, 0: there is none that waits
	nextID  uint64
}

// moveRateKey limits what all moves copy together.
const moveRateKey = "replica.alter.log.dirs.io.max.bytes.per.second"

// ringMove goes on with a move that has waited for its rate.
func (b *Broker) ringMove(now seam.Now, fx *seam.Effects) {
	if m := &b.moves; m.at != 0 && m.at <= now.Mono {
		m.at = 0
		b.copyMore(now, fx)
	}
}

// moveWish is when that is.
func (b *Broker) moveWish() seam.Mono {
	if b.moves.at == 0 {
		return seam.Never
	}
	return b.moves.at
}

// futureName is a name like Kafka's of a folder that a partition is being copied into: FOLDER.32 characters-future. They begin with
// the topic's id, by which the next start knows whether it is this topic that was moving.
func (b *Broker) futureName(p *partition) string {
	return p.folder.Name + "." + p.id.String() + b.digits(uniqueLength-meta.UUIDLetters) + futureSuffix
}

// uniqueLength is how long the middle of such a name is.
const uniqueLength = 32

func (b *Broker) digits(n int) string {
	const digits = "0123456789abcdef"
	id := make([]byte, n)
	b.random.Fill(id)
	for i := range id {
		id[i] = digits[id[i]&15]
	}
	return string(id)
}

// move begins to move a partition, or calls a move off: to where it lies it does not have to go.
func (b *Broker) move(p *partition, to int32, fx *seam.Effects) {
	if m := p.move; m != nil && m.to == to && !m.off {
		return
	} else if m != nil {
		b.callOff(m, fx)
	}
	if p.move = nil; p.folder.Dir == to && !b.assigning(p) {
		return
	}
	m := &move{partition: p, to: to, future: seam.Path{Dir: to, Name: b.futureName(p)}, filesAt: map[string]int{}}
	p.move = m
	b.moves.waiting = append(b.moves.waiting, m)
	b.nextMove()
}

// assigning says whether the record is written that says where a partition lies: that cannot be called off, only undone by
// another move.
func (b *Broker) assigning(p *partition) bool {
	return b.moving(p) && b.moves.now.stage == moveAssigning
}

// moving says whether a partition is being moved: its files are needed.
func (b *Broker) moving(p *partition) bool { return b.moves.now != nil && b.moves.now.partition == p }

func (b *Broker) nextMove() {
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		for b.moves.now == nil && b.phase == phaseReady {
			at := slices.IndexFunc(b.moves.waiting, func(m *move) bool { return !m.partition.unsaid })
			if at < 0 {
				break
			}
			m := b.moves.waiting[at]
			p := m.partition
			if p.state == partitionRecovering && p.opening { // from the move before; it comes here again
				return true
			}
			if p.cleaned.busy() { // its files are about to change; the end of that comes here again
				b.stopCleaning(p, fx)
				return true
			}
			b.moves.waiting = slices.Delete(b.moves.waiting, at, at+1)
			switch {
			case p.folder.Dir == m.to: // the move that it was to undo has failed
				p.move = nil
			case p.state == partitionOpen && p.replica.Log.Stuck():
				p.move = nil
				b.tellMoveFailed(m, "its files have not the names that they should have; ask again behind the next start", fx)
			case b.frozen(p):
				p.move = nil
				b.tellMoveFailed(m, "the next start finds out where it lies; ask again behind it", fx)
			default:
				b.moves.now = m
				b.copyMore(now, fx)
			}
		}
		return true
	})
}

// callOff ends a move as soon as nothing of it is under way. One whose record is written comes to its end.
func (b *Broker) callOff(m *move, fx *seam.Effects) {
	m.off = true
	b.moves.waiting = slices.DeleteFunc(b.moves.waiting, func(x *move) bool { return x == m })
	if m == b.moves.now && (b.moves.at != 0 || m.stage == moveFreezing || m.stage == moveWaiting || m.stage == moveNoting) {
		b.endMove(fx)
	}
	b.nextMove() // others may have waited behind it
}

// stay calls off whatever moves a partition that is not served any more.
func (b *Broker) stay(p *partition, fx *seam.Effects) {
	if p.move != nil {
		b.callOff(p.move, fx)
		p.move = nil
	}
	if b.moving(p) {
		b.callOff(b.moves.now, fx)
	}
}

// callOffTo calls off what moves into a directory that has failed.
func (b *Broker) callOffTo(dir int32, fx *seam.Effects) {
	for _, m := range append(slices.Clone(b.moves.waiting), b.moves.now) {
		if m != nil && m.to == dir {
			if m.partition.move == m {
				m.partition.move = nil
			}
			b.callOff(m, fx)
		}
	}
}

// mayMove says whether the move under way goes on.
func (b *Broker) mayMove() bool {
	m := b.moves.now
	return !m.off && b.phase == phaseReady && m.partition.state == partitionOpen && b.dirs[m.to].failed == seam.OK
}

// copyMore copies another round. The last but one leaves so little that the last is short.
func (b *Broker) copyMore(now seam.Now, fx *seam.Effects) {
	m := b.moves.now
	if !b.mayMove() {
		b.endMove(fx)
		return
	}
	before, most := m.copying.Bytes, b.config.MoveBytes
	if b.moves.rate > 0 {
		most = min(most, b.moves.rate)
	}
	pieces, left := m.partition.replica.Log.Pieces(&m.copying, most)
	if m.due = now.Mono; b.moves.rate > 0 {
		m.due += seam.Mono((m.copying.Bytes-before)*int64(seam.Second/seam.Microsecond)/b.moves.rate) * seam.Microsecond
	}
	if left <= most { // a rate may be far below what lies there, and what is left when it is frozen takes no more than a round
		m.rounds++
	}
	m.near = left == 0 && m.copying.Bytes-before <= moveNearBytes || m.rounds == moveRoundsMax
	if len(pieces) == 0 {
		b.freeze(m, fx)
		return
	}
	b.copy(m, moveCopying, pieces, fx)
}

func (b *Broker) copy(m *move, stage moveStage, pieces []log.Piece, fx *seam.Effects) {
	m.stage = stage
	first := b.files + 1
	b.files += seam.File(2*len(pieces) + 2)
	b.moves.nextID++
	b.moves.copies++
	fx.Sends = append(fx.Sends, seam.Send{
		To:   seam.Address{Kind: seam.ToCopier, ID: b.moves.nextID},
		Body: &log.CopyRequest{Folder: m.future, Pieces: pieces, First: first},
	})
}

// freeze: the log takes nothing any more.
func (b *Broker) freeze(m *move, fx *seam.Effects) {
	m.stage = moveFreezing
	p := m.partition
	p.replica.Freeze(true)
	if p.coordinator != nil {
		b.coordinatorGone(p.coordinator, fx)
	}
	b.touch(p)
}

// frozen says whether the log of a partition is to stay as it is.
func (b *Broker) frozen(p *partition) bool { return p.replica != nil && p.replica.Frozen() }

// copiedWhole says whether all there is of a partition is copied, or about to be.
func (b *Broker) copiedWhole(p *partition) bool {
	return b.moving(p) && b.moves.now.stage > moveFreezing
}

// maybeFrozen copies the rest when nothing of the log is under way.
func (b *Broker) maybeFrozen(p *partition, fx *seam.Effects) {
	m, r := b.moves.now, p.replica
	if m == nil || m.partition != p || m.stage != moveFreezing || p.closing || p.startWish > p.startGoal || p.startGoal > r.Log.Start() ||
		r.Log.Broken() || r.Log.Outstanding() || r.Parked() > 0 || r.High().Offset != r.Log.Next() {
		return
	}
	if !b.mayMove() {
		b.endMove(fx)
		return
	}
	if !r.Log.Settled() { // a reader has found an index wrong, and no batch comes any more that would see to it
		b.closeOn(p)
		return
	}
	pieces, _ := r.Log.Pieces(&m.copying, log.Everything)
	pieces = append(pieces, r.Log.Last(&m.copying, encodeIdentity(p.id), r.Snapshot()...)...)
	b.copy(m, moveLast, pieces, fx)
}

// copied takes a Copier's answer.
func (b *Broker) copied(out *log.Copied, fx *seam.Effects) {
	m := b.moves.now
	b.moves.copies--
	if out.Fault != seam.OK && out.Target {
		if b.maybeFail(m.to, out.Fault, fx); out.Unsynced {
			b.fail(m.to, out.Fault, fx)
		}
		if b.phase == phaseDead {
			return
		}
	}
	for _, e := range out.Files {
		if at, known := m.filesAt[e.Path.Name]; known {
			m.files[at] = e
			continue
		}
		m.filesAt[e.Path.Name] = len(m.files)
		m.files = append(m.files, e)
	}
	switch {
	case out.Fault != seam.OK || !b.mayMove():
		b.failMove(out.Fault, fx)
	case m.stage == moveCopying && m.near:
		b.freeze(m, fx)
	case m.stage == moveCopying:
		b.moves.at = max(m.due, 1)
	default:
		b.recoverFuture(m, fx)
	}
}

// recoverFuture opens the copy as a start would open it after a clean stop.
func (b *Broker) recoverFuture(m *move, fx *seam.Effects) {
	p := m.partition
	m.stage = moveRecovering
	compacted := int64(0)
	if p.cleaned.onDisk || p.topic.config.Compact {
		compacted = p.replica.Log.End().Offset
	}
	b.boot.nextID++
	b.boot.running++
	b.boot.recovers[b.boot.nextID] = p
	first := b.files + 1
	b.files += seam.File(2*len(m.files) + 8)
	fx.Sends = append(fx.Sends, seam.Send{
		To: seam.Address{Kind: seam.ToRecovery, ID: b.boot.nextID},
		Body: &log.RecoveryRequest{
			Topic: p.name(), Partition: p.index, Folder: m.future, TopicID: p.id.String(), Files: m.files, First: first,
			Clean: true, RecoveryPoint: p.replica.Log.End().Offset, LogStart: p.startGoal, Compacted: compacted, Config: b.logConfig(&p.topic.config),
		},
	})
}

func (b *Broker) moveRecovered(out *log.Recovered, fx *seam.Effects) {
	m := b.moves.now
	if out.Fault != seam.OK || out.Foreign || out.End.Offset != m.partition.replica.Log.End().Offset || !b.mayMove() {
		if out.Fault != seam.OK {
			fx.Events = append(fx.Events, seam.Event{Kind: seam.SegmentUnreadable, Topic: m.partition.name(), Partition: m.partition.index, A: out.End.Offset, Text: "its copy: " + out.Reason})
		}
		b.endMove(fx)
		return
	}
	m.recovered = out
	m.stage = moveWaiting
	b.maybeName(fx)
}

// home is where the partition is to lie.
func (m *move) home() seam.Path { return seam.Path{Dir: m.to, Name: m.partition.folder.Name} }

// copyIsAt says whether a folder is a copy's, or may be, until it is swapped or removed.
func (b *Broker) copyIsAt(folder seam.Path) bool {
	m := b.moves.now
	return m != nil && m.named && m.home() == folder
}

// maybeName gives the copy the partition's name, if that is free.
func (b *Broker) maybeName(fx *seam.Effects) {
	m := b.moves.now
	if m == nil || m.stage != moveWaiting || b.doomed[m.home()] > 0 {
		return
	}
	if !b.mayMove() {
		b.endMove(fx)
		return
	}
	if d := &b.dirs[m.to]; d.pointed[m.home().Name] {
		if !d.recovery.Busy() {
			d.starts.due = true
			b.unlineCleaned(d, fx)
			b.checkpointPoints(d, true, fx)
		}
		return
	}
	m.named, m.stage, m.op = true, moveNaming, b.numbers.Op()
	fx.Files = append(fx.Files, seam.FileOp{Op: m.op, Deed: seam.Rename, Path: m.future, To: m.home()})
}

// moveWrote takes the completion of a rename, or of a removal.
func (b *Broker) moveWrote(in *seam.Wrote, fx *seam.Effects) bool {
	m := b.moves.now
	if m == nil || m.op != in.Op {
		return false
	}
	m.op = 0
	switch {
	case m.stage == moveClearing:
		if in.Fault != seam.OK && in.Fault != seam.NotFound && m.left[0] == m.home() {
			b.dirs[m.to].kept[m.home().Name] = true
		}
		m.left = m.left[1:]
		b.clear(fx)
	case m.stage == moveUnnaming:
		m.stage, m.op = moveUnnamed, b.numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: m.op, Folder: seam.Path{Dir: m.to}})
	case in.Fault != seam.OK || !b.mayMove():
		if in.Fault == seam.Exists { // somebody's; any other rename that failed may have been done all the same
			b.dirs[m.to].kept[m.home().Name] = true
		}
		b.failMove(in.Fault, fx)
	default:
		delete(b.dirs[m.to].kept, m.home().Name)
		m.stage, m.op = moveSyncing, b.numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: m.op, Folder: seam.Path{Dir: m.to}})
	}
	return true
}

func (b *Broker) moveSynced(now seam.Now, in *seam.Synced, fx *seam.Effects) bool {
	m := b.moves.now
	if m == nil || m.op != in.Op {
		return false
	}
	m.op = 0
	switch {
	case m.stage == moveClearingSync:
		if in.Fault == seam.OK && !b.dirs[m.to].kept[m.home().Name] {
			b.thaw(m)
		}
		b.moveOver(fx)
	case m.stage == moveUnnamed:
		b.clear(fx)
	case in.Fault != seam.OK || !b.mayMove():
		b.failMove(in.Fault, fx)
	default:
		m.stage = moveNoting
		d := &b.dirs[m.to]
		d.starts.due = true
		if m.partition.cleaned.upTo >= 0 {
			b.offerCleaned(d, fx)
		}
		m.pointGoal = b.checkpointPoints(d, true, fx)
	}
	return true
}

// noted says whether the copy is one that its directory's checkpoints speak of.
func (b *Broker) noted(d int32) *move {
	m := b.moves.now
	if m == nil {
		m = b.moves.swapped
	}
	if m == nil || m.to != d || m.stage != moveNoting && m.stage != moveAssigning {
		return nil
	}
	return m
}

func (b *Broker) notedIn(dir int32, p *partition) bool {
	m := b.noted(dir)
	return m != nil && m.partition == p
}

// maybeAssign has the metadata say where the partition lies, when that place's checkpoints know it.
func (b *Broker) maybeAssign(now seam.Now, d *directory, fx *seam.Effects) {
	m := b.noted(d.number)
	if m == nil || m.stage != moveNoting || d.checkpointing() {
		return
	}
	p := m.partition
	if d.recovery.Settled() < m.pointGoal || d.starts.file.Fault() != seam.OK || d.cleaned.file.Fault() != seam.OK || !b.mayMove() {
		b.failMove(d.checkpointFault(), fx)
		return
	}
	records := b.controller.AssignReplica(b.config.NodeID, p.id, p.index, b.config.DirectoryIDs[m.to], true)
	if len(records) == 0 || !b.propose(now, &proposal{records: records, kind: proposedMove}, fx) {
		b.failMoveFor(noRecord, fx)
		return
	}
	m.stage = moveAssigning
}

// swap: the partition lies where it was moved to. The old folder goes, as that of a deleted one, unless the new one's disk has failed
// meanwhile: then it may be the only one that can be read.
func (b *Broker) swap(now seam.Now, fx *seam.Effects) {
	m := b.moves.now
	p, t := m.partition, m.partition.topic
	b.moves.now = nil
	if p.move == m {
		p.move = nil
	}
	b.nextMove()
	if b.phase != phaseReady { // the next start finds it, and what the checkpoints say of it
		b.moves.swapped = m
		b.stayFrozen(p, fx)
		return
	}
	q := b.newPartition(t, p.index, m.home())
	q.id, q.traffic, q.startGoal, q.startWish, q.deletions = p.id, p.traffic, p.startGoal, p.startWish, p.deletions
	q.cleaned, q.safePoint = cleaned{upTo: p.cleaned.upTo, onDisk: p.cleaned.onDisk, unclean: p.cleaned.unclean}, m.recovered.Safe
	t.partitions[p.index], p.deletions, q.move = q, nil, p.move
	if q.move != nil {
		q.move.partition = q
		if q.move.to == m.to {
			b.callOff(q.move, fx)
			q.move = nil
		}
	}
	b.coordinate(q)
	fx.Events = append(fx.Events, seam.Event{Kind: seam.ReplicaMoved, Topic: p.name(), Partition: p.index, A: int64(p.folder.Dir), B: int64(m.to)})
	b.doomed[p.folder]++
	p.deletion, p.leaving = &proposal{kind: proposedBySelf, open: 1}, m.future.Name[len(p.folder.Name)+1:len(m.future.Name)-len(futureSuffix)]
	p.replica.Abandon(wire.NotLeaderOrFollower)
	p.state = partitionDoomed
	b.wake(p)
	b.touch(p)
	if b.dead(q) {
		p.stays, b.dirs[p.folder.Dir].kept[p.folder.Name] = true, true
		q.state = partitionFailed
		b.refuseDeletions(q, wire.KafkaStorageError, fx)
		return
	}
	b.restore(now, q, m.recovered, fx)
	q.replica.Log.Noted(m.recovered.Point()) // no checkpoint says more of it: the one that was written before the record
	q.state, q.opening = partitionRecovering, true
}

// maybeOpened serves a moved partition once its files are open.
func (b *Broker) maybeOpened(p *partition) {
	if p.opening && p.state == partitionRecovering && !p.replica.Log.Opening() {
		p.opening, p.state = false, partitionOpen
		b.nextMove()
	}
}

// failMove ends a move that could not be made, or was called off meanwhile (OK).
func (b *Broker) failMove(fault seam.Fault, fx *seam.Effects) {
	if fault == seam.OK {
		b.endMove(fx)
		return
	}
	b.failMoveFor(fault.String(), fx)
}

func (b *Broker) failMoveFor(why string, fx *seam.Effects) {
	if m := b.moves.now; !m.off && b.phase == phaseReady {
		b.tellMoveFailed(m, why, fx)
	}
	b.endMove(fx)
}

func (b *Broker) tellMoveFailed(m *move, why string, fx *seam.Effects) {
	fx.Events = append(fx.Events, seam.Event{Kind: seam.MoveFailed, Topic: m.partition.name(), Partition: m.partition.index, A: int64(m.to), Text: why})
}

const noRecord = "the metadata log takes no record of it"

// endMove leaves a partition where it is, and removes what was copied of it. At a stop the copy stays: the next start makes it
// anew. A record that could not be written may still be on the disk, and count after a crash: until no folder bears the copy's name the
// log takes nothing, for that would not be in the copy, and half a folder must not bear the name.
func (b *Broker) endMove(fx *seam.Effects) {
	m := b.moves.now
	b.moves.at = 0
	if m.stage != moveAssigning {
		b.thaw(m)
	}
	if b.phase >= phaseStopping || b.dirs[m.to].failed != seam.OK {
		b.moveOver(fx)
		return
	}
	m.left = append(m.left, m.future)
	if !m.named || b.dirs[m.to].kept[m.home().Name] {
		b.clear(fx)
		return
	}
	m.left = append(m.left, m.home())
	m.stage, m.op = moveUnnaming, b.numbers.Op()
	fx.Files = append(fx.Files, seam.FileOp{Op: m.op, Deed: seam.Rename, Path: m.home(), To: m.future})
}

// thaw: the log takes batches again.
func (b *Broker) thaw(m *move) {
	p := m.partition
	if !b.frozen(p) || p.state != partitionOpen {
		return
	}
	p.replica.Freeze(false)
	if p.coordinator != nil {
		p.coordinator.state = coordinatorWaiting
	}
	b.touch(p)
}

// stayFrozen: a partition takes nothing until the next start. Its wishes move along with nobody; a stop would wait for them.
func (b *Broker) stayFrozen(p *partition, fx *seam.Effects) {
	p.startWish = p.startGoal
	b.refuseDeletions(p, wire.NotLeaderOrFollower, fx)
}

// clear removes one folder after the other.
func (b *Broker) clear(fx *seam.Effects) {
	m := b.moves.now
	m.op = b.numbers.Op()
	if len(m.left) == 0 {
		m.stage = moveClearingSync
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: m.op, Folder: seam.Path{Dir: m.to}})
		return
	}
	m.stage = moveClearing
	fx.Files = append(fx.Files, seam.FileOp{Op: m.op, Deed: seam.Remove, Path: m.left[0]})
}

// moveOver: nothing of the move is left.
func (b *Broker) moveOver(fx *seam.Effects) {
	m := b.moves.now
	b.moves.now = nil
	if m.partition.move == m {
		m.partition.move = nil
	}
	if b.frozen(m.partition) { // the next start knows what counts
		b.stayFrozen(m.partition, fx)
	}
	b.touch(m.partition)
	b.nextMove()
	if p := b.awaiting(m.partition, m.home()); m.named && p != nil { // of the next topic of that name
		b.openNew(p, fx)
	}
}

// resumeMoves begins anew what the last life was moving, unless it was another topic of that name. Kafka's names do not say.
func (b *Broker) resumeMoves(fx *seam.Effects) {
	for _, f := range b.boot.futures {
		folder, unique, _ := cutUnique(f.Name, futureSuffix)
		name, index, _ := parseFolder(folder)
		t := b.topics[name]
		if t == nil || int(index) >= len(t.partitions) || t.partitions[index].state != partitionOpen || b.dirs[f.Dir].failed != seam.OK {
			continue
		}
		if strings.HasPrefix(unique, t.id.String()) || strings.Trim(unique, "0123456789abcdef") == "" {
			b.move(t.partitions[index], f.Dir, fx)
		}
	}
	b.boot.futures = nil
}

// moveTo is the future replica that DescribeLogDirs shows.
func (p *partition) moveTo(dir int32) *move {
	if m := p.move; m != nil && m.to == dir && !m.off {
		return m
	}
	return nil
}
