package fetch_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/fetch"
	"rookery/core/log"
	"rookery/core/seam"
	"rookery/core/wire"
)

// shelf is a few logs at rest, and a list of what is in them.
type shelf struct {
	logs   []*log.Log
	limits []log.Mark // how far each may be read
	twins  [][]stored
	files  seam.File
	now    seam.Now
	bytes  map[seam.File][]byte
}

// stored is a batch and where it lies.
type stored struct {
	base, last int64
	segment    int // counted from the first
	size       int64
	data       []byte
}

func (s *shelf) Readable(partition uint32) (*log.Log, log.Mark) {
	return s.logs[partition-1], s.limits[partition-1]
}

func fill(t *rapid.T) *shelf {
	s := &shelf{bytes: map[seam.File][]byte{}}
	for i := range rapid.IntRange(1, 3).Draw(t, "logs") {
		fx := seam.Effects{}
		config := log.Config{SegmentMillis: 1 << 40, IndexBytes: 10 << 20, IndexIntervalBytes: 1 << 20}
		config.SegmentBytes = rapid.SampledFrom([]int64{300, 1 << 30}).Draw(t, "segment")
		l := log.New("t", int32(i), seam.Path{Name: fmt.Sprintf("t-%d", i)}, config, log.Numbers{Owner: uint32(i + 1), Files: &s.files})
		l.Create(s.now, &fx)
		s.back(l, &fx)
		var twin []stored
		for range rapid.IntRange(0, 5).Draw(t, "batches") {
			var b batch.Builder
			b.Begin(batch.Plain(batch.None))
			for range rapid.IntRange(1, 2).Draw(t, "records") {
				b.Add(1, nil, make([]byte, rapid.IntRange(0, 120).Draw(t, "size")), nil)
			}
			data := append([]byte(nil), b.Finish()...)
			base := l.Append(s.now, data, 0, 1, &fx)
			x := stored{base: base, last: l.Next() - 1, size: int64(len(data)), data: data}
			if n := len(twin); n > 0 {
				x.segment = twin[n-1].segment
			}
			if len(fx.Files) > 0 {
				x.segment++
			}
			twin = append(twin, x)
			s.back(l, &fx)
		}
		limits := []log.Mark{{}}
		s.logs, s.twins = append(s.logs, l), append(s.twins, twin)
		at := log.Mark{}
		for j, x := range twin {
			if j > 0 && x.segment != twin[j-1].segment {
				at.Segment, at.Position = x.base, 0
			}
			at.Offset, at.Position = x.last+1, at.Position+x.size
			limits = append(limits, at)
		}
		s.limits = append(s.limits, limits[rapid.IntRange(0, len(limits)-1).Draw(t, "limit")])
	}
	return s
}

// back lets everything that was asked of the disk come back.
func (s *shelf) back(l *log.Log, fx *seam.Effects) {
	for _, f := range fx.Files {
		l.Wrote(&seam.Wrote{Op: f.Op}, fx)
	}
	for _, w := range fx.Writes {
		s.bytes[w.File] = append(s.bytes[w.File], w.Data...)
		l.Wrote(&seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data))}, fx)
	}
	for _, _, fate := l.Pop(fx); fate != log.UnderWay; _, _, fate = l.Pop(fx) {
	}
	fx.Reset()
}

// readable is what of a partition a consumer may be given from offset on: the batches below the limit. gather says how
// many bytes of them one Range can hold: those of the first one's segment.
func (s *shelf) readable(i int, offset int64) (all []stored, oneSegment int64) {
	for _, x := range s.twins[i] {
		if x.last >= offset && x.last < s.limits[i].Offset {
			all = append(all, x)
		}
	}
	for _, x := range all {
		if x.segment == all[0].segment {
			oneSegment += x.size
		}
	}
	return all, oneSegment
}

