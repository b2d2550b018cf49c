// Package ordered has the law of its neighbour's number.
package ordered

import "rookery/core/must"

// Check comes first, as rooms are looked at by name.
func Check(ok bool) { must.Be(ok, "O1: keys rise") }
