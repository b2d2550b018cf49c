package group

import (
	"encoding/binary"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// Describe (15) fills what is known of a group.
func (c *Coordinator) Describe(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group, out.Members = id, []kmsg.DescribeGroupsResponseGroupMember{}
	g := c.find(id)
	if g == nil || g.consumer != nil {
		if out.State = "Dead"; version >= 6 { // KIP-1043
			message := "Group " + id + " not found."
			if g != nil {
				message = "Group " + id + " is not a classic group."
			}
			message = wire.Clip(message)
			out.ErrorCode, out.ErrorMessage = int16(wire.GroupIDNotFound), &message
		}
		return out
	}
	out.State = g.state.String()
	if g.protocolType != nil {
		out.ProtocolType = *g.protocolType
	}
	protocol := ""
	if g.state == stable && g.protocol != nil {
		protocol = *g.protocol
		out.Protocol = protocol
	}
	for _, m := range g.members {
		one := kmsg.NewDescribeGroupsResponseGroupMember()
		one.MemberID, one.InstanceID, one.ClientID, one.ClientHost = m.id, m.instance, m.client.ID, m.client.Host
		one.ProtocolMetadata, one.MemberAssignment = []byte{}, orEmpty(m.assignment)
		if g.state == stable {
			one.ProtocolMetadata = orEmpty(m.metadata(protocol))
		}
		out.Members = append(out.Members, one)
	}
	return out
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// NextGroup is the first group by id from one on.
func (c *Coordinator) NextGroup(from string) (id string, more bool) { return c.groups.Ceiling(from) }

// Filter is which names are wanted, in lower case; nil: all.
type Filter map[string]bool

// FilterOf wants these names, whatever their case; none named: all. It is made once for many groups: a request may name a
// quarter of a million.
func FilterOf(names []string) Filter {
	if len(names) == 0 {
		return nil
	}
	f := Filter{}
	for _, name := range names {
		f[strings.ToLower(name)] = true
	}
	return f
}

// StatesOf wants these states. White space around one counts for nothing, and around a type it counts: both as in Kafka, whose
// white space is all up to a blank (Java's trim).
func StatesOf(names []string) Filter {
	trimmed := make([]string, len(names))
	for i, name := range names {
		trimmed[i] = strings.TrimFunc(name, func(r rune) bool { return r <= ' ' })
	}
	return FilterOf(trimmed)
}

func (f Filter) wants(name string) bool { return f == nil || f[strings.ToLower(name)] }

// List (16) is what is listed of a group; false: the filters do not want it.
func (c *Coordinator) List(id string, states, types Filter) (out kmsg.ListGroupsResponseGroup, wanted bool) {
	out = kmsg.NewListGroupsResponseGroup()
	g := c.find(id)
	if g == nil {
		return out, false
	}
	if out.Group = id; g.protocolType != nil {
		out.ProtocolType = *g.protocolType
	}
	if out.GroupState, out.GroupType = g.state.String(), "classic"; g.consumer != nil {
		out.GroupState, out.GroupType, out.ProtocolType = g.consumer.state(), "consumer", consumerProtocol
	}
	return out, states.wants(out.GroupState) && types.wants(out.GroupType)
}

// Awaited is who keeps a group from its next state, for whoever looks at it.
type Awaited struct {
	Members []string  // that have not joined, or not asked for their assignment, or the leader, who has not assigned; or have not come to the epoch
	Since   seam.Mono // when the group came into its state, or to its epoch
}

// Awaited says who is awaited, and since when.
func (c *Coordinator) Awaited(id string) (out Awaited) {
	g := c.find(id)
	if g == nil {
		return out
	}
	out.Since = g.since
	if g.consumer != nil {
		for id, m := range g.consumer.members.All() {
			if !m.reconciled(g.consumer.epoch) {
				out.Members = append(out.Members, id)
			}
		}
		return out
	}
	for _, m := range g.members {
		if g.state == preparing && !m.join.waits() || g.state == completing && m.unsynced {
			out.Members = append(out.Members, m.id)
		}
	}
	if g.state == preparing {
		out.Members = append(out.Members, g.pending.Keys()...)
	}
	return out
}

// AwaitedTag is a tagged field of our own in a group of a DescribeGroups (version 5 and above) or a ConsumerGroupDescribe answer:
// who is awaited, and since when. Clients that do not know it pass over it (KIP-482).
const AwaitedTag uint32 = 20_000

// AppendAwaited writes it: milliseconds, then each name with its length.
func AppendAwaited(dst []byte, now seam.Mono, a Awaited) []byte {
	dst = binary.AppendUvarint(dst, uint64((now-a.Since)/seam.Millisecond))
	for _, name := range a.Members {
		dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	}
	return dst
}

// ParseAwaited reads what AppendAwaited has written; of bytes that are something else it takes what can be read.
func ParseAwaited(b []byte) (sinceMillis int64, members []string) {
	since, n := binary.Uvarint(b)
	for sinceMillis, b = int64(since), b[max(n, 0):]; n > 0 && len(b) > 0; {
		var length uint64
		if length, n = binary.Uvarint(b); n <= 0 || length > uint64(len(b)-n) {
			break
		}
		members, b = append(members, string(b[n:n+int(length)])), b[n+int(length):]
	}
	return sinceMillis, members
}

// Place names one committed offset, in the order in which they are walked.
type Place struct {
	Group     string
	Topic     string
	Partition int32
}

// CommittedFrom is the first place from one on at which something is committed, and what. False: there is none, or room is used
// up, of which each group and topic that is passed by takes one; then at is where to go on.
func (c *Coordinator) CommittedFrom(from Place, room *int) (at Place, offset int64, more bool) {
	for ; *room > 0; *room-- {
		id, more := c.groups.Ceiling(from.Group)
		if !more {
			return at, -1, false
		}
		if id != from.Group {
			from = Place{Group: id, Partition: -1 << 31}
		}
		topics := &c.find(id).topics
		topic, more := topics.Ceiling(from.Topic)
		if !more {
			from = Place{Group: id + "\x00", Partition: -1 << 31}
			continue
		}
		if topic != from.Topic {
			from.Topic, from.Partition = topic, -1<<31
		}
		partition, more := topics.At(topic).Ceiling(from.Partition)
		if !more {
			from.Topic, from.Partition = topic+"\x00", -1<<31
			continue
		}
		return Place{id, topic, partition}, topics.At(topic).At(partition).Offset, true
	}
	return from, -1, false
}

// Members is how many members a group has.
func (c *Coordinator) Members(id string) int {
	g := c.find(id)
	switch con := g.modern(); {
	case con != nil:
		return con.members.Len()
	case g != nil:
		return len(g.members)
	}
	return 0
}

// ConsumerGroupDescribe (69) fills what is known of a consumer group.
func (c *Coordinator) ConsumerGroupDescribe(id string) kmsg.ConsumerGroupDescribeResponseGroup {
	out := kmsg.NewConsumerGroupDescribeResponseGroup()
	out.Group, out.Members = id, []kmsg.ConsumerGroupDescribeResponseGroupMember{}
	g := c.find(id)
	con := g.modern()
	if con == nil {
		message := "Group " + id + " not found."
		if g != nil {
			message = "Group " + id + " is not a consumer group."
		}
		message = wire.Clip(message)
		out.ErrorCode, out.ErrorMessage = int16(wire.GroupIDNotFound), &message
		return out
	}
	var members []person
	for _, m := range con.members.All() {
		members = append(members, m.person())
	}
	out.State, out.Epoch, out.AssignmentEpoch, out.AssignorName = con.state(), con.epoch, con.targetEpoch, c.assignor(members)
	for i := range members {
		m := &members[i]
		one := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		one.MemberID, one.InstanceID, one.RackID, one.MemberEpoch = m.id, m.InstanceID, m.RackID, m.MemberEpoch
		one.ClientID, one.ClientHost, one.SubscribedTopicRegex = m.ClientID, m.ClientHost, m.TopicRegex
		one.SubscribedTopics = append([]string{}, m.Topics...)
		one.Assignment, one.TargetAssignment = c.described(m.Assigned), c.described(con.targets.At(m.id))
		if one.MemberType = 1; m.Classic != nil {
			one.MemberType = 0
		}
		out.Members = append(out.Members, one)
	}
	return out
}

// described is an assignment with the names of its topics. Those that are not there any more are left out.
func (c *Coordinator) described(set []TopicPartitions) kmsg.Assignment {
	out := kmsg.NewAssignment()
	out.TopicPartitions = []kmsg.AssignmentTopicPartition{}
	for _, t := range set {
		if topic := c.Image.TopicByID(t.TopicID); topic != nil {
			one := kmsg.NewAssignmentTopicPartition()
			one.TopicID, one.Topic, one.Partitions = t.TopicID, topic.Name, t.Partitions
			out.TopicPartitions = append(out.TopicPartitions, one)
		}
	}
	return out
}
