package group

import (
	"bytes"
	"encoding/hex"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/meta"
)

// Written by the GroupCoordinatorRecordSerde of Apache Kafka 4.2.0. Written says that Append must give the very bytes;
// the others are older versions, which are read only.
type golden struct {
	name, key, value string
	written          bool
	record           Record
}

func goldens() []golden {
	id := meta.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	text := func(s string) *string { return &s }
	const commitKey = "000100016700066f726465727300000003"
	commit := func(epoch int32, expires int64, topic meta.UUID) *OffsetCommitRecord {
		return &OffsetCommitRecord{"g", "orders", 3, &OffsetCommit{7, epoch, "note", 1000, expires, topic}}
	}
	classic := func(since int64, instance *string, rebalanceMs int32) *ClassicGroupRecord {
		return &ClassicGroupRecord{"g", &ClassicGroup{"consumer", 5, text("range"), text("m"), since, []ClassicMember{
			{"m", instance, "c", "/h", rebalanceMs, 10, []byte{1, 2}, []byte{}}}}}
	}
	member := func(instance, rack, regex, assignor *string, beside *ClassicMetadata) *MemberRecord {
		return &MemberRecord{"g", "m", &MemberMetadata{instance, rack, "c", "/h", []string{"orders"}, regex, -1, assignor, beside}}
	}
	unsaid := &ClassicMetadata{Protocols: []ClassicProtocol{}}
	said := &ClassicMetadata{9, []ClassicProtocol{{"range", []byte{7}}}}
	return []golden{
		{"commit/0", commitKey, "0000000000000000000700046e6f746500000000000003e8", false, commit(-1, -1, meta.UUID{})},
		{"commit/1", commitKey, "0001000000000000000700046e6f746500000000000003e800000000000007d0", true, commit(-1, 2000, meta.UUID{})},
		{"commit/2", commitKey, "0002000000000000000700046e6f746500000000000003e8", false, commit(-1, -1, meta.UUID{})},
		{"commit/3", commitKey, "000300000000000000070000000300046e6f746500000000000003e8", false, commit(3, -1, meta.UUID{})},
		{"commit/4", commitKey, "0004000000000000000700000003056e6f746500000000000003e80100100102030405060708090a0b0c0d0e0f10", true, commit(3, -1, id)},
		{"commit/none", commitKey, "", true, &OffsetCommitRecord{Group: "g", Topic: "orders", Partition: 3}},
		{"legacy/0", "000000016700066f726465727300000003", "0000000000000000000700046e6f746500000000000003e8", false, commit(-1, -1, meta.UUID{})},
		{"classic/0", "0002000167", "00000008636f6e73756d657200000005000572616e676500016d0000000100016d00016300022f680000000a00000002010200000000", false, classic(-1, nil, -1)},
		{"classic/1", "0002000167", "00010008636f6e73756d657200000005000572616e676500016d0000000100016d00016300022f68000000140000000a00000002010200000000", false, classic(-1, nil, 20)},
		{"classic/2", "0002000167", "00020008636f6e73756d657200000005000572616e676500016d00000000000003e80000000100016d00016300022f68000000140000000a00000002010200000000", false, classic(1000, nil, 20)},
		{"classic/3", "0002000167", "00030008636f6e73756d657200000005000572616e676500016d00000000000003e80000000100016d00016900016300022f68000000140000000a00000002010200000000", true, classic(1000, text("i"), 20)},
		{"classic/4", "0002000167", "000409636f6e73756d6572000000050672616e6765026d00000000000003e802026d02690263032f68000000140000000a030102010000", false, classic(1000, text("i"), 20)},
		{"epoch/0", "0003000167", "000000000005010008fffffffffffffffe", true, &ConsumerGroupRecord{"g", &ConsumerGroupEpoch{5, -2}}},
		{"topics/0", "0004000167", "0000020102030405060708090a0b0c0d0e0f10076f726465727300000002020000000103037231037232000000", true,
			&PartitionMetadataRecord{"g", &PartitionMetadata{[]TopicMetadata{{id, "orders", 2, []PartitionRacks{{1, []string{"r1", "r2"}}}}}}}},
		{"member/unsaid", "000500016700016d", "000001010263032f6802076f726465727301ffffffff0100", true, member(text(""), text(""), text(""), text(""), unsaid)},
		{"member/null", "000500016700016d", "00000102720263032f6802076f7264657273036f2affffffff0672616e676501000100", true, member(text(""), text("r"), text("o*"), text("range"), nil)},
		{"member/classic", "000500016700016d", "000001010263032f6802076f726465727301ffffffff010100100100000009020672616e676502070000", true, member(text(""), text(""), text(""), text(""), said)},
		{"current/0", "000800016700016d", "0000fffffffe0000000402020102030405060708090a0b0c0d0e0f10030000000300000001000100", true,
			&CurrentAssignmentRecord{"g", "m", &CurrentAssignment{-2, 4, MemberUnreleasedPartitions, []TopicPartitions{{TopicID: id, Partitions: []int32{3, 1}}}, []TopicPartitions{}}}},
		{"share/0", "000b000167", "000000000001000000000000000200", true, &UnknownRecord{11, []byte("\x00\x01g"), []byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00")}},
		{"share/none", "000b000167", "", true, &UnknownRecord{Kind: 11, Key: []byte("\x00\x01g")}},
	}
}

func (g golden) bytes(t *testing.T) (key, value []byte) {
	key, err := hex.DecodeString(g.key)
	require.NoError(t, err)
	if g.value == "" {
		return key, nil
	}
	value, err = hex.DecodeString(g.value)
	require.NoError(t, err)
	return key, value
}

func TestRecordsAreKafkasByteForByte(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			key, value := g.bytes(t)
			r, err := Parse(key, value)
			require.NoError(t, err)
			require.Equal(t, g.record, r)
			if g.written {
				gotKey, gotValue := Append(nil, nil, g.record)
				require.Equal(t, g.key, hex.EncodeToString(gotKey))
				require.Equal(t, g.value, hex.EncodeToString(gotValue))
				require.Equal(t, value == nil, gotValue == nil)
			}
		})
	}
}

