package world

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

// toy is the smallest broker: a log of eight-byte values, appended, synced and acknowledged.
type toy struct {
	op         seam.Op
	file       seam.File
	end        int64
	ready      bool
	recovering seam.Op
	folderSync int // folder syncs to come back before it is ready
	writing    map[seam.Op]toyAppend
	syncing    map[seam.Op][]toyAppend
	written    []toyAppend
	sending    map[seam.Op]bool
	heads      [][]byte
	early      bool // the plant: it acknowledges before the sync
	nameless   bool // the plant: it does not sync its folders
	failed     bool
	conns      map[seam.Conn]bool
}

type toyAppend struct {
	conn  seam.Conn
	lease seam.Lease
	value uint64
}

const toyName = "toy-0/00.log"

func newToy(early, nameless bool) *toy {
	return &toy{writing: map[seam.Op]toyAppend{}, syncing: map[seam.Op][]toyAppend{}, sending: map[seam.Op]bool{}, conns: map[seam.Conn]bool{}, early: early, nameless: nameless}
}

func (t *toy) next() seam.Op { t.op++; return t.op }

func (t *toy) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Started:
		t.file = 1
		deed := seam.Create
		for _, f := range in.Files {
			if f.Path.Name == toyName {
				deed = seam.Open
			}
		}
		t.recovering = t.next()
		fx.Files = append(fx.Files, seam.FileOp{Op: t.recovering, Deed: deed, File: t.file, Path: seam.Path{Name: toyName}})
	case *seam.Opened:
		t.conns[in.Conn] = true
		fx.Reading = append(fx.Reading, seam.Credit{Conn: in.Conn, Bytes: 1 << 30})
	case *seam.Request:
		t.onRequest(in, fx)
	case *seam.Wrote:
		t.onWrote(in, fx)
	case *seam.Synced:
		t.onSynced(in, fx)
	case *seam.Sent:
		delete(t.sending, in.Op)
	case *seam.Hangup:
		delete(t.conns, in.Conn)
	case *seam.Alarm, *seam.Loaded, *seam.Mail, *seam.Rewritten, *seam.Wanting:
	case *seam.Stop:
		fx.Events = append(fx.Events, seam.Event{Kind: seam.Stopped})
	}
}

func (t *toy) onRequest(in *seam.Request, fx *seam.Effects) {
	if !t.ready || t.failed {
		fx.Frees = append(fx.Frees, in.Lease)
		t.answer(in.Conn, 0, fx)
		return
	}
	op := t.next()
	t.writing[op] = toyAppend{in.Conn, in.Lease, binary.BigEndian.Uint64(in.Frame)}
	fx.Writes = append(fx.Writes, seam.Write{Op: op, File: t.file, At: t.end, Data: in.Frame[:8]})
	t.end += 8
}

func (t *toy) onWrote(in *seam.Wrote, fx *seam.Effects) {
	if in.Op == t.recovering {
		if in.Fault != seam.OK {
			t.failed = true
			return
		}
		t.end = in.Bytes / 8 * 8
		t.folderSync = 2
		if t.nameless {
			t.folderSync = 0
			t.ready = true
			return
		}
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: t.next(), Folder: seam.Path{Name: "toy-0"}}, seam.Sync{Op: t.next()})
		return
	}
	a := t.writing[in.Op]
	delete(t.writing, in.Op)
	fx.Frees = append(fx.Frees, a.lease)
	if in.Fault != seam.OK {
		t.failed = true
		return
	}
	t.written = append(t.written, a)
	if t.early {
		t.answer(a.conn, a.value, fx)
	}
	t.maybeSync(fx)
}

func (t *toy) maybeSync(fx *seam.Effects) {
	if len(t.written) == 0 || len(t.syncing) > 0 {
		return
	}
	op := t.next()
	t.syncing[op] = t.written
	t.written = nil
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: op, File: t.file})
}

func (t *toy) onSynced(in *seam.Synced, fx *seam.Effects) {
	if in.Fault != seam.OK {
		t.failed = true
		return
	}
	if t.folderSync > 0 {
		t.folderSync--
		t.ready = t.folderSync == 0
		return
	}
	for _, a := range t.syncing[in.Op] {
		if !t.early {
			t.answer(a.conn, a.value, fx)
		}
	}
	delete(t.syncing, in.Op)
	t.maybeSync(fx)
}

func (t *toy) answer(conn seam.Conn, value uint64, fx *seam.Effects) {
	if !t.conns[conn] {
		return
	}
	head := binary.BigEndian.AppendUint64([]byte{0, 0, 0, 8}, value)
	t.heads = append(t.heads, head)
	op := t.next()
	t.sending[op] = true
	fx.Replies = append(fx.Replies, seam.Reply{Op: op, Conn: conn, Head: head})
}

