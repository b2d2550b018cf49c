package server

import (
	"sync"
	"time"
	"unsafe"

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
	parts   []unix.Iovec
	gather  int // how far past at the parts reach: what the system call was given
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
	err := c.sendSome(c.fd)
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
			switch err := c.sendSome(int(fd)); err {
			case nil, unix.EINTR:
			case unix.EAGAIN:
				return c.isStuck()
			default:
				c.breakOff()
				return true
			}
			c.server.mail.Run()
		}
		return true
	})
	if err != nil {
		c.breakOff()
	}
	for c.Do() {
		c.server.mail.Run()
	}
	c.server.mail.Run()
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
	c.draining.Store(true)
	c.moreGrant.notify()
	c.mu.Lock()
	if !c.gone {
		_ = unix.Shutdown(c.fd, unix.SHUT_WR)
		_ = c.tcp.SetReadDeadline(longAgo)
	}
	c.mu.Unlock()
}

const (
	partsMax      = 512     // of one system call; the kernel's limit is 1,024
	partBytesMax  = 4 << 20 // and about as much as a socket's buffer ever takes
	copiedPartMax = 256 << 10
)

// sendSome gives the socket one system call's worth. What it took may be less, or nothing (EAGAIN).
func (c *conn) sendSome(fd int) error {
	c.parts = c.parts[:0]
	more, fault := c.collect()
	if fault != seam.OK {
		c.fail(fault)
		c.breakOff()
		return nil
	}
	if len(c.parts) > 0 {
		n, err := sendParts(fd, c.parts, more != nil)
		c.sentBytes.Add(n)
		c.advance(n)
		return err
	}
	if more != nil {
		n, err := c.sendRange(fd, more)
		c.sentBytes.Add(n)
		c.advance(n)
		return err
	}
	c.advance(0)
	return nil
}

// piece is a Range, or the rest of one, that goes out by a system call of its own.
type piece struct {
	source Source
	at     int64
	size   int
}

// collect gathers what can go out together. It stops before a Range that cannot join, which it returns.
func (c *conn) collect() (*piece, seam.Fault) {
	total, skip := int64(0), c.skip
	for i := c.at; i < len(c.sending); i++ {
		r := &c.sending[i]
		before := 0
		for j := range r.body {
			g := &r.body[j]
			total += c.part(r.head[before:g.Before], &skip)
			before = int(g.Before)
			if skip >= int64(g.Len) {
				skip -= int64(g.Len)
				continue
			}
			source := r.sources[j]
			if source == nil {
				if i > c.at || len(c.parts) > 0 {
					return nil, seam.OK // first what is good
				}
				return nil, seam.NotFound
			}
			if c.server.config.Ranges == Mapped {
				if data := source.Bytes(g.At, int(g.Len)); data != nil {
					total += c.part(data, &skip)
					continue
				}
			}
			return &piece{source: source, at: g.At + skip, size: int(int64(g.Len) - skip)}, seam.OK
		}
		total += c.part(r.head[before:], &skip)
		if r.last || len(c.parts) > partsMax || total > partBytesMax {
			break
		}
	}
	return nil, seam.OK
}

// part adds what of data has not gone out yet.
func (c *conn) part(data []byte, skip *int64) int64 {
	if *skip >= int64(len(data)) {
		*skip -= int64(len(data))
		return 0
	}
	data = data[*skip:]
	*skip = 0
	p := unix.Iovec{Base: &data[0]}
	p.SetLen(len(data))
	c.parts = append(c.parts, p)
	return int64(len(data))
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

// sendParts is sendmsg(2), which unlike writev(2) can say that more follows at once.
func sendParts(fd int, parts []unix.Iovec, more bool) (int64, error) {
	message := unix.Msghdr{Iov: &parts[0]}
	message.SetIovlen(min(len(parts), 1024))
	flags := unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if more {
		flags |= unix.MSG_MORE
	}
	n, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), uintptr(flags))
	if errno != 0 {
		return 0, errno
	}
	return int64(n), nil
}

func (c *conn) sendRange(fd int, p *piece) (int64, error) {
	file, fault := p.source.Descriptor()
	if fault != seam.OK {
		return 0, unix.EIO
	}
	defer p.source.Done()
	if c.server.config.Ranges == Sendfile {
		at := p.at
		n, err := unix.Sendfile(fd, file, &at, p.size)
		if err == nil && n == 0 {
			return 0, unix.EIO // the file is shorter than promised
		}
		return int64(max(n, 0)), err
	}
	return sendCopy(fd, file, p)
}

var copies = sync.Pool{New: func() any { b := make([]byte, copiedPartMax); return &b }}

func sendCopy(fd, file int, p *piece) (int64, error) {
	buffer := copies.Get().(*[]byte)
	defer copies.Put(buffer)
	n, err := unix.Pread(file, (*buffer)[:min(p.size, copiedPartMax)], p.at)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, unix.EIO
	}
	sent, err := unix.SendmsgN(fd, (*buffer)[:n], nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return int64(max(sent, 0)), err
}

// longAgo as a deadline wakes whoever waits.
var longAgo = time.Unix(1, 0)
