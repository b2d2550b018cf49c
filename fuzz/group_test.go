package fuzz

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/group"
)

// FuzzGroupRecord: whatever the bytes are, Parse returns; what it accepts is written back as one form that reads as
// the same record.
func FuzzGroupRecord(f *testing.F) {
	text := "one"
	partitions := []group.TopicPartitions{{TopicID: [16]byte{1}, Partitions: []int32{0, 1}}}
	for _, r := range []group.Record{
		&group.OffsetCommitRecord{Group: "g", Topic: "orders", Value: &group.OffsetCommit{ExpireTimestamp: group.NoTimestamp, TopicID: [16]byte{1}}},
		&group.OffsetCommitRecord{Group: "g", Topic: "orders", Value: &group.OffsetCommit{ExpireTimestamp: 7}},
		&group.ClassicGroupRecord{Group: "g", Value: &group.ClassicGroup{Protocol: &text, Members: []group.ClassicMember{{InstanceID: &text}}}},
		&group.ConsumerGroupRecord{Group: "g", Value: &group.ConsumerGroupEpoch{Epoch: 1, MetadataHash: 2}},
		&group.PartitionMetadataRecord{Group: "g", Value: &group.PartitionMetadata{Topics: []group.TopicMetadata{
			{Topic: "orders", Partitions: []group.PartitionRacks{{Racks: []string{"r"}}}}}}},
		&group.MemberRecord{Group: "g", MemberID: "m", Value: &group.MemberMetadata{InstanceID: &text, Topics: []string{"orders"}}},
		&group.MemberRecord{Group: "g", MemberID: "m", Value: &group.MemberMetadata{Classic: &group.ClassicMetadata{
			SessionTimeoutMs: 1, Protocols: []group.ClassicProtocol{{Name: "range", Metadata: []byte{1}}}}}},
		&group.TargetAssignmentRecord{Group: "g", Value: &group.TargetAssignmentEpoch{AssignmentEpoch: 1}},
		&group.MemberTargetRecord{Group: "g", MemberID: "m", Value: &group.MemberTarget{Partitions: partitions}},
		&group.CurrentAssignmentRecord{Group: "g", MemberID: "m", Value: &group.CurrentAssignment{Assigned: partitions, PendingRevocation: partitions}},
		&group.RegularExpressionRecord{Group: "g", Expression: "o.*", Value: &group.ResolvedExpression{Topics: []string{"orders"}}},
		&group.UnknownRecord{Kind: 11, Value: []byte{}}, &group.CurrentAssignmentRecord{},
	} {
		key, value := group.Append(nil, nil, r)
		f.Add(key, value, value == nil)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, takenBack bool) {
		if value == nil {
			value = []byte{}
		}
		if takenBack {
			value = nil
		}
		r, err := group.Parse(key, value)
		if err != nil {
			return
		}
		writtenKey, writtenValue := group.Append(nil, nil, r)
		again, err := group.Parse(writtenKey, writtenValue)
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		keyAgain, valueAgain := group.Append(nil, nil, again)
		require.True(t, bytes.Equal(writtenKey, keyAgain) && bytes.Equal(writtenValue, valueAgain), "%#v is written in two ways", r)
		require.Equal(t, takenBack, writtenValue == nil)
	})
}
