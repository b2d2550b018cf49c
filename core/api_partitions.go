package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/meta"
	"rookery/core/producer"
	"rookery/core/seam"
	"rookery/core/wire"
)

// offsetForLeaderEpoch (23): where an epoch ends, so that a client finds out what of its own was cut off (KIP-101,
// KIP-320).
func (b *Broker) offsetForLeaderEpoch(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.OffsetForLeaderEpochRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	b.inTurns(now, c, b.turns.nested(len(request.Topics), func(i int, _ seam.Now, _ *seam.Effects) int {
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = request.Topics[i].Topic
		answer.Topics = append(answer.Topics, out)
		return len(request.Topics[i].Partitions)
	}, func(i, j int, _ *seam.Effects) {
		t, out := &request.Topics[i], &answer.Topics[i]
		out.Partitions = append(out.Partitions, b.epochEnd(t.Topic, &t.Partitions[j]))
	}, b.answering(c, slot, r.Correlation, answer)), fx)
}

func (b *Broker) epochEnd(topic string, asked *kmsg.OffsetForLeaderEpochRequestTopicPartition) kmsg.OffsetForLeaderEpochResponseTopicPartition {
	one := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
	one.Partition, one.LeaderEpoch, one.EndOffset = asked.Partition, -1, -1
	_, p, code := b.find([]byte(topic), [16]byte{}, asked.Partition, false)
	if code == wire.None {
		code = currentEpoch(p, asked.CurrentLeaderEpoch)
	}
	if one.ErrorCode = int16(code); code == wire.None {
		one.LeaderEpoch, one.EndOffset = p.replica.Log.Epochs.EndOffsetFor(asked.LeaderEpoch, p.replica.Log.End().Offset)
	}
	return one
}

// currentEpoch judges the leader epoch that a client believes in; -1: it does not say.
func currentEpoch(p *partition, epoch int32) wire.Code {
	switch current := p.replica.Epoch(); {
	case epoch == -1 || epoch == current:
		return wire.None
	case epoch < current:
		return wire.FencedLeaderEpoch
	}
	return wire.UnknownLeaderEpoch
}

// measuring is a DescribeLogDirs that waits to hear how large the volumes are (KIP-827).
type measuring struct {
	conn   seam.Conn
	slot   conn.Slot
	corr   int32
	answer *kmsg.DescribeLogDirsResponse
	ops    []seam.Op // a Measure of each directory, 0: it has come back
	wanted int       // that have not
}

// describeLogDirs (35): which partitions lie where, and how large they are; from version 4 on, of how much.
func (b *Broker) describeLogDirs(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DescribeLogDirsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	for i := range b.dirs {
		dir := kmsg.NewDescribeLogDirsResponseDir()
		if i < len(b.config.Directories) {
			dir.Dir = b.config.Directories[i]
		}
		answer.Dirs = append(answer.Dirs, dir)
	}
	asked, told, corr := b.askedOf(request), map[*partition]bool{}, r.Correlation
	b.inTurns(now, c, b.turns.nested(len(asked), func(i int, _ seam.Now, _ *seam.Effects) int {
		return asked[i].open(b)
	}, func(i, j int, _ *seam.Effects) {
		if p := asked[i].partition(j); p != nil && !told[p] {
			told[p] = true
			b.locate(answer, p)
		}
	}, func(fx *seam.Effects) { b.measure(c, slot, corr, answer, fx) }), fx)
}

// measure asks how large the volumes are, if the client is to be told, and answers.
func (b *Broker) measure(c *connection, slot conn.Slot, corr int32, answer *kmsg.DescribeLogDirsResponse, fx *seam.Effects) {
	d := &measuring{conn: c.id, slot: slot, corr: corr, answer: answer, ops: make([]seam.Op, len(b.dirs))}
	for i := range b.dirs {
		if b.dirs[i].failed != seam.OK {
			answer.Dirs[i].ErrorCode, answer.Dirs[i].Topics = int16(wire.KafkaStorageError), nil
			continue
		}
		if answer.Version < 4 {
			continue
		}
		op := b.numbers.Op()
		d.ops[i] = op
		d.wanted++
		fx.Files = append(fx.Files, seam.FileOp{Op: op, Deed: seam.Measure, Path: seam.Path{Dir: b.dirs[i].number}})
	}
	if d.wanted == 0 {
		b.cold(d.conn, d.slot, d.corr, d.answer, fx)
		return
	}
	b.measuring = append(b.measuring, d)
}

