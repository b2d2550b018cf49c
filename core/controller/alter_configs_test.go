package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/meta"
	"rookery/core/wire"
)

func put(key, value string) Edit      { return Edit{key, Put, &value} }
func unset(key string) Edit           { return Edit{Key: key, Op: Unset} }
func add(key, value string) Edit      { return Edit{key, Append, &value} }
func subtract(key, value string) Edit { return Edit{key, Subtract, &value} }

func topicChange(name string, edits ...Edit) Change {
	return Change{Kind: meta.ResourceTopic, Name: name, Edits: edits}
}

func brokerChange(name string, edits ...Edit) Change {
	return Change{Kind: meta.ResourceBroker, Name: name, Edits: edits}
}

func groupChange(edits ...Edit) Change {
	return Change{Kind: meta.ResourceGroup, Name: "g", Edits: edits}
}

func metricsChange(edits ...Edit) Change {
	return Change{Kind: meta.ResourceClientMetrics, Name: "m", Edits: edits}
}

func configBench() *bench {
	config := DefaultConfig()
	config.NodeID = 1
	b := newBench(config, 1)
	rs, _ := b.AutoCreate("t")
	b.append(rs)
	return b
}

// What Apache Kafka 4.2.0 answers to each; the rows of an unknown way and of an unknown broker key are ours.
func TestAlterationsAreJudgedAsKafkaDoes(t *testing.T) {
	for _, row := range []struct {
		change  Change
		code    wire.Code
		message string
	}{
		{topicChange("t", put("retention.ms", "7")), 0, ""},
		{topicChange("t"), 0, ""},
		{topicChange("t", put("retention.ms", "x")), wire.InvalidConfig, "Not a number of type LONG"},
		{topicChange("t", Edit{Key: "retention.ms"}), wire.InvalidRequest, "Null value not supported for : retention.ms"},
		{topicChange("t", put("nope", "1")), wire.InvalidConfig, "Unknown topic config name: nope"},
		{topicChange("t", unset("nope")), 0, ""},
		{topicChange("t", add("nope", "x")), wire.InvalidConfig, "Can't APPEND to key nope because its type is not LIST."},
		{topicChange("t", subtract("retention.ms", "x")), wire.InvalidConfig, "Can't SUBTRACT to key retention.ms because its type is not LIST."},
		{topicChange("t", Edit{"retention.ms", 4, new(string)}), wire.InvalidRequest, "Unknown operations type 4"},
		{topicChange("t", Edit{"retention.ms", -1, new(string)}), wire.InvalidRequest, "Unknown operations type -1"},
		{topicChange("t", put("retention.ms", "1"), put("retention.ms", "1")), wire.InvalidRequest, "duplicate config keys"},
		{topicChange("t", put("retention.ms", "99"), put("segment.bytes", "1")), wire.InvalidConfig, "at least 1048576"},
		{topicChange("t", add("cleanup.policy", "zzz")), wire.InvalidConfig, "Invalid value zzz for configuration cleanup.policy"},
		{topicChange("t", add("cleanup.policy", "")), wire.InvalidConfig, "values must not be empty"},
		{topicChange("t", put("min.compaction.lag.ms", "5"), put("max.compaction.lag.ms", "4")), wire.InvalidConfig, "conflict topic config setting"},
		{topicChange("t", put("remote.storage.enable", "true")), wire.InvalidConfig, "Tiered Storage"},
		{topicChange("t", put("leader.replication.throttled.replicas", strings.Repeat("0:1,", 9000))), wire.InvalidConfig, "exceeds the maximum value size"},
		{topicChange("none", put("retention.ms", "7")), wire.UnknownTopicOrPartition, "The topic 'none' does not exist."},
		{topicChange("none"), wire.UnknownTopicOrPartition, "does not exist"},
		{topicChange("none", put("retention.ms", "x")), wire.InvalidConfig, "Not a number"},
		{topicChange("a/b", put("retention.ms", "7")), wire.InvalidTopicException, "Topic name is invalid"},
		{topicChange("", put("retention.ms", "7")), wire.InvalidRequest, "Default topic resources are not allowed."},
		{Change{Kind: 0, Name: "x"}, wire.InvalidRequest, "Unknown resource type 0"},
		{Change{Kind: 7, Name: "x", Edits: []Edit{put("a", "b")}}, wire.InvalidRequest, "Unknown resource type 7"},
		{Change{Kind: meta.ResourceBrokerLogger, Name: "1", Edits: []Edit{put("root", "INFO")}}, wire.InvalidConfig, "Logger root does not exist!"},
		{Change{Kind: meta.ResourceBrokerLogger, Name: "1", Edits: []Edit{add("root", "x")}}, wire.InvalidRequest, "APPEND operation is not allowed"},
		{Change{Kind: meta.ResourceBrokerLogger, Name: "2"}, wire.InvalidRequest, "expected 1, but received 2"},
		{Change{Kind: meta.ResourceBrokerLogger, Name: ""}, wire.InvalidRequest, "must be an integer"},
		{Change{Kind: meta.ResourceBrokerLogger, Name: "1"}, 0, ""},
		{Change{Kind: meta.ResourceBrokerLogger, Name: "1", Replace: true}, wire.InvalidRequest, "Unknown resource type 8"},
		{brokerChange("1", put("log.retention.ms", "7777")), 0, ""},
		{brokerChange("", put("log.retention.ms", "7777")), 0, ""},
		{brokerChange("2", put("log.retention.ms", "7777")), wire.InvalidRequest, "Unexpected broker id, expected 1, but received 2"},
		{brokerChange("x", put("log.retention.ms", "7777")), wire.InvalidRequest, "Node id must be an integer, but it is: x"},
		{brokerChange("-1", put("log.retention.ms", "7777")), wire.InvalidRequest, "expected 1, but received -1"},
		{brokerChange("1", put("node.id", "7")), wire.InvalidRequest, "Cannot update these configs dynamically: [node.id]"},
		{brokerChange("1", put("log.retention.hours", "1")), wire.InvalidRequest, "Cannot update these configs dynamically"},
		{brokerChange("1", unset("node.id")), 0, ""},
		{brokerChange("1", put("no.such.key", "x")), wire.InvalidConfig, "Unknown broker config name: no.such.key"},
		{brokerChange("1", unset("no.such.key")), 0, ""},
		{brokerChange("1", add("no.such.key", "x")), wire.InvalidConfig, "its type is not LIST"},
		{brokerChange("1", add("log.retention.ms", "1")), wire.InvalidConfig, "its type is not LIST"},
		{brokerChange("1", put("log.segment.bytes", "1")), wire.InvalidRequest, "at least 1048576"},
		{brokerChange("1", put("log.segment.bytes", "x")), wire.InvalidRequest, "Not a number of type INT"},
		{brokerChange("1", put("log.retention.ms", "0")), wire.InvalidRequest, "log.retention.ms"},
		{brokerChange("1", put("log.message.timestamp.type", "foo")), wire.InvalidRequest, "CreateTime, LogAppendTime"},
		{brokerChange("1", put("num.io.threads", "0")), wire.InvalidRequest, "at least 1"},
		{brokerChange("1", put("max.connections", "-1")), wire.InvalidRequest, "at least 0"},
		{brokerChange("", put("max.connections", "1000")), 0, ""},
		{brokerChange("1", put("max.connections", "0")), wire.InvalidConfig, "nobody could connect"},
		{brokerChange("", put("max.connections", " 00 ")), wire.InvalidConfig, "nobody could connect"},
		{brokerChange("", put("max.connections.per.ip", "0")), wire.InvalidConfig, "nobody could connect"},
		{brokerChange("", put("max.connections.per.ip", "0"), put("max.connections.per.ip.overrides", "10.0.0.1:0")), wire.InvalidConfig, "nobody could connect"},
		{brokerChange("", put("max.connections.per.ip", "0"), put("max.connections.per.ip.overrides", "10.0.0.1:0,10.0.0.2:1")), 0, ""},
		{brokerChange("1", put("leader.replication.throttled.rate", "777")), 0, ""},
		{brokerChange("1", put("ssl.client.auth", "required")), wire.InvalidRequest, "Cannot update these configs dynamically: [ssl.client.auth]"},
		{brokerChange("1", put("listener.name.ssl.ssl.client.auth", "required")), wire.InvalidRequest, "Cannot update these configs dynamically"},
		{brokerChange("1", add("ssl.enabled.protocols", "TLSv1.3")), wire.InvalidRequest, "Cannot update these configs dynamically"},
		{brokerChange("1", put("listener.name.x.sasl.enabled.mechanisms", "PLAIN")), wire.InvalidRequest, "Cannot update these configs dynamically"},
		{brokerChange("1", put("listener.name.SSL.ssl.keystore.location", "/x")), wire.InvalidConfig, "Unknown broker config name: listener.name.SSL.ssl.keystore.location; did you mean listener.name.ssl.ssl.keystore.location?"},
		{brokerChange("", put("listener.name.Ssl.max.connections", "5")), wire.InvalidConfig, "did you mean listener.name.ssl.max.connections?"},
		{brokerChange("1", put("ssl.keystore.location", "/x")), wire.InvalidRequest, "only per-listener"},
		{brokerChange("1", put("listener.name.plaintext.ssl.keystore.location", "/x")), 0, ""},
		{brokerChange("", put("listener.name.plaintext.ssl.keystore.location", "/x")), wire.InvalidRequest, "broker id must be specified"},
		{brokerChange("", put("listener.name.plaintext.max.connections", "5")), 0, ""},
		{groupChange(put("consumer.session.timeout.ms", "50000")), 0, ""},
		{groupChange(put("consumer.session.timeout.ms", "1")), wire.InvalidConfig, "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"},
		{groupChange(put("consumer.session.timeout.ms", "70000")), wire.InvalidConfig, "less than or equal to group.consumer.max.session.timeout.ms"},
		{groupChange(put("consumer.heartbeat.interval.ms", "15001")), wire.InvalidConfig, "less than or equal to group.consumer.max.heartbeat.interval.ms"},
		{groupChange(put("share.record.lock.duration.ms", "1")), wire.InvalidConfig, "at least 1000"},
		{groupChange(put("share.record.lock.duration.ms", "70000")), wire.InvalidConfig, "group.share.max.record.lock.duration.ms"},
		{groupChange(put("streams.num.standby.replicas", "5")), wire.InvalidConfig, "group.streams.max.standby.replicas"},
		{groupChange(put("share.auto.offset.reset", "by_duration:PT1H")), 0, ""},
		{groupChange(put("share.auto.offset.reset", "by_duration:x")), wire.InvalidConfig, "share.auto.offset.reset"},
		{groupChange(put("share.isolation.level", "x")), wire.InvalidConfig, "read_committed, read_uncommitted"},
		{groupChange(put("nope", "1")), wire.InvalidConfig, "Unknown group config name: nope"},
		{groupChange(unset("nope")), 0, ""},
		{groupChange(add("consumer.session.timeout.ms", "5")), wire.InvalidConfig, "its type is not LIST"},
		{Change{Kind: meta.ResourceGroup}, wire.InvalidRequest, "Default group resources are not allowed."},
		{metricsChange(put("interval.ms", "1000"), put("metrics", "a,b"), put("match", "client_id=x.*,client_software_name=y")), 0, ""},
		{metricsChange(put("interval.ms", "99")), wire.InvalidRequest, "interval must be between 100 and 3600000"},
		{metricsChange(put("interval.ms", "3600001")), wire.InvalidRequest, "interval must be between"},
		{metricsChange(put("nope", "1")), wire.InvalidRequest, "Unknown client metrics configuration: nope"},
		{metricsChange(put("match", "x")), wire.InvalidConfig, "Illegal client matching pattern: x"},
		{metricsChange(put("match", "foo=bar")), wire.InvalidConfig, "Illegal client matching pattern: foo=bar"},
		{metricsChange(put("match", "client_id=[")), wire.InvalidConfig, "Illegal client matching pattern: client_id=["},
		{metricsChange(put("match", "")), 0, ""},
		{metricsChange(add("metrics", "c")), wire.InvalidConfig, "its type is not LIST"},
		{Change{Kind: meta.ResourceClientMetrics}, wire.InvalidRequest, "Subscription name can't be empty"},
	} {
		b := configBench()
		before := b.image.Digest()
		rs, got := b.AlterConfigs(&row.change)
		require.Equal(t, row.code, got.Code, "%+v: %s", row.change, got.Message)
		require.Contains(t, got.Message, row.message)
		require.Equal(t, row.code != wire.None, got.Message != "")
		require.Equal(t, before, b.image.Digest(), "a handler changes nothing")
		if row.code != wire.None {
			require.Empty(t, rs, "nothing of a refused change")
		}
	}
}

