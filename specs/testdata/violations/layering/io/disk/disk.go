// Package disk knows a neighbour.
package disk

import _ "rookery/net/server" // want layering
