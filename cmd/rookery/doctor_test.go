package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// examine runs doctor and sorts its findings by what was checked; the last of a kind counts.
func examine(t *testing.T, args ...string) (map[string]finding, error) {
	t.Helper()
	out, _, err := runCommand(append([]string{"doctor", "-o", "json"}, args...)...)
	var all []finding
	require.NoError(t, json.Unmarshal([]byte(out), &all), "%v", err)
	found := map[string]finding{}
	for _, f := range all {
		require.True(t, f.Verdict == fine || f.Advice != "", "%s says %s and not what to do", f.Check, f.Verdict)
		found[f.Check] = f
	}
	return found, err
}

func TestDoctorOfAHealthyBroker(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, dir)
	r.ask(t, "", "topic", "create", "clicks", "-p", "3")
	before, err := os.ReadDir(dir)
	require.NoError(t, err)
	found, err := examine(t, "-b", r.address, "--data-dir", dir)
	require.NoError(t, err)
	for _, check := range []string{"broker", "advertised listener", "partitions", "offline directories", "log directory"} {
		require.Equal(t, fine, found[check].Verdict, found[check].What)
	}
	require.Contains(t, found["sync"].What, "4 KiB are durable in")
	for _, check := range []string{"file system", "space", "open files", "memory", "clock"} {
		require.NotEmpty(t, found[check].What, check)
	}
	require.Contains(t, found["open files"].What, fmt.Sprintf("the broker (process %d) has at most %d:", os.Getpid(), descriptorLimit()))
	require.Contains(t, found["broker"].What, r.node.ids[0].ClusterID)
	require.Contains(t, found["advertised listener"].What, r.address)
	require.Contains(t, found["partitions"].What, "all 3 of 1 topics")
	after, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, after, len(before), "it leaves nothing behind")

	out, _, err := runCommand("doctor", "-b", r.address, "--data-dir", dir)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^ok    broker               127`, out)
}

// TestDoctorFindsWhatNewcomersFind: listeners that lead nowhere, or to another cluster; no broker; a wrong directory.
func TestDoctorFindsWhatNewcomersFind(t *testing.T) {
	other := begin(t, t.TempDir())
	for address, why := range map[string]string{"127.0.0.1:1": "does not answer there", other.address: "answers there, not"} {
		r := begin(t, t.TempDir(), "advertised.listeners=PLAINTEXT://"+address)
		found, err := examine(t, "-b", r.address, "--data-dir", r.node.settings.Dirs[0])
		require.ErrorContains(t, err, "checks failed")
		require.Equal(t, broken, found["advertised listener"].Verdict)
		require.Contains(t, found["advertised listener"].What, why)
		require.Contains(t, found["advertised listener"].Advice, "advertised.listeners")
	}
	bare, file := t.TempDir(), filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("node.id=1\nlog.dirs="+bare+",/nowhere/at/all\n"), 0o644))
	found, err := examine(t, "-b", "127.0.0.1:1", "--config", file)
	require.ErrorContains(t, err, "2 of")
	require.NotContains(t, found, "offline directories", "there is nobody to ask")
	require.Contains(t, found["broker"].Advice, "rookery dev")
	require.Equal(t, broken, found["log directory"].Verdict)
	require.Contains(t, found["log directory"].What, "/nowhere/at/all")
	found, err = examine(t, "-b", other.address, "--data-dir", bare)
	require.NoError(t, err, "what is only doubted fails nothing")
	require.Equal(t, doubt, found["log directory"].Verdict)
	require.Contains(t, found["log directory"].Advice, "rookery format")
}

// TestDoctorDoubtsMemory looks at a directory that a power cut would take whole.
func TestDoctorDoubtsMemory(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "rookery-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	var x examination
	x.directory(dir)
	for _, f := range x.findings {
		if f.Check == "file system" {
			require.Equal(t, doubt, f.Verdict)
			require.Contains(t, f.What, "tmpfs")
		}
	}
	require.True(t, isLoopback("localhost:1") && isLoopback("[::1]:9") && isLoopback("127.9.0.1") && !isLoopback("10.0.0.1:9092"))
}

func TestOpenFilesForSoManyPartitions(t *testing.T) {
	for _, c := range []struct {
		limit, partitions int
		want              verdict
	}{
		{100, 0, broken}, {1024, 10, doubt}, {4096, 1000, fine}, {4096, 10_000, doubt}, {20_000, 10_000, doubt}, {100_000, 10_000, fine}, {1 << 20, 200_000, fine},
	} {
		x := examination{partitions: c.partitions}
		x.openFiles(c.limit, "it has")
		require.Equal(t, c.want, x.findings[0].Verdict, "%+v", c)
		require.Equal(t, c.want == fine, x.findings[0].Advice == "")
	}
}
