package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// What a member says with its epoch instead of one.
const (
	joining       int32 = 0
	leaving       int32 = -1
	leavingStatic int32 = -2 // it means to come back
)

// ConsumerGroupHeartbeat (68): a member joins, is alive, changes its subscription, says what it owns, or leaves (KIP-848).
func (c *Coordinator) ConsumerGroupHeartbeat(now seam.Now, client Client, r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	answer := r.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	var refused refusal
	switch {
	case r.MemberEpoch == leaving || r.MemberEpoch == leavingStatic:
		refused = c.leaveConsumer(now, r, answer)
	default:
		refused = c.beat(now, client, r, answer)
	}
	if refused.refused() {
		answer = r.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
		answer.ErrorCode = int16(refused.code)
		if refused.why != "" {
			answer.ErrorMessage = &refused.why
		}
	}
	return answer
}

// JudgeHeartbeat is what is judged before a coordinator is looked for.
func JudgeHeartbeat(config *Config, r *kmsg.ConsumerGroupHeartbeatRequest) (code wire.Code, why string) {
	invalid := func(why string) (wire.Code, string) { return wire.InvalidRequest, why }
	blank := func(text *string) bool { return text != nil && strings.TrimSpace(*text) == "" }
	switch {
	case (r.Version >= 1 || r.MemberEpoch > 0 || r.MemberEpoch == leaving) && strings.TrimSpace(r.MemberID) == "":
		return invalid("MemberId can't be empty.")
	case strings.TrimSpace(r.Group) == "":
		return invalid("GroupId can't be empty.")
	case blank(r.InstanceID):
		return invalid("InstanceId can't be empty.")
	case blank(r.RackID):
		return invalid("RackId can't be empty.")
	case r.MemberEpoch == joining && r.RebalanceTimeoutMillis == noTimeoutMs:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case r.MemberEpoch == joining && (r.Topics == nil || len(r.Topics) > 0):
		return invalid("TopicPartitions must be empty when (re-)joining.")
	case r.MemberEpoch == joining && r.SubscribedTopicNames == nil && r.SubscribedTopicRegex == nil:
		return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case r.MemberEpoch == leavingStatic && r.InstanceID == nil:
		return invalid("InstanceId can't be null.")
	case r.MemberEpoch < leavingStatic:
		return invalid("MemberEpoch is invalid.")
	case r.ServerAssignor != nil && !slices.Contains(config.Consumer.Assignors, *r.ServerAssignor):
		return wire.UnsupportedAssignor, "ServerAssignor " + *r.ServerAssignor + " is not supported. Supported assignors: " +
			strings.Join(config.Consumer.Assignors, ", ") + "."
	}
	return wire.None, ""
}

func (c *Coordinator) beat(now seam.Now, client Client, r *kmsg.ConsumerGroupHeartbeatRequest, answer *kmsg.ConsumerGroupHeartbeatResponse) refusal {
	ch, refused := c.enter(now, r.Group, r.MemberEpoch == joining)
	if refused.refused() {
		return refused
	}
	owned, told := ownedBy(r)
	if refused := ch.full(r.MemberID); refused.refused() {
		return refused
	}
	id := r.MemberID
	if id == "" {
		id = c.newUUID()
	}
	p, refused := ch.seat(id, r, owned, told)
	if refused.refused() {
		return refused
	}
	before := p
	p.hear(client, r)
	if ch.outgrows(&before, &p) {
		return refusal{code: wire.CoordinatorNotAvailable}
	}
	names := ch.tell(&before, &p)
	regex, refused := ch.express(now, &before, &p)
	if refused.refused() {
		return refused
	}
	epoch, members := ch.con.epoch, []person(nil)
	// A classic group that is upgraded in the middle of a rebalance has nothing assigned: somebody must begin one anew, whatever
	// the one who joins has subscribed to.
	must := epoch == 0 || names || regex == expressionResolved || ch.ends != nil
	if must || ch.con.checked != c.Image.Shape() {
		members = ch.everybody(&p)
		epoch = ch.raise(must, members)
	}
	target, targetEpoch := ch.targetOf(&p), ch.con.targetEpoch
	if epoch > targetEpoch {
		if members == nil {
			members = ch.everybody(&p)
		}
		target, targetEpoch = ch.assign(epoch, &p, members), epoch
	}
	if refused := ch.reconcile(&p, targetEpoch, target, names || regex != expressionSame, owned, told); refused.refused() {
		return refused
	}
	if refused := ch.large(); refused.refused() {
		return refused
	}
	c.commit(ch)
	if m := ch.con.members.At(id); m != nil && ch.ends == nil {
		c.heard(now, c.find(r.Group), m)
	}
	answer.MemberID, answer.MemberEpoch, answer.HeartbeatIntervalMillis = &p.id, p.MemberEpoch, c.heartbeatMillis(r.Group)
	full := r.RebalanceTimeoutMillis != noTimeoutMs && (r.SubscribedTopicNames != nil || r.SubscribedTopicRegex != nil) && told
	if r.MemberEpoch == joining || full || !equalSets(before.Assigned, p.Assigned) {
		answer.Assignment = assignmentOf(p.Assigned)
	}
	return refusal{}
}

