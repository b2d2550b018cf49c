// Package rng is the core's only randomness: ChaCha8 streams grown from one 32-byte seed that the configuration hands
// in, so that topic ids cannot be guessed in production and everything repeats in the simulator.
//
// Rules: nobody draws from a global source; a stream's name decides its numbers, so that a draw more in one stream
// shifts no other. There are no floats here.
package rng

import "math/rand/v2"

// Source is one stream of numbers.
type Source struct {
	seed   [32]byte
	cipher *rand.ChaCha8
}

// New begins the stream of a seed.
func New(seed [32]byte) *Source { return &Source{seed: seed, cipher: rand.NewChaCha8(seed)} }

// FromInt begins a stream from a small number: a simulator's seed.
func FromInt(n uint64) *Source {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(n >> (8 * i))
	}
	return New(seed)
}

// Named begins the stream of that name under this source's seed, whatever has been drawn from it already.
func (s *Source) Named(name string) *Source {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	seed := s.seed
	for i := range 8 {
		seed[24+i] ^= byte(h >> (8 * i))
	}
	parent := rand.NewChaCha8(seed)
	var child [32]byte
	fill(parent, child[:])
	return New(child)
}

// Uint64 draws 64 bits.
func (s *Source) Uint64() uint64 { return s.cipher.Uint64() }

// Intn draws from 0 to n-1; n must be above 0. The bias of the multiplication is below n in 2^64.
func (s *Source) Intn(n int) int {
	hi, _ := mul64(s.cipher.Uint64(), uint64(n))
	return int(hi)
}

// Fill draws len(b) bytes.
func (s *Source) Fill(b []byte) { fill(s.cipher, b) }

func fill(c *rand.ChaCha8, b []byte) {
	for len(b) > 0 {
		v := c.Uint64()
		for i := 0; i < 8 && len(b) > 0; i++ {
			b[0] = byte(v >> (8 * i))
			b = b[1:]
		}
	}
}

func mul64(x, y uint64) (hi, lo uint64) {
	const mask = 1<<32 - 1
	x0, x1, y0, y1 := x&mask, x>>32, y&mask, y>>32
	w0 := x0 * y0
	t := x1*y0 + w0>>32
	w1 := t&mask + x0*y1
	return x1*y1 + t>>32 + w1>>32, x * y
}
