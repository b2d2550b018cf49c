package fuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/producer"
	"rookery/core/replica"
	"rookery/core/seam"
)

// shelf is the smallest disk: names, and what lies under them. It does at once whatever it is asked.
type shelf struct {
	t     testing.TB
	names map[string]*[]byte
	open  map[seam.File]*[]byte
	path  map[seam.File]string
}

func newShelf(t testing.TB) *shelf {
	return &shelf{t: t, names: map[string]*[]byte{}, open: map[seam.File]*[]byte{}, path: map[seam.File]string{}}
}

func (s *shelf) put(name string, data []byte) { s.names[name] = new(bytes.Clone(data)) }

func (s *shelf) entries() (out []seam.Entry) {
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		out = append(out, seam.Entry{Path: seam.Path{Name: name}, Size: int64(len(*s.names[name]))})
	}
	return out
}

func (s *shelf) copies() map[string]string {
	out := map[string]string{}
	for name, data := range s.names {
		out[name] = string(*data)
	}
	return out
}

// lasting is what there is without the producers' snapshots.
func (s *shelf) lasting() map[string]string {
	out := s.copies()
	maps.DeleteFunc(out, func(name, _ string) bool {
		return strings.HasSuffix(name, ".snapshot") || strings.HasSuffix(name, ".window")
	})
	return out
}

// act does what effects ask for and says what comes back.
func (s *shelf) act(fx *seam.Effects) (back []seam.Input) {
	for _, x := range fx.Files {
		back = append(back, s.change(x))
	}
	for _, x := range fx.Writes {
		data := s.open[x.File]
		require.NotNil(s.t, data, "a write to a file that is open")
		*data = append((*data)[:min(x.At, int64(len(*data)))], append(make([]byte, max(0, x.At-int64(len(*data)))), append(bytes.Clone(x.Data), (*data)[min(int64(len(*data)), x.At+int64(len(x.Data))):]...)...)...)
		back = append(back, &seam.Wrote{Op: x.Op, Bytes: int64(len(x.Data))})
	}
	for _, x := range fx.Reads {
		back = append(back, &seam.Loaded{Op: x.Op, Data: s.part(x.File, x.At, int64(x.Len))})
	}
	for _, x := range fx.Syncs {
		back = append(back, &seam.Synced{Op: x.Op})
	}
	return back
}

func (s *shelf) part(file seam.File, at, length int64) []byte {
	data := s.open[file]
	require.NotNil(s.t, data, "a read of a file that is open")
	end := int64(len(*data))
	return bytes.Clone((*data)[min(at, end):min(at+length, end)])
}

func (s *shelf) change(x seam.FileOp) *seam.Wrote {
	out := &seam.Wrote{Op: x.Op}
	data := s.names[x.Path.Name]
	switch x.Deed {
	case seam.Open:
		if s.open[x.File], s.path[x.File] = data, x.Path.Name; data == nil {
			out.Fault = seam.NotFound
			break
		}
		out.Bytes = int64(len(*data))
	case seam.Create:
		if data != nil {
			out.Fault = seam.Exists
			break
		}
		data = new([]byte)
		s.names[x.Path.Name], s.open[x.File], s.path[x.File] = data, data, x.Path.Name
	case seam.Truncate:
		*s.open[x.File] = (*s.open[x.File])[:min(x.Size, int64(len(*s.open[x.File])))]
	case seam.Rename:
		if data == nil {
			out.Fault = seam.NotFound
			break
		}
		delete(s.names, x.Path.Name)
		s.names[x.To.Name] = data
	case seam.Remove:
		if data == nil {
			out.Fault = seam.NotFound
		}
		delete(s.names, x.Path.Name)
	case seam.Unlink:
		delete(s.names, s.path[x.File])
	case seam.Close:
		delete(s.open, x.File)
	case seam.List:
		require.Fail(s.t, "nobody lists a folder")
	}
	return out
}

