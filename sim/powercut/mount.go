package main

import (
	"fmt"
	"sort"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// mounted serves a disk to the kernel.
//
// Nothing is ever handed to the kernel as a backing file (passthrough): then it would write past us. The kernel's own
// write-back cache stays off too, so a write is here when its system call returns; a shared mapping's pages come when
// they are synced, unmapped or when their process dies.
type mounted struct {
	fuse.RawFileSystem
	disk *disk

	listings map[uint64][]fuse.DirEntry // of the folders being read: what was there when they were opened
	listed   uint64
}

const forever = 24 * time.Hour

func mount(d *disk, at string) (*fuse.Server, error) {
	server, err := fuse.NewServer(&mounted{RawFileSystem: fuse.NewDefaultRawFileSystem(), disk: d, listings: map[uint64][]fuse.DirEntry{}}, at, &fuse.MountOptions{
		DirectMountStrict: true, FsName: "powercut", Name: "powercut", MaxWrite: 1 << 20, DisableXAttrs: true,
		DisableReadDirPlus: true, DisabledCapabilities: fuse.CAP_PASSTHROUGH | fuse.CAP_WRITEBACK_CACHE,
	})
	if err != nil {
		return nil, fmt.Errorf("mount %s (root and /dev/fuse are needed): %w", at, err)
	}
	go server.Serve()
	return server, server.WaitMount()
}

// unmount waits for the last process to let go: the kernel's cache of our files must be gone before the next mount.
func unmount(at string) error {
	var err error
	for range 200 {
		if err = syscall.Unmount(at, 0); err == nil || err == syscall.EINVAL {
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("unmount %s: %w", at, err)
}

// enter takes the lock and finds the inode. A disk without power answers nothing but errors.
func (m *mounted) enter(id uint64) (*inode, fuse.Status) {
	m.disk.mu.Lock()
	if m.disk.frozen {
		return nil, fuse.EIO
	}
	if n := m.disk.inodes[id]; n != nil {
		return n, fuse.OK
	}
	return nil, fuse.Status(syscall.ESTALE)
}

func (m *mounted) leave() { m.disk.mu.Unlock() }

func status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	return fuse.ToStatus(err)
}

func (n *inode) attributes(out *fuse.Attr) {
	out.Ino, out.Nlink, out.Blksize = n.id, 1, pageSize
	out.Size, out.Blocks = uint64(n.size), uint64(n.size+511)/512
	out.Mode = n.mode&0o7777 | syscall.S_IFREG
	if n.folder {
		out.Nlink, out.Mode = 2, n.mode&0o7777|syscall.S_IFDIR
	}
	at := time.Unix(0, n.modified)
	out.SetTimes(&at, &at, &at)
}

func (n *inode) entry(out *fuse.EntryOut) {
	out.NodeId, out.Generation = n.id, 1
	n.attributes(&out.Attr)
	out.SetEntryTimeout(forever)
	out.SetAttrTimeout(forever)
}

func (m *mounted) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	parent, code := m.enter(header.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	child := parent.entries[name]
	if child == nil {
		return fuse.ENOENT
	}
	child.entry(out)
	return fuse.OK
}

func (m *mounted) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	n.attributes(&out.Attr)
	out.SetTimeout(forever)
	return fuse.OK
}

func (m *mounted) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = mode
	}
	if at, ok := in.GetMTime(); ok {
		n.modified = at.UnixNano()
	}
	if size, ok := in.GetSize(); ok {
		if n.folder {
			return fuse.Status(syscall.EISDIR)
		}
		if err := m.disk.truncate(n, int64(size)); err != nil {
			return status(err)
		}
	}
	n.attributes(&out.Attr)
	out.SetTimeout(forever)
	return fuse.OK
}

func (m *mounted) make(id uint64, name string, folder bool, mode uint32, out *fuse.EntryOut) (*inode, fuse.Status) {
	parent, code := m.enter(id)
	defer m.leave()
	if code != fuse.OK {
		return nil, code
	}
	n, err := m.disk.create(parent, name, folder, mode)
	if err != nil {
		return nil, status(err)
	}
	n.modified = time.Now().UnixNano()
	n.entry(out)
	return n, fuse.OK
}

func (m *mounted) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	_, code := m.make(in.NodeId, name, true, in.Mode, out)
	return code
}

