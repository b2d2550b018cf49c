package loop_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
	"rookery/io/loop"
)

// TestLookSeesNoStepHalfDone looks at a machine while others step it: what it has set at the beginning of a Step and at
// its end is the same whenever somebody looks, and no input is forgotten because its poster found the turn taken.
func TestLookSeesNoStepHalfDone(t *testing.T) {
	const posters, each = 4, 2000
	begun, ended := 0, 0
	done := make(chan struct{})
	l := loop.New(loop.Config{Machine: script(func(seam.Now, seam.Input, *seam.Effects) {
		begun++
		if ended++; ended == posters*each {
			close(done)
		}
	})})
	var group sync.WaitGroup
	for range posters {
		group.Go(func() {
			for range each {
				l.Push(&seam.Stop{})
			}
		})
	}
	for looking := true; looking; {
		l.Look(func(status loop.Status) {
			require.Equal(t, begun, ended)
			require.LessOrEqual(t, status.Steps, int64(begun))
			looking = begun < posters*each
		})
	}
	group.Wait()
	await(t, "the last step", done)
	l.Look(func(status loop.Status) {
		require.Equal(t, loop.Status{Steps: posters * each}, status)
	})
}

// TestTurnsAreTold: one in so many, with the time it took by the clock that it was given.
func TestTurnsAreTold(t *testing.T) {
	now := seam.Mono(0)
	tick := func() seam.Mono { now += 10; return now }
	var told []seam.Mono
	every := 0
	l := loop.New(loop.Config{
		Machine: script(func(seam.Now, seam.Input, *seam.Effects) { now += 5 }),
		Clock:   func() seam.Now { return seam.Now{Mono: tick()} },
		Mono:    tick,
		Turned: func(steps, of int, took seam.Mono) {
			require.Equal(t, 1, steps)
			told, every = append(told, took), of
		},
	})
	for range 80 {
		l.Push(&seam.Stop{})
	}
	require.Len(t, told, 80/every)
	for _, took := range told {
		require.Equal(t, seam.Mono(15), took)
	}
}