// No change lets nobody in any more, whatever lets them in before it: what it takes away counts for nothing.
func TestNoAlterationLocksEverybodyOut(t *testing.T) {
	const most, overrides, some = "max.connections.per.ip", "max.connections.per.ip.overrides", "10.0.0.1:1"
	for _, row := range []struct {
		before []Change
		change Change
		code   wire.Code
	}{
		{[]Change{brokerChange("", put(overrides, some))}, brokerChange("", put(most, "0")), 0},
		{[]Change{brokerChange("", put(overrides, some))}, brokerChange("", put(most, "0"), unset(overrides)), wire.InvalidConfig},
		{[]Change{brokerChange("1", put(overrides, some))}, brokerChange("1", put(most, "0"), unset(overrides)), wire.InvalidConfig},
		{[]Change{brokerChange("1", put(overrides, some))}, Change{Kind: meta.ResourceBroker, Name: "1", Replace: true, Edits: []Edit{put(most, "0")}}, wire.InvalidConfig},
		{[]Change{brokerChange("1", put(overrides, some))}, brokerChange("", put(most, "0")), 0},
		{[]Change{brokerChange("1", put(overrides, some)), brokerChange("", put(most, "0"))}, brokerChange("1", unset(overrides)), wire.InvalidConfig},
		{[]Change{brokerChange("1", put(overrides, some)), brokerChange("", put(most, "0"))}, brokerChange("1", put(overrides, "10.0.0.1:0")), wire.InvalidConfig},
		{[]Change{brokerChange("1", put(overrides, some)), brokerChange("", put(overrides, some), put(most, "0"))}, brokerChange("1", unset(overrides)), 0},
	} {
		b := configBench()
		for i := range row.before {
			rs, got := b.AlterConfigs(&row.before[i])
			require.Equal(t, Altered{}, got)
			b.append(rs)
		}
		_, got := b.AlterConfigs(&row.change)
		require.Equal(t, row.code, got.Code, "%+v: %s", row, got.Message)
	}
}

