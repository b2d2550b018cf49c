package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/group"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// asker is who gets an answer.
type asker struct {
	conn seam.Conn
	slot conn.Slot
	corr int32
}

// findCoordinator (10): the broker that leads the partition that a group's name comes to. The topic is made when it is first
// asked for.
func (b *Broker) findCoordinator(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.FindCoordinatorRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.FindCoordinatorResponse)
	if request.Version < 4 {
		found := b.coordinatorOf(now, c, request.CoordinatorType, request.CoordinatorKey, fx)
		answer.ErrorCode, answer.NodeID, answer.Host, answer.Port = found.ErrorCode, found.NodeID, found.Host, found.Port
		message := wire.Code(found.ErrorCode).String() // NONE too
		answer.ErrorMessage = &message
		b.cold(c.id, slot, r.Correlation, answer, fx)
		return
	}
	correlation, keys := r.Correlation, request.CoordinatorKeys
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		for ; len(keys) > 0; keys = keys[1:] {
			if !b.turns.take() {
				return false
			}
			found := b.coordinatorOf(now, c, request.CoordinatorType, keys[0], fx)
			found.ErrorMessage = new(string) // Kafka's is empty: NONE is said up to version 3 only
			if code := wire.Code(found.ErrorCode); code.Failed() {
				*found.ErrorMessage = code.String()
			}
			answer.Coordinators = append(answer.Coordinators, found)
		}
		b.cold(c.id, slot, correlation, answer, fx)
		return true
	}, fx)
}

// The kinds of coordinators.
const (
	groupCoordinator       = 0
	transactionCoordinator = 1
)

func (b *Broker) coordinatorOf(now seam.Now, c *connection, kind int8, key string, fx *seam.Effects) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port = key, -1, -1
	switch kind {
	case groupCoordinator:
	case transactionCoordinator:
		out.ErrorCode = int16(wire.UnsupportedVersion) // there is none, and who asks again at once would do so until its time is over
		return out
	default:
		out.ErrorCode = int16(wire.InvalidRequest)
		return out
	}
	t := b.image.Topic(controller.ConsumerOffsets)
	if t == nil {
		if b.controller.Image().Topic(controller.ConsumerOffsets) == nil {
			if records, code := b.controller.AutoCreate(controller.ConsumerOffsets); code == wire.None {
				b.propose(now, &proposal{records: records}, fx)
			}
		}
		out.ErrorCode = int16(wire.CoordinatorNotAvailable)
		return out
	}
	leader := t.Partitions[group.PartitionOf(key, int32(len(t.Partitions)))].Leader
	if leader == meta.NoLeader { // its directory has failed
		out.ErrorCode = int16(wire.CoordinatorNotAvailable)
		return out
	}
	out.NodeID = leader
	out.Host, out.Port = b.address(c)
	return out
}

// coordinatorFor is the coordinator of a group, or why it does not serve.
func (b *Broker) coordinatorFor(id string) (*coordinator, wire.Code) {
	at, code := b.coordinatorUnder(id)
	if code == wire.None && at.groups.Dying(id) {
		return nil, wire.CoordinatorLoadInProgress // in a moment there is no such group
	}
	return at, code
}

// coordinatorUnder is the coordinator of a group that may be dying.
func (b *Broker) coordinatorUnder(id string) (*coordinator, wire.Code) {
	t := b.topics[controller.ConsumerOffsets]
	image := b.image.Topic(controller.ConsumerOffsets)
	if t == nil || image == nil {
		return nil, wire.NotCoordinator
	}
	index := group.PartitionOf(id, int32(len(image.Partitions)))
	if int(index) >= len(t.partitions) || t.partitions[index].coordinator == nil {
		return nil, wire.NotCoordinator
	}
	if b.dead(t.partitions[index]) {
		return nil, wire.NotCoordinator
	}
	return t.partitions[index].coordinator.serving()
}

func (c *coordinator) serving() (*coordinator, wire.Code) {
	switch c.state {
	case coordinatorWaiting, coordinatorLoading:
		return nil, wire.CoordinatorLoadInProgress
	case coordinatorReady:
		if c.partition.replica.Log.Broken() {
			return nil, wire.CoordinatorLoadInProgress // its fold is about to be dropped
		}
		return c, wire.None
	case coordinatorFailed, coordinatorGone:
	}
	return nil, wire.NotCoordinator
}

