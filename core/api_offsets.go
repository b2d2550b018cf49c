package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/group"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// committing is an OffsetCommit under way. What cannot be committed of a topic stands before what can.
type committing struct {
	commit group.Commit
	answer *kmsg.OffsetCommitResponse
	at     []int // where the topics of commit stand in the answer
}

// offsetCommit (8).
func (b *Broker) offsetCommit(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.OffsetCommitRequest, fx *seam.Effects) {
	q := &committing{answer: request.ResponseKind().(*kmsg.OffsetCommitResponse)}
	q.answer.Topics = []kmsg.OffsetCommitResponseTopic{}
	q.commit = group.Commit{
		Group: request.Group, MemberID: request.MemberID, Instance: request.InstanceID, Generation: request.Generation,
		Retention: request.RetentionTimeMillis, Version: request.Version,
	}
	i, who := 0, asker{c.id, slot, r.Correlation}
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		for ; i < len(request.Topics); i++ {
			if !b.turns.take() {
				return false
			}
			b.sortCommit(q, &request.Topics[i])
		}
		b.commitOffsets(now, q, who, fx)
		return true
	}, fx)
}

// sortCommit parts the partitions that there are from those that there are not.
func (b *Broker) sortCommit(q *committing, asked *kmsg.OffsetCommitRequestTopic) {
	var t *meta.Topic
	missing := wire.UnknownTopicOrPartition
	if q.answer.Version >= 10 {
		t, missing = b.image.TopicByID(asked.TopicID), wire.UnknownTopicID
	} else {
		t = b.image.Topic(asked.Topic)
	}
	out := kmsg.NewOffsetCommitResponseTopic()
	out.Topic, out.TopicID, out.Partitions = asked.Topic, asked.TopicID, []kmsg.OffsetCommitResponseTopicPartition{}
	valid := group.CommitTopic{Name: asked.Topic}
	if t != nil {
		missing = wire.UnknownTopicOrPartition
		valid.Name, valid.ID = t.Name, t.ID
	}
	for i := range asked.Partitions {
		p := &asked.Partitions[i]
		if t != nil && p.Partition >= 0 && int(p.Partition) < len(t.Partitions) {
			valid.Partitions = append(valid.Partitions, *p)
			continue
		}
		one := kmsg.NewOffsetCommitResponseTopicPartition()
		one.Partition, one.ErrorCode = p.Partition, int16(missing)
		out.Partitions = append(out.Partitions, one)
	}
	if len(valid.Partitions) > 0 {
		q.commit.Topics = append(q.commit.Topics, valid)
		q.at = append(q.at, len(q.answer.Topics))
	}
	q.answer.Topics = append(q.answer.Topics, out)
}

func (b *Broker) commitOffsets(now seam.Now, q *committing, who asker, fx *seam.Effects) {
	if len(q.commit.Topics) == 0 {
		b.cold(who.conn, who.slot, who.corr, q.answer, fx)
		return
	}
	at, code := b.coordinatorFor(q.commit.Group)
	if code == wire.None {
		code = at.groups.JudgeCommit(&q.commit)
	}
	if code == wire.None && !at.groups.Fits(now, &q.commit) {
		code = wire.InvalidCommitOffsetSize // one atomic batch, which the log would not take
	}
	if at == nil {
		q.fill(func(int) wire.Code { return code })
		b.cold(who.conn, who.slot, who.corr, q.answer, fx)
		return
	}
	var codes []wire.Code
	if code == wire.None {
		codes = at.groups.Commit(now, &q.commit)
		b.groupsDecided(now, at, fx)
	}
	b.after(at, func(lost wire.Code, fx *seam.Effects) {
		q.fill(func(i int) wire.Code {
			switch {
			case lost != wire.None:
				return lost
			case code != wire.None:
				return code
			}
			return codes[i]
		})
		b.cold(who.conn, who.slot, who.corr, q.answer, fx)
	}, fx)
}

// fill adds the partitions that could be committed, with their codes.
func (q *committing) fill(code func(i int) wire.Code) {
	n := 0
	for i := range q.commit.Topics {
		t := &q.commit.Topics[i]
		out := &q.answer.Topics[q.at[i]]
		for j := range t.Partitions {
			one := kmsg.NewOffsetCommitResponseTopicPartition()
			one.Partition, one.ErrorCode = t.Partitions[j].Partition, int16(code(n))
			out.Partitions = append(out.Partitions, one)
			n++
		}
	}
}

