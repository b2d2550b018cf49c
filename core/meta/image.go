package meta

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"rookery/core/must"
	"rookery/core/ordered"
)

// Image is the cluster's metadata as of one offset of the metadata log.
type Image struct {
	offset         int64
	epoch          int32
	features       ordered.Map[string, int16]
	brokers        ordered.Map[int32, *Broker]
	topics         ordered.Map[string, *Topic]
	byName         map[string]*Topic // beside topics: looked up with the bytes of a request, without an allocation
	byID           map[UUID]*Topic
	collisions     map[string][]string // names that differ in '.' and '_' only, by the name with '_' alone
	configs        ordered.Map[string, *resource]
	quotas         ordered.Map[string, *Quota]
	quotaChanges   int
	nextProducerID int64
	transaction    bool // since a BeginTransactionRecord
	pending        []Record
	shape, created int64
}

// Broker is one registered broker.
type Broker struct {
	ID                   int32
	Epoch                int64
	IncarnationID        UUID
	EndPoints            []EndPoint
	Features             []SupportedFeature
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool
	LogDirs              []UUID
}

// Active says whether a broker may be given partitions to lead.
func (b *Broker) Active() bool { return !b.Fenced && !b.InControlledShutdown }

// HasDirectory says whether a replica in that directory can be served.
func (b *Broker) HasDirectory(id UUID) bool { return Online(b.LogDirs, id) }

// Online says whether a replica in a directory can be served where these are. The zero UUID stands for any: that the replica
// has been given none (KIP-858).
func Online(dirs []UUID, id UUID) bool { return id == UUID{} || slices.Contains(dirs, id) }

// Topic is one topic. It belongs to its Image and changes with the next Replay.
type Topic struct {
	Name       string
	ID         UUID
	Partitions []Partition // by number, without gaps unless the log had some
	Configs    ordered.Map[string, string]
}

// Partition is one partition.
type Partition struct {
	ID                     int32
	Replicas               []int32 // in preferred order
	ISR                    []int32
	RemovingReplicas       []int32
	AddingReplicas         []int32
	Leader                 int32
	LeaderRecoveryState    int8
	LeaderEpoch            int32
	PartitionEpoch         int32
	Directories            []UUID // beside Replicas
	EligibleLeaderReplicas []int32
	LastKnownELR           []int32
}

// resource is whatever has configurations but is not a topic.
type resource struct {
	kind   int8
	name   string
	values ordered.Map[string, string]
}

// New is the Image of an empty log.
func New() *Image {
	return &Image{offset: -1, byName: map[string]*Topic{}, byID: map[UUID]*Topic{}, collisions: map[string][]string{}}
}

// Offset is that of the last record folded, -1 before the first.
func (m *Image) Offset() int64 { return m.offset }

// Shape is the offset of the last record that changed which topics there are, how many partitions they have, or on which
// brokers, of which racks, these lie.
func (m *Image) Shape() int64 { return m.shape }

// Created is the offset of the last record that made a topic.
func (m *Image) Created() int64 { return m.created }

// Epoch is that of the last record folded: the quorum leader's.
func (m *Image) Epoch() int32 { return m.epoch }

// NextProducerID is the first id of the next block to be handed out.
func (m *Image) NextProducerID() int64 { return m.nextProducerID }

// Feature is a feature's finalized level; 0 when it has none.
func (m *Image) Feature(name string) int16 { return m.features.At(name) }

// Features walks the finalized features by name.
func (m *Image) Features() iter.Seq2[string, int16] { return m.features.All() }

// Broker is a registered broker, or nil.
func (m *Image) Broker(id int32) *Broker { return m.brokers.At(id) }

// Brokers walks the registered brokers by id.
func (m *Image) Brokers() iter.Seq2[int32, *Broker] { return m.brokers.All() }

// Topic is the topic of a name, or nil.
func (m *Image) Topic(name string) *Topic { return m.byName[name] }

// TopicNamed is Topic for a name still in a request's bytes. It does not allocate.
func (m *Image) TopicNamed(name []byte) *Topic { return m.byName[string(name)] }

// TopicByID is the topic of an id, or nil.
func (m *Image) TopicByID(id UUID) *Topic { return m.byID[id] }

// Topics walks the topics by name.
func (m *Image) Topics() iter.Seq2[string, *Topic] { return m.topics.All() }

// TopicNames are all topics' names, ascending. The slice belongs to the Image.
func (m *Image) TopicNames() []string { return m.topics.Keys() }

// TopicCount is how many topics there are.
func (m *Image) TopicCount() int { return m.topics.Len() }

