package core

import (
	"slices"

	"rookery/core/conn"
	"rookery/core/meta"
	"rookery/core/must"
	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/timer"
	"rookery/core/wire"
)

// connection is one client.
type connection struct {
	id       seam.Conn
	listener int32
	host     string // the address that the client reached us at
	port     int32
	remote   string
	address  string // of remote
	slots    conn.Slots
	out      ordered.Ring[outgoing]
	sending  int64 // bytes of answers under way
	fetching int64 // what its fetches take that are not answered
	filled   bool  // it was found full, and is until an answer was taken
	window   int64 // how far it is read ahead of its answers
	usual    int64 // bytes of its longer frames of late
	long     longFrame
	owed     int64  // credit held back; below zero: it was given more, for a long frame
	kept     int64  // what of that is not paid: a client with a quota is read one frame after the other
	starving bool   // it stands in Broker.starved
	asking   bool   // it stands in longFrames.waiting
	closing  bool   // nothing more is taken from it
	gone     bool   // it has hung up
	standing bool   // it waits for another to leave (max.connections)
	seated   bool   // it is one of those that are read
	fetches  uint32 // the newest of those not answered, 0: none; else their index and one

	starting  bool                  // a request of it is being started in turns
	rewriting int                   // batches of a request of it are being rewritten
	queue     ordered.Ring[arrived] // what came meanwhile, or before the broker was ready

	software  software  // that the client says it is
	telemetry meta.UUID // the instance that was made last for it

	acted   seam.Mono // when a frame of it became whole, or it had taken an answer, last
	silence timer.Handle

	muted  seam.Mono // until when it is not read, because a quota is used up; 0: it is read
	unmute timer.Handle
	meters *[quotaKinds]metered // nil: no quota was ever looked for
}

// frozen: what comes now has to wait for what came before.
func (c *connection) frozen() bool { return c.starting || c.rewriting > 0 }

// arrived is a request that waits to be started.
type arrived struct {
	lease seam.Lease
	size  int64
	body  *conn.Request
}

// outgoing is a Reply under way, and the memory it borrows.
type outgoing struct {
	op   seam.Op
	head []byte
	body []seam.Range
	size int64
	sent bool
}

func (b *Broker) onOpened(now seam.Now, in *seam.Opened, fx *seam.Effects) {
	must.Be(in.Listener >= 0 && int(in.Listener) < len(b.config.Listeners), "T4: a connection comes in by a listener that the broker was told of")
	c := &connection{id: in.Conn, listener: in.Listener, host: in.Host, port: in.Port, remote: in.Remote, address: addressOf(in.Remote)}
	b.conns.Put(in.Conn, c)
	c.window = b.share(windowFirst)
	b.long.windows += c.window
	c.owed = c.window
	if b.image.QuotaChanges() > 0 {
		c.kept = c.window - 1 // until it is known who it is
	}
	b.admit(now, c, fx)
}

// onHangup: nothing of the connection is outstanding. Its parked fetches go, and so do answers that waited for them and
// requests that were not started; its produces are finished for nobody.
func (b *Broker) onHangup(in *seam.Hangup) {
	c := b.conns.At(in.Conn)
	b.conns.Delete(in.Conn)
	c.gone = true
	b.muted.Cancel(c.unmute)
	b.leave(c)
	b.forgoLong(c)
	b.clients.Left(c.id, c.telemetry)
	b.long.windows -= c.window
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		for c.fetches != 0 {
			if !b.turns.take() {
				return false
			}
			b.disown(c.fetches - 1)
		}
		for c.slots.Waiting() > 0 {
			if !b.turns.take() {
				return false
			}
			a := c.slots.Next()
			b.takeBack(a.Body)
			b.untaken -= answerBytes(a.Head, a.Body)
			b.recycle(a.Head, a.Body)
		}
		b.feed(fx)
		return c.starting || b.startQueued(now, c, fx)
	})
}

// inTurns starts a request: what of it does not fit into this Step is done later, and so is what its connection sends
// meanwhile.
func (b *Broker) inTurns(now seam.Now, c *connection, start turn, fx *seam.Effects) {
	if start(now, fx) {
		return
	}
	c.starting = true
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		if !start(now, fx) {
			return false
		}
		c.starting = false
		b.putQueued(c)
		return true
	})
}

