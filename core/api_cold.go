package core

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// onCold routes every request but Produce and Fetch.
func (b *Broker) onCold(now seam.Now, c *connection, r *conn.Request, fx *seam.Effects) {
	slot := c.slots.Open()
	switch request := r.Cold.(type) {
	case *kmsg.ApiVersionsRequest:
		b.apiVersions(c, slot, r, fx)
	case *kmsg.MetadataRequest:
		b.metadata(now, c, slot, r, request, fx)
	case *kmsg.CreateTopicsRequest:
		records, answer := b.controller.CreateTopics(request)
		b.proposeFor(now, c, slot, r, b.mutated(now, c, r, records, answer), answer, fx)
	case *kmsg.DeleteTopicsRequest:
		records, answer := b.controller.DeleteTopics(request)
		b.proposeFor(now, c, slot, r, b.mutated(now, c, r, records, answer), answer, fx)
	case *kmsg.ListOffsetsRequest:
		b.listOffsets(now, c, slot, r, request, fx)
	case *kmsg.InitProducerIDRequest:
		b.initProducerID(now, c, slot, r, request, fx)
	case *kmsg.CreatePartitionsRequest:
		records, answer := b.controller.CreatePartitions(request)
		b.proposeFor(now, c, slot, r, b.mutated(now, c, r, records, answer), answer, fx)
	case *kmsg.DescribeConfigsRequest:
		b.describeConfigs(now, c, slot, r, request, fx)
	case *kmsg.AlterConfigsRequest:
		b.alterConfigs(now, c, slot, r, request, fx)
	case *kmsg.IncrementalAlterConfigsRequest:
		b.incrementalAlterConfigs(now, c, slot, r, request, fx)
	case *kmsg.GetTelemetrySubscriptionsRequest:
		b.telemetrySubscriptions(now, c, slot, r, request, fx)
	case *kmsg.PushTelemetryRequest:
		b.pushTelemetry(now, c, slot, r, request, fx)
	case *kmsg.ListConfigResourcesRequest:
		b.cold(c.id, slot, r.Correlation, b.listConfigResources(request), fx)
	case *kmsg.DescribeClusterRequest:
		b.cold(c.id, slot, r.Correlation, b.describeCluster(c, request), fx)
	case *kmsg.OffsetForLeaderEpochRequest:
		b.offsetForLeaderEpoch(now, c, slot, r, request, fx)
	case *kmsg.AlterReplicaLogDirsRequest:
		b.alterReplicaLogDirs(now, c, slot, r, request, fx)
	case *kmsg.DescribeLogDirsRequest:
		b.describeLogDirs(now, c, slot, r, request, fx)
	case *kmsg.DescribeProducersRequest:
		b.describeProducers(now, c, slot, r, request, fx)
	case *kmsg.DescribeTopicPartitionsRequest:
		b.describeTopicPartitions(now, c, slot, r, request, fx)
	case *kmsg.DeleteRecordsRequest:
		b.deleteRecords(now, c, slot, r, request, fx)
	case *wire.AlterClientQuotas:
		records, answer := b.controller.AlterQuotas(request)
		b.proposeFor(now, c, slot, r, records, answer, fx)
	case *kmsg.DescribeClientQuotasRequest:
		b.cold(c.id, slot, r.Correlation, controller.DescribeQuotas(b.image, request), fx)
	case *kmsg.FindCoordinatorRequest:
		b.findCoordinator(now, c, slot, r, request, fx)
	case *kmsg.JoinGroupRequest:
		b.joinGroup(now, c, slot, r, request, fx)
	case *kmsg.SyncGroupRequest:
		b.syncGroup(now, c, slot, r, request, fx)
	case *kmsg.HeartbeatRequest:
		b.heartbeat(now, c, slot, r, request, fx)
	case *kmsg.LeaveGroupRequest:
		b.leaveGroup(now, c, slot, r, request, fx)
	case *kmsg.ConsumerGroupHeartbeatRequest:
		b.consumerGroupHeartbeat(now, c, slot, r, request, fx)
	case *kmsg.ConsumerGroupDescribeRequest:
		b.consumerGroupDescribe(now, c, slot, r, request, fx)
	case *kmsg.OffsetCommitRequest:
		b.offsetCommit(now, c, slot, r, request, fx)
	case *kmsg.OffsetFetchRequest:
		b.offsetFetch(now, c, slot, r, request, fx)
	case *kmsg.OffsetDeleteRequest:
		b.offsetDelete(now, c, slot, r, request, fx)
	case *kmsg.DescribeGroupsRequest:
		b.describeGroups(now, c, slot, r, request, fx)
	case *kmsg.ListGroupsRequest:
		b.listGroups(now, c, slot, r, request, fx)
	case *kmsg.DeleteGroupsRequest:
		b.deleteGroups(now, c, slot, r, request, fx)
	case *kmsg.DescribeACLsRequest:
		b.cold(c.id, slot, r.Correlation, describeACLs(request), fx)
	case *kmsg.CreateACLsRequest:
		b.cold(c.id, slot, r.Correlation, createACLs(request), fx)
	case *kmsg.DeleteACLsRequest:
		b.cold(c.id, slot, r.Correlation, deleteACLs(request), fx)
	case *kmsg.DescribeUserSCRAMCredentialsRequest:
		b.cold(c.id, slot, r.Correlation, describeUserScramCredentials(request), fx)
	default:
		b.answer(c.id, slot, conn.Answer{Then: seam.CloseNow}, fx)
	}
}

