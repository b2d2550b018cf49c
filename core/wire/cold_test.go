package wire_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/meta"
	"rookery/core/wire"
)

func coldKeys() []int16 {
	return []int16{wire.KeyListOffsets, wire.KeyMetadata, wire.KeyApiVersions, wire.KeyCreateTopics, wire.KeyDeleteTopics, wire.KeyDeleteRecords, wire.KeyInitProducerID, wire.KeyDescribeCluster,
		wire.KeyDescribeACLs, wire.KeyCreateACLs, wire.KeyDeleteACLs, wire.KeyDescribeUserScram, wire.KeyDescribeClientQuotas, wire.KeyAlterClientQuotas,
		wire.KeyOffsetForLeaderEpoch, wire.KeyAlterReplicaLogDirs, wire.KeyDescribeLogDirs, wire.KeyDescribeProducers, wire.KeyDescribeTopicPartitions,
		wire.KeyDescribeConfigs, wire.KeyAlterConfigs, wire.KeyCreatePartitions, wire.KeyIncrementalAlterConfigs, wire.KeyListConfigResources, wire.KeyGetTelemetry, wire.KeyPushTelemetry}
}

func drawCold(t *rapid.T, key, version int16) wire.Message {
	count := func(label string) int { return rapid.IntRange(0, 3).Draw(t, label) }
	flexible := wire.Flexible(key, version)
	r := kmsg.RequestForKey(key)
	r.SetVersion(version)
	switch r := r.(type) {
	case *kmsg.ListOffsetsRequest:
		r.ReplicaID, r.IsolationLevel, r.TimeoutMillis = rapid.Int32().Draw(t, "replica"), rapid.Int8().Draw(t, "isolation"), rapid.Int32().Draw(t, "timeout")
		for range count("topics") {
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = drawName(t, "topic")
			for range count("partitions") {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp, p.CurrentLeaderEpoch = rapid.Int32().Draw(t, "partition"), rapid.Int64().Draw(t, "timestamp"), rapid.Int32().Draw(t, "epoch")
				p.UnknownTags = drawTags(t, flexible)
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.MetadataRequest:
		r.AllowAutoTopicCreation = rapid.Bool().Draw(t, "create")
		for range count("topics") {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic, topic.TopicID, topic.UnknownTags = kmsg.StringPtr(drawName(t, "topic")), drawID(t, "id"), drawTags(t, flexible)
			if version >= 10 && rapid.Bool().Draw(t, "by id") {
				topic.Topic = nil
			}
			r.Topics = append(r.Topics, topic)
		}
		r.UnknownTags = drawTags(t, flexible)
	case *kmsg.ApiVersionsRequest:
		r.ClientSoftwareName, r.ClientSoftwareVersion, r.UnknownTags = drawName(t, "software"), drawName(t, "of version"), drawTags(t, flexible)
	case *kmsg.CreateTopicsRequest:
		r.TimeoutMillis, r.ValidateOnly = rapid.Int32().Draw(t, "timeout"), rapid.Bool().Draw(t, "validate")
		for range count("topics") {
			topic := kmsg.NewCreateTopicsRequestTopic()
			topic.Topic, topic.NumPartitions, topic.ReplicationFactor = drawName(t, "topic"), rapid.Int32().Draw(t, "partitions"), rapid.Int16().Draw(t, "factor")
			for range count("assignments") {
				a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
				a.Partition, a.Replicas, a.UnknownTags = rapid.Int32().Draw(t, "partition"), rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "replicas"), drawTags(t, flexible)
				topic.ReplicaAssignment = append(topic.ReplicaAssignment, a)
			}
			for range count("configs") {
				c := kmsg.NewCreateTopicsRequestTopicConfig()
				c.Name = drawName(t, "key")
				if rapid.Bool().Draw(t, "valued") {
					c.Value = kmsg.StringPtr(drawName(t, "value"))
				}
				topic.Configs = append(topic.Configs, c)
			}
			topic.UnknownTags = drawTags(t, flexible)
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.DeleteTopicsRequest:
		r.TimeoutMillis = rapid.Int32().Draw(t, "timeout")
		for range count("topics") {
			r.TopicNames = append(r.TopicNames, drawName(t, "name"))
			topic := kmsg.NewDeleteTopicsRequestTopic()
			topic.TopicID, topic.UnknownTags = drawID(t, "id"), drawTags(t, flexible)
			if rapid.Bool().Draw(t, "named") {
				topic.Topic = kmsg.StringPtr(drawName(t, "topic"))
			}
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.DeleteRecordsRequest:
		r.TimeoutMillis, r.UnknownTags = rapid.Int32().Draw(t, "timeout"), drawTags(t, flexible)
		for range count("topics") {
			topic := kmsg.NewDeleteRecordsRequestTopic()
			topic.Topic, topic.UnknownTags = drawName(t, "topic"), drawTags(t, flexible)
			for range count("partitions") {
				p := kmsg.NewDeleteRecordsRequestTopicPartition()
				p.Partition, p.Offset, p.UnknownTags = rapid.Int32().Draw(t, "partition"), rapid.Int64().Draw(t, "offset"), drawTags(t, flexible)
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.OffsetForLeaderEpochRequest:
		r.ReplicaID = rapid.Int32().Draw(t, "replica")
		for range count("topics") {
			topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
			topic.Topic, topic.UnknownTags = drawName(t, "topic"), drawTags(t, flexible)
			for range count("partitions") {
				p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
				p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = rapid.Int32().Draw(t, "partition"), rapid.Int32().Draw(t, "current"), rapid.Int32().Draw(t, "epoch")
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.AlterReplicaLogDirsRequest:
		for range count("directories") {
			dir := kmsg.NewAlterReplicaLogDirsRequestDir()
			dir.Dir, dir.UnknownTags = drawName(t, "directory"), drawTags(t, flexible)
			for range count("topics") {
				topic := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
				topic.Topic, topic.Partitions, topic.UnknownTags = drawName(t, "topic"), rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "partitions"), drawTags(t, flexible)
				dir.Topics = append(dir.Topics, topic)
			}
			r.Dirs = append(r.Dirs, dir)
		}
	case *kmsg.DescribeLogDirsRequest:
		if rapid.Bool().Draw(t, "all") {
			break
		}
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{}
		for range count("topics") {
			topic := kmsg.NewDescribeLogDirsRequestTopic()
			topic.Topic, topic.Partitions, topic.UnknownTags = drawName(t, "topic"), rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "partitions"), drawTags(t, flexible)
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.DescribeProducersRequest:
		for range count("topics") {
			topic := kmsg.NewDescribeProducersRequestTopic()
			topic.Topic, topic.Partitions, topic.UnknownTags = drawName(t, "topic"), rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "partitions"), drawTags(t, flexible)
			r.Topics = append(r.Topics, topic)
		}
	case *kmsg.DescribeTopicPartitionsRequest:
		r.ResponsePartitionLimit, r.UnknownTags = rapid.Int32().Draw(t, "limit"), drawTags(t, flexible)
		for range count("topics") {
			topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
			topic.Topic, topic.UnknownTags = drawName(t, "topic"), drawTags(t, flexible)
			r.Topics = append(r.Topics, topic)
		}
		if rapid.Bool().Draw(t, "goes on") {
			cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
			cursor.Topic, cursor.Partition, cursor.UnknownTags = drawName(t, "from"), rapid.Int32().Draw(t, "at"), drawTags(t, flexible)
			r.Cursor = &cursor
		}
	case *kmsg.InitProducerIDRequest:
		if rapid.Bool().Draw(t, "transactional") {
			r.TransactionalID = kmsg.StringPtr(drawName(t, "id"))
		}
		r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = rapid.Int32().Draw(t, "timeout"), rapid.Int64().Draw(t, "pid"), rapid.Int16().Draw(t, "epoch")
	case *kmsg.DescribeClusterRequest:
		r.IncludeClusterAuthorizedOperations, r.EndpointType = rapid.Bool().Draw(t, "operations"), rapid.Int8().Draw(t, "endpoint")
		r.UnknownTags = drawTags(t, flexible)
	case *kmsg.DescribeConfigsRequest:
		r.IncludeSynonyms, r.IncludeDocumentation = rapid.Bool().Draw(t, "synonyms"), rapid.Bool().Draw(t, "documentation")
		for range count("resources") {
			x := kmsg.NewDescribeConfigsRequestResource()
			x.ResourceType, x.ResourceName, x.UnknownTags = drawResource(t), drawName(t, "resource"), drawTags(t, flexible)
			if n := count("keys"); n > 0 {
				for range n - 1 {
					x.ConfigNames = append(x.ConfigNames, drawName(t, "key"))
				}
			}
			r.Resources = append(r.Resources, x)
		}
	case *kmsg.AlterConfigsRequest:
		r.ValidateOnly = rapid.Bool().Draw(t, "validate")
		for range count("resources") {
			x := kmsg.NewAlterConfigsRequestResource()
			x.ResourceType, x.ResourceName, x.UnknownTags = drawResource(t), drawName(t, "resource"), drawTags(t, flexible)
			for range count("configs") {
				y := kmsg.NewAlterConfigsRequestResourceConfig()
				y.Name, y.Value, y.UnknownTags = drawName(t, "key"), drawValue(t), drawTags(t, flexible)
				x.Configs = append(x.Configs, y)
			}
			r.Resources = append(r.Resources, x)
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		r.ValidateOnly, r.UnknownTags = rapid.Bool().Draw(t, "validate"), drawTags(t, flexible)
		for range count("resources") {
			x := kmsg.NewIncrementalAlterConfigsRequestResource()
			x.ResourceType, x.ResourceName, x.UnknownTags = drawResource(t), drawName(t, "resource"), drawTags(t, flexible)
			for range count("configs") {
				y := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
				y.Name, y.Op, y.Value = drawName(t, "key"), kmsg.IncrementalAlterConfigOp(rapid.Int8().Draw(t, "how")), drawValue(t)
				x.Configs = append(x.Configs, y)
			}
			r.Resources = append(r.Resources, x)
		}
	case *kmsg.CreatePartitionsRequest:
		r.TimeoutMillis, r.ValidateOnly = rapid.Int32().Draw(t, "timeout"), rapid.Bool().Draw(t, "validate")
		for range count("topics") {
			x := kmsg.NewCreatePartitionsRequestTopic()
			x.Topic, x.Count, x.UnknownTags = drawName(t, "topic"), rapid.Int32().Draw(t, "partitions"), drawTags(t, flexible)
			for range count("assignments") {
				y := kmsg.NewCreatePartitionsRequestTopicAssignment()
				y.Replicas, y.UnknownTags = rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "replicas"), drawTags(t, flexible)
				x.Assignment = append(x.Assignment, y)
			}
			r.Topics = append(r.Topics, x)
		}
	case *kmsg.DescribeACLsRequest:
		r.ResourceType, r.ResourceName, r.ResourcePatternType = kmsg.ACLResourceType(drawKnown(t)), drawValue(t), kmsg.ACLResourcePatternType(drawKnown(t))
		r.Principal, r.Host, r.Operation, r.PermissionType = drawValue(t), drawValue(t), kmsg.ACLOperation(drawKnown(t)), kmsg.ACLPermissionType(drawKnown(t))
		r.UnknownTags = drawTags(t, flexible)
	case *kmsg.CreateACLsRequest:
		for range count("creations") {
			x := kmsg.NewCreateACLsRequestCreation()
			x.ResourceType, x.ResourceName, x.ResourcePatternType = kmsg.ACLResourceType(drawKnown(t)), drawName(t, "resource"), kmsg.ACLResourcePatternType(drawKnown(t))
			x.Principal, x.Host, x.Operation, x.PermissionType = drawName(t, "principal"), drawName(t, "host"), kmsg.ACLOperation(drawKnown(t)), kmsg.ACLPermissionType(drawKnown(t))
			x.UnknownTags = drawTags(t, flexible)
			r.Creations = append(r.Creations, x)
		}
	case *kmsg.DeleteACLsRequest:
		for range count("filters") {
			x := kmsg.NewDeleteACLsRequestFilter()
			x.ResourceType, x.ResourceName, x.ResourcePatternType = kmsg.ACLResourceType(drawKnown(t)), drawValue(t), kmsg.ACLResourcePatternType(drawKnown(t))
			x.Principal, x.Host, x.Operation, x.PermissionType = drawValue(t), drawValue(t), kmsg.ACLOperation(drawKnown(t)), kmsg.ACLPermissionType(drawKnown(t))
			x.UnknownTags = drawTags(t, flexible)
			r.Filters = append(r.Filters, x)
		}
	case *kmsg.DescribeClientQuotasRequest:
		r.Strict, r.UnknownTags = rapid.Bool().Draw(t, "strict"), drawTags(t, flexible)
		for range count("components") {
			x := kmsg.NewDescribeClientQuotasRequestComponent()
			x.EntityType, x.MatchType, x.Match, x.UnknownTags = drawName(t, "type"), kmsg.QuotasMatchType(rapid.Int8().Draw(t, "match")), drawValue(t), drawTags(t, flexible)
			r.Components = append(r.Components, x)
		}
	case *kmsg.AlterClientQuotasRequest:
		r.ValidateOnly, r.UnknownTags = rapid.Bool().Draw(t, "validate"), drawTags(t, flexible)
		for range count("entries") {
			x := kmsg.NewAlterClientQuotasRequestEntry()
			x.UnknownTags = drawTags(t, flexible)
			for range count("entity") {
				y := kmsg.NewAlterClientQuotasRequestEntryEntity()
				y.Type, y.Name, y.UnknownTags = drawName(t, "type"), drawValue(t), drawTags(t, flexible)
				x.Entity = append(x.Entity, y)
			}
			for range count("operations") {
				y := kmsg.NewAlterClientQuotasRequestEntryOp()
				y.Key, y.Value, y.Remove, y.UnknownTags = drawName(t, "key"), rapid.Float64().Draw(t, "value"), rapid.Bool().Draw(t, "remove"), drawTags(t, flexible)
				x.Ops = append(x.Ops, y)
			}
			r.Entries = append(r.Entries, x)
		}
	case *kmsg.DescribeUserSCRAMCredentialsRequest:
		if rapid.Bool().Draw(t, "all") {
			break
		}
		r.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{}
		for range count("users") {
			x := kmsg.NewDescribeUserSCRAMCredentialsRequestUser()
			x.Name, x.UnknownTags = drawName(t, "user"), drawTags(t, flexible)
			r.Users = append(r.Users, x)
		}
	case *kmsg.GetTelemetrySubscriptionsRequest:
		r.ClientInstanceID, r.UnknownTags = drawID(t, "instance"), drawTags(t, flexible)
	case *kmsg.PushTelemetryRequest:
		r.ClientInstanceID, r.SubscriptionID, r.Terminating = drawID(t, "instance"), rapid.Int32().Draw(t, "subscription"), rapid.Bool().Draw(t, "terminating")
		r.CompressionType, r.Metrics, r.UnknownTags = rapid.Int8().Draw(t, "codec"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "metrics"), drawTags(t, flexible)
	case *kmsg.ListConfigResourcesRequest:
		if version >= 1 {
			r.ResourceTypes = rapid.SliceOfN(rapid.Int8(), 0, 3).Draw(t, "types")
		}
		r.UnknownTags = drawTags(t, flexible)
	}
	return r
}

// drawKnown is a kind in an ACL that is not UNKNOWN.
func drawKnown(t *rapid.T) int8 { return rapid.Int8Range(1, math.MaxInt8).Draw(t, "kind") }

func drawResource(t *rapid.T) kmsg.ConfigResourceType {
	return kmsg.ConfigResourceType(rapid.Int8().Draw(t, "resource type"))
}

func drawValue(t *rapid.T) *string {
	if rapid.Bool().Draw(t, "valued") {
		return kmsg.StringPtr(drawName(t, "value"))
	}
	return nil
}

func drawColdVersion(t *rapid.T) (key, version int16) {
	key = rapid.SampledFrom(coldKeys()).Draw(t, "key")
	oldest, newest, _ := wire.Range(key)
	return key, rapid.Int16Range(oldest, newest).Draw(t, "version")
}

// Whatever kmsg writes comes through the walk, and bytes after the last field do not matter.
func TestReadColdReadsWhatKmsgWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, version := drawColdVersion(t)
		body := drawCold(t, key, version).AppendTo(nil)
		got, flaw := wire.ReadCold(key, version, append(body, 9, 9, 9))
		require.Equal(t, wire.NoFlaw, flaw)
		require.Equal(t, version, got.GetVersion())
		require.Equal(t, body, got.AppendTo(nil))
	})
}

func TestColdCutShortIsAFlaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, version := drawColdVersion(t)
		body := drawCold(t, key, version).AppendTo(nil)
		if len(body) == 0 {
			return
		}
		_, flaw := wire.ReadCold(key, version, body[:rapid.IntRange(0, len(body)-1).Draw(t, "cut")])
		require.Equal(t, wire.Short, flaw)
	})
}

