// Package rng takes a number that is taken.
package rng

import "rookery/core/must"

// Check is the second to use it.
func Check(ok bool) { must.Be(ok, "O1: seeds rise") } // want must
