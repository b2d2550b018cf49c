package check

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// stamped is the legal history, its batches of one record each pressed by zstd and stamped by the broker.
func stamped() (*History, *Facts, []Stamp) {
	h, f := history()
	p := Partition{"t", 0}
	l := f.Logs[p]
	for i, a := range h.Appends {
		a.Time = int64(100 + i)
		l.Stamps = append(l.Stamps, Stamp{int64(i), Stored{Codec: 4, Stamped: true}, a.Time, int64(100 * (1 + i%3)), i%3 == 0, int64(100 + i - i%3)})
	}
	f.Logs[p], f.Stored = l, map[string]Stored{"t": {Codec: 4, Stamped: true}}
	return h, f, l.Stamps
}

// trialOfStored spoils it, and has it judged.
func trialOfStored(spoil func(h *History, f *Facts, s []Stamp)) trial {
	return func(laws *Counts) error {
		h, f, s := stamped()
		spoil(h, f, s)
		return Judge(h, f, laws)
	}
}

func TestCodecsAndTimes(t *testing.T) {
	for _, c := range []struct {
		what, law string
		spoil     func(h *History, f *Facts, s []Stamp)
	}{
		{"as it should be", "", func(*History, *Facts, []Stamp) {}},
		{"another codec", "H21", func(_ *History, _ *Facts, s []Stamp) { s[3].Stored.Codec = 0 }},
		{"nobody knows which", "", func(_ *History, f *Facts, s []Stamp) { s[3].Stored.Codec, f.Stored = 0, nil }},
		{"the client's choice", "", func(_ *History, f *Facts, s []Stamp) { s[3].Stored.Codec, f.Stored["t"] = 0, Stored{AsSent, true} }},
		{"the client's time", "H21", func(_ *History, _ *Facts, s []Stamp) { s[3].Stored.Stamped = false }},
		{"the broker's, and nobody wanted it", "H21", func(_ *History, f *Facts, _ []Stamp) { f.Stored["t"] = Stored{Codec: 4} }},
		{"a time that falls", "H22", func(h *History, _ *Facts, s []Stamp) { h.Appends[4].Time, s[4].Time = 98, 98 }},
		{"with the clock", "", func(h *History, f *Facts, s []Stamp) { h.Appends[4].Time, s[4].Time, f.SetBack = 98, 98, 5 }},
		{"by more than that", "H22", func(h *History, f *Facts, s []Stamp) { h.Appends[4].Time, s[4].Time, f.SetBack = 98, 98, 4 }},
		{"another time was answered", "H22", func(h *History, _ *Facts, _ []Stamp) { h.Appends[4].Time++ }},
		{"none was answered", "H22", func(h *History, _ *Facts, _ []Stamp) { h.Appends[4].Time = -1 }},
		{"nobody has looked", "", func(h *History, _ *Facts, _ []Stamp) { h.Appends[4].Time = 0 }},
	} {
		h, f, s := stamped()
		c.spoil(h, f, s)
		if err := Judge(h, f, &Counts{}); c.law == "" {
			require.NoError(t, err, c.what)
		} else {
			require.ErrorContains(t, err, c.law+" ", c.what)
		}
	}
}

// The dumb reader reads zstd, and the broker's time of all records of a batch.
func TestAPressedAndStampedBatchIsRead(t *testing.T) {
	b := make([]byte, 61)
	record := append([]byte{0, 6, 0, 1, 16}, 0, 0, 0, 0, 0, 0, 0, 7, 0) // three milliseconds late, no key, value 7
	records := append([]byte{byte(2 * len(record))}, record...)
	pack, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	b = append(b, pack.EncodeAll(records, nil)...)
	order := binary.BigEndian
	order.PutUint32(b[8:], uint32(len(b)-12))
	b[16], b[22] = 2, 8|4
	order.PutUint64(b[27:], 1000)
	order.PutUint64(b[35:], 5000)
	order.PutUint32(b[57:], 1)
	order.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	log, err := ReadLog([]File{{Name: "00000000000000000000.log", Data: bytes.Clone(b)}})
	require.NoError(t, err)
	require.Equal(t, []Stamp{{0, Stored{4, true}, 5000, int64(len(b)), true, 5000}}, log.Stamps)
	require.EqualValues(t, 7, log.Entries[0].Value)
	require.EqualValues(t, 5000, log.Entries[0].Time)
}

// What lies before the bytes at hand is not read; the first batch of them is below the log's start.
func TestALogThatBeginsDeepInItsSegment(t *testing.T) {
	const deep = 1<<31 - 1000
	size := int64(len(keptAt(7)))
	f := File{Name: "00000000000000000000.log", At: deep, Data: append(keptAt(7), keptAt(8)...)}
	log, err := ReadLog([]File{f})
	require.NoError(t, err)
	require.EqualValues(t, 8, log.Start)
	require.EqualValues(t, 9, log.End)
	require.Len(t, log.Entries, 1)
	require.Equal(t, []Stamp{{Base: 8, Time: 1, End: deep + 2*size, Began: -1}}, log.Stamps)
	index := func(position int64) File {
		return File{Name: "00000000000000000000.index", Data: binary.BigEndian.AppendUint32([]byte{0, 0, 0, 2, 0, 0, 0, 99, 0, 0, 0, 8}, uint32(position))}
	}
	require.Empty(t, Misled([]File{f, index(deep + size)}))
	require.NotEmpty(t, Misled([]File{f, index(deep + size - 1)}))
}
