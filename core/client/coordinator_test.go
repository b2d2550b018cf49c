package client

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// toyGroup is a group told in the plainest way. Which broker has it moves now and then; what it knows moves along.
type toyGroup struct {
	crowd   *crowd
	node    int
	lapse   int // one in so many answers is a refusal, or one in so many requests finds its member forgotten; 0: none
	offsets map[Partition]int64
	read    map[Partition]map[int64]int // how often each record was processed
	leftOut Partition                   // of answers to OffsetFetch
	refuse  wire.Code                   // what the next OffsetFetch is told
	vague   []string                    // what an OffsetFetch did not say
	barred  bool                        // its clients may not see it
	beyond  []string                    // commits of what nobody has processed
	counts  map[int16]int

	members    []*toyMember // by id
	preparing  bool
	syncing    bool
	prepareBy  seam.Mono
	generation int32
	leader     string
	protocol   string
	nextID     int
	rounds     int
	owners     map[string]string // generation and partition: whom the leader gave it
	twice      []string

	epochs map[Partition]string // of the consumer protocol: who has a partition, until it says that it let go
	epoch  int32
}

type toyMember struct {
	id, instance string
	ask          *kmsg.JoinGroupRequest
	join, sync   func(kmsg.Response) // not answered yet
	assignment   []byte
	until        seam.Mono // its session's end

	topics []string // of the consumer protocol
	regex  string
	epoch  int32
	owned  []Partition
	told   []Partition
}

func newToyGroup() *toyGroup {
	return &toyGroup{offsets: map[Partition]int64{}, read: map[Partition]map[int64]int{}, counts: map[int16]int{},
		owners: map[string]string{}, epochs: map[Partition]string{}}
}

