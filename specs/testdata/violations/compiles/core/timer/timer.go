// Package timer does not compile.
package timer

// Of returns what it has not got.
func Of() int { return missing } // want compiles
