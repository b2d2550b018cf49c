package core

import "rookery/core/group"

// staged are the offsets of transactions that are not ended, of a log that another broker has written. What is committed with a
// transaction counts as of where it lies, not of where the marker does: a plain commit or a deletion between the two outlives
// it, as in Kafka, which compares the offsets of the records.
type staged struct {
	open  map[int64][]stagedRecord // by producer id
	newer map[stagedKey]int64      // where what counts of a partition lies, while anything is open
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
	if len(s.open) == 0 || !ok {
		return true
	}
	if newer, noted := s.newer[key]; noted && newer > at {
		return false
	}
	s.newer[key] = at
	return true
}

// end forgets a transaction and tells what of it counts, if it is committed.
func (s *staged) end(producer int64, committed bool, replay func(group.Record)) {
	if committed {
		for _, x := range s.open[producer] {
			if s.counts(x.at, x.record) {
				replay(x.record)
			}
		}
	}
	if delete(s.open, producer); len(s.open) == 0 {
		clear(s.newer)
	}
}
