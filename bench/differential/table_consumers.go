package main

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is a member of a consumer group (KIP-848): what its next heartbeat has to say.
type consumer struct {
	group, id string
	epoch     int32
	owned     []kmsg.ConsumerGroupHeartbeatRequestTopic
}

// consumer names a member by itself, as clients do from version 1 on.
func (s *side) consumer(group, id string) *consumer {
	return &consumer{group: s.called(group), id: s.called(id)}
}

// joins is a member's first heartbeat. The range assignor goes by the order of members' ids, which both sides have; that of
// the uniform one is of a hash table in Kafka.
func (c *consumer) joins(topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	r := c.beats()
	r.MemberEpoch, r.RebalanceTimeoutMillis = 0, 300_000 // longer than any case
	r.SubscribedTopicNames, r.ServerAssignor, r.Topics = append([]string{}, topics...), value("range"), []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return r
}

// beats is a heartbeat that says nothing new.
func (c *consumer) beats() *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = c.group, c.id, c.epoch, -1
	return r
}

// owns is a heartbeat that says what the member has.
func (c *consumer) owns() *kmsg.ConsumerGroupHeartbeatRequest {
	r := c.beats()
	r.Topics = append([]kmsg.ConsumerGroupHeartbeatRequestTopic{}, c.owned...)
	return r
}

// leaves is the last heartbeat, of a dynamic member (-1) or of one that means to come back (-2).
func (c *consumer) leaves(epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	r := c.beats()
	r.MemberEpoch = epoch
	return r
}

// takes what an answer gives.
func (c *consumer) takes(answer kmsg.Response) {
	a, ok := answer.(*kmsg.ConsumerGroupHeartbeatResponse)
	if !ok || a.ErrorCode != 0 {
		return
	}
	if c.epoch = a.MemberEpoch; a.MemberID != nil {
		c.id = *a.MemberID
	}
	if a.Assignment != nil {
		c.owned = nil
		for _, t := range a.Assignment.Topics {
			c.owned = append(c.owned, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.TopicID, Partitions: t.Partitions})
		}
	}
}

// beat sends a heartbeat and takes what it brings.
func (s *side) beat(what string, c *consumer, r *kmsg.ConsumerGroupHeartbeatRequest, v int16) {
	c.takes(s.ask(what, r, v))
}

// consuming makes a group of one member, outside the comparison.
func (s *side) consuming(group, id string, topics ...string) *consumer {
	c := s.consumer(group, id)
	answer := s.must(c.joins(topics...), 1).(*kmsg.ConsumerGroupHeartbeatResponse)
	if answer.ErrorCode != 0 {
		panic(fmt.Errorf("%s: a case's own consumer cannot join: %d", s.name, answer.ErrorCode))
	}
	c.takes(answer)
	return c
}

func describeConsumers(groups ...string) *kmsg.ConsumerGroupDescribeRequest {
	r := kmsg.NewPtrConsumerGroupDescribeRequest()
	r.Groups = groups
	return r
}

// subscribable makes topics and waits until coordinators know them.
func (s *side) subscribable(partitions int32, names ...string) {
	for _, name := range names {
		s.topic(name, partitions)
	}
	s.settle()
}

var consumersTable = slices.Concat(consumerHeartbeatTable, consumerDescribeTable, consumerOffsetsTable, consumerClassicTable)

