package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// form is how a list is printed: text for eyes, json for programs.
type form string

// flag adds -o to a command that lists.
func (f *form) flag(c *cobra.Command) {
	*f = "text"
	c.Flags().VarP(f, "output", "o", "text or json")
	completeFrom(c, "output", "text", "json")
}

func (f *form) json() bool     { return *f == "json" }
func (f *form) String() string { return string(*f) }

// Set takes the flag's value.
func (f *form) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q is neither text nor json", s)
	}
	*f = form(s)
	return nil
}

// Type is what help calls the flag's value.
func (f *form) Type() string { return "text|json" }

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printLine is JSON an object a line, for what may be long.
func printLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// counted is a number of things, named by one of them.
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// table prints rows under a heading, in columns.
func table(w io.Writer, heading string, rows [][]string) error {
	var lines bytes.Buffer
	t := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	first, rest, _ := strings.Cut(lines.String(), "\n")
	_, err := io.WriteString(w, paint(w, bold, first)+"\n"+rest) // painted last: columns are as wide as what is seen
	return err
}

// whileRead ends, because of EPIPE, once nobody reads our output any more, for whoever has nothing to write and would find
// out by that alone (tail -f does the same). It is known of a pipe only. end must be called.
func whileRead(ctx context.Context, w io.Writer) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	none := func() { cancel(nil) }
	out, ok := w.(*os.File)
	if !ok {
		return ctx, none
	}
	if is, err := out.Stat(); err != nil || is.Mode()&fs.ModeNamedPipe == 0 {
		return ctx, none
	}
	woken, waker, err := os.Pipe()
	if err != nil {
		return ctx, none
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer woken.Close()
		watched := []unix.PollFd{{Fd: int32(out.Fd())}, {Fd: int32(woken.Fd())}} // errors and ends are told unasked
		for _, err := unix.Poll(watched, -1); errors.Is(err, unix.EINTR); _, err = unix.Poll(watched, -1) {
		}
		if watched[0].Revents&unix.POLLERR != 0 {
			cancel(unix.EPIPE)
		}
	}()
	return ctx, func() {
		_ = waker.Close()
		<-ended
		cancel(nil)
	}
}
