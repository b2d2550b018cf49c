package fuzz

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/log"
	"rookery/core/seam"
)

// compact runs a Cleaner over one segment of the shelf.
func (s *shelf) compact(request *compact.Request) *compact.Cleaned {
	machine, fx := compact.New(), seam.Effects{}
	request.Topic, request.Folder, request.First = "t", seam.Path{Name: "t-0"}, 1
	request.Rules = compact.Rules{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: 64, DeleteRetentionMillis: 10, KeysMax: 4}
	var out *compact.Cleaned
	inputs := []seam.Input{&seam.Mail{Body: request}}
	for n := 0; len(inputs) > 0; n++ {
		require.Less(s.t, n, 10_000, "it never ends")
		fx.Reset()
		machine.Step(seam.Now{Mono: 5, Wall: 5}, inputs[0], &fx)
		inputs = append(inputs[1:], s.act(&fx)...)
		for _, x := range fx.Sends {
			require.Nil(s.t, out, "one answer")
			out = x.Body.(*compact.Cleaned)
		}
		if len(inputs) == 0 && out == nil {
			require.NotEqual(s.t, seam.Never, fx.Alarm, "it waits for nothing")
			inputs = append(inputs, &seam.Alarm{})
		}
	}
	require.NotNil(s.t, out, "an answer")
	require.Empty(s.t, s.open, "a Cleaner closes its files")
	return out
}

// keyed is a segment of two batches: values, a tombstone, a record without a key.
func keyed() []byte {
	var out []byte
	var b batch.Builder
	for i, spec := range []batch.Spec{batch.Plain(batch.None), {Codec: batch.Zstd, ProducerID: 7, BaseSequence: 3}} {
		spec.BaseOffset = int64(3 * i)
		b.Begin(spec)
		b.Add(1, []byte("a"), []byte("value"), []batch.Header{{Key: []byte("h")}})
		b.Add(9, []byte("b"), nil, nil)
		b.Add(3, nil, []byte("nobody's"), nil)
		out = append(out, b.Finish()...)
	}
	return out
}

// sound sets the checksums of what looks like batches right, so that more than those is looked at.
func sound(data []byte) []byte {
	for rest := data; len(rest) >= batch.HeaderSize; {
		size := 12 + int64(int32(binary.BigEndian.Uint32(rest[8:])))
		if size < batch.HeaderSize || size > int64(len(rest)) {
			break
		}
		binary.BigEndian.PutUint32(rest[17:], crc32.Checksum(rest[21:size], crc32.MakeTable(crc32.Castagnoli)))
		rest = rest[size:]
	}
	return data
}

// seen is the records of a segment by offset, as far as it can be read.
func seen(data []byte) map[int64]batch.Record {
	out := map[int64]batch.Record{}
	for {
		view, rest, whole := batch.Next(data)
		if !whole {
			return out
		}
		var r batch.Record
		for records := batch.Read(view, batch.Limits{}, nil); records.Next(&r); {
			kept := r
			kept.Key, kept.Value, kept.Headers = append([]byte(nil), r.Key...), append([]byte(nil), r.Value...), append([]batch.Header(nil), r.Headers...)
			kept.OffsetDelta = 0
			out[view.BaseOffset()+int64(r.OffsetDelta)] = kept
		}
		data = rest
	}
}

// FuzzCleaner: whatever lies in a segment, a Cleaner answers, leaves it as it is, and writes nothing that was not there.
func FuzzCleaner(f *testing.F) {
	f.Add(keyed(), int64(0))
	f.Add(keyed()[:100], int64(2))
	f.Fuzz(func(t *testing.T, data []byte, dirty int64) {
		data = sound(data)
		s := newShelf(t)
		s.put("t-0/00000000000000000000.log", data)
		before := s.copies()
		out := s.compact(&compact.Request{Sources: []log.Source{{Base: 0, Next: 1 << 20, Size: int64(len(data))}}, Dirty: max(0, min(dirty, 1<<20)), Producers: []compact.Producer{{ID: 7, LastOffset: 5}}})
		if out.Fault != seam.OK {
			require.Equal(t, before, s.copies(), "nothing is left of it")
			return
		}
		require.Len(t, out.Compacted, 1)
		require.Equal(t, before["t-0/00000000000000000000.log"], string(*s.names["t-0/00000000000000000000.log"]))
		was, last := seen(data), int64(-1)
		written := *s.names["t-0/00000000000000000000.log.cleaned"]
		for offset, r := range seen(written) {
			require.Equal(t, was[offset], r, "offset %d", offset)
		}
		for rest := written; len(rest) > 0; {
			view, more, whole := batch.Next(rest)
			require.True(t, whole && view.Sound())
			require.Greater(t, view.BaseOffset(), last)
			last, rest = view.LastOffset(), more
		}
	})
}

// FuzzSwap: whatever lies in a .swap, a Recovery answers; it is put in its place only if it is whole.
func FuzzSwap(f *testing.F) {
	f.Add(keyed())
	f.Add(keyed()[:150])
	f.Fuzz(func(t *testing.T, data []byte) {
		data = sound(data)
		s := newShelf(t)
		s.put("t-0/00000000000000000000.log", keyed())
		s.put("t-0/00000000000000000000.log.swap", data)
		out := s.recover(log.RecoveryRequest{Compacted: 1 << 40})
		if _, left := s.names["t-0/00000000000000000000.log.swap"]; left {
			require.NotEqual(t, seam.OK, out.Fault)
			require.Equal(t, string(keyed()), string(*s.names["t-0/00000000000000000000.log"]), "what it stands for is not touched")
		}
	})
}
