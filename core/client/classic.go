package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client/assignor"
	"rookery/core/seam"
	"rookery/core/wire"
)

// isCooperative says whether this member keeps what it owns while the group rebalances: only if all its assignors let it.
func (c *Client) isCooperative() bool {
	return !slices.ContainsFunc(c.config.Assignors, func(a assignor.Assignor) bool { return !a.IsCooperative() })
}

// joinPatience is how long an answer to JoinGroup or SyncGroup is waited for: the others have that long to come.
func (c *Client) joinPatience() seam.Mono {
	return max(c.config.RequestTimeout, c.config.PollIntervalMax+5*seam.Second)
}

// maybeRejoin begins a round, or asks for the place in it.
func (c *Client) maybeRejoin(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.phase == settled && g.recallAt > 0 {
		fx.Wake(g.recallAt)
		g.rejoin = g.rejoin || now.Mono >= g.recallAt
	}
	if g.phase == settled && g.rejoin {
		g.retryAt, g.failures = now.Mono, 0
		c.letGo(now, c.toLetGo(), func(seam.Now, *seam.Effects) { g.phase = joining }, fx)
		c.maybeYield(now, fx)
	}
	if g.phase != joining || g.busy {
		return
	}
	if now.Mono < g.retryAt {
		fx.Wake(g.retryAt)
		return
	}
	if g.pattern != nil && !g.searched {
		c.wantMetadata()
		return
	}
	c.join(now, fx)
}

// toLetGo is what must be let go before joining: all; cooperatively what is of no subscribed topic any more.
func (c *Client) toLetGo() []Partition {
	if !c.isCooperative() {
		return c.held()
	}
	return slices.DeleteFunc(c.held(), func(p Partition) bool { return slices.Contains(c.group.topics, p.Topic) })
}

func (c *Client) join(now seam.Now, fx *seam.Effects) {
	g := &c.group
	ask := kmsg.NewPtrJoinGroupRequest()
	ask.Group, ask.MemberID, ask.ProtocolType = c.config.GroupID, g.member, "consumer"
	if c.config.InstanceID != "" {
		ask.InstanceID = &c.config.InstanceID
	}
	ask.SessionTimeoutMillis = millis(c.config.SessionTimeout)
	ask.RebalanceTimeoutMillis = millis(c.config.PollIntervalMax)
	for _, a := range c.config.Assignors {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = a.String(), c.subscription(a)
		ask.Protocols = append(ask.Protocols, p)
	}
	told := g.topics
	sent := c.askCoordinator(now, ask, 9, c.joinPatience(), fx, func(now seam.Now, answer wire.Answer, fx *seam.Effects) {
		r, _ := answer.(*kmsg.JoinGroupResponse)
		if g.phase == joining {
			g.busy = false
			c.onJoined(now, r, fx)
		}
	})
	if sent {
		g.busy, g.rejoin, g.told = true, false, told
	}
}

// subscription is what the leader is told of this member, in the ConsumerProtocol's version 3. Older leaders find the
// generation, and what an eager sticky member had, in the user data.
func (c *Client) subscription(a assignor.Assignor) []byte {
	g := &c.group
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.Generation = 3, g.topics, g.generation
	if c.config.Rack != "" {
		m.Rack = &c.config.Rack
	}
	if c.isCooperative() {
		m.OwnedPartitions = owned(c.held())
	}
	switch a {
	case assignor.Sticky:
		s := kmsg.NewStickyMemberMetadata()
		for _, t := range owned(g.before) {
			s.CurrentAssignment = append(s.CurrentAssignment, kmsg.StickyMemberMetadataCurrentAssignment{Topic: t.Topic, Partitions: t.Partitions})
		}
		s.Generation = g.generation
		m.UserData = s.AppendTo(nil)
	case assignor.CooperativeSticky:
		m.UserData = []byte{byte(g.generation >> 24), byte(g.generation >> 16), byte(g.generation >> 8), byte(g.generation)}
	}
	return m.AppendTo(nil)
}

// owned is a sorted list of partitions as the ConsumerProtocol has it.
func owned(list []Partition) (topics []kmsg.ConsumerMemberMetadataOwnedPartition) {
	for _, p := range list {
		if n := len(topics); n == 0 || topics[n-1].Topic != p.Topic {
			topics = append(topics, kmsg.ConsumerMemberMetadataOwnedPartition{Topic: p.Topic})
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, p.Number)
	}
	return topics
}

