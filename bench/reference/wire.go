package main

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func be16(b []byte) int16 { return int16(binary.BigEndian.Uint16(b)) }
func be32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }
func be64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// inspect returns how many records a batch (61 bytes of header, then records) holds, or Kafka's error code: 2 CORRUPT_MESSAGE, 87 INVALID_RECORD.
func inspect(b []byte) (records int64, code int16) {
	if len(b) < 61 || int(be32(b[8:])) != len(b)-12 || b[16] != 2 ||
		binary.BigEndian.Uint32(b[17:]) != crc32.Checksum(b[21:], castagnoli) {
		return 0, 2
	}
	count := be32(b[57:])
	if count <= 0 || be32(b[23:]) != count-1 || b[22]&7 == 0 && !walk(b[61:], int(count)) {
		return 0, 87
	}
	return int64(count), 0
}

// walk checks that b is exactly count well-formed records with dense offset deltas: every varint, every length.
func walk(b []byte, count int) bool {
	at := 0
	for i := range count {
		length, next := varint(b, at)
		if next < 0 || length < 6 || length > len(b)-next {
			return false
		}
		at = next + length
		r := b[:at]
		_, next = varint(r, next+1) // past the attributes: timestamp delta
		delta, next := varint(r, next)
		headers, next := varint(r, skip(r, skip(r, next, -1), -1)) // past key and value
		for ; headers > 0 && next >= 0; headers-- {
			next = skip(r, skip(r, next, 0), -1)
		}
		if delta != i || headers != 0 || next != at {
			return false
		}
	}
	return at == len(b)
}

// skip passes bytes with their length in front, at least lowest (-1 is null).
func skip(b []byte, at, lowest int) int {
	size, at := varint(b, at)
	if at < 0 || size < lowest || size > len(b)-at {
		return -1
	}
	return at + max(size, 0)
}

// varint reads a zigzag varint at b[at:]; next is negative if there is none, or if at was.
func varint(b []byte, at int) (value, next int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int(b[at]>>1) ^ -int(b[at]&1), at + 1
	}
	return longVarint(b, at)
}

func longVarint(b []byte, at int) (value, next int) {
	if at >= 0 && at < len(b) {
		if u, n := binary.Uvarint(b[at:]); n > 0 {
			return int(u>>1) ^ -int(u&1), at + n
		}
	}
	return 0, -1
}

// reader walks a request. Reading past the end sets bad and yields zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, 8)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) int16() int16   { return be16(r.take(2)) }
func (r *reader) int32() int32   { return be32(r.take(4)) }
func (r *reader) int64() int64   { return be64(r.take(8)) }
func (r *reader) string() []byte { return r.take(max(int(r.int16()), 0)) }

func put16(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func put32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func put64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }
func putString(b, s []byte) []byte   { return append(put16(b, int16(len(s))), s...) }
