package client

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/client/assignor"
	"rookery/core/seam"
	"rookery/core/wire"
)

// memberConfig is one whose times are short.
func memberConfig(assignors ...assignor.Assignor) Config {
	config := DefaultConfig()
	config.OffsetReset = ResetEarliest
	config.SessionTimeout, config.HeartbeatInterval = 6*seam.Second, seam.Second
	config.PollIntervalMax, config.AutoCommitInterval = 20*seam.Second, seam.Second
	config.RequestTimeout = 10 * seam.Second
	config.MetadataAgeMax = 5 * seam.Second
	if config.Assignors = assignors; len(assignors) == 0 {
		config.Modern = true
	}
	return config
}

func TestMembersShare(t *testing.T) {
	for name, assignors := range map[string][]assignor.Assignor{"range": {assignor.Range}, "round robin": {assignor.RoundRobin}, "sticky": {assignor.Sticky},
		"cooperative": {assignor.CooperativeSticky}, "either": {assignor.Range, assignor.CooperativeSticky}, "modern": nil} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(1, "a", "b")
			c.fill("a", 20)
			config := memberConfig(assignors...)
			one := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a", "b"}})
			c.run(c.now + 5*seam.Second)
			c.shared(t, 6)
			require.Empty(t, c.unread())
			before := one.owns()
			two := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a", "b"}})
			c.run(c.now + 8*seam.Second)
			c.shared(t, 6)
			require.Less(t, len(one.owns()), 5)
			c.fill("b", 20)
			c.run(c.now + 3*seam.Second)
			require.Empty(t, c.unread())
			for p, offset := range c.group.offsets {
				require.EqualValues(t, 20, offset, "%v", p)
			}
			for p, reads := range c.group.read {
				for offset, times := range reads {
					require.Equal(t, 1, times, "%v %d was processed twice, though nobody failed", p, offset)
				}
			}
			if one.revoked == 3 { // it kept the others all the time
				for _, p := range one.owns() {
					require.Contains(t, before, p)
				}
			} else {
				require.Contains(t, []string{"range", "round robin", "sticky", "either"}, name)
			}
			two.world.tell(&Close{Tag: 1})
			c.run(c.now + 5*seam.Second)
			require.Len(t, two.world.closed, 1)
			require.Empty(t, two.owns())
			require.Len(t, one.owns(), 6, "who leaves says so")
			require.Empty(t, c.group.beyond)
			require.Empty(t, c.group.twice)
			require.Empty(t, one.troubles)
			require.Empty(t, two.troubles)
		})
	}
}

// TestWhatIsLetGoIsCommittedFirst: whoever takes a partition over begins where the one before it has come, though no commit was due.
func TestWhatIsLetGoIsCommittedFirst(t *testing.T) {
	for name, assignors := range map[string][]assignor.Assignor{"range": {assignor.Range}, "cooperative": {assignor.CooperativeSticky}, "modern": nil} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(1, "a")
			c.fill("a", 20)
			config := memberConfig(assignors...)
			config.AutoCommitInterval = 3600 * seam.Second
			c.alone(t, config, Subscribe{Topics: []string{"a"}})
			require.Empty(t, c.unread())
			require.Empty(t, c.group.offsets)
			two := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
			c.run(c.now + 8*seam.Second)
			require.NotEmpty(t, two.owns())
			c.fill("a", 1)
			c.run(c.now + 3*seam.Second)
			require.Empty(t, c.unread())
			for p, reads := range c.group.read {
				for offset, times := range reads {
					require.Equal(t, 1, times, "%v %d was processed twice", p, offset)
				}
			}
		})
	}
}

