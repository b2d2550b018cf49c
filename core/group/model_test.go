package group

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

// model drives one coordinator at random. Its twin of the offsets is a map, its twin of every count is counting anew, and
// its twin of the fold is another fold of all records.
type model struct {
	*rapid.T
	c       *Coordinator
	now     seam.Now
	log     []Record
	asked   map[Ticket]string
	tickets Ticket
	ids     []string // that were given or heard of
	offsets map[Place]int64
	newest  map[string]int32 // the last generation that anybody was told, by group
	drawn   string           // the group
	owner   *string          // the instance of the member drawn
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{T: t, now: seam.Now{Mono: seam.Second, Wall: 1 << 40}, asked: map[Ticket]string{}, offsets: map[Place]int64{}, newest: map[string]int32{}}
		config := DefaultConfig()
		config.SizeMax, config.MetadataBytesMax, config.MembersBytesMax = 3, 4, 12_000
		config.InitialRebalanceDelay = seam.Mono(rapid.IntRange(0, 2).Draw(t, "delay")) * seam.Second
		m.c = New(config, rng.FromInt(1), func(string, [16]byte) bool { return false })
		m.c.Loaded(m.now, always)
		t.Repeat(map[string]func(*rapid.T){
			"join":       func(t *rapid.T) { m.T = t; m.join() },
			"join again": func(t *rapid.T) { m.T = t; m.join() },
			"sync":       func(t *rapid.T) { m.T = t; m.sync() },
			"sync too":   func(t *rapid.T) { m.T = t; m.sync() },
			"beat": func(t *rapid.T) {
				r := kmsg.NewPtrHeartbeatRequest()
				r.Group, r.MemberID, r.Generation, r.InstanceID = m.group(), m.id(), m.generation(), m.instance()
				m.c.Heartbeat(m.now, r)
				m.settle()
			},
			"leave": func(t *rapid.T) {
				r := kmsg.NewPtrLeaveGroupRequest()
				r.Version, r.Group = 3, m.group()
				for range rapid.IntRange(1, 2).Draw(t, "leavers") {
					r.Members = append(r.Members, kmsg.LeaveGroupRequestMember{MemberID: m.id(), InstanceID: m.instance()})
				}
				require.Len(t, m.c.LeaveGroup(m.now, r).Members, len(r.Members))
				m.settle()
			},
			"commit": func(t *rapid.T) { m.T = t; m.commit() },
			"delete": func(t *rapid.T) {
				group := m.group()
				if rapid.IntRange(0, 3).Draw(t, "seldom") > 0 {
					return
				}
				if m.c.JudgeDelete(group) == wire.None {
					for done := false; !done; {
						done = m.c.Delete(group, func() bool { return len(m.c.Records) < 2 })
						m.settle()
					}
					require.Equal(t, wire.GroupIDNotFound, m.c.JudgeDelete(group))
					delete(m.newest, group)
				}
			},
			"forget": func(t *rapid.T) {
				at := Place{m.group(), "t", int32(rapid.IntRange(0, 2).Draw(t, "partition"))}
				if m.c.JudgeOffsetDelete(at.Group) == wire.None {
					m.c.DeleteOffset(at.Group, at.Topic, at.Partition)
					m.settle()
				}
			},
			"tick": func(t *rapid.T) {
				m.T = t
				m.tick(seam.Mono(rapid.SampledFrom([]int{0, 500, 1000, 2000, 4000, 9000}).Draw(t, "ms")) * seam.Millisecond)
			},
			"reload": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "seldom") > 0 {
					return
				}
				m.c.Abandon(wire.NotCoordinator)
				m.settle()
				require.Empty(t, m.asked, "who waits is told")
				fresh := New(config, rng.FromInt(uint64(len(m.log))), func(string, [16]byte) bool { return false })
				for _, r := range m.log {
					fresh.Replay(m.now, r)
				}
				require.Equal(t, m.c.Digest(), fresh.Digest())
				m.c = fresh
				m.c.Loaded(m.now, always)
				clear(m.newest) // a generation that was never assigned is not known any more
			},
			"": func(t *rapid.T) { m.T = t; m.check() },
		})
	})
}

func (m *model) group() string {
	m.drawn = rapid.SampledFrom([]string{"g", "h"}).Draw(m.T, "group")
	return m.drawn
}

