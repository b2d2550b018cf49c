package server

import "sync/atomic"

// counts are what a server counts beside what each connection does.
type counts struct {
	received   int64 // by connections that are gone; Server.mu guards both
	sent       int64
	turnedAway counter
	unreadable counter
	unheard    counter
}

// Status is what a server shows of itself: sums since the start, and what is now.
type Status struct {
	Received   int64 // bytes
	Sent       int64 // bytes
	Opened     int64 // connections
	TurnedAway int64 // connections beyond ConnsMax
	Unreadable int64 // connections ended for a frame that cannot be one
	Unheard    int64 // connections whose handshake failed
	Handshakes int   // of TLS, under way
	Conns      int   // open
	ConnsMax   int
	Idle       int64 // bytes of buffers kept for later
	Leases     int   // frames that the machine has
}

// Status says how things are.
func (s *Server) Status() Status {
	status := Status{
		TurnedAway: s.counts.turnedAway.Load(), Unreadable: s.counts.unreadable.Load(), Unheard: s.counts.unheard.Load(), Handshakes: len(s.handshakes), ConnsMax: s.config.ConnsMax,
	}
	s.mu.Lock()
	status.Opened, status.Conns = int64(s.next), len(s.conns)
	status.Received, status.Sent = s.counts.received, s.counts.sent
	for _, c := range s.conns {
		status.Received += c.received.Load()
		status.Sent += c.sentBytes.Load()
	}
	s.mu.Unlock()
	s.slabs.mu.Lock()
	status.Idle = int64(s.slabs.idle)
	s.slabs.mu.Unlock()
	s.leases.mu.Lock()
	status.Leases = len(s.leases.slots) - len(s.leases.idle)
	s.leases.mu.Unlock()
	return status
}

// counter is a number that goroutines share.
type counter = atomic.Int64
