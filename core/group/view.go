package group

// GroupView is what is replicated of a group, as a plain value, for whoever holds one fold against another. It shares nothing
// with the Coordinator but what never changes.
type GroupView struct {
	Stored  *ClassicGroup
	Offsets map[string]map[int32]OffsetCommit
}

// Replicated is what the records so far come to.
func Replicated(c *Coordinator) map[string]GroupView {
	all := map[string]GroupView{}
	for id, g := range c.groups.All() {
		v := GroupView{Stored: g.stored}
		for topic, partitions := range g.topics.All() {
			if v.Offsets == nil {
				v.Offsets = map[string]map[int32]OffsetCommit{}
			}
			v.Offsets[topic] = map[int32]OffsetCommit{}
			for partition, commit := range partitions.All() {
				v.Offsets[topic][partition] = *commit
			}
		}
		if v.Stored != nil || len(v.Offsets) > 0 {
			all[id] = v
		}
	}
	return all
}