func (c *Client) onJoined(now seam.Now, r *kmsg.JoinGroupResponse, fx *seam.Effects) {
	g := &c.group
	if r == nil {
		c.rest(now)
		return
	}
	switch code := wire.Code(r.ErrorCode); {
	case code == wire.MemberIDRequired:
		g.member = r.MemberID // and the place in the group waits for it (KIP-394)
	case code == wire.UnknownMemberID, code == wire.IllegalGeneration:
		c.expelled(now, false, fx)
		c.rest(now)
	case isElsewhere(code):
		c.misled(now)
		c.rest(now)
		c.mention(code, fx)
	case code == wire.RebalanceInProgress, retriable(code):
		c.rest(now)
		c.mention(code, fx)
	case code.Failed():
		c.quit(now, code, fx)
	default:
		c.onPlace(now, r, fx)
	}
}

// onPlace takes the place in the round: the leader says who gets what, the others ask.
func (c *Client) onPlace(now seam.Now, r *kmsg.JoinGroupResponse, fx *seam.Effects) {
	g := &c.group
	named := ""
	if r.Protocol != nil {
		named = *r.Protocol
	}
	chosen, ok := assignor.Named(named)
	if !ok || !slices.Contains(c.config.Assignors, chosen) {
		c.quit(now, wire.InconsistentGroupProtocol, fx)
		return
	}
	g.assignor, g.member, g.generation, g.failures, g.code = chosen, r.MemberID, r.Generation, 0, wire.None
	g.beatAt = now.Mono + c.config.HeartbeatInterval
	g.leads, g.peers, g.counts, g.recallAt = r.LeaderID == r.MemberID, nil, assignor.Topics{}, 0
	if g.leads {
		g.peers = peersIn(r, chosen)
	}
	for i := range g.peers {
		for _, name := range g.peers[i].Topics {
			c.topicNamed(name)
		}
	}
	if !g.leads || r.SkipAssignment {
		g.phase = syncing
		c.sync(now, nil, fx)
		return
	}
	g.phase, g.decideBy = assigning, now.Mono+min(c.config.RequestTimeout, c.config.SessionTimeout/2)
	c.maybeDecide(now, fx)
}

// peersIn is the members as the assignor wants them. One whose subscription cannot be read has none.
func peersIn(r *kmsg.JoinGroupResponse, chosen assignor.Assignor) []assignor.Member {
	peers := make([]assignor.Member, 0, len(r.Members))
	for i := range r.Members {
		in := &r.Members[i]
		m := assignor.Member{ID: in.MemberID, Generation: -1}
		if in.InstanceID != nil {
			m.Instance = *in.InstanceID
		}
		var s kmsg.ConsumerMemberMetadata
		if s.ReadFrom(in.ProtocolMetadata) == nil {
			m.Topics = s.Topics
			if m.Generation = s.Generation; s.Version < 2 {
				m.Generation = -1
			}
			for _, t := range s.OwnedPartitions {
				m.Owned = appendPartitions(m.Owned, t.Topic, t.Partitions)
			}
			remember(&m, &s, chosen)
		}
		peers = append(peers, m)
	}
	return peers
}

// remember reads what a member's user data say it had: of the eager sticky assignor all, of the cooperative one the generation.
func remember(m *assignor.Member, s *kmsg.ConsumerMemberMetadata, chosen assignor.Assignor) {
	switch d := s.UserData; {
	case chosen == assignor.CooperativeSticky && m.Generation < 0 && len(d) >= 4:
		m.Generation = int32(d[0])<<24 | int32(d[1])<<16 | int32(d[2])<<8 | int32(d[3])
	case chosen == assignor.Sticky && len(d) > 0:
		var before kmsg.StickyMemberMetadata
		if before.ReadFrom(d) != nil {
			return
		}
		m.Owned, m.Generation = nil, before.Generation
		for _, t := range before.CurrentAssignment {
			m.Owned = appendPartitions(m.Owned, t.Topic, t.Partitions)
		}
	}
}

func appendPartitions(list []Partition, topic string, numbers []int32) []Partition {
	for _, number := range numbers {
		list = append(list, Partition{Topic: topic, Number: number})
	}
	return list
}

