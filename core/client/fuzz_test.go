package client

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client/assignor"
	"rookery/core/seam"
)

// FuzzPeers: whatever a member tells its leader of itself, the leader finds an assignment, and whatever a leader says of
// an assignment, the member takes it or is out.
func FuzzPeers(f *testing.F) {
	good := kmsg.NewConsumerMemberMetadata()
	good.Version, good.Topics = 3, []string{"a", "b"}
	good.OwnedPartitions = owned([]Partition{{Topic: "a", Number: 1}, {Topic: "b", Number: -1}})
	good.UserData = []byte{0, 0, 0, 7}
	f.Add(good.AppendTo(nil), assignment0([]Partition{{Topic: "a", Number: 0}, {Topic: "a", Number: 2}}), byte(3))
	sticky := kmsg.NewStickyMemberMetadata()
	sticky.CurrentAssignment = []kmsg.StickyMemberMetadataCurrentAssignment{{Topic: "a", Partitions: []int32{1, 1 << 30}}}
	good.UserData = sticky.AppendTo(nil)
	f.Add(good.AppendTo(nil), []byte{0, 0, 0x7f, 0xff, 0xff, 0xff}, byte(2))
	f.Fuzz(func(t *testing.T, metadata, assignment []byte, kind byte) {
		a := assignor.Assignor(kind % 4)
		r := kmsg.NewPtrJoinGroupResponse()
		for _, id := range []string{"m1", "m2"} {
			one := kmsg.NewJoinGroupResponseMember()
			one.MemberID, one.ProtocolMetadata = id, metadata
			r.Members = append(r.Members, one)
		}
		peers := peersIn(r, a)
		var topics assignor.Topics
		topics.Put("a", 3)
		topics.Put("b", 1)
		given := a.Assign(&topics, peers)
		require.Len(t, given, 2)
		for _, list := range given {
			require.LessOrEqual(t, len(list), 4)
		}

		config := memberConfig(a)
		config.GroupID = "g"
		c := New(config)
		var fx seam.Effects
		c.onSubscribe(seam.Now{Mono: 1}, &Subscribe{Topics: []string{"a"}}, &fx)
		c.group.phase, c.group.generation = syncing, 1
		s := kmsg.NewPtrSyncGroupResponse()
		s.MemberAssignment = assignment
		c.onSynced(seam.Now{Mono: 2}, s, &fx)
		require.Contains(t, []phase{settled, outside}, c.group.phase)
		require.LessOrEqual(t, len(c.group.holds), len(assignment)/4)
	})
}
