// Package quorum is here, and once more under sim.
package quorum
