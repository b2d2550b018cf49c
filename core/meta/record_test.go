package meta

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Values written by the MetadataRecordSerde of Apache Kafka 4.2.0. Written says that Append must give the very bytes;
// the others are older versions, which are read only.
type golden struct {
	name, hex string
	written   bool
	record    Record
}

func goldens() []golden {
	id := UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	dir := UUID{17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32}
	none := []int32{}
	text := func(s string) *string { return &s }
	register := func(version int) *RegisterBrokerRecord {
		r := &RegisterBrokerRecord{
			BrokerID: 1, IncarnationID: id, BrokerEpoch: 7, Fenced: true, Rack: text("r1"),
			EndPoints: []EndPoint{{Name: "PLAINTEXT", Host: "127.0.0.1", Port: 65535}},
			Features:  []SupportedFeature{{Name: "metadata.version", Min: 7, Max: 29}},
		}
		r.InControlledShutdown = version >= 1
		if version >= 3 {
			r.LogDirs = []UUID{dir}
		}
		return r
	}
	partition := func(version int) *PartitionRecord {
		r := &PartitionRecord{
			PartitionID: 3, TopicID: id, Replicas: []int32{1, 2}, ISR: []int32{1}, RemovingReplicas: none,
			AddingReplicas: none, Leader: 1, LeaderEpoch: 5, PartitionEpoch: 6, LeaderRecoveryState: Recovering,
		}
		if version >= 1 {
			r.Directories = []UUID{dir, id}
		}
		if version >= 2 {
			r.EligibleLeaderReplicas, r.LastKnownELR = []int32{2}, []int32{1}
		}
		return r
	}
	change := func(version int) *PartitionChangeRecord {
		r := &PartitionChangeRecord{
			PartitionID: 3, TopicID: id, ISR: []int32{1, 2}, Leader: 1, Replicas: []int32{2, 1},
			RemovingReplicas: none, AddingReplicas: []int32{4}, LeaderRecoveryState: Recovered,
		}
		if version >= 1 {
			r.Directories = []UUID{dir}
		}
		if version >= 2 {
			r.EligibleLeaderReplicas, r.LastKnownELR = []int32{2}, []int32{1}
		}
		return r
	}
	leader := NewPartitionChange(id, 3)
	leader.Leader = 1
	return []golden{
		{"RegisterBroker/0", "010000000000010102030405060708090a0b0c0d0e0f100000000000000007020a504c41494e544558540a3132372e302e302e31ffff00000002116d657461646174612e76657273696f6e0007001d000372310100", false, register(0)},
		{"RegisterBroker/1", "010001000000010102030405060708090a0b0c0d0e0f100000000000000007020a504c41494e544558540a3132372e302e302e31ffff00000002116d657461646174612e76657273696f6e0007001d00037231010100", false, register(1)},
		{"RegisterBroker/2", "01000200000001000102030405060708090a0b0c0d0e0f100000000000000007020a504c41494e544558540a3132372e302e302e31ffff00000002116d657461646174612e76657273696f6e0007001d00037231010100", false, register(2)},
		{"RegisterBroker/3", "01000300000001000102030405060708090a0b0c0d0e0f100000000000000007020a504c41494e544558540a3132372e302e302e31ffff00000002116d657461646174612e76657273696f6e0007001d000372310101010011021112131415161718191a1b1c1d1e1f20", true, register(3)},
		{"RegisterBroker/3/bare", "0100030000000100000000000000000000000000000000000000000000000000010101010000", true, &RegisterBrokerRecord{BrokerID: 1, Rack: text(""), Fenced: true, EndPoints: []EndPoint{}, Features: []SupportedFeature{}}},
		{"UnregisterBroker", "01010000000001000000000000000700", true, &UnregisterBrokerRecord{BrokerID: 1, BrokerEpoch: 7}},
		{"Topic", "010200076f72646572730102030405060708090a0b0c0d0e0f1000", true, &TopicRecord{Name: "orders", TopicID: id}},
		{"Partition/0", "010300000000030102030405060708090a0b0c0d0e0f100300000001000000020200000001010100000001000000050000000601000101", false, partition(0)},
		{"Partition/1", "010301000000030102030405060708090a0b0c0d0e0f1003000000010000000202000000010101000000010000000500000006031112131415161718191a1b1c1d1e1f200102030405060708090a0b0c0d0e0f1001000101", true, partition(1)},
		{"Partition/2", "010302000000030102030405060708090a0b0c0d0e0f1003000000010000000202000000010101000000010000000500000006031112131415161718191a1b1c1d1e1f200102030405060708090a0b0c0d0e0f10030001010105020000000202050200000001", true, partition(2)},
		{"Partition/1/bare", "010301ffffffff0102030405060708090a0b0c0d0e0f1001010101ffffffffffffffffffffffff0100", true, &PartitionRecord{PartitionID: -1, TopicID: id, Replicas: none, ISR: none, RemovingReplicas: none, AddingReplicas: none, Leader: -1, LeaderEpoch: -1, PartitionEpoch: -1, Directories: []UUID{}}},
		{"Config", "01040002076f72646572730f666c7573682e6d65737361676573023100", true, &ConfigRecord{ResourceType: ResourceTopic, ResourceName: "orders", Name: "flush.messages", Value: text("1")}},
		{"Config/null", "01040002076f72646572730f666c7573682e6d657373616765730000", true, &ConfigRecord{ResourceType: ResourceTopic, ResourceName: "orders", Name: "flush.messages"}},
		{"PartitionChange/0", "010500000000030102030405060708090a0b0c0d0e0f10060009030000000100000002010400000001020903000000020000000103010104050200000004050100", false, change(0)},
		{"PartitionChange/1", "010501000000030102030405060708090a0b0c0d0e0f100700090300000001000000020104000000010209030000000200000001030101040502000000040501000811021112131415161718191a1b1c1d1e1f20", true, change(1)},
		{"PartitionChange/2", "010502000000030102030405060708090a0b0c0d0e0f1009000903000000010000000201040000000102090300000002000000010301010405020000000405010006050200000002070502000000010811021112131415161718191a1b1c1d1e1f20", true, change(2)},
		{"PartitionChange/0/bare", "010500000000030102030405060708090a0b0c0d0e0f1001010400000001", false, leader},
		{"FenceBroker", "01070000000001000000000000000700", true, &FenceBrokerRecord{ID: 1, Epoch: 7}},
		{"UnfenceBroker", "01080000000001000000000000000700", true, &UnfenceBrokerRecord{ID: 1, Epoch: 7}},
		{"RemoveTopic", "0109000102030405060708090a0b0c0d0e0f1000", true, &RemoveTopicRecord{TopicID: id}},
		{"FeatureLevel", "010c00116d657461646174612e76657273696f6e001d00", true, &FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 29}},
		{"ClientQuota", "010e00030a636c69656e742d696400000575736572036d650013636f6e73756d65725f627974655f7261746540900000000000000000", true,
			&ClientQuotaRecord{Entity: []EntityPart{{Type: EntityClientID}, {Type: EntityUser, Name: text("me")}}, Key: "consumer_byte_rate", Value: 0x4090000000000000}},
		{"ProducerIds", "010f0000000001000000000000000700000000000003e800", true, &ProducerIDsRecord{BrokerID: 1, BrokerEpoch: 7, NextProducerID: 1000}},
		{"BrokerRegistrationChange/0", "011100000000010000000000000007010001ff", false, &BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7, Fenced: NowUnfenced}},
		{"BrokerRegistrationChange/1", "011101000000010000000000000007020001ff010101", false, &BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7, Fenced: NowUnfenced, InControlledShutdown: 1}},
		{"BrokerRegistrationChange/2", "011102000000010000000000000007030001ff0101010211021112131415161718191a1b1c1d1e1f20", true, &BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7, Fenced: NowUnfenced, InControlledShutdown: 1, LogDirs: []UUID{dir}}},
		{"BrokerRegistrationChange/2/bare", "01110200000001000000000000000700", true, &BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7}},
		{"NoOp", "01140000", true, &NoOpRecord{}},
		{"BeginTransaction", "011700010003037478", true, &BeginTransactionRecord{Name: text("tx")}},
		{"BeginTransaction/null", "01170000", true, &BeginTransactionRecord{}},
		{"EndTransaction", "01180000", true, &EndTransactionRecord{}},
		{"AbortTransaction", "01190001000404776879", true, &AbortTransactionRecord{Reason: text("why")}},
	}
}

