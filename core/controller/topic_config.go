package controller

import (
	"fmt"
	"strconv"
	"strings"

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

// ConfigKind is the type of a configuration, with Kafka's number of it in DescribeConfigs.
type ConfigKind int8

// The kinds, as DescribeConfigs numbers them (KIP-569).
const (
	KindBoolean  ConfigKind = 1
	KindString   ConfigKind = 2
	KindInt      ConfigKind = 3
	KindShort    ConfigKind = 4
	KindLong     ConfigKind = 5
	KindDouble   ConfigKind = 6
	KindList     ConfigKind = 7
	KindClass    ConfigKind = 8
	KindPassword ConfigKind = 9
)

// Config sources, as CreateTopics and DescribeConfigs number them.
const (
	SourceTopic   int8 = 1
	SourceStatic  int8 = 4 // the broker's own configuration
	SourceDefault int8 = 5
)

// TopicKey is one configuration that a topic can have.
type TopicKey struct {
	Name     string
	Kind     ConfigKind
	Default  string
	Internal bool // shown only where it was set
	least    int64
	most     int64
	choices  string // of a string or a list, separated by ", "
	set      func(*TopicConfig, value)
}

// value is a configuration's value in the form that its kind asks for.
type value struct {
	number int64
	truth  bool
	text   string
}

const (
	noLimit = 1<<63 - 1
	intMost = 1<<31 - 1
	million = 1_000_000
)

// TopicKeys are the topic configurations of Kafka 4.2 by name, with their bounds.
func TopicKeys() []TopicKey {
	integer := func(name, def string, least, most int64, set func(*TopicConfig, value)) TopicKey {
		return TopicKey{Name: name, Kind: KindInt, Default: def, least: least, most: most, set: set}
	}
	long := func(name, def string, least int64, set func(*TopicConfig, value)) TopicKey {
		return TopicKey{Name: name, Kind: KindLong, Default: def, least: least, most: noLimit, set: set}
	}
	boolean := func(name string, set func(*TopicConfig, value)) TopicKey {
		return TopicKey{Name: name, Kind: KindBoolean, Default: "false", set: set}
	}
	throttled := func(name string, set func(*TopicConfig, value)) TopicKey {
		return TopicKey{Name: name, Kind: KindList, choices: throttledReplicas, set: set}
	}
	return []TopicKey{
		{Name: "cleanup.policy", Kind: KindList, Default: "delete", choices: "compact, delete", set: (*TopicConfig).setCleanupPolicy},
		integer("compression.gzip.level", "-1", -1, 9, func(c *TopicConfig, v value) { c.GzipLevel = int32(v.number) }),
		integer("compression.lz4.level", "9", 1, 17, func(c *TopicConfig, v value) { c.LZ4Level = int32(v.number) }),
		{Name: "compression.type", Kind: KindString, Default: "producer", choices: "uncompressed, zstd, lz4, snappy, gzip, producer",
			set: func(c *TopicConfig, v value) { c.CompressionType = compressionType(v.text) }},
		integer("compression.zstd.level", "3", -131072, 22, func(c *TopicConfig, v value) { c.ZstdLevel = int32(v.number) }),
		long("delete.retention.ms", "86400000", 0, func(c *TopicConfig, v value) { c.DeleteRetentionMillis = v.number }),
		long("file.delete.delay.ms", "60000", 0, func(c *TopicConfig, v value) { c.FileDeleteDelayMillis = v.number }),
		long("flush.messages", "1", 1, func(c *TopicConfig, v value) { c.FlushMessages = v.number }),
		long("flush.ms", "9223372036854775807", 0, func(c *TopicConfig, v value) { c.FlushMillis = v.number }),
		throttled("follower.replication.throttled.replicas", func(c *TopicConfig, v value) { c.FollowerThrottledReplicas = v.text }),
		integer("index.interval.bytes", "4096", 0, intMost, func(c *TopicConfig, v value) { c.IndexIntervalBytes = int32(v.number) }),
		{Name: internalSegmentBytes, Kind: KindInt, Internal: true, least: 1, most: intMost,
			set: func(c *TopicConfig, v value) { c.internalSegmentBytesOverride = int32(v.number) }},
		throttled("leader.replication.throttled.replicas", func(c *TopicConfig, v value) { c.LeaderThrottledReplicas = v.text }),
		long("local.retention.bytes", "-2", -2, func(c *TopicConfig, v value) { c.LocalRetentionBytes = v.number }),
		long("local.retention.ms", "-2", -2, func(c *TopicConfig, v value) { c.LocalRetentionMillis = v.number }),
		long("max.compaction.lag.ms", "9223372036854775807", 1, func(c *TopicConfig, v value) { c.MaxCompactionLagMillis = v.number }),
		integer("max.message.bytes", "1048588", 0, intMost, func(c *TopicConfig, v value) { c.MaxMessageBytes = int32(v.number) }),
		long("message.timestamp.after.max.ms", "3600000", 0, func(c *TopicConfig, v value) { c.TimestampAfterMaxMillis = v.number }),
		long("message.timestamp.before.max.ms", "9223372036854775807", 0, func(c *TopicConfig, v value) { c.TimestampBeforeMaxMillis = v.number }),
		{Name: "message.timestamp.type", Kind: KindString, Default: "CreateTime", choices: "CreateTime, LogAppendTime",
			set: func(c *TopicConfig, v value) { c.LogAppendTime = v.text == "LogAppendTime" }},
		{Name: "min.cleanable.dirty.ratio", Kind: KindDouble, Default: "0.5", most: million,
			set: func(c *TopicConfig, v value) { c.MinCleanableDirtyRatioPPM = v.number }},
		long("min.compaction.lag.ms", "0", 0, func(c *TopicConfig, v value) { c.MinCompactionLagMillis = v.number }),
		integer("min.insync.replicas", "1", 1, intMost, func(c *TopicConfig, v value) { c.MinInsyncReplicas = int32(v.number) }),
		boolean("preallocate", func(c *TopicConfig, v value) { c.Preallocate = v.truth }),
		boolean("remote.log.copy.disable", func(c *TopicConfig, v value) { c.RemoteLogCopyDisable = v.truth }),
		boolean("remote.log.delete.on.disable", func(c *TopicConfig, v value) { c.RemoteLogDeleteOnDisable = v.truth }),
		boolean("remote.storage.enable", func(c *TopicConfig, v value) { c.remoteStorageEnable = v.truth }),
		long("retention.bytes", "-1", -noLimit-1, func(c *TopicConfig, v value) { c.RetentionBytes = v.number }),
		long("retention.ms", "604800000", -1, func(c *TopicConfig, v value) { c.RetentionMillis = v.number }),
		integer("segment.bytes", "1073741824", 1<<20, intMost, func(c *TopicConfig, v value) { c.SegmentBytes = int32(v.number) }),
		integer("segment.index.bytes", "10485760", 4, intMost, func(c *TopicConfig, v value) { c.SegmentIndexBytes = int32(v.number) }),
		long("segment.jitter.ms", "0", 0, func(c *TopicConfig, v value) { c.SegmentJitterMillis = v.number }),
		long("segment.ms", "604800000", 1, func(c *TopicConfig, v value) { c.SegmentMillis = v.number }),
		boolean("unclean.leader.election.enable", func(c *TopicConfig, v value) { c.UncleanLeaderElectionEnable = v.truth }),
	}
}

const (
	internalSegmentBytes = "internal.segment.bytes" // Kafka's own back door to tiny segments, for tests
	throttledReplicas    = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
)

func (c *TopicConfig) setCleanupPolicy(v value) {
	c.Compact, c.Delete = false, false
	for _, policy := range elements(v.text) {
		c.Compact = c.Compact || policy == "compact"
		c.Delete = c.Delete || policy == "delete"
	}
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

// Defaults are the values of topic configurations that the broker's own configuration sets, by topic key.
type Defaults struct{ values ordered.Map[string, string] }

// Resolve is a topic's configuration: overrides over defaults over Kafka's. The error says which value is wrong and
// why; the configuration is then of no use.
func Resolve(defaults *Defaults, overrides *ordered.Map[string, string]) (TopicConfig, error) {
	var c TopicConfig
	left := overrides.Len()
	for _, key := range TopicKeys() {
		text, own := overrides.Find(key.Name)
		if own {
			left--
		} else if text, own = defaults.values.Find(key.Name); !own {
			text = key.Default
		}
		if key.Internal && !own {
			continue
		}
		v, err := key.parse(text)
		if err != nil {
			return c, err
		}
		key.set(&c, v)
	}
	if left > 0 {
		return c, unknownKey(overrides)
	}
	return c, c.settle()
}

// settle checks what no single value can be blamed for.
func (c *TopicConfig) settle() error {
	if c.internalSegmentBytesOverride > 0 {
		c.SegmentBytes = c.internalSegmentBytesOverride
	}
	if c.MinCompactionLagMillis > c.MaxCompactionLagMillis {
		return fmt.Errorf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)",
			c.MinCompactionLagMillis, c.MaxCompactionLagMillis)
	}
	if c.remoteStorageEnable {
		return fmt.Errorf("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	return nil
}

func unknownKey(overrides *ordered.Map[string, string]) error {
	keys := TopicKeys()
	for name := range overrides.All() {
		if findTopicKey(keys, name) == nil {
			return fmt.Errorf("Unknown topic config name: %s; did you mean %s?", name, nearestTopicKey(keys, name))
		}
	}
	return nil
}

func nearestTopicKey(keys []TopicKey, name string) string {
	nearest, least := "", int(^uint(0)>>1)
	for i := range keys {
		if d := editDistance(name, keys[i].Name); d < least && !keys[i].Internal {
			nearest, least = keys[i].Name, d
		}
	}
	return nearest
}

func findTopicKey(keys []TopicKey, name string) *TopicKey {
	for i := range keys {
		if keys[i].Name == name {
			return &keys[i]
		}
	}
	return nil
}

func (k *TopicKey) parse(text string) (value, error) {
	trimmed := strings.TrimSpace(text)
	switch k.Kind {
	case KindBoolean:
		return k.boolean(text, trimmed)
	case KindInt, KindLong:
		return k.integer(text, trimmed)
	case KindDouble:
		return k.ratio(text, trimmed)
	case KindList:
		return k.list(trimmed)
	}
	if !oneOf(k.choices, trimmed) {
		return value{}, k.wrong(text, "String must be one of: "+k.choices)
	}
	return value{text: trimmed}, nil
}

func (k *TopicKey) wrong(text, why string) error {
	return fmt.Errorf("Invalid value %s for configuration %s: %s", text, k.Name, why)
}

func (k *TopicKey) boolean(text, trimmed string) (value, error) {
	if truth := strings.EqualFold(trimmed, "true"); truth || strings.EqualFold(trimmed, "false") {
		return value{truth: truth}, nil
	}
	return value{}, k.wrong(text, "Expected value to be either true or false")
}

func (k *TopicKey) integer(text, trimmed string) (value, error) {
	bits, name := 64, "LONG"
	if k.Kind == KindInt {
		bits, name = 32, "INT"
	}
	n, err := strconv.ParseInt(trimmed, 10, bits)
	if err != nil {
		return value{}, k.wrong(text, "Not a number of type "+name)
	}
	if k.Name == "compression.gzip.level" && (n == 0 || n < k.least || n > k.most) {
		return value{}, k.wrong(text, "Value must be between 1 and 9 or equal to -1")
	}
	return value{number: n}, k.bounded(text, n)
}

func (k *TopicKey) bounded(text string, n int64) error {
	if n < k.least {
		return k.wrong(text, fmt.Sprintf("Value must be at least %d", k.least))
	}
	if n > k.most {
		return k.wrong(text, fmt.Sprintf("Value must be no more than %d", k.most))
	}
	return nil
}

func (k *TopicKey) ratio(text, trimmed string) (value, error) {
	n, ok := partsPerMillion(trimmed)
	if !ok {
		return value{}, k.wrong(text, "Not a number of type DOUBLE")
	}
	if n < 0 {
		return value{}, k.wrong(text, "Value must be at least 0")
	}
	if n > million {
		return value{}, k.wrong(text, "Value must be no more than 1")
	}
	return value{number: n}, nil
}

// list reads a list. Kafka's lists keep no empty elements but at the end of a list of throttled replicas.
func (k *TopicKey) list(trimmed string) (value, error) {
	all := elements(trimmed)
	if k.choices == throttledReplicas {
		if trimmed != "*" && !throttledList(all) {
			return value{}, k.wrong("["+strings.Join(all, ", ")+"]", k.Name+
				" must be the literal '*' or a list of replicas in the following format: "+throttledReplicas)
		}
		return value{text: trimmed}, nil
	}
	for _, element := range all {
		if element == "" {
			return value{}, fmt.Errorf("Configuration '%s' values must not be empty.", k.Name)
		}
		if !oneOf(k.choices, element) {
			return value{}, k.wrong(element, "String must be one of: "+k.choices)
		}
	}
	return value{text: trimmed}, nil
}

func elements(list string) []string {
	if list == "" {
		return nil
	}
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

func throttledList(all []string) bool {
	for i, element := range all {
		partition, broker, colon := strings.Cut(element, ":")
		if element == "" && i == len(all)-1 {
			continue
		}
		if !colon || !digits(partition) || !digits(broker) {
			return false
		}
	}
	return true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func oneOf(choices, s string) bool {
	for _, choice := range strings.Split(choices, ", ") {
		if choice == s {
			return true
		}
	}
	return false
}

// partsPerMillion reads a decimal number as Java does, without floats: what lies below a millionth is rounded away
// from zero if it would leave the range from 0 to 1 unseen, towards zero otherwise; far out of range is enough.
func partsPerMillion(s string) (int64, bool) {
	negative := strings.HasPrefix(s, "-")
	mantissa, exponent, ok := splitExponent(strings.TrimLeft(s[:min(1, len(s))], "+-") + s[min(1, len(s)):])
	whole, part, _ := strings.Cut(mantissa, ".")
	if !ok || whole+part == "" || !digits(whole+part) {
		return 0, false
	}
	n, rest := scale(whole+part, len(whole)+exponent+6)
	if rest && (negative || n == million) {
		n++
	}
	if negative {
		n = -n
	}
	return n, true
}

func splitExponent(s string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, true
	}
	exponent, err := strconv.Atoi(s[i+1:])
	return s[:i], max(-10_000, min(exponent, 10_000)), err == nil
}

// scale is the number that the first point digits make, zeroes following, and whether a digit behind them is not zero.
func scale(all string, point int) (n int64, rest bool) {
	for i := range all {
		if i >= point {
			rest = rest || all[i] != '0'
		} else if n <= million {
			n = n*10 + int64(all[i]-'0')
		}
	}
	for i := len(all); i < point && n > 0 && n <= million; i++ {
		n *= 10
	}
	return n, rest
}
