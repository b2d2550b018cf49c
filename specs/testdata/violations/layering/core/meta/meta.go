// Package meta stands in for the real one.
package meta

// Image is empty.
type Image struct{}
