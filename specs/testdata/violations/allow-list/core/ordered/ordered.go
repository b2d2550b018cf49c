// Package ordered takes what its list does not have.
package ordered

import (
	_ "github.com/twmb/franz-go/pkg/kmsg" // want allow-list
	_ "os"                                // want allow-list
	_ "slices"
	_ "strings"
	_ "sync"   // want allow-list
	_ "unsafe" // want allow-list
)
