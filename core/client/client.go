// Package client is the Client machine: producer, consumer and one-shot requests behind the same doorway as the Broker,
// so that programs use over TCP what runs deterministically in a test.
//
//	application                    Client                                   brokers
//	  Produce ──▶ topic ─▶ partition ─▶ batches ─▶ sequences ──▶ Produce ──────▶
//	  ◀── Deliveries ◀────────────────────────────────────────── answer  ◀──────
//	  Assign, Pause, Poll ──▶ position ──▶ ListOffsets, Fetch ──────────────────▶
//	  ◀── Fetched ◀──── whole batches ◀───────────────────────── answer  ◀──────
//	  Subscribe, Polled, Released ──▶ member ──▶ JoinGroup, SyncGroup, Heartbeat ▶
//	  ◀── Assigned, Revoked ◀─────────────────────────────────── answer  ◀──────
//	  Commit ───────▶ group ──▶ OffsetCommit ───────────────────────────────────▶
//	  Call ─────────▶ any broker, the controller, a leader, one by id ──────────▶
//	  ◀── Answer
//
// The application writes Mail from ToOperator and is written to with Sends to ToOperator (letters.go); brokers are
// ToPeer, with one link each, over which ApiVersions goes first and Metadata whenever what is known has proved wrong.
//
// Rules:
//
//   - Every record handed over in a Produce is told of exactly once, at the latest when DeliveryTimeout is over; every
//     Call is answered once, every Flush and Close too.
//   - An idempotent batch keeps its sequence for as long as anybody may have written it. It gets another one, of the
//     next epoch, only when the broker has refused it (KIP-360) and the refusal proves that it is not there; else it
//     fails, and is said to be unknown.
//   - Of one partition no more than five batches are under way, and an idempotent producer's records are written in the
//     order in which they were handed over (KIP-98). Without idempotence a batch sent again may pass others, unless
//     InFlightMax is 1.
//   - What is written with AcksNone is told of when the broker has read it, or as unknown where the link is lost before.
//   - A lost link means an unknown outcome. Answers are found by correlation id alone: a late one is passed over.
//   - What waits is bounded by BufferBytes on one side and by Poll on the other. A Produce that finds no room is refused
//     at once: holding it back is for the application.
//   - A record goes where its Produce says, or its Partitioner. One that this sends nowhere fails alone.
//   - What is Fetched bears the Tag of the Assign that it comes of: who moves a position can tell what was under way.
//   - A member of a group is told what it gets (Assigned) and reads none of it before it Assigns it: from where the group
//     has come to, or from wherever it keeps its own account. What it must let go (Revoked) is fetched no more at once; the
//     group hears of it when the application has Released it and what it has processed is committed.
//   - The client commits by itself no more than the application says it has processed (Polled), and never what another
//     member may own by now: a Commit goes with the generation in which its partition is held, and fails with that hold.
//     Commits go out one after another, so that none that is tried again overtakes a later one; and none while a classic
//     group takes its places: a coordinator judges it by the generation in which it comes to look at it.
//   - Membership lasts as long as heartbeats are answered well and the application comes back within PollIntervalMax.
//     Whatever ends it, all that was held is told to be lost before anything of it is assigned anew.
//   - A coordinator has a link of its own: a JoinGroup may be held back for minutes.
//   - Where PollIntervalMax or a heartbeat is missed the broker decides, not the client's clock: until it hears of it a
//     member that is cut off may process what somebody else has begun to (Kafka's clients do so, too).
//   - A long Fetch holds up what is asked over the same link after it (a broker answers in order). A program that reads
//     and writes much takes two clients, as Java's does.
//   - A broker is trusted further than a client is: answers are decoded by kmsg, which checks lengths against the bytes
//     that are there but believes an announced number of tags (KIP-482).
//   - Frames are made anew for each Send and given away. A link that brings nothing, or nonsense, is cut (Credit), and
//     what it still brings is passed over.
package client

import (
	"rookery/core/batch"
	"rookery/core/ordered"
	"rookery/core/rng"
	"rookery/core/seam"
)

// Client is the machine.
type Client struct {
	config Config
	random *rng.Source

	nodes       []*node
	turn        int   // whom maybeAny asked last
	correlation int32 // of the last request

	metadata   metadata
	brokers    ordered.Map[int32, *node]
	controller int32
	topics     ordered.Map[string, *topic]

	identity identity
	active   []*partition // with something to send, in the order in which they came to have it
	buffered int          // bytes of the buffer that are taken
	order    uint64       // of the last letter from the application
	flushed  uint64       // what is not younger than this does not wait for company

	assignments []*assignment // in the order in which the next fetch names them
	willing     []*assignment // memory of maybeFetch
	credit      int64

	group group

	calls   []*pendingCall
	flushes []flush
	closing bool
}

