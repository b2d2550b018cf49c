package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// loner commits under the name of a group in which nobody is a member, reads what was committed, and takes it back: of one
// partition (OffsetDelete), or with the group (DeleteGroups). Several share a group. Some of the topics come and go, and in a
// share of the seeds offsets expire in seconds.
type loner struct {
	*session
	budget int
	found  bool // the coordinator
	next   seam.Mono
	whole  *world.Stream
}

const lonerGroup = "lone"

// lonerShares are those of every group, and the first partitions of the topics that come and go.
const lonerShares = sharesAll + 2

func (r *Run) enterLoners() {
	for i := range r.plan.Loners {
		l := &loner{session: r.client(fmt.Sprintf("loner.%d", i)), budget: r.plan.Budget}
		l.whole = r.tape.Stream(l.name + ".whole")
		r.enter(l.session, l)
	}
	for share := int32(sharesAll); share < lonerShares && r.plan.Loners > 0; share++ { // its topic may be deleted, and deleted again
		r.History.Commits = append(r.History.Commits, &check.Commit{Group: lonerGroup, Share: share, Offset: -1, Generation: -1, Return: check.Unfinished})
	}
}

func (l *loner) share() (share int32, topic string, partition int32) {
	share = int32(l.stream.Choose(lonerShares))
	topic, partition = lonerShare(l.run.plan, share)
	return share, topic, partition
}

func lonerShare(p *Plan, share int32) (topic string, partition int32) {
	if share >= sharesAll {
		return p.Fleeting[share-sharesAll], 0
	}
	return shareOf(share)
}

func (l *loner) idle() bool {
	return len(l.inflight) == 0 && (l.budget == 0 || l.run.draining)
}

func (l *loner) turn(now seam.Mono, fx *seam.Effects) {
	switch {
	case len(l.inflight) > 0 || l.idle():
		return
	case now < l.next:
		fx.Wake(l.next)
		return
	}
	l.next = now + l.think()
	if !l.found {
		l.find(now, fx)
		return
	}
	l.budget--
	switch l.stream.Pick(6, 6, 3, 1) {
	case 0:
		l.commit(now, fx)
	case 1:
		l.fetch(now, fx)
	case 2:
		l.deleteOffset(now, fx)
	case 3:
		l.deleteGroup(now, fx)
	}
}

// request asks, and goes on with whatever is answered. judge says what the answer's code is.
func (l *loner) request(now seam.Mono, q question, request kmsg.Request, fx *seam.Effects, judge func(at seam.Mono, answer kmsg.Response) int16) {
	q.key, q.sent = request.Key(), now
	settle := func(at seam.Mono, answer kmsg.Response) {
		code := judge(at, answer)
		l.run.told(q, code, at)
		if wire.Code(code) == wire.NotCoordinator {
			l.found = false
		}
	}
	l.ask(now, request, fx, &call{settle: settle, done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer != nil {
			settle(at, answer)
		}
		fx.Wake(max(l.next, at+seam.Microsecond))
	}})
}

func (l *loner) find(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.Version, r.CoordinatorKey = 2, lonerGroup
	l.request(now, question{}, r, fx, func(_ seam.Mono, answer kmsg.Response) int16 {
		code := answer.(*kmsg.FindCoordinatorResponse).ErrorCode
		l.found = code == none
		return code
	})
}

// changes notes what is about to be done to offsets, and returns what is to be told how it ended.
func (l *loner) changes(now seam.Mono, commits ...*check.Commit) func(at seam.Mono, code int16) {
	for _, c := range commits {
		c.Group, c.Generation, c.Call, c.Return = lonerGroup, -1, now, check.Unfinished
		l.run.History.Commits = append(l.run.History.Commits, c)
	}
	return func(at seam.Mono, code int16) {
		for _, c := range commits {
			switch wire.Code(code) {
			case wire.None:
				c.Outcome, c.Return = check.Done, at
			case wire.UnknownTopicOrPartition, wire.GroupIDNotFound, wire.CoordinatorLoadInProgress:
				c.Outcome = check.Refused
			}
		}
	}
}

func (l *loner) commit(now seam.Mono, fx *seam.Effects) {
	share, topic, partition := l.share()
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.Generation = int16(2+l.stream.Choose(8)), lonerGroup, -1
	c := &check.Commit{Share: share, Offset: l.run.freshOffset()}
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: l.run.place(partition, c.Offset, r.Version)}}
	ended := l.changes(now, c)
	l.request(now, question{topic: topic}, r, fx, func(at seam.Mono, answer kmsg.Response) int16 {
		code := answer.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
		ended(at, code)
		return code
	})
}

func (l *loner) fetch(now seam.Mono, fx *seam.Effects) {
	share, topic, partition := l.share()
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version, r.Group = int16(2+l.stream.Choose(6)), lonerGroup
	r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{partition}}}
	if l.whole.Choose(3) == 2 {
		r.Topics = nil
	}
	l.request(now, question{}, r, fx, func(at seam.Mono, answer kmsg.Response) int16 {
		a := answer.(*kmsg.OffsetFetchResponse)
		switch {
		case a.ErrorCode != none:
		case r.Topics == nil:
			l.readAll(now, at, a)
		default:
			l.read(now, at, share, &a.Topics[0].Partitions[0], a.Version)
		}
		return a.ErrorCode
	})
}

func (l *loner) read(sent, at seam.Mono, share int32, p *kmsg.OffsetFetchResponseTopicPartition, version int16) {
	l.run.require(p.ErrorCode == none, check.ErrorsAreDue, "%s: %v of a partition", l.name, wire.Code(p.ErrorCode))
	l.run.noted(l.name, p.Offset, p.LeaderEpoch, p.Metadata, version)
	l.run.History.Committed = append(l.run.History.Committed, &check.Committed{Group: lonerGroup, Share: share, Offset: p.Offset, Call: sent, Return: at})
}

