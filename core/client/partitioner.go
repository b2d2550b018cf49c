package client

import "encoding/binary"

// Partitioner says which of a topic's partitions, of which there are so many, a record goes to; AnyPartition leaves it to
// the client. It is called in a Step: it is a pure function, and keeps nothing of the key.
type Partitioner func(topic string, key []byte, partitions int32) int32

// ByKey is Java's default: by the key's murmur2, and anywhere without a key.
func ByKey(_ string, key []byte, partitions int32) int32 {
	if key == nil {
		return AnyPartition
	}
	return int32(murmur2(key)&0x7fffffff) % partitions
}

// Anywhere looks at no key (partitioner.ignore.keys). With Config.RoundRobin it is Java's RoundRobinPartitioner.
func Anywhere(string, []byte, int32) int32 { return AnyPartition }

// choose is where a record goes; if it sticks there, only until the batch is full or on its way.
func (c *Client) choose(t *topic, key []byte) (number int32, sticks bool) {
	number = c.config.Partitioner(t.name, key, int32(t.count))
	switch {
	case number != AnyPartition:
		return number, false
	case c.config.RoundRobin:
		return t.inTurn(), false
	}
	return c.stick(t), true
}

// inTurn is the next partition that has a leader; if none has, the next.
func (t *topic) inTurn() int32 {
	for range t.count {
		if p := t.parts[t.nextTurn()]; p.leader != nil {
			return p.number
		}
	}
	return int32(t.nextTurn())
}

func (t *topic) nextTurn() int {
	at := t.turn % t.count
	t.turn = at + 1
	return at
}

// stick is the partition that records share whose partition is open, until its batch is closed (KIP-480).
func (c *Client) stick(t *topic) int32 {
	if t.sticky < 0 || int(t.sticky) >= t.count {
		t.sticky = c.stickTo(t)
	}
	return t.sticky
}

// stickTo draws among the partitions that have a leader; if none has, among all.
func (c *Client) stickTo(t *topic) int32 {
	led := 0
	for _, p := range t.parts[:t.count] {
		if p.leader != nil {
			led++
		}
	}
	if led == 0 {
		return int32(c.random.Intn(t.count))
	}
	nth := c.random.Intn(led)
	for _, p := range t.parts[:t.count] {
		if p.leader == nil {
			continue
		}
		if nth == 0 {
			return p.number
		}
		nth--
	}
	return 0
}

// unstick has the next record choose anew: the batch that they shared is closed.
func (p *partition) unstick() {
	if p.topic.sticky == p.number {
		p.topic.sticky = -1
	}
}

// murmur2 is the hash of Java's default partitioner (org.apache.kafka.common.utils.Utils.murmur2).
func murmur2(key []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := uint32(seed) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		h = h*m ^ (k^k>>24)*m
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(key[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
