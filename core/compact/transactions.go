package compact

import "rookery/core/batch"

// transactions follows those of a pass over the log from its start (Kafka's CleanedTransactionMetadata): which batches are
// of aborted ones, and which markers have none of theirs left before them.
type transactions struct {
	coming  []Aborted       // by First
	aborted map[int64]*bool // under way: whether a batch of it was met
	open    map[int64]bool  // others under way, of which a batch was met
}

func newTransactions(aborted []Aborted) transactions {
	return transactions{coming: aborted, aborted: map[int64]*bool{}, open: map[int64]bool{}}
}

// meet says whether a batch may go for what it is: data of an aborted transaction, or the marker of an empty one.
func (t *transactions) meet(view batch.View) (discard bool) {
	for len(t.coming) > 0 && t.coming[0].First <= view.LastOffset() {
		t.aborted[t.coming[0].ProducerID] = new(bool)
		t.coming = t.coming[1:]
	}
	id := view.ProducerID()
	switch {
	case view.IsControl():
		return t.end(view)
	case !view.IsTransactional():
		return false
	}
	if met := t.aborted[id]; met != nil {
		*met = true
		return true
	}
	t.open[id] = true
	return false
}

func (t *transactions) end(view batch.View) (empty bool) {
	id := view.ProducerID()
	kind, _, ok := batch.Control(view)
	switch {
	case view.Count() == 0:
		return true
	case !ok:
		return false
	case kind == batch.AbortMarker:
		met := t.aborted[id]
		delete(t.aborted, id)
		return met == nil || !*met
	case kind == batch.CommitMarker:
		met := t.open[id]
		delete(t.open, id)
		return !met
	}
	return false
}
