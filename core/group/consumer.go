package group

import (
	"bytes"
	"slices"

	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/timer"
)

// consumer is a group of the consumer protocol (KIP-848): what its records say, and the timers of its members.
//
//	members, subscriptions, topics ─▶ epoch ─▶ target assignment, by an assignor ─▶ each member's own epoch
//	                                 (group)        (its epoch)                      (reconciliation)
//
// Whatever changes in the first raises the group's epoch; the next heartbeat of anybody finds the target's behind it and
// has it made anew; each member comes after at its own pace, in its own heartbeats.
type consumer struct {
	epoch       int32
	targetEpoch int32
	hash        int64 // of the topics that are subscribed to
	members     ordered.Map[string, *consumerMember]
	classics    int // members that speak the classic protocol
	targets     ordered.Map[string, []TopicPartitions]
	static      map[string]string // instance id: member id
	owners      map[owned]string  // of what is assigned, or has yet to be given up
	expressions ordered.Map[string, *ResolvedExpression]
	patterns    ordered.Map[string, int] // expressions, and by how many members they are subscribed to
	names       map[string]int           // topics that are subscribed to, by name or by an expression, and how often
	said        []string                 // topics that the last member has named: those who name the same share them, and are soon compared
	outdated    bool                     // there is a record of its topics from before there was a hash of them

	checked int64            // the shape of the Image that the hash was last held against; -1: none
	joined  map[string]int32 // who is a classic member with the next fold: in how many milliseconds it is to ask for their assignment
	scanned seam.Mono        // when expressions were looked up last; zero: not yet
}

// consumerMember is one member of a group of the consumer protocol.
type consumerMember struct {
	id string
	MemberMetadata
	CurrentAssignment

	bytes   int64 // what it costs to remember what it says
	session timer.Handle
	revoke  timer.Handle // until when it must have given up what it has to
	rejoin  timer.Handle // classic: until when it must have joined again
	sync    timer.Handle // classic: until when it must have asked for its assignment
}

func newConsumer() *consumer {
	return &consumer{static: map[string]string{}, owners: map[owned]string{}, names: map[string]int{}, joined: map[string]int32{}, checked: -1}
}

// modern is the consumer group of a name; nil if there is none, or it is a classic one.
func (g *group) modern() *consumer {
	if g == nil {
		return nil
	}
	return g.consumer
}

// state is the group's, as Kafka calls it.
func (con *consumer) state() string {
	switch {
	case con.members.Len() == 0:
		return "Empty"
	case con.epoch > con.targetEpoch:
		return "Assigning"
	}
	for _, m := range con.members.All() {
		if !m.reconciled(con.targetEpoch) {
			return "Reconciling"
		}
	}
	return "Stable"
}

// replayConsumer folds a record of the consumer protocol. A tombstone of what is not there says nothing.
func (c *Coordinator) replayConsumer(now seam.Now, id string, r Record) {
	g := c.find(id)
	if g.modern() == nil {
		if r.version() == tombstone {
			return
		}
		if g == nil {
			g = c.make(id, now)
		}
		g.consumer = newConsumer()
	}
	con := g.consumer
	switch r := r.(type) {
	case *ConsumerGroupRecord:
		if r.Value == nil {
			c.endConsumer(g)
			return
		}
		if con.epoch != r.Value.Epoch {
			g.since = now.Mono
		}
		con.epoch, con.hash = r.Value.Epoch, r.Value.MetadataHash
	case *PartitionMetadataRecord:
		con.outdated = r.Value != nil
	case *MemberRecord:
		c.replayMember(now, g, r)
	case *TargetAssignmentRecord:
		con.targetEpoch = -1
		if r.Value != nil {
			con.targetEpoch = r.Value.AssignmentEpoch
		}
	case *MemberTargetRecord:
		if r.Value == nil {
			con.targets.Delete(r.MemberID)
		} else {
			con.targets.Put(r.MemberID, orderedSet(r.Value.Partitions))
		}
	case *CurrentAssignmentRecord:
		c.replayAssignment(now, g, r)
	case *RegularExpressionRecord:
		con.resolve(r.Expression, r.Value)
	}
}