// maybeDecide has the leader say who gets what, as soon as it has heard of all topics.
func (c *Client) maybeDecide(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.phase != assigning {
		return
	}
	if !c.count() && now.Mono < g.decideBy {
		c.wantMetadata()
		fx.Wake(g.decideBy)
		return
	}
	var rows []kmsg.SyncGroupRequestGroupAssignment
	left := 0 // of all partitions
	for _, count := range g.counts.All() {
		left += int(count)
	}
	for i, given := range g.assignor.Assign(&g.counts, g.peers) {
		left -= len(given)
		row := kmsg.NewSyncGroupRequestGroupAssignment()
		row.MemberID, row.MemberAssignment = g.peers[i].ID, assignment0(given)
		rows = append(rows, row)
	}
	if left > 0 && g.assignor.IsCooperative() {
		// Whoever has the rest lets go and joins again (KIP-429). An instance that comes back before it has heard of that has
		// nothing to let go, and nobody would join.
		g.recallAt = now.Mono + c.config.PollIntervalMax
	}
	g.peers = nil
	g.phase = syncing
	c.sync(now, rows, fx)
}

// count notes how many partitions the topics of the group have. all: each is told.
func (c *Client) count() (all bool) {
	g := &c.group
	g.counts, all = assignor.Topics{}, true
	for i := range g.peers {
		for _, name := range g.peers[i].Topics {
			t := c.topicNamed(name)
			all = all && t.isTold()
			g.counts.Put(name, t.partitionCount())
		}
	}
	return all
}

// maybeDoubt has a static leader, which came back to what was assigned before (KIP-814), assign anew if it would be given
// something else today: topics may have come while nobody watched them, and whom their partitions were given to it is not
// told. Nor what was held back cooperatively: who was to let it go may have gone with it, or be itself.
func (c *Client) maybeDoubt() {
	g := &c.group
	if g.phase != settled || g.peers == nil {
		return
	}
	if !c.count() {
		c.wantMetadata()
		return
	}
	self := slices.IndexFunc(g.peers, func(m assignor.Member) bool { return m.ID == g.member })
	if self >= 0 {
		g.peers[self].Owned, g.peers[self].Generation = g.before, g.generation
		g.rejoin = g.rejoin || g.assignor.IsCooperative() || !slices.Equal(g.assignor.Assign(&g.counts, g.peers)[self], g.before)
	}
	g.peers = nil
}

// assignment0 is an assignment in the ConsumerProtocol's version 0, from which the later ones differ in nothing.
func assignment0(given []Partition) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	for _, t := range owned(given) {
		a.Topics = append(a.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	return a.AppendTo(nil)
}

func (c *Client) sync(now seam.Now, rows []kmsg.SyncGroupRequestGroupAssignment, fx *seam.Effects) {
	g := &c.group
	ask := kmsg.NewPtrSyncGroupRequest()
	ask.Group, ask.Generation, ask.MemberID, ask.GroupAssignment = c.config.GroupID, g.generation, g.member, rows
	if c.config.InstanceID != "" {
		ask.InstanceID = &c.config.InstanceID
	}
	kind, name := "consumer", g.assignor.String()
	ask.ProtocolType, ask.Protocol = &kind, &name
	g.busy = c.askCoordinator(now, ask, 5, c.joinPatience(), fx, func(now seam.Now, answer wire.Answer, fx *seam.Effects) {
		r, _ := answer.(*kmsg.SyncGroupResponse)
		if g.phase == syncing {
			g.busy = false
			c.onSynced(now, r, fx)
		}
	})
	if !g.busy && g.phase == syncing { // the link was lost with the answer in hand
		g.phase = joining
		c.rest(now)
	}
}

func (c *Client) onSynced(now seam.Now, r *kmsg.SyncGroupResponse, fx *seam.Effects) {
	g := &c.group
	if r == nil {
		g.phase = joining
		c.rest(now)
		return
	}
	switch code := wire.Code(r.ErrorCode); {
	case code == wire.UnknownMemberID:
		c.expelled(now, false, fx)
	case code == wire.IllegalGeneration:
		c.expelled(now, true, fx)
	case code == wire.RebalanceInProgress, retriable(code):
		if g.phase = joining; isElsewhere(code) {
			c.misled(now)
		}
		c.rest(now)
	case code.Failed():
		c.quit(now, code, fx)
	default:
		var a kmsg.ConsumerMemberAssignment
		if len(r.MemberAssignment) > 0 && a.ReadFrom(r.MemberAssignment) != nil {
			c.quit(now, wire.InconsistentGroupProtocol, fx)
			return
		}
		var given []Partition
		for _, t := range a.Topics {
			given = appendPartitions(given, t.Topic, t.Partitions)
		}
		slices.SortStableFunc(given, Partition.Compare)
		c.onGiven(now, slices.Compact(given), fx)
	}
}

func (c *Client) onGiven(now seam.Now, given []Partition, fx *seam.Effects) {
	g := &c.group
	g.beatAt, g.failures = now.Mono+c.config.HeartbeatInterval, 0
	g.before = given
	c.adopt(now, given, func(_ seam.Now, dropped bool, _ *seam.Effects) {
		g.rejoin = g.rejoin || dropped // so that others get them (KIP-429)
		c.notice()                     // what was told since it joined
	}, fx)
}

// maybeHeartbeat keeps the place in the group, as long as nothing else does.
func (c *Client) maybeHeartbeat(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.beating || g.generation < 0 || g.phase != settled && g.phase != yielding {
		return
	}
	if now.Mono < g.beatAt {
		fx.Wake(g.beatAt)
		return
	}
	ask := kmsg.NewPtrHeartbeatRequest()
	ask.Group, ask.Generation, ask.MemberID = c.config.GroupID, g.generation, g.member
	if c.config.InstanceID != "" {
		ask.InstanceID = &c.config.InstanceID
	}
	generation := g.generation
	g.beating = c.askCoordinator(now, ask, 4, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, fx *seam.Effects) {
		g.beating = false
		if r, _ := answer.(*kmsg.HeartbeatResponse); r != nil && g.generation == generation {
			c.onBeat(now, wire.Code(r.ErrorCode), fx)
		}
	})
	if g.beating {
		g.beatAt = now.Mono + c.config.HeartbeatInterval
	}
}

