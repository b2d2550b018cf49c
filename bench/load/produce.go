package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sender holds what a producing connection sends again and again.
type sender struct {
	*worker
	batch   []byte
	inBatch int64    // records of the batch
	heads   [][]byte // one a partition
	copies  [][]byte // a head for each request of one writev, patched in place
	pieces  net.Buffers
	next    uint32 // correlation id
}

func (w *worker) produce() error {
	s := newSender(w)
	if w.rate > 0 {
		return s.paced(s.schedule())
	}
	return s.closed()
}

func newSender(w *worker) *sender {
	s := &sender{worker: w}
	s.batch, s.inBatch = encodeBatch(w.recordBytes, w.batchBytes)
	for _, p := range w.partitions {
		s.heads = append(s.heads, produceHead(w.options, p, s.batch))
	}
	s.copies = make([][]byte, w.inFlight)
	for i := range s.copies {
		s.copies[i] = make([]byte, len(s.heads[0]))
	}
	return s
}

// send writes n requests with one writev. All heads have one length: a partition's number is four bytes.
func (s *sender) send(n int) error {
	pieces := s.pieces[:0]
	for i := range n {
		head := s.copies[i]
		copy(head, s.heads[int(s.next)%len(s.heads)])
		binary.BigEndian.PutUint32(head[correlationAt:], s.next)
		s.next++
		pieces = append(pieces, head, s.batch)
	}
	s.pieces = pieces
	return s.link.sendAll(pieces)
}

// take checks an answer and counts it; answers come in the order of requests.
func (s *sender) take(answer []byte, latency time.Duration) error {
	code, err := produceCode(answer, s.topic)
	if err != nil {
		return err
	}
	if correlation := binary.BigEndian.Uint32(answer); correlation != uint32(s.requests) {
		return fmt.Errorf("answer %d came where %d was due", correlation, uint32(s.requests))
	}
	if code != 0 {
		return fmt.Errorf("produce was refused with error %d", code)
	}
	s.latency.add(latency)
	s.requests++
	s.records += s.inBatch
	s.bytes += int64(len(s.batch))
	return nil
}

// closed keeps the window full: each lot of answers is replaced by as many requests, in one writev.
func (s *sender) closed() error {
	sent := make([]time.Time, s.inFlight)
	flying := 0
	for {
		room := s.inFlight - flying
		if !s.deadline.IsZero() && time.Now().After(s.deadline) {
			room = 0
		}
		room = int(min(int64(room), (s.budget+int64(len(s.batch))-1)/int64(len(s.batch))))
		if room == 0 && flying == 0 {
			return nil
		}
		if room > 0 {
			now := time.Now()
			for i := range room {
				sent[(int(s.next)+i)%s.inFlight] = now
			}
			if err := s.send(room); err != nil {
				return err
			}
			s.budget -= int64(room) * int64(len(s.batch))
			flying += room
		}
		answer, err := s.link.answer()
		now := time.Now()
		for ; answer != nil; answer = s.link.buffered() {
			if err := s.take(answer, now.Sub(sent[int(s.requests)%s.inFlight])); err != nil {
				return err
			}
			flying--
		}
		if err != nil {
			return err
		}
	}
}

// schedule is when each request of a paced run is due.
type schedule struct {
	start    time.Time
	interval time.Duration
	total    int64
}

func (s *sender) schedule() schedule {
	interval := time.Duration(float64(time.Second) * float64(s.connections) / s.rate)
	total := (s.budget + int64(len(s.batch)) - 1) / int64(len(s.batch))
	if !s.deadline.IsZero() {
		total = int64(time.Until(s.deadline) / interval)
	}
	return schedule{start: time.Now().Add(time.Millisecond), interval: interval, total: total}
}

func (d *schedule) due(request int64) time.Time {
	return d.start.Add(time.Duration(request) * d.interval)
}

// paced sends at intended times from a locked thread while another goroutine takes the answers.
func (s *sender) paced(plan schedule) error {
	var failed atomic.Bool
	failure := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for i := range plan.total {
			sleepUntil(plan.due(i))
			if failed.Load() {
				return
			}
			if err := s.send(1); err != nil {
				failure <- err
				s.link.SetReadDeadline(time.Now())
				return
			}
		}
	}()
	for s.requests < plan.total {
		answer, err := s.link.answer()
		if err == nil {
			err = s.take(answer, time.Since(plan.due(s.requests)))
		}
		if err != nil {
			failed.Store(true)
			select {
			case err = <-failure:
			default:
			}
			return err
		}
	}
	return nil
}

// sleepUntil is nanosleep: Go's timers wake at a millisecond's grain when a program is otherwise idle.
func sleepUntil(at time.Time) {
	for wait := time.Until(at); wait > 0; wait = time.Until(at) {
		t := unix.NsecToTimespec(int64(wait))
		unix.Nanosleep(&t, nil)
	}
}
