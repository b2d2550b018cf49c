package group

import "rookery/core/seam"

// Digest hashes what is replicated: what any fold of the same records comes to. A group of which there is no record, and no
// offset, is the coordinator's own business.
func (c *Coordinator) Digest() (d seam.Digest) {
	for id, g := range c.groups.All() {
		if g.stored == nil && g.topics.Len() == 0 {
			continue
		}
		d.Text(id)
		if g.stored != nil {
			digest(&d, &ClassicGroupRecord{Group: id, Value: g.stored})
		}
		for topic, partitions := range g.topics.All() {
			for partition, commit := range partitions.All() {
				digest(&d, &OffsetCommitRecord{Group: id, Topic: topic, Partition: partition, Value: commit})
			}
		}
	}
	return d
}

func digest(d *seam.Digest, r Record) {
	key, value := Append(nil, nil, r)
	d.Bytes(key)
	d.Bytes(value)
}
