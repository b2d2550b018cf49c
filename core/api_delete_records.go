package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/controller"
	"rookery/core/seam"
	"rookery/core/wire"
)

// deletion is a DeleteRecords under way.
type deletion struct {
	conn   seam.Conn
	slot   conn.Slot
	corr   int32
	answer *kmsg.DeleteRecordsResponse
	open   int
}

// awaited is one partition of a deletion, which waits for its log to begin at offset.
type awaited struct {
	deletion         *deletion
	topic, partition int
	offset           int64
}

// toHighWatermark is the offset that stands for the high watermark.
const toHighWatermark = -1

// deleteRecords (21) moves log starts. It is answered when they are durable.
func (b *Broker) deleteRecords(now seam.Now, c *connection, slot conn.Slot, r *conn.Request, request *kmsg.DeleteRecordsRequest, fx *seam.Effects) {
	d := &deletion{conn: c.id, slot: slot, corr: r.Correlation, answer: request.ResponseKind().(*kmsg.DeleteRecordsResponse), open: 1}
	var all []awaited
	for i := range request.Topics {
		t := &request.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = t.Topic
		for j := range t.Partitions {
			one := kmsg.NewDeleteRecordsResponseTopicPartition()
			one.Partition, one.LowWatermark = t.Partitions[j].Partition, -1
			out.Partitions = append(out.Partitions, one)
			all = append(all, awaited{d, i, j, t.Partitions[j].Offset})
		}
		d.answer.Topics = append(d.answer.Topics, out)
	}
	next := 0
	b.inTurns(now, c, func(_ seam.Now, fx *seam.Effects) bool {
		for ; next < len(all); next++ {
			if !b.turns.take() {
				return false
			}
			a := all[next]
			d.answer.Topics[a.topic].Partitions[a.partition].ErrorCode = int16(b.deleteUpTo(a, fx))
		}
		b.deleted(d, fx)
		return true
	}, fx)
}

func (b *Broker) deleteUpTo(a awaited, fx *seam.Effects) wire.Code {
	out := &a.deletion.answer.Topics[a.topic].Partitions[a.partition]
	t, p, code := b.find([]byte(a.deletion.answer.Topics[a.topic].Topic), [16]byte{}, out.Partition, false)
	switch {
	case t != nil && controller.Internal(t.name):
		return wire.InvalidTopicException
	case code != wire.None:
		return code
	case !t.config.Delete && t.config.Compact:
		return wire.PolicyViolation
	case !p.replica.Settled() || b.frozen(p) && !b.moving(p):
		return wire.NotLeaderOrFollower // what the high watermark is, or whether it is this log that counts, is not known yet: ask again
	}
	if a.offset == toHighWatermark {
		a.offset = p.replica.High().Offset
	}
	switch start := p.replica.Log.Start(); {
	case a.offset < 0 || a.offset > p.replica.High().Offset:
		return wire.OffsetOutOfRange
	case a.offset <= start:
		out.LowWatermark = start
	default:
		a.deletion.open++
		p.deletions = append(p.deletions, a)
		b.wantStart(p, a.offset, fx)
	}
	return wire.None
}

func (b *Broker) deleted(d *deletion, fx *seam.Effects) {
	if d.open--; d.open == 0 {
		b.cold(d.conn, d.slot, d.corr, d.answer, fx)
	}
}

// answerDeletions answers those whose offset the log's start has reached.
func (b *Broker) answerDeletions(p *partition, fx *seam.Effects) {
	start := p.replica.Log.Start()
	kept := p.deletions[:0]
	for _, a := range p.deletions {
		if a.offset > start {
			kept = append(kept, a)
			continue
		}
		a.deletion.answer.Topics[a.topic].Partitions[a.partition].LowWatermark = start
		b.deleted(a.deletion, fx)
	}
	clear(p.deletions[len(kept):])
	p.deletions = kept
}

// refuseDeletions answers all that wait at a partition with an error.
func (b *Broker) refuseDeletions(p *partition, code wire.Code, fx *seam.Effects) {
	for _, a := range p.deletions {
		a.deletion.answer.Topics[a.topic].Partitions[a.partition].ErrorCode = int16(code)
		b.deleted(a.deletion, fx)
	}
	p.deletions = nil
}