// measured takes a Measure's completion. What could not be measured stays -1, Kafka's "unknown".
func (b *Broker) measured(in *seam.Wrote, fx *seam.Effects) bool {
	for at, d := range b.measuring {
		i := slices.Index(d.ops, in.Op)
		if i < 0 {
			continue
		}
		if dir := &d.answer.Dirs[i]; in.Fault == seam.OK {
			dir.TotalBytes, dir.UsableBytes = in.Entries[0].Size, in.Bytes
		}
		d.ops[i] = 0
		if d.wanted--; d.wanted == 0 {
			b.measuring = slices.Delete(b.measuring, at, at+1)
			b.cold(d.conn, d.slot, d.corr, d.answer, fx)
		}
		return true
	}
	return false
}

// locate tells of a partition where it lies, and where it is being copied to.
func (b *Broker) locate(answer *kmsg.DescribeLogDirsResponse, p *partition) {
	if p.replica == nil || p.state != partitionOpen {
		return
	}
	for i := range answer.Dirs {
		one := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		if one.Partition = p.index; int(p.folder.Dir) == i {
			one.Size = p.replica.Log.Size()
		} else if m := p.moveTo(int32(i)); m != nil {
			one.IsFuture, one.Size, one.OffsetLag = true, m.copying.Bytes, p.replica.Log.End().Offset-m.copying.Upto
		} else {
			continue
		}
		dir := &answer.Dirs[i]
		if n := len(dir.Topics); n == 0 || dir.Topics[n-1].Topic != p.topic.name {
			topic := kmsg.NewDescribeLogDirsResponseDirTopic()
			topic.Topic = p.topic.name
			dir.Topics = append(dir.Topics, topic)
		}
		topic := &dir.Topics[len(dir.Topics)-1]
		topic.Partitions = append(topic.Partitions, one)
	}
}

// askedTopic is what a DescribeLogDirs asks about a topic: all of it, by id, or some partitions, by name.
type askedTopic struct {
	id    meta.UUID
	named *kmsg.DescribeLogDirsRequestTopic
	topic *topic // nil: there is none
}

// open looks the topic up, and says how many partitions are asked about.
func (a *askedTopic) open(b *Broker) int {
	if a.named != nil {
		a.topic = b.topics[a.named.Topic]
		return len(a.named.Partitions)
	}
	if a.topic = b.topicIDs[a.id]; a.topic == nil {
		return 0
	}
	return len(a.topic.partitions)
}

// partition is the nth that is asked about; nil: there is none.
func (a *askedTopic) partition(n int) *partition {
	if a.named != nil {
		n = int(a.named.Partitions[n])
	}
	if a.topic == nil || n < 0 || n >= len(a.topic.partitions) {
		return nil
	}
	return a.topic.partitions[n]
}

// askedOf is what a DescribeLogDirs asks about: everything, or what it names.
func (b *Broker) askedOf(r *kmsg.DescribeLogDirsRequest) (all []askedTopic) {
	if r.Topics == nil {
		for _, t := range b.image.Topics() {
			all = append(all, askedTopic{id: t.ID})
		}
		return all
	}
	for i := range r.Topics {
		all = append(all, askedTopic{named: &r.Topics[i]})
	}
	return all
}

// describedProducersMax is how many producers one answer describes: a partition may be named again and again.
const describedProducersMax = 1 << 20

// describeProducers (61): who writes to a partition, for whoever looks for a hanging transaction (KIP-664).
func (b *Broker) describeProducers(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DescribeProducersRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.DescribeProducersResponse)
	producers := 0
	b.inTurns(now, c, b.turns.nested(len(request.Topics), func(i int, _ seam.Now, _ *seam.Effects) int {
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = request.Topics[i].Topic
		answer.Topics = append(answer.Topics, out)
		return len(request.Topics[i].Partitions)
	}, func(i, j int, _ *seam.Effects) {
		t, out := &request.Topics[i], &answer.Topics[i]
		one := b.describedProducers(t.Topic, t.Partitions[j], producers < describedProducersMax && int64(producers)*rowBytes < b.tellable())
		producers += len(one.ActiveProducers)
		b.turns.room -= len(one.ActiveProducers)
		out.Partitions = append(out.Partitions, one)
	}, b.answering(c, slot, r.Correlation, answer)), fx)
}

func (b *Broker) describedProducers(topic string, index int32, room bool) kmsg.DescribeProducersResponseTopicPartition {
	one := kmsg.NewDescribeProducersResponseTopicPartition()
	one.Partition, one.ActiveProducers = index, []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{}
	_, p, code := b.find([]byte(topic), [16]byte{}, index, false)
	switch {
	case code != wire.None && controller.InvalidName(topic) != "":
		code = wire.InvalidTopicException
	case code == wire.None && !room:
		code = wire.PolicyViolation
	}
	if one.ErrorCode = int16(code); code != wire.None {
		message := code.String()
		one.ErrorMessage = &message
		return one
	}
	p.replica.Producers.Each(func(a producer.Active) { one.ActiveProducers = append(one.ActiveProducers, activeProducer(a)) })
	return one
}