// enter finds the consumer group of a name. For one who joins it may be new; or a classic group becomes it.
func (c *Coordinator) enter(now seam.Now, id string, joins bool) (*change, refusal) {
	ch := &change{Coordinator: c, id: id}
	g := c.find(id)
	switch {
	case g.modern() != nil:
		ch.con = g.consumer
	case g == nil && !joins:
		return nil, refusal{wire.GroupIDNotFound, "Consumer group " + id + " not found."}
	case g == nil:
		ch.con = newConsumer()
	case !joins:
		return nil, refusal{wire.GroupIDNotFound, "Group " + id + " is not a consumer group."}
	case g.state == empty:
		ch.con, ch.ends = newConsumer(), g
		ch.con.epoch = g.generation // or a number would name two: one before, and one from now on
		ch.add(&ClassicGroupRecord{Group: id})
	default:
		return c.upgrade(now, g)
	}
	return ch, refusal{}
}

// commit makes what a change has decided the coordinator's decision.
func (c *Coordinator) commit(ch *change) {
	if ch.ends != nil {
		c.endClassic(ch.ends)
	}
	if ch.checked {
		ch.con.checked = c.Image.Shape()
	}
	c.Records = append(c.Records, ch.records...)
}

func (ch *change) full(id string) refusal {
	if most := ch.config.Consumer.SizeMax; ch.con.members.Len() >= int(most) && ch.con.members.At(id) == nil {
		return refusal{wire.GroupMaxSizeReached, fmt.Sprintf("The consumer group has reached its maximum capacity of %d members.", most)}
	}
	return refusal{}
}

// seat is the member that a heartbeat speaks of, as it is now: a new one, or one that has come back, if it joins.
func (ch *change) seat(id string, r *kmsg.ConsumerGroupHeartbeatRequest, owned []TopicPartitions, told bool) (person, refusal) {
	joins := r.MemberEpoch == joining
	if r.InstanceID == nil {
		m := ch.con.members.At(id)
		if m == nil && joins {
			return ch.newcomer(id)
		}
		if m == nil {
			return person{}, refusal{wire.UnknownMemberID, "Member " + id + " is not a member of group " + ch.id + "."}
		}
		return m.person(), m.judgeEpoch(r.MemberEpoch, owned, told)
	}
	m := ch.con.members.At(ch.con.static[*r.InstanceID])
	if joins {
		return ch.seatStatic(m, id, *r.InstanceID, false)
	}
	if refused := fenced(m, id, *r.InstanceID); refused.refused() {
		return person{}, refused
	}
	return m.person(), m.judgeEpoch(r.MemberEpoch, owned, told)
}

// seatStatic: a static member joins, or takes the place of its own self of before; of one that is still there only if one
// of the two speaks the classic protocol, in which it need not say that it leaves.
func (ch *change) seatStatic(m *consumerMember, id, instance string, classic bool) (person, refusal) {
	switch {
	case m == nil:
		if same := ch.con.members.At(id); same != nil {
			return same.person(), refusal{}
		}
		return ch.newcomer(id)
	case !classic && m.Classic == nil && m.MemberEpoch != leavingStatic:
		return person{}, refusal{wire.UnreleasedInstanceID, "Static member " + id + " with instance id " + instance +
			" cannot join the group because the instance id is owned by " + m.id + " member."}
	}
	p := m.person()
	p.id, p.MemberEpoch, p.PreviousMemberEpoch = id, 0, 0
	ch.replace(m, &p)
	return p, refusal{}
}

