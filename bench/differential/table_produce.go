package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/specs/outside"
)

var produceTable = rows("Produce", 3, 13,
	row{name: "acks", run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, acks := range []int16{-1, 1, 2, -2, 100} {
			s.ask(fmt.Sprint("acks ", acks), s.produce("t", 0, acks, plain(2)), v)
		}
		s.tell("acks 0", s.produce("t", 0, 0, plain(2)), v)
		s.tell("acks 0 to an unknown partition", s.produce("t", 9, 0, plain(2)), v)
		bad := plain(2)
		bad[outside.AtCRC]++
		s.tell("acks 0 with a wrong CRC", s.produce("t", 0, 0, bad), v)
		s.ask("end", s.listOffsets("t", 0, -1), 5)
	}},
	row{name: "unknown", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("topic", s.produce("no", 0, -1, plain(1)), v)
		s.ask("partition", s.produce("t", 1, -1, plain(1)), v)
		s.ask("negative partition", s.produce("t", -1, -1, plain(1)), v)
		r := s.produce("t", 0, -1, plain(1))
		r.Topics[0].Topic, r.Topics[0].TopicID = "not a name", [16]byte{1, 2, 3}
		s.ask("invalid name or unknown id", r, v)
		r.Topics[0].Topic, r.Topics[0].TopicID = "", [16]byte{}
		s.ask("neither name nor id", r, v)
		r.Topics = nil
		s.ask("nothing", r, v)
		r = s.produce("t", 0, -1, plain(1))
		r.Topics[0].Partitions = nil
		s.ask("no partitions", r, v)
	}},
	row{name: "good and bad", run: func(s *side, v int16) {
		s.topic("t", 3)
		s.topic("u", 1)
		bad := plain(2)
		bad[outside.AtCRC]++
		r := s.produce("t", 0, -1, plain(2))
		r.Topics[0].Partitions = append(r.Topics[0].Partitions,
			s.produce("t", 1, -1, bad).Topics[0].Partitions[0], s.produce("t", 2, -1, plain(1)).Topics[0].Partitions[0],
			s.produce("t", 3, -1, plain(1)).Topics[0].Partitions[0])
		r.Topics = append(r.Topics, s.produce("u", 0, -1, plain(4)).Topics[0])
		s.ask("five", r, v)
	}},
	row{name: "a partition twice", run: func(s *side, v int16) {
		s.topic("t", 1)
		r := s.produce("t", 0, -1, plain(2))
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.produce("t", 0, -1, plain(3)).Topics[0].Partitions[0])
		s.ask("in one topic", r, v)
		r = s.produce("t", 0, -1, plain(4))
		r.Topics = append(r.Topics, s.produce("t", 0, -1, plain(5)).Topics[0])
		s.ask("in two topics", r, v)
		s.ask("end", s.listOffsets("t", 0, -1), 5)
	}},
	row{name: "not enough replicas", run: func(s *side, v int16) {
		s.topic("t", 1, "min.insync.replicas", "2")
		for _, acks := range []int16{-1, 1, -1} {
			s.ask(fmt.Sprint("acks ", acks), s.produce("t", 0, acks, plain(2)), v)
		}
		bad := plain(2)
		bad[outside.AtCRC]++
		s.ask("a wrong CRC", s.produce("t", 0, -1, bad), v)
		s.ask("a producer's", s.produce("t", 0, -1, from(plain(1), firstInvented, 0, 0)), v)
		s.ask("end", s.listOffsets("t", 0, -1), 5)
		s.ask("producers", s.describeProducers("t", 0), 0)
	}},
	row{name: "damaged", run: damaged},
	row{name: "null records", since: 9, until: 9, run: func(s *side, v int16) {
		s.topic("t", 1)
		s.ask("null", s.produce("t", 0, -1, nil), v)
	}},
	row{name: "timestamps", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.topic("past", 1, "message.timestamp.before.max.ms", "1000")
		s.topic("future", 1, "message.timestamp.after.max.ms", "1000")
		for _, at := range []int64{0, -1, -2, -1000, began, began + 30*60_000, began + 7_200_000, began - 400*86_400_000, math.MaxInt64} {
			for _, name := range []string{"t", "past", "future"} {
				s.ask(fmt.Sprintf("%s %d from the beginning", name, at-began*min(1, max(0, at))), s.produce(name, 0, -1, spaced(at, 0, 2)), v)
			}
		}
		s.ask("one of three", s.produce("t", 0, -1, spaced(began, 7_200_000, 3)), v)
		s.ask("what is stored", s.fetch("t", 0, 0), 12)
	}},
	row{name: "largest timestamp", run: func(s *side, v int16) {
		s.topic("t", 1)
		for _, at := range []int64{-1, 0, began - 1000, began + 1_000_000, math.MaxInt64} {
			b := spaced(began, 5, 3)
			binary.BigEndian.PutUint64(b[outside.AtMaxTimestamp:], uint64(at))
			s.ask("wrong", s.produce("t", 0, -1, outside.Sign(b)), v)
		}
		s.ask("what is stored", s.fetch("t", 0, 0), 12)
	}},
	row{name: "sizes", run: func(s *side, v int16) {
		s.topic("t", 1, "max.message.bytes", "300")
		for _, n := range []int{1, 100, 220, 230, 231, 232, 233, 234, 235, 300, 1000} {
			b := batch(began, outside.Record("", strings.Repeat("x", n)))
			s.ask(fmt.Sprintf("%d bytes", len(b)), s.produce("t", 0, -1, b), v)
		}
		b := compressed(1, batch(began, outside.Record("", strings.Repeat("x", 3000))))
		s.ask("compressed", s.produce("t", 0, -1, b), v)
		s.topic("s", 1, "segment.bytes", "1048576", "max.message.bytes", "3000000")
		for _, n := range []int{1 << 19, 1 << 20, 3 << 19} {
			s.ask(fmt.Sprint("to small segments: ", n), s.produce("s", 0, -1, batch(began, outside.Record("", strings.Repeat("x", n)))), v)
		}
		s.ask("end", s.listOffsets("s", 0, -1), 5)
	}},
	row{name: "compacted", run: func(s *side, v int16) {
		null := kmsg.Record{Value: []byte("v"), OffsetDelta: -1}
		for i, policy := range []string{"compact", "compact,delete", "delete"} {
			name := fmt.Sprint("t", i)
			s.topic(name, 1, "cleanup.policy", policy)
			s.ask("null key", s.produce(name, 0, -1, batch(began, null)), v)
			s.ask("one of three null keys", s.produce(name, 0, -1, batch(began, outside.Record("a", "b"), null, outside.Record("a", "b"))), v)
			s.ask("null keys compressed", s.produce(name, 0, -1, compressed(2, batch(began, null, null))), v)
			s.ask("empty key", s.produce(name, 0, -1, batch(began, outside.Record("", "b"))), v)
			tomb := kmsg.Record{Key: []byte("a"), OffsetDelta: -1}
			s.ask("null value", s.produce(name, 0, -1, batch(began, tomb)), v)
			s.ask("null key and a time too late", s.produce(name, 0, -1, batch(began+7_200_000, null, outside.Record("a", "b"))), v)
		}
	}},
	row{name: "codecs", run: func(s *side, v int16) {
		s.topic("t", 1)
		for codec := uint16(0); codec <= 4; codec++ {
			s.ask(fmt.Sprint("codec ", codec), s.produce("t", 0, -1, compressed(codec, plain(3))), v)
		}
		s.ask("what is stored", s.fetch("t", 0, 0), 12)
		s.ask("what is stored, to an old client", s.fetch("t", 0, 0), 4)
		for codec := uint16(1); codec <= 7; codec++ {
			s.ask(fmt.Sprintf("codec %d over plain records", codec), s.produce("t", 0, -1, attributes(plain(3), codec)), v)
		}
		s.topic("longer", 1)
		for codec := uint16(1); codec <= 4; codec++ {
			b := compressed(codec, plain(3))
			binary.BigEndian.PutUint32(b[outside.AtCount:], 4)
			s.ask(fmt.Sprintf("codec %d, another count", codec), s.produce("t", 0, -1, outside.Sign(b)), v)
			b = compressed(codec, plain(30))
			s.ask(fmt.Sprintf("codec %d, cut", codec), s.produce("t", 0, -1, outside.Seal(b[:len(b)-9])), v)
			s.ask(fmt.Sprintf("codec %d, longer", codec), s.produce("longer", 0, -1, outside.Seal(append(compressed(codec, plain(3)), 1, 2, 3, 4, 5))), v)
		}
	}},
	row{name: "attributes", run: func(s *side, v int16) {
		s.topic("t", 1)
		for bit := 3; bit < 16; bit++ {
			s.ask(fmt.Sprint("bit ", bit), s.produce("t", 0, -1, attributes(plain(2), 1<<bit)), v)
		}
		s.ask("control and transactional", s.produce("t", 0, -1, attributes(plain(2), 0x30)), v)
		s.ask("what is stored", s.fetch("t", 0, 0), 12)
	}},
	row{name: "idempotence", run: idempotence},
	row{name: "sequences that wrap", run: func(s *side, v int16) {
		s.topic("t", 1)
		send := func(sequence int32, n int) {
			s.ask(fmt.Sprintf("%d at %d", n, sequence), s.produce("t", 0, -1, from(plain(n), firstInvented, 0, sequence)), v)
		}
		send(math.MaxInt32-2, 2)
		send(math.MaxInt32, 3)
		send(math.MaxInt32, 3)
		send(2, 1)
		send(math.MaxInt32-2, 2)
		send(0, 1)
		send(3, 1)
		s.ask("producers", s.describeProducers("t", 0), 0)
	}},
	row{name: "two producers in one request", run: func(s *side, v int16) {
		s.topic("t", 2)
		r := s.produce("t", 0, -1, from(plain(1), firstInvented, 0, 0))
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, s.produce("t", 1, -1, from(plain(1), firstInvented+1, 0, 0)).Topics[0].Partitions[0])
		s.ask("two", r, v)
		r.Topics[0].Partitions[1] = s.produce("t", 1, -1, plain(1)).Topics[0].Partitions[0]
		s.ask("one and none", r, v)
	}},
	row{name: "transactional", run: func(s *side, v int16) {
		s.topic("t", 1)
		b := attributes(from(plain(1), firstInvented, 0, 0), 0x10)
		s.ask("without a transactional id", s.produce("t", 0, -1, b), v)
		b = attributes(plain(1), 0x10)
		s.ask("without a producer", s.produce("t", 0, -1, b), v)
	}},
	row{name: "to topics of Kafka's own", run: func(s *side, v int16) {
		if v >= 13 {
			return
		}
		r := s.produce("t", 0, -1, plain(1))
		r.Topics[0].Topic = "__cluster_metadata"
		s.ask("metadata", r, v)
	}},
	row{name: "start of the log", run: func(s *side, v int16) {
		s.topic("t", 1)
		s.write("t", 0, from(plain(5), firstInvented, 0, 0))
		s.must(s.deleteRecords("t", 0, 3), 2)
		s.ask("good", s.produce("t", 0, -1, plain(1)), v)
		s.ask("duplicate", s.produce("t", 0, -1, from(plain(5), firstInvented, 0, 0)), v)
		s.ask("gap", s.produce("t", 0, -1, from(plain(5), firstInvented, 0, 9)), v)
		bad := plain(1)
		bad[outside.AtCRC]++
		s.ask("wrong CRC", s.produce("t", 0, -1, bad), v)
		binary.BigEndian.PutUint32(bad[outside.AtCount:], 9)
		s.ask("wrong count", s.produce("t", 0, -1, outside.Sign(bad)), v)
		s.ask("bad time", s.produce("t", 0, -1, spaced(began+7_200_000, 0, 1)), v)
		s.ask("too large", s.produce("t", 0, -1, batch(began, outside.Record("", strings.Repeat("x", 1<<20)))), v)
	}},
)

