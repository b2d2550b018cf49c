package batch

import "encoding/binary"

// Limits bounds what one batch may cost its reader.
type Limits struct {
	InflatedMax int // bytes of records after decompression; zero means DefaultInflatedMax
}

// DefaultInflatedMax is the limit where none is given: the largest request that Kafka's defaults let in.
const DefaultInflatedMax = 100 << 20

func (l Limits) inflatedMax() int {
	if l.InflatedMax <= 0 {
		return DefaultInflatedMax
	}
	return l.InflatedMax
}

// Facts is what Inspect saw. The header's fields are set once the fault, if any, lies behind ShortHeader; those of the
// records (NullKey and the timestamps but BaseTimestamp) only when Fault is Fine.
type Facts struct {
	Fault Fault

	NullKey       bool // some record has no key
	AppendTimeSet bool // the client set the LogAppendTime bit; a topic of that type answers 32 INVALID_TIMESTAMP

	Attributes      int16
	ProducerEpoch   int16
	Size            int32 // bytes of the batch; what follows is to be cut off
	Trailing        int32 // bytes that follow
	Count           int32
	LastOffsetDelta int32
	BaseSequence    int32
	LastSequence    int32 // wraps; NoSequence where there is none

	MaxTimestampDelta int32 // offset delta of the first record that has MaxTimestamp
	BaseTimestamp     int64
	MinTimestamp      int64 // by the records themselves, of those that have one
	MaxTimestamp      int64 // by the records themselves, whatever the header says; -1 where none is later than that
	ProducerID        int64
	BaseOffset        int64
	InflatedSize      int64 // bytes of the records, decompressed
}

// Codec is how the records are compressed.
func (f *Facts) Codec() Codec { return Codec(f.Attributes & CodecMask) }

// IsTransactional says whether the batch belongs to a transaction.
func (f *Facts) IsTransactional() bool { return f.Attributes&TransactionalBit != 0 }

// HasProducer says whether the batch belongs to an idempotent producer.
func (f *Facts) HasProducer() bool { return f.ProducerID > NoProducerID }

// Inspect states the facts of one record set as a Produce request carries it: one batch, which may be followed by less
// than a batch. It allocates nothing for uncompressed records; compressed ones are inflated into memory of their own (see
// Scratch.Inspect for a caller with many of them).
func Inspect(b []byte, limits Limits) Facts {
	var none *Scratch
	return none.Inspect(b, limits)
}

// Inspect is Inspect with memory to inflate into.
func (s *Scratch) Inspect(b []byte, limits Limits) Facts {
	var f Facts
	if f.Fault = f.frame(b); f.Fault != Fine {
		return f
	}
	v := View(b[:f.Size])
	if f.Fault = f.header(v); f.Fault != Fine {
		return f
	}
	records, fault := s.inflate(v.Codec(), v[HeaderSize:], limits.inflatedMax())
	if fault != Fine {
		f.Fault = fault
		return f
	}
	f.InflatedSize = int64(len(records))
	f.Fault = f.walk(records)
	return f
}

// The smallest length field of any version: a message of version 0 with neither key nor value.
const oldestLengthMin = 14

// leading is what nextBatch of Kafka's ByteBufferLogInputStream sees: Fine with the size of a whole batch, or of none.
func leading(b []byte) (size int64, fault Fault) {
	if len(b) < PrefixSize {
		return 0, NoBatch
	}
	length := int32(binary.BigEndian.Uint32(b[lengthAt:]))
	if length < oldestLengthMin {
		return 0, BadLength
	}
	if len(b) < crcAt {
		return 0, NoBatch
	}
	if magic := int8(b[magicAt]); magic < 0 || magic > Magic {
		return 0, UnknownMagic
	}
	if size = PrefixSize + int64(length); size > int64(len(b)) {
		return 0, NoBatch
	}
	return size, Fine
}

// frame finds the batch and judges what follows it.
func (f *Facts) frame(b []byte) Fault {
	size, fault := leading(b)
	if fault != Fine {
		return fault
	}
	f.Size, f.Trailing = int32(size), int32(int64(len(b))-size)
	if b[magicAt] != Magic {
		return OldMagic
	}
	if size >= HeaderSize {
		f.copyHeader(View(b))
	}
	switch _, fault := leading(b[size:]); fault {
	case BadLength, UnknownMagic:
		return TrailingCorrupt
	case Fine:
		return SecondBatch
	}
	return Fine
}

