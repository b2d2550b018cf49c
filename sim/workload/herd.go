package workload

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// grazer is a raw member of a group of the consumer protocol (KIP-848). It subscribes to topics by name or by an expression,
// to some that come and go and to one that never comes; lets go what it is asked to, late or in time; falls silent for longer
// than its session, dies, leaves for good or as an instance that comes back under another id, joins again in the middle of its
// life, names epochs that are over or to come, and says that it owns what it was never given. When the faults are over it
// finds its place once more, and leaves. In a quarter of the runs one is stubborn: it lets nothing go that it is asked to, until
// it has been put out for that when the faults are over. Otherwise nobody else would ever have it (H45).
//
// What it was given, and was heard of with, nobody else may have been given (H32).
type grazer struct {
	*session
	instance string // empty: it is a dynamic member
	budget   int
	stubborn bool
	timeout  int32 // for a rebalance, in milliseconds
	told     subscribed
	asked    []subscribed // all that it was ever told

	stage  grazerStage
	lives  int
	id     string
	epoch  int32
	unsure bool // the last answer is missing: the next heartbeat says everything
	has    map[check.Share]*check.Hold
	spare  []check.Share // of them: it is to let them go
	boasts bool          // it has said last that it has what it was not given: nobody can tell that it has let that go
	heard  seam.Mono     // when what was heard of it last was sent; 0: not since it joined, or it has something to let go
	died   seam.Mono     // the same of the life before, if it ended without a word: its instance is not released before its session is over
	next   seam.Mono
	left   seam.Mono
	seats  int  // how often it began to join, or to read something else, or was heard with that
	fresh  bool // it was not heard with that yet: of what it reads the broker may not know
}

type grazerStage uint8

const (
	grazerFinds grazerStage = iota
	grazerJoins
	grazerGrazes
	grazerGone
)

// subscribed is what a member reads: an expression, or names.
type subscribed struct {
	names      []string
	expression string
}

const herdGroup = "herd"

// nowhere is a partition that no topic has.
const nowhere = 99

func (r *Run) enterHerd() {
	s := r.tape.Stream("herd.kind")
	for i := range r.plan.Herd {
		g := &grazer{session: r.client(fmt.Sprintf("grazer.%d", i)), budget: r.plan.Budget, has: map[check.Share]*check.Hold{}}
		if s.Choose(3) == 1 {
			g.instance = g.name
		}
		g.timeout = int32(500 * (1 + s.Choose(4)))
		g.stubborn = i == 0 && r.tape.Choose("herd.stubborn", 4) == 3
		g.subscribe()
		r.enter(g.session, g)
	}
}

func (g *grazer) subscribe() {
	g.seats, g.fresh = g.seats+1, true
	f := g.run.plan.Fleeting
	g.told = []subscribed{
		{names: []string{"firm", "loose"}}, {names: []string{"firm"}}, {expression: "f.*"}, {expression: ".*e.*"},
		{names: []string{"firm", f[0], f[1]}}, {names: []string{"nowhere", "loose"}}, {names: []string{}},
		{expression: "fir|oose|l"}, // none is that from end to end
	}[g.stream.Choose(8)]
	g.asked = append(g.asked, g.told)
}

func (g *grazer) idle() bool {
	return len(g.inflight) == 0 && g.stage == grazerGone && g.run.World.Now() >= g.left+memberLinger || g.run.draining && g.run.offsetsRotted()
}

func (g *grazer) String() string {
	return fmt.Sprintf("%s stage %d epoch %d of %s with %d", g.session, g.stage, g.epoch, g.id, len(g.has))
}

func (g *grazer) turn(now seam.Mono, fx *seam.Effects) {
	switch {
	case len(g.inflight) > 0:
		return
	case g.stage == grazerGone:
		if now < g.left+memberLinger {
			fx.Wake(g.left + memberLinger)
		}
		return
	case now < g.next:
		fx.Wake(g.next)
		return
	}
	g.next = now + g.think()
	switch g.stage {
	case grazerFinds:
		g.find(now, fx)
	case grazerJoins:
		g.join(now, fx)
	case grazerGrazes:
		g.graze(now, fx)
	case grazerGone:
	}
}

