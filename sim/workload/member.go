package workload

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// member is a client in a group of the classic protocol. It joins, is assigned shares, commits offsets for them and reads
// them again; it falls silent for longer than its session, dies and comes back as somebody else or as the instance that it
// is, commits what it should not any more, leaves. When the faults are over it has to find its place once more before it
// goes.
//
//	find ─▶ join ─▶ sync ─▶ own ─▶ ...
//	  ▲       ▲       │      │
//	  └───────┴───────┴──────┘ what the coordinator says
type member struct {
	*session
	group    string
	instance string // empty: it is a dynamic member
	budget   int
	millis   [2]int32  // session and rebalance timeout
	round    seam.Mono // the shortest that it may have to join again in: before version 1 that is its session

	stage      memberStage
	id         string
	generation int32
	leader     string   // of it
	roll       []string // ids of the generation's members: it leads
	shares     []int32
	before     identity // what it was in an earlier generation, or life
	next       seam.Mono
	settled    bool // it had a place after the faults
	left       seam.Mono
	deletes    *world.Stream
	led        identity  // as whom it led last, and had its place
	heard      seam.Mono // when it last asked for something that only a member is given
	spoke      seam.Mono // when it committed last: that it is alive, but perhaps not that a rebalance is under way
}

type memberStage uint8

const (
	memberFinds memberStage = iota
	memberJoins
	memberSyncs
	memberOwns
	memberGone
)

// identity is who commits.
type identity struct {
	id         string
	generation int32
}

const sharesAll = 5 // a group's: the partitions of "firm", then those of "loose"

func shareOf(n int32) (topic string, partition int32) {
	if n < 3 {
		return "firm", n
	}
	return "loose", n - 3
}

const (
	offsetsTopic      = "__consumer_offsets"
	offsetsPartitions = 2
)

// offsetsLogs are the logs of what groups are kept in.
func offsetsLogs() (all []check.Partition) {
	for n := range int32(offsetsPartitions) {
		all = append(all, check.Partition{Topic: offsetsTopic, Number: n})
	}
	return all
}

// memberLinger is how long after its leave a member waits for what is left of its group to be over.
const memberLinger = 8 * seam.Second

func (r *Run) enterMembers() {
	s := r.tape.Stream("members.kind")
	for i := range r.plan.Members {
		m := &member{session: r.client(fmt.Sprintf("member.%d", i)), group: [2]string{"pack", "pride"}[i%4/3], budget: r.plan.Budget}
		m.deletes = r.tape.Stream(m.name + ".deletes")
		if s.Choose(3) == 1 {
			m.instance = m.name
		}
		m.millis = [2]int32{int32(300 * (1 + s.Choose(5))), int32(500 * (1 + s.Choose(4)))}
		r.enter(m.session, m)
	}
}

func (m *member) idle() bool {
	return len(m.inflight) == 0 && m.stage == memberGone && m.run.World.Now() >= m.left+memberLinger || m.run.draining && m.run.offsetsRotted()
}

// offsetsRotted: a bit of what groups are kept in has turned, and they are not served.
func (r *Run) offsetsRotted() bool {
	return slices.ContainsFunc(offsetsLogs(), r.rotted)
}

func (m *member) String() string {
	return fmt.Sprintf("%s stage %d generation %d settled %v", m.session, m.stage, m.generation, m.settled)
}

func (m *member) owner() string {
	if m.instance != "" {
		return m.instance
	}
	return m.id
}

func (m *member) instanceID() *string {
	if m.instance == "" {
		return nil
	}
	return &m.instance
}

func (m *member) turn(now seam.Mono, fx *seam.Effects) {
	if len(m.inflight) > 0 {
		return
	}
	if m.stage == memberGone {
		if now < m.left+memberLinger {
			fx.Wake(m.left + memberLinger)
		}
		return
	}
	if now < m.next {
		fx.Wake(m.next)
		return
	}
	m.next = now + m.think()
	switch m.stage {
	case memberFinds:
		m.find(now, fx)
	case memberJoins:
		m.join(now, fx)
	case memberSyncs:
		m.sync(now, fx)
	case memberOwns:
		m.own(now, fx)
	case memberGone:
	}
}

