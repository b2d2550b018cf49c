package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// prepare begins a rebalance: whoever waits for an assignment joins again.
func (c *Coordinator) prepare(now seam.Now, g *group) {
	if g.state == completing {
		for _, m := range g.members {
			m.assignment = nil
			c.weigh(m)
			c.tellSync(now, g, m, failedSync(wire.RebalanceInProgress))
		}
	}
	c.endSync(g)
	initial := g.state == empty
	g.enter(now, preparing)
	if initial {
		g.round = c.config.InitialRebalanceDelay
		g.remaining = max(g.rebalanceTimeout()-g.round, 0)
		g.joined = false
		g.joinAlarm = c.timers.Set(now.Mono+g.round, alarm{kind: alarmInitial, group: g})
		return
	}
	if g.allJoined() {
		c.completeJoin(now, g)
		return
	}
	c.timers.Cancel(g.joinAlarm)
	g.joinAlarm = c.timers.Set(now.Mono+g.rebalanceTimeout(), alarm{kind: alarmJoin, group: g})
}

// endSync: nobody is awaited any more to ask for its assignment.
func (c *Coordinator) endSync(g *group) {
	for _, m := range g.members {
		m.unsynced = false
	}
	g.unsynced = 0
	c.timers.Cancel(g.syncAlarm)
	g.syncAlarm = 0
}

// prepareOrComplete goes on after somebody has joined, left or changed.
func (c *Coordinator) prepareOrComplete(now seam.Now, g *group) {
	if g.state != preparing {
		c.prepare(now, g)
		return
	}
	c.maybeCompleteJoin(now, g)
}

// maybeCompleteJoin: the first rebalance of a group waits its delay out, whoever has come.
func (c *Coordinator) maybeCompleteJoin(now seam.Now, g *group) {
	if g.state == preparing && g.previous != empty && g.allJoined() {
		c.completeJoin(now, g)
	}
}

func (c *Coordinator) initialDelayOver(now seam.Now, g *group) {
	g.joinAlarm = 0
	if !g.joined || g.remaining == 0 {
		c.completeJoin(now, g)
		return
	}
	g.joined = false
	last := g.round
	g.round = min(c.config.InitialRebalanceDelay, g.remaining)
	g.remaining = max(g.remaining-last, 0)
	g.joinAlarm = c.timers.Set(now.Mono+g.round, alarm{kind: alarmInitial, group: g})
}

// completeJoin begins the next generation with those who have joined.
func (c *Coordinator) completeJoin(now seam.Now, g *group) {
	c.timers.Cancel(g.joinAlarm)
	g.joinAlarm = 0
	for _, m := range g.members {
		if !m.join.waits() && m.instance == nil {
			c.expel(g, m)
		}
	}
	g.close()
	if len(g.members) > 0 && !c.electLeader(g) {
		// only static members are left, and none of them has joined: their sessions decide
		g.joinAlarm = c.timers.Set(now.Mono+max(g.rebalanceTimeout(), patienceMin), alarm{kind: alarmJoin, group: g})
		return
	}
	g.generation, g.downgraded = g.generation+1, 0
	if len(g.members) == 0 {
		g.protocol = nil
		c.subscribe(g)
		g.enter(now, empty)
		c.store(g)
		return
	}
	protocol := g.elect()
	g.protocol = &protocol
	c.subscribe(g)
	g.enter(now, completing)
	for _, m := range g.members {
		c.answerJoin(g, m, g.welcome(m))
		c.hear(now, g, m)
		m.fresh = false
		m.unsynced = true
	}
	g.unsynced = len(g.members)
	g.syncAlarm = c.timers.Set(now.Mono+g.rebalanceTimeout(), alarm{kind: alarmSync, group: g})
}

// patienceMin is the shortest time after which it is looked again whether a static member has come back: clients may say that
// a rebalance takes none.
const patienceMin = seam.Second

// electLeader keeps the leader if it has joined, else takes the first who has.
func (c *Coordinator) electLeader(g *group) bool {
	if m := g.member(g.leader); m != nil && m.join.waits() {
		return true
	}
	for _, m := range g.members {
		if m.join.waits() {
			g.leader = m.id
			return true
		}
	}
	return false
}

// welcome is the answer to a join of this generation.
func (g *group) welcome(m *member) *kmsg.JoinGroupResponse {
	answer := g.current(m.id)
	if m.id == g.leader {
		answer.Members = g.roll()
	}
	return answer
}

// current is the answer of a group to a member that is no leader.
func (g *group) current(id string) *kmsg.JoinGroupResponse {
	answer := kmsg.NewPtrJoinGroupResponse()
	answer.Generation, answer.Protocol, answer.ProtocolType = g.generation, g.protocol, g.protocolType
	answer.LeaderID, answer.MemberID = g.leader, id
	answer.Members = []kmsg.JoinGroupResponseMember{}
	return answer
}

// roll is what the leader needs to assign: the members and what each of them says about the protocol chosen.
func (g *group) roll() []kmsg.JoinGroupResponseMember {
	all := make([]kmsg.JoinGroupResponseMember, 0, len(g.members))
	for _, m := range g.members {
		one := kmsg.NewJoinGroupResponseMember()
		one.MemberID, one.InstanceID, one.ProtocolMetadata = m.id, m.instance, m.metadata(*g.protocol)
		all = append(all, one)
	}
	return all
}

func (c *Coordinator) sessionOver(now seam.Now, g *group, m *member) {
	if m.alarm = 0; !m.fresh && (m.join.waits() || m.sync.waits()) {
		return // it is the coordinator who keeps it waiting; what it is told begins its session anew
	}
	c.answerJoin(g, m, failedJoin("", wire.UnknownMemberID))
	c.remove(g, m)
	c.goneOn(now, g)
}

// goneOn goes on after a member is gone.
func (c *Coordinator) goneOn(now seam.Now, g *group) {
	switch g.state {
	case stable, completing:
		c.prepareOrComplete(now, g)
	case preparing:
		if g.allJoined() {
			c.completeJoin(now, g)
		}
	case empty:
	}
}

func (c *Coordinator) pendingOver(now seam.Now, g *group, id string) {
	c.unpend(g, id)
	if g.state == preparing && g.allJoined() {
		c.completeJoin(now, g)
	}
}

// syncOver: who has not asked for its assignment within the rebalance timeout is out.
func (c *Coordinator) syncOver(now seam.Now, g *group) {
	g.syncAlarm = 0
	if g.unsynced == 0 {
		return
	}
	for _, m := range g.members {
		if m.unsynced {
			c.expel(g, m)
		}
	}
	g.close()
	c.prepare(now, g)
}
