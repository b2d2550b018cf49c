package check

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Value names one record that a workload sent: the client above, its count below. It is the first eight bytes of the
// record's value; the rest is padding that follows from it.
type Value uint64

// Entry is one record of a log.
type Entry struct {
	Offset   int64
	Value    Value
	Producer int64
	Sequence int32
	Epoch    int32 // of the leader that took it
	Time     int64 // the broker's, where its batch bears that; 0: nobody has looked
	Born     int64 // its own
	Keyed    bool
	Altered  bool // its key or its headers are not those of its value
}

// AppendKey appends the key that a record has of which the value is known, unless it has none.
func AppendKey(b []byte, v Value) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

// Header is one header of a record. A value may be null.
type Header struct {
	Key   string
	Value []byte
}

// Headers are those that the record of a value has. One without a value has one, too.
func Headers(v Value) []Header {
	switch {
	case v%2 == 1:
		return nil
	case v%8 == 6:
		return []Header{{"h", []byte{byte(v)}}, {"h", nil}}
	}
	return []Header{{"h", []byte{byte(v)}}}
}

// HeadersMax is how many bytes more than none they take.
const HeadersMax = 7

// AppendHeaders appends them as they lie in a record.
func AppendHeaders(b []byte, v Value) []byte {
	headers := Headers(v)
	b = binary.AppendVarint(b, int64(len(headers)))
	for _, h := range headers {
		b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
		if h.Value == nil {
			b = binary.AppendVarint(b, -1)
		} else {
			b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
		}
	}
	return b
}

// Batch is a record batch as it lies on the disk or arrives in a Fetch.
type Batch struct {
	Base, Last int64
	Epoch      int32
	Producer   int64
	Control    bool
	Entries    []Entry
	Size       int
	Stored     Stored
	Time       int64 // the largest; the broker's, if it bears that
}

// Stored is how a batch lies in its log, or has to.
type Stored struct {
	Codec   uint16 // AsSent: whatever the client chose
	Stamped bool   // with the broker's time
}

// AsSent is no codec, but the client's choice.
const AsSent = 8

// Stamp is one batch of a log as far as its codec and its time go.
type Stamp struct {
	Base   int64
	Stored Stored
	Time   int64
	End    int64 // where it ends in its file
	First  bool  // it is the first there
	Began  int64 // the largest time of the first there; -1: that is not known
}

// File is one file of a partition's folder.
type File struct {
	Name string
	At   int64 // where Data begins, if not at 0: with a batch below where the log begins, as is all before it
	Data []byte
}

// Log is what the dumb reader makes of a partition's folder.
type Log struct {
	Entries []Entry // control records left out
	Stamps  []Stamp // likewise
	Start   int64
	End     int64
	Batches int
	Bytes   int64
}

// ReadLog reads a partition's .log files, in the order of their names, and says what is wrong with them.
func ReadLog(files []File) (Log, error) {
	all := Log{}
	epoch := int32(-1)
	for i, f := range segments(files) {
		var base int64
		if _, err := fmt.Sscanf(f.Name, "%d.log", &base); err != nil {
			return all, fmt.Errorf("%s: not a segment's name", f.Name)
		}
		if i == 0 {
			all.Start, all.End = base, base
		} else if base != all.End {
			return all, fmt.Errorf("%s begins at %d, the segment before ends at %d", f.Name, base, all.End)
		}
		all.Bytes += f.size()
		batches, rest, err := ReadBatches(f.Data)
		if err != nil {
			return all, fmt.Errorf("%s: %w", f.Name, err)
		}
		if rest > 0 {
			return all, fmt.Errorf("%s: %d bytes at the end are no whole batch", f.Name, rest)
		}
		at := f.At
		if f.At > 0 && len(batches) > 0 {
			below := batches[0]
			at, all.Start, all.End, epoch, batches = at+int64(below.Size), below.Last+1, below.Last+1, below.Epoch, batches[1:]
		}
		began := int64(-1)
		for _, b := range batches {
			if at == 0 {
				began = b.Time
			}
			if b.Base != all.End {
				return all, fmt.Errorf("%s: a batch begins at %d, the one before ends at %d", f.Name, b.Base, all.End)
			}
			if b.Epoch < epoch {
				return all, fmt.Errorf("%s: the batch at %d has leader epoch %d after %d", f.Name, b.Base, b.Epoch, epoch)
			}
			epoch, all.End = b.Epoch, b.Last+1
			all.Batches++
			if !b.Control {
				all.Entries = append(all.Entries, b.Entries...)
				all.Stamps = append(all.Stamps, Stamp{b.Base, b.Stored, b.Time, at + int64(b.Size), at == 0, began})
			}
			at += int64(b.Size)
		}
	}
	return all, nil
}

// Held is how far a partition's .log files go on from an offset without a gap, whatever else is in them: they are as a
// power cut has left them. Of a compacted log they may have gaps.
func Held(files []File, from int64, compacted bool) int64 {
	if compacted {
		return heldCompacted(files, from)
	}
	end := from
	for _, f := range segments(files) {
		var base int64
		if _, err := fmt.Sscanf(f.Name, "%d.log", &base); err != nil || base > end {
			return end
		}
		for data := f.Data; len(data) >= 61; {
			size := 12 + int64(int32(binary.BigEndian.Uint32(data[8:])))
			if size < 61 || size > int64(len(data)) || data[16] != 2 || !soundBatch(data[:size]) {
				break
			}
			if first := int64(binary.BigEndian.Uint64(data)); first <= end {
				end = max(end, first+int64(int32(binary.BigEndian.Uint32(data[23:])))+1)
			}
			data = data[size:]
		}
	}
	return end
}

