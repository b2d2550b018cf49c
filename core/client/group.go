package client

import (
	"regexp"
	"slices"

	"rookery/core/client/assignor"
	"rookery/core/must"
	"rookery/core/seam"
	"rookery/core/wire"
)

// phase is how far a member has come.
//
//	                 ┌───────────── the group rebalances ─────────────┐
//	outside ─▶ joining ─▶ assigning ─▶ syncing ─▶ settled ─▶ yielding ┘
//	   ▲                  (the leader)                          │
//	   └──────────────────── leaving ◀── unsubscribed, closed ──┘
//
// With the consumer protocol (KIP-848) there is no round to wait for: joining, settled, yielding, leaving.
type phase uint8

const (
	outside   phase = iota
	joining         // JoinGroup, or the first heartbeat, is under way or to be sent
	assigning       // this member leads the group, and has not heard of all its topics
	syncing         // SyncGroup is under way
	settled
	yielding // the application was told what it is to let go; or what it has processed is being committed
	leaving
)

// group is the client's part in its consumer group. Without a Subscribe it is in no phase but outside, and holds what the
// application assigned itself.
type group struct {
	coordinator coordinator

	names      []string // what was subscribed to; or
	pattern    *regexp.Regexp
	source     string // pattern, as it was given
	subscribed bool
	searched   bool     // the cluster's topics have been held against pattern
	topics     []string // that are subscribed to, in order

	phase      phase
	member     string
	generation int32 // the member epoch, of the consumer protocol; -1: none
	assignor   assignor.Assignor
	leads      bool
	before     []Partition // what the group gave it last
	rejoin     bool        // something has changed that the group must hear of
	told       []string    // topics, as the group heard of them last
	retryAt    seam.Mono
	failures   int
	busy       bool              // the request that moves phase on is under way
	peers      []assignor.Member // of the leader, until it has assigned, or has no doubt about what is assigned
	counts     assignor.Topics   // partitions of the group's topics, when this member assigned them
	decideBy   seam.Mono         // when assigning does not wait for metadata any more
	recallAt   seam.Mono         // when the leader calls for another round, if nobody has: it has held something back; 0: it has not

	holds  []*hold // in order
	order  uint64  // of the last of them
	yield  yield
	idle   bool      // the application waits for records
	polled seam.Mono // when it came back last
	late   bool      // it did not in time: it is out of the group until it does
	code   wire.Code // what the application was told last
	endBy  seam.Mono // of leaving
	later  []*Assign // what the application wishes to read when it has left

	beating bool
	beatAt  seam.Mono // of the next heartbeat

	commits     []*commit
	sending     bool
	uncommitted *Committed // what could not be committed while the client closed
	commitAt    seam.Mono  // of the next automatic one
	fetching    bool
	fetchAt     seam.Mono // not before this
	fetched     int       // failures

	modern modern
}

// hold is a partition that is ours, and how far it was processed.
type hold struct {
	Partition
	order     uint64  // tells it from an earlier hold of the same partition
	id        topicID // of the topic, as the coordinator of the consumer protocol said
	known     bool    // to the application, which has Assigned it: what it told before is of an earlier hold
	processed Place   // Offset -1: nobody has said
	committed int64
}

// yield is what the application was asked to let go, and what is done when it has.
type yield struct {
	tag        uint64
	partitions []Partition
	released   bool
	gathered   bool      // what it has processed is in commits
	awaits     []*commit // that have to be answered before
	then       func(now seam.Now, fx *seam.Effects)
}

func (c *Client) holdOf(p Partition) *hold {
	if at, ok := slices.BinarySearchFunc(c.group.holds, p, func(h *hold, p Partition) int { return h.Compare(p) }); ok {
		return c.group.holds[at]
	}
	return nil
}

// knownHoldOf is the hold that the application speaks of. One that is busy for long may have lost a partition and been
// given it anew when it tells how far it had come before: that would set the group back.
func (c *Client) knownHoldOf(p Partition) *hold {
	if h := c.holdOf(p); h != nil && h.known {
		return h
	}
	return nil
}

func (c *Client) take(p Partition) {
	g := &c.group
	if at, ok := slices.BinarySearchFunc(g.holds, p, func(h *hold, p Partition) int { return h.Compare(p) }); !ok {
		g.order++
		g.holds = slices.Insert(g.holds, at, &hold{Partition: p, order: g.order, processed: Place{Partition: p, Offset: -1}, committed: -1})
	}
}