// TestMembersComeAndGo: through lost links, coordinators that move and forget, members that die, leave, hang and come,
// each generation gives a partition once, nobody commits what nobody has processed, and when all is well again the
// living share everything, and everything has been processed.
func TestMembersComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd(rapid.Uint64().Draw(t, "seed of the world"), "a", "b")
		c.group.lapse = rapid.SampledFrom([]int{0, 10, 40}).Draw(t, "lapse")
		c.slow = rapid.SampledFrom([]int{0, 0, 300, 3000}).Draw(t, "slow")
		assignors := rapid.SampledFrom([][]assignor.Assignor{nil, {assignor.Range}, {assignor.Sticky}, {assignor.CooperativeSticky},
			{assignor.CooperativeSticky, assignor.RoundRobin}}).Draw(t, "assignors")
		f := drawnFaults(t)
		f.moveLeader, f.loseTail, f.refuseWritten = 0, 0, 0
		enter := func() {
			config := memberConfig(assignors...)
			config.Seed[1] = byte(len(c.members))
			if rapid.IntRange(0, 3).Draw(t, "static") == 0 && assignors != nil {
				config.InstanceID = "i" + string(rune('0'+len(c.members)))
			}
			if rapid.IntRange(0, 3).Draw(t, "old") == 0 && assignors != nil {
				config.Ceilings = []Ceiling{{8, 7}, {9, 5}, {10, 2}, {11, 5}, {12, 3}, {13, 1}, {14, 3}}
			}
			in := Subscribe{Topics: []string{"a", "b"}}
			if rapid.IntRange(0, 3).Draw(t, "pattern") == 0 && assignors != nil {
				in = Subscribe{Pattern: "[ab]"}
			}
			c.enter(t, config, f, in).world.inTurn = rapid.Bool().Draw(t, "one request after another")
		}
		enter()
		for range rapid.IntRange(1, 12).Draw(t, "deeds") {
			var living []*app
			for _, a := range c.members {
				if !a.dead {
					living = append(living, a)
				}
			}
			one := living[rapid.IntRange(0, len(living)-1).Draw(t, "who")]
			switch rapid.IntRange(0, 6).Draw(t, "deed") {
			case 0, 1:
				if len(living) < 4 {
					enter()
				}
			case 2:
				c.fill("a", 3)
			case 3:
				if len(living) > 1 {
					one.die()
				}
			case 4:
				one.stuck = !one.stuck
			case 5:
				if len(living) > 1 {
					one.world.tell(&Close{Tag: 1})
				}
			case 6:
				one.world.tell(&Subscribe{Topics: rapid.SampledFrom([][]string{{"a"}, {"b"}, {"a", "b"}, nil}).Draw(t, "topics")})
			}
			c.run(c.now + seam.Mono(rapid.SampledFrom([]int{10, 300, 3000, 8000}).Draw(t, "pause"))*seam.Millisecond)
		}
		c.group.lapse = 0
		for _, a := range c.members {
			a.world.faults = faults{}
			if a.stuck = false; !a.dead && len(a.world.closed) == 0 {
				a.world.tell(&Subscribe{Topics: []string{"a", "b"}})
			}
		}
		enter() // at least somebody is there
		c.members[len(c.members)-1].world.faults = faults{}
		c.run(c.now + 60*seam.Second)
		require.Empty(t, c.group.beyond)
		require.Empty(t, c.group.twice)
		require.Empty(t, c.group.vague)
		c.shared(t, 6)
		require.Empty(t, c.unread())
		for _, a := range c.members {
			for _, trouble := range a.troubles {
				require.False(t, trouble.Stopped, "%s: %v", a.name, trouble.Code)
			}
		}
	})
}

// TestDelivery holds the client to what specs/delivery.md promises an application, whatever it does and whoever dies: at
// most once if it commits beforehand; at least once if it commits afterwards (as TestMembersComeAndGo has it, too); exactly
// once if it keeps its position with its effects, or commits afterwards and keeps with its effects what it has seen.
func TestDelivery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd(rapid.Uint64().Draw(t, "seed of the world"), "a")
		c.group.lapse = rapid.SampledFrom([]int{0, 40}).Draw(t, "lapse")
		c.care = rapid.SampledFrom([]care{afterwards, beforehand, ownStore, byID}).Draw(t, "care")
		assignors := rapid.SampledFrom([][]assignor.Assignor{nil, {assignor.Range}, {assignor.CooperativeSticky}}).Draw(t, "assignors")
		f := drawnFaults(t)
		f.moveLeader, f.loseTail, f.refuseWritten = 0, 0, 0
		enter := func() *app {
			config := memberConfig(assignors...)
			if c.care == beforehand || c.care == ownStore {
				config.AutoCommitInterval = 0
			}
			config.PartitionFetchBytes = 100
			return c.enter(t, config, f, Subscribe{Topics: []string{"a"}})
		}
		for range rapid.IntRange(1, 8).Draw(t, "deeds") {
			switch rapid.IntRange(0, 3).Draw(t, "deed") {
			case 0:
				c.fill("a", 4)
			case 1:
				enter()
			case 2:
				if len(c.members) > 0 {
					c.members[rapid.IntRange(0, len(c.members)-1).Draw(t, "who")].die()
				}
			case 3:
				if len(c.members) > 0 {
					one := c.members[rapid.IntRange(0, len(c.members)-1).Draw(t, "who")]
					one.stuck = !one.stuck
				}
			}
			c.run(c.now + seam.Mono(rapid.SampledFrom([]int{10, 100, 1000, 8000}).Draw(t, "pause"))*seam.Millisecond)
		}
		c.group.lapse = 0
		last := enter()
		for _, a := range c.members {
			a.world.faults, a.stuck = faults{}, false
		}
		c.run(c.now + 40*seam.Second)
		require.False(t, last.dead)
		require.Empty(t, c.group.vague)
		for p, reads := range c.group.read {
			for offset, times := range reads {
				require.True(t, c.care == afterwards || times <= 1, "%v %d had its effect %d times", p, offset, times)
			}
		}
		if c.care != beforehand {
			require.Empty(t, c.unread())
		}
		if c.care == afterwards || c.care == byID {
			require.Empty(t, c.group.beyond)
		}
	})
}

