package main

import (
	"log/slog"
	"time"

	"rookery/core/seam"
)

// slowLog writes a line for each request that took longer than it should, beyond what a Fetch asked to wait
// and what members of a group wait for each other. A broker
// whose disk hangs has thousands of those at once: a second has slowLinesMax lines at most, and the next says how many
// there were beside them.
type slowLog struct {
	threshold seam.Mono
	lines     chan slowLine
	window    seam.Mono // when the second began that lines are counted in
	written   int
	skipped   int64
}

const slowLinesMax = 10

// slowLine is a copy of what is to be said: the turn must not wait for a log.
type slowLine struct {
	exchange
	remote, client string
	sent           seam.Mono
	skipped        int64
}

func newSlowLog(threshold time.Duration) *slowLog {
	return &slowLog{threshold: seam.Mono(threshold), lines: make(chan slowLine, slowLinesMax)}
}

// tell is called in the turn.
func (s *slowLog) tell(now seam.Mono, c *exchanges, e *exchange) {
	if now-s.window >= seam.Second {
		s.window, s.written = now, 0
	}
	if s.written == slowLinesMax {
		s.skipped++
		return
	}
	select {
	case s.lines <- slowLine{exchange: *e, remote: c.remote, client: string(c.clientID), sent: now, skipped: s.skipped}:
		s.written++
		s.skipped = 0
	default:
		s.skipped++
	}
}

// write logs until done.
func (s *slowLog) write(log *slog.Logger, done <-chan struct{}) {
	for {
		select {
		case l := <-s.lines:
			log.Warn("slow request", l.attributes()...)
		case <-done:
			return
		}
	}
}

func (l *slowLine) attributes() []any {
	took := func(from, to seam.Mono) float64 { return float64((to-from)/seam.Microsecond) / 1000 }
	fields := []any{
		"api", apiName(int(l.api)), "version", l.version, "client", l.client, "remote", l.remote, "correlation", l.correlation,
		"milliseconds", took(l.arrived, l.sent), "queue", took(l.arrived, l.stepped), "wait", took(l.stepped, l.replied),
		"send", took(l.replied, l.sent), "requestBytes", l.in, "responseBytes", l.out,
	}
	if l.patience > 0 {
		fields = append(fields, "maxWait", int64(l.patience/seam.Millisecond))
	}
	if l.skipped > 0 {
		fields = append(fields, "notLogged", l.skipped)
	}
	return fields
}