func (b *Broker) putQueued(c *connection) {
	if c.queue.Len() > 0 {
		b.turns.put(func(now seam.Now, fx *seam.Effects) bool { return b.startQueued(now, c, fx) })
	}
}

// startQueued starts what waits, until a request needs turns of its own or has batches to be rewritten: the rest follows
// that.
func (b *Broker) startQueued(now seam.Now, c *connection, fx *seam.Effects) (done bool) {
	for c.queue.Len() > 0 && !c.frozen() && !b.held(c) && !b.behind(c) {
		if b.phase < phaseReady && !c.gone && !c.closing && !b.answersEarly(c.queue.Front().body) {
			return true // ready comes to it
		}
		if !b.turns.take() {
			return false
		}
		if a := c.queue.Pop(); c.closing || b.phase >= phaseStopping || c.gone {
			b.release(c, a.lease, a.size, fx)
		} else {
			b.dispatch(now, c, a.lease, a.size, a.body, fx)
		}
	}
	return true
}

func (b *Broker) onRequest(now seam.Now, in *seam.Request, fx *seam.Effects) {
	size := int64(len(in.Frame)) + 4 + seam.FrameCost
	b.frames += size
	c := b.conns.At(in.Conn)
	body := in.Body.(*conn.Request)
	if c != nil {
		c.acted = now.Mono
		b.longArrived(c)
	}
	switch {
	case c == nil || c.closing || b.phase >= phaseStopping:
		b.release(c, in.Lease, size, fx)
	case c.frozen() || b.held(c) || b.behind(c) || c.queue.Len() > 0 || b.phase != phaseReady && !b.answersEarly(body):
		if c.queue.Push(arrived{lease: in.Lease, size: size, body: body}); c.queue.Len() == 1 && b.phase != phaseReady {
			b.early.Push(c.id)
		}
	default:
		b.dispatch(now, c, in.Lease, size, body, fx)
	}
}

// answersEarly: ApiVersions, and what closes the connection, need nothing of the broker.
func (b *Broker) answersEarly(r *conn.Request) bool {
	return r.Kind == conn.Malformed || r.Kind == conn.Unsupported || r.Kind == conn.Cold && r.Key == wire.KeyApiVersions
}

// release gives a frame back, and the connection the credit for as many bytes, unless too much is in memory.
func (b *Broker) release(c *connection, lease seam.Lease, size int64, fx *seam.Effects) {
	fx.Frees = append(fx.Frees, lease)
	b.frames -= size
	if c != nil && !c.closing && !c.gone {
		b.resize(c, size-seam.FrameCost)
		if c.muted == 0 && c.owed == 0 && c.kept == 0 && !b.hungry() && b.roomy() && !b.full(c) {
			fx.Reading = append(fx.Reading, seam.Credit{Conn: c.id, Bytes: size})
			return
		}
		c.owed += size
		b.starve(c)
	}
	b.feed(fx)
}

// starve puts a connection among those that are owed credit, unless it is not to be read for a reason of its own: muted,
// standing, full. Whoever ends that starves it again; so those that wait are no more than can be helped.
func (b *Broker) starve(c *connection) {
	if c.muted > 0 || c.standing || b.full(c) {
		return
	}
	if c.long.lacks > 0 {
		b.queueLong(c)
	}
	if c.owed > c.kept && !c.starving {
		c.starving = true
		b.starved.Push(c)
	}
}

// roomy: there is room in memory for more frames, and the disks keep up.
func (b *Broker) roomy() bool { return b.frames < b.config.FrameBytes && !b.flooded() }

// full: the connection is owed so much that it is read no further, until it has taken an answer. That it will: what it is owed
// is under way, or will be.
func (b *Broker) full(c *connection) bool {
	c.filled = c.filled || b.fills(c)
	return c.filled
}

func (b *Broker) fills(c *connection) bool {
	owed := c.sending + int64(c.slots.Held()) + c.fetching
	return owed > b.config.ReplyBytes || owed > 0 && b.crowded() || c.slots.Waiting()+c.out.Len() > answersMax
}

// crowded: answers that are not taken, and long fetches that wait, have so much memory that nothing more is begun for whoever
// is owed one of them, and the client of a long fetch waits instead of it. Who is owed nothing is served as ever.
func (b *Broker) crowded() bool { return b.untaken > b.config.FrameBytes }

