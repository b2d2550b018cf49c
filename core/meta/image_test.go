package meta

import (
	"fmt"
	"github.com/twmb/franz-go/pkg/kmsg"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// twin is the dumbest metadata: maps, and every lookup a search.
type twin struct {
	quotas  map[string]uint64 // by key and entity
	topics  map[string]*twinTopic
	brokers map[int32]bool // fenced
	next    int64
}

type twinTopic struct {
	id         UUID
	leaders    map[int32]int32
	epochs     map[int32]int32
	partEpochs map[int32]int32
	configs    map[string]string
}

func TestImageIsADumbFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, w := New(), twin{quotas: map[string]uint64{}, topics: map[string]*twinTopic{}, brokers: map[int32]bool{}}
		var log [][]byte
		replay := func(r Record) {
			log = append(log, Append(nil, r))
			m.Replay(int64(len(log)-1), 3, r)
		}
		names := []string{"a", "a.b", "a_b", "b", "c.d", "c_d"}
		name := rapid.SampledFrom(names)
		ids := 0
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				id := rapid.Int32Range(0, 3).Draw(t, "id")
				replay(&RegisterBrokerRecord{BrokerID: id, BrokerEpoch: int64(len(log)), Fenced: true})
				w.brokers[id] = true
			},
			"fence": func(t *rapid.T) {
				id := rapid.Int32Range(0, 3).Draw(t, "id")
				b := m.Broker(id)
				if b == nil {
					return
				}
				switch rapid.IntRange(0, 3).Draw(t, "how") {
				case 0:
					replay(&FenceBrokerRecord{id, b.Epoch})
					w.brokers[id] = true
				case 1:
					replay(&UnfenceBrokerRecord{id, b.Epoch})
					w.brokers[id] = false
				case 2:
					replay(&BrokerRegistrationChangeRecord{BrokerID: id, BrokerEpoch: b.Epoch, Fenced: NowUnfenced})
					w.brokers[id] = false
				case 3:
					replay(&UnregisterBrokerRecord{id, b.Epoch})
					delete(w.brokers, id)
				}
			},
			"create": func(t *rapid.T) {
				n := name.Draw(t, "name")
				if w.topics[n] != nil {
					return
				}
				ids++
				id := UUID{15: byte(ids), 14: byte(ids >> 8)}
				topic := &twinTopic{id, map[int32]int32{}, map[int32]int32{}, map[int32]int32{}, map[string]string{}}
				replay(&TopicRecord{n, id})
				parts := rapid.Permutation([]int32{0, 1, 2, 5}).Draw(t, "parts")
				for _, p := range parts {
					replay(&PartitionRecord{PartitionID: p, TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1})
					topic.leaders[p], topic.epochs[p], topic.partEpochs[p] = 1, 0, 0
				}
				w.topics[n] = topic
			},
			"delete": func(t *rapid.T) {
				n := name.Draw(t, "name")
				if topic := w.topics[n]; topic != nil {
					replay(&RemoveTopicRecord{topic.id})
					delete(w.topics, n)
				}
			},
			"change": func(t *rapid.T) {
				n := name.Draw(t, "name")
				topic := w.topics[n]
				if topic == nil {
					return
				}
				p := rapid.SampledFrom([]int32{0, 1, 2, 5}).Draw(t, "partition")
				c := NewPartitionChange(topic.id, p)
				c.Leader = rapid.Int32Range(-2, 2).Draw(t, "leader")
				replay(c)
				topic.partEpochs[p]++
				if c.Leader != LeaderUnchanged {
					topic.leaders[p] = c.Leader
					topic.epochs[p]++
				}
			},
			"config": func(t *rapid.T) {
				n := name.Draw(t, "name")
				topic := w.topics[n]
				if topic == nil {
					return
				}
				key := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
				value := rapid.Ptr(rapid.StringN(0, 3, 9), true).Draw(t, "value")
				replay(&ConfigRecord{ResourceTopic, n, key, value})
				if value == nil {
					delete(topic.configs, key)
				} else {
					topic.configs[key] = *value
				}
			},
			"quota": func(t *rapid.T) {
				entity := []EntityPart{{EntityUser, rapid.SampledFrom([]*string{nil, new(string), kmsg.StringPtr("u")}).Draw(t, "user")}}
				if rapid.Bool().Draw(t, "client too") {
					entity = append(entity, EntityPart{EntityClientID, rapid.SampledFrom([]*string{nil, kmsg.StringPtr("u")}).Draw(t, "client")})
				}
				key, value, remove := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key"), rapid.Uint64().Draw(t, "value"), rapid.Bool().Draw(t, "remove")
				replay(&ClientQuotaRecord{entity, key, value, remove})
				at := key
				for _, part := range entity {
					at += fmt.Sprintf(" %s", part.Type)
					if part.Name != nil {
						at += fmt.Sprintf("=%q", *part.Name)
					}
				}
				if w.quotas[at] = value; remove {
					delete(w.quotas, at)
				}
			},
			"producer ids": func(t *rapid.T) {
				w.next += rapid.Int64Range(0, 1000).Draw(t, "block")
				replay(&ProducerIDsRecord{NextProducerID: w.next})
			},
			"transaction": func(t *rapid.T) {
				replay(&BeginTransactionRecord{})
				before := m.NextProducerID()
				replay(&ProducerIDsRecord{NextProducerID: w.next + 7})
				require.Equal(t, before, m.NextProducerID(), "nothing counts before the end")
				require.True(t, m.Equal(m.Clone()), "a clone keeps what is pending")
				if rapid.Bool().Draw(t, "end") {
					replay(&EndTransactionRecord{})
					w.next += 7
				} else {
					replay(&AbortTransactionRecord{})
				}
			},
			"": func(t *rapid.T) {
				compare(t, &w, m, names)
				rebuilt := New()
				for i, b := range log {
					r, err := Parse(b)
					require.NoError(t, err)
					rebuilt.Replay(int64(i), 3, r)
				}
				for _, other := range []*Image{rebuilt, m.Clone()} {
					require.True(t, m.Equal(other))
					require.Equal(t, m.Digest(), other.Digest())
					compare(t, &w, other, names)
				}
			},
		})
	})
}