func activeProducer(a producer.Active) kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
	out := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
	out.ProducerID, out.ProducerEpoch, out.LastSequence, out.LastTimestamp = a.ID, int32(a.Epoch), a.LastSequence, a.Timestamp
	out.CoordinatorEpoch, out.CurrentTxnStartOffset = a.CoordinatorEpoch, a.TxnFirstOffset
	return out
}

// topicOperations and clusterOperations are what anybody may do where there is no authorizer, a bit each (KIP-430). To a
// topic: READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS; to the cluster: CREATE, ALTER,
// DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS and IDEMPOTENT_WRITE.
const (
	topicOperations   = 3576
	clusterOperations = 8096
	unknownOperations = -1 << 31
)

// describeTopicPartitions (75): Metadata in pieces, by name, from a cursor on (KIP-966).
func (b *Broker) describeTopicPartitions(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DescribeTopicPartitionsRequest, fx *seam.Effects) {
	answer := request.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	answer.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	names := b.namesFrom(request)
	if request.Cursor != nil && (request.Cursor.Partition < 0 || len(request.Topics) > 0 && !slices.Contains(names, request.Cursor.Topic)) {
		for i := range request.Topics {
			refused := kmsg.NewDescribeTopicPartitionsResponseTopic()
			refused.Topic, refused.ErrorCode, refused.AuthorizedOperations = &request.Topics[i].Topic, int16(wire.InvalidRequest), unknownOperations
			refused.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
			answer.Topics = append(answer.Topics, refused)
		}
		b.cold(c.id, slot, r.Correlation, answer, fx)
		return
	}
	corr, next, room := r.Correlation, 0, int(max(1, min(b.config.DescribedMax, request.ResponsePartitionLimit)))
	b.inTurns(now, c, func(_ seam.Now, fx *seam.Effects) bool {
		for ; next < len(names) && answer.NextCursor == nil; next++ {
			if !b.turns.take() {
				return false
			}
			described := b.describePiece(request, answer, names[next], room)
			room -= described
			b.turns.room -= described
		}
		b.cold(c.id, slot, corr, answer, fx)
		return true
	}, fx)
}

// describePiece adds what there is room for of a topic, and says how many partitions that were; where room ends the cursor stands.
func (b *Broker) describePiece(request *kmsg.DescribeTopicPartitionsRequest, answer *kmsg.DescribeTopicPartitionsResponse, name string, room int) int {
	from, next := 0, 0
	if room > 0 { // else the cursor stands even before a topic that has none, or is none
		if request.Cursor != nil && request.Cursor.Topic == name {
			from = int(request.Cursor.Partition)
		}
		var out kmsg.DescribeTopicPartitionsResponseTopic
		out, next = b.describePartitions(name, from, room)
		answer.Topics = append(answer.Topics, out)
		if next < 0 {
			return len(out.Partitions)
		}
	}
	cursor := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	cursor.Topic, cursor.Partition = name, int32(next)
	answer.NextCursor = &cursor
	return room
}

// namesFrom are the topics asked about, all if none is named, by name from the cursor's on.
func (b *Broker) namesFrom(r *kmsg.DescribeTopicPartitionsRequest) (names []string) {
	for i := range r.Topics {
		names = append(names, r.Topics[i].Topic)
	}
	if len(r.Topics) == 0 {
		for _, t := range b.image.Topics() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if r.Cursor != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return name < r.Cursor.Topic })
	}
	return names
}

// describePartitions describes at most room partitions of a topic; next is the first that was left out, or -1.
func (b *Broker) describePartitions(name string, from, room int) (out kmsg.DescribeTopicPartitionsResponseTopic, next int) {
	out = kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.IsInternal, out.AuthorizedOperations = &name, controller.Internal(name), topicOperations
	out.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	t := b.image.Topic(name)
	if t == nil {
		if out.ErrorCode = int16(wire.UnknownTopicOrPartition); controller.InvalidName(name) != "" {
			out.ErrorCode = int16(wire.InvalidTopicException)
		}
		return out, -1
	}
	out.TopicID = t.ID
	i := from
	for ; i < len(t.Partitions) && i < from+room; i++ {
		out.Partitions = append(out.Partitions, b.describedPartition(&t.Partitions[i]))
	}
	if i < len(t.Partitions) {
		return out, i
	}
	return out, -1
}

func (b *Broker) describedPartition(p *meta.Partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	x := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	x.Partition, x.LeaderID, x.LeaderEpoch = p.ID, p.Leader, p.LeaderEpoch
	x.Replicas, x.ISR = p.Replicas, p.ISR
	x.EligibleLeaderReplicas, x.LastKnownELR, x.OfflineReplicas = []int32{}, []int32{}, b.offlineReplicas(p)
	if p.Leader == meta.NoLeader {
		x.ErrorCode = int16(wire.LeaderNotAvailable)
	}
	return x
}
