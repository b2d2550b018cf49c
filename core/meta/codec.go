package meta

import (
	"encoding/binary"
	"fmt"
)

// coder walks a record's fields in the order of Kafka's schema, and either writes them behind out or reads them from
// in: one description serves both directions, so that they cannot drift apart.
type coder struct {
	reading bool
	version int16
	out     []byte
	in      []byte
	err     error
}

const stringMax = 1<<15 - 1 // Kafka's own bound for a string

func (c *coder) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	c.in = nil
}

// take is the next n bytes of in, or n zeroes once something has failed.
func (c *coder) take(n int) []byte {
	if n > len(c.in) {
		c.fail("%d bytes wanted, %d left", n, len(c.in))
		return make([]byte, n) // n is a constant of the schema wherever the input is not yet known to hold it
	}
	b := c.in[:n]
	c.in = c.in[n:]
	return b
}

func (c *coder) int8(p *int8) {
	if c.reading {
		*p = int8(c.take(1)[0])
		return
	}
	c.out = append(c.out, byte(*p))
}

func (c *coder) bool(p *bool) {
	if c.reading {
		*p = c.take(1)[0] != 0
		return
	}
	b := byte(0)
	if *p {
		b = 1
	}
	c.out = append(c.out, b)
}

func (c *coder) int16(p *int16) {
	if c.reading {
		*p = int16(binary.BigEndian.Uint16(c.take(2)))
		return
	}
	c.out = binary.BigEndian.AppendUint16(c.out, uint16(*p))
}

func (c *coder) uint16(p *uint16) {
	if c.reading {
		*p = binary.BigEndian.Uint16(c.take(2))
		return
	}
	c.out = binary.BigEndian.AppendUint16(c.out, *p)
}

func (c *coder) int32(p *int32) {
	if c.reading {
		*p = int32(binary.BigEndian.Uint32(c.take(4)))
		return
	}
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(*p))
}

func (c *coder) int64(p *int64) {
	if c.reading {
		*p = int64(binary.BigEndian.Uint64(c.take(8)))
		return
	}
	c.out = binary.BigEndian.AppendUint64(c.out, uint64(*p))
}

func (c *coder) uint64(p *uint64) {
	if c.reading {
		*p = binary.BigEndian.Uint64(c.take(8))
		return
	}
	c.out = binary.BigEndian.AppendUint64(c.out, *p)
}

func (c *coder) uuid(p *UUID) {
	if c.reading {
		copy(p[:], c.take(16))
		return
	}
	c.out = append(c.out, p[:]...)
}

func (c *coder) uvarint(v uint32) { c.out = binary.AppendUvarint(c.out, uint64(v)) }

// readUvarint accepts what Kafka accepts: at most five bytes, not necessarily the shortest form.
func (c *coder) readUvarint() uint32 {
	v, n := uint64(0), 0
	for ; n < 5 && n < len(c.in); n++ {
		v |= uint64(c.in[n]&0x7f) << (7 * n)
		if c.in[n] < 0x80 {
			c.in = c.in[n+1:]
			if v > 1<<32-1 {
				c.fail("varint above 32 bits")
				return 0
			}
			return uint32(v)
		}
	}
	c.fail("varint without an end")
	return 0
}

// length reads the compact length of something whose elements take at least size bytes each; -1 is null.
func (c *coder) length(size int) int {
	n := int64(c.readUvarint()) - 1
	if n*int64(size) > int64(len(c.in)) {
		c.fail("length %d beyond the end", n)
		return -1
	}
	return int(n)
}

func (c *coder) string(p *string) {
	s := p
	c.nullableString(&s)
	if s == nil {
		c.fail("null where a string must be")
		return
	}
	*p = *s
}

func (c *coder) nullableString(p **string) {
	if !c.reading {
		if *p == nil {
			c.uvarint(0)
			return
		}
		c.uvarint(uint32(len(**p)) + 1)
		c.out = append(c.out, **p...)
		return
	}
	n := c.length(1)
	if n > stringMax {
		c.fail("string of %d bytes", n)
		n = -1
	}
	if n < 0 {
		*p = nil
		return
	}
	s := string(c.take(n))
	*p = &s
}

// array walks the elements of a compact array that may not be null: a nil slice is written as an empty one. Size is
// the least that an element takes.
func array[T any](c *coder, p *[]T, size int, element func(*coder, *T)) {
	if !c.reading && *p == nil {
		c.uvarint(1)
		return
	}
	nullableArray(c, p, size, element)
	if c.reading && *p == nil {
		c.fail("null where an array must be")
	}
}

func nullableArray[T any](c *coder, p *[]T, size int, element func(*coder, *T)) {
	if c.reading {
		n := c.length(size)
		if n < 0 {
			*p = nil
			return
		}
		*p = make([]T, n)
	} else {
		n := uint32(0)
		if *p != nil {
			n = uint32(len(*p)) + 1
		}
		c.uvarint(n)
	}
	for i := range *p {
		element(c, &(*p)[i])
	}
}

func (c *coder) int32s(p *[]int32)         { array(c, p, 4, (*coder).int32) }
func (c *coder) uuids(p *[]UUID)           { array(c, p, 16, (*coder).uuid) }
func (c *coder) nullableInt32s(p *[]int32) { nullableArray(c, p, 4, (*coder).int32) }
func (c *coder) nullableUUIDs(p *[]UUID)   { nullableArray(c, p, 16, (*coder).uuid) }

// tag is one tagged field; set says whether it differs from its default and so is written.
type tag struct {
	number uint32
	set    bool
	field  func(*coder)
}

// tags walks the tagged fields, given by rising number. Unknown ones are skipped (KIP-482).
func (c *coder) tags(known ...tag) {
	if c.reading {
		c.readTags(known)
		return
	}
	n := uint32(0)
	for _, t := range known {
		if t.set {
			n++
		}
	}
	c.uvarint(n)
	for _, t := range known {
		if !t.set {
			continue
		}
		inner := coder{version: c.version}
		t.field(&inner)
		c.uvarint(t.number)
		c.uvarint(uint32(len(inner.out)))
		c.out = append(c.out, inner.out...)
	}
}

func (c *coder) readTags(known []tag) {
	for n := c.readUvarint(); n > 0 && c.err == nil; n-- {
		number := c.readUvarint()
		size := c.readUvarint()
		if int64(size) > int64(len(c.in)) {
			c.fail("tag %d of %d bytes beyond the end", number, size)
			return
		}
		inner := coder{reading: true, version: c.version, in: c.take(int(size))}
		for _, t := range known {
			if t.number == number {
				t.field(&inner)
				inner.end()
			}
		}
		if inner.err != nil {
			c.fail("tag %d: %w", number, inner.err)
		}
	}
}

func (c *coder) end() {
	if c.err == nil && len(c.in) > 0 {
		c.fail("%d bytes behind the end", len(c.in))
	}
}
