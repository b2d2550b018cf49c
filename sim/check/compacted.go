package check

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Kept is one record of a compacted log. A tombstone has no value.
type Kept struct {
	Offset int64
	Key    string
	Value  Value
	Time   int64
}

// KeptBatch is a batch of a compacted log: some of its records may have gone, or all.
type KeptBatch struct {
	Base, Last int64
	Producer   int64
	Newest     int32 // the last sequence
	Time       int64 // the largest
	Horizon    int64 // from when on its tombstones may go; 0: none is set
	Kept       []Kept
}

// Put is a record that was acknowledged on a compacted topic.
type Put struct {
	Kept
	Producer int64
	Sequence int32
}

// Pass is what a reader has seen on its way from the start of a compacted log to its end.
type Pass struct {
	End   int64 // its last high watermark
	Kept  []Kept
	Short bool // it took less than delete.retention.ms, whatever was compacted meanwhile
}

// Compacted is what is known of a compacted partition: what was acknowledged, by offset, what readers have seen, and what
// lies on the disk in the end.
type Compacted struct {
	Puts   []Put
	Passes []Pass
	Left   []KeptBatch
	Active int64 // where the last segment begins
	End    int64 // the log's
	Swept  int64 // the time at which the last Cleaner began whose work is in its place; 0: that is not known
	UpTo   int64 // and how far it came
}

// JudgeCompacted holds the K laws against it.
func JudgeCompacted(c *Compacted, laws *Counts) error {
	puts := slices.Clone(c.Puts)
	slices.SortStableFunc(puts, func(a, b Put) int { return cmp.Compare(a.Offset, b.Offset) })
	known := map[int64]Kept{}
	for i := range puts {
		known[puts[i].Offset] = puts[i].Kept
	}
	left := Pass{End: c.End, Short: false}
	for _, b := range c.Left {
		left.Kept = append(left.Kept, b.Kept...)
	}
	for _, pass := range append(slices.Clone(c.Passes), left) {
		if err := judgeUntouched(&pass, known, laws); err != nil {
			return err
		}
		if err := judgePass(&pass, puts, laws); err != nil {
			return err
		}
	}
	if err := judgeDeletes(left.Kept, puts, laws); err != nil {
		return err
	}
	if err := judgeHorizons(c, laws); err != nil {
		return err
	}
	if err := judgeActive(c, puts, left.Kept, laws); err != nil {
		return err
	}
	return judgeProducers(c, puts, laws)
}

// judgeUntouched: what is there is what was put there, in the order of offsets.
func judgeUntouched(pass *Pass, known map[int64]Kept, laws *Counts) error {
	last := int64(-1)
	for _, k := range pass.Kept {
		laws[KeptAsWritten]++
		if k.Offset <= last {
			return Fail(KeptAsWritten, "offset %d comes after %d", k.Offset, last)
		}
		last = k.Offset
		if put, there := known[k.Offset]; there && put != k {
			return Fail(KeptAsWritten, "at %d there was %+v, and now there is %+v", k.Offset, put, k)
		}
		known[k.Offset] = k
	}
	return nil
}

// judgePass: whoever has read everything knows the last value of each key, and that it was deleted if he was fast enough.
func judgePass(pass *Pass, puts []Put, laws *Counts) error {
	seen, last := map[string]Kept{}, map[string]Kept{}
	for _, k := range pass.Kept {
		seen[k.Key] = k
	}
	for i := range puts {
		if puts[i].Offset < pass.End {
			last[puts[i].Key] = puts[i].Kept
		}
	}
	for _, key := range sortedNames(last) {
		put := last[key]
		k, any := seen[key]
		if put.Value != 0 {
			laws[LastValueKept]++
			if !any || k.Offset < put.Offset {
				return Fail(LastValueKept, "the last value of %s is the one at %d; a reader up to %d has seen %+v (%v)", key, put.Offset, pass.End, k, any)
			}
		} else if pass.Short && any {
			laws[DeleteSeen]++
			if k.Offset < put.Offset {
				return Fail(DeleteSeen, "%s was deleted at %d; a reader up to %d, within delete.retention.ms, has seen %+v", key, put.Offset, pass.End, k)
			}
		}
	}
	return nil
}