func TestRecordsAreKafkasByteForByte(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			want, err := hex.DecodeString(g.hex)
			require.NoError(t, err)
			got, err := Parse(want)
			require.NoError(t, err)
			require.Equal(t, g.record, got)
			if g.written {
				require.Equal(t, g.hex, hex.EncodeToString(Append(nil, g.record)))
			}
		})
	}
}

func TestEveryPrefixOfARecordIsRefused(t *testing.T) {
	for _, g := range goldens() {
		whole, _ := hex.DecodeString(g.hex)
		for i := range whole {
			_, err := Parse(whole[:i])
			require.Error(t, err, "%s cut at %d", g.name, i)
		}
		_, err := Parse(append(whole, 0))
		require.Error(t, err, "%s with a byte behind it", g.name)
	}
}

func TestBadRecordsAreRefused(t *testing.T) {
	for _, bad := range []struct{ name, hex, says string }{
		{"frame version 0", "00140000", "frame version 0"},
		{"frame version 2", "02140000", "frame version 2"},
		{"unknown kind", "01060000", "unknown kind 6"},
		{"unknown version", "01140100", "unknown version 1"},
		{"kind beyond 32 bits", "01ffffffff7f00", "above 32 bits"},
		{"endless varint", "01ffffffffffff", "without an end"},
		{"null name of a topic", "0102000001020304050607080900000000000000000000", "null where a string"},
		{"null replicas", "010301000000000102030405060708090a0b0c0d0e0f1000010101ffffffffffffffffffffffff0100", "null where an array"},
		{"array beyond the end", "010301000000000102030405060708090a0b0c0d0e0f10ffffffff0f", "beyond the end"},
		{"tag beyond the end", "01140001007f", "beyond the end"},
		{"tag not used up", "010500000000030102030405060708090a0b0c0d0e0f100101050000000100", "behind the end"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			b, err := hex.DecodeString(bad.hex)
			require.NoError(t, err)
			_, err = Parse(b)
			require.ErrorContains(t, err, bad.says)
		})
	}
}

