package log_test

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/producer"
	"rookery/core/seam"
)

var edgeConfig = log.Config{SegmentBytes: 150, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: 4096}

// atTheEdge recovers a folder whose first segment ends at its recovery point, offset 2: two batches, and what follows them.
func atTheEdge(t *rapid.T, follows []byte) (*disk, *log.Recovered) {
	d := edgeDisk(t, follows)
	return d, recoverEdge(t, d, 2)
}

func edgeDisk(t *rapid.T, follows []byte) *disk {
	var epochs log.Epochs
	epochs.Assign(0, 0)
	d := newDisk(t)
	for name, content := range map[string][]byte{
		"00000000000000000000.log":       slices.Concat(dated(0, 10), dated(1, 50), follows),
		"00000000000000000000.index":     nil,
		"00000000000000000000.timeindex": make([]byte, 12), // its size is on the disk, its bytes are not
		"00000000000000000002.log":       dated(2, 20),
		"00000000000000000002.snapshot":  producer.New().AppendSnapshot(nil),
		"leader-epoch-checkpoint":        epochs.Encode(),
	} {
		d.names["t-0/"+name] = &inode{data: content, disk: content, dirty: map[int]bool{}}
	}
	return d
}

func recoverEdge(t *rapid.T, d *disk, point int64) *log.Recovered {
	request := &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, RecoveryPoint: point, Config: edgeConfig}
	return runRecovery(t, d, request, 0)
}

func dated(base, time int64) []byte {
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	b.Add(time, nil, nil, nil)
	data := slices.Clone([]byte(b.Finish()))
	batch.Stamp(data, base, 0)
	return data
}

// The point was taken when the segment was active. Then it was closed, and the power failed before its indexes were on the
// disk: what is left of them is not to be believed, though the segment does not end above the point.
func TestIndexesOfASegmentThatEndsAtTheRecoveryPointAreMadeAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, out := atTheEdge(t, nil)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		require.EqualValues(t, 3, out.End.Offset)
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		request := l.SearchRequest(l.End())
		request.Timestamp = 30
		found := runSearch(t, d, request)
		require.True(t, found.Found)
		require.EqualValues(t, 1, found.Offset)
	})
}

// The same, and a write had failed before it was closed: what was cut off came back, between it and the next segment, of
// which nothing was durable. It is cut off again.
func TestACutThatCameBackAtTheRecoveryPointIsMadeAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, out := atTheEdge(t, dated(2, 60)[:40])
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		require.EqualValues(t, 2, out.End.Offset)
		require.Equal(t, []string{"t-0/00000000000000000000.log"}, d.logs())
		require.Len(t, d.names["t-0/00000000000000000000.log"].data, int(out.End.Position))
	})
}

// No snapshot of the producers can be read, so that the whole log is walked. What was durable stays owed: were the indexes
// below the point written anew, it would go back until they are synced.
func TestAWalkForTheProducersDoesNotTakeTheRecoveryPointBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := edgeDisk(t, nil)
		times := d.names["t-0/00000000000000000000.timeindex"]
		times.data = []byte{0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 1}
		times.disk = times.data
		delete(d.names, "t-0/00000000000000000002.snapshot")
		out := recoverEdge(t, d, 3)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		var fx seam.Effects
		l.RewriteIndexes(&fx)
		require.EqualValues(t, 3, l.Point())
		require.Empty(t, fx.Writes)
	})
}

// A process dies when it has given a snapshot its name, which no Sync covers yet, and the next start lets the segments go that
// lie below the log's start. If the power fails meanwhile, the one or the other is left to tell who wrote.
func TestASnapshotThatNoSyncCoversStandsForNothingYet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom([]int64{2, 5}).Draw(t, "start") // the second is behind all that is left of the log
		d := edgeDisk(t, nil)
		var b batch.Builder
		b.Begin(batch.Spec{BaseOffset: 1, ProducerID: 7})
		b.Add(50, nil, nil, nil)
		written := slices.Clone([]byte(b.Finish()))
		known := producer.New()
		known.Replay(0, written)
		first := d.names["t-0/00000000000000000000.log"]
		first.data = slices.Concat(dated(0, 10), written)
		first.disk = first.data
		delete(d.names, "t-0/00000000000000000002.snapshot")
		d.safe = maps.Clone(d.names)
		snapshot := known.AppendSnapshot(nil)
		d.names[log.SegmentPath(seam.Path{Name: "t-0"}, start, ".snapshot").Name] = &inode{data: snapshot, disk: snapshot, dirty: map[int]bool{}}
		request := func() *log.RecoveryRequest {
			return &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, RecoveryPoint: 2, LogStart: start, Config: edgeConfig}
		}
		runRecovery(t, d, request(), rapid.IntRange(1, 30).Draw(t, "steps"))
		d.cut()
		out := runRecovery(t, d, request(), 0)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		require.Equal(t, start, out.Start)
		require.Equal(t, 1, out.Producers.Len())
	})
}

