package main

import (
	"bufio"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestConsumeEndsWithItsReader: consume | head -1 waits for no record that nobody would read, and a last commit does not fail
// because whoever took the last record has left with it.
func TestConsumeEndsWithItsReader(t *testing.T) {
	r := begin(t, t.TempDir(), "group.initial.rebalance.delay.ms=0")
	r.ask(t, "first\n", "produce", "clicks")
	for _, test := range []struct {
		more []string
		end  error
	}{
		{nil, syscall.EPIPE},
		{[]string{"--group", "endless"}, syscall.EPIPE},
		{[]string{"--group", "counting", "-n", "1"}, nil},
		{[]string{"--group", "ending", "-e"}, nil},
	} {
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		root := rootCommand(writer, os.Stderr)
		root.SetArgs(append([]string{"consume", "clicks", "-o", "start", "-b", r.address}, test.more...))
		ended := make(chan error)
		go func() { ended <- root.Execute() }()
		line, err := bufio.NewReader(reader).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "first\n", line)
		require.NoError(t, reader.Close())
		select {
		case err := <-ended:
			require.ErrorIs(t, err, test.end, "%v", test.more)
		case <-time.After(20 * time.Second):
			t.Fatalf("%v: it is waited for records still", test.more)
		}
		require.NoError(t, writer.Close())
	}
	for _, group := range []string{"endless", "counting", "ending"} {
		require.Equal(t, "", r.ask(t, "", "consume", "clicks", "--group", group, "-e"), "what its reader took is committed")
	}
}