func TestUnknownTagsAreSkipped(t *testing.T) {
	r, err := Parse([]byte{1, 20, 0, 1, 99, 2, 7, 7})
	require.NoError(t, err)
	require.Equal(t, &NoOpRecord{}, r)
}

func TestRecordsSurviveTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRecord(t)
		b := Append([]byte("before"), r)
		require.Equal(t, "before", string(b[:6]))
		got, err := Parse(b[6:])
		require.NoError(t, err)
		require.Equal(t, Append(nil, r), Append(nil, got))
		again, err := Parse(Append(nil, got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func anyRecord(t *rapid.T) Record {
	i8, i16, i32, i64 := rapid.Int8(), rapid.Int16(), rapid.Int32(), rapid.Int64()
	text := rapid.StringN(0, 20, 40)
	maybe := rapid.Ptr(text, true)
	ids := rapid.OneOf(rapid.Just([]int32(nil)), rapid.SliceOfN(i32, 0, 4))
	uuid := rapid.Custom(func(t *rapid.T) (u UUID) {
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		return u
	})
	uuids := rapid.OneOf(rapid.Just([]UUID(nil)), rapid.SliceOfN(uuid, 0, 3))
	points := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) EndPoint {
		return EndPoint{text.Draw(t, "name"), text.Draw(t, "host"), rapid.Uint16().Draw(t, "port"), i16.Draw(t, "protocol")}
	}), 0, 3)
	features := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) SupportedFeature {
		return SupportedFeature{text.Draw(t, "name"), i16.Draw(t, "min"), i16.Draw(t, "max")}
	}), 0, 3)
	switch rapid.IntRange(0, 16).Draw(t, "kind") {
	case 0:
		return &RegisterBrokerRecord{i32.Draw(t, "id"), uuid.Draw(t, "incarnation"), i64.Draw(t, "epoch"), points.Draw(t, "points"),
			features.Draw(t, "features"), maybe.Draw(t, "rack"), rapid.Bool().Draw(t, "fenced"), rapid.Bool().Draw(t, "shutdown"), uuids.Draw(t, "dirs")}
	case 1:
		return &UnregisterBrokerRecord{i32.Draw(t, "id"), i64.Draw(t, "epoch")}
	case 2:
		return &TopicRecord{text.Draw(t, "name"), uuid.Draw(t, "id")}
	case 3:
		return &PartitionRecord{i32.Draw(t, "partition"), uuid.Draw(t, "id"), ids.Draw(t, "replicas"), ids.Draw(t, "isr"), ids.Draw(t, "removing"),
			ids.Draw(t, "adding"), i32.Draw(t, "leader"), i8.Draw(t, "state"), i32.Draw(t, "leader epoch"), i32.Draw(t, "partition epoch"),
			uuids.Draw(t, "dirs"), ids.Draw(t, "elr"), ids.Draw(t, "last elr")}
	case 4:
		return &ConfigRecord{i8.Draw(t, "type"), text.Draw(t, "resource"), text.Draw(t, "name"), maybe.Draw(t, "value")}
	case 5:
		return &PartitionChangeRecord{i32.Draw(t, "partition"), uuid.Draw(t, "id"), ids.Draw(t, "isr"), i32.Draw(t, "leader"), ids.Draw(t, "replicas"),
			ids.Draw(t, "removing"), ids.Draw(t, "adding"), i8.Draw(t, "state"), uuids.Draw(t, "dirs"), ids.Draw(t, "elr"), ids.Draw(t, "last elr")}
	case 6:
		return &FenceBrokerRecord{i32.Draw(t, "id"), i64.Draw(t, "epoch")}
	case 7:
		return &UnfenceBrokerRecord{i32.Draw(t, "id"), i64.Draw(t, "epoch")}
	case 8:
		return &RemoveTopicRecord{uuid.Draw(t, "id")}
	case 9:
		return &FeatureLevelRecord{text.Draw(t, "name"), i16.Draw(t, "level")}
	case 10:
		return &ProducerIDsRecord{i32.Draw(t, "id"), i64.Draw(t, "epoch"), i64.Draw(t, "next")}
	case 11:
		return &BrokerRegistrationChangeRecord{i32.Draw(t, "id"), i64.Draw(t, "epoch"), i8.Draw(t, "fenced"), i8.Draw(t, "shutdown"), uuids.Draw(t, "dirs")}
	case 12:
		return &NoOpRecord{}
	case 13:
		return &BeginTransactionRecord{maybe.Draw(t, "name")}
	case 14:
		return &EndTransactionRecord{}
	case 15:
		return &ClientQuotaRecord{rapid.SliceOfN(rapid.Custom(func(t *rapid.T) EntityPart {
			return EntityPart{text.Draw(t, "type"), maybe.Draw(t, "name")}
		}), 1, 3).Draw(t, "entity"), text.Draw(t, "key"), rapid.Uint64().Draw(t, "value"), rapid.Bool().Draw(t, "remove")}
	}
	return &AbortTransactionRecord{maybe.Draw(t, "reason")}
}
