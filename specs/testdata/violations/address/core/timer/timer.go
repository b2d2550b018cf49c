// Package timer orders by address.
package timer

import (
	"fmt"
	"unsafe" // want allow-list
)

// Number and Text differ from run to run.
func Number(p *int) uint64 { return uint64(uintptr(unsafe.Pointer(p))) } // want address

// Text is the same in letters.
func Text(p *int) string { return fmt.Sprintf("%p", p) } // want address
