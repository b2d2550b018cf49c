package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var seedsOfHash = flag.Int("hash-seeds", 4, "how many seeds TestReplayHashIsTheSameInEveryProcess replays")

// A seed has one life: whatever the number of processors, the collector's haste, the process and the word size.
func TestReplayHashIsTheSameInEveryProcess(t *testing.T) {
	folder := t.TempDir()
	usual, narrow := filepath.Join(folder, "sim"), filepath.Join(folder, "sim-386")
	buildSim(t, usual)
	buildSim(t, narrow, "GOARCH=386", "CGO_ENABLED=0")
	for seed := 1; seed <= *seedsOfHash; seed++ {
		want := replayHash(t, seed, usual)
		for name, again := range map[string]string{
			"one processor":             replayHash(t, seed, usual, "GOMAXPROCS=1", "GOGC=off"),
			"many, and a hasty collect": replayHash(t, seed, usual, "GOMAXPROCS=7", "GOGC=5", "GODEBUG=randautoseed=0"),
			"32 bits":                   replayHash(t, seed, narrow, "GOMAXPROCS=3", "GOGC=20"),
		} {
			require.Equal(t, want, again, "seed %d: %s", seed, name)
		}
	}
}

func buildSim(t *testing.T, out string, env ...string) {
	t.Helper()
	c := exec.Command("go", "build", "-o", out, ".")
	c.Env = append(os.Environ(), env...)
	text, err := c.CombinedOutput()
	require.NoError(t, err, "%s", text)
}

// replayHash is the last line of a replay. A seed that fails has a hash too.
func replayHash(t *testing.T, seed int, binary string, env ...string) string {
	t.Helper()
	c := exec.Command(binary, "replay", strconv.Itoa(seed))
	c.Env = append(os.Environ(), env...)
	text, _ := c.Output()
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	require.Regexp(t, "^hash=[0-9a-f]{16}$", last, "seed %d", seed)
	return last
}