// recover runs a Recovery over the shelf.
func (s *shelf) recover(request log.RecoveryRequest) *log.Recovered {
	machine, fx := log.NewRecovery(), seam.Effects{}
	request.Topic, request.Folder, request.First = "t", seam.Path{Name: "t-0"}, 1
	request.Files, request.Config = s.entries(), smallLogs
	var out *log.Recovered
	inputs := []seam.Input{&seam.Mail{Body: &request}}
	for n := 0; len(inputs) > 0; n++ {
		require.Less(s.t, n, 10_000, "it never ends")
		fx.Reset()
		machine.Step(seam.Now{Mono: 5, Wall: 5}, inputs[0], &fx)
		inputs = append(inputs[1:], s.act(&fx)...)
		for _, x := range fx.Sends {
			require.Nil(s.t, out, "one answer")
			out = x.Body.(*log.Recovered)
		}
	}
	require.NotNil(s.t, out, "an answer")
	require.Empty(s.t, s.open, "a Recovery closes its files")
	return out
}

var smallLogs = log.Config{SegmentBytes: 1 << 30, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: 64}

// dumb is what a dumb reader accepts of a segment: its batches, where they end, and what the next one has to be.
type dumb struct {
	batches [][]byte
	at      int64
	next    int64
	epoch   int32
}

// read goes on with a segment of that base.
func (d *dumb) read(base int64, data []byte) {
	d.at = 0
	for int64(len(data))-d.at >= 61 {
		b := data[d.at:]
		size := 12 + int64(int32(binary.BigEndian.Uint32(b[8:])))
		if size < 61 || size > int64(len(b)) || b[16] != 2 || int64(binary.BigEndian.Uint64(b)) != d.next {
			return
		}
		last, epoch := d.next+int64(int32(binary.BigEndian.Uint32(b[23:]))), int32(binary.BigEndian.Uint32(b[12:]))
		if last < d.next || epoch < d.epoch || last-base > 1<<31-1 ||
			crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[17:]) {
			return
		}
		d.batches = append(d.batches, b[:size])
		d.at, d.next, d.epoch = d.at+size, last+1, epoch
	}
}

// mend gives the batches of a segment what arbitrary bytes never have: right checksums, and, if dense, right offsets.
func mend(data []byte, base int64, dense bool) {
	for len(data) >= 61 {
		size := 12 + int64(int32(binary.BigEndian.Uint32(data[8:])))
		if size < 61 || size > int64(len(data)) {
			return
		}
		if dense {
			binary.BigEndian.PutUint64(data, uint64(base))
		}
		binary.BigEndian.PutUint32(data[17:], crc32.Checksum(data[21:size], crc32.MakeTable(crc32.Castagnoli)))
		base += int64(int32(binary.BigEndian.Uint32(data[23:]))) + 1
		data = data[size:]
	}
}

const (
	mendSums = 1 << iota
	mendOffsets
	clean
	withEpochs
	withSnapshots
)

func segmentFile(base int64, suffix string) string { return fmt.Sprintf("t-0/%020d%s", base, suffix) }