// toyClient sends rising values and remembers what was acknowledged.
type toyClient struct {
	next  uint64
	most  uint64
	acked map[uint64]bool
}

func (c *toyClient) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Started:
		c.send(fx)
	case *seam.Mail:
		switch {
		case in.Fault != seam.OK:
			fx.Wake(now.Mono + 10*seam.Millisecond)
		case in.Frame != nil:
			if value := binary.BigEndian.Uint64(in.Frame); value != 0 {
				c.acked[value] = true
			}
			fx.Wake(now.Mono + seam.Millisecond)
		}
	case *seam.Alarm:
		c.send(fx)
	case *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Stop:
	}
}

func (c *toyClient) send(fx *seam.Effects) {
	if c.next >= c.most {
		return
	}
	c.next++
	fx.Sends = append(fx.Sends, seam.Send{To: seam.Address{Kind: seam.ToPeer, Host: "toy", Port: 9092},
		Data: binary.BigEndian.AppendUint64([]byte{0, 0, 0, 8}, c.next)})
}

func toyRun(tape *Tape, early, nameless bool, rates Rates) (*World, *toyClient, error) {
	w := New(tape, rates, Parts{Broker: func(int) seam.Machine { return newToy(early, nameless) }}, 1)
	c := &toyClient{most: 200, acked: map[uint64]bool{}}
	w.Node.Start()
	w.Client("client", c)
	w.Unleash(2 * seam.Second)
	w.Run(2*seam.Second, nil)
	w.Calm()
	w.Run(4*seam.Second, nil)
	if w.Failure() != nil {
		return w, c, w.Failure()
	}
	there := map[uint64]bool{}
	log := w.Node.Disk.Contents(seam.Path{Name: toyName})
	for ; len(log) >= 8; log = log[8:] {
		there[binary.BigEndian.Uint64(log)] = true
	}
	for value := uint64(1); value <= c.next; value++ {
		if c.acked[value] && !there[value] {
			return w, c, fmt.Errorf("%d was acknowledged and is gone", value)
		}
	}
	return w, c, nil
}

var toyRates = Rates{NemesisPause: 200, Kill: 1, Power: 2, Pause: 1, Cut: 1, Dull: 1, LoseResponse: 50, CutOnFrame: 50, KillAtEffect: 20, SlowDisk: 50}

func TestToyKeepsWhatItAcknowledged(t *testing.T) {
	acked := 0
	for seed := range uint64(60) {
		_, c, err := toyRun(NewTape(seed), false, false, toyRates)
		require.NoError(t, err, "seed %d", seed)
		acked += len(c.acked)
	}
	require.Greater(t, acked, 60*50)
}

func failures(early, nameless bool) (n int) {
	for seed := range uint64(60) {
		if _, _, err := toyRun(NewTape(seed), early, nameless, toyRates); err != nil {
			n++
		}
	}
	return n
}

func TestToyThatAcknowledgesEarlyIsCaught(t *testing.T) {
	require.Greater(t, failures(true, false), 10)
}

func TestToyThatForgetsItsFolderIsCaught(t *testing.T) {
	require.Greater(t, failures(false, true), 10)
}

func TestARunRepeats(t *testing.T) {
	for seed := range uint64(10) {
		first, _, _ := toyRun(NewTape(seed), false, false, toyRates)
		again, _, _ := toyRun(NewTape(seed), false, false, toyRates)
		recorded, _, _ := toyRun(Recorded(first.Tape.Trace()), false, false, toyRates)
		require.Equal(t, first.Hash(), again.Hash())
		require.Equal(t, first.Hash(), recorded.Hash())
		require.Equal(t, first.Steps(), recorded.Steps())
	}
}

func TestAProcessKilledAtAnEffectIsStartedAgain(t *testing.T) {
	most := 0
	for seed := range uint64(10) {
		w, _, err := toyRun(NewTape(seed), false, false, Rates{KillAtEffect: 1000})
		require.NoError(t, err, "seed %d", seed)
		most = max(most, w.Node.Life)
	}
	require.Greater(t, most, 2, "the end of the faults starts a process once")
}

// A mark is no draw, and a trace that has it says it again.
func TestMarkIsRepeated(t *testing.T) {
	plain, marked := NewTape(1), NewTape(1)
	require.False(t, plain.Mark("brief", false))
	require.True(t, marked.Mark("brief", true))
	require.Equal(t, plain.Choose("x", 100), marked.Choose("x", 100))
	require.Equal(t, plain.Total(), marked.Total())
	require.True(t, Recorded(marked.Trace()).Mark("brief", false))
	require.False(t, Recorded(plain.Trace()).Mark("brief", false))
}