// Collision is a topic whose name differs from this one in '.' and '_' only, or "".
func (m *Image) Collision(name string) string {
	if !strings.ContainsAny(name, "._") {
		return ""
	}
	if same := m.collisions[unified(name)]; len(same) > 0 {
		return same[0]
	}
	return ""
}

// Config is one configuration of a resource that is not a topic, and whether it is set.
func (m *Image) Config(resourceType int8, resourceName, name string) (string, bool) {
	return m.Configs(resourceType, resourceName).Find(name)
}

// Configs are all configurations that a resource has of its own; they belong to the Image and are not to be changed.
func (m *Image) Configs(resourceType int8, resourceName string) *ordered.Map[string, string] {
	if resourceType == ResourceTopic {
		if t := m.byName[resourceName]; t != nil {
			return &t.Configs
		}
	} else if r := m.configs.At(resourceKey(resourceType, resourceName)); r != nil {
		return &r.values
	}
	return new(ordered.Map[string, string])
}

// Configured walks the names of those resources of a type, topics not among them, that have configurations of their own.
func (m *Image) Configured(resourceType int8) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, r := range m.configs.All() {
			if r.kind == resourceType && !yield(r.name) {
				return
			}
		}
	}
}

// Partition is a topic's partition of a number, or nil.
func (t *Topic) Partition(id int32) *Partition {
	if 0 <= id && int(id) < len(t.Partitions) && t.Partitions[id].ID == id {
		return &t.Partitions[id]
	}
	if i, ok := t.search(id); ok {
		return &t.Partitions[i]
	}
	return nil
}

// Directory is where a replica of the partition lives, or the zero UUID.
func (p *Partition) Directory(broker int32) UUID {
	i := slices.Index(p.Replicas, broker)
	if i < 0 || i >= len(p.Directories) {
		return UUID{}
	}
	return p.Directories[i]
}

func (t *Topic) search(id int32) (int, bool) {
	return slices.BinarySearchFunc(t.Partitions, id, func(p Partition, id int32) int { return int(p.ID) - int(id) })
}

// Skip folds a batch that holds no metadata: a control batch of the quorum.
func (m *Image) Skip(offset int64, epoch int32) { m.move(offset, epoch) }

// Replay folds the next record.
func (m *Image) Replay(offset int64, epoch int32, r Record) {
	m.move(offset, epoch)
	switch r := r.(type) {
	case *BeginTransactionRecord:
		must.Be(!m.transaction, "M3: transactions of the metadata log do not nest")
		m.transaction = true
	case *EndTransactionRecord:
		must.Be(m.transaction, "M4: a transaction of the metadata log ends after it began")
		pending := m.pending
		m.transaction, m.pending = false, nil
		for _, p := range pending {
			m.fold(p)
		}
	case *AbortTransactionRecord:
		must.Be(m.transaction, "M5: a transaction of the metadata log is aborted after it began")
		m.transaction, m.pending = false, nil
	default:
		if m.transaction {
			m.pending = append(m.pending, r)
			return
		}
		m.fold(r)
	}
}

func (m *Image) move(offset int64, epoch int32) {
	must.Be(offset > m.offset, "M1: metadata is folded by rising offset")
	must.Be(epoch >= m.epoch, "M2: the epochs of the metadata log do not fall")
	m.offset, m.epoch = offset, epoch
}

func (m *Image) fold(r Record) {
	switch r := r.(type) {
	case *TopicRecord:
		m.shape, m.created = m.offset, m.offset
	case *RegisterBrokerRecord, *UnregisterBrokerRecord, *PartitionRecord, *RemoveTopicRecord:
		m.shape = m.offset
	case *PartitionChangeRecord:
		if r.Replicas != nil {
			m.shape = m.offset
		}
	}
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		m.registerBroker(r)
	case *UnregisterBrokerRecord:
		m.registered(r.BrokerID, r.BrokerEpoch)
		m.brokers.Delete(r.BrokerID)
	case *TopicRecord:
		m.addTopic(r)
	case *PartitionRecord:
		m.addPartition(r)
	case *ConfigRecord:
		m.configure(r)
	case *PartitionChangeRecord:
		m.changePartition(r)
	case *FenceBrokerRecord:
		m.registered(r.ID, r.Epoch).Fenced = true
	case *UnfenceBrokerRecord:
		m.registered(r.ID, r.Epoch).Fenced = false
	case *RemoveTopicRecord:
		m.removeTopic(r)
	case *FeatureLevelRecord:
		m.finalize(r)
	case *ClientQuotaRecord:
		m.changeQuota(r)
	case *ProducerIDsRecord:
		must.Be(r.NextProducerID >= m.nextProducerID, "M6: no producer id is handed out twice")
		m.nextProducerID = r.NextProducerID
	case *BrokerRegistrationChangeRecord:
		m.changeRegistration(r)
	case *NoOpRecord, *BeginTransactionRecord, *EndTransactionRecord, *AbortTransactionRecord:
	}
}