func (g *toyGroup) find(id string) *toyMember {
	i := slices.IndexFunc(g.members, func(m *toyMember) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	return g.members[i]
}

// serve answers what is asked of a coordinator, now or later. False: it is none of that.
func (g *toyGroup) serve(w *world, node int, ask kmsg.Request, answer func(kmsg.Response)) bool {
	r := ask.ResponseKind()
	code := wire.None
	if _, finds := ask.(*kmsg.FindCoordinatorRequest); !finds && node != g.node {
		code = wire.NotCoordinator
	} else if w.chance(g.lapse) {
		code = []wire.Code{wire.CoordinatorLoadInProgress, wire.CoordinatorNotAvailable, wire.NotCoordinator}[w.random.Intn(3)]
		if g.node = w.random.Intn(2); w.random.Intn(3) == 0 && len(g.members) > 0 {
			g.remove(g.members[w.random.Intn(len(g.members))])
		}
	}
	switch ask := ask.(type) {
	case *kmsg.FindCoordinatorRequest:
		at := w.brokers[g.node]
		if code == wire.NotCoordinator {
			code = wire.CoordinatorNotAvailable
		}
		if g.barred {
			code = wire.GroupAuthorizationFailed
		}
		f := r.(*kmsg.FindCoordinatorResponse)
		f.ErrorCode, f.Host, f.Port = int16(code), at.Host, at.Port
		f.Coordinators = []kmsg.FindCoordinatorResponseCoordinator{{Key: "g", ErrorCode: int16(code), Host: at.Host, Port: at.Port}}
		answer(f)
	case *kmsg.JoinGroupRequest:
		g.onJoin(ask, code, answer)
	case *kmsg.SyncGroupRequest:
		g.onSync(ask, code, answer)
	case *kmsg.HeartbeatRequest:
		if code == wire.None {
			code = g.judge(ask.MemberID, ask.InstanceID, ask.Generation)
		}
		if code == wire.None && g.preparing {
			code = wire.RebalanceInProgress
		}
		r.(*kmsg.HeartbeatResponse).ErrorCode = int16(code)
		answer(r)
	case *kmsg.LeaveGroupRequest:
		id := ask.MemberID
		if ask.Version >= 3 {
			id = ask.Members[0].MemberID
		}
		if m := g.find(id); code == wire.None && m != nil {
			g.remove(m)
		}
		r.(*kmsg.LeaveGroupResponse).ErrorCode = int16(code)
		answer(r)
	case *kmsg.OffsetCommitRequest:
		answer(g.onCommit(ask, code))
	case *kmsg.OffsetFetchRequest:
		answer(g.onFetch(ask, code))
	case *kmsg.ConsumerGroupHeartbeatRequest:
		answer(g.onModernBeat(ask, code))
	default:
		return false
	}
	g.counts[ask.Key()]++
	return true
}

// judge says what is wrong with a member that says who it is.
func (g *toyGroup) judge(id string, instance *string, generation int32) wire.Code {
	m := g.find(id)
	switch {
	case m == nil && instance != nil && slices.ContainsFunc(g.members, func(m *toyMember) bool { return m.instance == *instance }):
		return wire.FencedInstanceID
	case m == nil:
		return wire.UnknownMemberID
	case m.ask == nil && generation != m.epoch:
		return wire.StaleMemberEpoch
	case m.ask != nil && generation != g.generation:
		return wire.IllegalGeneration
	}
	if m.ask != nil {
		m.until = g.crowd.now + seam.Mono(m.ask.SessionTimeoutMillis)*seam.Millisecond
	}
	return wire.None
}

func (g *toyGroup) onJoin(ask *kmsg.JoinGroupRequest, code wire.Code, answer func(kmsg.Response)) {
	refuse := func(code wire.Code, id string) {
		r := ask.ResponseKind().(*kmsg.JoinGroupResponse)
		r.ErrorCode, r.Generation, r.MemberID = int16(code), -1, id
		answer(r)
	}
	m := g.find(ask.MemberID)
	instance := ""
	if ask.InstanceID != nil {
		instance = *ask.InstanceID
	}
	switch {
	case code.Failed():
		refuse(code, ask.MemberID)
		return
	case ask.MemberID != "" && m == nil:
		if instance != "" && slices.ContainsFunc(g.members, func(m *toyMember) bool { return m.instance == instance }) {
			refuse(wire.FencedInstanceID, ask.MemberID)
			return
		}
		refuse(wire.UnknownMemberID, ask.MemberID)
		return
	case m == nil:
		g.nextID++
		m = &toyMember{id: fmt.Sprintf("m%03d", g.nextID), instance: instance}
		m.until = g.crowd.now + seam.Mono(ask.SessionTimeoutMillis)*seam.Millisecond
		if i := slices.IndexFunc(g.members, func(m *toyMember) bool { return instance != "" && m.instance == instance }); i >= 0 {
			if before := g.members[i]; !g.preparing && !g.syncing && before.ask != nil { // it takes the place as it is (KIP-814)
				m.ask, m.join, m.assignment, g.members[i] = ask, answer, before.assignment, m
				if g.leader == before.id {
					g.leader = m.id
				}
				g.place(m, slices.DeleteFunc(slices.Clone(g.members), func(m *toyMember) bool { return m.ask == nil }), true) // some have only got their ids
				return
			}
			g.remove(g.members[i])
		}
		g.members = append(g.members, m)
		if instance == "" && ask.Version >= 4 {
			refuse(wire.MemberIDRequired, m.id)
			return
		}
	}
	if m.join != nil {
		m.join(nil) // the one that waited is answered by nothing: its link is gone
	}
	m.ask, m.join = ask, answer
	m.until = g.crowd.now + seam.Mono(ask.SessionTimeoutMillis)*seam.Millisecond
	g.prepare()
}

// prepare has everybody join.
func (g *toyGroup) prepare() {
	if g.preparing {
		return
	}
	g.preparing, g.syncing = true, false
	g.prepareBy = g.crowd.now
	for _, m := range g.members {
		if m.ask != nil {
			g.prepareBy = max(g.prepareBy, g.crowd.now+seam.Mono(m.ask.RebalanceTimeoutMillis)*seam.Millisecond)
		}
		if m.sync != nil {
			r := kmsg.NewPtrSyncGroupResponse()
			r.ErrorCode = int16(wire.RebalanceInProgress)
			m.sync(r)
			m.sync = nil
		}
	}
}

func (g *toyGroup) remove(m *toyMember) {
	g.members = slices.DeleteFunc(g.members, func(n *toyMember) bool { return n == m })
	for p, id := range g.epochs {
		if id == m.id {
			delete(g.epochs, p)
		}
	}
	if m.ask == nil {
		g.epoch++
		return
	}
	if m.join != nil {
		r := kmsg.NewPtrJoinGroupResponse()
		r.ErrorCode = int16(wire.UnknownMemberID)
		m.join(r)
	}
	if m.sync != nil {
		r := kmsg.NewPtrSyncGroupResponse()
		r.ErrorCode = int16(wire.UnknownMemberID)
		m.sync(r)
	}
	if len(g.members) > 0 {
		g.prepare()
	}
}

// tick ends sessions, and the round when all have joined or those who have not are out of time.
func (g *toyGroup) tick(now seam.Mono) {
	for _, m := range slices.Clone(g.members) {
		if m.until <= now && m.join == nil && (m.ask != nil || m.epoch >= 0) {
			g.remove(m)
		}
	}
	if !g.preparing {
		return
	}
	waits := slices.ContainsFunc(g.members, func(m *toyMember) bool { return m.ask != nil && m.join == nil })
	if waits && now < g.prepareBy {
		return
	}
	for _, m := range slices.Clone(g.members) {
		if m.ask != nil && m.join == nil {
			g.members = slices.DeleteFunc(g.members, func(n *toyMember) bool { return n == m })
		}
	}
	joined := slices.DeleteFunc(slices.Clone(g.members), func(m *toyMember) bool { return m.join == nil })
	if g.preparing = false; len(joined) == 0 {
		return
	}
	g.generation++
	g.rounds++
	g.syncing = true
	if g.find(g.leader) == nil {
		g.leader = joined[0].id
	}
	for _, p := range joined[0].ask.Protocols {
		if !slices.ContainsFunc(joined, func(m *toyMember) bool {
			return !slices.ContainsFunc(m.ask.Protocols, func(q kmsg.JoinGroupRequestProtocol) bool { return q.Name == p.Name })
		}) {
			g.protocol = p.Name
			break
		}
	}
	for _, m := range joined {
		m.assignment = nil
		g.place(m, joined, false)
		m.until = now + seam.Mono(m.ask.SessionTimeoutMillis)*seam.Millisecond
	}
}

// place answers a join.
func (g *toyGroup) place(m *toyMember, joined []*toyMember, skip bool) {
	r := m.ask.ResponseKind().(*kmsg.JoinGroupResponse)
	kind, protocol := "consumer", g.protocol
	r.Generation, r.ProtocolType, r.Protocol, r.LeaderID, r.MemberID = g.generation, &kind, &protocol, g.leader, m.id
	if m.id == g.leader {
		r.SkipAssignment = skip
		for _, n := range joined {
			row := kmsg.NewJoinGroupResponseMember()
			row.MemberID = n.id
			if n.instance != "" {
				row.InstanceID = &n.instance
			}
			for _, p := range n.ask.Protocols {
				if p.Name == g.protocol {
					row.ProtocolMetadata = p.Metadata
				}
			}
			r.Members = append(r.Members, row)
		}
	}
	m.join(r)
	m.join = nil
}

func (g *toyGroup) onSync(ask *kmsg.SyncGroupRequest, code wire.Code, answer func(kmsg.Response)) {
	if code == wire.None {
		code = g.judge(ask.MemberID, ask.InstanceID, ask.Generation)
	}
	if code == wire.None && g.preparing {
		code = wire.RebalanceInProgress
	}
	m := g.find(ask.MemberID)
	if code.Failed() {
		r := ask.ResponseKind().(*kmsg.SyncGroupResponse)
		r.ErrorCode = int16(code)
		answer(r)
		return
	}
	m.sync = answer
	if ask.MemberID == g.leader && g.syncing {
		g.syncing = false
		for _, row := range ask.GroupAssignment {
			g.noteOwners(row)
			if n := g.find(row.MemberID); n != nil {
				n.assignment = row.MemberAssignment
			}
		}
	}
	if g.syncing {
		return
	}
	for _, n := range g.members {
		if n.sync != nil {
			r := ask.ResponseKind().(*kmsg.SyncGroupResponse)
			r.MemberAssignment = n.assignment
			n.sync(r)
			n.sync = nil
		}
	}
}

func (g *toyGroup) noteOwners(row kmsg.SyncGroupRequestGroupAssignment) {
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(row.MemberAssignment); err != nil {
		panic(err)
	}
	for _, t := range a.Topics {
		for _, p := range t.Partitions {
			key := fmt.Sprintf("generation %d: %s-%d", g.generation, t.Topic, p)
			if other, ok := g.owners[key]; ok {
				g.twice = append(g.twice, fmt.Sprint(key, " to ", other, " and ", row.MemberID))
			}
			g.owners[key] = row.MemberID
		}
	}
}

func (g *toyGroup) onCommit(ask *kmsg.OffsetCommitRequest, code wire.Code) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.OffsetCommitResponse)
	switch {
	case code.Failed():
	case ask.Generation < 0 && len(g.members) == 0:
	default:
		if code = g.judge(ask.MemberID, ask.InstanceID, ask.Generation); code == wire.None && g.syncing {
			code = wire.RebalanceInProgress
		}
	}
	for _, t := range ask.Topics {
		row := kmsg.NewOffsetCommitResponseTopic()
		row.Topic = t.Topic
		for _, asked := range t.Partitions {
			p, code := Partition{Topic: t.Topic, Number: asked.Partition}, code
			if code == wire.None && g.crowd.worlds[0].topics[t.Topic] == nil {
				code = wire.UnknownTopicOrPartition
			}
			if code == wire.None {
				g.offsets[p] = asked.Offset
				for offset := range asked.Offset {
					if g.read[p][offset] == 0 {
						g.beyond = append(g.beyond, fmt.Sprintf("%v at %d, and %d was not processed", p, asked.Offset, offset))
						break
					}
				}
			}
			row.Partitions = append(row.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: asked.Partition, ErrorCode: int16(code)})
		}
		r.Topics = append(r.Topics, row)
	}
	return r
}

