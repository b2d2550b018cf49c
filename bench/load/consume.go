package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// cursor is where one partition is being read.
type cursor struct {
	partition        int32
	first, next, end int64
}

// consume reads its partitions from the first offset to the end they had when it began, over and over until the budget
// is used up. One fetch is on the wire at a time, as with real consumers: the next offset is known by the answer only.
func (w *worker) consume() error {
	cursors := make([]cursor, len(w.partitions))
	for i, p := range w.partitions {
		cursors[i].partition = p
		for _, which := range []struct {
			timestamp int64
			into      *int64
		}{{-2, &cursors[i].first}, {-1, &cursors[i].end}} {
			if err := w.listOffset(p, which.timestamp, which.into); err != nil {
				return err
			}
		}
		if cursors[i].end <= cursors[i].first {
			return fmt.Errorf("partition %d is empty", p)
		}
		cursors[i].next = cursors[i].first
	}
	for w.budget > 0 && (w.deadline.IsZero() || time.Now().Before(w.deadline)) {
		start := time.Now()
		if _, err := w.link.Write(w.fetchRequest(cursors)); err != nil {
			return err
		}
		answer, err := w.link.answer()
		if err != nil {
			return err
		}
		w.latency.add(time.Since(start))
		w.requests++
		before := w.bytes
		if err := w.takeFetch(answer, cursors); err != nil {
			return err
		}
		w.budget -= w.bytes - before
	}
	return nil
}

func (w *worker) listOffset(partition int32, timestamp int64, into *int64) error {
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	one := kmsg.NewListOffsetsRequestTopicPartition()
	one.Partition, one.Timestamp, one.CurrentLeaderEpoch = partition, timestamp, -1
	list.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: w.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{one}}}
	response, err := w.link.ask(list, 5)
	if err != nil {
		return err
	}
	answer := response.(*kmsg.ListOffsetsResponse)
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return fmt.Errorf("ListOffsets answered nothing for partition %d", partition)
	}
	found := answer.Topics[0].Partitions[0]
	if found.ErrorCode != 0 {
		return fmt.Errorf("ListOffsets of partition %d: error %d", partition, found.ErrorCode)
	}
	*into = found.Offset
	return nil
}

// fetchRequest is a Fetch 11 without a session.
func (w *worker) fetchRequest(cursors []cursor) []byte {
	b := requestHead(1, 11)
	b = append32(append32(b, -1), 500) // no replica; max wait ms
	b = append32(append32(b, 1), w.fetchBytes)
	b = append(b, 0)                 // read uncommitted
	b = append32(append32(b, 0), -1) // session: none, epoch -1
	b = append32(b, 1)
	b = append32(appendString(b, w.topic), len(cursors))
	for _, c := range cursors {
		b = append32(append32(b, int(c.partition)), -1) // any leader epoch
		b = binary.BigEndian.AppendUint64(b, uint64(c.next))
		b = binary.BigEndian.AppendUint64(b, ^uint64(0)) // not a follower
		b = append32(b, w.fetchBytes)
	}
	b = appendString(append32(b, 0), "") // nothing forgotten, no rack
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// takeFetch walks an answer down to the batch headers, checks every error code and moves the cursors.
func (w *worker) takeFetch(answer []byte, cursors []cursor) error {
	r := reader{b: answer}
	r.skip(4 + 4)
	if code := r.int16(); code != 0 {
		return fmt.Errorf("fetch was refused with error %d", code)
	}
	r.skip(4)
	for topics := r.int32(); topics > 0 && !r.bad; topics-- {
		r.skip(int(r.int16()))
		for partitions := r.int32(); partitions > 0 && !r.bad; partitions-- {
			partition := r.int32()
			code := r.int16()
			r.skip(8 + 8 + 8)
			r.skip(16 * max(int(r.int32()), 0)) // aborted transactions
			r.skip(4)
			records := r.take(max(int(r.int32()), 0))
			if code != 0 {
				return fmt.Errorf("fetch of partition %d was refused with error %d", partition, code)
			}
			for i := range cursors {
				if cursors[i].partition == partition {
					w.takeBatches(records, &cursors[i])
				}
			}
		}
	}
	if r.bad {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// takeBatches counts whole batches at or above the cursor; an answer may end inside one.
func (w *worker) takeBatches(b []byte, c *cursor) {
	for len(b) >= 61 {
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if size > len(b) {
			break
		}
		last := int64(binary.BigEndian.Uint64(b)) + int64(binary.BigEndian.Uint32(b[23:]))
		if last >= c.next {
			w.bytes += int64(size)
			w.records += int64(binary.BigEndian.Uint32(b[57:]))
			c.next = last + 1
		}
		b = b[size:]
	}
	if c.next >= c.end {
		c.next = c.first
	}
}

// reader walks an answer; past its end it sets bad and reads zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}
