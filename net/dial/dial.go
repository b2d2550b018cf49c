// Package dial is a machine's links to other processes: it connects when there is something to send, hands over what
// arrives frame by frame, and says when a link was made or lost.
//
//	      Send ToPeer                 connected                 frame           lost, cut, or never made
//	none ─────────────▶ connecting ───────────────▶ up ───▶ Mail{Frame} ───▶ ... ───────────────────────▶ lost
//	 ▲                               Mail{Fault OK}                              Mail{Fault Gone}          │
//	 └─────────────────────── the machine has been told, or has cut it itself ◀────────────────────────────┘
//
// Rules:
//   - A link is one connection, numbered from 1 over all peers. What is sent before the machine has been told that a
//     link is lost is lost with it; what is sent after, or after the machine has cut it, goes to the next link.
//   - After a loss the next connection waits: longer each time, and no longer once a frame has come.
//   - Data of a Send is copied: no Op says when it is out.
//   - A frame is lent until its lease is freed. A link is not read while too many bytes of it are lent.
package dial

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"rookery/core/seam"
)

// Mailbox takes what has happened. Post copies the input and does not run the machine; Run runs it.
type Mailbox interface {
	Post(in seam.Input)
	Run()
}

// Chore is work that Queue hands back; links have goroutines of their own and hand back none.
type Chore = interface{ Do() (again bool) }

// Config bounds what links do.
type Config struct {
	FrameBytesMax  int           // zero: 100 MiB
	LentBytesMax   int           // frames of one link that the machine has or will find in its mail; zero: 64 MiB
	ConnectWaitMax time.Duration // zero: 10 s
	BackOffMin     time.Duration // zero: 50 ms, Kafka's reconnect.backoff.ms
	BackOffMax     time.Duration // zero: 1 s, Kafka's reconnect.backoff.max.ms
}

// Links are one machine's links to its peers.
type Links struct {
	config Config
	mail   Mailbox
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	peers map[seam.Address]*peer
	made  uint64 // links so far
	lent  map[seam.Lease]lent
	next  seam.Lease
}

// peer is what is known of one address: the link that leads there, and how long to wait before the next.
type peer struct {
	link    *link // nil: there is none, or the machine knows that it is gone
	backOff time.Duration
}

// lent is one frame that the machine has.
type lent struct {
	link *link
	size int
}

// New is a set of links that holds none yet.
func New(config Config) *Links {
	config.FrameBytesMax = orDefault(config.FrameBytesMax, 100<<20)
	config.LentBytesMax = orDefault(config.LentBytesMax, 64<<20)
	config.ConnectWaitMax = orDefault(config.ConnectWaitMax, 10*time.Second)
	config.BackOffMin = orDefault(config.BackOffMin, 50*time.Millisecond)
	config.BackOffMax = orDefault(config.BackOffMax, time.Second)
	l := &Links{config: config, peers: map[seam.Address]*peer{}, lent: map[seam.Lease]lent{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// Bind says whose links these are, before the first Queue.
func (l *Links) Bind(mail Mailbox) { l.mail = mail }

// Close lets what is queued go out, as far as it takes no time, cuts every link and makes no more: a client's last word
// closes its fetch sessions.
func (l *Links) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := time.Now().Add(lastWordMax)
	for _, p := range l.peers {
		if p.link != nil {
			p.link.drain(until)
		}
	}
	l.cancel()
	for _, p := range l.peers {
		if p.link != nil {
			p.link.become(lost)
		}
	}
}

// Queue takes the links' part of fx, in the turn.
func (l *Links) Queue(fx *seam.Effects, ready []Chore) []Chore {
	for i := range fx.Sends {
		if s := &fx.Sends[i]; s.To.Kind == seam.ToPeer {
			l.to(s.To).push(s.Data)
		}
	}
	for _, id := range fx.Frees {
		if id&peerLease != 0 {
			l.free(id)
		}
	}
	for i := range fx.Reading {
		if c := &fx.Reading[i]; c.Cut {
			l.cut(uint64(c.Conn))
		}
	}
	return ready
}

// Told says, in the turn, that the machine is about to learn what became of a link.
func (l *Links) Told(mail *seam.Mail) {
	if mail.From.Kind == seam.ToPeer && mail.Fault != seam.OK {
		l.forget(mail.Link)
	}
}

// to is the link that leads to a peer now.
func (l *Links) to(address seam.Address) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[address]
	if p == nil {
		p = &peer{}
		l.peers[address] = p
	}
	if p.link == nil {
		l.made++
		k := &link{links: l, address: address, peer: p, number: l.made}
		k.ctx, k.cancel = context.WithCancel(l.ctx)
		k.wake = sync.NewCond(&k.mu)
		p.link = k
		go k.run(p.backOff)
	}
	return p.link
}

// forget makes way for another link: what is sent from now on goes there.
func (l *Links) forget(number uint64) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.peers {
		if k := p.link; k != nil && k.number == number {
			p.link = nil
			return k
		}
	}
	return nil
}

func (l *Links) cut(number uint64) {
	if k := l.forget(number); k != nil {
		k.cancel()
		k.become(lost)
	}
}

// peerLease tells the leases of links from those of client connections, which come through the same Effects.
const peerLease = 1 << 63

func (l *Links) lend(k *link, size int) seam.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.peer.backOff = 0
	l.next++
	l.lent[l.next|peerLease] = lent{link: k, size: size}
	return l.next | peerLease
}

