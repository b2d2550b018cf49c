package main

import (
	"errors"
	"math"
	"sync/atomic"
	"time"
)

// endToEnd sends at a steady pace on one connection and reads on another. Latency is counted from the time a record was
// due to be sent to the time it was read.
func (w *worker) endToEnd() error {
	if w.rate <= 0 || w.connections != 1 || w.options.partitions != 1 {
		return errors.New("--mode end-to-end needs a --rate, one connection and one partition")
	}
	l, err := w.dial(w.leader)
	if err != nil {
		return err
	}
	defer l.Close()
	reader := &worker{options: w.options, link: l}
	at := cursor{end: math.MaxInt64}
	if err := reader.listOffset(0, -1, &at.first); err != nil {
		return err
	}
	at.next = at.first
	s := newSender(w)
	plan := s.schedule()
	var failed atomic.Bool
	ended := make(chan error, 1)
	go func() { ended <- reader.follow(at, s.inBatch, plan, &failed) }()
	if err := s.paced(plan); err != nil {
		failed.Store(true)
		return errors.Join(err, <-ended)
	}
	if err := <-ended; err != nil {
		return err
	}
	w.latency = reader.latency
	return nil
}

// follow reads until it has seen all that was planned, or the sender has failed: a fetch waits half a second at most.
func (w *worker) follow(at cursor, inBatch int64, plan schedule, failed *atomic.Bool) error {
	cursors := []cursor{at}
	for seen := int64(0); seen < plan.total && !failed.Load(); {
		if _, err := w.link.Write(w.fetchRequest(cursors)); err != nil {
			return err
		}
		answer, err := w.link.answer()
		if err != nil {
			return err
		}
		now := time.Now()
		if err := w.takeFetch(answer, cursors); err != nil {
			return err
		}
		for ; seen < (cursors[0].next-at.first)/inBatch; seen++ {
			w.latency.add(now.Sub(plan.due(seen)))
		}
	}
	return nil
}
