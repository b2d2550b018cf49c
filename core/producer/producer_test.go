package producer

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/seam"
)

// header is a batch without records: all that this package looks at, but for markers.
func header(id int64, epoch int16, baseSequence, count int32, offset, timestamp int64) batch.View {
	var b batch.Builder
	b.Begin(batch.Spec{BaseOffset: offset, ProducerID: id, ProducerEpoch: epoch, BaseSequence: baseSequence})
	for range count {
		b.Add(timestamp, nil, nil, nil)
	}
	return b.Finish()
}

func marker(id int64, epoch int16, offset int64, coordinatorEpoch int32) batch.View {
	var b batch.Builder
	return b.BuildControl(batch.Spec{BaseOffset: offset, ProducerID: id, ProducerEpoch: epoch, BaseSequence: -1, Transactional: true},
		99, batch.CommitMarker, []byte{0, 0, 0, 0, 0, byte(coordinatorEpoch)})
}

// log appends in one breath what a broker does in two.
type log struct {
	*State
	end int64
}

func (l *log) send(id int64, epoch int16, base, count int32) Verdict {
	v := l.Judge(id, epoch, base, batch.AddSequence(base, count-1))
	if v.Kind == Append {
		l.Plan(1, header(id, epoch, base, count, l.end, 1000+l.end))
		l.end += int64(count)
		l.Commit(l.end - 1)
	}
	return v
}

func TestTheRulesOfKafka(t *testing.T) {
	const top = 1<<31 - 1
	type step struct {
		epoch       int16
		base, count int32
		kind        Kind
		offset      int64
	}
	cases := map[string][]step{
		"unknown producers begin anywhere": {{0, 5, 1, Append, 0}, {0, 6, 1, Append, 0}},
		"and at the top":                   {{0, top, 1, Append, 0}, {0, 0, 1, Append, 0}},
		"and with any epoch":               {{7, 3, 2, Append, 0}},
		"five are remembered": {{0, 0, 1, Append, 0}, {0, 1, 1, Append, 0}, {0, 2, 1, Append, 0}, {0, 3, 1, Append, 0}, {0, 4, 1, Append, 0}, {0, 5, 1, Append, 0},
			{0, 5, 1, Duplicate, 5}, {0, 1, 1, Duplicate, 1}, {0, 0, 1, OutOfOrderSequence, 0}},
		"a duplicate fits exactly": {{0, 0, 3, Append, 0}, {0, 0, 1, OutOfOrderSequence, 0}, {0, 0, 2, OutOfOrderSequence, 0}, {0, 1, 2, OutOfOrderSequence, 0},
			{0, 0, 3, Duplicate, 0}, {0, 0, 4, OutOfOrderSequence, 0}},
		"a gap":                {{0, 0, 1, Append, 0}, {0, 2, 1, OutOfOrderSequence, 0}, {0, 1, 1, Append, 0}},
		"a new epoch at 0":     {{1, 0, 2, Append, 0}, {9, 2, 1, OutOfOrderSequence, 0}, {9, 0, 2, Append, 0}, {32767, 0, 1, Append, 0}},
		"an old epoch":         {{1, 0, 2, Append, 0}, {0, 0, 2, InvalidProducerEpoch, 0}, {-1, 0, 2, InvalidProducerEpoch, 0}, {2, 0, 2, Append, 0}, {1, 0, 2, InvalidProducerEpoch, 0}},
		"the wrap":             {{0, top - 1, 2, Append, 0}, {0, 0, 2, Append, 0}, {0, top - 1, 2, Duplicate, 0}, {0, 2, 1, Append, 0}},
		"a batch over the top": {{0, top, 3, Append, 0}, {0, top, 3, Duplicate, 0}, {0, 2, 1, Append, 0}},
		"epoch -1":             {{-1, 0, 1, Append, 0}, {-1, 0, 1, Duplicate, 0}, {-1, 77, 1, Append, 0}, {0, 4, 1, Append, 0}, {0, 6, 1, OutOfOrderSequence, 0}},
	}
	for name, steps := range cases {
		l := log{State: New()}
		for i, c := range steps {
			v := l.send(42, c.epoch, c.base, c.count)
			at := fmt.Sprint(name, ", step ", i)
			assert.Equal(t, c.kind, v.Kind, at)
			if c.kind == Duplicate {
				assert.Equal(t, Verdict{Duplicate, c.offset, c.offset + int64(c.count) - 1, 1000 + c.offset, false}, v, at)
			}
		}
	}
	assert.Equal(t, []int16{0, 0, 45, 47}, []int16{Append.Code(), Duplicate.Code(), OutOfOrderSequence.Code(), InvalidProducerEpoch.Code()})
}

