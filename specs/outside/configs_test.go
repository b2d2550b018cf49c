package outside

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topics, brokers, loggers, metrics, groups = 2, 4, 8, 16, 32
	set, unset, add, subtract                 = 0, 1, 2, 3

	fromTopic, fromBroker, fromAllBrokers, fromStart, fromDefault, fromMetrics, fromGroup = 1, 2, 3, 4, 5, 7, 8

	unsupportedVersion = 35
)

// resource is one resource of a request; edits are key, value pairs, or keys to be described.
type resource struct {
	kind  int8
	name  string
	edits []edit
}

type edit struct {
	key   string
	how   int8
	value *string
}

func to(key, value string) edit { return edit{key, set, &value} }

func alterIncrementally(only bool, all ...resource) *kmsg.IncrementalAlterConfigsRequest {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.ValidateOnly = only
	for _, x := range all {
		y := kmsg.NewIncrementalAlterConfigsRequestResource()
		y.ResourceType, y.ResourceName = kmsg.ConfigResourceType(x.kind), x.name
		for _, e := range x.edits {
			y.Configs = append(y.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: e.key, Op: kmsg.IncrementalAlterConfigOp(e.how), Value: e.value})
		}
		r.Resources = append(r.Resources, y)
	}
	return r
}

// altered asks for it and returns the codes.
func altered(t *testing.T, c *Client, version int16, only bool, all ...resource) (codes []int16) {
	t.Helper()
	for _, x := range c.Ask(t, alterIncrementally(only, all...), version).(*kmsg.IncrementalAlterConfigsResponse).Resources {
		require.Equal(t, x.ErrorCode == 0, x.ErrorMessage == nil)
		codes = append(codes, x.ErrorCode)
	}
	return codes
}

func replaced(t *testing.T, c *Client, version int16, only bool, all ...resource) (codes []int16) {
	t.Helper()
	r := kmsg.NewPtrAlterConfigsRequest()
	r.ValidateOnly = only
	for _, x := range all {
		y := kmsg.NewAlterConfigsRequestResource()
		y.ResourceType, y.ResourceName = kmsg.ConfigResourceType(x.kind), x.name
		for _, e := range x.edits {
			y.Configs = append(y.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: e.key, Value: e.value})
		}
		r.Resources = append(r.Resources, y)
	}
	for _, x := range c.Ask(t, r, version).(*kmsg.AlterConfigsResponse).Resources {
		codes = append(codes, x.ErrorCode)
	}
	return codes
}

type described = kmsg.DescribeConfigsResponseResourceConfig

// describe asks for one resource, with everything, and returns code and configurations by key.
func describe(t *testing.T, c *Client, version int16, kind int8, name string, keys ...string) (int16, map[string]described) {
	t.Helper()
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.IncludeSynonyms, r.IncludeDocumentation = true, true
	x := kmsg.NewDescribeConfigsRequestResource()
	x.ResourceType, x.ResourceName, x.ConfigNames = kmsg.ConfigResourceType(kind), name, keys
	r.Resources = append(r.Resources, x)
	answer := c.Ask(t, r, version).(*kmsg.DescribeConfigsResponse).Resources
	require.Len(t, answer, 1)
	require.Equal(t, name, answer[0].ResourceName)
	all := map[string]described{}
	for _, config := range answer[0].Configs {
		require.NotContains(t, all, config.Name)
		all[config.Name] = config
	}
	return answer[0].ErrorCode, all
}

func valueOf(t *testing.T, c *Client, kind int8, name, key string) (value string, source int8) {
	t.Helper()
	code, all := describe(t, c, 4, kind, name, key)
	require.Zero(t, code)
	require.Contains(t, all, key)
	if all[key].Value == nil {
		return "null", int8(all[key].Source)
	}
	return *all[key].Value, int8(all[key].Source)
}

