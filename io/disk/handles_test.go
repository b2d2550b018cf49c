package disk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"rookery/core/seam"
	"rookery/io/disk"
)

// manyFiles makes files, writes to each, and syncs none.
func manyFiles(n int) *seam.Effects {
	fx := &seam.Effects{}
	for i := 1; i <= n; i++ {
		file := seam.File(i)
		fx.Files = append(fx.Files, seam.FileOp{Op: seam.Op(i), Deed: seam.Create, File: file, Path: seam.Path{Name: fmt.Sprintf("p-%d/f", i)}})
		fx.Writes = append(fx.Writes, seam.Write{Op: seam.Op(n + i), File: file, Data: []byte(fmt.Sprint(i))})
	}
	return fx
}

func readAndSync(n int) *seam.Effects {
	fx := &seam.Effects{}
	for i := 1; i <= n; i++ {
		fx.Reads = append(fx.Reads, seam.Read{Op: seam.Op(2*n + i), File: seam.File(i), Len: 10})
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: seam.Op(3*n + i), File: seam.File(i)}, seam.Sync{Op: seam.Op(4*n + i), Folder: seam.Path{Name: fmt.Sprintf("p-%d", i)}})
	}
	return fx
}

func requireAllWell(t *testing.T, n int, came []seam.Input) {
	for _, in := range came {
		switch in := in.(type) {
		case *seam.Wrote:
			require.Equal(t, seam.OK, in.Fault)
		case *seam.Synced:
			require.Equal(t, seam.OK, in.Fault)
		case *seam.Loaded:
			require.Equal(t, seam.OK, in.Fault)
			require.Equal(t, fmt.Sprint(int(in.Op)-2*n), string(in.Data))
		}
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// A file that is written and not synced does not keep its handle: an index of each of ten thousand partitions is.
func TestUnsyncedFilesDoNotKeepHandles(t *testing.T) {
	const n, most = 500, 7
	for _, calm := range []bool{false, true} {
		s := newSubject(disk.Config{Dirs: []string{t.TempDir()}, OpenHandlesMax: most}, calm)
		before := descriptors(t)
		requireAllWell(t, n, s.Do(manyFiles(n)))
		require.LessOrEqual(t, s.disk.Status().Handles, most)
		require.LessOrEqual(t, descriptors(t), before+most)
		requireAllWell(t, n, s.Do(readAndSync(n)))
		require.LessOrEqual(t, descriptors(t), before+most)
		s.disk.Close()
		require.Zero(t, s.disk.Status().Handles)
	}
}

// limitDescriptors leaves the process so many more than it has.
func limitDescriptors(t *testing.T, more int) {
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	t.Cleanup(func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was)) })
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(descriptors(t) + more), Max: was.Max}))
}

// The kernel may refuse before the disk's own bound is met: connections are descriptors too.
func TestAWantOfDescriptorsIsNoFault(t *testing.T) {
	const n = 300
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}}, false)
	defer s.disk.Close()
	limitDescriptors(t, 20)
	requireAllWell(t, n, s.Do(manyFiles(n)))
	requireAllWell(t, n, s.Do(readAndSync(n)))
}

// Nor is it one of a disk that does not answer, however long it lasts.
func TestPatienceStandsStillWithoutDescriptors(t *testing.T) {
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}, Patience: patience}, false)
	defer s.disk.Close()
	limitDescriptors(t, 20)
	var taken []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			require.Equal(t, unix.EMFILE, err)
			break
		}
		taken = append(taken, fd)
	}
	fx := manyFiles(1)
	fx.Files = append(fx.Files, seam.FileOp{Op: 3, Deed: seam.List, Path: seam.Path{}})
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: 4, Folder: seam.Path{}})
	s.queue(fx)
	require.Never(t, func() bool { return len(s.mail.came) > 0 }, 3*patience, patience)
	for _, fd := range taken {
		require.NoError(t, unix.Close(fd))
	}
	for range 4 {
		switch in := (<-s.mail.came).(type) {
		case *seam.Wrote:
			require.Equal(t, seam.OK, in.Fault)
		case *seam.Synced:
			require.Equal(t, seam.OK, in.Fault)
		}
	}
}

