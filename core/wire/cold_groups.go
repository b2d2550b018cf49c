package wire

// The bodies of requests about groups and their offsets.

func (c *cursor) walkFindCoordinator(version int16) {
	if version < 4 {
		c.text()
	}
	if version >= 1 {
		c.int8() // kind
	}
	if version >= 4 {
		c.texts()
	}
}

// texts is an array of strings, which have no tags.
func (c *cursor) texts() {
	for n := c.count(); n > 0 && c.flaw == NoFlaw; n-- {
		c.text()
	}
}

// bytes are bytes that may not be null.
func (c *cursor) bytes() {
	n := uint32(null)
	if c.flexible {
		n = c.length()
	} else if signed := c.int32(); signed >= 0 {
		n = uint32(signed)
	}
	if n == null {
		c.fail(Null)
		return
	}
	c.skip(n)
}

func (c *cursor) walkJoinGroup(version int16) {
	c.text()
	c.int32() // session timeout
	if version >= 1 {
		c.int32() // rebalance timeout
	}
	c.text() // member
	if version >= 5 {
		c.nullableText() // instance
	}
	c.text() // protocol type
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.bytes()
	})
	if version >= 8 {
		c.nullableText() // reason
	}
}

func (c *cursor) walkHeartbeat(version int16) {
	c.text()
	c.int32() // generation
	c.text()  // member
	if version >= 3 {
		c.nullableText() // instance
	}
}

func (c *cursor) walkLeaveGroup(version int16) {
	c.text()
	if version < 3 {
		c.text() // member
		return
	}
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.nullableText() // instance
		if version >= 5 {
			c.nullableText() // reason
		}
	})
}

func (c *cursor) walkSyncGroup(version int16) {
	c.walkHeartbeat(version) // the same fields to begin with
	if version >= 5 {
		c.nullableText() // protocol type
		c.nullableText() // protocol
	}
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.bytes()
	})
}

func (c *cursor) walkDescribeGroups(version int16) {
	c.texts()
	if version >= 3 {
		c.int8() // authorized operations
	}
}

func (c *cursor) walkListGroups(version int16) {
	if version >= 4 {
		c.texts() // states
	}
	if version >= 5 {
		c.texts() // types
	}
}

func (c *cursor) walkDeleteGroups() { c.texts() }

func (c *cursor) walkOffsetCommit(version int16) {
	c.text()
	c.int32() // generation
	c.text()  // member
	if version >= 7 {
		c.nullableText() // instance
	}
	if version <= 4 {
		c.int64() // retention
	}
	c.array(c.count(), func(c *cursor) {
		c.topicOrID(version >= 10)
		c.array(c.count(), func(c *cursor) {
			c.int32() // partition
			c.int64() // offset
			if version >= 6 {
				c.int32() // leader epoch
			}
			c.nullableText() // metadata
		})
	})
}

func (c *cursor) topicOrID(byID bool) {
	if byID {
		c.skip(16)
		return
	}
	c.text()
}

func (c *cursor) walkOffsetFetch(version int16) {
	topics := func(c *cursor) {
		if n := c.nullableCount(); n != null {
			c.array(n, func(c *cursor) {
				c.topicOrID(version >= 10)
				c.skip(4 * c.count())
			})
		}
	}
	if version < 8 {
		c.text()
		if version < 2 {
			c.array(c.count(), func(c *cursor) {
				c.text()
				c.skip(4 * c.count())
			})
		} else {
			topics(c)
		}
	} else {
		c.array(c.count(), func(c *cursor) {
			c.text()
			if version >= 9 {
				c.nullableText() // member
				c.int32()        // its epoch
			}
			topics(c)
		})
	}
	if version >= 7 {
		c.int8() // stable
	}
}

func (c *cursor) walkOffsetDelete() {
	c.text()
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.array(c.count(), func(c *cursor) { c.int32() })
	})
}

func (c *cursor) walkConsumerGroupHeartbeat(version int16) {
	c.text()
	c.text()         // member
	c.int32()        // its epoch
	c.nullableText() // instance
	c.nullableText() // rack
	c.int32()        // rebalance timeout
	if n := c.nullableCount(); n != null {
		for ; n > 0 && c.flaw == NoFlaw; n-- {
			c.text() // topic
		}
	}
	if version >= 1 {
		c.nullableText() // regular expression
	}
	c.nullableText() // assignor
	if n := c.nullableCount(); n != null {
		c.array(n, func(c *cursor) {
			c.skip(16)
			c.skip(4 * c.count())
		})
	}
}

func (c *cursor) walkConsumerGroupDescribe() {
	c.texts()
	c.int8() // authorized operations
}
