// Package batch stands in for the real one.
package batch
