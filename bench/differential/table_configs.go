package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	set = iota
	reset
	add
	subtract
)

// topicConfigs are keys with values at and beyond their bounds.
var topicConfigs = func() (pairs [][2]string) {
	for key, values := range map[string][]string{
		"cleanup.policy":                          {"compact", "delete", "compact,delete", "compact, delete", "", "keep", "delete,delete", "Compact"},
		"compression.type":                        {"gzip", "snappy", "lz4", "zstd", "uncompressed", "producer", "none", "GZIP", ""},
		"compression.gzip.level":                  {"-1", "1", "9", "0", "10", "-2", "x"},
		"compression.lz4.level":                   {"1", "17", "0", "18", "9"},
		"compression.zstd.level":                  {"-131072", "22", "23", "-131073", "3"},
		"delete.retention.ms":                     {"0", "-1", "86400000"},
		"file.delete.delay.ms":                    {"0", "-1"},
		"flush.messages":                          {"1", "0", "9223372036854775807", "9223372036854775808"},
		"flush.ms":                                {"0", "-1", "1000"},
		"follower.replication.throttled.replicas": {"*", "0:1", "0:1,1:1", "0-1", "", "a:b"},
		"leader.replication.throttled.replicas":   {"*", "0:1,0:2", "x"},
		"index.interval.bytes":                    {"0", "-1", "2147483647", "2147483648"},
		"local.retention.ms":                      {"-2", "-1", "-3", "999999999999"},
		"local.retention.bytes":                   {"-2", "-1", "-3", "5"},
		"max.compaction.lag.ms":                   {"1", "0", "-1"},
		"max.message.bytes":                       {"0", "-1", "1048588", "2147483647"},
		"message.timestamp.after.max.ms":          {"0", "-1", "3600000"},
		"message.timestamp.before.max.ms":         {"0", "-1"},
		"message.timestamp.type":                  {"CreateTime", "createtime", "x"},
		"min.cleanable.dirty.ratio":               {"0", "1", "0.5", "1.1", "-0.1", "x", "1e-3", ".5"},
		"min.compaction.lag.ms":                   {"0", "-1", "5"},
		"min.insync.replicas":                     {"1", "0", "-1", "2"},
		"preallocate":                             {"true", "false", "TRUE", "yes", "", "1"},
		"remote.storage.enable":                   {"false", "true"},
		"remote.copy.disable":                     {"true", "false"},
		"remote.log.delete.on.disable":            {"true", "false"},
		"retention.bytes":                         {"-1", "0", "-2", "1000000"},
		"retention.ms":                            {"-1", "0", "-2", "1", "x", " 7 ", "+5", "0x10", "1.5", "1_000", ""},
		"segment.bytes":                           {"1048576", "1048575", "2147483647", "0"},
		"segment.index.bytes":                     {"4", "3", "10485760"},
		"segment.jitter.ms":                       {"0", "-1"},
		"segment.ms":                              {"1", "0", "604800000"},
		"unclean.leader.election.enable":          {"true", "false", "maybe"},
		"message.format.version":                  {"3.0"},
		"message.downconversion.enable":           {"true"},
		"no.such.key":                             {"1"},
		"internal.segment.bytes":                  {"1000"},
		"":                                        {"1"},
	} {
		for _, value := range values {
			pairs = append(pairs, [2]string{key, value})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0]+"="+a[1], b[0]+"="+b[1]) })
	return pairs
}()

