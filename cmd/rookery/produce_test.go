package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllowance: what is read ahead is bounded in bytes; one thing has room, whatever it takes.
func TestAllowance(t *testing.T) {
	a := newAllowance(100)
	a.take(1000)
	taken := make(chan int, 2)
	go func() {
		a.take(60)
		taken <- 60
		a.take(60)
		taken <- 120
	}()
	require.Empty(t, taken)
	a.give(1000)
	require.Equal(t, 60, <-taken)
	require.Empty(t, taken)
	a.give(60)
	require.Equal(t, 120, <-taken)
}

// TestProduceSaysThatItWaits: clients are told to go where nobody is. Before that is given up it is said what is waited for, and of a
// broker that answers nothing is said.
func TestProduceSaysThatItWaits(t *testing.T) {
	r := begin(t, t.TempDir())
	astray := begin(t, t.TempDir(), "advertised.listeners=PLAINTEXT://127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "line")
	require.NoError(t, os.WriteFile(file, []byte("hello\n"), 0o644))
	_, notes, err := runCommand("produce", "greetings", file, "-b", r.address)
	require.NoError(t, err)
	require.Empty(t, notes)
	_, notes, err = runCommand("produce", "greetings", file, "-b", astray.address, "--timeout", "2s")
	require.Error(t, err)
	require.Equal(t, "nothing was acknowledged for 500ms; it is given up after 2s (--timeout). Whether clients are told to go where the broker is: rookery doctor, where it runs\n", notes)
}
