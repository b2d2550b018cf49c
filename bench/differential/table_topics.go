package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

var metadataTable = rows("Metadata", 0, 13,
	row{name: "by name", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.topic("u", 1)
		ask := func(what string, names ...string) {
			r := metadata(names...)
			s.ask(what, r, v)
		}
		ask("one", s.called("t"))
		ask("two", s.called("u"), s.called("t"))
		ask("one twice", s.called("t"), s.called("t"))
		if v >= 4 {
			ask("unknown", s.called("no"), s.called("t"))
			ask("invalid", "not a name", s.called("t"))
			ask("empty name", "")
			ask("dots", "..")
			ask("long", s.called(strings.Repeat("x", 250)))
		}
	}},
	row{name: "all", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.topic("u", 1)
		r := kmsg.NewPtrMetadataRequest()
		s.ask("null", r, v)
		r.Topics = []kmsg.MetadataRequestTopic{}
		s.ask("none", r, v)
	}},
	row{name: "invalid names", run: func(s *side, v int16) {
		r := metadata("not a name", "", ".", s.called(strings.Repeat("x", 250)))
		r.AllowAutoTopicCreation = true
		s.ask("four", r, v)
	}},
	row{name: "making topics", run: func(s *side, v int16) {
		r := metadata(s.called("new"))
		r.AllowAutoTopicCreation = true
		s.ask("first", r, v)
		s.await("new", func(partitions int) bool { return partitions > 0 })
		s.opened("new", 1)
		s.ask("then", r, v)
		if v >= 4 {
			r = metadata(s.called("other"))
			s.ask("not allowed", r, v)
			s.settle()
			s.ask("still not", r, v)
		}
	}},
	row{name: "by id", since: 10, run: func(s *side, v int16) {
		s.topic("t", 2)
		s.ask("known", metadataOf(s.id("t")), v)
		s.ask("unknown", metadataOf([16]byte{7, 7}), v)
		s.ask("none", metadataOf([16]byte{}), v)
		s.ask("known and unknown", metadataOf([16]byte{7, 7}, s.id("t")), v)
		s.ask("twice", metadataOf(s.id("t"), s.id("t")), v)
		r := metadataOf(s.id("t"))
		r.Topics[0].Topic = value("wrong")
		s.ask("with a wrong name", r, v)
		r = metadataOf([16]byte{7, 7})
		r.Topics[0].Topic = value(s.called("t"))
		s.ask("unknown with a good name", r, v)
		r = metadata(s.called("t"))
		r.Topics = append(r.Topics, metadataOf(s.id("t")).Topics...)
		s.ask("by name and by id", r, v)
	}},
	row{name: "operations", since: 8, run: func(s *side, v int16) {
		s.topic("t", 1)
		r := metadata(s.called("t"), s.called("no"))
		r.IncludeTopicAuthorizedOperations = true
		s.ask("of topics", r, v)
		r.IncludeTopicAuthorizedOperations, r.IncludeClusterAuthorizedOperations = false, true
		s.ask("of the cluster", r, v)
	}},
	row{name: "a deleted topic", run: func(s *side, v int16) {
		s.topic("t", 1)
		id := s.id("t")
		s.must(deleteTopics(s.called("t")), 5)
		s.settle()
		if v >= 4 {
			s.ask("by name", metadata(s.called("t")), v)
		}
		if v >= 12 {
			s.ask("by id", metadataOf(id), v)
		}
	}},
)

// versionTable asks for ApiVersions, and everything else in versions that are not announced.
var versionTable = append(rows("ApiVersions", 0, 4,
	row{name: "names", run: func(s *side, v int16) {
		for _, pair := range [][2]string{{"kmsg", "1.0"}, {"", "1"}, {"a", ""}, {"-x", "1"}, {"x-", "1"}, {"a b", "1"},
			{"a_b", "1"}, {"ü", "1"}, {"a", ".1"}, {"a", "1_0"}, {"a.b-c", "1.0-x"}} {
			r := kmsg.NewPtrApiVersionsRequest()
			r.ClientSoftwareName, r.ClientSoftwareVersion = pair[0], pair[1]
			s.ask(fmt.Sprintf("%q", pair), r, v)
		}
	}}),
	tableCase{"ApiVersions", "unknown versions", 0, 0, func(s *side, _ int16) {
		for key := range int16(100) {
			oldest, newest, served := wire.Range(key)
			if !served {
				continue
			}
			for _, v := range []int16{-1, oldest - 1, newest + 1, newest + 2, math.MaxInt16} {
				if key == 0 && v < 0 {
					continue
				}
				s.ask(fmt.Sprint("asked as version ", v), kmsg.RequestForKey(key), v)
			}
		}
	}})