func (s *shelf) drawRequest(t *rapid.T) *wire.FetchRequest {
	limit := rapid.Custom(func(t *rapid.T) int32 {
		return rapid.SampledFrom([]int32{-1, 0, 1, 70, 150, 250, 400, 700, 1 << 30}).Draw(t, "bytes") + rapid.Int32Range(0, 3).Draw(t, "more")
	})
	r := &wire.FetchRequest{ReplicaID: -1, MaxWaitMillis: 500, MinBytes: limit.Draw(t, "min"), MaxBytes: limit.Draw(t, "max"), SessionEpoch: -1}
	r.IsolationLevel = rapid.Int8Range(0, 1).Draw(t, "isolation")
	group := int32(0)
	for k := range rapid.IntRange(0, 4).Draw(t, "partitions") {
		if k > 0 && rapid.Bool().Draw(t, "next topic") {
			group++
		}
		i := rapid.IntRange(0, len(s.logs)-1).Draw(t, "partition")
		r.Partitions = append(r.Partitions, wire.FetchPartition{
			Topic: fmt.Appendf(nil, "topic-%d", group), Group: group, Index: int32(i), CurrentLeaderEpoch: -1, LastFetchedEpoch: -1,
			FetchOffset: rapid.Int64Range(0, s.limits[i].Offset).Draw(t, "offset"), PartitionMaxBytes: limit.Draw(t, "partition max"),
		})
	}
	return r
}

// look does what the Broker does before it plans: it finds where each part begins, and what is wrong with it.
func (s *shelf) look(t *rapid.T, f *fetch.Fetch) {
	for j := range f.Parts {
		p := &f.Parts[j]
		if rapid.IntRange(0, 9).Draw(t, "error") == 9 {
			p.Code = rapid.SampledFrom([]wire.Code{wire.OffsetOutOfRange, wire.UnknownTopicOrPartition}).Draw(t, "code")
			continue
		}
		p.Partition, p.Start, p.High = uint32(p.Index)+1, 0, s.limits[p.Index].Offset
		if p.Next = log.AtEnd; p.Offset < p.High {
			p.Cursor, p.Next, _ = s.logs[p.Index].Find(p.Offset)
			require.Equal(t, log.Found, p.Next)
		}
	}
}

// TestFetchAgreesWithTheTwin: a Fetch over logs at rest gives each partition what a list of batches and one budget say,
// is answered when it should be, and its answer reads as kmsg reads it.
func TestFetchAgreesWithTheTwin(t *testing.T) {
	cases := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := fill(t)
		request := s.drawRequest(t)
		most := rapid.SampledFrom([]int32{0, 200, 1 << 30}).Draw(t, "broker's max")
		var f fetch.Fetch
		f.Begin(seam.Now{Mono: 5}, 1, 11, 77, request, most)
		for j := range request.Partitions { // the frame is free
			clear(request.Partitions[j].Topic)
		}
		s.look(t, &f)
		total, failed := f.Plan(s)

		left, first, more, wantTotal, wantFailed := int64(max(0, min(request.MaxBytes, most))), true, false, int64(0), false
		for j := range f.Parts {
			p := &f.Parts[j]
			wantFailed = wantFailed || p.Code != wire.None
			all, whole := s.readable(int(p.Index), p.Offset)
			if p.Code != wire.None || len(all) == 0 {
				require.Zero(t, p.Range, "nothing there, or nothing to be given")
				continue
			}
			want := min(whole, left, int64(max(0, p.MaxBytes)))
			if want < all[0].size {
				if want = 0; first {
					want = all[0].size // the first batch of all goes out whole (KIP-74)
					cases["whole"]++
				}
			}
			require.Equal(t, want, int64(p.Range.Len), "partition %d from %d", p.Index, p.Offset)
			if want > 0 {
				first = false
				data := s.bytes[p.Range.File][p.Range.At : p.Range.At+want]
				require.Equal(t, all[0].data[:min(want, all[0].size)], data[:min(want, all[0].size)], "it begins with the batch that holds the offset")
			}
			left, wantTotal = max(0, left-want), wantTotal+want
			more = more || want < sizeOf(all)
		}
		require.Equal(t, wantTotal, total)
		require.Equal(t, wantFailed, failed)

		// What is there and was not taken will not be taken later either: nobody waits for that.
		enough := wantFailed || more || total >= int64(min(request.MinBytes, request.MaxBytes, most)) || len(f.Parts) == 0
		require.Equal(t, enough, f.Enough(seam.Now{Mono: f.Deadline - 1}, total, failed))
		require.True(t, f.Enough(seam.Now{Mono: f.Deadline}, total, failed))
		require.Equal(t, seam.Mono(5)+500*seam.Millisecond, f.Deadline)
		cases[fmt.Sprintf("enough %t failed %t more %t", enough, wantFailed, more)]++
		s.reads(t, &f)
	})
	t.Log(cases)
}

