// Package core is the Broker: one machine that owns every partition, connection and decision of a Kafka broker. It
// routes inputs to its rooms and their results back; the rooms never call each other.
//
//	Request ─▶ api_*.go ─▶ replica, controller, fetch ─▶ effects
//	Wrote, Synced, Loaded ─▶ by the owner in the upper half of the Op ─▶ replica ─▶ who waited is answered
//
// Rules:
//   - everything that is answered was made durable first, as far as its promise goes.
//   - metadata is read from the committed Image only; only the controller sees what is not committed yet.
//   - one Step works off at most StepItems of what its input names or wakes; the rest is put off and done in turns, in the
//     order of the requests of each connection. What the controller decides, and the fold of the batch of records that it
//     comes to (Kafka's limit: 10,000), is one item: nobody may see half of it.
//   - a request is answered once, in the order of its connection.
//   - after a directory has failed, nothing of it is answered any more but errors (fence.go). If it is the first, which has
//     the metadata log, the process ends.
package core

import (
	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/fetch"
	"rookery/core/group"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/quorum"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/telemetry"
	"rookery/core/timer"
	"rookery/core/wire"
)

// Owners of Ops, in their upper 32 bits. 1 up to ownerFetch are partitions by their number.
const (
	ownerBroker uint32 = 0
	ownerFetch  uint32 = 1 << 31 // and the fetch's index
	ownerReply  uint32 = 3 << 30
	ownerPart   uint32 = 7 << 29 // of Rewrites
)

// Broker is the machine.
type Broker struct {
	config  Config
	random  *rng.Source
	phase   phase
	boot    boot
	stop    stopping
	numbers log.Numbers // Ops of the Broker's own, Files of everything
	files   seam.File
	replies uint32 // the last reply's number

	dirs       []directory
	moves      moves
	partitions roster // the first is the metadata log's
	topics     map[string]*topic
	topicIDs   map[meta.UUID]*topic
	measuring  []*measuring
	doomed     map[seam.Path]int // folders of deleted partitions that still have their name

	quorum     *quorum.Quorum
	quorumFile log.Replacement
	voteGoal   uint64
	image      *meta.Image
	controller *controller.Controller
	proposals  ordered.Ring[*proposal] // appended to the metadata log, by rising offset
	brokerAt   int64                   // this registration's broker epoch
	settling   int                     // proposals that are committed, their folders not made or not gone yet
	ids        producerIDs

	loads      loads                     // of coordinators
	alarms     timer.Queue[*coordinator] // of what they wish
	tickets    map[group.Ticket]asker    // joins and syncs that wait
	lastTicket group.Ticket

	defaults       controller.Defaults // of topics
	producerExpiry seam.Mono

	asked     ordered.Ring[searchFor] // searches that wait for their turn
	searches  uint64
	searching map[uint64]searchFor

	conns    ordered.Map[seam.Conn, *connection]
	produces []produce // by ticket; 0 is nobody
	freeProd []uint32
	parkedAt seam.Mono // when the parked produces are next looked over for timeouts
	waiting  int       // produces not answered
	rewrites rewrites
	spare    int64 // bytes that free places of produces and fetches keep
	fetches  []fetchSlot
	freeFet  []uint32
	sessions *fetch.Sessions
	clients  *telemetry.Registry    // that push their own metrics
	swept    int                    // produces looked over in this round
	wakes    ordered.Ring[uint32]   // fetches that a high watermark woke, or that are half looked through
	turns    turns                  // what is too long for a Step
	take     func() bool            // of turns, made once
	timers   timer.Queue[uint32]    // of parked fetches
	muted    timer.Queue[seam.Conn] // connections that are not read for a time
	quotas   throttles
	limits   limits
	early    ordered.Ring[seam.Conn] // whose requests came before the broker was ready
	touched  []*partition            // by this Step
	trimmed  []*partition            // with files below their log's start
	removing bool                    // files that could not be removed are tried again
	sweep    sweep                   // of retention
	cleaning cleanings               // of compacted logs
	frames   int64                   // bytes of client frames in memory
	long     longFrames
	lent     map[seam.File]int      // ranges of answers that wait in their slots
	awaited  map[seam.File]*removal // deletions that wait for a file to leave lent
	unlent   []*removal             // theirs has
	removals map[seam.Op]*removal   // by the renames and unlinks under way
	asides   map[seam.Op]aside      // folders that are set aside, by the renames under way
	starved  ordered.Ring[*connection]
	heads    [][]byte
	bodies   [][]seam.Range
	fetchOut wire.FetchHead
	sending  int64     // bytes of answers under way
	untaken  int64     // bytes of memory of those, of answers that wait for an earlier one, and of long fetches
	traffic  Traffic   // of all partitions, the deleted ones too
	refusals []Refusal // by API and code

	outstanding  int // completions that the disk owes
	checkpointAt seam.Mono
	points       []log.PartitionOffset // room for a checkpoint
	highs        []log.PartitionOffset
	expireAt     seam.Mono
}