var consumerHeartbeatTable = rows("ConsumerGroupHeartbeat", 0, 1,
	row{name: "one member", run: func(s *side, v int16) {
		s.subscribable(3, "t", "u")
		c := s.consumer("g", "m")
		s.beat("joins", c, c.joins(s.called("t")), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.beat("nothing new", c, c.beats(), v)
		s.beat("with what it owns", c, c.owns(), v)
		again := c.joins(s.called("t"))
		again.MemberEpoch, again.Topics = c.epoch, c.owns().Topics
		s.beat("everything again", c, again, v)
		s.beat("joins again", c, c.joins(s.called("t")), v)
		s.beat("of two topics now", c, func() *kmsg.ConsumerGroupHeartbeatRequest {
			r := c.owns()
			r.SubscribedTopicNames = []string{s.called("u"), s.called("t"), s.called("u")}
			return r
		}(), v)
		s.beat("with what it owns", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), 1)
		less := c.owns()
		less.SubscribedTopicNames = []string{s.called("u")}
		s.beat("of one topic", c, less, v)
		s.beat("still with both", c, c.beats(), v)
		s.beat("let go", c, c.owns(), v)
		none := c.owns()
		none.SubscribedTopicNames = []string{}
		s.beat("of none", c, none, v)
		s.beat("let go", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("leaves", c.leaves(-1), v)
		s.ask("leaves again", c.leaves(-1), v)
		s.ask("is gone", c.beats(), v)
		s.ask("described", describeConsumers(c.group), 1)
		c.owned = nil
		s.beat("joins anew", c, c.joins(s.called("t")), v)
	}},
	row{name: "refused", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		ask := func(what string, edit func(r *kmsg.ConsumerGroupHeartbeatRequest)) {
			r := s.consumer("g", "m").joins(s.called("t"))
			edit(r)
			s.ask(what, r, v)
		}
		ask("group without a name", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.Group = "" })
		ask("blank group", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.Group = "  " })
		ask("blank member", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberID = " " })
		ask("empty instance", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.InstanceID = value("") })
		ask("empty rack", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.RackID = value("") })
		ask("no time-out", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.RebalanceTimeoutMillis = -1 })
		ask("no partitions", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.Topics = nil })
		ask("partitions", func(r *kmsg.ConsumerGroupHeartbeatRequest) {
			r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: s.id("t"), Partitions: []int32{0}}}
		})
		ask("no topics", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.SubscribedTopicNames = nil })
		ask("static leave without an instance", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = -2 })
		ask("an epoch that is none", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = -3 })
		ask("unknown assignor", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.ServerAssignor = value("no-such") })
		ask("empty assignor", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.ServerAssignor = value("") })
		ask("member of a group that is none", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = 1 })
		ask("leaves a group that is none", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = -1 })
		ask("static leave of a group that is none", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch, r.InstanceID = -2, value("i") })
		if v >= 1 {
			ask("no member", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberID = "" })
			ask("an expression that is none", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.SubscribedTopicRegex = value("[") })
			ask("a look-ahead", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.SubscribedTopicRegex = value("a(?=b)") })
		}
		c := s.consuming("g", "m", s.called("t"))
		for _, epoch := range []int32{0, 1, c.epoch + 1, c.epoch - 1, 99} {
			r := c.owns()
			if r.MemberEpoch = epoch; epoch == 0 {
				continue
			}
			s.ask(fmt.Sprint("epoch ", epoch), r, v)
		}
		stranger := *c
		stranger.id = s.called("stranger")
		s.ask("a stranger", stranger.beats(), v)
		s.ask("a stranger leaves", stranger.leaves(-1), v)
		r := c.beats()
		r.InstanceID = value("i")
		s.ask("of an instance that is none", r, v)
		r = c.leaves(-2)
		r.InstanceID = value("i")
		s.ask("static leave of an instance that is none", r, v)
		s.ask("empty member leaves", (&consumer{group: c.group}).leaves(-1), v)
		s.ask("empty member beats", (&consumer{group: c.group, epoch: 1}).beats(), v)
		other := *c
		other.owned = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: [16]byte{7, 7}, Partitions: []int32{0}}, {TopicID: s.id("t"), Partitions: []int32{0, 5}}}
		s.ask("owns what nobody gave it", other.owns(), v)
	}},
	row{name: "given an id", until: 0, run: func(s *side, v int16) {
		if v > 0 {
			return
		}
		s.subscribable(2, "t")
		c := &consumer{group: s.called("g")}
		s.beat("joins", c, c.joins(s.called("t")), v)
		s.beat("with its id", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), v)
		s.ask("leaves", c.leaves(-1), v)
	}},
	row{name: "two members", run: func(s *side, v int16) {
		s.subscribable(4, "t")
		one, two := s.consumer("g", "m1"), s.consumer("g", "m2")
		s.beat("one joins", one, one.joins(s.called("t")), v)
		s.beat("two joins", two, two.joins(s.called("t")), v)
		s.ask("described", describeConsumers(one.group), 1)
		before := *one
		s.beat("one is told", one, one.beats(), v)
		s.ask("two has to wait", two.beats(), v)
		s.ask("with the epoch of before, and what it had", before.owns(), v)
		s.beat("one has let go", one, one.owns(), v)
		s.ask("with an epoch too old", before.beats(), v)
		s.beat("two gets the rest", two, two.beats(), v)
		s.beat("two owns it", two, two.owns(), v)
		s.ask("described", describeConsumers(one.group), 1)
		s.ask("two leaves", two.leaves(-1), v)
		s.beat("one gets everything", one, one.owns(), v)
		s.ask("described", describeConsumers(one.group), 1)
		uniform := one.beats()
		uniform.ServerAssignor = value("uniform")
		s.beat("another assignor", one, uniform, v)
		s.beat("after that", one, one.owns(), v)
		s.ask("described", describeConsumers(one.group), 1)
	}},
	row{name: "topics that come and go", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		c := s.consumer("g", "m")
		s.beat("joins for two", c, c.joins(s.called("t"), s.called("u")), v)
		s.subscribable(2, "u")
		s.beat("one more there", c, c.owns(), v)
		s.beat("owns it", c, c.owns(), v)
		s.must(createPartitions(s.called("t"), 3), 3)
		s.opened("t", 3)
		s.settle()
		s.beat("more partitions", c, c.owns(), v)
		s.beat("owns them", c, c.owns(), v)
		s.must(deleteTopics(s.called("u")), 5)
		s.settle()
		s.beat("one is gone", c, c.owns(), v)
		s.beat("let it go", c, c.owns(), v)
		s.subscribable(1, "u")
		s.beat("made again", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), 1)
	}},
	row{name: "instances", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		static := func(r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatRequest {
			r.InstanceID = value("i")
			return r
		}
		c, d := s.consumer("g", "m"), s.consumer("g", "n")
		s.beat("joins", c, static(c.joins(s.called("t"))), v)
		s.beat("owns", c, static(c.owns()), v)
		s.ask("without its instance", c.owns(), v)
		s.ask("another takes its place", static(d.joins(s.called("t"))), v)
		s.ask("another beats in its place", static((&consumer{group: c.group, id: d.id, epoch: c.epoch}).beats()), v)
		s.ask("another leaves in its place", static(d.leaves(-2)), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("leaves, to come back", static(c.leaves(-2)), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("beats all the same", static(c.beats()), v)
		s.beat("another comes for it", d, static(d.joins(s.called("t"))), v)
		s.ask("the first again", static(c.owns()), v)
		s.beat("owns", d, static(d.owns()), v)
		s.ask("described", describeConsumers(c.group), 1)
		e := s.consumer("g", "o")
		s.beat("a dynamic one beside it", e, e.joins(s.called("t")), v)
		s.beat("lets go", d, static(d.owns()), v)
		s.beat("has let go", d, static(d.owns()), v)
		s.beat("gets it", e, e.owns(), v)
		s.ask("leaves for good", static(d.leaves(-1)), v)
		s.ask("leaves again", static(d.leaves(-1)), v)
		s.beat("gets everything", e, e.owns(), v)
		s.ask("described", describeConsumers(c.group), 1)
	}},
	row{name: "expressions", since: 1, run: func(s *side, v int16) {
		s.subscribable(2, "t1", "t2", "u")
		c := s.consumer("g", "m")
		r := c.joins()
		r.SubscribedTopicNames, r.SubscribedTopicRegex = nil, value(s.called("t.*"))
		s.beat("joins", c, r, v)
		// It is looked up beside the heartbeats: how many pass before it is found is nobody's promise.
		s.until(func() bool {
			c.takes(s.must(c.owns(), v))
			return len(c.owned) == 2
		}, "an expression is never looked up")
		s.ask("described", describeConsumers(c.group), v)
		both := c.owns()
		both.SubscribedTopicNames = []string{s.called("u")}
		s.beat("names beside it", c, both, v)
		s.beat("owns them", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), v)
		none := c.owns()
		none.SubscribedTopicRegex = value("")
		s.beat("without one", c, none, v)
		s.beat("lets go", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), v)
		bad := c.owns()
		bad.SubscribedTopicRegex = value("(")
		s.ask("one that is none", bad, v)
		s.beat("still there", c, c.owns(), v)
	}},
	row{name: "a member of nothing", run: func(s *side, v int16) {
		s.subscribable(3, "t")
		one, two := s.consumer("g", "m1"), s.consumer("g", "m2")
		s.beat("joins", two, two.joins(s.called("t")), v)
		s.ask("joins for a topic that is none", one.joins(s.called("u")), v)
		s.ask("leaves", one.leaves(-1), v)
		s.ask("joins for nothing", one.joins(), v)
		s.ask("described", describeConsumers(one.group), 1)
	}},
	row{name: "racks", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consumer("g", "m")
		r := c.joins(s.called("t"))
		r.RackID = value("a")
		s.beat("joins", c, r, v)
		r = c.owns()
		r.RackID = value("b")
		s.beat("moves", c, r, v)
		s.ask("described", describeConsumers(c.group), v)
	}},
	row{name: "intervals", run: func(s *side, v int16) {
		const group = kmsg.ConfigResourceTypeGroupConfig
		s.subscribable(1, "t")
		s.must(incremental(group, s.called("g"), "consumer.heartbeat.interval.ms", set, "7000"), 1)
		s.settle()
		c := s.consumer("g", "m")
		s.beat("joins", c, c.joins(s.called("t")), v)
		s.must(incremental(group, s.called("g"), "consumer.heartbeat.interval.ms", reset, nil), 1)
		s.settle()
		s.beat("as everybody", c, c.owns(), v)
	}},
)

