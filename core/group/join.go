package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// JoinGroup (11). A member without an id is given one: up to version 3 it is in at once, later it has to come back with it
// (KIP-394), unless it is static (KIP-345).
func (c *Coordinator) JoinGroup(now seam.Now, ticket Ticket, client Client, r *kmsg.JoinGroupRequest) {
	refuse := func(id string, code wire.Code) {
		answer := failedJoin(id, code)
		answer.Version = r.Version
		c.answer(ticket, answer)
	}
	g := c.find(r.Group)
	if con := g.modern(); con != nil && con.members.Len() > 0 {
		c.joinConsumer(now, g, ticket, client, r)
		return
	}
	created := g == nil || g.consumer != nil
	switch {
	case created && r.MemberID != "":
		refuse(r.MemberID, wire.UnknownMemberID)
		return
	case c.bytes > c.config.MembersBytesMax:
		refuse(r.MemberID, wire.CoordinatorNotAvailable) // the client asks again
		return
	case g == nil:
		g = c.make(r.Group, now)
	case created: // an empty consumer group becomes a classic one, whose generations go on behind its epochs
		g.generation = g.consumer.epoch
		c.endEmpty(g)
	}
	records := len(c.Records)
	switch {
	case !c.accepts(g, r.MemberID):
		if m := g.member(r.MemberID); m != nil {
			c.remove(g, m)
		}
		c.unpend(g, r.MemberID)
		refuse("", wire.GroupMaxSizeReached)
		c.maybeCompleteJoin(now, g) // nobody waits for it any more
	case !g.supports(r.ProtocolType, r.Protocols):
		refuse(r.MemberID, wire.InconsistentGroupProtocol)
	case r.MemberID == "":
		c.joinNew(now, g, parked{ticket, r.Version}, client, r)
	default:
		c.joinAgain(now, g, parked{ticket, r.Version}, client, r)
	}
	if created && len(c.Records) == records {
		empty := &ClassicGroup{Generation: g.generation, StateTimestamp: g.stateAt, Members: []ClassicMember{}}
		c.Records = append(c.Records, &ClassicGroupRecord{Group: g.id, Value: empty}) // the group is there from now on
	}
}

// JudgeJoin is what is judged before a coordinator is looked for.
func JudgeJoin(config *Config, r *kmsg.JoinGroupRequest) wire.Code {
	switch {
	case r.Group == "":
		return wire.InvalidGroupID
	case r.SessionTimeoutMillis < config.SessionMinMillis || r.SessionTimeoutMillis > config.SessionMaxMillis:
		return wire.InvalidSessionTimeout
	}
	return wire.None
}

// accepts says whether there is room in the group. While it is rebalanced those count who have joined, so that the last to
// come back are those who find no room.
func (c *Coordinator) accepts(g *group, id string) bool {
	m := g.member(id)
	switch g.state {
	case preparing:
		return m != nil && m.join.waits() || g.waiting < int(c.config.SizeMax)
	case completing, stable:
		return m != nil || len(g.members) < int(c.config.SizeMax)
	case empty:
	}
	return true
}

func (c *Coordinator) joinNew(now seam.Now, g *group, p parked, client Client, r *kmsg.JoinGroupRequest) {
	if r.InstanceID != nil {
		id := c.newMemberID(*r.InstanceID)
		if old, ok := g.static[*r.InstanceID]; ok {
			c.replaceStatic(now, g, g.member(old), id, p, client, r)
			return
		}
		c.addAndGoOn(now, g, id, p, client, r)
		return
	}
	id := c.newMemberID(client.ID)
	if p.version < 4 {
		c.addAndGoOn(now, g, id, p, client, r)
		return
	}
	session := seam.Mono(r.SessionTimeoutMillis) * seam.Millisecond
	g.pending.Put(id, c.timers.Set(now.Mono+session, alarm{kind: alarmPending, group: g, id: id}))
	c.bytes += pendingCost(id)
	answer := failedJoin(id, wire.MemberIDRequired)
	answer.Version = p.version
	c.answer(p.ticket, answer)
}