func partitions(t *testing.T, c *Client, version int16, only bool, topic string, count int32, assignments ...[]int32) int16 {
	t.Helper()
	r := kmsg.NewPtrCreatePartitionsRequest()
	r.TimeoutMillis, r.ValidateOnly = 10_000, only
	x := kmsg.NewCreatePartitionsRequestTopic()
	x.Topic, x.Count = topic, count
	for _, replicas := range assignments {
		x.Assignment = append(x.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
	}
	r.Topics = append(r.Topics, x)
	answer := c.Ask(t, r, version).(*kmsg.CreatePartitionsResponse).Topics
	require.Len(t, answer, 1)
	return answer[0].ErrorCode
}

func produced(t *testing.T, c *Client, topic string, partition int32, records []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	return partitionOf(c.Ask(t, Produce(topic, [16]byte{}, partition, -1, records), 9))
}

// TestDescribeConfigs walks its versions: a topic's, by source, with what was set through CreateTopics; brokers; errors.
func TestDescribeConfigs(t *testing.T) {
	n := start(t, "--set", "log.retention.hours=100", "--set", "message.max.bytes=2000", "--set", "ssl.key.password=secret")
	c := Dial(t, n)
	Create(t, c, "t", "segment.ms", " 777 ", "preallocate", "TRUE")
	for version := int16(1); version <= 4; version++ {
		code, all := describe(t, c, version, topics, "t")
		require.Zero(t, code)
		require.Len(t, all, 33)
		for key, want := range map[string]struct {
			value    string
			source   int8
			kind     int8
			synonyms int
		}{
			"segment.ms": {"777", fromTopic, 5, 2}, "preallocate": {"true", fromTopic, 1, 2}, "max.message.bytes": {"2000", fromStart, 3, 2},
			"retention.ms": {"360000000", fromStart, 5, 2}, "flush.messages": {"1", fromDefault, 5, 1}, "cleanup.policy": {"delete", fromDefault, 7, 1},
			"remote.storage.enable": {"false", fromDefault, 1, 0}, "min.cleanable.dirty.ratio": {"0.5", fromDefault, 6, 1}, "compression.type": {"producer", fromDefault, 2, 1},
		} {
			got := all[key]
			require.Equal(t, want.value, *got.Value, key)
			require.EqualValues(t, want.source, got.Source, key)
			require.Len(t, got.ConfigSynonyms, want.synonyms, key)
			require.False(t, got.ReadOnly || got.IsSensitive, key)
			if version >= 3 {
				require.EqualValues(t, want.kind, got.ConfigType, key)
				require.NotEmpty(t, *got.Documentation, key)
			} else {
				require.Nil(t, got.Documentation)
			}
		}
		code, all = describe(t, c, version, brokers, "1")
		require.Zero(t, code)
		require.Len(t, all, 320)
		require.Equal(t, "2000", *all["message.max.bytes"].Value)
		require.EqualValues(t, fromStart, all["node.id"].Source)
		require.True(t, all["node.id"].ReadOnly && !all["message.max.bytes"].ReadOnly)
		require.True(t, all["ssl.key.password"].IsSensitive && all["ssl.key.password"].Value == nil)
		require.Contains(t, *all["listeners"].Value, "127.0.0.1")
		code, all = describe(t, c, version, topics, "t", "segment.ms", "no.such.key")
		require.Zero(t, code)
		require.Len(t, all, 1, "what does not exist is left out")
		for _, row := range []struct {
			kind int8
			name string
			code int16
		}{{topics, "nope", unknownTopic}, {topics, "a/b", invalidTopic}, {topics, "", invalidTopic}, {0, "x", invalidRequest}, {7, "x", invalidRequest},
			{brokers, "2", invalidRequest}, {brokers, "x", invalidRequest}, {brokers, "", 0}, {loggers, "", invalidRequest}, {loggers, "2", invalidRequest},
			{loggers, "x", invalidRequest}, {loggers, "1", 0}, {groups, "", invalidRequest}, {groups, "none", 0}, {metrics, "", invalidRequest}, {metrics, "none", 0}} {
			code, _ := describe(t, c, version, row.kind, row.name)
			require.Equal(t, row.code, code, "%+v, v%d", row, version)
		}
	}
	bare := kmsg.NewPtrDescribeConfigsRequest()
	for range 2 {
		bare.Resources = append(bare.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: topics, ResourceName: "t", ConfigNames: []string{}})
	}
	answer := c.Ask(t, bare, 4).(*kmsg.DescribeConfigsResponse).Resources
	require.Len(t, answer, 2, "asked twice, answered twice")
	require.Len(t, answer[1].Configs, 33, "an empty list of keys is all")
	require.Empty(t, answer[0].Configs[0].ConfigSynonyms)
	require.Nil(t, answer[0].Configs[0].Documentation)
	n.Stop(t)
}

