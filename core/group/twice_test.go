package group

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/meta"
)

// A member has to give up twice, for two targets.
func TestAMemberThatGaveUpHasComeAnEpochOn(t *testing.T) {
	w := newModernWorld(t)
	id := meta.UUID{1}
	w.topic("orders", id, 4)
	set := func(p ...int32) TopicPartitions { return TopicPartitions{TopicID: id, Partitions: p} }
	a := w.beat("a", join("g", "a", "orders"))
	w.decided()
	require.EqualValues(t, 1, a.MemberEpoch)
	w.beat("b", join("g", "b", "orders")) // epoch 2
	w.decided()
	a = w.beat("a", owning(beat("g", "a", 1), set(0, 1, 2, 3)))
	w.decided()
	require.EqualValues(t, 1, a.MemberEpoch)
	w.beat("c", join("g", "c", "orders"))
	w.decided()
	w.beat("d", join("g", "d", "orders")) // epoch 4
	w.decided()
	kept := a.Assignment.Topics[0].Partitions
	require.Len(t, kept, 2)
	a = w.beat("a", owning(beat("g", "a", 1), set(kept...)))
	w.decided()
	require.Len(t, a.Assignment.Topics[0].Partitions, 1)
	require.EqualValues(t, 2, a.MemberEpoch, "it has done what epoch 2 wanted of it")
	a = w.beat("a", owning(beat("g", "a", 2), set(a.Assignment.Topics[0].Partitions...)))
	w.decided()
	require.EqualValues(t, 4, a.MemberEpoch)
}
