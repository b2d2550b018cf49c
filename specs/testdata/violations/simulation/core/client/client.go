// Package client is the way in.
package client

import _ "rookery/sim/world" // want layering
