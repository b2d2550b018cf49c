package outside

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Error codes of the protocol.
const (
	corruptMessage      = 2
	unknownTopic        = 3
	messageTooLarge     = 10
	invalidTopic        = 17
	recordListTooLarge  = 18
	invalidAcks         = 21
	invalidTimestamp    = 32
	invalidRequest      = 42
	outOfOrderSequence  = 45
	invalidEpoch        = 47
	storageError        = 56
	unsupportedCodec    = 76
	invalidRecord       = 87
	unknownTopicID      = 100
	noStart, start0     = -1, 0
	nothingWritten      = 0
	hour                = time.Hour
	laterThanNow        = 3 * hour
	theYearBefore       = -365 * 24 * hour
	produceOldest       = 3
	produceNewest       = 13
	firstWithLogStart   = 5
	firstWithErrorNames = 8
)

// changed sets a field of a batch; what it makes of length and CRC is right.
func changed(b []byte, at int, value ...byte) []byte {
	copy(b[at:], value)
	return Sign(b)
}

// badBatch is one record set: what it is answered with, and how many records it leaves in the log.
type badBatch struct {
	what    string
	records []byte
	code    int16
	start   int64 // LogStartOffset: -1 where Kafka finds the fault before it has the log in hand
	written int64
}

// oldMessage is a message set of version 0 or 1 with one message.
func oldMessage(magic byte) []byte {
	b := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, magic, 0}
	if magic == 1 {
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 1)
	}
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 'x')
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	return b
}

func deltas(these ...int32) []byte {
	var records []kmsg.Record
	for _, delta := range these {
		r := Record("k", "v")
		r.OffsetDelta = delta
		records = append(records, r)
	}
	return Batch(records...)
}

func withRecords(b []byte, records []byte) []byte { return Seal(append(b[:AtRecords], records...)) }

