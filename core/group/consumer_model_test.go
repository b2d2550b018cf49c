package group

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

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
	classic  *dumbClassic
	heard    seam.Mono
}

// dumbClassic is a client that speaks the classic protocol, in the cooperative way.
type dumbClassic struct {
	joined bool // since its last join its assignment has been taken
	again  bool // it is to join again
}

// modernModel is a group and its clients, and beside it the dumbest possible twin of the coordinator's promise: a table of
// who works on which partition.
type modernModel struct {
	*modernWorld
	clients []*dumbClient
	next    int
	ids     int
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
		if c.epoch == 0 || c.gone {
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
	m.decided()
	m.settle()
	if lost {
		c.tell = true
		return
	}
	m.take(c, answer)
}

func (m *modernModel) take(c *dumbClient, answer *kmsg.ConsumerGroupHeartbeatResponse) {
	c.heard = m.now.Mono
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
			c.tell = true
		}
	case 5: // leaves
		if c := any(); c != nil && c.epoch > 0 && !c.parted {
			r := beat(modelGroup, c.id, leaving)
			r.InstanceID = c.instance
			m.beat("client", r)
			m.decided()
			m.clients = slices.DeleteFunc(m.clients, func(o *dumbClient) bool { return o == c })
		}
	case 6: // a static one leaves, to be back under another id
		if c := any(); c != nil && c.epoch > 0 && c.instance != nil && !c.parted {
			r := beat(modelGroup, c.id, leavingStatic)
			r.InstanceID = c.instance
			m.beat("client", r)
			m.decided()
			c.id, c.epoch, c.owned, c.gone = m.newID(), 0, nil, false
		}
	case 7: // dies, and is not seen again
		if c := any(); c != nil {
			m.clients = slices.DeleteFunc(m.clients, func(o *dumbClient) bool { return o == c })
		}
	case 8:
		m.pass(rapid.SampledFrom([]seam.Mono{seam.Second, 11 * seam.Second, 50 * seam.Second}).Draw(t, "time"))
	case 9:
		m.restart()
	default:
		if c := any(); c != nil {
			m.heartbeat(t, c, rapid.IntRange(0, 4).Draw(t, "answer lost") == 0)
		}
	}
	m.ring()
	m.settle()
	m.check()
}

func (m *modernModel) subscribe(t *rapid.T, c *dumbClient) {
	c.topics, c.regex = []string{}, text("")
	for i := 1; i <= m.next+1; i++ {
		if rapid.IntRange(0, 2).Draw(t, "subscribed") > 0 {
			c.topics = append(c.topics, fmt.Sprintf("t%d", i))
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "by expression") == 0 {
		c.topics, c.regex = []string{}, text(rapid.SampledFrom([]string{"t[12]", "t.*", "x", "t(1|3)?"}).Draw(t, "expression"))
	}
}

// heal lets everybody heartbeat until nothing changes, and holds the outcome against the promise: every partition that is
// subscribed to is worked on by one who has subscribed to it.
func (m *modernModel) heal(t *rapid.T) {
	m.pass(11 * seam.Second)
	m.settle()
	rounds := 0
	for quiet := 0; quiet < 5; rounds++ { // longer than the session of one who died
		require.Less(t, rounds, 60, "it never comes to rest")
		before := len(m.log)
		for _, c := range slices.Clone(m.clients) {
			r := owning(m.request(c), c.owned...)
			if c.epoch == 0 {
				c.owned = nil
				owning(r)
			}
			answer := m.beat("client", r)
			m.decided()
			m.settle()
			m.take(c, answer)
			m.settle()
			m.check()
		}
		m.pass(11 * seam.Second) // so that expressions may be looked up again
		m.settle()
		out := slices.ContainsFunc(m.clients, func(c *dumbClient) bool { return c.epoch == 0 }) // its instance is still another one's
		if quiet++; out || len(m.log) > before {
			quiet = 0
		}
	}
	con := m.c.find(modelGroup).modern()
	if len(m.clients) == 0 {
		return
	}
	require.NotNil(t, con)
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

func TestNoPartitionIsInTwoHands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &modernModel{modernWorld: newModernWorld(t)}
		for range rapid.IntRange(1, 60).Draw(t, "acts") {
			m.act(t)
		}
		m.heal(t)
		m.sameAfterRestart(t)
	})
}

// sameAfterRestart: what a fold of the log knows is what the group knew.
func (m *modernModel) sameAfterRestart(t *rapid.T) {
	before := m.known()
	m.restart()
	require.Equal(t, before, m.known())
}

func (m *modernModel) known() string {
	out := ""
	for id, g := range m.c.groups.All() {
		con := g.modern()
		if con == nil {
			out += fmt.Sprintf("%s classic %v\n", id, g.stored)
			continue
		}
		out += fmt.Sprintf("%s %d %d %d %v %v\n", id, con.epoch, con.targetEpoch, con.hash, con.names, con.static)
		for id, one := range con.members.All() {
			out += fmt.Sprintf("  %s %v %v %v\n", id, one.CurrentAssignment, one.Topics, con.targets.At(id))
		}
	}
	return out
}
