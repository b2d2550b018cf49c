package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// runSequences runs as many sequences as are asked for, on a few connections to each broker at once. The first sequence
// of every new kind of difference is shrunk and shown.
func runSequences(o *options, t *tally) {
	if o.seed == 0 {
		o.seed = rand.Uint64() >> 16
	}
	fmt.Printf("sequences from seed %d on\n", o.seed)
	var count atomic.Int64
	var all sync.WaitGroup
	for w := range o.workers {
		all.Go(func() {
			a, b := o.sides(w)
			for n := count.Add(dozen) - dozen; n < int64(o.sequences); n = count.Add(dozen) - dozen {
				runDozen(o, t, a, b, o.seed+uint64(n), min(dozen, o.sequences-int(n)))
			}
		})
	}
	all.Wait()
}

// dozen is how many sequences have their first topics made together.
const dozen = 12

func runDozen(o *options, t *tally, a, b *side, seed uint64, n int) {
	sequences := make([][]act, n)
	for i := range sequences {
		sequences[i] = draw(seed+uint64(i), o.steps)
	}
	err := both(a, b, "", func(s *side) {
		var topics []kmsg.CreateTopicsRequestTopic
		for i, acts := range sequences {
			s.begin(prefix(seed+uint64(i), 0))
			topics = append(topics, acts[0].newTopic(s))
		}
		s.ahead(topics)
	})
	if err != nil {
		t.broke(fmt.Sprintf("the topics of sequence %d and those after it", seed), err)
		return
	}
	for i, acts := range sequences {
		runSequence(t, a, b, seed+uint64(i), acts)
	}
	a.clear()
	b.clear()
}

// prefix begins the names of one run of a sequence.
func prefix(seed uint64, run int) string { return fmt.Sprintf("s%d-%d-", seed%1_000_000, run) }

func runSequence(t *tally, a, b *side, seed uint64, acts []act) {
	name := fmt.Sprintf("sequence %d", seed)
	runs := 0
	try := func(acts []act) []difference {
		err := both(a, b, prefix(seed, runs), func(s *side) { play(s, acts) })
		if runs++; err != nil {
			t.broke(name, err)
			return nil
		}
		return compare(name, a, b, t.accepted)
	}
	found := try(acts)
	steps, requests := len(acts), len(a.told)
	var text string
	if bad := refused(found); bad != nil && t.isNew(*bad) {
		acts = shrunk(acts, func(fewer []act) bool {
			again := refused(try(fewer))
			return again != nil && again.signature() == bad.signature()
		})
		text = story(acts)
		if again := try(acts); refused(again) != nil {
			found = again
		} else {
			text += "\n        not seen again: it depends on the moment"
		}
	}
	t.sequence(steps, requests, found, text)
}

// refused is the first difference that is not accepted.
func refused(found []difference) *difference {
	for i := range found {
		if found[i].reason == "" {
			return &found[i]
		}
	}
	return nil
}

// shrunk takes steps out of a sequence, half of them, a quarter, down to single ones, as long as it stays bad.
func shrunk(acts []act, bad func([]act) bool) []act {
	for size := len(acts) / 2; size > 0; size /= 2 {
		for at := 0; at < len(acts); {
			fewer := append(append([]act{}, acts[:at]...), acts[min(len(acts), at+size):]...)
			if bad(fewer) {
				acts = fewer
			} else {
				at += size
			}
		}
	}
	return acts
}

func story(acts []act) string {
	var lines []string
	for _, a := range acts {
		lines = append(lines, "        "+a.String())
	}
	return strings.Join(lines, "\n")
}
