package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// crowdMost is far beyond what it may take to let a crowd go, and far below what it takes where each of it looks at each other.
const crowdMost = 2 * time.Second

func quickly(t *testing.T, do func()) {
	t.Helper()
	began := time.Now()
	do()
	require.Less(t, time.Since(began), crowdMost)
}

// crowded is a consumer group of n members, of which each has an expression of its own if wanted.
func crowded(t *testing.T, n int, expressions bool) *modernWorld {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 1)
	w.log = append(w.log, &ConsumerGroupRecord{Group: "g", Value: &ConsumerGroupEpoch{Epoch: 1}})
	for i := range n {
		said := newPerson("").MemberMetadata
		said.RebalanceTimeoutMs, said.Topics = 60_000, []string{"orders"}
		if expressions {
			said.TopicRegex = text(fmt.Sprintf("e%d", i))
		}
		w.log = append(w.log, &MemberRecord{Group: "g", MemberID: fmt.Sprintf("m%06d", i), Value: &said},
			&CurrentAssignmentRecord{Group: "g", MemberID: fmt.Sprintf("m%06d", i), Value: &CurrentAssignment{MemberEpoch: 1}})
	}
	w.restart()
	return w
}

// A network fails, and nobody of a large group is heard of.
func TestACrowdOfConsumersIsLost(t *testing.T) {
	w := crowded(t, 10_000, false)
	w.now.Mono += 46 * seam.Second
	quickly(t, func() { w.ring() })
	require.Zero(t, w.c.Members("g"))
}

func TestOneOfManyExpressionsLeaves(t *testing.T) {
	w := crowded(t, 20_000, true)
	quickly(t, func() { require.Zero(t, w.beat("c", beat("g", "m010000", leaving)).ErrorCode) })
}

func TestACrowdOfConsumersIsRemoved(t *testing.T) {
	w := crowded(t, 60_000, false)
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = 5, "g"
	for _, id := range w.c.find("g").consumer.members.Keys() {
		r.Members = append(r.Members, kmsg.LeaveGroupRequestMember{MemberID: id})
	}
	quickly(t, func() { w.c.LeaveGroup(w.now, r) })
}

// classicCrowd is a classic group of n members, who have joined and not asked for their assignment.
func classicCrowd(t *testing.T, n int) *modernWorld {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 1)
	for range n {
		r := classicJoin("g", "", "consumer", saying())
		r.Version, r.RebalanceTimeoutMillis = 3, 1000
		w.ticket++
		w.c.JoinGroup(w.now, w.ticket, Client{"c", "/127.0.0.1"}, r)
	}
	w.decided()
	w.now.Mono += seam.Second
	w.ring()
	require.Equal(t, completing, w.c.find("g").state)
	return w
}

func TestACrowdLeaves(t *testing.T) {
	w := classicCrowd(t, 60_000)
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = 5, "g"
	for _, m := range w.c.find("g").members {
		r.Members = append(r.Members, kmsg.LeaveGroupRequestMember{MemberID: m.id})
	}
	quickly(t, func() { w.c.LeaveGroup(w.now, r) })
	require.Zero(t, w.c.Members("g"))
}

func TestACrowdDoesNotSync(t *testing.T) {
	w := classicCrowd(t, 60_000)
	w.now.Mono += 2 * seam.Second
	quickly(t, func() { w.ring() })
	require.Zero(t, w.c.Members("g"))
}

func TestACrowdDoesNotJoinAgain(t *testing.T) {
	w := classicCrowd(t, 60_000)
	m := w.c.find("g").members[0]
	again := classicJoin("g", m.id, "consumer", saying("orders"))
	again.RebalanceTimeoutMillis = 1000
	w.ticket++
	w.c.JoinGroup(w.now, w.ticket, m.client, again) // the others do not
	w.decided()
	w.now.Mono += 2 * seam.Second
	quickly(t, func() { w.ring() })
	require.Equal(t, 1, w.c.Members("g"))
}

// A group whose records are more than the log takes is refused for what its names come to, before anything is made of it.
func TestACrowdIsNotUpgraded(t *testing.T) {
	w := classicCrowd(t, 60_000)
	quickly(t, func() {
		for range 10 {
			require.Equal(t, int16(wire.UnknownServerError), w.beat("c", join("g", "new", "orders")).ErrorCode)
		}
	})
}