var consumerDescribeTable = rows("ConsumerGroupDescribe", 0, 1,
	row{name: "states", run: func(s *side, v int16) {
		s.subscribable(2, "t", "u")
		s.ask("unknown", describeConsumers(s.called("no")), v)
		s.ask("without a name", describeConsumers(""), v)
		s.ask("none", describeConsumers(), v)
		c := s.consuming("g", "m1", s.called("t"), s.called("u"), s.called("no"))
		s.ask("one member", describeConsumers(c.group), v)
		c.takes(s.must(c.owns(), 1))
		s.ask("that owns what it was given", describeConsumers(c.group), v)
		d := s.consuming("g", "m2", s.called("u"))
		s.ask("two members", describeConsumers(c.group), v)
		s.must(s.commit(s.simple("offsets"), "t", 0, 5, ""), 8)
		s.alone("classic")
		r := describeConsumers(c.group, s.called("no"), "", s.called("classic"), s.called("offsets"), c.group)
		r.IncludeAuthorizedOperations = true
		s.ask("several, one twice", r, v)
		for _, each := range []*consumer{c, d} {
			s.must(each.leaves(-1), 1)
		}
		s.ask("empty", describeConsumers(c.group), v)
	}},
)

// consumerOffsetsTable is what members of consumer groups commit and fetch.
var consumerOffsetsTable = slices.Concat(
	rows("OffsetCommit", 2, 10, row{name: "by consumers", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consuming("g", "m", s.called("t"))
		m := member{c.group, c.id, c.epoch}
		s.ask("good", s.commit(m, "t", 0, 5, "note"), v)
		s.ask("past epoch", s.commit(m.at(c.epoch-1), "t", 0, 6, ""), v)
		s.ask("epoch to come", s.commit(m.at(c.epoch+1), "t", 0, 6, ""), v)
		s.ask("no epoch", s.commit(m.at(-1), "t", 0, 6, ""), v)
		s.ask("a stranger", s.commit(m.stranger(), "t", 0, 6, ""), v)
		s.ask("by nobody", s.commit(s.simple("g"), "t", 0, 6, ""), v)
		s.ask("unknown topic", s.commit(m, "no", 0, 6, ""), v)
		s.ask("unknown partition", s.commit(m, "t", 9, 6, ""), v)
		s.ask("seen", s.committed(c.group, "t", 0, 1), 8)
		s.must(c.leaves(-1), 1)
		s.ask("has left", s.commit(m, "t", 0, 7, ""), v)
		s.ask("by nobody, of an empty group", s.commit(s.simple("g"), "t", 0, 8, ""), v)
		s.ask("seen", s.committed(c.group, "t", 0, 1), 8)
	}}),
	rows("OffsetFetch", 1, 10, row{name: "by consumers", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consuming("g", "m", s.called("t"))
		m := member{c.group, c.id, c.epoch}
		s.must(s.commit(m, "t", 0, 5, "note"), 9)
		s.ask("whoever asks", s.committed(c.group, "t", 0, 1), v)
		if v >= 2 {
			s.ask("everything", s.committed(c.group, ""), v)
		}
		if v < 9 {
			return
		}
		as := func(what, id string, epoch int32) {
			for _, stable := range []bool{false, true} {
				r := s.committed(c.group, "t", 0, 1)
				r.RequireStable = stable
				r.Groups[0].MemberID, r.Groups[0].MemberEpoch = &id, epoch
				s.ask(fmt.Sprintf("%s, stable %t", what, stable), r, v)
			}
		}
		as("a member", c.id, c.epoch)
		as("past epoch", c.id, c.epoch-1)
		as("epoch to come", c.id, c.epoch+1)
		as("no epoch", c.id, -1)
		as("a stranger", "nobody", c.epoch)
		as("an empty name", "", c.epoch)
		as("an empty name without an epoch", "", -1)
		r := s.committed(c.group, "")
		r.Groups[0].MemberID, r.Groups[0].MemberEpoch = &c.id, c.epoch
		s.ask("a member, everything", r, v)
		r.Groups[0].MemberEpoch = 99
		r.Groups = append(r.Groups, s.committed(s.called("no"), "t", 0).Groups[0], s.committed(c.group, "t", 0).Groups[0])
		s.ask("a member of the wrong epoch, everything, and two more", r, v)
		null := s.committed(c.group, "t", 0)
		null.Groups[0].MemberEpoch = c.epoch
		s.ask("an epoch and no member", null, v)
	}}),
	rows("OffsetDelete", 0, 0, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(1, "t", "u")
		c := s.consuming("g", "m", s.called("t"))
		m := member{c.group, c.id, c.epoch}
		s.must(s.commit(m, "t", 0, 5, ""), 9)
		s.must(s.commit(m, "u", 0, 5, ""), 9)
		s.ask("subscribed", deleteOffsets(c.group, s.called("t"), 0), v)
		s.ask("not subscribed", deleteOffsets(c.group, s.called("u"), 0), v)
		s.ask("seen", s.committed(c.group, ""), 7)
		s.must(c.leaves(-1), 1)
		s.ask("of an empty group", deleteOffsets(c.group, s.called("t"), 0), v)
	}}),
	rows("DeleteGroups", 0, 2, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		c := s.consuming("g", "m", s.called("t"))
		s.must(s.commit(member{c.group, c.id, c.epoch}, "t", 0, 5, ""), 9)
		s.ask("with a member", deleteGroups(c.group), v)
		s.must(c.leaves(-1), 1)
		s.ask("empty", deleteGroups(c.group), v)
		s.ask("again", deleteGroups(c.group), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("offsets", s.committed(c.group, "t", 0), 7)
	}}),
)

