package group

import (
	"encoding/binary"
	"fmt"
	"iter"
	"unicode/utf16"

	"rookery/core/assign"
	"rookery/core/batch"
	"rookery/core/meta"
	"rookery/core/schema"
)

// The kinds of records in __consumer_offsets, which begin their keys.
const (
	legacyOffsetCommitKind int16 = 0
	offsetCommitKind       int16 = 1
	classicGroupKind       int16 = 2
	consumerGroupKind      int16 = 3
	partitionMetadataKind  int16 = 4
	memberKind             int16 = 5
	targetAssignmentKind   int16 = 6
	memberTargetKind       int16 = 7
	currentAssignmentKind  int16 = 8
	regularExpressionKind  int16 = 16
)

// What is not known.
const (
	NoTimestamp   int64 = -1
	NoLeaderEpoch int32 = -1
	noTimeoutMs   int32 = -1
)

// MemberState is how far a member of the consumer protocol is with its reconciliation.
type MemberState int8

// The states of a member, by Kafka's numbers.
const (
	MemberStable               MemberState = 0 // has all that its target says
	MemberUnrevokedPartitions  MemberState = 1 // has yet to give partitions up
	MemberUnreleasedPartitions MemberState = 2 // waits for partitions that others have yet to give up
)

// Record is one entry of __consumer_offsets: a key, and a Value or none, which takes the key's last value back. The
// set is closed: the kinds below.
type Record interface {
	kind() int16
	key(*schema.Coder)
	version() int16 // which Append writes; tombstone for no value
	value(*schema.Coder)
	blank(version int16) bool // makes a Value with the defaults of what that version lacks; false for a version not known
}

const tombstone int16 = -1