// id is mostly that of somebody who is known in the group that was drawn last.
func (m *model) id() string {
	known := append([]string{"", "nobody"}, m.ids...)
	if g := m.c.find(m.drawn); g != nil && rapid.IntRange(0, 3).Draw(m.T, "known") > 0 {
		known = append([]string{}, g.pending.Keys()...)
		for _, one := range g.members {
			known = append(known, one.id)
		}
		if len(known) == 0 {
			known = []string{""}
		}
	}
	id := rapid.SampledFrom(known).Draw(m.T, "id")
	m.owner = nil
	if g := m.c.find(m.drawn); g != nil && g.member(id) != nil {
		m.owner = g.member(id).instance
	}
	return id
}

func (m *model) generation() int32 {
	if g := m.c.find(m.drawn); g != nil && rapid.IntRange(0, 3).Draw(m.T, "right") > 0 {
		return g.generation
	}
	return int32(rapid.IntRange(-1, 6).Draw(m.T, "generation"))
}

func (m *model) instance() *string {
	if rapid.IntRange(0, 2).Draw(m.T, "own") > 0 {
		return m.owner
	}
	if i := rapid.IntRange(0, 3).Draw(m.T, "instance"); i < 2 {
		name := fmt.Sprintf("i%d", i)
		return &name
	}
	return nil
}

func (m *model) ticket(group string) Ticket {
	m.tickets++
	m.asked[m.tickets] = group
	return m.tickets
}

func (m *model) join() {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID = int16(rapid.IntRange(0, 9).Draw(m.T, "version")), m.group(), m.id(), m.instance()
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = int32(rapid.IntRange(6000, 9000).Draw(m.T, "session")), int32(rapid.IntRange(0, 9000).Draw(m.T, "rebalance"))
	r.ProtocolType = rapid.SampledFrom([]string{"consumer", "consumer", "consumer", "consumer", "consumer", "connect"}).Draw(m.T, "type")
	for _, name := range rapid.SampledFrom([][]string{{"range"}, {"range", "rr"}, {"rr", "range", "rr"}, {"range"}, {"range", "rr"}, {"rr"}, {}}).Draw(m.T, "protocols") {
		r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: name, Metadata: []byte{0, 0, 0, 0, 0, 1, 0, 1, 't'}})
	}
	m.c.JoinGroup(m.now, m.ticket(r.Group), Client{"c", "/h"}, r)
	m.settle()
}

func (m *model) sync() {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.Generation, r.InstanceID = 4, m.group(), m.id(), m.generation(), m.instance()
	for _, id := range m.ids {
		r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: []byte(id)})
	}
	m.c.SyncGroup(m.now, m.ticket(r.Group), r)
	m.settle()
}

