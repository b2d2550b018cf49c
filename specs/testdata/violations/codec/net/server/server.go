// Package server reads the protocol by itself.
package server

import (
	_ "github.com/twmb/franz-go/pkg/kmsg" // want codec allow-list
	_ "rookery/core/batch"                // want codec layering
	_ "rookery/core/wire"                 // want codec layering
)