type (
	// OffsetCommitRecord (kind 1; 0 in logs of before Kafka 0.9) is the committed offset of one partition.
	OffsetCommitRecord struct {
		Group     string
		Topic     string
		Partition int32
		Value     *OffsetCommit
	}

	// OffsetCommit is what was committed.
	OffsetCommit struct {
		Offset          int64
		LeaderEpoch     int32 // of the record before Offset, or NoLeaderEpoch
		Metadata        string
		CommitTimestamp int64
		ExpireTimestamp int64     // NoTimestamp, but in commits that ask for a retention of their own
		TopicID         meta.UUID // zero if it was not known
	}

	// ClassicGroupRecord (kind 2) is the whole of a classic group: one generation.
	ClassicGroupRecord struct {
		Group string
		Value *ClassicGroup
	}

	// ClassicGroup is one generation of a classic group.
	ClassicGroup struct {
		ProtocolType   string
		Generation     int32
		Protocol       *string
		Leader         *string
		StateTimestamp int64 // since when the group is in its state
		Members        []ClassicMember
	}

	// ClassicMember is one member of a generation.
	ClassicMember struct {
		MemberID           string
		InstanceID         *string
		ClientID           string
		ClientHost         string
		RebalanceTimeoutMs int32
		SessionTimeoutMs   int32
		Subscription       []byte // the member's metadata for the group's protocol
		Assignment         []byte
	}

	// ConsumerGroupRecord (kind 3) is the epoch of a group of the consumer protocol (KIP-848).
	ConsumerGroupRecord struct {
		Group string
		Value *ConsumerGroupEpoch
	}

	// ConsumerGroupEpoch counts the changes of a group's members, subscriptions and topics.
	ConsumerGroupEpoch struct {
		Epoch        int32
		MetadataHash int64 // of the topics that the group has subscribed to (KIP-1101); zero if it was never taken
	}

	// PartitionMetadataRecord (kind 4) is what Kafka kept of a group's topics before it had a hash of them. It is
	// read, and taken back where it is found.
	PartitionMetadataRecord struct {
		Group string
		Value *PartitionMetadata
	}

	// PartitionMetadata is the topics that a group has subscribed to.
	PartitionMetadata struct{ Topics []TopicMetadata }

	// TopicMetadata is one topic, and where its partitions are.
	TopicMetadata struct {
		TopicID        meta.UUID
		Topic          string
		PartitionCount int32
		Partitions     []PartitionRacks
	}

	// PartitionRacks says in which racks a partition is.
	PartitionRacks struct {
		Partition int32
		Racks     []string
	}

	// MemberRecord (kind 5) is what a member of the consumer protocol has said of itself.
	MemberRecord struct {
		Group    string
		MemberID string
		Value    *MemberMetadata
	}

	// MemberMetadata is what a member of the consumer protocol has said of itself.
	MemberMetadata struct {
		InstanceID         *string
		RackID             *string
		ClientID           string
		ClientHost         string
		Topics             []string // it has subscribed to, in order
		TopicRegex         *string  // it has subscribed to
		RebalanceTimeoutMs int32
		ServerAssignor     *string // it would have
		Classic            *ClassicMetadata
	}

	// ClassicMetadata is beside what a member has said that came by the classic protocol.
	ClassicMetadata struct {
		SessionTimeoutMs int32
		Protocols        []ClassicProtocol
	}

	// ClassicProtocol is one assignor that a member knows, and its metadata for it.
	ClassicProtocol struct {
		Name     string
		Metadata []byte
	}

	// TargetAssignmentRecord (kind 6) is the group epoch that a group's target assignment was made for.
	TargetAssignmentRecord struct {
		Group string
		Value *TargetAssignmentEpoch
	}

	// TargetAssignmentEpoch is the group epoch that a group's target assignment was made for.
	TargetAssignmentEpoch struct{ AssignmentEpoch int32 }

	// MemberTargetRecord (kind 7) is what one member shall have in the end.
	MemberTargetRecord struct {
		Group    string
		MemberID string
		Value    *MemberTarget
	}

	// MemberTarget is what one member shall have in the end.
	MemberTarget struct{ Partitions []TopicPartitions }

	// TopicPartitions is some partitions of a topic.
	TopicPartitions = assign.TopicPartitions

	// CurrentAssignmentRecord (kind 8) is what one member has.
	CurrentAssignmentRecord struct {
		Group    string
		MemberID string
		Value    *CurrentAssignment
	}

	// CurrentAssignment is what one member has, and has yet to give up.
	CurrentAssignment struct {
		MemberEpoch         int32
		PreviousMemberEpoch int32
		State               MemberState
		Assigned            []TopicPartitions
		PendingRevocation   []TopicPartitions
	}

	// RegularExpressionRecord (kind 16) is the topics that a regular expression of a group's members matches.
	RegularExpressionRecord struct {
		Group      string
		Expression string
		Value      *ResolvedExpression
	}

	// ResolvedExpression is the topics that a regular expression was found to match.
	ResolvedExpression struct {
		Topics    []string // in order
		Version   int64    // of the metadata image that was searched
		Timestamp int64    // when
	}

	// UnknownRecord is of a kind that is not spoken here: of share and streams groups, or of a Kafka to come. Nothing
	// is said of it, and nothing is lost of it.
	UnknownRecord struct {
		Kind  int16
		Key   []byte // behind the kind
		Value []byte // nil: a tombstone
	}
)

// Append writes a record's key behind key and its value behind value, which becomes nil for a record that takes back.
func Append(key, value []byte, r Record) ([]byte, []byte) {
	key = binary.BigEndian.AppendUint16(key, uint16(r.kind()))
	if r, ok := r.(*UnknownRecord); ok {
		if r.Value == nil {
			return append(key, r.Key...), nil
		}
		return append(key, r.Key...), append(append([]byte{}, value...), r.Value...) // empty is not nil
	}
	c := schema.Writer(key, r.kind(), false)
	r.key(&c)
	key = c.Written()
	version := r.version()
	if version == tombstone {
		return key, nil
	}
	c = schema.Writer(binary.BigEndian.AppendUint16(value, uint16(version)), version, flexible(r.kind(), version))
	r.value(&c)
	return key, c.Written()
}

// takes says whether the partition's log would take records, which are one batch.
func (c *Coordinator) takes(records iter.Seq[Record]) bool {
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	var key, value []byte
	for r := range records {
		key, value = Append(key[:0], value[:0], r)
		if b.Add(0, key, value, nil); b.Size() > c.config.RecordBytesMax {
			return false
		}
	}
	return true
}

func one(r Record) iter.Seq[Record] { return func(yield func(Record) bool) { yield(r) } }