// badBatches is the table of what Kafka 4.2 answers. Where differences.md has another answer, the row says so.
func badBatches(version int16) []badBatch {
	half := Three()[:40]
	attributes := Batch(kmsg.Record{Attributes: 7, OffsetDelta: -1, Value: []byte("v")})
	late := Three()
	binary.BigEndian.PutUint64(late[AtMaxTimestamp:], 1)
	compress := func(codec byte, b []byte) []byte { return changed(b, AtAttributes, 0, codec) }
	unknownCodec := int64(start0)
	if version < 7 { // it is found while zstd is looked for, before there is a log in hand
		unknownCodec = noStart
	}
	return []badBatch{
		// One batch, whole.
		{"two batches", append(Three(), Three()...), invalidRecord, noStart, 0},
		{"a batch and a message of version 1", append(Three(), oldMessage(1)...), invalidRecord, noStart, 0},
		{"a batch and half a batch", append(Three(), half...), 0, start0, 3},
		{"a batch and a byte", append(Three(), 0), 0, start0, 3},
		{"a batch and 20 zeroes", append(Three(), make([]byte, 20)...), corruptMessage, noStart, 0},
		{"no bytes", []byte{}, invalidRecord, noStart, 0},
		{"null (Kafka never answers)", nil, invalidRecord, noStart, 0},
		{"three bytes", []byte{1, 2, 3}, invalidRecord, noStart, 0},
		{"a batch cut by a byte", Three()[:len(Three())-1], invalidRecord, noStart, 0},
		{"a length of zero", put(Three(), AtLength, 0, 0, 0, 0), corruptMessage, noStart, 0},
		{"a length below zero", put(Three(), AtLength, 0xff, 0xff, 0xff, 0xff), corruptMessage, noStart, 0},
		{"a length of 2 GiB", put(Three(), AtLength, 0x7f, 0xff, 0xff, 0xff), invalidRecord, noStart, 0},
		{"a length that cuts the header", Sign(put(Three(), AtLength, 0, 0, 0, 30)), corruptMessage, noStart, 0},
		// Magic.
		{"version 0", oldMessage(0), invalidRecord, noStart, 0},
		{"version 1", oldMessage(1), invalidRecord, noStart, 0},
		{"magic 0 on a batch", put(Three(), AtMagic, 0), invalidRecord, noStart, 0},
		{"magic 1 on a batch", put(Three(), AtMagic, 1), invalidRecord, noStart, 0},
		{"magic 3", put(Three(), AtMagic, 3), corruptMessage, noStart, 0},
		{"magic -1", put(Three(), AtMagic, 0xff), corruptMessage, noStart, 0},
		// CRC.
		{"a bit of the last record", put(Three(), len(Three())-1, 0x77), corruptMessage, noStart, 0},
		{"a wrong CRC", put(Three(), AtCRC, 1, 2, 3, 4), corruptMessage, noStart, 0},
		// What a client may not say, and what it may.
		{"base offset 77", changed(Three(), AtBaseOffset, 0, 0, 0, 0, 0, 0, 0, 77), invalidRecord, start0, 0},
		{"base offset -1", changed(Three(), AtBaseOffset, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), invalidRecord, start0, 0},
		{"leader epoch 9", changed(Three(), AtLeaderEpoch, 0, 0, 0, 9), 0, start0, 3},
		{"attribute bit 0x80", changed(Three(), AtAttributes, 0, 0x80), 0, start0, 3},
		{"attribute bit 0x4000", changed(Three(), AtAttributes, 0x40, 0), 0, start0, 3},
		{"the delete horizon", changed(Three(), AtAttributes, 0, 0x40), 0, start0, 3},
		{"the LogAppendTime bit", changed(Three(), AtAttributes, 0, 0x08), 0, start0, 3},
		{"a control batch", changed(Three(), AtAttributes, 0, 0x20), invalidRecord, start0, 0},
		{"record attributes 7", attributes, 0, start0, 1},
		{"a wrong maxTimestamp", Sign(late), 0, start0, 3},
		// Counts.
		{"last offset delta too small", changed(Three(), AtLastOffsetDelta, 0, 0, 0, 1), invalidRecord, start0, 0},
		{"last offset delta too large", changed(Three(), AtLastOffsetDelta, 0, 0, 0, 3), invalidRecord, start0, 0},
		{"last offset delta -1", changed(Three(), AtLastOffsetDelta, 0xff, 0xff, 0xff, 0xff), invalidRecord, start0, 0},
		{"count too small", changed(changed(Three(), AtCount, 0, 0, 0, 2), AtLastOffsetDelta, 0, 0, 0, 1), invalidRecord, start0, 0},
		{"count too large", changed(changed(Three(), AtCount, 0, 0, 0, 4), AtLastOffsetDelta, 0, 0, 0, 3), invalidRecord, start0, 0},
		{"count 2,147,483,647", changed(changed(Three(), AtCount, 0x7f, 0xff, 0xff, 0xff), AtLastOffsetDelta, 0x7f, 0xff, 0xff, 0xfe), invalidRecord, start0, 0},
		{"count below zero", changed(Three(), AtCount, 0xff, 0xff, 0xff, 0xff), invalidRecord, start0, 0},
		{"no records", withRecords(changed(changed(Three(), AtCount, 0, 0, 0, 0), AtLastOffsetDelta, 0xff, 0xff, 0xff, 0xff), nil), invalidRecord, start0, 0},
		{"three records of no bytes", withRecords(Three(), nil), invalidRecord, start0, 0},
		{"offset deltas 1, 2, 3 (Kafka takes them)", deltas(1, 2, 3), invalidRecord, start0, 0},
		{"offset deltas 0, 0, 2 (Kafka takes them)", deltas(0, 0, 2), invalidRecord, start0, 0},
		{"offset deltas 2, 1, 0 (Kafka takes them)", deltas(2, 1, 0), invalidRecord, start0, 0},
		// Garbage inside a good CRC: Kafka's answer is -1.
		{"garbage (Kafka: -1)", withRecords(Three(), bytes.Repeat([]byte{0xa7}, 50)), invalidRecord, start0, 0},
		{"a record length of 2 GiB (Kafka: -1)", withRecords(Three(), []byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0}), invalidRecord, start0, 0},
		{"a negative record length (Kafka: -1)", withRecords(Three(), []byte{1, 0, 0, 0}), invalidRecord, start0, 0},
		{"bytes behind the last record (Kafka: -1)", Seal(append(Three(), 1, 2)), invalidRecord, start0, 0},
		{"codec 5 (Kafka: -1)", compress(5, Three()), invalidRecord, unknownCodec, 0},
		{"codec 7 (Kafka: -1)", compress(7, Three()), invalidRecord, unknownCodec, 0},
		{"plain records called gzip (Kafka: -1)", compress(1, Three()), invalidRecord, start0, 0},
		{"plain records called snappy (Kafka: -1)", compress(2, Three()), invalidRecord, start0, 0},
		{"plain records called lz4 (Kafka: -1)", compress(3, Three()), invalidRecord, start0, 0},
		// Producers.
		{"a producer with epoch -1 and sequence 0", From(4000+int64(version), -1, 0, 3), 0, start0, 3},
		{"a producer with sequence -1", From(4002, 0, -1, 3), invalidRecord, start0, 0},
		{"a sequence without a producer", From(-1, -1, 5, 3), 0, start0, 3},
		{"an epoch without a producer", From(-1, 5, -1, 3), 0, start0, 3},
		{"producer -2", From(-2, 0, 0, 3), 0, start0, 3},
		// Times, with the defaults: a future of one hour, any past.
		{"3 hours ahead", timed(laterThanNow), invalidTimestamp, start0, 0},
		{"59 minutes ahead", timed(59 * time.Minute), 0, start0, 1},
		{"a year ago", timed(theYearBefore), 0, start0, 1},
		{"timestamp -1", stamped(-1), 0, start0, 1},
		{"timestamp -2", stamped(-2), 0, start0, 1},
		{"timestamp 0", stamped(0), 0, start0, 1},
		// Sizes.
		{"a MiB and more", Batch(Record("k", string(make([]byte, 1<<20)))), messageTooLarge, noStart, 0},
	}
}

