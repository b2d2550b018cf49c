package batch

import (
	"encoding/binary"

	"rookery/core/must"
)

// Spec is what a batch says of itself beside its records. Plain is one without a producer.
type Spec struct {
	BaseOffset    int64
	LeaderEpoch   int32
	Codec         Codec
	Transactional bool
	Control       bool
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
}

// Plain is the Spec of a batch that no idempotent producer wrote.
func Plain(codec Codec) Spec {
	return Spec{Codec: codec, LeaderEpoch: -1, ProducerID: NoProducerID, ProducerEpoch: NoProducerEpoch, BaseSequence: NoSequence}
}

// Builder makes batches, one after another, in memory that it reuses. The zero value is ready for Begin.
//
// The first record's timestamp is the base; each record's offset delta is its index.
type Builder struct {
	spec    Spec
	plain   []byte // room for a header, then the records as they are
	packed  []byte // room for a header, then the records compressed
	count   int32
	base    int64
	latest  int64
	open    bool
	deflate deflater
}

// Begin starts a batch, and ends the life of the bytes of the one before.
func (b *Builder) Begin(spec Spec) {
	must.Be(spec.Codec <= Zstd, "B4: a batch is built with a codec that exists")
	b.spec, b.count, b.base, b.latest, b.open = spec, 0, NoTimestamp, NoTimestamp, true
	b.plain = append(b.plain[:0], make([]byte, HeaderSize)...)
}

// Add appends one record; a nil key or value is null. The bytes are copied.
func (b *Builder) Add(timestamp int64, key, value []byte, headers []Header) {
	must.Be(b.open, "B5: records are added to a batch that was begun")
	if b.count == 0 {
		b.base = timestamp
	}
	delta := timestamp - b.base
	b.latest = max(b.latest, timestamp)
	p := appendVarint(b.plain, int32(recordSize(delta, b.count, key, value, headers)))
	p = append(p, 0)
	p = appendVarlong(p, delta)
	p = appendVarint(p, b.count)
	p = appendBytes(p, key)
	p = appendBytes(p, value)
	p = appendVarint(p, int32(len(headers)))
	for _, h := range headers {
		p = append(appendVarint(p, int32(len(h.Key))), h.Key...)
		p = appendBytes(p, h.Value)
	}
	b.plain = p
	b.count++
}

// recordSize is the length that a record is preceded by.
func recordSize(delta int64, index int32, key, value []byte, headers []Header) int {
	size := 1 + varlongSize(delta) + varlongSize(int64(index)) + bytesSize(key) + bytesSize(value) + varlongSize(int64(len(headers)))
	for _, h := range headers {
		size += varlongSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	return size
}

// SizeWith is how many bytes the batch would have, uncompressed, with one record more.
func (b *Builder) SizeWith(timestamp int64, key, value []byte, headers []Header) int {
	delta := timestamp - b.base
	if b.count == 0 {
		delta = 0
	}
	size := recordSize(delta, b.count, key, value, headers)
	return b.Size() + varlongSize(int64(size)) + size
}

// Count is how many records were added.
func (b *Builder) Count() int32 { return b.count }

// Size is how many bytes the batch has so far, uncompressed.
func (b *Builder) Size() int { return max(len(b.plain), HeaderSize) }

// Finish ends the batch: at least one record was added. The bytes are good until the next Begin.
func (b *Builder) Finish() View {
	must.Be(b.open && b.count > 0, "B6: a batch that is finished has records")
	b.open = false
	out := b.plain
	if b.spec.Codec != None {
		b.packed = append(b.packed[:0], out[:HeaderSize]...)
		b.packed = b.deflate.append(b.packed, out[HeaderSize:], b.spec.Codec, LevelOwn)
		out = b.packed
	}
	b.writeHeader(out)
	return View(out)
}

func (b *Builder) writeHeader(out []byte) {
	Stamp(out, b.spec.BaseOffset, b.spec.LeaderEpoch)
	binary.BigEndian.PutUint32(out[lengthAt:], uint32(len(out)-PrefixSize))
	out[magicAt] = Magic
	binary.BigEndian.PutUint16(out[attributesAt:], uint16(b.spec.attributes()))
	binary.BigEndian.PutUint32(out[lastOffsetDeltaAt:], uint32(b.count-1))
	binary.BigEndian.PutUint64(out[baseTimestampAt:], uint64(b.base))
	binary.BigEndian.PutUint64(out[maxTimestampAt:], uint64(b.latest))
	binary.BigEndian.PutUint64(out[producerIDAt:], uint64(b.spec.ProducerID))
	binary.BigEndian.PutUint16(out[producerEpochAt:], uint16(b.spec.ProducerEpoch))
	binary.BigEndian.PutUint32(out[baseSequenceAt:], uint32(b.spec.BaseSequence))
	binary.BigEndian.PutUint32(out[countAt:], uint32(b.count))
	putChecksum(out)
}

func (s *Spec) attributes() int16 {
	bits := int16(s.Codec)
	if s.Transactional {
		bits |= TransactionalBit
	}
	if s.Control {
		bits |= ControlBit
	}
	return bits
}
