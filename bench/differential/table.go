package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A tableCase is a short talk with a broker, in every version from one to another.
type tableCase struct {
	api, name string
	from, to  int16
	run       func(s *side, v int16)
}

// alone: the case alters the broker, or looks at what such a case alters, or at the configurations of all cases.
func (c *tableCase) alone() bool {
	return strings.HasSuffix(c.api, "Telemetry") || strings.HasSuffix(c.api, "TelemetrySubscriptions") || strings.HasSuffix(c.api, "AlterConfigs") && (c.name == "unknown" || c.name == "brokers") ||
		c.api == "DescribeConfigs" && c.name == "brokers"
}

// row is a case of one API; since and until narrow the API's versions.
type row struct {
	name         string
	run          func(s *side, v int16)
	since, until int16
}

func rows(api string, from, to int16, all ...row) (cases []tableCase) {
	for _, r := range all {
		last := to
		if r.until != 0 {
			last = min(to, r.until)
		}
		cases = append(cases, tableCase{api, r.name, max(from, r.since), last, r.run})
	}
	return cases
}

// tables are all cases. Versions are those that Kafka 4.2 announces and we too; one older and one newer than that are
// asked in versionTable.
var tables = slices.Concat(produceTable, fetchTable, listOffsetsTable, metadataTable, versionTable, createTopicsTable,
	deleteTopicsTable, deleteRecordsTable, initProducerIDTable, epochTable, describeConfigsTable, alterConfigsTable,
	incrementalTable, logDirsTable, createPartitionsTable, clusterTable, producersTable, listResourcesTable,
	topicPartitionsTable, securityTable, groupTable, consumersTable, telemetryTable, walksTable, effectsTable)

