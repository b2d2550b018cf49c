package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// metadata is what is known of the cluster, and whether that is good enough.
type metadata struct {
	wanted   bool
	asking   bool
	known    bool // there was an answer
	askedFor int  // topics at the last request
	retryAt  seam.Mono
	failures int       // requests in a row that came soon after one another
	calmAt   seam.Mono // from when on a request does not count as one of those
	staleAt  seam.Mono
}

// topic is one that the application has named. It is kept: a partition's sequences must not begin anew.
type topic struct {
	name    string
	id      [16]byte
	code    wire.Code
	known   bool // its partitions have been told once
	parts   []*partition
	count   int        // how many of parts there are now: a topic made anew may have fewer than before
	waiting []*waiting // records whose partition cannot be chosen yet, oldest first
	sticky  int32      // where records that the Partitioner leaves open go now; -1: to be chosen
	turn    int        // of Config.RoundRobin: the partition that is next
	touched bool       // the application has named it since metadata were old last
	idle    bool       // it has nothing to do with it any more: metadata are not asked for it
}

// partition is one partition, and what waits to be written to it.
type partition struct {
	topic       *topic
	number      int32
	leader      *node // nil: nobody knows
	leaderEpoch int32

	active  bool      // it is in Client.active
	parcels []*parcel // oldest first; those with a sequence come before those without
	builder batch.Builder
	open    bool // the last parcel is still in builder
	line    line
}

func (c *Client) wantMetadata() { c.metadata.wanted = true }

// topicNamed is the topic of that name, which the client is interested in from now on.
func (c *Client) topicNamed(name string) *topic {
	if t, ok := c.topics.Find(name); ok {
		t.touched = true
		if t.idle {
			t.idle = false
			c.wantMetadata()
		}
		return t
	}
	t := &topic{name: name, sticky: -1, touched: true}
	c.topics.Put(name, t)
	c.wantMetadata()
	return t
}

// partitionOf is a partition that the cluster says exists.
func (t *topic) partitionOf(number int32) *partition {
	for int32(len(t.parts)) <= number {
		t.parts = append(t.parts, &partition{topic: t, number: int32(len(t.parts)), leaderEpoch: -1, line: newLine()})
	}
	return t.parts[number]
}

// within is the version of a Produce or a Fetch, held to one that goes by name if the topic's id is not known.
func (t *topic) within(version int16) int16 {
	if t.id == [16]byte{} {
		return min(version, 12)
	}
	return version
}

// maybeAskMetadata asks for the topics of interest when something showed that what is known is wrong, or old.
func (c *Client) maybeAskMetadata(now seam.Now, fx *seam.Effects) {
	m := &c.metadata
	if m.asking {
		return
	}
	if m.known && now.Mono >= m.staleAt && c.isInterested() {
		m.wanted = true
		c.idleTopics()
	}
	if m.known && c.topics.Len() != m.askedFor {
		m.wanted, m.retryAt = true, min(m.retryAt, now.Mono)
	}
	if !m.wanted {
		return
	}
	if now.Mono < m.retryAt {
		fx.Wake(m.retryAt)
		return
	}
	if n := c.maybeAny(now, fx); n != nil {
		c.askMetadata(now, n, fx)
	}
}

// idleTopics looks which topics the application has named for nothing that goes on, and not lately. To go on asking for them would have a
// broker make them anew when they are deleted.
func (c *Client) idleTopics() {
	for _, t := range c.topics.All() {
		t.idle = !t.touched && len(t.waiting) == 0 && !c.group.subscribed
		t.touched = false
	}
	for _, p := range c.active {
		p.topic.idle = false
	}
	for _, a := range c.assignments {
		a.topic.idle = false
	}
	for _, t := range c.topics.All() {
		if t.idle {
			t.known = false // how many partitions there are, for one
			c.withoutLeaders(t)
		}
	}
}