func TestWhatIsPlannedCounts(t *testing.T) {
	s := New()
	s.Plan(1, header(1, 0, 0, 2, 0, 10))
	s.Plan(1, header(1, 0, 2, 1, 2, 11))
	assert.Equal(t, Verdict{Duplicate, 0, 1, 10, true}, s.Judge(1, 0, 0, 1))
	assert.Equal(t, Append, s.Judge(1, 0, 3, 3).Kind)
	assert.Equal(t, OutOfOrderSequence, s.Judge(1, 0, 4, 4).Kind)
	s.Commit(1)
	assert.Equal(t, Verdict{Duplicate, 0, 1, 10, false}, s.Judge(1, 0, 0, 1))
	assert.True(t, s.Judge(1, 0, 2, 2).Planned)
	s.DropFrom(2)
	assert.Equal(t, Append, s.Judge(1, 0, 2, 2).Kind)
	assert.Zero(t, s.Planned())
	assert.Equal(t, "pid=1 epoch=0 0..1@0\n", s.String())
}

// What Judge would refuse is not planned.
func TestNothingIsPlannedOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		epoch int16
		base  int32
		fine  bool
	}{{3, 11, true}, {3, 12, false}, {3, 10, false}, {2, 11, false}, {2, 0, false}, {4, 0, true}, {4, 11, false}} {
		s := New()
		s.Plan(1, header(1, 3, 10, 1, 0, 10))
		next := func() { s.Plan(1, header(1, c.epoch, c.base, 1, 1, 10)) }
		if c.fine {
			require.NotPanics(t, next, c)
		} else {
			require.PanicsWithValue(t, "broken law P5: a producer's batches are planned one behind the other, and from 0 on in a later epoch", next, c)
		}
	}
}

func TestAFailedFirstWriteForgetsTheProducer(t *testing.T) {
	s := New()
	s.Plan(1, header(1, 3, 10, 1, 0, 10))
	s.Plan(1, header(2, 3, 10, 1, 1, 10))
	s.DropFrom(0)
	assert.Zero(t, s.Len())
	assert.Equal(t, Append, s.Judge(1, 0, 77, 77).Kind)
	s.Plan(1, header(2, 0, 5, 1, 0, 10)) // the same offset again
	s.Commit(0)
	assert.Equal(t, Duplicate, s.Judge(2, 0, 5, 5).Kind)
}

func TestAPlannedEpochThatFails(t *testing.T) {
	l := log{State: New()}
	l.send(1, 0, 0, 1)
	l.Plan(1, header(1, 1, 0, 1, 1, 10))
	assert.Equal(t, InvalidProducerEpoch, l.Judge(1, 0, 1, 1).Kind)
	l.DropFrom(1)
	assert.Equal(t, Append, l.Judge(1, 0, 1, 1).Kind)
	assert.Equal(t, Duplicate, l.Judge(1, 0, 0, 0).Kind)
}

