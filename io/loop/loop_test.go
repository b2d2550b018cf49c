package loop_test

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
	"rookery/core/seam/contract"
	"rookery/core/seam/tape"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
)

// script is a machine that is a func.
type script func(now seam.Now, in seam.Input, fx *seam.Effects)

func (s script) Step(now seam.Now, in seam.Input, fx *seam.Effects) { s(now, in, fx) }

const patience = 10 * time.Second

func await(t *testing.T, what string, done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
	}
}

func TestAlarmsRingWhenAskedFor(t *testing.T) {
	done := make(chan struct{})
	var asked, rung []seam.Mono
	l := loop.New(loop.Config{Machine: script(func(now seam.Now, in seam.Input, fx *seam.Effects) {
		switch in.(type) {
		case *seam.Stop:
			fx.Wake(now.Mono + 20*seam.Millisecond)
			fx.Wake(now.Mono + 5*seam.Millisecond)
			asked = append(asked, now.Mono+5*seam.Millisecond)
		case *seam.Alarm:
			rung = append(rung, now.Mono)
			switch len(rung) {
			case 1:
				fx.Wake(now.Mono) // at once
				asked = append(asked, now.Mono)
			case 2:
				fx.Wake(now.Mono + seam.Millisecond)
				asked = append(asked, now.Mono+seam.Millisecond)
			case 3:
				close(done)
			}
		}
	})})
	l.Push(&seam.Stop{})
	await(t, "the third alarm", done)
	for i := range asked {
		require.GreaterOrEqual(t, rung[i], asked[i])
	}
}

// TestAnAlarmComesDueWithinItsTurn: the clock is read anew while a turn lasts, and passes what a Step before wished for.
func TestAnAlarmComesDueWithinItsTurn(t *testing.T) {
	rang := make(chan struct{})
	clock := loop.Clock()
	l := loop.New(loop.Config{Clock: clock, Machine: script(func(now seam.Now, in seam.Input, fx *seam.Effects) {
		switch in.(type) {
		case *seam.Stop:
			soon := now.Mono + 1
			fx.Wake(soon)
			for clock().Mono <= soon {
				runtime.Gosched()
			}
		case *seam.Alarm:
			close(rang)
		}
	})})
	l.Post(&seam.Stop{})
	for range 40 {
		l.Post(&seam.Opened{})
	}
	l.Run()
	await(t, "the alarm", rang)
}

// TestNoInputIsForgotten has many goroutines post at once, each as a connection does: the machine must see every input
// although most of the posters find it busy.
func TestNoInputIsForgotten(t *testing.T) {
	const posters, each = 8, 5000
	seen := 0
	done := make(chan struct{})
	l := loop.New(loop.Config{Machine: script(func(_ seam.Now, in seam.Input, _ *seam.Effects) {
		if seen++; seen == posters*each {
			close(done)
		}
	})})
	var group sync.WaitGroup
	for range posters {
		group.Go(func() {
			for i := range each {
				l.Push(&seam.Wrote{Op: seam.Op(i)})
			}
		})
	}
	group.Wait()
	await(t, "the last input", done)
}

// TestAHangupComesAfterTheSents: they take different lanes.
func TestAHangupComesAfterTheSents(t *testing.T) {
	const each = 300_000
	sent := seam.Op(0)
	early := 0
	var hungUp atomic.Int64
	heard := make(chan bool, 1)
	l := loop.New(loop.Config{Machine: script(func(_ seam.Now, in seam.Input, _ *seam.Effects) {
		switch in := in.(type) {
		case *seam.Sent:
			sent = in.Op
		case *seam.Hangup:
			if sent < seam.Op(in.Conn) {
				early++
			}
			hungUp.Add(1)
			select {
			case heard <- true:
			default:
			}
		}
	})})
	var group sync.WaitGroup
	group.Go(func() {
		for op := 1; op <= each; op++ {
			l.Post(&seam.Opened{}) // the machine is woken, and looks into the lane of what is done while nothing is in it
			l.Post(&seam.Sent{Op: seam.Op(op)})
			l.Post(&seam.Hangup{Conn: seam.Conn(op)})
			for spins := 0; hungUp.Load() < int64(op); spins++ {
				if runtime.Gosched(); spins > 100 { // the machine may have no processor but this one
					<-heard
				}
			}
		}
	})
	for hungUp.Load() < each {
		l.Run()
		runtime.Gosched()
	}
	group.Wait()
	require.Zero(t, early)
}

