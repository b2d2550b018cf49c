package group

import (
	"bytes"
	"slices"

	"rookery/core/assign"
	"rookery/core/meta"
	"rookery/core/must"
	"rookery/core/wire"
)

// change is what one call does to a consumer group: records, and nothing else until they are folded. The group is looked at
// as it is before them.
type change struct {
	*Coordinator
	id      string
	con     *consumer
	records []Record
	ends    *group // a classic group that is a consumer group from now on
	checked bool   // its topics were held against the Image
}

// person is one member as it is to be: what it says of itself, and what it has.
type person struct {
	id string
	MemberMetadata
	CurrentAssignment
}

func (m *consumerMember) person() person { return person{m.id, m.MemberMetadata, m.CurrentAssignment} }

func (ch *change) add(r Record) { ch.records = append(ch.records, r) }

// large says whether the records would be more than one batch of the log may hold.
func (ch *change) large() refusal {
	if !ch.takes(slices.Values(ch.records)) {
		return refusal{code: wire.UnknownServerError}
	}
	return refusal{}
}

// remove takes a member's records back.
func (ch *change) remove(id string) {
	ch.add(&CurrentAssignmentRecord{Group: ch.id, MemberID: id})
	ch.add(&MemberTargetRecord{Group: ch.id, MemberID: id})
	ch.add(&MemberRecord{Group: ch.id, MemberID: id})
}

func (ch *change) addMember(p *person) {
	said := p.MemberMetadata
	ch.add(&MemberRecord{Group: ch.id, MemberID: p.id, Value: &said})
}

func (ch *change) addTarget(id string, target []TopicPartitions) {
	ch.add(&MemberTargetRecord{Group: ch.id, MemberID: id, Value: &MemberTarget{Partitions: target}})
}

func (ch *change) addAssignment(p *person) {
	has := p.CurrentAssignment
	ch.add(&CurrentAssignmentRecord{Group: ch.id, MemberID: p.id, Value: &has})
}

// replace puts a member in the place of another one, with all that it had: a static member that comes back.
func (ch *change) replace(old *consumerMember, by *person) {
	ch.remove(old.id)
	ch.addMember(by)
	ch.addTarget(by.id, ch.con.targets.At(old.id))
	ch.addAssignment(by)
}

// instead is the member that another one takes the place of: its own self of before, or whose instance it is.
func (ch *change) instead(p *person) *consumerMember {
	if p.InstanceID != nil {
		if id, ok := ch.con.static[*p.InstanceID]; ok {
			return ch.con.members.At(id)
		}
	}
	return ch.con.members.At(p.id)
}

// everybody is the group's members with p in its place, by id.
func (ch *change) everybody(p *person) []person {
	old := ch.instead(p)
	all := make([]person, 0, ch.con.members.Len()+1)
	for _, m := range ch.con.members.All() {
		if m != old && m.id != p.id {
			all = append(all, m.person())
		}
	}
	at, _ := slices.BinarySearchFunc(all, p.id, func(a person, id string) int { return bytes.Compare([]byte(a.id), []byte(id)) })
	return slices.Insert(all, at, *p)
}