func (m *mounted) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if in.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fuse.EPERM
	}
	_, code := m.make(in.NodeId, name, false, in.Mode, out)
	return code
}

func (m *mounted) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	n, code := m.make(in.NodeId, name, false, in.Mode, &out.EntryOut)
	if code == fuse.OK {
		out.Fh = n.id
	}
	return code
}

func (m *mounted) Unlink(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	return m.remove(header.NodeId, name, false)
}

func (m *mounted) Rmdir(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	return m.remove(header.NodeId, name, true)
}

func (m *mounted) remove(id uint64, name string, folder bool) fuse.Status {
	parent, code := m.enter(id)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	return status(m.disk.unlink(parent, name, folder))
}

func (m *mounted) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	const noReplace = 1
	if in.Flags&^noReplace != 0 {
		return fuse.EINVAL
	}
	from, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	to := m.disk.inodes[in.Newdir]
	if to == nil {
		return fuse.ENOENT
	}
	return status(m.disk.rename(from, oldName, to, newName, in.Flags&noReplace == 0))
}

func (m *mounted) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	out.Fh, out.OpenFlags = n.id, fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (m *mounted) Read(_ <-chan struct{}, in *fuse.ReadIn, buffer []byte) (fuse.ReadResult, fuse.Status) {
	n, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return nil, code
	}
	length := max(0, min(int64(len(buffer)), n.size-int64(in.Offset)))
	got, err := n.content.ReadAt(buffer[:length], int64(in.Offset))
	if int64(got) == length {
		err = nil
	}
	return fuse.ReadResultData(buffer[:got]), status(err)
}

func (m *mounted) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return 0, code
	}
	if err := m.disk.write(n, int64(in.Offset), data); err != nil {
		return 0, status(err)
	}
	n.modified = time.Now().UnixNano()
	return uint32(len(data)), fuse.OK
}

func (m *mounted) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	const keepSize = 1
	n, code := m.enter(in.NodeId)
	defer m.leave()
	switch end := int64(in.Offset + in.Length); {
	case code != fuse.OK:
		return code
	case in.Mode == keepSize:
		return fuse.OK
	case in.Mode != 0:
		return fuse.Status(syscall.EOPNOTSUPP)
	case end > n.size:
		return status(m.disk.truncate(n, end))
	}
	return fuse.OK
}

func (m *mounted) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return m.sync(in.NodeId) }

func (m *mounted) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return m.sync(in.NodeId) }

// sync covers what had been done when it was asked for, takes its time, and is good only if the power still is.
func (m *mounted) sync(id uint64) fuse.Status {
	n, code := m.enter(id)
	if code != fuse.OK {
		m.leave()
		return code
	}
	done := m.disk.syncFile
	if n.folder {
		done = m.disk.syncFolder
	}
	finish, delay := done(n), m.disk.delay(n.folder)
	m.leave()
	time.Sleep(time.Duration(delay) * time.Microsecond)
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.disk.frozen {
		return fuse.EIO
	}
	finish()
	m.disk.syncs++
	return fuse.OK
}

func (m *mounted) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	m.listed++
	out.Fh = m.listed
	m.listings[out.Fh] = n.listing()
	return fuse.OK
}

func (n *inode) listing() []fuse.DirEntry {
	entries := make([]fuse.DirEntry, 0, len(n.entries))
	for name, child := range n.entries {
		mode := uint32(syscall.S_IFREG)
		if child.folder {
			mode = syscall.S_IFDIR
		}
		entries = append(entries, fuse.DirEntry{Mode: mode, Name: name, Ino: child.id})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
	return entries
}

func (m *mounted) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	_, code := m.enter(in.NodeId)
	defer m.leave()
	if code != fuse.OK {
		return code
	}
	entries := m.listings[in.Fh]
	for i := int(in.Offset); i < len(entries); i++ {
		entry := entries[i]
		entry.Off = uint64(i + 1)
		if !out.AddDirEntry(entry) {
			break
		}
	}
	return fuse.OK
}

func (m *mounted) ReleaseDir(in *fuse.ReleaseIn) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	delete(m.listings, in.Fh)
}

func (m *mounted) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (m *mounted) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

func (m *mounted) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const blocks = 1 << 24
	out.Blocks, out.Bfree, out.Bavail, out.Bsize, out.Frsize, out.NameLen = blocks, blocks, blocks, pageSize, pageSize, 255
	return fuse.OK
}
