package outside

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// refused runs the binary, which has to end with status 1, one line of what is wrong and one of what to do.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	n := Run(t, binaryPath, args...)
	err := n.Ended(t)
	require.ErrorContains(t, err, "exit status 1", "%v\n%s", args, n.Log)
	said := n.Log.String()
	require.NotContains(t, said, "panic")
	require.NotContains(t, said, "goroutine")
	return said
}

func TestUnknownKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "server.properties")
	for wrong, right := range map[string]string{
		"num.partition": "num.partitions", "log.retention.hour": "log.retention.hours", "advertised.listner": "advertised.listeners",
		"auto.create.topic.enable": "auto.create.topics.enable", "log.segment.byte": "log.segment.bytes",
	} {
		said := refused(t, "dev", "--port", "0", "--data-dir", dir, "--set", wrong+"=1")
		require.Contains(t, said, "unknown configuration key "+wrong)
		require.Contains(t, said, "did you mean "+right+"?")
		require.NoError(t, os.WriteFile(file, []byte("node.id=1\n"+wrong+"=1\n"), 0o644))
		for _, command := range []string{"server", "format"} {
			require.Contains(t, refused(t, command, "--config", file), "did you mean "+right+"?")
		}
	}
	require.NoDirExists(t, dir, "a refused start leaves nothing behind")
}

func TestBadValues(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, set := range []string{
		"num.partitions=0", "num.partitions=many", "num.partitions=", "log.segment.bytes=13", "log.retention.hours=soon", "listeners=localhost",
		"listeners=SSL://:1", "listeners=SASL_SSL://:1", "process.roles=broker", "auto.create.topics.enable=maybe", "socket.request.max.bytes=-1", "node.id=-1", "compression.type=zip", "nothing",
	} {
		said := refused(t, "dev", "--port", "0", "--data-dir", dir, "--set", set)
		name, _, _ := strings.Cut(set, "=")
		require.Contains(t, said, strings.TrimSuffix(strings.SplitN(name, ".", 2)[0], "s"), set)
	}
	require.NoDirExists(t, dir)
	require.Contains(t, refused(t, "server", "--config", "/nowhere/server.properties"), "rookery dev")
	require.Contains(t, refused(t, "dev", "--prot", "1"), "--help")
	require.Contains(t, refused(t, "serve"), "serve")
}

func TestADirectoryOfSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	said := refused(t, "dev", "--port", "0", "--data-dir", dir)
	require.Contains(t, said, fmt.Sprintf("in use by process %d", n.process.Pid), "the holder is named")
	require.Contains(t, said, "--data-dir")
	n.Alive(t)
	n.Stop(t)

	said = refused(t, "server", "--set", "node.id=2", "--set", "log.dirs="+dir, "--set", "listeners=PLAINTEXT://127.0.0.1:0")
	require.Contains(t, said, "belongs to node 1, and this is node 2")
	other := filepath.Join(t.TempDir(), "other")
	Start(t, binaryPath, other).Stop(t)
	said = refused(t, "server", "--set", "node.id=1", "--set", "log.dirs="+dir+","+other, "--set", "listeners=PLAINTEXT://127.0.0.1:0")
	require.Contains(t, said, "belongs to cluster")
	bare := filepath.Join(t.TempDir(), "bare")
	require.Contains(t, refused(t, "server", "--set", "node.id=1", "--set", "log.dirs="+bare), "format it with: rookery format")
	require.Contains(t, refused(t, "format", "--set", "node.id=1", "--set", "log.dirs="+dir), "already formatted")

	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.tex"), []byte("x"), 0o644))
	require.Contains(t, refused(t, "dev", "--port", "0", "--data-dir", foreign), "thesis.tex")
	for text, why := range map[string]string{
		"version=0\nbroker.id=1\n": "version is 0", "garbage": "meta.properties", "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=short\n": "directory.id",
		"version=1\nnode.id=one\ncluster.id=x\n": "node.id", "version=1\nnode.id=1\n": "cluster.id",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(foreign, "meta.properties"), []byte(text), 0o644))
		require.Contains(t, refused(t, "dev", "--port", "0", "--data-dir", foreign), why)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o644))
	require.Contains(t, refused(t, "dev", "--port", "0", "--data-dir", plain), plain)
}

func TestAPortThatIsTaken(t *testing.T) {
	n := start(t)
	_, port, _ := strings.Cut(n.Address, ":")
	dir := filepath.Join(t.TempDir(), "x")
	said := refused(t, "dev", "--port", port, "--data-dir", dir)
	require.Contains(t, said, "is taken by another process")
	require.Contains(t, said, "--port")
	require.NoDirExists(t, dir, "a refused start leaves nothing behind")
}
