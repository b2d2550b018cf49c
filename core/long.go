package core

import (
	"fmt"

	"rookery/core/seam"
	"rookery/core/timer"
)

// longFrames are those that are paid for one by one, because they are longer than what may overdraw a credit. What may be
// in memory for clients is thereby bounded, whatever they begin and however many they are:
//
//	frames (FrameBytes) + one long frame + windows (half of FrameBytes, and windowMin for each connection beyond)
//
// A connection is read ahead of its answers as far as its window goes; for more it asks, and waits while there is no room.
// Whoever was given memory for a long frame and does not send it is cut once others wait for that memory.
type longFrames struct {
	ahead   int64 // bytes that were paid for, of frames that are not here yet
	windows int64 // of all connections
	late    timer.Queue[seam.Conn]
}

// longFrame is that of one connection: it has one at a time.
type longFrame struct {
	lacks   int64 // what it waits for
	ahead   int64 // what it was paid, and has not come
	late    timer.Handle
	granted bool // it was paid for when its time was looked at last
}

const (
	windowMin   = seam.FrameFree
	windowShare = 16              // a new connection's window is one in so many of what is left for them
	longGrace   = 5 * seam.Second // a long frame has so long,
	longRate    = 1 << 20         // and a second for so many bytes
)

// share is the window that a connection may have now: the first have all they can use, the ten-thousandth little.
func (b *Broker) share() int64 {
	left := b.config.FrameBytes/2 - b.long.windows
	return min(b.config.ConnectionBytes, max(windowMin, left/windowShare))
}

// maybeWiden gives a connection more that came when there were many, once they are fewer.
func (b *Broker) maybeWiden(c *connection) {
	if c.window >= b.config.ConnectionBytes {
		return
	}
	more := b.share() - c.window
	if more < c.window {
		return
	}
	c.window += more
	c.owed += more
	b.long.windows += more
	if c.kept > 0 {
		c.kept += more
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

func patienceFor(bytes int64) seam.Mono { return longGrace + seam.Mono(bytes/longRate)*seam.Second }

// longPaid: what it lacks was just paid.
func (b *Broker) longPaid(c *connection) {
	c.long.ahead = c.long.lacks
	b.long.ahead += c.long.ahead
	c.long.lacks = 0
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
		if c.long.granted && !c.closing && !b.roomy() {
			c.long.late = 0
			b.cut(c, fmt.Sprintf("%d bytes of a frame have not come, and others wait for their memory", c.long.ahead), fx)
			continue
		}
		c.long.granted = c.long.ahead > 0
		c.long.late = l.late.Set(now.Mono+patienceFor(c.long.ahead), id)
	}
}
