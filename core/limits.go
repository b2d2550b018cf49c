package core

import (
	"fmt"

	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/timer"
)

// limits say how many connections there may be, how fast they may come, and for how long one may do nothing (KIP-402,
// KIP-612). The driver accepts whatever it has a descriptor for; what becomes of it is decided here:
//
//	Opened ──▶ too many of its address? ── cut
//	       ──▶ too fast?                ── muted until that is paid, or cut if it would take too long
//	       ──▶ too many?                ── stands, unread, until somebody leaves
//	       ──▶ has a seat: read; and cut when no frame became whole, and no answer was taken, for connections.max.idle.ms
//
// A frame that is sent a byte a minute and an answer that is taken a byte a minute are nothing done: a client has that
// long for each.
type limits struct {
	connections int64 // max.connections
	perAddress  int64 // max.connections.per.ip
	overrides   ordered.Map[string, int64]
	rate        int64     // max.connection.creation.rate, in thousandths of a connection a second; 0: as fast as they come
	idle        seam.Mono // below zero: for ever

	seated    int64 // connections that are read
	addresses map[string]int64
	standing  ordered.Map[seam.Conn, *connection]
	arrivals  conn.Bucket
	silence   timer.Queue[seam.Conn]

	refused int64 // connections that were cut when they opened
	silent  int64 // that were cut because they did nothing
}

// arrivalWaitMax is how long a new connection may be kept waiting for having come too fast. Beyond that it is cut, and
// not charged: those that come after it would have to wait for what it never had.
const arrivalWaitMax = seam.Second

// inherit takes the limits from the broker's configuration.
func (l *limits) inherit(layers *controller.Layers) {
	const none = 1<<31 - 1
	l.connections, l.perAddress = max(1, layers.Number("max.connections")), layers.Number("max.connections.per.ip")
	text, _ := layers.Own("max.connections.per.ip.overrides")
	l.overrides, _ = controller.AddressLimits(text) // was judged before it was taken in
	if l.perAddress == 0 && !controller.LetsIn(&l.overrides) {
		l.perAddress = 1 // or nobody could come to alter it again
	}
	if l.rate = 0; layers.Number("max.connection.creation.rate") < none {
		l.rate = 1000 * layers.Number("max.connection.creation.rate")
	}
	l.idle = -1
	if millis := layers.Number("connections.max.idle.ms"); millis >= 0 && millis <= int64(seam.Never/seam.Millisecond)/2 {
		l.idle = seam.Mono(millis) * seam.Millisecond
	}
}

// addressMax is how many connections an address may have.
func (l *limits) addressMax(address string) int64 {
	if most, set := l.overrides.Find(address); set {
		return most
	}
	return l.perAddress
}

// addressOf is the address in host:port.
func addressOf(remote string) string {
	for i := len(remote) - 1; i >= 0; i-- {
		if remote[i] == ':' {
			remote = remote[:i]
			break
		}
	}
	if n := len(remote); n > 1 && remote[0] == '[' {
		remote = remote[1 : n-1]
	}
	return remote
}

// admit decides whether a new connection is read, now or later.
func (b *Broker) admit(now seam.Now, c *connection, fx *seam.Effects) {
	l := &b.limits
	if l.addresses == nil {
		l.addresses, l.arrivals = map[string]int64{}, conn.NewBucket(now.Mono)
	}
	l.addresses[c.address]++
	if most := l.addressMax(c.address); l.addresses[c.address] > most {
		b.cut(c, fmt.Sprintf("its address has the %d connections that it may have (max.connections.per.ip)", most), fx)
		return
	}
	if why := b.arrive(now, c); why != "" {
		b.cut(c, why, fx)
		return
	}
	if l.seated >= l.connections {
		c.standing = true
		l.standing.Put(c.id, c)
		return
	}
	b.sit(now, c)
	if c.muted == 0 {
		b.pay(c, c.owed-c.kept, fx)
	}
}

