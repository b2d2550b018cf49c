package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/log"
	"rookery/core/meta"
	"rookery/core/must"
	"rookery/core/producer"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// proposal is what the controller decided and the metadata log is making durable. Its answer waits for that, and for
// this broker's own Image to have the records: who was answered reads what he wrote.
type proposal struct {
	base    int64
	last    int64
	epoch   int32
	records []meta.Record
	kind    proposalKind
	conn    seam.Conn
	slot    conn.Slot
	corr    int32
	answer  wire.Answer
	ids     [2]int64 // of a block of producer ids: first, length
	open    int      // what its answer waits for, once it is committed: topics made or configured, and folders to be made or to be gone
	part    alteredPart
	found   *partition
}

type proposalKind uint8

const (
	proposedQuietly proposalKind = iota // nobody is answered
	proposedForClient
	proposedAlteration
	proposedRegistration
	proposedUnfencing
	proposedIDs
	proposedMove
	proposedFound  // where a partition lies that was found elsewhere
	proposedBySelf // nothing of it is in the log
)

func nobodysTicket() replica.Ticket { return replica.Ticket{} }

func newMetadataReplica(l *log.Log) *replica.Replica { return replica.New(l, producer.New(), 1) }

func leaderChange(m kmsg.LeaderChangeMessage) batch.LeaderChangeMessage {
	out := batch.LeaderChangeMessage{Version: m.Version, LeaderID: m.LeaderID}
	for _, v := range m.Voters {
		out.Voters = append(out.Voters, batch.Voter{ID: v.VoterID})
	}
	for _, v := range m.GrantingVoters {
		out.Granting = append(out.Granting, batch.Voter{ID: v.VoterID})
	}
	return out
}

// propose appends records to the metadata log as one atomic batch, and folds them into the controller's own state.
// False: the log takes nothing now.
func (b *Broker) propose(now seam.Now, q *proposal, fx *seam.Effects) bool {
	p := b.boot.partition
	if p.replica.Log.Broken() {
		return false
	}
	var builder batch.Builder
	builder.Begin(batch.Plain(batch.None))
	for _, r := range q.records {
		builder.Add(int64(now.Wall), nil, meta.Append(nil, r), nil)
	}
	q.base = p.replica.Append(now, nobodysTicket(), builder.Finish(), fx)
	q.last, q.epoch = p.replica.Log.Next()-1, p.replica.Epoch()
	for i, r := range q.records {
		b.controller.Replay(q.base+int64(i), q.epoch, r)
	}
	b.proposals.Push(q)
	b.touch(p)
	return true
}

// committed: the metadata log's high watermark has moved. The records below it are folded into the Image, and who
// waited for them is answered.
func (b *Broker) committed(now seam.Now, high int64, fx *seam.Effects) {
	high = b.quorum.HighWatermark([]int64{high})
	for b.proposals.Len() > 0 && (*b.proposals.Front()).last < high {
		q := b.proposals.Pop()
		for i, r := range q.records {
			b.replay(now, q, q.base+int64(i), r, fx)
		}
		b.enacted(now, q, fx)
	}
}

// replay folds one committed record, and does what it means for this broker.
func (b *Broker) replay(now seam.Now, q *proposal, offset int64, r meta.Record, fx *seam.Effects) {
	if gone, ok := r.(*meta.RemoveTopicRecord); ok {
		if t := b.topicIDs[gone.TopicID]; t != nil {
			b.doom(t, q)
		}
	}
	b.image.Replay(offset, q.epoch, r)
}

// enacted: all records of a proposal are in the Image.
func (b *Broker) enacted(now seam.Now, q *proposal, fx *seam.Effects) {
	if b.phase == phaseStopping && b.stop.stage == stopDraining {
		return // Stop came before the broker was ready: it will not be
	}
	if b.phase == phaseReady || b.phase == phaseStopping {
		b.openCreated(q)
		b.configureAltered(q, fx)
	}
	switch q.kind {
	case proposedQuietly, proposedForClient, proposedAlteration:
		q.open++
		b.settling++
		b.settled(q, fx)
	case proposedRegistration:
		b.openAll(now, fx)
	case proposedUnfencing:
		b.ready(now, fx)
	case proposedIDs:
		b.gotIDs(now, q.ids[0], q.ids[1], fx)
	case proposedMove:
		b.swap(now, fx)
	case proposedFound:
		q.found.left, q.found.unsaid = nowhere, false
		if r := &b.dirs[q.found.folder.Dir].recovery; !r.Busy() && r.Fault() == seam.OK { // else it is noted when that is over
			b.noteSafePoint(q.found)
		}
		b.touch(q.found)
		b.nextMove()
	case proposedBySelf:
	}
}