type phase uint8

const (
	phaseNew     phase = iota
	phaseLoading       // the directories' small files
	phaseReading       // the metadata log
	phaseQuorum        // this voter's epoch
	phaseFolding       // the metadata log's records
	phaseAsking        // whose the folders are that lie where no partition is said to
	phaseOpening       // the partitions
	phaseReady
	phaseStopping
	phaseStopped
	phaseDead
)

type fetchSlot struct {
	fetch.Fetch
	slot    conn.Slot
	alarm   timer.Handle
	live    bool
	walking bool        // its partitions are looked at in turns
	at      int         // how far
	parking uint32      // the number of this evaluation: who waits since an earlier one waits no more
	stirred bool        // something has come to a partition of which nothing was new, since that was looked at
	owner   *connection // nil: it has hung up
	bytes   int64       // that it is reckoned as
	before  uint32      // in the owner's list, 0: none
	behind  uint32
}

// NewBroker makes a Broker that waits for Started.
func NewBroker(config Config) *Broker {
	config.Controller.ClusterID, config.Controller.NodeID = config.ClusterID, config.NodeID
	b := &Broker{
		config: config, random: rng.New(config.Seed), topics: map[string]*topic{}, topicIDs: map[meta.UUID]*topic{},
		doomed: map[seam.Path]int{}, searching: map[uint64]searchFor{}, lent: map[seam.File]int{}, awaited: map[seam.File]*removal{}, removals: map[seam.Op]*removal{}, asides: map[seam.Op]aside{}, rewrites: rewrites{underWay: map[seam.Op]rewriting{}}, image: meta.New(), parkedAt: seam.Never,
		produces: make([]produce, 1, 16),
	}
	b.take = b.turns.take
	b.cleaning = cleanings{config: config.Cleaner, running: map[uint64]*partition{}, at: seam.Never}
	layers := config.Controller.Layers(b.image)
	b.limits.inherit(&layers) // until what was altered is read
	b.numbers = log.Numbers{Owner: ownerBroker, Files: &b.files}
	b.sessions = fetch.NewSessions(config.FetchSessionsMax, config.FetchSessionEviction, config.FetchSessionBytes, b.random)
	b.clients = telemetry.New(config.Telemetry, b.random.Named("telemetry"))
	for i := range config.DirectoryIDs {
		b.dirs = append(b.dirs, newDirectory(int32(i), &b.numbers))
	}
	return b
}

// Step takes one input.
func (b *Broker) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	if b.phase == phaseDead {
		return
	}
	before := diskEffects(fx)
	b.turns.room = b.config.StepItems
	if len(b.unlent) > 0 {
		b.unlinkUnlent(fx)
	}
	switch in := in.(type) {
	case *seam.Started:
		b.onStarted(now, in, fx)
	case *seam.Opened:
		b.onOpened(now, in, fx)
	case *seam.Request:
		b.onRequest(now, in, fx)
	case *seam.Wanting:
		b.onWanting(now, in, fx)
	case *seam.Hangup:
		b.onHangup(in)
	case *seam.Wrote:
		b.outstanding--
		b.onWrote(now, in, fx)
	case *seam.Synced:
		b.outstanding--
		b.onSynced(now, in, fx)
	case *seam.Loaded:
		b.outstanding--
		b.onLoaded(now, in, fx)
	case *seam.Sent:
		b.onSent(now, in, fx)
	case *seam.Rewritten:
		b.onRewritten(now, in, fx)
	case *seam.Mail:
		b.onMail(now, in, fx)
	case *seam.Alarm:
	case *seam.Stop:
		b.onStop(fx)
	}
	b.settle(now, fx)
	b.outstanding += diskEffects(fx) - before
	b.maybeStopped(fx)
}

