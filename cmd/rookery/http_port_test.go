package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// askKept asks a page and keeps the connection.
func askKept(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// TestTheHTTPPortHasFewConnections: whoever keeps one without a use for it makes room, and everybody is answered.
func TestTheHTTPPortHasFewConnections(t *testing.T) {
	m := newMonitor(&node{settings: &settings{}, logger: slog.New(slog.DiscardHandler)})
	at, end, err := m.serve("127.0.0.1:0", false)
	require.NoError(t, err)
	defer end()
	closed := make(chan error, 3*httpConnsMax)
	for range 3 * httpConnsMax {
		conn, err := net.Dial("tcp", at.String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		askKept(t, conn)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			closed <- err
		}()
	}
	for range 2 * httpConnsMax {
		require.ErrorIs(t, <-closed, io.EOF)
	}
	require.Empty(t, closed, "no more than have to")
}

// TestWhoSaysNothingMakesRoomToo: the port has no other way to be rid of them here, for its patience has no end.
func TestWhoSaysNothingMakesRoomToo(t *testing.T) {
	port := newPort(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	port.ReadHeaderTimeout, port.ReadTimeout, port.IdleTimeout = 0, 0, 0
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	few := newFew(listener.(*net.TCPListener))
	go func() { _ = port.Serve(few) }()
	defer port.Close()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		return conn
	}
	asking := dial()
	askKept(t, asking)
	require.Eventually(t, func() bool { // its answer is here before it is noted as silent
		few.mu.Lock()
		defer few.mu.Unlock()
		return len(few.silent) == 1
	}, 10*time.Second, time.Millisecond)
	for range httpConnsMax {
		silent := dial()
		defer func() {
			_, err := silent.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
		}()
	}
	for range httpConnsMax {
		askKept(t, dial())
	}
	_, err = asking.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestTheHTTPPortEndsWhileSomebodyWaits: the place that is waited for never comes.
func TestTheHTTPPortEndsWhileSomebodyWaits(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := newFew(inner.(*net.TCPListener))
	for range httpConnsMax + 1 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
	}
	for range httpConnsMax {
		conn, err := f.Accept()
		require.NoError(t, err)
		defer conn.Close()
	}
	ended := make(chan error)
	go func() {
		_, err := f.Accept()
		ended <- err
	}()
	require.NoError(t, f.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

// TestAnHTTPAnswerThatIsNotTaken: whoever asks and does not read is not written to for ever.
func TestAnHTTPAnswerThatIsNotTaken(t *testing.T) {
	failed := make(chan error, 1)
	port := newPort(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				failed <- err
				return
			}
		}
	}))
	port.WriteTimeout = min(port.WriteTimeout, 50*time.Millisecond)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = port.Serve(listener) }()
	defer port.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	select {
	case err := <-failed:
		require.ErrorContains(t, err, "timeout")
	case <-time.After(20 * time.Second):
		t.Fatal("it is written to still")
	}
}
