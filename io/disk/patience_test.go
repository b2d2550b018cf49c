package disk_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"rookery/core/seam"
	"rookery/io/disk"
)

// stick makes every open of a file wait, as a disk does that neither answers nor fails: the kernel asks the holder of a
// lease first (fcntl(2), F_SETLEASE), and the holder does not care.
func stick(t *testing.T, name string) (letGo func()) {
	signal.Ignore(syscall.SIGIO)
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_WRLCK)
	require.NoError(t, err, "a lease on %s", name)
	return func() { require.NoError(t, unix.Close(fd)) }
}

func (s *subject) queue(fx *seam.Effects) {
	for _, chore := range s.port.Queue(fx, nil) {
		go func() {
			for chore.Do() {
			}
		}()
	}
}

const handles = 8 // more than what is stuck takes

const patience = 200 * time.Millisecond

// stuckFile has two files, one of which cannot be opened any more.
func stuckFile(t *testing.T) (s *subject, name string) {
	dir := t.TempDir()
	s = newSubject(disk.Config{Dirs: []string{dir}, OpenHandlesMax: handles, Patience: patience}, false)
	t.Cleanup(func() { s.disk.Close() })
	s.Do(&seam.Effects{
		Files: []seam.FileOp{{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "stuck"}}, {Op: 2, Deed: seam.Create, File: 2, Path: seam.Path{Name: "well"}}},
	})
	s.Do(&seam.Effects{Writes: []seam.Write{{Op: 3, File: 1, Data: []byte("there")}}})
	s.Do(&seam.Effects{Syncs: []seam.Sync{{Op: 4, File: 1}}})
	for id := seam.File(100); id < 100+3*handles; id++ { // takes the handle away
		s.Do(&seam.Effects{Files: []seam.FileOp{{Op: seam.Op(id), Deed: seam.Create, File: id, Path: seam.Path{Name: fmt.Sprint(id)}}}})
	}
	return s, filepath.Join(dir, "stuck")
}

func TestAStuckFileIsGivenUpAndTheOthersGoOn(t *testing.T) {
	s, name := stuckFile(t)
	letGo := stick(t, name)
	data := []byte("given up")
	s.queue(&seam.Effects{
		Writes: []seam.Write{{Op: 10, File: 1, At: 5, Data: data}, {Op: 11, File: 1, At: 0, Data: data}},
		Reads:  []seam.Read{{Op: 12, File: 1, Len: 5}},
		Syncs:  []seam.Sync{{Op: 13, File: 1}},
		Files:  []seam.FileOp{{Op: 14, Deed: seam.Rename, Path: seam.Path{Name: "other"}, To: seam.Path{Name: "stuck"}}},
	})
	wrote := s.Do(&seam.Effects{Writes: []seam.Write{{Op: 20, File: 2, Data: []byte("at once")}}})
	require.Equal(t, []seam.Input{&seam.Wrote{Op: 20, Bytes: 7}}, wrote, "before anything is given up")
	late := map[seam.Input]bool{}
	for range 5 {
		in := <-s.mail.came
		for want := range map[seam.Input]bool{&seam.Wrote{Op: 10, Fault: seam.Late}: true, &seam.Wrote{Op: 11, Fault: seam.Late}: true,
			&seam.Loaded{Op: 12, Fault: seam.Late}: true, &seam.Synced{Op: 13, Fault: seam.Late}: true, &seam.Wrote{Op: 14, Fault: seam.Late}: true} {
			late[in] = late[in] || equal(in, want)
		}
		require.True(t, late[in], "%+v", in)
	}
	require.Len(t, late, 5)
	require.True(t, s.disk.InUse(data[3:4]), "the kernel may still read the bytes")
	require.False(t, s.disk.InUse([]byte("some others")))
	require.False(t, s.disk.InUse(nil))

	letGo()
	require.Eventually(t, func() bool { return !s.disk.InUse(data) }, 10*time.Second, time.Millisecond)
	again := s.Do(&seam.Effects{Writes: []seam.Write{{Op: 30, File: 1, At: 5, Data: data}}})
	require.Equal(t, []seam.Input{&seam.Wrote{Op: 30, Fault: seam.Planned}}, again, "what became of it is not known")
	again = s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 31, Deed: seam.Truncate, File: 1, Size: 5}}, Writes: []seam.Write{{Op: 32, File: 1, At: 5, Data: []byte(" again")}},
		Reads: []seam.Read{{Op: 33, File: 1, Len: 100}}})
	require.Equal(t, []seam.Input{&seam.Wrote{Op: 31}, &seam.Wrote{Op: 32, Bytes: 6}, &seam.Loaded{Op: 33, Data: []byte("there again")}}, again)
	require.Empty(t, s.mail.came, "everything came back once")
}