// tellable is how much one answer may tell. Where others that are not taken have the memory it is as much as anybody needs to
// know who looks after a broker.
func (b *Broker) tellable() int64 {
	return min(b.config.ToldBytes, max(toldLeast, b.config.FrameBytes-b.untaken))
}

const toldLeast = 256 << 10

// answerBytes is what an answer takes: what it sends of files lies there.
func answerBytes(head []byte, body []seam.Range) int64 {
	return int64(len(head) + rangeBytes*len(body))
}

// answersMax is how many answers a connection may be owed, or have under way, before it is read no further.
const answersMax = 1000

// behind: nothing is started for a client that does not take its answers. What it was read ahead of them is short, but
// what it asks for may be long.
func (b *Broker) behind(c *connection) bool {
	return b.full(c) && !c.gone && !c.closing && b.phase < phaseStopping
}

// feed pays owed credit while there is room in memory and the disks keep up.
func (b *Broker) feed(fx *seam.Effects) {
	for b.starved.Len() > 0 && b.roomy() {
		c := b.starved.Pop()
		if c.starving = false; b.fed(c) {
			b.pay(c, max(0, c.owed-c.kept), fx)
		}
	}
	b.feedLong(fx)
}

// hungry: somebody waits to be read.
func (b *Broker) hungry() bool {
	return b.starved.Len()+b.long.waiting[0].Len()+b.long.waiting[1].Len() > 0
}

// fed: the connection may be read, if there is room.
func (b *Broker) fed(c *connection) bool {
	return !c.gone && !c.closing && c.muted == 0 && !b.full(c)
}

func (b *Broker) pay(c *connection, bytes int64, fx *seam.Effects) {
	if bytes > 0 {
		fx.Reading = append(fx.Reading, seam.Credit{Conn: c.id, Bytes: bytes})
		c.owed -= bytes
	}
}

// flooded: durable topics have more in the page cache than a Sync clears in a few milliseconds.
func (b *Broker) flooded() bool {
	for i := range b.dirs {
		if b.dirs[i].unsynced > b.config.UnsyncedBytes {
			return true
		}
	}
	return false
}

// answer fills a slot of a connection, if that is still there.
func (b *Broker) answer(id seam.Conn, slot conn.Slot, a conn.Answer, fx *seam.Effects) {
	if c := b.conns.At(id); c != nil {
		b.answerTo(c, slot, a, fx)
		return
	}
	b.recycle(a.Head, a.Body)
}

// answerTo fills a slot and sends what is next in the connection's order.
func (b *Broker) answerTo(c *connection, slot conn.Slot, a conn.Answer, fx *seam.Effects) {
	if c.gone {
		b.recycle(a.Head, a.Body)
		return
	}
	b.untaken += answerBytes(a.Head, a.Body)
	if !c.slots.Pass(slot) {
		c.slots.Fill(slot, a)
		b.lend(a.Body)
		return
	}
	b.reply(c, a.Head, a.Body, a.Then, fx)
	for c.slots.Ready() {
		next := c.slots.Next()
		b.takeBack(next.Body)
		b.reply(c, next.Head, next.Body, next.Then, fx)
	}
}

// lend notes which files an answer names that waits in its slot: none of them is unlinked before its Reply was emitted,
// from when on the driver holds them open.
func (b *Broker) lend(body []seam.Range) {
	for i := range body {
		b.lent[body[i].File]++
	}
}

func (b *Broker) takeBack(body []seam.Range) {
	for i := range body {
		file := body[i].File
		if b.lent[file]--; b.lent[file] == 0 {
			delete(b.lent, file)
			if r := b.awaited[file]; r != nil {
				delete(b.awaited, file)
				b.unlent = append(b.unlent, r)
			}
		}
	}
}

// unlinkUnlent goes on with deletions that waited for what was lent. It begins a Step: an Unlink that stood beside the
// Reply that it waited for would run first.
func (b *Broker) unlinkUnlent(fx *seam.Effects) {
	n := 0
	for ; n < len(b.unlent) && b.turns.take(); n++ {
		b.unlinkFiles(b.unlent[n], fx)
	}
	b.unlent = slices.Delete(b.unlent, 0, n)
}

