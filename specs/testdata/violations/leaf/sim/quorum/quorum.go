// Package quorum has the same last element.
package quorum // want leaf
