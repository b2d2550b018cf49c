package compact_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/log"
	"rookery/core/seam"
)

// disk is a folder in memory, and drives one Cleaner to its answer.
type disk struct {
	files  map[string][]byte
	open   map[seam.File]string
	synced map[string]int // length at the last Sync
	fail   func(what string) seam.Fault
	steps  int
	took   seam.Mono // of the last run, whose disk takes no time
}

func newDisk() *disk {
	return &disk{files: map[string][]byte{}, open: map[seam.File]string{}, synced: map[string]int{}}
}

func (d *disk) run(t require.TestingT, now seam.Now, letters ...any) *compact.Cleaned {
	var machine seam.Machine = compact.New()
	var inputs []seam.Input
	for _, letter := range letters {
		inputs = append(inputs, &seam.Mail{Body: letter})
	}
	fx, out, began := &seam.Effects{}, (*compact.Cleaned)(nil), now.Mono
	for ; len(inputs) > 0; d.steps++ {
		require.Less(t, d.steps, 1_000_000)
		fx.Reset()
		machine.Step(now, inputs[0], fx)
		inputs = append(inputs[1:], d.perform(fx)...)
		for _, s := range fx.Sends {
			require.Nil(t, out, "one answer")
			out = s.Body.(*compact.Cleaned)
		}
		if len(inputs) == 0 && out == nil {
			require.NotEqual(t, seam.Never, fx.Alarm, "it waits for nothing")
			now.Mono = max(now.Mono, fx.Alarm)
			inputs = append(inputs, &seam.Alarm{})
		}
	}
	require.NotNil(t, out)
	require.Empty(t, d.open, "every file is closed")
	d.took = now.Mono - began
	return out
}

func (d *disk) fault(what string) seam.Fault {
	if d.fail == nil {
		return seam.OK
	}
	return d.fail(what)
}

func (d *disk) perform(fx *seam.Effects) (inputs []seam.Input) {
	for _, f := range fx.Files {
		inputs = append(inputs, &seam.Wrote{Op: f.Op, Fault: d.fileOp(&f)})
	}
	for _, w := range fx.Writes {
		name := d.open[w.File]
		fault := d.fault("write " + name)
		if fault == seam.OK {
			if grown := int(w.At) + len(w.Data); grown > len(d.files[name]) {
				d.files[name] = append(d.files[name], make([]byte, grown-len(d.files[name]))...)
			}
			copy(d.files[name][w.At:], w.Data)
		}
		inputs = append(inputs, &seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data)), Fault: fault})
	}
	for _, r := range fx.Reads {
		data := d.files[d.open[r.File]]
		data = slices.Clone(data[min(r.At, int64(len(data))):min(r.At+int64(r.Len), int64(len(data)))])
		inputs = append(inputs, &seam.Loaded{Op: r.Op, Data: data, Fault: d.fault("read " + d.open[r.File])})
	}
	for _, s := range fx.Syncs {
		d.synced[d.open[s.File]] = len(d.files[d.open[s.File]])
		inputs = append(inputs, &seam.Synced{Op: s.Op, Fault: d.fault("sync " + d.open[s.File])})
	}
	return inputs
}

func (d *disk) fileOp(f *seam.FileOp) seam.Fault {
	name := f.Path.Name
	if fault := d.fault(f.Deed.String() + " " + name); fault != seam.OK {
		return fault
	}
	_, there := d.files[name]
	switch f.Deed {
	case seam.Create:
		if there {
			return seam.Exists
		}
		d.files[name], d.open[f.File] = []byte{}, name
	case seam.Open:
		if !there {
			return seam.NotFound
		}
		d.open[f.File] = name
	case seam.Close:
		delete(d.open, f.File)
	case seam.Remove:
		if !there {
			return seam.NotFound
		}
		delete(d.files, name)
	default:
		panic(f.Deed)
	}
	return seam.OK
}

