package core

import (
	"fmt"

	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/timer"
)

// longFrames are those that are paid for one by one, because they are longer than what may overdraw a credit. What may be
// in memory for clients is thereby bounded, whatever they begin and however many they are:
//
//	frames (FrameBytes) + one long frame + windows (half of FrameBytes, and windowMin for each connection beyond)
//
// A connection is read ahead of its answers as far as its window goes, which nobody can take from it; for more it asks, and
// waits while there is no room. The longest may have half of it and no more, so that a few that are never sent do not
// keep the others waiting; and whoever was given memory for a long frame and does not send it is cut once others wait.
type longFrames struct {
	ahead   int64 // bytes that were paid for, of frames that are not here yet
	windows int64 // of all connections
	late    timer.Queue[seam.Conn]
	waiting [2]ordered.Ring[*connection] // for room; the longest second
}

// longFrame is that of one connection: it has one at a time.
type longFrame struct {
	lacks   int64 // what it waits for
	ahead   int64 // what it was paid, and has not come
	late    timer.Handle
	granted bool // it was paid for when its time was looked at last
}

const (
	windowFirst  = 16 << 10 // of one that has sent nothing
	windowFrames = 256      // of those that a connection sends are read ahead of their answers
	windowMin    = seam.FrameFree
	longest      = 64              // what lacks one in so many of all bytes is one of the longest
	windowShare  = 16              // a new connection's window is one in so many of what is left for them
	longGrace    = 5 * seam.Second // a long frame has so long,
	longRate     = 1 << 20         // and a second for so many bytes
)

// share is the window that a connection may have now that could use so much: while there are few it has that, and the
// ten-thousandth has little.
func (b *Broker) share(use int64) int64 {
	left := b.config.FrameBytes/2 - b.long.windows
	return min(b.config.ConnectionBytes, use, max(windowMin, left/windowShare))
}

// resize gives a connection a window by what it sends. One that sends short frames has few on their way, so that whoever
// floods the broker with them keeps nobody waiting; one that sends long ones is read far enough ahead. Where a window
// shrinks, what is released fills it up before any more is paid.
func (b *Broker) resize(c *connection, bytes int64) {
	c.usual = max(bytes, c.usual-c.usual/windowFrames)
	change := b.share(max(windowFirst, windowFrames*c.usual)) - c.window
	if -c.window/2 < change && change < c.window {
		return // it would be up and down
	}
	c.window += change
	c.owed += change
	b.long.windows += change
	if c.kept > 0 {
		c.kept += change
	}
}

func (b *Broker) onWanting(now seam.Now, in *seam.Wanting, fx *seam.Effects) {
	c := b.conns.At(in.Conn)
	if c == nil || c.closing {
		return
	}
	c.long = longFrame{lacks: in.Bytes, late: b.long.late.Set(now.Mono+patienceFor(in.Bytes), c.id)}
	b.starve(c)
	b.feed(fx)
}

func (b *Broker) isLongest(lacks int64) bool { return lacks > b.config.FrameBytes/longest }

// roomyFor says whether a frame may be paid for that lacks so much.
func (b *Broker) roomyFor(lacks int64) bool {
	if b.isLongest(lacks) && b.long.ahead >= b.config.FrameBytes/2 {
		return false
	}
	return b.frames+b.long.ahead < b.config.FrameBytes && !b.flooded()
}

func patienceFor(bytes int64) seam.Mono { return longGrace + seam.Mono(bytes/longRate)*seam.Second }

// queueLong puts a connection among those that wait for room for a long frame.
func (b *Broker) queueLong(c *connection) {
	if c.asking {
		return
	}
	c.asking = true
	class := 0
	if b.isLongest(c.long.lacks) {
		class = 1
	}
	b.long.waiting[class].Push(c)
}

// feedLong pays for long frames in the order in which they were asked for, while there is room.
func (b *Broker) feedLong(fx *seam.Effects) {
	for i := range b.long.waiting {
		for waiting := &b.long.waiting[i]; waiting.Len() > 0 && b.roomyFor((*waiting.Front()).long.lacks); {
			c := waiting.Pop()
			if c.asking = false; !b.fed(c) {
				continue // whoever ends what is in its way starves it
			}
			b.pay(c, c.long.lacks, fx)
			c.long.ahead += c.long.lacks
			b.long.ahead += c.long.lacks
			c.long.lacks = 0
		}
	}
}

// longArrived: of one connection frames come in their order, so this is the one that was asked for.
func (b *Broker) longArrived(c *connection) {
	if c.long.late != 0 {
		b.forgoLong(c)
	}
}

func (b *Broker) forgoLong(c *connection) {
	b.long.late.Cancel(c.long.late)
	b.long.ahead -= c.long.ahead
	c.long = longFrame{}
}

// cutLate looks at those whose long frame has not come in its time. The first look finds out that it was paid for, the
// second cuts it, if others wait for memory.
func (b *Broker) cutLate(now seam.Now, fx *seam.Effects) {
	l := &b.long
	for l.late.Next() <= now.Mono && b.turns.take() {
		id, _ := l.late.Due(now.Mono)
		c := b.conns.At(id)
		if c.long.granted && !c.closing && !b.roomyFor(c.long.ahead) && b.long.waiting[0].Len()+b.long.waiting[1].Len() > 0 {
			c.long.late = 0
			b.cut(c, fmt.Sprintf("%d bytes of a frame have not come, and others wait for their memory", c.long.ahead), fx)
			continue
		}
		c.long.granted = c.long.ahead > 0
		c.long.late = l.late.Set(now.Mono+patienceFor(c.long.ahead), id)
	}
}
