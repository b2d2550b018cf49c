package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/seam/contract"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
	"rookery/specs/outside"
)

// watched lets a test look at a machine between its steps.
type watched struct {
	mu      sync.Mutex
	stepped *sync.Cond
	machine seam.Machine
}

func watch(machine seam.Machine) *watched {
	w := &watched{machine: machine}
	w.stepped = sync.NewCond(&w.mu)
	return w
}

func (w *watched) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machine.Step(now, in, fx)
	w.stepped.Broadcast()
}

// subject is the server with the loop and the disk around the suite's toy.
type subject struct {
	fail    func(format string, args ...any)
	watched *watched
	server  *server.Server
	disk    *disk.Disk
	address string
	way     way
}

// way is how bytes come and go: every test of what a connection owes to the machine goes every way.
type way struct {
	name           string
	ranges         server.Way
	server, client *tls.Config // nil: plain
}

func ways(t testing.TB) []way {
	authority := outside.NewAuthority(t)
	secure := func(version uint16) way {
		return way{
			name:   tls.VersionName(version),
			server: &tls.Config{Certificates: []tls.Certificate{authority.Certificate(t)}, MaxVersion: version},
			client: &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"},
		}
	}
	return []way{
		{name: server.Mapped.String(), ranges: server.Mapped}, {name: server.Sendfile.String(), ranges: server.Sendfile},
		{name: server.Copied.String(), ranges: server.Copied}, secure(tls.VersionTLS12), secure(tls.VersionTLS13),
	}
}

// everyWay runs a test over the raw socket and over TLS.
func everyWay(t *testing.T, test func(t *testing.T, w way)) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) { test(t, w) })
	}
}

func open(fail func(string, ...any), toy *contract.Toy, dir string, w way, config server.Config) *subject {
	s := &subject{fail: fail, watched: watch(toy), disk: disk.New(disk.Config{Dirs: []string{dir}}), way: w}
	config.Ranges = w.ranges
	var port *disk.Port
	config.Rewrite = contract.Rewrite
	config.Pin = func(file seam.File) (server.Source, seam.Fault) {
		handle, fault := port.Pin(file)
		return handle, fault
	}
	s.server = server.New(config)
	l := loop.New(loop.Config{Machine: s.watched, Conns: s.server, Disk: func(mail *loop.Loop, calm bool) loop.Disk {
		port = s.disk.Port(mail, calm)
		return port
	}})
	s.server.Bind(l)
	l.Push(s.disk.Started())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("%v", err)
	}
	s.address = listener.Addr().String()
	go func() { _ = s.server.Serve(server.Listener{Listener: listener, TLS: w.server}) }()
	return s
}

func (s *subject) close() {
	s.server.Close()
	s.disk.Close()
}

// patience is far beyond what any wait should last; it only turns a hang into a failure.
const patience = 10 * time.Second

func (s *subject) Await(what string, condition func() bool) {
	late := false
	timer := time.AfterFunc(patience, func() {
		s.watched.mu.Lock()
		late = true
		s.watched.mu.Unlock()
		s.watched.stepped.Broadcast()
	})
	defer timer.Stop()
	s.watched.mu.Lock()
	defer s.watched.mu.Unlock()
	for !condition() {
		if late {
			s.fail("never came: %s", what)
			return
		}
		s.watched.stepped.Wait()
	}
}

type client struct{ net.Conn }

func (s *subject) Dial() contract.ClientConn {
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.fail("%v", err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if s.way.client != nil {
		c = tls.Client(c, s.way.client)
	}
	return client{c}
}

func (c client) Write(data []byte) bool {
	_, err := c.Conn.Write(data)
	return err == nil
}

func (c client) Post(data []byte) (written func() bool) {
	done := make(chan bool, 1)
	go func() { done <- c.Write(data) }()
	return func() bool { return <-done }
}

func (c client) Read(size int) ([]byte, bool) {
	data := make([]byte, size)
	n, err := io.ReadFull(c.Conn, data)
	return data[:n], err == nil
}

func (c client) Close() { _ = c.Conn.Close() }

func TestContract(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		rapid.Check(t, func(r *rapid.T) {
			toy := &contract.Toy{File: 1, Path: seam.Path{Name: "file"}, Allowance: contract.AllowanceOfConns}
			s := open(r.Fatalf, toy, t.TempDir(), w, server.Config{FrameBytesMin: 1, Poison: true})
			defer s.close()
			contract.Conns(r, toy, s)
		})
	})
}

func TestBadLengthsEndTheConnection(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		for name, bad := range map[string]struct{ length, why string }{
			"negative":  {"\xff\xff\xff\xff", "a frame of -1 bytes"},
			"too large": {"\x10\x00\x00\x00", "a frame of 268435456 bytes"},
			"too small": {"\x00\x00\x00\x03", "a frame of 3 bytes"},
			"handshake": {"\x16\x03\x01\x02", "TLS on a listener that speaks none"},
			"alert":     {"\x15\x03\x03\x00", "TLS on a listener that speaks none"},
			"HTTP":      {"GET ", "HTTP on a listener that speaks Kafka's protocol"},
		} {
			t.Run(name, func(t *testing.T) {
				why := make(chan string, 1)
				toy := &contract.Toy{Allowance: 1 << 20}
				s := open(t.Fatalf, toy, t.TempDir(), w, server.Config{Refused: func(_, reason string) { why <- reason }})
				defer s.close()
				c := s.Dial()
				c.Write(append([]byte(bad.length), make([]byte, 100)...))
				_, more := c.Read(1)
				require.False(t, more)
				require.Contains(t, <-why, bad.why)
				s.Await("hangup", func() bool { return toy.Hangups == 1 })
				require.Zero(t, toy.Requests)
			})
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		toy := &contract.Toy{Allowance: 1 << 20}
		why := make(chan string, 1)
		s := open(t.Fatalf, toy, t.TempDir(), w, server.Config{ConnsMax: 1, Refused: func(_, reason string) { why <- reason }})
		defer s.close()
		first := s.Dial()
		s.Await("the first", func() bool { return toy.Opened == 1 })
		second := s.Dial()
		_, more := second.Read(1)
		require.False(t, more)
		require.Equal(t, "too many connections", <-why)
		first.Close()
		s.Await("hangup", func() bool { return toy.Hangups == 1 })
		third := s.Dial()
		third.Close()
		s.Await("the third", func() bool { return toy.Hangups == 2 })
	})
}

