package loop

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

// posted is a letter, and when it was left.
type posted struct {
	letter
	at int
}

// TestLanesLoseNothingAndKeepOrder leaves letters of all kinds and takes some, as turns do.
func TestLanesLoseNothingAndKeepOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n lanes
		var left []posted // what waits, oldest first
		for at := range rapid.IntRange(1, 400).Draw(t, "deeds") {
			if rapid.IntRange(0, 3).Draw(t, "deed") > 0 {
				var l letter
				conn := seam.Conn(rapid.IntRange(0, 3).Draw(t, "conn"))
				l.seal(rapid.SampledFrom([]seam.Input{
					&seam.Request{Conn: conn, Lease: seam.Lease(at)}, &seam.Hangup{Conn: conn}, &seam.Wanting{Conn: conn}, &seam.Sent{Conn: conn, Op: seam.Op(at)},
					&seam.Synced{Op: seam.Op(at)}, &seam.Alarm{}, &seam.Mail{}, &seam.Opened{Conn: conn}, &seam.Rewritten{}, &seam.Stop{},
				}).Draw(t, "input"))
				n.add(&l)
				left = append(left, posted{letter: l, at: at})
				continue
			}
			most := rapid.IntRange(1, 5).Draw(t, "most")
			some := n.take(most)
			require.LessOrEqual(t, len(some), most)
			require.Equal(t, len(left) == 0, len(some) == 0, "something is taken while something waits")
			for i := range some {
				left = without(t, left, &some[i])
				some[i] = letter{}
			}
			require.EqualValues(t, len(left), n.waiting.Load())
		}
	})
}

// without removes what was taken, which must be the oldest that waits of its connection, and of what the world did no
// older one may wait.
func without(t *rapid.T, left []posted, taken *letter) []posted {
	found := -1
	for i := range left {
		if l := &left[i].letter; l.kind == taken.kind && l.conn == taken.conn && l.lease == taken.lease && l.op == taken.op && l.whole == taken.whole {
			found = i
			break
		}
	}
	require.GreaterOrEqual(t, found, 0, "it was left by somebody")
	for i := range found {
		l := &left[i].letter
		require.False(t, l.isOfWorld(), "what the world did before is taken before")
		require.False(t, l.conn == 0 && l.kind != stop && !taken.isOfWorld(), "and what is nobody's, by all but the world")
		require.NotEqual(t, stop, taken.kind, "a Stop comes last")
		require.False(t, l.conn != 0 && l.conn == taken.conn && !taken.isOfWorld(), "a connection's letters keep their order")
	}
	return append(left[:found], left[found+1:]...)
}

// flood leaves count requests of one connection.
func flood(n *lanes, conn seam.Conn, count int) {
	for range count {
		n.add(&letter{kind: request, conn: conn})
	}
}

// takenUntil says how many letters were taken before one of a connection was, that one included.
func takenUntil(t *testing.T, n *lanes, conn seam.Conn) (count int) {
	for count < 1_000_000 {
		some := n.take(1)
		require.NotEmpty(t, some)
		if count++; some[0].conn == conn {
			return count
		}
	}
	t.Fatal("it is never taken")
	return 0
}

// TestAQuestionDoesNotWaitForAFlood: fifty connections have a hundred letters each, and each has sent more since.
func TestAQuestionDoesNotWaitForAFlood(t *testing.T) {
	const rude = 50
	var n lanes
	for conn := range seam.Conn(rude) {
		flood(&n, 1+conn, 100)
	}
	for range 1000 {
		n.take(1)
	}
	for conn := range seam.Conn(rude) {
		flood(&n, 1+conn, 100)
	}
	n.add(&letter{kind: request, conn: rude + 1})
	require.LessOrEqual(t, takenUntil(t, &n, rude+1), 2*(rude+1), "one letter of each, and a share of the rest")
	n.add(&letter{kind: alarm})
	require.LessOrEqual(t, takenUntil(t, &n, 0), 2*(rude+1))
}

// TestNobodyIsKeptWaiting: a thousand ask one thing at a time, a hundred five, and one has sent all at once. As soon as somebody is
// answered he asks again.
func TestNobodyIsKeptWaiting(t *testing.T) {
	const polite, busy, all = 1000, 100, 500
	var n lanes
	for conn := range seam.Conn(polite) {
		flood(&n, 1+conn, 1)
	}
	for conn := range seam.Conn(busy) {
		flood(&n, polite+1+conn, 5)
	}
	flood(&n, polite+busy+1, all)
	answered := map[seam.Conn]int{}
	for range 100 * (polite + busy) {
		some := n.take(1)
		conn := some[0].conn
		answered[conn]++
		flood(&n, conn, 1)
	}
	most := 0
	for conn := range seam.Conn(polite) {
		most = max(most, answered[1+conn])
	}
	require.Greater(t, most, 20)
	for conn := range seam.Conn(busy + 1) {
		require.GreaterOrEqual(t, answered[polite+1+conn], most/2, "of connection %d, when one that is polite had %d answers", conn, most)
	}
}
