package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/sim/check"
)

// A member tells the broker of other topics, and the broker never hears of that. What it commits of them meanwhile is read by nobody, so
// it may expire before the member has said it again.
func TestWhatTheBrokerHasNotHeardOfIsNotRead(t *testing.T) {
	const second = seam.Second
	r := newRun()
	r.loaded = 0
	r.History.Expiry = 2 * second
	g := &grazer{session: newSession(r, 1, "grazer"), stage: grazerGrazes, id: "g", epoch: 1, timeout: 500, has: map[check.Share]*check.Hold{}}
	fx := &seam.Effects{}
	done := func(at seam.Mono, answer kmsg.Response) {
		c := g.inflight[0]
		g.inflight = nil
		c.done(at, answer, fx)
	}
	heartbeat := &kmsg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1}
	g.told = subscribed{names: []string{"loose"}}
	g.beat(second, g.full(1), fx)
	done(second+1, heartbeat) // the broker knows it, for three seconds: it reads loose

	g.subscribe()
	require.Contains(t, g.told.names, "firm")
	g.beat(second+2, g.full(1), fx) // the connection is cut before the broker has it
	done(second+3, nil)

	g.commit(second+100*seam.Millisecond, 1, fx)
	c := r.History.Commits[0]
	topic, _ := shareOf(c.Share)
	require.Equal(t, "firm", topic)
	answer := &kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{Partitions: []kmsg.OffsetCommitResponseTopicPartition{{}}}}}
	done(second+101*seam.Millisecond, answer) // taken, and of no topic that the group reads: it expires 2 s later

	gone := &check.Committed{Group: herdGroup, Share: c.Share, Offset: -1, Call: second + 2500*seam.Millisecond, Return: second + 2501*seam.Millisecond}
	r.History.Committed = append(r.History.Committed, gone) // somebody asks

	g.beat(second+2900*seam.Millisecond, g.full(1), fx) // within its session of 3 s
	done(second+2901*seam.Millisecond, heartbeat)
	require.NoError(t, check.Groups(r.History, new(check.Counts)))
}
