package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rookery/core/seam"
)

// conn is one client connection. Its goroutine reads, and runs the machine with what it has read; its replies are sent by whoever has
// them. One that is kept long by what others have asked for (run) leaves reading to another.
type conn struct {
	server   *Server
	id       seam.Conn
	listener int32
	tcp      *net.TCPConn
	raw      syscall.RawConn
	fd       int // good until gone; tcp owns it
	wire     transport
	plain    plain // what wire is, mostly

	received  counter     // bytes, all told; sums of all connections would go from one processor's cache to the other's
	sentBytes counter     // likewise
	granted   counter     // bytes of credit, all told
	moreGrant chunkSignal // somebody granted, or cut
	cutting   atomic.Bool // close once what waits is out or stuck
	draining  atomic.Bool // the last word is out: what still comes in is thrown away

	// The reader's own.
	consumed   int64
	begun      bool // the frame at hand was begun on credit
	asked      bool // the machine was told what it lacks
	chunk      *chunk
	start, end int // what is in chunk and not yet parsed
	size       int // of the next chunk
	modest     int // reads in a row that would have fitted a smaller chunk
	lowWater   int
	got        int
	watchdog   *time.Timer   // of runs
	runs       atomic.Uint64 // odd while the reader runs the machine
	request    seam.Request

	mu      sync.Mutex
	queue   []reply
	busy    bool // somebody sends
	blocked bool // and waits for the socket
	ended   bool // the reader has returned
	gone    bool // closed: replies come back as Gone
	emitted int64
	marks   []int64 // emitted at the time of each Hangup that was posted

	rewrites  []seam.Rewrite
	rewriting bool // a goroutine is at them

	sender
}

// chunkSignal wakes one goroutine, now or when it next waits.
type chunkSignal chan struct{}

func (s chunkSignal) notify() {
	select {
	case s <- struct{}{}:
	default:
	}
}

func newConn(s *Server, tcp *net.TCPConn, from *Listener) *conn {
	c := &conn{server: s, listener: from.Position, tcp: tcp, moreGrant: make(chunkSignal, 1), size: smallestChunk, lowWater: 1}
	raw, err := tcp.SyscallConn()
	if err != nil || raw.Control(func(fd uintptr) { c.fd = int(fd) }) != nil {
		return nil
	}
	c.raw = raw
	if c.wire = &c.plain; from.TLS != nil {
		c.wire = newSecure(c, from.TLS)
	}
	return c
}

func (c *conn) serve() {
	host, port := hostPort(c.tcp.LocalAddr())
	c.server.mail.Post(&seam.Opened{Conn: c.id, Listener: c.listener, Host: host, Port: port, Remote: c.tcp.RemoteAddr().String()})
	go c.server.mail.Run() // what comes of it may wait for a disk
	if err := c.wire.begin(c); err != nil {
		c.unheard(err)
	} else if !c.readFrames() {
		return
	}
	c.drain()
	c.finishReading()
}

// stuckAfter is how long the reader may be at what others have asked for before another goroutine reads on.
const stuckAfter = 100 * time.Millisecond

// stuckMax bounds the threads of readers that others have taken the place of and that have not come back, beyond one a connection:
// 10,000 end the process.
const stuckMax = 1000

// run runs the machine, and with it what others have asked for, of disks that may not answer. false: it took so long that
// another goroutine is the reader now.
func (c *conn) run() bool {
	if c.watchdog == nil {
		c.watchdog = time.AfterFunc(stuckAfter, c.readOn)
	}
	n := c.runs.Add(1)
	c.watchdog.Reset(stuckAfter)
	c.server.mail.Run()
	if !c.runs.CompareAndSwap(n, n+1) {
		c.server.stuck.Add(-1)
		return false
	}
	c.watchdog.Stop()
	return true
}

// readOn is called by the watchdog. If that was set for a run before, there is a new reader a little too soon, and no harm done.
func (c *conn) readOn() {
	n := c.runs.Load()
	switch {
	case n%2 == 0:
		return
	case c.server.stuck.Load() >= stuckMax:
		c.watchdog.Reset(stuckAfter)
		return
	case !c.runs.CompareAndSwap(n, n+1):
		return
	}
	c.server.stuck.Add(1)
	if c.readFrames() {
		c.drain()
		c.finishReading()
	}
}

// readFrames reads until nothing more comes; false: another goroutine does.
func (c *conn) readFrames() bool {
	read := c.read // made once: a closure a read would be an allocation a read
	for c.awaitCredit() {
		if c.got = 0; !c.whole() {
			if err := c.raw.Read(read); err != nil || c.got == 0 {
				break
			}
		}
		if !c.parse() {
			break
		}
		if !c.run() {
			return false
		}
	}
	return true
}

// allowed is how many bytes may be read now: the rest of the credit, always the four bytes of a length, the rest of a short
// frame that was begun on credit, whatever that overdraws, and nothing more of a long one that is not covered. What was
// read and not parsed is off the credit; the cost of its frames is not.
func (c *conn) allowed() int64 {
	allowed := c.granted.Load() - c.consumed
	have := c.end - c.start
	if have < lengthSize {
		return max(allowed, int64(lengthSize-have))
	}
	if c.begin() {
		return max(allowed, int64(c.frameBytes()-have))
	}
	return min(allowed, 0)
}

