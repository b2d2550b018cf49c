package controller

import (
	"fmt"

	"rookery/core/batch"
	"rookery/core/meta"
	"rookery/core/ordered"
)

// TopicConfig is what a topic's configuration comes to: its own values over the broker's over Kafka's.
type TopicConfig struct {
	SegmentBytes                 int32
	SegmentMillis                int64
	SegmentJitterMillis          int64
	SegmentIndexBytes            int32
	IndexIntervalBytes           int32
	FlushMessages                int64 // 1: durable mode
	FlushMillis                  int64
	RetentionBytes               int64 // below 0: without bound
	RetentionMillis              int64 // below 0: without bound
	MaxMessageBytes              int32
	DeleteRetentionMillis        int64
	MinCompactionLagMillis       int64
	MaxCompactionLagMillis       int64
	FileDeleteDelayMillis        int64
	MinCleanableDirtyRatioPPM    int64 // parts per million
	Compact                      bool
	Delete                       bool
	UncleanLeaderElectionEnable  bool
	MinInsyncReplicas            int32
	CompressionType              CompressionType
	GzipLevel                    int32
	LZ4Level                     int32
	ZstdLevel                    int32
	Preallocate                  bool
	LogAppendTime                bool  // message.timestamp.type
	TimestampBeforeMaxMillis     int64 // how far behind the clock a record may be
	TimestampAfterMaxMillis      int64 // how far ahead of it
	RemoteLogCopyDisable         bool
	RemoteLogDeleteOnDisable     bool
	LocalRetentionBytes          int64
	LocalRetentionMillis         int64
	LeaderThrottledReplicas      string
	FollowerThrottledReplicas    string
	remoteStorageEnable          bool
	internalSegmentBytesOverride int32
}

// CompressionType is what a topic stores batches as.
type CompressionType uint8

// CompressionProducer keeps what the producer sent.
const (
	CompressionProducer CompressionType = iota
	CompressionUncompressed
	CompressionGzip
	CompressionSnappy
	CompressionLZ4
	CompressionZstd
)

// Durable says whether what acks=all acknowledged has reached the disk.
func (c *TopicConfig) Durable() bool { return c.FlushMessages == 1 }

// TopicKey is one configuration that a topic can have.
type TopicKey struct {
	Name          string
	Default       string
	Internal      bool // shown only where it was set
	Idle          bool // accepted, and without effect here
	Documentation string
	domain
	set func(*TopicConfig, value)
}

