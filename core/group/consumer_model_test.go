package group

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/assign"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A client of the consumer protocol, as dumb as one can be: it takes what it is given, gives up what it is no longer given,
// and says what it owns.
type dumbClient struct {
	id       string
	instance *string
	assignor *string
	topics   []string
	regex    *string
	epoch    int32
	owned    []TopicPartitions // what it works on
	tell     bool              // its next heartbeat is a full one
	gone     bool              // it does not know it, but others do
	parted   bool              // static, and left for a while
	classic  bool              // it speaks the classic protocol, the eager way: to join again it gives up all
	stage    dumbStage
}

// dumbStage is how far a classic client is.
type dumbStage uint8

const (
	dumbJoins dumbStage = iota // it is to join
	dumbWaits                  // for an answer
	dumbSyncs                  // it has joined
	dumbWorks
)

// modernModel is a group and its clients, and beside it the dumbest possible twin of the coordinator's promise: a table of
// who works on which partition.
type modernModel struct {
	*modernWorld
	clients []*dumbClient
	next    int
	ids     int
	mixed   bool // some speak the classic protocol
	asked   map[Ticket]*dumbClient
	roll    map[*dumbClient][]kmsg.JoinGroupResponseMember // what a leader is told
}

// flush folds what was decided, and hands on what was answered.
func (m *modernModel) flush() {
	_, answers := m.decided()
	m.deliver(answers)
}

func (m *modernModel) deliver(answers []Answer) {
	for _, a := range answers {
		c := m.asked[a.Ticket]
		require.NotNil(m.t, c, "an answer that nobody waits for")
		delete(m.asked, a.Ticket)
		switch a := a.Body.(type) {
		case *kmsg.JoinGroupResponse:
			m.joined(c, a)
		case *kmsg.SyncGroupResponse:
			m.synced(c, a)
		}
	}
}

func (m *modernModel) ask(c *dumbClient) Ticket {
	m.ticket++
	m.asked[m.ticket] = c
	c.stage = dumbWaits
	return m.ticket
}

func (m *modernModel) joined(c *dumbClient, a *kmsg.JoinGroupResponse) {
	c.stage = dumbJoins
	switch code := wire.Code(a.ErrorCode); code {
	case wire.None:
		c.id, c.epoch, c.stage, c.gone, m.roll[c] = a.MemberID, a.Generation, dumbSyncs, false, a.Members
	case wire.MemberIDRequired:
		c.id, c.epoch = a.MemberID, 0
	case wire.UnknownMemberID:
		c.id, c.epoch = "", 0
	case wire.RebalanceInProgress, wire.NotCoordinator:
	default:
		require.Fail(m.t, "unexpected", "join: %v", code)
	}
}

func (m *modernModel) synced(c *dumbClient, a *kmsg.SyncGroupResponse) {
	c.stage = dumbJoins
	switch code := wire.Code(a.ErrorCode); code {
	case wire.None:
		var assignment kmsg.ConsumerMemberAssignment
		if len(a.MemberAssignment) > 0 {
			require.NoError(m.t, assignment.ReadFrom(a.MemberAssignment))
		}
		var set []TopicPartitions
		for _, t := range assignment.Topics {
			if topic := m.image.Topic(t.Topic); topic != nil {
				set = append(set, TopicPartitions{TopicID: topic.ID, Partitions: t.Partitions})
			}
		}
		c.owned, c.stage = orderedSet(set), dumbWorks
	case wire.UnknownMemberID:
		c.id, c.epoch = "", 0
	case wire.IllegalGeneration, wire.RebalanceInProgress, wire.NotCoordinator:
	default:
		require.Fail(m.t, "unexpected", "sync: %v", code)
	}
}

