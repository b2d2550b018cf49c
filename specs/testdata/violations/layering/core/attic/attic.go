// Package attic is a room that nobody planned.
package attic // want layering
