package wire

import (
	"encoding/binary"
	"math"
)

// cursor walks a body. The first flaw puts it at the end, so that whatever is read after it is zero and fails too.
type cursor struct {
	body     []byte
	at       int
	room     int32 // elements that may still be announced
	flexible bool
	flaw     Flaw
}

func newCursor(body []byte, key, version int16) cursor {
	return cursor{body: body, room: ElementsMax, flexible: Flexible(key, version)}
}

// fail keeps the first flaw.
func (c *cursor) fail(flaw Flaw) {
	if c.flaw == NoFlaw {
		c.flaw = flaw
	}
	c.at = len(c.body)
}

func (c *cursor) left() int { return len(c.body) - c.at }

// take is the next n bytes, an alias of the body.
func (c *cursor) take(n uint32) []byte {
	if uint64(n) > uint64(c.left()) {
		c.fail(Short)
		return nil
	}
	at := c.at
	c.at += int(n)
	return c.body[at:c.at:c.at]
}

// skip passes n bytes.
func (c *cursor) skip(n uint32) {
	if uint64(n) > uint64(c.left()) {
		c.fail(Short)
		return
	}
	c.at += int(n)
}

func (c *cursor) int8() int8 {
	if c.left() < 1 {
		c.fail(Short)
		return 0
	}
	c.at++
	return int8(c.body[c.at-1])
}

func (c *cursor) int16() int16 {
	if c.left() < 2 {
		c.fail(Short)
		return 0
	}
	c.at += 2
	return int16(binary.BigEndian.Uint16(c.body[c.at-2:]))
}

func (c *cursor) int32() int32 {
	if c.left() < 4 {
		c.fail(Short)
		return 0
	}
	c.at += 4
	return int32(binary.BigEndian.Uint32(c.body[c.at-4:]))
}

func (c *cursor) int64() int64 {
	if c.left() < 8 {
		c.fail(Short)
		return 0
	}
	c.at += 8
	return int64(binary.BigEndian.Uint64(c.body[c.at-8:]))
}

func (c *cursor) uuid(into *[16]byte) {
	if c.left() < 16 {
		c.fail(Short)
		return
	}
	*into = [16]byte(c.body[c.at:])
	c.at += 16
}

// uvarint reads a length or a tag; nearly all of them are one byte.
func (c *cursor) uvarint() uint32 {
	if c.at < len(c.body) && c.body[c.at] < 0x80 {
		c.at++
		return uint32(c.body[c.at-1])
	}
	return c.longUvarint()
}

func (c *cursor) longUvarint() uint32 {
	var value uint64
	for shift := 0; shift < 35; shift += 7 {
		if c.left() < 1 {
			c.fail(Short)
			return 0
		}
		next := c.body[c.at]
		c.at++
		value |= uint64(next&0x7f) << shift
		if next < 0x80 && value <= math.MaxUint32 {
			return uint32(value)
		}
	}
	c.fail(Overlong)
	return 0
}

// null is the length that nullable fields answer for null.
const null = math.MaxUint32

// length reads the length of a flexible field: one less than the uvarint, null for zero.
func (c *cursor) length() uint32 { return c.uvarint() - 1 }

// stringMax is the longest string: what is not flexible has no room for the length of a longer one, and what is written to
// logs of Kafka's schemas could not be read back.
const stringMax = math.MaxInt16

// stringLength reads the length of a string; null for null.
func (c *cursor) stringLength() uint32 {
	if c.flexible {
		n := c.length()
		if n != null && n > stringMax {
			c.fail(LongString)
			return 0
		}
		return n
	}
	n := c.int16()
	if n < 0 {
		return null
	}
	return uint32(n)
}

// text is a string that may not be null.
func (c *cursor) text() []byte {
	n := c.stringLength()
	if n == null {
		c.fail(Null)
		return nil
	}
	return c.take(n)
}

// nullableText is a string; nil for null.
func (c *cursor) nullableText() []byte {
	n := c.stringLength()
	if n == null {
		return nil
	}
	return c.take(n)
}

// records is a record set; nil for null. Unlike bytes they may be null in every version.
func (c *cursor) records() []byte {
	if c.flexible {
		n := c.length()
		if n == null {
			return nil
		}
		return c.take(n)
	}
	n := c.int32()
	if n < 0 {
		return nil
	}
	return c.take(uint32(n))
}

// count is the length of an array that may not be null.
func (c *cursor) count() uint32 {
	n := c.nullableCount()
	if n == null {
		c.fail(Null)
		return 0
	}
	return n
}

// nullableCount is the length of an array; null for null, for which any negative number stands. An element has one byte
// at least, so more of them than there are bytes cannot come.
func (c *cursor) nullableCount() uint32 {
	var n uint32
	if c.flexible {
		n = c.length()
	} else if signed := c.int32(); signed < 0 {
		n = null
	} else {
		n = uint32(signed)
	}
	if n == null {
		return null
	}
	if uint64(n) > uint64(c.left()) {
		c.fail(Short)
		return 0
	}
	c.charge(n)
	if c.flaw != NoFlaw {
		return 0
	}
	return n
}

// charge counts n elements.
func (c *cursor) charge(n uint32) {
	if n > uint32(c.room) {
		c.fail(TooMany)
		return
	}
	c.room -= int32(n)
}

// tags passes a tag section and returns how many there were; a version that is not flexible has none, and most others
// have one byte, zero.
func (c *cursor) tags() (count uint32) {
	if !c.flexible {
		return 0
	}
	if c.at < len(c.body) && c.body[c.at] == 0 {
		c.at++
		return 0
	}
	return c.someTags()
}

func (c *cursor) someTags() (count uint32) {
	count = c.uvarint()
	for n := count; n > 0 && c.flaw == NoFlaw; n-- {
		c.uvarint()
		c.skip(c.uvarint())
	}
	return count
}
