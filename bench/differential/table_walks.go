package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// walk is one version of an API. Each that is served has to have three things: an answer without an error, what it has
// done, or shows, seen through another API, and an answer with an error. Otherwise a run of all tables fails.
type walk struct{ key, version int16 }

// walked says which of the three there were.
type walked struct{ good, seen, bad bool }

// excused are those of which there is no such thing, and why.
var excused = map[int16]func(version int16) (which walked, why string){
	wire.KeyApiVersions: func(v int16) (walked, string) {
		return walked{bad: v < 3}, "has nothing to be refused for before it says who asks (KIP-511)"
	},
	wire.KeyDescribeCluster:     func(v int16) (walked, string) { return walked{bad: v < 1}, "asks for nothing before KIP-919" },
	wire.KeyDescribeLogDirs:     func(int16) (walked, string) { return walked{bad: true}, "leaves out what is not there" },
	wire.KeyListConfigResources: func(v int16) (walked, string) { return walked{bad: v < 1}, "asks for nothing before KIP-1142" },
	wire.KeyDescribeACLs:        func(int16) (walked, string) { return walked{good: true, seen: true}, "there is no authorizer" },
	wire.KeyCreateACLs:          func(int16) (walked, string) { return walked{good: true, seen: true}, "there is no authorizer" },
	wire.KeyDeleteACLs:          func(int16) (walked, string) { return walked{good: true, seen: true}, "there is no authorizer" },
	wire.KeyDescribeUserScram:   func(int16) (walked, string) { return walked{seen: true}, "nobody has credentials" },
	wire.KeyFindCoordinator:     func(v int16) (walked, string) { return walked{bad: v < 1}, "knows one kind only" },
	wire.KeyListGroups:          func(v int16) (walked, string) { return walked{bad: true}, "filters by what is unknown find nothing" },
	wire.KeyOffsetFetch: func(v int16) (walked, string) {
		return walked{bad: v < 10}, "an unknown group has no offsets, which is no error"
	},
	wire.KeyDescribeGroups: func(v int16) (walked, string) {
		return walked{bad: v < 6}, "an unknown group is Dead, which is no error (KIP-1043)"
	},
}

// missing are the served versions that lack something.
func missing(all map[walk]walked) (lacking []string, served int) {
	for key := range int16(200) {
		oldest, newest, ok := wire.Range(key)
		for v := oldest; ok && v <= newest; v++ {
			served++
			w := all[walk{key, v}]
			if excuse := excused[key]; excuse != nil {
				which, _ := excuse(v)
				w = walked{w.good || which.good, w.seen || which.seen, w.bad || which.bad}
			}
			for _, part := range []struct {
				there bool
				what  string
			}{{w.good, "success"}, {w.seen, "success seen through another API"}, {w.bad, "error"}} {
				if !part.there {
					lacking = append(lacking, fmt.Sprintf("%s v%d: no %s", wire.Name(key), v, part.what))
				}
			}
		}
	}
	return lacking, served
}

// incomplete is how many versions lack something.
func incomplete(lacking []string) int {
	versions := map[string]bool{}
	for _, each := range lacking {
		version, _, _ := strings.Cut(each, ":")
		versions[version] = true
	}
	return len(versions)
}

// succeeds asks, and cannot go on after an error.
func (s *side) succeeds(request kmsg.Request, v int16) kmsg.Response {
	answer := s.ask("succeeds", request, v)
	last := s.told[len(s.told)-1]
	if answer == nil || errorCodes(last) != "" {
		panic(fmt.Errorf("%s: %s: %s", s.name, last.request, outcome(last)))
	}
	w := s.walks[walk{request.Key(), v}]
	w.good = true
	s.walks[walk{request.Key(), v}] = w
	return answer
}

// fails asks, and cannot go on without an error.
func (s *side) fails(request kmsg.Request, v int16) {
	answer := s.ask("fails", request, v)
	last := s.told[len(s.told)-1]
	if answer == nil || errorCodes(last) == "" {
		panic(fmt.Errorf("%s: %s: %s", s.name, last.request, outcome(last)))
	}
	w := s.walks[walk{request.Key(), v}]
	w.bad = true
	s.walks[walk{request.Key(), v}] = w
}