// own is one deed of a member that has its place.
func (m *member) own(now seam.Mono, fx *seam.Effects) {
	if m.run.draining {
		if m.settled {
			m.leave(now, fx)
		} else {
			m.stage = memberJoins // to be sure of its place
			fx.Wake(now)
		}
		return
	}
	if m.budget == 0 {
		m.heartbeat(now, fx)
		return
	}
	m.budget--
	if m.run.plan.Expiry > 0 && m.deletes.Choose(10) == 9 {
		m.delete(now, fx)
		return
	}
	switch m.stream.Pick(6, 6, 3, 2, 1, 1, 1, 1) {
	case 0:
		m.heartbeat(now, fx)
	case 1:
		m.commit(now, identity{m.id, m.generation}, fx)
	case 2:
		m.fetch(now, fx)
	case 3: // late, in the name of what it was
		m.commit(now, m.before, fx)
	case 4: // silent for longer than its session
		m.next = now + seam.Mono(m.millis[0])*seam.Millisecond*3/2
		fx.Wake(m.next)
	case 5: // dies, and comes back as another
		m.forget()
		fx.Wake(m.next)
	case 6:
		m.leave(now, fx)
	case 7: // wants a rebalance
		m.stage = memberJoins
		fx.Wake(m.next)
	}
}

// forget is what a process does that dies.
func (m *member) forget() {
	m.before = identity{m.id, m.generation}
	m.id, m.generation, m.shares, m.roll, m.heard = "", -1, nil, nil, 0
	m.stage = memberFinds
}

// refused goes on after an error.
func (m *member) refused(now seam.Mono, code int16) {
	m.before = identity{m.id, m.generation}
	m.next = now + 20*seam.Millisecond + m.think()
	if wire.Code(code) == wire.UnknownMemberID {
		m.expelled(now)
	}
	m.heard = 0
	switch wire.Code(code) {
	case wire.UnknownMemberID, wire.FencedInstanceID:
		m.id, m.stage = "", memberJoins
	case wire.GroupMaxSizeReached:
		m.id, m.stage, m.next = "", memberJoins, now+200*seam.Millisecond+m.think()
	case wire.IllegalGeneration, wire.RebalanceInProgress:
		m.stage = memberJoins
	case wire.CoordinatorLoadInProgress:
	default:
		m.stage = memberFinds
	}
}

// shortestRound is the shortest rebalance timeout that a member names: who has not joined after it is out too.
const shortestRound = 500 * seam.Millisecond

// expelled: it is no member any more. It must have been silent for its session, or for a rebalance; or
// whoever answered it had not loaded its group yet.
func (m *member) expelled(now seam.Mono) {
	if m.heard > m.run.loaded {
		due := min(max(m.heard, m.spoke)+seam.Mono(m.millis[0])*seam.Millisecond, m.heard+m.round)
		m.run.require(now >= due, check.HeardIsKept, "%s: %s is unknown at %v; it was heard of after %v, and has committed after %v", m.name, m.id, now, m.heard, m.spoke)
	}
}

// called is how many dynamic members of a generation its leader is told of. An instance keeps its place while it is away, and
// who came meanwhile found room: as in Kafka, so that there may be more of them altogether.
func (r *Run) called(dynamic int) {
	if room := r.plan.Limits.Classic; room > 0 {
		r.require(dynamic <= room, check.RoomKept, "a generation has %d dynamic members, and %d are all that a group may have", dynamic, room)
	}
}

// named takes the id that it was given.
func (m *member) named(id string) {
	if id != m.id {
		owner, given := m.run.memberIDs[id]
		m.run.require(!given, check.IDsOnce, "%s: its id %s was given to %s before", m.name, id, owner)
		m.run.memberIDs[id] = m.name
	}
	m.id = id
}

// lost: the link broke; nobody knows.
func (m *member) lost(now seam.Mono, fx *seam.Effects) {
	m.next = now + 20*seam.Millisecond
	if m.stage == memberSyncs {
		m.stage = memberJoins
	}
	fx.Wake(m.next)
}

func (m *member) request(now seam.Mono, key int16, request kmsg.Request, fx *seam.Effects, code func(kmsg.Response) int16, done func(now seam.Mono, answer kmsg.Response)) {
	m.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			m.lost(at, fx)
			return
		}
		m.run.told(question{key: key, sent: now}, code(answer), at)
		if c := code(answer); c != none && wire.Code(c) != wire.MemberIDRequired {
			m.refused(at, c)
		} else {
			done(at, answer)
		}
		fx.Wake(max(m.next, at+seam.Microsecond))
	}})
}

