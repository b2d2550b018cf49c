// Package timer keeps deadlines: a heap of (time, order of entry), so that equal deadlines ring in the order they
// were set.
//
// Rules: a Queue never reads a clock; a cancelled deadline never rings; a Handle is used once.
package timer

import "rookery/core/seam"

// Handle names a deadline that was set. The zero Handle names none.
type Handle uint64

type item[T any] struct {
	at    seam.Mono
	order Handle
	value T
}

// Queue is a set of deadlines, each with a value. The zero Queue is empty and ready.
type Queue[T any] struct {
	heap  []item[T]
	place map[Handle]int
	last  Handle
}

// Len is the number of deadlines set.
func (q *Queue[T]) Len() int { return len(q.heap) }

// Set adds a deadline.
func (q *Queue[T]) Set(at seam.Mono, value T) Handle {
	if q.place == nil {
		q.place = make(map[Handle]int)
	}
	q.last++
	q.heap = append(q.heap, item[T]{at: at, order: q.last, value: value})
	q.place[q.last] = len(q.heap) - 1
	q.up(len(q.heap) - 1)
	return q.last
}

// Cancel takes a deadline back and says whether it was still set.
func (q *Queue[T]) Cancel(h Handle) bool {
	i, ok := q.place[h]
	if ok {
		q.remove(i)
	}
	return ok
}

// Due takes out the earliest deadline that is not after now.
func (q *Queue[T]) Due(now seam.Mono) (value T, ok bool) {
	if len(q.heap) == 0 || q.heap[0].at > now {
		return value, false
	}
	value = q.heap[0].value
	q.remove(0)
	return value, true
}

// Next is the earliest deadline, or seam.Never.
func (q *Queue[T]) Next() seam.Mono {
	if len(q.heap) == 0 {
		return seam.Never
	}
	return q.heap[0].at
}

func (q *Queue[T]) remove(i int) {
	last := len(q.heap) - 1
	delete(q.place, q.heap[i].order)
	if i != last {
		q.heap[i] = q.heap[last]
		q.place[q.heap[i].order] = i
	}
	q.heap[last] = item[T]{}
	q.heap = q.heap[:last]
	if i != last {
		q.down(i)
		q.up(i)
	}
}

func (q *Queue[T]) before(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (q *Queue[T]) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.place[q.heap[i].order], q.place[q.heap[j].order] = i, j
}

func (q *Queue[T]) up(i int) {
	for i > 0 && q.before(i, (i-1)/2) {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (q *Queue[T]) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(q.heap); child++ {
			if q.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}
