package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/golang/snappy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// sealed gives a batch the CRC that its bytes ask for.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[attributesAt:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// golden encodes a batch by kmsg's encoders alone.
func golden(base int64, records []kmsg.Record, change func(*kmsg.RecordBatch)) []byte {
	h := kmsg.RecordBatch{Magic: 2, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		FirstTimestamp: base, MaxTimestamp: -1 << 63, NumRecords: int32(len(records)), LastOffsetDelta: int32(len(records) - 1)}
	for _, r := range records {
		r.Length = 0
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		h.Records = r.AppendTo(h.Records)
		h.MaxTimestamp = max(h.MaxTimestamp, base+r.TimestampDelta64)
	}
	if change != nil {
		change(&h)
	}
	h.Length = int32(49 + len(h.Records))
	return sealed(h.AppendTo(nil))
}

func three(change func(*kmsg.RecordBatch)) []byte {
	return golden(1000, []kmsg.Record{
		{Key: []byte("a"), Value: []byte("one")},
		{OffsetDelta: 1, TimestampDelta64: 7, Key: []byte{}, Headers: []kmsg.Header{{Key: "h", Value: nil}, {Key: "", Value: []byte("v")}}},
		{OffsetDelta: 2, TimestampDelta64: -3, Key: []byte("c"), Value: []byte{}},
	}, change)
}

func put32(b []byte, at int, v int32) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(v))
	return b
}

func TestInspectOfAGoodBatch(t *testing.T) {
	b := three(nil)
	f := Inspect(b, Limits{})
	assert.Equal(t, Facts{Size: int32(len(b)), Count: 3, LastOffsetDelta: 2, BaseSequence: -1, LastSequence: -1, MaxTimestampDelta: 1,
		BaseTimestamp: 1000, MinTimestamp: 997, MaxTimestamp: 1007, ProducerID: -1, ProducerEpoch: -1, InflatedSize: int64(len(b) - 61)}, f)
}