// stepClassic does a classic client's next thing.
func (m *modernModel) stepClassic(c *dumbClient) {
	switch c.stage {
	case dumbJoins:
		c.owned = nil
		r := classicJoin(modelGroup, c.id, "consumer", saying(c.topics...))
		m.c.JoinGroup(m.now, m.ask(c), Client{"classic", "/127.0.0.1"}, r)
	case dumbSyncs:
		r := kmsg.NewPtrSyncGroupRequest()
		r.Version, r.Group, r.MemberID, r.Generation, r.ProtocolType, r.Protocol = 5, modelGroup, c.id, c.epoch, text("consumer"), text("range")
		r.GroupAssignment = m.lead(m.roll[c])
		m.c.SyncGroup(m.now, m.ask(c), r)
	case dumbWorks:
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version, r.Group, r.MemberID, r.Generation = 4, modelGroup, c.id, c.epoch
		switch code := m.c.Heartbeat(m.now, r); code {
		case wire.None:
		case wire.RebalanceInProgress, wire.IllegalGeneration:
			c.stage, c.owned = dumbJoins, nil
		case wire.UnknownMemberID:
			c.stage, c.owned, c.id, c.epoch, c.gone = dumbJoins, nil, "", 0, false
		default:
			require.Fail(m.t, "unexpected", "heartbeat: %v", code)
		}
	case dumbWaits:
	}
	m.flush()
}

// lead assigns as a leader of the classic protocol does: in ranges.
func (m *modernModel) lead(roll []kmsg.JoinGroupResponseMember) (out []kmsg.SyncGroupRequestGroupAssignment) {
	var topics []assign.Topic
	for _, t := range m.image.Topics() {
		topics = append(topics, assign.Topic{ID: t.ID, PartitionCount: int32(len(t.Partitions))})
	}
	slices.SortFunc(topics, func(a, b assign.Topic) int { return strings.Compare(string(a.ID[:]), string(b.ID[:])) })
	slices.SortFunc(roll, func(a, b kmsg.JoinGroupResponseMember) int { return strings.Compare(a.MemberID, b.MemberID) })
	var members []assign.Member
	for _, r := range roll {
		said, ok := readSubscription(r.ProtocolMetadata)
		require.True(m.t, ok)
		one := assign.Member{ID: r.MemberID}
		for _, name := range said.Topics {
			if t := m.image.Topic(name); t != nil {
				one.Topics = append(one.Topics, t.ID)
			}
		}
		members = append(members, one)
	}
	for i, set := range assign.Named(assign.Range)(topics, members) {
		out = append(out, kmsg.SyncGroupRequestGroupAssignment{MemberID: members[i].ID, MemberAssignment: m.c.classicAssignment(set, roll[i].ProtocolMetadata)})
	}
	return out
}

const modelGroup = "g"

func (m *modernModel) check() {
	working := map[owned]string{}
	for _, c := range m.clients {
		if c.gone {
			continue
		}
		for _, t := range c.owned {
			for _, p := range t.Partitions {
				other, taken := working[owned{t.TopicID, p}]
				require.False(m.t, taken, "%s and %s both work on %v-%d", other, c.id, t.TopicID, p)
				working[owned{t.TopicID, p}] = c.id
			}
		}
	}
	con := m.c.find(modelGroup).modern()
	if con == nil {
		return
	}
	owners := map[owned]string{}
	for id, one := range con.members.All() {
		require.LessOrEqual(m.t, one.MemberEpoch, con.epoch)
		require.LessOrEqual(m.t, con.targetEpoch, con.epoch)
		for _, set := range [][]TopicPartitions{one.Assigned, one.PendingRevocation} {
			for _, t := range set {
				for _, p := range t.Partitions {
					other, taken := owners[owned{t.TopicID, p}]
					require.False(m.t, taken, "%s and %s both have %v-%d", other, id, t.TopicID, p)
					owners[owned{t.TopicID, p}] = id
				}
			}
		}
		require.Equal(m.t, len(one.PendingRevocation) > 0, one.State == MemberUnrevokedPartitions && one.MemberEpoch != leavingStatic, "%+v", one.CurrentAssignment)
	}
	require.Equal(m.t, owners, con.owners)
	names := map[string]int{}
	for _, one := range con.members.All() {
		for _, name := range one.Topics {
			names[name]++
		}
	}
	for _, r := range con.expressions.All() {
		for _, name := range r.Topics {
			names[name]++
		}
	}
	require.Equal(m.t, names, con.names)
	for e := range con.expressions.All() {
		require.NotZero(m.t, con.patterns.At(e), "%q is subscribed to by nobody", e)
	}
	for instance, id := range con.static {
		require.Equal(m.t, instance, *con.members.At(id).InstanceID)
	}
}