// judgeDeletes: where a tombstone has gone, nothing older of its key is left.
func judgeDeletes(left []Kept, puts []Put, laws *Counts) error {
	newest := map[string]int64{}
	for _, k := range left {
		newest[k.Key] = k.Offset
	}
	last := map[string]Kept{}
	for i := range puts {
		last[puts[i].Key] = puts[i].Kept
	}
	for _, key := range sortedNames(last) {
		if put := last[key]; put.Value == 0 {
			laws[DeleteSeen]++
			if at, any := newest[key]; any && at < put.Offset {
				return Fail(DeleteSeen, "%s was deleted at %d, that is gone, and there is the one at %d", key, put.Offset, at)
			}
		}
	}
	return nil
}

// judgeHorizons: a Cleaner that comes by behind a batch's horizon leaves none of its tombstones there.
func judgeHorizons(c *Compacted, laws *Counts) error {
	for _, b := range c.Left {
		if b.Horizon <= 0 || b.Horizon >= c.Swept || b.Last >= c.UpTo { // what that Cleaner has set itself lies behind it
			continue
		}
		for _, k := range b.Kept {
			laws[DeleteSeen]++
			if k.Value == 0 {
				return Fail(DeleteSeen, "the tombstone of %s at %d might go from %d on; the log was compacted at %d up to %d, and it is there", k.Key, k.Offset, b.Horizon, c.Swept, c.UpTo)
			}
		}
	}
	return nil
}

// judgeActive: no Cleaner comes to where the log is written.
func judgeActive(c *Compacted, puts []Put, left []Kept, laws *Counts) error {
	there := map[int64]bool{}
	for _, k := range left {
		there[k.Offset] = true
	}
	for i := range puts {
		if p := &puts[i]; p.Offset >= c.Active {
			laws[ActiveUntouched]++
			if !there[p.Offset] {
				return Fail(ActiveUntouched, "%s at %d is gone, and the last segment begins at %d", p.Key, p.Offset, c.Active)
			}
		}
	}
	return nil
}

// judgeProducers: the last batch of each producer is there, with its sequence.
func judgeProducers(c *Compacted, puts []Put, laws *Counts) error {
	newest, there := map[int64]Put{}, map[int64]int32{}
	for i := range puts {
		newest[puts[i].Producer] = puts[i]
	}
	for _, b := range c.Left {
		there[b.Producer] = b.Newest
	}
	for i := range puts {
		p := newest[puts[i].Producer]
		laws[ProducerKept]++
		if at, any := there[p.Producer]; !any || at < p.Sequence {
			return Fail(ProducerKept, "producer %d was acknowledged sequence %d at %d; what is left of it ends at %d (%v)", p.Producer, p.Sequence, p.Offset, at, any)
		}
	}
	return nil
}

