package server

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

func TestWhatIsInUseIsNotUsedAgain(t *testing.T) {
	inUse := false
	s := slabs{idleMax: 1 << 20, inUse: func([]byte) bool { return inUse }}
	c := s.take(100)
	s.release(c)
	require.Same(t, c, s.take(100))
	inUse = true
	s.release(c)
	inUse = false
	require.NotSame(t, c, s.take(100))
}

// TestAConnectionOverwritesNothingInUse: of two frames that have the chunk one after the other, the first stays as it is for as
// long as a disk that was given up may still read it, whether its lease is freed at once or later.
func TestAConnectionOverwritesNothingInUse(t *testing.T) {
	for _, inUse := range []bool{false, true} {
		for _, atOnce := range []bool{false, true} {
			s := New(Config{InUse: func([]byte) bool { return inUse }})
			mail := &frees{server: s, atOnce: atOnce}
			s.Bind(mail)
			c := &conn{server: s, size: smallestChunk}
			c.granted.Store(1 << 20)
			for i := range 2 {
				c.arrive(bytes.Repeat([]byte{byte(i)}, smallestChunk-lengthSize))
				s.leases.free(mail.lent)
				mail.lent = nil
			}
			if inUse {
				require.Equal(t, bytes.Repeat([]byte{0}, smallestChunk-lengthSize), mail.frames[0], "freed at once: %v", atOnce)
			} else {
				require.Same(t, &mail.frames[0][0], &mail.frames[1][0], "what nobody has is used again")
			}
		}
	}
}

// arrive has a frame come.
func (c *conn) arrive(frame []byte) {
	c.room(lengthSize + len(frame))
	c.end += copy(c.chunk.data[c.end:], binary.BigEndian.AppendUint32(nil, uint32(len(frame))))
	c.end += copy(c.chunk.data[c.end:], frame)
	c.parse()
}

// frees is a machine that keeps no frame, at once or by and by.
type frees struct {
	server *Server
	atOnce bool
	frames [][]byte
	lent   []seam.Lease
}

func (m *frees) Post(in seam.Input) {
	r := in.(*seam.Request)
	m.frames = append(m.frames, r.Frame)
	if m.atOnce {
		m.server.leases.free([]seam.Lease{r.Lease})
		return
	}
	m.lent = append(m.lent, r.Lease)
}

func (m *frees) Run() {}

// The longest frame that a client can announce, and its length before it, have a chunk.
func TestChunkOfTheLongestFrame(t *testing.T) {
	s := slabs{}
	c := s.take(4 + 1<<31 - 1)
	require.GreaterOrEqual(t, int64(len(c.data)), int64(1<<31+3))
	s.release(c)
}

// TestReadersThatAreReplacedAreBounded: each has a thread in a disk that hangs.
func TestReadersThatAreReplacedAreBounded(t *testing.T) {
	c := &conn{server: New(Config{})}
	c.watchdog = time.AfterFunc(time.Hour, func() {})
	defer c.watchdog.Stop()
	c.runs.Store(1)
	c.server.stuck.Store(stuckMax)
	c.readOn()
	require.EqualValues(t, 1, c.runs.Load(), "nobody takes his place")
	c.server.stuck.Store(stuckMax - 1)
	c.draining.Store(true)
	c.cutting.Store(true)
	c.ended, c.gone = true, true
	c.server.Bind(nobody{})
	c.readOn()
	require.EqualValues(t, 2, c.runs.Load())
	require.EqualValues(t, stuckMax, c.server.stuck.Load(), "until he comes back")
}

type nobody struct{}

func (nobody) Post(seam.Input) {}
func (nobody) Run()            {}