// TestAlterConfigs walks its versions: what is not named goes; the effect is seen by a producer.
func TestAlterConfigs(t *testing.T) {
	c := Dial(t, start(t))
	Create(t, c, "t")
	for version := int16(0); version <= 2; version++ {
		require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
		require.Equal(t, []int16{0}, replaced(t, c, version, true, resource{topics, "t", []edit{to("max.message.bytes", "60")}}))
		require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode, "that was a question")
		require.Equal(t, []int16{0}, replaced(t, c, version, false, resource{topics, "t", []edit{to("max.message.bytes", "60"), to("segment.ms", "777")}}))
		require.EqualValues(t, messageTooLarge, produced(t, c, "t", 0, Three()).ErrorCode)
		require.Equal(t, []int16{0}, replaced(t, c, version, false, resource{topics, "t", []edit{to("segment.ms", "888")}}))
		require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
		value, source := valueOf(t, c, topics, "t", "segment.ms")
		require.Equal(t, "888", value)
		require.EqualValues(t, fromTopic, source)
		for _, row := range []struct {
			resource resource
			code     int16
		}{
			{resource{topics, "t", []edit{to("segment.ms", "9"), to("segment.ms", "9")}}, invalidRequest},
			{resource{topics, "t", []edit{{"segment.ms", set, nil}}}, invalidRequest},
			{resource{topics, "t", []edit{to("nope", "1")}}, invalidConfig},
			{resource{topics, "t", []edit{to("segment.ms", "0")}}, invalidConfig},
			{resource{topics, "nope", []edit{to("segment.ms", "9")}}, unknownTopic},
			{resource{topics, "", nil}, invalidRequest},
			{resource{topics, "a/b", nil}, invalidTopic},
			{resource{loggers, "1", []edit{to("root", "INFO")}}, invalidRequest},
			{resource{0, "1", nil}, invalidRequest},
			{resource{7, "1", nil}, invalidRequest},
			{resource{brokers, "1", []edit{to("node.id", "5")}}, invalidRequest},
			{resource{brokers, "2", nil}, invalidRequest},
			{resource{groups, "", nil}, invalidRequest},
		} {
			require.Equal(t, []int16{row.code}, replaced(t, c, version, false, row.resource), "%+v, v%d", row.resource, version)
		}
		twice := resource{topics, "t", []edit{to("segment.ms", "9")}}
		require.Equal(t, []int16{invalidRequest, invalidRequest}, replaced(t, c, version, false, twice, twice))
		require.Equal(t, []int16{0, 0}, replaced(t, c, version, false, resource{topics, "t", nil}, resource{brokers, "1", nil}))
		_, source = valueOf(t, c, topics, "t", "segment.ms")
		require.EqualValues(t, fromDefault, source)
	}
}