func bytesOf(t *testing.T, text string) []byte {
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return b
}

func TestColdBodiesOfBadWill(t *testing.T) {
	for _, c := range []struct {
		name    string
		key     int16
		version int16
		body    string
		flaw    wire.Flaw
	}{
		{"Produce is not cold", wire.KeyProduce, 9, "", wire.Unspoken},
		{"a version that is not spoken", wire.KeyMetadata, 14, "", wire.Unspoken},
		{"ApiVersions v3 with an empty body", wire.KeyApiVersions, 3, "", wire.Short},
		{"ApiVersions v0 with three trailing bytes", wire.KeyApiVersions, 0, "010203", wire.NoFlaw},
		{"ApiVersions v3, a null name", wire.KeyApiVersions, 3, "00026100", wire.Null},
		{"an array of -2 is null", wire.KeyMetadata, 4, "fffffffe01", wire.NoFlaw},
		{"an array of -2 where null is not allowed", wire.KeyMetadata, 0, "fffffffe", wire.Null},
		{"an array beyond the frame", wire.KeyMetadata, 4, "7fffffff01", wire.Short},
		{"a null topic name", wire.KeyMetadata, 4, "00000001ffff01", wire.Null},
		{"four billion tags", wire.KeyDescribeCluster, 0, "00ffffffff0f", wire.Short},
		{"a tag longer than the frame", wire.KeyDescribeCluster, 0, "000105ffffffff0f", wire.Short},
		{"a varint of five full bytes", wire.KeyDescribeCluster, 0, "00ffffffff1f", wire.Overlong},
		{"a varint that does not end", wire.KeyDescribeCluster, 0, "00ffffffffffff", wire.Overlong},
		{"a varint longer than it need be", wire.KeyDescribeCluster, 0, "008200050001010161", wire.NoFlaw},
		{"a filter of ACLs with an UNKNOWN resource", wire.KeyDescribeACLs, 1, "00" + "ffff" + "03" + "ffff" + "ffff" + "01" + "01", wire.Unknown},
		{"one with an UNKNOWN permission", wire.KeyDescribeACLs, 1, "02" + "ffff" + "03" + "ffff" + "ffff" + "01" + "00", wire.Unknown},
		{"an ACL of an UNKNOWN operation", wire.KeyCreateACLs, 1, "00000001" + "02" + "0000" + "03" + "0000" + "0000" + "00" + "03", wire.Unknown},
		{"a tag twice and out of order", wire.KeyDescribeCluster, 0, "0003090007000900", wire.NoFlaw},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, flaw := wire.ReadCold(c.key, c.version, bytesOf(t, c.body))
			require.Equal(t, c.flaw, flaw)
			require.Equal(t, flaw == wire.NoFlaw, request != nil)
		})
	}
}