// addAndGoOn takes a new member in; its answer is the next generation's.
func (c *Coordinator) addAndGoOn(now seam.Now, g *group, id string, p parked, client Client, r *kmsg.JoinGroupRequest) {
	m := &member{
		id: id, instance: r.InstanceID, client: client, session: r.SessionTimeoutMillis, rebalance: rebalanceTimeout(r),
		protocols: ownProtocols(r.Protocols), fresh: true, join: p,
	}
	if len(g.members) == 0 {
		protocolType := r.ProtocolType
		g.protocolType = &protocolType
	}
	if g.state == preparing && g.previous == empty {
		g.joined = true
	}
	c.add(g, m)
	c.hearFor(now, g, m, joinMax)
	c.prepareOrComplete(now, g)
}

// rebalanceTimeout came with version 1: before, the session's was meant.
func rebalanceTimeout(r *kmsg.JoinGroupRequest) int32 {
	if r.Version == 0 {
		return r.SessionTimeoutMillis
	}
	return r.RebalanceTimeoutMillis
}

func (c *Coordinator) joinAgain(now seam.Now, g *group, p parked, client Client, r *kmsg.JoinGroupRequest) {
	answerNow := func(answer *kmsg.JoinGroupResponse) {
		answer.Version = p.version
		c.answer(p.ticket, answer)
	}
	if _, given := g.pending.Find(r.MemberID); given {
		if r.InstanceID != nil { // static members are given no ids beforehand; the instance may be another one's
			answerNow(failedJoin("", wire.UnknownServerError))
			return
		}
		c.addAndGoOn(now, g, r.MemberID, p, client, r)
		return
	}
	if code := g.validate(r.MemberID, r.InstanceID); code != wire.None {
		answerNow(failedJoin(r.MemberID, code))
		return
	}
	m := g.member(r.MemberID)
	same := m.matches(r.Protocols)
	switch {
	case g.state == empty:
		answerNow(failedJoin(r.MemberID, wire.UnknownMemberID))
	case g.state == completing && same:
		answerNow(g.welcome(m)) // it may not have got the answer
	case g.state == stable && same && m.id != g.leader:
		answerNow(g.current(m.id))
	default: // the leader asks for a rebalance by joining
		c.update(g, m, p, r)
		c.prepareOrComplete(now, g)
	}
}

// update takes over what a join says, and parks it. Of two joins of one member the older is answered no more: its
// connection is gone, or the client has given it up.
func (c *Coordinator) update(g *group, m *member, p parked, r *kmsg.JoinGroupRequest) {
	c.answerJoin(g, m, failedJoin(m.id, wire.RebalanceInProgress))
	g.count(m, -1)
	m.protocols = ownProtocols(r.Protocols)
	g.count(m, 1)
	m.rebalance, m.session = rebalanceTimeout(r), r.SessionTimeoutMillis
	m.join = p
	g.waiting++
	c.weigh(m)
}

// replaceStatic: an instance has come back under a new member id. While its group is stable and would not choose another
// protocol for it, nobody else notices; but if the one before it had yet to let something go, what it came back for is over:
// all join again, as they would have when it said so.
func (c *Coordinator) replaceStatic(now seam.Now, g *group, m *member, id string, p parked, client Client, r *kmsg.JoinGroupRequest) {
	if g.state == stable && g.protocol != nil {
		next := g.record()
		for i := range next.Value.Members {
			if one := &next.Value.Members[i]; one.MemberID == m.id {
				one.MemberID, one.Subscription = id, metadataOf(r.Protocols, *g.protocol)
			}
		}
		if !c.takes(one(next)) {
			answer := failedJoin("", wire.UnknownServerError)
			answer.Version = p.version
			c.answer(p.ticket, answer)
			return
		}
	}
	oldLeader, lettingGo := g.leader, g.lettingGo(m)
	c.answerJoin(g, m, failedJoin(m.id, wire.FencedInstanceID))
	c.answerSync(g, m, failedSync(wire.FencedInstanceID))
	delete(g.byID, m.id)
	if g.leader == m.id {
		g.leader = id
	}
	m.id, g.byID[id], g.static[*m.instance] = id, m, id
	m.fresh = false // the instance is no newcomer, and is not to be lost while it waits
	c.hear(now, g, m)
	c.update(g, m, p, r)
	switch g.state {
	case stable:
		if g.protocol == nil || *g.protocol != g.elect() || lettingGo {
			c.prepareOrComplete(now, g)
			return
		}
		c.store(g)
		answer := g.current(id)
		switch {
		case p.version < 9:
			answer.LeaderID = oldLeader // so that nobody assigns
		case g.leader == id:
			answer.Members, answer.SkipAssignment = g.roll(), true
		}
		c.answerJoin(g, m, answer)
	case completing: // the leader may assign to the old id: nobody would get that
		c.prepare(now, g)
	case preparing, empty:
		c.maybeCompleteJoin(now, g)
	}
}

