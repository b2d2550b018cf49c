package contract

import (
	"bytes"
	"encoding/binary"

	"pgregory.net/rapid"

	"rookery/core/seam"
)

// ConnSubject is a driver of connections under test, around a Toy whose file exists.
type ConnSubject interface {
	Dial() ClientConn
	// Await returns once the condition, which looks at the Toy, holds; it fails the test if it never will.
	Await(what string, condition func() bool)
}

// ClientConn is a client's end.
type ClientConn interface {
	Write(data []byte) bool // false: the connection is gone
	// Post begins to write what may be more than the other side reads until it has been told something else; written waits
	// for the end of it.
	Post(data []byte) (written func() bool)
	Read(size int) ([]byte, bool) // exactly size bytes; false: it ended before
	Close()
}

// AllowanceOfConns is the credit that the Toy of the connection suite starts a connection with.
const AllowanceOfConns = 400_000

// frameEchoMax keeps every frame below the allowance.
const frameEchoMax = 300_000

// Conns checks the laws of connections: answers in order and whole, each Reply back as one Sent, each Rewrite as one
// Rewritten with what Rewrite makes of its bytes, Hangup last, credit kept. The Toy panics where the machine's side of a law is broken.
func Conns(t *rapid.T, toy *Toy, subject ConnSubject) {
	m := &connModel{toy: toy, subject: subject}
	subject.Await("the file of the toy", func() bool { return toy.Ready })
	t.Repeat(map[string]func(*rapid.T){
		"dial":   m.dial,
		"send":   m.send,
		"mute":   m.mute,
		"read":   m.read,
		"last":   m.last,
		"cut":    m.cut,
		"leave":  m.leave,
		"reckon": m.reckon,
		"":       func(*rapid.T) {},
	})
	for _, c := range m.clients {
		m.readAll(t, c)
		c.conn.Close()
	}
	m.clients = nil
	m.reckon(t)
}

type client struct {
	conn    ClientConn
	answers [][]byte // expected, in order
	muted   bool
}

type connModel struct {
	toy     *Toy
	subject ConnSubject
	clients []*client
	dialled int
	file    []byte
}

func (m *connModel) dial(t *rapid.T) {
	if len(m.clients) > 4 {
		t.Skip("enough of them")
	}
	m.dialled++
	m.clients = append(m.clients, &client{conn: m.subject.Dial()})
}

func (m *connModel) any(t *rapid.T) *client {
	if len(m.clients) == 0 {
		t.Skip("nobody is connected")
	}
	return rapid.SampledFrom(m.clients).Draw(t, "client")
}

func (m *connModel) forget(c *client) {
	for i, other := range m.clients {
		if other == c {
			m.clients = append(m.clients[:i:i], m.clients[i+1:]...)
		}
	}
}

func frameOf(what byte, echo []byte) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(1+len(echo)))
	return append(append(f, what), echo...)
}

// send writes a few frames as one stream, cut at random places.
func (m *connModel) send(t *rapid.T) {
	c := m.any(t)
	if c.muted {
		t.Skip("it is muted")
	}
	var stream []byte
	for range rapid.IntRange(1, 5).Draw(t, "frames") {
		what := rapid.SampledFrom([]byte("eeewsnfz")).Draw(t, "what")
		echo := m.echo(t)
		switch what {
		case 'w', 's':
			m.file = append(append(m.file, what), echo...)
			c.answers = append(c.answers, echo[:min(8, len(echo))])
		case 'f':
			if echo = m.ask(t, c); echo == nil {
				continue
			}
		case 'e':
			c.answers = append(c.answers, echo)
		case 'z':
			c.answers = append(c.answers, Rewrite(echo, toyCodec, toyLevel, nil))
		}
		stream = append(stream, frameOf(what, echo)...)
	}
	for len(stream) > 0 {
		n := rapid.IntRange(1, len(stream)).Draw(t, "piece")
		if !c.conn.Write(stream[:n]) {
			t.Fatalf("the connection went while it was written to")
		}
		stream = stream[n:]
	}
	m.readAll(t, c) // the file of the next 'f' is known only when all that was sent before has been written
}

// echo is mostly small, at times larger than any buffer.
func (m *connModel) echo(t *rapid.T) []byte {
	size := rapid.IntRange(8, 200).Draw(t, "size")
	if rapid.IntRange(0, 5).Draw(t, "large") == 0 {
		size = rapid.IntRange(200, frameEchoMax).Draw(t, "size")
	}
	return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, size)
}

// ask names a part of the file and expects it.
func (m *connModel) ask(t *rapid.T, c *client) []byte {
	settled := m.settled()
	if settled == 0 {
		return nil
	}
	at := rapid.IntRange(0, settled-1).Draw(t, "at")
	size := rapid.IntRange(1, settled-at).Draw(t, "length")
	c.answers = append(c.answers, append(append([]byte("byt"), m.file[at:at+size]...), "es"...))
	ask := binary.BigEndian.AppendUint64(nil, uint64(at))
	return binary.BigEndian.AppendUint32(ask, uint32(size))
}

