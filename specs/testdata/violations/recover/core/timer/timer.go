// Package timer goes on after a broken law.
package timer

// Try swallows.
func Try(f func()) {
	defer func() { _ = recover() }() // want recover
	f()
}
