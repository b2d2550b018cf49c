package outside

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var codecs = []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"}

// pressed compresses the records of a batch as franz-go does.
func pressed(t testing.TB, codec int, b []byte) []byte {
	if codec == 0 {
		return b
	}
	by, err := kgo.DefaultCompressor([]kgo.CompressionCodec{{}, kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}[codec])
	require.NoError(t, err)
	records, kind := by.Compress(new(bytes.Buffer), b[AtRecords:])
	require.EqualValues(t, codec, kind)
	return changed(withRecords(b, records), AtAttributes, 0, byte(codec)|b[AtAttributes+1])
}

// plain is a stored batch's header, and its records as they are.
func plain(t testing.TB, stored []byte) (h kmsg.RecordBatch, records []byte) {
	require.NoError(t, h.ReadFrom(stored))
	whole := stored[:12+h.Length]
	require.Equal(t, binary.BigEndian.Uint32(whole[AtCRC:]), binary.BigEndian.Uint32(Sign(bytes.Clone(whole))[AtCRC:]))
	records, err := kgo.DefaultDecompressor().Decompress(h.Records, kgo.CompressionCodecType(h.Attributes&7))
	require.NoError(t, err)
	return h, records
}

func text(n int) []byte {
	var records []kmsg.Record
	for i := range n {
		records = append(records, Record(fmt.Sprint("key ", i), "a jackdaw is a bird of the crow family "+fmt.Sprint(i)))
	}
	return Batch(records...)
}

// TestTopicsWithACodec sends every codec to topics of every codec: what is stored is the topic's, its records those that
// were sent, whatever the acks; a batch that came in the topic's codec is stored as it came.
func TestTopicsWithACodec(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	for want, name := range codecs {
		for _, kind := range []string{"CreateTime", "LogAppendTime"} {
			topic := name + "-" + kind
			id := Create(t, c, topic, "compression.type", name, "message.timestamp.type", kind)
			end := int64(0)
			for from := range codecs {
				for _, acks := range []int16{-1, 1, 0} {
					sent := pressed(t, from, text(50))
					before := time.Now().UnixMilli()
					if request := Produce(topic, id, 0, acks, sent); acks == 0 {
						c.Send(request, 12)
					} else {
						got := partitionOf(c.Ask(t, request, 12))
						require.Zero(t, got.ErrorCode, "%s from %s", topic, codecs[from])
						require.Equal(t, end, got.BaseOffset)
						require.Equal(t, kind == "LogAppendTime", got.LogAppendTime >= before)
					}
					Await(t, func() bool { return End(t, c, topic, 0) == end+50 }, "a batch")
					stored := Stored(t, c, topic, 0, end)
					h, records := plain(t, stored)
					require.Equal(t, text(50)[AtRecords:], records)
					require.Equal(t, end, h.FirstOffset)
					require.EqualValues(t, 50, h.NumRecords)
					require.EqualValues(t, 49, h.LastOffsetDelta)
					bits := int16(want)
					if kind == "LogAppendTime" {
						bits |= 8
						require.GreaterOrEqual(t, h.MaxTimestamp, before)
					} else if from == want {
						require.Equal(t, sent[AtAttributes:], stored[AtAttributes:len(sent)])
					}
					require.Equal(t, bits, h.Attributes)
					end += 50
				}
			}
		}
	}
	require.Empty(t, n.Log.Lines("law"))
	n.Stop(t)
}

// TestPipelinedThroughACodec: a connection's produces keep their order, with answers to match, where some of its topics
// have a codec and some have none, and one request names both.
func TestPipelinedThroughACodec(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	with, without := Create(t, c, "with", "compression.type", "gzip"), Create(t, c, "without")
	reader := Dial(t, n)
	var asked []*kmsg.ProduceRequest
	var at []int32
	ends := map[string]int64{}
	for i := range 60 {
		r := Produce("with", with, 0, -1, text(1+i%40))
		other := Produce("without", without, 0, -1, text(1+i%7))
		switch i % 3 {
		case 1:
			r = other
		case 2:
			r.Topics = append(r.Topics, other.Topics...)
		}
		asked, at = append(asked, r), append(at, c.correlation)
		c.Send(r, 12)
	}
	for i, r := range asked {
		answer := c.Receive(t, r, int32(i)+at[0]+1).(*kmsg.ProduceResponse)
		require.Len(t, answer.Topics, len(r.Topics))
		for k, topic := range answer.Topics {
			got := topic.Partitions[0]
			require.Zero(t, got.ErrorCode)
			require.Equal(t, ends[topic.Topic], got.BaseOffset, "request %d", i)
			ends[topic.Topic] += int64(binary.BigEndian.Uint32(r.Topics[k].Partitions[0].Records[AtCount:]))
		}
	}
	require.Equal(t, ends["with"], End(t, reader, "with", 0))
	require.Equal(t, ends["without"], End(t, reader, "without", 0))
}

