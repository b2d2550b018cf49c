package main

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// encode builds a batch with kmsg, the dumb twin of walk.
func encode(records []kmsg.Record) []byte {
	batch := kmsg.RecordBatch{Magic: 2, NumRecords: int32(len(records)), LastOffsetDelta: int32(len(records) - 1)}
	for i := range records {
		r := &records[i]
		r.OffsetDelta = int32(i)
		body := r.AppendTo(nil)[1:] // a length of 0 is one byte
		r.Length = int32(len(body))
		batch.Records = r.AppendTo(batch.Records)
	}
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	return seal(b)
}

func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

func drawRecords(t *rapid.T) []kmsg.Record {
	maybe := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300))
	header := rapid.Custom(func(t *rapid.T) kmsg.Header {
		return kmsg.Header{Key: rapid.StringN(0, 8, 100).Draw(t, "key"), Value: maybe.Draw(t, "value")}
	})
	record := rapid.Custom(func(t *rapid.T) kmsg.Record {
		return kmsg.Record{TimestampDelta64: rapid.Int64Range(0, 1<<40).Draw(t, "delta"), Key: maybe.Draw(t, "key"), Value: maybe.Draw(t, "value"),
			Headers: rapid.SliceOfN(header, 0, 3).Draw(t, "headers")}
	})
	return rapid.SliceOfN(record, 1, 20).Draw(t, "records")
}

func TestInspectTakesWhatIsWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		count, code := inspect(encode(records))
		assert.Equal(t, int64(len(records)), count)
		assert.Zero(t, code)
	})
}

func TestInspectRefusesWhatIsNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := encode(drawRecords(t))
		flipped := append([]byte(nil), b...)
		flipped[rapid.IntRange(16, len(b)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		_, code := inspect(flipped)
		assert.NotZero(t, code, "a flipped byte")
		_, code = inspect(b[:rapid.IntRange(0, len(b)-1).Draw(t, "size")])
		assert.NotZero(t, code, "a cut batch")
		more := seal(append(b, 0))
		binary.BigEndian.PutUint32(more[8:], uint32(len(more)-12))
		_, code = inspect(more)
		assert.EqualValues(t, 87, code, "a byte behind the last record")
	})
}

func TestWalkOfGarbageEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		walk(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"), rapid.IntRange(1, 1<<31-1).Draw(t, "count"))
	})
}
