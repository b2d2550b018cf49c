package world

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/seam/contract"
)

// connSubject is the node's side of the simulated links as the shared suite of connections sees it.
type connSubject struct {
	t     *rapid.T
	world *World
}

func newConnSubject(t *rapid.T, toy *contract.Toy) *connSubject {
	s := &connSubject{t: t}
	s.world = New(NewTape(rapid.Uint64().Draw(t, "seed")), Rates{}, Parts{Broker: func(int) seam.Machine { return toy }, Rewrite: contract.Rewrite}, 1)
	s.world.Node.Start()
	return s
}

// Await lets time pass.
func (s *connSubject) Await(what string, condition func() bool) {
	s.world.Run(s.world.Now()+60*seam.Second, condition)
	if err := s.world.Failure(); err != nil {
		s.t.Fatal(err)
	}
	if !condition() {
		s.t.Fatalf("never came: %s", what)
	}
}

func (s *connSubject) Dial() contract.ClientConn {
	c := &nearEnd{subject: s}
	c.actor = s.world.addClient("client", c)
	c.link = c.actor.linkTo(seam.Address{Kind: seam.ToPeer, Host: "node", Port: 9092})
	s.Await("a link", func() bool { return c.link.open })
	return c
}

// nearEnd is a client of the suite: its machine keeps what comes.
type nearEnd struct {
	subject *connSubject
	actor   *actor
	link    *link
	out     []byte // not a whole frame yet
	in      []byte
	gone    bool
}

func (c *nearEnd) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	mail, is := in.(*seam.Mail)
	switch {
	case !is:
	case mail.Fault != seam.OK:
		c.gone = true
	case mail.Frame != nil:
		c.in = append(binary.BigEndian.AppendUint32(c.in, uint32(len(mail.Frame))), mail.Frame...)
	}
}

func (c *nearEnd) Write(data []byte) bool {
	c.out = append(c.out, data...)
	for len(c.out) >= 4 && len(c.out) >= 4+int(binary.BigEndian.Uint32(c.out)) {
		frame := c.out[:4+int(binary.BigEndian.Uint32(c.out))]
		c.out = c.out[len(frame):]
		c.link.upload(slices.Clone(frame))
	}
	return true
}

// Post: a link of the simulator keeps what is not read.
func (c *nearEnd) Post(data []byte) (written func() bool) {
	done := c.Write(data)
	return func() bool { return done }
}

func (c *nearEnd) Read(size int) ([]byte, bool) {
	c.subject.Await("bytes or an end", func() bool { return len(c.in) >= size || c.gone })
	whole := len(c.in) >= size
	data := c.in[:min(size, len(c.in))]
	c.in = c.in[len(data):]
	return data, whole
}

func (c *nearEnd) Close() { c.actor.cutLink(c.link.number) }

// The node's side of the simulated links obeys the suite that net/server obeys.
func TestContractOfTheConnections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		toy := &contract.Toy{File: 1, Path: seam.Path{Name: "file"}, Allowance: contract.AllowanceOfConns}
		contract.Conns(t, toy, newConnSubject(t, toy))
	})
}
