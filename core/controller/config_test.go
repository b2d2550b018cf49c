package controller

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/ordered"
)

func overrides(pairs ...string) *ordered.Map[string, string] {
	var m ordered.Map[string, string]
	for i := 0; i < len(pairs); i += 2 {
		m.Put(pairs[i], pairs[i+1])
	}
	return &m
}

// What LogConfig.validate of Apache Kafka 4.2.0 says of one value; "" is nothing. Two rows are ours: a segment has at
// least one byte, and a ratio is quoted as it was written.
func TestTopicConfigurationsAreJudgedAsKafkaDoes(t *testing.T) {
	for _, row := range []struct{ key, value, says string }{
		{"cleanup.policy", "", ""},
		{"cleanup.policy", "compact, delete", ""},
		{"cleanup.policy", "delete,delete", ""},
		{"cleanup.policy", "Compact", "Invalid value Compact for configuration cleanup.policy: String must be one of: compact, delete"},
		{"cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."},
		{"cleanup.policy", ",delete", "Configuration 'cleanup.policy' values must not be empty."},
		{"cleanup.policy", " delete ", ""},
		{"cleanup.policy", " ", ""},
		{"preallocate", "TRUE", ""},
		{"preallocate", " true ", ""},
		{"preallocate", "1", "Invalid value 1 for configuration preallocate: Expected value to be either true or false"},
		{"preallocate", "", "Invalid value  for configuration preallocate: Expected value to be either true or false"},
		{"segment.bytes", "1048575", "Invalid value 1048575 for configuration segment.bytes: Value must be at least 1048576"},
		{"segment.bytes", "1048576", ""},
		{"segment.bytes", " 1048576 ", ""},
		{"segment.bytes", "+1048576", ""},
		{"segment.bytes", "1e9", "Invalid value 1e9 for configuration segment.bytes: Not a number of type INT"},
		{"segment.bytes", "2147483648", "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"},
		{"segment.bytes", "", "Invalid value  for configuration segment.bytes: Not a number of type INT"},
		{"segment.bytes", "0x100000", "Invalid value 0x100000 for configuration segment.bytes: Not a number of type INT"},
		{"internal.segment.bytes", "1", ""},
		{"internal.segment.bytes", "-5", "Invalid value -5 for configuration internal.segment.bytes: Value must be at least 1"},
		{"internal.segment.bytes", "x", "Invalid value x for configuration internal.segment.bytes: Not a number of type INT"},
		{"message.format.version", "3.0", "Unknown topic config name: message.format.version"},
		{"compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.gzip.level", "-1", ""},
		{"compression.gzip.level", "9", ""},
		{"compression.gzip.level", "10", "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.lz4.level", "0", "Invalid value 0 for configuration compression.lz4.level: Value must be at least 1"},
		{"compression.lz4.level", "17", ""},
		{"compression.lz4.level", "18", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
		{"compression.zstd.level", "-131072", ""},
		{"compression.zstd.level", "-131073", "Invalid value -131073 for configuration compression.zstd.level: Value must be at least -131072"},
		{"compression.zstd.level", "22", ""},
		{"compression.zstd.level", "23", "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22"},
		{"compression.zstd.level", "0", ""},
		{"compression.type", "gzip", ""},
		{"compression.type", "GZIP", "Invalid value GZIP for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"compression.type", "none", "Invalid value none for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"compression.type", " zstd ", ""},
		{"compression.type", "uncompressed", ""},
		{"message.timestamp.type", "LogAppendTime", ""},
		{"message.timestamp.type", "logappendtime", "Invalid value logappendtime for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime"},
		{"min.cleanable.dirty.ratio", "0.5", ""},
		{"min.cleanable.dirty.ratio", "1", ""},
		{"min.cleanable.dirty.ratio", "1.0000001", "Invalid value 1.0000001 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"min.cleanable.dirty.ratio", "-0.1", "Invalid value -0.1 for configuration min.cleanable.dirty.ratio: Value must be at least 0"},
		{"min.cleanable.dirty.ratio", "-0", ""},
		{"min.cleanable.dirty.ratio", ".5", ""},
		{"min.cleanable.dirty.ratio", "5.", "Invalid value 5. for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"min.cleanable.dirty.ratio", "1.", ""},
		{"min.cleanable.dirty.ratio", "5e-1", ""},
		{"min.cleanable.dirty.ratio", "1e-400", ""},
		{"min.cleanable.dirty.ratio", ".", "Invalid value . for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"min.cleanable.dirty.ratio", "0,5", "Invalid value 0,5 for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"min.cleanable.dirty.ratio", "1e", "Invalid value 1e for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"min.cleanable.dirty.ratio", "0.1e1", ""},
		{"min.cleanable.dirty.ratio", "+0.5", ""},
		{"min.cleanable.dirty.ratio", "10e-1", ""},
		{"min.cleanable.dirty.ratio", "", "Invalid value  for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"retention.ms", "-1", ""},
		{"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
		{"retention.bytes", "-5", ""},
		{"retention.ms", "9223372036854775807", ""},
		{"retention.ms", "9223372036854775808", "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG"},
		{"flush.messages", "0", "Invalid value 0 for configuration flush.messages: Value must be at least 1"},
		{"flush.messages", "1", ""},
		{"flush.ms", "0", ""},
		{"flush.ms", "-1", "Invalid value -1 for configuration flush.ms: Value must be at least 0"},
		{"max.message.bytes", "0", ""},
		{"max.message.bytes", "-1", "Invalid value -1 for configuration max.message.bytes: Value must be at least 0"},
		{"min.insync.replicas", "0", "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"},
		{"min.insync.replicas", "99", ""},
		{"leader.replication.throttled.replicas", "*", ""},
		{"leader.replication.throttled.replicas", "0:1,2:3", ""},
		{"leader.replication.throttled.replicas", "0:1,", ""},
		{"leader.replication.throttled.replicas", "0:1,*", "Invalid value [0:1, *] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"leader.replication.throttled.replicas", "x", "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"leader.replication.throttled.replicas", "", ""},
		{"leader.replication.throttled.replicas", "0:1:2", "Invalid value [0:1:2] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"follower.replication.throttled.replicas", "0:1 , 2:3", ""},
		{"follower.replication.throttled.replicas", "none", "Invalid value [none] for configuration follower.replication.throttled.replicas: follower.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"leader.replication.throttled.replicas", "0:1,0:1", ""},
		{"remote.storage.enable", "true", "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
		{"remote.storage.enable", "false", ""},
		{"remote.log.copy.disable", "true", ""},
		{"remote.log.delete.on.disable", "true", ""},
		{"local.retention.ms", "-3", "Invalid value -3 for configuration local.retention.ms: Value must be at least -2"},
		{"local.retention.ms", "999999999999", ""},
		{"local.retention.bytes", "-2", ""},
		{"min.compaction.lag.ms", "0", ""},
		{"max.compaction.lag.ms", "0", "Invalid value 0 for configuration max.compaction.lag.ms: Value must be at least 1"},
		{"segment.ms", "0", "Invalid value 0 for configuration segment.ms: Value must be at least 1"},
		{"segment.jitter.ms", "-1", "Invalid value -1 for configuration segment.jitter.ms: Value must be at least 0"},
		{"segment.index.bytes", "3", "Invalid value 3 for configuration segment.index.bytes: Value must be at least 4"},
		{"segment.index.bytes", "4", ""},
		{"index.interval.bytes", "0", ""},
		{"unclean.leader.election.enable", "yes", "Invalid value yes for configuration unclean.leader.election.enable: Expected value to be either true or false"},
		{"delete.retention.ms", "-1", "Invalid value -1 for configuration delete.retention.ms: Value must be at least 0"},
		{"file.delete.delay.ms", "0", ""},
		{"message.timestamp.before.max.ms", "-1", "Invalid value -1 for configuration message.timestamp.before.max.ms: Value must be at least 0"},
		{"message.timestamp.after.max.ms", "0", ""},
		{"no.such.key", "1", "Unknown topic config name: no.such.key"},
		{"Segment.bytes", "1048576", "Unknown topic config name: Segment.bytes; did you mean segment.bytes?"},
		{"message.downconversion.enable", "true", "Unknown topic config name: message.downconversion.enable"},
		{"message.timestamp.difference.max.ms", "1", "Unknown topic config name: message.timestamp.difference.max.ms; did you mean message.timestamp.after.max.ms?"},
	} {
		err := Check(&Defaults{}, overrides(row.key, row.value))
		if row.says == "" {
			require.NoError(t, err, "%s=%s", row.key, row.value)
		} else {
			require.EqualError(t, err, row.says, "%s=%s", row.key, row.value)
		}
	}
	crossed := overrides("min.compaction.lag.ms", "5", "max.compaction.lag.ms", "4")
	require.EqualError(t, Check(&Defaults{}, crossed), "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)")
	_, err := Resolve(&Defaults{}, crossed)
	require.NoError(t, err, "what is set already stays good when the broker's defaults move under it")
}

func TestDefaultsAreKafkasButDurable(t *testing.T) {
	c, err := Resolve(&Defaults{}, overrides())
	require.NoError(t, err)
	require.Equal(t, TopicConfig{
		SegmentBytes: 1 << 30, SegmentMillis: 604800000, SegmentIndexBytes: 10 << 20, IndexIntervalBytes: 4096,
		FlushMessages: 1, FlushMillis: 1<<63 - 1, RetentionBytes: -1, RetentionMillis: 604800000, MaxMessageBytes: 1048588,
		DeleteRetentionMillis: 86400000, MaxCompactionLagMillis: 1<<63 - 1, FileDeleteDelayMillis: 60000,
		MinCleanableDirtyRatioPPM: 500_000, Delete: true, MinInsyncReplicas: 1, GzipLevel: -1, LZ4Level: 9, ZstdLevel: 3,
		TimestampBeforeMaxMillis: 1<<63 - 1, TimestampAfterMaxMillis: 3600000, LocalRetentionBytes: -2, LocalRetentionMillis: -2,
	}, c)
	require.True(t, c.Durable())
}

func TestOverridesGoOverDefaults(t *testing.T) {
	server := []string{
		"log.retention.hours", "2", "log.retention.minutes", "3", "log.roll.hours", "1", "message.max.bytes", "99",
		"log.flush.interval.messages", "9223372036854775807", "compression.type", "zstd", "log.cleanup.policy", "compact",
		"log.message.timestamp.type", "LogAppendTime", "log.cleaner.min.cleanable.ratio", "0.25", "unrelated", "x",
	}
	layers := Layers{Static: overrides(server...)}
	d, err := NewDefaults(&layers)
	require.NoError(t, err)
	c, err := Resolve(&d, overrides("compression.type", "lz4", "internal.segment.bytes", "500", "segment.bytes", "2000000"))
	require.NoError(t, err)
	require.Equal(t, int64(180_000), c.RetentionMillis, "minutes are stronger than hours")
	require.Equal(t, int64(3_600_000), c.SegmentMillis)
	require.Equal(t, int32(99), c.MaxMessageBytes)
	require.False(t, c.Durable())
	require.Equal(t, CompressionLZ4, c.CompressionType)
	require.True(t, c.Compact && !c.Delete && c.LogAppendTime)
	require.Equal(t, int64(250_000), c.MinCleanableDirtyRatioPPM)
	require.Equal(t, int32(500), c.SegmentBytes, "internal.segment.bytes is stronger than segment.bytes")

	// An altered value is stronger than the file's in whatever unit, for this broker stronger than for all.
	layers.Cluster, layers.Broker = overrides("log.retention.ms", " 7 ", "message.max.bytes", "55"), overrides("message.max.bytes", "66")
	d, err = NewDefaults(&layers)
	require.NoError(t, err)
	c, err = Resolve(&d, overrides())
	require.NoError(t, err)
	require.Equal(t, int64(7), c.RetentionMillis)
	require.Equal(t, int32(66), c.MaxMessageBytes)
	layers.Cluster, layers.Broker = overrides("log.segment.bytes", "5"), nil
	d, err = NewDefaults(&layers)
	require.NoError(t, err, "an altered value that is none is passed over")
	c, err = Resolve(&d, overrides())
	require.NoError(t, err)
	require.Equal(t, int32(1<<30), c.SegmentBytes)
}

func TestBadConfigurationsAreNamed(t *testing.T) {
	for key, value := range map[string]string{"log.segment.bytes": "5", "log.retention.hours": "x", "compression.type": "rar", "no.such.key": "",
		"auto.create.topics.enable": "yes", "log.retention.ms": "0", "num.partitions": "0", "log.roll.hours": "99999999999"} {
		_, err := NewStatic(overrides(key, value).All())
		require.ErrorContains(t, err, key)
	}
	_, err := NewStatic(overrides("log.retention.ms", "-5").All())
	require.NoError(t, err)
	d, err := NewDefaults(&Layers{Static: overrides("log.retention.ms", "-5")})
	require.NoError(t, err, "every negative retention of a broker is -1")
	c, err := Resolve(&d, overrides())
	require.NoError(t, err)
	require.Equal(t, int64(-1), c.RetentionMillis)
}

func TestEveryTopicDefaultIsValid(t *testing.T) {
	last := ""
	for _, key := range TopicKeys() {
		require.Less(t, last, key.Name)
		last = key.Name
		for _, s := range synonyms(key.Name) {
			broker, known := FindBrokerKey(s.key)
			require.True(t, known, s.key)
			require.True(t, IsTopicDefault(s.key))
			if broker.Set && s.key != "log.flush.interval.messages" {
				require.NoError(t, broker.Check(broker.Default))
			}
			if s.millis == 0 && broker.Set {
				require.Equal(t, key.Default, broker.Default, s.key)
			}
		}
		require.NotEmpty(t, key.Documentation, key.Name)
	}
	require.False(t, IsTopicDefault("num.partitions"))
}

func TestBrokerKeysAreFoundAndSuggested(t *testing.T) {
	keys := BrokerKeys()
	require.Len(t, keys, 341+3+2, "those of KafkaConfig, the three rates, and what the authorizer is told")
	last := ""
	for _, key := range keys {
		require.Less(t, last, key.Name)
		last = key.Name
		got, ok := FindBrokerKey(key.Name)
		require.True(t, ok)
		require.Equal(t, key, got)
		require.NotEmpty(t, key.Documentation, key.Name)
		if key.Set {
			require.NoError(t, key.Check(key.Default), key.Name)
		}
	}
	type known struct {
		name string
		kind ConfigKind
		def  string
		set  bool
	}
	for name, want := range map[string]known{
		"log.flush.interval.messages":                  {"log.flush.interval.messages", KindLong, "1", true},
		"log.retention.ms":                             {"log.retention.ms", KindLong, "", false},
		"listeners":                                    {"listeners", KindList, "PLAINTEXT://:9092", true},
		"authorizer.class.name":                        {"authorizer.class.name", KindString, "", true},
		"ssl.key.password":                             {"ssl.key.password", KindPassword, "", false},
		"listener.name.internal.ssl.keystore.location": {"ssl.keystore.location", KindString, "", false},
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": {"sasl.jaas.config", KindPassword, "", false},
		"log.cleaner.io.max.bytes.per.second":                   {"log.cleaner.io.max.bytes.per.second", KindDouble, "1.7976931348623157E308", true},
		"transaction.state.log.replication.factor":              {"transaction.state.log.replication.factor", KindShort, "3", true},
		"client.quota.callback.class":                           {"client.quota.callback.class", KindClass, "", false},
		"controlled.shutdown.enable":                            {"controlled.shutdown.enable", KindBoolean, "true", true},
	} {
		got, ok := FindBrokerKey(name)
		require.True(t, ok, name)
		require.Equal(t, want, known{got.Name, got.Kind, got.Default, got.Set})
	}
	for _, unknown := range []string{"", "zookeeper.connect", "listener.name.x", "listener.name.a.b.c.listeners"} {
		_, ok := FindBrokerKey(unknown)
		require.False(t, ok, unknown)
	}
	for name, question := range map[string]string{
		"listners": "did you mean listeners?", "num.partition": "did you mean num.partitions?",
		"log.retension.hours": "did you mean log.retention.hours?", "nodeid": "did you mean node.id?",
		"x": "", "foo": "", "": "", "my.own.key": "", "bootstrap.controllers": "", strings.Repeat("x", 1<<16): "",
	} {
		require.Equal(t, question, MeantBrokerKey(name), "%.20s", name)
	}
}

func TestEditDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching("[ab]{0,6}")
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		enough := rapid.IntRange(1, 8).Draw(t, "enough")
		require.Equal(t, min(slowDistance(a, b), enough), min(editDistance(a, b, enough), enough))
	})
}

func slowDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	changed := slowDistance(a[1:], b[1:])
	if a[0] != b[0] {
		changed++
	}
	return min(changed, slowDistance(a[1:], b)+1, slowDistance(a, b[1:])+1)
}

func TestWhatABrokerWasStartedWithIsWrittenDownAndTaken(t *testing.T) {
	static, err := NewStatic(overrides("log.segment.bytes", "2000000", "log.retention.hours", "5", "log.cleanup.policy", "",
		"ssl.keystore.key", "-----BEGIN\nsecret", "broker.rack", "a=b\n").All())
	require.NoError(t, err)
	text, err := static.MarshalText()
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret", "no password is in a recording")
	var again Static
	require.NoError(t, again.UnmarshalText(text))
	require.Equal(t, static, again)
	for _, wrong := range []string{"no.such.key=\"1\"\n", "log.segment.bytes", "log.segment.bytes=\"many\"\n", "log.segment.bytes=1\n"} {
		require.Error(t, again.UnmarshalText([]byte(wrong)), wrong)
	}
}

// Java's Double.toString, and lists of choices without repetition (KIP-1161).
func TestValuesAreShownAsTheyWereUnderstood(t *testing.T) {
	ratio, policy := findTopicKey(TopicKeys(), "min.cleanable.dirty.ratio"), findTopicKey(TopicKeys(), "cleanup.policy")
	for given, shown := range map[string]string{
		"0": "0.0", "-0": "-0.0", "1": "1.0", "0.5": "0.5", ".5": "0.5", " 0.50 ": "0.5", "1e-3": "0.001", "5E-4": "5.0E-4", "12e-5": "1.2E-4",
		"0.0010": "0.001", "10e-1": "1.0", "0.123456789012345": "0.123456789012345",
	} {
		require.Equal(t, shown, ratio.show(ratio.Name, given), given)
	}
	require.Equal(t, "delete,compact", policy.show(policy.Name, "delete, compact,delete"))
	require.Equal(t, "12345.5", shownDouble("1.23455e4"))
	require.Equal(t, "1.5E7", shownDouble("1.5e7"))
}
