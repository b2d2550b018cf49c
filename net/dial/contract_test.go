package dial_test

import (
	"io"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/seam/contract"
	"rookery/net/dial"
)

// subject is net/dial as the shared suite sees it.
type subject struct {
	t     *rapid.T
	links *dial.Links
	mail  mailbox
	doors []net.Listener
}

const doors = 3

func newSubject(t *rapid.T) *subject {
	s := &subject{t: t, mail: make(mailbox, 1000), doors: make([]net.Listener, doors)}
	for i := range s.doors {
		s.open(i, "127.0.0.1:0")
	}
	s.links = dial.New(dial.Config{BackOffMin: time.Millisecond, BackOffMax: time.Millisecond})
	s.links.Bind(s.mail)
	return s
}

func (s *subject) close() {
	s.links.Close()
	for _, door := range s.doors {
		_ = door.Close()
	}
}

func (s *subject) open(peer int, address string) {
	door, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.doors[peer] = door
}

func (s *subject) Listen(peer int) {
	address := s.doors[peer].Addr().String()
	_ = s.doors[peer].Close()
	s.open(peer, address)
}

func (s *subject) Shut(peer int)                 { _ = s.doors[peer].Close() }
func (s *subject) Address(peer int) seam.Address { return peerAt(s.doors[peer]) }
func (s *subject) Do(fx *seam.Effects)           { s.links.Queue(fx, nil) }

// patience is far beyond what any wait should last; it only turns a hang into a failure.
const patience = 10 * time.Second

func (s *subject) Step() *seam.Mail {
	select {
	case mail := <-s.mail:
		if mail.Frame == nil {
			s.links.Told(&mail)
		}
		return &mail
	case <-time.After(patience):
		s.t.Fatal("no mail came")
		return nil
	}
}

func (s *subject) Accept(peer int) contract.PeerEnd {
	c, err := s.doors[peer].Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return end{s.t, c}
}

// end is a peer's end of a link.
type end struct {
	t    *rapid.T
	conn net.Conn
}

func (e end) Write(frames []byte) {
	if _, err := e.conn.Write(frames); err != nil {
		e.t.Fatal(err)
	}
}

func (e end) Read(size int) ([]byte, bool) {
	data := make([]byte, size)
	n, err := io.ReadFull(e.conn, data)
	return data[:n], err == nil
}

func (e end) Close() { _ = e.conn.Close() }

func TestContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSubject(t)
		defer s.close()
		contract.Links(t, s)
	})
}