// isInterested says whether there is anything that metadata are asked for.
func (c *Client) isInterested() bool { return c.topics.Len() > 0 || c.group.pattern != nil }

func (c *Client) askMetadata(now seam.Now, n *node, fx *seam.Effects) {
	ask := kmsg.NewPtrMetadataRequest()
	version, ok := c.version(n, ask)
	if !ok {
		c.cut(now, n, fx)
		return
	}
	ask.Version, ask.AllowAutoTopicCreation = version, c.config.AutoCreate
	ask.Topics = make([]kmsg.MetadataRequestTopic, 0, c.topics.Len())
	for name, known := range c.topics.All() {
		if known.idle {
			continue
		}
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		ask.Topics = append(ask.Topics, t)
	}
	for _, id := range c.group.modern.unknown {
		t := kmsg.NewMetadataRequestTopic()
		t.TopicID = id
		if version >= 12 {
			ask.Topics = append(ask.Topics, t)
		}
	}
	all := c.group.pattern != nil
	if all && version > 0 {
		ask.Topics = nil // every topic (of version 0 an empty list says so)
	} else if all {
		ask.Topics = ask.Topics[:0]
	}
	c.metadata.asking, c.metadata.wanted, c.metadata.askedFor = true, false, c.topics.Len()
	c.send(now, n, ask, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
		c.onMetadata(now, answer, all, fx)
	})
}

// onMetadata takes an answer. all: it names every topic that there is.
func (c *Client) onMetadata(now seam.Now, answer wire.Answer, all bool, fx *seam.Effects) {
	m := &c.metadata
	m.asking = false
	if now.Mono > m.calmAt {
		m.failures = 0
	}
	m.calmAt = now.Mono + 4*c.config.RetryBackoffMax
	m.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, m.failures)
	m.failures++
	if answer == nil {
		m.wanted = true
		return
	}
	r := answer.(*kmsg.MetadataResponse)
	if wire.Code(r.ErrorCode).Failed() {
		m.wanted = true
		return
	}
	m.known, m.staleAt = true, now.Mono+c.config.MetadataAgeMax
	c.adoptBrokers(r)
	if all {
		c.adoptNames(r)
	}
	for i := range r.Topics {
		c.adoptTopic(&r.Topics[i])
	}
	c.forgetNodes()
	c.place(now, fx)
	c.notice()
}

// adoptNames takes an answer that names every topic: what is not in it is not there.
func (c *Client) adoptNames(r *kmsg.MetadataResponse) {
	var names []string
	there := map[string]bool{}
	for i := range r.Topics {
		if t := &r.Topics[i]; t.Topic != nil {
			there[*t.Topic] = true
			if !t.IsInternal && !wire.Code(t.ErrorCode).Failed() {
				names = append(names, *t.Topic)
			}
		}
	}
	c.search(names)
	for name, t := range c.topics.All() {
		if !there[name] {
			t.code = wire.UnknownTopicOrPartition
			c.withoutLeaders(t)
			t.forgetEpochs()
		}
	}
	c.metadata.askedFor = c.topics.Len()
}

func (c *Client) adoptBrokers(r *kmsg.MetadataResponse) {
	c.controller = r.ControllerID
	for _, id := range append([]int32(nil), c.brokers.Keys()...) {
		c.brokers.Delete(id)
	}
	for i := range r.Brokers {
		b := &r.Brokers[i]
		c.brokers.Put(b.NodeID, c.nodeFor(b.Host, b.Port))
	}
}

// forgetNodes drops addresses that nobody names any more.
func (c *Client) forgetNodes() {
	for _, n := range c.nodes {
		n.named = n.bootstrap || len(n.requests) > 0 || n == c.group.coordinator.node
	}
	for _, n := range c.brokers.All() {
		n.named = true
	}
	for _, t := range c.topics.All() {
		for _, p := range t.parts {
			if p.leader != nil {
				p.leader.named = true
			}
		}
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool { return !n.named })
}