// TestASlowChoreHoldsNobody blocks one driver's chore and sees the machine go on.
func TestASlowChoreHoldsNobody(t *testing.T) {
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	l := loop.New(loop.Config{
		Machine: script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
			switch in := in.(type) {
			case *seam.Stop:
				fx.Replies = append(fx.Replies, seam.Reply{Op: 1})
			case *seam.Wrote:
				if in.Op == 7 {
					close(done)
				}
			}
		}),
		Conns: slow{held: held, hold: hold},
	})
	go l.Push(&seam.Stop{})
	await(t, "the slow chore", held)
	l.Push(&seam.Wrote{Op: 7})
	await(t, "a step while a chore lasts", done)
	close(hold)
}

type slow struct{ held, hold chan struct{} }

func (s slow) Queue(fx *seam.Effects, ready []loop.Chore) []loop.Chore {
	if len(fx.Replies) > 0 {
		ready = append(ready, s)
	}
	return ready
}

func (s slow) Finish(seam.Conn) bool { return true }

func (s slow) Do() bool {
	close(s.held)
	<-s.hold
	return false
}

// TestWhatIsBehindAStuckChoreIsDone: one chore of a turn lasts for ever, and those of the same turn and the next do not.
func TestWhatIsBehindAStuckChoreIsDone(t *testing.T) {
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(hold)
	left := 3
	behind := errand(func() bool {
		left--
		if left == 0 {
			close(done)
		}
		return left > 0
	})
	stuck := errand(func() bool {
		close(held)
		<-hold
		return false
	})
	l := loop.New(loop.Config{
		Machine: script(func(_ seam.Now, _ seam.Input, fx *seam.Effects) {
			fx.Replies = append(fx.Replies, seam.Reply{Op: 1})
		}),
		Conns: hands{behind, stuck, behind},
	})
	go l.Push(&seam.Stop{})
	await(t, "the stuck chore", held)
	await(t, "what is behind it", done)
}

// TestWhatCameOfTheChoreBeforeAStuckOneIsStepped: the last chore of a turn lasts for ever, and nobody else comes to take the next turn.
func TestWhatCameOfTheChoreBeforeAStuckOneIsStepped(t *testing.T) {
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(hold)
	var l *loop.Loop
	wrote := errand(func() bool {
		l.Post(&seam.Wrote{Op: 7})
		return false
	})
	stuck := errand(func() bool {
		close(held)
		<-hold
		return false
	})
	l = loop.New(loop.Config{
		Machine: script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
			if _, is := in.(*seam.Wrote); is {
				close(done)
				return
			}
			fx.Replies = append(fx.Replies, seam.Reply{Op: 1})
		}),
		Conns: hands{wrote, stuck},
	})
	go l.Push(&seam.Stop{})
	await(t, "the stuck chore", held)
	await(t, "the step of what came before it", done)
}

// TestALookWaitsForNoChore: whoever looks takes the turn, not what comes of it.
func TestALookWaitsForNoChore(t *testing.T) {
	hold, held, looked := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(hold)
	l := loop.New(loop.Config{
		Machine: script(func(_ seam.Now, _ seam.Input, fx *seam.Effects) {
			fx.Replies = append(fx.Replies, seam.Reply{Op: 1})
		}),
		Conns: slow{held: held, hold: hold},
	})
	go func() {
		l.Look(func(loop.Status) { l.Post(&seam.Stop{}) })
		close(looked)
	}()
	await(t, "the chore", held)
	await(t, "the end of the look", looked)
}

type errand func() bool

func (e errand) Do() bool { return e() }

// hands are the chores of each Reply.
type hands []errand

func (h hands) Queue(fx *seam.Effects, ready []loop.Chore) []loop.Chore {
	for range fx.Replies {
		for _, chore := range h {
			ready = append(ready, chore)
		}
	}
	return ready
}

func (h hands) Finish(seam.Conn) bool { return true }

