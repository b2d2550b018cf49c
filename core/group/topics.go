package group

import (
	"encoding/binary"
	"slices"
	"strconv"
	"unicode/utf16"

	"rookery/core/meta"
	"rookery/core/xxh"
)

// topicHashes are what topics were hashed to, when the Image had this shape.
type topicHashes struct {
	shape int64
	of    map[string]uint64
}

// metadataHash is a number that changes when any of these topics does (KIP-1101): zero if none of them is there. The names
// come in order.
func (c *Coordinator) metadataHash(names []string) int64 {
	var b []byte
	for _, name := range names {
		if t := c.Image.Topic(name); t != nil {
			b = binary.LittleEndian.AppendUint64(b, c.topicHash(t))
		}
	}
	if b == nil {
		return 0
	}
	return int64(xxh.Sum64(b))
}

// topicHash is over a topic's id, its name, and the racks of each of its partitions.
func (c *Coordinator) topicHash(t *meta.Topic) uint64 {
	if c.hashes.of == nil || c.hashes.shape != c.Image.Shape() {
		c.hashes = topicHashes{c.Image.Shape(), map[string]uint64{}}
	}
	if known, ok := c.hashes.of[t.Name]; ok {
		return known
	}
	b := []byte{topicHashVersion}
	b = binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(t.ID[:8]))
	b = binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(t.ID[8:]))
	b = appendJavaString(b, t.Name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Partitions)))
	for i := range t.Partitions {
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		for _, rack := range c.racks(&t.Partitions[i]) {
			b = binary.LittleEndian.AppendUint32(b, uint32(utf16Length(rack)))
			b = appendJavaString(b, rack)
		}
	}
	hash := xxh.Sum64(b)
	c.hashes.of[t.Name] = hash
	return hash
}

const topicHashVersion = 0

// racks are those of a partition's replicas, in order; one that holds two of them stands twice.
func (c *Coordinator) racks(p *meta.Partition) (racks []string) {
	for _, id := range p.Replicas {
		if b := c.Image.Broker(id); b != nil && b.Rack != nil {
			racks = append(racks, *b.Rack)
		}
	}
	slices.Sort(racks)
	return racks
}

// appendJavaString is a string as hash4j hashes it: Java's characters, then how many.
func appendJavaString(b []byte, text string) []byte {
	n := uint32(0)
	for _, r := range text {
		if high, low := utf16.EncodeRune(r); high != '\uFFFD' {
			b = binary.LittleEndian.AppendUint16(b, uint16(high))
			b = binary.LittleEndian.AppendUint16(b, uint16(low))
			n += 2
			continue
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(r))
		n++
	}
	return binary.LittleEndian.AppendUint32(b, n)
}

// sessionMillis and heartbeatMillis are a group's own, or the broker's.
func (c *Coordinator) sessionMillis(group string) int32 {
	return c.groupNumber(group, "consumer.session.timeout.ms", c.config.Consumer.SessionMillis)
}

func (c *Coordinator) heartbeatMillis(group string) int32 {
	return c.groupNumber(group, "consumer.heartbeat.interval.ms", c.config.Consumer.HeartbeatMillis)
}

func (c *Coordinator) groupNumber(group, name string, otherwise int32) int32 {
	if text, set := c.Image.Config(meta.ResourceGroup, group, name); set {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil { // the controller lets nothing else in
			return int32(n)
		}
	}
	return otherwise
}
