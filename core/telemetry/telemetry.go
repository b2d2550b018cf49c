// Package telemetry is what a broker knows of clients that push their own metrics (KIP-714): who is asked for what, and
// whether a push is taken. What is pushed is counted and not looked at.
//
//	client ── GetTelemetrySubscriptions ──▶ Find ─▶ Ask ──▶ which metrics, how often, under which number
//	       ── PushTelemetry ──────────────▶ Find ─▶ Push ─▶ taken, too early, too long, another subscription by now
//
// Rules:
//   - an instance is made by the first request with its id, from whichever connection, and forgotten when the connection
//     that made it last has gone, when it was not heard of for three intervals (a minute at least), or when it is the one
//     not heard of for longest and there are too many.
//   - a changed subscription is found at the client's next request: its instance is made anew, and knows no earlier request.
//   - what clients say of themselves takes bounded memory, whoever says it.
//   - matching a client against subscriptions is done a piece at a time: Find asks for room, and is called again. A metric is
//     an item, and what is beyond metricsBytes is not asked for: Kafka's set of them is made in one piece.
package telemetry

import (
	"slices"
	"strings"

	"rookery/core/meta"
	"rookery/core/must"
	"rookery/core/ordered"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/timer"
	"rookery/core/wire"
)

// Config is what a broker was started with.
type Config struct {
	Receives bool  // client.telemetry.enable: the APIs are announced
	BytesMax int32 // telemetry.max.bytes, of one push
}

const (
	instancesMax  = 16384     // Kafka's
	instanceBytes = 16 << 20  // of what all instances have said of themselves
	metricsBytes  = 256 << 10 // of the metrics that one client is asked for, as many times as they are subscribed to
	metricBytes   = 16        // of each, beside its name
	softwaresMax  = 64        // counted by name; the others together
	expiryLeast   = 60 * seam.Second
	long          = seam.Mono(-1 << 62) // before every request
)

// Registry is every subscription and every client instance of a broker.
type Registry struct {
	config        Config
	random        *rng.Source
	version       int // of the subscriptions: one more with each change
	subscriptions ordered.Map[string, *Subscription]
	order         []*Subscription // as Kafka's map has them; nil: to be made anew
	instances     map[meta.UUID]*Instance
	lists         map[int32][]*list // of metrics that instances are asked for, by checksum
	newest        *Instance         // by their last request
	oldest        *Instance
	bytes         int
	expiry        timer.Queue[*Instance]
	counts        Counts
}

// Instance is one client: a producer, consumer or admin client of one process.
type Instance struct {
	ID             meta.UUID
	Conn           seam.Conn // that made it last
	Subscription   int32
	IntervalMillis int32

	list        *list
	client      Client
	version     int
	got, pushed seam.Mono
	terminating bool
	lastError   wire.Code
	expires     timer.Handle
	newer       *Instance
	older       *Instance
}

// Counts is what is shown of telemetry.
type Counts struct {
	Instances int
	Throttled int64 // requests that came too early
	Unknown   int64 // pushes for a subscription that is another by now
	Evictions int64 // instances that have made room for others
	Softwares []Software
}

// Software is what clients of one name have pushed.
type Software struct {
	Name   string
	Pushes int64
	Bytes  int64
}

// New makes an empty Registry.
func New(config Config, random *rng.Source) *Registry {
	return &Registry{config: config, random: random, instances: map[meta.UUID]*Instance{}, lists: map[int32][]*list{}}
}

// Receives says whether the APIs are announced.
func (r *Registry) Receives() bool { return r.config.Receives }

// BytesMax is the longest push that is taken.
func (r *Registry) BytesMax() int32 { return r.config.BytesMax }

// Counts is what is shown. Its Softwares are the Registry's own.
func (r *Registry) Counts() Counts {
	r.counts.Instances = len(r.instances)
	return r.counts
}

// Subscribe takes a subscription as it is now; without values there is none of the name.
func (r *Registry) Subscribe(name string, values *ordered.Map[string, string]) {
	if values == nil || values.Len() == 0 {
		if !r.subscriptions.Delete(name) {
			return
		}
	} else {
		r.subscriptions.Put(name, parse(name, values))
	}
	r.version++
	r.order = nil
}

// NewID makes the id of a client that has none.
func (r *Registry) NewID() (id meta.UUID) {
	for {
		r.random.Fill(id[:])
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if r.instances[id] == nil && !strings.HasPrefix(id.String(), "-") {
			return id
		}
	}
}

