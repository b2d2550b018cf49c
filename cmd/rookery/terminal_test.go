package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what a command writes to tty is read at screen.
func terminal(t *testing.T) (tty *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	var seen bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = seen.ReadFrom(master) // ends with an error once the other side is closed
	}()
	return tty, func() string {
		require.NoError(t, tty.Close())
		<-done
		require.NoError(t, master.Close())
		return seen.String()
	}
}

func TestColorsOnATerminalOnly(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "clicks")
	list := func() string {
		tty, screen := terminal(t)
		root := rootCommand(tty, tty)
		root.SetArgs([]string{"topic", "list", "-b", r.address})
		require.NoError(t, root.Execute())
		report(tty, advise("do that", "this is wrong"))
		return screen()
	}
	colored := list()
	require.Contains(t, colored, "\x1b[1mTOPIC   PARTITIONS  REPLICAS\x1b[0m")
	require.Contains(t, colored, "\x1b[31mrookery:\x1b[0m this is wrong")
	t.Setenv("NO_COLOR", "1")
	require.NotContains(t, list(), "\x1b")
	require.NotContains(t, r.ask(t, "", "topic", "list"), "\x1b")
}

// TestProgressOfALongProduce: a line that is written over itself, and taken away at the end.
func TestProgressOfALongProduce(t *testing.T) {
	r := begin(t, t.TempDir())
	tty, screen := terminal(t)
	root := rootCommand(&bytes.Buffer{}, tty)
	root.SetIn(strings.NewReader(strings.Repeat("x\n", 60)))
	root.SetArgs([]string{"produce", "slow", "--rate", "100", "-b", r.address})
	require.NoError(t, root.Execute())
	seen := screen()
	require.Regexp(t, `\r\d+ records, `, seen)
	require.Contains(t, seen, "60 records, 60 bytes")

	tty, screen = terminal(t)
	p := newProgress(tty)
	p.shown = time.Time{}
	p.show(30, 60, "half")
	p.shown = time.Time{}
	p.show(60, 60, "all")
	p.show(60, 60, "too soon")
	p.end()
	require.Equal(t, "\r[============            ]  50%  half\r[========================] 100%  all \r"+strings.Repeat(" ", 36)+"\r", screen())
	require.Nil(t, newProgress(&bytes.Buffer{}))
}

func TestSizesForHumans(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0 B", 1023: "1023 B", 1536: "1.50 KiB", 20480: "20 KiB", 98.5 * 1024 * 1024: "98.5 MiB", 1 << 40: "1 TiB", 5000 << 40: "5000 TiB",
	} {
		require.Equal(t, want, bytesText(n))
	}
}
