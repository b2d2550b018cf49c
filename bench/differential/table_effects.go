package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/specs/outside"
)

// effectsTable is what takes several requests to be seen, and what is alike in its shape only.
var effectsTable = slices.Concat(sessionsTable, remadeTable, appendTimeTable, conversionTable, quotasTable, mutationsTable, resourcesTable)

// sessionsTable walks through fetch sessions (KIP-227).
var sessionsTable = rows("Fetch", 7, 18,
	row{name: "session", run: func(s *side, v int16) {
		s.topic("t", 2)
		s.topic("u", 1)
		s.write("t", 0, plain(2))
		all := s.fetch("t", 0, 0)
		all.Topics[0].Partitions = append(all.Topics[0].Partitions, s.fetch("t", 1, 0).Topics[0].Partitions...)
		all.Topics = append(all.Topics, s.fetch("u", 0, 0).Topics...)
		all.SessionID, all.SessionEpoch = 0, 0
		opened := s.ask("open", all, v)
		if opened == nil {
			return
		}
		id := opened.(*kmsg.FetchResponse).SessionID
		next := func(what string, epoch int32, edit func(r *kmsg.FetchRequest)) {
			r := s.fetch("t", 0, 2)
			r.SessionID, r.SessionEpoch, r.Topics = id, epoch, nil
			if edit != nil {
				edit(r)
			}
			s.ask(what, r, v)
		}
		forget := func(topic string, partition int32) func(r *kmsg.FetchRequest) {
			return func(r *kmsg.FetchRequest) {
				r.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: s.called(topic), TopicID: s.id(topic), Partitions: []int32{partition}}}
			}
		}
		next("the same", 1, nil)
		next("from the end", 2, func(r *kmsg.FetchRequest) { r.Topics = s.fetch("t", 0, 2).Topics })
		next("nothing new", 3, nil)
		s.write("t", 1, plain(3))
		next("news of one", 4, nil)
		next("of which one still", 5, nil)
		next("forget it", 6, forget("t", 1))
		s.write("t", 1, plain(1))
		next("no news of what is forgotten", 7, nil)
		next("forget what is none", 8, forget("t", 7))
		s.must(s.deleteRecords("t", 0, 1), 2)
		next("the start has moved", 9, nil)
		next("unknown partition", 10, func(r *kmsg.FetchRequest) { r.Topics = s.fetch("t", 5, 0).Topics })
		next("still unknown", 11, nil)
		next("forget it", 12, forget("t", 5))
		next("beyond the end", 13, func(r *kmsg.FetchRequest) { r.Topics = s.fetch("t", 0, 77).Topics })
		next("at the end again", 14, func(r *kmsg.FetchRequest) { r.Topics = s.fetch("t", 0, 2).Topics })
		next("an epoch too far", 16, nil)
		next("a past epoch", 3, nil)
		next("the right one", 15, nil)
		r := s.fetch("t", 0, 0)
		r.SessionID, r.SessionEpoch = id^1, 1
		s.ask("another session", r, v)
		s.must(deleteTopics(s.called("u")), 5)
		s.settle()
		next("a topic is gone", 16, nil)
		next("forget all", 17, func(r *kmsg.FetchRequest) {
			forget("t", 0)(r)
			r.ForgottenTopics = append(r.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: s.called("u"), TopicID: s.id("u"), Partitions: []int32{0}})
		})
		next("of nothing", 18, nil)
		again := s.fetch("t", 0, 2)
		again.SessionID, again.SessionEpoch = 0, 0
		if opened = s.ask("open another", again, v); opened != nil {
			id = opened.(*kmsg.FetchResponse).SessionID
			again.SessionID, again.SessionEpoch = id, -1
			s.ask("close it", again, v)
			next("closed", 1, nil)
		}
	}},
)

