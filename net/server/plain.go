package server

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// plain is the socket itself: bytes are read where frames lie, and sent from where files are mapped.
type plain struct {
	parts []unix.Iovec
}

func (*plain) begin(*conn) error { return nil }

func (*plain) read(fd int, data []byte) (int, error) { return unix.Read(fd, data) }

func (*plain) held() int64 { return 0 }

func (*plain) farewell(int) {}

const (
	partsMax      = 512     // of one system call; the kernel's limit is 1,024
	partBytesMax  = 4 << 20 // and about as much as a socket's buffer ever takes
	copiedPartMax = 256 << 10
)

func (p *plain) send(c *conn, fd int) error {
	p.parts = p.parts[:0]
	more, fault := p.collect(c)
	if fault != seam.OK {
		c.fail(fault)
		c.breakOff()
		return nil
	}
	if len(p.parts) > 0 {
		n, err := sendParts(fd, p.parts, more != nil)
		c.sentBytes.Add(n)
		c.advance(n)
		return err
	}
	if more != nil {
		n, err := sendRange(fd, more, c.server.config.Ranges)
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
func (p *plain) collect(c *conn) (*piece, seam.Fault) {
	total, skip := int64(0), c.skip
	for i := c.at; i < len(c.sending); i++ {
		r := &c.sending[i]
		before := 0
		for j := range r.body {
			g := &r.body[j]
			total += p.part(r.head[before:g.Before], &skip)
			before = int(g.Before)
			if skip >= int64(g.Len) {
				skip -= int64(g.Len)
				continue
			}
			source := r.sources[j]
			if source == nil {
				if i > c.at || len(p.parts) > 0 {
					return nil, seam.OK // first what is good
				}
				return nil, seam.NotFound
			}
			if c.server.config.Ranges == Mapped {
				if data := source.Bytes(g.At, int(g.Len)); data != nil {
					total += p.part(data, &skip)
					continue
				}
			}
			return &piece{source: source, at: g.At + skip, size: int(int64(g.Len) - skip)}, seam.OK
		}
		total += p.part(r.head[before:], &skip)
		if r.last || len(p.parts) > partsMax || total > partBytesMax {
			break
		}
	}
	return nil, seam.OK
}

// part adds what of data has not gone out yet.
func (p *plain) part(data []byte, skip *int64) int64 {
	if *skip >= int64(len(data)) {
		*skip -= int64(len(data))
		return 0
	}
	data = data[*skip:]
	*skip = 0
	v := unix.Iovec{Base: &data[0]}
	v.SetLen(len(data))
	p.parts = append(p.parts, v)
	return int64(len(data))
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

func sendRange(fd int, p *piece, way Way) (int64, error) {
	file, fault := p.source.Descriptor()
	if fault != seam.OK {
		return 0, unix.EIO
	}
	defer p.source.Done()
	if way == Sendfile {
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