// proposeFor answers when what was decided is durable. An answer without records was read off the controller's state,
// which may hold records that are not committed yet: it waits for those.
func (b *Broker) proposeFor(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, records []meta.Record, answer wire.Answer, fx *seam.Effects) {
	b.offer(now, &proposal{records: records, kind: proposedForClient, conn: c.id, slot: slot, corr: r.Correlation, answer: answer}, fx)
}

// offer proposes; without records a proposal stands behind those that are not committed.
func (b *Broker) offer(now seam.Now, q *proposal, fx *seam.Effects) {
	if n := b.proposals.Len(); len(q.records) == 0 && n > 0 {
		q.base, q.last = (*b.proposals.At(n - 1)).last+1, (*b.proposals.At(n - 1)).last
		b.proposals.Push(q)
	} else if len(q.records) == 0 {
		b.answerProposal(q, fx)
	} else if !b.propose(now, q, fx) {
		b.refuseProposal(q, fx)
	}
}

// apiVersions (18) announces what is served, and the finalized features.
func (b *Broker) apiVersions(c *connection, slot conn.Slot, r *conn.Request, fx *seam.Effects) {
	answer := wire.ApiVersions(r.Version)
	if r.Refusal != wire.None {
		answer.ErrorCode, answer.ApiKeys = int16(r.Refusal), []kmsg.ApiVersionsResponseApiKey{}
	} else {
		c.introduced(r.Cold.(*kmsg.ApiVersionsRequest))
		if b.unannounce(answer); r.Version >= 3 {
			b.features(answer)
		}
	}
	b.cold(c.id, slot, r.Correlation, answer, fx)
}

// features tells which features there are. Clients that ask in version 3 cannot read a level 0 (KAFKA-17492).
func (b *Broker) features(answer *kmsg.ApiVersionsResponse) {
	for _, f := range controller.Supported() {
		supported := kmsg.NewApiVersionsResponseSupportedFeature()
		if supported.Name, supported.MinVersion, supported.MaxVersion = f.Name, f.Min, f.Max; f.Min > 0 || answer.Version >= 4 {
			answer.SupportedFeatures = append(answer.SupportedFeatures, supported)
		}
	}
	for name, level := range b.image.Features() {
		f := kmsg.NewApiVersionsResponseFinalizedFeature()
		f.Name, f.MinVersionLevel, f.MaxVersionLevel = name, level, level
		answer.FinalizedFeatures = append(answer.FinalizedFeatures, f)
	}
	if b.image.Offset() >= 0 {
		answer.FinalizedFeaturesEpoch = b.image.Offset()
	}
}