func TestFaults(t *testing.T) {
	set := func(change func(*kmsg.RecordBatch)) []byte { return three(change) }
	good := three(nil)
	cases := []struct {
		name  string
		bytes []byte
		fault Fault
		code  int16
	}{
		{"zero bytes", nil, NoBatch, 87},
		{"eleven bytes", good[:11], NoBatch, 87},
		{"half a batch", good[:70], NoBatch, 87},
		{"length 13", put32(three(nil), lengthAt, 13), BadLength, 2},
		{"length negative", put32(three(nil), lengthAt, -1), BadLength, 2},
		{"length below a header", put32(three(nil), lengthAt, 48), ShortHeader, 2},
		{"length below a header, alone", put32(three(nil), lengthAt, 48)[:60], ShortHeader, 2},
		{"length beyond", put32(three(nil), lengthAt, 1<<31-1), NoBatch, 87},
		{"magic 0", set(func(h *kmsg.RecordBatch) { h.Magic = 0 }), OldMagic, 87},
		{"magic 1", set(func(h *kmsg.RecordBatch) { h.Magic = 1 }), OldMagic, 87},
		{"magic 3", set(func(h *kmsg.RecordBatch) { h.Magic = 3 }), UnknownMagic, 2},
		{"magic -1", set(func(h *kmsg.RecordBatch) { h.Magic = -1 }), UnknownMagic, 2},
		{"two batches", append(three(nil), good...), SecondBatch, 87},
		{"a batch and an old message", append(three(nil), set(func(h *kmsg.RecordBatch) { h.Magic = 1 })...), SecondBatch, 87},
		{"a batch and half of one", append(three(nil), good[:40]...), Fine, 0},
		{"one trailing byte", append(three(nil), 9), Fine, 0},
		{"20 trailing zero bytes", append(three(nil), make([]byte, 20)...), TrailingCorrupt, 2},
		{"base offset 77", set(func(h *kmsg.RecordBatch) { h.FirstOffset = 77 }), BaseOffset, 87},
		{"base offset -1", set(func(h *kmsg.RecordBatch) { h.FirstOffset = -1 }), BaseOffset, 87},
		{"wrong crc", put32(three(nil), crcAt, 4), WrongCRC, 2},
		{"codec 5", set(func(h *kmsg.RecordBatch) { h.Attributes = 5 }), UnknownCodec, 87},
		{"codec 7", set(func(h *kmsg.RecordBatch) { h.Attributes = 7 }), UnknownCodec, 87},
		{"bits 0x4000, 0x80, 0x40", set(func(h *kmsg.RecordBatch) { h.Attributes = 0x40c0 }), Fine, 0},
		{"append time bit", set(func(h *kmsg.RecordBatch) { h.Attributes = 8 }), Fine, 0},
		{"transactional", set(func(h *kmsg.RecordBatch) { h.Attributes = 16 }), Fine, 0},
		{"control", set(func(h *kmsg.RecordBatch) { h.Attributes = 32 }), ControlBatch, 87},
		{"count too small", set(func(h *kmsg.RecordBatch) { h.NumRecords = 2 }), WrongCount, 87},
		{"both counts too small", set(func(h *kmsg.RecordBatch) { h.NumRecords, h.LastOffsetDelta = 2, 1 }), Malformed, 87},
		{"both counts too large", set(func(h *kmsg.RecordBatch) { h.NumRecords, h.LastOffsetDelta = 4, 3 }), Malformed, 87},
		{"count huge", set(func(h *kmsg.RecordBatch) { h.NumRecords, h.LastOffsetDelta = 1<<31-1, 1<<31-2 }), Malformed, 87},
		{"delta too large", set(func(h *kmsg.RecordBatch) { h.LastOffsetDelta = 3 }), WrongCount, 87},
		{"no records", golden(0, nil, nil), Empty, 87},
		{"count negative", set(func(h *kmsg.RecordBatch) { h.NumRecords, h.LastOffsetDelta = -1, -2 }), Empty, 87},
		{"count 3 without bytes", set(func(h *kmsg.RecordBatch) { h.Records = nil }), Malformed, 87},
		{"producer without sequence", set(func(h *kmsg.RecordBatch) { h.ProducerID = 5 }), NegativeSequence, 87},
		{"producer with sequence, epoch -1", set(func(h *kmsg.RecordBatch) { h.ProducerID, h.FirstSequence = 5, 0 }), Fine, 0},
		{"sequence without producer", set(func(h *kmsg.RecordBatch) { h.FirstSequence, h.ProducerEpoch = 3, 2 }), Fine, 0},
		{"producer -2", set(func(h *kmsg.RecordBatch) { h.ProducerID = -2 }), Fine, 0},
		{"wrong max timestamp", set(func(h *kmsg.RecordBatch) { h.MaxTimestamp = 5 }), Fine, 0},
		{"garbage", set(func(h *kmsg.RecordBatch) { copy(h.Records, "garbage!") }), Malformed, 87},
		{"plain under gzip", set(func(h *kmsg.RecordBatch) { h.Attributes = 1 }), Malformed, 87},
		{"plain under snappy", set(func(h *kmsg.RecordBatch) { h.Attributes = 2 }), Malformed, 87},
		{"plain under lz4", set(func(h *kmsg.RecordBatch) { h.Attributes = 3 }), Malformed, 87},
		{"plain under zstd", set(func(h *kmsg.RecordBatch) { h.Attributes = 4 }), Malformed, 87},
		{"deltas 0 0 2", golden(0, []kmsg.Record{{}, {}, {OffsetDelta: 2}}, nil), NotDense, 87},
		{"deltas 1 2 3", golden(0, []kmsg.Record{{OffsetDelta: 1}, {OffsetDelta: 2}, {OffsetDelta: 3}}, nil), NotDense, 87},
		{"record attributes", golden(0, []kmsg.Record{{Attributes: 7}}, nil), Fine, 0},
	}
	for _, c := range cases {
		f := Inspect(c.bytes, Limits{})
		assert.Equal(t, c.fault, f.Fault, c.name)
		assert.Equal(t, c.code, f.Fault.Code(), c.name)
		assert.NotEqual(t, "unknown fault", f.Fault.String())
	}
}

