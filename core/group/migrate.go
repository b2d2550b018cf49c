package group

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A group goes from one protocol to the other while its members work. A member that joins by the consumer protocol takes
// the whole group with it; those of the classic protocol go on in theirs, and are told by their heartbeats to join again
// when they have something to give up or to get. When the last one goes that speaks the consumer protocol, the group is a
// classic one again, in the middle of a rebalance.
//
// Generations and epochs are one row of numbers, which goes on while the group is there, whoever is in it: none names two.

// upgrade makes a consumer group of a classic one with members.
func (c *Coordinator) upgrade(now seam.Now, g *group) (*change, refusal) {
	refuse := func(why string) (*change, refusal) {
		return nil, refusal{wire.GroupIDNotFound, "Cannot upgrade classic group " + g.id + " to consumer group because " + why}
	}
	switch policy := strings.ToUpper(c.config.Consumer.Migration); {
	case policy != "BIDIRECTIONAL" && policy != "UPGRADE":
		return refuse("online upgrade is disabled.")
	case !g.consumes():
		return refuse("the group does not use the consumer embedded protocol.")
	case len(g.members) > int(c.config.Consumer.SizeMax):
		return refuse("the group size exceeds the consumer group maximum size.")
	}
	ch := &change{Coordinator: c, id: g.id, con: newConsumer(), ends: g}
	ch.add(&ClassicGroupRecord{Group: g.id})
	people := make([]person, 0, len(g.members))
	claims := map[string]claim{}
	bytes := 0
	for _, m := range g.members {
		// Their records would be more than the log takes: each has three, with its name and the group's.
		if bytes += metadataBytes(m.protocols) + 3*(len(g.id)+len(m.id)); bytes > c.config.RecordBytesMax {
			return nil, refusal{code: wire.UnknownServerError}
		}
		p, said, why := c.modernize(g, m)
		if why != "" {
			return refuse(why)
		}
		people = append(people, p)
		claims[p.id] = claim{said.Generation, c.ownedByClassic(&said)}
	}
	slices.SortStableFunc(people, func(a, b person) int { return strings.Compare(a.id, b.id) })
	holdBack(people, claims)
	for i := range people {
		ch.addMember(&people[i])
	}
	ch.add(&ConsumerGroupRecord{Group: g.id, Value: &ConsumerGroupEpoch{Epoch: g.generation, MetadataHash: c.metadataHash(ch.con.namesOf(c, people))}})
	for i := range people {
		ch.addTarget(people[i].id, people[i].Assigned)
	}
	ch.add(&TargetAssignmentRecord{Group: g.id, Value: &TargetAssignmentEpoch{AssignmentEpoch: g.generation}})
	for i := range people {
		ch.addAssignment(&people[i])
	}
	c.preview(now, ch.con, ch.records)
	return ch, refusal{}
}

// claim is what a classic member said in its last join that it owned, as of which generation (before version 2 of the
// subscription: -1).
type claim struct {
	generation int32
	partitions []TopicPartitions
}

// holdBack makes what a member said that it owned, and what nobody was assigned, its own to give up: a cooperative rebalance
// has taken it away (KIP-429), and the join that says so is still to come. Of two who claim a partition the one of the later
// generation has it.
func holdBack(people []person, claims map[string]claim) {
	taken := map[owned]bool{}
	take := func(set []TopicPartitions) {
		for _, t := range set {
			for _, p := range t.Partitions {
				taken[owned{t.TopicID, p}] = true
			}
		}
	}
	byGeneration := make([]*person, len(people))
	for i := range people {
		byGeneration[i] = &people[i]
		take(people[i].Assigned)
	}
	slices.SortStableFunc(byGeneration, func(a, b *person) int { return cmp.Compare(claims[b.id].generation, claims[a.id].generation) })
	for _, p := range byGeneration {
		left := keep(claims[p.id].partitions, func(topic meta.UUID, partition int32) bool { return !taken[owned{topic, partition}] })
		if len(left) > 0 {
			p.State, p.PendingRevocation = MemberUnrevokedPartitions, left
			take(left)
		}
	}
}