// address is where clients of this listener reach the broker: as configured, or as this client did.
func (b *Broker) address(c *connection) (string, int32) {
	if told := &b.config.Listeners[c.listener]; told.Host != "" {
		return told.Host, told.Port
	}
	return c.host, c.port
}

// metadata (3) describes brokers and topics. An unknown topic that may be created is, and the client asks again.
func (b *Broker) metadata(now seam.Now, c *connection, slot conn.Slot, in *conn.Request, r *kmsg.MetadataRequest, fx *seam.Effects) {
	corr := in.Correlation
	answer := r.ResponseKind().(*kmsg.MetadataResponse)
	if r.Version >= 10 && r.Version <= 11 && byID(r) {
		b.cold(c.id, slot, corr, b.metadataRefused(r, answer), fx)
		return
	}
	b.describeBrokers(c, answer)
	if r.IncludeClusterAuthorizedOperations {
		answer.AuthorizedOperations = clusterOperations
	}
	operations := int32(unknownOperations)
	if r.IncludeTopicAuthorizedOperations {
		operations = topicOperations
	}
	if r.Topics != nil && (r.Version > 0 || len(r.Topics) > 0) {
		var quota *metered
		if m := b.meter(now, c, quotaMutate, in.ClientID); m != nil {
			as := *m // the connection's own may be another by the time of a later turn
			quota = &as
		}
		b.inTurns(now, c, b.describing(len(r.Topics), answer, operations, func(i int, now seam.Now, fx *seam.Effects) (kmsg.MetadataResponseTopic, *meta.Topic) {
			return b.describeAsked(now, r, &r.Topics[i], quota, fx)
		}, b.answering(c, slot, corr, answer)), fx)
		return
	}
	all := make([]*meta.Topic, 0, b.image.TopicCount())
	for _, t := range b.image.Topics() {
		all = append(all, t)
	}
	b.inTurns(now, c, b.describing(len(all), answer, operations, func(i int, _ seam.Now, _ *seam.Effects) (kmsg.MetadataResponseTopic, *meta.Topic) {
		return describeTopic(all[i]), all[i]
	}, b.answering(c, slot, corr, answer)), fx)
}

// answering is the end of a request that was worked off in turns.
func (b *Broker) answering(c *connection, slot conn.Slot, corr int32, answer wire.Answer) func(fx *seam.Effects) {
	return func(fx *seam.Effects) { b.cold(c.id, slot, corr, answer, fx) }
}

// describing adds one topic after the other to an answer, a partition being an item.
func (b *Broker) describing(n int, answer *kmsg.MetadataResponse, operations int32, topic func(i int, now seam.Now, fx *seam.Effects) (kmsg.MetadataResponseTopic, *meta.Topic), end func(fx *seam.Effects)) turn {
	var partitions []meta.Partition // of the topic at hand, as they were when it was opened
	return b.turns.nested(n, func(i int, now seam.Now, fx *seam.Effects) int {
		out, of := topic(i, now, fx)
		out.AuthorizedOperations = operations
		answer.Topics = append(answer.Topics, out)
		if partitions = nil; of != nil {
			partitions = of.Partitions
		}
		return len(partitions)
	}, func(i, j int, _ *seam.Effects) {
		out := &answer.Topics[i]
		out.Partitions = append(out.Partitions, b.describePartition(&partitions[j]))
	}, end)
}

// byID says whether a topic is asked for by id, or by nothing.
func byID(r *kmsg.MetadataRequest) bool {
	for i := range r.Topics {
		if r.Topics[i].Topic == nil || r.Topics[i].TopicID != [16]byte{} {
			return true
		}
	}
	return false
}