// TestIncrementalAlterConfigs walks its versions and its four ways; nothing of a change with a fault in it is done.
func TestIncrementalAlterConfigs(t *testing.T) {
	c := Dial(t, start(t))
	Create(t, c, "t")
	Create(t, c, "u")
	for version := int16(0); version <= 1; version++ {
		topic := func(edits ...edit) resource { return resource{topics, "t", edits} }
		compact, both := "compact", "delete,compact"
		keyless := Batch(kmsg.Record{Value: []byte("v"), OffsetDelta: -1})
		require.Zero(t, produced(t, c, "t", 0, keyless).ErrorCode)
		require.Equal(t, []int16{0}, altered(t, c, version, false, topic(edit{"cleanup.policy", add, &compact})))
		value, source := valueOf(t, c, topics, "t", "cleanup.policy")
		require.Equal(t, both, value)
		require.EqualValues(t, fromTopic, source)
		require.EqualValues(t, invalidRecord, produced(t, c, "t", 0, keyless).ErrorCode, "a compacted topic wants keys")
		require.Equal(t, []int16{0}, altered(t, c, version, false, topic(edit{"cleanup.policy", subtract, &compact})))
		require.Zero(t, produced(t, c, "t", 0, keyless).ErrorCode)
		require.Equal(t, []int16{0}, altered(t, c, version, false, topic(edit{"cleanup.policy", subtract, &both})))
		value, source = valueOf(t, c, topics, "t", "cleanup.policy")
		require.Empty(t, value)
		require.EqualValues(t, fromTopic, source, "nothing is not the default")
		require.Equal(t, []int16{0}, altered(t, c, version, false, topic(edit{"cleanup.policy", unset, nil})))
		value, source = valueOf(t, c, topics, "t", "cleanup.policy")
		require.Equal(t, "delete", value)
		require.EqualValues(t, fromDefault, source)

		require.Equal(t, []int16{0}, altered(t, c, version, true, topic(to("retention.ms", "5"))))
		require.Equal(t, []int16{invalidConfig}, altered(t, c, version, true, topic(to("retention.ms", "soon"))))
		require.Equal(t, []int16{invalidConfig}, altered(t, c, version, false, topic(to("retention.ms", "5"), to("segment.bytes", "1"))))
		_, source = valueOf(t, c, topics, "t", "retention.ms")
		require.EqualValues(t, fromDefault, source)
		for _, row := range []struct {
			resource resource
			code     int16
		}{
			{topic(edit{"retention.ms", set, nil}), invalidRequest},
			{topic(to("nope", "1")), invalidConfig},
			{topic(edit{"nope", unset, nil}), 0},
			{topic(edit{"retention.ms", add, &compact}), invalidConfig},
			{topic(edit{"retention.ms", 4, &compact}), invalidRequest},
			{topic(to("retention.ms", "1"), to("retention.ms", "1")), invalidRequest},
			{topic(to("remote.storage.enable", "true")), invalidConfig},
			{resource{topics, "none", []edit{to("retention.ms", "7")}}, unknownTopic},
			{resource{topics, "a/b", nil}, invalidTopic},
			{resource{topics, "", nil}, invalidRequest},
			{resource{0, "x", nil}, invalidRequest},
			{resource{loggers, "1", []edit{to("root", "INFO")}}, invalidConfig},
			{resource{loggers, "2", nil}, invalidRequest},
			{resource{brokers, "2", nil}, invalidRequest},
			{resource{brokers, "x", nil}, invalidRequest},
			{resource{brokers, "1", []edit{to("node.id", "7")}}, invalidRequest},
			{resource{brokers, "1", []edit{to("log.segment.bytes", "x")}}, invalidRequest},
			{resource{brokers, "1", []edit{to("no.such.key", "x")}}, invalidConfig},
			{resource{brokers, "", []edit{to("listener.name.x.ssl.keystore.location", "/x")}}, invalidRequest},
			{resource{groups, "g", []edit{to("consumer.session.timeout.ms", "1")}}, invalidConfig},
			{resource{groups, "", nil}, invalidRequest},
			{resource{metrics, "m", []edit{to("interval.ms", "1")}}, invalidRequest},
			{resource{metrics, "m", []edit{to("match", "x")}}, invalidConfig},
			{resource{metrics, "", nil}, invalidRequest},
		} {
			require.Equal(t, []int16{row.code}, altered(t, c, version, false, row.resource), "%+v, v%d", row.resource, version)
		}
		require.Equal(t, []int16{invalidRequest, 0, invalidRequest}, altered(t, c, version, false, topic(), resource{topics, "u", []edit{to("segment.ms", "5")}}, topic()))
		value, _ = valueOf(t, c, topics, "u", "segment.ms")
		require.Equal(t, "5", value, "what is in order is done")
		require.Empty(t, altered(t, c, version, false))
	}
}

