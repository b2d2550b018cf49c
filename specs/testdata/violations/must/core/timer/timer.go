// Package timer has laws that cannot be found.
package timer

import "rookery/core/must"

// Check breaks each part of the rule.
func Check(ok bool, law string) {
	must.Be(ok, "T1: time does not go back")
	must.Be(ok, "T1: time does not go back") // want must
	must.Be(ok, "time does not go back")     // want must
	must.Be(ok, law)                         // want must
}