// metadataRefused: versions 10 and 11 have topic ids in the request but must not look them up.
func (b *Broker) metadataRefused(r *kmsg.MetadataRequest, answer *kmsg.MetadataResponse) wire.Answer {
	answer.ControllerID, answer.Brokers = -1, []kmsg.MetadataResponseBroker{}
	for i := range r.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode = r.Topics[i].Topic, r.Topics[i].TopicID, int16(wire.InvalidRequest)
		if t.Topic == nil {
			t.Topic = new(string)
		}
		t.Partitions = []kmsg.MetadataResponseTopicPartition{}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func (b *Broker) describeBrokers(c *connection, answer *kmsg.MetadataResponse) {
	cluster := b.config.ClusterID
	answer.ClusterID, answer.ControllerID = &cluster, b.config.NodeID
	for id, broker := range b.image.Brokers() {
		if broker.Fenced {
			continue
		}
		x := kmsg.NewMetadataResponseBroker()
		x.NodeID, x.Rack = id, broker.Rack
		x.Host, x.Port = b.address(c)
		answer.Brokers = append(answer.Brokers, x)
	}
}

func describeTopic(t *meta.Topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	name := t.Name
	out.Topic, out.TopicID, out.IsInternal = &name, t.ID, controller.Internal(name)
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	return out
}

func (b *Broker) describePartition(p *meta.Partition) kmsg.MetadataResponseTopicPartition {
	x := kmsg.NewMetadataResponseTopicPartition()
	x.Partition, x.Leader, x.LeaderEpoch = p.ID, p.Leader, p.LeaderEpoch
	x.Replicas, x.ISR, x.OfflineReplicas = p.Replicas, p.ISR, b.offlineReplicas(p)
	if p.Leader == meta.NoLeader {
		x.ErrorCode = int16(wire.LeaderNotAvailable)
	}
	return x
}

// describeAsked finds a topic by id where one is given (a wrong name beside it is ignored), else by name.
func (b *Broker) describeAsked(now seam.Now, r *kmsg.MetadataRequest, asked *kmsg.MetadataRequestTopic, quota *metered, fx *seam.Effects) (kmsg.MetadataResponseTopic, *meta.Topic) {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.Partitions = asked.Topic, asked.TopicID, []kmsg.MetadataResponseTopicPartition{}
	byID := r.Version >= 12 && asked.TopicID != [16]byte{}
	switch {
	case byID:
		if t := b.image.TopicByID(asked.TopicID); t != nil {
			return describeTopic(t), t
		}
		out.Topic, out.ErrorCode = nil, int16(wire.UnknownTopicID)
	case asked.Topic == nil:
		out.ErrorCode = int16(wire.InvalidRequest)
	default:
		if t := b.image.Topic(*asked.Topic); t != nil {
			return describeTopic(t), t
		}
		out.ErrorCode = int16(b.unknownTopic(now, *asked.Topic, r.Version < 4 || r.AllowAutoTopicCreation, quota, fx))
	}
	return out, nil
}

// unknownTopic starts the creation of a topic if that is allowed, and within the client's quota; either way there is none
// yet. A client beyond it is not told to wait: it asks again, as whoever waits for a new topic does.
func (b *Broker) unknownTopic(now seam.Now, name string, create bool, quota *metered, fx *seam.Effects) wire.Code {
	if controller.InvalidName(name) != "" {
		return wire.InvalidTopicException
	}
	if !create || !b.config.AutoCreateTopics || b.controller.Image().Topic(name) != nil {
		return wire.UnknownTopicOrPartition
	}
	if quota != nil && quota.bucket.Wait(now.Mono) > 0 {
		return wire.UnknownTopicOrPartition
	}
	records, code := b.controller.AutoCreate(name)
	if code != wire.None {
		return code
	}
	if len(records) > 0 && b.propose(now, &proposal{records: records}, fx) && quota != nil {
		quota.bucket.Use(now.Mono, b.mutations(records), quota.rate)
	}
	return wire.UnknownTopicOrPartition
}

// describeCluster (60): asked of a broker, the only endpoint type it knows is that of brokers.
func (b *Broker) describeCluster(c *connection, r *kmsg.DescribeClusterRequest) wire.Answer {
	answer := r.ResponseKind().(*kmsg.DescribeClusterResponse)
	answer.EndpointType, answer.ControllerID, answer.ClusterID = 1, -1, ""
	answer.Brokers = []kmsg.DescribeClusterResponseBroker{}
	if r.Version >= 1 && r.EndpointType != 1 {
		code := wire.UnsupportedEndpointType
		if r.EndpointType == 2 {
			code = wire.MismatchedEndpointType
		}
		message := code.String()
		answer.ErrorCode, answer.ErrorMessage = int16(code), &message
		return answer
	}
	if r.IncludeClusterAuthorizedOperations {
		answer.ClusterAuthorizedOperations = clusterOperations
	}
	answer.ControllerID, answer.ClusterID = b.config.NodeID, b.config.ClusterID
	for id, broker := range b.image.Brokers() {
		if broker.Fenced && !(r.Version >= 2 && r.IncludeFencedBrokers) {
			continue
		}
		x := kmsg.NewDescribeClusterResponseBroker()
		x.NodeID, x.Rack, x.IsFenced = id, broker.Rack, broker.Fenced
		x.Host, x.Port = b.address(c)
		answer.Brokers = append(answer.Brokers, x)
	}
	return answer
}

// producerIDs is the block that this broker hands out of, and who waits for the next one.
type producerIDs struct {
	next, end int64
	asked     bool
	waiting   []idWaiter
}

type idWaiter struct {
	conn   seam.Conn
	slot   conn.Slot
	corr   int32
	answer *kmsg.InitProducerIDResponse
}

// initProducerID (22) without a transactional id hands out a new id. With one it needs a transaction coordinator, and
// there is none.
func (b *Broker) initProducerID(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.InitProducerIDRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.InitProducerIDResponse)
	answer.ProducerID, answer.ProducerEpoch = -1, -1
	switch {
	case request.TransactionalID != nil && *request.TransactionalID == "":
		answer.ErrorCode = int16(wire.InvalidRequest)
	case request.TransactionalID != nil:
		answer.ErrorCode = int16(wire.CoordinatorNotAvailable)
	case request.Version >= 3 && (request.ProducerID == -1) != (request.ProducerEpoch == -1):
		answer.ErrorCode = int16(wire.InvalidRequest)
	default:
		b.ids.waiting = append(b.ids.waiting, idWaiter{c.id, slot, r.Correlation, answer})
		b.handIDs(now, fx)
		return
	}
	b.cold(c.id, slot, r.Correlation, answer, fx)
}