var describeConfigsTable = rows("DescribeConfigs", 1, 4,
	row{name: "topics", run: func(s *side, v int16) {
		s.topic("t", 1, "retention.ms", "77", "cleanup.policy", "compact,delete", "max.message.bytes", "5000")
		s.ask("all keys", describeConfigs(kmsg.ConfigResourceTypeTopic, s.called("t")), v)
		r := describeConfigs(kmsg.ConfigResourceTypeTopic, s.called("t"), "retention.ms", "segment.bytes", "no.such.key")
		s.ask("three keys", r, v)
		r.IncludeSynonyms = false
		s.ask("without synonyms", r, v)
		r.IncludeDocumentation = true
		s.ask("with documentation", r, v)
		r.Resources[0].ConfigNames = []string{}
		s.ask("an empty list of keys", r, v)
		r.Resources[0].ConfigNames = []string{"retention.ms", "retention.ms"}
		s.ask("a key twice", r, v)
		r.Resources = append(r.Resources, r.Resources[0])
		s.ask("a topic twice", r, v)
		r.Resources = nil
		s.ask("nothing", r, v)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		const topic, broker, group = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeGroupConfig
		for _, each := range []struct {
			kind kmsg.ConfigResourceType
			name string
		}{{topic, s.called("no")}, {topic, "not a name"}, {topic, ""}, {0, "x"}, {7, "x"}, {127, "x"}, {broker, "2"}, {broker, "x"},
			{broker, "-1"}, {group, ""}, {kmsg.ConfigResourceTypeClientMetrics, "no"}, {kmsg.ConfigResourceTypeClientMetrics, ""},
			{kmsg.ConfigResourceTypeBrokerLogger, "2"}, {kmsg.ConfigResourceTypeBrokerLogger, "x"}} {
			s.ask(fmt.Sprintf("%d %q", each.kind, strings.ReplaceAll(each.name, s.prefix, "")), describeConfigs(each.kind, each.name), v)
		}
	}},
	row{name: "brokers", run: func(s *side, v int16) {
		s.ask("this one", describeConfigs(kmsg.ConfigResourceTypeBroker, "1"), v)
		s.ask("all", describeConfigs(kmsg.ConfigResourceTypeBroker, ""), v)
		s.ask("two keys", describeConfigs(kmsg.ConfigResourceTypeBroker, "1", "log.retention.ms", "num.partitions"), v)
	}},
	row{name: "groups", run: func(s *side, v int16) {
		s.ask("one that is none", describeConfigs(kmsg.ConfigResourceTypeGroupConfig, s.called("g")), v)
	}},
	row{name: "clients' metrics", run: func(s *side, v int16) {
		name := s.called("m")
		s.must(incremental(kmsg.ConfigResourceTypeClientMetrics, name, "interval.ms", set, "5000"), 1)
		s.settle()
		s.ask("one", describeConfigs(kmsg.ConfigResourceTypeClientMetrics, name), v)
	}},
)

// after describes what an alteration has left.
func (s *side) after(kind kmsg.ConfigResourceType, name string, keys ...string) {
	s.settle()
	s.ask("afterwards", describeConfigs(kind, name, keys...), 4)
}

var alterConfigsTable = rows("AlterConfigs", 0, 2,
	row{name: "topics", run: func(s *side, v int16) {
		const topic = kmsg.ConfigResourceTypeTopic
		s.topic("t", 1, "retention.ms", "77")
		name := s.called("t")
		s.ask("one key", alterConfigs(topic, name, "segment.ms", "1000"), v)
		s.after(topic, name, "segment.ms", "retention.ms")
		s.ask("bad and good", alterConfigs(topic, name, "segment.ms", "0", "retention.ms", "3"), v)
		s.after(topic, name, "segment.ms", "retention.ms")
		s.ask("null", alterConfigs(topic, name, "segment.ms", nil), v)
		s.ask("unknown key", alterConfigs(topic, name, "no.such.key", "1"), v)
		s.ask("a key twice", alterConfigs(topic, name, "segment.ms", "5", "segment.ms", "6"), v)
		dry := alterConfigs(topic, name, "segment.ms", "9")
		dry.ValidateOnly = true
		s.ask("validate only", dry, v)
		s.after(topic, name, "segment.ms", "retention.ms")
		s.ask("no keys", alterConfigs(topic, name), v)
		s.after(topic, name, "segment.ms", "retention.ms")
		twice := alterConfigs(topic, name, "segment.ms", "10")
		twice.Resources = append(twice.Resources, alterConfigs(topic, name, "segment.ms", "11").Resources...)
		s.ask("a topic twice", twice, v)
		twice.Resources = nil
		s.ask("nothing", twice, v)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		unknownResources(s, func(kind kmsg.ConfigResourceType, name string) kmsg.Request {
			return alterConfigs(kind, name, "retention.ms", "1")
		}, v)
	}},
)

