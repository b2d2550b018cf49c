package client

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/seam"
)

// The hash of Java's default partitioner; the numbers are those of Apache Kafka's own UtilsTest.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107} {
		require.Equal(t, want, int32(murmur2([]byte(key))), key)
	}
}

// slowMurmur2 is the hash as MurmurHash2's author states it, a byte at a time and in numbers with a sign, as Java has them.
func slowMurmur2(key []byte) int32 {
	const m = 0x5bd1e995
	shift := func(v int32, n int) int32 { return int32(uint32(v) >> n) }
	seed := uint32(0x9747b28c)
	h := int32(seed) ^ int32(len(key))
	whole := len(key) / 4 * 4
	for i := 0; i < whole; i += 4 {
		k := int32(0)
		for j := 3; j >= 0; j-- {
			k = k<<8 | int32(key[i+j])
		}
		k *= m
		k ^= shift(k, 24)
		k *= m
		h *= m
		h ^= k
	}
	for j, b := range key[whole:] {
		h ^= int32(b) << (8 * j)
	}
	if whole < len(key) {
		h *= m
	}
	h ^= shift(h, 13)
	h *= m
	return h ^ shift(h, 15)
}

func TestByKey(t *testing.T) {
	require.Equal(t, AnyPartition, ByKey("t", nil, 3))
	require.Equal(t, int32(275646681%7), ByKey("t", []byte{}, 7), "an empty key is a key")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "key")
		count := rapid.Int32Range(1, 1000).Draw(t, "partitions")
		hash := slowMurmur2(key)
		require.Equal(t, hash, int32(murmur2(key)))
		require.Equal(t, int32(int64(hash)&0x7fffffff%int64(count)), ByKey("t", key, count))
	})
}

// placed is where each record of one Produce went.
func placed(t *rapid.T, w *world, records []Record) []int32 {
	from := len(w.deliveries)
	w.tell(&Produce{Tag: 5, Topic: "t", Partition: AnyPartition, Records: records})
	w.run(w.now + 5*seam.Second)
	at := make([]int32, len(records))
	told := 0
	for _, d := range w.deliveries[from:] {
		for i := d.Index; i < d.Index+d.Count; i++ {
			at[i] = d.Partition
			told++
			require.Equal(t, d.Partition < 0, d.Failed())
		}
	}
	require.Equal(t, len(records), told)
	require.Zero(t, w.client.buffered)
	return at
}

func drawnRecords(t *rapid.T, keyed bool) []Record {
	records := make([]Record, rapid.IntRange(1, 40).Draw(t, "records"))
	for i := range records {
		records[i].Value = make([]byte, rapid.IntRange(0, 60).Draw(t, "size"))
		if keyed && rapid.Bool().Draw(t, "keyed") {
			records[i].Key = []byte{byte(rapid.IntRange(0, 5).Draw(t, "key"))}
		}
	}
	return records
}

// Records without a key change the partition where a batch is full, and only there.
func TestSticky(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := DefaultConfig()
		config.Seed[0] = rapid.Byte().Draw(t, "seed")
		config.BatchBytes = rapid.IntRange(100, 400).Draw(t, "batch bytes")
		w := newWorld(1, config, faults{})
		w.topic("t", 5)
		records := drawnRecords(t, false)
		at := placed(t, w, records)
		var builder batch.Builder
		for i := range records {
			if i == 0 || builder.SizeWith(1, nil, records[i].Value, nil) > config.BatchBytes {
				builder.Begin(batch.Plain(None))
			} else {
				require.Equal(t, at[i-1], at[i], "record %d shares a batch with the one before", i)
			}
			builder.Add(1, nil, records[i].Value, nil)
		}
	})
}

// All partitions get batches of records without a key: the client does not stay where it began.
func TestStickyMoves(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 5)
	seen := map[int32]bool{}
	for range 100 {
		w.tell(&Produce{Topic: "t", Partition: AnyPartition, Records: []Record{{}}})
		w.run(w.now + seam.Second)
		seen[w.deliveries[len(w.deliveries)-1].Partition] = true
	}
	require.Len(t, seen, 5)
}

func TestRoundRobin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := DefaultConfig()
		config.RoundRobin = true
		blind := rapid.Bool().Draw(t, "keys do not count")
		if blind {
			config.Partitioner = Anywhere
		}
		config.BatchBytes = rapid.IntRange(100, 400).Draw(t, "batch bytes")
		w := newWorld(1, config, faults{})
		count := rapid.IntRange(1, 6).Draw(t, "partitions")
		w.topic("t", count)
		turn := int32(0)
		for range rapid.IntRange(1, 3).Draw(t, "produces") {
			records := drawnRecords(t, true)
			for i, got := range placed(t, w, records) {
				if key := records[i].Key; key != nil && !blind {
					require.Equal(t, slowMurmur2(key)&0x7fffffff%int32(count), got)
					continue
				}
				require.Equal(t, turn%int32(count), got, "record %d", i)
				turn++
			}
		}
	})
}

// What has no leader loses its turn; if nothing has one, the records wait.
func TestRoundRobinPassesOver(t *testing.T) {
	topic := &topic{count: 3}
	for range topic.count {
		topic.partitionOf(int32(len(topic.parts)))
	}
	turns := func() (all []int32) {
		for range 4 {
			all = append(all, topic.inTurn())
		}
		return all
	}
	require.Equal(t, []int32{0, 1, 2, 0}, turns())
	topic.parts[0].leader, topic.parts[2].leader = &node{}, &node{}
	require.Equal(t, []int32{2, 0, 2, 0}, turns())
}

// A partitioner of the application's: its word counts, and a record that it sends nowhere is told of at once.
func TestPartitionerOfOnesOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := DefaultConfig()
		config.BatchBytes = rapid.IntRange(1, 400).Draw(t, "batch bytes")
		answers := rapid.SliceOfN(rapid.Int32Range(-3, 5), 6, 6).Draw(t, "answers")
		config.Partitioner = func(topic string, key []byte, partitions int32) int32 {
			require.Equal(t, "t", topic)
			require.EqualValues(t, 3, partitions)
			if key == nil {
				return 0
			}
			return answers[key[0]]
		}
		w := newWorld(1, config, faults{})
		w.topic("t", 3)
		records := drawnRecords(t, true)
		for i, got := range placed(t, w, records) {
			want := config.Partitioner("t", records[i].Key, 3)
			switch {
			case want == AnyPartition:
				require.GreaterOrEqual(t, got, int32(0))
			case want < 0 || want > 2:
				require.EqualValues(t, -1, got)
			default:
				require.Equal(t, want, got)
			}
		}
		misplaced := slices.ContainsFunc(w.deliveries, func(d Delivered) bool { return d.Fault == Misplaced })
		wanted := slices.ContainsFunc(records, func(r Record) bool {
			return config.Partitioner("t", r.Key, 3) < -1 || config.Partitioner("t", r.Key, 3) > 2
		})
		require.Equal(t, wanted, misplaced)
	})
}
