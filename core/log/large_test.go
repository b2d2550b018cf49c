package log_test

import (
	"encoding/binary"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/log"
	"rookery/core/seam"
)

// Positions of a segment reach to 2^31-1 and no further. The two batches of a gigabyte are pages that nobody touches.
func TestPositionsNearTheirEnd(t *testing.T) {
	const end = 1<<31 - 1
	var files seam.File
	var fx seam.Effects
	now := seam.Now{Mono: 1, Wall: 1}
	l := log.New("t", 0, seam.Path{Name: "t-0"}, log.Config{SegmentBytes: end, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: 100},
		log.Numbers{Owner: 7, Files: &files})
	var at []seam.Write
	wrote := func() {
		done := fx
		fx = seam.Effects{}
		for _, f := range done.Files {
			l.Wrote(&seam.Wrote{Op: f.Op}, &fx)
		}
		for _, w := range done.Writes {
			at = append(at, seam.Write{At: w.At, File: w.File})
			l.Wrote(&seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data))}, &fx)
		}
		for {
			if _, _, fate := l.Pop(&fx); fate == log.UnderWay {
				return
			}
		}
	}
	l.Create(now, &fx)
	wrote()
	small := dated(0, 10)
	huge, err := syscall.Mmap(-1, 0, 1<<30-1000, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(huge)) }()
	copy(huge, small)
	binary.BigEndian.PutUint32(huge[8:], uint32(len(huge)-12))
	l.Append(now, huge, 1, 10, &fx)
	wrote()
	l.Append(now, huge, 1, 20, &fx)
	wrote()
	for len(l.Segments()) == 1 {
		l.Append(now, slices.Clone(small), 1, int64(30+len(at)), &fx)
		wrote()
	}
	segments := l.Segments()
	full := segments[0]
	require.LessOrEqual(t, full.Size, int64(end))
	require.Greater(t, full.Size+int64(len(small)), int64(end))
	require.EqualValues(t, full.Next, segments[1].Base)

	entries, ok := log.ParseOffsets(full.Offsets, full.Size)
	require.True(t, ok)
	for i, e := range entries {
		require.Greater(t, e.Position, int32(0))
		require.True(t, i == 0 || e.Position > entries[i-1].Position)
	}
	require.Greater(t, entries[len(entries)-1].Position, int32(end-1000))

	for offset := int64(2); offset < full.Next; offset++ { // the newest are found without an index, the others by it
		c, next, _ := l.Find(offset)
		require.Equal(t, log.Found, next, offset)
		span, planned := l.Plan(c, log.Mark{Offset: full.Next, Segment: full.Base, Position: full.Size}, 1<<20, true)
		require.True(t, planned)
		require.Equal(t, at[offset].At, span.At)
		require.Equal(t, at[offset].File, span.File)
		require.LessOrEqual(t, span.At+int64(span.Len), full.Size)
	}
}

// However far apart index.interval.bytes lets the entries lie, a search reads no more than a piece of them at a time.
func TestASearchBetweenEntriesThatLieFarApart(t *testing.T) {
	var files seam.File
	var fx seam.Effects
	now := seam.Now{Mono: 1, Wall: 1}
	l := log.New("t", 0, seam.Path{Name: "t-0"}, log.Config{SegmentBytes: 1<<31 - 1, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: 1<<31 - 1},
		log.Numbers{Owner: 7, Files: &files})
	var content []byte
	l.Create(now, &fx)
	for offset := range int64(40) {
		data := dated(0, 10)
		data = append(data, make([]byte, 100<<10)...)
		binary.BigEndian.PutUint32(data[8:], uint32(len(data)-12))
		require.Equal(t, offset, l.Append(now, data, 1, 10, &fx))
		content = append(content, data...)
	}
	for _, f := range fx.Files {
		l.Wrote(&seam.Wrote{Op: f.Op}, &fx)
	}
	for _, w := range fx.Writes {
		l.Wrote(&seam.Wrote{Op: w.Op, Bytes: int64(len(w.Data))}, &fx)
	}
	for fate := log.Written; fate == log.Written; {
		_, _, fate = l.Pop(&fx)
	}
	l.Forget()
	c, next, want := l.Find(39)
	for ; next == log.NeedBytes; c, next, want = l.Loaded(c, next, &seam.Loaded{Data: content[want.At : want.At+int64(want.Len)]}) {
		require.LessOrEqual(t, want.Len, int32(1<<20+61))
	}
	require.Equal(t, log.Found, next)
	span, ok := l.Plan(c, l.End(), 1<<20, true)
	require.True(t, ok)
	require.EqualValues(t, len(content)/40*39, span.At)
}
