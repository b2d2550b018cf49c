package log

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/seam"
)

func TestSegmentsAreFoundByOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bases := rapid.SliceOfNDistinct(rapid.Int64Range(0, 60), 0, 20, rapid.ID[int64]).Draw(t, "bases")
		slices.Sort(bases)
		segments := make([]segment, len(bases))
		for i, base := range bases {
			segments[i].base = base
		}
		for offset := range int64(70) {
			last := -1
			for i, base := range bases {
				if base <= offset {
					last = i
				}
			}
			require.Equal(t, last, floor(segments, offset))
			if i := slices.Index(bases, offset); i >= 0 {
				require.Same(t, &segments[i], based(segments, offset))
			} else {
				require.Nil(t, based(segments, offset))
			}
		}
	})
}

func TestWithoutKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int(), 1, 20).Draw(t, "list")
		i := rapid.IntRange(0, len(list)-1).Draw(t, "i")
		require.Equal(t, append(slices.Clone(list[:i]), list[i+1:]...), without(slices.Clone(list), i))
	})
}

// BenchmarkStart brings a log of many segments back, from the listing of its folder to the last file that is open. The time a
// segment does not depend on how many there are.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{1_000, 30_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var entries []seam.Entry
			for i := range n {
				for _, suffix := range []string{".log", ".index", ".timeindex", ".snapshot"} {
					entries = append(entries, seam.Entry{Path: seam.Path{Name: fmt.Sprintf("t-0/%020d%s", i*10, suffix)}, Size: 70})
				}
			}
			for b.Loop() {
				benchmarkStart(entries, int64(n)*10)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/segment")
		})
	}
}

func benchmarkStart(entries []seam.Entry, end int64) {
	var fx seam.Effects
	r, files := NewRecovery(), seam.File(1)
	r.Step(seam.Now{}, &seam.Mail{Body: &RecoveryRequest{Topic: "t", Files: entries, First: 1, RecoveryPoint: end, Clean: true}}, &fx)
	l := Restore(&Recovered{segments: r.out.segments, End: Mark{Offset: end}, Safe: end}, seam.Path{Name: "t-0"}, Config{}, Numbers{Owner: 1, Files: &files})
	fx = seam.Effects{}
	l.Reopen(func() bool { return true }, &fx)
	for i := range fx.Files {
		l.Wrote(&seam.Wrote{Op: fx.Files[i].Op}, &fx)
		if l.Opening() != (i < len(fx.Files)-3) {
			panic("the last segment's .log is the last but two")
		}
	}
}

// What lies below a log's start is not durable for being deleted: where a sync has failed its pages are clean, and not on the disk,
// and what is still there lies behind it in the same file.
func TestWhatIsWrittenAgain(t *testing.T) {
	view := func(last int64) batch.View {
		var b batch.Builder
		b.Begin(batch.Plain(batch.None))
		b.Add(1, nil, nil, nil)
		data := b.Finish()
		batch.Stamp(data, last, 0)
		return data
	}
	for _, c := range []struct {
		point, start, last int64
		durable            bool
	}{{5, 0, 4, true}, {5, 0, 5, false}, {0, 0, 0, false}, {5, 5, 4, false}, {5, 5, 0, false}, {6, 5, 0, true}, {3, 5, 1, false}} {
		r := Recovery{request: RecoveryRequest{RecoveryPoint: c.point, LogStart: c.start}}
		require.Equal(t, c.durable, r.durable(view(c.last)), "%+v", c)
	}
}