func TestMarkers(t *testing.T) {
	s := New()
	s.Replay(1, header(1, 4, 0, 2, 0, 10))
	s.Replay(1, marker(1, 4, 2, 3)) // transaction.version 1: the sequence goes on
	assert.Equal(t, Append, s.Judge(1, 4, 2, 2).Kind)
	assert.Equal(t, Duplicate, s.Judge(1, 4, 0, 1).Kind)
	s.Replay(1, marker(1, 5, 3, 3)) // transaction.version 2: it begins again
	assert.Equal(t, OutOfOrderSequence, s.Judge(1, 5, 2, 2).Kind)
	assert.Equal(t, Append, s.Judge(1, 5, 0, 0).Kind)
	assert.Equal(t, InvalidProducerEpoch, s.Judge(1, 4, 0, 1).Kind)
}

func TestAMarkerBehindABatchAndTheFiles(t *testing.T) {
	s := New()
	s.Replay(1, header(1, 4, 0, 2, 0, 10))
	s.Replay(1, header(1, 4, 2, 2, 2, 11))
	s.Replay(1, marker(1, 4, 4, 3))
	assert.True(t, s.Equal(reloaded(t, s, 5)))
	s.Replay(1, marker(2, 0, 5, 3)) // with no data at all
	assert.True(t, s.Equal(reloaded(t, s, 6)))
	assert.Equal(t, OutOfOrderSequence, s.Judge(2, 0, 4, 4).Kind)
}

func TestExpiry(t *testing.T) {
	const day = 24 * 3600 * seam.Second
	s := New()
	s.Plan(0, header(2, 0, 0, 1, 0, -1))
	s.Commit(0)
	s.Plan(day-1, header(1, 0, 0, 1, 1, -1))
	s.Commit(1)
	s.Plan(0, header(3, 0, 0, 1, 2, -1))
	assert.Zero(t, s.Expire(day-1, day))
	assert.Equal(t, 1, s.Expire(day, day))
	assert.Equal(t, Append, s.Judge(2, 0, 9, 9).Kind)
	assert.Equal(t, Duplicate, s.Judge(1, 0, 0, 0).Kind)
	assert.True(t, s.Judge(3, 0, 0, 0).Planned)
}

// TestTheActiveDoNotExpire: a producer that writes for longer than silence may last is known all the time.
func TestTheActiveDoNotExpire(t *testing.T) {
	const hour, day = 3600 * seam.Second, 24 * 3600 * seam.Second
	s := New()
	for n := range int32(30) {
		now := seam.Mono(n+1) * hour
		require.Equal(t, Append, s.Judge(1, 0, n, n).Kind)
		s.Plan(now, header(1, 0, n, 1, int64(n), -1))
		s.Commit(int64(n))
		assert.Zero(t, s.Expire(now, day))
		assert.Equal(t, Duplicate, s.Judge(1, 0, n, n).Kind)
	}
}

func TestTruncation(t *testing.T) {
	l := log{State: New()}
	l.send(1, 0, 0, 3)
	l.Plan(1, header(1, 0, 3, 1, 3, 10))
	assert.False(t, l.TruncateTo(3))
	assert.Equal(t, Append, l.Judge(1, 0, 3, 3).Kind)
	assert.True(t, l.TruncateTo(2))
}

func TestTheSnapshotIsKafkas(t *testing.T) {
	s := New()
	s.Replay(1, header(258, 3, 7, 2, 16, 1000))
	want := "0001" + "24f97348" + "00000001" + "0000000000000102" + "0003" + "00000008" + "0000000000000011" + "00000001" + "00000000000003e8" + "ffffffff" + "ffffffffffffffff"
	got := s.AppendSnapshot(nil)
	assert.Equal(t, want, hex.EncodeToString(got))
	assert.Equal(t, "000148674bc700000000", hex.EncodeToString(New().AppendSnapshot(nil)))
	loaded := New()
	require.NoError(t, loaded.Load(1, 18, got))
	assert.True(t, s.Equal(loaded))
	assert.EqualValues(t, 18, loaded.End())
}

