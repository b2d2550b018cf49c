package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// metricsDefault is where dev shows its metrics: the JMX exporter's usual port.
const metricsDefault = "127.0.0.1:9404"

// watch starts what looks at a node: the HTTP port where one is wanted, the log of slow requests, and the dump of
// goroutines that SIGQUIT asks for. end ends them all.
func (n *node) watch() (end func(), err error) {
	var running sync.WaitGroup
	done := make(chan struct{})
	endPort, err := n.openMetrics()
	if err != nil {
		return nil, err
	}
	if n.slow != nil {
		running.Go(func() { n.slow.write(n.logger, done) })
	}
	n.monitor.note()
	running.Go(func() { n.monitor.remember(done) })
	quits := make(chan os.Signal, 1)
	signal.Notify(quits, syscall.SIGQUIT)
	running.Go(func() {
		for {
			select {
			case <-quits:
				dumpGoroutines(n.notes)
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(quits)
		close(done)
		endPort()
		running.Wait()
	}, nil
}

// openMetrics opens the HTTP port. Where dev chose it and somebody has it (another dev, most likely), any other will do.
func (n *node) openMetrics() (end func(), err error) {
	address := n.settings.metricsListener
	if address == "" {
		if n.profiles {
			return nil, advise("for example: --metrics-listener 127.0.0.1:9404", "--pprof needs the HTTP port, and metrics.listener is not set")
		}
		return func() {}, nil
	}
	at, end, err := n.monitor.serve(address, n.profiles)
	if errors.Is(err, unix.EADDRINUSE) && n.settings.metricsByDefault {
		at, end, err = n.monitor.serve("127.0.0.1:0", n.profiles)
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, advise("take another port: --metrics-listener 127.0.0.1:N, or none", "%s is taken by another process", address)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics.listener: %w", err)
	}
	n.metricsAt = at.String()
	return end, nil
}

// dumpGoroutines writes what every goroutine is at, as a JVM does on SIGQUIT, and the process goes on: Go's own answer
// to that signal ends it.
func dumpGoroutines(w io.Writer) {
	var dump bytes.Buffer // one line to the outlet: it holds all of it or nothing
	fmt.Fprintf(&dump, "%s goroutines, because of SIGQUIT:\n\n", time.Now().Format(time.RFC3339))
	_ = pprof.Lookup("goroutine").WriteTo(&dump, 2)
	fmt.Fprintln(&dump, "\nend of goroutines; the broker goes on")
	_, _ = w.Write(dump.Bytes())
}