// openCreated makes the partitions of new topics, and those that topics got.
func (b *Broker) openCreated(q *proposal) {
	var added *meta.PartitionRecord // the newest of a topic that was there before
	for _, r := range q.records {
		switch r := r.(type) {
		case *meta.TopicRecord:
			b.openTopic(q, b.image.TopicByID(r.TopicID))
		case *meta.PartitionRecord:
			if added != nil && added.TopicID != r.TopicID {
				b.openAdded(q, added)
			}
			added = r
		}
	}
	if added != nil {
		b.openAdded(q, added)
	}
}

func (b *Broker) openTopic(q *proposal, image *meta.Topic) {
	t := b.enrol(image)
	q.open++
	make := b.turns.each(len(image.Partitions), func(i int, _ seam.Now, fx *seam.Effects) {
		b.openFor(q, b.makePartition(t, image, i), fx)
	})
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		if !make(now, fx) {
			return false
		}
		fx.Events = append(fx.Events, seam.Event{Kind: seam.TopicCreated, Topic: t.name, A: int64(len(t.partitions))})
		b.settled(q, fx)
		return true
	})
}

// openAdded makes a topic's partitions up to the one that was added last. Of a topic that is just being made there are
// none when its turn comes.
func (b *Broker) openAdded(q *proposal, last *meta.PartitionRecord) {
	t := b.topicIDs[last.TopicID]
	if t == nil {
		return
	}
	q.open++
	b.turns.put(func(_ seam.Now, fx *seam.Effects) bool {
		for b.topicIDs[t.id] == t && len(t.partitions) <= int(last.PartitionID) {
			if !b.turns.take() {
				return false
			}
			b.openFor(q, b.makePartition(t, b.image.TopicByID(t.id), len(t.partitions)), fx)
			fx.Events = append(fx.Events, seam.Event{Kind: seam.PartitionAdded, Topic: t.name, Partition: int32(len(t.partitions) - 1)})
		}
		b.settled(q, fx)
		return true
	})
}

// openFor makes a partition that a proposal waits for.
func (b *Broker) openFor(q *proposal, p *partition, fx *seam.Effects) {
	p.creation = q
	q.open++
	b.openNew(p, fx)
}

// settled: one thing less that a proposal's answer waits for.
func (b *Broker) settled(q *proposal, fx *seam.Effects) {
	if q.open--; q.open == 0 && q.kind != proposedBySelf {
		b.settling--
		b.answerProposal(q, fx)
	}
}

func (b *Broker) answerProposal(q *proposal, fx *seam.Effects) {
	switch q.kind {
	case proposedForClient:
		b.cold(q.conn, q.slot, q.corr, q.answer, fx)
	case proposedAlteration:
		q.part.of.settled(b, fx)
	case proposedQuietly, proposedRegistration, proposedUnfencing, proposedIDs, proposedMove, proposedFound, proposedBySelf:
	}
}

// proposalLost: the oldest write under way to the metadata log failed, and with it all behind it. The controller's state
// is folded anew from what is left.
func (b *Broker) proposalLost(fx *seam.Effects) {
	if b.phase == phaseFolding {
		b.fail(0, seam.NoSpace, fx) // not even the epoch's first entry could be written
		return
	}
	next := b.boot.partition.replica.Log.End().Offset
	b.controller = controller.New(b.config.Controller, b.random, b.image.Clone())
	n := b.proposals.Len()
	for range n {
		q := b.proposals.Pop()
		if q.base >= next {
			b.refuseProposal(q, fx)
			continue
		}
		for i, r := range q.records {
			b.controller.Replay(q.base+int64(i), q.epoch, r)
		}
		b.proposals.Push(q)
	}
}