// What an earlier build wrote of keys that are read from the file alone is not told as in force, keeps nothing else from being
// altered, and may be taken away.
func TestWhatIsReadAtTheStartIsNotToldOfTheLog(t *testing.T) {
	b := configBench()
	leftovers := []string{"ssl.client.auth", "listener.name.ssl.ssl.enabled.protocols", "listener.name.SSL.ssl.client.auth", "sasl.enabled.mechanisms"}
	var edits []Edit
	for _, key := range leftovers {
		text := "PLAIN"
		if strings.HasSuffix(key, "auth") {
			text = "required"
		}
		for _, name := range []string{"", "1"} {
			b.append([]meta.Record{&meta.ConfigRecord{ResourceType: meta.ResourceBroker, ResourceName: name, Name: key, Value: &text}})
		}
		edits = append(edits, unset(key))
	}
	layers := b.config.Layers(b.image)
	require.Empty(t, DescribeDefaultBroker(&layers, nil))
	for _, e := range DescribeBroker(&layers, Selected(leftovers)) {
		require.NotContains(t, e.Name, listenerPrefix)
		require.Equal(t, SourceDefault, e.Source, e.Name)
		require.True(t, e.ReadOnly)
		require.Len(t, e.Synonyms, 1)
	}
	for _, change := range []Change{brokerChange("1", put("log.retention.ms", "7")), brokerChange("1", edits...), brokerChange("", edits...)} {
		rs, got := b.AlterConfigs(&change)
		require.Equal(t, Altered{}, got)
		require.NotEmpty(t, rs)
		b.append(rs)
	}
	require.Zero(t, b.image.Configs(meta.ResourceBroker, "").Len())
}

