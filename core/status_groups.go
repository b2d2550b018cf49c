package core

import (
	"rookery/core/controller"
	"rookery/core/group"
)

// GroupStatus is one group as it is shown.
type GroupStatus struct {
	Group   string
	State   string
	Members int
}

// OffsetStatus is what a group has committed of a partition as it is shown.
type OffsetStatus struct {
	group.Place
	Offset int64
	Lag    int64 // up to the high watermark; -1: there is no such partition here
}

// GroupPlace is how far somebody has come who looks through the groups: the partition of __consumer_offsets, and the place in it.
type GroupPlace struct {
	Index int
	Place group.Place
}

// GroupStatuses appends groups from a place on, at most limit, and returns the place to go on with; more is false behind the
// last one.
func (b *Broker) GroupStatuses(from GroupPlace, limit int, into []GroupStatus) (_ []GroupStatus, next GroupPlace, more bool) {
	for ; ; from = (GroupPlace{Index: from.Index + 1}) {
		c, more := b.coordinatorAt(from.Index)
		if !more {
			return into, from, false
		}
		if c == nil {
			continue
		}
		for {
			id, more := c.groups.NextGroup(from.Place.Group)
			if !more {
				break
			}
			if limit--; limit < 0 {
				return into, from, true
			}
			row, _ := c.groups.List(id, nil, nil)
			into = append(into, GroupStatus{id, row.GroupState, c.groups.Members(id)})
			from.Place.Group = id + "\x00"
		}
	}
}

// OffsetStatuses does the same with what groups have committed.
func (b *Broker) OffsetStatuses(from GroupPlace, limit int, into []OffsetStatus) (_ []OffsetStatus, next GroupPlace, more bool) {
	for room := limit + 1; ; from = (GroupPlace{Index: from.Index + 1}) {
		c, more := b.coordinatorAt(from.Index)
		if !more {
			return into, from, false
		}
		if c == nil {
			continue
		}
		for {
			at, offset, more := c.groups.CommittedFrom(from.Place, &room)
			if room == 0 {
				from.Place = at
				return into, from, true
			}
			if !more {
				break
			}
			if limit--; limit < 0 {
				return into, from, true
			}
			row := OffsetStatus{at, offset, -1}
			if t := b.topics[at.Topic]; t != nil && at.Partition >= 0 && int(at.Partition) < len(t.partitions) {
				if p := t.partitions[at.Partition]; p.replica != nil && offset >= 0 {
					row.Lag = max(p.replica.High().Offset-offset, 0)
				}
			}
			into = append(into, row)
			if from.Place = at; at.Partition == 1<<31-1 {
				from.Place.Topic, from.Place.Partition = at.Topic+"\x00", -1<<31
			} else {
				from.Place.Partition++
			}
		}
	}
}

// coordinatorAt is the coordinator of a partition of __consumer_offsets that serves, or nil; more is false behind the last.
func (b *Broker) coordinatorAt(index int) (c *coordinator, more bool) {
	t := b.topics[controller.ConsumerOffsets]
	if t == nil || index >= len(t.partitions) {
		return nil, false
	}
	if c = t.partitions[index].coordinator; c == nil || c.state != coordinatorReady {
		return nil, true
	}
	return c, true
}
