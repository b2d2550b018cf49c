package meta

import "fmt"

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
	fields(*coder)
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
	c := coder{out: dst, version: r.writes()}
	c.uvarint(frameVersion)
	c.uvarint(r.key())
	c.uvarint(uint32(c.version))
	r.fields(&c)
	return c.out
}

// Parse reads a record's value: every version of it that Kafka 4.2 knows. The record keeps nothing of b.
func Parse(b []byte) (Record, error) {
	c := coder{reading: true, in: b}
	if frame := c.readUvarint(); c.err == nil && frame != frameVersion {
		return nil, fmt.Errorf("metadata record of frame version %d", frame)
	}
	key, version := c.readUvarint(), c.readUvarint()
	if c.err != nil {
		return nil, fmt.Errorf("metadata record: %w", c.err)
	}
	r, highest := blank(key)
	if r == nil {
		return nil, fmt.Errorf("metadata record of unknown kind %d", key)
	}
	if version > highest {
		return nil, fmt.Errorf("metadata record of kind %d and unknown version %d", key, version)
	}
	c.version = int16(version)
	r.fields(&c)
	if c.end(); c.err != nil {
		return nil, fmt.Errorf("metadata record of kind %d: %w", key, c.err)
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

func (r *RegisterBrokerRecord) fields(c *coder) {
	c.int32(&r.BrokerID)
	if c.version >= 2 {
		migrating := false // a ZooKeeper broker on its way to KRaft: there are none any more
		c.bool(&migrating)
	}
	c.uuid(&r.IncarnationID)
	c.int64(&r.BrokerEpoch)
	array(c, &r.EndPoints, 7, endPoint)
	array(c, &r.Features, 6, supportedFeature)
	c.nullableString(&r.Rack)
	c.bool(&r.Fenced)
	if c.version >= 1 {
		c.bool(&r.InControlledShutdown)
	}
	c.tags(tag{0, len(r.LogDirs) > 0, func(c *coder) { c.uuids(&r.LogDirs) }})
}

func endPoint(c *coder, e *EndPoint) {
	c.string(&e.Name)
	c.string(&e.Host)
	c.uint16(&e.Port)
	c.int16(&e.SecurityProtocol)
	c.tags()
}

func supportedFeature(c *coder, f *SupportedFeature) {
	c.string(&f.Name)
	c.int16(&f.Min)
	c.int16(&f.Max)
	c.tags()
}

func (r *UnregisterBrokerRecord) fields(c *coder) {
	c.int32(&r.BrokerID)
	c.int64(&r.BrokerEpoch)
	c.tags()
}

func (r *TopicRecord) fields(c *coder) {
	c.string(&r.Name)
	c.uuid(&r.TopicID)
	c.tags()
}

func (r *PartitionRecord) fields(c *coder) {
	c.int32(&r.PartitionID)
	c.uuid(&r.TopicID)
	c.int32s(&r.Replicas)
	c.int32s(&r.ISR)
	c.int32s(&r.RemovingReplicas)
	c.int32s(&r.AddingReplicas)
	c.int32(&r.Leader)
	c.int32(&r.LeaderEpoch)
	c.int32(&r.PartitionEpoch)
	if c.version >= 1 {
		c.uuids(&r.Directories)
	}
	c.tags(
		tag{0, r.LeaderRecoveryState != Recovered, func(c *coder) { c.int8(&r.LeaderRecoveryState) }},
		tag{1, r.EligibleLeaderReplicas != nil, func(c *coder) { c.nullableInt32s(&r.EligibleLeaderReplicas) }},
		tag{2, r.LastKnownELR != nil, func(c *coder) { c.nullableInt32s(&r.LastKnownELR) }},
	)
}

func (r *ConfigRecord) fields(c *coder) {
	c.int8(&r.ResourceType)
	c.string(&r.ResourceName)
	c.string(&r.Name)
	c.nullableString(&r.Value)
	c.tags()
}

func (r *PartitionChangeRecord) fields(c *coder) {
	c.int32(&r.PartitionID)
	c.uuid(&r.TopicID)
	c.tags(
		tag{0, r.ISR != nil, func(c *coder) { c.nullableInt32s(&r.ISR) }},
		tag{1, r.Leader != LeaderUnchanged, func(c *coder) { c.int32(&r.Leader) }},
		tag{2, r.Replicas != nil, func(c *coder) { c.nullableInt32s(&r.Replicas) }},
		tag{3, r.RemovingReplicas != nil, func(c *coder) { c.nullableInt32s(&r.RemovingReplicas) }},
		tag{4, r.AddingReplicas != nil, func(c *coder) { c.nullableInt32s(&r.AddingReplicas) }},
		tag{5, r.LeaderRecoveryState != RecoveryStateUnchanged, func(c *coder) { c.int8(&r.LeaderRecoveryState) }},
		tag{6, r.EligibleLeaderReplicas != nil, func(c *coder) { c.nullableInt32s(&r.EligibleLeaderReplicas) }},
		tag{7, r.LastKnownELR != nil, func(c *coder) { c.nullableInt32s(&r.LastKnownELR) }},
		tag{8, r.Directories != nil, func(c *coder) { c.nullableUUIDs(&r.Directories) }},
	)
}

func (r *FenceBrokerRecord) fields(c *coder) {
	c.int32(&r.ID)
	c.int64(&r.Epoch)
	c.tags()
}

func (r *UnfenceBrokerRecord) fields(c *coder) {
	c.int32(&r.ID)
	c.int64(&r.Epoch)
	c.tags()
}

func (r *RemoveTopicRecord) fields(c *coder) {
	c.uuid(&r.TopicID)
	c.tags()
}

func (r *FeatureLevelRecord) fields(c *coder) {
	c.string(&r.Name)
	c.int16(&r.FeatureLevel)
	c.tags()
}

func (r *ClientQuotaRecord) fields(c *coder) {
	array(c, &r.Entity, 3, (*coder).entityPart)
	c.string(&r.Key)
	c.uint64(&r.Value)
	c.bool(&r.Remove)
	c.tags()
}

func (c *coder) entityPart(p *EntityPart) {
	c.string(&p.Type)
	c.nullableString(&p.Name)
	c.tags()
}

func (r *ProducerIDsRecord) fields(c *coder) {
	c.int32(&r.BrokerID)
	c.int64(&r.BrokerEpoch)
	c.int64(&r.NextProducerID)
	c.tags()
}

func (r *BrokerRegistrationChangeRecord) fields(c *coder) {
	c.int32(&r.BrokerID)
	c.int64(&r.BrokerEpoch)
	c.tags(
		tag{0, r.Fenced != FencingUnchanged, func(c *coder) { c.int8(&r.Fenced) }},
		tag{1, r.InControlledShutdown != 0, func(c *coder) { c.int8(&r.InControlledShutdown) }},
		tag{2, len(r.LogDirs) > 0, func(c *coder) { c.uuids(&r.LogDirs) }},
	)
}

func (r *NoOpRecord) fields(c *coder) { c.tags() }

func (r *BeginTransactionRecord) fields(c *coder) {
	c.tags(tag{0, r.Name != nil, func(c *coder) { c.nullableString(&r.Name) }})
}

func (r *EndTransactionRecord) fields(c *coder) { c.tags() }

func (r *AbortTransactionRecord) fields(c *coder) {
	c.tags(tag{0, r.Reason != nil, func(c *coder) { c.nullableString(&r.Reason) }})
}