var createTopicsTable = rows("CreateTopics", 2, 7,
	row{name: "one", run: func(s *side, v int16) {
		for _, dry := range []bool{true, false, false} {
			r := createTopics(newTopic(s.called("t"), 2))
			r.ValidateOnly = dry
			s.ask(fmt.Sprint("validate only ", dry), r, v)
		}
		r := createTopics(newTopic(s.called("t"), 2))
		r.ValidateOnly = true
		s.ask("validate what exists", r, v)
		s.settle()
		s.ask("metadata", metadata(s.called("t")), 12)
	}},
	row{name: "names", run: func(s *side, v int16) {
		for _, name := range []string{"", ".", "..", "a b", "ü", "a/b", strings.Repeat("x", 249-len(s.prefix)), strings.Repeat("x", 250-len(s.prefix)), "a.b_c-D9"} {
			full := s.called(name)
			if name == "" || strings.HasPrefix(name, ".") {
				full = name
			}
			s.ask(fmt.Sprintf("%.20q", name), createTopics(newTopic(full, 1)), v)
		}
	}},
	row{name: "colliding names", run: func(s *side, v int16) {
		s.topic("a.b", 1)
		s.ask("with one that exists", createTopics(newTopic(s.called("a_b"), 1)), v)
		s.ask("with another of the request", createTopics(newTopic(s.called("c.d"), 1), newTopic(s.called("c_d"), 1)), v)
		s.ask("twice in a request", createTopics(newTopic(s.called("e"), 1), newTopic(s.called("e"), 2), newTopic(s.called("f"), 1)), v)
		s.ask("twice, invalid", createTopics(newTopic("not a name", 1), newTopic("not a name", 1)), v)
	}},
	row{name: "counts", run: func(s *side, v int16) {
		for i, pair := range [][2]int32{{1, 1}, {-1, -1}, {0, 1}, {-2, 1}, {1, 0}, {1, -2}, {0, 0}, {1, 2}, {-1, 3}, {0, 2}, {3, -1}, {-1, 1}} {
			topic := newTopic(s.called(fmt.Sprint("t", i)), pair[0])
			topic.ReplicationFactor = int16(pair[1])
			s.ask(fmt.Sprint("partitions and factor ", pair), createTopics(topic), v)
		}
		s.ask("too many", createTopics(newTopic(s.called("many"), 10_001)), v)
	}},
	row{name: "assignments", run: func(s *side, v int16) {
		for i, assignment := range [][][]int32{{{0, 1}}, {{0, 1}, {1, 1}}, {{1, 1}, {0, 1}}, {{0, 1}, {2, 1}}, {{1, 1}}, {{0}},
			{{0, 2}}, {{0, 1, 1}}, {{0, 1}, {1, 1, 1}}, {{0, 1}, {0, 1}}, {{-1, 1}}, {{0, 1, 2}}, {{0, -1}}} {
			for _, counts := range [][2]int32{{-1, -1}, {1, -1}, {-1, 1}, {1, 1}} {
				topic := newTopic(s.called(fmt.Sprint("t", i, "-", counts[0]+1, counts[1]+1)), counts[0])
				topic.ReplicationFactor = int16(counts[1])
				for _, each := range assignment {
					topic.ReplicaAssignment = append(topic.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: each[0], Replicas: each[1:]})
				}
				s.ask(fmt.Sprint(assignment, " with ", counts), createTopics(topic), v)
			}
		}
	}},
	row{name: "configurations", run: func(s *side, v int16) {
		for i, each := range topicConfigs {
			s.ask(fmt.Sprintf("%s=%s", each[0], each[1]), createTopics(newTopic(s.called(fmt.Sprint("t", i)), 1, each[0], each[1])), v)
		}
		null := newTopic(s.called("null"), 1)
		null.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms"}}
		s.ask("null value", createTopics(null), v)
		s.ask("one key twice", createTopics(newTopic(s.called("twice"), 1, "retention.ms", "1", "retention.ms", "2")), v)
		s.ask("good and bad", createTopics(newTopic(s.called("mixed"), 1, "retention.ms", "1", "no.such.key", "2")), v)
	}, until: 5},
	row{name: "good and bad", run: func(s *side, v int16) {
		s.topic("old", 1)
		s.ask("four", createTopics(newTopic(s.called("old"), 1), newTopic(s.called("a"), 1), newTopic(s.called("b"), 0),
			newTopic(s.called("c"), 1, "no.such.key", "1"), newTopic(s.called("d"), 2, "retention.ms", "5")), v)
		s.ask("none", createTopics(), v)
	}},
	row{name: "time-outs", run: func(s *side, v int16) {
		for i, timeout := range []int32{60_000, 10_000} {
			r := createTopics(newTopic(s.called(fmt.Sprint("t", i)), 1))
			r.TimeoutMillis = timeout
			s.ask(fmt.Sprint(timeout), r, v)
		}
	}},
)

