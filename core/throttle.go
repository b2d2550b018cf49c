package core

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/core/xxh"
)

// throttles hold what clients have used of their quotas (KIP-13, 219, 257, 599, 612). A client beyond one is answered at
// once and told how long to wait; meanwhile its connection is not read, and what came on it before that waits. So that it
// does not wait in the memory that others need, whoever has a quota is read one frame after the other.
//
//	Produce: its frame's bytes ──┐
//	Fetch: its answer's bytes ───┼──▶ Bucket ──▶ wait ──▶ throttle_time_ms, and the connection muted
//	a new connection ────────────┘
type throttles struct {
	throttled [quotaKinds]Throttled
	buckets   map[bucketKey]*account
	order     ordered.Ring[bucketKey] // by age
}

// account is one client's bucket of one quota, and how it was kept waiting since it was last forgotten.
type account struct {
	conn.Bucket
	throttled Throttled
}

// bucketKey is who shares a bucket: a quota set for a user, or for all users by default, is one for all that the user's
// clients do; one that names clients is one for each client id.
type bucketKey struct {
	quota  quotaKind
	users  bool // the user's own, whichever client it is
	client string
}

// bucketsMax is how many are remembered. Of the eldest bucketsCompared the one is forgotten whose client has used least:
// as a rule one of which nothing is left to be paid, and to which forgetting makes no difference. By age alone whoever
// has used up a quota could have that forgotten, by coming under ten thousand other names.
const (
	bucketsMax      = 10_000
	bucketsCompared = 16
)

// quotaKind is one of the quotas that are held to.
type quotaKind uint8

const (
	quotaProduce quotaKind = iota
	quotaFetch
	quotaMutate
	quotaConnect
	quotaKinds
)

func (k quotaKind) String() string {
	switch k {
	case quotaProduce:
		return controller.ProducerByteRate
	case quotaFetch:
		return controller.ConsumerByteRate
	case quotaMutate:
		return controller.ControllerMutationRate
	}
	return controller.ConnectionCreationRate
}

// anonymous is the user on a connection that has said no name.
const anonymous = "ANONYMOUS"

// metered is what a connection remembers of one quota: whose bucket it uses, at what rate.
type metered struct {
	kind    quotaKind
	changes int // meta.Image.QuotaChanges when it was looked up
	client  string
	bucket  *account // nil: no quota
	rate    int64
}

// clientLong is how much of a client's id is kept as it is. Ten thousand buckets are kept, and an id may have 32 KB.
const clientLong = 128

func shortened(client []byte) []byte {
	if len(client) <= clientLong {
		return client
	}
	return binary.BigEndian.AppendUint64(bytes.Clone(client[:clientLong]), xxh.Sum64(client))
}

// meter is the bucket of a client's quota, or nil.
func (b *Broker) meter(now seam.Now, c *connection, kind quotaKind, client []byte) *metered {
	if b.image.QuotaChanges() == 0 {
		return nil
	}
	if c.meters == nil {
		c.meters = new([quotaKinds]metered)
	}
	m := &c.meters[kind]
	if name := shortened(client); m.changes != b.image.QuotaChanges() || m.client != string(name) {
		*m = metered{kind: kind, changes: b.image.QuotaChanges(), client: string(name)}
		if rate, key, found := b.quotaOf(kind, string(client)); found {
			if key.client != "" {
				key.client = m.client
			}
			m.bucket, m.rate = b.quotas.bucket(now, key), rate
		}
		c.kept = 0
		if slices.ContainsFunc(c.meters[:], func(m metered) bool { return m.bucket != nil }) {
			c.kept = c.window - 1
		}
	}
	if m.bucket == nil {
		return nil
	}
	return m
}

// quotaOf looks for the quota that comes first in Kafka's order: what names the user before what does not, and the client
// before its default.
func (b *Broker) quotaOf(kind quotaKind, client string) (rate int64, key bucketKey, found bool) {
	user, id := anonymous, client
	for _, at := range [...]struct {
		users, named bool // about the user, the client
		user, client *string
	}{
		{true, true, &user, &id}, {true, true, &user, nil}, {true, false, &user, nil},
		{true, true, nil, &id}, {true, true, nil, nil}, {true, false, nil, nil},
		{false, true, nil, &id}, {false, true, nil, nil},
	} {
		var entity []meta.EntityPart // by type
		if at.named {
			entity = append(entity, meta.EntityPart{Type: meta.EntityClientID, Name: at.client})
		}
		if at.users {
			entity = append(entity, meta.EntityPart{Type: meta.EntityUser, Name: at.user})
		}
		if q := b.image.QuotaOf(entity...); q != nil {
			if bits, set := q.Values.Find(kind.String()); set {
				if key = (bucketKey{quota: kind, users: at.users}); at.named {
					key.client = client
				}
				return meta.Rate(bits), key, true
			}
		}
	}
	return 0, bucketKey{}, false
}

func (t *throttles) bucket(now seam.Now, key bucketKey) *account {
	bucket := t.buckets[key]
	if bucket == nil {
		if t.buckets == nil {
			t.buckets = map[bucketKey]*account{}
		}
		if t.order.Len() == bucketsMax {
			t.forget()
		}
		bucket = &account{Bucket: conn.NewBucket(now.Mono)}
		t.buckets[key] = bucket
		t.order.Push(key)
	}
	return bucket
}

// forget makes room for one more.
func (t *throttles) forget() {
	least := t.order.Pop()
	for range bucketsCompared - 1 {
		other := t.order.Pop()
		if t.buckets[other].UsedLess(&t.buckets[least].Bucket) {
			least, other = other, least
		}
		t.order.Push(other)
	}
	delete(t.buckets, least)
}