var listOffsetsTable = rows("ListOffsets", 1, 11,
	row{name: "specials of an empty partition", run: func(s *side, v int16) {
		s.topic("t", 1)
		for at := int64(-8); at <= 1; at++ {
			s.ask(fmt.Sprint("at ", at), s.listOffsets("t", 0, at), v)
		}
	}},
	row{name: "specials and times", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, spaced(began, 10, 5))
		s.write("t", 0, spaced(began+100, -10, 5))
		s.write("t", 0, spaced(began+60, 0, 3))
		for at := int64(-8); at <= 1; at++ {
			s.ask(fmt.Sprint("at ", at), s.listOffsets("t", 0, at), v)
		}
		for _, at := range []int64{-1, 0, 1, 10, 11, 40, 41, 60, 61, 99, 100, 101, math.MaxInt32} {
			s.ask(fmt.Sprint("began+", at), s.listOffsets("t", 0, began+at), v)
		}
		s.ask("at the end of time", s.listOffsets("t", 0, math.MaxInt64), v)
	}},
	row{name: "no timestamps", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, spaced(-1, 0, 3))
		for at := int64(-3); at <= 1; at++ {
			s.ask(fmt.Sprint("at ", at), s.listOffsets("t", 0, at), v)
		}
	}},
	row{name: "some without a timestamp", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, spaced(-1, 0, 3))
		s.write("t", 0, spaced(began, 0, 3))
		s.write("t", 0, spaced(-1, 0, 3))
		for at := int64(-3); at <= 1; at++ {
			s.ask(fmt.Sprint("at ", at), s.listOffsets("t", 0, at), v)
		}
		s.ask("began", s.listOffsets("t", 0, began), v)
		s.ask("began+1", s.listOffsets("t", 0, began+1), v)
	}},
	row{name: "largest timestamp that several have", run: func(s *side, v int16) {
		s.topic("t", 1)
		for range 3 {
			s.write("t", 0, spaced(began, 0, 4))
		}
		s.ask("largest", s.listOffsets("t", 0, -3), v)
		s.must(s.deleteRecords("t", 0, 6), 2)
		s.ask("largest behind the start", s.listOffsets("t", 0, -3), v)
		s.ask("began", s.listOffsets("t", 0, began), v)
		s.ask("earliest", s.listOffsets("t", 0, -2), v)
	}},
	row{name: "a log without records", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(4))
		s.must(s.deleteRecords("t", 0, -1), 2)
		for at := int64(-6); at <= 1; at++ {
			s.ask(fmt.Sprint("at ", at), s.listOffsets("t", 0, at), v)
		}
		s.ask("began", s.listOffsets("t", 0, began), v)
	}},
	row{name: "a deleted segment before one that is not", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, spaced(0, 1, 2)) // so old that the next one begins a segment
		s.must(s.deleteRecords("t", 0, 2), 2)
		s.write("t", 0, plain(3))
		for _, at := range []int64{-2, -1, 0, 1, 2, began, began + 2, began + 3} {
			s.ask(fmt.Sprint("at ", min(at, 2), " and ", max(at-began, 0)), s.listOffsets("t", 0, at), v)
		}
	}},
	row{name: "compressed", run: func(s *side, v int16) {
		s.topic("t", 1)
		for codec := uint16(1); codec <= 4; codec++ {
			s.write("t", 0, compressed(codec, spaced(began+int64(codec)*100, 7, 5)))
		}
		for _, at := range []int64{100, 101, 107, 150, 207, 300, 314, 428, 429} {
			s.ask(fmt.Sprint("began+", at), s.listOffsets("t", 0, began+at), v)
		}
		s.ask("largest", s.listOffsets("t", 0, -3), v)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("topic", s.listOffsets("no", 0, -1), v)
		s.ask("partition", s.listOffsets("t", 1, -1), v)
		s.ask("negative partition", s.listOffsets("t", -1, -1), v)
		s.ask("invalid name", s.listOffsets("not a name", 0, -1), v)
		empty := s.listOffsets("t", 0, -1)
		empty.Topics[0].Topic = ""
		s.ask("empty name", empty, v)
		none := s.listOffsets("t", 0, -1)
		none.Topics = nil
		s.ask("nothing", none, v)
		none = s.listOffsets("t", 0, -1)
		none.Topics[0].Partitions = nil
		s.ask("no partitions", none, v)
	}},
	row{name: "a partition twice", run: func(s *side, v int16) {
		s.topic("t", 2)
		r := s.listOffsets("t", 0, -1)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0], s.listOffsets("t", 1, -2).Topics[0].Partitions[0])
		s.ask("in one topic", r, v)
		r = s.listOffsets("t", 0, -1)
		r.Topics = append(r.Topics, r.Topics[0])
		s.ask("in two topics", r, v)
		r = s.listOffsets("t", 0, -1)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.listOffsets("t", 0, -9).Topics[0].Partitions[0])
		s.ask("one of them bad", r, v)
	}},
	row{name: "current leader epoch", since: 4, run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, epoch := range []int32{-2, -1, 0, 1, 7} {
			for _, at := range []int64{-1, -2, began, -9} {
				r := s.listOffsets("t", 0, at)
				r.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
				s.ask(fmt.Sprintf("epoch %d at %d", epoch, min(at, 0)), r, v)
			}
		}
	}},
	row{name: "isolation", since: 2, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(3))
		for _, level := range []int8{0, 1, 2, -1} {
			for _, at := range []int64{-1, -2, -3, began} {
				r := s.listOffsets("t", 0, at)
				r.IsolationLevel = level
				s.ask(fmt.Sprintf("level %d at %d", level, min(at, 0)), r, v)
			}
		}
	}},
	row{name: "as a replica", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(3))
		for _, replica := range []int32{-2, 0, 1, 2, -3} {
			for _, at := range []int64{-1, -2, began} {
				r := s.listOffsets("t", 0, at)
				r.ReplicaID = replica
				s.ask(fmt.Sprintf("replica %d at %d", replica, min(at, 0)), r, v)
			}
		}
	}},
)

