package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

func values(pairs ...string) *ordered.Map[string, string] {
	m := &ordered.Map[string, string]{}
	for i := 0; i < len(pairs); i += 2 {
		m.Put(pairs[i], pairs[i+1])
	}
	return m
}

func newRegistry() *Registry { return New(Config{BytesMax: 1000}, rng.FromInt(1)) }

func at(millis int64) seam.Now { return seam.Now{Mono: seam.Mono(millis) * seam.Millisecond} }

func (r *Registry) ask(now seam.Now, id byte, client Client) *Instance {
	room := 1 << 30
	return r.Find(now, &Search{ID: meta.UUID{id}, Conn: seam.Conn(id), Client: client}, &room)
}

// TestNumbersAreKafkas holds numbers and the order of metrics to what Kafka 4.2 says (Uuid, HashSet, Crc32C).
func TestNumbersAreKafkas(t *testing.T) {
	long := []string{"org.apache.kafka.producer.connection.", "org.apache.kafka.producer.node.request.latency.", "org.apache.kafka.consumer.fetch.",
		"x\U0001F600y", "é中", "a", "a", "zz", "metric.1", "metric.2", "metric.3", "metric.4"}
	java := []string{"zz", "a", "x\U0001F600y", "é中", "org.apache.kafka.consumer.fetch.", "metric.4", "org.apache.kafka.producer.connection.", "metric.3",
		"org.apache.kafka.producer.node.request.latency.", "metric.2", "metric.1"}
	ids := []meta.UUID{
		{6: 0x40, 8: 0x80, 15: 1}, meta.UUID([]byte("ROOKERY_ABCDEFGH")),
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 15: 5},
	}
	letters := strings.Split("a b c d e f g h i j k l m n", " ")
	for _, c := range []struct {
		metrics, order []string
		interval       int32
		numbers        [3]int32
	}{
		{nil, nil, 300000, [3]int32{1422334943, -941733434, -725132325}},
		{[]string{"*"}, []string{"*"}, 1000, [3]int32{-1299451208, 563257505, 848016060}},
		{letters, letters, 5000, [3]int32{-1204211839, 723549592, 943288197}},
		{long, java, 60000, [3]int32{660795709, -1266965724, -1486704327}},
	} {
		for i, id := range ids {
			r := newRegistry()
			if c.metrics != nil {
				r.Subscribe("s", values("metrics", strings.Join(c.metrics, ", "), "interval.ms", fmt.Sprint(c.interval)))
			}
			room := 10
			got := r.Find(at(0), &Search{ID: id}, &room)
			require.Equal(t, c.interval, got.IntervalMillis)
			require.Empty(t, slices.Compare(c.order, got.Metrics()), "%q", got.Metrics())
			require.Equal(t, c.numbers[i], got.Subscription, "%q %v", c.metrics, id)
		}
	}
}

func TestPatterns(t *testing.T) {
	name := "app-1"
	client := Client{ID: &name, SoftwareName: "librdkafka", SoftwareVersion: "2.3.0", Address: "10.0.0.1", Port: "4711"}
	for match, want := range map[string]bool{
		"": true, "client_id=app-.*": true, "client_id=app": false, "client_id=pp-1": false, "client_id=app|app-1": true,
		"client_software_name=librdkafka, client_software_version=2\\..*": true, "client_software_name=librdkafka,client_id=other": false,
		"client_id=other,client_id=app-1": true, // the last of an attribute's holds
		"client_source_address=10\\..*":   true, "client_source_port=4711": true, "client_instance_id=" + meta.UUID{7}.String(): true,
	} {
		s := parse("s", values("match", match))
		require.Equal(t, want, s.matches(meta.UUID{7}, &client), match)
	}
	require.False(t, parse("s", values("match", "client_id=.*")).matches(meta.UUID{}, &Client{}), "who does not say an id has none")
	for _, bad := range []string{"client_id", "client_id=", "client=x", "client_id=a=b", "client_id=(", "client_id=a)(b"} {
		require.ErrorContains(t, CheckPatterns([]string{bad}), "Illegal client matching pattern: "+bad)
	}
	require.NoError(t, CheckPatterns(Elements(" client_id = x , client_source_port=1.* ")))
}

