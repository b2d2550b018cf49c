package check

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

// dumbSearch looks at every record of the log for every search, as the law says it.
func dumbSearch(h *History, f *Facts, s *Search) bool {
	l, start := f.Logs[here], f.Begins[here]
	for _, e := range l.Entries {
		surely := false
		for _, r := range h.Reads {
			surely = surely || r.Return < s.Call && e.Offset < r.HighWatermark
		}
		for _, a := range h.Appends {
			surely = surely || a.Acks == -1 && a.Return < s.Call && e.Offset < a.Base+int64(a.Count)
		}
		fits := e.Time >= s.Time
		if s.Time == LargestTime {
			fits = e.Time >= s.Found && (e.Offset < s.Offset || e.Time > s.Found) || s.Offset < 0
		}
		switch {
		case e.Offset < start:
		case e.Offset == s.Offset && e.Time != s.Found:
			return false
		case e.Offset == s.Offset && s.Time != LargestTime && !fits:
			return false
		case e.Offset < s.Offset && fits:
			return false
		case e.Offset != s.Offset && surely && fits && (s.Offset < 0 || s.Time == LargestTime):
			return false
		}
	}
	return s.Offset < l.End && (s.Offset < 0 || s.Time == LargestTime || s.Found >= s.Time)
}

func TestSearchesAreJudgedAsTheDumbTwinDoes(t *testing.T) {
	all, wrong := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		h, f := history()
		l := f.Logs[here]
		for i := range l.Entries {
			l.Entries[i].Time = rapid.Int64Range(0, 12).Draw(t, "time")
		}
		h.Searches, h.Reads = nil, nil
		for range rapid.IntRange(0, 3).Draw(t, "reads") {
			at := seam.Mono(rapid.Int64Range(0, 1200).Draw(t, "read"))
			most := int64(0) // a high watermark that nobody could object to
			for _, a := range h.Appends {
				if a.Return <= at {
					most = a.Base + 1
				}
			}
			h.Reads = append(h.Reads, &Read{Partition: here, Call: at, Return: at + 1, From: 10, HighWatermark: most})
		}
		for _, a := range h.Appends {
			a.Acks = rapid.SampledFrom([]int16{1, -1}).Draw(t, "acks")
		}
		if upTo := rapid.Int64Range(0, 10).Draw(t, "deleted"); upTo > 0 {
			deleted(h, f, upTo)
		}
		asked := rapid.Int64Range(-1, 13).Draw(t, "asked")
		if asked < 0 {
			asked = LargestTime
		}
		s := &Search{Partition: here, Call: seam.Mono(rapid.Int64Range(0, 1200).Draw(t, "call")), Time: asked, Offset: rapid.Int64Range(-1, 10).Draw(t, "offset"), Found: -1}
		if s.Return = s.Call + 1; s.Offset >= 0 {
			s.Found = rapid.Int64Range(0, 12).Draw(t, "found")
			if s.Offset < 10 && s.Offset >= f.Logs[here].Start && rapid.Bool().Draw(t, "right") {
				s.Found = f.Logs[here].Entries[s.Offset-f.Logs[here].Start].Time
			}
		}
		h.Searches = []*Search{s}
		err := Judge(h, f, &Counts{})
		holds := dumbSearch(h, f, s)
		require.Equal(t, holds, err == nil, "%+v: %v", s, err)
		if all++; !holds {
			wrong++
		}
	})
	require.NotZero(t, wrong)
	require.Greater(t, all, wrong)
}