// preview folds records into a group that nobody knows yet, so that the call which makes them can go on from there.
func (c *Coordinator) preview(now seam.Now, con *consumer, records []Record) {
	scratch := Coordinator{Image: c.Image, config: c.config}
	g := &group{consumer: con}
	scratch.groups.Put("", g)
	for _, r := range records {
		if _, classic := r.(*ClassicGroupRecord); !classic {
			scratch.replayConsumer(now, "", r)
		}
	}
	for _, m := range con.members.All() {
		scratch.silence(m)
	}
}

// modernize is a classic member as one of a consumer group: in the epoch of its generation, with what it was assigned; and
// what it said in its last join.
func (c *Coordinator) modernize(g *group, m *member) (p person, said kmsg.ConsumerMemberMetadata, why string) {
	const malformed = "the embedded consumer protocol is malformed."
	p = newPerson(m.id)
	p.MemberEpoch, p.PreviousMemberEpoch, p.State = g.generation, g.generation, MemberStable
	p.InstanceID, p.RebalanceTimeoutMs, p.ClientID, p.ClientHost = m.instance, m.rebalance, m.client.ID, m.client.Host
	if len(m.assignment) > 0 {
		var assignment kmsg.ConsumerMemberAssignment
		if err := assignment.ReadFrom(m.assignment); err != nil {
			return p, said, malformed
		}
		if len(assignment.UserData) > 0 {
			return p, said, "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade."
		}
		var assigned []TopicPartitions
		for _, t := range assignment.Topics {
			if topic := c.Image.Topic(t.Topic); topic != nil {
				assigned = append(assigned, TopicPartitions{TopicID: topic.ID, Partitions: t.Partitions})
			}
		}
		p.Assigned = orderedSet(assigned)
	}
	protocol := ""
	if g.protocol != nil {
		protocol = *g.protocol
	}
	metadata := m.metadata(protocol)
	if metadata == nil && len(m.protocols) > 0 {
		metadata = m.protocols[0].Metadata // the first generation is still in the making
	}
	said, ok := readSubscription(metadata)
	if !ok {
		return p, said, malformed
	}
	p.Topics, p.RackID, p.Classic = orderedNames(said.Topics), said.Rack, classicSide(m.session, m.protocols)
	return p, said, ""
}

func classicSide(session int32, protocols []kmsg.JoinGroupRequestProtocol) *ClassicMetadata {
	side := &ClassicMetadata{SessionTimeoutMs: session}
	for _, p := range ownProtocols(protocols) {
		side.Protocols = append(side.Protocols, ClassicProtocol{Name: p.Name, Metadata: p.Metadata})
	}
	return side
}

// subscriptionVersionMax is the newest version of what a classic consumer says of itself. Of a newer one what this one
// knows is read.
const subscriptionVersionMax = 3

func readSubscription(metadata []byte) (said kmsg.ConsumerMemberMetadata, ok bool) {
	if len(metadata) < 2 {
		return said, false
	}
	if binary.BigEndian.Uint16(metadata) > subscriptionVersionMax {
		metadata = append([]byte{0, subscriptionVersionMax}, metadata[2:]...)
	}
	return said, said.ReadFrom(metadata) == nil
}

// downgrades says whether so many who speak the classic protocol, whom the others have left, are a classic group.
func (c *Coordinator) downgrades(stay int) bool {
	policy := strings.ToUpper(c.config.Consumer.Migration)
	return stay > 0 && (policy == "BIDIRECTIONAL" || policy == "DOWNGRADE") && stay <= int(c.config.SizeMax)
}