// remadeTable is about a topic that is deleted, and made again with fewer partitions, under a session.
var remadeTable = rows("Fetch", 7, 18,
	row{name: "a topic made again under a session", run: func(s *side, v int16) {
		s.topic("t", 2)
		r := s.fetch("t", 0, 0)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", 1, 0).Topics[0].Partitions...)
		r.SessionID, r.SessionEpoch = 0, 0
		opened := s.ask("open", r, v)
		if opened == nil {
			return
		}
		next := func(what string, epoch int32, partitions ...int32) {
			r := s.fetch("t", 0, 0)
			r.SessionID, r.SessionEpoch, r.Topics[0].Partitions = opened.(*kmsg.FetchResponse).SessionID, epoch, nil
			for _, p := range partitions {
				r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", p, 0).Topics[0].Partitions...)
			}
			if len(partitions) == 0 {
				r.Topics = nil
			}
			s.ask(what, r, v)
		}
		s.must(deleteTopics(s.called("t")), 5)
		s.settle()
		next("while it is gone", 1)
		next("a partition more of what is gone", 2, 2)
		old := s.id("t")
		s.topic("t", 1)
		s.settle()
		s.topics["t"] = old
		next("made again with one partition", 3)
		next("a partition more of the old one", 4, 3)
	}},
)

// appendTimeTable is about topics whose records have the broker's time.
var appendTimeTable = rows("Produce", 3, 13,
	row{name: "time of the broker", run: func(s *side, v int16) {
		s.stamped = true
		s.topic("t", 1, "message.timestamp.type", "LogAppendTime")
		s.ask("plain", s.produce("t", 0, -1, plain(3)), v)
		s.ask("long ago", s.produce("t", 0, 1, spaced(5, 0, 1)), v)
		s.ask("no time", s.produce("t", 0, 1, spaced(-1, 0, 1)), v)
		s.ask("in the future", s.produce("t", 0, 1, spaced(began+1_000_000_000, 0, 1)), v)
		s.ask("compressed", s.produce("t", 0, -1, compressed(1, plain(3))), v)
		s.ask("the bit is set", s.produce("t", 0, -1, attributes(plain(2), 8)), v)
		s.ask("with a producer", s.produce("t", 0, -1, from(plain(2), firstInvented, 0, 0)), v)
		s.ask("a duplicate", s.produce("t", 0, -1, from(plain(2), firstInvented, 0, 0)), v)
		s.ask("what is stored", s.fetch("t", 0, 0), 12)
		s.ask("by time", s.listOffsets("t", 0, began), 7)
		s.ask("later", s.listOffsets("t", 0, began+1_000_000), 7)
	}},
	row{name: "the bit of the broker's time", since: 9, run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, at := range []int64{-1, 0, began, began + 7_200_000} {
			b := attributes(spaced(began, 5, 3), 8)
			putMax(b, at)
			s.ask(fmt.Sprintf("largest %d", at-began*min(1, max(0, at))), s.produce("t", 0, -1, b), v)
		}
	}},
	row{name: "the least times", since: 9, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.topic("past", 1, "message.timestamp.before.max.ms", "1000")
		for _, at := range []int64{math.MinInt64, math.MinInt64 + 1, -2} {
			s.ask(fmt.Sprint("at ", at), s.produce("t", 0, -1, spaced(at, 0, 2)), v)
			s.ask(fmt.Sprint("too early at ", at), s.produce("past", 0, -1, spaced(at, 0, 2)), v)
			s.ask("the largest", s.listOffsets("t", 0, -3), 7)
		}
		s.ask("what is stored", s.fetch("t", 0, 0), 12)
	}},
)