// settle marks the clients that the coordinator has put out: what they work on may be given away.
func (m *modernModel) settle() {
	g := m.c.find(modelGroup)
	for _, c := range m.clients {
		if c.epoch == 0 || c.gone || c.classic && c.stage != dumbWorks {
			continue
		}
		con := g.modern()
		if con != nil && con.members.At(c.id) == nil || con == nil && (g == nil || g.member(c.id) == nil) {
			c.gone = true
		}
	}
}

func (m *modernModel) request(c *dumbClient) *kmsg.ConsumerGroupHeartbeatRequest {
	r := beat(modelGroup, c.id, c.epoch)
	r.InstanceID = c.instance
	if c.tell || c.epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.SubscribedTopicRegex, r.ServerAssignor = 60_000, c.topics, c.regex, c.assignor
		owning(r, c.owned...)
		if c.epoch == 0 {
			owning(r)
		}
	}
	return r
}

func (m *modernModel) heartbeat(t *rapid.T, c *dumbClient, lost bool) {
	if c.epoch == 0 {
		c.owned = nil
	}
	r := m.request(c)
	if rapid.Bool().Draw(t, "says what it owns") {
		owning(r, c.owned...)
	}
	answer := m.beat("client", r)
	m.flush()
	m.settle()
	if lost {
		c.tell = true
		return
	}
	m.take(c, answer)
}

func (m *modernModel) take(c *dumbClient, answer *kmsg.ConsumerGroupHeartbeatResponse) {
	switch code := wire.Code(answer.ErrorCode); code {
	case wire.None:
		c.epoch, c.tell, c.gone = answer.MemberEpoch, false, false
	case wire.FencedMemberEpoch, wire.UnknownMemberID, wire.GroupIDNotFound, wire.UnreleasedInstanceID:
		c.epoch, c.owned, c.gone, c.tell = 0, nil, false, false
		return
	case wire.FencedInstanceID:
		c.epoch, c.owned = 0, nil // another one has its instance: it goes home
		m.clients = slices.DeleteFunc(m.clients, func(o *dumbClient) bool { return o == c })
		return
	default:
		require.Fail(m.t, "unexpected", "%s: %v", code, answer.ErrorMessage)
	}
	if answer.Assignment != nil {
		var set []TopicPartitions
		for _, t := range answer.Assignment.Topics {
			set = append(set, TopicPartitions{TopicID: t.TopicID, Partitions: t.Partitions})
		}
		c.owned = orderedSet(set)
	}
}

func (m *modernModel) newID() string {
	m.ids++
	return fmt.Sprintf("m%03d", m.ids)
}

