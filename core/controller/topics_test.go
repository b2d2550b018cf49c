package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/meta"
	"rookery/core/rng"
	"rookery/core/wire"
)

const none = wire.None

// bench is a controller with its log.
type bench struct {
	*Controller
	next int64
	log  []meta.Record
}

func newBench(config Config, brokers ...int32) *bench {
	config.ClusterID = "cluster"
	b := &bench{Controller: New(config, rng.FromInt(7), meta.New())}
	b.append(b.Bootstrap())
	for _, id := range brokers {
		b.register(id, byte(id))
	}
	return b
}

func (b *bench) append(rs []meta.Record) {
	for _, r := range rs {
		b.Replay(b.next, 1, r)
		b.log = append(b.log, r)
		b.next++
	}
}

func registrationRequest(id int32, incarnation byte) *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.BrokerID, req.ClusterID, req.IncarnationID = id, "cluster", [16]byte{0: 1, 15: incarnation}
	req.LogDirs = [][16]byte{{0: 9, 15: byte(id)}}
	req.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "h", Port: 9092}}
	req.Features = []kmsg.BrokerRegistrationRequestFeature{{Name: MetadataVersion, MinSupportedVersion: 7, MaxSupportedVersion: 29}}
	return req
}

func (b *bench) register(id int32, incarnation byte) int64 {
	rs, epoch, code := b.RegisterBroker(registrationRequest(id, incarnation), b.next, false)
	if code.Failed() {
		panic(code.String())
	}
	b.append(rs)
	rs, _, _ = b.BrokerHeartbeat(&kmsg.BrokerHeartbeatRequest{BrokerID: id, BrokerEpoch: epoch, CurrentMetadataOffset: epoch})
	b.append(rs)
	return epoch
}

func topic(name string, partitions int32, factor int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, factor
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		if c.Name = configs[i]; configs[i+1] != "null" {
			c.Value = &configs[i+1]
		}
		t.Configs = append(t.Configs, c)
	}
	return t
}

func manual(name string, partitions int32, factor int16, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
	t := topic(name, partitions, factor)
	for _, r := range replicas {
		t.ReplicaAssignment = append(t.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: r[0], Replicas: r[1:]})
	}
	return t
}

func create(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.Topics = 7, topics
	return req
}

