package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/client/assignor"
	"rookery/core/seam"
	"rookery/core/wire"
)

// An application that commits each record as it goes, so that there is always a commit under way, lets go of what it is to let go.
func TestCommitsOfWhatIsKeptAreNoReasonToWait(t *testing.T) {
	for name, assignors := range map[string][]assignor.Assignor{"cooperative": {assignor.CooperativeSticky}, "modern": nil} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(1, "a")
			c.fill("a", 20)
			config := memberConfig(assignors...)
			config.AutoCommitInterval = 0
			one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
			tag, until := uint64(0), c.now+15*seam.Second
			var tick func()
			tick = func() {
				for p, s := range one.holds {
					if s.next >= 0 && !s.ending {
						tag++
						one.world.tell(&Commit{Tag: tag, Places: []Place{{Partition: p, Offset: s.next}}})
						break
					}
				}
				if one.world.now < until {
					one.world.after(3*seam.Millisecond, tick)
				}
			}
			one.world.after(seam.Millisecond, tick)
			two := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
			began := c.now
			for len(two.owns()) == 0 && c.now < began+40*seam.Second {
				c.run(c.now + 100*seam.Millisecond)
			}
			require.Less(t, c.now-began, 3*seam.Second)
			require.Zero(t, one.losses)
		})
	}
}

// A rebalance goes on when the commit that it waits for is answered, and not with the next thing that happens.
func TestARebalanceGoesOnWithItsCommit(t *testing.T) {
	for name, config := range map[string]Config{"range": memberConfig(assignor.Range), "modern": memberConfig()} {
		t.Run(name, func(t *testing.T) {
			config.AutoCommitInterval = 3600 * seam.Second
			config.HeartbeatInterval = 3 * seam.Second
			config.SessionTimeout = 45 * seam.Second
			c := newCrowd(1, "a")
			c.fill("a", 20)
			one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
			one.stuck = true
			for i := range 3 {
				one.world.tell(&Pause{Topic: "a", Partition: int32(i), On: true})
			}
			c.run(c.now + 2*seam.Second)
			c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
			for one.release == 0 {
				c.run(c.now + 5*seam.Millisecond)
			}
			began, phase := c.now, one.world.client.group.phase
			one.world.tell(&Released{Tag: one.release})
			one.letGo()
			for one.world.client.group.phase == phase && c.now < began+20*seam.Second {
				c.run(c.now + 5*seam.Millisecond)
			}
			require.NotEmpty(t, c.group.offsets)
			require.Less(t, c.now-began, 100*seam.Millisecond)
		})
	}
}

// On its way out a member is still one, and its commits count: never of what another one owns.
func TestAMemberThatLeavesCommitsWhatItHolds(t *testing.T) {
	for name, config := range map[string]Config{"range": memberConfig(assignor.Range), "modern": memberConfig()} {
		t.Run(name, func(t *testing.T) {
			config.AutoCommitInterval = 0
			c := newCrowd(1, "a")
			c.fill("a", 20)
			one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
			two := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
			c.run(c.now + 8*seam.Second)
			others := two.owns()[0]
			two.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: others, Offset: 20}}})
			c.run(c.now + seam.Second)
			require.EqualValues(t, 20, c.group.offsets[others])
			one.stuck = true // in OnRevoked
			one.world.tell(&Close{Tag: 9})
			one.world.tell(&Commit{Tag: 2, Places: []Place{{Partition: others, Offset: 3}}})
			c.run(c.now + seam.Second)
			require.Equal(t, wire.IllegalGeneration, one.committed[0].Code)
			require.EqualValues(t, 20, c.group.offsets[others])
		})
	}
}

