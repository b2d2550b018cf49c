package main

import (
	"fmt"
	"math"
)

var fetchTable = rows("Fetch", 4, 18,
	row{name: "offsets", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("empty, at 0", s.fetch("t", 0, 0), v)
		s.ask("empty, at 1", s.fetch("t", 0, 1), v)
		for n := 1; n <= 5; n++ {
			s.write("t", 0, plain(n))
		}
		for offset := int64(-2); offset <= 17; offset++ {
			s.ask(fmt.Sprint("at ", offset), s.fetch("t", 0, offset), v)
		}
		s.ask("at the largest", s.fetch("t", 0, math.MaxInt64), v)
		s.must(s.deleteRecords("t", 0, 5), 2)
		for _, offset := range []int64{0, 2, 4, 5, 6} {
			s.ask(fmt.Sprintf("at %d, the log begins at 5", offset), s.fetch("t", 0, offset), v)
		}
	}},
	row{name: "limits", run: func(s *side, v int16) {
		s.topic("t", 2)
		for p := range int32(2) {
			for range 6 {
				s.write("t", p, plain(5))
			}
		}
		n := int32(len(plain(5)))
		for _, limit := range []int32{-1, 0, 1, 61, n - 1, n, n + 1, 2 * n, 3*n + 7, 1 << 20} {
			r := s.fetch("t", 0, 0)
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", 1, 5).Topics[0].Partitions...)
			r.Topics[0].Partitions[0].PartitionMaxBytes = limit
			s.ask(fmt.Sprintf("%d of the first partition", limit), r, v)
			r.Topics[0].Partitions[1].PartitionMaxBytes = limit
			s.ask(fmt.Sprintf("%d of both partitions", limit), r, v)
			r.Topics[0].Partitions[0].PartitionMaxBytes, r.Topics[0].Partitions[1].PartitionMaxBytes = 1<<20, 1<<20
			r.MaxBytes = limit
			s.ask(fmt.Sprintf("%d in all", limit), r, v)
		}
	}},
	row{name: "waiting", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(1))
		for _, wait := range []int32{-1, 0, 1, 20} {
			for _, least := range []int32{-1, 0, 1, 1 << 20, math.MaxInt32} {
				for _, offset := range []int64{0, 1, 2} {
					r := s.fetch("t", 0, offset)
					r.MaxWaitMillis, r.MinBytes = wait, least
					s.ask(fmt.Sprintf("wait %d for %d at %d", wait, least, offset), r, v)
				}
			}
		}
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(1))
		s.ask("topic", s.fetch("no", 0, 0), v)
		s.ask("partition", s.fetch("t", 1, 0), v)
		s.ask("negative partition", s.fetch("t", -1, 0), v)
		r := s.fetch("t", 0, 0)
		r.Topics[0].Topic, r.Topics[0].TopicID = "not a name", [16]byte{9, 9}
		s.ask("invalid name or unknown id", r, v)
		r.Topics = append(r.Topics, s.fetch("t", 0, 0).Topics...)
		s.ask("unknown and known", r, v)
		r.Topics = nil
		s.ask("nothing", r, v)
		r = s.fetch("t", 0, 0)
		r.Topics[0].Partitions = nil
		s.ask("no partitions", r, v)
	}},
	row{name: "neither name nor id", run: func(s *side, v int16) {
		r := s.fetch("t", 0, 0)
		r.Topics[0].Topic, r.Topics[0].TopicID = "", [16]byte{}
		s.ask("nothing", r, v)
	}},
	row{name: "a partition twice", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(2))
		s.write("t", 0, plain(2))
		r := s.fetch("t", 0, 0)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", 0, 2).Topics[0].Partitions...)
		s.ask("in one topic", r, v)
		r = s.fetch("t", 0, 2)
		r.Topics = append(r.Topics, s.fetch("t", 0, 0).Topics...)
		s.ask("in two topics", r, v)
	}},
	row{name: "current leader epoch", since: 9, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(2))
		for _, epoch := range []int32{-2, -1, 0, 1, 7} {
			for _, offset := range []int64{0, 9} {
				r := s.fetch("t", 0, offset)
				r.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
				s.ask(fmt.Sprintf("%d at %d", epoch, offset), r, v)
			}
		}
	}},
	row{name: "last fetched epoch", since: 12, run: func(s *side, v int16) {
		s.topic("t", 1)
		for range 2 {
			for _, epoch := range []int32{-2, -1, 0, 1, 7} {
				for _, offset := range []int64{0, 1, 2, 9} {
					r := s.fetch("t", 0, offset)
					r.Topics[0].Partitions[0].LastFetchedEpoch = epoch
					s.ask(fmt.Sprintf("%d at %d", epoch, offset), r, v)
				}
			}
			s.write("t", 0, plain(2))
		}
	}},
	row{name: "isolation", run: func(s *side, v int16) {
		s.topic("t", 2)
		s.write("t", 0, plain(2))
		for _, level := range []int8{0, 1, 2, -1} {
			r := s.fetch("t", 0, 0)
			r.IsolationLevel = level
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", 1, 0).Topics[0].Partitions[0],
				s.fetch("t", 5, 0).Topics[0].Partitions[0], s.fetch("t", 0, 0).Topics[0].Partitions[0])
			r.Topics[0].Partitions[3].FetchOffset = 44
			s.ask(fmt.Sprint("level ", level), r, v)
		}
	}},
	row{name: "as a replica", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(2))
		for _, replica := range []int32{-2, 0, 2, 4711, -3} {
			r := s.fetch("t", 0, 0)
			if r.ReplicaID = replica; v >= 15 {
				r.ReplicaState.ID = replica
			}
			s.ask(fmt.Sprint("replica ", replica), r, v)
		}
	}},
	row{name: "order of partitions", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.topic("u", 1)
		for p := range int32(3) {
			s.write("t", p, plain(2))
		}
		r := s.fetch("t", 2, 0)
		r.Topics = append(r.Topics, s.fetch("u", 0, 0).Topics[0], s.fetch("t", 0, 0).Topics[0])
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", 1, 0).Topics[0].Partitions[0])
		s.ask("four", r, v)
	}},
	row{name: "a topic made again", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, plain(2))
		s.must(deleteTopics(s.called("t")), 5)
		s.settle()
		s.ask("while it is gone", s.fetch("t", 0, 0), v)
		old := s.fetch("t", 0, 0)
		s.topic("t", 1)
		s.ask("by the old id", old, v)
		s.ask("by the new id", s.fetch("t", 0, 0), v)
	}},
	row{name: "compressed", run: func(s *side, v int16) {
		s.topic("t", 1)
		for codec := uint16(0); codec <= 4; codec++ {
			s.write("t", 0, compressed(codec, plain(5)))
		}
		for _, offset := range []int64{0, 7, 12, 24} {
			s.ask(fmt.Sprint("at ", offset), s.fetch("t", 0, offset), v)
		}
	}},
	row{name: "a batch that is cut", run: func(s *side, v int16) {
		s.topic("t", 3, "index.interval.bytes", "0")
		r := s.fetch("t", 0, 0)
		for p := range int32(3) {
			if s.write("t", p, plain(2)); p > 0 {
				r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.fetch("t", p, 0).Topics[0].Partitions[0])
			}
		}
		s.write("t", 0, plain(2))
		whole := int32(len(plain(2)))
		r.Topics[0].Partitions[0].PartitionMaxBytes = whole + 40 // and 40 bytes of the next
		r.MaxBytes = 2*whole + 80                                // of the third partition's there is room for less than a header
		for _, level := range []int8{0, 1} {
			r.IsolationLevel = level
			s.ask(fmt.Sprint("level ", level), r, v)
		}
	}},
)