func sortedNames(m map[string]Kept) []string {
	names := make([]string, 0, len(m))
	for name := range m { //tidy:unordered sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// finished is the segments as a start would have them: a compacted one that is to get its name stands for what its batches
// reach over, and for the one whose name that is (seed 47).
func finished(files []File) []File {
	logs := segments(files)
	for _, f := range files {
		name, swapped := strings.CutSuffix(f.Name, ".swap")
		if !swapped || !strings.HasSuffix(name, ".log") {
			continue
		}
		behind := ""
		if batches, _, err := ReadKept(f.Data); err == nil && len(batches) > 0 {
			behind = fmt.Sprintf("%020d.log", batches[len(batches)-1].Last+1)
		}
		logs = slices.DeleteFunc(logs, func(old File) bool { return old.Name == name || old.Name > name && old.Name < behind })
		logs = append(logs, File{Name: name, Data: f.Data})
	}
	return segments(logs)
}

// Dirt is how many bytes of a compacted log's closed segments may hold what was not compacted up to an offset, how many there
// are of them all, and the time of the oldest batch with which a dirty one begins.
func Dirt(files []File, upTo int64) (dirty, total, oldest int64) {
	all := segments(files)
	oldest = math.MaxInt64
	for i := range all[:max(0, len(all)-1)] {
		batches, _, err := ReadKept(all[i].Data)
		size := int64(len(all[i].Data))
		if total += size; err == nil && len(batches) > 0 && batches[len(batches)-1].Last >= upTo {
			dirty += size
			oldest = min(oldest, batches[0].Time)
		}
	}
	return dirty, total, oldest
}

// ReadCompacted reads a compacted partition's .log files, and those that are to be. Offsets rise, and that is all.
func ReadCompacted(files []File) (c Compacted, err error) {
	for _, f := range finished(files) {
		if _, err := fmt.Sscanf(f.Name, "%d.log", &c.Active); err != nil {
			return c, fmt.Errorf("%s: not a segment's name", f.Name)
		}
		if c.Active < c.End {
			return c, fmt.Errorf("%s begins below %d, where the one before ends", f.Name, c.End)
		}
		c.End = c.Active
		batches, rest, err := ReadKept(f.Data)
		if err != nil || rest > 0 {
			return c, fmt.Errorf("%s: %d bytes are no whole batch, %w", f.Name, rest, err)
		}
		for _, b := range batches {
			if b.Base < c.End {
				return c, fmt.Errorf("%s: a batch begins at %d, the one before ends at %d", f.Name, b.Base, c.End)
			}
			c.End = b.Last + 1
		}
		c.Left = append(c.Left, batches...)
	}
	return c, nil
}

// ReadKept reads the batches of a compacted log.
func ReadKept(data []byte) (batches []KeptBatch, rest int, err error) {
	for len(data) >= 12 {
		size := 12 + int(int32(binary.BigEndian.Uint32(data[8:])))
		if size < 61 {
			return batches, 0, fmt.Errorf("a batch of %d bytes after %d batches", size, len(batches))
		}
		if size > len(data) {
			return batches, len(data), nil
		}
		b, err := readKeptBatch(data[:size])
		if err != nil {
			return batches, 0, fmt.Errorf("at %d: %w", b.Base, err)
		}
		batches, data = append(batches, b), data[size:]
	}
	return batches, len(data), nil
}

func readKeptBatch(data []byte) (KeptBatch, error) {
	order := binary.BigEndian
	b := KeptBatch{Base: int64(order.Uint64(data)), Producer: int64(order.Uint64(data[43:]))}
	b.Last = b.Base + int64(int32(order.Uint32(data[23:])))
	if b.Time = int64(order.Uint64(data[35:])); order.Uint16(data[21:])&0x40 != 0 {
		b.Horizon = int64(order.Uint64(data[27:]))
	}
	if data[16] != 2 || !soundBatch(data) {
		return b, fmt.Errorf("magic %d, or a wrong checksum", data[16])
	}
	if first := int32(order.Uint32(data[53:])); first >= 0 {
		b.Newest = int32((int64(first) + b.Last - b.Base) & 0x7fffffff)
	}
	count := int(int32(order.Uint32(data[57:])))
	if count == 0 {
		return b, nil
	}
	records, err := inflate(order.Uint16(data[21:])&7, data[61:])
	for last := int64(-1); err == nil && count > 0; count-- {
		var k Kept
		if k, records, err = readKept(records); err == nil && (k.Offset <= last || k.Offset > b.Last-b.Base) {
			err = fmt.Errorf("offset delta %d after %d", k.Offset, last)
		}
		last = k.Offset
		k.Offset, k.Time = k.Offset+b.Base, k.Time+int64(order.Uint64(data[27:]))
		b.Kept = append(b.Kept, k)
	}
	return b, err
}

func readKept(data []byte) (k Kept, rest []byte, err error) {
	length, n := binary.Varint(data)
	if n <= 0 || length < 0 || length > int64(len(data)-n) {
		return k, nil, fmt.Errorf("length %d", length)
	}
	r := record{data: data[n : n+int(length)]}
	r.skip(1)
	k.Time, k.Offset = r.varint(), r.varint()
	k.Key = string(r.take(int(r.varint())))
	if size := r.varint(); size >= 8 {
		value := r.take(int(size))
		if !r.bad {
			k.Value = Value(binary.BigEndian.Uint64(value))
			r.bad = slices.ContainsFunc(value[8:], func(c byte) bool { return c != 0 })
		}
	} else if size >= 0 {
		r.bad = true
	}
	if r.bad || !bytes.Equal(r.data, AppendHeaders(nil, k.Value)) {
		err = fmt.Errorf("a record that nobody sent")
	}
	return k, data[n+int(length):], err
}

// heldCompacted is how far a compacted partition's files go: those that are about to get their names count.
func heldCompacted(files []File, from int64) int64 {
	end := from
	all := slices.DeleteFunc(slices.Clone(files), func(f File) bool {
		return !strings.HasSuffix(f.Name, ".log") && !strings.HasSuffix(f.Name, ".log.swap")
	})
	for _, f := range all {
		for data := f.Data; len(data) >= 61; {
			size := 12 + int64(int32(binary.BigEndian.Uint32(data[8:])))
			if size < 61 || size > int64(len(data)) || data[16] != 2 || !soundBatch(data[:size]) {
				break
			}
			end = max(end, int64(binary.BigEndian.Uint64(data))+int64(int32(binary.BigEndian.Uint32(data[23:])))+1)
			data = data[size:]
		}
	}
	return end
}