// groupsDecided appends what a coordinator of groups has decided, folds it, and lets its answers wait for it.
func (b *Broker) groupsDecided(now seam.Now, c *coordinator, fx *seam.Effects) {
	if records := c.groups.Records; len(records) > 0 {
		var builder batch.Builder
		builder.Begin(batch.Plain(batch.None))
		var key, value []byte
		for _, r := range records {
			k, v := group.Append(key[:0], value[:0], r)
			builder.Add(int64(now.Wall), k, v, nil)
			key, value = k, v
		}
		b.record(now, c, &builder, fx)
		for _, r := range records {
			c.groups.Replay(now, r)
		}
		clear(records)
		c.groups.Records = records[:0]
	}
	b.answerGroups(c, fx)
	b.arm(c)
}

// answerGroups hands on what a coordinator has answered.
func (b *Broker) answerGroups(c *coordinator, fx *seam.Effects) {
	for _, a := range c.groups.Answers {
		who := b.tickets[a.Ticket]
		delete(b.tickets, a.Ticket)
		b.answerAfter(c, who, a.Body, fx)
	}
	clear(c.groups.Answers)
	c.groups.Answers = c.groups.Answers[:0]
}

// answerAfter answers when what was decided until now is committed.
func (b *Broker) answerAfter(c *coordinator, who asker, answer wire.Answer, fx *seam.Effects) {
	b.after(c, func(code wire.Code, fx *seam.Effects) {
		if code != wire.None {
			failGroup(answer, code)
		}
		b.cold(who.conn, who.slot, who.corr, answer, fx)
	}, fx)
}

// failGroup turns an answer into an error: it was decided by a state that is gone.
func failGroup(a wire.Answer, code wire.Code) {
	switch a := a.(type) {
	case *kmsg.JoinGroupResponse:
		*a = kmsg.JoinGroupResponse{Version: a.Version, ErrorCode: int16(code), Generation: -1, MemberID: a.MemberID, Members: []kmsg.JoinGroupResponseMember{}}
	case *kmsg.SyncGroupResponse:
		*a = kmsg.SyncGroupResponse{Version: a.Version, ErrorCode: int16(code), MemberAssignment: []byte{}}
	case *kmsg.HeartbeatResponse:
		a.ErrorCode = int16(code)
	case *kmsg.LeaveGroupResponse:
		a.ErrorCode, a.Members = int16(code), []kmsg.LeaveGroupResponseMember{}
	case *kmsg.ConsumerGroupHeartbeatResponse:
		*a = kmsg.ConsumerGroupHeartbeatResponse{Version: a.Version, ErrorCode: int16(code)}
	case *kmsg.OffsetDeleteResponse:
		a.ErrorCode, a.Topics = int16(code), []kmsg.OffsetDeleteResponseTopic{}
	}
}

func (b *Broker) ticket(who asker) group.Ticket {
	if b.tickets == nil {
		b.tickets = map[group.Ticket]asker{}
	}
	b.lastTicket++
	b.tickets[b.lastTicket] = who
	return b.lastTicket
}

// clientOf is who sent a request, as Kafka writes it into group records.
func clientOf(c *connection, r *conn.Request) group.Client {
	return group.Client{ID: string(r.ClientID), Host: "/" + c.address}
}

func (b *Broker) joinGroup(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.JoinGroupRequest, fx *seam.Effects) {
	who := asker{c.id, slot, r.Correlation}
	at, code := b.coordinatorFor(request.Group)
	if early := group.JudgeJoin(&b.config.Groups, request); early != wire.None {
		code = early
	}
	if code != wire.None {
		answer := request.ResponseKind().(*kmsg.JoinGroupResponse)
		answer.MemberID = request.MemberID
		failGroup(answer, code)
		b.cold(who.conn, who.slot, who.corr, answer, fx)
		return
	}
	at.groups.JoinGroup(now, b.ticket(who), clientOf(c, r), request)
	b.groupsDecided(now, at, fx)
}

