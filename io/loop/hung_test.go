package loop_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
)

// twoDisks is a real one, and another (file 2) that does not come back from a write.
type twoDisks struct {
	*disk.Port
	hold chan struct{}
}

func (d twoDisks) Queue(fx *seam.Effects, ready []loop.Chore) []loop.Chore {
	well := *fx
	well.Writes = nil
	for _, w := range fx.Writes {
		if w.File == 2 {
			ready = append(ready, errand(func() bool { <-d.hold; return false }))
			continue
		}
		well.Writes = append(well.Writes, w)
	}
	return d.Port.Queue(&well, ready)
}

// TestAHungDiskTakesNoOtherAlong: the crew of a disk that is well does not come to write to one that hangs while it has work in hand.
func TestAHungDiskTakesNoOtherAlong(t *testing.T) {
	healthy := disk.New(disk.Config{Dirs: []string{t.TempDir()}, Patience: 2 * time.Second})
	defer healthy.Close()
	hold := make(chan struct{})
	defer close(hold)
	wrote := make(chan seam.Fault, 1)
	machine := script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
		switch in := in.(type) {
		case *seam.Stop:
			fx.Files = append(fx.Files, seam.FileOp{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "healthy"}})
			fx.Writes = append(fx.Writes, seam.Write{Op: 2, File: 1, Data: []byte("x")})
		case *seam.Wrote:
			switch in.Op {
			case 1: // meanwhile somebody writes to the other disk
				fx.Writes = append(fx.Writes, seam.Write{Op: 3, File: 2, Data: []byte("y")})
			case 2:
				wrote <- in.Fault
			}
		}
	})
	l := loop.New(loop.Config{Machine: machine, Disk: func(mail *loop.Loop, calm bool) loop.Disk { return twoDisks{healthy.Port(mail, calm), hold} }})
	go l.Push(&seam.Stop{}) // it may be the one that comes to write to the other
	select {
	case fault := <-wrote:
		require.Equal(t, seam.OK, fault)
	case <-time.After(patience):
		t.Fatal("a byte for a disk that is well is not answered")
	}
}

// hungDisk does not come back from a write.
type hungDisk struct{ began, hold chan struct{} }

func (d hungDisk) Queue(fx *seam.Effects, ready []loop.Chore) []loop.Chore {
	for range fx.Writes {
		ready = append(ready, errand(func() bool { close(d.began); <-d.hold; return false }))
	}
	return ready
}

func (hungDisk) Recycle([]byte) {}

// told says that a request to write was posted.
type told struct {
	*loop.Loop
	posted chan struct{}
}

func (m told) Post(in seam.Input) {
	m.Loop.Post(in)
	if request, is := in.(*seam.Request); is && request.Frame[0] == 'w' {
		close(m.posted)
	}
}

// TestAHungDiskHoldsNoConnection: who has the turn carries out what others have asked for, and may not come back from it. His own client is
// answered all the same, and is noticed when he goes.
func TestAHungDiskHoldsNoConnection(t *testing.T) {
	d := hungDisk{make(chan struct{}), make(chan struct{})}
	defer close(d.hold)
	inTurn, posted, hungUp := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	machine := script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
		switch in := in.(type) {
		case *seam.Opened:
			fx.Reading = append(fx.Reading, seam.Credit{Conn: in.Conn, Bytes: 1 << 20})
		case *seam.Hangup:
			once.Do(func() { close(hungUp) })
		case *seam.Request:
			fx.Frees = append(fx.Frees, in.Lease)
			if in.Frame[0] == 'w' {
				fx.Writes = append(fx.Writes, seam.Write{Op: 1, File: 1, Data: []byte("x")})
				return
			}
			if in.Frame[0] == 't' { // the other's request comes during this Step
				close(inTurn)
				<-posted
			}
			fx.Replies = append(fx.Replies, seam.Reply{Op: 2, Conn: in.Conn, Head: []byte{0, 0, 0, 2, 'o', 'k'}})
		}
	})
	s := server.New(server.Config{FrameBytesMin: 1})
	l := loop.New(loop.Config{Machine: machine, Conns: s, Disk: func(*loop.Loop, bool) loop.Disk { return d }})
	s.Bind(told{l, posted})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() { _ = s.Serve(server.Listener{Listener: listener}) }()
	ask := func(c net.Conn, what byte) {
		_, err := c.Write(frame(what, nil))
		require.NoError(t, err)
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
		ask(c, 'e')
		require.Equal(t, "ok", string(answer(t, c)))
		return c
	}
	writer, bystander := dial(), dial()
	defer writer.Close()
	ask(bystander, 't')
	<-inTurn
	ask(writer, 'w')
	<-d.began
	require.Equal(t, "ok", string(answer(t, bystander)))
	ask(bystander, 'e')
	require.Equal(t, "ok", string(answer(t, bystander)))
	require.NoError(t, bystander.Close())
	await(t, "the hangup", hungUp)
}