func equal(a, b seam.Input) bool {
	switch a := a.(type) {
	case *seam.Wrote:
		b, ok := b.(*seam.Wrote)
		return ok && a.Op == b.Op && a.Fault == b.Fault && a.Bytes == b.Bytes
	case *seam.Loaded:
		b, ok := b.(*seam.Loaded)
		return ok && a.Op == b.Op && a.Fault == b.Fault && len(a.Data) == 0
	case *seam.Synced:
		b, ok := b.(*seam.Synced)
		return ok && *a == *b
	}
	return false
}

// TestAnOpenThatNeverComesBack: its file is written to only after a truncate, and nothing of it is answered twice.
func TestAnOpenThatNeverComesBack(t *testing.T) {
	s, name := stuckFile(t)
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 10, Deed: seam.Close, File: 1}}})
	letGo := stick(t, name)
	s.queue(&seam.Effects{Files: []seam.FileOp{{Op: 11, Deed: seam.Open, File: 3, Path: seam.Path{Name: "stuck"}}}})
	require.Equal(t, &seam.Wrote{Op: 11, Fault: seam.Late}, <-s.mail.came)
	letGo()
	came := s.Do(&seam.Effects{Writes: []seam.Write{{Op: 12, File: 3, Data: []byte("x")}}})
	require.Equal(t, []seam.Input{&seam.Wrote{Op: 12, Fault: seam.Planned}}, came)
	require.Empty(t, s.mail.came)
}

// TestAStuckDirectoryIsGivenUpAndTheOthersGoOn: an open that lasts, syncs that wait behind it, and a name that has to wait
// for the open keep nobody of another log directory waiting.
func TestAStuckDirectoryIsGivenUpAndTheOthersGoOn(t *testing.T) {
	stuck, well := t.TempDir(), t.TempDir()
	name := filepath.Join(stuck, "f")
	require.NoError(t, os.WriteFile(name, []byte("there"), 0o644))
	s := newSubject(disk.Config{Dirs: []string{stuck, well}, SyncsMax: 1, Patience: time.Minute}, false)
	defer s.disk.Close()
	letGo := stick(t, name)
	s.queue(&seam.Effects{Files: []seam.FileOp{{Op: 1, Deed: seam.Open, File: 1, Path: seam.Path{Name: "f"}}}})
	require.Eventually(t, func() bool { return s.disk.IsOpening(0) }, 10*time.Second, time.Millisecond)
	s.queue(&seam.Effects{Syncs: []seam.Sync{{Op: 2, File: 1}}})
	s.queue(&seam.Effects{Files: []seam.FileOp{{Op: 3, Deed: seam.Rename, Path: seam.Path{Name: "f"}, To: seam.Path{Name: "g"}}}})
	require.Eventually(t, func() bool { return s.disk.IsHeldUp(0) }, 10*time.Second, time.Millisecond)

	came := s.Do(&seam.Effects{
		Files:  []seam.FileOp{{Op: 4, Deed: seam.Create, File: 2, Path: seam.Path{Dir: 1, Name: "f"}}},
		Writes: []seam.Write{{Op: 5, File: 2, Data: []byte("at once")}},
	})
	require.ElementsMatch(t, []seam.Input{&seam.Wrote{Op: 4}, &seam.Wrote{Op: 5, Bytes: 7}}, came)
	came = s.Do(&seam.Effects{Syncs: []seam.Sync{{Op: 6, File: 2}, {Op: 7, Folder: seam.Path{Dir: 1}}}})
	require.ElementsMatch(t, []seam.Input{&seam.Synced{Op: 6}, &seam.Synced{Op: 7}}, came)

	letGo()
	for range 3 {
		<-s.mail.came
	}
}