func (g *toyGroup) onFetch(ask *kmsg.OffsetFetchRequest, code wire.Code) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.OffsetFetchResponse)
	at := func(topic string, number int32) int64 {
		if offset, ok := g.offsets[Partition{Topic: topic, Number: number}]; ok {
			return offset
		}
		return -1
	}
	if ask.Version >= 7 && !ask.RequireStable {
		g.vague = append(g.vague, "that offsets are to be stable")
	}
	if code == wire.None {
		code, g.refuse = g.refuse, wire.None
	}
	r.ErrorCode = int16(code)
	for _, t := range ask.Topics {
		row := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			row.Partitions = append(row.Partitions, kmsg.OffsetFetchResponseTopicPartition{Partition: p, Offset: at(t.Topic, p), ErrorCode: int16(code)})
		}
		r.Topics = append(r.Topics, row)
	}
	for _, asked := range ask.Groups {
		code := code
		switch {
		case asked.MemberID == nil && ask.Version >= 9 && slices.ContainsFunc(g.members, func(m *toyMember) bool { return m.epoch > 0 }):
			g.vague = append(g.vague, "which member asks")
		case asked.MemberID != nil && code == wire.None:
			code = g.judge(*asked.MemberID, nil, asked.MemberEpoch)
		}
		one := kmsg.NewOffsetFetchResponseGroup()
		one.Group, one.ErrorCode = asked.Group, int16(code)
		for _, t := range asked.Topics {
			row := kmsg.NewOffsetFetchResponseGroupTopic()
			row.Topic = t.Topic
			for _, p := range t.Partitions {
				if (Partition{Topic: t.Topic, Number: p}) == g.leftOut {
					continue
				}
				row.Partitions = append(row.Partitions, kmsg.OffsetFetchResponseGroupTopicPartition{Partition: p, Offset: at(t.Topic, p)})
			}
			one.Topics = append(one.Topics, row)
		}
		r.Groups = append(r.Groups, one)
	}
	return r
}

