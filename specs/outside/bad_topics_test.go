package outside

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topicExists       = 36
	invalidPartitions = 37
	invalidFactor     = 38
	invalidAssignment = 39
	invalidConfig     = 40
	policyViolation   = 44
	mismatchedType    = 114
	unsupportedType   = 115
)

func illegalNames() []string {
	return []string{"", ".", "..", "a/b", "a b", "a\x00b", "ü", "a,b", "a:b", "a\nb", "../../etc", strings.Repeat("x", 250)}
}

// made asks for topics and returns code, partitions, factor and configurations of each, by name.
func made(t *testing.T, c *Client, r *kmsg.CreateTopicsRequest, version int16) map[string]kmsg.CreateTopicsResponseTopic {
	t.Helper()
	all := map[string]kmsg.CreateTopicsResponseTopic{}
	for _, topic := range c.Ask(t, r, version).(*kmsg.CreateTopicsResponse).Topics {
		require.NotContains(t, all, topic.Topic, "one entry a name")
		all[topic.Topic] = topic
	}
	return all
}

// TestBadTopics is Kafka's table of what CreateTopics refuses, in every version.
func TestBadTopics(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	Create(t, c, "there")
	Create(t, c, "dotted.name")
	topic := func(edit func(*kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsRequestTopic {
		x := NewTopic("new", 1)
		edit(&x)
		return x
	}
	sized := func(partitions int32, factor int16) kmsg.CreateTopicsRequestTopic {
		return topic(func(x *kmsg.CreateTopicsRequestTopic) { x.NumPartitions, x.ReplicationFactor = partitions, factor })
	}
	configured := func(name, value string) kmsg.CreateTopicsRequestTopic { return NewTopic("new", 1, name, value) }
	assigned := func(partitions int32, factor int16, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
		x := sized(partitions, factor)
		for i, r := range replicas {
			x.ReplicaAssignment = append(x.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: r})
		}
		return x
	}
	gap := assigned(-1, -1, []int32{1}, []int32{1})
	gap.ReplicaAssignment[1].Partition = 2
	late := assigned(-1, -1, []int32{1})
	late.ReplicaAssignment[0].Partition = 1
	null := topic(func(x *kmsg.CreateTopicsRequestTopic) {
		x.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms"}}
	})
	rows := []struct {
		what  string
		topic kmsg.CreateTopicsRequestTopic
		code  int16
	}{
		{"it is there", NewTopic("there", 1), topicExists},
		{"a name that differs in . and _", NewTopic("dotted_name", 1), invalidTopic},
		{"the metadata log", NewTopic("__cluster_metadata", 1), invalidRequest},
		{"factor 0", sized(1, 0), invalidFactor},
		{"factor -2", sized(1, -2), invalidFactor},
		{"factor 0 and no partitions", sized(0, 0), invalidFactor},
		{"no partitions", sized(0, 1), invalidPartitions},
		{"-2 partitions", sized(-2, 1), invalidPartitions},
		{"factor 2 of one broker", sized(1, 2), invalidFactor},
		{"10,001 partitions", sized(10_001, 1), policyViolation},
		{"2 billion partitions", sized(1<<31-1, 1), policyViolation},
		{"an assignment and partitions", assigned(1, -1, []int32{1}), invalidRequest},
		{"an assignment and a factor", assigned(-1, 1, []int32{1}), invalidRequest},
		{"an assignment with a gap", gap, invalidAssignment},
		{"an assignment from 1", late, invalidAssignment},
		{"an assignment of no replicas", assigned(-1, -1, []int32{}), invalidAssignment},
		{"an assignment to nobody", assigned(-1, -1, []int32{9}), invalidAssignment},
		{"an assignment to one twice", assigned(-1, -1, []int32{1, 1}), invalidAssignment},
		{"assignments of two sizes", assigned(-1, -1, []int32{1}, []int32{1, 2}), invalidAssignment},
		{"an unknown key", configured("retention.msx", "1"), invalidConfig},
		{"no key", configured("", "1"), invalidConfig},
		{"a broker's key", configured("num.partitions", "1"), invalidConfig},
		{"a word for a number", configured("retention.ms", "soon"), invalidConfig},
		{"a number too small", configured("segment.bytes", "1048575"), invalidConfig},
		{"a number too large", configured("segment.bytes", "99999999999"), invalidConfig},
		{"a policy that is none", configured("cleanup.policy", "shred"), invalidConfig},
		{"neither true nor false", configured("preallocate", "yes"), invalidConfig},
		{"a key that is gone", configured("message.format.version", "2.0"), invalidConfig},
		{"gzip level 0", configured("compression.gzip.level", "0"), invalidConfig},
		{"a codec that is none", configured("compression.type", "zip"), invalidConfig},
		{"a null value", null, invalidConfig},
	}
	for _, name := range illegalNames() {
		rows = append(rows, struct {
			what  string
			topic kmsg.CreateTopicsRequestTopic
			code  int16
		}{fmt.Sprintf("the name %q", name), NewTopic(name, 1), invalidTopic})
	}
	for version := int16(2); version <= 7; version++ {
		for _, only := range []bool{false, true} {
			for _, row := range rows {
				what := fmt.Sprintf("%s, v%d", row.what, version)
				r := NewTopics(row.topic)
				r.ValidateOnly = only
				got := made(t, c, r, version)
				require.Len(t, got, 1, what)
				answer := got[row.topic.Topic]
				require.Equal(t, row.code, answer.ErrorCode, what)
				require.NotEmpty(t, *answer.ErrorMessage, what)
				require.Zero(t, answer.TopicID, what)
				if version >= 5 {
					require.Equal(t, [2]int32{-1, -1}, [2]int32{answer.NumPartitions, int32(answer.ReplicationFactor)}, what)
					require.NotNil(t, answer.Configs, what)
					require.Empty(t, answer.Configs, what)
				}
			}
		}
	}
	all := c.Ask(t, kmsg.NewPtrMetadataRequest(), 12).(*kmsg.MetadataResponse).Topics
	require.Len(t, all, 2, "nothing that was refused was made")
	n.Stop(t)
}

// TestTheNearestKeyIsNamed where an unknown one is refused.
func TestTheNearestKeyIsNamed(t *testing.T) {
	c := Dial(t, start(t))
	for wrong, right := range map[string]string{"retention.mss": "retention.ms", "segmentbytes": "segment.bytes", "clean.policy": "cleanup.policy", "max.message.byte": "max.message.bytes"} {
		got := made(t, c, NewTopics(NewTopic("new", 1, wrong, "1")), 7)["new"]
		require.EqualValues(t, invalidConfig, got.ErrorCode)
		require.Contains(t, *got.ErrorMessage, wrong)
		require.Contains(t, *got.ErrorMessage, right)
	}
}

// TestOddTopics: what Kafka takes, we take.
func TestOddTopics(t *testing.T) {
	c := Dial(t, start(t))
	count := 0
	for version := int16(2); version <= 7; version++ {
		for _, configs := range [][]string{
			{"cleanup.policy", ""}, {"cleanup.policy", "compact, delete"}, {"preallocate", "TRUE"}, {"retention.ms", "1", "retention.ms", "2"},
			{"local.retention.ms", "99999999999"}, {"retention.ms", "-1"}, {},
		} {
			count++
			name := fmt.Sprintf("__odd-%d", count)
			require.Zero(t, made(t, c, NewTopics(NewTopic(name, 1, configs...)), version)[name].ErrorCode, "%v, v%d", configs, version)
		}
		count++
		defaults := NewTopic(fmt.Sprintf("default-%d", count), -1)
		defaults.ReplicationFactor = -1
		require.Zero(t, made(t, c, NewTopics(defaults), version)[defaults.Topic].ErrorCode)

		// The same name twice: one entry, 42, even of a name that is none; what else is asked for is made. Two names that
		// collide in . and _ are both made if both are new.
		names := func(format string) string { return fmt.Sprintf(format, version) }
		got := made(t, c, NewTopics(NewTopic(names("twice%d"), 1), NewTopic(names("twice%d"), 1), NewTopic("a/b", 1), NewTopic("a/b", 1),
			NewTopic(names("a.b%d"), 1), NewTopic(names("a_b%d"), 1)), version)
		require.EqualValues(t, invalidRequest, got[names("twice%d")].ErrorCode)
		require.EqualValues(t, invalidRequest, got["a/b"].ErrorCode)
		require.Zero(t, got[names("a.b%d")].ErrorCode)
		require.Zero(t, got[names("a_b%d")].ErrorCode)
	}
}

func TestValidateOnly(t *testing.T) {
	c := Dial(t, start(t))
	for version := int16(2); version <= 7; version++ {
		r := NewTopics(NewTopic("new", 3, "retention.ms", "5"))
		r.ValidateOnly = true
		got := made(t, c, r, version)["new"]
		require.Zero(t, got.ErrorCode)
		if version >= 5 {
			require.EqualValues(t, 3, got.NumPartitions)
			require.NotEmpty(t, got.Configs)
		}
		require.Equal(t, version >= 7, got.TopicID != [16]byte{})
	}
	require.Empty(t, c.Ask(t, kmsg.NewPtrMetadataRequest(), 12).(*kmsg.MetadataResponse).Topics)
}

// TestBadDeletions is Kafka's table: named twice or in two ways, nothing is deleted.
func TestBadDeletions(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "kept")
	name := kmsg.StringPtr
	type row = kmsg.DeleteTopicsRequestTopic
	for _, test := range []struct {
		what  string
		rows  []row
		codes []int16
	}{
		{"name and id", []row{{Topic: name("kept"), TopicID: id}}, []int16{invalidRequest}},
		{"neither", []row{{}}, []int16{invalidRequest}},
		{"an id twice", []row{{TopicID: id}, {TopicID: id}}, []int16{invalidRequest}},
		{"a name twice", []row{{Topic: name("kept")}, {Topic: name("kept")}}, []int16{invalidRequest}},
		{"by id and by name", []row{{TopicID: id}, {Topic: name("kept")}}, []int16{invalidRequest}},
		{"an unknown id", []row{{TopicID: [16]byte{1}}}, []int16{unknownTopicID}},
		{"an unknown name", []row{{Topic: name("gone")}}, []int16{unknownTopic}},
		{"a name that is none", []row{{Topic: name("a/b")}}, []int16{unknownTopic}},
		{"no name", []row{{Topic: name("")}}, []int16{unknownTopic}},
	} {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Topics, r.TimeoutMillis = test.rows, 10_000
		var codes []int16
		for _, got := range c.Ask(t, r, 6).(*kmsg.DeleteTopicsResponse).Topics {
			codes = append(codes, got.ErrorCode)
		}
		require.Equal(t, test.codes, codes, test.what)
	}
	for version := int16(1); version <= 5; version++ {
		for _, test := range []struct {
			names []string
			code  int16
		}{{[]string{"gone"}, unknownTopic}, {[]string{"a/b"}, unknownTopic}, {[]string{""}, unknownTopic}, {[]string{"kept", "kept"}, invalidRequest}} {
			r := kmsg.NewPtrDeleteTopicsRequest()
			r.TopicNames, r.TimeoutMillis = test.names, 10_000
			got := c.Ask(t, r, version).(*kmsg.DeleteTopicsResponse).Topics
			require.Len(t, got, 1)
			require.Equal(t, test.code, got[0].ErrorCode, "%v, v%d", test.names, version)
		}
	}
	require.Zero(t, End(t, c, "kept", 0))
}