func (b *Broker) syncGroup(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.SyncGroupRequest, fx *seam.Effects) {
	who := asker{c.id, slot, r.Correlation}
	at, code := b.coordinatorFor(request.Group)
	if early := group.JudgeSync(request); early != wire.None {
		code = early
	}
	if code != wire.None {
		answer := request.ResponseKind().(*kmsg.SyncGroupResponse)
		failGroup(answer, code)
		b.cold(who.conn, who.slot, who.corr, answer, fx)
		return
	}
	at.groups.SyncGroup(now, b.ticket(who), request)
	b.groupsDecided(now, at, fx)
}

func (b *Broker) heartbeat(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.HeartbeatRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.HeartbeatResponse)
	at, code := b.coordinatorFor(request.Group)
	switch {
	case request.Group == "":
		code = wire.InvalidGroupID
	case code == wire.CoordinatorLoadInProgress:
		code = wire.None // nothing is known that would speak against it
	case code == wire.None:
		answer.ErrorCode = int16(at.groups.Heartbeat(now, request))
		b.groupsDecided(now, at, fx)
		b.answerAfter(at, asker{c.id, slot, r.Correlation}, answer, fx)
		return
	}
	answer.ErrorCode = int16(code)
	b.cold(c.id, slot, r.Correlation, answer, fx)
}

func (b *Broker) leaveGroup(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.LeaveGroupRequest, fx *seam.Effects) {
	at, code := b.coordinatorFor(request.Group)
	if request.Group == "" {
		code = wire.InvalidGroupID
	}
	if code != wire.None {
		answer := request.ResponseKind().(*kmsg.LeaveGroupResponse)
		failGroup(answer, code)
		b.cold(c.id, slot, r.Correlation, answer, fx)
		return
	}
	answer := at.groups.LeaveGroup(now, request)
	b.groupsDecided(now, at, fx)
	b.answerAfter(at, asker{c.id, slot, r.Correlation}, answer, fx)
}

// gathering is a request whose answer comes together from several coordinators.
type gathering struct {
	who    asker
	answer wire.Answer
	open   int
	told   int64  // bytes of what it tells of groups
	end    func() // nil, or what makes the answer of what has come together
}

// rowBytes is what a member, a topic or a partition takes in an answer beside its strings.
const rowBytes = 128

// isFull says whether an answer tells so much of groups that the rest is refused: a group may be named again and again.
func (b *Broker) isFull(g *gathering) bool { return g.told >= b.tellable() }

// tell counts a classic group's members.
func (g *gathering) tell(members []kmsg.DescribeGroupsResponseGroupMember) {
	for i := range members {
		m := &members[i]
		g.told += int64(rowBytes + 2*len(m.MemberID) + len(m.ClientID) + len(m.ClientHost) + len(m.ProtocolMetadata) + len(m.MemberAssignment))
	}
}

// tellConsumers counts a consumer group's members, and says how many items they are.
func (g *gathering) tellConsumers(members []kmsg.ConsumerGroupDescribeResponseGroupMember) (items int) {
	for i := range members {
		m := &members[i]
		items += 1 + len(m.SubscribedTopics) + len(m.Assignment.TopicPartitions) + len(m.TargetAssignment.TopicPartitions)
		g.told += int64(rowBytes + 2*len(m.MemberID) + len(m.ClientID) + len(m.ClientHost))
		for _, name := range m.SubscribedTopics {
			g.told += int64(16 + len(name))
		}
		for _, assignment := range [...][]kmsg.AssignmentTopicPartition{m.Assignment.TopicPartitions, m.TargetAssignment.TopicPartitions} {
			for j := range assignment {
				g.told += int64(rowBytes + len(assignment[j].Topic) + 4*len(assignment[j].Partitions))
			}
		}
	}
	return items
}

func (b *Broker) gathered(g *gathering, fx *seam.Effects) {
	if g.open--; g.open == 0 {
		if g.end != nil {
			g.end()
		}
		b.cold(g.who.conn, g.who.slot, g.who.corr, g.answer, fx)
	}
}

