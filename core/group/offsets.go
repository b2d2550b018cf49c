package group

import (
	"encoding/binary"
	"iter"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/wire"
)

// committed is what a group has committed of one topic, by partition.
type committed = ordered.Map[int32, *OffsetCommit]

func (c *Coordinator) replayOffset(now seam.Now, r *OffsetCommitRecord) {
	g := c.find(r.Group)
	if r.Value == nil {
		if g == nil {
			return
		}
		if t := g.topics.At(r.Topic); t != nil && t.Delete(r.Partition) && t.Len() == 0 {
			g.topics.Delete(r.Topic)
		}
		return
	}
	if g == nil {
		g = c.make(r.Group, now) // a simple group: its members are none of the coordinator's business
	}
	t := g.topics.At(r.Topic)
	if t == nil {
		t = new(committed)
		g.topics.Put(r.Topic, t)
	}
	t.Put(r.Partition, r.Value)
}

// Commit is an OffsetCommit of topics and partitions that exist. Topics that are named by id have been given their names.
type Commit struct {
	Group      string
	MemberID   string
	Instance   *string
	Generation int32
	Retention  int64 // in milliseconds, -1: the broker's
	Version    int16
	Topics     []CommitTopic
}

// CommitTopic is one topic of a Commit.
type CommitTopic struct {
	Name       string
	ID         [16]byte
	Partitions []kmsg.OffsetCommitRequestTopicPartition
}

// Fits says whether the partition's log would take a commit, which is one batch.
func (c *Coordinator) Fits(now seam.Now, r *Commit) bool {
	if r.bound() <= int64(c.config.RecordBytesMax) {
		return true
	}
	return c.takes(func(yield func(Record) bool) {
		for record, code := range c.commits(now, r) {
			if code == wire.None && !yield(record) {
				return
			}
		}
	})
}

// bound is how many bytes its records have at most.
func (r *Commit) bound() (n int64) {
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			n += recordOverhead + int64(len(r.Group)+len(r.Topics[i].Name))
			if m := r.Topics[i].Partitions[j].Metadata; m != nil {
				n += int64(len(*m))
			}
		}
	}
	return n
}

// JudgeCommit says whether a member, or somebody who is none, may commit.
func (c *Coordinator) JudgeCommit(r *Commit) wire.Code {
	g := c.find(r.Group)
	switch {
	case g == nil && r.Generation < 0:
		return wire.None // a simple group begins
	case g == nil && r.Version >= 9:
		return wire.GroupIDNotFound
	case g == nil:
		return wire.IllegalGeneration
	case g.consumer != nil:
		return g.consumer.judgeCommit(r)
	case r.Generation < 0 && g.state == empty:
		return wire.None
	case r.Generation < 0 && r.MemberID == "" && r.Instance == nil:
		return wire.UnknownMemberID
	}
	if code := g.validate(r.MemberID, r.Instance); code != wire.None {
		return code
	}
	switch {
	case !g.isCurrent(r.Generation):
		return wire.IllegalGeneration
	case g.state == completing:
		return wire.RebalanceInProgress
	}
	return wire.None
}

// judgeCommit says whether a member of a consumer group may commit: in its own epoch, and with a request that could say so.
func (con *consumer) judgeCommit(r *Commit) wire.Code {
	if r.Generation < 0 && con.members.Len() == 0 {
		return wire.None
	}
	m := con.members.At(r.MemberID)
	switch {
	case m == nil:
		return wire.UnknownMemberID
	case m.Classic == nil && r.Version < 9:
		return wire.UnsupportedVersion
	}
	return m.judgeOwnEpoch(r.Generation)
}

func (m *consumerMember) judgeOwnEpoch(epoch int32) wire.Code {
	switch {
	case epoch == m.MemberEpoch:
		return wire.None
	case m.Classic != nil:
		return wire.IllegalGeneration
	}
	return wire.StaleMemberEpoch
}

// JudgeFetch says whether somebody may ask for a group's offsets: a member of a consumer group in its own epoch, and
// whoever says nothing of himself. A classic group asks nobody.
func (c *Coordinator) JudgeFetch(group string, member *string, epoch int32) wire.Code {
	con := c.find(group).modern()
	if con == nil || member == nil && epoch < 0 {
		return wire.None
	}
	if member != nil {
		if m := con.members.At(*member); m != nil {
			return m.judgeOwnEpoch(epoch)
		}
	}
	return wire.UnknownMemberID
}

// Commit (8) takes offsets that JudgeCommit has let pass. The codes stand in the order of the partitions.
func (c *Coordinator) Commit(now seam.Now, r *Commit) []wire.Code {
	if g := c.find(r.Group); g != nil {
		if m := g.member(r.MemberID); m != nil {
			c.hear(now, g, m)
		}
	}
	var codes []wire.Code
	for record, code := range c.commits(now, r) {
		if codes = append(codes, code); code == wire.None {
			c.Records = append(c.Records, record)
		}
	}
	return codes
}