// outgrows says whether there is no room for what a member has to say beyond what it said before.
func (ch *change) outgrows(before, after *person) bool {
	grows := after.cost(after.id) - before.cost(before.id)
	return grows > 0 && ch.bytes+grows > ch.config.MembersBytesMax
}

// newcomer is a member that is new, if there is room to remember what it has to say.
func (ch *change) newcomer(id string) (person, refusal) {
	if ch.bytes > ch.config.MembersBytesMax {
		return person{}, refusal{code: wire.CoordinatorNotAvailable} // the client asks again
	}
	return newPerson(id), refusal{}
}

func newPerson(id string) person {
	none := ""
	return person{
		id: id, MemberMetadata: MemberMetadata{TopicRegex: &none, RebalanceTimeoutMs: noTimeoutMs},
		CurrentAssignment: CurrentAssignment{PreviousMemberEpoch: -1},
	}
}

// fenced says whether another one has taken an instance's place.
func fenced(m *consumerMember, id, instance string) refusal {
	switch {
	case m == nil:
		return refusal{wire.UnknownMemberID, "Instance id " + instance + " is unknown."}
	case m.id != id:
		return refusal{wire.FencedInstanceID, "Static member " + id + " with instance id " + instance + " was fenced by member " + m.id + "."}
	}
	return refusal{}
}

// judgeEpoch says whether a member may speak for itself. With the epoch of before it may, if it owns no more than it was
// given: the answer that told it of the new epoch may be lost.
func (m *consumerMember) judgeEpoch(epoch int32, owned []TopicPartitions, told bool) refusal {
	word := ""
	switch {
	case epoch == joining || epoch == m.MemberEpoch:
		return refusal{}
	case epoch > m.MemberEpoch:
		word = "greater"
	case epoch == m.PreviousMemberEpoch && told && len(minus(owned, m.Assigned)) == 0:
		return refusal{}
	default:
		word = "smaller"
	}
	return refusal{wire.FencedMemberEpoch, fmt.Sprintf("The consumer group member has a %s member epoch (%d) than the one known by the group "+
		"coordinator (%d). The member must abandon all its partitions and rejoin.", word, epoch, m.MemberEpoch)}
}

// hear takes over what a heartbeat says of the member. What it does not say has not changed.
func (p *person) hear(client Client, r *kmsg.ConsumerGroupHeartbeatRequest) {
	if r.InstanceID != nil {
		p.InstanceID = r.InstanceID
	}
	if r.RackID != nil {
		p.RackID = r.RackID
	}
	if r.RebalanceTimeoutMillis != noTimeoutMs {
		p.RebalanceTimeoutMs = r.RebalanceTimeoutMillis
	}
	if r.ServerAssignor != nil {
		p.ServerAssignor = r.ServerAssignor
	}
	if r.SubscribedTopicNames != nil {
		p.Topics = orderedNames(r.SubscribedTopicNames)
	}
	if r.SubscribedTopicRegex != nil {
		p.TopicRegex = r.SubscribedTopicRegex
	}
	p.ClientID, p.ClientHost, p.Classic = client.ID, client.Host, nil
}

