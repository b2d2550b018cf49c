package ordered

// Ring is a first-in, first-out queue in one circular buffer: parked work under pipelining never empties it, so a
// slice that is cut at the front and appended to at the back would be copied for ever. The zero Ring is empty and
// ready.
type Ring[T any] struct {
	buf  []T // a power of two long
	head int
	n    int
}

// Len is how many wait.
func (r *Ring[T]) Len() int { return r.n }

// Push adds at the back.
func (r *Ring[T]) Push(v T) { *r.Add() = v }

// Add adds a zero value at the back, to be filled where it lies: it does until the next Push or Add.
func (r *Ring[T]) Add() *T {
	if r.n == len(r.buf) {
		r.grow()
	}
	at := (r.head + r.n) & (len(r.buf) - 1)
	r.n++
	return &r.buf[at]
}

// Drop forgets the oldest; there must be one.
func (r *Ring[T]) Drop() {
	var zero T
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
}

// Front is the oldest; there must be one.
func (r *Ring[T]) Front() *T { return &r.buf[r.head] }

// At is the i-th oldest.
func (r *Ring[T]) At(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// Pop takes the oldest out.
func (r *Ring[T]) Pop() T {
	v := r.buf[r.head]
	r.Drop()
	return v
}

func (r *Ring[T]) grow() {
	bigger := make([]T, max(8, 2*len(r.buf)))
	for i := range r.n {
		bigger[i] = *r.At(i)
	}
	r.buf, r.head = bigger, 0
}