func TestMachinesWriteToEachOther(t *testing.T) {
	done := make(chan struct{})
	var made atomic.Int32
	var told []uint64
	cleaner := func(seam.Address) seam.Machine {
		made.Add(1)
		return script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
			if mail, is := in.(*seam.Mail); is {
				fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToBroker}, Body: mail.Body.(int) * 2})
				fx.Events = append(fx.Events, seam.Event{A: int64(mail.Body.(int))})
			}
		})
	}
	var events []int64
	sum := 0
	l := loop.New(loop.Config{Make: cleaner,
		Event: func(e seam.Event) { events = append(events, e.A) },
		Machine: script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
			switch in := in.(type) {
			case *seam.Stop:
				for id := range uint64(10) {
					fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToRecovery, ID: id}, Body: int(id)})
				}
			case *seam.Mail:
				told = append(told, in.From.ID)
				sum += in.Body.(int)
				if len(told) == 10 {
					close(done)
				}
			}
		})})
	l.Push(&seam.Stop{})
	await(t, "ten letters", done)
	require.Equal(t, 90, sum)
	require.ElementsMatch(t, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, told)
	require.Equal(t, int32(10), made.Load())
}

func TestAPanicIsReportedAndGoesOn(t *testing.T) {
	var cause any
	l := loop.New(loop.Config{
		Machine: script(func(seam.Now, seam.Input, *seam.Effects) { panic("broken law Z9: none") }),
		Broken:  func(c any, stack []byte) { cause = c },
	})
	require.Panics(t, func() { l.Push(&seam.Stop{}) })
	require.Equal(t, "broken law Z9: none", cause)
}

// TestARecordedRunReplays records a run of the toy with real disk and connections, and steps another toy through it.
func TestARecordedRunReplays(t *testing.T) {
	var recorded syncBuffer
	recorder := loop.NewTape(&recorded, []byte("toy"))
	h := open(t, server.Config{Poison: true, Intake: func(frame []byte, _ any) any {
		frame[len(frame)-1] ^= 1 // as a repair does: the tape must hold the frame as it came
		return nil
	}}, recorder)
	c := h.dial(t)
	for i := range 50 {
		_, err := c.Write(frame("ewsz"[i%4], bytes.Repeat([]byte{byte(i)}, 20+i*100)))
		require.NoError(t, err)
		answer(t, c)
	}
	require.NoError(t, c.Close())
	h.server.Close()
	require.NoError(t, recorder.Err())

	config, rest, err := tape.Begin(recorded.bytes())
	require.NoError(t, err)
	require.Equal(t, "toy", string(config))
	toy := &contract.Toy{File: 1, Path: seam.Path{Name: "topic-0/log"}, Allowance: 1 << 20}
	steps := 0
	for len(rest) > 0 {
		var e tape.Entry
		e, rest, err = tape.Next(rest)
		require.NoError(t, err)
		if r, is := e.Input.(*seam.Request); is {
			r.Frame[len(r.Frame)-1] ^= 1
		}
		var fx seam.Effects
		fx.Reset()
		toy.Step(e.Now, e.Input, &fx)
		var digest seam.Digest
		digest.Effects(&fx)
		require.Equal(t, e.Digest, digest, "step %d: %T", steps, e.Input)
		steps++
	}
	require.Greater(t, steps, 150)
}

// syncBuffer is written by whoever has the turn and read at the end.
type syncBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *syncBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.all.Bytes())
}

func TestAReadIsGivenBack(t *testing.T) {
	d := disk.New(disk.Config{Dirs: []string{t.TempDir()}})
	done := make(chan struct{})
	reads := 0
	l := loop.New(loop.Config{
		Disk: func(mail *loop.Loop, calm bool) loop.Disk { return d.Port(mail, calm) },
		Machine: script(func(_ seam.Now, in seam.Input, fx *seam.Effects) {
			switch in := in.(type) {
			case *seam.Stop:
				fx.Files = append(fx.Files, seam.FileOp{Op: 1, Deed: seam.Create, File: 1, Path: seam.Path{Name: "f"}})
				fx.Writes = append(fx.Writes, seam.Write{Op: 2, File: 1, Data: []byte("hello")})
				fx.Reads = append(fx.Reads, seam.Read{Op: 3, File: 1, Len: 10})
			case *seam.Loaded:
				if string(in.Data) != "hello" {
					panic("broken law Z8: a read sees what was written before it")
				}
				if reads++; reads == 100 {
					close(done)
					return
				}
				fx.Reads = append(fx.Reads, seam.Read{Op: 3 + seam.Op(reads), File: 1, Len: 10})
			}
		})})
	l.Push(&seam.Stop{})
	await(t, "a hundred reads", done)
	d.Close()
}
