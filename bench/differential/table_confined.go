package main

import (
	"fmt"
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

// mutationsTable has clients make and delete more partitions than they may (KIP-599). What takes one beyond its quota is taken,
// and the next one is refused, or told to wait where the version does not know the error.
var mutationsTable = slices.Concat(
	rows("CreateTopics", 2, 7, row{name: "beyond a quota", run: func(s *side, v int16) {
		s.spend(v)
		s.mutate("another", createTopics(newTopic(s.called("t"), 1)), v)
		s.mutate("one that is there", createTopics(newTopic(s.called("spent"), 1)), v)
		dry := createTopics(newTopic(s.called("u"), 1))
		dry.ValidateOnly = true
		s.mutate("validate only", dry, v)
		s.settle()
		s.ask("there, or not", metadata(s.called("t")), 12)
	}}),
	rows("CreatePartitions", 0, 3, row{name: "beyond a quota", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.spend(7)
		s.mutate("one more", createPartitions(s.called("t"), 2), v)
		s.mutate("fewer than there are", createPartitions(s.called("t"), 1), v)
		s.settle()
		s.ask("as many as there are now", metadata(s.called("t")), 12)
	}}),
	rows("DeleteTopics", 1, 6, row{name: "beyond a quota", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.spend(7)
		s.mutate("one", deleteTopics(s.called("t")), v)
		s.mutate("one that is not there", deleteTopics(s.called("no")), v)
		s.settle()
		s.ask("there, or not", metadata(s.called("t")), 12)
	}}),
)

// spend has the client c make more partitions than it may in an hour.
func (s *side) spend(v int16) {
	s.must(s.quota("controller_mutation_rate", 0.001), 1)
	s.settle()
	s.mutate("what goes beyond the quota", createTopics(newTopic(s.called("spent"), 5)), v)
	s.settle()
}

// mutate asks as the client c, on a connection of its own: who is told to wait is not read meanwhile.
func (s *side) mutate(what string, request kmsg.Request, v int16) {
	own := link{address: s.link.address, client: s.called("c")}
	defer own.close()
	answer, exact, err := own.ask(request, v)
	s.note(what, request, v, answer, exact, err)
	if throttling, ok := answer.(kmsg.ThrottleResponse); ok && err == nil {
		millis, _ := throttling.Throttle()
		last := &s.told[len(s.told)-1]
		last.fields = append(last.fields, field{"throttled", fmt.Sprint(millis > 0)})
	}
}