// settled is how much of the file may be asked for.
func (m *connModel) settled() int {
	settled := 0
	m.subject.Await("a look at the toy", func() bool {
		settled = int(m.toy.settled())
		return true
	})
	return min(settled, len(m.file))
}

// settled is the end of the file if nothing is on its way there.
func (t *Toy) settled() int64 {
	for _, o := range t.ops {
		if o.slot != nil {
			return 0
		}
	}
	return t.end
}

// mute sends more than the credit, none of which comes back until another connection says so.
func (m *connModel) mute(t *rapid.T) {
	c := m.any(t)
	if c.muted {
		t.Skip("it is muted")
	}
	m.readAll(t, c)
	c.muted = true
	var stream []byte
	expected, frames := 0, 0
	m.subject.Await("a look at the toy", func() bool {
		expected = m.toy.Requests
		return true
	})
	sizes := rapid.IntRange(AllowanceOfConns/10, frameEchoMax)
	if rapid.Bool().Draw(t, "small") { // many at one read: it is FrameCost that uses the credit up
		sizes = rapid.IntRange(1, 20)
	}
	covered := true
	for cost := 0; cost < AllowanceOfConns; cost = len(stream) + frames*seam.FrameCost {
		echo := bytes.Repeat([]byte{'m'}, sizes.Draw(t, "size"))
		c.answers = append(c.answers, echo)
		stream = append(stream, frameOf('m', echo)...)
		frames++
		if covered = covered && (lengthSize+1+len(echo) <= seam.FrameFree || len(stream)+frames*seam.FrameCost <= AllowanceOfConns); covered {
			expected++ // a short one is begun on credit and overdraws it
		}
	}
	echo := []byte("m, and no credit left")
	c.answers = append(c.answers, echo)
	stream = append(stream, frameOf('m', echo)...)
	written := c.conn.Post(stream)
	m.subject.Await("as many requests as the credit covers", func() bool { return m.toy.Requests >= expected })
	other := m.subject.Dial()
	m.dialled++
	for len(c.answers) > 0 {
		other.Write(frameOf('u', []byte("go on")))
		if data, whole := other.Read(lengthSize + 5); !whole || string(data[lengthSize:]) != "go on" {
			t.Fatalf("the connection that unmutes was answered %q", data)
		}
		m.readOne(t, c)
	}
	if !written() {
		t.Fatalf("the connection went while it was written to")
	}
	other.Write(frameOf('u', []byte("go on")))
	other.Read(lengthSize + 5)
	other.Close()
	c.muted = false
}

func (m *connModel) readOne(t *rapid.T, c *client) {
	want := c.answers[0]
	c.answers = c.answers[1:]
	data, whole := c.conn.Read(lengthSize + len(want))
	if !whole {
		t.Fatalf("the connection ended before an answer of %d bytes", len(want))
	}
	if length := binary.BigEndian.Uint32(data); int(length) != len(want) || !bytes.Equal(data[lengthSize:], want) {
		t.Fatalf("an answer of %d bytes came, not the %d bytes that were due", length, len(want))
	}
}

func (m *connModel) readAll(t *rapid.T, c *client) {
	for len(c.answers) > 0 {
		m.readOne(t, c)
	}
}

func (m *connModel) read(t *rapid.T) { m.readAll(t, m.any(t)) }

// last: the answer that closes arrives, and nothing after it.
func (m *connModel) last(t *rapid.T) {
	c := m.any(t)
	c.answers = append(c.answers, []byte("farewell"))
	c.conn.Write(append(frameOf('q', []byte("farewell")), frameOf('e', []byte("too late"))...))
	m.readAll(t, c)
	if _, more := c.conn.Read(1); more {
		t.Fatalf("something came after the last answer")
	}
	c.conn.Close()
	m.forget(c)
}

// cut: what was answered before arrives, then the end.
func (m *connModel) cut(t *rapid.T) {
	c := m.any(t)
	m.readAll(t, c)
	c.conn.Write(frameOf('c', nil))
	if _, more := c.conn.Read(1); more {
		t.Fatalf("something came after the cut")
	}
	c.conn.Close()
	m.forget(c)
}

// leave closes with answers unread, more than the socket holds.
func (m *connModel) leave(t *rapid.T) {
	c := m.any(t)
	big := frameOf(rapid.SampledFrom([]byte("ez")).Draw(t, "what"), bytes.Repeat([]byte{'x'}, frameEchoMax))
	for range rapid.IntRange(0, 3).Draw(t, "unread") {
		c.conn.Write(big)
	}
	c.conn.Close()
	m.forget(c)
}

// reckon: whoever has left has hung up, and nothing of him is outstanding.
func (m *connModel) reckon(t *rapid.T) {
	m.subject.Await("every hangup", func() bool { return m.toy.Hangups == m.dialled-len(m.clients) })
	m.subject.Await("every Sent", func() bool { return m.toy.openReplies() == 0 })
	m.subject.Await("every Rewritten", func() bool { return len(m.toy.rewriting) == 0 })
	m.subject.Await("no fault", func() bool { return len(m.toy.Faults) == 0 })
}

func (t *Toy) openReplies() int {
	open := 0
	for _, id := range t.order {
		open += t.conns[id].open
	}
	return open
}

var _ seam.Machine = (*Toy)(nil)