func sizeOf(all []stored) (n int64) {
	for _, x := range all {
		n += x.size
	}
	return n
}

// reads puts the answer together as a driver does, and reads it as a client does.
func (s *shelf) reads(t *rapid.T, f *fetch.Fetch) {
	var head wire.FetchHead
	frame, ranges := f.Head(nil, &head, 0, nil)
	whole, at := []byte(nil), int32(0)
	for _, x := range ranges {
		whole = append(append(whole, frame[at:x.Before]...), s.bytes[x.File][x.At:x.At+int64(x.Len)]...)
		at = x.Before
	}
	whole = append(whole, frame[at:]...)
	r := kmsg.NewPtrFetchResponse()
	r.Version = 11
	require.NoError(t, r.ReadFrom(whole[8:]))
	j, group := 0, int32(-1)
	for _, topic := range r.Topics {
		require.Greater(t, f.Parts[j].Group, group)
		group = f.Parts[j].Group
		require.Equal(t, fmt.Sprintf("topic-%d", group), topic.Topic)
		for _, got := range topic.Partitions {
			p := &f.Parts[j]
			j++
			require.Equal(t, group, p.Group)
			require.Equal(t, p.Index, got.Partition)
			require.Equal(t, int16(p.Code), got.ErrorCode)
			require.Len(t, got.RecordBatches, int(p.Range.Len))
			if p.Range.Len > 0 {
				require.Equal(t, s.bytes[p.Range.File][p.Range.At:p.Range.At+int64(p.Range.Len)], got.RecordBatches)
			}
			if p.Code == wire.None {
				require.Equal(t, []int64{p.High, p.High, p.Start}, []int64{got.HighWatermark, got.LastStableOffset, got.LogStartOffset})
				require.Equal(t, f.Committed, got.AbortedTransactions != nil)
			} else {
				require.Equal(t, []int64{-1, -1, -1}, []int64{got.HighWatermark, got.LastStableOffset, got.LogStartOffset})
			}
		}
	}
	require.Len(t, f.Parts, j)
}

// A fetch is reused, and what it keeps of a request is its own.
func TestRefuse(t *testing.T) {
	var f fetch.Fetch
	r := &wire.FetchRequest{Partitions: []wire.FetchPartition{{Topic: []byte("t"), Index: 1}, {Topic: []byte("t"), Index: 2}}}
	f.Begin(seam.Now{}, 1, 12, 1, r, 100)
	f.Refuse(wire.InvalidRequest, true)
	require.Equal(t, []wire.Code{wire.InvalidRequest, wire.InvalidRequest}, []wire.Code{f.Parts[0].Code, f.Parts[1].Code})
	f.Refuse(wire.FetchSessionIDNotFound, false)
	require.Empty(t, f.Parts)
	f.Begin(seam.Now{}, 1, 12, 1, r, 100)
	require.Equal(t, wire.None, f.Code)
	require.Len(t, f.Parts, 2)
}