// After each step: what the topic has of its own.
func TestListsAreAddedToAndTakenFrom(t *testing.T) {
	b := configBench()
	for _, step := range []struct {
		edit Edit
		text string
		set  bool
	}{
		{add("cleanup.policy", "compact"), "delete,compact", true},
		{add("cleanup.policy", "compact"), "delete,compact", true},
		{subtract("cleanup.policy", "compact"), "delete", true},
		{subtract("cleanup.policy", "delete,zzz"), "", true},
		{add("cleanup.policy", "compact,"), "compact", true},
		{unset("cleanup.policy"), "", false},
		{subtract("cleanup.policy", "delete"), "", true},
	} {
		change := topicChange("t", step.edit)
		rs, got := b.AlterConfigs(&change)
		require.Equal(t, Altered{}, got)
		b.append(rs)
		text, set := b.image.Topic("t").Configs.Find("cleanup.policy")
		require.Equal(t, step.set, set)
		require.Equal(t, step.text, text)
	}
}

func TestReplacingTakesBackWhatIsNotNamed(t *testing.T) {
	b := configBench()
	change := topicChange("t", put("retention.ms", "5"), put("segment.ms", "6"))
	rs, _ := b.AlterConfigs(&change)
	require.Len(t, rs, 2)
	b.append(rs)
	rs, _ = b.AlterConfigs(&change)
	require.Empty(t, rs, "nothing differs")
	change = Change{Kind: meta.ResourceTopic, Name: "t", Replace: true, Edits: []Edit{put("segment.ms", "6"), put("flush.messages", "9")}}
	rs, _ = b.AlterConfigs(&change)
	require.Len(t, rs, 2, "one more, one back; what stays needs no record")
	b.append(rs)
	require.Equal(t, []string{"flush.messages", "segment.ms"}, b.image.Topic("t").Configs.Keys())
	require.Equal(t, []bool{true, false, true}, Twice([]Change{topicChange("a"), topicChange("b"), topicChange("a")}))
}

