// Package contract is what a driver owes to a machine, as tests: a suite for disks, one for connections and one for
// links to peers. The production drivers (io/disk, net/server, net/dial) and the simulator's worlds run the same suites,
// so that "the same code runs in both" is a claim about behaviour. It is imported by tests only.
//
// Rules:
//   - A suite knows the laws of core/seam and nothing of its subject but the interface it is handed.
//   - What a law leaves open (how writes are joined, when a completion comes) a suite does not look at.
package contract

import (
	"encoding/binary"

	"rookery/core/seam"
)

// Toy is a small machine that drives everything a driver has. Each request frame is
//
//	what:1 echo:...
//
// and is answered in order with length:4 echo, except where what says more: 'w' is answered after the whole frame has
// been written to the file, 's' after a sync that began when it was written, 'f' is answered with the bytes of the
// file that the echo's first 12 bytes name (at:8, len:4), 'q' is answered and closes, 'c' cuts, 'n' is never answered,
// 'm' is answered but its credit kept back until somebody sends an 'u', 'z' is answered with what a Rewrite of the echo by
// codec 7 at level -7 makes of it (see Rewrite).
type Toy struct {
	File      seam.File // created on Started
	Path      seam.Path
	Allowance int64 // credit that each connection has outstanding
	Ring      int64 // writes begin again at 0 when they have passed this; zero: they never do

	lastOp   seam.Op
	end      int64
	conns    map[seam.Conn]*toyConn
	order    []seam.Conn
	ops      map[seam.Op]toyOp
	syncing  bool
	unsynced []*toySlot
	heads    [][]byte

	rewriting map[seam.Op]*toySlot

	Opened, Requests, Sents, Gones, Hangups int
	Alarms                                  int
	Mails                                   []seam.Mail
	Faults                                  []seam.Fault
	Ready                                   bool
}

type toyConn struct {
	slots     []*toySlot // answers owed, in the order of requests
	credit    int64      // granted and not used
	owed      int64      // to be granted at the next 'u'
	open      int        // replies that have not come back
	wanting   bool       // a long frame was asked for
	rewriting int        // rewrites that have not come back
	gone      bool
}

type toySlot struct {
	conn  seam.Conn
	lease seam.Lease
	frame []byte
	head  []byte
	body  []seam.Range
	then  seam.Then
	ready bool
}

type toyOp struct {
	slot  *toySlot
	slots []*toySlot
	conn  *toyConn
	head  []byte
}

const lengthSize = 4

// Rewrite is what the drivers under test make of bytes: every one changes, and some are more.
func Rewrite(data []byte, codec uint8, level int32, into []byte) []byte {
	for i, c := range data {
		into = append(into, c^codec^byte(level))
		if i%3 == 0 {
			into = append(into, byte(level))
		}
	}
	return into
}

const (
	toyCodec = 7
	toyLevel = -7
)

func (t *Toy) op(o toyOp) seam.Op {
	t.lastOp++
	t.ops[t.lastOp] = o
	return t.lastOp
}

// Step is the whole machine.
func (t *Toy) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Started:
		t.conns, t.ops, t.rewriting = map[seam.Conn]*toyConn{}, map[seam.Op]toyOp{}, map[seam.Op]*toySlot{}
		if t.File != 0 {
			fx.Files = append(fx.Files, seam.FileOp{Op: t.op(toyOp{}), Deed: seam.Create, File: t.File, Path: t.Path})
		}
	case *seam.Opened:
		t.Opened++
		t.conns[in.Conn] = &toyConn{credit: t.Allowance}
		t.order = append(t.order, in.Conn)
		fx.Reading = append(fx.Reading, seam.Credit{Conn: in.Conn, Bytes: t.Allowance})
	case *seam.Wanting:
		t.wanting(in, fx)
	case *seam.Request:
		t.request(in, fx)
	case *seam.Wrote:
		t.wrote(in, fx)
	case *seam.Synced:
		t.synced(in, fx)
	case *seam.Sent:
		t.sent(in)
	case *seam.Rewritten:
		t.rewritten(in, fx)
	case *seam.Hangup:
		t.hangup(in)
	case *seam.Mail:
		t.Mails = append(t.Mails, seam.Mail{From: in.From, Link: in.Link, Frame: append([]byte(nil), in.Frame...), Body: in.Body, Fault: in.Fault})
		if in.Lease != 0 {
			fx.Frees = append(fx.Frees, in.Lease)
		}
	case *seam.Alarm:
		t.Alarms++
	case *seam.Loaded, *seam.Stop:
	}
}