// refuseProposal tells the client; what the broker itself needs to be ready it cannot do without.
func (b *Broker) refuseProposal(q *proposal, fx *seam.Effects) {
	switch q.kind {
	case proposedQuietly, proposedBySelf:
	case proposedForClient:
		failAll(q.answer, wire.KafkaStorageError)
		b.cold(q.conn, q.slot, q.corr, q.answer, fx)
	case proposedAlteration:
		q.part.refused(b, fx)
	case proposedMove:
		b.failMoveFor(noRecord, fx)
	case proposedFound:
		b.notSaid(q.found, fx)
	case proposedIDs:
		b.idsRefused(wire.KafkaStorageError, fx)
	case proposedRegistration, proposedUnfencing:
		b.fail(0, seam.NoSpace, fx)
	}
}

// failAll turns an answer into errors: what was refused was judged by a state that is gone too.
func failAll(a wire.Answer, code wire.Code) {
	switch a := a.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range a.Topics {
			t := &a.Topics[i]
			t.ErrorCode, t.ErrorMessage, t.TopicID, t.NumPartitions, t.ReplicationFactor = int16(code), nil, [16]byte{}, -1, -1
			t.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
		}
	case *kmsg.DeleteTopicsResponse:
		for i := range a.Topics {
			a.Topics[i].ErrorCode, a.Topics[i].ErrorMessage = int16(code), nil
		}
	case *kmsg.CreatePartitionsResponse:
		for i := range a.Topics {
			a.Topics[i].ErrorCode, a.Topics[i].ErrorMessage = int16(code), nil
		}
	case *kmsg.AlterClientQuotasResponse:
		for i := range a.Entries {
			a.Entries[i].ErrorCode, a.Entries[i].ErrorMessage = int16(code), nil
		}
	}
}

// register announces this incarnation: every partition that this broker is to lead gets a new leader epoch before it
// takes a write, so that (epoch, offset) names one batch for ever.
func (b *Broker) register(now seam.Now, fx *seam.Effects) {
	b.phase = phaseOpening
	b.inherit()
	b.subscribeAll()
	b.controller = controller.New(b.config.Controller, b.random, b.image.Clone())
	if records := b.controller.Bootstrap(); len(records) > 0 && !b.propose(now, &proposal{records: records}, fx) {
		b.fail(0, seam.NoSpace, fx)
		return
	}
	request := kmsg.NewPtrBrokerRegistrationRequest()
	request.BrokerID, request.ClusterID, request.IncarnationID = b.config.NodeID, b.config.ClusterID, b.config.Incarnation
	for i, id := range b.config.DirectoryIDs {
		if b.dirs[i].failed == seam.OK {
			request.LogDirs = append(request.LogDirs, id)
		}
	}
	request.Rack = b.config.Rack
	for _, l := range b.config.Listeners {
		listener := kmsg.NewBrokerRegistrationRequestListener()
		listener.Name, listener.Host, listener.Port, listener.SecurityProtocol = l.Name, l.Host, uint16(l.Port), int16(l.Security)
		request.Listeners = append(request.Listeners, listener)
	}
	for _, f := range controller.Supported() {
		feature := kmsg.NewBrokerRegistrationRequestFeature()
		feature.Name, feature.MinSupportedVersion, feature.MaxSupportedVersion = f.Name, f.Min, f.Max
		request.Features = append(request.Features, feature)
	}
	records, epoch, code := b.controller.RegisterBroker(request, b.boot.partition.replica.Log.Next(), false)
	must.Be(code == wire.None, "T2: a broker's own registration is in order: its cluster, and directory ids that are not reserved")
	if !b.propose(now, &proposal{records: append(records, b.controller.Finalize()...), kind: proposedRegistration}, fx) {
		b.fail(0, seam.IOError, fx)
		return
	}
	b.brokerAt = epoch
}

// openAll takes every topic of the Image into service.
func (b *Broker) openAll(now seam.Now, fx *seam.Effects) {
	for _, image := range b.image.Topics() {
		t := b.enrol(image)
		b.turns.put(b.turns.each(len(image.Partitions), func(i int, _ seam.Now, fx *seam.Effects) {
			p := b.makePartition(t, image, i)
			b.readMarks(p, &image.Partitions[i])
			if b.dead(p) {
				fx.Events = append(fx.Events, seam.Event{Kind: seam.SegmentUnreadable, Topic: t.name, Partition: p.index, Text: b.whyDead(p, &image.Partitions[i])})
				return
			}
			b.boot.queue = append(b.boot.queue, p)
		}))
	}
}