// arrive charges a new connection to the broker's rate and to that of its address, and says why it is not taken: what is not
// paid soon enough by one of them is charged to neither, or an address that comes too fast would take the others' places.
func (b *Broker) arrive(now seam.Now, c *connection) (why string) {
	all := &b.limits.arrivals
	if b.limits.rate == 0 {
		all = nil
	}
	own, rate := b.greeting(now, c)
	var ownBucket *conn.Bucket
	if own != nil {
		ownBucket = &own.Bucket
	}
	charges := [...]struct {
		bucket *conn.Bucket
		rate   int64
		why    string
	}{
		{all, b.limits.rate, "too many connections in so short a time (max.connection.creation.rate)"},
		{ownBucket, rate, "too many connections of its address in so short a time (connection_creation_rate)"},
	}
	var after [len(charges)]conn.Bucket
	wait := seam.Mono(0)
	for i, x := range charges {
		if x.bucket == nil {
			continue
		}
		after[i] = *x.bucket
		if wait = max(wait, after[i].Use(now.Mono, 1, x.rate)); wait > arrivalWaitMax {
			return x.why
		}
	}
	for i, x := range charges {
		if x.bucket != nil {
			*x.bucket = after[i]
		}
	}
	b.throttle(now, c, quotaConnect, own, wait)
	return ""
}

// sit gives a connection a seat. From now on it can do something: one that stands cannot, and if it were cut for that it
// would stand at the end again, for ever where those that come in between are faster.
func (b *Broker) sit(now seam.Now, c *connection) {
	l := &b.limits
	l.seated++
	c.seated, c.acted = true, now.Mono
	if l.idle >= 0 {
		c.silence = l.silence.Set(now.Mono+l.idle, c.id)
	}
}

// cut closes a connection that asks for too much.
func (b *Broker) cut(c *connection, why string, fx *seam.Effects) {
	c.closing = true
	b.limits.refused++
	fx.Events = append(fx.Events, seam.Event{Kind: seam.ConnRefused, A: int64(c.id), Topic: c.remote, Text: why})
	fx.Reading = append(fx.Reading, seam.Credit{Conn: c.id, Cut: true})
}

// leave forgets a connection that has hung up, and lets another have its place.
func (b *Broker) leave(c *connection) {
	l := &b.limits
	l.silence.Cancel(c.silence)
	if l.addresses[c.address]--; l.addresses[c.address] == 0 {
		delete(l.addresses, c.address)
	}
	if c.standing {
		l.standing.Delete(c.id)
	}
	if c.seated {
		l.seated--
		b.seat()
	}
}

// seat lets those be read that stand, as far as there is room for them.
func (b *Broker) seat() {
	if b.limits.standing.Len() == 0 {
		return
	}
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		for l := &b.limits; l.standing.Len() > 0 && l.seated < l.connections; {
			if !b.turns.take() {
				return false
			}
			c := l.standing.At(l.standing.Keys()[0])
			l.standing.Delete(c.id)
			if c.standing = false; c.closing {
				continue
			}
			b.sit(now, c)
			b.starve(c)
		}
		b.feed(fx)
		return true
	})
}

// cutSilent closes those connections that have done nothing for too long. A client that is muted cannot do anything.
func (b *Broker) cutSilent(now seam.Now, fx *seam.Effects) {
	l := &b.limits
	for l.silence.Next() <= now.Mono && b.turns.take() {
		id, _ := l.silence.Due(now.Mono)
		c := b.conns.At(id)
		if c.silence = 0; c.closing {
			continue
		}
		if until := max(c.acted, c.muted) + l.idle; until > now.Mono {
			c.silence = l.silence.Set(until, id)
			continue
		}
		l.silent++
		c.closing = true
		fx.Reading = append(fx.Reading, seam.Credit{Conn: c.id, Cut: true})
	}
}
