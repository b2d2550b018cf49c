// Package batch reads, checks, stamps and builds record batches, version 2 of Kafka's message format (KIP-98), the one
// form that records have on the wire, on the disk and between replicas.
//
//	offset  0        8      12      16    17   21         23              27            35
//	        base     length leader  magic crc  attributes lastOffsetDelta baseTimestamp maxTimestamp ...
//	        offset          epoch   (= 2)
//	offset  43         51            53           57     61
//	        producerId producerEpoch baseSequence count  records, perhaps compressed, up to 12+length
//
// The CRC-32C covers everything from the attributes on, so base offset and leader epoch are stamped without touching it.
//
// Rules:
//   - Inspect is the one walk over a client's records. It knows no configuration: it states facts, the broker judges.
//   - Bytes from outside are hostile: every length is checked before it is followed, every inflated byte is counted.
//   - Nothing here keeps state between calls but what the caller owns: a Scratch, a Builder, a Records.
package batch

import (
	"encoding/binary"
	"hash/crc32"

	"rookery/core/must"
)

const (
	// HeaderSize is how many bytes a batch has before its records.
	HeaderSize = 61
	// PrefixSize is how many bytes come before what the length field counts.
	PrefixSize = 12
	// Magic is the version of the format.
	Magic = 2

	baseOffsetAt      = 0
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	countAt           = 57
)

// Bits of the attributes.
const (
	CodecMask        int16 = 0x07
	AppendTimeBit    int16 = 0x08 // timestamps are the broker's: every record has maxTimestamp
	TransactionalBit int16 = 0x10
	ControlBit       int16 = 0x20
	DeleteHorizonBit int16 = 0x40 // baseTimestamp is when the cleaner may drop tombstones (KIP-534)
)

// Values that stand for nothing.
const (
	NoProducerID    int64 = -1
	NoProducerEpoch int16 = -1
	NoSequence      int32 = -1
	NoTimestamp     int64 = -1
)

// Codec is how the records of a batch are compressed.
type Codec uint8

const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return "unknown"
}

// View is a batch's bytes, at least HeaderSize of them; what lies behind Size is not looked at.
type View []byte

// BaseOffset is the offset of the first record; what a client sends has 0 there.
func (v View) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(v[baseOffsetAt:])) }

// Length counts the bytes behind itself, as the batch claims.
func (v View) Length() int32 { return int32(binary.BigEndian.Uint32(v[lengthAt:])) }

// LeaderEpoch is the epoch of the leader that took the batch.
func (v View) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(v[leaderEpochAt:])) }

// Magic is the version of the format.
func (v View) Magic() int8 { return int8(v[magicAt]) }

// CRC is the CRC-32C that the batch claims.
func (v View) CRC() uint32 { return binary.BigEndian.Uint32(v[crcAt:]) }

// Attributes holds the codec and the bits.
func (v View) Attributes() int16 { return int16(binary.BigEndian.Uint16(v[attributesAt:])) }

// LastOffsetDelta is the last offset less the first.
func (v View) LastOffsetDelta() int32 { return int32(binary.BigEndian.Uint32(v[lastOffsetDeltaAt:])) }

// BaseTimestamp is what the records' timestamps are added to.
func (v View) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(v[baseTimestampAt:])) }

// MaxTimestamp is the largest timestamp; every record's under LogAppendTime.
func (v View) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(v[maxTimestampAt:])) }

// ProducerID is the idempotent producer's, or NoProducerID.
func (v View) ProducerID() int64 { return int64(binary.BigEndian.Uint64(v[producerIDAt:])) }

// ProducerEpoch is the producer's incarnation.
func (v View) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(v[producerEpochAt:])) }

// BaseSequence is the first record's sequence, or NoSequence.
func (v View) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(v[baseSequenceAt:])) }

// Count is how many records the batch claims.
func (v View) Count() int32 { return int32(binary.BigEndian.Uint32(v[countAt:])) }

// Size is how many bytes the whole batch has, if its length field is true.
func (v View) Size() int64 { return PrefixSize + int64(v.Length()) }

// Codec is how the records are compressed.
func (v View) Codec() Codec { return Codec(v.Attributes() & CodecMask) }