// conversionTable is about topics that have a codec of their own. Two encoders' bytes differ: records are compared.
var conversionTable = rows("Produce", 3, 13,
	row{name: "codec of the topic", run: func(s *side, v int16) {
		s.inflated = true
		for codec, name := range []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"} {
			s.topic(name, 1, "compression.type", name)
			for from := range uint16(5) {
				s.ask(fmt.Sprintf("codec %d to %s", from, name), s.produce(name, 0, -1, compressed(from, plain(int(from)+1))), v)
			}
			keyless := spaced(began, 3, 2)
			s.ask("with a producer", s.produce(name, 0, -1, from(compressed(uint16(codec+1)%5, keyless), firstInvented, 0, 0)), v)
			s.ask("a duplicate", s.produce(name, 0, -1, from(compressed(uint16(codec+1)%5, keyless), firstInvented, 0, 0)), v)
			s.ask("what is stored in "+name, s.fetch(name, 0, 0), 12)
			s.ask("by time", s.listOffsets(name, 0, began+2), 7)
			s.ask("the largest", s.listOffsets(name, 0, -3), 7)
		}
		s.topic("small", 1, "compression.type", "uncompressed", "max.message.bytes", "500")
		s.ask("grows too large", s.produce("small", 0, -1, compressed(1, batch(began, outside.Record("k", strings.Repeat("x", 2000))))), v)
		s.ask("does not", s.produce("small", 0, -1, compressed(1, batch(began, outside.Record("k", strings.Repeat("x", 300))))), v)
	}},
)

