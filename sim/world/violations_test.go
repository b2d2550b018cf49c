package world

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/must"
	"rookery/core/seam"
	"rookery/sim/check"
)

// violation is what a law rejects, and what is nearly the same and is accepted; nil: another row has that.
type violation struct {
	law    string
	breaks func(s *stage)
	near   func(s *stage)
}

func TestViolations(t *testing.T) {
	for i, v := range violations {
		err := newStage().play(v.breaks)
		require.Error(t, err, "row %d: %s", i, v.law)
		require.True(t, strings.HasPrefix(err.Error(), v.law+" "), "row %d: %s: %v", i, v.law, err)
		if v.near == nil {
			continue
		}
		s := newStage()
		require.NoError(t, s.play(v.near), "row %d: %s", i, v.law)
		law := slices.IndexFunc(check.LawNames(), func(line string) bool { return strings.HasPrefix(line, v.law+" ") })
		require.NotZero(t, s.world.Laws[law], "row %d: %s was not asked", i, v.law)
	}
}

var violations = []violation{
	{"W1", func(s *stage) { s.do(write(1, 7, "x")) }, func(s *stage) { s.do(create(1, 7), write(2, 7, "x")) }},
	{"W1", func(s *stage) { s.do(syncs(1, 7)) }, func(s *stage) { s.do(create(1, 7), syncs(2, 7)) }},
	{"W1", func(s *stage) {
		s.do(create(1, 7), shut(2, 7))
		s.settle()
		s.do(write(3, 7, "x"))
	}, func(s *stage) { s.do(create(1, 7), write(2, 7, "x"), shut(3, 7)) }},
	{"W1", func(s *stage) { s.do(reply(1, s.connect(), seam.Range{Before: 4, File: 7, Len: 1})) }, nil},
	{"W2", func(s *stage) { s.do(create(1, 7), write(2, 7, "x"), write(2, 7, "y")) }, func(s *stage) {
		s.do(create(1, 7), write(2, 7, "x"))
		s.settle()
		s.do(write(2, 7, "y"))
	}},
	{"W2", func(s *stage) { s.do(create(0, 7)) }, nil},
	{"W3", func(s *stage) {
		data := []byte("x")
		s.do(create(1, 7), writeBytes(2, 7, data))
		data[0] = 'y'
	}, func(s *stage) {
		data := []byte("x")
		s.do(create(1, 7), writeBytes(2, 7, data))
		s.settle()
		data[0] = 'y'
	}},
	{"W4", func(s *stage) { s.headChanges(false) }, func(s *stage) { s.headChanges(true) }},
	{"W5", func(s *stage) { s.do(free(1)) }, func(s *stage) {
		s.send(s.connect())
		s.do(free(1))
	}},
	{"W5", func(s *stage) {
		s.send(s.connect())
		s.do(free(1), free(1))
	}, nil},
	{"W6", func(s *stage) {
		s.do(create(1, 7), shut(2, 7))
		s.settle()
		s.do(open(3, 7))
	}, func(s *stage) {
		s.do(create(1, 7), shut(2, 7))
		s.settle()
		s.do(open(3, 8))
	}},
	{"W6", func(s *stage) { s.do(create(1, 0)) }, func(s *stage) { // ids are a process's
		s.do(create(1, 7))
		s.settle()
		s.world.Node.Kill()
		s.world.Node.Start()
		s.do(open(1, 7))
	}},
	{"W7", func(s *stage) { s.lends(3, false) }, func(s *stage) { s.lends(4, false) }},
	{"W7", func(s *stage) { s.lends(0, false) }, func(s *stage) { s.lends(0, true) }},
	{"W7", func(s *stage) { // it promises what is not there
		s.do(create(1, 7))
		s.settle()
		s.do(reply(3, s.connect(), seam.Range{Before: 4, File: 7, Len: 1}))
	}, nil},
	{"W8", func(s *stage) { s.do(create(1, 7), write(2, 7, "x"), file(3, seam.Unlink, 7)) }, func(s *stage) {
		s.do(create(1, 7), write(2, 7, "x"))
		s.settle()
		s.do(file(3, seam.Unlink, 7))
	}},
	{"W8", func(s *stage) {
		s.do(create(1, 7))
		s.settle()
		s.do(syncs(2, 7))
		s.do(rename(3))
	}, func(s *stage) {
		s.do(create(1, 7))
		s.settle()
		s.do(syncs(2, 7))
		s.settle()
		s.do(rename(3))
	}},
	{"W9", func(s *stage) { s.do(reply(1, s.gone())) }, func(s *stage) { s.do(reply(1, s.connect())) }},
	{"W9", func(s *stage) { s.do(credit(s.gone())) }, func(s *stage) { s.do(credit(s.connect())) }},
	{"W9", func(s *stage) { s.do(credit(99)) }, func(s *stage) { // it was cut, and the machine does not know yet
		conn := s.connect()
		s.world.Node.conns[conn].Cut()
		s.do(credit(conn))
	}},
	{"W10", func(s *stage) { s.asks(10, 10) }, func(s *stage) { s.asks(9, 10) }},
	{"W10", func(s *stage) { s.asks(20_000, 0) }, nil},
	{"W11", func(s *stage) { s.spins(spinsMax) }, func(s *stage) { s.spins(spinsMax - 1) }},
	{"W12", func(s *stage) { s.step(func() { must.Be(false, "X1: only of this test") }) }, func(s *stage) { s.step(func() { must.Be(true, "X1: only of this test") }) }},
	{"W12", func(s *stage) { s.step(func() { panic("at the disk") }) }, nil},
	{"W12", func(s *stage) { // its length is wrong
		s.do(func(fx *seam.Effects) {
			fx.Replies = append(fx.Replies, seam.Reply{Op: 1, Conn: s.connect(), Head: []byte{0, 0, 0, 2, 1}})
		})
	}, func(s *stage) { s.do(reply(1, s.connect())) }},
	{"W12", func(s *stage) { // a stop with a write under way
		s.do(ready, create(1, 7), write(2, 7, "x"))
		s.stop()
	}, func(s *stage) {
		s.do(ready, create(1, 7), write(2, 7, "x"))
		s.settle()
		s.stop()
	}},
	{"W13", func(s *stage) { s.stopsAfter(stopWithin + seam.Second) }, func(s *stage) { s.stopsAfter(stopWithin - seam.Second) }},
	{"W13", func(s *stage) {
		s.world.Node.Hang(5 * seam.Second)
		s.stopsAfter(stopWithin * 2)
	}, func(s *stage) {
		s.world.Node.Hang(5 * seam.Second)
		s.stopsAfter(stopWithin + 4*seam.Second)
	}},
	{"W13", func(s *stage) {
		s.world.Counts[SyncFailed]++ // before it was asked to
		s.stopsAfter(stopWithin + 4*seam.Second)
	}, func(s *stage) {
		s.world.After(20*seam.Second, func() { s.world.Counts[SyncFailed]++ })
		s.stopsAfter(stopWithin + 4*seam.Second)
	}},
	{"V7", func(s *stage) {
		s.send(s.connect())
		s.send(1)
		s.do(free(1))
	}, func(s *stage) { // what is lent is the reason
		s.send(s.connect())
		s.send(1)
	}},
	{"V7", func(s *stage) {
		s.send(s.connect())
		s.send(1)
		s.do(free(1), creditOf(1, 0))
	}, func(s *stage) {
		s.send(s.connect())
		s.send(1)
		s.do(free(1), creditOf(1, 6+seam.FrameCost))
		s.settle()
		s.do(free(2))
	}},
	{"V7", func(s *stage) { s.oversleeps() }, nil},
}