// TestAlterationsOfBrokers: for one or for all, they are topics' defaults at once, and again after the process was killed.
func TestAlterationsOfBrokers(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir, "--set", "message.max.bytes=5000")
	c := Dial(t, n)
	Create(t, c, "t")
	Create(t, c, "own", "max.message.bytes", "6000")
	large := Batch(Record("k", string(make([]byte, 3000))))
	require.Zero(t, produced(t, c, "t", 0, large).ErrorCode)
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{brokers, "", []edit{to("message.max.bytes", "1000"), to("log.segment.bytes", "2000000")}}))
	require.EqualValues(t, messageTooLarge, produced(t, c, "t", 0, large).ErrorCode)
	require.Zero(t, produced(t, c, "own", 0, large).ErrorCode, "a topic's own value is stronger")
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{brokers, "1", []edit{to("message.max.bytes", "4000")}}))
	require.Zero(t, produced(t, c, "t", 0, large).ErrorCode)

	check := func(c *Client) {
		_, all := describe(t, c, 4, topics, "t", "max.message.bytes")
		got := all["max.message.bytes"]
		require.Equal(t, "4000", *got.Value)
		var sources []int8
		for _, s := range got.ConfigSynonyms {
			require.Equal(t, "message.max.bytes", s.Name)
			sources = append(sources, int8(s.Source))
		}
		require.Equal(t, []int8{fromBroker, fromAllBrokers, fromStart, fromDefault}, sources)
		_, all = describe(t, c, 4, brokers, "")
		require.Len(t, all, 2)
		value, source := valueOf(t, c, brokers, "1", "log.segment.bytes")
		require.Equal(t, "2000000", value)
		require.EqualValues(t, fromAllBrokers, source)
	}
	check(c)
	n.Kill()
	n = Start(t, binaryPath, dir, "--set", "message.max.bytes=5000")
	c = Dial(t, n)
	check(c)
	require.EqualValues(t, messageTooLarge, produced(t, c, "t", 0, Batch(Record("k", string(make([]byte, 4500))))).ErrorCode)
	Create(t, c, "new")
	value, _ := valueOf(t, c, topics, "new", "segment.bytes")
	require.Equal(t, "2000000", value)
	require.Equal(t, []int16{0, 0}, altered(t, c, 1, false, resource{brokers, "1", []edit{{"message.max.bytes", unset, nil}}},
		resource{brokers, "", []edit{{"message.max.bytes", unset, nil}, {"log.segment.bytes", unset, nil}}}))
	value, source := valueOf(t, c, topics, "t", "max.message.bytes")
	require.Equal(t, "5000", value)
	require.EqualValues(t, fromStart, source)
	n.Stop(t)
}

// TestAlterationsReachRunningPartitions: segments, indexes, times.
func TestAlterationsReachRunningPartitions(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	c := Dial(t, n)
	Create(t, c, "t")
	segments := func() int {
		files, err := filepath.Glob(filepath.Join(dir, "t-0", "*.log"))
		require.NoError(t, err)
		return len(files)
	}
	for range 5 {
		require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
	}
	require.Equal(t, 1, segments())
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{to("internal.segment.bytes", "150"), to("index.interval.bytes", "0")}}))
	for range 5 {
		require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
	}
	require.Equal(t, 6, segments(), "a segment a batch")
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{{"internal.segment.bytes", unset, nil}, to("segment.ms", "60000")}}))
	require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
	require.Zero(t, produced(t, c, "t", 0, timed(30*time.Minute)).ErrorCode)
	require.GreaterOrEqual(t, segments(), 7, "half an hour is more than a minute")

	require.EqualValues(t, -1, produced(t, c, "t", 0, Three()).LogAppendTime)
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{to("message.timestamp.type", "LogAppendTime")}}))
	require.Positive(t, produced(t, c, "t", 0, Three()).LogAppendTime)
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{{"message.timestamp.type", unset, nil}, to("message.timestamp.before.max.ms", "1000")}}))
	require.EqualValues(t, invalidTimestamp, produced(t, c, "t", 0, timed(-time.Hour)).ErrorCode)

	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{to("flush.messages", "9223372036854775807")}}))
	require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{{"flush.messages", unset, nil}}}))
	require.Zero(t, produced(t, c, "t", 0, Three()).ErrorCode)
	end := End(t, c, "t", 0)
	checkAll := func() {
		for at := int64(0); at < end; {
			stored := Stored(t, c, "t", 0, at)
			next := int64(binary.BigEndian.Uint64(stored[:8])) // of the first batch; what follows may be more
			require.Equal(t, at, next)
			at += 1 + int64(binary.BigEndian.Uint32(stored[AtLastOffsetDelta:]))
		}
	}
	checkAll()
	n.Kill()
	n = Start(t, binaryPath, dir)
	c = Dial(t, n)
	require.Equal(t, end, End(t, c, "t", 0))
	checkAll()
	n.Stop(t)
	_, err := os.Stat(filepath.Join(dir, ".kafka_cleanshutdown"))
	require.NoError(t, err)
}

