// Package ordered has a map with one order: it is walked by rising key, so that two runs walk it alike.
//
// Rules: a lookup costs one map lookup; an insertion or deletion moves the keys behind it; a map may not be changed
// while it is walked, but the value at a key may.
package ordered

import (
	"cmp"
	"iter"
	"slices"
)

// Map is a map that is walked by rising key. The zero Map is empty and ready.
type Map[K cmp.Ordered, V any] struct {
	at   map[K]V
	keys []K // ascending
}

// Len is the number of keys.
func (m *Map[K, V]) Len() int { return len(m.keys) }

// At is the value of k, or the zero value.
func (m *Map[K, V]) At(k K) V { return m.at[k] }

// Find is the value of k and whether it is there.
func (m *Map[K, V]) Find(k K) (V, bool) {
	v, ok := m.at[k]
	return v, ok
}

// Put sets the value of k.
func (m *Map[K, V]) Put(k K, v V) {
	if m.at == nil {
		m.at = make(map[K]V)
	}
	if _, ok := m.at[k]; !ok {
		if n := len(m.keys); n == 0 || m.keys[n-1] < k {
			m.keys = append(m.keys, k)
		} else {
			i, _ := slices.BinarySearch(m.keys, k)
			m.keys = slices.Insert(m.keys, i, k)
		}
	}
	m.at[k] = v
}

// Delete removes k and says whether it was there.
func (m *Map[K, V]) Delete(k K) bool {
	if _, ok := m.at[k]; !ok {
		return false
	}
	delete(m.at, k)
	i, _ := slices.BinarySearch(m.keys, k)
	m.keys = slices.Delete(m.keys, i, i+1)
	return true
}

// Keys are all keys, ascending. The slice belongs to the map.
func (m *Map[K, V]) Keys() []K { return m.keys }

// All walks the map by rising key.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range m.keys {
			if !yield(k, m.at[k]) {
				return
			}
		}
	}
}

// Ceiling is the least key that is not below k.
func (m *Map[K, V]) Ceiling(k K) (K, bool) {
	i, _ := slices.BinarySearch(m.keys, k)
	if i == len(m.keys) {
		var none K
		return none, false
	}
	return m.keys[i], true
}

// Floor is the greatest key that is not above k.
func (m *Map[K, V]) Floor(k K) (K, bool) {
	i, ok := slices.BinarySearch(m.keys, k)
	if ok {
		return k, true
	}
	if i == 0 {
		var none K
		return none, false
	}
	return m.keys[i-1], true
}
