package workload

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/sim/check"
)

// account is who pays for a quota, as it stands: in one life of the broker, and since it is known that no other comes before it.
type account struct {
	quota  knob
	client string // empty: all of them
	since  seam.Mono
}

// used is what was answered of an account, and when: the sums rise.
type used struct {
	at  seam.Mono
	sum int64
}

// burst is how much of an unused quota is kept (quota.window.num - 1 samples of a second), and a second more for what a rate may
// be rounded by.
const burst = 11 * seam.Second

// throttled holds an answer against what its client was told, and has used. Whoever was told to wait is not answered before that,
// but by a broker that stops, or over another connection (KIP-219).
func (s *session) throttled(now seam.Mono, c *call, answer kmsg.Response) {
	millis := int32(0)
	if a, ok := answer.(kmsg.ThrottleResponse); ok {
		millis, _ = a.Throttle()
	}
	life := s.run.World.Node.Life
	if m := &s.muted; m.life == life && c.sent >= m.told && !s.run.World.Node.Stopping() {
		s.run.require(now >= m.until, check.QuotaKept, "%s was told at %v to wait until %v, and %s, sent at %v, was answered at %v", s.name, m.told, m.until, kmsg.NameForKey(c.request.Key()), c.sent, now)
	}
	if until := c.sent + seam.Mono(millis-1)*seam.Millisecond; millis > 0 && until > s.muted.until {
		s.muted = muted{life: life, told: now, until: until}
	}
	switch a := answer.(type) {
	case *kmsg.ProduceResponse:
		s.run.charge(now, s.name, "producer_byte_rate", int64(c.bytes), c.sent, millis)
	case *kmsg.FetchResponse:
		n := 0
		for i := range a.Topics {
			for j := range a.Topics[i].Partitions {
				n += len(a.Topics[i].Partitions[j].RecordBatches)
			}
		}
		s.run.charge(now, s.name, "consumer_byte_rate", int64(n), c.sent, millis)
	}
}

// muted is until when a client is to wait at least.
type muted struct {
	life        int
	told, until seam.Mono
}

// charge counts what was used by whoever pays for it. Where that is known for certain, and it is more than a quota and what is
// kept of it allow, the answer has said so.
func (r *Run) charge(now seam.Mono, client, key string, n int64, sent seam.Mono, told int32) {
	rate, a := r.payer(client, key)
	if rate == 0 || sent < a.since {
		return
	}
	all := r.used[a]
	before, sum := int64(0), n
	if len(all) > 0 {
		sum += all[len(all)-1].sum
	}
	if i, _ := slices.BinarySearchFunc(all, sent, func(x used, at seam.Mono) int { return int(min(1, max(-1, x.at-at))) }); i > 0 {
		before = all[i-1].sum // and what came in meanwhile may have been charged behind this
	}
	r.used[a] = append(all, used{now, sum})
	allowed := int64((now - a.since + burst) / seam.Millisecond * seam.Mono(rate) / 1000)
	r.require(told > 0 || before+n <= allowed, check.QuotaKept, "%s has used %d bytes since %v of %s %v (%d a second), and is not told to wait at %v", client, before+n, a.since, a.quota, a.client, rate, now)
}

// payer is who pays, and at what rate; 0: nobody does, or it is not known. What every user may do comes before what a client may,
// and what this one may before what every client may. A start knows of nothing that was used before.
func (r *Run) payer(client, key string) (rate int64, a account) {
	if began := r.facts.Starts; len(began) > 0 {
		a.since = began[len(began)-1]
	}
	for _, k := range []knob{quotaOf("user", key), ownQuota(client, key), quotaOf("client-id", key)} {
		all := r.knobs[k]
		if len(all) == 0 {
			continue
		}
		now := all[len(all)-1]
		if slices.ContainsFunc(now.values, func(v string) bool { return v != now.values[0] }) {
			return 0, a
		}
		if a.since = max(a.since, now.from); now.values[0] == unset {
			continue
		}
		rate, _ := strconv.ParseInt(now.values[0], 10, 64)
		if a.quota = k; k != quotaOf("user", key) {
			a.client = client
		}
		return rate, a
	}
	return 0, a
}