func (f *Facts) copyHeader(v View) {
	f.Attributes, f.AppendTimeSet = v.Attributes(), v.IsAppendTime()
	f.Count, f.LastOffsetDelta = v.Count(), v.LastOffsetDelta()
	f.BaseOffset, f.BaseTimestamp = v.BaseOffset(), v.BaseTimestamp()
	f.ProducerID, f.ProducerEpoch = v.ProducerID(), v.ProducerEpoch()
	f.BaseSequence, f.LastSequence = v.BaseSequence(), v.LastSequence()
}

// header judges all but the records.
func (f *Facts) header(v View) Fault {
	switch {
	case v.BaseOffset() != 0:
		return BaseOffset
	case len(v) < HeaderSize:
		return ShortHeader
	case v.CRC() != checksum(v):
		return WrongCRC
	case v.Codec() > Zstd:
		return UnknownCodec
	case f.Count <= 0 || f.LastOffsetDelta < 0:
		return Empty
	case f.LastOffsetDelta != f.Count-1:
		return WrongCount
	case v.IsControl():
		return ControlBatch
	case f.HasProducer() && f.BaseSequence < 0:
		return NegativeSequence
	}
	return Fine
}

// walk passes over each record once: the hot loop of a produce. Numbers of one byte are read in place (a call for each
// costs a quarter more); an index that went wrong is -1, which no slice holds, so one test after a chain is enough.
func (f *Facts) walk(b []byte) Fault {
	base := f.BaseTimestamp
	earliest, latest, latestAt := int64(1<<63-1), int64(NoTimestamp), int32(0)
	nullKey := false
	at := 0
	for n := int32(0); n < f.Count; n++ {
		size, start := short(b, at)
		if start < 0 {
			size, start = varintLong(b, at)
		}
		if start < 0 || size < 1 || int(size) > len(b)-start {
			return Malformed
		}
		at = start + int(size)
		r := b[start:at]
		delta, i := varlong(r, 1) // 0 is the record's attributes: unused, and any value is taken
		offset, j := short(r, i)
		if j < 0 {
			offset, j = varintLong(r, i)
		}
		key, i := short(r, j)
		if i < 0 {
			key, i = varintLong(r, j)
		}
		j = skip(r, i, key)
		value, i := short(r, j)
		if i < 0 {
			value, i = varintLong(r, j)
		}
		if i = skip(r, i, value); i < 0 {
			return Malformed
		}
		if none := i+1 == len(r) && r[i] == 0; !none && skipHeaders(r, i) != len(r) {
			return Malformed
		}
		if offset != n {
			return NotDense
		}
		nullKey = nullKey || key < 0
		timestamp := base + delta
		if timestamp > latest {
			latest, latestAt = timestamp, n
		}
		if timestamp != NoTimestamp {
			earliest = min(earliest, timestamp)
		}
	}
	if at != len(b) {
		return Malformed
	}
	if earliest == 1<<63-1 {
		earliest = NoTimestamp
	}
	f.NullKey, f.MinTimestamp, f.MaxTimestamp, f.MaxTimestampDelta = nullKey, earliest, latest, latestAt
	return Fine
}

// skipHeaders passes over the count of headers at i and over the headers; -1 if they are malformed.
func skipHeaders(r []byte, i int) int {
	count, i := varint(r, i)
	if i < 0 || count < 0 {
		return -1
	}
	for ; count > 0; count-- {
		var size int32
		if size, i = varint(r, i); size < 0 {
			return -1
		}
		if i = skip(r, i, size); i < 0 {
			return -1
		}
		size, i = varint(r, i)
		if i = skip(r, i, size); i < 0 {
			return -1
		}
	}
	return i
}

// Repair puts right in place what a client may get wrong in an otherwise fine batch: a maxTimestamp that is not the
// largest of the records', and the LogAppendTime bit, which only a broker sets. The CRC follows; nothing else changes.
func Repair(b []byte, f *Facts) {
	if f.Fault != Fine {
		return
	}
	v := View(b[:f.Size])
	if v.MaxTimestamp() == f.MaxTimestamp && !v.IsAppendTime() {
		return
	}
	f.Attributes = v.Attributes() &^ AppendTimeBit
	binary.BigEndian.PutUint16(v[attributesAt:], uint16(f.Attributes))
	binary.BigEndian.PutUint64(v[maxTimestampAt:], uint64(f.MaxTimestamp))
	putChecksum(v)
}