// endConsumer: the group is not one of the consumer protocol any more.
func (c *Coordinator) endConsumer(g *group) {
	for _, m := range g.consumer.members.All() {
		c.silence(m)
		c.bytes -= m.bytes
	}
	if g.consumer = nil; g.stored == nil && g.topics.Len() == 0 && len(g.members) == 0 && g.pending.Len() == 0 {
		c.drop(g)
	}
}

// silence ends a member's timers.
func (c *Coordinator) silence(m *consumerMember) {
	for _, h := range []*timer.Handle{&m.session, &m.revoke, &m.rejoin, &m.sync} {
		c.timers.Cancel(*h)
		*h = 0
	}
}

func (c *Coordinator) replayMember(now seam.Now, g *group, r *MemberRecord) {
	con := g.consumer
	m := con.members.At(r.MemberID)
	if r.Value == nil {
		if m != nil {
			c.silence(m)
			c.bytes -= m.bytes
			con.own(m, CurrentAssignment{})
			con.subscribe(m, -1)
			con.unseat(m)
			con.members.Delete(m.id)
		}
		return
	}
	turned := false // to the other protocol
	if m == nil {
		m = con.admit(r.MemberID)
	} else {
		con.subscribe(m, -1)
		con.unseat(m)
		turned = (m.Classic == nil) != (r.Value.Classic == nil)
	}
	m.MemberMetadata = *r.Value
	if slices.Equal(m.Topics, con.said) {
		m.Topics = con.said
	}
	con.said = m.Topics
	con.subscribe(m, 1)
	c.bytes -= m.bytes
	m.bytes = m.cost(m.id)
	c.bytes += m.bytes
	if m.InstanceID != nil {
		con.static[*m.InstanceID] = m.id
	}
	if turned {
		c.silence(m)
	}
	if timeout, joined := con.joined[m.id]; joined && m.Classic != nil { // else its instance's last, of the other protocol, comes first
		c.awaitSync(now, g, m, timeout)
		delete(con.joined, m.id)
	}
	if m.session == 0 {
		c.heard(now, g, m)
	}
}

// unseat: the member is not its instance's any more.
func (con *consumer) unseat(m *consumerMember) {
	if m.InstanceID != nil && con.static[*m.InstanceID] == m.id {
		delete(con.static, *m.InstanceID)
	}
}

// cost is what it takes to remember what a member says.
func (m *MemberMetadata) cost(id string) int64 {
	n := memberCost + int64(len(id)+len(m.ClientID)+len(m.ClientHost)+len(m.expression()))
	for _, text := range [...]*string{m.InstanceID, m.RackID, m.ServerAssignor} {
		n += textCost(text)
	}
	for _, name := range m.Topics {
		n += nameCost + int64(len(name))
	}
	if m.Classic != nil {
		for _, p := range m.Classic.Protocols {
			n += protocolCost + int64(len(p.Name)+len(p.Metadata))
		}
	}
	return n
}

func (con *consumer) admit(id string) *consumerMember {
	p := newPerson(id)
	m := &consumerMember{id: id, MemberMetadata: p.MemberMetadata, CurrentAssignment: p.CurrentAssignment}
	con.members.Put(id, m)
	return m
}

func (c *Coordinator) replayAssignment(now seam.Now, g *group, r *CurrentAssignmentRecord) {
	con := g.consumer
	m := con.members.At(r.MemberID)
	if r.Value == nil {
		if m != nil {
			con.own(m, CurrentAssignment{MemberEpoch: leaving, PreviousMemberEpoch: leaving})
		}
		return
	}
	if m == nil {
		m = con.admit(r.MemberID)
	}
	a := *r.Value
	a.Assigned, a.PendingRevocation = orderedSet(a.Assigned), orderedSet(a.PendingRevocation)
	con.own(m, a)
	c.timers.Cancel(m.revoke)
	m.revoke = 0
	if a.State == MemberUnrevokedPartitions && a.MemberEpoch >= 0 && m.Classic == nil {
		m.revoke = c.timers.Set(now.Mono+seam.Mono(m.RebalanceTimeoutMs)*seam.Millisecond, alarm{kind: alarmFence, group: g, id: m.id})
	}
}

