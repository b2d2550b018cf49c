package world

import (
	"encoding/binary"
	"slices"

	"rookery/core/seam"
	"rookery/sim/check"
)

var linkTimes = [8]seam.Mono{50_000, 80_000, 100_000, 150_000, 250_000, 400_000, 1_000_000, 4_000_000}

// Witness is a client that wants to know what an answer said that it never got: the simulator knows, and the checks
// may. It must not change what the client does.
type Witness interface {
	Lost(now seam.Mono, link uint64, frame []byte)
}

// link is one connection of a client to the node.
type link struct {
	world  *World
	client *actor
	number uint64 // which of the client's, from 1
	to     seam.Address
	node   *Node
	life   int
	conn   seam.Conn

	open    bool // the node has accepted it
	cut     bool // nothing moves any more
	noticed bool // the node knows
	told    bool // so does the client
	hungUp  bool // the machine has been told
	closing bool // by the machine's wish
	shut    bool // the client sends nothing more
	drained bool // and the node knows: what it answers may still arrive

	unsent         [][]byte // by the client, before the link was made
	lastUp, lastDn seam.Mono
	stalledUntil   seam.Mono

	inbound [][]byte // arrived, and waiting for credit
	begun   []byte   // the frame behind them of which the length has arrived, and not all
	credit  int64
	asked   bool // the machine was told what the first of inbound lacks
	replies []*outgoing
	sending bool
	telling int // Sents that the machine has not stepped yet

	rewriting int // Rewrites whose answers the machine has not stepped yet
}

// outgoing is a reply that has not been sent.
type outgoing struct {
	reply  seam.Reply
	hash   uint64
	ranges []lent
}

type lent struct {
	handle *handle
	node   *inode
	at     int64
	length int32
	before int32
}

// sendPeer is a client's letter: the first one to somebody makes a link.
func (a *actor) sendPeer(s *seam.Send) {
	if s.To.Kind != seam.ToPeer {
		a.post(s.Body)
		return
	}
	l := a.linkTo(s.To)
	data := slices.Clone(s.Data)
	if !l.open {
		l.unsent = append(l.unsent, data)
	} else {
		l.upload(data)
	}
}

// linkTo is the link that leads there now.
func (a *actor) linkTo(to seam.Address) *link {
	for _, l := range a.links {
		if l.to.Host == to.Host && l.to.Port == to.Port && l.to.ID == to.ID {
			return l
		}
	}
	a.made++
	l := &link{world: a.world, client: a, number: a.made, to: to, node: a.world.Node}
	a.links = append(a.links, l)
	l.dial()
	return l
}

func (l *link) dial() {
	w, n := l.world, l.node
	w.After(w.delay(&linkTimes, w.Rates.SlowLink), func() {
		if l.client.dead || l.cut {
			return
		}
		if !n.Up || n.Shut {
			w.Counts[DialRefused]++
			l.cut = true
			l.tellClient()
			return
		}
		w.nextConn++
		l.conn, l.life, l.open = w.nextConn, n.Life, true
		n.conns[l.conn] = l
		n.actors[0].push(&seam.Opened{Conn: l.conn, Host: l.to.Host, Port: l.to.Port, Remote: n.world.remote(l.client.name)})
		l.client.push(&seam.Mail{From: l.to, Link: l.number})
		for _, data := range l.unsent {
			l.upload(data)
		}
		l.unsent = nil
	})
}

// upload carries a client's bytes to the node, in order.
func (l *link) upload(data []byte) {
	w := l.world
	if l.cut || l.shut {
		return
	}
	l.maybeStall()
	l.maybeDrip(data)
	if w.network.Chance(w.Rates.CutOnFrame) {
		if w.network.Choose(2) == 1 {
			l.Cut() // the bytes never arrive
			return
		}
		w.After(w.delay(&linkTimes, 0), l.Cut) // they may
	}
	l.lastUp = max(l.lastUp, l.stalledUntil, w.now+w.delay(&linkTimes, w.Rates.SlowLink))
	w.queue.call(l.lastUp, func() {
		if l.cut || l.noticed {
			return
		}
		l.inbound, l.begun = append(l.inbound, data), nil
		l.pump()
	})
	if w.sloth.Chance(w.Rates.HalfClose) {
		l.shutDown()
	}
}

// maybeDrip: the client sends a frame byte by byte, and is alive all the while. What it lacks of its credit is asked for when
// its length is there.
func (l *link) maybeDrip(data []byte) {
	w := l.world
	if !w.sloth.Chance(w.Rates.Drip) {
		return
	}
	w.Counts[Dripped]++
	begins := max(l.lastUp, l.stalledUntil, w.now+w.delay(&linkTimes, 0))
	w.queue.call(begins, func() {
		if !l.cut && !l.noticed {
			l.begun = data
			l.pump()
		}
	})
	l.lastUp = begins + seam.Mono(1+w.sloth.Choose(20))*500*seam.Millisecond
}