// downgrade makes a classic group of these, which begins a rebalance at once: what the others had is nobody's. The record
// names no leader, so a coordinator that is folded anew before all have joined begins it again; and the generation that is
// written down is one that nobody was told, so nobody takes what he has for what the group wants of him. Until all have
// joined those of the newest epoch may say how far they have come; who has not reached it has lost what he had, as it is with
// generations.
func (c *Coordinator) downgrade(now seam.Now, g *group, stay []person) {
	con := g.consumer
	ch := &change{Coordinator: c, id: g.id, con: con}
	ch.end()
	protocolType := consumerProtocol
	c.endClassic(g)
	g.protocolType, g.generation = &protocolType, con.epoch+1
	newest := int32(0)
	for i := range stay {
		p := &stay[i]
		newest = max(newest, p.MemberEpoch)
		m := &member{
			id: p.id, instance: p.InstanceID, client: Client{p.ClientID, p.ClientHost}, rebalance: p.RebalanceTimeoutMs,
			session: p.Classic.SessionTimeoutMs,
		}
		for _, known := range p.Classic.Protocols {
			one := kmsg.NewJoinGroupRequestProtocol()
			one.Name, one.Metadata = known.Name, known.Metadata
			m.protocols = append(m.protocols, one)
		}
		c.add(g, m)
		c.hear(now, g, m)
	}
	protocol := g.elect()
	g.protocol = &protocol
	for i, m := range g.members {
		m.assignment = c.classicAssignment(stay[i].Assigned, m.metadata(protocol))
		c.weigh(m)
	}
	c.subscribe(g)
	g.enter(now, stable)
	undecided := g.record()
	undecided.Value.Leader = nil
	ch.add(undecided)
	c.commit(ch)
	g.downgraded = newest
	c.prepare(now, g)
}

// end takes all records of the group back.
func (ch *change) end() {
	ids := ch.con.members.Keys()
	for _, id := range ids {
		ch.add(&CurrentAssignmentRecord{Group: ch.id, MemberID: id})
	}
	for _, id := range ids {
		ch.add(&MemberTargetRecord{Group: ch.id, MemberID: id})
	}
	ch.add(&TargetAssignmentRecord{Group: ch.id})
	for _, id := range ids {
		ch.add(&MemberRecord{Group: ch.id, MemberID: id})
	}
	for expression := range ch.con.expressions.All() {
		ch.add(&RegularExpressionRecord{Group: ch.id, Expression: expression})
	}
	ch.add(&PartitionMetadataRecord{Group: ch.id})
	ch.add(&ConsumerGroupRecord{Group: ch.id})
}

// classicAssignment is an assignment as the classic protocol has it, in the version in which the member speaks of itself.
func (c *Coordinator) classicAssignment(set []TopicPartitions, subscription []byte) []byte {
	var a kmsg.ConsumerMemberAssignment
	if len(subscription) >= 2 {
		a.Version = min(int16(binary.BigEndian.Uint16(subscription)), subscriptionVersionMax)
	}
	for _, t := range set {
		if topic := c.Image.TopicByID(t.TopicID); topic != nil {
			a.Topics = append(a.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: topic.Name, Partitions: t.Partitions})
		}
	}
	slices.SortStableFunc(a.Topics, func(a, b kmsg.ConsumerMemberAssignmentTopic) int { return strings.Compare(a.Topic, b.Topic) })
	return a.AppendTo(nil)
}

// endClassic: the group is not a classic one any more. Whoever waits asks again, and is answered by the other protocol.
func (c *Coordinator) endClassic(g *group) {
	for _, m := range g.members {
		c.answerJoin(g, m, failedJoin(m.id, wire.RebalanceInProgress))
		c.answerSync(g, m, failedSync(wire.RebalanceInProgress))
		c.forget(g, m)
	}
	for id, h := range g.pending.All() {
		c.timers.Cancel(h)
		c.bytes -= pendingCost(id)
	}
	c.timers.Cancel(g.joinAlarm)
	c.timers.Cancel(g.syncAlarm)
	g.classic = classic{since: g.since, stateAt: g.stateAt}
}