func (c *crowd) alone(t require.TestingT, config Config, in Subscribe) *app {
	a := c.enter(t, config, faults{}, in)
	c.run(c.now + 3*seam.Second)
	return a
}

// TestLateApplication: who does not come back in time is out, is told so when it does, and is let in again.
func TestLateApplication(t *testing.T) {
	for _, config := range []Config{memberConfig(assignor.Range), memberConfig()} {
		c := newCrowd(1, "a")
		c.fill("a", 5)
		one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
		require.Len(t, one.owns(), 3)
		c.fill("a", 1)
		one.stuck = true
		one.world.tell(&Polled{})
		c.run(c.now + 19*seam.Second)
		require.Len(t, c.group.members, 1, "its heartbeats speak for it")
		c.run(c.now + 3*seam.Second)
		require.Empty(t, c.group.members)
		require.Equal(t, 1, one.losses)
		require.Empty(t, one.owns())
		one.stuck = false
		c.run(c.now + 3*seam.Second)
		require.Len(t, one.owns(), 3)
	}
}

// TestOffsetsAreAskedForAsAMember: who is told that it asks in an epoch that is over asks again, and who is told that it is no
// member joins again; what it is to read is read all the same.
func TestOffsetsAreAskedForAsAMember(t *testing.T) {
	for _, of := range []struct {
		code           wire.Code
		rounds, losses int
	}{{wire.None, 1, 0}, {wire.StaleMemberEpoch, 1, 0}, {wire.UnstableOffsetCommit, 1, 0}, {wire.UnknownMemberID, 2, 1}} {
		c := newCrowd(1, "a")
		c.fill("a", 5)
		c.group.refuse = of.code
		one := c.alone(t, memberConfig(), Subscribe{Topics: []string{"a"}})
		require.Empty(t, c.unread(), "%v", of.code)
		require.Equal(t, []int{of.rounds, of.losses}, []int{one.rounds, one.losses}, "%v", of.code)
		require.Empty(t, one.troubles)
		require.Empty(t, c.group.vague)
	}
}

// TestWaitingApplication is never late.
func TestWaitingApplication(t *testing.T) {
	c := newCrowd(1, "a")
	one := c.alone(t, memberConfig(assignor.Range), Subscribe{Topics: []string{"a"}})
	one.world.tell(&Polled{Idle: true})
	one.stuck = true
	c.run(c.now + 100*seam.Second)
	require.Len(t, one.owns(), 3)
	require.Zero(t, one.losses)
}

// TestStaticMember: it comes back as whoever it was, and nobody is disturbed; the old one is fenced.
func TestStaticMember(t *testing.T) {
	c := newCrowd(1, "a")
	config := memberConfig(assignor.Range)
	config.InstanceID = "i"
	one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
	one.world.tell(&Close{Tag: 1})
	c.run(c.now + seam.Second)
	require.Len(t, one.world.closed, 1)
	require.Len(t, c.group.members, 1, "it does not say good-bye")
	two := c.alone(t, config, Subscribe{Topics: []string{"a"}})
	require.Len(t, two.owns(), 3)
	three := c.alone(t, config, Subscribe{Topics: []string{"a"}})
	require.Len(t, three.owns(), 3)
	require.Equal(t, []GroupTrouble{{Code: wire.FencedInstanceID, Stopped: true}}, two.troubles)
	require.Empty(t, two.owns())
}