// A broker's altered value is a topic's default at once, in what the controller judges and in what it shows.
func TestAlteredBrokersHandDown(t *testing.T) {
	b := configBench()
	alter := func(change Change) {
		rs, got := b.AlterConfigs(&change)
		require.Equal(t, Altered{}, got)
		b.append(rs)
	}
	alter(brokerChange("", put("log.retention.ms", "8888"), put("log.cleaner.max.compaction.lag.ms", "10")))
	alter(brokerChange("1", put("log.retention.ms", "7777")))
	entry := func() Entry {
		layers := b.config.Layers(b.image)
		all := DescribeTopic(&layers, &b.image.Topic("t").Configs, Selected([]string{"retention.ms"}), true)
		require.Len(t, all, 1)
		return all[0]
	}
	require.Equal(t, "7777", entry().Value)
	require.Equal(t, SourceBroker, entry().Source)
	require.Equal(t, []Synonym{{Name: "log.retention.ms", Value: "7777", Source: SourceBroker}, {Name: "log.retention.ms", Value: "8888", Source: SourceDefaultBroker},
		{Name: "log.retention.hours", Value: "168", Source: SourceDefault}}, entry().Synonyms)
	refused := topicChange("t", put("min.compaction.lag.ms", "11"))
	_, got := b.AlterConfigs(&refused)
	require.Equal(t, wire.InvalidConfig, got.Code, "judged against the altered default")
	alter(brokerChange("1", unset("log.retention.ms")))
	require.Equal(t, "8888", entry().Value)
	alter(topicChange("t", put("retention.ms", " 5 ")))
	require.Equal(t, "5", entry().Value)
	require.Equal(t, SourceTopic, entry().Source)
	alter(topicChange("t", unset("retention.ms")))
	alter(brokerChange("", unset("log.retention.ms"), unset("log.cleaner.max.compaction.lag.ms")))
	require.Equal(t, "604800000", entry().Value)
	require.Empty(t, b.image.Configs(meta.ResourceBroker, "").Keys())
	for range b.image.Configured(meta.ResourceBroker) {
		t.Fatal("a broker without configurations is listed")
	}
}

