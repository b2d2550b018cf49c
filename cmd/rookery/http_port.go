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
		ReadHeaderTimeout: 3 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: httpWriteMax, IdleTimeout: time.Minute,
		ConnState: func(c net.Conn, state http.ConnState) {
			if c, ok := c.(*fewConn); ok {
				c.of.note(c, state == http.StateIdle || state == http.StateNew)
			}
		},
	}
}

const (
	httpConnsMax = 32               // of the descriptors that shares leaves to neither files nor clients
	httpWriteMax = 30 * time.Second // more than a probe waits, and than Prometheus does unless it is told to
)

// few is a listener that has httpConnsMax connections at most. One more takes the place of the one that has been silent for
// the longest, before its first request or between two; where none is it waits, as everybody behind it does.
type few struct {
	*net.TCPListener
	mu      sync.Mutex
	changed sync.Cond
	open    int
	silent  []*fewConn // the one that has been so for the longest first
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
		if len(f.silent) == 0 {
			f.changed.Wait()
			continue
		}
		oldest := f.silent[0]
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

// note hears whether nothing has come on a connection that could be answered.
func (f *few) note(c *fewConn, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = slices.DeleteFunc(f.silent, func(other *fewConn) bool { return other == c })
	if silent {
		f.silent = append(f.silent, c)
		f.changed.Signal()
	}
}

// Close gives the place to whoever waits.
func (c *fewConn) Close() error {
	err := c.TCPConn.Close()
	c.of.note(c, false) // each time: it may have been noted as silent since it was closed
	c.left.Do(func() {
		c.of.mu.Lock()
		c.of.open--
		c.of.mu.Unlock()
		c.of.changed.Signal()
	})
	return err
}
