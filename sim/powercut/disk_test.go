package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
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

// TestMounted: through the kernel, with the calls that a broker makes.
func TestMounted(t *testing.T) {
	d := mustDisk(t, 7)
	at := t.TempDir()
	if _, err := mount(d, at); err != nil {
		t.Fatal(err)
	}
	defer unmount(at)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(at, "t-0"), 0o755))
	path := filepath.Join(at, "t-0", "0.log")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	must(err)
	_, err = f.WriteAt([]byte("hello"), 0)
	must(err)
	must(f.Sync())
	lock, err := os.Create(filepath.Join(at, ".lock"))
	must(err)
	must(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	mapped, err := syscall.Mmap(int(f.Fd()), 0, pageSize, syscall.PROT_READ, syscall.MAP_SHARED)
	must(err)
	_, err = f.WriteAt([]byte("HE"), 0)
	must(err)
	if string(mapped[:5]) != "HEllo" {
		t.Fatalf("mapped %q", mapped[:5])
	}
	must(syscall.Munmap(mapped))
	for _, folder := range []string{at, filepath.Join(at, "t-0")} {
		g, err := os.Open(folder)
		must(err)
		must(g.Sync())
		g.Close()
	}
	must(os.Rename(path, path+".deleted"))
	must(f.Close())
	lock.Close()
	d.freeze(func(pages int) bool { return pages == 1 })
	if _, err := os.ReadFile(path + ".deleted"); err == nil {
		t.Fatal("no power, and still an answer")
	}
	must(unmount(at))
	_, err = d.cut()
	must(err)
	_, err = mount(d, at)
	must(err)
	found, err := os.ReadDir(filepath.Join(at, "t-0"))
	must(err)
	if len(found) != 1 {
		t.Fatalf("after the cut: %v", found)
	}
	b, err := os.ReadFile(filepath.Join(at, "t-0", found[0].Name()))
	must(err)
	if string(b) != "hello" && string(b) != "HEllo" {
		t.Fatalf("after the cut %q", b)
	}
}