// LastOffset is the offset of the last record, also of one that the cleaner has removed.
func (v View) LastOffset() int64 { return v.BaseOffset() + int64(v.LastOffsetDelta()) }

// LastSequence is the sequence of the last record; NoSequence where there is none.
func (v View) LastSequence() int32 {
	if v.BaseSequence() < 0 {
		return NoSequence
	}
	return AddSequence(v.BaseSequence(), v.LastOffsetDelta())
}

// IsControl says whether the broker wrote the batch for itself: markers, changes of leader.
func (v View) IsControl() bool { return v.Attributes()&ControlBit != 0 }

// IsTransactional says whether the batch belongs to a transaction.
func (v View) IsTransactional() bool { return v.Attributes()&TransactionalBit != 0 }

// IsAppendTime says whether the timestamps are the broker's.
func (v View) IsAppendTime() bool { return v.Attributes()&AppendTimeBit != 0 }

// HasProducer says whether the batch belongs to an idempotent producer.
func (v View) HasProducer() bool { return v.ProducerID() > NoProducerID }

// Sound says whether v holds one whole batch of version 2 whose CRC is right. Recovery and followers ask this; what is
// inside the records is not looked at. The CRC does not cover base offset, length and epoch: those are the caller's to judge.
func (v View) Sound() bool {
	return len(v) >= HeaderSize && v.Magic() == Magic && v.Size() >= HeaderSize && v.Size() <= int64(len(v)) &&
		v.CRC() == checksum(v[:v.Size()])
}

// Next cuts the first batch off b, without a look at its CRC. False: b does not begin with a whole batch of version 2.
func Next(b []byte) (v View, rest []byte, whole bool) {
	if len(b) < HeaderSize {
		return nil, b, false
	}
	v = View(b)
	if v.Magic() != Magic || v.Size() < HeaderSize || v.Size() > int64(len(b)) {
		return nil, b, false
	}
	return v[:v.Size():v.Size()], b[v.Size():], true
}

// AddSequence moves a sequence on: after 2^31-1 comes 0.
func AddSequence(sequence, delta int32) int32 {
	return int32((int64(sequence) + int64(delta)) & (1<<31 - 1))
}

// Stamp writes base offset and leader epoch into a batch, both outside its CRC.
func Stamp(b []byte, baseOffset int64, epoch int32) {
	must.Be(len(b) >= HeaderSize, "B1: only a batch with a whole header is stamped")
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(epoch))
}

// StampAppendTime gives every record of a batch the broker's time: a topic with message.timestamp.type=LogAppendTime. It
// reads the header only, whose CRC was found right: a CRC is linear, so what changes in the header says what changes in it.
func StampAppendTime(b []byte, timestamp int64) {
	must.Be(View(b).Size() == int64(len(b)), "B2: only a whole batch is given the broker's time")
	var change [producerIDAt - attributesAt]byte
	copy(change[:], b[attributesAt:])
	binary.BigEndian.PutUint16(b[attributesAt:], uint16(View(b).Attributes()|AppendTimeBit))
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(timestamp))
	for i := range change {
		change[i] ^= b[attributesAt+i]
	}
	plain := ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), change[:]) // without the two complements
	binary.BigEndian.PutUint32(b[crcAt:], View(b).CRC()^behind(plain, len(b)-producerIDAt))
}

// behind is the CRC (plain) of some bytes with that many zeroes behind them: their polynomial times x to the power of eight
// times as many, modulo Castagnoli's, the coefficient of x^0 being the highest bit.
func behind(crc uint32, zeroes int) uint32 {
	powers := [...]uint32{ // x^8, and on, each the square of the one before
		0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
		0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
		0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915, 0x734d5309, 0xbc1ac763, 0x7d0722cc,
		0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42, 0x40000000, 0x20000000, 0x08000000,
	}
	for i := 0; zeroes > 0; i, zeroes = i+1, zeroes>>1 {
		if zeroes&1 != 0 {
			crc = multiply(powers[i], crc)
		}
	}
	return crc
}

func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}

func checksum(b []byte) uint32 {
	return crc32.Checksum(b[attributesAt:], crc32.MakeTable(crc32.Castagnoli))
}

func putChecksum(b []byte) { binary.BigEndian.PutUint32(b[crcAt:], checksum(b)) }