// TopicKeys are the topic configurations of Kafka 4.2 by name, with their bounds.
func TopicKeys() []TopicKey {
	integer := func(name, def string, least, most int64, set func(*TopicConfig, value), documentation string) TopicKey {
		return TopicKey{Name: name, Default: def, domain: domain{Kind: KindInt, least: least, most: most}, set: set, Documentation: documentation}
	}
	long := func(name, def string, least int64, set func(*TopicConfig, value), documentation string) TopicKey {
		return TopicKey{Name: name, Default: def, domain: domain{Kind: KindLong, least: least, most: noLimit}, set: set, Documentation: documentation}
	}
	boolean := func(name string, set func(*TopicConfig, value), documentation string) TopicKey {
		return TopicKey{Name: name, Default: "false", domain: domain{Kind: KindBoolean}, set: set, Documentation: documentation}
	}
	chosen := func(name string, kind ConfigKind, def, choices string, set func(*TopicConfig, value), documentation string) TopicKey {
		return TopicKey{Name: name, Default: def, domain: domain{Kind: kind, choices: choices}, set: set, Documentation: documentation}
	}
	throttled := func(name string, set func(*TopicConfig, value), documentation string) TopicKey {
		return TopicKey{Name: name, domain: domain{Kind: KindList, rule: replicaList}, set: set, Documentation: documentation}
	}
	idle := func(key TopicKey) TopicKey { key.Idle = true; return key }
	gzip := integer("compression.gzip.level", "-1", 1, 9, func(c *TopicConfig, v value) { c.GzipLevel = int32(v.number) },
		"The level where batches are compressed anew with gzip: 1 to 9, or -1 for the codec's own.")
	gzip.rule = orMinusOne
	internal := integer(internalSegmentBytes, "", 1, intMost, func(c *TopicConfig, v value) { c.internalSegmentBytesOverride = int32(v.number) },
		"A segment.bytes without a lower bound, for tests.")
	internal.Internal = true
	ratio := TopicKey{Name: "min.cleanable.dirty.ratio", Default: "0.5", domain: domain{Kind: KindDouble, most: million},
		set:           func(c *TopicConfig, v value) { c.MinCleanableDirtyRatioPPM = v.number },
		Documentation: "What share of a log has to be uncompacted before it is compacted."}
	return []TopicKey{
		chosen("cleanup.policy", KindList, "delete", "compact, delete", (*TopicConfig).setCleanupPolicy,
			"What becomes of old records: delete them, compact them to the newest of each key, or both. A compacted topic refuses records without a key."),
		gzip,
		integer("compression.lz4.level", "9", 1, 17, func(c *TopicConfig, v value) { c.LZ4Level = int32(v.number) },
			"The level where batches are compressed anew with lz4: 9 is the fast compressor; those from 10 on are the strongest."),
		chosen("compression.type", KindString, "producer", "uncompressed, zstd, lz4, snappy, gzip, producer",
			func(c *TopicConfig, v value) { c.CompressionType = compressionType(v.text) },
			"What batches are stored as: the producer's choice, or one codec for all. A batch that came in that codec stays as it is."),
		integer("compression.zstd.level", "3", -131072, 22, func(c *TopicConfig, v value) { c.ZstdLevel = int32(v.number) },
			"The level where batches are compressed anew with zstd: one of four strengths, of levels up to 2, 5, 9 and beyond."),
		long("delete.retention.ms", "86400000", 0, func(c *TopicConfig, v value) { c.DeleteRetentionMillis = v.number },
			"How long a tombstone stays in a compacted topic."),
		idle(long("file.delete.delay.ms", "60000", 0, func(c *TopicConfig, v value) { c.FileDeleteDelayMillis = v.number },
			"How long files of a deleted segment stay. Here they are unlinked at once: readers keep their own reference.")),
		long("flush.messages", "1", 1, func(c *TopicConfig, v value) { c.FlushMessages = v.number },
			"After how many records the log is synced. With 1, the default here, whatever is acknowledged to acks=all survives a power cut; with more, it survives the end of the process."),
		long("flush.ms", "9223372036854775807", 0, func(c *TopicConfig, v value) { c.FlushMillis = v.number },
			"The longest that a record may stay unsynced. It is looked after as often as replica.high.watermark.checkpoint.interval.ms says."),
		idle(throttled("follower.replication.throttled.replicas", func(c *TopicConfig, v value) { c.FollowerThrottledReplicas = v.text },
			"Which replicas are throttled when they follow.")),
		integer("index.interval.bytes", "4096", 0, intMost, func(c *TopicConfig, v value) { c.IndexIntervalBytes = int32(v.number) },
			"How many bytes of records have one entry in the indexes."),
		internal,
		idle(throttled("leader.replication.throttled.replicas", func(c *TopicConfig, v value) { c.LeaderThrottledReplicas = v.text },
			"Which replicas are throttled when they lead.")),
		idle(long("local.retention.bytes", "-2", -2, func(c *TopicConfig, v value) { c.LocalRetentionBytes = v.number },
			"How many bytes of a tiered log are kept here; -2 means retention.bytes.")),
		idle(long("local.retention.ms", "-2", -2, func(c *TopicConfig, v value) { c.LocalRetentionMillis = v.number },
			"How long the records of a tiered log are kept here; -2 means retention.ms.")),
		long("max.compaction.lag.ms", "9223372036854775807", 1, func(c *TopicConfig, v value) { c.MaxCompactionLagMillis = v.number },
			"The longest that a record may wait for its compaction."),
		integer("max.message.bytes", "1048588", 0, intMost, func(c *TopicConfig, v value) { c.MaxMessageBytes = int32(v.number) },
			"The largest batch that is taken, as it is sent."),
		long("message.timestamp.after.max.ms", "3600000", 0, func(c *TopicConfig, v value) { c.TimestampAfterMaxMillis = v.number },
			"How far a record's time may be ahead of the broker's clock."),
		long("message.timestamp.before.max.ms", "9223372036854775807", 0, func(c *TopicConfig, v value) { c.TimestampBeforeMaxMillis = v.number },
			"How far a record's time may be behind the broker's clock."),
		chosen("message.timestamp.type", KindString, "CreateTime", "CreateTime, LogAppendTime",
			func(c *TopicConfig, v value) { c.LogAppendTime = v.text == "LogAppendTime" },
			"Whether a record has the time that its producer gave it or the broker's."),
		ratio,
		long("min.compaction.lag.ms", "0", 0, func(c *TopicConfig, v value) { c.MinCompactionLagMillis = v.number },
			"The shortest that a record stays before it may be compacted away."),
		idle(integer("min.insync.replicas", "1", 1, intMost, func(c *TopicConfig, v value) { c.MinInsyncReplicas = int32(v.number) },
			"How many replicas have to be in sync for acks=all to be taken; the topic's replication factor caps it.")),
		idle(boolean("preallocate", func(c *TopicConfig, v value) { c.Preallocate = v.truth },
			"Whether a new segment's file gets its whole size at once.")),
		idle(boolean("remote.log.copy.disable", func(c *TopicConfig, v value) { c.RemoteLogCopyDisable = v.truth },
			"Whether nothing more of the topic is copied to the tier.")),
		idle(boolean("remote.log.delete.on.disable", func(c *TopicConfig, v value) { c.RemoteLogDeleteOnDisable = v.truth },
			"Whether the tiered data goes when the topic is tiered no more.")),
		idle(boolean("remote.storage.enable", func(c *TopicConfig, v value) { c.remoteStorageEnable = v.truth },
			"Whether the topic is tiered.")),
		long("retention.bytes", "-1", -noLimit-1, func(c *TopicConfig, v value) { c.RetentionBytes = v.number },
			"How many bytes a partition keeps before its oldest segments go; -1 is no bound."),
		long("retention.ms", "604800000", -1, func(c *TopicConfig, v value) { c.RetentionMillis = v.number },
			"How many milliseconds records are kept; -1 is for ever."),
		integer("segment.bytes", "1073741824", 1<<20, intMost, func(c *TopicConfig, v value) { c.SegmentBytes = int32(v.number) },
			"How large a segment becomes before the next one begins."),
		integer("segment.index.bytes", "10485760", 4, intMost, func(c *TopicConfig, v value) { c.SegmentIndexBytes = int32(v.number) },
			"How large an index of one segment may become."),
		idle(long("segment.jitter.ms", "0", 0, func(c *TopicConfig, v value) { c.SegmentJitterMillis = v.number },
			"By how many milliseconds at most a roll comes early at random. Rolls here come when they are due, together or not.")),
		long("segment.ms", "604800000", 1, func(c *TopicConfig, v value) { c.SegmentMillis = v.number },
			"After how many milliseconds a new segment begins."),
		idle(boolean("unclean.leader.election.enable", func(c *TopicConfig, v value) { c.UncleanLeaderElectionEnable = v.truth },
			"Whether a replica that was out of sync may lead when there is no other.")),
	}
}