// Head is where the first of a partition's .log files begins; 0 if there is none.
func Head(files []File) (base int64) {
	if logs := segments(files); len(logs) > 0 {
		if _, err := fmt.Sscanf(logs[0].Name, "%d.log", &base); err != nil {
			return 0
		}
	}
	return base
}

func (f *File) size() int64 { return f.At + int64(len(f.Data)) }

// segments are a folder's .log files in the order of their names.
func segments(files []File) []File {
	logs := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !strings.HasSuffix(f.Name, ".log") })
	slices.SortFunc(logs, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return logs
}

func soundBatch(data []byte) bool {
	return crc32.Checksum(data[21:], crc32.MakeTable(crc32.Castagnoli)) == binary.BigEndian.Uint32(data[17:])
}

// ReadBatches reads whole batches; rest is how many bytes are left of one that is cut short.
func ReadBatches(data []byte) (batches []Batch, rest int, err error) {
	for len(data) >= 12 {
		size := 12 + int(int32(binary.BigEndian.Uint32(data[8:])))
		if size < 61 {
			return batches, 0, fmt.Errorf("a batch of %d bytes after %d batches", size, len(batches))
		}
		if size > len(data) {
			return batches, len(data), nil
		}
		b, err := readBatch(data[:size])
		if err != nil {
			return batches, 0, fmt.Errorf("batch %d: %w", len(batches), err)
		}
		batches = append(batches, b)
		data = data[size:]
	}
	return batches, len(data), nil
}

func readBatch(data []byte) (Batch, error) {
	order := binary.BigEndian
	b := Batch{Base: int64(order.Uint64(data)), Epoch: int32(order.Uint32(data[12:])), Size: len(data)}
	if data[16] != 2 {
		return b, fmt.Errorf("at %d: magic %d", b.Base, data[16])
	}
	if !soundBatch(data) {
		return b, fmt.Errorf("at %d: checksum", b.Base)
	}
	attributes := order.Uint16(data[21:])
	b.Last = b.Base + int64(int32(order.Uint32(data[23:])))
	b.Control = attributes&0x20 != 0
	b.Producer = int64(order.Uint64(data[43:]))
	b.Stored = Stored{Codec: attributes & 7, Stamped: attributes&8 != 0}
	b.Time = int64(order.Uint64(data[35:]))
	first, sequence, count := int64(order.Uint64(data[27:])), int32(order.Uint32(data[53:])), int(int32(order.Uint32(data[57:])))
	records, err := inflate(attributes&7, data[61:])
	if err != nil {
		return b, err
	}
	for i := range count {
		e, left, err := readRecord(records)
		if err != nil {
			return b, fmt.Errorf("at %d, record %d of %d: %w", b.Base, i, count, err)
		}
		if e.Offset != int64(i) {
			return b, fmt.Errorf("at %d, record %d has offset delta %d", b.Base, i, e.Offset)
		}
		e.Offset += b.Base
		e.Born += first
		if e.Time = e.Born; b.Stored.Stamped {
			e.Time = b.Time
		}
		e.Producer, e.Epoch = b.Producer, b.Epoch
		if sequence >= 0 {
			e.Sequence = int32((int64(sequence) + int64(i)) & 0x7fffffff)
		}
		b.Entries, records = append(b.Entries, e), left
	}
	if b.Last != b.Base+int64(count)-1 {
		return b, fmt.Errorf("at %d: %d records, last offset %d", b.Base, count, b.Last)
	}
	return b, nil
}

// decompressor serves every run: it takes longer to make than to use.
var decompressor, _ = zstd.NewReader(nil)

func inflate(codec uint16, data []byte) ([]byte, error) {
	switch codec {
	case 0:
		return data, nil
	case 3:
		return io.ReadAll(lz4.NewReader(bytes.NewReader(data)))
	case 4:
		return decompressor.DecodeAll(data, nil)
	}
	return nil, fmt.Errorf("codec %d, which no client here sent and no topic asks for", codec)
}

// readRecord reads one record; Offset and Born are deltas.
func readRecord(data []byte) (e Entry, rest []byte, err error) {
	length, n := binary.Varint(data)
	if n <= 0 || length < 0 || length > int64(len(data)-n) {
		return e, nil, fmt.Errorf("length %d", length)
	}
	r := record{data: data[n : n+int(length)]}
	rest = data[n+int(length):]
	r.skip(1)
	e.Born, e.Offset = r.varint(), r.varint()
	var key []byte
	if length := r.varint(); length >= 0 {
		e.Keyed, key = true, r.take(int(length))
	}
	value := r.take(int(r.varint()))
	if r.bad || len(value) < 8 {
		return e, rest, fmt.Errorf("value of %d bytes", len(value))
	}
	e.Value = Value(binary.BigEndian.Uint64(value))
	e.Altered = e.Keyed && !bytes.Equal(key, AppendKey(nil, e.Value)) || !bytes.Equal(r.data, AppendHeaders(nil, e.Value))
	for i, c := range value[8:] {
		if c != byte(e.Value)+byte(i) {
			return e, rest, fmt.Errorf("value %d has padding that it was not sent with", e.Value)
		}
	}
	return e, rest, nil
}

type record struct {
	data []byte
	bad  bool
}

func (r *record) varint() int64 {
	v, n := binary.Varint(r.data)
	r.skip(max(n, 0))
	r.bad = r.bad || n <= 0
	return v
}

func (r *record) skip(n int) { r.take(n) }

func (r *record) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.data) {
		r.bad = true
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}
