package client

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// modern is what a member of the consumer protocol (KIP-848) needs beside what is common to both: the coordinator gives
// each member partitions by itself, and takes one away only when the member has said that it let it go.
//
//	heartbeat(epoch, what we own) ──▶ coordinator
//	target ◀── epoch, and what we shall own, if that is new
//	let go what is not in target ──▶ take what is ──▶ heartbeat(what we own)
type modern struct {
	untold   bool // the subscription is to be told
	unsure   bool // the last heartbeat was not answered: the next one says everything
	owes     bool // what we own is to be told, at once
	interval seam.Mono
	target   []target
	targeted bool // target is not adopted yet, or not all of it
	unknown  []topicID
}

type topicID = [16]byte

// target is what the coordinator wants this member to own of one topic.
type target struct {
	id      topicID
	numbers []int32
}

// newMemberID is an id of the member's own making: a random UUID.
func (c *Client) newMemberID() string {
	var id topicID
	c.random.Fill(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func (c *Client) maybeModern(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.phase == settled && g.modern.targeted {
		c.reconcile(now, fx)
	}
	if g.beating || g.phase == outside || g.phase == leaving {
		return
	}
	due := g.beatAt
	switch {
	case g.phase == joining:
		due = g.retryAt
	case (g.modern.owes || g.modern.untold) && g.phase == settled:
		due = max(now.Mono, g.retryAt)
	}
	if now.Mono < due {
		fx.Wake(due)
		return
	}
	c.beat(now, fx)
}

// beat says where this member stands. What the coordinator knows is left out.
func (c *Client) beat(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.member == "" {
		g.member = c.newMemberID()
	}
	ask := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	ask.Group, ask.MemberID, ask.MemberEpoch, ask.RebalanceTimeoutMillis = c.config.GroupID, g.member, max(g.generation, 0), -1
	if c.config.InstanceID != "" {
		ask.InstanceID = &c.config.InstanceID
	}
	all := g.phase == joining || g.modern.unsure
	if all || g.modern.untold {
		ask.SubscribedTopicNames = append([]string{}, g.names...)
		ask.SubscribedTopicRegex = &g.source
	}
	if all {
		ask.RebalanceTimeoutMillis = millis(c.config.PollIntervalMax)
		if c.config.RemoteAssignor != "" {
			ask.ServerAssignor = &c.config.RemoteAssignor
		}
		if c.config.Rack != "" {
			ask.RackID = &c.config.Rack
		}
	}
	if all || g.modern.owes {
		ask.Topics = c.ownedByID(g.phase == joining)
	}
	if n := c.maybeCoordinator(now, fx); n != nil && g.source != "" {
		if version, ok := c.version(n, ask); ok && version < 1 { // without patterns (Kafka 3.9)
			c.quit(now, wire.UnsupportedVersion, fx)
			return
		}
	}
	first := g.phase == joining
	epoch := g.generation
	g.beating = c.askCoordinator(now, ask, 1, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, fx *seam.Effects) {
		g.beating = false
		r, _ := answer.(*kmsg.ConsumerGroupHeartbeatResponse)
		switch {
		case g.phase == outside || g.phase == leaving || g.generation != epoch || first != (g.phase == joining):
		case r == nil:
			g.modern.unsure = true
			c.rest(now)
		default:
			c.onModernBeat(now, r, fx)
		}
	})
	if g.beating {
		g.beatAt = now.Mono + g.modern.interval
		g.modern.unsure, g.modern.untold, g.modern.owes = false, false, false
	}
}

// ownedByID is what this member owns, as the coordinator names it. nothing: it says that it owns nothing.
func (c *Client) ownedByID(nothing bool) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	topics := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if nothing {
		return topics
	}
	for _, h := range c.group.holds {
		if n := len(topics); n == 0 || topics[n-1].TopicID != h.id {
			one := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			one.TopicID = h.id
			topics = append(topics, one)
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, h.Number)
	}
	return topics
}