// A snapshot that the disk does not give back is missed only where the batches that would tell the same are deleted: to go on
// there would forget producers, whose retries would then be taken for new batches.
func TestAnUnreadableSnapshotMattersWhereTheBatchesBelowItAreGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := edgeDisk(t, nil)
		d.names["t-0/00000000000000000002.snapshot"].unreadable = true
		require.Equal(t, seam.OK, recoverEdge(t, d, 3).Fault)

		d = edgeDisk(t, nil)
		for _, suffix := range []string{"log", "index", "timeindex"} {
			delete(d.names, "t-0/00000000000000000000."+suffix)
		}
		require.Equal(t, seam.OK, recoverEdge(t, d, 3).Fault)
		d.names["t-0/00000000000000000002.snapshot"].unreadable = true
		out := recoverEdge(t, d, 3)
		require.Equal(t, seam.IOError, out.Fault)
		require.Contains(t, out.Reason, "snapshot")
	})
}

// After a clean stop the walk begins at the last entry of the last segment's .index, and what lies before is known from its
// .timeindex. Where that is lost or not to be read, it is not known.
func TestALastSegmentIsWalkedWhereItsTimeIndexIsNotThere(t *testing.T) {
	batches := [][]byte{dated(0, 10), dated(1, 50), dated(2, 20)}
	size := uint32(len(batches[0]))
	index := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1), size)
	index = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(index, 2), 2*size)
	times := append(binary.BigEndian.AppendUint64(nil, 50), 0, 0, 0, 1)
	for what, content := range map[string][]byte{"good": times, "lost": nil, "short": times[:7], "empty": {}, "zeroes": make([]byte, 24)} {
		rapid.Check(t, func(t *rapid.T) {
			var epochs log.Epochs
			epochs.Assign(0, 0)
			d := newDisk(t)
			for name, content := range map[string][]byte{
				"00000000000000000000.log":       slices.Concat(batches...),
				"00000000000000000000.index":     index,
				"00000000000000000000.timeindex": content,
				"00000000000000000003.snapshot":  producer.New().AppendSnapshot(nil),
				"leader-epoch-checkpoint":        epochs.Encode(),
			} {
				d.names["t-0/"+name] = &inode{data: content, disk: content, dirty: map[int]bool{}}
			}
			if what == "lost" {
				delete(d.names, "t-0/00000000000000000000.timeindex")
			}
			config := edgeConfig
			config.IndexIntervalBytes = 10
			request := &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, Clean: true, RecoveryPoint: 3, Config: config}
			out := runRecovery(t, d, request, 0)
			require.Equal(t, seam.OK, out.Fault, out.Reason)
			require.EqualValues(t, 3, out.End.Offset)
			files := seam.File(100)
			l := log.Restore(out, seam.Path{Name: "t-0"}, config, log.Numbers{Owner: 7, Files: &files})
			var fx seam.Effects
			l.Reopen(func() bool { return true }, &fx)
			l.Append(seam.Now{}, dated(3, 1), 0, 1, &fx) // the segment is closed
			search := l.SearchRequest(l.End())
			search.Timestamp = 30
			found := runSearch(t, d, search)
			require.True(t, found.Found, what)
			require.EqualValues(t, 1, found.Offset, what)
			latest := l.SearchRequest(l.End())
			latest.Latest = true
			require.EqualValues(t, 50, runSearch(t, d, latest).Timestamp, what)
		})
	}
}

// segment.index.bytes is altered to less than what an index has that was written before. It is read whole all the same: a
// piece of it would be taken for a wrong one, and made again each time.
func TestAnIndexIsReadWholeThoughItWouldBeTooLargeNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := edgeDisk(t, nil)
		index := append(binary.BigEndian.AppendUint32(nil, 0), 0, 0, 0, 1)
		index = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(index, 1), uint32(len(dated(0, 10))))
		d.names["t-0/00000000000000000000.index"].data, d.names["t-0/00000000000000000000.index"].disk = index, index
		out := recoverEdge(t, d, 3)
		files := seam.File(100)
		config := edgeConfig
		config.IndexBytes = 8
		l := log.Restore(out, seam.Path{Name: "t-0"}, config, log.Numbers{Owner: 7, Files: &files})
		var fx seam.Effects
		l.Reopen(func() bool { return true }, &fx)
		for _, x := range fx.Files {
			l.Wrote(&seam.Wrote{Op: x.Op}, &fx)
		}
		l.Forget()
		_, next, want := l.Find(1)
		require.Equal(t, log.NeedIndex, next)
		require.EqualValues(t, len(index), want.Len)
	})
}