// Reserved ids are nobody's: all zeroes, and one.
func Reserved(id meta.UUID) bool {
	return slices.Max(id[:15]) == 0 && id[15] <= 1
}

// Search is for the instance of an id. Its zero value with ID, Conn and Client begins it.
type Search struct {
	ID     meta.UUID
	Conn   seam.Conn
	Client Client

	begun    bool
	version  int
	at       int
	metrics  []string
	bytes    int // of metrics
	every    bool
	interval int32
}

// Find is the instance that is searched, made or made anew where it has to be. It takes from room what it has matched, and
// is nil if there was not enough: then it goes on when it is called again.
func (r *Registry) Find(now seam.Now, s *Search, room *int) *Instance {
	i := r.instances[s.ID]
	if i == nil || i.version < r.version {
		if i != nil {
			s.Client = i.client // what it was first known as, as in Kafka
		}
		if !r.match(s, room) {
			return nil
		}
		i = r.put(s)
	}
	r.unlink(i)
	r.link(i)
	r.expiry.Cancel(i.expires)
	i.expires = r.expiry.Set(now.Mono+max(expiryLeast, 3*seam.Mono(i.IntervalMillis)*seam.Millisecond), i)
	r.evict()
	return i
}

func (r *Registry) match(s *Search, room *int) (done bool) {
	if !s.begun || s.version != r.version {
		*s = Search{ID: s.ID, Conn: s.Conn, Client: s.Client, begun: true, version: r.version, interval: IntervalMillis}
	}
	for order := r.ordered(); s.at < len(order); s.at++ {
		if *room <= 0 {
			return false
		}
		*room -= 1 + s.Client.bytes()/64 // a pattern takes 50 ns a byte of what the client said
		if one := order[s.at]; one.matches(s.ID, &s.Client) {
			*room -= len(one.metrics)
			s.ask(one.metrics)
			s.every = s.every || slices.Contains(one.metrics, all)
			s.interval = min(s.interval, one.intervalMillis)
		}
	}
	return true
}

// ask adds metrics, as far as they may be.
func (s *Search) ask(metrics []string) {
	for _, name := range metrics {
		if s.bytes += metricBytes + len(name); s.bytes > metricsBytes {
			return
		}
		s.metrics = append(s.metrics, name)
	}
}

// ordered is the subscriptions in the order of Kafka's map.
func (r *Registry) ordered() []*Subscription {
	if r.order == nil {
		r.order = make([]*Subscription, 0, r.subscriptions.Len())
		for _, name := range hashSet(r.subscriptions.Keys(), capacityOfShared(r.subscriptions.Len())) {
			r.order = append(r.order, r.subscriptions.At(name))
		}
	}
	return r.order
}

// put makes the instance of a search that has matched everything.
func (r *Registry) put(s *Search) *Instance {
	if old := r.instances[s.ID]; old != nil {
		r.forget(old)
	}
	metrics := hashSet(s.metrics, smallestCapacity)
	if metrics = hashSet(s.metrics, capacityOf(len(metrics))); s.every {
		metrics = []string{all}
	}
	i := &Instance{
		ID: s.ID, Conn: s.Conn, Subscription: subscriptionID(metrics, s.interval, s.ID), list: r.share(metrics), IntervalMillis: s.interval,
		client: s.Client, version: r.version, got: long, pushed: long,
	}
	r.instances[i.ID] = i
	r.bytes += i.client.bytes()
	r.link(i)
	return i
}

// list is metrics that instances are asked for, which share it: most clients are asked for the same.
type list struct {
	metrics []string
	sum     int32
	users   int
}

func (r *Registry) share(metrics []string) *list {
	sum := subscriptionID(metrics, 0, meta.UUID{})
	for _, l := range r.lists[sum] {
		if slices.Equal(l.metrics, metrics) {
			l.users++
			return l
		}
	}
	l := &list{metrics, sum, 1}
	r.lists[sum] = append(r.lists[sum], l)
	r.bytes += metricBytes * len(metrics)
	return l
}

func (r *Registry) unshare(l *list) {
	if l.users--; l.users > 0 {
		return
	}
	r.bytes -= metricBytes * len(l.metrics)
	if rest := slices.DeleteFunc(r.lists[l.sum], func(other *list) bool { return other == l }); len(rest) > 0 {
		r.lists[l.sum] = rest
	} else {
		delete(r.lists, l.sum)
	}
}

// evict makes room; the instance that was asked for stays.
func (r *Registry) evict() {
	for len(r.instances) > instancesMax || r.bytes > instanceBytes && r.oldest != r.newest {
		r.counts.Evictions++
		r.forget(r.oldest)
	}
}

