package loop_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"rookery/net/server"
)

// BenchmarkWriteAcks is a produce without Kafka: a toy machine acknowledges frames once they are in a file, 16 in
// flight on one connection; beside it the barest program that does the same. Each frame is checksummed as it arrives.
func BenchmarkWriteAcks(b *testing.B) {
	for _, size := range []int{16 << 10, 64 << 10, 1 << 20} {
		b.Run("machine/"+strconv.Itoa(size>>10)+"KiB", func(b *testing.B) {
			h := open(b, server.Config{Intake: checksum}, nil)
			h.toy.Allowance, h.toy.Ring = 32<<20, ring
			load(b, h.address, size, 'w')
		})
		b.Run("bare/"+strconv.Itoa(size>>10)+"KiB", func(b *testing.B) { load(b, bare(b), size, 'w') })
	}
}

// ring is the size of the file that is written over and over: fresh pages cost more than all the rest together.
const ring = 64 << 20

// BenchmarkRanges reads 1 MiB of a cached file a request, one connection, four in flight, by each Way.
func BenchmarkRanges(b *testing.B) {
	for _, way := range []server.Way{server.Mapped, server.Sendfile, server.Copied} {
		b.Run(way.String(), func(b *testing.B) { ranges(b, way) })
	}
}

const rangeBytes = 1 << 20

func ranges(b *testing.B, way server.Way) {
	h := open(b, server.Config{Ranges: way}, nil)
	h.toy.Allowance = 64 << 20
	c := h.dial(b)
	require.NoError(b, c.SetDeadline(time.Time{}))
	const pieces, flight = 32, 4
	for range pieces {
		_, err := c.Write(frame('w', bytes.Repeat([]byte("x"), rangeBytes)))
		require.NoError(b, err)
		answer(b, c)
	}
	b.SetBytes(rangeBytes)
	b.ResetTimer()
	before := processorTime()
	ask := func(i int) {
		at := binary.BigEndian.AppendUint64(nil, uint64(i%pieces)*rangeBytes)
		_, err := c.Write(frame('f', binary.BigEndian.AppendUint32(at, rangeBytes)))
		require.NoError(b, err)
	}
	for i := range flight {
		ask(i)
	}
	buffer := make([]byte, 256<<10)
	for i := range b.N + flight {
		for left := rangeBytes + 9; left > 0; {
			n, err := c.Read(buffer[:min(left, len(buffer))])
			require.NoError(b, err)
			left -= n
		}
		if i < b.N {
			ask(i)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-before)/(float64(b.N)*rangeBytes/1000), "cpu-ns/KB")
}

func checksum(frame []byte, reuse any) any {
	crc32.Checksum(frame, castagnoli)
	return reuse
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bare reads frames, checksums them, writes them to a file and answers: nothing else.
func bare(b *testing.B) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	require.NoError(b, err)
	b.Cleanup(func() { _, _ = listener.Close(), file.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serveBare(c, file)
		}
	}()
	return listener.Addr().String()
}

func serveBare(c net.Conn, file *os.File) {
	buffer, start, end, at := make([]byte, 2<<20), 0, 0, int64(0)
	var answers []byte
	for {
		n, err := c.Read(buffer[end:min(len(buffer), end+256<<10)])
		if err != nil {
			return
		}
		end += n
		answers = answers[:0]
		for end-start >= 4 {
			length := int(binary.BigEndian.Uint32(buffer[start:]))
			if end-start-4 < length {
				break
			}
			frame := buffer[start+4 : start+4+length]
			crc32.Checksum(frame, castagnoli)
			_, _ = file.WriteAt(frame, at)
			if at += int64(length); at > ring {
				at = 0
			}
			answers = append(append(answers, 0, 0, 0, 8), frame[1:9]...)
			start += 4 + length
		}
		if len(answers) > 0 {
			_, _ = c.Write(answers)
		}
		copy(buffer, buffer[start:end])
		start, end = 0, end-start
	}
}

// load keeps 16 frames in flight and reports megabytes a second and the process's processor time a kilobyte, from
// which the load itself takes its part: compare, do not quote.
func load(b *testing.B, address string, size int, what byte) {
	c, err := net.Dial("tcp", address)
	require.NoError(b, err)
	defer func() { _ = c.Close() }()
	f := frame(what, bytes.Repeat([]byte("x"), size-1))
	const flight = 16
	tokens := make(chan struct{}, flight)
	b.SetBytes(int64(size))
	b.ResetTimer()
	before := processorTime()
	done := make(chan error, 1)
	go func() {
		answers := make([]byte, 12*flight)
		for left := 12 * b.N; left > 0; {
			n, err := c.Read(answers)
			if err != nil {
				done <- err
				return
			}
			for range n / 12 {
				<-tokens
			}
			if rest := n % 12; rest != 0 {
				_, _ = io.ReadFull(c, answers[:12-rest])
				<-tokens
				n += 12 - rest
			}
			left -= n
		}
		done <- nil
	}()
	for range b.N {
		tokens <- struct{}{}
		_, err := c.Write(f)
		require.NoError(b, err)
	}
	require.NoError(b, <-done)
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-before)/(float64(b.N)*float64(size)/1000), "cpu-ns/KB")
}

func processorTime() time.Duration {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
