package group

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/timer"
	"rookery/core/wire"
)

// state of a group of the classic protocol:
//
//	         a member joins              all have joined, or it is too late
//	Empty ───────────────────▶ Preparing ──────────────────────────────────▶ Completing
//	  ▲                         │  ▲   ▲                                         │
//	  └─── nobody has joined ───┘  │   └── somebody joins, leaves or is lost ────┤ the leader assigns
//	                               └────────────────────────────────────── Stable ◀┘
type state uint8

const (
	empty state = iota
	preparing
	completing
	stable
)

func (s state) String() string {
	switch s {
	case empty:
		return "Empty"
	case preparing:
		return "PreparingRebalance"
	case completing:
		return "CompletingRebalance"
	case stable:
		return "Stable"
	}
	return "Dead"
}

// classic is the coordinator's own knowledge of a group of the classic protocol.
type classic struct {
	state        state
	previous     state
	since        seam.Mono // of this state
	stateAt      int64     // the same, by the wall clock
	protocolType *string
	protocol     *string // the one that was chosen for this generation
	generation   int32
	downgraded   int32 // from this epoch, and the first generation since then is still in the making; 0: it was not
	leader       string
	members      []*member // in the order in which they came
	byID         map[string]*member
	static       map[string]string // instance id: member id
	pending      ordered.Map[string, timer.Handle]
	supported    map[string]int // protocols: by how many members
	waiting      int            // members whose join is parked
	unsynced     int            // members that have not asked for their assignment
	joined       bool           // somebody new has come since the initial delay began
	remaining    seam.Mono      // by how much that may still be prolonged
	round        seam.Mono      // how long it is this time
	joinAlarm    timer.Handle
	syncAlarm    timer.Handle
	subscribed   subscription
}

// subscription is the topics that a group's members read, as far as the coordinator can tell.
type subscription struct {
	known bool
	names map[string]bool
}

// member is one member of a group.
type member struct {
	id         string
	instance   *string
	client     Client
	rebalance  int32 // timeout, in milliseconds
	session    int32
	protocols  []kmsg.JoinGroupRequestProtocol // in the order of its choice
	assignment []byte
	fresh      bool // its first join was not answered yet
	unsynced   bool // it has not asked for this generation's assignment
	join       parked
	sync       parked
	alarm      timer.Handle
	heard      seam.Mono // when its session began anew
	bytes      int64
}

// parked is a request that waits for its answer.
type parked struct {
	ticket  Ticket
	version int16
}

func (p parked) waits() bool { return p.ticket != 0 }

func (g *group) member(id string) *member { return g.byID[id] }

func (g *group) enter(now seam.Now, s state) {
	g.previous, g.state, g.since, g.stateAt = g.state, s, now.Mono, int64(now.Wall)
}

// allJoined: nobody is missing, and nobody has been given an id that he has not come back with.
func (g *group) allJoined() bool { return len(g.members) == g.waiting && g.pending.Len() == 0 }

func (g *group) rebalanceTimeout() seam.Mono {
	longest := int32(0)
	for _, m := range g.members {
		longest = max(longest, m.rebalance)
	}
	return seam.Mono(longest) * seam.Millisecond
}

// supports says whether a member with these protocols could take part.
func (g *group) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if g.state == empty {
		return protocolType != "" && len(protocols) > 0
	}
	if g.protocolType == nil || *g.protocolType != protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p kmsg.JoinGroupRequestProtocol) bool {
		return g.supported[p.Name] == len(g.members)
	})
}