func TestCreateTopicsAnswersAsKafkaDoes(t *testing.T) {
	for _, row := range []struct {
		name  string
		topic kmsg.CreateTopicsRequestTopic
		code  wire.Code
	}{
		{"plain", topic("t", 3, 1), none},
		{"defaults", topic("t", -1, -1), none},
		{"249 letters", topic(strings.Repeat("x", 249), 1, 1), none},
		{"250 letters", topic(strings.Repeat("x", 250), 1, 1), wire.InvalidTopicException},
		{"empty name", topic("", 1, 1), wire.InvalidTopicException},
		{"dot", topic(".", 1, 1), wire.InvalidTopicException},
		{"dots", topic("..", 1, 1), wire.InvalidTopicException},
		{"three dots", topic("...", 1, 1), none},
		{"blank", topic("a b", 1, 1), wire.InvalidTopicException},
		{"not ASCII", topic("ü", 1, 1), wire.InvalidTopicException},
		{"bad UTF-8", topic("a\xff", 1, 1), wire.InvalidTopicException},
		{"exists", topic("old.topic", 1, 1), wire.TopicAlreadyExists},
		{"collides", topic("old_topic", 1, 1), wire.InvalidTopicException},
		{"near but apart", topic("old-topic", 1, 1), none},
		{"internal name", topic("__mine", 1, 1), none},
		{"metadata topic", topic("__cluster_metadata", 1, 1), wire.InvalidRequest},
		{"factor 0", topic("t", 1, 0), wire.InvalidReplicationFactor},
		{"factor -2 before partitions 0", topic("t", 0, -2), wire.InvalidReplicationFactor},
		{"partitions 0 before factor 3", topic("t", 0, 3), wire.InvalidPartitions},
		{"partitions -2", topic("t", -2, 1), wire.InvalidPartitions},
		{"factor 3 of 2", topic("t", 1, 3), wire.InvalidReplicationFactor},
		{"config before factor", topic("t", 1, 0, "no.such.key", "1"), wire.InvalidConfig},
		{"name before config", topic("", 1, 1, "no.such.key", "1"), wire.InvalidTopicException},
		{"null config", topic("t", 1, 1, "retention.ms", "null"), wire.InvalidConfig},
		{"long config", topic("t", 1, 1, "leader.replication.throttled.replicas", strings.Repeat("1:1,", 9000)), wire.InvalidConfig},
		{"config twice", topic("t", 1, 1, "retention.ms", "1", "retention.ms", "2"), none},
		{"small segments", topic("t", 1, 1, "segment.bytes", "1048575"), wire.InvalidConfig},
		{"tiny segments by the back door", topic("t", 1, 1, "internal.segment.bytes", "100"), none},
		{"manual", manual("t", -1, -1, []int32{1, 2, 1}, []int32{0, 1, 2}), none},
		{"manual with partitions", manual("t", 2, -1, []int32{0, 1}), wire.InvalidRequest},
		{"manual with factor", manual("t", -1, 1, []int32{0, 1}), wire.InvalidRequest},
		{"manual with a gap", manual("t", -1, -1, []int32{0, 1}, []int32{2, 1}), wire.InvalidReplicaAssignment},
		{"manual not from zero", manual("t", -1, -1, []int32{1, 1}), wire.InvalidReplicaAssignment},
		{"manual below zero", manual("t", -1, -1, []int32{-1, 1}), wire.InvalidReplicaAssignment},
		{"manual without replicas", manual("t", -1, -1, []int32{0}), wire.InvalidReplicaAssignment},
		{"manual, unknown broker", manual("t", -1, -1, []int32{0, 9}), wire.InvalidReplicaAssignment},
		{"manual, broker twice", manual("t", -1, -1, []int32{0, 1, 1}), wire.InvalidReplicaAssignment},
		{"manual, partition twice", manual("t", -1, -1, []int32{0, 1}, []int32{0, 2}), wire.InvalidReplicaAssignment},
		{"manual, different sizes", manual("t", -1, -1, []int32{0, 1}, []int32{1, 1, 2}), wire.InvalidReplicaAssignment},
		{"10000 partitions in all", topic("t", 9_999, 1), none},
		{"10001 partitions in all", topic("t", 10_000, 1), wire.PolicyViolation},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(DefaultConfig(), 1, 2)
			rs, _ := b.CreateTopics(create(topic("old.topic", 1, 1)))
			b.append(rs)
			before := b.image.Digest()
			rs, resp := b.CreateTopics(create(row.topic, topic("good", 1, 1)))
			require.Equal(t, before, b.image.Digest(), "a handler changes nothing")
			require.Len(t, resp.Topics, 2)
			got := resp.Topics[0]
			require.Equal(t, row.code, wire.Code(got.ErrorCode), "%v", got.ErrorMessage)
			b.append(rs)
			if row.code == none {
				require.Equal(t, got.TopicID, [16]byte(b.image.Topic(got.Topic).ID))
				require.Len(t, b.image.Topic(got.Topic).Partitions, int(got.NumPartitions))
				return
			}
			require.NotEmpty(t, *got.ErrorMessage)
			require.Equal(t, []any{int32(-1), int16(-1), [16]byte{}}, []any{got.NumPartitions, got.ReplicationFactor, got.TopicID})
			require.NotNil(t, got.Configs)
			require.Empty(t, got.Configs)
			require.Equal(t, row.code != wire.PolicyViolation, b.image.Topic("good") != nil, "the others are made")
		})
	}
}

func TestCreateTopicsAcrossTheRequest(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	rs, resp := b.CreateTopics(create(topic("", 1, 1), topic("a.b", 1, 1), topic("", 1, 1), topic("a_b", 1, 1), topic("", 1, 1)))
	b.append(rs)
	require.Len(t, resp.Topics, 3, "the name that stands thrice has one answer")
	require.Equal(t, int16(wire.InvalidRequest), resp.Topics[2].ErrorCode, "even if it is invalid")
	require.NotNil(t, b.image.Topic("a.b"), "two new names may collide")
	require.NotNil(t, b.image.Topic("a_b"))

	_, resp = b.CreateTopics(create(topic("x", 10_000, 1), topic("y", -1, 1)))
	for _, answer := range resp.Topics {
		require.Equal(t, int16(wire.PolicyViolation), answer.ErrorCode)
	}
	rs, _ = b.CreateTopics(create(manual("m", -1, -1, []int32{0, 1}), topic("x", 9_999, 1)))
	require.NotEmpty(t, rs)

	req := create(topic("v", 2, -1, "retention.ms", "5"))
	req.ValidateOnly = true
	rs, resp = b.CreateTopics(req)
	require.Empty(t, rs)
	require.Equal(t, int16(none), resp.Topics[0].ErrorCode)
	require.NotZero(t, resp.Topics[0].TopicID)
	require.Len(t, resp.Topics[0].Configs, 33)
	for _, c := range resp.Topics[0].Configs {
		if c.Name == "retention.ms" {
			require.Equal(t, SourceTopic, c.Source)
			require.Equal(t, "5", *c.Value)
		} else {
			require.Equal(t, SourceDefault, c.Source)
		}
	}
	for version := int16(2); version <= 7; version++ {
		req.Version = version
		_, resp = b.CreateTopics(req)
		require.Equal(t, version, resp.Version)
		require.NoError(t, (&kmsg.CreateTopicsResponse{Version: version}).ReadFrom(resp.AppendTo(nil)))
	}
}