func (g *grazer) find(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.Version, r.CoordinatorKey = 2, herdGroup
	g.ask(now, r, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if a, _ := answer.(*kmsg.FindCoordinatorResponse); a != nil {
			if g.run.told(question{key: wire.KeyFindCoordinator, sent: now}, a.ErrorCode, at); a.ErrorCode == none {
				g.stage = grazerJoins
			}
		}
		fx.Wake(max(g.next, at+seam.Microsecond))
	}})
}

// graze is one deed of a member that has its place.
func (g *grazer) graze(now seam.Mono, fx *seam.Effects) {
	if g.run.draining {
		if g.heard > 0 && len(g.spare) == 0 && g.run.mayGo(now) {
			g.leave(now, -1, fx)
		} else {
			g.letGo()
			g.beat(now, g.full(g.epoch), fx)
		}
		return
	}
	if g.budget == 0 && g.stream.Choose(4) == 3 { // what it reads is there still, however long ago it was committed
		g.fetch(now, fx)
		return
	}
	if g.budget == 0 {
		g.letGo()
		g.beat(now, g.full(g.epoch), fx)
		return
	}
	g.budget--
	switch g.stream.Pick(8, 6, 4, 2, 2, 1, 1, 1, 1, 1, 1) {
	case 0:
		r := g.heartbeat(g.epoch)
		if g.unsure {
			r = g.full(g.epoch)
		}
		g.beat(now, r, fx)
	case 1:
		g.letGo()
		g.beat(now, g.full(g.epoch), fx)
	case 2:
		g.commit(now, g.epoch, fx)
	case 3:
		g.commit(now, pick(g.stream, g.epoch-1, -1), fx) // of an epoch that is over, or as nobody, while it is a member
	case 4:
		g.fetch(now, fx)
	case 5: // in an epoch that is over, or to come
		g.beat(now, g.full(max(1, g.epoch-1+5*int32(g.stream.Choose(2)))), fx)
	case 6: // with what it was never given
		r := g.full(g.epoch)
		if id, known := g.run.topicIDs["firm"]; known {
			r.Topics = append(r.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: []int32{0, 1, 2, nowhere}})
		}
		g.beat(now, r, fx)
	case 7: // silent for longer than its session, or than it may take to let go
		g.next = now + pick[seam.Mono](g.stream, 4, 1)*seam.Second
		fx.Wake(g.next)
	case 8: // it dies, or joins again as who it is
		heard := g.heard
		if g.unsure {
			heard = 0
		}
		g.forget()
		if g.stream.Choose(2) == 1 {
			g.id, g.died = "", heard
		}
		fx.Wake(g.next)
	case 9:
		epoch := int32(-1)
		if g.instance != "" {
			epoch = -1 - int32(g.stream.Choose(2))
		}
		g.leave(now, epoch, fx)
	case 10:
		g.subscribe()
		g.beat(now, g.full(g.epoch), fx)
	}
}

// letGo lets go what it was asked to.
func (g *grazer) letGo() {
	if g.stubborn {
		return
	}
	for _, s := range g.spare {
		delete(g.has, s)
	}
	g.spare = nil
}

// forget: it has nothing any more, and has to join.
func (g *grazer) forget() {
	g.seats, g.fresh = g.seats+1, true
	clear(g.has)
	g.spare, g.epoch, g.heard, g.unsure, g.stage = nil, 0, 0, false, grazerJoins
}

func (g *grazer) heartbeat(epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, herdGroup, g.id, epoch, -1
	if g.instance != "" {
		r.InstanceID = &g.instance
	}
	return r
}

// full says everything.
func (g *grazer) full(epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	r := g.heartbeat(epoch)
	r.RebalanceTimeoutMillis = g.timeout
	r.SubscribedTopicNames, r.SubscribedTopicRegex = append([]string{}, g.told.names...), &g.told.expression
	r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, s := range g.owned() {
		r.Topics = append(r.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: s.Topic, Partitions: []int32{s.Number}})
	}
	return r
}

func (g *grazer) owned() []check.Share {
	return slices.SortedFunc(maps.Keys(g.has), func(a, b check.Share) int {
		return bytes.Compare(append(a.Topic[:], byte(a.Number)), append(b.Topic[:], byte(b.Number)))
	})
}