// Parse reads a record: every version of it that Kafka 4.2 knows. A nil value is a tombstone. The record keeps nothing
// of the bytes.
func Parse(key, value []byte) (Record, error) {
	if len(key) < 2 {
		return nil, fmt.Errorf("group record with a key of %d bytes", len(key))
	}
	kind := int16(binary.BigEndian.Uint16(key))
	r := blankRecord(kind)
	if r == nil {
		return unknown(kind, key[2:], value), nil
	}
	c := schema.Reader(key[2:], kind, false)
	r.key(&c)
	if err := c.End(); err != nil {
		return nil, fmt.Errorf("key of a group record of kind %d: %w", kind, err)
	}
	if value == nil {
		return r, nil
	}
	if len(value) < 2 {
		return nil, fmt.Errorf("group record of kind %d with a value of %d bytes", kind, len(value))
	}
	version := int16(binary.BigEndian.Uint16(value))
	if !r.blank(version) {
		return nil, fmt.Errorf("group record of kind %d and unknown version %d", kind, version)
	}
	c = schema.Reader(value[2:], version, flexible(kind, version))
	r.value(&c)
	if err := c.End(); err != nil {
		return nil, fmt.Errorf("value of a group record of kind %d: %w", kind, err)
	}
	return r, nil
}

func unknown(kind int16, key, value []byte) *UnknownRecord {
	r := &UnknownRecord{Kind: kind, Key: append([]byte{}, key...)}
	if value != nil {
		r.Value = append([]byte{}, value...)
	}
	return r
}

func blankRecord(kind int16) Record {
	switch kind {
	case legacyOffsetCommitKind, offsetCommitKind:
		return &OffsetCommitRecord{}
	case classicGroupKind:
		return &ClassicGroupRecord{}
	case consumerGroupKind:
		return &ConsumerGroupRecord{}
	case partitionMetadataKind:
		return &PartitionMetadataRecord{}
	case memberKind:
		return &MemberRecord{}
	case targetAssignmentKind:
		return &TargetAssignmentRecord{}
	case memberTargetKind:
		return &MemberTargetRecord{}
	case currentAssignmentKind:
		return &CurrentAssignmentRecord{}
	case regularExpressionKind:
		return &RegularExpressionRecord{}
	}
	return nil
}

// flexible says from which version a kind of value has compact lengths and tagged fields (KIP-482).
func flexible(kind, version int16) bool { return kind > classicGroupKind || version >= 4 }

// PartitionOf is the partition of __consumer_offsets, of count, in which a group's records are: Java's hash of the
// group id, without its sign. The one hash that has no opposite counts as zero, as in Kafka.
func PartitionOf(group string, count int32) int32 {
	hash := int32(0)
	for _, r := range group {
		if high, low := utf16.EncodeRune(r); high != '\uFFFD' {
			hash = 31*(31*hash+high) + low
			continue
		}
		hash = 31*hash + r
	}
	if hash < 0 {
		hash = max(-hash, 0)
	}
	return hash % count
}

func (*OffsetCommitRecord) kind() int16      { return offsetCommitKind }
func (*ClassicGroupRecord) kind() int16      { return classicGroupKind }
func (*ConsumerGroupRecord) kind() int16     { return consumerGroupKind }
func (*PartitionMetadataRecord) kind() int16 { return partitionMetadataKind }
func (*MemberRecord) kind() int16            { return memberKind }
func (*TargetAssignmentRecord) kind() int16  { return targetAssignmentKind }
func (*MemberTargetRecord) kind() int16      { return memberTargetKind }
func (*CurrentAssignmentRecord) kind() int16 { return currentAssignmentKind }
func (*RegularExpressionRecord) kind() int16 { return regularExpressionKind }
func (r *UnknownRecord) kind() int16         { return r.Kind }

func (r *OffsetCommitRecord) key(c *schema.Coder) {
	c.String(&r.Group)
	c.String(&r.Topic)
	c.Int32(&r.Partition)
}

func (r *ClassicGroupRecord) key(c *schema.Coder)      { c.String(&r.Group) }
func (r *ConsumerGroupRecord) key(c *schema.Coder)     { c.String(&r.Group) }
func (r *PartitionMetadataRecord) key(c *schema.Coder) { c.String(&r.Group) }
func (r *TargetAssignmentRecord) key(c *schema.Coder)  { c.String(&r.Group) }