func (c *Client) release(p Partition) {
	c.onUnassign(&Unassign{p.Topic, p.Number})
	c.group.holds = slices.DeleteFunc(c.group.holds, func(h *hold) bool { return h.Partition == p })
}

func (c *Client) held() []Partition {
	all := make([]Partition, 0, len(c.group.holds))
	for _, h := range c.group.holds {
		all = append(all, h.Partition)
	}
	return all
}

// mayAssign says whether the application may read a partition: of a group's it must hold it.
func (c *Client) mayAssign(p Partition) bool {
	switch {
	case c.config.GroupID == "":
		return true
	case c.group.subscribed || c.group.phase != outside:
		h := c.holdOf(p)
		return h != nil && !slices.Contains(c.group.yield.partitions, p)
	}
	c.take(p)
	return true
}

func (c *Client) onSubscribe(now seam.Now, in *Subscribe, fx *seam.Effects) {
	g := &c.group
	if c.closing {
		return
	}
	if c.config.GroupID == "" {
		c.post(&GroupTrouble{Code: wire.InvalidGroupID, Stopped: true}, fx)
		return
	}
	g.code = wire.None
	if len(in.Topics) == 0 && in.Pattern == "" {
		c.beginLeave(now, fx)
		return
	}
	var pattern *regexp.Regexp
	if in.Pattern != "" && !c.config.Modern {
		var err error
		if pattern, err = regexp.Compile("^(?:" + in.Pattern + ")$"); err != nil {
			c.post(&GroupTrouble{Code: wire.InvalidRegularExpression, Stopped: true}, fx)
			c.beginLeave(now, fx)
			return
		}
		c.wantMetadata()
	}
	g.later = nil
	if g.subscribed = true; g.phase == outside {
		for _, p := range c.held() {
			c.release(p) // what the application assigned itself
		}
	}
	g.pattern, g.source, g.searched = pattern, in.Pattern, false
	g.names = slices.Compact(slices.Sorted(slices.Values(in.Topics)))
	g.topics = g.names
	for _, name := range g.topics {
		c.topicNamed(name)
	}
	g.rejoin, g.modern.untold = true, true
	g.idle, g.polled, g.late = false, now.Mono, false
	if g.phase == outside {
		g.phase = joining
	}
}

// onPolled notes that the application has come back, and how far it has come.
func (c *Client) onPolled(now seam.Now, in *Polled) {
	g := &c.group
	for _, place := range in.Processed {
		if h := c.knownHoldOf(place.Partition); h != nil && place.Offset >= 0 {
			h.processed = place
		}
	}
	if g.yield.tag == 0 || g.yield.released {
		g.idle = in.Idle
	}
	g.polled = now.Mono
	if g.late {
		if g.late = false; g.phase == outside && g.subscribed {
			g.phase = joining
		}
	}
}

func (c *Client) onReleased(in *Released) {
	if y := &c.group.yield; y.tag != 0 && in.Tag == y.tag {
		y.released = true
	}
}

// isOut says that nothing of the group is left to be done.
func (c *Client) isOut() bool { return c.group.phase == outside && len(c.group.commits) == 0 }

// closeGroup leaves the group, after the application has let go and what it has processed is committed. It has
// RequestTimeout for all of that.
func (c *Client) closeGroup(now seam.Now, fx *seam.Effects) {
	if c.config.GroupID == "" {
		return
	}
	if c.group.phase == outside {
		c.gather(now)
		for _, one := range c.group.commits {
			one.deadline = min(one.deadline, now.Mono+c.config.RequestTimeout)
		}
	}
	c.beginLeave(now, fx)
}

func (c *Client) beginLeave(now seam.Now, fx *seam.Effects) {
	g := &c.group
	g.subscribed, g.names, g.pattern, g.source, g.topics = false, nil, nil, "", nil
	if g.phase == outside || g.phase == leaving {
		return
	}
	g.endBy = now.Mono + c.config.RequestTimeout
	leave := func(seam.Now, *seam.Effects) { g.phase, g.busy, g.failures, g.retryAt = leaving, false, 0, 0 }
	switch {
	case g.yield.then != nil:
		g.yield.then = func(now seam.Now, fx *seam.Effects) { c.letGo(now, c.held(), leave, fx) }
	case g.busy && !c.config.Modern && g.coordinator.node != nil:
		c.cut(now, g.coordinator.node, fx) // a join may be held back for minutes, and what is asked after it too
		fallthrough
	default:
		c.letGo(now, c.held(), leave, fx)
	}
}

