package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/io/disk"
)

func never(string) string { return "never" }

func TestFormatThenIdentify(t *testing.T) {
	root := t.TempDir()
	s := &settings{NodeID: 5, Dirs: []string{filepath.Join(root, "deep", "a"), filepath.Join(root, "b")}}
	_, err := identify(s, func(string) string { return "LINE" })
	require.ErrorContains(t, err, "is not formatted")
	require.Equal(t, "format it with: LINE", err.(*advice).next)

	cluster, made, err := formatDirs(s, "", false)
	require.NoError(t, err)
	require.Equal(t, s.Dirs, made)
	ids, err := identify(s, never)
	require.NoError(t, err)
	require.Len(t, ids, 2)
	require.Equal(t, cluster, ids[0].ClusterID)
	require.Equal(t, int32(5), ids[1].NodeID)
	require.NotEqual(t, ids[0].DirectoryID, ids[1].DirectoryID)

	_, _, err = formatDirs(s, "", false)
	require.ErrorContains(t, err, "already formatted")
	same, made, err := formatDirs(s, "", true)
	require.NoError(t, err)
	require.Equal(t, cluster, same)
	require.Empty(t, made)
}

func TestKafkasMetaProperties(t *testing.T) {
	dir := t.TempDir()
	text := "#\n#Thu Feb 05 10:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\ndirectory.id=q1Sh-9_ISia_zwGINzRvyQ\nnode.id=1\nversion=1\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, metaName), []byte(text), 0o644))
	id, err := readIdentity(dir)
	require.NoError(t, err)
	require.Equal(t, identity{"MkU3OEVBNTcwNTJENDM2Qg", 1, "q1Sh-9_ISia_zwGINzRvyQ"}, id)

	require.NoError(t, writeIdentity(dir, id))
	again, err := os.ReadFile(filepath.Join(dir, metaName))
	require.NoError(t, err)
	require.Equal(t, strings.Split(text, "\n")[2:], strings.Split(string(again), "\n")[2:])
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file stays")
}

func TestForeignDirectories(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	require.NoError(t, writeIdentity(a, identity{"AAAAAAAAAAAAAAAAAAAAAA", 3, newID()}))
	require.NoError(t, writeIdentity(b, identity{"BBBBBBBBBBBBBBBBBBBBBA", 3, newID()}))

	_, err := identify(&settings{NodeID: 4, Dirs: []string{a}}, never)
	require.ErrorContains(t, err, "belongs to node 3, and this is node 4")
	require.Contains(t, err.(*advice).next, "--set node.id=3")

	_, err = identify(&settings{NodeID: 3, Dirs: []string{a, b}}, never)
	require.ErrorContains(t, err, "BBBBBBBBBBBBBBBBBBBBBA")
	require.ErrorContains(t, err, "AAAAAAAAAAAAAAAAAAAAAA")

	copied, reserved := t.TempDir(), t.TempDir()
	id, err := readIdentity(a)
	require.NoError(t, err)
	require.NoError(t, writeIdentity(copied, id))
	_, err = identify(&settings{NodeID: 3, Dirs: []string{a, copied}}, never)
	require.EqualError(t, err, a+" and "+copied+" have one directory.id, "+id.DirectoryID)
	id.DirectoryID = encodeID([16]byte{15: 99})
	require.NoError(t, writeIdentity(reserved, id))
	_, err = identify(&settings{NodeID: 3, Dirs: []string{reserved}}, never)
	require.ErrorContains(t, err, "is reserved")
	require.EqualError(t, (&settings{Dirs: []string{a, b, a + "/"}}).absolute(), "log.dirs names "+a+" twice")
	for _, dirs := range [][]string{{a, a + "/disk-2"}, {a + "/disk-2", a}} {
		require.EqualError(t, (&settings{Dirs: dirs}).absolute(), "log.dirs has "+a+"/disk-2 within "+a)
	}
	require.NoError(t, (&settings{Dirs: []string{a, a + "-2"}}).absolute())
	require.ErrorContains(t, (&settings{Dirs: []string{a, b}, metadataDir: b}).absolute(), "the first of log.dirs, "+a)
	require.NoError(t, (&settings{Dirs: []string{a, b}, metadataDir: a + "/"}).absolute())

	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "thesis.doc"), nil, 0o644))
	_, _, err = formatDirs(&settings{NodeID: 1, Dirs: []string{full}}, "", true)
	require.ErrorContains(t, err, "thesis.doc")

	for what, text := range map[string]string{
		"version": "version=0\nbroker.id=1\n", "cluster.id": "version=1\nnode.id=1\n", "node.id": "version=1\ncluster.id=x\nnode.id=one\n",
		"directory.id": "version=1\ncluster.id=x\nnode.id=1\ndirectory.id=short\n",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, metaName), []byte(text), 0o644))
		_, err := identify(&settings{NodeID: 1, Dirs: []string{dir}}, never)
		require.ErrorContains(t, err, what)
	}
}

// What is no directory, or not ours to write, is said with what to do about it. (Who runs as root may write everywhere but
// into a folder of that name.)
func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	said := func(err error) string {
		var b strings.Builder
		report(&b, err)
		return b.String()
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, _, err := formatDirs(&settings{NodeID: 1, Dirs: []string{file}}, "", true)
	require.Contains(t, said(err), file+" is not a directory")
	require.Contains(t, said(err), otherDir)
	_, _, err = formatDirs(&settings{NodeID: 1, Dirs: []string{"/proc/rookery"}}, "", true)
	require.Contains(t, said(err), "/proc/rookery cannot be formatted")
	require.Contains(t, said(err), ownDir)

	dir := t.TempDir()
	id := identity{newID(), 1, newID()}
	require.NoError(t, writeIdentity(dir, id))
	require.NoError(t, os.Mkdir(filepath.Join(dir, disk.LockName), 0o755))
	_, err = (&node{settings: &settings{Dirs: []string{dir}}, ids: []identity{id}}).lockAll()
	require.Contains(t, said(err), ownDir)
	require.NotContains(t, said(err), "stop that process")
}

func TestIDsAreKafkas(t *testing.T) {
	for range 1000 {
		id := newID()
		require.Len(t, id, 22)
		require.NotEqual(t, byte('-'), id[0])
		b, err := parseID(id)
		require.NoError(t, err)
		require.Equal(t, byte(4), b[6]>>4)
		require.Equal(t, id, encodeID(b))
	}
}