func (c *Client) onModernBeat(now seam.Now, r *kmsg.ConsumerGroupHeartbeatResponse, fx *seam.Effects) {
	g := &c.group
	code := wire.Code(r.ErrorCode)
	if code.Failed() {
		g.modern.unsure = true
	}
	switch {
	case code == wire.FencedMemberEpoch, code == wire.UnknownMemberID:
		c.expelled(now, true, fx)
	case isElsewhere(code):
		c.misled(now)
		c.rest(now)
		c.mention(code, fx)
	case code == wire.GroupIDNotFound && g.phase != joining:
		c.expelled(now, true, fx)
	case retriable(code):
		c.rest(now)
		c.mention(code, fx)
	case code.Failed():
		c.quit(now, code, fx)
	default:
		c.onEpoch(now, r, fx)
	}
}

func (c *Client) onEpoch(now seam.Now, r *kmsg.ConsumerGroupHeartbeatResponse, fx *seam.Effects) {
	g := &c.group
	if r.MemberID != nil && *r.MemberID != "" {
		g.member = *r.MemberID
	}
	g.generation, g.failures, g.retryAt, g.code = r.MemberEpoch, 0, 0, wire.None
	g.modern.interval = max(seam.Mono(r.HeartbeatIntervalMillis)*seam.Millisecond, c.config.RetryBackoff)
	g.beatAt = now.Mono + g.modern.interval
	if g.phase == joining {
		g.phase, g.modern.targeted, g.modern.target = settled, true, nil
	}
	if r.Assignment != nil {
		g.modern.targeted, g.modern.target, g.modern.unknown = true, nil, nil
		for _, t := range r.Assignment.Topics {
			g.modern.target = append(g.modern.target, target{t.TopicID, slices.Clone(t.Partitions)})
		}
	}
	c.maybeModern(now, fx)
}

// reconcile comes as near to the target as is known by name; the rest waits for the cluster to name it.
func (c *Client) reconcile(now seam.Now, fx *seam.Effects) {
	g := &c.group
	var given []Partition
	ids := map[string]topicID{}
	before := len(g.modern.unknown)
	g.modern.unknown = g.modern.unknown[:0]
	for _, t := range g.modern.target {
		named := c.topicWithID(t.id)
		if named == nil {
			g.modern.unknown = append(g.modern.unknown, t.id)
			continue
		}
		ids[named.name] = t.id
		given = appendPartitions(given, named.name, t.numbers)
	}
	if len(g.modern.unknown) > 0 {
		if c.wantMetadata(); before == len(g.modern.unknown) {
			return // nothing was named since
		}
	}
	slices.SortStableFunc(given, Partition.Compare)
	g.modern.targeted = len(g.modern.unknown) > 0
	c.adopt(now, slices.Compact(given), func(seam.Now, bool, *seam.Effects) { g.modern.owes = true }, fx)
	for _, h := range g.holds {
		if id, ok := ids[h.Topic]; ok {
			h.id = id
		}
	}
}

func (c *Client) topicWithID(id topicID) *topic {
	for _, t := range c.topics.All() {
		if t.known && t.id == id {
			return t
		}
	}
	return nil
}

// sayLeave says good-bye: -1, or -2 of a static member, which may come back.
func (c *Client) sayLeave(now seam.Now, then func(seam.Now, wire.Code), fx *seam.Effects) bool {
	g := &c.group
	ask := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	ask.Group, ask.MemberID, ask.MemberEpoch, ask.RebalanceTimeoutMillis = c.config.GroupID, g.member, -1, -1
	if c.config.InstanceID != "" {
		ask.MemberEpoch, ask.InstanceID = -2, &c.config.InstanceID
	}
	return c.askCoordinator(now, ask, 1, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ *seam.Effects) {
		if g.phase != leaving {
			return
		}
		if r, _ := answer.(*kmsg.ConsumerGroupHeartbeatResponse); r != nil {
			then(now, wire.Code(r.ErrorCode))
		} else {
			then(now, wire.NetworkException)
		}
	})
}
