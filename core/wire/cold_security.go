package wire

// The bodies of requests about who may do what. An element that is UNKNOWN (0) is none that a client may name: Kafka cannot
// read such a request either.

func (c *cursor) walkDescribeACLs() { c.aclFilter() }

func (c *cursor) walkCreateACLs() {
	c.array(c.count(), func(c *cursor) {
		c.known()
		c.text()
		c.known() // pattern type
		c.text()  // principal
		c.text()  // host
		c.known() // operation
		c.known() // permission
	})
}

func (c *cursor) walkDeleteACLs() { c.array(c.count(), (*cursor).aclFilter) }

func (c *cursor) aclFilter() {
	c.known() // resource type
	c.nullableText()
	c.known()        // pattern type
	c.nullableText() // principal
	c.nullableText() // host
	c.known()        // operation
	c.known()        // permission
}

func (c *cursor) known() {
	if c.int8() == 0 {
		c.fail(Unknown)
	}
}

func (c *cursor) walkDescribeUserScramCredentials() {
	if users := c.nullableCount(); users != null {
		c.array(users, func(c *cursor) { c.text() })
	}
}
