//go:build root

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"rookery/core/batch"
)

// TestFullDisk fills a real file system of 64 MiB. Produce is refused with KAFKA_STORAGE_ERROR and says why in the log,
// reads go on, writes resume when space returns, and a restart on the full disk works. Mounting needs root: this runs
// with make powercut.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mount("rookery-full", dir, "tmpfs", 0, "size=64m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	data := filepath.Join(dir, "data")
	r := begin(t, data)
	r.ask(t, "", "topic", "create", "full", "-p", "1")
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 40<<20), 0o644))

	payload := strings.Repeat("x", 500_000)
	acknowledged := 0
	attempt := func() error {
		var b batch.Builder
		b.Begin(batch.Plain(batch.None))
		b.Add(time.Now().UnixMilli(), nil, fmt.Appendf(nil, "%d %s", acknowledged, payload), nil)
		return r.write("full", bytes.Clone(b.Finish()))
	}
	var refused error
	for range 200 {
		if refused = attempt(); refused != nil {
			break
		}
		acknowledged++
	}
	require.ErrorContains(t, refused, "KAFKA_STORAGE_ERROR")
	require.Greater(t, acknowledged, 10)
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "write refused") }, 5*time.Second, 5*time.Millisecond, "%s", r.log)
	require.ErrorContains(t, attempt(), "KAFKA_STORAGE_ERROR", "it stays full")

	look := func() {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(r.ask(t, "", "consume", "full", "-o", "start", "-e")), "\n")
		require.Len(t, lines, acknowledged, "what was acknowledged is there, and nothing that was refused")
		for i, line := range lines {
			require.True(t, strings.HasPrefix(line, fmt.Sprintf("%d x", i)), "record %d is %.20q", i, line)
		}
	}
	look()
	r.stop(t)
	r = begin(t, data)
	look()

	require.NoError(t, os.Remove(ballast))
	require.Eventually(t, func() bool { return attempt() == nil }, 10*time.Second, 50*time.Millisecond, "writes resume: %s", r.log)
	acknowledged++
	look()
}