// TestCreatePartitions walks its versions: new ones take records at once, and are there after a kill.
func TestCreatePartitions(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	c := Dial(t, n)
	Create(t, c, "t", "max.message.bytes", "500")
	count := int32(1)
	for version := int16(0); version <= 3; version++ {
		require.Zero(t, partitions(t, c, version, true, "t", count+1))
		require.EqualValues(t, unknownTopic, produced(t, c, "t", count, Three()).ErrorCode, "that was a question")
		require.Zero(t, partitions(t, c, version, false, "t", count+2))
		require.Zero(t, produced(t, c, "t", count, Three()).ErrorCode)
		require.Zero(t, produced(t, c, "t", count+1, Three()).ErrorCode)
		require.EqualValues(t, messageTooLarge, produced(t, c, "t", count+1, Batch(Record("k", string(make([]byte, 600))))).ErrorCode)
		count += 2
		found := c.Ask(t, kmsg.NewPtrMetadataRequest(), 9).(*kmsg.MetadataResponse).Topics[0].Partitions
		require.Len(t, found, int(count))
		for _, row := range []struct {
			topic       string
			count       int32
			assignments [][]int32
			code        int16
		}{
			{"t", count, nil, invalidPartitions}, {"t", 1, nil, invalidPartitions}, {"t", 0, nil, invalidPartitions}, {"t", -1, nil, invalidPartitions},
			{"t", count + 10_001, nil, policyViolation}, {"t", 1<<31 - 1, nil, policyViolation},
			{"t", count + 2, [][]int32{{1}}, invalidAssignment}, {"t", count + 1, [][]int32{{2}}, invalidAssignment},
			{"t", count + 1, [][]int32{{1, 1}}, invalidAssignment}, {"t", count + 1, [][]int32{{}}, invalidAssignment},
			{"nope", 3, nil, unknownTopic}, {"a/b", 3, nil, unknownTopic}, {"", 3, nil, unknownTopic},
		} {
			require.Equal(t, row.code, partitions(t, c, version, false, row.topic, row.count, row.assignments...), "%+v, v%d", row, version)
		}
	}
	require.Zero(t, partitions(t, c, 3, false, "t", count+1, []int32{1}))
	count++
	twice := kmsg.NewPtrCreatePartitionsRequest()
	for range 2 {
		twice.Topics = append(twice.Topics, kmsg.CreatePartitionsRequestTopic{Topic: "t", Count: count + 5})
	}
	answer := c.Ask(t, twice, 3).(*kmsg.CreatePartitionsResponse).Topics
	require.Len(t, answer, 1)
	require.EqualValues(t, invalidRequest, answer[0].ErrorCode)
	require.Zero(t, produced(t, c, "t", count-1, Three()).ErrorCode)
	n.Kill()
	n = Start(t, binaryPath, dir)
	c = Dial(t, n)
	for p := int32(1); p < count; p++ {
		require.EqualValues(t, 3, End(t, c, "t", p))
	}
	n.Stop(t)
}