// forget takes back what a case has altered of the broker.
func (s *side) forget() {
	for _, name := range []string{"1", ""} {
		for _, key := range []string{"no.such.key", "retention.ms", "log.retention.ms", "num.partitions", "log.cleanup.policy"} {
			s.must(incremental(kmsg.ConfigResourceTypeBroker, name, key, reset, nil), 1)
		}
	}
	s.settle()
}

// unknownResources alters what is not there.
func unknownResources(s *side, request func(kind kmsg.ConfigResourceType, name string) kmsg.Request, v int16) {
	const topic, broker, group = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeGroupConfig
	for _, each := range []struct {
		kind kmsg.ConfigResourceType
		name string
	}{{topic, s.called("no")}, {topic, "not a name"}, {topic, ""}, {0, "x"}, {7, "x"}, {127, "x"}, {broker, "2"}, {broker, "x"}, {broker, "1"},
		{group, ""}, {group, s.called("g")}, {kmsg.ConfigResourceTypeClientMetrics, s.called("m")}, {kmsg.ConfigResourceTypeClientMetrics, ""}} {
		s.ask(fmt.Sprintf("%d %q", each.kind, strings.ReplaceAll(each.name, s.prefix, "")), request(each.kind, each.name), v)
	}
	s.forget()
}

var incrementalTable = rows("IncrementalAlterConfigs", 0, 1,
	row{name: "operations", run: func(s *side, v int16) {
		const topic = kmsg.ConfigResourceTypeTopic
		s.topic("t", 1, "retention.ms", "77")
		name := s.called("t")
		for _, change := range [][]any{
			{"segment.ms", set, "1000"}, {"segment.ms", set, "0"}, {"segment.ms", set, nil}, {"segment.ms", reset, nil},
			{"segment.ms", reset, "5"}, {"retention.ms", reset, ""}, {"no.such.key", set, "1"}, {"no.such.key", reset, nil},
			{"no.such.key", add, "1"}, {"segment.ms", add, "1"}, {"segment.ms", subtract, "1"}, {"segment.ms", 4, "1"}, {"segment.ms", -1, "1"},
			{"cleanup.policy", add, "compact"}, {"cleanup.policy", add, "compact"}, {"cleanup.policy", subtract, "delete"},
			{"cleanup.policy", subtract, "delete"}, {"cleanup.policy", subtract, "compact"}, {"cleanup.policy", add, "nonsense"},
			{"cleanup.policy", add, nil}, {"cleanup.policy", add, ""}, {"cleanup.policy", add, "delete,compact"}, {"cleanup.policy", subtract, "compact,delete"},
			{"segment.ms", set, "5", "segment.ms", set, "6"}, {"segment.ms", set, "5", "segment.ms", reset, nil},
			{"segment.ms", set, "5", "retention.ms", set, "-9"}, {"segment.ms", set, "7", "retention.ms", set, "8"},
			{"leader.replication.throttled.replicas", add, "0:1"}, {"leader.replication.throttled.replicas", add, "1:1"},
			{"leader.replication.throttled.replicas", subtract, "0:1"}, {"leader.replication.throttled.replicas", subtract, "0:1,1:1"},
		} {
			s.ask(fmt.Sprint(change), incremental(topic, name, change...), v)
			s.after(topic, name, "segment.ms", "retention.ms", "cleanup.policy", "leader.replication.throttled.replicas")
		}
		s.ask("nothing of it", incremental(topic, name), v)
		dry := incremental(topic, name, "segment.ms", set, "9")
		dry.ValidateOnly = true
		s.ask("validate only", dry, v)
		s.after(topic, name, "segment.ms")
		twice := incremental(topic, name, "segment.ms", set, "10")
		twice.Resources = append(twice.Resources, incremental(topic, name, "segment.ms", set, "11").Resources...)
		s.ask("a topic twice", twice, v)
		twice.Resources = nil
		s.ask("nothing", twice, v)
	}},
	row{name: "values", until: 0, since: 1, run: func(s *side, v int16) {
		const topic = kmsg.ConfigResourceTypeTopic
		s.topic("t", 1)
		name := s.called("t")
		for _, each := range topicConfigs {
			s.ask(fmt.Sprintf("%s=%s", each[0], each[1]), incremental(topic, name, each[0], set, each[1]), v)
		}
		s.after(topic, name)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		unknownResources(s, func(kind kmsg.ConfigResourceType, name string) kmsg.Request {
			return incremental(kind, name, "retention.ms", set, "1")
		}, v)
	}},
	row{name: "groups and clients' metrics", run: func(s *side, v int16) {
		const group, metrics = kmsg.ConfigResourceTypeGroupConfig, kmsg.ConfigResourceTypeClientMetrics
		for _, change := range [][]any{{"consumer.session.timeout.ms", set, "46000"}, {"consumer.session.timeout.ms", set, "1"},
			{"consumer.heartbeat.interval.ms", set, "6000"}, {"no.such.key", set, "1"}, {"consumer.session.timeout.ms", reset, nil}} {
			s.ask(fmt.Sprint("group ", change), incremental(group, s.called("g"), change...), v)
			s.after(group, s.called("g"))
		}
		for _, change := range [][]any{{"interval.ms", set, "99"}, {"interval.ms", set, "100"}, {"interval.ms", set, "3600001"},
			{"metrics", set, "a,b"}, {"metrics", add, "c"}, {"match", set, "client_id=x.*"}, {"match", set, "nonsense"}, {"match", set, "no_such=x"},
			{"no.such.key", set, "1"}, {"interval.ms", reset, nil}, {"metrics", reset, nil}, {"match", reset, nil}} {
			s.ask(fmt.Sprint("metrics ", change), incremental(metrics, s.called("m"), change...), v)
			s.after(metrics, s.called("m"))
		}
	}},
	row{name: "brokers", run: func(s *side, v int16) {
		for _, name := range []string{"1", ""} {
			for _, change := range [][]any{{"log.retention.ms", set, "86400000"}, {"log.retention.ms", set, "-2"}, {"log.retention.ms", reset, nil},
				{"node.id", set, "2"}, {"process.roles", set, "broker"}, {"no.such.key", set, "1"}, {"log.cleanup.policy", add, "compact"},
				{"log.cleanup.policy", reset, nil}, {"message.max.bytes", set, "x"}, {"log.segment.bytes", set, "1"}, {"num.io.threads", set, "9"},
				{"num.io.threads", reset, nil}, {"log.message.timestamp.type", set, "nonsense"}, {"num.partitions", set, "4"}} {
				s.ask(fmt.Sprintf("of %q %v", name, change), incremental(kmsg.ConfigResourceTypeBroker, name, change...), v)
			}
		}
		s.after(kmsg.ConfigResourceTypeBroker, "1", "log.retention.ms", "log.cleanup.policy", "num.io.threads")
		s.forget()
	}},
)

var listResourcesTable = rows("ListConfigResources", 0, 1,
	row{name: "kinds", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.must(incremental(kmsg.ConfigResourceTypeClientMetrics, s.called("m"), "interval.ms", set, "5000"), 1)
		s.must(incremental(kmsg.ConfigResourceTypeGroupConfig, s.called("g"), "consumer.session.timeout.ms", set, "46000"), 1)
		s.settle()
		for _, kinds := range [][]int8{nil, {}, {2}, {4}, {8}, {16}, {32}, {2, 16}, {16, 16}, {0}, {7}, {2, 7}, {-1}} {
			r := kmsg.NewPtrListConfigResourcesRequest()
			r.ResourceTypes = kinds
			s.ask(fmt.Sprint(kinds), r, v)
		}
	}},
)