func orderedNames(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// tell records what a member says of itself, if it is new, and says whether it names other topics than before.
func (ch *change) tell(before, p *person) (names bool) {
	if before.MemberMetadata.equal(&p.MemberMetadata) {
		return false
	}
	ch.addMember(p)
	return !slices.Equal(before.Topics, p.Topics)
}

// targetOf is what a member shall have by the present target: what it had before, or its instance.
func (ch *change) targetOf(p *person) []TopicPartitions {
	if m := ch.instead(p); m != nil {
		return ch.con.targets.At(m.id)
	}
	return nil
}

// ownedBy is what a member says that it owns, if it says.
func ownedBy(r *kmsg.ConsumerGroupHeartbeatRequest) (owned []TopicPartitions, told bool) {
	for i := range r.Topics {
		owned = append(owned, TopicPartitions{TopicID: r.Topics[i].TopicID, Partitions: r.Topics[i].Partitions})
	}
	return orderedSet(owned), r.Topics != nil
}

func assignmentOf(set []TopicPartitions) *kmsg.ConsumerGroupHeartbeatResponseAssignment {
	a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
	a.Topics = []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{}
	for _, t := range set {
		one := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
		one.TopicID, one.Partitions = t.TopicID, t.Partitions
		a.Topics = append(a.Topics, one)
	}
	return &a
}

// leaveConsumer: a member goes; or a static one, that keeps what it has until it is back, or its session is over.
func (c *Coordinator) leaveConsumer(now seam.Now, r *kmsg.ConsumerGroupHeartbeatRequest, answer *kmsg.ConsumerGroupHeartbeatResponse) refusal {
	g := c.find(r.Group)
	if g == nil {
		return refusal{wire.GroupIDNotFound, "Group " + r.Group + " not found."}
	}
	con := g.modern()
	if con == nil {
		return refusal{wire.GroupIDNotFound, "Group " + r.Group + " is not a consumer group."}
	}
	id := r.MemberID
	answer.MemberID, answer.MemberEpoch = &id, r.MemberEpoch
	if r.InstanceID == nil {
		m := con.members.At(id)
		if m == nil {
			return refusal{wire.UnknownMemberID, "Member " + id + " is not a member of group " + r.Group + "."}
		}
		c.fence(now, g, m)
		return refusal{}
	}
	m := con.members.At(con.static[*r.InstanceID])
	if refused := fenced(m, id, *r.InstanceID); refused.refused() {
		return refused
	}
	if r.MemberEpoch == leaving {
		c.fence(now, g, m)
		return refusal{}
	}
	p := m.person()
	p.MemberEpoch, p.PendingRevocation = leavingStatic, nil
	ch := &change{Coordinator: c, id: g.id, con: con}
	ch.addAssignment(&p)
	c.commit(ch)
	return refusal{}
}

// fence puts members out. If none is left but those who speak the classic protocol, the group becomes a classic one.
func (c *Coordinator) fence(now seam.Now, g *group, gone ...*consumerMember) {
	if len(gone) == 0 {
		return
	}
	con := g.consumer
	ch := &change{Coordinator: c, id: g.id, con: con}
	classics, lost := con.classics, map[string]int{} // names that nobody reads for them any more, and how often
	expressions := map[string]int{}
	for _, m := range gone {
		ch.remove(m.id)
		if m.Classic != nil {
			classics--
		}
		for _, name := range m.Topics {
			lost[name]++
		}
		if e := m.expression(); e != "" {
			if expressions[e]++; expressions[e] == con.patterns.At(e) {
				ch.add(&RegularExpressionRecord{Group: g.id, Expression: e})
				if r := con.expressions.At(e); r != nil {
					for _, name := range r.Topics {
						lost[name]++
					}
				}
			}
		}
	}
	if stay := con.members.Len() - len(gone); stay == classics && c.downgrades(stay) {
		c.downgrade(now, g, con.without(gone))
		return
	}
	hash := c.metadataHash(con.namesBut(c, lost))
	ch.add(&ConsumerGroupRecord{Group: g.id, Value: &ConsumerGroupEpoch{Epoch: con.epoch + 1, MetadataHash: hash}})
	c.commit(ch)
}

// without are the members but for these.
func (con *consumer) without(gone []*consumerMember) (stay []person) {
	goes := make(map[*consumerMember]bool, len(gone))
	for _, m := range gone {
		goes[m] = true
	}
	for _, m := range con.members.All() {
		if !goes[m] {
			stay = append(stay, m.person())
		}
	}
	return stay
}

// namesBut are the topics that are subscribed to, and that there are, in order, when each of some names has been lost so often.
func (con *consumer) namesBut(c *Coordinator, lost map[string]int) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(con.names)) {
		if con.names[name] > lost[name] && c.Image.Topic(name) != nil {
			names = append(names, name)
		}
	}
	return names
}

// fenceLate: a timer of a member's is over.
func (c *Coordinator) fenceLate(now seam.Now, a alarm) {
	if con := a.group.modern(); con != nil {
		if m := con.members.At(a.id); m != nil {
			c.fence(now, a.group, m)
		}
	}
}

// newUUID is a random id as Kafka prints it. It does not begin with a dash, which command lines would not like.
func (c *Coordinator) newUUID() string {
	for {
		var id meta.UUID
		c.random.Fill(id[:])
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if text := id.String(); text[0] != '-' {
			return text
		}
	}
}