// flush is a Flush or a Close that is not answered yet.
type flush struct {
	order uint64
	body  any // the answer
	stop  bool
}

var _ seam.Machine = (*Client)(nil)

// New is a client that has done nothing yet.
func New(config Config) *Client {
	c := &Client{config: config.mended(), random: rng.New(config.Seed), controller: -1}
	c.identity.id = batch.NoProducerID
	c.group.generation = -1
	for _, address := range c.config.Bootstrap {
		c.nodeFor(address.Host, address.Port).bootstrap = true
	}
	return c
}

// Step takes what happened and says what is to be done.
func (c *Client) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Mail:
		if in.From.Kind == seam.ToPeer {
			c.onPeer(now, in, fx)
			if in.Lease != 0 {
				fx.Frees = append(fx.Frees, in.Lease)
			}
		} else {
			c.onOperator(now, in.Body, fx)
		}
	case *seam.Stop:
		c.beginFlush(flush{stop: true})
		c.close(now, fx)
	case *seam.Started, *seam.Alarm:
	case *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting:
		return
	}
	c.work(now, fx)
}

// onOperator takes a letter from the application.
func (c *Client) onOperator(now seam.Now, body any, fx *seam.Effects) {
	switch in := body.(type) {
	case *Produce:
		c.onProduce(now, in, fx)
	case *Assign:
		c.onAssign(in, fx)
	case *Unassign:
		c.onUnassign(in)
	case *Pause:
		c.onPause(in)
	case *Poll:
		c.credit += in.Bytes
	case *Subscribe:
		c.onSubscribe(now, in, fx)
	case *Polled:
		c.onPolled(now, in)
	case *Released:
		c.onReleased(in)
	case *Commit:
		c.onCommit(now, in, fx)
	case *Call:
		c.onCall(now, in, fx)
	case *Flush:
		c.beginFlush(flush{body: &Flushed{in.Tag}})
	case *Close:
		c.beginFlush(flush{body: &Closed{Tag: in.Tag}})
		c.close(now, fx)
	}
}

func (c *Client) close(now seam.Now, fx *seam.Effects) {
	c.closing = true
	c.closeSessions(now, fx)
	c.closeGroup(now, fx)
}

func (c *Client) beginFlush(f flush) {
	f.order = c.order
	c.flushed = c.order
	c.flushes = append(c.flushes, f)
}

// work does all that can be done now, and asks to be called when there will be more.
func (c *Client) work(now seam.Now, fx *seam.Effects) {
	c.maybeGiveUp(now, fx)
	c.maybeTimeOut(now, fx)
	c.maybeExpire(now, fx)
	c.maybeIdentify(now, fx)
	c.maybeProduce(now, fx)
	c.maybeGroup(now, fx)
	c.maybeFetch(now, fx)
	c.maybeCall(now, fx)
	c.maybeAskMetadata(now, fx)
	c.retire(fx)
	c.maybeFlushed(fx)
	c.wakeForDeadlines(now, fx)
}

// maybeFlushed answers the flushes before which nothing is left.
func (c *Client) maybeFlushed(fx *seam.Effects) {
	for len(c.flushes) > 0 && !c.hasOlder(c.flushes[0].order) && (!c.closing || c.isOut()) {
		if f := c.flushes[0]; f.stop {
			fx.Events = append(fx.Events, seam.Event{Kind: seam.Stopped})
		} else {
			if closed, is := f.body.(*Closed); is {
				closed.Uncommitted = c.group.uncommitted
			}
			c.post(f.body, fx)
		}
		c.flushes = c.flushes[1:]
	}
}

// wakeForDeadlines asks for the Alarm at which something is given up or metadata is old. What waits for an answer, and
// for nothing else, needs none.
func (c *Client) wakeForDeadlines(now seam.Now, fx *seam.Effects) {
	for _, n := range c.nodes {
		for _, r := range n.requests {
			fx.Wake(r.deadline)
		}
	}
	for _, p := range c.active {
		for _, k := range p.parcels {
			if !k.told {
				fx.Wake(k.deadline)
				break
			}
		}
	}
	for _, t := range c.topics.All() {
		if len(t.waiting) > 0 {
			fx.Wake(t.waiting[0].deadline)
		}
	}
	for i := range c.calls {
		fx.Wake(c.calls[i].deadline)
	}
	if c.metadata.known && c.isInterested() && !c.closing && c.metadata.staleAt > now.Mono {
		fx.Wake(c.metadata.staleAt)
	}
}