// put plays the Broker: what was compacted takes its place.
func (d *disk) put(t require.TestingT, sources []log.Source, out *compact.Cleaned) (left []log.Source) {
	for _, c := range out.Compacted {
		for _, s := range sources {
			if c.Base <= s.Base && s.Base < c.Next {
				delete(d.files, d.name(s.Base, ".log"))
			}
		}
		for _, suffix := range []string{".log", ".index", ".timeindex"} {
			from := d.name(c.Base, suffix+".cleaned")
			require.Equal(t, len(d.files[from]), d.synced[from], "%s is durable before it is given away", from)
			d.files[d.name(c.Base, suffix)] = d.files[from]
			delete(d.files, from)
		}
		require.EqualValues(t, len(d.files[d.name(c.Base, ".log")]), c.Size)
		require.EqualValues(t, len(d.files[d.name(c.Base, ".index")]), c.IndexBytes)
		require.EqualValues(t, len(d.files[d.name(c.Base, ".timeindex")]), c.TimeBytes)
		left = append(left, log.Source{Base: c.Base, Next: c.Next, Size: c.Size})
	}
	for _, s := range sources {
		if n := len(left); n == 0 || s.Base >= left[n-1].Next {
			left = append(left, s)
		}
	}
	return left
}

var folder = seam.Path{Name: "t-0"}

func (d *disk) name(base int64, suffix string) string {
	return log.SegmentPath(folder, base, suffix).Name
}

// record is one record of the twin.
type record struct {
	offset    int64
	key       string // "": null
	value     string // "": null
	timestamp int64
}

// written is a batch of the twin.
type written struct {
	base, last int64
	producer   int64
	sequence   int32
	horizon    int64 // 0: none
	records    []record
}

// twin is a compacted log as a list, and does what the rules of the package say, record by record.
type twin struct {
	batches []written
	dirty   int64
}

// compact is one pass. limit: the Cleaner may not go further; most: keys in its map; ends: where groups end.
func (w *twin) compact(limit int64, most int, now, retention int64, ends []int64, alive map[int64]int64) {
	last, end := map[string]int64{}, w.dirty
scan:
	for _, b := range w.batches {
		if b.last < w.dirty || b.base >= limit {
			continue
		}
		for _, r := range b.records {
			if r.offset < w.dirty || r.key == "" {
				continue
			}
			if _, there := last[r.key]; !there && len(last) >= most {
				break scan
			}
			last[r.key], end = r.offset, r.offset+1
		}
		end = b.last + 1
		if n := len(w.batches); b.last+1 >= limit || b.last == w.batches[n-1].last {
			end = limit
		}
	}
	if end < limit && !slices.ContainsFunc(w.batches, func(b written) bool { return b.last >= end && b.base < limit }) {
		end = limit
	}
	var kept []written
	for _, b := range w.batches {
		groupEnd := limit
		for _, e := range ends {
			if b.base < e {
				groupEnd = e
				break
			}
		}
		inRange := b.base < limit && (len(ends) > 0 && b.base < ends[len(ends)-1])
		if !inRange {
			kept = append(kept, b)
			continue
		}
		out, tombstones := b, false
		out.records = nil
		for _, r := range b.records {
			at, there := last[r.key]
			switch {
			case r.offset >= end:
			case r.key == "" || there && r.offset < at:
				continue
			case r.value == "" && b.horizon != 0 && b.horizon <= now:
				continue
			}
			tombstones = tombstones || r.value == ""
			out.records = append(out.records, r)
		}
		if out.horizon == 0 && tombstones && b.last < end {
			out.horizon = now + retention
		}
		if len(out.records) == 0 {
			out.horizon = 0
			if b.last+1 != groupEnd && (b.producer < 0 || alive[b.producer] != b.last) {
				continue
			}
		}
		kept = append(kept, out)
	}
	w.batches, w.dirty = kept, end
}

// read is what the disk holds, as the twin would.
func (d *disk) read(t require.TestingT, sources []log.Source) (all []written) {
	for _, s := range sources {
		rest := d.files[d.name(s.Base, ".log")]
		require.EqualValues(t, len(rest), s.Size)
		for len(rest) > 0 {
			view, more, whole := batch.Next(rest)
			require.True(t, whole)
			require.True(t, view.Sound())
			rest = more
			b := written{base: view.BaseOffset(), last: view.LastOffset(), producer: view.ProducerID(), sequence: view.BaseSequence()}
			b.horizon, _ = view.DeleteHorizon()
			if _, set := view.DeleteHorizon(); !set {
				b.horizon = 0
			}
			var r batch.Record
			records := batch.Read(view, batch.Limits{}, nil)
			latest := batch.NoTimestamp
			for records.Next(&r) {
				b.records = append(b.records, record{b.base + int64(r.OffsetDelta), string(r.Key), string(r.Value), r.Timestamp})
				latest = max(latest, r.Timestamp)
			}
			require.Equal(t, batch.Fine, records.Fault())
			if len(b.records) > 0 {
				require.Equal(t, latest, view.MaxTimestamp(), "the largest timestamp is the records'")
			}
			all = append(all, b)
		}
	}
	return all
}

