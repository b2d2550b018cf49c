package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// Refusals tells see every error code in a cold answer: its own, and those of its entries. It is for counters: an answer
// of an API that is not listed here counts as one without errors.
func Refusals(answer Answer, see func(Code)) {
	s := seen(see)
	switch a := answer.(type) {
	case *kmsg.ListOffsetsResponse:
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.ListOffsetsResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.MetadataResponse:
		s.code(a.ErrorCode)
		for i := range a.Topics {
			s.code(a.Topics[i].ErrorCode)
			each(s, a.Topics[i].Partitions, func(p *kmsg.MetadataResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.ApiVersionsResponse:
		s.code(a.ErrorCode)
	case *kmsg.CreateTopicsResponse:
		each(s, a.Topics, func(t *kmsg.CreateTopicsResponseTopic) int16 { return t.ErrorCode })
	case *kmsg.DeleteTopicsResponse:
		each(s, a.Topics, func(t *kmsg.DeleteTopicsResponseTopic) int16 { return t.ErrorCode })
	case *kmsg.DeleteRecordsResponse:
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.DeleteRecordsResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.InitProducerIDResponse:
		s.code(a.ErrorCode)
	case *kmsg.OffsetForLeaderEpochResponse:
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.OffsetForLeaderEpochResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.DescribeACLsResponse:
		s.code(a.ErrorCode)
	case *kmsg.CreateACLsResponse:
		each(s, a.Results, func(r *kmsg.CreateACLsResponseResult) int16 { return r.ErrorCode })
	case *kmsg.DeleteACLsResponse:
		each(s, a.Results, func(r *kmsg.DeleteACLsResponseResult) int16 { return r.ErrorCode })
		for i := range a.Results {
			each(s, a.Results[i].MatchingACLs, func(m *kmsg.DeleteACLsResponseResultMatchingACL) int16 { return m.ErrorCode })
		}
	case *kmsg.DescribeConfigsResponse:
		each(s, a.Resources, func(r *kmsg.DescribeConfigsResponseResource) int16 { return r.ErrorCode })
	case *kmsg.AlterConfigsResponse:
		each(s, a.Resources, func(r *kmsg.AlterConfigsResponseResource) int16 { return r.ErrorCode })
	case *kmsg.IncrementalAlterConfigsResponse:
		each(s, a.Resources, func(r *kmsg.IncrementalAlterConfigsResponseResource) int16 { return r.ErrorCode })
	case *kmsg.AlterReplicaLogDirsResponse:
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.AlterReplicaLogDirsResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.DescribeLogDirsResponse:
		s.code(a.ErrorCode)
		each(s, a.Dirs, func(d *kmsg.DescribeLogDirsResponseDir) int16 { return d.ErrorCode })
	case *kmsg.CreatePartitionsResponse:
		each(s, a.Topics, func(t *kmsg.CreatePartitionsResponseTopic) int16 { return t.ErrorCode })
	default:
		if !s.ofGroups(answer) {
			s.later(answer)
		}
	}
}

// ofGroups are the APIs of groups and their offsets.
func (s seen) ofGroups(answer Answer) bool {
	switch a := answer.(type) {
	case *kmsg.OffsetCommitResponse:
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.OffsetCommitResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.OffsetFetchResponse:
		s.fetched(a)
	case *kmsg.FindCoordinatorResponse:
		s.code(a.ErrorCode)
		each(s, a.Coordinators, func(c *kmsg.FindCoordinatorResponseCoordinator) int16 { return c.ErrorCode })
	case *kmsg.JoinGroupResponse:
		s.code(a.ErrorCode)
	case *kmsg.HeartbeatResponse:
		s.code(a.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		s.code(a.ErrorCode)
		each(s, a.Members, func(m *kmsg.LeaveGroupResponseMember) int16 { return m.ErrorCode })
	case *kmsg.SyncGroupResponse:
		s.code(a.ErrorCode)
	case *kmsg.DescribeGroupsResponse:
		each(s, a.Groups, func(g *kmsg.DescribeGroupsResponseGroup) int16 { return g.ErrorCode })
	case *kmsg.ListGroupsResponse:
		s.code(a.ErrorCode)
	case *kmsg.DeleteGroupsResponse:
		each(s, a.Groups, func(g *kmsg.DeleteGroupsResponseGroup) int16 { return g.ErrorCode })
	case *kmsg.ConsumerGroupHeartbeatResponse:
		s.code(a.ErrorCode)
	case *kmsg.ConsumerGroupDescribeResponse:
		each(s, a.Groups, func(g *kmsg.ConsumerGroupDescribeResponseGroup) int16 { return g.ErrorCode })
	case *kmsg.OffsetDeleteResponse:
		s.code(a.ErrorCode)
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.OffsetDeleteResponseTopicPartition) int16 { return p.ErrorCode })
		}
	default:
		return false
	}
	return true
}

func (s seen) fetched(a *kmsg.OffsetFetchResponse) {
	s.code(a.ErrorCode)
	for i := range a.Topics {
		each(s, a.Topics[i].Partitions, func(p *kmsg.OffsetFetchResponseTopicPartition) int16 { return p.ErrorCode })
	}
	for i := range a.Groups {
		s.code(a.Groups[i].ErrorCode)
		for j := range a.Groups[i].Topics {
			each(s, a.Groups[i].Topics[j].Partitions, func(p *kmsg.OffsetFetchResponseGroupTopicPartition) int16 { return p.ErrorCode })
		}
	}
}

// later are the APIs from number 44 on.
func (s seen) later(answer Answer) {
	switch a := answer.(type) {
	case *kmsg.DescribeClientQuotasResponse:
		s.code(a.ErrorCode)
	case *DescribedClientQuotas:
		s.code(a.ErrorCode)
	case *kmsg.AlterClientQuotasResponse:
		each(s, a.Entries, func(e *kmsg.AlterClientQuotasResponseEntry) int16 { return e.ErrorCode })
	case *kmsg.DescribeUserSCRAMCredentialsResponse:
		s.code(a.ErrorCode)
		each(s, a.Results, func(r *kmsg.DescribeUserSCRAMCredentialsResponseResult) int16 { return r.ErrorCode })
	case *kmsg.AlterUserSCRAMCredentialsResponse:
		each(s, a.Results, func(r *kmsg.AlterUserSCRAMCredentialsResponseResult) int16 { return r.ErrorCode })
	case *kmsg.DescribeClusterResponse:
		s.code(a.ErrorCode)
	case *kmsg.DescribeProducersResponse:
		for i := range a.Topics {
			each(s, a.Topics[i].Partitions, func(p *kmsg.DescribeProducersResponseTopicPartition) int16 { return p.ErrorCode })
		}
	case *kmsg.GetTelemetrySubscriptionsResponse:
		s.code(a.ErrorCode)
	case *kmsg.PushTelemetryResponse:
		s.code(a.ErrorCode)
	case *kmsg.ListConfigResourcesResponse:
		s.code(a.ErrorCode)
	case *kmsg.DescribeTopicPartitionsResponse:
		for i := range a.Topics {
			s.code(a.Topics[i].ErrorCode)
			each(s, a.Topics[i].Partitions, func(p *kmsg.DescribeTopicPartitionsResponseTopicPartition) int16 { return p.ErrorCode })
		}
	}
}

// seen is told of error codes.
type seen func(Code)

func (s seen) code(code int16) {
	if code != 0 {
		s(Code(code))
	}
}

func each[Row any](s seen, rows []Row, code func(*Row) int16) {
	for i := range rows {
		s.code(code(&rows[i]))
	}
}
