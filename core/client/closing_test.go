package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/client/assignor"
	"rookery/core/seam"
)

// closes has a member of either protocol that has processed twenty records of each of three partitions, none of them committed.
func closes(t *testing.T, commitEvery seam.Mono, then func(t *testing.T, c *crowd, one *app)) {
	for name, config := range map[string]Config{"range": memberConfig(assignor.Range), "modern": memberConfig()} {
		t.Run(name, func(t *testing.T) {
			config.PollIntervalMax, config.AutoCommitInterval, config.RequestTimeout = 300*seam.Second, commitEvery, 4*seam.Second
			c := newCrowd(1, "a")
			one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
			c.fill("a", 20)
			then(t, c, one)
		})
	}
}

// committedAll: it is closed, and nothing is said to be left.
func committedAll(t *testing.T, c *crowd, one *app) {
	require.Len(t, one.world.closed, 1)
	require.Len(t, c.group.offsets, 3)
	for p, offset := range c.group.offsets {
		require.EqualValues(t, 20, offset, "%v: all that was processed is committed", p)
	}
	require.Nil(t, one.world.client.group.uncommitted)
}

// What could not be committed at first while the client closed, and then was with what came behind it, is committed.
func TestCloseForgetsWhatWasCommittedAfterAll(t *testing.T) {
	closes(t, 15*seam.Second, func(t *testing.T, c *crowd, one *app) {
		g := &one.world.client.group
		c.run(g.commitAt - 100*seam.Millisecond)
		one.world.faults.silence = 1
		c.run(c.now + 200*seam.Millisecond)
		require.NotEmpty(t, g.commits, "the automatic one, which nobody answers")
		deadline := g.commits[0].deadline
		c.run(deadline - seam.Second)
		one.world.tell(&Close{Tag: 1})
		c.run(deadline + seam.Second/2)
		one.world.faults.silence = 0
		c.run(deadline + 15*seam.Second)
		committedAll(t, c, one)
	})
}

// What nobody has even tried to commit, since the application did not let go in time, is told of too.
func TestCloseTellsOfWhatWasLostMeanwhile(t *testing.T) {
	closes(t, 3600*seam.Second, func(t *testing.T, c *crowd, one *app) {
		one.stuck = true // in OnRevoked
		one.world.tell(&Close{Tag: 1})
		c.run(c.now + 30*seam.Second)
		require.Len(t, one.world.closed, 1)
		require.Empty(t, c.group.offsets, "nothing is committed")
		require.NotNil(t, one.world.client.group.uncommitted)
	})
}

// The application lets go at the last moment: what it has processed is committed, and the answer comes just behind endBy.
func TestCommittedBehindTheEndOfLeaving(t *testing.T) {
	closes(t, 3600*seam.Second, func(t *testing.T, c *crowd, one *app) {
		g := &one.world.client.group
		one.stuck = true
		one.world.tell(&Close{Tag: 1})
		c.run(c.now + 100*seam.Millisecond)
		require.Equal(t, yielding, g.phase)
		c.run(g.endBy - 8*seam.Millisecond)
		require.NotZero(t, g.yield.tag)
		one.world.tell(&Released{g.yield.tag})
		c.run(c.now + 10*seam.Second)
		committedAll(t, c, one)
	})
}

// The answer is read when the commit's deadline is over and its alarm has not been heard yet (a process that was not scheduled).
func TestAnsweredBeforeTheAlarm(t *testing.T) {
	closes(t, 3600*seam.Second, func(t *testing.T, c *crowd, one *app) {
		g := &one.world.client.group
		one.world.tell(&Close{Tag: 1})
		for !g.sending {
			c.run(c.now + seam.Millisecond/4)
		}
		require.Len(t, g.commits, 1)
		g.commits[0].deadline = c.now // as if it had been sent that long ago
		c.run(c.now + 10*seam.Second)
		committedAll(t, c, one)
	})
}