// SyncGroup (14): the leader brings the assignment, the others ask for theirs.
func (c *Coordinator) SyncGroup(now seam.Now, ticket Ticket, r *kmsg.SyncGroupRequest) {
	answerNow := func(answer *kmsg.SyncGroupResponse) {
		answer.Version = r.Version
		c.answer(ticket, answer)
	}
	g := c.find(r.Group)
	if g.modern() != nil && r.Group != "" && (r.Version < 5 || r.ProtocolType != nil && r.Protocol != nil) {
		answerNow(c.syncConsumer(now, g, r))
		return
	}
	if code := c.judgeSync(g, r); code != wire.None {
		answerNow(failedSync(code))
		return
	}
	m := g.member(r.MemberID)
	switch g.state {
	case preparing, empty:
		answerNow(failedSync(wire.RebalanceInProgress))
	case stable:
		c.synced(g, m)
		answerNow(g.assignment(m))
	case completing:
		c.answerSync(g, m, failedSync(wire.RebalanceInProgress))
		m.sync = parked{ticket, r.Version}
		c.synced(g, m)
		if m.id == g.leader {
			c.assign(now, g, r)
		}
	}
}

// JudgeSync is what is judged before a coordinator is looked for.
func JudgeSync(r *kmsg.SyncGroupRequest) wire.Code {
	switch {
	case r.Version >= 5 && (r.ProtocolType == nil || r.Protocol == nil):
		return wire.InconsistentGroupProtocol
	case r.Group == "":
		return wire.InvalidGroupID
	}
	return wire.None
}

func (c *Coordinator) judgeSync(g *group, r *kmsg.SyncGroupRequest) wire.Code {
	other := func(asked, own *string) bool { return asked != nil && own != nil && *asked != *own }
	if g == nil || g.state == empty {
		return wire.UnknownMemberID
	}
	if code := g.validate(r.MemberID, r.InstanceID); code != wire.None {
		return code
	}
	switch {
	case !g.isCurrent(r.Generation):
		return wire.IllegalGeneration
	case other(r.ProtocolType, g.protocolType) || other(r.Protocol, g.protocol):
		return wire.InconsistentGroupProtocol
	}
	return wire.None
}

// synced: a member has asked for its assignment.
func (c *Coordinator) synced(g *group, m *member) {
	if m.unsynced {
		m.unsynced = false
		if g.unsynced--; g.unsynced == 0 {
			c.timers.Cancel(g.syncAlarm)
			g.syncAlarm = 0
		}
	}
}

func (g *group) assignment(m *member) *kmsg.SyncGroupResponse {
	answer := kmsg.NewPtrSyncGroupResponse()
	answer.ProtocolType, answer.Protocol, answer.MemberAssignment = g.protocolType, g.protocol, m.assignment
	if answer.MemberAssignment == nil {
		answer.MemberAssignment = []byte{}
	}
	return answer
}