var deleteRecordsTable = rows("DeleteRecords", 0, 2,
	row{name: "offsets", run: func(s *side, v int16) {
		s.topic("t", 1)
		for range 4 {
			s.write("t", 0, plain(3))
		}
		for _, offset := range []int64{0, 4, 2, -2, -7, 13, math.MaxInt64, 12, 12, -1, 13} {
			s.ask(fmt.Sprint("to ", offset), s.deleteRecords("t", 0, offset), v)
			s.ask("earliest", s.listOffsets("t", 0, -2), 7)
			s.ask("fetch at 0", s.fetch("t", 0, 0), 12)
			s.ask("fetch at 4", s.fetch("t", 0, 4), 12)
		}
		s.write("t", 0, plain(2))
		s.ask("fetch at 12", s.fetch("t", 0, 12), 12)
	}},
	row{name: "empty log", run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, offset := range []int64{0, -1, 1} {
			s.ask(fmt.Sprint("to ", offset), s.deleteRecords("t", 0, offset), v)
		}
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("topic", s.deleteRecords("no", 0, 0), v)
		s.ask("partition", s.deleteRecords("t", 1, 0), v)
		s.ask("negative partition", s.deleteRecords("t", -1, 0), v)
		s.ask("invalid name", s.deleteRecords("not a name", 0, 0), v)
		none := s.deleteRecords("t", 0, 0)
		none.Topics = nil
		s.ask("nothing", none, v)
		none = s.deleteRecords("t", 0, 0)
		none.Topics[0].Partitions = nil
		s.ask("no partitions", none, v)
	}},
	row{name: "twice", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(9))
		r := s.deleteRecords("t", 0, 3)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.deleteRecords("t", 0, 5).Topics[0].Partitions...)
		s.ask("in one topic", r, v)
		r = s.deleteRecords("t", 0, 6)
		r.Topics = append(r.Topics, s.deleteRecords("t", 0, 7).Topics...)
		s.ask("in two topics", r, v)
		s.ask("earliest", s.listOffsets("t", 0, -2), 7)
	}},
	row{name: "policies", run: func(s *side, v int16) {
		for i, policy := range []string{"compact", "delete", "compact,delete", ""} {
			name := fmt.Sprint("t", i)
			s.topic(name, 1, "cleanup.policy", policy)
			s.write(name, 0, plain(3))
			s.ask(policy, s.deleteRecords(name, 0, 2), v)
			s.ask(policy+" of an unknown partition", s.deleteRecords(name, 3, 2), v)
		}
	}},
	row{name: "good and bad", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.write("t", 1, plain(3))
		r := s.deleteRecords("t", 0, 1)
		for p := int32(1); p <= 3; p++ {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.deleteRecords("t", p, 1).Topics[0].Partitions...)
		}
		r.Topics = append(r.Topics, s.deleteRecords("no", 0, 1).Topics...)
		s.ask("five", r, v)
	}},
)

var initProducerIDTable = rows("InitProducerId", 0, 5,
	row{name: "plain", run: func(s *side, v int16) {
		for _, timeout := range []int32{60_000, 0, -1, math.MaxInt32} {
			r := kmsg.NewPtrInitProducerIDRequest()
			r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = timeout, -1, -1
			s.ask(fmt.Sprint("timeout ", timeout), r, v)
		}
	}},
	row{name: "with an id", since: 3, run: func(s *side, v int16) {
		for _, pair := range [][2]int64{{-1, 0}, {0, -1}, {0, 0}, {firstInvented, 3}, {-2, -2}, {firstInvented, -1}, {-1, 5}, {-1, -2}, {-5, 4}} {
			r := kmsg.NewPtrInitProducerIDRequest()
			r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 60_000, pair[0], int16(pair[1])
			s.ask(fmt.Sprint("id and epoch ", pair), r, v)
		}
	}},
	row{name: "empty transactional id", run: func(s *side, v int16) {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 60_000, -1, -1
		r.TransactionalID = value("")
		s.ask("empty", r, v)
	}},
)

