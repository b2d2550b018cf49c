// Package bufio is one of std's.
package bufio // want leaf