// crowd is several clients, each in a world of its own, that share the topics and one group. Their times run side by side,
// in steps that are shorter than anything that is waited for.
type crowd struct {
	worlds  []*world
	members []*app
	group   *toyGroup
	now     seam.Mono
	slow    int // milliseconds that an application takes over what it was given, at most
	care    care
	filled  int                 // records, each with a number of its own for a value
	store   map[Partition]int64 // of ownStore: how far the effects go, written with them
	seen    map[string]bool     // of byID: the records that have had their effects, written with them
}

// care is how an application treats its records (specs/delivery.md).
type care uint8

const (
	afterwards care = iota // what is processed is committed afterwards: at least once
	beforehand             // what is committed is processed afterwards: at most once
	ownStore               // the position is kept with the effects, and a group's commits are not used
	byID                   // as afterwards, and a record that comes again is known by what its producer called it
)

func newCrowd(seed uint64, topics ...string) *crowd {
	c := &crowd{now: seam.Second, group: newToyGroup(), store: map[Partition]int64{}, seen: map[string]bool{}}
	c.group.crowd = c
	w := newWorld(seed, DefaultConfig(), faults{})
	for _, name := range topics {
		w.topic(name, 3)
	}
	c.worlds = append(c.worlds, w)
	return c
}

func (c *crowd) run(until seam.Mono) {
	for c.now < until {
		c.now += 5 * seam.Millisecond
		for _, w := range c.worlds {
			w.run(c.now)
		}
		c.group.tick(c.now)
		for _, m := range c.members {
			m.turn(c.now)
		}
	}
}