// write appends a segment of random batches.
func (d *disk) write(t *rapid.T, w *twin, base int64, alive map[int64]int64, sequences map[int64]int32) log.Source {
	s := log.Source{Base: base, Next: base}
	var builder batch.Builder
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		b := written{base: s.Next, producer: -1, sequence: -1}
		spec := batch.Plain(rapid.SampledFrom([]batch.Codec{batch.None, batch.None, batch.Zstd}).Draw(t, "codec"))
		if id := rapid.Int64Range(-1, 2).Draw(t, "producer"); id >= 0 {
			b.producer, b.sequence = id, sequences[id]
			spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = id, 0, b.sequence
		}
		spec.BaseOffset, spec.LeaderEpoch = s.Next, 3
		builder.Begin(spec)
		for i := range rapid.IntRange(1, 4).Draw(t, "records") {
			r := record{offset: s.Next + int64(i), key: fmt.Sprint("k", rapid.IntRange(0, 9).Draw(t, "key")), timestamp: rapid.Int64Range(0, 99).Draw(t, "time")}
			var value []byte
			if rapid.IntRange(0, 3).Draw(t, "kind") > 0 {
				r.value = fmt.Sprint("v", r.offset, strings.Repeat("x", rapid.IntRange(0, 40).Draw(t, "padding")))
				value = []byte(r.value)
			}
			key := []byte(r.key)
			if rapid.IntRange(0, 20).Draw(t, "keyless") == 20 {
				r.key, key = "", nil
			}
			builder.Add(r.timestamp, key, value, nil)
			b.records = append(b.records, r)
		}
		view := builder.Finish()
		b.last = view.LastOffset()
		if b.producer >= 0 {
			sequences[b.producer] += int32(len(b.records))
			alive[b.producer] = b.last
		}
		name := d.name(base, ".log")
		d.files[name] = append(d.files[name], view...)
		s.Next, s.Size = b.last+1, s.Size+view.Size()
		w.batches = append(w.batches, b)
	}
	return s
}

// writeAll writes so many segments, one behind the other.
func (d *disk) writeAll(t *rapid.T, w *twin, segments int) (sources []log.Source) {
	next := int64(0)
	for range segments {
		s := d.write(t, w, next, map[int64]int64{}, map[int64]int32{})
		sources, next = append(sources, s), s.Next
	}
	return sources
}

