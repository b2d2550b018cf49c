// Package timer is a leaf that reaches for a room above it.
package timer

import "rookery/core/seam"
import "rookery/core/meta" // want layering

// Of keeps both imports in use.
func Of(seam.Now, meta.Image) {}