// offsetFetch (9): of one group up to version 7, of several later; of all topics where none are named (version 2).
func (b *Broker) offsetFetch(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.OffsetFetchRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.OffsetFetchResponse)
	asked := request.Groups
	if request.Version < 8 {
		asked = []kmsg.OffsetFetchRequestGroup{singleGroup(request)}
	}
	out := make([]kmsg.OffsetFetchResponseGroup, len(asked))
	g := &gathering{who: asker{c.id, slot, r.Correlation}, answer: answer, open: 1}
	if answer.Groups = out; request.Version < 8 {
		g.end = func() { single(answer, request) }
	}
	i, f := 0, (*offsetsOf)(nil)
	b.inTurns(now, c, func(_ seam.Now, fx *seam.Effects) bool {
		for ; i < len(asked); i, f = i+1, nil {
			if f == nil {
				f = &offsetsOf{version: request.Version, asked: &asked[i], out: &out[i]}
			}
			if !b.fetchOffsets(f, g, fx) {
				return false
			}
		}
		b.gathered(g, fx)
		return true
	}, fx)
}

// singleGroup is the request of a version that knew no more than one.
func singleGroup(r *kmsg.OffsetFetchRequest) kmsg.OffsetFetchRequestGroup {
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = r.Group
	if r.Topics == nil {
		return g
	}
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	for i := range r.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = r.Topics[i].Topic, r.Topics[i].Partitions
		g.Topics = append(g.Topics, t)
	}
	return g
}

// offsetsOf is the part of an OffsetFetch that is about one group: topic by topic, partition by partition.
type offsetsOf struct {
	version int16
	asked   *kmsg.OffsetFetchRequestGroup
	out     *kmsg.OffsetFetchResponseGroup
	names   []string // instead of those asked for: all that anything was committed of
	begun   bool
	topic   int
	opened  bool    // the topic stands in the answer
	next    int     // partition
	listed  []int32 // likewise, of the topic at hand
}

func (b *Broker) fetchOffsets(f *offsetsOf, g *gathering, fx *seam.Effects) (done bool) {
	fail := func(code wire.Code) {
		*f.out = kmsg.NewOffsetFetchResponseGroup()
		f.out.Group, f.out.ErrorCode, f.out.Topics = f.asked.Group, int16(code), []kmsg.OffsetFetchResponseGroupTopic{}
	}
	at, code := b.coordinatorFor(f.asked.Group)
	if b.isFull(g) {
		code = wire.PolicyViolation
	}
	if code != wire.None {
		fail(code)
		return true
	}
	if !f.begun {
		f.begun = true
		if f.version >= 9 {
			if code := at.groups.JudgeFetch(f.asked.Group, f.asked.MemberID, f.asked.MemberEpoch); code != wire.None {
				fail(code)
				return true
			}
		}
		f.out.Group, f.out.Topics = f.asked.Group, []kmsg.OffsetFetchResponseGroupTopic{}
		if f.asked.Topics == nil {
			f.names = append(f.names, at.groups.CommittedTopics(f.asked.Group)...)
		}
	}
	for f.topic < len(f.asked.Topics)+len(f.names) {
		if !f.opened && !b.turns.take() || !b.fetchTopicOffsets(f, g, at.groups) {
			return false
		}
		if b.isFull(g) {
			fail(wire.PolicyViolation)
			return true
		}
		f.topic, f.next, f.opened = f.topic+1, 0, false
	}
	b.gather(at, g, fail, fx)
	return true
}

func (b *Broker) fetchTopicOffsets(f *offsetsOf, g *gathering, groups *group.Coordinator) (done bool) {
	name, id, partitions, known := "", [16]byte{}, []int32(nil), true
	switch {
	case f.asked.Topics == nil:
		name = f.names[f.topic]
		t := b.image.Topic(name)
		if t == nil {
			return true // it is gone, and what was committed of it is about to be
		}
		if !f.opened { // once: what others commit and delete meanwhile must not move it
			f.listed = slices.Clone(groups.CommittedPartitions(f.asked.Group, name))
		}
		id, partitions = t.ID, f.listed
	case f.version >= 10:
		asked := &f.asked.Topics[f.topic]
		id, partitions = asked.TopicID, asked.Partitions
		t := b.image.TopicByID(id)
		if known = t != nil; known {
			name = t.Name
		}
	default:
		name, partitions = f.asked.Topics[f.topic].Topic, f.asked.Topics[f.topic].Partitions
	}
	if !f.opened {
		f.opened = true
		g.told += int64(rowBytes + len(name))
		out := kmsg.NewOffsetFetchResponseGroupTopic()
		out.Topic, out.TopicID, out.Partitions = name, id, []kmsg.OffsetFetchResponseGroupTopicPartition{}
		f.out.Topics = append(f.out.Topics, out)
	}
	out := &f.out.Topics[len(f.out.Topics)-1]
	for ; f.next < len(partitions) && !b.isFull(g); f.next++ {
		if !b.turns.take() {
			return false
		}
		one := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		found := group.Fetched{Partition: partitions[f.next], Offset: -1, Epoch: group.NoLeaderEpoch}
		if known {
			found = groups.FetchOffset(f.asked.Group, name, partitions[f.next])
		} else {
			one.ErrorCode = int16(wire.UnknownTopicID)
		}
		metadata := found.Metadata
		g.told += int64(rowBytes + len(metadata))
		one.Partition, one.Offset, one.LeaderEpoch, one.Metadata = found.Partition, found.Offset, found.Epoch, &metadata
		out.Partitions = append(out.Partitions, one)
	}
	return true
}