// commits are a commit's records, or why there is none, by partition.
func (c *Coordinator) commits(now seam.Now, r *Commit) iter.Seq2[*OffsetCommitRecord, wire.Code] {
	expires := NoTimestamp
	if r.Retention >= 0 {
		expires = int64(now.Wall) + r.Retention
	}
	return func(yield func(*OffsetCommitRecord, wire.Code) bool) {
		for i := range r.Topics {
			t := &r.Topics[i]
			for j := range t.Partitions {
				p := &t.Partitions[j]
				value := &OffsetCommit{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, CommitTimestamp: int64(now.Wall), ExpireTimestamp: expires, TopicID: t.ID}
				if p.Metadata != nil {
					value.Metadata = *p.Metadata
				}
				record, code := &OffsetCommitRecord{Group: r.Group, Topic: t.Name, Partition: p.Partition, Value: value}, wire.None
				if utf16Length(value.Metadata) > c.config.MetadataBytesMax {
					record, code = nil, wire.OffsetMetadataTooLarge
				}
				if !yield(record, code) {
					return
				}
			}
		}
	}
}

// utf16Length is the length of a text as Java counts it.
func utf16Length(text string) (n int32) {
	for _, r := range text {
		if n++; r > 0xffff {
			n++
		}
	}
	return n
}

// Fetched is what was committed of one partition.
type Fetched struct {
	Partition int32
	Offset    int64
	Epoch     int32
	Metadata  string
}

// FetchOffset (9) is what a group has committed of a partition: offset -1 for nothing. What was committed of a topic that is gone
// is nothing, also before the sweep has come to it: another one may have the name by now.
func (c *Coordinator) FetchOffset(group, topic string, partition int32) Fetched {
	out := Fetched{Partition: partition, Offset: -1, Epoch: NoLeaderEpoch}
	if g := c.find(group); g != nil {
		if t := g.topics.At(topic); t != nil {
			if v := t.At(partition); v != nil && !c.deleted(topic, v) {
				out.Offset, out.Epoch, out.Metadata = v.Offset, v.LeaderEpoch, v.Metadata
			}
		}
	}
	return out
}

// CommittedTopics are the topics of which a group has committed anything, by name.
func (c *Coordinator) CommittedTopics(group string) []string {
	if g := c.find(group); g != nil {
		return g.topics.Keys()
	}
	return nil
}

// CommittedPartitions are those of a topic of which a group has committed anything.
func (c *Coordinator) CommittedPartitions(group, topic string) []int32 {
	if g := c.find(group); g != nil {
		if t := g.topics.At(topic); t != nil {
			return t.Keys()
		}
	}
	return nil
}

// JudgeOffsetDelete says whether offsets of a group may be deleted.
func (c *Coordinator) JudgeOffsetDelete(group string) wire.Code {
	switch g := c.find(group); {
	case g == nil:
		return wire.GroupIDNotFound
	case !g.deserted() && !g.consumes():
		return wire.NonEmptyGroup
	}
	return wire.None
}

// DeleteOffset (47) takes one back.
func (c *Coordinator) DeleteOffset(group, topic string, partition int32) wire.Code {
	g := c.find(group)
	if g.reads(topic) {
		return wire.GroupSubscribedToTopic
	}
	if t := g.topics.At(topic); t != nil && t.At(partition) != nil {
		c.takeBack(group, topic, partition)
	}
	return wire.None
}

// JudgeDelete says whether a group may be deleted.
func (c *Coordinator) JudgeDelete(group string) wire.Code {
	switch g := c.find(group); {
	case g == nil:
		return wire.GroupIDNotFound
	case !g.deserted():
		return wire.NonEmptyGroup
	}
	return wire.None
}

// Delete (42) takes back all that a group has committed, and the group, which is empty. False: there is more to be taken
// back than one call may do; the group is Dying until then.
func (c *Coordinator) Delete(group string, take func() bool) (done bool) {
	g := c.find(group)
	if g == nil {
		return true
	}
	g.dying = true
	for _, topic := range g.topics.Keys() {
		for _, partition := range g.topics.At(topic).Keys() {
			if c.Full() || !take() {
				return false
			}
			c.takeBack(group, topic, partition)
		}
	}
	if c.Full() {
		return false
	}
	g.dying = false
	c.bury(g)
	return true
}

// takeBack takes one commit back.
func (c *Coordinator) takeBack(group, topic string, partition int32) {
	if len(c.Records) == 0 {
		c.taken = 0
	}
	c.Records = append(c.Records, &OffsetCommitRecord{Group: group, Topic: topic, Partition: partition})
	c.taken += recordOverhead + len(group) + len(topic)
}

// Full says whether the batch that is being made is long enough. Names are what makes it large: of the longest, a few
// dozen are as much as the log takes at once.
func (c *Coordinator) Full() bool {
	return len(c.Records) >= batchMax || len(c.Records) > 0 && c.taken >= c.config.RecordBytesMax/2
}

// Dying says whether a part of a group is deleted, and the rest about to be: nobody may come to it meanwhile, since he would go
// with it, or keep half of it.
func (c *Coordinator) Dying(group string) bool {
	g := c.find(group)
	return g != nil && g.dying
}

