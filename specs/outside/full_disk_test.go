//go:build root

package outside

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fullDisk is a file system of 64 MiB, most of which a file takes that can be thrown away.
type fullDisk struct {
	node    *Node
	data    string
	ballast string
	size    int64                 // of it
	acked   map[string][][32]byte // by topic: what was acknowledged, in order
	next    int32                 // sequence of the idempotent producer
	sent    int
}

// TestFullDisk fills a real file system under the shipped binary: produce is refused with KAFKA_STORAGE_ERROR by every
// level of acknowledgement that has an answer, reads go on, a kill and a start on the full disk work, writes resume when
// there is space, and nothing acknowledged is lost or doubled.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("rookery-outside", mount, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("this test mounts a tmpfs of 64 MiB (%v): run it as root, or as root of a namespace: unshare --user --map-root-user --mount make powercut", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(mount, unix.MNT_DETACH)) })
	f := &fullDisk{data: filepath.Join(mount, "data"), ballast: filepath.Join(mount, "ballast"), acked: map[string][][32]byte{}}
	f.node = Start(t, binaryPath, f.data)
	c := Dial(t, f.node)
	for _, name := range []string{"durable", "cached", "sequenced"} {
		configs := []string{"segment.bytes", "4194304"}
		if name == "cached" {
			configs = append(configs, "flush.messages", "1000000")
		}
		Create(t, c, name, configs...)
	}
	for round := range 2 {
		f.size = int64(30-10*round) << 20
		require.NoError(t, os.WriteFile(f.ballast, make([]byte, f.size), 0o644))
		f.fill(t)
		f.look(t)
		f.refused(t)
		if round == 0 {
			f.node.Stop(t)
		} else {
			f.node.Kill()
		}
		f.restart(t)
		f.look(t)
		f.fill(t)
		f.refused(t)
		require.NoError(t, os.Remove(f.ballast))
		for _, topic := range []string{"durable", "cached", "sequenced"} {
			Await(t, func() bool { return f.produce(t, topic, -1, 1000) == 0 }, "%s takes writes again: %s", topic, f.node.Log)
		}
		f.look(t)
		require.NotEmpty(t, f.node.Log.Lines("write refused"), "%s", f.node.Log)
	}
	f.node.Stop(t)
	f.node = Start(t, binaryPath, f.data)
	f.look(t)
}

// restart starts on the full disk. A start writes a little (its registration), so where nothing at all is left it is
// refused in words, and works with a quarter of a MiB.
func (f *fullDisk) restart(t *testing.T) {
	n := Run(t, binaryPath, "dev", "--port", "0", "--data-dir", f.data)
	Await(t, func() bool { n.Address = n.Log.ready(); return n.Address != "" || n.gone() }, "ready, or gone: %s", n.Log)
	if n.gone() {
		require.ErrorContains(t, n.Ended(t), "exit status 1")
		require.Contains(t, n.Log.String(), "no space left\n  make room on it")
		require.NotContains(t, n.Log.String(), "goroutine")
		require.NoError(t, os.Truncate(f.ballast, f.size-256<<10))
		n = Start(t, binaryPath, f.data)
	}
	f.node = n
}

// produce sends one batch and notes it if it is acknowledged.
func (f *fullDisk) produce(t *testing.T, topic string, acks int16, size int) int16 {
	t.Helper()
	f.sent++
	b := Batch(Record(fmt.Sprint(f.sent), string(bytes.Repeat([]byte{byte(f.sent)}, size))))
	if topic == "sequenced" {
		binary.BigEndian.PutUint64(b[AtProducerID:], 9000)
		binary.BigEndian.PutUint16(b[AtProducerEpoch:], 0)
		binary.BigEndian.PutUint32(b[AtBaseSequence:], uint32(f.next))
		Sign(b)
	}
	got := partitionOf(Dial(t, f.node).Ask(t, Produce(topic, [16]byte{}, 0, acks, b), 12))
	if got.ErrorCode != 0 {
		require.EqualValues(t, -1, got.BaseOffset)
		return got.ErrorCode
	}
	require.EqualValues(t, len(f.acked[topic]), got.BaseOffset, "%s: dense, whatever was refused between", topic)
	f.acked[topic] = append(f.acked[topic], sha256.Sum256(b[AtRecords:]))
	if topic == "sequenced" {
		f.next++
	}
	return 0
}

// fill writes until nothing fits, in big pieces and then in small ones.
func (f *fullDisk) fill(t *testing.T) {
	for _, size := range []int{500_000, 10_000} {
		full := map[string]bool{}
		for i := 0; len(full) < 3; i++ {
			require.Less(t, i, 5000, "the disk does not fill")
			topic := []string{"durable", "cached", "sequenced"}[i%3]
			if full[topic] {
				continue
			}
			if code := f.produce(t, topic, []int16{-1, 1}[i/3%2], size); code != 0 {
				require.EqualValues(t, storageError, code)
				full[topic] = true
			}
		}
	}
}

// refused: it stays full, and the broker stays up. A topic cannot be made, and that is an answer too.
func (f *fullDisk) refused(t *testing.T) {
	for _, topic := range []string{"durable", "cached", "sequenced"} {
		for range 3 {
			require.EqualValues(t, storageError, f.produce(t, topic, -1, 100_000), topic)
		}
	}
	f.node.Alive(t)
}

// look reads everything back.
func (f *fullDisk) look(t *testing.T) {
	t.Helper()
	c := Dial(t, f.node)
	for topic, want := range f.acked {
		require.EqualValues(t, len(want), End(t, c, topic, 0), topic)
		offset := int64(0)
		for stored := []byte(nil); offset < int64(len(want)); offset++ {
			if len(stored) < AtRecords || len(stored) < 12+int(binary.BigEndian.Uint32(stored[AtLength:])) {
				stored = Stored(t, c, topic, 0, offset)
			}
			size := 12 + int(binary.BigEndian.Uint32(stored[AtLength:]))
			require.EqualValues(t, offset, binary.BigEndian.Uint64(stored))
			require.Equal(t, want[offset], sha256.Sum256(stored[AtRecords:size]), "%s at %d", topic, offset)
			stored = stored[size:]
		}
	}
}
