package main

import (
	"log/slog"
	"sync"
	"time"
)

// rationed are lines that whoever attacks us can have written as often as it likes: a second has ten of them at most, and
// the next says how many there were beside them.
type rationed struct {
	mu      sync.Mutex
	window  time.Time // when the second began that lines are counted in
	written int
	skipped int64
}

const rationedLines = 10

// tell writes a line, or counts it.
func (r *rationed) tell(log *slog.Logger, text string, attributes ...any) {
	skipped, write := r.take(time.Now())
	if !write {
		return
	}
	if skipped > 0 {
		attributes = append(attributes, "notLogged", skipped)
	}
	log.Warn(text, attributes...)
}

func (r *rationed) take(now time.Time) (skipped int64, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.window) >= time.Second {
		r.window, r.written = now, 0
	}
	if r.written == rationedLines {
		r.skipped++
		return 0, false
	}
	skipped, r.skipped = r.skipped, 0
	r.written++
	return skipped, true
}