// diskEffects is how many completions of the disk fx asks for.
func diskEffects(fx *seam.Effects) int {
	return len(fx.Writes) + len(fx.Syncs) + len(fx.Files) + len(fx.Reads)
}

func owner(op seam.Op) uint32 { return uint32(op >> 32) }

func (b *Broker) onWrote(now seam.Now, in *seam.Wrote, fx *seam.Effects) {
	if o := owner(in.Op); o != ownerBroker {
		if p := b.partitions.At(o); p != nil {
			b.maybeFail(p.folder.Dir, in.Fault, fx)
			if b.dead(p) {
				b.failPartition(p, fx)
			}
			b.touch(p)
			b.wrote(p, in, fx)
			b.maybeIdentified(now, p, fx)
		}
		return
	}
	b.maybeFail(b.directoryOf(in.Op), in.Fault, fx)
	b.ownWrote(now, in, fx)
}

func (b *Broker) onSynced(now seam.Now, in *seam.Synced, fx *seam.Effects) {
	o := owner(in.Op)
	if in.Fault != seam.OK { // whatever it was to cover, the kernel may call clean now
		if b.failSync(o, in, fx); b.phase == phaseDead {
			return
		}
	}
	if o == ownerBroker {
		b.ownSynced(now, in, fx)
		return
	}
	p := b.partitions.At(o)
	b.touch(p)
	if b.dead(p) {
		b.failPartition(p, fx)
	}
	if log.SideOp(in.Op) {
		_ = p.epochs.Synced(in, fx) || p.identity.Synced(in, fx)
		b.maybeIdentified(now, p, fx)
		return
	}
	if p.replica.Synced(in, fx) {
		b.dirs[p.folder.Dir].syncing--
	}
	if !p.replica.Durable() && p.replica.Log.ClosedPoint() > p.safePoint {
		b.checkpointAt = min(b.checkpointAt, now.Mono+pointsSoon)
	}
}

// pointsSoon is how long a segment of a page-cache topic is on the disk before that is written down: a gigabyte that a start need
// not read.
const pointsSoon = seam.Second / 2

// failSync: the directory of whoever asked for the Sync has failed.
func (b *Broker) failSync(owner uint32, in *seam.Synced, fx *seam.Effects) {
	dir := b.directoryOf(in.Op)
	if owner != ownerBroker {
		dir = b.partitions.At(owner).folder.Dir
	}
	b.fail(dir, in.Fault, fx)
}

func (b *Broker) onLoaded(now seam.Now, in *seam.Loaded, fx *seam.Effects) {
	o := owner(in.Op)
	if o&ownerFetch != 0 {
		b.fetchLoaded(now, o&^ownerFetch, in, fx)
		return
	}
	if o != ownerBroker && b.partitions.At(o).replica.Log.AgeLoaded(in) {
		b.touch(b.partitions.At(o))
		b.ageKnown(now, b.partitions.At(o), fx)
		return
	}
	if o != ownerBroker && b.healed(b.partitions.At(o), in, fx) {
		return
	}
	if !b.loadLoaded(now, in, fx) {
		b.bootLoaded(now, in, fx)
	}
}

// settle ends every Step: what the touched partitions decided is answered, syncs are started, the woken are worked off,
// and the next alarm is set.
func (b *Broker) settle(now seam.Now, fx *seam.Effects) {
	b.drain(now, fx)
	if b.phase != phaseReady {
		b.progress(now, fx)
		b.drain(now, fx)
	}
	at := b.deadline(now)
	if at <= now.Mono || b.wakes.Len() > 0 || b.turns.later.Len() > 0 {
		b.ring(now, fx)
		b.drain(now, fx)
		if b.phase != phaseReady { // the stop waits for what is put off, and no input may follow
			b.progress(now, fx)
			b.drain(now, fx)
		}
		at = b.deadline(now)
	}
	for i := range b.dirs {
		if b.dirs[i].queue.Len() > 0 {
			b.startSyncs(now, &b.dirs[i], fx)
		}
		if b.dirs[i].starts.due {
			b.writeStarts(&b.dirs[i], fx)
		}
	}
	if len(b.trimmed) > 0 {
		b.unlinkTrimmed(now, fx)
	}
	if len(b.cleaning.leaving) > 0 && b.phase == phaseReady {
		b.unlinkReplaced(fx)
	}
	b.alarm(now, at, fx)
}

