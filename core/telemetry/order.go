package telemetry

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"rookery/core/meta"
)

// A subscription's number is a checksum of a text that Kafka writes from a Java hash set: metrics in the order of their
// hashes. A client that goes from one of Kafka's brokers to one of ours is to find the same number there.

// subscriptionID is CRC-32C of the metrics and the interval, mixed with the hash of the client's instance id.
func subscriptionID(metrics []string, intervalMillis int32, id meta.UUID) int32 {
	text := "[" + strings.Join(metrics, ", ") + "]" + strconv.Itoa(int(intervalMillis))
	mixed := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
	return int32(crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)) ^ uint32(mixed>>32) ^ uint32(mixed))
}

// hashSet puts elements into the order of a Java hash set with so many buckets, each once. Where two meet in a bucket, the
// earlier one stands first.
func hashSet(elements []string, capacity int) []string {
	type hashed struct {
		element string
		bucket  uint32
	}
	seen := make(map[string]bool, len(elements))
	var set []hashed
	for _, e := range elements {
		if !seen[e] {
			seen[e] = true
			h := hashCode(e)
			set = append(set, hashed{e, (h ^ h>>16) & uint32(capacity-1)})
		}
	}
	slices.SortStableFunc(set, func(a, b hashed) int { return cmp.Compare(a.bucket, b.bucket) })
	order := make([]string, len(set))
	for i := range set {
		order[i] = set[i].element
	}
	return order
}

const smallestCapacity = 16

// capacityFor is how many buckets a set has that is made for n elements.
func capacityFor(n int) int {
	capacity := smallestCapacity
	for capacity < 4*n/3+1 {
		capacity *= 2
	}
	return capacity
}

// capacityOf is how many buckets a set has that has grown to n elements.
func capacityOf(n int) int {
	capacity := smallestCapacity
	for 4*n > 3*capacity {
		capacity *= 2
	}
	return capacity
}

// capacityOfShared is the same of a concurrent map, which grows one earlier.
func capacityOfShared(n int) int {
	capacity := smallestCapacity
	for 4*n >= 3*capacity {
		capacity *= 2
	}
	return capacity
}

// hashCode is Java's of a text, over its UTF-16 units.
func hashCode(text string) (h uint32) {
	for _, r := range text {
		if r >= 0x10000 {
			r -= 0x10000
			h = 31*h + uint32(0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		h = 31*h + uint32(r)
	}
	return h
}
