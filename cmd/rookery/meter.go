package main

import (
	"bytes"

	"rookery/core/conn"
	"rookery/core/seam"
	"rookery/core/wire"
)

// meter is the broker's machine with a watch beside it: how long requests wait, by API, and how many there are. It runs
// inside the turn, so it needs no lock of its own (who reads what it counted does so inside a turn too), and reads the time that the Step was given anyway:
//
//	frame whole ──▶ its Step ──▶ Reply emitted ──▶ Sent
//	   Arrived  queue       wait             send
//
// queue is the walk over the records and the wait for the turn, wait is what the answer waited for (the disk, records to
// come), send is the socket. Answers of one connection go out in the order of its requests, so a queue a connection pairs
// them; a produce with acks=0 has no answer and is counted, not timed.
type meter struct {
	machine seam.Machine
	apis    [apiCount]api
	conns   map[seam.Conn]*exchanges
	sampled uint
	mono    func() seam.Mono // nil: no Step is timed by itself
	slow    *slowLog
}

const (
	clientIDMax  = 128 // bytes of a client's id that are kept for the log: it is as long as a client likes
	apiCount     = 128 // more than Kafka has
	versionCount = 32
	unreadable   = apiCount - 1 // frames without an API that Kafka has: whoever makes keys up makes no metrics
)

// api is what is counted of one API.
type api struct {
	requests [versionCount]int64
	queue    histogram
	wait     histogram
	send     histogram
	total    histogram
	step     histogram // of one in stepEvery
	in       int64
	out      int64
}

// stepEvery is how many requests there are to each whose Step is timed by itself: two more readings of the clock.
const stepEvery = 64

// exchange is one request that is not answered in full.
type exchange struct {
	api         uint8
	version     int8
	correlation int32
	patience    seam.Mono // how long the client asked to wait
	arrived     seam.Mono
	stepped     seam.Mono
	replied     seam.Mono
	op          seam.Op
	in, out     int64
}

// exchanges are those of one connection, the oldest first; of the first replied of them the answer is on its way.
type exchanges struct {
	remote   string
	clientID []byte
	open     []exchange
	head     int
	replied  int
}

func newMeter(machine seam.Machine, mono func() seam.Mono, slow *slowLog) *meter {
	return &meter{machine: machine, mono: mono, slow: slow, conns: map[seam.Conn]*exchanges{}}
}

// Step hands the input on, and looks at what goes in and what comes out.
func (m *meter) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	before := len(fx.Replies)
	switch in := in.(type) {
	case *seam.Request:
		if !m.request(now, in) {
			m.machine.Step(now, in, fx)
			break
		}
		key := apiOf(in.Body.(*conn.Request))
		began := m.mono()
		m.machine.Step(now, in, fx)
		m.apis[key].step.observe(int64(m.mono() - began))
	case *seam.Opened:
		m.conns[in.Conn] = &exchanges{remote: in.Remote}
		m.machine.Step(now, in, fx)
	case *seam.Hangup:
		delete(m.conns, in.Conn)
		m.machine.Step(now, in, fx)
	case *seam.Sent:
		m.sent(now, in)
		m.machine.Step(now, in, fx)
	case *seam.Started, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Rewritten, *seam.Wanting, *seam.Mail, *seam.Alarm, *seam.Stop:
		m.machine.Step(now, in, fx)
	}
	for i := before; i < len(fx.Replies); i++ {
		m.replied(now, &fx.Replies[i])
	}
}

func apiOf(r *conn.Request) uint8 {
	if r.Key < 0 || r.Key >= unreadable || r.Kind == conn.Malformed || r.Kind == conn.Unsupported && !wire.Named(r.Key) {
		return unreadable
	}
	return uint8(r.Key)
}

// request takes note of one that is about to be stepped, and says whether its Step is to be timed.
func (m *meter) request(now seam.Now, in *seam.Request) (timed bool) {
	r := in.Body.(*conn.Request)
	key, size := apiOf(r), int64(len(in.Frame))+4
	a := &m.apis[key]
	a.requests[min(max(r.Version, 0), versionCount-1)]++
	a.in += size
	c := m.conns[in.Conn]
	if c == nil {
		return false
	}
	a.queue.observe(int64(now.Mono - r.Arrived))
	if r.Kind != conn.Produce || r.Produce.Acks != 0 {
		if id := r.ClientID[:min(len(r.ClientID), clientIDMax)]; !bytes.Equal(c.clientID, id) {
			c.clientID = append(c.clientID[:0], id...)
		}
		e := c.push()
		*e = exchange{api: key, version: int8(r.Version), correlation: r.Correlation, arrived: r.Arrived, stepped: now.Mono, in: size}
		if r.Kind == conn.Fetch {
			e.patience = seam.Mono(max(r.Fetch.MaxWaitMillis, 0)) * seam.Millisecond
		}
	}
	m.sampled++
	return m.mono != nil && m.sampled%stepEvery == 0
}

// replied pairs an answer with the oldest request that has none. An empty one only closes the connection.
func (m *meter) replied(now seam.Now, r *seam.Reply) {
	c := m.conns[r.Conn]
	if c == nil || len(r.Head) == 0 || c.head+c.replied == len(c.open) {
		return
	}
	e := &c.open[c.head+c.replied]
	c.replied++
	e.op, e.replied, e.out = r.Op, now.Mono, int64(len(r.Head))
	for i := range r.Body {
		e.out += int64(r.Body[i].Len)
	}
}

// sent ends an exchange.
func (m *meter) sent(now seam.Now, in *seam.Sent) {
	c := m.conns[in.Conn]
	if c == nil || c.replied == 0 || c.open[c.head].op != in.Op {
		return // what only closed the connection
	}
	e := &c.open[c.head]
	c.replied--
	c.pop()
	if in.Fault != seam.OK {
		return // the client has gone
	}
	a := &m.apis[e.api]
	a.wait.observe(int64(e.replied - e.stepped))
	a.send.observe(int64(now.Mono - e.replied))
	a.total.observe(int64(now.Mono - e.arrived))
	a.out += e.out
	late := now.Mono - e.arrived - e.patience
	if key := int16(e.api); key == wire.KeyJoinGroup || key == wire.KeySyncGroup {
		late -= e.replied - e.stepped // they wait for the other members, each time that a group is rebalanced
	}
	if m.slow != nil && late >= m.slow.threshold {
		m.slow.tell(now.Mono, c, e)
	}
}

func (c *exchanges) push() *exchange {
	if c.head > 0 && len(c.open) == cap(c.open) {
		n := copy(c.open, c.open[c.head:])
		c.open, c.head = c.open[:n], 0
	}
	c.open = append(c.open, exchange{})
	return &c.open[len(c.open)-1]
}

func (c *exchanges) pop() {
	if c.head++; c.head == len(c.open) {
		c.open, c.head = c.open[:0], 0
	}
}

// read copies what is counted of the APIs that were asked for; it is called in the turn.
func (m *meter) read(into []apiReading) []apiReading {
	for key := range m.apis {
		if a := &m.apis[key]; a.in > 0 {
			into = append(into, apiReading{key, *a})
		}
	}
	return into
}

// apiReading is a copy of what is counted of one API.
type apiReading struct {
	key int
	api
}

// apiName is what an API is called in metrics and logs.
func apiName(key int) string {
	if name := wire.Name(int16(key)); key != unreadable && name != "" {
		return name
	}
	return "unreadable"
}