// TestStaticLeaderComesBack: it is given what it had (KIP-814), without a round; what has come meanwhile, and what comes
// from then on, it sees.
func TestStaticLeaderComesBack(t *testing.T) {
	for _, a := range []assignor.Assignor{assignor.Range, assignor.RoundRobin, assignor.Sticky, assignor.CooperativeSticky} {
		c := newCrowd(1)
		config := memberConfig(a)
		config.InstanceID, config.SessionTimeout, config.AutoCreate = "i", 100*seam.Second, false
		back := func() *app {
			one := c.alone(t, config, Subscribe{Topics: []string{"a", "b"}})
			one.world.tell(&Close{Tag: 1})
			c.run(c.now + seam.Second)
			return c.alone(t, config, Subscribe{Topics: []string{"a", "b"}})
		}
		require.Empty(t, back().owns())
		c.worlds[0].topic("a", 3)
		rounds := c.group.rounds
		two := back()
		require.Len(t, two.owns(), 3, "%v: a came while nobody watched", a)
		first, later := 1, 1
		if a.IsCooperative() {
			first, later = 2, 4 // what was held back when it went nobody knows, and it comes twice each time
		}
		require.Equal(t, rounds+first, c.group.rounds)
		require.Len(t, back().owns(), 3)
		require.Equal(t, rounds+later, c.group.rounds, "%v: nothing has changed", a)
		last := back()
		c.worlds[0].topic("b", 2)
		c.run(c.now + 10*seam.Second)
		require.Len(t, last.owns(), 5, "%v: b came while it watched", a)
	}
}

// TestHeldBackForNobody: the leader has held back what an instance has, for another member, and the instance comes back
// before it has heard of that. It has nothing to let go and joins no more; the leader does.
func TestHeldBackForNobody(t *testing.T) {
	c := newCrowd(1, "a", "b")
	config := memberConfig(assignor.CooperativeSticky)
	c.alone(t, config, Subscribe{Topics: []string{"b"}})
	static := config
	static.InstanceID = "i"
	two := c.enter(t, static, faults{}, Subscribe{Topics: []string{"a"}})
	c.run(c.now + 10*seam.Second)
	require.Len(t, two.owns(), 3)
	rounds := c.group.rounds
	three := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
	for c.group.rounds == rounds || c.group.preparing || c.group.syncing {
		c.run(c.now + 5*seam.Millisecond)
	}
	two.die()
	two = c.enter(t, static, faults{}, Subscribe{Topics: []string{"a"}})
	c.run(c.now + 10*seam.Second)
	require.Less(t, len(two.owns())+len(three.owns()), 3, "nobody has let go what was held back")
	c.run(c.now + 20*seam.Second)
	c.shared(t, 6)
}

// TestPattern: topics that appear and vanish come and go.
func TestPattern(t *testing.T) {
	c := newCrowd(1, "a", "b", "xa")
	one := c.alone(t, memberConfig(assignor.CooperativeSticky), Subscribe{Pattern: "[ab]|c.*"})
	require.Len(t, one.owns(), 6)
	c.worlds[0].topic("cc", 2)
	c.run(c.now + 10*seam.Second)
	require.Len(t, one.owns(), 8)
	delete(c.worlds[0].topics, "b")
	c.run(c.now + 10*seam.Second)
	require.Len(t, one.owns(), 5)
	c.worlds[0].topics["a"].parts = append(c.worlds[0].topics["a"].parts, &testPartition{epoch: 1})
	c.run(c.now + 10*seam.Second)
	require.Len(t, one.owns(), 6, "partitions that are added")
	one.world.tell(&Subscribe{Pattern: "("})
	require.Equal(t, []GroupTrouble{{Code: wire.InvalidRegularExpression, Stopped: true}}, one.troubles)
	c.run(c.now + seam.Second)
	require.Empty(t, c.group.members, "it says that it leaves")
	require.Empty(t, one.owns())
	require.Zero(t, one.losses)
	one.world.tell(&Subscribe{Topics: []string{"a"}})
	c.run(c.now + 3*seam.Second)
	require.Len(t, one.owns(), 4)
}