func TestFilesThatAreWrong(t *testing.T) {
	s := New()
	s.Replay(1, header(258, 3, 7, 2, 16, 1000))
	good, windows := s.AppendSnapshot(nil), s.AppendWindows(nil, 18)
	flip := func(b []byte, at int) []byte {
		b = append([]byte(nil), b...)
		b[at] ^= 1
		return b
	}
	assert.Equal(t, ErrShort, New().Load(0, 0, good[:9]))
	assert.Equal(t, ErrVersion, New().Load(0, 0, flip(good, 1)))
	assert.Equal(t, ErrChecksum, New().Load(0, 0, flip(good, 20)))
	assert.Equal(t, ErrChecksum, New().Load(0, 0, good[:55]))
	assert.Equal(t, ErrPast, New().Load(0, 17, good))
	assert.NoError(t, New().Load(0, 18, good))
	assert.Equal(t, ErrShort, New().LoadWindows(18, windows[:21]))
	assert.Equal(t, ErrVersion, New().LoadWindows(18, flip(windows, 0)))
	assert.Equal(t, ErrChecksum, New().LoadWindows(18, flip(windows, 30)))
	assert.Equal(t, ErrOther, New().LoadWindows(17, windows))
	assert.NoError(t, New().LoadWindows(18, windows))
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	s := New()
	v := header(1, 0, 0, 1, 0, 10)
	var offset int64
	turn := func() {
		for id := int64(1); id < 4; id++ {
			sequence := int32(offset / 3 & (1<<31 - 1))
			if s.Judge(id, 0, sequence, sequence).Kind != Append {
				t.Fatal("not in order")
			}
			copy(v[43:], []byte{0, 0, 0, 0, 0, 0, 0, byte(id)})
			copy(v[53:], []byte{byte(sequence >> 24), byte(sequence >> 16), byte(sequence >> 8), byte(sequence)})
			batch.Stamp(v, offset, 0)
			s.Plan(1, v)
			offset++
		}
		s.Commit(offset - 2)
	}
	for range 10 {
		turn()
	}
	assert.Zero(t, testing.AllocsPerRun(1000, turn))
}

// The twin keeps the whole log and asks it.

type twinBatch struct {
	id            int64
	epoch         int16
	base, last    int32
	first, offset int64
	timestamp     int64
	planned       bool
}

type twin []twinBatch

func (w twin) judge(id int64, epoch int16, base, last int32) Verdict {
	var mine []twinBatch
	for _, b := range w {
		if b.id == id {
			if len(mine) > 0 && mine[0].epoch != b.epoch {
				mine = nil
			}
			mine = append(mine, b)
		}
	}
	if len(mine) == 0 {
		return Verdict{}
	}
	newest := mine[len(mine)-1]
	if epoch < newest.epoch {
		return Verdict{Kind: InvalidProducerEpoch}
	}
	if epoch > newest.epoch {
		if base == 0 {
			return Verdict{}
		}
		return Verdict{Kind: OutOfOrderSequence}
	}
	for _, b := range mine[max(0, len(mine)-5):] {
		if b.base == base && b.last == last {
			return Verdict{Duplicate, b.first, b.offset, b.timestamp, b.planned}
		}
	}
	if int64(base) == (int64(newest.last)+1)%(1<<31) {
		return Verdict{}
	}
	return Verdict{Kind: OutOfOrderSequence}
}

