// Package xxh is the 64-bit XXH3 hash without a seed (xxHash 0.8), by which Kafka tells whether the topics of a group
// have changed (KIP-1101).
//
//	length    0 to 16 ─▶ a few multiplications │ 17 to 240 ─▶ rounds of 16 bytes │ longer ─▶ stripes of 64 into eight accumulators
//
// Rules:
//   - the hash is stored in __consumer_offsets, so it is bit for bit that of Kafka, on every machine: bytes are read as
//     little-endian numbers, and every way through the lengths has a hash of hash4j, which Kafka uses, in the test.
//   - it is no defence against those who look for collisions.
package xxh

import (
	"encoding/binary"
	"math/bits"
)

const (
	prime32x1 = 0x9E3779B1
	prime32x2 = 0x85EBCA77
	prime32x3 = 0xC2B2AE3D
	prime64x1 = 0x9E3779B185EBCA87
	prime64x2 = 0xC2B2AE3D27D4EB4F
	prime64x3 = 0x165667B19E3779F9
	prime64x4 = 0x85EBCA77C2B2AE63
	prime64x5 = 0x27D4EB2F165667C5
	mixer1    = 0x165667919E3779F9
	mixer2    = 0x9FB21C651E98DF25

	stripe     = 64 // bytes that are taken in at once
	stripes    = 16 // in a block, of which each is keyed eight bytes further on in the secret
	secretSize = 192
	secretMin  = 136 // what the specification lets a secret have at least
)

// secret is the key of hashes that have none of their own.
const secret = "\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe\x7c\x01\x81\x2c\xf7\x21\xad\x1c\xde\xd4\x6d\xe9\x83\x90\x97\xdb\x72\x40\xa4\xa4\xb7\xb3\x67\x1f" +
	"\xcb\x79\xe6\x4e\xcc\xc0\xe5\x78\x82\x5a\xd0\x7d\xcc\xff\x72\x21\xb8\x08\x46\x74\xf7\x43\x24\x8e\xe0\x35\x90\xe6\x81\x3a\x26\x4c" +
	"\x3c\x28\x52\xbb\x91\xc3\x00\xcb\x88\xd0\x65\x8b\x1b\x53\x2e\xa3\x71\x64\x48\x97\xa2\x0d\xf9\x4e\x38\x19\xef\x46\xa9\xde\xac\xd8" +
	"\xa8\xfa\x76\x3f\xe3\x9c\x34\x3f\xf9\xdc\xbb\xc7\xc7\x0b\x4f\x1d\x8a\x51\xe0\x4b\xcd\xb4\x59\x31\xc8\x9f\x7e\xc9\xd9\x78\x73\x64" +
	"\xea\xc5\xac\x83\x34\xd3\xeb\xc3\xc5\x81\xa0\xff\xfa\x13\x63\xeb\x17\x0d\xdd\x51\xb7\xf0\xda\x49\xd3\x16\x55\x26\x29\xd4\x68\x9e" +
	"\x2b\x16\xbe\x58\x7d\x47\xa1\xfc\x8f\xf8\xb8\xd1\x7a\xd0\x31\xce\x45\xcb\x3a\x8f\x95\x16\x04\x28\xaf\xd7\xfb\xca\xbb\x4b\x40\x7e"

// Sum64 is the hash of b.
func Sum64(b []byte) uint64 {
	n := len(b)
	switch {
	case n == 0:
		return finish(key64(56) ^ key64(64))
	case n <= 3:
		v := uint32(b[0])<<16 | uint32(b[n>>1])<<24 | uint32(b[n-1]) | uint32(n)<<8
		return finish(uint64(v ^ uint32(key64(0)) ^ uint32(key64(0)>>32)))
	case n <= 8:
		v := uint64(word32(b[n-4:])) + uint64(word32(b))<<32
		v ^= key64(8) ^ key64(16)
		v ^= bits.RotateLeft64(v, 49) ^ bits.RotateLeft64(v, 24)
		v *= mixer2
		v ^= v>>35 + uint64(n)
		v *= mixer2
		return v ^ v>>28
	case n <= 16:
		low, high := word64(b)^key64(24)^key64(32), word64(b[n-8:])^key64(40)^key64(48)
		return avalanche(uint64(n) + bits.ReverseBytes64(low) + high + fold(low, high))
	case n <= 128:
		return short(b)
	case n <= 240:
		return middle(b)
	}
	return long(b)
}

// short takes pairs of sixteen bytes, from both ends inwards.
func short(b []byte) uint64 {
	n := len(b)
	h := uint64(n) * prime64x1
	for i := (n - 1) / 32; i >= 0; i-- {
		h += mix(b[16*i:], 32*i) + mix(b[n-16*(i+1):], 32*i+16)
	}
	return avalanche(h)
}

func middle(b []byte) uint64 {
	n := len(b)
	h := uint64(n) * prime64x1
	for i := range 8 {
		h += mix(b[16*i:], 16*i)
	}
	h = avalanche(h)
	for i := 8; i < n/16; i++ {
		h += mix(b[16*i:], 16*(i-8)+3)
	}
	return avalanche(h + mix(b[n-16:], secretMin-17))
}

func long(b []byte) uint64 {
	n := len(b)
	lanes := [8]uint64{prime32x3, prime64x1, prime64x2, prime64x3, prime64x4, prime32x2, prime64x5, prime32x1}
	rest := b
	for len(rest) > stripe*stripes {
		for i := range stripes {
			accumulate(&lanes, rest[stripe*i:], 8*i)
		}
		for i := range lanes {
			lanes[i] = (lanes[i] ^ lanes[i]>>47 ^ key64(secretSize-stripe+8*i)) * prime32x1
		}
		rest = rest[stripe*stripes:]
	}
	for i := range (len(rest) - 1) / stripe {
		accumulate(&lanes, rest[stripe*i:], 8*i)
	}
	accumulate(&lanes, b[n-stripe:], secretSize-stripe-7)
	h := uint64(n) * prime64x1
	for i := range 4 {
		h += fold(lanes[2*i]^key64(11+16*i), lanes[2*i+1]^key64(19+16*i))
	}
	return avalanche(h)
}

func accumulate(lanes *[8]uint64, b []byte, key int) {
	for i := range lanes {
		v := word64(b[8*i:])
		keyed := v ^ key64(key+8*i)
		lanes[i^1] += v
		lanes[i] += (keyed & 0xffffffff) * (keyed >> 32)
	}
}

func mix(b []byte, key int) uint64 { return fold(word64(b)^key64(key), word64(b[8:])^key64(key+8)) }

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

func avalanche(h uint64) uint64 {
	h ^= h >> 37
	h *= mixer1
	return h ^ h>>32
}

// finish is the older XXH64's end, for the shortest.
func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= prime64x2
	h ^= h >> 29
	h *= prime64x3
	return h ^ h>>32
}

func word32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func word64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func key64(at int) uint64 {
	k := secret[at : at+8]
	return uint64(k[0]) | uint64(k[1])<<8 | uint64(k[2])<<16 | uint64(k[3])<<24 | uint64(k[4])<<32 | uint64(k[5])<<40 | uint64(k[6])<<48 | uint64(k[7])<<56
}
