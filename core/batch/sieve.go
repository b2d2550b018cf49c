package batch

import (
	"encoding/binary"

	"rookery/core/must"
)

// DeleteHorizon is from when on the cleaner may drop the tombstones of a batch, or the marker that it is (KIP-534).
func (v View) DeleteHorizon() (horizon int64, set bool) {
	return v.BaseTimestamp(), v.Attributes()&DeleteHorizonBit != 0
}

// Sieve takes records out of batches, one batch after another, in memory that it reuses. It belongs to one goroutine at a
// time. The zero value is ready.
//
//	kept, all, tombstones, fault := sieve.Sift(view, keep)
//	all kept: the batch goes on as it is     some: Append     none: AppendEmpty, or nothing
type Sieve struct {
	Limits  Limits
	scratch Scratch
	deflate deflater
	records []byte
	plain   []byte
	kept    []keptRecord
}

// keptRecord is a record that stays. What lies behind its timestamp goes on byte for byte.
type keptRecord struct {
	timestamp  int64
	rest       int // where it begins
	end        int
	attributes int8
}

// Sifted is what a Sieve has found.
type Sifted struct {
	Records    int  // how many the batch has
	Kept       int  // and how many of them stay
	Tombstones bool // one of those has no value
}

// Sift asks of each record of a sound batch whether it stays.
func (s *Sieve) Sift(v View, keep func(*Record) bool) (out Sifted, fault Fault) {
	records := Read(v, s.Limits, &s.scratch)
	s.records, s.kept = records.bytes, s.kept[:0]
	var record Record
	for start := 0; records.Next(&record); start = records.at {
		out.Records++
		if !keep(&record) {
			continue
		}
		size, at := varint(records.bytes, start)
		_, rest := varlong(records.bytes[:at+int(size)], at+1)
		s.kept = append(s.kept, keptRecord{record.Timestamp, rest, at + int(size), record.Attributes})
		out.Tombstones = out.Tombstones || record.Value == nil
	}
	out.Kept = len(s.kept)
	return out, records.Fault()
}

// Append appends the batch with the records that stay. Offsets, producer and epoch are the old batch's, the largest
// timestamp is the records' (but under LogAppendTime), and the base timestamp the first one's, or the horizon if there is
// one: as Kafka's MemoryRecords.filterTo has it.
func (s *Sieve) Append(dst []byte, v View, horizon int64, set bool) []byte {
	must.Be(len(s.kept) > 0, "B14: a batch that is built anew keeps a record")
	base, latest := s.kept[0].timestamp, NoTimestamp
	if set {
		base = horizon
	}
	s.plain = s.plain[:0]
	for i := range s.kept {
		k := &s.kept[i]
		latest = max(latest, k.timestamp)
		delta := k.timestamp - base
		s.plain = appendVarint(s.plain, int32(1+varlongSize(delta)+k.end-k.rest))
		s.plain = append(s.plain, byte(k.attributes))
		s.plain = appendVarlong(s.plain, delta)
		s.plain = append(s.plain, s.records[k.rest:k.end]...)
	}
	if v.IsAppendTime() {
		latest = v.MaxTimestamp()
	}
	start := len(dst)
	dst = append(dst, v[:HeaderSize]...)
	dst = s.deflate.append(dst, s.plain, v.Codec(), LevelOwn)
	bits := v.Attributes() &^ DeleteHorizonBit
	if set {
		bits |= DeleteHorizonBit
	}
	finishSifted(dst[start:], bits, base, latest, len(s.kept))
	return dst
}

// AppendEmpty appends a batch without records where one with records was: its offsets and its producer's sequences stay.
func AppendEmpty(dst []byte, v View) []byte {
	start := len(dst)
	dst = append(dst, v[:HeaderSize]...)
	finishSifted(dst[start:], v.Attributes()&(AppendTimeBit|TransactionalBit|ControlBit), NoTimestamp, v.MaxTimestamp(), 0)
	return dst
}

func finishSifted(out []byte, attributes int16, base, latest int64, count int) {
	binary.BigEndian.PutUint32(out[lengthAt:], uint32(len(out)-PrefixSize))
	binary.BigEndian.PutUint16(out[attributesAt:], uint16(attributes))
	binary.BigEndian.PutUint64(out[baseTimestampAt:], uint64(base))
	binary.BigEndian.PutUint64(out[maxTimestampAt:], uint64(latest))
	binary.BigEndian.PutUint32(out[countAt:], uint32(count))
	putChecksum(out)
}