// shutDown: the client sends nothing more and reads on. The node hears of it behind what was sent.
func (l *link) shutDown() {
	w := l.world
	w.Counts[HalfClosed]++
	l.shut = true
	w.queue.call(l.lastUp+w.delay(&linkTimes, 0), func() {
		if !l.cut && l.node.Up && l.node.Life == l.life && len(l.inbound) == 0 {
			l.noticed, l.drained = true, true
			l.maybeHangUp()
		} else {
			l.Cut() // a driver that leaves frames unread does not see their end
		}
	})
}

func (l *link) maybeStall() {
	w := l.world
	if w.slow.Chance(w.Rates.SlowLink / 4) {
		w.Counts[LinkStalled]++
		l.stalledUntil = w.now + seam.Mono(1+w.slow.Choose(40))*100*seam.Millisecond
	}
}

// pump hands frames to the machine as far as its credit goes; a short one may overdraw it, a long one is asked for.
func (l *link) pump() {
	n := l.node
	for len(l.inbound) > 0 && l.credit > 0 && !l.cut && !l.noticed {
		data := l.inbound[0]
		if l.lacks(data) {
			return
		}
		l.inbound, l.asked = l.inbound[1:], false
		l.credit -= int64(len(data)) + seam.FrameCost
		frame := data[4:]
		n.nextLease++
		in := &seam.Request{Conn: l.conn, Lease: n.nextLease, Frame: frame}
		if n.parts.Body != nil {
			in.Body = n.parts.Body(n.Life, l.conn, frame)
		}
		n.leases[n.nextLease] = &lease{frame: frame, conn: l.conn, body: in.Body}
		n.actors[0].push(in)
	}
	if len(l.inbound) == 0 && l.begun != nil && l.credit > 0 && !l.cut && !l.noticed {
		l.lacks(l.begun)
	}
}

// lacks says whether there is too little credit for a frame, and asks for it once.
func (l *link) lacks(data []byte) bool {
	lacks := int64(len(data)) + seam.FrameCost - l.credit
	if len(data) <= seam.FrameFree || lacks <= 0 {
		return false
	}
	if !l.asked {
		l.asked = true
		l.node.actors[0].push(&seam.Wanting{Conn: l.conn, Bytes: lacks})
	}
	return true
}

// credit lets a connection be read, or closes it.
func (a *actor) credit(c *seam.Credit) {
	if a.node == nil {
		if c.Cut {
			a.cutLink(uint64(c.Conn))
		}
		return
	}
	l := a.node.conns[c.Conn]
	if !a.world.holds(l != nil && !l.hungUp, check.ConnKnown) {
		a.world.broken(check.ConnKnown, "%s: credit for connection %d, which is gone", a.name, c.Conn)
		return
	}
	l.credit += c.Bytes
	if c.Cut {
		l.closeAfterReplies()
		return
	}
	l.pump()
}

func (w *World) remote(client string) string {
	if w.Remote == nil {
		return client
	}
	return w.Remote(client)
}

// checkCredit: when no frame is held and nothing is under way, there is no reason left not to read a connection,
// but that it is muted or full, and then the broker wishes to be woken when that is over.
func (n *Node) checkCredit() {
	for _, l := range n.conns { //tidy:unordered any of them breaks the law
		if len(l.inbound) > 0 && !l.cut && !l.noticed && !l.closing {
			until := seam.Mono(0)
			if n.world.Muted != nil {
				until = n.world.Muted(n.actors[0].machine, l.conn)
			}
			if !n.world.holds(l.credit > 0 && !l.asked || until > 0 && n.actors[0].alarmAt <= until, check.CreditGiven) {
				n.world.broken(check.CreditGiven, "connection %d waits with %d frames and credit %d, and is muted until %v", l.conn, len(l.inbound), l.credit, until)
			}
		}
	}
	n.world.Laws[check.CreditGiven]++
}

// closeAfterReplies closes the link once what was replied is out.
func (l *link) closeAfterReplies() {
	l.inbound, l.closing = nil, true
	l.credit, l.asked = -1<<40, false
	if len(l.replies) == 0 {
		l.close()
		return
	}
	l.replies[len(l.replies)-1].reply.Then = seam.CloseNow
}