// handIDs serves who waits, and asks for a block when there is none left.
func (b *Broker) handIDs(now seam.Now, fx *seam.Effects) {
	for len(b.ids.waiting) > 0 && b.ids.next < b.ids.end {
		w := b.ids.waiting[0]
		b.ids.waiting = b.ids.waiting[1:]
		w.answer.ProducerID, w.answer.ProducerEpoch = b.ids.next, 0
		b.ids.next++
		b.cold(w.conn, w.slot, w.corr, w.answer, fx)
	}
	if len(b.ids.waiting) == 0 || b.ids.asked {
		return
	}
	records, first, length, code := b.controller.ProducerIDs(b.config.NodeID, b.brokerAt)
	if code != wire.None {
		b.idsRefused(code, fx)
		return
	}
	b.ids.asked = true
	if !b.propose(now, &proposal{records: records, kind: proposedIDs, ids: [2]int64{first, length}}, fx) {
		b.idsRefused(wire.KafkaStorageError, fx)
	}
}

func (b *Broker) gotIDs(now seam.Now, first, length int64, fx *seam.Effects) {
	b.ids.asked = false
	b.ids.next, b.ids.end = first, first+length
	b.handIDs(now, fx)
}

func (b *Broker) idsRefused(code wire.Code, fx *seam.Effects) {
	b.ids.asked = false
	for _, w := range b.ids.waiting {
		w.answer.ErrorCode = int16(code)
		b.cold(w.conn, w.slot, w.corr, w.answer, fx)
	}
	b.ids.waiting = b.ids.waiting[:0]
}

// listing is a ListOffsets under way: searches by time run beside the broker.
type listing struct {
	conn   seam.Conn
	slot   conn.Slot
	corr   int32
	answer *kmsg.ListOffsetsResponse
	open   int
}

// Special timestamps of ListOffsets.
const (
	latestOffset   = -1
	earliestOffset = -2
	maxTimestamp   = -3
	earliestLocal  = -4
	latestTiered   = -5
	pendingUpload  = -6
)