func (t *Toy) request(in *seam.Request, fx *seam.Effects) {
	t.Requests++
	c := t.conns[in.Conn]
	if c == nil || c.gone {
		panic("broken law T1: a Request comes between Opened and Hangup")
	}
	t.account(in.Conn, c, in.Frame, fx)
	slot := &toySlot{conn: in.Conn, lease: in.Lease, frame: in.Frame}
	switch in.Frame[0] {
	case 'n':
		fx.Frees = append(fx.Frees, in.Lease)
		return
	case 'c':
		fx.Frees = append(fx.Frees, in.Lease)
		fx.Reading = append(fx.Reading, seam.Credit{Conn: in.Conn, Cut: true})
		return
	}
	c.slots = append(c.slots, slot)
	switch in.Frame[0] {
	case 'w', 's':
		if t.Ring > 0 && t.end > t.Ring {
			t.end = 0
		}
		at := t.end
		t.end += int64(len(in.Frame))
		fx.Writes = append(fx.Writes, seam.Write{Op: t.op(toyOp{slot: slot}), File: t.File, At: at, Data: in.Frame})
		return
	case 'f':
		slot.head = t.head(9)
		size := int32(binary.BigEndian.Uint32(in.Frame[9:]))
		binary.BigEndian.PutUint32(slot.head, uint32(5+size))
		copy(slot.head[lengthSize:], "bytes")
		slot.body = []seam.Range{{Before: 7, File: t.File, At: int64(binary.BigEndian.Uint64(in.Frame[1:])), Len: size}}
	case 'z':
		c.rewriting++
		op := t.op(toyOp{})
		t.rewriting[op] = slot
		fx.Rewrites = append(fx.Rewrites, seam.Rewrite{Op: op, Conn: in.Conn, Data: in.Frame[1:], Codec: toyCodec, Level: toyLevel})
		return
	case 'q':
		slot.then = seam.CloseNow
		t.echo(slot)
	default:
		t.echo(slot)
	}
	t.answer(slot, fx)
}

// wanting grants what a long frame lacks, unless the connection is muted.
func (t *Toy) wanting(in *seam.Wanting, fx *seam.Effects) {
	c := t.conns[in.Conn]
	if c == nil || c.gone || c.wanting || in.Bytes <= 0 {
		panic("broken law T7: Wanting is said once a frame, between Opened and Hangup")
	}
	if c.wanting = true; c.owed > 0 {
		c.owed += in.Bytes
		return
	}
	t.grant(in.Conn, c, in.Bytes, fx)
}

// account takes a frame off its connection's credit and grants as much again.
func (t *Toy) account(id seam.Conn, c *toyConn, frame []byte, fx *seam.Effects) {
	size := int64(len(frame) + lengthSize + seam.FrameCost)
	if c.credit <= 0 || len(frame)+lengthSize > seam.FrameFree && c.credit < size {
		panic("broken law T6: a frame is begun only while its connection has credit, and a long one is covered by it")
	}
	c.wanting = false
	c.credit -= size
	if frame[0] == 'm' {
		c.owed += size
		return
	}
	t.grant(id, c, size, fx)
	if frame[0] != 'u' {
		return
	}
	for _, other := range t.order {
		if o := t.conns[other]; !o.gone && o.owed > 0 {
			t.grant(other, o, o.owed, fx)
			o.owed = 0
		}
	}
}

func (t *Toy) grant(id seam.Conn, c *toyConn, bytes int64, fx *seam.Effects) {
	c.credit += bytes
	fx.Reading = append(fx.Reading, seam.Credit{Conn: id, Bytes: bytes})
}