// assign makes the leader's assignment the group's: one record, and who waits for it gets his part when that is safe. Of whom
// it says nothing has nothing: his part of the last generation may be another's.
func (c *Coordinator) assign(now seam.Now, g *group, r *kmsg.SyncGroupRequest) {
	for _, m := range g.members {
		m.assignment = nil
	}
	for i := range r.GroupAssignment {
		if m := g.member(r.GroupAssignment[i].MemberID); m != nil {
			m.assignment = append([]byte{}, r.GroupAssignment[i].MemberAssignment...)
		}
	}
	for _, m := range g.members {
		c.weigh(m)
	}
	if !c.takes(one(g.record())) {
		for _, m := range g.members {
			m.assignment = nil
			c.weigh(m)
			c.tellSync(now, g, m, failedSync(wire.UnknownServerError))
		}
		c.prepareOrComplete(now, g)
		return
	}
	g.enter(now, stable)
	c.store(g)
	for _, m := range g.members {
		c.tellSync(now, g, m, g.assignment(m))
	}
}

// recordOverhead is what a batch and a record have beside key and value, at most.
const recordOverhead = 128

// Heartbeat (12).
func (c *Coordinator) Heartbeat(now seam.Now, r *kmsg.HeartbeatRequest) wire.Code {
	if r.Group == "" {
		return wire.InvalidGroupID
	}
	g := c.find(r.Group)
	if g == nil {
		return wire.UnknownMemberID
	}
	if g.modern() != nil {
		return c.beatClassic(now, g, r)
	}
	if code := g.validate(r.MemberID, r.InstanceID); code != wire.None {
		return code
	}
	if !g.isCurrent(r.Generation) {
		return wire.IllegalGeneration
	}
	c.hear(now, g, g.member(r.MemberID))
	if g.state == preparing {
		return wire.RebalanceInProgress
	}
	return wire.None
}

// LeaveGroup (13): of one member up to version 2, of several later. An instance id without a member id is an
// administrator's word.
func (c *Coordinator) LeaveGroup(now seam.Now, r *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	answer := r.ResponseKind().(*kmsg.LeaveGroupResponse)
	if r.Group == "" {
		answer.ErrorCode = int16(wire.InvalidGroupID)
		return answer
	}
	asked := r.Members
	if r.Version < 3 {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = r.MemberID
		asked = []kmsg.LeaveGroupRequestMember{one}
	}
	g := c.find(r.Group)
	if g.modern() != nil {
		return leftConsumer(answer, asked, c.leaveClassic(now, g, asked))
	}
	left := false
	for i := range asked {
		out := kmsg.NewLeaveGroupResponseMember()
		out.MemberID, out.InstanceID = asked[i].MemberID, asked[i].InstanceID
		code := c.leave(g, &asked[i])
		left = left || code == wire.None
		if out.ErrorCode = int16(code); r.Version < 3 {
			answer.ErrorCode = int16(code)
			continue
		}
		answer.Members = append(answer.Members, out)
	}
	if left {
		g.close()
		switch g.state {
		case stable, completing:
			c.prepareOrComplete(now, g)
		case preparing:
			c.maybeCompleteJoin(now, g)
		case empty:
		}
	}
	return answer
}

// leave expels a member; the caller closes the row.
func (c *Coordinator) leave(g *group, asked *kmsg.LeaveGroupRequestMember) wire.Code {
	if g == nil {
		return wire.UnknownMemberID
	}
	id := asked.MemberID
	switch {
	case id == "" && asked.InstanceID == nil:
		return wire.UnknownMemberID
	case id == "":
		owner, ok := g.static[*asked.InstanceID]
		if !ok {
			return wire.UnknownMemberID
		}
		id = owner
	case c.unpend(g, id):
		return wire.None
	default:
		if code := g.validate(id, asked.InstanceID); code != wire.None {
			return code
		}
	}
	m := g.member(id)
	c.answerJoin(g, m, failedJoin("", wire.UnknownMemberID))
	c.answerSync(g, m, failedSync(wire.UnknownMemberID))
	c.expel(g, m)
	return wire.None
}
