package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// secure is TLS, by crypto/tls. Its handshake waits, for a bounded time and beside a bounded number of others; nothing
// after it does. So crypto/tls is handed a socket of our own making:
//
//	read: what the kernel has, or errNothing, which crypto/tls takes for passing and goes on from next time
//	write: never refused for want of room in the kernel, since crypto/tls gives a connection up then. Records are put
//	       into sealed, which holds what one send makes, and the next is made when the socket has taken the last
//
// A reply is out when the last of its records is. crypto/tls keeps one record of what it has read, of a connection that
// is idle too.
type secure struct {
	tls  *tls.Conn
	open atomic.Bool // the handshake is over
	err  error       // the reader's own: what ended it

	owed int64 // the sender's own: bytes of replies that are in sealed

	mu     sync.Mutex // the reader adds to sealed too: it agrees to new keys, and tells what is wrong
	sealed *[]byte    // from sealings, while there is something in it
	taken  int        // how much of it the socket has
}

const (
	recordBytesMax = 5 + 16<<10 + 256 // as it is sent: TLS 1.3's bound, for 16 KiB
	recordsMax     = 4                // of one send
	sealedMax      = recordsMax*recordBytesMax + 1<<10
)

// sealings hold a little more than what one send makes: an alert, or the answer to new keys.
var sealings = sync.Pool{New: func() any { b := make([]byte, 0, sealedMax); return &b }}

func newSecure(c *conn, config *tls.Config) *secure {
	t := &secure{}
	t.tls = tls.Server(&socket{TCPConn: c.tcp, fd: c.fd, secure: t}, config)
	return t
}

// begin waits for credit first: it is the machine that says how many connections are to be heard, and how soon.
func (t *secure) begin(c *conn) error {
	for c.granted.Load() <= 0 {
		if c.cutting.Load() {
			return errCut
		}
		<-c.moreGrant
	}
	limit := c.server.config.HandshakeMax
	deadline := time.Now().Add(limit)
	if err := c.server.queueUp(c, limit); err != nil {
		return err
	}
	defer func() { <-c.server.handshakes }()
	if err := c.tcp.SetDeadline(deadline); err != nil {
		return err
	}
	if err := t.tls.Handshake(); err != nil {
		return handshakeError(err, limit)
	}
	if err := c.tcp.SetDeadline(time.Time{}); err != nil {
		return err
	}
	t.open.Store(true)
	return nil
}

// queueUp waits until fewer than HandshakesMax are under way.
func (s *Server) queueUp(c *conn, limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		select {
		case s.handshakes <- struct{}{}:
			return nil
		case <-c.moreGrant:
			if c.cutting.Load() {
				return errCut
			}
		case <-late.C:
			return fmt.Errorf("%d TLS handshakes were before it for %s", cap(s.handshakes), limit)
		}
	}
}

// errCut is nothing to tell anybody: whoever cut the connection knows why.
var errCut = errors.New("cut")

func handshakeError(err error, limit time.Duration) error {
	if header := (tls.RecordHeaderError{}); errors.As(err, &header) && header.Conn != nil {
		return errors.New("no TLS on a listener that speaks TLS (clients: security.protocol=SSL)")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no TLS handshake within %s", limit)
	}
	return fmt.Errorf("TLS handshake: %w", err)
}

// read takes as many records as data has room for and the socket has whole.
func (t *secure) read(fd int, data []byte) (n int, err error) {
	for n < len(data) && t.err == nil && err == nil {
		var got int
		got, err = t.tls.Read(data[n:])
		n += got
	}
	if err != nil && err != errNothing {
		t.err = err
	}
	t.answer(fd)
	switch {
	case n > 0:
		return n, nil
	case t.err == nil && err == errNothing:
		return 0, unix.EAGAIN
	case t.err == nil || t.err == io.EOF:
		return 0, nil
	}
	return 0, t.err
}

// answer sends what reading has come to: new keys, or what is wrong, in an alert. It would keep sealed for as long as no reply
// takes it along. Whoever has the lock sends it himself.
func (t *secure) answer(fd int) {
	if t.mu.TryLock() {
		_ = t.flushLocked(fd)
		t.mu.Unlock()
	}
}

func (*secure) held() int64 { return recordBytesMax }

func (t *secure) send(c *conn, fd int) error {
	if t.owed == 0 {
		if fault, err := t.seal(c); err != nil {
			return err
		} else if fault != seam.OK {
			c.fail(fault)
			c.breakOff()
			return nil
		}
	}
	if err := t.flush(fd); err != nil {
		return err
	}
	n := t.owed
	t.owed = 0
	c.sentBytes.Add(n)
	c.advance(n)
	return nil
}