// TestSequencesThroughACodec: what is sent again is answered with where it lies, on another connection at the same time
// too, and written once.
func TestSequencesThroughACodec(t *testing.T) {
	n := start(t)
	c, other := Dial(t, n), Dial(t, n)
	id := Create(t, c, "t", "compression.type", "zstd")
	for i := range int32(50) {
		r := Produce("t", id, 0, -1, From(7, 0, 2*i, 2))
		first, second := c.correlation, other.correlation
		c.Send(r, 12)
		other.Send(r, 12)
		for _, got := range []kmsg.ProduceResponseTopicPartition{partitionOf(c.Receive(t, r, first+1)), partitionOf(other.Receive(t, r, second+1))} {
			require.Zero(t, got.ErrorCode)
			require.EqualValues(t, 2*i, got.BaseOffset)
		}
	}
	require.EqualValues(t, 100, End(t, c, "t", 0))
	got := partitionOf(c.Ask(t, Produce("t", id, 0, -1, From(7, 0, 101, 2)), 12))
	require.EqualValues(t, outOfOrderSequence, got.ErrorCode)
	own := Create(t, c, "own", "message.timestamp.type", "LogAppendTime")
	first := partitionOf(c.Ask(t, Produce("own", own, 0, -1, From(7, 0, 0, 2)), 12))
	require.Equal(t, first, partitionOf(c.Ask(t, Produce("own", own, 0, -1, From(7, 0, 0, 2)), 12)), "a duplicate bears the first one's time")
	got = partitionOf(c.Ask(t, Produce("own", own, 0, -1, From(7, 0, 9, 2)), 12))
	require.EqualValues(t, outOfOrderSequence, got.ErrorCode)
	require.EqualValues(t, -1, got.LogAppendTime, "what was not appended has no time")
}

// TestSizesThroughACodec: max.message.bytes and segment.bytes are about what came, and about what is stored.
func TestSizesThroughACodec(t *testing.T) {
	c := Dial(t, start(t))
	for _, row := range []struct {
		what    string
		configs []string
		from    int
		code    int16
	}{
		{"a small batch that becomes large", []string{"compression.type", "uncompressed", "max.message.bytes", "1000"}, 1, messageTooLarge},
		{"the same where it fits", []string{"compression.type", "uncompressed", "max.message.bytes", "10000"}, 1, 0},
		{"a large batch that would become small", []string{"compression.type", "zstd", "max.message.bytes", "1000"}, 0, messageTooLarge},
		{"compressed less well", []string{"compression.type", "snappy", "max.message.bytes", fmt.Sprint(len(pressed(t, 4, text(100))))}, 4, messageTooLarge},
		{"larger than a segment", []string{"compression.type", "uncompressed", "internal.segment.bytes", "1000"}, 1, recordListTooLarge},
		{"smaller than a segment, once compressed", []string{"compression.type", "zstd", "internal.segment.bytes", "2000"}, 0, 0},
	} {
		topic := fmt.Sprintf("t%d", rand.Uint64())
		id := Create(t, c, topic, row.configs...)
		got := partitionOf(c.Ask(t, Produce(topic, id, 0, -1, pressed(t, row.from, text(100))), 12))
		require.Equal(t, row.code, got.ErrorCode, row.what)
		if row.code != 0 {
			require.EqualValues(t, -1, got.BaseOffset, row.what)
			require.EqualValues(t, -1, got.LogStartOffset, row.what)
			require.Zero(t, End(t, c, topic, 0), row.what)
		}
	}
}

