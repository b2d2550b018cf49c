package workload

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/pierrec/lz4/v4"

	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// batchSpec is what a client puts into one record batch.
type batchSpec struct {
	first      check.Value
	count      int32
	padding    int   // bytes in each value beyond the first eight
	time       int64 // of the first record
	step       int64 // to the next one
	producer   int64
	epoch      int16
	sequence   int32
	compressed bool // lz4
	keyed      bool
}

// encode lays a batch out, by hand: Kafka 4.2, record batch v2.
func (s *batchSpec) encode() []byte {
	b := make([]byte, 61, 61+int(s.count)*(s.padding+recordOverhead))
	for i := range s.count {
		b = s.appendRecord(b, i)
	}
	attributes := uint16(0)
	if s.compressed {
		attributes, b = 3, append(b[:61], deflate(b[61:])...)
	}
	order := binary.BigEndian
	order.PutUint32(b[8:], uint32(len(b)-12))
	order.PutUint32(b[12:], 0xffffffff)
	b[16] = 2
	order.PutUint16(b[21:], attributes)
	order.PutUint32(b[23:], uint32(s.count-1))
	order.PutUint64(b[27:], uint64(s.time))
	order.PutUint64(b[35:], uint64(max(s.time, s.time+int64(s.count-1)*s.step)))
	order.PutUint64(b[43:], uint64(s.producer))
	order.PutUint16(b[51:], uint16(s.epoch))
	order.PutUint32(b[53:], uint32(s.sequence))
	order.PutUint32(b[57:], uint32(s.count))
	order.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// recordOverhead is more than a record takes beside its padding.
const recordOverhead = 40

func (s *batchSpec) appendRecord(b []byte, i int32) []byte {
	value := s.first + check.Value(i)
	var head [recordOverhead]byte
	body := append(head[:0], 0)
	body = binary.AppendVarint(body, int64(i)*s.step) // timestamp delta
	body = binary.AppendVarint(body, int64(i))        // offset delta
	if s.keyed {
		body = check.AppendKey(binary.AppendVarint(body, 4), value)
	} else {
		body = binary.AppendVarint(body, -1)
	}
	body = binary.AppendVarint(body, int64(8+s.padding))
	body = binary.BigEndian.AppendUint64(body, uint64(value))
	var tail [1 + check.HeadersMax]byte
	headers := check.AppendHeaders(tail[:0], value)
	b = binary.AppendVarint(b, int64(len(body)+s.padding+len(headers)))
	b = append(b, body...)
	for k := range s.padding {
		b = append(b, byte(value)+byte(k))
	}
	return append(b, headers...)
}

func deflate(records []byte) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	_ = w.Apply(lz4.ConcurrencyOption(1), lz4.BlockSizeOption(lz4.Block64Kb))
	_, _ = w.Write(records)
	_ = w.Close()
	return out.Bytes()
}

// clock is the time that a client puts into records and asks for. In half of the runs it is now and then one that others
// have too, one a little back, or one far from all of them: before the first or after the last one.
func (r *Run) clock(s *world.Stream, now seam.Mono) int64 {
	const day = 86_400_000
	wall := r.wall(now)
	if !r.plan.OddTimes {
		return wall
	}
	if r.plan.Falling { // so that the first batch of a segment is its newest, whatever becomes of it
		wall = 2*r.wall(0) - wall
	}
	switch s.Pick(5, 2, 2, 1, 1) {
	case 1:
		wall = r.wall(0) + int64(s.Choose(8))*1000
	case 2:
		wall -= int64(s.Choose(10_000))
	case 3:
		wall = int64(1+s.Choose(1000)) * day
	case 4:
		wall += int64(1+s.Choose(1000)) * day
	}
	return wall
}