func (r *Registry) forget(i *Instance) {
	must.Be(r.instances[i.ID] == i, "U1: a client instance is forgotten once")
	delete(r.instances, i.ID)
	r.bytes -= i.client.bytes()
	r.unshare(i.list)
	r.expiry.Cancel(i.expires)
	r.unlink(i)
}

func (r *Registry) link(i *Instance) {
	i.older = r.newest
	if r.newest != nil {
		r.newest.newer = i
	} else {
		r.oldest = i
	}
	r.newest = i
}

func (r *Registry) unlink(i *Instance) {
	if i.newer != nil {
		i.newer.older = i.older
	} else {
		r.newest = i.older
	}
	if i.older != nil {
		i.older.newer = i.newer
	} else {
		r.oldest = i.newer
	}
	i.newer, i.older = nil, nil
}

// Next is when an instance is forgotten, or seam.Never.
func (r *Registry) Next() seam.Mono { return r.expiry.Next() }

// Expire forgets an instance that was not heard of for too long, and says whether there was one.
func (r *Registry) Expire(now seam.Now) bool {
	i, ok := r.expiry.Due(now.Mono)
	if ok {
		i.expires = 0
		r.forget(i)
	}
	return ok
}

// Left forgets the instance that a connection has made, if it was the last to make it.
func (r *Registry) Left(conn seam.Conn, id meta.UUID) {
	if i := r.instances[id]; i != nil && i.Conn == conn {
		r.forget(i)
	}
}

// Ask judges a client's question for its subscription: before its interval is over only if it was told to ask.
func (r *Registry) Ask(now seam.Now, i *Instance) wire.Code {
	if now.Mono-max(i.got, i.pushed) >= i.interval() {
		i.got = now.Mono
	} else if i.lastError != wire.UnknownSubscriptionID && i.lastError != wire.UnsupportedCompressionType {
		r.counts.Throttled++
		return wire.ThrottlingQuotaExceeded
	}
	i.lastError = wire.None
	return wire.None
}

// Pushed is what a push is judged by.
type Pushed struct {
	Subscription int32
	Terminating  bool
	Codec        int8
	Bytes        int       // as they came
	Payload      wire.Code // what is wrong with it
}

// codecs is how many there are, none among them.
const codecs = 5

// Push judges a push, in Kafka's order.
func (r *Registry) Push(now seam.Now, i *Instance, p Pushed) wire.Code {
	i.lastError = r.judge(now, i, p)
	i.terminating = p.Terminating
	if i.lastError == wire.None && p.Bytes > 0 {
		i.lastError = p.Payload
	}
	if i.lastError == wire.None {
		software := r.software(i.client.SoftwareName)
		software.Pushes++
		software.Bytes += int64(p.Bytes)
	}
	return i.lastError
}

func (r *Registry) judge(now seam.Now, i *Instance, p Pushed) wire.Code {
	if i.terminating {
		return wire.InvalidRequest
	}
	// After a Get a push may come at any time: clients spread their first ones.
	if i.got > i.pushed || now.Mono-i.pushed >= i.interval() {
		i.pushed = now.Mono
	} else if !p.Terminating {
		r.counts.Throttled++
		return wire.ThrottlingQuotaExceeded
	}
	switch {
	case p.Subscription != i.Subscription:
		r.counts.Unknown++
		return wire.UnknownSubscriptionID
	case p.Codec < 0 || p.Codec >= codecs:
		return wire.UnsupportedCompressionType
	case p.Bytes > int(r.config.BytesMax):
		return wire.TelemetryTooLarge
	}
	return wire.None
}

// Metrics is what it is asked for.
func (i *Instance) Metrics() []string { return i.list.metrics }

func (i *Instance) interval() seam.Mono { return seam.Mono(i.IntervalMillis) * seam.Millisecond }

// Software is the name that a client has given of itself.
func (i *Instance) Software() string { return i.client.SoftwareName }

// software is where pushes of a name are counted; behind the first names they are counted together.
func (r *Registry) software(name string) *Software {
	called := func(s Software) bool { return s.Name == name }
	at := slices.IndexFunc(r.counts.Softwares, called)
	if at < 0 && len(r.counts.Softwares) >= softwaresMax {
		name = "others"
		at = slices.IndexFunc(r.counts.Softwares, called)
	}
	if at < 0 {
		at = len(r.counts.Softwares)
		r.counts.Softwares = append(r.counts.Softwares, Software{Name: name})
	}
	return &r.counts.Softwares[at]
}
