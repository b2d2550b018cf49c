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

func (c *cursor) walkOffsetForLeaderEpoch(version int16) {
	if version >= 3 {
		c.int32() // replica id
	}
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.array(c.count(), func(c *cursor) {
			c.int32() // partition
			c.int32() // current leader epoch
			c.int32() // leader epoch
		})
	})
}

func (c *cursor) walkAlterReplicaLogDirs() {
	c.array(c.count(), func(c *cursor) {
		c.text() // a directory
		c.array(c.count(), (*cursor).topicPartitions)
	})
}

func (c *cursor) walkDescribeLogDirs() {
	if topics := c.nullableCount(); topics != null {
		c.array(topics, (*cursor).topicPartitions)
	}
}

func (c *cursor) walkDescribeProducers() { c.array(c.count(), (*cursor).topicPartitions) }

// topicPartitions is a topic and the numbers of some partitions.
func (c *cursor) topicPartitions() {
	c.text()
	c.skip(4 * c.count())
}

func (c *cursor) walkDescribeTopicPartitions() {
	c.array(c.count(), func(c *cursor) { c.text() })
	c.int32()           // limit
	if c.int8() != -1 { // a cursor
		c.text()
		c.int32() // partition
		c.keptTags()
	}
}
