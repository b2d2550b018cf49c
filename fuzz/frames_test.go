package fuzz

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/wire"
)

var rewriteFrames = flag.Bool("rewrite-frames", false, "write testdata/frames/kmsg.txt anew")

// A golden file holds what one client sent: a line a frame, `<API> v<version> <kind> <hex>`, the frame without its length.
type golden struct {
	file, title, kind string
	frame             []byte
}

func goldenFrames(t testing.TB) (frames []golden) {
	files, err := filepath.Glob("testdata/frames/*.txt")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if lines.Text() == "" || lines.Text()[0] == '#' {
				continue
			}
			fields := strings.Fields(lines.Text())
			require.GreaterOrEqual(t, len(fields), 3, file)
			kind := fields[len(fields)-2]
			frame, err := hex.DecodeString(fields[len(fields)-1])
			require.NoError(t, err, file)
			frames = append(frames, golden{file, strings.Join(fields[:len(fields)-2], " "), kind, frame})
		}
	}
	require.NotEmpty(t, frames)
	return frames
}

func TestGoldenFrames(t *testing.T) {
	for _, g := range goldenFrames(t) {
		var r conn.Request
		conn.Intake(append([]byte{}, g.frame...), conn.Limits{}, &r)
		require.Equal(t, g.kind, r.Kind.String(), "%s %s: %s", g.file, g.title, r.Reason)
		require.Equal(t, g.title, fmt.Sprintf("%s v%d", wire.Name(r.Key), r.Version), g.file)
		for i := range r.Facts {
			require.Equal(t, batch.Fine, r.Facts[i].Fault, "%s %s", g.file, g.title)
		}
	}
}

// Every version that is spoken has a frame, and kmsg still writes it so.
func TestGoldenFramesOfKmsg(t *testing.T) {
	const file = "testdata/frames/kmsg.txt"
	text := "# franz-go's kmsg 1.15.0, one frame of every version that is spoken; rewritten by -rewrite-frames\n"
	for key := range int16(128) {
		oldest, newest, ok := wire.Range(key)
		for version := oldest; ok && version <= newest; version++ {
			r := filled(key)
			r.SetVersion(version)
			frame := wire.AppendRequest(nil, int32(key)<<8|int32(version), "golden", r)[4:]
			text += fmt.Sprintf("%s v%d %s %x\n", wire.Name(key), version, kindOf(key), frame)
		}
	}
	if *rewriteFrames {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(have), text)
}

// A filled request has something in every field that any version spoken has, and what Intake reads of its frame writes
// the frame again.
func TestFilledFrames(t *testing.T) {
	for key := range int16(128) {
		oldest, newest, ok := wire.Range(key)
		if !ok {
			continue
		}
		for path := range emptyFields(reflect.ValueOf(filled(key)).Elem(), "") {
			require.Contains(t, emptyOnPurpose, wire.Name(key)+path)
		}
		for version := oldest; version <= newest; version++ {
			message := filled(key)
			message.SetVersion(version)
			wire.Merge(message) // or Intake would
			frame := wire.AppendRequest(nil, 7, "golden", message)[4:]
			var r conn.Request
			conn.Intake(append([]byte{}, frame...), conn.Limits{}, &r)
			require.Equal(t, kindOf(key), r.Kind, "%s v%d: %s", wire.Name(key), version, r.Reason)
			if r.Kind == conn.Cold {
				require.Equal(t, frame, wire.AppendRequest(nil, 7, "golden", r.Cold)[4:], "%s v%d", wire.Name(key), version)
			}
		}
	}
}

// emptyOnPurpose are the fields that no version spoken has.
var emptyOnPurpose = []string{"ApiVersions.ClusterID", "ListOffsets.Topics.Partitions.MaxNumOffsets", "OffsetCommit.Topics.Partitions.Timestamp"}

// emptyFields are the paths of fields that hold nothing in any element.
func emptyFields(v reflect.Value, path string) map[string]bool {
	empty := map[string]bool{}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				maps.Copy(empty, emptyFields(v.Field(i), path+"."+name))
			}
		}
		return empty
	case reflect.Pointer:
		if !v.IsNil() {
			return emptyFields(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			of := emptyFields(v.Index(i), path)
			if i > 0 {
				maps.DeleteFunc(empty, func(path string, _ bool) bool { return !of[path] })
			} else {
				empty = of
			}
		}
		if v.Len() > 0 {
			return empty
		}
	}
	if v.IsZero() || v.Kind() == reflect.Slice {
		empty[path] = true
	}
	return empty
}