// FuzzRecovery: a folder of two segments with anything in any file. A Recovery comes to an end, and
//   - where all has to be looked at, it keeps exactly what the dumb reader accepts, and readers find exactly that;
//   - else the log ends where its last file does, its epochs rise, and readers find batches or say that they cannot;
//   - a fault leaves every segment as it was;
//   - a second Recovery finds the same and changes nothing, unless the first one believed a clean stop. What it needs of
//     the producers' snapshots may differ: the first may have thrown away the segment that one began.
func FuzzRecovery(f *testing.F) {
	seedFolders(f)
	f.Fuzz(func(t *testing.T, one, two, index, times, snapshot, window, epochs []byte, base uint32, gap uint16, point, start uint32, how uint8) {
		const most = 16 << 10
		if len(one) > most || len(two) > most || len(index)+len(times)+len(snapshot)+len(window)+len(epochs) > most {
			return
		}
		one, two, snapshot, window = bytes.Clone(one), bytes.Clone(two), bytes.Clone(snapshot), bytes.Clone(window)
		next := int64(base) + int64(gap) + 1
		if how&mendSums != 0 {
			mend(one, int64(base), how&mendOffsets != 0)
			mend(two, next, how&mendOffsets != 0)
			sealFrom(snapshot, 2)
			sealFrom(window, 6)
		}
		s := newShelf(t)
		s.put(segmentFile(int64(base), ".log"), one)
		s.put(segmentFile(int64(base), ".index"), index)
		s.put(segmentFile(int64(base), ".timeindex"), times)
		if len(two) > 0 {
			s.put(segmentFile(next, ".log"), two)
			s.put(segmentFile(next, ".index"), times)
			s.put(segmentFile(next, ".timeindex"), index)
		}
		if how&withEpochs != 0 {
			s.put("t-0/leader-epoch-checkpoint", epochs)
		}
		if how&withSnapshots != 0 {
			for _, at := range []int64{int64(base), next, int64(point)} {
				s.put(segmentFile(at, ".snapshot"), snapshot)
				s.put(segmentFile(at, ".window"), window)
			}
		}
		request := log.RecoveryRequest{RecoveryPoint: int64(point), LogStart: int64(start), Clean: how&clean != 0}
		before := s.copies()
		out := s.recover(request)
		if out.Fault != seam.OK {
			require.NotEmpty(t, out.Reason)
			for name, data := range before {
				if _, kept := s.names[name]; strings.HasSuffix(name, ".log") && (kept || name != segmentFile(int64(base), ".log") || next > int64(start)) {
					require.Equal(t, data, string(*s.names[name]), "a fault leaves %s as it was", name)
				}
			}
			return
		}
		found := dumb{epoch: -1}
		exact := base == 0 && point == 0 && start == 0 && how&clean == 0
		if exact {
			end := int64(0)
			found.read(0, one)
			if end = found.at; end == int64(len(one)) && found.next == next && len(two) > 0 {
				found.read(next, two)
				require.Equal(t, two[:found.at], *s.names[segmentFile(next, ".log")])
				end = found.at
			} else {
				require.NotContains(t, s.names, segmentFile(next, ".log"))
			}
			require.Equal(t, found.next, out.End.Offset, out.Reason)
			require.Equal(t, end, out.End.Position)
			if how&withSnapshots == 0 { // which may say more than the log
				require.Equal(t, found.producers(), out.Producers.Digest(false))
			}
			require.Equal(t, string(found.epochs()), string(out.Epochs.Encode()))
		}
		require.LessOrEqual(t, out.Start, out.End.Offset)
		require.GreaterOrEqual(t, out.Start, int64(start))
		for i, e := range out.Epochs.List {
			require.True(t, i == 0 || out.Epochs.List[i-1].Epoch < e.Epoch && out.Epochs.List[i-1].Start < e.Start, "%v", out.Epochs)
			require.LessOrEqual(t, e.Start, out.End.Offset, "%+v", out)
		}
		last := s.names[segmentFile(out.End.Segment, ".log")]
		if last != nil {
			require.Len(t, *last, int(out.End.Position), "the log ends where its last file does")
		}
		kept := s.lasting()
		again := s.recover(request)
		if request.Clean { // it looked only at what the stop had not, and took away what had told it so
			if again.Fault == seam.OK {
				s.readAll(again, nil, false)
			}
			return
		}
		require.Equal(t, seam.OK, again.Fault, again.Reason)
		require.Equal(t, [2]any{out.Start, out.End}, [2]any{again.Start, again.End})
		require.Zero(t, again.Cut)
		if last != nil { // else all was deleted: what the first one had from the batches is gone with them
			require.Equal(t, kept, s.lasting(), "a second recovery changes nothing")
			require.Equal(t, string(out.Epochs.Encode()), string(again.Epochs.Encode()))
		}
		s.readAll(again, found.batches, exact)
	})
}

func (d *dumb) producers() seam.Digest {
	p := producer.New()
	for _, b := range d.batches {
		p.Replay(5, batch.View(b))
	}
	return p.Digest(false)
}

func (d *dumb) epochs() []byte {
	var e log.Epochs
	for _, b := range d.batches {
		e.Assign(batch.View(b).LeaderEpoch(), batch.View(b).BaseOffset())
	}
	return e.Encode()
}