func (b *Broker) touch(p *partition) {
	if !p.touched {
		p.touched = true
		b.touched = append(b.touched, p)
	}
}

// drain hands out what partitions have decided. Answering may touch partitions again.
func (b *Broker) drain(now seam.Now, fx *seam.Effects) {
	for i := 0; i < len(b.touched); i++ {
		p := b.touched[i]
		p.touched = false
		if p.replica != nil {
			b.drainReplica(now, p, fx)
		} else {
			b.maybeRemoved(p, fx)
		}
		if b.phase == phaseDead {
			break
		}
	}
	b.touched = b.touched[:0]
}

func (b *Broker) drainReplica(now seam.Now, p *partition, fx *seam.Effects) {
	r := p.replica
	if p.opening {
		b.maybeOpened(p)
	}
	if fault := r.Log.Dead(); fault != seam.OK && (p.state == partitionOpen || !b.dead(p)) {
		if b.fail(p.folder.Dir, fault, fx); b.phase == phaseDead {
			return
		}
		b.failPartition(p, fx)
	}
	for _, t := range r.Freed {
		b.freed(t, fx)
	}
	for _, d := range r.Done {
		b.decided(now, p, d, fx)
	}
	r.Freed, r.Done = r.Freed[:0], r.Done[:0]
	if high := r.High(); high.Offset != p.seen {
		p.seen = high.Offset
		b.wake(p)
		if p.number == metadataNumber {
			b.committed(now, high.Offset, fx)
		}
	}
	if c := p.coordinator; c != nil {
		b.releaseCommitted(c)
		b.maybeLoad(c)
	}
	b.countUnsynced(p, fx)
	b.wantSync(now, p, fx)
	b.noteTrimmed(p, fx)
	b.noteReplaced(now, p, fx)
	if r.Frozen() {
		b.maybeFrozen(p, fx)
	}
	if p.state == partitionDoomed {
		b.maybeRemoved(p, fx)
	}
}

// deadline is the earliest that a client, a connection, a group or a chore of the broker's own waits for.
func (b *Broker) deadline(now seam.Now) seam.Mono {
	at := min(b.timers.Next(), b.muted.Next(), b.limits.silence.Next(), b.long.late.Next(), b.alarms.Next(), b.moveWish(), b.parkedAt, b.clients.Next())
	if b.phase == phaseReady {
		at = min(at, b.checkpointAt, b.sweep.wish(now), b.cleaning.wish(now))
	}
	return at
}

// ring works off what is due: woken fetches, deadlines, checkpoints.
func (b *Broker) ring(now seam.Now, fx *seam.Effects) {
	half := b.config.StepItems / 2 // the other half is for what was put off
	for b.wakes.Len() > 0 && b.turns.room > half {
		b.evaluate(now, b.wakes.Pop(), fx)
	}
	for b.turns.room > half {
		i, ok := b.timers.Due(now.Mono)
		if !ok {
			break
		}
		b.fetches[i].alarm = 0
		b.unpark(i)
		b.evaluate(now, i, fx)
	}
	b.ringCoordinators(now, half, fx)
	b.ringMove(now, fx)
	b.ringTelemetry(now)
	b.unmuteDue(now, fx)
	b.cutSilent(now, fx)
	b.cutLate(now, fx)
	b.turns.work(now, fx)
	b.sweepProduces(now, fx)
	b.expireLogs(now, fx)
	b.lookOver(now, fx)
	b.checkpoints(now, fx)
}

// alarm asks to be called at a deadline, or at once if there is something to go on with.
func (b *Broker) alarm(now seam.Now, at seam.Mono, fx *seam.Effects) {
	if b.wakes.Len() > 0 || b.turns.later.Len() > 0 || b.boot.more || len(b.unlent) > 0 {
		at = now.Mono
	}
	fx.Wake(at)
}