func (m *Image) registerBroker(r *RegisterBrokerRecord) {
	m.brokers.Put(r.BrokerID, &Broker{
		ID: r.BrokerID, Epoch: r.BrokerEpoch, IncarnationID: r.IncarnationID, EndPoints: r.EndPoints, Features: r.Features,
		Rack: r.Rack, Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown, LogDirs: r.LogDirs,
	})
}

func (m *Image) registered(id int32, epoch int64) *Broker {
	b := m.brokers.At(id)
	must.Be(b != nil, "M7: a record about a broker follows its registration")
	must.Be(b.Epoch == epoch, "M8: a record about a broker names its present epoch")
	return b
}

func (m *Image) changeRegistration(r *BrokerRegistrationChangeRecord) {
	b := m.registered(r.BrokerID, r.BrokerEpoch)
	if r.Fenced != FencingUnchanged {
		b.Fenced = r.Fenced == NowFenced
	}
	if r.InControlledShutdown != 0 {
		b.InControlledShutdown = true
	}
	if len(r.LogDirs) > 0 {
		b.LogDirs = r.LogDirs
	}
}

func (m *Image) addTopic(r *TopicRecord) {
	must.Be(m.byName[r.Name] == nil, "M9: a topic's name is taken once")
	must.Be(m.byID[r.TopicID] == nil, "M10: a topic's id is taken once")
	t := &Topic{Name: r.Name, ID: r.TopicID}
	m.topics.Put(t.Name, t)
	m.byName[t.Name], m.byID[t.ID] = t, t
	if strings.ContainsAny(t.Name, "._") {
		key := unified(t.Name)
		i, _ := slices.BinarySearch(m.collisions[key], t.Name)
		m.collisions[key] = slices.Insert(m.collisions[key], i, t.Name)
	}
}

func (m *Image) removeTopic(r *RemoveTopicRecord) {
	t := m.topicOf(r.TopicID)
	m.topics.Delete(t.Name)
	delete(m.byName, t.Name)
	delete(m.byID, t.ID)
	key := unified(t.Name)
	if same := slices.DeleteFunc(m.collisions[key], func(name string) bool { return name == t.Name }); len(same) > 0 {
		m.collisions[key] = same
	} else {
		delete(m.collisions, key)
	}
}

func unified(name string) string { return strings.ReplaceAll(name, ".", "_") }

func (m *Image) topicOf(id UUID) *Topic {
	t := m.byID[id]
	must.Be(t != nil, "M11: a record about a topic follows the topic")
	return t
}

func (m *Image) addPartition(r *PartitionRecord) {
	t := m.topicOf(r.TopicID)
	p := Partition{
		ID: r.PartitionID, Replicas: r.Replicas, ISR: r.ISR, RemovingReplicas: r.RemovingReplicas,
		AddingReplicas: r.AddingReplicas, Leader: r.Leader, LeaderRecoveryState: r.LeaderRecoveryState,
		LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch, Directories: r.Directories,
		EligibleLeaderReplicas: r.EligibleLeaderReplicas, LastKnownELR: r.LastKnownELR,
	}
	i, there := t.search(p.ID)
	if !there {
		t.Partitions = slices.Insert(t.Partitions, i, p)
		return
	}
	must.Be(p.LeaderEpoch >= t.Partitions[i].LeaderEpoch, "M12: a partition's leader epoch does not fall")
	t.Partitions[i] = p
}

