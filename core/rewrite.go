package core

import (
	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A topic with a codec of its own (compression.type) stores what producers send compressed by that. The work lasts too long
// for a Step:
//
//	judged ─▶ Rewrite ─▶ the connection's goroutine ─▶ Rewritten ─▶ judged again, all of it ─▶ the log
//	   its connection is frozen meanwhile: what comes behind is not started
//
// Time passes in between: the topic may be gone or altered, the clock has moved, and other connections have written, under
// the same producer id perhaps. Nothing that was found at first is believed later.

// rewriting is one batch under way.
type rewriting struct {
	ticket  replica.Ticket
	request *conn.Request // good while the produce's frame is held
	entry   int32         // of the request
}

// lent is the frame of a batch that came back.
type lent struct {
	part  int32
	lease seam.Lease
	size  int64
}

// rewrite has a batch compressed as its topic wants it.
func (b *Broker) rewrite(ticket replica.Ticket, t *topic, r *conn.Request, i int32, p *produce, result *wire.ProduceResult, fx *seam.Effects) (waits bool) {
	facts := &r.Facts[i]
	codec, level := t.config.Codec()
	switch {
	case codec == batch.None && facts.InflatedSize+batch.HeaderSize > int64(t.config.MaxMessageBytes):
		result.Code, result.ErrorMessage = wire.MessageTooLarge, "the batch is larger than max.message.bytes, uncompressed"
		return false
	case p.owner.gone || b.phase >= phaseStopping:
		result.Code = wire.NotLeaderOrFollower // there is nobody who could do it
		return false
	}
	p.owner.rewriting++
	p.writes++
	b.rewrote++
	op := seam.Op(uint64(ownerPart)<<32 | uint64(b.rewrote))
	b.rewrites[op] = rewriting{ticket, r, i}
	fx.Rewrites = append(fx.Rewrites, seam.Rewrite{
		Op: op, Conn: p.owner.id, Data: r.Produce.Partitions[i].Records[:facts.Size], Codec: uint8(codec), Level: level,
	})
	return true
}

// onRewritten judges a batch anew that was rewritten, and takes it into the log, unless it is to be rewritten once more.
func (b *Broker) onRewritten(now seam.Now, in *seam.Rewritten, fx *seam.Effects) {
	x := b.rewrites[in.Op]
	delete(b.rewrites, in.Op)
	id, part := x.ticket.Request, x.ticket.Part
	p := &b.produces[id]
	size := int64(len(in.Data))
	b.frames += size
	waits, writes := b.takeRewritten(now, x, p, in.Data, fx)
	if writes {
		p.rewritten = append(p.rewritten, lent{part, in.Lease, size})
	} else {
		b.freeFrame(in.Lease, size, fx)
	}
	if !waits {
		p.decided[part] = true
		p.open--
	}
	c := p.owner
	b.freed(replica.Ticket{Request: id, Part: intake}, fx)
	b.maybeAnswer(now, id, fx)
	if c.rewriting--; !c.frozen() {
		b.putQueued(c)
	}
}

func (b *Broker) takeRewritten(now seam.Now, x rewriting, p *produce, data []byte, fx *seam.Effects) (waits, writes bool) {
	asked, result := &x.request.Produce.Partitions[x.entry], &p.results[x.ticket.Part]
	if b.phase >= phaseStopping {
		result.Code = wire.NotLeaderOrFollower
		return false, false
	}
	facts := x.request.Facts[x.entry].Rewritten(data)
	t, target, code := b.find(asked.Topic, asked.TopicID, asked.Index, x.request.Version >= 13)
	if code != wire.None {
		result.Code = code
		return false, false
	}
	again := len(b.rewrites)
	waits, writes = b.takePart(now, x.ticket, t, target, x.request, x.entry, data, &facts, p, result, fx)
	if len(b.rewrites) == again { // else it was altered meanwhile
		b.countProduce(target, facts.Count, facts.Size, result.Code)
	}
	return waits, writes
}

// freeRewritten frees the frame of a part that was rewritten; false: it was not.
func (b *Broker) freeRewritten(p *produce, part int32, fx *seam.Effects) bool {
	for i, l := range p.rewritten {
		if l.part == part {
			last := len(p.rewritten) - 1
			p.rewritten[i] = p.rewritten[last]
			p.rewritten = p.rewritten[:last]
			b.freeFrame(l.lease, l.size, fx)
			return true
		}
	}
	return false
}

// freeFrame gives a frame back that no client has sent.
func (b *Broker) freeFrame(lease seam.Lease, size int64, fx *seam.Effects) {
	fx.Frees = append(fx.Frees, lease)
	b.frames -= size
	b.feed(fx)
}