// joinConsumer is a JoinGroup (11) to a consumer group with members: its generation is the member's epoch, and it leads
// nobody.
func (c *Coordinator) joinConsumer(now seam.Now, g *group, ticket Ticket, client Client, r *kmsg.JoinGroupRequest) {
	answer := func(a *kmsg.JoinGroupResponse) {
		a.Version = r.Version
		c.answer(ticket, a)
	}
	con := g.consumer
	ch := &change{Coordinator: c, id: g.id, con: con}
	id, unknown := r.MemberID, r.MemberID == ""
	if unknown {
		id = c.newUUID()
	}
	if refused := ch.full(id); refused.refused() {
		answer(failedJoin(r.MemberID, refused.code))
		return
	}
	said, ok := kmsg.ConsumerMemberMetadata{}, false
	if len(r.Protocols) > 0 && metadataBytes(r.Protocols) <= c.config.RecordBytesMax { // the log would not take more
		said, ok = readSubscription(r.Protocols[0].Metadata)
	}
	switch {
	case !con.supports(r):
		answer(failedJoin(r.MemberID, wire.InconsistentGroupProtocol))
		return
	case unknown && r.InstanceID == nil && r.Version >= 4:
		answer(failedJoin(id, wire.MemberIDRequired))
		return
	case !ok:
		answer(failedJoin(r.MemberID, wire.UnknownServerError))
		return
	}
	p, replaced, refused := ch.seatClassic(id, unknown, r.InstanceID)
	if refused.refused() {
		answer(failedJoin(r.MemberID, refused.code))
		return
	}
	before := p
	p.hearClassic(client, r, &said)
	if ch.outgrows(&before, &p) {
		answer(failedJoin(r.MemberID, wire.CoordinatorNotAvailable))
		return
	}
	names := ch.tell(&before, &p)
	regex, refused := ch.express(now, &before, &p)
	if refused.refused() {
		answer(failedJoin(r.MemberID, refused.code))
		return
	}
	changed := names || regex != expressionSame
	epoch, members := con.epoch, ch.everybody(&p)
	if replaced != nil && replaced.Classic == nil && con.classics+1 == len(members) && c.downgrades(len(members)) { // it was the last who spoke the consumer protocol
		c.downgrade(now, g, members)
		c.update(g, g.member(p.id), parked{ticket, r.Version}, r)
		c.maybeCompleteJoin(now, g)
		return
	}
	if changed || con.checked != c.Image.Shape() {
		epoch = ch.raise(changed, members)
	}
	owned := c.ownedByClassic(&said)
	target, targetEpoch := ch.targetOf(&p), con.targetEpoch
	if epoch > targetEpoch {
		target, targetEpoch = ch.assign(epoch, &p, members), epoch
	}
	if refused := ch.reconcile(&p, targetEpoch, target, changed, owned, true); refused.refused() {
		answer(failedJoin(r.MemberID, refused.code))
		return
	}
	if refused := ch.large(); refused.refused() {
		answer(failedJoin(r.MemberID, refused.code))
		return
	}
	welcome := kmsg.NewPtrJoinGroupResponse()
	protocolType, protocol := consumerProtocol, p.Classic.Protocols[0].Name
	welcome.MemberID, welcome.Generation, welcome.ProtocolType, welcome.Protocol = p.id, p.MemberEpoch, &protocolType, &protocol
	welcome.Members = []kmsg.JoinGroupResponseMember{}
	c.commit(ch)
	answer(welcome)
	if m := con.members.At(p.id); m != nil && m.Classic != nil {
		c.timers.Cancel(m.rejoin)
		m.rejoin = 0
		c.heard(now, g, m)
		c.awaitSync(now, g, m, rebalanceTimeout(r))
	} else {
		con.joined[p.id] = rebalanceTimeout(r)
	}
}