var deleteTopicsTable = rows("DeleteTopics", 1, 6,
	row{name: "by name", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.topic("u", 1)
		s.topic("w", 1)
		s.ask("one", deleteTopics(s.called("t")), v)
		s.settle()
		s.ask("again", deleteTopics(s.called("t")), v)
		s.ask("known and unknown", deleteTopics(s.called("u"), s.called("no"), "not a name", ""), v)
		s.ask("twice", deleteTopics(s.called("w"), s.called("w")), v)
		s.ask("none", deleteTopics(), v)
		s.settle()
		s.ask("metadata", metadata(s.called("t"), s.called("u"), s.called("w")), 12)
	}},
	row{name: "by id", since: 6, run: func(s *side, v int16) {
		for _, name := range []string{"t", "u", "w"} {
			s.topic(name, 1)
		}
		s.ask("unknown", deleteIDs([16]byte{7, 7}), v)
		s.ask("none", deleteIDs([16]byte{}), v)
		s.ask("twice", deleteIDs(s.id("t"), s.id("t")), v)
		r := deleteIDs(s.id("u"))
		r.Topics = append(r.Topics, deleteTopics(s.called("u")).Topics...)
		s.ask("by id and by name", r, v)
		r = deleteIDs(s.id("w"))
		r.Topics[0].Topic = value(s.called("w"))
		s.ask("with its name", r, v)
		s.ask("known and unknown", deleteIDs(s.id("w"), [16]byte{8, 8}), v)
		s.ask("still there", deleteIDs(s.id("u")), v)
		s.settle()
		s.ask("metadata", metadata(s.called("t"), s.called("u"), s.called("w")), 12)
	}},
	row{name: "and make again", run: func(s *side, v int16) {
		s.topic("t", 2)
		s.write("t", 0, from(plain(3), firstInvented, 0, 0))
		s.ask("delete", deleteTopics(s.called("t")), v)
		s.settle()
		s.ask("produce", s.produce("t", 0, -1, plain(1)), 9)
		s.ask("list offsets", s.listOffsets("t", 0, -1), 7)
		s.topic("t", 1)
		s.ask("list offsets of the new one", s.listOffsets("t", 0, -1), 7)
		s.ask("producers of the new one", s.describeProducers("t", 0), 0)
		s.ask("its second partition", s.listOffsets("t", 1, -1), 7)
	}},
)

var createPartitionsTable = rows("CreatePartitions", 0, 3,
	row{name: "counts", run: func(s *side, v int16) {
		s.topic("t", 2)
		for _, count := range []int32{3, 3, 2, 1, 0, -1} {
			for _, dry := range []bool{true, false} {
				r := createPartitions(s.called("t"), count)
				r.ValidateOnly = dry
				s.ask(fmt.Sprintf("%d, validate only %t", count, dry), r, v)
			}
		}
		s.settle()
		s.ask("metadata", metadata(s.called("t")), 12)
		s.ask("write to the new one", s.produce("t", 2, -1, plain(2)), 9)
		s.ask("and read it", s.fetch("t", 2, 0), 12)
	}},
	row{name: "assignments", run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, assignment := range [][][]int32{{}, {{1}}, {{1}, {1}}, {{2}}, {{1, 1}}, {{}}, {{1, 2}}, {{-1}}} {
			r := createPartitions(s.called("t"), 2, assignment...)
			r.ValidateOnly = true
			s.ask(fmt.Sprint(assignment), r, v)
		}
		r := createPartitions(s.called("t"), 2)
		r.Topics[0].Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
		s.ask("empty", r, v)
		s.ask("good", createPartitions(s.called("t"), 4, []int32{1}, []int32{1}), v)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.topic("u", 1)
		s.ask("topic", createPartitions(s.called("no"), 2), v)
		s.ask("invalid name", createPartitions("not a name", 2), v)
		r := createPartitions(s.called("t"), 2)
		r.Topics = append(r.Topics, createPartitions(s.called("t"), 3).Topics[0], createPartitions(s.called("u"), 2).Topics[0])
		s.ask("one twice", r, v)
		r.Topics = nil
		s.ask("nothing", r, v)
	}},
)