func (c *Client) adoptTopic(r *kmsg.MetadataResponseTopic) {
	if r.Topic == nil {
		return
	}
	t, ok := c.topics.Find(*r.Topic)
	if !ok && slices.Contains(c.group.modern.unknown, r.TopicID) {
		t, ok = c.topicNamed(*r.Topic), true
	}
	if !ok {
		return
	}
	if t.code = wire.Code(r.ErrorCode); t.code.Failed() {
		c.withoutLeaders(t)
		if t.code == wire.UnknownTopicOrPartition {
			t.forgetEpochs()
		}
		return
	}
	another := t.id != r.TopicID && t.id != [16]byte{}
	t.known, t.id, t.count = true, r.TopicID, 0
	if another || len(t.parts) > len(r.Partitions) {
		c.withoutLeaders(t)
	}
	for i := range r.Partitions {
		if number := r.Partitions[i].Partition; number >= 0 && int(number) < len(r.Partitions) {
			t.count = max(t.count, int(number)+1)
			c.adoptPartition(t, &r.Partitions[i], another)
		}
	}
}

func (c *Client) withoutLeaders(t *topic) {
	for _, p := range t.parts {
		p.leader = nil
	}
}

// forgetEpochs lets any leader be believed: a topic that is not there may be made anew, and a cluster that names no ids does
// not say that it was. If a broker was only behind, who leads no more says so.
func (t *topic) forgetEpochs() {
	for _, p := range t.parts {
		p.leaderEpoch = -1
	}
}

// adoptPartition believes no leader of an epoch before the one that is known (KIP-320).
func (c *Client) adoptPartition(t *topic, r *kmsg.MetadataResponseTopicPartition, another bool) {
	p := t.partitionOf(r.Partition)
	if !another && r.LeaderEpoch >= 0 && r.LeaderEpoch < p.leaderEpoch {
		return
	}
	leader := c.brokers.At(r.Leader)
	if leader == nil || wire.Code(r.ErrorCode) == wire.LeaderNotAvailable {
		p.leader = nil
		return
	}
	if p.leader != leader || p.leaderEpoch != r.LeaderEpoch {
		c.hasten(p)
	}
	p.leader, p.leaderEpoch = leader, r.LeaderEpoch
}

// retriable says whether the same request may be answered better later (RetriableException of the Java client).
func retriable(code wire.Code) bool {
	switch code {
	case wire.CorruptMessage, wire.UnknownTopicOrPartition, wire.LeaderNotAvailable, wire.NotLeaderOrFollower,
		wire.RequestTimedOut, wire.ReplicaNotAvailable, wire.NetworkException, wire.CoordinatorLoadInProgress,
		wire.CoordinatorNotAvailable, wire.NotCoordinator, wire.NotEnoughReplicas, wire.NotEnoughReplicasAfterAppend,
		wire.NotController, wire.KafkaStorageError, wire.ListenerNotFound, wire.FencedLeaderEpoch,
		wire.UnknownLeaderEpoch, wire.OffsetNotAvailable, wire.PreferredLeaderNotAvailable, wire.EligibleLeadersNotAvailable,
		wire.ConcurrentTransactions, wire.ThrottlingQuotaExceeded, wire.UnknownTopicID, wire.InconsistentTopicID,
		wire.BrokerNotAvailable, wire.FetchSessionTopicIDError:
		return true
	}
	return false
}

// newsNeeded says whether a code shows that the metadata is out of date (InvalidMetadataException).
func newsNeeded(code wire.Code) bool {
	switch code {
	case wire.UnknownTopicOrPartition, wire.LeaderNotAvailable, wire.NotLeaderOrFollower, wire.ReplicaNotAvailable,
		wire.NetworkException, wire.KafkaStorageError, wire.ListenerNotFound, wire.FencedLeaderEpoch,
		wire.UnknownLeaderEpoch, wire.UnknownTopicID, wire.InconsistentTopicID:
		return true
	}
	return false
}