// A string that is longer than Kafka's are would be written to the metadata log, where no start could read it.
func TestLongStringsAreAFlaw(t *testing.T) {
	read := func(n int) wire.Flaw {
		r := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r.Version = 1
		r.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: strings.Repeat("g", n)}}
		_, flaw := wire.ReadCold(wire.KeyIncrementalAlterConfigs, 1, r.AppendTo(nil))
		return flaw
	}
	require.Equal(t, wire.NoFlaw, read(math.MaxInt16))
	require.Equal(t, wire.LongString, read(math.MaxInt16+1))
	text := strings.Repeat("c", math.MaxInt16)
	_, err := meta.Parse(meta.Append(nil, &meta.ConfigRecord{ResourceType: meta.ResourceGroup, ResourceName: text, Name: text, Value: &text}))
	require.NoError(t, err)
}

func TestMetadataBeforeVersionFourAlwaysCreates(t *testing.T) {
	for version := int16(0); version < 4; version++ {
		r, flaw := wire.ReadCold(wire.KeyMetadata, version, []byte{0, 0, 0, 0})
		require.Equal(t, wire.NoFlaw, flaw)
		require.True(t, r.(*kmsg.MetadataRequest).AllowAutoTopicCreation)
	}
}

func TestListOffsetsWithoutAnEpochHasNone(t *testing.T) {
	r := kmsg.NewPtrListOffsetsRequest()
	r.Version = 1
	r.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -2}}}}
	got, flaw := wire.ReadCold(wire.KeyListOffsets, 1, r.AppendTo(nil))
	require.Equal(t, wire.NoFlaw, flaw)
	require.EqualValues(t, -1, got.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].CurrentLeaderEpoch)
}