func (m *member) find(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.Version, r.CoordinatorKey, r.CoordinatorKeys = int16(m.stream.Choose(7)), m.group, []string{m.group}
	m.request(now, wire.KeyFindCoordinator, r, fx, func(answer kmsg.Response) int16 {
		a := answer.(*kmsg.FindCoordinatorResponse)
		if a.Version >= 4 {
			return a.Coordinators[0].ErrorCode
		}
		return a.ErrorCode
	}, func(seam.Mono, kmsg.Response) { m.stage = memberJoins })
}

func (m *member) join(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.ProtocolType = int16(m.stream.Choose(10)), m.group, m.id, "consumer"
	if m.instance != "" {
		r.Version, r.InstanceID = max(r.Version, 5), m.instanceID()
	}
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = m.millis[0], m.millis[1]
	for _, name := range []string{"range", "roundrobin"}[m.stream.Choose(2):] {
		r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: name, Metadata: offers(m.group, m.name, name)})
	}
	if m.heard, m.round = 0, shortestRound; r.Version == 0 {
		m.round = min(m.round, seam.Mono(m.millis[0])*seam.Millisecond)
	}
	folded := m.run.loaded
	m.request(now, wire.KeyJoinGroup, r, fx, func(answer kmsg.Response) int16 { return answer.(*kmsg.JoinGroupResponse).ErrorCode }, func(at seam.Mono, answer kmsg.Response) {
		a := answer.(*kmsg.JoinGroupResponse)
		if m.named(a.MemberID); wire.Code(a.ErrorCode) == wire.MemberIDRequired {
			return
		}
		m.summoned(folded, r, a)
		m.again(r, a)
		m.generation, m.leader, m.roll, m.stage = a.Generation, a.LeaderID, nil, memberSyncs
		m.next = at
		if a.LeaderID == a.MemberID && !a.SkipAssignment {
			dynamic := 0
			for _, one := range a.Members {
				if m.roll = append(m.roll, one.MemberID); one.InstanceID == nil {
					dynamic++
				}
			}
			if a.Version >= 5 { // before, it is not told who is an instance
				m.run.called(dynamic)
			}
		}
	})
}

// again: the leader asks for a rebalance by joining, as when a topic has more partitions. An instance may lead no more when it
// comes back.
func (m *member) again(asked *kmsg.JoinGroupRequest, a *kmsg.JoinGroupResponse) {
	if m.instance == "" && m.led.id != "" && m.led.id == asked.MemberID {
		m.run.require(a.Generation > m.led.generation, check.LeaderIsHeard, "%s led generation %d of %s, has joined again, and is told of generation %d", m.name, m.led.generation, m.group, a.Generation)
	}
}

func (m *member) sync(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.Generation = int16(m.stream.Choose(5)), m.group, m.id, m.generation
	if m.instance != "" {
		r.Version, r.InstanceID = max(r.Version, 3), m.instanceID()
	}
	m.heard = 0
	if len(m.roll) > 0 {
		named := slices.Clone(m.roll)
		if len(named) > 1 && m.stream.Choose(4) == 3 { // somebody gets nothing, and is not even named
			i := m.stream.Choose(len(named))
			named = slices.Delete(named, i, i+1)
		}
		parts := make([][]byte, len(named))
		for share := range sharesAll {
			parts[share%len(parts)] = append(parts[share%len(parts)], byte(share))
		}
		for i, id := range named {
			r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: parts[i]})
		}
	}
	generation, leader, folded := m.generation, m.leader, m.run.loaded
	m.request(now, wire.KeySyncGroup, r, fx, func(answer kmsg.Response) int16 { return answer.(*kmsg.SyncGroupResponse).ErrorCode }, func(at seam.Mono, answer kmsg.Response) {
		m.shares = nil
		for _, share := range answer.(*kmsg.SyncGroupResponse).MemberAssignment {
			m.shares = append(m.shares, int32(share))
		}
		m.stage, m.settled = memberOwns, m.run.draining
		if len(m.roll) > 0 {
			m.led = identity{m.id, generation}
		}
		m.enrolled(folded, leader, generation)
		m.run.History.Claims = append(m.run.History.Claims, &check.Claim{Group: m.group, Generation: generation, Owner: m.owner(), Member: m.id, Shares: slices.Clone(m.shares), At: at})
	})
}