// TestTwin: whatever is written, and however often it is compacted by however small a map, what is left is what a list
// and a map would have left.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, w := newDisk(), &twin{}
		alive, sequences := map[int64]int64{}, map[int64]int32{}
		var sources []log.Source
		next, now := int64(rapid.IntRange(0, 1).Draw(t, "start")*100), int64(1000)
		w.dirty = next
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for range rapid.IntRange(0, 3).Draw(t, "segments") {
				s := d.write(t, w, next, alive, sequences)
				sources, next = append(sources, s), s.Next
			}
			now += int64(rapid.IntRange(0, 30).Draw(t, "later"))
			upTo := rapid.IntRange(0, len(sources)).Draw(t, "sources")
			if upTo == 0 || sources[upTo-1].Next <= w.dirty {
				continue
			}
			most := rapid.SampledFrom([]int{8, 1, 2, 1000}).Draw(t, "keys")
			request := &compact.Request{ID: 7, Folder: folder, Sources: sources[:upTo], Dirty: w.dirty, First: 100,
				Rules: compact.Rules{SegmentBytes: rapid.SampledFrom([]int64{1 << 20, 100, 400, 900}).Draw(t, "segment.bytes"), MergeMax: rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "merge"), IndexBytes: 10 << 20,
					IndexIntervalBytes: int32(rapid.SampledFrom([]int{0, 100, 4096}).Draw(t, "interval")), DeleteRetentionMillis: 20, KeysMax: most, BytesPerSecond: rapid.SampledFrom([]int64{0, 1000}).Draw(t, "rate")}}
			for id := range int64(3) {
				if last, lives := alive[id]; lives {
					request.Producers = append(request.Producers, compact.Producer{ID: id, LastOffset: last})
				}
			}
			out := d.run(t, seam.Now{Mono: seam.Mono(now) * seam.Millisecond, Wall: seam.Wall(now)}, request)
			require.Equal(t, seam.OK, out.Fault, out.Reason)
			var ends []int64
			for _, c := range out.Compacted {
				ends = append(ends, c.Next)
				stoodFor := 0
				for i := range sources[:upTo] {
					if s := &sources[i]; s.Base >= c.Base && s.Base < c.Next {
						stoodFor++
					}
				}
				if most := request.Rules.MergeMax; most > 0 {
					require.LessOrEqual(t, stoodFor, most)
				}
			}
			w.compact(sources[upTo-1].Next, most, now, 20, ends, alive)
			sources = d.put(t, sources, out)
			require.Equal(t, w.dirty, out.End)
			require.Equal(t, w.batches, d.read(t, sources))
		}
		for name := range d.files {
			require.NotContains(t, name, ".cleaned")
		}
	})
}

// TestFaultsLeaveNothing: whatever fails, it answers, has closed everything, and what it made is gone.
func TestFaultsLeaveNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, w := newDisk(), &twin{}
		sources := d.writeAll(t, w, 4)
		before := len(d.files)
		countdown := rapid.IntRange(0, 40).Draw(t, "when")
		d.fail = func(what string) seam.Fault {
			if countdown--; countdown == -1 && !strings.HasPrefix(what, "close") && !strings.HasPrefix(what, "remove") {
				return seam.IOError
			}
			return seam.OK
		}
		request := &compact.Request{ID: 7, Folder: folder, Sources: sources, First: 100,
			Rules: compact.Rules{SegmentBytes: 400, IndexBytes: 10 << 20, IndexIntervalBytes: 100, KeysMax: 1000}}
		out := d.run(t, seam.Now{}, request)
		if out.Fault != seam.OK {
			require.Len(t, d.files, before)
			require.Empty(t, out.Compacted)
		}
		require.False(t, out.Unclean, "the log is not to blame")
		require.Equal(t, w.batches, d.read(t, sources), "what is there is not touched")
	})
}

// TestWhatAnEarlierOneLeft: files of a Cleaner that was given up before they were put in place keep only one pass from its end.
func TestWhatAnEarlierOneLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, w := newDisk(), &twin{}
		sources := d.writeAll(t, w, 6)
		before := len(d.files)
		request := &compact.Request{ID: 7, Folder: folder, Sources: sources, First: 100,
			Rules: compact.Rules{SegmentBytes: 1, IndexBytes: 10 << 20, IndexIntervalBytes: 100, KeysMax: 1000}}
		met := seam.OK
		for _, s := range sources {
			for _, suffix := range []string{".log", ".index", ".timeindex"} {
				if rapid.Bool().Draw(t, "left") {
					d.files[d.name(s.Base, suffix+".cleaned")] = []byte("left")
					met = seam.Exists
				}
			}
		}
		out := d.run(t, seam.Now{}, request)
		require.Equal(t, met, out.Fault, out.Reason)
		if met != seam.OK {
			require.Len(t, d.files, before)
			require.Equal(t, seam.OK, d.run(t, seam.Now{}, request).Fault)
		}
		require.Equal(t, w.batches, d.read(t, sources), "what is there is not touched")
	})
}

