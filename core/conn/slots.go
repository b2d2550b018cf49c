package conn

import (
	"rookery/core/must"
	"rookery/core/seam"
)

// Slot is a request's place in the order of answers. Slots of a connection are counted from 1.
type Slot uint64

// Answer is what a request is answered with: a seam.Reply before it has an Op. An empty Head with CloseNow only closes.
type Answer struct {
	Head []byte
	Body []seam.Range
	Then seam.Then
}

// Slots holds finished answers until all earlier ones have gone out.
//
//	first                      end
//	  │ filled │ open │ filled │        Ready while the first one is filled
//
// It is a ring: it grows to the most that was ever outstanding, and then allocates nothing.
type Slots struct {
	ring  []place // a power of two long
	first Slot    // the oldest slot that is not drained, less one
	end   Slot    // the newest slot
	held  int
}

type place struct {
	answer Answer
	filled bool
}

// Open takes the next slot, for a request that just came.
func (s *Slots) Open() Slot {
	if s.Waiting() == len(s.ring) {
		s.grow()
	}
	s.end++
	return s.end
}

// Fill puts an answer into an open slot.
func (s *Slots) Fill(slot Slot, answer Answer) {
	must.Be(s.first < slot && slot <= s.end, "C1: an answer belongs to a slot that is open")
	at := s.place(slot)
	must.Be(!at.filled, "C2: a request is answered once")
	*at = place{answer: answer, filled: true}
	s.held += len(answer.Head)
}

// Pass drains a slot that nothing stands before, without its answer ever lying in it, and says whether it was so.
func (s *Slots) Pass(slot Slot) bool {
	if slot != s.first+1 {
		return false
	}
	must.Be(slot <= s.end && !s.place(slot).filled, "C3: an answer that goes out at once belongs to a slot that is open")
	s.first++
	return true
}

// Ready says whether the oldest slot's answer is there.
func (s *Slots) Ready() bool { return s.Waiting() > 0 && s.place(s.first+1).filled }

// Next drains the oldest slot, once it is Ready; when the connection is gone, answered or not.
func (s *Slots) Next() Answer {
	at := s.place(s.first + 1)
	answer := at.answer
	*at = place{}
	s.first++
	s.held -= len(answer.Head)
	return answer
}

// Waiting is how many slots are not drained, answered or not.
func (s *Slots) Waiting() int { return int(s.end - s.first) }

// Held is how many bytes of heads wait for an earlier answer.
func (s *Slots) Held() int { return s.held }

func (s *Slots) place(slot Slot) *place { return &s.ring[int(slot)&(len(s.ring)-1)] }

const ringStart = 4

func (s *Slots) grow() {
	old := *s
	s.ring = make([]place, max(ringStart, 2*len(old.ring)))
	for slot := old.first + 1; slot <= old.end; slot++ {
		*s.place(slot) = *old.place(slot)
	}
}