// listOffsets (2).
func (b *Broker) listOffsets(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.ListOffsetsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.ListOffsetsResponse)
	l := &listing{conn: c.id, slot: slot, corr: r.Correlation, answer: answer, open: 1}
	i, j := -1, 0
	var at map[int32]places
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		for {
			if i+1 == len(request.Topics) && (i < 0 || j == len(request.Topics[i].Partitions)) {
				b.listed(l, fx)
				return true
			}
			if !b.turns.take() {
				return false
			}
			if i >= 0 && j < len(request.Topics[i].Partitions) {
				t := &request.Topics[i]
				b.listPartition(now, l, i, t, j, at[t.Partitions[j].Partition], request, fx)
				j++
				continue
			}
			i, j = i+1, 0
			at = placesOf(&request.Topics[i])
			out := kmsg.NewListOffsetsResponseTopic()
			out.Topic = request.Topics[i].Topic
			answer.Topics = append(answer.Topics, out)
		}
	}, fx)
}

func (b *Broker) listed(l *listing, fx *seam.Effects) {
	if l.open--; l.open == 0 {
		b.cold(l.conn, l.slot, l.corr, l.answer, fx)
	}
}

func (b *Broker) listPartition(now seam.Now, l *listing, i int, t *kmsg.ListOffsetsRequestTopic, j int, at places, request *kmsg.ListOffsetsRequest, fx *seam.Effects) {
	asked := &t.Partitions[j]
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition, out.Offset, out.Timestamp, out.LeaderEpoch = asked.Partition, -1, -1, -1
	if at.times > 1 {
		if at.first == j {
			out.ErrorCode = int16(wire.InvalidRequest)
			l.answer.Topics[i].Partitions = append(l.answer.Topics[i].Partitions, out)
		}
		return
	}
	_, p, code := b.find([]byte(t.Topic), [16]byte{}, asked.Partition, false)
	special := servedSpecial(request.Version, asked.Timestamp)
	switch {
	case special != wire.None:
		out.ErrorCode = int16(special)
	case code != wire.None:
		out.ErrorCode = int16(code)
	case request.IsolationLevel < 0 || request.IsolationLevel > 1:
		out.ErrorCode = int16(wire.InvalidRequest)
	default:
		out.ErrorCode = int16(b.listOne(now, l, i, p, asked, request, &out, fx))
	}
	l.answer.Topics[i].Partitions = append(l.answer.Topics[i].Partitions, out)
}

// places is where a partition stands first in a request, and how often.
type places struct{ first, times int }

func placesOf(t *kmsg.ListOffsetsRequestTopic) map[int32]places {
	all := make(map[int32]places, len(t.Partitions))
	for i := range t.Partitions {
		at := all[t.Partitions[i].Partition]
		if at.times++; at.times == 1 {
			at.first = i
		}
		all[t.Partitions[i].Partition] = at
	}
	return all
}

func (b *Broker) listOne(now seam.Now, l *listing, i int, p *partition, asked *kmsg.ListOffsetsRequestTopicPartition, request *kmsg.ListOffsetsRequest, out *kmsg.ListOffsetsResponseTopicPartition, fx *seam.Effects) wire.Code {
	r := p.replica
	if code := currentEpoch(p, asked.CurrentLeaderEpoch); code != wire.None {
		return code
	}
	switch asked.Timestamp {
	case earliestOffset, earliestLocal:
		b.place(out, request.Version, r.Log.Start(), r.Log.Epochs.At(r.Log.Start()))
		return wire.None
	case latestTiered, pendingUpload:
		return wire.None
	}
	if !r.Settled() {
		if request.Version < 5 {
			return wire.LeaderNotAvailable
		}
		return wire.OffsetNotAvailable
	}
	if asked.Timestamp == latestOffset {
		b.place(out, request.Version, r.High().Offset, r.Epoch())
		return wire.None
	}
	b.search(now, l, i, len(l.answer.Topics[i].Partitions), p, asked.Timestamp, fx)
	return wire.None
}