func put(b []byte, at int, value ...byte) []byte {
	copy(b[at:], value)
	return b
}

func timed(from time.Duration) []byte { return stamped(time.Now().Add(from).UnixMilli()) }

func stamped(milliseconds int64) []byte { return at(milliseconds, Batch(Record("k", "v"))) }

// at gives all records of a batch one time.
func at(milliseconds int64, b []byte) []byte {
	binary.BigEndian.PutUint64(b[AtBaseTimestamp:], uint64(milliseconds))
	binary.BigEndian.PutUint64(b[AtMaxTimestamp:], uint64(milliseconds))
	return Sign(b)
}

// TestBadBatches sends each row in each version of Produce, and looks at the answer and at what the log then holds.
func TestBadBatches(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	id := Create(t, c, "bad", "max.message.bytes", "1000000")
	end, cases := int64(0), 0
	for version := int16(produceOldest); version <= produceNewest; version++ {
		for _, row := range badBatches(version) {
			what := fmt.Sprintf("%s, Produce v%d", row.what, version)
			got := partitionOf(c.Ask(t, Produce("bad", id, 0, -1, row.records), version))
			require.Equal(t, row.code, got.ErrorCode, what)
			base := int64(-1)
			if row.code == 0 {
				base = end
			}
			require.Equal(t, base, got.BaseOffset, what)
			require.EqualValues(t, -1, got.LogAppendTime, what)
			if version >= firstWithLogStart {
				require.Equal(t, row.start, got.LogStartOffset, what)
			}
			if row.code != invalidTimestamp {
				require.Empty(t, got.ErrorRecords, what)
			}
			end += row.written
			require.Equal(t, end, End(t, c, "bad", 0), what)
			cases++
		}
	}
	require.Greater(t, cases, 600)
	checkDense(t, Stored(t, c, "bad", 0, 0), 0, end)
	n.Stop(t)
}

