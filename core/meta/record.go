package meta

import (
	"fmt"

	"rookery/core/schema"
)

const (
	NoLeader        int32 = -1 // the partition has no leader
	LeaderUnchanged int32 = -2 // of a PartitionChangeRecord
)

// Leader recovery states.
const (
	Recovered              int8 = 0
	Recovering             int8 = 1  // after an unclean election
	RecoveryStateUnchanged int8 = -1 // of a PartitionChangeRecord
)

// What a BrokerRegistrationChangeRecord does to fencing.
const (
	NowUnfenced      int8 = -1
	FencingUnchanged int8 = 0
	NowFenced        int8 = 1
)

// Resource types of a ConfigRecord.
const (
	ResourceTopic         int8 = 2
	ResourceBroker        int8 = 4
	ResourceBrokerLogger  int8 = 8 // never in the log
	ResourceClientMetrics int8 = 16
	ResourceGroup         int8 = 32
)

const (
	frameVersion          = 1
	registerBrokerKey     = 0
	unregisterBrokerKey   = 1
	topicKey              = 2
	partitionKey          = 3
	configKey             = 4
	partitionChangeKey    = 5
	fenceBrokerKey        = 7
	unfenceBrokerKey      = 8
	removeTopicKey        = 9
	featureLevelKey       = 12
	clientQuotaKey        = 14
	producerIDsKey        = 15
	registrationChangeKey = 17
	noOpKey               = 20
	beginTransactionKey   = 23
	endTransactionKey     = 24
	abortTransactionKey   = 25
)

// Record is one entry of the metadata log. The set is closed: the kinds below.
type Record interface {
	key() uint32
	writes() int16 // the version that Append writes
	fields(*schema.Coder)
}

type (
	// RegisterBrokerRecord (key 0): a broker's process has registered; its epoch is the offset of this record.
	RegisterBrokerRecord struct {
		BrokerID             int32
		IncarnationID        UUID
		BrokerEpoch          int64
		EndPoints            []EndPoint
		Features             []SupportedFeature
		Rack                 *string
		Fenced               bool
		InControlledShutdown bool
		LogDirs              []UUID
	}

	// EndPoint is one listener of a broker.
	EndPoint struct {
		Name             string
		Host             string
		Port             uint16
		SecurityProtocol int16
	}

	// SupportedFeature is a range of levels that a broker can run at.
	SupportedFeature struct {
		Name     string
		Min, Max int16
	}

	// UnregisterBrokerRecord (key 1) forgets a broker.
	UnregisterBrokerRecord struct {
		BrokerID    int32
		BrokerEpoch int64
	}

	// TopicRecord (key 2) makes a topic, without partitions yet.
	TopicRecord struct {
		Name    string
		TopicID UUID
	}

	// PartitionRecord (key 3) is the whole state of one partition.
	PartitionRecord struct {
		PartitionID            int32
		TopicID                UUID
		Replicas               []int32 // in preferred order
		ISR                    []int32
		RemovingReplicas       []int32
		AddingReplicas         []int32
		Leader                 int32
		LeaderRecoveryState    int8
		LeaderEpoch            int32
		PartitionEpoch         int32
		Directories            []UUID  // beside Replicas (KIP-858)
		EligibleLeaderReplicas []int32 // KIP-966; nil when the feature is off
		LastKnownELR           []int32
	}

	// ConfigRecord (key 4) sets one configuration of one resource, or takes it back (Value nil).
	ConfigRecord struct {
		ResourceType int8
		ResourceName string
		Name         string
		Value        *string
	}

	// PartitionChangeRecord (key 5) changes some of a partition. A nil slice, LeaderUnchanged and
	// RecoveryStateUnchanged leave what they name as it was; NewPartitionChange leaves everything. A Leader, even
	// the same one, begins a new leader epoch.
	PartitionChangeRecord struct {
		PartitionID            int32
		TopicID                UUID
		ISR                    []int32
		Leader                 int32
		Replicas               []int32
		RemovingReplicas       []int32
		AddingReplicas         []int32
		LeaderRecoveryState    int8
		Directories            []UUID
		EligibleLeaderReplicas []int32
		LastKnownELR           []int32
	}

	// FenceBrokerRecord (key 7) takes a broker out of service.
	FenceBrokerRecord struct {
		ID    int32
		Epoch int64
	}

	// UnfenceBrokerRecord (key 8) puts a broker into service.
	UnfenceBrokerRecord struct {
		ID    int32
		Epoch int64
	}

	// RemoveTopicRecord (key 9) removes a topic with its partitions and configurations.
	RemoveTopicRecord struct{ TopicID UUID }

	// FeatureLevelRecord (key 12) finalizes a feature's level; level 0 removes it.
	FeatureLevelRecord struct {
		Name         string
		FeatureLevel int16
	}

	// ClientQuotaRecord (key 14) sets one quota of an entity, or takes it back. Value is the bits of an IEEE double.
	ClientQuotaRecord struct {
		Entity []EntityPart
		Key    string
		Value  uint64
		Remove bool
	}

	// ProducerIDsRecord (key 15) hands a block of producer ids to a broker; the next block begins at NextProducerID.
	ProducerIDsRecord struct {
		BrokerID       int32
		BrokerEpoch    int64
		NextProducerID int64
	}

	// BrokerRegistrationChangeRecord (key 17) changes some of a registration; no LogDirs means unchanged ones.
	BrokerRegistrationChangeRecord struct {
		BrokerID             int32
		BrokerEpoch          int64
		Fenced               int8
		InControlledShutdown int8
		LogDirs              []UUID
	}

	// NoOpRecord (key 20) moves the log's end and nothing else.
	NoOpRecord struct{}

	// BeginTransactionRecord (key 23): what follows counts only once an EndTransactionRecord has come (KIP-868).
	BeginTransactionRecord struct{ Name *string }

	// EndTransactionRecord (key 24) makes the records since BeginTransactionRecord count.
	EndTransactionRecord struct{}

	// AbortTransactionRecord (key 25) drops the records since BeginTransactionRecord.
	AbortTransactionRecord struct{ Reason *string }
)

