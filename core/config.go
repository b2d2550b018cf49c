package core

import (
	"slices"
	"strings"

	"rookery/core/controller"
	"rookery/core/group"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/telemetry"
)

// Config is all that a Broker is told about itself. It comes from server.properties by way of cmd, or from a seed.
type Config struct {
	NodeID       int32
	ClusterID    string
	DirectoryIDs []meta.UUID // one per log directory, in the order of seam.Path.Dir
	Directories  []string    // their names, as DescribeLogDirs tells them
	Incarnation  meta.UUID   // of this start
	Seed         [32]byte    // of all randomness: topic ids must not be guessable
	Controller   controller.Config

	Rack      *string
	Listeners []Listener // where clients come in, in the order of seam.Opened.Listener

	AutoCreateTopics    bool      // auto.create.topics.enable
	FetchBytesMax       int32     // fetch.max.bytes
	DescribedMax        int32     // max.request.partition.size.limit
	FetchSessionsMax    int       // max.incremental.fetch.session.cache.slots
	FetchSessionBytes   int64     // of what sessions remember, all of them
	ToldBytes           int64     // of what one answer tells as often as it is named: groups, what they have committed, configurations
	ProducerExpiry      seam.Mono // producer.id.expiration.ms
	ProducerExpiryEvery seam.Mono // producer.id.expiration.check.interval.ms

	FetchSessionEviction seam.Mono // unused for longer, a session makes room for any other: Kafka's two minutes

	ConnectionBytes int64     // how far a connection is read ahead of its answers
	FrameBytes      int64     // client frames in memory, of all connections; and as much again what they are owed
	ReplyBytes      int64     // answers of one connection that may be under way before it is read no further
	UnsyncedBytes   int64     // written and not synced in durable topics of one directory before connections are read no further
	SyncsMax        int       // under way in one log directory
	RecoveriesMax   int       // under way at once
	CheckpointEvery seam.Mono // recovery points and high watermarks
	MoveBytes       int64     // of a partition that moves to another log directory, copied at once
	StepItems       int       // partitions, topics, requests that one Step works off

	Groups  group.Config
	Cleaner CleanerConfig

	Telemetry telemetry.Config

	RetentionCheckEvery seam.Mono // log.retention.check.interval.ms
	InitialTaskDelay    seam.Mono // log.initial.task.delay.ms: of the first of those
}

// Listener is one of the addresses that clients connect to.
type Listener struct {
	Name     string
	Security Security
	Host     string // what its clients are told; empty: the address that they reached us at
	Port     int32
}

// Security is what a listener speaks, by Kafka's number.
type Security int16

const (
	Plaintext Security = iota
	TLS
)

// DefaultConfig is Kafka's, where Kafka has the thing; durable.
func DefaultConfig() Config {
	return Config{
		NodeID: 1, Listeners: []Listener{{Name: "PLAINTEXT", Port: 9092}}, Controller: controller.DefaultConfig(),
		AutoCreateTopics: true, FetchBytesMax: 55 << 20, DescribedMax: 2000, FetchSessionsMax: 1000, FetchSessionBytes: 128 << 20, ToldBytes: 256 << 20, FetchSessionEviction: 120 * seam.Second,
		ProducerExpiry: 86400 * seam.Second, ProducerExpiryEvery: 600 * seam.Second,
		ConnectionBytes: 4 << 20, FrameBytes: 256 << 20, ReplyBytes: 64 << 20, UnsyncedBytes: 16 << 20,
		SyncsMax: 8, RecoveriesMax: 4, CheckpointEvery: 5 * seam.Second,
		MoveBytes: 64 << 20, StepItems: 1000, Groups: group.DefaultConfig(), Cleaner: defaultCleanerConfig(), Telemetry: telemetry.Config{BytesMax: 1 << 20},
		RetentionCheckEvery: 300 * seam.Second, InitialTaskDelay: 30 * seam.Second,
	}
}

// ConfigureGroups takes what a broker was started with that is about groups.
func (c *Config) ConfigureGroups(static *controller.Static) {
	layers := static.Layers()
	millis := func(name string) seam.Mono {
		return seam.Mono(min(layers.Number(name), int64(seam.Never/seam.Millisecond)/2)) * seam.Millisecond
	}
	g := &c.Groups
	g.InitialRebalanceDelay, g.CheckEvery = millis("group.initial.rebalance.delay.ms"), millis("offsets.retention.check.interval.ms")
	g.SessionMinMillis, g.SessionMaxMillis = int32(layers.Number("group.min.session.timeout.ms")), int32(layers.Number("group.max.session.timeout.ms"))
	g.SizeMax, g.MetadataBytesMax = int32(layers.Number("group.max.size")), int32(layers.Number("offset.metadata.max.bytes"))
	g.RetentionMillis = 60_000 * layers.Number("offsets.retention.minutes")
	g.Consumer.SessionMillis, g.Consumer.HeartbeatMillis = int32(layers.Number("group.consumer.session.timeout.ms")), int32(layers.Number("group.consumer.heartbeat.interval.ms"))
	g.Consumer.SizeMax, g.Consumer.RegexRefreshMillis = int32(layers.Number("group.consumer.max.size")), int32(layers.Number("group.consumer.regex.refresh.interval.ms"))
	if policy, set := layers.Own("group.consumer.migration.policy"); set {
		g.Consumer.Migration = policy
	}
	if assignors, set := layers.Own("group.consumer.assignors"); set {
		g.Consumer.Use(assignors)
	}
	if protocols, set := layers.Own("group.coordinator.rebalance.protocols"); set {
		names := strings.FieldsFunc(protocols, func(r rune) bool { return r == ',' || r == ' ' })
		g.Consumer.Off = !slices.Contains(names, "consumer")
	}
	c.Telemetry.BytesMax = int32(layers.Number("telemetry.max.bytes"))
	topic := &c.Controller.Offsets
	topic.NumPartitions, topic.SegmentBytes = int32(layers.Number("offsets.topic.num.partitions")), int32(layers.Number("offsets.topic.segment.bytes"))
	topic.ReplicationFactor = int16(layers.Number("offsets.topic.replication.factor"))
}
