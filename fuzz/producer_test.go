package fuzz

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"rookery/core/batch"
	"rookery/core/producer"
)

func producerFiles() (snapshot, windows []byte) {
	var b batch.Builder
	s := producer.New()
	for i := range int64(12) {
		b.Begin(batch.Spec{BaseOffset: i, ProducerID: i % 2, ProducerEpoch: 1, BaseSequence: int32(i / 2)})
		b.Add(1000+i, nil, nil, nil)
		s.Replay(0, b.Finish())
	}
	return s.AppendSnapshot(nil), s.AppendWindows(nil, 12)
}

// sealFrom puts the CRC-32C of what follows it at at.
func sealFrom(b []byte, at int) {
	if len(b) >= at+4 {
		binary.BigEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], crc32.MakeTable(crc32.Castagnoli)))
	}
}

// FuzzProducerSnapshot: what loads is written again as it was, but for ids that came twice or out of order.
func FuzzProducerSnapshot(f *testing.F) {
	snapshot, _ := producerFiles()
	f.Add(snapshot)
	for _, file := range kafkaFiles(f, ".snapshot") {
		f.Add(file)
	}
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, at := range [...]int{10 + 14, 10 + 38} { // the last offset, and the first of the transaction, beyond any
		far := bytes.Clone(snapshot)
		binary.BigEndian.PutUint64(far[at:], 1<<63-1)
		f.Add(far)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sealFrom(b, 2)
		s := producer.New()
		if s.Load(0, 1<<40, b) != nil {
			return
		}
		if s.Len() > len(b)/46 {
			t.Fatalf("%d producers out of %d bytes", s.Len(), len(b))
		}
		s.Judge(0, 1, 5, 5)
		_ = s.String()
		once := s.AppendSnapshot(nil)
		again := producer.New()
		if err := again.Load(0, 1<<40, once); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once, again.AppendSnapshot(nil)) || !s.Equal(again) {
			t.Fatal("a snapshot that was read and written reads differently")
		}
	})
}

// FuzzProducerWindows: the advisory file never changes what the snapshot says, whatever is in it.
func FuzzProducerWindows(f *testing.F) {
	snapshot, windows := producerFiles()
	f.Add(windows)
	f.Add(windows[:30])
	f.Fuzz(func(t *testing.T, b []byte) {
		sealFrom(b, 6)
		s := producer.New()
		if err := s.Load(0, 12, snapshot); err != nil {
			t.Fatal(err)
		}
		before := s.Digest(false)
		_ = s.LoadWindows(12, b)
		if s.Digest(false) != before || !bytes.Equal(s.AppendSnapshot(nil), snapshot) {
			t.Fatal("the advisory file changed the state")
		}
		s.Judge(0, 1, 5, 5)
		_ = s.String()
	})
}