var topicPartitionsTable = rows("DescribeTopicPartitions", 0, 0,
	row{name: "pieces", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.topic("a", 2)
		names := []string{s.called("t"), s.called("no"), s.called("a")}
		for _, limit := range []int32{2000, 5, 4, 3, 2, 1, 0, -1} {
			s.ask(fmt.Sprint("limit ", limit), describeTopicPartitions(limit, names...), v)
		}
		for _, cursor := range []string{"a 0", "a 1", "a 2", "a 9", "a -1", "b 0", "no 0", "no 3", "t 2", "t 3", "z 0"} {
			var name string
			var partition int32
			_, _ = fmt.Sscan(cursor, &name, &partition)
			r := describeTopicPartitions(2, names...)
			r.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: s.called(name), Partition: partition}
			s.ask("from "+cursor, r, v)
		}
	}},
	row{name: "page by page", run: func(s *side, v int16) {
		for i, name := range []string{"a", "b", "c", "d"} {
			s.topic(name, int32(i)+1)
		}
		s.must(deleteTopics(s.called("b")), 5)
		s.settle()
		names := []string{s.called("d"), s.called("b"), s.called("a"), s.called("c"), s.called("a")}
		for _, limit := range []int32{1, 2, 3, 4, 7, 8, 9} {
			r := describeTopicPartitions(limit, names...)
			for page := range 12 {
				answer := s.ask(fmt.Sprintf("limit %d, page %d", limit, page), r, v)
				if answer == nil || answer.(*kmsg.DescribeTopicPartitionsResponse).NextCursor == nil {
					break
				}
				next := answer.(*kmsg.DescribeTopicPartitionsResponse).NextCursor
				r.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: next.Topic, Partition: next.Partition}
			}
		}
		for _, limit := range []int32{1, 4, 2000} {
			for _, cursor := range []string{"", "a", "aa", "b", "c", "d", "e", "not a name"} {
				for _, partition := range []int32{-1, 0, 1, 2, 5} {
					r := describeTopicPartitions(limit, names...)
					r.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: s.called(cursor), Partition: partition}
					s.ask(fmt.Sprintf("limit %d from %q-%d", limit, cursor, partition), r, v)
				}
			}
		}
		r := describeTopicPartitions(3, names[:2]...)
		r.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "", Partition: 0}
		s.ask("from a topic without a name", r, v)
	}},
	row{name: "names", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("unknown", describeTopicPartitions(10, s.called("no")), v)
		s.ask("invalid", describeTopicPartitions(10, "not a name", s.called("t")), v)
		s.ask("empty", describeTopicPartitions(10, ""), v)
		s.ask("twice", describeTopicPartitions(10, s.called("t"), s.called("t")), v)
	}},
)

var clusterTable = rows("DescribeCluster", 0, 2,
	row{name: "all", run: func(s *side, v int16) {
		for endpoint := int8(-1); endpoint <= 3; endpoint++ {
			for _, operations := range []bool{false, true} {
				r := kmsg.NewPtrDescribeClusterRequest()
				r.EndpointType, r.IncludeClusterAuthorizedOperations = endpoint, operations
				s.ask(fmt.Sprintf("endpoints %d, operations %t", endpoint, operations), r, v)
				r.IncludeFencedBrokers = true
				s.ask(fmt.Sprintf("endpoints %d, operations %t, fenced", endpoint, operations), r, v)
			}
		}
	}},
)
