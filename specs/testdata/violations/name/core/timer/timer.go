// Package timer has words that say nothing.
package timer

// DeadlineManager manages.
type DeadlineManager struct{} // want name

// GetNext gets.
func (DeadlineManager) GetNext() int { return 0 } // want name

// Getter begins with three letters that mean nothing here.
func Getter() {}

func sortHelper() {} // want name