func (m *member) heartbeat(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.Generation = int16(m.stream.Choose(5)), m.group, m.id, m.generation
	if m.instance != "" {
		r.Version, r.InstanceID = max(r.Version, 3), m.instanceID()
	}
	m.request(now, wire.KeyHeartbeat, r, fx, func(answer kmsg.Response) int16 { return answer.(*kmsg.HeartbeatResponse).ErrorCode }, func(at seam.Mono, _ kmsg.Response) {
		m.heard = now
		if now > m.run.loaded {
			m.run.beats[m.group] = append(m.run.beats[m.group], beat{member: m.id, sent: now, answered: at})
		}
	})
}

// beat is a heartbeat that was answered well: by a coordinator that knew its sender, or had not folded its log yet and knew nobody.
type beat struct {
	member         string
	sent, answered seam.Mono
}

// believe takes heartbeats of a group for what they say: they were answered before a commit was asked for, which was taken, so
// that its coordinator had folded its log by then. Those that were sent before it did are not among them.
func (r *Run) believe(group string, asked seam.Mono) {
	r.beats[group] = slices.DeleteFunc(r.beats[group], func(b beat) bool {
		if b.answered > asked {
			return false
		}
		r.History.Hear(b.member, b.sent)
		return true
	})
}

func (m *member) leave(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group, r.MemberID = int16(m.stream.Choose(6)), m.group, m.id
	r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.id, InstanceID: m.instanceID()}}
	draining := m.run.draining
	gone := func(at seam.Mono) {
		if m.forget(); draining {
			m.stage, m.left = memberGone, at
		}
	}
	m.ask(now, r, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer != nil {
			a := answer.(*kmsg.LeaveGroupResponse)
			m.run.told(question{key: wire.KeyLeaveGroup, sent: now}, a.ErrorCode, at)
			for _, one := range a.Members {
				m.run.told(question{key: wire.KeyLeaveGroup, sent: now}, one.ErrorCode, at)
			}
		}
		gone(at)
		fx.Wake(max(m.next, at+seam.Microsecond))
	}})
}

// freshOffset is one that nobody has committed yet. They fall as often as they rise, since the newest is not the highest.
func (r *Run) freshOffset() int64 {
	r.commits++
	if r.commits%2 == 0 {
		return 1<<20 - r.commits
	}
	return 1<<20 + r.commits
}

// commit commits an offset that nobody else does, for a share that it has, or had.
func (m *member) commit(now seam.Mono, as identity, fx *seam.Effects) {
	if as.id == "" || len(m.shares) == 0 {
		fx.Wake(m.next)
		return
	}
	share := m.shares[m.stream.Choose(len(m.shares))]
	topic, partition := shareOf(share)
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.Generation = int16(2+m.stream.Choose(9)), m.group, as.id, as.generation
	if m.instance != "" {
		r.Version, r.InstanceID = max(r.Version, 7), m.instanceID()
	}
	id, known := m.run.topicIDs[topic]
	if !known {
		r.Version = min(r.Version, 9)
	}
	c := &check.Commit{Group: m.group, Share: share, Offset: m.run.freshOffset(), Generation: as.generation, Owner: m.owner(), Member: as.id, Call: now, Return: check.Unfinished}
	m.run.History.Commits = append(m.run.History.Commits, c)
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, TopicID: id, Partitions: m.run.place(partition, c.Offset, r.Version)}}
	judge := func(at seam.Mono, answer kmsg.Response) (code int16) {
		topics := answer.(*kmsg.OffsetCommitResponse).Topics
		if !m.run.require(len(topics) == 1 && len(topics[0].Partitions) == 1, check.AnswersInOrder, "%s: an answer about %d topics", m.name, len(topics)) {
			return -1
		}
		code = topics[0].Partitions[0].ErrorCode
		m.run.told(question{key: wire.KeyOffsetCommit, topic: topic, sent: now}, code, at)
		switch wire.Code(code) {
		case wire.None:
			c.Outcome, c.Return = check.Done, at
		case wire.UnknownMemberID, wire.IllegalGeneration, wire.RebalanceInProgress, wire.FencedInstanceID, wire.GroupIDNotFound, wire.CoordinatorLoadInProgress, wire.UnknownTopicOrPartition:
			c.Outcome = check.Refused
		}
		return code
	}
	m.ask(now, r, fx, &call{settle: func(at seam.Mono, answer kmsg.Response) { judge(at, answer) }, done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			m.lost(at, fx)
			return
		}
		switch code := judge(at, answer); {
		case as.id != m.id || as.generation != m.generation:
		case code == none:
			m.spoke = now
			m.run.believe(m.group, now)
			m.run.History.Hear(m.id, now)
		case code != unknownTopic:
			m.refused(at, code)
		}
		fx.Wake(max(m.next, at+seam.Microsecond))
	}})
}