// fill writes so many records to each partition of a topic.
func (c *crowd) fill(topic string, count int) {
	w := c.worlds[0]
	for p := range w.topics[topic].parts {
		for range count {
			c.filled++
			w.tell(&Produce{Topic: topic, Partition: int32(p), Records: []Record{{Value: []byte(strconv.Itoa(c.filled))}}})
		}
	}
	c.run(c.now + 2*seam.Second)
}

// enter adds a member.
func (c *crowd) enter(t require.TestingT, config Config, f faults, in Subscribe) *app {
	config.GroupID, config.Seed[2] = "g", byte(len(c.worlds))
	w := newWorld(uint64(1000+len(c.worlds)), config, f)
	w.topics, w.group, w.now = c.worlds[0].topics, c.group, c.now
	a := &app{t: t, crowd: c, world: w, name: fmt.Sprint("app ", len(c.members)), config: config, holds: map[Partition]*share{}}
	w.letters = a.receive
	c.worlds, c.members = append(c.worlds, w), append(c.members, a)
	w.tell(&Poll{Bytes: 1 << 30})
	w.tell(&in)
	return a
}

// app is an application that processes what it is given, in order, and says so.
type app struct {
	t      require.TestingT
	crowd  *crowd
	world  *world
	name   string
	config Config
	holds  map[Partition]*share
	tag    uint64
	queue  []*Fetched
	busyTo seam.Mono
	stuck  bool // it does not come back
	dead   bool // nothing of it is left

	pledge  uint64   // the Commit that is waited for, of beforehand
	pledged *Fetched // and what it is of

	release   uint64 // the Revoked that it is to answer
	rounds    int
	revoked   int
	losses    int
	troubles  []GroupTrouble
	committed []*Committed
}

// share is a partition that an app believes is its own.
type share struct {
	tag    uint64
	next   int64 // -1: not known yet
	ending bool
}

func (a *app) receive(body any) bool {
	switch in := body.(type) {
	case *Assigned:
		a.rounds++
		for _, p := range in.Partitions {
			require.Nil(a.t, a.holds[p], "%s is assigned %v, which it has", a.name, p)
			a.tag++
			a.holds[p] = &share{tag: a.tag, next: -1}
			one := &Assign{Tag: a.tag, Topic: p.Topic, Partition: p.Number, Offset: AsCommitted}
			if a.crowd.care == ownStore {
				one.Offset = a.crowd.store[p]
			}
			a.world.after(0, func() { a.world.tell(one) })
		}
	case *Revoked:
		a.onRevoked(in)
	case *Fetched:
		a.queue = append(a.queue, in)
	case *GroupTrouble:
		a.troubles = append(a.troubles, *in)
	case *Committed:
		a.committed = append(a.committed, in)
		if f := a.pledged; f != nil && in.Tag == a.pledge && !a.dead {
			a.pledged = nil
			if !in.Failed() {
				a.apply(f)
			}
		}
	default:
		return false
	}
	return true
}