// answer lets everything come back. What is to fail does, and so does whatever is asked of the same file behind it.
func answer(l *log.Log, fx *seam.Effects, fails func(op *seam.FileOp) bool) (written []seam.Path) {
	asked := *fx
	*fx = seam.Effects{}
	dead, paths := map[seam.File]bool{}, map[seam.File]seam.Path{}
	for i := range asked.Files {
		op, fault := &asked.Files[i], seam.OK
		switch {
		case op.Path.Name != "" && fails(op):
			dead[op.File], fault = true, seam.IOError
		case op.Path.Name != "":
			paths[op.File] = op.Path
		case dead[op.File]:
			fault = seam.NotFound
		}
		l.Wrote(&seam.Wrote{Op: op.Op, Fault: fault}, fx)
	}
	for _, w := range asked.Writes {
		if dead[w.File] {
			l.Wrote(&seam.Wrote{Op: w.Op, Fault: seam.Planned}, fx)
			continue
		}
		written = append(written, paths[w.File])
		l.Wrote(&seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data))}, fx)
	}
	return written
}

// A start has to make an index again, and one of its files does not open: it is opened anew when the index is written next, and
// it was written under the id that led nowhere, again and again, until the next start.
func TestAnIndexFileThatDidNotOpenIsOpenedAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, out := atTheEdge(t, nil)
		suffix := rapid.SampledFrom([]string{".index", ".timeindex"}).Draw(t, "suffix")
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		path := seam.Path{Name: "t-0/00000000000000000000" + suffix}
		never := func(*seam.FileOp) bool { return false }
		var fx seam.Effects
		l.RewriteIndexes(&fx)
		require.NotContains(t, answer(l, &fx, func(op *seam.FileOp) bool { return op.Path == path }), path)
		require.True(t, l.Retry())
		l.RewriteIndexes(&fx)
		require.Contains(t, answer(l, &fx, never), path)
		require.False(t, l.Retry(), "both are written")
	})
}

// A start has to make an index again, and one of its files cannot be emptied: what is behind the new entries is of another log that
// was cut off, and whoever reads the file would believe it. It is written again.
func TestAnIndexFileThatCouldNotBeEmptiedIsWrittenAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nth := rapid.IntRange(0, 1).Draw(t, "which cannot be emptied")
		_, out := atTheEdge(t, nil)
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		var fx seam.Effects
		l.RewriteIndexes(&fx)
		asked, emptied := fx, 0
		fx = seam.Effects{}
		for i := range asked.Files {
			op, fault := &asked.Files[i], seam.OK
			if op.Deed == seam.Truncate {
				if emptied++; emptied == nth+1 {
					fault = seam.IOError
				}
			}
			l.Wrote(&seam.Wrote{Op: op.Op, Fault: fault}, &fx)
		}
		require.Equal(t, 2, emptied)
		for _, w := range asked.Writes {
			l.Wrote(&seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data))}, &fx)
		}
		require.True(t, l.Retry())
		fx = seam.Effects{}
		l.RewriteIndexes(&fx)
		require.Len(t, fx.Writes, 2)
		answer(l, &fx, func(*seam.FileOp) bool { return false })
		require.False(t, l.Retry(), "both are written")
	})
}

// The same of an index that nothing is wrong with: no reader asks for it under an id that leads nowhere, and it is made again.
func TestAnIndexThatDidNotOpenIsInDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := edgeDisk(t, nil)
		times := d.names["t-0/00000000000000000000.timeindex"]
		times.data = []byte{0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 1}
		times.disk = times.data
		out := recoverEdge(t, d, 3)
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		path := seam.Path{Name: "t-0/00000000000000000000.index"}
		var fx seam.Effects
		l.RewriteIndexes(&fx)
		require.Empty(t, fx.Writes)
		answer(l, &fx, func(op *seam.FileOp) bool { return op.Path == path })
		_, next, _ := l.Find(0)
		require.NotEqual(t, log.NeedIndex, next)
		l.Heal(&fx)
		require.Len(t, fx.Reads, 1)
	})
}