// head takes a buffer that no Reply is using.
func (t *Toy) head(size int) []byte {
	if n := len(t.heads); n > 0 && cap(t.heads[n-1]) >= size {
		head := t.heads[n-1][:size]
		t.heads = t.heads[:n-1]
		return head
	}
	return make([]byte, size, max(size, 64))
}

func (t *Toy) echo(slot *toySlot) {
	echo := slot.frame[1:]
	if slot.frame[0] == 'w' || slot.frame[0] == 's' {
		echo = echo[:min(8, len(echo))]
	}
	slot.head = t.head(lengthSize + len(echo))
	binary.BigEndian.PutUint32(slot.head, uint32(len(echo)))
	copy(slot.head[lengthSize:], echo)
}

// answer frees the frame and sends whatever is complete, in the order of requests.
func (t *Toy) answer(slot *toySlot, fx *seam.Effects) {
	fx.Frees = append(fx.Frees, slot.lease)
	slot.ready, slot.frame = true, nil
	c := t.conns[slot.conn]
	for len(c.slots) > 0 && c.slots[0].ready {
		s := c.slots[0]
		c.slots = c.slots[1:]
		if c.gone {
			continue
		}
		c.open++
		fx.Replies = append(fx.Replies, seam.Reply{Op: t.op(toyOp{conn: c, head: s.head}), Conn: s.conn, Head: s.head, Body: s.body, Then: s.then})
	}
}

func (t *Toy) take(op seam.Op) toyOp {
	o, known := t.ops[op]
	if !known {
		panic("broken law T2: every Op comes back once")
	}
	delete(t.ops, op)
	return o
}

func (t *Toy) wrote(in *seam.Wrote, fx *seam.Effects) {
	o := t.take(in.Op)
	if in.Fault != seam.OK {
		t.Faults = append(t.Faults, in.Fault)
	}
	if o.slot == nil {
		t.Ready = true
		return
	}
	if o.slot.frame[0] == 's' {
		t.unsynced = append(t.unsynced, o.slot)
		t.maybeSync(fx)
		return
	}
	t.echo(o.slot)
	t.answer(o.slot, fx)
}

func (t *Toy) maybeSync(fx *seam.Effects) {
	if t.syncing || len(t.unsynced) == 0 {
		return
	}
	t.syncing = true
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: t.op(toyOp{slots: t.unsynced}), File: t.File})
	t.unsynced = nil
}

func (t *Toy) synced(in *seam.Synced, fx *seam.Effects) {
	o := t.take(in.Op)
	t.syncing = false
	for _, slot := range o.slots {
		t.echo(slot)
		t.answer(slot, fx)
	}
	t.maybeSync(fx)
}

func (t *Toy) rewritten(in *seam.Rewritten, fx *seam.Effects) {
	t.take(in.Op)
	slot := t.rewriting[in.Op]
	delete(t.rewriting, in.Op)
	c := t.conns[slot.conn]
	c.rewriting--
	if c.gone {
		panic("broken law T7: Hangup comes after every Rewritten")
	}
	slot.head = t.head(lengthSize + len(in.Data))
	binary.BigEndian.PutUint32(slot.head, uint32(len(in.Data)))
	copy(slot.head[lengthSize:], in.Data)
	fx.Frees = append(fx.Frees, in.Lease)
	t.answer(slot, fx)
}

func (t *Toy) sent(in *seam.Sent) {
	o := t.take(in.Op)
	t.Sents++
	if in.Fault == seam.Gone {
		t.Gones++
	}
	o.conn.open--
	if o.conn.gone {
		panic("broken law T3: Hangup comes after every Sent")
	}
	if o.head != nil {
		t.heads = append(t.heads, o.head[:0])
	}
}

func (t *Toy) hangup(in *seam.Hangup) {
	c := t.conns[in.Conn]
	if c == nil || c.gone {
		panic("broken law T4: a connection hangs up once")
	}
	if c.open != 0 {
		panic("broken law T5: Hangup comes last")
	}
	if c.rewriting != 0 {
		panic("broken law T7: Hangup comes after every Rewritten")
	}
	c.gone = true
	t.Hangups++
}