func (l *Links) free(id seam.Lease) {
	l.mu.Lock()
	freed, known := l.lent[id]
	delete(l.lent, id)
	l.mu.Unlock()
	if !known {
		panic("broken law N2: a peer's frame is freed once, by the machine it was lent to")
	}
	freed.link.returned(freed.size)
}

type state uint8

const (
	connecting state = iota
	up
	lost
)

// link is one connection to a peer, from the wish for it to its end.
type link struct {
	links   *Links
	address seam.Address
	peer    *peer
	number  uint64
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	wake    *sync.Cond
	state   state
	conn    net.Conn // once it is up
	out     []byte   // not yet written
	writing bool     // what was there before
	lent    int      // bytes of frames that the machine has
}

// drain waits until what is queued is written, or can be written no more.
func (k *link) drain(until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == up {
		_ = k.conn.SetWriteDeadline(until)
	}
	for k.state == up && (len(k.out) > 0 || k.writing) {
		k.wake.Wait()
	}
}

func (k *link) push(data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == lost {
		return
	}
	k.out = append(k.out, data...)
	k.wake.Broadcast()
}

func (k *link) returned(size int) {
	k.mu.Lock()
	k.lent -= size
	k.mu.Unlock()
	k.wake.Broadcast()
}

// run is the life of the connection.
func (k *link) run(wait time.Duration) {
	defer k.cancel()
	conn, err := k.connect(wait)
	if err == nil {
		stop := context.AfterFunc(k.ctx, func() { _ = conn.Close() })
		k.tell(seam.OK)
		k.mu.Lock()
		k.conn = conn
		k.mu.Unlock()
		k.become(up)
		go k.write(conn)
		k.read(conn)
		stop()
		_ = conn.Close()
	}
	k.become(lost)
	k.tell(seam.Gone)
}

// connect waits its back-off, give or take a fifth so that many who lost one peer do not return at once.
func (k *link) connect(wait time.Duration) (net.Conn, error) {
	config := &k.links.config
	if wait > 0 {
		timer := time.NewTimer(time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64())))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-k.ctx.Done():
			return nil, net.ErrClosed
		}
	}
	k.links.mu.Lock()
	k.peer.backOff = min(max(2*k.peer.backOff, config.BackOffMin), config.BackOffMax)
	k.links.mu.Unlock()
	dialer := net.Dialer{Timeout: config.ConnectWaitMax}
	return dialer.DialContext(k.ctx, "tcp", net.JoinHostPort(k.address.Host, strconv.Itoa(int(k.address.Port))))
}

// become moves on; what is lost stays lost.
func (k *link) become(s state) {
	k.mu.Lock()
	if k.state = max(k.state, s); k.state == lost {
		k.out = nil
	}
	k.mu.Unlock()
	k.wake.Broadcast()
}

func (k *link) tell(fault seam.Fault) {
	k.links.mail.Post(&seam.Mail{From: k.address, Link: k.number, Fault: fault})
	k.links.mail.Run()
}

// write sends what is queued until the link is lost.
func (k *link) write(conn net.Conn) {
	var spare []byte
	for {
		k.mu.Lock()
		for k.state == up && len(k.out) == 0 {
			k.wake.Wait()
		}
		if k.state != up {
			k.mu.Unlock()
			return
		}
		data := k.out
		k.out, k.writing = spare[:0], true
		k.mu.Unlock()
		_, err := conn.Write(data)
		k.mu.Lock()
		k.writing = false
		k.mu.Unlock()
		k.wake.Broadcast()
		if err != nil {
			k.become(lost)
			_ = conn.Close()
			return
		}
		if spare = data; cap(spare) > spareMax {
			spare = nil
		}
	}
}

const (
	spareMax = 1 << 20
	// lastWordMax is how long Close waits for sockets that take nothing.
	lastWordMax = 100 * time.Millisecond
	readAhead   = 16 << 10
	lengthSize  = 4
)

var errFrame = errors.New("a frame's length is negative or above the limit")

// read hands over frames until the connection ends.
func (k *link) read(conn net.Conn) {
	in := bufio.NewReaderSize(conn, readAhead)
	for {
		frame, err := k.frame(in)
		if err != nil {
			return
		}
		size := len(frame) + seam.FrameCost // or a peer could fill the memory with empty ones
		if !k.lend(size) {
			return
		}
		k.links.mail.Post(&seam.Mail{From: k.address, Link: k.number, Lease: k.links.lend(k, size), Frame: frame})
		if in.Buffered() < lengthSize {
			k.links.mail.Run()
		}
	}
}

func (k *link) frame(in *bufio.Reader) ([]byte, error) {
	var head [lengthSize]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		k.links.mail.Run()
		return nil, err
	}
	length := int(int32(binary.BigEndian.Uint32(head[:])))
	if length < 0 || length > k.links.config.FrameBytesMax {
		return nil, errFrame
	}
	if in.Buffered() < length {
		k.links.mail.Run() // what came before must not wait for the rest of this one
	}
	frame := make([]byte, length)
	_, err := io.ReadFull(in, frame)
	return frame, err
}

// lend waits until one more frame may be lent, and reports whether the link is still there.
func (k *link) lend(size int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lent > k.links.config.LentBytesMax {
		k.mu.Unlock()
		k.links.mail.Run()
		k.mu.Lock()
	}
	for k.lent > k.links.config.LentBytesMax && k.ctx.Err() == nil {
		k.wake.Wait()
	}
	k.lent += size
	return k.ctx.Err() == nil
}