var epochTable = rows("OffsetForLeaderEpoch", 2, 4,
	row{name: "epochs", run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, records := range []int{0, 3} {
			if records > 0 {
				s.write("t", 0, plain(records))
			}
			for _, current := range []int32{-2, -1, 0, 1, 3} {
				for _, epoch := range []int32{-2, -1, 0, 1, 5} {
					s.ask(fmt.Sprintf("%d records, epoch %d under %d", records, epoch, current), s.epochs("t", 0, current, epoch), v)
				}
			}
		}
		s.must(s.deleteRecords("t", 0, 2), 2)
		s.ask("0 behind the start", s.epochs("t", 0, -1, 0), v)
		s.must(s.deleteRecords("t", 0, 3), 2)
		s.ask("0 of an empty log", s.epochs("t", 0, -1, 0), v)
		s.ask("-1 of an empty log", s.epochs("t", 0, -1, -1), v)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("topic", s.epochs("no", 0, -1, 0), v)
		s.ask("partition", s.epochs("t", 1, -1, 0), v)
		s.ask("negative partition", s.epochs("t", -1, -1, 0), v)
		s.ask("invalid name", s.epochs("not a name", 0, -1, 0), v)
		r := s.epochs("t", 0, -1, 0)
		r.Topics = nil
		s.ask("nothing", r, v)
	}},
	row{name: "twice", run: func(s *side, v int16) {
		s.topic("t", 1)
		r := s.epochs("t", 0, -1, 0)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.epochs("t", 0, -1, 1).Topics[0].Partitions...)
		s.ask("in one topic", r, v)
		r = s.epochs("t", 0, -1, 0)
		r.Topics = append(r.Topics, s.epochs("t", 0, -1, 1).Topics...)
		s.ask("in two topics", r, v)
	}},
	row{name: "as a replica", since: 3, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(3))
		for _, replica := range []int32{-2, 0, 1, 2, -3} {
			r := s.epochs("t", 0, 0, 0)
			r.ReplicaID = replica
			s.ask(fmt.Sprint("replica ", replica), r, v)
		}
	}},
)

var producersTable = rows("DescribeProducers", 0, 0,
	row{name: "producers", run: func(s *side, v int16) {
		s.topic("t", 2)
		s.ask("none", s.describeProducers("t", 0, 1), v)
		s.write("t", 0, plain(2))
		s.write("t", 0, from(plain(2), firstInvented, 0, 0))
		s.write("t", 0, from(plain(3), firstInvented+1, 7, 40))
		s.write("t", 0, from(plain(3), firstInvented+2, -1, 0))
		s.ask("three", s.describeProducers("t", 0, 1), v)
		s.write("t", 0, from(plain(5), firstInvented, 3, 0))
		s.write("t", 0, from(spaced(-1, 0, 1), firstInvented+1, 7, 43))
		s.ask("moved on", s.describeProducers("t", 0), v)
		s.must(s.deleteRecords("t", 0, -1), 2)
		s.ask("after the records are deleted", s.describeProducers("t", 0), v)
	}},
	row{name: "many", run: func(s *side, v int16) {
		s.topic("t", 3, "cleanup.policy", "compact")
		for i := range int64(7) {
			s.write("t", int32(i%3), from(plain(1), firstInvented+i, int16(i), int32(i*100)))
			s.write("t", int32(i%2), from(spaced(began+i, 2, 2), firstInvented+i, int16(i)+1, 0))
		}
		s.ask("in the order of the partitions", s.describeProducers("t", 0, 1, 2), v)
		s.ask("in another", s.describeProducers("t", 2, 0), v)
		r := s.describeProducers("t", 0)
		r.Topics = append(r.Topics, s.describeProducers("no", 0).Topics[0], s.describeProducers("t", 1).Topics[0])
		s.ask("three topics, of which one is unknown and one stands twice", r, v)
		s.ask("a refused batch", s.produce("t", 0, -1, from(plain(1), firstInvented, 0, 5)), 9)
		s.ask("changes nothing", s.describeProducers("t", 0), v)
		s.must(deleteTopics(s.called("t")), 5)
		s.settle()
		s.ask("of a deleted topic", s.describeProducers("t", 0), v)
		s.topic("t", 1)
		s.ask("of the one that is made again", s.describeProducers("t", 0, 1), v)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("topic", s.describeProducers("no", 0), v)
		s.ask("partition", s.describeProducers("t", 0, 1, -1), v)
		s.ask("invalid name", s.describeProducers("not a name", 0), v)
		s.ask("no partition", s.describeProducers("t"), v)
		s.ask("twice", s.describeProducers("t", 0, 0), v)
		r := s.describeProducers("t", 0)
		r.Topics = append(r.Topics, r.Topics...)
		s.ask("in two topics", r, v)
		r.Topics = nil
		s.ask("nothing", r, v)
	}},
)