// damaged sends batches that are wrong in one way each.
func damaged(s *side, v int16) {
	s.topic("t", 1)
	send := func(what string, b []byte) { s.ask(what, s.produce("t", 0, -1, b), v) }
	change := func(what string, edit func(b []byte)) {
		b := plain(3)
		edit(b)
		send(what, sign(b))
	}
	send("nothing", []byte{})
	send("one byte", []byte{0})
	send("half a header", plain(3)[:30])
	send("a header", plain(3)[:61])
	send("a cut batch", plain(3)[:70])
	send("two batches", append(plain(1), plain(1)...))
	send("one and a half", append(plain(1), plain(1)[:40]...))
	send("one and a byte", append(plain(1), 0))
	send("one and zeroes", append(plain(1), make([]byte, 20)...))
	bad := plain(3)
	bad[outside.AtCRC]++
	send("a wrong CRC", bad)
	bad = plain(3)
	bad[len(bad)-1]++
	send("a changed record", bad)
	for _, magic := range []byte{0, 1, 3, 255} {
		change(fmt.Sprint("magic ", magic), func(b []byte) { b[outside.AtMagic] = magic })
	}
	for _, n := range []int64{1, 77, -1, math.MaxInt64} {
		change(fmt.Sprint("base offset ", n), func(b []byte) { binary.BigEndian.PutUint64(b, uint64(n)) })
	}
	for _, n := range []int32{0, 1, 48, 49, 50, -1, math.MaxInt32, math.MinInt32} {
		change(fmt.Sprint("length ", n), func(b []byte) { binary.BigEndian.PutUint32(b[outside.AtLength:], uint32(n)) })
	}
	for _, n := range []int32{0, 5, math.MaxInt32} {
		change(fmt.Sprint("leader epoch ", n), func(b []byte) { binary.BigEndian.PutUint32(b[outside.AtLeaderEpoch:], uint32(n)) })
	}
	for _, n := range []int32{-1, 0, 1, 3, math.MaxInt32} {
		change(fmt.Sprint("last offset delta ", n), func(b []byte) { binary.BigEndian.PutUint32(b[outside.AtLastOffsetDelta:], uint32(n)) })
	}
	for _, n := range []int32{-1, 0, 1, 2, 4, math.MaxInt32} {
		change(fmt.Sprint("count ", n), func(b []byte) { binary.BigEndian.PutUint32(b[outside.AtCount:], uint32(n)) })
		change(fmt.Sprint("count and delta for ", n), func(b []byte) {
			binary.BigEndian.PutUint32(b[outside.AtCount:], uint32(n))
			binary.BigEndian.PutUint32(b[outside.AtLastOffsetDelta:], uint32(n-1))
		})
	}
	send("no records", outside.Seal(plain(1)[:61]))
	change("garbage", func(b []byte) {
		for i := outside.AtRecords; i < len(b); i++ {
			b[i] = 0xff
		}
	})
	send("a byte too many in it", outside.Seal(append(plain(3), 0)))
	send("a byte too few in it", outside.Seal(plain(3)[:len(plain(3))-1]))
	delta := func(deltas ...int32) []byte {
		var records []kmsg.Record
		for _, d := range deltas {
			r := outside.Record("a", "b")
			r.OffsetDelta = d
			records = append(records, r)
		}
		return batch(began, records...)
	}
	s.topic("deltas", 1)
	s.ask("deltas from 1", s.produce("deltas", 0, -1, delta(1, 2, 3)), v)
	s.ask("deltas with a gap", s.produce("deltas", 0, -1, delta(0, 0, 2)), v)
	marked := outside.Record("a", "b")
	marked.Attributes = 7
	send("attributes of a record", batch(began, marked))
	headed := outside.Record("a", "b")
	headed.Headers = []kmsg.Header{{Key: "h", Value: nil}, {Key: "", Value: []byte{}}}
	send("headers", batch(began, headed))
	s.ask("what is stored", s.fetch("t", 0, 0), 12)
}