// consumerClassicTable is what classic requests are told of consumer groups, and the other way round.
var consumerClassicTable = slices.Concat(
	rows("DescribeGroups", 0, 6, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		s.ask("one", describeGroups(s.consuming("g", "m", s.called("t")).group), v)
	}}),
	rows("ListGroups", 0, 5, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		s.consuming("g", "m1", s.called("t"))
		c := s.consuming("h", "m1", s.called("t"))
		s.consuming("h", "m2", s.called("t"))
		s.must(s.consuming("i", "m", s.called("t")).leaves(-1), 1)
		s.alone("classic")
		list := func(what string, states, types []string) {
			r := kmsg.NewPtrListGroupsRequest()
			r.StatesFilter, r.TypesFilter = states, types
			s.ask(what, r, v)
		}
		list("all", nil, nil)
		s.must(c.beats(), 1)
		list("one was told", nil, nil)
		if v >= 4 {
			for _, state := range []string{"Stable", "Empty", "Reconciling", "reconciling", "Assigning", "Dead"} {
				list(state, []string{state}, nil)
			}
		}
		if v >= 5 {
			list("consumers", nil, []string{"consumer"})
			list("consumers of another case", nil, []string{"CONSUMER"})
			list("classic ones", nil, []string{"classic"})
			list("both", []string{"Empty"}, []string{"consumer"})
		}
	}}),
	rows("JoinGroup", 0, 9, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consuming("g", "m", s.called("t"))
		other := joinGroup(c.group, "")
		other.ProtocolType = "connect"
		s.ask("another kind", other, v)
		none := joinGroup(c.group, "")
		none.Protocols = nil
		s.ask("no protocols", none, v)
		garbage := joinGroup(c.group, "")
		garbage.Protocols[0].Metadata = []byte{1}
		if v >= 4 {
			garbage.MemberID = "" // is given an id before anything is read
		}
		s.ask("what is no subscription", garbage, v)
		s.ask("a stranger", joinGroup(c.group, "nobody"), v)
		s.ask("its member", joinGroup(c.group, c.id), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("still", c.beats(), 1)
	}}),
	rows("JoinGroup", 0, 9, row{name: "an empty group of consumers", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		c := s.consuming("g", "m", s.called("t"))
		s.must(c.leaves(-1), 1)
		r := joinGroup(c.group, "")
		answer := s.ask("joins", r, v)
		if answer == nil {
			return
		}
		if r.MemberID = answer.(*kmsg.JoinGroupResponse).MemberID; answer.(*kmsg.JoinGroupResponse).ErrorCode == 79 {
			answer = s.ask("with an id", r, v)
		}
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("described as classic", describeGroups(c.group), 5)
		s.ask("a consumer beats", c.beats(), 1)
	}}),
	rows("SyncGroup", 0, 5, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		c := s.consuming("g", "m", s.called("t"))
		s.ask("its member", syncGroup(member{c.group, c.id, c.epoch}), v)
		s.ask("a stranger", syncGroup(member{c.group, "nobody", c.epoch}), v)
	}}),
	rows("Heartbeat", 0, 4, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		c := s.consuming("g", "m", s.called("t"))
		s.ask("its member", heartbeat(member{c.group, c.id, c.epoch}), v)
		s.ask("a stranger", heartbeat(member{c.group, "nobody", c.epoch}), v)
	}}),
	rows("LeaveGroup", 0, 5, row{name: "of consumers", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		c := s.consuming("g", "m", s.called("t"))
		s.ask("a stranger", leaveGroup(c.group, "nobody"), v)
		s.ask("its member", leaveGroup(c.group, c.id), v)
		s.ask("described", describeConsumers(c.group), 1)
	}}),
	rows("ConsumerGroupHeartbeat", 0, 1, row{name: "of classic groups", run: func(s *side, v int16) {
		s.subscribable(1, "t")
		s.must(s.commit(s.simple("offsets"), "t", 0, 5, ""), 8)
		o := s.consumer("offsets", "m")
		s.ask("a member of nothing", (&consumer{group: o.group, id: o.id, epoch: 1}).beats(), v)
		s.beat("of offsets only", o, o.joins(s.called("t")), v)
		s.ask("described", describeConsumers(o.group), 1)
		m := s.alone("g")
		c := s.consumer("g", "m")
		s.ask("beats", (&consumer{group: c.group, id: m.id, epoch: 1}).beats(), v)
		s.ask("leaves", (&consumer{group: c.group, id: m.id}).leaves(-1), v)
		connect := joinGroup(s.called("connect"), "")
		connect.ProtocolType = "connect"
		s.joined(connect)
		s.ask("of another kind", s.consumer("connect", "m").joins(s.called("t")), v)
	}}),
	rows("ConsumerGroupHeartbeat", 0, 1, row{name: "an upgrade", run: func(s *side, v int16) {
		s.subscribable(2, "t")
		join := joinGroup(s.called("g"), "")
		join.Protocols = join.Protocols[:1]
		join.Protocols[0].Name, join.Protocols[0].Metadata = "range", subscription("", s.called("t"))
		m := s.joined(join)
		assignment := kmsg.NewConsumerMemberAssignment()
		topic := kmsg.NewConsumerMemberAssignmentTopic()
		topic.Topic, topic.Partitions = s.called("t"), []int32{0, 1}
		assignment.Topics = append(assignment.Topics, topic)
		sync := syncGroup(m, m.id, string(assignment.AppendTo(nil)))
		sync.Protocol = value("range")
		s.must(sync, 5)
		c := s.consumer("g", "z") // after whatever a broker gives
		s.beat("joins", c, c.joins(s.called("t")), v)
		s.ask("described", describeConsumers(c.group), 1)
		s.ask("described as classic", describeGroups(c.group), 5)
		s.ask("a classic heartbeat", heartbeat(m), 4)
		s.beat("waits", c, c.owns(), v)
		s.ask("the classic one leaves", leaveGroup(m.group, m.id), 5)
		s.beat("gets everything", c, c.owns(), v)
		s.ask("described", describeConsumers(c.group), 1)
	}}),
)
