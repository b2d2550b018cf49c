// Package world belongs to the simulator.
package world // want simulation