// TestTopicBesideAJoin: a topic of which the cluster tells while JoinGroup waits is joined for next, not when the metadata are
// old.
func TestTopicBesideAJoin(t *testing.T) {
	config := memberConfig(assignor.CooperativeSticky)
	config.MetadataAgeMax = 300 * seam.Second
	c := newCrowd(1, "a")
	one := c.alone(t, config, Subscribe{Pattern: "a|b"})
	c.alone(t, config, Subscribe{Topics: []string{"a"}}).die()
	c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
	for !one.world.client.isHeldBack() {
		c.run(c.now + 5*seam.Millisecond)
	}
	c.worlds[0].topic("b", 2)
	one.world.client.wantMetadata()
	c.run(c.now + seam.Second)
	require.True(t, one.world.client.isHeldBack())
	require.Equal(t, []string{"a", "b"}, one.world.client.group.topics)
	c.run(c.now + 10*seam.Second)
	c.shared(t, 5)
}

// TestPatternOfTheBroker: with the consumer protocol the broker names topics by their ids.
func TestPatternOfTheBroker(t *testing.T) {
	c := newCrowd(1, "aq", "bq")
	one := c.alone(t, memberConfig(), Subscribe{Pattern: ".q"})
	require.Len(t, one.owns(), 6)
}

// TestPatternUnheardOf: version 0 of the heartbeat (Kafka 3.7 to 3.9) has no patterns. A member that told of none would be one of
// no topics, and read nothing without a word.
func TestPatternUnheardOf(t *testing.T) {
	config := memberConfig()
	config.Ceilings = []Ceiling{{68, 0}}
	c := newCrowd(1, "aq")
	one := c.alone(t, config, Subscribe{Pattern: ".q"})
	require.Equal(t, []GroupTrouble{{Code: wire.UnsupportedVersion, Stopped: true}}, one.troubles)
	one.world.tell(&Subscribe{Topics: []string{"aq"}})
	c.run(c.now + 3*seam.Second)
	require.Len(t, one.owns(), 3)
}

// TestTopicInTheMaking: a leader that is not told how many partitions a topic has waits for that, but no longer than the group
// waits for it: nobody beats for a member that assigns.
func TestTopicInTheMaking(t *testing.T) {
	config := memberConfig(assignor.Range)
	require.Greater(t, config.RequestTimeout, config.SessionTimeout)
	c := newCrowd(1, "a")
	c.worlds[0].topics["b"] = &testTopic{name: "b"}
	one := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a", "b"}})
	c.run(c.now + 5*seam.Second)
	require.Len(t, one.owns(), 3)
	c.worlds[0].topics["b"].parts = []*testPartition{{epoch: 1}}
	c.run(c.now + 5*seam.Second)
	require.Len(t, one.owns(), 4)
}

// TestTargetWithoutName: a topic of the target that the brokers asked do not name (yet, or to this client) holds up nothing
// else, of later targets neither.
func TestTargetWithoutName(t *testing.T) {
	config := memberConfig()
	config.AutoCreate = false
	c := newCrowd(1, "a", "b", "c")
	one := c.enter(t, config, faults{}, Subscribe{Topics: []string{"a", "b"}})
	one.world.topics = map[string]*testTopic{"a": one.world.topics["a"], "c": one.world.topics["c"]}
	c.run(c.now + 3*seam.Second)
	require.Equal(t, []Partition{{Topic: "a", Number: 0}, {Topic: "a", Number: 1}, {Topic: "a", Number: 2}}, one.owns())
	one.world.tell(&Subscribe{Topics: []string{"b", "c"}})
	c.run(c.now + 3*seam.Second)
	require.Equal(t, []Partition{{Topic: "c", Number: 0}, {Topic: "c", Number: 1}, {Topic: "c", Number: 2}}, one.owns())
	one.world.topics = c.worlds[0].topics
	c.run(c.now + 3*seam.Second)
	require.Len(t, one.owns(), 6)
}

