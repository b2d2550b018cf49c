// Package ordered has no order.
package ordered

import (
	"maps"
	"slices"
)

type named map[string]int

// Walk is seen through names, constraints and calls.
func Walk[M ~map[string]int](a map[string]int, b named, c M) (n int) {
	for range a { // want map-order
		n++
	}
	for _, v := range b { // want map-order
		n += v
	}
	for _, v := range c { // want map-order
		n += v
	}
	//tidy:unordered a sum has no order
	for _, v := range a {
		n += v
	}
	//tidy:unordered
	for _, v := range a { // want map-order
		n += v
	}
	keys := maps.Keys(a) // want map-order
	for k := range keys {
		n += len(k)
	}
	for v := range maps.Values(b) { // want map-order
		n += v
	}
	for _, k := range slices.Sorted(maps.Keys(a)) {
		n += len(k)
	}
	return n
}
