package controller

import (
	"rookery/core/meta"
	"rookery/core/rng"
	"rookery/core/wire"
)

// Config is what the broker's own configuration says to the controller.
type Config struct {
	ClusterID                string
	NodeID                   int32
	NumPartitions            int32 // num.partitions
	DefaultReplicationFactor int16 // default.replication.factor
	DeleteTopicEnable        bool  // delete.topic.enable
	ProducerIDBlockSize      int64 // Kafka's is 1,000
	Offsets                  InternalTopic
	TransactionState         InternalTopic
	Static                   Static
	Features                 []meta.FeatureLevelRecord // finalized beside metadata.version on the first start
}

// InternalTopic is how an internal topic is made when it is first needed.
type InternalTopic struct {
	NumPartitions     int32
	ReplicationFactor int16 // at most the number of brokers is taken, so that one broker can serve groups
	SegmentBytes      int32
	MinInsyncReplicas int32 // 0: the default
}

// DefaultConfig is Kafka's.
func DefaultConfig() Config {
	return Config{
		NumPartitions: 1, DefaultReplicationFactor: 1, DeleteTopicEnable: true, ProducerIDBlockSize: 1000,
		Offsets:          InternalTopic{NumPartitions: 50, ReplicationFactor: 3, SegmentBytes: 100 << 20},
		TransactionState: InternalTopic{NumPartitions: 50, ReplicationFactor: 3, SegmentBytes: 100 << 20, MinInsyncReplicas: 2},
	}
}

// The metadata.version that this controller writes, 4.2-IV1, and the oldest that there is for Kafka 4: 3.3-IV3. And the
// group.version that has the consumer protocol (KIP-848), beside 0, which has it not.
const (
	MetadataVersion       = "metadata.version"
	MetadataVersionOldest = 7
	MetadataVersionLevel  = 29

	GroupVersion      = "group.version"
	GroupVersionLevel = 1
)

// Controller is the active controller: the handlers over its own fold of the metadata log.
type Controller struct {
	config Config
	random *rng.Source
	image  *meta.Image

	defaults Defaults // of topics, by the configurations of brokers in image
}

// New makes the controller of a quorum leader. Image is its own fold of the log, uncommitted records included: a Clone
// of the committed one at most.
func New(config Config, random *rng.Source, image *meta.Image) *Controller {
	c := &Controller{config: config, random: random, image: image}
	c.inherit()
	return c
}

// inherit takes the defaults of topics anew.
func (c *Controller) inherit() {
	layers := c.config.Layers(c.image)
	c.defaults, _ = NewDefaults(&layers) // what it was started with was judged when it was read
}

// Image is the controller's own fold: it may hold records that are not committed yet, so nobody else reads it.
func (c *Controller) Image() *meta.Image { return c.image }

// Replay folds a record that was just appended.
func (c *Controller) Replay(offset int64, epoch int32, r meta.Record) {
	c.image.Replay(offset, epoch, r)
	if config, ok := r.(*meta.ConfigRecord); ok && config.ResourceType == meta.ResourceBroker {
		c.inherit()
	}
}

// Skip folds a control batch that was just appended.
func (c *Controller) Skip(offset int64, epoch int32) { c.image.Skip(offset, epoch) }

// Bootstrap is what a new cluster's log begins with, and nothing for one that has it.
func (c *Controller) Bootstrap() []meta.Record {
	if c.image.Feature(MetadataVersion) != 0 {
		return nil
	}
	rs := []meta.Record{&meta.FeatureLevelRecord{Name: MetadataVersion, FeatureLevel: MetadataVersionLevel}}
	for _, f := range c.config.Features {
		rs = append(rs, &f)
	}
	return rs
}

// Finalize is what a log lacks of the features that this broker has: those that builds before it did not write down. It goes
// behind the broker's registration, which is refused where the log is another broker's.
func (c *Controller) Finalize() []meta.Record {
	if c.image.Feature(GroupVersion) != 0 {
		return nil
	}
	return []meta.Record{&meta.FeatureLevelRecord{Name: GroupVersion, FeatureLevel: GroupVersionLevel}}
}

// Supported are the features that this broker has, and at which levels.
func Supported() []meta.SupportedFeature {
	return []meta.SupportedFeature{{Name: GroupVersion, Max: GroupVersionLevel}, {Name: MetadataVersion, Min: MetadataVersionOldest, Max: MetadataVersionLevel}}
}

// ProducerIDs hands a broker the block [first, first+length) of producer ids, once its records are committed.
func (c *Controller) ProducerIDs(brokerID int32, brokerEpoch int64) (rs []meta.Record, first, length int64, code wire.Code) {
	if code := c.present(brokerID, brokerEpoch); code.Failed() {
		return nil, -1, 0, code
	}
	first, length = c.image.NextProducerID(), c.config.ProducerIDBlockSize
	if first > 1<<63-1-length {
		return nil, -1, 0, wire.UnknownServerError // Kafka's answer when the ids are used up
	}
	r := &meta.ProducerIDsRecord{BrokerID: brokerID, BrokerEpoch: brokerEpoch, NextProducerID: first + length}
	return []meta.Record{r}, first, length, wire.None
}

// present says whether a broker is registered under this epoch.
func (c *Controller) present(brokerID int32, brokerEpoch int64) wire.Code {
	b := c.image.Broker(brokerID)
	if b == nil {
		return wire.BrokerIDNotRegistered
	}
	if b.Epoch != brokerEpoch {
		return wire.StaleBrokerEpoch
	}
	return wire.None
}
