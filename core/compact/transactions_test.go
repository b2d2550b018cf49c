package compact_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/log"
	"rookery/core/seam"
)

// entry is a batch as a reader of committed records has it.
type entry struct {
	batch.View
	records []record
	kind    batch.ControlType
	marker  bool
}

func (d *disk) entries(t require.TestingT, sources []log.Source) (all []entry) {
	for _, s := range sources {
		for rest := d.files[d.name(s.Base, ".log")]; len(rest) > 0; {
			view, more, whole := batch.Next(rest)
			require.True(t, whole && view.Sound())
			rest = more
			e := entry{View: view}
			if view.IsControl() {
				e.kind, _, e.marker = batch.Control(view)
				all = append(all, e)
				continue
			}
			var r batch.Record
			for records := batch.Read(view, batch.Limits{}, nil); records.Next(&r); {
				value := string(r.Value)
				if r.Value == nil {
					value = ""
				}
				e.records = append(e.records, record{view.BaseOffset() + int64(r.OffsetDelta), string(r.Key), value, r.Timestamp})
			}
			all = append(all, e)
		}
	}
	return all
}

// committed is the last value of each key, as a reader of committed records knows it, and the records of transactions that
// have not ended.
func committed(all []entry) (last map[string]string, open []record) {
	last = map[string]string{}
	for i, e := range all {
		ended, aborted := !e.IsTransactional(), false
		for _, m := range all[i:] {
			if !ended && m.marker && m.ProducerID() == e.ProducerID() {
				ended, aborted = true, m.kind == batch.AbortMarker
			}
		}
		for _, r := range e.records {
			switch {
			case !ended:
				open = append(open, r)
			case aborted:
			case r.value == "":
				delete(last, r.key)
			default:
				last[r.key] = r.value
			}
		}
	}
	return last, open
}

// TestTransactions: a log that a broker with transactions has written. Whatever is compacted of it, and by however small a map,
// whoever reads what is committed finds the same as before, and no transaction loses its end while something of it is there.
func TestTransactions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, builder := newDisk(), batch.Builder{}
		var sources []log.Source
		open, opened := map[int64]bool{}, map[int64]int64{}
		next, now, dirty := int64(0), int64(1000), int64(0)
		write := func(view []byte) {
			if n := len(sources); n == 0 || rapid.IntRange(0, 2).Draw(t, "roll") == 0 {
				sources = append(sources, log.Source{Base: next, Next: next})
			}
			s := &sources[len(sources)-1]
			d.files[d.name(s.Base, ".log")] = append(d.files[d.name(s.Base, ".log")], view...)
			next = batch.View(view).LastOffset() + 1
			s.Next, s.Size = next, s.Size+int64(len(view))
		}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for range rapid.IntRange(0, 20).Draw(t, "batches") {
				spec := batch.Plain(batch.None)
				spec.BaseOffset, spec.ProducerID = next, rapid.Int64Range(-1, 2).Draw(t, "producer")
				if id := spec.ProducerID; open[id] && rapid.IntRange(0, 1).Draw(t, "end") == 0 {
					spec.Transactional, open[id] = true, false
					kind := rapid.SampledFrom([]batch.ControlType{batch.AbortMarker, batch.CommitMarker}).Draw(t, "how")
					write(slices.Clone(builder.BuildControl(spec, 50, kind, make([]byte, 6))))
					continue
				}
				if spec.Transactional = spec.ProducerID >= 0; spec.Transactional && !open[spec.ProducerID] {
					open[spec.ProducerID], opened[spec.ProducerID] = true, next
				}
				builder.Begin(spec)
				for i := range rapid.IntRange(1, 3).Draw(t, "records") {
					var value []byte
					if rapid.IntRange(0, 3).Draw(t, "kind") > 0 {
						value = fmt.Appendf(nil, "v%d", next+int64(i))
					}
					builder.Add(50, fmt.Appendf(nil, "k%d", rapid.IntRange(0, 3).Draw(t, "key")), value, nil)
				}
				write(slices.Clone(builder.Finish()))
			}
			now += int64(rapid.IntRange(0, 30).Draw(t, "later"))
			stable := next
			for id, is := range open {
				if is {
					stable = min(stable, opened[id])
				}
			}
			upTo := 0
			for upTo+1 < len(sources) && sources[upTo].Next <= stable { // the last one is active
				upTo++
			}
			for upTo > 0 && dirty < sources[upTo-1].Next && rapid.IntRange(0, 3).Draw(t, "on") > 0 {
				last, unended := committed(d.entries(t, sources))
				out := d.run(t, seam.Now{Wall: seam.Wall(now)}, &compact.Request{ID: 7, Folder: folder, Sources: sources[:upTo], Dirty: dirty, First: 100,
					Rules: compact.Rules{SegmentBytes: rapid.SampledFrom([]int64{1 << 20, 200}).Draw(t, "segment.bytes"), IndexBytes: 10 << 20,
						DeleteRetentionMillis: 10, KeysMax: rapid.SampledFrom([]int{8, 1, 2}).Draw(t, "keys")}})
				if out.Fault != seam.OK {
					require.Equal(t, seam.NotFound, out.Fault, out.Reason)
					break
				}
				require.Greater(t, out.End, dirty)
				stood := sources[upTo:]
				left := d.put(t, sources[:upTo], out)
				sources, dirty, upTo = slices.Concat(left, stood), out.End, len(left)
				then, still := committed(d.entries(t, sources))
				require.Equal(t, last, then)
				require.Equal(t, unended, still, "no transaction has lost its end")
				now += int64(rapid.IntRange(0, 15).Draw(t, "later"))
			}
		}
	})
}