func (c *Client) onBeat(now seam.Now, code wire.Code, fx *seam.Effects) {
	g := &c.group
	switch {
	case g.phase != settled && g.phase != yielding:
	case code == wire.RebalanceInProgress:
		g.rejoin = true
	case code == wire.UnknownMemberID:
		c.expelled(now, false, fx)
	case code == wire.IllegalGeneration:
		c.expelled(now, true, fx)
	case isElsewhere(code):
		c.misled(now)
	case code.Failed() && !retriable(code):
		c.quit(now, code, fx)
	}
}

// maybeLeave says good-bye. A static member does not: it may come back before its session is over (KIP-345).
func (c *Client) maybeLeave(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.phase != leaving {
		return
	}
	if g.member == "" || c.config.InstanceID != "" && !c.config.Modern || now.Mono >= g.endBy {
		c.gone(now)
		return
	}
	fx.Wake(g.endBy)
	if g.busy {
		return
	}
	if now.Mono < g.retryAt {
		fx.Wake(g.retryAt)
		return
	}
	then := func(now seam.Now, code wire.Code) {
		g.busy = false
		switch {
		case code == wire.NetworkException, retriable(code):
			if c.rest(now); isElsewhere(code) {
				c.misled(now)
			}
		default:
			c.gone(now)
		}
	}
	if c.config.Modern {
		g.busy = c.sayLeave(now, then, fx)
		return
	}
	ask := kmsg.NewPtrLeaveGroupRequest()
	ask.Group, ask.MemberID = c.config.GroupID, g.member
	one := kmsg.NewLeaveGroupRequestMember()
	one.MemberID = g.member
	ask.Members = append(ask.Members, one)
	g.busy = c.askCoordinator(now, ask, 5, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ *seam.Effects) {
		if g.phase != leaving {
			return
		}
		if r, _ := answer.(*kmsg.LeaveGroupResponse); r != nil {
			then(now, wire.Code(r.ErrorCode))
		} else {
			then(now, wire.NetworkException)
		}
	})
}

// gone is a member no longer. If the application has subscribed meanwhile, it becomes one again.
func (c *Client) gone(now seam.Now) {
	g := &c.group
	g.phase, g.busy, g.member, g.generation, g.leads = outside, false, "", -1, false
	if g.subscribed && !g.late {
		g.phase, g.retryAt, g.failures = joining, now.Mono, 0
	}
}