func compare(t *rapid.T, w *twin, m *Image, names []string) {
	require.Equal(t, w.next, m.NextProducerID())
	require.Equal(t, slices.Sorted(maps.Keys(w.topics)), slices.Sorted(slices.Values(m.TopicNames())))
	require.True(t, slices.IsSorted(m.TopicNames()))
	require.Equal(t, len(w.topics), m.TopicCount())
	quotas := map[string]uint64{}
	for q := range m.Quotas() {
		require.NotZero(t, q.Values.Len())
		for key, value := range q.Values.All() {
			at := key
			for _, kind := range []string{EntityUser, EntityClientID, EntityIP} {
				if name, found := q.Part(kind); found {
					if at += " " + kind; name != nil {
						at += fmt.Sprintf("=%q", *name)
					}
				}
			}
			quotas[at] = value
			require.Equal(t, value, m.QuotaOf(q.Entity...).Values.At(key))
		}
	}
	require.Equal(t, w.quotas, quotas)
	for id := range int32(4) {
		fenced, there := w.brokers[id]
		require.Equal(t, there, m.Broker(id) != nil)
		if there {
			require.Equal(t, fenced, !m.Broker(id).Active())
		}
	}
	for name, topic := range w.topics {
		got := m.TopicNamed([]byte(name))
		require.Same(t, got, m.TopicByID(topic.id))
		require.Same(t, got, m.Topic(name))
		require.Equal(t, len(topic.leaders), len(got.Partitions))
		for p := range int32(7) {
			leader, there := topic.leaders[p]
			require.Equal(t, there, got.Partition(p) != nil)
			if there {
				require.Equal(t, []int32{leader, topic.epochs[p], topic.partEpochs[p]},
					[]int32{got.Partition(p).Leader, got.Partition(p).LeaderEpoch, got.Partition(p).PartitionEpoch})
			}
		}
		require.Equal(t, len(topic.configs), got.Configs.Len())
		for k, v := range topic.configs {
			require.Equal(t, v, got.Configs.At(k))
		}
	}
	for _, name := range names {
		want := ""
		for _, other := range names { // ascending, so the first is the one that is told
			if want == "" && w.topics[other] != nil && len(other) == 3 && unified(other) == unified(name) {
				want = other
			}
		}
		require.Equal(t, want, m.Collision(name), name)
	}
}

