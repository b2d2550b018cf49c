package batch

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// What is compressed anew is one batch of the same records, as its facts say without another look, and strangers read it.
func TestEveryCodecBecomesEveryOther(t *testing.T) {
	var r Rewriter
	var scratch Scratch
	levels := map[Codec][]int32{None: {LevelOwn}, Gzip: {LevelOwn, -1, 1, 6, 9}, Snappy: {LevelOwn}, LZ4: {LevelOwn, 1, 8, 9, 10, 17}, Zstd: {LevelOwn, -131072, -1, 0, 1, 3, 7, 22}}
	plain := golden(0, nil, func(h *kmsg.RecordBatch) {
		*h = kmsg.RecordBatch{Magic: h.Magic, Attributes: 0x40c0, ProducerID: 8, ProducerEpoch: 3, FirstSequence: 1<<31 - 2, FirstTimestamp: 1000, MaxTimestamp: 1000,
			LastOffsetDelta: 499, NumRecords: 500, Records: many(500, 300)[HeaderSize:]}
	})
	for from := None; from <= Zstd; from++ {
		source := sealed(append([]byte{}, plain...))
		if from != None {
			source = franz(t, View(source), from)
			source[attributesAt] = 0x40
			sealed(source)
		}
		facts := scratch.Inspect(source, Limits{})
		require.Equal(t, Fine, facts.Fault)
		Repair(source, &facts)
		before := bytes.Clone(source)
		for to := None; to <= Zstd; to++ {
			for _, level := range levels[to] {
				out := r.Append([]byte("before"), View(source), to, level)[6:]
				require.Equal(t, before, []byte(source), "the source stays as it is")
				require.True(t, View(out).Sound())
				require.EqualValues(t, to, View(out).Attributes(), "attributes that mean nothing go")
				require.Equal(t, facts.Rewritten(out), scratch.Inspect(out, Limits{}))
				require.Equal(t, readAll(t, View(source)), readAll(t, View(out)))
				records, err := kgo.DefaultDecompressor().Decompress(out[HeaderSize:], kgo.CompressionCodecType(to))
				require.NoError(t, err)
				require.Equal(t, plain[HeaderSize:], records)
				again := new(Rewriter).Append(nil, View(source), to, level)
				require.Equal(t, out, again, "what was compressed before does not matter")
				if to != None {
					require.Less(t, len(out), len(plain)/2)
				}
			}
		}
	}
}

// Levels do something where the codec has them.
func TestLevels(t *testing.T) {
	var text []byte
	words := strings.Fields("a jackdaw is a bird of the crow family that lives in colonies and likes towers more than any other bird does")
	for i := range 20_000 {
		text = append(append(text, words[(i*i+i/7)%len(words)]...), ' ')
	}
	var b Builder
	b.Begin(Plain(None))
	b.Add(0, nil, text, nil)
	v := b.Finish()
	var r Rewriter
	for _, row := range []struct {
		codec      Codec
		low, other int32
	}{{Gzip, 1, 9}, {LZ4, 9, 17}, {Zstd, 1, 22}} {
		low, other := r.Append(nil, v, row.codec, row.low), r.Append(nil, v, row.codec, row.other)
		require.Less(t, len(other), len(low), row.codec)
	}
	require.Equal(t, r.Append(nil, v, LZ4, LevelOwn), r.Append(nil, v, LZ4, 9), "KIP-390: 9 is the fast compressor")
	require.Equal(t, r.Append(nil, v, Zstd, LevelOwn), r.Append(nil, v, Zstd, 3))
	require.Equal(t, r.Append(nil, v, Gzip, LevelOwn), r.Append(nil, v, Gzip, -1))
}

// The broker's time reaches the CRC through the header alone.
func TestStampAppendTimeSignsWithoutTheRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(HeaderSize, 3000).Draw(t, "size")
		if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
			size = rapid.IntRange(3000, 3<<20).Draw(t, "size")
		}
		b := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, size)
		copy(b, rapid.SliceOfN(rapid.Byte(), 1, HeaderSize).Draw(t, "header"))
		b[magicAt] = Magic
		sealed(put32(b, lengthAt, int32(size-PrefixSize)))
		require.True(t, View(b).Sound())
		timestamp := rapid.Int64().Draw(t, "timestamp")
		StampAppendTime(b, timestamp)
		require.True(t, View(b).Sound())
		require.True(t, View(b).IsAppendTime())
		require.Equal(t, timestamp, View(b).MaxTimestamp())
		b[len(b)-1] ^= 1
		require.False(t, View(b).Sound())
	})
}

func BenchmarkStampAppendTime(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 1 << 20} {
		b.Run(map[int]string{100: "100B", 16 << 10: "16KiB", 1 << 20: "1MiB"}[size], func(b *testing.B) {
			v := many(1, size)
			for i := 0; b.Loop(); i++ {
				StampAppendTime(v, int64(i))
			}
		})
	}
}
