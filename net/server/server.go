// Package server is the broker's end of client connections: it accepts them, cuts what arrives into frames, and sends
// replies. What a frame means is not known here: an injected func makes a value of it on the connection's goroutine.
//
//	transport ──▶ chunk ──▶ frames ──▶ intake ──▶ Post(Request)* ──▶ Run       one goroutine a connection
//	turn: Queue(fx) ──▶ the connection's replies ──▶ conn.Do ──▶ transport ──▶ Post(Sent)*
//	                                                    └─ socket full ──▶ a writer goroutine until it has drained
//
// A transport is plain or secure: the raw socket, or TLS. It is the only thing that differs, and whatever is said below of
// connections holds for both.
//
// Rules:
//   - The four bytes of length are read free; beyond them a connection is read up to its credit, and not at all
//     without it. An idle connection holds no buffer (under TLS: crypto/tls's own, for one record).
//   - Every complete frame in the buffer is posted before the machine runs. A frame is lent: its chunk is used again
//     after the last lease on it has been freed.
//   - A TLS handshake begins when the machine has granted credit. It is bounded in time, and so is the number under way.
//   - Replies of one connection go out in the order queued, as many as fit with one system call. Whoever queued them
//     sends them, after the turn, and never waits: a full socket gets a goroutine of its own.
//   - What is to be rewritten is rewritten on a goroutine of its connection's, which there is while there is something to
//     do, and comes back as a frame does: lent, in a chunk of its own.
//   - Every Reply comes back as one Sent. Hangup is posted once nothing of the connection is outstanding, and Finish
//     lets it pass only if nothing was replied since.
//   - A length that is negative, above the limit or too small for a header ends the connection.
package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"rookery/core/seam"
)

// Mailbox takes what has happened. Post copies the input and does not run the machine; Run runs it.
type Mailbox interface {
	Post(in seam.Input)
	Run()
}

// Chore is work that Queue hands back, to be done outside the turn by whoever queued; true means do it again.
type Chore = interface{ Do() (again bool) }

// Source is a file that is being sent from.
type Source interface {
	Descriptor() (int, seam.Fault) // good until Done, which follows at once
	Done()
	Bytes(at int64, size int) []byte // mapped, for system calls only; nil: it cannot be
	Release()
}

// Way is how the bytes of a Range reach the socket.
type Way uint8

const (
	Mapped   Way = iota // gathered from a mapping of the file together with heads, in one system call
	Sendfile            // sendfile(2), a call a Range
	Copied              // pread(2) into a buffer
)

func (w Way) String() string { return [...]string{"mapped", "sendfile", "copied"}[w] }

// Config says what a server does with frames, and its limits.
type Config struct {
	// Intake makes a Request's Body of a frame, on the connection's goroutine. reuse is a Body it made earlier whose
	// lease has been freed, or nil. A nil Intake leaves Body nil.
	Intake func(frame []byte, reuse any) any
	// Rewrite appends to into what becomes of a batch by a codec and a level. It is called on goroutines of connections.
	Rewrite func(data []byte, codec uint8, level int32, into []byte) []byte
	// Pin finds a file to send from; nil: Ranges fail.
	Pin func(file seam.File) (Source, seam.Fault)
	// Arrived, if set, sees each frame before its Intake: for recordings.
	Arrived func(lease seam.Lease, frame []byte)
	// InUse, if set, says whether somebody may still read what is freed now: it is not used again then.
	InUse func(data []byte) bool
	// Refused, if set, is told of connections ended for what they sent, or for being too many.
	Refused func(remote, why string)

	FrameBytesMin int  // zero: 8, the shortest request header
	FrameBytesMax int  // zero: 100 MiB, Kafka's socket.request.max.bytes
	ConnsMax      int  // zero: 10,000
	IdleBytesMax  int  // free chunks kept for later; zero: 16 MiB
	Ranges        Way  // of connections without TLS
	Poison        bool // overwrite what has been freed: for tests

	HandshakesMax int           // of TLS, under way at once; zero: 500
	HandshakeMax  time.Duration // how long one may take, what it waits for others included; zero: ten seconds
}

// Listener is where connections come in.
type Listener struct {
	net.Listener
	Position int32       // as seam.Opened tells it
	TLS      *tls.Config // nil: none
}

// Server is one machine's client connections.
type Server struct {
	config     Config
	mail       Mailbox
	slabs      slabs
	leases     leases
	counts     counts
	handshakes chan struct{} // as many as are under way
	stuck      atomic.Int64  // readers that others have taken the place of

	mu        sync.Mutex
	conns     map[seam.Conn]*conn
	next      seam.Conn
	listeners []net.Listener
	closed    bool
}