// TestPushesInKafkasOrder: each row is a push that has every fault from its own on.
func TestPushesInKafkasOrder(t *testing.T) {
	r := newRegistry()
	r.Subscribe("s", values("interval.ms", "1000"))
	i := r.ask(at(0), 1, Client{SoftwareName: "x"})
	require.Equal(t, wire.None, r.Ask(at(0), i))
	bad := Pushed{Subscription: i.Subscription + 1, Codec: 5, Bytes: 1001, Payload: wire.InvalidRecord}
	now := int64(0)
	push := func(wait int64, p Pushed, want wire.Code) {
		now += wait
		require.Equal(t, want, r.Push(at(now), i, p), "%+v", p)
	}
	push(0, bad, wire.UnknownSubscriptionID) // at once after a Get
	push(999, bad, wire.ThrottlingQuotaExceeded)
	push(1, bad, wire.UnknownSubscriptionID)
	bad.Subscription = i.Subscription
	push(1000, bad, wire.UnsupportedCompressionType)
	bad.Codec = 4
	push(1000, bad, wire.TelemetryTooLarge)
	bad.Bytes = 1000
	push(1000, bad, wire.InvalidRecord)
	bad.Payload = wire.None
	push(1000, bad, wire.None)
	bad.Terminating = true
	push(1, bad, wire.None) // the last push may come at any time
	push(1, bad, wire.InvalidRequest)
	bad.Terminating = false
	push(5000, bad, wire.InvalidRequest)
	push(5000, bad, wire.None) // who says after that that it goes on, does
	require.Equal(t, Counts{Instances: 1, Throttled: 1, Unknown: 2, Softwares: []Software{{"x", 3, 3000}}}, r.Counts())
}

func TestWhoMayAskEarly(t *testing.T) {
	r := newRegistry()
	r.Subscribe("s", values("interval.ms", "1000"))
	i := r.ask(at(0), 1, Client{})
	require.Equal(t, wire.None, r.Ask(at(0), i))
	require.Equal(t, wire.ThrottlingQuotaExceeded, r.Ask(at(999), i))
	require.Equal(t, wire.UnsupportedCompressionType, r.Push(at(999), i, Pushed{Subscription: i.Subscription, Codec: -1}))
	require.Equal(t, wire.None, r.Ask(at(1000), i), "a push was refused for its codec")
	require.Equal(t, wire.ThrottlingQuotaExceeded, r.Ask(at(1000), i))
	require.Equal(t, wire.None, r.Ask(at(1999), i), "an interval after the push")
	r.Subscribe("s", values("interval.ms", "500"))
	require.Equal(t, wire.None, r.Ask(at(1999), r.ask(at(1999), 1, Client{})), "another subscription")
	r.Subscribe("s", nil)
	r.Subscribe("s", nil)
	require.EqualValues(t, IntervalMillis, r.ask(at(2000), 1, Client{}).IntervalMillis)
}

func TestInstancesAreForgotten(t *testing.T) {
	r := newRegistry()
	r.Subscribe("slow", values("match", "client_software_name=slow", "interval.ms", "100000"))
	r.ask(at(0), 1, Client{SoftwareName: "slow"})
	require.Equal(t, at(300_000).Mono, r.Next())
	require.False(t, r.Expire(at(299_999)))
	r.Subscribe("quick", values("interval.ms", "100"))
	r.ask(at(1), 1, Client{})
	require.Equal(t, at(60_001).Mono, r.Next(), "a minute at least")
	require.True(t, r.Expire(at(60_001)))
	require.Equal(t, seam.Never, r.Next())

	r.ask(at(60_001), 2, Client{})
	r.Left(3, meta.UUID{2}) // another connection's
	require.Equal(t, 1, r.Counts().Instances)
	r.Left(2, meta.UUID{2})
	r.Left(2, meta.UUID{2})
	require.Zero(t, r.Counts().Instances)
}

// TestMemoryIsBounded: by number, and by what they say of themselves.
func TestMemoryIsBounded(t *testing.T) {
	r, room := newRegistry(), 1
	for n := range instancesMax + 10 {
		r.Find(at(int64(n)), &Search{ID: meta.UUID{byte(n), byte(n >> 8), 1}}, &room)
	}
	require.Equal(t, instancesMax, r.Counts().Instances)
	require.EqualValues(t, 10, r.Counts().Evictions)
	require.Nil(t, r.instances[meta.UUID{9, 0, 1}], "the oldest go")
	require.NotNil(t, r.instances[meta.UUID{10, 0, 1}])
	name := strings.Repeat("x", instanceBytes/4)
	for n := range byte(10) {
		r.ask(at(99999), n, Client{ID: &name})
		require.LessOrEqual(t, r.bytes, instanceBytes)
	}
	for n := range 2 * softwaresMax {
		r.software(fmt.Sprint(n)).Pushes++
	}
	require.Len(t, r.counts.Softwares, softwaresMax+1)
	require.EqualValues(t, softwaresMax, r.software("others").Pushes)
}

// TestListsAreShared: what instances are asked for is held once, whoever asks in between, and goes with the last of them.
func TestListsAreShared(t *testing.T) {
	r := newRegistry()
	r.Subscribe("a", values("match", "client_id=a", "metrics", "1,2,3"))
	r.Subscribe("b", values("match", "client_id=b", "metrics", "4,5"))
	var asked [4]*Instance
	for n := range asked {
		name := string("ab"[n%2])
		asked[n] = r.ask(at(0), byte(n+1), Client{ID: &name})
	}
	require.Same(t, &asked[0].Metrics()[0], &asked[2].Metrics()[0])
	require.Same(t, &asked[1].Metrics()[0], &asked[3].Metrics()[0])
	require.Equal(t, 4+5*metricBytes, r.bytes)
	r.Left(1, asked[0].ID)
	require.Equal(t, 3+5*metricBytes, r.bytes)
	r.Left(3, asked[2].ID)
	require.Equal(t, 2+2*metricBytes, r.bytes)
	for r.Expire(at(900_000)) {
	}
	require.Zero(t, r.bytes)
	require.Empty(t, r.lists)
}