// TestHandshakesAreBoundedInTime: one that does not come to an end is given up, and whoever waited for it too.
func TestHandshakesAreBoundedInTime(t *testing.T) {
	why := make(chan string, 3)
	toy := &contract.Toy{Allowance: 1 << 20}
	s := open(t.Fatalf, toy, t.TempDir(), ways(t)[4], server.Config{
		HandshakesMax: 1, HandshakeMax: 100 * time.Millisecond, Refused: func(_, reason string) { why <- reason },
	})
	defer s.close()
	for range 3 {
		c := s.silent(t)
		defer c.Close()
	}
	for range 3 { // which of them it is that has the one place when time is up is a matter of chance
		require.Regexp(t, "^(no TLS handshake within|1 TLS handshakes were before it for) 100ms$", <-why)
	}
	s.Await("all hangups", func() bool { return toy.Hangups == 3 })
	require.EqualValues(t, 3, s.server.Status().Unheard)
}

// TestHandshakesAreBoundedInNumber: the next begins when one has ended.
func TestHandshakesAreBoundedInNumber(t *testing.T) {
	toy := &contract.Toy{Allowance: 1 << 20}
	s := open(t.Fatalf, toy, t.TempDir(), ways(t)[4], server.Config{HandshakesMax: 1, HandshakeMax: patience})
	defer s.close()
	silent := s.silent(t)
	require.Eventually(t, func() bool { return s.server.Status().Handshakes == 1 }, patience, time.Millisecond)
	c := s.Dial().(client)
	defer c.Close()
	done := make(chan error, 1)
	go func() { done <- c.Conn.(*tls.Conn).Handshake() }()
	s.Await("the second", func() bool { return toy.Opened == 2 })
	select {
	case <-done:
		t.Fatal("there was no place for it")
	case <-time.After(50 * time.Millisecond):
	}
	silent.Close()
	require.NoError(t, <-done)
	require.True(t, c.Write([]byte("\x00\x00\x00\x0bea question")))
	answer, whole := c.Read(14)
	require.True(t, whole)
	require.Equal(t, "\x00\x00\x00\x0aa question", string(answer))
	require.Zero(t, s.server.Status().Handshakes)
}

// silent connects and says nothing.
func (s *subject) silent(t *testing.T) net.Conn {
	c, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	return c
}

// TestAHandshakeWaitsForCredit: whom the machine does not let in yet costs nothing but a connection, and can be cut.
func TestAHandshakeWaitsForCredit(t *testing.T) {
	w := ways(t)[4]
	toy := &contract.Toy{Allowance: 0}
	s := open(t.Fatalf, toy, t.TempDir(), w, server.Config{HandshakeMax: time.Millisecond, Refused: func(_, why string) { t.Error(why) }})
	c := s.Dial().(client)
	s.Await("it has come", func() bool { return toy.Opened == 1 })
	require.NoError(t, c.SetDeadline(time.Now().Add(50*time.Millisecond)))
	require.ErrorIs(t, c.Conn.(*tls.Conn).Handshake(), os.ErrDeadlineExceeded)
	s.close()
	s.Await("its hangup", func() bool { return toy.Hangups == 1 })
	require.Zero(t, s.server.Status().Unheard)
}

// TestTheEndIsSaid: a client that speaks TLS can tell an end that was meant from one that somebody made in between.
func TestTheEndIsSaid(t *testing.T) {
	for frame, what := range map[string]string{
		"\x00\x00\x00\x02qx": "after an answer that closes", "\x00\x00\x00\x01c": "after a cut", "\xff\xff\xff\xff": "after nonsense",
	} {
		toy := &contract.Toy{Allowance: 1 << 20}
		s := open(t.Fatalf, toy, t.TempDir(), ways(t)[4], server.Config{FrameBytesMin: 1})
		c := s.Dial().(client)
		require.True(t, c.Write([]byte(frame)))
		_, err := io.ReadAll(c.Conn)
		require.NoError(t, err, what) // without close_notify it would be io.ErrUnexpectedEOF
		c.Close()
		s.close()
	}
}

// BenchmarkEcho is a question and its answer, one after the other, and what each way of bytes takes for it.
func BenchmarkEcho(b *testing.B) {
	for _, w := range ways(b) {
		b.Run(w.name, func(b *testing.B) {
			toy := &contract.Toy{Allowance: 1 << 20}
			s := open(b.Fatalf, toy, b.TempDir(), w, server.Config{FrameBytesMin: 1})
			defer s.close()
			c := s.Dial().(client)
			defer c.Close()
			frame := append([]byte{0, 0, 0, 101, 'e'}, make([]byte, 100)...)
			answer := make([]byte, 104)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Conn.Write(frame); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c.Conn, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
