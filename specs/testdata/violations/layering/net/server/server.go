// Package server knows the mind's insides.
package server

import _ "rookery/core/meta" // want layering