func (r *MemberRecord) key(c *schema.Coder)            { memberKey(c, &r.Group, &r.MemberID) }
func (r *MemberTargetRecord) key(c *schema.Coder)      { memberKey(c, &r.Group, &r.MemberID) }
func (r *CurrentAssignmentRecord) key(c *schema.Coder) { memberKey(c, &r.Group, &r.MemberID) }

func (r *RegularExpressionRecord) key(c *schema.Coder) { memberKey(c, &r.Group, &r.Expression) }

func memberKey(c *schema.Coder, group, member *string) {
	c.String(group)
	c.String(member)
}

// version is 4, but for a commit with a retention of its own, which only version 1 can say.
func (r *OffsetCommitRecord) version() int16 {
	if r.Value != nil && r.Value.ExpireTimestamp != NoTimestamp {
		return 1
	}
	return unless(r.Value == nil, 4)
}

func (r *ClassicGroupRecord) version() int16      { return unless(r.Value == nil, 3) }
func (r *ConsumerGroupRecord) version() int16     { return unless(r.Value == nil, 0) }
func (r *PartitionMetadataRecord) version() int16 { return unless(r.Value == nil, 0) }
func (r *MemberRecord) version() int16            { return unless(r.Value == nil, 0) }
func (r *TargetAssignmentRecord) version() int16  { return unless(r.Value == nil, 0) }
func (r *MemberTargetRecord) version() int16      { return unless(r.Value == nil, 0) }
func (r *CurrentAssignmentRecord) version() int16 { return unless(r.Value == nil, 0) }
func (r *RegularExpressionRecord) version() int16 { return unless(r.Value == nil, 0) }

func unless(takenBack bool, version int16) int16 {
	if takenBack {
		return tombstone
	}
	return version
}

func (r *OffsetCommitRecord) blank(version int16) bool {
	r.Value = &OffsetCommit{LeaderEpoch: NoLeaderEpoch, ExpireTimestamp: NoTimestamp}
	return between(version, 4)
}

func (r *ClassicGroupRecord) blank(version int16) bool {
	r.Value = &ClassicGroup{StateTimestamp: NoTimestamp}
	return between(version, 4)
}

func (r *ConsumerGroupRecord) blank(version int16) bool {
	r.Value = &ConsumerGroupEpoch{}
	return between(version, 0)
}

func (r *PartitionMetadataRecord) blank(version int16) bool {
	r.Value = &PartitionMetadata{}
	return between(version, 0)
}

func (r *MemberRecord) blank(version int16) bool {
	r.Value = &MemberMetadata{Classic: &ClassicMetadata{Protocols: []ClassicProtocol{}}}
	return between(version, 0)
}

func (r *TargetAssignmentRecord) blank(version int16) bool {
	r.Value = &TargetAssignmentEpoch{}
	return between(version, 0)
}

func (r *MemberTargetRecord) blank(version int16) bool {
	r.Value = &MemberTarget{}
	return between(version, 0)
}

func (r *CurrentAssignmentRecord) blank(version int16) bool {
	r.Value = &CurrentAssignment{}
	return between(version, 0)
}

func (r *RegularExpressionRecord) blank(version int16) bool {
	r.Value = &ResolvedExpression{}
	return between(version, 0)
}

func between(version, highest int16) bool { return 0 <= version && version <= highest }

func (r *OffsetCommitRecord) value(c *schema.Coder) {
	v := r.Value
	c.Int64(&v.Offset)
	if c.Version >= 3 {
		c.Int32(&v.LeaderEpoch)
	}
	c.String(&v.Metadata)
	c.Int64(&v.CommitTimestamp)
	if c.Version == 1 {
		c.Int64(&v.ExpireTimestamp)
	}
	c.Tags(schema.Tagged(0, v.TopicID != meta.UUID{}, func(c *schema.Coder) { schema.UUID(c, &v.TopicID) }))
}

func (r *ClassicGroupRecord) value(c *schema.Coder) {
	v := r.Value
	c.String(&v.ProtocolType)
	c.Int32(&v.Generation)
	c.NullableString(&v.Protocol)
	c.NullableString(&v.Leader)
	if c.Version >= 2 {
		c.Int64(&v.StateTimestamp)
	}
	schema.Array(c, &v.Members, 9, classicMember)
	c.Tags()
}

