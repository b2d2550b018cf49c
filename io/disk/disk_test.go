package disk_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/seam/contract"
	"rookery/io/disk"
)

// subject is a Port over a real folder whose mailbox the suite reads.
type subject struct {
	disk   *disk.Disk
	config disk.Config
	port   *disk.Port
	calm   bool
	mail   *mailbox
}

func newSubject(config disk.Config, calm bool) *subject {
	s := &subject{config: config, calm: calm, mail: &mailbox{came: make(chan seam.Input, 10_000)}}
	s.start()
	return s
}

func (s *subject) start() {
	s.disk = disk.New(s.config)
	s.port = s.disk.Port(s.mail, s.calm)
}

// mailbox copies what is posted, as a loop does.
type mailbox struct{ came chan seam.Input }

func (m *mailbox) Run() {}

func (m *mailbox) Post(in seam.Input) {
	switch in := in.(type) {
	case *seam.Wrote:
		whole := *in
		m.came <- &whole
	case *seam.Synced:
		whole := *in
		m.came <- &whole
	case *seam.Loaded:
		whole := *in
		m.came <- &whole
	}
}

func (s *subject) Do(fx *seam.Effects) []seam.Input {
	ready := s.port.Queue(fx, nil)
	var chores sync.WaitGroup
	for _, chore := range ready {
		chores.Add(1)
		go func() {
			defer chores.Done()
			for chore.Do() {
			}
		}()
	}
	chores.Wait()
	var came []seam.Input
	for range len(fx.Writes) + len(fx.Files) + len(fx.Reads) + len(fx.Syncs) {
		came = append(came, <-s.mail.came)
	}
	return came
}

func (s *subject) Cut() bool {
	s.disk.Close()
	s.start()
	return false
}

// Limit uses the limit that the kernel has for the size of a process's files. A write that crosses it is cut short.
func (s *subject) Limit(bytes int64) bool {
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if bytes > 0 {
		limit.Cur = uint64(bytes)
	}
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit) == nil
}

func TestMain(m *testing.M) {
	signal.Ignore(syscall.SIGXFSZ)
	os.Exit(m.Run())
}

func TestContract(t *testing.T) {
	for name, config := range map[string]disk.Config{
		"as it is":         {},
		"few open handles": {OpenHandlesMax: 1, JoinBytesMax: 1 << 13},
	} {
		for _, calm := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				rapid.Check(t, func(r *rapid.T) {
					config.Dirs = []string{newFolder(t)}
					s := newSubject(config, calm)
					defer s.disk.Close()
					defer s.Limit(0)
					contract.Disk(r, s)
				})
			})
		}
	}
}

func newFolder(t *testing.T) string {
	folder, err := os.MkdirTemp(t.TempDir(), "log")
	require.NoError(t, err)
	return folder
}

func TestLimitIsHit(t *testing.T) {
	s := newSubject(disk.Config{Dirs: []string{t.TempDir()}}, false)
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "f"}}}})
	require.True(t, s.Limit(1000))
	defer s.Limit(0)
	came := s.Do(&seam.Effects{Writes: []seam.Write{
		{Op: 2, File: 1, At: 0, Data: make([]byte, 600)},
		{Op: 3, File: 1, At: 600, Data: make([]byte, 600)},
		{Op: 4, File: 1, At: 1200, Data: make([]byte, 600)},
	}})
	require.Equal(t, &seam.Wrote{Op: 2, Bytes: 600}, came[0])
	require.Equal(t, &seam.Wrote{Op: 3, Bytes: 400, Fault: seam.IOError}, came[1])
	require.Equal(t, &seam.Wrote{Op: 4, Fault: seam.Planned}, came[2])
}

func TestUnlinkedFileServesItsReaders(t *testing.T) {
	dir := t.TempDir()
	s := newSubject(disk.Config{Dirs: []string{dir}, OpenHandlesMax: 1}, true)
	s.Do(&seam.Effects{Files: []seam.FileOp{
		{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "p/f"}},
		{Op: 2, Deed: seam.Create, File: 2, Path: seam.Path{Name: "p/g"}}},
		Writes: []seam.Write{{Op: 3, File: 1, Data: []byte("what was promised")}},
		Syncs:  []seam.Sync{{Op: 4, File: 1}}})
	for op := seam.Op(5); op < 10; op++ { // takes the handle of file 1 away
		s.Do(&seam.Effects{Reads: []seam.Read{{Op: op, File: 2, Len: 1}}})
	}
	handle, fault := s.port.Pin(1)
	require.Equal(t, seam.OK, fault)
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 10, Deed: seam.Unlink, File: 1}}})
	require.NoFileExists(t, filepath.Join(dir, "p", "f"))
	_, fault = s.port.Pin(1)
	require.Equal(t, seam.NotFound, fault)

	fd, fault := handle.Descriptor()
	require.Equal(t, seam.OK, fault)
	data := make([]byte, 100)
	n, err := unix.Pread(fd, data, 5)
	require.NoError(t, err)
	require.Equal(t, "was promised", string(data[:n]))
	require.Equal(t, "what was", string(handle.Bytes(0, 8)))
	handle.Done()
	handle.Release()
	_, err = unix.Pread(fd, data, 0)
	require.ErrorIs(t, err, unix.EBADF)
}

