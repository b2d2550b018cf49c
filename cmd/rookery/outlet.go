package main

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// outlet is a broker's standard error. What is written to it is written on in the background and in order, so that nobody
// waits for whoever reads it, or does not: a pipe that is full, a terminal that is stopped (Ctrl-S). What it cannot hold is
// left out, and a line says how much once something is read again.
type outlet struct {
	to io.Writer

	mu    sync.Mutex
	queue [][]byte
	bytes int           // of the queue, and of what is being written
	lost  int64         // lines, after the last of the queue
	idle  chan struct{} // closed when all is written; nil: it is
}

const (
	outletBytesMax = 8 << 20
	flushMax       = 2 * time.Second // for the end of the process; whoever reads at all has read it long before
)

func newOutlet(to io.Writer) *outlet { return &outlet{to: to} }

// Write never waits and never fails. Once something was left out there is to be room for more than a line, or every other
// one would say what was.
func (o *outlet) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes >= outletBytesMax || o.lost > 0 && o.bytes > outletBytesMax/2 {
		o.lost++
		return len(b), nil
	}
	o.own()
	o.push(bytes.Clone(b))
	if o.idle == nil {
		o.idle = make(chan struct{})
		go o.drain(o.idle)
	}
	return len(b), nil
}

// own puts in the queue what was lost behind it. o.mu is held.
func (o *outlet) own() {
	if o.lost == 0 {
		return
	}
	var line bytes.Buffer
	slog.New(handlerFor(&line, onTerminal(o.to), slog.LevelInfo)).Warn("standard error was not read fast enough: lines are missing here", "notLogged", o.lost)
	o.lost = 0
	o.push(line.Bytes())
}

func (o *outlet) push(line []byte) {
	o.queue = append(o.queue, line)
	o.bytes += len(line)
}

// drain writes until there is no more.
func (o *outlet) drain(idle chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer close(idle)
	for {
		if len(o.queue) == 0 {
			o.own()
		}
		if len(o.queue) == 0 {
			o.idle = nil
			return
		}
		line := o.queue[0]
		o.queue[0], o.queue = nil, o.queue[1:]
		o.mu.Unlock()
		_, _ = o.to.Write(line) // there is nobody to tell
		o.mu.Lock()
		o.bytes -= len(line)
	}
}

// flush waits until all is written, but not for ever.
func (o *outlet) flush(patience time.Duration) {
	o.mu.Lock()
	idle := o.idle
	o.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-time.After(patience):
	}
}