// awaitSync: a classic member that has joined is to ask for its assignment in time.
func (c *Coordinator) awaitSync(now seam.Now, g *group, m *consumerMember, millis int32) {
	c.timers.Cancel(m.sync)
	m.sync = c.timers.Set(now.Mono+seam.Mono(millis)*seam.Millisecond, alarm{kind: alarmFence, group: g, id: m.id})
}

// awaitJoin: a classic member that is to join again has its rebalance timeout for it, from when it is told first.
func (c *Coordinator) awaitJoin(now seam.Now, g *group, m *consumerMember) {
	if m.rejoin == 0 {
		m.rejoin = c.timers.Set(now.Mono+seam.Mono(m.RebalanceTimeoutMs)*seam.Millisecond, alarm{kind: alarmFence, group: g, id: m.id})
	}
}

// supports says whether a classic member with these protocols could take part: it must know one that all the others of its
// kind know.
func (con *consumer) supports(r *kmsg.JoinGroupRequest) bool {
	if r.ProtocolType != consumerProtocol {
		return false
	}
	shared := make(map[string]bool, len(r.Protocols))
	for i := range r.Protocols {
		shared[r.Protocols[i].Name] = true
	}
	for _, m := range con.members.All() {
		if m.Classic == nil {
			continue
		}
		known := map[string]bool{}
		for _, p := range m.Classic.Protocols {
			if shared[p.Name] {
				known[p.Name] = true
			}
		}
		shared = known
	}
	return len(shared) > 0
}

// seatClassic is the member that a join speaks of, and whom it replaces.
func (ch *change) seatClassic(id string, unknown bool, instance *string) (p person, replaced *consumerMember, refused refusal) {
	if instance == nil {
		if m := ch.con.members.At(id); m != nil {
			return m.person(), nil, refusal{}
		}
		p, refused = ch.newcomer(id)
		return p, nil, refused
	}
	m := ch.con.members.At(ch.con.static[*instance])
	if unknown {
		p, refused = ch.seatStatic(m, id, *instance, true)
		return p, m, refused
	}
	if refused := fenced(m, id, *instance); refused.refused() {
		return person{}, nil, refused
	}
	return m.person(), m, refusal{}
}

// hearClassic takes over what a join says of the member.
func (p *person) hearClassic(client Client, r *kmsg.JoinGroupRequest, said *kmsg.ConsumerMemberMetadata) {
	if r.InstanceID != nil {
		p.InstanceID = r.InstanceID
	}
	if said.Rack != nil && *said.Rack != "" {
		p.RackID = said.Rack
	}
	if timeout := rebalanceTimeout(r); timeout != noTimeoutMs {
		p.RebalanceTimeoutMs = timeout
	}
	none := ""
	p.Topics, p.TopicRegex = orderedNames(said.Topics), &none
	p.ClientID, p.ClientHost, p.Classic = client.ID, client.Host, classicSide(r.SessionTimeoutMillis, r.Protocols)
}

func (c *Coordinator) ownedByClassic(said *kmsg.ConsumerMemberMetadata) []TopicPartitions {
	var owned []TopicPartitions
	for _, t := range said.OwnedPartitions {
		if topic := c.Image.Topic(t.Topic); topic != nil {
			owned = append(owned, TopicPartitions{TopicID: topic.ID, Partitions: t.Partitions})
		}
	}
	return orderedSet(owned)
}

// classicMember is the member of a consumer group that a request of the classic protocol speaks for.
func (con *consumer) classicMember(id string, instance *string, generation int32) (*consumerMember, wire.Code) {
	m := con.members.At(id)
	if instance != nil {
		m = con.members.At(con.static[*instance])
	}
	switch {
	case m == nil:
		return nil, wire.UnknownMemberID
	case m.id != id:
		return nil, wire.FencedInstanceID
	case m.Classic == nil:
		return nil, wire.UnknownMemberID
	case m.MemberEpoch != generation:
		return nil, wire.IllegalGeneration
	}
	return m, wire.None
}