// removeStrays looks for folders that are nobody's when it is known of every partition whether its own can be read.
func (b *Broker) removeStrays() {
	b.boot.tidied, b.boot.more = true, true
	for i := range b.dirs {
		folders := b.dirs[i].folders.Keys()
		b.turns.put(b.turns.each(len(folders), func(j int, _ seam.Now, fx *seam.Effects) {
			b.maybeRemoveStray(seam.Path{Dir: int32(i), Name: folders[j]}, fx)
		}))
	}
}

// openMore opens partitions, a few at a time; when all are open the broker asks to be unfenced.
func (b *Broker) openMore(now seam.Now, fx *seam.Effects) {
	if b.boot.more = b.turns.later.Len() > 0; b.boot.more {
		return // not all of them are known
	}
	for len(b.boot.queue) > 0 && b.boot.running < b.config.RecoveriesMax && b.turns.take() {
		p := b.boot.queue[0]
		if b.boot.queue = b.boot.queue[1:]; b.dead(p) {
			continue
		}
		if _, there := b.dirs[p.folder.Dir].folders.Find(p.folder.Name); there {
			b.recover(p, fx)
		} else {
			b.openNew(p, fx)
		}
	}
	b.boot.more = len(b.boot.queue) > 0 && b.boot.running < b.config.RecoveriesMax
	for len(b.boot.opening) > 0 && (b.dead(b.boot.opening[0]) || !b.boot.opening[0].replica.Log.Opening()) {
		b.boot.opening = b.boot.opening[1:]
	}
	if !b.boot.tidied && len(b.boot.queue) == 0 && b.boot.running == 0 && b.brokerAt <= b.image.Offset() {
		b.removeStrays()
		return
	}
	if len(b.boot.pending) > 0 || len(b.boot.opening) > 0 || len(b.boot.queue) > 0 || b.boot.running > 0 || b.brokerAt > b.image.Offset() || b.boot.unfencing || b.proposals.Len() > 0 {
		return
	}
	b.boot.unfencing = true
	heartbeat := kmsg.NewPtrBrokerHeartbeatRequest()
	heartbeat.BrokerID, heartbeat.BrokerEpoch, heartbeat.CurrentMetadataOffset = b.config.NodeID, b.brokerAt, b.image.Offset()
	records, _, code := b.controller.BrokerHeartbeat(heartbeat)
	if code != wire.None || !b.propose(now, &proposal{records: records, kind: proposedUnfencing}, fx) {
		b.fail(0, seam.IOError, fx)
	}
}

// ready: the broker serves, what came early first.
func (b *Broker) ready(now seam.Now, fx *seam.Effects) {
	b.phase, b.boot.more = phaseReady, false // what was put off meanwhile asks for itself
	b.boot.named, b.boot.removed, b.boot.left = nil, nil, nil
	b.turns.put(b.startLoads)
	b.checkpointAt = now.Mono + b.config.CheckpointEvery
	b.sweep = sweep{at: now.Mono + min(b.config.InitialTaskDelay, b.config.RetentionCheckEvery)}
	b.cleaning.at = now.Mono + min(b.config.InitialTaskDelay, b.cleaning.config.BackOff)
	for i := range b.dirs {
		b.dirs[i].folders, b.dirs[i].points, b.dirs[i].startsAt, b.dirs[i].cleaned.at = emptyFolders(), nil, nil, nil
		b.dirs[i].unseen = false
		if b.mark(&b.dirs[i], fx); b.dirs[i].failed != seam.OK {
			b.resign() // the registration knows nothing of what lies there while the metadata says another
		}
	}
	fx.Events = append(fx.Events, seam.Event{Kind: seam.Ready, A: int64(b.partitions.Len() - 1), B: int64((now.Mono - b.boot.startedAt) / seam.Millisecond)})
	b.resumeMoves(fx)
	b.turns.put(b.turns.each(b.early.Len(), func(int, seam.Now, *seam.Effects) {
		if c := b.conns.At(b.early.Pop()); c != nil {
			b.putQueued(c)
		}
	}))
}