// describeGroups (15).
func (b *Broker) describeGroups(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DescribeGroupsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.DescribeGroupsResponse)
	answer.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(request.Groups))
	g := &gathering{who: asker{c.id, slot, r.Correlation}, answer: answer, open: 1}
	b.eachGroup(now, c, g, len(request.Groups), func(i int, now seam.Now, fx *seam.Effects) {
		out := &answer.Groups[i]
		fail := func(code wire.Code) {
			*out = kmsg.NewDescribeGroupsResponseGroup()
			out.Group, out.ErrorCode, out.Members = request.Groups[i], int16(code), []kmsg.DescribeGroupsResponseGroupMember{}
		}
		at, code := b.coordinatorFor(request.Groups[i])
		if b.isFull(g) {
			code = wire.PolicyViolation
		}
		if code != wire.None {
			fail(code)
			return
		}
		*out = at.groups.Describe(request.Groups[i], request.Version)
		g.tell(out.Members)
		b.turns.room -= len(out.Members)
		if out.State != "Dead" {
			b.tellAwaited(g, &out.UnknownTags, at, request.Groups[i], now)
		}
		if request.IncludeAuthorizedOperations && out.ErrorCode == 0 {
			out.AuthorizedOperations = groupOperations
		}
		b.gather(at, g, fail, fx)
	}, fx)
}

// tellAwaited says who is awaited, if anybody is, and counts it: there may be many more than members.
func (b *Broker) tellAwaited(g *gathering, tags *kmsg.Tags, at *coordinator, id string, now seam.Now) {
	if awaited := at.groups.Awaited(id); len(awaited.Members) > 0 {
		text := group.AppendAwaited(nil, now.Mono, awaited)
		tags.Set(group.AwaitedTag, text)
		g.told += int64(len(text))
		b.turns.room -= len(awaited.Members)
	}
}

// consumerGroupHeartbeat (68).
func (b *Broker) consumerGroupHeartbeat(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.ConsumerGroupHeartbeatRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	if b.config.Groups.Consumer.Off {
		failGroup(answer, wire.UnsupportedVersion)
		b.cold(c.id, slot, r.Correlation, answer, fx)
		return
	}
	if code, why := group.JudgeHeartbeat(&b.config.Groups, request); code != wire.None {
		answer.ErrorCode, answer.ErrorMessage = int16(code), &why
		b.cold(c.id, slot, r.Correlation, answer, fx)
		return
	}
	at, code := b.coordinatorFor(request.Group)
	if code != wire.None {
		failGroup(answer, code)
		b.cold(c.id, slot, r.Correlation, answer, fx)
		return
	}
	answer = at.groups.ConsumerGroupHeartbeat(now, clientOf(c, r), request)
	b.groupsDecided(now, at, fx)
	b.answerAfter(at, asker{c.id, slot, r.Correlation}, answer, fx)
}

// consumerGroupDescribe (69).
func (b *Broker) consumerGroupDescribe(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.ConsumerGroupDescribeRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	answer.Groups = make([]kmsg.ConsumerGroupDescribeResponseGroup, len(request.Groups))
	g := &gathering{who: asker{c.id, slot, r.Correlation}, answer: answer, open: 1}
	b.eachGroup(now, c, g, len(request.Groups), func(i int, now seam.Now, fx *seam.Effects) {
		out := &answer.Groups[i]
		fail := func(code wire.Code) {
			*out = kmsg.NewConsumerGroupDescribeResponseGroup()
			out.Group, out.ErrorCode, out.Members = request.Groups[i], int16(code), []kmsg.ConsumerGroupDescribeResponseGroupMember{}
		}
		at, code := b.coordinatorFor(request.Groups[i])
		switch {
		case b.config.Groups.Consumer.Off:
			code = wire.UnsupportedVersion
		case request.Groups[i] == "":
			code = wire.InvalidGroupID
		case b.isFull(g):
			code = wire.PolicyViolation
		}
		if code != wire.None {
			fail(code)
			return
		}
		*out = at.groups.ConsumerGroupDescribe(request.Groups[i])
		if b.turns.room -= g.tellConsumers(out.Members); out.ErrorCode == 0 {
			b.tellAwaited(g, &out.UnknownTags, at, request.Groups[i], now)
		}
		if request.IncludeAuthorizedOperations && out.ErrorCode == 0 {
			out.AuthorizedOperations = groupOperations
		}
		b.gather(at, g, fail, fx)
	}, fx)
}