// seen: what the API at hand did was seen through another one, or what it shows was done by another one.
func (s *side) seen(key, v int16, ok bool) {
	if !ok {
		panic(fmt.Errorf("%s: %s v%d has no effect", s.name, wire.Name(key), v))
	}
	w := s.walks[walk{key, v}]
	w.seen = true
	s.walks[walk{key, v}] = w
}

// walks is one row of each API, over all versions.
func walks(key int16, run func(s *side, v int16)) []tableCase {
	oldest, newest, _ := wire.Range(key)
	return rows(wire.Name(key), oldest, newest, row{name: "walked", run: run})
}

// end is where a partition ends, or -1.
func (s *side) end(topic string, partition int32, at int64) int64 {
	return s.must(s.listOffsets(topic, partition, at), 7).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
}

func (s *side) partitions(topic string) int {
	return len(s.must(metadata(s.called(topic)), 12).(*kmsg.MetadataResponse).Topics[0].Partitions)
}

func (s *side) config(kind kmsg.ConfigResourceType, name, key string) string {
	for _, c := range s.must(describeConfigs(kind, name, key), 4).(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
		if c.Value != nil {
			return *c.Value
		}
	}
	return ""
}

// quotas are those of a client of this case's.
func (s *side) quota(key string, value float64) *kmsg.AlterClientQuotasRequest {
	r := kmsg.NewPtrAlterClientQuotasRequest()
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	name := s.called("c")
	entry.Entity = []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "client-id", Name: &name}}
	entry.Ops = []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: value}}
	r.Entries = append(r.Entries, entry)
	return r
}

func (s *side) quotas(kind string) *kmsg.DescribeClientQuotasRequest {
	r := kmsg.NewPtrDescribeClientQuotasRequest()
	name := s.called("c")
	r.Components = []kmsg.DescribeClientQuotasRequestComponent{{EntityType: kind, Match: &name}}
	return r
}

const ofTopic = kmsg.ConfigResourceTypeTopic