// own makes a member's assignment this one.
func (con *consumer) own(m *consumerMember, a CurrentAssignment) {
	for _, set := range [][]TopicPartitions{m.Assigned, m.PendingRevocation} {
		for _, t := range set {
			for _, p := range t.Partitions {
				if o := (owned{t.TopicID, p}); con.owners[o] == m.id {
					delete(con.owners, o)
				}
			}
		}
	}
	m.CurrentAssignment = a
	for _, set := range [][]TopicPartitions{a.Assigned, a.PendingRevocation} {
		for _, t := range set {
			for _, p := range t.Partitions {
				con.owners[owned{t.TopicID, p}] = m.id
			}
		}
	}
}

func (con *consumer) taken(topic meta.UUID, partition int32) bool {
	_, taken := con.owners[owned{topic, partition}]
	return taken
}

// subscribe counts a member's protocol, its names and its expression, or takes them away.
func (con *consumer) subscribe(m *consumerMember, by int) {
	if m.Classic != nil {
		con.classics += by
	}
	for _, name := range m.Topics {
		con.count(name, by)
	}
	if e := m.expression(); e != "" {
		if n := con.patterns.At(e) + by; n > 0 {
			con.patterns.Put(e, n)
		} else {
			con.patterns.Delete(e)
		}
	}
}

func (con *consumer) count(name string, by int) {
	if con.names[name] += by; con.names[name] == 0 {
		delete(con.names, name)
	}
}

// resolve says which topics an expression matches, or, with nil, forgets it.
func (con *consumer) resolve(expression string, value *ResolvedExpression) {
	if old := con.expressions.At(expression); old != nil {
		for _, name := range old.Topics {
			con.count(name, -1)
		}
		con.expressions.Delete(expression)
	}
	if value != nil {
		for _, name := range value.Topics {
			con.count(name, 1)
		}
		con.expressions.Put(expression, value)
	}
}

// expression is the regular expression that a member has subscribed to, or "".
func (m *MemberMetadata) expression() string {
	if m.TopicRegex == nil {
		return ""
	}
	return *m.TopicRegex
}

// restoreConsumer begins the timers of a group that was loaded: each member has one session to be heard of.
func (c *Coordinator) restoreConsumer(now seam.Now, g *group) {
	g.since = now.Mono
	for _, m := range g.consumer.members.All() {
		c.heard(now, g, m)
		c.timers.Cancel(m.sync)
		m.sync = 0
		if m.revoke != 0 {
			c.timers.Cancel(m.revoke)
			m.revoke = c.timers.Set(now.Mono+seam.Mono(m.RebalanceTimeoutMs)*seam.Millisecond, alarm{kind: alarmFence, group: g, id: m.id})
		}
	}
}

// heard begins a member's session anew.
func (c *Coordinator) heard(now seam.Now, g *group, m *consumerMember) {
	session := c.sessionMillis(g.id)
	if m.Classic != nil {
		session = m.Classic.SessionTimeoutMs
	}
	c.timers.Cancel(m.session)
	m.session = c.timers.Set(now.Mono+seam.Mono(session)*seam.Millisecond, alarm{kind: alarmFence, group: g, id: m.id})
}

func (a *MemberMetadata) equal(b *MemberMetadata) bool {
	return equalText(a.InstanceID, b.InstanceID) && equalText(a.RackID, b.RackID) && a.ClientID == b.ClientID && a.ClientHost == b.ClientHost &&
		slices.Equal(a.Topics, b.Topics) && equalText(a.TopicRegex, b.TopicRegex) && a.RebalanceTimeoutMs == b.RebalanceTimeoutMs &&
		equalText(a.ServerAssignor, b.ServerAssignor) && a.Classic.equal(b.Classic)
}

func (a *ClassicMetadata) equal(b *ClassicMetadata) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SessionTimeoutMs == b.SessionTimeoutMs && slices.EqualFunc(a.Protocols, b.Protocols, func(a, b ClassicProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

func equalText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