// groupOperations are READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS: what anybody may do to a group.
const groupOperations = 3400

// gather waits for what a coordinator has told to be committed.
func (b *Broker) gather(c *coordinator, g *gathering, fail func(code wire.Code), fx *seam.Effects) {
	g.open++
	b.after(c, func(code wire.Code, fx *seam.Effects) {
		if code != wire.None {
			fail(code)
		}
		b.gathered(g, fx)
	}, fx)
}

// eachGroup works off a request item by item, and answers it when all that it waits for has come.
func (b *Broker) eachGroup(now seam.Now, c *connection, g *gathering, n int, do func(i int, now seam.Now, fx *seam.Effects), fx *seam.Effects) {
	i := 0
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		for ; i < n; i++ {
			if !b.turns.take() {
				return false
			}
			do(i, now, fx)
		}
		b.gathered(g, fx)
		return true
	}, fx)
}

// listGroups (16).
func (b *Broker) listGroups(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.ListGroupsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.ListGroupsResponse)
	answer.Groups = []kmsg.ListGroupsResponseGroup{}
	g := &gathering{who: asker{c.id, slot, r.Correlation}, answer: answer, open: 1}
	var all []*coordinator
	b.coordinators(func(c *coordinator) { all = append(all, c) })
	states, types := group.StatesOf(request.StatesFilter), group.FilterOf(request.TypesFilter)
	next, from := 0, ""
	b.inTurns(now, c, func(_ seam.Now, fx *seam.Effects) bool {
		for ; next < len(all); next, from = next+1, "" {
			at, code := all[next].serving()
			if code == wire.CoordinatorLoadInProgress {
				answer.ErrorCode, answer.Groups = int16(code), []kmsg.ListGroupsResponseGroup{}
				break
			}
			if at == nil {
				continue
			}
			for id, more := at.groups.NextGroup(from); more; id, more = at.groups.NextGroup(from) {
				if !b.turns.take() {
					return false
				}
				if out, wanted := at.groups.List(id, states, types); wanted {
					answer.Groups = append(answer.Groups, out)
				}
				from = id + "\x00"
			}
			b.gather(at, g, func(code wire.Code) {
				answer.ErrorCode, answer.Groups = int16(wire.CoordinatorLoadInProgress), []kmsg.ListGroupsResponseGroup{}
			}, fx)
		}
		b.gathered(g, fx)
		return true
	}, fx)
}

// deleteGroups (42): of a group that is named twice there is one answer.
func (b *Broker) deleteGroups(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DeleteGroupsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.DeleteGroupsResponse)
	answer.Groups = []kmsg.DeleteGroupsResponseGroup{}
	named := map[string]bool{}
	for _, id := range request.Groups {
		if !named[id] {
			named[id] = true
			out := kmsg.NewDeleteGroupsResponseGroup()
			out.Group = id
			answer.Groups = append(answer.Groups, out)
		}
	}
	g := &gathering{who: asker{c.id, slot, r.Correlation}, answer: answer, open: 1}
	i, judged := 0, false
	var begun *group.Coordinator // to delete the group
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		for ; i < len(answer.Groups); i, judged, begun = i+1, false, nil {
			out := &answer.Groups[i]
			at, code := b.coordinatorUnder(out.Group)
			if !judged {
				if !b.turns.take() {
					return false
				}
				if judged = true; code == wire.None {
					code = at.groups.JudgeDelete(out.Group)
				}
			}
			if code == wire.None && begun != nil && begun != at.groups {
				code = wire.NotCoordinator
			}
			if code != wire.None {
				out.ErrorCode = int16(code)
				continue
			}
			if begun == nil || at.groups.Dying(out.Group) { // else somebody else has ended it, and one of that name may be another
				begun = at.groups
				done := at.groups.Delete(out.Group, b.take)
				b.groupsDecided(now, at, fx)
				if !done {
					return false
				}
			}
			b.gather(at, g, func(code wire.Code) { out.ErrorCode = int16(code) }, fx)
		}
		b.gathered(g, fx)
		return true
	}, fx)
}
