package wire

// The bodies of requests about what lies in partitions.

func (c *cursor) walkDeleteRecords() {
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.array(c.count(), func(c *cursor) {
			c.int32() // partition
			c.int64() // offset
		})
	})
	c.int32() // timeout
}
