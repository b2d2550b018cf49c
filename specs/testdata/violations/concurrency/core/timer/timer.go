// Package timer does not wait its turn.
package timer

// Race has one of each.
func Race(c chan int) { // want concurrency
	go Race(c) // want concurrency
	c <- 1     // want concurrency
	select {}  // want concurrency
}