// changePartition folds a change as PartitionRegistration.merge of Kafka does: naming a leader begins a new leader
// epoch, even if it is the same leader, and any change begins a new partition epoch.
func (m *Image) changePartition(r *PartitionChangeRecord) {
	p := m.topicOf(r.TopicID).Partition(r.PartitionID)
	must.Be(p != nil, "M13: a partition's change follows the partition")
	p.PartitionEpoch++
	if r.Leader != LeaderUnchanged {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	if r.LeaderRecoveryState != RecoveryStateUnchanged {
		p.LeaderRecoveryState = r.LeaderRecoveryState
	}
	if r.Directories != nil {
		p.Directories = r.Directories
	}
	replace(&p.ISR, r.ISR)
	replace(&p.Replicas, r.Replicas)
	replace(&p.RemovingReplicas, r.RemovingReplicas)
	replace(&p.AddingReplicas, r.AddingReplicas)
	replace(&p.EligibleLeaderReplicas, r.EligibleLeaderReplicas)
	replace(&p.LastKnownELR, r.LastKnownELR)
}

func replace(p *[]int32, by []int32) {
	if by != nil {
		*p = by
	}
}

func (m *Image) configure(r *ConfigRecord) {
	values := m.configsOf(r)
	if r.Value != nil {
		values.Put(r.Name, *r.Value)
		return
	}
	values.Delete(r.Name)
	if r.ResourceType != ResourceTopic && values.Len() == 0 {
		m.configs.Delete(resourceKey(r.ResourceType, r.ResourceName))
	}
}

func (m *Image) configsOf(r *ConfigRecord) *ordered.Map[string, string] {
	if r.ResourceType == ResourceTopic {
		t := m.byName[r.ResourceName]
		must.Be(t != nil, "M14: a topic's configuration follows the topic")
		return &t.Configs
	}
	key := resourceKey(r.ResourceType, r.ResourceName)
	found := m.configs.At(key)
	if found == nil {
		found = &resource{kind: r.ResourceType, name: r.ResourceName}
		m.configs.Put(key, found)
	}
	return &found.values
}

func resourceKey(kind int8, name string) string { return string([]byte{byte(kind)}) + name }

func (m *Image) finalize(r *FeatureLevelRecord) {
	if r.FeatureLevel == 0 {
		m.features.Delete(r.Name)
		return
	}
	m.features.Put(r.Name, r.FeatureLevel)
}

// Records is a shortest list of records that makes this Image from an empty one: features, brokers, configurations,
// quotas, topics each followed by its configurations and partitions, the next producer id.
func (m *Image) Records() []Record {
	var rs []Record
	for name, level := range m.features.All() {
		rs = append(rs, &FeatureLevelRecord{Name: name, FeatureLevel: level})
	}
	for _, b := range m.brokers.All() {
		rs = append(rs, b.record())
	}
	for _, r := range m.configs.All() {
		rs = appendConfigs(rs, r.kind, r.name, &r.values)
	}
	for q := range m.Quotas() {
		rs = append(rs, q.records()...)
	}
	for _, t := range m.topics.All() {
		rs = append(rs, &TopicRecord{Name: t.Name, TopicID: t.ID})
		rs = appendConfigs(rs, ResourceTopic, t.Name, &t.Configs)
		for i := range t.Partitions {
			rs = append(rs, t.Partitions[i].record(t.ID))
		}
	}
	if m.nextProducerID > 0 {
		rs = append(rs, &ProducerIDsRecord{BrokerID: -1, BrokerEpoch: -1, NextProducerID: m.nextProducerID})
	}
	if m.transaction {
		rs = append(append(rs, &BeginTransactionRecord{}), m.pending...)
	}
	return rs
}

func (b *Broker) record() *RegisterBrokerRecord {
	return &RegisterBrokerRecord{
		BrokerID: b.ID, IncarnationID: b.IncarnationID, BrokerEpoch: b.Epoch, EndPoints: b.EndPoints, Features: b.Features,
		Rack: b.Rack, Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, LogDirs: b.LogDirs,
	}
}

func (p *Partition) record(topic UUID) *PartitionRecord {
	return &PartitionRecord{
		PartitionID: p.ID, TopicID: topic, Replicas: p.Replicas, ISR: p.ISR, RemovingReplicas: p.RemovingReplicas,
		AddingReplicas: p.AddingReplicas, Leader: p.Leader, LeaderRecoveryState: p.LeaderRecoveryState,
		LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, Directories: p.Directories,
		EligibleLeaderReplicas: p.EligibleLeaderReplicas, LastKnownELR: p.LastKnownELR,
	}
}

func appendConfigs(rs []Record, kind int8, name string, values *ordered.Map[string, string]) []Record {
	for key, value := range values.All() {
		rs = append(rs, &ConfigRecord{ResourceType: kind, ResourceName: name, Name: key, Value: &value})
	}
	return rs
}

// Clone is an Image of its own that stands where this one stands.
func (m *Image) Clone() *Image {
	c := New()
	for i, r := range m.Records() {
		c.Replay(int64(i), m.epoch, r)
	}
	c.offset, c.epoch = m.offset, m.epoch
	return c
}

// Equal says whether two Images stand at the same offset and hold the same.
func (m *Image) Equal(o *Image) bool {
	return m.offset == o.offset && m.epoch == o.epoch && bytes.Equal(m.encode(), o.encode())
}

// Digest is a hash of all that Equal compares.
func (m *Image) Digest() uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range m.encode() {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h = (h ^ uint64(m.offset)) * 1099511628211
	return (h ^ uint64(uint32(m.epoch))) * 1099511628211
}

func (m *Image) encode() []byte {
	var b []byte
	for _, r := range m.Records() {
		b = Append(b, r)
	}
	return b
}