func TestPlacesInTheOrderOfChecks(t *testing.T) {
	assert.True(t, BaseOffset.BeforeSize() && SecondBatch.BeforeSize())
	assert.False(t, Fine.BeforeSize() || WrongCRC.BeforeSize() || ShortHeader.BeforeSize())
	assert.True(t, OldMagic.BeforeCodec())
	assert.False(t, TrailingCorrupt.BeforeCodec() || Fine.BeforeCodec())
	assert.True(t, BaseOffset.WithLogStart() && WrongCount.WithLogStart() && Malformed.WithLogStart())
	assert.False(t, WrongCRC.WithLogStart() || OldMagic.WithLogStart() || SecondBatch.WithLogStart() || TooLarge.WithLogStart())
}

func TestRepair(t *testing.T) {
	b := three(func(h *kmsg.RecordBatch) { h.Attributes, h.MaxTimestamp = 0x4088, 99 })
	f := Inspect(b, Limits{})
	require.Equal(t, Fine, f.Fault)
	require.True(t, f.AppendTimeSet)
	require.EqualValues(t, 1007, f.MaxTimestamp)
	Repair(b, &f)
	assert.Equal(t, three(func(h *kmsg.RecordBatch) { h.Attributes = 0x4080 }), b)
	assert.True(t, f.AppendTimeSet)
	again := Inspect(b, Limits{})
	again.AppendTimeSet = true
	assert.Equal(t, f, again)

	good := three(nil)
	f = Inspect(good, Limits{})
	Repair(good, &f)
	assert.Equal(t, three(nil), good)
}

func TestStamps(t *testing.T) {
	b := three(nil)
	Stamp(b, 1<<40, 7)
	v, rest, whole := Next(append(b, 1, 2))
	require.True(t, whole)
	assert.True(t, v.Sound())
	assert.Equal(t, []byte{1, 2}, rest)
	assert.Equal(t, int64(1<<40), v.BaseOffset())
	assert.Equal(t, int64(1<<40+2), v.LastOffset())
	assert.EqualValues(t, 7, v.LeaderEpoch())
	StampAppendTime(v, 4242)
	assert.True(t, v.Sound())
	var r Record
	records := Read(v, Limits{}, nil)
	for records.Next(&r) {
		assert.EqualValues(t, 4242, r.Timestamp)
	}
	assert.Equal(t, Fine, records.Fault())
	v[70] ^= 1
	assert.False(t, v.Sound())
	_, _, whole = Next(b[:60])
	assert.False(t, whole)
}

func TestSequencesWrap(t *testing.T) {
	assert.EqualValues(t, 0, AddSequence(1<<31-1, 1))
	assert.EqualValues(t, 1, AddSequence(1<<31-2, 3))
	assert.EqualValues(t, 9, AddSequence(4, 5))
	v := View(three(func(h *kmsg.RecordBatch) { h.ProducerID, h.FirstSequence = 1, 1<<31-1 }))
	assert.EqualValues(t, 1, v.LastSequence())
}

func TestTheBuilderWritesWhatKmsgWrites(t *testing.T) {
	var b Builder
	b.Begin(Plain(None))
	b.Add(1000, []byte("a"), []byte("one"), nil)
	b.Add(1007, []byte{}, nil, []Header{{Key: []byte("h")}, {Key: []byte{}, Value: []byte("v")}})
	want := b.SizeWith(997, []byte("c"), []byte{}, nil)
	b.Add(997, []byte("c"), []byte{}, nil)
	assert.Equal(t, want, b.Size())
	assert.Equal(t, three(nil), []byte(b.Finish()))
}