const internalSegmentBytes = "internal.segment.bytes" // Kafka's own back door to tiny segments, for tests

func (c *TopicConfig) setCleanupPolicy(v value) {
	c.Compact, c.Delete = false, false
	for _, policy := range elements(v.text) {
		c.Compact = c.Compact || policy == "compact"
		c.Delete = c.Delete || policy == "delete"
	}
}

// Keeps says whether a batch of that codec is stored as it came. Kafka compares codecs and no levels.
func (c *TopicConfig) Keeps(codec batch.Codec) bool {
	if c.CompressionType == CompressionProducer {
		return true
	}
	wanted, _ := c.Codec()
	return codec == wanted
}

// Codec is what batches are compressed by, and how hard, where the producer's choice does not count.
func (c *TopicConfig) Codec() (codec batch.Codec, level int32) {
	switch c.CompressionType {
	case CompressionGzip:
		return batch.Gzip, c.GzipLevel
	case CompressionSnappy:
		return batch.Snappy, batch.LevelOwn
	case CompressionLZ4:
		return batch.LZ4, c.LZ4Level
	case CompressionZstd:
		return batch.Zstd, c.ZstdLevel
	case CompressionProducer, CompressionUncompressed:
	}
	return batch.None, batch.LevelOwn
}

func compressionType(name string) CompressionType {
	switch name {
	case "uncompressed":
		return CompressionUncompressed
	case "gzip":
		return CompressionGzip
	case "snappy":
		return CompressionSnappy
	case "lz4":
		return CompressionLZ4
	case "zstd":
		return CompressionZstd
	}
	return CompressionProducer
}

