// Package schema reads and writes messages of Kafka's own schemas: the records of the metadata log and those of
// __consumer_offsets. What a message is made of is said once, for both directions, so that they cannot drift apart.
//
//	Reader: bytes  ─┐                                          ┌─▶ fields are set
//	                ├─▶ one description: c.Int32(&r.Epoch) ... ─┤
//	Writer: fields ─┘                                          └─▶ bytes are appended
//
// Rules:
//   - Input is hostile: a length is held against the bytes that are there before anything of that length is made.
//   - A fault is kept until End, and whatever is read behind it is zero.
//   - A message is flexible (compact lengths, tagged fields: KIP-482) or it is not; the two share no byte but the numbers.
package schema

import (
	"encoding/binary"
	"fmt"
)

// Coder walks a message's fields in the order of its schema, and either writes them behind out or reads them from in.
type Coder struct {
	Version  int16 // which the fields may ask for
	Flexible bool

	reading bool
	out     []byte
	in      []byte
	err     error
}

// Reader reads a message from b.
func Reader(b []byte, version int16, flexible bool) Coder {
	return Coder{Version: version, Flexible: flexible, reading: true, in: b}
}

// Writer writes a message behind dst.
func Writer(dst []byte, version int16, flexible bool) Coder {
	return Coder{Version: version, Flexible: flexible, out: dst}
}

// Written is what a Writer was given, and all that was written behind it.
func (c *Coder) Written() []byte { return c.out }

// Err is the first fault.
func (c *Coder) Err() error { return c.err }

// End is the first fault; bytes that are left over are one.
func (c *Coder) End() error {
	if c.err == nil && len(c.in) > 0 {
		c.Fail("%d bytes behind the end", len(c.in))
	}
	return c.err
}

// Reading says that fields are read. Whoever reads an older version gives the fields it lacks their defaults first.
func (c *Coder) Reading() bool { return c.reading }

// StringMax is Kafka's own bound for a string.
const StringMax = 1<<15 - 1

// Fail reports a fault, of which the first is kept.
func (c *Coder) Fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	c.in = nil
}

// take is the next n bytes of in, or n zeroes once something has failed.
func (c *Coder) take(n int) []byte {
	if n > len(c.in) {
		c.Fail("%d bytes wanted, %d left", n, len(c.in))
		return make([]byte, n) // n is a constant of the schema wherever the input is not yet known to hold it
	}
	b := c.in[:n]
	c.in = c.in[n:]
	return b
}

// Int8 is one byte.
func (c *Coder) Int8(p *int8) {
	if c.reading {
		*p = int8(c.take(1)[0])
		return
	}
	c.out = append(c.out, byte(*p))
}

// Bool is one byte; whatever is not zero is true.
func (c *Coder) Bool(p *bool) {
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

// Int16 is two bytes.
func (c *Coder) Int16(p *int16) {
	if c.reading {
		*p = int16(binary.BigEndian.Uint16(c.take(2)))
		return
	}
	c.out = binary.BigEndian.AppendUint16(c.out, uint16(*p))
}

// Uint16 is two bytes.
func (c *Coder) Uint16(p *uint16) {
	if c.reading {
		*p = binary.BigEndian.Uint16(c.take(2))
		return
	}
	c.out = binary.BigEndian.AppendUint16(c.out, *p)
}

// Int32 is four bytes.
func (c *Coder) Int32(p *int32) {
	if c.reading {
		*p = int32(binary.BigEndian.Uint32(c.take(4)))
		return
	}
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(*p))
}

// Int64 is eight bytes.
func (c *Coder) Int64(p *int64) {
	if c.reading {
		*p = int64(binary.BigEndian.Uint64(c.take(8)))
		return
	}
	c.out = binary.BigEndian.AppendUint64(c.out, uint64(*p))
}

// Uint64 is eight bytes.
func (c *Coder) Uint64(p *uint64) {
	if c.reading {
		*p = binary.BigEndian.Uint64(c.take(8))
		return
	}
	c.out = binary.BigEndian.AppendUint64(c.out, *p)
}

// UUID is a topic, directory or incarnation id.
func UUID[T ~[16]byte](c *Coder, p *T) {
	if c.reading {
		*p = T(c.take(16))
		return
	}
	b := [16]byte(*p)
	c.out = append(c.out, b[:]...)
}

// Uvarint writes a number in its shortest form.
func (c *Coder) Uvarint(v uint32) { c.out = binary.AppendUvarint(c.out, uint64(v)) }

// ReadUvarint accepts what Kafka accepts: at most five bytes, not necessarily the shortest form.
func (c *Coder) ReadUvarint() uint32 {
	v, n := uint64(0), 0
	for ; n < 5 && n < len(c.in); n++ {
		v |= uint64(c.in[n]&0x7f) << (7 * n)
		if c.in[n] < 0x80 {
			c.in = c.in[n+1:]
			if v > 1<<32-1 {
				c.Fail("varint above 32 bits")
				return 0
			}
			return uint32(v)
		}
	}
	c.Fail("varint without an end")
	return 0
}

// null is the length of what is not there.
const null = -1

// lengthWidth is how a length is written where the message is not flexible.
type lengthWidth int

const (
	stringWidth lengthWidth = 2
	arrayWidth  lengthWidth = 4 // of bytes, too
)