func TestControlBatches(t *testing.T) {
	var b Builder
	for _, version := range []int16{0, 1} {
		m := LeaderChangeMessage{Version: version, LeaderID: 3, Voters: []Voter{{ID: 3, Directory: [16]byte{1}}, {ID: 4}}, Granting: []Voter{{ID: 3, Directory: [16]byte{1}}}}
		v := b.BuildLeaderChange(12, &m)
		require.True(t, v.Sound() && v.IsControl())
		kind, value, ok := Control(v)
		require.True(t, ok)
		assert.Equal(t, LeaderChange, kind)
		var read kmsg.LeaderChangeMessage
		require.NoError(t, read.ReadFrom(value))
		assert.Equal(t, read.AppendTo(nil), value)
		assert.EqualValues(t, 3, read.LeaderID)
		assert.Len(t, read.Voters, 2)
		assert.Equal(t, ControlBatch, Inspect(v, Limits{}).Fault)
	}
	marker := kmsg.EndTxnMarker{CoordinatorEpoch: 9}
	kind, value, ok := Control(b.BuildControl(Spec{ProducerID: 5, ProducerEpoch: 1, BaseSequence: -1, Transactional: true}, 1, CommitMarker, marker.AppendTo(nil)))
	epoch, parsed := ParseEndMarker(value)
	assert.True(t, ok && parsed && kind == CommitMarker && epoch == 9)
	_, _, ok = Control(three(nil))
	assert.False(t, ok)
}

func TestRefusals(t *testing.T) {
	b := golden(100, []kmsg.Record{{Key: []byte("k")}, {OffsetDelta: 1}, {OffsetDelta: 2, TimestampDelta64: 50, Key: []byte("k")}, {OffsetDelta: 3, TimestampDelta64: -50}}, nil)
	f := Inspect(b, Limits{})
	assert.True(t, f.Fault == Fine && f.NullKey)
	assert.Equal(t, []Refusal{{1, 87}, {2, 32}, {3, 87}},
		Refusals(b, Judgement{KeyNeeded: true, TimestampFrom: 60, TimestampTo: 149}, Limits{}, nil, nil))
	assert.Equal(t, []Refusal{{3, 32}}, Refusals(b, Judgement{TimestampFrom: 60, TimestampTo: 150}, Limits{}, nil, nil))
}

func TestACleanedBatchMayHaveGaps(t *testing.T) {
	b := golden(0, []kmsg.Record{{OffsetDelta: 2}, {OffsetDelta: 7}}, func(h *kmsg.RecordBatch) { h.LastOffsetDelta = 9 })
	var r Record
	records := Read(b, Limits{}, nil)
	assert.True(t, records.Next(&r) && records.Next(&r) && !records.Next(&r))
	assert.Equal(t, Fine, records.Fault())
	empty := golden(0, nil, func(h *kmsg.RecordBatch) { h.LastOffsetDelta, h.Attributes = 9, 3 })
	records = Read(empty, Limits{}, nil)
	assert.True(t, !records.Next(&r) && records.Fault() == Fine)
}

func TestBombs(t *testing.T) {
	for codec := Gzip; codec <= Zstd; codec++ {
		var b Builder
		b.Begin(Plain(codec))
		b.Add(0, nil, make([]byte, 4<<20), nil)
		v := b.Finish()
		var s Scratch
		size := int(s.Inspect(v, Limits{}).InflatedSize)
		assert.Equal(t, TooLarge, s.Inspect(v, Limits{InflatedMax: size - 1}).Fault, codec)
		assert.Equal(t, Fine, s.Inspect(v, Limits{InflatedMax: size}).Fault, codec)
		assert.Equal(t, TooLarge, Inspect(v, Limits{InflatedMax: 1000}).Fault, codec)
	}
}

