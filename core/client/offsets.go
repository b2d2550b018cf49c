package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// commit is some positions that are to be committed. One request is under way at a time, the oldest first: what is tried
// again never overtakes what came later.
type commit struct {
	tag      uint64
	asked    bool // by the application, who is told
	left     []pledge
	done     []CommittedPlace
	deadline seam.Mono
	retryAt  seam.Mono
	failures int
}

// pledge is one position, and the hold of its partition when it was handed over: who comes to own the partition again
// must not commit what it had before. 0: there was none that the application knew of; of who is no member the broker judges,
// a member has lost it.
type pledge struct {
	Place
	hold uint64
}

// commitsMax is how many Commits may wait.
const commitsMax = 1000

func (c *Client) onCommit(now seam.Now, in *Commit, fx *seam.Effects) {
	g := &c.group
	one := &commit{tag: in.Tag, asked: true, deadline: now.Mono + patience(in.Timeout, c.config.RequestTimeout)}
	if in.Places == nil {
		one.left = c.processed(true)
	}
	for _, place := range in.Places {
		p := pledge{Place: place}
		if h := c.knownHoldOf(place.Partition); h != nil {
			p.hold = h.order
			if place.Offset > h.processed.Offset {
				h.processed = place // or what is committed by itself would go back behind it
			}
		}
		one.left = append(one.left, p)
	}
	switch {
	case c.config.GroupID == "":
		c.conclude(one, wire.InvalidGroupID, NoFault, fx)
	case c.closing && c.isOut():
		c.conclude(one, wire.None, ShutDown, fx)
	case len(g.commits) >= commitsMax:
		c.conclude(one, wire.None, BufferFull, fx)
	case len(one.left) == 0:
		c.conclude(one, wire.None, NoFault, fx)
	default:
		g.commits = append(g.commits, one)
	}
}

// processed is how far we have come: everywhere, or only where that is not committed yet.
func (c *Client) processed(all bool) (list []pledge) {
	for _, h := range c.group.holds {
		if h.processed.Offset >= 0 && (all || h.processed.Offset != h.committed) {
			list = append(list, pledge{h.processed, h.order})
		}
	}
	return list
}

// gather puts what has been processed into commits, if the client commits by itself.
func (c *Client) gather(now seam.Now) {
	if c.config.AutoCommitInterval <= 0 {
		return
	}
	if fresh := c.processed(false); len(fresh) > 0 {
		c.group.commits = append(c.group.commits, &commit{left: fresh, deadline: now.Mono + c.config.RequestTimeout})
	}
}

// maybeCommit commits when it is time, and sends the oldest commit.
func (c *Client) maybeCommit(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if c.config.AutoCommitInterval > 0 && len(g.holds) > 0 && !c.closing {
		switch {
		case g.commitAt == 0:
			g.commitAt = now.Mono + c.config.AutoCommitInterval
		case now.Mono >= g.commitAt:
			g.commitAt = now.Mono + c.config.AutoCommitInterval
			if !slices.ContainsFunc(g.commits, func(one *commit) bool { return !one.asked }) {
				c.gather(now)
			}
		}
		fx.Wake(g.commitAt)
	}
	for _, one := range slices.Clone(g.commits) {
		if c.disown(one); now.Mono >= one.deadline {
			c.conclude(one, wire.None, TimedOut, fx)
		} else {
			fx.Wake(one.deadline)
		}
	}
	for len(g.commits) > 0 && !g.sending {
		if one := g.commits[0]; len(one.left) > 0 {
			c.sendCommit(now, one, fx)
			return
		}
		c.conclude(g.commits[0], wire.None, NoFault, fx)
	}
}

// disown fails what this member held and holds no more.
func (c *Client) disown(one *commit) {
	one.left = slices.DeleteFunc(one.left, func(p pledge) bool {
		h := c.holdOf(p.Partition)
		mine := p.hold == 0 && !c.group.subscribed && c.group.phase == outside || h != nil && h.order == p.hold
		if !mine {
			one.done = append(one.done, CommittedPlace{p.Place, wire.IllegalGeneration})
		}
		return !mine
	})
}

// conclude tells the application what became of a commit. What is left of it failed, or nobody knows.
func (c *Client) conclude(one *commit, code wire.Code, fault Fault, fx *seam.Effects) {
	g := &c.group
	if i := slices.Index(g.commits, one); i >= 0 {
		g.commits = slices.Delete(g.commits, i, i+1)
	}
	told := &Committed{Tag: one.tag, Places: one.done, Code: code, Fault: fault}
	for _, p := range one.left {
		told.Places = append(told.Places, CommittedPlace{p.Place, code})
	}
	for _, p := range one.done {
		if p.Code.Failed() && !told.Code.Failed() {
			told.Code = p.Code
		}
	}
	c.noteCommitted(one.done)
	if one.asked {
		c.post(told, fx)
	} else if c.closing && told.Failed() {
		left := slices.DeleteFunc(slices.Clone(told.Places), func(p CommittedPlace) bool { // it may have been disowned while it was under way
			return slices.ContainsFunc(one.done, func(d CommittedPlace) bool { return d.Place == p.Place && !d.Code.Failed() })
		})
		if len(left) > 0 {
			g.uncommitted = &Committed{Code: told.Code, Fault: fault, Places: left}
		}
	}
}