// NewPartitionChange is a change of a partition that changes nothing yet.
func NewPartitionChange(topicID UUID, partitionID int32) *PartitionChangeRecord {
	return &PartitionChangeRecord{
		PartitionID: partitionID, TopicID: topicID,
		Leader: LeaderUnchanged, LeaderRecoveryState: RecoveryStateUnchanged,
	}
}

// Append writes a record's value behind dst.
func Append(dst []byte, r Record) []byte {
	c := schema.Writer(dst, r.writes(), true)
	c.Uvarint(frameVersion)
	c.Uvarint(r.key())
	c.Uvarint(uint32(c.Version))
	r.fields(&c)
	return c.Written()
}

// Parse reads a record's value: every version of it that Kafka 4.2 knows. The record keeps nothing of b.
func Parse(b []byte) (Record, error) {
	c := schema.Reader(b, 0, true)
	if frame := c.ReadUvarint(); c.Err() == nil && frame != frameVersion {
		return nil, fmt.Errorf("metadata record of frame version %d", frame)
	}
	key, version := c.ReadUvarint(), c.ReadUvarint()
	if c.Err() != nil {
		return nil, fmt.Errorf("metadata record: %w", c.Err())
	}
	r, highest := blank(key)
	if r == nil {
		return nil, fmt.Errorf("metadata record of unknown kind %d", key)
	}
	if version > highest {
		return nil, fmt.Errorf("metadata record of kind %d and unknown version %d", key, version)
	}
	c.Version = int16(version)
	r.fields(&c)
	if c.End() != nil {
		return nil, fmt.Errorf("metadata record of kind %d: %w", key, c.Err())
	}
	return r, nil
}

// blank is a record of a kind with its defaults, and the highest version of it in Kafka 4.2.
func blank(key uint32) (Record, uint32) {
	switch key {
	case registerBrokerKey:
		return &RegisterBrokerRecord{}, 3
	case unregisterBrokerKey:
		return &UnregisterBrokerRecord{}, 0
	case topicKey:
		return &TopicRecord{}, 0
	case partitionKey:
		return &PartitionRecord{}, 2
	case configKey:
		return &ConfigRecord{}, 0
	case partitionChangeKey:
		return NewPartitionChange(UUID{}, 0), 2
	case fenceBrokerKey:
		return &FenceBrokerRecord{}, 0
	case unfenceBrokerKey:
		return &UnfenceBrokerRecord{}, 0
	case removeTopicKey:
		return &RemoveTopicRecord{}, 0
	case featureLevelKey:
		return &FeatureLevelRecord{}, 0
	case clientQuotaKey:
		return &ClientQuotaRecord{}, 0
	case producerIDsKey:
		return &ProducerIDsRecord{}, 0
	case registrationChangeKey:
		return &BrokerRegistrationChangeRecord{}, 2
	case noOpKey:
		return &NoOpRecord{}, 0
	case beginTransactionKey:
		return &BeginTransactionRecord{}, 0
	case endTransactionKey:
		return &EndTransactionRecord{}, 0
	case abortTransactionKey:
		return &AbortTransactionRecord{}, 0
	}
	return nil, 0
}

