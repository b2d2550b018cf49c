package fuzz

import "github.com/twmb/franz-go/pkg/kmsg"

// filledOfGroups is filled, for the requests about groups and their offsets; nil for another.
func filledOfGroups(request kmsg.Request, name *string, id [16]byte) kmsg.Request {
	instance, text := kmsg.StringPtr("instance"), kmsg.StringPtr("metadata")
	switch r := request.(type) {
	case *kmsg.OffsetCommitRequest:
		partition := kmsg.OffsetCommitRequestTopicPartition{Partition: 1, Offset: 1 << 40, LeaderEpoch: 2, Metadata: text}
		r.Group, r.Generation, r.MemberID, r.InstanceID, r.RetentionTimeMillis = "group", 3, "member", instance, 1000
		r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: *name, TopicID: id, Partitions: []kmsg.OffsetCommitRequestTopicPartition{partition, {Partition: 2, LeaderEpoch: -1}}}}
		return r
	case *kmsg.OffsetFetchRequest:
		r.Group, r.RequireStable = "group", true
		r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: *name, Partitions: []int32{1, 2}}}
		all := kmsg.NewOffsetFetchRequestGroup()
		all.Group = "all"
		r.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "group", MemberID: kmsg.StringPtr("member"), MemberEpoch: 4, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: *name, TopicID: id, Partitions: []int32{1, 2}}}}, all}
		return r
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKey, r.CoordinatorType, r.CoordinatorKeys = "group", 1, []string{"group", "other"}
		return r
	case *kmsg.JoinGroupRequest:
		r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.MemberID, r.InstanceID, r.ProtocolType = "group", 10_000, 60_000, "member", instance, "consumer"
		r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 1, 2}}, {Name: "roundrobin", Metadata: []byte{}}}
		r.Reason = kmsg.StringPtr("because")
		return r
	case *kmsg.HeartbeatRequest:
		r.Group, r.Generation, r.MemberID, r.InstanceID = "group", 3, "member", instance
		return r
	case *kmsg.LeaveGroupRequest:
		r.Group, r.MemberID = "group", "member"
		r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "member", InstanceID: instance, Reason: kmsg.StringPtr("because")}, {MemberID: "other"}}
		return r
	case *kmsg.SyncGroupRequest:
		r.Group, r.Generation, r.MemberID, r.InstanceID, r.ProtocolType, r.Protocol = "group", 3, "member", instance, kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
		r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: "member", MemberAssignment: []byte{0, 1}}, {MemberID: "other", MemberAssignment: []byte{}}}
		return r
	case *kmsg.DescribeGroupsRequest:
		r.Groups, r.IncludeAuthorizedOperations = []string{"group", "other"}, true
		return r
	case *kmsg.ListGroupsRequest:
		r.StatesFilter, r.TypesFilter = []string{"Stable", "Empty"}, []string{"classic"}
		return r
	case *kmsg.DeleteGroupsRequest:
		r.Groups = []string{"group", "other"}
		return r
	case *kmsg.ConsumerGroupHeartbeatRequest:
		r.Group, r.MemberID, r.MemberEpoch, r.InstanceID, r.RackID, r.RebalanceTimeoutMillis = "group", "member", 3, instance, kmsg.StringPtr("rack"), 60_000
		r.SubscribedTopicNames, r.SubscribedTopicRegex, r.ServerAssignor = []string{*name, "other"}, kmsg.StringPtr("t.*"), kmsg.StringPtr("range")
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: id, Partitions: []int32{1, 2}}}
		return r
	case *kmsg.ConsumerGroupDescribeRequest:
		r.Groups, r.IncludeAuthorizedOperations = []string{"group", "other"}, true
		return r
	case *kmsg.OffsetDeleteRequest:
		r.Group = "group"
		r.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: *name, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 1}, {Partition: 2}}}}
		return r
	}
	return nil
}