func TestDescribedBrokers(t *testing.T) {
	static, err := NewStatic(overrides("log.retention.hours", "100", "ssl.keystore.password", "secret", "num.partitions", " 3 ",
		"listener.name.inner.ssl.key.password", "secret", "log.cleanup.policy", "delete, compact").All())
	require.NoError(t, err)
	layers := static.Layers()
	layers.Cluster = overrides("message.max.bytes", "77", "ssl.key.password", "x")
	layers.Broker = overrides("message.max.bytes", "88")
	shown := map[string]Entry{}
	last := ""
	for _, e := range DescribeBroker(&layers, nil) {
		require.Less(t, last, e.Name)
		last, shown[e.Name] = e.Name, e
		require.NotEmpty(t, e.Documentation())
		require.NotContains(t, e.Value, "secret")
	}
	hidden := 0
	for _, key := range BrokerKeys() {
		if key.Mode == Hidden || key.Mode == Rate {
			hidden++
			require.NotContains(t, shown, key.Name)
		}
	}
	require.Len(t, shown, 341+3+2-hidden+1, "and the one of a listener")
	require.Equal(t, 320+1, len(shown), "Kafka 4.2 describes 320")
	require.Equal(t, "88", shown["message.max.bytes"].Value)
	require.Equal(t, []Synonym{{"message.max.bytes", "88", false, SourceBroker}, {"message.max.bytes", "77", false, SourceDefaultBroker}, {"message.max.bytes", "1048588", false, SourceDefault}}, shown["message.max.bytes"].Synonyms)
	require.Equal(t, "3", shown["num.partitions"].Value)
	require.True(t, shown["num.partitions"].ReadOnly && !shown["message.max.bytes"].ReadOnly)
	require.Equal(t, "delete,compact", shown["log.cleanup.policy"].Value)
	require.Equal(t, SourceStatic, shown["log.retention.hours"].Source)
	require.True(t, shown["log.retention.ms"].Null && shown["log.retention.ms"].Source == SourceDefault)
	require.True(t, shown["ssl.keystore.password"].Null && shown["ssl.keystore.password"].Sensitive && shown["ssl.keystore.password"].Source == SourceStatic)
	require.Equal(t, "0.5", shown["log.cleaner.min.cleanable.ratio"].Value)
	documented := func(key string) string { e := shown[key]; return e.Documentation() }
	require.Contains(t, documented("num.io.threads"), "no effect")
	require.NotContains(t, documented("message.max.bytes"), "no effect")
	defaults := DescribeDefaultBroker(&layers, nil)
	require.Len(t, defaults, 2)
	require.Equal(t, SourceDefaultBroker, defaults[0].Source)
	require.True(t, defaults[1].Null, "a password is shown to nobody")
	require.Len(t, DescribeBroker(&layers, Selected([]string{"num.partitions", "nope"})), 1)
}

