package batch

import "rookery/core/must"

// Header is one key and value beside a record. A Value may be null (nil); a Key may not.
type Header struct {
	Key   []byte
	Value []byte
}

// Record is one record as its reader sees it. Key and Value are nil for null, and not nil when empty.
type Record struct {
	Attributes  int8 // unused by Kafka, kept as it came
	OffsetDelta int32
	Timestamp   int64
	Key         []byte
	Value       []byte
	Headers     []Header
}

// Records reads the records of one batch in order.
//
//	records := batch.Read(view, limits, scratch)
//	for records.Next(&record) { ... }
//	if fault := records.Fault(); fault != batch.Fine { ... }
//
// The bytes handed out lie in the batch, or, of a compressed one, in the Scratch: they are good until it is used again.
// The Headers of a record are good until the next one is read.
type Records struct {
	view    View
	bytes   []byte
	at      int
	index   int32
	offset  int32 // delta of the record before
	fault   Fault
	headers []Header
}

// Read begins to read a whole batch. It does not look at the CRC. The offset deltas may have gaps (a cleaned log), but
// rise and stay within the batch's.
func Read(v View, limits Limits, scratch *Scratch) Records {
	must.Be(len(v) >= HeaderSize && v.Size() <= int64(len(v)) && v.Size() >= HeaderSize, "B3: only a whole batch is read")
	r := Records{view: v, index: -1, offset: -1}
	if v.Count() < 0 {
		r.fault = WrongCount
		return r
	}
	if v.Count() == 0 && v.Size() == HeaderSize {
		return r // the cleaner has left a header only, whatever codec it names
	}
	r.bytes, r.fault = scratch.inflate(v.Codec(), v[HeaderSize:v.Size()], limits.inflatedMax())
	return r
}

// Fault says why Next stopped: Fine after the last record.
func (r *Records) Fault() Fault { return r.fault }

// Next reads one more record into record. False: there is none, or the bytes are malformed.
func (r *Records) Next(record *Record) bool {
	if r.fault != Fine {
		return false
	}
	if r.index++; r.index >= r.view.Count() {
		r.end()
		return false
	}
	size, start := varint(r.bytes, r.at)
	if start < 0 || size < 1 || int(size) > len(r.bytes)-start {
		return r.stop(Malformed)
	}
	r.at = start + int(size)
	if !r.decode(r.bytes[start:r.at], record) {
		return r.stop(Malformed)
	}
	if record.OffsetDelta <= r.offset || record.OffsetDelta > r.view.LastOffsetDelta() {
		return r.stop(NotDense)
	}
	r.offset = record.OffsetDelta
	return true
}

func (r *Records) stop(fault Fault) bool {
	r.fault = fault
	return false
}

func (r *Records) end() {
	if r.at != len(r.bytes) {
		r.fault = Malformed
	}
	r.index = r.view.Count() - 1
}

func (r *Records) decode(b []byte, record *Record) bool {
	record.Attributes = int8(b[0])
	delta, i := varlong(b, 1)
	record.OffsetDelta, i = varint(b, i)
	size, i := varint(b, i)
	record.Key, i = span(b, i, size)
	size, i = varint(b, i)
	record.Value, i = span(b, i, size)
	if record.Timestamp = r.view.BaseTimestamp() + delta; r.view.IsAppendTime() {
		record.Timestamp = r.view.MaxTimestamp()
	}
	record.Headers, i = r.decodeHeaders(b, i)
	return i == len(b)
}

func (r *Records) decodeHeaders(b []byte, i int) ([]Header, int) {
	count, i := varint(b, i)
	if i < 0 || count < 0 {
		return nil, -1
	}
	if count == 0 {
		return nil, i
	}
	r.headers = r.headers[:0]
	for ; count > 0; count-- {
		var h Header
		var size int32
		if size, i = varint(b, i); size < 0 {
			return nil, -1
		}
		if h.Key, i = span(b, i, size); i < 0 {
			return nil, -1
		}
		size, i = varint(b, i)
		if h.Value, i = span(b, i, size); i < 0 {
			return nil, -1
		}
		r.headers = append(r.headers, h)
	}
	return r.headers, i
}

// Judgement is what a topic's configuration asks of each record.
type Judgement struct {
	KeyNeeded     bool  // cleanup.policy=compact
	TimestampFrom int64 // message.timestamp.before.max.ms; the smallest int64 where nothing is checked
	TimestampTo   int64 // message.timestamp.after.max.ms; the largest int64 where nothing is checked
}

// Refusal names one record that a batch is refused for: an ErrorRecord of Produce v8 and above.
type Refusal struct {
	Index int32
	Code  int16 // 87 INVALID_RECORD: no key where one is needed; 32 INVALID_TIMESTAMP
}

// Refusals is the second walk: it appends to into what is wrong with each record of a batch that Inspect found Fine.
// A record without a key is not asked for its time, nor one that has none (-1). One 32 among them makes 32 the error of the batch (Kafka 4.2).
func Refusals(v View, judgement Judgement, limits Limits, scratch *Scratch, into []Refusal) []Refusal {
	var record Record
	records := Read(v, limits, scratch)
	for index := int32(0); records.Next(&record); index++ {
		switch {
		case judgement.KeyNeeded && record.Key == nil:
			into = append(into, Refusal{Index: index, Code: codeInvalidRecord})
		case record.Timestamp == NoTimestamp:
		case record.Timestamp < judgement.TimestampFrom || record.Timestamp > judgement.TimestampTo:
			into = append(into, Refusal{Index: index, Code: codeInvalidTime})
		}
	}
	return into
}
