package loop

import (
	"sync"
	"sync/atomic"

	"rookery/core/seam"
)

// lanes are the letters that wait.
//
//	world   what a file or a socket has done with what it was given ─┐
//	first   of a connection that asks one thing at a time; nobody's ─┼──▶ turn
//	rest    what else connections have sent; a Stop ─────────────────┘
//
// What the world has done is no more than was asked for, and goes before what is asked: whoever floods us with questions
// keeps nobody waiting for a disk that is done. A connection that asks one thing at a time waits for a letter or two of each
// other and a share of the rest, and not for all that a flood has sent ahead. The rest has its share after each batch of the
// first lane, as many letters as that had, so that those who send several things at a time are not kept waiting by those who
// do not.
//
// A connection's letters keep their order: one of them is in the first lane only if none of its own waits. Nor may the last
// one have found any: were only the head of what is sent at once to go ahead, its answer would go out by itself. A letter of the rest
// comes after all that was posted before it.
type lanes struct {
	mu      sync.Mutex
	lanes   [laneCount]lane
	waiting atomic.Int64 // letters in all: more with mu, fewer with the turn
	crowd   *crowd       // nil: no connection has written yet
	share   int          // of the turn: letters of the rest before the first lane is looked into again
}

const (
	world = iota
	first
	rest
	laneCount
)

// shareMin is the least share of the rest.
const shareMin = 16

// lane is a queue of letters.
type lane struct {
	queue []letter // guarded by mu
	batch []letter // guarded by the turn, as is
	at    int      // the first of batch that is not stepped
}

func (n *lane) isDone() bool { return n.at == len(n.batch) }

func (n *lane) turnOver() { n.batch, n.queue, n.at = n.queue, n.batch[:0], 0 }

// crowd counts the letters of connections. Connections that share a slot are one to it, and wait for each other: as many as
// there may be by default do not.
type crowd [1 << 14]slot

type slot struct {
	posted uint32        // guarded by mu, as is
	ahead  bool          // the last was posted while another waited
	taken  atomic.Uint32 // written with the turn
}

func (c *crowd) of(conn seam.Conn) *slot { return &c[uint64(conn)%uint64(len(c))] }

// add leaves a letter.
func (n *lanes) add(l *letter) {
	n.mu.Lock()
	to := &n.lanes[n.laneOf(l)]
	to.queue = append(to.queue, *l)
	n.waiting.Add(1)
	n.mu.Unlock()
}

// laneOf counts a letter that waits; mu is held.
func (n *lanes) laneOf(l *letter) int {
	if l.isOfWorld() {
		return world
	}
	if l.kind == stop {
		return rest
	}
	if l.conn == 0 {
		return first
	}
	if n.crowd == nil {
		n.crowd = new(crowd)
	}
	s := n.crowd.of(l.conn)
	was := s.ahead
	s.ahead = s.posted != s.taken.Load()
	s.posted++
	if was || s.ahead {
		return rest
	}
	return first
}

// take is what is to be stepped next, most letters of it, one at least if any waits. The turn is held until they are.
func (n *lanes) take(most int) []letter {
	n.refill()
	for i := range n.lanes {
		l := &n.lanes[i]
		some := l.batch[l.at:min(l.at+most, len(l.batch))]
		if len(some) == 0 {
			continue
		}
		l.at += len(some)
		n.waiting.Add(-int64(len(some)))
		if i == rest {
			n.share -= len(some)
		}
		if i != world {
			n.uncount(some)
		}
		return some
	}
	return nil
}

func (n *lanes) uncount(some []letter) {
	for i := range some {
		if conn := some[i].conn; conn != 0 {
			n.crowd.of(conn).taken.Add(1)
		}
	}
}

// refill lets the lanes go on with what has come, in one hold of mu: a letter of a later lane must not be seen before one
// of an earlier that was posted before it (a Hangup before the last Sent of its connection, or before its last Rewritten).
func (n *lanes) refill() {
	if !n.lanes[world].isDone() {
		return
	}
	n.mu.Lock()
	n.lanes[world].turnOver()
	if n.lanes[first].isDone() && (n.share <= 0 || n.lanes[rest].isDone()) {
		n.lanes[first].turnOver()
		n.share = max(shareMin, len(n.lanes[first].batch))
		if n.lanes[rest].isDone() {
			n.lanes[rest].turnOver()
		}
	}
	n.mu.Unlock()
}
