package main

import (
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gate is a standard error that is read while it is open.
type gate struct {
	*lines
	opened chan struct{}
}

func (g gate) Write(b []byte) (int, error) {
	<-g.opened
	return g.lines.Write(b)
}

// TestNobodyWaitsForALog: what is written while nobody reads is held up to a bound, in order, and each line beyond is
// counted, in the place where it is missing.
func TestNobodyWaitsForALog(t *testing.T) {
	g := gate{&lines{}, make(chan struct{})}
	out := newOutlet(g)
	logger := slog.New(handlerFor(out, false, slog.LevelInfo))
	const size = 1000
	const told = 3 * outletBytesMax / size
	for i := range told {
		logger.Info(fmt.Sprint("line ", i, strings.Repeat(".", size)))
	}
	require.LessOrEqual(t, out.bytes, outletBytesMax+2*size)
	out.flush(time.Nanosecond) // gives up
	close(g.opened)
	out.flush(20 * time.Second)
	logger.Info("after")
	out.flush(20 * time.Second)

	all := strings.Split(strings.TrimSpace(g.String()), "\n")
	written := len(all) - 2
	require.Greater(t, written, outletBytesMax/size/2)
	for i, line := range all[:written] {
		require.Contains(t, line, fmt.Sprint(`"msg":"line `, i, "."))
	}
	require.Contains(t, all[written], "standard error was not read fast enough")
	require.Contains(t, all[written], fmt.Sprintf(`"notLogged":%d}`, told-written))
	require.Contains(t, all[written+1], "after")
}

// TestABrokerStopsAlthoughNobodyReadsItsLog: neither a signal nor an event waits for a standard error.
func TestABrokerStopsAlthoughNobodyReadsItsLog(t *testing.T) {
	r := begin(t, t.TempDir())
	r.log.mu.Lock()
	defer r.log.mu.Unlock() // whoever writes waits for the end of this test
	topics := []string{"topic", "create"}
	for i := range 50 {
		topics = append(topics, fmt.Sprint("topic-", i))
	}
	r.ask(t, "", topics...)
	r.signals <- syscall.SIGTERM
	select {
	case err := <-r.ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Error("the broker does not stop")
	}
	r.ended = nil
}