// index.interval.bytes is lowered. The entries of the segments that there are lie as far apart as they were to, and their
// indexes are as good as before: none is made again. One that has lost its end still is.
func TestAnIndexIsHeldToTheIntervalThatItWasMadeWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var content []byte
		var index log.Index
		interval := rapid.Int32Range(0, 2000).Draw(t, "interval")
		for offset := range int64(100) {
			data := dated(offset, 50)
			index.Add(0, offset, int64(len(content)), int64(len(data)), 50, interval)
			content = append(content, data...)
		}
		whole := index.EncodeOffsets()
		kept := min(rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "kept"), len(index.Offsets))
		lost := int64(len(content)) - int64(index.Offsets[kept-1].Position)
		d := edgeDisk(t, nil)
		delete(d.names, "t-0/00000000000000000002.log")
		delete(d.names, "t-0/00000000000000000002.snapshot")
		for name, data := range map[string][]byte{
			"00000000000000000000.log": content, "00000000000000000000.index": whole[:8*kept],
			"00000000000000000000.timeindex": {0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0}, "00000000000000000100.log": dated(100, 50),
		} {
			d.names["t-0/"+name] = &inode{data: data, disk: data, dirty: map[int]bool{}}
		}
		out := recoverEdge(t, d, 101)
		require.EqualValues(t, 101, out.End.Offset)
		files := seam.File(100)
		config := edgeConfig
		config.IndexIntervalBytes = rapid.Int32Range(0, interval).Draw(t, "lowered")
		l := log.Restore(out, seam.Path{Name: "t-0"}, config, log.Numbers{Owner: 7, Files: &files})
		var fx seam.Effects
		l.Reopen(func() bool { return true }, &fx)
		answer(l, &fx, func(*seam.FileOp) bool { return false })
		for offset := range int64(100) {
			l.Forget()
			c, next, want := l.Find(offset)
			for next == log.NeedIndex || next == log.NeedBytes {
				data := content
				if next == log.NeedIndex {
					data = whole
				}
				c, next, want = l.Loaded(c, next, &seam.Loaded{Data: data[want.At : want.At+int64(want.Len)]})
			}
			require.Equal(t, log.Found, next)
		}
		l.Heal(&fx)
		l.RewriteIndexes(&fx)
		require.Empty(t, fx.Writes, "what a power cut leaves of it would be believed: the recovery point on the disk is above it")
		point := l.Checkpoint()
		if l.Noted(point) {
			require.EqualValues(t, 100, point)
		}
		l.RewriteIndexes(&fx)
		switch again := len(fx.Reads)+len(fx.Writes) > 0; {
		case kept == len(index.Offsets):
			require.False(t, again)
		case lost > 17*(int64(interval)+2*int64(len(dated(0, 50)))):
			require.True(t, again)
		}
	})
}

// A segment is closed when the times of its records lie too far apart, and when there are none, by the wall clock.
func TestASegmentIsClosedByItsAge(t *testing.T) {
	for _, test := range []struct {
		times    []int64 // of one batch each
		wall     seam.Wall
		segments int
	}{
		{[]int64{1000, 1050, 1100}, 0, 1},
		{[]int64{1000, 1050, 1101}, 0, 2},
		{[]int64{1000, 1101, 1201}, 0, 2}, // the second one is 100 older
		{[]int64{1000, 1101, 1202}, 0, 3},
		{[]int64{1000, 10, 1100}, 0, 1}, // the first batch's counts
		{[]int64{-1, -1}, 100, 1},
		{[]int64{-1, -1}, 101, 2},
	} {
		var files seam.File
		var fx seam.Effects
		config := edgeConfig
		config.SegmentBytes, config.SegmentMillis = 1<<20, 100
		l := log.New("t", 0, seam.Path{Name: "t-0"}, config, log.Numbers{Owner: 7, Files: &files})
		now := seam.Now{Mono: 1, Wall: 5000}
		l.Create(now, &fx)
		for _, time := range test.times {
			l.Append(now, dated(0, time), 1, time, &fx)
			now.Wall = 5000 + test.wall
		}
		require.Len(t, l.Segments(), test.segments, test.times)
	}
}

func TestEpochsBelowAStart(t *testing.T) {
	for start, left := range map[int64][]log.Epoch{
		0:  {{Epoch: 1, Start: 5}, {Epoch: 3, Start: 10}, {Epoch: 4, Start: 20}},
		5:  {{Epoch: 1, Start: 5}, {Epoch: 3, Start: 10}, {Epoch: 4, Start: 20}},
		9:  {{Epoch: 1, Start: 9}, {Epoch: 3, Start: 10}, {Epoch: 4, Start: 20}},
		10: {{Epoch: 3, Start: 10}, {Epoch: 4, Start: 20}},
		11: {{Epoch: 3, Start: 11}, {Epoch: 4, Start: 20}},
		20: {{Epoch: 4, Start: 20}},
		99: {{Epoch: 4, Start: 99}},
	} {
		e := log.Epochs{List: []log.Epoch{{Epoch: 1, Start: 5}, {Epoch: 3, Start: 10}, {Epoch: 4, Start: 20}}}
		e.TruncateFromStart(start)
		require.Equal(t, left, e.List, start)
	}
}