// reply queues an answer.
func (a *actor) reply(r *seam.Reply) bool {
	if a.node == nil {
		return true
	}
	w, n := a.world, a.node
	l := n.conns[r.Conn]
	if !w.holds(l != nil && !l.hungUp, check.ConnKnown) {
		return w.broken(check.ConnKnown, "%s: reply %d to connection %d, which is gone", a.name, r.Op, r.Conn)
	}
	if !a.begin(r.Op) {
		return false
	}
	out := &outgoing{reply: *r, hash: hashOf(r.Head)}
	out.reply.Body = nil
	for _, g := range r.Body {
		h := n.files[g.File]
		if !w.holds(h != nil && h.node != nil, check.FileKnown) {
			return w.broken(check.FileKnown, "%s: reply %d has a range of file %d, which is not open", a.name, r.Op, g.File)
		}
		h.lent = append(h.lent, lentRange{r.Op, g.At + int64(g.Len)})
		out.ranges = append(out.ranges, lent{h, h.node, g.At, g.Len, g.Before})
	}
	l.replies = append(l.replies, out)
	n.outstanding++
	l.sendNext()
	return true
}

var rewriteTimes = [8]seam.Mono{20_000, 40_000, 80_000, 150_000, 400_000, 1_000_000, 3_000_000, 10_000_000}

// rewrite has a goroutine of the connection's change bytes, which takes its time. It is done whatever becomes of the link.
func (a *actor) rewrite(r *seam.Rewrite) bool {
	if a.node == nil {
		return true
	}
	w, n := a.world, a.node
	l := n.conns[r.Conn]
	if !w.holds(l != nil && !l.hungUp, check.ConnKnown) {
		return w.broken(check.ConnKnown, "%s: rewrite %d for connection %d, which is gone", a.name, r.Op, r.Conn)
	}
	if !a.begin(r.Op) {
		return false
	}
	asked, hash, life := *r, hashOf(r.Data), n.Life
	l.rewriting++
	n.outstanding++
	w.After(w.delay(&rewriteTimes, w.Rates.SlowLink), func() {
		if !n.Up || n.Life != life {
			return
		}
		if !w.holds(hashOf(asked.Data) == hash, check.BytesUntouched) {
			w.broken(check.BytesUntouched, "%s: the bytes of rewrite %d changed before it was done", a.name, asked.Op)
			return
		}
		if l.noticed {
			w.Counts[LeftWhileRewriting]++
		}
		data := n.parts.Rewrite(asked.Data, asked.Codec, asked.Level, nil)
		n.nextLease++
		n.leases[n.nextLease] = &lease{frame: data, conn: l.conn}
		n.outstanding--
		a.answer(asked.Op, &seam.Rewritten{Op: asked.Op, Lease: n.nextLease, Data: data}, nil)
	})
	return true
}

func (l *link) sendNext() {
	if l.sending || len(l.replies) == 0 {
		return
	}
	w := l.world
	l.sending = true
	life, deaf := l.life, w.sloth.Chance(w.Rates.Deaf)
	at := max(w.now+w.delay(&linkTimes, w.Rates.SlowLink)/4, l.stalledUntil)
	if deaf {
		w.Counts[NeverRead]++
		at += seam.Mono(1+w.sloth.Choose(20)) * 500 * seam.Millisecond
	}
	w.queue.call(at, func() {
		if !l.node.Up || l.node.Life != life {
			return
		}
		if deaf { // the client goes without having read any of it
			l.Cut()
		}
		out := l.replies[0]
		l.replies = l.replies[1:]
		l.sending = false
		l.finish(out)
		l.sendNext()
	})
}

// finish sends one reply and hands it back.
func (l *link) finish(out *outgoing) {
	w, n := l.world, l.node
	r := &out.reply
	if !w.holds(hashOf(r.Head) == out.hash, check.HeadUntouched) {
		w.broken(check.HeadUntouched, "the head of reply %d changed before it was sent", r.Op)
	}
	in := &seam.Sent{Op: r.Op, Conn: r.Conn}
	if l.cut || l.noticed && !l.drained {
		in.Fault = seam.Gone
	} else if frame, whole := l.assemble(out); whole {
		l.download(frame)
	} else {
		in.Fault = seam.IOError
		l.Cut()
	}
	for _, g := range out.ranges {
		g.handle.lent = slices.DeleteFunc(g.handle.lent, func(x lentRange) bool { return x.op == r.Op })
	}
	n.outstanding--
	l.telling++
	n.actors[0].answer(r.Op, in, nil)
	if r.Then == seam.CloseNow {
		l.close()
	}
}

