package main

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// newPort is an HTTP server that nobody keeps busy for long, whatever they leave unsent or unread. Go's profiles may take
// their seconds beside httpWriteMax: net/http/pprof sees to that.
func newPort(pages http.Handler) *http.Server {
	return &http.Server{
		Handler: pages, MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: httpWriteMax, IdleTimeout: time.Minute,
		ConnState: func(c net.Conn, state http.ConnState) {
			if c, ok := c.(*fewConn); ok {
				c.of.note(c, state == http.StateIdle)
			}
		},
	}
}

const (
	httpConnsMax = 32               // of the descriptors that shares leaves to neither files nor clients
	httpWriteMax = 30 * time.Second // more than a probe waits, and than Prometheus does unless it is told to
)

// few is a listener that has httpConnsMax connections at most. One more takes the place of the one that has been idle for
// the longest; where none is it waits, as everybody behind it does.
type few struct {
	*net.TCPListener
	mu      sync.Mutex
	changed sync.Cond
	open    int
	idle    []*fewConn // the one that has been so for the longest first
	closed  bool
}

type fewConn struct {
	*net.TCPConn
	of   *few
	left sync.Once
}

func newFew(l *net.TCPListener) *few {
	f := &few{TCPListener: l}
	f.changed.L = &f.mu
	return f
}

// Accept returns once there is a place.
func (f *few) Accept() (net.Conn, error) {
	tcp, err := f.AcceptTCP()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.open == httpConnsMax && !f.closed {
		if len(f.idle) == 0 {
			f.changed.Wait()
			continue
		}
		oldest := f.idle[0]
		f.mu.Unlock()
		_ = oldest.Close()
		f.mu.Lock()
	}
	if f.closed {
		_ = tcp.Close()
		return nil, net.ErrClosed
	}
	f.open++
	return &fewConn{TCPConn: tcp, of: f}, nil
}

// Close ends an Accept that waits for a place, too.
func (f *few) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.changed.Broadcast()
	return f.TCPListener.Close()
}

// note hears whether a connection has nothing to do.
func (f *few) note(c *fewConn, idle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = slices.DeleteFunc(f.idle, func(other *fewConn) bool { return other == c })
	if idle {
		f.idle = append(f.idle, c)
		f.changed.Signal()
	}
}

// Close gives the place to whoever waits.
func (c *fewConn) Close() error {
	err := c.TCPConn.Close()
	c.of.note(c, false) // each time: it may have been noted as idle since it was closed
	c.left.Do(func() {
		c.of.mu.Lock()
		c.of.open--
		c.of.mu.Unlock()
		c.of.changed.Signal()
	})
	return err
}