// A node of Apache Kafka 4.2.0 has written these: a static member of a classic group; a group that was begun by a
// static member of the consumer protocol, was joined by one with a regular expression and by one of the classic
// protocol, and was left by all; an offset that was deleted.
func TestKafkasOwnFilesAreReadAndWrittenAgain(t *testing.T) {
	seen, takenBack := map[int16]int{}, 0
	for _, name := range []string{"classic", "modern", "simple"} {
		file, err := os.ReadFile("testdata/kafka-4.2.0/" + name + ".log")
		require.NoError(t, err)
		for len(file) > 0 {
			view, rest, whole := batch.Next(file)
			require.True(t, whole)
			records := batch.Read(view, batch.Limits{}, nil)
			for r := (batch.Record{}); records.Next(&r); {
				parsed, err := Parse(r.Key, r.Value)
				require.NoError(t, err)
				key, value := Append(nil, nil, parsed)
				require.Equal(t, r.Key, key)
				require.Equal(t, r.Value, value)
				seen[parsed.kind()]++
				if value == nil {
					takenBack++
				}
			}
			require.Equal(t, batch.Fault(0), records.Fault())
			file = rest
		}
	}
	require.Equal(t, map[int16]int{1: 5, 2: 3, 3: 6, 5: 6, 6: 3, 7: 7, 8: 14, 16: 2}, seen)
	require.Equal(t, 11, takenBack)
}

func TestEveryPrefixOfAGroupRecordIsRefused(t *testing.T) {
	for _, g := range goldens() {
		if _, unknown := g.record.(*UnknownRecord); unknown {
			continue
		}
		key, value := g.bytes(t)
		for i := range key {
			_, err := Parse(key[:i], value)
			require.Error(t, err, "%s with a key cut at %d", g.name, i)
		}
		_, err := Parse(append(bytes.Clone(key), 0), value)
		require.Error(t, err, "%s with a byte behind its key", g.name)
		for i := range value {
			_, err := Parse(key, value[:i])
			require.Error(t, err, "%s with a value cut at %d", g.name, i)
		}
		if value != nil {
			_, err = Parse(key, append(bytes.Clone(value), 0))
			require.Error(t, err, "%s with a byte behind its value", g.name)
		}
	}
}

