// Package timer asks the wall.
package timer

import (
	dice "math/rand/v2" // want allow-list
	clock "time"        // want allow-list
)

// Both is seen through another name of the import.
func Both() (int64, uint64) {
	now := clock.Now                       // want clock
	return now().UnixNano(), dice.Uint64() // want clock
}

// Seeded is what core/rng does.
func Seeded(seed [32]byte) uint64 { return dice.NewChaCha8(seed).Uint64() }
