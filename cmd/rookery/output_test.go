package main

import (
	"bufio"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestConsumeEndsWithItsReader: consume | head -1 waits for no record that nobody would read.
func TestConsumeEndsWithItsReader(t *testing.T) {
	r := begin(t, t.TempDir(), "group.initial.rebalance.delay.ms=0")
	r.ask(t, "first\n", "produce", "clicks")
	for _, more := range [][]string{nil, {"--group", "g"}} {
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		root := rootCommand(writer, os.Stderr)
		root.SetArgs(append([]string{"consume", "clicks", "-o", "start", "-b", r.address}, more...))
		ended := make(chan error)
		go func() { ended <- root.Execute() }()
		line, err := bufio.NewReader(reader).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "first\n", line)
		require.NoError(t, reader.Close())
		select {
		case err := <-ended:
			require.ErrorIs(t, err, syscall.EPIPE)
		case <-time.After(20 * time.Second):
			t.Fatalf("%v: it is waited for records still", more)
		}
		require.NoError(t, writer.Close())
	}
	require.Equal(t, "", r.ask(t, "", "consume", "clicks", "--group", "g", "-e"), "what its reader took is committed")
}
