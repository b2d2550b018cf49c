package fuzz

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
)

const inflatedMax = 1 << 20

// sealBatch gives a batch the length and the CRC that its bytes ask for, so that the fuzzer gets past both.
func sealBatch(b []byte) {
	if len(b) < batch.HeaderSize {
		return
	}
	binary.BigEndian.PutUint64(b, 0)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batch.PrefixSize))
	b[16] = batch.Magic
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
}

func seedBatches(f *testing.F) {
	var b batch.Builder
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		b.Begin(batch.Plain(codec))
		for i := range 5 {
			b.Add(1000+int64(i), []byte("key"), []byte("a value, a value, a value"), []batch.Header{{Key: []byte("h"), Value: []byte("v")}})
		}
		f.Add([]byte(b.Finish()))
	}
	for _, file := range kafkaFiles(f, ".log", ".checkpoint") {
		first, _, whole := batch.Next(file)
		require.True(f, whole)
		f.Add([]byte(first))
	}
	f.Add([]byte{})
	f.Add(make([]byte, batch.HeaderSize))
}

// FuzzInspect: bytes as they come, then sealed. What Inspect finds fine, the reader reads to its end.
func FuzzInspect(f *testing.F) {
	seedBatches(f)
	var scratch batch.Scratch
	f.Fuzz(func(t *testing.T, b []byte) {
		agree(t, b, &scratch)
		sealBatch(b)
		agree(t, b, &scratch)
	})
}

func agree(t *testing.T, b []byte, scratch *batch.Scratch) {
	limits := batch.Limits{InflatedMax: inflatedMax}
	facts := scratch.Inspect(b, limits)
	if facts.Fault != batch.Fine {
		return
	}
	var record batch.Record
	var count int32
	latest := int64(-1 << 63)
	records := batch.Read(batch.View(b[:facts.Size]), limits, scratch)
	for records.Next(&record) {
		if record.OffsetDelta != count {
			t.Fatalf("record %d has offset delta %d", count, record.OffsetDelta)
		}
		latest = max(latest, record.Timestamp)
		count++
	}
	if records.Fault() != batch.Fine || count != facts.Count {
		t.Fatalf("%d of %d records, then: %v", count, facts.Count, records.Fault())
	}
	if !facts.AppendTimeSet && latest != facts.MaxTimestamp {
		t.Fatalf("largest timestamp %d, by Inspect %d", latest, facts.MaxTimestamp)
	}
	batch.Repair(b, &facts)
	if again := scratch.Inspect(b, limits); again.Fault != batch.Fine || again.AppendTimeSet || batch.View(b).MaxTimestamp() != facts.MaxTimestamp {
		t.Fatalf("after Repair: %+v", again)
	}
}

// FuzzRecords: the reader alone, which logs of other brokers and cleaned batches reach without Inspect.
func FuzzRecords(f *testing.F) {
	seedBatches(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		sealBatch(b)
		v, _, whole := batch.Next(b)
		if !whole {
			return
		}
		var record batch.Record
		var bytes int
		records := batch.Read(v, batch.Limits{InflatedMax: inflatedMax}, nil)
		for records.Next(&record) {
			bytes += len(record.Key) + len(record.Value)
		}
		if bytes > max(inflatedMax, len(b)) {
			t.Fatalf("%d bytes of records pass the limit", bytes)
		}
		batch.Control(v)
	})
}
