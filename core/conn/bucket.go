package conn

import (
	"math/bits"

	"rookery/core/seam"
)

// Bucket is what one client has used of one quota, as the time until when that is paid for: use moves it on by what it
// costs at the quota's rate, and the clock catches up. One that lies behind the clock is worth a burst, never more than
// QuotaWindow of it.
//
//	        ◀─ burst ─▶
//	────────┼─────────┼──────────────┼──▶ time
//	   now-window    now           paid     wait = paid - now
type Bucket struct{ paid seam.Mono }

// QuotaWindow is how much of an unused quota is kept: Kafka's ten full samples of a second (quota.window.num - 1).
const QuotaWindow = 10 * seam.Second

// InWindow is how many units a rate has for a whole window.
func InWindow(rate int64) int64 { return rate / (1000 * int64(seam.Second) / int64(QuotaWindow)) }

// WaitMax is the longest that a client is kept waiting. One who asks for more than that at once has waited enough.
const WaitMax = 3600 * seam.Second

// NewBucket is one of which nothing was used.
func NewBucket(now seam.Mono) Bucket { return Bucket{paid: now - QuotaWindow} }

// Use takes n units at a rate of so many thousandths of a unit a second, and says how long the client has to wait until
// it has paid.
func (b *Bucket) Use(now seam.Mono, n, rate int64) (wait seam.Mono) {
	b.paid = min(max(b.paid, now-QuotaWindow)+cost(n, rate), now+WaitMax)
	return b.Wait(now)
}

// Wait is how long the client has to wait now.
func (b *Bucket) Wait(now seam.Mono) seam.Mono { return max(0, b.paid-now) }

// UsedLess says whether less of it is to be paid than of another.
func (b *Bucket) UsedLess(other *Bucket) bool { return b.paid < other.paid }

// cost is how long n units take at a rate, for none nothing; at least WaitMax and a window where the rate is nothing.
func cost(n, rate int64) seam.Mono {
	const most = WaitMax + QuotaWindow
	if n <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(n), 1000*uint64(seam.Second))
	if rate <= 0 || high >= uint64(rate) {
		return most
	}
	nanos, _ := bits.Div64(high, low, uint64(rate))
	if nanos > uint64(most) {
		return most
	}
	return seam.Mono(nanos)
}