func (g *grazer) join(now seam.Mono, fx *seam.Effects) {
	if g.id == "" {
		g.lives++
		g.id = fmt.Sprintf("%s-%d", g.name, g.lives)
	}
	g.beat(now, g.full(0), fx)
}

// beat sends a heartbeat, and takes what is answered.
func (g *grazer) beat(now seam.Mono, r *kmsg.ConsumerGroupHeartbeatRequest, fx *seam.Effects) {
	probing, boasts := g.stage == grazerGrazes && r.MemberEpoch != g.epoch, boasts(r)
	g.boasts = g.boasts || boasts // whatever becomes of it
	g.ask(now, r, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		a, _ := answer.(*kmsg.ConsumerGroupHeartbeatResponse)
		switch {
		case a == nil:
			g.unsure = true
		case a.ErrorCode != none:
			g.run.told(question{key: wire.KeyConsumerGroupHeartbeat, sent: now}, a.ErrorCode, at)
			g.refused(at, wire.Code(a.ErrorCode), probing)
		default:
			g.run.told(question{key: wire.KeyConsumerGroupHeartbeat, sent: now}, none, at)
			if r.Topics != nil {
				g.boasts = boasts
			}
			g.accepted(now, at, a)
		}
		fx.Wake(max(g.next, at+seam.Microsecond))
	}})
}

func boasts(r *kmsg.ConsumerGroupHeartbeatRequest) bool {
	return slices.ContainsFunc(r.Topics, func(t kmsg.ConsumerGroupHeartbeatRequestTopic) bool { return slices.Contains(t.Partitions, nowhere) })
}

// accepted: it is a member, with all that it had when it said so.
func (g *grazer) accepted(sent, at seam.Mono, a *kmsg.ConsumerGroupHeartbeatResponse) {
	for _, h := range g.has { //tidy:unordered each by itself
		h.To = sent
	}
	g.replaced(at)
	g.stage, g.epoch, g.heard, g.unsure = grazerGrazes, a.MemberEpoch, sent, false
	if g.fresh {
		g.seats, g.fresh = g.seats+1, false
	}
	for _, topic := range []string{"firm", "loose"} { // nothing of what a member reads expires
		if slices.Contains(g.told.names, topic) {
			g.run.History.Hear(g.seat(topic), sent)
		}
	}
	g.run.beaten(g.name, sent, at, a.HeartbeatIntervalMillis)
	if a.Assignment != nil {
		g.given(at, a.Assignment)
	}
	if len(g.spare) > 0 || g.boasts {
		g.heard = 0 // its time to let go runs, however often it is heard of
	}
}

// given takes what it did not have, and is to let go what it is not given any more.
func (g *grazer) given(at seam.Mono, assignment *kmsg.ConsumerGroupHeartbeatResponseAssignment) {
	given := map[check.Share]bool{}
	for _, t := range assignment.Topics {
		for _, p := range t.Partitions {
			s := check.Share{Topic: t.TopicID, Number: p}
			given[s] = true
			g.wanted(s)
			if g.has[s] == nil {
				g.has[s] = &check.Hold{Group: herdGroup, Share: s, Member: g.id, From: at, To: at}
				g.run.History.Holds = append(g.run.History.Holds, g.has[s])
			}
		}
	}
	g.spare = slices.DeleteFunc(g.owned(), func(s check.Share) bool { return given[s] })
}

// patience is how long a member that was heard of is one at least.
func (g *grazer) patience() seam.Mono {
	return min(seam.Mono(g.timeout)*seam.Millisecond, g.run.herdSession)
}

// replaced: it is a member. Under another id than in the life before, its instance was released.
func (g *grazer) replaced(at seam.Mono) {
	if g.instance != "" && g.died > g.run.loaded {
		g.run.require(at >= g.died+g.patience(), check.HeardIsKept, "%s has its place at %v as %s; under another id it was heard of after %v, and has not left", g.name, at, g.id, g.died)
	}
	g.died = 0
}

