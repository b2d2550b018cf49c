package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

const (
	fencedEpochOfLeader  = 74
	unknownEpochOfLeader = 75
)

// leading is the latest epoch of a partition that was told, and when; and the one before that.
type leading struct {
	at, earlier   seam.Mono
	epoch, before int32
}

// led notes the epoch in which a partition was seen to be led, or written. A topic that comes and goes has others, and a bit may
// turn in a batch's: no checksum covers that.
func (r *Run) led(p check.Partition, epoch int32, now seam.Mono) {
	if x := r.leaders[p]; !r.plan.isFleeting(p.Topic) && !r.mayRot() && epoch > x.epoch {
		r.leaders[p] = leading{now, x.at, epoch, x.epoch}
	}
}

// leads holds what is said of who leads a partition against what was told before that was asked.
func (r *Run) leads(p check.Partition, epoch int32, sent, now seam.Mono) {
	if x := r.leaders[p]; !r.plan.isFleeting(p.Topic) {
		due := int32(0)
		if x.at < sent {
			due = x.epoch
		} else if x.earlier < sent {
			due = x.before
		}
		r.require(epoch >= due, check.LedForward, "%v is said at %v to be led in epoch %d, and was in %d before %v", p, now, epoch, due, sent)
	}
	r.led(p, epoch, now)
}

// askEpoch asks where an epoch ends that there was, or is to come, as one who says nothing of whom he believes to lead, or who
// believes in an epoch that is over or to come (KIP-320): he must not be answered.
func (r *reader) askEpoch(now seam.Mono, fx *seam.Effects) {
	p := r.partitions[r.epochs.Choose(len(r.partitions))]
	latest := r.run.leaders[p].epoch
	asked, believed := max(0, latest-int32(r.epochs.Choose(6)))+int32(r.epochs.Choose(2)), int32(-1)
	switch kind := r.epochs.Choose(6); {
	case kind == 4:
		believed = latest + 1000
	case kind == 5 && latest > 0:
		believed = latest - 1
	}
	request := kmsg.NewPtrOffsetForLeaderEpochRequest()
	request.Version, request.ReplicaID = int16(2+r.epochs.Choose(3)), -1
	part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	part.Partition, part.CurrentLeaderEpoch, part.LeaderEpoch = p.Number, believed, asked
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic, topic.Partitions = p.Topic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	r.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			return
		}
		one := &answer.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
		r.run.told(question{key: wire.KeyOffsetForLeaderEpoch, topic: p.Topic, sent: now}, one.ErrorCode, at, int64(one.LeaderEpoch), one.EndOffset)
		r.run.judgeBelief(r.name, p, believed, latest, one.ErrorCode)
		if one.ErrorCode == none {
			r.run.History.EpochEnds = append(r.run.History.EpochEnds, &check.EpochEnd{Partition: p, Call: now, Return: at, Asked: asked, Epoch: one.LeaderEpoch, Offset: one.EndOffset})
		}
	}})
}

// judgeBelief: who believes in an epoch that is over is fenced, who believes in one that is to come is not known, and who says
// nothing is neither.
func (r *Run) judgeBelief(who string, p check.Partition, believed, latest int32, code int16) {
	fenced, unknown := code == fencedEpochOfLeader, code == unknownEpochOfLeader
	switch {
	case r.plan.isFleeting(p.Topic):
	case believed < 0:
		r.require(!fenced && !unknown, check.EpochsEnd, "%s: %v was asked by one who believes in no epoch: %v", who, p, wire.Code(code))
	case believed < latest:
		r.require(code != none && !unknown, check.EpochsEnd, "%s: %v was asked by one who believes in epoch %d: %v; %d had begun", who, p, believed, wire.Code(code), latest)
	default:
		r.require(code != none && !fenced, check.EpochsEnd, "%s: %v was asked by one who believes in epoch %d: %v", who, p, believed, wire.Code(code))
	}
}

// readBefore is the epoch of what the reader has read last before each of its positions, as far as it says (KIP-595). Now and
// then it names an earlier one: what it has read then is of no log that ever was. Not who audits: it is set back each time, and
// would not come to its end.
func (r *reader) readBefore() []int32 {
	read := make([]int32, len(r.partitions))
	for i := range read {
		if read[i] = -1; r.version < 12 || r.behindOf[i] < 0 {
			continue
		}
		switch r.epochs.Choose(4) {
		case 2:
			read[i] = r.behindOf[i]
		case 3:
			if r.audit {
				continue
			}
			read[i] = max(0, r.behindOf[i]-int32(r.epochs.Choose(2)))
		}
	}
	return read
}

// parted: the log has parted from what the reader says that it has read, and it cuts that back.
func (r *reader) parted(called, now seam.Mono, i int, from int64, read int32, part *kmsg.FetchResponseTopicPartition) {
	p, end := r.partitions[i], &part.DivergingEpoch
	r.run.require(read >= 0 && (end.Epoch < read || end.EndOffset < from), check.EpochsEnd, "%s: a fetch of %v from %d behind epoch %d is told that epoch %d ends at %d", r.name, p, from, read, end.Epoch, end.EndOffset)
	r.run.require(len(part.RecordBatches) == 0, check.EpochsEnd, "%s: a fetch of %v is told that its log has parted, and brings something", r.name, p)
	r.run.History.EpochEnds = append(r.run.History.EpochEnds, &check.EpochEnd{Partition: p, Call: called, Return: now, Asked: read, Epoch: end.Epoch, Offset: end.EndOffset})
	r.positions[i], r.behindOf[i] = min(r.positions[i], end.EndOffset), -1
}
