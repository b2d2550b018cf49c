package workload

import (
	"fmt"
	"slices"
	"strings"

	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// Broker is how a run gets its broker: from core, or from a test.
type Broker struct {
	Parts func(p *Plan, tape *world.Tape) world.Parts
	// View turns a broker's state into the checks' own plain structs, digests included if deep; nil: the V laws are not
	// evaluated.
	View func(m seam.Machine, deep bool, v *check.View)
	// Muted is until when a broker leaves a connection unread because of a quota, or of a fetch that waits; nil: it never does.
	Muted func(m seam.Machine, conn seam.Conn) seam.Mono
	// Fatal says whether an event ends the process.
	Fatal func(e *seam.Event) bool
}

// Options are how a run is made.
type Options struct {
	Quiet     bool // no faults
	Brief     bool // a short life with all that a long one has
	NoRestart bool // nor the restart before the end, which is not held to be a fault
	Log       func(line string)
}

// Result is what came of a run.
type Result struct {
	Failure      error
	Hash         uint64
	Steps        int
	Virtual      seam.Mono
	Decisions    int
	Tape         *world.Tape // with the decisions that were taken
	Requests     int
	Acknowledged int // produce batches
	Refused      int
	Fetches      int
	Lists        int
	Excuses      int
	Lives        int
	Codes        map[int16]int
	Faults       world.Counts
	Laws         check.Counts
}

// Law is the number of the law that failed; empty: none did.
func (r *Result) Law() string {
	if r.Failure == nil {
		return ""
	}
	number, _, _ := strings.Cut(r.Failure.Error(), " ")
	return strings.TrimSuffix(number, ":")
}

// Operations is how many operations of clients were answered as they wished.
func (r *Result) Operations() int { return r.Acknowledged + r.Fetches + r.Lists }

// Run is one run of one tape.
type Run struct {
	World   *world.World
	History *check.History

	tape        *world.Tape
	plan        *Plan
	broker      Broker
	facts       *check.Facts
	watch       *check.Watch
	result      *Result
	draining    bool
	tidied      tidied
	topicIDs    map[string][16]byte
	there       map[string]seam.Mono // since when a topic that stays is known to be there
	ids         []knownID
	commits     int64             // of members: no two the same
	memberIDs   map[string]string // who was given them
	made        map[[16]byte]int  // partitions of a topic, by its id
	used        map[account][]used
	notes       map[int64]int32 // leader epochs that were committed, by offset
	leaders     map[check.Partition]leading
	rolls       map[generation]*roll
	knobs       map[knob][]possible
	loaded      seam.Mono         // when a coordinator had folded its log last: until then it answers every heartbeat
	beats       map[string][]beat // by group: those that a coordinator may have answered that knew nobody
	herdSession seam.Mono         // the shortest that a member of the herd may have had
	pasture     pasture
	crewFolded  seam.Mono       // when the crew's coordinator had folded its log last
	crewTold    map[int32]int64 // of the crew's topic, by partition: up to where a commit was told to have come
	clients     int             // how many there were
	others      []party         // all but workers
	workers     []*worker
	busy        party // who was found busy last
	calm        bool  // the faults are over
	quiets      int   // looks at a broker with nothing under way
	unreadable  int   // the last life in which a folder could not be used
	givenUp     int   // how often the broker ended by itself since then

	noRestart  bool
	turnedAway map[string]int            // how often somebody's link was, because others had come just before
	homes      map[check.Partition]int32 // log directories, of which more than one may have a folder of the partition
	brought    map[check.Partition]int64 // where logs began that an operator has carried to another one
}

type knownID struct {
	topic string
	id    [16]byte
}

func (r *Run) oldID(topic string, id [16]byte) bool {
	for _, known := range r.ids {
		if known.topic == topic && known.id == id {
			return true
		}
	}
	return false
}

func (r *Run) fail(err error) { r.World.Fail(err) }

func (r *Run) require(holds bool, law check.Law, format string, args ...any) bool {
	r.World.Laws[law]++
	if !holds {
		r.fail(check.Fail(law, format, args...))
	}
	return holds
}

func (r *Run) wall(now seam.Mono) int64 { return 1_700_000_000_000 + int64(now/seam.Millisecond) }

func (r *Run) mayRot() bool { return r.plan.Rot }

// rotted says whether a bit of the partition's files has turned.
func (r *Run) rotted(p check.Partition) bool {
	return r.World.Counts[world.BitRotted] > 0 && r.World.Node.Disk.Rotted(folderName(p))
}

// hasRotted says the same of files that it had and that are gone: what was read of them may still be on its way, or be committed.
func (r *Run) hasRotted(p check.Partition) bool { return r.World.Node.Disk.HasRotted(folderName(p)) }

// Do makes one run from a tape.
func Do(tape *world.Tape, broker Broker, options Options) *Result {
	r := &Run{noRestart: options.NoRestart, tape: tape, broker: broker, History: &check.History{}, topicIDs: map[string][16]byte{}, memberIDs: map[string]string{}, made: map[[16]byte]int{}, used: map[account][]used{}, notes: map[int64]int32{}, leaders: map[check.Partition]leading{}, rolls: map[generation]*roll{}, beats: map[string][]beat{}, knobs: map[knob][]possible{}, crewTold: map[int32]int64{}, there: map[string]seam.Mono{}, homes: map[check.Partition]int32{}, brought: map[check.Partition]int64{}, turnedAway: map[string]int{}, herdSession: consumerSession * seam.Millisecond, result: &Result{Codes: map[int16]int{}}}
	r.plan = drawPlan(tape, options.Quiet, options.Brief)
	r.World = world.New(tape, r.plan.Rates, broker.Parts(r.plan, tape), r.plan.Dirs)
	r.World.Log, r.World.Remote = options.Log, remoteOf
	set(&r.World.Patience, seam.Mono(r.plan.PatienceMillis)*seam.Millisecond)
	if r.plan.StepItems > 0 {
		r.World.StepEffects = effectsPerItem*r.plan.StepItems + effectsAnyway
	}
	r.facts = &check.Facts{Durable: map[string]bool{}, Deleted: map[string]bool{}, Rotted: map[check.Partition]bool{}, Promised: map[string][]check.Span{}, Logs: map[check.Partition]check.Log{}, Keeps: map[string]check.Keep{}, Stored: map[string]check.Stored{}, Pressed: map[string][]check.Pressing{}, Origins: map[check.Partition]int64{}, Heads: map[check.Partition]int64{}}
	for _, topic := range r.plan.names() {
		r.facts.Stored[topic] = r.plan.Pressed.stored(topic)
	}
	for _, topic := range r.plan.Durable {
		r.facts.Durable[topic] = true
	}
	for _, topic := range r.plan.Fleeting {
		r.facts.Durable[topic], r.facts.Deleted[topic] = true, true
	}
	r.facts.Durable[tidyTopic], r.facts.Compacted = true, map[string]bool{tidyTopic: true}
	r.facts.Durable[offsetsTopic], r.facts.Compacted[offsetsTopic] = true, true
	r.facts.Durable[crowdTopic], r.facts.Deleted[crowdTopic] = true, true
	for _, topic := range r.plan.stable() {
		if r.plan.prunes(topic) {
			r.facts.Keeps[topic] = r.plan.Pruning.Keep
		}
	}
	r.observe()
	if options.Log != nil {
		options.Log(fmt.Sprintf("plan %+v", *r.plan))
	}
	r.live()
	return r.finish()
}

// A Step's bound: closing a log takes ten effects, and some are asked for whatever there is to do.
const (
	effectsPerItem = 10
	effectsAnyway  = 60
)

// observe listens to what the world does to the node.
func (r *Run) observe() {
	w := r.World
	w.OnEvent = func(n *world.Node, e *seam.Event) {
		if e.Kind == seam.CoordinatorLoaded {
			r.loaded = w.Now()
			clear(r.beats)
			if e.Partition == crewPartition {
				r.crewFolded = w.Now()
			}
		}
		r.onTidied(e)
		switch {
		case e.Topic != offsetsTopic:
		case e.Kind == seam.Compacted:
			w.Counts[world.GroupsCompacted]++
		case e.Kind == seam.ReplicaMoved:
			w.Counts[world.GroupsMoved]++
		}
		if e.Kind == seam.SegmentUnreadable || e.Kind == seam.DirFenced || e.Kind == seam.CoordinatorFailed || stuck(e) {
			r.unreadable = n.Life
		}
		if e.Kind == seam.ConnRefused && strings.Contains(e.Text, "max.connection.creation.rate") {
			r.turnedAway[e.Topic]++
		}
		if e.Kind == seam.ReplicaMoved {
			r.homes[check.Partition{Topic: e.Topic, Number: e.Partition}] = int32(e.B)
		}
		if r.broker.Fatal != nil && r.broker.Fatal(e) {
			n.GivenUp = true
			w.After(0, func() { r.die() })
		}
	}
	w.OnDark = func(n *world.Node, dir int32) {
		r.facts.Losses = append(r.facts.Losses, w.Now())
		if r.watch != nil {
			w.Fail(r.watch.Lost(r.begins(), r.rotted, r.left))
		}
	}
	w.OnCarry = r.carried
	darkened := 0 // how often a directory had lost power alone before this life. What one then had answered may still be told to its end
	w.OnStart = func(n *world.Node) {
		r.facts.Starts, darkened = append(r.facts.Starts, w.Now()), w.Counts[world.DirPowerLost]
	}
	w.OnEnd = func(n *world.Node, powerLost bool) {
		r.tidied.begun = 0
		if powerLost || w.Counts[world.DirPowerLost] > darkened { // a failed sync alone takes nothing from a process that goes on, or from the next
			r.facts.Losses = append(r.facts.Losses, w.Now())
		}
		if powerLost && r.watch != nil {
			w.Fail(r.watch.Lost(r.begins(), r.rotted, r.left))
		}
	}
	if r.broker.View != nil {
		r.watch = check.NewWatch(w.Laws, r.facts)
		w.Muted = r.broker.Muted
		w.Watch = func(n *world.Node, m seam.Machine) {
			if err := r.watch.After(n.Life, n.Quiet(), func(v *check.View) {
				r.broker.View(m, false, v)
				v.Now = n.Mono()
			}); err != nil {
				w.Fail(err)
			}
			if n.Ready && n.Quiet() && (n.Leases() == 0 || n.Conns() == 0) && w.Failure() == nil {
				r.quiets++
				if r.quiets%16 == 1 {
					w.Fail(r.watch.Left(n.Leases(), n.Conns(), func(v *check.View) { r.broker.View(m, false, v) }))
				}
			}
		}
	}
}

// die is what a broker does that has lost its metadata's directory: the process ends, and somebody starts it again.
func (r *Run) die() {
	if r.World.Node.Up {
		r.World.Node.Exit("it gave up")
		if r.calm {
			r.givenUp++
			r.require(r.givenUp < 20, check.EveryoneFinishes, "the broker gave up %d times after the faults had ended", r.givenUp)
		}
		r.World.After(200*seam.Millisecond, r.World.Node.Start)
	}
}

const (
	drainPatience = 300 * seam.Second // virtual, after the faults
	auditPatience = 120 * seam.Second
)

// live runs the clients through the faults, then to their end.
func (r *Run) live() {
	w := r.World
	w.Node.Start()
	operator := &operator{session: r.client("operator"), topics: r.plan.stable()}
	if r.plan.Tidying.On {
		operator.topics = append(operator.topics, tidyTopic)
	}
	r.enter(operator.session, operator)
	r.moveLogs()
	chaos := w.Now() + seam.Mono(r.plan.Chaos)*seam.Millisecond
	w.After(20*seam.Millisecond, r.enterAll)
	if !r.plan.Quiet {
		w.Unleash(chaos)
	}
	if r.plan.Restless {
		r.jump(r.tape.Stream("jumps"))
	}
	w.Run(chaos, nil)
	r.lurk()
	r.calm = true
	w.Calm()
	r.changeDisk()
	w.Run(w.Now()+10*seam.Second, r.idle)
	r.changeDisk() // what was given up only now
	r.draining = true
	w.Run(w.Now()+drainPatience, r.idle)
	if w.Failure() != nil || !r.require(r.idle(), check.EveryoneFinishes, "%v after the faults ended: %s", drainPatience/seam.Second, r.whoWaits()) {
		return
	}
	r.audit()
}

// lurk ends the faults but for ambushes, for a while. Under all of them a life is too short for much compaction: most of
// what is put in place is when they are over, and a name that no sync covers is in doubt then as well.
func (r *Run) lurk() {
	const length = 6 * seam.Second
	w := r.World
	if ambush, haste := w.Rates.Ambush, max(1, w.Rates.Haste); ambush > 0 && r.plan.Tidying.On {
		w.Calm()
		w.Rates.Ambush, w.Rates.Haste = ambush, haste
		w.Run(w.Now()+length/seam.Mono(haste), nil)
	}
}

// jump sets the wall clock, again and again, until the clients are to come to their end.
func (r *Run) jump(s *world.Stream) {
	if r.draining || r.World.Failure() != nil {
		return
	}
	r.World.Node.JumpClock(int64(s.Choose(7)-3) * pick[int64](s, 1000, 60_000, 3_600_000))
	r.World.After(seam.Mono(1+s.Choose(8))*100*seam.Millisecond, func() { r.jump(s) })
}

// stuck: a log is not compacted before the next start, which finishes what a disk that failed has left half done.
func stuck(e *seam.Event) bool {
	return e.Kind == seam.WriteRefused && strings.HasPrefix(e.Text, "the names of a compacted segment")
}

// changeDisk is what an operator does who is told that a folder cannot be read: a partition that could not be recovered
// at the start, because the disk failed or was full, stays out of use until the next one.
func (r *Run) changeDisk() {
	w := r.World
	w.Run(w.Now()+30*seam.Second, func() bool { return w.Node.Ready })
	if !w.Node.Up || r.unreadable != w.Node.Life {
		return
	}
	w.Node.Stop(60*seam.Second, func(bool) { w.After(10*seam.Millisecond, w.Node.Start) })
	w.Run(w.Now()+90*seam.Second, func() bool { return !w.Node.Up })
}

// party is one of those whose end a run waits for.
type party interface {
	idle() bool // nothing more will come of it
	String() string
}

// othersIdle says whether all but workers have come to their end.
func (r *Run) othersIdle() bool {
	return !slices.ContainsFunc(r.others, func(p party) bool { return !p.idle() })
}

// idle says whether every client has come to its end. It is asked after each event: whoever was busy is asked first.
func (r *Run) idle() bool {
	if r.busy == nil || r.busy.idle() {
		r.busy = nil
		for r.busy = range r.whoever {
			break
		}
	}
	return r.busy == nil
}

// whoever goes over those who are busy.
func (r *Run) whoever(yield func(p party) bool) {
	for _, p := range r.others {
		if !p.idle() && !yield(p) {
			return
		}
	}
	for _, k := range r.workers {
		if !k.idle() && !yield(k) {
			return
		}
	}
}

func (r *Run) whoWaits() string {
	var who []string
	for p := range r.whoever {
		who = append(who, p.String())
	}
	return strings.Join(who, ", ")
}

func (r *Run) client(name string) *session {
	r.clients++
	return newSession(r, r.clients, name)
}

func (r *Run) enter(s *session, a agent) {
	s.agent = a
	r.others = append(r.others, a)
	r.World.Client(s.name, s)
}

// enterAll starts the clients that the plan asks for.
func (r *Run) enterAll() {
	p := r.plan
	for i, spec := range []struct {
		idempotent bool
		acks       int16
		topics     []string
		window     int
	}{
		{true, -1, []string{"firm"}, 5},
		{true, -1, []string{"firm", "loose"}, 3},
		{true, -1, []string{"ledger"}, 5},
		{false, 1, []string{"firm", "loose"}, 2},
		{true, 1, []string{"loose"}, 5},
		{false, -1, []string{"firm", "loose"}, 1},
		{false, 0, []string{"loose"}, 2},
		{true, -1, p.Fleeting, 2},
	} {
		r.enterProducer(fmt.Sprintf("producer.%d", i), spec.idempotent, spec.acks, spec.window, spec.topics...)
	}
	r.enterReader("reader.0", false, p.partitionsOf("firm")...)
	r.enterReader("reader.1", false, p.partitionsOf("loose")...)
	r.enterReader("reader.2", false, p.partitionsOf("firm")[:1]...)
	r.enterReader("reader.3", true, p.partitionsOf("ledger")...)
	r.enterReader("reader.4", false, check.Partition{Topic: p.Fleeting[0]})
	patient := r.enterReader("reader.5", true, check.Partition{Topic: p.Fleeting[0]}, check.Partition{Topic: p.Fleeting[1]})
	patient.behind = &poll{partition: check.Partition{Topic: p.Durable[0], Number: 2}, from: r.facts.Origins[check.Partition{Topic: p.Durable[0], Number: 2}]}
	if p.Crowd > 0 {
		s := r.client("crowd")
		r.enter(s, &crowd{steward: &steward{session: s}, left: 3})
	}
	for i := range 2 {
		s := &steward{session: r.client(fmt.Sprintf("steward.%d", i)), budget: p.Budget / 4}
		r.enter(s.session, s)
	}
	r.enterPrograms()
	r.enterMover()
	if p.Pruning.On {
		s := &pruner{session: r.client("pruner"), budget: p.Budget / 2, partitions: p.partitionsOf("firm", "loose"), epochs: r.tape.Stream("pruner.epochs")}
		r.enter(s.session, s)
	}
	r.enterTuner()
	r.enterSpender()
	r.enterTidy()
	r.enterMembers()
	r.enterLoners()
	r.enterHermit()
	r.enterHerd()
	r.enterWorkers()
}

func (r *Run) enterProducer(name string, idempotent bool, acks int16, window int, topics ...string) {
	s := r.client(name)
	p := &producer{session: s, idempotent: idempotent, acks: acks, window: window, pid: -1, budget: r.plan.Budget, version: int16(3 + s.stream.Choose(11)), clock: r.tape.Stream(name + ".clock"), numbers: r.tape.Stream(name + ".numbers"), strays: r.tape.Stream(name + ".strays")}
	if topics[0] == r.plan.Ledger {
		p.budget = min(p.budget, 60)
	}
	for _, partition := range r.plan.partitionsOf(topics...) {
		p.lanes = append(p.lanes, &lane{partition: partition})
	}
	r.enter(s, p)
}

func (r *Run) enterReader(name string, whole bool, partitions ...check.Partition) *reader {
	s := r.client(name)
	rd := &reader{session: s, times: r.tape.Stream(name + ".time"), epochs: r.tape.Stream(name + ".epochs"), version: int16(4 + s.stream.Choose(14)), partitions: partitions, positions: make([]int64, len(partitions)),
		lost: make([]bool, len(partitions)), done: make([]bool, len(partitions)), budget: r.plan.Budget, whole: whole}
	for range partitions {
		rd.behindOf = append(rd.behindOf, -1)
	}
	rd.enterSession()
	r.enter(s, rd)
	return rd
}

// audit reads every partition that stays from beginning to end, stops the broker, and judges.
func (r *Run) audit() {
	w := r.World
	auditor := r.enterReader("auditor", false, r.plan.partitionsOf(r.plan.stable()...)...)
	auditor.audit = true
	w.Run(w.Now()+auditPatience, r.idle)
	if w.Failure() != nil || !r.require(r.idle(), check.EveryoneFinishes, "the auditor has read up to %v of %v", auditor.positions, auditor.partitions) {
		return
	}
	r.awaitCleaning(r.tidyDirt)
	if r.plan.Pruning.On {
		r.findHomes()
		r.await(check.RetentionGetsOn, r.overdue)
	}
	r.await(check.FlushGetsOn, r.unflushed)
	r.awaitExpiry()
	r.interruptMove()
	if w.Failure() == nil && !r.noRestart {
		r.restartEqual()
	}
	if w.Failure() != nil {
		return
	}
	r.await(check.DeletedIsGone, r.unremoved)
	if w.Failure() != nil {
		return
	}
	r.findHomes()
	stopped, clean := false, false
	w.Node.Stop(60*seam.Second, func(c bool) { stopped, clean = true, c })
	w.Run(w.Now()+100*seam.Second, func() bool { return stopped })
	if w.Failure() != nil || !r.require(clean, check.EveryoneFinishes, "it did not stop in a minute") {
		return
	}
	r.judge()
}

// restartEqual restarts the broker in some way that loses nothing and compares what is rebuilt with what there was.
func (r *Run) restartEqual() {
	w := r.World
	if r.watch == nil {
		return
	}
	w.Node.Shut = true
	w.Run(w.Now()+2*seam.Mono(r.plan.Expiry)*seam.Millisecond, nil) // what would expire while it starts has gone before
	before, after := check.View{}, check.View{}
	made := func() bool { // a partition for which there was no space is made with the next checkpoint
		if w.Node.Quiet() && w.Node.Ready {
			r.broker.View(w.Node.Broker(), false, &before)
			return before.Making == 0
		}
		return false
	}
	w.Run(w.Now()+30*seam.Second, made)
	if w.Failure() != nil || !r.require(!w.Node.Ready || made() || !w.Node.Quiet(), check.EveryoneFinishes, "%d partitions are still to be made", before.Making) {
		return
	}
	r.broker.View(w.Node.Broker(), true, &before)
	gentle := r.tape.Choose("restart", 2) == 0
	if gentle {
		stopped := false
		w.Node.Stop(60*seam.Second, func(bool) { stopped = true })
		w.Run(w.Now()+100*seam.Second, func() bool { return stopped })
	} else {
		w.Node.Kill()
	}
	if w.Failure() != nil {
		return
	}
	clean := gentle && r.markedClean()
	w.Node.Start()
	w.Run(w.Now()+60*seam.Second, func() bool { return w.Node.Ready && w.Node.Quiet() })
	if w.Failure() != nil || !r.require(w.Node.Ready, check.EveryoneFinishes, "a broker is not ready a minute after its start") {
		return
	}
	w.Run(w.Now()+2*seam.Second, nil)
	if w.Failure() == nil && w.Counts[world.BitRotted] == 0 {
		w.Laws[check.StateRebuilt]++
		r.broker.View(w.Node.Broker(), true, &after)
		if r.plan.Expiry > 0 && w.Counts[world.ClockJumped] > 0 { // by the wall clock offsets may expire at any time
			isOffsets := func(p check.PartitionView) bool { return p.Topic == offsetsTopic }
			before.Partitions = slices.DeleteFunc(before.Partitions, isOffsets)
			after.Partitions = slices.DeleteFunc(after.Partitions, isOffsets)
		}
		w.Fail(check.SameState(&before, &after, clean))
	}
	w.Node.Shut = false
}

// markedClean says whether a stop has told the next start to believe what it wrote. Where the disk was too full for an index
// it has not: that start recovers, and the disk may have been too full for the windows of producers as well, which it can do
// without.
func (r *Run) markedClean() bool {
	for i := range r.plan.Dirs {
		if r.World.Node.Disk.Contents(seam.Path{Dir: int32(i), Name: ".kafka_cleanshutdown"}) == nil {
			return false
		}
	}
	return true
}

// judge reads the logs as they lie on the disk and holds the history against them.
func (r *Run) judge() {
	w := r.World
	if r.facts.SetBack, r.facts.End = w.Node.SetBack, w.Now(); w.Counts[world.ClockJumped] == 0 {
		r.facts.ClockOrigin = r.wall(0)
	}
	r.facts.Begins = r.begins()
	for _, p := range r.plan.partitionsOf(r.plan.names()...) {
		files := r.files(p)
		if files == nil {
			continue
		}
		r.facts.Rotted[p] = r.hasRotted(p)
		log, err := check.ReadLog(files)
		if err != nil && !r.facts.Rotted[p] {
			w.Laws[check.DenseOffsets]++
			w.Fail(check.Fail(check.DenseOffsets, "%s-%d: %v", p.Topic, p.Number, err))
			return
		}
		r.facts.Logs[p] = log
		if misled := check.Misled(files); !r.require(misled == "" || r.facts.Rotted[p], check.IndexIsTrue, "%s: %s", folderName(p), misled) {
			return
		}
	}
	for _, topic := range r.plan.stable() {
		for _, p := range r.plan.partitionsOf(topic) {
			if _, there := r.facts.Logs[p]; !r.require(there, check.DurableIsThere, "%s-%d has no folder", p.Topic, p.Number) {
				return
			}
		}
	}
	r.facts.Segments, r.facts.Ages = map[string][]check.Certain{}, map[string][]check.Certain{}
	for _, topic := range r.plan.stable() {
		r.facts.Segments[topic] = r.certain(knob{topic, "internal.segment.bytes"})
		r.facts.Ages[topic] = r.certain(knob{topic, "segment.ms"})
	}
	w.Fail(check.Judge(r.History, r.facts, w.Laws))
	if w.Failure() == nil && !r.offsetsRotted() {
		r.History.Expiry, r.History.Jumped = seam.Mono(r.plan.Expiry)*seam.Millisecond, w.Counts[world.ClockJumped] > 0
		w.Fail(check.Groups(r.History, w.Laws))
	}
	r.judgeTidy()
	if w.Failure() == nil {
		r.hireFacts()
		w.Fail(check.Works(r.History, r.facts, w.Laws))
	}
	if w.Failure() == nil {
		w.Fail(check.Models(r.History, r.facts, w.Laws))
	}
}

// dump says what the broker's partitions look like when a run has failed.
func (r *Run) dump() {
	m := r.World.Node.Broker()
	if r.World.Failure() == nil || r.World.Log == nil || r.broker.View == nil || m == nil {
		return
	}
	v := check.View{}
	r.broker.View(m, true, &v)
	for _, p := range v.Partitions {
		r.World.Log(fmt.Sprintf("  %+v", p))
	}
}

func (r *Run) finish() *Result {
	w, out := r.World, r.result
	r.dump()
	out.Failure, out.Hash, out.Steps, out.Virtual = w.Failure(), w.Hash(), w.Steps(), w.Now()
	out.Decisions, out.Tape = r.tape.Total(), r.tape
	out.Faults, out.Laws, out.Lives = w.Counts, *w.Laws, w.Node.Life
	return out
}
