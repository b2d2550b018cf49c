package workload

import (
	"fmt"
	"slices"

	"rookery/core/client"
	"rookery/core/client/assignor"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// worker is an application whose Client machine is a member of a group: it processes "firm" together with the others,
// says how far it has come, and lets go when it is asked to. It hangs for longer than it may, dies without a word, leaves
// and comes back. When the faults are over and nobody writes any more the crew reads to the end, and goes.
//
// What it notes is what applications live on: nothing is passed over when a partition changes hands (H27), everything was
// processed in the end (H28), a generation gives a partition once (H24), and records come in order (H19).
type worker struct {
	run    *Run
	seat   int // of the crew; another worker takes it when this one is dead
	name   string
	stream *world.Stream
	config client.Config
	tell   func(body any)
	kill   func()
	budget int
	each   bool // it commits after each record, and waits for no answer
	asked  int  // commits that are not answered yet
	most   int  // of them at a time, since there were none

	hired   seam.Mono
	holds   map[int32]*holding
	tag     uint64
	inbox   []any // while it hangs
	hangsTo seam.Mono
	release uint64 // the Revoked that it is to answer
	stage   stage
	closed  seam.Mono // by when it must be
	over    seam.Mono // since when it is
}

// holding is a partition that a worker believes is its own.
type holding struct {
	tag    uint64
	next   int64 // -1: not known yet
	told   int64 // how far the group had come for sure when it was taken
	ending bool
	ended  bool
}

const (
	crewName  = "crew"
	crewTopic = "firm"

	// crewPartition is the one of offsetsPartitions that the crew's coordinator folds.
	crewPartition = 1

	// workerLinger is how long after its end a worker waits for what is left of it in the group to be over: its session, and
	// the round that follows.
	workerLinger = 12 * seam.Second
)

// working is the crew.
type working struct {
	Seats     int
	Assignors []assignor.Assignor
	Modern    bool // the consumer protocol (KIP-848)
	Mixed     bool // some speak that and some the classic one: the group goes over and back
}

func drawWorking(tape *world.Tape) (w working) {
	s := tape.Stream("workers")
	w.Seats = [4]int{0, 2, 3, 1}[s.Choose(4)]
	w.Assignors = [][]assignor.Assignor{{assignor.Range}, {assignor.CooperativeSticky}, {assignor.Sticky}, {assignor.RoundRobin, assignor.Range}}[s.Choose(4)]
	w.Modern = s.Choose(3) == 2
	w.Mixed = tape.Choose("mixed workers", 3) == 2
	return w
}

func (r *Run) enterWorkers() {
	for seat := range r.plan.Workers.Seats {
		r.hire(seat, r.plan.Budget/4)
	}
}

// hire puts a worker into a seat.
func (r *Run) hire(seat, budget int) {
	k := &worker{run: r, seat: seat, name: fmt.Sprintf("worker.%d.%d", seat, len(r.workers)), hired: r.World.Now(), holds: map[int32]*holding{}, budget: budget}
	k.stream = r.tape.Stream(k.name)
	s := k.stream
	c := client.DefaultConfig(brokerAddress)
	c.ClientID, c.GroupID, c.AutoCreate, c.OffsetReset = k.name, crewName, false, client.ResetEarliest
	c.Seed[0], c.Seed[1], c.Seed[2] = byte(seat), byte(len(r.workers)), 77
	c.Assignors, c.Modern = r.plan.Workers.Assignors, r.plan.Workers.Modern
	if seat == 0 && s.Choose(2) == 1 {
		c.InstanceID = "seat.0"
	}
	c.RequestTimeout = pick(s, 5*seam.Second, 2*seam.Second, 10*seam.Second)
	c.SessionTimeout = pick(s, 3*seam.Second, seam.Second, 6*seam.Second)
	c.HeartbeatInterval = c.SessionTimeout / 4
	c.PollIntervalMax = pick(s, 5*seam.Second, 2*seam.Second)
	c.AutoCommitInterval = pick[seam.Mono](s, 500, 100, 3000, 0) * seam.Millisecond
	c.MetadataAgeMax = 3 * seam.Second
	c.FetchWaitMax = pick[seam.Mono](s, 200, 500) * seam.Millisecond
	c.PartitionFetchBytes = pick[int32](s, 1<<20, 3000, 300)
	if k.each = r.tape.Choose(k.name+" commits", 3) == 2; k.each && r.tape.Choose(k.name+" by hand", 2) == 1 {
		c.AutoCommitInterval = 0
	}
	if r.plan.Workers.Mixed {
		c.Modern = s.Choose(2) == 1
	}
	k.config = c
	k.tell, k.kill = r.World.Program(k.name, newWitness(r, k.name, c), k.receive)
	r.workers = append(r.workers, k)
	k.tell(&client.Poll{Bytes: 1 << 40})
	k.subscribe()
	r.World.After(0, k.live)
}

func (k *worker) subscribe() { k.tell(&client.Subscribe{Topics: []string{crewTopic}}) }

func (k *worker) require(holds bool, law check.Law, format string, args ...any) bool {
	return k.run.require(holds, law, "%s: %s", k.name, fmt.Sprintf(format, args...))
}

func (k *worker) idle() bool { return k.stage == ended && k.run.World.Now() >= k.over+workerLinger }

func (k *worker) String() string {
	text := fmt.Sprintf("%s(stage %d, hangs to %v", k.name, k.stage, k.hangsTo)
	for _, n := range k.owned() {
		text += fmt.Sprintf(", %d at %d %v", n, k.holds[n].next, k.holds[n].ended)
	}
	return text + ")"
}

// owned is what it holds and has not been asked to let go.
func (k *worker) owned() (all []int32) {
	for n, h := range k.holds { //tidy:unordered it is sorted
		if !h.ending {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// live is a turn, and plans the next.
func (k *worker) live() {
	now := k.run.World.Now()
	if k.run.World.Failure() != nil || k.stage == ended {
		return
	}
	pause := seam.Mono(1+k.stream.Choose(16)*k.run.plan.ThinkMillis/8) * seam.Millisecond
	switch {
	case k.stage == closing:
		k.require(now <= k.closed, check.ClientTells, "Close is not answered after %v", k.config.RequestTimeout)
		k.answer()
	case now < k.hangsTo && !k.run.draining:
	default:
		k.wake(now)
		k.answer()
		if k.run.draining {
			pause = 100 * seam.Millisecond
			k.part()
		} else if k.budget > 0 && (len(k.owned()) > 0 || k.stream.Choose(64) == 63) { // most of what it does is for a member with a share
			k.budget--
			k.deed()
		}
	}
	k.run.World.After(pause, k.live)
}

// wake reads what has come while it was hanging.
func (k *worker) wake(now seam.Mono) {
	k.hangsTo = 0
	letters := k.inbox
	k.inbox = nil
	for _, letter := range letters {
		k.read(now, letter)
	}
}

// answer says how far it has come, and lets go of what it was asked for.
func (k *worker) answer() {
	polled := &client.Polled{Idle: true}
	for _, n := range sortedNumbers(k.holds) {
		if h := k.holds[n]; h.next >= 0 {
			polled.Processed = append(polled.Processed, client.Place{Partition: client.Partition{Topic: crewTopic, Number: n}, Offset: h.next})
		}
	}
	k.tell(polled)
	if tag := k.release; tag != 0 {
		if k.config.AutoCommitInterval == 0 {
			k.commit(nil)
		}
		k.letGo()
		k.tell(&client.Released{Tag: tag})
	}
}

func sortedNumbers(holds map[int32]*holding) (all []int32) {
	for n := range holds { //tidy:unordered it is sorted
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

func (k *worker) letGo() {
	for _, n := range sortedNumbers(k.holds) {
		if k.holds[n].ending {
			delete(k.holds, n)
		}
	}
	k.release = 0
}

func (k *worker) deed() {
	switch k.stream.Pick(10, 3, 2, 1, 1) {
	case 1:
		k.commit(nil)
	case 2: // it hangs
		k.tell(&client.Polled{})
		k.hangsTo = k.run.World.Now() + seam.Mono(1+k.stream.Choose(3))*k.config.PollIntervalMax*2/3
	case 3:
		k.die()
	case 4:
		k.tell(&client.Subscribe{})
		k.run.World.After(k.config.SessionTimeout/2, k.subscribe)
	}
}

// die ends it without a word, and another comes.
func (k *worker) die() {
	k.stage, k.over = ended, k.run.World.Now()
	k.kill()
	k.run.hire(k.seat, k.budget)
}

// commit says how far it has come: everywhere, if no places are named. Where links break at all, now and then this one's does
// while several commits wait for each other.
func (k *worker) commit(places []client.Place) {
	k.asked++
	k.most = max(k.most, k.asked)
	k.tell(&client.Commit{Places: places})
	if k.asked == 3 && k.run.World.Rates.CutOnFrame > 0 && k.stream.Choose(4) == 3 {
		k.run.World.After(seam.Mono(k.stream.Choose(30))*seam.Millisecond, func() { k.run.World.CutLinksOf(k.name) })
	}
}

// maybeDie: now and then it dies with the answer to the last of several commits, before anything sets right what went wrong
// between them.
func (k *worker) maybeDie() {
	if k.asked > 0 || k.most < 3 {
		return
	}
	if k.most = 0; k.run.draining || k.budget == 0 || k.stream.Choose(4) != 3 {
		return
	}
	k.budget--
	k.run.World.After(0, func() {
		if k.stage == living && k.run.World.Failure() == nil {
			k.die()
		}
	})
}

// part goes when the crew has read everything to the end, and nobody is left who writes.
func (k *worker) part() {
	if !k.run.othersIdle() || !k.run.crewIsDone() {
		return
	}
	k.stage = closing
	k.closed = k.run.World.Now() + k.config.RequestTimeout + 200*seam.Millisecond
	k.tell(&client.Close{})
}

// crewIsDone says whether every partition that can be read is held by one who has read it to its end; or part of the crew
// has gone already.
func (r *Run) crewIsDone() bool {
	if r.offsetsRotted() {
		return true
	}
	ends := r.crewEnds()
	for n := range int32(r.plan.partitions(crewTopic)) {
		if !r.rotted(check.Partition{Topic: crewTopic, Number: n}) && !slices.ContainsFunc(r.workers, func(k *worker) bool {
			h := k.holds[n]
			return k.stage == living && h != nil && !h.ending && h.ended && h.next == ends[n]
		}) {
			return slices.ContainsFunc(r.workers, func(k *worker) bool { return k.stage == closing })
		}
	}
	return true
}

// crewEnds is where the logs of the crew's topic end. What was acknowledged by the leader alone may still be on its way
// to the disk, and is seen by nobody before it is there.
func (r *Run) crewEnds() map[int32]int64 {
	ends := map[int32]int64{}
	if m := r.World.Node.Broker(); m != nil && r.broker.View != nil {
		v := check.View{}
		r.broker.View(m, false, &v)
		for i := range v.Partitions {
			if p := &v.Partitions[i]; p.Topic == crewTopic {
				ends[p.Number] = p.End
			}
		}
	}
	return ends
}

// hireFacts says what the crew owes.
func (r *Run) hireFacts() {
	if len(r.workers) == 0 || r.offsetsRotted() || r.plan.prunes(crewTopic) {
		return
	}
	r.facts.Crews = []string{crewName}
	for _, p := range r.plan.partitionsOf(crewTopic) {
		if !r.rotted(p) {
			r.facts.Worked = append(r.facts.Worked, p)
		}
	}
}

// receive takes what the machine wrote.
func (k *worker) receive(now seam.Mono, body any) {
	if k.stage == ended {
		return
	}
	if now < k.hangsTo && !k.run.draining || len(k.inbox) > 0 {
		k.inbox = append(k.inbox, body)
		return
	}
	k.read(now, body)
}

func (k *worker) read(now seam.Mono, body any) {
	switch in := body.(type) {
	case *client.Assigned:
		k.onAssigned(now, in)
	case *client.Revoked:
		k.onRevoked(in)
	case *client.Committed:
		k.onCommitted(in)
	case *client.Fetched:
		k.onFetched(now, in)
	case *client.GroupTrouble:
		// Who sat here before has died, and its session lasts.
		taken := in.Code == wire.UnreleasedInstanceID && k.config.Modern
		// Who takes an instance over in the middle of a round is written down with the next one, as in Kafka: a coordinator that
		// is folded anew before that, by a start (seed 976) or since a write has failed (seed 20044765), knows the earlier one.
		forgotten := in.Code == wire.FencedInstanceID && !k.config.Modern && k.run.crewFolded > k.hired
		if taken || forgotten {
			k.run.World.After(500*seam.Millisecond, k.subscribe)
		}
		k.require(!in.Stopped || taken || forgotten || k.run.offsetsRotted(), check.ClientTells, "its place in the group is lost for good: %v", in.Code)
	case *client.Closed:
		k.stage, k.over = ended, now
		clear(k.holds)
	}
}

func (k *worker) onAssigned(now seam.Mono, in *client.Assigned) {
	for _, p := range in.Partitions {
		if !k.require(k.holds[p.Number] == nil, check.ClientTells, "it is assigned %v, which it has", p) {
			return
		}
		k.tag++
		k.holds[p.Number] = &holding{tag: k.tag, next: -1, told: k.run.crewTold[p.Number]}
		k.tell(&client.Assign{Tag: k.tag, Topic: p.Topic, Partition: p.Number, Offset: client.AsCommitted})
	}
	owner := k.name
	if k.config.InstanceID != "" {
		owner = k.config.InstanceID
	}
	k.run.History.Claims = append(k.run.History.Claims, &check.Claim{Group: crewName, Generation: in.Generation, Owner: owner, Member: k.name, Shares: k.owned(), At: now})
}

func (k *worker) onCommitted(in *client.Committed) {
	for _, p := range in.Places {
		if in.Fault == client.NoFault && !p.Code.Failed() {
			k.run.crewTold[p.Number] = max(k.run.crewTold[p.Number], p.Offset)
		}
	}
	k.asked--
	k.maybeDie()
}

func (k *worker) onRevoked(in *client.Revoked) {
	for _, p := range in.Partitions {
		h := k.holds[p.Number]
		if !k.require(h != nil && !h.ending, check.ClientTells, "it is to let go %v, which it has not", p) {
			return
		}
		h.ending = true
	}
	if k.release = in.Tag; in.Lost {
		k.letGo()
	}
}

// onFetched processes records as they come: what is of an earlier hold is passed over.
func (k *worker) onFetched(now seam.Mono, in *client.Fetched) {
	h := k.holds[in.Partition]
	if h == nil || h.ending || h.tag != in.Tag {
		return
	}
	at := check.Partition{Topic: in.Topic, Number: in.Partition}
	if in.Code.Failed() || k.run.rotted(at) || k.run.plan.prunes(at.Topic) {
		if h.ended = h.ended || in.End || k.run.rotted(at); in.Position >= 0 && !in.Code.Failed() {
			h.next = in.Position
		}
		return
	}
	from := in.From
	if from < 0 {
		from = in.Position - int64(len(in.Records))
	}
	if h.next < 0 {
		k.resumed(at, h, from)
		k.run.History.Works = append(k.run.History.Works, &check.Work{Group: crewName, Partition: at, At: now, From: from})
	}
	if !k.require(h.next < 0 || h.next == from, check.ClientReadsOn, "%v is read from %d, and %d comes next", at, from, h.next) {
		return
	}
	if n := int64(len(in.Records)); n > 0 {
		k.run.History.Works = append(k.run.History.Works, &check.Work{Group: crewName, Partition: at, At: now, From: in.Records[0].Offset, Count: n})
	}
	h.next, h.ended = in.Position, in.End
	if k.each && !k.run.draining {
		for _, record := range in.Records {
			k.commit([]client.Place{{Partition: client.Partition{Topic: in.Topic, Number: in.Partition}, Offset: record.Offset + 1}})
		}
	}
}

// resumed: it goes on where its group has come to.
func (k *worker) resumed(at check.Partition, h *holding, from int64) {
	k.require(from >= h.told, check.ResumedBehindCommit, "%v is read from %d, and a commit of %d had been told of when it was assigned", at, from, h.told)
}