// syncConsumer is a SyncGroup (14) to a consumer group: nobody assigns, everybody gets what it has.
func (c *Coordinator) syncConsumer(now seam.Now, g *group, r *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	m, code := g.consumer.classicMember(r.MemberID, r.InstanceID, r.Generation)
	if code != wire.None {
		return failedSync(code)
	}
	if r.ProtocolType != nil && *r.ProtocolType != consumerProtocol || r.Protocol != nil && *r.Protocol != m.Classic.Protocols[0].Name {
		return failedSync(wire.InconsistentGroupProtocol)
	}
	if g.consumer.epoch > m.MemberEpoch && m.State != MemberUnrevokedPartitions {
		c.awaitJoin(now, g, m)
		return failedSync(wire.RebalanceInProgress)
	}
	c.timers.Cancel(m.sync)
	m.sync = 0
	c.heard(now, g, m)
	answer := kmsg.NewPtrSyncGroupResponse()
	answer.ProtocolType, answer.Protocol = r.ProtocolType, r.Protocol
	answer.MemberAssignment = c.classicAssignment(m.Assigned, m.Classic.Protocols[0].Metadata)
	return answer
}

// beatClassic is a Heartbeat (12) to a consumer group. The member is to join again when the group has a new epoch, when it
// has something to give up, and when what it waits for is free.
func (c *Coordinator) beatClassic(now seam.Now, g *group, r *kmsg.HeartbeatRequest) wire.Code {
	m, code := g.consumer.classicMember(r.MemberID, r.InstanceID, r.Generation)
	if code != wire.None {
		return code
	}
	c.heard(now, g, m)
	if m.MemberEpoch < g.consumer.epoch || m.State == MemberUnrevokedPartitions || m.State == MemberUnreleasedPartitions && !g.consumer.waits(m) {
		c.awaitJoin(now, g, m)
		return wire.RebalanceInProgress
	}
	return wire.None
}

// waits says whether a part of a member's target is still somebody else's.
func (con *consumer) waits(m *consumerMember) bool {
	return len(keep(minus(con.targets.At(m.id), m.Assigned), con.taken)) > 0
}

// leaveClassic is a LeaveGroup (13) to a consumer group, by whatever protocol its members came.
func (c *Coordinator) leaveClassic(now seam.Now, g *group, asked []kmsg.LeaveGroupRequestMember) (codes []wire.Code) {
	con := g.consumer
	var gone []*consumerMember
	goes := map[*consumerMember]bool{}
	for i := range asked {
		m, code := con.members.At(asked[i].MemberID), wire.None
		if asked[i].InstanceID != nil {
			if m = con.members.At(con.static[*asked[i].InstanceID]); m != nil && asked[i].MemberID != "" && asked[i].MemberID != m.id {
				code = wire.FencedInstanceID
			}
		}
		if m == nil {
			code = wire.UnknownMemberID
		}
		codes = append(codes, code)
		if code == wire.None && !goes[m] {
			gone, goes[m] = append(gone, m), true
		}
	}
	c.fence(now, g, gone...)
	return codes
}

func leftConsumer(answer *kmsg.LeaveGroupResponse, asked []kmsg.LeaveGroupRequestMember, codes []wire.Code) *kmsg.LeaveGroupResponse {
	if answer.Version < 3 {
		answer.ErrorCode = int16(codes[0])
		return answer
	}
	for i := range asked {
		one := kmsg.NewLeaveGroupResponseMember()
		one.MemberID, one.InstanceID, one.ErrorCode = asked[i].MemberID, asked[i].InstanceID, int16(codes[i])
		answer.Members = append(answer.Members, one)
	}
	return answer
}

// endEmpty takes an empty consumer group back.
func (c *Coordinator) endEmpty(g *group) {
	ch := &change{Coordinator: c, id: g.id, con: g.consumer}
	ch.end()
	c.commit(ch)
}
