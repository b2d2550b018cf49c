// Package timer remembers between machines.
package timer

import "errors"

var table = [...]int{1, 2, 3} // want global

var count int // want global

// ErrLate could be overwritten by anyone.
var ErrLate = errors.New("late") // want global

var _ error = ErrLate

const fine = 1

// Use keeps them.
func Use() int { return table[0] + count + fine }
