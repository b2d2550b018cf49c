// Package timer rounds.
package timer

// Half is seen by its type and by its literal.
func Half(n float64) int { // want float
	const ratio = 0.5     // want float
	return int(n * ratio) // want float
}