// elect is the protocol that most members like best of those that all of them know.
func (g *group) elect() string {
	var names []string
	var votes []int
	for _, m := range g.members {
		for i := range m.protocols {
			name := m.protocols[i].Name
			if g.supported[name] < len(g.members) {
				continue
			}
			if at := slices.Index(names, name); at >= 0 {
				votes[at]++
			} else {
				names, votes = append(names, name), append(votes, 1)
			}
			break
		}
	}
	best := 0
	for i := range votes {
		if votes[i] > votes[best] {
			best = i
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[best]
}

func (m *member) metadata(protocol string) []byte { return metadataOf(m.protocols, protocol) }

func metadataOf(protocols []kmsg.JoinGroupRequestProtocol, name string) []byte {
	for i := range protocols {
		if protocols[i].Name == name {
			return protocols[i].Metadata
		}
	}
	return nil
}

// metadataBytes is how long all is that a member says of itself.
func metadataBytes(protocols []kmsg.JoinGroupRequestProtocol) (n int) {
	for i := range protocols {
		n += len(protocols[i].Metadata)
	}
	return n
}

// matches says whether a join brings what is known already.
func (m *member) matches(protocols []kmsg.JoinGroupRequestProtocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

// ownProtocols copies a request's protocols, which lie in its frame; of a name that stands twice the first counts.
func ownProtocols(asked []kmsg.JoinGroupRequestProtocol) (own []kmsg.JoinGroupRequestProtocol) {
	seen := make(map[string]bool, len(asked))
	for i := range asked {
		if seen[asked[i].Name] {
			continue
		}
		seen[asked[i].Name] = true
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = asked[i].Name, append([]byte{}, asked[i].Metadata...)
		own = append(own, p)
	}
	return own
}

// count adds a member's protocols to those that are supported, or takes them away.
func (g *group) count(m *member, by int) {
	if g.supported == nil {
		g.supported = map[string]int{}
	}
	for i := range m.protocols {
		name := m.protocols[i].Name
		if g.supported[name] += by; g.supported[name] == 0 {
			delete(g.supported, name)
		}
	}
}

// memberCost and pendingCost are about what one costs beside what it has brought, and protocolCost and nameCost what each of
// the things does that it has brought, beside its bytes.
const (
	memberCost   = 512
	protocolCost = 64
	nameCost     = 32
)

func pendingCost(id string) int64 { return memberCost + int64(len(id)) }

func textCost(text *string) int64 {
	if text == nil {
		return 0
	}
	return int64(len(*text))
}

// weigh counts anew what a member costs.
func (c *Coordinator) weigh(m *member) {
	c.bytes -= m.bytes
	m.bytes = memberCost + int64(len(m.id)+len(m.client.ID)+len(m.assignment)) + textCost(m.instance)
	for i := range m.protocols {
		m.bytes += protocolCost + int64(len(m.protocols[i].Name)+len(m.protocols[i].Metadata))
	}
	c.bytes += m.bytes
}

// add makes somebody a member.
func (c *Coordinator) add(g *group, m *member) {
	if g.byID == nil {
		g.byID, g.static = map[string]*member{}, map[string]string{}
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	if m.instance != nil {
		g.static[*m.instance] = m.id
	}
	g.count(m, 1)
	if m.join.waits() {
		g.waiting++
	}
	c.unpend(g, m.id)
	c.weigh(m)
}

// unpend forgets an id that was given.
func (c *Coordinator) unpend(g *group, id string) bool {
	h, ok := g.pending.Find(id)
	if ok {
		c.timers.Cancel(h)
		c.bytes -= pendingCost(id)
		g.pending.Delete(id)
	}
	return ok
}

// remove ends a membership; whoever waits in its name has been told.
func (c *Coordinator) remove(g *group, m *member) {
	c.expel(g, m)
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
	g.succeed()
}

// expel is the part of remove that costs nothing for each of the others: close takes the gap out of the row, of many at once.
func (c *Coordinator) expel(g *group, m *member) {
	c.forget(g, m)
	delete(g.byID, m.id)
	if m.instance != nil && g.static[*m.instance] == m.id {
		delete(g.static, *m.instance)
	}
	g.count(m, -1)
	if m.unsynced {
		m.unsynced = false
		g.unsynced--
	}
}

// close takes those out of the row who were expelled.
func (g *group) close() {
	g.members = slices.DeleteFunc(g.members, func(m *member) bool { return g.byID[m.id] != m })
	g.succeed()
}

// succeed makes the eldest the leader where that is gone.
func (g *group) succeed() {
	if g.byID[g.leader] == nil {
		if g.leader = ""; len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// forget ends what the coordinator keeps for a member.
func (c *Coordinator) forget(g *group, m *member) {
	c.timers.Cancel(m.alarm)
	m.alarm = 0
	c.bytes -= m.bytes
	m.bytes = 0
	if m.join.waits() {
		m.join = parked{}
		g.waiting--
	}
	m.sync = parked{}
}

// hear begins a member's session anew.
func (c *Coordinator) hear(now seam.Now, g *group, m *member) {
	c.hearFor(now, g, m, seam.Mono(m.session)*seam.Millisecond)
}

func (c *Coordinator) hearFor(now seam.Now, g *group, m *member, session seam.Mono) {
	c.timers.Cancel(m.alarm)
	m.heard = now.Mono
	m.alarm = c.timers.Set(now.Mono+session, alarm{kind: alarmSession, group: g, member: m})
}

// validate says whether a request may speak for a member.
func (g *group) validate(id string, instance *string) wire.Code {
	if instance != nil {
		switch owner, ok := g.static[*instance]; {
		case !ok:
			return wire.UnknownMemberID
		case owner != id:
			return wire.FencedInstanceID
		}
	}
	if g.member(id) == nil {
		return wire.UnknownMemberID
	}
	return wire.None
}

// lettingGo says whether a member said in its last join that it owned what it was not assigned then: in a cooperative
// rebalance (KIP-429) nobody has that until it joins again, and a next round begins.
func (g *group) lettingGo(m *member) bool {
	if g.state != stable || !g.consumes() || g.protocol == nil {
		return false
	}
	said, ok := readSubscription(m.metadata(*g.protocol))
	if !ok || len(said.OwnedPartitions) == 0 {
		return false
	}
	var assignment kmsg.ConsumerMemberAssignment
	if len(m.assignment) > 0 && assignment.ReadFrom(m.assignment) != nil {
		return false
	}
	assigned := map[string]map[int32]bool{}
	for _, t := range assignment.Topics {
		if assigned[t.Topic] == nil {
			assigned[t.Topic] = map[int32]bool{}
		}
		for _, p := range t.Partitions {
			assigned[t.Topic][p] = true
		}
	}
	return slices.ContainsFunc(said.OwnedPartitions, func(t kmsg.ConsumerMemberMetadataOwnedPartition) bool {
		return slices.ContainsFunc(t.Partitions, func(p int32) bool { return !assigned[t.Topic][p] })
	})
}

// isCurrent says whether a member that names a generation speaks of now. The newest epoch of a group that was downgraded is
// not over before its first generation begins.
func (g *group) isCurrent(generation int32) bool {
	return generation == g.generation || g.state == preparing && g.downgraded > 0 && generation == g.downgraded
}

// store puts the group as it is into a record.
func (c *Coordinator) store(g *group) {
	c.Records = append(c.Records, g.record())
}

func (g *group) record() *ClassicGroupRecord {
	r := &ClassicGroup{Generation: g.generation, Protocol: g.protocol, StateTimestamp: g.stateAt, Members: []ClassicMember{}}
	if g.protocolType != nil {
		r.ProtocolType = *g.protocolType
	}
	if len(g.members) == 0 || g.protocol == nil {
		return &ClassicGroupRecord{Group: g.id, Value: r}
	}
	leader := g.leader
	r.Leader = &leader
	for _, m := range g.members {
		r.Members = append(r.Members, ClassicMember{
			MemberID: m.id, InstanceID: m.instance, ClientID: m.client.ID, ClientHost: m.client.Host,
			RebalanceTimeoutMs: m.rebalance, SessionTimeoutMs: m.session,
			Subscription: m.metadata(*g.protocol), Assignment: m.assignment,
		})
	}
	return &ClassicGroupRecord{Group: g.id, Value: r}
}

// restore begins a group as its last record says.
func (c *Coordinator) restore(now seam.Now, g *group) {
	r := g.stored
	if r == nil {
		return
	}
	g.generation, g.protocol, g.stateAt = r.Generation, r.Protocol, r.StateTimestamp
	g.protocolType = nil
	if r.ProtocolType != "" {
		g.protocolType = &r.ProtocolType
	}
	for i := range r.Members {
		stored := &r.Members[i]
		m := &member{
			id: stored.MemberID, instance: stored.InstanceID, client: Client{stored.ClientID, stored.ClientHost},
			rebalance: stored.RebalanceTimeoutMs, session: stored.SessionTimeoutMs, assignment: stored.Assignment,
		}
		if m.rebalance < 0 { // a record of version 0
			m.rebalance = m.session
		}
		if r.Protocol != nil {
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = *r.Protocol, stored.Subscription
			m.protocols = append(m.protocols, p)
		}
		c.add(g, m)
		c.hear(now, g, m)
	}
	if r.Leader != nil {
		g.leader = *r.Leader
	}
	g.since = now.Mono
	if c.subscribe(g); len(g.members) > 0 {
		g.state = stable
	}
	tooMany := len(g.members) > int(c.config.SizeMax)  // group.max.size is another than it was: who comes back last finds no room
	undecided := len(g.members) > 0 && r.Leader == nil // it was downgraded, and nobody was told of this generation
	if tooMany || undecided {
		c.prepare(now, g)
	}
}

// subscribe learns which topics the members read: what a consumer says about itself begins, in every version, with its
// topics. What the log would not take is not looked at: no assignment will come of it.
func (c *Coordinator) subscribe(g *group) {
	g.subscribed = subscription{}
	if g.protocolType == nil || *g.protocolType != consumerProtocol {
		return
	}
	names := map[string]bool{}
	if len(g.members) > 0 {
		if g.protocol == nil {
			return
		}
		bytes := 0
		for _, m := range g.members {
			bytes += len(m.metadata(*g.protocol))
		}
		if bytes > c.config.RecordBytesMax {
			return
		}
		for _, m := range g.members {
			if !subscribedTopics(m.metadata(*g.protocol), names) {
				return
			}
		}
	}
	g.subscribed = subscription{true, names}
}

const consumerProtocol = "consumer"

func (g *group) consumes() bool {
	return g.consumer != nil || g.protocolType != nil && *g.protocolType == consumerProtocol
}

// reads says whether a member may be reading a topic.
func (g *group) reads(topic string) bool {
	if g.consumer != nil {
		return g.consumer.names[topic] > 0
	}
	if g.subscribed.known {
		return g.subscribed.names[topic]
	}
	return g.consumes()
}

func (c *Coordinator) answerJoin(g *group, m *member, answer *kmsg.JoinGroupResponse) {
	if m.join.waits() {
		answer.Version = m.join.version
		c.answer(m.join.ticket, answer)
		m.join = parked{}
		g.waiting--
	}
}

func (c *Coordinator) answerSync(g *group, m *member, answer *kmsg.SyncGroupResponse) bool {
	if !m.sync.waits() {
		return false
	}
	answer.Version = m.sync.version
	c.answer(m.sync.ticket, answer)
	m.sync = parked{}
	return true
}

// tellSync answers a member that waits for its assignment. Its session may have run out while it was kept waiting, and begins
// anew, whatever it is told.
func (c *Coordinator) tellSync(now seam.Now, g *group, m *member, answer *kmsg.SyncGroupResponse) {
	if c.answerSync(g, m, answer) {
		c.hear(now, g, m)
	}
}

func failedJoin(id string, code wire.Code) *kmsg.JoinGroupResponse {
	answer := kmsg.NewPtrJoinGroupResponse()
	answer.ErrorCode, answer.MemberID, answer.Generation = int16(code), id, -1
	answer.Members = []kmsg.JoinGroupResponseMember{}
	return answer
}

func failedSync(code wire.Code) *kmsg.SyncGroupResponse {
	answer := kmsg.NewPtrSyncGroupResponse()
	answer.ErrorCode, answer.MemberAssignment = int16(code), []byte{}
	return answer
}
