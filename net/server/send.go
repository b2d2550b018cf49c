package server

import (
	"time"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// reply is one answer on its way out.
type reply struct {
	op      seam.Op
	head    []byte
	body    []seam.Range
	sources []Source // one a Range; nil: it could not be found
	last    bool     // close after it
}

// sender is what is being sent. It belongs to whoever made the connection busy.
type sender struct {
	sending []reply
	at      int   // the first of sending that is not out yet
	skip    int64 // bytes of it that are
	broken  bool  // nothing can be sent any more
	sent    seam.Sent
}

// push queues a reply and reports whether the caller has to send.
func (c *conn) push(r *seam.Reply) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.emitted++
	if len(c.queue) < cap(c.queue) {
		c.queue = c.queue[:len(c.queue)+1]
	} else {
		c.queue = append(c.queue, reply{})
	}
	q := &c.queue[len(c.queue)-1]
	q.op, q.head, q.body, q.last = r.Op, r.Head, r.Body, r.Then == seam.CloseNow
	q.sources = q.sources[:0]
	for i := range r.Body {
		q.sources = append(q.sources, c.server.pin(r.Body[i].File))
	}
	claimed := !c.busy
	c.busy = true
	return claimed
}

func (s *Server) pin(file seam.File) Source {
	if s.config.Pin == nil {
		return nil
	}
	source, fault := s.config.Pin(file)
	if fault != seam.OK {
		return nil
	}
	return source
}

// Do sends one system call's worth of what waits. More of it comes after what others have to do: an answer of megabytes, or
// thousands of short ones, must not stand before somebody else's write.
func (c *conn) Do() bool {
	if !c.refill() {
		return false
	}
	for c.at < len(c.sending) && c.isBroken() {
		c.fail(seam.Gone)
	}
	if c.at == len(c.sending) {
		return true
	}
	err := c.wire.send(c, c.fd)
	if err == unix.EAGAIN && c.block() {
		go c.wait()
		return false
	}
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		c.breakOff()
	}
	return true
}

// refill takes over what has been queued, or gives the connection up if there is nothing.
func (c *conn) refill() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocked = false
	if c.at < len(c.sending) {
		return true
	}
	c.sending, c.queue, c.at = c.queue, c.sending[:0], 0
	if len(c.sending) > 0 {
		return true
	}
	c.busy = false
	if c.cutting.Load() && !c.gone {
		c.wire.farewell(c.fd)
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
	c.maybeHangup()
	return false
}

// isBroken reports whether there is no socket to send to any more.
func (c *conn) isBroken() bool {
	if c.broken {
		return true
	}
	c.mu.Lock()
	c.broken = c.gone
	c.mu.Unlock()
	return c.broken
}

// block says that the socket is full. It refuses if nobody would wait for it.
func (c *conn) block() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cutting.Load() || c.ended {
		return c.hangOn()
	}
	c.blocked = true
	return true
}

// hangOn gives a connection up that is full and being closed; c.mu is held.
func (c *conn) hangOn() bool {
	c.broken = true
	_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	return false
}

// wait sends on a goroutine of its own until the socket has taken all.
func (c *conn) wait() {
	err := c.raw.Write(func(fd uintptr) bool {
		for c.at < len(c.sending) {
			switch err := c.wire.send(c, int(fd)); err {
			case nil, unix.EINTR:
			case unix.EAGAIN:
				return c.isStuck()
			default:
				c.breakOff()
				return true
			}
			go c.server.mail.Run()
		}
		return true
	})
	if err != nil {
		c.breakOff()
	}
	for c.Do() {
		go c.server.mail.Run()
	}
	go c.server.mail.Run()
}

// isStuck reports, for a full socket, that waiting for it has no point.
func (c *conn) isStuck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.cutting.Load() || c.ended) && !c.hangOn()
}

// breakOff makes every reply fail from here on and lets the reader see the end.
func (c *conn) breakOff() {
	c.broken = true
	c.cutting.Store(true)
	c.moreGrant.notify() // the reader may be waiting for credit, not for the socket
	c.mu.Lock()
	if !c.gone {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
	c.mu.Unlock()
}

// fail answers the reply at hand without sending it.
func (c *conn) fail(fault seam.Fault) {
	c.finish(&c.sending[c.at], fault)
}

// finish answers the reply at hand and goes to the next.
func (c *conn) finish(r *reply, fault seam.Fault) {
	for i, source := range r.sources {
		if source != nil {
			source.Release()
		}
		r.sources[i] = nil
	}
	last := r.last && fault == seam.OK
	c.sent = seam.Sent{Op: r.op, Conn: c.id, Fault: fault}
	r.head, r.body, r.sources = nil, nil, r.sources[:0]
	c.at, c.skip = c.at+1, 0
	if last {
		c.lastWord()
	}
	c.server.mail.Post(&c.sent)
}

// lastWord closes the sending side after a reply that said so.
func (c *conn) lastWord() {
	c.broken = true
	c.mu.Lock()
	c.draining.Store(true) // with the lock, which drain takes too: its deadline is the later one
	if !c.gone {
		c.wire.farewell(c.fd)
		_ = unix.Shutdown(c.fd, unix.SHUT_WR)
		_ = c.tcp.SetReadDeadline(longAgo)
	}
	c.mu.Unlock()
	c.moreGrant.notify()
}

func (r *reply) size() int64 {
	size := int64(len(r.head))
	for i := range r.body {
		size += int64(r.body[i].Len)
	}
	return size
}

// advance takes note of n more bytes that are out, and answers the replies that are complete.
func (c *conn) advance(n int64) {
	c.skip += n
	for c.at < len(c.sending) {
		r := &c.sending[c.at]
		size := r.size()
		if c.skip < size {
			return
		}
		rest := c.skip - size
		fault := seam.OK
		if c.broken { // it was to be the last before this one
			fault = seam.Gone
		}
		c.finish(r, fault)
		c.skip = rest
	}
}

// longAgo as a deadline wakes whoever waits.
var longAgo = time.Unix(1, 0)
