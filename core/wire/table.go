package wire

import (
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The keys of the APIs that are spoken.
const (
	KeyProduce                 int16 = 0
	KeyFetch                   int16 = 1
	KeyListOffsets             int16 = 2
	KeyMetadata                int16 = 3
	KeyOffsetCommit            int16 = 8
	KeyOffsetFetch             int16 = 9
	KeyFindCoordinator         int16 = 10
	KeyJoinGroup               int16 = 11
	KeyHeartbeat               int16 = 12
	KeyLeaveGroup              int16 = 13
	KeySyncGroup               int16 = 14
	KeyDescribeGroups          int16 = 15
	KeyListGroups              int16 = 16
	KeyApiVersions             int16 = 18
	KeyCreateTopics            int16 = 19
	KeyDeleteTopics            int16 = 20
	KeyDeleteRecords           int16 = 21
	KeyInitProducerID          int16 = 22
	KeyOffsetForLeaderEpoch    int16 = 23
	KeyDescribeACLs            int16 = 29
	KeyCreateACLs              int16 = 30
	KeyDeleteACLs              int16 = 31
	KeyDescribeConfigs         int16 = 32
	KeyAlterConfigs            int16 = 33
	KeyAlterReplicaLogDirs     int16 = 34
	KeyDescribeLogDirs         int16 = 35
	KeyCreatePartitions        int16 = 37
	KeyDeleteGroups            int16 = 42
	KeyIncrementalAlterConfigs int16 = 44
	KeyOffsetDelete            int16 = 47
	KeyConsumerGroupHeartbeat  int16 = 68
	KeyConsumerGroupDescribe   int16 = 69
	KeyDescribeClientQuotas    int16 = 48
	KeyAlterClientQuotas       int16 = 49
	KeyDescribeUserScram       int16 = 50
	KeyDescribeCluster         int16 = 60
	KeyDescribeProducers       int16 = 61
	KeyGetTelemetry            int16 = 71 // GetTelemetrySubscriptions
	KeyPushTelemetry           int16 = 72
	KeyListConfigResources     int16 = 74
	KeyDescribeTopicPartitions int16 = 75
)

// keyEnd is one more than the largest key that is spoken.
const keyEnd = KeyDescribeTopicPartitions + 1

// Range is the oldest and the newest version of an API that is spoken; ok is false for any other key.
func Range(key int16) (oldest, newest int16, ok bool) {
	switch key {
	case KeyProduce:
		return 3, 13, true
	case KeyFetch:
		return 4, 18, true
	case KeyListOffsets:
		return 1, 11, true
	case KeyMetadata:
		return 0, 13, true
	case KeyOffsetCommit:
		return 2, 10, true
	case KeyOffsetFetch:
		return 1, 10, true
	case KeyFindCoordinator:
		return 0, 6, true
	case KeyJoinGroup:
		return 0, 9, true
	case KeyHeartbeat:
		return 0, 4, true
	case KeyLeaveGroup, KeySyncGroup, KeyListGroups:
		return 0, 5, true
	case KeyDescribeGroups:
		return 0, 6, true
	case KeyDeleteGroups:
		return 0, 2, true
	case KeyApiVersions:
		return 0, 4, true
	case KeyCreateTopics:
		return 2, 7, true
	case KeyDeleteTopics:
		return 1, 6, true
	case KeyDeleteRecords:
		return 0, 2, true
	case KeyInitProducerID:
		return 0, 5, true
	case KeyOffsetForLeaderEpoch:
		return 2, 4, true
	case KeyDescribeACLs, KeyCreateACLs, KeyDeleteACLs:
		return 1, 3, true
	case KeyDescribeConfigs:
		return 1, 4, true
	case KeyAlterConfigs:
		return 0, 2, true
	case KeyAlterReplicaLogDirs:
		return 1, 2, true
	case KeyDescribeLogDirs:
		return 1, 4, true
	case KeyCreatePartitions:
		return 0, 3, true
	case KeyIncrementalAlterConfigs, KeyListConfigResources, KeyDescribeClientQuotas, KeyAlterClientQuotas,
		KeyConsumerGroupHeartbeat, KeyConsumerGroupDescribe:
		return 0, 1, true
	case KeyDescribeCluster:
		return 0, 2, true
	case KeyOffsetDelete, KeyDescribeUserScram, KeyDescribeProducers, KeyDescribeTopicPartitions, KeyGetTelemetry, KeyPushTelemetry:
		return 0, 0, true
	}
	return 0, 0, false
}

// Advertised is the range that ApiVersions announces. It is what is spoken, but that Produce is announced from 0:
// librdkafka up to 2.10 takes a broker without Produce 0 for one that knows no compression (KAFKA-18659).
func Advertised(key int16) (oldest, newest int16, ok bool) {
	oldest, newest, ok = Range(key)
	if key == KeyProduce {
		oldest = 0
	}
	return oldest, newest, ok
}

// Spoken says whether this version of the API is served.
func Spoken(key, version int16) bool {
	oldest, newest, ok := Range(key)
	return ok && oldest <= version && version <= newest
}

// FirstFlexible is the first version of an API whose encoding is that of KIP-482.
func FirstFlexible(key int16) int16 {
	switch key {
	case KeyProduce, KeyMetadata:
		return 9
	case KeyFetch:
		return 12
	case KeyOffsetCommit:
		return 8
	case KeyListOffsets, KeyOffsetFetch, KeyJoinGroup:
		return 6
	case KeyApiVersions, KeyFindCoordinator, KeyListGroups:
		return 3
	case KeyCreateTopics, KeyDescribeGroups:
		return 5
	case KeyDeleteTopics, KeyOffsetForLeaderEpoch, KeyDescribeConfigs, KeyHeartbeat, KeyLeaveGroup, KeySyncGroup:
		return 4
	case KeyInitProducerID, KeyDeleteRecords, KeyAlterReplicaLogDirs, KeyDescribeLogDirs, KeyAlterConfigs, KeyCreatePartitions,
		KeyDescribeACLs, KeyCreateACLs, KeyDeleteACLs, KeyDeleteGroups:
		return 2
	case KeyIncrementalAlterConfigs, KeyDescribeClientQuotas, KeyAlterClientQuotas:
		return 1
	case KeyDescribeUserScram, KeyDescribeCluster, KeyDescribeProducers, KeyListConfigResources, KeyDescribeTopicPartitions,
		KeyConsumerGroupHeartbeat, KeyConsumerGroupDescribe, KeyGetTelemetry, KeyPushTelemetry:
		return 0
	}
	return 1<<15 - 1
}

// Flexible says whether the body of this version is encoded as KIP-482 says; its request header is version 2 then.
func Flexible(key, version int16) bool { return version >= FirstFlexible(key) }

// taggedAnswer says whether the answer's header ends in a tag section (response header version 1). That of ApiVersions
// never does: a client reads it before it can know what the broker speaks (KIP-511).
func taggedAnswer(key, version int16) bool {
	return key != KeyApiVersions && Flexible(key, version)
}

// Named says whether Kafka has an API of that key, served here or not.
func Named(key int16) bool { return kmsg.NameForKey(key) != kmsg.NameForKey(-1) }

// Name is Kafka's name of the API, served here or not; or "API" and its key.
func Name(key int16) string {
	switch key {
	case KeyProduce:
		return "Produce"
	case KeyFetch:
		return "Fetch"
	case KeyListOffsets:
		return "ListOffsets"
	case KeyMetadata:
		return "Metadata"
	case KeyOffsetCommit:
		return "OffsetCommit"
	case KeyOffsetFetch:
		return "OffsetFetch"
	case KeyFindCoordinator:
		return "FindCoordinator"
	case KeyJoinGroup:
		return "JoinGroup"
	case KeyHeartbeat:
		return "Heartbeat"
	case KeyLeaveGroup:
		return "LeaveGroup"
	case KeySyncGroup:
		return "SyncGroup"
	case KeyDescribeGroups:
		return "DescribeGroups"
	case KeyListGroups:
		return "ListGroups"
	case KeyDeleteGroups:
		return "DeleteGroups"
	case KeyOffsetDelete:
		return "OffsetDelete"
	case KeyApiVersions:
		return "ApiVersions"
	case KeyCreateTopics:
		return "CreateTopics"
	case KeyDeleteTopics:
		return "DeleteTopics"
	case KeyDeleteRecords:
		return "DeleteRecords"
	case KeyInitProducerID:
		return "InitProducerId"
	case KeyOffsetForLeaderEpoch:
		return "OffsetForLeaderEpoch"
	case KeyDescribeACLs:
		return "DescribeAcls"
	case KeyCreateACLs:
		return "CreateAcls"
	case KeyDeleteACLs:
		return "DeleteAcls"
	case KeyDescribeConfigs:
		return "DescribeConfigs"
	case KeyAlterConfigs:
		return "AlterConfigs"
	case KeyAlterReplicaLogDirs:
		return "AlterReplicaLogDirs"
	case KeyDescribeLogDirs:
		return "DescribeLogDirs"
	case KeyCreatePartitions:
		return "CreatePartitions"
	case KeyIncrementalAlterConfigs:
		return "IncrementalAlterConfigs"
	case KeyDescribeClientQuotas:
		return "DescribeClientQuotas"
	case KeyAlterClientQuotas:
		return "AlterClientQuotas"
	case KeyDescribeUserScram:
		return "DescribeUserScramCredentials"
	case KeyDescribeCluster:
		return "DescribeCluster"
	case KeyDescribeProducers:
		return "DescribeProducers"
	case KeyConsumerGroupHeartbeat:
		return "ConsumerGroupHeartbeat"
	case KeyConsumerGroupDescribe:
		return "ConsumerGroupDescribe"
	case KeyGetTelemetry:
		return "GetTelemetrySubscriptions"
	case KeyPushTelemetry:
		return "PushTelemetry"
	case KeyListConfigResources:
		return "ListConfigResources"
	case KeyDescribeTopicPartitions:
		return "DescribeTopicPartitions"
	}
	switch {
	case key == 45: // kmsg has a name of its own for it
		return "AlterPartitionReassignments"
	case Named(key):
		return strings.NewReplacer("SASL", "Sasl", "SCRAM", "Scram", "ACL", "Acl", "ID", "Id", "ISR", "Isr").Replace(kmsg.NameForKey(key))
	}
	return "API " + strconv.Itoa(int(key))
}

// newCold is an empty request of a cold API; nil for a hot or an unknown one.
func newCold(key int16) Message {
	switch key {
	case KeyListOffsets:
		return kmsg.NewPtrListOffsetsRequest()
	case KeyMetadata:
		return kmsg.NewPtrMetadataRequest()
	case KeyOffsetCommit:
		return kmsg.NewPtrOffsetCommitRequest()
	case KeyOffsetFetch:
		return kmsg.NewPtrOffsetFetchRequest()
	case KeyFindCoordinator:
		return kmsg.NewPtrFindCoordinatorRequest()
	case KeyJoinGroup:
		return kmsg.NewPtrJoinGroupRequest()
	case KeyHeartbeat:
		return kmsg.NewPtrHeartbeatRequest()
	case KeyLeaveGroup:
		return kmsg.NewPtrLeaveGroupRequest()
	case KeySyncGroup:
		return kmsg.NewPtrSyncGroupRequest()
	case KeyDescribeGroups:
		return kmsg.NewPtrDescribeGroupsRequest()
	case KeyListGroups:
		return kmsg.NewPtrListGroupsRequest()
	case KeyDeleteGroups:
		return kmsg.NewPtrDeleteGroupsRequest()
	case KeyOffsetDelete:
		return kmsg.NewPtrOffsetDeleteRequest()
	case KeyApiVersions:
		return kmsg.NewPtrApiVersionsRequest()
	case KeyCreateTopics:
		return kmsg.NewPtrCreateTopicsRequest()
	case KeyDeleteTopics:
		return kmsg.NewPtrDeleteTopicsRequest()
	case KeyDeleteRecords:
		return kmsg.NewPtrDeleteRecordsRequest()
	case KeyInitProducerID:
		return kmsg.NewPtrInitProducerIDRequest()
	case KeyOffsetForLeaderEpoch:
		return kmsg.NewPtrOffsetForLeaderEpochRequest()
	case KeyDescribeACLs:
		return kmsg.NewPtrDescribeACLsRequest()
	case KeyCreateACLs:
		return kmsg.NewPtrCreateACLsRequest()
	case KeyDeleteACLs:
		return kmsg.NewPtrDeleteACLsRequest()
	case KeyDescribeConfigs:
		return kmsg.NewPtrDescribeConfigsRequest()
	case KeyAlterConfigs:
		return kmsg.NewPtrAlterConfigsRequest()
	case KeyAlterReplicaLogDirs:
		return kmsg.NewPtrAlterReplicaLogDirsRequest()
	case KeyDescribeLogDirs:
		return kmsg.NewPtrDescribeLogDirsRequest()
	case KeyCreatePartitions:
		return kmsg.NewPtrCreatePartitionsRequest()
	case KeyIncrementalAlterConfigs:
		return kmsg.NewPtrIncrementalAlterConfigsRequest()
	case KeyDescribeClientQuotas:
		return kmsg.NewPtrDescribeClientQuotasRequest()
	case KeyAlterClientQuotas:
		return &AlterClientQuotas{AlterClientQuotasRequest: kmsg.NewPtrAlterClientQuotasRequest()}
	case KeyDescribeUserScram:
		return kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	case KeyDescribeCluster:
		return kmsg.NewPtrDescribeClusterRequest()
	case KeyDescribeProducers:
		return kmsg.NewPtrDescribeProducersRequest()
	case KeyConsumerGroupHeartbeat:
		return kmsg.NewPtrConsumerGroupHeartbeatRequest()
	case KeyConsumerGroupDescribe:
		return kmsg.NewPtrConsumerGroupDescribeRequest()
	case KeyGetTelemetry:
		return kmsg.NewPtrGetTelemetrySubscriptionsRequest()
	case KeyPushTelemetry:
		return kmsg.NewPtrPushTelemetryRequest()
	case KeyListConfigResources:
		return kmsg.NewPtrListConfigResourcesRequest()
	case KeyDescribeTopicPartitions:
		return kmsg.NewPtrDescribeTopicPartitionsRequest()
	}
	return nil
}