func kindOf(key int16) conn.Kind {
	switch key {
	case wire.KeyProduce:
		return conn.Produce
	case wire.KeyFetch:
		return conn.Fetch
	}
	return conn.Cold
}

// filled is a request with something in every field.
func filled(key int16) kmsg.Request {
	name, id := kmsg.StringPtr("packages"), [16]byte{1, 2, 3, 15: 16}
	if r := filledOfGroups(kmsg.RequestForKey(key), name, id); r != nil {
		return r
	}
	switch r := kmsg.RequestForKey(key).(type) {
	case *kmsg.ProduceRequest:
		r.TransactionID, r.Acks, r.TimeoutMillis = kmsg.StringPtr("tx"), -1, 30000
		for i := range int32(2) {
			partitions := []kmsg.ProduceRequestTopicPartition{{Partition: i, Records: goldenBatch("one", "two")}, {Partition: 7, Records: goldenBatch("three")}}
			r.Topics = append(r.Topics, kmsg.ProduceRequestTopic{Topic: *name, TopicID: id, Partitions: partitions})
		}
		return r
	case *kmsg.FetchRequest:
		r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.IsolationLevel, r.SessionID, r.SessionEpoch = 500, 1, 1<<20, 1, 5, 6
		partition := kmsg.FetchRequestTopicPartition{Partition: 3, CurrentLeaderEpoch: 4, FetchOffset: 5, LastFetchedEpoch: 6, LogStartOffset: 7, PartitionMaxBytes: 8, HighWatermark: 9, ReplicaDirectoryID: id}
		r.Topics = []kmsg.FetchRequestTopic{{Topic: *name, TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{partition, partition}}}
		r.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: *name, TopicID: id, Partitions: []int32{1, 2}}}
		r.Rack, r.ClusterID, r.ReplicaState.ID = "rack", kmsg.StringPtr("cluster"), 2
		return r
	case *kmsg.ListOffsetsRequest:
		partition := kmsg.ListOffsetsRequestTopicPartition{Partition: 1, CurrentLeaderEpoch: 2, Timestamp: -2}
		other := partition
		other.Partition = 2
		r.IsolationLevel, r.Topics = 1, []kmsg.ListOffsetsRequestTopic{{Topic: *name, Partitions: []kmsg.ListOffsetsRequestTopicPartition{partition, other}}}
		return r
	case *kmsg.MetadataRequest:
		r.Topics, r.AllowAutoTopicCreation = []kmsg.MetadataRequestTopic{{Topic: name, TopicID: [16]byte{9}}, {Topic: kmsg.StringPtr("parcels"), TopicID: id}}, true
		r.IncludeTopicAuthorizedOperations, r.IncludeClusterAuthorizedOperations = true, true
		return r
	case *kmsg.ApiVersionsRequest:
		r.ClientSoftwareName, r.ClientSoftwareVersion = "kmsg", "1.15.0"
		return r
	case *kmsg.DescribeACLsRequest:
		r.ResourceType, r.ResourceName, r.ResourcePatternType, r.Principal, r.Host, r.Operation, r.PermissionType = 2, name, 3, kmsg.StringPtr("User:me"), kmsg.StringPtr("*"), 3, 3
		return r
	case *kmsg.CreateACLsRequest:
		r.Creations = []kmsg.CreateACLsRequestCreation{{ResourceType: 2, ResourceName: *name, ResourcePatternType: 3, Principal: "User:me", Host: "*", Operation: 3, PermissionType: 3}}
		return r
	case *kmsg.DeleteACLsRequest:
		r.Filters = []kmsg.DeleteACLsRequestFilter{{ResourceType: 2, ResourceName: name, ResourcePatternType: 3, Principal: kmsg.StringPtr("User:me"), Host: kmsg.StringPtr("*"), Operation: 3, PermissionType: 3}}
		return r
	case *kmsg.DescribeClientQuotasRequest:
		r.Components = []kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", MatchType: 0, Match: kmsg.StringPtr("me")}, {EntityType: "client-id", MatchType: 2}}
		r.Strict = true
		return r
	case *kmsg.AlterClientQuotasRequest:
		r.Entries = []kmsg.AlterClientQuotasRequestEntry{{Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: kmsg.StringPtr("me")}, {Type: "client-id"}},
			Ops: []kmsg.AlterClientQuotasRequestEntryOp{{Key: "producer_byte_rate", Value: 1024}, {Key: "request_percentage", Remove: true}}}}
		r.ValidateOnly = true
		return r
	case *kmsg.DescribeUserSCRAMCredentialsRequest:
		r.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "me"}, {Name: "you"}}
		return r
	case *kmsg.CreateTopicsRequest:
		assignments := []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1, 2}}, {Partition: 1, Replicas: []int32{2}}}
		configs := []kmsg.CreateTopicsRequestTopicConfig{{Name: "flush.messages", Value: kmsg.StringPtr("1")}, {Name: "cleanup.policy"}}
		r.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: *name, NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: assignments, Configs: configs}}
		r.ValidateOnly = true
		return r
	case *kmsg.DeleteTopicsRequest:
		r.TopicNames, r.Topics = []string{*name, "other"}, []kmsg.DeleteTopicsRequestTopic{{Topic: name}, {TopicID: id}}
		return r
	case *kmsg.InitProducerIDRequest:
		r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = kmsg.StringPtr("tx"), 60000, 4000, 1
		return r
	case *kmsg.DescribeConfigsRequest:
		r.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: 2, ResourceName: *name}, {ResourceType: 4, ResourceName: "1", ConfigNames: []string{"message.max.bytes", "log.dirs"}}}
		r.IncludeSynonyms, r.IncludeDocumentation = true, true
		return r
	case *kmsg.AlterConfigsRequest:
		configs := []kmsg.AlterConfigsRequestResourceConfig{{Name: "flush.messages", Value: kmsg.StringPtr("1")}, {Name: "cleanup.policy"}}
		r.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: 2, ResourceName: *name, Configs: configs}}
		r.ValidateOnly = true
		return r
	case *kmsg.IncrementalAlterConfigsRequest:
		configs := []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "cleanup.policy", Op: 2, Value: kmsg.StringPtr("compact")}, {Name: "flush.messages", Op: 1}}
		r.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 2, ResourceName: *name, Configs: configs}}
		r.ValidateOnly = true
		return r
	case *kmsg.CreatePartitionsRequest:
		assignments := []kmsg.CreatePartitionsRequestTopicAssignment{{Replicas: []int32{1, 2}}, {}}
		r.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: *name, Count: 6}, {Topic: "other", Count: 3, Assignment: assignments}}
		r.ValidateOnly = true
		return r
	case *kmsg.GetTelemetrySubscriptionsRequest:
		r.ClientInstanceID = id
		return r
	case *kmsg.PushTelemetryRequest:
		r.ClientInstanceID, r.SubscriptionID, r.Terminating, r.CompressionType, r.Metrics = id, 1<<20, true, 3, []byte("metrics")
		return r
	case *kmsg.ListConfigResourcesRequest:
		r.ResourceTypes = []int8{2, 16}
		return r
	case *kmsg.DeleteRecordsRequest:
		partitions := []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: -1}, {Partition: 2, Offset: 1 << 40}}
		r.Topics, r.TimeoutMillis = []kmsg.DeleteRecordsRequestTopic{{Topic: *name, Partitions: partitions}, {Topic: "other", Partitions: partitions[:1]}}, 30000
		return r
	case *kmsg.OffsetForLeaderEpochRequest:
		partition := kmsg.OffsetForLeaderEpochRequestTopicPartition{Partition: 1, CurrentLeaderEpoch: 2, LeaderEpoch: 3}
		r.ReplicaID, r.Topics = -1, []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: *name, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{partition, partition}}}
		return r
	case *kmsg.AlterReplicaLogDirsRequest:
		topics := []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: *name, Partitions: []int32{1, 2}}, {Topic: "other", Partitions: []int32{3}}}
		r.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: "/data/one", Topics: topics}, {Dir: "/data/two", Topics: topics[:1]}}
		return r
	case *kmsg.DescribeLogDirsRequest:
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: *name, Partitions: []int32{1, 2}}, {Topic: "other", Partitions: []int32{3}}}
		return r
	case *kmsg.DescribeProducersRequest:
		r.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: *name, Partitions: []int32{1, 2}}, {Topic: "other", Partitions: []int32{3}}}
		return r
	case *kmsg.DescribeTopicPartitionsRequest:
		r.Topics, r.ResponsePartitionLimit = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: *name}, {Topic: "other"}}, 2000
		r.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: *name, Partition: 3}
		return r
	case *kmsg.DescribeClusterRequest:
		r.IncludeClusterAuthorizedOperations, r.EndpointType, r.IncludeFencedBrokers = true, 1, true
		return r
	default:
		return r
	}
}

func goldenBatch(values ...string) []byte {
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	for i, value := range values {
		b.Add(1_700_000_000_000+int64(i), []byte{byte('a' + i)}, []byte(value), nil)
	}
	return append([]byte{}, b.Finish()...)
}

// header is the ten bytes of a request's header without a client id.
func header(key, version int16) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return append(b, 0, 0, 0, 1, 0xff, 0xff)
}