// Resolve is a topic's configuration: overrides over defaults over Kafka's. The error says which value is wrong and
// why; the configuration is then of no use.
func Resolve(defaults *Defaults, overrides *ordered.Map[string, string]) (TopicConfig, error) {
	var c TopicConfig
	left := overrides.Len()
	for _, key := range TopicKeys() {
		text, own := overrides.Find(key.Name)
		if own {
			left--
		} else if text, own = defaults.find(key.Name); !own {
			text = key.Default
		}
		if key.Internal && !own {
			continue
		}
		v, err := key.parse(key.Name, text)
		if err != nil {
			return c, err
		}
		key.set(&c, v)
	}
	if left > 0 {
		return c, unknownKey(overrides)
	}
	if c.internalSegmentBytesOverride > 0 {
		c.SegmentBytes = c.internalSegmentBytesOverride
	}
	return c, nil
}

// IdleTopicKeys are those that are kept, and have no effect here.
func IdleTopicKeys() map[string]bool {
	idle := map[string]bool{}
	for _, key := range TopicKeys() {
		if key.Idle {
			idle[key.Name] = true
		}
	}
	return idle
}

// HasNoEffect holds for keys that Kafka knows, and that are kept here and do nothing.
func HasNoEffect(kind int8, key string) bool {
	switch kind {
	case meta.ResourceTopic:
		return IdleTopicKeys()[key]
	case meta.ResourceBroker:
		k, _ := FindBrokerKey(key)
		return k.Idle
	case meta.ResourceGroup:
		k := findResourceKey(groupKeys(), key)
		return k != nil && k.idle()
	}
	return false
}

// Alterable is a key that can be altered while the broker runs.
type Alterable struct {
	Name string
	Idle bool // it is kept, and does nothing here
	List bool // it can be added to, and taken from
}

// AlterableKeys are those of a type of resource, by name.
func AlterableKeys(kind int8) (keys []Alterable) {
	switch kind {
	case meta.ResourceTopic:
		for _, k := range TopicKeys() {
			if !k.Internal {
				keys = append(keys, Alterable{k.Name, k.Idle, k.Kind == KindList})
			}
		}
	case meta.ResourceBroker:
		for _, k := range BrokerKeys() {
			if k.Mode.Dynamic() {
				keys = append(keys, Alterable{k.Name, k.Idle, k.Kind == KindList})
			}
		}
	case meta.ResourceGroup:
		for _, k := range groupKeys() {
			keys = append(keys, Alterable{k.name, k.idle(), k.Kind == KindList})
		}
	case meta.ResourceClientMetrics:
		for _, k := range clientMetricsKeys() {
			keys = append(keys, Alterable{k.name, false, k.Kind == KindList})
		}
	}
	return keys
}

// Check is Resolve for values that somebody wants to set: beyond each by itself, they have to go together. What is set
// already is let be: the broker's defaults may have moved under it.
func Check(defaults *Defaults, overrides *ordered.Map[string, string]) error {
	c, err := Resolve(defaults, overrides)
	switch {
	case err != nil:
		return err
	case c.MinCompactionLagMillis > c.MaxCompactionLagMillis:
		return fmt.Errorf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)",
			c.MinCompactionLagMillis, c.MaxCompactionLagMillis)
	case c.remoteStorageEnable:
		return fmt.Errorf("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	return nil
}

func unknownKey(overrides *ordered.Map[string, string]) error {
	keys := TopicKeys()
	for name := range overrides.All() {
		if findTopicKey(keys, name) == nil {
			return fmt.Errorf("Unknown topic config name: %s%s", name, meantTopicKey(keys, name))
		}
	}
	return nil
}

// meantTopicKey is a question after the nearest key, or nothing where none is near.
func meantTopicKey(keys []TopicKey, name string) string {
	nearest, least := "", farthest(name)
	for i := range keys {
		if d := editDistance(name, keys[i].Name, least); d < least && !keys[i].Internal {
			nearest, least = keys[i].Name, d
		}
	}
	if nearest == "" {
		return ""
	}
	return "; did you mean " + nearest + "?"
}

func findTopicKey(keys []TopicKey, name string) *TopicKey {
	for i := range keys {
		if keys[i].Name == name {
			return &keys[i]
		}
	}
	return nil
}
