package group

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

// cooperative is a classic group in which "old", an instance or not, has yet to let partitions go: it owned four, and was
// assigned what was kept for it. It returns the member's id.
func (w *modernWorld) cooperative(instance *string, kept ...int32) string {
	all := []TopicPartitions{{TopicID: meta.UUID{1}, Partitions: []int32{0, 1, 2, 3}}}
	r := classicJoin("g", "", "consumer", saying("orders"))
	r.InstanceID = instance
	joined := w.joinClassic(r)
	if instance == nil {
		r.MemberID = joined.MemberID
		joined = w.joinClassic(r)
	}
	if joined == nil {
		joined = w.joined()
	}
	id := joined.MemberID
	w.lead(id, joined.Generation, instance, 0, 1, 2, 3)

	again := classicJoin("g", id, "consumer", w.sayingOwned(all, "orders"))
	again.InstanceID = instance
	if joined = w.joinClassic(again); joined == nil {
		joined = w.joined()
	}
	require.Equal(w.t, int32(2), joined.Generation)
	w.lead(id, 2, instance, kept...)
	require.Equal(w.t, stable, w.c.find("g").state)
	return id
}

func (w *modernWorld) joined() *kmsg.JoinGroupResponse {
	_, answers := w.ring()
	return answers[0].Body.(*kmsg.JoinGroupResponse)
}

func (w *modernWorld) lead(id string, generation int32, instance *string, partitions ...int32) {
	assignment := kmsg.NewConsumerMemberAssignment()
	assignment.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "orders", Partitions: partitions}}
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.Generation, r.ProtocolType, r.Protocol = 5, "g", id, instance, generation, text("consumer"), text("range")
	r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: id, MemberAssignment: assignment.AppendTo(nil)}}
	w.c.SyncGroup(w.now, 3, r)
	_, answers := w.decided()
	require.Zero(w.t, answers[0].Body.(*kmsg.SyncGroupResponse).ErrorCode)
}

// A cooperative rebalance has taken partitions from a member, which has not joined again yet, when the group goes over to the
// consumer protocol: they are the member's to give up, and nobody else's until then.
func TestAnUpgradeWaitsForWhoIsLettingGo(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 4)
	old := w.cooperative(nil, 0, 1)
	require.Zero(t, w.beat("new", join("g", "new", "orders")).ErrorCode)
	w.decided()
	check := func() {
		had := w.c.find("g").consumer.members.At(old).CurrentAssignment
		require.Equal(t, MemberUnrevokedPartitions, had.State)
		require.Equal(t, []TopicPartitions{{TopicID: meta.UUID{1}, Partitions: []int32{0, 1}}}, had.Assigned)
		require.Equal(t, []TopicPartitions{{TopicID: meta.UUID{1}, Partitions: []int32{2, 3}}}, had.PendingRevocation)
	}
	check()
	w.restart()
	check()
	answer := w.beat("new", beat("g", "new", 3))
	w.decided()
	require.Nil(t, answer.Assignment, "nothing is free")
	require.Equal(t, wire.None, w.c.JudgeCommit(&Commit{Group: "g", MemberID: old, Generation: 2, Version: 8}), "it says how far it has come with what it gives up")

	require.Equal(t, wire.RebalanceInProgress, w.beatClassic("g", old, 2))
	kept := []TopicPartitions{{TopicID: meta.UUID{1}, Partitions: []int32{0, 1}}}
	joined := w.joinClassic(classicJoin("g", old, "consumer", w.sayingOwned(kept, "orders")))
	require.Equal(t, int32(3), joined.Generation)
	code, set := w.syncClassic("g", old, 3)
	require.Equal(t, wire.None, code)
	require.Equal(t, kept, set)
	answer = w.beat("new", beat("g", "new", 3))
	w.decided()
	require.Equal(t, []int32{2, 3}, answer.Assignment.Topics[0].Partitions)
	require.Equal(t, "Stable", w.c.find("g").consumer.state())
}

// What is claimed is held back for one member only, and not if somebody was assigned it.
func TestWhatIsHeldBackIsOnes(t *testing.T) {
	set := func(partitions ...int32) []TopicPartitions {
		return orderedSet([]TopicPartitions{{TopicID: meta.UUID{1}, Partitions: partitions}})
	}
	with := func(id string, assigned ...int32) person {
		p := newPerson(id)
		p.State, p.Assigned = MemberStable, set(assigned...)
		return p
	}
	people := []person{with("a", 0), with("b", 1), with("c")}
	holdBack(people, map[string]claim{
		"a": {3, set(0, 1, 2, 3, 4)},
		"b": {4, set(1, 2, 5)},
		"c": {-1, set(0, 1, 4, 6)},
	})
	for i, want := range [][]TopicPartitions{set(3, 4), set(2, 5), set(6)} {
		require.Equal(t, want, people[i].PendingRevocation, people[i].id)
		require.Equal(t, MemberUnrevokedPartitions, people[i].State, people[i].id)
	}
	people = []person{with("a", 0)}
	holdBack(people, map[string]claim{"a": {3, set(0)}})
	require.Equal(t, MemberStable, people[0].State)
}

// An instance was to let partitions go when its process ended. Who comes back for it does not know of them (KIP-345 gives it
// the assignment without a round), so its coming begins the round in which somebody gets them.
func TestAnInstanceThatWasLettingGoComesBackInANewRound(t *testing.T) {
	for _, c := range []struct {
		name  string
		kept  []int32
		fold  bool
		round bool
	}{
		{"it was to give two up", []int32{0, 1}, false, true},
		{"it was to give two up, and the coordinator is another", []int32{0, 1}, true, true},
		{"it had all that it owned", []int32{0, 1, 2, 3}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newModernWorld(t)
			w.topic("orders", meta.UUID{1}, 4)
			w.cooperative(text("seat"), c.kept...)
			if c.fold {
				w.restart()
			}
			back := classicJoin("g", "", "consumer", saying("orders"))
			back.InstanceID = text("seat")
			joined := w.joinClassic(back)
			if joined == nil {
				joined = w.joined()
			}
			require.Zero(t, joined.ErrorCode)
			if !c.round {
				require.Equal(t, int32(2), joined.Generation)
				require.Equal(t, stable, w.c.find("g").state)
				return
			}
			require.Equal(t, int32(3), joined.Generation)
			require.Equal(t, completing, w.c.find("g").state)
			require.False(t, joined.SkipAssignment)
			w.lead(joined.MemberID, 3, text("seat"), 0, 1, 2, 3)
		})
	}
}
