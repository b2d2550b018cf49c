package batch

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz compresses the records of a plain batch as franz-go does.
func franz(t *testing.T, plain View, codec Codec) View {
	c, err := kgo.DefaultCompressor([]kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(),
		kgo.Lz4Compression(), kgo.ZstdCompression()}[codec])
	require.NoError(t, err)
	records, kind := c.Compress(new(bytes.Buffer), plain[HeaderSize:])
	require.EqualValues(t, codec, kind)
	v := append(append(View{}, plain[:HeaderSize]...), records...)
	v[attributesAt+1] = byte(codec)
	return sealed(put32(v, lengthAt, int32(len(v)-PrefixSize)))
}

func TestFranzGoReadsUsAndWeReadIt(t *testing.T) {
	plain := View(append([]byte(nil), many(500, 300)...))
	var b Builder
	var s Scratch
	for codec := Gzip; codec <= Zstd; codec++ {
		theirs := franz(t, plain, codec)
		f := s.Inspect(theirs, Limits{})
		require.Equal(t, Fine, f.Fault, codec)
		assert.EqualValues(t, len(plain)-HeaderSize, f.InflatedSize)
		assert.Equal(t, readAll(t, plain), readAll(t, theirs))

		b.Begin(Plain(codec))
		for _, r := range readAll(t, plain) {
			b.Add(r.Timestamp, r.Key, r.Value, r.Headers)
		}
		records, err := kgo.DefaultDecompressor().Decompress(b.Finish()[HeaderSize:], kgo.CompressionCodecType(codec))
		require.NoError(t, err)
		assert.Equal(t, []byte(plain[HeaderSize:]), records)
	}
}

// Streams, as librdkafka and Kafka's Java client write them, do not say how long they will be: the first guess of the room
// is four times what came, and whatever is more finds room all the same, up to the limit and not a byte beyond.
func TestZstdStreamsOfAnySize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const words = "Package Version Architecture Maintainer Description Homepage Section Depends "
	for _, size := range []int{100, 16 << 10, 16<<10 + 1, 100_000, 128 << 10, 128<<10 + 1, 300_000, 999_235, 5 << 20} {
		for _, repeats := range []int{1, 20, 2000} { // from a ratio of three to thousands
			plain := make([]byte, 0, size)
			for len(plain) < size {
				word := words[random.IntN(len(words)-8):][:8]
				for range repeats {
					plain = append(plain, word...)
				}
			}
			plain = plain[:size]
			var stream bytes.Buffer
			encoder, err := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1))
			require.NoError(t, err)
			for rest := plain; len(rest) > 0; rest = rest[min(len(rest), 10_000):] {
				_, err := encoder.Write(rest[:min(len(rest), 10_000)])
				require.NoError(t, err)
			}
			require.NoError(t, encoder.Close())
			var s Scratch
			for _, room := range []int{0, 1 << 20} {
				s.inflated = make([]byte, 0, room)
				for _, limit := range []int{size, 100 << 20} {
					got, fault := s.inflate(Zstd, stream.Bytes(), limit)
					require.Equal(t, Fine, fault, "%d bytes, %d repeats, limit %d", size, repeats, limit)
					require.True(t, bytes.Equal(plain, got))
				}
				_, fault := s.inflate(Zstd, stream.Bytes(), size-1)
				require.Equal(t, TooLarge, fault, "%d bytes, %d repeats", size, repeats)
				_, fault = s.inflate(Zstd, stream.Bytes()[:stream.Len()-1], 100<<20)
				require.Equal(t, Malformed, fault, "%d bytes, %d repeats, cut", size, repeats)
			}
		}
	}
}

// A frame may claim what it likes: memory follows what the bytes can hold, not what they say.
func TestAClaimIsNotBelieved(t *testing.T) {
	claims := map[Codec][]byte{
		Snappy: {0xff, 0xff, 0xff, 0x2f, 0},                                                 // a block of 100 MB
		Zstd:   {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 6, 1, 0, 0},                         // a frame of 100 MB
		LZ4:    {0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 0, 0, 0, 6, 0, 0, 0, 0, 0x20, 0, 0, 0}, // likewise
	}
	for codec, records := range claims {
		b := golden(0, []kmsg.Record{{}}, func(h *kmsg.RecordBatch) { h.Attributes, h.Records = int16(codec), records })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f := Inspect(b, Limits{})
		runtime.ReadMemStats(&after)
		assert.Contains(t, []Fault{Malformed, TooLarge}, f.Fault, codec)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), codec)
	}
}

func BenchmarkInspectCompressed(b *testing.B) {
	plain := many(160, 100)
	for codec := Gzip; codec <= Zstd; codec++ {
		b.Run(codec.String(), func(b *testing.B) {
			var build Builder
			var s Scratch
			build.Begin(Plain(codec))
			for _, r := range readAll(b, plain) {
				build.Add(r.Timestamp, r.Key, r.Value, r.Headers)
			}
			v := build.Finish()
			b.ReportAllocs()
			for b.Loop() {
				if s.Inspect(v, Limits{}).Fault != Fine {
					b.Fatal("fault")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/160, "ns/record")
		})
	}
}

// Who inflates more than a MiB is asked before, once a batch, and gets what he would have got; who does not is not asked.
func TestLargeIsAsked(t *testing.T) {
	for codec := Gzip; codec <= Zstd; codec++ {
		for count, want := range map[int]int{1_000: 0, 100_000: 0, 200_000: 1, 500_000: 1} { // records of seven bytes
			var b Builder
			b.Begin(Plain(codec))
			for range count {
				b.Add(1, nil, nil, nil)
			}
			records, asked := bytes.Clone(b.Finish()), 0
			scratch := Scratch{Large: func() { asked++ }}
			got := scratch.Inspect(records, Limits{})
			require.Equal(t, new(Scratch).Inspect(records, Limits{}), got, "%s of %d", codec, count)
			require.Equal(t, Fine, got.Fault)
			require.Equal(t, want, asked, "%s of %d, %d bytes", codec, count, got.InflatedSize)
			require.Equal(t, TooLarge, scratch.Inspect(records, Limits{InflatedMax: int(got.InflatedSize) - 1}).Fault)
		}
	}
}
