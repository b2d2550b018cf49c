package world

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/seam/contract"
)

// farEnd is the machine at the other ends of links: it keeps what each brings.
type farEnd struct {
	op    seam.Op
	conns map[seam.Conn]*farConn
	fresh []*farConn // not accepted yet
}

type farConn struct {
	id   seam.Conn
	host string
	in   []byte
	gone bool
}

func (f *farEnd) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Opened:
		c := &farConn{id: in.Conn, host: in.Host}
		f.conns[in.Conn] = c
		f.fresh = append(f.fresh, c)
		fx.Reading = append(fx.Reading, seam.Credit{Conn: in.Conn, Bytes: 1 << 40})
	case *seam.Request:
		c := f.conns[in.Conn]
		c.in = append(binary.BigEndian.AppendUint32(c.in, uint32(len(in.Frame))), in.Frame...)
		fx.Frees = append(fx.Frees, in.Lease)
	case *seam.Hangup:
		f.conns[in.Conn].gone = true
	}
}

// linkSubject is a client's links in the simulated world as the shared suite sees them. What the client is told waits in
// its mailbox until the suite asks for it.
type linkSubject struct {
	t      *rapid.T
	world  *World
	far    *farEnd
	puppet *puppet
	client *actor
}

func newLinkSubject(t *rapid.T) *linkSubject {
	s := &linkSubject{t: t, far: &farEnd{conns: map[seam.Conn]*farConn{}}, puppet: &puppet{}}
	s.world = New(NewTape(rapid.Uint64().Draw(t, "seed")), Rates{}, Parts{Broker: func(int) seam.Machine { return s.far }}, 1)
	s.world.Node.Start()
	s.client = s.world.addClient("client", s.puppet)
	s.run("a start", func() bool { return s.world.Node.Quiet() && s.client.inbox.Len() == 0 })
	s.client.turning = true // as if a turn were planned: it takes none of its own
	return s
}

// run lets time pass until something is so.
func (s *linkSubject) run(what string, done func() bool) {
	if !done() {
		s.world.Run(s.world.Now()+60*seam.Second, done)
	}
	if err := s.world.Failure(); err != nil {
		s.t.Fatal(err)
	}
	if !done() {
		s.t.Fatalf("never came: %s", what)
	}
}

func (s *linkSubject) Listen(int) { s.world.Node.Shut = false }
func (s *linkSubject) Shut(int)   { s.world.Node.Shut = true }

func (s *linkSubject) Address(peer int) seam.Address {
	return seam.Address{Kind: seam.ToPeer, Host: string(rune('a' + peer)), Port: 9092}
}

func (s *linkSubject) Do(fx *seam.Effects) {
	s.client.fx = *fx
	s.client.perform()
}

func (s *linkSubject) Step() *seam.Mail {
	s.run("mail", func() bool { return s.client.inbox.Len() > 0 })
	s.puppet.told = nil
	var next ordered.Ring[parcel]
	next.Push(s.client.inbox.Pop())
	waiting := s.client.inbox
	s.client.inbox = next
	s.client.takeTurn()
	s.client.inbox, s.client.turning = waiting, true
	return s.puppet.told[0].(*seam.Mail)
}

func (s *linkSubject) Accept(peer int) contract.PeerEnd {
	var found *farConn
	s.run("a link", func() bool {
		for i, c := range s.far.fresh {
			if c.host == s.Address(peer).Host {
				found = c
				s.far.fresh = slices.Delete(s.far.fresh, i, i+1)
				return true
			}
		}
		return found != nil
	})
	return &farSide{s, found}
}

// farSide is a peer's end of a link.
type farSide struct {
	subject *linkSubject
	conn    *farConn
}

func (e *farSide) do(fx *seam.Effects) {
	broker := e.subject.world.Node.actors[0]
	fx.Alarm = seam.Never
	broker.fx = *fx
	broker.perform()
}

func (e *farSide) Write(frames []byte) {
	var fx seam.Effects
	for len(frames) > 0 {
		size := 4 + int(binary.BigEndian.Uint32(frames))
		e.subject.far.op++
		fx.Replies = append(fx.Replies, seam.Reply{Op: e.subject.far.op, Conn: e.conn.id, Head: slices.Clone(frames[:size])})
		frames = frames[size:]
	}
	e.do(&fx)
}

func (e *farSide) Read(size int) ([]byte, bool) {
	e.subject.run("bytes or an end", func() bool { return len(e.conn.in) >= size || e.conn.gone })
	size = min(size, len(e.conn.in))
	data := e.conn.in[:size]
	e.conn.in = e.conn.in[size:]
	return data, !e.conn.gone
}

func (e *farSide) Close() {
	if !e.conn.gone {
		e.do(&seam.Effects{Reading: []seam.Credit{{Conn: e.conn.id, Cut: true}}})
	}
}

// The simulated links obey the suite that net/dial obeys.
func TestContractOfTheLinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { contract.Links(t, newLinkSubject(t)) })
}
