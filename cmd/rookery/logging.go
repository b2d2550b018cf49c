package main

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// newLogger writes nothing below a level.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(handlerFor(w, onTerminal(w), level))
}

// handlerFor writes text for a terminal and JSON for a machine.
func handlerFor(w io.Writer, terminal bool, level slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if terminal {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

func onTerminal(w io.Writer) bool {
	if o, ok := w.(*outlet); ok {
		w = o.to
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