func TestBadGroupRecordsAreRefused(t *testing.T) {
	for _, bad := range []struct{ name, key, value, says string }{
		{"no kind", "00", "", "a key of 1 bytes"},
		{"null group", "0003ffff", "", "null where a string"},
		{"group beyond the end", "00037fff67", "", "beyond the end"},
		{"a value without version", "0003000167", "00", "a value of 1 bytes"},
		{"a version to come", "0003000167", "000100000005", "unknown version 1"},
		{"a version below zero", "0002000167", "ffff0000", "unknown version -1"},
		{"a commit of a version to come", "000100016700066f726465727300000003", "0005", "unknown version 5"},
		{"members beyond the end", "0002000167", "00030008636f6e73756d657200000005ffffffff00000000000003e87fffffff", "beyond the end"},
		{"null members", "0002000167", "00030008636f6e73756d657200000005ffffffff00000000000003e8ffffffff", "null where an array"},
		{"null subscription", "0002000167", "00030008636f6e73756d657200000005ffffffff00000000000003e80000000100016dffff00016300022f68000000140000000affffffff00000000", "null where bytes"},
		{"partitions beyond the end", "000700016700016d", "0000ffffffff0f", "beyond the end"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			key, err := hex.DecodeString(bad.key)
			require.NoError(t, err)
			value, err := hex.DecodeString(bad.value)
			require.NoError(t, err)
			if bad.value == "" {
				value = nil
			}
			_, err = Parse(key, value)
			require.ErrorContains(t, err, bad.says)
		})
	}
}

// kmsg knows the kinds 0 to 2, and has been written by others.
func TestOffsetsAndClassicGroupsAreAlsoKmsgs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		switch r := anyRecord(t).(type) {
		case *OffsetCommitRecord:
			key, value := Append(nil, nil, r)
			k := kmsg.OffsetCommitKey{Version: 1, Group: r.Group, Topic: r.Topic, Partition: r.Partition}
			require.Equal(t, k.AppendTo(nil), key)
			if v := r.Value; v != nil {
				other := kmsg.OffsetCommitValue{Version: r.version(), Offset: v.Offset, LeaderEpoch: v.LeaderEpoch, Metadata: v.Metadata,
					CommitTimestamp: v.CommitTimestamp, ExpireTimestamp: v.ExpireTimestamp, TopicID: v.TopicID}
				require.Equal(t, other.AppendTo(nil), value)
			}
		case *ClassicGroupRecord:
			key, value := Append(nil, nil, r)
			k := kmsg.GroupMetadataKey{Version: 2, Group: r.Group}
			require.Equal(t, k.AppendTo(nil), key)
			if v := r.Value; v != nil {
				other := kmsg.GroupMetadataValue{Version: 3, ProtocolType: v.ProtocolType, Generation: v.Generation, Protocol: v.Protocol,
					Leader: v.Leader, CurrentStateTimestamp: v.StateTimestamp}
				for _, m := range v.Members {
					other.Members = append(other.Members, kmsg.GroupMetadataValueMember{MemberID: m.MemberID, InstanceID: m.InstanceID,
						ClientID: m.ClientID, ClientHost: m.ClientHost, RebalanceTimeoutMillis: m.RebalanceTimeoutMs,
						SessionTimeoutMillis: m.SessionTimeoutMs, Subscription: m.Subscription, Assignment: m.Assignment})
				}
				require.Equal(t, other.AppendTo(nil), value)
			}
		}
	})
}

func TestGroupRecordsSurviveTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRecord(t)
		key, value := Append([]byte("before"), []byte("before"), r)
		require.Equal(t, "before", string(key[:6]))
		key = key[6:]
		if value != nil {
			require.Equal(t, "before", string(value[:6]))
			value = value[6:]
		}
		got, err := Parse(key, value)
		require.NoError(t, err)
		if commit, ok := r.(*OffsetCommitRecord); ok && commit.version() == 1 {
			commit.Value.LeaderEpoch, commit.Value.TopicID = NoLeaderEpoch, meta.UUID{} // which version 1 cannot say
		}
		require.Equal(t, r, got)
	})
}