func TestSnappyInItsThreeForms(t *testing.T) {
	var b Builder
	b.Begin(Plain(Snappy))
	value := bytes.Repeat([]byte("jackdaw "), 20000)
	b.Add(1, []byte("k"), value, nil)
	plain := append([]byte(nil), b.plain[HeaderSize:]...)
	framed := append([]byte(nil), b.Finish()...)
	twice := append(append([]byte(nil), b.deflate.appendSnappy(nil, plain[:1000])...), b.deflate.appendSnappy(nil, plain[1000:])...)
	for _, records := range [][]byte{framed[HeaderSize:], snappy.Encode(nil, plain), twice} {
		v := put32(append(append([]byte(nil), framed[:HeaderSize]...), records...), lengthAt, int32(len(records)+49))
		var s Scratch
		require.Equal(t, Fine, s.Inspect(sealed(v), Limits{}).Fault)
		var r Record
		got := Read(v, Limits{}, &s)
		require.True(t, got.Next(&r))
		assert.Equal(t, value, r.Value)
	}
}

func TestInspectAllocatesNothing(t *testing.T) {
	b := many(100, 100)
	assert.Zero(t, testing.AllocsPerRun(100, func() { Inspect(b, Limits{}) }))
}

// The twin: a straightforward decoder that allocates as it likes.

type twinFacts struct {
	count    int
	nullKey  bool
	min, max int64
	maxAt    int
}

var errTwin = errors.New("malformed")

func twinInt(r *bytes.Reader, bits int) int64 {
	before := r.Len()
	v, err := binary.ReadVarint(r)
	if err != nil || bits == 32 && (before-r.Len() > 5 || v != int64(int32(v))) {
		panic(errTwin)
	}
	return v
}

func twinBytes(r *bytes.Reader, nullable bool) []byte {
	n := twinInt(r, 32)
	if n == -1 && nullable {
		return nil
	}
	if n < 0 || n > int64(r.Len()) {
		panic(errTwin)
	}
	out := make([]byte, n)
	_, _ = r.Read(out)
	return out
}

func twinRecords(b []byte, count int32, base int64) (out []Record, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = errTwin
		}
	}()
	r := bytes.NewReader(b)
	for i := int32(0); i < count; i++ {
		body := bytes.NewReader(twinBytes(r, false))
		attributes, e := body.ReadByte()
		if e != nil {
			return nil, errTwin
		}
		rec := Record{Attributes: int8(attributes), Timestamp: base + twinInt(body, 64), OffsetDelta: int32(twinInt(body, 32))}
		rec.Key, rec.Value = twinBytes(body, true), twinBytes(body, true)
		headers := twinInt(body, 32)
		if headers < 0 {
			return nil, errTwin
		}
		for ; headers > 0; headers-- {
			rec.Headers = append(rec.Headers, Header{Key: twinBytes(body, false), Value: twinBytes(body, true)})
		}
		if body.Len() > 0 || rec.OffsetDelta != i {
			return nil, errTwin
		}
		out = append(out, rec)
	}
	if r.Len() > 0 {
		return nil, errTwin
	}
	return out, nil
}

func drawBytes(t *rapid.T, name string) []byte {
	if rapid.IntRange(0, 5).Draw(t, name+" null") == 0 {
		return nil
	}
	b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, name)
	return append([]byte{}, b...)
}

func drawRecords(t *rapid.T) (out []kmsg.Record) {
	for i := range rapid.IntRange(1, 20).Draw(t, "records") {
		r := kmsg.Record{OffsetDelta: int32(i), TimestampDelta64: rapid.Int64().Draw(t, "delta"), Key: drawBytes(t, "key"), Value: drawBytes(t, "value")}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Headers = append(r.Headers, kmsg.Header{Key: rapid.String().Draw(t, "header"), Value: drawBytes(t, "header value")})
		}
		out = append(out, r)
	}
	return out
}

// drawMutated spoils up to three bytes of the records, most often near a length.
func drawMutated(t *rapid.T, b []byte) []byte {
	for range rapid.IntRange(0, 3).Draw(t, "mutations") {
		at := rapid.IntRange(HeaderSize, len(b)-1).Draw(t, "at")
		b[at] = rapid.Byte().Draw(t, "byte")
	}
	return sealed(b)
}

func TestInspectAgreesWithTheTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64().Draw(t, "base")
		b := drawMutated(t, golden(base, drawRecords(t), nil))
		v := View(b)
		want, err := twinRecords(b[HeaderSize:], v.Count(), base)
		f := Inspect(b, Limits{})
		if err != nil {
			require.Contains(t, []Fault{Malformed, NotDense}, f.Fault)
			return
		}
		require.Equal(t, Fine, f.Fault)
		compareFacts(t, f, want)
		require.Equal(t, want, readAll(t, v))
	})
}

func compareFacts(t require.TestingT, f Facts, want []Record) {
	twin := twinFacts{count: len(want), min: 1<<63 - 1, max: NoTimestamp}
	for i, r := range want {
		twin.nullKey = twin.nullKey || r.Key == nil
		if r.Timestamp != NoTimestamp {
			twin.min = min(twin.min, r.Timestamp)
		}
		if r.Timestamp > twin.max {
			twin.max, twin.maxAt = r.Timestamp, i
		}
	}
	if twin.min == 1<<63-1 {
		twin.min = NoTimestamp
	}
	require.Equal(t, twin, twinFacts{count: int(f.Count), nullKey: f.NullKey, min: f.MinTimestamp, max: f.MaxTimestamp, maxAt: int(f.MaxTimestampDelta)})
}

func readAll(t require.TestingT, v View) (out []Record) {
	var r Record
	records := Read(v, Limits{}, nil)
	for records.Next(&r) {
		r.Headers = append([]Header(nil), r.Headers...)
		out = append(out, r)
	}
	require.Equal(t, Fine, records.Fault())
	return out
}

func TestEveryCodecRoundTrips(t *testing.T) {
	var b Builder
	var s Scratch
	rapid.Check(t, func(t *rapid.T) {
		spec := Plain(Codec(rapid.IntRange(0, 4).Draw(t, "codec")))
		spec.ProducerID, spec.BaseSequence, spec.Transactional = 7, rapid.Int32Range(0, 1<<31-1).Draw(t, "sequence"), rapid.Bool().Draw(t, "transactional")
		b.Begin(spec)
		var want []Record
		for _, r := range drawRecords(t) {
			rec := Record{OffsetDelta: r.OffsetDelta, Timestamp: r.TimestampDelta64, Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				rec.Headers = append(rec.Headers, Header{Key: []byte(h.Key), Value: h.Value})
			}
			b.Add(rec.Timestamp, rec.Key, rec.Value, rec.Headers)
			want = append(want, rec)
		}
		v := b.Finish()
		require.True(t, v.Sound())
		f := s.Inspect(v, Limits{})
		require.Equal(t, Fine, f.Fault)
		require.Equal(t, v.MaxTimestamp(), f.MaxTimestamp)
		compareFacts(t, f, want)
		require.Equal(t, want, readAll(t, v))
	})
}

func many(count, size int) []byte {
	var b Builder
	b.Begin(Plain(None))
	value := make([]byte, size)
	for i := range count {
		b.Add(int64(1e12)+int64(i/3), []byte("key-0123"), value, nil)
	}
	return b.Finish()
}

func BenchmarkInspect(b *testing.B) {
	for _, size := range []int{10, 100, 1000} {
		b.Run(map[int]string{10: "10B", 100: "100B", 1000: "1000B"}[size], func(b *testing.B) {
			const count = 160
			v := many(count, size)
			b.ReportAllocs()
			for b.Loop() {
				if Inspect(v, Limits{}).Fault != Fine {
					b.Fatal("fault")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/record")
		})
	}
}

func BenchmarkWalk(b *testing.B) {
	const count = 160
	v := View(many(count, 100))
	var f Facts
	f.copyHeader(v)
	for b.Loop() {
		if f.walk(v[HeaderSize:]) != Fine {
			b.Fatal("fault")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/record")
}
