package main

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// confined are brokers that let little be done: what they refuse, those of all other cases take.
const confined = "delete.topic.enable=false\ngroup.max.size=1\ngroup.consumer.max.size=1"

var confinedTables = slices.Concat(
	rows("DeleteTopics", 1, 6, row{name: "switched off", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("one", deleteTopics(s.called("t")), v)
		s.ask("two, one unknown", deleteTopics(s.called("t"), s.called("no")), v)
		s.ask("none", deleteTopics(), v)
		if v >= 6 {
			s.ask("by id", deleteIDs(s.id("t"), s.id("no")), v)
		}
		s.ask("there still", metadata(s.called("t")), 12)
	}}),
	rows("JoinGroup", 0, 9, row{name: "a full group", run: func(s *side, v int16) {
		m := s.alone("g")
		s.ask("another", joinGroup(m.group, ""), v)
		s.ask("a stranger", joinGroup(m.group, "nobody"), v)
		if v >= 5 {
			r := joinGroup(m.group, "")
			r.InstanceID = value("instance")
			s.ask("an instance", r, v)
		}
		s.ask("described", describeGroups(m.group), 5)
		s.ask("the one goes on", heartbeat(m), 4)
		s.must(leaveGroup(m.group, m.id), 3)
		r := joinGroup(m.group, "")
		if answer, ok := s.ask("when it has left", r, v).(*kmsg.JoinGroupResponse); ok && answer.ErrorCode == 79 {
			r.MemberID = answer.MemberID
			s.ask("by the id that it was given", r, v)
		}
	}}),
	rows("ConsumerGroupHeartbeat", 0, 1, row{name: "a full group", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consuming("g", "m", s.called("t"))
		another := s.consumer("g", "n")
		s.beat("another", another, another.joins(s.called("t")), v)
		instance := another.joins(s.called("t"))
		instance.InstanceID = value("instance")
		s.beat("an instance", another, instance, v)
		s.beat("the one goes on", c, c.beats(), v)
		s.beat("the one leaves", c, c.leaves(-1), v)
		s.beat("when it has left", another, another.joins(s.called("t")), v)
	}}),
)