// drawSend draws mostly what a producer would send next or again, near the top of the sequences.
func drawSend(t *rapid.T, w twin) (id int64, epoch int16, base, count int32) {
	id, count = rapid.Int64Range(1, 3).Draw(t, "id"), rapid.Int32Range(1, 4).Draw(t, "count")
	base, epoch = 1<<31-6+rapid.Int32Range(0, 5).Draw(t, "start"), 0
	var mine []twinBatch
	for _, b := range w {
		if b.id == id {
			mine = append(mine, b)
		}
	}
	if len(mine) == 0 {
		return
	}
	b := mine[len(mine)-1]
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		b.epoch += int16(rapid.IntRange(-1, 2).Draw(t, "epochs"))
		return id, b.epoch, rapid.Int32Range(0, 1).Draw(t, "base"), count
	case 1, 2, 3:
		b = mine[max(0, len(mine)-1-rapid.IntRange(0, 6).Draw(t, "back"))]
		return id, b.epoch, b.base, batch.AddSequence(b.last, -b.base) + 1
	case 4:
		return id, b.epoch, batch.AddSequence(b.last, 1+rapid.Int32Range(-3, 3).Draw(t, "off")), count
	}
	return id, b.epoch, batch.AddSequence(b.last, 1), count
}

func TestStateAgreesWithTheTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, w, end, done := New(), twin{}, int64(0), 0
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0: // some writes come back
				for n := rapid.IntRange(0, 4).Draw(t, "wrote"); n > 0 && done < len(w); n-- {
					w[done].planned = false
					done++
				}
				if done > 0 {
					s.Commit(w[done-1].offset)
				}
			case 1: // a write fails, and all behind it
				keep := rapid.IntRange(done, len(w)).Draw(t, "keep")
				if keep < len(w) {
					end = w[keep].first
					s.DropFrom(end)
					w = w[:keep]
				}
			case 2: // a crash: what was committed is in the log, or part of it in a snapshot
				s = rebuilt(t, w[:done], rapid.IntRange(0, done).Draw(t, "snapshot"))
				w = w[:done]
				if end = 0; done > 0 {
					end = w[done-1].offset + 1
				}
			default:
				id, epoch, base, count := drawSend(t, w)
				last := batch.AddSequence(base, count-1)
				want := w.judge(id, epoch, base, last)
				require.Equal(t, want, s.Judge(id, epoch, base, last))
				if want.Kind == Append {
					s.Plan(0, header(id, epoch, base, count, end, 5000-end))
					w = append(w, twinBatch{id, epoch, base, last, end, end + int64(count) - 1, 5000 - end, true})
					end += int64(count)
				}
			}
			require.Equal(t, len(w)-done, s.Planned())
		}
		require.Equal(t, s.Digest(true), rebuilt(t, w[:done], 0).Digest(true))
	})
}

// rebuilt makes a State of a log: the first few batches by way of the two files, the rest by replay.
func rebuilt(t require.TestingT, w twin, snapshot int) *State {
	s, at := New(), int64(0)
	for i, b := range w {
		if i == snapshot {
			s = reloaded(t, s, at)
		}
		at = b.offset + 1
		s.Replay(0, header(b.id, b.epoch, b.base, int32(b.offset-b.first+1), b.first, b.timestamp))
	}
	return s
}

func reloaded(t require.TestingT, s *State, at int64) *State {
	narrow, wide := New(), New()
	require.NoError(t, narrow.Load(0, at, s.AppendSnapshot(nil)))
	require.Equal(t, s.Digest(false), narrow.Digest(false))
	require.NoError(t, wide.Load(0, at, s.AppendSnapshot(nil)))
	require.NoError(t, wide.LoadWindows(at, s.AppendWindows(nil, at)))
	require.True(t, s.Equal(wide))
	require.Equal(t, s.String(), wide.String())
	return wide
}

func BenchmarkJudgePlanCommit(b *testing.B) {
	s := New()
	v := header(1, 0, 0, 1, 0, 10)
	var offset int64
	b.ReportAllocs()
	for b.Loop() {
		sequence := int32(offset & (1<<31 - 1))
		s.Judge(1, 0, sequence, sequence)
		copy(v[53:], []byte{byte(sequence >> 24), byte(sequence >> 16), byte(sequence >> 8), byte(sequence)})
		batch.Stamp(v, offset, 0)
		s.Plan(1, v)
		s.Commit(offset)
		offset++
	}
}
