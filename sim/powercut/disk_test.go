package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func mustDisk(t *testing.T, seed uint64) *disk {
	t.Helper()
	d, err := newDisk(t.TempDir(), seed)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *disk) contents(n *inode) []byte {
	b := make([]byte, n.size)
	n.content.ReadAt(b, 0)
	return b
}

// TestSyncedStays: over many seeds, what was synced with the entries that lead to it is there byte for byte.
func TestSyncedStays(t *testing.T) {
	for seed := range uint64(200) {
		d := mustDisk(t, seed)
		root := d.inodes[1]
		folder, _ := d.create(root, "folder", true, 0o755)
		file, _ := d.create(folder, "file", false, 0o644)
		synced := bytes.Repeat([]byte{'a'}, 3*pageSize+100)
		d.write(file, 0, synced)
		d.syncFile(file)()
		d.syncFolder(folder)()
		d.syncFolder(root)()
		d.write(file, int64(len(synced)), bytes.Repeat([]byte{'b'}, 5*pageSize))
		if _, err := d.cut(); err != nil {
			t.Fatal(err)
		}
		if root.entries["folder"] != folder || folder.entries["file"] != file {
			t.Fatalf("seed %d: a synced entry is gone", seed)
		}
		if got := d.contents(file); !bytes.HasPrefix(got, synced) {
			t.Fatalf("seed %d: synced bytes are gone", seed)
		}
	}
}

// TestUnsyncedGoes: each kind of loss happens in some seed, and does not in another.
func TestUnsyncedGoes(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		d := mustDisk(t, seed)
		root := d.inodes[1]
		old, _ := d.create(root, "old", false, 0o644)
		d.write(old, 0, bytes.Repeat([]byte{'a'}, 4*pageSize))
		d.syncFile(old)()
		gone, _ := d.create(root, "gone", false, 0o644)
		moved, _ := d.create(root, "moved.tmp", false, 0o644)
		d.syncFolder(root)()
		d.create(root, "new", false, 0o644)
		d.unlink(root, "gone", false)
		d.rename(root, "moved.tmp", root, "moved", true)
		d.write(old, pageSize, bytes.Repeat([]byte{'b'}, pageSize))
		d.truncate(old, 2*pageSize)
		if _, err := d.cut(); err != nil {
			t.Fatal(err)
		}
		b := d.contents(old)
		seen[fmt.Sprintf("size %d", len(b)/pageSize)]++
		second := b[pageSize : 2*pageSize]
		seen[fmt.Sprintf("page old %v new %v", bytes.Contains(second, []byte("a")), bytes.Contains(second, []byte("b")))]++
		if len(b) == 4*pageSize && !bytes.Equal(b[2*pageSize:], bytes.Repeat([]byte{'a'}, 2*pageSize)) {
			t.Fatalf("seed %d: a lost truncate must bring the old bytes back", seed)
		}
		seen[fmt.Sprintf("new %v", root.entries["new"] != nil)]++
		seen[fmt.Sprintf("gone %v", root.entries["gone"] == gone)]++
		seen[fmt.Sprintf("moved %v", root.entries["moved"] == moved)]++
	}
	for _, want := range []string{
		"size 2", "size 4", "page old true new false", "page old false new true", "page old true new true",
		"new true", "new false", "gone true", "gone false", "moved true", "moved false",
	} {
		if seen[want] == 0 {
			t.Errorf("%q was never seen: %v", want, seen)
		}
	}
}

// TestSyncUnderWay: a sync that has not come back has promised nothing, and covers nothing written after it began.
func TestSyncUnderWay(t *testing.T) {
	first, second := 0, 0
	for seed := range uint64(100) {
		d := mustDisk(t, seed)
		file, _ := d.create(d.inodes[1], "file", false, 0o644)
		d.syncFolder(d.inodes[1])()
		d.write(file, 0, bytes.Repeat([]byte{'a'}, pageSize))
		finish := d.syncFile(file)
		d.write(file, pageSize, bytes.Repeat([]byte{'b'}, pageSize))
		if seed%2 == 0 {
			finish()
		}
		d.cut()
		b := d.contents(file)
		if seed%2 == 0 && !bytes.HasPrefix(b, bytes.Repeat([]byte{'a'}, pageSize)) {
			t.Fatalf("seed %d: the sync came back", seed)
		}
		if !bytes.HasPrefix(b, bytes.Repeat([]byte{'a'}, pageSize)) {
			first++
		}
		if seed%2 == 0 && !bytes.HasSuffix(b, []byte("b")) {
			second++
		}
	}
	if first == 0 || second == 0 {
		t.Fatalf("losses before the sync came back: %d, of what came after it: %d", first, second)
	}
}

// useMounted is what a broker does with files. It runs in a process of its own: a page fault on a mapping of a file that
// the same process serves can hold up the collector, and with it the server.
func useMounted(at string) error {
	path := filepath.Join(at, "t-0", "0.log")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("hello"), 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	lock, err := os.Create(filepath.Join(at, ".lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	mapped, err := syscall.Mmap(int(f.Fd()), 0, pageSize, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("HE"), 0); err != nil {
		return err
	}
	if string(mapped[:5]) != "HEllo" {
		return fmt.Errorf("mapped %q", mapped[:5])
	}
	for _, folder := range []string{at, filepath.Dir(path)} {
		g, err := os.Open(folder)
		if err != nil {
			return err
		}
		defer g.Close()
		if err := g.Sync(); err != nil {
			return err
		}
	}
	return os.Rename(path, path+".deleted")
}

// readMounted prints the one file that is left.
func readMounted(at string) error {
	found, err := os.ReadDir(filepath.Join(at, "t-0"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("after the cut: %v", found)
	}
	b, err := os.ReadFile(filepath.Join(at, "t-0", found[0].Name()))
	fmt.Printf("%s", b)
	return err
}

func TestMain(m *testing.M) {
	if at := os.Getenv("POWERCUT_AT"); at != "" {
		part := map[string]func(string) error{"use": useMounted, "read": readMounted}[os.Getenv("POWERCUT_PART")]
		if err := part(at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func inAnotherProcess(part, at string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "POWERCUT_AT="+at, "POWERCUT_PART="+part)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", part, err, complaint.String())
	}
	return out.String(), nil
}

// TestMounted: through the kernel, with the calls that a broker makes.
func TestMounted(t *testing.T) {
	d := mustDisk(t, 7)
	at := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := mount(d, at)
	must(err)
	defer unmount(at)
	_, err = inAnotherProcess("use", at)
	must(err)
	if !d.freeze(func(pages, names int) bool { return pages == 1 && names == 1 }) {
		t.Fatalf("unsynced pages: %d", d.unsyncedPages())
	}
	if _, err := inAnotherProcess("read", at); err == nil {
		t.Fatal("no power, and still an answer")
	}
	must(unmount(at))
	_, err = d.cut()
	must(err)
	_, err = mount(d, at)
	must(err)
	left, err := inAnotherProcess("read", at)
	must(err)
	if left != "hello" && left != "HEllo" {
		t.Fatalf("after the cut %q", left)
	}
}
