package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// byPath carries out a rename, a removal, a listing or a measurement.
func (p *Port) byPath(e *errand, op seam.FileOp) {
	wrote := seam.Wrote{Op: op.Op}
	switch op.Deed {
	case seam.Rename:
		wrote.Fault = p.disk.rename(op.Path, op.To)
	case seam.Remove:
		wrote.Fault = p.disk.remove(op.Path)
	case seam.List:
		wrote.Entries, wrote.Fault = p.disk.list(op.Path)
	case seam.Measure:
		wrote.Entries, wrote.Bytes, wrote.Fault = p.disk.measure(op.Path)
	default:
		wrote.Fault = seam.IOError
	}
	p.finish(e, &wrote)
}

// rename moves a name within its log directory; ids at or below it follow, and ids of a file that it replaces keep what
// they had.
func (d *Disk) rename(from, to seam.Path) seam.Fault {
	old, known := d.name(from)
	target, knownTo := d.name(to)
	if !known || !knownTo {
		return seam.NotFound
	}
	if from.Dir != to.Dir {
		return faultOf(unix.EXDEV)
	}
	replaced := d.detachUnder(to)
	names := &d.homeOf(from.Dir).names
	names.Lock()
	defer names.Unlock()
	if err := again(func() error { return renameName(old, target) }); err != nil {
		attach(replaced)
		return faultOf(err)
	}
	for _, f := range d.under(from) {
		if !f.isNameless() {
			d.moved(f, seam.Path{Dir: to.Dir, Name: to.Name + strings.TrimPrefix(f.path.Name, from.Name)})
		}
	}
	return seam.OK
}

// renameName replaces a file by a file, and nothing else: a folder, empty or not, is somebody's (Exists).
func renameName(old, target string) error {
	var what unix.Stat_t
	if err := unix.Lstat(old, &what); err != nil {
		return err
	}
	if what.Mode&unix.S_IFMT == unix.S_IFREG {
		err := unix.Rename(old, target)
		if err == unix.EISDIR {
			return unix.EEXIST
		}
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, old, unix.AT_FDCWD, target, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	// Not every file system can do that. No two renames to one name are under way, and nobody else has the lock of the directory.
	if unix.Lstat(target, &what) == nil {
		return unix.EEXIST
	}
	return unix.Rename(old, target)
}

// detachUnder opens every id at or below a name that is about to go.
func (d *Disk) detachUnder(p seam.Path) []*file {
	names := &d.homeOf(p.Dir).names
	names.RLock()
	found := d.under(p)
	names.RUnlock()
	var detached []*file
	for _, f := range found {
		if !f.isNameless() && f.detach() == seam.OK {
			detached = append(detached, f)
		}
	}
	return detached
}

func attach(files []*file) {
	for _, f := range files {
		f.attach()
	}
}

func (f *file) isNameless() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nameless
}

// remove takes away a file, or a folder with the plain files in it.
func (d *Disk) remove(p seam.Path) seam.Fault {
	name, known := d.name(p)
	if !known || p.Name == "" {
		return seam.NotFound
	}
	detached := d.detachUnder(p)
	err := d.removeTree(name)
	if err != nil {
		attach(detached)
	}
	if err == unix.EISDIR || err == unix.EPERM || err == unix.ENOTEMPTY { // a folder in it is somebody's
		err = unix.EEXIST
	}
	return faultOf(err)
}

func (d *Disk) removeTree(name string) error {
	err := unlinkName(name)
	if err != unix.EISDIR && err != unix.EPERM {
		return err
	}
	var entries []os.DirEntry
	err = d.handles.lend(func() (err error) {
		entries, err = os.ReadDir(name)
		return err
	})
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := unlinkName(filepath.Join(name, entry.Name())); err != nil {
			return err
		}
	}
	return again(func() error { return unix.Rmdir(name) })
}

func unlinkName(name string) error { return again(func() error { return unix.Unlink(name) }) }

// list names what a folder holds, names ascending.
func (d *Disk) list(p seam.Path) ([]seam.Entry, seam.Fault) {
	name, known := d.name(p)
	if !known {
		return nil, seam.NotFound
	}
	var entries []seam.Entry
	err := d.handles.lend(func() (err error) {
		names := &d.homeOf(p.Dir).names
		names.RLock()
		defer names.RUnlock()
		entries, err = listFolder(p, name)
		return err
	})
	return entries, faultOf(err)
}