func (*RegisterBrokerRecord) key() uint32           { return registerBrokerKey }
func (*UnregisterBrokerRecord) key() uint32         { return unregisterBrokerKey }
func (*TopicRecord) key() uint32                    { return topicKey }
func (*PartitionRecord) key() uint32                { return partitionKey }
func (*ConfigRecord) key() uint32                   { return configKey }
func (*PartitionChangeRecord) key() uint32          { return partitionChangeKey }
func (*FenceBrokerRecord) key() uint32              { return fenceBrokerKey }
func (*UnfenceBrokerRecord) key() uint32            { return unfenceBrokerKey }
func (*RemoveTopicRecord) key() uint32              { return removeTopicKey }
func (*FeatureLevelRecord) key() uint32             { return featureLevelKey }
func (*ClientQuotaRecord) key() uint32              { return clientQuotaKey }
func (*ProducerIDsRecord) key() uint32              { return producerIDsKey }
func (*BrokerRegistrationChangeRecord) key() uint32 { return registrationChangeKey }
func (*NoOpRecord) key() uint32                     { return noOpKey }
func (*BeginTransactionRecord) key() uint32         { return beginTransactionKey }
func (*EndTransactionRecord) key() uint32           { return endTransactionKey }
func (*AbortTransactionRecord) key() uint32         { return abortTransactionKey }

// What metadata.version 4.2-IV1 writes; eligible leader replicas raise a partition's version, as in Kafka.
func (*RegisterBrokerRecord) writes() int16           { return 3 }
func (*UnregisterBrokerRecord) writes() int16         { return 0 }
func (*TopicRecord) writes() int16                    { return 0 }
func (*ConfigRecord) writes() int16                   { return 0 }
func (*FenceBrokerRecord) writes() int16              { return 0 }
func (*UnfenceBrokerRecord) writes() int16            { return 0 }
func (*RemoveTopicRecord) writes() int16              { return 0 }
func (*FeatureLevelRecord) writes() int16             { return 0 }
func (*ClientQuotaRecord) writes() int16              { return 0 }
func (*ProducerIDsRecord) writes() int16              { return 0 }
func (*BrokerRegistrationChangeRecord) writes() int16 { return 2 }
func (*NoOpRecord) writes() int16                     { return 0 }
func (*BeginTransactionRecord) writes() int16         { return 0 }
func (*EndTransactionRecord) writes() int16           { return 0 }
func (*AbortTransactionRecord) writes() int16         { return 0 }

func (r *PartitionRecord) writes() int16 {
	return partitionVersion(r.EligibleLeaderReplicas, r.LastKnownELR)
}

func (r *PartitionChangeRecord) writes() int16 {
	return partitionVersion(r.EligibleLeaderReplicas, r.LastKnownELR)
}

func partitionVersion(elr, lastKnownELR []int32) int16 {
	if elr != nil || lastKnownELR != nil {
		return 2
	}
	return 1
}

func (r *RegisterBrokerRecord) fields(c *schema.Coder) {
	c.Int32(&r.BrokerID)
	if c.Version >= 2 {
		migrating := false // a ZooKeeper broker on its way to KRaft: there are none any more
		c.Bool(&migrating)
	}
	schema.UUID(c, &r.IncarnationID)
	c.Int64(&r.BrokerEpoch)
	schema.Array(c, &r.EndPoints, 7, endPoint)
	schema.Array(c, &r.Features, 6, supportedFeature)
	c.NullableString(&r.Rack)
	c.Bool(&r.Fenced)
	if c.Version >= 1 {
		c.Bool(&r.InControlledShutdown)
	}
	c.Tags(schema.Tagged(0, len(r.LogDirs) > 0, func(c *schema.Coder) { schema.UUIDs(c, &r.LogDirs) }))
}

func endPoint(c *schema.Coder, e *EndPoint) {
	c.String(&e.Name)
	c.String(&e.Host)
	c.Uint16(&e.Port)
	c.Int16(&e.SecurityProtocol)
	c.Tags()
}

func supportedFeature(c *schema.Coder, f *SupportedFeature) {
	c.String(&f.Name)
	c.Int16(&f.Min)
	c.Int16(&f.Max)
	c.Tags()
}

func (r *UnregisterBrokerRecord) fields(c *schema.Coder) {
	c.Int32(&r.BrokerID)
	c.Int64(&r.BrokerEpoch)
	c.Tags()
}

func (r *TopicRecord) fields(c *schema.Coder) {
	c.String(&r.Name)
	schema.UUID(c, &r.TopicID)
	c.Tags()
}

func (r *PartitionRecord) fields(c *schema.Coder) {
	c.Int32(&r.PartitionID)
	schema.UUID(c, &r.TopicID)
	c.Int32s(&r.Replicas)
	c.Int32s(&r.ISR)
	c.Int32s(&r.RemovingReplicas)
	c.Int32s(&r.AddingReplicas)
	c.Int32(&r.Leader)
	c.Int32(&r.LeaderEpoch)
	c.Int32(&r.PartitionEpoch)
	if c.Version >= 1 {
		schema.UUIDs(c, &r.Directories)
	}
	c.Tags(
		schema.Tagged(0, r.LeaderRecoveryState != Recovered, func(c *schema.Coder) { c.Int8(&r.LeaderRecoveryState) }),
		schema.Tagged(1, r.EligibleLeaderReplicas != nil, func(c *schema.Coder) { c.NullableInt32s(&r.EligibleLeaderReplicas) }),
		schema.Tagged(2, r.LastKnownELR != nil, func(c *schema.Coder) { c.NullableInt32s(&r.LastKnownELR) }),
	)
}

