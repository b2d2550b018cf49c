package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets no wider than 1/64 of their value.
type histogram struct {
	buckets [64 * 64]int64
	count   int64
	highest time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucket(uint64(d))]++
	h.count++
	h.highest = max(h.highest, d)
}

func bucket(ns uint64) int {
	if ns < 64 {
		return int(ns)
	}
	power := bits.Len64(ns) - 6 // of 64..127 it is 1
	return power<<6 | int(ns>>(power-1))&63
}

// value is the middle of a bucket.
func value(bucket int) time.Duration {
	power, rest := bucket>>6, int64(bucket&63)
	if power == 0 {
		return time.Duration(rest)
	}
	return time.Duration((64+rest)<<(power-1) + (int64(1)<<(power-1))/2)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.highest = max(h.highest, other.highest)
}

// at returns the quantile in microseconds.
func (h *histogram) at(quantile float64) float64 {
	if quantile >= 1 {
		return float64(h.highest) / 1000
	}
	left := int64(quantile * float64(h.count))
	for i, n := range h.buckets {
		if left -= n; left < 0 {
			return float64(value(i)) / 1000
		}
	}
	return float64(h.highest) / 1000
}