// begin says whether there is credit for the frame at hand, whose length is known.
func (c *conn) begin() bool {
	c.begun = c.begun || c.lacks() <= 0
	return c.begun
}

// lacks is how much credit the frame at hand lacks: a short one needs any, a long one as much as it takes.
func (c *conn) lacks() int64 {
	left := c.granted.Load() - c.consumed + int64(c.end-c.start)
	if size := int64(c.frameBytes()); size > seam.FrameFree {
		return size + seam.FrameCost - left
	}
	return 1 - left
}

// ask tells the machine, once, what a long frame lacks.
func (c *conn) ask() {
	if c.asked || c.begun || c.frameBytes() <= seam.FrameFree {
		return
	}
	if lacks := c.lacks(); lacks > 0 {
		c.asked = true
		c.server.mail.Post(&seam.Wanting{Conn: c.id, Bytes: lacks})
		go c.server.mail.Run()
	}
}

// whole says whether there is a frame to be parsed without reading on: it came with others, and waited for credit.
func (c *conn) whole() bool {
	have := c.end - c.start
	return have >= lengthSize && have >= c.frameBytes() && c.begin()
}

const lengthSize = 4

// awaitCredit waits until something may be read, and reports whether anything ever will.
func (c *conn) awaitCredit() bool {
	c.ask()
	for c.allowed() <= 0 && !c.whole() {
		if c.cutting.Load() || c.draining.Load() {
			return false
		}
		<-c.moreGrant
	}
	return !c.cutting.Load() && !c.draining.Load()
}

// read is called by the runtime's poller until it returns true.
func (c *conn) read(fd uintptr) bool {
	if c.cutting.Load() || c.draining.Load() {
		return true
	}
	want := c.prepare()
	n, err := c.wire.read(int(fd), c.chunk.data[c.end:c.end+want])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		if c.start == c.end {
			c.server.slabs.release(c.chunk)
			c.chunk = nil
			c.start, c.end = 0, 0
		}
		c.setLowWater(int(fd))
		return err == unix.EINTR && c.read(fd)
	case err != nil || n <= 0:
		return true
	}
	c.adapt(n, want)
	c.end += n
	c.consumed += int64(n)
	c.got = n
	c.received.Add(int64(n))
	return true
}

const (
	usualChunk    = 512 << 10 // as much as is read at once: more would leave the processor's cache before it is used
	bigFrame      = usualChunk / 2
	lowWaterMin   = 32 << 10
	lowWaterMax   = 512 << 10
	shrinkAfter   = 32
	chunkGrowth   = 4
	frameTrailing = lengthSize
)

// prepare makes room in the chunk and says how much to read into it.
func (c *conn) prepare() int {
	frame := c.frameBytes()
	need := max(frame, lengthSize)
	c.room(need)
	want := min(int64(len(c.chunk.data)-c.end), max(c.allowed(), 0))
	if frame > bigFrame { // up to its end and the next length: what is read beyond would have to be moved
		want = min(want, int64(frame+frameTrailing-(c.end-c.start)))
	}
	return int(want)
}

// frameBytes is the size of the frame at hand with its length, or zero if the length is not known yet.
func (c *conn) frameBytes() int {
	if c.end-c.start < lengthSize {
		return 0
	}
	return lengthSize + int(int32(binary.BigEndian.Uint32(c.chunk.data[c.start:])))
}

// room sees to it that need bytes fit behind start, and that a read is worth its while.
func (c *conn) room(need int) {
	if c.chunk == nil {
		c.chunk, c.start, c.end = c.server.slabs.take(max(need, c.size)), 0, 0
		return
	}
	have := c.end - c.start
	free := len(c.chunk.data) - c.start
	if free >= need && (have > 0 && free >= need+frameTrailing || free-have >= c.size/4) {
		return
	}
	if len(c.chunk.data) >= max(need, c.size) && c.server.slabs.isOurs(c.chunk) {
		copy(c.chunk.data, c.chunk.data[c.start:c.end])
		c.start, c.end = 0, have
		return
	}
	bigger := c.server.slabs.take(max(need, c.size))
	copy(bigger.data, c.chunk.data[c.start:c.end])
	c.server.slabs.release(c.chunk)
	c.chunk, c.start, c.end = bigger, 0, have
}

// adapt lets chunks grow with what arrives at once, and shrink when it has become little.
func (c *conn) adapt(n, want int) {
	if n == want && n >= c.size/2 {
		c.size = min(c.size*chunkGrowth, usualChunk)
	}
	if n >= c.size/8 || c.size == smallestChunk {
		c.modest = 0
		return
	}
	if c.modest++; c.modest == shrinkAfter {
		c.modest, c.size = 0, c.size/chunkGrowth
	}
}

