package server

import (
	"sync"

	"rookery/core/seam"
)

// rewrite takes a Rewrite on, in the turn.
func (c *conn) rewrite(r *seam.Rewrite) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.emitted++
	c.rewrites = append(c.rewrites, *r)
	if !c.rewriting {
		c.rewriting = true
		go c.rewriteAll()
	}
}

// rewriteAll does, one after another, what was asked for.
func (c *conn) rewriteAll() {
	for {
		r, more := c.nextRewrite()
		if !more {
			c.server.mail.Run() // of the Hangup
			return
		}
		rewritten := c.server.rewritten(&r)
		c.server.mail.Post(&rewritten)
		go c.server.mail.Run()
	}
}

func (c *conn) nextRewrite() (seam.Rewrite, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rewrites) == 0 {
		c.rewrites, c.rewriting = nil, false
		c.maybeHangup()
		return seam.Rewrite{}, false
	}
	r := c.rewrites[0]
	c.rewrites = c.rewrites[1:]
	return r, true
}

// rewriteRooms is where bytes are rewritten before their size is known. One that has grown beyond what most need is let go.
var rewriteRooms = sync.Pool{New: func() any { return new([]byte) }}

const rewriteRoomMax = 1 << 20

func (s *Server) rewritten(r *seam.Rewrite) seam.Rewritten {
	room := rewriteRooms.Get().(*[]byte)
	out := s.config.Rewrite(r.Data, r.Codec, r.Level, (*room)[:0])
	chunk := s.slabs.take(len(out))
	data := chunk.data[:len(out):len(out)]
	copy(data, out)
	lease, _ := s.leases.take(chunk)
	s.slabs.release(chunk) // the lease is its only reference
	if *room = out; cap(out) <= rewriteRoomMax {
		rewriteRooms.Put(room)
	}
	return seam.Rewritten{Op: r.Op, Lease: lease, Data: data}
}