// metadataOf asks for one topic.
func metadataOf(t *testing.T, c *Client, version int16, name *string, id [16]byte, create bool) *kmsg.MetadataResponse {
	t.Helper()
	r := kmsg.NewPtrMetadataRequest()
	r.AllowAutoTopicCreation = create
	x := kmsg.NewMetadataRequestTopic()
	x.Topic, x.TopicID = name, id
	r.Topics = append(r.Topics, x)
	answer := c.Ask(t, r, version).(*kmsg.MetadataResponse)
	require.Len(t, answer.Topics, 1)
	return answer
}

func TestMetadataOfWhatIsNotThere(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "there")
	for version := int16(0); version <= 13; version++ {
		for _, name := range illegalNames() {
			got := metadataOf(t, c, version, &name, [16]byte{}, true).Topics[0]
			require.EqualValues(t, invalidTopic, got.ErrorCode, "%q, v%d", name, version)
			require.Empty(t, got.Partitions)
		}
		name := fmt.Sprintf("new-%d", version)
		if version >= 4 {
			require.EqualValues(t, unknownTopic, metadataOf(t, c, version, &name, [16]byte{}, false).Topics[0].ErrorCode)
			require.NotContains(t, topicsOf(t, c), name, "nobody allowed it")
		}
		// The answer that starts the making says 3; before version 4 there is no flag, and every question makes.
		require.EqualValues(t, unknownTopic, metadataOf(t, c, version, &name, [16]byte{}, true).Topics[0].ErrorCode, "v%d", version)
		Await(t, func() bool { return metadataOf(t, c, version, &name, [16]byte{}, true).Topics[0].ErrorCode == 0 }, "%s is made", name)
	}
	for _, version := range []int16{10, 11} { // ids are in the request, and may not be asked for
		answer := metadataOf(t, c, version, nil, id, false)
		require.EqualValues(t, invalidRequest, answer.Topics[0].ErrorCode)
		require.Empty(t, answer.Brokers)
		require.Nil(t, answer.ClusterID)
		require.EqualValues(t, -1, answer.ControllerID)
	}
	for _, version := range []int16{12, 13} {
		got := metadataOf(t, c, version, nil, id, false).Topics[0]
		require.Equal(t, "there", *got.Topic)
		got = metadataOf(t, c, version, kmsg.StringPtr("wrong"), id, false).Topics[0]
		require.Equal(t, "there", *got.Topic, "the id wins")
		require.Zero(t, got.ErrorCode)
		got = metadataOf(t, c, version, nil, [16]byte{7}, false).Topics[0]
		require.EqualValues(t, unknownTopicID, got.ErrorCode)
		require.Nil(t, got.Topic)
		require.Equal(t, [16]byte{7}, got.TopicID)
		got = metadataOf(t, c, version, nil, [16]byte{}, false).Topics[0]
		require.EqualValues(t, invalidRequest, got.ErrorCode, "neither name nor id (Kafka: -1)")
	}
}

