// Package must states the laws of the code that calls it. They are always on: a broker that has broken one of its own
// laws stops at once, before it can acknowledge anything more.
//
// Rules: a message begins with the law's number ("R3: ..."), and no two calls in the module share a message, so that a
// crash is found by searching for its text.
package must

// Be panics with the law when it does not hold.
func Be(holds bool, law string) {
	if !holds {
		panic("broken law " + law)
	}
}