// stage is a world without faults whose Broker does what it is told, and lets nobody send more than one small frame.
type stage struct {
	world *World
	told  func()
	wish  int // how often it asks to be called again at once
	mates []*actor
}

func newStage() *stage {
	s := &stage{}
	s.world = New(NewTape(1), Rates{}, Parts{Broker: func(int) seam.Machine { return s }}, 1)
	s.world.Watch = func(*Node, seam.Machine) {}
	s.world.Node.Start()
	s.settle()
	return s
}

func (s *stage) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	if opened, is := in.(*seam.Opened); is {
		fx.Reading = append(fx.Reading, seam.Credit{Conn: opened.Conn, Bytes: 1})
	}
	if s.told != nil {
		told := s.told
		s.told = nil
		told()
	}
	if s.wish > 0 {
		s.wish--
		fx.Wake(now.Mono)
	}
}

func (s *stage) play(act func(s *stage)) error {
	act(s)
	s.settle()
	return s.world.Failure()
}

func (s *stage) settle() { s.world.Run(s.world.Now()+seam.Second, nil) }

func (s *stage) broker() *actor { return s.world.Node.actors[0] }

// do carries out effects as those of one Step.
func (s *stage) do(effects ...func(fx *seam.Effects)) {
	var fx seam.Effects
	fx.Reset()
	for _, add := range effects {
		add(&fx)
	}
	s.broker().fx = fx
	s.broker().perform()
	s.broker().watch()
}

// step makes the machine do something in a Step.
func (s *stage) step(told func()) {
	s.told = told
	s.broker().push(&seam.Alarm{})
}

func (s *stage) spins(times int) {
	s.wish = times
	s.broker().push(&seam.Alarm{})
}

func (s *stage) stop() {
	s.world.Node.Stop(seam.Second, func(bool) {})
	s.do(func(fx *seam.Effects) { fx.Events = append(fx.Events, seam.Event{Kind: seam.Stopped}) })
}

// stopsAfter is asked to stop, and says so after a while.
func (s *stage) stopsAfter(while seam.Mono) {
	w := s.world
	w.Node.Stop(10*stopWithin, func(bool) {})
	w.Run(w.Now()+while, nil)
	s.do(func(fx *seam.Effects) { fx.Events = append(fx.Events, seam.Event{Kind: seam.Stopped}) })
	w.Run(w.Now()+2*stopWithin, nil)
}