// measure asks for the size of a folder's file system, and for what is left on it to those who are not root.
func (d *Disk) measure(p seam.Path) (entries []seam.Entry, left int64, fault seam.Fault) {
	name, known := d.name(p)
	if !known {
		return nil, 0, seam.NotFound
	}
	names := &d.homeOf(p.Dir).names
	names.RLock()
	defer names.RUnlock()
	var fs unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Statfs(name, &fs) }); err != nil {
		return nil, 0, faultOf(err)
	}
	all := seam.Entry{Path: p, Folder: true, Size: int64(fs.Blocks) * fs.Frsize}
	return []seam.Entry{all}, int64(fs.Bavail) * fs.Frsize, seam.OK
}

// listFolder lists one folder. os.ReadDir sorts by name.
func listFolder(p seam.Path, name string) (entries []seam.Entry, err error) {
	found, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	for _, one := range found {
		info, err := one.Info()
		if errors.Is(err, fs.ErrNotExist) || p.Name == "" && one.Name() == LockName {
			continue
		}
		if err != nil {
			return nil, err
		}
		if one.Type()&fs.ModeSymlink != 0 { // somebody has made room elsewhere, for a partition as a rule; a link to nothing stands for itself
			if target, err := os.Stat(filepath.Join(name, one.Name())); err == nil && (!target.IsDir() || p.Name == "" && numbered(one.Name())) {
				info = target
			}
		}
		child := seam.Path{Dir: p.Dir, Name: strings.TrimPrefix(p.Name+"/"+one.Name(), "/")}
		entry := seam.Entry{Path: child, Folder: info.IsDir()}
		if !entry.Folder {
			entry.Size = info.Size()
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// numbered says whether a folder may be a partition's, by its name. A link of any other name is not followed, wherever it leads.
func numbered(name string) bool {
	digits := name[strings.LastIndexByte(name, '-')+1:]
	return digits != name && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// Started lists all log directories: the first input of a Broker.
func (d *Disk) Started() *seam.Started {
	started := &seam.Started{Dirs: make([]seam.Fault, len(d.dirs))}
	for i := range d.dirs {
		started.Files, started.Dirs[i] = d.listTree(started.Files, seam.Path{Dir: int32(i)})
	}
	return started
}

// listTree appends a folder's entries, each folder of a log directory directly followed by what is in it: nothing of ours lies
// further down.
func (d *Disk) listTree(entries []seam.Entry, p seam.Path) ([]seam.Entry, seam.Fault) {
	name, _ := d.name(p)
	children, fault := d.list(p)
	if fault == seam.IOError && p.Name != "" && unix.Access(name, unix.R_OK|unix.X_OK) == unix.EACCES {
		return entries, seam.OK // lost+found and its like: nothing of ours
	}
	if fault != seam.OK {
		return entries, fault
	}
	for _, child := range children {
		entries = append(entries, child)
		if !child.Folder || p.Name != "" {
			continue
		}
		if entries, fault = d.listTree(entries, child.Path); fault != seam.OK {
			return entries, fault
		}
	}
	return entries, seam.OK
}

// LockName is the file that says whose a directory is; Kafka locks a file of the same name.
const LockName = ".lock"

// Locked is a directory that this process owns. Keep it as long as the process lives.
type Locked struct{ file *os.File }

// Lock takes a directory for this process. The error names who has it.
func Lock(dir string) (*Locked, error) {
	name := filepath.Join(dir, LockName)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(name)
		_ = file.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		return nil, fmt.Errorf("directory %s is in use by process %s (it holds %s)", dir, describe(holder), name)
	}
	if err := errors.Join(file.Truncate(0), writePid(file)); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return &Locked{file: file}, nil
}

func describe(holder []byte) string {
	if pid := strings.TrimSpace(string(holder)); pid != "" {
		return pid
	}
	return "unknown to us"
}

func writePid(file *os.File) error {
	_, err := file.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0)
	return err
}

// Unlock gives the directory back.
func (l *Locked) Unlock() error { return l.file.Close() }