func topicsOf(t *testing.T, c *Client) (names []string) {
	t.Helper()
	for _, topic := range c.Ask(t, kmsg.NewPtrMetadataRequest(), 9).(*kmsg.MetadataResponse).Topics {
		names = append(names, *topic.Topic)
	}
	return names
}

func TestTopicsThatNobodyMayMake(t *testing.T) {
	c := Dial(t, start(t, "--set", "auto.create.topics.enable=false"))
	for version := int16(0); version <= 13; version++ {
		require.EqualValues(t, unknownTopic, metadataOf(t, c, version, kmsg.StringPtr("new"), [16]byte{}, true).Topics[0].ErrorCode)
	}
	require.Empty(t, topicsOf(t, c))
}

func TestDescribeClusterOfOtherEndpoints(t *testing.T) {
	c := Dial(t, start(t))
	for version := int16(0); version <= 2; version++ {
		for kind, code := range map[int8]int16{0: unsupportedType, 1: 0, 2: mismatchedType, 3: unsupportedType, -1: unsupportedType} {
			r := kmsg.NewPtrDescribeClusterRequest()
			r.EndpointType = kind
			if version == 0 {
				code = 0
			}
			got := c.Ask(t, r, version).(*kmsg.DescribeClusterResponse)
			require.Equal(t, code, got.ErrorCode, "type %d, v%d", kind, version)
			require.Equal(t, code != 0, got.ControllerID == -1)
			require.Equal(t, code != 0, len(got.Brokers) == 0)
		}
	}
}