// setLowWater asks not to be woken for every segment of a big frame (measured: up to twice the throughput). It must
// never ask for more than the frame still lacks, or the wake-up would not come.
func (c *conn) setLowWater(fd int) {
	want := 1
	if frame := 0; c.chunk != nil {
		frame = c.frameBytes()
		missing := min(int64(frame-(c.end-c.start)), c.allowed()) - c.wire.held()
		if frame > 0 && missing >= lowWaterMin {
			want = int(min(missing, lowWaterMax))
		}
	}
	if want == c.lowWater || want > 1 && c.lowWater <= want && c.lowWater*2 >= want {
		return
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, want) == nil {
		c.lowWater = want
	}
}

// parse posts every complete frame and reports whether the connection may go on.
func (c *conn) parse() bool {
	config := &c.server.config
	for c.end-c.start >= lengthSize {
		length := int(int32(binary.BigEndian.Uint32(c.chunk.data[c.start:])))
		if length < config.FrameBytesMin || length > config.FrameBytesMax {
			go c.server.mail.Run()
			c.server.counts.unreadable.Add(1)
			c.server.refused(c.tcp.RemoteAddr().String(), wrongLength(length))
			return false
		}
		begin := c.start + lengthSize
		if c.end-begin < length || !c.begin() {
			break
		}
		c.post(c.chunk.data[begin : begin+length : begin+length])
		c.start, c.begun, c.asked = begin+length, false, false
		c.consumed += seam.FrameCost
	}
	if c.start == c.end && c.server.slabs.isOurs(c.chunk) {
		c.start, c.end = 0, 0
	}
	return true
}

// wrongLength says what came where the length of a frame is due.
func wrongLength(length int) string {
	if kind := length >> 8; kind == 0x160301 || kind == 0x160303 || kind == 0x150301 || kind == 0x150303 { // a handshake, an alert
		return "TLS on a listener that speaks none (clients: security.protocol=PLAINTEXT)"
	}
	switch string(binary.BigEndian.AppendUint32(nil, uint32(length))) {
	case "GET ", "HEAD", "POST", "PUT ":
		return "HTTP on a listener that speaks Kafka's protocol"
	}
	return "a frame of " + strconv.Itoa(length) + " bytes"
}

func (c *conn) post(frame []byte) {
	id, slot := c.server.leases.take(c.chunk)
	if c.server.config.Arrived != nil {
		c.server.config.Arrived(id, frame)
	}
	if c.server.config.Intake != nil {
		slot.body = c.server.config.Intake(frame, slot.body)
	}
	c.request = seam.Request{Conn: c.id, Lease: id, Frame: frame, Body: slot.body}
	c.server.mail.Post(&c.request)
	c.request = seam.Request{}
}

// unheard ends a connection that was never ready for frames, and lets its client read why.
func (c *conn) unheard(err error) {
	if c.cutting.Load() {
		return
	}
	c.server.counts.unheard.Add(1)
	if !errors.Is(err, io.EOF) { // a look at whether the port is open
		c.server.refused(c.tcp.RemoteAddr().String(), err.Error())
	}
	_ = unix.Shutdown(c.fd, unix.SHUT_WR)
	c.draining.Store(true)
}

// drainMax bounds how long a closed connection is read for its client's sake: closing with unread bytes resets the
// connection, and the client may lose the reply that told it why.
const drainMax = time.Second

func (c *conn) drain() {
	if c.chunk != nil {
		c.server.slabs.release(c.chunk)
		c.chunk = nil
	}
	if !c.draining.Load() || c.cutting.Load() {
		return
	}
	c.mu.Lock()
	_ = c.tcp.SetReadDeadline(time.Now().Add(drainMax))
	c.mu.Unlock()
	sink := make([]byte, smallestChunk)
	for {
		if n, err := c.tcp.Read(sink); n == 0 || err != nil {
			return
		}
	}
}

// finishReading is the reader's last act.
func (c *conn) finishReading() {
	c.mu.Lock()
	c.ended = true
	if c.blocked { // the client has gone or was cut: nobody drains the socket
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
	c.maybeHangup()
	c.mu.Unlock()
	c.server.mail.Run()
}

// maybeHangup closes the connection once nothing of it is outstanding; c.mu is held.
func (c *conn) maybeHangup() {
	if !c.ended || c.busy || len(c.queue) > 0 || c.rewriting {
		return
	}
	if !c.gone {
		c.gone = true
		c.wire.farewell(c.fd)
		_ = c.tcp.Close()
	}
	c.marks = append(c.marks, c.emitted)
	c.server.mail.Post(&seam.Hangup{Conn: c.id})
}

func (c *conn) isLastWord() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	mark := c.marks[0]
	c.marks = c.marks[1:]
	return mark == c.emitted
}

// grant adds credit and wakes the reader if it waits for it.
func (c *conn) grant(bytes int64) {
	if bytes > 0 {
		c.granted.Add(bytes)
		c.moreGrant.notify()
	}
}

// cut closes the connection after what was replied already, or at once if the client does not take it. It reports
// whether the caller has to send.
func (c *conn) cut() bool {
	c.cutting.Store(true)
	c.moreGrant.notify()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	if c.blocked {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
	claimed := !c.busy
	c.busy = true
	return claimed
}
