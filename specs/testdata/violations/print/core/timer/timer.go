// Package timer talks.
package timer

import "fmt"

// Say prints.
func Say() { fmt.Println("tick") } // want print