// A frame of 100 MiB may announce, and hold, fifty million names of no length. It must not cost gigabytes.
func TestCountlessElementsAreRefusedBeforeTheyAreAllocated(t *testing.T) {
	body := make([]byte, 8<<20)
	copy(body, []byte{0, 0x20, 0, 0}) // 2,097,152 topics with empty names
	for _, key := range []int16{wire.KeyMetadata, wire.KeyDeleteTopics} {
		allocated := testing.AllocsPerRun(1, func() {
			_, flaw := wire.ReadCold(key, 1, body)
			require.Equal(t, wire.TooMany, flaw)
		})
		require.Less(t, allocated, float64(20))
	}
	tags := append([]byte{0, 0x80, 0x80, 0x80, 0x01}, make([]byte, 8<<20)...)
	_, flaw := wire.ReadCold(wire.KeyDescribeCluster, 0, tags)
	require.Equal(t, wire.TooMany, flaw)
	require.Equal(t, wire.Short, wire.ReadProduce([]byte{0xff, 0xff, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff}, 3, new(wire.ProduceRequest)))
	require.Equal(t, wire.Null, wire.ReadProduce([]byte{0xff, 0xff, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, 3, new(wire.ProduceRequest)))
}

func TestApiVersionsRefusalIsKafkas(t *testing.T) {
	got := wire.AppendApiVersionsRefusal(nil, 0x01020304)
	require.Equal(t, bytesOf(t, "00000010"+"01020304"+"0023"+"00000001"+"001200000004"), got)
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		flaw        wire.Flaw
		want        wire.Header
		body        string
	}{
		{"version 1, null client", "0003000100000007ffff0102", wire.NoFlaw, wire.Header{Key: 3, Version: 1, Correlation: 7}, "0102"},
		{"version 1, empty client", "00030001000000070000", wire.NoFlaw, wire.Header{Key: 3, Version: 1, Correlation: 7, ClientID: []byte{}}, ""},
		{"version 2, two tags", "00030009fffffffe00026b6302050161050009", wire.NoFlaw, wire.Header{Key: 3, Version: 9, Correlation: -2, ClientID: []byte("kc")}, "09"},
		{"no length of the client id", "0003000100000007", wire.Short, wire.Header{Key: 3, Version: 1, Correlation: 7}, ""},
		{"client id beyond the frame", "00030001000000070003616263ff"[:24], wire.Short, wire.Header{Key: 3, Version: 1, Correlation: 7}, ""},
		{"nothing", "", wire.Short, wire.Header{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header wire.Header
			body, flaw := wire.ReadHeader(bytesOf(t, c.frame), &header)
			require.Equal(t, c.flaw, flaw)
			if flaw != wire.NoFlaw {
				header.ClientID = nil // of no use
			}
			require.Equal(t, c.want, header)
			require.Equal(t, c.body, hex.EncodeToString(body))
		})
	}
}