func (r *ConfigRecord) fields(c *schema.Coder) {
	c.Int8(&r.ResourceType)
	c.String(&r.ResourceName)
	c.String(&r.Name)
	c.NullableString(&r.Value)
	c.Tags()
}

func (r *PartitionChangeRecord) fields(c *schema.Coder) {
	c.Int32(&r.PartitionID)
	schema.UUID(c, &r.TopicID)
	c.Tags(
		schema.Tagged(0, r.ISR != nil, func(c *schema.Coder) { c.NullableInt32s(&r.ISR) }),
		schema.Tagged(1, r.Leader != LeaderUnchanged, func(c *schema.Coder) { c.Int32(&r.Leader) }),
		schema.Tagged(2, r.Replicas != nil, func(c *schema.Coder) { c.NullableInt32s(&r.Replicas) }),
		schema.Tagged(3, r.RemovingReplicas != nil, func(c *schema.Coder) { c.NullableInt32s(&r.RemovingReplicas) }),
		schema.Tagged(4, r.AddingReplicas != nil, func(c *schema.Coder) { c.NullableInt32s(&r.AddingReplicas) }),
		schema.Tagged(5, r.LeaderRecoveryState != RecoveryStateUnchanged, func(c *schema.Coder) { c.Int8(&r.LeaderRecoveryState) }),
		schema.Tagged(6, r.EligibleLeaderReplicas != nil, func(c *schema.Coder) { c.NullableInt32s(&r.EligibleLeaderReplicas) }),
		schema.Tagged(7, r.LastKnownELR != nil, func(c *schema.Coder) { c.NullableInt32s(&r.LastKnownELR) }),
		schema.Tagged(8, r.Directories != nil, func(c *schema.Coder) { schema.NullableUUIDs(c, &r.Directories) }),
	)
}

func (r *FenceBrokerRecord) fields(c *schema.Coder) {
	c.Int32(&r.ID)
	c.Int64(&r.Epoch)
	c.Tags()
}

func (r *UnfenceBrokerRecord) fields(c *schema.Coder) {
	c.Int32(&r.ID)
	c.Int64(&r.Epoch)
	c.Tags()
}

func (r *RemoveTopicRecord) fields(c *schema.Coder) {
	schema.UUID(c, &r.TopicID)
	c.Tags()
}

func (r *FeatureLevelRecord) fields(c *schema.Coder) {
	c.String(&r.Name)
	c.Int16(&r.FeatureLevel)
	c.Tags()
}

func (r *ClientQuotaRecord) fields(c *schema.Coder) {
	schema.Array(c, &r.Entity, 3, entityPart)
	c.String(&r.Key)
	c.Uint64(&r.Value)
	c.Bool(&r.Remove)
	c.Tags()
}

func entityPart(c *schema.Coder, p *EntityPart) {
	c.String(&p.Type)
	c.NullableString(&p.Name)
	c.Tags()
}

func (r *ProducerIDsRecord) fields(c *schema.Coder) {
	c.Int32(&r.BrokerID)
	c.Int64(&r.BrokerEpoch)
	c.Int64(&r.NextProducerID)
	c.Tags()
}

func (r *BrokerRegistrationChangeRecord) fields(c *schema.Coder) {
	c.Int32(&r.BrokerID)
	c.Int64(&r.BrokerEpoch)
	c.Tags(
		schema.Tagged(0, r.Fenced != FencingUnchanged, func(c *schema.Coder) { c.Int8(&r.Fenced) }),
		schema.Tagged(1, r.InControlledShutdown != 0, func(c *schema.Coder) { c.Int8(&r.InControlledShutdown) }),
		schema.Tagged(2, len(r.LogDirs) > 0, func(c *schema.Coder) { schema.UUIDs(c, &r.LogDirs) }),
	)
}

func (r *NoOpRecord) fields(c *schema.Coder) { c.Tags() }

func (r *BeginTransactionRecord) fields(c *schema.Coder) {
	c.Tags(schema.Tagged(0, r.Name != nil, func(c *schema.Coder) { c.NullableString(&r.Name) }))
}

func (r *EndTransactionRecord) fields(c *schema.Coder) { c.Tags() }

func (r *AbortTransactionRecord) fields(c *schema.Coder) {
	c.Tags(schema.Tagged(0, r.Reason != nil, func(c *schema.Coder) { c.NullableString(&r.Reason) }))
}