func (a *app) onRevoked(in *Revoked) {
	for _, p := range in.Partitions {
		require.NotNil(a.t, a.holds[p], "%s loses %v, which it has not", a.name, p)
		if a.holds[p].ending = true; in.Lost {
			delete(a.holds, p)
		}
		a.revoked++
	}
	if !in.Lost {
		a.release = in.Tag
		return
	}
	a.losses++
	if a.release != 0 { // what it was letting go is lost as well
		a.letGo()
	}
}

func (a *app) letGo() {
	for p, s := range a.holds {
		if s.ending {
			delete(a.holds, p)
		}
	}
	a.release = 0
}

// turn is the application's: it processes one Fetched, says how far it has come, and lets go.
func (a *app) turn(now seam.Mono) {
	if a.stuck || a.dead || now < a.busyTo || a.pledged != nil {
		return
	}
	polled := &Polled{Idle: len(a.queue) == 0}
	if !polled.Idle {
		f := a.queue[0]
		a.queue = a.queue[1:]
		if a.process(f) && a.crowd.slow > 0 {
			a.busyTo = now + seam.Mono(a.world.random.Intn(a.crowd.slow))*seam.Millisecond
		}
	}
	for p, s := range a.holds {
		if s.next >= 0 {
			polled.Processed = append(polled.Processed, Place{Partition: p, Offset: s.next})
		}
	}
	slices.SortFunc(polled.Processed, func(x, y Place) int { return x.Compare(y.Partition) })
	a.world.tell(polled)
	if tag := a.release; tag != 0 {
		a.letGo()
		a.world.tell(&Released{tag})
	}
}

// process takes records in hand, and says whether it did: those of an earlier hold are passed over, which takes no time.
func (a *app) process(f *Fetched) bool {
	p := Partition{Topic: f.Topic, Number: f.Partition}
	s := a.holds[p]
	if s == nil || s.tag != f.Tag || f.Code.Failed() {
		return false
	}
	require.True(a.t, s.next < 0 || s.next == f.From, "%s reads %v from %d, and %d is next", a.name, p, f.From, s.next)
	s.next = f.Position
	if a.crowd.care != beforehand {
		a.apply(f)
		return true
	}
	a.tag++
	a.pledge, a.pledged = a.tag, f
	a.world.tell(&Commit{Tag: a.pledge, Places: []Place{{Partition: p, Offset: f.Position}}})
	return true
}

// apply is the effect of some records.
func (a *app) apply(f *Fetched) {
	p := Partition{Topic: f.Topic, Number: f.Partition}
	read := a.crowd.group.read
	if read[p] == nil {
		read[p] = map[int64]int{}
	}
	for i := range f.Records {
		offset := f.Records[i].Offset
		switch id := string(f.Records[i].Value); a.crowd.care {
		case ownStore:
			if offset != a.crowd.store[p] {
				continue // the store has gone on without us
			}
			a.crowd.store[p]++
		case byID:
			if a.crowd.seen[id] {
				continue
			}
			a.crowd.seen[id] = true
		}
		read[p][offset]++
	}
}

// die takes a member away without a word.
func (a *app) die() {
	a.dead = true
	a.world.dead = true
	clear(a.holds)
}

func (a *app) owns() []Partition {
	var all []Partition
	for p := range a.holds {
		all = append(all, p)
	}
	slices.SortFunc(all, Partition.Compare)
	return all
}