// act lets one thing happen.
func (m *modernModel) act(t *rapid.T) {
	kinds := rapid.IntRange(0, 15).Draw(t, "act")
	any := func() *dumbClient {
		if len(m.clients) == 0 {
			return nil
		}
		return m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(t, "client")]
	}
	switch kinds {
	case 0: // somebody new
		c := &dumbClient{id: m.newID(), assignor: rapid.SampledFrom([]*string{nil, nil, text("range"), text("uniform")}).Draw(t, "assignor")}
		if rapid.IntRange(0, 2).Draw(t, "static") == 0 {
			c.instance = text(rapid.SampledFrom([]string{"i1", "i2"}).Draw(t, "instance"))
			if slices.ContainsFunc(m.clients, func(o *dumbClient) bool { return equalText(o.instance, c.instance) }) {
				return
			}
		}
		if c.classic = m.mixed && c.instance == nil && rapid.Bool().Draw(t, "classic"); c.classic {
			c.id = ""
		}
		m.subscribe(t, c)
		m.clients = append(m.clients, c)
	case 1: // a topic
		m.next++
		m.topic(fmt.Sprintf("t%d", m.next), meta.UUID{byte(m.next)}, rapid.Int32Range(1, 6).Draw(t, "partitions"))
	case 2:
		if all := m.image.TopicNames(); len(all) > 0 {
			one := m.image.Topic(rapid.SampledFrom(slices.Clone(all)).Draw(t, "topic"))
			m.grow(one.ID, int32(len(one.Partitions)), int32(len(one.Partitions))+1)
		}
	case 3:
		if all := m.image.TopicNames(); len(all) > 1 {
			m.meta(&meta.RemoveTopicRecord{TopicID: m.image.Topic(rapid.SampledFrom(slices.Clone(all)).Draw(t, "topic")).ID})
		}
	case 4:
		if c := any(); c != nil {
			m.subscribe(t, c)
			if c.tell = true; c.classic && c.stage == dumbWorks {
				c.stage, c.owned = dumbJoins, nil
			}
		}
	case 5: // leaves
		if c := any(); c != nil && c.classic {
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Version, leave.Group, leave.Members = 5, modelGroup, []kmsg.LeaveGroupRequestMember{{MemberID: c.id}}
			m.c.LeaveGroup(m.now, leave)
			m.flush()
			m.clients = slices.DeleteFunc(m.clients, func(o *dumbClient) bool { return o == c })
		} else if c != nil && c.epoch > 0 && !c.parted {
			r := beat(modelGroup, c.id, leaving)
			r.InstanceID = c.instance
			m.beat("client", r)
			m.flush()
			m.clients = slices.DeleteFunc(m.clients, func(o *dumbClient) bool { return o == c })
		}
	case 6: // a static one leaves, to be back under another id
		if c := any(); c != nil && c.epoch > 0 && c.instance != nil && !c.parted {
			r := beat(modelGroup, c.id, leavingStatic)
			r.InstanceID = c.instance
			m.beat("client", r)
			m.flush()
			c.id, c.epoch, c.owned, c.gone = m.newID(), 0, nil, false
		}
	case 7: // dies, and is not seen again
		if c := any(); c != nil {
			m.clients = slices.DeleteFunc(m.clients, func(o *dumbClient) bool { return o == c })
		}
	case 8:
		_, answers := m.pass(rapid.SampledFrom([]seam.Mono{seam.Second, 11 * seam.Second, 50 * seam.Second}).Draw(t, "time"))
		m.deliver(answers)
	case 9:
		if rapid.Bool().Draw(t, "compacted") {
			m.compact(t)
		}
		m.again()
	default:
		if c := any(); c != nil && c.classic {
			m.stepClassic(c)
		} else if c != nil {
			m.heartbeat(t, c, rapid.IntRange(0, 4).Draw(t, "answer lost") == 0)
		}
	}
	_, answers := m.ring()
	m.deliver(answers)
	m.settle()
	m.check()
}

// again lets the coordinator be another one.
func (m *modernModel) again() {
	m.c.Abandon(wire.NotCoordinator)
	answers := m.c.Answers
	m.c.Answers = nil
	m.deliver(answers)
	m.restart()
}

// compact takes from the log's beginning, up to anywhere, what later records of the same keys have overtaken; and the tombstones
// of a part of that, whose time is over.
func (m *modernModel) compact(t *rapid.T) {
	cut := rapid.IntRange(0, len(m.log)).Draw(t, "compacted up to")
	past := rapid.IntRange(0, cut).Draw(t, "tombstones gone up to")
	latest := map[string]int{}
	for i, r := range m.log[:cut] {
		key, _ := Append(nil, nil, r)
		latest[string(key)] = i
	}
	var left []Record
	for i, r := range m.log {
		if key, value := Append(nil, nil, r); i >= cut || latest[string(key)] == i && (value != nil || i >= past) {
			left = append(left, r)
		}
	}
	m.log = left
}