func (b *Broker) reply(c *connection, head []byte, body []seam.Range, then seam.Then, fx *seam.Effects) {
	if c.closing {
		b.untaken -= answerBytes(head, body)
		b.recycle(head, body)
		return
	}
	b.replies++
	op := seam.Op(uint64(ownerReply)<<32 | uint64(b.replies))
	size := int64(len(head))
	for i := range body {
		size += int64(body[i].Len)
	}
	c.sending += size
	b.sending += size
	c.closing = then == seam.CloseNow
	o := c.out.Add()
	o.op, o.head, o.body, o.size = op, head, body, size
	fx.Replies = append(fx.Replies, seam.Reply{Op: op, Conn: c.id, Head: head, Body: body, Then: then})
}

func (b *Broker) onSent(now seam.Now, in *seam.Sent, fx *seam.Effects) {
	c := b.conns.At(in.Conn)
	c.acted = now.Mono
	for i := range c.out.Len() {
		if o := c.out.At(i); o.op == in.Op {
			o.sent = true
			break
		}
	}
	for c.out.Len() > 0 && c.out.Front().sent {
		o := c.out.Front()
		c.sending -= o.size
		b.sending -= o.size
		b.untaken -= answerBytes(o.head, o.body)
		b.recycle(o.head, o.body)
		c.out.Drop()
	}
	if c.filled && !b.fills(c) {
		if c.filled = false; !c.gone && !c.closing {
			b.putQueued(c)
			b.starve(c)
		}
	}
	if b.hungry() {
		b.feed(fx)
	}
}

// head is memory for an answer, untouchable from the Reply until its Sent.
func (b *Broker) head() []byte {
	n := len(b.heads)
	if n == 0 {
		return make([]byte, 0, 512)
	}
	h := b.heads[n-1]
	b.heads = b.heads[:n-1]
	return h[:0]
}

func (b *Broker) body() []seam.Range {
	n := len(b.bodies)
	if n == 0 {
		return make([]seam.Range, 0, 4)
	}
	r := b.bodies[n-1]
	b.bodies = b.bodies[:n-1]
	return r[:0]
}

// recycled buffers beyond these are left to the garbage collector.
const (
	headsKept   = 1024
	headSizeMax = 64 << 10
	bodySizeMax = headSizeMax / rangeBytes
	rangeBytes  = 32
)

func (b *Broker) recycle(head []byte, body []seam.Range) {
	if cap(head) > 0 && cap(head) <= headSizeMax && len(b.heads) < headsKept {
		b.heads = append(b.heads, head)
	}
	if cap(body) > 0 && cap(body) <= bodySizeMax && len(b.bodies) < headsKept {
		b.bodies = append(b.bodies, body)
	}
}

// dispatch starts one request.
func (b *Broker) dispatch(now seam.Now, c *connection, lease seam.Lease, size int64, r *conn.Request, fx *seam.Effects) {
	switch r.Kind {
	case conn.Produce:
		b.onProduce(now, c, lease, size, r, fx)
		return
	case conn.Fetch:
		b.onFetch(now, c, r, fx)
	case conn.Cold:
		b.onCold(now, c, r, fx)
	case conn.Unsupported, conn.Malformed:
		b.refuse(c, r, fx)
	}
	b.release(c, lease, size, fx)
}

// refuse answers an ApiVersions of an unknown version, and closes the connection on anything else that cannot be read.
func (b *Broker) refuse(c *connection, r *conn.Request, fx *seam.Effects) {
	slot := c.slots.Open()
	if !r.CloseUnanswered() {
		b.answer(c.id, slot, conn.Answer{Head: wire.AppendApiVersionsRefusal(b.head(), r.Correlation)}, fx)
		return
	}
	fx.Events = append(fx.Events, seam.Event{Kind: seam.ConnRefused, A: int64(c.id), Topic: c.remote, Text: r.Reason})
	b.answer(c.id, slot, conn.Answer{Then: seam.CloseNow}, fx)
}

// cold answers with a kmsg response.
func (b *Broker) cold(id seam.Conn, slot conn.Slot, correlation int32, a wire.Answer, fx *seam.Effects) {
	b.countCold(a)
	b.answer(id, slot, conn.Answer{Head: wire.AppendResponse(b.head(), correlation, a)}, fx)
}