func anyRecord(t *rapid.T) Record {
	i32, i64 := rapid.Int32(), rapid.Int64()
	text := rapid.StringN(0, 20, 40)
	maybe := rapid.Ptr(text, true)
	some := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 9), func(b []byte) []byte { return append([]byte{}, b...) })
	texts := rapid.SliceOfN(text, 0, 3)
	uuid := rapid.Custom(func(t *rapid.T) meta.UUID { return meta.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")) })
	partitions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TopicPartitions {
		return TopicPartitions{TopicID: uuid.Draw(t, "topic"), Partitions: rapid.SliceOfN(i32, 0, 4).Draw(t, "partitions")}
	}), 0, 3)
	gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
	g, m := text.Draw(t, "group"), text.Draw(t, "member")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		r := &OffsetCommitRecord{Group: g, Topic: m, Partition: i32.Draw(t, "partition")}
		if !gone {
			r.Value = &OffsetCommit{i64.Draw(t, "offset"), i32.Draw(t, "epoch"), text.Draw(t, "metadata"), i64.Draw(t, "at"),
				rapid.OneOf(rapid.Just(NoTimestamp), i64).Draw(t, "expires"), rapid.OneOf(rapid.Just(meta.UUID{}), uuid).Draw(t, "id")}
		}
		return r
	case 1:
		r := &ClassicGroupRecord{Group: g}
		if !gone {
			members := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ClassicMember {
				return ClassicMember{text.Draw(t, "id"), maybe.Draw(t, "instance"), text.Draw(t, "client"), text.Draw(t, "host"),
					i32.Draw(t, "rebalance"), i32.Draw(t, "session"), some.Draw(t, "subscription"), some.Draw(t, "assignment")}
			}), 0, 3)
			r.Value = &ClassicGroup{text.Draw(t, "type"), i32.Draw(t, "generation"), maybe.Draw(t, "protocol"), maybe.Draw(t, "leader"),
				i64.Draw(t, "since"), members.Draw(t, "members")}
		}
		return r
	case 2:
		r := &ConsumerGroupRecord{Group: g}
		if !gone {
			r.Value = &ConsumerGroupEpoch{i32.Draw(t, "epoch"), i64.Draw(t, "hash")}
		}
		return r
	case 3:
		r := &PartitionMetadataRecord{Group: g}
		if !gone {
			racks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) PartitionRacks {
				return PartitionRacks{i32.Draw(t, "partition"), texts.Draw(t, "racks")}
			}), 0, 3)
			r.Value = &PartitionMetadata{rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TopicMetadata {
				return TopicMetadata{uuid.Draw(t, "id"), text.Draw(t, "topic"), i32.Draw(t, "count"), racks.Draw(t, "partitions")}
			}), 0, 3).Draw(t, "topics")}
		}
		return r
	case 4:
		r := &MemberRecord{Group: g, MemberID: m}
		if !gone {
			protocols := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ClassicProtocol {
				return ClassicProtocol{text.Draw(t, "name"), some.Draw(t, "metadata")}
			}), 0, 2)
			classic := rapid.Ptr(rapid.Custom(func(t *rapid.T) ClassicMetadata {
				return ClassicMetadata{rapid.Int32Range(0, 2).Draw(t, "session"), protocols.Draw(t, "protocols")}
			}), true)
			r.Value = &MemberMetadata{maybe.Draw(t, "instance"), maybe.Draw(t, "rack"), text.Draw(t, "client"), text.Draw(t, "host"),
				texts.Draw(t, "topics"), maybe.Draw(t, "regex"), i32.Draw(t, "rebalance"), maybe.Draw(t, "assignor"), classic.Draw(t, "classic")}
		}
		return r
	case 5:
		r := &TargetAssignmentRecord{Group: g}
		if !gone {
			r.Value = &TargetAssignmentEpoch{i32.Draw(t, "epoch")}
		}
		return r
	case 6:
		r := &MemberTargetRecord{Group: g, MemberID: m}
		if !gone {
			r.Value = &MemberTarget{partitions.Draw(t, "partitions")}
		}
		return r
	case 7:
		r := &CurrentAssignmentRecord{Group: g, MemberID: m}
		if !gone {
			r.Value = &CurrentAssignment{i32.Draw(t, "epoch"), i32.Draw(t, "previous"), MemberState(rapid.Int8().Draw(t, "state")),
				partitions.Draw(t, "assigned"), partitions.Draw(t, "pending")}
		}
		return r
	case 8:
		r := &RegularExpressionRecord{Group: g, Expression: m}
		if !gone {
			r.Value = &ResolvedExpression{texts.Draw(t, "topics"), i64.Draw(t, "version"), i64.Draw(t, "at")}
		}
		return r
	default:
		r := &UnknownRecord{Kind: rapid.Int16Range(17, 30000).Draw(t, "unknown"), Key: some.Draw(t, "key")}
		if !gone {
			r.Value = some.Draw(t, "value")
		}
		return r
	}
}

// What Utils.abs(group.hashCode()) % 50 of Apache Kafka 4.2.0 says. The hash of the third is Java's least number.
func TestPartitionOfAGroup(t *testing.T) {
	for group, want := range map[string]int32{
		"": 0, "a": 47, "polygenelubricants": 0, "group": 47, "Gruppe-ä": 26, "\U0001F600": 49, "日本": 47, "\uFFFD": 33,
		"orders-\U0001F600-x": 48,
	} {
		require.Equal(t, want, PartitionOf(group, 50), group)
	}
	require.Equal(t, int32(0), PartitionOf("anything", 1))
}