// TestCommits: one's own, in order; what is not ours is not committed.
func TestCommits(t *testing.T) {
	for _, config := range []Config{memberConfig(assignor.Range), memberConfig()} {
		config.AutoCommitInterval = 0
		c := newCrowd(1, "a", "b")
		c.fill("a", 5)
		one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
		require.Empty(t, c.group.offsets)
		p := Partition{Topic: "a", Number: 1}
		one.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: p, Offset: 2, Metadata: "m"}}})
		one.world.tell(&Commit{Tag: 2})
		c.run(c.now + seam.Second)
		require.Len(t, one.committed, 2)
		require.Equal(t, Committed{Tag: 1, Places: []CommittedPlace{{Place{p, 2, 0, "m"}, wire.None}}}, *one.committed[0])
		require.Len(t, one.committed[1].Places, 3)
		require.EqualValues(t, 5, c.group.offsets[p])
		c.group.node = 1 - c.group.node // nobody says so
		one.world.tell(&Commit{Tag: 3, Places: []Place{{Partition: p, Offset: 4}}})
		c.run(c.now + seam.Second)
		require.Equal(t, wire.None, one.committed[2].Code)
		require.EqualValues(t, 4, c.group.offsets[p])
		c.group.remove(c.group.members[0]) // it is forgotten
		one.world.tell(&Commit{Tag: 4, Places: []Place{{Partition: p, Offset: 5}}})
		c.run(c.now + 3*seam.Second)
		require.True(t, one.committed[3].Code.Failed())
		require.EqualValues(t, 4, c.group.offsets[p])
		require.Equal(t, 1, one.losses)
		require.Len(t, one.owns(), 3, "and it has joined again")
		one.world.faults.silence = 1
		one.world.tell(&Commit{Tag: 5, Timeout: 500})
		c.run(c.now + 11*seam.Second)
		require.Equal(t, TimedOut, one.committed[4].Fault)
		other := Partition{Topic: "b", Number: 0} // or one that has been lost: its next owner may have begun
		one.world.tell(&Commit{Tag: 6, Places: []Place{{Partition: other, Offset: 1}}})
		c.run(c.now + 5*seam.Second)
		require.Equal(t, wire.IllegalGeneration, one.committed[5].Code)
		require.NotContains(t, c.group.offsets, other)
	}
}

// TestCommitBesideAJoin: a member that keeps what it has commits while its JoinGroup is held back for somebody who is gone.
// A broker that looks at one request after another would judge that by the next generation, and refuse it, though its
// partition is this member's still; or the link's time would be up over it. So it is with a place that is asked for.
func TestCommitBesideAJoin(t *testing.T) {
	for _, inTurn := range []bool{true, false} {
		config := memberConfig(assignor.CooperativeSticky)
		config.AutoCommitInterval, config.RequestTimeout = 0, 3*seam.Second
		c := newCrowd(1, "a")
		c.fill("a", 5)
		one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
		two := c.alone(t, config, Subscribe{Topics: []string{"a"}})
		c.run(c.now + 5*seam.Second)
		mine := one.owns()[0]
		one.world.inTurn = inTurn
		two.die()
		c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
		c.run(c.now + 1500*seam.Millisecond)
		rounds := c.group.rounds
		require.True(t, c.group.preparing, "two is waited for")
		joins := c.group.counts[11]
		one.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: mine, Offset: 2}}, Timeout: 9000})
		one.stuck = true
		one.world.tell(&Assign{Topic: "a", Partition: mine.Number, Offset: AsCommitted})
		c.run(c.now + 3200*seam.Millisecond)
		require.True(t, c.group.preparing)
		require.Equal(t, joins, c.group.counts[11], "the link was given up, and with it the JoinGroup")
		c.run(c.now + 15*seam.Second)
		require.Len(t, one.committed, 1)
		require.False(t, one.committed[0].Failed(), one.committed[0])
		require.EqualValues(t, 2, c.group.offsets[mine])
		require.LessOrEqual(t, c.group.rounds, rounds+2)
		require.Zero(t, one.losses)
		c.shared(t, 3)
	}
}

// TestCommitBesideASync: nor does it go out while SyncGroup is waited for. The refusal would have the member join again.
func TestCommitBesideASync(t *testing.T) {
	config := memberConfig(assignor.CooperativeSticky)
	config.AutoCommitInterval = 0
	c := newCrowd(1, "a", "b")
	c.fill("a", 5)
	one := c.alone(t, config, Subscribe{Topics: []string{"a", "b"}})
	two := c.alone(t, config, Subscribe{Topics: []string{"a", "b"}})
	c.run(c.now + 5*seam.Second)
	rounds, mine := c.group.rounds, two.owns()[0]
	one.world.tell(&Subscribe{Topics: []string{"a"}})
	for two.world.client.group.phase != syncing {
		one.world.faults.delay = 1
		c.run(c.now + 5*seam.Millisecond)
	}
	two.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: mine, Offset: 2}}})
	c.run(c.now + 20*seam.Second)
	require.False(t, two.committed[0].Failed(), two.committed[0])
	require.Equal(t, rounds+1, c.group.rounds)
}