func TestATopicIsOneBatchInKafkasOrder(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	rs, resp := b.CreateTopics(create(topic("t", 2, 1, "segment.ms", "5", "retention.ms", "6")))
	id := meta.UUID(resp.Topics[0].TopicID)
	five, six := "5", "6"
	dirs := []meta.UUID{{0: 9, 15: 1}}
	require.Equal(t, []meta.Record{
		&meta.TopicRecord{Name: "t", TopicID: id},
		&meta.ConfigRecord{ResourceType: meta.ResourceTopic, ResourceName: "t", Name: "retention.ms", Value: &six},
		&meta.ConfigRecord{ResourceType: meta.ResourceTopic, ResourceName: "t", Name: "segment.ms", Value: &five},
		&meta.PartitionRecord{PartitionID: 0, TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1, Directories: dirs},
		&meta.PartitionRecord{PartitionID: 1, TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1, Directories: dirs},
	}, rs)
	require.Equal(t, byte(0x40), id[6]&0xf0, "version 4")
	require.Equal(t, byte(0x80), id[8]&0xc0)
}

func TestNobodyToServe(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	fence := func(id int32) {
		b.append([]meta.Record{&meta.FenceBrokerRecord{ID: id, Epoch: b.image.Broker(id).Epoch}})
	}
	fence(1)
	_, resp := b.CreateTopics(create(topic("a", 1, 1), manual("m", -1, -1, []int32{0, 1})))
	require.Equal(t, int16(wire.InvalidReplicationFactor), resp.Topics[0].ErrorCode)
	require.Equal(t, int16(wire.InvalidReplicaAssignment), resp.Topics[1].ErrorCode)
	b.register(2, 2)
	rs, _ := b.CreateTopics(create(topic("a", 4, 2), manual("m", -1, -1, []int32{0, 1, 2})))
	b.append(rs)
	for _, name := range []string{"a", "m"} {
		for _, p := range b.image.Topic(name).Partitions {
			require.Equal(t, int32(2), p.Leader, "only who is in service leads")
			require.Equal(t, []int32{2}, p.ISR)
		}
	}
}

func TestAutoCreate(t *testing.T) {
	config := DefaultConfig()
	config.NumPartitions = 4
	b := newBench(config, 1)
	for name, want := range map[string]wire.Code{
		"t": none, "a b": wire.InvalidTopicException, "__cluster_metadata": wire.InvalidRequest, ConsumerOffsets: none, TransactionState: none,
	} {
		rs, code := b.AutoCreate(name)
		require.Equal(t, want, code, name)
		b.append(rs)
	}
	_, code := b.AutoCreate("t")
	require.Equal(t, wire.TopicAlreadyExists, code)
	require.Len(t, b.image.Topic("t").Partitions, 4)
	offsets := b.image.Topic(ConsumerOffsets)
	require.Len(t, offsets.Partitions, 50)
	c, err := Resolve(&b.defaults, &offsets.Configs)
	require.NoError(t, err)
	require.True(t, c.Compact && !c.Delete && c.Durable())
	require.Equal(t, int32(100<<20), c.SegmentBytes)
	require.Len(t, offsets.Partitions[0].Replicas, 1, "no more than there are brokers")
	c, err = Resolve(&b.defaults, &b.image.Topic(TransactionState).Configs)
	require.NoError(t, err)
	require.Equal(t, int32(2), c.MinInsyncReplicas)
	require.True(t, Internal(ConsumerOffsets) && Internal(TransactionState) && Internal(ShareGroupState) && !Internal("__mine"))
}

func remove(version int16, names []string, ids ...meta.UUID) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = version
	for _, name := range names {
		if version < 6 {
			req.TopicNames = append(req.TopicNames, name)
			continue
		}
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
	}
	for _, id := range ids {
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
	}
	return req
}