// known is the bucket that meter found last, or nil.
func (c *connection) known(kind quotaKind) *metered {
	if c.meters == nil || c.meters[kind].bucket == nil {
		return nil
	}
	return &c.meters[kind]
}

// use charges a client for what it has used, and mutes its connection for as long as that takes to be paid.
func (b *Broker) use(now seam.Now, c *connection, m *metered, n int64) {
	if m != nil {
		b.throttle(now, c, m.kind, m.bucket, m.bucket.Use(now.Mono, n, m.rate))
	}
}

// throttle mutes a connection for a quota's sake; whose nil is: for that of the whole broker.
func (b *Broker) throttle(now seam.Now, c *connection, kind quotaKind, whose *account, wait seam.Mono) {
	if wait > 0 {
		b.quotas.throttled[kind].note(wait)
		if whose != nil {
			whose.throttled.note(wait)
		}
	}
	b.mute(now, c, wait)
}

// mute leaves a connection unread for some time, unless it has hung up: what it had asked for may be answered after that.
func (b *Broker) mute(now seam.Now, c *connection, wait seam.Mono) {
	if until := now.Mono + wait; wait > 0 && until > c.muted && !c.gone {
		if c.muted > 0 {
			b.muted.Cancel(c.unmute)
		}
		c.muted, c.unmute = until, b.muted.Set(until, c.id)
	}
}

// throttled is how long a client is told to wait: as long as its connection is muted.
func (c *connection) throttled(now seam.Now) (millis int32) {
	if c.muted <= now.Mono {
		return 0
	}
	return int32((c.muted - now.Mono + seam.Millisecond - 1) / seam.Millisecond)
}

// unmuteDue reads those connections again whose time is over, and starts what waited on them.
func (b *Broker) unmuteDue(now seam.Now, fx *seam.Effects) {
	if b.muted.Next() > now.Mono {
		return
	}
	for b.muted.Next() <= now.Mono && b.turns.take() {
		id, _ := b.muted.Due(now.Mono)
		c := b.conns.At(id)
		c.muted, c.acted = 0, now.Mono
		b.starve(c)
		b.putQueued(c)
	}
	b.feed(fx)
}

// held: what comes on a muted connection waits, but not for longer than the broker serves it.
func (b *Broker) held(c *connection) bool {
	return c.muted > 0 && !c.gone && !c.closing && b.phase < phaseStopping
}

// greeting is what a new connection is charged to for its address, and how many of them a second may come (KIP-612); nil if
// there is no bound.
func (b *Broker) greeting(now seam.Now, c *connection) (*account, int64) {
	if b.image.QuotaChanges() == 0 {
		return nil, 0
	}
	for _, name := range [...]*string{&c.address, nil} {
		if q := b.image.QuotaOf(meta.EntityPart{Type: meta.EntityIP, Name: name}); q != nil {
			if bits, set := q.Values.Find(controller.ConnectionCreationRate); set {
				return b.quotas.bucket(now, bucketKey{quota: quotaConnect, client: c.address}), meta.Rate(bits)
			}
		}
	}
	return nil, 0
}

// isRefusable says whether the version of such a request knows THROTTLING_QUOTA_EXCEEDED.
func isRefusable(r *conn.Request) bool {
	switch r.Key {
	case wire.KeyCreateTopics:
		return r.Version >= 6
	case wire.KeyDeleteTopics:
		return r.Version >= 5
	default:
		return r.Version >= 3 // CreatePartitions
	}
}

// mutated charges a client for the partitions that records make or delete (KIP-599). Whoever goes beyond its quota with them is
// told to wait; where the version knows of refusals, it is its next request that is refused, and of that no record is left.
func (b *Broker) mutated(now seam.Now, c *connection, r *conn.Request, records []meta.Record, answer kmsg.SetThrottleResponse) []meta.Record {
	m := b.meter(now, c, quotaMutate, r.ClientID)
	if m == nil {
		return records
	}
	n, wait := b.mutations(records), m.bucket.Wait(now.Mono)
	switch {
	case isRefusable(r) && wait > 0:
		records = nil
		if controller.Throttle(answer) {
			b.throttle(now, c, quotaMutate, m.bucket, wait)
			answer.SetThrottle(c.throttled(now))
		}
	case isRefusable(r):
		m.bucket.Use(now.Mono, n, m.rate)
	case n > 0:
		b.use(now, c, m, n)
		answer.SetThrottle(c.throttled(now))
	}
	return records
}

// mutations are the partitions that records make or delete, before they are folded.
func (b *Broker) mutations(records []meta.Record) (n int64) {
	for _, r := range records {
		switch r := r.(type) {
		case *meta.PartitionRecord:
			n++
		case *meta.RemoveTopicRecord:
			n += int64(len(b.controller.Image().TopicByID(r.TopicID).Partitions))
		}
	}
	return n
}

// clientsTold is how many clients Status tells of by name: a scrape of ten thousand is read by nobody.
const clientsTold = 100

// told are those that were kept waiting longest.
func (t *throttles) told(into []ThrottledClient) []ThrottledClient {
	for i := range t.order.Len() {
		key := *t.order.At(i)
		if a := t.buckets[key]; a.throttled.Times > 0 {
			c := ThrottledClient{Throttled: a.throttled, Client: key.client}
			if c.Quota = key.quota.String(); key.users {
				c.User = anonymous
			}
			into = append(into, c)
		}
	}
	slices.SortStableFunc(into, func(a, b ThrottledClient) int { return cmp.Compare(b.Wait, a.Wait) })
	return into[:min(len(into), clientsTold)]
}