// A request framed by kmsg is read back by ReadHeader, whatever its version.
func TestAppendRequest(t *testing.T) {
	for key := range int16(128) {
		oldest, newest, _ := wire.Range(key)
		for version := oldest; version <= newest && wire.Spoken(key, version); version++ {
			r := kmsg.RequestForKey(key)
			r.SetVersion(version)
			frame := wire.AppendRequest(nil, math.MaxInt32, "me", r)
			var header wire.Header
			body, flaw := wire.ReadHeader(frame[4:], &header)
			require.Equal(t, wire.NoFlaw, flaw)
			require.Equal(t, wire.Header{Key: key, Version: version, Correlation: math.MaxInt32, ClientID: []byte("me")}, header)
			require.Equal(t, r.AppendTo([]byte{}), append([]byte{}, body...))
		}
	}
}

// The values of quotas are the bits of their doubles, in the order of the operations.
func TestQuotasAreBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(0, 1).Draw(t, "version")
		sent := drawCold(t, wire.KeyAlterClientQuotas, version).(*kmsg.AlterClientQuotasRequest)
		got, flaw := wire.ReadCold(wire.KeyAlterClientQuotas, version, sent.AppendTo(nil))
		require.Equal(t, wire.NoFlaw, flaw)
		var want []uint64
		for i := range sent.Entries {
			for j := range sent.Entries[i].Ops {
				want = append(want, math.Float64bits(sent.Entries[i].Ops[j].Value))
			}
		}
		require.Equal(t, want, got.(*wire.AlterClientQuotas).Values)
	})
}