func TestStartedListsFoldersBeforeWhatIsInThem(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "b-0"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b-0", "00.log"), []byte("xyz"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644))
	locked, err := disk.Lock(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, locked.Unlock()) }()

	started := disk.New(disk.Config{Dirs: []string{dir, filepath.Join(other, "gone")}}).Started()
	require.Equal(t, []seam.Fault{seam.OK, seam.NotFound}, started.Dirs)
	require.Equal(t, []seam.Entry{
		{Path: seam.Path{Name: "a"}, Size: 1},
		{Path: seam.Path{Name: "b-0"}, Folder: true},
		{Path: seam.Path{Name: "b-0/00.log"}, Size: 3},
	}, started.Files)
}

func TestLockNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	locked, err := disk.Lock(dir)
	require.NoError(t, err)
	_, err = disk.Lock(dir)
	require.ErrorContains(t, err, "in use by process")
	require.NoError(t, locked.Unlock())
	again, err := disk.Lock(dir)
	require.NoError(t, err)
	require.NoError(t, again.Unlock())
}

// What has left the page cache is read all the same, by the crew, which may wait for the device, and what is queued
// behind it comes after it.
func TestReadsOfWhatIsNotInMemory(t *testing.T) {
	folder := t.TempDir()
	s := newSubject(disk.Config{Dirs: []string{folder}}, false)
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	s.Do(&seam.Effects{Files: []seam.FileOp{{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "f"}}}})
	s.Do(&seam.Effects{Writes: []seam.Write{{Op: 2, File: 1, Data: data}}})
	file, err := os.Open(filepath.Join(folder, "f"))
	require.NoError(t, err)
	defer file.Close()
	for op := seam.Op(3); op < 30; op++ {
		require.NoError(t, file.Sync())
		require.NoError(t, unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED))
		at := int64(op) * 20_000
		came := s.Do(&seam.Effects{Reads: []seam.Read{{Op: op, File: 1, At: at, Len: 5000}, {Op: op + 100, File: 1, At: int64(len(data)) - 10, Len: 5000}}})
		require.Equal(t, &seam.Loaded{Op: op, Data: data[at : at+5000]}, came[0])
		require.Equal(t, &seam.Loaded{Op: op + 100, Data: data[len(data)-10:]}, came[1])
	}
}

// A name that is taken is somebody's: a disk that is well says so.
func TestRenameReplacesAFileByAFileAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	s := newSubject(disk.Config{Dirs: []string{dir}}, true)
	folder := func(name string, files ...string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		for _, file := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name, file), []byte("x"), 0o644))
		}
	}
	file := func(name string) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644)) }
	folder("from", "f")
	folder("empty")
	folder("full", "notes")
	file("file")
	file("other")
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	op := seam.Op(0)
	rename := func(from, to string) seam.Fault {
		op++
		return s.Do(&seam.Effects{Files: []seam.FileOp{{Op: op, Deed: seam.Rename, Path: seam.Path{Name: from}, To: seam.Path{Name: to}}}})[0].(*seam.Wrote).Fault
	}
	for _, to := range []string{"empty", "full", "file", "link", "dangling"} {
		require.Equal(t, seam.Exists, rename("from", to), "a folder to %s", to)
		require.Equal(t, seam.Exists, rename("link", "full"), "a link")
	}
	for _, to := range []string{"empty", "full"} {
		require.Equal(t, seam.Exists, rename("file", to), "a file to %s", to)
	}
	require.FileExists(t, filepath.Join(dir, "full", "notes"))
	require.Equal(t, seam.OK, rename("file", "other"))
	require.Equal(t, seam.OK, rename("from", "free"))
	require.Equal(t, seam.OK, rename("link", "link-delete"))
	require.Equal(t, seam.NotFound, rename("from", "free"))
}

// So is a folder in one that is to be removed.
func TestRemoveOfAFolderWithAFolderInIt(t *testing.T) {
	dir := t.TempDir()
	s := newSubject(disk.Config{Dirs: []string{dir}}, true)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "p-0", "notes"), 0o755))
	remove := func(op seam.Op) seam.Fault {
		return s.Do(&seam.Effects{Files: []seam.FileOp{{Op: op, Deed: seam.Remove, Path: seam.Path{Name: "p-0"}}}})[0].(*seam.Wrote).Fault
	}
	require.Equal(t, seam.Exists, remove(1))
	require.DirExists(t, filepath.Join(dir, "p-0", "notes"))
	require.NoError(t, os.Remove(filepath.Join(dir, "p-0", "notes")))
	require.Equal(t, seam.OK, remove(2))
}