// TestListConfigResources walks its versions.
func TestListConfigResources(t *testing.T) {
	c := Dial(t, start(t))
	list := func(version int16, kinds ...int8) (int16, []string) {
		r := kmsg.NewPtrListConfigResourcesRequest()
		r.ResourceTypes = kinds
		answer := c.Ask(t, r, version).(*kmsg.ListConfigResourcesResponse)
		names := []string{}
		for _, x := range answer.ConfigResources {
			names = append(names, fmt.Sprintf("%d %s", x.Type, x.Name))
		}
		return answer.ErrorCode, names
	}
	listed := func(version int16, want []string, kinds ...int8) {
		t.Helper()
		code, names := list(version, kinds...)
		require.Zero(t, code)
		require.Equal(t, want, names)
	}
	listed(0, []string{})
	listed(1, []string{"8 1", "4 1"})
	Create(t, c, "t")
	require.Equal(t, []int16{0, 0}, altered(t, c, 1, false, resource{metrics, "m", []edit{to("interval.ms", "1000"), to("metrics", "a,b")}},
		resource{groups, "g", []edit{to("consumer.session.timeout.ms", "50000")}}))
	value, source := valueOf(t, c, metrics, "m", "metrics")
	require.Equal(t, "a,b", value)
	require.EqualValues(t, fromMetrics, source)
	value, source = valueOf(t, c, groups, "g", "consumer.session.timeout.ms")
	require.Equal(t, "50000", value)
	require.EqualValues(t, fromGroup, source)
	listed(0, []string{"16 m"})
	listed(1, []string{"32 g", "16 m", "8 1", "4 1", "2 t"})
	listed(1, []string{"8 1", "4 1"}, brokers, loggers)
	listed(1, []string{"2 t"}, topics, topics)
	for _, kinds := range [][]int8{{99}, {0}, {metrics, 99}, {-1}} {
		code, names := list(1, kinds...)
		require.EqualValues(t, unsupportedVersion, code)
		require.Empty(t, names)
	}
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{metrics, "m", []edit{{"interval.ms", unset, nil}, {"metrics", unset, nil}}}))
	listed(0, []string{})
}

// TestManyResources: a request about thousands of topics is worked off in turns, and others are served meanwhile.
func TestManyResources(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	const many = 600
	for from := 0; from < many; from += 300 {
		var some []kmsg.CreateTopicsRequestTopic
		for i := range 300 {
			some = append(some, NewTopic("t"+strconv.Itoa(from+i), 1))
		}
		for _, topic := range c.Ask(t, NewTopics(some...), 7).(*kmsg.CreateTopicsResponse).Topics {
			require.Zero(t, topic.ErrorCode)
		}
	}
	var all []resource
	describing := kmsg.NewPtrDescribeConfigsRequest()
	for i := range many {
		all = append(all, resource{topics, "t" + strconv.Itoa(i), []edit{to("segment.ms", strconv.Itoa(1000+i))}})
		describing.Resources = append(describing.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: topics, ResourceName: "t" + strconv.Itoa(i), ConfigNames: []string{"segment.ms", "max.message.bytes"}})
	}
	altering := alterIncrementally(false, all...)
	c.Send(altering, 1)
	other := Dial(t, n)
	require.Zero(t, other.Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ErrorCode)
	answer := c.Receive(t, altering, c.correlation).(*kmsg.IncrementalAlterConfigsResponse)
	require.Len(t, answer.Resources, many)
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{brokers, "", []edit{to("message.max.bytes", "7777")}}))
	for i, x := range c.Ask(t, describing, 4).(*kmsg.DescribeConfigsResponse).Resources {
		require.Zero(t, answer.Resources[i].ErrorCode, answer.Resources[i].ErrorMessage)
		require.Len(t, x.Configs, 2, "%+v", x)
		require.Equal(t, "7777", *x.Configs[0].Value)
		require.Equal(t, strconv.Itoa(1000+i), *x.Configs[1].Value)
	}
	large := Batch(Record("k", string(make([]byte, 8000))))
	require.EqualValues(t, messageTooLarge, produced(t, c, "t599", 0, large).ErrorCode, "the last of all has it when the answer comes")
	n.Stop(t)
}
