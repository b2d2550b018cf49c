package core

import "rookery/core/group"

// staged are the offsets of transactions that are not ended, of a log that another broker has written. What is committed with a
// transaction counts as of where it lies, not of where the marker does: a plain commit or a deletion between the two outlives
// it, as in Kafka, which compares the offsets of the records.
type staged struct {
	open  map[int64][]stagedRecord // by producer id
	ended []stagedRecord           // of a transaction that is committed: next takes them
	newer map[stagedKey]int64      // where what counts of a partition lies, while any of these are there
}

type stagedRecord struct {
	at     int64
	record group.Record
}

type stagedKey struct {
	group, topic string
	partition    int32
}

func keyOf(r group.Record) (stagedKey, bool) {
	o, ok := r.(*group.OffsetCommitRecord)
	if !ok {
		return stagedKey{}, false
	}
	return stagedKey{o.Group, o.Topic, o.Partition}, true
}

// put keeps a record until its transaction is ended.
func (s *staged) put(producer, at int64, r group.Record) {
	if s.open == nil {
		s.open, s.newer = map[int64][]stagedRecord{}, map[stagedKey]int64{}
	}
	s.open[producer] = append(s.open[producer], stagedRecord{at, r})
}

// counts notes that a record counts, and says whether none behind it does already.
func (s *staged) counts(at int64, r group.Record) bool {
	key, ok := keyOf(r)
	if len(s.open)+len(s.ended) == 0 || !ok {
		return true
	}
	if newer, noted := s.newer[key]; noted && newer > at {
		return false
	}
	s.newer[key] = at
	return true
}

// end ends a transaction; what it has committed is to be taken before anything else is.
func (s *staged) end(producer int64, committed bool) {
	if committed {
		s.ended = s.open[producer]
	}
	delete(s.open, producer)
	s.settle()
}

// next is the next record that is committed now, nil if it does not count. There is one.
func (s *staged) next() group.Record {
	x := s.ended[0]
	counts := s.counts(x.at, x.record)
	s.ended = s.ended[1:]
	if s.settle(); !counts {
		return nil
	}
	return x.record
}

func (s *staged) settle() {
	if len(s.open)+len(s.ended) == 0 {
		s.ended = nil
		clear(s.newer)
	}
}