// assemble reads a reply's ranges from the disk, now.
func (l *link) assemble(out *outgoing) ([]byte, bool) {
	w := l.world
	size, done := len(out.reply.Head), int32(0)
	for _, g := range out.ranges {
		size += int(g.length)
	}
	frame := make([]byte, 0, size)
	for _, g := range out.ranges {
		frame = append(frame, out.reply.Head[done:g.before]...)
		done = g.before
		if l.node.breaks[g.node.dir].dark || w.disk.Chance(w.Rates.ReadError) {
			w.Counts[RangeFailed]++
			return nil, false
		}
		if !w.holds(g.at+int64(g.length) <= g.node.size, check.LentUntouched) {
			return nil, w.broken(check.LentUntouched, "reply %d promised %d bytes at %d of file %d, which has %d",
				out.reply.Op, g.length, g.at, g.handle.id, g.node.size)
		}
		frame = frame[:len(frame)+int(g.length)]
		g.node.readInto(frame[len(frame)-int(g.length):], g.at)
	}
	frame = append(frame, out.reply.Head[done:]...)
	if len(frame) == 0 {
		return frame, true
	}
	whole := len(frame) >= 4 && int(binary.BigEndian.Uint32(frame)) == len(frame)-4
	if !w.holds(whole, check.MachineHolds) {
		w.broken(check.MachineHolds, "reply %d is %d bytes long and says otherwise", out.reply.Op, len(frame))
	}
	return frame, whole
}

// download carries a reply to the client, in order.
func (l *link) download(frame []byte) {
	w := l.world
	if len(frame) == 0 {
		return
	}
	sent := w.now
	if w.network.Chance(w.Rates.LoseResponse) {
		w.Counts[ResponseLost]++
		l.lose(sent, frame)
		l.Cut()
		return
	}
	l.lastDn = max(l.lastDn, l.stalledUntil, w.now+w.delay(&linkTimes, w.Rates.SlowLink))
	w.queue.call(l.lastDn, func() {
		if l.told || l.client.dead {
			l.lose(sent, frame)
			return
		}
		l.client.pushLent(&seam.Mail{From: l.to, Link: l.number, Frame: frame[4:]}, frame)
	})
}

func (l *link) lose(sent seam.Mono, frame []byte) {
	if witness, ok := l.client.machine.(Witness); ok {
		witness.Lost(sent, l.number, frame[4:])
	}
}

// Cut breaks the link; each side notices in its own time.
func (l *link) Cut() { l.end(0) }

// close ends the link from the node's side, in order: what was sent before arrives before the end does.
func (l *link) close() { l.end(l.lastDn) }

func (l *link) end(told seam.Mono) {
	if l.cut {
		return
	}
	w := l.world
	l.cut = true
	w.Counts[LinkCut]++
	w.After(w.delay(&linkTimes, w.Rates.SlowLink), func() {
		if l.node.Up && l.node.Life == l.life && l.open {
			l.noticed = true
			l.inbound = nil
			l.maybeHangUp()
		}
	})
	w.queue.call(max(told, w.now+w.delay(&linkTimes, w.Rates.SlowLink)), l.tellClient)
}

// reset is what the death of the node's process does to a link.
func (l *link) reset() {
	l.cut, l.noticed = true, true
	w := l.world
	w.queue.call(max(l.lastDn, w.now+w.delay(&linkTimes, w.Rates.SlowLink)), l.tellClient)
}

func (l *link) tellClient() {
	if l.told {
		return
	}
	l.told = true
	l.client.push(&seam.Mail{From: l.to, Link: l.number, Fault: seam.Gone})
}

// forget makes way for another link once the client has been told that this one is gone; what it sends until then is lost.
func (a *actor) forget(number uint64) {
	a.links = slices.DeleteFunc(a.links, func(l *link) bool { return l.number == number })
}

// maybeHangUp tells the machine that a link is gone once nothing of it is outstanding.
func (l *link) maybeHangUp() {
	if l.mayHangUp() {
		l.node.actors[0].push(&seam.Hangup{Conn: l.conn})
	}
}

// mayHangUp: every outstanding reply and rewrite comes back before the Hangup.
func (l *link) mayHangUp() bool {
	return l.open && l.noticed && !l.hungUp && len(l.replies) == 0 && l.telling == 0 && l.rewriting == 0
}

// stepsSent notes that the machine is about to be told of one Sent.
func (n *Node) stepsSent(conn seam.Conn) {
	if l := n.conns[conn]; l != nil {
		l.telling--
		l.maybeHangUp()
	}
}

// stepsRewritten notes that the machine is about to be told of one Rewritten.
func (n *Node) stepsRewritten(id seam.Lease) {
	l := n.conns[n.leases[id].conn]
	l.rewriting--
	l.maybeHangUp()
}

// mayHangUp says, when a Hangup is about to be stepped, whether it may be: a reply may have come in between, and then
// another Hangup follows.
func (n *Node) mayHangUp(conn seam.Conn) bool {
	l := n.conns[conn]
	if l == nil || !l.mayHangUp() {
		return false
	}
	l.hungUp = true
	delete(n.conns, conn)
	if l.drained {
		l.close()
	}
	return true
}
