package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// color is a terminal's own; nothing is coloured where nobody looks, nor where NO_COLOR says so (no-color.org).
type color string

const (
	bold   color = "\x1b[1m"
	red    color = "\x1b[31m"
	green  color = "\x1b[32m"
	yellow color = "\x1b[33m"
	plain  color = "\x1b[0m"
)

func hasColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && onTerminal(w)
}

// paint is text in a color, for a terminal.
func paint(w io.Writer, c color, text string) string {
	if text == "" || !hasColor(w) {
		return text
	}
	return string(c) + text + string(plain)
}

// progress is one line on a terminal that says how far a long work has come; elsewhere it is nothing.
type progress struct {
	w     io.Writer
	began time.Time
	shown time.Time
	width int
}

const progressEvery = 200 * time.Millisecond

// newProgress is nil, which shows nothing, unless w is a terminal.
func newProgress(w io.Writer) *progress {
	if !onTerminal(w) {
		return nil
	}
	return &progress{w: w, began: time.Now(), shown: time.Now()} // what is over at once needs no line
}

// show writes the line, unless it was written a moment ago. total 0: nobody knows how much there is.
func (p *progress) show(done, total int64, text string) {
	if p == nil || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	if total > 0 {
		const cells = 24
		filled := min(int(done*cells/total), cells)
		text = fmt.Sprintf("[%s%s] %3d%%  %s", strings.Repeat("=", filled), strings.Repeat(" ", cells-filled), min(done*100/total, 100), text)
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, text)
	p.width = len(text)
}

// end takes the line away: what is to stay is printed by whoever knows it.
func (p *progress) end() {
	if p != nil && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}

// rate is how much a second since the progress began.
func (p *progress) rate(n int64) float64 {
	if p == nil {
		return 0
	}
	return float64(n) / max(time.Since(p.began).Seconds(), 1e-3)
}

// bytesText is a size for humans.
func bytesText(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return fmt.Sprintf("%s %s", threeDigits(n), unit)
		}
		n /= 1024
	}
	return threeDigits(n) + " TiB"
}

func threeDigits(n float64) string {
	switch {
	case n < 10 && n != float64(int64(n)):
		return fmt.Sprintf("%.2f", n)
	case n < 100 && n != float64(int64(n)):
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}