// What is described is what kmsg reads.
func TestDescribedQuotasAreKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		answer := &wire.DescribedClientQuotas{DescribeClientQuotasResponse: kmsg.NewPtrDescribeClientQuotasResponse()}
		answer.Version, answer.ThrottleMillis, answer.ErrorCode, answer.ErrorMessage = rapid.Int16Range(0, 1).Draw(t, "version"), 7, 42, drawValue(t)
		var want []kmsg.DescribeClientQuotasResponseEntry
		if rapid.Bool().Draw(t, "found") {
			answer.Quotas, want = []wire.DescribedQuota{}, []kmsg.DescribeClientQuotasResponseEntry{}
		}
		if answer.Quotas != nil {
			for range rapid.IntRange(0, 3).Draw(t, "quotas") {
				entity, value := wire.DescribedEntity{Type: drawName(t, "type"), Name: drawValue(t)}, rapid.Float64().Draw(t, "value")
				key := drawName(t, "key")
				answer.Quotas = append(answer.Quotas, wire.DescribedQuota{Entity: []wire.DescribedEntity{entity}, Values: []wire.DescribedValue{{Key: key, Value: math.Float64bits(value)}}})
				want = append(want, kmsg.DescribeClientQuotasResponseEntry{
					Entity: []kmsg.DescribeClientQuotasResponseEntryEntity{{Type: entity.Type, Name: entity.Name}},
					Values: []kmsg.DescribeClientQuotasResponseEntryValue{{Key: key, Value: value}},
				})
			}
		}
		got := kmsg.DescribeClientQuotasResponse{Version: answer.Version}
		require.NoError(t, got.ReadFrom(answer.AppendTo(nil)))
		require.Equal(t, answer.ErrorMessage, got.ErrorMessage)
		require.Equal(t, want, got.Entries)
		require.Equal(t, []any{int32(7), int16(42)}, []any{got.ThrottleMillis, got.ErrorCode})
	})
}
