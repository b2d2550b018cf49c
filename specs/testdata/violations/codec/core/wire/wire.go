// Package wire stands in for the real one.
package wire