// maybeGroup moves the group on.
func (c *Client) maybeGroup(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if c.config.GroupID == "" {
		return
	}
	c.maybeLate(now, fx)
	c.maybeYield(now, fx)
	if c.config.Modern {
		c.maybeModern(now, fx)
	} else {
		c.maybeDoubt()
		c.maybeRejoin(now, fx)
		c.maybeDecide(now, fx)
		c.maybeHeartbeat(now, fx)
	}
	c.maybeLeave(now, fx)
	c.maybeCommit(now, fx)
	if g.yield.then != nil && g.yield.gathered && !c.isCommitting() {
		fx.Wake(now.Mono)
	}
	c.maybeAssignLater(now.Mono, fx)
	c.maybeAskCommitted(now, fx)
	must.Be(g.phase != outside || g.yield.then == nil, "N5: nobody who is in no group is asked to let go for it")
}

// maybeAssignLater takes what the application wishes to read itself, once it is out of the group.
func (c *Client) maybeAssignLater(now seam.Mono, fx *seam.Effects) {
	later := c.group.later
	if len(later) == 0 || c.group.phase != outside {
		return
	}
	c.group.later = nil
	fx.Wake(now)
	for _, in := range later {
		c.onAssign(in, fx)
	}
}

// maybeLate takes a member out whose application does not come back (max.poll.interval.ms): somebody else shall have its
// partitions.
func (c *Client) maybeLate(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.idle && g.yield.tag == 0 || g.phase == outside || g.phase == leaving {
		return
	}
	deadline := g.polled + c.config.PollIntervalMax
	if c.isLeaving() {
		deadline = min(deadline, g.endBy)
	}
	if now.Mono < deadline {
		fx.Wake(deadline)
		return
	}
	g.late = true
	c.lost(fx)
	if g.busy && g.coordinator.node != nil {
		c.cut(now, g.coordinator.node, fx)
	}
	if !c.isLeaving() {
		g.endBy = now.Mono + c.config.RequestTimeout
	}
	g.phase, g.busy, g.failures, g.retryAt = leaving, false, 0, 0
}

// isLeaving says whether the member is on its way out.
func (c *Client) isLeaving() bool { return !c.group.subscribed && c.group.phase != outside }

// letGo asks the application to let partitions go. What it has processed is committed before then goes on.
func (c *Client) letGo(now seam.Now, partitions []Partition, then func(seam.Now, *seam.Effects), fx *seam.Effects) {
	g := &c.group
	g.phase = yielding
	g.yield = yield{partitions: partitions, released: len(partitions) == 0, then: then}
	if len(partitions) == 0 {
		return
	}
	c.order++
	g.yield.tag = c.order
	g.idle, g.polled = false, now.Mono
	for _, p := range partitions {
		c.onUnassign(&Unassign{p.Topic, p.Number})
	}
	c.post(&Revoked{Tag: g.yield.tag, Partitions: slices.Clone(partitions)}, fx)
}

// maybeYield goes on when the application has let go and nothing is left to be committed.
func (c *Client) maybeYield(now seam.Now, fx *seam.Effects) {
	g := &c.group
	for g.yield.then != nil && g.yield.released {
		if !g.yield.gathered {
			g.yield.gathered = true
			c.gather(now)
			g.yield.awaits = slices.Clone(g.commits)
		}
		if c.isCommitting() {
			return
		}
		y := g.yield
		g.yield = yield{}
		for _, p := range y.partitions {
			c.release(p)
		}
		y.then(now, fx)
	}
}

// isCommitting says whether any of the commits is under way that letting go waits for. Those that came behind it are no reason: there may
// be always one.
func (c *Client) isCommitting() bool {
	return slices.ContainsFunc(c.group.yield.awaits, func(one *commit) bool { return slices.Contains(c.group.commits, one) })
}