// TestABitThatNoChecksumCovers: an offset or a leader epoch that cannot be ends a pass, and is not written anew.
func TestABitThatNoChecksumCovers(t *testing.T) {
	const offsetAt, epochAt = 7, 15 // the lowest bytes of a batch's header
	for _, c := range []struct {
		name      string
		batch, at int
		bits      byte
		fault     seam.Fault
	}{
		{"nothing", 0, 0, 0, seam.OK},
		{"an epoch that is to come", 2, epochAt, 4, seam.IOError},
		{"an epoch that is over", 2, epochAt, 1, seam.IOError},
		{"an offset that was there", 1, offsetAt, 1, seam.IOError},
		{"an offset beyond the segment", 2, offsetAt, 64, seam.IOError},
		{"an offset behind the next one", 0, offsetAt, 2, seam.IOError},
	} {
		d, builder, source, starts := newDisk(), batch.Builder{}, log.Source{}, []int64{}
		name := d.name(0, ".log")
		for i, epoch := range []int32{3, 3, 5} {
			spec := batch.Plain(batch.None)
			spec.BaseOffset, spec.LeaderEpoch = int64(i), epoch
			builder.Begin(spec)
			builder.Add(50, []byte{byte(i)}, []byte("v"), nil)
			view := builder.Finish()
			starts = append(starts, int64(len(d.files[name])))
			d.files[name] = append(d.files[name], view...)
			source.Next, source.Size = int64(i)+1, source.Size+view.Size()
		}
		d.files[name][starts[c.batch]+int64(c.at)] ^= c.bits
		request := &compact.Request{ID: 1, Folder: folder, Sources: []log.Source{source}, First: 100,
			Epochs: log.Epochs{List: []log.Epoch{{Epoch: 3, Start: 0}, {Epoch: 5, Start: 2}}},
			Rules:  compact.Rules{SegmentBytes: 400, IndexBytes: 10 << 20, KeysMax: 10}}
		out := d.run(t, seam.Now{}, request)
		require.Equal(t, c.fault, out.Fault, c.name)
		require.Equal(t, c.fault != seam.OK, out.Unclean, c.name)
	}
}

// TestStopped: a letter ends it at once, also one that comes when it has answered.
func TestStopped(t *testing.T) {
	d := newDisk()
	require.Equal(t, seam.Gone, d.run(t, seam.Now{}, &compact.Stop{ID: 3}).Fault)
	rapid.Check(t, func(t *rapid.T) {
		d, w := newDisk(), &twin{}
		s := d.write(t, w, 0, map[int64]int64{}, map[int64]int32{})
		out := d.run(t, seam.Now{}, &compact.Request{ID: 3, Folder: folder, Sources: []log.Source{s}, First: 1, Rules: compact.Rules{SegmentBytes: 400, IndexBytes: 1 << 20, KeysMax: 10}}, &compact.Stop{ID: 3})
		require.Equal(t, seam.Gone, out.Fault)
		require.Len(t, d.files, 1)
	})
}

// BenchmarkClean is a Cleaner over a disk in memory: what a record of 1 KiB costs it, half of them overtaken. The bytes are those
// that it is given to compact.
func BenchmarkClean(b *testing.B) {
	d, sources := newDisk(), []log.Source{}
	var builder batch.Builder
	value, next := make([]byte, 1000), int64(0)
	for range 8 {
		s := log.Source{Base: next, Next: next}
		for range 32 {
			spec := batch.Plain(batch.None)
			spec.BaseOffset = s.Next
			builder.Begin(spec)
			for i := range int64(128) {
				builder.Add(0, fmt.Appendf(nil, "key %d", (s.Next+i)*7919%16384), value, nil)
			}
			view := builder.Finish()
			d.files[d.name(s.Base, ".log")] = append(d.files[d.name(s.Base, ".log")], view...)
			s.Next, s.Size = s.Next+128, s.Size+view.Size()
		}
		b.SetBytes(int64(len(sources)+1) * s.Size)
		sources, next = append(sources, s), s.Next
	}
	request := &compact.Request{Folder: folder, Sources: sources, First: 1, Rules: compact.Rules{SegmentBytes: 16 << 20, IndexBytes: 10 << 20, IndexIntervalBytes: 4096, KeysMax: 1 << 20}}
	for b.Loop() {
		d.steps = 0
		out := d.run(b, seam.Now{}, request)
		require.Equal(b, int64(16384), out.Kept)
		for _, c := range out.Compacted {
			for _, suffix := range []string{".log", ".index", ".timeindex"} {
				delete(d.files, d.name(c.Base, suffix+".cleaned"))
			}
		}
	}
}