// What an application wishes to read itself, when it has just unsubscribed, is read when it has left.
func TestAssignBehindUnsubscribe(t *testing.T) {
	for name, config := range map[string]Config{"range": memberConfig(assignor.Range), "modern": memberConfig()} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(1, "a", "b")
			c.fill("a", 20)
			c.fill("b", 20)
			one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
			records := map[int32]int{}
			before := one.world.letters
			one.world.letters = func(body any) bool {
				if f, ok := body.(*Fetched); ok && f.Topic == "b" {
					records[f.Partition] += len(f.Records)
				}
				return before(body)
			}
			one.world.tell(&Subscribe{})
			one.world.tell(&Assign{Tag: 77, Topic: "b", Partition: 0, Offset: Earliest})
			one.world.tell(&Assign{Tag: 78, Topic: "b", Partition: 1, Offset: Earliest})
			one.world.tell(&Unassign{Topic: "b", Partition: 1})
			one.world.tell(&Subscribe{}) // once more
			c.run(c.now + 10*seam.Second)
			require.Equal(t, map[int32]int{0: 20}, records)
		})
	}
}

// A topic that was refused once is asked for again by who sends to it again.
func TestARefusalOfATopicIsNotForGood(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 3)
	w.denied = map[string]wire.Code{"t": wire.TopicAuthorizationFailed}
	send := func(tag uint64) Delivered {
		w.deliveries = nil
		w.tell(&Produce{Tag: tag, Topic: "t", Partition: 0, Records: []Record{{Value: []byte("x")}}})
		w.run(w.now + seam.Second)
		require.Len(t, w.deliveries, 1)
		return w.deliveries[0]
	}
	require.Equal(t, wire.TopicAuthorizationFailed, send(1).Code)
	w.denied = nil
	send(2) // it is told what was known, and has it asked for
	third := send(3)
	require.False(t, third.Failed())
}

// A topic that the application has done with is not asked for any more, and not made anew when it is deleted. It is there again for who
// comes back to it.
func TestATopicThatIsDoneWithIsLeftAlone(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 3)
	send := func(tag uint64) {
		w.tell(&Produce{Tag: tag, Topic: "t", Partition: 0, Records: []Record{{Value: []byte("x")}}})
		w.run(w.now + 5*seam.Second)
		require.False(t, w.deliveries[len(w.deliveries)-1].Failed())
	}
	send(1)
	w.tell(&Poll{Bytes: 1 << 20})
	w.tell(&Assign{Tag: 1, Topic: "t", Partition: 0, Offset: Earliest})
	w.run(w.now + 3600*seam.Second)
	require.Len(t, w.fetched, 1)
	w.tell(&Unassign{Topic: "t", Partition: 0})
	send(2)
	w.run(w.now + 3600*seam.Second)
	delete(w.topics, "t")
	w.run(w.now + 3600*seam.Second)
	require.Nil(t, w.topics["t"])
	send(3)
	require.NotNil(t, w.topics["t"])
}

// How many partitions it has is asked for before a record is placed: it may have got some, or be another topic that has fewer.
func TestATopicThatIsCameBackToMayHaveChanged(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"grown": func(w *world) { w.topics["t"].parts = append(w.topics["t"].parts, &testPartition{leader: 0, epoch: 1}) },
		"made anew": func(w *world) {
			delete(w.topics, "t")
			w.topic("t", 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			var seen []int32
			config.Partitioner = func(_ string, _ []byte, partitions int32) int32 {
				seen = append(seen, partitions)
				return partitions - 1
			}
			w := newWorld(1, config, faults{})
			w.topic("t", 3)
			for tag := range uint64(2) {
				w.tell(&Produce{Tag: tag, Topic: "t", Partition: AnyPartition, Records: []Record{{Key: []byte("k"), Value: []byte("x")}}})
				w.run(w.now + 5*seam.Second)
				require.Len(t, w.deliveries, int(tag)+1)
				require.False(t, w.deliveries[tag].Failed())
				w.run(w.now + 3600*seam.Second)
				if tag == 0 {
					change(w)
					w.run(w.now + 3600*seam.Second)
				}
			}
			require.EqualValues(t, len(w.topics["t"].parts), seen[len(seen)-1])
		})
	}
}
