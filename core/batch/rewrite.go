package batch

import (
	"encoding/binary"

	"rookery/core/must"
)

// Rewriter compresses batches anew, one after another, in memory that it reuses. It belongs to one goroutine at a time. The
// zero value is ready.
type Rewriter struct {
	Limits  Limits // those that the batches were inspected by
	scratch Scratch
	deflate deflater
}

// Append appends to dst a batch that Inspect found Fine, its records compressed by another codec. It stays one batch of the
// same records, offsets, times and producer: only the length, the codec, the CRC and the attributes that mean nothing to a
// broker change.
func (r *Rewriter) Append(dst []byte, v View, codec Codec, level int32) []byte {
	must.Be(codec <= Zstd, "B13: a batch is rewritten by a codec that exists")
	records, fault := r.scratch.inflate(v.Codec(), v[HeaderSize:v.Size()], r.Limits.inflatedMax())
	must.Be(fault == Fine, "B11: a batch that is rewritten was found fine before")
	start := len(dst)
	dst = append(dst, v[:HeaderSize]...)
	dst = r.deflate.append(dst, records, codec, level)
	out := dst[start:]
	binary.BigEndian.PutUint32(out[lengthAt:], uint32(len(out)-PrefixSize))
	binary.BigEndian.PutUint16(out[attributesAt:], uint16(v.Attributes()&(TransactionalBit|AppendTimeBit)|int16(codec)))
	putChecksum(out)
	return dst
}

// Rewritten states the facts of what became of a batch with these facts.
func (f *Facts) Rewritten(v View) Facts {
	out := *f
	out.Size, out.Trailing, out.Attributes = int32(v.Size()), 0, v.Attributes()
	return out
}
