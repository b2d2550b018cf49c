package core

import (
	"rookery/core/ordered"
	"rookery/core/seam"
)

// turn is a piece of work too long for one Step. It is called, one Step after another, until it says that it is done;
// what it works off it takes from room, and while there is room it gets on.
type turn func(now seam.Now, fx *seam.Effects) (done bool)

// turns is what was put off, and how many items this Step may still work off. What was put off first is finished first:
// no two of them ever stand half done beside each other, so a topic's name can be trusted to be free, or taken. But the first piece of what a
// request asks for is done at once (inTurns): of two of those the later may be at its end while the other waits.
type turns struct {
	room  int
	later ordered.Ring[turn]
}

// put puts work off. It may begin within this Step.
func (t *turns) put(work turn) { t.later.Push(work) }

// take says whether there is room for another item, and takes it.
func (t *turns) take() bool {
	if t.room <= 0 {
		return false
	}
	t.room--
	return true
}

func (t *turns) work(now seam.Now, fx *seam.Effects) {
	for t.room > 0 && t.later.Len() > 0 {
		next := *t.later.Front()
		if !next(now, fx) {
			return
		}
		t.later.Pop()
	}
}

// nested makes a turn of a loop over n items that have items of their own: begin opens one and says how many, do is for each of
// those, end comes last.
func (t *turns) nested(n int, begin func(i int, now seam.Now, fx *seam.Effects) (items int), do func(i, j int, fx *seam.Effects), end func(fx *seam.Effects)) turn {
	i, j, items := -1, 0, 0
	return func(now seam.Now, fx *seam.Effects) bool {
		for {
			for ; j < items; j++ {
				if !t.take() {
					return false
				}
				do(i, j, fx)
			}
			if i == n-1 {
				end(fx)
				return true
			}
			if !t.take() {
				return false
			}
			i, j = i+1, 0
			items = begin(i, now, fx)
		}
	}
}

// each makes a turn of a loop over n items.
func (t *turns) each(n int, do func(i int, now seam.Now, fx *seam.Effects)) turn {
	i := 0
	return func(now seam.Now, fx *seam.Effects) bool {
		for ; i < n; i++ {
			if !t.take() {
				return false
			}
			do(i, now, fx)
		}
		return true
	}
}