// adopt takes what the group has given us: the rest is let go, and then goes on when it is.
func (c *Client) adopt(now seam.Now, given []Partition, then func(now seam.Now, dropped bool, fx *seam.Effects), fx *seam.Effects) {
	var dropped, added []Partition
	for _, p := range c.held() {
		if !slices.Contains(given, p) {
			dropped = append(dropped, p)
		}
	}
	for _, p := range given {
		if c.holdOf(p) == nil {
			added = append(added, p)
			c.take(p)
			c.topicNamed(p.Topic)
		}
	}
	if len(dropped) == 0 {
		c.group.phase = settled
		c.post(&Assigned{Partitions: added, Generation: c.group.generation}, fx)
		then(now, false, fx)
		return
	}
	c.letGo(now, dropped, func(now seam.Now, fx *seam.Effects) {
		c.group.phase = settled
		then(now, true, fx)
	}, fx)
	c.post(&Assigned{Partitions: added, Generation: c.group.generation}, fx)
}

// lost tells the application that what it had is not its own any more: somebody else may have it already.
func (c *Client) lost(fx *seam.Effects) {
	g := &c.group
	lost := c.held()
	if c.closing && c.config.AutoCommitInterval > 0 && !g.yield.gathered { // nobody commits it any more
		if left := c.processed(false); len(left) > 0 {
			g.uncommitted = &Committed{Code: wire.IllegalGeneration}
			for _, p := range left {
				g.uncommitted.Places = append(g.uncommitted.Places, CommittedPlace{p.Place, wire.IllegalGeneration})
			}
		}
	}
	for _, p := range lost {
		c.release(p)
	}
	told := g.yield.partitions
	g.yield = yield{}
	lost = slices.DeleteFunc(lost, func(p Partition) bool { return slices.Contains(told, p) })
	if len(lost) > 0 || len(told) > 0 {
		c.order++
		c.post(&Revoked{Tag: c.order, Partitions: lost, Lost: true}, fx)
	}
}

// expelled begins anew as a member that the group does not know. keep: under the same id.
func (c *Client) expelled(now seam.Now, keep bool, fx *seam.Effects) {
	g := &c.group
	c.lost(fx)
	if g.generation, g.busy, g.leads = -1, false, false; !keep {
		g.member = ""
	}
	g.phase, g.retryAt = joining, now.Mono
	switch {
	case g.subscribed:
	case keep:
		g.phase = leaving // a member it may be still, of a generation that it has not heard of
	default:
		g.phase = outside
	}
}

// quit ends membership until the application subscribes anew.
func (c *Client) quit(now seam.Now, code wire.Code, fx *seam.Effects) {
	g := &c.group
	c.lost(fx)
	g.phase, g.subscribed, g.busy, g.member, g.generation = outside, false, false, "", -1
	g.code = code
	c.post(&GroupTrouble{Code: code, Stopped: true}, fx)
}

// mention tells the application of something that may pass, once.
func (c *Client) mention(code wire.Code, fx *seam.Effects) {
	if g := &c.group; g.code != code {
		g.code = code
		c.post(&GroupTrouble{Code: code}, fx)
	}
}

// rest has phase's request sent again after a pause.
func (c *Client) rest(now seam.Now) {
	g := &c.group
	g.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, g.failures)
	g.failures++
}

// search holds the cluster's topics against the pattern. They are told by name in answers that have all of them.
func (c *Client) search(names []string) {
	g := &c.group
	if g.pattern == nil {
		return
	}
	var found []string
	for _, name := range names {
		if g.pattern.MatchString(name) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	g.searched, g.topics = true, slices.Compact(found)
	for _, name := range g.topics {
		c.topicNamed(name)
	}
}

// notice has the group join again if its topics are not what they were.
func (c *Client) notice() {
	g := &c.group
	if g.phase != settled || c.config.Modern {
		return
	}
	if !slices.Equal(g.topics, g.told) {
		g.rejoin = true
	}
	if !g.leads {
		return
	}
	for name, count := range g.counts.All() {
		if t, ok := c.topics.Find(name); ok && t.isTold() && t.partitionCount() != count {
			g.rejoin = true
		}
	}
}

// isTold says whether the cluster has said how many partitions a topic has now, or that there is none.
func (t *topic) isTold() bool {
	return t.code == wire.None && t.known || t.code == wire.UnknownTopicOrPartition || t.code == wire.InvalidTopicException || t.code == wire.TopicAuthorizationFailed
}

func (t *topic) partitionCount() int32 {
	if t.code.Failed() {
		return 0
	}
	return int32(t.count)
}
