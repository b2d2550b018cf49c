// Package shrink makes a failing run small: it takes decisions out of the trace, which makes them benign, as long as
// the same law still fails.
//
//	trace ──▶ without one stream? ──▶ without one range? (ddmin) ──▶ without one decision? ──▶ smaller choices
//
// Rules: a smaller trace counts only if the same oracle fails on it; after each success the trace is the one that the
// run itself used, so decisions that are never asked for fall away by themselves.
package shrink

import (
	"maps"
	"slices"

	"rookery/sim/world"
)

// Try runs a trace. It returns the decisions that the run used and whether the same law failed.
type Try func(trace []world.Decision) (used []world.Decision, same bool)

// Shrink makes a failing trace as small as it can before enough says stop.
func Shrink(trace []world.Decision, try Try, enough func() bool) []world.Decision {
	s := shrinker{trace: trace, try: try, enough: enough}
	s.streams()
	for {
		before := len(s.trace)
		s.ranges()
		if len(s.trace) == before || enough() {
			break
		}
	}
	s.choices()
	return s.trace
}

type shrinker struct {
	trace  []world.Decision
	try    Try
	enough func() bool
}

// accept keeps a smaller trace if it fails in the same way.
func (s *shrinker) accept(smaller []world.Decision) bool {
	if s.enough() {
		return false
	}
	used, same := s.try(smaller)
	if !same {
		return false
	}
	if len(used) > len(smaller) {
		used = smaller // the run went on differently: it asked for more than it was given
	}
	s.trace = used
	return true
}

// streams takes whole streams out: most have nothing to do with the failure.
func (s *shrinker) streams() {
	names := map[string]bool{}
	for _, d := range s.trace {
		names[d.Stream] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s.accept(slices.DeleteFunc(slices.Clone(s.trace), func(d world.Decision) bool { return d.Stream == name }))
	}
}

// ranges is ddmin: it takes ever smaller ranges out, over and over.
func (s *shrinker) ranges() {
	for size := (len(s.trace) + 1) / 2; size >= 1 && !s.enough(); size /= 2 {
		for from := 0; from < len(s.trace) && !s.enough(); {
			to := min(from+size, len(s.trace))
			smaller := append(slices.Clone(s.trace[:from]), s.trace[to:]...)
			if !s.accept(smaller) {
				from = to
			}
		}
	}
}

// choices makes what is left nearer to the benign.
func (s *shrinker) choices() {
	for i := 0; i < len(s.trace) && !s.enough(); i++ {
		for _, choice := range []int{1, s.trace[i].Choice / 2} {
			if choice <= 0 || choice >= s.trace[i].Choice {
				continue
			}
			smaller := slices.Clone(s.trace)
			smaller[i].Choice = choice
			if s.accept(smaller) {
				break
			}
		}
		if i >= len(s.trace) {
			return
		}
	}
}