func (c *Coder) length(width lengthWidth, n int) {
	switch {
	case c.Flexible:
		c.Uvarint(uint32(n + 1))
	case width == stringWidth:
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(n))
	default:
		c.out = binary.BigEndian.AppendUint32(c.out, uint32(n))
	}
}

// readLength reads the length of something whose elements take at least size bytes each. As in Kafka, whatever is
// below zero is null.
func (c *Coder) readLength(width lengthWidth, size int) int {
	n := int64(0)
	switch {
	case c.Flexible:
		n = int64(c.ReadUvarint()) - 1
	case width == stringWidth:
		n = int64(int16(binary.BigEndian.Uint16(c.take(2))))
	default:
		n = int64(int32(binary.BigEndian.Uint32(c.take(4))))
	}
	if n*int64(size) > int64(len(c.in)) {
		c.Fail("length %d beyond the end", n)
		n = null
	}
	return int(max(n, null))
}

// String may not be null.
func (c *Coder) String(p *string) {
	s := p
	c.NullableString(&s)
	if s == nil {
		c.Fail("null where a string must be")
		return
	}
	*p = *s
}

// NullableString is nil where there is null.
func (c *Coder) NullableString(p **string) {
	if !c.reading {
		if *p == nil {
			c.length(stringWidth, null)
			return
		}
		c.length(stringWidth, len(**p))
		c.out = append(c.out, **p...)
		return
	}
	n := c.readLength(stringWidth, 1)
	if n > StringMax {
		c.Fail("string of %d bytes", n)
		n = null
	}
	if n < 0 {
		*p = nil
		return
	}
	s := string(c.take(n))
	*p = &s
}

// Bytes may not be null: nil is written as empty. What is read is a copy.
func (c *Coder) Bytes(p *[]byte) {
	if !c.reading {
		c.length(arrayWidth, len(*p))
		c.out = append(c.out, *p...)
		return
	}
	n := c.readLength(arrayWidth, 1)
	if n < 0 {
		c.Fail("null where bytes must be")
		n = 0
	}
	*p = append([]byte{}, c.take(n)...)
}

// Array walks the elements of an array that may not be null: a nil slice is written as an empty one. Size is
// the least that an element takes.
func Array[T any](c *Coder, p *[]T, size int, element func(*Coder, *T)) {
	if !c.reading && *p == nil {
		c.length(arrayWidth, 0)
		return
	}
	NullableArray(c, p, size, element)
	if c.reading && *p == nil {
		c.Fail("null where an array must be")
	}
}

// NullableArray walks the elements of an array that may be null.
func NullableArray[T any](c *Coder, p *[]T, size int, element func(*Coder, *T)) {
	if c.reading {
		n := c.readLength(arrayWidth, size)
		if n < 0 {
			*p = nil
			return
		}
		*p = make([]T, n)
	} else {
		n := null
		if *p != nil {
			n = len(*p)
		}
		c.length(arrayWidth, n)
	}
	for i := range *p {
		element(c, &(*p)[i])
	}
}

// Int32s is an array of numbers.
func (c *Coder) Int32s(p *[]int32) { Array(c, p, 4, (*Coder).Int32) }

// NullableInt32s is an array of numbers that may be null.
func (c *Coder) NullableInt32s(p *[]int32) { NullableArray(c, p, 4, (*Coder).Int32) }

// Strings is an array of strings that may not be null, each at least the byte of a compact empty one.
func (c *Coder) Strings(p *[]string) { Array(c, p, 1, (*Coder).String) }

// UUIDs is an array of ids.
func UUIDs[T ~[16]byte](c *Coder, p *[]T) { Array(c, p, 16, UUID[T]) }

// NullableUUIDs is an array of ids that may be null.
func NullableUUIDs[T ~[16]byte](c *Coder, p *[]T) { NullableArray(c, p, 16, UUID[T]) }

// Tag is one tagged field.
type Tag struct {
	number uint32
	set    bool
	field  func(*Coder)
}

// Tagged is a tagged field; set says whether it differs from its default and so is written.
func Tagged(number uint32, set bool, field func(*Coder)) Tag { return Tag{number, set, field} }

// Tags walks the tagged fields of a flexible message, given by rising number. Unknown ones are skipped (KIP-482).
func (c *Coder) Tags(known ...Tag) {
	if !c.Flexible {
		return
	}
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
	c.Uvarint(n)
	for _, t := range known {
		if !t.set {
			continue
		}
		inner := Writer(nil, c.Version, true)
		t.field(&inner)
		c.Uvarint(t.number)
		c.Uvarint(uint32(len(inner.out)))
		c.out = append(c.out, inner.out...)
	}
}

func (c *Coder) readTags(known []Tag) {
	for n := c.ReadUvarint(); n > 0 && c.err == nil; n-- {
		number := c.ReadUvarint()
		size := c.ReadUvarint()
		if int64(size) > int64(len(c.in)) {
			c.Fail("tag %d of %d bytes beyond the end", number, size)
			return
		}
		inner := Reader(c.take(int(size)), c.Version, true)
		for _, t := range known {
			if t.number == number {
				t.field(&inner)
				inner.End()
			}
		}
		if inner.err != nil {
			c.Fail("tag %d: %w", number, inner.err)
		}
	}
}