// TestADeleteThatIsKeptForEver: delete.retention.ms may be as long as it can be, and no clock comes to the horizon then.
func TestADeleteThatIsKeptForEver(t *testing.T) {
	d, builder, sources := newDisk(), batch.Builder{}, []log.Source{}
	for base, value := range [][]byte{[]byte("v"), nil} {
		spec := batch.Plain(batch.None)
		spec.BaseOffset = int64(base)
		builder.Begin(spec)
		builder.Add(50, []byte("k"), value, nil)
		view := builder.Finish()
		d.files[d.name(int64(base), ".log")] = slices.Clone(view)
		sources = append(sources, log.Source{Base: int64(base), Next: int64(base) + 1, Size: view.Size()})
	}
	for _, now := range []seam.Wall{1000, 2000, 1 << 50} {
		out := d.run(t, seam.Now{Wall: now}, &compact.Request{ID: 1, Folder: folder, Sources: sources, First: 100,
			Rules: compact.Rules{SegmentBytes: 100, IndexBytes: 10 << 20, KeysMax: 10, DeleteRetentionMillis: 1<<63 - 1}})
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		sources = d.put(t, sources, out)
		all := d.read(t, sources)
		last := all[len(all)-1]
		require.Equal(t, []record{{offset: 1, key: "k", timestamp: 50}}, last.records)
		require.EqualValues(t, int64(1<<63-1), last.horizon)
	}
}

// TestACleanerKeepsToItsRate: each byte is read for the map and for the copy, and here written, since every key stays.
func TestACleanerKeepsToItsRate(t *testing.T) {
	const burst = 100 * seam.Millisecond
	for _, rate := range []int64{0, 1000, 10_000} {
		d, builder, sources, size := newDisk(), batch.Builder{}, []log.Source{}, int64(0)
		for base := range int64(40) {
			spec := batch.Plain(batch.None)
			spec.BaseOffset = base
			builder.Begin(spec)
			builder.Add(50, fmt.Append(nil, base), []byte("v"), nil)
			view := builder.Finish()
			d.files[d.name(base, ".log")] = slices.Clone(view)
			sources, size = append(sources, log.Source{Base: base, Next: base + 1, Size: view.Size()}), size+view.Size()
		}
		out := d.run(t, seam.Now{Mono: seam.Second, Wall: 1000}, &compact.Request{ID: 1, Folder: folder, Sources: sources, First: 100,
			Rules: compact.Rules{SegmentBytes: 1 << 20, IndexBytes: 10 << 20, KeysMax: 100, DeleteRetentionMillis: 20, BytesPerSecond: rate}})
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		if rate == 0 {
			require.Zero(t, d.took)
			continue
		}
		due := seam.Mono(3*size) * seam.Second / seam.Mono(rate)
		require.GreaterOrEqual(t, d.took, due-burst-due/10)
		require.LessOrEqual(t, d.took, due+due/10)
	}
}

// TestAHorizonThatHasNoRoom: with a horizon each time takes a byte more. A segment that is as large as it may be does not become
// larger: its deletes get their horizon when there is room.
func TestAHorizonThatHasNoRoom(t *testing.T) {
	for room := range int64(4) {
		d, builder, source := newDisk(), batch.Builder{}, log.Source{Next: 3}
		for base := range int64(3) {
			spec := batch.Plain(batch.None)
			spec.BaseOffset = base
			builder.Begin(spec)
			builder.Add(50, fmt.Appendf(nil, "k%d", base), nil, nil)
			d.files[d.name(0, ".log")] = append(d.files[d.name(0, ".log")], builder.Finish()...)
		}
		source.Size = int64(len(d.files[d.name(0, ".log")]))
		out := d.run(t, seam.Now{Wall: 1000}, &compact.Request{ID: 1, Folder: folder, Sources: []log.Source{source}, First: 100,
			Rules: compact.Rules{SegmentBytes: 1 << 20, SizeMax: source.Size + room, IndexBytes: 10 << 20, KeysMax: 10, DeleteRetentionMillis: 20}})
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		horizons := int64(0)
		for _, b := range d.read(t, d.put(t, []log.Source{source}, out)) {
			require.Len(t, b.records, 1)
			if b.horizon > 0 {
				horizons++
			}
		}
		require.Equal(t, room, horizons)
		require.Equal(t, source.Size+room, out.Compacted[0].Size)
	}
}