func partitionOf(r kmsg.Response) kmsg.ProduceResponseTopicPartition {
	return r.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

// checkDense walks stored batches: whole, of version 2, rightly signed, offset on offset, times as their records say.
func checkDense(t *testing.T, stored []byte, from, end int64) {
	t.Helper()
	for len(stored) > 0 {
		var b kmsg.RecordBatch
		require.NoError(t, b.ReadFrom(stored))
		require.Equal(t, from, b.FirstOffset)
		require.EqualValues(t, 2, b.Magic)
		require.Zero(t, b.Attributes&0x08, "LogAppendTime on a topic of CreateTime")
		whole := stored[:12+b.Length]
		require.Equal(t, binary.BigEndian.Uint32(whole[AtCRC:]), binary.BigEndian.Uint32(Sign(bytes.Clone(whole))[AtCRC:]))
		require.Equal(t, max(-1, b.FirstTimestamp), b.MaxTimestamp, "all records of a batch here are of one time; none is before -1")
		from += int64(b.LastOffsetDelta) + 1
		stored = stored[12+b.Length:]
	}
	require.Equal(t, end, from)
}

// TestBadPlaces sends a good batch where it cannot go.
func TestBadPlaces(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "place")
	for version := int16(produceOldest); version <= produceNewest; version++ {
		byID := version >= 13
		for _, row := range []struct {
			what      string
			topic     string
			id        [16]byte
			partition int32
			code      int16
		}{
			{"partition 1 of 1", "place", id, 1, unknownTopic},
			{"partition -1", "place", id, -1, unknownTopic},
			{"an unknown topic", "nowhere", [16]byte{9}, 0, unknownTopic},
			{"no topic", "", [16]byte{}, 0, unknownTopic},
			{"a name that is none", "a/b", [16]byte{8}, 0, unknownTopic},
			{"the metadata log", "__cluster_metadata", [16]byte{15: 1}, 0, unknownTopic},
		} {
			code := row.code
			if byID && row.id != id {
				code = unknownTopicID
			}
			got := partitionOf(c.Ask(t, Produce(row.topic, row.id, row.partition, -1, Three()), version))
			require.Equal(t, code, got.ErrorCode, "%s, v%d", row.what, version)
			require.EqualValues(t, -1, got.BaseOffset)
			require.EqualValues(t, -1, got.LogStartOffset)
		}
	}
	require.Zero(t, End(t, c, "place", 0))
}

func TestInternalTopicsTakeNoProduce(t *testing.T) {
	c := Dial(t, start(t))
	for _, name := range []string{"__consumer_offsets", "__transaction_state"} {
		id := Create(t, c, name)
		got := partitionOf(c.Ask(t, Produce(name, id, 0, -1, Three()), 12))
		require.EqualValues(t, invalidTopic, got.ErrorCode)
		require.EqualValues(t, -1, got.LogStartOffset)
		require.Zero(t, End(t, c, name, 0))
	}
}

func TestAcksThatAreNone(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "acks")
	for version := int16(produceOldest); version <= produceNewest; version++ {
		for _, acks := range []int16{2, -2, 100} {
			got := partitionOf(c.Ask(t, Produce("acks", id, 0, acks, Three()), version))
			require.EqualValues(t, invalidAcks, got.ErrorCode)
			require.EqualValues(t, -1, got.BaseOffset)
			require.EqualValues(t, -1, got.LogStartOffset)
		}
	}
	require.Zero(t, End(t, c, "acks", 0))
}

// TestNoAcknowledgement: with acks=0 nothing is said; an error closes the connection, which is the only way to tell.
func TestNoAcknowledgement(t *testing.T) {
	n := start(t)
	look := Dial(t, n)
	id := Create(t, look, "none")
	for what, request := range map[string]*kmsg.ProduceRequest{
		"an unknown topic":     Produce("nowhere", [16]byte{7}, 0, 0, Three()),
		"an unknown partition": Produce("none", id, 3, 0, Three()),
		"a wrong CRC":          Produce("none", id, 0, 0, put(Three(), AtCRC, 1, 2, 3, 4)),
		"two batches":          Produce("none", id, 0, 0, append(Three(), Three()...)),
		"a time ahead":         Produce("none", id, 0, 0, timed(laterThanNow)),
		"a gap of sequences":   Produce("none", id, 0, 0, From(1, 0, 77, 1)),
	} {
		for version := int16(produceOldest); version <= produceNewest; version++ {
			c := Dial(t, n)
			if what == "a gap of sequences" {
				c.Ask(t, Produce("none", id, 0, -1, From(1, 0, 0, 1)), version) // a duplicate, but for the first time
			}
			c.Send(request, version)
			c.Closed(t, fmt.Sprintf("%s, v%d", what, version))
			require.NoError(t, c.Close())
		}
	}
	require.EqualValues(t, 1, End(t, look, "none", 0))
	c := Dial(t, n)
	for version := int16(produceOldest); version <= produceNewest; version++ {
		c.Send(Produce("none", id, 0, 0, Three()), version)
	}
	c.Ask(t, software("a", "1"), 3) // the next answer belongs to the next request
	Await(t, func() bool { return End(t, look, "none", 0) == 1+3*11 }, "what was sent without acknowledgement")
	require.Empty(t, n.Log.Lines("law"))
}