// delete has what its group has committed of a share deleted, or the group: neither is possible while it is a member, and reads
// that. It is done only where offsets expire, since a group that was deleted begins anew at its first generation.
func (m *member) delete(now seam.Mono, fx *seam.Effects) {
	var request kmsg.Request
	var shares []int32
	var of string
	if m.deletes.Choose(2) == 1 {
		r := kmsg.NewPtrDeleteGroupsRequest()
		r.Version, r.Groups = 2, []string{m.group}
		for share := range int32(sharesAll) {
			shares = append(shares, share)
		}
		request = r
	} else {
		share := int32(m.deletes.Choose(sharesAll))
		topic, partition := shareOf(share)
		r := kmsg.NewPtrOffsetDeleteRequest()
		r.Group, r.Topics = m.group, []kmsg.OffsetDeleteRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: partition}}}}
		request, shares, of = r, []int32{share}, topic
	}
	var deletions []*check.Commit
	for _, share := range shares {
		deletions = append(deletions, &check.Commit{Group: m.group, Share: share, Offset: -1, Generation: -1, Call: now, Return: check.Unfinished})
	}
	m.run.History.Commits = append(m.run.History.Commits, deletions...)
	heard, id := m.heard, m.id
	due := heard + min(seam.Mono(m.millis[0])*seam.Millisecond, m.round)
	judge := func(at seam.Mono, answer kmsg.Response) {
		code := int16(none)
		switch a := answer.(type) {
		case *kmsg.DeleteGroupsResponse:
			code = a.Groups[0].ErrorCode
		case *kmsg.OffsetDeleteResponse:
			if code = a.ErrorCode; code == none {
				code = a.Topics[0].Partitions[0].ErrorCode
			}
		}
		m.run.told(question{key: request.Key(), topic: of, sent: now}, code, at)
		m.run.require(code != none || at >= due || heard <= m.run.loaded, check.HeardIsKept, "%s: %s of %s was done at %v, and %s was heard of after %v", m.name, kmsg.NameForKey(request.Key()), m.group, at, id, heard)
		for _, c := range deletions {
			switch wire.Code(code) {
			case wire.None:
				c.Outcome, c.Return = check.Done, at
			case wire.UnknownTopicOrPartition, wire.GroupIDNotFound, wire.CoordinatorLoadInProgress, wire.NonEmptyGroup, wire.GroupSubscribedToTopic:
				c.Outcome = check.Refused
			}
		}
	}
	m.ask(now, request, fx, &call{settle: judge, done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			m.lost(at, fx)
			return
		}
		judge(at, answer)
		fx.Wake(max(m.next, at+seam.Microsecond))
	}})
}

func (m *member) fetch(now seam.Mono, fx *seam.Effects) {
	share := int32(m.stream.Choose(sharesAll))
	topic, partition := shareOf(share)
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version, r.Group, r.RequireStable = int16(1+m.stream.Choose(9)), m.group, m.stream.Choose(2) == 1
	r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{partition}}}
	r.Groups = []kmsg.OffsetFetchRequestGroup{{Group: m.group, MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{partition}}}}}
	found := func(answer kmsg.Response) (offset int64, code int16) {
		a := answer.(*kmsg.OffsetFetchResponse)
		switch {
		case a.Version >= 8 && a.Groups[0].ErrorCode != none:
			return -1, a.Groups[0].ErrorCode
		case a.Version >= 8:
			p := a.Groups[0].Topics[0].Partitions[0]
			m.run.noted(m.name, p.Offset, p.LeaderEpoch, p.Metadata, a.Version)
			return p.Offset, p.ErrorCode
		case a.ErrorCode != none:
			return -1, a.ErrorCode
		}
		p := a.Topics[0].Partitions[0]
		m.run.noted(m.name, p.Offset, p.LeaderEpoch, p.Metadata, a.Version)
		return p.Offset, p.ErrorCode
	}
	m.request(now, wire.KeyOffsetFetch, r, fx, func(answer kmsg.Response) int16 { _, code := found(answer); return code }, func(at seam.Mono, answer kmsg.Response) {
		offset, _ := found(answer)
		m.run.History.Committed = append(m.run.History.Committed, &check.Committed{Group: m.group, Share: share, Offset: offset, Call: now, Return: at})
	})
}