func (m *modernModel) subscribe(t *rapid.T, c *dumbClient) {
	c.topics, c.regex = []string{}, text("")
	for i := 1; i <= m.next+1; i++ {
		if rapid.IntRange(0, 2).Draw(t, "subscribed") > 0 {
			c.topics = append(c.topics, fmt.Sprintf("t%d", i))
		}
	}
	if !c.classic && rapid.IntRange(0, 3).Draw(t, "by expression") == 0 {
		c.topics, c.regex = []string{}, text(rapid.SampledFrom([]string{"t[12]", "t.*", "x", "t(1|3)?"}).Draw(t, "expression"))
	}
}

// heal lets everybody heartbeat until nothing changes, and holds the outcome against the promise: every partition that is
// subscribed to is worked on by one who has subscribed to it.
func (m *modernModel) heal(t *rapid.T) {
	rest := func() {
		_, answers := m.pass(11 * seam.Second) // so that expressions may be looked up again
		m.deliver(answers)
		m.settle()
	}
	rest()
	rounds := 0
	for quiet := 0; quiet < 5; rounds++ { // longer than the session of one who died
		require.Less(t, rounds, 60, "it never comes to rest")
		before := len(m.log)
		for _, c := range slices.Clone(m.clients) {
			if c.classic {
				for range 3 {
					m.stepClassic(c)
					_, answers := m.ring()
					m.deliver(answers)
				}
				m.settle()
				m.check()
				continue
			}
			r := owning(m.request(c), c.owned...)
			if c.epoch == 0 {
				c.owned = nil
				owning(r)
			}
			answer := m.beat("client", r)
			m.flush()
			m.settle()
			m.take(c, answer)
			m.settle()
			m.check()
		}
		rest()
		out := slices.ContainsFunc(m.clients, func(c *dumbClient) bool { return c.epoch == 0 || c.classic && c.stage != dumbWorks }) // its instance is still another one's
		if quiet++; out || len(m.log) > before {
			quiet = 0
		}
	}
	con := m.c.find(modelGroup).modern()
	if len(m.clients) == 0 {
		return
	}
	if con == nil {
		require.True(t, m.mixed)
		require.Equal(t, stable, m.c.find(modelGroup).state)
		return
	}
	require.Equal(t, "Stable", con.state())
	wanted, working := map[owned]bool{}, map[owned]bool{}
	for _, one := range con.members.All() {
		ch := &change{Coordinator: m.c, id: modelGroup, con: con}
		for _, id := range ch.topicIDs(&one.MemberMetadata) {
			for p := range m.image.TopicByID(id).Partitions {
				wanted[owned{id, int32(p)}] = true
			}
		}
	}
	for _, c := range m.clients {
		for _, s := range c.owned {
			for _, p := range s.Partitions {
				working[owned{s.TopicID, p}] = true
			}
		}
	}
	require.Equal(t, wanted, working)
}

func TestNoPartitionIsInTwoHands(t *testing.T) { holdModel(t, false) }

func TestNoPartitionIsInTwoHandsOfTwoProtocols(t *testing.T) { holdModel(t, true) }

func holdModel(t *testing.T, mixed bool) {
	rapid.Check(t, func(t *rapid.T) {
		m := &modernModel{modernWorld: newModernWorld(t), mixed: mixed, asked: map[Ticket]*dumbClient{}, roll: map[*dumbClient][]kmsg.JoinGroupResponseMember{}}
		for range rapid.IntRange(1, 60).Draw(t, "acts") {
			m.act(t)
		}
		m.heal(t)
		before := m.c.Digest()
		m.compact(t)
		m.again()
		require.Equal(t, before, m.c.Digest(), "what a fold of the log knows is what the group knew")
	})
}