// TestOnePartitionTwice: one answer, and only the later entry is written.
func TestOnePartitionTwice(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "twice")
	for version := int16(produceOldest); version <= produceNewest; version++ {
		before := End(t, c, "twice", 0)
		r := Produce("twice", id, 0, -1, Three())
		other := r.Topics[0].Partitions[0]
		other.Records = Batch(Record("later", "one"))
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, other)
		answer := c.Ask(t, r, version).(*kmsg.ProduceResponse)
		require.Len(t, answer.Topics, 1)
		require.Len(t, answer.Topics[0].Partitions, 1)
		require.Zero(t, answer.Topics[0].Partitions[0].ErrorCode)
		require.Equal(t, before+1, End(t, c, "twice", 0), version)
	}
}

// TestRefusedRecordsAreNamed (KIP-467): a bad time and a missing key name each record; other faults name none.
func TestRefusedRecordsAreNamed(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "compacted", "cleanup.policy", "compact")
	null := kmsg.Record{Value: []byte("v"), OffsetDelta: -1}
	empty := kmsg.Record{Key: []byte{}, Value: []byte("v"), OffsetDelta: -1}
	late := Record("k", "v")
	late.TimestampDelta64 = laterThanNow.Milliseconds()
	for version := int16(firstWithErrorNames); version <= produceNewest; version++ {
		for _, row := range []struct {
			what  string
			batch []byte
			code  int16
			named []int32
		}{
			{"null keys", Batch(null, Record("k", "v"), null), invalidRecord, []int32{0, 2}},
			{"an empty key", Batch(empty), 0, nil},
			{"times", Batch(Record("k", "v"), late, late), invalidTimestamp, []int32{1, 2}},
			{"a wrong count", changed(Three(), AtLastOffsetDelta, 0, 0, 0, 9), invalidRecord, nil},
		} {
			got := partitionOf(c.Ask(t, Produce("compacted", id, 0, -1, row.batch), version))
			require.Equal(t, row.code, got.ErrorCode, row.what)
			require.Zero(t, got.LogStartOffset, row.what)
			var named []int32
			for _, r := range got.ErrorRecords {
				named = append(named, r.RelativeOffset)
			}
			require.Equal(t, row.named, named, row.what)
		}
	}
}

// TestZstd: Produce before version 7 cannot carry it (KIP-110); what is stored is handed out to everybody.
func TestZstd(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "zstd")
	pack, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	b := Three()
	b = withRecords(b, pack.EncodeAll(b[AtRecords:], nil))
	changed(b, AtAttributes, 0, 4)
	for version := int16(produceOldest); version <= produceNewest; version++ {
		got := partitionOf(c.Ask(t, Produce("zstd", id, 0, -1, b), version))
		if version < 7 {
			require.EqualValues(t, unsupportedCodec, got.ErrorCode)
			require.EqualValues(t, -1, got.LogStartOffset)
			continue
		}
		require.Zero(t, got.ErrorCode, version)
	}
	require.EqualValues(t, 3*7, End(t, c, "zstd", 0))
	old := c.Ask(t, Fetch("zstd", id, 0, 0), 4).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	require.Zero(t, old.ErrorCode)
	require.Equal(t, b[AtRecords:], old.RecordBatches[AtRecords:len(b)])
}

