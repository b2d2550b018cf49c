package compact

import (
	"cmp"
	"slices"

	"rookery/core/batch"
	"rookery/core/ordered"
)

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
		if t.coming[0].Last >= view.BaseOffset() { // else it has ended before the pass began
			t.aborted[t.coming[0].ProducerID] = new(bool)
		}
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

// history is what became of the transactions of a log.
type history struct {
	open    ordered.Map[int64, int64] // where those begin that have not ended, by producer
	aborted []Aborted
}

func (h *history) meet(view batch.View) {
	id := view.ProducerID()
	first, open := h.open.Find(id)
	switch {
	case view.IsControl():
		kind, _, ok := batch.Control(view)
		if open && kind == batch.AbortMarker && ok {
			h.aborted = append(h.aborted, Aborted{ProducerID: id, First: first, Last: view.LastOffset()})
		}
		if view.Count() == 0 || ok && (kind == batch.AbortMarker || kind == batch.CommitMarker) {
			h.open.Delete(id)
		}
	case view.IsTransactional() && !open:
		h.open.Put(id, view.BaseOffset())
	}
}

// end is where the first transaction begins that has not ended. The aborted ones are in order then, and not nil.
func (h *history) end() int64 {
	end := int64(1<<63 - 1)
	for _, id := range h.open.Keys() {
		end = min(end, h.open.At(id))
	}
	h.aborted = append([]Aborted{}, h.aborted...)
	slices.SortStableFunc(h.aborted, func(a, b Aborted) int { return cmp.Compare(a.First, b.First) })
	return end
}