// noteCommitted takes out of what could not be committed what has been after all.
func (c *Client) noteCommitted(done []CommittedPlace) {
	g := &c.group
	if g.uncommitted == nil {
		return
	}
	g.uncommitted.Places = slices.DeleteFunc(g.uncommitted.Places, func(old CommittedPlace) bool {
		return slices.ContainsFunc(done, func(p CommittedPlace) bool {
			return p.Partition == old.Partition && p.Offset >= old.Offset && !p.Code.Failed()
		})
	})
	if len(g.uncommitted.Places) == 0 {
		g.uncommitted = nil
	}
}

// failCommits ends all of them.
func (c *Client) failCommits(code wire.Code, fx *seam.Effects) {
	for len(c.group.commits) > 0 {
		c.conclude(c.group.commits[0], code, NoFault, fx)
	}
}

func (c *Client) sendCommit(now seam.Now, one *commit, fx *seam.Effects) {
	g := &c.group
	if now.Mono < one.retryAt {
		fx.Wake(one.retryAt)
		return
	}
	if g.subscribed && g.generation < 0 || g.phase == joining || g.phase == assigning || g.phase == syncing {
		return // it waits for the member's next place in the group, or would be judged by it when it is looked at
	}
	ask := kmsg.NewPtrOffsetCommitRequest()
	ask.Group, ask.Generation, ask.MemberID = c.config.GroupID, g.generation, g.member
	if c.config.InstanceID != "" && g.member != "" {
		ask.InstanceID = &c.config.InstanceID
	}
	for _, p := range one.left {
		at := slices.IndexFunc(ask.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return t.Topic == p.Topic })
		if at < 0 {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = p.Topic
			at, ask.Topics = len(ask.Topics), append(ask.Topics, t)
		}
		row := kmsg.NewOffsetCommitRequestTopicPartition()
		metadata := p.Metadata
		row.Partition, row.Offset, row.Metadata, row.LeaderEpoch = p.Number, p.Offset, &metadata, p.Place.epoch()
		ask.Topics[at].Partitions = append(ask.Topics[at].Partitions, row)
	}
	sent := append([]pledge(nil), one.left...)
	generation := g.generation
	g.sending = c.askCoordinator(now, ask, 9, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, fx *seam.Effects) {
		g.sending = false
		r, _ := answer.(*kmsg.OffsetCommitResponse)
		c.onCommitted(now, one, sent, generation, r, fx)
	})
}

// epoch is the leader epoch of the last record before a place. 0 means that nobody said.
func (p *Place) epoch() int32 {
	if p.LeaderEpoch <= 0 {
		return -1
	}
	return p.LeaderEpoch
}

func (c *Client) onCommitted(now seam.Now, one *commit, sent []pledge, generation int32, r *kmsg.OffsetCommitResponse, fx *seam.Effects) {
	g := &c.group
	member := wire.None // what is wrong with this member
	for _, p := range sent {
		code, ok := commitCode(r, p.Partition)
		again := !ok || isElsewhere(code) || code == wire.RebalanceInProgress || code == wire.StaleMemberEpoch || retriable(code)
		if code == wire.UnknownTopicOrPartition {
			again = one.asked // by itself the client commits the place again, if it is there again; others must not wait for that
		}
		switch code {
		case wire.NotCoordinator, wire.CoordinatorNotAvailable, wire.RequestTimedOut:
			c.misled(now)
		case wire.UnknownMemberID, wire.IllegalGeneration, wire.FencedInstanceID, wire.FencedMemberEpoch:
			member = code
		case wire.RebalanceInProgress:
			g.rejoin = true
		}
		if again {
			continue
		}
		if h := c.holdOf(p.Partition); !code.Failed() && h != nil && h.order == p.hold {
			h.committed = p.Offset
		}
		one.left = slices.DeleteFunc(one.left, func(q pledge) bool { return q == p })
		one.done = append(one.done, CommittedPlace{p.Place, code})
	}
	one.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, one.failures)
	one.failures++
	switch {
	case member == wire.None || g.phase == outside || g.phase == leaving || generation < 0 || generation != g.generation:
	case member == wire.FencedInstanceID:
		c.quit(now, member, fx)
	default:
		c.expelled(now, member != wire.UnknownMemberID || c.config.Modern, fx)
	}
}

func commitCode(r *kmsg.OffsetCommitResponse, p Partition) (wire.Code, bool) {
	if r == nil {
		return wire.None, false
	}
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			if row := &r.Topics[i].Partitions[j]; r.Topics[i].Topic == p.Topic && row.Partition == p.Number {
				return wire.Code(row.ErrorCode), true
			}
		}
	}
	return wire.None, false
}