// seal makes records of what is at hand, up to a fault: that is told when all before it is out.
func (t *secure) seal(c *conn) (seam.Fault, error) {
	buffer := copies.Get().(*[]byte)
	defer copies.Put(buffer)
	n, fault := c.gather((*buffer)[:recordsMax*16<<10])
	if n == 0 {
		return fault, nil
	}
	t.owed = int64(n)
	_, err := t.tls.Write((*buffer)[:n])
	return seam.OK, err
}

// gather copies what is at hand, as far as it finds room.
func (c *conn) gather(into []byte) (n int, fault seam.Fault) {
	skip := c.skip
	for i := c.at; i < len(c.sending) && n < len(into); i++ {
		r := &c.sending[i]
		before := 0
		for j := range r.body {
			g := &r.body[j]
			n += copyFrom(r.head[before:g.Before], &skip, into[n:])
			before = int(g.Before)
			rest := int64(g.Len) - skip
			if skip = max(-rest, 0); rest <= 0 {
				continue
			}
			want := min(rest, int64(len(into)-n))
			got, fault := load(r.sources[j], into[n:n+int(want)], g.At+int64(g.Len)-rest)
			if n += got; fault != seam.OK || want < rest {
				return n, fault
			}
		}
		n += copyFrom(r.head[before:], &skip, into[n:])
		if r.last {
			break
		}
	}
	return n, seam.OK
}

// copyFrom copies what of data has not gone out yet.
func copyFrom(data []byte, skip *int64, into []byte) int {
	if *skip >= int64(len(data)) {
		*skip -= int64(len(data))
		return 0
	}
	n := copy(into, data[*skip:])
	*skip = 0
	return n
}

// load reads a part of a file whole. A mapping will not do: touching one whose file became shorter ends the process.
func load(source Source, into []byte, at int64) (int, seam.Fault) {
	if source == nil {
		return 0, seam.NotFound
	}
	if len(into) == 0 {
		return 0, seam.OK
	}
	file, fault := source.Descriptor()
	if fault != seam.OK {
		return 0, fault
	}
	defer source.Done()
	for n := 0; ; {
		got, err := unix.Pread(file, into[n:], at+int64(n))
		if n += max(got, 0); n == len(into) {
			return n, seam.OK
		}
		if err != unix.EINTR && (err != nil || got == 0) {
			return n, seam.IOError
		}
	}
}

// flush gives the socket what of sealed it takes; nil: all of it.
func (t *secure) flush(fd int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flushLocked(fd)
}

func (t *secure) flushLocked(fd int) error {
	if t.sealed == nil {
		return nil
	}
	for t.taken < len(*t.sealed) {
		n, err := unix.SendmsgN(fd, (*t.sealed)[t.taken:], nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != nil && err != unix.EINTR {
			return err
		}
		t.taken += max(n, 0)
	}
	*t.sealed = (*t.sealed)[:0]
	sealings.Put(t.sealed)
	t.sealed, t.taken = nil, 0
	return nil
}

func (t *secure) farewell(fd int) {
	if t.open.Load() {
		_ = t.tls.CloseWrite()
		_ = t.flush(fd)
	}
}

// socket is what crypto/tls reads from and writes to.
type socket struct {
	*net.TCPConn
	fd     int
	secure *secure
}

func (s *socket) Read(p []byte) (int, error) {
	if !s.secure.open.Load() {
		return s.TCPConn.Read(p)
	}
	for {
		switch n, err := unix.Read(s.fd, p); {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return 0, errNothing
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s *socket) Write(p []byte) (int, error) {
	t := s.secure
	if !t.open.Load() {
		return s.TCPConn.Write(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sealed == nil {
		t.sealed = sealings.Get().(*[]byte)
	}
	if len(*t.sealed)+len(p) > cap(*t.sealed) {
		return 0, errCrowded
	}
	*t.sealed = append(*t.sealed, p...)
	return len(p), nil
}

// SetWriteDeadline is how crypto/tls bounds its last word, which does not wait here.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// errNothing: nothing has come. By its Temporary crypto/tls knows that the connection is as good as before.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing to be read yet" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// errCrowded ends a client that asks for new keys over and over and takes no answer.
var errCrowded = errors.New("more alerts and new keys than are kept for a client that does not read")