// readAll opens what was recovered as a broker does and looks for offsets all over it.
func (s *shelf) readAll(out *log.Recovered, batches [][]byte, exact bool) {
	files := seam.File(1 << 20)
	fx := seam.Effects{}
	l := log.Restore(out, seam.Path{Name: "t-0"}, smallLogs, log.Numbers{Owner: 7, Files: &files})
	l.RewriteIndexes(&fx)
	if l.Empty() {
		l.Create(seam.Now{}, &fx)
	}
	r := replica.New(l, out.Producers, 1)
	if out.Epochs.Latest() == math.MaxInt32 {
		return // nobody was ever granted that, and a start refuses what has it
	}
	r.BecomeLeader(out.Epochs.Latest() + 1)
	for n := 0; ; n++ {
		require.Less(s.t, n, 1000, "it never comes to rest")
		back := s.act(&fx)
		if fx.Reset(); len(back) == 0 {
			if !r.SyncWanted(5) {
				break
			}
			r.EmitSyncs(5, &fx)
		}
		for _, in := range back {
			switch in := in.(type) {
			case *seam.Wrote:
				for more := r.Wrote(in, always, &fx); more; {
					more = r.GoOn(always, &fx)
				}
			case *seam.Synced:
				r.Synced(in, &fx)
			}
		}
	}
	require.False(s.t, l.Broken())
	require.Equal(s.t, out.End.Offset, l.End().Offset)
	require.Equal(s.t, l.End().Offset, l.Durable().Offset, "all that was recovered gets durable")
	step := max(1, (out.End.Offset-out.Start)/50)
	for offset := out.Start; offset < out.End.Offset && offset >= 0; offset += step {
		s.find(l, offset, batches, exact)
	}
	_, next, _ := l.Find(out.End.Offset)
	require.Equal(s.t, log.AtEnd, next)
}

func (s *shelf) find(l *log.Log, offset int64, batches [][]byte, exact bool) {
	c, next, want := l.Find(offset)
	for n := 0; next == log.NeedIndex || next == log.NeedBytes; n++ {
		require.Less(s.t, n, 10_000, "a search ends")
		c, next, want = l.Loaded(c, next, &seam.Loaded{Data: s.part(want.File, want.At, int64(want.Len))})
	}
	if next != log.Found {
		require.False(s.t, exact, "offset %d is not found: %v, %s", offset, next, l.Where(c))
		return
	}
	span, ok := l.Plan(c, l.End(), 1, true)
	require.True(s.t, ok)
	data := s.part(span.File, span.At, int64(span.Len))
	require.Len(s.t, data, int(span.Len), "a range lies in its file")
	require.GreaterOrEqual(s.t, batch.View(data).LastOffset(), offset)
	if exact {
		i := slices.IndexFunc(batches, func(b []byte) bool { return batch.View(b).LastOffset() >= offset })
		require.Equal(s.t, batches[i], data)
	}
}