// securityTable is what is answered where there is no authorizer, and nobody has credentials.
var securityTable = slices.Concat(
	rows("DescribeAcls", 1, 3, row{name: "none", run: func(s *side, v int16) {
		r := kmsg.NewPtrDescribeACLsRequest()
		r.ResourceType, r.ResourcePatternType, r.Operation, r.PermissionType = 1, 1, 1, 1
		s.ask("any", r, v)
		r.ResourceType, r.ResourcePatternType, r.ResourceName = 2, 3, value(s.called("t"))
		s.ask("of a topic", r, v)
	}}),
	rows("CreateAcls", 1, 3, row{name: "none", run: func(s *side, v int16) {
		r := kmsg.NewPtrCreateACLsRequest()
		s.ask("nothing", r, v)
		r.Creations = []kmsg.CreateACLsRequestCreation{{ResourceType: 2, ResourceName: s.called("t"), ResourcePatternType: 3,
			Principal: "User:a", Host: "*", Operation: 3, PermissionType: 3}}
		r.Creations = append(r.Creations, r.Creations[0])
		s.ask("two", r, v)
	}}),
	rows("DeleteAcls", 1, 3, row{name: "none", run: func(s *side, v int16) {
		r := kmsg.NewPtrDeleteACLsRequest()
		s.ask("nothing", r, v)
		r.Filters = []kmsg.DeleteACLsRequestFilter{{ResourceType: 2, ResourcePatternType: 3, Operation: 3, PermissionType: 3}}
		s.ask("one", r, v)
	}}),
	rows("DescribeUserScramCredentials", 0, 0, row{name: "none", run: func(s *side, v int16) {
		r := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
		s.ask("all", r, v)
		r.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "a"}, {Name: ""}}
		s.ask("two", r, v)
		r.Users = append(r.Users, r.Users[0])
		s.ask("one twice", r, v)
	}}),
)

var logDirsTable = rows("DescribeLogDirs", 1, 4,
	row{name: "partitions", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.write("t", 1, plain(3))
		r := kmsg.NewPtrDescribeLogDirsRequest()
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: s.called("t"), Partitions: []int32{0, 1, 2}}}
		s.ask("three", r, v)
		r.Topics[0].Partitions = []int32{1, 5, -1}
		s.ask("one and two unknown", r, v)
		r.Topics[0].Partitions = []int32{1, 1}
		s.ask("one twice", r, v)
		r.Topics[0].Partitions = nil
		s.ask("no partition", r, v)
		r.Topics[0].Topic = s.called("no")
		s.ask("unknown topic", r, v)
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{}
		s.ask("no topic", r, v)
		r.Topics = nil
		s.ask("all", r, v)
		s.must(s.deleteRecords("t", 1, -1), 2)
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: s.called("t"), Partitions: []int32{1}}}
		s.ask("after the records are deleted", r, v)
	}},
)
