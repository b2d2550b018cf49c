package main

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func TestHistogramIsWithinItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "duration"))
		var h histogram
		h.add(d)
		assert.InDelta(t, float64(d)/1000, h.at(0.5), float64(d)/1000/64+0.001)
		assert.Equal(t, float64(d)/1000, h.at(1))
	})
}

func TestProduceFrameIsWhatKmsgReads(t *testing.T) {
	o := &options{topic: "some-topic", acks: -1}
	batch, count := encodeBatch(100, 16<<10)
	frame := append(produceHead(o, 3, batch), batch...)
	assert.EqualValues(t, len(frame)-4, binary.BigEndian.Uint32(frame))
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(7)
	assert.NoError(t, request.ReadFrom(frame[4+2+2+4+2+len("load"):]))
	assert.EqualValues(t, -1, request.Acks)
	assert.Equal(t, "some-topic", request.Topics[0].Topic)
	assert.EqualValues(t, 3, request.Topics[0].Partitions[0].Partition)
	assert.Equal(t, batch, request.Topics[0].Partitions[0].Records)

	var read kmsg.RecordBatch
	assert.NoError(t, read.ReadFrom(batch))
	assert.EqualValues(t, count, read.NumRecords)
	assert.EqualValues(t, crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)), uint32(read.CRC))
	assert.WithinDuration(t, time.Now(), time.UnixMilli(read.MaxTimestamp), time.Minute)
}

func TestFetchFrameIsWhatKmsgReads(t *testing.T) {
	w := &worker{options: &options{topic: "some-topic", fetchBytes: 1 << 20}}
	frame := w.fetchRequest([]cursor{{partition: 1, next: 42}})
	request := kmsg.NewPtrFetchRequest()
	request.SetVersion(11)
	assert.NoError(t, request.ReadFrom(frame[4+2+2+4+2+len("load"):]))
	assert.EqualValues(t, 42, request.Topics[0].Partitions[0].FetchOffset)
	assert.EqualValues(t, -1, request.SessionEpoch)
}

func TestTakeBatchesCountsWholeOnesOnce(t *testing.T) {
	batch, count := encodeBatch(10, 1000)
	second := append([]byte(nil), batch...)
	binary.BigEndian.PutUint64(second, uint64(count))
	answer := append(append(append([]byte(nil), batch...), second...), batch[:70]...)
	w, c := &worker{}, &cursor{end: 1 << 40}
	w.takeBatches(answer, c)
	assert.Equal(t, 2*count, c.next)
	assert.Equal(t, 2*count, w.records)
	w.takeBatches(answer, c)
	assert.Equal(t, 2*count, w.records, "what was read before is not counted again")
}