// TestTimesByTopic holds times against a topic's own bounds, and stamps where the topic stamps.
func TestTimesByTopic(t *testing.T) {
	c := Dial(t, start(t))
	past := Create(t, c, "past", "message.timestamp.before.max.ms", "1000")
	require.Zero(t, partitionOf(c.Ask(t, Produce("past", past, 0, -1, stamped(-1)), 12)).ErrorCode, "-1 is no time")
	for _, milliseconds := range []int64{-2, 0, time.Now().Add(-time.Minute).UnixMilli()} {
		got := partitionOf(c.Ask(t, Produce("past", past, 0, -1, stamped(milliseconds)), 12))
		require.EqualValues(t, invalidTimestamp, got.ErrorCode, milliseconds)
	}
	require.Zero(t, partitionOf(c.Ask(t, Produce("past", past, 0, -1, timed(0)), 12)).ErrorCode)
	own := Create(t, c, "append", "message.timestamp.type", "LogAppendTime")
	for i, milliseconds := range []int64{-1, 0, time.Now().Add(laterThanNow).UnixMilli()} {
		before := time.Now().UnixMilli()
		got := partitionOf(c.Ask(t, Produce("append", own, 0, -1, stamped(milliseconds)), 12))
		require.Zero(t, got.ErrorCode)
		require.GreaterOrEqual(t, got.LogAppendTime, before)
		var b kmsg.RecordBatch
		require.NoError(t, b.ReadFrom(Stored(t, c, "append", 0, int64(i))))
		require.Equal(t, got.LogAppendTime, b.MaxTimestamp)
		require.EqualValues(t, 0x08, b.Attributes&0x08)
	}
	bit := partitionOf(c.Ask(t, Produce("append", own, 0, -1, changed(Three(), AtAttributes, 0, 0x08)), 12))
	require.EqualValues(t, invalidTimestamp, bit.ErrorCode, "a client does not say that the broker stamped")
}

// TestOrderOfChecks: of two faults the one is told that Kafka comes upon first.
func TestOrderOfChecks(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "t", "cleanup.policy", "compact", "max.message.bytes", "2000")
	own := Create(t, c, "own", "cleanup.policy", "compact", "message.timestamp.type", "LogAppendTime")
	tiny := Create(t, c, "tiny", "cleanup.policy", "compact", "internal.segment.bytes", "100")
	null := kmsg.Record{Value: make([]byte, 3000), OffsetDelta: -1}
	late := Record("k", "v")
	late.TimestampDelta64 = laterThanNow.Milliseconds()
	zstd := changed(withRecords(Three(), []byte("no frame")), AtAttributes, 0, 4)
	for _, row := range []struct {
		what      string
		topic     string
		id        [16]byte
		version   int16
		acks      int16
		records   []byte
		code      int16
		refusals  int
		partition int32
	}{
		{"an unknown topic, and magic 1", "nowhere", [16]byte{9}, 12, -1, put(Three(), AtMagic, 1), unknownTopic, 0, 0},
		{"an unknown partition, and a wrong CRC", "t", id, 12, -1, put(Three(), AtCRC, 1, 2, 3, 4), unknownTopic, 0, 4},
		{"an unknown topic, and acks 2", "nowhere", [16]byte{9}, 13, 2, Three(), unknownTopicID, 0, 0},
		{"magic 1, and acks 2", "t", id, 12, 2, put(Three(), AtMagic, 1), invalidRecord, 0, 0},
		{"two batches, and acks 2", "t", id, 12, 2, append(Three(), Three()...), invalidRecord, 0, 0},
		{"acks 2, and a wrong CRC", "t", id, 12, 2, put(Three(), AtCRC, 1, 2, 3, 4), invalidAcks, 0, 0},
		{"zstd too early, and acks 2", "t", id, 6, 2, zstd, unsupportedCodec, 0, 0},
		{"zstd too early, and a wrong CRC", "t", id, 6, -1, put(bytes.Clone(zstd), AtCRC, 1, 2, 3, 4), unsupportedCodec, 0, 0},
		{"zstd too early, and a second batch", "t", id, 6, -1, append(bytes.Clone(zstd), Three()...), unsupportedCodec, 0, 0},
		{"a transaction, and acks 2", "t", id, 12, 2, changed(From(7, 0, 0, 1), AtAttributes, 0, 0x10), 53, 0, 0},
		{"too large, and a wrong CRC", "t", id, 12, -1, put(Batch(null), AtCRC, 1, 2, 3, 4), messageTooLarge, 0, 0},
		{"a base offset, and too large", "t", id, 12, -1, changed(Batch(null), AtBaseOffset, 0, 0, 0, 0, 0, 0, 0, 1), invalidRecord, 0, 0},
		{"too large, and no key", "t", id, 12, -1, Batch(null), messageTooLarge, 0, 0},
		{"no key, and a time ahead", "tiny", tiny, 12, -1, Batch(late, null), invalidTimestamp, 2, 0},
		{"no key, and larger than a segment", "tiny", tiny, 12, -1, Batch(null), invalidRecord, 1, 0},
		{"a time ahead, and larger than a segment", "tiny", tiny, 12, -1, Batch(late, late, late, late), invalidTimestamp, 4, 0},
		{"larger than a segment, and out of order", "tiny", tiny, 12, -1, From(7, 0, 9, 20), recordListTooLarge, 0, 0},
		{"no key where the broker stamps: times do not matter", "own", own, 12, -1, Batch(late, null), invalidRecord, 1, 0},
		{"a client that stamps", "own", own, 12, -1, changed(Batch(Record("k", "v"), null, Record("k", "v")), AtAttributes, 0, 8), invalidTimestamp, 3, 0},
	} {
		got := partitionOf(c.Ask(t, Produce(row.topic, row.id, row.partition, row.acks, row.records), row.version))
		require.Equal(t, row.code, got.ErrorCode, row.what)
		require.Len(t, got.ErrorRecords, row.refusals, row.what)
	}
	for _, topic := range []string{"t", "own", "tiny"} {
		require.Zero(t, End(t, c, topic, 0))
	}
}