func (b *Broker) place(out *kmsg.ListOffsetsResponseTopicPartition, version int16, offset int64, epoch int32) {
	out.Offset = offset
	if version >= 4 {
		out.LeaderEpoch = epoch
	}
}

// servedSpecial: each special timestamp came with a version (KIP-734, KIP-405, KIP-1005, KIP-1023).
func servedSpecial(version int16, timestamp int64) wire.Code {
	since := int16(1)
	switch {
	case timestamp == maxTimestamp:
		since = 7
	case timestamp == earliestLocal:
		since = 8
	case timestamp == latestTiered:
		since = 9
	case timestamp == pendingUpload:
		since = 11
	case timestamp < pendingUpload:
		return wire.UnsupportedVersion
	}
	if version < since {
		return wire.UnsupportedVersion
	}
	return wire.None
}

// search sends the question to a machine of its own: it has to read records.
func (b *Broker) search(now seam.Now, l *listing, i, j int, p *partition, timestamp int64, fx *seam.Effects) {
	l.open++
	p.reads++
	b.asked.Push(searchFor{listing: l, topic: i, partition: j, target: p, timestamp: timestamp})
	b.startSearches(now, fx)
}

// searchesMax bounds the machines that one client's questions can make: each holds a copy of a sparse index.
const searchesMax = 16

func (b *Broker) startSearches(now seam.Now, fx *seam.Effects) {
	for len(b.searching) < searchesMax && b.asked.Len() > 0 {
		s := b.asked.Pop()
		b.searches++
		if s.target.state != partitionOpen {
			b.found(now, s, &log.Searched{Fault: seam.Gone}, fx)
			continue
		}
		request := s.age
		if request == nil {
			_, limit := b.Readable(s.target.number)
			request = s.target.replica.Log.SearchRequest(limit)
			request.Timestamp, request.Latest = s.timestamp, s.timestamp == maxTimestamp
			s.start, s.generation = s.target.replica.Log.Start(), s.target.replica.Log.Generation()
		}
		request.ID = b.searches
		b.searching[request.ID] = s
		fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToSearch, ID: request.ID}, Body: request})
	}
}

// searchFor says whose question a search answers.
type searchFor struct {
	listing          *listing
	topic, partition int
	target           *partition
	timestamp        int64
	generation       uint64             // of the log's segments, when it was asked
	start            int64              // where the log began when it was asked
	age              *log.SearchRequest // instead: retention asks how old a segment is
}

func (b *Broker) searched(now seam.Now, found *log.Searched, fx *seam.Effects) {
	s := b.searching[found.ID]
	delete(b.searching, found.ID)
	b.found(now, s, found, fx)
	b.startSearches(now, fx)
}

// deleted says whether what a search has found, or looked for, was deleted or compacted meanwhile: then it is asked again.
func (s *searchFor) deleted(found *log.Searched) bool {
	if s.age != nil || s.target.state != partitionOpen {
		return false
	}
	start := s.target.replica.Log.Start()
	if s.target.replica.Log.Generation() != s.generation { // what it read was replaced
		return true
	}
	return start > s.start && (found.Fault != seam.OK || found.Found && found.Offset < start)
}

// found writes a search's answer into its listing.
func (b *Broker) found(now seam.Now, s searchFor, found *log.Searched, fx *seam.Effects) {
	if s.deleted(found) {
		b.asked.Push(s)
		return
	}
	s.target.reads--
	b.touch(s.target)
	if s.age != nil {
		b.aged(now, s.target, found, fx)
		return
	}
	out := &s.listing.answer.Topics[s.topic].Partitions[s.partition]
	switch {
	case found.Fault == seam.Gone || found.Fault != seam.OK && s.target.state != partitionOpen && s.target.state != partitionFailed:
		out.ErrorCode = int16(wire.NotLeaderOrFollower) // it lies elsewhere, or is deleted: so are the files that were searched
	case found.Fault != seam.OK:
		out.ErrorCode = int16(wire.KafkaStorageError)
	case found.Found:
		out.Timestamp = found.Timestamp
		b.place(out, s.listing.answer.Version, found.Offset, found.Epoch)
	}
	b.listed(s.listing, fx)
}
