package producer

// Active is a producer as DescribeProducers shows it. Sequence, offset: -1 where there is none.
type Active struct {
	ID               int64
	Epoch            int16
	LastSequence     int32
	LastOffset       int64 // of its last batch of data
	Timestamp        int64
	CoordinatorEpoch int32
	TxnFirstOffset   int64
}

// Each visits the producers that have written something, by id.
func (s *State) Each(visit func(Active)) {
	s.committed(func(e *entry) {
		a := Active{ID: e.id, Epoch: e.epoch, LastSequence: none, LastOffset: none, Timestamp: e.timestamp, CoordinatorEpoch: e.coordinatorEpoch, TxnFirstOffset: e.txnFirstOffset}
		if e.count > 0 {
			a.LastSequence, a.LastOffset = e.window[e.count-1].LastSequence, e.window[e.count-1].LastOffset
		}
		visit(a)
	})
}