var walksTable = slices.Concat(
	walks(wire.KeyProduce, func(s *side, v int16) {
		s.topic("t", 1)
		s.succeeds(s.produce("t", 0, -1, plain(2)), v)
		s.seen(wire.KeyProduce, v, s.end("t", 0, -1) == 2)
		s.fails(s.produce("t", 9, -1, plain(2)), v)
	}),
	walks(wire.KeyFetch, func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(2))
		answer := s.succeeds(s.fetch("t", 0, 0), v).(*kmsg.FetchResponse)
		s.seen(wire.KeyFetch, v, len(answer.Topics[0].Partitions[0].RecordBatches) == len(plain(2)))
		s.fails(s.fetch("t", 0, 9), v)
	}),
	walks(wire.KeyListOffsets, func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(2))
		answer := s.succeeds(s.listOffsets("t", 0, -1), v).(*kmsg.ListOffsetsResponse)
		s.seen(wire.KeyListOffsets, v, answer.Topics[0].Partitions[0].Offset == 2)
		s.fails(s.listOffsets("t", 9, -1), v)
	}),
	walks(wire.KeyMetadata, func(s *side, v int16) {
		s.topic("t", 2)
		answer := s.succeeds(metadata(s.called("t")), v).(*kmsg.MetadataResponse)
		s.seen(wire.KeyMetadata, v, len(answer.Topics[0].Partitions) == 2)
		s.fails(metadata("not a name"), v)
	}),
	walks(wire.KeyApiVersions, func(s *side, v int16) {
		r := kmsg.NewPtrApiVersionsRequest()
		r.ClientSoftwareName, r.ClientSoftwareVersion = "a", "1"
		for _, api := range s.succeeds(r, v).(*kmsg.ApiVersionsResponse).ApiKeys {
			if api.ApiKey == wire.KeyMetadata {
				s.seen(wire.KeyApiVersions, v, len(s.must(&kmsg.MetadataRequest{}, api.MaxVersion).(*kmsg.MetadataResponse).Brokers) == 1)
			}
		}
		if v >= 3 {
			r.ClientSoftwareName = "-"
			s.fails(r, v)
		}
	}),
	walks(wire.KeyCreateTopics, func(s *side, v int16) {
		s.succeeds(createTopics(newTopic(s.called("t"), 2)), v)
		s.settle()
		s.seen(wire.KeyCreateTopics, v, s.partitions("t") == 2)
		s.fails(createTopics(newTopic(s.called("t"), 2)), v)
	}),
	walks(wire.KeyDeleteTopics, func(s *side, v int16) {
		s.topic("t", 1)
		s.succeeds(deleteTopics(s.called("t")), v)
		s.settle()
		s.seen(wire.KeyDeleteTopics, v, s.partitions("t") == 0)
		s.fails(deleteTopics(s.called("t")), v)
	}),
	walks(wire.KeyDeleteRecords, func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(3))
		s.succeeds(s.deleteRecords("t", 0, 2), v)
		s.seen(wire.KeyDeleteRecords, v, s.end("t", 0, -2) == 2)
		s.fails(s.deleteRecords("t", 0, 9), v)
	}),
	walks(wire.KeyInitProducerID, func(s *side, v int16) {
		s.topic("t", 1)
		r := kmsg.NewPtrInitProducerIDRequest()
		r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 60_000, -1, -1
		given := s.succeeds(r, v).(*kmsg.InitProducerIDResponse)
		s.write("t", 0, from(plain(1), given.ProducerID, given.ProducerEpoch, 0))
		active := s.must(s.describeProducers("t", 0), 0).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0].ActiveProducers
		s.seen(wire.KeyInitProducerID, v, len(active) == 1 && active[0].ProducerID == given.ProducerID)
		r.TransactionalID = value("")
		s.fails(r, v)
	}),
	walks(wire.KeyOffsetForLeaderEpoch, func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(3))
		answer := s.succeeds(s.epochs("t", 0, -1, 0), v).(*kmsg.OffsetForLeaderEpochResponse)
		s.seen(wire.KeyOffsetForLeaderEpoch, v, answer.Topics[0].Partitions[0].EndOffset == 3)
		s.fails(s.epochs("t", 9, -1, 0), v)
	}),
	walks(wire.KeyDescribeACLs, func(s *side, v int16) {
		r := kmsg.NewPtrDescribeACLsRequest()
		r.ResourceType, r.ResourcePatternType, r.Operation, r.PermissionType = 1, 1, 1, 1
		s.fails(r, v)
	}),
	walks(wire.KeyCreateACLs, func(s *side, v int16) {
		r := kmsg.NewPtrCreateACLsRequest()
		r.Creations = []kmsg.CreateACLsRequestCreation{{ResourceType: 2, ResourceName: s.called("t"), ResourcePatternType: 3,
			Principal: "User:a", Host: "*", Operation: 3, PermissionType: 3}}
		s.fails(r, v)
	}),
	walks(wire.KeyDeleteACLs, func(s *side, v int16) {
		r := kmsg.NewPtrDeleteACLsRequest()
		r.Filters = []kmsg.DeleteACLsRequestFilter{{ResourceType: 2, ResourcePatternType: 3, Operation: 3, PermissionType: 3}}
		s.fails(r, v)
	}),
	walks(wire.KeyDescribeConfigs, func(s *side, v int16) {
		s.topic("t", 1)
		s.must(incremental(ofTopic, s.called("t"), "retention.ms", set, "77"), 1)
		s.settle()
		answer := s.succeeds(describeConfigs(ofTopic, s.called("t"), "retention.ms"), v).(*kmsg.DescribeConfigsResponse)
		s.seen(wire.KeyDescribeConfigs, v, *answer.Resources[0].Configs[0].Value == "77")
		s.fails(describeConfigs(ofTopic, s.called("no")), v)
	}),
	walks(wire.KeyAlterConfigs, func(s *side, v int16) {
		s.topic("t", 1)
		s.succeeds(alterConfigs(ofTopic, s.called("t"), "retention.ms", "77"), v)
		s.settle()
		s.seen(wire.KeyAlterConfigs, v, s.config(ofTopic, s.called("t"), "retention.ms") == "77")
		s.fails(alterConfigs(ofTopic, s.called("t"), "retention.ms", "x"), v)
	}),
	walks(wire.KeyIncrementalAlterConfigs, func(s *side, v int16) {
		s.topic("t", 1)
		s.succeeds(incremental(ofTopic, s.called("t"), "retention.ms", set, "77"), v)
		s.settle()
		s.seen(wire.KeyIncrementalAlterConfigs, v, s.config(ofTopic, s.called("t"), "retention.ms") == "77")
		s.fails(incremental(ofTopic, s.called("t"), "retention.ms", set, "x"), v)
	}),
	walks(wire.KeyDescribeLogDirs, func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(3))
		r := kmsg.NewPtrDescribeLogDirsRequest()
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: s.called("t"), Partitions: []int32{0}}}
		answer := s.succeeds(r, v).(*kmsg.DescribeLogDirsResponse)
		s.seen(wire.KeyDescribeLogDirs, v, answer.Dirs[0].Topics[0].Partitions[0].Size == int64(len(plain(3))))
	}),
	walks(wire.KeyAlterReplicaLogDirs, func(s *side, v int16) {
		s.topic("t", 1)
		d := kmsg.NewPtrDescribeLogDirsRequest()
		d.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: s.called("t"), Partitions: []int32{0}}}
		dir := s.must(d, 4).(*kmsg.DescribeLogDirsResponse).Dirs[0].Dir
		r := kmsg.NewPtrAlterReplicaLogDirsRequest()
		of := kmsg.NewAlterReplicaLogDirsRequestDir()
		of.Dir, of.Topics = dir, []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: s.called("t"), Partitions: []int32{0}}}
		r.Dirs = append(r.Dirs, of)
		s.succeeds(r, v)
		there := s.must(d, 4).(*kmsg.DescribeLogDirsResponse).Dirs[0]
		s.seen(wire.KeyAlterReplicaLogDirs, v, there.Dir == dir && len(there.Topics) == 1)
		r.Dirs[0].Dir = "/no/such/directory"
		s.fails(r, v)
	}),
	walks(wire.KeyCreatePartitions, func(s *side, v int16) {
		s.topic("t", 1)
		s.succeeds(createPartitions(s.called("t"), 3), v)
		s.settle()
		s.seen(wire.KeyCreatePartitions, v, s.partitions("t") == 3)
		s.fails(createPartitions(s.called("t"), 2), v)
	}),
	walks(wire.KeyDescribeClientQuotas, func(s *side, v int16) {
		s.must(s.quota("producer_byte_rate", 1e9), 1)
		s.settle()
		answer := s.succeeds(s.quotas("client-id"), v).(*kmsg.DescribeClientQuotasResponse)
		s.seen(wire.KeyDescribeClientQuotas, v, len(answer.Entries) == 1 && answer.Entries[0].Values[0].Value == 1e9)
		s.fails(s.quotas("nonsense"), v)
	}),
	walks(wire.KeyAlterClientQuotas, func(s *side, v int16) {
		s.succeeds(s.quota("producer_byte_rate", 1e9), v)
		s.settle()
		answer := s.must(s.quotas("client-id"), 1).(*kmsg.DescribeClientQuotasResponse)
		s.seen(wire.KeyAlterClientQuotas, v, len(answer.Entries) == 1 && answer.Entries[0].Values[0].Value == 1e9)
		s.fails(s.quota("nonsense", 1), v)
	}),
	walks(wire.KeyDescribeUserScram, func(s *side, v int16) {
		r := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
		s.succeeds(r, v)
		r.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "a"}}
		s.fails(r, v)
	}),
	walks(wire.KeyDescribeCluster, func(s *side, v int16) {
		r := kmsg.NewPtrDescribeClusterRequest()
		brokers := s.succeeds(r, v).(*kmsg.DescribeClusterResponse).Brokers
		known := s.must(&kmsg.MetadataRequest{}, 12).(*kmsg.MetadataResponse).Brokers
		s.seen(wire.KeyDescribeCluster, v, len(brokers) == 1 && brokers[0].NodeID == known[0].NodeID && brokers[0].Port == known[0].Port)
		if r.EndpointType = 2; v >= 1 {
			s.fails(r, v)
		}
	}),
	walks(wire.KeyDescribeProducers, func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, from(plain(2), firstInvented, 0, 0))
		active := s.succeeds(s.describeProducers("t", 0), v).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0].ActiveProducers
		s.seen(wire.KeyDescribeProducers, v, len(active) == 1 && active[0].LastSequence == 1)
		s.fails(s.describeProducers("t", 9), v)
	}),
	walks(wire.KeyListConfigResources, func(s *side, v int16) {
		s.must(incremental(kmsg.ConfigResourceTypeClientMetrics, s.called("m"), "interval.ms", set, "5000"), 1)
		s.settle()
		r := kmsg.NewPtrListConfigResourcesRequest()
		found := s.succeeds(r, v).(*kmsg.ListConfigResourcesResponse).ConfigResources
		s.seen(wire.KeyListConfigResources, v, slices.ContainsFunc(found, func(c kmsg.ListConfigResourcesResponseConfigResource) bool { return c.Name == s.called("m") }))
		if r.ResourceTypes = []int8{7}; v >= 1 {
			s.fails(r, v)
		}
	}),
	walks(wire.KeyDescribeTopicPartitions, func(s *side, v int16) {
		s.topic("t", 3)
		answer := s.succeeds(describeTopicPartitions(10, s.called("t")), v).(*kmsg.DescribeTopicPartitionsResponse)
		s.seen(wire.KeyDescribeTopicPartitions, v, len(answer.Topics[0].Partitions) == 3)
		s.fails(describeTopicPartitions(10, s.called("no")), v)
	}),
	walks(wire.KeyFindCoordinator, func(s *side, v int16) {
		answer := s.succeeds(findCoordinator(0, s.called("g")), v).(*kmsg.FindCoordinatorResponse)
		node := answer.NodeID
		if v >= 4 {
			node = answer.Coordinators[0].NodeID
		}
		s.seen(wire.KeyFindCoordinator, v, node == s.must(&kmsg.MetadataRequest{}, 12).(*kmsg.MetadataResponse).Brokers[0].NodeID)
		if v >= 1 {
			s.fails(findCoordinator(7, s.called("g")), v)
		}
	}),
	walks(wire.KeyOffsetCommit, func(s *side, v int16) {
		s.topic("t", 1)
		s.succeeds(s.commit(s.simple("g"), "t", 0, 5, ""), v)
		s.seen(wire.KeyOffsetCommit, v, s.must(s.committed(s.called("g"), "t", 0), 7).(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0].Offset == 5)
		s.fails(s.commit(s.simple("g").stranger().at(1), "t", 0, 5, ""), v)
	}),
	walks(wire.KeyOffsetFetch, func(s *side, v int16) {
		s.topic("t", 1)
		s.must(s.commit(s.simple("g"), "t", 0, 5, ""), 8)
		answer := s.succeeds(s.committed(s.called("g"), "t", 0), v).(*kmsg.OffsetFetchResponse)
		if v >= 8 {
			s.seen(wire.KeyOffsetFetch, v, answer.Groups[0].Topics[0].Partitions[0].Offset == 5)
		} else {
			s.seen(wire.KeyOffsetFetch, v, answer.Topics[0].Partitions[0].Offset == 5)
		}
		if v >= 10 {
			r := s.committed(s.called("g"), "t", 0)
			r.Groups[0].Topics[0].TopicID = [16]byte{7, 7}
			s.fails(r, v)
		}
	}),
	walks(wire.KeyOffsetDelete, func(s *side, v int16) {
		s.topic("t", 1)
		s.must(s.commit(s.simple("g"), "t", 0, 5, ""), 8)
		s.succeeds(deleteOffsets(s.called("g"), s.called("t"), 0), v)
		s.seen(wire.KeyOffsetDelete, v, s.must(s.committed(s.called("g"), "t", 0), 7).(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0].Offset == -1)
		s.fails(deleteOffsets(s.called("no"), s.called("t"), 0), v)
	}),
	walks(wire.KeyJoinGroup, func(s *side, v int16) {
		r := joinGroup(s.called("g"), "")
		if v >= 4 {
			r.MemberID = s.must(r, v).(*kmsg.JoinGroupResponse).MemberID
		}
		s.succeeds(r, v)
		described := s.must(describeGroups(r.Group), 5).(*kmsg.DescribeGroupsResponse).Groups[0]
		s.seen(wire.KeyJoinGroup, v, len(described.Members) == 1 && described.State == "CompletingRebalance")
		r.MemberID = "nobody"
		s.fails(r, v)
	}),
	walks(wire.KeySyncGroup, func(s *side, v int16) {
		m := s.joined(joinGroup(s.called("g"), ""))
		s.succeeds(syncGroup(m, m.id, "all"), v)
		s.seen(wire.KeySyncGroup, v, string(s.must(describeGroups(m.group), 5).(*kmsg.DescribeGroupsResponse).Groups[0].Members[0].MemberAssignment) == "all")
		s.fails(syncGroup(m.at(9)), v)
	}),
	walks(wire.KeyHeartbeat, func(s *side, v int16) {
		m := s.alone("g")
		s.succeeds(heartbeat(m), v)
		s.must(leaveGroup(m.group, m.id), 3)
		s.fails(heartbeat(m), v)
		s.seen(wire.KeyHeartbeat, v, s.must(describeGroups(m.group), 5).(*kmsg.DescribeGroupsResponse).Groups[0].State == "Empty")
	}),
	walks(wire.KeyLeaveGroup, func(s *side, v int16) {
		m := s.alone("g")
		s.succeeds(leaveGroup(m.group, m.id), v)
		s.seen(wire.KeyLeaveGroup, v, s.must(describeGroups(m.group), 5).(*kmsg.DescribeGroupsResponse).Groups[0].State == "Empty")
		s.fails(leaveGroup(m.group, m.id), v)
	}),
	walks(wire.KeyDescribeGroups, func(s *side, v int16) {
		m := s.alone("g")
		found := s.succeeds(describeGroups(m.group), v).(*kmsg.DescribeGroupsResponse).Groups[0]
		s.seen(wire.KeyDescribeGroups, v, found.State == "Stable" && found.Members[0].MemberID == m.id)
		if v >= 6 {
			s.fails(describeGroups(s.called("no")), v)
		}
	}),
	walks(wire.KeyListGroups, func(s *side, v int16) {
		m := s.alone("g")
		found := s.succeeds(kmsg.NewPtrListGroupsRequest(), v).(*kmsg.ListGroupsResponse).Groups
		s.seen(wire.KeyListGroups, v, slices.ContainsFunc(found, func(g kmsg.ListGroupsResponseGroup) bool { return g.Group == m.group }))
	}),
	walks(wire.KeyConsumerGroupHeartbeat, func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consumer("g", "m")
		c.takes(s.succeeds(c.joins(s.called("t")), v))
		found := s.must(describeConsumers(c.group), 1).(*kmsg.ConsumerGroupDescribeResponse).Groups[0]
		s.seen(wire.KeyConsumerGroupHeartbeat, v, len(found.Members) == 1 && found.Members[0].MemberID == c.id && len(found.Members[0].Assignment.TopicPartitions) == 1)
		c.epoch = 99
		s.fails(c.beats(), v)
	}),
	walks(wire.KeyConsumerGroupDescribe, func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consuming("g", "m", s.called("t"))
		found := s.succeeds(describeConsumers(c.group), v).(*kmsg.ConsumerGroupDescribeResponse).Groups[0]
		s.seen(wire.KeyConsumerGroupDescribe, v, found.Epoch == c.epoch && found.Members[0].MemberID == c.id)
		s.fails(describeConsumers(s.called("no")), v)
	}),
	walks(wire.KeyGetTelemetry, func(s *side, v int16) {
		own := s.aside("c")
		defer own.link.close()
		s.subscribe("m", "metrics", "x.")
		r := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		answer := own.succeeds(r, v).(*kmsg.GetTelemetrySubscriptionsResponse)
		own.seen(wire.KeyGetTelemetry, v, slices.Contains(answer.RequestedMetrics, "x."))
		r.ClientInstanceID = answer.ClientInstanceID
		own.fails(r, v) // too soon
		s.told = own.told
		s.unsubscribe("m")
	}),
	walks(wire.KeyPushTelemetry, func(s *side, v int16) {
		given := s.must(kmsg.NewPtrGetTelemetrySubscriptionsRequest(), 0).(*kmsg.GetTelemetrySubscriptionsResponse)
		r := kmsg.NewPtrPushTelemetryRequest()
		r.ClientInstanceID, r.SubscriptionID, r.Metrics, r.Terminating = given.ClientInstanceID, given.SubscriptionID, []byte{}, true
		s.succeeds(r, v)
		ask := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		ask.ClientInstanceID = given.ClientInstanceID
		s.seen(wire.KeyPushTelemetry, v, s.must(ask, 0).(*kmsg.GetTelemetrySubscriptionsResponse).ErrorCode != 0)
		s.fails(r, v)
	}),
	walks(wire.KeyDeleteGroups, func(s *side, v int16) {
		s.topic("t", 1)
		s.must(s.commit(s.simple("g"), "t", 0, 5, ""), 8)
		s.succeeds(deleteGroups(s.called("g")), v)
		s.seen(wire.KeyDeleteGroups, v, s.must(s.committed(s.called("g"), "t", 0), 7).(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0].Offset == -1)
		s.fails(deleteGroups(s.called("g")), v)
	}),
)