// connect makes a connection; the first one is number 1.
func (s *stage) connect() seam.Conn {
	mate := s.world.addClient("client", &puppet{})
	s.mates = append(s.mates, mate)
	mate.linkTo(seam.Address{Kind: seam.ToPeer, Host: "node", Port: 9092})
	s.settle()
	return mate.links[0].conn
}

// send sends a frame of six bytes.
func (s *stage) send(conn seam.Conn) {
	s.world.Node.conns[conn].upload(binary.BigEndian.AppendUint16([]byte{0, 0, 0, 2}, 7))
	s.settle()
}

// oversleeps leaves a connection unread for a second, and wishes to be woken later.
func (s *stage) oversleeps() {
	s.send(s.connect())
	s.send(1)
	until := s.world.Now() + seam.Second
	s.world.Muted = func(seam.Machine, seam.Conn) seam.Mono { return until }
	s.do(free(1), func(fx *seam.Effects) { fx.Wake(until + 1) })
}

// gone is a connection that has hung up.
func (s *stage) gone() seam.Conn {
	conn := s.connect()
	s.world.Node.conns[conn].Cut()
	s.settle()
	return conn
}

// headChanges changes the head of a reply, before or after it was sent.
func (s *stage) headChanges(after bool) {
	head := []byte{0, 0, 0, 1, 5}
	conn := s.connect()
	s.do(func(fx *seam.Effects) {
		fx.Replies = append(fx.Replies, seam.Reply{Op: 1, Conn: conn, Head: head})
	})
	if after {
		s.settle()
	}
	head[4]++
}

// lends lends four bytes to a reply and truncates their file, while it is under way or after.
func (s *stage) lends(size int64, after bool) {
	conn := s.connect()
	s.do(create(1, 7), write(2, 7, "abcd"))
	s.settle()
	s.do(reply(3, conn, seam.Range{Before: 4, File: 7, Len: 4}))
	if after {
		s.settle()
	}
	s.do(func(fx *seam.Effects) {
		fx.Files = append(fx.Files, seam.FileOp{Op: 4, Deed: seam.Truncate, File: 7, Size: size})
	})
}

// asks asks for so many things in one Step that may ask for less than most.
func (s *stage) asks(things, most int) {
	s.world.StepEffects = most
	s.do(func(fx *seam.Effects) {
		for i := range things {
			fx.Files = append(fx.Files, seam.FileOp{Op: seam.Op(i + 1), Deed: seam.List, Path: seam.Path{Name: "a"}})
		}
	})
}

func ready(fx *seam.Effects) { fx.Events = append(fx.Events, seam.Event{Kind: seam.Ready}) }

var somewhere = seam.Path{Name: "folder/file"}

func create(op seam.Op, id seam.File) func(fx *seam.Effects) { return file(op, seam.Create, id) }
func open(op seam.Op, id seam.File) func(fx *seam.Effects)   { return file(op, seam.Open, id) }
func shut(op seam.Op, id seam.File) func(fx *seam.Effects)   { return file(op, seam.Close, id) }

func file(op seam.Op, deed seam.Deed, id seam.File) func(fx *seam.Effects) {
	return func(fx *seam.Effects) {
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: deed, File: id, Path: somewhere})
	}
}

func rename(op seam.Op) func(fx *seam.Effects) {
	return func(fx *seam.Effects) {
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Rename, Path: seam.Path{Name: "folder"}, To: seam.Path{Name: "other"}})
	}
}

func write(op seam.Op, id seam.File, data string) func(fx *seam.Effects) {
	return writeBytes(op, id, []byte(data))
}

func writeBytes(op seam.Op, id seam.File, data []byte) func(fx *seam.Effects) {
	return func(fx *seam.Effects) {
		fx.Writes = append(fx.Writes, seam.Write{Op: op, File: id, Data: data})
	}
}

func syncs(op seam.Op, id seam.File) func(fx *seam.Effects) {
	return func(fx *seam.Effects) { fx.Syncs = append(fx.Syncs, seam.Sync{Op: op, File: id}) }
}

// reply is one without a body of its own but for ranges.
func reply(op seam.Op, conn seam.Conn, ranges ...seam.Range) func(fx *seam.Effects) {
	size := uint32(0)
	for _, g := range ranges {
		size += uint32(g.Len)
	}
	head := binary.BigEndian.AppendUint32(nil, size)
	return func(fx *seam.Effects) {
		fx.Replies = append(fx.Replies, seam.Reply{Op: op, Conn: conn, Head: head, Body: ranges})
	}
}

func free(id seam.Lease) func(fx *seam.Effects) {
	return func(fx *seam.Effects) { fx.Frees = append(fx.Frees, id) }
}

func credit(conn seam.Conn) func(fx *seam.Effects) { return creditOf(conn, 1) }

func creditOf(conn seam.Conn, bytes int64) func(fx *seam.Effects) {
	return func(fx *seam.Effects) { fx.Reading = append(fx.Reading, seam.Credit{Conn: conn, Bytes: bytes}) }
}
