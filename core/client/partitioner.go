package client

import "encoding/binary"

// choose is where a record goes: by its key's hash, or, without a key, where the others go until a batch is full or on
// its way (KIP-480).
func (c *Client) choose(t *topic, key []byte) int32 {
	if key != nil {
		return int32(murmur2(key)&0x7fffffff) % int32(t.count)
	}
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

// unstick has the next record without a key choose anew: the batch that they shared is closed.
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