// single writes an answer about one group as a version below 8 has it.
func single(answer *kmsg.OffsetFetchResponse, asked *kmsg.OffsetFetchRequest) {
	g := &answer.Groups[0]
	answer.ErrorCode, answer.Topics = g.ErrorCode, []kmsg.OffsetFetchResponseTopic{}
	for i := range g.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic, t.Partitions = g.Topics[i].Topic, []kmsg.OffsetFetchResponseTopicPartition{}
		for _, p := range g.Topics[i].Partitions {
			one := kmsg.NewOffsetFetchResponseTopicPartition()
			one.Partition, one.Offset, one.LeaderEpoch, one.Metadata, one.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			t.Partitions = append(t.Partitions, one)
		}
		answer.Topics = append(answer.Topics, t)
	}
	answer.Groups = nil
	if g.ErrorCode == 0 || answer.Version >= 2 {
		return
	}
	for i := range asked.Topics { // there was no place for an error of the group
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = asked.Topics[i].Topic
		for _, partition := range asked.Topics[i].Partitions {
			one := kmsg.NewOffsetFetchResponseTopicPartition()
			one.Partition, one.Offset, one.LeaderEpoch, one.Metadata, one.ErrorCode = partition, -1, -1, new(string), g.ErrorCode
			t.Partitions = append(t.Partitions, one)
		}
		answer.Topics = append(answer.Topics, t)
	}
}

// offsetDelete (47).
func (b *Broker) offsetDelete(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.OffsetDeleteRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.OffsetDeleteResponse)
	answer.Topics = []kmsg.OffsetDeleteResponseTopic{}
	who := asker{c.id, slot, r.Correlation}
	i, j := 0, 0
	b.inTurns(now, c, func(now seam.Now, fx *seam.Effects) bool {
		at, code := b.coordinatorFor(request.Group)
		if request.Group == "" {
			code = wire.InvalidGroupID
		}
		if code == wire.None { // in each turn: somebody may have joined the group meanwhile, or deleted it
			code = at.groups.JudgeOffsetDelete(request.Group)
		}
		if code != wire.None {
			failGroup(answer, code)
			b.cold(who.conn, who.slot, who.corr, answer, fx)
			return true
		}
		for ; i < len(request.Topics); i, j = i+1, 0 {
			t := &request.Topics[i]
			if len(answer.Topics) == i {
				if !b.turns.take() {
					b.groupsDecided(now, at, fx)
					return false
				}
				out := kmsg.NewOffsetDeleteResponseTopic()
				out.Topic, out.Partitions = t.Topic, []kmsg.OffsetDeleteResponseTopicPartition{}
				answer.Topics = append(answer.Topics, out)
			}
			for ; j < len(t.Partitions); j++ {
				if at.groups.Full() || !b.turns.take() {
					b.groupsDecided(now, at, fx)
					return false
				}
				one := kmsg.NewOffsetDeleteResponseTopicPartition()
				one.Partition = t.Partitions[j].Partition
				one.ErrorCode = int16(b.deleteOffset(at, request.Group, t.Topic, one.Partition))
				answer.Topics[i].Partitions = append(answer.Topics[i].Partitions, one)
			}
		}
		b.groupsDecided(now, at, fx)
		b.answerAfter(at, who, answer, fx)
		return true
	}, fx)
}

func (b *Broker) deleteOffset(at *coordinator, id, topic string, partition int32) wire.Code {
	if t := b.image.Topic(topic); t == nil || partition < 0 || int(partition) >= len(t.Partitions) {
		return wire.UnknownTopicOrPartition
	}
	return at.groups.DeleteOffset(id, topic, partition)
}