// TestCommitOfATopicThatIsGone: what a client commits by itself is not tried again for a topic that the coordinator does not
// know. It would hold up all that comes after it, a rebalance too (KAFKA-13310).
func TestCommitOfATopicThatIsGone(t *testing.T) {
	for _, config := range []Config{memberConfig(assignor.Range), memberConfig()} {
		config.AutoCreate = false
		c := newCrowd(1, "a", "b")
		one := c.alone(t, config, Subscribe{Topics: []string{"a", "b"}})
		c.worlds[0].client.config.AutoCreate = false
		p := Partition{Topic: "a", Number: 1}
		for range 3 {
			c.worlds[0].tell(&Produce{Topic: "a", Partition: 1, Records: []Record{{Value: []byte("x")}}})
		}
		for one.holds[p].next < 3 {
			c.run(c.now + 5*seam.Millisecond)
		}
		require.Less(t, c.group.offsets[p], int64(3))
		delete(c.worlds[0].topics, "a")
		for range 2 {
			c.fill("b", 5)
		}
		require.EqualValues(t, 10, c.group.offsets[Partition{Topic: "b", Number: 1}])
		c.run(c.now + 3*seam.Second)
		require.Len(t, one.owns(), 3)
	}
}

// TestClosedBesideAJoin: who closes while its JoinGroup waits may be in the next generation when it commits. It is a member
// still, and says that it leaves: the others would wait until its session is over.
func TestClosedBesideAJoin(t *testing.T) {
	config := memberConfig(assignor.CooperativeSticky)
	config.AutoCommitInterval = 0
	c := newCrowd(1, "a")
	c.fill("a", 5)
	one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
	two := c.alone(t, config, Subscribe{Topics: []string{"a"}})
	c.alone(t, config, Subscribe{Topics: []string{"a"}}).die()
	c.enter(t, config, faults{}, Subscribe{Topics: []string{"a"}})
	mine := two.owns()[0]
	two.stuck = true
	for c.group.find(two.world.client.group.member).join == nil {
		c.run(c.now + 5*seam.Millisecond)
	}
	generation := c.group.generation
	two.world.tell(&Close{Tag: 1})
	for c.group.generation == generation {
		c.run(c.now + 5*seam.Millisecond)
	}
	two.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: mine, Offset: 1}}})
	two.stuck = false
	c.run(c.now + seam.Second)
	require.Equal(t, wire.IllegalGeneration, two.committed[0].Code)
	require.Len(t, two.world.closed, 1)
	require.Nil(t, c.group.find(two.world.client.group.member))
	c.run(c.now + 2*seam.Second)
	require.Len(t, c.group.members, 2)
	require.Positive(t, len(one.owns()))
}

// TestCommitIsNotTakenBack: what the application has committed stays, though it has not said that it processed as much.
func TestCommitIsNotTakenBack(t *testing.T) {
	c := newCrowd(1, "a")
	c.fill("a", 5)
	one := c.alone(t, memberConfig(assignor.Range), Subscribe{Topics: []string{"a"}})
	p := Partition{Topic: "a", Number: 1}
	one.world.tell(&Polled{Processed: []Place{{Partition: p, Offset: 2}}, Idle: true})
	one.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: p, Offset: 4}}})
	one.stuck = true
	c.run(c.now + 5*seam.Second)
	require.EqualValues(t, 4, c.group.offsets[p])
}

// TestCommitOfBefore: an application that is busy while its member loses a partition, and is given it anew, still speaks of
// what it had. The group's place is where others have come meanwhile.
func TestCommitOfBefore(t *testing.T) {
	for _, config := range []Config{memberConfig(assignor.Range), memberConfig()} {
		c := newCrowd(1, "a")
		c.fill("a", 5)
		one := c.alone(t, config, Subscribe{Topics: []string{"a"}})
		p := Partition{Topic: "a", Number: 1}
		require.EqualValues(t, 5, c.group.offsets[p])
		var unheard []any
		one.stuck, one.world.letters = true, func(body any) bool { unheard = append(unheard, body); return true }
		c.group.remove(c.group.members[0])
		c.run(c.now + 5*seam.Second)
		require.Len(t, c.group.members, 1)
		isAssigned := func(body any) bool { _, is := body.(*Assigned); return is }
		require.True(t, slices.ContainsFunc(unheard, isAssigned), "it is a member again, and the application has not looked")
		one.world.tell(&Commit{Tag: 1, Places: []Place{{Partition: p, Offset: 2}}})
		one.world.tell(&Polled{Processed: []Place{{Partition: p, Offset: 3}}})
		c.run(c.now + 10*seam.Second)
		require.EqualValues(t, 5, c.group.offsets[p])
		one.stuck, one.world.letters = false, one.receive
		for _, body := range unheard {
			one.receive(body)
		}
		c.run(c.now + 5*seam.Second)
		require.Equal(t, wire.IllegalGeneration, one.committed[0].Code)
		one.world.tell(&Commit{Tag: 2, Places: []Place{{Partition: p, Offset: 4}}})
		c.run(c.now + 5*seam.Second)
		require.Equal(t, wire.None, one.committed[1].Code, "now it speaks of what it has")
	}
}