func (m *model) commit() {
	r := &Commit{Group: m.group(), MemberID: m.id(), Instance: m.instance(), Generation: m.generation(), Version: 9, Retention: -1}
	text := rapid.SampledFrom([]string{"", "four", "fives"}).Draw(m.T, "metadata")
	p := kmsg.OffsetCommitRequestTopicPartition{Partition: int32(rapid.IntRange(0, 2).Draw(m.T, "partition")), Offset: int64(len(m.log)), Metadata: &text}
	r.Topics = []CommitTopic{{Name: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	if m.c.JudgeCommit(r) != wire.None {
		return
	}
	if g := m.c.find(r.Group); g != nil && g.state != empty {
		require.Equal(m, g.generation, r.Generation, "nobody commits for a generation that is over")
		require.NotEqual(m, completing, g.state)
	}
	codes := m.c.Commit(m.now, r)
	m.settle()
	require.Equal(m, []wire.Code{map[bool]wire.Code{true: wire.OffsetMetadataTooLarge}[len(text) > 4]}, codes)
}

func (m *model) tick(d seam.Mono) {
	end := m.now.Mono + d
	for rounds := 0; m.c.Next() <= end; rounds++ {
		require.Less(m, rounds, 1000, "it rings for ever")
		m.now.Mono = max(m.now.Mono, m.c.Next())
		room := 2
		m.c.Ring(m.now, func() bool { room--; return room >= 0 })
		m.settle()
	}
	m.now.Mono = end
}

func (m *model) settle() {
	for _, r := range m.c.Records {
		m.log = append(m.log, r)
		m.c.Replay(m.now, r)
		if r, ok := r.(*OffsetCommitRecord); ok {
			if at := (Place{r.Group, r.Topic, r.Partition}); r.Value == nil {
				delete(m.offsets, at)
			} else {
				m.offsets[at] = r.Value.Offset
			}
		}
	}
	m.c.Records = nil
	for _, a := range m.c.Answers {
		group, waits := m.asked[a.Ticket]
		require.True(m, waits, "a ticket comes back once")
		delete(m.asked, a.Ticket)
		m.answered(group, a.Body)
	}
	m.c.Answers = nil
}

func (m *model) answered(group string, body wire.Answer) {
	switch a := body.(type) {
	case *kmsg.JoinGroupResponse:
		if a.MemberID != "" && !slices.Contains(m.ids, a.MemberID) {
			if m.ids = append(m.ids, a.MemberID); len(m.ids) > 6 {
				m.ids = m.ids[1:]
			}
		}
		if a.ErrorCode == 0 {
			require.GreaterOrEqual(m, a.Generation, m.newest[group], "generations rise")
			m.newest[group] = a.Generation
		}
		if len(a.Members) > 0 && a.ErrorCode == 0 {
			require.LessOrEqual(m, len(a.Members), 3, "group.max.size")
		}
	case *kmsg.SyncGroupResponse:
		if a.ErrorCode != 0 {
			require.Empty(m, a.MemberAssignment)
		}
	}
}

// check counts anew whatever is counted.
func (m *model) check() {
	bytes, alarms := int64(0), 1 // the sweep's
	for id, g := range m.c.groups.All() {
		supported, waiting, unsynced, static := map[string]int{}, 0, 0, map[string]string{}
		for _, one := range g.members {
			require.Same(m, one, g.byID[one.id])
			for _, p := range one.protocols {
				supported[p.Name]++
			}
			if one.join.waits() {
				waiting++
			}
			if one.unsynced {
				unsynced++
			}
			if one.instance != nil {
				static[*one.instance] = one.id
			}
			if one.alarm != 0 {
				alarms++
			} else {
				require.True(m, one.join.waits() || one.sync.waits(), "whoever is not waited for has a session")
			}
			require.False(m, one.sync.waits() && g.state != completing, "nobody waits for an assignment that does not come")
			require.False(m, one.join.waits() && g.state != preparing, "nobody waits to join what has begun")
			bytes += one.bytes
		}
		for pending := range g.pending.All() {
			bytes += pendingCost(pending)
			alarms++
		}
		for _, h := range []bool{g.joinAlarm != 0, g.syncAlarm != 0} {
			if h {
				alarms++
			}
		}
		require.Len(m, g.byID, len(g.members))
		require.Equal(m, len(supported), len(g.supported), id)
		for name, n := range supported {
			require.Equal(m, n, g.supported[name])
		}
		require.Equal(m, []int{waiting, unsynced}, []int{g.waiting, g.unsynced})
		require.Equal(m, len(static), len(g.static))
		for instance, owner := range static {
			require.Equal(m, owner, g.static[instance])
		}
		switch g.state {
		case empty:
			require.Empty(m, g.members)
		case preparing:
			require.NotZero(m, g.joinAlarm, "a rebalance ends")
		case completing:
			require.True(m, g.syncAlarm != 0 || g.unsynced == 0, "and so does the wait for an assignment")
		case stable:
			require.NotEmpty(m, g.members)
			require.Equal(m, g.generation, g.stored.Generation, "what is stable is in the log")
		}
		if len(g.members) > 0 {
			require.NotNil(m, g.byID[g.leader], "somebody leads")
		}
	}
	for id := range m.c.groups.All() {
		bytes += int64(len(id))
	}
	require.Equal(m, bytes, m.c.bytes)
	require.Equal(m, alarms, m.c.timers.Len())
	found := map[Place]int64{}
	for at, going := (Place{}), true; going; {
		room := 2
		next, offset, more := m.c.CommittedFrom(at, &room)
		if more {
			found[next] = offset
			next.Partition++
		}
		at, going = next, more || room == 0
	}
	require.Equal(m, m.offsets, found)
}
