package loop_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
	"rookery/core/seam/contract"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
)

// house is a toy machine with everything a broker has around it.
type house struct {
	toy     *contract.Toy
	loop    *loop.Loop
	server  *server.Server
	disk    *disk.Disk
	address string
	dir     string
}

func open(t testing.TB, config server.Config, tape *loop.Tape) *house {
	h := &house{dir: t.TempDir()}
	h.toy = &contract.Toy{File: 1, Path: seam.Path{Name: "topic-0/log"}, Allowance: 1 << 20}
	h.disk = disk.New(disk.Config{Dirs: []string{h.dir}})
	var port *disk.Port
	config.Rewrite = contract.Rewrite
	config.Pin = func(file seam.File) (server.Source, seam.Fault) {
		handle, fault := port.Pin(file)
		return handle, fault
	}
	if tape != nil {
		config.Arrived = tape.Frame
	}
	h.server = server.New(config)
	h.loop = loop.New(loop.Config{
		Machine: h.toy,
		Conns:   h.server,
		Tape:    tape,
		Disk: func(mail *loop.Loop, calm bool) loop.Disk {
			port = h.disk.Port(mail, calm)
			return port
		},
	})
	h.server.Bind(h.loop)
	h.loop.Push(h.disk.Started())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h.address = listener.Addr().String()
	var served sync.WaitGroup
	served.Add(1)
	go func() {
		defer served.Done()
		_ = h.server.Serve(server.Listener{Listener: listener})
	}()
	t.Cleanup(func() {
		h.server.Close()
		served.Wait()
	})
	return h
}

func (h *house) dial(t testing.TB) net.Conn {
	c, err := net.Dial("tcp", h.address)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func frame(what byte, echo []byte) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(1+len(echo)))
	return append(append(f, what), echo...)
}

func answer(t testing.TB, c net.Conn) []byte {
	var length [4]byte
	_, err := io.ReadFull(c, length[:])
	require.NoError(t, err)
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err = io.ReadFull(c, body)
	require.NoError(t, err)
	return body
}

func TestFramesAreEchoed(t *testing.T) {
	h := open(t, server.Config{Poison: true}, nil)
	c := h.dial(t)
	_, err := c.Write(append(frame('e', []byte("first one")), frame('e', []byte("second one"))...))
	require.NoError(t, err)
	require.Equal(t, "first one", string(answer(t, c)))
	require.Equal(t, "second one", string(answer(t, c)))
}

func TestWritesReachTheFileAndComeBackAsRanges(t *testing.T) {
	for _, way := range []server.Way{server.Mapped, server.Sendfile, server.Copied} {
		t.Run(way.String(), func(t *testing.T) {
			h := open(t, server.Config{Poison: true, Ranges: way}, nil)
			c := h.dial(t)
			var all []byte
			for i := range 64 {
				payload := bytes.Repeat([]byte{byte(i)}, 1000+1777*i)
				what := "ws"[i%2]
				f := frame(what, payload)
				all = append(all, f[4:]...)
				_, err := c.Write(f)
				require.NoError(t, err)
			}
			for i := range 64 {
				require.Equal(t, bytes.Repeat([]byte{byte(i)}, 8), answer(t, c))
			}
			onDisk, err := os.ReadFile(filepath.Join(h.dir, "topic-0", "log"))
			require.NoError(t, err)
			require.True(t, bytes.Equal(all, onDisk))

			ask := binary.BigEndian.AppendUint64(nil, 5)
			ask = binary.BigEndian.AppendUint32(ask, uint32(len(all)-5))
			_, err = c.Write(bytes.Repeat(frame('f', ask), 3))
			require.NoError(t, err)
			for range 3 {
				body := answer(t, c)
				require.Equal(t, "byt", string(body[:3]))
				require.True(t, bytes.Equal(all[5:], body[3:len(body)-2]))
				require.Equal(t, "es", string(body[len(body)-2:]))
			}
		})
	}
}