// TestRefusedBeforeACodec: what is wrong with a batch is found as where no codec is, and named.
func TestRefusedBeforeACodec(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "t", "compression.type", "gzip", "cleanup.policy", "compact")
	null := kmsg.Record{Value: []byte("v"), OffsetDelta: -1}
	late := Record("k", "v")
	late.TimestampDelta64 = laterThanNow.Milliseconds()
	for _, row := range []struct {
		batch []byte
		code  int16
		named int
	}{
		{Batch(null, Record("k", "v"), null), invalidRecord, 2},
		{pressed(t, 3, Batch(null, Record("k", "v"))), invalidRecord, 1},
		{Batch(Record("k", "v"), late), invalidTimestamp, 1},
		{put(Three(), AtCRC, 1, 2, 3, 4), corruptMessage, 0},
		{changed(Three(), AtAttributes, 0, 0x20), invalidRecord, 0},
		{From(9, 0, 5, 1), 0, 0}, // of a producer that is not known (KIP-360)
		{From(9, 0, 5, 1), 0, 0}, // a duplicate
		{From(9, 0, 9, 1), outOfOrderSequence, 0},
	} {
		got := partitionOf(c.Ask(t, Produce("t", id, 0, -1, row.batch), 12))
		require.Equal(t, row.code, got.ErrorCode)
		require.Len(t, got.ErrorRecords, row.named)
	}
	require.EqualValues(t, 1, End(t, c, "t", 0))
}

// TestCodecAltered: a codec, and its level, that are altered count from the answer on.
func TestCodecAltered(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	Create(t, c, "t")
	end := int64(0)
	stored := func() (kmsg.RecordBatch, int) {
		require.Zero(t, produced(t, c, "t", 0, text(300)).ErrorCode)
		h, records := plain(t, Stored(t, c, "t", 0, end))
		require.Equal(t, text(300)[AtRecords:], records)
		end += 300
		return h, len(h.Records)
	}
	sizes := map[string]int{}
	for _, row := range []struct {
		what  string
		edits []edit
		codec int16
	}{
		{"none", nil, 0},
		{"gzip 1", []edit{to("compression.type", "gzip"), to("compression.gzip.level", "1")}, 1},
		{"gzip 9", []edit{to("compression.gzip.level", "9")}, 1},
		{"lz4", []edit{to("compression.type", "lz4")}, 3},
		{"lz4 17", []edit{to("compression.lz4.level", "17")}, 3},
		{"zstd 1", []edit{to("compression.type", "zstd"), to("compression.zstd.level", "1")}, 4},
		{"zstd 19", []edit{to("compression.zstd.level", "19")}, 4},
		{"producer", []edit{to("compression.type", "producer")}, 0},
	} {
		if row.edits != nil {
			require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", row.edits}))
		}
		h, size := stored()
		require.Equal(t, row.codec, h.Attributes, row.what)
		sizes[row.what] = size
	}
	require.Less(t, sizes["gzip 9"], sizes["gzip 1"])
	require.Less(t, sizes["lz4 17"], sizes["lz4"])
	require.Less(t, sizes["zstd 19"], sizes["zstd 1"])
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{brokers, "1", []edit{to("compression.type", "snappy")}}))
	h, _ := stored()
	require.EqualValues(t, 0, h.Attributes, "the topic says producer itself")
	require.Equal(t, []int16{0}, altered(t, c, 1, false, resource{topics, "t", []edit{{"compression.type", unset, nil}}}))
	h, _ = stored()
	require.EqualValues(t, 2, h.Attributes, "the broker's default")
}

// TestLeftWhileRewriting: whoever leaves in the middle leaves nothing behind; the broker stops in order under that load.
func TestLeftWhileRewriting(t *testing.T) {
	n := start(t)
	look := Dial(t, n)
	id := Create(t, look, "t", "compression.type", "gzip", "compression.gzip.level", "9")
	for i := range 40 {
		c := Dial(t, n)
		for range 1 + i%3 {
			c.Send(Produce("t", id, 0, int16(i%3-1), text(2000)), 12)
		}
		require.NoError(t, c.Close())
	}
	busy := Dial(t, n)
	for range 20 {
		busy.Send(Produce("t", id, 0, 1, text(3000)), 12)
	}
	end := End(t, look, "t", 0)
	require.Zero(t, end%1000, "batches are whole")
	n.Stop(t)
	require.Empty(t, n.Log.Lines("law"))
}