// TestStandalone: who assigns itself may put its places down in a group, too, and go on from there.
func TestStandalone(t *testing.T) {
	c := newCrowd(1, "a")
	c.fill("a", 5)
	config := memberConfig(assignor.Range)
	one := c.enter(t, config, faults{}, Subscribe{})
	one.stuck = true
	p := Partition{Topic: "a", Number: 1}
	one.world.tell(&Assign{Topic: "a", Partition: 1, Offset: AsCommitted})
	c.run(c.now + seam.Second)
	require.Len(t, one.queue, 1)
	one.process(one.queue[0])
	c.group.read[p] = map[int64]int{0: 1, 1: 1, 2: 1}
	one.world.tell(&Polled{Processed: []Place{{Partition: p, Offset: 3}}})
	c.run(c.now + 3*seam.Second)
	require.EqualValues(t, 3, c.group.offsets[p])
	one.world.tell(&Assign{Topic: "a", Partition: 1, Offset: AsCommitted})
	c.run(c.now + 3*seam.Second)
	require.EqualValues(t, 3, one.queue[1].From)
	require.Empty(t, c.group.members)
	c.group.read[p][3] = 1
	one.world.tell(&Polled{Processed: []Place{{Partition: p, Offset: 4}}})
	one.world.tell(&Close{Tag: 1})
	c.run(c.now + seam.Second)
	require.Len(t, one.world.closed, 1)
	require.EqualValues(t, 4, c.group.offsets[p])
}

// TestPlaceLeftOut: of a partition that the answer leaves out the application is told that; the others go on.
func TestPlaceLeftOut(t *testing.T) {
	c := newCrowd(1, "a")
	one := c.enter(t, memberConfig(assignor.Range), faults{}, Subscribe{})
	one.stuck = true
	c.group.leftOut = Partition{Topic: "a", Number: 1}
	c.group.offsets[Partition{Topic: "a", Number: 2}] = 0
	for number := range int32(3) {
		one.world.tell(&Assign{Topic: "a", Partition: number, Offset: AsCommitted})
	}
	c.run(c.now + seam.Second)
	require.Len(t, one.queue, 3)
	for _, f := range one.queue {
		require.Equal(t, f.Partition == 1, f.Stopped, "partition %d: %v", f.Partition, f.Code)
	}
}

// TestBarred: who assigns itself and may not ask for the group's places is told so. Nobody else would tell it.
func TestBarred(t *testing.T) {
	c := newCrowd(1, "a")
	c.group.barred = true
	one := c.enter(t, memberConfig(assignor.Range), faults{}, Subscribe{})
	one.stuck = true
	one.world.tell(&Assign{Tag: 7, Topic: "a", Offset: AsCommitted})
	c.run(c.now + seam.Second)
	require.Len(t, one.queue, 1)
	f := one.queue[0]
	require.Equal(t, []any{uint64(7), wire.GroupAuthorizationFailed, true}, []any{f.Tag, f.Code, f.Stopped})
	asked := c.group.counts[10]
	c.run(c.now + 10*seam.Second)
	require.Equal(t, asked, c.group.counts[10], "nothing is left to be asked for")
}

func TestNoOffsetAndNoReset(t *testing.T) {
	c := newCrowd(1, "a")
	config := memberConfig(assignor.Range)
	config.OffsetReset = ResetNone
	one := c.enter(t, config, faults{}, Subscribe{})
	one.stuck = true
	one.world.tell(&Assign{Topic: "a", Offset: AsCommitted})
	c.run(c.now + seam.Second)
	require.Len(t, one.queue, 1)
	f := one.queue[0]
	require.Equal(t, []any{wire.OffsetOutOfRange, true, int64(-1)}, []any{f.Code, f.Stopped, f.Position})
}