// A group's default is the broker's value, told once, as a default.
func TestDescribedGroups(t *testing.T) {
	b := configBench()
	layers := Layers{Static: overrides("group.consumer.session.timeout.ms", "50000")}
	entry := func(key string) Entry {
		all := DescribeGroup(&layers, b.image, "g", Selected([]string{key}))
		require.Len(t, all, 1)
		require.Equal(t, []Synonym{{key, all[0].Value, false, all[0].Source}}, all[0].Synonyms)
		return all[0]
	}
	require.Equal(t, "50000", entry("consumer.session.timeout.ms").Value)
	require.Equal(t, SourceDefault, entry("consumer.session.timeout.ms").Source)
	require.Equal(t, "5000", entry("consumer.heartbeat.interval.ms").Value)
	change := Change{Kind: meta.ResourceGroup, Name: "g", Edits: []Edit{put("consumer.session.timeout.ms", "46000")}}
	rs, got := b.AlterConfigs(&change)
	require.Equal(t, wire.None, got.Code, got.Message)
	b.append(rs)
	require.Equal(t, "46000", entry("consumer.session.timeout.ms").Value)
	require.Equal(t, SourceGroup, entry("consumer.session.timeout.ms").Source)
}

// What bounds a consumer group's configurations is not said to have no effect.
func TestBoundsHaveAnEffect(t *testing.T) {
	for _, bound := range groupBounds() {
		key, known := FindBrokerKey(bound.broker)
		require.True(t, known, bound.broker)
		require.Equal(t, !strings.HasPrefix(bound.name, "consumer."), key.Idle, "%s: no other groups are served", bound.broker)
	}
}

// Whoever describes a resource is told what has no effect here: what share and streams groups would go by, and nothing else.
func TestIdleConfigurationsSaySo(t *testing.T) {
	image := meta.New()
	for _, e := range append(DescribeGroup(&Layers{}, image, "g", Selected(nil)), DescribeClientMetrics(image, "m", Selected(nil))...) {
		idle := strings.HasPrefix(e.Name, "share.") || strings.HasPrefix(e.Name, "streams.")
		require.Equal(t, idle, strings.HasSuffix(e.Documentation(), idleNote), e.Name)
	}
}

// What has no effect for a topic has none for a broker.
func TestEffectIsHandedDown(t *testing.T) {
	for _, key := range TopicKeys() {
		for _, s := range synonyms(key.Name) {
			broker, _ := FindBrokerKey(s.key)
			require.Equal(t, key.Idle, broker.Idle, "%s, %s", key.Name, s.key)
		}
	}
}

// Whatever is altered, replaying the records makes what was judged; what a topic comes to can always be resolved.
func TestAlterationsReplay(t *testing.T) {
	keys := []string{"retention.ms", "cleanup.policy", "segment.bytes", "min.compaction.lag.ms", "max.compaction.lag.ms", "compression.type", "nope"}
	values := []string{"1", "5", "compact", "delete", "1048576", "gzip", "", "-1"}
	rapid.Check(t, func(rt *rapid.T) {
		b := configBench()
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			change := Change{Kind: meta.ResourceTopic, Name: "t", Replace: rapid.Bool().Draw(rt, "replace")}
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID).Draw(rt, "keys") {
				value := rapid.SampledFrom(values).Draw(rt, "value")
				op := Put
				if !change.Replace {
					op = Op(rapid.IntRange(0, 3).Draw(rt, "op"))
				}
				change.Edits = append(change.Edits, Edit{key, op, &value})
			}
			rs, got := b.AlterConfigs(&change)
			require.True(t, got.Code == wire.None || len(rs) == 0)
			b.append(rs)
			require.NoError(t, Check(&b.defaults, &b.image.Topic("t").Configs), "%v", b.image.Topic("t").Configs)
		}
	})
}