// seedFolders are folders of Kafka's own, and one of ours with two epochs and a producer.
func seedFolders(f *testing.F) {
	var b batch.Builder
	ours := func(base int64, count int, epoch int32) (data []byte) {
		for i := range int64(count) {
			b.Begin(batch.Spec{BaseOffset: base + 2*i, LeaderEpoch: epoch, ProducerID: 7, BaseSequence: int32(base + 2*i)})
			b.Add(1000+i, nil, []byte("jackdaw"), nil)
			b.Add(1001+i, []byte("k"), nil, nil)
			data = append(data, b.Finish()...)
		}
		return data
	}
	one, two := append(ours(0, 3, 0), ours(6, 2, 2)...), ours(10, 4, 3)
	snapshot, window := producerFiles()
	epochs := []byte("0\n3\n0 0\n2 6\n3 10\n")
	size := len(ours(0, 1, 0)) // of each batch
	put := func(data []byte, nth, at int, value ...byte) []byte {
		data = bytes.Clone(data)
		copy(data[nth*size+at:], value)
		return data
	}
	index, times := []byte{0, 0, 0, 3, 0, 0, 0, byte(size)}, []byte{0, 0, 0, 0, 0, 0, 3, 0xe9, 0, 0, 0, 3}
	for _, harmed := range []struct{ one, two, index, epochs []byte }{
		{one, two, index, epochs},
		{put(one, 4, 12, 0, 0, 0, 1), two, index, epochs},                                  // the epoch falls
		{put(one, 2, size-1, 7), two, index, epochs},                                       // the checksum is wrong
		{put(one, 1, 7, 3), two, index, epochs},                                            // an offset is passed over
		{put(one, 3, 23, 0xff, 0xff, 0xff, 0xff), two, index, epochs},                      // no offsets
		{put(one, 4, 23, 0x7f, 0xff, 0xff, 0xff), two, index, epochs},                      // too many
		{put(one, 4, 8, 0x7f, 0xff, 0xff, 0xff), two, index, epochs},                       // longer than the file
		{one[:len(one)-9], two, index, epochs},                                             // cut off
		{one, put(two, 0, size-1, 7), index, epochs},                                       // the second segment is wrong from its start
		{one, put(two, 2, size-1, 7), index, epochs},                                       // and in the middle
		{one, put(two, 0, 12, 0, 0, 0, 1), index, epochs},                                  // its epoch falls
		{one[:4*size], two, index, epochs},                                                 // a gap before it
		{append(bytes.Clone(one), two...), two, index, epochs},                             // a segment that is in the one before it
		{one, two[:len(two)-9], index, epochs},                                             // its end is cut off
		{one, nil, []byte{0, 0, 0, 3, 0, 0, 0, 9}, epochs},                                 // the index points elsewhere
		{one, nil, []byte{0, 0, 0, 5, 0, 0, 0, byte(size)}, epochs},                        // and says something else of it
		{put(one, 0, size-1, 7), nil, []byte{0, 0, 0, 7, 0, 0, 0, byte(3 * size)}, epochs}, // what lies below an index entry is wrong
		{one, two, index, []byte("0\n1\n1 0\n")},                                           // epochs that the batches do not have
		{one, nil, index, []byte("0\n3\n0 0\n2 6\n9 400\n")},                               // and one behind the end
		{one, two, index, []byte("0\n4\n0 0\n2 6\n3 10\n9 400\n")},
	} {
		for how := range uint8(32) {
			for _, marks := range [][2]uint32{{0, 0}, {10, 0}, {18, 0}, {30, 0}, {0, 8}, {18, 12}, {0, 40}} {
				f.Add(harmed.one, harmed.two, harmed.index, times, snapshot, window, harmed.epochs, uint32(0), uint16(9), marks[0], marks[1], how)
			}
		}
	}
	f.Add(one, two[:len(two)-9], []byte{}, []byte{}, []byte{}, []byte{}, epochs, uint32(0), uint16(9), uint32(0), uint32(0), uint8(0))
	f.Add(ours(100, 5, 1), ours(110, 5, 1), []byte{}, []byte{}, snapshot, []byte{}, []byte("0\n1\n1 50\n"), uint32(100), uint16(9), uint32(115), uint32(104), uint8(withEpochs|withSnapshots))
	f.Add(make([]byte, 200), []byte{}, []byte{}, []byte{}, []byte{}, []byte{}, []byte{}, uint32(0), uint16(0), uint32(0), uint32(0), uint8(0))
	f.Add([]byte{0}, []byte{}, []byte{}, []byte{}, []byte{}, []byte{}, []byte("0\n3\n0 0\n1 1\n2 10\n"), uint32(79), uint16(9), uint32(0), uint32(8), uint8(withEpochs)) // an epoch behind the end
	folders, err := filepath.Glob("../cmd/rookery/testdata/kafka-4.2.0/*-0")
	require.NoError(f, err)
	require.NotEmpty(f, folders)
	for _, folder := range folders {
		part := func(name string) []byte {
			paths, err := filepath.Glob(filepath.Join(folder, name))
			require.NoError(f, err)
			require.Len(f, paths, 1)
			data, err := os.ReadFile(paths[0])
			require.NoError(f, err)
			return data
		}
		whole := part("*.log")
		const end = 300 // of all of them but the metadata log
		for _, how := range []uint8{0, mendSums, mendSums | mendOffsets | withEpochs, clean | withEpochs | withSnapshots, mendSums | clean | withEpochs} {
			f.Add(whole, []byte{}, part("*.index"), part("*.timeindex"), part("*.snapshot"), []byte{}, part("leader-epoch-checkpoint"), uint32(0), uint16(end-1), uint32(how&clean/clean)*end, uint32(0), how)
		}
	}
}

func always() bool { return true }
