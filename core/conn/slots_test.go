package conn_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/conn"
	"rookery/core/seam"
)

// twin keeps every slot that ever was.
type twin struct {
	answers []*conn.Answer
	drained int
}

func (w *twin) open() []conn.Slot {
	var open []conn.Slot
	for i, answer := range w.answers {
		if answer == nil {
			open = append(open, conn.Slot(i+1))
		}
	}
	return open
}

func (w *twin) held() (n int) {
	for _, answer := range w.answers[w.drained:] {
		if answer != nil {
			n += len(answer.Head)
		}
	}
	return n
}

func TestSlotsDrainInTheOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var slots conn.Slots
		var w twin
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				w.answers = append(w.answers, nil)
				require.Equal(t, conn.Slot(len(w.answers)), slots.Open())
			},
			"fill": func(t *rapid.T) {
				open := w.open()
				if len(open) == 0 {
					return
				}
				slot := rapid.SampledFrom(open).Draw(t, "slot")
				answer := conn.Answer{Head: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "head"), Body: []seam.Range{{Before: int32(slot)}}}
				w.answers[slot-1] = &answer
				slots.Fill(slot, answer)
			},
			"next": func(t *rapid.T) {
				ready := w.drained < len(w.answers) && w.answers[w.drained] != nil
				require.Equal(t, ready, slots.Ready())
				if ready {
					require.Equal(t, *w.answers[w.drained], slots.Next())
					w.drained++
				}
			},
			"abandon": func(t *rapid.T) {
				if w.drained == len(w.answers) {
					return
				}
				want := conn.Answer{}
				if held := w.answers[w.drained]; held != nil {
					want = *held
				}
				require.Equal(t, want, slots.Next())
				if w.answers[w.drained] == nil {
					w.answers[w.drained] = &conn.Answer{}
				}
				w.drained++
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(w.answers)-w.drained, slots.Waiting())
				require.Equal(t, w.held(), slots.Held())
			},
		})
	})
}

func TestSlotsRefuseWhatIsNotOpen(t *testing.T) {
	var slots conn.Slots
	require.Panics(t, func() { slots.Fill(1, conn.Answer{}) })
	slot := slots.Open()
	require.Panics(t, func() { slots.Fill(0, conn.Answer{}) })
	require.Panics(t, func() { slots.Fill(slot+1, conn.Answer{}) })
	slots.Fill(slot, conn.Answer{})
	require.PanicsWithValue(t, "broken law C2: a request is answered once", func() { slots.Fill(slot, conn.Answer{}) })
	require.True(t, slots.Ready())
	slots.Next()
	require.PanicsWithValue(t, "broken law C1: an answer belongs to a slot that is open", func() { slots.Fill(slot, conn.Answer{}) })
}

// pipeline keeps sixteen requests outstanding and answers each pair backwards.
func pipeline(slots *conn.Slots, answer conn.Answer) {
	for slots.Waiting() < 16 {
		a, b := slots.Open(), slots.Open()
		slots.Fill(b, answer)
		slots.Fill(a, answer)
	}
	for range 4 {
		slots.Next()
	}
}

func TestSlotsAllocateNothingOnceGrown(t *testing.T) {
	var slots conn.Slots
	answer := conn.Answer{Head: make([]byte, 9)}
	pipeline(&slots, answer)
	require.Zero(t, testing.AllocsPerRun(1000, func() { pipeline(&slots, answer) }))
}

func BenchmarkSlots(b *testing.B) {
	var slots conn.Slots
	answer := conn.Answer{Head: make([]byte, 9)}
	b.ReportAllocs()
	for b.Loop() {
		slots.Fill(slots.Open(), answer)
		slots.Next()
	}
}

func BenchmarkIntakeProduce(b *testing.B) {
	frame := frameOf(produceOf(batchOf(1, 2, 3)), 9)
	var r conn.Request
	step := func() { conn.Intake(frame, conn.Limits{}, &r) }
	step()
	require.Zero(b, testing.AllocsPerRun(20, step))
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