func TestCreatePartitionsAsKafkaDoes(t *testing.T) {
	config := DefaultConfig()
	config.NodeID = 1
	b := newBench(config, 1)
	topics := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range []string{"p", "q"} {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 2, 1
		topics.Topics = append(topics.Topics, topic)
	}
	rs, _ := b.CreateTopics(topics)
	b.append(rs)
	type asked struct {
		name     string
		count    int32
		replicas [][]int32
	}
	ask := func(only bool, all ...asked) ([]string, int) {
		r := kmsg.NewPtrCreatePartitionsRequest()
		r.ValidateOnly = only
		for _, a := range all {
			topic := kmsg.NewCreatePartitionsRequestTopic()
			topic.Topic, topic.Count = a.name, a.count
			if a.replicas != nil {
				topic.Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
			}
			for _, replicas := range a.replicas {
				topic.Assignment = append(topic.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
			}
			r.Topics = append(r.Topics, topic)
		}
		rs, answer := b.CreatePartitions(r)
		b.append(rs)
		var got []string
		for _, topic := range answer.Topics {
			message := ""
			if topic.ErrorMessage != nil {
				message = *topic.ErrorMessage
			}
			got = append(got, fmt.Sprintf("%s %d %s", topic.Topic, topic.ErrorCode, message))
		}
		return got, len(rs)
	}
	for _, row := range []struct {
		only    bool
		asked   []asked
		want    []string
		records int
	}{
		{false, []asked{{"p", 3, nil}}, []string{"p 0 "}, 1},
		{false, []asked{{"p", 3, nil}}, []string{"p 37 Topic already has 3 partition(s)."}, 0},
		{false, []asked{{"p", 0, nil}}, []string{"p 37 The topic p currently has 3 partition(s); 0 would not be an increase."}, 0},
		{false, []asked{{"p", -1, nil}}, []string{"p 37 The topic p currently has 3 partition(s); -1 would not be an increase."}, 0},
		{false, []asked{{"p", 10_004, nil}, {"q", 3, nil}}, []string{"p 44 Excessively large number of partitions per request.", "q 44 Excessively large number of partitions per request."}, 0},
		{true, []asked{{"p", 8, nil}}, []string{"p 0 "}, 0},
		{false, []asked{{"p", 5, [][]int32{}}}, []string{"p 39 Attempted to add 2 additional partition(s), but only 0 assignment(s) were specified."}, 0},
		{false, []asked{{"p", 5, nil}}, []string{"p 0 "}, 2},
		{false, []asked{{"p", 7, [][]int32{{1}}}}, []string{"p 39 Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."}, 0},
		{false, []asked{{"p", 7, [][]int32{{1}, {2}}}}, []string{"p 39 The manual partition assignment includes broker 2, but no such broker is registered."}, 0},
		{false, []asked{{"p", 7, [][]int32{{1}, {1, 1}}}}, []string{"p 39 The manual partition assignment includes the broker 1 more than once."}, 0},
		{false, []asked{{"p", 7, [][]int32{{1}, {}}}}, []string{"p 39 The manual partition assignment includes an empty replica list."}, 0},
		{false, []asked{{"p", 7, [][]int32{{1}, {1}}}}, []string{"p 0 "}, 2},
		{false, []asked{{"p", 8, nil}, {"p", 9, nil}, {"q", 4, nil}, {"nope", 3, nil}, {"a/b", 3, nil}, {"", 3, nil}, {ClusterMetadata, 3, nil}},
			[]string{"p 42 Duplicate topic name.", "q 0 ", "nope 3 ", "a/b 3 ", " 3 ", "__cluster_metadata 3 "}, 2},
		{false, nil, nil, 0},
	} {
		got, records := ask(row.only, row.asked...)
		require.Equal(t, row.want, got)
		require.Equal(t, row.records, records)
	}
	require.Len(t, b.image.Topic("p").Partitions, 7)
	for i, p := range b.image.Topic("p").Partitions {
		require.Equal(t, meta.Partition{ID: int32(i), Replicas: []int32{1}, ISR: []int32{1}, Leader: 1, Directories: p.Directories}, p)
	}
}