// A handle that is closed for another is synced before, and what that sync says the next one says too: the kernel tells
// of a write-back that failed once a handle, and another handle of the file may be too late to hear of it.
func TestAFailedSyncIsNotForgottenWithItsHandle(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	require.NoError(t, os.Symlink("/dev/null", name)) // takes what is written, and refuses to sync
	s := newSubject(disk.Config{Dirs: []string{dir}, OpenHandlesMax: 1}, false)
	defer s.disk.Close()
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 1, Deed: seam.Open, File: 1, Path: seam.Path{Name: "f"}}}})
	s.Do(&seam.Effects{Writes: []seam.Write{{Op: 2, File: 1, Data: []byte("lost")}}})
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 3, Deed: seam.Create, File: 2, Path: seam.Path{Name: "other"}}}})
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.WriteFile(name, nil, 0o644)) // one that can be synced
	for op := seam.Op(4); op < 7; op++ {
		require.Equal(t, []seam.Input{&seam.Synced{Op: op, Fault: seam.IOError}}, s.Do(&seam.Effects{Syncs: []seam.Sync{{Op: op, File: 1}}}))
	}
}

// What is being sent keeps its bytes, and no handle: a reply may be of a thousand files, to a client that does not read.
func TestFilesThatAreSentKeepNoHandles(t *testing.T) {
	const n, most = 100, 5
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}, OpenHandlesMax: most}, false)
	defer s.disk.Close()
	s.Do(manyFiles(n))
	var sent []*disk.Handle
	var shown [][]byte
	for i := 1; i <= n; i++ {
		h, fault := s.port.Pin(seam.File(i))
		require.Equal(t, seam.OK, fault)
		sent, shown = append(sent, h), append(shown, h.Bytes(0, 1))
	}
	require.LessOrEqual(t, s.disk.Status().Handles, most)
	for i := range sent {
		require.Equal(t, fmt.Sprint(i + 1)[:1], string(shown[i]))
	}

	fx := &seam.Effects{} // unlinked, a file is its handle; beyond some the reader is given up
	for i := 1; i <= n; i++ {
		fx.Files = append(fx.Files, seam.FileOp{Op: seam.Op(5000 + i), Deed: seam.Unlink, File: seam.File(i)})
	}
	requireAllWell(t, n, s.Do(fx))
	kept := 0
	for _, h := range sent {
		if fd, fault := h.Descriptor(); fault == seam.OK {
			data := make([]byte, 1)
			_, err := unix.Pread(fd, data, 0)
			require.NoError(t, err)
			kept++
			h.Done()
		}
		h.Release()
	}
	require.GreaterOrEqual(t, kept, 10)
	require.Less(t, kept, n/2)
	require.Eventually(t, func() bool { return s.disk.Status().Handles == 0 }, 10*time.Second, time.Millisecond) // one may still be in the hands of the goroutine that syncs dirty ones
}

// So many files that a goroutine each would be too many are opened by a crew, and each is carried once.
func TestACrewCarriesAll(t *testing.T) {
	const n = 3000
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}, OpenHandlesMax: 200}, false)
	defer s.disk.Close()
	requireAllWell(t, n, s.Do(manyFiles(n)))
}

// The same of files whose handles are open when they are unlinked: what is kept of them is bounded too.
func TestUnlinkedFilesKeepFewHandles(t *testing.T) {
	const n, most = 300, 40
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}, OpenHandlesMax: most}, false)
	defer s.disk.Close()
	before := descriptors(t)
	var sent []*disk.Handle
	for i := 1; i <= n; i++ {
		fx := &seam.Effects{Files: []seam.FileOp{{Op: seam.Op(i), Deed: seam.Create, File: seam.File(i), Path: seam.Path{Name: fmt.Sprintf("f-%d", i)}}}}
		requireAllWell(t, 0, s.Do(fx))
		h, fault := s.port.Pin(seam.File(i))
		require.Equal(t, seam.OK, fault)
		_, fault = h.Descriptor()
		require.Equal(t, seam.OK, fault)
		h.Done()
		sent = append(sent, h)
		requireAllWell(t, 0, s.Do(&seam.Effects{Files: []seam.FileOp{{Op: seam.Op(n + i), Deed: seam.Unlink, File: seam.File(i)}}}))
	}
	require.LessOrEqual(t, s.disk.Status().Handles, most)
	require.LessOrEqual(t, descriptors(t), before+most)
	for _, h := range sent {
		h.Release()
	}
	require.Zero(t, s.disk.Status().Handles)
}
