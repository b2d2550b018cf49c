package wire

func (c *cursor) walkDescribeConfigs(version int16) {
	c.array(c.count(), func(c *cursor) {
		c.int8() // resource type
		c.text()
		if names := c.nullableCount(); names != null {
			for ; names > 0 && c.flaw == NoFlaw; names-- {
				c.text()
			}
		}
	})
	c.int8() // synonyms
	if version >= 3 {
		c.int8() // documentation
	}
}

func (c *cursor) walkAlterConfigs() {
	c.array(c.count(), func(c *cursor) {
		c.int8() // resource type
		c.text()
		c.array(c.count(), func(c *cursor) {
			c.text()
			c.nullableText()
		})
	})
	c.int8() // validate only
}

func (c *cursor) walkIncrementalAlterConfigs() {
	c.array(c.count(), func(c *cursor) {
		c.int8() // resource type
		c.text()
		c.array(c.count(), func(c *cursor) {
			c.text()
			c.int8() // how
			c.nullableText()
		})
	})
	c.int8() // validate only
}

func (c *cursor) walkCreatePartitions() {
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.int32() // partitions
		if assignments := c.nullableCount(); assignments != null {
			c.array(assignments, func(c *cursor) { c.skip(4 * c.count()) }) // replicas
		}
	})
	c.int32() // timeout
	c.int8()  // validate only
}

func (c *cursor) walkListConfigResources(version int16) {
	if version >= 1 {
		c.skip(c.count())
	}
}

func (c *cursor) walkPushTelemetry() {
	c.skip(16) // client instance id
	c.int32()  // subscription id
	c.int8()   // terminating
	c.int8()   // codec
	c.bytes()  // metrics
}