func TestDeleteTopicsAnswersAsKafkaDoes(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	rs, resp := b.CreateTopics(create(topic("a", 1, 1), topic("b", 1, 1)))
	b.append(rs)
	a, other := meta.UUID(resp.Topics[0].TopicID), meta.UUID(resp.Topics[1].TopicID)
	name := "a"
	both := remove(6, nil)
	both.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &name, TopicID: a}}
	for _, row := range []struct {
		name  string
		req   *kmsg.DeleteTopicsRequest
		codes []wire.Code
		gone  []meta.UUID
	}{
		{"by name", remove(5, []string{"a"}), []wire.Code{none}, []meta.UUID{a}},
		{"by name in 6", remove(6, []string{"a", "b"}), []wire.Code{none, none}, []meta.UUID{a, other}},
		{"by id", remove(6, nil, other), []wire.Code{none}, []meta.UUID{other}},
		{"unknown name", remove(1, []string{"x", "a"}), []wire.Code{wire.UnknownTopicOrPartition, none}, []meta.UUID{a}},
		{"invalid name", remove(1, []string{"a b"}), []wire.Code{wire.UnknownTopicOrPartition}, nil},
		{"unknown id", remove(6, nil, meta.UUID{5}), []wire.Code{wire.UnknownTopicID}, nil},
		{"neither", remove(6, nil, meta.UUID{}), []wire.Code{wire.InvalidRequest}, nil},
		{"both", both, []wire.Code{wire.InvalidRequest}, nil},
		{"name twice", remove(1, []string{"a", "b", "a", "a"}), []wire.Code{wire.InvalidRequest, none}, []meta.UUID{other}},
		{"id twice", remove(6, nil, a, a), []wire.Code{wire.InvalidRequest}, nil},
		{"by name and by id", remove(6, []string{"a"}, a), []wire.Code{wire.InvalidRequest}, nil},
		{"nothing", remove(6, nil), nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			rs, resp := b.DeleteTopics(row.req)
			var codes []wire.Code
			for _, answer := range resp.Topics {
				codes = append(codes, wire.Code(answer.ErrorCode))
				require.Equal(t, answer.ErrorCode != 0, answer.ErrorMessage != nil)
				if answer.ErrorCode == 0 {
					require.Equal(t, b.image.Topic(*answer.Topic).ID, meta.UUID(answer.TopicID))
				}
			}
			require.Equal(t, row.codes, codes)
			var gone []meta.UUID
			for _, r := range rs {
				gone = append(gone, r.(*meta.RemoveTopicRecord).TopicID)
			}
			require.Equal(t, row.gone, gone)
			require.NoError(t, (&kmsg.DeleteTopicsResponse{Version: resp.Version}).ReadFrom(resp.AppendTo(nil)))
		})
	}
	config := DefaultConfig()
	config.DeleteTopicEnable = false
	b = newBench(config, 1)
	for version, want := range map[int16]wire.Code{1: wire.InvalidRequest, 2: wire.InvalidRequest, 3: wire.TopicDeletionDisabled, 6: wire.TopicDeletionDisabled} {
		rs, resp := b.DeleteTopics(remove(version, []string{"a"}))
		require.Empty(t, rs)
		require.Equal(t, int16(want), resp.Topics[0].ErrorCode)
	}
}

// A dumb twin of topics: a set of names. Whatever is asked, the image follows it, the fold from the log's bytes
// equals the live one, and one seed gives one log.
func TestTopicsComeAndGoAsInASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, again := newBench(DefaultConfig(), 1, 2), newBench(DefaultConfig(), 1, 2)
		have := map[string]bool{}
		name := rapid.SampledFrom([]string{"a", "b", "c.d", "c_d", "", "é"})
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				n := name.Draw(t, "name")
				rs, resp := b.CreateTopics(create(topic(n, rapid.Int32Range(-1, 3).Draw(t, "partitions"), rapid.Int16Range(-1, 3).Draw(t, "factor"))))
				b.append(rs)
				req := create(topic(n, resp.Topics[0].NumPartitions, resp.Topics[0].ReplicationFactor))
				if resp.Topics[0].ErrorCode == 0 {
					require.False(t, have[n])
					have[n] = true
					rs, _ = again.CreateTopics(req)
					again.append(rs)
				} else {
					require.Empty(t, rs)
				}
			},
			"delete": func(t *rapid.T) {
				n := name.Draw(t, "name")
				rs, resp := b.DeleteTopics(remove(1, []string{n}))
				require.Equal(t, have[n], resp.Topics[0].ErrorCode == 0)
				b.append(rs)
				delete(have, n)
				rs, _ = again.DeleteTopics(remove(1, []string{n}))
				again.append(rs)
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(have), b.image.TopicCount())
				rebuilt := meta.New()
				for i, r := range b.log {
					parsed, err := meta.Parse(meta.Append(nil, r))
					require.NoError(t, err)
					rebuilt.Replay(int64(i), 1, parsed)
				}
				require.True(t, rebuilt.Equal(b.image))
				require.True(t, again.image.Equal(b.image), "one seed, one log")
			},
		})
	})
}

func TestReplicasAreSpread(t *testing.T) {
	b := newBench(DefaultConfig(), 1, 2, 3)
	rs, _ := b.CreateTopics(create(topic("t", 9, 2)))
	b.append(rs)
	leads := map[int32]int{}
	for _, p := range b.image.Topic("t").Partitions {
		leads[p.Leader]++
		require.Len(t, p.Replicas, 2)
		require.False(t, p.Replicas[0] == p.Replicas[1])
		require.True(t, slices.Equal(p.Replicas, p.ISR))
	}
	require.Equal(t, "map[1:3 2:3 3:3]", fmt.Sprint(leads))
}