// namesOf are the topics that members have subscribed to, and that there are, in order. Expressions that none of them has are
// left out.
func (con *consumer) namesOf(c *Coordinator, members []person) (names []string) {
	var expressions []string
	for i := range members {
		if i == 0 || !slices.Equal(members[i-1].Topics, members[i].Topics) { // most members say what the one before has said
			names = append(names, c.existing(members[i].Topics)...)
		}
		if e := members[i].expression(); e != "" {
			expressions = append(expressions, e)
		}
	}
	slices.Sort(expressions)
	for _, e := range slices.Compact(expressions) {
		if r := con.expressions.At(e); r != nil {
			names = append(names, c.existing(r.Topics)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// existing are those of some topics that there are; all come in order. Who names very many may name few of these.
func (c *Coordinator) existing(names []string) (there []string) {
	if all := c.Image.TopicNames(); len(all) < len(names) {
		for _, name := range all {
			if _, named := slices.BinarySearch(names, name); named {
				there = append(there, name)
			}
		}
		return there
	}
	for _, name := range names {
		if c.Image.Topic(name) != nil {
			there = append(there, name)
		}
	}
	return there
}

// raise begins a new group epoch if it must, or if the topics have changed.
func (ch *change) raise(must bool, members []person) (epoch int32) {
	con := ch.con
	epoch = con.epoch
	hash := ch.metadataHash(con.namesOf(ch.Coordinator, members))
	if must || hash != con.hash {
		epoch++
		ch.add(&ConsumerGroupRecord{Group: ch.id, Value: &ConsumerGroupEpoch{Epoch: epoch, MetadataHash: hash}})
	}
	ch.checked = true
	if con.outdated {
		ch.add(&PartitionMetadataRecord{Group: ch.id})
	}
	return epoch
}

// assign makes the target of an epoch, and returns what p shall have.
func (ch *change) assign(epoch int32, p *person, members []person) (target []TopicPartitions) {
	con := ch.con
	var topics []assign.Topic
	for _, name := range con.namesOf(ch.Coordinator, members) {
		t := ch.Image.Topic(name)
		topics = append(topics, assign.Topic{ID: t.ID, PartitionCount: int32(len(t.Partitions))})
	}
	slices.SortStableFunc(topics, func(a, b assign.Topic) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	candidates := make([]assign.Member, len(members))
	var ids []meta.UUID
	for i := range members {
		m := &members[i]
		if i == 0 || m.expression() != members[i-1].expression() || !slices.Equal(m.Topics, members[i-1].Topics) {
			ids = ch.topicIDs(&m.MemberMetadata)
		}
		candidates[i] = assign.Member{ID: m.id, InstanceID: m.InstanceID, Topics: ids, Target: con.targets.At(m.id)}
		if m.id == p.id {
			if old := ch.instead(p); old != nil {
				candidates[i].Target = con.targets.At(old.id)
			}
		}
	}
	for i, given := range assign.Named(ch.assignor(members))(topics, candidates) {
		before, had := con.targets.Find(members[i].id)
		if !had || !equalSets(before, given) {
			ch.addTarget(members[i].id, given)
		}
		if members[i].id == p.id {
			target = given
		}
	}
	ch.add(&TargetAssignmentRecord{Group: ch.id, Value: &TargetAssignmentEpoch{AssignmentEpoch: epoch}})
	return target
}

// topicIDs are those of the topics that a member has subscribed to, in order.
func (ch *change) topicIDs(m *MemberMetadata) (ids []meta.UUID) {
	add := func(names []string) {
		for _, name := range ch.existing(names) {
			ids = append(ids, ch.Image.Topic(name).ID)
		}
	}
	add(m.Topics)
	if r := ch.con.expressions.At(m.expression()); r != nil {
		add(r.Topics)
	}
	slices.SortStableFunc(ids, func(a, b meta.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// reads says whether a member has subscribed to a topic that there is.
func (con *consumer) reads(image *meta.Image, m *MemberMetadata, topic meta.UUID) bool {
	t := image.TopicByID(topic)
	if t == nil {
		return false
	}
	_, reads := slices.BinarySearch(m.Topics, t.Name)
	if r := con.expressions.At(m.expression()); r != nil && !reads {
		_, reads = slices.BinarySearch(r.Topics, t.Name)
	}
	return reads
}

// assignor is the one that most members ask for; of several, the first that the broker has.
func (c *Coordinator) assignor(members []person) string {
	best, votes := c.config.Consumer.Assignors[0], 0
	for _, name := range c.config.Consumer.Assignors {
		n := 0
		for i := range members {
			if m := &members[i]; m.ServerAssignor != nil && *m.ServerAssignor == name {
				n++
			}
		}
		if n > votes {
			best, votes = name, n
		}
	}
	return best
}

// reconcile brings a member nearer to its target.
func (ch *change) reconcile(p *person, epoch int32, target []TopicPartitions, changed bool, owned []TopicPartitions, told bool) refusal {
	if !changed && p.reconciled(epoch) {
		return refusal{}
	}
	r := reconciliation{
		target: target, targetEpoch: epoch, taken: ch.con.taken, owned: owned, told: told, changed: changed,
		subscribed: func(topic meta.UUID) bool { return ch.con.reads(ch.Image, &p.MemberMetadata, topic) },
	}
	next, refused := r.of(p.CurrentAssignment)
	if refused.refused() {
		return refused
	}
	for _, t := range minus(next.Assigned, p.Assigned) {
		for _, n := range t.Partitions {
			own := holds(p.PendingRevocation, t.TopicID, n)
			must.Be(own || !ch.con.taken(t.TopicID, n), "G1: a partition is given to a member when nobody else has it, or has yet to give it up")
		}
	}
	if !next.equal(&p.CurrentAssignment) {
		p.CurrentAssignment = next
		ch.addAssignment(p)
	}
	return refusal{}
}