// maybeAskCommitted asks where the group has come to in partitions that are to be read from there.
func (c *Client) maybeAskCommitted(now seam.Now, fx *seam.Effects) {
	g := &c.group
	if g.fetching || c.closing || c.isHeldBack() || !slices.ContainsFunc(c.assignments, func(a *assignment) bool { return a.resuming }) {
		return
	}
	if now.Mono < g.fetchAt {
		fx.Wake(g.fetchAt)
		return
	}
	ask := kmsg.NewPtrOffsetFetchRequest()
	ask.Group, ask.RequireStable = c.config.GroupID, true // or what a transaction under way is about to commit would be read again
	all := kmsg.NewOffsetFetchRequestGroup()
	all.Group = c.config.GroupID
	if c.config.Modern && g.generation > 0 { // who is out of the group, and does not know it yet, is to hear of it
		member := g.member
		all.MemberID, all.MemberEpoch = &member, g.generation
	}
	var about []*assignment
	for _, a := range c.assignments {
		if !a.resuming {
			continue
		}
		about = append(about, a)
		at := slices.IndexFunc(all.Topics, func(t kmsg.OffsetFetchRequestGroupTopic) bool { return t.Topic == a.topic.name })
		if at < 0 {
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic = a.topic.name
			at, all.Topics = len(all.Topics), append(all.Topics, t)
		}
		all.Topics[at].Partitions = append(all.Topics[at].Partitions, a.number)
	}
	for _, t := range all.Topics {
		one := kmsg.NewOffsetFetchRequestTopic()
		one.Topic, one.Partitions = t.Topic, t.Partitions
		ask.Topics = append(ask.Topics, one)
	}
	ask.Groups = append(ask.Groups, all)
	g.fetching = c.askCoordinator(now, ask, 9, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, fx *seam.Effects) {
		g.fetching = false
		r, _ := answer.(*kmsg.OffsetFetchResponse)
		c.onResume(now, about, all.MemberEpoch, r, fx)
	})
}

// resumption is what OffsetFetch says of one partition.
type resumption struct {
	offset int64
	code   wire.Code
}

func (c *Client) onResume(now seam.Now, about []*assignment, epoch int32, r *kmsg.OffsetFetchResponse, fx *seam.Effects) {
	g := &c.group
	again := false
	code, found := resumptions(r)
	judged := epoch > 0 && (code == wire.StaleMemberEpoch || code == wire.UnknownMemberID) // as the member that we were
	switch {
	case isElsewhere(code):
		c.misled(now)
	case judged && code == wire.UnknownMemberID && g.generation == epoch && g.phase != outside && g.phase != leaving:
		c.expelled(now, true, fx)
	}
	for _, a := range about {
		if a.dropped || !a.resuming {
			continue
		}
		at, ok := found[Partition{Topic: a.topic.name, Number: a.number}]
		why := at.code
		switch {
		case code.Failed():
			why = code
		case !ok:
			why = wire.UnknownServerError
		}
		switch {
		case r == nil:
			again = true
		case why.Failed() && (judged || retriable(why) || why == wire.UnstableOffsetCommit):
			again = true
		case why.Failed():
			a.resuming = false
			c.complain(a, why, true, fx)
		default:
			c.resume(a, at.offset, fx)
		}
	}
	if g.fetched++; !again {
		g.fetched = 0
		return
	}
	g.fetchAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, g.fetched-1)
}

// resumptions reads both forms of the answer: of one group, and of several (KIP-709).
func resumptions(r *kmsg.OffsetFetchResponse) (wire.Code, map[Partition]resumption) {
	found := map[Partition]resumption{}
	switch {
	case r == nil:
		return wire.None, found
	case r.Version < 8:
		for i := range r.Topics {
			for _, row := range r.Topics[i].Partitions {
				found[Partition{Topic: r.Topics[i].Topic, Number: row.Partition}] = resumption{row.Offset, wire.Code(row.ErrorCode)}
			}
		}
		return wire.Code(r.ErrorCode), found
	case len(r.Groups) != 1:
		return wire.UnknownServerError, found
	}
	for i := range r.Groups[0].Topics {
		for _, row := range r.Groups[0].Topics[i].Partitions {
			found[Partition{Topic: r.Groups[0].Topics[i].Topic, Number: row.Partition}] = resumption{row.Offset, wire.Code(row.ErrorCode)}
		}
	}
	return wire.Code(r.Groups[0].ErrorCode), found
}

// resume reads on where the group has come to; where it has not come to yet, as OffsetReset says.
func (c *Client) resume(a *assignment, offset int64, fx *seam.Effects) {
	a.resuming, a.code = false, wire.None
	switch {
	case offset >= 0:
		a.position = offset
		if h := c.holdOf(Partition{Topic: a.topic.name, Number: a.number}); h != nil {
			h.committed = offset
		}
	case c.config.OffsetReset == ResetEarliest:
		a.seek(Earliest)
	case c.config.OffsetReset == ResetLatest:
		a.seek(Latest)
	default:
		c.complain(a, wire.OffsetOutOfRange, true, fx)
	}
}
