package world

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"rookery/core/rng"
)

// Decision is one choice that was not the benign one. The benign ones need no record: a tape that has nothing to say
// about a choice answers 0.
type Decision struct {
	Stream       string
	Index        int // the how-manieth choice of its stream, from 0
	Alternatives int
	Choice       int
}

// Tape answers every nondeterministic choice of a run and remembers the answers. A fresh tape draws them from streams
// grown out of one root seed; a recorded one reads them from a trace and is benign wherever the trace is silent or
// does not fit.
type Tape struct {
	root     *rng.Source // nil: recorded
	streams  []*Stream
	byName   map[string]*Stream
	recorded map[string][]Decision
	taken    [][]taken // the last one is being filled
	total    int
}

// taken is a Decision as it is remembered while the run goes on: there are tens of thousands of them.
type taken struct{ stream, index, alternatives, choice int32 }

// NewTape grows a fresh tape from a seed.
func NewTape(seed uint64) *Tape {
	return &Tape{root: rng.FromInt(seed), byName: map[string]*Stream{}}
}

// Recorded makes the tape that repeats a trace.
func Recorded(trace []Decision) *Tape {
	t := &Tape{byName: map[string]*Stream{}, recorded: map[string][]Decision{}}
	for _, d := range trace {
		t.recorded[d.Stream] = append(t.recorded[d.Stream], d)
	}
	for _, list := range t.recorded { //tidy:unordered each list is sorted by itself
		slices.SortStableFunc(list, func(a, b Decision) int { return a.Index - b.Index })
	}
	return t
}

// Trace is what was decided so far, but for the benign choices, in the order in which it was asked.
func (t *Tape) Trace() []Decision {
	var trace []Decision
	for _, some := range t.taken {
		for _, d := range some {
			trace = append(trace, Decision{t.streams[d.stream].name, int(d.index), int(d.alternatives), int(d.choice)})
		}
	}
	return trace
}

func (t *Tape) remember(d taken) {
	last := len(t.taken) - 1
	if last < 0 || len(t.taken[last]) == cap(t.taken[last]) {
		t.taken = append(t.taken, make([]taken, 0, 4096))
		last++
	}
	t.taken[last] = append(t.taken[last], d)
}

// Total is how many choices were asked for, benign ones included.
func (t *Tape) Total() int { return t.total }

// Mark is a choice of its own that is given and not drawn; only a trace remembers it.
func (t *Tape) Mark(name string, given bool) bool {
	given = given || len(t.recorded[name]) > 0
	if given {
		t.remember(taken{stream: t.Stream(name).number, alternatives: 2, choice: 1})
	}
	return given
}

// Stream is the stream of that name: one draw more in one stream shifts no other.
func (t *Tape) Stream(name string) *Stream {
	if s, ok := t.byName[name]; ok {
		return s
	}
	s := &Stream{tape: t, name: name, number: int32(len(t.streams)), script: t.recorded[name]}
	if t.root != nil {
		s.source = t.root.Named(name)
	}
	t.byName[name] = s
	t.streams = append(t.streams, s)
	return s
}

// Choose asks the named stream for one of n alternatives; 0 is the benign one.
func (t *Tape) Choose(stream string, n int) int { return t.Stream(stream).Choose(n) }

// Stream is one named sequence of choices.
type Stream struct {
	tape   *Tape
	name   string
	number int32 // among the tape's streams
	source *rng.Source
	script []Decision // what is left of the recorded choices
	next   int
}

// Choose picks one of n alternatives, each as likely as the others; 0 is the benign one.
func (s *Stream) Choose(n int) int {
	if n <= 1 {
		return 0
	}
	drawn := 0
	if s.source != nil {
		drawn = s.source.Intn(n)
	}
	return s.settle(n, drawn)
}

// Chance says whether something happens that does so rate times in ten thousand.
func (s *Stream) Chance(rate int) bool {
	if rate <= 0 {
		return false
	}
	drawn := 0
	if s.source != nil && s.source.Intn(10000) < rate {
		drawn = 1
	}
	return s.settle(2, drawn) == 1
}

// Pick chooses among weighted alternatives; the first is the benign one.
func (s *Stream) Pick(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	drawn := 0
	if s.source != nil && sum > 0 {
		left := s.source.Intn(sum)
		for left >= weights[drawn] {
			left -= weights[drawn]
			drawn++
		}
	}
	if s.source == nil {
		if drawn = s.read(len(weights)); weights[drawn] == 0 {
			drawn = 0 // in a run from which decisions were left out what was picked may not be there
		}
	}
	return s.note(len(weights), drawn)
}

// settle lets a recorded tape overrule what was drawn, and remembers the answer.
func (s *Stream) settle(n, choice int) int {
	if s.source == nil {
		choice = s.read(n)
	}
	return s.note(n, choice)
}

func (s *Stream) note(n, choice int) int {
	if choice != 0 {
		s.tape.remember(taken{s.number, int32(s.next), int32(n), int32(choice)})
	}
	s.next++
	s.tape.total++
	return choice
}

func (s *Stream) read(n int) int {
	for len(s.script) > 0 && s.script[0].Index < s.next {
		s.script = s.script[1:]
	}
	if len(s.script) == 0 || s.script[0].Index != s.next || s.script[0].Alternatives != n {
		return 0
	}
	return s.script[0].Choice
}

// WriteTrace prints a trace, one decision a line.
func WriteTrace(w io.Writer, trace []Decision) error {
	out := bufio.NewWriter(w)
	for _, d := range trace {
		fmt.Fprintf(out, "%s %d %d %d\n", d.Stream, d.Index, d.Alternatives, d.Choice)
	}
	return out.Flush()
}

// ReadTrace reads what WriteTrace printed; lines that begin with # are remarks.
func ReadTrace(r io.Reader) ([]Decision, error) {
	var trace []Decision
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var d Decision
		fields := strings.Fields(line) // a stream's name may be of several words
		if words := len(fields) - 3; words > 0 {
			d.Stream = strings.Join(fields[:words], " ")
			if _, err := fmt.Sscan(strings.Join(fields[words:], " "), &d.Index, &d.Alternatives, &d.Choice); err != nil {
				d.Stream = ""
			}
		}
		if d.Stream == "" {
			return nil, fmt.Errorf("line %d: %q is not `stream index alternatives choice`", n, line)
		}
		if d.Choice <= 0 || d.Choice >= d.Alternatives {
			return nil, fmt.Errorf("line %d: choice %d of %d alternatives", n, d.Choice, d.Alternatives)
		}
		trace = append(trace, d)
	}
	return trace, lines.Err()
}