func classicMember(c *schema.Coder, m *ClassicMember) {
	c.String(&m.MemberID)
	if c.Version >= 3 {
		c.NullableString(&m.InstanceID)
	}
	c.String(&m.ClientID)
	c.String(&m.ClientHost)
	if c.Reading() {
		m.RebalanceTimeoutMs = noTimeoutMs
	}
	if c.Version >= 1 {
		c.Int32(&m.RebalanceTimeoutMs)
	}
	c.Int32(&m.SessionTimeoutMs)
	c.Bytes(&m.Subscription)
	c.Bytes(&m.Assignment)
	c.Tags()
}

func (r *ConsumerGroupRecord) value(c *schema.Coder) {
	v := r.Value
	c.Int32(&v.Epoch)
	c.Tags(schema.Tagged(0, v.MetadataHash != 0, func(c *schema.Coder) { c.Int64(&v.MetadataHash) }))
}

func (r *PartitionMetadataRecord) value(c *schema.Coder) {
	schema.Array(c, &r.Value.Topics, 23, topicMetadata)
	c.Tags()
}

func topicMetadata(c *schema.Coder, t *TopicMetadata) {
	schema.UUID(c, &t.TopicID)
	c.String(&t.Topic)
	c.Int32(&t.PartitionCount)
	schema.Array(c, &t.Partitions, 6, partitionRacks)
	c.Tags()
}

func partitionRacks(c *schema.Coder, p *PartitionRacks) {
	c.Int32(&p.Partition)
	c.Strings(&p.Racks)
	c.Tags()
}

func (r *MemberRecord) value(c *schema.Coder) {
	v := r.Value
	c.NullableString(&v.InstanceID)
	c.NullableString(&v.RackID)
	c.String(&v.ClientID)
	c.String(&v.ClientHost)
	c.Strings(&v.Topics)
	c.NullableString(&v.TopicRegex)
	c.Int32(&v.RebalanceTimeoutMs)
	c.NullableString(&v.ServerAssignor)
	// Kafka's schema has an empty structure for the default, not null: null is what is written.
	said := v.Classic == nil || v.Classic.SessionTimeoutMs != 0 || len(v.Classic.Protocols) > 0
	c.Tags(schema.Tagged(0, said, func(c *schema.Coder) { classicMetadata(c, &v.Classic) }))
}

func classicMetadata(c *schema.Coder, p **ClassicMetadata) {
	switch {
	case c.Reading():
		if *p = nil; c.ReadUvarint() == 0 {
			return
		}
		*p = &ClassicMetadata{}
	case *p == nil:
		c.Uvarint(0)
		return
	default:
		c.Uvarint(1)
	}
	c.Int32(&(*p).SessionTimeoutMs)
	schema.Array(c, &(*p).Protocols, 3, classicProtocol)
	c.Tags()
}

func classicProtocol(c *schema.Coder, p *ClassicProtocol) {
	c.String(&p.Name)
	c.Bytes(&p.Metadata)
	c.Tags()
}

func (r *TargetAssignmentRecord) value(c *schema.Coder) {
	c.Int32(&r.Value.AssignmentEpoch)
	c.Tags()
}

func (r *MemberTargetRecord) value(c *schema.Coder) {
	schema.Array(c, &r.Value.Partitions, 18, topicPartitions)
	c.Tags()
}

func topicPartitions(c *schema.Coder, p *TopicPartitions) {
	schema.UUID(c, &p.TopicID)
	c.Int32s(&p.Partitions)
	c.Tags()
}

func (r *CurrentAssignmentRecord) value(c *schema.Coder) {
	v := r.Value
	c.Int32(&v.MemberEpoch)
	c.Int32(&v.PreviousMemberEpoch)
	c.Int8((*int8)(&v.State))
	schema.Array(c, &v.Assigned, 18, topicPartitions)
	schema.Array(c, &v.PendingRevocation, 18, topicPartitions)
	c.Tags()
}

func (r *RegularExpressionRecord) value(c *schema.Coder) {
	v := r.Value
	c.Strings(&v.Topics)
	c.Int64(&v.Version)
	c.Int64(&v.Timestamp)
	c.Tags()
}

// The value and the key of an UnknownRecord are its bytes: Append and Parse see to them.
func (*UnknownRecord) key(*schema.Coder)   {}
func (*UnknownRecord) version() int16      { return tombstone }
func (*UnknownRecord) value(*schema.Coder) {}
func (*UnknownRecord) blank(int16) bool    { return false }
