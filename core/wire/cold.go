package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// ReadCold reads the body of an API that is neither Produce nor Fetch. Strings in it are copies.
func ReadCold(key, version int16, body []byte) (Message, Flaw) {
	request := newCold(key)
	if request == nil || !Spoken(key, version) {
		return nil, Unspoken
	}
	c := newCursor(body, key, version)
	c.walk(key, version)
	c.keptTags()
	if c.flaw != NoFlaw {
		return nil, c.flaw
	}
	request.SetVersion(version)
	if request.ReadFrom(body[:c.at]) != nil {
		return nil, Short
	}
	if metadata, ok := request.(*kmsg.MetadataRequest); ok && version < 4 {
		metadata.AllowAutoTopicCreation = true // the field begins in version 4; before it a broker always creates
	}
	return request, NoFlaw
}

// walk passes over all fields of a cold body: it proves that every element announced is there, that nothing is null that
// may not be, and that the elements are not too many.
func (c *cursor) walk(key, version int16) {
	switch key {
	case KeyOffsetCommit:
		c.walkOffsetCommit(version)
	case KeyOffsetFetch:
		c.walkOffsetFetch(version)
	case KeyFindCoordinator:
		c.walkFindCoordinator(version)
	case KeyJoinGroup:
		c.walkJoinGroup(version)
	case KeyHeartbeat:
		c.walkHeartbeat(version)
	case KeyLeaveGroup:
		c.walkLeaveGroup(version)
	case KeySyncGroup:
		c.walkSyncGroup(version)
	case KeyDescribeGroups:
		c.walkDescribeGroups(version)
	case KeyListGroups:
		c.walkListGroups(version)
	case KeyDeleteGroups:
		c.walkDeleteGroups()
	case KeyOffsetDelete:
		c.walkOffsetDelete()
	case KeyConsumerGroupHeartbeat:
		c.walkConsumerGroupHeartbeat(version)
	case KeyConsumerGroupDescribe:
		c.walkConsumerGroupDescribe()
	case KeyListOffsets:
		c.walkListOffsets(version)
	case KeyMetadata:
		c.walkMetadata(version)
	case KeyApiVersions:
		c.walkApiVersions(version)
	case KeyCreateTopics:
		c.walkCreateTopics()
	case KeyDeleteTopics:
		c.walkDeleteTopics(version)
	case KeyDeleteRecords:
		c.walkDeleteRecords()
	case KeyInitProducerID:
		c.walkInitProducerID(version)
	case KeyDescribeACLs:
		c.walkDescribeACLs()
	case KeyCreateACLs:
		c.walkCreateACLs()
	case KeyDeleteACLs:
		c.walkDeleteACLs()
	case KeyDescribeClientQuotas:
		c.walkDescribeClientQuotas()
	case KeyAlterClientQuotas:
		c.walkAlterClientQuotas(func(uint64) {})
	case KeyDescribeUserScram:
		c.walkDescribeUserScramCredentials()
	case KeyDescribeConfigs:
		c.walkDescribeConfigs(version)
	case KeyAlterConfigs:
		c.walkAlterConfigs()
	case KeyCreatePartitions:
		c.walkCreatePartitions()
	case KeyIncrementalAlterConfigs:
		c.walkIncrementalAlterConfigs()
	case KeyDescribeCluster:
		c.walkDescribeCluster(version)
	case KeyOffsetForLeaderEpoch:
		c.walkOffsetForLeaderEpoch(version)
	case KeyAlterReplicaLogDirs:
		c.walkAlterReplicaLogDirs()
	case KeyDescribeLogDirs:
		c.walkDescribeLogDirs()
	case KeyDescribeProducers:
		c.walkDescribeProducers()
	case KeyGetTelemetry:
		c.skip(16) // client instance id
	case KeyPushTelemetry:
		c.walkPushTelemetry()
	case KeyListConfigResources:
		c.walkListConfigResources(version)
	case KeyDescribeTopicPartitions:
		c.walkDescribeTopicPartitions()
	}
}

// array passes over count elements, each by element and its tags.
func (c *cursor) array(count uint32, element func(c *cursor)) {
	for ; count > 0 && c.flaw == NoFlaw; count-- {
		element(c)
		c.keptTags()
	}
}

// keptTags are tags where kmsg keeps what it does not know: each is an entry in a map.
func (c *cursor) keptTags() { c.charge(c.tags()) }

func (c *cursor) walkListOffsets(version int16) {
	c.int32() // replica id
	if version >= 2 {
		c.int8() // isolation level
	}
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.array(c.count(), func(c *cursor) {
			c.int32()
			if version >= 4 {
				c.int32() // current leader epoch
			}
			c.int64() // timestamp
		})
	})
	if version >= 10 {
		c.int32() // timeout
	}
}

func (c *cursor) walkMetadata(version int16) {
	topics := uint32(null)
	if version == 0 {
		topics = c.count()
	} else {
		topics = c.nullableCount()
	}
	if topics != null {
		c.array(topics, func(c *cursor) {
			if version >= 10 {
				c.skip(16)
				c.nullableText()
				return
			}
			c.text()
		})
	}
	if version >= 4 {
		c.int8() // allow auto creation
	}
	if version >= 8 && version <= 10 {
		c.int8() // cluster's authorized operations
	}
	if version >= 8 {
		c.int8() // topics' authorized operations
	}
}

func (c *cursor) walkApiVersions(version int16) {
	if version >= 3 {
		c.text() // software name
		c.text() // software version
	}
}

func (c *cursor) walkCreateTopics() {
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.int32() // partitions
		c.int16() // replication factor
		c.array(c.count(), func(c *cursor) {
			c.int32()
			c.skip(4 * c.count()) // replicas
		})
		c.array(c.count(), func(c *cursor) {
			c.text()
			c.nullableText()
		})
	})
	c.int32() // timeout
	c.int8()  // validate only
}

func (c *cursor) walkDeleteTopics(version int16) {
	if version >= 6 {
		c.array(c.count(), func(c *cursor) {
			c.nullableText()
			c.skip(16)
		})
	} else {
		for n := c.count(); n > 0 && c.flaw == NoFlaw; n-- {
			c.text()
		}
	}
	c.int32() // timeout
}

func (c *cursor) walkInitProducerID(version int16) {
	c.nullableText()
	c.int32() // transaction timeout
	if version >= 3 {
		c.int64() // producer id
		c.int16() // producer epoch
	}
}

func (c *cursor) walkDescribeCluster(version int16) {
	c.int8() // cluster's authorized operations
	if version >= 1 {
		c.int8() // endpoint type
	}
	if version >= 2 {
		c.int8() // fenced brokers
	}
}