// New is a server that listens to nobody yet.
func New(config Config) *Server {
	config.FrameBytesMin = cmp.Or(config.FrameBytesMin, 8)
	config.FrameBytesMax = cmp.Or(config.FrameBytesMax, 100<<20)
	config.ConnsMax = cmp.Or(config.ConnsMax, 10_000)
	config.HandshakesMax = cmp.Or(config.HandshakesMax, 500)
	config.HandshakeMax = cmp.Or(config.HandshakeMax, 10*time.Second)
	s := &Server{config: config, conns: map[seam.Conn]*conn{}, handshakes: make(chan struct{}, config.HandshakesMax)}
	s.slabs = slabs{idleMax: cmp.Or(config.IdleBytesMax, 16<<20), poison: config.Poison, inUse: config.InUse}
	s.leases.slabs = &s.slabs
	return s
}

// Bind says whose connections these are, before the first Serve.
func (s *Server) Bind(mail Mailbox) { s.mail = mail }

// Serve accepts connections until the listener is closed.
func (s *Server) Serve(listener Listener) error {
	if listener.TLS != nil {
		listener.TLS = listener.TLS.Clone()
		listener.TLS.DynamicRecordSizingDisabled = true // short ones are for pages of which a browser shows the beginning
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(net.ErrClosed, listener.Close())
	}
	s.listeners = append(s.listeners, listener.Listener)
	s.mu.Unlock()
	pause := time.Duration(0)
	for {
		accepted, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // too many open files, or the client left in between: neither ends the server
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.admit(accepted.(*net.TCPConn), &listener)
	}
}

func (s *Server) admit(tcp *net.TCPConn, from *Listener) {
	c := newConn(s, tcp, from)
	if c == nil {
		_ = tcp.Close()
		return
	}
	s.mu.Lock()
	full := len(s.conns) >= s.config.ConnsMax || s.closed
	if !full {
		s.next++
		c.id = s.next
		s.conns[c.id] = c
	}
	s.mu.Unlock()
	if full {
		s.counts.turnedAway.Add(1)
		s.refused(tcp.RemoteAddr().String(), "too many connections")
		_ = tcp.Close()
		return
	}
	go c.serve()
}

func (s *Server) refused(remote, why string) {
	if s.config.Refused != nil {
		s.config.Refused(remote, why)
	}
}

// Close stops listening and cuts every connection.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	listeners := s.listeners
	s.listeners = nil
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	for _, c := range conns {
		if c.cut() {
			for c.Do() {
			}
		}
		s.mail.Run()
	}
}

// Queue takes the connections' part of fx, in the turn, and appends to ready what the caller must do after it.
func (s *Server) Queue(fx *seam.Effects, ready []Chore) []Chore {
	if len(fx.Frees) > 0 {
		s.leases.free(fx.Frees)
	}
	for i := range fx.Replies {
		r := &fx.Replies[i]
		c := s.conn(r.Conn)
		if c == nil {
			s.mail.Post(&seam.Sent{Op: r.Op, Conn: r.Conn, Fault: seam.Gone})
			continue
		}
		if c.push(r) {
			ready = append(ready, c)
		}
	}
	for i := range fx.Rewrites {
		r := &fx.Rewrites[i]
		c := s.conn(r.Conn)
		if c == nil {
			panic("broken law N2: a Rewrite names a connection that has not hung up")
		}
		c.rewrite(r)
	}
	for i := range fx.Reading {
		credit := &fx.Reading[i]
		c := s.conn(credit.Conn)
		if c == nil {
			continue
		}
		c.grant(credit.Bytes)
		if credit.Cut && c.cut() {
			ready = append(ready, c)
		}
	}
	return ready
}

func (s *Server) conn(id seam.Conn) *conn {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	return c
}

// Finish says, in the turn, whether the Hangup at hand is the last word of its connection. If the machine replied
// after it was posted, it is not, and another follows the Sents.
func (s *Server) Finish(id seam.Conn) bool {
	c := s.conn(id)
	if c == nil || !c.isLastWord() {
		return false
	}
	s.mu.Lock()
	delete(s.conns, id)
	s.counts.received += c.received.Load()
	s.counts.sent += c.sentBytes.Load()
	s.mu.Unlock()
	return true
}

// hostPort splits an address of the net package.
func hostPort(address net.Addr) (string, int32) {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String(), 0
	}
	number, _ := strconv.Atoi(port)
	return host, int32(number)
}