// unread is what nobody has processed.
func (c *crowd) unread() (all []string) {
	for _, t := range c.worlds[0].topics {
		for i, p := range t.parts {
			at := Partition{Topic: t.name, Number: int32(i)}
			for offset := range p.end() {
				if c.group.read[at][offset] == 0 {
					all = append(all, fmt.Sprintf("%v %d", at, offset))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// shared holds that each of so many partitions is owned by one living member.
func (c *crowd) shared(t require.TestingT, partitions int) {
	owners := map[Partition]string{}
	for _, a := range c.members {
		for _, p := range a.owns() {
			require.Empty(t, owners[p], "%v is %s's too", p, a.name)
			owners[p] = a.name
		}
	}
	require.Len(t, owners, partitions, "%v", owners)
}

// onModernBeat is the coordinator of the consumer protocol: it counts members, gives each its even run of all
// partitions in order, and hands out what nobody else has.
func (g *toyGroup) onModernBeat(ask *kmsg.ConsumerGroupHeartbeatRequest, code wire.Code) kmsg.Response {
	r := ask.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	if code.Failed() {
		r.ErrorCode = int16(code)
		return r
	}
	m := g.find(ask.MemberID)
	switch {
	case ask.MemberEpoch < 0:
		if m != nil {
			g.remove(m)
		}
		r.MemberEpoch = ask.MemberEpoch
		return r
	case ask.MemberEpoch == 0:
		if m == nil {
			m = &toyMember{id: ask.MemberID}
			g.members = append(g.members, m)
			slices.SortFunc(g.members, func(m, n *toyMember) int { return cmp.Compare(m.id, n.id) })
			g.epoch++
		}
		m.owned, m.told = nil, nil
		for p, id := range g.epochs {
			if id == m.id {
				delete(g.epochs, p)
			}
		}
		if ask.Topics == nil || ask.SubscribedTopicNames == nil || ask.RebalanceTimeoutMillis <= 0 {
			r.ErrorCode = int16(wire.InvalidRequest)
			return r
		}
	case m == nil:
		r.ErrorCode = int16(wire.UnknownMemberID)
		return r
	case ask.MemberEpoch != m.epoch:
		r.ErrorCode = int16(wire.FencedMemberEpoch)
		return r
	}
	m.until = g.crowd.now + 10*seam.Second
	if ask.SubscribedTopicNames != nil && !slices.Equal(ask.SubscribedTopicNames, m.topics) {
		m.topics = ask.SubscribedTopicNames
		g.epoch++
	}
	if ask.SubscribedTopicRegex != nil && *ask.SubscribedTopicRegex != m.regex {
		m.regex = *ask.SubscribedTopicRegex
		g.epoch++
	}
	if ask.Topics != nil && ask.MemberEpoch > 0 {
		m.owned = g.named(ask.Topics)
		for p, id := range g.epochs {
			if id == m.id && !slices.Contains(m.owned, p) && !slices.Contains(m.told, p) {
				delete(g.epochs, p)
			}
		}
	}
	// Who says everything has not heard the last answer, perhaps.
	g.answerModern(m, ask.RebalanceTimeoutMillis > 0 && ask.Topics != nil, r)
	return r
}

func (g *toyGroup) named(topics []kmsg.ConsumerGroupHeartbeatRequestTopic) (all []Partition) {
	for _, asked := range topics {
		for _, t := range g.crowd.worlds[0].topics {
			if t.id == asked.TopicID {
				all = appendPartitions(all, t.name, asked.Partitions)
			}
		}
	}
	return all
}

// answerModern tells a member what it may own now: what it is to own and nobody else has.
func (g *toyGroup) answerModern(m *toyMember, first bool, r *kmsg.ConsumerGroupHeartbeatResponse) {
	want := g.wanted(m)
	var now []Partition
	clear := true // of what it is not to own any more
	for _, p := range m.owned {
		clear = clear && slices.Contains(want, p)
	}
	for _, p := range want {
		if id := g.epochs[p]; id == m.id || id == "" && clear {
			now = append(now, p)
			g.epochs[p] = m.id
		}
	}
	if clear {
		m.epoch = g.epoch
	}
	id := m.id
	r.MemberID, r.MemberEpoch, r.HeartbeatIntervalMillis = &id, m.epoch, 500
	if first || !slices.Equal(now, m.told) {
		m.told = now
		r.Assignment = &kmsg.ConsumerGroupHeartbeatResponseAssignment{}
		for _, t := range owned(now) {
			row := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
			row.TopicID, row.Partitions = g.crowd.worlds[0].topics[t.Topic].id, t.Partitions
			r.Assignment.Topics = append(r.Assignment.Topics, row)
		}
	}
}

func (g *toyGroup) wanted(m *toyMember) (all []Partition) {
	var list []Partition
	for _, t := range g.crowd.worlds[0].topics {
		if slices.Contains(m.topics, t.name) || m.regex == "."+t.name[1:] {
			for i := range t.parts {
				list = append(list, Partition{Topic: t.name, Number: int32(i)})
			}
		}
	}
	slices.SortFunc(list, Partition.Compare)
	at := slices.Index(g.members, m)
	for i, p := range list {
		if i%len(g.members) == at {
			all = append(all, p)
		}
	}
	return all
}