// sweep is how far the search for offsets that nobody has wanted for too long has come.
type sweep struct {
	on        bool
	gone      bool // it is after deleted topics only
	group     string
	inside    bool // topic and partition are where it goes on within the group
	topic     string
	partition int32
	left      int // offsets of the group that stay
}

// sweepOn looks through the groups, a group or an offset an item. It stops where it has found some that have expired, since
// what one call takes back is one batch.
func (c *Coordinator) sweepOn(now seam.Now, take func() bool) {
	for !c.Full() {
		id, more := c.groups.Ceiling(c.sweep.group)
		if !more {
			c.sweep = sweep{}
			return
		}
		if id != c.sweep.group || !c.sweep.inside {
			if !take() {
				return
			}
			c.sweep = sweep{on: true, gone: c.sweep.gone, group: id, inside: true, partition: -1 << 31}
		}
		if !c.expire(now, c.find(id), take) {
			return
		}
		c.sweep = sweep{on: true, gone: c.sweep.gone, group: id + "\x00"}
	}
}

// batchMax is how many records one batch of the coordinator's own has at most.
const batchMax = 1000

// expire takes back what has expired of a group, and the group when it is empty and nothing is left. False: there is more.
func (c *Coordinator) expire(now seam.Now, g *group, take func() bool) (done bool) {
	since, expires := g.expiry()
	expires = expires && !c.sweep.gone
	for {
		topic, more := g.topics.Ceiling(c.sweep.topic)
		if !more {
			break
		}
		if topic != c.sweep.topic {
			c.sweep.topic, c.sweep.partition = topic, -1<<31
		}
		t := g.topics.At(topic)
		for reads := g.reads(topic); ; {
			partition, more := t.Ceiling(c.sweep.partition)
			if !more {
				break
			}
			if c.Full() || !take() {
				return false
			}
			c.sweep.partition = partition + 1
			if v := t.At(partition); c.deleted(topic, v) || expires && !reads && c.expired(now, v, since) {
				c.takeBack(g.id, topic, partition)
			} else {
				c.sweep.left++
			}
			if partition == 1<<31-1 {
				break
			}
		}
		c.sweep.topic, c.sweep.partition = topic+"\x00", -1<<31
	}
	if c.sweep.left == 0 && expires && g.deserted() && g.pending.Len() == 0 {
		if c.Full() {
			return false
		}
		c.bury(g)
	}
	return true
}

// deserted: the group has no members.
func (g *group) deserted() bool {
	if g.consumer != nil {
		return g.consumer.members.Len() == 0
	}
	return g.state == empty
}

// bury takes back the records of a group without members.
func (c *Coordinator) bury(g *group) {
	if len(c.Records) == 0 {
		c.taken = 0
	}
	c.taken += 4 * (recordOverhead + len(g.id))
	if g.consumer != nil {
		c.endEmpty(g)
		return
	}
	c.Records = append(c.Records, &ClassicGroupRecord{Group: g.id})
}

// expiry says whether a group's offsets expire, and since when the time runs for all of them; NoTimestamp: for each since
// its commit.
func (g *group) expiry() (since int64, expires bool) {
	switch {
	case g.consumer != nil:
		return NoTimestamp, true // what no member reads any more, and all when there are none
	case g.protocolType == nil:
		return NoTimestamp, true // nobody but a simple consumer
	case g.state == empty:
		return g.stateAt, true
	case g.consumes() && g.subscribed.known && g.state == stable:
		return NoTimestamp, true // what no member reads any more
	}
	return 0, false
}

func (c *Coordinator) expired(now seam.Now, v *OffsetCommit, since int64) bool {
	if v.ExpireTimestamp != NoTimestamp {
		return int64(now.Wall) >= v.ExpireTimestamp // the client asked for a retention of its own
	}
	if since == NoTimestamp {
		since = v.CommitTimestamp
	}
	return int64(now.Wall)-since >= c.config.RetentionMillis
}

// deleted: the topic of a commit is not there any more.
func (c *Coordinator) deleted(topic string, v *OffsetCommit) bool {
	return c.gone != nil && c.gone(topic, v.TopicID)
}

// TopicsGone begins a sweep that takes back what was committed of topics that are gone.
func (c *Coordinator) TopicsGone() { c.sweep = sweep{on: true, gone: !c.sweep.on || c.sweep.gone} }

// subscribedTopics reads the topics off what a consumer says about itself: version, then an array of names. False: it
// cannot be read.
func subscribedTopics(metadata []byte, into map[string]bool) bool {
	if len(metadata) < 6 {
		return false
	}
	count := int32(binary.BigEndian.Uint32(metadata[2:]))
	rest := metadata[6:]
	for ; count > 0; count-- {
		if len(rest) < 2 {
			return false
		}
		n := int(int16(binary.BigEndian.Uint16(rest)))
		if n < 0 || n > len(rest)-2 {
			return false
		}
		into[string(rest[2:2+n])] = true
		rest = rest[2+n:]
	}
	return count == 0
}
