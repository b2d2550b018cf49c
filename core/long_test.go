package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

// paidTo is how much credit the last Step has given a connection.
func (w *bench) paidTo(id seam.Conn) (bytes int64) {
	for _, credit := range w.reading {
		if credit.Conn == id {
			bytes += credit.Bytes
		}
	}
	return bytes
}

// However many connections there are, what they may send without asking is bounded; when the many have gone, those that
// are left are given more as they go on.
func TestWindowsAreBounded(t *testing.T) {
	config := DefaultConfig()
	w := newBenchOf(t, config)
	total := w.broker.long.windows
	const many = 20_000
	for id := seam.Conn(2); id < 2+many; id++ {
		w.step(&seam.Opened{Conn: id, Host: "127.0.0.1", Port: 9092})
		require.GreaterOrEqual(t, w.paidTo(id), int64(windowMin))
		total += w.paidTo(id)
	}
	require.Equal(t, total, w.broker.long.windows)
	require.LessOrEqual(t, total, config.FrameBytes/2+many*windowMin)
	require.EqualValues(t, windowFirst, w.broker.conns.At(1).window)
	require.EqualValues(t, windowMin, w.broker.conns.At(many).window)
	w.createTopic("t")
	for id := seam.Conn(2); id < 2+many-2; id++ {
		w.step(&seam.Hangup{Conn: id})
	}
	w.stepOn(many, fetchRequest("t", 0, 0))
	require.LessOrEqual(t, w.broker.conns.At(many).window, int64(2*windowFirst), "short frames need no more")
	w.stepOn(many, produceRequest(-1, oneBatch(1, 50_000, -1, 0)))
	require.EqualValues(t, config.ConnectionBytes, w.broker.conns.At(many).window)
	for range 2000 {
		w.stepOn(many, fetchRequest("t", 0, 0))
	}
	require.Less(t, w.broker.conns.At(many).window, int64(8*windowFirst), "nor those that come after long ones")
	for _, id := range []seam.Conn{1, many, many + 1} {
		w.step(&seam.Hangup{Conn: id})
	}
	require.Zero(t, w.broker.long.windows)
	require.Zero(t, w.broker.long.ahead)
}

// Long frames are paid for while there is room, one after the other beyond that; whoever does not send what it was paid for
// is cut when others wait, and not before; and what it had is given to them.
func TestLongFramesWaitForRoom(t *testing.T) {
	config := DefaultConfig()
	config.FrameBytes = 10 << 20
	w := newBenchOf(t, config)
	const size = 6 << 20
	for id := seam.Conn(2); id <= 5; id++ {
		w.step(&seam.Opened{Conn: id, Host: "127.0.0.1", Port: 9092})
	}
	want := func(id seam.Conn) int64 {
		w.step(&seam.Wanting{Conn: id, Bytes: size})
		return w.paidTo(id)
	}
	require.EqualValues(t, size, want(2))
	w.now.Mono += 60 * seam.Second
	w.step(&seam.Alarm{})
	w.now.Mono += 60 * seam.Second
	w.step(&seam.Alarm{})
	_, cut := w.creditOf(2)
	require.False(t, cut, "it harms nobody")
	require.Zero(t, want(3), "half of it is taken, which is all that the longest have")
	require.Zero(t, want(4))
	w.step(&seam.Wanting{Conn: 5, Bytes: config.FrameBytes / longest})
	require.EqualValues(t, config.FrameBytes/longest, w.paidTo(5), "shorter ones have the rest")
	w.now.Mono += 60 * seam.Second
	w.step(&seam.Alarm{})
	_, cut = w.creditOf(2)
	require.True(t, cut)
	_, cut = w.creditOf(5)
	require.False(t, cut, "there is room for as much again")
	w.step(&seam.Hangup{Conn: 2})
	require.EqualValues(t, size, w.paidTo(3))
	require.Zero(t, w.paidTo(4))
	w.step(&seam.Hangup{Conn: 3})
	require.EqualValues(t, size, w.paidTo(4))
}

// Whatever connections do, what is counted for them is what they have, and nothing when they are gone.
func TestNothingIsCountedForNobody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		config := DefaultConfig()
		config.FrameBytes = int64(rapid.IntRange(10_000, 1<<20).Draw(rt, "budget"))
		config.ConnectionBytes = int64(rapid.IntRange(1, 100_000).Draw(rt, "connection"))
		w := newBenchOf(t, config)
		wanting := map[seam.Conn]bool{}
		open := []seam.Conn{1}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			var id seam.Conn
			if len(open) > 0 {
				id = rapid.SampledFrom(open).Draw(rt, "connection")
			}
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				id = seam.Conn(1000 + w.steps)
				open = append(open, id)
				w.step(&seam.Opened{Conn: id, Host: "127.0.0.1", Port: 9092})
			case 1:
				if id != 0 && !wanting[id] {
					wanting[id] = true
					w.step(&seam.Wanting{Conn: id, Bytes: int64(rapid.IntRange(1, 2<<20).Draw(rt, "bytes"))})
				}
			case 2:
				if id != 0 {
					wanting[id] = false
					w.stepOn(id, fetchRequest("none", 0, 0))
				}
			case 3:
				if id != 0 {
					w.step(&seam.Hangup{Conn: id})
					for i, other := range open {
						if other == id {
							open = append(open[:i], open[i+1:]...)
							break
						}
					}
					delete(wanting, id)
				}
			case 4:
				w.now.Mono += seam.Mono(rapid.IntRange(0, 20).Draw(rt, "seconds")) * seam.Second
				w.step(&seam.Alarm{})
			}
		}
		for _, id := range open {
			w.step(&seam.Hangup{Conn: id})
		}
		require.Zero(t, w.broker.long.windows)
		require.Zero(t, w.broker.long.ahead)
		require.Zero(t, w.broker.long.late.Len())
		require.Zero(t, w.broker.frames)
		require.Zero(t, w.broker.limits.silence.Len())
		require.Empty(t, w.broker.limits.addresses)
	})
}