// readAll reads an answer about all that the group has committed: of what is not in it there is nothing.
func (l *loner) readAll(sent, at seam.Mono, a *kmsg.OffsetFetchResponse) {
	named := map[check.Partition]*kmsg.OffsetFetchResponseTopicPartition{}
	for i := range a.Topics {
		for j := range a.Topics[i].Partitions {
			p := &a.Topics[i].Partitions[j]
			named[check.Partition{Topic: a.Topics[i].Topic, Number: p.Partition}] = p
		}
	}
	nothing := kmsg.NewOffsetFetchResponseTopicPartition()
	nothing.Offset, nothing.LeaderEpoch = -1, -1
	for share := range int32(lonerShares) {
		topic, partition := lonerShare(l.run.plan, share)
		place := check.Partition{Topic: topic, Number: partition}
		p := named[place]
		if delete(named, place); p == nil {
			p = &nothing
		}
		l.read(sent, at, share, p, a.Version)
	}
	l.run.require(len(named) == 0, check.CommitsKept, "%s: of %d partitions of which it has committed nothing something is told", l.name, len(named))
}

func (l *loner) deleteOffset(now seam.Mono, fx *seam.Effects) {
	share, topic, partition := l.share()
	r := kmsg.NewPtrOffsetDeleteRequest()
	r.Group = lonerGroup
	r.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: partition}}}}
	ended := l.changes(now, &check.Commit{Share: share, Offset: -1})
	l.request(now, question{topic: topic}, r, fx, func(at seam.Mono, answer kmsg.Response) int16 {
		a := answer.(*kmsg.OffsetDeleteResponse)
		code := a.ErrorCode
		if code == none {
			code = a.Topics[0].Partitions[0].ErrorCode
		}
		ended(at, code)
		return code
	})
}

func (l *loner) deleteGroup(now seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Version, r.Groups = int16(l.stream.Choose(3)), []string{lonerGroup}
	var all []*check.Commit
	for share := range int32(lonerShares) {
		all = append(all, &check.Commit{Share: share, Offset: -1})
	}
	ended := l.changes(now, all...)
	l.request(now, question{}, r, fx, func(at seam.Mono, answer kmsg.Response) int16 {
		code := answer.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode
		ended(at, code)
		return code
	})
}

// note is what is put down with an offset: of no two the same.
func note(offset int64) string { return fmt.Sprint("at ", offset) }

// place is an offset as it is committed, with a leader epoch and a note.
func (r *Run) place(partition int32, offset int64, version int16) []kmsg.OffsetCommitRequestTopicPartition {
	text, epoch := note(offset), int32(-1)
	if version >= 6 {
		epoch = int32(offset % 7)
	}
	r.notes[offset] = epoch
	return []kmsg.OffsetCommitRequestTopicPartition{{Partition: partition, Offset: offset, LeaderEpoch: epoch, Metadata: &text}}
}

// noted: an offset is told with what was put down with it, and nothing with nothing.
func (r *Run) noted(who string, offset int64, epoch int32, text *string, version int16) {
	found, due, since := "", "", int32(-1)
	if text != nil {
		found = *text
	}
	if offset >= 0 {
		due, since = note(offset), r.notes[offset]
	}
	r.require(found == due && (version < 5 || epoch == since), check.CommitsKept, "%s: with offset %d goes epoch %d and %q, and with it was committed %d and %q", who, offset, epoch, found, since, due)
}

// heir asks for each share when all that was committed is to have expired.
type heir struct {
	*session
	asked int32 // shares
}

func (h *heir) idle() bool { return len(h.inflight) == 0 && h.asked == lonerShares }

func (h *heir) turn(now seam.Mono, fx *seam.Effects) {
	if len(h.inflight) > 0 || h.idle() {
		return
	}
	topic, partition := lonerShare(h.run.plan, h.asked)
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version, r.Group = 7, lonerGroup
	r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{partition}}}
	h.ask(now, r, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if a, _ := answer.(*kmsg.OffsetFetchResponse); a != nil {
			if h.run.told(question{key: wire.KeyOffsetFetch, sent: now}, a.ErrorCode, at); a.ErrorCode == none {
				h.inherits(a.Topics[0].Partitions[0].Offset)
			}
		}
		h.rest(at + 20*seam.Millisecond)
		fx.Wake(h.resting)
	}})
}

// inherits: there is nothing left.
func (h *heir) inherits(offset int64) {
	h.run.require(offset < 0, check.OffsetsExpire, "share %d of %s is at %d; nobody has committed for %d ms, and offsets are kept for %d", h.asked, lonerGroup, offset, 2*h.run.plan.Expiry, h.run.plan.Expiry)
	h.asked++
}

// awaitExpiry lets pass what is twice as long as offsets are kept, and looks for what is left. A clock that has jumped may have
// dated them far ahead.
func (r *Run) awaitExpiry() {
	w := r.World
	if r.plan.Expiry == 0 || w.Counts[world.ClockJumped] > 0 || r.offsetsRotted() || w.Failure() != nil {
		return
	}
	w.Run(w.Now()+2*seam.Mono(r.plan.Expiry)*seam.Millisecond, nil)
	h := &heir{session: r.client("heir")}
	r.enter(h.session, h)
	w.Run(w.Now()+auditPatience, r.idle)
	if w.Failure() == nil {
		r.require(r.idle(), check.EveryoneFinishes, "the heir has asked for %d shares", h.asked)
	}
}