// TestSizesByTopic: max.message.bytes is to the byte, and is about compressed bytes.
func TestSizesByTopic(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "small", "max.message.bytes", "1000")
	fit := func(size int) []byte {
		value := make([]byte, size)
		for {
			b := Batch(Record("", string(value)))
			if len(b) == size {
				return b
			}
			value = value[:len(value)-(len(b)-size)]
		}
	}
	require.Zero(t, partitionOf(c.Ask(t, Produce("small", id, 0, -1, fit(1000)), 12)).ErrorCode)
	got := partitionOf(c.Ask(t, Produce("small", id, 0, -1, fit(1001)), 12))
	require.EqualValues(t, messageTooLarge, got.ErrorCode)
	require.EqualValues(t, -1, got.LogStartOffset)
	pack, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	packed := withRecords(fit(50_000), pack.EncodeAll(fit(50_000)[AtRecords:], nil))
	changed(packed, AtAttributes, 0, 4)
	require.Zero(t, partitionOf(c.Ask(t, Produce("small", id, 0, -1, packed), 12)).ErrorCode, "50,000 bytes in %d", len(packed))
}

// TestInflatesBeyondReason: a batch that inflates to more than 100 MiB is too large, which clients answer by splitting.
func TestInflatesBeyondReason(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	id := Create(t, c, "bomb")
	pack, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	bomb := withRecords(Three(), pack.EncodeAll(make([]byte, 101<<20), nil))
	changed(bomb, AtAttributes, 0, 4)
	got := partitionOf(c.Ask(t, Produce("bomb", id, 0, -1, bomb), 12))
	require.EqualValues(t, messageTooLarge, got.ErrorCode)
	require.Zero(t, End(t, c, "bomb", 0))
}

// TestBigBatch: a batch of 20 MB travels if the topic takes it.
func TestBigBatch(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "big", "max.message.bytes", "104857600")
	b := Batch(Record("k", string(bytes.Repeat([]byte("x"), 20<<20))))
	require.Zero(t, partitionOf(c.Ask(t, Produce("big", id, 0, -1, b), 12)).ErrorCode)
	require.Equal(t, b[AtLeaderEpoch+4:], Stored(t, c, "big", 0, 0)[AtLeaderEpoch+4:])
}

// TestTransactionsAreNotServed: a transactional batch is refused as Kafka refuses one without a transactional id.
func TestTransactionsAreNotServed(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "txn")
	for version := int16(produceOldest); version <= produceNewest; version++ {
		got := partitionOf(c.Ask(t, Produce("txn", id, 0, -1, changed(From(7, 0, 0, 1), AtAttributes, 0, 0x10)), version))
		require.EqualValues(t, 53, got.ErrorCode, version)
	}
	require.Zero(t, End(t, c, "txn", 0))
}