// TestLongNamesTakeRoom: a pattern costs as much as there is to be matched.
func TestLongNamesTakeRoom(t *testing.T) {
	r, name, pieces := newRegistry(), strings.Repeat("x", 32_000), 1
	for n := range 100 {
		r.Subscribe(fmt.Sprint(n), values("match", "client_id=y"))
	}
	s := &Search{ID: meta.UUID{1}, Client: Client{ID: &name}}
	for room := 1000; r.Find(at(0), s, &room) == nil; room = 1000 {
		pieces++
	}
	require.Equal(t, 50, pieces)
}

// TestFindInPieces: a subscription that changes between two pieces is seen.
func TestFindInPieces(t *testing.T) {
	r := newRegistry()
	for n := range 20 {
		r.Subscribe(fmt.Sprint(n), values("metrics", fmt.Sprint(n)))
	}
	s, room := &Search{ID: meta.UUID{1}}, 16 // eight, and a metric each
	require.Nil(t, r.Find(at(0), s, &room))
	require.Zero(t, room)
	r.Subscribe("0", values("metrics", "new"))
	room = 45
	i := r.Find(at(0), s, &room)
	require.Equal(t, 5, room)
	require.Len(t, i.Metrics(), 20)
	require.Contains(t, i.Metrics(), "new")
	require.NotContains(t, i.Metrics(), "0")
	room = 0
	require.Same(t, i, r.Find(at(1), s, &room), "who is known needs no room")
}

// TestRegistryIsAList: instances against a plain list that is searched.
func TestRegistryIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type known struct {
			id      byte
			expires seam.Mono
		}
		r, list, now := newRegistry(), []known{}, int64(0)
		without := func(id byte) {
			list = slices.DeleteFunc(list, func(k known) bool { return k.id == id })
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				id := rapid.ByteRange(1, 5).Draw(t, "id")
				without(id)
				i := r.ask(at(now), id, Client{})
				list = append(list, known{id, at(now).Mono + max(60*seam.Second, 3*i.interval())})
			},
			"leave": func(t *rapid.T) {
				id := rapid.ByteRange(1, 5).Draw(t, "id")
				without(id)
				r.Left(seam.Conn(id), meta.UUID{id})
			},
			"subscribe": func(t *rapid.T) {
				r.Subscribe("s", values("interval.ms", fmt.Sprint(rapid.IntRange(1, 60).Draw(t, "s")*1000)))
			},
			"wait": func(t *rapid.T) {
				now += rapid.Int64Range(0, 100_000).Draw(t, "ms")
				for r.Expire(at(now)) {
				}
				list = slices.DeleteFunc(list, func(k known) bool { return k.expires <= at(now).Mono })
			},
			"": func(t *rapid.T) {
				next, i := seam.Never, r.oldest
				for _, k := range list {
					require.Equal(t, meta.UUID{k.id}, i.ID)
					next, i = min(next, k.expires), i.newer
				}
				require.Nil(t, i)
				require.Equal(t, len(list), r.Counts().Instances)
				require.Equal(t, next, r.Next())
			},
		})
	})
}

func TestIDs(t *testing.T) {
	r := newRegistry()
	for range 1000 {
		require.False(t, strings.HasPrefix(r.NewID().String(), "-"))
	}
	require.NotEqual(t, r.NewID(), r.NewID())
	require.True(t, Reserved(meta.UUID{}))
	require.True(t, Reserved(meta.UUID{15: 1}))
	require.False(t, Reserved(meta.UUID{15: 2}))
	require.False(t, Reserved(meta.UUID{14: 1}))
}

// Metrics take room, however few the subscriptions are that have them; and what one client is asked for is bounded, while the
// shortest interval of all subscriptions holds.
func TestManyMetrics(t *testing.T) {
	r := newRegistry()
	const subscriptions, each = 300, 5000
	for i := range subscriptions {
		var metrics []string
		for j := range each {
			metrics = append(metrics, fmt.Sprintf("%05x", i*each+j))
		}
		r.Subscribe(fmt.Sprint(i), values("metrics", strings.Join(metrics, ","), "interval.ms", fmt.Sprint(1000+i)))
	}
	s, pieces := Search{ID: meta.UUID{1}}, 1
	var i *Instance
	for ; i == nil; pieces++ {
		room := 1000
		i = r.Find(at(0), &s, &room)
		require.GreaterOrEqual(t, room, -each)
	}
	require.GreaterOrEqual(t, pieces, subscriptions)
	require.Greater(t, len(i.Metrics()), each)
	require.Less(t, len(i.Metrics()), 3*each)
	require.EqualValues(t, 1000, i.IntervalMillis)
}
