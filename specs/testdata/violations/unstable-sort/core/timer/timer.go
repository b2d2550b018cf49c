// Package timer sorts equals at random.
package timer

import (
	"cmp"
	"slices"
	"sort"
)

type pair struct{ a, b int }

// Sort has both kinds.
func Sort(p []pair, n []int) {
	slices.SortFunc(p, func(x, y pair) int { return cmp.Compare(x.a, y.a) }) // want unstable-sort
	sort.Slice(p, func(i, j int) bool { return p[i].a < p[j].a })            // want unstable-sort
	slices.SortStableFunc(p, func(x, y pair) int { return cmp.Compare(x.a, y.a) })
	slices.Sort(n)
}