func TestEqualSeesEveryField(t *testing.T) {
	id := UUID{1}
	rack, one := "r", "1"
	base := []Record{
		&FeatureLevelRecord{"metadata.version", 29}, &RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 5},
		&TopicRecord{"a", id}, &PartitionRecord{PartitionID: 0, TopicID: id, Replicas: []int32{1}},
		&ConfigRecord{ResourceBroker, "1", "x", &one},
	}
	changes := []Record{
		&NoOpRecord{}, &FeatureLevelRecord{"metadata.version", 28}, &FeatureLevelRecord{"metadata.version", 0},
		&RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 5, Rack: &rack}, &UnregisterBrokerRecord{1, 5},
		&BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 5, InControlledShutdown: 1},
		&BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 5, LogDirs: []UUID{id}},
		&BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 5, Fenced: NowFenced},
		&RemoveTopicRecord{id}, &ConfigRecord{ResourceBroker, "1", "x", nil}, &ConfigRecord{ResourceTopic, "a", "x", &one},
		&PartitionChangeRecord{TopicID: id, Leader: -2, LeaderRecoveryState: -1}, &PartitionChangeRecord{TopicID: id, Leader: -2, LeaderRecoveryState: 1},
		&PartitionChangeRecord{TopicID: id, Leader: 1, LeaderRecoveryState: -1}, &PartitionChangeRecord{TopicID: id, Leader: -2, LeaderRecoveryState: -1, ISR: []int32{1}},
		&PartitionChangeRecord{TopicID: id, Leader: -2, LeaderRecoveryState: -1, Directories: []UUID{id}},
		&ProducerIDsRecord{NextProducerID: 1}, &BeginTransactionRecord{},
		&ClientQuotaRecord{Entity: []EntityPart{{EntityUser, nil}}, Key: "x", Value: 1}, &ClientQuotaRecord{Entity: []EntityPart{{EntityUser, nil}}, Key: "x", Value: 2},
		&ClientQuotaRecord{Entity: []EntityPart{{EntityUser, &rack}}, Key: "x", Value: 1},
	}
	images := make([]*Image, len(changes))
	for i, c := range changes {
		images[i] = New()
		for offset, r := range append(slices.Clone(base), c) {
			images[i].Replay(int64(offset), 1, r)
		}
	}
	for i := range images {
		for j := range images {
			require.Equal(t, i == j, images[i].Equal(images[j]), "%#v and %#v", changes[i], changes[j])
			require.Equal(t, i == j, images[i].Digest() == images[j].Digest())
		}
	}
	moved := images[0].Clone()
	moved.Skip(99, 1)
	require.False(t, moved.Equal(images[0]))
	require.Equal(t, int64(99), moved.Offset())
	require.Equal(t, int32(1), moved.Epoch())
	value, ok := images[0].Config(ResourceBroker, "1", "x")
	require.True(t, ok)
	require.Equal(t, "1", value)
	_, ok = images[9].Config(ResourceBroker, "1", "x")
	require.False(t, ok)
	_, ok = images[0].Config(ResourceBroker, "2", "x")
	require.False(t, ok)
}

func TestBrokenLogsAreNotFolded(t *testing.T) {
	id := UUID{1}
	for law, rs := range map[string][]Record{
		"M3":  {&BeginTransactionRecord{}, &BeginTransactionRecord{}},
		"M4":  {&EndTransactionRecord{}},
		"M5":  {&AbortTransactionRecord{}},
		"M6":  {&ProducerIDsRecord{NextProducerID: 2}, &ProducerIDsRecord{NextProducerID: 1}},
		"M7":  {&FenceBrokerRecord{1, 1}},
		"M8":  {&RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 2}, &UnfenceBrokerRecord{1, 1}},
		"M9":  {&TopicRecord{"a", id}, &TopicRecord{"a", UUID{2}}},
		"M10": {&TopicRecord{"a", id}, &TopicRecord{"b", id}},
		"M11": {&RemoveTopicRecord{id}},
		"M12": {&TopicRecord{"a", id}, &PartitionRecord{TopicID: id, LeaderEpoch: 2}, &PartitionRecord{TopicID: id, LeaderEpoch: 1}},
		"M13": {&TopicRecord{"a", id}, NewPartitionChange(id, 0)},
		"M14": {&ConfigRecord{ResourceTopic, "a", "x", nil}},
	} {
		m := New()
		require.Panics(t, func() {
			for i, r := range rs {
				m.Replay(int64(i), 1, r)
			}
		}, law)
		require.Equal(t, int64(len(rs)-1), m.Offset(), "%s breaks at the last record", law)
	}
	m := New()
	m.Skip(5, 2)
	require.Panics(t, func() { m.Skip(5, 2) }, "M1")
	require.Panics(t, func() { m.Skip(6, 1) }, "M2")
}

func TestLookupsDoNotAllocate(t *testing.T) {
	m := New()
	name := fmt.Sprintf("%0200d", 7)
	m.Replay(0, 0, &TopicRecord{name, UUID{1}})
	b := []byte(name)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if m.TopicNamed(b) == nil || m.TopicByID(UUID{1}) == nil {
			panic("not found")
		}
	}))
}

func TestDirectoryStandsBesideItsReplica(t *testing.T) {
	p := Partition{Replicas: []int32{3, 1}, Directories: []UUID{{1}, {2}}}
	require.Equal(t, UUID{2}, p.Directory(1))
	require.Equal(t, UUID{}, p.Directory(2))
	require.Equal(t, UUID{}, (&Partition{Replicas: []int32{1}}).Directory(1))
}