func (g *grazer) refused(at seam.Mono, code wire.Code, probing bool) {
	g.next = at + 20*seam.Millisecond + g.think()
	switch code {
	case wire.UnknownMemberID, wire.GroupIDNotFound, wire.GroupMaxSizeReached:
		g.stubborn = g.stubborn && !g.run.draining
		if g.heard > g.run.loaded && !g.unsure {
			g.run.require(at >= g.heard+g.patience(), check.HeardIsKept, "%s: %s is unknown at %v; it was heard of after %v", g.name, g.id, at, g.heard)
		}
		if g.forget(); code == wire.GroupMaxSizeReached { // which is said before whether it is a member still
			g.next += 200 * seam.Millisecond
		}
	case wire.FencedMemberEpoch:
		if !probing {
			g.forget()
		}
	case wire.FencedInstanceID: // another life of its own
		g.forget()
		g.id = ""
	case wire.UnreleasedInstanceID: // it has died, and its session lasts
		g.next = at + 500*seam.Millisecond
	default:
		g.unsure = true
		if g.stage != grazerGrazes {
			g.stage = grazerFinds
		}
	}
}

// leave says good-bye: for good, or as an instance that comes back under another id.
func (g *grazer) leave(now seam.Mono, epoch int32, fx *seam.Effects) {
	r := g.heartbeat(epoch)
	g.forget()
	draining := g.run.draining
	g.ask(now, r, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if a, _ := answer.(*kmsg.ConsumerGroupHeartbeatResponse); a != nil {
			g.run.told(question{key: wire.KeyConsumerGroupHeartbeat, sent: now}, a.ErrorCode, at)
		}
		if g.id = ""; draining {
			g.stage, g.left = grazerGone, at
		}
		fx.Wake(max(g.next, at+seam.Microsecond))
	}})
}

// commit commits an offset that nobody else does, in an epoch that may be over: then it must not be taken.
func (g *grazer) commit(now seam.Mono, epoch int32, fx *seam.Effects) {
	share := int32(g.stream.Choose(sharesAll))
	topic, partition := shareOf(share)
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 9, herdGroup, g.id, epoch
	if epoch < 0 {
		r.MemberID = ""
	}
	c := &check.Commit{Group: herdGroup, Share: share, Offset: g.run.freshOffset(), Generation: epoch, Owner: g.id, Member: g.seat(topic), Aging: true, Call: now, Return: check.Unfinished}
	g.run.History.Commits = append(g.run.History.Commits, c)
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: g.run.place(partition, c.Offset, r.Version)}}
	over, heard := epoch < g.epoch, g.heard
	settle := func(at seam.Mono, answer kmsg.Response) {
		code := answer.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
		g.run.told(question{key: wire.KeyOffsetCommit, topic: topic, sent: now}, code, at)
		switch wire.Code(code) {
		case wire.None:
			c.Outcome, c.Return = check.Done, at
			g.run.require(!over || epoch < 0 && !(heard > g.run.loaded && !g.unsure && at < heard+g.patience()), check.NoZombie, "%s: a commit of epoch %d of %s, which was in a later one before, was taken", g.name, epoch, c.Member)
		case wire.NotCoordinator:
		default:
			c.Outcome = check.Refused
		}
	}
	g.ask(now, r, fx, &call{settle: settle, done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer != nil {
			settle(at, answer)
		}
		fx.Wake(max(g.next, at+seam.Microsecond))
	}})
}

func (g *grazer) fetch(now seam.Mono, fx *seam.Effects) {
	share := int32(g.stream.Choose(sharesAll))
	topic, partition := shareOf(share)
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version, r.Group = 7, herdGroup
	r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{partition}}}
	g.ask(now, r, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if a, _ := answer.(*kmsg.OffsetFetchResponse); a != nil {
			if g.run.told(question{key: wire.KeyOffsetFetch, sent: now}, a.ErrorCode, at); a.ErrorCode == none {
				p := a.Topics[0].Partitions[0]
				g.run.noted(g.name, p.Offset, p.LeaderEpoch, p.Metadata, a.Version)
				g.run.History.Committed = append(g.run.History.Committed, &check.Committed{Group: herdGroup, Share: share, Offset: p.Offset, Call: now, Return: at})
			}
		}
		fx.Wake(max(g.next, at+seam.Microsecond))
	}})
}

// seat names a member as a reader of a topic, from when it was heard with what it reads now.
func (g *grazer) seat(topic string) string { return fmt.Sprint(g.id, "/", g.seats, "/", topic) }