// quotasTable sets quotas and sees them held. How long a client is to wait is each broker's affair, that it has to is not.
var quotasTable = slices.Concat(
	rows("AlterClientQuotas", 0, 1, row{name: "values", run: func(s *side, v int16) {
		for _, each := range []struct {
			key   string
			value float64
		}{{"producer_byte_rate", 1000}, {"producer_byte_rate", 0}, {"producer_byte_rate", -1}, {"producer_byte_rate", 1.5}, {"consumer_byte_rate", 1e12},
			{"request_percentage", 12.5}, {"request_percentage", 0}, {"controller_mutation_rate", 2.5}, {"connection_creation_rate", 5}, {"no.such.key", 1}} {
			s.ask(fmt.Sprint(each), s.quota(each.key, each.value), v)
		}
		dry := s.quota("consumer_byte_rate", 5)
		dry.ValidateOnly = true
		s.ask("validate only", dry, v)
		s.settle()
		s.ask("seen", s.quotas("client-id"), 1)
		remove := s.quota("producer_byte_rate", 0)
		remove.Entries[0].Ops[0].Remove = true
		s.ask("remove", remove, v)
		s.ask("remove again", remove, v)
		twice := s.quota("consumer_byte_rate", 6)
		twice.Entries[0].Ops = append(twice.Entries[0].Ops, kmsg.AlterClientQuotasRequestEntryOp{Key: "consumer_byte_rate", Value: 7})
		s.ask("a key twice", twice, v)
		two := s.quota("consumer_byte_rate", 8)
		two.Entries = append(two.Entries, s.quota("consumer_byte_rate", 9).Entries...)
		s.ask("a client twice", two, v)
		two.Entries = nil
		s.ask("nothing", two, v)
		s.settle()
		s.ask("seen at the end", s.quotas("client-id"), 1)
		for _, entity := range [][][2]string{{}, {{"user", ""}}, {{"nonsense", "x"}}, {{"ip", "not an address"}}, {{"client-id", "x"}, {"ip", "1.2.3.4"}}, {{"client-id", "x"}, {"client-id", "y"}}} {
			r := s.quota("consumer_byte_rate", 10)
			r.Entries[0].Entity = nil
			for _, e := range entity {
				name := s.called(e[1])
				r.Entries[0].Entity = append(r.Entries[0].Entity, kmsg.AlterClientQuotasRequestEntryEntity{Type: e[0], Name: &name})
			}
			r.ValidateOnly = true
			s.ask(fmt.Sprint("of ", entity), r, v)
		}
	}}),
	rows("DescribeClientQuotas", 0, 1, row{name: "filters", run: func(s *side, v int16) {
		s.must(s.quota("producer_byte_rate", 1e9), 1)
		s.settle()
		for _, kind := range []string{"client-id", "user", "ip", "nonsense", ""} {
			for _, strict := range []bool{false, true} {
				r := s.quotas(kind)
				r.Strict = strict
				s.ask(fmt.Sprintf("%s, strict %t", kind, strict), r, v)
			}
		}
		for match := int8(-1); match <= 3; match++ {
			if match == 1 || match == 2 {
				continue // finds whatever other cases have set
			}
			r := s.quotas("client-id")
			r.Components[0].MatchType = kmsg.QuotasMatchType(match)
			s.ask(fmt.Sprint("match ", match), r, v)
		}
		r := s.quotas("client-id")
		r.Components = append(r.Components, s.quotas("user").Components...)
		s.ask("two kinds", r, v)
		r.Components[1].EntityType = "client-id"
		s.ask("one twice", r, v)
		r.Components = r.Components[:1]
		r.Components[0].Match = nil
		s.ask("exactly null", r, v)
	}}),
	rows("Produce", 3, 13, row{name: "beyond a quota", since: 9, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.must(s.quota("producer_byte_rate", 1000), 1)
		s.settle()
		own := link{address: s.link.address, client: s.called("c")}
		defer own.close()
		answer, _, err := own.ask(s.produce("t", 0, -1, batch(began, outside.Record("k", strings.Repeat("x", 60_000)))), v)
		throttled := err == nil && answer.(*kmsg.ProduceResponse).ThrottleMillis > 0
		s.told = append(s.told, step{"Produce beyond the quota", []field{{"throttled", fmt.Sprint(throttled)}}})
		s.ask("end", s.listOffsets("t", 0, -1), 7)
	}}),
	rows("Fetch", 4, 18, row{name: "beyond a quota", since: 12, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, batch(began, outside.Record("k", strings.Repeat("x", 60_000))))
		s.must(s.quota("consumer_byte_rate", 1000), 1)
		s.settle()
		own := link{address: s.link.address, client: s.called("c")}
		defer own.close()
		throttled := false
		for range 2 { // Kafka counts an answer when it goes out, or before
			if answer, _, err := own.ask(s.fetch("t", 0, 0), v); err == nil && answer.(*kmsg.FetchResponse).ThrottleMillis > 0 {
				throttled = true
				break
			}
		}
		s.told = append(s.told, step{"Fetch beyond the quota", []field{{"throttled", fmt.Sprint(throttled)}}})
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

// resourcesTable alters what is neither a topic nor a broker, whole.
var resourcesTable = rows("AlterConfigs", 0, 2,
	row{name: "groups and clients' metrics", run: func(s *side, v int16) {
		const group, metrics = kmsg.ConfigResourceTypeGroupConfig, kmsg.ConfigResourceTypeClientMetrics
		for _, change := range [][]any{{"consumer.session.timeout.ms", "46000"}, {"consumer.session.timeout.ms", "1"}, {"consumer.heartbeat.interval.ms", "6000"},
			{"no.such.key", "1"}, {"consumer.session.timeout.ms", "46000", "consumer.heartbeat.interval.ms", "7000"}, {}} {
			s.ask(fmt.Sprint("group ", change), alterConfigs(group, s.called("g"), change...), v)
			s.after(group, s.called("g"))
		}
		for _, change := range [][]any{{"interval.ms", "5000"}, {"interval.ms", "99"}, {"metrics", "a,b"}, {"match", "client_id=x.*"}, {"match", "nonsense"},
			{"interval.ms", "6000", "metrics", "c"}, {"no.such.key", "1"}, {}} {
			s.ask(fmt.Sprint("metrics ", change), alterConfigs(metrics, s.called("m"), change...), v)
			s.after(metrics, s.called("m"))
		}
		for _, kind := range []int8{16, 32} {
			r := kmsg.NewPtrListConfigResourcesRequest()
			r.ResourceTypes = []int8{kind}
			s.ask(fmt.Sprint("listed ", kind), r, 1)
		}
	}},
)