// idempotence walks through what a partition knows of its producers.
func idempotence(s *side, v int16) {
	s.topic("t", 1)
	send := func(id int64, epoch int16, sequence int32, n int) {
		s.ask(fmt.Sprintf("%d of producer %d/%d at %d", n, id-firstInvented, epoch, sequence), s.produce("t", 0, -1, from(plain(n), id, epoch, sequence)), v)
	}
	const first, second = firstInvented, firstInvented + 1
	for sequence := int32(0); sequence < 14; sequence += 2 {
		send(first, 0, sequence, 2)
	}
	for sequence := int32(0); sequence < 14; sequence += 2 {
		send(first, 0, sequence, 2)
	}
	send(first, 0, 12, 1)
	send(first, 0, 13, 1)
	send(first, 0, 12, 3)
	send(first, 0, 15, 1)
	send(first, 0, 14, 1)
	send(first, 1, 1, 1)
	send(first, 1, 0, 1)
	send(first, 0, 15, 1)
	send(first, 0, 14, 1)
	send(first, -1, 15, 1)
	send(first, 9, 0, 2)
	send(first, math.MaxInt16, 0, 1)
	send(first, math.MaxInt16, 0, 1)
	send(second, 0, 5, 1)
	send(second, 0, 5, 1)
	send(second, 0, 6, 1)
	send(second, 0, 4, 1)
	send(second, 0, -1, 1)
	send(second, -1, 0, 1)
	send(firstInvented+2, -1, 0, 1)
	send(firstInvented+3, 0, math.MaxInt32, 1)
	send(-1, 3, 4, 1)
	send(-2, 0, 0, 1)
	send(-1, -1, 0, 1)
	s.ask("producers", s.describeProducers("t", 0), 0)
	s.must(s.deleteRecords("t", 0, -1), 2)
	send(second, 0, 6, 1)
	send(second, 0, 8, 1)
	send(second, 0, 7, 1)
	s.ask("what is stored", s.fetch("t", 0, 20), 12)
}
